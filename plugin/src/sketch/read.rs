//! From pixels to a reading, whichever way the sketch is drawn.

use image::RgbImage;

use super::drawn;
use super::error::{Refusal, RefusalReason, SketchError};
use super::grid::{self, Tiles};
use super::{Mode, Page, Reading, SketchOptions};

/// Below this a picture holds no level, pixels.
const LEAST_SIDE_PX: u32 = 3;
/// Below this strokes are not told from noise, pixels.
const LEAST_DRAWN_PX: u32 = 32;

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
    let first = picture.pixels().next();
    if picture.pixels().all(|pixel| Some(pixel) == first) {
        let text = "one colour all over: draw walls as dark strokes on light paper";
        return refuse(RefusalReason::Blank, text);
    }
    let tiles = match options.mode {
        Some(Mode::HandDrawn) => None,
        Some(Mode::PixelGrid) => {
            let single = Tiles { block: 1, x0: 0, y0: 0 };
            Some(grid::detect(picture, &options.legend).unwrap_or(single))
        }
        None => grid::detect(picture, &options.legend),
    };
    match tiles {
        Some(tiles) => grid::read(picture, options, tiles),
        None if picture.width().min(picture.height()) < LEAST_DRAWN_PX => {
            let text = "too small for a drawing: save it with at least 32×32 pixels";
            refuse(RefusalReason::TooSmall, text)
        }
        None => drawn::read(picture, options),
    }
}
