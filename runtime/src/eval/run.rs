//! `reverie eval`: a model against the truth and against its baselines, on episodes it never saw.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tch::{Device, Kind};

use super::camera::{CameraTally, CameraTrack};
use super::clip::{Clip, Facts};
use super::cold::Cold;
use super::figures::{
    Crop, STRIP_FRAMES, Shown, best_crop, crop_page, dream_frames, dream_strip, psnr_plot,
    save_strip, strip, to_image,
};
use super::options::check;
use super::play::{frames_of, play, shown_rgb};
use super::report::{Report, stage_times};
use super::rows::{HORIZONS, PROMPT_FRAMES, RowKind, WHOLE_FRAMES};
use super::score::{RowTally, slope};
use super::steps::Steps;
use crate::card::ModelCard;
use crate::correct::{Corrector, GuardStats};
use crate::data::{Episode, list_episodes};
use crate::frame::StageTimes;
use crate::model::{LoadOptions, Measured, ModelError, load_measured};

pub use super::options::{EvalError, EvalOptions, FIRST_EVAL_SEED};

/// Episodes of which strips are drawn.
const STRIPS: usize = 6;

/// Builds the model that is measured, as often as it is needed.
pub(super) type Loader<'a> = &'a dyn Fn(&LoadOptions) -> Result<Box<dyn Measured>, ModelError>;

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
    let card = ModelCard::load(card_path)?;
    let loader = |load: &LoadOptions| load_measured(card_path, card.clone(), load);
    evaluate_with(data, card.clone(), &loader, options, progress)
}

/// The same with any model; `card` tells its size and what it is called.
fn evaluate_with(
    data: &Path,
    card: ModelCard,
    loader: Loader<'_>,
    options: &EvalOptions,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<Report, EvalError> {
    let started = Instant::now();
    let mut paths = list_episodes(data)?;
    paths.truncate(options.episodes.unwrap_or(usize::MAX));
    if paths.is_empty() {
        return Err(EvalError::NoEpisodes { data: data.to_owned() });
    }
    let mut run = Run::new(card, loader, options)?;
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
                    progress(
                        &format!("{name}, {row}"),
                        (number as f64 + share) / paths.len() as f64,
                    );
                })?;
            }
            None => run
                .notes
                .push(format!("{} is no longer than the prompt and left out", path.display())),
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

/// An evaluation under way.
struct Run<'a> {
    card: ModelCard,
    loader: Loader<'a>,
    options: &'a EvalOptions,
    load: LoadOptions,
    model: Box<dyn Measured>,
    /// Of models with an observer.
    guard: Option<Corrector>,
    tallies: BTreeMap<RowKind, RowTally>,
    steps: Vec<Steps>,
    times: Vec<StageTimes>,
    /// Of dreams.
    camera: CameraTally,
    cold: Cold,
    crops: Vec<Vec<Crop>>,
    notes: Vec<String>,
    /// Episodes that may have been trained on.
    suspects: Vec<String>,
    pictures: Vec<PathBuf>,
    clips: usize,
    frame_dt_s: f32,
}

