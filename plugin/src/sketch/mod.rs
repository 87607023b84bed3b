//! From a sketch to a [`Plan`]: a drawing or a photo of one is read, with no neural network and nothing of Bevy.
//!
//! | module | holds |
//! |---|---|
//! | [`decode`] | from a file to upright pixels |
//! | [`plan`] | cells, bodies, spawn and goal in metres |
//! | [`legend`] | what the colours mean |
//! | [`specimen`] | random sketches whose level is known, to measure the reader with |
//! | [`error`] | refusals and warnings, with their places |

mod bars;
mod clean;
mod colour;
pub mod decode;
mod drawn;
pub mod error;
mod grid;
mod ink;
mod lay;
pub mod legend;
mod light;
mod marks;
mod page;
mod paper;
pub mod plan;
mod raster;
mod read;
mod repair;
mod rooms;
mod scale;
mod settle;
pub mod specimen;
#[cfg(test)]
mod tests;
mod turn;

use std::fmt;
use std::path::Path;
use std::time::Instant;

use image::RgbImage;
use serde::{Deserialize, Serialize};

pub use error::{Refusal, RefusalReason, SketchError, Warning, WarningKind};
pub use legend::{BodyShape, EntryKind, Legend, LegendEntry};
pub use plan::{Cell, CellKind, Compass, PLAYER_RADIUS_M, Plan, PlannedBody};

/// How a sketch is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Exact colours; a pixel, or a block of equal pixels, is a tile.
    PixelGrid,
    /// Strokes on paper or on a canvas, photographed, scanned or saved.
    HandDrawn,
}

/// What the reader is told beside the picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SketchOptions {
    /// Found out from the picture if not given.
    pub mode: Option<Mode>,
    /// Of the picture as it is in the file; found out from a scale bar or the doorways if not given.
    pub metres_per_pixel: Option<f32>,
    /// What the colours mean.
    pub legend: Legend,
}

/// What was read: the drawing, or the page straightened, in its own colours.
#[derive(Clone, PartialEq)]
pub struct Page {
    /// Its top-left corner is the origin of all metres.
    pub picture: RgbImage,
    /// Pixels of `picture` in a metre.
    pub pixels_per_metre: f32,
}

impl fmt::Debug for Page {
    /// Without the pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height) = self.picture.dimensions();
        write!(f, "Page({width}×{height} pixels, {} in a metre)", self.pixels_per_metre)
    }
}

/// A sketch, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The level.
    pub plan: Plan,
    /// Whose entries the plan names.
    pub legend: Legend,
    /// Repairs and guesses, in the order in which they were made.
    pub warnings: Vec<Warning>,
    /// How it was read.
    pub mode: Mode,
    /// What was read, to draw on.
    pub page: Page,
    /// How sure the reader is that this is the level that was drawn, 0 to 1; below
    /// [`LEAST_CONFIDENCE`] a picture is refused.
    pub confidence: f32,
    /// Time that reading took, ms.
    pub time_ms: f32,
}

/// Readings that are less sure are refused.
pub const LEAST_CONFIDENCE: f32 = 0.5;

/// Reads a sketch from a file.
///
/// # Errors
/// The file cannot be read, is no picture, or holds no level that can be played; see [`SketchError`].
pub fn read_sketch_file(path: &Path, options: &SketchOptions) -> Result<Reading, SketchError> {
    let bytes = reverie_runtime::files::read_limited(path, MAX_FILE_BYTES)?;
    read_sketch(&bytes, options)
}

/// Larger files are not opened.
pub const MAX_FILE_BYTES: u64 = 128 << 20;

/// Reads a sketch from the bytes of a PNG, JPEG or QOI file.
///
/// # Errors
/// It is no picture, or holds no level that can be played; see [`SketchError`].
pub fn read_sketch(bytes: &[u8], options: &SketchOptions) -> Result<Reading, SketchError> {
    let started = Instant::now();
    if let Some(metres) = options.metres_per_pixel
        && !(metres > 0.0 && metres.is_finite())
    {
        let reason = format!("{metres} must be above 0");
        return Err(SketchError::Option { option: "--metres-per-pixel", reason });
    }
    let picture = decode::decode(bytes)?;
    let mut reading = read::read(&picture, options)?;
    reading.time_ms = 1000.0 * started.elapsed().as_secs_f32();
    Ok(reading)
}
