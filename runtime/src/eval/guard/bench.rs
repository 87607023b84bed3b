//! The guard on held-out episodes, clean and with faults.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use reverie_guard::colour::{delta_e_2000, lab};
use reverie_guard::expected::PixelRect;
use reverie_guard::fault::Label;
use reverie_guard::{Fault, FaultClass, ShadowSnapshot, Verdict};
use serde::Serialize;

use super::cases::{Case, Span, Wanted, find};
use super::figures::{Blindness, ClassFigures, CleanFigures, Outcome};
use super::shots::{Shot, Shots};
use super::source::{Dreamer, Source};
use super::{GuardEvalError, Watch, episodes_of};
use crate::card::ModelCard;
use crate::data::Episode;

/// A verdict that names another body is about the fault if this share of the smaller rectangle is in both.
const ABOUT: f32 = 0.5;
/// Verdicts further apart are two alarms, seconds.
const ALARM_GAP_S: f32 = 1.0;
/// ΔE2000 that anybody sees, though small and seen for a moment.
const VISIBLE_DELTA_E: f64 = 5.0;
/// Printed verdicts on clean pictures.
const EXAMPLES: usize = 12;
/// Bodies of so many pixels must be missed when they are taken out of the picture.
pub const BLINDNESS_PX: usize = 24;

/// What is measured.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Episodes whose pictures show faults, of `reverie record --faults`; without them true renders are only judged clean.
    pub faults: Option<PathBuf>,
    /// Kinds of faults that the model is made to show.
    pub classes: Vec<FaultClass>,
    /// Faults of each kind and strength that the model is made to show, at most.
    pub cases: usize,
    /// Of a body at the start of its fault, pixels.
    pub least_pixels: usize,
    /// Frames of each.
    pub span: Span,
    /// Most frames of each clean episode.
    pub clean_frames: usize,
    /// Folder of pictures and plots.
    pub out: Option<PathBuf>,
    /// Of the choice of faults.
    pub seed: u64,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            faults: None,
            classes: FaultClass::ALL.to_vec(),
            cases: 12,
            least_pixels: 16,
            span: Span { before: 12, after: 16 },
            clean_frames: usize::MAX,
            out: None,
            seed: 1,
        }
    }
}

/// All figures.
#[derive(Debug, Clone, Serialize)]
pub struct BenchReport {
    /// Of the card.
    pub model: String,
    /// SHA-256 of the observer's weights.
    pub observer_sha256: String,
    /// The thresholds are calibrated ones.
    pub calibrated: bool,
    /// Clean pictures.
    pub clean: BTreeMap<&'static str, CleanFigures>,
    /// By class and source.
    pub classes: Vec<ClassFigures>,
    /// Bodies taken out of the picture.
    pub blindness: Vec<Blindness>,
    /// The observer, median and 95th percentile, milliseconds a picture that it was shown.
    pub observe_ms: [f32; 2],
    /// Everything else, alike, of all pictures.
    pub judge_ms: [f32; 2],
    /// How long a picture waits for its judgement, alike: what is not odd is shown to the observer after the player.
    pub wait_ms: [f32; 2],
    /// Share of the pictures that the observer was shown.
    pub looked: f64,
    /// Every fault.
    pub outcomes: Vec<Outcome>,
    /// Pictures written.
    pub pictures: Vec<PathBuf>,
    /// Of the measurement itself.
    pub measured_s: f64,
}

