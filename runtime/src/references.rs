//! Past frames that the next one may take pixels from.
//!
//! The last frame is always offered. Of the older ones a bounded set of keyframes is kept, spread over
//! poses; those that show most of what the last frame does not are laid over each other into one candidate.

use glam::Vec3;
use reverie_guard::{CameraPose, Pose};
use reverie_kernels::raster::unproject;
use reverie_kernels::warp::{PastFrame, warp, warp_coverage};

use crate::condition::Candidates;
use crate::style::StyleWeights;
use crate::view::ShadowView;

/// Keyframes kept. At 128×72 one takes about 220 KiB.
pub const MOST_KEYS: usize = 32;
/// Keyframes laid over each other in one view.
const LAYERED_KEYS: usize = 3;
/// Every so many pixels are asked when keyframes are chosen.
const COVERAGE_STRIDE: usize = 4;
/// Distance of style weights within which the light is the same.
const SAME_STYLE: f32 = 0.1;
/// A keyframe's pixel at least this fine takes the place of the last frame's.
const FINE_ENOUGH: f32 = 0.75;
/// Two poses nearer than this show the same: 1 is 0.7 m or 14°.
const NEAR: f32 = 1.0;
/// Distance of style weights beyond which an old frame shows another weather.
const OTHER_STYLE: f32 = 0.7;

#[derive(Debug)]
struct Key {
    frame: PastFrame,
    style: StyleWeights,
}

/// The last frame and keyframes.
#[derive(Debug, Default)]
pub struct References {
    last: Option<Key>,
    keys: Vec<Key>,
}

fn distance(a: &CameraPose, b: &CameraPose) -> f32 {
    let pose = |c: &CameraPose| -> Pose { c.world_from_camera };
    let (a, b) = (pose(a), pose(b));
    a.translation_m.distance(b.translation_m) / 0.7 + a.rotation.angle_between(b.rotation) / 0.25
}

impl References {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.last = None;
        self.keys.clear();
    }

    /// The camera of the last frame.
    pub fn last_camera(&self) -> Option<CameraPose> {
        self.last.as_ref().map(|key| key.frame.camera)
    }

    /// Takes in a finished frame.
    pub fn commit(&mut self, frame: PastFrame, style: StyleWeights) {
        self.keys.retain(|key| key.style.distance(&style) < OTHER_STYLE);
        if let Some(old) = self.last.replace(Key { frame, style }) {
            // The first picture from a place is the least resampled one: later ones do not replace it.
            let new_place =
                self.keys.iter().all(|k| distance(&k.frame.camera, &old.frame.camera) > NEAR);
            if new_place && old.style.distance(&style) < OTHER_STYLE {
                if self.keys.len() >= MOST_KEYS {
                    self.drop_most_redundant();
                }
                self.keys.push(old);
            }
        }
    }

    /// Of the two keyframes nearest to each other the newer one goes.
    fn drop_most_redundant(&mut self) {
        let mut nearest = (f32::INFINITY, self.keys.len().saturating_sub(1));
        for i in 1..self.keys.len() {
            for j in 0..i {
                let d = distance(&self.keys[i].frame.camera, &self.keys[j].frame.camera);
                if d < nearest.0 {
                    nearest = (d, i);
                }
            }
        }
        self.keys.remove(nearest.1);
    }

    /// Reprojects into `view`: fills `last` and `key` of the candidates. Returns whether a keyframe was used.
    pub fn read(&self, view: &ShadowView, candidates: &mut Candidates) -> bool {
        if let Some(last) = &self.last {
            warp(
                view.scene(),
                &view.camera,
                &view.maps,
                &last.frame,
                &mut candidates.last,
                &mut candidates.last_valid,
            );
        }
        let keys: Vec<&PastFrame> = self.keys.iter().map(|k| &k.frame).collect();
        let used = layer_keys(&keys, view, candidates);
        // While the weather changes, only the last frame shows the present light.
        let steady =
            |last: &Key| self.keys.iter().all(|k| k.style.distance(&last.style) < SAME_STYLE);
        if self.last.as_ref().is_some_and(steady) {
            prefer_original(view, candidates);
        }
        used
    }
}

