//! The training loop of model M's transformer.
//!
//! A step takes sequences whose past is true, or what the network itself made of it a few frames deep (a step in
//! the manner of DAgger), with noise of a told level. In some steps they see the shadow, in the others they dream. What a step
//! predicts is the past of the next step on the same sequences, so that to go deeper costs nothing but that step.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::nn::VarStore;
use tch::{Kind, Tensor};

use super::batch::{Batch, Mode, Past};
use super::critic::Critic;
use super::dreamer_recipe::DreamerRecipe;
use super::publish::publish;
use super::row::{Coder, Row};
use super::sequence::{Sequence, draw_plain, draw_shadowed};
use crate::condition::{CHANNELS, GLOBALS};
use crate::data::Episode;
use crate::model::latent::compositor::Compositor;
use crate::model::latent::files::{COMPOSITOR, NET, load_autoencoder, start_from};
use crate::model::latent::transformer::{Inputs, Transformer};
use crate::train::course::{Course, Plan};
use crate::train::loader::Loader;
use crate::train::looks::looks_for;
use crate::train::loss::{LossWeights, loss as picture_loss};
use crate::train::optimizer::Optimizer;
use crate::train::state;
use crate::train::trainer::{find_episodes, whole_tokens};
use crate::train::{Progress, TrainError};

/// Sequences taken from an episode per visit.
const PER_VISIT: usize = 4;
/// Sequences at hand at least, so that a batch mixes episodes.
const SHUFFLE: usize = 12;

/// Trains or resumes; returns the path of the model card.
///
/// `report` is called every few steps and at the end. Setting `stop` saves and publishes what there is.
///
/// # Errors
/// See [`TrainError`]; a state that was saved stays.
pub fn train_dreamer(
    recipe: &DreamerRecipe,
    command: &str,
    stop: &AtomicBool,
    mut report: impl FnMut(&Progress),
) -> Result<PathBuf, TrainError> {
    let device = crate::device::device_by_name(&recipe.device)
        .ok_or_else(|| TrainError::NoDevice { device: recipe.device.clone() })?;
    let (episodes, size) = find_episodes(&recipe.data)?;
    for (field, frames) in [("frames", recipe.frames), ("anchored_frames", recipe.anchored_frames)]
    {
        let mut longest = 0;
        for path in &episodes {
            if longest >= frames {
                break;
            }
            // One that cannot be read is told by the loaders.
            longest = longest.max(Episode::open(path).map_or(0, |episode| episode.len()));
        }
        if longest > 0 && longest < frames {
            return Err(TrainError::TooShort { field, frames, longest });
        }
    }
    std::fs::create_dir_all(&recipe.out).map_err(|source| TrainError::Io {
        action: format!("create {}", recipe.out.display()),
        source,
    })?;
    if recipe.threads > 0 {
        tch::set_num_threads(recipe.threads as i32);
    }
    tch::manual_seed(recipe.seed as i64 & i64::MAX);
    let kind = if recipe.bf16 { Kind::BFloat16 } else { Kind::Float };
    let mut loaded = load_autoencoder(&recipe.autoencoder, device).map_err(TrainError::Model)?;
    loaded.store.freeze();
    loaded.net.freeze(kind)?;
    whole_tokens(&recipe.data, size, loaded.net.token_px())?;
    let coder = Coder { net: loaded.net, device, kind, size };
    let inputs = Inputs {
        grid: coder.grid(),
        token_px: coder.net.token_px(),
        latent: loaded.network.latent_channels,
        maps: CHANNELS as i64,
        globals: GLOBALS as i64,
    };
    let store = VarStore::new(device);
    let net = Nets {
        transformer: Transformer::new(&(store.root() / NET), &recipe.network, inputs)?,
        compositor: Compositor::new(&(store.root() / COMPOSITOR), &recipe.compositor),
    };
    if let Some(card) = &recipe.start_from {
        start_from(&store, card, &recipe.network, &recipe.compositor)?;
    }
    let mut optimizer = Optimizer::new(&store)?;
    let state_path = recipe.out.join("dreamer.state.safetensors");
    let mut ledger = state::load(&state_path, &mut optimizer)?.unwrap_or_default();
    ledger.runs += 1;
    let mut critic = None;
    let critic_path = recipe.out.join("dreamer.critic.safetensors");
    if recipe.critic_weight > 0.0 {
        let mut new =
            Critic::new(recipe.critic_channels as i64, coder.net.token_px(), device, kind)?;
        if ledger.steps > 0 {
            new.load(&critic_path)?;
        }
        critic = Some(new);
    }
    let count = episodes.len();
    let looks = match (&recipe.looks_of, recipe.looks.as_slice()) {
        (None, []) => Vec::new(),
        (card, folders) => looks_for(card.as_deref(), folders, &[])?,
    };
    let episodes = Arc::new(episodes);
    let (sampling, length) = (recipe.sampling.clone(), recipe.anchored_frames);
    let shadowed = Loader::spawn(
        episodes.clone(),
        recipe.seed,
        ledger.runs,
        recipe.loaders,
        size,
        move |episode, rng, out| draw_shadowed(episode, &sampling, length, PER_VISIT, rng, out),
    );
    let length = recipe.frames;
    let plain = Loader::spawn(
        episodes,
        !recipe.seed,
        ledger.runs,
        recipe.plain_loaders,
        size,
        move |episode, rng, out| draw_plain(episode, length, PER_VISIT, rng, out),
    );
    let stock = |loader: std::io::Result<Loader<Sequence>>| match loader {
        Ok(loader) => Ok(Stock { loader, kept: Vec::new(), room: recipe.stock, uses: recipe.uses }),
        Err(source) => Err(TrainError::Io { action: "start a loader thread".into(), source }),
    };
    let (mut shadowed, mut plain) = (stock(shadowed)?, stock(plain)?);
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed ^ (ledger.runs << 32));
    let save = |optimizer: &Optimizer, critic: Option<&Critic>, ledger: &state::Ledger| {
        state::save(&state_path, optimizer, ledger)?;
        if let Some(critic) = critic {
            critic.save(&critic_path)?;
        }
        publish(recipe, command, size, optimizer, ledger, &looks, count)
    };
    let mut saved_at = Instant::now();
    let plan = Plan {
        minutes: recipe.minutes,
        learning_rate: recipe.learning_rate,
        warmup_steps: recipe.warmup_steps,
    };
    let mut course = Course::new(&ledger, plan);
    let mut under_way = None;
    while ledger.trained_s < 60.0 * recipe.minutes && !stop.load(Ordering::Relaxed) {
        let rate = course.rate(&ledger, optimizer.steps);
        let Visit { batch, past, more } = match under_way.take() {
            Some(visit) => visit,
            None => {
                let batch = if rng.random_bool(recipe.dream_share) {
                    Batch::new(&coder, plain.next(recipe.batch, &coder, &mut rng)?, Mode::Dream)
                } else {
                    // As many frames.
                    let count = (recipe.batch * recipe.frames / recipe.anchored_frames).max(1);
                    Batch::new(&coder, shadowed.next(count, &coder, &mut rng)?, Mode::Anchored)
                };
                let deeper = rng.random_bool(recipe.own_share);
                let more = if deeper { rng.random_range(1..=recipe.own_depth) } else { 0 };
                Visit { batch, past: Past::True, more }
            }
        };

        let (value, own) = step(
            recipe,
            &net,
            &mut optimizer,
            critic.as_mut(),
            &batch,
            &past,
            more == 0,
            kind,
            rate,
            &mut rng,
        )?;
        if let (Some(own), Some(more)) = (own, more.checked_sub(1)) {
            under_way = Some(Visit { past: own, batch, more });
        }
        let samples = recipe.batch * recipe.frames;
        let told = course.step(&mut ledger, value, optimizer.steps, samples)?;
        if let Some(progress) = told {
            report(&Progress { critic: critic.as_ref().map(Critic::skill), ..progress });
        }
        if saved_at.elapsed().as_secs_f64() > recipe.checkpoint_every_s {
            save(&optimizer, critic.as_ref(), &ledger)?;
            saved_at = Instant::now();
        }
    }
    let card = save(&optimizer, critic.as_ref(), &ledger)?;
    report(&Progress { critic: critic.as_ref().map(Critic::skill), ..course.end(ledger) });
    Ok(card)
}

