//! Texture coordinates on shapes: where on a surface a point lies, in periods of the texture.
//!
//! The raster and whoever builds a mesh for a conventional renderer share these functions, so that a
//! feature of a texture has the same coordinates in both. All points are in object coordinates, metres.

use std::f32::consts::{PI, TAU};

use glam::{Vec2, Vec3};

use crate::geometry::Shape;

/// One period of a texture, metres. A face with no edge longer than this shows one whole texture.
pub const PERIOD_M: f32 = 2.0;

/// Where a point lies on a surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurfacePoint {
    /// Periods.
    pub uv: [f32; 2],
    /// Distance to the nearest border of the face along u and along v, metres; 0 without faces.
    pub edge_m: [f32; 2],
    /// Length of one period along u and along v, metres.
    pub period_m: [f32; 2],
}

/// Coordinates of `point` on the surface of `shape`, whose outward normal there is `normal` (object frame).
pub fn surface_point(shape: &Shape, point: Vec3, normal: Vec3) -> SurfacePoint {
    match *shape {
        Shape::Cuboid { half_extents_m } => {
            let axis = dominant_axis(normal);
            let (uv, edge_m) = cuboid_face_uv(half_extents_m, axis, point);
            SurfacePoint { uv, edge_m, period_m: cuboid_face_period_m(half_extents_m, axis) }
        }
        Shape::Ball { radius_m } => ball(radius_m, point),
        Shape::Capsule { half_height_m, radius_m } => {
            let over = point.y.abs() - half_height_m;
            if over > 0.0 {
                ball(radius_m, Vec3::new(point.x, over * point.y.signum(), point.z))
            } else {
                SurfacePoint { edge_m: [0.0; 2], ..side(half_height_m, radius_m, point) }
            }
        }
        Shape::Cylinder { half_height_m, radius_m } if normal.y.abs() < 0.999 => {
            side(half_height_m, radius_m, point)
        }
        // A cone's base is its only part that looks straight down.
        Shape::Cone { half_height_m, radius_m } if normal.y > -0.999 => {
            side(half_height_m, radius_m, point)
        }
        Shape::Cylinder { radius_m, .. } | Shape::Cone { radius_m, .. } => SurfacePoint {
            uv: cap_uv(point),
            edge_m: [0.0, (radius_m - Vec2::new(point.x, point.z).length()).max(0.0)],
            period_m: [PERIOD_M; 2],
        },
        Shape::Mesh(_) => {
            SurfacePoint { uv: mesh_uv(normal, point), edge_m: [0.0; 2], period_m: [PERIOD_M; 2] }
        }
    }
}

/// Coordinates on the face of a box that looks along ±`face_axis` (0 is X): periods, and the distance to
/// the nearest border along u and along v, metres.
///
/// u runs along Z on the ±X faces and along X on the others; v along Z on the ±Y faces and along Y on the
/// others; both start at the lower corner.
pub fn cuboid_face_uv(
    half_extents_m: Vec3,
    face_axis: usize,
    point_object: Vec3,
) -> ([f32; 2], [f32; 2]) {
    let axes = face_axes(face_axis);
    let period_m = cuboid_face_period_m(half_extents_m, face_axis);
    let mut uv = [0.0; 2];
    let mut edge_m = [0.0; 2];
    for side in 0..2 {
        let half = half_extents_m[axes[side]];
        let along = point_object[axes[side]];
        uv[side] = (along + half) / period_m[side];
        edge_m[side] = (half - along.abs()).max(0.0);
    }
    (uv, edge_m)
}

/// Metres that one period takes along u and along v on the face of a box that looks along ±`face_axis`.
pub fn cuboid_face_period_m(half_extents_m: Vec3, face_axis: usize) -> [f32; 2] {
    let [u, v] = face_axes(face_axis).map(|axis| 2.0 * half_extents_m[axis]);
    // The slack keeps an edge of exactly one period whole, whatever its last bit.
    let whole = |edge: f32| edge <= PERIOD_M * 1.000_01;
    if whole(u) && whole(v) { [u.max(1e-4), v.max(1e-4)] } else { [PERIOD_M; 2] }
}

/// Coordinates on the side of a cylinder or cone along Y; u is the angle from +Z towards +X, from −½ to ½
/// of [`side_periods`]. `radius_m` is that of the base.
pub fn cylinder_side_uv(half_height_m: f32, radius_m: f32, point_object: Vec3) -> [f32; 2] {
    let u = point_object.x.atan2(point_object.z) / TAU * side_periods(radius_m);
    [u, (point_object.y + half_height_m) / PERIOD_M]
}

