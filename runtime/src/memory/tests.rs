use glam::{Quat, Vec3};
use reverie_guard::{Body, BodyKind, CameraPose, Pose, ShadowSnapshot, Shape};

use super::*;
use crate::files::write_atomically;

const WIDTH: usize = 64;
const HEIGHT: usize = 40;

fn cuboid(id: u64, half_extents_m: Vec3, at_m: Vec3) -> Body {
    Body {
        id,
        shape: Shape::Cuboid { half_extents_m },
        world_from_body: Pose::new(Quat::IDENTITY, at_m),
        linear_velocity_m_s: Vec3::ZERO,
        angular_velocity_rad_s: Vec3::ZERO,
        kind: BodyKind::Dynamic,
        material: 3,
        tint_srgb: Some([0.2, 0.4, 0.6]),
    }
}

fn snapshot(bodies: Vec<Body>) -> ShadowSnapshot {
    ShadowSnapshot {
        tick: 0,
        time_s: 0.0,
        camera: CameraPose {
            world_from_camera: Pose::new(Quat::IDENTITY, Vec3::new(0.0, 1.0, 4.0)),
            vertical_fov_rad: 1.0,
        },
        bodies,
        sun_direction: Vec3::new(0.4, 0.8, 0.4).normalize(),
    }
}

fn yard() -> Vec<Body> {
    vec![
        cuboid(1, Vec3::new(10.0, 0.5, 10.0), Vec3::new(0.0, -0.5, 0.0)),
        cuboid(2, Vec3::splat(0.7), Vec3::new(0.0, 0.7, 0.0)),
    ]
}

fn view(bodies: Vec<Body>, style: &StyleWeights) -> ShadowView {
    ShadowView::new(&snapshot(bodies), style, WIDTH, HEIGHT, true)
}

/// Remembers a picture of one colour, many times.
fn remembering(colour: f32) -> SharedMemory {
    let memory = SharedMemory::new(4 << 20);
    let view = view(yard(), &StyleWeights::NOON);
    for _ in 0..10 {
        let mut memory = memory.lock();
        memory.announce(&view, &StyleWeights::NOON);
        memory.write(&view, &vec![colour; 3 * WIDTH * HEIGHT], |_| 1.0);
    }
    memory
}

/// Mean colour and confidence of the crate's pixels.
fn crate_of(memory: &SharedMemory, bodies: Vec<Body>, style: &StyleWeights) -> (f32, f32) {
    let view = view(bodies, style);
    let (mut rgb, mut confidence) = (vec![0.0; 3 * WIDTH * HEIGHT], vec![0.0; WIDTH * HEIGHT]);
    let mut memory = memory.lock();
    memory.announce(&view, style);
    memory.read(&view, &mut rgb, &mut confidence);
    assert!(rgb.iter().chain(&confidence).all(|v| v.is_finite()));
    let on_crate: Vec<usize> =
        (0..WIDTH * HEIGHT).filter(|p| view.maps.primitive[*p] == 1).collect();
    let mean = |f: &dyn Fn(usize) -> f32| {
        on_crate.iter().map(|p| f(*p)).sum::<f32>() / on_crate.len() as f32
    };
    (mean(&|p| rgb[3 * p]), mean(&|p| confidence[p]))
}

#[test]
fn another_style_lowers_confidence_and_the_same_one_does_not() {
    let memory = remembering(0.6);
    let (_, noon) = crate_of(&memory, yard(), &StyleWeights::NOON);
    assert!(noon > 0.6, "{noon}");
    let night = StyleWeights::pure("night").unwrap();
    let (_, at_night) = crate_of(&memory, yard(), &night);
    assert!(at_night < 0.6 * noon, "{at_night} of {noon}");
    let half = StyleWeights([0.98, 0.02, 0.0, 0.0, 0.0]);
    assert!((crate_of(&remembering(0.6), yard(), &half).1 - noon).abs() < 0.02);
}

#[test]
fn another_tint_is_another_look() {
    let memory = remembering(0.6);
    let mut bodies = yard();
    bodies[1].tint_srgb = Some([0.9, 0.1, 0.1]);
    assert_eq!(crate_of(&memory, bodies, &StyleWeights::NOON).1, 0.0);
}

#[test]
fn a_saved_memory_is_the_same_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/level.memory");
    let memory = remembering(0.6);
    let before = crate_of(&memory, yard(), &StyleWeights::NOON);
    memory.save(&path).unwrap();
    let restarted = SharedMemory::new(4 << 20);
    restarted.load(&path).unwrap();
    let mut bodies = yard();
    bodies.iter_mut().for_each(|body| body.id += 77);
    let after = crate_of(&restarted, bodies, &StyleWeights::NOON);
    assert!((before.0 - after.0).abs() < 1e-3 && (before.1 - after.1).abs() < 1e-2);
    // Saved again before a body was seen, nothing is lost.
    let unseen = SharedMemory::new(4 << 20);
    unseen.load(&path).unwrap();
    unseen.save(&path).unwrap();
    unseen.load(&path).unwrap();
    assert!(crate_of(&unseen, yard(), &StyleWeights::NOON).1 > 0.6);
}

