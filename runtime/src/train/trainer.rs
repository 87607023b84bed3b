//! The training loop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use thiserror::Error;

use super::course::{Course, Plan};
use super::loader::Loader;
use super::looks::looks_for;
use super::loss::{LossWeights, loss};
use super::optimizer::Optimizer;
use super::packed::{Batch, Packed, tensors};
use super::pool::Pool;
use super::publish::publish;
use super::recipe::Recipe;
use super::rollout::Rollouts;
use super::sample::draw_samples;
use super::state::{self, Ledger, StateError};
use crate::card::CardError;
use crate::data::{DataError, Episode, list_episodes};
use crate::device::device_by_name;
use crate::model::ModelError;
use crate::model::reverie::files::start_from;
use crate::model::reverie::unet::Unet;
use crate::weights::ModelFileError;

/// Samples that are shuffled; more than an episode's visit gives, so that a batch mixes episodes.
const SHUFFLE: usize = 128;
/// Why training stopped.
#[derive(Debug, Error)]
pub enum TrainError {
    /// An episode cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The model cannot be written.
    #[error(transparent)]
    Weights(#[from] ModelFileError),
    /// The card cannot be written.
    #[error(transparent)]
    Card(#[from] CardError),
    /// No episodes at all.
    #[error("there are no episodes in {folders}; record some with `reverie record --out DIR`")]
    NoEpisodes {
        /// Where was looked.
        folders: String,
    },
    /// There is no look in the episodes.
    #[error(
        "no episode in {folders} that is of one style to 60 % shows a material closely; record larger pictures, `reverie record --style noon --size 320x184 --out DIR`, say"
    )]
    NothingClose {
        /// Where was looked.
        folders: String,
    },
    /// A dressed model is another one.
    #[error("{}: the model's own files are there; name another folder with --out", out.display())]
    OwnFolder {
        /// The folder.
        out: PathBuf,
    },
    /// Sizes of pictures differ between episodes, or do not fit the network.
    #[error("{path}: {width}×{height} pixels, but {wanted}")]
    Size {
        /// Which episode.
        path: PathBuf,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// What was expected.
        wanted: String,
    },
    /// No episode has as many frames as a sequence.
    #[error(
        "{field} is {frames}, but the longest episode has {longest} frames; lower it, or record with --frames {frames}"
    )]
    TooShort {
        /// Of the recipe.
        field: &'static str,
        /// What it says.
        frames: usize,
        /// Of all episodes.
        longest: usize,
    },
    /// This machine lacks the recipe's device.
    #[error("this machine has no device `{device}`; set `device: \"cpu\"` in the recipe")]
    NoDevice {
        /// As named.
        device: String,
    },
    /// The run does not converge.
    #[error(
        "{steps} steps in a row had a loss that is not a number; lower learning_rate (it is {learning_rate})"
    )]
    Diverged {
        /// How many.
        steps: u32,
        /// The recipe's.
        learning_rate: f64,
    },
    /// The model that an observer is for cannot be used.
    #[error(transparent)]
    Model(ModelError),
    /// The model whose looks are wanted cannot be used.
    #[error("looks_of: {0}")]
    Looks(ModelError),
    /// The model to start from cannot be used.
    #[error("start_from: {0}")]
    Start(#[from] ModelError),
    /// Folder or thread refused by the system.
    #[error("cannot {action}: {source}")]
    Io {
        /// An infinitive and its object.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Counters and history.
    pub ledger: Ledger,
    /// Mean of the last steps.
    pub loss: f64,
    /// Of the present step.
    pub learning_rate: f64,
    /// Since the last report.
    pub samples_per_s: f64,
    /// Share of the recipe's minutes, 0 to 1.
    pub done: f64,
    /// How well a critic tells what is made from what is true, 0 not at all to 1; `None` without one.
    pub critic: Option<f64>,
}

/// Trains or resumes; returns the path of the model card.
///
/// `report` is called every few steps and at the end. Setting `stop` saves and publishes what there is.
///
/// # Errors
/// See [`TrainError`]; a state that was saved stays.
pub fn train(
    recipe: &Recipe,
    command: &str,
    stop: &AtomicBool,
    mut report: impl FnMut(&Progress),
) -> Result<PathBuf, TrainError> {
    let device = device_by_name(&recipe.device)
        .ok_or_else(|| TrainError::NoDevice { device: recipe.device.clone() })?;
    if recipe.threads > 0 {
        tch::set_num_threads(recipe.threads as i32);
    }
    tch::manual_seed(recipe.seed as i64 & i64::MAX);
    std::fs::create_dir_all(&recipe.out).map_err(|source| TrainError::Io {
        action: format!("create {}", recipe.out.display()),
        source,
    })?;
    let (episodes, size) = find_episodes(&recipe.data)?;
    let mut store = VarStore::new(device);
    let net = Unet::new(&store.root(), &recipe.network);
    if let Some(card) = &recipe.start_from {
        start_from(&mut store, &recipe.network, card)?;
    }
    let mut optimizer = Optimizer::new(&store)?;
    let state_path = recipe.out.join("state.safetensors");
    let mut ledger = state::load(&state_path, &mut optimizer)?.unwrap_or_default();
    ledger.runs += 1;
    let looks = looks_for(recipe.looks_of.as_deref(), &recipe.looks, &episodes)?;
    let episodes = Arc::new(episodes);
    let sampling = recipe.sampling.clone();
    let loader = Loader::spawn(
        episodes.clone(),
        recipe.seed,
        ledger.runs,
        recipe.loaders,
        size,
        move |episode, rng, out: &mut dyn FnMut(Packed)| {
            draw_samples(episode, &sampling, rng, |sample| out(sample.into()))
        },
    )
    .map_err(|source| TrainError::Io { action: "start a loader thread".into(), source })?;
    let card = recipe.out.join(format!("{}.world.ron", recipe.name));
    let rollouts = (recipe.rollout_share > 0.0)
        .then(|| {
            let seed = recipe.seed ^ (ledger.runs << 16);
            let threads = recipe.rollout_threads;
            Rollouts::spawn(episodes.clone(), card, seed, recipe.sampling.keep_tints, threads)
        })
        .transpose()
        .map_err(|source| TrainError::Io { action: "start the rollout thread".into(), source })?;
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed ^ (ledger.runs << 32));
    let mut source = Source::new(recipe, loader, rollouts, size, device)?;

    let mut saved_at = Instant::now();
    let plan = Plan {
        minutes: recipe.minutes,
        learning_rate: recipe.learning_rate,
        warmup_steps: recipe.warmup_steps,
    };
    let mut course = Course::new(&ledger, plan);
    while ledger.trained_s < 60.0 * recipe.minutes && !stop.load(Ordering::Relaxed) {
        let batch = source.next(&mut rng)?;
        let learning_rate = course.rate(&ledger, optimizer.steps);
        let value = step(recipe, &net, &mut optimizer, &batch, device, learning_rate, &mut rng)?;
        let told = course.step(&mut ledger, value, optimizer.steps, recipe.batch)?;
        if let Some(progress) = told {
            report(&progress);
        }
        if saved_at.elapsed().as_secs_f64() > recipe.checkpoint_every_s {
            state::save(&state_path, &optimizer, &ledger)?;
            publish(recipe, command, size, &optimizer, &ledger, &looks, episodes.len())?;
            saved_at = Instant::now();
        }
    }
    state::save(&state_path, &optimizer, &ledger)?;
    let card = publish(recipe, command, size, &optimizer, &ledger, &looks, episodes.len())?;
    report(&course.end(ledger));
    Ok(card)
}

