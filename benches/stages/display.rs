//! What the display costs: the same moving view through each way of filling it, as fast as the adapter draws.

use std::error::Error;
use std::time::{Duration, Instant};

use bevy::app::App;
use bevy::camera::RenderTarget;
use bevy::diagnostic::{DiagnosticPath, DiagnosticsStore};
use bevy::prelude::*;
use bevy::render::diagnostic::RenderDiagnosticsPlugin;
use bevy::render::render_resource::{PollType, TextureFormat};
use bevy::render::renderer::RenderDevice;
use bevy_rapier3d::prelude::*;
use bevy_reverie::ReveriePlugins;
use bevy_reverie::camera::{NeuralCamera, NeuralFilter};
use bevy_reverie::dream::NeuralPicture;
use bevy_reverie::recorder::{headless, prepare_to_step};
use reverie_guard::{Body, Shape};

use super::Row;

/// Pixels.
const SIZE: UVec2 = UVec2::new(1280, 720);
const FRAMES: u32 = 40;
/// Longest wait for a picture, for pipelines, and for the adapter.
const PATIENCE: Duration = Duration::from_secs(60);
/// What Bevy's render diagnostics know of the adapter's time; upscaling is a plain copy of the whole screen.
const SPANS: [&str; 3] = ["neural_gbuffer", "neural_present", "upscaling"];

/// Rows of the display at 1280×720: the whole frame by wall clock, and the passes by the adapter's own clock.
pub fn measure(bodies: &[Body], rows: &mut Vec<Row>) -> Result<(), Box<dyn Error>> {
    let mut app = app(bodies);
    prepare_to_step(&mut app);
    let begun = Instant::now();
    while !app.world_mut().query::<&NeuralPicture>().iter(app.world()).any(|p| p.serial > 0) {
        app.update();
        if begun.elapsed() > PATIENCE {
            return Err("no picture within 60 s; `reverie doctor` says what is missing".into());
        }
    }
    for (name, filter) in [
        ("display 1280x720, nearest", NeuralFilter::Nearest),
        ("display 1280x720, bilinear", NeuralFilter::Bilinear),
        ("display 1280x720, warp only", NeuralFilter::Warp),
        ("display 1280x720, both", NeuralFilter::WarpAndUpsample),
    ] {
        let world = app.world_mut();
        for mut camera in world.query::<&mut NeuralCamera>().iter_mut(world) {
            camera.filter = filter;
        }
        let mut whole_ms = Vec::new();
        let mut spans: Vec<Vec<f32>> = vec![Vec::new(); SPANS.len()];
        for frame in 0..FRAMES {
            turn(&mut app, frame);
            let begun = Instant::now();
            app.update();
            app.world()
                .resource::<RenderDevice>()
                .poll(PollType::Wait { submission_index: None, timeout: Some(PATIENCE) })?;
            if frame < 5 {
                continue;
            }
            whole_ms.push(begun.elapsed().as_secs_f32() * 1e3);
            let store = app.world().resource::<DiagnosticsStore>();
            for (name, times) in SPANS.iter().zip(&mut spans) {
                let path = DiagnosticPath::new(format!("render/{name}/elapsed_gpu"));
                if let Some(ms) = store.get(&path).and_then(|diagnostic| diagnostic.value()) {
                    times.push(ms as f32);
                }
            }
        }
        rows.push(Row::new(name, "whole", whole_ms));
        let known = SPANS.into_iter().zip(spans).filter(|(_, times)| !times.is_empty());
        rows.extend(known.map(|(span, times)| Row::new(name, span, times)));
    }
    Ok(())
}

fn app(bodies: &[Body]) -> App {
    let mut app = App::new();
    app.add_plugins(headless().disable::<bevy::log::LogPlugin>())
        .add_plugins((RapierPhysicsPlugin::<()>::default(), ReveriePlugins))
        .add_plugins(RenderDiagnosticsPlugin);
    let image = Image::new_target_texture(SIZE.x, SIZE.y, TextureFormat::Rgba8UnormSrgb, None);
    let image = app.world_mut().resource_mut::<Assets<Image>>().add(image);
    app.world_mut().spawn((
        NeuralCamera::default(),
        Msaa::Off,
        RenderTarget::Image(image.into()),
        Transform::from_xyz(0.0, 1.6, 5.0),
    ));
    for body in bodies {
        let collider = match &body.shape {
            Shape::Cuboid { half_extents_m: half } => Collider::cuboid(half.x, half.y, half.z),
            Shape::Ball { radius_m } => Collider::ball(*radius_m),
            Shape::Cylinder { half_height_m, radius_m } => {
                Collider::cylinder(*half_height_m, *radius_m)
            }
            _ => continue,
        };
        let pose = body.world_from_body;
        let transform =
            Transform::from_translation(pose.translation_m).with_rotation(pose.rotation);
        app.world_mut().spawn((collider, transform));
    }
    app
}

/// 3° a frame.
fn turn(app: &mut App, frame: u32) {
    let world = app.world_mut();
    let mut cameras = world.query_filtered::<&mut Transform, With<NeuralCamera>>();
    for mut transform in cameras.iter_mut(world) {
        transform.rotation = Quat::from_rotation_y(0.05 * frame as f32);
    }
}
