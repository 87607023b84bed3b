//! What of a picture later ones may be compared with.
//!
//! A fault that was missed once must not become what the next pictures are held to. So whatever was suspected stays in doubt until a picture shows it as it was
//! before, and until then is held to the last picture before the doubt. It ends all the same when that one is too old, and when its body is out of
//! sight.

use std::collections::HashMap;

use super::{OLDEST_S, Recalled, SAME};
use crate::expected::Expected;

/// Share of the pixels that made a region strange, below which it is none any more.
const OVER: f32 = 0.4;

/// Pixels around what is odd that are not believed either.
const MARGIN_PX: usize = 2;

/// What was said against a picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Suspects {
    /// Ids of bodies.
    pub(crate) bodies: Vec<u64>,
    /// Something strange is where only what stands still should be.
    pub(crate) region: bool,
    /// Pixels from which something is strange.
    pub(crate) strange_px: u32,
}

/// What is in doubt, and since when, seconds.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    bodies: HashMap<u64, f64>,
    region_s: Option<f64>,
    /// By pixel of the picture that was taken in last.
    hidden: Vec<bool>,
}

impl Doubts {
    pub(super) fn clear(&mut self) {
        self.bodies.clear();
        self.region_s = None;
    }

    /// Something is in doubt.
    pub(super) fn any(&self) -> bool {
        !self.bodies.is_empty() || self.region_s.is_some()
    }

    /// The body is.
    pub(super) fn of(&self, id: u64) -> bool {
        self.bodies.contains_key(&id)
    }

    /// Takes in the picture that is shown. Which of its pixels later ones must not be compared with; empty if they may with all of it.
    pub(super) fn take_in(
        &mut self,
        expected: &Expected,
        recalled: &Recalled,
        suspects: &Suspects,
    ) -> &[bool] {
        let now_s = expected.snapshot.time_s;
        let lasts = |since_s: &f64| (0.0..OLDEST_S).contains(&(now_s - since_s));
        self.region_s = self.region_s.filter(lasts);
        let region_px = recalled.strange.map_or(0, |region| region.pixels);
        if suspects.region {
            self.region_s.get_or_insert(now_s);
        } else if (region_px as f32) < OVER * suspects.strange_px as f32 {
            self.region_s = None;
        }
        let in_sight =
            |id: u64| expected.views.iter().any(|v| expected.body(v).is_some_and(|b| b.id == id));
        self.bodies.retain(|id, since_s| lasts(since_s) && in_sight(*id));
        for alike in &recalled.bodies {
            if suspects.bodies.contains(&alike.id) {
                self.bodies.entry(alike.id).or_insert(now_s);
            } else if alike.is_as_before() {
                self.bodies.remove(&alike.id);
            }
        }
        self.hide(expected, recalled);
        &self.hidden
    }

    fn hide(&mut self, expected: &Expected, recalled: &Recalled) {
        self.hidden.clear();
        if !self.any() {
            return;
        }
        let bodies: Vec<bool> =
            expected.snapshot.bodies.iter().map(|body| self.of(body.id)).collect();
        let of_body = |object: &u16| bodies.get(usize::from(*object)).is_some_and(|doubt| *doubt);
        // Who stands in another one's place hides that as well.
        let differs = |pixel: usize| recalled.told.get(pixel).is_some_and(|told| *told > SAME);
        let objects = expected.object.iter().enumerate();
        let odd: Vec<bool> =
            objects.map(|(pixel, object)| of_body(object) || differs(pixel)).collect();
        // A pixel passes that looks like one beside it. Without a margin what is odd would be nibbled away, pixel by pixel.
        let (width, height) = (expected.width, expected.height);
        self.hidden.resize(width * height, false);
        for (pixel, _) in odd.iter().enumerate().filter(|(_, odd)| **odd) {
            let (x, y) = (pixel % width, pixel / width);
            for y in y.saturating_sub(MARGIN_PX)..(y + MARGIN_PX + 1).min(height) {
                let from = x.saturating_sub(MARGIN_PX);
                let to = (x + MARGIN_PX + 1).min(width);
                self.hidden[y * width + from..y * width + to].fill(true);
            }
        }
    }
}
