//! `reverie looks`.

use std::fs;
use std::path::Path;

use reverie_runtime::card::ModelCard;
use reverie_runtime::model::reverie::files::read_looks;
use reverie_runtime::style::STYLE_NAMES;
use reverie_runtime::train::looks::LOOKS_PER_STYLE;

use super::support::{FIRST_SEED, Program, copy_folder, folder, json, names, record, tiny_model};

#[test]
fn recordings_give_a_model_their_textures_and_nothing_else_changes() {
    let dir = folder("looks");
    let (data, out, figures) = (dir.join("data"), dir.join("out"), dir.join("looks.json"));
    Program::new(&["record", "--episodes", "2", "--frames", "4", "--size", "240x136"])
        .with("--style", "snow")
        .with("--out", &data)
        .succeeds();
    let looks = || Program::new(&["looks"]).with("--data", &data).with("--model", tiny_model());
    let said = looks().with("--out", &out).with("--json", &figures).succeeds();
    assert!(said.contains("noon: not seen") && said.contains("snow: "), "{said}");
    assert_eq!(names(&out), ["looks.png", "tiny.safetensors", "tiny.world.ron"]);
    let replaced = json(&figures)["replaced"].clone();
    assert!(replaced[0] == 0 && replaced[4].as_u64() > Some(4), "{replaced}");
    let card = out.join("tiny.world.ron");
    let (old, new) = (read_looks(tiny_model()).unwrap(), read_looks(&card).unwrap());
    let snow = (STYLE_NAMES.len() - 1) * LOOKS_PER_STYLE;
    assert!(old[..snow] == new[..snow] && old[snow] != new[snow]);
    let (old, new) = (ModelCard::load(tiny_model()).unwrap(), ModelCard::load(&card).unwrap());
    assert!(new.provenance.data.contains("looks of 2 episodes from data"), "{:?}", new.provenance);
    assert!(new.scores.is_empty(), "they were of other looks");
    assert_eq!((&old.architecture, &old.condition), (&new.architecture, &new.condition));
    Program::new(&["play", "--headless", "--lockstep", "--frames", "2", "--size", "64x40"])
        .with("--model", &card)
        .with("--out", dir.join("play"))
        .succeeds();
}

#[test]
fn what_cannot_dress_a_model_is_one_line_and_leaves_nothing() {
    let dir = folder("looks_refused");
    let (none, model) = (dir.join("none"), dir.join("model"));
    fs::create_dir_all(&none).unwrap();
    copy_folder(tiny_model().parent().unwrap(), &model);
    let card = model.join("tiny.world.ron");
    let before = fs::read(model.join("tiny.safetensors")).unwrap();
    let out = dir.join("out");
    let looks = |data, out| {
        Program::new(&["looks"]).with("--data", data).with("--model", &card).with("--out", out)
    };
    looks(&none, &out).fails_with(&["there are no episodes in"]);
    // A wall of a hundred pixels has no texture.
    let far = dir.join("far");
    record(&far, FIRST_SEED, 1, 2).with("--style", "fog").succeeds();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/courtyard.world.ron");
    Program::new(&["looks"])
        .with("--data", &far)
        .with("--model", shipped)
        .with("--out", &out)
        .fails_with(&["shows a material closely", "--size"]);
    looks(&none, &model).fails_with(&["model's own files", "--out"]);
    let missing = dir.join("missing.world.ron");
    Program::new(&["looks"]).with("--model", missing).fails_with(&["missing.world.ron"]);
    assert!(!out.exists());
    assert_eq!(fs::read(model.join("tiny.safetensors")).unwrap(), before);
}
