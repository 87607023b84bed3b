//! Past frames that the next one may take pixels from.
//!
//! The last frame is always offered. Of the older ones a bounded set of keyframes is kept: when there are too many, the
//! one goes that shows least of what no other one shows. Those that show most of what the last frame does not are laid over
//! each other into one candidate.

use glam::Vec3;
use reverie_guard::{CameraPose, Pose};
use reverie_kernels::raster::Rays;
use reverie_kernels::rows::{both, each_of, each_row};
use reverie_kernels::warp::{Carried, PastFrame, shared_view};

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
pub(crate) const FINE_ENOUGH: f32 = 0.75;
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

    /// Another keyframe comes (+1) or goes (−1) that shows these of the points.
    fn count(&mut self, shared: &[bool], change: i8) {
        self.shared.resize(shared.len(), 0);
        for (count, _) in self.shared.iter_mut().zip(shared).filter(|(_, shared)| **shared) {
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
        let shared = each_of(&self.keys, |key| {
            let view = |of, by| shared_view(of, by, SHARED_STRIDE);
            (view(&key.frame, &fresh.frame), view(&fresh.frame, &key.frame))
        });
        for (key, (of_key, of_fresh)) in self.keys.iter_mut().zip(&shared) {
            key.count(of_key, 1);
            fresh.count(of_fresh, 1);
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
        let shared = |key: &Key| shared_view(&key.frame, &gone.frame, SHARED_STRIDE);
        let shared = each_of(&self.keys, shared);
        self.keys.iter_mut().zip(&shared).for_each(|(key, shared)| key.count(shared, -1));
    }

    /// Reprojects into `view`: `last` and `key` of the candidates, whatever they held before. Returns whether a keyframe was used.
    pub fn read(&self, view: &ShadowView, candidates: &mut Candidates) -> bool {
        let (scene, camera, maps) = (view.scene(), &view.camera, &view.maps);
        let rays = Rays::new(camera, maps.width, maps.height);
        let carried = |past| Carried::new(scene, camera, maps, &rays, past);
        let last = self.last.as_ref().map(|last| carried(&last.frame));
        let keys: Vec<&PastFrame> = self.keys.iter().map(|k| &k.frame).collect();
        let known = |x, y| last.as_ref().is_some_and(|last| last.at(x, y).1 > 0.0);
        let chosen = choose(&keys, view, &rays, known);
        let keys: Vec<Carried> = chosen.iter().map(|key| carried(keys[*key])).collect();
        // While the weather changes, only the last frame shows the present light.
        let is_old = |key: &Key, last: &Key| key.style.distance(&last.style) >= SAME_STYLE;
        let steady =
            self.last.as_ref().is_some_and(|last| !self.keys.iter().any(|k| is_old(k, last)));
        let eye = Eye::new(view, &rays);
        let width = maps.width.max(1);
        let parts = candidates
            .last
            .chunks_exact_mut(3 * width)
            .zip(candidates.key.chunks_exact_mut(3 * width))
            .zip(candidates.last_valid.chunks_exact_mut(width))
            .zip(candidates.key_valid.chunks_exact_mut(width))
            .zip(candidates.key_fineness.chunks_exact_mut(width));
        let mut rows: Vec<_> = parts.collect();
        let mut nothing = vec![(); rows.len()];
        each_row((&mut rows, 1), (&mut nothing, 1), |y, row, _| {
            let ((((last_rgb, key_rgb), last_valid), key_valid), fineness) = &mut row[0];
            for x in 0..width {
                let rgb = 3 * x..3 * x + 3;
                let (key, fine) = eye.layered(&keys, x, y);
                key_rgb[rgb.clone()].copy_from_slice(&key.0);
                (key_valid[x], fineness[x]) = (key.1, fine);
                // A picture that is reprojected from frame to frame is resampled each time and goes soft within seconds. A keyframe
                // is resampled once. The last frame keeps what moves, and what was not seen as closely before.
                let original = steady && fine >= FINE_ENOUGH && !view.moves(y * width + x);
                let newest = match &last {
                    _ if original => key,
                    Some(last) => last.at(x, y),
                    None => ([0.0; 3], 0.0),
                };
                last_rgb[rgb].copy_from_slice(&newest.0);
                last_valid[x] = newest.1;
            }
        });
        !keys.is_empty()
    }
}

/// The camera of now, and how closely others saw what it sees.
struct Eye<'a> {
    view: &'a ShadowView,
    rays: &'a Rays,
}

impl<'a> Eye<'a> {
    fn new(view: &'a ShadowView, rays: &'a Rays) -> Self {
        Self { view, rays }
    }

    /// The point that pixel (`x`, `y`) sees, metres.
    fn point(&self, x: usize, y: usize) -> Vec3 {
        let maps = &self.view.maps;
        // The sky is equally far from everywhere.
        let depth_m = maps.depth_m[y * maps.width + x].min(1e4);
        self.view.camera.world_from_camera.transform_point(self.rays.at(x, y) * depth_m)
    }

