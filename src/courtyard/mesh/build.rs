//! Each role's shape: plinths, copings, frames, capitals.

use bevy::math::{Quat, Vec2, Vec3};
use bevy_reverie::material::NeuralMaterial;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reverie_guard::expected::Shape;

use super::builder::Builder;
use super::{foliage, surface};
use crate::courtyard::layout::{Layout, Role};

/// Neutral: the piece's tint as it is.
const PLAIN: Vec3 = Vec3::ONE;

/// Adds the body's surface in its own frame; colours are relative to its tint.
pub fn build(b: &mut Builder, layout: &Layout, index: usize) {
    let piece = &layout.pieces[index];
    // One rng for the courtyard's manner of building, one for the piece.
    let manner = &mut ChaCha8Rng::seed_from_u64(layout.seed ^ 0x00C0_FFEE);
    let own =
        &mut ChaCha8Rng::seed_from_u64(layout.seed.wrapping_mul(31).wrapping_add(index as u64));
    let leaves = piece.class == NeuralMaterial::HEDGE.class;
    match (&piece.shape, piece.role) {
        (Shape::Cuboid { half_extents_m: half }, role) => match role {
            // A patch's rim is thinner than a picture's line; drawn, it would show as dots.
            Role::Ground | Role::Slab | Role::Water => {
                b.face(Vec3::ZERO, *half, 1, 1.0, 0.5, PLAIN, |p| surface::cuboid_uv(p, 1, *half))
            }
            Role::Foliage => foliage::hedge(b, *half, own),
            Role::Wall => wall(b, *half, manner),
            Role::Crate => crate_box(b, *half, own),
            Role::Door => door(b, *half),
            Role::Ramp => ramp(b, *half),
            Role::Lamp => lamp(b, *half),
            Role::Beam => beam(b, *half),
            _ => block(b, *half),
        },
        (Shape::Ball { radius_m }, _) if leaves => foliage::crown(b, *radius_m, own),
        (Shape::Ball { radius_m }, _) => b.sphere(Vec3::ZERO, *radius_m, 20, 14, PLAIN, |_| 1.0),
        (Shape::Cone { half_height_m, radius_m }, _) if leaves => {
            foliage::cone(b, *half_height_m, *radius_m, own)
        }
        (Shape::Cone { half_height_m: h, radius_m: r }, _) => {
            let mid = |t: f32| Vec2::new(r * (1.0 - t), -h + 2.0 * h * t);
            round(
                b,
                &[Vec2::new(0.0, -h), mid(0.0), mid(0.3), mid(0.65), mid(1.0)],
                *r,
                *h,
                16,
                |_| PLAIN,
            );
        }
        (Shape::Capsule { half_height_m: h, radius_m: r }, _) => {
            let mut profile = Vec::new();
            for i in 0..=5 {
                let a = i as f32 / 5.0 * std::f32::consts::FRAC_PI_2;
                profile.push(Vec2::new(r * a.sin(), -h - r * a.cos()));
            }
            for i in 0..=5 {
                let a = i as f32 / 5.0 * std::f32::consts::FRAC_PI_2;
                profile.push(Vec2::new(r * a.cos(), h + r * a.sin()));
            }
            round(b, &profile, *r, *h, 16, |_| PLAIN);
        }
        (Shape::Cylinder { half_height_m, radius_m }, role) => {
            cylinder(b, *half_height_m, *radius_m, role)
        }
        (Shape::Mesh(mesh), _) => {
            for [i, j, k] in &mesh.triangles {
                let corners = [i, j, k].map(|v| mesh.vertices_m[*v as usize]);
                let normal =
                    (corners[1] - corners[0]).cross(corners[2] - corners[0]).normalize_or(Vec3::Y);
                b.triangle(corners, normal, Vec2::ZERO, [PLAIN; 3]);
            }
        }
    }
}

/// A lathe with texture coordinates of a round collider; nearly level rings are caps.
fn round(
    b: &mut Builder,
    profile: &[Vec2],
    radius: f32,
    half: f32,
    sides: u32,
    tone: impl Fn(f32) -> Vec3,
) {
    for pair in profile.windows(2) {
        let flat = (pair[1].y - pair[0].y).abs() < 0.2 * (pair[1].x - pair[0].x).abs();
        let uv = |angle: f32, at: Vec3| {
            if flat { surface::cap_uv(at) } else { surface::round_uv(angle, at.y, radius, half) }
        };
        b.lathe(pair, sides, uv, &tone);
    }
}

