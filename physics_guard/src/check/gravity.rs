//! What flies falls, what lies stays down.

use super::{Check, Judged};
use crate::track::{Line, Motion, Parabola, Sample};
use crate::verdict::{Finding, Votes};

/// Acceleration of a flying body; a body that hangs in the air; a resting body seen above its place.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gravity;

/// Pictures of a window that are needed to speak of a rate.
const FEWEST: usize = 4;

pub(super) fn sigma_m(samples: &[Sample]) -> f32 {
    samples.iter().map(|sample| sample.sigma_m).sum::<f32>() / samples.len().max(1) as f32
}

pub(super) fn length_s(samples: &[Sample]) -> f32 {
    match (samples.first(), samples.last()) {
        (Some(first), Some(last)) => (last.time_s - first.time_s) as f32,
        _ => 0.0,
    }
}

impl Check for Gravity {
    fn name(&self) -> &'static str {
        "gravity"
    }

    fn votes(&self) -> Votes {
        Votes::ONE
    }

    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        let (thresholds, g) = (judged.thresholds, judged.gravity_m_s2.length());
        if g < 1e-3 {
            return;
        }
        let up = -judged.gravity_m_s2 / g;
        for (_, found, track) in judged.moving() {
            let flight = track.newest_while(|sample| sample.motion == Motion::Flying);
            let height =
                |sample: &Sample| (sample.time_s, (sample.position_m + sample.offset_m).dot(up));
            let sigma = sigma_m(flight);
            if flight.len() >= thresholds.gravity_frames.max(FEWEST)
                && let Some(fit) = Parabola::through(flight.iter().map(height), sigma)
            {
                let allowed =
                    (thresholds.gravity_share * g).max(thresholds.sigmas * fit.acceleration_sigma);
                let value = (fit.acceleration + g).abs();
                findings.push(judged.finding("acceleration", found, value, allowed));
            }
            let from = flight.len() - newest_of(flight, thresholds.floating_s);
            let recent = &flight[from..];
            if recent.len() >= FEWEST
                && length_s(recent) > 0.8 * thresholds.floating_s
                && let Some(seen) = Line::through(recent.iter().map(height), sigma)
            {
                let shadow = recent.iter().map(|s| s.velocity_m_s.dot(up)).sum::<f32>()
                    / recent.len() as f32;
                let needed = thresholds.hanging_m_s.max(thresholds.sigmas * seen.rate_sigma);
                let hangs = seen.rate.abs() < thresholds.floating_m_s;
                // Slower than the shadow, as a share of what is needed; it counts if it hangs.
                let value = if hangs { (seen.rate - shadow).abs() } else { 0.0 };
                findings.push(judged.finding("floating", found, value, needed));
            }
            let resting = track.newest_while(|sample| sample.motion == Motion::Resting);
            let recent = &resting[resting.len() - newest_of(resting, thresholds.floating_s)..];
            if recent.len() >= FEWEST && length_s(recent) > 0.8 * thresholds.floating_s {
                let count = recent.len() as f32;
                let lift_m = recent.iter().map(|s| s.offset_m.dot(up)).sum::<f32>() / count;
                let spread_m = sigma_m(recent);
                let needed = thresholds.lifted_m.max(thresholds.sigmas * spread_m);
                findings.push(judged.finding("lifted", found, lift_m.max(0.0), needed));
            }
        }
    }
}

/// How many of the newest samples lie within `seconds`, and one more, so that the window is full.
fn newest_of(samples: &[Sample], seconds: f32) -> usize {
    let Some(last) = samples.last() else { return 0 };
    let within = samples.iter().rev().take_while(|s| last.time_s - s.time_s <= f64::from(seconds));
    (within.count() + 1).min(samples.len())
}
