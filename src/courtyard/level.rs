//! Levels in the courtyard's game: entered like a courtyard, changed in place, with water and a goal.

use std::sync::Arc;

use bevy::prelude::*;
use bevy_reverie::level::build::AT_GOAL_M;
use bevy_reverie::level::change::Change;
use bevy_reverie::level::space::{blocks, stands_in};
use bevy_reverie::level::{Level, Role};

use super::layout::Layout;
use super::player::{HEIGHT_M, Player};
use super::spawn::{self, LevelAssets};
use super::{
    CourtyardBody, CourtyardSettings, CourtyardStyle, CurrentLayout, LayoutPart, style, walker,
};

/// A player that fell below this starts anew, metres.
const ABYSS_M: f32 = -6.0;

/// The level that is played, if it is not a courtyard; `Layout::pieces` are its bodies.
#[derive(Resource, Debug, Clone)]
pub struct CurrentLevel(pub Arc<Level>);

/// How far the player has come.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The player has been at the goal.
    pub at_goal: bool,
    /// Times that water or the abyss put the player back to the start.
    pub restarts: u32,
}

/// What a change of the level did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// Bodies that kept their entities.
    pub kept: usize,
    /// Bodies that are new.
    pub spawned: usize,
    /// Bodies that are gone.
    pub despawned: usize,
    /// The player stood where something is now, and stands beside it.
    pub player_moved: bool,
}

/// Removes what stands and builds a level, its open colours drawn from the seed.
pub fn enter_level(world: &mut World, level: Arc<Level>, seed: u64) {
    spawn::build(world, Layout::of_level(&level, seed));
    if world.contains_resource::<walker::Walker>() {
        world.insert_resource(walker::Walker::new(&level));
    }
    world.insert_resource(CurrentLevel(level));
}

/// Changes the level that stands into another one: only bodies that differ are despawned and spawned, and the player
/// stays where there is room.
pub fn change_level(world: &mut World, level: &Level) -> Changed {
    let (Some(old), Some(before)) =
        (world.get_resource::<CurrentLevel>(), world.get_resource::<CurrentLayout>())
    else {
        enter_level(world, Arc::new(level.clone()), 0);
        return Changed { spawned: level.bodies.len(), ..Changed::default() };
    };
    let (seed, old_style) = (before.0.seed, old.0.style);
    let change = Change::between(&old.0, level.clone());
    let layout = Layout::of_level(&change.level, seed);
    let mut standing = vec![None; old.0.bodies.len()];
    let mut bodies = world.query::<(Entity, &CourtyardBody)>();
    for (entity, body) in bodies.iter(world) {
        if let Some(slot) = standing.get_mut(body.index) {
            *slot = Some(entity);
        }
    }
    for gone in &change.goes {
        if let Some(entity) = standing.get(*gone).copied().flatten() {
            world.despawn(entity);
        }
    }
    let mut changed = Changed { despawned: change.goes.len(), ..Changed::default() };
    let mut fresh = Vec::new();
    let mut flat = Vec::new();
    for (index, piece) in layout.pieces.iter().enumerate() {
        let kept = change.stays[index].and_then(|old| standing.get(old).copied().flatten());
        let Some(entity) = kept else {
            fresh.push((index, spawn::spawn_body(world, index, piece)));
            continue;
        };
        changed.kept += 1;
        if let Some(mut body) = world.get_mut::<CourtyardBody>(entity) {
            body.index = index;
        }
        if matches!(piece.role, Role::Ground | Role::Slab | Role::Water) {
            flat.push((index, entity));
        }
    }
    changed.spawned = fresh.len();
    changed.player_moved = make_room(world, &change.level);
    if old_style != level.style && world.resource::<CourtyardSettings>().style.is_none() {
        world.resource_mut::<CourtyardStyle>().weights = level.style;
    }
    let mut light = world.resource_mut::<CourtyardStyle>();
    let sun_direction = style::suggested_sun(layout.sun_direction, &light.weights);
    if light.sun_direction != sun_direction {
        light.sun_direction = sun_direction;
    }
    if let Some(mut assets) = world.remove_resource::<LevelAssets>() {
        // Walls darken the ground beside them, so the ground is dressed anew as well.
        if changed.spawned + changed.despawned > 0 {
            fresh.append(&mut flat);
            spawn::grow_grass(world, &layout);
        }
        for (index, entity) in fresh {
            spawn::dress(world, &layout, index, entity, &mut assets);
        }
        world.insert_resource(assets);
    }
    if world.contains_resource::<walker::Walker>() {
        let mut players = world.query_filtered::<&Transform, With<Player>>();
        let here = players.iter(world).next().map_or(level.spawn_m, |at| at.translation);
        world.insert_resource(walker::Walker::from_place(&change.level, here));
    }
    world.resource_mut::<Progress>().at_goal = false;
    world.insert_resource(CurrentLayout(layout));
    world.insert_resource(CurrentLevel(Arc::new(change.level)));
    changed
}

/// Puts a player who stands in something beside it. True if one was moved.
fn make_room(world: &mut World, level: &Level) -> bool {
    let mut moved = false;
    let mut players = world.query::<(&mut Player, &mut Transform)>();
    for (mut player, mut transform) in players.iter_mut(world) {
        let feet_m = transform.translation - Vec3::Y * (0.5 * HEIGHT_M);
        let inside = level.bodies.iter().filter(|body| !body.movable).any(|b| blocks(b, feet_m));
        if inside {
            let free = level.nearest_free(feet_m).unwrap_or(level.spawn_m);
            put(&mut player, &mut transform, free);
            moved = true;
        }
    }
    moved
}

fn put(player: &mut Player, transform: &mut Transform, feet_m: Vec3) {
    player.velocity_m_s = Vec3::ZERO;
    transform.translation = feet_m + Vec3::Y * (0.5 * HEIGHT_M);
}

/// Sends a player who is in water or fell off the world back to the start, and notes who is at the goal.
pub(super) fn referee(
    mut progress: ResMut<Progress>,
    layout: Res<CurrentLayout>,
    level: Option<Res<CurrentLevel>>,
    mut players: Query<(&mut Player, &mut Transform), With<LayoutPart>>,
) {
    let Some(level) = level else { return };
    for (mut player, mut transform) in &mut players {
        let feet_m = transform.translation - Vec3::Y * (0.5 * HEIGHT_M);
        let waters = level.0.bodies.iter().filter(|body| body.role == Role::Water);
        if feet_m.y < ABYSS_M || waters.into_iter().any(|water| stands_in(water, feet_m)) {
            put(&mut player, &mut transform, layout.0.spawn_m);
            player.yaw_rad = layout.0.spawn_yaw_rad;
            progress.restarts += 1;
        }
        let away_m = |goal: Vec3| (goal - feet_m).with_y(0.0).length();
        if !progress.at_goal && layout.0.goal_m.is_some_and(|goal| away_m(goal) < AT_GOAL_M + 0.1) {
            progress.at_goal = true;
        }
    }
}
