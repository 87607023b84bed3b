//! What the player wants, free of any device.
//!
//! Keyboard, mouse, gamepad, recorded scripts and bots all write [`PlayerAction`]; game logic, recorder
//! and world model read it.

mod tally;

use bevy::prelude::*;
use reverie_runtime::request::Action;
use serde::{Deserialize, Serialize};
pub use tally::ActionTally;

/// The player's intent for the present physics tick.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct PlayerAction {
    /// x right, y forward, each −1 to 1, length at most 1.
    pub walk: Vec2,
    /// Turn since the last tick, radians: x to the right, y up.
    pub look: Vec2,
    /// Held.
    pub jump: bool,
    /// Held: shove what stands ahead.
    pub push: bool,
    /// Held: carry the body in reach.
    pub grab: bool,
    /// Held: throw the body that is carried.
    pub throw: bool,
}

impl PlayerAction {
    /// In the order of [`reverie_runtime::request::ACTION_AXES`].
    pub fn to_axes(&self) -> Action {
        let held = |b: bool| if b { 1.0 } else { 0.0 };
        [
            self.walk.x,
            self.walk.y,
            self.look.x,
            self.look.y,
            held(self.jump),
            held(self.push),
            held(self.grab),
            held(self.throw),
        ]
    }
}
