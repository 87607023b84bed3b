//! What a network is given when its past is its own.

use glam::{Quat, Vec3};
use rand::SeedableRng;
use reverie_guard::Pose;
use tch::nn::VarStore;

use super::*;
use crate::condition::{CHANNELS, GLOBALS};
use crate::model::latent::autoencoder::{Autoencoder, AutoencoderConfig, nearness};

const SIZE: (u32, u32) = (48, 40);
const FRAMES: i64 = 3;

fn coder() -> (VarStore, Coder) {
    tch::manual_seed(5);
    let config = AutoencoderConfig {
        latent_channels: 8,
        channels: [8, 8, 16],
        blocks: [1, 1, 1],
        head_channels: 8,
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

#[test]
fn a_dream_of_its_own_begins_with_a_true_picture_and_an_anchored_past_does_not() {
    let (_store, coder) = coder();
    let rows = vec![Rc::new(row(&coder))];
    let dream = Batch::new(&coder, rows.clone(), Mode::Dream);
    let truth = dream.truth().unwrap();
    let predicted = truth.zeros_like();
    let Past::Own(past) = dream.past(&predicted).unwrap() else { panic!("its own") };
    assert_eq!(largest(&(past.narrow(1, 0, 1) - truth.narrow(1, 0, 1))), 0.0);
    assert_eq!(largest(&past.narrow(1, 1, FRAMES - 1)), 0.0);
    let anchored = Batch::new(&coder, rows, Mode::Anchored);
    let Past::Own(past) = anchored.past(&predicted).unwrap() else { panic!("its own") };
    assert_eq!(largest(&past), 0.0);
}

#[test]
fn an_anchored_network_sees_its_own_frame_where_it_would_have_seen_the_true_one() {
    let (_store, coder) = coder();
    let _guard = tch::no_grad_guard();
    let batch = Batch::new(&coder, vec![Rc::new(row(&coder))], Mode::Anchored);
    let own = batch.truth().unwrap() * 0.5 + 0.3;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let inputs = batch.inputs(&Past::Own(own.shallow_clone()), &mut rng).unwrap();
    let maps = inputs.maps.unwrap();
    let (last, half) = (LAST as i64, i64::from(SIZE.0) / 2);
    let shown = |frame: i64, from: i64| {
        maps.select(0, frame).narrow(0, last, 3).narrow(2, from, half).shallow_clone()
    };
    // Nothing is before the first frame; nobody has seen the right half.
    assert_eq!(largest(&(shown(0, 0) - 0.25)), 0.0);
    assert_eq!(largest(&(shown(1, half) - 0.25)), 0.0);
    let [rows, columns] = coder.grid();
    for frame in 1..FRAMES {
        let before = own.select(1, frame - 1);
        let (rgb, _) = coder.decode(&from_tokens(&before, rows, columns).unwrap()).unwrap();
        let wanted = rgb.clamp(-1.0, 1.0).select(0, 0).narrow(2, 0, half);
        let off = largest(&(shown(frame, 0) - wanted));
        assert!(off < 0.02, "{off} in frame {frame}");
    }
    // The guess is of the same pictures: it was grey everywhere.
    let grey =
        tokens(&coder.encode(&Tensor::zeros([1, 3, 40, 48], (Kind::Float, Device::Cpu))).unwrap())
            .unwrap();
    assert!(largest(&(inputs.guess.select(1, 1) - &grey)) > 1e-3);
}
