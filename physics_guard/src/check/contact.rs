//! How deep bodies are in each other.

use glam::Vec3;

use crate::expected::{Body, Pose, Shape};

/// Vertices of a mesh that are asked.
const MOST_VERTICES: usize = 64;

/// Distance of `point` (body frame) from the surface of `shape`, metres; negative inside. `None` for a mesh.
pub fn signed_distance_m(shape: &Shape, point: Vec3) -> Option<f32> {
    let radial = (point.x * point.x + point.z * point.z).sqrt();
    Some(match *shape {
        Shape::Cuboid { half_extents_m } => {
            let over = point.abs() - half_extents_m;
            over.max(Vec3::ZERO).length() + over.max_element().min(0.0)
        }
        Shape::Ball { radius_m } => point.length() - radius_m,
        Shape::Cylinder { half_height_m, radius_m } => {
            (radial - radius_m).max(point.y.abs() - half_height_m)
        }
        Shape::Capsule { half_height_m, radius_m } => {
            let axis = Vec3::Y * point.y.clamp(-half_height_m, half_height_m);
            (point - axis).length() - radius_m
        }
        Shape::Cone { half_height_m, radius_m } => {
            let rise = 2.0 * half_height_m;
            let side =
                (rise * radial - radius_m * (half_height_m - point.y)) / rise.hypot(radius_m);
            side.max(-half_height_m - point.y)
        }
        Shape::Mesh(_) => return None,
    })
}

/// How deep `a`, standing at `world_from_a`, is in `b`: the deepest of points on the surface of `a`, metres, 0 outside.
///
/// Balls and capsules are exact, other shapes are known by their corners, edges and faces. Against a mesh, which may be
/// open, nothing can be said.
pub fn penetration_m(a: &Body, world_from_a: &Pose, b: &Body) -> f32 {
    let b_from_a = b.world_from_body.inverse().compose(world_from_a);
    let depth = |point: Vec3, radius_m: f32| {
        signed_distance_m(&b.shape, b_from_a.transform_point(point)).map_or(0.0, |d| radius_m - d)
    };
    let deepest = |points: &mut dyn Iterator<Item = Vec3>, radius_m: f32| {
        points.map(|point| depth(point, radius_m)).fold(0.0, f32::max)
    };
    let signs = |i: usize| [-1.0, 0.0, 1.0][i % 3];
    match &a.shape {
        Shape::Ball { radius_m } => depth(Vec3::ZERO, *radius_m).max(0.0),
        Shape::Capsule { half_height_m, radius_m } => {
            let mut spine = (0..5).map(|i| Vec3::Y * (0.5 * (i as f32 - 2.0)) * *half_height_m);
            deepest(&mut spine, *radius_m)
        }
        Shape::Cuboid { half_extents_m } => {
            let mut points =
                (0..27).map(|i| *half_extents_m * Vec3::new(signs(i), signs(i / 3), signs(i / 9)));
            deepest(&mut points, 0.0)
        }
        Shape::Cylinder { half_height_m, radius_m } => {
            let mut rims = rim(*radius_m).flat_map(|point| {
                [-1.0, 0.0, 1.0].map(|height| point + Vec3::Y * height * *half_height_m)
            });
            deepest(&mut rims, 0.0)
        }
        Shape::Cone { half_height_m, radius_m } => {
            let tip = std::iter::once(Vec3::Y * *half_height_m);
            let mut points = rim(*radius_m).map(|p| p - Vec3::Y * *half_height_m).chain(tip);
            deepest(&mut points, 0.0)
        }
        Shape::Mesh(mesh) => {
            let every = mesh.vertices_m.len().div_ceil(MOST_VERTICES).max(1);
            deepest(&mut mesh.vertices_m.iter().step_by(every).copied(), 0.0)
        }
    }
}

fn rim(radius_m: f32) -> impl Iterator<Item = Vec3> {
    (0..12).map(move |i| {
        let angle = i as f32 / 12.0 * std::f32::consts::TAU;
        Vec3::new(angle.cos(), 0.0, angle.sin()) * radius_m
    })
}

#[cfg(test)]
mod tests {
    use glam::Quat;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{ball, body_at, cuboid};

    proptest! {
        /// A ball before a box: as deep as it has gone in.
        #[test]
        fn a_ball_is_as_deep_as_it_went(radius in 0.1f32..1.0, gone in -0.5f32..0.5, yaw in -3f32..3.0) {
            let mut wall = body_at(1, cuboid(2.0, 2.0, 0.5), Vec3::ZERO);
            let turn = Quat::from_rotation_y(yaw);
            wall.world_from_body.rotation = turn;
            let place = turn * Vec3::new(0.0, 0.0, 0.5 + radius - gone);
            let ball = body_at(2, ball(radius), place);
            let deep = penetration_m(&ball, &ball.world_from_body, &wall);
            prop_assert!((deep - gone.max(0.0)).abs() < 1e-3, "{deep} of {gone}");
        }

        /// A box that sinks into the ground is as deep as its lowest corner.
        #[test]
        fn a_box_is_as_deep_as_its_lowest_corner(height in -0.1f32..1.0, roll in -3f32..3.0) {
            let ground = body_at(1, cuboid(20.0, 0.5, 20.0), Vec3::new(0.0, -0.5, 0.0));
            let mut fallen = body_at(2, cuboid(0.3, 0.2, 0.4), Vec3::new(1.0, height, 2.0));
            fallen.world_from_body.rotation = Quat::from_rotation_z(roll);
            let lowest = [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)]
                .map(|(x, y)| height + (Quat::from_rotation_z(roll) * Vec3::new(0.3 * x, 0.2 * y, 0.0)).y)
                .into_iter()
                .fold(f32::INFINITY, f32::min);
            let deep = penetration_m(&fallen, &fallen.world_from_body, &ground);
            prop_assert!((deep - (-lowest).max(0.0)).abs() < 1e-3, "{deep} at {lowest}");
        }
    }
}
