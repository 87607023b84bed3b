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

mod grain;

pub use grain::{Grain, contrast};

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
pub const DARK: f32 = 0.04;
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
    /// As `filled`, with grain in place of what is not known; empty until somebody asks.
    grained: Vec<[f32; 4]>,
    ungrained: [bool; LAYERS],
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
            grained: Vec::new(),
            ungrained: [true; LAYERS],
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

    /// As [`all_filled`](Self::all_filled), but what was never seen closely gets the texture of `grain`, about the colours that are known. To be asked
    /// with the same grain each time.
    pub fn all_grained(&mut self, grain: &Grain) -> Filled<'_> {
        let texels = &self.texels;
        self.grained.resize(LAYERS * LAYER_TEXELS, [0.0; 4]);
        let (grained, ungrained) = (&mut self.grained, &mut self.ungrained);
        each_row((grained, LAYER_TEXELS), (ungrained, 1), |layer, filled, stale| {
            if std::mem::take(&mut stale[0]) {
                let texels = &texels[layer * LAYER_TEXELS..(layer + 1) * LAYER_TEXELS];
                fill(texels, Some(grain.layer(layer)), filled);
            }
        });
        Filled(&self.grained)
    }

    fn fill_stale(&mut self) {
        let texels = &self.texels;
        each_row((&mut self.filled, LAYER_TEXELS), (&mut self.stale, 1), |layer, filled, stale| {
            if std::mem::take(&mut stale[0]) {
                fill(&texels[layer * LAYER_TEXELS..(layer + 1) * LAYER_TEXELS], None, filled);
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
            (self.stale[layer], self.ungrained[layer]) = (true, true);
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

    /// Detail (log-ratio, RGB) of `layer` at `uv`, in periods, that a pixel which covers `footprint` of them resolves, and one that covers `times` as much
    /// does not; `times` is 1 at least.
    ///
    /// # Panics
    /// `layer` is none of [`LAYERS`].
    pub fn band(self, layer: usize, footprint: f32, times: f32, uv: [f32; 2]) -> [f32; 3] {
        let texels = &self.0[layer * LAYER_TEXELS..][..LAYER_TEXELS];
        let (fine, fine_part) = level_of(footprint);
        let (coarse, coarse_part) = level_of(footprint * times);
        let mut band = [0.0; 3];
        let mut below = None;
        // From level to level, of the first and the last one a part.
        for level in fine..=coarse.min(LEVELS - 2) {
            let from = if level == fine { fine_part } else { 0.0 };
            let to = if level == coarse { coarse_part } else { 1.0 };
            if to > from {
                let here = below.unwrap_or_else(|| sample(texels, level, uv));
                let above = sample(texels, level + 1, uv);
                for (band, (here, above)) in band.iter_mut().zip(here.iter().zip(above)) {
                    *band += (here - above) * (to - from);
                }
                below = Some(above);
            }
        }
        band
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

/// From coarse to fine: a texel's own mean by its confidence, else what the level above says, and `grain`'s way from there to here.
fn fill(texels: &[[f32; 4]], grain: Option<&[f32]>, filled: &mut [[f32; 4]]) {
    for level in (0..LEVELS).rev() {
        let side = SIZE >> level;
        for v in 0..side {
            for u in 0..side {
                let at = LEVEL_OFFSET[level] + v * side + u;
                let (above, band) = if level + 1 < LEVELS {
                    let above = LEVEL_OFFSET[level + 1] + (v / 2) * (side / 2) + u / 2;
                    (filled[above], grain.map_or(0.0, |grain| grain[at] - grain[above]))
                } else {
                    ([0.0; 4], 0.0)
                };
                let own = texels[at];
                let trust = own[3] / (own[3] + HALF_WEIGHT);
                for c in 0..3 {
                    filled[at][c] = above[c] + (own[c] - above[c]) * trust + band * (1.0 - trust);
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
mod tests;
