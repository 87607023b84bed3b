//! `reverie record`.

use std::fs;

use reverie_runtime::data::Episode;

use super::support::{
    FIRST_SEED, Program, episode, episodes, folder, json, names, physics_hash, record,
};

#[test]
fn episodes_hold_what_was_asked_for_and_a_sheet_shows_them() {
    let data = episodes();
    assert_eq!(names(data), ["courtyard_0000003", "courtyard_0000004", "sheet.png"]);
    for seed in [FIRST_SEED, FIRST_SEED + 1] {
        let episode = Episode::open(episode(data, seed)).unwrap();
        let header = episode.header();
        assert_eq!((episode.len(), header.width, header.height, header.seed), (6, 64, 40, seed));
        let first = episode.frame_rgb(0).unwrap();
        let brightest = first.iter().max().unwrap();
        assert!(*brightest > 60, "seed {seed}: the brightest value is {brightest}");
        assert_ne!(first, episode.frame_rgb(5).unwrap(), "seed {seed}: nothing moves");
        assert!(episode.snapshot(0).bodies.len() > 10, "seed {seed}: an empty courtyard");
    }
    assert_ne!(physics_hash(data, FIRST_SEED), physics_hash(data, FIRST_SEED + 1));
    let sheet = image::open(data.join("sheet.png")).unwrap();
    assert!(sheet.width() >= 3 * 64 && sheet.height() >= 2 * 40, "{}", sheet.width());
}

#[test]
fn a_second_run_adds_only_what_is_missing() {
    let dir = folder("record_again");
    let out = dir.join("data");
    // The second of its run there, the first of its run here: the seed alone decides.
    let seed = FIRST_SEED + 1;
    record(&out, seed, 1, 6).succeeds();
    assert_eq!(physics_hash(&out, seed), physics_hash(episodes(), seed));

    let first = episode(&out, seed).join("episode.ron");
    let before = fs::metadata(&first).unwrap().modified().unwrap();
    let figures = dir.join("record.json");
    let said = record(&out, seed, 2, 6).with("--json", &figures).succeeds();
    assert!(said.contains("1 of 2 episodes to record"), "{said}");
    assert_eq!(json(&figures)["episodes"], 1);
    assert_eq!(names(&out), ["courtyard_0000004", "courtyard_0000005", "sheet.png"]);
    assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), before);

    let said = record(&out, seed, 2, 6).succeeds();
    assert!(said.contains("0 of 2 episodes to record"), "{said}");
}

#[test]
fn a_killed_recording_is_completed_by_the_next_run() {
    let out = folder("record_killed");
    let partial = out.join("courtyard_0000003.partial");
    let mut running = record(&out, FIRST_SEED, 1, 3000).start();
    running.wait_for("an episode under way", || partial.is_dir());
    running.kill();
    assert_eq!(names(&out), ["courtyard_0000003.partial"]);

    record(&out, FIRST_SEED, 1, 6).succeeds();
    assert_eq!(names(&out), ["courtyard_0000003", "sheet.png"]);
    assert_eq!(physics_hash(&out, FIRST_SEED), physics_hash(episodes(), FIRST_SEED));
}

#[test]
fn faults_are_one_line() {
    let dir = folder("record_faults");
    let file = dir.join("file");
    fs::write(&file, "in the way").unwrap();
    record(&file, 1, 1, 6).fails_with(&["file", "--out"]);
    record(&file.join("data"), 1, 1, 6).fails_with(&["file/data", "--out"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");

    let out = dir.join("none");
    record(&out, 1, 1, 6).with("--style", "noir").fails_with(&["noir", "noon"]);
    record(&out, 1, 1, 0).fails_with(&["--frames"]);
    record(&out, 1, 1, 6).without_vulkan().fails_with(&["no Vulkan adapter"]);
    Program::new(&["record", "--size", "64"]).with("--out", &out).fails_with(&["64", "128x72"]);
    record(&out, u64::MAX, 3, 6).fails_with(&["--seed"]);
    assert!(!out.exists(), "{:?}", names(&out));
}
