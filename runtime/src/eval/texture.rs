//! Do surfaces have the right kind of detail, wherever exactly it sits?
//!
//! Revealed pixels have no single truth, so their patches are compared as two clouds: the Fréchet
//! distance between Gaussians fitted to frequency coefficients of small luma patches.

use std::f64::consts::PI;

use super::metrics::Picture;

/// Side of a patch, pixels.
const SIDE: usize = 5;
/// Coefficients of a patch: the lowest frequencies without the mean.
const COEFFICIENTS: usize = 12;

type Matrix = [[f64; COEFFICIENTS]; COEFFICIENTS];

/// Statistics of the patches of any number of pictures.
#[derive(Debug, Clone)]
pub struct TextureStats {
    basis: Vec<[f64; SIDE * SIDE]>,
    patches: u64,
    sum: [f64; COEFFICIENTS],
    products: Matrix,
}

impl Default for TextureStats {
    fn default() -> Self {
        Self {
            basis: cosine_basis(),
            patches: 0,
            sum: [0.0; COEFFICIENTS],
            products: [[0.0; COEFFICIENTS]; COEFFICIENTS],
        }
    }
}

impl TextureStats {
    /// Adds every 5×5 patch whose pixels all lie in the mask; without a mask, every patch.
    ///
    /// # Panics
    /// The mask has another size.
    pub fn add(&mut self, picture: Picture, mask: Option<&[bool]>) {
        picture.assert_mask(mask);
        let (width, height) = (picture.width(), picture.height());
        let luma = picture.luma();
        for y in 0..(height + 1).saturating_sub(SIDE) {
            for x in 0..(width + 1).saturating_sub(SIDE) {
                let pixels: [usize; SIDE * SIDE] =
                    std::array::from_fn(|k| (y + k / SIDE) * width + x + k % SIDE);
                if mask.is_some_and(|m| pixels.iter().any(|i| !m[*i])) {
                    continue;
                }
                let patch = pixels.map(|i| f64::from(luma[i]));
                self.add_patch(&patch);
            }
        }
    }

    fn add_patch(&mut self, patch: &[f64; SIDE * SIDE]) {
        let mut feature = [0.0; COEFFICIENTS];
        // The basis has no constant part, so the patch's mean falls out by itself.
        for (f, wave) in feature.iter_mut().zip(&self.basis) {
            *f = wave.iter().zip(patch).map(|(w, p)| w * p).sum();
        }
        self.patches += 1;
        for i in 0..COEFFICIENTS {
            self.sum[i] += feature[i];
            for j in 0..COEFFICIENTS {
                self.products[i][j] += feature[i] * feature[j];
            }
        }
    }

    /// Patches so far.
    pub fn patches(&self) -> u64 {
        self.patches
    }

    /// Fréchet distance to the patches of `other`, in luma (0 to 1) of a patch's amplitude; 0 for the
    /// same statistics. `None` if either has too few patches to fit a Gaussian to.
    pub fn distance(&self, other: &Self) -> Option<f64> {
        let (mean_a, covariance_a) = self.gaussian()?;
        let (mean_b, covariance_b) = other.gaussian()?;
        let root_a = square_root(&covariance_a);
        let mixed = product(&product(&root_a, &covariance_b), &root_a);
        let between: f64 = mean_a.iter().zip(&mean_b).map(|(a, b)| (a - b).powi(2)).sum();
        let (eigenvalues, _) = eigen(mixed);
        let overlap: f64 = eigenvalues.iter().map(|v| v.max(0.0).sqrt()).sum();
        let squared = between + trace(&covariance_a) + trace(&covariance_b) - 2.0 * overlap;
        Some(squared.max(0.0).sqrt())
    }

    fn gaussian(&self) -> Option<([f64; COEFFICIENTS], Matrix)> {
        if self.patches < 4 * COEFFICIENTS as u64 {
            return None;
        }
        let count = self.patches as f64;
        let mean = self.sum.map(|s| s / count);
        let covariance = std::array::from_fn(|i| {
            std::array::from_fn(|j| self.products[i][j] / count - mean[i] * mean[j])
        });
        Some((mean, covariance))
    }
}

/// Fréchet distance between the patches of two pictures within the mask, see [`TextureStats`].
///
/// # Panics
/// Pictures or mask differ in size.
pub fn texture_distance(a: Picture, b: Picture, mask: Option<&[bool]>) -> Option<f64> {
    a.assert_same_size(&b);
    let (mut stats_a, mut stats_b) = (TextureStats::default(), TextureStats::default());
    stats_a.add(a, mask);
    stats_b.add(b, mask);
    stats_a.distance(&stats_b)
}

/// Two-dimensional cosine waves on a patch, unit length, from low to high frequency.
fn cosine_basis() -> Vec<[f64; SIDE * SIDE]> {
    let mut frequencies: Vec<(usize, usize)> =
        (1..SIDE * SIDE).map(|k| (k / SIDE, k % SIDE)).collect();
    frequencies.sort_by_key(|&(v, u)| (v * v + u * u, v));
    let wave = |frequency: usize, at: usize| {
        (PI * frequency as f64 * (at as f64 + 0.5) / SIDE as f64).cos()
    };
    frequencies
        .into_iter()
        .take(COEFFICIENTS)
        .map(|(v, u)| {
            let values: [f64; SIDE * SIDE] =
                std::array::from_fn(|k| wave(v, k / SIDE) * wave(u, k % SIDE));
            let length = values.iter().map(|x| x * x).sum::<f64>().sqrt();
            values.map(|x| x / length)
        })
        .collect()
}

