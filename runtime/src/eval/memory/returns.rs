//! Leaving a view and coming back to it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use image::RgbImage;
use reverie_guard::{CameraPose, ShadowSnapshot};
use reverie_kernels::raster::SKY;
use reverie_kernels::texel::TexelMemory;
use reverie_kernels::warp::{PastFrame, warp};
use serde::Serialize;

use super::script::{Way, leave};
use super::{Costs, MemoryOptions};
use crate::eval::clip::Clip;
use crate::eval::figures::{save_strip, to_image};
use crate::eval::metrics::psnr_db_of;
use crate::eval::options::EvalError;
use crate::eval::play::shown_rgb;
use crate::eval::rows::PROMPT_FRAMES;
use crate::eval::strip::{Strip, StripRow};
use crate::memory::{DEFAULT_BYTES, SharedMemory, SurfaceMemory};
use crate::model::WorldModel;
use crate::model::reverie::ReverieModel;
use crate::request::{DreamMode, DreamRequest};
use crate::view::ShadowView;

/// Frames of the prompt that are seen again after each absence, backwards from the last one.
const AGAIN: usize = 10;
/// The last part of an absence, in which the first view comes into sight again, seconds.
const TURNING_BACK_S: f32 = 2.0;
/// Frames between two points of the growth of a memory.
const GROWTH_EVERY: usize = 50;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// The model with keyframes and its memory of surfaces.
    Memory,
    /// The model with keyframes alone.
    Keyframes,
    /// The model with its memory of surfaces alone.
    Texels,
    /// The model with neither: the last frame and exemplars.
    NoMemory,
    /// No model: its last picture reprojected, holes filled with shadow paint, picture after picture.
    WarpPaint,
    /// No model: the texels of the true prompt, holes filled with shadow paint; what texels can hold at best.
    TrueTexels,
}

impl Row {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Memory,
        Self::Keyframes,
        Self::Texels,
        Self::NoMemory,
        Self::WarpPaint,
        Self::TrueTexels,
    ];
}

impl std::str::FromStr for Row {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = |row: &Self| row.to_string().replace([' ', '+'], "_");
        Self::ALL.into_iter().find(|row| name(row) == text).ok_or_else(|| {
            let names = Self::ALL.map(|row| name(&row)).join(", ");
            format!("there is no row `{text}` of the memory; choose among {names}")
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Keyframes => "keyframes",
            Self::Texels => "texels",
            Self::NoMemory => "no memory",
            Self::WarpPaint => "warp+paint",
            Self::TrueTexels => "true texels",
        })
    }
}

/// Which figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReturnKey {
    /// What is compared.
    pub row: Row,
    /// How one left.
    pub way: Way,
    /// The absence.
    pub seconds: f32,
    /// Whether tints were given.
    pub tints: bool,
}

/// How well a place came back.
#[derive(Debug, Clone, Serialize)]
pub struct ReturnFigures {
    /// Which figure it is.
    pub key: ReturnKey,
    /// Over surface pixels that were not seen for at least half of the absence: pooled within an episode, mean over
    /// episodes.
    pub psnr_db: f64,
    /// Of the first frame back alone.
    pub first_frame_db: f64,
    /// Of the sky in the same frames; `None` where none was seen.
    pub sky_db: Option<f64>,
    /// Episodes that had such pixels.
    pub episodes: usize,
    /// Share of the surface pixels that were not seen for so long.
    pub share: f64,
    /// Since these pixels had been seen last, seconds, mean.
    pub unseen_s: f64,
    /// Way of the camera during the absence, metres.
    pub walked_m: f64,
    /// Turns of the camera during the absence, degrees.
    pub turned_deg: f64,
}

/// Squared errors of one return in one episode.
#[derive(Debug, Clone, Default)]
struct Tally {
    error: f64,
    pixels: f64,
    first_error: f64,
    first_pixels: f64,
    sky_error: f64,
    sky_pixels: f64,
    surface_pixels: f64,
    unseen_s: f64,
    motion: [f64; 2],
}

/// Key of a tally: row, way, milliseconds of absence, tints, episode.
type Place = (Row, Way, u64, bool, usize);

/// All returns.
#[derive(Debug, Default)]
pub struct Returns {
    tallies: BTreeMap<Place, Tally>,
    /// For the first episode, by way: column labels and pictures by row.
    shown: BTreeMap<Way, (Vec<String>, BTreeMap<String, Vec<RgbImage>>)>,
}

