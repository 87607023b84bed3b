//! What the display makes of small, late pictures: the late warp and the guided upsample, measured.
//!
//! Episodes of `reverie record --display` show more than the display does, so that a source picture with overscan can
//! be cut out of the truth. At every display frame the source is what a model of some speed would have finished by
//! then; the passes are those of the plain twin in `reverie_kernels::present`, which golden tests hold to the shaders.
//! [`clip`] prepares an episode, [`run`] does the work, [`score`] sums up.

pub mod clip;
pub mod run;
pub mod score;

pub use run::evaluate_display;

/// How much wider than the display the recorded view is, as a factor of the tangents.
pub const RECORD_MARGIN: f32 = 1.25;

/// What is compared, from the worst to the ceiling.
pub const ROWS: [&str; 8] = [
    "nearest",
    "bilinear",
    "upsample only",
    "warp only",
    "both",
    "both + detail",
    "both, no age",
    "bilinear, no age",
];

/// What to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct DisplayOptions {
    /// At most so many episodes, the first by name.
    pub episodes: Option<usize>,
    /// Factors of the tangents of the source's view, 1 to [`RECORD_MARGIN`].
    pub overscans: Vec<f32>,
    /// Display frames by which the source's view looks ahead. True sources look ahead without error, as in a steady
    /// turn; the model is asked for the view that the last turn leads to.
    pub leads: Vec<usize>,
    /// Pictures of the model per second; divisors of the recorded frames per second.
    pub model_fps: Vec<u32>,
    /// Every so many display frames are scored.
    pub stride: usize,
    /// Also with pictures of the model as source, not only with true ones.
    pub with_model: bool,
    /// Folder of the pictures; none if `None`.
    pub out: Option<std::path::PathBuf>,
}

impl Default for DisplayOptions {
    fn default() -> Self {
        Self {
            episodes: None,
            overscans: vec![1.15],
            leads: vec![0, 1],
            model_fps: vec![10, 20],
            stride: 3,
            with_model: true,
            out: None,
        }
    }
}
