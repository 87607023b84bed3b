//! Pictures held against the pictures before them.

use std::sync::Arc;

use glam::{Quat, Vec3};
use proptest::prelude::*;

use super::*;
use crate::expected::Shape;
use crate::testing::{HEIGHT, Noise, WIDTH, body, court, observe, painted};
use crate::{Guard, Thresholds};

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
        recollection.shown(picture, &expected, &recalled, &Suspects::default());
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
fn a_body_that_is_alone_in_another_light_is_told_from_a_court_that_is() {
    let now = court();
    let mut expected = Expected::default();
    expected.draw(Arc::new(now.clone()), WIDTH, HEIGHT);
    let place = now.bodies.iter().position(|body| body.id == 11).unwrap();
    let dimmed = |own: f32, rest: f32| {
        let mut picture = painted(&now);
        for (pixel, object) in picture.chunks_exact_mut(3).zip(&expected.object) {
            let light = if usize::from(*object) == place { own } else { rest };
            pixel.iter_mut().for_each(|byte| *byte = (f32::from(*byte) * light) as u8);
        }
        of(&held(&now, &now, &picture), 11)
    };
    let alone = dimmed(0.6, 1.0);
    assert!(alone.alone > 0.8 && !alone.is_as_before(), "{alone:?}");
    let together = dimmed(0.6, 0.6);
    assert!(together.alone == 0.0 && together.is_as_before(), "{together:?}");
}

#[test]
fn what_comes_out_of_a_shadow_that_the_physics_knows_is_not_compared() {
    // A roof over the ball, out of sight.
    let mut before = court();
    let over = before.sun_direction * 4.0 + Vec3::new(-1.2, 0.3, 0.5);
    before.bodies.push(crate::testing::body_at(20, crate::testing::cuboid(0.6, 0.05, 0.6), over));
    let ball = |recalled: &Recalled| recalled.bodies.iter().find(|a| a.id == 11).map(|a| a.known);
    let lit = held(&before, &court(), &painted(&court()));
    assert_eq!(ball(&lit), Some(0));
    assert!(of(&lit, 10).known > 100);
    let same = held(&before, &before, &painted(&before));
    assert!(ball(&same) > Some(50), "{:?}", ball(&same));
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
    recollection.shown(&painted(&now), &expected, &Recalled::default(), &Suspects::default());
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A body painted a little beside its place is measured there, whatever the light, and its neighbours stay in place.
    #[test]
    fn a_shift_of_less_than_a_pixel_is_measured(x_m in -0.05f32..0.05, y_m in -0.05f32..0.05, light in 0.7f32..1.1) {
        let now = court();
        let mut aside = court();
        body(&mut aside, 10).world_from_body.translation_m += Vec3::new(x_m, y_m, 0.0);
        let lit = painted(&aside).iter().map(|byte| (f32::from(*byte) * light) as u8).collect::<Vec<_>>();
        let recalled = held(&now, &now, &lit);
        let mut expected = Expected::default();
        expected.draw(Arc::new(now.clone()), WIDTH, HEIGHT);
        let view = expected.views.iter().find(|view| expected.body(view).unwrap().id == 10).unwrap();
        // The camera looks down a little.
        let want = glam::Vec2::new(x_m, -0.98 * y_m) / expected.metres_per_pixel(view);
        let shift = of(&recalled, 10).shift.unwrap();
        prop_assert!(shift.px.distance(want) < 0.2 + 0.3 * want.length(), "{shift:?} for {want}");
        let still = of(&recalled, 12).shift.unwrap();
        prop_assert!(still.px.length() < 0.15, "{still:?}");
    }
}

#[test]
fn a_fault_does_not_become_what_later_pictures_are_held_to() {
    // No single step is as much as a pixel.
    let slid = |frames: u32| {
        let mut recollection = Recollection::default();
        let mut last = Recalled::default();
        for frame in 0..20 + frames {
            let now = ShadowSnapshot { time_s: 0.1 * f64::from(frame), ..court() };
            let aside_m = 0.06 * frame.saturating_sub(19) as f32;
            let picture = painted(&moved(Vec3::new(aside_m, 0.0, 0.0)));
            let (scene, maps) = Expected::drawn(&now, WIDTH, HEIGHT);
            let mut expected = Expected::default();
            expected.draw(Arc::new(now.clone()), WIDTH, HEIGHT);
            recollection.expect(&now, &scene, &maps);
            last = recollection.compare(&expected, &picture);
            let slid = |alike: &&Alike| {
                alike.id == 10 && alike.shift.is_some_and(|shift| shift.px.length() > 0.75)
            };
            let bodies = last.bodies.iter().filter(slid).map(|alike| alike.id).collect();
            let suspects = Suspects { bodies, ..Suspects::default() };
            recollection.shown(&picture, &expected, &last, &suspects);
        }
        of(&last, 10).shift.unwrap().px.x
    };
    assert!(slid(0).abs() < 0.1, "{}", slid(0));
    assert!(slid(3) > 1.3, "{}", slid(3));
}

/// Where body 10 was found to have strayed to, and its last shift, in each of some pictures of the court; `aside_m` says how far it is painted
/// beside its place, which the physics does not know of.
fn strayed(pictures: u32, step_s: f64, aside_m: impl Fn(u32) -> f32) -> Vec<(f32, f32)> {
    let mut recollection = Recollection::default();
    let mut seen = Vec::new();
    for picture in 0..pictures {
        let now = ShadowSnapshot { time_s: step_s * f64::from(picture), ..court() };
        let rgb = painted(&moved(Vec3::new(aside_m(picture), 0.0, 0.0)));
        let (scene, maps) = Expected::drawn(&now, WIDTH, HEIGHT);
        let mut expected = Expected::default();
        expected.draw(Arc::new(now.clone()), WIDTH, HEIGHT);
        recollection.expect(&now, &scene, &maps);
        let recalled = recollection.compare(&expected, &rgb);
        recollection.shown(&rgb, &expected, &recalled, &Suspects::default());
        let px = |shift: Option<Shift>| shift.map_or(0.0, |shift| shift.px.x);
        let own = recalled.bodies.iter().find(|alike| alike.id == 10);
        seen.push(own.map_or((0.0, 0.0), |alike| (px(alike.strayed), px(alike.shift))));
    }
    seen
}

#[test]
fn steps_that_are_each_too_small_to_tell_add_up_and_are_forgotten() {
    // About 0.6 pixels a picture from picture 5 to 11, then it stays there.
    let seen = strayed(30, 0.1, |picture| 0.035 * picture.saturating_sub(4).min(7) as f32);
    assert!(seen[..5].iter().all(|(strayed, _)| strayed.abs() < 0.1), "{seen:?}");
    assert!(seen.iter().all(|(_, step)| step.abs() < 0.9), "{seen:?}");
    assert!(seen[10].0 > 1.5, "{seen:?}");
    assert!(seen[29].0.abs() < 0.2, "{seen:?}");
    // The same speed at three times as many pictures a second.
    let seen = strayed(40, 0.1 / 3.0, |picture| 0.035 / 3.0 * picture.saturating_sub(4) as f32);
    assert!(seen[30].0 > 1.2, "{seen:?}");
    // After a gap nothing is known of what went before.
    let seen = strayed(12, 2.0, |picture| 0.035 * picture as f32);
    assert!(seen.iter().all(|(strayed, step)| (strayed - step).abs() < 1e-3), "{seen:?}");
}
