//! What a person may rely on: sketches of every style are read, and whatever else comes is refused in one clear line.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::specimen::{self, Axis};
use super::*;

fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Two rooms with a doorway, a spawn and a goal, in pixels of 0 ink to 255 paper or in a colour.
fn two_rooms(x: u32, y: u32) -> [u8; 3] {
    let on = |at: u32, line: u32| at.abs_diff(line) < 3;
    let spans = (40..=360).contains(&x) && (40..=240).contains(&y);
    let is_wall = spans
        && (on(x, 40)
            || on(x, 360)
            || on(y, 40)
            || on(y, 240)
            || (on(x, 200) && !(120..150).contains(&y)));
    let near = |cx: u32, cy: u32| x.abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2) < 64;
    match (is_wall, near(100, 100), near(300, 180)) {
        (true, ..) => [0; 3],
        (_, true, _) => [16, 160, 48],
        (_, _, true) => [224, 32, 32],
        _ => [255; 3],
    }
}

fn options() -> SketchOptions {
    SketchOptions { metres_per_pixel: Some(1.0 / 30.0), ..SketchOptions::default() }
}

#[track_caller]
fn refused(bytes: &[u8], words: &[&str]) {
    let error = read_sketch(bytes, &SketchOptions::default()).map(|r| r.plan.rows()).unwrap_err();
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(words.iter().any(|word| text.contains(word)), "{text}");
}

#[test]
fn every_style_is_read_as_it_was_drawn() {
    let skipped = [Axis::Large];
    for (i, axis) in Axis::CLEAN.into_iter().chain(Axis::PHOTO).enumerate() {
        if skipped.contains(&axis) {
            continue;
        }
        let specimen = specimen::draw(700 + i as u64, axis);
        let reading = match read_sketch(&specimen.file, &specimen.options) {
            Ok(reading) => reading,
            Err(error) => panic!("{axis:?}: {error}"),
        };
        let score = specimen::score(&specimen, &reading);
        assert!(!score.is_wrong() && score.spawn_off_m < 0.5, "{axis:?}: {score:?}");
    }
}

#[test]
fn the_same_seed_draws_the_same_sketch() {
    let [a, b] = [7, 7].map(|seed| specimen::draw(seed, Axis::Everything));
    assert_eq!(a.file, b.file);
    assert_ne!(a.file, specimen::draw(8, Axis::Everything).file);
}

#[test]
fn pixels_of_any_depth_and_with_any_transparency_are_read() {
    let drawing = RgbImage::from_fn(400, 280, |x, y| Rgb(two_rooms(x, y)));
    let expected = read_sketch(&png(drawing.clone()), &options()).unwrap().plan;
    assert_eq!((expected.rooms, expected.is_goal_reachable()), (2, Some(true)));
    let sixteen = DynamicImage::ImageRgb8(drawing.clone()).into_rgb16();
    assert_eq!(read_sketch(&png(sixteen), &options()).unwrap().plan, expected);
    let clear = RgbaImage::from_fn(400, 280, |x, y| {
        let [r, g, b] = two_rooms(x, y);
        Rgba([r, g, b, if r == 255 && g == 255 { 0 } else { 255 }])
    });
    assert_eq!(read_sketch(&png(clear), &options()).unwrap().plan, expected);
    // Shape in the transparency alone, as some paint programs save masks.
    for ink in [0, 255] {
        let alpha =
            image::ImageBuffer::from_fn(400, 280, |x, y| LumaA([ink, 255 - two_rooms(x, y)[1]]));
        assert_eq!(
            read_sketch(&png(DynamicImage::ImageLumaA8(alpha)), &options()).unwrap().plan.rooms,
            2
        );
    }
    let grey = DynamicImage::ImageRgb8(drawing).into_luma8();
    assert_eq!(read_sketch(&png(grey), &options()).unwrap().plan.rooms, 2);
}

#[test]
fn what_is_no_picture_is_refused_in_one_line() {
    refused(b"", &["empty"]);
    refused(b"# My level\n\nwalls go here\n", &["text file"]);
    refused(b"GIF89a\x10\x00\x10\x00", &["GIF"]);
    refused(b"RIFF\x10\x00\x00\x00WEBPVP8 ", &["WebP"]);
    refused(&[0x89, b'P', b'N', b'G', 13, 10, 26, 10], &["no picture"]);
    let mut cut = png(RgbImage::from_fn(400, 280, |x, y| Rgb(two_rooms(x, y))));
    cut.truncate(cut.len() / 2);
    refused(&cut, &["no picture"]);
    let missing = read_sketch_file(std::path::Path::new("no/such/sketch.png"), &options());
    assert!(missing.unwrap_err().to_string().starts_with("cannot be read"));
}

