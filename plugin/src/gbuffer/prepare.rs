//! Pipelines and targets of the G-buffer.

use bevy::prelude::*;
use bevy::render::render_resource::binding_types::{
    storage_buffer_read_only_sized, uniform_buffer_sized,
};
use bevy::render::render_resource::*;
use bevy::render::renderer::RenderDevice;
use reverie_kernels::present::GBUFFER_WGSL;

/// Normal; body and material; place in the texture's period; the period.
const WORDS_FORMAT: TextureFormat = TextureFormat::Rgba32Uint;
/// Reverse-Z: near over metres.
const DEPTH_FORMAT: TextureFormat = TextureFormat::Depth32Float;

/// What all G-buffers share.
#[derive(Resource)]
pub(crate) struct GBufferPipelines {
    pub layout: BindGroupLayoutDescriptor,
    pub boxes: CachedRenderPipelineId,
    pub rounds: CachedRenderPipelineId,
    pub meshes: CachedRenderPipelineId,
}

impl GBufferPipelines {
    pub fn new(cache: &PipelineCache, shaders: &AssetServer) -> Self {
        let stages = ShaderStages::VERTEX_FRAGMENT;
        let layout = BindGroupLayoutDescriptor::new(
            "neural_gbuffer_layout",
            &BindGroupLayoutEntries::sequential(
                stages,
                (
                    uniform_buffer_sized(false, None),
                    storage_buffer_read_only_sized(false, None),
                    storage_buffer_read_only_sized(false, None),
                ),
            ),
        );
        let shader = shaders.add(Shader::from_wgsl(GBUFFER_WGSL, "reverie/gbuffer.wgsl"));
        let queue = |label: &'static str, vertex: &'static str, fragment: &'static str, cull| {
            cache.queue_render_pipeline(RenderPipelineDescriptor {
                label: Some(label.into()),
                layout: vec![layout.clone()],
                vertex: VertexState {
                    shader: shader.clone(),
                    entry_point: Some(vertex.into()),
                    ..default()
                },
                primitive: PrimitiveState { cull_mode: Some(cull), ..default() },
                depth_stencil: Some(DepthStencilState {
                    format: DEPTH_FORMAT,
                    depth_write_enabled: Some(true),
                    depth_compare: Some(CompareFunction::Greater),
                    stencil: StencilState::default(),
                    bias: DepthBiasState::default(),
                }),
                fragment: Some(FragmentState {
                    shader: shader.clone(),
                    entry_point: Some(fragment.into()),
                    targets: vec![Some(WORDS_FORMAT.into())],
                    ..default()
                }),
                ..default()
            })
        };
        Self {
            boxes: queue("neural_gbuffer_boxes", "box_vertex", "flat_fragment", Face::Back),
            // The back of a round shape's box is there even with the camera inside of it.
            rounds: queue("neural_gbuffer_rounds", "round_vertex", "round_fragment", Face::Front),
            meshes: queue("neural_gbuffer_meshes", "mesh_vertex", "flat_fragment", Face::Back),
            layout,
        }
    }

    /// All are compiled.
    pub fn ready(&self, cache: &PipelineCache) -> bool {
        [self.boxes, self.rounds, self.meshes]
            .into_iter()
            .all(|id| cache.get_render_pipeline(id).is_some())
    }
}

/// Targets of one view.
pub(crate) struct GBufferTextures {
    pub size: UVec2,
    pub words: TextureView,
    pub depth: TextureView,
}

impl GBufferTextures {
    pub fn new(device: &RenderDevice, size: UVec2) -> Self {
        let create = |label, format| {
            let texture = device.create_texture(&TextureDescriptor {
                label: Some(label),
                size: Extent3d { width: size.x, height: size.y, depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: TextureDimension::D2,
                format,
                usage: TextureUsages::RENDER_ATTACHMENT | TextureUsages::TEXTURE_BINDING,
                view_formats: &[],
            });
            texture.create_view(&TextureViewDescriptor::default())
        };
        Self {
            size,
            words: create("neural_gbuffer_words", WORDS_FORMAT),
            depth: create("neural_gbuffer_depth", DEPTH_FORMAT),
        }
    }
}
