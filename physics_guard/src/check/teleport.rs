//! Bodies do not jump.

use super::{Check, Judged};
use crate::track::diameter_m;
use crate::verdict::{Bound, Finding};

/// |Δx − v·Δt|: how far a body is from where its track expects it. A track that is surprised waits for a few pictures
/// before it believes what it sees, so a jump shows in each of them, and the votes can carry. And by brightness alone: how far it stands from where the last
/// picture that is in no doubt says that it does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Teleport;

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
            let Some(shift) = alike.shift else { continue };
            if alike.known >= thresholds.permanence_px {
                findings.push(Finding {
                    what: "slid",
                    object: Some(alike.id),
                    value: shift.px.length(),
                    threshold: thresholds.slid_px.max(thresholds.sigmas * shift.sigma_px),
                    bound: Bound::AtMost,
                    pixels: alike.known,
                    rect: alike.rect,
                });
            }
        }
    }
}
