//! What materials look like, remembered in surface coordinates.
//!
//! A game's textures repeat. What was seen of one wall says how the next wall of the same material
//! looks, if both are laid out in the same surface coordinates ([`crate::surface`]). An [`Exemplars`] holds, for
//! each material (surfaces that look up apart from the others), a small picture of one texture period with all its
//! coarser levels. Stored is the *detail*: the log-ratio of the picture over the shadow paint, so that
//! light and tint, which the paint knows, are taken out on writing and put back on reading.
//!
//! Levels are filled from coarse to fine by confidence: where a texel was never seen, the mean of its
//! neighbourhood stands in, down to the mean colour of the whole material.

use crate::geometry::floor;
use crate::raster::ShadowMaps;
use crate::rows::each_row;

/// Texels along one period at the finest level: 3 cm for a period of 2 m. A model's pixel seldom needs it, the
/// display does.
pub const SIZE: usize = 64;
/// Levels of 64, 32, 16, 8, 4, 2 and 1 texels.
pub const LEVELS: usize = 7;
/// Two for each of 16 materials: as in [`ShadowMaps::layer`].
pub const LAYERS: usize = 32;
/// Texels of one layer over all levels.
pub const LAYER_TEXELS: usize = 5461;
/// Texels of one layer at the finest level, its first ones.
pub const FINEST_TEXELS: usize = SIZE * SIZE;
/// Keeps ratios of dark pixels finite; sRGB units.
const DARK: f32 = 0.04;
/// Confidence stops growing here, so that the mean goes on following, slowly.
const MOST_WEIGHT: f32 = 48.0;
/// A texel of this weight is believed by half. More would wash out the contrast of what was seen once.
const HALF_WEIGHT: f32 = 0.3;

/// Offset of a level's first texel within its layer.
const LEVEL_OFFSET: [usize; LEVELS] = [0, 4096, 5120, 5376, 5440, 5456, 5460];

/// Pictures of materials; see the module's text.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplars {
    /// Mean detail (log-ratio, RGB) and weight of every texel, layer by layer, level by level.
    texels: Vec<[f32; 4]>,
    /// The same after filling; 4th value is confidence, 0 to 1.
    filled: Vec<[f32; 4]>,
    stale: [bool; LAYERS],
}

impl Default for Exemplars {
    fn default() -> Self {
        Self::new()
    }
}

