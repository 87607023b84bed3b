//! A picture of before, as it must look now, and where the present one differs.

use reverie_kernels::geometry::CameraPose;
use reverie_kernels::raster::{Scene, ShadowMaps, ray};
use reverie_kernels::warp::{PastFrame, warp};

use super::LIT;
use crate::expected::{BodyView, Expected};

/// A carried pixel is known from this share of its footprint on.
pub(super) const KNOWN: f32 = 0.6;
/// Further outside the range of its neighbours than this, of 0 to 1, a colour differs;
const DIFFERS: f32 = 0.05;
/// in bright pictures so much of their brightness more.
const DIFFERS_SHARE: f32 = 0.08;
/// Means are taken over so many pixels to each side.
const AROUND: usize = 2;
/// A surface that only got lighter or darker by up to this factor, in all channels alike, came into another light.
const LIGHT: f32 = 2.5;
/// How unlike the channels may change for that.
const SAME_HUE: f32 = 1.3;
/// Colours this dark have no hue, 0 to 1.
const DARK: f32 = 0.04;
/// What is around a body: so many pixels to each side, at least so many in all.
const RING_PX: usize = 4;
const LEAST_RING: u32 = 24;
/// A body is alone in another light if less than this part of that share of what is around it is in it, too.
const RING_SHARE: f32 = 0.5;
/// A surface that was so many times as far away shows other things now;
const ENLARGED: f32 = 1.3;
/// one that is in doubt already is believed farther.
const ENLARGED_IN_DOUBT: f32 = 2.0;

#[derive(Debug, Default)]
pub(super) struct Carried {
    pub(super) rgb: Vec<f32>,
    pub(super) valid: Vec<f32>,
    /// By pixel: 0 not known, 1 alike, 2 lighter or darker, 3 differs.
    pub(super) told: Vec<u8>,
    pub(super) is_long: bool,
}

/// Where a picture is carried to.
pub(super) struct View<'a> {
    pub(super) scene: &'a Scene,
    pub(super) camera: &'a CameraPose,
    /// Of `scene` as `camera` sees it.
    pub(super) maps: &'a ShadowMaps,
    /// Primitives of bodies in doubt.
    pub(super) doubted: &'a [bool],
}

impl Carried {
    /// Shows `frame` as `view` has it. Of primitives that are `relit` since then it says nothing.
    pub(super) fn carry(&mut self, frame: &PastFrame, view: &View, relit: &[bool]) {
        let pixels = view.maps.width * view.maps.height;
        self.rgb.resize(3 * pixels, 0.0);
        self.valid.resize(pixels, 0.0);
        warp(view.scene, view.camera, view.maps, frame, &mut self.rgb, &mut self.valid);
        forget_enlarged(view, &frame.camera, &mut self.valid);
        if relit.contains(&true) {
            for (valid, primitive) in self.valid.iter_mut().zip(&view.maps.primitive) {
                if relit.get(usize::from(*primitive)).is_some_and(|relit| *relit) {
                    *valid = 0.0;
                }
            }
        }
    }

    /// Takes over what is not known from an older one.
    pub(super) fn fill_from(&mut self, older: &Self) {
        let pixels = self.rgb.chunks_exact_mut(3).zip(&mut self.valid);
        for ((rgb, valid), (older_rgb, older_valid)) in
            pixels.zip(older.rgb.chunks_exact(3).zip(&older.valid))
        {
            if *valid < KNOWN && *older_valid >= KNOWN {
                rgb.copy_from_slice(older_rgb);
                *valid = *older_valid;
            }
        }
    }

    /// Compares a picture, sRGB 0 to 1, with it.
    pub(super) fn tell(&mut self, expected: &Expected, rgb: &[f32]) {
        self.told.clear();
        self.told.resize(expected.width * expected.height, 0);
        for y in 0..expected.height {
            for x in 0..expected.width {
                let pixel = y * expected.width + x;
                if self.valid[pixel] >= KNOWN {
                    let told = if self.is_in_range(expected, x, y, rgb) {
                        1
                    } else {
                        self.mean_tells(expected, x, y, rgb)
                    };
                    self.told[pixel] = told;
                }
            }
        }
    }

