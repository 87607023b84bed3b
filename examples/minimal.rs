//! A game of boxes, a floor and a camera, and the lines that make it neural (marked `+`).
//!
//! `cargo run --example minimal`; WASD and mouse to move, E kicks the boxes. F2 ordinary picture, F3 HUD, F4 side by side.

use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use bevy_reverie::prelude::*; // +

fn main() {
    App::new()
        .add_plugins((DefaultPlugins, RapierPhysicsPlugin::<()>::default()))
        .add_plugins(ReveriePlugins) // +
        .add_systems(Startup, spawn)
        .add_systems(FixedUpdate, (walk, kick))
        .run();
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
    let grey = Color::srgb(0.5, 0.5, 0.5);
    commands
        .spawn(solid(Vec3::new(12.0, 0.5, 12.0), Vec3::new(0.0, -0.5, 0.0), grey))
        .insert(NeuralMaterial::GRASS); // +
    for (x, z, half) in
        [(0.0, -8.0, Vec3::new(8.0, 1.5, 0.2)), (-8.0, 0.0, Vec3::new(0.2, 1.5, 8.0))]
    {
        commands.spawn(solid(half, Vec3::new(x, 1.5, z), grey)).insert(NeuralMaterial::BRICK); // +
    }
    for i in 0..12 {
        let (row, column) = (i / 4, i % 4);
        let at = Vec3::new(column as f32 * 1.1 - 1.6, 0.5 + row as f32 * 1.01, -3.0);
        commands
            .spawn((
                RigidBody::Dynamic,
                ExternalImpulse::default(),
                solid(Vec3::splat(0.5), at, grey),
            ))
            .insert(NeuralMaterial::CRATE.with_tint(Color::hsl(
                25.0 + 12.0 * i as f32,
                0.45,
                0.45,
            ))); // +
    }
    commands.spawn((
        DirectionalLight { shadow_maps_enabled: true, ..default() },
        Transform::from_xyz(4.0, 8.0, 5.0).looking_at(Vec3::ZERO, Vec3::Y),
    ));
    commands.spawn((
        Camera3d::default(),
        Transform::from_xyz(1.0, 1.6, 4.0),
        NeuralCamera::new("models/courtyard.world.ron"), // +
    ));
}

/// A ghost's walk, at the height of the eyes.
fn walk(
    action: Res<PlayerAction>,
    time: Res<Time>,
    mut camera: Single<&mut Transform, With<Camera3d>>,
) {
    let (yaw, pitch, _) = camera.rotation.to_euler(EulerRot::YXZ);
    let pitch = (pitch + action.look.y).clamp(-1.4, 1.4);
    camera.rotation = Quat::from_euler(EulerRot::YXZ, yaw - action.look.x, pitch, 0.0);
    let level = Quat::from_rotation_y(yaw);
    let step = 3.5 * time.delta_secs();
    camera.translation += level * Vec3::new(action.walk.x, 0.0, -action.walk.y) * step;
}

/// Boxes within three metres fly away from the camera.
fn kick(
    action: Res<PlayerAction>,
    camera: Single<&Transform, With<Camera3d>>,
    mut boxes: Query<(&Transform, &mut ExternalImpulse)>,
) {
    if !action.push {
        return;
    }
    for (transform, mut push) in &mut boxes {
        let away = transform.translation - camera.translation;
        if away.length() < 3.0 {
            push.impulse = 0.4 * away.normalize_or_zero();
        }
    }
}
