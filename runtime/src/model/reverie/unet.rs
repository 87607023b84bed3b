//! The denoiser of model S: a U-Net that gates between what is known and adds a residual.

use serde::{Deserialize, Serialize};
use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use super::layers::{Block, Conv, Linear, depth_to_space, space_to_depth};
use crate::condition::{CANDIDATE_COUNT, CHANNELS, GLOBALS, PAINT};
use crate::weights::MAX_WEIGHTS_BYTES;

type Result<T> = std::result::Result<T, TchError>;

const GATES: i64 = CANDIDATE_COUNT as i64;
/// What the gates lean to before training: paint, exemplars, last frame, older frames, memory.
const GATE_BIAS: [f32; CANDIDATE_COUNT] = [0.0, 1.0, 3.0, 1.5, 1.5];
const EMBEDDING: i64 = 128;
const MOST_CHANNELS: i64 = 4096;
const MOST_BLOCKS: i64 = 64;
/// In bfloat16 no file could hold more.
const MOST_WEIGHTS: i64 = (MAX_WEIGHTS_BYTES / 2) as i64;

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnetConfig {
    /// Of the three levels, at 1/2, 1/4 and 1/8 of the picture's size; multiples of 8.
    pub channels: [i64; 3],
    /// Residual blocks on the way down at each level; the way up has as many, the deepest level twice as many.
    pub blocks: [i64; 3],
    /// Of the layers at full size.
    pub head_channels: i64,
}

impl Default for UnetConfig {
    fn default() -> Self {
        Self { channels: [64, 96, 192], blocks: [1, 2, 2], head_channels: 32 }
    }
}

impl UnetConfig {
    /// The first field that no network can have, and what it may be. Cards and recipes are untrusted: a network
    /// is built only of sizes that were checked.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let Self { channels, blocks, head_channels } = self;
        if channels.iter().any(|c| *c < 8 || c % 8 != 0 || *c > MOST_CHANNELS) {
            let reason = format!("each must be a multiple of 8 up to {MOST_CHANNELS}");
            return Some(("channels", format!("{channels:?}; {reason}")));
        }
        if blocks.iter().any(|b| !(1..=MOST_BLOCKS).contains(b)) {
            return Some(("blocks", format!("{blocks:?}; each must lie in 1 to {MOST_BLOCKS}")));
        }
        if !(1..=MOST_CHANNELS).contains(head_channels) {
            let reason = format!("it must lie in 1 to {MOST_CHANNELS}");
            return Some(("head_channels", format!("{head_channels}; {reason}")));
        }
        // A residual block has two convolutions 3×3; levels have their blocks twice.
        let levels = channels.iter().zip(blocks).map(|(c, b)| 4 * b * c * c).sum::<i64>();
        let weights = 9 * (levels + 2 * head_channels * head_channels);
        if weights > MOST_WEIGHTS {
            let reason = format!(
                "with blocks {blocks:?} and head_channels {head_channels} these are {weights} weights, \
                 at most {MOST_WEIGHTS} are possible"
            );
            return Some(("channels", format!("{channels:?}; {reason}")));
        }
        None
    }
}

/// x-prediction network: (noisy picture, condition, globals, noise level) → clean picture, all −1 to 1.
#[derive(Debug)]
pub struct Unet {
    embed: [Linear; 2],
    full: Conv,
    stem: Conv,
    down: [Vec<Block>; 2],
    shrink: [Conv; 2],
    middle: Vec<Block>,
    grow: [Conv; 2],
    up: [Vec<Block>; 2],
    unpack: Conv,
    head: [Conv; 2],
    out: Conv,
}

impl Unet {
    /// Registers all weights under `path`.
    pub fn new(path: &Path, config: &UnetConfig) -> Self {
        let [c0, c1, c2] = config.channels;
        let head = config.head_channels;
        let input = CHANNELS as i64 + 3;
        let blocks = |name: &str, count: i64, channels: i64| {
            (0..count).map(|i| Block::new(path / name / i, channels, EMBEDDING)).collect::<Vec<_>>()
        };
        let [b0, b1, b2] = config.blocks;
        Self {
            embed: [
                Linear::new(path / "embed0", GLOBALS as i64 + 1, EMBEDDING, 1.0, 0.0),
                Linear::new(path / "embed1", EMBEDDING, EMBEDDING, 1.0, 0.0),
            ],
            full: Conv::new(path / "full", input, head, 1, 1, 1.0),
            stem: Conv::new(path / "stem", 4 * input, c0, 1, 1, 1.0),
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
            unpack: Conv::new(path / "unpack", c0, 4 * head, 1, 1, 0.7),
            head: [
                Conv::new(path / "head0", head, head, 3, 1, 1.0),
                Conv::new(path / "head1", head, head, 3, 1, 1.0),
            ],
            out: Conv::new(path / "out", head, GATES + 3, 3, 1, 0.0),
        }
    }

