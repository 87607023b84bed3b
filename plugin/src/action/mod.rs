//! What the player wants, free of any device.
//!
//! Keyboard, mouse, gamepad, recorded scripts and bots all write [`PlayerAction`]; game logic, recorder
//! and world model read it.

mod bindings;
mod devices;
mod script;
mod tally;

use std::time::Instant;

use bevy::input::InputSystems;
use bevy::prelude::*;
use reverie_runtime::request::Action;
use serde::{Deserialize, Serialize};

pub use bindings::{ActionBindings, Trigger};
pub use script::{ActionScript, ScriptError, ScriptStep};
pub use tally::ActionTally;

use crate::latency::FrameMarks;

/// The player's intent for the present physics tick.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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

/// Who fills [`PlayerAction`].
#[derive(Resource, Debug, Clone, PartialEq, Default)]
pub enum ActionSource {
    /// Keyboard, mouse and gamepads, by [`ActionBindings`].
    #[default]
    Devices,
    /// A script, from its first tick on; then nothing is pressed.
    Script(ActionScript),
    /// The game: bots, network, a replay of its own. It writes before `FixedUpdate`.
    Game,
}

/// Fills [`PlayerAction`] in `FixedFirst`: read it in `FixedUpdate`.
pub struct ActionPlugin;

impl Plugin for ActionPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<PlayerAction>()
            .init_resource::<ActionSource>()
            .init_resource::<ActionBindings>()
            .init_resource::<devices::DeviceIntent>()
            .init_resource::<FrameMarks>()
            .add_systems(
                PreUpdate,
                (devices::hold_cursor, devices::sample).chain().after(InputSystems),
            )
            .add_systems(FixedFirst, fill);
    }
}

fn fill(
    source: Res<ActionSource>,
    mut intent: ResMut<devices::DeviceIntent>,
    mut action: ResMut<PlayerAction>,
    mut marks: ResMut<FrameMarks>,
    mut script_tick: Local<u64>,
) {
    if source.is_changed() {
        *script_tick = 0;
    }
    // The game fills its intent on its own: at some time before this tick.
    marks.input = Instant::now();
    match &*source {
        ActionSource::Devices => {
            let (taken, sampled_at) = intent.take();
            *action = taken;
            marks.input = sampled_at.unwrap_or(marks.input);
        }
        ActionSource::Script(script) => {
            *action = script.action_at(*script_tick);
            *script_tick += 1;
        }
        ActionSource::Game => {}
    }
}
