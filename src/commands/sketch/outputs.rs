//! The files that a sketch becomes: all are made before the first is written, so that a fault leaves nothing half done.

use std::error::Error;
use std::io::Cursor;
use std::path::PathBuf;

use bevy_reverie::level::Sourced;
use bevy_reverie::level::glb::to_glb;
use image::{ExtendedColorType, ImageEncoder, RgbImage, codecs::png::PngEncoder};
use reverie_runtime::files::write_atomically;

use super::SketchArgs;
use crate::courtyard::VERTICAL_FOV_RAD;

pub const LEVEL: &str = ".level.ron";
pub const REFUSED: &str = ".refused.preview.png";
const GLB: &str = ".glb";
const PREVIEW: &str = ".preview.png";
const FIRST_FRAME: &str = ".first_frame.png";
const DEPTH: &str = ".depth.png";

/// Pixels of the conditioning pictures: large enough for any image model.
const VIEW_SIZE: (u32, u32) = (1024, 576);

/// A file to be: where, and its content.
pub type Output = (PathBuf, Vec<u8>);

/// Level, colliders, preview, and the first view as shadow paint and as depth.
pub fn all(
    args: &SketchArgs,
    sourced: &Sourced,
    preview: &RgbImage,
) -> Result<Vec<Output>, Box<dyn Error>> {
    let level = &sourced.level;
    let level_path = args.path(LEVEL);
    let text = level.to_text(&level_path)?;
    let (width, height) = VIEW_SIZE;
    let view = level.first_view(width, height, VERTICAL_FOV_RAD);
    let depth: Vec<u8> = view.depth_mm().into_iter().flat_map(u16::to_ne_bytes).collect();
    Ok(vec![
        (level_path, text.into_bytes()),
        (args.path(GLB), to_glb(level)),
        (args.path(PREVIEW), png(preview)?),
        (args.path(FIRST_FRAME), encode(&view.rgb, VIEW_SIZE, ExtendedColorType::Rgb8)?),
        (args.path(DEPTH), encode(&depth, VIEW_SIZE, ExtendedColorType::L16)?),
    ])
}

/// A picture as PNG.
pub fn png(picture: &RgbImage) -> Result<Vec<u8>, Box<dyn Error>> {
    encode(picture.as_raw(), picture.dimensions(), ExtendedColorType::Rgb8)
}

fn encode(
    pixels: &[u8],
    (width, height): (u32, u32),
    color: ExtendedColorType,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Cursor::new(Vec::new());
    PngEncoder::new(&mut bytes).write_image(pixels, width, height, color)?;
    Ok(bytes.into_inner())
}

/// Writes each beside its place and renames it.
pub fn write(files: &[Output]) -> Result<(), Box<dyn Error>> {
    for (path, bytes) in files {
        write_atomically(path, bytes)
            .map_err(|e| format!("cannot write {}: {e}; choose another --out", path.display()))?;
    }
    Ok(())
}
