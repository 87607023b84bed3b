//! The training loop of an autoencoder, and its score on pictures that it never saw.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use super::recipe::AutoencoderRecipe;
use crate::card::Provenance;
use crate::data::{DataError, Episode};
use crate::device::{best_device, device_by_name, fastest_kind};
use crate::eval::metrics::{Picture, psnr_db};
use crate::eval::strip::{Strip, StripRow};
use crate::model::ModelError;
use crate::model::latent::autoencoder::{Autoencoder, depth_m, nearness};
use crate::model::latent::files::{AutoencoderCard, fill, load_autoencoder};
use crate::observer::sample::Labels;
use crate::train::course::{Course, Plan};
use crate::train::loader::Loader;
use crate::train::loss::{LossWeights, loss as picture_loss};
use crate::train::optimizer::Optimizer;
use crate::train::pool::Pool;
use crate::train::publish::{averaged, folders};
use crate::train::state::{self, Ledger};
use crate::train::trainer::{find_episodes, list_all, whole_tokens};
use crate::train::{Progress, TrainError};
use crate::weights::{Precision, write_weights};

/// Pictures taken from an episode per visit.
const PER_VISIT: usize = 12;
/// Held-out pictures are every so many frames of their episodes.
const SCORED_EVERY: usize = 8;
/// Pictures of the figure.
const SHOWN: usize = 6;

/// Pictures at hand at least, so that a batch mixes episodes.
const SHUFFLE: usize = 128;

/// A picture and how near its pixels are.
struct Shot {
    /// `height * width * 3`, sRGB.
    rgb: Vec<u8>,
    /// See [`nearness`].
    nearness: Vec<f32>,
}

impl Shot {
    fn of(episode: &Episode, frame: usize) -> Result<Self, DataError> {
        let (width, height) = (episode.header().width as usize, episode.header().height as usize);
        let labels = Labels::draw(&episode.snapshot(frame), width, height);
        let nearness = labels.maps.depth_m.iter().map(|d| nearness(*d)).collect();
        Ok(Self { rgb: episode.frame_rgb(frame)?, nearness })
    }
}

