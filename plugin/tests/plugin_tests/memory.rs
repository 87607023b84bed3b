//! Memory of surfaces, as a game sees it: forgotten, saved and loaded by messages.

use std::time::{Duration, Instant};

use bevy::prelude::*;
use bevy::transform::TransformPlugin;
use bevy_rapier3d::prelude::*;
use bevy_reverie::prelude::*;
use reverie_runtime::style::StyleWeights;
use reverie_runtime::view::ShadowView;

use crate::fake::fake;

/// A crate with a lid as a child, seen by a camera whose memory has seen it grey.
fn game() -> (App, Entity, NeuralMemory, ShadowView) {
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, TransformPlugin, AssetPlugin::default()))
        .add_plugins(RapierPhysicsPlugin::<()>::default().in_fixed_schedule())
        .add_plugins(ReveriePlugins);
    let (model, log) = fake([1, 2, 3, 255]);
    let world = app.world_mut();
    world.spawn((
        NeuralCamera { model, pace: NeuralPace::Lockstep, ..default() },
        Transform::from_xyz(0.0, 1.0, 5.0),
    ));
    let body = world
        .spawn((
            RigidBody::Fixed,
            Collider::cuboid(1.0, 1.0, 1.0),
            Transform::default(),
            children![(Collider::cuboid(1.2, 0.1, 1.2), Transform::from_xyz(0.0, 1.1, 0.0))],
        ))
        .id();
    app.finish();
    app.cleanup();
    for _ in 0..3 {
        app.update();
    }
    let world = app.world_mut();
    let memory = world.query::<&NeuralMemory>().single(world).unwrap().clone();
    let snapshot = log.lock().unwrap().last().unwrap().snapshot.clone();
    assert_eq!(snapshot.bodies.len(), 2);
    let view = ShadowView::new(&snapshot, &StyleWeights::NOON, 64, 36, true);
    let mut surfaces = memory.lock();
    surfaces.announce(&view, &StyleWeights::NOON);
    surfaces.write(&view, &vec![0.5; 3 * 64 * 36], |_| 1.0);
    assert!(surfaces.stats().texels > 0);
    drop(surfaces);
    (app, body, memory, view)
}

fn outcome(app: &mut App) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        app.update();
        let done = app.world_mut().resource_mut::<Messages<MemoryFileDone>>().drain().next();
        if let Some(done) = done {
            return done.result.map_err(|e| e.to_string());
        }
    }
    panic!("nothing was told");
}

#[test]
fn a_forgotten_entity_takes_its_children_along() {
    let (mut app, body, memory, _) = game();
    app.world_mut().write_message(ForgetSurface { entity: body });
    app.update();
    assert_eq!(memory.lock().stats().texels, 0);
}

#[test]
fn a_level_is_saved_and_loaded_in_the_background() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("garden.memory");
    let (mut app, _, memory, view) = game();
    let before = memory.lock().stats().texels;
    app.world_mut().write_message(SaveMemory { path: path.clone() });
    assert_eq!(outcome(&mut app), Ok(()));
    memory.clear();
    app.world_mut().write_message(LoadMemory { path: path.clone() });
    assert_eq!(outcome(&mut app), Ok(()));
    memory.lock().announce(&view, &StyleWeights::NOON);
    assert_eq!(memory.lock().stats().texels, before);
    std::fs::write(&path, b"something else").unwrap();
    app.world_mut().write_message(LoadMemory { path });
    let line = outcome(&mut app).unwrap_err();
    assert!(line.contains("garden.memory") && line.contains("not a memory"), "{line}");
    assert_eq!(memory.lock().stats().texels, before);
}