    /// How closely the camera `then` saw a point, as a share of how closely it is seen now; 1 at most.
    fn fineness(&self, point: Vec3, then: &CameraPose) -> f32 {
        let distance = |camera: &CameraPose| point.distance(camera.world_from_camera.translation_m);
        (distance(&self.view.camera) / distance(then).max(1e-3)).min(1.0)
    }

    /// Pixel (`x`, `y`) of the first of `frames` that knows it, its validity, and how closely that one saw it.
    fn layered(&self, frames: &[Carried], x: usize, y: usize) -> (([f32; 3], f32), f32) {
        for frame in frames {
            let found = frame.at(x, y);
            if found.1 > 0.0 {
                return (found, self.fineness(self.point(x, y), &frame.past().camera));
            }
        }
        (([0.0; 3], 0.0), 0.0)
    }
}

/// Of `frames` up to three by what they add, the most useful first. `known` says whether the last frame shows a pixel, too.
fn choose(
    frames: &[&PastFrame],
    view: &ShadowView,
    rays: &Rays,
    known: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<usize> {
    let (scene, camera, maps) = (view.scene(), &view.camera, &view.maps);
    let eye = Eye::new(view, rays);
    let middle = COVERAGE_STRIDE / 2;
    let rows = (middle..maps.height).step_by(COVERAGE_STRIDE);
    let columns = || (middle..maps.width).step_by(COVERAGE_STRIDE);
    let places: Vec<(usize, usize)> = rows.flat_map(|y| columns().map(move |x| (x, y))).collect();
    if frames.is_empty() {
        return Vec::new();
    }
    let points: Vec<Vec3> = places.iter().map(|(x, y)| eye.point(*x, *y)).collect();
    // How closely each frame saw each place; 0 where it did not.
    let share = |frame: &&PastFrame| -> Vec<f32> {
        let carried = Carried::new(scene, camera, maps, rays, frame);
        let share = |(&(x, y), point): (&(usize, usize), &Vec3)| {
            if carried.covers(x, y) { eye.fineness(*point, &frame.camera) } else { 0.0 }
        };
        places.iter().zip(&points).map(share).collect()
    };
    // What only an old frame shows counts five times what the last frame shows as well.
    let worth = |&(x, y): &(usize, usize)| if known(x, y) { 1.0 } else { 5.0 };
    let (shares, mut worth) = both(|| each_of(frames, share), || each_of(&places, worth));
    let mut chosen = Vec::new();
    for _ in 0..LAYERED_KEYS {
        let gains = gains(&shares, &worth).into_iter().enumerate();
        let Some((best, gain)) = gains.max_by(|a, b| a.1.total_cmp(&b.1)) else { break };
        if gain < 0.02 * places.len() as f32 {
            break;
        }
        chosen.push(best);
        for (worth, share) in worth.iter_mut().zip(&shares[best]) {
            if *share > 0.0 {
                *worth = 0.0;
            }
        }
    }
    chosen
}

/// What each frame adds: its shares by their worth.
fn gains(shares: &[Vec<f32>], worth: &[f32]) -> Vec<f32> {
    let mut gains = Vec::with_capacity(shares.len());
    for four in shares.chunks(4) {
        if let [a, b, c, d] = four {
            // Each sum waits for itself alone: four of them take no longer than one.
            let mut sums = [0.0; 4];
            for ((((worth, a), b), c), d) in worth.iter().zip(a).zip(b).zip(c).zip(d) {
                for (sum, share) in sums.iter_mut().zip([a, b, c, d]) {
                    *sum += worth * share;
                }
            }
            gains.extend(sums);
        } else {
            gains.extend(four.iter().map(|shares| {
                worth.iter().zip(shares).map(|(worth, share)| worth * share).sum::<f32>()
            }));
        }
    }
    gains
}

/// Chooses among `frames` by what they add, and lays up to three over each other into `key`.
/// Returns whether any was used.
pub fn layer_keys(frames: &[&PastFrame], view: &ShadowView, candidates: &mut Candidates) -> bool {
    let (scene, camera, maps) = (view.scene(), &view.camera, &view.maps);
    let rays = Rays::new(camera, maps.width, maps.height);
    let last_valid = &candidates.last_valid;
    let known = |x, y| last_valid.get(y * maps.width + x).is_some_and(|v| *v > 0.0);
    let chosen = choose(frames, view, &rays, known);
    let carried = |key: &usize| Carried::new(scene, camera, maps, &rays, frames[*key]);
    let keys: Vec<Carried> = chosen.iter().map(carried).collect();
    let eye = Eye::new(view, &rays);
    for pixel in 0..candidates.key_valid.len() {
        let (key, fineness) = eye.layered(&keys, pixel % maps.width, pixel / maps.width);
        if key.1 > 0.0 && candidates.key_valid[pixel] <= 0.0 {
            candidates.key[3 * pixel..3 * pixel + 3].copy_from_slice(&key.0);
            (candidates.key_valid[pixel], candidates.key_fineness[pixel]) = (key.1, fineness);
        }
    }
    !keys.is_empty()
}

#[cfg(test)]
#[path = "references_tests.rs"]
mod tests;
