//! From a sketch's plan to a level: walls become few boxes with exact corners, openings get frames, ramps lead over.
//!
//! [`merge`] covers cells by rectangles, [`pieces`] makes bodies of them. What was built is then walked through on
//! paper ([`super::route`]): a level whose goal cannot be reached is not given out.

pub mod merge;
mod pieces;

use bevy::math::{IVec2, Vec2, Vec3, Vec3Swizzles};
use reverie_runtime::style::StyleWeights;
use thiserror::Error;

use super::route::Ground;
use super::{Level, LevelFault, MAX_MOVABLE};
use crate::sketch::{CellKind, Compass, Legend, Plan, Warning, WarningKind};

/// The player comes this near to the goal, metres.
pub const AT_GOAL_M: f32 = 0.9;

/// What a level is built from, beside the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildOptions {
    /// Of the level.
    pub name: String,
    /// Weather and time of day.
    pub style: StyleWeights,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self { name: "level".to_owned(), style: StyleWeights::NOON }
    }
}

/// A level, and what had to be changed to make it one.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// Checked, and its goal can be walked to.
    pub level: Level,
    /// Repairs, with their places on the plan.
    pub warnings: Vec<Warning>,
}

/// Why a plan is no level; the place is in metres on the plan.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BuildError {
    /// The plan has no start.
    #[error("there is no place to start from: mark one in the spawn's colour")]
    NoSpawn,
    /// Nowhere round the start is room for a player.
    #[error("nobody has room to stand at the start (at {:.2} m, {:.2} m): draw it farther from walls", at_m.x, at_m.y)]
    NoRoom {
        /// The start.
        at_m: Vec2,
    },
    /// The goal cannot be walked to.
    #[error(
        "the way to the goal is too narrow (at {:.2} m, {:.2} m): leave at least 0.8 m between walls",
        at_m.x, at_m.y
    )]
    NoWay {
        /// Where the way ends.
        at_m: Vec2,
    },
    /// More than a level may have, or nothing.
    #[error("the level cannot be built: {0}")]
    Value(#[from] LevelFault),
}

impl BuildError {
    /// Where, metres on the plan.
    pub fn at_m(&self) -> Option<Vec2> {
        match self {
            Self::NoRoom { at_m } | Self::NoWay { at_m } => Some(*at_m),
            Self::NoSpawn | Self::Value(_) => None,
        }
    }
}

/// Builds the level of a plan; `legend` is what the plan's entries index.
///
/// # Errors
/// There is no start, no way to the goal, or more than a level may have.
pub fn build(plan: &Plan, legend: &Legend, options: &BuildOptions) -> Result<Built, BuildError> {
    let mut built = assemble(plan, legend, options, false)?;
    let (mut ground, mut way) = way_to_goal(&built.level);
    if way.is_none() && built.level.goal_m.is_some() {
        // A ramp across the only way is worse than a flat one.
        built = assemble(plan, legend, options, true)?;
        (ground, way) = way_to_goal(&built.level);
        if way.is_none() {
            return Err(BuildError::NoWay { at_m: end_of_way(plan, &built.level, &ground) });
        }
        let text = "the ramps would block the way to the goal, so they lie flat";
        built.warnings.push(warning(WarningKind::Ramp, text, None));
    }
    built.level.spawn_yaw_rad = first_look(&built.level, &ground, way.as_deref());
    Ok(built)
}

/// All bodies of the plan and a free start; whether the goal can be reached is not asked.
fn assemble(
    plan: &Plan,
    legend: &Legend,
    options: &BuildOptions,
    flat_ramps: bool,
) -> Result<Built, BuildError> {
    let spawn_m = plan.spawn_m.ok_or(BuildError::NoSpawn)?;
    let mut warnings = Vec::new();
    let bodies = pieces::Pieces { plan, legend, flat_ramps, warnings: &mut warnings }.all();
    let mut level = Level {
        name: options.name.clone(),
        style: options.style,
        spawn_m: Vec3::new(spawn_m.x, 0.05, spawn_m.y),
        goal_m: plan.goal_m.map(|goal| Vec3::new(goal.x, 0.0, goal.y)),
        bodies,
        ..Level::default()
    };
    keep_some_movable(&mut level, &mut warnings);
    level.check()?;
    place_spawn(&mut level, &mut warnings)?;
    Ok(Built { level, warnings })
}

fn warning(kind: WarningKind, text: &str, at_m: Option<Vec2>) -> Warning {
    Warning { kind, text: text.to_owned(), at_m }
}

