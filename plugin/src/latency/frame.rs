//! The instants of one frame, and the figures that follow from them.

use std::time::{Duration, Instant};

use bevy::prelude::Resource;
use reverie_runtime::frame::StageTimes;

use super::stage::Stage;

/// Instants of the app's frame in hand, and of the picture that it shows.
#[derive(Resource, Debug, Clone, Copy)]
pub struct FrameMarks {
    /// `First`.
    pub start: Instant,
    /// Sampling of the newest input that the state shows. Older than `start` where no tick ran in this frame.
    pub input: Instant,
    /// Before the fixed main loop.
    pub simulation_start: Instant,
    /// Transforms are final.
    pub simulation_end: Instant,
    /// Pictures are taken, requests sent.
    pub request: Instant,
    /// `None` while the ordinary passes draw.
    pub source: Option<SourceMarks>,
}

/// Instants of the picture on screen.
#[derive(Debug, Clone, Copy)]
pub struct SourceMarks {
    /// Rises with each picture.
    pub serial: u64,
    /// Of the app's frame that asked for it.
    pub asked: RequestMarks,
    /// What the model did.
    pub times: StageTimes,
    /// The dream thread had it ready.
    pub finished: Instant,
}

/// Instants of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestMarks {
    /// See [`FrameMarks::input`].
    pub input: Instant,
    /// See [`FrameMarks::simulation_start`].
    pub simulation_start: Instant,
    /// See [`FrameMarks::simulation_end`].
    pub simulation_end: Instant,
    /// It was handed to the dream thread.
    pub sent: Instant,
}

/// A frame that was presented, with the instants of the render world.
#[derive(Debug, Clone, Copy)]
pub struct PresentedFrame {
    /// Of the main world.
    pub marks: FrameMarks,
    /// Copied into the render world.
    pub extract: Instant,
    /// The picture is on the GPU; `None` where none is shown.
    pub upload: Option<Instant>,
    /// Start and end of the encoding of the pass that draws the picture.
    pub warp: Option<(Instant, Instant)>,
    /// The camera's pose in that pass.
    pub pose: Option<PoseMarks>,
    /// `render_system` has returned.
    pub present: Instant,
    /// The frame before.
    pub last_present: Option<Instant>,
}

/// Instants of a camera's pose.
#[derive(Debug, Clone, Copy)]
pub struct PoseMarks {
    /// The pose was final.
    pub posed: Instant,
    /// See [`FrameMarks::input`].
    pub input: Instant,
    /// The picture on screen is turned into this pose; otherwise it shows the pose of its own request.
    pub warped: bool,
}

/// Figures of one presented frame, milliseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FrameFigures {
    /// Stages that this frame went through, in order.
    pub stages: Vec<(Stage, f64)>,
    /// From the sampling of the newest input that can be seen to the present.
    pub input_to_present: f64,
    /// Age of the state that the picture shows, at the present.
    pub source_age: Option<f64>,
    /// Age of the camera's pose at the start of the pass that draws the picture.
    pub pose_age: Option<f64>,
    /// Since the present before.
    pub interval: Option<f64>,
}

/// Walks from marker to marker; one that lies before its predecessor ends a stage of no length.
struct Chain {
    at: Instant,
    stages: Vec<(Stage, f64)>,
}

impl Chain {
    fn to(&mut self, stage: Stage, marker: Instant) {
        self.stages.push((stage, ms(marker.saturating_duration_since(self.at))));
        self.at = self.at.max(marker);
    }
}

impl PresentedFrame {
    /// The figures; `shown_before` is the serial of the picture of the frame before.
    pub fn figures(&self, shown_before: Option<u64>) -> FrameFigures {
        let marks = &self.marks;
        let fresh = marks.source.filter(|source| Some(source.serial) != shown_before);
        let mut chain = Chain { at: marks.start, stages: Vec::with_capacity(Stage::ALL.len()) };
        if marks.input >= marks.start {
            chain.to(Stage::InputSample, marks.input);
        }
        match fresh {
            Some(source) => chain.through_the_dream(&source, marks.request),
            None => {
                chain.at = marks.input.max(marks.start);
                chain.to(Stage::SimulationStart, marks.simulation_start);
                chain.to(Stage::SimulationEnd, marks.simulation_end);
                chain.at = chain.at.max(marks.request);
            }
        }
        chain.to(Stage::Extract, self.extract);
        if let Some(upload) = self.upload {
            chain.to(Stage::Upload, upload);
        }
        if let Some((_, end)) = self.warp {
            chain.to(Stage::Warp, end);
        }
        chain.to(Stage::Present, self.present);

        let warped = self.pose.filter(|pose| pose.warped).map(|pose| pose.input);
        let source_input = marks.source.map(|source| source.asked.input);
        let input = warped.or(source_input).unwrap_or(marks.input);
        let until_present = |from: Instant| ms(self.present.saturating_duration_since(from));
        FrameFigures {
            stages: chain.stages,
            input_to_present: until_present(input),
            source_age: marks.source.map(|source| until_present(source.asked.simulation_end)),
            pose_age: self
                .pose
                .zip(self.warp)
                .map(|(pose, (start, _))| ms(start.saturating_duration_since(pose.posed))),
            interval: self.last_present.map(until_present),
        }
    }
}

impl Chain {
    fn through_the_dream(&mut self, source: &SourceMarks, taken: Instant) {
        let asked = &source.asked;
        self.at = asked.input;
        self.to(Stage::SimulationStart, asked.simulation_start);
        self.to(Stage::SimulationEnd, asked.simulation_end);
        self.to(Stage::Request, asked.sent);
        let times = &source.times;
        let work = [
            (Stage::Guard, times.guard_ms),
            (Stage::Raster, times.raster_ms),
            (Stage::Condition, times.condition_ms),
            (Stage::Denoise, times.denoise_ms),
            (Stage::Decode, times.decode_ms),
            (Stage::Correct, times.correct_ms),
            (Stage::Commit, times.commit_ms),
        ];
        let worked: f64 = work.iter().map(|(_, ms)| f64::from(*ms)).sum();
        let dream = ms(source.finished.saturating_duration_since(self.at));
        self.stages.push((Stage::Wait, (dream - worked).max(0.0)));
        // A model need not have every stage.
        let had = work.iter().filter(|(_, ms)| *ms > 0.0);
        self.stages.extend(had.map(|(stage, ms)| (*stage, f64::from(*ms))));
        self.at = self.at.max(source.finished);
        self.to(Stage::Publish, taken);
    }
}

/// Milliseconds.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests;
