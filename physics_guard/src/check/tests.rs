//! Pictures that are right, and pictures that are wrong in one way each, as an erring observer describes them.

use std::collections::{BTreeMap, BTreeSet};

use glam::{Quat, Vec3};

use super::*;
use crate::expected::{Expected, NONE, Pose, ShadowSnapshot};
use crate::observed::Evidence;
use crate::runner::Guard;
use crate::testing::{
    FPS, HEIGHT, Noise, WIDTH, blind, body, court, fixed, looking, observe, painted,
};

const GRAVITY: Vec3 = Vec3::new(0.0, -9.81, 0.0);

/// Plays `frames` pictures: `world` gives the true state of each, `draw` alters what is drawn of it. Returns the pictures
/// in which each check spoke, with the bodies it named.
fn play(
    frames: u64,
    seed: u64,
    world: impl Fn(u64) -> ShadowSnapshot,
    draw: impl Fn(u64, &mut ShadowSnapshot),
) -> BTreeMap<(&'static str, &'static str), BTreeSet<(u64, Option<u64>)>> {
    play_said(frames, seed, world, draw, |_, _, _| {})
}

/// The same; `say` alters what is said of each picture, of which the expected one is given.
fn play_said(
    frames: u64,
    seed: u64,
    world: impl Fn(u64) -> ShadowSnapshot,
    draw: impl Fn(u64, &mut ShadowSnapshot),
    say: impl Fn(u64, &Expected, &mut Evidence),
) -> BTreeMap<(&'static str, &'static str), BTreeSet<(u64, Option<u64>)>> {
    let mut guard = Guard::new(Thresholds::default(), GRAVITY);
    let mut noise = Noise(seed);
    let mut spoke: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for frame in 0..frames {
        let truth = world(frame);
        let mut drawn = truth.clone();
        draw(frame, &mut drawn);
        let mut evidence = observe(&drawn, &mut noise);
        guard.expect_at(truth.into(), WIDTH, HEIGHT);
        say(frame, guard.expected(), &mut evidence);
        let judgement = guard.judge(&evidence, None);
        for verdict in &judgement.verdicts {
            let rule = (verdict.check, verdict.finding.what);
            spoke.entry(rule).or_default().insert((frame, verdict.finding.object));
        }
        guard.shown(&judgement);
    }
    spoke
}

/// The court at a picture's time, seen by a walker who sways and turns.
fn walked(frame: u64) -> ShadowSnapshot {
    let mut snapshot = court();
    let time_s = frame as f64 / FPS;
    let t = time_s as f32;
    let from = Vec3::new(0.6 * (0.7 * t).sin(), 1.6, 4.0 + 0.3 * (0.5 * t).cos());
    snapshot.camera = looking(from, Vec3::new(0.5 * (0.4 * t).sin(), 0.8, 0.0));
    snapshot.tick = 4 * frame;
    snapshot.time_s = time_s;
    snapshot
}

/// The same with a ball that is thrown up at second 1 and bounces with a restitution of a half.
fn thrown(frame: u64) -> ShadowSnapshot {
    let mut snapshot = walked(frame);
    let (mut height, mut speed) = (0.3f32, 0.0f32);
    let substeps = 64;
    for step in 0..frame * substeps {
        let dt = 1.0 / (FPS as f32 * substeps as f32);
        if step == 15 * substeps {
            speed = 5.5;
        }
        if speed != 0.0 {
            speed -= 9.81 * dt;
            height += speed * dt;
            if height < 0.3 && speed < 0.0 {
                height = 0.3;
                speed = if speed < -0.6 { -0.5 * speed } else { 0.0 };
            }
        }
    }
    let ball = body(&mut snapshot, 11);
    ball.world_from_body.translation_m.y = height;
    ball.linear_velocity_m_s.y = speed;
    snapshot
}

/// The picture from which on the fault is drawn.
const FROM: u64 = 24;

fn assert_caught(
    spoke: &BTreeMap<(&'static str, &'static str), BTreeSet<(u64, Option<u64>)>>,
    rule: (&'static str, &'static str),
    object: Option<u64>,
    within: u64,
) {
    let first = spoke
        .get(&rule)
        .and_then(|spoken| spoken.iter().find(|(_, named)| object.is_none() || *named == object));
    assert!(first.is_some_and(|(frame, _)| (FROM..=FROM + within).contains(frame)), "{spoke:?}");
    let early: Vec<_> =
        spoke.iter().filter(|(_, spoken)| spoken.iter().any(|(frame, _)| *frame < FROM)).collect();
    assert!(early.is_empty(), "before the fault: {early:?}");
}

#[test]
fn clean_pictures_raise_no_alarm() {
    for seed in 0..3 {
        let spoke = play(300, seed, if seed == 2 { thrown } else { walked }, |_, _| {});
        assert!(spoke.is_empty(), "seed {seed}: {spoke:?}");
    }
}

