//! `reverie train --stage observer`, `reverie record --faults`, `reverie guard`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use reverie_guard::FaultClass;
use reverie_runtime::card::ModelCard;
use reverie_runtime::data::Episode;

use super::support::{
    EVAL_SEED, FIRST_SEED, Program, SIZE, episode, episodes, eval_episodes, folder, json, names,
    record, tiny_model,
};

/// Writes a recipe of a tiny observer of [`tiny_model`], with these fields added.
fn recipe(dir: &Path, fields: &str) -> PathBuf {
    let path = dir.join("observer.ron");
    let text = format!(
        "(model: {:?}, data: [{:?}], eval: [{:?}], out: {:?}, threads: 1, batch: 2, bf16: false,
          network: (channels: (8, 8, 8), blocks: (1, 1, 1)), {fields})",
        tiny_model(),
        episodes(),
        eval_episodes(),
        dir.join("run"),
    );
    fs::write(&path, text).unwrap();
    path
}

/// [`tiny_model`] with an observer that was trained for 3 s; to be read only.
fn observing_model() -> &'static Path {
    static CARD: OnceLock<PathBuf> = OnceLock::new();
    CARD.get_or_init(|| {
        let dir = folder("observer");
        let recipe = recipe(&dir, "minutes: 0.05");
        Program::new(&["train", "--stage", "observer"])
            .word(&recipe)
            .with("--json", dir.join("train.json"))
            .succeeds();
        dir.join("run/tiny.world.ron")
    })
}

#[test]
fn an_observer_stands_beside_its_model_and_is_scored() {
    let path = observing_model();
    let card = ModelCard::load(path).unwrap();
    let observer = card.observer.unwrap();
    assert_eq!(observer.channels, [8, 8, 8]);
    assert!(observer.provenance.command.starts_with("reverie train --stage observer"));
    assert!(observer.provenance.samples_seen > 0);
    let score = |name: &str| observer.scores[name];
    for kind in ["true", "model"] {
        assert!((0.0..=1.0).contains(&score(&format!("{kind}.pixel_accuracy"))));
        assert!(score(&format!("{kind}.depth_ln_error_median")) > 0.0);
    }
    let run = path.parent().unwrap();
    assert_eq!(
        names(run),
        [
            "loss.png",
            "state.safetensors",
            "tiny.observer.safetensors",
            "tiny.safetensors",
            "tiny.world.ron"
        ]
    );
    assert_eq!(json(&run.with_file_name("train.json"))["runs"], 1);
    // The model itself is left as it was.
    assert_eq!(ModelCard::load(tiny_model()).unwrap().observer, None);
}

#[test]
fn recipes_and_data_that_do_not_fit_are_one_line() {
    let dir = folder("observer_faults");
    let train = |recipe: &Path| Program::new(&["train", "--stage", "observer"]).word(recipe);
    train(&recipe(&dir, "batsh: 1")).fails_with(&["observer.ron", "batsh"]);
    train(&recipe(&dir, "minutes: -1.0")).fails_with(&["observer.ron", "minutes is -1"]);
    let no_model = recipe(&dir, "");
    let text = fs::read_to_string(&no_model).unwrap();
    let other = text.replace("tiny.world.ron", "none.world.ron");
    fs::write(&no_model, other).unwrap();
    train(&no_model).fails_with(&["none.world.ron"]);

    let guard = |words: &[&str]| Program::new(words).with("--model", tiny_model());
    guard(&["guard", "calibrate"]).with("--data", episodes()).fails_with(&["observer", "train"]);
    guard(&["guard", "bench"])
        .with("--data", eval_episodes())
        .with("--out", dir.join("out"))
        .fails_with(&["observer", "train"]);
    let bench = |words: &[&str]| Program::new(words).with("--model", observing_model());
    // Held-out seeds are never calibrated on, and training seeds never measured.
    bench(&["guard", "calibrate"])
        .with("--data", eval_episodes())
        .fails_with(&["1000000", "below"]);
    bench(&["guard", "bench"])
        .with("--data", episodes())
        .with("--out", dir.join("out"))
        .fails_with(&["seed 3", "from 1000000"]);
    bench(&["guard", "bench", "--classes", "magic"]).fails_with(&["magic", "erase"]);
    Program::new(&["record", "--faults", "magic"])
        .with("--out", dir.join("magic"))
        .fails_with(&["magic", "erase"]);
}

#[test]
fn a_calibrated_guard_is_measured_on_faults() {
    let dir = folder("guard");
    let run = observing_model().parent().unwrap();
    for name in names(run) {
        fs::copy(run.join(&name), dir.join(&name)).unwrap();
    }
    let card = dir.join("tiny.world.ron");
    let said = Program::new(&["guard", "calibrate"])
        .with("--data", episodes())
        .with("--model", &card)
        .succeeds();
    assert!(said.contains("24 clean pictures"), "{said}");
    assert!(ModelCard::load(&card).unwrap().observer.unwrap().thresholds.is_some());

    let out = dir.join("out");
    let said = Program::new(&["guard", "bench", "--classes", "erase,open_wall", "--cases", "1"])
        .with("--data", eval_episodes())
        .with("--model", &card)
        .with("--least-pixels", "4")
        .with("--out", &out)
        .succeeds();
    assert!(said.contains("clean render") && said.contains("clean model"), "{said}");
    let figures = json(&out.join("guard.json"));
    assert_eq!(figures["calibrated"], true);
    assert_eq!(figures["clean"]["render"]["frames"], 58);
    for outcome in figures["outcomes"].as_array().unwrap() {
        assert_eq!(outcome["source"], "model");
        assert!(outcome["frames"].as_u64() > Some(0), "{outcome}");
    }
}