fn wall(b: &mut Builder, half: Vec3, manner: &mut impl Rng) {
    let plinth = manner.random_range(0.18..0.34);
    let (has_plinth, has_coping) = (manner.random_bool(0.7), manner.random_bool(0.8));
    let coping = manner.random_range(0.08..0.16);
    let (plinth_tone, coping_tone) =
        (manner.random_range(0.6..0.95), manner.random_range(0.75..1.25));
    let (every, width) = (manner.random_range(2.4..4.5), manner.random_range(0.35..0.6));
    let piers = manner.random_bool(0.6);

    b.cuboid(Vec3::ZERO, half, half, 0.55, PLAIN);
    if has_plinth && half.y > 0.5 {
        let center = Vec3::Y * (0.5 * plinth - half.y);
        let size = Vec3::new(half.x + 0.04, 0.5 * plinth, half.z + 0.04);
        b.cuboid(center, size, half, 0.6, Vec3::splat(plinth_tone));
    }
    if has_coping {
        let center = Vec3::Y * (half.y + 0.03 - 0.5 * coping);
        let size = Vec3::new(half.x + 0.055, 0.5 * coping, half.z + 0.055);
        b.cuboid(center, size, half, 1.2, Vec3::splat(coping_tone));
    }
    let along = if half.x > half.z { Vec3::X } else { Vec3::Z };
    let length = 2.0 * half.dot(along);
    let count = (length / every).floor() as i32;
    if piers && length > 4.0 {
        for i in 0..=count {
            let at = length * (i as f32 / count as f32 - 0.5) * (1.0 - width / length);
            let across = Vec3::ONE - along - Vec3::Y;
            let size = along * 0.5 * width + across * (half + 0.05) + Vec3::Y * (half.y - 0.01);
            b.cuboid(along * at, size, half, 0.6, Vec3::splat(0.92));
        }
    }
}

fn block(b: &mut Builder, half: Vec3) {
    b.cuboid(Vec3::ZERO, half, half, 0.5, PLAIN);
    if half.y > 0.2 {
        let lip = Vec3::new(half.x + 0.03, 0.04, half.z + 0.03);
        b.cuboid(Vec3::Y * (half.y - 0.03), lip, half, 1.0, Vec3::splat(1.12));
    }
}

fn beam(b: &mut Builder, half: Vec3) {
    b.cuboid(Vec3::ZERO, half, half, 0.8, PLAIN);
    let band = Vec3::new(half.x + 0.02, 0.25 * half.y, half.z + 0.02);
    b.cuboid(Vec3::Y * 0.6 * half.y, band, half, 1.5, Vec3::splat(1.1));
}

fn crate_box(b: &mut Builder, half: Vec3, own: &mut impl Rng) {
    let board = 0.13 * half.min_element();
    b.cuboid(Vec3::ZERO, half - 0.35 * board, half, 9.0, Vec3::splat(0.93));
    let tone = own.random_range(0.95..1.15);
    for axis in 0..3 {
        let (p, q) = ((axis + 1) % 3, (axis + 2) % 3);
        for (sp, sq) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0_f32)] {
            let (mut center, mut size) = (Vec3::ZERO, Vec3::splat(board));
            // Beams along X reach the corners; the others fit between, so that no two faces coincide.
            size[axis] = half[axis] - if axis == 0 { 0.0 } else { 0.002 * axis as f32 };
            center[p] = sp * (half[p] - board + 0.001 * axis as f32);
            center[q] = sq * (half[q] - board + 0.001 * axis as f32);
            b.cuboid(center, size, half, 9.0, Vec3::splat(tone));
        }
    }
}

fn door(b: &mut Builder, half: Vec3) {
    b.cuboid(Vec3::ZERO, half, half, 9.0, PLAIN);
    for side in [-1.0, 1.0_f32] {
        let z = side * (half.z + 0.005);
        let mut trim = |x: f32, y: f32, hx: f32, hy: f32| {
            b.cuboid(Vec3::new(x, y, z), Vec3::new(hx, hy, 0.012), half, 9.0, Vec3::splat(1.08));
        };
        trim(half.x - 0.05, 0.0, 0.05, half.y);
        trim(0.05 - half.x, 0.0, 0.05, half.y);
        for y in [half.y - 0.05, 0.06 - half.y, -0.05] {
            trim(0.0, y, half.x - 0.1, 0.05);
        }
        let knob = Vec3::new(half.x - 0.1, 0.02, side * (half.z + 0.035));
        b.sphere(knob, 0.035, 8, 6, Vec3::new(2.2, 2.0, 1.2), |_| 1.0);
    }
}

fn ramp(b: &mut Builder, half: Vec3) {
    b.cuboid(Vec3::ZERO, half, half, 0.6, PLAIN);
    for side in [-1.0, 1.0_f32] {
        let center = Vec3::new(side * (half.x - 0.03), 0.02, 0.0);
        b.cuboid(center, Vec3::new(0.045, half.y, half.z), half, 1.0, Vec3::splat(0.8));
    }
    let cleats = (2.0 * half.z / 0.35) as i32;
    for i in 1..cleats {
        let z = half.z * (2.0 * i as f32 / cleats as f32 - 1.0);
        let center = Vec3::new(0.0, half.y, z);
        b.cuboid(center, Vec3::new(half.x - 0.08, 0.015, 0.025), half, 9.0, Vec3::splat(0.85));
    }
}

