//! How well bodies are found in evidence, and what calibration makes of clean runs.

use glam::{Vec2, Vec3};
use proptest::prelude::*;

use super::*;
use crate::calibrate::Calibrator;
use crate::testing::{CLASSES, HEIGHT, Noise, WIDTH, body, court, looking, observe};
use crate::verdict::Votes;

const GRAVITY: Vec3 = Vec3::new(0.0, -9.81, 0.0);

fn judged(truth: &ShadowSnapshot, drawn: &ShadowSnapshot, seed: u64) -> Guard {
    let mut guard = Guard::new(Thresholds::default(), GRAVITY);
    guard.expect_at(truth.clone().into(), WIDTH, HEIGHT);
    guard.judge(&observe(drawn, &mut Noise(seed)), None);
    guard
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// A body drawn aside is found where it is drawn, to a fraction of a pixel.
    #[test]
    fn a_shift_is_measured(x in -0.5f32..0.5, y in -0.2f32..0.5, seed in any::<u64>()) {
        let truth = court();
        let mut drawn = truth.clone();
        body(&mut drawn, 11).world_from_body.translation_m += Vec3::new(x, y, 0.0);
        let guard = judged(&truth, &drawn, seed);
        let found = *guard.observed().measurements.iter().find(|m| m.id == 11).unwrap();
        let mut there = crate::Expected::default();
        there.draw(drawn.into(), WIDTH, HEIGHT);
        let drawn_at = there.views.iter().find(|v| there.body(v).unwrap().id == 11).unwrap();
        prop_assert!(found.found, "{found:?}");
        let error = found.centroid_px - drawn_at.centroid_px;
        prop_assert!(error.abs().max_element() < 0.8, "{error} px at {x}, {y}");
    }

    /// A ball drawn larger or smaller is measured as such.
    #[test]
    fn a_scale_is_measured(ln_scale in -0.3f32..0.35, seed in any::<u64>()) {
        let truth = court();
        let mut drawn = truth.clone();
        body(&mut drawn, 11).shape = crate::testing::ball(0.3 * ln_scale.exp());
        let guard = judged(&truth, &drawn, seed);
        let found = *guard.observed().measurements.iter().find(|m| m.id == 11).unwrap();
        let seen = found.ln_scale.unwrap();
        prop_assert!((seen - ln_scale).abs() < 0.12, "{seen} for {ln_scale}");
    }
}

#[test]
fn evidence_of_half_the_size_serves() {
    let truth = court();
    let full = observe(&truth, &mut Noise(3));
    let (width, height) = (WIDTH / 2, HEIGHT / 2);
    let of = |pixel: usize| 2 * (pixel / width) * WIDTH + 2 * (pixel % width);
    let half = Evidence {
        width,
        height,
        classes: CLASSES,
        probability: (0..width * height)
            .flat_map(|pixel| full.probability[of(pixel) * CLASSES..][..CLASSES].to_vec())
            .collect(),
        depth_m: (0..width * height).map(|pixel| full.depth_m[of(pixel)]).collect(),
        depth_sigma: vec![0.08; width * height],
        rgb: Vec::new(),
    };
    let mut guard = Guard::new(Thresholds::default(), GRAVITY);
    guard.expect_at(truth.into(), WIDTH, HEIGHT);
    guard.judge(&half, None);
    let found = &guard.observed().measurements;
    assert!(found.iter().filter(|m| [10, 11, 12].contains(&m.id)).all(|m| m.found), "{found:?}");
}

/// What is too small to be seen is not guessed: below the stated number of pixels nothing is reported.
#[test]
fn a_body_too_small_to_be_seen_is_not_missed() {
    let mut truth = court();
    truth.camera = looking(Vec3::new(0.0, 1.6, 8.5), Vec3::new(0.0, 0.8, 0.0));
    body(&mut truth, 11).shape = crate::testing::ball(0.2);
    let mut drawn = truth.clone();
    drawn.bodies.retain(|body| body.id != 11);
    let mut guard = Guard::new(Thresholds::default(), GRAVITY);
    let mut noise = Noise(4);
    for _ in 0..8 {
        guard.expect_at(truth.clone().into(), WIDTH, HEIGHT);
        let judgement = guard.judge(&observe(&drawn, &mut noise), None);
        assert!(judgement.accepts(), "{:?}", judgement.verdicts);
        guard.shown(&judgement);
    }
    let view = guard.expected().views.iter().find(|v| guard.expected().body(v).unwrap().id == 11);
    assert!(view.is_some_and(|view| view.pixels < 24), "{view:?}");
}

#[test]
fn judging_twice_changes_nothing_and_bad_pixels_cover_the_body() {
    let truth = court();
    let mut drawn = truth.clone();
    body(&mut drawn, 10).world_from_body.translation_m.x += 0.8;
    let mut guard = Guard::new(Thresholds::default(), GRAVITY);
    guard.expect_at(truth.into(), WIDTH, HEIGHT);
    let evidence = observe(&drawn, &mut Noise(5));
    let first = guard.judge(&evidence, None);
    assert_eq!(first, guard.judge(&evidence, None));
    let mut bad = Vec::new();
    guard.bad_pixels(&first.suspicions, &mut bad);
    let found = guard.observed().measurements.iter().find(|m| m.id == 10).unwrap();
    for place in [found.centroid_px, found.centroid_px - found.shift_px] {
        let place: Vec2 = place.round();
        assert!(bad[place.y as usize * WIDTH + place.x as usize], "at {place}");
    }
    let share = bad.iter().filter(|bad| **bad).count() as f32 / bad.len() as f32;
    assert!(share < 0.35, "{share} of the picture");
}

