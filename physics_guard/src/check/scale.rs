//! Bodies keep their size.

use super::{Check, Judged, KNOWN_FRAMES};
use crate::observed::Measurement;
use crate::observed::register::LEAST_RADIUS_PX;
use crate::verdict::Finding;

/// |½ · ln(seen area / expected area)|, of bodies that are wholly in sight and at least 4 pixels in radius; less
/// what it usually is, since what is drawn of a body is seldom its collider; a body whose size is usually told badly is given more room.
/// Nothing is said of a size that explains the picture hardly better than the usual one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scale;

/// A likelihood ratio of 20 to 1.
const LEAST_GAIN_NATS: f32 = 3.0;
/// Radius for which an observer's error in scale is given.
const GIVEN_RADIUS_PX: f32 = 10.0;

impl Check for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        let thresholds = judged.thresholds;
        // One that looks like what is around it has no outline by which to tell its size.
        let has_outline = |m: &Measurement| 2 * m.separable >= m.pixels;
        let known = judged.bodies().filter(|(_, m)| m.known_frames >= KNOWN_FRAMES);
        let known = known.filter(|(_, m)| !judged.looks_as_before(m));
        for (_, found) in known.filter(|(_, m)| has_outline(m) && m.clear) {
            let radius_px = (found.pixels as f32 / std::f32::consts::PI).sqrt();
            let Some(ln_scale) = found.ln_scale.filter(|_| radius_px >= LEAST_RADIUS_PX) else {
                continue;
            };
            if found.scale_gain < LEAST_GAIN_NATS {
                continue;
            }
            let ln_scale = ln_scale - found.usual.ln_scale;
            let sigma = thresholds.observer.ln_scale * GIVEN_RADIUS_PX / radius_px;
            let sigma = sigma.max(found.usual.ln_scale_sigma);
            let allowed = thresholds.scale_ln.max(thresholds.sigmas * sigma);
            findings.push(judged.finding("resized", found, ln_scale.abs(), allowed));
        }
    }
}
