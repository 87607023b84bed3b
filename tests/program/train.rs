//! `reverie train`.

use std::fs;
use std::path::Path;

use reverie_runtime::card::ModelCard;
use reverie_runtime::model::latent::files::AutoencoderCard;
use reverie_runtime::observer::recipe::ObserverRecipe;
use reverie_runtime::train::Recipe;
use reverie_runtime::train::latent::dreamer_recipe::DreamerRecipe;
use reverie_runtime::train::latent::recipe::AutoencoderRecipe;

use super::support::{
    FIRST_SEED, Program, copy_folder, episode, episodes, folder, json, names, recipe, tiny_model,
};

#[test]
fn a_model_comes_with_a_card_that_tells_where_it_is_from() {
    let card_path = tiny_model();
    let card = ModelCard::load(card_path).unwrap();
    assert_eq!((card.architecture.width, card.architecture.height), (64, 40));
    assert_eq!(card.architecture.channels, [8, 8, 8]);
    assert!(card.weights_path(card_path).is_file());
    assert!(card.looks > 0);
    let from = &card.provenance;
    assert!(from.data.starts_with("2 episodes"), "{}", from.data);
    assert!(from.command.starts_with("reverie train "), "{}", from.command);
    assert!(from.recipe.contains("head_channels: 8"), "{}", from.recipe);
    assert!(from.samples_seen > 0 && from.trained_s >= 3.0, "{from:?}");

    let run = card_path.parent().unwrap();
    assert_eq!(names(run), ["loss.png", "state.safetensors", "tiny.safetensors", "tiny.world.ron"]);
    let figures = json(&run.with_file_name("train.json"));
    assert_eq!(figures["samples"], from.samples_seen);
    assert_eq!(figures["steps"].as_u64(), Some(from.samples_seen / 2));
    assert_eq!(figures["runs"], 1);
}

#[cfg(unix)]
#[test]
fn a_killed_training_goes_on_where_it_was_and_ctrl_c_saves() {
    let dir = folder("train_killed");
    let recipe = recipe(&dir, episodes(), "minutes: 60.0, checkpoint_every_s: 0.1");
    let (card_path, figures) = (dir.join("run/tiny.world.ron"), dir.join("train.json"));
    let train = || Program::new(&["train"]).word(&recipe).with("--json", &figures);
    let samples = || ModelCard::load(&card_path).map_or(0, |card| card.provenance.samples_seen);

    let mut running = train().start();
    running.wait_for("a checkpoint", || samples() > 0);
    running.kill();
    let before = samples();
    assert!(!figures.exists());

    let mut running = train().start();
    running.wait_for("another checkpoint", || samples() > before);
    running.interrupt();
    let said = running.finish().succeeded();
    assert!(said.contains("tiny.world.ron"), "{said}");
    let figures = json(&figures);
    assert_eq!(figures["runs"], 2);
    assert_eq!(figures["samples"], samples());
    assert!(figures["steps"].as_u64() > Some(before / 2), "{figures}");
}

