//! From random sketches to the goal: each is read, built, and walked through by a bot in the physics.
//!
//! `cargo bench --profile dev --bench levels -- [COUNT] [FIRST_SEED] [DIR]`: so many sketches of each axis of distortion; the
//! first sketch of each and its level are kept in the folder, with the figures.

use std::path::{Path, PathBuf};
use std::time::Instant;

use bevy_reverie::level::build::{BuildOptions, build};
use bevy_reverie::sketch::read_sketch;
use bevy_reverie::sketch::specimen::{Axis, draw};
use reverie::courtyard::walker::walk;
use serde_json::json;

/// What became of the sketches of one axis.
#[derive(Default)]
struct Row {
    sketches: usize,
    read: usize,
    built: usize,
    reached: usize,
    stuck: u32,
    bodies: usize,
    playable_ms: Vec<f32>,
    build_ms: Vec<f32>,
    walk_ms: Vec<f32>,
    failures: Vec<String>,
}

impl Row {
    fn add(&mut self, axis: Axis, seed: u64, keep: Option<&Path>) {
        let specimen = draw(seed, axis);
        if let Some(dir) = keep {
            let ending = if specimen.file.starts_with(b"\x89PNG") { "png" } else { "jpg" };
            save(&dir.join(format!("{axis:?}.{ending}")), &specimen.file);
        }
        self.sketches += 1;
        let begun = Instant::now();
        let Ok(reading) = read_sketch(&specimen.file, &specimen.options) else { return };
        self.read += 1;
        let read_ms = 1e3 * begun.elapsed().as_secs_f32();
        let level = match build(&reading.plan, &reading.legend, &BuildOptions::default()) {
            Ok(built) => built.level,
            Err(error) => return self.failures.push(format!("{axis:?} {seed}: {error}")),
        };
        let playable_ms = 1e3 * begun.elapsed().as_secs_f32();
        if let Some(text) = keep.and_then(|_| level.to_text(Path::new("level")).ok()) {
            let name = format!("{axis:?}.level.ron");
            save(&keep.map_or_else(PathBuf::new, |dir| dir.join(name)), text.as_bytes());
        }
        self.built += 1;
        self.bodies += level.bodies.len();
        self.playable_ms.push(playable_ms);
        self.build_ms.push(playable_ms - read_ms);
        let walk = walk(&level);
        self.walk_ms.push(walk.time_ms);
        self.stuck += u32::from(walk.stuck > 0);
        if walk.reached || level.goal_m.is_none() {
            self.reached += 1;
        } else {
            self.failures.push(format!("{axis:?} {seed}: {walk:?}"));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.sketches += other.sketches;
        self.read += other.read;
        self.built += other.built;
        self.reached += other.reached;
        self.stuck += other.stuck;
        self.bodies += other.bodies;
        self.playable_ms.extend(&other.playable_ms);
        self.build_ms.extend(&other.build_ms);
        self.walk_ms.extend(&other.walk_ms);
    }

    fn print(&self, name: &str) {
        println!(
            "{name:16} {:5} {:5} {:6} {:8} {:6} {:7.0} {:6.0} {:6.0} {:6.0} {:7.1} {:6.0}",
            self.sketches,
            self.read,
            self.built,
            self.reached,
            self.stuck,
            self.bodies as f32 / self.built.max(1) as f32,
            quantile(&self.playable_ms, 0.5),
            quantile(&self.playable_ms, 0.95),
            quantile(&self.playable_ms, 1.0),
            quantile(&self.build_ms, 0.5),
            quantile(&self.walk_ms, 0.5),
        );
    }
}

fn save(path: &Path, bytes: &[u8]) {
    if let Err(error) = reverie_runtime::files::write_atomically(path, bytes) {
        eprintln!("cannot write {}: {error}", path.display());
    }
}

fn quantile(values: &[f32], share: f32) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let index = (share * sorted.len().saturating_sub(1) as f32).round() as usize;
    sorted.get(index).copied().unwrap_or(f32::NAN)
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|w| !w.starts_with("--")).collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    let (count, first) = (number(0).unwrap_or(4), number(1).unwrap_or(1_000_000));
    let dir = words.get(2).map(PathBuf::from);
    println!(
        "axis          sketches  read  built  at goal  stuck  bodies    p50    p95    max   build   walk  (ms)"
    );
    let mut all = Row::default();
    let mut rows = Vec::new();
    for (index, axis) in Axis::CLEAN.into_iter().chain(Axis::PHOTO).enumerate() {
        let mut row = Row::default();
        for i in 0..count {
            let keep = dir.as_deref().filter(|_| i == 0);
            row.add(axis, first + i + 1000 * index as u64, keep);
        }
        row.print(&format!("{axis:?}"));
        for failure in &row.failures {
            println!("    {failure}");
        }
        all.merge(&row);
        rows.push(json!({
            "axis": format!("{axis:?}"), "sketches": row.sketches, "read": row.read,
            "built": row.built, "at_goal": row.reached, "failures": row.failures,
            "playable_ms_p50": quantile(&row.playable_ms, 0.5),
            "playable_ms_p95": quantile(&row.playable_ms, 0.95),
        }));
    }
    all.print("all");
    if let Some(dir) = dir {
        save(&dir.join("levels.json"), json!({ "axes": rows }).to_string().as_bytes());
    }
}