#[test]
fn a_huge_picture_is_refused_before_it_is_decoded() {
    // The header of a PNG of 20,000 × 20,000 pixels, with nothing behind it.
    let mut bytes = png(image::GrayImage::new(1, 1));
    bytes[16..20].copy_from_slice(&20_000_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&20_000_u32.to_be_bytes());
    let error = read_sketch(&bytes, &options()).unwrap_err().to_string();
    // Its checksum is wrong, too: either is said.
    assert!(error.contains("20000") || error.contains("no picture"), "{error}");
    let qoi = [b"qoif".as_slice(), &20_000_u32.to_be_bytes(), &20_000_u32.to_be_bytes(), &[3, 0]]
        .concat();
    refused(&qoi, &["20000×20000"]);
}

#[test]
fn pictures_without_a_level_are_refused() {
    refused(&png(RgbImage::from_pixel(300, 200, Rgb([255; 3]))), &["one colour"]);
    refused(&png(RgbImage::from_pixel(300, 200, Rgb([0; 3]))), &["one colour"]);
    refused(&png(RgbImage::from_pixel(2, 200, Rgb([0; 3]))), &["too small"]);
    // White with a speck of dust.
    let speck =
        RgbImage::from_fn(300, 200, |x, y| Rgb([if (x, y) == (90, 90) { 60 } else { 255 }; 3]));
    refused(&png(speck), &["no walls"]);
    // Fur: soft blots of many shades, with noise.
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let fur = RgbImage::from_fn(400, 300, |x, y| {
        let (x, y) = (x as f32, y as f32);
        let soft = (x * 0.031 + (y * 0.017).sin() * 2.0).sin()
            + (y * 0.043 + (x * 0.011).cos() * 3.0).sin();
        let value = 120.0 + 45.0 * soft + rng.random_range(-25.0..25.0);
        Rgb([value as u8, (value * 0.85) as u8, (value * 0.7) as u8])
    });
    refused(&png(fur), &["no drawing", "too unclear"]);
    let noise = image::GrayImage::from_fn(300, 300, |_, _| Luma([rng.random()]));
    refused(&png(noise), &["no drawing", "too unclear"]);
}

#[test]
fn a_goal_behind_walls_is_refused_with_its_place_and_the_plan() {
    let shut = RgbImage::from_fn(400, 280, |x, y| {
        Rgb(if x.abs_diff(200) < 3 && (40..240).contains(&y) { [0; 3] } else { two_rooms(x, y) })
    });
    let Err(SketchError::Refused(refusal)) = read_sketch(&png(shut), &options()) else {
        panic!("a goal that cannot be reached");
    };
    assert_eq!(refusal.reason, RefusalReason::GoalWalledIn);
    let at_m = refusal.at_m.unwrap();
    assert!(at_m.distance(glam::Vec2::new(10.0, 6.0)) < 0.3, "{at_m}");
    assert!(refusal.plan.is_some() && refusal.page.is_some());
}

#[test]
fn repairs_are_reported_with_their_places() {
    // A slip of the pen of 5 pixels in the north wall; no spawn.
    let slipped = RgbImage::from_fn(400, 280, |x, y| {
        let is_gap = (100..105).contains(&x) && y < 60;
        let colour = two_rooms(x, y);
        Rgb(if is_gap || colour[1] == 160 { [255; 3] } else { colour })
    });
    let reading = read_sketch(&png(slipped), &options()).unwrap();
    let at = |kind| reading.warnings.iter().find(|w| w.kind == kind).and_then(|w| w.at_m);
    let gap_m = at(WarningKind::GapClosed).expect("a closed gap");
    assert!(gap_m.distance(glam::Vec2::new(102.5, 40.0) / 30.0) < 0.3, "{gap_m}");
    assert!(at(WarningKind::Spawn).is_some(), "{:?}", reading.warnings);
    assert_eq!(reading.plan.is_goal_reachable(), Some(true));
}

