//! The training loop of the observer; resumes after a kill at any moment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::nn::VarStore;
use tch::{Device, Kind, Reduction, Tensor};

use super::augment::{Batch, augment, columns, pool};
use super::dreamed::Dreamed;
use super::files::publish;
use super::net::ObserverNet;
use super::prior::{CLASSES, SKY_CLASS};
use super::recipe::ObserverRecipe;
use super::sample::ObserverSample;
use super::score::{ScoreOptions, score};
use crate::card::{ModelCard, Provenance};
use crate::data::{DataError, Episode};
use crate::device::device_by_name;
use crate::train::course::{Course, Plan};
use crate::train::loader::Loader;
use crate::train::optimizer::Optimizer;
use crate::train::pool::Pool;
use crate::train::publish::folders;
use crate::train::state::{self, Ledger};
use crate::train::trainer::{find_episodes, list_all};
use crate::train::{Progress, TrainError};

/// Frames drawn from an episode per visit.
const PER_VISIT: usize = 12;
/// Pictures at hand at least, so that a batch mixes episodes.
const SHUFFLE: usize = 128;

/// Trains or resumes; returns the path of a model card with the observer in it, in the recipe's folder.
///
/// `report` is called every few steps and at the end, `scoring` while the finished observer is scored: what, and the
/// share done. Setting `stop` saves and publishes what there is, without scores.
///
/// # Errors
/// See [`TrainError`]; a state that was saved stays.
pub fn train_observer(
    recipe: &ObserverRecipe,
    command: &str,
    stop: &AtomicBool,
    mut report: impl FnMut(&Progress),
    scoring: &mut dyn FnMut(&str, f64),
) -> Result<PathBuf, TrainError> {
    let device = device_by_name(&recipe.device)
        .ok_or_else(|| TrainError::NoDevice { device: recipe.device.clone() })?;
    let model = ModelCard::load(&recipe.model)?;
    let (episodes, size) = find_episodes(&recipe.data)?;
    let wanted = (model.architecture.width, model.architecture.height);
    if size != wanted {
        let path = episodes.first().cloned().unwrap_or_default();
        let wanted = format!("the model's pictures have {}×{}", wanted.0, wanted.1);
        return Err(TrainError::Size { path, width: size.0, height: size.1, wanted });
    }
    let held_out = list_all(&recipe.eval)?;
    std::fs::create_dir_all(&recipe.out).map_err(|source| TrainError::Io {
        action: format!("create {}", recipe.out.display()),
        source,
    })?;
    if recipe.threads > 0 {
        tch::set_num_threads(recipe.threads as i32);
    }
    tch::manual_seed(recipe.seed as i64 & i64::MAX);
    let store = VarStore::new(device);
    let net = ObserverNet::new(&store.root(), &recipe.network);
    let mut optimizer = Optimizer::new(&store)?;
    let state_path = recipe.out.join("state.safetensors");
    let mut ledger = state::load(&state_path, &mut optimizer)?.unwrap_or_default();
    ledger.runs += 1;
    let mut source = Source::new(recipe, &ledger, episodes.clone(), size, device)?;
    let publish = |optimizer: &Optimizer, ledger: &Ledger| {
        let provenance = provenance(recipe, command, ledger, episodes.len());
        publish(&recipe.out, &recipe.model, &recipe.network, optimizer, provenance)
    };

    let mut saved_at = Instant::now();
    let plan = Plan {
        minutes: recipe.minutes,
        learning_rate: recipe.learning_rate,
        warmup_steps: recipe.warmup_steps,
    };
    let mut course = Course::new(&ledger, plan);
    while ledger.trained_s < 60.0 * recipe.minutes && !stop.load(Ordering::Relaxed) {
        let batch = source.next(recipe.batch)?;
        let rate = course.rate(&ledger, optimizer.steps);
        let loss = loss(recipe, &net, &batch)?;
        loss.f_backward()?;
        let norm = optimizer.step(rate, recipe.weight_decay, recipe.ema_decay)?;
        let value = if norm.is_finite() { loss.f_double_value(&[])? } else { f64::NAN };
        let told = course.step(&mut ledger, value, optimizer.steps, recipe.batch)?;
        if let Some(progress) = told {
            report(&progress);
        }
        if saved_at.elapsed().as_secs_f64() > recipe.checkpoint_every_s {
            state::save(&state_path, &optimizer, &ledger)?;
            publish(&optimizer, &ledger)?;
            saved_at = Instant::now();
        }
    }
    drop(source);
    state::save(&state_path, &optimizer, &ledger)?;
    let card = publish(&optimizer, &ledger)?;
    if !stop.load(Ordering::Relaxed) && !held_out.is_empty() {
        write_scores(&card, &held_out, scoring)?;
    }
    report(&course.end(ledger));
    Ok(card)
}

/// Scores the observer of the card on `held_out` episodes and writes the figures into the card.
///
/// # Errors
/// An episode or a weights file is damaged, or the card cannot be written.
pub fn write_scores(
    card_path: &Path,
    held_out: &[PathBuf],
    progress: &mut dyn FnMut(&str, f64),
) -> Result<(), TrainError> {
    let scores = score(card_path, held_out, &ScoreOptions::default(), progress)?;
    let mut card = ModelCard::load(card_path)?;
    if let Some(observer) = &mut card.observer {
        observer.scores = scores.figures();
    }
    Ok(card.save_atomically(card_path)?)
}