#[test]
fn recipes_that_cannot_be_used_are_one_line() {
    let dir = folder("train_recipes");
    let path = dir.join("tiny.ron");
    for (fields, word) in [
        ("lerning_rate: 0.1", "lerning_rate"),
        ("sampling: (colt: 0.1)", "colt"),
        ("minutes: \"long\"", "float"),
        ("minutes: -1.0", "minutes is -1"),
        ("minutes: 1.0, minutes: 2.0", "minutes"),
        ("seed: -1", "tiny.ron"),
        ("batch: 0", "batch is 0"),
        ("learning_rate: NaN", "learning_rate is NaN"),
        ("device: \"tpu\"", "device is tpu"),
        ("loaders: 1000000", "loaders is 1000000"),
        ("threads: 1000000", "threads is 1000000"),
        ("sampling: (cold: 1.5)", "sampling.cold is 1.5"),
        ("sampling: (per_visit: 0)", "sampling.per_visit is 0"),
        ("sampling: (longest_stride: 0)", "sampling.longest_stride is 0"),
        ("l1_weight: NaN", "l1_weight is NaN"),
        ("gradient_weight: -1.0", "gradient_weight is -1"),
        ("weight_decay: inf", "weight_decay is inf"),
        ("name: \"../away\"", "name is \"../away\""),
        ("network: (channels: (8, 8, 9))", "network.channels is [8, 8, 9]"),
        ("network: (channels: (4096, 4096, 4096))", "network.channels is [4096"),
        ("network: (blocks: (1, -1, 1))", "network.blocks is [1, -1, 1]"),
        ("network: (head_channels: 0)", "network.head_channels is 0"),
        ("network: (head_channels: 1000000)", "network.head_channels is 1000000"),
        ("", "expected"),
    ] {
        let rest = if fields.is_empty() { "" } else { ")" };
        let text = format!("(data: [{:?}], out: {:?}, {fields}{rest}", episodes(), dir.join("run"));
        fs::write(&path, text).unwrap();
        let train = Program::new(&["train"]).word(&path);
        let short = if fields.starts_with("minutes") { None } else { Some("0.001") };
        let train = short.into_iter().fold(train, |train, m| train.with("--minutes", m));
        train.fails_with(&["tiny.ron", word]);
        assert_eq!(names(&dir), ["tiny.ron"], "{fields}");
    }
    Program::new(&["train"]).word(dir.join("none.ron")).fails_with(&["none.ron"]);
    Program::new(&["train"]).fails_with(&["<RECIPE>"]);
}

