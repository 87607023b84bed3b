//! Where the player's commands alone would take the camera: no walls, no inertia, nothing of the physics.
//!
//! What a dream is held to, and the plainest guess of the next view where there is no shadow.

use std::f32::consts::FRAC_PI_2;

use glam::{Quat, Vec2, Vec3};
use reverie_guard::{CameraPose, Pose};

use crate::request::Action;

/// Full speed of a walk, m/s.
pub const WALK_M_S: f32 = 3.5;
/// Looking up or down ends here, radians.
pub const MAX_PITCH_RAD: f32 = 0.94 * FRAC_PI_2;

/// The camera after `action`, which lasted `dt_s` seconds.
///
/// Turns about the world's +Y and the camera's own +X, walks level. A turn and a walk in one action go on together,
/// so the walk follows the heading half-way through the turn: cut into shorter actions, the way stays nearly the same.
/// A camera that looks steeper than [`MAX_PITCH_RAD`] may stay as steep. Values that are not finite are taken as 0.
pub fn commanded(camera: &CameraPose, action: &Action, dt_s: f32) -> CameraPose {
    let [right, forward, look_right, look_up, ..] =
        action.map(|value| if value.is_finite() { value } else { 0.0 });
    let Pose { rotation, translation_m } = camera.world_from_camera;
    let pitch = pitch_rad(camera);
    let limit = MAX_PITCH_RAD.max(pitch.abs());
    let raised = (pitch + look_up).clamp(-limit, limit) - pitch;
    let heading = Quat::from_rotation_y(yaw_rad(camera) - 0.5 * look_right);
    let walk = Vec2::new(right, forward).clamp_length_max(1.0) * (WALK_M_S * dt_s.max(0.0));
    let turned = Quat::from_rotation_y(-look_right) * rotation * Quat::from_rotation_x(raised);
    CameraPose {
        world_from_camera: Pose {
            rotation: turned.normalize(),
            translation_m: translation_m + heading * Vec3::new(walk.x, 0.0, -walk.y),
        },
        ..*camera
    }
}

/// Turn of the camera about +Y from −Z, to the left, −π to π. Of a camera without roll, however steep it looks.
pub fn yaw_rad(camera: &CameraPose) -> f32 {
    let right = camera.world_from_camera.rotation * Vec3::X;
    (-right.z).atan2(right.x)
}

/// How far the camera looks up, −π/2 to π/2.
pub fn pitch_rad(camera: &CameraPose) -> f32 {
    let ahead = camera.world_from_camera.rotation * Vec3::NEG_Z;
    ahead.y.clamp(-1.0, 1.0).asin()
}

#[cfg(test)]
mod tests {
    use std::f32::consts::PI;

    use proptest::prelude::*;

    use super::*;

    fn camera(yaw: f32, pitch: f32, at_m: Vec3) -> CameraPose {
        let rotation = Quat::from_rotation_y(yaw) * Quat::from_rotation_x(pitch);
        CameraPose { world_from_camera: Pose::new(rotation, at_m), vertical_fov_rad: 1.2 }
    }

    fn action(right: f32, forward: f32, look_right: f32, look_up: f32) -> Action {
        [right, forward, look_right, look_up, 1.0, 0.0, 1.0, 0.0]
    }

    fn turn_between(a: f32, b: f32) -> f32 {
        ((a - b + PI).rem_euclid(2.0 * PI) - PI).abs()
    }

    #[test]
    fn each_key_moves_the_camera_its_own_way() {
        let from = camera(0.0, 0.0, Vec3::ZERO);
        let moved = |action: Action| commanded(&from, &action, 0.1).world_from_camera.translation_m;
        assert!(moved(action(0.0, 1.0, 0.0, 0.0)).abs_diff_eq(Vec3::new(0.0, 0.0, -0.35), 1e-6));
        assert!(moved(action(1.0, 0.0, 0.0, 0.0)).abs_diff_eq(Vec3::new(0.35, 0.0, 0.0), 1e-6));
        let looked = |action: Action| {
            commanded(&from, &action, 0.1).world_from_camera.rotation * Vec3::NEG_Z
        };
        assert!(looked(action(0.0, 0.0, 0.3, 0.0)).x > 0.25);
        assert!(looked(action(0.0, 0.0, 0.0, 0.3)).y > 0.25);
        let odd = commanded(&from, &action(f32::NAN, f32::INFINITY, f32::NAN, 0.0), 0.1);
        assert_eq!(odd, from);
    }

    proptest! {
        #[test]
        fn turns_add_up_and_end_at_the_limit(
            yaw in -PI..PI, pitch in -1.4f32..1.4, right in -1.0f32..1.0, up in -1.0f32..1.0,
        ) {
            let moved = commanded(&camera(yaw, pitch, Vec3::ONE), &action(0.0, 0.0, right, up), 0.1);
            prop_assert!(turn_between(yaw_rad(&moved), yaw - right) < 2e-3);
            let limit = MAX_PITCH_RAD.max(pitch.abs());
            prop_assert!((pitch_rad(&moved) - (pitch + up).clamp(-limit, limit)).abs() < 2e-3);
            let roll = (moved.world_from_camera.rotation * Vec3::X).y;
            prop_assert!(roll.abs() < 1e-3, "roll {roll}");
            prop_assert!(moved.world_from_camera.is_sane());
        }

        #[test]
        fn a_walk_is_level_no_faster_than_full_speed_and_turns_with_the_camera(
            yaw in -PI..PI, pitch in -1.4f32..1.4, right in -1.0f32..1.0, ahead in -1.0f32..1.0,
            dt_s in 0.0f32..0.5,
        ) {
            let way = |yaw: f32, pitch: f32| {
                let from = camera(yaw, pitch, Vec3::ZERO);
                commanded(&from, &action(right, ahead, 0.0, 0.0), dt_s).world_from_camera.translation_m
            };
            let (here, plain) = (way(yaw, pitch), way(0.0, 0.0));
            prop_assert_eq!(here.y, 0.0);
            prop_assert!(here.length() <= WALK_M_S * dt_s + 1e-4);
            prop_assert!(here.abs_diff_eq(Quat::from_rotation_y(yaw) * plain, 2e-3));
        }

        #[test]
        fn an_action_in_parts_ends_where_the_whole_ends(
            yaw in -PI..PI, turn in -0.3f32..0.3, up in -0.2f32..0.2, right in -0.7f32..0.7,
            ahead in -0.7f32..0.7, parts in 2usize..9,
        ) {
            let from = camera(yaw, 0.1, Vec3::ZERO);
            let whole = commanded(&from, &action(right, ahead, turn, up), 0.1);
            let part = action(right, ahead, turn / parts as f32, up / parts as f32);
            let pieces =
                (0..parts).fold(from, |camera, _| commanded(&camera, &part, 0.1 / parts as f32));
            let (a, b) = (whole.world_from_camera, pieces.world_from_camera);
            prop_assert!(a.translation_m.distance(b.translation_m) < 2e-3);
            prop_assert!(a.rotation.angle_between(b.rotation) < 3e-3);
        }
    }
}
