//! Counts and rates over cases.

use std::collections::BTreeMap;

use reverie_guard::FaultClass;
use serde::Serialize;

use super::source::Source;

/// Wanted share of faults that are detected.
pub const WANTED: f64 = 0.95;
/// Borders of the classes of visible size, pixels.
pub const SIZES: [usize; 6] = [12, 24, 48, 96, 192, 384];
/// A fault that visibly changes fewer pixels does not show: a body before a wall of its own colour can be taken away unseen.
pub const SHOWS_PX: usize = 24;
/// Fewer cases say nothing of a share of 95 %.
const FEWEST_CASES: usize = 5;

/// What became of one fault.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Name of the episode.
    pub episode: String,
    /// Who made the pictures.
    pub source: Source,
    /// Kind of fault.
    pub class: FaultClass,
    /// In the class's unit.
    pub strength: f32,
    /// Id of the body.
    pub body: u64,
    /// Median of the body's pixels as it should be seen, over the pictures with the fault.
    pub expected_px: usize,
    /// Median of the pixels that show another body than they should.
    pub changed_px: usize,
    /// Median of the pixels whose colour it changes visibly; `None` if nobody knows the right picture.
    pub visible_px: Option<usize>,
    /// Pictures with the fault.
    pub frames: usize,
    /// Pictures from the first one in which it can be seen to the verdict, 1 if that is the first; `None` if there was none.
    pub delay_frames: Option<usize>,
    /// The check that spoke first.
    pub check: Option<String>,
    /// The verdict, printed.
    pub verdict: Option<String>,
    /// `permanence: vanished` was said of the body: it was reported absent.
    pub reported_absent: bool,
    /// Verdicts on other bodies, each counted once.
    pub other_alarms: usize,
}

/// Rates of one class on one kind of pictures.
#[derive(Debug, Clone, Serialize)]
pub struct ClassFigures {
    /// Kind of fault.
    pub class: FaultClass,
    /// Who made the pictures.
    pub source: Source,
    /// Faults shown.
    pub cases: usize,
    /// Share detected, of all strengths and sizes.
    pub detected: f64,
    /// Cases and share detected at full strength.
    pub full_strength: (usize, f64),
    /// The same of those that can be seen: [`SHOWS_PX`] and more change their colour visibly.
    pub shown: (usize, f64),
    /// Smallest size from which on 95 % are detected at full strength, pixels of the body; `None` if there is none among
    /// [`SIZES`].
    pub stated_px: Option<usize>,
    /// Cases and share detected from that size on.
    pub at_stated: Option<(usize, f64)>,
    /// Median pictures to the verdict, of the detected.
    pub delay_frames: Option<f64>,
    /// Verdicts on the faulty body over all verdicts in these cases.
    pub precision: f64,
    /// By strength: cases, share detected.
    pub by_strength: Vec<(f32, usize, f64)>,
    /// At full strength, by least size in pixels: cases of this size up to the next, share detected.
    pub by_size: Vec<(usize, usize, f64)>,
    /// How often each check spoke first.
    pub checks: BTreeMap<String, usize>,
}

/// False alarms on clean pictures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CleanFigures {
    /// Pictures.
    pub frames: usize,
    /// Seconds of play.
    pub played_s: f32,
    /// Alarms: verdicts of one check on one body, without a gap of more than a second.
    pub alarms: usize,
    /// The same for ten minutes.
    pub alarms_per_10_min: f64,
    /// By check.
    pub by_check: BTreeMap<String, usize>,
    /// Share of pictures with a verdict.
    pub frames_with_verdict: f64,
    /// Share of pictures that the observer was shown.
    pub looked: f64,
    /// Examples, printed.
    pub examples: Vec<String>,
}

fn share(outcomes: &[&Outcome]) -> (usize, f64) {
    let hits = outcomes.iter().filter(|o| o.delay_frames.is_some()).count();
    (outcomes.len(), hits as f64 / outcomes.len().max(1) as f64)
}

impl Outcome {
    /// The picture shows it.
    pub fn shows(&self) -> bool {
        self.visible_px.is_none_or(|px| px >= SHOWS_PX)
    }
}

