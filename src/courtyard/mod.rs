//! The courtyard: a small first-person game on Bevy's PBR renderer and Rapier.
//!
//! It is what training data is recorded from and what the demos are played in. Layout (plain data), physics
//! and play work without a renderer; meshes, textures, sky and light are drawn on top where `draw` is set.

pub mod bots;
pub mod interact;
pub mod layout;
pub mod level;
pub mod mesh;
pub mod palette;
pub mod player;
pub mod sky;
pub mod spawn;
pub mod style;
pub mod texture;
pub mod walker;

use std::sync::Arc;

use bevy::light::DirectionalLightShadowMap;
use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use bevy_reverie::action::PlayerAction;
use bevy_reverie::level::Level;
use reverie_runtime::style::StyleWeights;

use layout::{Layout, Role};
pub use level::{CurrentLevel, Progress, change_level, enter_level};
use player::{EYE_FROM_CENTER, Player};
pub use spawn::new_courtyard;

/// Of one physics tick, seconds.
pub const TICK_S: f32 = 1.0 / 60.0;
/// Of the player's camera, full angle.
pub const VERTICAL_FOV_RAD: f32 = std::f32::consts::FRAC_PI_3;

/// Adds the game to an app: windowed, headless, or stepped by hand.
///
/// Without `draw` only time and transforms are needed (`MinimalPlugins`, `TransformPlugin`).
#[derive(Debug, Clone)]
pub struct CourtyardPlugin {
    /// Of the first layout, or of a level's look.
    pub seed: u64,
    /// What is played instead of a courtyard.
    pub level: Option<Arc<Level>>,
    /// Fixed light and weather; `None` leaves [`CourtyardStyle`] to the game.
    pub style: Option<StyleWeights>,
    /// Lets a bot play.
    pub bot: bool,
    /// Meshes, lights and a camera; otherwise physics and play alone.
    pub draw: bool,
}

impl Default for CourtyardPlugin {
    fn default() -> Self {
        Self { seed: 1, level: None, style: None, bot: false, draw: true }
    }
}

/// What the plugin was added with.
#[derive(Resource, Debug, Clone)]
pub struct CourtyardSettings {
    /// See [`CourtyardPlugin::style`].
    pub style: Option<StyleWeights>,
    /// See [`CourtyardPlugin::draw`].
    pub draw: bool,
    first_seed: u64,
    first_level: Option<Arc<Level>>,
}

/// Asks for another courtyard in place of the present one, or for the same level from its start in another look; it
/// stands before the next tick.
#[derive(Message, Debug, Clone, Copy)]
pub struct NewCourtyard {
    /// Of the layout, its colours and textures, the sky, and the bot's whims.
    pub seed: u64,
}

/// Light and weather now.
#[derive(Resource, Debug, Clone, Copy, PartialEq)]
pub struct CourtyardStyle {
    /// Blend of styles.
    pub weights: StyleWeights,
    /// From the ground towards the sun, unit length; a new courtyard sets its own.
    pub sun_direction: Vec3,
}

/// The layout that stands.
#[derive(Resource, Debug, Clone)]
pub struct CurrentLayout(pub Layout);

/// Marks all that goes with the present layout.
#[derive(Component, Debug)]
pub struct LayoutPart;

/// A body of the layout.
#[derive(Component, Debug, Clone, Copy, PartialEq)]
pub struct CourtyardBody {
    /// Into [`Layout::pieces`].
    pub index: usize,
    /// What it is for.
    pub role: Role,
    /// The player can push and carry it.
    pub movable: bool,
    /// About its size, metres.
    pub radius_m: f32,
}

/// Marks the player's camera. It outlives layouts; its `RenderTarget` is the caller's.
#[derive(Component, Debug)]
pub struct CourtyardCamera;

/// A hash over all bodies' poses and velocities, chained over the ticks since the layout was built.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhysicsHash {
    /// FNV-1a of all so far.
    pub value: u64,
    /// Ticks so far.
    pub ticks: u64,
}

impl Default for PhysicsHash {
    fn default() -> Self {
        Self { value: 0xCBF2_9CE4_8422_2325, ticks: 0 }
    }
}

impl PhysicsHash {
    fn add(&mut self, floats: impl IntoIterator<Item = f32>) {
        for float in floats {
            for byte in float.to_bits().to_le_bytes() {
                self.value = (self.value ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
            }
        }
    }
}

/// The game's systems in `FixedUpdate`, in this order, around Rapier's step.
#[derive(SystemSet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CourtyardSystems {
    /// Reads [`PlayerAction`]; whoever writes it runs before this.
    Play,
    /// After the step: camera and hash.
    Settle,
}

