//! From a normalised page to ink, coloured marks and grey fills.

use image::RgbImage;

use super::colour;
use super::legend::{EntryKind, Legend};
use super::light::PAPER;
use super::raster::{Mask, Raster, components, distance, mask_components, quantile};

/// Fainter marks are paper, steps of 255.
const LEAST_INK: f32 = 18.0;
/// Between a colour's brightest and darkest channel, steps of 255.
const LEAST_CHROMA: f32 = 34.0;
/// And as a share of how dark the pixel is: black ink has a tint on photos.
const LEAST_SATURATION: f32 = 0.33;
/// Part of a stroke's darkness at its edge.
const EDGE: f32 = 0.5;
/// No colour.
pub(super) const NONE: u8 = u8::MAX;

/// What is drawn where.
pub(super) struct Ink {
    /// Dark strokes and fills.
    pub walls: Mask,
    /// The legend's entry of each coloured or grey-filled pixel, [`NONE`] elsewhere.
    pub marks: Raster<u8>,
    /// How light each pixel is.
    pub shade: Raster<u8>,
    /// Usual width of a stroke, pixels.
    pub stroke_px: f32,
    /// How much darker than paper ink is, steps of 255.
    pub level: f32,
    /// Standard deviation of the noise, steps of 255.
    pub noise: f32,
    /// Share of the page that is clearly paper, ink, or a colour.
    pub clear: f32,
    /// Share that is paper.
    pub paper: f32,
    /// Place in pixels and colour of a mark that the legend lacks, with the entry it was taken for.
    pub unknown: Vec<((usize, usize), [u8; 3], u8)>,
}

fn darkness(c: [u8; 3]) -> f32 {
    (PAPER - (0.3 * f32::from(c[0]) + 0.59 * f32::from(c[1]) + 0.11 * f32::from(c[2]))).max(0.0)
}

/// Standard deviation of what changes from pixel to pixel on paper.
pub(super) fn noise(page: &RgbImage) -> f32 {
    let (width, height) = page.dimensions();
    let mut steps = Vec::new();
    for y in (0..height).step_by(3) {
        for x in (1..width).step_by(3) {
            let (a, b) = (darkness(page.get_pixel(x - 1, y).0), darkness(page.get_pixel(x, y).0));
            if a < 60.0 && b < 60.0 {
                steps.push((a - b).abs());
            }
        }
    }
    quantile(&steps, 0.5).unwrap_or(0.0) / 0.954
}

/// How much darker than paper the drawing's strokes are; 0 on an empty page.
pub(super) fn level(page: &RgbImage, noise: f32) -> f32 {
    let least = LEAST_INK.max(6.0 * noise);
    let (width, height) = page.dimensions();
    // At the border of a page desk may show.
    let edge = width.max(height) / 64;
    let inside = |x: u32, y: u32| {
        (edge..width.saturating_sub(edge)).contains(&x)
            && (edge..height.saturating_sub(edge)).contains(&y)
    };
    let (mut dark, mut coloured) = (Vec::new(), Vec::new());
    for (x, y, pixel) in page.enumerate_pixels() {
        let d = darkness(pixel.0);
        if d > least && inside(x, y) {
            if is_coloured(pixel.0, noise) { coloured.push(d) } else { dark.push(d) }
        }
    }
    // Drawn with a coloured pen, only soft edges are grey.
    if 6 * dark.len() < coloured.len() {
        dark = coloured;
    }
    // Lines of paper and soft edges are many and light: ink is the darkest.
    0.9 * quantile(&dark, 0.95).unwrap_or(0.0)
}

fn is_coloured(c: [u8; 3], noise: f32) -> bool {
    let chroma = f32::from(colour::chroma(c));
    let depth = PAPER - f32::from(c[0].min(c[1]).min(c[2]));
    chroma >= LEAST_CHROMA.max(5.0 * noise) && chroma >= LEAST_SATURATION * depth
}

