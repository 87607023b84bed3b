//! A body does not win energy that the shadow's body does not get.

use glam::Vec3;

use super::gravity::sigma_m;
use super::{Check, Judged};
use crate::track::{Line, Motion, Sample};
use crate::verdict::{Finding, Votes};

/// Energy between two windows of six pictures, and the speed after a bounce. Per kilogram: the mass cancels out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Energy;

/// Pictures of a window.
pub(super) const WINDOW: usize = 6;
/// A push of at least this makes a bounce, m/s.
const BOUNCE_M_S: f32 = 0.8;
/// Pictures before and after a bounce that are needed.
const BESIDE: usize = 3;

/// Velocity of the offset over a window, and its deviation along one axis, m/s.
pub(super) fn offset_velocity(samples: &[Sample]) -> Option<(Vec3, f32)> {
    let sigma = sigma_m(samples);
    let along =
        |axis: usize| Line::through(samples.iter().map(|s| (s.time_s, s.offset_m[axis])), sigma);
    let (x, y, z) = (along(0)?, along(1)?, along(2)?);
    Some((Vec3::new(x.rate, y.rate, z.rate), x.rate_sigma))
}

fn mean(samples: &[Sample], of: impl Fn(&Sample) -> Vec3) -> Vec3 {
    samples.iter().map(of).sum::<Vec3>() / samples.len().max(1) as f32
}

impl Check for Energy {
    fn name(&self) -> &'static str {
        "energy"
    }

    fn votes(&self) -> Votes {
        Votes::ONE
    }

    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        for (_, found, track) in judged.moving() {
            let samples = track.samples();
            if let Some((value, allowed)) = won(judged, samples) {
                findings.push(judged.finding("won", found, value, allowed));
            }
            if let Some((value, allowed)) = bounce(judged, samples) {
                findings.push(judged.finding("bounce", found, value, allowed));
            }
        }
    }
}

/// Energy won beyond what the shadow's body won, and how much may be, J/kg.
fn won(judged: &Judged, samples: &[Sample]) -> Option<(f32, f32)> {
    let newest = samples.len().checked_sub(2 * WINDOW)?;
    let (first, second) = samples[newest..].split_at(WINDOW);
    let state = |window: &[Sample]| {
        let (rate, sigma) = offset_velocity(window)?;
        let shadow = mean(window, |s| s.velocity_m_s);
        let (place, offset) = (mean(window, |s| s.position_m), mean(window, |s| s.offset_m));
        // Potential energy is −g·x; the shadow's own is taken off the picture's.
        let of = |v: Vec3, x: Vec3| 0.5 * v.length_squared() - judged.gravity_m_s2.dot(x);
        Some((of(shadow + rate, place + offset), of(shadow, place), shadow + rate, sigma))
    };
    let (seen_1, shadow_1, velocity_1, sigma_1) = state(first)?;
    let (seen_2, shadow_2, velocity_2, sigma_2) = state(second)?;
    let value = (seen_2 - seen_1) - (shadow_2 - shadow_1);
    let speed = velocity_1.length().max(velocity_2.length());
    let sigma = sigma_1.max(sigma_2);
    // A body at rest has no energy to take a share of: the deviation of a speed near zero is the bound there.
    let noise = judged.thresholds.sigmas * speed.max(sigma) * sigma * 3f32.sqrt();
    let fall = judged.gravity_m_s2.length() * sigma_m(second) * judged.thresholds.sigmas;
    let energy = 0.5 * speed * speed;
    let allowed = (judged.thresholds.energy_share * energy)
        .max(noise + fall)
        .max(judged.thresholds.energy_j_kg);
    Some((value.max(0.0), allowed))
}

/// Speed away from the newest bounce of the shadow, and how much it may be, m/s.
fn bounce(judged: &Judged, samples: &[Sample]) -> Option<(f32, f32)> {
    let at = samples
        .iter()
        .rposition(|s| s.motion != Motion::Resting && s.push_m_s.length() > BOUNCE_M_S)?;
    let (before, after) = (&samples[at.checked_sub(WINDOW.min(at))?..at], &samples[at..]);
    if before.len() < BESIDE || after.len() < BESIDE {
        return None;
    }
    let after = &after[..after.len().min(WINDOW)];
    let normal = samples[at].push_m_s.normalize_or_zero();
    let ((rate_in, sigma_in), (rate_out, sigma_out)) =
        (offset_velocity(before)?, offset_velocity(after)?);
    let (shadow_in, shadow_out) = (before.last()?.velocity_m_s, after.first()?.velocity_m_s);
    let (speed_in, speed_out) = (-shadow_in.dot(normal), shadow_out.dot(normal));
    // A throw or a push: the body did not come in.
    if speed_in < 0.5 {
        return None;
    }
    let restitution = (speed_out / speed_in).clamp(0.0, 1.0);
    let seen_in = (speed_in - rate_in.dot(normal)).max(0.0);
    let value = (speed_out + rate_out.dot(normal)).max(0.0);
    let sigma = sigma_in.max(sigma_out);
    Some((
        value,
        restitution * seen_in
            + (judged.thresholds.sigmas * sigma).max(judged.thresholds.bounce_m_s),
    ))
}
