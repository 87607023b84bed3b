//! Finding an expected body in a picture: the shift and scale at which its mask fits best.
//!
//! The fit of a mask is the sum over its pixels of the log-likelihood ratio of "this body at this depth" against what is
//! expected there without it. That sum is the likelihood of the whole picture up to a constant, so shifts and scales of
//! different area compare.

use glam::Vec2;

use super::field::ln_depth;
use super::look::{Look, MOST_NATS};
use super::palette::BINS;
use super::{Measurement, Observed, SEPARABLE_NATS};
use crate::expected::{BodyKind, BodyView, Expected, NONE};
use crate::habit::Habits;

/// Farthest that a body is looked for from where it is expected, and from where it was seen last; pixels.
pub const SEARCH_RADIUS_PX: i32 = 10;
/// Points of a mask that are asked.
const MOST_POINTS: u32 = 256;
/// Samples of a scaled mask that are asked, about.
const SCALE_SAMPLES: f32 = 500.0;
/// Bodies searched for in one picture, the largest first.
const MOST_SEARCHES: usize = 8;
/// In a search every so many points are asked; what is found is looked at with all of them.
const SEARCH_STRIDE: usize = 4;
/// Steps of one climb, each of a pixel.
const MOST_STEPS: usize = 16;
/// Mean log-likelihood ratio from which a body counts as found, nats a pixel.
const FOUND_NATS: f32 = 0.5;
/// Errors of an observer are alike within so many pixels; independent errors would make variances too small.
const ALIKE_PX: f32 = 6.0;
/// Share of its outline that may be hidden for a body to have a size and a place of its own.
pub(super) const MOST_HIDDEN: f32 = 0.3;
/// Something nearer by this share hides a body.
const HIDES: f32 = 0.97;
/// Steps of ln(scale) that are tried, and how many of them.
const SCALE_STEP: f32 = 0.17;
const SCALES: usize = 9;
/// A body smaller than this (radius of a circle of its area) has no scale. Pixels.
pub const LEAST_RADIUS_PX: f32 = 4.0;

/// Finds the views' bodies one after the other.
#[derive(Debug, Default)]
pub(crate) struct Registrar {
    points: Vec<(i32, i32, f32)>,
    mean: Vec<f32>,
    colours: Vec<f32>,
    depths: Vec<f32>,
    searches: usize,
}

/// The scale at which a body's mask fits best.
#[derive(Debug, Clone, Copy)]
struct Scaled {
    /// Log-likelihood ratio, nats.
    fit: f32,
    /// ½ · ln of the area seen over the area expected.
    ln_scale: f32,
    /// Better by this than at the usual scale, nats.
    gain: f32,
    /// Larger and smaller ones fit less well.
    is_peak: bool,
}

struct Fit<'a> {
    look: &'a Look,
    expected: &'a Expected,
    view: &'a BodyView,
    points: &'a [(i32, i32, f32)],
}