/// Trains or resumes; returns the path of the autoencoder's card.
///
/// `report` is called every few steps and at the end. Setting `stop` saves and publishes what there is.
///
/// # Errors
/// See [`TrainError`]; a state that was saved stays.
pub fn train_autoencoder(
    recipe: &AutoencoderRecipe,
    command: &str,
    stop: &AtomicBool,
    mut report: impl FnMut(&Progress),
) -> Result<PathBuf, TrainError> {
    let device = device_by_name(&recipe.device)
        .ok_or_else(|| TrainError::NoDevice { device: recipe.device.clone() })?;
    let (episodes, size) = find_episodes(&recipe.data)?;
    whole_tokens(&recipe.data, size, recipe.network.token_px)?;
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
    let net = Autoencoder::new(&store.root(), &recipe.network);
    if let Some(card) = &recipe.start_from {
        start_from(&store, card, recipe)?;
    }
    let mut optimizer = Optimizer::new(&store)?;
    let state_path = recipe.out.join("autoencoder.state.safetensors");
    let mut ledger = state::load(&state_path, &mut optimizer)?.unwrap_or_default();
    ledger.runs += 1;
    let count = episodes.len();
    let loader =
        Loader::spawn(Arc::new(episodes), recipe.seed, ledger.runs, recipe.loaders, size, draw)
            .map_err(|source| TrainError::Io { action: "start a loader thread".into(), source })?;
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed ^ (ledger.runs << 32));
    let (w, h) = (i64::from(size.0), i64::from(size.1));
    let capacity = recipe.pool.max(SHUFFLE) + recipe.batch;
    let columns: [(&[i64], Kind); 2] = [(&[h, w, 3], Kind::Uint8), (&[1, h, w], Kind::Float)];
    let mut pool = Pool::new(capacity, recipe.uses, &columns, device)?;
    let mut saved_at = Instant::now();
    let plan = Plan {
        minutes: recipe.minutes,
        learning_rate: recipe.learning_rate,
        warmup_steps: recipe.warmup_steps,
    };
    let mut course = Course::new(&ledger, plan);
    while ledger.trained_s < 60.0 * recipe.minutes && !stop.load(Ordering::Relaxed) {
        top_up(&mut pool, &loader, recipe.batch)?;
        let batch = pool.draw(recipe.batch, &mut rng)?;
        let rate = course.rate(&ledger, optimizer.steps);
        let loss = loss(recipe, &net, &batch, &mut rng)?;
        loss.f_backward()?;
        // Decay would pull at an encoder that gets no gradient.
        let decay = if recipe.fixed_encoder { 0.0 } else { recipe.weight_decay };
        let norm = optimizer.step(rate, decay, recipe.ema_decay)?;
        let value = if norm.is_finite() { loss.f_double_value(&[])? } else { f64::NAN };
        let told = course.step(&mut ledger, value, optimizer.steps, recipe.batch)?;
        if let Some(progress) = told {
            report(&progress);
        }
        if saved_at.elapsed().as_secs_f64() > recipe.checkpoint_every_s {
            state::save(&state_path, &optimizer, &ledger)?;
            publish(recipe, command, &optimizer, &ledger, count)?;
            saved_at = Instant::now();
        }
    }
    drop(loader);
    state::save(&state_path, &optimizer, &ledger)?;
    let card = publish(recipe, command, &optimizer, &ledger, count)?;
    if !held_out.is_empty() {
        let figure = recipe.out.join(format!("{}.autoencoder.png", recipe.name));
        write_scores(&card, &held_out, &figure)?;
    }
    report(&course.end(ledger));
    Ok(card)
}

/// Fills a network that is to be trained with the weights of another autoencoder of the same sizes.
fn start_from(
    store: &VarStore,
    card_path: &Path,
    recipe: &AutoencoderRecipe,
) -> Result<(), TrainError> {
    let card = AutoencoderCard::load(card_path)?;
    if card.network != recipe.network {
        let what =
            format!("its network has {:?}, but the recipe's {:?}", card.network, recipe.network);
        return Err(ModelError::Unsupported { card: card_path.to_owned(), what }.into());
    }
    Ok(fill(store, &card_path.with_file_name(&card.weights), &card.sha256)?)
}

fn draw(
    episode: &Episode,
    rng: &mut ChaCha8Rng,
    out: &mut dyn FnMut(Shot),
) -> Result<(), DataError> {
    for _ in 0..PER_VISIT {
        out(Shot::of(episode, rng.random_range(0..episode.len()))?);
    }
    Ok(())
}

/// Waits until there are enough pictures in the pool for a batch, and takes what else has come.
fn top_up(pool: &mut Pool, loader: &Loader<Shot>, batch: usize) -> Result<(), TrainError> {
    let wait = (SHUFFLE + batch).saturating_sub(pool.len());
    let fresh = loader.receive(wait, pool.room())?;
    let rgb = fresh.iter().map(|s| s.rgb.as_slice()).collect::<Vec<_>>().concat();
    let near = fresh.iter().map(|s| s.nearness.as_slice()).collect::<Vec<_>>().concat();
    Ok(pool.put(&[Tensor::f_from_slice(&rgb)?, Tensor::f_from_slice(&near)?])?)
}

/// Bytes [batch, h, w, 3] as [batch, 3, h, w], −1 to 1, f32.
fn signed(bytes: &Tensor) -> Result<Tensor, tch::TchError> {
    bytes
        .f_to_kind(Kind::Float)?
        .f_permute([0, 3, 1, 2])?
        .f_mul_scalar(2.0 / 255.0)?
        .f_sub_scalar(1.0)
}

