//! Bodies keep their size.

use std::f32::consts::{FRAC_PI_2, PI};

use super::{Check, Judged, KNOWN_FRAMES};
use crate::expected::PixelRect;
use crate::observed::Measurement;
use crate::observed::register::LEAST_RADIUS_PX;
use crate::verdict::Finding;

/// |½ · ln(seen area / expected area)|, of bodies that are wholly in sight and at least 4 pixels in radius, of a pole across it; less
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
            let radius_px = least_radius_px(found.pixels, &found.rect);
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

/// Of a disc its radius; of what is longer than wide, that of the disc as wide as it.
fn least_radius_px(pixels: u32, rect: &PixelRect) -> f32 {
    let side = |from: u16, to: u16| f32::from(to.saturating_sub(from));
    let longest = side(rect.x0, rect.x1).max(side(rect.y0, rect.y1)).max(1.0);
    (pixels as f32 / PI).sqrt().min(pixels as f32 / (FRAC_PI_2 * longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pole_is_as_small_as_it_is_thin() {
        let radius = |pixels, x1, y1| least_radius_px(pixels, &PixelRect { x0: 0, y0: 0, x1, y1 });
        assert!((radius(314, 20, 20) - 10.0).abs() < 0.1);
        assert!(radius(205, 4, 57) < 3.0);
        assert!(radius(0, 0, 0) == 0.0);
    }
}
