//! Walls are in the way.

use super::{Check, Judged, KNOWN_FRAMES, MADE_OUT};
use crate::expected::BodyKind;
use crate::observed::Measurement;
use crate::verdict::{Bound, Finding};

/// In the middle of the picture: the share of a wall's pixels that show it, and the median error of its depth, less
/// what that usually is. Whoever
/// walks through a wall, or looks through one, sees neither.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThroughWall;

/// Pixels of a wall that are needed in the middle of the picture.
const FEWEST: usize = 40;
/// A pixel counts if a plainly seen wall would say so much, nats: one by one they are noisy.
const TOLD_NATS: f32 = 1.5;
/// An edge is seen if it says where the wall is to so much, square pixels, and in its place if that is nearer than this to where it should be.
const EDGE_VARIANCE_PX2: f32 = 0.25;
const IN_PLACE_PX: f32 = 1.5;
/// Steeper surfaces are walls: height component of the normal.
const STEEP: f32 = 0.5;

impl Check for ThroughWall {
    fn name(&self) -> &'static str {
        "through wall"
    }

    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        let (expected, observed, thresholds) =
            (judged.expected, judged.observed, judged.thresholds);
        let (width, height) = (expected.width, expected.height);
        let middle = width / 4..width - width / 4;
        let rows = height / 4..height - height / 4;
        let mut errors: Vec<f32> = Vec::new();
        let walls = judged.bodies().filter(|(body, _)| body.kind == BodyKind::Fixed);
        for (body, found) in walls.filter(|(_, found)| !judged.looks_as_before(found)) {
            let (mut told, mut seen) = (0usize, 0usize);
            errors.clear();
            let rect = found.rect;
            let columns =
                middle.start.max(usize::from(rect.x0))..middle.end.min(usize::from(rect.x1));
            for y in rows.start.max(usize::from(rect.y0))..rows.end.min(usize::from(rect.y1)) {
                for x in columns.clone() {
                    let pixel = y * width + x;
                    if expected.object[pixel] != found.body
                        || expected.normal_y[pixel].abs() > STEEP
                    {
                        continue;
                    }
                    if observed.information[pixel] >= TOLD_NATS {
                        told += 1;
                        seen += usize::from(observed.support[pixel] > 0.0);
                    }
                    if observed.depth_m[pixel].is_finite() {
                        errors.push(observed.ln_depth_error[pixel]);
                    }
                }
            }
            // What was never seen for what it is cannot be told from a hole.
            let usual = found.usual.seen_share;
            if told >= FEWEST && found.known_frames >= KNOWN_FRAMES && usual >= MADE_OUT {
                findings.push(Finding {
                    what: "open",
                    object: Some(body.id),
                    value: seen as f32 / told as f32 / usual.max(MADE_OUT),
                    threshold: thresholds.wall_recall,
                    bound: Bound::AtLeast,
                    pixels: told as u32,
                    rect,
                });
            }
            let tells = errors.len() >= FEWEST && found.known_frames >= KNOWN_FRAMES;
            if tells && !has_edge_in_place(found) {
                let half = errors.len() / 2;
                let (_, median, _) = errors.select_nth_unstable_by(half, f32::total_cmp);
                let value = (*median - found.usual.ln_depth).abs();
                let pixels = errors.len() as u32;
                findings.push(Finding {
                    what: "misplaced",
                    object: Some(body.id),
                    value,
                    threshold: thresholds
                        .wall_ln_depth
                        .max(thresholds.sigmas * found.usual.ln_depth_sigma),
                    bound: Bound::AtMost,
                    pixels,
                    rect,
                });
            }
        }
    }
}

/// An edge of it is seen where it is expected. A wall without texture, close by or at night, has no depth that an observer could tell: its outline has.
fn has_edge_in_place(found: &Measurement) -> bool {
    let (shift, variance) = (found.shift_px.abs(), found.shift_var_px2);
    let told = [(shift.x, variance.x), (shift.y, variance.y)];
    let mut told = told.iter().filter(|(_, variance)| *variance <= EDGE_VARIANCE_PX2).peekable();
    found.found && told.peek().is_some() && told.all(|(shift, _)| *shift < IN_PLACE_PX)
}
