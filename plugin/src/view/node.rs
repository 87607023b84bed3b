//! The pass that fills the display.

use bevy::camera::Viewport;
use bevy::prelude::*;
use bevy::render::camera::ExtractedCamera;
use bevy::render::diagnostic::RecordDiagnostics;
use bevy::render::render_resource::{
    LoadOp, Operations, PipelineCache, RenderPassDepthStencilAttachment, RenderPassDescriptor,
    StoreOp,
};
use bevy::render::renderer::{RenderContext, ViewQuery};
use bevy::render::view::ViewTarget;
use reverie_runtime::profile_scope;

use super::prepare::{GpuView, PresentPipelines};
use crate::latency::RenderMarks;

/// Fills the camera's whole viewport.
pub(super) fn draw(
    view: ViewQuery<(&ViewTarget, &ExtractedCamera, &PresentPipelines, &GpuView)>,
    cache: Res<PipelineCache>,
    marks: Res<RenderMarks>,
    mut context: RenderContext,
) {
    profile_scope!("warp");
    let _mark = marks.draw();
    let (target, camera, pipelines, gpu) = view.into_inner();
    let Some(group) = &gpu.present_group else { return };
    let diagnostics = context.diagnostic_recorder();
    let diagnostics = diagnostics.as_deref();
    let span = diagnostics.time_span(context.command_encoder(), "neural_present");
    {
        let mut pass = context.begin_tracked_render_pass(RenderPassDescriptor {
            label: Some("neural_present"),
            color_attachments: &[Some(target.get_unsampled_color_attachment())],
            depth_stencil_attachment: Some(RenderPassDepthStencilAttachment {
                view: &gpu.classes.view,
                depth_ops: Some(Operations { load: LoadOp::Clear(0.0), store: StoreOp::Discard }),
                stencil_ops: None,
            }),
            timestamp_writes: None,
            occlusion_query_set: None,
            multiview_mask: None,
        });
        if let Some(viewport) = &camera.viewport {
            // Depth tells classes apart here: the camera's own range of it would move them.
            pass.set_camera_viewport(&Viewport { depth: 0.0..1.0, ..viewport.clone() });
        }
        pass.set_bind_group(0, group, &[]);
        for (class, id) in (0..).zip(pipelines.of(gpu.fill)) {
            let Some(pipeline) = cache.get_render_pipeline(*id) else { continue };
            pass.set_render_pipeline(pipeline);
            pass.draw(0..3, class..class + 1);
        }
    }
    span.end(context.command_encoder());
}
