//! Noise and scatter: most of it repeats with a period of 1 in u and v.

use bevy::math::Vec2;

/// A hash of a lattice cell, 0 to 1.
pub fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x85EB_CA6B)
        ^ (y as u32).wrapping_mul(0xC2B2_AE35)
        ^ seed.wrapping_mul(0x27D4_EB2F);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2C1B_3C6D);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    (h >> 8) as f32 / 16_777_216.0
}

fn smooth(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// 0 at `low`, 1 at `high`, smooth between.
pub fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    smooth(((x - low) / (high - low)).clamp(0.0, 1.0))
}

/// Value noise of `nu`×`nv` cells per period, 0 to 1.
pub fn value(u: f32, v: f32, nu: i32, nv: i32, seed: u32) -> f32 {
    let (x, y) = (u * nu as f32, v * nv as f32);
    let (ix, iy) = (x.floor() as i32, y.floor() as i32);
    let (fx, fy) = (smooth(x - ix as f32), smooth(y - iy as f32));
    let at = |dx: i32, dy: i32| hash((ix + dx).rem_euclid(nu), (iy + dy).rem_euclid(nv), seed);
    let low = at(0, 0) + (at(1, 0) - at(0, 0)) * fx;
    let high = at(0, 1) + (at(1, 1) - at(0, 1)) * fx;
    low + (high - low) * fy
}

/// Octaves of [`value`], each half as strong and twice as fine, 0 to 1.
pub fn fbm(u: f32, v: f32, cells: i32, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut weight, mut total, mut n) = (0.0, 1.0, 0.0, cells);
    for octave in 0..octaves {
        sum += weight * value(u, v, n, n, seed.wrapping_add(octave * 7919));
        total += weight;
        weight *= 0.5;
        n *= 2;
    }
    sum / total
}

/// The nearest of `n`×`n` scattered points.
pub struct Cell {
    /// To the nearest point, in cells.
    pub distance: f32,
    /// To the border with the second nearest: 0 on the border, in cells.
    pub border: f32,
    /// 0 to 1, constant over the nearest point's cell.
    pub tone: f32,
}

/// Finds the cell of scattered points that (u, v) is in. `jitter` is 0 for a grid, 1 for full scatter.
pub fn cell(u: f32, v: f32, n: i32, jitter: f32, seed: u32) -> Cell {
    let (x, y) = (u * n as f32, v * n as f32);
    let (ix, iy) = (x.floor() as i32, y.floor() as i32);
    let (mut first, mut second, mut tone) = (f32::MAX, f32::MAX, 0.0);
    for dy in -1..=1 {
        for dx in -1..=1 {
            let (cx, cy) = (ix + dx, iy + dy);
            let (hx, hy) = (cx.rem_euclid(n), cy.rem_euclid(n));
            let px = cx as f32 + 0.5 + jitter * (hash(hx, hy, seed) - 0.5);
            let py = cy as f32 + 0.5 + jitter * (hash(hx, hy, seed ^ 0x51) - 0.5);
            let distance = (px - x).hypot(py - y);
            if distance < first {
                second = first;
                first = distance;
                tone = hash(hx, hy, seed ^ 0xA7);
            } else if distance < second {
                second = distance;
            }
        }
    }
    Cell { distance: first, border: second - first, tone }
}

/// Smooth noise over the plane that does not repeat, by a seed.
#[derive(Debug, Clone, Copy)]
pub struct Noise(pub u32);

impl Noise {
    /// 0 to 1; lattice cells of 1, two octaves.
    pub fn at(self, p: Vec2, channel: u32) -> f32 {
        let seed = self.0 ^ channel.wrapping_mul(0x9E37_79B9);
        0.7 * plane(p, seed) + 0.3 * plane(p * 2.3, seed ^ 0x55)
    }
}

fn plane(p: Vec2, seed: u32) -> f32 {
    let (ix, iy) = (p.x.floor() as i32, p.y.floor() as i32);
    let (fx, fy) = (smooth(p.x - ix as f32), smooth(p.y - iy as f32));
    let low = hash(ix, iy, seed) + (hash(ix + 1, iy, seed) - hash(ix, iy, seed)) * fx;
    let high = hash(ix, iy + 1, seed) + (hash(ix + 1, iy + 1, seed) - hash(ix, iy + 1, seed)) * fx;
    low + (high - low) * fy
}