pub(crate) fn list_all(folders: &[PathBuf]) -> Result<Vec<PathBuf>, DataError> {
    let lists = folders.iter().map(list_episodes).collect::<Result<Vec<_>, _>>()?;
    Ok(lists.concat())
}

/// Folders, for a message.
pub(crate) fn named(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// All episodes in the folders `data`, and the size that they share.
pub(crate) fn find_episodes(data: &[PathBuf]) -> Result<(Vec<PathBuf>, (u32, u32)), TrainError> {
    let episodes = list_all(data)?;
    let Some(first) = episodes.first() else {
        return Err(TrainError::NoEpisodes { folders: named(data) });
    };
    let episode = Episode::open(first)?;
    let (width, height) = (episode.header().width, episode.header().height);
    if width % 8 != 0 || height % 8 != 0 {
        let wanted = "both must be multiples of 8".to_owned();
        return Err(TrainError::Size { path: first.clone(), width, height, wanted });
    }
    Ok((episodes, (width, height)))
}

/// Pictures of latent models have whole tokens, `token_px` along them.
pub(crate) fn whole_tokens(
    data: &[PathBuf],
    (width, height): (u32, u32),
    token_px: i64,
) -> Result<(), TrainError> {
    let whole = |side: u32| i64::from(side) % token_px == 0;
    if whole(width) && whole(height) {
        return Ok(());
    }
    let path = data.first().cloned().unwrap_or_default();
    let wanted = format!("both must be multiples of the autoencoder's token_px, {token_px}");
    Err(TrainError::Size { path, width, height, wanted })
}

/// Linear warm-up, then a cosine over the recipe's time down to 2 %.
pub(crate) fn learning_rate(peak: f64, warmup_steps: u64, steps: u64, done: f64) -> f64 {
    let warm = ((steps + 1) as f64 / warmup_steps.max(1) as f64).min(1.0);
    let cosine = 0.51 + 0.49 * (std::f64::consts::PI * done.clamp(0.0, 1.0)).cos();
    peak * warm * cosine
}

/// Batches from what the loaders bring and what the model's own past looks like.
struct Source {
    loader: Loader<Packed>,
    rollouts: Option<Rollouts>,
    drawn: Pool,
    own: Pool,
    batch: usize,
    rollout_share: f64,
}

impl Source {
    fn new(
        recipe: &Recipe,
        loader: Loader<Packed>,
        rollouts: Option<Rollouts>,
        size: (u32, u32),
        device: Device,
    ) -> Result<Self, TrainError> {
        // A batch mixes episodes.
        let drawn = recipe.pool.max(SHUFFLE) + recipe.batch;
        let own = if rollouts.is_some() { recipe.pool / 4 + recipe.batch } else { 1 };
        let pool = |capacity| Batch::pool(capacity, recipe.uses, size, device);
        Ok(Self {
            drawn: pool(drawn)?,
            own: pool(own)?,
            loader,
            rollouts,
            batch: recipe.batch,
            rollout_share: recipe.rollout_share,
        })
    }

    /// Waits until there is enough to draw from.
    fn next(&mut self, rng: &mut ChaCha8Rng) -> Result<Batch, TrainError> {
        let wait = (SHUFFLE + self.batch).saturating_sub(self.drawn.len());
        let fresh = self.loader.receive(wait, self.drawn.room())?;
        self.drawn.put(&tensors(&fresh)?)?;
        let mut own = 0;
        if let Some(rollouts) = &self.rollouts {
            let room = self.own.room();
            let fresh: Vec<Packed> = rollouts.samples.try_iter().take(room).collect();
            self.own.put(&tensors(&fresh)?)?;
            own = (0..self.batch).filter(|_| rng.random_bool(self.rollout_share)).count();
        }
        let own = own.min(self.own.len());
        let mut columns = self.drawn.draw(self.batch - own, rng)?;
        if own > 0 {
            for (column, own) in columns.iter_mut().zip(self.own.draw(own, rng)?) {
                *column = Tensor::f_cat(&[&*column, &own], 0)?;
            }
        }
        Ok(Batch::new(columns)?)
    }
}

fn step(
    recipe: &Recipe,
    net: &Unet,
    optimizer: &mut Optimizer,
    batch: &Batch,
    device: Device,
    learning_rate: f64,
    rng: &mut ChaCha8Rng,
) -> Result<f64, TrainError> {
    let kind = if recipe.bf16 { Kind::BFloat16 } else { Kind::Float };
    let Batch { maps, globals, target } = batch;
    let (maps, count) = (maps.f_to_kind(kind)?, target.size()[0]);
    let levels: Vec<f32> = (0..count)
        .map(|_| {
            if rng.random_bool(recipe.sampling.pure_noise) {
                1.0
            } else {
                rng.random_range(0.02..1.0)
            }
        })
        .collect();
    let levels = Tensor::f_from_slice(&levels)?.f_view([count, 1, 1, 1])?.f_to_device(device)?;
    let noise = target.f_randn_like()?;
    let noisy = target.f_add(&noise.f_sub(target)?.f_mul(&levels)?)?;
    let predicted = net.forward(&noisy, &maps, globals, &levels.f_view([count, 1])?)?;
    let weights = LossWeights {
        l1: recipe.l1_weight,
        gradient: recipe.gradient_weight,
        texture: recipe.texture_weight,
    };
    let loss = loss(&predicted, target, weights)?;
    loss.f_backward()?;
    let norm = optimizer.step(learning_rate, recipe.weight_decay, recipe.ema_decay)?;
    let value = loss.f_double_value(&[])?;
    Ok(if norm.is_finite() { value } else { f64::NAN })
}
