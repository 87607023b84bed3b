//! The pass that fills the display.

use bevy::prelude::*;
use bevy::render::camera::ExtractedCamera;
use bevy::render::diagnostic::RecordDiagnostics;
use bevy::render::render_resource::{PipelineCache, RenderPassDescriptor};
use bevy::render::renderer::{RenderContext, ViewQuery};
use bevy::render::view::ViewTarget;
use reverie_runtime::profile_scope;

use super::prepare::{GpuView, PresentPipelineId};
use crate::latency::RenderMarks;

/// Fills the camera's whole viewport.
pub(super) fn draw(
    view: ViewQuery<(&ViewTarget, &ExtractedCamera, &PresentPipelineId, &GpuView)>,
    cache: Res<PipelineCache>,
    marks: Res<RenderMarks>,
    mut context: RenderContext,
) {
    profile_scope!("warp");
    let _mark = marks.draw();
    let (target, camera, pipeline, gpu) = view.into_inner();
    let (Some(pipeline), Some(group)) =
        (cache.get_render_pipeline(pipeline.id), &gpu.present_group)
    else {
        return;
    };
    let diagnostics = context.diagnostic_recorder();
    let diagnostics = diagnostics.as_deref();
    let span = diagnostics.time_span(context.command_encoder(), "neural_present");
    {
        let mut pass = context.begin_tracked_render_pass(RenderPassDescriptor {
            label: Some("neural_present"),
            color_attachments: &[Some(target.get_unsampled_color_attachment())],
            depth_stencil_attachment: None,
            timestamp_writes: None,
            occlusion_query_set: None,
            multiview_mask: None,
        });
        if let Some(viewport) = &camera.viewport {
            pass.set_camera_viewport(viewport);
        }
        pass.set_render_pipeline(pipeline);
        pass.set_bind_group(0, group, &[]);
        pass.draw(0..3, 0..1);
    }
    span.end(context.command_encoder());
}
