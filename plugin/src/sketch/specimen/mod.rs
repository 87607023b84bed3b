//! Random sketches whose level is known: plans drawn from a seed, pictures of them with one or several distortions,
//! and how well a reading agrees with the truth.
//!
//! Seeds from 1,000,000 up are for evaluation alone.

mod canvas;
mod layout;
mod mutate;
mod photo;
mod score;

use glam::Vec2;
use image::{ImageFormat, RgbaImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use layout::{Area, Layout, Wall};
pub use mutate::{mutate, random_picture, small_files};
pub use score::{Score, score};

use super::SketchOptions;
use canvas::{Canvas, Pen};

/// What one sketch is drawn with, or through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Axis {
    Lines,
    Blocks,
    DoubleLines,
    NoAntialiasing,
    Small,
    Large,
    Transparent,
    DarkMode,
    ColouredPaper,
    Wobble,
    Gaps,
    Pencil,
    Marker,
    CrossesAndRings,
    Perspective,
    Rotation,
    UnevenLight,
    Shadow,
    Noise,
    Blur,
    Jpeg,
    Ruled,
    Squared,
    Everything,
}

impl Axis {
    /// What a paint program or a careful hand makes.
    pub const CLEAN: [Self; 14] = [
        Self::Lines,
        Self::Blocks,
        Self::DoubleLines,
        Self::NoAntialiasing,
        Self::Small,
        Self::Large,
        Self::Transparent,
        Self::DarkMode,
        Self::ColouredPaper,
        Self::Wobble,
        Self::Gaps,
        Self::Pencil,
        Self::Marker,
        Self::CrossesAndRings,
    ];
    /// Drawn by hand and photographed.
    pub const PHOTO: [Self; 10] = [
        Self::Perspective,
        Self::Rotation,
        Self::UnevenLight,
        Self::Shadow,
        Self::Noise,
        Self::Blur,
        Self::Jpeg,
        Self::Ruled,
        Self::Squared,
        Self::Everything,
    ];
}

/// A picture and the level that it shows.
#[derive(Debug, Clone)]
pub struct Specimen {
    /// What it is drawn with, or through.
    pub axis: Axis,
    /// The truth.
    pub layout: Layout,
    /// PNG or JPEG.
    pub file: Vec<u8>,
    /// Size of the drawing, or of the page, metres.
    pub page_m: Vec2,
    /// Whether the page lies in a photo, so that its pixels are no measure of the plan.
    pub is_photo: bool,
    /// With the scale of the picture, where it has one scale.
    pub options: SketchOptions,
}

