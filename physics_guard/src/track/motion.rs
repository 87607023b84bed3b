//! What the shadow's body does, told from two snapshots.

use glam::{Quat, Vec3};
use reverie_kernels::raster::shape::bounding_box;

use crate::expected::{Body, BodyKind};

/// Slower is at rest: m/s and rad/s.
const RESTING_M_S: f32 = 0.02;
const RESTING_RAD_S: f32 = 0.05;
/// Moved less between two pictures is at rest.
const RESTING_M: f32 = 0.002;
/// Share of g, and m/s, by which the change of a flying body's velocity may differ from g·Δt.
const FLIGHT_SHARE: f32 = 0.15;
const FLIGHT_M_S: f32 = 0.08;

/// What a body of the shadow does between two pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// It lies still.
    Resting,
    /// Nothing but gravity changes its velocity.
    Flying,
    /// Anything else: it rolls, slides, is pushed, carried, or bounces.
    Moving,
}

/// The body has no speed now.
pub(crate) fn is_still(body: &Body) -> bool {
    body.kind == BodyKind::Fixed
        || (body.linear_velocity_m_s.length() < RESTING_M_S
            && body.angular_velocity_rad_s.length() < RESTING_RAD_S)
}

/// Tells it from the state before: place, turn, velocity and time.
pub(super) fn motion(
    body: &Body,
    &(place_m, rotation, velocity_m_s, _): &(Vec3, Quat, Vec3, f64),
    step_s: f64,
    gravity_m_s2: Vec3,
) -> Motion {
    if step_s <= 0.0 {
        return Motion::Moving;
    }
    let now = &body.world_from_body;
    let still = is_still(body)
        && velocity_m_s.length() < RESTING_M_S
        && now.translation_m.distance(place_m) < RESTING_M
        && now.rotation.angle_between(rotation) < 0.02;
    if still {
        return Motion::Resting;
    }
    let step_s = step_s as f32;
    let push = body.linear_velocity_m_s - velocity_m_s - gravity_m_s2 * step_s;
    let slack = FLIGHT_SHARE * gravity_m_s2.length() * step_s + FLIGHT_M_S;
    // Without gravity nothing tells flight from rest.
    let flying = body.kind == BodyKind::Dynamic
        && gravity_m_s2 != Vec3::ZERO
        && push.length() < slack.min(0.5 * gravity_m_s2.length() * step_s + 0.01);
    if flying { Motion::Flying } else { Motion::Moving }
}

/// Mean of the edges of the box around a body, metres.
pub(crate) fn diameter_m(body: &Body) -> f32 {
    let (_, half) = bounding_box(&body.shape);
    2.0 * (half.x + half.y + half.z) / 3.0
}
