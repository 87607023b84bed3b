//! A bot that walks from the start of a level to its goal, by the same legs as a player's.

use std::f32::consts::PI;
use std::time::{Duration, Instant};

use bevy::math::Vec3Swizzles;
use bevy::prelude::*;
use bevy::time::TimeUpdateStrategy;
use bevy::transform::TransformPlugin;
use bevy_reverie::action::PlayerAction;
use bevy_reverie::level::Level;
use bevy_reverie::level::build::AT_GOAL_M;
use bevy_reverie::level::route::Ground;
use serde::Serialize;

use super::bots::{angle_between, yaw_of};
use super::player::{HEIGHT_M, Player, WALK_M_S};
use super::{CourtyardPlugin, Progress, TICK_S};

/// The bot walks towards the point of its way this far ahead, metres.
const AHEAD_M: f32 = 0.45;
/// A bot that comes less far in [`STUCK_TICKS`] is stuck, metres.
const STUCK_M: f32 = 0.2;
const STUCK_TICKS: u32 = 45;
/// Ticks of one try to get free.
const FREEING_TICKS: u32 = 25;

/// Walks along a way; while this resource is on its way it writes [`PlayerAction`] before every tick.
#[derive(Resource, Debug, Clone)]
pub struct Walker {
    ground: Ground,
    goal_m: Option<Vec2>,
    way: Vec<Vec3>,
    next: usize,
    tick: u32,
    seen_at: Vec2,
    freeing: u32,
    tries: u32,
}

impl Walker {
    /// A bot at the start of a level. Without a goal, or without a way to it, it stands.
    pub fn new(level: &Level) -> Self {
        Self::from_place(level, level.spawn_m)
    }

    /// A bot that is somewhere in a level.
    pub fn from_place(level: &Level, here_m: Vec3) -> Self {
        let goal_m = level.goal_m.map(|goal| goal.xz());
        let (ground, way) = match goal_m {
            Some(goal_m) => Ground::with_way(level, here_m.xz(), goal_m, AT_GOAL_M),
            None => (Ground::new(level), None),
        };
        Self {
            ground,
            goal_m,
            way: way.unwrap_or_default(),
            next: 0,
            tick: 0,
            seen_at: Vec2::INFINITY,
            freeing: 0,
            tries: 0,
        }
    }

    /// Another way, from here.
    fn plan(&mut self, here_m: Vec2) {
        let way = self.goal_m.and_then(|goal| self.ground.route(here_m, goal, AT_GOAL_M));
        self.way = way.unwrap_or_default();
        self.next = 0;
    }

    /// Length of the whole way, metres.
    pub fn way_m(&self) -> f32 {
        self.way.windows(2).map(|pair| pair[0].distance(pair[1])).sum()
    }

    /// Whether there is some way left to go.
    pub fn is_on_its_way(&self) -> bool {
        !self.way.is_empty()
    }

    /// What to do this tick, with the soles at `feet_m`.
    pub fn act(&mut self, feet_m: Vec3, yaw_rad: f32) -> PlayerAction {
        let here = feet_m.xz();
        self.tick += 1;
        if self.tick.is_multiple_of(STUCK_TICKS) {
            if here.distance(self.seen_at) < STUCK_M && self.freeing == 0 {
                self.freeing = FREEING_TICKS;
                self.tries += 1;
                self.plan(here);
            }
            self.seen_at = here;
        }
        while self.next + 1 < self.way.len() && self.way[self.next].xz().distance(here) < AHEAD_M {
            self.next += 1;
        }
        let Some(target) = self.way.get(self.next) else { return PlayerAction::default() };
        let mut wish = (target.xz() - here).normalize_or_zero();
        let mut jump = false;
        if self.freeing > 0 {
            // Another way each time: straight on with a jump, then from one side and from the other.
            self.freeing -= 1;
            let side = [0.0, 1.2, -1.2, 2.4, -2.4][self.tries as usize % 5];
            wish = Vec2::from_angle(side).rotate(wish);
            jump = self.tries % 2 == 1;
        }
        let turn = (5.0 * angle_between(yaw_rad, yaw_of(wish))).clamp(-PI, PI) * TICK_S;
        let ahead = Vec2::new(-yaw_rad.sin(), -yaw_rad.cos());
        let right = Vec2::new(-ahead.y, ahead.x);
        let walk = Vec2::new(wish.dot(right), wish.dot(ahead));
        // Nobody runs round a corner.
        let pace = if angle_between(yaw_rad, yaw_of(wish)).abs() > 0.9 { 0.6 } else { 1.0 };
        PlayerAction { walk: walk * pace, look: Vec2::new(-turn, 0.0), jump, ..default() }
    }
}

/// Lets the walker, if there is one, write the action of the coming tick.
pub(super) fn drive(
    walker: Option<ResMut<Walker>>,
    progress: Res<Progress>,
    mut action: ResMut<PlayerAction>,
    players: Query<(&Player, &Transform)>,
) {
    let (Some(mut walker), Ok((player, transform))) = (walker, players.single()) else { return };
    if !walker.is_on_its_way() {
        return;
    }
    if progress.at_goal {
        walker.way.clear();
        *action = PlayerAction::default();
        return;
    }
    let feet_m = transform.translation - Vec3::Y * (0.5 * HEIGHT_M);
    *action = walker.act(feet_m, player.yaw_rad);
}

/// How a walk went.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Walk {
    /// The bot came to the goal.
    pub reached: bool,
    /// Length of the way that was planned, metres; 0 if there is none.
    pub way_m: f32,
    /// Simulated time until it was there, or gave up, seconds.
    pub walked_s: f32,
    /// Times that it was stuck for a moment.
    pub stuck: u32,
    /// Times that water put it back to the start.
    pub restarts: u32,
    /// Where its soles were at the end, metres.
    pub end_m: [f32; 3],
    /// Wall clock, ms.
    pub time_ms: f32,
}

/// Lets a bot walk from the start of a level to its goal in a world of physics alone, faster than real time.
pub fn walk(level: &Level) -> Walk {
    let begun = Instant::now();
    let mut app = App::new();
    let walker = Walker::new(level);
    let way_m = walker.way_m();
    // A bot that is three times as slow as a walk without any obstacle is lost.
    let most_ticks = (60.0 * (10.0 + 3.0 * way_m / WALK_M_S)) as u32;
    app.add_plugins((
        MinimalPlugins,
        TransformPlugin,
        CourtyardPlugin { level: Some(level.clone().into()), draw: false, ..default() },
    ))
    .insert_resource(walker)
    .insert_resource(TimeUpdateStrategy::ManualDuration(Duration::from_secs_f64(1.0 / 60.0)));
    app.finish();
    app.cleanup();
    let mut ticks = 0;
    let on_its_way = |app: &App| app.world().resource::<Walker>().is_on_its_way();
    while on_its_way(&app) && !app.world().resource::<Progress>().at_goal && ticks < most_ticks {
        app.update();
        ticks += 1;
    }
    let world = app.world_mut();
    let end = world.query_filtered::<&Transform, With<Player>>().iter(world).next().copied();
    let end = end.unwrap_or_default().translation - Vec3::Y * (0.5 * HEIGHT_M);
    let progress = *world.resource::<Progress>();
    Walk {
        reached: progress.at_goal,
        way_m,
        walked_s: ticks as f32 * TICK_S,
        stuck: world.resource::<Walker>().tries,
        restarts: progress.restarts,
        end_m: end.to_array(),
        time_ms: 1000.0 * begun.elapsed().as_secs_f32(),
    }
}
