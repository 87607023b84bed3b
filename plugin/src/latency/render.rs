//! The render world's markers, and their way back.
//!
//! With pipelined rendering the render world runs on a thread of its own, a frame behind. Instants come with the
//! extraction; a finished frame goes back through a bounded channel. Nobody waits: where the game does not read,
//! frames are left out of the figures.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bevy::prelude::*;
use bevy::render::Extract;
use crossbeam::channel::{Receiver, Sender, bounded};

use super::frame::{FrameMarks, PoseMarks, PresentedFrame};

/// Presented frames that wait for the game to read them.
const QUEUE: usize = 64;

/// Markers of the frame that is being rendered. Passes of a neural camera mark their stages here.
#[derive(Resource)]
pub struct RenderMarks {
    frame: Mutex<InFlight>,
    presented: Sender<PresentedFrame>,
}

/// What is known so far.
#[derive(Default)]
struct InFlight {
    extracted: Option<(FrameMarks, Instant)>,
    upload: Option<Instant>,
    warp: Option<(Instant, Instant)>,
    pose: Option<PoseMarks>,
    last_present: Option<Instant>,
}

/// Frames that were presented, for the main world.
#[derive(Resource)]
pub(super) struct Presented(pub Receiver<PresentedFrame>);

pub(super) fn channel() -> (RenderMarks, Presented) {
    let (presented, frames) = bounded(QUEUE);
    (RenderMarks { frame: Mutex::default(), presented }, Presented(frames))
}

impl RenderMarks {
    fn frame(&self) -> MutexGuard<'_, InFlight> {
        self.frame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The picture is on the GPU, or needed no upload.
    pub fn uploaded(&self) {
        self.frame().upload = Some(Instant::now());
    }

    /// Call at the start of the encoding of the pass that draws the picture; the stage lasts until the guard is dropped.
    pub fn draw(&self) -> DrawMark<'_> {
        DrawMark { marks: self, start: Instant::now() }
    }

    /// Tells, where the pose is read, that the picture is warped into a camera pose that was final at `posed` and shows
    /// input of `input`; the pass begins here. Without
    /// this call, a frame has the pose that came with its extraction, and its picture shows the input of its own request.
    pub fn warped_into(&self, posed: Instant, input: Instant) {
        let mut frame = self.frame();
        frame.pose = Some(PoseMarks { posed, input, warped: true });
        let now = Instant::now();
        frame.warp.get_or_insert((now, now));
    }
}

/// The pass that draws the picture is being encoded.
pub struct DrawMark<'a> {
    marks: &'a RenderMarks,
    start: Instant,
}

impl Drop for DrawMark<'_> {
    fn drop(&mut self) {
        let mut frame = self.marks.frame();
        // With several cameras: from the start of the first to the end of the last.
        let start = frame.warp.map_or(self.start, |(start, _)| start.min(self.start));
        frame.warp = Some((start, Instant::now()));
    }
}

pub(super) fn extract(main: Extract<Res<FrameMarks>>, marks: Res<RenderMarks>) {
    let mut frame = marks.frame();
    let last_present = frame.last_present;
    *frame =
        InFlight { extracted: Some((**main, Instant::now())), last_present, ..InFlight::default() };
}

/// Runs after `render_system`: everything is submitted and presented.
pub(super) fn present(marks: Res<RenderMarks>) {
    let now = Instant::now();
    let mut frame = marks.frame();
    let Some((main, extract)) = frame.extracted.take() else { return };
    let shown = main.source.is_some();
    let extracted_pose = PoseMarks { posed: main.simulation_end, input: main.input, warped: false };
    let presented = PresentedFrame {
        marks: main,
        extract,
        upload: frame.upload.filter(|_| shown),
        warp: frame.warp.filter(|_| shown),
        pose: frame.pose.or(Some(extracted_pose)).filter(|_| shown),
        present: now,
        last_present: frame.last_present.replace(now),
    };
    // Full: the game has not read for a second.
    marks.presented.try_send(presented).ok();
}