/// A frame of the script.
struct Step {
    snapshot: ShadowSnapshot,
    /// Of an episode frame with a true picture that is to come out again; the absence before it, and the frames since
    /// the return.
    truth: Option<(usize, f32, usize)>,
}

impl Returns {
    /// All rows, ways and absences of one episode.
    pub(super) fn clip(
        &mut self,
        number: usize,
        clip: &Clip,
        model: &mut ReverieModel,
        options: &MemoryOptions,
        costs: &mut Costs,
        progress: &mut dyn FnMut(f64),
    ) -> Result<(), EvalError> {
        let mut done = 0.0;
        let rows = (options.ways.len() * options.tints.len() * options.rows.len()) as f64;
        for way in options.ways.iter().copied() {
            let (steps, motions) = script(clip, way, options, number);
            let unseen = unseen(clip, &steps);
            for tints in options.tints.iter().copied() {
                for row in options.rows.iter().copied() {
                    let mut run = Run { clip, steps: &steps, unseen: &unseen, tints, show: None };
                    let shows = number == 0
                        && Some(&tints) == options.tints.last()
                        && options.out.is_some();
                    run.show = shows.then(Vec::new);
                    let mut take = |seconds: f32, tally: Tally| {
                        let place = (row, way, (seconds * 1e3) as u64, tints, number);
                        self.tallies.insert(place, tally);
                    };
                    match row {
                        Row::WarpPaint => run.warp_paint(&mut take),
                        Row::TrueTexels => run.true_texels(&mut take),
                        dreamed => run.model(dreamed, model, costs, &mut take)?,
                    }
                    if let Some(pictures) = run.show.take() {
                        let labels = pictures.iter().map(|(label, _)| label.clone()).collect();
                        let shown =
                            &mut self.shown.entry(way).or_insert((labels, BTreeMap::new())).1;
                        shown.insert(row.to_string(), pictures.into_iter().map(|p| p.1).collect());
                        shown.entry("truth".to_owned()).or_insert_with(|| run.truths());
                    }
                    done += 1.0 / rows;
                    progress(done);
                }
            }
            for ((_, w, ms, _, n), tally) in &mut self.tallies {
                if let Some(motion) = motions.get(ms).filter(|_| *w == way && *n == number) {
                    tally.motion = *motion;
                }
            }
        }
        Ok(())
    }

    /// The figures, mean over episodes.
    pub fn figures(&self) -> Vec<ReturnFigures> {
        let mut grouped: BTreeMap<(Row, Way, u64, bool), Vec<&Tally>> = BTreeMap::new();
        for ((row, way, ms, tints, _), tally) in &self.tallies {
            if tally.pixels > 0.0 {
                grouped.entry((*row, *way, *ms, *tints)).or_default().push(tally);
            }
        }
        let figures = grouped.into_iter().map(|((row, way, ms, tints), tallies)| {
            let count = tallies.len() as f64;
            let mean =
                |f: &dyn Fn(&Tally) -> f64| tallies.iter().map(|t| f(t)).sum::<f64>() / count;
            let skies: Vec<f64> = tallies
                .iter()
                .filter(|t| t.sky_pixels > 0.0)
                .map(|t| psnr_db_of(t.sky_error / t.sky_pixels))
                .collect();
            ReturnFigures {
                key: ReturnKey { row, way, seconds: ms as f32 / 1e3, tints },
                psnr_db: mean(&|t| psnr_db_of(t.error / t.pixels)),
                first_frame_db: mean(&|t| psnr_db_of(t.first_error / t.first_pixels.max(1.0))),
                sky_db: (!skies.is_empty()).then(|| skies.iter().sum::<f64>() / skies.len() as f64),
                episodes: tallies.len(),
                share: mean(&|t| t.pixels / t.surface_pixels.max(1.0)),
                unseen_s: mean(&|t| t.unseen_s / t.pixels),
                walked_m: mean(&|t| t.motion[0]),
                turned_deg: mean(&|t| t.motion[1]),
            }
        });
        figures.collect()
    }

