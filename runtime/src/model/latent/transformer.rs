//! The network of model M: a frame-causal diffusion transformer over latents.
//!
//! A frame is `rows × columns` tokens. Spatial attention looks within a frame, temporal attention at the same place of earlier
//! frames, and both are modulated by what holds for the frame (adaptive norms with gates, Peebles & Xie 2023). Two kinds of frames go
//! through the same blocks: *past* ones, whose latents are known and which only give keys and values, and *wanted* ones, which
//! are noisy, look at the past, and are predicted. Training runs a whole sequence of both, play one past frame and one wanted.

use serde::{Deserialize, Serialize};
use tch::nn::Path;
use tch::{Device, Kind, TchError, Tensor};

use super::attention::{Block, Modulation};
use super::ring::{Frames, Ring};
use super::rotary::Rotary;
use super::streaming::Played;
use crate::model::reverie::layers::{Linear, space_to_depth};

type Result<T> = std::result::Result<T, TchError>;

/// Numbers that tell the kind of a frame and how it is to be sampled, after the condition's globals: noise level, step size,
/// wanted, anchored.
pub const OWN_GLOBALS: i64 = 4;
const MOST: i64 = 1 << 14;

/// Sizes of the transformer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransformerConfig {
    /// Channels of a token.
    pub channels: i64,
    /// Of attention; `channels / heads` is a multiple of 8.
    pub heads: i64,
    /// Blocks.
    pub depth: i64,
    /// Past frames that a frame can look at.
    pub context_frames: i64,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self { channels: 192, heads: 3, depth: 6, context_frames: 16 }
    }
}

impl TransformerConfig {
    /// The first field that no transformer can have, and what it may be. Cards and recipes are untrusted.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let Self { channels, heads, depth, context_frames } = *self;
        if !(8..=MOST).contains(&channels) {
            return Some(("channels", format!("{channels}; it must lie in 8 to {MOST}")));
        }
        if heads < 1 || channels % (8 * heads) != 0 {
            let reason = "channels / heads must be a multiple of 8";
            return Some(("heads", format!("{heads} of {channels} channels; {reason}")));
        }
        [("depth", depth, 128), ("context_frames", context_frames, 1024)]
            .into_iter()
            .find(|(_, value, most)| !(1..=*most).contains(value))
            .map(|(field, value, most)| (field, format!("{value}; it must lie in 1 to {most}")))
    }
}

/// What is fixed by the picture and the condition, beside the recipe's sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    /// Tokens down and across a frame.
    pub grid: [i64; 2],
    /// Pixels along a token, a power of two.
    pub token_px: i64,
    /// Channels of a latent.
    pub latent: i64,
    /// Channels of the condition maps.
    pub maps: i64,
    /// Length of the condition's globals.
    pub globals: i64,
}

/// What a wanted frame is made from. The first axes of all are batch and frame.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// [b, t, tokens, latent], noisy.
    pub noisy: &'a Tensor,
    /// The same shape: what is known of the picture before any network has thought about it.
    pub guess: &'a Tensor,
    /// [b, t, tokens, 1], share of each token's pixels that the guess knows.
    pub known: &'a Tensor,
    /// [b·t, maps, h, w] for frames that see the shadow, blank for those that do not; `None` if none does.
    pub maps: Option<&'a Tensor>,
    /// [b, t, globals + OWN_GLOBALS].
    pub globals: &'a Tensor,
}

/// The network.
#[derive(Debug)]
pub struct Transformer {
    pub(super) inputs: Inputs,
    context_frames: i64,
    pub(super) past_in: Linear,
    pub(super) wanted_in: Linear,
    pub(super) maps_in: Linear,
    pub(super) place: Tensor,
    pub(super) embed: [Linear; 2],
    pub(super) blocks: Vec<Block>,
    pub(super) last: Modulation,
    pub(super) out: Linear,
    pub(super) rotary: Rotary,
    played: Option<Played>,
}

impl Transformer {
    /// Registers all weights under `path`.
    ///
    /// # Errors
    /// No memory.
    pub fn new(path: &Path, config: &TransformerConfig, inputs: Inputs) -> Result<Self> {
        let (d, latent) = (config.channels, inputs.latent);
        let place = tch::nn::Init::Randn { mean: 0.0, stdev: 0.02 };
        Ok(Self {
            inputs,
            context_frames: config.context_frames,
            past_in: Linear::new(path / "past_in", latent, d, 1.0, 0.0),
            wanted_in: Linear::new(path / "wanted_in", 2 * latent + 1, d, 1.0, 0.0),
            maps_in: Linear::new(
                path / "maps_in",
                inputs.maps * inputs.token_px * inputs.token_px,
                d,
                0.5,
                0.0,
            ),
            place: path.var("place", &[inputs.grid[0] * inputs.grid[1], d], place),
            embed: [
                Linear::new(path / "embed0", inputs.globals + OWN_GLOBALS, d, 1.0, 0.0),
                Linear::new(path / "embed1", d, d, 1.0, 0.0),
            ],
            blocks: (0..config.depth)
                .map(|i| Block::new(&(path / "block" / i), d, config.heads))
                .collect(),
            last: Modulation::new(&(path / "last"), d, 2),
            out: Linear::new(path / "out", d, latent + 1, 0.05, 0.0),
            rotary: Rotary::new(d / config.heads, 4 * config.context_frames, path.device())?,
            played: None,
        })
    }

