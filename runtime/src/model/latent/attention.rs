//! A block of the transformer: attention within a frame, attention over time, and a perceptron, each behind a modulated norm. This is how a whole sequence
//! goes through it; [`streaming`](super::streaming) does the same for one picture.

use tch::nn::Path;
use tch::{TchError, Tensor};

use super::rotary::Rotary;
use crate::model::reverie::layers::Linear;

type Result<T> = std::result::Result<T, TchError>;

/// Scale, shift and gate from what holds for a frame.
#[derive(Debug)]
pub struct Modulation {
    linear: Linear,
    channels: i64,
}

impl Modulation {
    /// Of `parts` vectors of `channels`.
    pub fn new(path: &Path, channels: i64, parts: i64) -> Self {
        let linear = Linear::new(path / "modulate", channels, parts * channels, 0.1, 0.0);
        Self { linear, channels }
    }

    pub(super) fn linear(&self) -> &Linear {
        &self.linear
    }

    fn part(&self, all: &Tensor, part: i64) -> Result<Tensor> {
        all.f_narrow(-1, part * self.channels, self.channels)?.f_unsqueeze(2)
    }

    /// All parts, [b, t, parts · channels].
    fn all(&self, told: &Tensor) -> Result<Tensor> {
        self.linear.forward(told)
    }

    /// `x` [b, t, tokens, channels], normed, then scaled and shifted by the parts from `first` on.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn norm(&self, x: &Tensor, told: &Tensor, first: i64) -> Result<Tensor> {
        self.norm_by(x, &self.all(told)?, first)
    }

    fn norm_by(&self, x: &Tensor, all: &Tensor, first: i64) -> Result<Tensor> {
        let h = x.f_layer_norm([self.channels], None::<Tensor>, None::<Tensor>, 1e-5, false)?;
        let scale = self.part(all, first)?.f_add_scalar(1.0)?;
        self.part(all, first + 1)?.f_addcmul(&h, &scale)
    }
}

/// Queries, keys and values in one matrix, and the way out.
#[derive(Debug)]
pub(super) struct Attention {
    pub(super) qkv: Linear,
    pub(super) out: Linear,
    pub(super) heads: i64,
}

impl Attention {
    fn new(path: &Path, channels: i64, heads: i64) -> Self {
        Self {
            qkv: Linear::new(path / "qkv", channels, 3 * channels, 1.0, 0.0),
            out: Linear::new(path / "out", channels, channels, 0.3, 0.0),
            heads,
        }
    }

    /// [b, t, n, c] to queries, keys and values, each [b, t, n, heads, c / heads].
    fn project(&self, x: &Tensor) -> Result<[Tensor; 3]> {
        let size = x.size();
        let (b, t, n, c) = (size[0], size[1], size[2], size[3]);
        let all = self.qkv.forward(x)?.f_view([b, t, n, 3, self.heads, c / self.heads])?;
        Ok([all.f_select(3, 0)?, all.f_select(3, 1)?, all.f_select(3, 2)?])
    }

    /// Attention within each frame.
    fn spatial(&self, x: &Tensor) -> Result<Tensor> {
        let size = x.size();
        let (b, t, n, c) = (size[0], size[1], size[2], size[3]);
        let shape = [b * t, n, self.heads, c / self.heads];
        let [q, k, v] = self.project(x)?;
        let lay = |x: Tensor| x.f_reshape(shape)?.f_transpose(1, 2);
        let seen = attend(&lay(q)?, &lay(k)?, &lay(v)?, None)?;
        self.out.forward(&seen.f_transpose(1, 2)?.f_reshape([b, t, n, c])?)
    }

    /// [b, t, n, heads, c] to [b · n, heads, t, c].
    fn by_place(x: &Tensor) -> Result<Tensor> {
        let size = x.size();
        x.f_permute([0, 2, 3, 1, 4])?.f_reshape([size[0] * size[2], size[3], size[1], size[4]])
    }

    fn from_places(&self, seen: &Tensor, b: i64, n: i64) -> Result<Tensor> {
        let size = seen.size();
        let (heads, t, c) = (size[1], size[2], size[3]);
        let x = seen.f_view([b, n, heads, t, c])?.f_permute([0, 3, 1, 2, 4])?;
        self.out.forward(&x.f_reshape([b, t, n, heads * c])?)
    }

    /// Attention over the frames of a sequence.
    fn temporal(
        &self,
        x: &Tensor,
        rotary: &Rotary,
        positions: &[i64],
        mask: &Tensor,
    ) -> Result<Tensor> {
        let [q, k, v] = self.project(x)?;
        let q = rotary.turn(&Self::by_place(&q)?, positions)?;
        let k = rotary.turn(&Self::by_place(&k)?, positions)?;
        let seen = attend(&q, &k, &Self::by_place(&v)?, Some(mask))?;
        self.from_places(&seen, x.size()[0], x.size()[2])
    }
}

pub(super) fn attend(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    Tensor::f_scaled_dot_product_attention(q, k, v, mask, 0.0, false, None, false)
}

/// See the module.
#[derive(Debug)]
pub struct Block {
    modulation: Modulation,
    pub(super) spatial: Attention,
    pub(super) temporal: Attention,
    pub(super) widen: Linear,
    pub(super) narrow: Linear,
}

impl Block {
    /// Keeps `channels`.
    pub fn new(path: &Path, channels: i64, heads: i64) -> Self {
        Self {
            modulation: Modulation::new(path, channels, 9),
            spatial: Attention::new(&(path / "spatial"), channels, heads),
            temporal: Attention::new(&(path / "temporal"), channels, heads),
            widen: Linear::new(path / "widen", channels, 4 * channels, 1.0, 0.0),
            narrow: Linear::new(path / "narrow", 4 * channels, channels, 0.3, 0.0),
        }
    }

    pub(super) fn modulation(&self) -> &Modulation {
        &self.modulation
    }

    /// Heads and channels of each.
    pub fn heads(&self) -> [i64; 2] {
        [self.spatial.heads, self.modulation.channels / self.spatial.heads]
    }

    /// `x` [b, t, tokens, channels], `told` [b, t, channels].
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn forward(
        &self,
        x: &Tensor,
        told: &Tensor,
        rotary: &Rotary,
        positions: &[i64],
        mask: &Tensor,
    ) -> Result<Tensor> {
        let m = &self.modulation;
        let all = m.all(told)?;
        let gate = |part| m.part(&all, part)?.f_add_scalar(1.0);
        let h = self.spatial.spatial(&m.norm_by(x, &all, 0)?)?;
        let x = x.f_addcmul(&h, &gate(2)?)?;
        let h = self.temporal.temporal(&m.norm_by(&x, &all, 3)?, rotary, positions, mask)?;
        let x = x.f_addcmul(&h, &gate(5)?)?;
        let h = self.widen.forward(&m.norm_by(&x, &all, 6)?)?.f_gelu("tanh")?;
        x.f_addcmul(&self.narrow.forward(&h)?, &gate(8)?)
    }
}
