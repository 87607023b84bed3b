//! Where a body has strayed to, by steps that are each too small to be odd.
//!
//! A picture is compared with the one before it, so whoever moves a little in each of them is never far from where it was last seen. The steps add up:
//! a leaky sum of them is a place, and forgets the small error that each of them has.

use std::collections::HashMap;

use super::{Recalled, Shift};

/// After so many seconds a step counts by a share of 1 / e.
const FORGETS_S: f32 = 0.45;
/// Pictures further apart say nothing about each other.
const LONGEST_GAP_S: f64 = 1.0;

/// By body, of the pictures that were shown.
#[derive(Debug, Default)]
pub(super) struct Strays {
    places: HashMap<u64, Shift>,
    time_s: Option<f64>,
}

impl Strays {
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.time_s = None;
    }

    fn kept(&self, now_s: f64) -> f32 {
        let gap_s = self.time_s.map_or(f64::INFINITY, |time_s| now_s - time_s);
        if (0.0..LONGEST_GAP_S).contains(&gap_s) { (-gap_s as f32 / FORGETS_S).exp() } else { 0.0 }
    }

    /// A body's place after a step, in a picture that is not shown yet.
    pub(super) fn after(&self, id: u64, step: Shift, now_s: f64) -> Shift {
        let kept = self.kept(now_s);
        let Some(before) = self.places.get(&id).filter(|_| kept > 0.0) else { return step };
        Shift {
            px: kept * before.px + step.px,
            sigma_px: (kept * before.sigma_px).hypot(step.sigma_px),
        }
    }

    /// The picture is shown. Bodies in doubt are held to an older picture, which knows the steps since then already.
    pub(super) fn shown(
        &mut self,
        recalled: &Recalled,
        in_doubt: impl Fn(u64) -> bool,
        now_s: f64,
    ) {
        let kept = self.kept(now_s);
        let mut places = HashMap::with_capacity(recalled.bodies.len());
        for alike in &recalled.bodies {
            let waits =
                |place: &Shift| Shift { px: kept * place.px, sigma_px: kept * place.sigma_px };
            let before = self.places.get(&alike.id).map(waits);
            let now = if in_doubt(alike.id) { before } else { alike.strayed.or(before) };
            places.extend(now.map(|place| (alike.id, place)));
        }
        self.places = places;
        self.time_s = Some(now_s);
    }
}
