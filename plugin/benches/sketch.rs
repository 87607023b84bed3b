//! How well sketches are read: random ones whose level is known, clean, by hand and photographed.
//!
//! `cargo bench --profile dev -p bevy_reverie --bench sketch -- --out runs/sketch` prints a table and writes
//! `sketch.json` and a picture of the worst ten: sketch, truth, reading. `--fuzz N` reads N damaged files instead.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bevy_reverie::sketch::specimen::{self, Axis, Score, Specimen};
use bevy_reverie::sketch::{
    CellKind, Mode, Plan, Reading, SketchError, SketchOptions, read_sketch,
};
use image::imageops::{FilterType, overlay, resize};
use image::{Rgb, RgbImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reverie_runtime::files::{write_atomically, write_png};
use serde::Serialize;

/// Seeds from here up are for evaluation alone.
const EVALUATION_SEED: u64 = 1_000_000;

struct Arguments {
    clean: usize,
    photo: usize,
    seed: u64,
    axis: Option<String>,
    out: PathBuf,
    fuzz: u64,
}

/// Figures of one axis, or of several together; shares from 0 to 1.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    sketches: usize,
    refused: usize,
    wall_iou: f32,
    boundary_f1: f32,
    rooms_exact: f32,
    openings_exact: f32,
    reachable_iou: f32,
    spawn_within_half_metre: f32,
    goal_reached: f32,
    goal_off_p95_m: f32,
    bodies: f32,
    wrong_accepted: f32,
    read_p50_ms: f32,
    read_p95_ms: f32,
    cpu_p50_ms: f32,
    cpu_p95_ms: f32,
}

struct Outcome {
    seed: u64,
    specimen: Specimen,
    result: Result<(Reading, Score), SketchError>,
    time_ms: f32,
    cpu_ms: f32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = parse()?;
    if arguments.fuzz > 0 {
        return fuzz(arguments.fuzz, arguments.seed);
    }
    let mut outcomes = Vec::new();
    let all = [(&Axis::CLEAN[..], arguments.clean), (&Axis::PHOTO[..], arguments.photo)];
    for (axes, count) in all {
        let wanted: Vec<Axis> = axes
            .iter()
            .copied()
            .filter(|axis| arguments.axis.as_ref().is_none_or(|name| format!("{axis:?}") == *name))
            .collect();
        for i in 0..count {
            let Some(axis) = wanted.get(i % wanted.len().max(1)) else { continue };
            outcomes.push(run(arguments.seed + i as u64, *axis));
        }
    }
    report(&outcomes, &arguments.out)
}

fn parse() -> Result<Arguments, String> {
    let mut arguments = Arguments {
        clean: 210,
        photo: 110,
        seed: EVALUATION_SEED,
        axis: None,
        out: PathBuf::from("runs/sketch"),
        fuzz: 0,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        // Cargo says what it runs.
        if name == "--bench" {
            continue;
        }
        let value = given.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name} {value} is no number"));
        match name.as_str() {
            "--clean" => arguments.clean = number()? as usize,
            "--photo" => arguments.photo = number()? as usize,
            "--seed" => arguments.seed = number()?,
            "--fuzz" => arguments.fuzz = number()?,
            "--axis" => arguments.axis = Some(value),
            "--out" => arguments.out = value.into(),
            _ => {
                return Err(format!(
                    "{name} is unknown; --clean, --photo, --seed, --axis, --out and --fuzz are known"
                ));
            }
        }
    }
    Ok(arguments)
}

fn run(seed: u64, axis: Axis) -> Outcome {
    let specimen = specimen::draw(seed, axis);
    let (started, started_cpu) = (Instant::now(), cpu_ms());
    let result = read_sketch(&specimen.file, &specimen.options);
    let time_ms = 1000.0 * started.elapsed().as_secs_f32();
    let cpu_ms = cpu_ms().zip(started_cpu).map_or(time_ms, |(end, start)| end - start);
    let result = result.map(|reading| {
        let score = specimen::score(&specimen, &reading);
        (reading, score)
    });
    Outcome { seed, specimen, result, time_ms, cpu_ms }
}