fn trace(m: &Matrix) -> f64 {
    (0..COEFFICIENTS).map(|i| m[i][i]).sum()
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|i| {
        std::array::from_fn(|j| (0..COEFFICIENTS).map(|k| a[i][k] * b[k][j]).sum())
    })
}

/// Of a symmetric matrix without negative eigenvalues.
fn square_root(m: &Matrix) -> Matrix {
    let (values, vectors) = eigen(*m);
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            (0..COEFFICIENTS)
                .map(|k| vectors[i][k] * values[k].max(0.0).sqrt() * vectors[j][k])
                .sum()
        })
    })
}

/// Eigenvalues, and eigenvectors as columns, of a symmetric matrix, by cyclic Jacobi rotations.
fn eigen(mut m: Matrix) -> ([f64; COEFFICIENTS], Matrix) {
    const SWEEPS: usize = 30;
    let mut vectors: Matrix =
        std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    for _ in 0..SWEEPS {
        let off: f64 = (0..COEFFICIENTS)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| m[i][j].powi(2))
            .sum();
        if off <= 1e-26 * trace(&m).powi(2) {
            break;
        }
        for p in 0..COEFFICIENTS {
            for q in p + 1..COEFFICIENTS {
                rotate(&mut m, &mut vectors, p, q);
            }
        }
    }
    (std::array::from_fn(|i| m[i][i]), vectors)
}

/// Turns the axes `p` and `q`, `p` < `q`, so that `m[p][q]` becomes zero.
fn rotate(m: &mut Matrix, vectors: &mut Matrix, p: usize, q: usize) {
    if m[p][q] == 0.0 {
        return;
    }
    let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = tangent.hypot(1.0).recip();
    let sine = tangent * cosine;
    let turned = |a: f64, b: f64| (cosine * a - sine * b, sine * a + cosine * b);
    for row in m.iter_mut().chain(vectors) {
        (row[p], row[q]) = turned(row[p], row[q]);
    }
    let (above, below) = m.split_at_mut(q);
    for (a, b) in above[p].iter_mut().zip(&mut below[0]) {
        (*a, *b) = turned(*a, *b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metrics::tests::{noisy, pattern};

    fn distance(a: &[f32], b: &[f32]) -> f64 {
        texture_distance(Picture::new(64, 48, a), Picture::new(64, 48, b), None).unwrap()
    }

    /// Bricks 6×3 in size, shifted by `shift` pixels.
    fn bricks(shift: usize) -> Vec<f32> {
        (0..64 * 48)
            .flat_map(|i| {
                let (x, y) = (i % 64 + shift, i / 64);
                let mortar = y % 4 == 0 || (x + 3 * (y / 4 % 2)) % 8 == 0;
                [if mortar { 0.7 } else { 0.35 }; 3]
            })
            .collect()
    }

    #[test]
    fn the_square_root_squared_is_the_matrix() {
        let wild: Matrix = std::array::from_fn(|i| {
            std::array::from_fn(|j| ((i * 7 + j * j * 3) % 11) as f64 - 4.0)
        });
        let transposed = std::array::from_fn(|i| std::array::from_fn(|j| wild[j][i]));
        let positive = product(&wild, &transposed);
        let root = square_root(&positive);
        let again = product(&root, &root);
        for (row, expected) in again.iter().flatten().zip(positive.iter().flatten()) {
            assert!((row - expected).abs() < 1e-6 * trace(&positive), "{row} against {expected}");
        }
    }

    #[test]
    fn the_same_bricks_elsewhere_are_the_same_texture_and_flat_paint_is_not() {
        let (truth, moved) = (bricks(0), bricks(3));
        let flat = vec![0.4; truth.len()];
        assert!(distance(&truth, &truth) < 1e-6);
        assert!(distance(&truth, &moved) < 0.05 * distance(&truth, &flat));
        assert!(distance(&truth, &noisy(&flat, 0.3, 2)) > 5.0 * distance(&truth, &moved));
    }

    #[test]
    fn scaled_contrast_gives_the_distance_of_scaled_gaussians() {
        // Features of half the contrast are half as large: d² = |μ/2|² + tr(C)/4, and tr(C) + |μ|²
        // is the mean squared length of the features.
        let truth = pattern(64, 48);
        let half: Vec<f32> = truth.iter().map(|v| v * 0.5).collect();
        let mut stats = TextureStats::default();
        stats.add(Picture::new(64, 48, &truth), None);
        let energy: f64 = trace(&stats.products) / stats.patches() as f64;
        assert!((distance(&truth, &half) - 0.5 * energy.sqrt()).abs() < 1e-4);
    }

    #[test]
    fn patches_that_reach_beyond_the_mask_do_not_count() {
        let truth = pattern(64, 48);
        let mask: Vec<bool> = (0..64 * 48).map(|i| i % 64 < 10 && i / 64 < 12).collect();
        let mut stats = TextureStats::default();
        stats.add(Picture::new(64, 48, &truth), Some(&mask));
        assert_eq!(stats.patches(), (10 - 4) * (12 - 4));
        stats = TextureStats::default();
        stats.add(Picture::new(64, 48, &truth), Some(&[false; 64 * 48]));
        assert_eq!(stats.patches(), 0);
        assert!(stats.distance(&stats).is_none());
    }
}