impl Fit<'_> {
    /// Log-likelihood ratio of the body at pixel (`x`, `y`) at a depth; `None` outside the picture.
    #[inline]
    fn ratio(&self, x: i32, y: i32, ln_z: f32) -> Option<f32> {
        let (width, height) = (self.expected.width as i32, self.expected.height as i32);
        if x < 0 || y < 0 || x >= width || y >= height {
            return None;
        }
        let pixel = (y * width + x) as usize;
        if self.look.field.blind[pixel] {
            return None;
        }
        let object = self.expected.object[pixel];
        let own = object == self.view.body;
        let without = if own { self.look.behind[pixel] } else { self.look.first[pixel] };
        let with = self.look.surface_score(pixel, self.view.body)
            + self.look.field.depth_score(pixel, ln_z);
        let ratio = (with - without).clamp(-MOST_NATS, MOST_NATS);
        let hidden =
            !own && object != NONE && ln_depth(self.expected.depth_m[pixel]) < ln_z + HIDES.ln();
        // Behind something it need not be seen; if it is seen all the same, that counts.
        Some(if hidden { (ratio - 1.0).max(0.0) } else { ratio })
    }

    /// Sum of the ratios with the mask shifted.
    fn at(&self, (dx, dy): (i32, i32)) -> f32 {
        self.points.iter().filter_map(|(x, y, ln_z)| self.ratio(x + dx, y + dy, *ln_z)).sum()
    }

    /// The same from a part of the points.
    fn roughly_at(&self, (dx, dy): (i32, i32)) -> f32 {
        let points = self.points.iter().step_by(SEARCH_STRIDE);
        points.filter_map(|(x, y, ln_z)| self.ratio(x + dx, y + dy, *ln_z)).sum()
    }

    /// The sum of [`Self::at`] with the mask scaled about its centroid as well, per sample of the unscaled mask.
    fn scaled(&self, shift: (i32, i32), ln_scale: f32, step: i32) -> f32 {
        let scale = ln_scale.exp();
        let centre = self.view.centroid_px;
        let rect = self.view.rect;
        let grown = |low: u16, high: u16, centre: f32| {
            let low = centre + (f32::from(low) - centre) * scale;
            let high = centre + (f32::from(high) - centre) * scale;
            (low.floor() as i32 - 1, high.ceil() as i32 + 1)
        };
        let (x0, x1) = grown(rect.x0, rect.x1, centre.x);
        let (y0, y1) = grown(rect.y0, rect.y1, centre.y);
        let (width, height) = (self.expected.width as i32, self.expected.height as i32);
        let mut sum = 0.0;
        for y in (y0..y1).step_by(step as usize) {
            for x in (x0..x1).step_by(step as usize) {
                let source = centre + (Vec2::new(x as f32, y as f32) - centre) / scale;
                let (sx, sy) = (source.x.round() as i32, source.y.round() as i32);
                if sx < 0 || sy < 0 || sx >= width || sy >= height {
                    continue;
                }
                let pixel = (sy * width + sx) as usize;
                if self.expected.object[pixel] == self.view.body {
                    let ln_z = ln_depth(self.expected.depth_m[pixel]);
                    sum += self.ratio(x + shift.0, y + shift.1, ln_z).unwrap_or(0.0);
                }
            }
        }
        sum * (step * step) as f32
    }

    /// Climbs to the nearest best shift.
    fn climb(&self, from: (i32, i32)) -> ((i32, i32), f32) {
        let (mut best, mut fit) = (from, self.at(from));
        for _ in 0..MOST_STEPS {
            let around = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1)];
            let next = around
                .map(|(dx, dy)| (best.0 + dx, best.1 + dy))
                .map(|shift| (shift, self.at(shift)))
                .into_iter()
                .max_by(|a, b| a.1.total_cmp(&b.1));
            match next {
                Some((shift, better)) if better > fit => (best, fit) = (shift, better),
                _ => break,
            }
        }
        (best, fit)
    }
}

/// The peak of a tent through three samples one step apart, from the middle one; −½ to ½ steps.
pub(crate) fn tent_peak(before: f32, middle: f32, after: f32) -> f32 {
    let flank = middle - before.min(after);
    if flank > 1e-6 { (0.5 * (after - before) / flank).clamp(-0.5, 0.5) } else { 0.0 }
}

impl Registrar {
    /// Before the first body of a picture.
    pub(crate) fn begin(&mut self) {
        self.searches = 0;
    }