    /// A strip for each way: what was there, and what came back.
    pub fn save_pictures(&self, out: &Path) -> Result<Vec<PathBuf>, EvalError> {
        let mut paths = Vec::new();
        for (way, (columns, pictures)) in &self.shown {
            let name = format!("memory_{}.png", format!("{way:?}").to_lowercase());
            let rows = [
                "truth",
                "memory",
                "keyframes",
                "texels",
                "no memory",
                "warp+paint",
                "true texels",
            ]
            .into_iter()
            .filter_map(|label| {
                let pictures = pictures.get(label)?.clone();
                Some(StripRow { label: label.to_owned(), pictures })
            })
            .collect();
            let strip = Strip { columns: columns.clone(), rows, upscale: 2 };
            paths.push(save_strip(&strip, out, &name)?);
        }
        Ok(paths)
    }
}

/// All steps after the prompt, and for each absence (milliseconds) how far the camera went and turned.
fn script(
    clip: &Clip,
    way: Way,
    options: &MemoryOptions,
    number: usize,
) -> (Vec<Step>, BTreeMap<u64, [f64; 2]>) {
    let dt_s = clip.frame_dt_s();
    let home = frozen(clip.snapshot(PROMPT_FRAMES - 1));
    let mut steps = Vec::new();
    let mut motions = BTreeMap::new();
    let mut time_s = home.time_s;
    let mut push = |snapshot: ShadowSnapshot, truth| {
        time_s += f64::from(dt_s);
        steps.push(Step { snapshot: ShadowSnapshot { time_s, ..snapshot }, truth });
    };
    for (index, seconds) in options.seconds.iter().enumerate() {
        let seed = options.seed ^ (number as u64) << 16 ^ (index as u64) << 8;
        let poses = leave(way, &home, *seconds, dt_s, seed);
        motions.insert((*seconds * 1e3) as u64, motion(&home.camera, &poses));
        for camera in poses {
            push(ShadowSnapshot { camera, ..home.clone() }, None);
        }
        for back in 0..AGAIN.min(PROMPT_FRAMES) {
            let frame = PROMPT_FRAMES - 1 - back;
            push(clip.snapshot(frame), Some((frame, *seconds, back)));
        }
        // To where the next absence begins.
        for frame in PROMPT_FRAMES - AGAIN.min(PROMPT_FRAMES)..PROMPT_FRAMES {
            push(clip.snapshot(frame), None);
        }
    }
    (steps, motions)
}

/// Metres and degrees.
fn motion(home: &CameraPose, poses: &[CameraPose]) -> [f64; 2] {
    let mut sum = [0.0; 2];
    let mut before = home.world_from_camera;
    for pose in poses {
        let pose = pose.world_from_camera;
        sum[0] += f64::from(before.translation_m.distance(pose.translation_m));
        sum[1] += f64::from(before.rotation.angle_between(pose.rotation).to_degrees());
        before = pose;
    }
    sum
}

/// The same with everything at rest.
pub(super) fn frozen(snapshot: ShadowSnapshot) -> ShadowSnapshot {
    let mut snapshot = snapshot;
    for body in &mut snapshot.bodies {
        body.linear_velocity_m_s = glam::Vec3::ZERO;
        body.angular_velocity_rad_s = glam::Vec3::ZERO;
    }
    snapshot
}

/// For each step with a truth: frames since each pixel was seen last, 0 for the sky.
fn unseen(clip: &Clip, steps: &[Step]) -> Vec<Option<Vec<u32>>> {
    let mut seen = TexelMemory::new(4 * DEFAULT_BYTES);
    let blank = vec![0.5; 3 * clip.width * clip.height];
    let style = clip.style(0);
    let mut look = |snapshot: &ShadowSnapshot, asked: bool, coming_back: bool| {
        let view = ShadowView::new(snapshot, &style, clip.width, clip.height, true);
        seen.announce(view.scene(), |_| 0);
        let ages = asked.then(|| {
            let last = seen.last_seen(view.scene(), &view.camera, &view.maps);
            last.iter().map(|frame| frame.map_or(0, |frame| seen.frame() - frame)).collect()
        });
        if !coming_back {
            seen.write(view.scene(), &view.camera, &view.maps, &blank, &blank, |_| 1.0);
        }
        ages
    };
    for frame in 0..PROMPT_FRAMES {
        look(&clip.snapshot(frame), false, false);
    }
    // Turning back is part of the return: what is seen in it does not end the absence of what it shows.
    let turning = (TURNING_BACK_S / clip.frame_dt_s()).round() as usize;
    let is_back = |step: &Step| step.truth.is_some();
    let coming_back =
        |index: usize| steps[index..steps.len().min(index + turning + 1)].iter().any(is_back);
    let steps = steps.iter().enumerate();
    steps.map(|(index, step)| look(&step.snapshot, is_back(step), coming_back(index))).collect()
}

