//! How well an observer sees, on episodes that it was not trained on: true pictures, and those of the model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reverie_guard::{BodyKind, Evidence, ShadowSnapshot};
use tch::Device;

use super::Observer;
use super::dreamed::{request, without_alpha};
use super::prior::{CLASSES, ClassPrior, SKY_CLASS};
use super::sample::Labels;
use crate::card::ModelCard;
use crate::data::Episode;
use crate::material::MATERIAL_NAMES;
use crate::model::reverie::ReverieModel;
use crate::model::{LoadOptions, ModelError, WorldModel};
use crate::train::TrainError;

/// Bodies of fewer pixels are left out of the recall of bodies.
const LEAST_PIXELS: usize = 24;
/// A body is recognised when this share of its pixels has its class.
const RECOGNISED: f64 = 0.5;

/// What is scored.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreOptions {
    /// True pictures: every so many frames.
    pub stride: usize,
    /// Frames of each episode that the model plays, from its start and from a look alone.
    pub dreamed_frames: usize,
}

impl Default for ScoreOptions {
    fn default() -> Self {
        Self { stride: 4, dreamed_frames: 64 }
    }
}

/// Counts over pictures of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// Pixels by true class and by seen class.
    pub confusion: Vec<[u64; CLASSES]>,
    /// Bodies that can move, of 24 pixels and more: all, and recognised ones.
    pub moving: [u64; 2],
    /// abs(ln(z_seen / z_true)) of pixels with ground on both sides.
    depth_errors: Vec<f32>,
    /// The same over the predicted deviation.
    depth_ratios: Vec<f32>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            confusion: vec![[0; CLASSES]; CLASSES],
            moving: [0; 2],
            depth_errors: Vec::new(),
            depth_ratios: Vec::new(),
        }
    }
}

impl Tally {
    /// Adds one picture.
    pub fn add(&mut self, evidence: &Evidence, snapshot: &ShadowSnapshot) {
        let labels = Labels::draw(snapshot, evidence.width, evidence.height);
        let areas = labels.areas(snapshot.bodies.len());
        let mut right = vec![0usize; snapshot.bodies.len() + 1];
        let pixels = evidence.probability.chunks_exact(evidence.classes.max(1));
        for (pixel, p) in pixels.enumerate() {
            let truth = usize::from(labels.class[pixel]);
            let seen = (0..p.len()).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap_or(0);
            self.confusion[truth][seen] += 1;
            if seen == truth {
                right[usize::from(labels.maps.primitive[pixel]).min(snapshot.bodies.len())] += 1;
            }
            // Every seventh is plenty for a median.
            let (z_seen, z_true) = (evidence.depth_m[pixel], labels.maps.depth_m[pixel]);
            if pixel % 7 == 0 && z_seen.is_finite() && z_true.is_finite() {
                let error = (z_seen / z_true).ln().abs();
                self.depth_errors.push(error);
                self.depth_ratios.push(error / evidence.depth_sigma[pixel]);
            }
        }
        for (index, body) in snapshot.bodies.iter().enumerate() {
            if body.kind != BodyKind::Fixed && areas[index] >= LEAST_PIXELS {
                self.moving[0] += 1;
                let share = right[index] as f64 / areas[index] as f64;
                self.moving[1] += u64::from(share >= RECOGNISED);
            }
        }
    }

