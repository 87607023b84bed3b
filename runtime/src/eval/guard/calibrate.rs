//! Thresholds from clean pictures of training seeds, written into the model card.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use reverie_guard::{Calibrator, Thresholds};
use serde::Serialize;

use super::source::{Dreamer, Source};
use super::{GuardEvalError, Watch, episodes_of};
use crate::card::ModelCard;
use crate::data::Episode;

/// Rules that a picture is held to, about: each may be wrong.
const RULES: f32 = 16.0;
const TEN_MINUTES_S: f32 = 600.0;

/// How to calibrate.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrateOptions {
    /// Most episodes of true renders, and of model pictures, evenly spaced by name.
    pub episodes: [usize; 2],
    /// Most frames of an episode.
    pub frames: usize,
    /// Wanted false alarms in ten minutes of clean play, of all checks together.
    pub alarms_per_10_min: f32,
}

impl Default for CalibrateOptions {
    fn default() -> Self {
        Self { episodes: [120, 60], frames: 300, alarms_per_10_min: 1.0 }
    }
}

/// What calibration found.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    /// Written into the card.
    pub thresholds: Thresholds,
    /// Clean pictures that they come from.
    pub frames: u64,
    /// Seconds of play in them.
    pub played_s: f32,
    /// Verdicts of the starting values on the same pictures, by check, with the measured observer.
    pub alarms_before: BTreeMap<&'static str, u64>,
    /// Share of the pictures that may violate a rule three times in four.
    pub beyond: f32,
}

/// Pictures of one clean run.
struct Run {
    episode: Episode,
    /// `None` where they are the episode's own.
    pictures: Option<Vec<Vec<u8>>>,
    frames: usize,
}

impl Run {
    fn picture(&self, frame: usize) -> Result<Vec<u8>, GuardEvalError> {
        match &self.pictures {
            Some(pictures) => Ok(pictures.get(frame).cloned().unwrap_or_default()),
            None => Ok(self.episode.frame_rgb(frame)?),
        }
    }
}

/// Calibrates the guard of the card on the clean episodes in `folder`, true renders and model pictures, and writes the
/// thresholds into the card.
///
/// # Errors
/// An episode is held out, damaged or of another size, or a file of the model is.
pub fn calibrate(
    folder: &Path,
    card_path: &Path,
    options: &CalibrateOptions,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<Calibration, GuardEvalError> {
    let mut card = ModelCard::load(card_path)?;
    let Some(mut observer) = card.observer.clone() else {
        return Err(GuardEvalError::NoObserver { card: card_path.to_owned() });
    };
    // A broken observer is to be told before the model has played for minutes.
    let sizes = Watch::new(card_path, None)?.sizes();
    let paths = episodes_of(folder, false, "calibration", &sizes)?;
    let mut dreamer = Dreamer::new(card_path, false)?;
    let mut runs = Vec::new();
    for (kind, most) in Source::ALL.into_iter().zip(options.episodes) {
        let step = paths.len().div_ceil(most.max(1)).max(1);
        let chosen = paths.iter().step_by(step).take(most);
        for (number, path) in chosen.enumerate() {
            let episode = Episode::open(path)?;
            let frames = episode.len().min(options.frames);
            let pictures = match kind {
                Source::Render => None,
                Source::Model => {
                    progress("model pictures", 0.5 * number as f64 / most as f64);
                    dreamer.begin();
                    let pictures = (0..frames).map(|i| dreamer.picture(&episode, i));
                    Some(pictures.collect::<Result<Vec<_>, _>>()?)
                }
            };
            runs.push(Run { episode, pictures, frames });
        }
    }
    let frames: usize = runs.iter().map(|run| run.frames).sum();
    let played_s: f32 =
        runs.iter().map(|run| run.frames as f32 * run.episode.header().frame_dt_s).sum();
    let frames_per_10_min = TEN_MINUTES_S * frames as f32 / played_s.max(1e-3);
    let beyond = (options.alarms_per_10_min / RULES / frames_per_10_min).clamp(0.0, 0.5);

    // In dreams nothing is remembered, so nothing is ever in doubt: there the observer's rules stand alone, and must be as sharp as they can be.
    let dreams = dreamer.can_dream();
    let mut pass = |thresholds: Thresholds, what: &str, from: f64| {
        pass(card_path, &runs, thresholds, dreams, (what, from), progress)
    };
    let first = pass(Thresholds::default(), "how the observer errs", 0.5)?;
    let base = Thresholds { observer: first.observer_error(), ..Thresholds::default() };
    let second = pass(base.clone(), "thresholds", 0.75)?;
    let thresholds = second.thresholds(&base, beyond);
    observer.thresholds = Some(thresholds.clone());
    card.observer = Some(observer);
    card.save_atomically(card_path)?;
    Ok(Calibration {
        thresholds,
        frames: second.frames(),
        played_s,
        alarms_before: second.alarms().clone(),
        beyond,
    })
}

/// Judges all runs once; those of a model that dreams are known to be right.
fn pass(
    card_path: &Path,
    runs: &[Run],
    thresholds: Thresholds,
    dreams: bool,
    (what, from): (&str, f64),
    progress: &mut dyn FnMut(&str, f64),
) -> Result<Calibrator, GuardEvalError> {
    let mut watch = Watch::new(card_path, Some(thresholds))?.always();
    if dreams {
        watch.guard.trust_pictures();
    }
    let mut calibrator = Calibrator::new();
    for (number, run) in runs.iter().enumerate() {
        progress(what, from + 0.25 * number as f64 / runs.len() as f64);
        watch.begin();
        calibrator.new_run();
        for frame in 0..run.frames {
            let truth = Arc::new(run.episode.snapshot(frame));
            let judgement = watch.judge(&run.picture(frame)?, &truth)?;
            calibrator.add(&watch.guard, &judgement);
            watch.shown(&judgement);
        }
    }
    Ok(calibrator)
}
