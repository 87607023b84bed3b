//! The mean colour of each body, as it was seen last.
//!
//! A body that turns, or comes close in a few pictures, shows hardly a pixel that was seen before. But it has the colours that it had: its mean may get
//! lighter or darker, and keeps its hue.

use std::collections::HashMap;

use super::carried::DARK;
use crate::expected::Expected;

/// Older colours say nothing.
const OLDEST_S: f64 = 1.0;
/// Share of a new colour in that of a body.
const LEARN: f32 = 0.5;

#[derive(Debug, Clone, Copy)]
struct Tint {
    rgb: [f32; 3],
    time_s: f64,
}

/// By body, of the pictures that were shown.
#[derive(Debug, Default)]
pub(super) struct Tints {
    seen: HashMap<u64, Tint>,
    /// Of the picture that is compared, by the snapshot's bodies: sums and count.
    sums: Vec<[f32; 4]>,
}

impl Tints {
    pub(super) fn clear(&mut self) {
        self.seen.clear();
    }

    /// Takes in a picture, 0 to 1.
    pub(super) fn measure(&mut self, expected: &Expected, rgb: &[f32]) {
        self.sums.clear();
        self.sums.resize(expected.snapshot.bodies.len(), [0.0; 4]);
        for (object, rgb) in expected.object.iter().zip(rgb.chunks_exact(3)) {
            if let Some(sum) = self.sums.get_mut(usize::from(*object)) {
                (0..3).for_each(|c| sum[c] += rgb[c]);
                sum[3] += 1.0;
            }
        }
    }

    fn now(&self, body: u16) -> Option<[f32; 3]> {
        let [r, g, b, count] = *self.sums.get(usize::from(body))?;
        (count > 0.0).then(|| [r, g, b].map(|sum| sum / count))
    }

    /// How unlike its channels changed since it was seen last: 1 if it got lighter or darker and nothing else.
    pub(super) fn hue_change(&self, body: u16, id: u64, now_s: f64) -> Option<f32> {
        let then = self.seen.get(&id)?;
        if !(0.0..=OLDEST_S).contains(&(now_s - then.time_s)) {
            return None;
        }
        let now = self.now(body)?;
        let ratios = [0, 1, 2].map(|c| (now[c] + DARK) / (then.rgb[c] + DARK));
        let [least, most] = [f32::min, f32::max].map(|of| ratios.into_iter().reduce(of));
        Some(most? / least?)
    }

    /// The picture is shown; colours of bodies in doubt are not learnt.
    pub(super) fn shown(&mut self, expected: &Expected, in_doubt: impl Fn(u64) -> bool) {
        let time_s = expected.snapshot.time_s;
        self.seen.retain(|_, tint| (0.0..=OLDEST_S).contains(&(time_s - tint.time_s)));
        for view in &expected.views {
            let (Some(body), Some(now)) = (expected.body(view), self.now(view.body)) else {
                continue;
            };
            if in_doubt(body.id) {
                continue;
            }
            let tint = self.seen.entry(body.id).or_insert(Tint { rgb: now, time_s });
            tint.time_s = time_s;
            tint.rgb.iter_mut().zip(now).for_each(|(seen, now)| *seen += LEARN * (now - *seen));
        }
    }
}
