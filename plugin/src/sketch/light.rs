//! Uneven light, coloured paper and dark mode: undone, so that paper is white and ink is dark.

use image::{Rgb, RgbImage};

use super::raster::{Mask, Raster, mask_components, quantile, shrink};

/// Edge of the blocks in which the paper's colour is taken, pixels.
const BLOCK_PX: usize = 24;
/// Paper after normalising, 0 to 255.
pub(super) const PAPER: f32 = 250.0;

/// Whether light strokes are drawn on dark: most of the picture is dark, and what is light is thin beside it.
pub(super) fn is_light_on_dark(picture: &RgbImage) -> bool {
    let (small, _) = shrink(picture, 400);
    let (width, height) = (small.width() as usize, small.height() as usize);
    let values: Vec<f32> = small.pixels().map(|pixel| lightness(pixel.0)).collect();
    let threshold = otsu(&values);
    // Marks tell nothing; on a blueprint all is coloured.
    let chromas: Vec<f32> =
        small.pixels().map(|pixel| f32::from(super::colour::chroma(pixel.0))).collect();
    let usual = quantile(&chromas, 0.5).unwrap_or(0.0);
    let is_grey: Vec<bool> =
        chromas.iter().map(|chroma| *chroma < 60.0_f32.max(1.5 * usual)).collect();
    let group = |is_dark: bool| -> Mask {
        let data = values.iter().zip(&is_grey);
        let data = data.map(|(v, grey)| *grey && (*v < threshold) == is_dark).collect();
        Raster { width, height, data }
    };
    let (dark, light) = (group(true), group(false));
    let is_dark = quantile(&values, 0.5).is_some_and(|median| median < 128.0);
    // Without any light the whole picture is dark: nothing is drawn, whichever way it is read.
    is_dark
        && light.count() > 0
        && dark.count() > light.count()
        && thickness(&light) < 0.3 * thickness(&dark)
}

/// Four times the area for each pixel of edge: how thick the strokes and spaces of a mask are, about, pixels.
fn thickness(set: &Mask) -> f32 {
    let mut edge = 0_usize;
    for y in 0..set.height as i32 {
        for x in 0..set.width as i32 {
            if set.get(x, y) == Some(true) {
                let beside = [(1, 0), (-1, 0), (0, 1), (0, -1)];
                edge +=
                    beside.iter().filter(|(dx, dy)| set.get(x + dx, y + dy) != Some(true)).count();
            }
        }
    }
    4.0 * set.count() as f32 / edge.max(1) as f32
}

/// Turns light into dark and keeps hues: what HSL calls lightness is mirrored.
pub(super) fn invert(picture: &mut RgbImage) {
    for pixel in picture.pixels_mut() {
        let [r, g, b] = pixel.0.map(i32::from);
        let add = 255 - r.max(g).max(b) - r.min(g).min(b);
        pixel.0 = [r, g, b].map(|c| (c + add).clamp(0, 255) as u8);
    }
}

/// Half of the brightest and the darkest channel.
fn lightness([r, g, b]: [u8; 3]) -> f32 {
    0.5 * (f32::from(r.max(g).max(b)) + f32::from(r.min(g).min(b)))
}

/// The value that parts two groups best (Otsu, "A threshold selection method from gray-level histograms", 1979).
pub(super) fn otsu(values: &[f32]) -> f32 {
    let mut histogram = [0_u32; 256];
    for value in values {
        histogram[value.clamp(0.0, 255.0) as usize] += 1;
    }
    let total = values.len() as f64;
    let sum: f64 = histogram.iter().enumerate().map(|(v, n)| v as f64 * f64::from(*n)).sum();
    let (mut below, mut sum_below) = (0.0, 0.0);
    let mut best = (0.0, 127.0);
    for (value, count) in histogram.iter().enumerate() {
        below += f64::from(*count);
        sum_below += value as f64 * f64::from(*count);
        if below == 0.0 || below == total {
            continue;
        }
        let apart = sum_below / below - (sum - sum_below) / (total - below);
        let between = below * (total - below) * apart * apart;
        if between > best.0 {
            best = (between, value as f64 + 1.0);
        }
    }
    best.1 as f32
}