fn row(name: &str, outcomes: &[&Outcome]) -> Row {
    let scores: Vec<Score> =
        outcomes.iter().filter_map(|o| o.result.as_ref().ok().map(|(_, score)| *score)).collect();
    let count = scores.len().max(1) as f32;
    let mean = |value: &dyn Fn(&Score) -> f32| scores.iter().map(value).sum::<f32>() / count;
    let share = |holds: &dyn Fn(&Score) -> bool| mean(&|score| f32::from(u8::from(holds(score))));
    let at = |mut values: Vec<f32>, share: f32| {
        values.sort_by(f32::total_cmp);
        let index = (share * values.len() as f32) as usize;
        values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
    };
    let times: Vec<f32> = outcomes.iter().map(|o| o.time_ms).collect();
    let cpu: Vec<f32> = outcomes.iter().map(|o| o.cpu_ms).collect();
    Row {
        name: name.to_owned(),
        sketches: outcomes.len(),
        refused: outcomes.len() - scores.len(),
        wall_iou: mean(&|s| s.wall_iou),
        boundary_f1: mean(&|s| s.boundary_f1),
        rooms_exact: share(&|s| s.rooms_exact),
        openings_exact: share(&|s| s.openings_exact),
        reachable_iou: mean(&|s| s.reachable_iou),
        spawn_within_half_metre: share(&|s| s.spawn_free && s.spawn_off_m <= 0.5),
        goal_reached: share(&|s| s.goal_reached),
        goal_off_p95_m: at(scores.iter().map(|s| s.goal_off_m).collect(), 0.95),
        bodies: mean(&|s| s.bodies),
        wrong_accepted: scores.iter().filter(|s| s.is_wrong()).count() as f32
            / outcomes.len().max(1) as f32,
        read_p50_ms: at(times.clone(), 0.5),
        read_p95_ms: at(times, 0.95),
        cpu_p50_ms: at(cpu.clone(), 0.5),
        cpu_p95_ms: at(cpu, 0.95),
    }
}

fn report(outcomes: &[Outcome], out: &Path) -> Result<(), Box<dyn Error>> {
    let mut by_axis: BTreeMap<Axis, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        by_axis.entry(outcome.specimen.axis).or_default().push(outcome);
    }
    let mut rows: Vec<Row> =
        by_axis.iter().map(|(axis, outcomes)| row(&format!("{axis:?}"), outcomes)).collect();
    for (name, is_photo) in [("CLEAN", false), ("PHOTO", true)] {
        let some: Vec<&Outcome> =
            outcomes.iter().filter(|o| o.specimen.is_photo == is_photo).collect();
        if !some.is_empty() {
            rows.push(row(name, &some));
        }
    }
    println!(
        "{:16} {:>4} {:>4} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6}",
        "axis",
        "n",
        "ref",
        "IoU",
        "F1",
        "rooms",
        "open",
        "reach",
        "spawn",
        "goal",
        "bodies",
        "wrong",
        "p50",
        "p95",
        "cpu50",
        "cpu95"
    );
    for r in &rows {
        println!(
            "{:16} {:4} {:4} {:6.3} {:6.3} {:6.2} {:6.2} {:6.3} {:6.2} {:6.2} {:6.2} {:6.3} {:6.0} {:6.0} {:6.0} {:6.0}",
            r.name,
            r.sketches,
            r.refused,
            r.wall_iou,
            r.boundary_f1,
            r.rooms_exact,
            r.openings_exact,
            r.reachable_iou,
            r.spawn_within_half_metre,
            r.goal_reached,
            r.bodies,
            r.wrong_accepted,
            r.read_p50_ms,
            r.read_p95_ms,
            r.cpu_p50_ms,
            r.cpu_p95_ms
        );
    }
    let mut worst: Vec<&Outcome> = outcomes.iter().collect();
    worst.sort_by(|a, b| quality(a).total_cmp(&quality(b)));
    worst.truncate(10);
    for outcome in &worst {
        let words = match &outcome.result {
            Ok((reading, score)) => {
                let (drawn, found) = (outcome.specimen.layout.rooms.len(), reading.plan.rooms);
                format!(
                    "IoU {:.2}, F1 {:.2}, rooms {found} of {drawn}, openings {}, reach {:.2}, spawn off {:.2} m, sure {:.2}",
                    score.wall_iou,
                    score.boundary_f1,
                    score.openings_exact,
                    score.reachable_iou,
                    score.spawn_off_m,
                    reading.confidence
                )
            }
            Err(error) => format!("refused: {error}"),
        };
        println!("worst: {:?} {}: {words}", outcome.specimen.axis, outcome.seed);
    }
    let json = serde_json::to_string_pretty(&rows)?;
    write_atomically(&out.join("sketch.json"), json.as_bytes())?;
    let strips: Vec<RgbImage> = worst.iter().map(|outcome| strip(outcome)).collect();
    for (i, pair) in strips.chunks(5).enumerate() {
        let height = pair.iter().map(RgbImage::height).sum();
        let mut sheet = RgbImage::from_pixel(STRIP_PX * 3, height, Rgb([60; 3]));
        let mut top = 0;
        for strip in pair {
            overlay(&mut sheet, strip, 0, top);
            top += i64::from(strip.height());
        }
        write_png(&out.join(format!("worst_{i}.png")), &sheet)?;
    }
    println!("figures and pictures: {}", out.display());
    Ok(())
}

