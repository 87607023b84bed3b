//! How long the stages of a model M take, beside the least that this machine could take for them.
//!
//! The floor of a stage is the larger of its operations over the rate of a large matrix product, and its bytes (weights once, keys and values
//! once) over the rate of a copy, both measured here and now, on the same threads.

use std::path::Path;
use std::time::Instant;

use tch::{Device, Kind, Tensor};

use super::autoencoder::AutoencoderConfig;
use super::compositor::{CompositorConfig, INPUTS, LAYERS, Layers, agreement};
use super::files::load;
use super::painter::{Painter, Told};
use super::told::NUMBERS;
use super::transformer::{TransformerConfig, Wanted};
use crate::card::ModelCard;
use crate::condition::CHANNELS;
use crate::device::{best_device, fastest_kind};
use crate::model::ModelError;

/// Times measured of each stage; the median counts.
const TIMES: usize = 60;
/// Side of the matrix product.
const SIDE: i64 = 1024;

/// A stage of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct StageFloor {
    /// Which.
    pub stage: &'static str,
    /// Median, milliseconds.
    pub p50_ms: f64,
    /// Multiplications and additions.
    pub operations: f64,
    /// Read at least once.
    pub bytes: f64,
    /// Milliseconds.
    pub floor_ms: f64,
}

/// What this machine can do at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Operations a second, in a matrix product of the kind of inference.
    pub operations_per_s: f64,
    /// Bytes a second, of a copy: read and written.
    pub bytes_per_s: f64,
    /// Bytes a second from the host's memory to the device.
    pub brought_per_s: f64,
}

fn median_s(mut work: impl FnMut() -> Result<(), ModelError>) -> Result<f64, ModelError> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begun = Instant::now();
        work()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[TIMES / 2])
}

fn wait(device: Device) {
    if let Device::Cuda(index) = device {
        tch::Cuda::synchronize(index as i64);
    }
}

/// Measures the machine.
///
/// # Errors
/// libtorch refused.
pub fn peak(device: Device, kind: Kind) -> Result<Peak, ModelError> {
    let _guard = tch::no_grad_guard();
    let a = Tensor::f_ones([SIDE, SIDE], (kind, device))?;
    let product_s = median_s(|| {
        let _ = a.f_matmul(&a)?;
        wait(device);
        Ok(())
    })?;
    // Larger than any cache.
    let from = Tensor::f_ones([64 << 20], (Kind::Uint8, device))?;
    let mut to = from.f_zeros_like()?;
    let copy_s = median_s(|| {
        to.f_copy_(&from)?;
        wait(device);
        Ok(())
    })?;
    let host = Tensor::f_ones([64 << 20], (Kind::Uint8, Device::Cpu))?;
    let brought_s = median_s(|| {
        to.f_copy_(&host)?;
        wait(device);
        Ok(())
    })?;
    let (side, bytes) = (SIDE as f64, (64 << 20) as f64);
    Ok(Peak {
        operations_per_s: 2.0 * side.powi(3) / product_s,
        bytes_per_s: 2.0 * bytes / copy_s,
        brought_per_s: bytes / brought_s,
    })
}

/// Operations of encoding and of decoding a picture of `pixels` pixels.
fn coder_operations(config: &AutoencoderConfig, pixels: f64) -> [f64; 2] {
    let [c0, c1, c2] = config.channels.map(|c| c as f64);
    let [b0, b1, b2] = config.blocks.map(|b| b as f64);
    let (latent, head) = (config.latent_channels as f64, config.head_channels as f64);
    let block = |c: f64| 2.0 * 9.0 * c * c;
    let [half, quarter, eighth] = [4.0, 16.0, 64.0].map(|part| pixels / part);
    let tokens = pixels / (config.token_px * config.token_px) as f64;
    let [coarsen, refine] = if config.token_px > 8 {
        [tokens * 9.0 * c2 * c2, eighth * 0.25 * c2 * c2]
    } else {
        [0.0; 2]
    };
    let encode = quarter * (9.0 * 48.0 * c1 + b1 * block(c1))
        + eighth * (9.0 * c1 * c2 + b2 * block(c2))
        + coarsen
        + tokens * c2 * latent;
    let decode = tokens * 9.0 * latent * c2
        + refine
        + eighth * b2 * block(c2)
        + quarter * (0.25 * c2 * c1 + b1 * block(c1))
        + half * (0.25 * c1 * c0 + b0 * block(c0) + 4.0 * c0 * head)
        + pixels * 9.0 * (head * head + 4.0 * head);
    [2.0 * encode, 2.0 * decode]
}