/// Pictures as [batch, 3, h, w], −1 to 1, f32.
pub(crate) fn pictures<'a>(
    rgb: impl IntoIterator<Item = &'a [u8]>,
    (width, height): (u32, u32),
    device: Device,
) -> Result<Tensor, tch::TchError> {
    let bytes = rgb.into_iter().collect::<Vec<_>>().concat();
    let shape = [-1, i64::from(height), i64::from(width), 3];
    signed(&Tensor::f_from_slice(&bytes)?.f_view(shape)?.f_to_device(device)?)
}

/// `batch` are bytes [batch, h, w, 3] and nearness [batch, 1, h, w].
fn loss(
    recipe: &AutoencoderRecipe,
    net: &Autoencoder,
    batch: &[Tensor],
    rng: &mut ChaCha8Rng,
) -> Result<Tensor, TrainError> {
    let kind = if recipe.bf16 { Kind::BFloat16 } else { Kind::Float };
    let (mut target, mut near) = (signed(&batch[0])?, batch[1].shallow_clone());
    if rng.random_bool(0.5) {
        target = target.f_flip([3i64])?;
        near = near.f_flip([3i64])?;
    }
    let latent = net.encode(&target.f_to_kind(kind)?)?;
    let latent = if recipe.fixed_encoder { latent.f_detach()? } else { latent };
    // Each picture has its own strength of noise; half of them nearly none.
    let strength = target.f_rand_like()?.f_narrow(1, 0, 1)?.f_narrow(2, 0, 1)?.f_narrow(3, 0, 1)?;
    let strength = strength.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?.f_clamp_min(0.0)?;
    let noise = latent.f_randn_like()?.f_mul_scalar(recipe.latent_noise)?.f_mul(&strength)?;
    let decoded = net.decode(&latent.f_add(&noise)?, kind)?;
    let weights =
        LossWeights { l1: recipe.l1_weight, gradient: recipe.gradient_weight, texture: 0.0 };
    let picture = picture_loss(&decoded.rgb, &target, weights)?;
    let depth = decoded.nearness.f_sub(&near)?.f_abs()?.f_mean(Kind::Float)?;
    Ok(picture.f_add(&depth.f_mul_scalar(recipe.depth_weight)?)?)
}

fn publish(
    recipe: &AutoencoderRecipe,
    command: &str,
    optimizer: &Optimizer,
    ledger: &Ledger,
    episodes: usize,
) -> Result<PathBuf, TrainError> {
    let weights = averaged(optimizer)?;
    let file = format!("{}.autoencoder.safetensors", recipe.name);
    let sha256 = write_weights(recipe.out.join(&file), &weights, Precision::Bf16)?;
    let provenance = Provenance {
        data: format!("{episodes} episodes from {}", folders(&recipe.data)),
        seed: recipe.seed,
        recipe: ron::ser::to_string_pretty(recipe, Default::default()).unwrap_or_default(),
        command: command.to_owned(),
        device: recipe.device.clone(),
        samples_seen: ledger.samples,
        trained_s: ledger.trained_s,
        commit: String::new(),
    };
    let path = recipe.out.join(format!("{}.autoencoder.ron", recipe.name));
    let card = AutoencoderCard::new(recipe.network.clone(), file, sha256, provenance);
    card.save_atomically(&path)?;
    Ok(path)
}