#[test]
fn a_body_that_is_erased_is_reported_absent() {
    for id in [10, 11, 12, 13] {
        let spoke = play(FROM + 8, id, walked, |frame, drawn| {
            if frame >= FROM {
                drawn.bodies.retain(|body| body.id != id);
            }
        });
        assert_caught(&spoke, ("permanence", "vanished"), Some(id), 4);
    }
}

#[test]
fn a_body_that_nobody_put_there_is_a_ghost() {
    let spoke = play(FROM + 8, 1, walked, |frame, drawn| {
        if frame >= FROM {
            let mut twin = body(drawn, 10).clone();
            twin.id = 77;
            twin.world_from_body.translation_m += Vec3::new(1.2, 0.0, 0.6);
            drawn.bodies.push(twin);
        }
    });
    assert_caught(&spoke, ("permanence", "ghost"), None, 4);
}

#[test]
fn a_body_that_jumps_aside_is_caught() {
    for (id, step) in [(10, Vec3::new(0.8, 0.0, 0.0)), (11, Vec3::new(-0.5, 0.0, 0.0))] {
        let spoke = play(FROM + 8, 5, walked, |frame, drawn| {
            if frame >= FROM {
                body(drawn, id).world_from_body.translation_m += step;
            }
        });
        assert_caught(&spoke, ("teleport", "jumped"), Some(id), 4);
    }
}

#[test]
fn a_body_that_is_lifted_or_sunk_is_caught() {
    let lifted = |up: f32| {
        play(FROM + 16, 6, walked, move |frame, drawn| {
            if frame >= FROM {
                body(drawn, 10).world_from_body.translation_m.y += up;
            }
        })
    };
    assert_caught(&lifted(0.35), ("gravity", "lifted"), Some(10), 12);
    assert_caught(&lifted(-0.35), ("interpenetration", "inside"), Some(10), 8);
}

#[test]
fn a_body_that_goes_into_a_wall_is_caught() {
    // A crate beside the pillar slides into it.
    let world = |frame: u64| {
        let mut snapshot = walked(frame);
        let crate_at = body(&mut snapshot, 10);
        crate_at.world_from_body = Pose::new(Quat::IDENTITY, Vec3::new(1.6, 0.4, -2.0));
        snapshot
    };
    let spoke = play(FROM + 16, 7, world, |frame, drawn| {
        if frame >= FROM {
            body(drawn, 10).world_from_body.translation_m.x += 0.45;
        }
    });
    assert_caught(&spoke, ("interpenetration", "inside"), Some(10), 8);
}

#[test]
fn a_body_that_grows_or_shrinks_is_caught() {
    for factor in [0.7f32, 1.4] {
        let spoke = play(FROM + 8, 8, walked, |frame, drawn| {
            if frame >= FROM {
                let size = 0.3 * factor;
                let ball = body(drawn, 11);
                ball.shape = crate::testing::ball(size);
                ball.world_from_body.translation_m.y = size;
            }
        });
        assert_caught(&spoke, ("scale", "resized"), Some(11), 5);
    }
}

#[test]
fn a_ball_that_stops_in_the_air_is_caught() {
    // Thrown at picture 15, it is at its highest about picture 23; from 24 on it hangs where it is.
    let spoke = play(FROM + 10, 9, thrown, |frame, drawn| {
        if frame >= FROM {
            let there = thrown(FROM);
            let place = there.bodies.iter().find(|body| body.id == 11).unwrap().world_from_body;
            body(drawn, 11).world_from_body = place;
        }
    });
    let caught: Vec<_> = spoke.keys().map(|(check, _)| *check).collect();
    assert!(caught.contains(&"gravity") || caught.contains(&"momentum"), "{spoke:?}");
    assert!(spoke.values().flatten().all(|(frame, _)| *frame >= FROM), "{spoke:?}");
}

#[test]
fn a_ball_that_speeds_up_by_itself_is_caught() {
    // A resting ball starts to roll across the picture without a push.
    let spoke = play(FROM + 16, 10, walked, |frame, drawn| {
        if frame >= FROM {
            let t = (frame - FROM) as f32 / FPS as f32;
            body(drawn, 11).world_from_body.translation_m.x += 1.2 * t;
        }
    });
    assert_caught(&spoke, ("momentum", "unpushed"), Some(11), 14);
}

