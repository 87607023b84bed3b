//! `reverie sketch`, and levels and sketches in `reverie play`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bevy_reverie::level::Level;
use image::{Rgb, RgbImage};
use serde_json::Value;

use super::support::{Program, folder, json, names};

const HOUSE: [&str; 9] = [
    "################",
    "#S.....#.......#",
    "#......#..o....#",
    "#......y.......#",
    "#......#....~~.#",
    "###.####....~~.#",
    "#..............#",
    "#............G.#",
    "################",
];

/// Tiles of `px` pixels in the default legend's colours.
fn draw(path: &Path, rows: &[&str], px: u32) {
    let (width, height) = (rows[0].len() as u32, rows.len() as u32);
    let picture = RgbImage::from_fn(width * px, height * px, |x, y| {
        Rgb(match rows[(y / px) as usize].as_bytes()[(x / px) as usize] {
            b'#' => [0, 0, 0],
            b'~' => [0x20, 0x60, 0xE0],
            b'S' => [0x10, 0xA0, 0x30],
            b'G' => [0xE0, 0x20, 0x20],
            b'o' => [0x8B, 0x5A, 0x2B],
            b'y' => [0xFF, 0xE0, 0x00],
            _ => [0xFF, 0xFF, 0xFF],
        })
    });
    picture.save(path).unwrap();
}

fn sketch(image: &Path) -> Program {
    Program::new(&["sketch", "--metres-per-pixel", "0.1"]).word(image)
}

fn play(world: &Path, frames: &str) -> Program {
    Program::new(&[
        "play",
        "--headless",
        "--model",
        "paint",
        "--size",
        "160x90",
        "--frames",
        frames,
    ])
    .word(world)
}