/// Sequences on the device, each used a few times: to draw one takes longer than to learn from it.
struct Stock {
    loader: Loader<Sequence>,
    kept: Vec<(Rc<Row>, usize)>,
    room: usize,
    uses: usize,
}

impl Stock {
    fn next(
        &mut self,
        count: usize,
        coder: &Coder,
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<Rc<Row>>, TrainError> {
        let wait = SHUFFLE.max(2 * count).saturating_sub(self.kept.len());
        let room = self.room.saturating_sub(self.kept.len());
        for fresh in self.loader.receive(wait, room)? {
            self.kept.push((Rc::new(Row::new(&fresh, coder)?), self.uses));
        }
        let mut taken = Vec::with_capacity(count);
        for chosen in 0..count {
            let last = self.kept.len() - 1 - chosen;
            self.kept.swap(rng.random_range(0..=last), last);
            taken.push(self.kept[last].0.clone());
            self.kept[last].1 -= 1;
        }
        self.kept.retain(|(_, uses)| *uses > 0);
        Ok(taken)
    }
}

/// What is being trained.
struct Nets {
    transformer: Transformer,
    compositor: Compositor,
}

/// Sequences that are being learnt from.
struct Visit<'a> {
    batch: Batch<'a>,
    past: Past,
    /// Steps after the next one.
    more: usize,
}

