//! Draw a level, walk in it: a picture of a plan as the level of a game of your own.
//!
//! `cargo run --example sketch_level -- assets/sketches/cottage.png`; WASD and mouse. Change the picture in a paint
//! program and save it: the walls move while you stand among them. A `.level.ron` works as well.

use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use bevy_reverie::level::{LevelChanged, LevelNotice};
use bevy_reverie::prelude::*;

const EYE_M: Vec3 = Vec3::new(0.0, 0.75, 0.0);

/// The player's body; the camera is its child.
#[derive(Component, Default)]
struct Walker {
    pitch_rad: f32,
    fall_m_s: f32,
    placed: bool,
}

/// Says why a save cannot be played.
#[derive(Component)]
struct Line;

fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| "assets/sketches/cottage.png".to_owned());
    App::new()
        .add_plugins(DefaultPlugins)
        .add_plugins(RapierPhysicsPlugin::<()>::default().in_fixed_schedule())
        .add_plugins((ReveriePlugins, LevelPlugin))
        .insert_resource(TimestepMode::Fixed { dt: 1.0 / 60.0, substeps: 1 })
        .insert_resource(Time::<Fixed>::from_hz(60.0))
        .add_systems(Startup, move |mut commands: Commands| {
            // This one entity is the level, now and after every save of the file.
            commands.spawn(LevelFile::new(path.clone()));
        })
        .add_systems(Startup, spawn)
        .add_systems(FixedUpdate, walk.before(PhysicsSet::SyncBackend))
        .add_systems(Update, (enter, explain))
        .run();
}

fn spawn(mut commands: Commands) {
    commands.spawn((
        DirectionalLight { shadow_maps_enabled: true, ..default() },
        Transform::from_xyz(4.0, 8.0, 5.0).looking_at(Vec3::ZERO, Vec3::Y),
    ));
    commands.spawn((
        Walker::default(),
        RigidBody::KinematicPositionBased,
        Collider::capsule_y(0.55, 0.3),
        KinematicCharacterController {
            autostep: Some(CharacterAutostep {
                max_height: CharacterLength::Absolute(0.27),
                min_width: CharacterLength::Absolute(0.15),
                include_dynamic_bodies: false,
            }),
            snap_to_ground: Some(CharacterLength::Absolute(0.12)),
            apply_impulse_to_dynamic_bodies: true,
            custom_mass: Some(45.0),
            ..default()
        },
        Transform::default(),
        Visibility::default(),
        children![(
            NeuralCamera::new("models/courtyard.world.ron"),
            Transform::from_translation(EYE_M),
        )],
    ));
    commands.spawn((
        Line,
        Text::default(),
        TextColor(Color::srgb(1.0, 0.8, 0.6)),
        Node { position_type: PositionType::Absolute, bottom: px(8), left: px(8), ..default() },
    ));
}

/// Puts the player at the start of the first level; later ones leave him where he stands.
fn enter(
    mut changes: MessageReader<LevelChanged>,
    roots: Query<&LevelRoot>,
    mut player: Single<(&mut Walker, &mut Transform)>,
) {
    for change in changes.read() {
        let Ok(root) = roots.get(change.root) else { continue };
        let (walker, at) = &mut *player;
        if root.level.bodies.is_empty() || walker.placed {
            continue;
        }
        walker.placed = true;
        at.translation = root.level.spawn_m + Vec3::Y * 0.9;
        at.rotation = Quat::from_rotation_y(root.level.spawn_yaw_rad);
    }
}

fn walk(
    action: Res<PlayerAction>,
    mut player: Single<(
        &mut Walker,
        &mut Transform,
        &mut KinematicCharacterController,
        Option<&KinematicCharacterControllerOutput>,
    )>,
    mut eyes: Single<&mut Transform, (With<NeuralCamera>, Without<Walker>)>,
) {
    let (walker, body, controller, output) = &mut *player;
    if !walker.placed {
        return;
    }
    body.rotate_y(-action.look.x);
    walker.pitch_rad = (walker.pitch_rad + action.look.y).clamp(-1.4, 1.4);
    eyes.rotation = Quat::from_rotation_x(walker.pitch_rad);
    let stands = output.is_some_and(|output| output.grounded);
    walker.fall_m_s = match (stands, action.jump) {
        (true, true) => 4.2,
        (true, false) => -0.5,
        (false, _) => walker.fall_m_s - 9.81 / 60.0,
    };
    let wish = body.rotation * Vec3::new(action.walk.x, 0.0, -action.walk.y) * 3.5;
    controller.translation = Some((wish + Vec3::Y * walker.fall_m_s) / 60.0);
}

fn explain(notices: Query<&LevelNotice>, mut line: Single<&mut Text, With<Line>>) {
    let text = notices.iter().next().map_or("", |notice| notice.0.as_str());
    if line.0 != text {
        line.0 = text.to_owned();
    }
}
