//! Options, scripts and pictures that cannot be used: one line each, and nothing is written.

use std::fs;
use std::process::{Command, Stdio};

use super::support::{Program, SIZE, folder, json, names, tiny_model};

#[test]
fn nonsense_on_the_command_line_is_one_line() {
    Program::new(&[]).fails_with(&["play", "record", "train", "eval", "doctor"]);
    Program::new(&["dance"]).fails_with(&["dance"]);
    Program::new(&["play", "--sise", "64x40"]).fails_with(&["--sise"]);
    Program::new(&["play", "--steps", "0"]).fails_with(&["--steps", "0"]);
    Program::new(&["play", "atlantis"]).fails_with(&["atlantis", "courtyard"]);
    let help = Program::new(&["--help"]).succeeds();
    assert!(help.contains("play") && help.contains("doctor"), "{help}");
    assert!(Program::new(&["--version"]).succeeds().contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn nobody_has_to_listen_to_the_end() {
    let out = folder("unheard").join("out");
    let mut recording = Command::new(env!("CARGO_BIN_EXE_reverie"))
        .args(["record", "--episodes", "1", "--frames", "2", "--size", SIZE, "--out"])
        .arg(&out)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // As `reverie record | head -0`.
    drop(recording.stdout.take());
    assert!(recording.wait().unwrap().success());
    assert!(names(&out).contains(&"sheet.png".to_owned()), "{:?}", names(&out));
}

#[test]
fn nothing_is_played_with_bad_input() {
    let dir = folder("play_faults");
    let out = dir.join("out");
    let play = || {
        Program::new(&["play", "--headless", "--frames", "2", "--lockstep"])
            .with("--out", &out)
            .with("--model", tiny_model())
    };
    play().with("--style", "noir").fails_with(&["noir", "noon"]);
    for size in ["64", "64x", "0x0", "64x99999", "-1x40"] {
        play().word(format!("--size={size}")).fails_with(&[size, "128x72"]);
    }
    play().without_vulkan().fails_with(&["no Vulkan adapter", "mesa-vulkan-drivers"]);

    let script = dir.join("walk.ron");
    play().with("--script", &script).fails_with(&["walk.ron"]);
    for (text, word) in [
        ("(steps: [(from_tick: 0, to_tick: 5", "walk.ron"),
        ("(steps: [(from_tick: 0, to_tick: 5, action: (wolk: (0.0, 1.0)))])", "wolk"),
        ("(steps: [(from_tick: 5, to_tick: 5, action: ())])", "step 0"),
        ("\u{0}\u{1}\u{2}", "walk.ron"),
    ] {
        fs::write(&script, text).unwrap();
        play().with("--script", &script).fails_with(&["walk.ron", word]);
    }

    let prompt = dir.join("prompt.png");
    play().with("--prompt", &prompt).fails_with(&["prompt.png"]);
    fs::write(&prompt, "no picture at all").unwrap();
    play().with("--prompt", &prompt).fails_with(&["prompt.png"]);
    fs::write(&prompt, [&b"\x89PNG\r\n\x1a\n"[..], &[0xFF; 64]].concat()).unwrap();
    play().with("--prompt", &prompt).fails_with(&["prompt.png"]);
    assert!(!out.exists(), "{:?}", names(&out));
}

#[test]
fn what_cannot_be_written_is_one_line() {
    let dir = folder("unwritable");
    let file = dir.join("file");
    fs::write(&file, "in the way").unwrap();
    let play = || Program::new(&["play", "--headless", "--frames", "2", "--model", "paint"]);
    play().with("--out", &file).fails_with(&["file", "--out"]);
    play().with("--out", file.join("deep")).fails_with(&["file/deep", "--out"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
    assert_eq!(names(&dir), ["file"]);

    Program::new(&["doctor"]).with("--json", &dir).fails_with(&["unwritable"]);
}

#[test]
fn the_doctor_tells_what_is_there() {
    let path = folder("doctor").join("doctor.json");
    let said = Program::new(&["doctor"]).with("--json", &path).succeeds();
    let report = json(&path);
    let adapter = report["adapters"][0]["name"].as_str().expect("an adapter").to_owned();
    assert!(said.contains(&adapter), "no {adapter} in {said}");

    let said = Program::new(&["doctor"]).without_vulkan().succeeds();
    assert!(said.contains("mesa-vulkan-drivers"), "{said}");
}
