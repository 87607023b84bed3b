//! The autoencoder: a picture to latents of an eighth or a sixteenth of its size and back, one picture at a time.
//!
//! Latents have unit root mean square per token, so that noise of unit variance is as strong as they are, whatever the
//! training made of them. The decoder says, beside the colours, how far each pixel is: it is what a dream
//! that has no shadow knows of depth.

use serde::{Deserialize, Serialize};
use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use crate::model::reverie::layers::{Conv, depth_to_space, space_to_depth};

type Result<T> = std::result::Result<T, TchError>;

/// Pixels along a token that can be had, powers of two.
const TOKENS_PX: [i64; 2] = [8, 16];
/// Nearness below which a pixel is taken for sky.
pub const SKY_NEARNESS: f32 = 0.02;
const MOST_CHANNELS: i64 = 4096;
const MOST_BLOCKS: i64 = 64;

/// Sizes of the autoencoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutoencoderConfig {
    /// Of a token.
    pub latent_channels: i64,
    /// At 1/2, 1/4 and 1/8 of the picture's size; multiples of 8.
    pub channels: [i64; 3],
    /// Residual blocks of the decoder at these sizes; the encoder has none at 1/2 and as many below.
    pub blocks: [i64; 3],
    /// Of the decoder at full size.
    pub head_channels: i64,
    /// Pixels along a token, 8 or 16: a fourth of the tokens, for a codec that keeps less.
    pub token_px: i64,
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        Self {
            latent_channels: 32,
            channels: [48, 96, 192],
            blocks: [1, 2, 2],
            head_channels: 16,
            token_px: 8,
        }
    }
}

impl AutoencoderConfig {
    /// The first field that no autoencoder can have, and what it may be. Cards and recipes are untrusted.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let Self { latent_channels, channels, blocks, head_channels, token_px } = self;
        if !TOKENS_PX.contains(token_px) {
            return Some(("token_px", format!("{token_px}; it must be 8 or 16")));
        }
        let good = |c: i64| (8..=MOST_CHANNELS).contains(&c) && c % 8 == 0;
        let reason = format!("a multiple of 8 up to {MOST_CHANNELS} is needed");
        if !channels.iter().all(|c| good(*c)) {
            return Some(("channels", format!("{channels:?}; {reason}")));
        }
        for (field, value) in
            [("latent_channels", *latent_channels), ("head_channels", *head_channels)]
        {
            if !good(value) {
                return Some((field, format!("{value}; {reason}")));
            }
        }
        blocks
            .iter()
            .any(|b| !(0..=MOST_BLOCKS).contains(b))
            .then(|| ("blocks", format!("{blocks:?}; each must lie in 0 to {MOST_BLOCKS}")))
    }
}

/// Residual block without anything told from outside: rectify, convolve, twice, add.
#[derive(Debug)]
pub(super) struct Residual([Conv; 2]);

impl Residual {
    fn new(path: &Path, channels: i64) -> Self {
        Self([
            Conv::new(path / "first", channels, channels, 3, 1, 1.0),
            Conv::new(path / "second", channels, channels, 3, 1, 0.1),
        ])
    }

    /// See [`Conv::freeze`].
    pub(super) fn freeze(&mut self, kind: Kind) -> Result<()> {
        self.0.iter_mut().try_for_each(|conv| conv.freeze(kind))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.0[0].forward(&x.f_relu()?)?.f_relu_()?;
        x.f_add(&self.0[1].forward(&h)?)
    }
}

pub(super) fn residuals(path: &Path, name: &str, count: i64, channels: i64) -> Vec<Residual> {
    (0..count).map(|i| Residual::new(&(path / name / i), channels)).collect()
}

pub(super) fn through(blocks: &[Residual], x: Tensor) -> Result<Tensor> {
    blocks.iter().try_fold(x, |x, block| block.forward(&x))
}

/// What the decoder says of a picture.
#[derive(Debug)]
pub struct Decoded {
    /// [batch, 3, h, w], −1 to 1 where it is certain of itself, f32.
    pub rgb: Tensor,
    /// 1 / (1 + depth / 4 m), [batch, 1, h, w], 0 for the sky, f32.
    pub nearness: Tensor,
}

/// Picture to latents and back.
#[derive(Debug)]
pub struct Autoencoder {
    stem: Conv,
    narrow: Vec<Residual>,
    shrink: Conv,
    deep: Vec<Residual>,
    /// From 1/8 to 1/16 of the picture's size, and back.
    coarse: Option<[Conv; 2]>,
    to_latent: Conv,
    from_latent: Conv,
    token_px: i64,
    blocks: [Vec<Residual>; 3],
    grow: [Conv; 2],
    unpack: Conv,
    head: Conv,
    out: Conv,
}