#[test]
fn damaged_and_foreign_files_are_refused_in_one_line_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("level.memory");
    let memory = remembering(0.6);
    memory.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let before = crate_of(&memory, yard(), &StyleWeights::NOON);
    let refuse = |bytes: &[u8], word: &str| {
        write_atomically(&path, bytes).unwrap();
        let line = memory.load(&path).unwrap_err().to_string();
        assert!(line.contains(word) && line.lines().count() == 1, "{line}");
        assert!(line.contains("level.memory"), "{line}");
        assert_eq!(crate_of(&memory, yard(), &StyleWeights::NOON), before);
    };
    refuse(b"PK\x03\x04 something else", "not a memory");
    refuse(b"", "not a memory");
    for cut in [8, 11, 40, 52, whole.len() / 2, whole.len() - 1] {
        refuse(&whole[..cut], "damaged");
    }
    for at in [20, 60, whole.len() / 2, whole.len() - 1] {
        let mut bent = whole.clone();
        bent[at] ^= 0x40;
        refuse(&bent, "damaged");
    }
    let mut newer = whole.clone();
    newer[8] = 9;
    refuse(&newer, "format 9");
    // A sound checksum over nonsense.
    for payload in [vec![], vec![0xFF; 30], [vec![0; 21], vec![0xFF; 8]].concat()] {
        let mut forged = whole[..12].to_vec();
        forged.extend((payload.len() as u64).to_le_bytes());
        forged.extend(<sha2::Sha256 as sha2::Digest>::digest(&payload));
        forged.extend(payload);
        refuse(&forged, "damaged");
    }
    assert!(memory.load(&dir.path().join("none")).unwrap_err().to_string().contains("cannot read"));
}

#[test]
fn a_disk_that_refuses_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    // A folder of that name stands in for a disk that takes nothing: even root cannot write there.
    let path = dir.path().join("taken");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("kept"), b"x").unwrap();
    let line = remembering(0.6).save(&path).unwrap_err().to_string();
    assert!(line.contains("cannot write") && line.contains("taken"), "{line}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn whoever_looks_at_the_figures_does_not_wait() {
    let memory = remembering(0.6);
    let stats = memory.lock().stats();
    memory.publish(stats, WIDTH, &vec![0.5; WIDTH * HEIGHT]);
    let _model_is_busy = memory.lock();
    assert!(memory.stats().texels > 1000);
    assert_eq!((memory.confidence().width, memory.confidence().height), (WIDTH, HEIGHT));
    assert_eq!(memory.confidence().values[7], 127);
}

#[test]
fn teleports_and_resized_bodies_leave_it_sane_and_within_its_bytes() {
    let memory = SharedMemory::new(1 << 20);
    for jump in 0..60 {
        let mut bodies = yard();
        bodies[1].shape = Shape::Cuboid { half_extents_m: Vec3::splat(0.3 + 0.01 * jump as f32) };
        let mut snapshot = snapshot(bodies);
        let (sin, cos) = (jump as f32 * 2.4).sin_cos();
        snapshot.camera.world_from_camera = Pose::new(
            Quat::from_rotation_y(jump as f32),
            Vec3::new(8.0 * sin, 0.6 + cos.abs(), 8.0 * cos),
        );
        let view = ShadowView::new(&snapshot, &StyleWeights::NOON, WIDTH, HEIGHT, true);
        let (mut rgb, mut confidence) = (vec![0.0; 3 * WIDTH * HEIGHT], vec![0.0; WIDTH * HEIGHT]);
        let mut memory = memory.lock();
        memory.announce(&view, &StyleWeights::NOON);
        memory.read(&view, &mut rgb, &mut confidence);
        assert!(rgb.iter().chain(&confidence).all(|v| v.is_finite()));
        // The crate is another size than a moment ago: nothing of the old one is left on it.
        let on_crate = |p: &usize| view.maps.primitive[*p] == 1;
        assert!((0..WIDTH * HEIGHT).filter(on_crate).all(|p| confidence[p] == 0.0));
        memory.write(&view, &vec![0.4; 3 * WIDTH * HEIGHT], |_| 1.0);
        assert!(memory.stats().bytes <= 1 << 20 && memory.stats().bodies == 2);
    }
}
