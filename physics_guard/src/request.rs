//! Pre-checks: is a request fit to be dreamed at all?
//!
//! A body that fails is quarantined (left out and reported), as Rapier does with non-finite bodies;
//! a camera that fails refuses the request.

use thiserror::Error;

use crate::expected::{Body, ShadowSnapshot, Shape};

/// Farther than this from the origin, f32 depth is too coarse to reproject with. Metres.
pub const FARTHEST_M: f32 = 1.0e5;

/// Why a request cannot be dreamed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RequestFault {
    /// The camera's pose has NaN, infinite or non-unit parts.
    #[error("the camera's pose is not a finite rigid transform: {pose}")]
    Camera {
        /// The pose, printed.
        pose: String,
    },
    /// Field of view out of range.
    #[error("the vertical field of view is {fov_rad} rad; it must lie between 0.05 and 3.0")]
    FieldOfView {
        /// Radians.
        fov_rad: f32,
    },
}

fn shape_is_sane(shape: &Shape) -> bool {
    let positive = |v: f32| v.is_finite() && v > 0.0 && v < FARTHEST_M;
    match shape {
        Shape::Cuboid { half_extents_m: h } => positive(h.x) && positive(h.y) && positive(h.z),
        Shape::Ball { radius_m } => positive(*radius_m),
        Shape::Cylinder { half_height_m, radius_m }
        | Shape::Capsule { half_height_m, radius_m }
        | Shape::Cone { half_height_m, radius_m } => {
            positive(*half_height_m) && positive(*radius_m)
        }
        Shape::Mesh(mesh) => {
            let count = mesh.vertices_m.len() as u32;
            mesh.vertices_m.iter().all(|v| v.is_finite())
                && mesh.triangles.iter().flatten().all(|&i| i < count)
        }
    }
}

fn body_is_sane(body: &Body) -> bool {
    body.world_from_body.is_sane()
        && body.world_from_body.translation_m.abs().max_element() < FARTHEST_M
        && body.linear_velocity_m_s.is_finite()
        && body.angular_velocity_rad_s.is_finite()
        && shape_is_sane(&body.shape)
}

/// Checks the camera and takes insane bodies out of `snapshot`.
///
/// Returns the ids of the quarantined bodies.
///
/// # Errors
/// The camera cannot be looked through.
pub fn check_request(snapshot: &mut ShadowSnapshot) -> Result<Vec<u64>, RequestFault> {
    let camera = &snapshot.camera;
    if !camera.world_from_camera.is_sane()
        || camera.world_from_camera.translation_m.abs().max_element() >= FARTHEST_M
    {
        return Err(RequestFault::Camera { pose: format!("{:?}", camera.world_from_camera) });
    }
    let fov_rad = camera.vertical_fov_rad;
    if !(0.05..=3.0).contains(&fov_rad) {
        return Err(RequestFault::FieldOfView { fov_rad });
    }
    let mut quarantined = Vec::new();
    snapshot.bodies.retain(|body| {
        let sane = body_is_sane(body);
        if !sane {
            quarantined.push(body.id);
        }
        sane
    });
    Ok(quarantined)
}

#[cfg(test)]
mod tests {
    use std::f32::consts::FRAC_PI_3;

    use glam::Vec3;

    use super::*;
    use crate::expected::{BodyKind, CameraPose, Pose};

    fn snapshot() -> ShadowSnapshot {
        let body = Body {
            id: 7,
            shape: Shape::Ball { radius_m: 0.5 },
            world_from_body: Pose::IDENTITY,
            linear_velocity_m_s: Vec3::ZERO,
            angular_velocity_rad_s: Vec3::ZERO,
            kind: BodyKind::Dynamic,
            material: 0,
            tint_srgb: None,
        };
        ShadowSnapshot {
            tick: 0,
            time_s: 0.0,
            camera: CameraPose { world_from_camera: Pose::IDENTITY, vertical_fov_rad: FRAC_PI_3 },
            bodies: vec![body],
            sun_direction: Vec3::Y,
        }
    }

    #[test]
    fn a_sane_request_keeps_its_bodies() {
        let mut s = snapshot();
        assert_eq!(check_request(&mut s), Ok(vec![]));
        assert_eq!(s.bodies.len(), 1);
    }

    #[test]
    fn a_body_at_nan_is_quarantined_and_named() {
        let mut s = snapshot();
        s.bodies[0].world_from_body.translation_m.y = f32::NAN;
        assert_eq!(check_request(&mut s), Ok(vec![7]));
        assert!(s.bodies.is_empty());
    }

    #[test]
    fn a_camera_at_infinity_is_refused() {
        let mut s = snapshot();
        s.camera.world_from_camera.translation_m.x = f32::INFINITY;
        assert!(matches!(check_request(&mut s), Err(RequestFault::Camera { .. })));
    }

    #[test]
    fn a_flat_field_of_view_is_refused() {
        let mut s = snapshot();
        s.camera.vertical_fov_rad = 0.0;
        assert!(matches!(check_request(&mut s), Err(RequestFault::FieldOfView { .. })));
    }
}
