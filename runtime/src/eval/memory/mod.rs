//! `reverie eval --memory`: does a world stay as it was, and does it show what changed meanwhile?
//!
//! The first [`PROMPT_FRAMES`](super::rows::PROMPT_FRAMES) frames of an episode are given. Then the camera leaves, on the
//! spot or on a walk ([`script`]), while the model goes on dreaming ten frames a second, and comes back after a while to
//! the views of the prompt, whose true pictures are known ([`returns`]). [`events`] changes bodies while nobody looks;
//! [`steady`] looks at one view for minutes, and plays an episode to and fro. The world stands still while the camera is
//! away, and no time of an episode is needed beyond its prompt, except for the last measurement.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::clip::Clip;
use super::options::{EvalError, require_kind};
use crate::card::ModelCard;
use crate::data::{Episode, list_episodes};
use crate::memory::MemoryStats;
use crate::model::LoadOptions;
use crate::model::reverie::ReverieModel;

pub mod events;
pub mod returns;
pub mod script;
pub mod steady;

pub use events::EventFigures;
pub use returns::{ReturnFigures, ReturnKey};
pub use steady::SteadyFigures;

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryOptions {
    /// Absences, seconds, one after another.
    pub seconds: Vec<f32>,
    /// What is compared at returns.
    pub rows: Vec<returns::Row>,
    /// How the camera leaves.
    pub ways: Vec<script::Way>,
    /// With tints given, withheld, or both.
    pub tints: Vec<bool>,
    /// At most so many episodes, the first by name; all if `None`.
    pub episodes: Option<usize>,
    /// Cases of bodies that change while unseen, over all episodes.
    pub events: usize,
    /// Frames of the static view, and of the episode that is played to and fro; 0 leaves both out.
    pub steady_frames: usize,
    /// Folder of the pictures; none are drawn if `None`.
    pub out: Option<PathBuf>,
    /// Threads of the network on a CPU.
    pub threads: usize,
    /// Of the sampler's noise and of the walks.
    pub seed: u64,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            seconds: vec![10.0, 60.0, 300.0],
            rows: returns::Row::ALL.to_vec(),
            ways: vec![script::Way::Turn, script::Way::Walk],
            tints: vec![true, false],
            episodes: None,
            events: 100,
            steady_frames: 6000,
            out: None,
            threads: 1,
            seed: 1,
        }
    }
}

/// Time and room that the memory takes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CostFigures {
    /// Reading in a frame, median and 95th percentile, milliseconds.
    pub read_ms: [f32; 2],
    /// Writing.
    pub write_ms: [f32; 2],
    /// Both together.
    pub both_ms: [f32; 2],
    /// The whole model frame.
    pub frame_ms: [f32; 2],
    /// Both over the frame that they are part of, median and 95th percentile.
    pub share_of_frame: [f32; 2],
    /// Megabytes of the largest memory.
    pub mb: f32,
    /// Surface seen in it, m².
    pub seen_m2: f32,
    /// Bytes for each m² seen.
    pub bytes_per_m2: f32,
    /// Seconds of play, and megabytes then, of the longest run.
    pub growth_mb: Vec<(f32, f32)>,
    /// Pages that had to go.
    pub evicted_pages: u64,
}

/// All figures.
#[derive(Debug, Clone, Serialize)]
pub struct MemoryReport {
    /// Of the card.
    pub model: String,
    /// SHA-256 of the weights.
    pub weights_sha256: String,
    /// Whether the network was trained with memories.
    pub knows_memory: bool,
    /// How many.
    pub episodes: usize,
    /// Of the network.
    pub threads: usize,
    /// Returns, by row, way, absence and tints.
    pub returns: Vec<ReturnFigures>,
    /// Bodies changed while unseen.
    pub events: Option<EventFigures>,
    /// Static view and long episodes.
    pub steady: Option<SteadyFigures>,
    /// Time and room.
    pub cost: CostFigures,
    /// Pictures written.
    pub pictures: Vec<PathBuf>,
    /// Of the measurement itself.
    pub evaluated_s: f64,
}

/// Times and sizes gathered over frames.
#[derive(Debug, Default)]
pub(super) struct Costs {
    read_ms: Vec<f32>,
    write_ms: Vec<f32>,
    frame_ms: Vec<f32>,
    largest: MemoryStats,
    seen_m2: f32,
    growth: Vec<(f32, f32)>,
}

impl Costs {
    fn add(&mut self, stats: MemoryStats, frame_ms: f32) {
        self.read_ms.push(stats.read_ms);
        self.write_ms.push(stats.write_ms);
        self.frame_ms.push(frame_ms);
    }

    /// A run has ended with this memory; `growth` is seconds and megabytes.
    fn end(&mut self, stats: MemoryStats, seen_m2: f32, growth: Vec<(f32, f32)>) {
        if stats.bytes >= self.largest.bytes {
            (self.largest, self.seen_m2) = (stats, seen_m2);
        }
        if growth.last().map(|g| g.0) > self.growth.last().map(|g| g.0) {
            self.growth = growth;
        }
    }

    fn figures(&self) -> CostFigures {
        let both: Vec<f32> = self.read_ms.iter().zip(&self.write_ms).map(|(r, w)| r + w).collect();
        let (both_ms, frame_ms) = (percentiles(&both), percentiles(&self.frame_ms));
        let shares: Vec<f32> =
            both.iter().zip(&self.frame_ms).map(|(both, frame)| both / frame.max(1e-3)).collect();
        let bytes = self.largest.bytes as f32;
        CostFigures {
            read_ms: percentiles(&self.read_ms),
            write_ms: percentiles(&self.write_ms),
            both_ms,
            frame_ms,
            share_of_frame: percentiles(&shares),
            mb: bytes / 1e6,
            seen_m2: self.seen_m2,
            bytes_per_m2: bytes / self.seen_m2.max(1e-3),
            growth_mb: self.growth.clone(),
            evicted_pages: self.largest.evicted_pages,
        }
    }
}

