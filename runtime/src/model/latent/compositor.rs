//! The last step of model M: what the decoder says, laid with what is known of each pixel.
//!
//! A token of 8×8 pixels cannot hold a brick's edge, but what was seen of the brick is there at full size. So the decoder is told what is known, as that
//! of an inpainting model is told the pixels that stay (Zhu et al. 2023, "Designing a better asymmetric VQGAN for StableDiffusion"): a small U-Net gates,
//! pixel by pixel, between the decoded picture, the guess that the transformer started from, and the shadow's candidates, and adds a residual where the
//! transformer did not agree with the guess.

use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use super::autoencoder::{Decoded, Residual, residuals, through};
use crate::condition::{CANDIDATE_COUNT, CHANNELS, PAINT};
use crate::model::reverie::layers::{Conv, depth_to_space, space_to_depth};
pub use crate::sizes::CompositorConfig;

type Result<T> = std::result::Result<T, TchError>;

/// Decoded colours and nearness, the guess and how well it is known, where the network agrees with it, and the condition maps.
pub(super) const INPUTS: i64 = 3 + 1 + 3 + 1 + 1 + CHANNELS as i64;
/// The decoded picture, the guess, the shadow's candidates.
pub(super) const LAYERS: i64 = 2 + CANDIDATE_COUNT as i64;
/// What the gates of the shadow's candidates lean to before training. The guess is the best of them already.
const CANDIDATE_BIAS: f64 = -4.0;
/// Mean squared change of a token's latents at which the network still agrees with the guess by 1 / e. Of 0.001 to 0.3, tried with m-tiny and no
/// compositor, the best for dreams; anchored pictures are alike from 0.003 to 0.1.
const AGREES: f64 = 2e-2;

/// What a picture is composed of; the first axis of all is the picture.
#[derive(Debug)]
pub struct Layers<'a> {
    /// What the latents say.
    pub decoded: &'a Decoded,
    /// [n, 1, rows, columns], as [`agreement`] says.
    pub agrees: &'a Tensor,
    /// [n, 3, h, w], −1 to 1: what is known of the picture before any network has thought about it.
    pub guess: &'a Tensor,
    /// [n, 1, h, w], how well, 0 to 1.
    pub known: &'a Tensor,
    /// [n, CHANNELS, h, w] of the shadow; `None` in a dream.
    pub maps: Option<&'a Tensor>,
}

/// Where a network left the guess as it was: 1 there, 0 where it changed everything. Latents are [n, latent, rows, columns]; the same without
/// channels, [n, 1, rows, columns].
///
/// # Errors
/// Shapes differ.
pub fn agreement(latent: &Tensor, guess: &Tensor) -> Result<Tensor> {
    let changed =
        latent.f_sub(guess)?.f_square()?.f_mean_dim([1i64].as_slice(), true, Kind::Float)?;
    changed.f_mul_scalar(-1.0 / AGREES)?.f_exp()
}

/// See the module.
#[derive(Debug)]
pub struct Compositor {
    full: Conv,
    stem: Conv,
    down: Vec<Residual>,
    shrink: Conv,
    middle: Vec<Residual>,
    grow: Conv,
    up: Vec<Residual>,
    unpack: Conv,
    head: Conv,
    out: Conv,
}

impl Compositor {
    /// Registers all weights under `path`. Before training a picture is the guess where it is known and the network agrees with it, the decoded
    /// picture elsewhere.
    pub fn new(path: &Path, config: &CompositorConfig) -> Self {
        let ([c0, c1], [b0, b1], head) = (config.channels, config.blocks, config.head_channels);
        Self {
            full: Conv::new(path / "full", INPUTS, head, 1, 1, 1.0),
            stem: Conv::new(path / "stem", 4 * INPUTS, c0, 1, 1, 1.0),
            down: residuals(path, "down", b0, c0),
            shrink: Conv::new(path / "shrink", c0, c1, 3, 2, 1.0),
            middle: residuals(path, "middle", b1, c1),
            grow: Conv::new(path / "grow", c1 / 4 + c0, c0, 1, 1, 1.0),
            up: residuals(path, "up", b0, c0),
            unpack: Conv::new(path / "unpack", c0, 4 * head, 1, 1, 0.7),
            head: Conv::new(path / "head", head, head, 3, 1, 1.0),
            out: Conv::new(path / "out", head, LAYERS + 3, 3, 1, 0.0),
        }
    }