fn quality(outcome: &Outcome) -> f32 {
    outcome.result.as_ref().map_or(0.0, |(_, s)| {
        s.wall_iou
            + s.boundary_f1
            + s.reachable_iou
            + f32::from(u8::from(s.rooms_exact))
            + f32::from(u8::from(s.openings_exact))
            + f32::from(u8::from(s.spawn_off_m < 0.5))
    })
}

const STRIP_PX: u32 = 420;

/// Time that this thread had a core, where the system tells: on a busy machine that is the reader's own time.
fn cpu_ms() -> Option<f32> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some((nanoseconds * 1e-6) as f32)
}

/// Sketch, truth and reading beside each other.
fn strip(outcome: &Outcome) -> RgbImage {
    let specimen = &outcome.specimen;
    let sketch = image::load_from_memory(&specimen.file).map(|p| p.into_rgb8()).unwrap_or_default();
    let read = match &outcome.result {
        Ok((reading, _)) => draw(&reading.plan),
        Err(SketchError::Refused(refusal)) => refusal.plan.as_ref().map(draw).unwrap_or_default(),
        Err(_) => RgbImage::default(),
    };
    let tiles = [sketch, draw(&specimen::truth(specimen)), read].map(|tile| {
        let (w, h) = (tile.width().max(1) as f32, tile.height().max(1) as f32);
        let factor = (STRIP_PX as f32 - 8.0) / w.max(h);
        let filter = if factor > 1.0 { FilterType::Nearest } else { FilterType::Triangle };
        let size = |side: f32| ((side * factor) as u32).max(1);
        if tile.width() == 0 { tile } else { resize(&tile, size(w), size(h), filter) }
    });
    let height = tiles.iter().map(RgbImage::height).max().unwrap_or(1) + 8;
    let mut strip = RgbImage::from_pixel(STRIP_PX * 3, height, Rgb([90; 3]));
    for (i, tile) in tiles.iter().enumerate() {
        overlay(&mut strip, tile, i64::from(STRIP_PX) * i as i64 + 4, 4);
    }
    strip
}

fn draw(plan: &Plan) -> RgbImage {
    let mut picture = RgbImage::from_fn(plan.width as u32, plan.height as u32, |x, y| {
        Rgb(match plan.cell(x as i32, y as i32).kind {
            CellKind::Outside => [120; 3],
            CellKind::Floor => [240; 3],
            CellKind::Wall => [20; 3],
            CellKind::Hazard => [60, 120, 230],
            CellKind::Ramp { .. } => [170; 3],
            CellKind::Door => [240, 220, 60],
        })
    });
    for (y, row) in plan.rows().iter().enumerate() {
        for (x, mark) in row.chars().enumerate() {
            let colour = match mark {
                'S' => [0, 170, 0],
                'G' => [230, 0, 0],
                'o' => [150, 100, 50],
                _ => continue,
            };
            picture.put_pixel(x as u32, y as u32, Rgb(colour));
        }
    }
    picture
}

/// Reads damaged files and random small pictures; any panic ends the run.
fn fuzz(count: u64, seed: u64) -> Result<(), Box<dyn Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let seeds = specimen::small_files();
    let (mut read, mut refused) = (0_u64, 0_u64);
    let started = Instant::now();
    for i in 0..count {
        let file = match i % 3 {
            0 => specimen::random_picture(&mut rng),
            _ => {
                let base = &seeds[rng.random_range(0..seeds.len())];
                specimen::mutate(base, &mut rng)
            }
        };
        let mode = *[None, None, Some(Mode::HandDrawn), Some(Mode::PixelGrid)]
            .get(rng.random_range(0..4))
            .unwrap_or(&None);
        let metres_per_pixel = rng.random_bool(0.5).then(|| rng.random_range(0.001..2.0));
        let options = SketchOptions { mode, metres_per_pixel, ..SketchOptions::default() };
        match read_sketch(&file, &options) {
            Ok(_) => read += 1,
            Err(_) => refused += 1,
        }
        if (i + 1) % 100_000 == 0 {
            let seconds = started.elapsed().as_secs_f32();
            println!("{} files in {seconds:.0} s: {read} read, {refused} refused", i + 1);
        }
    }
    println!("{count} files, no crash: {read} read, {refused} refused");
    Ok(())
}
