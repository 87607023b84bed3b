//! From the bytes of a file to upright pixels in sRGB: untrusted until checked, bounded in memory.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, Rgb, RgbImage, RgbaImage};

use super::error::SketchError;

/// Larger pictures are refused before they are decoded.
const MOST_MEGAPIXELS: u64 = 64;
/// A decoder that wants more is stopped.
const MOST_DECODER_BYTES: u64 = 640 << 20;

/// Decodes a PNG, JPEG or QOI file; turned as the camera was held, and laid on white paper where it is transparent,
/// or on black if light strokes alone are drawn on nothing.
///
/// # Errors
/// Another format, too many pixels, or a broken file.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, SketchError> {
    let broken = |reason: String| SketchError::Picture { reason };
    if bytes.is_empty() {
        return Err(broken("the file is empty".to_owned()));
    }
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    if !reader.format().is_some_and(|format| format.reading_enabled()) {
        return Err(broken(format!("it is {}", what_instead(bytes))));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_DECODER_BYTES);
    reader.limits(limits);
    let in_words = |error: image::ImageError| broken(one_line(&error.to_string()));
    let mut decoder = reader.into_decoder().map_err(in_words)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_MEGAPIXELS * 1_000_000 {
        return Err(SketchError::TooLarge { width, height, most: MOST_MEGAPIXELS });
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(in_words)?;
    picture.apply_orientation(orientation);
    Ok(if picture.color().has_alpha() {
        on_paper(&picture.into_rgba8())
    } else {
        picture.into_rgb8()
    })
}

/// Lays a transparent picture on white, or on black where it holds light strokes alone.
fn on_paper(picture: &RgbaImage) -> RgbImage {
    let (mut light, mut dark, mut clear) = (0_u64, 0_u64, 0_u64);
    for pixel in picture.pixels() {
        let [r, g, b, a] = pixel.0;
        match (a, r.max(g).max(b), r.min(g).min(b)) {
            (0..128, _, _) => clear += 1,
            (_, brightest, _) if brightest < 110 => dark += 1,
            (_, _, darkest) if darkest > 170 => light += 1,
            _ => {}
        }
    }
    let paper = if clear > 0 && light > 20 * dark { 0 } else { 255 };
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, a] = picture.get_pixel(x, y).0;
        let over = |ink: u8| {
            let (ink, a) = (u32::from(ink), u32::from(a));
            ((ink * a + paper * (255 - a) + 127) / 255) as u8
        };
        Rgb([r, g, b].map(over))
    })
}

/// What a file is that is none of the formats that are read.
fn what_instead(bytes: &[u8]) -> &'static str {
    let known: [(&[u8], &str); 7] = [
        (b"GIF8", "a GIF, which is not read"),
        (b"BM", "a BMP, which is not read"),
        (b"II*\0", "a TIFF, which is not read"),
        (b"MM\0*", "a TIFF, which is not read"),
        (b"%PDF", "a PDF, which is not read"),
        (b"8BPS", "a Photoshop file, which is not read"),
        (b"<svg", "an SVG, which is not read"),
    ];
    if let Some((_, name)) = known.iter().find(|(start, _)| bytes.starts_with(start)) {
        return name;
    }
    let box_kind = bytes.get(4..12).unwrap_or_default();
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return "a WebP, which is not read";
    }
    if box_kind.starts_with(b"ftypavif") {
        return "an AVIF, which is not read";
    }
    if box_kind.starts_with(b"ftyp") {
        return "a HEIC or a film, which is not read";
    }
    let start = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let is_text = start.iter().all(|byte| *byte >= 0x20 || b"\t\r\n".contains(byte));
    if is_text { "a text file" } else { "none of PNG, JPEG and QOI" }
}

/// A decoder's words, which may go over several lines.
fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}
