//! What is seen in a picture, as an observer tells it from the colours alone.

/// What an observer says of one picture. Maps are row by row from the top.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Classes of material, and one more, the last, for the sky.
    pub classes: usize,
    /// `height * width * classes`, interleaved by pixel; those of a pixel sum to 1.
    pub probability: Vec<f32>,
    /// Along −Z of the camera; infinite where sky is likeliest.
    pub depth_m: Vec<f32>,
    /// Standard deviation of ln(depth), by pixel.
    pub depth_sigma: Vec<f32>,
}
