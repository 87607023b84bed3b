//! A finished picture, with the state that it was made for.

use std::sync::Arc;
use std::time::Instant;

use reverie_guard::ShadowSnapshot;

use crate::request::FrameSource;

/// Time spent in the stages of one model frame, milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StageTimes {
    /// Waiting in the channel, from the request's making to its taking.
    pub wait_ms: f32,
    /// Pre-checks of the request.
    pub guard_ms: f32,
    /// Shadow raster, sun visibility, paint.
    pub raster_ms: f32,
    /// Reprojection of past frames, exemplar read, packing of the condition.
    pub condition_ms: f32,
    /// All denoising steps.
    pub denoise_ms: f32,
    /// From the network's values to bytes.
    pub decode_ms: f32,
    /// Exemplar write, choice of keyframes.
    pub commit_ms: f32,
}

impl StageTimes {
    /// Name and value of every stage, in order of time.
    pub fn stages(&self) -> [(&'static str, f32); 7] {
        [
            ("wait", self.wait_ms),
            ("guard", self.guard_ms),
            ("raster", self.raster_ms),
            ("condition", self.condition_ms),
            ("denoise", self.denoise_ms),
            ("decode", self.decode_ms),
            ("commit", self.commit_ms),
        ]
    }
}

/// A picture from a world model.
#[derive(Debug, Clone)]
pub struct NeuralFrame {
    /// The request it answers.
    pub request_id: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// sRGB, 4 bytes a pixel, row by row from the top, alpha 255; ready for upload.
    pub rgba: Arc<Vec<u8>>,
    /// The shadow that it shows.
    pub snapshot: Arc<ShadowSnapshot>,
    /// Who painted it.
    pub source: FrameSource,
    /// Where the time went.
    pub times: StageTimes,
    /// When the player's input behind it was sampled.
    pub input_at: Instant,
    /// When it was finished.
    pub finished_at: Instant,
}
