//! The main world's markers.

use std::time::Instant;

use bevy::core_pipeline::Core3d;
use bevy::prelude::*;
use bevy::render::camera::CameraRenderGraph;

use super::frame::{FrameMarks, RequestMarks};
use crate::camera::NeuralCamera;
use crate::dream::{Dream, NeuralPicture};

impl Default for FrameMarks {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            input: now,
            simulation_start: now,
            simulation_end: now,
            request: now,
            source: None,
        }
    }
}

impl FrameMarks {
    /// Of a request that is handed over now.
    pub(crate) fn asked_now(&self) -> RequestMarks {
        RequestMarks {
            input: self.input,
            simulation_start: self.simulation_start,
            simulation_end: self.simulation_end,
            sent: Instant::now(),
        }
    }
}

pub(super) fn start_frame(mut marks: ResMut<FrameMarks>) {
    marks.start = Instant::now();
}

pub(super) fn start_simulation(mut marks: ResMut<FrameMarks>) {
    marks.simulation_start = Instant::now();
}

/// Before the shadow is read: the poses of the frame are final.
pub(crate) fn end_simulation(mut marks: ResMut<FrameMarks>) {
    marks.simulation_end = Instant::now();
}

/// After pictures were taken and requests sent. The first camera that shows a picture is the one that is measured.
pub(crate) fn end_requests(
    mut marks: ResMut<FrameMarks>,
    cameras: Query<(&NeuralCamera, &Dream, &NeuralPicture, &CameraRenderGraph)>,
) {
    marks.request = Instant::now();
    let ordinary = CameraRenderGraph::new(Core3d);
    // From a cut to the first picture of the new place there is none.
    marks.source = cameras
        .iter()
        .find(|(camera, _, picture, graph)| {
            camera.enabled && picture.frame.is_some() && graph.0 != ordinary.0
        })
        .and_then(|(_, dream, ..)| dream.shown());
}
