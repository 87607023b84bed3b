//! Requests to the model: state, action, reset.

use std::time::Duration;

use bevy::prelude::*;
use bevy::time::TimeUpdateStrategy;
use bevy::transform::TransformPlugin;
use bevy_rapier3d::prelude::*;
use bevy_reverie::action::{ActionScript, ScriptStep};
use bevy_reverie::prelude::*;
use reverie_runtime::dream::DreamState;

use crate::fake::{Log, fake, fake_that};

/// No renderer: 60 Hz physics, two ticks a frame, each frame waits for its picture.
fn game(script: ActionScript) -> (App, Entity, Log) {
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, TransformPlugin, AssetPlugin::default()))
        .add_plugins(RapierPhysicsPlugin::<()>::default().in_fixed_schedule())
        .insert_resource(TimestepMode::Fixed { dt: 1.0 / 60.0, substeps: 1 })
        .insert_resource(Time::<Fixed>::from_hz(60.0))
        .insert_resource(TimeUpdateStrategy::FixedTimesteps(2))
        .add_plugins(ReveriePlugins)
        .insert_resource(ActionSource::Script(script));
    let (model, log) = fake([1, 2, 3, 255]);
    let camera = app
        .world_mut()
        .spawn((
            NeuralCamera { model, pace: NeuralPace::Lockstep, ..default() },
            Transform::from_xyz(0.0, 1.0, 5.0),
        ))
        .id();
    app.finish();
    app.cleanup();
    (app, camera, log)
}

fn walk_ahead() -> ActionScript {
    let action = PlayerAction { walk: Vec2::Y, look: Vec2::new(0.01, 0.0), ..default() };
    ActionScript { steps: vec![ScriptStep { from_tick: 0, to_tick: 1000, action }] }
}

#[test]
fn every_request_tells_the_state_and_all_of_the_action() {
    let (mut app, camera, log) = game(walk_ahead());
    for _ in 0..20 {
        app.update();
    }
    let log = log.lock().unwrap();
    assert!(log.len() >= 15, "{} requests", log.len());
    for pair in log.windows(2) {
        let ticks = pair[1].snapshot.tick - pair[0].snapshot.tick;
        assert!(pair[1].id > pair[0].id);
        assert_eq!(pair[1].action[1], 1.0, "walking is a mean");
        let looked = 0.01 * ticks as f32;
        assert!(
            (pair[1].action[2] - looked).abs() < 1e-5,
            "{} over {ticks} ticks",
            pair[1].action[2]
        );
    }
    let status = app.world().get::<Dream>(camera).unwrap().status();
    assert_eq!((status.model.as_str(), &status.state), ("fake", &DreamState::Dreaming));
}

#[test]
fn a_cut_resets_once() {
    let (mut app, camera, log) = game(ActionScript::default());
    for _ in 0..5 {
        app.update();
    }
    log.lock().unwrap().clear();
    app.world_mut().write_message(CameraCut { camera });
    for _ in 0..5 {
        app.update();
    }
    let resets: Vec<bool> = log.lock().unwrap().iter().map(|request| request.reset).collect();
    assert_eq!(resets.iter().filter(|reset| **reset).count(), 1, "{resets:?}");
    assert!(resets[0], "{resets:?}");
    assert!(!app.world().get::<NeuralCamera>(camera).unwrap().reset);
}

#[test]
fn a_key_switches_between_shadow_and_dream_without_a_cut() {
    for can_dream in [true, false] {
        let (mut app, camera, _) = game(ActionScript::default());
        let (model, log) = fake_that([1, 2, 3, 255], can_dream);
        app.world_mut().get_mut::<NeuralCamera>(camera).unwrap().model = model;
        app.init_resource::<ButtonInput<KeyCode>>();
        app.update();
        for wanted in [NeuralMode::Dream, NeuralMode::Anchored] {
            app.world_mut().resource_mut::<ButtonInput<KeyCode>>().press(KeyCode::F5);
            app.update();
            let mut keys = app.world_mut().resource_mut::<ButtonInput<KeyCode>>();
            keys.release(KeyCode::F5);
            keys.clear();
            for _ in 0..5 {
                app.update();
            }
            let asked = log.lock().unwrap().last().cloned().unwrap();
            assert_eq!((asked.mode, asked.reset), (wanted, false));
            let picture = app.world().get::<NeuralPicture>(camera).unwrap();
            let made = picture.frame.as_ref().unwrap().mode;
            assert_eq!(made, if can_dream { wanted } else { NeuralMode::Anchored });
            assert_eq!(picture.epoch, 0, "no cut");
        }
        let status = app.world().get::<Dream>(camera).unwrap().status();
        assert_eq!(status.can_dream, can_dream);
    }
}

#[test]
fn a_disabled_camera_asks_for_nothing() {
    let (mut app, camera, log) = game(ActionScript::default());
    app.update();
    app.world_mut().get_mut::<NeuralCamera>(camera).unwrap().enabled = false;
    app.update();
    let asked = log.lock().unwrap().len();
    for _ in 0..5 {
        app.update();
    }
    assert_eq!(log.lock().unwrap().len(), asked);
}

#[test]
fn another_model_takes_over() {
    let (mut app, camera, _) = game(ActionScript::default());
    app.update();
    let (model, log) = fake([9, 9, 9, 255]);
    app.world_mut().get_mut::<NeuralCamera>(camera).unwrap().model = model;
    for _ in 0..50 {
        app.update();
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(!log.lock().unwrap().is_empty());
    let picture = app.world().get::<NeuralPicture>(camera).unwrap().frame.clone().unwrap();
    assert_eq!(picture.rgba[..4], [9, 9, 9, 255]);
}

#[test]
fn an_orthographic_camera_is_no_reason_to_panic() {
    let (mut app, camera, log) = game(ActionScript::default());
    app.world_mut()
        .entity_mut(camera)
        .insert(Projection::Orthographic(OrthographicProjection::default_3d()));
    for _ in 0..5 {
        app.update();
    }
    assert!(log.lock().unwrap().is_empty());
}
