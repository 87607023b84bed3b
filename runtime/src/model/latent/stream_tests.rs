//! Model M in a running game, with a network that was never trained.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use glam::{Quat, Vec3};
use reverie_guard::{Body, BodyKind, CameraPose, Pose, ShadowSnapshot, Shape};
use tch::Device;
use tch::nn::VarStore;

use crate::card::{ModelCard, ObserverCard, Provenance};
use crate::condition::{CHANNELS, GLOBALS};
use crate::frame::NeuralFrame;
use crate::model::latent::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::model::latent::compositor::{Compositor, CompositorConfig};
use crate::model::latent::files::{AutoencoderCard, COMPOSITOR, NET};
use crate::model::latent::transformer::{Inputs, Transformer, TransformerConfig};
use crate::model::reverie::ReverieModel;
use crate::model::{Draft, Drafts, Keep, LoadOptions, ModelError, Redraft, Steering, WorldModel};
use crate::request::{DreamMode, DreamRequest, FrameSource};
use crate::style::StyleWeights;
use crate::train::latent::dreamer_recipe::DreamerRecipe;
use crate::train::latent::publish::publish;
use crate::train::optimizer::Optimizer;
use crate::train::publish::averaged;
use crate::train::state::Ledger;
use crate::weights::{Precision, write_weights};

const SIZE: (u32, u32) = (48, 40);

/// A folder with a card of an untrained model.
static MODEL: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    tch::manual_seed(3);
    let coder = AutoencoderConfig {
        latent_channels: 8,
        channels: [8, 8, 16],
        blocks: [1, 1, 1],
        head_channels: 8,
        token_px: 8,
    };
    let store = VarStore::new(Device::Cpu);
    let _net = Autoencoder::new(&store.root(), &coder);
    let weights = averaged(&Optimizer::new(&store).unwrap()).unwrap();
    let file = "test.autoencoder.safetensors";
    let sha256 = write_weights(dir.path().join(file), &weights, Precision::F32).unwrap();
    let card = AutoencoderCard::new(coder, file.to_owned(), sha256, Provenance::default());
    let autoencoder = dir.path().join("test.autoencoder.ron");
    card.save_atomically(&autoencoder).unwrap();

    let network = TransformerConfig { channels: 32, heads: 2, depth: 2, context_frames: 4 };
    let inputs = Inputs {
        grid: [i64::from(SIZE.1) / 8, i64::from(SIZE.0) / 8],
        token_px: 8,
        latent: 8,
        maps: CHANNELS as i64,
        globals: GLOBALS as i64,
    };
    let store = VarStore::new(Device::Cpu);
    let _net = Transformer::new(&(store.root() / NET), &network, inputs).unwrap();
    let compositor = CompositorConfig { channels: [8, 8], blocks: [1, 1], head_channels: 8 };
    let _last = Compositor::new(&(store.root() / COMPOSITOR), &compositor);
    let optimizer = Optimizer::new(&store).unwrap();
    let recipe = DreamerRecipe {
        name: "test".to_owned(),
        autoencoder,
        network,
        compositor,
        out: dir.path().to_owned(),
        ..DreamerRecipe::default()
    };
    publish(&recipe, "test", SIZE, &optimizer, &Ledger::default(), &[], 0).unwrap();
    dir
});

fn model() -> ReverieModel {
    let path = MODEL.path().join("test.world.ron");
    let card = ModelCard::load(&path).unwrap();
    ReverieModel::load(&path, card, &LoadOptions::default()).unwrap()
}

/// A floor and a crate `crate_m` to the right, seen at `tick`.
fn request(tick: u64, mode: DreamMode, crate_m: f32, turn_rad: f32) -> DreamRequest {
    let body = |id, half_extents_m, at_m, material| Body {
        id,
        shape: Shape::Cuboid { half_extents_m },
        world_from_body: Pose::new(Quat::IDENTITY, at_m),
        linear_velocity_m_s: Vec3::ZERO,
        angular_velocity_rad_s: Vec3::ZERO,
        kind: BodyKind::Fixed,
        material,
        tint_srgb: None,
    };
    let snapshot = ShadowSnapshot {
        tick,
        time_s: 0.1 * tick as f64,
        camera: CameraPose {
            world_from_camera: Pose::new(Quat::IDENTITY, Vec3::Y * 1.6),
            vertical_fov_rad: 1.2,
        },
        bodies: vec![
            body(1, Vec3::new(20.0, 0.1, 20.0), Vec3::ZERO, 2),
            body(2, Vec3::splat(0.8), Vec3::new(crate_m, 0.9, -4.0), 8),
        ],
        sun_direction: Vec3::Y,
    };
    let mut action = [0.0; 8];
    action[2] = turn_rad;
    DreamRequest {
        id: tick,
        snapshot: Arc::new(snapshot),
        action,
        style: StyleWeights::NOON,
        condition_strength: 1.0,
        mode,
        reset: false,
        input_at: Instant::now(),
        requested_at: Instant::now(),
    }
}

