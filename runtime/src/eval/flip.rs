//! ꟻLIP (Andersson et al. 2020) for pictures of ordinary dynamic range: the difference that a human
//! sees when the two are flipped on a screen.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use glam::{Mat3, Vec3};

use super::filter::{normalized, sampled, separable};
use super::metrics::Picture;

/// A 4K screen, 0.7 m wide, seen from 0.7 m, as in the paper: 3840·π/180.
const PIXELS_PER_DEGREE: f32 = 67.020_64;

// Contrast sensitivity as Gaussians in the image plane: weight and width, degrees².
const ACHROMATIC: (f32, f32) = (1.0, 0.0047);
const RED_GREEN: (f32, f32) = (1.0, 0.0053);
const BLUE_YELLOW: [(f32, f32); 2] = [(34.1, 0.04), (13.5, 0.025)];

// Colour differences beyond P_C of the largest are pressed into what lies above P_T.
const Q_C: f32 = 0.7;
const P_C: f32 = 0.4;
const P_T: f32 = 0.95;
/// Width of the feature detectors, degrees.
const FEATURE_WIDTH: f32 = 0.082;
const Q_F: f32 = 0.5;

/// Mean ꟻLIP at 67 pixels per degree, 0 (equal) to 1.
///
/// # Panics
/// The pictures differ in size.
pub fn flip(test: Picture, reference: Picture) -> f64 {
    let map = flip_map(test, reference);
    map.iter().map(|e| f64::from(*e)).sum::<f64>() / map.len() as f64
}

/// ꟻLIP of every pixel, row by row from the top.
///
/// # Panics
/// The pictures differ in size.
pub fn flip_map(test: Picture, reference: Picture) -> Vec<f32> {
    test.assert_same_size(&reference);
    let space = ColourSpace::new();
    let seen = [test, reference].map(|picture| Seen::new(&space, picture));
    let largest = hyab(space.hunt_lab(Vec3::Y), space.hunt_lab(Vec3::Z)).powf(Q_C);
    let mut map = Vec::with_capacity(seen[0].lab.len());
    for i in 0..seen[0].lab.len() {
        let colour = compressed(hyab(seen[0].lab[i], seen[1].lab[i]).powf(Q_C), largest);
        let edge = (seen[0].edge[i] - seen[1].edge[i]).abs();
        let point = (seen[0].point[i] - seen[1].point[i]).abs();
        let feature = (FRAC_1_SQRT_2 * edge.max(point)).powf(Q_F).clamp(0.0, 1.0);
        map.push(colour.powf(1.0 - feature));
    }
    map
}

/// What the eye gets of a picture, per pixel.
struct Seen {
    /// Blurred by contrast sensitivity, L*a*b* with the Hunt effect.
    lab: Vec<Vec3>,
    /// Strength of edges.
    edge: Vec<f32>,
    /// Strength of points.
    point: Vec<f32>,
}

impl Seen {
    fn new(space: &ColourSpace, picture: Picture) -> Self {
        let (width, height) = (picture.width(), picture.height());
        let opponent: Vec<Vec3> = picture
            .pixels()
            .iter()
            .map(|rgb| space.opponent(Vec3::from_array(*rgb).map(to_linear)))
            .collect();
        let channel = |k: usize| -> Vec<f32> { opponent.iter().map(|c| c[k]).collect() };
        let achromatic = channel(0);
        let blurred = [
            contrast_filter(&achromatic, width, height, &[ACHROMATIC]),
            contrast_filter(&channel(1), width, height, &[RED_GREEN]),
            contrast_filter(&channel(2), width, height, &BLUE_YELLOW),
        ];
        let lab = (0..opponent.len())
            .map(|i| {
                let rgb = space.linear_rgb(Vec3::new(blurred[0][i], blurred[1][i], blurred[2][i]));
                space.hunt_lab(rgb.clamp(Vec3::ZERO, Vec3::ONE))
            })
            .collect();
        let grey: Vec<f32> = achromatic.iter().map(|y| (y + 16.0) / 116.0).collect();
        let (edge, point) = features(&grey, width, height);
        Self { lab, edge, point }
    }
}

