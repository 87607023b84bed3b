//! Scripted play through the guard, end to end: off, observing and correcting, anchored and dreamed.
//!
//! Each mode plays the same recorded states and actions with the corrector of the dream thread. What is *shown* is then
//! looked at by a second guard, the same in all modes, which counts violations; and held against the true pictures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use image::RgbImage;
use reverie_guard::Level;
use serde::Serialize;

use super::bench::median_and_p95;
use super::{GuardEvalError, Watch, episodes_of};
use crate::card::ModelCard;
use crate::correct::{Corrector, GuardMode, GuardOrders, GuardStats};
use crate::data::Episode;
use crate::eval::figures::save_strip;
use crate::eval::metrics::psnr_db_of;
use crate::eval::strip::{Strip, StripRow};
use crate::frame::NeuralFrame;
use crate::model::reverie::ReverieModel;
use crate::model::{LoadOptions, WorldModel, ms};
use crate::observer::dreamed::{request, without_alpha};
use crate::request::{DreamMode, DreamRequest};

/// Anchored pictures before a dream begins.
const AWAKE: usize = 20;
/// Verdicts of one kind further apart are two violations, seconds.
const VIOLATION_GAP_S: f32 = 1.0;
/// Pictures of an episode in the strip, by frames after the dream began.
const SHOWN: [usize; 5] = [1, 10, 40, 100, 200];
/// Not every picture's time is a first one's: libtorch warms up.
const WARM_UP: usize = 5;

/// What to play.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayOptions {
    /// Anchored, dreaming, or both.
    pub modes: Vec<DreamMode>,
    /// What the guard may do, one run for each.
    pub guards: Vec<GuardMode>,
    /// At most so many episodes, the first by name.
    pub episodes: usize,
    /// At most so many frames of each.
    pub frames: usize,
    /// See [`GuardOrders::deadline_ms`].
    pub deadline_ms: f32,
    /// Folder of the strips; none are drawn if `None`.
    pub out: Option<PathBuf>,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self {
            modes: vec![DreamMode::Anchored, DreamMode::Dream],
            guards: vec![GuardMode::Off, GuardMode::Observe, GuardMode::Correct],
            episodes: usize::MAX,
            frames: usize::MAX,
            deadline_ms: GuardOrders::default().deadline_ms,
            out: None,
        }
    }
}

/// One mode with one guard.
#[derive(Debug, Clone, Serialize)]
pub struct PlayFigures {
    /// Whether the model followed the shadow or dreamed.
    pub mode: DreamMode,
    /// What the guard could do.
    pub guard: GuardMode,
    /// Pictures shown.
    pub frames: usize,
    /// Seconds of play.
    pub played_s: f32,
    /// Violations in what was shown, by the second guard: verdicts of one kind about one body more than a second apart.
    pub violations_per_min: f64,
    /// Of these, by check.
    pub by_check: BTreeMap<&'static str, usize>,
    /// Share of the pictures against which the second guard has a verdict.
    pub frames_with_verdict: f64,
    /// Share of the pictures at each level of the ladder, of those that were judged in play.
    pub levels: BTreeMap<&'static str, f64>,
    /// Against the true pictures, pooled over all.
    pub psnr_db: f64,
    /// The same over the pictures that were clean without a guard: what guarding costs where nothing is wrong.
    pub clean_psnr_db: Option<f64>,
    /// How much more a pixel at the edge of what was corrected changes from picture to picture than the true picture does there, mean
    /// absolute sRGB, 0 to 1; `None` where nothing was corrected.
    pub edge_flicker: Option<f64>,
    /// The same over whole pictures.
    pub flicker: f64,
    /// Of a picture without looking at it, median and 95th percentile, milliseconds.
    pub frame_ms: [f32; 2],
    /// Judging it before it is handed over.
    pub judge_ms: [f32; 2],
    /// Mean of that and of what is looked at afterwards, over the mean of the picture without either.
    pub judge_share: f64,
    /// Times that the observer was asked for a picture, corrections included.
    pub looks_per_frame: f64,
    /// Correcting it, over those that were.
    pub correct_ms: [f32; 2],
}

/// All figures.
#[derive(Debug, Clone, Serialize)]
pub struct PlayReport {
    /// Of the card.
    pub model: String,
    /// SHA-256 of the weights.
    pub weights_sha256: String,
    /// Of the observer's.
    pub observer_sha256: String,
    /// See [`PlayOptions::deadline_ms`].
    pub deadline_ms: f32,
    /// One for each mode and guard.
    pub runs: Vec<PlayFigures>,
    /// Pictures written.
    pub pictures: Vec<PathBuf>,
}