#[test]
fn a_ball_that_bounces_too_high_has_won_energy() {
    let world = |frame: u64| {
        // Dropped from 2.5 m onto the ground at picture 24; it keeps a third of its speed.
        let mut snapshot = walked(frame);
        let t = (frame as f32 - FROM as f32) / FPS as f32;
        let fall_s = (2.0f32 * 2.2 / 9.81).sqrt();
        let (height, speed) = if t < -fall_s {
            (2.5, 0.0)
        } else if t < 0.0 {
            let fallen = t + fall_s;
            (2.5 - 0.5 * 9.81 * fallen * fallen, -9.81 * fallen)
        } else {
            let up = 9.81 * fall_s / 3.0;
            (0.3 + up * t - 0.5 * 9.81 * t * t, up - 9.81 * t)
        };
        let ball = body(&mut snapshot, 11);
        ball.world_from_body.translation_m = Vec3::new(-0.8, height.max(0.3), 0.0);
        ball.linear_velocity_m_s.y = if height < 0.3 { 0.0 } else { speed };
        snapshot
    };
    let spoke = play(FROM + 8, 11, world, |frame, drawn| {
        if frame > FROM {
            let t = (frame - FROM) as f32 / FPS as f32;
            body(drawn, 11).world_from_body.translation_m.y += 3.0 * t;
        }
    });
    let caught: BTreeSet<_> = spoke.keys().map(|(check, _)| *check).collect();
    assert!(caught.contains("energy"), "{spoke:?}");
}

#[test]
fn a_sleeping_body_that_trembles_is_caught_and_one_that_lies_still_is_not() {
    // No observer says anything here.
    let spoke = |amount_m: f32| {
        let mut guard = Guard::new(Thresholds::default(), GRAVITY);
        let mut spoke = BTreeMap::new();
        for frame in 0..FROM + 25 {
            let truth = walked(frame);
            let mut drawn = truth.clone();
            if frame >= FROM {
                let side_m = if frame % 2 == 0 { amount_m } else { -amount_m };
                body(&mut drawn, 10).world_from_body.translation_m.x += side_m;
            }
            guard.expect_at(truth.into(), WIDTH, HEIGHT);
            let evidence = Evidence { rgb: painted(&drawn), ..blind() };
            let judgement = guard.judge(&evidence, None);
            for verdict in &judgement.verdicts {
                let rule = (verdict.check, verdict.finding.what);
                let bodies: &mut BTreeSet<_> = spoke.entry(rule).or_default();
                bodies.insert((frame, verdict.finding.object));
            }
            guard.shown(&judgement);
        }
        spoke
    };
    assert_caught(&spoke(0.04), ("jitter", "restless"), Some(10), 18);
    assert!(spoke(0.0).is_empty(), "{:?}", spoke(0.0));
}

#[test]
fn a_body_of_another_material_is_caught() {
    let spoke = play(FROM + 8, 13, walked, |frame, drawn| {
        if frame >= FROM {
            body(drawn, 10).material = 9;
        }
    });
    assert_caught(&spoke, ("appearance", "material"), Some(10), 4);
}

#[test]
fn another_colour_than_is_remembered_is_caught() {
    let mut guard = Guard::new(Thresholds::default(), GRAVITY);
    let mut noise = Noise(14);
    let memory_rgb = vec![0.5f32; 3 * WIDTH * HEIGHT];
    let confidence = vec![0.9f32; WIDTH * HEIGHT];
    let mut spoke = Vec::new();
    for frame in 0..8 {
        let truth = walked(frame);
        let evidence = observe(&truth, &mut noise);
        guard.expect_at(truth.into(), WIDTH, HEIGHT);
        let mut rgb = memory_rgb.clone();
        let expected = guard.expected();
        for (pixel, object) in expected.object.iter().enumerate() {
            let body = expected.snapshot.bodies.get(usize::from(*object));
            if body.is_some_and(|body| body.id == 10) && frame >= 4 {
                rgb[3 * pixel] = 0.9;
            }
        }
        let remembered =
            Remembered { rgb: &rgb, memory_rgb: &memory_rgb, memory_confidence: &confidence };
        let judgement = guard.judge(&evidence, Some(remembered));
        spoke.extend(judgement.verdicts.iter().map(|v| (frame, v.finding.what, v.finding.object)));
        guard.shown(&judgement);
    }
    assert_eq!(spoke, [(6, "colour", Some(10)), (7, "colour", Some(10))]);
}

#[test]
fn a_wall_that_is_missing_or_displaced_is_caught() {
    let open = play(FROM + 8, 15, walked, |frame, drawn| {
        if frame >= FROM {
            drawn.bodies.retain(|body| body.id != 2);
        }
    });
    assert_caught(&open, ("through wall", "open"), Some(2), 4);
    let displaced = play(FROM + 8, 16, walked, |frame, drawn| {
        if frame >= FROM {
            body(drawn, 2).world_from_body.translation_m.z = -9.0;
        }
    });
    assert_caught(&displaced, ("through wall", "misplaced"), Some(2), 4);
}