/// Whole periods around a cylinder or cone, at least one.
pub fn side_periods(radius_m: f32) -> f32 {
    (TAU * radius_m / PERIOD_M).round().max(1.0)
}

/// Coordinates on the flat ends of a cylinder and on the base of a cone.
pub fn cap_uv(point_object: Vec3) -> [f32; 2] {
    [point_object.x / PERIOD_M, point_object.z / PERIOD_M]
}

/// Coordinates on a ball around the origin: two periods round, one from the upper pole to the lower.
pub fn ball_uv(point_object: Vec3) -> [f32; 2] {
    let radius = point_object.length().max(1e-6);
    let polar = (point_object.y / radius).clamp(-1.0, 1.0).acos();
    [point_object.x.atan2(point_object.z) / PI, polar / PI]
}

/// Coordinates on a triangle mesh: the point seen along the axis its normal is closest to.
pub fn mesh_uv(normal_object: Vec3, point_object: Vec3) -> [f32; 2] {
    face_axes(dominant_axis(normal_object)).map(|axis| point_object[axis] / PERIOD_M)
}

/// The axis (0 is X) along which `normal` is longest.
pub fn dominant_axis(normal: Vec3) -> usize {
    let size = normal.abs();
    if size.y >= size.x && size.y >= size.z {
        1
    } else if size.x >= size.z {
        0
    } else {
        2
    }
}

fn face_axes(face_axis: usize) -> [usize; 2] {
    match face_axis {
        0 => [2, 1],
        1 => [0, 2],
        _ => [0, 1],
    }
}

fn ball(radius_m: f32, point: Vec3) -> SurfacePoint {
    SurfacePoint { uv: ball_uv(point), edge_m: [0.0; 2], period_m: [PI * radius_m; 2] }
}

fn side(half_height_m: f32, radius_m: f32, point: Vec3) -> SurfacePoint {
    SurfacePoint {
        uv: cylinder_side_uv(half_height_m, radius_m, point),
        edge_m: [0.0, (half_height_m - point.y.abs()).max(0.0)],
        period_m: [TAU * radius_m / side_periods(radius_m), PERIOD_M],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_face_shows_one_whole_texture() {
        let half = Vec3::new(0.5, 1.0, 0.25);
        assert_eq!(cuboid_face_uv(half, 2, Vec3::new(-0.5, -1.0, 0.25)).0, [0.0, 0.0]);
        assert_eq!(cuboid_face_uv(half, 2, Vec3::new(0.5, 1.0, 0.25)).0, [1.0, 1.0]);
        assert_eq!(cuboid_face_uv(half, 0, Vec3::new(0.5, 0.0, 0.25)).0, [1.0, 0.5]);
    }

    #[test]
    fn a_face_with_a_long_edge_repeats_every_period() {
        let half = Vec3::new(5.0, 0.5, 0.25);
        let (uv, edge_m) = cuboid_face_uv(half, 1, Vec3::new(-1.0, 0.5, 0.0));
        assert_eq!(uv, [2.0, 0.125]);
        assert_eq!(edge_m, [4.0, 0.25]);
    }

    #[test]
    fn a_texture_closes_around_a_cylinder() {
        let at = |angle: f32| cylinder_side_uv(1.0, 1.0, Vec3::new(angle.sin(), 0.0, angle.cos()));
        let around = at(PI - 1e-4)[0] - at(-PI + 1e-4)[0];
        assert!((around - 3.0).abs() < 1e-3, "{around} periods around");
        assert_eq!(at(0.0), [0.0, 0.5]);
    }

    #[test]
    fn the_poles_of_a_ball_are_one_period_apart() {
        assert_eq!(ball_uv(Vec3::Y * 0.3)[1], 0.0);
        assert_eq!(ball_uv(Vec3::Y * -0.3)[1], 1.0);
        assert_eq!(ball_uv(Vec3::X * 0.3), [0.5, 0.5]);
    }

    #[test]
    fn a_mesh_is_seen_along_its_dominant_axis() {
        let point = Vec3::new(2.0, 4.0, 6.0);
        assert_eq!(mesh_uv(Vec3::new(0.9, 0.1, 0.0), point), [3.0, 2.0]);
        assert_eq!(mesh_uv(Vec3::new(0.1, -0.9, 0.0), point), [1.0, 3.0]);
    }
}