/// Operations of a step with a past frame and one that is wanted.
fn step_operations(config: &TransformerConfig, latent: f64, tokens: f64, pixels: f64) -> f64 {
    let (d, slots) = (config.channels as f64, config.context_frames as f64 + 1.0);
    let per_token = 16.0 * d * d + 2.0 * tokens * d + 2.0 * slots * d;
    let block = 2.0 * tokens * per_token + 2.0 * 9.0 * d * d;
    let maps = pixels * CHANNELS as f64 * d;
    2.0 * (config.depth as f64 * block + maps + tokens * 5.0 * latent * d)
}

/// Operations of composing a picture of `pixels` pixels.
fn compositor_operations(config: &CompositorConfig, pixels: f64) -> f64 {
    let ([c0, c1], [b0, b1]) = (config.channels.map(|c| c as f64), config.blocks.map(|b| b as f64));
    let (head, inputs, outputs) = (config.head_channels as f64, INPUTS as f64, (LAYERS + 3) as f64);
    let block = |c: f64| 2.0 * 9.0 * c * c;
    let quarter = 9.0 * c0 * c1 + b1 * block(c1);
    let half = 4.0 * inputs * c0 + 2.0 * b0 * block(c0) + (0.25 * c1 + c0) * c0 + 4.0 * c0 * head;
    let full = inputs * head + 9.0 * head * (head + outputs);
    2.0 * pixels * (quarter / 16.0 + half / 4.0 + full)
}