impl Exemplars {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self {
            texels: vec![[0.0; 4]; LAYERS * LAYER_TEXELS],
            filled: vec![[0.0; 4]; LAYERS * LAYER_TEXELS],
            stale: [false; LAYERS],
        }
    }

    /// From finest levels as [`Self::filled`] gives them, layer by layer, or `None` if the length or a value is
    /// wrong. A coarser texel is the weighed mean of the four below it, as certain as the most certain of them.
    pub fn from_finest(finest: &[[f32; 4]]) -> Option<Self> {
        let sane = |t: &[f32; 4]| t.iter().all(|v| v.is_finite()) && t[3] >= 0.0;
        if finest.len() != LAYERS * FINEST_TEXELS || !finest.iter().all(sane) {
            return None;
        }
        let mut exemplars = Self { stale: [true; LAYERS], ..Self::new() };
        for (texels, finest) in
            exemplars.texels.chunks_exact_mut(LAYER_TEXELS).zip(finest.chunks_exact(FINEST_TEXELS))
        {
            texels[..FINEST_TEXELS].copy_from_slice(finest);
            for level in 1..LEVELS {
                coarsen(texels, level);
            }
        }
        Some(exemplars)
    }

    /// What is known of `layer` at `level`, filled from coarser levels where it was never seen closely: detail
    /// (log-ratio, RGB) and confidence 0 to 1, row by row.
    pub fn filled(&mut self, layer: usize, level: usize) -> &[[f32; 4]] {
        self.all_filled().level(layer, level)
    }

    /// As [`filled`](Self::filled), of all layers and levels.
    pub fn all_filled(&mut self) -> Filled<'_> {
        self.fill_stale();
        Filled(&self.filled)
    }

    /// The share of `layer`'s finest texels that were seen closely.
    pub fn seen_closely(&self, layer: usize) -> f32 {
        let texels = &self.texels[layer * LAYER_TEXELS..][..FINEST_TEXELS];
        texels.iter().filter(|t| t[3] > 0.5).count() as f32 / FINEST_TEXELS as f32
    }

    /// Mean detail of the whole `layer`, and its weight.
    pub fn mean(&self, layer: usize) -> [f32; 4] {
        self.texels[(layer + 1) * LAYER_TEXELS - 1]
    }

    fn fill_stale(&mut self) {
        let texels = &self.texels;
        each_row((&mut self.filled, LAYER_TEXELS), (&mut self.stale, 1), |layer, filled, stale| {
            if std::mem::take(&mut stale[0]) {
                fill(&texels[layer * LAYER_TEXELS..(layer + 1) * LAYER_TEXELS], filled);
            }
        });
    }

    /// Remembers a picture. `rgb` and `paint` are interleaved sRGB, 3 values a pixel; `weight` is a
    /// trust per pixel, 0 to 1.
    pub fn write(
        &mut self,
        maps: &ShadowMaps,
        rgb: &[f32],
        paint: &[f32],
        weight: impl Fn(usize) -> f32,
    ) {
        for pixel in 0..maps.width * maps.height {
            let layer = usize::from(maps.layer[pixel]);
            if layer >= LAYERS {
                continue;
            }
            // The edge of a sun shadow is where paint and picture disagree for other reasons than material.
            let sun = maps.sun_visibility[pixel];
            let penumbra = if (0.02..0.98).contains(&sun) { 0.2 } else { 1.0 };
            let level = level_of(maps.footprint[pixel]).0;
            // A pixel that covers several texels says little about each of them.
            let weight = weight(pixel) * penumbra * 0.5 / (1.0 + 2.0 * maps.footprint[pixel]);
            if weight <= 0.0 {
                continue;
            }
            let detail = detail(&rgb[3 * pixel..], &paint[3 * pixel..]);
            self.stale[layer] = true;
            for level in level..LEVELS {
                let side = SIZE >> level;
                let [u, v] =
                    maps.uv[pixel].map(|c| ((c - floor(c) as f32) * side as f32) as usize % side);
                let texel =
                    &mut self.texels[layer * LAYER_TEXELS + LEVEL_OFFSET[level] + v * side + u];
                let sum = (texel[3] + weight).min(MOST_WEIGHT);
                for (mean, value) in texel.iter_mut().zip(detail) {
                    *mean += (value - *mean) * weight / sum;
                }
                texel[3] = sum;
            }
        }
    }

    /// Dresses the shadow paint in what is remembered: `rgb` gets `paint` with the detail put on (interleaved
    /// sRGB), `confidence` 0 to 1 a pixel. Sky and unknown materials are copied from the paint, at confidence 0.
    pub fn read(
        &mut self,
        maps: &ShadowMaps,
        paint: &[f32],
        rgb: &mut [f32],
        confidence: &mut [f32],
    ) {
        self.fill_stale();
        let width = maps.width.max(1);
        let filled = &self.filled;
        each_row((rgb, 3 * width), (confidence, width), |y, rgb, confidence| {
            for (x, (out, confidence)) in rgb.chunks_exact_mut(3).zip(confidence).enumerate() {
                let pixel = y * width + x;
                let paint = &paint[3 * pixel..3 * pixel + 3];
                let layer = usize::from(maps.layer[pixel]);
                if layer >= LAYERS {
                    out.copy_from_slice(paint);
                    *confidence = 0.0;
                    continue;
                }
                let texels = &filled[layer * LAYER_TEXELS..(layer + 1) * LAYER_TEXELS];
                let value = value_at(texels, maps.footprint[pixel], maps.uv[pixel]);
                for channel in 0..3 {
                    out[channel] =
                        ((paint[channel] + DARK) * value[channel].exp() - DARK).clamp(0.0, 1.0);
                }
                *confidence = value[3];
            }
        });
    }
}

/// What is known of all layers, filled from coarser levels.
#[derive(Debug, Clone, Copy)]
pub struct Filled<'a>(&'a [[f32; 4]]);

impl<'a> Filled<'a> {
    /// As [`Exemplars::filled`].
    pub fn level(self, layer: usize, level: usize) -> &'a [[f32; 4]] {
        let side = SIZE >> level;
        &self.0[layer * LAYER_TEXELS + LEVEL_OFFSET[level]..][..side * side]
    }
}

