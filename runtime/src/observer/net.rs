//! The network: a U-Net at half the picture's size and below, with classes and depth at full size.

use serde::{Deserialize, Serialize};
use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use super::prior::CLASSES;
use crate::model::reverie::layers::{Block, Conv, Linear, depth_to_space, space_to_depth};

type Result<T> = std::result::Result<T, TchError>;

/// Of the vector that tells all blocks what light the picture is in.
const TONE: i64 = 64;
/// Pixels of the thumbnail that this vector is made from.
const THUMBNAIL: [i64; 2] = [4, 8];
const OUTPUTS: i64 = CLASSES as i64 + 2;
/// The observer is to be small: larger networks are refused.
const MOST_WEIGHTS: i64 = 1_000_000;
const MOST_CHANNELS: i64 = 1024;
const MOST_BLOCKS: i64 = 16;
/// ln(depth in metres) is learnt about this.
const MEAN_DEPTH_LN: f64 = 1.6;

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObserverConfig {
    /// Of the three levels, at 1/2, 1/4 and 1/8 of the picture's size; multiples of 8.
    pub channels: [i64; 3],
    /// Residual blocks on the way down at each level; the way up has as many, the deepest level twice as many.
    pub blocks: [i64; 3],
}

impl Default for ObserverConfig {
    fn default() -> Self {
        Self { channels: [32, 48, 80], blocks: [1, 1, 1] }
    }
}

impl ObserverConfig {
    /// The first field that no observer can have, and what it may be. Cards and recipes are untrusted.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let Self { channels, blocks } = self;
        if channels.iter().any(|c| *c < 8 || c % 8 != 0 || *c > MOST_CHANNELS) {
            let reason = format!("each must be a multiple of 8 up to {MOST_CHANNELS}");
            return Some(("channels", format!("{channels:?}; {reason}")));
        }
        if blocks.iter().any(|b| !(1..=MOST_BLOCKS).contains(b)) {
            return Some(("blocks", format!("{blocks:?}; each must lie in 1 to {MOST_BLOCKS}")));
        }
        let weights = self.weights();
        (weights > MOST_WEIGHTS).then(|| {
            let reason = format!("these are {weights} weights, at most {MOST_WEIGHTS} are allowed");
            ("channels", format!("{channels:?}; with blocks {blocks:?} {reason}"))
        })
    }

    /// Number of weights.
    pub fn weights(&self) -> i64 {
        let [c0, c1, c2] = self.channels;
        let conv = |from: i64, to: i64, kernel: i64| to * (from * kernel * kernel + 1);
        let levels = self.channels.iter().zip(self.blocks);
        let blocks: i64 =
            levels.map(|(c, b)| 2 * b * (2 * conv(*c, *c, 3) + 2 * c * (TONE + 1))).sum();
        let thumbnail = 3 * THUMBNAIL[0] * THUMBNAIL[1];
        blocks
            + conv(12, c0, 3)
            + conv(c0, c1, 3)
            + conv(c1, c2, 3)
            + conv(c2 / 4 + c1, c1, 1)
            + conv(c1 / 4 + c0, c0, 1)
            + conv(c0, 4 * OUTPUTS, 3)
            + TONE * (thumbnail + 1)
            + TONE * (TONE + 1)
    }
}

/// What the network says, by pixel: the first axis is the batch, then rows and columns.
#[derive(Debug)]
pub struct Seen {
    /// [batch, height, width, [`CLASSES`]], f32; −∞ for those that the prior rules out.
    pub class_logits: Tensor,
    /// ln of the depth in metres, [batch, height, width], f32.
    pub depth_ln: Tensor,
    /// ln of the scale b of the Laplace distribution of ln(depth), [batch, height, width], f32.
    pub scale_ln: Tensor,
}

/// Picture → classes and depth.
#[derive(Debug)]
pub struct ObserverNet {
    tone: [Linear; 2],
    stem: Conv,
    down: [Vec<Block>; 2],
    shrink: [Conv; 2],
    middle: Vec<Block>,
    grow: [Conv; 2],
    up: [Vec<Block>; 2],
    out: Conv,
}

impl ObserverNet {
    /// Registers all weights under `path`.
    pub fn new(path: &Path, config: &ObserverConfig) -> Self {
        let [c0, c1, c2] = config.channels;
        let [b0, b1, b2] = config.blocks;
        let blocks = |name: &str, count: i64, channels: i64| {
            (0..count).map(|i| Block::new(path / name / i, channels, TONE)).collect::<Vec<_>>()
        };
        let thumbnail = 3 * THUMBNAIL[0] * THUMBNAIL[1];
        Self {
            tone: [
                Linear::new(path / "tone0", thumbnail, TONE, 1.0, 0.0),
                Linear::new(path / "tone1", TONE, TONE, 1.0, 0.0),
            ],
            stem: Conv::new(path / "stem", 12, c0, 3, 1, 1.0),
            down: [blocks("down0", b0, c0), blocks("down1", b1, c1)],
            shrink: [
                Conv::new(path / "shrink0", c0, c1, 3, 2, 1.0),
                Conv::new(path / "shrink1", c1, c2, 3, 2, 1.0),
            ],
            middle: blocks("middle", 2 * b2, c2),
            grow: [
                Conv::new(path / "grow0", c1 / 4 + c0, c0, 1, 1, 1.0),
                Conv::new(path / "grow1", c2 / 4 + c1, c1, 1, 1, 1.0),
            ],
            up: [blocks("up0", b0, c0), blocks("up1", b1, c1)],
            out: Conv::new(path / "out", c0, 4 * OUTPUTS, 3, 1, 0.1),
        }
    }

