//! Where a command alone takes a camera: the kinematics of a walking player whom nothing stands in the way of.

use std::f32::consts::FRAC_PI_2;

use glam::{EulerRot, Quat, Vec3};
use reverie_guard::{CameraPose, Pose};

use crate::request::Action;

/// Speed of a full walk, m/s.
pub const WALK_M_S: f32 = 3.5;
/// Nobody looks further up or down than this, radians.
const MAX_PITCH_RAD: f32 = 0.94 * FRAC_PI_2;

/// The camera after `action`, which lasted `dt_s`.
///
/// The walk goes along the mean of the directions before and after the turn. Jumps are left to the model: what they do depends on what
/// one stands on.
pub fn commanded(camera: &CameraPose, action: &Action, dt_s: f32) -> CameraPose {
    let [right, forward, look_right, look_up, ..] = *action;
    let pose = camera.world_from_camera;
    let (yaw, pitch, roll) = pose.rotation.to_euler(EulerRot::YXZ);
    let turned = Quat::from_euler(
        EulerRot::YXZ,
        yaw - look_right,
        (pitch + look_up).clamp(-MAX_PITCH_RAD.max(pitch.abs()), MAX_PITCH_RAD.max(pitch.abs())),
        roll,
    );
    let walk = Vec3::new(right, 0.0, -forward).clamp_length_max(1.0) * WALK_M_S * dt_s.max(0.0);
    let way = Quat::from_rotation_y(yaw - 0.5 * look_right) * walk;
    CameraPose {
        world_from_camera: Pose::new(turned.normalize(), pose.translation_m + way),
        vertical_fov_rad: camera.vertical_fov_rad,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn camera(yaw: f32, pitch: f32) -> CameraPose {
        let rotation = Quat::from_rotation_y(yaw) * Quat::from_rotation_x(pitch);
        CameraPose {
            world_from_camera: Pose::new(rotation, Vec3::new(1.0, 1.6, -3.0)),
            vertical_fov_rad: 1.0,
        }
    }

    fn action(right: f32, forward: f32, look_right: f32, look_up: f32) -> Action {
        [right, forward, look_right, look_up, 0.0, 0.0, 0.0, 0.0]
    }

    proptest! {
        #[test]
        fn turns_add_up_and_come_back(yaw in -3f32..3.0, pitch in -0.6f32..0.6, turn in -0.5f32..0.5, up in -0.3f32..0.3) {
            let start = camera(yaw, pitch);
            let there = commanded(&start, &action(0.0, 0.0, turn, up), 0.1);
            let expected = camera(yaw - turn, pitch + up);
            let angle = |a: &CameraPose, b: &CameraPose| {
                a.world_from_camera.rotation.angle_between(b.world_from_camera.rotation)
            };
            prop_assert!(angle(&there, &expected) < 2e-3);
            let back = commanded(&there, &action(0.0, 0.0, -turn, -up), 0.1);
            prop_assert!(angle(&back, &start) < 2e-3);
        }

        #[test]
        fn a_step_has_its_length_and_stays_level(yaw in -3f32..3.0, pitch in -1f32..1.0, right in -1f32..1.0, forward in -1f32..1.0) {
            let start = camera(yaw, pitch);
            let end = commanded(&start, &action(right, forward, 0.0, 0.0), 0.1);
            let way = end.world_from_camera.translation_m - start.world_from_camera.translation_m;
            let length = right.hypot(forward).min(1.0) * WALK_M_S * 0.1;
            prop_assert!((way.length() - length).abs() < 1e-4 && way.y.abs() < 1e-6);
        }
    }

    #[test]
    fn forward_is_where_one_looks_and_nobody_looks_behind_himself() {
        let end = commanded(&camera(FRAC_PI_2, 0.0), &action(0.0, 1.0, 0.0, 0.0), 1.0);
        assert!((end.world_from_camera.translation_m.x - (1.0 - WALK_M_S)).abs() < 1e-4);
        let up = commanded(&camera(0.0, 0.0), &action(0.0, 0.0, 0.0, 9.0), 0.1);
        let look = up.world_from_camera.rotation * Vec3::NEG_Z;
        assert!(look.y > 0.9 && look.z < 0.0);
    }
}
