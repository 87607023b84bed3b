//! What sleeps lies still.

use std::collections::{HashMap, VecDeque};
use std::f32::consts::FRAC_1_SQRT_2;

use glam::Vec2;

use super::teleport::FIXED_ROOM;
use super::{Check, Judged};
use crate::expected::{BodyKind, Expected};
use crate::recollection::Shift;
use crate::track::is_still;
use crate::verdict::{Bound, Finding, Votes};

/// √(2 ln 2) · √2.
const STEP_OF_PLACE: f32 = 1.665;
/// Fewer pictures do not tell.
const FEWEST: usize = 8;

/// Deviation of a resting body's place along each axis of the picture.
///
/// Told from the pictures alone: each is compared with the one before it. If a place has the deviation σ along both axes, and places are independent of each
/// other, half of the steps are longer than √(2 ln 2) · √2 σ (Rayleigh). Over 8 to 15 pictures half of the steps must be long: one jump is no trembling.
#[derive(Debug, Clone, Default)]
pub struct Jitter {
    /// By body, the newest last.
    shifts: HashMap<u64, VecDeque<Shift>>,
}

impl Check for Jitter {
    fn name(&self) -> &'static str {
        "jitter"
    }

    fn votes(&self) -> Votes {
        Votes::ONE
    }

    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        let thresholds = judged.thresholds;
        let most = thresholds.jitter_frames.clamp(3, crate::track::HISTORY);
        for alike in &judged.observed.recalled.bodies {
            let (Some(now), Some(past)) = (alike.shift, self.shifts.get(&alike.id)) else {
                continue;
            };
            let wanted = most.min(past.len() + 1);
            if wanted < most.min(FEWEST) || !rests(judged.expected, alike.body) {
                continue;
            }
            let window = past.iter().rev().take(wanted - 1).chain([&now]);
            let quantile = |mut values: Vec<f32>, share: f32| {
                let at = (share * (values.len() - 1) as f32).round() as usize;
                *values.select_nth_unstable_by(at, f32::total_cmp).1
            };
            // What is aside all the time does not tremble.
            let mean = window.clone().map(|shift| shift.px).sum::<Vec2>() / wanted as f32;
            let steps = window.clone().map(|shift| shift.px.distance(mean)).collect();
            let place_px = quantile(steps, 0.5) / STEP_OF_PLACE;
            // What trembles is also measured less well: the quiet pictures tell how well it can be.
            let sigmas = window.map(|shift| shift.sigma_px).collect();
            let noise_px = quantile(sigmas, 0.25) * FRAC_1_SQRT_2;
            let body = judged.expected.snapshot.bodies.get(usize::from(alike.body));
            let is_fixed = body.is_some_and(|body| body.kind == BodyKind::Fixed);
            let room = if is_fixed { FIXED_ROOM } else { 1.0 };
            findings.push(Finding {
                what: "restless",
                object: Some(alike.id),
                value: place_px,
                threshold: (room * thresholds.jitter_px).max(thresholds.jitter_sigmas * noise_px),
                bound: Bound::AtMost,
                pixels: alike.known,
                rect: alike.rect,
            });
        }
    }

    fn shown(&mut self, judged: &Judged) {
        let bodies = &judged.observed.recalled.bodies;
        let mut kept = HashMap::with_capacity(bodies.len());
        for alike in bodies.iter().filter(|alike| rests(judged.expected, alike.body)) {
            let mut shifts = self.shifts.remove(&alike.id).unwrap_or_default();
            if let Some(shift) = alike.shift {
                if shifts.len() == crate::track::HISTORY {
                    shifts.pop_front();
                }
                shifts.push_back(shift);
            }
            kept.insert(alike.id, shifts);
        }
        self.shifts = kept;
    }

    fn reset(&mut self) {
        self.shifts.clear();
    }
}

fn rests(expected: &Expected, body: u16) -> bool {
    expected.snapshot.bodies.get(usize::from(body)).is_some_and(is_still)
}
