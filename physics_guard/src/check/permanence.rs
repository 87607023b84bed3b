//! What is there is seen, and nothing else.

use super::{Check, Judged, KNOWN_FRAMES, MADE_OUT};
use crate::expected::{Body, BodyKind, NONE};
use crate::observed::Measurement;
use crate::recollection::Strange;
use crate::track::is_still;
use crate::verdict::{Bound, Finding};

/// Share of a body's expected pixels that show it, of what usually does; regions that nothing expected explains; what looks otherwise than it did in
/// the pictures before.
///
/// Only pixels where the body can be told from what is behind it count: a stone before a wall of the same stone, at
/// nearly the same depth, is neither seen nor missed. And what was never seen cannot vanish.
#[derive(Debug, Clone, Copy, Default)]
pub struct Permanence;

/// A region that covers this share of the pixels of the body it lies on, by class and not by depth, is the body itself,
/// looking otherwise: that is a matter of its appearance.
const REPAINTED: f32 = 0.6;
/// Of a body that cannot move; such a one is never erased whole.
const LARGE_PX: u32 = 1200;

/// Share of a region that must be seen as sky to be nothing else.
const MOSTLY_SKY: f32 = 0.8;

/// Pixels of a body that are remembered and tell enough of it, if that is less than half.
const ENOUGH_PX: u32 = 150;

impl Check for Permanence {
    fn name(&self) -> &'static str {
        "permanence"
    }

    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        let (expected, thresholds) = (judged.expected, judged.thresholds);
        let is_known =
            |m: &Measurement| m.known_frames >= KNOWN_FRAMES && m.usual.seen_share >= MADE_OUT;
        // What is large and stands still is a wall or the ground: the check of walls speaks of them.
        let is_small = |b: &Body, m: &Measurement| b.kind != BodyKind::Fixed || m.pixels < LARGE_PX;
        let known = judged.bodies().filter(|(b, m)| is_known(m) && is_small(b, m));
        let known = known.filter(|(_, m)| !judged.looks_as_before(m));
        for (_, found) in known.filter(|(_, m)| m.separable >= thresholds.permanence_px) {
            findings.push(Finding {
                what: "vanished",
                object: Some(found.id),
                value: found.seen_share / found.usual.seen_share,
                threshold: thresholds.permanence_share,
                bound: Bound::AtLeast,
                pixels: found.separable,
                rect: found.rect,
            });
        }
        // One finding in every picture, so that votes and calibration see the quiet ones.
        let quiet = Finding {
            what: "ghost",
            object: None,
            value: 0.0,
            threshold: thresholds.ghost_px as f32,
            bound: Bound::AtMost,
            pixels: 0,
            rect: Default::default(),
        };
        let mut worst = quiet;
        for ghost in &judged.observed.ghosts {
            let host = expected.views.iter().find(|view| view.body == ghost.host);
            let on_host = ghost.host_share * ghost.pixels as f32;
            let repainted = host.is_some_and(|view| on_host >= REPAINTED * view.pixels as f32);
            if repainted && 2 * ghost.nearer < ghost.pixels {
                continue;
            }
            // A region that looks as it did may be misread, but nothing came into it.
            if judged.observed.recalled.knows(&ghost.rect, expected.width) {
                continue;
            }
            let value = ghost.pixels as f32 - 2.0 * ghost.usual_px;
            if value > worst.value {
                worst = Finding { value, pixels: ghost.pixels, rect: ghost.rect, ..quiet };
            }
        }
        if judged.observed.looked {
            findings.push(worst);
        }
        judge_recalled(judged, findings);
    }
}

/// Clouds move, and the physics knows of none: nothing came into a region where the sky is due and the observer sees nothing else.
fn is_sky(judged: &Judged, region: &Strange) -> bool {
    let (expected, observed) = (judged.expected, judged.observed);
    let (mut odd, mut sky) = (0u32, 0u32);
    for y in usize::from(region.rect.y0)..usize::from(region.rect.y1) {
        for x in usize::from(region.rect.x0)..usize::from(region.rect.x1) {
            let pixel = y * expected.width + x;
            if observed.recalled.is_otherwise(pixel) {
                odd += 1;
                sky += u32::from(expected.object[pixel] == NONE && observed.sky[pixel]);
            }
        }
    }
    observed.looked && odd > 0 && sky as f32 >= MOSTLY_SKY * odd as f32
}

/// What looks otherwise than the pictures before say that it must.
fn judge_recalled(judged: &Judged, findings: &mut Vec<Finding>) {
    let (recalled, thresholds) = (&judged.observed.recalled, judged.thresholds);
    for alike in &recalled.bodies {
        let least = (alike.pixels / 2).min(ENOUGH_PX).max(thresholds.permanence_px);
        for (what, known, value, threshold) in [
            ("unseen", alike.known, alike.share, thresholds.alike_share),
            ("crept", alike.long_known, alike.long_share, thresholds.alike_long_share),
        ] {
            if known >= least {
                findings.push(Finding {
                    what,
                    object: Some(alike.id),
                    value,
                    threshold,
                    bound: Bound::AtLeast,
                    pixels: known,
                    rect: alike.rect,
                });
            }
        }
        let body = judged.expected.snapshot.bodies.get(usize::from(alike.body));
        if alike.known >= least && body.is_some_and(|b| b.kind != BodyKind::Fixed && is_still(b)) {
            findings.push(Finding {
                what: "relit",
                object: Some(alike.id),
                value: alike.alone,
                threshold: thresholds.relit_share,
                bound: Bound::AtMost,
                pixels: alike.known,
                rect: alike.rect,
            });
        }
    }
    let strange = recalled.strange.filter(|region| !is_sky(judged, region));
    findings.push(Finding {
        what: "strange",
        object: None,
        value: strange.map_or(0.0, |region| region.pixels as f32),
        threshold: thresholds.strange_px as f32,
        bound: Bound::AtMost,
        pixels: strange.map_or(0, |region| region.pixels),
        rect: strange.map_or_else(Default::default, |region| region.rect),
    });
}
