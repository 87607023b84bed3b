//! Pixel errors, sharpness, and intervals over episodes.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A borrowed picture.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    width: usize,
    height: usize,
    rgb: &'a [f32],
}

impl<'a> Picture<'a> {
    /// `rgb` is `height × width × 3`, sRGB, 0 to 1, row by row from the top.
    ///
    /// # Panics
    /// The sizes contradict each other or are zero.
    pub fn new(width: usize, height: usize, rgb: &'a [f32]) -> Self {
        assert!(
            width > 0 && height > 0 && rgb.len() == width * height * 3,
            "{} values are not a picture of {width}×{height}×3",
            rgb.len()
        );
        Self { width, height, rgb }
    }

    /// Pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Of every pixel, sRGB.
    pub fn pixels(&self) -> &'a [[f32; 3]] {
        self.rgb.as_chunks().0
    }

    /// Rec. 601 luma of the sRGB values, one a pixel.
    pub fn luma(&self) -> Vec<f32> {
        self.pixels().iter().map(|[r, g, b]| 0.299 * r + 0.587 * g + 0.114 * b).collect()
    }

    pub(super) fn assert_same_size(&self, other: &Self) {
        assert_eq!(
            (self.width, self.height),
            (other.width, other.height),
            "pictures differ in size"
        );
    }

    pub(super) fn assert_mask(&self, mask: Option<&[bool]>) {
        if let Some(mask) = mask {
            assert_eq!(mask.len(), self.width * self.height, "the mask has another size");
        }
    }
}

/// Mean over the mask's pixels and their channels of the squared difference; `None` if the mask is
/// empty. Without a mask every pixel counts.
///
/// # Panics
/// Pictures or mask differ in size.
pub fn mean_squared_error(a: Picture, b: Picture, mask: Option<&[bool]>) -> Option<f64> {
    a.assert_same_size(&b);
    a.assert_mask(mask);
    let (mut sum, mut pixels) = (0.0, 0u64);
    for (i, (pa, pb)) in a.pixels().iter().zip(b.pixels()).enumerate() {
        if mask.is_none_or(|m| m[i]) {
            pixels += 1;
            sum += pa.iter().zip(pb).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>();
        }
    }
    (pixels > 0).then(|| sum / (pixels * 3) as f64)
}

/// Peak signal to noise ratio, dB; infinite for equal pictures, `None` if the mask is empty.
///
/// # Panics
/// As [`mean_squared_error`].
pub fn psnr_db(a: Picture, b: Picture, mask: Option<&[bool]>) -> Option<f64> {
    mean_squared_error(a, b, mask).map(psnr_db_of)
}

/// PSNR of a mean squared error on the scale of 0 to 1, dB.
pub fn psnr_db_of(mean_squared_error: f64) -> f64 {
    -10.0 * mean_squared_error.log10()
}

/// Sum of squared luma differences between neighbours, right and below, both in the mask.
///
/// # Panics
/// The mask has another size.
pub fn gradient_energy(picture: Picture, mask: Option<&[bool]>) -> f64 {
    picture.assert_mask(mask);
    let luma = picture.luma();
    let counts = |i: usize| mask.is_none_or(|m| m[i]);
    let mut sum = 0.0;
    for y in 0..picture.height {
        for x in 0..picture.width {
            let i = y * picture.width + x;
            if !counts(i) {
                continue;
            }
            if x + 1 < picture.width && counts(i + 1) {
                sum += f64::from(luma[i + 1] - luma[i]).powi(2);
            }
            if y + 1 < picture.height && counts(i + picture.width) {
                sum += f64::from(luma[i + picture.width] - luma[i]).powi(2);
            }
        }
    }
    sum
}

/// As [`gradient_energy`], over the pairs that `pairs` names: for each pixel its right and its lower neighbour.
///
/// # Panics
/// `pairs` has another size, or names a neighbour beyond the border.
pub fn pair_energy(picture: Picture, pairs: &[[bool; 2]]) -> f64 {
    assert_eq!(pairs.len(), picture.width * picture.height, "the pairs have another size");
    let luma = picture.luma();
    let mut sum = 0.0;
    for (i, [right, below]) in pairs.iter().enumerate() {
        for (_, step) in [(right, 1), (below, picture.width)].into_iter().filter(|(pair, _)| **pair)
        {
            sum += f64::from(luma[i + step] - luma[i]).powi(2);
        }
    }
    sum
}

/// [`gradient_energy`] of the model's picture over the truth's: 1 is as sharp as the truth, less is
/// blurred, more is noisy. `None` where the truth is flat or the mask has no neighbours.
///
/// For a figure over many frames, divide the sums of energies, not the mean of ratios.
///
/// # Panics
/// Pictures or mask differ in size.
pub fn sharpness(model: Picture, truth: Picture, mask: Option<&[bool]>) -> Option<f64> {
    model.assert_same_size(&truth);
    let energy = gradient_energy(truth, mask);
    (energy > 1e-9).then(|| gradient_energy(model, mask) / energy)
}

/// A mean and where it lies with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Of the values.
    pub mean: f64,
    /// 2.5 % quantile of the resampled means.
    pub low: f64,
    /// 97.5 % quantile of the resampled means.
    pub high: f64,
}

