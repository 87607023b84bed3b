//! Pictures of the world model, drawn in the background: softer than true ones, and now and then of altered worlds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, SendTimeoutError, Sender, bounded};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reverie_guard::ShadowSnapshot;

use super::alter::Alteration;
use super::sample::ObserverSample;
use crate::card::ModelCard;
use crate::data::Episode;
use crate::model::reverie::ReverieModel;
use crate::model::{LoadOptions, ModelError, WorldModel};
use crate::request::{DreamMode, DreamRequest};

/// Pictures waiting for the trainer.
const QUEUE: usize = 32;
/// Between two looks at a full queue.
const NAP: Duration = Duration::from_millis(500);
/// Episodes that one model plays before it is loaded with another look.
const EPISODES_PER_LOOK: usize = 6;
/// Share of episodes whose world is altered.
const ALTERED: f64 = 0.6;
/// Share of episodes that begin with true pictures instead of a look alone, and how many at most.
const PROMPTED: f64 = 0.5;
const LONGEST_PROMPT: usize = 3;

/// What a request for one frame of an episode says; `snapshot` is what is to be drawn.
pub fn request(episode: &Episode, frame: usize, snapshot: ShadowSnapshot) -> DreamRequest {
    DreamRequest {
        id: frame as u64,
        snapshot: Arc::new(snapshot),
        action: episode.action(frame),
        style: episode.style(frame),
        condition_strength: 1.0,
        mode: DreamMode::Anchored,
        reset: false,
        input_at: Instant::now(),
        requested_at: Instant::now(),
    }
}

/// The colours of a picture with alpha.
pub fn without_alpha(rgba: &[u8]) -> Vec<u8> {
    rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect()
}

/// The running threads; they end when this is dropped.
#[derive(Debug)]
pub struct Dreamed {
    /// Pictures with the labels of what they were to show, or why the model fails.
    pub samples: Receiver<Result<ObserverSample, ModelError>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Dreamed {
    /// Starts to play the model of `card` over `episodes`, in each thread on its own.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn(
        episodes: Arc<Vec<PathBuf>>,
        card: PathBuf,
        seed: u64,
        threads: usize,
    ) -> std::io::Result<Self> {
        let (send, samples) = bounded(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let mut out = Self { samples, stop, threads: Vec::new() };
        for number in 0..threads.max(1) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x0D2E_A3ED);
            rng.set_stream(number as u64);
            let (episodes, card) = (episodes.clone(), card.clone());
            let sink = Sink { send: send.clone(), stop: out.stop.clone() };
            let work = move || {
                while !episodes.is_empty() && sink.is_open() {
                    if let Err(error) = play_some(&card, &episodes, &mut rng, &sink) {
                        sink.give(Err(error));
                        return;
                    }
                }
            };
            let name = format!("dreamed {number}");
            out.threads.push(std::thread::Builder::new().name(name).spawn(work)?);
        }
        Ok(out)
    }
}

impl Drop for Dreamed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

struct Sink {
    send: Sender<Result<ObserverSample, ModelError>>,
    stop: Arc<AtomicBool>,
}

impl Sink {
    fn is_open(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Waits for room; false when the trainer is done.
    fn give(&self, sample: Result<ObserverSample, ModelError>) -> bool {
        let mut sample = sample;
        loop {
            match self.send.send_timeout(sample, NAP) {
                Ok(()) => return true,
                Err(SendTimeoutError::Disconnected(_)) => return false,
                Err(SendTimeoutError::Timeout(_)) if !self.is_open() => return false,
                Err(SendTimeoutError::Timeout(back)) => sample = back,
            }
        }
    }
}

fn play_some(
    card: &Path,
    episodes: &[PathBuf],
    rng: &mut ChaCha8Rng,
    sink: &Sink,
) -> Result<(), ModelError> {
    let options = LoadOptions { seed: rng.random(), ..LoadOptions::default() };
    let mut model = ReverieModel::load(card, ModelCard::load(card)?, &options)?;
    for _ in 0..EPISODES_PER_LOOK {
        let path = &episodes[rng.random_range(0..episodes.len())];
        // An episode that cannot be read is told by the loaders, which read the same ones.
        let Ok(episode) = Episode::open(path) else { continue };
        if !play(&mut model, &episode, rng, sink)? {
            break;
        }
    }
    Ok(())
}

/// Plays one episode; false when the trainer is done.
fn play(
    model: &mut ReverieModel,
    episode: &Episode,
    rng: &mut ChaCha8Rng,
    sink: &Sink,
) -> Result<bool, ModelError> {
    let (width, height) = (model.size().0 as usize, model.size().1 as usize);
    model.forget_world();
    let prompt = if rng.random_bool(PROMPTED) { rng.random_range(1..=LONGEST_PROMPT) } else { 0 };
    let altered = rng.random_bool(ALTERED);
    let mut alteration = Alteration::default();
    let first = rng.random_range(0..episode.len());
    let stride = rng.random_range(1..=2);
    for (number, frame) in (first..episode.len()).chain(0..first).step_by(stride).enumerate() {
        let truth = episode.snapshot(frame);
        if number < prompt {
            let Ok(rgb) = episode.frame_rgb(frame) else { return Ok(true) };
            let rgb = rgb.iter().map(|b| f32::from(*b) / 255.0).collect();
            model.prompt(&request(episode, frame, truth), rgb, 1.0)?;
            continue;
        }
        // Another alteration now and then, so that new things come into view.
        if altered && (number - prompt).is_multiple_of(8) {
            alteration = Alteration::draw(&truth, rng);
        }
        let drawn = alteration.apply(&truth);
        let frame = model.append_frame(&request(episode, frame, drawn.clone()))?;
        let rgb = without_alpha(&frame.rgba);
        if !sink.give(Ok(ObserverSample::new(&drawn, rgb, width, height))) {
            return Ok(false);
        }
    }
    Ok(true)
}