/// One row over one script.
struct Run<'a> {
    clip: &'a Clip,
    steps: &'a [Step],
    unseen: &'a [Option<Vec<u32>>],
    tints: bool,
    /// Column labels and pictures, if they are wanted.
    show: Option<Vec<(String, RgbImage)>>,
}

impl Run<'_> {
    fn model(
        &mut self,
        row: Row,
        model: &mut ReverieModel,
        costs: &mut Costs,
        take: &mut dyn FnMut(f32, Tally),
    ) -> Result<(), EvalError> {
        let memory = SharedMemory::default();
        let texels = matches!(row, Row::Memory | Row::Texels).then(|| memory.clone());
        model.set_memory(texels, matches!(row, Row::Memory | Row::Keyframes));
        model.set_ablation(self.tints, true);
        model.forget_look();
        for frame in 0..PROMPT_FRAMES {
            model.prompt(&self.clip.request(frame), self.clip.rgb[frame].clone(), 1.0)?;
        }
        let mut scores = Scores::new(self.clip, self.unseen);
        let mut growth = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let dreamed = model.append_frame(&request(self.clip, index, step.snapshot.clone()))?;
            let rgb = shown_rgb(&dreamed);
            if row == Row::Memory {
                let frame_ms = dreamed.times.stages()[1..].iter().map(|(_, ms)| ms).sum();
                costs.add(memory.stats(), frame_ms);
                if index % GROWTH_EVERY == 0 {
                    let seconds = index as f32 * self.clip.frame_dt_s();
                    growth.push((seconds, memory.stats().bytes as f32 / 1e6));
                }
            }
            self.take_step(index, &rgb, &mut scores);
        }
        if row == Row::Memory {
            let memory = memory.lock();
            costs.end(memory.stats(), memory.seen_m2(), growth);
        }
        scores.give(take);
        Ok(())
    }

    fn warp_paint(&mut self, take: &mut dyn FnMut(f32, Tally)) {
        let mut last: Option<PastFrame> = None;
        let mut scores = Scores::new(self.clip, self.unseen);
        let pixels = self.clip.width * self.clip.height;
        let prompt = (0..PROMPT_FRAMES).map(|frame| (self.clip.snapshot(frame), Some(frame)));
        let steps = self.steps.iter().map(|step| (step.snapshot.clone(), None));
        for (index, (snapshot, given)) in prompt.chain(steps).enumerate() {
            let view = self.view(&snapshot);
            let (scene, camera, maps) = (view.scene(), &view.camera, &view.maps);
            let mut rgb = view.paint.clone();
            if let Some(frame) = given {
                rgb.clone_from(&self.clip.rgb[frame]);
            } else if let Some(last) = &last {
                let (mut warped, mut valid) = (vec![0.0; 3 * pixels], vec![0.0; pixels]);
                warp(scene, camera, maps, last, &mut warped, &mut valid);
                lay_over(&mut rgb, &warped, &valid);
            }
            if index >= PROMPT_FRAMES {
                self.take_step(index - PROMPT_FRAMES, &rgb, &mut scores);
            }
            last = Some(PastFrame::new(scene, camera, maps, rgb));
        }
        scores.give(take);
    }

    fn true_texels(&mut self, take: &mut dyn FnMut(f32, Tally)) {
        let mut memory = SurfaceMemory::new(DEFAULT_BYTES);
        let mut scores = Scores::new(self.clip, self.unseen);
        let style = self.clip.style(0);
        for frame in 0..PROMPT_FRAMES {
            let view = self.view(&self.clip.snapshot(frame));
            memory.announce(&view, &style);
            memory.write(&view, &self.clip.rgb[frame], |_| 1.0);
        }
        let pixels = self.clip.width * self.clip.height;
        let (mut read, mut confidence) = (vec![0.0; 3 * pixels], vec![0.0; pixels]);
        for (index, step) in self.steps.iter().enumerate() {
            if step.truth.is_none() && self.label(index).is_none() {
                continue;
            }
            let view = self.view(&step.snapshot);
            memory.announce(&view, &style);
            memory.read(&view, &mut read, &mut confidence);
            let mut rgb = view.paint.clone();
            lay_over(&mut rgb, &read, &confidence);
            self.take_step(index, &rgb, &mut scores);
        }
        scores.give(take);
    }

    fn view(&self, snapshot: &ShadowSnapshot) -> ShadowView {
        let (width, height) = (self.clip.width, self.clip.height);
        ShadowView::new(snapshot, &self.clip.style(0), width, height, self.tints)
    }

    fn take_step(&mut self, index: usize, rgb: &[f32], scores: &mut Scores<'_>) {
        if let Some(truth) = self.steps[index].truth {
            let maps = self.view(&self.steps[index].snapshot).maps;
            scores.add(index, truth, rgb, &maps.primitive);
        }
        if let Some(label) = self.label(index)
            && let Some(show) = &mut self.show
        {
            show.push((label, to_image(self.clip.width, self.clip.height, rgb)));
        }
    }

    /// The steps that are shown: two on each way, and the first one back.
    fn label(&self, index: usize) -> Option<String> {
        let step = &self.steps[index];
        let dt_s = self.clip.frame_dt_s();
        if let Some((_, seconds, 0)) = step.truth {
            return Some(format!("back after {seconds} s"));
        }
        [1.0, 6.0]
            .into_iter()
            .find(|s| index == (*s / dt_s) as usize && step.truth.is_none())
            .map(|s| format!("away, {s} s"))
    }

    /// The true pictures of the shown steps; grey where there is none.
    fn truths(&self) -> Vec<RgbImage> {
        let (width, height) = (self.clip.width, self.clip.height);
        let shown = (0..self.steps.len()).filter(|index| self.label(*index).is_some());
        shown
            .map(|index| match self.steps[index].truth {
                Some((frame, ..)) => to_image(width, height, &self.clip.rgb[frame]),
                None => to_image(width, height, &vec![0.85; 3 * width * height]),
            })
            .collect()
    }
}

