//! Where a point of a collider's surface lies in its texture.
//!
//! The world model learns materials in these coordinates, so meshes follow them exactly: the texture has a
//! period of 2 m, and a box's face of at most 2 m each way shows exactly one period.

use std::f32::consts::PI;

use bevy::math::{Vec2, Vec3};
use reverie_guard::expected::Shape;

/// Metres of one period of a texture.
pub const PERIOD_M: f32 = 2.0;

/// Texture coordinates of a point on a box's face, body frame; `axis` is 0 for ±X, 1 for ±Y, 2 for ±Z.
///
/// u runs along Z on ±X faces and along X elsewhere; v runs along Z on ±Y faces and along Y elsewhere.
pub fn cuboid_uv(point_m: Vec3, axis: usize, half_extents_m: Vec3) -> Vec2 {
    let along = |v: Vec3| match axis {
        0 => Vec2::new(v.z, v.y),
        1 => Vec2::new(v.x, v.z),
        _ => Vec2::new(v.x, v.y),
    };
    let (at, half) = (along(point_m), along(half_extents_m));
    let from_corner = at + half;
    if half.max_element() <= 0.5 * PERIOD_M {
        from_corner / (2.0 * half)
    } else {
        from_corner / PERIOD_M
    }
}

/// Texture coordinates on the side of a cylinder, cone or capsule along Y; whole turns in u.
pub fn round_uv(angle_rad: f32, y_m: f32, radius_m: f32, half_height_m: f32) -> Vec2 {
    let turns = (2.0 * PI * radius_m / PERIOD_M).round().max(1.0);
    Vec2::new(angle_rad / (2.0 * PI) * turns, (y_m + half_height_m) / PERIOD_M)
}

/// Texture coordinates on the caps of a cylinder or cone.
pub fn cap_uv(point_m: Vec3) -> Vec2 {
    Vec2::new(point_m.x, point_m.z) / PERIOD_M
}

/// Texture coordinates on a ball, by the direction from its middle; `angle_rad` is atan2(x, z).
pub fn ball_uv(angle_rad: f32, direction: Vec3) -> Vec2 {
    Vec2::new(angle_rad / PI, direction.y.clamp(-1.0, 1.0).acos() / PI)
}

/// Half of a round shape's height without a capsule's ends, and its radius. Zero for others.
pub fn round_size_m(shape: &Shape) -> (f32, f32) {
    match *shape {
        Shape::Cylinder { half_height_m, radius_m }
        | Shape::Capsule { half_height_m, radius_m }
        | Shape::Cone { half_height_m, radius_m } => (half_height_m, radius_m),
        Shape::Ball { radius_m } => (0.0, radius_m),
        _ => (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_faces_show_one_period_and_large_ones_metres() {
        let small = Vec3::new(0.4, 0.3, 0.5);
        assert_eq!(cuboid_uv(Vec3::new(-0.4, -0.3, 0.5), 2, small), Vec2::ZERO);
        assert_eq!(cuboid_uv(Vec3::new(0.4, 0.3, 0.5), 2, small), Vec2::ONE);
        let wall = Vec3::new(3.0, 1.5, 0.2);
        assert_eq!(cuboid_uv(Vec3::new(3.0, 1.5, 0.2), 2, wall), Vec2::new(3.0, 1.5));
    }

    #[test]
    fn texture_turns_close_round_a_pillar() {
        let (a, b) = (round_uv(-PI, 0.0, 0.4, 1.0), round_uv(PI, 0.0, 0.4, 1.0));
        assert!(((b.x - a.x) - (b.x - a.x).round()).abs() < 1e-6);
    }
}