/// Scores the autoencoder of the card on `held_out` episodes, writes the figures into the card, and a figure of true and
/// decoded pictures.
///
/// Scores: `psnr_db`, the mean over episodes of the codec's ceiling; `depth_error`, the median of abs ln(depth / true
/// depth) where there is no sky; `encode_ms` and `decode_ms`, medians on one thread.
///
/// # Errors
/// An episode or a weights file is damaged, or a file cannot be written.
pub fn write_scores(
    card_path: &Path,
    held_out: &[PathBuf],
    figure: &Path,
) -> Result<(), TrainError> {
    let device = best_device();
    let kind = fastest_kind(device);
    let mut coder = load_autoencoder(card_path, device).map_err(TrainError::Model)?;
    coder.net.freeze(kind)?;
    let _guard = tch::no_grad_guard();
    let (mut psnr, mut errors, mut encode_ms, mut decode_ms) = (vec![], vec![], vec![], vec![]);
    let mut rows = [vec![], vec![]];
    for path in held_out {
        let episode = Episode::open(path)?;
        let size = (episode.header().width, episode.header().height);
        let (width, height) = (size.0 as usize, size.1 as usize);
        let mut squares = Vec::new();
        for frame in (0..episode.len()).step_by(SCORED_EVERY) {
            let shot = Shot::of(&episode, frame)?;
            let started = Instant::now();
            let input = pictures([shot.rgb.as_slice()], size, device)?.f_to_kind(kind)?;
            let latent = coder.net.encode(&input)?;
            let encoded = Instant::now();
            let decoded = coder.net.decode(&latent, kind)?;
            let rgb = decoded.rgb.f_clamp(-1.0, 1.0)?.f_permute([0, 2, 3, 1])?.f_contiguous()?;
            let rgb: Vec<f32> = Vec::try_from(rgb.f_to_device(Device::Cpu)?.f_view([-1])?)?;
            let near = decoded.nearness.f_contiguous()?.f_to_device(Device::Cpu)?;
            let near: Vec<f32> = Vec::try_from(near.f_view([-1])?)?;
            decode_ms.push(1e3 * encoded.elapsed().as_secs_f64());
            encode_ms.push(1e3 * (encoded - started).as_secs_f64());
            let rgb: Vec<f32> = rgb.iter().map(|v| 0.5 * v + 0.5).collect();
            let truth: Vec<f32> = shot.rgb.iter().map(|b| f32::from(*b) / 255.0).collect();
            let (own, truth) =
                (Picture::new(width, height, &rgb), Picture::new(width, height, &truth));
            squares.extend(psnr_db(own, truth, None));
            for (seen, true_nearness) in near.iter().zip(&shot.nearness).step_by(7) {
                if *true_nearness > 0.05 {
                    let ratio = depth_m(*seen).min(1e3) / depth_m(*true_nearness).max(1e-3);
                    errors.push(f64::from(ratio.max(1e-6).ln().abs()));
                }
            }
            if frame == 0 && rows[0].len() < SHOWN {
                let bytes = rgb.iter().map(|v| (255.0 * v + 0.5) as u8).collect();
                let image = |bytes| image::RgbImage::from_raw(size.0, size.1, bytes);
                rows[0].extend(image(shot.rgb));
                rows[1].extend(image(bytes));
            }
        }
        if !squares.is_empty() {
            psnr.push(squares.iter().sum::<f64>() / squares.len() as f64);
        }
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let mean = psnr.iter().sum::<f64>() / psnr.len().max(1) as f64;
    let mut card = AutoencoderCard::load(card_path).map_err(TrainError::Model)?;
    for (name, value) in [
        ("psnr_db", mean),
        ("depth_error", median(&mut errors)),
        ("encode_ms", median(&mut encode_ms)),
        ("decode_ms", median(&mut decode_ms)),
    ] {
        card.scores.insert(name.to_owned(), value);
    }
    card.save_atomically(card_path)?;
    let columns = (1..=rows[0].len()).map(|n| n.to_string()).collect();
    let rows = ["truth", "decoded"]
        .into_iter()
        .zip(rows)
        .map(|(label, pictures)| StripRow { label: label.to_owned(), pictures });
    let strip = Strip { columns, rows: rows.collect(), upscale: 2 };
    strip.save(figure).map_err(|e| TrainError::Io {
        action: format!("draw {}", figure.display()),
        source: std::io::Error::other(e.to_string()),
    })
}
