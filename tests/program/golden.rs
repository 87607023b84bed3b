//! Shadow paint of a small scene against a picture that was looked at.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use glam::{Quat, Vec3};
use reverie_guard::{Body, BodyKind, CameraPose, Pose, ShadowSnapshot, Shape};
use reverie_runtime::files::write_png;
use reverie_runtime::model::{ShadowPaint, WorldModel};
use reverie_runtime::request::{DreamMode, DreamRequest};
use reverie_runtime::style::{STYLE_NAMES, StyleWeights};

const WIDTH: u32 = 128;
const HEIGHT: u32 = 72;

/// A floor, a wall, and one body of each round or square kind before it, some with a tint.
fn scene() -> ShadowSnapshot {
    let mut bodies = Vec::new();
    let mut add = |shape: Shape, at: Vec3, turn: Quat, material: u8, tint: Option<[f32; 3]>| {
        bodies.push(Body {
            id: bodies.len() as u64,
            shape,
            world_from_body: Pose::new(turn, at),
            linear_velocity_m_s: Vec3::ZERO,
            angular_velocity_rad_s: Vec3::ZERO,
            kind: BodyKind::Fixed,
            material,
            tint_srgb: tint,
        });
    };
    let cuboid = |x, y, z| Shape::Cuboid { half_extents_m: Vec3::new(x, y, z) };
    let none = Quat::IDENTITY;
    add(cuboid(12.0, 0.5, 12.0), Vec3::new(0.0, -0.5, 0.0), none, 2, None);
    add(cuboid(4.0, 1.5, 0.25), Vec3::new(0.0, 1.5, -5.0), none, 4, None);
    let (red, blue) = (Some([0.8, 0.2, 0.15]), Some([0.2, 0.3, 0.8]));
    let turned = Quat::from_rotation_y(0.5);
    add(cuboid(0.5, 0.5, 0.5), Vec3::new(-1.6, 0.5, -3.0), turned, 8, red);
    add(Shape::Ball { radius_m: 0.5 }, Vec3::new(0.0, 0.5, -2.6), none, 10, blue);
    let pillar = Shape::Cylinder { half_height_m: 1.0, radius_m: 0.3 };
    add(pillar, Vec3::new(1.6, 1.0, -3.2), none, 6, None);
    ShadowSnapshot {
        tick: 0,
        time_s: 0.0,
        camera: CameraPose {
            world_from_camera: Pose::new(Quat::from_rotation_x(-0.15), Vec3::new(0.0, 1.6, 1.5)),
            vertical_fov_rad: 1.0,
        },
        bodies,
        sun_direction: Vec3::new(0.5, 0.7, 0.5).normalize(),
    }
}

fn painted(style: &str) -> image::RgbImage {
    let request = DreamRequest {
        id: 0,
        snapshot: Arc::new(scene()),
        action: Default::default(),
        style: StyleWeights::pure(style).unwrap(),
        condition_strength: 1.0,
        mode: DreamMode::Anchored,
        reset: false,
        input_at: Instant::now(),
        requested_at: Instant::now(),
    };
    let frame = ShadowPaint::new(WIDTH, HEIGHT).append_frame(&request).unwrap();
    image::RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let at = 4 * (y * WIDTH + x) as usize;
        image::Rgb([frame.rgba[at], frame.rgba[at + 1], frame.rgba[at + 2]])
    })
}

/// All styles, one below the other. After a wanted change `REVERIE_GOLDEN=write` replaces the stored picture:
/// look at it before it is committed.
#[test]
fn shadow_paint_looks_as_it_did() {
    let mut sheet = image::RgbImage::new(WIDTH, HEIGHT * STYLE_NAMES.len() as u32);
    for (row, style) in STYLE_NAMES.iter().enumerate() {
        image::imageops::replace(&mut sheet, &painted(style), 0, i64::from(HEIGHT) * row as i64);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = root.join("tests/golden/shadow_paint.png");
    if std::env::var_os("REVERIE_GOLDEN").is_some_and(|v| v == "write") {
        write_png(&golden, &sheet).unwrap();
    }
    let stored = image::open(&golden).unwrap().to_rgb8();
    assert_eq!(stored.dimensions(), sheet.dimensions());

    // Another processor may round an edge to the other side; a surface does not change its colour.
    let pairs = stored.as_raw().chunks_exact(3).zip(sheet.as_raw().chunks_exact(3));
    let farthest = |(a, b): (&[u8], &[u8])| (0..3).map(|c| a[c].abs_diff(b[c])).max();
    let differing = pairs.map(farthest).filter(|far| *far > Some(3)).count();
    let share = differing as f64 / f64::from(sheet.width() * sheet.height());
    if share > 0.001 {
        let found = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shadow_paint.png");
        write_png(&found, &sheet).unwrap();
        panic!(
            "{:.2} % of the pixels differ; compare {} with tests/golden/shadow_paint.png",
            100.0 * share,
            found.display()
        );
    }
}
