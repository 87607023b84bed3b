use glam::Quat;
use proptest::prelude::*;

use super::label::Sight;
use super::*;
use crate::check_request;
use crate::expected::{BodyKind, CameraPose, Shape};

const SIZE: (usize, usize) = (128, 72);
const GRAVITY: Vec3 = Vec3::new(0.0, -9.81, 0.0);

fn body(id: u64, kind: BodyKind, shape: Shape, at: [f32; 3]) -> Body {
    Body {
        id,
        shape,
        world_from_body: Pose::new(Quat::IDENTITY, Vec3::from_array(at)),
        linear_velocity_m_s: Vec3::ZERO,
        angular_velocity_rad_s: Vec3::ZERO,
        kind,
        material: (id % 16) as u8,
        tint_srgb: Some([0.5; 3]),
    }
}

fn cuboid(x: f32, y: f32, z: f32) -> Shape {
    Shape::Cuboid { half_extents_m: Vec3::new(x, y, z) }
}

/// Ground 1, a wall 2 across the view at 6 m, a crate 3 at rest, a ball 4 that is thrown, a far marble 5.
fn world(frame: usize) -> ShadowSnapshot {
    let t = 0.1 * frame as f32;
    let mut thrown = body(
        4,
        BodyKind::Dynamic,
        Shape::Ball { radius_m: 0.3 },
        [-1.5, 1.5 + 5.0 * t - 0.5 * 9.81 * t * t, -4.0],
    );
    thrown.linear_velocity_m_s = Vec3::new(0.0, 5.0 - 9.81 * t, 0.0);
    ShadowSnapshot {
        tick: 6 * frame as u64,
        time_s: f64::from(t),
        camera: CameraPose {
            world_from_camera: Pose::new(Quat::IDENTITY, Vec3::new(0.0, 1.6, 0.0)),
            vertical_fov_rad: std::f32::consts::FRAC_PI_3,
        },
        bodies: vec![
            body(1, BodyKind::Fixed, cuboid(20.0, 0.5, 20.0), [0.0, -0.5, 0.0]),
            body(2, BodyKind::Fixed, cuboid(6.0, 2.0, 0.2), [0.0, 2.0, -6.0]),
            body(3, BodyKind::Dynamic, cuboid(0.4, 0.4, 0.4), [1.0, 0.4, -4.0]),
            thrown,
            body(5, BodyKind::Dynamic, Shape::Ball { radius_m: 0.05 }, [0.5, 0.05, -5.0]),
        ],
        sun_direction: Vec3::Y,
    }
}

fn search(seed: u64) -> Search {
    Search { width: SIZE.0, height: SIZE.1, least_pixels: 24, gravity_m_s2: GRAVITY, seed }
}

proptest! {
    /// Whatever the fault: nothing but its body changes, nothing before its start, and what is drawn can be drawn.
    #[test]
    fn a_fault_changes_one_body_from_its_start_on(
        class in 0..FaultClass::ALL.len(), strength in 0.05f32..2.0, seed: u64, start in 1usize..4,
    ) {
        let class = FaultClass::ALL[class];
        let past: Vec<_> = (0..=start).map(world).collect();
        let fault = Fault::begin(class, strength, &past, &search(seed)).unwrap();
        prop_assert_eq!(&fault, &Fault::begin(class, strength, &past, &search(seed)).unwrap());
        let sight = Sight::draw(&world(start), SIZE.0, SIZE.1);
        prop_assert!(sight.pixels(fault.body) >= 24);
        for frame in 0..start {
            prop_assert_eq!(fault.drawn(&world(frame)), world(frame));
            prop_assert_eq!(fault.label(&world(frame), SIZE.0, SIZE.1), None);
        }
        for frame in start..start + 4 {
            let truth = world(frame);
            let drawn = fault.drawn(&truth);
            prop_assert_eq!(&drawn, &fault.drawn(&truth));
            for body in truth.bodies.iter().filter(|b| b.id != fault.body) {
                prop_assert!(drawn.bodies.contains(body));
            }
            let extra = drawn.bodies.len() as i32 - truth.bodies.len() as i32;
            let expected = match class {
                FaultClass::Erase | FaultClass::OpenWall => -1,
                FaultClass::Duplicate => 1,
                _ => 0,
            };
            prop_assert_eq!(extra, expected);
            prop_assert_eq!(drawn.camera, truth.camera);
            prop_assert_eq!(check_request(&mut drawn.clone()), Ok(vec![]));
        }
    }

    /// Displacements are as long as their strength says.
    #[test]
    fn strength_is_a_length(strength in 0.05f32..2.0, seed: u64) {
        let past = [world(0), world(1)];
        for class in [FaultClass::Lift, FaultClass::Teleport] {
            let fault = Fault::begin(class, strength, &past, &search(seed)).unwrap();
            let place = |s: &ShadowSnapshot| {
                s.bodies.iter().find(|b| b.id == fault.body).unwrap().world_from_body.translation_m
            };
            let moved_m = place(&fault.drawn(&world(2))).distance(place(&world(2)));
            prop_assert!((moved_m - strength).abs() < 1e-4, "{class:?}: {moved_m}");
        }
    }
}

