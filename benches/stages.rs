//! Where the time of a frame goes, without a game: the stages of each painter on a moving camera, and what it costs to
//! bring a picture to the display.
//!
//! `cargo xtask bench` runs it in the profile that is played with, prints a table and writes `runs/bench.json`. `cargo bench --profile dev --bench stages --
//! guard` measures only what has that in its name: `display`, `shadow paint`, `guard`, or a card's path; cards elsewhere are named by their files.

use std::error::Error;
use std::f32::consts::{FRAC_PI_3, TAU};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use glam::{Quat, Vec3};
use reverie_guard::{Body, BodyKind, CameraPose, Pose, ShadowSnapshot, Shape};
use reverie_runtime::files::write_atomically;
use reverie_runtime::model::{LoadOptions, ShadowPaint, WorldModel, load_model};
use reverie_runtime::request::{DEFAULT_SUN_DIRECTION, DreamMode, DreamRequest};
use reverie_runtime::style::StyleWeights;
use serde::Serialize;

#[path = "stages/display.rs"]
mod display;
#[path = "stages/guard.rs"]
mod guard;

/// Frames before anything is measured: caches fill, keyframes gather.
const WARM_UP_FRAMES: u64 = 20;
/// A painter is measured for this long, and for at least [`FEWEST_FRAMES`].
const LEAST_TIME: Duration = Duration::from_secs(5);
const FEWEST_FRAMES: usize = 30;
const FRAMES_PER_SECOND: f64 = 20.0;

/// Times of one stage over many frames, milliseconds.
#[derive(Debug, Serialize)]
struct Row {
    painter: String,
    stage: &'static str,
    p50_ms: f32,
    p95_ms: f32,
    p99_ms: f32,
}

impl Row {
    fn new(painter: &str, stage: &'static str, mut times_ms: Vec<f32>) -> Self {
        times_ms.sort_by(f32::total_cmp);
        let at = |share: f32| {
            let index = (share * times_ms.len() as f32) as usize;
            times_ms.get(index.min(times_ms.len().saturating_sub(1))).copied().unwrap_or(0.0)
        };
        Self {
            painter: painter.to_owned(),
            stage,
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
        }
    }
}

/// A walled court of 24 by 24 m with some eighty bodies, as seen on a walk around its middle.
fn request(frame: u64) -> DreamRequest {
    let time_s = frame as f64 / FRAMES_PER_SECOND;
    let angle = (0.4 * time_s) as f32;
    let camera = CameraPose {
        world_from_camera: Pose::new(
            Quat::from_rotation_y(0.8 - angle),
            Vec3::new(5.0 * angle.sin(), 1.6, 5.0 * angle.cos()),
        ),
        vertical_fov_rad: FRAC_PI_3,
    };
    let snapshot = ShadowSnapshot {
        tick: (60.0 * time_s) as u64,
        time_s,
        camera,
        bodies: bodies(),
        sun_direction: DEFAULT_SUN_DIRECTION.normalize(),
    };
    DreamRequest {
        id: frame,
        snapshot: Arc::new(snapshot),
        action: Default::default(),
        style: StyleWeights::NOON,
        condition_strength: 1.0,
        mode: DreamMode::Anchored,
        reset: frame == 0,
        input_at: Instant::now(),
        requested_at: Instant::now(),
    }
}

fn bodies() -> Vec<Body> {
    let mut bodies = Vec::new();
    let mut add = |shape: Shape, at: Vec3, kind: BodyKind, material: u8| {
        bodies.push(Body {
            id: bodies.len() as u64,
            shape,
            world_from_body: Pose::new(Quat::from_rotation_y(at.x), at),
            linear_velocity_m_s: Vec3::ZERO,
            angular_velocity_rad_s: Vec3::ZERO,
            kind,
            material,
            tint_srgb: None,
        });
    };
    let cuboid = |x, y, z| Shape::Cuboid { half_extents_m: Vec3::new(x, y, z) };
    add(cuboid(17.0, 0.5, 17.0), Vec3::new(0.0, -0.5, 0.0), BodyKind::Fixed, 2);
    for side in 0..4 {
        let turn = Quat::from_rotation_y(side as f32 * TAU / 4.0);
        let reach = (turn * Vec3::X).abs() * 12.0 + Vec3::new(0.25, 1.5, 0.25);
        add(
            cuboid(reach.x, reach.y, reach.z),
            turn * Vec3::Z * 12.0 + Vec3::Y * 1.5,
            BodyKind::Fixed,
            4,
        );
    }
    for i in 0..75_u8 {
        // The golden angle spreads them evenly.
        let (radius, angle) = (1.3 * f32::from(i).sqrt(), 2.399_96 * f32::from(i));
        let at = Vec3::new(radius * angle.cos(), 0.5, radius * angle.sin());
        match i % 3 {
            0 => add(cuboid(0.4, 0.5, 0.4), at, BodyKind::Dynamic, 8),
            1 => add(Shape::Ball { radius_m: 0.5 }, at, BodyKind::Dynamic, 10),
            _ => {
                let pillar = Shape::Cylinder { half_height_m: 1.5, radius_m: 0.3 };
                add(pillar, at + Vec3::Y, BodyKind::Fixed, 6);
            }
        }
    }
    bodies
}

