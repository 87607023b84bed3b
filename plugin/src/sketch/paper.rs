//! Lines printed on the paper, ruled or squared: thin, light, evenly spaced and across the whole page. They are
//! painted over.

use image::RgbImage;

use super::light::PAPER;
use super::raster::{Raster, quantile};

/// Lines are followed in strips so narrow that a slight slope stays within a pixel.
const STRIP_PX: usize = 48;
/// Darkness over the paper that makes a line, steps of 255.
const LEAST_LINE: f32 = 2.5;
/// Lines are lighter than this share of the ink.
const MOST_LINE: f32 = 0.62;
/// Lines closer than this are not told from noise, pixels.
const LEAST_PERIOD_PX: usize = 6;

/// Paints over the lines of ruled or squared paper; `picture` is normalised, its ink about `ink` darker than paper.
pub(super) fn erase_lines(picture: &mut RgbImage, ink: f32) {
    for is_upright in [false, true] {
        erase_along(picture, ink, is_upright);
    }
}

/// Medians over a strip's width: where lines run, and how dark they are. One row of values a strip.
fn profiles(picture: &RgbImage, is_upright: bool, value: impl Fn([u8; 3]) -> f32) -> Raster<f32> {
    let (across, along) = sides(picture, is_upright);
    let strips = (across / STRIP_PX).max(1);
    let mut medians = Raster::new(along, strips, 0.0);
    let mut seen = Vec::with_capacity(2 * STRIP_PX);
    for strip in 0..strips {
        let span = strip * across / strips..(strip + 1) * across / strips;
        for at in 0..along {
            seen.clear();
            seen.extend(span.clone().map(|k| value(pixel(picture, is_upright, k, at))));
            medians.data[strip * along + at] = quantile(&seen, 0.5).unwrap_or(0.0);
        }
    }
    medians
}

fn sides(picture: &RgbImage, is_upright: bool) -> (usize, usize) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if is_upright { (height, width) } else { (width, height) }
}

fn pixel(picture: &RgbImage, is_upright: bool, across: usize, along: usize) -> [u8; 3] {
    let (x, y) = if is_upright { (along, across) } else { (across, along) };
    picture.get_pixel(x as u32, y as u32).0
}

/// Medians less what the neighbourhood shows: nothing but lines is left.
fn raised(medians: &Raster<f32>) -> Raster<f32> {
    const REACH: usize = 8;
    let mut lines = medians.clone();
    for strip in 0..medians.height {
        let row = medians.row(strip);
        for at in 0..row.len() {
            let near = row.get(at.saturating_sub(REACH)..(at + REACH + 1).min(row.len()));
            let base = near.and_then(|near| quantile(near, 0.4)).unwrap_or(0.0);
            lines.data[strip * row.len() + at] = (row[at] - base).max(0.0);
        }
    }
    lines
}

fn erase_along(picture: &mut RgbImage, ink: f32, is_upright: bool) {
    let (across, along) = sides(picture, is_upright);
    if along < 8 * LEAST_PERIOD_PX || across < STRIP_PX {
        return;
    }
    let darkness = |c: [u8; 3]| {
        PAPER - (0.3 * f32::from(c[0]) + 0.59 * f32::from(c[1]) + 0.11 * f32::from(c[2]))
    };
    let lines = raised(&profiles(picture, is_upright, darkness));
    let Some(period) = period(&lines, MOST_LINE * ink) else { return };
    let Some((places, amplitude)) = places(&lines, period, MOST_LINE * ink) else { return };
    let channels: [Raster<f32>; 3] = std::array::from_fn(|i| {
        raised(&profiles(picture, is_upright, |c| PAPER - f32::from(c[i])))
    });
    // Blue lines are darkest in the red channel.
    let most = 2.6 * amplitude + 4.0;
    for (strip, on_line) in places.iter().enumerate() {
        let span = strip * across / lines.height..(strip + 1) * across / lines.height;
        for (at, _) in on_line.iter().enumerate().filter(|(_, on)| **on) {
            let add: [f32; 3] =
                std::array::from_fn(|i| channels[i].data[strip * along + at].min(most));
            for k in span.clone() {
                let (x, y) = if is_upright { (at, k) } else { (k, at) };
                let pixel = picture.get_pixel_mut(x as u32, y as u32);
                // Ink on a line stays as dark as it is.
                if darkness(pixel.0) > most {
                    continue;
                }
                for (value, add) in pixel.0.iter_mut().zip(add) {
                    *value = (f32::from(*value) + add).min(PAPER.max(f32::from(*value))) as u8;
                }
            }
        }
    }
}

