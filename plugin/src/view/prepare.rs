//! Pipelines, buffers and textures of neural cameras.

use bevy::prelude::*;
use bevy::render::camera::ExtractedCamera;
use bevy::render::render_resource::binding_types::{
    sampler, storage_buffer_read_only_sized, texture_2d, texture_2d_array, texture_depth_2d,
    uniform_buffer_sized,
};
use bevy::render::render_resource::*;
use bevy::render::renderer::{RenderDevice, RenderQueue};
use bevy::render::view::ViewTarget;
use reverie_kernels::present::PRESENT_WGSL;
use reverie_runtime::profile_scope;

use super::ViewReady;
use super::detail::GpuDetail;
use super::extract::ViewPicture;
use super::frames::Frames;
use super::latch::{GrowingBuffer, Latched};
use crate::gbuffer::{GBufferPipelines, GBufferTextures, MeshPool, Table};
use crate::latency::RenderMarks;

/// What all neural views share.
#[derive(Resource)]
pub(super) struct PresentPipeline {
    pub layout: BindGroupLayoutDescriptor,
    shader: Handle<Shader>,
}

/// The pipeline for the format that a view draws in.
#[derive(Component)]
pub(super) struct PresentPipelineId {
    pub id: CachedRenderPipelineId,
    format: TextureFormat,
}

/// All that a neural view has on the GPU.
#[derive(Component)]
pub struct GpuView {
    pub(crate) textures: GBufferTextures,
    pub(crate) table: Table,
    pub(crate) gbuffer_group: Option<BindGroup>,
    pub(super) present_group: Option<BindGroup>,
    pub(super) meshes: MeshPool,
    pub(super) frames: Frames,
    pub(super) detail: GpuDetail,
    pub(super) latched: Option<Latched>,
    pub(super) view: GrowingBuffer,
    pub(super) bodies: GrowingBuffer,
    pub(super) carries: GrowingBuffer,
    pub(super) vertices: GrowingBuffer,
}

impl GpuView {
    fn new(device: &RenderDevice, queue: &RenderQueue, size: UVec2) -> Self {
        let storage = |label| GrowingBuffer::new(device, label, BufferUsages::STORAGE);
        Self {
            textures: GBufferTextures::new(device, size),
            table: Table::default(),
            gbuffer_group: None,
            present_group: None,
            meshes: MeshPool::default(),
            frames: Frames::new(device),
            detail: GpuDetail::new(device, queue),
            latched: None,
            view: GrowingBuffer::new(device, "neural_view", BufferUsages::UNIFORM),
            bodies: storage("neural_bodies"),
            carries: storage("neural_carries"),
            vertices: storage("neural_mesh_vertices"),
        }
    }

    /// Bind groups of the buffers and textures as they are now.
    pub(super) fn bind(
        &mut self,
        device: &RenderDevice,
        cache: &PipelineCache,
        gbuffer: &GBufferPipelines,
        present: &PresentPipeline,
    ) {
        if self.gbuffer_group.is_none() {
            self.gbuffer_group = Some(device.create_bind_group(
                "neural_gbuffer_bind_group",
                &cache.get_bind_group_layout(&gbuffer.layout),
                &BindGroupEntries::sequential((
                    self.view.buffer.as_entire_binding(),
                    self.bodies.buffer.as_entire_binding(),
                    self.vertices.buffer.as_entire_binding(),
                )),
            ));
        }
        if self.present_group.is_none() {
            self.present_group = Some(device.create_bind_group(
                "neural_present_bind_group",
                &cache.get_bind_group_layout(&present.layout),
                &BindGroupEntries::sequential((
                    self.view.buffer.as_entire_binding(),
                    self.bodies.buffer.as_entire_binding(),
                    self.carries.buffer.as_entire_binding(),
                    self.frames.colours.as_entire_binding(),
                    self.frames.guides.as_entire_binding(),
                    &self.textures.words,
                    &self.textures.depth,
                    &self.detail.view,
                    &self.detail.sampler,
                )),
            ));
        }
    }
}

