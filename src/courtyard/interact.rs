//! The player's hands: push, carry and throw what moves.

use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use bevy_reverie::action::PlayerAction;

use super::CourtyardBody;
use super::player::{EYE_FROM_CENTER, Player};

/// How far the hands reach, metres.
const REACH_M: f32 = 2.4;
/// Speed that a push gives a light body, m/s.
const PUSH_M_S: f32 = 3.2;
/// Ticks between two pushes while the button is held.
const PUSH_EVERY: u32 = 24;
const THROW_M_S: f32 = 7.5;
/// Middle of a carried body, ahead of the eyes, metres.
const CARRY_M: f32 = 1.5;
/// A carried body that lags behind by more than this is let go, metres.
const LOSE_M: f32 = 1.6;

/// What the player holds, and how long until the next push.
#[derive(Resource, Debug, Default)]
pub struct Hands {
    /// The body that is carried.
    pub carried: Option<Entity>,
    rest_ticks: u32,
    thrown: bool,
}

/// Pushes, carries and throws, before the physics step.
pub(super) fn act(
    action: Res<PlayerAction>,
    mut hands: ResMut<Hands>,
    rapier: ReadRapierContext,
    players: Query<(Entity, &Player, &Transform)>,
    mut bodies: Query<(&CourtyardBody, &Transform, &mut Velocity), Without<Player>>,
) -> Result {
    let Ok((own, player, transform)) = players.single() else { return Ok(()) };
    let (eye, look) = (transform.translation + EYE_FROM_CENTER, player.look());
    hands.rest_ticks = hands.rest_ticks.saturating_sub(1);
    hands.thrown &= action.throw;

    let wants_push = action.push && hands.rest_ticks == 0;
    let wants_grab = action.grab && hands.carried.is_none() && !hands.thrown;
    let ahead = if wants_push || wants_grab {
        let filter = QueryFilter::new().exclude_rigid_body(own);
        rapier.single()?.cast_ray(eye, look, REACH_M, true, filter).map(|(entity, _)| entity)
    } else {
        None
    };
    let ahead = ahead.filter(|entity| bodies.get(*entity).is_ok_and(|(body, ..)| body.movable));

    if let (true, Some((_, _, mut velocity))) =
        (wants_push, ahead.and_then(|entity| bodies.get_mut(entity).ok()))
    {
        let along = look.with_y(look.y.clamp(-0.1, 0.4)).normalize_or_zero();
        velocity.linear += along * PUSH_M_S + Vec3::Y * 0.6;
        velocity.angular += look.cross(Vec3::Y) * -1.2;
        hands.rest_ticks = PUSH_EVERY;
    }
    if wants_grab {
        hands.carried = ahead;
    }
    let Some(carried) = hands.carried else { return Ok(()) };
    let Ok((body, at, mut velocity)) = bodies.get_mut(carried) else {
        hands.carried = None;
        return Ok(());
    };
    if action.throw {
        velocity.linear = look * THROW_M_S + Vec3::Y * 1.2;
        hands.carried = None;
        hands.thrown = true;
        return Ok(());
    }
    let target = eye + look * (CARRY_M.max(body.radius_m + 0.75)) - Vec3::Y * 0.15;
    let away = target - at.translation;
    if !action.grab || away.length() > LOSE_M + body.radius_m {
        hands.carried = None;
        return Ok(());
    }
    velocity.linear = (away * 12.0).clamp_length_max(7.0);
    velocity.angular *= 0.85;
    Ok(())
}