    /// Finds the body of `view`; `predicted` is the shift at which its track expects it.
    pub(crate) fn measure(
        &mut self,
        look: &Look,
        expected: &Expected,
        habits: &Habits,
        observed: &Observed,
        view: &BodyView,
        predicted: Vec2,
        sigma_c_px: f32,
    ) -> Option<Measurement> {
        let body = expected.body(view)?;
        self.gather_points(expected, view);
        let (separable, seen) = self.seen_in_place(expected.width, observed);
        let other_class = self.other_class(look, expected.width, habits, view);
        let fit = Fit { look, expected, view, points: &self.points };
        let count = self.points.len().max(1) as f32;
        let share = if separable > 0 { seen / separable as f32 } else { 1.0 };

        let (mut shift, mut best) = fit.climb((0, 0));
        let hint = (predicted.x.round() as i32, predicted.y.round() as i32);
        if hint != (0, 0) && predicted.is_finite() {
            let other = fit.climb(hint);
            if other.1 > best {
                (shift, best) = other;
            }
        }
        let movable = body.kind != BodyKind::Fixed;
        let poor = share < 0.7 && best < FOUND_NATS * 2.0 * count;
        if movable && poor && separable > 0 && self.searches < MOST_SEARCHES {
            self.searches += 1;
            for centre in [(0, 0), hint] {
                let around = (-SEARCH_RADIUS_PX..=SEARCH_RADIUS_PX).step_by(2);
                let grid = around.clone().flat_map(|dy| around.clone().map(move |dx| (dx, dy)));
                let coarse = grid
                    .map(|(dx, dy)| (centre.0 + dx, centre.1 + dy))
                    .map(|shift| (shift, fit.roughly_at(shift)))
                    .max_by(|a, b| a.1.total_cmp(&b.1));
                if let Some((from, _)) = coarse {
                    let refined = fit.climb(from);
                    if refined.1 > best {
                        (shift, best) = refined;
                    }
                }
                if hint == (0, 0) {
                    break;
                }
            }
        }
        let seen_there = fit
            .points
            .iter()
            .filter_map(|(x, y, ln_z)| fit.ratio(x + shift.0, y + shift.1, *ln_z))
            .fold((0.0, 0.0), |(seen, all), ratio| (seen + logistic(ratio), all + 1.0));
        let fit_share = seen_there.0 / f32::max(seen_there.1, 1.0);
        let usual = habits.usual(body.id);
        let scaled = self.scale(&fit, shift, usual.ln_scale);
        // A body that is drawn much smaller fits badly at its own size.
        let mean_of_scaled =
            |scaled: Scaled| scaled.fit / (view.pixels as f32 * (2.0 * scaled.ln_scale).exp());
        let resized = scaled.is_some_and(|scaled| mean_of_scaled(scaled) >= FOUND_NATS);
        let found = (best / count >= FOUND_NATS && fit_share >= 0.5) || resized;

        let along = |dx: i32, dy: i32| fit.at((shift.0 + dx, shift.1 + dy));
        let (left, right, up, down) = (along(-1, 0), along(1, 0), along(0, -1), along(0, 1));
        let fraction = Vec2::new(tent_peak(left, best, right), tent_peak(up, best, down));
        // Curvature of the whole mask's fit: how sharply the picture says where the body is.
        let whole = view.pixels as f32 / count;
        let variance = |before: f32, after: f32| {
            let curvature = (2.0 * best - before - after) * whole;
            let told = curvature > 1.0;
            if told { ALIKE_PX / curvature + sigma_c_px * sigma_c_px } else { f32::INFINITY }
        };
        let shift_var_px2 = Vec2::new(variance(left, right), variance(up, down));
        let scaled = scaled.filter(|scaled| found && scaled.is_peak);
        let ln_scale = scaled.map(|scaled| scaled.ln_scale);
        let mut shift_px = Vec2::new(shift.0 as f32, shift.1 as f32) + fraction;
        if !found {
            shift_px = Vec2::ZERO;
        }
        let residual = best / count;
        let (ln_depth, ln_depth_var) =
            Self::depth(&mut self.depths, &self.points, look, expected, shift);
        let area = view.pixels as f32;
        Some(Measurement {
            body: view.body,
            id: body.id,
            pixels: view.pixels,
            separable: (separable as f32 * whole).round() as u32,
            seen_share: share,
            found,
            shift_px,
            shift_var_px2,
            fit_share,
            ln_scale,
            // Errors of an observer are alike around a place: so many nats are evidence of fewer.
            scale_gain: scaled.map_or(0.0, |scaled| scaled.gain / ALIKE_PX),
            ln_depth,
            ln_depth_var,
            centroid_px: view.centroid_px + shift_px,
            area_px: area * (2.0 * ln_scale.unwrap_or(0.0)).exp(),
            residual,
            other_class,
            clear: !view.cut && view.hidden <= MOST_HIDDEN,
            usual,
            known_frames: habits.frames(body.id),
            metres_per_pixel: expected.metres_per_pixel(view),
            depth_m: view.depth_m,
            rect: view.rect,
        })
    }

