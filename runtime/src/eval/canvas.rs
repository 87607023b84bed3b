//! The surface that figures are drawn on.

use std::io;
use std::path::PathBuf;

use image::{RgbImage, imageops};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use thiserror::Error;

pub(super) const FONT: &str = "reverie";
pub(super) const INK: RGBColor = RGBColor(38, 40, 46);
pub(super) const PAPER: RGBColor = RGBColor(252, 252, 250);

/// Why a figure cannot be drawn or written.
#[derive(Debug, Error)]
pub enum FigureError {
    /// The drawing library refused.
    #[error("cannot draw {what}: {reason}")]
    Draw {
        /// The figure's title.
        what: String,
        /// What the library said.
        reason: String,
    },
    /// The system refused.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The picture file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
pub(super) type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Everything is drawn this many times as large and then averaged, for smooth lines and evenly spaced
/// letters.
pub(super) const SCALE: u32 = 2;

/// A picture of `width × height` pixels, drawn by `draw` on an area [`SCALE`] times as large.
///
/// `what` names the figure in an error.
pub(super) fn figure(
    width: u32,
    height: u32,
    what: &str,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<RgbImage, FigureError> {
    let size = (SCALE * width, SCALE * height);
    let mut large = RgbImage::new(size.0, size.1);
    let drawn = font().and_then(|()| {
        let area = BitMapBackend::with_buffer(&mut large, size).into_drawing_area();
        area.fill(&PAPER)?;
        draw(&area)?;
        Ok(area.present()?)
    });
    match drawn {
        Ok(()) => Ok(imageops::thumbnail(&large, width, height)),
        Err(e) => Err(FigureError::Draw { what: what.to_owned(), reason: e.to_string() }),
    }
}

/// Registers it; no font of the system is asked for, so that figures look the same everywhere.
fn font() -> Drawn {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| "the built-in font cannot be read".into())
}