    /// The picture, [n, 3, h, w], −1 to 1 where it is certain of itself, f32. Computes in `kind`; h and w are multiples of 4.
    ///
    /// # Errors
    /// Shapes that do not fit, or no memory.
    pub fn forward(&self, layers: &Layers, kind: Kind) -> Result<Tensor> {
        let (n, _, h, w) = layers.guess.size4()?;
        let blank;
        let maps = match layers.maps {
            Some(maps) => maps,
            None => {
                let options = (kind, layers.guess.device());
                let rows = Tensor::f_zeros([n, h, w, CHANNELS as i64], options)?;
                blank = rows.f_permute([0, 3, 1, 2])?;
                &blank
            }
        };
        let agrees = layers.agrees.f_upsample_bilinear2d([h, w], false, None, None)?;
        let inputs = [
            &layers.decoded.rgb,
            &layers.decoded.nearness,
            layers.guess,
            layers.known,
            &agrees,
            maps,
        ];
        let inputs = inputs.iter().map(|t| t.f_to_kind(kind)).collect::<Result<Vec<_>>>()?;
        let x = Tensor::f_cat(&inputs, 1)?;
        let skip = through(&self.down, self.stem.forward(&space_to_depth(&x)?)?)?;
        let deep = through(&self.middle, self.shrink.forward(&skip)?)?;
        let both = Tensor::f_cat(&[depth_to_space(&deep)?, skip], 1)?;
        let coarse = through(&self.up, self.grow.forward(&both)?)?;
        let unpacked = depth_to_space(&self.unpack.forward(&coarse.f_relu()?)?)?;
        let h = self.full.forward(&x)?.f_add(&unpacked)?.f_relu_()?;
        let h = self.head.forward(&h)?.f_relu_()?;
        gate(&self.out.forward(&h)?, layers, maps, &agrees)
    }

    /// Prepares all weights once, for inference in `kind`.
    ///
    /// # Errors
    /// No memory.
    pub fn freeze(&mut self, kind: Kind) -> Result<()> {
        for block in self.down.iter_mut().chain(&mut self.middle).chain(&mut self.up) {
            block.freeze(kind)?;
        }
        for conv in [
            &mut self.full,
            &mut self.stem,
            &mut self.shrink,
            &mut self.grow,
            &mut self.unpack,
            &mut self.head,
            &mut self.out,
        ] {
            conv.freeze(kind)?;
        }
        Ok(())
    }
}

