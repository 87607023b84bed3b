//! The neural picture in place of the 3D passes.

use bevy::camera::RenderTarget;
use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy::render::gpu_readback::{Readback, ReadbackComplete};
use bevy::render::render_resource::{TextureFormat, TextureUsages};
use bevy_rapier3d::prelude::*;
use bevy_reverie::latency::{Deadlines, LatencyLog, Stage};
use bevy_reverie::prelude::*;
use bevy_reverie::recorder::{headless, prepare_to_step};

use crate::fake::fake;

const PINK: [u8; 4] = [220, 40, 130, 255];
const SKY: [u8; 3] = [0, 0, 255];
const SIZE: UVec2 = UVec2::new(128, 72);

#[derive(Resource, Default)]
struct Shot(Option<Vec<u8>>);

#[derive(Resource)]
struct Target(Handle<Image>);

/// A blue sky, one camera into an image of 128×72, and a small green UI node in the lower left corner.
fn game(camera: NeuralCamera) -> (App, Entity) {
    let mut app = App::new();
    app.add_plugins(headless().disable::<LogPlugin>())
        .add_plugins((RapierPhysicsPlugin::<()>::default(), ReveriePlugins))
        .insert_resource(ClearColor(Color::srgb_u8(SKY[0], SKY[1], SKY[2])))
        .init_resource::<Shot>()
        .add_observer(|event: On<ReadbackComplete>, mut shot: ResMut<Shot>| {
            shot.0 = Some(event.data.clone())
        });
    prepare_to_step(&mut app);
    let mut image = Image::new_target_texture(SIZE.x, SIZE.y, TextureFormat::Rgba8UnormSrgb, None);
    image.texture_descriptor.usage |= TextureUsages::COPY_SRC;
    let image = app.world_mut().resource_mut::<Assets<Image>>().add(image);
    app.insert_resource(Target(image.clone()));
    let camera = app.world_mut().spawn((camera, Msaa::Off, RenderTarget::Image(image.into()))).id();
    app.world_mut().spawn((
        Node {
            position_type: PositionType::Absolute,
            left: px(0),
            bottom: px(0),
            width: px(10),
            height: px(10),
            ..default()
        },
        BackgroundColor(Color::srgb(0.0, 1.0, 0.0)),
        UiTargetCamera(camera),
    ));
    (app, camera)
}

/// The picture that the next frame renders.
fn shot(app: &mut App) -> Vec<u8> {
    let image = app.world().resource::<Target>().0.clone();
    app.world_mut().resource_mut::<Shot>().0 = None;
    let entity = app.world_mut().spawn(Readback::texture(image)).id();
    app.update();
    app.world_mut().entity_mut(entity).remove::<Readback>();
    for _ in 0..20 {
        if let Some(data) = app.world_mut().resource_mut::<Shot>().0.take() {
            app.world_mut().despawn(entity);
            return data;
        }
        app.update();
    }
    panic!("no picture came back");
}

fn pixel(data: &[u8], x: u32, y: u32) -> [u8; 3] {
    let at = ((y * SIZE.x + x) * 4) as usize;
    [data[at], data[at + 1], data[at + 2]]
}

fn near(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 2)
}

fn neural_camera() -> NeuralCamera {
    NeuralCamera { model: fake(PINK).0, pace: NeuralPace::Lockstep, ..default() }
}

/// Pictures until the neural one is there; none of them may be black.
fn until_neural(app: &mut App) -> Vec<u8> {
    for _ in 0..60 {
        let picture = shot(app);
        let middle = pixel(&picture, 64, 36);
        if near(middle, [PINK[0], PINK[1], PINK[2]]) {
            return picture;
        }
        let drawn = picture.iter().any(|byte| *byte != 0);
        assert!(!drawn || near(middle, SKY), "ordinary until the first picture, not {middle:?}");
    }
    panic!("the neural picture never appears");
}

#[test]
fn the_picture_replaces_the_passes_and_ui_stays_on_top() {
    let (mut app, _) = game(neural_camera());
    let picture = until_neural(&mut app);
    for (x, y) in [(0, 0), (127, 0), (127, 71), (64, 36)] {
        assert!(near(pixel(&picture, x, y), [PINK[0], PINK[1], PINK[2]]), "at {x}, {y}");
    }
    assert!(near(pixel(&picture, 4, 68), [0, 255, 0]), "UI: {:?}", pixel(&picture, 4, 68));
}

