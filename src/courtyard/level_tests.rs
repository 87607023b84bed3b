//! Levels in the game without a renderer: walked, changed under the player's feet, wet.

use std::time::Duration;

use bevy::math::Vec3Swizzles;
use bevy::time::TimeUpdateStrategy;
use bevy::transform::TransformPlugin;
use bevy_reverie::level::build::{BuildOptions, build};
use bevy_reverie::sketch::{Cell, CellKind, Compass, EntryKind, Legend, Plan, PlannedBody};

use super::level::Changed;
use super::player::HEIGHT_M;
use super::walker::walk;
use super::*;

/// A level of 0.8 m cells: `#` wall, `~` water, `+` door, `>` `<` ramps, `o` crate, `S`, `G`.
fn level(rows: &[&str]) -> Level {
    let legend = Legend::default();
    let entry = |kind| legend.first(kind).unwrap();
    let crate_box = legend.entries.iter().position(|e| e.name == "crate").unwrap() as u8;
    let mut plan =
        Plan { cell_m: 0.8, width: rows[0].len(), height: rows.len(), ..Plan::default() };
    for (y, row) in rows.iter().enumerate() {
        for (x, mark) in row.chars().enumerate() {
            let ramp = |towards| (CellKind::Ramp { towards }, entry(EntryKind::Ramp));
            let (kind, entry) = match mark {
                '#' => (CellKind::Wall, entry(EntryKind::Wall)),
                '~' => (CellKind::Hazard, entry(EntryKind::Hazard)),
                '+' => (CellKind::Door, entry(EntryKind::Door)),
                '>' => ramp(Compass::East),
                '<' => ramp(Compass::West),
                _ => (CellKind::Floor, entry(EntryKind::Floor)),
            };
            plan.cells.push(Cell { kind, entry });
            let centre_m = plan.centre_m(x as i32, y as i32);
            match mark {
                'S' => plan.spawn_m = Some(centre_m),
                'G' => plan.goal_m = Some(centre_m),
                'o' => plan.bodies.push(PlannedBody {
                    centre_m,
                    size_m: Vec2::splat(0.7),
                    entry: crate_box,
                }),
                _ => {}
            }
        }
    }
    build(&plan, &legend, &BuildOptions::default()).unwrap().level
}

const HOUSE: [&str; 8] = [
    "############",
    "#S...#.....#",
    "#....#..o..#",
    "#....+.....#",
    "####.#######",
    "#..o...#...#",
    "#~~....+..G#",
    "############",
];

fn game(level: &Level) -> App {
    let mut app = App::new();
    app.add_plugins((
        MinimalPlugins,
        TransformPlugin,
        CourtyardPlugin { level: Some(level.clone().into()), draw: false, ..default() },
    ))
    .insert_resource(TimeUpdateStrategy::ManualDuration(Duration::from_secs_f64(1.0 / 60.0)));
    app.finish();
    app.cleanup();
    ticks(&mut app, 30);
    app
}

fn ticks(app: &mut App, count: u32) {
    for _ in 0..count {
        app.update();
    }
}

fn feet_m(app: &mut App) -> Vec3 {
    let world = app.world_mut();
    let at = world.query_filtered::<&Transform, With<Player>>().single(world).unwrap();
    at.translation - Vec3::Y * (0.5 * HEIGHT_M)
}

fn put_player(app: &mut App, feet_m: Vec3) {
    let world = app.world_mut();
    let mut at = world.query_filtered::<&mut Transform, With<Player>>().single_mut(world).unwrap();
    at.translation = feet_m + Vec3::Y * (0.5 * HEIGHT_M);
}

/// Entities of all bodies with their roles and places.
fn bodies(app: &mut App) -> Vec<(Entity, Role, Vec3)> {
    let world = app.world_mut();
    let mut query = world.query::<(Entity, &CourtyardBody, &Transform)>();
    query.iter(world).map(|(e, body, at)| (e, body.role, at.translation)).collect()
}

