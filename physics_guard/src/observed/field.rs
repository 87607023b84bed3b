//! Evidence made safe and brought to the size of what is expected.

use super::evidence::Evidence;
use super::palette::{self, Shares};

/// Farther surfaces, and the sky, count as this far away. Metres.
pub const FARTHEST_SEEN_M: f32 = 300.0;
const NEAREST_SEEN_M: f32 = 0.05;
/// No observer is believed to know ln(depth) better than this.
const LEAST_DEPTH_SIGMA: f32 = 0.03;

/// Evidence of the size of the expected maps: numbers only, each pixel's classes sum to 1.
#[derive(Debug, Default)]
pub(crate) struct Field {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) classes: usize,
    pub(crate) probability: Vec<f32>,
    pub(crate) ln_depth: Vec<f32>,
    /// One over the standard deviation of ln(depth); 0 where the depth is not known.
    pub(crate) depth_weight: Vec<f32>,
    /// Says nothing at all.
    pub(crate) blind: Vec<bool>,
    /// Shares of the palette; empty if colours do not count.
    pub(crate) colours: Vec<Shares>,
}

/// ln of a depth, held within what can be seen.
pub(crate) fn ln_depth(depth_m: f32) -> f32 {
    depth_m.clamp(NEAREST_SEEN_M, FARTHEST_SEEN_M).ln()
}

impl Field {
    /// Takes `evidence` over at `width` × `height`. Evidence that is malformed leaves every pixel blind.
    pub(crate) fn fill(
        &mut self,
        evidence: &Evidence,
        width: usize,
        height: usize,
        sigma_scale: f32,
    ) {
        let pixels = width * height;
        let usable = evidence.check().is_ok() && evidence.width > 0 && evidence.height > 0;
        let classes = if usable { evidence.classes } else { 2 };
        (self.width, self.height, self.classes) = (width, height, classes);
        self.probability.resize(pixels * classes, 0.0);
        self.ln_depth.resize(pixels, 0.0);
        self.depth_weight.resize(pixels, 0.0);
        self.blind.resize(pixels, true);
        let uniform = 1.0 / classes as f32;
        self.colours.clear();
        let coloured = usable && !evidence.rgb.is_empty();
        for y in 0..height {
            for x in 0..width {
                let pixel = y * width + x;
                let out = &mut self.probability[pixel * classes..(pixel + 1) * classes];
                if !usable {
                    out.fill(uniform);
                    self.depth_weight[pixel] = 0.0;
                    self.blind[pixel] = true;
                    continue;
                }
                let (ex, ey) = (x * evidence.width / width, y * evidence.height / height);
                let source = ey * evidence.width + ex;
                if coloured {
                    let rgb = [0, 1, 2].map(|c| evidence.rgb[3 * source + c]);
                    self.colours.push(palette::shares(rgb));
                }
                let given = &evidence.probability[source * classes..(source + 1) * classes];
                let mut sum = 0.0;
                for (out, given) in out.iter_mut().zip(given) {
                    *out = if given.is_finite() { given.max(0.0) } else { 0.0 };
                    sum += *out;
                }
                let blind = !(sum > 1e-3 && sum.is_finite());
                self.blind[pixel] = blind;
                if blind {
                    out.fill(uniform);
                } else if (sum - 1.0).abs() > 1e-4 {
                    out.iter_mut().for_each(|p| *p /= sum);
                }
                let (depth_m, sigma) = (evidence.depth_m[source], evidence.depth_sigma[source]);
                let known = !blind && depth_m > 0.0 && sigma.is_finite() && sigma >= 0.0;
                self.ln_depth[pixel] = if known { ln_depth(depth_m) } else { 0.0 };
                self.depth_weight[pixel] =
                    if known { 1.0 / (sigma * sigma_scale).max(LEAST_DEPTH_SIGMA) } else { 0.0 };
            }
        }
    }

    /// Class probabilities of a pixel.
    #[inline]
    pub(crate) fn classes_of(&self, pixel: usize) -> &[f32] {
        &self.probability[pixel * self.classes..(pixel + 1) * self.classes]
    }

    /// Expected log-likelihood of a pixel's classes under a distribution given by its logarithms.
    #[inline]
    pub(crate) fn class_score(&self, pixel: usize, ln_distribution: &[f32]) -> f32 {
        self.classes_of(pixel).iter().zip(ln_distribution).map(|(p, ln_q)| p * ln_q).sum()
    }

    /// The same of its colour; 0 if colours do not count.
    #[inline]
    pub(crate) fn colour_score(&self, pixel: usize, ln_distribution: &[f32]) -> f32 {
        match self.colours.get(pixel) {
            Some(shares) => {
                shares.iter().map(|(bin, p)| p * ln_distribution[usize::from(*bin)]).sum()
            }
            None => 0.0,
        }
    }

    /// Log-likelihood of a pixel's depth if the surface is at `ln_depth`, up to a constant; bounded, so that one wrong
    /// pixel cannot outvote many.
    #[inline]
    pub(crate) fn depth_score(&self, pixel: usize, ln_depth: f32) -> f32 {
        let deviation = (self.ln_depth[pixel] - ln_depth) * self.depth_weight[pixel];
        -0.5 * (deviation * deviation).min(MOST_DEPTH_DEVIATION)
    }
}

/// Square of the largest deviation in depth that counts, in standard deviations.
pub(crate) const MOST_DEPTH_DEVIATION: f32 = 9.0;