/// Plays the held-out episodes in `folder`.
///
/// # Errors
/// An episode is not held out, damaged or of another size, a file of the model is, or a picture cannot be written.
pub fn play(
    folder: &Path,
    card_path: &Path,
    options: &PlayOptions,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<PlayReport, GuardEvalError> {
    let card = ModelCard::load(card_path)?;
    let Some(observer) = &card.observer else {
        return Err(GuardEvalError::NoObserver { card: card_path.to_owned() });
    };
    let size = (card.architecture.width, card.architecture.height);
    let mut paths = episodes_of(folder, true, "scripted play", &[size])?;
    paths.truncate(options.episodes);
    let (mut runs, mut pictures) = (Vec::new(), Vec::new());
    let count = (options.modes.len() * options.guards.len()) as f64;
    for mode in &options.modes {
        // Which pictures were clean without a guard.
        let mut clean: Option<Vec<bool>> = None;
        let mut rows: Vec<StripRow> = Vec::new();
        for guard in &options.guards {
            let what = format!("{}, guard {}", name(mode), name(guard));
            let done = runs.len() as f64 / count;
            let mut run = Run::new(card_path, *mode, *guard, options)?;
            for (number, path) in paths.iter().enumerate() {
                progress(&what, done + number as f64 / paths.len() as f64 / count);
                run.episode(&Episode::open(path)?, number == 0)?;
            }
            if *guard == GuardMode::Off {
                clean = Some(run.tally.accepted.clone());
            }
            runs.push(run.figures(clean.as_deref()));
            if rows.is_empty() {
                rows.push(StripRow { label: "truth".to_owned(), pictures: run.truths });
            }
            rows.push(StripRow { label: format!("guard {}", name(guard)), pictures: run.shown });
        }
        if let Some(out) = &options.out {
            let columns = SHOWN.map(|frame| format!("{:.1} s", frame as f32 * 0.1)).to_vec();
            let strip = Strip { columns, rows, upscale: 2 };
            pictures.push(save_strip(&strip, out, &format!("guarded_{}.png", name(mode)))?);
        }
    }
    Ok(PlayReport {
        model: card.name,
        observer_sha256: observer.sha256.clone(),
        weights_sha256: card.sha256,
        deadline_ms: options.deadline_ms,
        runs,
        pictures,
    })
}

/// What is counted.
#[derive(Debug, Default)]
struct Tally {
    played_s: f32,
    violations: BTreeMap<&'static str, usize>,
    /// By picture: the second guard accepts it.
    accepted: Vec<bool>,
    /// By picture, mean over its values.
    squared_error: Vec<f64>,
    /// Sum and number of pixels.
    flicker: [f64; 2],
    edge_flicker: [f64; 2],
    frame_ms: Vec<f32>,
    judge_ms: Vec<f32>,
    /// Of pictures that were handed over already.
    later_ms: f64,
    correct_ms: Vec<f32>,
}

struct Run {
    model: ReverieModel,
    corrector: Corrector,
    /// Looks at what is shown.
    watch: Watch,
    mode: DreamMode,
    orders: GuardOrders,
    frames: usize,
    tally: Tally,
    shown: Vec<RgbImage>,
    truths: Vec<RgbImage>,
}

impl Run {
    fn new(
        card_path: &Path,
        mode: DreamMode,
        guard: GuardMode,
        options: &PlayOptions,
    ) -> Result<Self, GuardEvalError> {
        let card = ModelCard::load(card_path)?;
        let mut model = ReverieModel::load(card_path, card, &LoadOptions::default())?;
        let eye = model
            .take_eye()
            .ok_or_else(|| GuardEvalError::NoObserver { card: card_path.to_owned() })?;
        Ok(Self {
            model,
            corrector: Corrector::new(eye, GuardStats::default()),
            watch: Watch::new(card_path, None)?.always(),
            mode,
            orders: GuardOrders {
                mode: guard,
                deadline_ms: options.deadline_ms,
                ..GuardOrders::default()
            },
            frames: options.frames,
            tally: Tally::default(),
            shown: Vec::new(),
            truths: Vec::new(),
        })
    }

    fn episode(&mut self, episode: &Episode, shows: bool) -> Result<(), GuardEvalError> {
        self.model.forget_world();
        self.watch.begin();
        let dt_s = episode.header().frame_dt_s;
        let gap = (VIOLATION_GAP_S / dt_s).ceil() as usize;
        let mut last: BTreeMap<(&str, &str, Option<u64>), usize> = BTreeMap::new();
        let mut before: Option<(Vec<u8>, Vec<u8>)> = None;
        for frame in 0..episode.len().min(self.frames) {
            let snapshot = episode.snapshot(frame);
            let awake = self.mode == DreamMode::Anchored || frame < AWAKE;
            let asked = DreamRequest {
                mode: if awake { DreamMode::Anchored } else { self.mode },
                reset: frame == 0,
                ..request(episode, frame, snapshot.clone())
            };
            let (dreamed, later_ms) = self.append(&asked)?;
            let rgb = without_alpha(&dreamed.rgba);
            // As in a game: a dream owes nothing to the pictures before it, and teaches nothing.
            if !awake {
                self.watch.guard.look_changed();
            }
            self.watch.guard.set_dreaming(!awake);
            let judgement = self.watch.judge(&rgb, &Arc::new(snapshot))?;
            self.watch.shown(&judgement);
            // The pictures before a dream are no part of it.
            let Some(since) =
                frame.checked_sub(if self.mode == DreamMode::Dream { AWAKE } else { 0 })
            else {
                continue;
            };
            let truth = episode.frame_rgb(frame)?;
            let tally = &mut self.tally;
            tally.played_s += dt_s;
            tally.accepted.push(judgement.accepts());
            for verdict in &judgement.verdicts {
                let key = (verdict.check, verdict.finding.what, verdict.finding.object);
                let before = last.insert(key, frame);
                if before.is_none_or(|before| frame - before > gap) {
                    *tally.violations.entry(verdict.check).or_default() += 1;
                }
            }
            tally.squared_error.push(mean_squared_error(&rgb, &truth));
            let corrected = dreamed.times.correct_ms > 0.0;
            if since >= WARM_UP {
                let stages = dreamed.times.stages();
                let whole: f32 = stages[1..].iter().map(|(_, ms)| ms).sum();
                let looked = dreamed.times.guard_ms;
                tally.frame_ms.push(whole - looked - dreamed.times.correct_ms);
                tally.judge_ms.push(looked);
                tally.later_ms += f64::from(later_ms);
                if corrected {
                    tally.correct_ms.push(dreamed.times.correct_ms);
                }
            }
            if let Some((rgb_before, truth_before)) = &before {
                let tiles = if corrected { self.corrector.tiles() } else { &[] };
                tally.flickers((&rgb, rgb_before), (&truth, truth_before), tiles);
            }
            if shows && SHOWN.contains(&(since + 1)) {
                let (width, height) = (dreamed.width, dreamed.height);
                self.shown.extend(RgbImage::from_raw(width, height, rgb.clone()));
                self.truths.extend(RgbImage::from_raw(width, height, truth.clone()));
            }
            before = Some((rgb, truth));
        }
        Ok(())
    }

    /// As the dream thread does it; and how long the guard looked after the picture was handed over, milliseconds.
    fn append(&mut self, request: &DreamRequest) -> Result<(NeuralFrame, f32), GuardEvalError> {
        if self.orders.mode == GuardMode::Off {
            return Ok((self.model.append_frame(request)?, 0.0));
        }
        let (frame, _) = self.corrector.append(&mut self.model, request, &self.orders)?;
        let begun = Instant::now();
        let _ = self.corrector.look_back(&mut self.model);
        Ok((frame, ms(begun.elapsed())))
    }

    fn figures(&self, clean: Option<&[bool]>) -> PlayFigures {
        let tally = &self.tally;
        let frames = tally.accepted.len();
        let mean = |errors: &mut dyn Iterator<Item = f64>| {
            let (sum, count) = errors.fold((0.0, 0), |(sum, count), e| (sum + e, count + 1));
            (count > 0).then(|| psnr_db_of(sum / f64::from(count)))
        };
        let errors = || tally.squared_error.iter().copied();
        let of_clean = clean.and_then(|clean| {
            mean(&mut errors().zip(clean).filter(|(_, clean)| **clean).map(|(error, _)| error))
        });
        let stats = self.corrector.stats();
        let levels = Level::ALL.into_iter().zip(stats.levels).filter(|(_, count)| *count > 0);
        let of_judged = |count: u64| count as f64 / stats.judged.max(1) as f64;
        let ratio = |[sum, count]: [f64; 2]| sum / count.max(1.0);
        let minutes = f64::from(tally.played_s.max(1e-3)) / 60.0;
        PlayFigures {
            mode: self.mode,
            guard: self.orders.mode,
            frames,
            played_s: tally.played_s,
            violations_per_min: tally.violations.values().sum::<usize>() as f64 / minutes,
            by_check: tally.violations.clone(),
            frames_with_verdict: tally.accepted.iter().filter(|a| !**a).count() as f64
                / frames.max(1) as f64,
            levels: levels.map(|(level, count)| (level.name(), of_judged(count))).collect(),
            psnr_db: mean(&mut errors()).unwrap_or(0.0),
            clean_psnr_db: of_clean,
            edge_flicker: (tally.edge_flicker[1] > 0.0).then(|| ratio(tally.edge_flicker)),
            flicker: ratio(tally.flicker),
            frame_ms: median_and_p95(&tally.frame_ms),
            judge_ms: median_and_p95(&tally.judge_ms),
            judge_share: (sum(&tally.judge_ms) + tally.later_ms) / sum(&tally.frame_ms).max(1e-3),
            looks_per_frame: of_judged(stats.looks),
            correct_ms: median_and_p95(&tally.correct_ms),
        }
    }
}

impl Tally {
    /// `tiles` is 1 in what was corrected, 0 elsewhere, and between along the edge.
    fn flickers(&mut self, shown: (&[u8], &[u8]), truth: (&[u8], &[u8]), tiles: &[f32]) {
        let change =
            |(now, before): (&[u8], &[u8]), i: usize| i32::from(now[i]) - i32::from(before[i]);
        for pixel in 0..shown.0.len() / 3 {
            let values = 3 * pixel..3 * pixel + 3;
            let more: i32 = values.map(|i| (change(shown, i) - change(truth, i)).abs()).sum();
            let more = f64::from(more) / (3.0 * 255.0);
            let edge = tiles.get(pixel).is_some_and(|share| *share > 0.0 && *share < 1.0);
            for sum in [Some(&mut self.flicker), edge.then_some(&mut self.edge_flicker)] {
                if let Some([sum, count]) = sum {
                    *sum += more;
                    *count += 1.0;
                }
            }
        }
    }
}

fn sum(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum()
}

/// Of bytes, as values of 0 to 1.
fn mean_squared_error(a: &[u8], b: &[u8]) -> f64 {
    let square = |(a, b): (&u8, &u8)| f64::from((i32::from(*a) - i32::from(*b)).pow(2));
    a.iter().zip(b).map(square).sum::<f64>() / (255.0 * 255.0 * a.len().max(1) as f64)
}

fn name(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

impl PlayReport {
    /// For a terminal.
    pub fn table(&self) -> String {
        let mut out = format!("`{}`, corrections within {:.0} ms\n", self.model, self.deadline_ms);
        out += &format!(
            "{:<9} {:<8} {:>7} {:>11} {:>9} {:>8} {:>9} {:>8} {:>8} {:>14} {:>14} {:>7} {:>6} {:>14}  levels\n",
            "mode",
            "guard",
            "play",
            "violations",
            "pictures",
            "PSNR",
            "of clean",
            "flicker",
            "at edges",
            "frame ms",
            "judge ms",
            "share",
            "looks",
            "correct ms"
        );
        for run in &self.runs {
            let optional = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
            };
            let ms = |[p50, p95]: [f32; 2]| match p50.is_finite() {
                true => format!("{p50:.1} / {p95:.1}"),
                false => "-".to_owned(),
            };
            let levels: Vec<String> = run
                .levels
                .iter()
                .map(|(level, share)| format!("{level} {:.1} %", 100.0 * share))
                .collect();
            out += &format!(
                "{:<9} {:<8} {:>5.0} s {:>5.1} / min {:>7.1} % {:>5.2} dB {:>9} {:>8.4} {:>8} {:>14} {:>14} {:>5.1} % {:>6.2} {:>14}  {}\n",
                name(&run.mode),
                name(&run.guard),
                run.played_s,
                run.violations_per_min,
                100.0 * run.frames_with_verdict,
                run.psnr_db,
                optional(run.clean_psnr_db, 2),
                run.flicker,
                optional(run.edge_flicker, 4),
                ms(run.frame_ms),
                ms(run.judge_ms),
                100.0 * run.judge_share,
                run.looks_per_frame,
                ms(run.correct_ms),
                levels.join(", ")
            );
        }
        out
    }
}