/// Between the two levels whose texels are about as large as the pixel.
fn value_at(texels: &[[f32; 4]], footprint: f32, uv: [f32; 2]) -> [f32; 4] {
    let (level, part) = level_of(footprint);
    let mut value = sample(texels, level, uv);
    if part > 0.0 && level + 1 < LEVELS {
        let coarse = sample(texels, level + 1, uv);
        for (v, c) in value.iter_mut().zip(coarse) {
            *v += (c - *v) * part;
        }
    }
    value
}

/// The level whose texels are as large as the pixel, and the way to the next one, 0 to 1.
fn level_of(footprint: f32) -> (usize, f32) {
    let level = (footprint * SIZE as f32).max(1.0).log2().min((LEVELS - 1) as f32);
    (level as usize, level.fract())
}

fn detail(rgb: &[f32], paint: &[f32]) -> [f32; 3] {
    std::array::from_fn(|c| ((rgb[c] + DARK) / (paint[c] + DARK)).ln().clamp(-2.0, 2.0))
}

/// Makes `level` of a layer out of the level below it.
fn coarsen(texels: &mut [[f32; 4]], level: usize) {
    let side = SIZE >> level;
    for v in 0..side {
        for u in 0..side {
            let below = |du: usize, dv: usize| {
                texels[LEVEL_OFFSET[level - 1] + (2 * v + dv) * 2 * side + 2 * u + du]
            };
            let four = [below(0, 0), below(1, 0), below(0, 1), below(1, 1)];
            let sum: f32 = four.iter().map(|t| t[3]).sum();
            let mut mean = [0.0; 4];
            if sum > 0.0 {
                mean = std::array::from_fn(|c| four.iter().map(|t| t[c] * t[3]).sum::<f32>() / sum);
                mean[3] = four.iter().map(|t| t[3]).fold(0.0, f32::max);
            }
            texels[LEVEL_OFFSET[level] + v * side + u] = mean;
        }
    }
}

/// From coarse to fine: a texel's own mean by its confidence, else what the level above says.
fn fill(texels: &[[f32; 4]], filled: &mut [[f32; 4]]) {
    for level in (0..LEVELS).rev() {
        let side = SIZE >> level;
        for v in 0..side {
            for u in 0..side {
                let at = LEVEL_OFFSET[level] + v * side + u;
                let above = if level + 1 < LEVELS {
                    filled[LEVEL_OFFSET[level + 1] + (v / 2) * (side / 2) + u / 2]
                } else {
                    [0.0; 4]
                };
                let own = texels[at];
                let trust = own[3] / (own[3] + HALF_WEIGHT);
                for c in 0..3 {
                    filled[at][c] = above[c] + (own[c] - above[c]) * trust;
                }
                // Knowing only the mean colour is worth a quarter per level.
                filled[at][3] = trust + (1.0 - trust) * 0.75 * above[3];
            }
        }
    }
}

