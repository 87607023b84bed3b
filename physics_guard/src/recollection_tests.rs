//! Pictures held against the pictures before them.

use std::sync::Arc;

use glam::{Quat, Vec3};

use super::*;
use crate::expected::Shape;
use crate::testing::{HEIGHT, Noise, WIDTH, body, court, observe};
use crate::{Guard, Thresholds};

/// A picture of a snapshot: every body in a colour of its own.
fn painted(snapshot: &ShadowSnapshot) -> Vec<u8> {
    let mut expected = Expected::default();
    expected.draw(Arc::new(snapshot.clone()), WIDTH, HEIGHT);
    let colour = |object: &u16| match snapshot.bodies.get(usize::from(*object)) {
        Some(body) => [60 + (body.id * 53 % 160) as u8, 40 + (body.id * 91 % 180) as u8, 90],
        None => [120, 160, 220],
    };
    expected.object.iter().flat_map(colour).collect()
}

/// Shows `before` for two seconds, then `picture` while `now` is expected.
fn held(before: &ShadowSnapshot, now: &ShadowSnapshot, picture: &[u8]) -> Recalled {
    let mut recollection = Recollection::default();
    let mut see = |snapshot: &ShadowSnapshot, time_s: f64, picture: &[u8]| {
        let snapshot = ShadowSnapshot { time_s, ..snapshot.clone() };
        let (scene, maps) = Expected::drawn(&snapshot, WIDTH, HEIGHT);
        let mut expected = Expected::default();
        expected.draw(Arc::new(snapshot.clone()), WIDTH, HEIGHT);
        recollection.expect(&snapshot, &scene, &maps);
        let recalled = recollection.compare(&expected, picture);
        recollection.shown(picture, &recalled, false);
        recalled
    };
    let shown = painted(before);
    for frame in 0..20 {
        see(before, 0.1 * f64::from(frame), &shown);
    }
    see(now, 2.0, picture)
}

fn of(recalled: &Recalled, id: u64) -> Alike {
    *recalled.bodies.iter().find(|alike| alike.id == id).unwrap()
}

/// Body 10 elsewhere.
fn moved(by: Vec3) -> ShadowSnapshot {
    let mut snapshot = court();
    let body = snapshot.bodies.iter_mut().find(|body| body.id == 10).unwrap();
    body.world_from_body.translation_m += by;
    snapshot
}

#[test]
fn a_right_picture_agrees_with_those_before_it_while_camera_and_bodies_move() {
    let mut now = moved(Vec3::new(0.3, 0.0, 0.2));
    let turn = Quat::from_rotation_y(0.1);
    now.camera.world_from_camera.rotation = turn * now.camera.world_from_camera.rotation;
    let recalled = held(&court(), &now, &painted(&now));
    assert!(recalled.bodies.len() > 5);
    for alike in recalled.bodies.iter().filter(|alike| alike.known > 24) {
        assert!(alike.share > 0.9 && alike.long_share > 0.9, "{alike:?}");
    }
    assert!(recalled.strange.is_none_or(|strange| strange.pixels < 24), "{:?}", recalled.strange);
}

#[test]
fn a_body_that_is_painted_elsewhere_is_missed_and_the_place_is_strange() {
    let (now, elsewhere) = (court(), moved(Vec3::new(0.9, 0.0, 0.0)));
    let recalled = held(&now, &now, &painted(&elsewhere));
    let crate_seen = of(&recalled, 10);
    assert!(crate_seen.known > 100 && crate_seen.share < 0.45, "{crate_seen:?}");
    assert!(crate_seen.long_known > 100 && crate_seen.long_share < 0.45, "{crate_seen:?}");
    assert!(of(&recalled, 12).share > 0.9);
    assert!(recalled.strange.unwrap().pixels > 50);
}

#[test]
fn another_light_is_no_other_surface() {
    let now = court();
    let dim: Vec<u8> = painted(&now).iter().map(|byte| (f32::from(*byte) * 0.6) as u8).collect();
    let recalled = held(&now, &now, &dim);
    assert!(recalled.bodies.iter().all(|alike| alike.share > 0.9));
    assert_eq!(recalled.strange, None);
}

#[test]
fn what_was_never_seen_and_pictures_of_another_size_say_nothing() {
    let mut recollection = Recollection::default();
    let now = court();
    let (scene, maps) = Expected::drawn(&now, WIDTH, HEIGHT);
    let mut expected = Expected::default();
    expected.draw(Arc::new(now.clone()), WIDTH, HEIGHT);
    recollection.expect(&now, &scene, &maps);
    assert_eq!(recollection.compare(&expected, &painted(&now)), Recalled::default());
    recollection.shown(&painted(&now), &Recalled::default(), false);
    recollection.expect(&now, &scene, &maps);
    assert_eq!(recollection.compare(&expected, &[1, 2, 3]), Recalled::default());
    assert!(!recollection.compare(&expected, &painted(&now)).bodies.is_empty());
    recollection.reset();
    recollection.expect(&now, &scene, &maps);
    assert_eq!(recollection.compare(&expected, &painted(&now)), Recalled::default());
}

#[test]
fn an_observer_that_misreads_what_looks_as_before_is_overruled() {
    // From picture 20 on the observer takes the ball for a larger one; only the painted colours know better.
    let spoke = |coloured: bool| {
        let mut guard = Guard::new(Thresholds::default(), Vec3::NEG_Y * 9.81);
        let mut noise = Noise(3);
        let mut spoke = Vec::new();
        for frame in 0..30 {
            let truth = ShadowSnapshot { tick: frame, time_s: 0.1 * frame as f64, ..court() };
            let mut misread = truth.clone();
            if frame >= 20 {
                let ball = body(&mut misread, 11);
                ball.shape = Shape::Ball { radius_m: 0.45 };
                ball.world_from_body.translation_m.y = 0.45;
            }
            let mut evidence = observe(&misread, &mut noise);
            if coloured {
                evidence.rgb = painted(&truth);
            }
            guard.expect_at(Arc::new(truth), WIDTH, HEIGHT);
            let judgement = guard.judge(&evidence, None);
            spoke.extend(judgement.verdicts.iter().map(|verdict| verdict.finding.what));
            guard.shown(&judgement);
        }
        spoke
    };
    assert!(spoke(false).contains(&"resized"), "{:?}", spoke(false));
    assert!(!spoke(true).contains(&"resized"), "{:?}", spoke(true));
}