/// Measures the guard of the card on the held-out episodes in `folder`.
///
/// # Errors
/// An episode is not held out, damaged or of another size, a file of the model is, or a picture cannot be written.
pub fn bench(
    folder: &Path,
    card_path: &Path,
    options: &BenchOptions,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<BenchReport, GuardEvalError> {
    let started = Instant::now();
    let mut card = ModelCard::load(card_path)?;
    let Some(observer) = card.observer.take() else {
        return Err(GuardEvalError::NoObserver { card: card_path.to_owned() });
    };
    let dreamer = Dreamer::new(card_path, true)?;
    let mut watch = Watch::new(card_path, None)?;
    // As in play.
    watch.guard.set_curious(dreamer.can_dream());
    let sizes = watch.sizes();
    let [_, (width, height)] = sizes;
    let size = (width as usize, height as usize);
    let mut bench = Bench { watch, dreamer, outcomes: Vec::new(), shots: Shots::new(size.0), size };
    let open = |paths: Vec<PathBuf>| -> Result<Vec<Episode>, GuardEvalError> {
        paths.iter().map(|path| Ok(Episode::open(path)?)).collect()
    };
    let episodes = open(episodes_of(folder, true, "the bench", &sizes)?)?;
    let faulty = match &options.faults {
        Some(faults) => open(episodes_of(faults, true, "the bench", &sizes)?)?,
        None => Vec::new(),
    };

    let mut clean = BTreeMap::new();
    for (number, source) in Source::ALL.into_iter().enumerate() {
        let from = 0.15 * number as f64;
        let mut tell = |share: f64| progress("clean pictures", from + 0.15 * share);
        clean.insert(
            source.name(),
            bench.clean(&episodes, source, options.clean_frames, &mut tell)?,
        );
    }
    for (number, episode) in faulty.iter().enumerate() {
        progress("faults in renders", 0.3 + 0.1 * number as f64 / faulty.len() as f64);
        bench.recorded(episode)?;
    }
    let wanted = Wanted {
        size,
        most: options.cases,
        least_pixels: options.least_pixels,
        span: options.span,
        seed: options.seed,
    };
    for (number, class) in options.classes.iter().enumerate() {
        for strength in class.strengths() {
            let what = format!("{} {strength} {} in model pictures", class.name(), class.unit());
            progress(&what, 0.4 + 0.6 * number as f64 / options.classes.len() as f64);
            for case in find(&episodes, *class, *strength, &wanted) {
                bench.dreamed(&episodes[case.episode], &case)?;
            }
        }
    }

    let (outcomes, watch) = (bench.outcomes, bench.watch);
    let classes = FaultClass::ALL
        .into_iter()
        .flat_map(|class| Source::ALL.map(|source| ClassFigures::of(class, source, &outcomes)))
        .flatten()
        .collect();
    let blindness = Source::ALL
        .map(|source| Blindness::of(source, BLINDNESS_PX, &outcomes))
        .into_iter()
        .filter(|blindness| blindness.cases > 0)
        .collect();
    let mut report = BenchReport {
        model: card.name,
        observer_sha256: observer.sha256,
        calibrated: observer.thresholds.is_some(),
        clean,
        classes,
        blindness,
        observe_ms: median_and_p95(&watch.observe_ms),
        judge_ms: median_and_p95(&watch.judge_ms),
        wait_ms: median_and_p95(&watch.wait_ms),
        looked: watch.observe_ms.len() as f64 / watch.wait_ms.len().max(1) as f64,
        outcomes,
        pictures: Vec::new(),
        measured_s: 0.0,
    };
    if let Some(out) = &options.out {
        report.pictures = bench.shots.save(out)?;
        report.pictures.extend(report.plots(out)?);
    }
    report.measured_s = started.elapsed().as_secs_f64();
    Ok(report)
}

struct Bench {
    watch: Watch,
    dreamer: Dreamer,
    outcomes: Vec<Outcome>,
    shots: Shots,
    /// At which pictures are looked at, pixels.
    size: (usize, usize),
}

impl Bench {
    fn clean(
        &mut self,
        episodes: &[Episode],
        source: Source,
        most_frames: usize,
        tell: &mut dyn FnMut(f64),
    ) -> Result<CleanFigures, GuardEvalError> {
        let mut figures = CleanFigures::default();
        let mut with_verdict = 0;
        let looks = self.watch.observe_ms.len();
        for (number, episode) in episodes.iter().enumerate() {
            tell(number as f64 / episodes.len() as f64);
            self.watch.begin();
            self.dreamer.begin();
            let dt_s = episode.header().frame_dt_s;
            let gap = (ALARM_GAP_S / dt_s).ceil() as usize;
            let mut last: BTreeMap<(&str, &str, Option<u64>), usize> = BTreeMap::new();
            for frame in 0..episode.len().min(most_frames) {
                let rgb = match source {
                    Source::Render => episode.frame_rgb(frame)?,
                    Source::Model => self.dreamer.picture(episode, frame)?,
                };
                let rgb = self.watch.shrunk(&rgb).into_owned();
                let truth = Arc::new(episode.snapshot(frame));
                let judgement = self.watch.judge(&rgb, &truth)?;
                self.watch.shown(&judgement);
                figures.frames += 1;
                figures.played_s += dt_s;
                with_verdict += usize::from(!judgement.accepts());
                for verdict in &judgement.verdicts {
                    let key = (verdict.check, verdict.finding.what, verdict.finding.object);
                    let before = last.insert(key, frame);
                    if before.is_some_and(|before| frame - before <= gap) {
                        continue;
                    }
                    figures.alarms += 1;
                    *figures.by_check.entry(verdict.check.to_owned()).or_insert(0) += 1;
                    if figures.examples.len() < EXAMPLES {
                        let name = name_of(episode);
                        figures.examples.push(format!("{name} frame {frame}: {verdict}"));
                    }
                    self.shots.add_alarm(source, &rgb, verdict);
                }
            }
        }
        figures.alarms_per_10_min =
            figures.alarms as f64 * 600.0 / f64::from(figures.played_s.max(1e-3));
        let of_frames = |count: usize| count as f64 / figures.frames.max(1) as f64;
        figures.frames_with_verdict = of_frames(with_verdict);
        figures.looked = of_frames(self.watch.observe_ms.len() - looks);
        Ok(figures)
    }

    /// An episode of which the pictures show a fault.
    fn recorded(&mut self, episode: &Episode) -> Result<(), GuardEvalError> {
        let Some(fault) = episode.fault().cloned() else { return Ok(()) };
        let (width, height) = self.size;
        let snapshots: Vec<ShadowSnapshot> =
            (0..episode.len()).map(|i| episode.snapshot(i)).collect();
        let start =
            snapshots.iter().position(|s| fault.is_active(s.tick)).unwrap_or(snapshots.len());
        let labels: Vec<Option<Label>> =
            snapshots[start..].iter().map(|s| fault.label(s, width, height)).collect();
        if labels.iter().flatten().next().is_none() {
            return Ok(());
        }
        let mut trial = Trial::new(Source::Render, name_of(episode), &fault, labels);
        self.watch.begin();
        for (frame, snapshot) in snapshots.into_iter().enumerate() {
            let rgb = self.watch.shrunk(&episode.frame_rgb(frame)?).into_owned();
            trial.look(&mut self.watch, rgb, snapshot, frame.checked_sub(start))?;
        }
        self.finish(trial);
        Ok(())
    }

    /// A fault that the model is made to show.
    fn dreamed(&mut self, episode: &Episode, case: &Case) -> Result<(), GuardEvalError> {
        self.watch.begin();
        self.dreamer.begin();
        let (fault, labels) = (&case.fault, case.labels.clone());
        let mut trial = Trial::new(Source::Model, name_of(episode), fault, labels);
        for frame in case.first..case.end {
            let (right, rgb) = self.dreamer.pictures(episode, frame, fault)?;
            let [right, rgb] = [right, rgb].map(|rgb| self.watch.shrunk(&rgb).into_owned());
            let since = frame.checked_sub(case.start);
            if since.is_some() {
                trial.visible_px.push(visible_px(&right, &rgb));
            }
            trial.look(&mut self.watch, rgb, episode.snapshot(frame), since)?;
        }
        self.finish(trial);
        Ok(())
    }

    fn finish(&mut self, trial: Trial) {
        let (outcome, shot) = trial.finish();
        self.shots.add(shot);
        self.outcomes.push(outcome);
    }
}

/// One fault under way.
struct Trial<'a> {
    source: Source,
    episode: String,
    fault: &'a Fault,
    labels: Vec<Option<Label>>,
    first_seen: Option<usize>,
    hit: Option<(usize, Verdict)>,
    reported_absent: bool,
    others: BTreeSet<(&'static str, Option<u64>)>,
    /// By picture with the fault; empty if nobody knows the right ones.
    visible_px: Vec<usize>,
    before: Vec<u8>,
    with_fault: Vec<u8>,
    rect: PixelRect,
}

impl<'a> Trial<'a> {
    fn new(source: Source, episode: String, fault: &'a Fault, labels: Vec<Option<Label>>) -> Self {
        Self {
            source,
            episode,
            fault,
            first_seen: labels.iter().position(Option::is_some),
            labels,
            hit: None,
            reported_absent: false,
            others: BTreeSet::new(),
            visible_px: Vec::new(),
            before: Vec::new(),
            with_fault: Vec::new(),
            rect: PixelRect::default(),
        }
    }

    /// Judges a picture, `since` frames after the start of the fault, or before it.
    fn look(
        &mut self,
        watch: &mut Watch,
        rgb: Vec<u8>,
        truth: ShadowSnapshot,
        since: Option<usize>,
    ) -> Result<(), GuardEvalError> {
        let judgement = watch.judge(&rgb, &Arc::new(truth))?;
        let label = since.and_then(|since| self.labels.get(since).copied().flatten());
        for verdict in &judgement.verdicts {
            let finding = &verdict.finding;
            let names_it = finding.object == Some(self.fault.body);
            let about = since.is_some()
                && (names_it || label.is_some_and(|l| overlap(&l.rect, &finding.rect) >= ABOUT));
            if about {
                if let (None, Some(since)) = (&self.hit, since) {
                    self.hit = Some((since, *verdict));
                    self.with_fault = rgb.clone();
                    self.rect = label.map_or(finding.rect, |label| label.rect);
                }
                let absent = ["vanished", "unseen", "crept"].contains(&finding.what);
                self.reported_absent |= names_it && absent;
            } else {
                self.others.insert((verdict.check, finding.object));
            }
        }
        watch.shown(&judgement);
        match (since, label) {
            (None, _) => self.before = rgb,
            (Some(_), Some(label)) if self.hit.is_none() => {
                self.with_fault = rgb;
                self.rect = label.rect;
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> (Outcome, Shot) {
        let median = |mut values: Vec<usize>| {
            values.sort_unstable();
            values.get(values.len() / 2).copied()
        };
        let of_labels = |of: fn(&Label) -> usize| -> usize {
            median(self.labels.iter().flatten().map(of).collect()).unwrap_or(0)
        };
        let first_seen = self.first_seen.unwrap_or(0);
        let hit = self.hit.as_ref();
        let outcome = Outcome {
            episode: self.episode,
            source: self.source,
            class: self.fault.class,
            strength: self.fault.strength,
            body: self.fault.body,
            expected_px: of_labels(|label| label.expected_px),
            changed_px: of_labels(|label| label.changed_px),
            visible_px: median(self.visible_px),
            frames: self.labels.iter().flatten().count(),
            delay_frames: hit.map(|(since, _)| since.saturating_sub(first_seen) + 1),
            check: hit.map(|(_, verdict)| verdict.check.to_owned()),
            verdict: hit.map(|(_, verdict)| verdict.to_string()),
            reported_absent: self.reported_absent,
            other_alarms: self.others.len(),
        };
        let shot = Shot {
            class: self.fault.class,
            source: self.source,
            before: self.before,
            with_fault: self.with_fault,
            fault: self.rect,
            verdict: self.hit.map(|(_, verdict)| verdict.finding.rect),
        };
        (outcome, shot)
    }
}

fn name_of(episode: &Episode) -> String {
    episode.dir().file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Pixels that anybody would call another colour.
fn visible_px(right: &[u8], wrong: &[u8]) -> usize {
    let colour = |rgb: &[u8]| lab([rgb[0], rgb[1], rgb[2]].map(|byte| f32::from(byte) / 255.0));
    let pairs = right.chunks_exact(3).zip(wrong.chunks_exact(3));
    pairs.filter(|(a, b)| a != b && delta_e_2000(colour(a), colour(b)) > VISIBLE_DELTA_E).count()
}

/// Area in both over the area of the smaller one.
fn overlap(a: &PixelRect, b: &PixelRect) -> f32 {
    let along = |a0: u16, a1: u16, b0: u16, b1: u16| f32::from(a1.min(b1)) - f32::from(a0.max(b0));
    let both = along(a.x0, a.x1, b.x0, b.x1).max(0.0) * along(a.y0, a.y1, b.y0, b.y1).max(0.0);
    let area =
        |r: &PixelRect| f32::from(r.x1.saturating_sub(r.x0)) * f32::from(r.y1.saturating_sub(r.y0));
    both / area(a).min(area(b)).max(1.0)
}

pub(super) fn median_and_p95(values: &[f32]) -> [f32; 2] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = |q: f32| {
        let index = (q * sorted.len().saturating_sub(1) as f32).round() as usize;
        sorted.get(index).copied().unwrap_or(f32::NAN)
    };
    [at(0.5), at(0.95)]
}