#[test]
fn a_wall_whose_depth_alone_is_misread_is_where_its_edges_are() {
    let spoke = play_said(
        FROM + 8,
        16,
        walked,
        |_, _| {},
        |frame, expected, said| {
            let wall = expected.snapshot.bodies.iter().position(|body| body.id == 2);
            for (pixel, object) in expected.object.iter().enumerate() {
                if frame >= FROM && Some(usize::from(*object)) == wall {
                    said.depth_m[pixel] *= 0.5;
                }
            }
        },
    );
    assert_eq!(spoke.get(&("through wall", "misplaced")), None);
}

#[test]
fn a_cloud_is_nothing_strange_but_what_comes_into_the_sky_is() {
    // A patch of another colour in the sky; the observer takes it for sky, or for a crate near by.
    let patch = |is_sky: bool| {
        move |frame: u64, expected: &Expected, said: &mut Evidence| {
            said.rgb = painted(&expected.snapshot);
            for (y, x) in (2..12).flat_map(|y| (20..44).map(move |x| (y, x))) {
                let pixel = y * WIDTH + x;
                if frame < FROM || expected.object[pixel] != NONE {
                    continue;
                }
                said.rgb[3 * pixel..3 * pixel + 3].copy_from_slice(&[225, 230, 235]);
                if !is_sky {
                    let classes = said.classes;
                    let classes = &mut said.probability[pixel * classes..(pixel + 1) * classes];
                    classes.fill(0.005);
                    classes[8] = 0.9;
                    said.depth_m[pixel] = 3.0;
                }
            }
        }
    };
    let still = |frame: u64| ShadowSnapshot {
        tick: 4 * frame,
        time_s: frame as f64 / FPS,
        camera: looking(Vec3::new(0.0, 1.6, 4.0), Vec3::new(0.0, 2.6, 0.0)),
        ..court()
    };
    let rule = ("permanence", "strange");
    let cloud = play_said(FROM + 6, 31, still, |_, _| {}, patch(true));
    assert_eq!(cloud.get(&rule), None);
    let crate_in_the_sky = play_said(FROM + 6, 31, still, |_, _| {}, patch(false));
    assert!(crate_in_the_sky.contains_key(&rule), "{crate_in_the_sky:?}");
}

#[test]
fn a_crate_seen_through_a_nearer_wall_is_caught() {
    let world = |frame: u64| {
        let mut snapshot = walked(frame);
        snapshot.bodies.push(fixed(
            20,
            crate::testing::cuboid(0.5, 0.8, 0.1),
            Vec3::new(-1.6, 0.8, -1.5),
            4,
        ));
        let far = body(&mut snapshot, 13);
        far.world_from_body.translation_m = Vec3::new(-0.65, 0.35, -3.0);
        snapshot
    };
    let spoke = play(FROM + 8, 17, world, |frame, drawn| {
        if frame >= FROM {
            // It has come through the wall: it is drawn before it, at its own size.
            let far = body(drawn, 13);
            far.world_from_body.translation_m = Vec3::new(-1.05, 0.45, -1.35);
        }
    });
    assert!(
        !spoke.is_empty() && spoke.values().flatten().all(|(frame, _)| *frame >= FROM),
        "{spoke:?}"
    );
}

#[test]
fn bodies_that_are_not_guarded_are_not_spoken_of() {
    let mut guard = Guard::new(Thresholds::default(), GRAVITY);
    guard.set_unguarded([10]);
    let mut noise = Noise(18);
    for frame in 0..10 {
        let truth = walked(frame);
        let mut drawn = truth.clone();
        drawn.bodies.retain(|body| body.id != 10);
        guard.expect_at(truth.into(), WIDTH, HEIGHT);
        let judgement = guard.judge(&observe(&drawn, &mut noise), None);
        assert!(judgement.findings.iter().all(|(_, f)| f.object != Some(10)));
        guard.shown(&judgement);
    }
}

/// A game's own rule.
struct NoCrates;

impl Check for NoCrates {
    fn name(&self) -> &'static str {
        "no crates"
    }
    fn votes(&self) -> Votes {
        Votes::ONE
    }
    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        for (_, found) in judged.bodies().filter(|(body, _)| body.material == 8) {
            findings.push(judged.finding("a crate", found, found.fit_share, 0.5));
        }
    }
}

#[test]
fn a_game_adds_a_rule_of_its_own() {
    let mut guard = Guard::new(Thresholds::default(), GRAVITY);
    guard.add_check(Box::new(NoCrates));
    guard.expect_at(walked(0).into(), WIDTH, HEIGHT);
    let judgement = guard.judge(&observe(&walked(0), &mut Noise(19)), None);
    assert!(judgement.verdicts.iter().any(|verdict| verdict.check == "no crates"));
}

#[test]
fn every_check_is_named_once() {
    let names: Vec<_> = all().iter().map(|check| check.name()).collect();
    assert_eq!(names, CHECK_NAMES);
}