/// One optimiser step. Returns the loss, NaN if the step was left out, and what was made. What is not the `last` step on
/// these sequences predicts in one stride from pure noise, as play does: it is the past of the next one.
fn step(
    recipe: &DreamerRecipe,
    net: &Nets,
    optimizer: &mut Optimizer,
    critic: Option<&mut Critic>,
    batch: &Batch,
    past: &Past,
    last: bool,
    kind: Kind,
    learning_rate: f64,
    rng: &mut ChaCha8Rng,
) -> Result<(f64, Option<Past>), TrainError> {
    let truth = batch.truth()?;
    let inputs = batch.inputs(past, rng)?;
    let (loss, predicted) = if recipe.fixed_transformer {
        let _guard = tch::no_grad_guard();
        let (noisy, wanted) = inputs.noisy(&truth, 1.0, 1.0)?;
        let predicted = net.transformer.sequence(
            &inputs.past,
            &inputs.past_numbers,
            &wanted.of(&noisy),
            kind,
        )?;
        (Tensor::f_zeros([], (Kind::Float, truth.device()))?, predicted)
    } else if last && rng.random_bool(recipe.shortcut_share) {
        shortcut(&net.transformer, &inputs, &truth, kind, rng)?
    } else {
        let one_step = !last || rng.random_bool(recipe.pure_noise);
        let level = if one_step { 1.0 } else { rng.random_range(0.05..1.0) };
        let (noisy, wanted) = inputs.noisy(&truth, level, if one_step { 1.0 } else { 0.0 })?;
        let predicted = net.transformer.sequence(
            &inputs.past,
            &inputs.past_numbers,
            &wanted.of(&noisy),
            kind,
        )?;
        (batch.error(&predicted, &truth)?, predicted)
    };
    let mut frames: Vec<usize> = (0..batch.frames()).collect();
    frames.shuffle(rng);
    frames.truncate(recipe.pictures);
    let (shown, target) = batch.shown(&net.compositor, &inputs, &predicted, &frames)?;
    let weights =
        LossWeights { l1: 0.2, gradient: recipe.gradient_weight, texture: recipe.texture_weight };
    let picture = picture_loss(&shown.rgb, &target, weights)?;
    let loss = loss.f_add(&picture.f_mul_scalar(recipe.picture_weight)?)?;
    let taught = match critic {
        Some(critic) => {
            let share = learning_rate / recipe.learning_rate;
            critic.learn(&shown, &target, share * recipe.critic_learning_rate)?;
            let leaf = shown.rgb.f_detach()?.f_requires_grad_(true)?;
            let picture = picture_loss(&leaf, &target, weights)?;
            let other = Tensor::f_run_backward(&[picture], &[&leaf], false, false)?.remove(0);
            let blame = critic.blame(&shown, &other)?;
            // Its gradient is the blame.
            let blamed = shown.rgb.f_mul(&blame)?.f_sum(Kind::Float)?;
            loss.f_add(&blamed.f_mul_scalar(recipe.picture_weight * recipe.critic_weight)?)?
        }
        None => loss.shallow_clone(),
    };
    taught.f_backward()?;
    // Decay would pull at a transformer that gets no gradient.
    let decay = if recipe.fixed_transformer { 0.0 } else { recipe.weight_decay };
    let norm = optimizer.step(learning_rate, decay, recipe.ema_decay)?;
    let value = if norm.is_finite() { loss.f_double_value(&[])? } else { f64::NAN };
    let own = if last {
        None
    } else {
        Some(batch.past(&net.compositor, &inputs, &predicted.f_detach()?)?)
    };
    Ok((value, own))
}

/// A large step must end where two of half its size end (shortcut models, Frans et al. 2025).
fn shortcut(
    net: &Transformer,
    inputs: &super::batch::Inputs,
    truth: &Tensor,
    kind: Kind,
    rng: &mut ChaCha8Rng,
) -> Result<(Tensor, Tensor), TrainError> {
    let size = if rng.random_bool(0.5) { 1.0 } else { 0.5 };
    let level: f64 = if size == 1.0 || rng.random_bool(0.5) { 1.0 } else { 0.5 };
    let half = 0.5 * size;
    let target = {
        let _guard = tch::no_grad_guard();
        let (start, wanted) = inputs.noisy(truth, level as f32, half as f32)?;
        let go = |x: &Tensor, level: f64, step: f64| -> Result<Tensor, TrainError> {
            let wanted = wanted.at(level as f32, step as f32)?;
            let clean = net.sequence(&inputs.past, &inputs.past_numbers, &wanted.of(x), kind)?;
            Ok(x.f_add(&clean.f_sub(x)?.f_mul_scalar(half / level)?)?)
        };
        // Steps smaller than a quarter are as good as infinitely small ones.
        let step = if half < 0.3 { 0.0 } else { half };
        let middle = go(&start, level, step)?;
        let end = go(&middle, level - half, step)?;
        (start.f_add(&end.f_sub(&start)?.f_mul_scalar(level / size)?)?, start)
    };
    let (clean, start) = target;
    let (_, wanted) = inputs.noisy(truth, level as f32, size as f32)?;
    let predicted = net.sequence(&inputs.past, &inputs.past_numbers, &wanted.of(&start), kind)?;
    let error = predicted.f_sub(&clean)?.f_square()?.f_mean(Kind::Float)?;
    Ok((error, predicted))
}