    /// Prepares all weights once, for playing in `kind`; later changes of the weights have no effect on [`step`](Self::step).
    ///
    /// # Errors
    /// No memory.
    pub fn freeze(&mut self, kind: Kind) -> Result<()> {
        self.played = Some(Played::new(self, kind)?);
        Ok(())
    }

    /// An empty past for [`step`](Self::step).
    ///
    /// # Errors
    /// No memory.
    pub fn ring(&self, kind: Kind, device: Device) -> Result<Ring> {
        let heads = self.blocks.first().map_or([1, 8], Block::heads);
        let tokens = self.inputs.grid[0] * self.inputs.grid[1];
        Ring::new(self.blocks.len(), tokens, heads, self.context_frames, kind, device)
    }

    /// Predicts the frames of a sequence, each from the past frames before it.
    ///
    /// `past` is [b, t, tokens, latent] and `past_globals` [b, t, globals + OWN_GLOBALS]; frame i of `wanted` sees the frames
    /// i − context_frames to i − 1 of `past`. Returns [b, t, tokens, latent], f32, of unit strength. Computes in `kind`.
    ///
    /// # Errors
    /// Shapes that do not fit, or no memory.
    pub fn sequence(
        &self,
        past: &Tensor,
        past_globals: &Tensor,
        wanted: &Wanted,
        kind: Kind,
    ) -> Result<Tensor> {
        let frames = past.size()[1];
        let tokens = Tensor::f_cat(&[self.past(past, kind)?, self.wanted(wanted, kind)?], 1)?;
        let told = Tensor::f_cat(&[past_globals, wanted.globals], 1)?;
        let told = self.told(&told, kind)?;
        let mask = sequence_mask(frames, self.context_frames, tokens.device())?.f_to_kind(kind)?;
        let positions: Vec<i64> = (0..frames).chain(0..frames).collect();
        let mut x = tokens;
        for block in &self.blocks {
            x = block.forward(&x, &told, &self.rotary, &positions, &mask)?;
        }
        let x = x.f_narrow(1, frames, frames)?;
        let told = told.f_narrow(1, frames, frames)?;
        let out = self.out.forward(&self.last.norm(&x, &told, 0)?)?.f_to_kind(Kind::Float)?;
        self.predict(&out, wanted.guess)
    }

    /// Predicts one frame from the ring, [1, 1, tokens, latent]. `past` is the frame before it with its globals, if the
    /// ring does not know it yet; it is written into the ring. `wanted` is one frame. No gradients.
    ///
    /// # Errors
    /// As [`sequence`](Self::sequence).
    pub fn step(
        &self,
        ring: &mut Ring,
        past: Option<(&Tensor, &Tensor)>,
        wanted: &Wanted,
    ) -> Result<Tensor> {
        let cursor = self.cursor(ring, Frames { past: past.is_some(), wanted: true });
        let cursor = Tensor::f_from_slice(&cursor)?.f_to_device(wanted.noisy.device())?;
        self.step_at(ring, &cursor, past, wanted)
    }

    /// Makes room for a past frame, and says where the next step's frames go: what [`step_at`](Self::step_at) needs on the device.
    pub(super) fn cursor(&self, ring: &mut Ring, frames: Frames) -> Vec<i64> {
        if frames.past {
            ring.advance();
        }
        ring.cursor(frames, self.rotary.period())
    }

