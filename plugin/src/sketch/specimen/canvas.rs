//! Draws a level with a pen.

use glam::Vec2;
use image::{Rgb, RgbImage};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::layout::Layout;

/// How strokes look.
pub(super) struct Pen {
    pub width_px: f32,
    pub ink: [f32; 3],
    /// How far a stroke leaves its line.
    pub wobble_px: f32,
    /// Part of the width and darkness that comes and goes.
    pub pressure: f32,
    /// Length of gaps; none if 0.
    pub gap_px: f32,
    /// Walls are two lines.
    pub is_double: bool,
    /// Spawn is a cross, goal and water are outlined.
    pub is_ringed: bool,
    pub antialiased: bool,
}

const GREEN: [f32; 3] = [20.0, 165.0, 55.0];
const RED: [f32; 3] = [220.0, 35.0, 35.0];
const BLUE: [f32; 3] = [45.0, 110.0, 225.0];
const BROWN: [f32; 3] = [140.0, 92.0, 45.0];
const ORANGE: [f32; 3] = [255.0, 145.0, 10.0];

pub(super) struct Canvas {
    width: usize,
    height: usize,
    px_per_m: f32,
    pixels: Vec<[f32; 3]>,
}

impl Canvas {
    pub(super) fn new(size_m: Vec2, px_per_m: f32, paper: [f32; 3]) -> Self {
        let size = (size_m * px_per_m).round();
        let (width, height) = (size.x as usize, size.y as usize);
        Self { width, height, px_per_m, pixels: vec![paper; width * height] }
    }

