//! `reverie eval`: a model against the truth and against its baselines, on episodes it never saw.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tch::{Device, Kind};
use thiserror::Error;

use super::FigureError;
use super::clip::Clip;
use super::cold::Cold;
use super::figures::{Crop, STRIP_FRAMES, Shown, best_crop, crop_page, psnr_plot, save_strip, strip, to_image};
use super::metrics::Picture;
use super::play::{frames_of, play, shown_rgb};
use super::report::{Report, StepsFigures, stage_times, total_ms};
use super::rows::{HORIZONS, PROMPT_FRAMES, RowKind, WHOLE_FRAMES};
use super::score::{RowTally, Truth, slope};
use crate::card::{CardError, ModelCard};
use crate::data::{DataError, Episode, list_episodes};
use crate::frame::StageTimes;
use crate::model::reverie::ReverieModel;
use crate::model::{LoadOptions, ModelError};
use crate::sampler::MOST_STEPS;

/// Episodes of which strips are drawn.
const STRIPS: usize = 6;
/// Layouts and episodes from this seed up are for evaluation alone.
const FIRST_EVAL_SEED: u64 = 1_000_000;

/// What to evaluate, and how far.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalOptions {
    /// In any order.
    pub rows: Vec<RowKind>,
    /// At most so many episodes, the first by name; all if `None`.
    pub episodes: Option<usize>,
    /// At most so many frames after the prompt.
    pub frames: usize,
    /// Numbers of denoising steps to compare; empty for none.
    pub steps: Vec<u32>,
    /// Folder of the pictures; none are drawn if `None`.
    pub out: Option<PathBuf>,
    /// Threads of the network on a CPU; all cores if `None`.
    pub threads: Option<usize>,
    /// Of the sampler's noise, and of the looks of worlds without a prompt.
    pub seed: u64,
}

impl Default for EvalOptions {
    fn default() -> Self {
        Self {
            rows: RowKind::ALL.to_vec(),
            episodes: None,
            frames: HORIZONS[HORIZONS.len() - 1],
            steps: vec![1, 2, 4],
            out: None,
            threads: None,
            seed: 1,
        }
    }
}

/// Why nothing could be evaluated.
#[derive(Debug, Error)]
pub enum EvalError {
    /// An episode cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The card cannot be read.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The model cannot be loaded, or failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A picture cannot be drawn or written.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// The folder has no episodes.
    #[error(
        "there are no episodes in {}; record some with `reverie record --seed {FIRST_EVAL_SEED} --frames 276 --out {}`",
        data.display(), data.display()
    )]
    NoEpisodes {
        /// The folder.
        data: PathBuf,
    },
    /// No episode goes on after the prompt.
    #[error(
        "the longest episode in {} has {longest} frames; the prompt alone takes {PROMPT_FRAMES}, and 256 after it are best",
        data.display()
    )]
    TooShort {
        /// The folder.
        data: PathBuf,
        /// Frames.
        longest: usize,
    },
    /// Pictures of another size than the model's.
    #[error("{}: {}×{} pixels, but the model makes {}×{}; record at its size", path.display(), found.0, found.1, model.0, model.1)]
    Size {
        /// The episode.
        path: PathBuf,
        /// Width and height, pixels.
        found: (u32, u32),
        /// Width and height, pixels.
        model: (u32, u32),
    },
    /// An option that asks for nothing or for too much.
    #[error("{what} is {value}; {hint}")]
    Option {
        /// Which.
        what: &'static str,
        /// As given.
        value: String,
        /// What is allowed.
        hint: String,
    },
}