/// Sum of Gaussians, each cut at three times the widest one's deviation, of weight 1 in all.
fn contrast_filter(
    channel: &[f32],
    width: usize,
    height: usize,
    gaussians: &[(f32, f32)],
) -> Vec<f32> {
    let widest = BLUE_YELLOW[0].1;
    let radius = (3.0 * (widest / (2.0 * PI * PI)).sqrt() * PIXELS_PER_DEGREE).ceil() as usize;
    let mut result = vec![0.0; channel.len()];
    let mut total = 0.0;
    for (weight, b) in gaussians {
        let kernel = sampled(radius, |x| (-(PI * x / PIXELS_PER_DEGREE).powi(2) / b).exp());
        let sum: f32 = kernel.iter().sum();
        let share = weight * (PI / b).sqrt() * sum * sum;
        let kernel = normalized(kernel);
        for (r, v) in result.iter_mut().zip(separable(channel, width, height, &kernel, &kernel)) {
            *r += share * v;
        }
        total += share;
    }
    result.iter_mut().for_each(|r| *r /= total);
    result
}

/// Strength of edges (first derivative of a Gaussian) and points (second derivative).
fn features(grey: &[f32], width: usize, height: usize) -> (Vec<f32>, Vec<f32>) {
    let sigma = 0.5 * FEATURE_WIDTH * PIXELS_PER_DEGREE;
    let radius = (3.0 * sigma).ceil() as usize;
    let gaussian = |x: f32| (-x * x / (2.0 * sigma * sigma)).exp();
    let smooth = normalized(sampled(radius, gaussian));
    let first = balanced(sampled(radius, |x| -x * gaussian(x)));
    let second = balanced(sampled(radius, |x| (x * x / (sigma * sigma) - 1.0) * gaussian(x)));
    let strength = |kernel: &[f32]| -> Vec<f32> {
        let along_x = separable(grey, width, height, kernel, &smooth);
        let along_y = separable(grey, width, height, &smooth, kernel);
        along_x.iter().zip(&along_y).map(|(x, y)| x.hypot(*y)).collect()
    };
    (strength(&first), strength(&second))
}

/// Positive weights sum to 1, negative ones to −1.
fn balanced(kernel: Vec<f32>) -> Vec<f32> {
    let positive: f32 = kernel.iter().filter(|k| **k > 0.0).sum();
    let negative: f32 = -kernel.iter().filter(|k| **k < 0.0).sum::<f32>();
    kernel.into_iter().map(|k| if k > 0.0 { k / positive } else { k / negative }).collect()
}

/// Colour error on a scale of 0 to 1: most of the scale for the small ones.
fn compressed(error: f32, largest: f32) -> f32 {
    let knee = P_C * largest;
    if error < knee {
        P_T / knee * error
    } else {
        P_T + (error - knee) / (largest - knee) * (1.0 - P_T)
    }
}

/// Distance for large colour differences: city block in lightness, Euclidean in colour.
fn hyab(a: Vec3, b: Vec3) -> f32 {
    let d = a - b;
    d.x.abs() + d.y.hypot(d.z)
}

fn to_linear(srgb: f32) -> f32 {
    let srgb = srgb.clamp(0.0, 1.0);
    if srgb <= 0.04045 { srgb / 12.92 } else { ((srgb + 0.055) / 1.055).powf(2.4) }
}

/// Linear sRGB, XYZ under D65, and the spaces made from it.
struct ColourSpace {
    xyz_from_rgb: Mat3,
    rgb_from_xyz: Mat3,
    white_xyz: Vec3,
}

impl ColourSpace {
    fn new() -> Self {
        let xyz_from_rgb = Mat3::from_cols(
            Vec3::new(0.412_386_56, 0.212_636_82, 0.019_330_62),
            Vec3::new(0.357_591_5, 0.715_183, 0.119_197_17),
            Vec3::new(0.180_450_49, 0.072_180_2, 0.950_372_6),
        );
        Self {
            xyz_from_rgb,
            rgb_from_xyz: xyz_from_rgb.inverse(),
            white_xyz: xyz_from_rgb * Vec3::ONE,
        }
    }