    /// One evaluation.
    ///
    /// `noisy` [batch, 3, h, w]; `maps` [batch, CHANNELS, h, w]; `globals` [batch, GLOBALS]; `noise_level`
    /// [batch, 1], 0 clean to 1 pure noise. h and w are multiples of 8. Computes in the kind of `maps`; returns f32.
    ///
    /// # Errors
    /// Shapes that do not fit, or no memory.
    pub fn forward(
        &self,
        noisy: &Tensor,
        maps: &Tensor,
        globals: &Tensor,
        noise_level: &Tensor,
    ) -> Result<Tensor> {
        let x = Tensor::f_cat(&[maps.shallow_clone(), noisy.f_to_kind(maps.kind())?], 1)?;
        let embedded = Tensor::f_cat(&[globals, noise_level], 1)?.f_to_kind(maps.kind())?;
        let embedded = self.embed[0].forward(&embedded)?.f_relu_()?;
        let embedded = self.embed[1].forward(&embedded)?.f_relu_()?;
        let run = |blocks: &[Block], mut h: Tensor| -> Result<Tensor> {
            for block in blocks {
                h = block.forward(&h, &embedded)?;
            }
            Ok(h)
        };
        let skip0 = run(&self.down[0], self.stem.forward(&space_to_depth(&x)?)?)?;
        let skip1 = run(&self.down[1], self.shrink[0].forward(&skip0)?)?;
        let h = run(&self.middle, self.shrink[1].forward(&skip1)?)?;
        let h = Tensor::f_cat(&[depth_to_space(&h)?, skip1], 1)?;
        let h = run(&self.up[1], self.grow[1].forward(&h)?)?;
        let h = Tensor::f_cat(&[depth_to_space(&h)?, skip0], 1)?;
        let h = run(&self.up[0], self.grow[0].forward(&h)?)?;
        let h = self
            .full
            .forward(&x)?
            .f_add_(&depth_to_space(&self.unpack.forward(&h)?)?)?
            .f_relu_()?;
        let h = self.head[0].forward(&h)?.f_relu_()?;
        let h = self.head[1].forward(&h)?.f_relu_()?;
        gate(&self.out.forward(&h)?, maps)
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
        let convs = self.shrink.iter_mut().chain(&mut self.grow).chain(&mut self.head);
        for conv in convs.chain([&mut self.full, &mut self.stem, &mut self.unpack, &mut self.out]) {
            conv.freeze(kind)?;
        }
        Ok(())
    }
}

/// Softmax gates over the candidates that are valid, plus the residual. `out` is [batch, gates + 3, h, w].
fn gate(out: &Tensor, maps: &Tensor) -> Result<Tensor> {
    let (batch, _, h, w) = out.size4()?;
    // Channels are innermost in memory: these are views, and the arithmetic below is contiguous.
    let out = out.f_permute([0, 2, 3, 1])?.f_to_kind(Kind::Float)?;
    let candidates = maps
        .f_permute([0, 2, 3, 1])?
        .f_narrow(3, PAINT as i64, 4 * GATES)?
        .f_to_kind(Kind::Float)?
        .f_contiguous()?
        .f_view([batch, h, w, GATES, 4])?;
    let bias = Tensor::f_from_slice(&GATE_BIAS)?.f_to_device(out.device())?;
    let mask = candidates.f_select(4, 3)?.f_clamp(1e-4, 1.0)?.f_log()?.f_add_(&bias)?;
    let gates = out.f_narrow(3, 0, GATES)?.f_add(&mask)?.f_softmax(3, Kind::Float)?;
    let chosen = gates.f_unsqueeze(4)?.f_mul(&candidates)?.f_sum_dim_intlist(
        [3i64].as_slice(),
        false,
        Kind::Float,
    )?;
    chosen.f_narrow(3, 0, 3)?.f_add(&out.f_narrow(3, GATES, 3)?)?.f_permute([0, 3, 1, 2])
}