/// Evens out noise over 3×3 pixels, weighted 1 2 1.
pub(super) fn soften(page: &RgbImage) -> RgbImage {
    let (width, height) = page.dimensions();
    let blur = |picture: &RgbImage, dx: u32, dy: u32| {
        RgbImage::from_fn(width, height, |x, y| {
            let before = picture.get_pixel(x.saturating_sub(dx), y.saturating_sub(dy)).0;
            let here = picture.get_pixel(x, y).0;
            let after = picture.get_pixel((x + dx).min(width - 1), (y + dy).min(height - 1)).0;
            image::Rgb(std::array::from_fn(|i| {
                ((u16::from(before[i]) + 2 * u16::from(here[i]) + u16::from(after[i]) + 2) / 4)
                    as u8
            }))
        })
    };
    blur(&blur(page, 1, 0), 0, 1)
}

/// Parts a normalised page into walls, marks and paper.
pub(super) fn part(page: &RgbImage, legend: &Legend, noise: f32, rim: Option<&Mask>) -> Ink {
    let (width, height) = (page.width() as usize, page.height() as usize);
    let is_rim = |i: usize| rim.is_some_and(|rim| rim.data.get(i) == Some(&true));
    let pixels: Vec<[u8; 3]> = page.pixels().map(|pixel| pixel.0).collect();
    let level = level(page, noise);
    let dark = Raster {
        width,
        height,
        data: pixels
            .iter()
            .enumerate()
            .map(|(i, c)| if is_rim(i) { 0.0 } else { darkness(*c) })
            .collect(),
    };
    let coloured = Raster {
        width,
        height,
        data: pixels
            .iter()
            .enumerate()
            .map(|(i, c)| !is_rim(i) && is_coloured(*c, noise))
            .collect(),
    };
    let (mut marks, unknown) = marks(&pixels, &coloured, legend);
    let low = (0.26 * level).max(LEAST_INK).max(5.0 * noise);
    let peak = local_max(&dark, 2);
    let mut walls = Raster {
        width,
        height,
        data: (0..width * height)
            .map(|i| {
                let d = dark.data[i];
                d >= low && d >= EDGE * peak.data[i].min(1.15 * level) && marks.data[i] == NONE
            })
            .collect(),
    };
    keep_strong(&mut walls, &dark, 0.5 * level);
    let stroke_px = stroke_width(&walls);
    if let Some(ramp) = legend.first(EntryKind::Ramp) {
        take_fills(&mut walls, &mut marks, &dark, level, stroke_px, ramp);
    }
    take_pen_colour(&mut walls, &mut marks, legend);
    let stroke_px = if walls.count() > 0 { stroke_width(&walls) } else { stroke_px };
    let total = (width * height) as f32;
    let paper =
        dark.data.iter().zip(&coloured.data).filter(|(d, c)| **d < low.max(25.0) && !**c).count()
            as f32;
    let strong = dark.data.iter().zip(&coloured.data).filter(|(d, c)| **d > 0.6 * level && !**c);
    let strong = strong.count() as f32;
    let colours = coloured.count() as f32;
    let shade = dark.map(|d| (PAPER - d).clamp(0.0, 255.0) as u8);
    Ink {
        walls,
        marks,
        shade,
        stroke_px,
        level,
        noise,
        clear: (paper + strong + colours) / total,
        paper: paper / total,
        unknown,
    }
}

/// The largest value within a square of `2 * reach + 1` pixels.
fn local_max(values: &Raster<f32>, reach: usize) -> Raster<f32> {
    let (width, height) = (values.width, values.height);
    let mut across = values.clone();
    for y in 0..height {
        let row = values.row(y);
        let Some(most) = across.data.get_mut(y * width..(y + 1) * width) else { continue };
        for shift in 1..=reach.min(width) {
            for (most, beside) in most.iter_mut().zip(row.iter().skip(shift)) {
                *most = most.max(*beside);
            }
            for (most, beside) in most.iter_mut().skip(shift).zip(row) {
                *most = most.max(*beside);
            }
        }
    }
    let mut all = across.clone();
    for y in 0..height {
        let Some(most) = all.data.get_mut(y * width..(y + 1) * width) else { continue };
        for other in y.saturating_sub(reach)..(y + reach + 1).min(height) {
            for (most, beside) in most.iter_mut().zip(across.row(other)) {
                *most = most.max(*beside);
            }
        }
    }
    all
}

