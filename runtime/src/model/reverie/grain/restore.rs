//! Texture that a network was offered and did not keep.
//!
//! A network that learnt from squared errors smooths what it is not sure of a little, in each picture anew, and after some seconds nothing is left. So the
//! contrast within surfaces is compared with that of what was offered, and where some is missing, the offered picture's high frequencies are laid over the
//! drawn picture's low ones (Burt and Adelson 1983).

use reverie_kernels::rows::each_row;

use crate::condition::{CHANNELS, KEY, LAST, MEMORY};
use crate::view::{ShadowView, is_same_surface};

/// Pixels to each side over which contrast is compared.
const COMPARED: usize = 3;
/// Pixels to each side over which frequencies are low.
const SMOOTHED: usize = 2;
/// Neighbours from which a mean can be taken.
const LEAST: f32 = 4.0;
/// Mean squared change between neighbours, of colours 0 to 1, below which a surface has no texture to speak of.
const FLAT: f32 = 5e-6;
/// Of the contrast so much is kept usually; nobody looks at the rest.
const USUAL: f32 = 0.97;
/// How much is restored, as a multiple of the share that is missing.
const EAGER: f32 = 1.5;

/// What was known best of a pixel before it was drawn.
#[derive(Debug, Clone, Copy, Default)]
struct Offered {
    rgb: [f32; 3],
    /// The candidate, as its first channel; 0 is none.
    from: usize,
}

/// Gives `rgb`, a picture of `view` (interleaved sRGB, 0 to 1) that a network made of `maps`, the texture back that it was offered. Only the share `anew` of
/// each pixel was drawn.
pub(super) fn restore(view: &ShadowView, maps: &[f32], anew: Option<&[f32]>, rgb: &mut [f32]) {
    let (width, height) = (view.maps.width.max(1), view.maps.height);
    let mut offered = vec![Offered::default(); width * height];
    let mut sums = vec![[0.0f32; 2]; width * height];
    each_row((&mut offered, width), (&mut sums, width), |y, offered, _| {
        for (x, offered) in offered.iter_mut().enumerate() {
            let map = &maps[(y * width + x) * CHANNELS..][..CHANNELS];
            if let Some(from) = [LAST, KEY, MEMORY].into_iter().find(|at| map[at + 3] > 0.5) {
                let rgb = std::array::from_fn(|c| 0.5 * (map[from + c] + 1.0));
                *offered = Offered { rgb, from };
            }
        }
    });
    let offered = &offered[..];
    let are_alike = |a: usize, b: usize| {
        offered[a].from == offered[b].from && is_same_surface(&view.maps, a, b)
    };
    let drawn = rgb.to_vec();
    each_row((&mut sums, width), (&mut vec![(); height], 1), |y, sums, _| {
        for (x, sums) in sums.iter_mut().enumerate() {
            let a = y * width + x;
            if offered[a].from == 0 {
                continue;
            }
            for (b, is_inside) in [(a + 1, x + 1 < width), (a + width, y + 1 < height)] {
                if is_inside && are_alike(a, b) {
                    let change = |a: &[f32], b: &[f32]| (light(a) - light(b)).powi(2);
                    sums[0] += change(&drawn[3 * a..], &drawn[3 * b..]);
                    sums[1] += change(&offered[a].rgb, &offered[b].rgb);
                }
            }
        }
    });
    let sums = box_sums(sums, width, height);
    let flat = FLAT * (2 * COMPARED + 1).pow(2) as f32;
    each_row((rgb, 3 * width), (&mut vec![(); height], 1), |y, rgb, _| {
        for (x, rgb) in rgb.chunks_exact_mut(3).enumerate() {
            let at = y * width + x;
            let [have, wanted] = sums[at];
            let kept = ((have + flat) / (wanted + flat)).sqrt();
            let share = EAGER * (1.0 - kept) * anew.map_or(1.0, |anew| anew[at]);
            if offered[at].from == 0 || kept > USUAL || share <= 0.0 {
                continue;
            }
            let missing = |at: usize| -> [f32; 3] {
                std::array::from_fn(|c| offered[at].rgb[c] - drawn[3 * at + c])
            };
            let (mut sum, mut count) = ([0.0; 3], 0.0);
            for v in around(y, SMOOTHED, height) {
                for u in around(x, SMOOTHED, width) {
                    if are_alike(at, v * width + u) {
                        let missing = missing(v * width + u);
                        sum.iter_mut().zip(missing).for_each(|(sum, missing)| *sum += missing);
                        count += 1.0;
                    }
                }
            }
            if count >= LEAST {
                for (value, (missing, sum)) in rgb.iter_mut().zip(missing(at).iter().zip(sum)) {
                    *value = (*value + share.min(1.0) * (missing - sum / count)).clamp(0.0, 1.0);
                }
            }
        }
    });
}