impl Autoencoder {
    /// Registers all weights under `path`.
    pub fn new(path: &Path, config: &AutoencoderConfig) -> Self {
        let [c0, c1, c2] = config.channels;
        let [b0, b1, b2] = config.blocks;
        let (latent, head) = (config.latent_channels, config.head_channels);
        Self {
            stem: Conv::new(path / "stem", 48, c1, 3, 1, 1.0),
            narrow: residuals(path, "narrow", b1, c1),
            shrink: Conv::new(path / "shrink", c1, c2, 3, 2, 1.0),
            deep: residuals(path, "deep", b2, c2),
            coarse: (config.token_px > 8).then(|| {
                [
                    Conv::new(path / "coarsen", c2, c2, 3, 2, 1.0),
                    Conv::new(path / "refine", c2 / 4, c2, 1, 1, 1.0),
                ]
            }),
            token_px: config.token_px,
            to_latent: Conv::new(path / "to_latent", c2, latent, 1, 1, 1.0),
            from_latent: Conv::new(path / "from_latent", latent, c2, 3, 1, 1.4),
            blocks: [
                residuals(path, "up0", b0, c0),
                residuals(path, "up1", b1, c1),
                residuals(path, "up2", b2, c2),
            ],
            grow: [
                Conv::new(path / "grow0", c1 / 4, c0, 1, 1, 1.0),
                Conv::new(path / "grow1", c2 / 4, c1, 1, 1, 1.0),
            ],
            unpack: Conv::new(path / "unpack", c0, 4 * head, 1, 1, 1.0),
            head: Conv::new(path / "head", head, head, 3, 1, 1.0),
            out: Conv::new(path / "out", head, 4, 3, 1, 0.3),
        }
    }

    /// Pixels along a token.
    pub fn token_px(&self) -> i64 {
        self.token_px
    }

    /// `rgb` is [batch, 3, h, w], −1 to 1, h and w multiples of [`token_px`](Self::token_px). Returns [batch, latent, h / token_px, w / token_px], f32.
    ///
    /// # Errors
    /// Shapes that do not fit, or no memory.
    pub fn encode(&self, rgb: &Tensor) -> Result<Tensor> {
        let h = self.stem.forward(&space_to_depth(&space_to_depth(rgb)?)?)?;
        let h = self.shrink.forward(&through(&self.narrow, h)?)?;
        let mut h = through(&self.deep, h)?;
        if let Some([coarsen, _]) = &self.coarse {
            h = coarsen.forward(&h)?;
        }
        let z = self.to_latent.forward(&h)?.f_to_kind(Kind::Float)?;
        unit(&z, 1)
    }

    /// `latent` is [batch, latent, h / token_px, w / token_px]; computes in `kind`.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn decode(&self, latent: &Tensor, kind: Kind) -> Result<Decoded> {
        let mut h = self.from_latent.forward(&latent.f_to_kind(kind)?)?;
        if let Some([_, refine]) = &self.coarse {
            h = refine.forward(&depth_to_space(&h)?)?;
        }
        let h = through(&self.blocks[2], h)?;
        let h = through(&self.blocks[1], self.grow[1].forward(&depth_to_space(&h)?)?)?;
        let h = through(&self.blocks[0], self.grow[0].forward(&depth_to_space(&h)?)?)?;
        let h = depth_to_space(&self.unpack.forward(&h.f_relu()?)?)?.f_relu_()?;
        let h = self.head.forward(&h)?.f_relu_()?;
        let out = self.out.forward(&h)?.f_to_kind(Kind::Float)?;
        Ok(Decoded { rgb: out.f_narrow(1, 0, 3)?, nearness: out.f_narrow(1, 3, 1)?.f_sigmoid()? })
    }

    /// Prepares all weights once, for inference in `kind`.
    ///
    /// # Errors
    /// No memory.
    pub fn freeze(&mut self, kind: Kind) -> Result<()> {
        let blocks = self.blocks.iter_mut().chain([&mut self.narrow, &mut self.deep]).flatten();
        for block in blocks {
            block.freeze(kind)?;
        }
        for conv in self.grow.iter_mut().chain(self.coarse.iter_mut().flatten()).chain([
            &mut self.stem,
            &mut self.shrink,
            &mut self.to_latent,
            &mut self.from_latent,
            &mut self.unpack,
            &mut self.head,
            &mut self.out,
        ]) {
            conv.freeze(kind)?;
        }
        Ok(())
    }
}

