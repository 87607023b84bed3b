//! Where the time of a step of model M's training goes: its parts, on the best device that there is, at the sizes of the recipes.
//!
//! `cargo bench --profile dev -p reverie_runtime --bench training`, or the built program alone on a machine with a GPU. A table on standard output.

use std::error::Error;
use std::time::Instant;

use glam::{Quat, Vec3};
use reverie_guard::{CameraPose, Pose};
use reverie_runtime::condition::{CHANNELS, GLOBALS};
use reverie_runtime::device::best_device;
use reverie_runtime::model::latent::autoencoder::{Autoencoder, AutoencoderConfig};
use reverie_runtime::model::latent::splatted::splat_all;
use reverie_runtime::model::latent::told::NUMBERS;
use reverie_runtime::model::latent::transformer::{Inputs, Transformer, TransformerConfig, Wanted};
use reverie_runtime::train::optimizer::Optimizer;
use tch::nn::VarStore;
use tch::{Cuda, Device, Kind, Tensor};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Each part is run so often; the first runs, which try ways to convolve, do not count.
const WARM_UPS: usize = 3;
const TIMES: usize = 10;

struct Size {
    name: &'static str,
    picture: [i64; 2],
    coder: AutoencoderConfig,
    network: TransformerConfig,
    sequences: i64,
    frames: i64,
}

fn sizes(device: Device) -> Vec<Size> {
    // A CPU is to finish as well.
    let cpu = device == Device::Cpu;
    let tiny = Size {
        name: "m-tiny",
        picture: [72, 128],
        coder: AutoencoderConfig::default(),
        network: TransformerConfig::default(),
        sequences: if cpu { 1 } else { 32 },
        frames: if cpu { 12 } else { 16 },
    };
    let base = Size {
        name: "m-base",
        picture: [144, 256],
        coder: AutoencoderConfig {
            latent_channels: 32,
            channels: [64, 128, 192],
            blocks: [2, 3, 3],
            head_channels: 24,
            token_px: 8,
        },
        network: TransformerConfig { channels: 256, heads: 4, depth: 6, context_frames: 32 },
        sequences: 4,
        frames: 32,
    };
    if cpu { vec![tiny] } else { vec![tiny, base] }
}

fn measure(device: Device, name: &str, mut work: impl FnMut() -> Result<()>) -> Result<()> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..WARM_UPS + TIMES {
        let begun = Instant::now();
        work()?;
        if let Device::Cuda(index) = device {
            Cuda::synchronize(index as i64);
        }
        times.push(1e3 * begun.elapsed().as_secs_f64());
    }
    let mut times = times.split_off(WARM_UPS);
    times.sort_by(f64::total_cmp);
    println!("{name:44} p50 {:9.2} ms  max {:9.2} ms", times[TIMES / 2], times[TIMES - 1]);
    Ok(())
}

fn cameras(count: i64) -> Vec<(CameraPose, CameraPose)> {
    let at = |i: i64| CameraPose {
        world_from_camera: Pose::new(
            Quat::from_rotation_y(0.05 * i as f32),
            Vec3::new(0.0, 1.6, 0.1 * i as f32),
        ),
        vertical_fov_rad: 1.0,
    };
    (0..count).map(|i| (at(i), at(i + 1))).collect()
}

fn run(size: &Size, device: Device) -> Result<()> {
    let kind = Kind::BFloat16;
    let float = (Kind::Float, device);
    let (b, t) = (size.sequences, size.frames);
    let [h, w] = size.picture;
    let (rows, columns, pictures) = (h / 8, w / 8, b * t);
    let n = rows * columns;
    println!("{}: {b} sequences of {t} frames of {w}×{h}, {device:?}", size.name);

    let coder_store = VarStore::new(device);
    let mut coder = Autoencoder::new(&coder_store.root(), &size.coder);
    coder.freeze(kind)?;
    let latent = size.coder.latent_channels;
    let inputs = Inputs {
        grid: [rows, columns],
        token_px: 8,
        latent,
        maps: CHANNELS as i64,
        globals: GLOBALS as i64,
    };
    let store = VarStore::new(device);
    let net = Transformer::new(&store.root(), &size.network, inputs)?;
    let mut optimizer = Optimizer::new(&store)?;

    let rgb = Tensor::f_rand([pictures, 3, h, w], float)?.f_to_kind(kind)?;
    let depth = Tensor::f_rand([pictures, 1, h, w], float)?.f_mul_scalar(20.0)?;
    let grid = Tensor::f_randn([pictures, latent, rows, columns], float)?;
    let tokens = Tensor::f_randn([b, t, n, latent], float)?;
    let known = Tensor::f_rand([b, t, n, 1], float)?;
    let maps = Tensor::f_rand([pictures, CHANNELS as i64, h, w], float)?.f_to_kind(kind)?;
    let numbers = Tensor::f_rand([b, t, NUMBERS as i64], float)?;
    let poses = cameras(pictures);
    let wanted =
        |maps| Wanted { noisy: &tokens, guess: &tokens, known: &known, maps, globals: &numbers };

    measure(device, "  pictures encoded", || {
        let _guard = tch::no_grad_guard();
        coder.encode(&rgb).map(drop).map_err(Into::into)
    })?;
    measure(device, "  pictures decoded", || {
        let _guard = tch::no_grad_guard();
        coder.decode(&grid, kind).map(drop).map_err(Into::into)
    })?;
    measure(device, "  pictures carried to other cameras", || {
        let _guard = tch::no_grad_guard();
        splat_all(&rgb, &depth, &poses).map(drop).map_err(Into::into)
    })?;
    measure(device, "  transformer, no gradient", || {
        let _guard = tch::no_grad_guard();
        net.sequence(&tokens, &numbers, &wanted(None), kind).map(drop).map_err(Into::into)
    })?;
    for (name, maps) in
        [("  dream, there and back", None), ("  anchored, there and back", Some(&maps))]
    {
        measure(device, name, || {
            let made = net.sequence(&tokens, &numbers, &wanted(maps), kind)?;
            Ok(made.f_square()?.f_mean(Kind::Float)?.f_backward()?)
        })?;
    }
    let made = tokens.f_select(1, 0)?.f_transpose(1, 2)?.f_reshape([b, latent, rows, columns])?;
    let made = made.f_contiguous()?.f_set_requires_grad(true)?;
    measure(device, "  a picture of each decoded, there and back", || {
        Ok(coder.decode(&made, kind)?.rgb.f_mean(Kind::Float)?.f_backward()?)
    })?;
    measure(device, "  optimiser", || {
        let made = net.sequence(
            &tokens.f_narrow(1, 0, 2)?,
            &numbers.f_narrow(1, 0, 2)?,
            &Wanted {
                noisy: &tokens.f_narrow(1, 0, 2)?,
                guess: &tokens.f_narrow(1, 0, 2)?,
                known: &known.f_narrow(1, 0, 2)?,
                maps: None,
                globals: &numbers.f_narrow(1, 0, 2)?,
            },
            kind,
        )?;
        made.f_square()?.f_mean(Kind::Float)?.f_backward()?;
        optimizer.step(1e-4, 0.01, 0.998).map(drop).map_err(Into::into)
    })?;
    let values = vec![0i16; (pictures as usize / 8) * CHANNELS * (h * w) as usize];
    measure(device, "  an eighth of the maps brought there", || {
        Tensor::f_from_slice(&values)?.f_to_device(device).map(drop).map_err(Into::into)
    })
}

fn main() -> Result<()> {
    let device = best_device();
    for size in sizes(device) {
        run(&size, device)?;
    }
    Ok(())
}