    /// Mean over the points of the last view, of what was said of it.
    pub(crate) fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The same of its colours, shares of the palette; empty if colours do not count.
    pub(crate) fn colours(&self) -> &[f32] {
        &self.colours
    }

    fn gather_points(&mut self, expected: &Expected, view: &BodyView) {
        self.points.clear();
        let every = view.pixels.div_ceil(MOST_POINTS).max(1) as usize;
        for y in usize::from(view.rect.y0)..usize::from(view.rect.y1) {
            for x in usize::from(view.rect.x0)..usize::from(view.rect.x1) {
                let pixel = y * expected.width + x;
                // A slanted lattice: no whole rows or columns are left out.
                if expected.object[pixel] == view.body && (x + y * (every / 2 + 1)) % every == 0 {
                    let ln_z = ln_depth(expected.depth_m[pixel]);
                    self.points.push((x as i32, y as i32, ln_z));
                }
            }
        }
    }

    /// How many points can tell the body from what is behind it, and how many of them show it.
    fn seen_in_place(&self, width: usize, observed: &Observed) -> (u32, f32) {
        let pixels = self.points.iter().map(|(x, y, _)| *y as usize * width + *x as usize);
        pixels
            .filter(|pixel| observed.information[*pixel] >= SEPARABLE_NATS)
            .fold((0, 0.0), |(n, seen), pixel| (n + 1, seen + logistic(observed.support[pixel])))
    }

    /// How much better another class explains the points than what is usually said of the body, nats a pixel.
    fn other_class(&mut self, look: &Look, width: usize, habits: &Habits, view: &BodyView) -> f32 {
        let classes = look.field.classes;
        self.mean_colours(look, width);
        self.mean.clear();
        self.mean.resize(classes, 0.0);
        let mut count = 0.0f32;
        for (x, y, _) in &self.points {
            let pixel = *y as usize * width + *x as usize;
            if !look.field.blind[pixel] {
                count += 1.0;
                let said = look.field.classes_of(pixel);
                self.mean.iter_mut().zip(said).for_each(|(mean, p)| *mean += p);
            }
        }
        if count == 0.0 {
            self.mean.fill(1.0 / classes as f32);
            return 0.0;
        }
        self.mean.iter_mut().for_each(|mean| *mean /= count);
        let score = |row: &[f32]| self.mean.iter().zip(row).map(|(p, q)| p * q).sum::<f32>();
        let own = score(look.row(view.body));
        let best = habits.ln_rows.iter().map(|row| score(row)).fold(f32::NEG_INFINITY, f32::max);
        (best - own).max(0.0)
    }

    fn mean_colours(&mut self, look: &Look, width: usize) {
        self.colours.clear();
        if look.field.colours.is_empty() {
            return;
        }
        self.colours.resize(BINS, 0.0);
        let share = 1.0 / self.points.len().max(1) as f32;
        for (x, y, _) in &self.points {
            for (bin, p) in look.field.colours[*y as usize * width + *x as usize] {
                self.colours[usize::from(bin)] += share * p;
            }
        }
    }