/// Draws a sketch; the same seed and axis give the same bytes.
pub fn draw(seed: u64, axis: Axis) -> Specimen {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let layout = Layout::random(&mut rng);
    let is_photo = Axis::PHOTO.contains(&axis);
    let margin_m = rng.random_range(0.6..2.5);
    let page_m = layout.size_m + 2.0 * margin_m;
    let longest_px: f32 = match axis {
        Axis::Small => rng.random_range(260.0..420.0),
        Axis::Large => rng.random_range(2000.0..3600.0),
        _ => rng.random_range(700.0..1500.0),
    };
    let px_per_m =
        (longest_px / page_m.max_element()).max(if axis == Axis::Small { 11.0 } else { 20.0 });
    let by_hand = is_photo
        || matches!(
            axis,
            Axis::Wobble | Axis::Gaps | Axis::Pencil | Axis::Marker | Axis::CrossesAndRings
        );
    let unit = px_per_m / 40.0;
    let width_px: f32 = match axis {
        Axis::Marker => rng.random_range(7.0..12.0) * unit,
        Axis::Blocks => rng.random_range(0.25..0.5) * px_per_m,
        Axis::Pencil => rng.random_range(2.0..3.5) * unit,
        _ if is_photo => rng.random_range(3.0..7.0) * unit,
        _ => rng.random_range(2.0..7.0) * unit,
    };
    let pen = Pen {
        width_px: width_px.max(1.0),
        ink: match axis {
            Axis::Pencil => {
                let grey = rng.random_range(70.0..125.0);
                [grey; 3]
            }
            _ if by_hand && rng.random_bool(0.3) => [25.0, 30.0, 60.0],
            _ => [rng.random_range(0.0..40.0); 3],
        },
        wobble_px: if by_hand { rng.random_range(0.5..2.0) * unit } else { 0.0 },
        pressure: if by_hand { rng.random_range(0.05..0.3) } else { 0.0 },
        gap_px: if axis == Axis::Gaps || axis == Axis::Everything {
            6.0_f32.min(0.3 * px_per_m)
        } else {
            0.0
        },
        is_double: axis == Axis::DoubleLines,
        is_ringed: axis == Axis::CrossesAndRings || (by_hand && rng.random_bool(0.2)),
        antialiased: axis != Axis::NoAntialiasing,
    };
    let paper = match axis {
        Axis::ColouredPaper => [
            rng.random_range(215.0..250.0),
            rng.random_range(205.0..245.0),
            rng.random_range(160.0..235.0),
        ],
        _ => [rng.random_range(244.0..255.0); 3],
    };
    let mut canvas = Canvas::new(page_m, px_per_m, paper);
    let rule = match axis {
        Axis::Ruled => Some(false),
        Axis::Squared => Some(true),
        Axis::Everything if rng.random_bool(0.6) => Some(rng.random_bool(0.5)),
        _ => None,
    };
    if let Some(squared) = rule {
        canvas.rule(&mut rng, squared, unit);
    }
    canvas.draw(&layout, Vec2::splat(margin_m), &pen, &mut rng);
    let mut layout = layout;
    layout.move_by(Vec2::splat(margin_m));
    let mut picture = canvas.finish();
    if axis == Axis::DarkMode {
        dark(&mut picture);
    }
    let mut options =
        SketchOptions { metres_per_pixel: Some(1.0 / px_per_m), ..SketchOptions::default() };
    let file = if is_photo {
        let (photo, scale) = photo::take(&picture, axis, &mut rng);
        options.metres_per_pixel = Some(1.0 / (px_per_m * scale));
        encode_jpeg(&photo, if axis == Axis::Jpeg { rng.random_range(25..45) } else { 88 })
    } else if axis == Axis::Transparent {
        encode_png(&clear(&picture, paper))
    } else if by_hand && rng.random_bool(0.4) {
        encode_jpeg(&picture, 85)
    } else {
        encode_png(&image::DynamicImage::ImageRgb8(picture).into_rgba8())
    };
    Specimen { axis, layout, file, page_m, is_photo, options }
}

/// Light strokes on dark; colours stay.
fn dark(picture: &mut image::RgbImage) {
    for pixel in picture.pixels_mut() {
        let [r, g, b] = pixel.0;
        if r.max(g).max(b) - r.min(g).min(b) < 30 {
            pixel.0 = pixel.0.map(|c| 245 - (c as f32 * 0.86) as u8);
        }
    }
}

/// Paper becomes transparent.
fn clear(picture: &image::RgbImage, paper: [f32; 3]) -> RgbaImage {
    RgbaImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b] = picture.get_pixel(x, y).0;
        let off =
            [r, g, b].iter().zip(paper).map(|(c, p)| (f32::from(*c) - p).abs()).fold(0.0, f32::max);
        image::Rgba([r, g, b, (4.0 * off).min(255.0) as u8])
    })
}

fn encode_png(picture: &RgbaImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    // Memory is the only thing that writing to memory can lack.
    picture.write_to(&mut bytes, ImageFormat::Png).ok();
    bytes.into_inner()
}

fn encode_jpeg(picture: &image::RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(picture)
        .ok();
    bytes
}

/// The true level of a specimen, in cells.
pub fn truth(specimen: &Specimen) -> super::Plan {
    score::plan(&specimen.layout, specimen.page_m)
}
