//! What is done about a picture that the physics denies: which correction, in which order, within which time.
//!
//! Pure decisions: whoever runs the corrections asks for a level, measures what it cost, judges what came out, and asks
//! for the next one.

use serde::{Deserialize, Serialize};

/// Corrections, the gentlest first. Each leaves less of the model's picture, and the last ones cost next to nothing.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The picture as the model made it.
    #[default]
    Accept,
    /// The condition binds more strictly; denoised again.
    Strengthen,
    /// Only the bad parts are denoised again, from other noise; the good ones are held.
    Redenoise,
    /// The best of several noises on the bad parts, in one batch.
    BestOf,
    /// The bad parts are replaced by shadow paint in the model's own colours and what is remembered of the surfaces.
    Proxy,
    /// The last good picture, reprojected.
    LastGood,
    /// The whole picture is shadow paint.
    ShadowPaint,
}

impl Level {
    /// All of them, the gentlest first.
    pub const ALL: [Self; 7] = [
        Self::Accept,
        Self::Strengthen,
        Self::Redenoise,
        Self::BestOf,
        Self::Proxy,
        Self::LastGood,
        Self::ShadowPaint,
    ];

    /// For logs and figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Strengthen => "strengthen",
            Self::Redenoise => "redenoise",
            Self::BestOf => "best_of",
            Self::Proxy => "proxy",
            Self::LastGood => "last_good",
            Self::ShadowPaint => "shadow_paint",
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// Which corrections a model can do. Shadow paint is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels([bool; Level::ALL.len()]);

impl Levels {
    /// Every correction.
    pub const ALL: Self = Self([true; Level::ALL.len()]);

    /// Those of which `can` is true, and shadow paint.
    pub fn only(can: impl Fn(Level) -> bool) -> Self {
        Self(Level::ALL.map(|level| level == Level::ShadowPaint || can(level)))
    }

    /// Whether it is among them.
    pub fn has(self, level: Level) -> bool {
        self.0[level.index()]
    }
}

/// How the ladder is climbed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LadderSettings {
    /// Pictures without a violation after which the next lower level is tried first again.
    pub calm_frames: u32,
    /// Share of what a correction's measured cost was that is kept when a new cost is measured.
    pub cost_memory: f32,
}

impl Default for LadderSettings {
    fn default() -> Self {
        Self { calm_frames: 10, cost_memory: 0.8 }
    }
}

/// Chooses corrections.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    settings: LadderSettings,
    /// What each level costs, milliseconds: guessed at first, then measured.
    costs_ms: [f32; Level::ALL.len()],
    measured: [bool; Level::ALL.len()],
    /// Where the next climb begins.
    start: Level,
    calm: u32,
}

impl Ladder {
    /// `step_ms` is about what one pass of the model takes: the first guess of the costs.
    pub fn new(settings: LadderSettings, step_ms: f32) -> Self {
        let step_ms = if step_ms.is_finite() { step_ms.max(0.0) } else { 0.0 };
        Self {
            settings,
            costs_ms: [0.0, step_ms, step_ms, 3.0 * step_ms, 3.0, 3.0, 0.0],
            measured: [false; Level::ALL.len()],
            start: Level::Strengthen,
            calm: 0,
        }
    }

    /// What a level is thought to cost, milliseconds.
    pub fn cost_ms(&self, level: Level) -> f32 {
        self.costs_ms[level.index()]
    }

    /// Something was wrong lately: a violation counts at once, without waiting for votes.
    pub fn is_alert(&self) -> bool {
        self.start > Level::Strengthen || self.calm > 0
    }

    /// The first correction to try, with `left_ms` left until the picture is due.
    pub fn first(&self, levels: Levels, left_ms: f32) -> Level {
        self.from(self.start, levels, left_ms)
    }

    /// The correction to try once `failed` did not help.
    pub fn after(&self, failed: Level, levels: Levels, left_ms: f32) -> Level {
        let next = Level::ALL.get(failed.index() + 1).copied().unwrap_or(Level::ShadowPaint);
        self.from(next, levels, left_ms)
    }