/// Puts what is known at all over `rgb`.
fn lay_over(rgb: &mut [f32], known: &[f32], valid: &[f32]) {
    for (pixel, _) in valid.iter().enumerate().filter(|(_, valid)| **valid > 0.0) {
        rgb[3 * pixel..3 * pixel + 3].copy_from_slice(&known[3 * pixel..3 * pixel + 3]);
    }
}

/// What a game would ask for.
pub(super) fn request(clip: &Clip, index: usize, snapshot: ShadowSnapshot) -> DreamRequest {
    DreamRequest {
        id: (PROMPT_FRAMES + index) as u64,
        snapshot: Arc::new(snapshot),
        action: Default::default(),
        style: clip.style(0),
        condition_strength: 1.0,
        mode: DreamMode::Anchored,
        reset: false,
        input_at: Instant::now(),
        requested_at: Instant::now(),
    }
}

/// Errors of a row by absence.
struct Scores<'a> {
    clip: &'a Clip,
    unseen: &'a [Option<Vec<u32>>],
    by_seconds: Vec<(f32, Tally)>,
}

impl<'a> Scores<'a> {
    fn new(clip: &'a Clip, unseen: &'a [Option<Vec<u32>>]) -> Self {
        Self { clip, unseen, by_seconds: Vec::new() }
    }

    fn add(
        &mut self,
        index: usize,
        (frame, seconds, back): (usize, f32, usize),
        rgb: &[f32],
        primitives: &[u16],
    ) {
        let Some(Some(ages)) = self.unseen.get(index) else { return };
        if self.by_seconds.last().map(|s| s.0) != Some(seconds) {
            self.by_seconds.push((seconds, Tally::default()));
        }
        let Some((_, tally)) = self.by_seconds.last_mut() else { return };
        let dt_s = self.clip.frame_dt_s();
        let truth = &self.clip.rgb[frame];
        for (pixel, primitive) in primitives.iter().enumerate() {
            let error = (3 * pixel..3 * pixel + 3)
                .map(|i| f64::from(rgb[i] - truth[i]).powi(2))
                .sum::<f64>()
                / 3.0;
            if *primitive == SKY {
                tally.sky_error += error;
                tally.sky_pixels += 1.0;
                continue;
            }
            tally.surface_pixels += 1.0;
            let age_s = (ages[pixel] as f32) * dt_s;
            if age_s >= 0.5 * seconds {
                tally.error += error;
                tally.pixels += 1.0;
                tally.unseen_s += f64::from(age_s);
                if back == 0 {
                    tally.first_error += error;
                    tally.first_pixels += 1.0;
                }
            }
        }
    }

    fn give(self, take: &mut dyn FnMut(f32, Tally)) {
        for (seconds, tally) in self.by_seconds {
            take(seconds, tally);
        }
    }
}
