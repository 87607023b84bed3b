//! Levels: colliders with materials, a start, a goal, and a style; from files, from sketches, into any game.
//!
//! ```no_run
//! use bevy::prelude::*;
//! use bevy_rapier3d::prelude::*;
//! use bevy_reverie::level::{LevelFile, LevelPlugin};
//!
//! App::new()
//!     .add_plugins((DefaultPlugins, RapierPhysicsPlugin::<()>::default(), LevelPlugin))
//!     .add_systems(Startup, |mut commands: Commands| {
//!         // A level file or a picture of a plan. Saved anew, it changes under the player's feet.
//!         commands.spawn(LevelFile::new("sketches/house.png"));
//!     })
//!     .run();
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`body`] | one body: role, shape, material, and how physics treats it |
//! | [`file`](mod@file) | `*.level.ron`, checked on reading |
//! | [`build`] | from a sketch's plan to a level |
//! | [`source`] | from a file of either kind to a level |
//! | [`space`] | what is free: where a player can stand |
//! | [`route`] | ways on foot through what was built |
//! | [`change`] | what stays, comes and goes from one level to the next |
//! | [`spawn`] | entities, for any game |
//! | [`watch`] | files that are saved while the game runs |
//! | [`glb`] | the colliders as a glTF file |
//! | [`view`] | the first view: shadow paint and depth |
//!
//! World frame: x is the plan's east, z its south, +Y up; a sketch's top-left corner is the origin. Metres.

pub mod body;
pub mod build;
pub mod change;
pub mod file;
pub mod glb;
pub mod route;
pub mod source;
pub mod space;
pub mod spawn;
mod style_names;
pub mod view;
pub mod watch;

use bevy::math::Vec3;
use reverie_runtime::style::StyleWeights;
use serde::{Deserialize, Serialize};

pub use body::{LevelBody, Role};
pub use file::{LEVEL_VERSION, LevelError, LevelFault, MAX_BODIES, MAX_MOVABLE};
pub use source::{LevelSource, SourceError, Sourced};
pub use spawn::{
    LevelChanged, LevelFile, LevelNotice, LevelPart, LevelParts, LevelPlugin, LevelRoot, PartOf,
};

/// One level. The same content always builds the same world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// For a human.
    pub name: String,
    /// Weather and time of day, where the player does not choose another.
    #[serde(default, with = "style_names")]
    pub style: StyleWeights,
    /// From the ground towards the sun, unit length.
    #[serde(default = "high_sun")]
    pub sun_direction: Vec3,
    /// Where the player's soles stand at first, metres.
    pub spawn_m: Vec3,
    /// Which way the player looks at first: turn about +Y from −Z (north), radians.
    #[serde(default)]
    pub spawn_yaw_rad: f32,
    /// Where the goal stands on the ground, metres.
    #[serde(default)]
    pub goal_m: Option<Vec3>,
    /// In any order.
    pub bodies: Vec<LevelBody>,
}

impl Default for Level {
    /// Nothing at all.
    fn default() -> Self {
        Self {
            name: String::new(),
            style: StyleWeights::NOON,
            sun_direction: high_sun(),
            spawn_m: Vec3::ZERO,
            spawn_yaw_rad: 0.0,
            goal_m: None,
            bodies: Vec::new(),
        }
    }
}

/// A late morning's.
fn high_sun() -> Vec3 {
    reverie_runtime::request::DEFAULT_SUN_DIRECTION.normalize()
}

impl Level {
    /// Lower and upper corner of the box around all bodies, metres; both zero without bodies.
    pub fn bounds_m(&self) -> (Vec3, Vec3) {
        self.bodies
            .iter()
            .map(LevelBody::bounds_m)
            .reduce(|(low, high), (l, h)| (low.min(l), high.max(h)))
            .unwrap_or_default()
    }
}

/// A player as levels know one: the capsule that the courtyard's player has.
pub mod player_size {
    /// Of the capsule, metres.
    pub const RADIUS_M: f32 = crate::sketch::PLAYER_RADIUS_M;
    /// From the soles to the crown, metres.
    pub const HEIGHT_M: f32 = 1.7;
    /// From the soles to the eyes, metres.
    pub const EYE_M: f32 = 1.6;
    /// Steps up to this height are taken in passing, metres.
    pub const STEP_M: f32 = 0.25;
}