    /// Share of pixels with the right class.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..CLASSES).map(|c| self.confusion[c][c]).sum();
        share(right, self.confusion.iter().flatten().sum())
    }

    /// Of a class: pixels that are seen among those that are there. NaN if there are none.
    pub fn recall(&self, class: usize) -> f64 {
        share(self.confusion[class][class], self.confusion[class].iter().sum())
    }

    /// Of a class: intersection over union. NaN if it neither is there nor seen.
    pub fn iou(&self, class: usize) -> f64 {
        let hit = self.confusion[class][class];
        let there: u64 = self.confusion[class].iter().sum();
        let seen: u64 = self.confusion.iter().map(|row| row[class]).sum();
        share(hit, there + seen - hit)
    }

    fn figures(&self, kind: &str, out: &mut BTreeMap<String, f64>) {
        let mut put = |name: String, value: f64| {
            if value.is_finite() {
                out.insert(format!("{kind}.{name}"), (1e4 * value).round() / 1e4);
            }
        };
        put("pixel_accuracy".into(), self.accuracy());
        put("moving_bodies".into(), self.moving[0] as f64);
        put("moving_bodies_recognised".into(), share(self.moving[1], self.moving[0]));
        put("depth_ln_error_median".into(), quantile(&self.depth_errors, 0.5));
        put("depth_ln_error_p90".into(), quantile(&self.depth_errors, 0.9));
        put("depth_error_over_sigma_median".into(), quantile(&self.depth_ratios, 0.5));
        for class in 0..CLASSES {
            let name = if class == usize::from(SKY_CLASS) { "sky" } else { MATERIAL_NAMES[class] };
            put(format!("iou.{name}"), self.iou(class));
            put(format!("recall.{name}"), self.recall(class));
        }
    }
}

/// Scores on pictures of both kinds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// On true pictures.
    pub truth: Tally,
    /// On pictures of the model.
    pub dreamed: Tally,
    /// Milliseconds for one picture, median.
    pub observe_ms: f64,
}

impl Scores {
    /// By name, as they stand in a card.
    pub fn figures(&self) -> BTreeMap<String, f64> {
        let mut out = BTreeMap::new();
        self.truth.figures("true", &mut out);
        self.dreamed.figures("model", &mut out);
        out.insert("observe_ms_median".to_owned(), (100.0 * self.observe_ms).round() / 100.0);
        out
    }
}

/// Scores the observer of the card on the episodes.
///
/// # Errors
/// An episode or a file of the model is damaged, or the card names no observer.
pub fn score(
    card_path: &Path,
    episodes: &[PathBuf],
    options: &ScoreOptions,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<Scores, TrainError> {
    let card = ModelCard::load(card_path)?;
    let observer = Observer::load(card_path, &card, Device::Cpu)
        .map_err(TrainError::Model)?
        .ok_or_else(|| {
            let what = "it names no observer; train one with `reverie train --stage observer`";
            TrainError::Model(ModelError::Unsupported {
                card: card_path.to_owned(),
                what: what.to_owned(),
            })
        })?;
    let mut model =
        ReverieModel::load(card_path, card, &LoadOptions::default()).map_err(TrainError::Model)?;
    let aspect = observer.size().0 as f32 / observer.size().1 as f32;
    let mut scores = Scores::default();
    let mut times_ms = Vec::new();
    let mut look = |rgb: &[u8], snapshot: &ShadowSnapshot, tally: &mut Tally| {
        let start = std::time::Instant::now();
        let evidence = observer.observe(rgb, ClassPrior::of(snapshot, aspect))?;
        times_ms.push(start.elapsed().as_secs_f32() * 1e3);
        tally.add(&evidence, snapshot);
        Ok::<(), ModelError>(())
    };
    for (number, path) in episodes.iter().enumerate() {
        let episode = Episode::open(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        progress(&name, number as f64 / episodes.len() as f64);
        for frame in (0..episode.len()).step_by(options.stride.max(1)) {
            let rgb = episode.frame_rgb(frame)?;
            look(&rgb, &episode.snapshot(frame), &mut scores.truth).map_err(TrainError::Model)?;
        }
        model.forget_world();
        for frame in 0..episode.len().min(options.dreamed_frames) {
            let snapshot = episode.snapshot(frame);
            let dreamed = model
                .append_frame(&request(&episode, frame, snapshot.clone()))
                .map_err(TrainError::Model)?;
            look(&without_alpha(&dreamed.rgba), &snapshot, &mut scores.dreamed)
                .map_err(TrainError::Model)?;
        }
    }
    scores.observe_ms = f64::from(quantile(&times_ms, 0.5) as f32);
    Ok(scores)
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// NaN for no values.
fn quantile(values: &[f32], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = (q * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(at).map_or(f64::NAN, |v| f64::from(*v))
}
