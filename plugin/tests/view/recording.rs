//! A recorded picture shows the state that is recorded with it.

use std::path::PathBuf;

use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use bevy_reverie::action::PlayerAction;
use bevy_reverie::recorder::{
    EpisodeDone, EpisodeStart, RecordCamera, Recorder, RecorderPlugin, RecorderStart, headless,
    prepare_to_step,
};
use bevy_reverie::shadow::ShadowClock;
use reverie_runtime::data::Episode;

const SIZE: UVec2 = UVec2::new(100, 50);

#[derive(Component)]
struct Mover;

/// A white box jumps to another place in every frame, before black.
fn game(out: PathBuf) -> App {
    let mut app = App::new();
    app.add_plugins(headless().disable::<LogPlugin>())
        .add_plugins(RapierPhysicsPlugin::<()>::default().in_fixed_schedule())
        .insert_resource(TimestepMode::Fixed { dt: 1.0 / 60.0, substeps: 1 })
        .insert_resource(Time::<Fixed>::from_hz(60.0))
        .insert_resource(ClearColor(Color::BLACK))
        .add_plugins(RecorderPlugin {
            out,
            size: SIZE,
            start: RecorderStart::ByHand,
            lockstep: true,
            ..default()
        })
        .add_systems(Startup, spawn)
        .add_systems(FixedPreUpdate, (act, jump));
    prepare_to_step(&mut app);
    app
}

fn spawn(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let white = StandardMaterial { base_color: Color::WHITE, unlit: true, ..default() };
    commands.spawn((
        Mover,
        RigidBody::KinematicPositionBased,
        Collider::cuboid(0.3, 0.3, 0.3),
        Mesh3d(meshes.add(Cuboid::from_length(0.6))),
        MeshMaterial3d(materials.add(white)),
        Transform::default(),
    ));
    commands.spawn((
        Camera3d::default(),
        Msaa::Off,
        RecordCamera::default(),
        Transform::from_xyz(0.0, 0.0, 8.0),
    ));
}

fn act(clock: Res<ShadowClock>, mut action: ResMut<PlayerAction>) {
    action.look.x = 0.001 * (clock.tick + 1) as f32;
}

fn jump(clock: Res<ShadowClock>, mut mover: Query<&mut Transform, With<Mover>>) {
    for mut transform in &mut mover {
        transform.translation.x = ((clock.tick / 6 * 7) % 11) as f32 * 0.5 - 2.5;
    }
}

fn until_ready(app: &mut App) {
    for _ in 0..200 {
        if app.world().resource::<Recorder>().is_ready() {
            return;
        }
        app.update();
    }
    panic!("the renderer delivers no pictures");
}

fn start(name: &str) -> EpisodeStart {
    EpisodeStart { name: name.to_owned(), seed: 1, layout_seed: 2, generator: "test".to_owned() }
}

/// Mean column and row of all bright pixels.
fn centroid(rgb: &[u8]) -> Option<Vec2> {
    let mut sum = Vec2::ZERO;
    let mut count = 0.0;
    for (index, pixel) in rgb.chunks_exact(3).enumerate() {
        if pixel[0] > 128 {
            sum += Vec2::new(
                (index as u32 % SIZE.x) as f32 + 0.5,
                (index as u32 / SIZE.x) as f32 + 0.5,
            );
            count += 1.0;
        }
    }
    (count > 0.0).then(|| sum / count)
}

#[test]
fn pictures_and_states_belong_together() {
    let out = tempfile::tempdir().unwrap();
    let mut app = game(out.path().to_owned());
    until_ready(&mut app);
    let mut done = Vec::new();
    for name in ["a", "b"] {
        app.world_mut().resource_mut::<Recorder>().begin(start(name)).unwrap();
        for _ in 0..12 {
            app.update();
            done.extend(app.world_mut().resource_mut::<Messages<EpisodeDone>>().drain());
        }
        assert_eq!(app.world().resource::<Recorder>().frames(), 12);
        app.world_mut().resource_mut::<Recorder>().end(Some(77));
    }
    for _ in 0..20 {
        app.update();
        done.extend(app.world_mut().resource_mut::<Messages<EpisodeDone>>().drain());
    }
    let folders: Vec<PathBuf> = done.into_iter().map(|done| done.result.unwrap()).collect();
    assert_eq!(folders, [out.path().join("a"), out.path().join("b")]);
    let mut places = std::collections::HashSet::new();
    for folder in folders {
        let episode = Episode::open(&folder).unwrap();
        assert_eq!(episode.len(), 12);
        let mut last_tick = None;
        for frame in 0..episode.len() {
            let snapshot = episode.snapshot(frame);
            assert_eq!(snapshot.bodies.len(), 1);
            let body = snapshot.bodies[0].world_from_body.translation_m;
            let camera = snapshot.camera;
            let eye = camera.world_from_camera.inverse().transform_point(body);
            let scale = 0.5 * SIZE.y as f32 / (0.5 * camera.vertical_fov_rad).tan();
            // The front face is what is seen.
            let expected = 0.5 * SIZE.as_vec2() + Vec2::new(eye.x, -eye.y) * scale / (-eye.z - 0.3);
            let seen =
                centroid(&episode.frame_rgb(frame).unwrap()).expect("the box is in the picture");
            assert!(
                (seen - expected).length() < 1.6,
                "frame {frame}: seen at {seen}, stands at {expected}"
            );
            places.insert((body.x * 2.0).round() as i32);
            if let Some(last) = last_tick {
                assert_eq!(snapshot.tick, last + 6u64);
            }
            last_tick = Some(snapshot.tick);
            let looked: f32 =
                (snapshot.tick - 5..=snapshot.tick).map(|tick| 0.001 * tick as f32).sum();
            assert!((episode.action(frame)[2] - looked).abs() < 1e-4, "frame {frame}");
        }
    }
    assert!(places.len() >= 10, "the test needs motion to prove anything: {places:?}");
}

#[test]
fn discarded_and_empty_episodes_leave_nothing_behind() {
    let out = tempfile::tempdir().unwrap();
    let mut app = game(out.path().to_owned());
    until_ready(&mut app);
    app.world_mut().resource_mut::<Recorder>().begin(start("gone")).unwrap();
    app.update();
    app.world_mut().resource_mut::<Recorder>().discard();
    app.world_mut().resource_mut::<Recorder>().begin(start("empty")).unwrap();
    app.world_mut().resource_mut::<Recorder>().end(None);
    let mut failed = 0;
    for _ in 0..5 {
        app.update();
        failed += app
            .world_mut()
            .resource_mut::<Messages<EpisodeDone>>()
            .drain()
            .filter(|d| d.result.is_err())
            .count();
    }
    assert_eq!(failed, 2);
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}
