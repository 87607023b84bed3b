//! A dream's camera, followed from frame to frame and held to the commands.

use std::collections::BTreeMap;
use std::fmt::Write;

use glam::{Quat, Vec3};
use reverie_guard::CameraPose;
use serde::Serialize;

use super::register::{Offset, Registration, register, wrapped};
use crate::commanded::{commanded, pitch_rad, yaw_rad};
use crate::eval::clip::{Clip, at};
use crate::eval::rows::PROMPT_FRAMES;
use crate::request::Action;

/// Frames after the prompt at which the drift is told.
pub const DRIFT_FRAMES: [usize; 3] = [1, 8, 16];
/// A look by more than this in a frame is a command, radians.
const LEAST_LOOK_RAD: f32 = 0.005;
/// A walk with more than this share of full speed is a command.
const LEAST_WALK: f32 = 0.3;

/// Name of a command, the axis of [`Action`], and its sign there.
const KEYS: [(&str, usize, f32); 8] = [
    ("walk_right", 0, 1.0),
    ("walk_left", 0, -1.0),
    ("walk_forward", 1, 1.0),
    ("walk_back", 1, -1.0),
    ("turn_right", 2, 1.0),
    ("turn_left", 2, -1.0),
    ("look_up", 3, 1.0),
    ("look_down", 3, -1.0),
];

/// Mean and quantiles of errors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Arithmetic.
    pub mean: f64,
    /// Median, by nearest rank.
    pub p50: f64,
    /// By nearest rank.
    pub p95: f64,
}

impl Spread {
    /// `None` without a value.
    fn of(values: &[f32]) -> Option<Self> {
        let mut sorted: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let rank = |q: f64| ((q * count as f64).ceil() as usize).clamp(1, count.max(1)) - 1;
        Some(Self {
            mean: sorted.iter().sum::<f64>() / count.max(1) as f64,
            p50: *sorted.get(rank(0.5))?,
            p95: *sorted.get(rank(0.95))?,
        })
    }
}

/// How often a command was followed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Following {
    /// Frames with the command.
    pub commanded: usize,
    /// Of those, frames whose motion was found.
    pub judged: usize,
    /// Of those, frames that moved the commanded way.
    pub followed: usize,
    /// Followed over judged.
    pub share: Option<f64>,
}

/// How a dream's camera obeys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraFigures {
    /// Dreamed frames that were looked at.
    pub frames: usize,
    /// Share of them that show the scene well enough to tell where the camera is.
    pub valid_share: f64,
    /// Rotation from frame to frame against the commanded one, degrees.
    pub rotation_error_deg: Option<Spread>,
    /// Way from frame to frame against the commanded one, centimetres. Commands know no walls and no inertia, so the true
    /// camera has such an error, too.
    pub translation_error_cm: Option<Spread>,
    /// Rotation from frame to frame against the true camera's, degrees.
    pub true_rotation_error_deg: Option<Spread>,
    /// Way from frame to frame against the true camera's, centimetres.
    pub true_translation_error_cm: Option<Spread>,
    /// Mean angle to the direction of all commands together, degrees, by frames after the prompt.
    pub drift_deg: BTreeMap<usize, f64>,
    /// By command: of the frames with it, those whose camera moved its way.
    pub following: BTreeMap<&'static str, Following>,
}

impl CameraFigures {
    /// As lines of a table.
    pub(in crate::eval) fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "dream's camera: found in {:.0} % of {} frames",
            100.0 * self.valid_share,
            self.frames
        )?;
        for (what, spread, unit) in [
            ("turn a frame, against the command", self.rotation_error_deg, "deg"),
            ("way a frame, against the command", self.translation_error_cm, "cm"),
            ("turn a frame, against the true camera", self.true_rotation_error_deg, "deg"),
            ("way a frame, against the true camera", self.true_translation_error_cm, "cm"),
        ] {
            if let Some(Spread { mean, p50, p95 }) = spread {
                writeln!(out, "  {what}: off by {mean:.2} {unit}, p50 {p50:.2}, p95 {p95:.2}")?;
            }
        }
        for (frame, drift) in &self.drift_deg {
            writeln!(out, "  drift from all commands at frame {frame}: {drift:.2} deg")?;
        }
        for (key, following) in &self.following {
            let Following { commanded, judged, followed, .. } = following;
            writeln!(
                out,
                "  {key:<13} followed in {followed} of {judged} frames found, {commanded} commanded"
            )?;
        }
        Ok(())
    }
}

/// Sums over dreams.
#[derive(Debug, Default)]
pub struct CameraTally {
    frames: usize,
    valid: usize,
    rotation_deg: Vec<f32>,
    translation_cm: Vec<f32>,
    true_rotation_deg: Vec<f32>,
    true_translation_cm: Vec<f32>,
    drift_deg: BTreeMap<usize, Vec<f32>>,
    following: BTreeMap<&'static str, Following>,
}