impl ClassFigures {
    /// Of the outcomes of one class and source; `None` without any.
    pub fn of(class: FaultClass, source: Source, outcomes: &[Outcome]) -> Option<Self> {
        let all: Vec<&Outcome> =
            outcomes.iter().filter(|o| o.class == class && o.source == source).collect();
        if all.is_empty() {
            return None;
        }
        let full: Vec<&Outcome> = all
            .iter()
            .copied()
            .filter(|o| (o.strength - class.full_strength()).abs() < 1e-3)
            .collect();
        let shown: Vec<&Outcome> = full.iter().copied().filter(|o| o.shows()).collect();
        let from = |px: usize| -> Vec<&Outcome> {
            full.iter().copied().filter(|o| o.expected_px >= px).collect()
        };
        let stated_px = SIZES.into_iter().find(|px| {
            let (cases, detected) = share(&from(*px));
            cases >= FEWEST_CASES && detected >= WANTED
        });
        let mut strengths: Vec<f32> = all.iter().map(|o| o.strength).collect();
        strengths.sort_by(f32::total_cmp);
        strengths.dedup_by(|a, b| (*a - *b).abs() < 1e-3);
        let by_strength = strengths
            .into_iter()
            .map(|strength| {
                let of: Vec<&Outcome> =
                    all.iter().copied().filter(|o| (o.strength - strength).abs() < 1e-3).collect();
                let (cases, detected) = share(&of);
                (strength, cases, detected)
            })
            .collect();
        let by_size = SIZES
            .into_iter()
            .enumerate()
            .filter_map(|(i, px)| {
                let most = SIZES.get(i + 1).copied().unwrap_or(usize::MAX);
                let of: Vec<&Outcome> =
                    full.iter().copied().filter(|o| (px..most).contains(&o.expected_px)).collect();
                let (cases, detected) = share(&of);
                (cases > 0).then_some((px, cases, detected))
            })
            .collect();
        let mut delays: Vec<usize> = all.iter().filter_map(|o| o.delay_frames).collect();
        delays.sort_unstable();
        let hits = delays.len();
        let others: usize = all.iter().map(|o| o.other_alarms).sum();
        let mut checks = BTreeMap::new();
        for check in all.iter().filter_map(|o| o.check.clone()) {
            *checks.entry(check).or_insert(0) += 1;
        }
        let (cases, detected) = share(&all);
        Some(Self {
            class,
            source,
            cases,
            detected,
            full_strength: share(&full),
            shown: share(&shown),
            stated_px,
            at_stated: stated_px.map(|px| share(&from(px))),
            delay_frames: delays.get(delays.len() / 2).map(|d| *d as f64),
            precision: hits as f64 / (hits + others).max(1) as f64,
            by_strength,
            by_size,
            checks,
        })
    }
}

/// The blindness test: bodies that were taken out of the picture and are still expected.
#[derive(Debug, Clone, Serialize)]
pub struct Blindness {
    /// Who made the pictures.
    pub source: Source,
    /// Bodies of [`Self::least_px`] and more whose absence shows.
    pub cases: usize,
    /// Pixels.
    pub least_px: usize,
    /// Share of them that was reported absent.
    pub reported_absent: f64,
}

impl Blindness {
    /// Of the fully erased bodies among the outcomes, from `least_px` on.
    pub fn of(source: Source, least_px: usize, outcomes: &[Outcome]) -> Self {
        let erased: Vec<&Outcome> = outcomes
            .iter()
            .filter(|o| {
                o.source == source
                    && o.class == FaultClass::Erase
                    && o.strength >= 1.0
                    && o.expected_px >= least_px
                    && o.shows()
            })
            .collect();
        let absent = erased.iter().filter(|o| o.reported_absent).count();
        Self {
            source,
            cases: erased.len(),
            least_px,
            reported_absent: absent as f64 / erased.len().max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(strength: f32, expected_px: usize, delay_frames: Option<usize>) -> Outcome {
        Outcome {
            episode: "e".to_owned(),
            source: Source::Render,
            class: FaultClass::Erase,
            strength,
            body: 1,
            expected_px,
            changed_px: expected_px,
            visible_px: None,
            frames: 10,
            delay_frames,
            check: delay_frames.map(|_| "permanence".to_owned()),
            verdict: None,
            reported_absent: delay_frames.is_some(),
            other_alarms: usize::from(delay_frames.is_none()),
        }
    }

    #[test]
    fn the_stated_size_is_the_smallest_from_which_on_nearly_all_are_found() {
        let mut outcomes: Vec<Outcome> = (0..6).map(|_| outcome(1.0, 60, Some(3))).collect();
        outcomes.extend((0..4).map(|_| outcome(1.0, 30, None)));
        outcomes.push(outcome(0.4, 200, None));
        // One that nobody can see.
        outcomes[6].visible_px = Some(SHOWS_PX - 1);
        let figures = ClassFigures::of(FaultClass::Erase, Source::Render, &outcomes).unwrap();
        assert_eq!(figures.stated_px, Some(48));
        assert_eq!(figures.at_stated, Some((6, 1.0)));
        assert_eq!(figures.full_strength, (10, 0.6));
        assert_eq!(figures.shown, (9, 6.0 / 9.0));
        assert_eq!(figures.by_size, [(24, 4, 0.0), (48, 6, 1.0)]);
        assert_eq!(figures.delay_frames, Some(3.0));
        assert!((figures.precision - 6.0 / 11.0).abs() < 1e-9);
        assert_eq!(figures.by_strength.len(), 2);
        assert!(ClassFigures::of(FaultClass::Lift, Source::Render, &outcomes).is_none());
        let blindness = Blindness::of(Source::Render, 24, &outcomes);
        assert_eq!((blindness.cases, blindness.reported_absent), (9, 6.0 / 9.0));
    }
}
