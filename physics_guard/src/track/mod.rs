//! What is known of each body over time: where the pictures show it, beside where the shadow has it.
//!
//! A track follows the *offset* from the shadow, so a camera that moves and a body that is thrown cancel out, and a
//! picture that obeys the physics has an offset of zero. Means are kept in the world frame, variances along the axes of
//! the camera: across the picture a body is known to a fraction of a pixel, along the view only as well as the observer
//! knows depth.

mod fit;
mod kalman;
mod motion;

use std::collections::HashMap;

use glam::{Quat, Vec2, Vec3};

pub use fit::{Line, Parabola};
pub use kalman::Offset;
pub use motion::Motion;
pub(crate) use motion::{diameter_m, is_still};

use crate::expected::{BodyKind, Expected};
use crate::observed::Observed;

/// Samples that a track remembers.
pub const HISTORY: usize = 24;
/// A body that was not seen for longer than this is forgotten, seconds.
const FORGET_S: f64 = 1.0;
/// Time between two pictures beyond which a motion cannot be joined, seconds.
const LONGEST_STEP_S: f64 = 0.3;
/// Pictures of a surprising offset before the track believes it.
const GATED_FRAMES: u8 = 5;

/// One picture of one body.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Simulated time, seconds.
    pub time_s: f64,
    /// Seen from expected, across the picture only, in the world frame. Metres.
    pub offset_m: Vec3,
    /// Standard deviation of [`Self::offset_m`] across the picture, metres.
    pub sigma_m: f32,
    /// Seen from expected, pixels.
    pub shift_px: Vec2,
    /// Where the shadow has the body.
    pub position_m: Vec3,
    /// Its velocity there.
    pub velocity_m_s: Vec3,
    /// What the shadow's body does.
    pub motion: Motion,
    /// What contacts gave it since the sample before, per kilogram: Δv − g·Δt. m/s.
    pub push_m_s: Vec3,
    /// Metres across one pixel at its depth.
    pub metres_per_pixel: f32,
}

/// A body over time.
#[derive(Debug, Clone)]
pub struct Track {
    /// Filtered offset from the shadow.
    pub offset: Offset,
    /// How far the last picture's offset was from where the filter expected it, across the picture, metres; and its
    /// standard deviation.
    pub innovation_m: Option<(f32, f32)>,
    /// Seen in the last picture.
    pub fresh: bool,
    samples: [Sample; HISTORY],
    len: usize,
    last_s: f64,
    gated: u8,
    last: (Vec3, Quat, Vec3, f64),
}

impl Track {
    fn new(position_m: Vec3, rotation: Quat, velocity_m_s: Vec3, time_s: f64) -> Self {
        let blank = Sample {
            time_s,
            offset_m: Vec3::ZERO,
            sigma_m: 0.0,
            shift_px: Vec2::ZERO,
            position_m,
            velocity_m_s,
            motion: Motion::Moving,
            push_m_s: Vec3::ZERO,
            metres_per_pixel: 0.0,
        };
        Self {
            offset: Offset::default(),
            innovation_m: None,
            fresh: false,
            samples: [blank; HISTORY],
            len: 0,
            last_s: time_s,
            gated: 0,
            last: (position_m, rotation, velocity_m_s, time_s),
        }
    }

    /// The pictures in which it was seen one after the other, the newest last.
    pub fn samples(&self) -> &[Sample] {
        &self.samples[..self.len]
    }

    /// The newest samples of which `holds` is true without a gap, the newest last.
    pub fn newest_while(&self, holds: impl Fn(&Sample) -> bool) -> &[Sample] {
        let samples = self.samples();
        let kept = samples.iter().rev().take_while(|sample| holds(sample)).count();
        &samples[samples.len() - kept..]
    }

    fn push(&mut self, sample: Sample) {
        if self.len == HISTORY {
            self.samples.rotate_left(1);
            self.len -= 1;
        }
        self.samples[self.len] = sample;
        self.len += 1;
    }
}

/// All bodies over time.
#[derive(Debug, Clone, Default)]
pub struct Tracks {
    tracks: HashMap<u64, Track>,
    time_s: Option<f64>,
}

impl Tracks {
    /// The track of a body.
    pub fn get(&self, id: u64) -> Option<&Track> {
        self.tracks.get(&id)
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.tracks.clear();
        self.time_s = None;
    }