#[test]
fn a_picture_becomes_a_level_with_all_that_goes_with_it() {
    let dir = folder("sketch");
    let image = dir.join("house.png");
    draw(&image, &HOUSE, 8);
    let figures = dir.join("house.json");
    let said = sketch(&image).word("--walk").with("--json", &figures).succeeds();
    assert!(said.contains("reverie play"), "{said}");
    let expected = [
        "house.depth.png",
        "house.first_frame.png",
        "house.glb",
        "house.json",
        "house.level.ron",
        "house.png",
        "house.preview.png",
    ];
    assert_eq!(names(&dir), expected);

    let figures = json(&figures);
    assert_eq!(figures["accepted"], true);
    let plan = &figures["plan"];
    let rows: Vec<&str> =
        plan["rows"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(rows.len() as u64, plan["height"].as_u64().unwrap());
    assert!(rows.iter().all(|row| row.chars().count() as u64 == plan["width"].as_u64().unwrap()));
    let all: String = rows.concat();
    for mark in ["#", ".", "~", "S", "G", "o"] {
        assert!(all.contains(mark), "no {mark} in {rows:#?}");
    }
    let near = |key: &str, x: f64, y: f64| {
        let at = |i: usize| figures[key][i].as_f64().unwrap();
        (at(0) - x).abs() < 0.3 && (at(1) - y).abs() < 0.3
    };
    assert!(near("spawn_m", 1.2, 1.2) && near("goal_m", 10.8, 6.0), "{figures:#}");
    assert_eq!(figures["rooms"], 3, "{figures:#}");
    assert_eq!(figures["walk"]["reached"], true, "{figures:#}");
    assert!(
        figures["reachable_cells"].as_u64() > Some(50) && figures["time_ms"].as_f64() > Some(0.0)
    );

    let level = Level::load(dir.join("house.level.ron")).unwrap();
    assert!(level.is_free(level.spawn_m) && level.bodies.len() < 40);
    let depth = image::open(dir.join("house.depth.png")).unwrap();
    let depth = depth.as_luma16().expect("16 bits a pixel");
    assert!(
        depth.pixels().any(|mm| mm.0[0] < 3_000) && depth.pixels().any(|mm| mm.0[0] == u16::MAX)
    );
}

#[test]
fn a_refused_sketch_says_where_and_leaves_what_was_there() {
    let dir = folder("sketch_refused");
    let image = dir.join("house.png");
    draw(&image, &HOUSE, 8);
    sketch(&image).succeeds();
    let before = fs::read(dir.join("house.level.ron")).unwrap();
    let mut walled_in = HOUSE;
    walled_in[6] = "################";
    draw(&image, &walled_in, 8);
    let figures = dir.join("figures.json");
    sketch(&image).with("--json", &figures).fails_with(&["house.png"]);
    let figures = json(&figures);
    assert_eq!(figures["accepted"], false);
    assert!(
        figures["reason"].as_str().is_some_and(|reason| reason.contains("goal")),
        "{figures:#}"
    );
    assert!(names(&dir).contains(&"house.refused.preview.png".to_owned()), "{:?}", names(&dir));
    assert_eq!(fs::read(dir.join("house.level.ron")).unwrap(), before);

    draw(&image, &HOUSE, 8);
    sketch(&image).succeeds();
    assert!(!names(&dir).contains(&"house.refused.preview.png".to_owned()));
}

#[test]
fn what_is_no_sketch_and_no_level_is_one_line() {
    let dir = folder("sketch_faults");
    let image = dir.join("a.png");
    sketch(&image).fails_with(&["a.png"]);
    sketch(&dir).fails_with(&["sketch_faults", "folder"]);
    fs::write(&image, "").unwrap();
    sketch(&image).fails_with(&["a.png"]);
    fs::write(&image, "(version: 1)").unwrap();
    play(&image, "2").fails_with(&["a.png"]);
    draw(&image, &HOUSE, 8);
    Program::new(&["sketch", "--metres-per-pixel", "NaN"]).word(&image).fails_with(&["NaN"]);
    Program::new(&["sketch", "--mode", "cubist"]).word(&image).fails_with(&["cubist", "drawn"]);
    let legend = dir.join("legend.ron");
    sketch(&image).with("--legend", &legend).fails_with(&["legend.ron"]);
    fs::write(&legend, "(entries: [])").unwrap();
    sketch(&image).with("--legend", &legend).fails_with(&["legend.ron", "Wall"]);
    assert_eq!(names(&dir), ["a.png", "legend.ron"]);
    let blocked = image.join("deep");
    sketch(&image).with("--out", blocked).fails_with(&["a.png", "--out"]);

    let level = dir.join("a.level.ron");
    play(&level, "2").fails_with(&["a.level.ron"]);
    play(&dir, "2").fails_with(&["sketch_faults"]);
    for (text, word) in [
        ("", "line 1"),
        ("(version: 99, level: ())", "version 99"),
        ("(version: 1, level: (name: \"a\", spawn_m: (NaN, 0, 0), bodies: []))", "stand on"),
        ("(version: 1, level: 5)", "line 1"),
    ] {
        fs::write(&level, text).unwrap();
        play(&level, "2").fails_with(&["a.level.ron", word]);
    }
}

#[test]
fn a_bot_plays_a_level_and_a_save_changes_it_under_way() {
    let dir = folder("sketch_live");
    let image = dir.join("house.png");
    draw(&image, &HOUSE, 8);
    let out = dir.join("out");
    let scale = ["--metres-per-pixel", "0.1"];
    let mut run = play(&image, "210").with(scale[0], scale[1]).with("--out", &out).start();
    run.wait_for("pictures", || out.join("frame_00010.png").exists());

    // A wall is taken away, as editors save: emptied, half, whole; then a picture that is none.
    let mut opened = HOUSE;
    opened[1] = "#S.............#";
    let next = dir.join("next.png");
    draw(&next, &opened, 8);
    let bytes = fs::read(&next).unwrap();
    fs::write(&image, &bytes[..0]).unwrap();
    fs::write(&image, &bytes[..bytes.len() / 2]).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    fs::write(&image, &bytes).unwrap();
    std::thread::sleep(Duration::from_millis(2000));
    fs::write(&image, "not a picture").unwrap();
    run.finish().succeeded();

    let summary = json(&out.join("summary.json"));
    let live = &summary["live"];
    assert_eq!(live["saves"].as_array().map(Vec::len), Some(1), "{live:#}");
    let save = &live["saves"][0];
    assert!(save["spawned"].as_u64() > Some(0) && save["kept"].as_u64() > Some(4), "{live:#}");
    assert!(save["on_screen_ms"].as_f64().is_some(), "{live:#}");
    assert!(live["notice"].as_str().is_some_and(|why| why.contains("house.png")), "{live:#}");
    // The line about the bad save is drawn over the last picture.
    let last = image::open(out.join("frame_00209.png")).unwrap().to_rgb8();
    let reddish = last.pixels().filter(|p| p.0[0] > 60 && p.0[1] < 40 && p.0[2] < 40).count();
    assert!(reddish > 200, "{reddish} pixels of the line");
}
