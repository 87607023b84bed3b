//! Past frames that the next one may take pixels from.
//!
//! The last frame is always offered. Of the older ones a bounded set of keyframes is kept: when there are too many, the
//! one goes that shows least of what no other one shows. Those that show most of what the last frame does not are laid over
//! each other into one candidate.

use glam::Vec3;
use reverie_guard::{CameraPose, Pose};
use reverie_kernels::raster::unproject;
use reverie_kernels::rows::each_of;
use reverie_kernels::warp::{PastFrame, shared_view, warp, warp_coverage};

use crate::condition::Candidates;
use crate::style::StyleWeights;
use crate::view::ShadowView;

/// Keyframes kept. At 128×72 one takes about 220 KiB.
pub const MOST_KEYS: usize = 32;
/// Keyframes laid over each other in one view.
const LAYERED_KEYS: usize = 3;
/// Every so many pixels are asked when keyframes are chosen.
const COVERAGE_STRIDE: usize = 4;
/// Every so many pixels are asked when one has to go.
const SHARED_STRIDE: usize = 8;
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
    /// How many other keyframes show the point of each [`SHARED_STRIDE`]th pixel, too.
    shared: Vec<u8>,
}

impl Key {
    fn new(frame: PastFrame, style: StyleWeights) -> Self {
        Self { frame, style, shared: Vec::new() }
    }

    /// Points that only this keyframe shows.
    fn own_points(&self) -> usize {
        self.shared.iter().filter(|others| **others == 0).count()
    }

    /// Another keyframe comes (+1) or goes (−1).
    fn count(&mut self, other: &PastFrame, change: i8) {
        let shared = shared_view(&self.frame, other, SHARED_STRIDE);
        self.shared.resize(shared.len(), 0);
        for (count, _) in self.shared.iter_mut().zip(shared).filter(|(_, shared)| *shared) {
            *count = count.saturating_add_signed(change);
        }
    }
}

/// The last frame and keyframes.
#[derive(Debug, Default)]
pub struct References {
    last: Option<Key>,
    keys: Vec<Key>,
    /// Keeps the last frame alone, to measure what keyframes bring.
    pub last_only: bool,
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
        let other_weather = |key: &Key| key.style.distance(&style) >= OTHER_STYLE;
        while let Some(index) = self.keys.iter().position(other_weather) {
            self.drop_key(index);
        }
        if let Some(old) = self.last.replace(Key::new(frame, style)) {
            // The first picture from a place is the least resampled one: later ones do not replace it.
            let new_place =
                self.keys.iter().all(|k| distance(&k.frame.camera, &old.frame.camera) > NEAR);
            if new_place && !self.last_only && old.style.distance(&style) < OTHER_STYLE {
                self.keep(old);
            }
        }
    }

    /// Of too many keyframes the one goes that shows least by itself; of equal ones the newer one.
    fn keep(&mut self, fresh: Key) {
        let mut fresh = fresh;
        for key in &mut self.keys {
            key.count(&fresh.frame, 1);
            fresh.count(&key.frame, 1);
        }
        self.keys.push(fresh);
        if self.keys.len() > MOST_KEYS {
            let worth = |index: &usize| self.keys[*index].own_points();
            // The last one is the first look at what is seen now.
            if let Some(index) = (0..MOST_KEYS).rev().min_by_key(worth) {
                self.drop_key(index);
            }
        }
    }

    fn drop_key(&mut self, index: usize) {
        let gone = self.keys.remove(index);
        for key in &mut self.keys {
            key.count(&gone.frame, -1);
        }
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
        each_of(frames, |f| warp_coverage(scene, camera, maps, f, COVERAGE_STRIDE));
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

#[cfg(test)]
mod tests {
    use glam::Quat;
    use reverie_guard::{Body, BodyKind, ShadowSnapshot, Shape};

    use super::*;

    fn frame(snapshot: &ShadowSnapshot) -> PastFrame {
        let view = ShadowView::new(snapshot, &StyleWeights::NOON, 64, 36, true);
        PastFrame::new(view.scene(), &view.camera, &view.maps, vec![0.5; 3 * 64 * 36])
    }

    /// A wall behind a camera that then paces before another wall, to and fro.
    fn snapshot(at_m: Vec3, yaw: f32) -> ShadowSnapshot {
        let wall = |id, z| Body {
            id,
            shape: Shape::Cuboid { half_extents_m: Vec3::new(30.0, 3.0, 0.2) },
            world_from_body: Pose::new(Quat::IDENTITY, Vec3::new(0.0, 2.0, z)),
            linear_velocity_m_s: Vec3::ZERO,
            angular_velocity_rad_s: Vec3::ZERO,
            kind: BodyKind::Fixed,
            material: 4,
            tint_srgb: None,
        };
        ShadowSnapshot {
            tick: 0,
            time_s: 0.0,
            camera: CameraPose {
                world_from_camera: Pose::new(Quat::from_rotation_y(yaw), at_m),
                vertical_fov_rad: 1.0,
            },
            bodies: vec![wall(1, -6.0), wall(2, 6.0)],
            sun_direction: Vec3::Y,
        }
    }

    #[test]
    fn the_only_view_of_a_place_outlives_many_of_another() {
        let mut references = References::default();
        let behind = snapshot(Vec3::ZERO, std::f32::consts::PI);
        references.commit(frame(&behind), StyleWeights::NOON);
        for step in 0..400 {
            let along = 4.0 * (step as f32 * 0.37).sin();
            let near = Vec3::new(along, 0.0, -1.5 * (step as f32 * 0.23).cos());
            references.commit(
                frame(&snapshot(near, 0.3 * (step as f32 * 0.11).sin())),
                StyleWeights::NOON,
            );
        }
        assert_eq!(references.keys.len(), MOST_KEYS);
        let view = ShadowView::new(&behind, &StyleWeights::NOON, 64, 36, true);
        let mut candidates = Candidates::default();
        candidates.clear(64 * 36);
        references.read(&view, &mut candidates);
        let known = candidates.key_valid.iter().filter(|v| **v > 0.0).count();
        assert!(known > 64 * 36 / 2, "{known} pixels");
    }

    #[test]
    fn counts_stay_true_when_keyframes_go() {
        let mut references = References::default();
        for step in 0..80 {
            let at_m = Vec3::new(step as f32, 0.0, 0.0);
            references.commit(frame(&snapshot(at_m, 0.1)), StyleWeights::NOON);
        }
        for (index, key) in references.keys.iter().enumerate() {
            let mut fresh = Key::new(key.frame.clone(), key.style);
            let others = references.keys.iter().enumerate().filter(|(other, _)| *other != index);
            others.for_each(|(_, other)| fresh.count(&other.frame, 1));
            assert_eq!(fresh.shared, key.shared, "keyframe {index}");
        }
    }
}
