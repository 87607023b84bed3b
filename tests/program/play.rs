//! `reverie play --headless`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::{Program, SIZE, folder, json, names, tiny_model};

/// Ahead, then a look to the right.
const SCRIPT: &str = "(steps: [
    (from_tick: 0, to_tick: 8, action: (walk: (0.0, 1.0))),
    (from_tick: 8, to_tick: 12, action: (look: (0.1, 0.0))),
])";

/// Six pictures, and the summary.
fn play(out: &Path, model: &Path, words: &[&str]) -> Value {
    let mut program = Program::new(&["play", "--headless", "--lockstep", "--frames", "6"]);
    for word in words {
        program = program.word(word);
    }
    program.with("--size", SIZE).with("--model", model).with("--out", out).succeeds();
    json(&out.join("summary.json"))
}

fn picture(out: &Path, index: u32) -> image::RgbImage {
    image::open(out.join(format!("frame_{index:05}.png"))).unwrap().to_rgb8()
}

/// By so much two runs of the same network may differ in a value of a picture, of 255.
const ROUNDING: u8 = 3;

/// Mean and standard deviation of all values, 0 to 255.
fn contrast(picture: &image::RgbImage) -> (f64, f64) {
    let values = picture.as_raw();
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
    let square = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>();
    (mean, (square / values.len() as f64).sqrt())
}

#[test]
fn pictures_and_figures_are_written() {
    let out = folder("play").join("out");
    // The model cannot dream: its pictures stay anchored.
    let summary = play(&out, tiny_model(), &["--seed", "5", "--dream"]);
    assert_eq!((&summary["mode"], &summary["dreamed_frames"]), (&"dream".into(), &0.into()));
    let mut expected: Vec<String> = (0..6).map(|i| format!("frame_{i:05}.png")).collect();
    expected.push("summary.json".to_owned());
    assert_eq!(names(&out), expected);
    for index in 0..6 {
        let picture = picture(&out, index);
        assert_eq!(picture.dimensions(), (64, 40));
        let (mean, spread) = contrast(&picture);
        assert!(mean > 20.0 && spread > 8.0, "picture {index}: mean {mean}, spread {spread}");
    }
    assert_ne!(picture(&out, 0), picture(&out, 5), "nothing moves");

    for key in ["model_fps", "display_fps", "first_frame_s", "seconds"] {
        assert!(summary[key].as_f64().is_some_and(|v| v > 0.0), "{key} in {summary:#}");
    }
    assert_eq!(summary["model"], "tiny");
    assert_eq!(summary["fallback_frames"], 0, "{summary:#}");
    assert!(summary["frames"].as_u64().is_some_and(|v| v >= 6), "{summary:#}");
    assert!(summary["physics_hash"].as_str().is_some_and(|v| v.len() == 16), "{summary:#}");
    assert!(summary["last_failure"].is_null(), "{summary:#}");
    for stage in ["raster", "condition", "denoise", "decode", "commit", "input_to_frame"] {
        let at = |q: &str| summary["stages_ms"][stage][q].as_f64();
        assert!(at("p50") > Some(0.0), "{stage} in {summary:#}");
        assert!(at("p50") <= at("p95") && at("p95") <= at("p99"), "{stage} in {summary:#}");
    }
    latency_is_told(&summary);
}

/// Every stage from input to present, and the whole ways.
fn latency_is_told(summary: &Value) {
    let latency = &summary["latency_ms"];
    let stages = [
        "input_sample",
        "simulation_start",
        "simulation_end",
        "request",
        "wait",
        "guard",
        "raster",
        "condition",
        "denoise",
        "decode",
        "commit",
        "publish",
        "extract",
        "upload",
        "warp",
        "present",
    ];
    for name in stages.into_iter().chain(["input_to_present", "source_age", "pose_age"]) {
        let [p50, p95, p99, max] = ["p50", "p95", "p99", "max"].map(|q| {
            latency[name][q].as_f64().unwrap_or_else(|| panic!("{name}.{q} in {latency:#}"))
        });
        assert!(0.0 <= p50 && p50 <= p95 && p95 <= p99 && p99 <= max, "{name} in {latency:#}");
    }
    let max = |name: &str| latency[name]["max"].as_f64().unwrap();
    assert!(max("denoise") > 0.0 && max("present") > 0.0, "{latency:#}");
    assert!(max("input_to_present") >= max("denoise"), "{latency:#}");
    assert!(max("pose_age") <= max("input_to_present"), "{latency:#}");
    for name in ["display", "source", "display_deadline_ms", "source_deadline_ms"] {
        assert!(summary["deadline_misses"][name].is_number(), "{name} in {summary:#}");
    }
}

#[test]
fn the_ordinary_renderer_has_the_same_figures_without_a_dream() {
    let out = folder("play_ordinary").join("out");
    let words = ["--conventional", "--pacing", "throughput"];
    let summary = play(&out, Path::new("paint"), &words);
    let latency = summary["latency_ms"].as_object().unwrap();
    for name in ["input_to_present", "simulation_end", "extract", "present"] {
        assert!(latency.contains_key(name), "{name} in {summary:#}");
    }
    for name in ["denoise", "publish", "warp", "source_age", "pose_age"] {
        assert!(!latency.contains_key(name), "{name} in {summary:#}");
    }
    assert_eq!(summary["pacing"], "throughput");
}