#[test]
fn damaged_files_and_random_pictures_never_panic() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let files = specimen::small_files();
    for file in &files {
        assert!(decode::decode(file).is_ok());
    }
    for i in 0..4000 {
        let bytes = if i % 3 == 0 {
            specimen::random_picture(&mut rng)
        } else {
            specimen::mutate(&files[i % files.len()], &mut rng)
        };
        let mode = [None, Some(Mode::HandDrawn), Some(Mode::PixelGrid)][rng.random_range(0..3)];
        let options = SketchOptions { mode, ..SketchOptions::default() };
        if let Err(error) = read_sketch(&bytes, &options) {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }
}

#[test]
fn a_jpeg_in_printing_colours_is_decoded() {
    // Sixteen by sixteen pixels of cyan, magenta, yellow and black, all coefficients zero.
    let segment = |marker: u8, body: &[u8]| {
        let length = (body.len() as u16 + 2).to_be_bytes();
        [&[0xff, marker], length.as_slice(), body].concat()
    };
    let table = |class: u8| [&[class, 1], [0; 15].as_slice(), &[0]].concat();
    let components =
        |bytes: &[u8]| (1..=4).flat_map(|c| [&[c], bytes].concat()).collect::<Vec<u8>>();
    let frame = [&[8, 0, 16, 0, 16, 4], components(&[0x11, 0]).as_slice()].concat();
    let scan = [&[4], components(&[0]).as_slice(), &[0, 63, 0]].concat();
    let file = [
        vec![0xff, 0xd8],
        segment(0xee, b"Adobe\0\x64\0\0\0\0\0"),
        segment(0xdb, &[&[0], [1; 64].as_slice()].concat()),
        segment(0xc0, &frame),
        segment(0xc4, &table(0x00)),
        segment(0xc4, &table(0x10)),
        segment(0xda, &scan),
        vec![0; 8],
        vec![0xff, 0xd9],
    ];
    refused(&file.concat(), &["one colour"]);
}

/// Lines 4 pixels wide on paper.
fn strokes(lines: &[[i32; 4]], paper: [u8; 3], ink: [u8; 3]) -> RgbImage {
    RgbImage::from_fn(600, 440, |x, y| {
        let (x, y) = (x as i32, y as i32);
        let on = |[x0, y0, x1, y1]: &[i32; 4]| {
            (x0 - 2..x1 + 2).contains(&x) && (y0 - 2..y1 + 2).contains(&y)
        };
        Rgb(if lines.iter().any(on) { ink } else { paper })
    })
}

/// Two rooms of 240 by 280 pixels, a doorway of 36 between their lines' ends.
const ROOMS: [[i32; 4]; 6] = [
    [60, 60, 540, 60],
    [60, 340, 540, 340],
    [60, 60, 60, 340],
    [540, 60, 540, 340],
    [300, 60, 300, 160],
    [300, 200, 300, 340],
];

#[test]
fn the_scale_comes_from_a_bar_or_else_from_the_doorways() {
    let hand_drawn = SketchOptions { mode: Some(Mode::HandDrawn), ..SketchOptions::default() };
    let read = |lines: &[[i32; 4]]| {
        read_sketch(&png(strokes(lines, [250; 3], [20; 3])), &hand_drawn).unwrap()
    };
    let by_door = read(&ROOMS);
    assert!(
        (by_door.page.pixels_per_metre - 36.0).abs() < 2.0,
        "{}",
        by_door.page.pixels_per_metre
    );
    assert!(by_door.warnings.iter().any(|w| w.kind == WarningKind::Scale));
    let bar = [[100, 400, 300, 400], [100, 390, 100, 410], [300, 390, 300, 410]];
    let by_bar = read(&[ROOMS.as_slice(), &bar].concat());
    // Five metres.
    assert!((by_bar.page.pixels_per_metre - 40.0).abs() < 1.0, "{}", by_bar.page.pixels_per_metre);
    assert!(by_bar.warnings.iter().all(|w| w.kind != WarningKind::Scale));
    assert_eq!((by_bar.plan.rooms, by_door.plan.rooms), (2, 2));
}

#[test]
fn blueprints_and_coloured_pens_are_drawings_too() {
    let options = SketchOptions {
        mode: Some(Mode::HandDrawn),
        metres_per_pixel: Some(0.025),
        ..SketchOptions::default()
    };
    for (paper, ink) in [([25, 60, 130], [245; 3]), ([30; 3], [230; 3]), ([250; 3], [30, 60, 160])]
    {
        let reading = read_sketch(&png(strokes(&ROOMS, paper, ink)), &options).unwrap();
        assert_eq!(reading.plan.rooms, 2, "{ink:?} on {paper:?}");
    }
}
