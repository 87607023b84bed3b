//! Anything may come in: the guard neither panics nor takes long.

use std::sync::Arc;

use glam::{Quat, Vec3};
use proptest::prelude::*;

use crate::expected::{Body, BodyKind, CameraPose, Pose, ShadowSnapshot, Shape, TriangleMesh};
use crate::testing::{
    HEIGHT, Noise, WIDTH, ball, body_at, court, cuboid, looking, observe, snapshot_of,
};
use crate::{Evidence, Guard, Remembered, Thresholds, check_request};

const GRAVITY: Vec3 = Vec3::new(0.0, -9.81, 0.0);

fn any_float() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => -3f32..3.0,
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(0.0),
        1 => -1e30f32..1e30,
    ]
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let vec3 = (any_float(), any_float(), any_float()).prop_map(|(x, y, z)| Vec3::new(x, y, z));
    let mesh = (proptest::collection::vec(vec3, 0..5), proptest::collection::vec(0u32..7, 0..4));
    prop_oneof![
        any_float().prop_map(|radius_m| Shape::Ball { radius_m }),
        (any_float(), any_float(), any_float()).prop_map(|(x, y, z)| cuboid(x, y, z)),
        (any_float(), any_float())
            .prop_map(|(half_height_m, radius_m)| Shape::Cone { half_height_m, radius_m }),
        (any_float(), any_float())
            .prop_map(|(half_height_m, radius_m)| Shape::Capsule { half_height_m, radius_m }),
        mesh.prop_map(|(vertices_m, indices)| {
            let triangles = indices.iter().map(|i| [*i, i / 2, i + 1]).collect();
            Shape::Mesh(Arc::new(TriangleMesh { vertices_m, triangles }))
        }),
    ]
}

fn any_body() -> impl Strategy<Value = Body> {
    let place = (any_float(), any_float(), any_float());
    (0u64..4, any_shape(), place, any_float(), any::<u8>(), 0..3).prop_map(
        |(id, shape, (x, y, z), speed, material, kind)| Body {
            kind: [BodyKind::Fixed, BodyKind::Dynamic, BodyKind::Kinematic][kind as usize],
            linear_velocity_m_s: Vec3::splat(speed),
            material,
            ..body_at(id, shape, Vec3::new(x, y, z))
        },
    )
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let size = (0usize..20, 0usize..20, 0usize..20, 0usize..3);
    (size, proptest::collection::vec(any_float(), 1..200)).prop_map(
        |((width, height, classes, wrong), floats)| {
            let fill = |len: usize| floats.iter().copied().cycle().take(len).collect::<Vec<_>>();
            Evidence {
                width,
                height,
                classes,
                probability: fill(width * height * classes + wrong / 2),
                depth_m: fill(width * height),
                depth_sigma: fill(width * height + wrong % 2),
                rgb: match wrong {
                    0 => Vec::new(),
                    _ => (0..3 * width * height + wrong / 2).map(|i| (37 * i) as u8).collect(),
                },
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_that_comes_in_makes_the_guard_panic(
        bodies in proptest::collection::vec(any_body(), 0..6),
        evidence in proptest::collection::vec(any_evidence(), 1..5),
        camera in (any_float(), any_float(), 0.06f32..3.0),
        (width, height) in (0usize..40, 0usize..40),
        times in proptest::collection::vec(any::<f64>(), 5),
        colours in proptest::collection::vec(any_float(), 0..50),
    ) {
        let mut guard = Guard::new(Thresholds::default(), GRAVITY);
        for (evidence, time_s) in evidence.iter().zip(times) {
            let place = Vec3::new(camera.0, camera.1, 4.0);
            let mut snapshot = ShadowSnapshot {
                time_s,
                camera: CameraPose {
                    world_from_camera: Pose::new(Quat::IDENTITY, place),
                    vertical_fov_rad: camera.2,
                },
                bodies: bodies.clone(),
                ..ShadowSnapshot::default()
            };
            if check_request(&mut snapshot).is_err() {
                return Ok(());
            }
            guard.expect_at(snapshot.into(), width, height);
            let remembered =
                Remembered { rgb: &colours, memory_rgb: &colours, memory_confidence: &colours };
            let _ = guard.glance(&evidence.rgb, Some(remembered));
            let judgement = guard.judge(evidence, Some(remembered));
            for (_, finding) in &judgement.findings {
                prop_assert!(finding.margin().is_finite());
            }
            let mut bad = Vec::new();
            guard.bad_pixels(&judgement.suspicions, &mut bad);
            prop_assert_eq!(bad.len(), width * height);
            guard.shown(&judgement);
            guard.shown_unjudged();
        }
    }
}

#[test]
fn evidence_that_says_nothing_accuses_nobody() {
    let mut guard = Guard::new(Thresholds::default(), GRAVITY);
    let mut blind = observe(&court(), &mut Noise(1));
    blind.probability.fill(f32::NAN);
    blind.depth_m.fill(f32::NAN);
    for evidence in [blind, Evidence::default()] {
        for frame in 0..20 {
            let mut truth = court();
            truth.time_s = f64::from(frame) / 15.0;
            guard.expect_at(truth.into(), WIDTH, HEIGHT);
            let judgement = guard.judge(&evidence, None);
            assert!(judgement.suspicions.is_empty(), "{:?}", judgement.suspicions);
            guard.shown(&judgement);
        }
    }
}

#[test]
fn a_camera_inside_a_wall_and_ten_thousand_bodies_are_judged() {
    let mut inside = court();
    inside.camera = looking(Vec3::new(0.0, 1.5, -6.0), Vec3::new(0.0, 1.0, 0.0));
    let many = snapshot_of(
        (0..10_000)
            .map(|i| {
                let (row, column) = (i / 100, i % 100);
                let place = Vec3::new(column as f32 * 0.3 - 15.0, 0.1, 2.0 - row as f32 * 0.2);
                body_at(100 + i, ball(0.1), place)
            })
            .collect(),
    );
    for truth in [inside, many, ShadowSnapshot::default()] {
        let mut guard = Guard::new(Thresholds::default(), GRAVITY);
        let evidence = observe(&truth, &mut Noise(2));
        let truth = Arc::new(truth);
        for _ in 0..3 {
            guard.expect_at(truth.clone(), WIDTH, HEIGHT);
            let judgement = guard.judge(&evidence, None);
            assert!(judgement.verdicts.is_empty(), "{:?}", judgement.verdicts);
            guard.shown(&judgement);
        }
    }
}