impl<'a> Run<'a> {
    fn new(
        card: ModelCard,
        loader: Loader<'a>,
        options: &'a EvalOptions,
    ) -> Result<Self, EvalError> {
        let load = LoadOptions {
            seed: options.seed,
            threads: Some(options.threads.max(1)),
            ..LoadOptions::default()
        };
        let steps = options.steps.iter().map(|steps| Steps::new(*steps, loader, &load));
        let steps = steps.collect::<Result<_, _>>()?;
        let mut model = loader(&load)?;
        let mut tallies: BTreeMap<_, _> =
            options.rows.iter().map(|kind| (*kind, RowTally::new(*kind))).collect();
        let mut notes = Vec::new();
        let guard = model.take_eye().map(|eye| Corrector::new(eye, GuardStats::default()));
        if !model.can_dream() && tallies.keys().any(|kind| kind.is_dream()) {
            tallies.retain(|kind, _| !kind.is_dream());
            let rows = RowKind::DREAMS.map(RowKind::name).join(", ");
            notes.push(format!("{rows} left out: {} cannot dream without the shadow", card.name));
        }
        if guard.is_none() && tallies.keys().any(|kind| kind.is_guarded()) {
            tallies.retain(|kind, _| !kind.is_guarded());
            let rows = RowKind::GUARDED.map(RowKind::name).join(", ");
            notes.push(format!("{rows} left out: {} has no observer", card.name));
        }
        Ok(Self {
            model,
            guard,
            card,
            loader,
            options,
            load,
            tallies,
            steps,
            times: Vec::new(),
            camera: CameraTally::default(),
            cold: Cold::default(),
            crops: Vec::new(),
            notes,
            suspects: Vec::new(),
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
            self.suspects.push(format!("{} has seed {}", path.display(), header.seed));
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
        let dreamed: Vec<RowKind> =
            self.tallies.keys().copied().filter(|kind| kind.is_dreamed()).collect();
        let stages = (2 + dreamed.len() + self.steps.len()) as f64;
        let mut stage = 0.0;
        let mut next = |what: &str| {
            progress(what, stage / stages);
            stage += 1.0;
        };
        next("baselines");
        let (facts, mut shown) = self.baselines(number, clip)?;
        for kind in dreamed {
            next(kind.name());
            if kind != RowKind::WrongShadow || other.is_some() {
                self.dream(number, clip, kind, other, &facts, &mut shown)?;
            }
        }
        for steps in &mut self.steps {
            next(&format!("steps {}", steps.steps));
            steps.add(number, clip, &facts)?;
        }
        if self.tallies.keys().any(|kind| kind.is_dreamed()) {
            next("cold start");
            self.cold.add(clip, self.loader, &self.load)?;
        }
        self.crops.push(
            shown
                .iter()
                .filter_map(|(frame, shown)| {
                    let label = format!("{}, frame {frame}", number + 1);
                    best_crop(label, clip.picture(clip.truth(*frame)), &facts[frame], shown)
                })
                .collect(),
        );
        if let Some(out) = self.options.out.as_deref().filter(|_| self.clips < STRIPS) {
            self.pictures.push(save_strip(
                &strip(&shown),
                out,
                &format!("strip_{}.png", clip.name),
            )?);
        }
        self.clips += 1;
        Ok(())
    }

    /// Rows that need no past; returns what is known of pixels, and the pictures for strips, by frame.
    fn baselines(
        &mut self,
        number: usize,
        clip: &Clip,
    ) -> Result<(BTreeMap<usize, Facts>, BTreeMap<usize, Shown>), EvalError> {
        let (mut facts, mut shown) = (BTreeMap::new(), BTreeMap::new());
        let mut prompt = clip.prompt();
        let mut kinds: Vec<RowKind> = self.tallies.keys().copied().collect();
        if !self.steps.is_empty() {
            kinds.push(RowKind::Autoregressive);
        }
        for frame in 1..=clip.last {
            if !kinds.iter().any(|kind| kind.needs(frame, clip.last)) {
                continue;
            }
            let baseline = clip.baseline(&mut prompt, frame);
            let before: &[f32] = &clip.rgb[PROMPT_FRAMES + frame - 2];
            let wants = |kind: RowKind| self.has(kind) && kind.needs(frame, clip.last);
            let commanded = wants(RowKind::CommandedWarp).then(|| prompt.commanded_warp(frame));
            let coded =
                if wants(RowKind::CodecCeiling) { self.coded(clip.truth(frame))? } else { None };
            for (kind, rgb) in [
                (RowKind::CodecCeiling, coded.as_deref()),
                (RowKind::CopyLast, Some(before)),
                (RowKind::CopyPrompt, Some(&clip.rgb[PROMPT_FRAMES - 1][..])),
                (RowKind::ShadowPaint, Some(&baseline.paint[..])),
                (RowKind::WarpPaint, Some(&baseline.warp[..])),
                (RowKind::CommandedWarp, commanded.as_deref()),
            ] {
                if let Some(rgb) = rgb
                    && let Some(tally) =
                        self.tallies.get_mut(&kind).filter(|_| kind.needs(frame, clip.last))
                {
                    let truth = clip.judged(frame, &baseline.facts);
                    tally.add(number, frame, clip.last, clip.picture(rgb), truth);
                }
            }
            if STRIP_FRAMES.contains(&frame) {
                let image = |rgb: &[f32]| to_image(clip.width, clip.height, rgb);
                let pictures = Shown {
                    truth: image(clip.truth(frame)),
                    model: None,
                    warp: image(&baseline.warp),
                    paint: image(&baseline.paint),
                };
                shown.insert(frame, pictures);
            }
            facts.insert(frame, baseline.facts);
        }
        Ok((facts, shown))
    }

    /// What the model's codec leaves of a true picture; a model without one loses the row.
    fn coded(&mut self, rgb: &[f32]) -> Result<Option<Vec<f32>>, ModelError> {
        let coded = self.model.codec(rgb)?;
        if coded.is_none() {
            self.tallies.remove(&RowKind::CodecCeiling);
            let (row, model) = (RowKind::CodecCeiling, &self.card.name);
            self.notes.push(format!("{row} left out: {model} works on pixels, without a codec"));
        }
        Ok(coded)
    }

    /// One row of the model.
    fn dream(
        &mut self,
        number: usize,
        clip: &Clip,
        kind: RowKind,
        other: Option<&Episode>,
        facts: &BTreeMap<usize, Facts>,
        shown: &mut BTreeMap<usize, Shown>,
    ) -> Result<(), EvalError> {
        let Some(tally) = self.tallies.get_mut(&kind) else { return Ok(()) };
        let times = &mut self.times;
        let last = frames_of(kind, clip.last);
        let mut track = (kind == RowKind::Dream).then(|| CameraTrack::new(clip, &mut self.camera));
        let mut kept = BTreeMap::new();
        let guard = self.guard.as_mut();
        play((&mut *self.model, guard), clip, kind, other, last, &mut |frame, dreamed| {
            if let Some(track) = &mut track {
                let rgb = shown_rgb(dreamed);
                if frame <= WHOLE_FRAMES {
                    track.add(frame, &rgb);
                }
                if dream_frames(last).contains(&frame) {
                    kept.insert(frame, to_image(clip.width, clip.height, &rgb));
                }
            }
            if kind == RowKind::Autoregressive {
                times.push(dreamed.times);
            }
            if let Some(facts) = facts.get(&frame).filter(|_| kind.needs(frame, clip.last)) {
                let rgb = shown_rgb(dreamed);
                tally.add(number, frame, clip.last, clip.picture(&rgb), clip.judged(frame, facts));
                if let Some(shown) =
                    shown.get_mut(&frame).filter(|_| kind == RowKind::Autoregressive)
                {
                    shown.model = Some(to_image(clip.width, clip.height, &rgb));
                }
            }
        })?;
        if let Some(out) =
            self.options.out.as_deref().filter(|_| !kept.is_empty() && self.clips < STRIPS)
        {
            let name = format!("dream_{}.png", clip.name);
            self.pictures.push(save_strip(&dream_strip(clip, kept), out, &name)?);
        }
        Ok(())
    }

    fn report(mut self, data: &Path, longest: usize) -> Result<Report, EvalError> {
        for horizon in HORIZONS
            .into_iter()
            .filter(|h| *h <= self.options.frames && h + PROMPT_FRAMES > longest)
        {
            let frames = horizon + PROMPT_FRAMES;
            self.notes.push(format!(
                "horizon {horizon} left out: the longest episode has {longest} frames, not {frames}"
            ));
        }
        let rows: BTreeMap<_, _> =
            self.tallies.iter().map(|(kind, tally)| (*kind, tally.row())).collect();
        if let Some(first) = self.suspects.first() {
            self.notes.push(format!(
                "{} episodes may have been trained on: the first, {first}, not from {FIRST_EVAL_SEED} up",
                self.suspects.len()
            ));
        }
        if rows.get(&RowKind::WrongShadow).is_some_and(|row| row.horizons.is_empty()) {
            self.notes.push("wrong_shadow left out: it takes two episodes".to_owned());
        }
        let curves: Vec<_> = self
            .tallies
            .iter()
            .filter(|(kind, _)| kind.is_plotted())
            .map(|(kind, tally)| (*kind, tally.curve()))
            .filter(|(_, points)| !points.is_empty())
            .collect();
        let per_s = 1.0 / f64::from(self.frame_dt_s);
        let slope_db_per_s = curves
            .iter()
            .filter_map(|(kind, points)| Some((*kind, slope(points, WHOLE_FRAMES as f64)? * per_s)))
            .collect();
        let gain_of = |own: RowKind, over: RowKind| -> BTreeMap<usize, f64> {
            let (own, base) = (rows.get(&own), rows.get(&over));
            own.zip(base).map_or_else(BTreeMap::new, |(own, base)| own.gain_db(base))
        };
        let gain = |over: RowKind| gain_of(RowKind::Autoregressive, over);
        let dream_gain = |over: RowKind| (over, gain_of(RowKind::Dream, over));
        let controls = [
            RowKind::Guarded,
            RowKind::WithoutMemory,
            RowKind::TintWithheld,
            RowKind::WrongShadow,
            RowKind::ShuffledActions,
        ]
        .map(|over| (over, gain(over)));
        let dream_controls =
            [RowKind::DreamGuarded, RowKind::DreamShuffled, RowKind::DreamStill].map(dream_gain);
        let told = |(_, loss): &(RowKind, BTreeMap<usize, f64>)| !loss.is_empty();
        let control_loss_db = controls.into_iter().chain(dream_controls).filter(told).collect();
        let dream_gain_db = [RowKind::CopyPrompt, RowKind::CommandedWarp]
            .map(dream_gain)
            .into_iter()
            .filter(told)
            .collect();
        if let Some(out) = &self.options.out {
            for (strip, name) in
                [(crop_page(&self.crops), "revealed.png"), (self.cold.strip(), "cold_start.png")]
            {
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
            control_loss_db,
            dream_gain_db,
            dream_camera: self.camera.figures(),
            data: data.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            episodes: self.clips,
            prompt_frames: PROMPT_FRAMES,
            frame_dt_s: self.frame_dt_s,
            width: self.card.architecture.width,
            height: self.card.architecture.height,
            device: device_name(device),
            kind: kind_name(kind),
            threads: self.options.threads.max(1),
            steps: self.card.sampler.steps,
            evaluated_s: 0.0,
            rows,
            slope_db_per_s,
            steps_compared: self.steps.iter().map(|s| (s.steps, s.figures())).collect(),
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
