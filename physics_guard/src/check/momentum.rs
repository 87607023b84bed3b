//! A velocity changes by the pushes that the shadow's body gets, and by gravity.

use super::energy::{WINDOW, offset_velocity};
use super::{Check, Judged};
use crate::verdict::{Finding, Votes};

/// |Δv − J/m − g·Δt| between two windows of six pictures. The shadow's own Δv is J/m + g·Δt, so this is the change of
/// the offset's velocity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Momentum;

impl Check for Momentum {
    fn name(&self) -> &'static str {
        "momentum"
    }

    fn votes(&self) -> Votes {
        Votes::ONE
    }

    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        for (_, found, track) in judged.moving() {
            let samples = track.samples();
            let Some(newest) = samples.len().checked_sub(2 * WINDOW) else { continue };
            let (first, second) = samples[newest..].split_at(WINDOW);
            let (Some((before, sigma_1)), Some((after, sigma_2))) =
                (offset_velocity(first), offset_velocity(second))
            else {
                continue;
            };
            let sigma = sigma_1.max(sigma_2);
            let thresholds = judged.thresholds;
            let allowed =
                thresholds.momentum_m_s.max(thresholds.sigmas * std::f32::consts::SQRT_2 * sigma);
            findings.push(judged.finding("unpushed", found, (after - before).length(), allowed));
        }
    }
}