/// Puts the keyframes' pixels in place of the last frame's where they are as fine.
///
/// A picture that is reprojected from frame to frame is resampled each time and goes soft within seconds. A keyframe
/// is resampled once. The last frame keeps what moves, and what was not seen as closely before.
fn prefer_original(view: &ShadowView, candidates: &mut Candidates) {
    for pixel in 0..candidates.key_valid.len() {
        let index = usize::from(view.maps.primitive[pixel]);
        let moving = view.shadow.surfaces.get(index).is_some_and(|surface| surface.moving);
        if candidates.key_fineness[pixel] >= FINE_ENOUGH && !moving {
            let rgb = 3 * pixel..3 * pixel + 3;
            candidates.last[rgb.clone()].copy_from_slice(&candidates.key[rgb]);
            candidates.last_valid[pixel] = candidates.key_valid[pixel];
        }
    }
}

/// How closely a past camera saw a point, as a share of how closely it is seen now; 1 at most.
fn fineness(point: Vec3, now: &CameraPose, then: &CameraPose) -> f32 {
    let distance = |camera: &CameraPose| point.distance(camera.world_from_camera.translation_m);
    (distance(now) / distance(then).max(1e-3)).min(1.0)
}

/// Chooses among `frames` by what they add, and lays up to three over each other into `key`.
/// Returns whether any was used.
pub fn layer_keys(frames: &[&PastFrame], view: &ShadowView, candidates: &mut Candidates) -> bool {
    let (scene, camera, maps) = (view.scene(), &view.camera, &view.maps);
    let coverage: Vec<Vec<bool>> =
        frames.iter().map(|f| warp_coverage(scene, camera, maps, f, COVERAGE_STRIDE)).collect();
    let Some(samples) = coverage.first().map(Vec::len) else { return false };
    let middle = COVERAGE_STRIDE / 2;
    let columns = (maps.width + COVERAGE_STRIDE - 1 - middle) / COVERAGE_STRIDE;
    let points: Vec<Vec3> = (0..samples)
        .map(|s| {
            let (x, y) =
                (s % columns * COVERAGE_STRIDE + middle, s / columns * COVERAGE_STRIDE + middle);
            // The sky is equally far from everywhere.
            let depth_m = maps.depth_m[y * maps.width + x].min(1e4);
            unproject(camera, maps.width, maps.height, x, y, depth_m)
        })
        .collect();
    // What only an old frame shows counts five times what the last frame shows as well.
    let mut worth: Vec<f32> = (0..samples)
        .map(|s| {
            let (row, column) = (s / columns, s % columns);
            let pixel =
                (row * COVERAGE_STRIDE + middle) * maps.width + column * COVERAGE_STRIDE + middle;
            if candidates.last_valid.get(pixel).is_some_and(|v| *v > 0.0) { 1.0 } else { 5.0 }
        })
        .collect();
    let (mut rgb, mut valid) = (Vec::new(), Vec::new());
    let mut used = false;
    for _ in 0..LAYERED_KEYS {
        let gain = |frame: usize| {
            let seen = (0..samples).filter(|s| coverage[frame][*s]);
            seen.map(|s| worth[s] * fineness(points[s], camera, &frames[frame].camera)).sum::<f32>()
        };
        let best = (0..frames.len()).map(gain).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((best, gain)) = best else { break };
        if gain < 0.02 * samples as f32 {
            break;
        }
        rgb.resize(candidates.key.len(), 0.0);
        valid.resize(candidates.key_valid.len(), 0.0);
        warp(scene, camera, maps, frames[best], &mut rgb, &mut valid);
        for (pixel, v) in valid.iter().enumerate() {
            if *v > 0.0 && candidates.key_valid[pixel] <= 0.0 {
                candidates.key_valid[pixel] = *v;
                let depth_m = maps.depth_m[pixel].min(1e4);
                let (x, y) = (pixel % maps.width, pixel / maps.width);
                let point = unproject(camera, maps.width, maps.height, x, y, depth_m);
                candidates.key_fineness[pixel] = fineness(point, camera, &frames[best].camera);
                candidates.key[3 * pixel..3 * pixel + 3]
                    .copy_from_slice(&rgb[3 * pixel..3 * pixel + 3]);
            }
        }
        for (worth, covered) in worth.iter_mut().zip(&coverage[best]) {
            if *covered {
                *worth = 0.0;
            }
        }
        used = true;
    }
    used
}
