//! Contact sheets: a look at many frames at once.

use std::path::PathBuf;

use image::{RgbImage, imageops};

use super::error::DataError;
use super::reader::Episode;

/// Space between pictures, pixels.
const GAP: u32 = 2;

/// `count` frames of one episode, evenly spaced from first to last, in rows of `columns`.
///
/// # Errors
/// A picture is damaged.
pub fn episode_sheet(episode: &Episode, count: usize, columns: u32) -> Result<RgbImage, DataError> {
    let last = episode.len() - 1;
    let count = count.clamp(1, episode.len());
    let pictures = (0..count)
        .map(|k| picture(episode, if count == 1 { 0 } else { k * last / (count - 1) }))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(tile(&pictures, columns))
}

/// One row of `columns` evenly spaced frames for each episode.
///
/// # Errors
/// An episode cannot be read.
pub fn episodes_sheet(episodes: &[PathBuf], columns: u32) -> Result<RgbImage, DataError> {
    let rows = episodes
        .iter()
        .map(|dir| episode_sheet(&Episode::open(dir)?, columns as usize, columns))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(tile(&rows, 1))
}

/// Pictures in rows of `columns`, on dark grey; cells have the largest picture's size.
pub fn tile(pictures: &[RgbImage], columns: u32) -> RgbImage {
    let columns = columns.clamp(1, pictures.len().max(1) as u32);
    let rows = (pictures.len() as u32).div_ceil(columns);
    let cell_width = pictures.iter().map(RgbImage::width).max().unwrap_or(1);
    let cell_height = pictures.iter().map(RgbImage::height).max().unwrap_or(1);
    let span = |cells: u32, cell: u32| (cells * (cell + GAP)).saturating_sub(GAP).max(1);
    let mut sheet = RgbImage::from_pixel(
        span(columns, cell_width),
        span(rows, cell_height),
        image::Rgb([24; 3]),
    );
    for (k, picture) in pictures.iter().enumerate() {
        let (column, row) = (k as u32 % columns, k as u32 / columns);
        let (x, y) = (column * (cell_width + GAP), row * (cell_height + GAP));
        imageops::replace(&mut sheet, picture, i64::from(x), i64::from(y));
    }
    sheet
}

fn picture(episode: &Episode, i: usize) -> Result<RgbImage, DataError> {
    let header = episode.header();
    let rgb = episode.frame_rgb(i)?;
    RgbImage::from_raw(header.width, header.height, rgb)
        .ok_or_else(|| DataError::malformed(episode.dir(), format!("frame {i} has too few bytes")))
}