#[test]
fn a_larger_model_gets_the_eye_of_a_smaller_one() {
    let dir = folder("lent_observer");
    let run = tiny_model().parent().unwrap();
    let text = fs::read_to_string(tiny_model()).unwrap();
    let sized = |name: &str, width: u32, height: u32| {
        let path = dir.join(name);
        let wide = text.replacen("width: 64", &format!("width: {width}"), 1);
        let card = wide.replacen("height: 40", &format!("height: {height}"), 1);
        assert_ne!(card, text);
        fs::write(&path, card).unwrap();
        path
    };
    fs::copy(run.join("tiny.safetensors"), dir.join("tiny.safetensors")).unwrap();
    let lend = |from: &Path, to: &Path| {
        Program::new(&["guard", "calibrate"])
            .with("--observer-of", from)
            .with("--model", to)
            .with("--data", episodes())
    };
    let other = sized("other.world.ron", 96, 40);
    lend(observing_model(), &other).fails_with(&["96×40", "64×40", "other.world.ron"]);
    lend(tiny_model(), &other).fails_with(&["tiny.world.ron", "no observer"]);
    assert_eq!(ModelCard::load(&other).unwrap().observer, None);
    // Nothing is to be seen in pictures so many times smaller, and nothing is left behind.
    let huge = sized("huge.world.ron", 17 * 64, 17 * 40);
    lend(observing_model(), &huge).fails_with(&["1088×680", "1 to 16 times"]);
    assert!(!names(&dir).iter().any(|name| name.contains("observer")), "{:?}", names(&dir));

    // A network of convolutions draws larger pictures as well.
    let large = sized("large.world.ron", 128, 80);
    let said = lend(observing_model(), &large).succeeds();
    assert!(said.contains("24 clean pictures"), "{said}");
    let observer = ModelCard::load(&large).unwrap().observer.unwrap();
    assert_eq!(observer.shrink, 2);
    assert!(observer.thresholds.is_some());
    // Another file of that name is not touched.
    fs::write(dir.join(&observer.weights), "mine").unwrap();
    lend(observing_model(), &large).fails_with(&["another", "observer.safetensors"]);
    assert_eq!(fs::read(dir.join(&observer.weights)).unwrap(), b"mine");
}

#[test]
fn pictures_show_a_fault_and_the_states_stay_true() {
    let dir = folder("record_misdrawn");
    let (clean, faulty) = (dir.join("clean"), dir.join("faulty"));
    // Longer than the bot needs to look about.
    let frames = 30;
    record(&clean, FIRST_SEED, 1, frames).succeeds();
    record(&faulty, FIRST_SEED, 1, frames).with("--faults", "teleport").succeeds();
    let clean = Episode::open(episode(&clean, FIRST_SEED)).unwrap();
    let faulty = Episode::open(faulty.join("teleport_0000003")).unwrap();
    let fault = faulty.fault().unwrap();
    assert_eq!(fault.class, FaultClass::Teleport);
    assert_eq!(clean.manifest().physics_hash, faulty.manifest().physics_hash);
    let mut different = 0;
    for frame in 0..clean.len() {
        let truth = faulty.snapshot(frame);
        assert_eq!(clean.snapshot(frame), truth, "frame {frame}");
        let same = clean.frame_rgb(frame).unwrap() == faulty.frame_rgb(frame).unwrap();
        match fault.label(&truth, 64, 40) {
            // Edges may be drawn a little otherwise, but a body elsewhere is plain.
            Some(label) if label.changed_px > 8 => {
                assert!(!same, "frame {frame}: {label:?}");
                different += 1;
            }
            Some(_) => {}
            None => assert!(same || fault.is_active(truth.tick), "frame {frame}"),
        }
    }
    assert!(different > 0, "{fault:?}");
    assert_eq!(EVAL_SEED, reverie_runtime::eval::guard::FIRST_HELD_OUT_SEED);
}

#[test]
fn the_physics_is_the_same_whatever_the_guard_does() {
    let dir = folder("guarded_play");
    let runs = ["off", "observe", "correct"].map(|mode| {
        let out = dir.join(mode);
        Program::new(&["play", "--headless", "--lockstep", "--frames", "8", "--seed", "5"])
            .with("--guard", mode)
            .with("--size", SIZE)
            .with("--model", observing_model())
            .with("--out", &out)
            .succeeds();
        json(&out.join("summary.json"))
    });
    for (run, mode) in runs.iter().zip(["off", "observe", "correct"]) {
        assert_eq!(run["physics_hash"], runs[0]["physics_hash"], "{mode}");
        let guard = &run["guard"];
        assert_eq!(guard["mode"], mode);
        let judged = guard["judged"].as_u64().unwrap();
        assert_eq!(judged > 0, mode != "off", "{guard:#}");
        let shown: u64 =
            guard["levels"].as_object().unwrap().values().filter_map(|v| v.as_u64()).sum();
        assert_eq!((shown, guard["blind"].as_u64()), (judged, Some(0)), "{guard:#}");
        let corrected = judged - guard["levels"]["accept"].as_u64().unwrap();
        assert!(mode == "correct" || corrected == 0, "{guard:#}");
    }
}