/// Runs again when the device was lost and made anew.
pub(super) fn init_pipelines(
    mut commands: Commands,
    cache: Res<PipelineCache>,
    assets: Res<AssetServer>,
    stale: Query<Entity, Or<(With<PresentPipelineId>, With<GpuView>)>>,
) {
    for entity in &stale {
        commands.entity(entity).remove::<(PresentPipelineId, GpuView)>();
    }
    let storage = || storage_buffer_read_only_sized(false, None);
    let layout = BindGroupLayoutDescriptor::new(
        "neural_present_layout",
        &BindGroupLayoutEntries::sequential(
            ShaderStages::FRAGMENT,
            (
                uniform_buffer_sized(false, None),
                storage(),
                storage(),
                storage(),
                storage(),
                texture_2d(TextureSampleType::Uint),
                texture_depth_2d(),
                texture_2d_array(TextureSampleType::Float { filterable: true }),
                sampler(SamplerBindingType::Filtering),
            ),
        ),
    );
    let shader = assets.add(Shader::from_wgsl(PRESENT_WGSL, "reverie/present.wgsl"));
    commands.insert_resource(GBufferPipelines::new(&cache, &assets));
    commands.insert_resource(PresentPipeline { layout, shader });
}

/// Compiles the pipelines before the camera needs them, and tells the main world when they may be used.
pub(super) fn queue_pipelines(
    mut commands: Commands,
    pipeline: Option<Res<PresentPipeline>>,
    gbuffer: Option<Res<GBufferPipelines>>,
    cache: Res<PipelineCache>,
    ready: Res<ViewReady>,
    views: Query<(Entity, &ViewTarget, Option<&PresentPipelineId>), With<ViewPicture>>,
) {
    let (Some(pipeline), Some(gbuffer)) = (pipeline, gbuffer) else { return ready.set(false) };
    let mut all_compiled = !views.is_empty() && gbuffer.ready(&cache);
    for (entity, target, have) in &views {
        let format = target.main_texture_format();
        if let Some(have) = have.filter(|have| have.format == format) {
            all_compiled &= cache.get_render_pipeline(have.id).is_some();
            continue;
        }
        all_compiled = false;
        let id = cache.queue_render_pipeline(RenderPipelineDescriptor {
            label: Some("neural_present_pipeline".into()),
            layout: vec![pipeline.layout.clone()],
            vertex: VertexState {
                shader: pipeline.shader.clone(),
                entry_point: Some("vertex".into()),
                ..default()
            },
            fragment: Some(FragmentState {
                shader: pipeline.shader.clone(),
                entry_point: Some("fragment".into()),
                targets: vec![Some(format.into())],
                ..default()
            }),
            ..default()
        });
        commands.entity(entity).insert(PresentPipelineId { id, format });
    }
    ready.set(all_compiled);
}

/// Uploads pictures that are new; makes room for viewports that have another size.
pub(super) fn prepare_views(
    mut commands: Commands,
    device: Res<RenderDevice>,
    queue: Res<RenderQueue>,
    marks: Res<RenderMarks>,
    mut views: Query<(Entity, &ViewPicture, &ExtractedCamera, Option<&mut GpuView>)>,
) {
    profile_scope!("upload");
    for (entity, picture, camera, gpu) in &mut views {
        // A minimised window has no pixels.
        let Some(size) = camera.physical_viewport_size.filter(|size| size.min_element() > 0) else {
            continue;
        };
        let Some(mut gpu) = gpu else {
            let mut gpu = GpuView::new(&device, &queue, size);
            gpu.frames.take(&device, &queue, picture);
            gpu.detail.take(&queue, picture.frame.as_ref().and_then(|frame| frame.detail.as_ref()));
            commands.entity(entity).insert(gpu);
            continue;
        };
        if gpu.textures.size != size {
            gpu.textures = GBufferTextures::new(&device, size);
            gpu.present_group = None;
        }
        gpu.frames.take(&device, &queue, picture);
        gpu.detail.take(&queue, picture.frame.as_ref().and_then(|frame| frame.detail.as_ref()));
        if std::mem::take(&mut gpu.frames.changed) {
            gpu.present_group = None;
        }
    }
    marks.uploaded();
}
