//! Records a game of your own as episodes for `reverie train`: one plugin, one component on the camera.
//!
//! `cargo run --example record_your_game -- OUT` opens a window and records while you play (WASD and mouse).
//! `cargo run --example record_your_game -- OUT --headless 4` writes four episodes without a window, as fast as the
//! machine can, while a small bot walks.

use std::path::PathBuf;

use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use bevy_reverie::prelude::*;
use bevy_reverie::recorder::{EpisodeDone, RecordCamera, RecorderPlugin, headless};

/// Episodes to write before the program ends; `None` in a window, where the player ends it.
#[derive(Resource)]
struct Wanted(Option<u32>);

fn main() -> AppExit {
    let mut args = std::env::args().skip(1);
    let out = args.next().map_or_else(|| PathBuf::from("data/my_game"), PathBuf::from);
    let episodes = args
        .next()
        .filter(|flag| flag == "--headless")
        .map(|_| args.next().and_then(|count| count.parse().ok()).unwrap_or(1));
    let mut app = App::new();
    match episodes {
        Some(_) => app
            .add_plugins(headless())
            .add_plugins(bevy::app::ScheduleRunnerPlugin::run_loop(std::time::Duration::ZERO))
            .insert_resource(ActionSource::Game)
            .add_systems(FixedFirst, bot),
        None => app.add_plugins(DefaultPlugins),
    };
    app.add_plugins(RapierPhysicsPlugin::<()>::default().in_fixed_schedule())
        .insert_resource(TimestepMode::Fixed { dt: 1.0 / 60.0, substeps: 1 })
        .insert_resource(Time::<Fixed>::from_hz(60.0))
        .add_plugins(bevy_reverie::action::ActionPlugin)
        .add_plugins(RecorderPlugin { out, frames: 60, lockstep: episodes.is_some(), ..default() })
        .insert_resource(Wanted(episodes))
        .add_systems(Startup, spawn)
        .add_systems(FixedUpdate, walk)
        .add_systems(Update, report)
        .run()
}

fn spawn(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let mut solid = |half: Vec3, at: Vec3, color: Color| {
        (
            Collider::cuboid(half.x, half.y, half.z),
            Mesh3d(meshes.add(Cuboid::from_size(2.0 * half))),
            MeshMaterial3d(materials.add(color)),
            Transform::from_translation(at),
        )
    };
    let floor =
        solid(Vec3::new(12.0, 0.5, 12.0), Vec3::new(0.0, -0.5, 0.0), Color::srgb(0.3, 0.5, 0.25));
    commands.spawn((floor, NeuralMaterial::GRASS));
    for i in 0..8 {
        let color = Color::hsl(40.0 * i as f32, 0.6, 0.5);
        let at = Vec3::new(i as f32 * 1.5 - 5.0, 0.5, -4.0 - (i % 3) as f32);
        let tinted = NeuralMaterial::CRATE.with_tint(color);
        commands.spawn((RigidBody::Dynamic, tinted, solid(Vec3::splat(0.5), at, color)));
    }
    commands.spawn((
        DirectionalLight { shadow_maps_enabled: true, ..default() },
        Transform::from_xyz(4.0, 8.0, 5.0).looking_at(Vec3::ZERO, Vec3::Y),
    ));
    commands.spawn((
        Camera3d::default(),
        RecordCamera::default(),
        Transform::from_xyz(0.0, 1.6, 5.0),
    ));
}

/// Walks about and looks left and right.
fn bot(time: Res<Time<Fixed>>, mut action: ResMut<PlayerAction>) {
    let t = time.elapsed_secs();
    *action = PlayerAction {
        walk: 0.6 * Vec2::new((0.7 * t).sin(), (0.4 * t).cos()),
        look: Vec2::new(0.012 * (0.5 * t).cos(), 0.0),
        ..default()
    };
}

fn walk(
    action: Res<PlayerAction>,
    time: Res<Time>,
    mut camera: Single<&mut Transform, With<RecordCamera>>,
) {
    let (yaw, pitch, _) = camera.rotation.to_euler(EulerRot::YXZ);
    let pitch = (pitch + action.look.y).clamp(-1.4, 1.4);
    camera.rotation = Quat::from_euler(EulerRot::YXZ, yaw - action.look.x, pitch, 0.0);
    let step = 3.0 * time.delta_secs();
    camera.translation +=
        Quat::from_rotation_y(yaw) * Vec3::new(action.walk.x, 0.0, -action.walk.y) * step;
}

/// Says what was written, and ends a headless run when it has enough.
fn report(
    mut done: MessageReader<EpisodeDone>,
    mut wanted: ResMut<Wanted>,
    mut exit: MessageWriter<AppExit>,
) {
    for episode in done.read() {
        match &episode.result {
            Ok(folder) => println!("{}", folder.display()),
            Err(error) => {
                eprintln!("{}: {error}", episode.name);
                exit.write(AppExit::error());
            }
        }
        if let Some(left) = &mut wanted.0 {
            *left = left.saturating_sub(1);
            if *left == 0 {
                exit.write(AppExit::Success);
            }
        }
    }
}
