use super::*;

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);
const INPUTS: Inputs = Inputs { grid: [2, 3], token_px: 8, latent: 8, maps: 4, globals: 3 };

fn net(context_frames: i64) -> (tch::nn::VarStore, Transformer) {
    tch::manual_seed(7);
    let store = tch::nn::VarStore::new(Device::Cpu);
    let config = TransformerConfig { channels: 32, heads: 2, depth: 2, context_frames };
    let net = Transformer::new(&store.root(), &config, INPUTS).unwrap();
    (store, net)
}

struct Sequence {
    past: Tensor,
    past_globals: Tensor,
    noisy: Tensor,
    guess: Tensor,
    known: Tensor,
    maps: Tensor,
    globals: Tensor,
}

impl Sequence {
    fn new(frames: i64) -> Self {
        let latent = || Tensor::randn([1, frames, 6, 8], FLOAT);
        let globals = || Tensor::randn([1, frames, 3 + OWN_GLOBALS], FLOAT);
        Self {
            past: latent(),
            past_globals: globals(),
            noisy: latent(),
            guess: latent(),
            known: Tensor::rand([1, frames, 6, 1], FLOAT),
            maps: Tensor::randn([frames, 4, 16, 24], FLOAT),
            globals: globals(),
        }
    }

    fn run(&self, net: &Transformer) -> Tensor {
        let wanted = Wanted {
            noisy: &self.noisy,
            guess: &self.guess,
            known: &self.known,
            maps: Some(&self.maps),
            globals: &self.globals,
        };
        net.sequence(&self.past, &self.past_globals, &wanted, Kind::Float).unwrap()
    }

    fn step(&self, net: &Transformer, ring: &mut Ring, frame: i64) -> Tensor {
        let at = |t: &Tensor, frame: i64| t.narrow(1, frame, 1);
        let wanted = Wanted {
            noisy: &at(&self.noisy, frame),
            guess: &at(&self.guess, frame),
            known: &at(&self.known, frame),
            maps: Some(&self.maps.narrow(0, frame, 1)),
            globals: &at(&self.globals, frame),
        };
        let before =
            (frame > 0).then(|| (at(&self.past, frame - 1), at(&self.past_globals, frame - 1)));
        net.step(ring, before.as_ref().map(|(l, g)| (l, g)), &wanted).unwrap()
    }
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    f64::try_from((a - b).abs().max()).unwrap()
}

#[test]
fn streaming_says_what_the_whole_sequence_says() {
    let _guard = tch::no_grad_guard();
    let (_store, net) = net(8);
    let sequence = Sequence::new(7);
    let whole = sequence.run(&net);
    let mut ring = net.ring(Kind::Float, Device::Cpu).unwrap();
    let bytes = ring.bytes();
    for frame in 0..7 {
        let alone = sequence.step(&net, &mut ring, frame);
        let error = difference(&alone, &whole.narrow(1, frame, 1));
        assert!(error < 1e-4, "frame {frame}: {error}");
        // Another step of the sampler sees the same past.
        let wanted = Wanted {
            noisy: &sequence.noisy.narrow(1, frame, 1),
            guess: &sequence.guess.narrow(1, frame, 1),
            known: &sequence.known.narrow(1, frame, 1),
            maps: Some(&sequence.maps.narrow(0, frame, 1)),
            globals: &sequence.globals.narrow(1, frame, 1),
        };
        let again = net.step(&mut ring, None, &wanted).unwrap();
        assert!(difference(&again, &alone) < 1e-5);
    }
    assert_eq!(ring.bytes(), bytes);
}

#[test]
fn a_past_that_is_only_remembered_is_as_good_as_one_that_was_played() {
    let _guard = tch::no_grad_guard();
    let (_store, net) = net(8);
    let sequence = Sequence::new(5);
    let whole = sequence.run(&net);
    let mut ring = net.ring(Kind::Float, Device::Cpu).unwrap();
    for frame in 0..3 {
        let at = |t: &Tensor| t.narrow(1, frame, 1);
        net.remember(&mut ring, &at(&sequence.past), &at(&sequence.past_globals)).unwrap();
    }
    let last = sequence.step(&net, &mut ring, 4);
    assert!(difference(&last, &whole.narrow(1, 4, 1)) < 1e-4);
}

#[test]
fn a_frame_knows_nothing_of_later_ones() {
    let _guard = tch::no_grad_guard();
    let (_store, net) = net(2);
    let mut sequence = Sequence::new(6);
    let before = sequence.run(&net);
    let changed = sequence.past.copy();
    let _ = changed.narrow(1, 4, 1).copy_(&Tensor::randn([1, 1, 6, 8], FLOAT));
    sequence.past = changed;
    let after = sequence.run(&net);
    assert!(difference(&after.narrow(1, 0, 5), &before.narrow(1, 0, 5)) < 1e-6);
    assert!(difference(&after.narrow(1, 5, 1), &before.narrow(1, 5, 1)) > 1e-4);
}

#[test]
fn an_untrained_one_keeps_to_the_guess() {
    let _guard = tch::no_grad_guard();
    let (_store, net) = net(4);
    let sequence = Sequence::new(3);
    let guess = crate::model::latent::autoencoder::unit(&sequence.guess, -1).unwrap();
    let alike = (sequence.run(&net) * guess).mean_dim([-1i64].as_slice(), false, Kind::Float);
    assert!(f64::try_from(alike.min()).unwrap() > 0.9);
}

#[test]
fn an_hour_is_no_different_from_a_second() {
    let _guard = tch::no_grad_guard();
    let (_store, net) = net(3);
    let sequence = Sequence::new(4);
    let run = |ring: &mut Ring| {
        // The first frames fill the ring; frame 3 then sees these alone.
        let mut last = Tensor::new();
        for frame in 1..4 {
            last = sequence.step(&net, ring, frame);
        }
        last
    };
    let mut young = net.ring(Kind::Float, Device::Cpu).unwrap();
    let _ = run(&mut young);
    let first = run(&mut young);
    let mut old = net.ring(Kind::Float, Device::Cpu).unwrap();
    for _ in 0..36_000 / 3 / 100 {
        let _ = run(&mut old);
    }
    assert!(difference(&run(&mut old), &first) < 1e-4);
}

#[test]
fn sizes_that_cannot_be_are_named() {
    let config = TransformerConfig::default();
    assert_eq!(config.fault(), None);
    let fault = |config: TransformerConfig| config.fault().unwrap().0;
    assert_eq!(fault(TransformerConfig { heads: 5, ..config.clone() }), "heads");
    assert_eq!(fault(TransformerConfig { heads: 0, ..config.clone() }), "heads");
    assert_eq!(fault(TransformerConfig { depth: 0, ..config.clone() }), "depth");
    assert_eq!(fault(TransformerConfig { context_frames: 0, ..config }), "context_frames");
}
