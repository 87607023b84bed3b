//! Pictures that look as those before them need no observer.
//!
//! An observer costs more than everything else that the guard does, and whoever looks as before overrules it in any case. So it is asked when something is
//! odd, for a while after that, and now and then all the same: for what came into view, and for what went wrong too slowly to be odd. Where nothing is odd the
//! picture need not wait for it.

use std::collections::HashMap;

use super::{Guard, Judgement};
use crate::check::Remembered;
use crate::expected::Expected;
use crate::observed::{Measurement, Observed};
use crate::thresholds::Thresholds;

/// The observer is asked at least so often, seconds of the game's time.
const LOOK_EVERY_S: f64 = 0.6;
/// After something odd so many pictures are looked at.
const ALERT_PICTURES: u8 = 5;
/// Share of the pixels that make a region strange, from which on it is odd.
const ODD: f32 = 0.5;
/// A body that is seen further from its place is odd, pixels.
const ODD_SHIFT_PX: f32 = 1.5;

/// A body that came into view is looked at so often at once: what nobody knows cannot be missed.
const FIRST_LOOKS: u8 = 4;
/// Bodies whose looks are counted.
const MOST_BODIES: usize = 4096;

/// What a glance at a picture says.
#[derive(Debug, Clone, PartialEq)]
pub enum Glance {
    /// Everything that is known looks as before.
    Fine(Judgement),
    /// The same, but the observer was not asked for a while. The picture may be shown, and [judged](Guard::judge) after that: nothing is odd.
    Due(Judgement),
    /// An observer must see it before it is shown: [judge](Guard::judge) it.
    Odd,
}

/// When an observer is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Attention {
    looked_s: Option<f64>,
    alert: u8,
    /// See [`Guard::set_curious`].
    pub(super) curious: bool,
    /// By body, how often an observer was asked while it was in sight; up to [`FIRST_LOOKS`].
    looks: HashMap<u64, u8>,
}

impl Attention {
    /// Nothing was looked at yet.
    pub(super) fn forget(&mut self) {
        *self = Self { curious: self.curious, ..Self::default() };
    }

    fn is_due(&self, now_s: f64) -> bool {
        // A clock that goes backwards is another run.
        let since = |looked_s: f64| !(looked_s..looked_s + LOOK_EVERY_S).contains(&now_s);
        self.looked_s.is_none_or(since)
    }

    /// A body in sight is hardly known.
    fn wants_to_know(&self, expected: &Expected, thresholds: &Thresholds) -> bool {
        let known = |id| self.looks.get(&id).is_some_and(|looks| *looks >= FIRST_LOOKS);
        self.curious && plainly_seen(expected, thresholds).any(|id| !known(id))
    }

    /// A picture is shown.
    pub(super) fn shown(
        &mut self,
        (expected, thresholds): (&Expected, &Thresholds),
        observed: &Observed,
        judgement: &Judgement,
    ) {
        if !observed.looked {
            return;
        }
        let now_s = expected.snapshot.time_s;
        if self.looks.len() + expected.views.len() > MOST_BODIES {
            self.looks.clear();
        }
        for id in plainly_seen(expected, thresholds) {
            let looks = self.looks.entry(id).or_default();
            *looks = (*looks + 1).min(FIRST_LOOKS);
        }
        self.looked_s = Some(now_s);
        // If what looks as before is seen elsewhere, it is the observer that errs.
        let displaced = |m: &Measurement| {
            m.is_placed()
                && m.shift_px.abs().max_element() > ODD_SHIFT_PX
                && !observed.recalled.vouches_for(m.body)
        };
        let odd = !judgement.suspicions.is_empty() || observed.measurements.iter().any(displaced);
        self.alert = if odd { ALERT_PICTURES } else { self.alert.saturating_sub(1) };
    }
}

/// Ids of the bodies that have pixels enough to be missed.
fn plainly_seen(expected: &Expected, thresholds: &Thresholds) -> impl Iterator<Item = u64> {
    let least_px = thresholds.permanence_px;
    let seen = expected.views.iter().filter(move |view| view.pixels >= least_px);
    seen.filter_map(|view| expected.body(view)).map(|body| body.id)
}

impl Guard {
    /// Judges a picture, `3 * height * width` bytes of sRGB, by the pictures before it alone.
    pub fn glance(&mut self, rgb: &[u8], remembered: Option<Remembered>) -> Glance {
        self.recall(rgb);
        if self.attention.alert > 0 || !self.recollection.knows_any() || self.is_odd() {
            return Glance::Odd;
        }
        self.observed.fill_as_expected(&self.expected);
        for view in &self.expected.views {
            if self.observed.recalled.vouches_for(view.body)
                && let Some(body) = self.expected.body(view)
            {
                let usual = self.habits.usual(body.id);
                let known_frames = self.habits.frames(body.id);
                let sigma_px = self.thresholds.observer.centroid_px;
                let in_place = Measurement::in_place(&self.expected, view, body.id, sigma_px);
                self.observed.measurements.push(Measurement { usual, known_frames, ..in_place });
            }
        }
        let judgement = self.conclude(remembered);
        match judgement.suspicions.is_empty() {
            false => Glance::Odd,
            true if self.attention.is_due(self.expected.snapshot.time_s)
                || self.attention.wants_to_know(&self.expected, &self.thresholds) =>
            {
                Glance::Due(judgement)
            }
            true => Glance::Fine(judgement),
        }
    }

    /// Holds a picture against those before it, unless that is done.
    pub(super) fn recall(&mut self, rgb: &[u8]) {
        if !self.compared || self.picture != rgb {
            self.observed.recalled = self.recollection.compare(&self.expected, rgb);
            self.picture.clear();
            self.picture.extend_from_slice(rgb);
            self.compared = true;
        }
    }

    /// Something does not look as before, or did not a moment ago.
    fn is_odd(&self) -> bool {
        let (recalled, thresholds) = (&self.observed.recalled, &self.thresholds);
        let bodies = recalled.bodies.iter().any(|alike| {
            let known = alike.known.max(alike.long_known);
            known >= thresholds.permanence_px.max(alike.pixels / 2) && !alike.is_as_before()
        });
        let region = recalled.strange.map_or(0, |region| region.pixels);
        bodies || region as f32 > ODD * thresholds.strange_px as f32 || self.recollection.doubts()
    }
}

#[cfg(test)]
#[path = "glance_tests.rs"]
mod tests;