fn light(rgb: &[f32]) -> f32 {
    0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
}

/// `radius` to each side of `at`, of what there is.
fn around(at: usize, radius: usize, end: usize) -> std::ops::Range<usize> {
    at.saturating_sub(radius)..(at + radius + 1).min(end)
}

/// Sums over squares of [`COMPARED`] to each side.
fn box_sums(values: Vec<[f32; 2]>, width: usize, height: usize) -> Vec<[f32; 2]> {
    let add = |sum: &mut [f32; 2], value: [f32; 2]| {
        sum[0] += value[0];
        sum[1] += value[1];
    };
    let mut rows = vec![[0.0; 2]; values.len()];
    each_row((&mut rows, width), (&mut vec![(); height], 1), |y, row, _| {
        for (x, sum) in row.iter_mut().enumerate() {
            let near = &values[y * width..][around(x, COMPARED, width)];
            near.iter().for_each(|value| add(sum, *value));
        }
    });
    let mut sums = vec![[0.0; 2]; values.len()];
    each_row((&mut sums, width), (&mut vec![(); height], 1), |y, row, _| {
        for from in around(y, COMPARED, height) {
            row.iter_mut().zip(&rows[from * width..]).for_each(|(sum, value)| add(sum, *value));
        }
    });
    sums
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SIZE, wall};
    use super::*;

    /// Stripes about `mean`, as a picture; they are 4 pixels wide.
    fn stripes(mean: f32, contrast: f32) -> Vec<f32> {
        let value = |x: usize| mean + if x % 4 < 2 { contrast } else { -contrast };
        (0..SIZE.0 * SIZE.1).flat_map(|i| [value(i % SIZE.0); 3]).collect()
    }

    /// Maps that offer `rgb` as the last picture.
    fn offering(rgb: &[f32]) -> Vec<f32> {
        let mut maps = vec![0.0; SIZE.0 * SIZE.1 * CHANNELS];
        for (map, rgb) in maps.chunks_exact_mut(CHANNELS).zip(rgb.chunks_exact(3)) {
            for c in 0..3 {
                map[LAST + c] = 2.0 * rgb[c] - 1.0;
            }
            map[LAST + 3] = 1.0;
        }
        maps
    }

    fn contrast(rgb: &[f32]) -> f32 {
        let row = &rgb[3 * 16 * SIZE.0..][..3 * SIZE.0];
        let values: Vec<f32> = row.chunks(3).skip(8).take(32).map(|p| p[1]).collect();
        let mean = values.iter().sum::<f32>() / 32.0;
        (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 32.0).sqrt()
    }

    #[test]
    fn smoothed_stripes_come_back_about_the_colour_that_was_drawn() {
        let (view, maps) = (wall(4.0), offering(&stripes(0.6, 0.1)));
        let mut rgb = stripes(0.4, 0.02);
        restore(&view, &maps, None, &mut rgb);
        // The mean of five pixels over stripes of two is a fifth of them, so that a little too much comes back.
        assert!((0.09..0.12).contains(&contrast(&rgb)), "{}", contrast(&rgb));
        let mean = rgb.iter().sum::<f32>() / rgb.len() as f32;
        assert!((mean - 0.4).abs() < 0.01, "{mean}");
    }

    #[test]
    fn what_was_kept_or_never_offered_stays() {
        let view = wall(4.0);
        let drawn = stripes(0.4, 0.1);
        let mut rgb = drawn.clone();
        restore(&view, &offering(&stripes(0.6, 0.1)), None, &mut rgb);
        assert_eq!(rgb, drawn);
        let flat = stripes(0.4, 0.0);
        let mut rgb = flat.clone();
        restore(&view, &vec![0.0; SIZE.0 * SIZE.1 * CHANNELS], None, &mut rgb);
        assert_eq!(rgb, flat);
    }

    #[test]
    fn what_was_not_drawn_anew_stays() {
        let (view, maps, flat) = (wall(4.0), offering(&stripes(0.6, 0.1)), stripes(0.4, 0.0));
        let mut rgb = flat.clone();
        let anew: Vec<f32> =
            (0..SIZE.0 * SIZE.1).map(|i| if i % SIZE.0 < 24 { 0.0 } else { 1.0 }).collect();
        restore(&view, &maps, Some(&anew), &mut rgb);
        let changed = |x: usize| (rgb[3 * (16 * SIZE.0 + x)] - 0.4).abs() > 0.02;
        assert!((0..24).all(|x| !changed(x)) && (28..44).all(changed));
    }
}