    /// The best fit over scales; `None` where a size cannot be told. `usual` is ½ · ln of the area usually seen over the
    /// area expected.
    fn scale(&self, fit: &Fit, shift: (i32, i32), usual: f32) -> Option<Scaled> {
        let view = fit.view;
        let radius = (view.pixels as f32 / std::f32::consts::PI).sqrt();
        if view.cut || view.hidden > MOST_HIDDEN || radius < LEAST_RADIUS_PX {
            return None;
        }
        let step = (view.pixels as f32 / SCALE_SAMPLES).sqrt().ceil().max(1.0) as i32;
        let middle = SCALES / 2;
        let scales: [f32; SCALES] =
            std::array::from_fn(|i| (i as f32 - middle as f32) * SCALE_STEP);
        let peak = |shift| {
            let fits = scales.map(|scale| fit.scaled(shift, scale, step));
            let best = (0..SCALES).max_by(|a, b| fits[*a].total_cmp(&fits[*b])).unwrap_or(middle);
            // At its end a climb has found no peak: what lies around looks alike.
            let fraction = match best {
                0 => None,
                best if best + 1 == SCALES => None,
                best => Some(tent_peak(fits[best - 1], fits[best], fits[best + 1])),
            };
            let at = (usual / SCALE_STEP + middle as f32).clamp(0.0, (SCALES - 1) as f32);
            let below = (at as usize).min(SCALES - 2);
            let part = at - below as f32;
            let usual = fits[below] + part * (fits[below + 1] - fits[below]);
            Scaled {
                fit: fits[best],
                ln_scale: scales[best] + fraction.unwrap_or(0.0) * SCALE_STEP,
                gain: fits[best] - usual,
                is_peak: fraction.is_some(),
            }
        };
        let mut best = peak(shift);
        // A body that is larger about its base is shifted besides.
        if best.ln_scale.abs() > 0.4 * SCALE_STEP {
            for (dx, dy) in
                [(0, -2), (0, 2), (-2, 0), (2, 0), (0, -4), (0, 4), (-shift.0, -shift.1)]
            {
                let there = peak((shift.0 + dx, shift.1 + dy));
                if there.fit > best.fit {
                    best = there;
                }
            }
        }
        Some(best)
    }

    /// Median of ln(seen depth / expected depth) over the points, and its variance.
    fn depth(
        depths: &mut Vec<f32>,
        points: &[(i32, i32, f32)],
        look: &Look,
        expected: &Expected,
        shift: (i32, i32),
    ) -> (f32, f32) {
        let (width, height) = (expected.width as i32, expected.height as i32);
        depths.clear();
        let mut sigma = 0.0;
        for (x, y, ln_z) in points {
            let (x, y) = (x + shift.0, y + shift.1);
            if x < 0 || y < 0 || x >= width || y >= height {
                continue;
            }
            let pixel = (y * width + x) as usize;
            let weight = look.field.depth_weight[pixel];
            if weight > 0.0 {
                depths.push(look.field.ln_depth[pixel] - ln_z);
                sigma += 1.0 / weight;
            }
        }
        if depths.is_empty() {
            return (0.0, f32::INFINITY);
        }
        let count = depths.len();
        let (_, median, _) = depths.select_nth_unstable_by(count / 2, f32::total_cmp);
        let sigma = sigma / count as f32;
        (*median, sigma * sigma * (ALIKE_PX * ALIKE_PX / count as f32).min(1.0))
    }
}

/// Names the pixels of bodies that are seen elsewhere than expected in `observed`.
pub(crate) fn name_shifted(look: &Look, expected: &Expected, observed: &mut Observed) {
    let (width, height) = (expected.width as i32, expected.height as i32);
    for (view, measurement) in expected.views.iter().zip(&observed.measurements) {
        let shift = measurement.shift_px.round();
        if !measurement.found || shift == Vec2::ZERO || measurement.body != view.body {
            continue;
        }
        let fit = Fit { look, expected, view, points: &[] };
        for y in i32::from(view.rect.y0)..i32::from(view.rect.y1) {
            for x in i32::from(view.rect.x0)..i32::from(view.rect.x1) {
                let from = (y * width + x) as usize;
                if expected.object[from] != view.body {
                    continue;
                }
                let (tx, ty) = (x + shift.x as i32, y + shift.y as i32);
                let ratio = fit.ratio(tx, ty, ln_depth(expected.depth_m[from])).unwrap_or(0.0);
                if ratio > 0.5 && ty < height {
                    let to = (ty * width + tx) as usize;
                    observed.object[to] = view.body;
                    observed.confidence[to] = logistic(ratio);
                }
            }
        }
    }
}

pub(crate) fn logistic(nats: f32) -> f32 {
    1.0 / (1.0 + (-nats).exp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_peak_of_a_tent_is_found_exactly(at in -0.5f32..0.5, slope in 0.1f32..50.0, top in -9f32..9.0) {
            let tent = |x: f32| top - slope * (x - at).abs();
            prop_assert!((tent_peak(tent(-1.0), tent(0.0), tent(1.0)) - at).abs() < 1e-3);
        }
    }
}
