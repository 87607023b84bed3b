//! The checks of a picture: one file each, one rule of physics each.
//!
//! A [`Check`] looks at one picture, and at the tracks up to it, and reports a [`Finding`] for each thing that it could
//! judge. It decides nothing: votes over pictures, and what is done about a violation, are the guard's. A game adds
//! checks of its own with [`crate::Guard::add_check`].

mod appearance;
mod contact;
mod energy;
mod gravity;
mod interpenetration;
mod jitter;
mod momentum;
mod permanence;
mod scale;
mod teleport;
mod wall;

use glam::Vec3;

pub use appearance::Appearance;
pub use contact::{penetration_m, signed_distance_m};
pub use energy::Energy;
pub use gravity::Gravity;
pub use interpenetration::Interpenetration;
pub use jitter::Jitter;
pub use momentum::Momentum;
pub use permanence::Permanence;
pub use scale::Scale;
pub use teleport::Teleport;
pub use wall::ThroughWall;

use crate::expected::{Body, BodyKind, Expected, PixelRect};
use crate::observed::{Measurement, Observed};
use crate::thresholds::Thresholds;
use crate::track::{Track, Tracks};
use crate::verdict::{Bound, Finding, Votes};

/// What is remembered of the surfaces in view, beside the picture.
#[derive(Debug, Clone, Copy)]
pub struct Remembered<'a> {
    /// The picture: interleaved sRGB, 0 to 1, `3 * height * width` values.
    pub rgb: &'a [f32],
    /// What is remembered, alike.
    pub memory_rgb: &'a [f32],
    /// How well, 0 to 1 a pixel.
    pub memory_confidence: &'a [f32],
}

/// Accepted pictures of a body, before it can be told that it looks otherwise or is gone: until then only the average of its
/// class is known, and on real pictures many bodies do not look like the average.
pub(crate) const KNOWN_FRAMES: f32 = 3.0;

/// Share of its pixels by which a body must usually be made out, before it can be told that it is not.
pub(crate) const MADE_OUT: f32 = 0.6;

/// Everything that a check may look at.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// What must be seen.
    pub expected: &'a Expected,
    /// What is seen.
    pub observed: &'a Observed,
    /// Bodies over time, this picture included.
    pub tracks: &'a Tracks,
    /// What is right.
    pub thresholds: &'a Thresholds,
    /// Of the game's world, m/s².
    pub gravity_m_s2: Vec3,
    /// What is remembered, if the model has a memory.
    pub remembered: Option<Remembered<'a>>,
}

impl<'a> Judged<'a> {
    /// The bodies that were looked for, with what was found of each.
    pub fn bodies(&self) -> impl Iterator<Item = (&'a Body, &'a Measurement)> + use<'a> {
        let bodies = &self.expected.snapshot.bodies;
        let measurements = self.observed.measurements.iter();
        measurements.filter_map(|m| bodies.get(usize::from(m.body)).map(|body| (body, m)))
    }

    /// Those of them that can move and were found in this picture, with their tracks.
    pub fn moving(&self) -> impl Iterator<Item = (&'a Body, &'a Measurement, &'a Track)> + use<'a> {
        let tracks = self.tracks;
        self.bodies().filter(|(body, _)| body.kind != BodyKind::Fixed).filter_map(
            |(body, found)| {
                tracks.get(body.id).filter(|track| track.fresh).map(|track| (body, found, track))
            },
        )
    }

    /// The body looks as it did in the accepted pictures that know most of it: whatever an observer now makes of its material, size or depth, it is the
    /// observer that errs.
    pub fn looks_as_before(&self, measurement: &Measurement) -> bool {
        self.observed.recalled.vouches_for(measurement.body)
    }

    /// Around where a body is seen.
    pub fn rect(&self, measurement: &Measurement) -> PixelRect {
        measurement.seen_rect(self.expected.width, self.expected.height)
    }

    /// A finding about a body that was found.
    pub fn finding(
        &self,
        what: &'static str,
        measurement: &Measurement,
        value: f32,
        threshold: f32,
    ) -> Finding {
        Finding {
            what,
            object: Some(measurement.id),
            value,
            threshold,
            bound: Bound::AtMost,
            pixels: measurement.pixels,
            rect: self.rect(measurement),
        }
    }
}

/// A rule that pictures are held to.
pub trait Check: Send {
    /// One or two words; names the check in verdicts, logs and counters.
    fn name(&self) -> &'static str;

    /// How many pictures must agree before it counts.
    fn votes(&self) -> Votes {
        Votes::THREE_OF_FOUR
    }

    /// Reports what it could judge in the picture, right or wrong. Called for each candidate of a picture, so it must
    /// not remember anything here.
    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>);

    /// This picture was shown: a check that looks back remembers it now.
    fn shown(&mut self, judged: &Judged) {
        let _ = judged;
    }

    /// Another world, or a camera cut: nothing of before counts.
    fn reset(&mut self) {}
}

/// The ten checks, in the order of their names in the documentation.
pub fn all() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(Interpenetration),
        Box::new(Gravity),
        Box::new(Energy),
        Box::new(Momentum),
        Box::new(Teleport),
        Box::new(Permanence),
        Box::new(Appearance),
        Box::new(Scale),
        Box::<Jitter>::default(),
        Box::new(ThroughWall),
    ]
}

/// Names of the ten checks.
pub const CHECK_NAMES: [&str; 10] = [
    "interpenetration",
    "gravity",
    "energy",
    "momentum",
    "teleport",
    "permanence",
    "appearance",
    "scale",
    "jitter",
    "through wall",
];

#[cfg(test)]
mod tests;
