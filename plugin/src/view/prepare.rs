//! Pipelines, textures and uniforms of neural cameras.

use bevy::asset::load_embedded_asset;
use bevy::camera::CompositingSpace;
use bevy::core_pipeline::FullscreenShader;
use bevy::prelude::*;
use bevy::render::camera::ExtractedCamera;
use bevy::render::render_resource::binding_types::{sampler, texture_2d, uniform_buffer};
use bevy::render::render_resource::*;
use bevy::render::renderer::{RenderDevice, RenderQueue};
use bevy::render::view::ViewTarget;
use reverie_runtime::profile_scope;

use super::ViewReady;
use super::extract::ViewPicture;
use crate::camera::NeuralFilter;
use crate::latency::RenderMarks;

/// As `Present` in `view.wgsl`.
#[derive(ShaderType, Clone, Copy, PartialEq, Default)]
struct Present {
    uv_scale: Vec2,
    encode_srgb: u32,
    padding: u32,
}

/// What all neural views share.
#[derive(Resource)]
pub(super) struct ViewPipeline {
    layout: BindGroupLayoutDescriptor,
    nearest: Sampler,
    bilinear: Sampler,
    vertex: VertexState,
    shader: Handle<Shader>,
}

/// The pipeline for the format that a view draws in.
#[derive(Component)]
pub(super) struct ViewPipelineId {
    pub id: CachedRenderPipelineId,
    format: TextureFormat,
}

/// A view's picture on the GPU.
#[derive(Component)]
pub(super) struct GpuPicture {
    pub bind_group: BindGroup,
    texture: Texture,
    size: UVec2,
    serial: u64,
    filter: NeuralFilter,
    present: UniformBuffer<Present>,
}

/// Runs again when the device was lost and made anew.
pub(super) fn init_pipeline(
    mut commands: Commands,
    device: Res<RenderDevice>,
    fullscreen: Res<FullscreenShader>,
    assets: Res<AssetServer>,
    stale: Query<Entity, Or<(With<ViewPipelineId>, With<GpuPicture>)>>,
) {
    for entity in &stale {
        commands.entity(entity).remove::<(ViewPipelineId, GpuPicture)>();
    }
    let layout = BindGroupLayoutDescriptor::new(
        "neural_view_layout",
        &BindGroupLayoutEntries::sequential(
            ShaderStages::FRAGMENT,
            (
                texture_2d(TextureSampleType::Float { filterable: true }),
                sampler(SamplerBindingType::Filtering),
                uniform_buffer::<Present>(false),
            ),
        ),
    );
    let bilinear = SamplerDescriptor {
        label: Some("neural_view_bilinear"),
        mag_filter: FilterMode::Linear,
        min_filter: FilterMode::Linear,
        ..default()
    };
    commands.insert_resource(ViewPipeline {
        layout,
        nearest: device
            .create_sampler(&SamplerDescriptor { label: Some("neural_view_nearest"), ..default() }),
        bilinear: device.create_sampler(&bilinear),
        vertex: fullscreen.to_vertex_state(),
        shader: load_embedded_asset!(assets.as_ref(), "view.wgsl"),
    });
}

/// Compiles the pipeline before the camera needs it, and tells the main world when it may be used.
pub(super) fn queue_pipelines(
    mut commands: Commands,
    pipeline: Option<Res<ViewPipeline>>,
    cache: Res<PipelineCache>,
    ready: Res<ViewReady>,
    views: Query<(Entity, &ViewTarget, Option<&ViewPipelineId>), With<ViewPicture>>,
) {
    let Some(pipeline) = pipeline else { return ready.set(false) };
    let mut all_compiled = !views.is_empty();
    for (entity, target, have) in &views {
        let format = target.main_texture_format();
        if let Some(have) = have.filter(|have| have.format == format) {
            all_compiled &= cache.get_render_pipeline(have.id).is_some();
            continue;
        }
        all_compiled = false;
        let id = cache.queue_render_pipeline(RenderPipelineDescriptor {
            label: Some("neural_view_pipeline".into()),
            layout: vec![pipeline.layout.clone()],
            vertex: pipeline.vertex.clone(),
            fragment: Some(FragmentState {
                shader: pipeline.shader.clone(),
                targets: vec![Some(ColorTargetState {
                    format,
                    blend: None,
                    write_mask: ColorWrites::ALL,
                })],
                ..default()
            }),
            ..default()
        });
        commands.entity(entity).insert(ViewPipelineId { id, format });
    }
    ready.set(all_compiled);
}

/// Uploads pictures that are new.
pub(super) fn upload(
    mut commands: Commands,
    pipeline: Option<Res<ViewPipeline>>,
    device: Res<RenderDevice>,
    queue: Res<RenderQueue>,
    cache: Res<PipelineCache>,
    marks: Res<RenderMarks>,
    mut views: Query<(Entity, &ViewPicture, &ExtractedCamera, Option<&mut GpuPicture>)>,
) {
    profile_scope!("upload");
    let Some(pipeline) = pipeline else { return };
    for (entity, picture, camera, have) in &mut views {
        let encode = camera.compositing_space == Some(CompositingSpace::Srgb) && !camera.hdr;
        let present =
            Present { uv_scale: picture.uv_scale, encode_srgb: u32::from(encode), padding: 0 };
        let usable = have.filter(|have| have.size == picture.size && have.filter == picture.filter);
        if let Some(mut have) = usable {
            if have.serial != picture.serial {
                write(&queue, &have.texture, picture);
                have.serial = picture.serial;
            }
            if *have.present.get() != present {
                have.present.set(present);
                have.present.write_buffer(&device, &queue);
            }
            continue;
        }
        if let Some(gpu) = create(&pipeline, &device, &queue, &cache, picture, present) {
            commands.entity(entity).insert(gpu);
        }
    }
    marks.uploaded();
}

fn create(
    pipeline: &ViewPipeline,
    device: &RenderDevice,
    queue: &RenderQueue,
    cache: &PipelineCache,
    picture: &ViewPicture,
    present: Present,
) -> Option<GpuPicture> {
    let texture = device.create_texture(&TextureDescriptor {
        label: Some("neural_picture"),
        size: extent(picture.size),
        mip_level_count: 1,
        sample_count: 1,
        dimension: TextureDimension::D2,
        format: TextureFormat::Rgba8UnormSrgb,
        usage: TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST,
        view_formats: &[],
    });
    write(queue, &texture, picture);
    let mut uniform = UniformBuffer::from(present);
    uniform.write_buffer(device, queue);
    let view = texture.create_view(&TextureViewDescriptor::default());
    let filter = match picture.filter {
        NeuralFilter::Nearest => &pipeline.nearest,
        NeuralFilter::Bilinear => &pipeline.bilinear,
    };
    let bind_group = device.create_bind_group(
        "neural_view_bind_group",
        &cache.get_bind_group_layout(&pipeline.layout),
        &BindGroupEntries::sequential((&view, filter, uniform.binding()?)),
    );
    let (size, serial, filter) = (picture.size, picture.serial, picture.filter);
    Some(GpuPicture { bind_group, texture, size, serial, filter, present: uniform })
}

fn write(queue: &RenderQueue, texture: &Texture, picture: &ViewPicture) {
    let layout = TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some(4 * picture.size.x),
        rows_per_image: None,
    };
    queue.write_texture(texture.as_image_copy(), &picture.rgba, layout, extent(picture.size));
}

fn extent(size: UVec2) -> Extent3d {
    Extent3d { width: size.x, height: size.y, depth_or_array_layers: 1 }
}