    /// Where the filter expects a body in the picture, as a shift from where the shadow has it; pixels.
    pub(crate) fn predicted_px(&self, id: u64, expected: &Expected, metres_per_pixel: f32) -> Vec2 {
        let Some(track) = self.tracks.get(&id) else { return Vec2::ZERO };
        let dt_s = (expected.snapshot.time_s - track.last_s).clamp(0.0, FORGET_S) as f32;
        let offset_m = track.offset.mean_m + track.offset.rate_m_s * dt_s;
        let camera_from_world = expected.snapshot.camera.world_from_camera.rotation.inverse();
        let across = camera_from_world * offset_m;
        Vec2::new(across.x, -across.y) / metres_per_pixel.max(1e-6)
    }

    /// Goes on to the picture that `observed` is of. `gate_m` says beyond which distance an offset is a surprise, by the
    /// body's diameter and the offset's deviation, metres.
    pub(crate) fn advance(
        &mut self,
        expected: &Expected,
        observed: &Observed,
        gravity_m_s2: Vec3,
        gate_m: impl Fn(f32, f32) -> f32,
    ) {
        let snapshot = &expected.snapshot;
        let now_s = snapshot.time_s;
        if self.time_s.is_some_and(|last_s| !(now_s >= last_s)) {
            self.clear();
        }
        self.time_s = Some(now_s);
        for track in self.tracks.values_mut() {
            track.fresh = false;
            track.innovation_m = None;
        }
        let world_from_camera = snapshot.camera.world_from_camera.rotation;
        for measurement in &observed.measurements {
            let Some(body) = snapshot.bodies.get(usize::from(measurement.body)) else { continue };
            let (pose, velocity_m_s) = (body.world_from_body, body.linear_velocity_m_s);
            let fresh = || Track::new(pose.translation_m, pose.rotation, velocity_m_s, now_s);
            let track = self.tracks.entry(body.id).or_insert_with(fresh);
            let step_s = now_s - track.last.3;
            let motion = if body.kind == BodyKind::Fixed {
                Motion::Resting
            } else {
                motion::motion(body, &track.last, step_s, gravity_m_s2)
            };
            let push_m_s = velocity_m_s - track.last.2 - gravity_m_s2 * step_s as f32;
            track.last = (pose.translation_m, pose.rotation, velocity_m_s, now_s);
            if !measurement.is_placed() || !(measurement.metres_per_pixel > 0.0) {
                continue;
            }
            if now_s - track.last_s > LONGEST_STEP_S {
                track.len = 0;
            }
            let mpp = measurement.metres_per_pixel;
            // What looks as before stands where it should: pictures that no observer saw say so, and those that one saw must not jump beside them.
            let as_before = observed.recalled.vouches_for(measurement.body);
            let shift_px = if as_before { Vec2::ZERO } else { measurement.shift_px };
            let across = Vec3::new(shift_px.x * mpp, -shift_px.y * mpp, 0.0);
            let sigma_m =
                mpp * (0.5 * (measurement.shift_var_px2.x + measurement.shift_var_px2.y)).sqrt();
            let along_m = -measurement.depth_m * (measurement.ln_depth.exp() - 1.0);
            let variance = Vec3::new(
                measurement.shift_var_px2.x * mpp * mpp,
                measurement.shift_var_px2.y * mpp * mpp,
                measurement.ln_depth_var * measurement.depth_m * measurement.depth_m,
            );
            let dt_s = (now_s - track.last_s).max(0.0) as f32;
            let mut next = track.offset;
            next.predict(dt_s);
            let innovation = world_from_camera.inverse() * (-next.mean_m) + across;
            let distance_m = Vec2::new(innovation.x, innovation.y).length();
            let spread = next.variance_m2();
            let deviation_m = (sigma_m * sigma_m + 0.5 * (spread.x + spread.y)).sqrt();
            let surprising = distance_m > gate_m(motion::diameter_m(body), deviation_m);
            track.innovation_m = Some((distance_m, deviation_m));
            track.fresh = true;
            if surprising && track.gated < GATED_FRAMES {
                track.gated += 1;
            } else {
                if track.gated >= GATED_FRAMES {
                    next = Offset::default();
                    track.len = 0;
                }
                let seen = across + Vec3::new(0.0, 0.0, along_m);
                next.update(world_from_camera, seen, variance);
                track.gated = 0;
            }
            track.offset = next;
            track.last_s = now_s;
            track.push(Sample {
                time_s: now_s,
                offset_m: world_from_camera * across,
                sigma_m,
                shift_px,
                position_m: pose.translation_m,
                velocity_m_s,
                motion,
                push_m_s: if step_s <= LONGEST_STEP_S { push_m_s } else { Vec3::ZERO },
                metres_per_pixel: mpp,
            });
        }
        self.tracks.retain(|_, track| now_s - track.last_s <= FORGET_S);
    }
}

#[cfg(test)]
mod tests;