/// Keeps what hangs together with a pixel as dark as `least`.
fn keep_strong(mask: &mut Mask, dark: &Raster<f32>, least: f32) {
    let (labels, pieces) = mask_components(mask, true);
    let mut is_strong = vec![false; pieces.len() + 1];
    for (label, d) in labels.data.iter().zip(&dark.data) {
        if *d >= least {
            is_strong[*label as usize] = true;
        }
    }
    for (set, label) in mask.data.iter_mut().zip(&labels.data) {
        *set = *set && is_strong[*label as usize];
    }
}

/// Twice the distance from a stroke's middle to its edge, over most of the strokes.
pub(super) fn stroke_width(walls: &Mask) -> f32 {
    let far = distance(&walls.map(|set| !set));
    let mut widths = Vec::new();
    for y in 1..walls.height.saturating_sub(1) {
        for x in 1..walls.width.saturating_sub(1) {
            let i = y * walls.width + x;
            let d = far.data[i];
            let is_ridge = d > 0.0
                && d.is_finite()
                && d >= far.data[i - 1].max(far.data[i + 1])
                && d >= far.data[i - walls.width].max(far.data[i + walls.width]);
            if is_ridge {
                widths.push(2.0 * d - 1.0);
            }
        }
    }
    quantile(&widths, 0.5).unwrap_or(1.0).max(1.0)
}

/// Coloured pixels to entries: by pixel, then by what most of a blot's inside says, since edges are mixed with paper
/// and with ink.
fn marks(
    pixels: &[[u8; 3]],
    coloured: &Mask,
    legend: &Legend,
) -> (Raster<u8>, Vec<((usize, usize), [u8; 3], u8)>) {
    const STEPS: usize = 32;
    let entries: Vec<u8> = (0..legend.entries.len() as u8)
        .filter(|entry| colour::is_coloured(legend, *entry))
        .collect();
    let mut marks = coloured.map(|_| NONE);
    let mut unknown = Vec::new();
    if entries.is_empty() {
        return (marks, unknown);
    }
    let nearest = |c: [u8; 3]| {
        let off =
            |entry: &u8| legend.get(*entry).map_or(f32::MAX, |e| colour::difference(c, e.colour));
        entries
            .iter()
            .copied()
            .min_by(|a, b| off(a).total_cmp(&off(b)))
            .map(|entry| (entry, off(&entry)))
    };
    let mut table = vec![NONE; STEPS * STEPS * STEPS];
    let key = |c: [u8; 3]| c.iter().fold(0, |key, v| key * STEPS + usize::from(*v) * STEPS / 256);
    for (i, is_coloured) in coloured.data.iter().enumerate() {
        if *is_coloured {
            let slot = &mut table[key(pixels[i])];
            if *slot == NONE {
                *slot = nearest(pixels[i]).map_or(NONE, |(entry, _)| entry);
            }
            marks.data[i] = *slot;
        }
    }
    let far = distance(&coloured.map(|set| !set));
    let (labels, blots) = mask_components(coloured, true);
    let mut votes = vec![[0_u32; super::legend::MAX_ENTRIES]; blots.len() + 1];
    for (i, label) in labels.data.iter().enumerate() {
        if *label != 0 && marks.data[i] != NONE {
            // The inside counts more than the edge.
            let weight = if far.data[i] > 2.2 {
                8
            } else if far.data[i] > 1.2 {
                3
            } else {
                1
            };
            votes[*label as usize][usize::from(marks.data[i])] += weight;
        }
    }
    for (i, label) in labels.data.iter().enumerate() {
        if *label == 0 {
            continue;
        }
        let votes = &votes[*label as usize];
        let total: u32 = votes.iter().sum();
        let own = votes.get(usize::from(marks.data[i])).copied().unwrap_or(0);
        if 7 * own < total
            && let Some(most) = (0..votes.len()).max_by_key(|entry| votes[*entry])
        {
            marks.data[i] = most as u8;
        }
    }
    let (labels, pieces) = components(&marks.map(|entry| entry.wrapping_add(1)), true);
    let mut sums = vec![([0_u32; 3], 0_u32); pieces.len() + 1];
    for (i, label) in labels.data.iter().enumerate() {
        if *label != 0 && far.data[i] > 1.2 {
            let (sum, count) = &mut sums[*label as usize];
            (0..3).for_each(|k| sum[k] += u32::from(pixels[i][k]));
            *count += 1;
        }
    }
    for (piece, (sum, count)) in pieces.iter().zip(sums.iter().skip(1)) {
        if *count < 6 {
            continue;
        }
        let mean = sum.map(|s| (s / count) as u8);
        let (x, y) = piece.seed;
        let entry = marks.get(x as i32, y as i32).unwrap_or(NONE);
        let off = legend.get(entry).map_or(0.0, |e| colour::difference(mean, e.colour));
        if off > 0.5 {
            unknown.push((piece.seed, mean, entry));
        }
    }
    (marks, unknown)
}

