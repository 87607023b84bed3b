//! Bodies do not go into each other further than the shadow has them.

use glam::Vec3;
use reverie_kernels::raster::shape::bounding_box;

use super::contact::penetration_m;
use super::{Check, Judged, KNOWN_FRAMES};
use crate::expected::{Body, BodyKind, NONE, Pose};
use crate::observed::Measurement;
use crate::verdict::{Bound, Finding};

/// Depth between bodies at the places where they are seen, less their depth in the shadow; and a body seen over a nearer
/// one's mask.
///
/// Places are known across the picture; along the view only as far as an observer knows depth, which is too coarse for
/// contacts, so a body is taken to be as far away as the shadow has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interpenetration;

impl Check for Interpenetration {
    fn name(&self) -> &'static str {
        "interpenetration"
    }

    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        // A body that looks as it did where it should be is nowhere else.
        let moving = judged.moving().filter(|(_, found, _)| !judged.looks_as_before(found));
        for (body, found, track) in moving {
            let Some(sample) = track.samples().last() else { continue };
            if let Some(finding) = inside(judged, body, found, sample.offset_m) {
                findings.push(finding);
            }
        }
        over_nearer(judged, findings);
    }
}

fn radius_m(body: &Body) -> f32 {
    let (centre, half) = bounding_box(&body.shape);
    centre.length() + half.length()
}

fn inside(judged: &Judged, body: &Body, found: &Measurement, offset_m: Vec3) -> Option<Finding> {
    let thresholds = judged.thresholds;
    let allowed_m =
        thresholds.interpenetration_m + thresholds.interpenetration_px * found.metres_per_pixel;
    // It cannot be deeper by more than it was moved.
    if offset_m.length() <= 0.5 * allowed_m {
        return Some(judged.finding("inside", found, 0.0, allowed_m));
    }
    let shadow = body.world_from_body;
    let seen = Pose { translation_m: shadow.translation_m + offset_m, ..shadow };
    let reach_m = radius_m(body) + offset_m.length();
    let others = judged.expected.snapshot.bodies.iter().filter(|other| {
        let distance_m = other.world_from_body.translation_m.distance(shadow.translation_m);
        other.id != body.id && distance_m <= reach_m + radius_m(other)
    });
    let deeper = others
        .map(|other| penetration_m(body, &seen, other) - penetration_m(body, &shadow, other))
        .fold(0.0, f32::max);
    Some(judged.finding("inside", found, deeper, allowed_m))
}

/// A body that can move, seen where a nearer one is expected.
fn over_nearer(judged: &Judged, findings: &mut Vec<Finding>) {
    let (expected, observed, thresholds) = (judged.expected, judged.observed, judged.thresholds);
    let far_m =
        |body: u16| judged.observed.measurements.iter().find(|m| m.body == body).map(|m| m.depth_m);
    for (body, found) in judged.bodies() {
        let shift = found.shift_px.round();
        if body.kind == BodyKind::Fixed || !found.is_placed() || shift.abs().max_element() < 1.0 {
            continue;
        }
        // Of one that nobody knows yet, only the look of its class is known: that is too little to find it elsewhere.
        if found.known_frames < KNOWN_FRAMES || judged.looks_as_before(found) {
            continue;
        }
        let rect = judged.rect(found);
        let mut over: Vec<(u16, u32)> = Vec::new();
        for y in usize::from(rect.y0)..usize::from(rect.y1) {
            for x in usize::from(rect.x0)..usize::from(rect.x1) {
                let pixel = y * expected.width + x;
                let there = expected.object[pixel];
                let nearer = expected.depth_m[pixel] < found.depth_m;
                if observed.object[pixel] == found.body
                    && there != found.body
                    && there != NONE
                    && nearer
                {
                    match over.iter().position(|(known, _)| *known == there) {
                        Some(index) => over[index].1 += 1,
                        None if over.len() < 16 => over.push((there, 1)),
                        None => {}
                    }
                }
            }
        }
        let worst = over
            .into_iter()
            .filter(|(other, count)| {
                *count >= thresholds.overlap_px && far_m(*other).is_some_and(|m| m < found.depth_m)
            })
            .filter_map(|(other, count)| {
                let view = expected.views.iter().find(|view| view.body == other)?;
                Some((count as f32 / view.pixels as f32, count))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((share, pixels)) = worst {
            findings.push(Finding {
                what: "through",
                object: Some(body.id),
                value: share,
                threshold: thresholds.overlap_share,
                bound: Bound::AtMost,
                pixels,
                rect,
            });
        }
    }
}
