//! From pixels to a reading, whichever way the sketch is drawn.

use image::RgbImage;

use super::error::{Refusal, RefusalReason, SketchError};
use super::{Page, Reading, SketchOptions};

/// Below this a picture holds no level, pixels.
const LEAST_SIDE_PX: u32 = 3;

pub(super) fn read(picture: &RgbImage, options: &SketchOptions) -> Result<Reading, SketchError> {
    let refuse = |reason, text: &str| {
        let pixels_per_metre = options.metres_per_pixel.map_or(1.0, |metres| 1.0 / metres);
        Err(SketchError::Refused(Box::new(Refusal {
            reason,
            text: text.to_owned(),
            at_m: None,
            page: Some(Page { picture: picture.clone(), pixels_per_metre }),
            plan: None,
            warnings: Vec::new(),
        })))
    };
    if picture.width().min(picture.height()) < LEAST_SIDE_PX {
        return refuse(RefusalReason::TooSmall, "too small for a level: draw at least 3×3 pixels");
    }
    refuse(RefusalReason::NoWalls, "no walls found: draw them as dark strokes on light paper")
}
