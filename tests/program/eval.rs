//! `reverie eval`.

use std::fs;
use std::path::Path;

use super::support::{
    EVAL_SEED, Program, copy_folder, episode, episodes, eval_episodes, folder, json, names,
    tiny_model,
};

fn eval(data: &Path, out: &Path) -> Program {
    Program::new(&["eval", "--threads", "1", "--steps"])
        .with("--data", data)
        .with("--model", tiny_model())
        .with("--out", out)
}

#[test]
fn rows_horizons_and_pictures_are_told() {
    let out = folder("eval").join("out");
    let said = eval(eval_episodes(), &out).succeeds();
    assert!(said.contains("autoregressive") && said.contains("warp_paint"), "{said}");

    let figures = json(&out.join("eval.json"));
    let number = |pointer: &str| {
        let value = figures.pointer(pointer).and_then(|value| value.as_f64());
        value.unwrap_or_else(|| panic!("no number at {pointer} in {figures:#}"))
    };
    for row in ["copy_last", "shadow_paint", "single_frame", "teacher_forced"] {
        for figure in ["psnr_db", "ssim", "flip", "seen_psnr_db"] {
            number(&format!("/rows/{row}/{figure}"));
        }
    }
    for row in [
        "warp_paint",
        "commanded_warp",
        "copy_prompt",
        "autoregressive",
        "tint_withheld",
        "wrong_shadow",
    ] {
        for horizon in [1, 8] {
            for figure in ["psnr_db", "ssim", "flip", "seen_psnr_db", "revealed_sharpness"] {
                number(&format!("/rows/{row}/{horizon}/{figure}"));
            }
        }
    }
    // What the pictures are sure to obey, however small the network is.
    let psnr_db = |row: &str| number(&format!("/rows/{row}/psnr_db"));
    assert!(psnr_db("warp_paint/1") > psnr_db("warp_paint/8"));
    assert!(psnr_db("warp_paint/1") > psnr_db("shadow_paint"));
    assert!(psnr_db("autoregressive/8") > psnr_db("wrong_shadow/8") + 1.0);
    let gain = psnr_db("autoregressive/8") - psnr_db("warp_paint/8");
    assert!((number("/gain_over_warp_paint_db/8") - gain).abs() < 1e-6);

    assert!(figures.pointer("/rows/autoregressive/16").is_none());
    let notes = figures["notes"].to_string();
    for left_out in ["horizon 16 left out", "cannot dream", "codec_ceiling left out"] {
        assert!(notes.contains(left_out), "{left_out}: {notes}");
    }
    for name in ["eval.json", "psnr.png", "strip_courtyard_1000000.png", "revealed.png"] {
        assert!(names(&out).iter().any(|n| n == name), "no {name} in {:?}", names(&out));
    }
}

#[test]
fn what_cannot_be_evaluated_is_one_line() {
    let dir = folder("eval_faults");
    let out = dir.join("out");
    eval(episodes(), &out).fails_with(&["6 frames", "20"]);
    eval(&dir.join("nowhere"), &out).fails_with(&["nowhere"]);
    let empty = dir.join("empty");
    fs::create_dir(&empty).unwrap();
    eval(&empty, &out).fails_with(&["no episodes", "empty", "reverie record"]);
    eval(episodes(), &out).with("--rows", "best").fails_with(&["best", "warp_paint"]);
    eval(episodes(), &out).with("--episodes", "0").fails_with(&["0"]);

    let old = dir.join("old");
    copy_folder(eval_episodes(), &old);
    let manifest = episode(&old, EVAL_SEED).join("episode.ron");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("version: 1", "version: 99", 1)).unwrap();
    eval(&old, &out).fails_with(&["courtyard_1000000", "version 99"]);
    assert!(names(&out).is_empty(), "{:?}", names(&out));

    let file = dir.join("file");
    fs::write(&file, "in the way").unwrap();
    eval(eval_episodes(), &file).fails_with(&["file", "--out"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}

#[test]
fn the_display_is_measured_on_scripted_motion() {
    let dir = folder("display");
    let (data, out) = (dir.join("data"), dir.join("out"));
    Program::new(&[
        "record",
        "--display",
        "--episodes",
        "1",
        "--frames",
        "14",
        "--size",
        "160x100",
    ])
    .with("--seed", EVAL_SEED.to_string())
    .with("--out", &data)
    .succeeds();
    let display = |data: &Path| {
        Program::new(&["eval", "--display", "--true-only", "--model-fps", "10", "--lead", "0"])
            .with("--model", tiny_model())
            .with("--data", data)
            .with("--out", &out)
    };
    let said = display(&data).succeeds();
    assert!(said.contains("bilinear") && said.contains("both, no age"), "{said}");
    let figures = json(&out.join("display.json"));
    let psnr_db = |motion: &str, fill: &str| -> f64 {
        let rows = figures["rows"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["motion"] == motion && row["fill"] == fill);
        row.and_then(|row| row["psnr_db"].as_f64()).expect("a row with a number")
    };
    // A fast turn leaves an unwarped picture far behind.
    assert!(psnr_db("turn", "both") > psnr_db("turn", "bilinear") + 2.0);
    for motion in ["walk", "throw", "all"] {
        assert!(psnr_db(motion, "both, no age") > 10.0);
    }
    assert!(names(&out).iter().any(|name| name.starts_with("display_turn")), "{:?}", names(&out));

    let empty = dir.join("empty");
    fs::create_dir_all(&empty).unwrap();
    display(&empty).fails_with(&["no episodes", "record --display"]);
    display(&data).with("--overscan", "3").fails_with(&["overscan", "1.25"]);
    display(eval_episodes()).with("--model-fps", "0").fails_with(&["at least 1"]);
}
