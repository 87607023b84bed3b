//! What was displayed when: from the render world to whoever measures.

use std::sync::Arc;
use std::time::Instant;

use bevy::prelude::*;
use crossbeam::queue::ArrayQueue;

/// Frames kept for a main world that does not look; then the oldest go.
const KEPT: usize = 256;

/// One displayed neural frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Presented {
    /// When the passes were written, right after the latch.
    pub at: Instant,
    /// When the main world had the pose that is shown.
    pub pose_at: Instant,
    /// When the input behind the newest neural picture was sampled; `None` while paint is shown.
    pub source_input_at: Option<Instant>,
    /// Number of that picture, as in [`NeuralPicture::serial`](crate::dream::NeuralPicture::serial).
    pub serial: u64,
}

/// Frames that were displayed since they were last asked for. A resource of the main world and the render world.
#[derive(Resource, Debug, Clone)]
pub struct PresentLog(Arc<ArrayQueue<Presented>>);

impl Default for PresentLog {
    fn default() -> Self {
        Self(Arc::new(ArrayQueue::new(KEPT)))
    }
}

impl PresentLog {
    /// Oldest first.
    pub fn drain(&self) -> impl Iterator<Item = Presented> + '_ {
        std::iter::from_fn(|| self.0.pop())
    }

    pub(super) fn push(&self, presented: Presented) {
        self.0.force_push(presented);
    }
}