fn provenance(
    recipe: &ObserverRecipe,
    command: &str,
    ledger: &Ledger,
    episodes: usize,
) -> Provenance {
    Provenance {
        data: format!("{episodes} episodes from {}", folders(&recipe.data)),
        seed: recipe.seed,
        recipe: ron::ser::to_string_pretty(recipe, Default::default()).unwrap_or_default(),
        command: command.to_owned(),
        device: recipe.device.clone(),
        samples_seen: ledger.samples,
        trained_s: ledger.trained_s,
        commit: String::new(),
    }
}

/// Where batches come from: true pictures as they are drawn, and those of the model.
struct Source {
    loader: Loader<ObserverSample>,
    drawn: Pool,
    dreamed: Option<Dreamed>,
    dreamed_share: f64,
    kept: Pool,
    rng: ChaCha8Rng,
}

impl Source {
    fn new(
        recipe: &ObserverRecipe,
        ledger: &Ledger,
        episodes: Vec<PathBuf>,
        size: (u32, u32),
        device: Device,
    ) -> Result<Self, TrainError> {
        let io = |what: &str| {
            let action = format!("start a {what} thread");
            move |source| TrainError::Io { action, source }
        };
        let episodes = Arc::new(episodes);
        let loader =
            Loader::spawn(episodes.clone(), recipe.seed, ledger.runs, recipe.loaders, size, draw)
                .map_err(io("loader"))?;
        let seed = recipe.seed ^ (ledger.runs << 16);
        let dreamed = (recipe.dreamed_share > 0.0)
            .then(|| Dreamed::spawn(episodes, recipe.model.clone(), seed, recipe.dreamed_threads))
            .transpose()
            .map_err(io("dreaming"))?;
        let room = recipe.pool.max(SHUFFLE) + recipe.batch;
        Ok(Self {
            loader,
            drawn: pool(room, recipe.uses, size, device)?,
            dreamed,
            dreamed_share: recipe.dreamed_share,
            kept: pool(recipe.dreamed_kept, recipe.dreamed_uses, size, device)?,
            rng: ChaCha8Rng::seed_from_u64(recipe.seed ^ (ledger.runs << 32)),
        })
    }

    fn next(&mut self, count: usize) -> Result<Batch, TrainError> {
        if let Some(dreamed) = &self.dreamed {
            let fresh = dreamed.samples.try_iter().take(self.kept.room());
            let fresh = fresh.collect::<Result<Vec<_>, _>>().map_err(TrainError::Model)?;
            self.kept.put(&columns(&fresh)?)?;
        }
        let dreamed = (0..count).filter(|_| self.rng.random_bool(self.dreamed_share)).count();
        let dreamed = dreamed.min(self.kept.len());
        self.top_up(count)?;
        let mut drawn = self.drawn.draw(count - dreamed, &mut self.rng)?;
        if dreamed > 0 {
            for (column, own) in drawn.iter_mut().zip(self.kept.draw(dreamed, &mut self.rng)?) {
                *column = Tensor::f_cat(&[&*column, &own], 0)?;
            }
        }
        Ok(augment(&drawn, &mut self.rng)?)
    }

    /// Waits until there are enough true pictures for a batch, and takes what else has come.
    fn top_up(&mut self, count: usize) -> Result<(), TrainError> {
        let wait = (SHUFFLE + count).saturating_sub(self.drawn.len());
        let fresh = self.loader.receive(wait, self.drawn.room())?;
        Ok(self.drawn.put(&columns(&fresh)?)?)
    }
}

/// True pictures of some frames of an episode.
fn draw(
    episode: &Episode,
    rng: &mut ChaCha8Rng,
    out: &mut dyn FnMut(ObserverSample),
) -> Result<(), DataError> {
    let (width, height) = (episode.header().width as usize, episode.header().height as usize);
    for _ in 0..PER_VISIT {
        let frame = rng.random_range(0..episode.len());
        let snapshot = episode.snapshot(frame);
        out(ObserverSample::new(&snapshot, episode.frame_rgb(frame)?, width, height));
    }
    Ok(())
}

/// Weighed cross-entropy of the classes, and the negative log-likelihood of ln(depth) under a Laplace distribution
/// whose scale is predicted (Kendall & Gal 2017), where there is no sky.
fn loss(recipe: &ObserverRecipe, net: &ObserverNet, batch: &Batch) -> Result<Tensor, TrainError> {
    let kind = if recipe.bf16 { Kind::BFloat16 } else { Kind::Float };
    let flat = |map: &Tensor| map.f_reshape([-1]);
    let (class, weight) = (flat(&batch.class)?, flat(&batch.weight)?);
    let depth_ln = flat(&batch.depth_ln)?;

    let seen = net.forward(&batch.rgb.f_to_kind(kind)?, &batch.allowed)?;
    let cross_entropy = seen.class_logits.f_reshape([-1, CLASSES as i64])?.f_cross_entropy_loss(
        &class,
        None::<Tensor>,
        Reduction::None,
        -100,
        0.0,
    )?;
    let total = weight.f_sum(Kind::Float)?;
    let classes = cross_entropy.f_mul(&weight)?.f_sum(Kind::Float)?.f_div(&total)?;
    let scale_ln = seen.scale_ln.f_reshape([-1])?;
    let error = seen.depth_ln.f_reshape([-1])?.f_sub(&depth_ln)?.f_abs()?;
    let likelihood = error.f_mul(&scale_ln.f_neg()?.f_exp()?)?.f_add(&scale_ln)?;
    let ground = weight.f_mul(&class.f_ne(i64::from(SKY_CLASS))?.f_to_kind(Kind::Float)?)?;
    let depth = likelihood
        .f_mul(&ground)?
        .f_sum(Kind::Float)?
        .f_div(&ground.f_sum(Kind::Float)?.f_clamp_min(1.0)?)?;
    Ok(classes.f_add(&depth.f_mul_scalar(recipe.depth_weight)?)?)
}