    /// Linearised L*a*b*: Y, Cx, Cz.
    fn opponent(&self, rgb: Vec3) -> Vec3 {
        let t = self.xyz_from_rgb * rgb / self.white_xyz;
        Vec3::new(116.0 * t.y - 16.0, 500.0 * (t.x - t.y), 200.0 * (t.y - t.z))
    }

    /// Linear RGB of Y, Cx, Cz.
    fn linear_rgb(&self, opponent: Vec3) -> Vec3 {
        let y = (opponent.x + 16.0) / 116.0;
        self.rgb_from_xyz
            * (Vec3::new(y + opponent.y / 500.0, y, y - opponent.z / 200.0) * self.white_xyz)
    }

    /// L*a*b* of linear RGB; colours count less in the dark (Hunt effect).
    fn hunt_lab(&self, rgb: Vec3) -> Vec3 {
        const DELTA: f32 = 6.0 / 29.0;
        let f = (self.xyz_from_rgb * rgb / self.white_xyz).map(|t| {
            if t > DELTA.powi(3) { t.cbrt() } else { t / (3.0 * DELTA * DELTA) + 4.0 / 29.0 }
        });
        let lightness = 116.0 * f.y - 16.0;
        let hunt = 0.01 * lightness;
        Vec3::new(lightness, hunt * 500.0 * (f.x - f.y), hunt * 200.0 * (f.y - f.z))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metrics::tests::{noisy, pattern};

    fn flat(rgb: [f32; 3]) -> Vec<f32> {
        rgb.repeat(32 * 24)
    }

    fn score(a: &[f32], b: &[f32]) -> f64 {
        flip(Picture::new(32, 24, a), Picture::new(32, 24, b))
    }

    #[test]
    fn equal_pictures_have_no_error_and_more_noise_has_more() {
        let truth = pattern(32, 24);
        assert_eq!(score(&truth, &truth), 0.0);
        let scores = [0.02, 0.1, 0.3].map(|amount| score(&noisy(&truth, amount, 5), &truth));
        assert!(scores.is_sorted_by(|a, b| a < b), "{scores:?}");
    }

    #[test]
    fn green_against_blue_is_the_largest_difference() {
        let error = score(&flat([0.0, 1.0, 0.0]), &flat([0.0, 0.0, 1.0]));
        assert!((error - 1.0).abs() < 1e-3, "{error}");
    }

    #[test]
    fn flat_greys_follow_the_formula() {
        // L* of sRGB 0.5 is 53.389, of 0.6 is 63.223; no features, no colour: only the first segment.
        let (green, blue) = (Vec3::new(87.735, -75.60, 72.98), Vec3::new(32.297, 25.57, -34.84));
        let largest = hyab(green, blue).powf(0.7);
        let expected = 0.95 / (0.4 * largest) * (63.223f32 - 53.389).powf(0.7);
        let error = score(&flat([0.6; 3]), &flat([0.5; 3]));
        assert!((error - f64::from(expected)).abs() < 2e-3, "{error} against {expected}");
    }

    #[test]
    fn the_authors_program_says_the_same() {
        // flip-evaluator 1.x of NVlabs on the pattern and on the same with red and blue swapped.
        let truth = pattern(64, 36);
        let swapped: Vec<f32> = truth.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
        let error = flip(Picture::new(64, 36, &swapped), Picture::new(64, 36, &truth));
        assert!((error - 0.487294).abs() < 1e-4, "{error}");
    }

    #[test]
    fn a_step_moved_is_worse_than_its_colour_error_alone() {
        let step = |at: usize| -> Vec<f32> {
            (0..32 * 24).flat_map(|i| [if i % 32 < at { 0.2 } else { 0.8 }; 3]).collect()
        };
        assert!(score(&step(16), &step(20)) > score(&step(16), &step(17)));
        assert!(score(&step(16), &step(17)) > 0.0);
    }

    #[test]
    fn errors_stay_between_zero_and_one() {
        let (truth, wild) = (pattern(32, 24), noisy(&flat([0.5; 3]), 1.0, 9));
        let map = flip_map(Picture::new(32, 24, &wild), Picture::new(32, 24, &truth));
        assert!(map.iter().all(|e| (0.0..=1.0).contains(e)));
    }
}