    fn from(&self, level: Level, levels: Levels, left_ms: f32) -> Level {
        let fits = |level: &Level| levels.has(*level) && self.cost_ms(*level) <= left_ms;
        let above = Level::ALL.iter().copied().filter(|other| *other >= level);
        above.into_iter().find(|level| fits(level)).unwrap_or(Level::ShadowPaint)
    }

    /// A correction took so long.
    pub fn note_cost(&mut self, level: Level, ms: f32) {
        if !ms.is_finite() || ms < 0.0 {
            return;
        }
        let cost = &mut self.costs_ms[level.index()];
        let keep = if self.measured[level.index()] { self.settings.cost_memory } else { 0.0 };
        *cost = keep * *cost + (1.0 - keep) * ms;
        self.measured[level.index()] = true;
    }

    /// A picture is done: nothing stood against what the model made, or it was corrected at `level`.
    pub fn settle(&mut self, level: Level) {
        if level == Level::Accept {
            if self.calm > 0 {
                self.calm -= 1;
                if self.calm == 0 && self.start > Level::Strengthen {
                    // One step down, and wait again.
                    self.start = Level::ALL[self.start.index() - 1];
                    self.calm = self.settings.calm_frames;
                }
            }
        } else {
            self.start = level.min(Level::Proxy).max(Level::Strengthen);
            self.calm = self.settings.calm_frames;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ladder() -> Ladder {
        Ladder::new(LadderSettings::default(), 40.0)
    }

    #[test]
    fn the_gentlest_is_tried_first_and_each_failure_goes_one_up() {
        let ladder = ladder();
        let mut level = ladder.first(Levels::ALL, f32::INFINITY);
        for expected in &Level::ALL[1..] {
            assert_eq!(level, *expected);
            level = ladder.after(level, Levels::ALL, f32::INFINITY);
        }
        assert_eq!(level, Level::ShadowPaint, "there is nothing above the last one");
    }

    #[test]
    fn without_time_the_next_cheaper_one_is_taken() {
        let ladder = ladder();
        assert_eq!(ladder.first(Levels::ALL, 10.0), Level::Proxy);
        assert_eq!(ladder.after(Level::Redenoise, Levels::ALL, 50.0), Level::Proxy);
        assert_eq!(ladder.first(Levels::ALL, 0.0), Level::ShadowPaint);
        assert_eq!(ladder.first(Levels::ALL, -5.0), Level::ShadowPaint);
    }

    #[test]
    fn what_a_model_cannot_do_is_left_out() {
        let levels = Levels::only(|level| level == Level::LastGood);
        assert_eq!(ladder().first(levels, f32::INFINITY), Level::LastGood);
        assert_eq!(ladder().after(Level::LastGood, levels, f32::INFINITY), Level::ShadowPaint);
    }

    #[test]
    fn what_helped_is_tried_first_until_it_was_calm() {
        let mut ladder = ladder();
        assert!(!ladder.is_alert());
        ladder.settle(Level::BestOf);
        assert_eq!(ladder.first(Levels::ALL, f32::INFINITY), Level::BestOf);
        assert!(ladder.is_alert());
        for _ in 0..10 {
            ladder.settle(Level::Accept);
        }
        assert_eq!(ladder.first(Levels::ALL, f32::INFINITY), Level::Redenoise);
        for _ in 0..20 {
            ladder.settle(Level::Accept);
        }
        assert_eq!(ladder.first(Levels::ALL, f32::INFINITY), Level::Strengthen);
        assert!(!ladder.is_alert());
    }

    proptest! {
        /// Whatever was measured, a chosen level fits the time or is the last one, and a climb ends.
        #[test]
        fn a_climb_ends_and_fits(costs in proptest::collection::vec(0f32..200.0, 7), left in -10f32..200.0) {
            let mut ladder = ladder();
            for (level, cost) in Level::ALL.into_iter().zip(costs) {
                ladder.note_cost(level, cost);
            }
            let mut level = ladder.first(Levels::ALL, left);
            for _ in 0..Level::ALL.len() {
                prop_assert!(level == Level::ShadowPaint || ladder.cost_ms(level) <= left);
                level = ladder.after(level, Levels::ALL, left);
            }
            prop_assert_eq!(level, Level::ShadowPaint);
        }
    }
}