/// Compares the model of `card_path` with the episodes in `data`.
///
/// The first [`PROMPT_FRAMES`] frames of an episode are given, the rest is compared. `progress` hears what is
/// being done and the share done, 0 to 1.
///
/// # Errors
/// See [`EvalError`].
pub fn evaluate(
    data: &Path,
    card_path: &Path,
    options: &EvalOptions,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<Report, EvalError> {
    check(options)?;
    let started = Instant::now();
    let card = ModelCard::load(card_path)?;
    let mut paths = list_episodes(data)?;
    paths.truncate(options.episodes.unwrap_or(usize::MAX));
    if paths.is_empty() {
        return Err(EvalError::NoEpisodes { data: data.to_owned() });
    }
    let mut run = Run::new(card_path, card, options)?;
    let mut longest = 0;
    for (number, path) in paths.iter().enumerate() {
        let episode = Episode::open(path)?;
        run.check_episode(path, &episode)?;
        longest = longest.max(episode.len());
        let other = if run.has(RowKind::WrongShadow) && paths.len() > 1 {
            Some(Episode::open(&paths[(number + 1) % paths.len()])?)
        } else {
            None
        };
        let strength = run.card.sampler.default_condition_strength;
        match Clip::new(episode, options.frames, strength)? {
            Some(clip) => {
                let name = format!("episode {} of {}", number + 1, paths.len());
                run.clip(number, &clip, other.as_ref(), &mut |row, share| {
                    progress(&format!("{name}, {row}"), (number as f64 + share) / paths.len() as f64);
                })?;
            }
            None => run.notes.push(format!("{} is no longer than the prompt and left out", path.display())),
        }
    }
    if run.clips == 0 {
        return Err(EvalError::TooShort { data: data.to_owned(), longest });
    }
    progress("figures", 1.0);
    let mut report = run.report(data, longest)?;
    report.evaluated_s = started.elapsed().as_secs_f64();
    Ok(report)
}

fn check(options: &EvalOptions) -> Result<(), EvalError> {
    let wrong = |what, value: String, hint: &str| Err(EvalError::Option { what, value, hint: hint.to_owned() });
    if options.rows.is_empty() {
        return wrong("the list of rows", "empty".to_owned(), "name at least one");
    }
    if options.frames == 0 || options.episodes == Some(0) {
        return wrong("the number of frames or episodes", "0".to_owned(), "at least 1 is needed");
    }
    if let Some(steps) = options.steps.iter().find(|s| !(1..=MOST_STEPS).contains(*s)) {
        return wrong("a number of steps", steps.to_string(), &format!("1 to {MOST_STEPS} are possible"));
    }
    Ok(())
}

/// The autoregressive row with another number of steps.
struct OtherSteps {
    steps: u32,
    model: ReverieModel,
    tally: RowTally,
    times: Vec<StageTimes>,
}

/// An evaluation under way.
struct Run<'a> {
    card_path: &'a Path,
    card: ModelCard,
    options: &'a EvalOptions,
    load: LoadOptions,
    model: ReverieModel,
    tallies: BTreeMap<RowKind, RowTally>,
    other_steps: Vec<OtherSteps>,
    times: Vec<StageTimes>,
    cold: Cold,
    crops: Vec<Vec<Crop>>,
    notes: Vec<String>,
    pictures: Vec<PathBuf>,
    clips: usize,
    frame_dt_s: f32,
}

