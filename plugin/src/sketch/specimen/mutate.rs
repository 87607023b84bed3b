//! Damage to files, for fuzzing.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Changes bytes, cuts, repeats and joins, as broken disks and hostile senders do.
pub fn mutate(file: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            bytes.push(rng.random());
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..7) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes.truncate(at),
            3 => {
                let end = (at + rng.random_range(1..32)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + rng.random_range(1..32)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = rng.random_range(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
            5 => {
                // Sizes and counts are what headers are made of.
                let value: u32 = *[0, 1, 0x7fff_ffff, u32::MAX, 65_535, 256]
                    .get(rng.random_range(0..6))
                    .unwrap_or(&0);
                for (slot, byte) in bytes.iter_mut().skip(at).zip(value.to_be_bytes()) {
                    *slot = byte;
                }
            }
            _ => bytes[..at.min(64)].reverse(),
        }
    }
    bytes
}

/// Small valid files of each format and kind of pixel, to be damaged.
pub fn small_files() -> Vec<Vec<u8>> {
    let drawing = RgbImage::from_fn(48, 40, |x, y| {
        let is_wall = !(4..44).contains(&x) || !(4..36).contains(&y) || (x / 2 == 12 && y / 6 != 3);
        Rgb(match (x, y) {
            (9..14, 9..14) => [20, 160, 50],
            (33..38, 25..30) => [220, 30, 30],
            (32..40, 8..14) => [40, 100, 220],
            _ if is_wall => [10; 3],
            _ => [250; 3],
        })
    });
    let grid = RgbImage::from_fn(12, 9, |x, y| {
        let is_wall = x == 0 || y == 0 || x == 11 || y == 8 || (x == 5 && y != 4);
        Rgb(if is_wall {
            [0; 3]
        } else if (x, y) == (2, 2) {
            [0, 255, 0]
        } else {
            [255; 3]
        })
    });
    let kinds: [fn(DynamicImage) -> DynamicImage; 4] = [
        |p| p,
        |p| DynamicImage::ImageRgba8(p.into_rgba8()),
        |p| DynamicImage::ImageLuma8(p.into_luma8()),
        |p| DynamicImage::ImageRgb16(p.into_rgb16()),
    ];
    let mut files = Vec::new();
    for picture in [drawing, grid] {
        let picture = DynamicImage::ImageRgb8(picture);
        for (i, kind) in kinds.iter().enumerate() {
            files.extend(encoded(&kind(picture.clone()), ImageFormat::Png));
            if i % 2 == 0 {
                files.extend(encoded(&kind(picture.clone()), ImageFormat::Jpeg));
            }
        }
        files.extend(encoded(&picture, ImageFormat::Qoi));
    }
    files
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Option<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).ok()?;
    Some(bytes.into_inner())
}

/// A small picture of blocks, strokes and noise in any colours, as a QOI file.
pub fn random_picture(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let (width, height) = (rng.random_range(1..56), rng.random_range(1..56));
    let palette: Vec<[u8; 3]> = (0..rng.random_range(1..6))
        .map(
            |_| if rng.random_bool(0.5) { [rng.random_range(0..2) * 255; 3] } else { rng.random() },
        )
        .collect();
    let colour = |rng: &mut ChaCha8Rng| palette[rng.random_range(0..palette.len())];
    let mut picture = RgbImage::from_pixel(width, height, Rgb(colour(rng)));
    for _ in 0..rng.random_range(0..9) {
        let (x, y) = (rng.random_range(0..width), rng.random_range(0..height));
        let (w, h) = if rng.random_bool(0.5) {
            (rng.random_range(1..=width), rng.random_range(1..4))
        } else {
            (rng.random_range(1..8), rng.random_range(1..=height))
        };
        let ink = colour(rng);
        for (x, y) in
            (y..(y + h).min(height)).flat_map(|y| (x..(x + w).min(width)).map(move |x| (x, y)))
        {
            picture.put_pixel(x, y, Rgb(ink));
        }
    }
    if rng.random_bool(0.2) {
        for pixel in picture.pixels_mut() {
            pixel.0 = pixel.0.map(|c| c.saturating_add(rng.random_range(0..30)));
        }
    }
    encoded(&DynamicImage::ImageRgb8(picture), ImageFormat::Qoi).unwrap_or_default()
}
