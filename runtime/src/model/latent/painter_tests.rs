//! All that a device does for a picture, with networks that were never trained.

use tch::nn::VarStore;

use super::*;
use crate::condition::GLOBALS;
use crate::model::latent::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::model::latent::compositor::{Compositor, CompositorConfig};
use crate::model::latent::transformer::{Inputs, Transformer, TransformerConfig};

const PIXELS: usize = 32 * 48;

fn untrained(device: Device, kind: Kind, token_px: i64) -> LoadedLatent {
    tch::manual_seed(7);
    let grid = [32 / token_px, 48 / token_px];
    let coder_config = AutoencoderConfig {
        latent_channels: 8,
        channels: [8, 16, 16],
        blocks: [1, 1, 1],
        head_channels: 8,
        token_px,
    };
    let net_config = TransformerConfig { channels: 64, heads: 2, depth: 2, context_frames: 32 };
    let compositor_config = CompositorConfig { channels: [8, 8], blocks: [1, 1], head_channels: 8 };
    let inputs =
        Inputs { grid, token_px, latent: 8, maps: CHANNELS as i64, globals: GLOBALS as i64 };
    let here = VarStore::new(Device::Cpu);
    let build = |store: &VarStore| {
        (
            Autoencoder::new(&(store.root() / "coder"), &coder_config),
            Transformer::new(&(store.root() / "net"), &net_config, inputs).unwrap(),
            Compositor::new(&(store.root() / "compositor"), &compositor_config),
        )
    };
    let _ = build(&here);
    let mut store = VarStore::new(device);
    let (mut coder, mut net, mut compositor) = build(&store);
    store.copy(&here).unwrap();
    coder.freeze(kind).unwrap();
    net.freeze(kind).unwrap();
    compositor.freeze(kind).unwrap();
    let latent = 8;
    let config = coder_config.clone();
    LoadedLatent {
        coder,
        net,
        compositor,
        grid,
        latent,
        coder_config: config,
        net_config: net_config.clone(),
        compositor_config: compositor_config.clone(),
        store,
    }
}

/// Twenty pictures that go on from each other, every fourth without the shadow and every third drawn twice.
fn play(painter: &mut Painter) -> Vec<Vec<f32>> {
    let mut last: Option<Tensor> = None;
    let mut all = Vec::new();
    for picture in 0..20i64 {
        let value = |i: usize, k: usize| ((i * k + picture as usize * 7) % 13) as f32 / 13.0;
        let guess: Vec<f32> = (0..3 * PIXELS).map(|i| value(i, 5) - 0.5).collect();
        let known: Vec<f32> = (0..PIXELS).map(|i| value(i, 3)).collect();
        let maps: Vec<f32> = (0..CHANNELS * PIXELS).map(|i| value(i, 11)).collect();
        let numbers = [0.1 * picture as f32; NUMBERS];
        let steps = [(numbers, 1.0, 0.0)];
        let mut told = Told {
            guess: &guess,
            known: &known,
            maps: (picture % 4 != 3).then_some(&maps),
            past: last.as_ref().map(|latent| (latent, &numbers)),
            steps: &steps,
            seed: picture,
        };
        let mut painted = painter.paint(&told).unwrap();
        if picture % 3 == 2 {
            told.past = None;
            painted = painter.paint(&told).unwrap();
        }
        assert_eq!((painted.rgb.len(), painted.nearness.len()), (3 * PIXELS, PIXELS));
        all.push(painted.rgb);
        last = Some(painted.latent);
    }
    all
}

#[test]
fn pictures_are_whole_however_large_tokens_are() {
    for token_px in [8, 16] {
        let loaded = untrained(Device::Cpu, Kind::Float, token_px);
        let mut painter = Painter::new(loaded, Device::Cpu, Kind::Float, None).unwrap();
        assert_eq!(painter.size(), (48, 32));
        let bytes = painter.bytes();
        let pictures = play(&mut painter);
        assert!(pictures.iter().flatten().all(|value| (0.0..=1.0).contains(value)));
        assert!(pictures.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(painter.bytes(), bytes);
    }
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_plays_back_what_it_would_do_call_by_call() {
    let device = crate::device::device_by_name("cuda").expect("a CUDA device is needed");
    for (kind, most) in [(Kind::Float, 1e-3), (Kind::BFloat16, 2e-2)] {
        let new = || Painter::new(untrained(device, kind, 8), device, kind, None).unwrap();
        let (mut by_calls, mut recorded) = (new(), new());
        by_calls.go_call_by_call();
        let wanted = play(&mut by_calls);
        let found = play(&mut recorded);
        assert_eq!(recorded.recorded.len(), 3, "with and without shadow, and without past");
        for (picture, (a, b)) in found.iter().zip(&wanted).enumerate() {
            let error: f32 = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum();
            let error = error / a.len() as f32;
            assert!(error < most, "{kind:?}, picture {picture}: {error}");
        }
    }
}