#[test]
fn toggling_and_removing_take_effect_in_the_same_frame() {
    let (mut app, camera) = game(neural_camera());
    until_neural(&mut app);
    let pink = [PINK[0], PINK[1], PINK[2]];
    for enabled in [false, true, false, true] {
        app.world_mut().get_mut::<NeuralCamera>(camera).unwrap().enabled = enabled;
        let middle = pixel(&shot(&mut app), 64, 36);
        assert!(near(middle, if enabled { pink } else { SKY }), "enabled {enabled}: {middle:?}");
    }
    app.world_mut().entity_mut(camera).remove::<NeuralCamera>();
    assert!(near(pixel(&shot(&mut app), 64, 36), SKY), "removed");
}

#[test]
fn side_by_side_shows_both_and_gives_the_view_back() {
    let (mut app, _) = game(neural_camera());
    until_neural(&mut app);
    // A box, white before tonemapping, fills the middle of the ordinary half.
    let mesh = app.world_mut().resource_mut::<Assets<Mesh>>().add(Cuboid::from_length(1.0));
    let white = StandardMaterial { base_color: Color::WHITE, unlit: true, ..default() };
    let white = app.world_mut().resource_mut::<Assets<StandardMaterial>>().add(white);
    app.world_mut().spawn((
        Mesh3d(mesh),
        MeshMaterial3d(white),
        Transform::from_xyz(0.0, 0.0, -3.0),
    ));
    app.world_mut().resource_mut::<SideBySide>().0 = true;
    // The second camera's own pipelines need a few frames.
    for _ in 0..5 {
        shot(&mut app);
    }
    let picture = shot(&mut app);
    let boxed = pixel(&picture, 32, 36);
    assert!(boxed.iter().all(|channel| *channel > 150), "box: {boxed:?}");
    let pink = [PINK[0], PINK[1], PINK[2]];
    assert!(near(pixel(&picture, 3, 3), SKY), "left: {:?}", pixel(&picture, 3, 3));
    assert!(near(pixel(&picture, 100, 20), pink), "right: {:?}", pixel(&picture, 100, 20));
    app.world_mut().resource_mut::<SideBySide>().0 = false;
    shot(&mut app);
    assert!(near(pixel(&shot(&mut app), 30, 20), pink), "whole again");
}

#[test]
fn without_a_model_file_shadow_paint_is_on_screen() {
    let (mut app, camera) =
        game(NeuralCamera { pace: NeuralPace::Lockstep, ..NeuralCamera::new("nowhere.world.ron") });
    app.world_mut().spawn((Collider::cuboid(1.0, 1.0, 0.1), Transform::from_xyz(0.0, 0.0, -3.0)));
    for _ in 0..30 {
        app.update();
    }
    let status = app.world().get::<Dream>(camera).unwrap().status().clone();
    assert!(status.fallback_frames > 0, "{status:?}");
    let picture = shot(&mut app);
    let (wall, sky) = (pixel(&picture, 64, 36), pixel(&picture, 3, 3));
    assert!(wall != sky && !near(sky, SKY) && wall != [0, 0, 0], "wall {wall:?}, sky {sky:?}");
}

#[test]
fn every_presented_frame_is_measured_from_input_to_present() {
    let (mut app, camera) = game(neural_camera());
    until_neural(&mut app);
    app.world_mut().resource_mut::<LatencyLog>().clear();
    for _ in 0..10 {
        app.update();
    }
    let figures = |app: &App| {
        let world = app.world();
        world.resource::<LatencyLog>().summary(world.resource::<Deadlines>())
    };
    let summary = figures(&app);
    // A frame's figures come with the next frame.
    assert!((9..=10).contains(&summary.frames), "{summary:#?}");
    // The fake model tells no times of its own.
    let told = [
        Stage::Request,
        Stage::Wait,
        Stage::Publish,
        Stage::Extract,
        Stage::Upload,
        Stage::Warp,
        Stage::Present,
    ];
    for name in
        told.map(Stage::name).into_iter().chain(["input_to_present", "source_age", "pose_age"])
    {
        assert!(summary.latency_ms.contains_key(name), "{name} in {summary:#?}");
    }
    let max = |name: &str| summary.latency_ms[name].max;
    assert!(max("pose_age") <= max("source_age"), "the pose is the frame's own: {summary:#?}");

    // The ordinary picture has no source and no warp.
    app.world_mut().get_mut::<NeuralCamera>(camera).unwrap().enabled = false;
    app.update();
    app.update();
    app.world_mut().resource_mut::<LatencyLog>().clear();
    app.update();
    app.update();
    let summary = figures(&app);
    assert!(summary.frames > 0);
    assert!(!summary.latency_ms.contains_key("source_age"), "{summary:#?}");
    assert!(!summary.latency_ms.contains_key("warp"), "{summary:#?}");
}