/// Times the stages of the model of a card, in this machine's fastest kind, on as many threads as libtorch has.
///
/// # Errors
/// Card or weights are missing or damaged, or it is no model M.
pub fn stage_floors(card_path: &Path) -> Result<(Peak, Vec<StageFloor>), ModelError> {
    let card = ModelCard::load(card_path)?;
    let device = best_device();
    let kind = fastest_kind(device);
    let (loaded, _) = load(card_path, &card, device, kind)?;
    let peak = peak(device, kind)?;
    let [rows, columns] = loaded.grid;
    let (tokens, side) = (rows * columns, loaded.coder.token_px());
    let (height, width) = (rows * side, columns * side);
    let _guard = tch::no_grad_guard();
    let options = (Kind::Float, device);
    let rgb = Tensor::f_rand([1, 3, height, width], options)?;
    let rgb = rgb.f_to_kind(kind)?;
    let latents = Tensor::f_randn([1, 1, tokens, loaded.latent], options)?;
    let grid = Tensor::f_randn([1, loaded.latent, rows, columns], options)?;
    let known = Tensor::f_ones([1, 1, tokens, 1], options)?;
    let numbers = Tensor::f_zeros([1, 1, NUMBERS as i64], options)?;
    let maps = [1, CHANNELS as i64, height, width];
    let maps = Tensor::f_rand(maps, (kind, device))?;
    let mut ring = loaded.net.ring(kind, device)?;
    let mut step = |maps: Option<&Tensor>| -> Result<(), ModelError> {
        let wanted =
            Wanted { noisy: &latents, guess: &latents, known: &known, maps, globals: &numbers };
        let _ = loaded.net.step(&mut ring, Some((&latents, &numbers)), &wanted)?;
        wait(device);
        Ok(())
    };
    let values = vec![0.5f32; maps.numel()];
    let bring_s = median_s(|| {
        let _ = Tensor::f_from_slice(&values)?.f_to_kind(kind)?.f_to_device(device)?;
        wait(device);
        Ok(())
    })?;
    let picture = Tensor::f_zeros([rgb.numel() as i64], options)?;
    let back_s = median_s(|| {
        let _ = Vec::<f32>::try_from(picture.f_to_device(Device::Cpu)?)?;
        Ok(())
    })?;
    let encode_s = median_s(|| {
        let _ = loaded.coder.encode(&rgb)?;
        wait(device);
        Ok(())
    })?;
    let decode_s = median_s(|| {
        loaded.coder.decode(&grid, kind)?;
        wait(device);
        Ok(())
    })?;
    let decoded = loaded.coder.decode(&grid, kind)?;
    let layers = Layers {
        decoded: &decoded,
        agrees: &agreement(&grid, &grid)?,
        guess: &rgb,
        known: &Tensor::f_ones([1, 1, height, width], (kind, device))?,
        maps: Some(&maps),
    };
    let compose_s = median_s(|| {
        let _ = loaded.compositor.forward(&layers, kind)?;
        wait(device);
        Ok(())
    })?;
    let dream_s = median_s(|| step(None))?;
    let anchored_s = median_s(|| step(Some(&maps)))?;
    let (coder, net) = (loaded.coder_config.clone(), loaded.net_config.clone());
    let [encode, decode] = coder_operations(&coder, (height * width) as f64);
    let steps = step_operations(&net, loaded.latent as f64, tokens as f64, (height * width) as f64);
    let weights = |part: &str| -> f64 {
        let variables = loaded.store.variables();
        let count: usize =
            variables.iter().filter(|(n, _)| n.starts_with(part)).map(|(_, t)| t.numel()).sum();
        (count * kind.elt_size_in_bytes()) as f64
    };
    let (coder_bytes, net_bytes) = (weights("coder"), weights("net"));
    let compositor_bytes = weights("compositor");
    let compose = compositor_operations(&loaded.compositor_config, (height * width) as f64);
    let maps_in = (height * width * CHANNELS as i64 * net.channels) as f64;
    let blind = steps - 2.0 * maps_in;
    let keys = ring.bytes() as f64;
    let floor = |stage, seconds: f64, operations: f64, bytes: f64| StageFloor {
        stage,
        p50_ms: 1e3 * seconds,
        operations,
        bytes,
        floor_ms: 1e3 * (operations / peak.operations_per_s).max(bytes / peak.bytes_per_s),
    };
    let brought = |stage, seconds: f64, bytes: usize| StageFloor {
        stage,
        p50_ms: 1e3 * seconds,
        operations: 0.0,
        bytes: bytes as f64,
        floor_ms: 1e3 * bytes as f64 / peak.brought_per_s,
    };
    let pixels = picture.numel() / 3;
    let (guess, all_known) = (vec![0.1f32; 3 * pixels], vec![1.0f32; pixels]);
    let told = Told {
        guess: &guess,
        known: &all_known,
        maps: Some(&values),
        past: Some((&latents, &[0.0; NUMBERS])),
        steps: &[([0.0; NUMBERS], 1.0, 0.0)],
        seed: 1,
    };
    let mut painter = Painter::new(loaded, device, kind, None)?;
    let paint = |painter: &mut Painter| median_s(|| painter.paint(&told).map(drop));
    // The first few are made call by call in any case.
    let as_played_s = paint(&mut painter)?;
    let alone_s = median_s(|| {
        painter.play_again()?;
        wait(device);
        Ok(())
    })?;
    painter.go_call_by_call();
    let by_calls_s = paint(&mut painter)?;
    let operations = encode + steps + decode + compose;
    let bytes = coder_bytes + net_bytes + keys + compositor_bytes;
    let mut stages = vec![
        brought("maps brought there", bring_s, maps.numel() * kind.elt_size_in_bytes()),
        floor("encode", encode_s, encode, 0.5 * coder_bytes),
        floor("step, dream", dream_s, blind, net_bytes + keys),
        floor("step, anchored", anchored_s, steps, net_bytes + keys),
        floor("decode", decode_s, decode, 0.5 * coder_bytes),
        floor("compose", compose_s, compose, compositor_bytes),
        brought("picture brought back", back_s, 4 * picture.numel()),
    ];
    let all = stages.iter().filter(|s| s.stage != "step, dream").map(|s| s.floor_ms).sum();
    let mut whole = vec![("picture, as played", as_played_s), ("picture, by calls", by_calls_s)];
    if device != Device::Cpu {
        whole.insert(0, ("graph alone", alone_s));
    }
    for (stage, seconds) in whole {
        stages.push(StageFloor { floor_ms: all, ..floor(stage, seconds, operations, bytes) });
    }
    Ok((peak, stages))
}