/// Median and 95th percentile; 0 of nothing.
fn percentiles(values: &[f32]) -> [f32; 2] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    [0.5, 0.95].map(|share| {
        let at = (share * sorted.len() as f32) as usize;
        sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
    })
}

/// Measures the memory of a model on the episodes in `data`.
///
/// # Errors
/// See [`EvalError`].
pub fn evaluate_memory(
    data: &Path,
    card_path: &Path,
    options: &MemoryOptions,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<MemoryReport, EvalError> {
    check(options)?;
    let started = Instant::now();
    let card = ModelCard::load(card_path)?;
    require_kind("`reverie eval --memory`", card_path, &card)?;
    let mut paths = list_episodes(data)?;
    paths.truncate(options.episodes.unwrap_or(usize::MAX));
    if paths.is_empty() {
        return Err(EvalError::NoEpisodes { data: data.to_owned() });
    }
    let load = LoadOptions {
        seed: options.seed,
        threads: Some(options.threads.max(1)),
        ..LoadOptions::default()
    };
    let mut model = ReverieModel::load(card_path, card.clone(), &load)?;
    let mut clips = Vec::new();
    let mut longest = 0;
    for path in &paths {
        let episode = Episode::open(path)?;
        longest = longest.max(episode.len());
        let (header, a) = (episode.header(), &card.architecture);
        let (found, wanted) = ((header.width, header.height), (a.width, a.height));
        if found != wanted {
            return Err(EvalError::Size { path: path.clone(), found, model: wanted });
        }
        clips.extend(Clip::new(episode, usize::MAX, card.sampler.default_condition_strength)?);
    }
    if clips.is_empty() {
        return Err(EvalError::TooShort { data: data.to_owned(), longest });
    }
    let mut costs = Costs::default();
    let mut pictures = Vec::new();
    let mut returns = returns::Returns::default();
    let parts = clips.len() as f64 + 2.0;
    for (number, clip) in clips.iter().enumerate() {
        let name = format!("returns, episode {} of {}", number + 1, clips.len());
        returns.clip(number, clip, &mut model, options, &mut costs, &mut |share| {
            progress(&name, (number as f64 + share) / parts);
        })?;
    }
    if let Some(out) = &options.out {
        pictures.extend(returns.save_pictures(out)?);
    }
    progress("events", (parts - 2.0) / parts);
    let events = events::measure(&clips, &mut model, options, &mut pictures)?;
    progress("steady views", (parts - 1.0) / parts);
    let steady = steady::measure(&clips, &mut model, options)?;
    Ok(MemoryReport {
        model: card.name,
        weights_sha256: card.sha256,
        knows_memory: model.knows_memory(),
        episodes: clips.len(),
        threads: options.threads.max(1),
        returns: returns.figures(),
        events,
        steady,
        cost: costs.figures(),
        pictures,
        evaluated_s: started.elapsed().as_secs_f64(),
    })
}

fn check(options: &MemoryOptions) -> Result<(), EvalError> {
    let wrong = |what, value: String, hint: &str| {
        Err(EvalError::Option { what, value, hint: hint.to_owned() })
    };
    if options.episodes == Some(0) {
        return wrong("the number of episodes", "0".to_owned(), "at least 1 is needed");
    }
    if let Some(seconds) = options.seconds.iter().find(|s| !(2.0..=3600.0).contains(*s)) {
        return wrong("an absence", format!("{seconds} s"), "it must lie between 2 and 3600 s");
    }
    Ok(())
}

impl MemoryReport {
    /// For a terminal.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut lines: BTreeMap<(bool, String, String), Vec<&ReturnFigures>> = BTreeMap::new();
        for figures in &self.returns {
            let key = &figures.key;
            let way = format!("{:?}", key.way).to_lowercase();
            lines.entry((!key.tints, way, key.row.to_string())).or_default().push(figures);
        }
        for ((withheld, way, row), figures) in lines {
            let tints = if withheld { "tints withheld" } else { "tints given" };
            let _ = write!(out, "{tints:15} {way:5} {row:11}");
            for f in figures {
                let _ = write!(out, "  {:3.0} s {:5.1} dB", f.key.seconds, f.psnr_db);
            }
            out.push('\n');
        }
        if let Some(events) = &self.events {
            let _ = writeln!(out, "events shown: {} of {}", events.shown, events.cases);
        }
        if let Some(steady) = &self.steady {
            let _ = writeln!(
                out,
                "static view, {} frames: ΔE2000 {:.2} from the first dreamed frame; to and fro: {:.1} dB, at the end {:.1} dB",
                steady.static_frames,
                steady.static_drift,
                steady.first_pass_db,
                steady.last_pass_db
            );
        }
        let c = &self.cost;
        let _ = writeln!(
            out,
            "read + write p50 {:.2} ms, p95 {:.2} ms; p50 {:.1} %, p95 {:.1} % of its frame; {:.1} MB, {:.0} kB/m²",
            c.both_ms[0],
            c.both_ms[1],
            100.0 * c.share_of_frame[0],
            100.0 * c.share_of_frame[1],
            c.mb,
            c.bytes_per_m2 / 1e3
        );
        out
    }
}