impl<'a> Run<'a> {
    fn new(card_path: &'a Path, card: ModelCard, options: &'a EvalOptions) -> Result<Self, EvalError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let load = LoadOptions {
            seed: options.seed,
            threads: Some(options.threads.unwrap_or(cores).max(1)),
            ..LoadOptions::default()
        };
        let other_steps = options
            .steps
            .iter()
            .map(|steps| {
                let load = LoadOptions { steps: Some(*steps), ..load.clone() };
                let model = ReverieModel::load(card_path, card.clone(), &load)?;
                let tally = RowTally::new(RowKind::Autoregressive);
                Ok(OtherSteps { steps: *steps, model, tally, times: Vec::new() })
            })
            .collect::<Result<Vec<_>, ModelError>>()?;
        Ok(Self {
            model: ReverieModel::load(card_path, card.clone(), &load)?,
            card_path,
            card,
            options,
            load,
            tallies: options.rows.iter().map(|kind| (*kind, RowTally::new(*kind))).collect(),
            other_steps,
            times: Vec::new(),
            cold: Cold::default(),
            crops: Vec::new(),
            notes: Vec::new(),
            pictures: Vec::new(),
            clips: 0,
            frame_dt_s: 0.0,
        })
    }

    fn has(&self, kind: RowKind) -> bool {
        self.tallies.contains_key(&kind)
    }

    fn check_episode(&mut self, path: &Path, episode: &Episode) -> Result<(), EvalError> {
        let (header, a) = (episode.header(), &self.card.architecture);
        let (found, model) = ((header.width, header.height), (a.width, a.height));
        if found != model {
            return Err(EvalError::Size { path: path.to_owned(), found, model });
        }
        if header.seed.min(header.layout_seed) < FIRST_EVAL_SEED {
            let seeds = format!("seed {}, layout {}", header.seed, header.layout_seed);
            self.notes.push(format!("{} ({seeds}) may have been trained on", path.display()));
        }
        Ok(())
    }

    /// All rows of one episode.
    fn clip(
        &mut self,
        number: usize,
        clip: &Clip,
        other: Option<&Episode>,
        progress: &mut dyn FnMut(&str, f64),
    ) -> Result<(), EvalError> {
        self.frame_dt_s = clip.frame_dt_s();
        let dreamed: Vec<RowKind> = self.tallies.keys().copied().filter(|kind| kind.is_dreamed()).collect();
        let stages = (2 + dreamed.len() + self.other_steps.len()) as f64;
        progress("baselines", 0.0);
        let (revealed, mut shown) = self.baselines(number, clip);
        for (i, kind) in dreamed.into_iter().enumerate() {
            progress(kind.name(), (1 + i) as f64 / stages);
            if kind != RowKind::WrongShadow || other.is_some() {
                self.dream(number, clip, kind, other, &revealed, &mut shown)?;
            }
        }
        for (i, other) in self.other_steps.iter_mut().enumerate() {
            progress(&format!("{} steps", other.steps), 1.0 - (1 + self.options.steps.len() - i) as f64 / stages);
            let last = clip.last.min(WHOLE_FRAMES);
            let (tally, times) = (&mut other.tally, &mut other.times);
            play(&mut other.model, clip, RowKind::Autoregressive, None, last, &mut |frame, dreamed| {
                times.push(dreamed.times);
                if let Some(revealed) = revealed.get(&frame).filter(|_| RowKind::Autoregressive.needs(frame, last)) {
                    let rgb = shown_rgb(dreamed);
                    tally.add(number, frame, last, picture(clip, &rgb), truth(clip, frame, revealed));
                }
            })?;
        }
        if self.tallies.keys().any(|kind| kind.is_dreamed()) {
            progress("cold start", 1.0 - 1.0 / stages);
            self.cold.add(clip, self.card_path, &self.card, &self.load)?;
        }
        self.crops.push(
            shown
                .iter()
                .filter_map(|(frame, shown)| {
                    let label = format!("{}, frame {frame}", number + 1);
                    best_crop(label, picture(clip, clip.truth(*frame)), &revealed[frame], shown)
                })
                .collect(),
        );
        if let Some(out) = self.options.out.as_deref().filter(|_| self.clips < STRIPS) {
            self.pictures.push(save_strip(&strip(&shown), out, &format!("strip_{}.png", clip.name))?);
        }
        self.clips += 1;
        Ok(())
    }

    /// Rows without a model; returns what is revealed, and the pictures for strips, by frame.
    fn baselines(&mut self, number: usize, clip: &Clip) -> (BTreeMap<usize, Vec<bool>>, BTreeMap<usize, Shown>) {
        let (mut revealed, mut shown) = (BTreeMap::new(), BTreeMap::new());
        let mut prompt = clip.prompt();
        for frame in (1..=clip.last).filter(|f| RowKind::ALL.iter().any(|kind| kind.needs(*f, clip.last))) {
            let baseline = clip.baseline(&mut prompt, frame);
            let before: &[f32] = &clip.rgb[PROMPT_FRAMES + frame - 2];
            for (kind, rgb) in [
                (RowKind::CopyLast, before),
                (RowKind::ShadowPaint, &baseline.paint),
                (RowKind::WarpPaint, &baseline.warp),
            ] {
                if let Some(tally) = self.tallies.get_mut(&kind).filter(|_| kind.needs(frame, clip.last)) {
                    let truth = truth(clip, frame, &baseline.revealed);
                    tally.add(number, frame, clip.last, picture(clip, rgb), truth);
                }
            }
            if STRIP_FRAMES.contains(&frame) {
                let image = |rgb: &[f32]| to_image(clip.width, clip.height, rgb);
                let (truth, warp) = (image(clip.truth(frame)), image(&baseline.warp));
                shown.insert(frame, Shown { truth, model: None, warp });
            }
            revealed.insert(frame, baseline.revealed);
        }
        (revealed, shown)
    }

    /// One row of the model.
    fn dream(
        &mut self,
        number: usize,
        clip: &Clip,
        kind: RowKind,
        other: Option<&Episode>,
        revealed: &BTreeMap<usize, Vec<bool>>,
        shown: &mut BTreeMap<usize, Shown>,
    ) -> Result<(), EvalError> {
        let Some(tally) = self.tallies.get_mut(&kind) else { return Ok(()) };
        let times = &mut self.times;
        let last = frames_of(kind, clip.last);
        play(&mut self.model, clip, kind, other, last, &mut |frame, dreamed| {
            if kind == RowKind::Autoregressive {
                times.push(dreamed.times);
            }
            if let Some(revealed) = revealed.get(&frame).filter(|_| kind.needs(frame, clip.last)) {
                let rgb = shown_rgb(dreamed);
                tally.add(number, frame, clip.last, picture(clip, &rgb), truth(clip, frame, revealed));
                if let Some(shown) = shown.get_mut(&frame).filter(|_| kind == RowKind::Autoregressive) {
                    shown.model = Some(to_image(clip.width, clip.height, &rgb));
                }
            }
        })?;
        Ok(())
    }

    fn report(mut self, data: &Path, longest: usize) -> Result<Report, EvalError> {
        for horizon in HORIZONS.into_iter().filter(|h| *h <= self.options.frames && h + PROMPT_FRAMES > longest) {
            let frames = horizon + PROMPT_FRAMES;
            self.notes.push(format!("horizon {horizon} left out: the longest episode has {longest} frames, not {frames}"));
        }
        let rows: BTreeMap<_, _> = self.tallies.iter().map(|(kind, tally)| (*kind, tally.row())).collect();
        if rows.get(&RowKind::WrongShadow).is_some_and(|row| row.horizons.is_empty()) {
            self.notes.push("wrong_shadow left out: it takes two episodes".to_owned());
        }
        let curves: Vec<_> = self
            .tallies
            .iter()
            .filter(|(kind, _)| kind.is_plotted())
            .map(|(kind, tally)| (*kind, tally.curve()))
            .collect();
        let per_s = 1.0 / f64::from(self.frame_dt_s);
        let slope_db_per_s = curves
            .iter()
            .filter_map(|(kind, points)| Some((*kind, slope(points, WHOLE_FRAMES as f64)? * per_s)))
            .collect();
        let gain = |over: RowKind| -> BTreeMap<usize, f64> {
            let (Some(own), Some(base)) = (rows.get(&RowKind::Autoregressive), rows.get(&over)) else {
                return BTreeMap::new();
            };
            let gain = |(h, e): (&usize, &super::score::Entry)| Some((*h, e.psnr_db - base.horizons.get(h)?.psnr_db));
            own.horizons.iter().filter_map(gain).collect()
        };
        if let Some(out) = &self.options.out {
            for (strip, name) in [(crop_page(&self.crops), "revealed.png"), (self.cold.strip(), "cold_start.png")] {
                if let Some(strip) = strip {
                    self.pictures.push(save_strip(&strip, out, name)?);
                }
            }
            if !curves.is_empty() {
                let path = out.join("psnr.png");
                psnr_plot(&curves).save(&path)?;
                self.pictures.push(path);
            }
        }
        let stages = stage_times(&self.times);
        let (device, kind) = self.model.device();
        Ok(Report {
            gain_over_warp_paint_db: gain(RowKind::WarpPaint),
            gain_over_shadow_paint_db: gain(RowKind::ShadowPaint),
            data: data.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            episodes: self.clips,
            prompt_frames: PROMPT_FRAMES,
            frame_dt_s: self.frame_dt_s,
            width: self.card.architecture.width,
            height: self.card.architecture.height,
            device: device_name(device),
            kind: kind_name(kind),
            threads: self.load.threads.unwrap_or(1),
            steps: self.card.sampler.steps,
            evaluated_s: 0.0,
            rows,
            slope_db_per_s,
            steps_compared: self.other_steps.iter().map(OtherSteps::figures).collect(),
            model_fps: stages.get("total").map(|t| 1e3 / t.mean_ms),
            stages,
            cold_start: self.cold.figures(),
            notes: self.notes,
            pictures: self.pictures,
            weights_sha256: self.card.sha256,
            model: self.card.name,
        })
    }
}

impl OtherSteps {
    fn figures(&self) -> (u32, StepsFigures) {
        let total: f64 = self.times.iter().map(total_ms).sum();
        let ms_per_frame = total / self.times.len().max(1) as f64;
        (self.steps, StepsFigures { horizons: self.tally.row().horizons, ms_per_frame })
    }
}

fn picture<'p>(clip: &Clip, rgb: &'p [f32]) -> Picture<'p> {
    Picture::new(clip.width, clip.height, rgb)
}

fn truth<'p>(clip: &'p Clip, frame: usize, revealed: &'p [bool]) -> Truth<'p> {
    Truth { picture: picture(clip, clip.truth(frame)), revealed }
}

fn device_name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(_) => "cuda".to_owned(),
        Device::Mps => "mps".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn kind_name(kind: Kind) -> String {
    match kind {
        Kind::BFloat16 => "bf16".to_owned(),
        Kind::Float => "f32".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