/// Scales `x` to a root mean square of 1 along `axis`.
///
/// # Errors
/// No memory.
pub fn unit(x: &Tensor, axis: i64) -> Result<Tensor> {
    let square = x.f_square()?.f_mean_dim([axis].as_slice(), true, Kind::Float)?;
    x.f_mul(&square.f_add_scalar(1e-6)?.f_rsqrt()?)
}

/// As [`Decoded::nearness`]; depth 0 is 1, the sky 0.
pub fn nearness(depth_m: f32) -> f32 {
    1.0 / (1.0 + 0.25 * depth_m)
}

/// Inverse of [`nearness`], metres; what is all but sky is infinitely far.
pub fn depth_m(nearness: f32) -> f32 {
    if nearness < SKY_NEARNESS { f32::INFINITY } else { 4.0 / nearness.min(1.0) - 4.0 }
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::nn::VarStore;

    use super::*;

    fn small() -> AutoencoderConfig {
        AutoencoderConfig {
            latent_channels: 8,
            channels: [8, 16, 32],
            blocks: [1, 1, 1],
            head_channels: 8,
            token_px: 8,
        }
    }

    #[test]
    fn shapes_and_strength_of_latents() {
        let store = VarStore::new(Device::Cpu);
        let net = Autoencoder::new(&store.root(), &small());
        let rgb = Tensor::rand([2, 3, 24, 40], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let latent = net.encode(&rgb).unwrap();
        assert_eq!(latent.size(), [2, 8, 3, 5]);
        let strength = latent.square().mean_dim([1i64].as_slice(), false, Kind::Float);
        assert!(f64::try_from((strength - 1.0).abs().max()).unwrap() < 1e-3);
        let decoded = net.decode(&latent, Kind::Float).unwrap();
        assert_eq!(decoded.rgb.size(), [2, 3, 24, 40]);
        assert_eq!(decoded.nearness.size(), [2, 1, 24, 40]);
    }

    #[test]
    fn a_coarser_one_has_a_fourth_of_the_tokens() {
        let store = VarStore::new(Device::Cpu);
        let net = Autoencoder::new(&store.root(), &AutoencoderConfig { token_px: 16, ..small() });
        let latent = net.encode(&Tensor::rand([2, 3, 32, 48], (Kind::Float, Device::Cpu))).unwrap();
        assert_eq!((latent.size(), net.token_px()), (vec![2, 8, 2, 3], 16));
        assert_eq!(net.decode(&latent, Kind::Float).unwrap().rgb.size(), [2, 3, 32, 48]);
    }

    #[test]
    fn frozen_weights_say_the_same() {
        for token_px in [8, 16] {
            frozen_says_the_same(&AutoencoderConfig { token_px, ..small() });
        }
    }

    fn frozen_says_the_same(config: &AutoencoderConfig) {
        let store = VarStore::new(Device::Cpu);
        let mut net = Autoencoder::new(&store.root(), config);
        let rgb = Tensor::rand([1, 3, 16, 16], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let _guard = tch::no_grad_guard();
        let code =
            |net: &Autoencoder| net.decode(&net.encode(&rgb).unwrap(), Kind::Float).unwrap().rgb;
        let before = code(&net);
        net.freeze(Kind::Float).unwrap();
        assert!(f64::try_from((code(&net) - before).abs().max()).unwrap() < 1e-5);
    }

    #[test]
    fn depth_survives_its_scale_and_the_sky_stays_far() {
        for depth in [0.0f32, 0.5, 3.0, 40.0] {
            assert!((depth_m(nearness(depth)) - depth).abs() < 1e-3 * (1.0 + depth));
        }
        assert_eq!(depth_m(nearness(f32::INFINITY)), f32::INFINITY);
    }

    #[test]
    fn sizes_that_cannot_be_are_named() {
        assert_eq!(AutoencoderConfig::default().fault(), None);
        let fault = |config: AutoencoderConfig| config.fault().unwrap().0;
        assert_eq!(fault(AutoencoderConfig { latent_channels: 0, ..small() }), "latent_channels");
        assert_eq!(fault(AutoencoderConfig { channels: [8, 12, 8], ..small() }), "channels");
        assert_eq!(fault(AutoencoderConfig { blocks: [-1, 0, 0], ..small() }), "blocks");
        assert_eq!(fault(AutoencoderConfig { token_px: 32, ..small() }), "token_px");
    }
}