    /// `rgb` is [batch, 3, h, w], −1 to 1, h and w multiples of 8; `allowed` [batch, [`CLASSES`]], 1 or 0. Computes in the
    /// kind of `rgb`.
    ///
    /// # Errors
    /// Shapes that do not fit, or no memory.
    pub fn forward(&self, rgb: &Tensor, allowed: &Tensor) -> Result<Seen> {
        let tone = rgb.f_adaptive_avg_pool2d(THUMBNAIL)?.f_flatten(1, -1)?;
        let tone = self.tone[0].forward(&tone)?.f_relu_()?;
        let tone = self.tone[1].forward(&tone)?.f_relu_()?;
        let run = |blocks: &[Block], mut h: Tensor| -> Result<Tensor> {
            for block in blocks {
                h = block.forward(&h, &tone)?;
            }
            Ok(h)
        };
        let skip0 = run(&self.down[0], self.stem.forward(&space_to_depth(rgb)?)?)?;
        let skip1 = run(&self.down[1], self.shrink[0].forward(&skip0)?)?;
        let h = run(&self.middle, self.shrink[1].forward(&skip1)?)?;
        let h = Tensor::f_cat(&[depth_to_space(&h)?, skip1], 1)?;
        let h = run(&self.up[1], self.grow[1].forward(&h)?)?;
        let h = Tensor::f_cat(&[depth_to_space(&h)?, skip0], 1)?;
        let h = run(&self.up[0], self.grow[0].forward(&h)?)?.f_relu_()?;
        let out = depth_to_space(&self.out.forward(&h)?)?
            .f_permute([0, 2, 3, 1])?
            .f_to_kind(Kind::Float)?;
        let ruled_out = allowed.f_log()?.f_unsqueeze(1)?.f_unsqueeze(1)?;
        let classes = CLASSES as i64;
        Ok(Seen {
            class_logits: out.f_narrow(3, 0, classes)?.f_add(&ruled_out)?,
            depth_ln: out.f_select(3, classes)?.f_add_scalar(MEAN_DEPTH_LN)?,
            scale_ln: out.f_select(3, classes + 1)?.f_clamp(-6.0, 2.0)?,
        })
    }

    /// Prepares all weights once, for inference in `kind`; later changes of the weights have no effect.
    ///
    /// # Errors
    /// No memory.
    pub fn freeze(&mut self, kind: Kind) -> Result<()> {
        let blocks = self.down.iter_mut().chain(&mut self.up).chain([&mut self.middle]).flatten();
        for block in blocks {
            block.freeze(kind)?;
        }
        for conv in self.shrink.iter_mut().chain(&mut self.grow) {
            conv.freeze(kind)?;
        }
        self.stem.freeze(kind)?;
        self.out.freeze(kind)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, nn::VarStore};

    use super::*;
    use crate::observer::prior::{ClassPrior, SKY_CLASS};

    #[test]
    fn the_number_of_weights_is_what_the_check_says() {
        for config in
            [ObserverConfig::default(), ObserverConfig { channels: [8, 16, 24], blocks: [2, 1, 3] }]
        {
            let store = VarStore::new(Device::Cpu);
            ObserverNet::new(&store.root(), &config);
            let count: usize = store.variables().values().map(Tensor::numel).sum();
            assert_eq!(count as i64, config.weights());
            assert_eq!(config.fault(), None);
        }
        let large = ObserverConfig { channels: [64, 128, 256], blocks: [1, 1, 1] };
        assert!(large.fault().unwrap().1.contains("1000000"), "{:?}", large.fault());
    }

    #[test]
    fn what_is_ruled_out_has_no_probability() {
        let store = VarStore::new(Device::Cpu);
        let net =
            ObserverNet::new(&store.root(), &ObserverConfig { channels: [8; 3], blocks: [1; 3] });
        let rgb = Tensor::rand([1, 3, 16, 24], (Kind::Float, Device::Cpu));
        let prior = ClassPrior::SKY.with(3).tensor().unwrap().unsqueeze(0);
        let seen = net.forward(&rgb, &prior).unwrap();
        assert_eq!(seen.class_logits.size(), [1, 16, 24, CLASSES as i64]);
        assert_eq!(seen.depth_ln.size(), [1, 16, 24]);
        let p = seen.class_logits.softmax(3, Kind::Float);
        let of = |class: u8| p.select(3, i64::from(class)).mean(Kind::Float).double_value(&[]);
        assert_eq!(of(2), 0.0);
        assert!((of(3) + of(SKY_CLASS) - 1.0).abs() < 1e-5);
    }
}
