//! Texture for what a picture invents.
//!
//! What was never seen has no single truth, and a network that learns from squared errors paints the mean of all truths, which is flat. So the frequencies that
//! nobody has seen yet are put on afterwards, as film grain is by a video decoder (Norkin and Birkbeck 2018): from the exemplars of the material, in surface
//! coordinates, or from a look where they know nothing either. It is a ratio of two levels of one pyramid (Burt and Adelson 1983): between what a pixel resolves
//! and what was known of its point. The result is the picture, and becomes part of the past: each point gets each frequency once, when it is first seen so closely,
//! and keeps it ([`restore`]).

use reverie_guard::CameraPose;
use reverie_kernels::exemplar::{DARK, Filled, LAYERS};
use reverie_kernels::raster::Rays;
use reverie_kernels::rows::each_row;

mod restore;

use restore::restore;

use super::{ReverieModel, on};
use crate::condition::{CHANNELS, KEY, LAST, MEMORY};
use crate::profile_scope;
use crate::references::FINE_ENOUGH;
use crate::view::ShadowView;

/// A network draws what is wider than so many pixels by itself.
const DRAWN_PX: f32 = 8.0;
/// Of a surface that was seen from farther off there is a truth; what is invented between its pixels is put on with this share.
const SEEN_BEFORE: f32 = 0.5;
/// No texture changes a colour by more, as a log-ratio.
const MOST: f32 = 0.7;

impl ReverieModel {
    /// Restores what was known of the texture of `rgb`, and puts on what was not: one or more pictures of the view that was drawn last, each interleaved
    /// sRGB, 0 to 1. `maps` is what the network was told; only the share `anew` of each pixel was drawn by it.
    pub(super) fn put_texture_on(&mut self, rgb: &mut [f32], maps: &[f32], anew: Option<&[f32]>) {
        let (gain, Some(view)) = (self.card.sampler.grain, &self.view) else { return };
        if gain <= 0.0 {
            return;
        }
        profile_scope!("texture");
        let (exemplars, grain) = (&mut self.exemplars, &self.grain);
        let known = Known {
            view,
            maps,
            fineness: &self.candidates.key_fineness,
            last: self.references.last_camera(),
        };
        let fog_per_m = self.told.map_or(0.0, |told| told.style.light().fog_per_m);
        let change = &mut self.textured;
        on(&self.workers, || {
            let texture = exemplars.all_grained(grain);
            change.resize(3 * view.maps.width * view.maps.height, 0.0);
            known.fill_missing(texture, gain, fog_per_m, change);
        });
        for picture in rgb.chunks_exact_mut(self.textured.len().max(1)) {
            on(&self.workers, || restore(view, maps, anew, picture));
            let values = picture.chunks_exact_mut(3).zip(self.textured.chunks_exact(3));
            for (pixel, (values, change)) in values.enumerate() {
                let share = anew.map_or(1.0, |anew| anew[pixel]);
                if change == [0.0; 3] || share <= 0.0 {
                    continue;
                }
                for (value, change) in values.iter_mut().zip(change) {
                    let factor = (share * change).exp();
                    *value = ((*value + DARK) * factor - DARK).clamp(0.0, 1.0);
                }
            }
        }
    }
}

/// What the network was told of the past, by pixel.
struct Known<'a> {
    view: &'a ShadowView,
    /// The condition's maps.
    maps: &'a [f32],
    /// Of the keyframes, as in the candidates.
    fineness: &'a [f32],
    /// Of the last picture.
    last: Option<CameraPose>,
}

impl Known<'_> {
    /// By how much `texture` changes each value of a picture, as a log-ratio: `gain` times what it has that was not known.
    fn fill_missing(&self, texture: Filled, gain: f32, fog_per_m: f32, change: &mut [f32]) {
        let maps = &self.view.maps;
        let (width, mut nothing) = (maps.width.max(1), vec![(); maps.height]);
        let rays = Rays::new(&self.view.camera, maps.width, maps.height);
        each_row((change, 3 * width), (&mut nothing, 1), |y, change, _| {
            for (x, change) in change.chunks_exact_mut(3).enumerate() {
                let pixel = y * width + x;
                let layer = usize::from(maps.layer[pixel]);
                let at_m = rays.at(x, y) * maps.depth_m[pixel];
                change.fill(0.0);
                if layer >= LAYERS {
                    continue;
                }
                let share = self.share(pixel, at_m);
                let times = share.max(1e-3).recip().min(DRAWN_PX);
                if times > 1.0 {
                    let (footprint, uv) = (maps.footprint[pixel], maps.uv[pixel]);
                    let gain = if share > 0.0 { SEEN_BEFORE * gain } else { gain };
                    // Fog hides texture.
                    let strength = gain * (-fog_per_m * at_m.length()).exp();
                    let [r, g, b] = texture.band(layer, footprint, times, uv);
                    // Brightness alone: a texel that saw something else would be a streak of another colour.
                    change.fill((strength * (r + g + b) / 3.0).clamp(-MOST, MOST));
                }
            }
        });
    }

    /// How closely the point at `at_m` (camera frame) was seen, as a share of how closely `pixel` sees it now: 0 if nothing is known, 1 at most.
    fn share(&self, pixel: usize, at_m: glam::Vec3) -> f32 {
        let valid = |candidate: usize| self.maps[pixel * CHANNELS + candidate + 3];
        let key = if valid(KEY) > 0.0 { self.fineness[pixel] } else { 0.0 };
        if valid(LAST) <= 0.0 {
            return if key > 0.0 { key } else { valid(MEMORY) };
        }
        // Where a keyframe is as fine it stands in for the last picture.
        if key >= FINE_ENOUGH && !self.view.moves(pixel) {
            return key;
        }
        let Some(last) = &self.last else { return 1.0 };
        let point = self.view.camera.world_from_camera.transform_point(at_m);
        let then_m = point.distance(last.world_from_camera.translation_m);
        (at_m.length() / then_m.max(1e-3)).min(1.0)
    }
}

#[cfg(test)]
mod tests;
