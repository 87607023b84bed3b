//! Bodies do not jump.

use glam::Vec2;

use super::{Check, Judged};
use crate::expected::BodyKind;
use crate::track::diameter_m;
use crate::verdict::{Bound, Finding};

/// |Δx − v·Δt|: how far a body is from where its track expects it. A track that is surprised waits for a few pictures
/// before it believes what it sees, so a jump shows in each of them, and the votes can carry. And by brightness alone: how far it stands from where the last
/// picture that is in no doubt says that it does, and how far it has come by many steps that are each too small to tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Teleport;

/// A wall looks alike all along itself, and is seen worse by an observer than what stands before it: it is given so many times the room.
pub(super) const FIXED_ROOM: f32 = 2.0;

impl Check for Teleport {
    fn name(&self) -> &'static str {
        "teleport"
    }

    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        for (body, found, track) in judged.moving() {
            let Some((distance_m, sigma_m)) = track.innovation_m else { continue };
            let allowed_m = judged.thresholds.jump_m(diameter_m(body), sigma_m);
            findings.push(judged.finding("jumped", found, distance_m, allowed_m));
        }
        let thresholds = judged.thresholds;
        for alike in &judged.observed.recalled.bodies {
            let found = judged.observed.measurements.iter().find(|m| m.body == alike.body);
            let body = judged.expected.snapshot.bodies.get(usize::from(alike.body));
            let moves = body.is_some_and(|body| body.kind != BodyKind::Fixed);
            let room = if moves { 1.0 } else { FIXED_ROOM };
            if alike.known < thresholds.permanence_px {
                continue;
            }
            for (what, shift, most_px) in [
                ("slid", alike.shift, thresholds.slid_px),
                ("strayed", alike.strayed.filter(|_| moves), thresholds.strayed_px),
            ] {
                let Some(shift) = shift else { continue };
                let seen = found.filter(|found| judged.observed.looked && found.found);
                findings.push(Finding {
                    what,
                    object: Some(alike.id),
                    value: believed_px(shift.px, seen.map(|found| found.shift_px)),
                    threshold: (room * most_px).max(thresholds.sigmas * shift.sigma_px),
                    bound: Bound::AtMost,
                    pixels: alike.known,
                    rect: alike.rect,
                });
            }
        }
    }
}

/// How much of a shift by brightness is believed. A highlight that wanders over a ball that rolls moves its brightness and not the ball: an observer who
/// found the body must have found it on that side, at least half as far.
fn believed_px(by_brightness: Vec2, observed: Option<Vec2>) -> f32 {
    let px = by_brightness.length();
    observed.map_or(px, |seen| px.min(2.0 * seen.dot(by_brightness.normalize_or_zero()).max(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observer_who_sees_a_body_in_its_place_overrules_its_brightness() {
        let aside = Vec2::new(2.0, 0.0);
        for (seen, want_px) in [
            (None, 2.0),
            (Some(Vec2::new(1.4, 0.3)), 2.0),
            (Some(Vec2::new(0.3, 1.0)), 0.6),
            (Some(Vec2::new(-3.0, 0.0)), 0.0),
        ] {
            assert!((believed_px(aside, seen) - want_px).abs() < 1e-5, "{seen:?}");
        }
        assert_eq!(believed_px(Vec2::ZERO, Some(aside)), 0.0);
    }
}