    /// A [`step`](Self::step) that looks at nothing but tensors on the device.
    pub(super) fn step_at(
        &self,
        ring: &mut Ring,
        cursor: &Tensor,
        past: Option<(&Tensor, &Tensor)>,
        wanted: &Wanted,
    ) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        self.playing(ring.kind(), |played| {
            let kind = ring.kind();
            let input = Tensor::f_cat(&[wanted.noisy, wanted.guess, wanted.known], -1)?;
            let x = played.wanted_in.forward(&input.f_squeeze_dim(0)?.f_to_kind(kind)?)?;
            let mut x = x.f_add(&played.place)?;
            if let Some(maps) = wanted.maps {
                x = x.f_add_(&played.see(maps)?)?;
            }
            let mut globals = wanted.globals.shallow_clone();
            if let Some((latent, of_past)) = past {
                let latent = latent.f_squeeze_dim(0)?.f_to_kind(kind)?;
                let before = played.past_in.forward(&latent)?.f_add(&played.place)?;
                x = Tensor::f_cat(&[before, x], 0)?;
                globals = Tensor::f_cat(&[of_past, &globals], 1)?;
            }
            let frames = Frames { past: past.is_some(), wanted: true };
            let told = played.told(&globals)?;
            let x = played.through(x, &told, frames, cursor, ring)?;
            let out = played.last(&x, &told)?.f_unsqueeze(0)?;
            self.predict(&out, wanted.guess)
        })
    }

    /// Writes a past frame into the ring and predicts nothing: `latent` and `globals` as for [`step`](Self::step).
    ///
    /// # Errors
    /// As [`sequence`](Self::sequence).
    pub fn remember(&self, ring: &mut Ring, latent: &Tensor, globals: &Tensor) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let frames = Frames { past: true, wanted: false };
        let cursor = self.cursor(ring, frames);
        let cursor = Tensor::f_from_slice(&cursor)?.f_to_device(latent.device())?;
        self.playing(ring.kind(), |played| {
            let latent = latent.f_squeeze_dim(0)?.f_to_kind(ring.kind())?;
            let x = played.past_in.forward(&latent)?.f_add(&played.place)?;
            played.through(x, &played.told(globals)?, frames, &cursor, ring).map(drop)
        })
    }

    /// With weights for playing: those of [`freeze`](Self::freeze), or made for this once.
    fn playing<T>(&self, kind: Kind, play: impl FnOnce(&Played) -> Result<T>) -> Result<T> {
        match &self.played {
            Some(played) => play(played),
            None => play(&Played::new(self, kind)?),
        }
    }

    fn past(&self, latent: &Tensor, kind: Kind) -> Result<Tensor> {
        self.past_in.forward(&latent.f_to_kind(kind)?)?.f_add(&self.place.f_to_kind(kind)?)
    }

    fn wanted(&self, wanted: &Wanted, kind: Kind) -> Result<Tensor> {
        let input = Tensor::f_cat(&[wanted.noisy, wanted.guess, wanted.known], -1)?;
        let mut x = self.wanted_in.forward(&input.f_to_kind(kind)?)?;
        if let Some(maps) = wanted.maps {
            // One token holds all pixels of its place.
            let patches = (0..self.inputs.token_px.ilog2())
                .try_fold(maps.f_to_kind(kind)?, |maps, _| space_to_depth(&maps))?;
            let seen = self.maps_in.forward(&patches.f_permute([0, 2, 3, 1])?)?;
            x = x.f_add(&seen.f_reshape(x.size().as_slice())?)?;
        }
        x.f_add(&self.place.f_to_kind(kind)?)
    }

    fn told(&self, globals: &Tensor, kind: Kind) -> Result<Tensor> {
        let h = self.embed[0].forward(&globals.f_to_kind(kind)?)?.f_silu()?;
        self.embed[1].forward(&h)?.f_silu()
    }

    /// The guess where it is good, and what is to be added.
    fn predict(&self, out: &Tensor, guess: &Tensor) -> Result<Tensor> {
        let latent = self.inputs.latent;
        let gate = out.f_narrow(-1, latent, 1)?.f_add_scalar(2.0)?.f_sigmoid()?;
        let sum = guess.f_mul(&gate)?.f_add(&out.f_narrow(-1, 0, latent)?)?;
        super::autoencoder::unit(&sum, -1)
    }
}

/// 0 where frame i of past and wanted ones may look at frame j, −10⁴ elsewhere: [2t, 2t].
fn sequence_mask(frames: i64, context: i64, device: Device) -> Result<Tensor> {
    let may = |i: i64, j: i64| {
        let (wanted, own) = (i >= frames, j >= frames);
        let age = i % frames - j % frames;
        match (wanted, own) {
            (false, false) => (0..context).contains(&age),
            (true, false) => (1..=context).contains(&age),
            (true, true) => age == 0,
            (false, true) => false,
        }
    };
    let values: Vec<f32> = (0..2 * frames)
        .flat_map(|i| (0..2 * frames).map(move |j| (i, j)))
        .map(|(i, j)| if may(i, j) { 0.0 } else { -1e4 })
        .collect();
    Tensor::f_from_slice(&values)?.f_view([2 * frames, 2 * frames])?.f_to_device(device)
}

#[cfg(test)]
#[path = "transformer_tests.rs"]
mod tests;