    pub(super) fn finish(self) -> RgbImage {
        RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            Rgb(self.pixels[y as usize * self.width + x as usize]
                .map(|c| c.clamp(0.0, 255.0) as u8))
        })
    }

    /// Printed lines.
    pub(super) fn rule(&mut self, rng: &mut ChaCha8Rng, squared: bool, unit: f32) {
        let period = rng.random_range(14.0..34.0) * unit;
        let light = rng.random_range(0.12..0.3);
        let ink = if rng.random_bool(0.6) { [120.0, 150.0, 210.0] } else { [140.0; 3] };
        let width = (1.2 * unit).max(1.0);
        let (w, h) = (self.width as f32, self.height as f32);
        let mut lines = |count: f32, line: &dyn Fn(f32) -> (Vec2, Vec2)| {
            let mut at = 0.6 * period;
            while at < count {
                let (a, b) = line(at);
                self.capsule(a, b, width, ink, 2.0 * light, true);
                at += period;
            }
        };
        lines(h, &|y| (Vec2::new(0.0, y), Vec2::new(w, y)));
        if squared {
            lines(w, &|x| (Vec2::new(x, 0.0), Vec2::new(x, h)));
        }
    }

    pub(super) fn draw(
        &mut self,
        layout: &Layout,
        offset_m: Vec2,
        pen: &Pen,
        rng: &mut ChaCha8Rng,
    ) {
        let px = |m: Vec2, canvas: &Self| (m + offset_m) * canvas.px_per_m;
        for water in &layout.water {
            let (a, b) = (px(water.min, self), px(water.max, self));
            self.area(a, b, pen, BLUE, pen.is_ringed, rng);
        }
        if let Some(ramp) = layout.ramp {
            let (a, b) = (px(ramp.min, self), px(ramp.max, self));
            self.ramp(a, b);
        }
        for (body, is_ball) in &layout.bodies {
            let (a, b) = (px(body.min, self), px(body.max, self));
            if *is_ball {
                self.capsule(0.5 * (a + b), 0.5 * (a + b), (b - a).x, ORANGE, 1.0, pen.antialiased);
            } else {
                self.area(a, b, pen, BROWN, false, rng);
            }
        }
        for pillar in &layout.pillars {
            let (a, b) = (px(pillar.min, self), px(pillar.max, self));
            self.area(a, b, pen, pen.ink, false, rng);
        }
        for wall in &layout.walls {
            // Round ends would narrow the doorways.
            let cap_m = (0.5 * pen.width_px / self.px_per_m).min(0.4 * wall.a.distance(wall.b));
            let along = (wall.b - wall.a).normalize_or_zero();
            let is_jamb = |end: Vec2| {
                let doorways = layout.doorways.iter();
                doorways
                    .map(|(centre, half)| (end - *centre).abs().max_element() - half.max_element())
                    .any(|d| d.abs() < 0.01)
            };
            let back = |end: Vec2| if is_jamb(end) { cap_m } else { 0.0 };
            let (a, b) = (wall.a + along * back(wall.a), wall.b - along * back(wall.b));
            let (a, b) = (px(a, self), px(b, self));
            if pen.is_double {
                let along = (b - a).normalize_or_zero();
                let side = along.perp() * 0.15 * self.px_per_m;
                for (p, q) in [
                    (a + side, b + side),
                    (a - side, b - side),
                    (a - side, a + side),
                    (b - side, b + side),
                ] {
                    self.stroke(p, q, pen, pen.ink, rng);
                }
            } else {
                self.stroke(a, b, pen, pen.ink, rng);
            }
        }
        let dot = 0.55 * self.px_per_m;
        let (spawn, goal) = (px(layout.spawn_m, self), px(layout.goal_m, self));
        if pen.is_ringed {
            let half = 0.45 * dot;
            let thin = Pen {
                gap_px: 0.0,
                is_double: false,
                width_px: pen.width_px.max(0.12 * dot),
                ..*pen
            };
            self.stroke(spawn - half, spawn + half, &thin, GREEN, rng);
            self.stroke(
                spawn + Vec2::new(-half, half),
                spawn + Vec2::new(half, -half),
                &thin,
                GREEN,
                rng,
            );
            for i in 0..16 {
                let at = |i: i32| {
                    goal + Vec2::from_angle(i as f32 * std::f32::consts::TAU / 16.0) * half
                };
                self.capsule(at(i), at(i + 1), thin.width_px, RED, 1.0, pen.antialiased);
            }
        } else {
            self.capsule(spawn, spawn, dot, GREEN, 1.0, pen.antialiased);
            self.capsule(goal, goal, dot, RED, 1.0, pen.antialiased);
        }
    }

    /// A filled rectangle, with an outline that wobbles; or the outline alone.
    fn area(
        &mut self,
        a: Vec2,
        b: Vec2,
        pen: &Pen,
        ink: [f32; 3],
        outline: bool,
        rng: &mut ChaCha8Rng,
    ) {
        let thin = Pen {
            gap_px: 0.0,
            is_double: false,
            width_px: pen.width_px.min(0.2 * self.px_per_m),
            ..*pen
        };
        let (c, d) = (Vec2::new(b.x, a.y), Vec2::new(a.x, b.y));
        if !outline {
            for y in a.y.round().max(0.0) as usize..(b.y.round() as usize).min(self.height) {
                for x in a.x.round().max(0.0) as usize..(b.x.round() as usize).min(self.width) {
                    self.pixels[y * self.width + x] = ink;
                }
            }
        }
        let inset = Vec2::splat(0.5 * thin.width_px);
        let (a, b) = (a + inset, b - inset);
        let (c, d) = (c + Vec2::new(-inset.x, inset.y), d + Vec2::new(inset.x, -inset.y));
        for (p, q) in [(a, c), (c, b), (b, d), (d, a)] {
            self.stroke(p, q, &thin, ink, rng);
        }
    }

    /// Grey, darker to the east.
    fn ramp(&mut self, a: Vec2, b: Vec2) {
        for y in a.y.max(0.0) as usize..(b.y as usize).min(self.height) {
            for x in a.x.max(0.0) as usize..(b.x as usize).min(self.width) {
                let share = (x as f32 - a.x) / (b.x - a.x).max(1.0);
                self.pixels[y * self.width + x] = [185.0 - 75.0 * share; 3];
            }
        }
    }

    /// A stroke from a to b as a hand would draw it.
    fn stroke(&mut self, a: Vec2, b: Vec2, pen: &Pen, ink: [f32; 3], rng: &mut ChaCha8Rng) {
        let length = a.distance(b);
        let along = (b - a).normalize_or_zero();
        let steps = if pen.wobble_px > 0.0 { (length / 8.0).ceil().max(1.0) as i32 } else { 1 };
        let phases: [f32; 3] = std::array::from_fn(|_| rng.random_range(0.0..6.28));
        let waves: [f32; 3] = std::array::from_fn(|_| rng.random_range(60.0..260.0));
        let jitter = |rng: &mut ChaCha8Rng| {
            let most = pen.wobble_px;
            if most > 0.0 {
                Vec2::new(rng.random_range(-most..most), rng.random_range(-most..most))
            } else {
                Vec2::ZERO
            }
        };
        let (a, b) = (a + jitter(rng), b + jitter(rng));
        let gap_at = (pen.gap_px > 0.0 && length > 10.0 * pen.gap_px)
            .then(|| rng.random_range(0.2..0.8) * length);
        let at = |s: f32| {
            let off: f32 = (0..3).map(|k| (s * length / waves[k] * 6.28 + phases[k]).sin()).sum();
            a.lerp(b, s) + along.perp() * (off / 3.0 * pen.wobble_px)
        };
        for i in 0..steps {
            let (s, t) = (i as f32 / steps as f32, (i + 1) as f32 / steps as f32);
            let press =
                1.0 - pen.pressure * (0.5 + 0.5 * (s * length / waves[0] * 4.0 + phases[1]).sin());
            let (mut p, mut q) = (at(s), at(t));
            if let Some(gap) = gap_at {
                // The round ends of strokes reach into a gap.
                let half = 0.5 * (pen.gap_px + pen.width_px) / length;
                let (from, to) = (gap / length - half, gap / length + half);
                if steps == 1 {
                    self.capsule(p, at(from), pen.width_px, ink, 1.0, pen.antialiased);
                    self.capsule(at(to), q, pen.width_px, ink, 1.0, pen.antialiased);
                    continue;
                }
                if s >= from && t <= to {
                    continue;
                }
                if s < from && t > from {
                    q = at(from);
                } else if s < to && t > to {
                    p = at(to);
                }
            }
            self.capsule(
                p,
                q,
                pen.width_px * (1.0 - 0.3 * (1.0 - press)),
                ink,
                press,
                pen.antialiased,
            );
        }
    }

    /// A line with round ends.
    fn capsule(
        &mut self,
        a: Vec2,
        b: Vec2,
        width: f32,
        ink: [f32; 3],
        opacity: f32,
        antialiased: bool,
    ) {
        let reach = 0.5 * width + 1.0;
        let (min, max) = (a.min(b) - reach, a.max(b) + reach);
        let along = b - a;
        let length2 = along.length_squared().max(1e-9);
        for y in min.y.max(0.0) as usize..(max.y.max(0.0) as usize + 1).min(self.height) {
            for x in min.x.max(0.0) as usize..(max.x.max(0.0) as usize + 1).min(self.width) {
                let at = Vec2::new(x as f32 + 0.5, y as f32 + 0.5);
                let share = ((at - a).dot(along) / length2).clamp(0.0, 1.0);
                let off = at.distance(a + along * share);
                let cover = (0.5 * width - off + 0.5).clamp(0.0, 1.0);
                let cover = opacity * if antialiased { cover } else { cover.round() };
                let pixel = &mut self.pixels[y * self.width + x];
                for (value, ink) in pixel.iter_mut().zip(ink) {
                    // Strokes that overlap do not darken twice.
                    let mixed = *value + (ink - *value) * cover;
                    *value = if ink < *value { mixed.min(*value) } else { mixed };
                }
            }
        }
    }
}
