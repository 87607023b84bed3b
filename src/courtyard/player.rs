//! The player: a capsule that walks, jumps and shoves, and the eyes that the camera sits in.

use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use bevy_reverie::action::PlayerAction;
use bevy_reverie::shadow::NeuralProxy;
use reverie_runtime::commanded::MAX_PITCH_RAD;
pub use reverie_runtime::commanded::WALK_M_S;

use super::TICK_S;

/// Of the capsule, metres.
pub const RADIUS_M: f32 = 0.3;
/// From the soles to the crown, metres.
pub const HEIGHT_M: f32 = 1.7;
/// From the soles to the eyes, metres.
pub const EYE_M: f32 = 1.6;
const JUMP_M_S: f32 = 4.2;
const GRAVITY_M_S2: f32 = 9.81;
/// Speed gained per second on the ground, m/s².
const PUSH_OFF_M_S2: f32 = 28.0;

/// The player's body.
#[derive(Component, Debug, Clone, Copy, PartialEq)]
pub struct Player {
    /// Turn about +Y from −Z, to the left, radians.
    pub yaw_rad: f32,
    /// Upwards, radians.
    pub pitch_rad: f32,
    /// World frame, m/s.
    pub velocity_m_s: Vec3,
    /// Stood on something after the last tick.
    pub grounded: bool,
}

impl Player {
    /// At rest, looking along `yaw_rad`.
    pub fn new(yaw_rad: f32) -> Self {
        Self { yaw_rad, pitch_rad: 0.0, velocity_m_s: Vec3::ZERO, grounded: false }
    }

    /// Camera to world.
    pub fn rotation(&self) -> Quat {
        Quat::from_rotation_y(self.yaw_rad) * Quat::from_rotation_x(self.pitch_rad)
    }

    /// The way the player looks, unit length.
    pub fn look(&self) -> Vec3 {
        self.rotation() * Vec3::NEG_Z
    }
}

/// From the capsule's middle to the eyes.
pub const EYE_FROM_CENTER: Vec3 = Vec3::new(0.0, EYE_M - 0.5 * HEIGHT_M, 0.0);

/// The components of the player's body, its soles at `feet_m`.
pub fn bundle(feet_m: Vec3, yaw_rad: f32) -> impl Bundle {
    (
        Player::new(yaw_rad),
        RigidBody::KinematicPositionBased,
        // The camera is no child of the body: without this, the player would stand in his own sun.
        NeuralProxy::Hidden,
        Collider::capsule_y(0.5 * HEIGHT_M - RADIUS_M, RADIUS_M),
        KinematicCharacterController {
            offset: CharacterLength::Absolute(0.02),
            autostep: Some(CharacterAutostep {
                max_height: CharacterLength::Absolute(0.27),
                min_width: CharacterLength::Absolute(0.15),
                include_dynamic_bodies: false,
            }),
            snap_to_ground: Some(CharacterLength::Absolute(0.12)),
            max_slope_climb_angle: 0.8,
            min_slope_slide_angle: 0.85,
            apply_impulse_to_dynamic_bodies: true,
            custom_mass: Some(45.0),
            ..default()
        },
        Transform::from_translation(feet_m + Vec3::Y * (0.5 * HEIGHT_M)),
    )
}

/// Turns the player's intent into a look and a wish to move, before the physics step.
pub(super) fn act(
    action: Res<PlayerAction>,
    mut players: Query<(
        &mut Player,
        &mut KinematicCharacterController,
        Option<&KinematicCharacterControllerOutput>,
    )>,
) {
    for (mut player, mut controller, output) in &mut players {
        player.yaw_rad = (player.yaw_rad - action.look.x).rem_euclid(std::f32::consts::TAU);
        player.pitch_rad = (player.pitch_rad + action.look.y).clamp(-MAX_PITCH_RAD, MAX_PITCH_RAD);

        if let Some(output) = output {
            player.grounded = output.grounded;
            // What a wall took away is gone.
            let moved = output.effective_translation / TICK_S;
            player.velocity_m_s.x = moved.x;
            player.velocity_m_s.z = moved.z;
            if moved.y.abs() < 0.3 * player.velocity_m_s.y.abs() {
                player.velocity_m_s.y = 0.0;
            }
        }
        let walk = action.walk.clamp_length_max(1.0);
        let wish =
            Quat::from_rotation_y(player.yaw_rad) * Vec3::new(walk.x, 0.0, -walk.y) * WALK_M_S;
        let flat = player.velocity_m_s.with_y(0.0);
        let grip = if player.grounded { 1.0 } else { 0.25 };
        let flat = flat + (wish - flat).clamp_length_max(PUSH_OFF_M_S2 * grip * TICK_S);
        let mut fall = player.velocity_m_s.y - GRAVITY_M_S2 * TICK_S;
        if player.grounded {
            fall = if action.jump { JUMP_M_S } else { fall.max(-1.0) };
        }
        player.velocity_m_s = flat.with_y(fall);
        controller.translation = Some(player.velocity_m_s * TICK_S);
    }
}