#[test]
fn a_seed_and_a_script_fix_the_pictures() {
    let dir = folder("play_again");
    let script = dir.join("walk.ron");
    fs::write(&script, SCRIPT).unwrap();
    let words = ["--seed", "5", "--script", script.to_str().unwrap()];
    let runs = ["once", "again"].map(|name| play(&dir.join(name), tiny_model(), &words));
    assert_eq!(runs[0]["physics_hash"], runs[1]["physics_hash"]);
    for index in 0..6 {
        let name = format!("frame_{index:05}.png");
        let [once, again] = ["once", "again"].map(|run| picture(&dir.join(run), index));
        let differences = once.as_raw().iter().zip(again.as_raw()).map(|(a, b)| a.abs_diff(*b));
        // libtorch sums in the order that memory happens to suggest.
        let most = differences.max().unwrap_or(u8::MAX);
        assert!(most <= ROUNDING, "{name} differs by {most}");
    }

    // The picture is a matter of the model, the world is not.
    let paint = play(&dir.join("paint"), Path::new("paint"), &words);
    assert_eq!(paint["physics_hash"], runs[0]["physics_hash"]);
    assert_eq!(paint["physics_ticks"], runs[0]["physics_ticks"]);
    assert_ne!(picture(&dir.join("paint"), 5), picture(&dir.join("once"), 5));
    assert_eq!(paint["fallback_frames"], paint["frames"]);

    let other = play(&dir.join("other"), Path::new("paint"), &["--seed", "6"]);
    assert_ne!(other["physics_hash"], paint["physics_hash"]);
}

#[test]
fn the_physics_is_the_same_whatever_the_guard_does() {
    let dir = folder("play_guard");
    let script = dir.join("walk.ron");
    fs::write(&script, SCRIPT).unwrap();
    let runs = ["off", "observe", "correct"].map(|mode| {
        let words = ["--seed", "5", "--guard", mode, "--script", script.to_str().unwrap()];
        let summary = play(&dir.join(mode), tiny_model(), &words);
        assert_eq!(summary["guard"]["mode"], mode);
        summary
    });
    for run in &runs[1..] {
        assert_eq!(run["physics_hash"], runs[0]["physics_hash"]);
        // The tiny model has no observer, and the player is told.
        let fault = run["guard"]["fault"].as_str().unwrap_or_default();
        assert!(fault.contains("--stage observer"), "{run:#}");
        assert_eq!((&run["guard"]["judged"], &run["guard"]["rejects"]), (&0.into(), &0.into()));
    }
    assert!(runs[0]["guard"]["fault"].is_null(), "{:#}", runs[0]);
    for index in 0..6 {
        assert_eq!(picture(&dir.join("off"), index), picture(&dir.join("observe"), index));
    }
}

#[test]
fn styles_prompts_and_the_ordinary_renderer_show() {
    let dir = folder("play_styles");
    let paint = Path::new("paint");
    play(&dir.join("noon"), paint, &["--style", "noon"]);
    play(&dir.join("night"), paint, &["--style", "night"]);
    let mean = |name: &str| contrast(&picture(&dir.join(name), 5)).0;
    assert!(mean("night") < 0.7 * mean("noon"), "{} and {}", mean("night"), mean("noon"));

    let truth = play(&dir.join("truth"), paint, &["--conventional"]);
    assert_ne!(picture(&dir.join("truth"), 5), picture(&dir.join("noon"), 5));
    assert_eq!(truth["model_frames"], 0);

    let prompt = dir.join("noon/frame_00005.png");
    let words = ["--prompt", prompt.to_str().unwrap(), "--steps", "2"];
    assert_eq!(play(&dir.join("prompted"), tiny_model(), &words)["model"], "tiny");
}

#[test]
fn a_game_goes_on_with_the_memory_it_left() {
    let dir = folder("play_memory");
    let file = dir.join("saves/garden.memory");
    let words = ["--seed", "5", "--memory", file.to_str().unwrap()];
    let first = play(&dir.join("first"), tiny_model(), &words);
    assert!(first["memory_mb"].as_f64() > Some(0.0), "{first:#}");
    let saved = fs::metadata(&file).unwrap().len();
    let second = play(&dir.join("second"), tiny_model(), &words);
    assert!(second["memory_hit_rate"].as_f64() > Some(0.5), "{second:#}");
    assert_eq!(names(&dir.join("saves")), ["garden.memory"]);
    // The same places were seen: the file does not grow with every game.
    let again = fs::metadata(&file).unwrap().len();
    assert!(again < 2 * saved, "{saved} and {again} bytes");

    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    Program::new(&["play", "--headless", "--frames", "2", "--lockstep", "--memory"])
        .word(&file)
        .with("--out", dir.join("damaged"))
        .with("--model", tiny_model())
        .fails_with(&["garden.memory", "damaged"]);
    assert!(!dir.join("damaged").exists());
}
