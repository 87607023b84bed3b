//! A body looks as it did.

use super::{Check, Judged, KNOWN_FRAMES};
use crate::colour::{delta_e_2000, lab};
use crate::expected::Expected;
use crate::observed::Measurement;
use crate::verdict::Finding;

/// Mean ΔE2000 of a body against what is remembered of its surface, and how much better another material explains it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Appearance;

/// Less is no memory to judge by.
const SURE: f32 = 0.5;
/// Pixels that are asked.
const MOST_POINTS: usize = 96;
/// Pixels that are needed.
const FEWEST_POINTS: usize = 24;

impl Check for Appearance {
    fn name(&self) -> &'static str {
        "appearance"
    }

    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        let thresholds = judged.thresholds;
        for (_, found) in judged.bodies() {
            // A body that is elsewhere, or not there, is another check's.
            let in_place = found.found && found.shift_px.abs().max_element() < 1.5;
            let known = found.known_frames >= KNOWN_FRAMES && !judged.looks_as_before(found);
            if known && found.pixels >= thresholds.permanence_px {
                let nats = found.other_class;
                findings.push(judged.finding("material", found, nats, thresholds.appearance_nats));
            }
            if in_place
                && judged.observed.looked
                && let Some(difference) = difference(judged, found)
            {
                let allowed = thresholds.appearance_delta_e;
                findings.push(judged.finding("colour", found, difference, allowed));
            }
        }
    }
}

/// Mean ΔE2000 over the pixels of a body that are remembered.
fn difference(judged: &Judged, found: &Measurement) -> Option<f32> {
    let remembered = judged.remembered?;
    let expected: &Expected = judged.expected;
    let pixels = expected.width * expected.height;
    let (picture, memory) = (remembered.rgb, remembered.memory_rgb);
    let confidence = remembered.memory_confidence;
    if picture.len() != 3 * pixels || memory.len() != 3 * pixels || confidence.len() != pixels {
        return None;
    }
    let rect = found.rect;
    let every = (found.pixels as usize).div_ceil(MOST_POINTS).max(1);
    let (mut sum, mut count) = (0.0, 0);
    for y in usize::from(rect.y0)..usize::from(rect.y1) {
        for x in usize::from(rect.x0)..usize::from(rect.x1) {
            let pixel = y * expected.width + x;
            let asked = (x + y * (every / 2 + 1)).is_multiple_of(every);
            if !asked || expected.object[pixel] != found.body || confidence[pixel] < SURE {
                continue;
            }
            let colour = |of: &[f32]| lab([of[3 * pixel], of[3 * pixel + 1], of[3 * pixel + 2]]);
            sum += delta_e_2000(colour(picture), colour(memory));
            count += 1;
        }
    }
    (count >= FEWEST_POINTS).then(|| (sum / count as f64) as f32)
}