    /// Share of the body of `view` that came into another light while what is around it did not, or much less: then it is hardly the light. 0 if it did.
    pub(super) fn lit_alone(&self, expected: &Expected, view: &BodyView) -> f32 {
        let (width, height) = (expected.width, expected.height);
        let rect = view.rect.grown(RING_PX, width, height);
        let [mut own, mut ring] = [[0u32; 2]; 2];
        for y in usize::from(rect.y0)..usize::from(rect.y1) {
            for x in usize::from(rect.x0)..usize::from(rect.x1) {
                let pixel = y * width + x;
                let is_own = expected.object[pixel] == view.body;
                let [known, changed] = if is_own { &mut own } else { &mut ring };
                *known += u32::from(self.told[pixel] > 0);
                *changed += u32::from(self.told[pixel] >= LIT);
            }
        }
        let share = |[known, changed]: [u32; 2]| changed as f32 / known.max(1) as f32;
        let alone = ring[0] >= LEAST_RING && share(ring) < RING_SHARE * share(own);
        if alone { share(own) } else { 0.0 }
    }

    /// Whether a pixel's colour lies between those of its neighbours as they were.
    fn is_in_range(&self, expected: &Expected, x: usize, y: usize, rgb: &[f32]) -> bool {
        let (width, own) = (expected.width, 3 * (y * expected.width + x));
        let mut least = [self.rgb[own], self.rgb[own + 1], self.rgb[own + 2]];
        let mut most = least;
        for ny in y.saturating_sub(1)..(y + 2).min(expected.height) {
            for nx in x.saturating_sub(1)..(x + 2).min(width) {
                let other = ny * width + nx;
                if self.valid[other] <= 0.0 {
                    continue;
                }
                for c in 0..3 {
                    let value = self.rgb[3 * other + c];
                    least[c] = least[c].min(value);
                    most[c] = most[c].max(value);
                }
            }
        }
        (0..3).all(|c| {
            let value = rgb[own + c];
            let room = room(most[c]);
            value >= least[c] - room && value <= most[c] + room
        })
    }

    /// Compares the means of the same surface around a pixel: whoever comes closer sees more of a wall, but no other wall.
    fn mean_tells(&self, expected: &Expected, x: usize, y: usize, rgb: &[f32]) -> u8 {
        let width = expected.width;
        let object = expected.object[y * width + x];
        let (mut now, mut then, mut count) = ([0.0f32; 3], [0.0f32; 3], 0.0f32);
        for ny in y.saturating_sub(AROUND)..(y + AROUND + 1).min(expected.height) {
            for nx in x.saturating_sub(AROUND)..(x + AROUND + 1).min(width) {
                let other = ny * width + nx;
                if expected.object[other] != object || self.valid[other] < KNOWN {
                    continue;
                }
                count += 1.0;
                for c in 0..3 {
                    now[c] += rgb[3 * other + c];
                    then[c] += self.rgb[3 * other + c];
                }
            }
        }
        let count = count.max(1.0);
        let (mut differs, mut slowest, mut fastest) = (false, f32::MAX, 0.0f32);
        for (now, then) in now.into_iter().zip(then) {
            let (now, then) = (now / count, then / count);
            differs |= (now - then).abs() > room(then);
            let ratio = (now + DARK) / (then + DARK);
            slowest = slowest.min(ratio);
            fastest = fastest.max(ratio);
        }
        if !differs {
            return 1;
        }
        let is_light = fastest < SAME_HUE * slowest && fastest < LIGHT && slowest > 1.0 / LIGHT;
        if is_light { 2 } else { 3 }
    }
}

/// What was seen from much farther off says little of how it looks from nearby. Bodies are taken to stand still; those in doubt are given more room.
fn forget_enlarged(view: &View, then: &CameraPose, valid: &mut [f32]) {
    let View { camera, maps, doubted, .. } = *view;
    let then_from_now = then.world_from_camera.inverse().compose(&camera.world_from_camera);
    let [first, right, below] =
        [(0, 0), (1, 0), (0, 1)].map(|(x, y)| ray(camera, maps.width, maps.height, x, y));
    let (right, below) = (right - first, below - first);
    for (pixel, valid) in valid.iter_mut().enumerate().filter(|(_, valid)| **valid > 0.0) {
        let depth_m = maps.depth_m[pixel];
        let (x, y) = (pixel % maps.width, pixel / maps.width);
        let point = (first + x as f32 * right + y as f32 * below) * depth_m;
        let in_doubt = doubted.get(usize::from(maps.primitive[pixel])).is_some_and(|doubt| *doubt);
        let most = if in_doubt { ENLARGED_IN_DOUBT } else { ENLARGED };
        if depth_m.is_finite() && -then_from_now.transform_point(point).z > most * depth_m {
            *valid = 0.0;
        }
    }
}

/// How far a colour may lie from `value`.
fn room(value: f32) -> f32 {
    DIFFERS + DIFFERS_SHARE * value
}