/// Percentile bootstrap of the mean, 95 %, over values of independent episodes; the same for the same
/// seed. `None` without values or if one is not finite.
pub fn bootstrap_interval(values: &[f64], seed: u64) -> Option<Interval> {
    const RESAMPLES: usize = 2000;
    if values.is_empty() || !values.iter().all(|v| v.is_finite()) {
        return None;
    }
    let count = values.len();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| (0..count).map(|_| values[rng.random_range(0..count)]).sum::<f64>() / count as f64)
        .collect();
    means.sort_by(f64::total_cmp);
    let quantile = |q: f64| means[(q * (RESAMPLES - 1) as f64).round() as usize];
    Some(Interval {
        mean: values.iter().sum::<f64>() / count as f64,
        low: quantile(0.025),
        high: quantile(0.975),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A colourful picture with detail at every scale.
    pub(crate) fn pattern(width: usize, height: usize) -> Vec<f32> {
        let mut rgb = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (x as f32, y as f32);
                let brick = if (x / 6 + y / 3) % 2 == 0 { 0.2 } else { 0.0 };
                rgb.push(0.4 + 0.2 * (u * 0.31).sin() + brick);
                rgb.push(0.4 + 0.2 * (v * 0.23 + u * 0.1).cos() + brick);
                rgb.push(0.5 + 0.3 * ((u + v) * 0.05).sin());
            }
        }
        rgb
    }

    pub(crate) fn noisy(rgb: &[f32], amount: f32, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rgb.iter().map(|v| (v + amount * rng.random_range(-1.0..1.0)).clamp(0.0, 1.0)).collect()
    }

    #[test]
    fn psnr_is_that_of_the_definition() {
        let (black, grey) = (vec![0.0; 12], vec![0.1; 12]);
        let (a, b) = (Picture::new(2, 2, &black), Picture::new(2, 2, &grey));
        assert!((psnr_db(a, b, None).unwrap() - 20.0).abs() < 1e-5);
        assert_eq!(psnr_db(a, a, None), Some(f64::INFINITY));
    }

    #[test]
    fn only_pixels_in_the_mask_count() {
        let black = vec![0.0; 12];
        let mut other = black.clone();
        other[..3].fill(1.0);
        let (a, b) = (Picture::new(2, 2, &black), Picture::new(2, 2, &other));
        assert_eq!(psnr_db(a, b, Some(&[true, false, false, false])), Some(0.0));
        assert_eq!(psnr_db(a, b, Some(&[false, true, true, true])), Some(f64::INFINITY));
        assert_eq!(psnr_db(a, b, Some(&[false; 4])), None);
        assert_eq!(mean_squared_error(a, b, None), Some(0.25));
    }

    #[test]
    fn sharpness_tells_blur_from_noise() {
        let truth = pattern(64, 36);
        let blurred: Vec<f32> = (0..truth.len())
            .map(|i| {
                (truth[i]
                    + truth[i.saturating_sub(3)]
                    + truth[(i + 3).min(truth.len() - 3 + i % 3)])
                    / 3.0
            })
            .collect();
        let noise = noisy(&truth, 0.2, 1);
        let [t, b, n] = [&truth, &blurred, &noise].map(|rgb| Picture::new(64, 36, rgb));
        assert_eq!(sharpness(t, t, None), Some(1.0));
        assert!(sharpness(b, t, None).unwrap() < 0.85);
        assert!(sharpness(n, t, None).unwrap() > 1.15);
    }

    #[test]
    fn gradients_across_the_masks_edge_do_not_count() {
        // Luma 0 | 1 | 1: the one step lies between the first column and the rest.
        let rgb = [[0.0; 3], [1.0; 3], [1.0; 3]].concat();
        let picture = Picture::new(3, 1, &rgb);
        assert!((gradient_energy(picture, None) - 1.0).abs() < 1e-6);
        assert_eq!(gradient_energy(picture, Some(&[false, true, true])), 0.0);
        assert_eq!(gradient_energy(picture, Some(&[true, false, true])), 0.0);
        assert_eq!(sharpness(picture, picture, Some(&[false, true, true])), None);
    }

    #[test]
    fn only_named_pairs_count() {
        // Luma 0, 1 above 0, 0.
        let rgb = [[0.0; 3], [1.0; 3], [0.0; 3], [0.0; 3]].concat();
        let picture = Picture::new(2, 2, &rgb);
        let mut pairs = [[false; 2]; 4];
        assert_eq!(pair_energy(picture, &pairs), 0.0);
        pairs[0] = [true, true];
        assert!((pair_energy(picture, &pairs) - 1.0).abs() < 1e-6);
        pairs[1] = [false, true];
        assert!((pair_energy(picture, &pairs) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn the_interval_holds_the_mean_and_narrows_with_more_episodes() {
        let few: Vec<f64> = (0..10).map(|i| f64::from(i % 5)).collect();
        let many: Vec<f64> = (0..1000).map(|i| f64::from(i % 5)).collect();
        let (wide, narrow) =
            (bootstrap_interval(&few, 7).unwrap(), bootstrap_interval(&many, 7).unwrap());
        assert_eq!(wide.mean, 2.0);
        assert!(wide.low < 2.0 && 2.0 < wide.high);
        // Standard error is √2 / √1000 = 0.0447, so the interval is 0.175 wide.
        assert!((narrow.high - narrow.low - 0.175).abs() < 0.02, "{narrow:?}");
        assert_eq!(bootstrap_interval(&few, 7), Some(wide));
        assert_eq!(bootstrap_interval(&[], 7), None);
        assert_eq!(bootstrap_interval(&[1.0, f64::INFINITY], 7), None);
    }
}
