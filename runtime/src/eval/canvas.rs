//! The surface that figures are drawn on.

use std::io;
use std::path::PathBuf;

use image::RgbImage;
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

/// Lets `draw` loose on `picture`; `what` names the figure in an error.
pub(super) fn draw_on(
    picture: &mut RgbImage,
    what: &str,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<(), FigureError> {
    let size = picture.dimensions();
    let drawn = font().and_then(|()| {
        let area = BitMapBackend::with_buffer(picture, size).into_drawing_area();
        draw(&area)?;
        Ok(area.present()?)
    });
    drawn.map_err(|e| FigureError::Draw { what: what.to_owned(), reason: e.to_string() })
}

/// No font of the system is asked for, so that figures look the same everywhere.
fn font() -> Drawn {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| "the built-in font cannot be read".into())
}