fn lamp(b: &mut Builder, half: Vec3) {
    // The lamp's own material glows where its texture is light; dark parts lie outside of the panes.
    let glass = Vec3::new(half.x - 0.02, half.y - 0.05, half.z - 0.02);
    b.cuboid(Vec3::ZERO, glass, half, 9.0, PLAIN);
    let iron = Vec3::splat(0.12);
    for (x, z) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0_f32)] {
        let at = Vec3::new(x * (half.x - 0.02), 0.0, z * (half.z - 0.02));
        frame(b, at, Vec3::new(0.022, half.y - 0.02, 0.022), iron);
    }
    frame(b, Vec3::Y * (0.03 - half.y), Vec3::new(half.x, 0.03, half.z), iron);
    frame(b, Vec3::Y * (half.y - 0.03), Vec3::new(half.x + 0.04, 0.03, half.z + 0.04), iron);
    frame(b, Vec3::Y * (half.y + 0.02), Vec3::new(0.6 * half.x, 0.04, 0.6 * half.z), iron);
}

/// A box whose texture coordinates stay in the texture's dark frame.
fn frame(b: &mut Builder, center: Vec3, half: Vec3, color: Vec3) {
    for (axis, sign) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0), (2, 1.0), (2, -1.0_f32)] {
        b.face(center, half, axis, sign, 9.0, color, |_| Vec2::splat(0.015));
    }
}

fn cylinder(b: &mut Builder, half: f32, radius: f32, role: Role) {
    let p = Vec2::new;
    match role {
        Role::Pillar => {
            let r = radius;
            let base = 0.14_f32.min(0.2 * half);
            let profile = [
                p(r + 0.07, -half),
                p(r + 0.07, -half + base),
                p(r + 0.02, -half + 1.25 * base),
                p(r + 0.03, -half + 1.5 * base),
                p(r - 0.005, -half + 1.8 * base),
                p(r, -0.2 * half),
                p(0.93 * r, half - 1.9 * base),
                p(0.93 * r + 0.02, half - 1.7 * base),
                p(0.93 * r, half - 1.5 * base),
                p(r + 0.05, half - 0.7 * base),
                p(r + 0.06, half - 0.6 * base),
                p(r + 0.06, half),
                p(0.0, half),
            ];
            round(b, &profile, r, half, 18, |_| PLAIN);
        }
        Role::Block => {
            let lip = 0.05_f32.min(0.3 * half);
            let profile = [
                p(radius + 0.03, -half),
                p(radius + 0.02, -half + lip),
                p(radius, -half + 1.4 * lip),
                p(radius, half - 1.6 * lip),
                p(radius + 0.04, half - 1.3 * lip),
                p(radius + 0.04, half),
                p(0.82 * radius, half),
                p(0.8 * radius, half - 0.4 * lip),
                p(0.0, half - 0.4 * lip),
            ];
            let tone = |y: f32| if y > half - lip { Vec3::splat(1.1) } else { PLAIN };
            round(b, &profile, radius, half, 24, tone);
        }
        Role::Post => {
            let profile = [
                p(radius + 0.06, -half),
                p(radius + 0.05, -half + 0.08),
                p(radius, -half + 0.22),
                p(radius * 0.8, 0.0),
                p(radius + 0.02, 0.03),
                p(radius * 0.8, 0.06),
                p(radius * 0.7, half - 0.1),
                p(radius + 0.05, half),
                p(0.0, half),
            ];
            round(b, &profile, radius, half, 10, |_| PLAIN);
        }
        Role::Trunk => {
            let profile = [
                p(radius + 0.05, -half),
                p(radius, -half + 0.15),
                p(0.85 * radius, half),
                p(0.0, half),
            ];
            round(b, &profile, radius, half, 10, |_| PLAIN);
        }
        Role::Beacon => {
            round(b, &[p(radius, -half), p(radius, half), p(0.0, half)], radius, half, 14, |_| {
                PLAIN
            });
            for i in 0..3 {
                let first = b.positions.len();
                let ring = [
                    p(radius, -0.03),
                    p(radius + 0.04, -0.02),
                    p(radius + 0.04, 0.02),
                    p(radius, 0.03),
                ];
                round(b, &ring, radius, half, 14, |_| Vec3::splat(0.5));
                b.transform_from(first, Quat::IDENTITY, Vec3::Y * half * 0.7 * (i as f32 - 1.0));
            }
        }
        _ => round(b, &[p(radius, -half), p(radius, half), p(0.0, half)], radius, half, 16, |_| {
            PLAIN
        }),
    }
}
