//! Play without a window: simulated time advances by a fixed step per picture, as near to real time as the machine allows.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bevy::app::App;
use bevy::camera::RenderTarget;
use bevy::prelude::*;
use bevy::render::gpu_readback::{Readback, ReadbackComplete};
use bevy::render::render_resource::{TextureFormat, TextureUsages};
use bevy::time::TimeUpdateStrategy;
use bevy_reverie::action::{ActionScript, ActionSource};
use bevy_reverie::camera::NeuralCamera;
use bevy_reverie::dream::{Dream, NeuralPicture};
use bevy_reverie::guard::{GuardStats, Level};
use bevy_reverie::latency::{Deadlines, LatencyLog};
use bevy_reverie::memory::NeuralMemory;
use bevy_reverie::pacing::{Pacing, PacingSettings};
use bevy_reverie::recorder::{headless, prepare_to_step};
use reverie_runtime::dream::DreamState;
use reverie_runtime::style::{STYLE_NAMES, StyleWeights};
use serde_json::{Value, json};

use super::live::Live;
use super::stats::Stats;
use super::world::PlayedWorld;
use super::{Intended, PlayArgs, mark_camera, quiet_log};
use crate::courtyard::{CourtyardCamera, PhysicsHash, Progress};

/// Physics ticks per picture: 30 pictures a second of simulated time.
const TICKS_PER_FRAME: u32 = 2;
const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 30);
/// Pictures that do not count for latency: what they show was asked for while time stood still.
const SETTLE_FRAMES: u32 = 3;
/// Longest wait for the first picture, and for the last ones.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pictures waiting to be written.
const QUEUE: usize = 64;

/// Pictures that came back from the renderer, oldest first.
#[derive(Resource)]
struct Pictures {
    size: UVec2,
    newest: Option<Vec<u8>>,
}

pub fn play(
    args: &PlayArgs,
    world: &PlayedWorld,
    style: StyleWeights,
    script: Option<ActionScript>,
    memory: &NeuralMemory,
) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    std::fs::create_dir_all(&args.out)
        .map_err(|e| format!("cannot create {}: {e}; choose another --out", args.out.display()))?;
    let mut app = app(args, world, style, script, memory)?;
    prepare_to_step(&mut app);

    // Time stands still until there is something to see.
    app.insert_resource(TimeUpdateStrategy::ManualDuration(Duration::ZERO));
    let mut stats = Stats::default();
    wait_for_picture(&mut app, args.conventional, begun)?;
    stats.first_frame_s = Some(begun.elapsed().as_secs_f64());

    app.insert_resource(TimeUpdateStrategy::FixedTimesteps(TICKS_PER_FRAME));
    let writer = Writer::start(args.out.clone(), args.size)?;
    stats.start();
    let mut due = Instant::now();
    let mut written = 0;
    while written < args.frames {
        app.update();
        let world = app.world_mut();
        let picture =
            world.query::<&NeuralPicture>().iter(world).next().cloned().unwrap_or_default();
        stats.note(picture.serial, picture.frame.as_ref());
        if let Some(rgb) = world.resource_mut::<Pictures>().newest.take() {
            writer.write(written, rgb)?;
            written += 1;
            if written == SETTLE_FRAMES {
                app.world_mut().resource_mut::<LatencyLog>().clear();
            }
        }
        if begun.elapsed() > PATIENCE + 4 * FRAME * args.frames {
            return Err(format!(
                "only {written} of {} pictures came from the renderer",
                args.frames
            )
            .into());
        }
        due += FRAME;
        match due.checked_duration_since(Instant::now()) {
            Some(spare) if !args.lockstep => std::thread::sleep(spare),
            // Too slow for real time: do not try to catch up.
            _ => due = Instant::now(),
        }
    }
    let world = app.world_mut();
    let status =
        world.query::<&Dream>().iter(world).next().map(|d| d.status().clone()).unwrap_or_default();
    let hash = world.resource::<PhysicsHash>();
    let latency = world.resource::<LatencyLog>().summary(world.resource::<Deadlines>());
    let known = memory.stats();
    let progress = world.resource::<Progress>();
    let summary = stats.summary(&[
        ("memory_mb", json!(known.bytes as f32 / 1e6)),
        ("memory_hit_rate", json!(known.hit_rate)),
        ("memory_read_ms", json!(known.read_ms)),
        ("memory_write_ms", json!(known.write_ms)),
        ("physics_hash", json!(format!("{:016x}", hash.value))),
        ("physics_ticks", json!(hash.ticks)),
        ("model", json!(status.model)),
        ("last_failure", json!(status.last_failure)),
        ("mode", json!(args.mode().name())),
        ("seed", json!(args.seed)),
        ("style", style_name(style)),
        ("world", json!(args.world)),
        ("at_goal", json!(progress.at_goal)),
        ("restarts", json!(progress.restarts)),
        ("live", world.get_resource::<Live>().map_or(Value::Null, Live::summary)),
        ("pacing", json!(args.pacing.name())),
        ("latency_ms", json!(latency.latency_ms)),
        ("deadline_misses", json!(latency.deadline_misses)),
        ("guard", guard_figures(args.guard.name(), &status.guard)),
    ]);
    writer.finish()?;
    let path = args.out.join("summary.json");
    crate::commands::write_json(&path, &summary)?;
    if let Some(path) = &args.json {
        crate::commands::write_json(path, &summary)?;
    }
    say!(
        "{} pictures in {} (model {:.1} fps, display {:.1} fps); figures in {}",
        written,
        args.out.display(),
        summary["model_fps"].as_f64().unwrap_or(0.0),
        summary["display_fps"].as_f64().unwrap_or(0.0),
        path.display()
    );
    Ok(())
}