#[test]
fn a_fault_takes_only_bodies_for_which_it_means_something() {
    let past = [world(0), world(1)];
    let bodies = |class: FaultClass, past: &[ShadowSnapshot]| -> Vec<u64> {
        let mut found: Vec<u64> = (0..40)
            .filter_map(|seed| Fault::begin(class, class.full_strength(), past, &search(seed)))
            .map(|fault| fault.body)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    assert_eq!(bodies(FaultClass::Erase, &past), [3, 4], "5 is too small, 1 and 2 are fixed");
    assert_eq!(bodies(FaultClass::Freeze, &past), [4]);
    assert_eq!(bodies(FaultClass::Lift, &past), [3]);
    assert_eq!(bodies(FaultClass::Jitter, &past), [3]);
    assert_eq!(bodies(FaultClass::OpenWall, &past), [2]);
    // Without a snapshot before nobody knows what rests.
    assert!(bodies(FaultClass::Lift, &past[1..]).is_empty());
    assert!(bodies(FaultClass::Freeze, &past[1..]).is_empty());
    let mut away = world(1);
    away.camera.world_from_camera.rotation = Quat::from_rotation_y(std::f32::consts::PI);
    assert!(
        FaultClass::ALL.iter().all(|class| bodies(*class, &[world(0), away.clone()]).is_empty())
    );
}

#[test]
fn labels_count_what_can_be_seen() {
    let past = [world(0), world(1)];
    let of = |class, strength| {
        let fault = (0..40)
            .filter_map(|seed| Fault::begin(class, strength, &past, &search(seed)))
            .find(|fault| fault.body != 4)
            .unwrap();
        fault.label(&world(2), SIZE.0, SIZE.1).unwrap()
    };
    let erased = of(FaultClass::Erase, 1.0);
    assert!(erased.drawn_px == 0 && erased.changed_px == erased.expected_px);
    assert!(erased.expected_px > 100, "{erased:?}");
    let (small, large) = (of(FaultClass::Scale, 0.1), of(FaultClass::Scale, 0.5));
    assert!(small.changed_px < large.changed_px, "{small:?} {large:?}");
    let twin = of(FaultClass::Duplicate, 2.0);
    assert!(twin.drawn_px >= 24 && twin.changed_px == twin.drawn_px, "{twin:?}");
    let swapped = of(FaultClass::Material, 1.0);
    assert_eq!(swapped.changed_px, swapped.expected_px);
    let sunk = of(FaultClass::Intrude, 0.4);
    assert!(sunk.drawn_px != sunk.expected_px, "{sunk:?}");
}

#[test]
fn what_trembles_has_the_size_that_was_asked_for() {
    let past = [world(0), world(1)];
    let fault = Fault::begin(FaultClass::Jitter, 2.0, &past, &search(7)).unwrap();
    let mut sum = 0.0;
    for frame in 2..402 {
        let mut truth = world(1);
        truth.tick = 6 * frame;
        let place = |s: &ShadowSnapshot| s.bodies[2].world_from_body.translation_m;
        let moved = place(&fault.drawn(&truth)) - place(&truth);
        sum += moved.x * moved.x;
    }
    let depth_m = Sight::draw(&world(1), SIZE.0, SIZE.1).mean_depth_m(3).unwrap();
    let pixel_m = 2.0 * depth_m * (0.5 * std::f32::consts::FRAC_PI_3).tan() / SIZE.1 as f32;
    let rms_px = (sum / 400.0).sqrt() / pixel_m;
    assert!((rms_px - 2.0).abs() < 0.2, "{rms_px}");
}
