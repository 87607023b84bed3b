//! Plans written as text, built.

use bevy::math::{Vec2, Vec3, Vec3Swizzles};

use super::*;
use crate::level::space::stands_in;
use crate::level::{LevelBody, MAX_MOVABLE, Role};
use crate::sketch::{Cell, EntryKind, PlannedBody};

/// `#` wall, `.` floor, `~` water, `+` door, `^v<>` ramps by where they rise to, `o` crate, `S`, `G`.
pub fn plan_of(cell_m: f32, rows: &[&str]) -> Plan {
    let legend = Legend::default();
    let entry = |kind| legend.first(kind).unwrap();
    let crates = legend.entries.iter().position(|e| e.name == "crate").unwrap() as u8;
    let mut plan = Plan {
        cell_m,
        origin_m: Vec2::new(0.5, 1.0),
        width: rows[0].len(),
        height: rows.len(),
        ..Plan::default()
    };
    for (y, row) in rows.iter().enumerate() {
        for (x, mark) in row.chars().enumerate() {
            let ramp = |towards| (CellKind::Ramp { towards }, entry(EntryKind::Ramp));
            let (kind, entry) = match mark {
                '#' => (CellKind::Wall, entry(EntryKind::Wall)),
                '~' => (CellKind::Hazard, entry(EntryKind::Hazard)),
                '+' => (CellKind::Door, entry(EntryKind::Door)),
                '^' => ramp(Compass::North),
                'v' => ramp(Compass::South),
                '<' => ramp(Compass::West),
                '>' => ramp(Compass::East),
                ' ' => (CellKind::Outside, 0),
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
                    entry: crates,
                }),
                _ => {}
            }
        }
    }
    plan
}

fn built(plan: &Plan) -> Built {
    build(plan, &Legend::default(), &BuildOptions::default()).unwrap()
}

fn of_role(level: &Level, role: Role) -> Vec<&LevelBody> {
    level.bodies.iter().filter(|body| body.role == role).collect()
}

const HOUSE: [&str; 9] = [
    "############",
    "#S...#.....#",
    "#....#..o..#",
    "#....+.....#",
    "#....+...~~#",
    "#....#...~~#",
    "####.##.####",
    "   #.....G# ",
    "   ######## ",
];

#[test]
fn a_house_is_a_few_boxes_with_exact_corners() {
    let plan = plan_of(0.8, &HOUSE);
    let level = built(&plan).level;
    let walls = of_role(&level, Role::Wall);
    assert!(walls.len() <= 16, "{} walls", walls.len());
    // Every wall cell is covered up to the legend's height and nothing else is.
    for y in 0..plan.height as i32 {
        for x in 0..plan.width as i32 {
            let at = plan.centre_m(x, y);
            let point = Vec3::new(at.x, 1.3, at.y);
            let covered = walls.iter().filter(|wall| {
                let (low, high) = wall.bounds_m();
                point.cmpge(low).all() && point.cmple(high).all()
            });
            let expected = usize::from(plan.cell(x, y).kind == CellKind::Wall);
            assert_eq!(covered.count(), expected, "cell {x}, {y}");
        }
    }
    let (low, high) = walls
        .iter()
        .map(|wall| wall.bounds_m())
        .fold((Vec3::INFINITY, Vec3::NEG_INFINITY), |(low, high), (l, h)| {
            (low.min(l), high.max(h))
        });
    assert!((low - Vec3::new(0.5, 0.0, 1.0)).length() < 1e-4, "{low}");
    assert!((high - Vec3::new(10.1, 2.6, 8.2)).length() < 1e-4, "{high}");
    assert!(level.is_free(level.spawn_m));
    assert_eq!(level.check(), Ok(()));
}

#[test]
fn water_a_crate_a_door_and_the_beacon_are_there() {
    let level = built(&plan_of(0.8, &HOUSE)).level;
    let water = of_role(&level, Role::Water);
    assert_eq!(water.len(), 1);
    let middle = 0.5 * (water[0].bounds_m().0 + water[0].bounds_m().1);
    assert!(stands_in(water[0], middle) && !level.is_free(middle.with_y(0.05)));
    assert!(water[0].tint_srgb.is_some_and(|[r, _, b]| b > r), "blue");
    assert!(of_role(&level, Role::Crate).iter().all(|body| body.movable));
    assert_eq!(of_role(&level, Role::Crate).len(), 1);
    let beacon = of_role(&level, Role::Beacon)[0].world_from_body.translation_m;
    assert!(beacon.xz().distance(level.goal_m.unwrap().xz()) < 1e-4);
    // The lintel hangs above heads, between the walls.
    let lintel = of_role(&level, Role::Beam)
        .into_iter()
        .find(|beam| beam.bounds_m().0.y > 1.9)
        .expect("a lintel");
    assert!((lintel.bounds_m().1.y - 2.6).abs() < 1e-4);
}