/// Grey areas, much lighter than the strokes and much wider, are ramps.
fn take_fills(
    walls: &mut Mask,
    marks: &mut Raster<u8>,
    dark: &Raster<f32>,
    level: f32,
    stroke_px: f32,
    ramp: u8,
) {
    let is_fill = Raster {
        width: dark.width,
        height: dark.height,
        data: dark
            .data
            .iter()
            .zip(&marks.data)
            .map(|(d, mark)| *d > 0.12 * level + 10.0 && *d < 0.8 * level && *mark == NONE)
            .collect(),
    };
    let reach = (1.3 * stroke_px).max(4.0);
    let far = distance(&is_fill.map(|set| !set));
    let core = far.map(|d| d > reach && d.is_finite());
    let (labels, cores) = mask_components(&core, true);
    let least = (30.0 * reach) as usize;
    let keep = labels.map(|label| {
        label != 0 && cores.get(label as usize - 1).is_some_and(|core| core.area >= least.min(120))
    });
    if keep.count() == 0 {
        return;
    }
    let near = distance(&keep);
    for i in 0..walls.data.len() {
        if near.data[i] <= reach + 1.5 && is_fill.data[i] {
            walls.data[i] = false;
            marks.data[i] = ramp;
        }
    }
}

/// Where walls are drawn with a coloured pen: if there is hardly any dark ink, the thin strokes of the commonest colour
/// are walls.
fn take_pen_colour(walls: &mut Mask, marks: &mut Raster<u8>, legend: &Legend) {
    let span = |mask: &Mask| {
        let (_, pieces) = mask_components(mask, true);
        pieces.iter().map(super::raster::Component::extent).max().unwrap_or(0)
    };
    let longest = walls.width.max(walls.height);
    if 6 * span(walls) > longest {
        return;
    }
    let candidates = (0..legend.entries.len() as u8).map(|entry| {
        let strokes = marks.map(|mark| mark == entry);
        let far = distance(&strokes.map(|set| !set));
        let thick =
            far.data.iter().filter(|d| **d > 0.012 * longest as f32 + 1.0 && d.is_finite()).count();
        let is_thin = 12 * thick < strokes.count();
        (if is_thin { span(&strokes) } else { 0 }, entry)
    });
    let Some((extent, entry)) = candidates.max() else { return };
    if 3 * extent > longest {
        for (wall, mark) in walls.data.iter_mut().zip(&mut marks.data) {
            if *mark == entry {
                (*wall, *mark) = (true, NONE);
            }
        }
    }
}