#[test]
fn data_that_cannot_be_used_is_one_line() {
    let dir = folder("train_data");
    let empty = dir.join("empty");
    fs::create_dir(&empty).unwrap();
    let train = |data: &Path, fields| Program::new(&["train"]).word(recipe(&dir, data, fields));
    train(&empty, "minutes: 0.01").fails_with(&["no episodes", "empty", "reverie record"]);
    train(&dir.join("nowhere"), "minutes: 0.01").fails_with(&["nowhere"]);

    let old = dir.join("old");
    copy_folder(episodes(), &old);
    let manifest = episode(&old, FIRST_SEED).join("episode.ron");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("version: 1", "version: 99", 1)).unwrap();
    train(&old, "minutes: 0.01").fails_with(&["courtyard_0000003", "version 99"]);

    let cut = dir.join("cut");
    copy_folder(episodes(), &cut);
    let pictures = episode(&cut, FIRST_SEED + 1).join("frames.qoi.bin");
    let bytes = fs::read(&pictures).unwrap();
    fs::write(&pictures, &bytes[..bytes.len() / 2]).unwrap();
    train(&cut, "minutes: 0.01").fails_with(&["frames.qoi.bin"]);
    assert!(names(&dir.join("run")).is_empty(), "{:?}", names(&dir.join("run")));

    let mixed = dir.join("mixed");
    copy_folder(episodes(), &mixed);
    Program::new(&["record", "--seed", "9", "--episodes", "1", "--frames", "1", "--size", "48x32"])
        .with("--out", &mixed)
        .succeeds();
    train(&mixed, "minutes: 0.5").fails_with(&["courtyard_0000009", "48×32", "64×40"]);

    let file = dir.join("file");
    fs::write(&file, "in the way").unwrap();
    train(episodes(), "minutes: 0.01").with("--out", &file).fails_with(&["file"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}

#[test]
fn an_autoencoder_is_trained_killed_resumed_and_scored_on_what_it_never_saw() {
    let dir = folder("train_autoencoder");
    let (path, card_path) = (dir.join("a.ron"), dir.join("run/small.autoencoder.ron"));
    let write = |data: &Path, rest: &str| {
        let network =
            "(latent_channels: 8, channels: (8, 8, 16), blocks: (1, 1, 1), head_channels: 8)";
        let out = dir.join("run");
        let text = format!(
            "(name: \"small\", data: [{data:?}], eval: [{data:?}], out: {out:?}, network: {network}, \
             threads: 1, batch: 2, {rest})"
        );
        fs::write(&path, text).unwrap();
    };
    write(episodes(), "minutes: 60.0, checkpoint_every_s: 0.1");
    let figures = dir.join("train.json");
    let train =
        || Program::new(&["train", "--stage", "autoencoder"]).word(&path).with("--json", &figures);
    let card = || AutoencoderCard::load(&card_path).ok();
    let samples = || card().map_or(0, |card| card.provenance.samples_seen);
    let mut running = train().start();
    running.wait_for("a checkpoint", || samples() > 0);
    running.kill();
    let before = samples();
    let mut running = train().start();
    running.wait_for("another checkpoint", || samples() > before);
    running.interrupt();
    running.finish().succeeded();
    assert_eq!(json(&figures)["runs"], 2);
    let card = card().unwrap();
    assert!(card.scores["psnr_db"] > 5.0 && card.scores["depth_error"] >= 0.0, "{card:?}");
    assert!(dir.join("run/small.autoencoder.png").is_file());

    write(&dir.join("nowhere"), "");
    train().fails_with(&["nowhere"]);
}

#[test]
fn a_model_that_dreams_is_trained_in_two_stages_and_plays() {
    let dir = folder("train_dreamer");
    let (out, data) = (dir.join("run"), episodes());
    let path = dir.join("coder.ron");
    let network = "(latent_channels: 8, channels: (8, 8, 16), blocks: (1, 1, 1), head_channels: 8)";
    let common = format!("name: \"small\", data: [{data:?}], out: {out:?}, threads: 1");
    fs::write(&path, format!("({common}, eval: [], network: {network}, batch: 2, minutes: 0.03)"))
        .unwrap();
    Program::new(&["train", "--stage", "autoencoder"]).word(&path).succeeds();

    let path = dir.join("dreamer.ron");
    let coder = out.join("small.autoencoder.ron");
    let network = "(channels: 32, heads: 2, depth: 2, context_frames: 4)";
    let dreamer = |frames: usize, anchored: usize| {
        let frames = format!("frames: {frames}, anchored_frames: {anchored}");
        format!("({common}, autoencoder: {coder:?}, network: {network}, {frames}, minutes: 0.05)")
    };
    fs::write(&path, dreamer(4, 3)).unwrap();
    let figures = dir.join("train.json");
    Program::new(&["train", "--stage", "dreamer"]).word(&path).with("--json", &figures).succeeds();
    assert!(json(&figures)["steps"].as_u64() > Some(0));
    let card = ModelCard::load(out.join("small.world.ron")).unwrap();
    assert!(card.provenance.samples_seen >= 4 && card.architecture.latent.is_some());

    let played = dir.join("play");
    Program::new(&["play", "--headless", "--lockstep", "--dream", "--frames", "4"])
        .with("--size", "64x40")
        .with("--model", out.join("small.world.ron"))
        .with("--out", &played)
        .succeeds();
    assert_eq!(json(&played.join("summary.json"))["mode"], "dream");

    fs::write(&path, dreamer(4000, 3)).unwrap();
    Program::new(&["train", "--stage", "dreamer"]).word(&path).fails_with(&["frames is 4000"]);
    fs::write(&path, dreamer(4, 200)).unwrap();
    Program::new(&["train", "--stage", "dreamer"])
        .word(&path)
        .fails_with(&["anchored_frames is 200, but the longest episode"]);
}

#[test]
fn the_recipes_that_come_along_can_be_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/recipes");
    let mut read = 0;
    for name in names(&folder).into_iter().filter(|name| name.ends_with(".ron")) {
        let path = folder.join(&name);
        let fault = if name.contains("observer") {
            ObserverRecipe::load(&path).err()
        } else if name.contains("autoencoder") {
            AutoencoderRecipe::load(&path).err()
        } else if name.starts_with("m-") {
            DreamerRecipe::load(&path).err()
        } else {
            Recipe::load(&path).err()
        };
        assert!(fault.is_none(), "{}", fault.map(|f| f.to_string()).unwrap_or_default());
        read += 1;
    }
    assert!(read >= 6, "{read}");
}