fn app(
    args: &PlayArgs,
    world: &PlayedWorld,
    style: StyleWeights,
    script: Option<ActionScript>,
    memory: &NeuralMemory,
) -> std::io::Result<App> {
    let mut app = App::new();
    // The loop above sets the pace. What a renderer beside the game latches late depends on who is faster: in lockstep,
    // as in recording, nothing may.
    let asked = args.pacing().settings();
    let pipelined = asked.pipelined && !args.lockstep;
    let pacing = PacingSettings { max_display_hz: None, pipelined, ..asked };
    app.add_plugins(Pacing::Custom(pacing).of(headless().set(quiet_log())));
    app.insert_resource(Deadlines { display_period: FRAME, ..Deadlines::default() });
    let bot = script.is_none();
    args.add_game(&mut app, world, bot)?;
    app.insert_resource(script.map_or(ActionSource::Game, ActionSource::Script))
        .insert_resource(Intended(args.camera(style), memory.clone()))
        .insert_resource(Pictures { size: UVec2::new(args.size.0, args.size.1), newest: None })
        .add_systems(PostStartup, aim)
        .add_systems(Update, mark_camera);
    Ok(app)
}

/// What the guard did, by check and by level.
fn guard_figures(mode: &str, stats: &GuardStats) -> Value {
    let levels: BTreeMap<_, _> =
        Level::ALL.iter().map(|level| level.name()).zip(stats.levels).collect();
    json!({
        "mode": mode,
        "judged": stats.judged,
        "looks": stats.looks,
        "blind": stats.blind,
        "rejects": stats.rejects,
        "verdicts": stats.verdicts,
        "levels": levels,
        "fault": stats.fault,
    })
}

/// The name of a pure style, the weights of a blend.
fn style_name(style: StyleWeights) -> Value {
    let pure = STYLE_NAMES.iter().find(|name| StyleWeights::pure(name) == Some(style));
    pure.map_or_else(|| json!(style.0), |name| json!(name))
}