/// Softmax gates over all layers, plus the residual where the guess is not agreed with. `out` is [n, LAYERS + 3, h, w], `agrees` [n, 1, h, w].
fn gate(out: &Tensor, layers: &Layers, maps: &Tensor, agrees: &Tensor) -> Result<Tensor> {
    let (n, _, h, w) = out.size4()?;
    // Channels are innermost in memory: these are views, and the arithmetic below is contiguous.
    let rows = |t: &Tensor| t.f_to_kind(Kind::Float)?.f_permute([0, 2, 3, 1])?.f_contiguous();
    let candidates = rows(&maps.f_narrow(1, PAINT as i64, 4 * (LAYERS - 2))?)?;
    let candidates = candidates.f_view([n, h, w, LAYERS - 2, 4])?;
    let share = rows(&layers.known.f_mul(agrees)?)?.f_clamp(0.01, 0.99)?;
    let valid = candidates.f_select(4, 3)?.f_clamp(1e-4, 1.0)?.f_log()?;
    let lean = Tensor::f_cat(
        &[
            share.f_neg()?.f_add_scalar(1.0)?.f_log()?,
            share.f_log()?,
            valid.f_add_scalar(CANDIDATE_BIAS)?,
        ],
        3,
    )?;
    let out = rows(out)?;
    let gates = out.f_narrow(3, 0, LAYERS)?.f_add(&lean)?.f_softmax(3, Kind::Float)?;
    let own = |t: &Tensor| rows(t)?.f_unsqueeze(3);
    let colours = Tensor::f_cat(
        &[own(&layers.decoded.rgb)?, own(layers.guess)?, candidates.f_narrow(4, 0, 3)?],
        3,
    )?;
    let axis = [3i64];
    let chosen = gates.f_unsqueeze(4)?.f_mul(&colours)?;
    let chosen = chosen.f_sum_dim_intlist(axis.as_slice(), false, Kind::Float)?;
    // What was seen and is agreed with stays as it is: a residual there would be an error that grows from frame to frame.
    let residual = out.f_narrow(3, LAYERS, 3)?.f_mul(&share.f_neg()?.f_add_scalar(1.0)?)?;
    chosen.f_add(&residual)?.f_permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::nn::VarStore;

    use super::*;

    const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn decoded(h: i64, w: i64) -> Decoded {
        Decoded {
            rgb: Tensor::full([1, 3, h, w], 0.8, OPTIONS),
            nearness: Tensor::rand([1, 1, h, w], OPTIONS),
        }
    }

    #[test]
    fn an_untrained_one_keeps_the_guess_where_it_is_known_and_agreed_with() {
        let store = VarStore::new(Device::Cpu);
        let mut net = Compositor::new(&store.root(), &CompositorConfig::default());
        let (h, w) = (16, 24);
        let (decoded, guess) = (decoded(h, w), Tensor::full([1, 3, h, w], -0.8, OPTIONS));
        let known = Tensor::ones([1, 1, h, w], OPTIONS);
        let _ = known.narrow(3, 0, w / 2).fill_(0.0);
        let compose = |net: &Compositor, agrees: f64| {
            let agrees = Tensor::full([1, 1, h / 8, w / 8], agrees, OPTIONS);
            let layers = Layers {
                decoded: &decoded,
                agrees: &agrees,
                guess: &guess,
                known: &known,
                maps: None,
            };
            net.forward(&layers, Kind::Float).unwrap()
        };
        let at = |picture: &Tensor, x: i64| picture.double_value(&[0, 1, 5, x]);
        let agreed = compose(&net, 1.0);
        assert_eq!(agreed.size(), [1, 3, h, w]);
        assert!((at(&agreed, 2) - 0.8).abs() < 0.05 && (at(&agreed, w - 2) + 0.8).abs() < 0.05);
        assert!((at(&compose(&net, 0.0), w - 2) - 0.8).abs() < 0.05);
        net.freeze(Kind::Float).unwrap();
        assert!(compose(&net, 1.0).allclose(&agreed, 1e-5, 1e-5, false));
    }

    #[test]
    fn a_dream_is_composed_as_a_shadow_that_shows_nothing() {
        let store = VarStore::new(Device::Cpu);
        let net = Compositor::new(&store.root(), &CompositorConfig::default());
        let (decoded, guess) = (decoded(8, 16), Tensor::rand([1, 3, 8, 16], OPTIONS));
        let (known, agrees) =
            (Tensor::rand([1, 1, 8, 16], OPTIONS), Tensor::rand([1, 1, 1, 2], OPTIONS));
        let blank = Tensor::zeros([1, CHANNELS as i64, 8, 16], OPTIONS);
        let layers = |maps| Layers {
            decoded: &decoded,
            agrees: &agrees,
            guess: &guess,
            known: &known,
            maps,
        };
        let (a, b) = (
            net.forward(&layers(None), Kind::Float),
            net.forward(&layers(Some(&blank)), Kind::Float),
        );
        assert!(a.unwrap().allclose(&b.unwrap(), 1e-5, 1e-5, false));
    }

    #[test]
    fn agreement_falls_with_what_was_changed() {
        let guess = Tensor::randn([1, 8, 1, 2], OPTIONS);
        let latent = guess.copy();
        let _ = latent.narrow(3, 1, 1).g_add_scalar_(1.0);
        let agrees: Vec<f32> = agreement(&latent, &guess).unwrap().view([-1]).try_into().unwrap();
        assert_eq!(agrees[0], 1.0);
        assert!(agrees[1] < 1e-6);
    }
}