fn keep_some_movable(level: &mut Level, warnings: &mut Vec<Warning>) {
    let mut count = 0;
    let before = level.bodies.len();
    level.bodies.retain(|body| {
        count += usize::from(body.movable);
        !body.movable || count <= MAX_MOVABLE
    });
    let left_out = before - level.bodies.len();
    if left_out > 0 {
        let text = format!("{left_out} bodies are left out: {MAX_MOVABLE} is the most");
        warnings.push(warning(WarningKind::LeftOut, &text, None));
    }
}

fn place_spawn(level: &mut Level, warnings: &mut Vec<Warning>) -> Result<(), BuildError> {
    // Bodies that stand where the player starts are moved by him, walls are not.
    let wanted = level.spawn_m;
    if level.is_free(wanted) {
        return Ok(());
    }
    let free = level.nearest_free(wanted).filter(|free| free.distance(wanted) < 2.0);
    level.spawn_m = free.ok_or(BuildError::NoRoom { at_m: wanted.xz() })?;
    let moved = level.spawn_m.distance(wanted);
    let text = format!("the start is {moved:.2} m aside, where there is room to stand");
    warnings.push(warning(WarningKind::Spawn, &text, Some(wanted.xz())));
    Ok(())
}

/// The ground, and the way over it to the goal if there are both.
fn way_to_goal(level: &Level) -> (Ground, Option<Vec<Vec3>>) {
    match level.goal_m {
        Some(goal_m) => Ground::with_way(level, level.spawn_m.xz(), goal_m.xz(), AT_GOAL_M),
        None => (Ground::new(level), None),
    }
}

/// Where the plan's way to the goal leaves what can be walked to.
fn end_of_way(plan: &Plan, level: &Level, ground: &Ground) -> Vec2 {
    let spawn_m = level.spawn_m.xz();
    let Some(goal_m) = plan.goal_m else { return spawn_m };
    let reached = ground.reached_from(spawn_m);
    let far = |place_m: &Vec2| !ground.is_within(&reached, *place_m, 0.4);
    plan_way(plan, spawn_m, goal_m).into_iter().find(far).unwrap_or(goal_m)
}

/// Centres of the cells of a shortest way on the plan; empty if there is none.
fn plan_way(plan: &Plan, from_m: Vec2, to_m: Vec2) -> Vec<Vec2> {
    let (start, goal) = (plan.cell_at(to_m), plan.cell_at(from_m));
    let mut next = vec![None; plan.cells.len()];
    let mut queue = std::collections::VecDeque::from([start]);
    // From the goal back, so that the way comes out in order.
    while let Some((x, y)) = queue.pop_front() {
        for (dx, dy) in Compass::ALL.map(Compass::step) {
            let by = (x + dx, y + dy);
            let Some(slot) = plan.index(by.0, by.1).and_then(|i| next.get_mut(i)) else { continue };
            if by != start && slot.is_none() && plan.cell(by.0, by.1).kind.is_walkable() {
                *slot = Some((x, y));
                queue.push_back(by);
            }
        }
    }
    let after =
        |(x, y): &(i32, i32)| plan.index(*x, *y).and_then(|i| next.get(i).copied().flatten());
    std::iter::successors(Some(goal), after).map(|(x, y)| plan.centre_m(x, y)).collect()
}

/// The yaw towards a point some steps ahead on the way to the goal, or to where most is free.
fn first_look(level: &Level, ground: &Ground, way: Option<&[Vec3]>) -> f32 {
    let from = level.spawn_m.xz();
    let yaw_to = |to: Vec2| (from.x - to.x).atan2(from.y - to.y);
    if let Some(ahead) = way.and_then(|way| way.iter().find(|p| p.xz().distance(from) > 2.5))
        && sees(ground, from, ahead.xz())
    {
        return yaw_to(ahead.xz());
    }
    let directions = (0..32).map(|i| Vec2::from_angle(std::f32::consts::TAU * i as f32 / 32.0));
    let free_m = |way: Vec2| {
        (1..60).map(|i| 0.25 * i as f32).take_while(|m| ground.is_free(from + way * *m)).count()
    };
    let toward_goal = |way: Vec2| {
        level.goal_m.map_or(0.0, |goal| (goal.xz() - from).normalize_or_zero().dot(way))
    };
    let score = |way: &Vec2| free_m(*way) as f32 + 4.0 * toward_goal(*way);
    directions.max_by(|a, b| score(a).total_cmp(&score(b))).map_or(0.0, |way| yaw_to(from + way))
}

fn sees(ground: &Ground, from: Vec2, to: Vec2) -> bool {
    (1..10).all(|i| ground.is_free(from.lerp(to, i as f32 / 10.0)))
}

/// Whether a cell of the plan is a wall.
fn is_wall(plan: &Plan, cell: IVec2) -> bool {
    plan.cell(cell.x, cell.y).kind == CellKind::Wall
}

#[cfg(test)]
mod tests;