/// Points the camera at a picture that is read back after every frame.
fn aim(
    mut commands: Commands,
    pictures: Res<Pictures>,
    mut images: ResMut<Assets<Image>>,
    cameras: Query<Entity, With<CourtyardCamera>>,
) {
    let size = pictures.size;
    let mut image = Image::new_target_texture(size.x, size.y, TextureFormat::Rgba8UnormSrgb, None);
    image.texture_descriptor.usage |= TextureUsages::COPY_SRC;
    let image = images.add(image);
    for camera in &cameras {
        commands.entity(camera).insert(RenderTarget::Image(image.clone().into()));
    }
    commands.spawn(Readback::texture(image)).observe(receive);
}

/// The first pictures of a fresh target may be empty: nothing opaque was drawn yet.
fn receive(event: On<ReadbackComplete>, mut pictures: ResMut<Pictures>) {
    let (width, height) = (pictures.size.x as usize, pictures.size.y as usize);
    // Rows of a readback are padded to 256 bytes.
    let row = (4 * width).div_ceil(256) * 256;
    let mut rgb = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        let Some(line) = event.data.get(y * row..y * row + 4 * width) else { return };
        for pixel in line.chunks_exact(4) {
            if pixel[3] == 0 {
                return;
            }
            rgb.extend_from_slice(&pixel[..3]);
        }
    }
    pictures.newest = Some(rgb);
}

/// Runs the app until a finished picture of the wanted kind was rendered.
fn wait_for_picture(
    app: &mut App,
    conventional: bool,
    begun: Instant,
) -> Result<(), Box<dyn Error>> {
    let mut settled = 0;
    while settled < 3 {
        app.update();
        let world = app.world_mut();
        let loading = world
            .query::<(&Dream, &NeuralCamera)>()
            .iter(world)
            .any(|(dream, _)| dream.status().state == DreamState::Loading);
        let dreamt = world.query::<&NeuralPicture>().iter(world).any(|p| p.frame.is_some());
        let drawn = world.resource_mut::<Pictures>().newest.take().is_some();
        if drawn && (conventional || (dreamt && !loading)) {
            settled += 1;
        }
        if begun.elapsed() > PATIENCE {
            return Err(
                "no picture within 60 s; `reverie doctor` says what this machine lacks".into()
            );
        }
    }
    Ok(())
}

/// Writes PNGs on a thread of its own, so that compressing them does not hold up the game.
struct Writer {
    queue: crossbeam::channel::Sender<(u32, Vec<u8>)>,
    thread: std::thread::JoinHandle<Result<(), String>>,
}

impl Writer {
    fn start(out: PathBuf, size: (u32, u32)) -> std::io::Result<Self> {
        let (queue, pictures) = crossbeam::channel::bounded::<(u32, Vec<u8>)>(QUEUE);
        let work = move || {
            for (index, rgb) in pictures {
                let path = out.join(format!("frame_{index:05}.png"));
                let picture = image::RgbImage::from_raw(size.0, size.1, rgb)
                    .ok_or("a picture has a wrong size")?;
                reverie_runtime::files::write_png(&path, &picture).map_err(|e| {
                    format!("cannot write {}: {e}; choose another --out", path.display())
                })?;
            }
            Ok(())
        };
        Ok(Self { queue, thread: std::thread::Builder::new().name("png".to_owned()).spawn(work)? })
    }

    fn write(&self, index: u32, rgb: Vec<u8>) -> Result<(), Box<dyn Error>> {
        // The thread ends early only on an error, which `finish` tells.
        self.queue
            .send((index, rgb))
            .map_err(|_| "the pictures cannot be written; is the disk full?".into())
    }

    fn finish(self) -> Result<(), Box<dyn Error>> {
        drop(self.queue);
        match self.thread.join() {
            Ok(result) => Ok(result?),
            Err(_) => Err("the thread that writes pictures panicked".into()),
        }
    }
}
