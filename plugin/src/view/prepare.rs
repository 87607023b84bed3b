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
use reverie_kernels::present::{Fill, PRESENT_WGSL};
use reverie_runtime::profile_scope;

use super::ViewReady;
use super::carries::CarryTexture;
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

/// Sorts pixels by how they are filled.
const CLASS_FORMAT: TextureFormat = TextureFormat::Depth32Float;

/// The pipelines for the format that a view draws in.
#[derive(Component)]
pub(super) struct PresentPipelines {
    nearest: CachedRenderPipelineId,
    bilinear: CachedRenderPipelineId,
    warp: CachedRenderPipelineId,
    guided: [CachedRenderPipelineId; 3],
    format: TextureFormat,
}

impl PresentPipelines {
    fn new(cache: &PipelineCache, pipeline: &PresentPipeline, format: TextureFormat) -> Self {
        let queue = |fragment: &'static str, writes_class, compare| {
            cache.queue_render_pipeline(RenderPipelineDescriptor {
                label: Some(format!("neural_present_{fragment}").into()),
                layout: vec![pipeline.layout.clone()],
                vertex: VertexState {
                    shader: pipeline.shader.clone(),
                    entry_point: Some("vertex".into()),
                    ..default()
                },
                depth_stencil: Some(DepthStencilState {
                    format: CLASS_FORMAT,
                    depth_write_enabled: Some(writes_class),
                    depth_compare: Some(compare),
                    stencil: StencilState::default(),
                    bias: DepthBiasState::default(),
                }),
                fragment: Some(FragmentState {
                    shader: pipeline.shader.clone(),
                    entry_point: Some(fragment.into()),
                    targets: vec![Some(format.into())],
                    ..default()
                }),
                ..default()
            })
        };
        let whole = |fragment| queue(fragment, false, CompareFunction::Always);
        Self {
            nearest: whole("nearest_fragment"),
            bilinear: whole("bilinear_fragment"),
            warp: whole("warp_fragment"),
            guided: [
                queue("interior_fragment", true, CompareFunction::Always),
                queue("edge_fragment", false, CompareFunction::Equal),
                queue("rest_fragment", false, CompareFunction::Equal),
            ],
            format,
        }
    }

    /// The draws that fill the display so, in order, one for each class of pixels.
    pub fn of(&self, fill: Fill) -> &[CachedRenderPipelineId] {
        match fill {
            Fill::Nearest => std::slice::from_ref(&self.nearest),
            Fill::Bilinear => std::slice::from_ref(&self.bilinear),
            Fill::Warp => std::slice::from_ref(&self.warp),
            Fill::Guided => &self.guided,
        }
    }

    fn ready(&self, cache: &PipelineCache) -> bool {
        let whole = [self.nearest, self.bilinear, self.warp];
        whole.iter().chain(&self.guided).all(|id| cache.get_render_pipeline(*id).is_some())
    }
}

/// How each pixel of the target that a view draws in is filled.
pub(super) struct Classes {
    size: UVec2,
    pub view: TextureView,
}

impl Classes {
    fn new(device: &RenderDevice, size: UVec2) -> Self {
        let texture = device.create_texture(&TextureDescriptor {
            label: Some("neural_present_classes"),
            size: Extent3d { width: size.x, height: size.y, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: TextureDimension::D2,
            format: CLASS_FORMAT,
            usage: TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        Self { size, view: texture.create_view(&TextureViewDescriptor::default()) }
    }
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
    pub(super) fill: Fill,
    pub(super) classes: Classes,
    pub(super) view: GrowingBuffer,
    pub(super) bodies: GrowingBuffer,
    pub(super) carries: CarryTexture,
    pub(super) vertices: GrowingBuffer,
}

impl GpuView {
    fn new(device: &RenderDevice, queue: &RenderQueue, size: UVec2, target_size: UVec2) -> Self {
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
            fill: Fill::Guided,
            classes: Classes::new(device, target_size),
            view: GrowingBuffer::new(device, "neural_view", BufferUsages::UNIFORM),
            bodies: storage("neural_bodies"),
            carries: CarryTexture::new(device, 1),
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
                    &self.carries.view,
                    &self.frames.colours.view,
                    &self.frames.guides.view,
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
    stale: Query<Entity, Or<(With<PresentPipelines>, With<GpuView>)>>,
) {
    for entity in &stale {
        commands.entity(entity).remove::<(PresentPipelines, GpuView)>();
    }
    let storage = || storage_buffer_read_only_sized(false, None);
    let layout = BindGroupLayoutDescriptor::new(
        "neural_present_layout",
        &BindGroupLayoutEntries::sequential(
            ShaderStages::FRAGMENT,
            (
                uniform_buffer_sized(false, None),
                storage(),
                texture_2d(TextureSampleType::Uint),
                texture_2d_array(TextureSampleType::Float { filterable: false }),
                texture_2d_array(TextureSampleType::Uint),
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
    views: Query<(Entity, &ViewTarget, Option<&PresentPipelines>), With<ViewPicture>>,
) {
    let (Some(pipeline), Some(gbuffer)) = (pipeline, gbuffer) else { return ready.set(false) };
    let mut all_compiled = !views.is_empty() && gbuffer.ready(&cache);
    for (entity, target, have) in &views {
        let format = target.main_texture_format();
        if let Some(have) = have.filter(|have| have.format == format) {
            all_compiled &= have.ready(&cache);
            continue;
        }
        all_compiled = false;
        commands.entity(entity).insert(PresentPipelines::new(&cache, &pipeline, format));
    }
    ready.set(all_compiled);
}

/// Uploads pictures that are new; makes room for viewports that have another size.
pub(super) fn prepare_views(
    mut commands: Commands,
    device: Res<RenderDevice>,
    queue: Res<RenderQueue>,
    marks: Res<RenderMarks>,
    mut views: Query<(Entity, &ViewPicture, &ExtractedCamera, &ViewTarget, Option<&mut GpuView>)>,
) {
    profile_scope!("upload");
    for (entity, picture, camera, target, gpu) in &mut views {
        // A minimised window has no pixels.
        let Some(size) = camera.physical_viewport_size.filter(|size| size.min_element() > 0) else {
            continue;
        };
        let target_size = target.main_texture().size();
        let target_size = UVec2::new(target_size.width, target_size.height);
        let Some(mut gpu) = gpu else {
            let mut gpu = GpuView::new(&device, &queue, size, target_size);
            gpu.frames.take(&device, &queue, picture);
            gpu.detail.take(&queue, picture.frame.as_ref().and_then(|frame| frame.detail.as_ref()));
            commands.entity(entity).insert(gpu);
            continue;
        };
        if gpu.textures.size != size {
            gpu.textures = GBufferTextures::new(&device, size);
            gpu.present_group = None;
        }
        if gpu.classes.size != target_size {
            gpu.classes = Classes::new(&device, target_size);
        }
        gpu.frames.take(&device, &queue, picture);
        gpu.detail.take(&queue, picture.frame.as_ref().and_then(|frame| frame.detail.as_ref()));
        if std::mem::take(&mut gpu.frames.changed) {
            gpu.present_group = None;
        }
    }
    marks.uploaded();
}
