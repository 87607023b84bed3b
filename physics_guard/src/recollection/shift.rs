//! How far a body stands from where the pictures before say that it does, to a fraction of a pixel.
//!
//! If what is seen now is what was seen then, moved by a little d, it differs by −d · ∇I. Least squares over a body's pixels give d
//! (Lucas & Kanade 1981). A difference that all of its pixels share is light, and taken out first. Beyond about a pixel and a half the answer is too
//! small, but it still says that something moved.

use glam::Vec2;

use super::carried::{Carried, KNOWN};
use crate::expected::Expected;

/// Fewer pixels have no place.
const FEWEST: f32 = 24.0;
/// Differences of neighbours are alike within so many pixels: that many are evidence of one.
const ALIKE_PX: f32 = 6.0;
/// Root mean square by which a right picture differs from the carried one, grey of 0 to 1.
const PICTURE_NOISE: f32 = 0.02;
/// Mean square of the gradient, per pixel, that noise alone has.
const NOISE: f32 = 2e-5;
/// A place that is known no better than this is not known, pixels.
const WORST_SIGMA_PX: f32 = 0.35;

/// Where a body stands, from where it should; x to the right, y down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Pixels.
    pub px: Vec2,
    /// Standard deviation along the axis that is known less well, pixels.
    pub sigma_px: f32,
}

/// Sums over a body's pixels.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f32,
    gradient: Vec2,
    xx: f32,
    xy: f32,
    yy: f32,
    difference: f32,
    product: Vec2,
}

impl Sums {
    fn add(&mut self, gradient: Vec2, difference: f32) {
        self.count += 1.0;
        self.gradient += gradient;
        self.xx += gradient.x * gradient.x;
        self.xy += gradient.x * gradient.y;
        self.yy += gradient.y * gradient.y;
        self.difference += difference;
        self.product += gradient * difference;
    }

    fn solve(&self) -> Option<Shift> {
        if self.count < FEWEST {
            return None;
        }
        let mean = self.gradient / self.count;
        let about_mean = self.product - self.gradient * (self.difference / self.count);
        let slack = NOISE * self.count;
        let xx = self.xx - self.gradient.x * mean.x + slack;
        let yy = self.yy - self.gradient.y * mean.y + slack;
        let xy = self.xy - self.gradient.x * mean.y;
        let determinant = xx * yy - xy * xy;
        if !(determinant > 0.0) {
            return None;
        }
        let px = -Vec2::new(
            yy * about_mean.x - xy * about_mean.y,
            xx * about_mean.y - xy * about_mean.x,
        ) / determinant;
        // By the noise of right pictures: what a shift leaves unexplained is no noise, but the shift being too large to be linear.
        let sigma_px = PICTURE_NOISE * (ALIKE_PX * xx.max(yy) / determinant).sqrt();
        (px.is_finite() && sigma_px <= WORST_SIGMA_PX).then_some(Shift { px, sigma_px })
    }
}

/// Of all bodies of a picture; reused from picture to picture.
#[derive(Debug, Default)]
pub(super) struct Shifts {
    sums: Vec<Sums>,
    then: Vec<f32>,
    now: Vec<f32>,
}

impl Shifts {
    /// Measures the bodies of a picture, 0 to 1, against a carried one; without one nothing is known.
    pub(super) fn measure(&mut self, expected: &Expected, then: Option<&Carried>, rgb: &[f32]) {
        self.sums.clear();
        let Some(carried) = then else { return };
        self.sums.resize(expected.snapshot.bodies.len(), Sums::default());
        let grey = |rgb: &[f32], out: &mut Vec<f32>| {
            out.clear();
            out.extend(rgb.chunks_exact(3).map(|c| 0.3 * c[0] + 0.6 * c[1] + 0.1 * c[2]));
        };
        grey(&carried.rgb, &mut self.then);
        grey(rgb, &mut self.now);
        let (width, height) = (expected.width, expected.height);
        let (now, then) = (&self.now, &self.then);
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let pixel = y * width + x;
                let Some(sums) = self.sums.get_mut(usize::from(expected.object[pixel])) else {
                    continue;
                };
                let around = [pixel, pixel - 1, pixel + 1, pixel - width, pixel + width];
                if around.iter().any(|pixel| carried.valid[*pixel] < KNOWN) {
                    continue;
                }
                let along = |a: usize, b: usize| 0.25 * (now[b] - now[a] + then[b] - then[a]);
                let gradient =
                    Vec2::new(along(pixel - 1, pixel + 1), along(pixel - width, pixel + width));
                sums.add(gradient, now[pixel] - then[pixel]);
            }
        }
    }

    /// Of a body, into the snapshot's.
    pub(super) fn of(&self, body: u16) -> Option<Shift> {
        self.sums.get(usize::from(body))?.solve()
    }
}
