//! Strips: rows of pictures under each other, truth above model, with small labels.

use std::path::Path;

use image::RgbImage;
use image::imageops::{self, FilterType};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{Area, Drawn, FONT, FigureError, INK, SCALE, figure};
use crate::files::write_png;

/// Space between pictures, pixels.
const GAP: u32 = 4;
const TEXT: u32 = 15;
/// Height of the line of column labels, pixels.
const HEAD: u32 = 22;
/// Width of a letter of a row's label, pixels.
const LETTER: u32 = 8;

/// One row of a strip.
#[derive(Debug, Clone)]
pub struct StripRow {
    /// At the left.
    pub label: String,
    /// From left to right; a missing picture leaves its place empty.
    pub pictures: Vec<RgbImage>,
}

/// Rows of pictures under each other.
#[derive(Debug, Clone)]
pub struct Strip {
    /// Above the columns; may be fewer.
    pub columns: Vec<String>,
    /// From top to bottom.
    pub rows: Vec<StripRow>,
    /// Each pixel becomes this many in width and height.
    pub upscale: u32,
}

impl Strip {
    /// The strip as a picture.
    ///
    /// # Errors
    /// The labels cannot be drawn.
    pub fn draw(&self) -> Result<RgbImage, FigureError> {
        let upscale = self.upscale.max(1);
        let pictures = || self.rows.iter().flat_map(|row| &row.pictures);
        let cell_width = upscale * pictures().map(RgbImage::width).max().unwrap_or(1);
        let cell_height = upscale * pictures().map(RgbImage::height).max().unwrap_or(1);
        let columns = self.rows.iter().map(|row| row.pictures.len()).max().unwrap_or(0) as u32;
        let longest = self.rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
        let left = if longest == 0 { GAP } else { longest as u32 * LETTER + 2 * GAP };
        let top = if self.columns.is_empty() { GAP } else { HEAD };
        let corner = |column: u32, row: u32| {
            (left + column * (cell_width + GAP), top + row * (cell_height + GAP))
        };
        let (width, height) = corner(columns, self.rows.len() as u32);
        let labels = |area: &Area<'_>| -> Drawn {
            let text = |x, y| (FONT, SCALE * TEXT).into_font().color(&INK).pos(Pos::new(x, y));
            let at = |x: u32, y: u32| ((SCALE * x) as i32, (SCALE * y) as i32);
            for (c, label) in self.columns.iter().enumerate().take(columns as usize) {
                let x = corner(c as u32, 0).0 + cell_width / 2;
                area.draw_text(label, &text(HPos::Center, VPos::Center), at(x, top / 2))?;
            }
            for (r, row) in self.rows.iter().enumerate() {
                let y = corner(0, r as u32).1 + cell_height / 2;
                area.draw_text(&row.label, &text(HPos::Right, VPos::Center), at(left - GAP, y))?;
            }
            Ok(())
        };
        let mut strip = figure(width, height, "a strip of pictures", labels)?;
        for (r, row) in self.rows.iter().enumerate() {
            for (c, picture) in row.pictures.iter().enumerate() {
                let (x, y) = corner(c as u32, r as u32);
                let large = imageops::resize(
                    picture,
                    picture.width() * upscale,
                    picture.height() * upscale,
                    FilterType::Nearest,
                );
                imageops::replace(&mut strip, &large, i64::from(x), i64::from(y));
            }
        }
        Ok(strip)
    }

    /// Draws the strip and writes it as PNG.
    ///
    /// # Errors
    /// The file cannot be written; an older one stays as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FigureError> {
        let path = path.as_ref();
        write_png(path, &self.draw()?)
            .map_err(|source| FigureError::Write { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    const RED: Rgb<u8> = Rgb([200, 10, 10]);
    const BLUE: Rgb<u8> = Rgb([10, 10, 200]);

    fn row(label: &str, colour: Rgb<u8>, count: usize) -> StripRow {
        StripRow {
            label: label.to_owned(),
            pictures: vec![RgbImage::from_pixel(16, 9, colour); count],
        }
    }

    #[test]
    fn rows_lie_under_each_other_at_twice_their_size() {
        let strip =
            Strip { columns: vec![], rows: vec![row("", RED, 3), row("", BLUE, 2)], upscale: 2 };
        let picture = strip.draw().unwrap();
        let count = |colour| picture.pixels().filter(|p| **p == colour).count();
        assert_eq!((count(RED), count(BLUE)), (3 * 32 * 18, 2 * 32 * 18));
        assert_eq!(*picture.get_pixel(GAP, GAP), RED);
        assert_eq!(*picture.get_pixel(GAP, GAP + 18 + GAP), BLUE);
        assert_eq!(picture.dimensions(), (GAP + 3 * 36, GAP + 2 * 22));
    }

    #[test]
    fn labels_are_drawn_beside_the_pictures_and_not_over_them() {
        let rows = vec![row("truth", RED, 2), row("model", BLUE, 2)];
        let strip = Strip { columns: vec!["1".to_owned(), "64".to_owned()], rows, upscale: 2 };
        let picture = strip.draw().unwrap();
        let dark = |x: std::ops::Range<u32>, y: std::ops::Range<u32>| {
            y.flat_map(|y| x.clone().map(move |x| (x, y)))
                .any(|(x, y)| picture.get_pixel(x, y).0.iter().all(|c| *c < 120))
        };
        let left = 5 * LETTER + 2 * GAP;
        assert!(dark(0..left, HEAD..HEAD + 18), "label of the first row");
        assert!(dark(left..left + 32, 0..HEAD), "label of the first column");
        assert_eq!(picture.pixels().filter(|p| **p == RED).count(), 2 * 32 * 18);
    }

    #[test]
    fn an_empty_strip_is_a_small_picture() {
        let strip = Strip { columns: vec!["x".to_owned()], rows: vec![], upscale: 0 };
        assert!(strip.draw().unwrap().width() > 0);
    }
}