/// Bilinear within a level, repeating.
fn sample(texels: &[[f32; 4]], level: usize, uv: [f32; 2]) -> [f32; 4] {
    let side = SIZE >> level;
    let [x, y] = uv.map(|c| (c - floor(c) as f32) * side as f32 - 0.5 + side as f32);
    let (x0, y0) = (x as usize, y as usize);
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let at = |u: usize, v: usize| {
        texels[LEVEL_OFFSET[level] + (v & (side - 1)) * side + (u & (side - 1))]
    };
    let (a, b, c, d) = (at(x0, y0), at(x0 + 1, y0), at(x0, y0 + 1), at(x0 + 1, y0 + 1));
    std::array::from_fn(|i| {
        let top = a[i] + (b[i] - a[i]) * fx;
        let bottom = c[i] + (d[i] - c[i]) * fx;
        top + (bottom - top) * fy
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wall of `n` pixels across one period, seen at the finest level.
    fn maps(n: usize, layer: u8, footprint: f32) -> ShadowMaps {
        ShadowMaps {
            width: n,
            height: 1,
            uv: (0..n).map(|i| [(i as f32 + 0.5) / n as f32, 0.5 / SIZE as f32]).collect(),
            layer: vec![layer; n],
            footprint: vec![footprint; n],
            sun_visibility: vec![1.0; n],
            ..Default::default()
        }
    }

    fn stripes(n: usize) -> Vec<f32> {
        (0..n).flat_map(|i| [if i % 8 < 4 { 0.3 } else { 0.7 }; 3]).collect()
    }

    #[test]
    fn what_was_written_is_read_under_another_light() {
        let maps = maps(SIZE, 6, 0.5 / SIZE as f32);
        let (mut exemplars, paint) = (Exemplars::new(), vec![0.5; 3 * SIZE]);
        for _ in 0..40 {
            exemplars.write(&maps, &stripes(SIZE), &paint, |_| 1.0);
        }
        let dim = vec![0.25; 3 * SIZE];
        let (mut rgb, mut confidence) = (vec![0.0; 3 * SIZE], vec![0.0; SIZE]);
        exemplars.read(&maps, &dim, &mut rgb, &mut confidence);
        for pixel in 0..SIZE {
            let expected = (stripes(SIZE)[3 * pixel] + DARK) / (0.5 + DARK) * (0.25 + DARK) - DARK;
            assert!(
                (rgb[3 * pixel] - expected).abs() < 0.02,
                "pixel {pixel}: {} {expected}",
                rgb[3 * pixel]
            );
            assert!(confidence[pixel] > 0.8);
        }
    }

    #[test]
    fn an_unseen_texel_takes_the_mean_of_its_material() {
        let mut exemplars = Exemplars::new();
        let mut seen = maps(SIZE, 6, 0.5 / SIZE as f32);
        seen.uv.iter_mut().for_each(|uv| uv[0] *= 0.5);
        for _ in 0..40 {
            exemplars.write(&seen, &vec![0.7; 3 * SIZE], &vec![0.5; 3 * SIZE], |_| 1.0);
        }
        let all = maps(SIZE, 6, 0.5 / SIZE as f32);
        let (mut rgb, mut confidence) = (vec![0.0; 3 * SIZE], vec![0.0; SIZE]);
        exemplars.read(&all, &vec![0.5; 3 * SIZE], &mut rgb, &mut confidence);
        let last = SIZE - 6;
        assert!((rgb[3 * last] - 0.7).abs() < 0.03, "{}", rgb[3 * last]);
        assert!(confidence[last] < confidence[4]);
    }

    #[test]
    fn other_materials_and_the_sky_keep_the_paint() {
        let mut exemplars = Exemplars::new();
        let brick = maps(SIZE, 6, 0.01);
        exemplars.write(&brick, &stripes(SIZE), &vec![0.5; 3 * SIZE], |_| 1.0);
        for layer in [8, 255] {
            let other = maps(SIZE, layer, 0.01);
            let (mut rgb, mut confidence) = (vec![0.0; 3 * SIZE], vec![1.0; SIZE]);
            exemplars.read(&other, &vec![0.5; 3 * SIZE], &mut rgb, &mut confidence);
            assert!(
                rgb.iter().all(|v| (v - 0.5).abs() < 1e-5) && confidence.iter().all(|c| *c == 0.0)
            );
        }
    }

    #[test]
    fn damaged_texels_are_refused() {
        assert!(Exemplars::from_finest(&[[0.0; 4]; 3]).is_none());
        let mut texels = vec![[0.0; 4]; LAYERS * FINEST_TEXELS];
        assert!(Exemplars::from_finest(&texels).is_some());
        texels[5][1] = f32::NAN;
        assert!(Exemplars::from_finest(&texels).is_none());
    }

    #[test]
    fn the_finest_level_alone_brings_all_levels_back() {
        let seen = maps(SIZE, 6, 0.5 / SIZE as f32);
        let mut exemplars = Exemplars::new();
        for _ in 0..40 {
            exemplars.write(&seen, &stripes(SIZE), &[0.5; 3 * SIZE], |_| 1.0);
        }
        let finest: Vec<[f32; 4]> = (0..LAYERS)
            .flat_map(|layer| exemplars.filled(layer, 0).to_vec())
            .map(|[r, g, b, confidence]| [r, g, b, 8.0 * confidence])
            .collect();
        let mut again = Exemplars::from_finest(&finest).unwrap();
        for footprint in [0.5 / SIZE as f32, 4.0 / SIZE as f32, 1.0] {
            let view = maps(SIZE, 6, footprint);
            let read = |from: &mut Exemplars| {
                let (mut rgb, mut confidence) = (vec![0.0; 3 * SIZE], vec![0.0; SIZE]);
                from.read(&view, &[0.5; 3 * SIZE], &mut rgb, &mut confidence);
                rgb
            };
            let (before, after) = (read(&mut exemplars), read(&mut again));
            for (a, b) in before.iter().zip(&after) {
                assert!((a - b).abs() < 0.03, "{a} {b} at footprint {footprint}");
            }
        }
        assert_eq!(again.mean(8), [0.0; 4]);
    }
}
