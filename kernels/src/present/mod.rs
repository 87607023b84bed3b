//! From a small, late picture to the player's screen: late warp and guided upsample in one pass.
//!
//! The shadow is drawn at display size into a G-buffer (`gbuffer.wgsl`). Then every display pixel knows its point and
//! its body, and asks the newest neural frames where they saw that point (`present.wgsl`): the camera may have moved
//! since, and so may the body. Around the place of then, source pixels answer that saw the same body, the same plane
//! and the same side of an edge, weighted by a spatial kernel: a joint bilateral upsample (Kopf et al. 2007) whose
//! guide is exact. What no frame saw is painted, in colours that the model itself gave the body. Last, [`detail`] puts
//! the texture of the material on that is finer than the frames' pixels.
//!
//! [`guide`] packs a frame for the pass, [`layout`] holds what the shaders read, word by word, and [`reference`] is
//! the same pass in plain Rust.

pub mod clean;
pub mod detail;
pub mod guide;
pub mod layout;
pub mod reference;

pub use clean::{clean, clean_sky};
pub use detail::Detail;
pub use guide::FrameGuide;
pub use layout::{BodyWords, Carry, Light, ViewWords, snow_share, under_snow};

/// Neural frames that the pass can ask, the newest among them.
pub const FRAMES: usize = 3;

/// The oldest frame is kept this long: it knows what has been hidden for a while. Seconds.
const OLDEST_S: f64 = 0.8;

/// Which of `kept` frames, newest first, makes room for a new one: the oldest stays until `oldest_age_s` is too much,
/// then the one after it takes its place.
pub fn drop_index(kept: usize, oldest_age_s: f64) -> usize {
    let last = kept.saturating_sub(1);
    if (0.0..OLDEST_S).contains(&oldest_age_s) { last.saturating_sub(1) } else { last }
}

/// Draws the shadow into depth, normal, body, material and surface coordinates.
pub const GBUFFER_WGSL: &str = concat!(
    include_str!("common.wgsl"),
    include_str!("surface.wgsl"),
    include_str!("gbuffer.wgsl")
);

/// Fills the display from G-buffer and frames.
pub const PRESENT_WGSL: &str = concat!(
    include_str!("common.wgsl"),
    include_str!("upsample.wgsl"),
    include_str!("detail.wgsl"),
    include_str!("present.wgsl")
);

/// How a small picture fills the display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fill {
    /// Square pixels, as the newest frame is.
    Nearest,
    /// Smooth between pixels, as the newest frame is.
    Bilinear,
    /// The newest frame carried to the present pose, smooth between pixels.
    Warp,
    /// Carried to the present pose, and upsampled along the edges of the shadow.
    Guided,
}

#[cfg(test)]
mod shader_tests;
#[cfg(test)]
mod tests;
