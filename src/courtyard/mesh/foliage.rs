//! Hedges and crowns: lumpy bodies with leaves that break their outline.

use bevy::math::{Vec2, Vec3};
use rand::Rng;

use super::builder::Builder;
use super::surface;
use crate::courtyard::texture::Noise;

/// A box-shaped hedge.
pub fn hedge(b: &mut Builder, half: Vec3, rng: &mut impl Rng) {
    let noise = Noise(rng.random());
    b.cuboid(Vec3::ZERO, half - 0.02, half, 0.3, Vec3::ONE);
    for (at, color) in b.positions.iter_mut().zip(&mut b.colors) {
        // The same push for vertices at one place, whichever face they belong to.
        let lump = noise.at(Vec2::new(at.x + at.y * 1.7, at.z - at.y * 1.3) * 2.7, 1) - 0.45;
        *color = Vec3::splat((0.78 + 0.5 * lump) * (0.75 + 0.25 * (at.y / half.y + 1.0) * 0.5));
        let inside = (*at / (half - 0.02)).abs();
        let push = Vec3::new(
            if inside.x > 0.99 { at.x.signum() } else { 0.0 },
            if at.y / half.y > 0.9 { 1.0 } else { 0.0 },
            if inside.z > 0.99 { at.z.signum() } else { 0.0 },
        );
        *at += push.normalize_or_zero() * 0.09 * lump;
    }
    let area = 4.0 * half.y * (half.x + half.z) + 4.0 * half.x * half.z;
    for _ in 0..(area * 16.0).min(220.0) as u32 {
        let d = Vec3::new(
            rng.random_range(-1.0..1.0),
            rng.random_range(-0.9..1.0),
            rng.random_range(-1.0..1.0),
        );
        let axis = match rng.random_range(0..5) {
            0 | 1 => 0,
            2 | 3 => 2,
            _ => 1,
        };
        let mut at = d * half;
        let mut normal = Vec3::ZERO;
        normal[axis] = if axis == 1 { 1.0 } else { d[axis].signum() };
        at[axis] = normal[axis] * half[axis];
        leaf(b, at, normal, surface::cuboid_uv(at, axis, half), rng);
    }
}

/// A ball-shaped crown.
pub fn crown(b: &mut Builder, radius: f32, rng: &mut impl Rng) {
    let noise = Noise(rng.random());
    let bump = |d: Vec3| {
        1.0 + 0.1 / radius * (noise.at(Vec2::new(d.x + 0.6 * d.y, d.z - 0.6 * d.y) * 3.1, 2) - 0.5)
    };
    b.sphere(Vec3::ZERO, radius, 18, 12, Vec3::ONE, bump);
    tone(b, radius);
    for _ in 0..140 {
        let d = Vec3::new(
            rng.random_range(-1.0..1.0),
            rng.random_range(-1.0..1.0),
            rng.random_range(-1.0..1.0),
        )
        .normalize_or(Vec3::Y);
        leaf(b, d * radius, d, surface::ball_uv(d.x.atan2(d.z), d), rng);
    }
}

/// A cone-shaped crown.
pub fn cone(b: &mut Builder, half: f32, radius: f32, rng: &mut impl Rng) {
    let rings = 8;
    let at =
        |t: f32, wave: f32| Vec2::new((radius * (1.0 - t) + wave).max(0.0), -half + 2.0 * half * t);
    let mut profile = vec![Vec2::new(0.0, -half)];
    for i in 0..=rings {
        let wave = if i % 2 == 0 { 0.02 } else { -0.03 };
        profile.push(at(i as f32 / rings as f32, if i == rings { 0.0 } else { wave }));
    }
    b.lathe(&profile, 14, |angle, p| surface::round_uv(angle, p.y, radius, half), |_| Vec3::ONE);
    tone(b, half);
    for _ in 0..120 {
        let t = 1.0 - rng.random_range(0.0..1.0_f32).sqrt();
        let angle: f32 = rng.random_range(-3.14..3.14);
        let out = Vec3::new(angle.sin(), 0.0, angle.cos());
        let ring = at(t, 0.0);
        let p = out * ring.x + Vec3::Y * ring.y;
        leaf(
            b,
            p,
            (out + Vec3::Y * 0.4).normalize(),
            surface::round_uv(angle, p.y, radius, half),
            rng,
        );
    }
}

/// Lighter towards the top.
fn tone(b: &mut Builder, half: f32) {
    for (at, color) in b.positions.iter().zip(&mut b.colors) {
        *color *= 0.62 + 0.3 * (at.y / half + 1.0) * 0.5;
    }
}

/// A pointed leaf that sticks out of the surface.
fn leaf(b: &mut Builder, at: Vec3, normal: Vec3, uv: Vec2, rng: &mut impl Rng) {
    let spin = Vec3::new(
        rng.random_range(-1.0..1.0),
        rng.random_range(-1.0..1.0),
        rng.random_range(-1.0..1.0),
    );
    let side = normal.cross(spin).normalize_or(Vec3::X);
    let along = normal.cross(side);
    let size = rng.random_range(0.06..0.10);
    let tip = at + normal * rng.random_range(0.02..0.06) + along * 0.5 * size;
    let tone = Vec3::splat(rng.random_range(0.8..1.35));
    b.triangle(
        [at - side * 0.5 * size - normal * 0.02, at + side * 0.5 * size - normal * 0.02, tip],
        normal,
        uv,
        [tone * 0.8, tone * 0.8, tone],
    );
}
