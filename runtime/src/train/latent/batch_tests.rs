//! What a network is given when its past is its own.

use glam::{Quat, Vec3};
use rand::SeedableRng;
use reverie_guard::Pose;
use tch::nn::VarStore;

use super::*;
use crate::condition::{CHANNELS, GLOBALS};
use crate::model::latent::autoencoder::{Autoencoder, AutoencoderConfig, nearness};
use crate::model::latent::compositor::CompositorConfig;

const SIZE: (u32, u32) = (48, 40);
const FRAMES: i64 = 3;

fn coder() -> (VarStore, Coder) {
    tch::manual_seed(5);
    let config = AutoencoderConfig {
        latent_channels: 8,
        channels: [8, 8, 16],
        blocks: [1, 1, 1],
        head_channels: 8,
        token_px: 8,
    };
    let store = VarStore::new(Device::Cpu);
    let net = Autoencoder::new(&store.root(), &config);
    (store, Coder { net, device: Device::Cpu, kind: Kind::Float, size: SIZE })
}

/// Three frames of a camera that stands still before a wall at 4 m; the past is seen in the left half of the picture.
fn row(coder: &Coder) -> Row {
    let (w, h) = (i64::from(SIZE.0), i64::from(SIZE.1));
    let (options, n) = ((Kind::Float, Device::Cpu), coder.grid().iter().product::<i64>());
    let truth = Tensor::rand([FRAMES, 3, h, w], options) * 2.0 - 1.0;
    let maps = Tensor::zeros([FRAMES, CHANNELS as i64, h, w], options);
    let _ = maps.narrow(1, 0, 1).fill_(f64::from(nearness(4.0)));
    let last = LAST as i64;
    maps.narrow(1, last, 3).copy_(&(Tensor::ones([FRAMES, 3, h, w], options) * 0.25));
    let _ = maps.narrow(1, last + 3, 1).narrow(3, 0, w / 2).fill_(1.0);
    let camera =
        CameraPose { world_from_camera: Pose::new(Quat::IDENTITY, Vec3::Y), vertical_fov_rad: 1.0 };
    Row {
        latent: tokens(&coder.encode(&truth).unwrap()).unwrap(),
        shadow: Some(Shadow {
            guess: Tensor::zeros([FRAMES, n, 8], options),
            guess_rgb: Tensor::zeros([FRAMES, 3, h, w], options),
            known_px: Tensor::ones([FRAMES, 1, h, w], options),
            known: Tensor::ones([FRAMES, n, 1], options),
            maps,
            globals: vec![[0.0; GLOBALS]; FRAMES as usize],
        }),
        truth,
        cameras: vec![(camera, camera); FRAMES as usize],
        past_globals: vec![[0.0; GLOBALS]; FRAMES as usize],
    }
}

fn largest(difference: &Tensor) -> f64 {
    difference.abs().max().double_value(&[])
}

fn compositor() -> Compositor {
    Compositor::new(&VarStore::new(Device::Cpu).root(), &CompositorConfig::default())
}

#[test]
fn a_dream_of_its_own_begins_with_a_true_picture_and_an_anchored_past_does_not() {
    let (_store, coder) = coder();
    let (rows, net) = (vec![Rc::new(row(&coder))], compositor());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut own = |batch: &Batch, predicted: &Tensor| {
        let inputs = batch.inputs(&Past::True, &mut rng).unwrap();
        let Past::Own(own) = batch.past(&net, &inputs, predicted).unwrap() else {
            panic!("its own")
        };
        own
    };
    let dream = Batch::new(&coder, rows.clone(), Mode::Dream);
    let truth = dream.truth().unwrap();
    let predicted = truth.zeros_like();
    let past = own(&dream, &predicted);
    assert_eq!(largest(&(past.latent.narrow(1, 0, 1) - truth.narrow(1, 0, 1))), 0.0);
    assert_eq!(largest(&past.latent.narrow(1, 1, FRAMES - 1)), 0.0);
    assert_eq!(past.rgb.size(), [FRAMES, 3, i64::from(SIZE.1), i64::from(SIZE.0)]);
    let past = own(&Batch::new(&coder, rows, Mode::Anchored), &predicted);
    assert_eq!(largest(&past.latent), 0.0);
}

#[test]
fn some_frames_are_composed_as_they_are_among_all() {
    let (_store, coder) = coder();
    let net = compositor();
    for mode in [Mode::Anchored, Mode::Dream] {
        let _guard = tch::no_grad_guard();
        let batch = Batch::new(&coder, vec![Rc::new(row(&coder)), Rc::new(row(&coder))], mode);
        let inputs = batch.inputs(&Past::True, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let predicted = batch.truth().unwrap();
        let (all, _) = batch.composed(&net, &inputs, &predicted, &[0, 1, 2]).unwrap();
        let (some, truth) = batch.shown(&net, &inputs, &predicted, &[2, 1]).unwrap();
        for (at, frame) in [(0, 2), (1, 1), (2, FRAMES + 2), (3, FRAMES + 1)] {
            assert!(largest(&(some.rgb.select(0, at) - all.rgb.select(0, frame))) < 1e-4);
        }
        let (turned, _) = batch.composed(&net, &inputs, &predicted, &[2, 1, 0]).unwrap();
        assert!(largest(&(turned.rgb.select(0, 0) - all.rgb.select(0, 2))) < 1e-4);
        let wanted = batch.rows[1].truth.select(0, 2);
        assert_eq!(largest(&(truth.select(0, 2) - wanted)), 0.0);
    }
}

#[test]
fn an_anchored_network_sees_its_own_frame_where_it_would_have_seen_the_true_one() {
    let (_store, coder) = coder();
    let _guard = tch::no_grad_guard();
    let batch = Batch::new(&coder, vec![Rc::new(row(&coder))], Mode::Anchored);
    let (w, h) = (i64::from(SIZE.0), i64::from(SIZE.1));
    let own = Own {
        latent: batch.truth().unwrap(),
        rgb: Tensor::rand([FRAMES, 3, h, w], (Kind::Float, Device::Cpu)) - 0.3,
        nearness: Tensor::rand([FRAMES, 1, h, w], (Kind::Float, Device::Cpu)),
    };
    let shown_before = own.rgb.copy();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let inputs = batch.inputs(&Past::Own(own), &mut rng).unwrap();
    let maps = inputs.pixels.maps.unwrap();
    let (last, half) = (LAST as i64, i64::from(SIZE.0) / 2);
    let shown = |frame: i64, from: i64| {
        maps.select(0, frame).narrow(0, last, 3).narrow(2, from, half).shallow_clone()
    };
    // Nothing is before the first frame; nobody has seen the right half.
    assert_eq!(largest(&(shown(0, 0) - 0.25)), 0.0);
    assert_eq!(largest(&(shown(1, half) - 0.25)), 0.0);
    for frame in 1..FRAMES {
        let wanted = shown_before.select(0, frame - 1).narrow(2, 0, half);
        let off = largest(&(shown(frame, 0) - wanted));
        assert!(off < 0.02, "{off} in frame {frame}");
    }
    // The guess is of the same pictures: it was grey everywhere.
    let grey =
        tokens(&coder.encode(&Tensor::zeros([1, 3, 40, 48], (Kind::Float, Device::Cpu))).unwrap())
            .unwrap();
    assert!(largest(&(inputs.guess.select(1, 1) - &grey)) > 1e-3);
}