/// The distance at which lines repeat, pixels, by the strips' autocorrelation.
fn period(lines: &Raster<f32>, most: f32) -> Option<f32> {
    let longest = (lines.width / 5).min(160);
    let clipped = lines.map(|v| v.min(most).min(40.0));
    let correlation = |lag: usize| {
        let (mut product, mut power) = (0.0, 1e-3);
        for strip in 0..clipped.height {
            let row = clipped.row(strip);
            let mean = row.iter().sum::<f32>() / row.len() as f32;
            product += row
                .iter()
                .zip(row.iter().skip(lag))
                .map(|(a, b)| (a - mean) * (b - mean))
                .sum::<f32>();
            power += row.iter().take(row.len() - lag).map(|a| (a - mean) * (a - mean)).sum::<f32>();
        }
        product / power
    };
    let found: Vec<f32> = (0..longest + 1).map(correlation).collect();
    let peaks: Vec<usize> = (LEAST_PERIOD_PX..longest)
        .filter(|lag| found[*lag] >= found[lag - 1] && found[*lag] >= found[lag + 1])
        .collect();
    let best = peaks.iter().map(|lag| found[*lag]).fold(0.0, f32::max);
    if best < 0.18 {
        return None;
    }
    let lag = *peaks.iter().find(|lag| found[**lag] > 0.75 * best)?;
    let (a, b, c) = (found[lag - 1], found[lag], found[lag + 1]);
    let shift =
        if (a - 2.0 * b + c).abs() > 1e-6 { 0.5 * (a - c) / (a - 2.0 * b + c) } else { 0.0 };
    Some(lag as f32 + shift.clamp(-0.5, 0.5))
}

/// In each strip the rows that lie on a line, and how dark lines are; `None` if they are no lines of paper: as dark
/// as ink, or not all across the page.
fn places(lines: &Raster<f32>, period: f32, most: f32) -> Option<(Vec<Vec<bool>>, f32)> {
    let along = lines.width;
    let mut all = Vec::new();
    let mut heights = Vec::new();
    let mut met = 0_usize;
    let mut wanted = 0_usize;
    for strip in 0..lines.height {
        let row = lines.row(strip);
        let peak = |at: f32| {
            let at = at.round() as i64;
            let near =
                (at - 2..=at + 2).filter_map(|i| usize::try_from(i).ok()).filter(|i| *i < along);
            near.max_by(|a, b| row[*a].total_cmp(&row[*b]))
        };
        // Of all phases the one where most lines are met.
        let score = |phase: f32| {
            let mut sum = 0.0;
            let mut at = phase;
            while at < along as f32 {
                sum += peak(at).map_or(0.0, |i| row[i].min(most).min(40.0));
                at += period;
            }
            sum
        };
        let phase = (0..period.ceil() as usize)
            .map(|p| p as f32)
            .max_by(|a, b| score(*a).total_cmp(&score(*b)))?;
        let mut on_line = vec![false; along];
        let mut at = phase;
        while at < along as f32 {
            let mut next = at;
            wanted += 1;
            if let Some(i) = peak(at).filter(|i| row[*i] > LEAST_LINE) {
                met += 1;
                heights.push(row[i]);
                next = i as f32;
                let (from, to) = (i.saturating_sub(2), (i + 2).min(along - 1));
                (from..=to).for_each(|k| on_line[k] = true);
            }
            // Lines lead the way where perspective is left over.
            at = 0.7 * at + 0.3 * next + period;
        }
        all.push(on_line);
    }
    let amplitude = quantile(&heights, 0.5)?;
    let is_paper = 10 * met >= 6 * wanted && amplitude < most && amplitude > LEAST_LINE;
    is_paper.then_some((all, amplitude))
}
