//! Structural similarity (Wang et al. 2004).

use super::filter::{normalized, sampled, separable};
use super::metrics::Picture;

const RADIUS: usize = 5;
const SIGMA: f32 = 1.5;
const C1: f32 = 0.01 * 0.01;
const C2: f32 = 0.03 * 0.03;

/// Mean SSIM of luma with an 11×11 Gaussian window, over the pixels whose window lies within the
/// picture; 1 for equal pictures. `None` for pictures smaller than the window.
///
/// # Panics
/// The pictures differ in size.
pub fn ssim(a: Picture, b: Picture) -> Option<f64> {
    a.assert_same_size(&b);
    let (width, height) = (a.width(), a.height());
    if width <= 2 * RADIUS || height <= 2 * RADIUS {
        return None;
    }
    let kernel = normalized(sampled(RADIUS, |x| (-x * x / (2.0 * SIGMA * SIGMA)).exp()));
    let mean = |channel: &[f32]| separable(channel, width, height, &kernel, &kernel);
    let product =
        |p: &[f32], q: &[f32]| -> Vec<f32> { p.iter().zip(q).map(|(x, y)| x * y).collect() };
    let (luma_a, luma_b) = (a.luma(), b.luma());
    let (mean_a, mean_b) = (mean(&luma_a), mean(&luma_b));
    let square_a = mean(&product(&luma_a, &luma_a));
    let square_b = mean(&product(&luma_b, &luma_b));
    let mixed = mean(&product(&luma_a, &luma_b));

    let mut sum = 0.0;
    for y in RADIUS..height - RADIUS {
        for i in y * width + RADIUS..(y + 1) * width - RADIUS {
            let (ma, mb) = (mean_a[i], mean_b[i]);
            let (variance_a, variance_b) = (square_a[i] - ma * ma, square_b[i] - mb * mb);
            let covariance = mixed[i] - ma * mb;
            let likeness = (2.0 * ma * mb + C1) * (2.0 * covariance + C2);
            let scale = (ma * ma + mb * mb + C1) * (variance_a + variance_b + C2);
            sum += f64::from(likeness / scale);
        }
    }
    Some(sum / ((width - 2 * RADIUS) * (height - 2 * RADIUS)) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metrics::tests::{noisy, pattern};

    #[test]
    fn equal_pictures_score_one_and_noise_costs() {
        let truth = pattern(40, 30);
        let score =
            |rgb: &[f32]| ssim(Picture::new(40, 30, &truth), Picture::new(40, 30, rgb)).unwrap();
        assert!((score(&truth) - 1.0).abs() < 1e-6);
        let scores = [0.02, 0.1, 0.4].map(|amount| score(&noisy(&truth, amount, 3)));
        assert!(
            scores.is_sorted_by(|a, b| a > b) && scores[0] > 0.9 && scores[2] < 0.5,
            "{scores:?}"
        );
    }

    #[test]
    fn scikit_image_says_the_same() {
        // With gaussian_weights, sigma 1.5, on luma; it, too, leaves the border out.
        let truth = pattern(64, 36);
        let swapped: Vec<f32> = truth.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
        let score = ssim(Picture::new(64, 36, &truth), Picture::new(64, 36, &swapped)).unwrap();
        assert!((score - 0.964849).abs() < 1e-4, "{score}");
    }

    #[test]
    fn flat_pictures_differ_by_the_luminance_term_alone() {
        let (a, b) = (vec![0.2; 12 * 12 * 3], vec![0.6; 12 * 12 * 3]);
        let score = ssim(Picture::new(12, 12, &a), Picture::new(12, 12, &b)).unwrap();
        let expected = (2.0 * 0.2 * 0.6 + 1e-4) / (0.04 + 0.36 + 1e-4);
        assert!((score - expected).abs() < 1e-3, "{score} against {expected}");
    }

    #[test]
    fn a_picture_smaller_than_the_window_has_no_score() {
        let rgb = vec![0.5; 10 * 20 * 3];
        assert_eq!(ssim(Picture::new(10, 20, &rgb), Picture::new(10, 20, &rgb)), None);
    }
}