#[test]
fn the_player_looks_along_the_way_to_the_goal() {
    let row = "#S.......G#";
    let level = built(&plan_of(0.8, &["###########", row, row, "###########"])).level;
    // East is a turn to the right by a quarter.
    assert!((level.spawn_yaw_rad + std::f32::consts::FRAC_PI_2).abs() < 0.4, "{level:?}");
}

#[test]
fn ramps_lead_over_from_both_sides() {
    for row in ["#S..>>>>..G#", "#S..<<<<..G#"] {
        let plan = plan_of(0.8, &["############", row, row, "############"]);
        let Built { level, warnings } = built(&plan);
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(of_role(&level, Role::Ramp).len(), 1, "{row}");
        let way = way_to_goal(&level).1.unwrap();
        let top = way.iter().map(|p| p.y).fold(0.0, f32::max);
        assert!(top > 0.6, "{row}: the way leads over the ramp, up to {top}");
    }
}

#[test]
fn a_ramp_up_to_a_wall_has_its_whole_height() {
    let rows = ["########", "#S.>>>>#", "#..>>>>#", "#..G...#", "########"];
    let level = built(&plan_of(0.8, &rows)).level;
    let high = of_role(&level, Role::Ramp)[0].bounds_m().1.y;
    assert!((0.95..1.05).contains(&high), "{high}");
}

#[test]
fn a_level_that_is_open_ends_at_a_hedge() {
    let level = built(&plan_of(0.8, &["######   ", "#S......G", "######   "])).level;
    let hedges = of_role(&level, Role::Foliage);
    assert!(!hedges.is_empty());
    let ground = Ground::new(&level);
    let reached = ground.reached_from(level.spawn_m.xz());
    let east = plan_of(0.8, &["."]).origin_m + Vec2::new(9.0 * 0.8 + 1.4, 1.2);
    assert!(!ground.is_within(&reached, east, 0.3), "nobody gets out");
}

#[test]
fn small_walls_alone_are_pillars() {
    let rows = [
        "##############",
        "#S...........#",
        "#............#",
        "#..##....#...#",
        "#..##...###..#",
        "#........#...#",
        "#............#",
        "#...........G#",
        "##############",
    ];
    let level = built(&plan_of(0.35, &rows)).level;
    assert_eq!(of_role(&level, Role::Pillar).len(), 1, "the cross is round");
    let square = of_role(&level, Role::Block).into_iter().filter(|b| b.bounds_m().1.y > 2.0);
    assert_eq!(square.count(), 1, "the square has corners");
}

#[test]
fn a_way_that_is_too_narrow_is_refused_with_its_place() {
    let rows = ["#########", "#S..#...#", "#.......#", "#...#..G#", "#########"];
    let error =
        build(&plan_of(0.5, &rows), &Legend::default(), &BuildOptions::default()).unwrap_err();
    let at = error.at_m().unwrap();
    assert!(at.distance(Vec2::new(0.5 + 4.5 * 0.5, 1.0 + 2.5 * 0.5)) < 0.8, "{error}");
    assert!(error.to_string().contains("too narrow"));
    let nobody = plan_of(0.5, &["###", "#.#", "###"]);
    let error = build(&nobody, &Legend::default(), &BuildOptions::default()).unwrap_err();
    assert_eq!(error, BuildError::NoSpawn);
}

#[test]
fn too_many_bodies_are_left_out_and_a_start_in_a_corner_is_moved() {
    let row = format!("#{}#", "o".repeat(40));
    let mut rows = vec!["#".repeat(42)];
    rows.extend((0..10).map(|_| row.clone()));
    rows.push("#".repeat(42));
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let mut plan = plan_of(0.8, &rows);
    plan.spawn_m = Some(plan.centre_m(1, 1) - 0.25);
    let Built { level, warnings } = built(&plan);
    assert_eq!(level.bodies.iter().filter(|body| body.movable).count(), MAX_MOVABLE);
    let kinds: Vec<WarningKind> = warnings.iter().map(|warning| warning.kind).collect();
    assert_eq!(kinds, [WarningKind::LeftOut, WarningKind::Spawn]);
    assert!(level.is_free(level.spawn_m));
}

#[test]
fn a_maze_of_256_cells_a_side_is_built_and_can_be_walked() {
    // Walls on every fourth column with a gap at alternate ends.
    let rows: Vec<String> = (0..256)
        .map(|y| {
            let cell = |x: usize| match (x, y) {
                (2, 2) => 'S',
                (253, 253) => 'G',
                (0 | 255, _) | (_, 0 | 255) => '#',
                _ if x % 5 == 0 && !(if x % 10 == 0 { 1..5 } else { 251..255 }).contains(&y) => '#',
                _ => '.',
            };
            (0..256).map(cell).collect()
        })
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let level = built(&plan_of(0.25, &rows)).level;
    assert!(level.bodies.len() < 110, "{} bodies", level.bodies.len());
    let way = way_to_goal(&level).1.unwrap();
    assert!(way.len() > 10_000, "{} steps", way.len());
}