fn measure(
    name: &str,
    model: &mut dyn WorldModel,
    mode: DreamMode,
    rows: &mut Vec<Row>,
) -> Result<(), Box<dyn Error>> {
    let request = |frame| DreamRequest { mode, ..request(frame) };
    for frame in 0..WARM_UP_FRAMES {
        model.append_frame(&request(frame))?;
    }
    let mut stages: Vec<(&'static str, Vec<f32>)> = Vec::new();
    let started = Instant::now();
    let mut frames = 0;
    while frames < FEWEST_FRAMES || started.elapsed() < LEAST_TIME {
        let request = request(WARM_UP_FRAMES + frames as u64);
        let begun = Instant::now();
        let times = model.append_frame(&request)?.times.stages();
        let total = ("whole", begun.elapsed().as_secs_f32() * 1e3);
        for (stage, ms) in times.into_iter().filter(|(stage, _)| *stage != "wait").chain([total]) {
            match stages.iter_mut().find(|(name, _)| *name == stage) {
                Some((_, list)) => list.push(ms),
                None => stages.push((stage, vec![ms])),
            }
        }
        frames += 1;
    }
    // A painter need not have every stage.
    stages.retain(|(_, times)| times.iter().any(|ms| *ms > 0.0));
    rows.extend(stages.into_iter().map(|(stage, times)| Row::new(name, stage, times)));
    Ok(())
}

fn cards(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut cards: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".world.ron"))
        .collect();
    cards.sort();
    cards
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut rows = Vec::new();
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let (others, only): (Vec<_>, Vec<_>) =
        arguments.into_iter().partition(|argument| argument.ends_with(".ron"));
    let wanted = |what: &str| only.is_empty() || only.iter().any(|only| what.contains(only));
    if wanted("display") {
        display::measure(&bodies(), &mut rows)?;
    }
    for (width, height) in [(128, 72), (256, 144)] {
        let mut paint = ShadowPaint::new(width, height);
        let name = format!("shadow paint {width}x{height}");
        if wanted(&name) {
            measure(&name, &mut paint, DreamMode::Anchored, &mut rows)?;
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut cards = cards(&root.join("assets/models"));
    cards.extend(others.into_iter().map(PathBuf::from));
    if wanted("guard") {
        guard::measure(&cards, threads, &mut rows)?;
    }
    for card in cards.into_iter().filter(|card| wanted(&card.to_string_lossy())) {
        for steps in [1, 2, 4] {
            let options = LoadOptions {
                steps: Some(steps),
                threads: Some(threads),
                ..LoadOptions::default()
            };
            let mut model = load_model(&card, &options)?;
            let (width, height) = model.size();
            let name = format!("{} {width}x{height}, {steps} steps", model.name());
            measure(&name, model.as_mut(), DreamMode::Anchored, &mut rows)?;
            if model.can_dream() {
                measure(&format!("{name}, dream"), model.as_mut(), DreamMode::Dream, &mut rows)?;
            }
        }
    }
    println!("\n{:<36} {:<10} {:>8} {:>8} {:>8}", "painter", "stage", "p50 ms", "p95 ms", "p99 ms");
    for Row { painter, stage, p50_ms, p95_ms, p99_ms } in &rows {
        println!("{painter:<36} {stage:<10} {p50_ms:>8.2} {p95_ms:>8.2} {p99_ms:>8.2}");
    }
    let path = root.join("runs/bench.json");
    write_atomically(&path, &serde_json::to_vec_pretty(&rows)?)?;
    println!("\nalso in {}", path.display());
    Ok(())
}
