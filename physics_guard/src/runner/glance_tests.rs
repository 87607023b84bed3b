//! When an observer is asked.

use std::sync::Arc;

use glam::Vec3;

use crate::expected::ShadowSnapshot;
use crate::testing::{HEIGHT, Noise, WIDTH, body, court, observe, painted};
use crate::{Evidence, Glance, Guard, Judgement, Thresholds};

const STEP_S: f64 = 1.0 / 30.0;

struct Play {
    guard: Guard,
    noise: Noise,
    frame: u64,
    looks: u64,
    /// Pictures that had to wait for the observer.
    waits: u64,
}

impl Play {
    fn new() -> Self {
        let guard = Guard::new(Thresholds::default(), Vec3::NEG_Y * 9.81);
        Self { guard, noise: Noise(5), frame: 0, looks: 0, waits: 0 }
    }

    /// Shows what `draw` makes of the court.
    fn show(&mut self, draw: impl Fn(&mut ShadowSnapshot)) -> Judgement {
        self.show_of(court(), draw)
    }

    /// The same of another state.
    fn show_of(&mut self, truth: ShadowSnapshot, draw: impl Fn(&mut ShadowSnapshot)) -> Judgement {
        let time_s = STEP_S * self.frame as f64;
        let truth = ShadowSnapshot { tick: self.frame, time_s, ..truth };
        self.frame += 1;
        let mut drawn = truth.clone();
        draw(&mut drawn);
        let rgb = painted(&drawn);
        self.guard.expect_at(Arc::new(truth), WIDTH, HEIGHT);
        let glance = self.guard.glance(&rgb, None);
        self.waits += u64::from(glance == Glance::Odd);
        let judgement = if let Glance::Fine(judgement) = glance {
            judgement
        } else {
            self.looks += 1;
            let evidence = Evidence { rgb, ..observe(&drawn, &mut self.noise) };
            self.guard.judge(&evidence, None)
        };
        self.guard.shown(&judgement);
        judgement
    }
}

#[test]
fn what_looks_as_before_is_looked_at_now_and_then() {
    let mut play = Play::new();
    play.show(|_| {});
    assert_eq!(play.looks, 1, "nothing is known yet");
    for _ in 0..90 {
        assert!(play.show(|_| {}).accepts());
    }
    assert!((4..=9).contains(&play.looks), "{} looks in three seconds", play.looks);
    assert_eq!(play.waits, 1, "where nothing is odd no picture waits");
    let found = play.guard.observed().measurements.iter().filter(|m| m.is_placed());
    assert!(found.count() > 2, "bodies that look as before are in their places");
}

#[test]
fn what_is_odd_is_looked_at_until_it_is_over_and_judged_as_if_it_had_always_been() {
    let mut play = Play::new();
    for _ in 0..45 {
        play.show(|_| {});
    }
    let before = play.looks;
    let aside = |drawn: &mut ShadowSnapshot| body(drawn, 10).world_from_body.translation_m.x += 1.0;
    let rejects: Vec<bool> = (0..6).map(|_| !play.show(aside).accepts()).collect();
    assert_eq!(play.looks, before + 6);
    assert!(rejects[2..].iter().all(|rejected| *rejected), "{rejects:?}");
    for _ in 0..30 {
        play.show(|_| {});
    }
    let before = play.looks;
    for _ in 0..30 {
        play.show(|_| {});
    }
    assert!(play.looks - before <= 3, "{} looks in a calm second", play.looks - before);
}

#[test]
fn after_a_cut_and_in_another_light_everything_is_looked_at() {
    let mut play = Play::new();
    for _ in 0..10 {
        play.show(|_| {});
    }
    for forget in [Guard::reset, Guard::look_changed] {
        let before = play.looks;
        forget(&mut play.guard);
        play.show(|_| {});
        assert_eq!(play.looks, before + 1);
    }
}

#[test]
fn the_curious_look_at_what_came_into_view_until_it_is_known() {
    let mut play = Play::new();
    play.guard.set_curious(true);
    let mut without = court();
    without.bodies.retain(|body| body.id != 10);
    for _ in 0..45 {
        play.show_of(without.clone(), |_| {});
    }
    let (looks, waits) = (play.looks, play.waits);
    for _ in 0..12 {
        assert!(play.show(|_| {}).accepts());
    }
    let first = play.looks - looks;
    assert!((4..=10).contains(&first), "{first} looks");
    let known = play.guard.observed().measurements.iter().find(|m| m.id == 10);
    assert!(known.is_some_and(|m| m.known_frames >= 3.0), "it could be missed now");
    assert!(play.waits - waits <= 8, "{} waited", play.waits - waits);
}
