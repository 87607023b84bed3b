//! Texture finer than a neural frame's pixels.
//!
//! The model's [`Exemplars`] know each material in surface coordinates, down to 3 cm; its picture, a few source pixels
//! across a brick, does not. So the display takes the picture's colour and light, and adds the frequencies of the
//! exemplar that lie between the display's pixels and the picture's own: a ratio of two levels of one pyramid
//! (Burt and Adelson 1983), so that what the picture shows already is not put on twice. `detail.wgsl` is the twin.

use glam::Vec3;

use crate::exemplar::{DARK, Exemplars, LAYERS, LEVELS, SIZE};
use crate::rows::each_row;

/// No texture changes a colour by more, as a log-ratio.
const MOST: f32 = 0.7;
/// A neural picture resolves about so many of its own pixels.
pub const COARSE_PIXELS: f32 = 1.5;

/// All levels of all materials, as the display reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// Level by level, layer by layer, row by row: log-ratio of picture over paint as (value + 2) / 4, and confidence.
    levels: [Vec<[u8; 4]>; LEVELS],
}

/// A point of the display that texture is put on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// As in [`ShadowMaps::layer`](crate::raster::ShadowMaps::layer).
    pub layer: u8,
    /// Periods.
    pub uv: [f32; 2],
    /// Periods that a pixel of the display covers.
    pub footprint: f32,
    /// Periods that are as small as the neural frames resolve.
    pub coarse_footprint: f32,
    /// Share that was painted, and so has no texture at all.
    pub open: f32,
    /// Share of the light that fog leaves: it hides texture as well.
    pub clear: f32,
}

impl Detail {
    /// Texels along one side of the finest level.
    pub const SIZE: u32 = SIZE as u32;
    /// Layers of every level.
    pub const LAYERS: u32 = LAYERS as u32;
    /// Levels.
    pub const LEVELS: u32 = LEVELS as u32;

    /// Knows no material.
    pub fn unknown() -> Self {
        Self {
            levels: std::array::from_fn(|level| vec![[128, 128, 128, 0]; LAYERS * texels(level)]),
        }
    }

    /// What `exemplars` know now.
    pub fn new(exemplars: &mut Exemplars) -> Self {
        let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        let encode = |[r, g, b, confidence]: [f32; 4]| {
            let [r, g, b] = [r, g, b].map(|value| byte((value + 2.0) / 4.0));
            [r, g, b, byte(confidence)]
        };
        let filled = exemplars.all_filled();
        Self {
            levels: std::array::from_fn(|level| {
                let (wide, mut bytes) = (texels(level), vec![[0; 4]; LAYERS * texels(level)]);
                each_row((&mut bytes, wide), (&mut [(); LAYERS], 1), |layer, bytes, _| {
                    for (bytes, texel) in bytes.iter_mut().zip(filled.level(layer, level)) {
                        *bytes = encode(*texel);
                    }
                });
                bytes
            }),
        }
    }

    /// The bytes of one level, layer after layer, ready for an array texture.
    pub fn level(&self, level: usize) -> &[[u8; 4]] {
        &self.levels[level]
    }

    /// `rgb` (sRGB, 0 to 1) with the texture of `at` put on that lies between the display's pixels and the frames'.
    pub fn dress(&self, rgb: Vec3, at: &Place) -> Vec3 {
        let Place { uv, open, .. } = *at;
        let layer = usize::from(at.layer);
        if layer >= LAYERS {
            return rgb;
        }
        let fine_level = level_of(at.footprint);
        let coarse_level = level_of(at.coarse_footprint);
        let last = (LEVELS - 1) as f32;
        let coarse_level = (coarse_level + (last - coarse_level) * open).max(fine_level);
        let (fine, confidence) = self.sample(layer, uv, fine_level);
        let (coarse, _) = self.sample(layer, uv, coarse_level);
        // What was seen once is mostly resampling noise.
        let change = 4.0 * (fine - coarse) * confidence * confidence * at.clear;
        let held = change.clamp(Vec3::splat(-MOST), Vec3::splat(MOST));
        ((rgb + DARK) * held.exp() - DARK).clamp(Vec3::ZERO, Vec3::ONE)
    }

