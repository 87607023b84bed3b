//! Sequences on the device, and the finished autoencoder that made them.

use reverie_guard::CameraPose;
use tch::{Device, Kind, Tensor};

use super::autoencoder::pictures;
use super::sequence::Sequence;
use crate::bits::from_bits;
use crate::condition::{CHANNELS, GLOBALS};
use crate::model::latent::autoencoder::{Autoencoder, Decoded};
use crate::model::latent::latents::{token_mean, tokens};
use crate::train::TrainError;

/// Pictures that are coded at once.
const AT_ONCE: i64 = 128;

/// An autoencoder that is done learning, and how it computes.
pub struct Coder {
    /// Frozen.
    pub net: Autoencoder,
    /// Where.
    pub device: Device,
    /// In which numbers.
    pub kind: Kind,
    /// Width and height of its pictures.
    pub size: (u32, u32),
}

/// A sequence on the device, t frames long.
pub struct Row {
    /// [t, 3, h, w], −1 to 1.
    pub(super) truth: Tensor,
    /// [t, tokens, latent].
    pub(super) latent: Tensor,
    pub(super) shadow: Option<Shadow>,
    pub(super) cameras: Vec<(CameraPose, CameraPose)>,
    pub(super) past_globals: Vec<[f32; GLOBALS]>,
}

pub(super) struct Shadow {
    /// [t, tokens, latent], from the candidates.
    pub(super) guess: Tensor,
    /// The same as a picture, [t, 3, h, w].
    pub(super) guess_rgb: Tensor,
    /// How well the guess knows each pixel, [t, 1, h, w].
    pub(super) known_px: Tensor,
    /// Share of a token's pixels that it knows, [t, tokens, 1].
    pub(super) known: Tensor,
    /// [t, CHANNELS, h, w].
    pub(super) maps: Tensor,
    pub(super) globals: Vec<[f32; GLOBALS]>,
}

impl Coder {
    /// Tokens down and across.
    pub fn grid(&self) -> [i64; 2] {
        let side = self.net.token_px();
        [i64::from(self.size.1) / side, i64::from(self.size.0) / side]
    }

    /// Latents of pictures [n, 3, h, w], a few at a time, as [n, latent, rows, columns].
    pub(super) fn encode(&self, pictures: &Tensor) -> Result<Tensor, TrainError> {
        let parts = pictures.f_split(AT_ONCE, 0)?;
        let coded = parts.iter().map(|part| self.net.encode(&part.f_to_kind(self.kind)?));
        Ok(Tensor::f_cat(&coded.collect::<Result<Vec<_>, _>>()?, 0)?)
    }

    /// Colours, −1 to 1, and nearness of latents.
    pub(super) fn decode(&self, latents: &Tensor) -> Result<Decoded, TrainError> {
        let (mut rgb, mut nearness) = (Vec::new(), Vec::new());
        for part in latents.f_split(AT_ONCE, 0)? {
            let decoded = self.net.decode(&part, self.kind)?;
            rgb.push(decoded.rgb);
            nearness.push(decoded.nearness);
        }
        Ok(Decoded { rgb: Tensor::f_cat(&rgb, 0)?, nearness: Tensor::f_cat(&nearness, 0)? })
    }

    /// Interleaved values as [n, channels, h, w].
    pub(super) fn tensor<T: tch::kind::Element>(
        &self,
        values: &[T],
        channels: i64,
    ) -> Result<Tensor, TrainError> {
        let shape = [-1, i64::from(self.size.1), i64::from(self.size.0), channels];
        let tensor = Tensor::f_from_slice(values)?.f_view(shape)?.f_to_device(self.device)?;
        Ok(tensor.f_permute([0, 3, 1, 2])?)
    }
}

impl Row {
    /// Brings a sequence to the device.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn new(sequence: &Sequence, coder: &Coder) -> Result<Self, TrainError> {
        let _guard = tch::no_grad_guard();
        let truth = pictures(sequence.rgb.iter().map(Vec::as_slice), coder.size, coder.device)?
            .f_to_kind(coder.kind)?;
        let cameras = sequence.cameras.iter().copied().zip(sequence.commanded.iter().copied());
        let seen = &sequence.shadow;
        let shadow = if seen.globals.is_empty() {
            None
        } else {
            let maps = from_bits(&coder.tensor(&seen.maps, CHANNELS as i64)?)?;
            let guess_rgb = coder.tensor(&seen.guess, 3)?.f_to_kind(coder.kind)?;
            let known_px = coder.tensor(&seen.known, 1)?;
            Some(Shadow {
                guess: tokens(&coder.encode(&guess_rgb)?)?,
                guess_rgb,
                known: tokens(&token_mean(&known_px, coder.net.token_px())?)?,
                known_px: known_px.f_to_kind(coder.kind)?,
                maps: maps.f_to_kind(coder.kind)?,
                globals: seen.globals.clone(),
            })
        };
        Ok(Self {
            latent: tokens(&coder.encode(&truth)?)?,
            truth,
            shadow,
            cameras: cameras.collect(),
            past_globals: sequence.dreamed.clone(),
        })
    }
}
