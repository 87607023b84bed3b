//! What an observer says of one picture.

use thiserror::Error;

/// What an observer says of one picture, from its colours alone.
///
/// Its size is the picture's or a whole fraction of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Classes of material, and sky as the last one.
    pub classes: usize,
    /// `height * width * classes`, interleaved by pixel; each pixel sums to 1.
    pub probability: Vec<f32>,
    /// Along −Z of the camera, metres; infinite where sky is likeliest.
    pub depth_m: Vec<f32>,
    /// Standard deviation of ln(depth), per pixel.
    pub depth_sigma: Vec<f32>,
    /// What was looked at: `height * width * 3`, sRGB. Empty if colours are not to count.
    pub rgb: Vec<u8>,
}

/// Why evidence cannot be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EvidenceFault {
    /// A map is not of the size that it should have.
    #[error(
        "evidence of {width}×{height} pixels and {classes} classes has {found} values in its {map}"
    )]
    Size {
        /// Which map.
        map: &'static str,
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Classes.
        classes: usize,
        /// Values.
        found: usize,
    },
    /// There must be a material and the sky.
    #[error("evidence has {classes} classes; it needs at least 2, the last one for the sky")]
    Classes {
        /// Classes.
        classes: usize,
    },
}

impl Evidence {
    /// Looks whether the maps have the sizes that they should have. Values that are not numbers are no fault: their
    /// pixels say nothing.
    ///
    /// # Errors
    /// A map is too long or too short, or there are too few classes.
    pub fn check(&self) -> Result<(), EvidenceFault> {
        let &Self { width, height, classes, .. } = self;
        if classes < 2 {
            return Err(EvidenceFault::Classes { classes });
        }
        let pixels = width.saturating_mul(height);
        for (map, found, wanted) in [
            ("probability", self.probability.len(), pixels.saturating_mul(classes)),
            ("depth", self.depth_m.len(), pixels),
            ("depth sigma", self.depth_sigma.len(), pixels),
            ("rgb", self.rgb.len(), if self.rgb.is_empty() { 0 } else { 3 * pixels }),
        ] {
            if found != wanted {
                return Err(EvidenceFault::Size { map, width, height, classes, found });
            }
        }
        Ok(())
    }
}