    /// Trilinear, repeating: encoded detail and confidence, 0 to 1.
    fn sample(&self, layer: usize, uv: [f32; 2], level: f32) -> (Vec3, f32) {
        let below = self.bilinear(layer, uv, level as usize);
        let above = self.bilinear(layer, uv, (level as usize + 1).min(LEVELS - 1));
        let value = below + (above - below) * level.fract();
        (value.truncate(), value.w)
    }

    fn bilinear(&self, layer: usize, uv: [f32; 2], level: usize) -> glam::Vec4 {
        let side = SIZE >> level;
        let texels = &self.levels[level][layer * side * side..];
        let [x, y] = uv.map(|c| (c - c.floor()) * side as f32 - 0.5 + side as f32);
        let (x0, y0) = (x as usize, y as usize);
        let at = |u: usize, v: usize| {
            let texel = texels[(v % side) * side + u % side];
            glam::Vec4::from_array(texel.map(|b| f32::from(b) / 255.0))
        };
        let above = at(x0, y0).lerp(at(x0 + 1, y0), x.fract());
        let below = at(x0, y0 + 1).lerp(at(x0 + 1, y0 + 1), x.fract());
        above.lerp(below, y.fract())
    }
}

fn texels(level: usize) -> usize {
    (SIZE >> level) * (SIZE >> level)
}

fn level_of(footprint: f32) -> f32 {
    (footprint * SIZE as f32).max(1.0).log2().min((LEVELS - 1) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exemplar::FINEST_TEXELS;

    /// Layer 6 is striped from bright to dark every four texels; the others are unknown.
    fn striped() -> Detail {
        let mut texels = vec![[0.0; 4]; LAYERS * FINEST_TEXELS];
        for (i, texel) in texels[6 * FINEST_TEXELS..7 * FINEST_TEXELS].iter_mut().enumerate() {
            let value = if i % 8 < 4 { 0.3 } else { -0.3 };
            *texel = [value, value, value, 100.0];
        }
        Detail::new(&mut Exemplars::from_finest(&texels).unwrap_or_default())
    }

    fn at(detail: &Detail, layer: u8, texel: usize, footprint: f32, open: f32) -> f32 {
        let uv = [(texel as f32 + 0.5) / SIZE as f32, 0.5];
        let place = Place { layer, uv, footprint, coarse_footprint: 0.25, open, clear: 1.0 };
        detail.dress(Vec3::splat(0.5), &place).x
    }

    #[test]
    fn a_near_wall_gets_its_texture_and_keeps_its_mean() {
        let detail = striped();
        let (bright, dark) = (at(&detail, 6, 2, 0.01, 0.0), at(&detail, 6, 6, 0.01, 0.0));
        assert!(bright > 0.62 && dark < 0.4, "{bright} {dark}");
        assert!((bright.ln() + dark.ln() - 2.0 * 0.5f32.ln()).abs() < 0.05);
    }

    #[test]
    fn what_the_picture_shows_already_is_not_put_on_twice() {
        let detail = striped();
        // The display's pixels are as coarse as the picture's.
        assert!((at(&detail, 6, 2, 0.25, 0.0) - 0.5).abs() < 0.01);
    }

    #[test]
    fn unknown_materials_and_the_sky_stay_as_they_are() {
        let detail = striped();
        for layer in [5, 31, 32, 255] {
            assert_eq!(at(&detail, layer, 2, 0.01, 1.0), 0.5);
        }
        assert_eq!(at(&Detail::unknown(), 6, 2, 0.01, 0.0), 0.5);
    }

    #[test]
    fn painted_points_get_all_of_the_texture() {
        let detail = striped();
        let change = |open| (at(&detail, 6, 2, 0.06, open) - 0.5).abs();
        assert!(change(1.0) >= change(0.0));
    }
}