/// A picture of stripes, so that a turn shows.
fn stripes() -> Vec<f32> {
    let pixels = SIZE.0 * SIZE.1;
    (0..pixels).flat_map(|i| [if i % SIZE.0 / 6 % 2 == 0 { 0.9 } else { 0.1 }; 3]).collect()
}

/// Two true pictures, then one by the model.
fn third(mode: DreamMode, crate_m: f32, turn_rad: f32) -> NeuralFrame {
    let mut model = model();
    for tick in 0..2 {
        model.prompt(&request(tick, DreamMode::Anchored, 0.0, 0.0), stripes(), 1.0).unwrap();
    }
    model.append_frame(&request(2, mode, crate_m, turn_rad)).unwrap()
}

/// The two are alike to the bit. Networks of other tests are made meanwhile, by libtorch's one generator: hence several tries.
fn are_same(a: impl Fn() -> NeuralFrame, b: impl Fn() -> NeuralFrame) -> bool {
    (0..8).any(|_| a().rgba == b().rgba)
}

fn difference(a: &NeuralFrame, b: &NeuralFrame) -> f64 {
    let sum: u64 = a.rgba.iter().zip(b.rgba.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.rgba.len() as f64
}

#[test]
fn a_dream_knows_the_command_and_nothing_of_the_shadow() {
    let dream = third(DreamMode::Dream, 0.0, 0.0);
    assert_eq!(dream.mode, DreamMode::Dream);
    assert!(dream.shadow.is_none());
    let with_crate_at = |crate_m: f32| move || third(DreamMode::Dream, crate_m, 0.0);
    assert!(are_same(with_crate_at(0.0), with_crate_at(2.0)), "the crate is elsewhere");
    assert!(difference(&dream, &third(DreamMode::Dream, 0.0, 0.2)) > 0.5, "another turn");
}

#[test]
fn an_anchored_picture_knows_the_shadow() {
    let anchored = third(DreamMode::Anchored, 0.0, 0.0);
    assert_eq!(anchored.mode, DreamMode::Anchored);
    assert!(difference(&anchored, &third(DreamMode::Anchored, 2.0, 0.0)) > 0.2);
}

#[test]
fn modes_switch_under_way_and_a_dream_from_nothing_begins_with_the_shadow() {
    let mut model = model();
    assert!(model.can_dream());
    let modes = [
        DreamMode::Dream,
        DreamMode::Dream,
        DreamMode::Anchored,
        DreamMode::Dream,
        DreamMode::Anchored,
    ];
    let shown = modes
        .iter()
        .zip(0..)
        .map(|(mode, tick)| model.append_frame(&request(tick, *mode, 0.0, 0.1)).unwrap().mode);
    let shown: Vec<DreamMode> = shown.collect();
    assert_eq!(shown[0], DreamMode::Anchored, "there is nothing to dream on from");
    assert_eq!(shown[1..], modes[1..]);
    model.reset();
    let again = model.append_frame(&request(9, DreamMode::Dream, 0.0, 0.0)).unwrap();
    assert_eq!(again.mode, DreamMode::Anchored);
}

#[test]
fn the_same_seed_dreams_the_same() {
    let dream = || third(DreamMode::Dream, 0.0, 0.1);
    assert!(are_same(dream, dream));
}

#[test]
fn a_picture_goes_through_the_codec_and_one_of_another_size_is_refused() {
    let model = model();
    let coded = model.codec(&stripes()).unwrap().unwrap();
    assert_eq!(coded.len(), stripes().len());
    assert!(coded.iter().all(|v| (0.0..=1.0).contains(v)));
    assert!(matches!(model.codec(&[0.5; 12]), Err(ModelError::PictureSize { found: 12, .. })));
}

#[test]
fn a_card_without_sizes_of_its_autoencoder_is_one_clear_line() {
    let path = MODEL.path().join("test.world.ron");
    let mut card = ModelCard::load(&path).unwrap();
    card.architecture.latent = None;
    let line = ReverieModel::load(&path, card, &LoadOptions::default()).unwrap_err().to_string();
    assert!(line.contains("architecture.latent") && line.lines().count() == 1, "{line}");
}

#[test]
fn an_observer_of_a_size_that_does_not_fit_is_one_clear_line() {
    let path = MODEL.path().join("test.world.ron");
    for shrink in [0, 3, 64, u32::MAX] {
        let mut card = ModelCard::load(&path).unwrap();
        card.observer = Some(ObserverCard {
            weights: "none.safetensors".to_owned(),
            sha256: "0".repeat(64),
            channels: vec![8, 8, 8],
            blocks: vec![1, 1, 1],
            shrink,
            provenance: Provenance::default(),
            scores: Default::default(),
            thresholds: None,
        });
        let refused = ReverieModel::load(&path, card, &LoadOptions::default());
        let line = refused.unwrap_err().to_string();
        assert!(line.contains(&format!("observer.shrink {shrink}")), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}

/// A model with two true pictures behind it, and the dream that follows from them as the guard gets it.
fn drafted(turn_rad: f32) -> (ReverieModel, DreamRequest, Draft) {
    steered(turn_rad, Steering::Commands)
}

fn steered(turn_rad: f32, steering: Steering) -> (ReverieModel, DreamRequest, Draft) {
    let mut model = model();
    for tick in 0..2 {
        model.prompt(&request(tick, DreamMode::Anchored, 0.0, 0.0), stripes(), 1.0).unwrap();
    }
    let asked = request(2, DreamMode::Dream, 0.0, turn_rad);
    let draft = model.draft(&asked, steering).unwrap();
    (model, asked, draft)
}

/// Values of `a` that are not those of `b`.
fn changed(a: &[f32], b: &[f32]) -> usize {
    a.iter().zip(b).filter(|(a, b)| a != b).count()
}

#[test]
fn a_dream_that_may_be_corrected_is_the_same_dream() {
    let guarded = || {
        let (mut model, asked, draft) = drafted(0.1);
        let shown = model.finish(&asked, draft, FrameSource::Model, Keep::All).unwrap();
        assert_eq!(shown.mode, DreamMode::Dream);
        shown
    };
    assert!(are_same(guarded, || third(DreamMode::Dream, 0.0, 0.1)));
}

#[test]
fn a_dream_is_steered_by_the_commands_or_stays_with_the_player() {
    let led = |steering| {
        let (mut model, asked, draft) = steered(0.3, steering);
        model.finish(&asked, draft.clone(), FrameSource::Model, Keep::All).unwrap();
        let stays = model.dreamed_from() == Some(asked.snapshot.camera);
        (stays, draft.rgb)
    };
    let ((follows, turned), (stays, still)) = (led(Steering::Commands), led(Steering::Player));
    assert!(!follows && stays);
    assert!(changed(&turned, &still) > 0, "what it shows is seen from there");
}

#[test]
fn only_what_is_bad_of_a_dream_gives_way_to_the_shadow() {
    let (mut model, _, draft) = drafted(0.0);
    let pixels = (SIZE.0 * SIZE.1) as usize;
    let bad: Vec<f32> = (0..pixels).map(|i| f32::from(u8::from(i < pixels / 8))).collect();
    for how in [Redraft::Strengthen, Redraft::Parts { pictures: 2 }] {
        for mended in model.redraft(&draft, &bad, how).unwrap() {
            let (wrong, right) = mended.split_at(3 * pixels / 8);
            assert!(changed(wrong, &draft.rgb) > wrong.len() / 2, "{how:?}");
            assert_eq!(changed(right, &draft.rgb[3 * pixels / 8..]), 0, "{how:?}");
        }
    }
}

#[test]
fn a_dream_of_which_hardly_anything_is_right_or_that_is_elsewhere_is_given_up() {
    let pixels = (SIZE.0 * SIZE.1) as usize;
    for (turn_rad, share) in [(0.0, 0.5), (0.6, 0.05)] {
        let (mut model, asked, draft) = drafted(turn_rad);
        let count = (share * pixels as f32) as usize;
        let bad: Vec<f32> = (0..pixels).map(|i| f32::from(u8::from(i < count))).collect();
        let whole = model.redraft(&draft, &bad, Redraft::Strengthen).unwrap().remove(0);
        let beyond = changed(&whole[3 * count..], &draft.rgb[3 * count..]);
        assert!(beyond > whole.len() / 4, "{beyond} values at {share}");
        model.finish(&asked, Draft { rgb: whole, ..draft }, FrameSource::Model, Keep::All).unwrap();
        // Dreamed on from where the player is, wherever the commands had led.
        assert_eq!(model.dreamed_from(), Some(asked.snapshot.camera), "{turn_rad} rad");
    }
}

#[test]
fn a_dream_that_is_refused_wakes() {
    let (mut model, asked, draft) = drafted(0.0);
    model.finish(&asked, draft, FrameSource::ShadowPaint, Keep::Nothing).unwrap();
    let modes: Vec<DreamMode> = (3..5)
        .map(|tick| {
            let asked = request(tick, DreamMode::Dream, 0.0, 0.0);
            let draft = model.draft(&asked, Steering::Commands).unwrap();
            model.finish(&asked, draft, FrameSource::Model, Keep::All).unwrap().mode
        })
        .collect();
    assert_eq!(modes, [DreamMode::Anchored, DreamMode::Dream]);
}
