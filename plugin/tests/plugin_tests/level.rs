//! Levels as entities of any game: one component, and the least change from save to save.

use std::path::Path;
use std::time::{Duration, Instant};

use bevy::prelude::*;
use bevy::time::TimeUpdateStrategy;
use bevy::transform::TransformPlugin;
use bevy_rapier3d::prelude::*;
use bevy_reverie::level::{LevelBody, LevelChanged, LevelNotice, LevelPart, Role};
use bevy_reverie::prelude::*;

fn game() -> App {
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, TransformPlugin, AssetPlugin::default()))
        .init_asset::<Mesh>()
        .add_plugins(RapierPhysicsPlugin::<()>::default().in_fixed_schedule())
        .insert_resource(TimestepMode::Fixed { dt: 1.0 / 60.0, substeps: 1 })
        .insert_resource(Time::<Fixed>::from_hz(60.0))
        .insert_resource(TimeUpdateStrategy::FixedTimesteps(1))
        .add_plugins(LevelPlugin);
    app.finish();
    app.cleanup();
    app
}

/// A floor, a crate above it, and a wall at `wall_x`.
fn level(wall_x: f32) -> Level {
    let ground = Vec3::new(20.0, 1.0, 20.0);
    let wall = Vec3::new(0.3, 2.0, 6.0);
    Level {
        bodies: vec![
            LevelBody::fixed_box(Role::Ground, NeuralMaterial::GRASS, Vec3::Y * -0.5, ground),
            LevelBody {
                movable: true,
                ..LevelBody::fixed_box(
                    Role::Crate,
                    NeuralMaterial::CRATE,
                    Vec3::Y * 1.5,
                    Vec3::splat(0.8),
                )
            },
            LevelBody::fixed_box(
                Role::Wall,
                NeuralMaterial::BRICK,
                Vec3::new(wall_x, 1.0, 0.0),
                wall,
            ),
        ],
        ..Level::default()
    }
}

fn parts(app: &mut App) -> Vec<(Entity, Role, Vec3)> {
    let world = app.world_mut();
    let mut query = world.query::<(Entity, &LevelPart, &GlobalTransform)>();
    query.iter(world).map(|(e, part, at)| (e, part.role, at.translation())).collect()
}

fn find(parts: &[(Entity, Role, Vec3)], role: Role) -> (Entity, Vec3) {
    let part = parts.iter().find(|(_, r, _)| *r == role).unwrap();
    (part.0, part.2)
}

#[test]
fn one_component_is_a_level_and_another_level_changes_only_the_difference() {
    let mut app = game();
    let root = app.world_mut().spawn(LevelRoot::new(level(3.0))).id();
    for _ in 0..90 {
        app.update();
    }
    let before = parts(&mut app);
    assert_eq!(before.len(), 3);
    let (crate_box, rests) = find(&before, Role::Crate);
    assert!((rests.y - 0.4).abs() < 0.02, "the crate fell on the floor: {rests}");
    let material = app.world().get::<NeuralMaterial>(crate_box).copied();
    assert_eq!(material, Some(NeuralMaterial::CRATE));

    app.world_mut().entity_mut(root).insert(LevelRoot::new(level(4.0)));
    app.update();
    let told: Vec<LevelChanged> =
        app.world_mut().resource_mut::<Messages<LevelChanged>>().drain().collect();
    let expected = LevelChanged { root, kept: 2, spawned: 1, despawned: 1 };
    assert!(told.contains(&expected), "{told:?}");
    for _ in 0..10 {
        app.update();
    }
    let after = parts(&mut app);
    assert_eq!(find(&after, Role::Crate).0, crate_box);
    assert!(find(&after, Role::Crate).1.distance(rests) < 1e-3, "it stays where it fell");
    assert_eq!(find(&after, Role::Wall).1.x, 4.0);
    assert_ne!(find(&after, Role::Wall).0, find(&before, Role::Wall).0);

    app.world_mut().entity_mut(root).despawn();
    assert!(parts(&mut app).is_empty());
}

/// Updates the app until something holds.
fn until(app: &mut App, what: &str, holds: impl Fn(&mut App) -> bool) {
    let begun = Instant::now();
    while !holds(app) {
        assert!(begun.elapsed() < Duration::from_secs(20), "no {what}");
        std::thread::sleep(Duration::from_millis(5));
        app.update();
    }
}

#[test]
fn a_file_is_followed_and_a_bad_save_leaves_the_level() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("yard.level.ron");
    level(3.0).save(&path).unwrap();
    let mut app = game();
    let root = app.world_mut().spawn(LevelFile::new(&path)).id();
    let wall_at = |x: f32| {
        move |app: &mut App| {
            let parts = parts(app);
            parts.iter().any(|(_, role, at)| *role == Role::Wall && (at.x - x).abs() < 1e-5)
        }
    };
    until(&mut app, "first level", wall_at(3.0));
    let crate_box = find(&parts(&mut app), Role::Crate).0;

    // As editors do: emptied, half written, whole.
    let text = level(5.0).to_text(Path::new("yard")).unwrap();
    std::fs::write(&path, "").unwrap();
    std::fs::write(&path, &text[..200]).unwrap();
    std::thread::sleep(Duration::from_millis(60));
    std::fs::write(&path, &text).unwrap();
    until(&mut app, "second level", wall_at(5.0));
    assert_eq!(find(&parts(&mut app), Role::Crate).0, crate_box);
    assert!(app.world().get::<LevelNotice>(root).is_none(), "no complaint of half a file");

    std::fs::write(&path, &text[..200]).unwrap();
    until(&mut app, "notice", |app| app.world().get::<LevelNotice>(root).is_some());
    assert!(app.world().get::<LevelNotice>(root).unwrap().0.contains("yard.level.ron"));
    assert!(wall_at(5.0)(&mut app), "the level before stays");
    std::fs::write(&path, &text).unwrap();
    until(&mut app, "end of the notice", |app| app.world().get::<LevelNotice>(root).is_none());
}
