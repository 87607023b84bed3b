//! Samples whose past is the model's own: it must learn to repair its errors, not to repeat them.
//!
//! Threads play the model that was published last over training episodes, as in evaluation: a few true frames,
//! then its own pictures (DAgger, Ross et al. 2011). What it saw before each frame becomes a sample, with the true
//! frame as the target. A newly published model is picked up between episodes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam::channel::{Receiver, SendTimeoutError, Sender, bounded};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::packed::Packed;
use super::sample::Sample;
use crate::card::ModelCard;
use crate::data::Episode;
use crate::model::reverie::ReverieModel;
use crate::model::{LoadOptions, ModelError, WorldModel};
use crate::request::{DreamMode, DreamRequest};

/// Samples waiting for the trainer.
const QUEUE: usize = 32;
/// Between two looks for a model, or at a full queue.
const NAP: Duration = Duration::from_millis(500);
/// Most true frames before the model is on its own.
const LONGEST_PROMPT: usize = 6;
/// Share of the frames that become samples: neighbours are much alike.
const KEPT: f64 = 0.6;

/// The running threads; they end when this is dropped.
#[derive(Debug)]
pub struct Rollouts {
    /// What the model saw, and what was true.
    pub samples: Receiver<Packed>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Rollouts {
    /// Starts to play the model of `card` over `episodes`, on `threads` threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn(
        episodes: Arc<Vec<PathBuf>>,
        card: PathBuf,
        seed: u64,
        keep_tints: f64,
        threads: usize,
    ) -> std::io::Result<Self> {
        let (send, samples) = bounded(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let start = |thread: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x0011_0075);
            rng.set_stream(thread as u64);
            let (episodes, card) = (episodes.clone(), card.clone());
            let (send, stop) = (send.clone(), stop.clone());
            let worker = Worker { episodes, card, keep_tints, send, stop, rng };
            std::thread::Builder::new().name(format!("rollouts {thread}")).spawn(|| worker.run())
        };
        let threads = (0..threads.max(1)).map(start).collect::<std::io::Result<_>>()?;
        Ok(Self { samples, stop, threads })
    }
}

impl Drop for Rollouts {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

struct Worker {
    episodes: Arc<Vec<PathBuf>>,
    card: PathBuf,
    keep_tints: f64,
    send: Sender<Packed>,
    stop: Arc<AtomicBool>,
    rng: ChaCha8Rng,
}

impl Worker {
    fn run(mut self) {
        let mut model: Option<(SystemTime, ReverieModel)> = None;
        while !self.stop.load(Ordering::Relaxed) && !self.episodes.is_empty() {
            // A model that is just being replaced is found complete the next time.
            let written = std::fs::metadata(&self.card).and_then(|m| m.modified()).ok();
            if let Some(written) = written
                && model.as_ref().is_none_or(|(loaded, _)| *loaded != written)
                && let Ok(fresh) = load(&self.card)
            {
                model = Some((written, fresh));
            }
            let Some((_, model)) = &mut model else {
                std::thread::sleep(NAP);
                continue;
            };
            let path = &self.episodes[self.rng.random_range(0..self.episodes.len())];
            // An episode that cannot be read is told by the loaders, which read the same ones.
            if let Ok(episode) = Episode::open(path) {
                let open = play(model, &episode, self.keep_tints, &mut self.rng, &mut |sample| {
                    give(&self.send, &self.stop, sample)
                });
                if open.is_err() {
                    model.reset();
                }
            }
        }
    }
}

fn load(card: &Path) -> Result<ReverieModel, ModelError> {
    let mut model = ReverieModel::load(card, ModelCard::load(card)?, &LoadOptions::default())?;
    // Looks of other worlds would teach that what is remembered is wrong.
    model.forget_look();
    Ok(model)
}

/// Waits for room in the queue; false when the trainer is done.
fn give(send: &Sender<Packed>, stop: &AtomicBool, sample: Sample) -> bool {
    let mut sample = Packed::from(sample);
    loop {
        match send.send_timeout(sample, NAP) {
            Ok(()) => return true,
            Err(SendTimeoutError::Disconnected(_)) => return false,
            Err(SendTimeoutError::Timeout(_)) if stop.load(Ordering::Relaxed) => return false,
            Err(SendTimeoutError::Timeout(back)) => sample = back,
        }
    }
}

fn play(
    model: &mut ReverieModel,
    episode: &Episode,
    keep_tints: f64,
    rng: &mut ChaCha8Rng,
    give: &mut dyn FnMut(Sample) -> bool,
) -> Result<(), ModelError> {
    model.forget_world();
    model.set_ablation(rng.random_bool(keep_tints), true);
    let prompt = rng.random_range(1..=LONGEST_PROMPT);
    // Skipping frames shows faster motion.
    let stride = rng.random_range(1..=2);
    for (number, frame) in (0..episode.len()).step_by(stride).enumerate() {
        let Ok(bytes) = episode.frame_rgb(frame) else { return Ok(()) };
        let truth: Vec<f32> = bytes.iter().map(|b| f32::from(*b) / 255.0).collect();
        let request = DreamRequest {
            id: frame as u64,
            snapshot: Arc::new(episode.snapshot(frame)),
            action: episode.action(frame),
            style: episode.style(frame),
            condition_strength: 1.0,
            mode: DreamMode::Anchored,
            reset: false,
            input_at: Instant::now(),
            requested_at: Instant::now(),
        };
        if number < prompt {
            model.prompt(&request, truth, 1.0)?;
            continue;
        }
        model.append_frame(&request)?;
        if rng.random_bool(KEPT) {
            let (maps, globals) = model.last_condition();
            let target = truth.iter().map(|v| 2.0 * v - 1.0).collect();
            if !give(Sample { maps: maps.to_vec(), globals: *globals, target }) {
                return Ok(());
            }
        }
    }
    Ok(())
}
