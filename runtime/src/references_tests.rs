use glam::Quat;
use reverie_guard::{Body, BodyKind, ShadowSnapshot, Shape};

use reverie_kernels::warp::warp;

use super::*;

fn frame(snapshot: &ShadowSnapshot) -> PastFrame {
    let view = ShadowView::new(snapshot, &StyleWeights::NOON, 64, 36, true);
    PastFrame::new(view.scene(), &view.camera, &view.maps, vec![0.5; 3 * 64 * 36])
}

/// A wall behind a camera that then paces before another wall, to and fro.
fn snapshot(at_m: Vec3, yaw: f32) -> ShadowSnapshot {
    let wall = |id, z| Body {
        id,
        shape: Shape::Cuboid { half_extents_m: Vec3::new(30.0, 3.0, 0.2) },
        world_from_body: Pose::new(Quat::IDENTITY, Vec3::new(0.0, 2.0, z)),
        linear_velocity_m_s: Vec3::ZERO,
        angular_velocity_rad_s: Vec3::ZERO,
        kind: BodyKind::Fixed,
        material: 4,
        tint_srgb: None,
    };
    ShadowSnapshot {
        tick: 0,
        time_s: 0.0,
        camera: CameraPose {
            world_from_camera: Pose::new(Quat::from_rotation_y(yaw), at_m),
            vertical_fov_rad: 1.0,
        },
        bodies: vec![wall(1, -6.0), wall(2, 6.0)],
        sun_direction: Vec3::Y,
    }
}

#[test]
fn the_only_view_of_a_place_outlives_many_of_another() {
    let mut references = References::default();
    let behind = snapshot(Vec3::ZERO, std::f32::consts::PI);
    references.commit(frame(&behind), StyleWeights::NOON);
    for step in 0..400 {
        let along = 4.0 * (step as f32 * 0.37).sin();
        let near = Vec3::new(along, 0.0, -1.5 * (step as f32 * 0.23).cos());
        references
            .commit(frame(&snapshot(near, 0.3 * (step as f32 * 0.11).sin())), StyleWeights::NOON);
    }
    assert_eq!(references.keys.len(), MOST_KEYS);
    let view = ShadowView::new(&behind, &StyleWeights::NOON, 64, 36, true);
    let mut candidates = Candidates::default();
    candidates.clear(64 * 36);
    references.read(&view, &mut candidates);
    let known = candidates.key_valid.iter().filter(|v| **v > 0.0).count();
    assert!(known > 64 * 36 / 2, "{known} pixels");
}

#[test]
fn counts_stay_true_when_keyframes_go() {
    let mut references = References::default();
    for step in 0..80 {
        let at_m = Vec3::new(step as f32, 0.0, 0.0);
        references.commit(frame(&snapshot(at_m, 0.1)), StyleWeights::NOON);
    }
    for (index, key) in references.keys.iter().enumerate() {
        let mut fresh = Key::new(key.frame.clone(), key.style);
        let others = references.keys.iter().enumerate().filter(|(other, _)| *other != index);
        others.for_each(|(_, other)| {
            fresh.count(&shared_view(&fresh.frame, &other.frame, SHARED_STRIDE), 1);
        });
        assert_eq!(fresh.shared, key.shared, "keyframe {index}");
    }
}

/// What [`References::read`] does, map by map.
fn read_plainly(references: &References, view: &ShadowView, candidates: &mut Candidates) -> bool {
    candidates.clear(view.maps.width * view.maps.height);
    let last = references.last.as_ref().unwrap();
    let (rgb, valid) = (&mut candidates.last, &mut candidates.last_valid);
    warp(view.scene(), &view.camera, &view.maps, &last.frame, rgb, valid);
    let keys: Vec<&PastFrame> = references.keys.iter().map(|k| &k.frame).collect();
    let used = layer_keys(&keys, view, candidates);
    for pixel in 0..candidates.key_valid.len() {
        if candidates.key_fineness[pixel] >= FINE_ENOUGH && !view.moves(pixel) {
            let rgb = 3 * pixel..3 * pixel + 3;
            candidates.last[rgb.clone()].copy_from_slice(&candidates.key[rgb]);
            candidates.last_valid[pixel] = candidates.key_valid[pixel];
        }
    }
    used
}

#[test]
fn one_pass_on_any_cores_reads_what_map_by_map_is_read() {
    let mut references = References::default();
    for step in 0..24 {
        let at_m = Vec3::new(0.5 * step as f32 - 6.0, 0.1 * (step % 3) as f32, 0.4);
        let mut past = frame(&snapshot(at_m, 0.4 * (step as f32).sin()));
        for (value, number) in past.rgb.iter_mut().zip(0..) {
            *value = 0.5 + 0.4 * (0.37 * number as f32 + step as f32).sin();
        }
        references.commit(past, StyleWeights::NOON);
    }
    let mut now = snapshot(Vec3::new(1.3, 0.2, -0.7), 0.25);
    now.bodies[0].kind = BodyKind::Dynamic;
    now.bodies[0].linear_velocity_m_s = Vec3::X;
    let view = ShadowView::new(&now, &StyleWeights::NOON, 64, 36, true);
    let mut plain = Candidates::default();
    let used = read_plainly(&references, &view, &mut plain);
    assert!(used && plain.key_valid.iter().filter(|v| **v > 0.0).count() > 64 * 36 / 3);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    // Whatever was there before.
    let mut found = plain.clone();
    found.last.iter_mut().chain(&mut found.key_valid).for_each(|v| *v = 0.9 - *v);
    let mut shared = found.clone();
    let alone = references.read(&view, &mut found);
    assert_eq!((alone, pool.install(|| references.read(&view, &mut shared))), (used, used));
    for read in [&found, &shared] {
        assert!(read.last == plain.last && read.last_valid == plain.last_valid);
        assert!(read.key == plain.key && read.key_valid == plain.key_valid);
        assert!(read.key_fineness == plain.key_fineness);
    }
}