impl Plugin for CourtyardPlugin {
    fn build(&self, app: &mut App) {
        if !app.is_plugin_added::<RapierPhysicsPlugin<NoUserData>>() {
            app.add_plugins(RapierPhysicsPlugin::<NoUserData>::default().in_fixed_schedule());
        }
        app.insert_resource(TimestepMode::Fixed { dt: TICK_S, substeps: 1 })
            .insert_resource(Time::<Fixed>::from_hz(60.0))
            .insert_resource(CourtyardSettings {
                style: self.style,
                draw: self.draw,
                first_seed: self.seed,
                first_level: self.level.clone(),
            })
            .insert_resource(CourtyardStyle {
                weights: self
                    .style
                    .or(self.level.as_ref().map(|level| level.style))
                    .unwrap_or_default(),
                sun_direction: reverie_runtime::request::DEFAULT_SUN_DIRECTION,
            })
            .init_resource::<PlayerAction>()
            .init_resource::<interact::Hands>()
            .init_resource::<PhysicsHash>()
            .init_resource::<Progress>()
            .add_message::<NewCourtyard>()
            .add_systems(Startup, first)
            .add_systems(PreUpdate, renew)
            .configure_sets(FixedUpdate, CourtyardSystems::Play.before(PhysicsSet::SyncBackend))
            .configure_sets(FixedUpdate, CourtyardSystems::Settle.after(PhysicsSet::Writeback))
            .add_systems(
                FixedUpdate,
                (
                    (walker::drive, bots::drive).chain().before(CourtyardSystems::Play),
                    (player::act, interact::act).chain().in_set(CourtyardSystems::Play),
                    (level::referee, hash).chain().in_set(CourtyardSystems::Settle),
                ),
            );
        if self.bot {
            app.insert_resource(bots::Bot::new(self.seed));
        }
        if self.draw {
            app.insert_resource(DirectionalLightShadowMap { size: 1024 })
                .add_systems(Startup, |mut commands: Commands| {
                    commands.spawn(spawn::camera());
                })
                .add_systems(Update, (follow, style::apply, style::snow).chain());
        }
    }
}

fn first(world: &mut World) {
    let settings = world.resource::<CourtyardSettings>();
    let (seed, level) = (settings.first_seed, settings.first_level.clone());
    match level {
        Some(level) => enter_level(world, level, seed),
        None => new_courtyard(world, seed),
    }
}

fn renew(world: &mut World) {
    let wanted = world.resource_mut::<Messages<NewCourtyard>>().drain().last();
    let Some(NewCourtyard { seed }) = wanted else { return };
    match world.get_resource::<CurrentLevel>().map(|level| level.0.clone()) {
        Some(level) => enter_level(world, level, seed),
        None => new_courtyard(world, seed),
    }
}

/// Puts the camera where the player's eyes are, and the sky round it.
fn follow(
    players: Query<(&Player, &Transform)>,
    mut cameras: Query<&mut Transform, (With<CourtyardCamera>, Without<Player>)>,
    mut domes: Query<
        &mut Transform,
        (With<spawn::SkyDome>, Without<CourtyardCamera>, Without<Player>),
    >,
) {
    let Ok((player, body)) = players.single() else { return };
    let eye = body.translation + EYE_FROM_CENTER;
    for mut camera in &mut cameras {
        *camera = Transform::from_translation(eye).with_rotation(player.rotation());
    }
    for mut dome in &mut domes {
        dome.translation = eye;
    }
}

fn hash(
    mut hash: ResMut<PhysicsHash>,
    players: Query<(&Player, &Transform)>,
    bodies: Query<(&CourtyardBody, &Transform, &Velocity)>,
) {
    let mut ordered: Vec<_> = bodies.iter().collect();
    ordered.sort_by_key(|(body, ..)| body.index);
    for (_, at, velocity) in ordered {
        hash.add(at.translation.to_array());
        hash.add(at.rotation.to_array());
        hash.add(velocity.linear.to_array());
        hash.add(velocity.angular.to_array());
    }
    for (player, at) in &players {
        hash.add(at.translation.to_array());
        hash.add([player.yaw_rad, player.pitch_rad]);
    }
    hash.ticks += 1;
}

#[cfg(test)]
mod level_tests;
#[cfg(test)]
mod tests;
