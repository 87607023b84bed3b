//! The G-buffer pass.

use bevy::prelude::*;
use bevy::render::diagnostic::RecordDiagnostics;
use bevy::render::render_resource::*;
use bevy::render::renderer::{RenderContext, ViewQuery};

use super::GBufferPipelines;
use crate::view::GpuView;

/// Draws the shadow as the latch has it.
pub(crate) fn draw(
    view: ViewQuery<&GpuView>,
    pipelines: Option<Res<GBufferPipelines>>,
    cache: Res<PipelineCache>,
    mut context: RenderContext,
) {
    let gpu = view.into_inner();
    let (Some(group), Some(pipelines)) = (&gpu.gbuffer_group, pipelines) else { return };
    let compiled = |id| cache.get_render_pipeline(id);
    let (Some(boxes), Some(rounds), Some(meshes)) =
        (compiled(pipelines.boxes), compiled(pipelines.rounds), compiled(pipelines.meshes))
    else {
        return;
    };
    let diagnostics = context.diagnostic_recorder();
    let diagnostics = diagnostics.as_deref();
    let span = diagnostics.time_span(context.command_encoder(), "neural_gbuffer");
    {
        let mut pass = context.begin_tracked_render_pass(RenderPassDescriptor {
            label: Some("neural_gbuffer"),
            color_attachments: &[Some(RenderPassColorAttachment {
                view: &gpu.textures.words,
                depth_slice: None,
                resolve_target: None,
                // Body 0 is the sky.
                ops: Operations { load: LoadOp::Clear(default()), store: StoreOp::Store },
            })],
            depth_stencil_attachment: Some(RenderPassDepthStencilAttachment {
                view: &gpu.textures.depth,
                depth_ops: Some(Operations { load: LoadOp::Clear(0.0), store: StoreOp::Store }),
                stencil_ops: None,
            }),
            timestamp_writes: None,
            occlusion_query_set: None,
            multiview_mask: None,
        });
        pass.set_bind_group(0, group, &[]);
        let table = &gpu.table;
        if !table.boxes.is_empty() {
            pass.set_render_pipeline(boxes);
            pass.draw(0..36, table.boxes.clone());
        }
        if !table.rounds.is_empty() {
            pass.set_render_pipeline(rounds);
            pass.draw(0..36, table.rounds.clone());
        }
        if !table.meshes.is_empty() {
            pass.set_render_pipeline(meshes);
            for (body, vertices) in &table.meshes {
                pass.draw(vertices.clone(), *body..*body + 1);
            }
        }
    }
    span.end(context.command_encoder());
}