/// Divides a picture by the colour that its paper has at each place.
pub(super) fn normalise(picture: &RgbImage) -> RgbImage {
    let paper = paper(picture);
    let (width, height) = (picture.width(), picture.height());
    let mut flat = RgbImage::new(width, height);
    let column = |at: f32, count: usize| {
        let at = (at / BLOCK_PX as f32 - 0.5).clamp(0.0, count as f32 - 1.0);
        let low = (at as usize).min(count.saturating_sub(2));
        (low, (low + 1).min(count - 1), at - low as f32)
    };
    let columns: Vec<_> = (0..width).map(|x| column(x as f32 + 0.5, paper.width)).collect();
    for y in 0..height {
        let (top, bottom, fy) = column(y as f32 + 0.5, paper.height);
        let (top, bottom) = (paper.row(top), paper.row(bottom));
        let across: Vec<[f32; 3]> = top
            .iter()
            .zip(bottom)
            .map(|(a, b)| std::array::from_fn(|i| a[i] + (b[i] - a[i]) * fy))
            .collect();
        for (x, (left, right, fx)) in columns.iter().enumerate() {
            let (Some(a), Some(b)) = (across.get(*left), across.get(*right)) else { continue };
            let ink = picture.get_pixel(x as u32, y).0;
            let value = |i: usize| {
                let paper = (a[i] + (b[i] - a[i]) * fx).max(8.0);
                (f32::from(ink[i]) / paper * PAPER).min(255.0) as u8
            };
            flat.put_pixel(x as u32, y, Rgb(std::array::from_fn(value)));
        }
    }
    flat
}

/// The paper's colour, one value a block: a smooth surface over the bright blocks, with each block's own colour where
/// that is close to it, as in the soft edge of a shadow.
fn paper(picture: &RgbImage) -> Raster<[f32; 3]> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (columns, rows) = (width.div_ceil(BLOCK_PX), height.div_ceil(BLOCK_PX));
    let bright = Raster::from_fn(columns, rows, |x, y| block_paper(picture, x, y));
    let log_luma = bright.map(|c| luma(c).max(4.0).ln());
    let surface = Surface::fit(&log_luma);
    let smooth = Raster::from_fn(columns, rows, |x, y| surface.at(x, y, columns, rows));
    let offs: Vec<f32> = log_luma.data.iter().zip(&smooth.data).map(|(a, b)| a - b).collect();
    let mut is_paper: Mask = Raster {
        width: columns,
        height: rows,
        data: offs.iter().map(|off| (-0.16..0.25).contains(off)).collect(),
    };
    // The tint of the paper: its light may be yellow, or the paper.
    let tint: [f32; 3] = std::array::from_fn(|i| {
        let ratios: Vec<f32> = bright
            .data
            .iter()
            .zip(&is_paper.data)
            .filter(|(_, paper)| **paper)
            .map(|(c, _)| c[i] / luma(*c).max(4.0))
            .collect();
        quantile(&ratios, 0.5).unwrap_or(1.0)
    });
    let is_neutral = bright
        .map(|own| (0..3).all(|i| (own[i] / luma(own).max(4.0) / tint[i] - 1.0).abs() <= 0.07));
    follow_shadows(&mut is_paper, &is_neutral, &log_luma, &offs);
    let colours: Vec<[f32; 3]> = (0..columns * rows)
        .map(|k| {
            let is_own = is_paper.data[k] && is_neutral.data[k];
            if is_own { bright.data[k] } else { tint.map(|t| t * smooth.data[k].exp()) }
        })
        .collect();
    let rough = Raster { width: columns, height: rows, data: colours };
    // Softened over the neighbours.
    Raster::from_fn(columns, rows, |x, y| {
        let mut sum = [0.0; 4];
        for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
            if let Some(c) = rough.get(x as i32 + dx, y as i32 + dy) {
                let weight = if dx == 0 && dy == 0 { 2.0 } else { 1.0 };
                (0..3).for_each(|i| sum[i] += weight * c[i]);
                sum[3] += weight;
            }
        }
        std::array::from_fn(|i| sum[i] / sum[3])
    })
}

/// Shadows are paper, too: they darken step by step, or they are large and reach the page's border.
fn follow_shadows(is_paper: &mut Mask, is_neutral: &Mask, log_luma: &Raster<f32>, offs: &[f32]) {
    const STEP: f32 = 0.15;
    const DEEPEST: f32 = -0.9;
    let (width, height) = (is_paper.width as i32, is_paper.height as i32);
    let may_be = |is_paper: &Mask, i: usize| {
        !is_paper.data[i] && is_neutral.data[i] && (DEEPEST..0.0).contains(&offs[i])
    };
    let mut front: Vec<(i32, i32)> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .filter(|(x, y)| is_paper.get(*x, *y) == Some(true))
        .collect();
    while let Some((x, y)) = front.pop() {
        let here = log_luma.get(x, y).unwrap_or(0.0);
        for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1)] {
            let (x, y) = (x + dx, y + dy);
            let Some(there) = log_luma.get(x, y) else { continue };
            let i = (y * width + x) as usize;
            if may_be(is_paper, i) && (there - here).abs() < STEP {
                is_paper.set(x, y, true);
                front.push((x, y));
            }
        }
    }
    let left = Raster {
        width: is_paper.width,
        height: is_paper.height,
        data: (0..offs.len()).map(|i| may_be(is_paper, i)).collect(),
    };
    let (labels, pieces) = mask_components(&left, true);
    let is_shadow: Vec<bool> = pieces
        .iter()
        .map(|piece| {
            let at_border = piece.min.0 == 0
                || piece.min.1 == 0
                || piece.max.0 + 1 == left.width
                || piece.max.1 + 1 == left.height;
            at_border && 25 * piece.area > left.data.len()
        })
        .collect();
    for (paper, label) in is_paper.data.iter_mut().zip(&labels.data) {
        let index = (*label as usize).checked_sub(1);
        *paper = *paper || index.and_then(|i| is_shadow.get(i)) == Some(&true);
    }
}