#[test]
fn a_bot_walks_through_doors_over_ramps_and_round_water() {
    let over_the_ramp = ["############", "#S..>>>>..G#", "#...>>>>...#", "############"];
    let against_it = ["############", "#S..<<<<..G#", "#...<<<<...#", "############"];
    for rows in [&HOUSE[..], &over_the_ramp, &against_it] {
        let walk = walk(&level(rows));
        assert!(walk.reached && walk.restarts == 0, "{rows:#?}: {walk:?}");
        assert!(walk.walked_s > walk.way_m / 4.0, "{walk:?}");
    }
}

#[test]
fn a_walk_repeats_itself() {
    let level = level(&HOUSE);
    let (mut first, mut again) = (walk(&level), walk(&level));
    (first.time_ms, again.time_ms) = (0.0, 0.0);
    assert_eq!(first, again);
}

#[test]
fn a_redrawn_wall_moves_and_nothing_else_does() {
    let first = level(&HOUSE);
    let mut app = game(&first);
    let pushed = bodies(&mut app).into_iter().find(|(_, role, _)| *role == Role::Crate).unwrap().0;
    app.world_mut().get_mut::<Transform>(pushed).unwrap().translation += Vec3::new(0.6, 0.0, 0.3);
    ticks(&mut app, 60);
    let (before, stood) = (bodies(&mut app), feet_m(&mut app));

    let mut rows = HOUSE;
    rows[1] = "#S..##.....#";
    rows[2] = "#...##..o..#";
    let changed = change_level(app.world_mut(), &level(&rows));
    assert!(!changed.player_moved && changed.spawned >= 1, "{changed:?}");
    assert!(changed.spawned + changed.despawned < 8, "{changed:?}");
    let after = bodies(&mut app);
    let kept = after.iter().filter(|body| before.contains(body)).count();
    assert_eq!(kept, changed.kept, "kept bodies keep entity and place");
    assert!(after.iter().any(|(entity, ..)| *entity == pushed), "the crate keeps its state");
    ticks(&mut app, 5);
    assert!(feet_m(&mut app).distance(stood) < 0.01, "the player stays");
    assert_eq!(
        change_level(app.world_mut(), &level(&rows)),
        Changed { kept: after.len(), ..Changed::default() }
    );
}

#[test]
fn a_wall_drawn_onto_the_player_puts_him_beside_it() {
    let mut app = game(&level(&HOUSE));
    let third_room = Vec3::new(7.6, 0.0, 1.2);
    put_player(&mut app, third_room);
    ticks(&mut app, 5);
    let mut rows = HOUSE;
    rows[1] = "#S...#..####";
    let level = level(&rows);
    assert!(!level.is_free(feet_m(&mut app)));
    assert!(change_level(app.world_mut(), &level).player_moved);
    ticks(&mut app, 20);
    let now = feet_m(&mut app);
    assert!(level.is_free(now), "{now}");
    assert!(now.xz().distance(third_room.xz()) < 1.5, "{now}");
}

#[test]
fn water_and_the_abyss_put_the_player_back_to_the_start() {
    let level = level(&HOUSE);
    let mut app = game(&level);
    let water = bodies(&mut app).into_iter().find(|(_, role, _)| *role == Role::Water).unwrap().2;
    for (place, restarts) in [(water.with_y(0.1), 1), (Vec3::new(3.0, -30.0, 3.0), 2)] {
        put_player(&mut app, place);
        ticks(&mut app, 10);
        assert!(feet_m(&mut app).distance(level.spawn_m) < 0.3, "from {place}");
        assert_eq!(app.world().resource::<Progress>().restarts, restarts);
    }
    assert!(!app.world().resource::<Progress>().at_goal);
    put_player(&mut app, level.goal_m.unwrap() + Vec3::new(-0.7, 0.05, 0.0));
    ticks(&mut app, 3);
    assert!(app.world().resource::<Progress>().at_goal);
}
