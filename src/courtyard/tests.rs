//! The game without a renderer.

use std::time::Duration;

use bevy::time::TimeUpdateStrategy;
use bevy::transform::TransformPlugin;

use super::*;

fn game(seed: u64) -> App {
    let mut app = App::new();
    app.add_plugins((
        MinimalPlugins,
        TransformPlugin,
        CourtyardPlugin { seed, bot: true, draw: false, ..default() },
    ))
    .insert_resource(TimeUpdateStrategy::ManualDuration(Duration::from_secs_f64(1.0 / 60.0)));
    app.finish();
    app.cleanup();
    app.update();
    app
}

fn play(app: &mut App, ticks: u64) -> PhysicsHash {
    while app.world().resource::<PhysicsHash>().ticks < ticks {
        app.update();
    }
    *app.world().resource::<PhysicsHash>()
}

#[test]
fn a_replay_gives_the_same_physics() {
    let first = play(&mut game(11), 400);
    assert_eq!(first, play(&mut game(11), 400));
    assert_ne!(first.value, play(&mut game(12), 400).value);
}

#[test]
fn a_layout_plays_the_same_whatever_was_played_before() {
    let fresh = play(&mut game(21), 240);
    let mut app = game(20);
    play(&mut app, 150);
    app.world_mut().write_message(NewCourtyard { seed: 21 });
    app.update();
    assert_eq!(fresh, play(&mut app, 240));
}

#[test]
fn the_bot_gets_about_and_stays_inside() {
    for seed in 30..34 {
        let mut app = game(seed);
        let (mut travelled, mut last) = (0.0, None);
        for tick in 1..=20 {
            play(&mut app, tick * 30);
            let at = app
                .world_mut()
                .query_filtered::<&Transform, With<Player>>()
                .single(app.world())
                .unwrap();
            let at = at.translation;
            assert!(
                at.x.abs() < 12.0 && at.z.abs() < 12.0 && (0.5..5.0).contains(&at.y),
                "{seed}: {at}"
            );
            travelled += last.map_or(0.0, |l: Vec3| l.distance(at));
            last = Some(at);
        }
        assert!(travelled > 1.5, "{seed}: {travelled} m in 10 s");
    }
}

#[test]
fn bodies_come_to_rest_on_the_ground() {
    for seed in 40..44 {
        let mut app = game(seed);
        app.world_mut().remove_resource::<bots::Bot>();
        play(&mut app, 240);
        let mut bodies = app.world_mut().query::<(&CourtyardBody, &Transform, &Velocity)>();
        for (body, at, velocity) in bodies.iter(app.world()).filter(|(b, ..)| b.movable) {
            assert!(
                at.translation.y > 0.1 && velocity.linear.length() < 1.0,
                "{seed}: {body:?} {at:?}"
            );
        }
    }
}