#[test]
fn calibration_learns_how_an_observer_errs_and_leaves_no_false_alarm() {
    let mut thresholds = Thresholds::default();
    for pass in 0..2 {
        let mut calibrator = Calibrator::new();
        let mut guard = Guard::new(thresholds.clone(), GRAVITY);
        let mut noise = Noise(6 + pass);
        for frame in 0..60 {
            let mut truth = court();
            truth.time_s = f64::from(frame) / 15.0;
            guard.expect_at(truth.clone().into(), WIDTH, HEIGHT);
            // It always takes marble for plaster.
            let mut evidence = observe(&truth, &mut noise);
            for said in evidence.probability.chunks_exact_mut(CLASSES) {
                said.swap(5, 6);
            }
            let judgement = guard.judge(&evidence, None);
            calibrator.add(&guard, &judgement);
            guard.shown(&judgement);
        }
        if pass == 0 {
            thresholds.observer = calibrator.observer_error();
            let row = &thresholds.observer.confusion.rows[6];
            assert!(row[5] > 0.5 && row[6] < 0.2, "{row:?}");
        } else {
            let calibrated = calibrator.thresholds(&thresholds, 1e-3);
            assert!(calibrated.is_sane());
            assert!(calibrator.alarms().is_empty(), "{:?}", calibrator.alarms());
            assert!(calibrated.jitter_px <= 4.0 * thresholds.jitter_px);
            let text = format!("{calibrated:?}");
            assert!(!text.contains("NaN"), "{text}");
        }
    }
    assert_eq!(Votes::THREE_OF_FOUR, Votes { needed: 3, of: 4 });
}

/// `evidence` of a picture of `drawn` in which each body has a colour of its own, and little else is known of it.
fn in_colours(drawn: &ShadowSnapshot, mut evidence: Evidence) -> Evidence {
    let mut there = crate::Expected::default();
    there.draw(drawn.clone().into(), WIDTH, HEIGHT);
    let colour = |object: &u16| match drawn.bodies.get(usize::from(*object)) {
        Some(body) => [60 + 11 * (body.id % 7) as u8, 200 - 17 * (body.id % 11) as u8, 90],
        None => [150, 180, 220],
    };
    evidence.rgb = there.object.iter().flat_map(colour).collect();
    evidence.depth_sigma.fill(5.0);
    evidence
}

#[test]
fn a_body_of_its_surroundings_material_is_missed_by_its_colour() {
    let mut truth = court();
    // The crate is of the ground's stone, as the ball's and the walls' classes matter not.
    body(&mut truth, 10).material = 2;
    body(&mut truth, 2).material = 2;
    let mut erased = truth.clone();
    erased.bodies.retain(|body| body.id != 10);
    let vanished = |coloured: bool| {
        let mut guard = Guard::new(Thresholds::default(), GRAVITY);
        let mut noise = Noise(4);
        let mut found = false;
        for frame in 0..16 {
            let drawn = if frame < 10 { &truth } else { &erased };
            let evidence = observe(drawn, &mut noise);
            let evidence = if coloured {
                in_colours(drawn, evidence)
            } else {
                Evidence { rgb: Vec::new(), ..in_colours(drawn, evidence) }
            };
            guard.expect_at(truth.clone().into(), WIDTH, HEIGHT);
            let judgement = guard.judge(&evidence, None);
            guard.shown(&judgement);
            let named = |v: &Verdict| v.finding.what == "vanished" && v.finding.object == Some(10);
            if frame < 10 {
                assert!(!judgement.verdicts.iter().any(named), "frame {frame}");
            }
            found |= judgement.verdicts.iter().any(named);
        }
        found
    };
    assert!(vanished(true) && !vanished(false));
}

/// What is dreamed is no measure of how things look.
#[test]
fn dreams_teach_nothing() {
    let mut guard = Guard::new(Thresholds::default(), GRAVITY);
    let mut noise = Noise(9);
    let mut known = |dreaming: bool, frames: u64| {
        guard.set_dreaming(dreaming);
        for _ in 0..frames {
            guard.expect_at(court().into(), WIDTH, HEIGHT);
            let judgement = guard.judge(&observe(&court(), &mut noise), None);
            guard.shown(&judgement);
        }
        guard.expect_at(court().into(), WIDTH, HEIGHT);
        guard.judge(&observe(&court(), &mut noise), None);
        guard.observed().measurements.iter().find(|m| m.id == 10).unwrap().known_frames
    };
    assert_eq!(known(true, 4), 0.0);
    let awake = known(false, 4);
    assert!(awake >= 3.0, "{awake}");
    assert_eq!(known(true, 4), awake);
}
