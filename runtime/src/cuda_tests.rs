//! What must hold on a CUDA device: `cargo test -p reverie_runtime --lib cuda -- --ignored`.

use glam::{Quat, Vec3};
use reverie_guard::{CameraPose, Pose};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::condition::{CHANNELS, GLOBALS};
use crate::device::device_by_name;
use crate::model::latent::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::model::latent::splatted::splat_all;
use crate::model::latent::transformer::{
    Inputs, OWN_GLOBALS, Transformer, TransformerConfig, Wanted,
};
use crate::model::reverie::unet::{Unet, UnetConfig};
use crate::train::optimizer::Optimizer;

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// To be called before anything else of libtorch: it looks for its CUDA half once.
fn cuda() -> Device {
    device_by_name("cuda")
        .expect("these tests need a CUDA device, and libtorch_cuda.so on LD_LIBRARY_PATH")
}

/// ‖a − b‖ / ‖b‖.
fn error(a: &Tensor, b: &Tensor) -> f64 {
    let [a, b] = [a, b].map(|t| t.to_device(Device::Cpu).to_kind(Kind::Double));
    let norm = |t: Tensor| t.square().sum(Kind::Double).sqrt().double_value(&[]);
    norm(&a - &b) / norm(b.shallow_clone())
}

fn copy(from: &VarStore, to: &mut VarStore) {
    to.copy(from).unwrap();
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_networks_say_what_the_cpu_says() {
    let device = cuda();
    let _guard = tch::no_grad_guard();
    tch::manual_seed(5);

    let stores = [Device::Cpu, device].map(VarStore::new);
    let nets = stores.each_ref().map(|store| Unet::new(&store.root(), &UnetConfig::default()));
    let [cpu, mut gpu] = stores;
    copy(&cpu, &mut gpu);
    let noisy = Tensor::randn([2, 3, 40, 64], FLOAT);
    let maps = Tensor::rand([2, CHANNELS as i64, 40, 64], FLOAT);
    let (globals, level) = (Tensor::rand([2, GLOBALS as i64], FLOAT), Tensor::ones([2, 1], FLOAT));
    let truth = nets[0].forward(&noisy, &maps, &globals, &level).unwrap();
    for (kind, most) in [(Kind::Float, 3e-3), (Kind::BFloat16, 3e-2)] {
        let there = |t: &Tensor| t.to_device(device);
        let maps = there(&maps).to_kind(kind);
        let out = nets[1].forward(&there(&noisy), &maps, &there(&globals), &there(&level)).unwrap();
        let error = error(&out, &truth);
        assert!(error < most, "U-Net in {kind:?}: {error}");
    }

    let stores = [Device::Cpu, device].map(VarStore::new);
    let config = AutoencoderConfig::default();
    let nets = stores.each_ref().map(|store| Autoencoder::new(&store.root(), &config));
    let [cpu, mut gpu] = stores;
    copy(&cpu, &mut gpu);
    let rgb = Tensor::rand([2, 3, 40, 64], FLOAT);
    let code = |net: &Autoencoder, rgb: &Tensor| {
        net.decode(&net.encode(rgb).unwrap(), rgb.kind()).unwrap().rgb
    };
    let truth = code(&nets[0], &rgb);
    for (kind, most) in [(Kind::Float, 3e-3), (Kind::BFloat16, 6e-2)] {
        let error = error(&code(&nets[1], &rgb.to_device(device).to_kind(kind)), &truth);
        assert!(error < most, "autoencoder in {kind:?}: {error}");
    }
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_streaming_says_what_the_whole_sequence_says() {
    let device = cuda();
    let _guard = tch::no_grad_guard();
    let store = VarStore::new(device);
    let config = TransformerConfig { channels: 64, heads: 2, depth: 3, context_frames: 8 };
    let inputs = Inputs { grid: [4, 6], token_px: 8, latent: 8, maps: 4, globals: 3 };
    let net = Transformer::new(&store.root(), &config, inputs).unwrap();
    let float = (Kind::Float, device);
    let latents = || Tensor::randn([1, 6, 24, 8], float);
    let numbers = || Tensor::randn([1, 6, 3 + OWN_GLOBALS], float);
    let (past, noisy, guess) = (latents(), latents(), latents());
    let (told, globals) = (numbers(), numbers());
    let (known, maps) = (Tensor::rand([1, 6, 24, 1], float), Tensor::randn([6, 4, 32, 48], float));
    let all = Wanted {
        noisy: &noisy,
        guess: &guess,
        known: &known,
        maps: Some(&maps),
        globals: &globals,
    };
    let whole = net.sequence(&past, &told, &all, Kind::Float).unwrap();
    let mut ring = net.ring(Kind::Float, device).unwrap();
    for frame in 0..6 {
        let at = |t: &Tensor, frame: i64| t.narrow(1, frame, 1);
        let wanted = Wanted {
            noisy: &at(&noisy, frame),
            guess: &at(&guess, frame),
            known: &at(&known, frame),
            maps: Some(&maps.narrow(0, frame, 1)),
            globals: &at(&globals, frame),
        };
        let before = (frame > 0).then(|| (at(&past, frame - 1), at(&told, frame - 1)));
        let before = before.as_ref().map(|(latent, told)| (latent, told));
        let alone = net.step(&mut ring, before, &wanted).unwrap();
        let error = error(&alone, &at(&whole, frame));
        assert!(error < 1e-3, "frame {frame}: {error}");
    }
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_carries_pictures_as_the_cpu_does() {
    let device = cuda();
    let camera = |turn: f32| CameraPose {
        world_from_camera: Pose::new(Quat::from_rotation_y(turn), Vec3::new(turn, 1.6, 0.0)),
        vertical_fov_rad: 1.0,
    };
    tch::manual_seed(5);
    let rgb = Tensor::rand([3, 3, 72, 128], FLOAT);
    let depth = Tensor::rand([3, 1, 72, 128], FLOAT) * 8.0 + 0.5;
    let cameras = [0.1, -0.2, 0.3].map(|turn| (camera(0.0), camera(turn)));
    let (want, want_known) = splat_all(&rgb, &depth, &cameras).unwrap();
    let (out, known) =
        splat_all(&rgb.to_device(device), &depth.to_device(device), &cameras).unwrap();
    let error = error(&known, &want_known);
    assert!(error < 0.02, "known: {error}");
    let differ = (out.to_device(Device::Cpu) - want).abs().gt(0.02).to_kind(Kind::Float);
    let share = differ.mean(Kind::Float).double_value(&[]);
    assert!(share < 0.02, "{share} of the values differ");
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_optimizer_learns_what_it_is_shown() {
    let device = cuda();
    let store = VarStore::new(device);
    let net = Autoencoder::new(&store.root(), &AutoencoderConfig::default());
    let mut optimizer = Optimizer::new(&store).unwrap();
    let rgb =
        Tensor::rand([4, 3, 5, 8], (Kind::Float, device)).upsample_nearest2d([40, 64], None, None);
    let target = &rgb * 2.0 - 1.0;
    let mut losses = Vec::new();
    for _ in 0..60 {
        let latent = net.encode(&target.to_kind(Kind::BFloat16)).unwrap();
        let decoded = net.decode(&latent, Kind::BFloat16).unwrap();
        let loss = (decoded.rgb - &target).square().mean(Kind::Float);
        loss.backward();
        optimizer.step(1e-3, 0.01, 0.99).unwrap();
        losses.push(loss.double_value(&[]));
    }
    assert!(losses[59] < 0.5 * losses[0], "from {} to {}", losses[0], losses[59]);
}