/// What three quarters of a block's pixels are darker than, by channel.
fn block_paper(picture: &RgbImage, column: usize, row: usize) -> [f32; 3] {
    let mut histograms = [[0_u16; 256]; 3];
    let mut count = 0_u16;
    let end = |from: usize, side: u32| ((from + 1) * BLOCK_PX).min(side as usize);
    for y in row * BLOCK_PX..end(row, picture.height()) {
        for x in column * BLOCK_PX..end(column, picture.width()) {
            let pixel = picture.get_pixel(x as u32, y as u32).0;
            (0..3).for_each(|i| histograms[i][usize::from(pixel[i])] += 1);
            count += 1;
        }
    }
    histograms.map(|histogram| {
        let wanted = u32::from(count) * 3 / 4;
        let mut seen = 0;
        let value = histogram.iter().position(|n| {
            seen += u32::from(*n);
            seen > wanted
        });
        value.unwrap_or(255) as f32
    })
}

fn luma([r, g, b]: [f32; 3]) -> f32 {
    0.3 * r + 0.59 * g + 0.11 * b
}

/// A cubic surface over the unit square.
struct Surface([f64; Surface::TERMS]);

impl Surface {
    const TERMS: usize = 10;

    fn terms(x: usize, y: usize, columns: usize, rows: usize) -> [f64; Self::TERMS] {
        let centre = |i: usize, count: usize| (i as f64 + 0.5) / count as f64 * 2.0 - 1.0;
        let (x, y) = (centre(x, columns), centre(y, rows));
        [1.0, x, y, x * x, x * y, y * y, x * x * x, x * x * y, x * y * y, y * y * y]
    }

    /// Fits what most of the brighter blocks lie on: dark ones lose their weight step by step.
    fn fit(values: &Raster<f32>) -> Self {
        let (columns, rows) = (values.width, values.height);
        let start = quantile(&values.data, 0.8).unwrap_or(5.0);
        let mut surface = Self([0.0; Self::TERMS]);
        surface.0[0] = f64::from(start);
        // Few blocks do not carry a cubic.
        let used = if columns.min(rows) < 6 { 3 } else { Self::TERMS };
        for round in 0..14 {
            let loose = if round < 5 { 0.5 } else { 0.12 };
            let mut normal = [[0.0_f64; Self::TERMS + 1]; Self::TERMS];
            for y in 0..rows {
                for x in 0..columns {
                    let value = f64::from(values.data[y * columns + x]);
                    let terms = Self::terms(x, y, columns, rows);
                    let off = value - surface.dot(&terms);
                    let weight = if off > -0.02 {
                        1.0
                    } else {
                        (-(off / loose) * (off / loose)).exp().max(1e-4)
                    };
                    for i in 0..used {
                        for j in 0..used {
                            normal[i][j] += weight * terms[i] * terms[j];
                        }
                        normal[i][Self::TERMS] += weight * terms[i] * value;
                    }
                }
            }
            for (i, row) in normal.iter_mut().enumerate() {
                // A little resistance against steep corners.
                row[i] += if i == 0 { 1e-6 } else { 1e-3 * (columns * rows) as f64 };
            }
            surface = Self(solve(normal));
        }
        surface
    }

    fn dot(&self, terms: &[f64; Self::TERMS]) -> f64 {
        self.0.iter().zip(terms).map(|(a, b)| a * b).sum()
    }

    fn at(&self, x: usize, y: usize, columns: usize, rows: usize) -> f32 {
        self.dot(&Self::terms(x, y, columns, rows)).clamp(1.5, 5.6) as f32
    }
}

/// Gauss's elimination with pivots; 0 where nothing is told.
fn solve<const N: usize, const M: usize>(mut rows: [[f64; M]; N]) -> [f64; N] {
    for i in 0..N {
        let pivot =
            (i..N).max_by(|a, b| rows[*a][i].abs().total_cmp(&rows[*b][i].abs())).unwrap_or(i);
        rows.swap(i, pivot);
        if rows[i][i].abs() < 1e-12 {
            continue;
        }
        for k in 0..N {
            if k != i {
                let by = rows[k][i] / rows[i][i];
                let row = rows[i];
                rows[k].iter_mut().zip(row).for_each(|(a, b)| *a -= by * b);
            }
        }
    }
    std::array::from_fn(
        |i| if rows[i][i].abs() < 1e-12 { 0.0 } else { rows[i][M - 1] / rows[i][i] },
    )
}
