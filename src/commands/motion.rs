//! Scripted motion, for what the display is measured on: fast turns, walks, thrown bodies.

use bevy::prelude::*;
use bevy_rapier3d::prelude::Velocity;
use bevy_reverie::action::PlayerAction;

use crate::courtyard::{CourtyardBody, CourtyardCamera};

/// 180° a second, radians per physics tick.
const FAST_TURN: f32 = std::f32::consts::PI / 60.0;
/// Bodies that are thrown at once.
const THROWN: usize = 4;

/// What the player and the bodies do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// The player turns by 180° a second, a little up and down.
    Turn,
    /// The player walks ahead and looks about.
    Walk,
    /// The player stands; bodies fly through the picture.
    Throw,
}

impl Motion {
    /// Each once.
    pub const ALL: [Self; 3] = [Self::Turn, Self::Walk, Self::Throw];

    /// For names of episodes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Walk => "walk",
            Self::Throw => "throw",
        }
    }

    /// What the player wants in each tick of the frame.
    pub fn action(self, frame: u32) -> PlayerAction {
        let phase = 0.21 * frame as f32;
        match self {
            Self::Turn => PlayerAction {
                look: Vec2::new(FAST_TURN, 0.002 * phase.sin()),
                ..PlayerAction::default()
            },
            Self::Walk => PlayerAction {
                walk: Vec2::new(0.3 * phase.sin(), 0.95),
                look: Vec2::new(0.012 * (0.8 * phase).cos(), 0.0),
                ..PlayerAction::default()
            },
            Self::Throw => PlayerAction::default(),
        }
    }

    /// Every 12 frames some bodies are thrown across the view.
    pub fn stage(self, world: &mut World, frame: u32) {
        if self != Self::Throw || !frame.is_multiple_of(12) {
            return;
        }
        let mut cameras = world.query_filtered::<&GlobalTransform, With<CourtyardCamera>>();
        let Some(eye) = cameras.iter(world).next().copied() else { return };
        let (ahead, right) = (eye.forward().with_y(0.0), *eye.right());
        let mut bodies = world.query::<(Entity, &CourtyardBody)>();
        let mut movable: Vec<(usize, Entity)> = bodies
            .iter(world)
            .filter(|(_, body)| body.movable)
            .map(|(entity, body)| (body.index, entity))
            .collect();
        movable.sort_unstable();
        let side = if (frame / 12).is_multiple_of(2) { 1.0 } else { -1.0 };
        for (number, (_, entity)) in movable.into_iter().take(THROWN).enumerate() {
            let number = number as f32;
            let start = eye.translation() + ahead * (2.5 + 0.9 * number)
                - right * side * (1.6 + 0.3 * number);
            let velocity = right * side * (4.0 + 0.8 * number) + Vec3::Y * (3.0 - 0.4 * number);
            if let Ok(mut body) = world.get_entity_mut(entity) {
                body.insert(Velocity { linear: velocity, angular: Vec3::new(2.0, 3.0, 1.0) });
                if let Some(mut transform) = body.get_mut::<Transform>() {
                    transform.translation = start;
                }
            }
        }
    }
}