impl CameraTally {
    /// The figures; `None` if no dream was looked at.
    pub fn figures(&self) -> Option<CameraFigures> {
        let share = |followed: &Following| Following {
            share: (followed.judged > 0).then(|| followed.followed as f64 / followed.judged as f64),
            ..*followed
        };
        let mean = |values: &Vec<f32>| {
            values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len().max(1) as f64
        };
        (self.frames > 0).then(|| CameraFigures {
            frames: self.frames,
            valid_share: self.valid as f64 / self.frames as f64,
            rotation_error_deg: Spread::of(&self.rotation_deg),
            translation_error_cm: Spread::of(&self.translation_cm),
            true_rotation_error_deg: Spread::of(&self.true_rotation_deg),
            true_translation_error_cm: Spread::of(&self.true_translation_cm),
            drift_deg: self.drift_deg.iter().map(|(frame, all)| (*frame, mean(all))).collect(),
            following: self.following.iter().map(|(key, sum)| (*key, share(sum))).collect(),
        })
    }
}

/// One dream under way; its frames come in order.
#[derive(Debug)]
pub struct CameraTrack<'a> {
    clip: &'a Clip,
    tally: &'a mut CameraTally,
    /// Where the camera was found last, or would be by command since.
    camera: CameraPose,
    /// The last frame's camera was found.
    known: bool,
    /// The true camera of the last frame.
    truth: CameraPose,
    /// By all commands since the prompt.
    commanded: CameraPose,
}

impl<'a> CameraTrack<'a> {
    /// Begins at the last prompt frame, whose picture and camera are true.
    pub fn new(clip: &'a Clip, tally: &'a mut CameraTally) -> Self {
        let camera = clip.snapshot(PROMPT_FRAMES - 1).camera;
        Self { clip, tally, camera, known: true, truth: camera, commanded: camera }
    }

    /// Looks at the dreamed picture (interleaved sRGB, 0 to 1) of frame `frame` after the prompt.
    pub fn add(&mut self, frame: usize, rgb: &[f32]) {
        let (index, dt_s) = (at(frame), self.clip.frame_dt_s());
        let action = self.clip.actions[index];
        let truth = self.clip.snapshot(index).camera;
        let expected = commanded(&self.camera, &action, dt_s);
        self.commanded = commanded(&self.commanded, &action, dt_s);
        let guesses = [
            Offset::between(&truth, &expected),
            Offset::default(),
            Offset::between(&self.truth, &self.camera),
        ];
        let registration = Registration::new(
            self.clip.picture(self.clip.truth(frame)),
            &self.clip.depth_m(index),
            &truth,
        );
        let found = register(&registration, self.clip.picture(rgb), &guesses);
        self.tally.frames += 1;
        let valid = found.is_valid();
        let camera = if valid { found.offset.camera(&truth) } else { expected };
        self.follow(&action, valid && self.known, &camera);
        if valid {
            self.tally.valid += 1;
            if self.known {
                let (rotation, translation) = apart(&camera, &expected);
                self.tally.rotation_deg.push(rotation);
                self.tally.translation_cm.push(translation);
                let (rotation, translation) =
                    apart(&camera, &as_true(&self.camera, &self.truth, &truth));
                self.tally.true_rotation_deg.push(rotation);
                self.tally.true_translation_cm.push(translation);
            }
            if DRIFT_FRAMES.contains(&frame) {
                let drift = apart(&camera, &self.commanded).0;
                self.tally.drift_deg.entry(frame).or_default().push(drift);
            }
        }
        (self.camera, self.known, self.truth) = (camera, valid, truth);
    }

    /// Counts the commands of a frame, and whether the camera moved from its last place as they say.
    fn follow(&mut self, action: &Action, judged: bool, camera: &CameraPose) {
        let heading = Quat::from_rotation_y(-yaw_rad(&self.camera));
        let way =
            camera.world_from_camera.translation_m - self.camera.world_from_camera.translation_m;
        let way: Vec3 = heading * way;
        let moved = [
            way.x,
            -way.z,
            -wrapped(yaw_rad(camera) - yaw_rad(&self.camera)),
            pitch_rad(camera) - pitch_rad(&self.camera),
        ];
        for (key, axis, sign) in KEYS {
            let least = if axis < 2 { LEAST_WALK } else { LEAST_LOOK_RAD };
            if sign * action[axis] > least {
                let following = self.tally.following.entry(key).or_default();
                following.commanded += 1;
                following.judged += usize::from(judged);
                following.followed += usize::from(judged && sign * moved[axis] > 0.0);
            }
        }
    }
}

/// Angle in degrees, and level distance in centimetres: heights are not found, so they are not compared.
fn apart(a: &CameraPose, b: &CameraPose) -> (f32, f32) {
    let (a, b) = (a.world_from_camera, b.world_from_camera);
    let way = (a.translation_m - b.translation_m).with_y(0.0);
    (a.rotation.angle_between(b.rotation).to_degrees(), 100.0 * way.length())
}

/// `camera`, turned, raised and moved as the true camera did from `before` to `now`: the error that is left is the relative
/// pose error (Sturm et al. 2012).
fn as_true(camera: &CameraPose, before: &CameraPose, now: &CameraPose) -> CameraPose {
    // The true motion as an offset, in the frame of the heading, of another camera.
    let motion = Offset::between(before, now);
    motion.camera(camera)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_and_nothing_has_none() {
        let spread = Spread::of(&[3.0, 1.0, 2.0, 10.0]).unwrap();
        assert_eq!((spread.mean, spread.p50, spread.p95), (4.0, 2.0, 10.0));
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(CameraTally::default().figures(), None);
    }
}
