//! Layers of the denoiser. Weights live in f32; a layer computes in the kind of its input.

use tch::nn::{Init, Path};
use tch::{TchError, Tensor};

type Result<T> = std::result::Result<T, TchError>;

/// A convolution over pictures, zero padding that keeps the size (before the stride).
#[derive(Debug)]
pub struct Conv {
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
}

impl Conv {
    /// `kernel` × `kernel`, He-initialised times `gain`; gain 0 starts as zero.
    pub fn new(path: Path, from: i64, to: i64, kernel: i64, stride: i64, gain: f64) -> Self {
        let stdev = gain * (2.0 / (from * kernel * kernel) as f64).sqrt();
        let init = if gain == 0.0 { Init::Const(0.0) } else { Init::Randn { mean: 0.0, stdev } };
        Self {
            weight: path.var("weight", &[to, from, kernel, kernel], init),
            bias: path.var("bias", &[to], Init::Const(0.0)),
            stride,
            padding: kernel / 2,
        }
    }

    /// `x` is [batch, from, height, width].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let weight = channels_last(&self.weight.f_to_kind(x.kind())?)?;
        let bias = self.bias.f_to_kind(x.kind())?;
        x.f_conv2d(&weight, Some(&bias), [self.stride; 2], [self.padding; 2], [1, 1], 1)
    }
}

/// The same values laid out with channels innermost, which oneDNN's and cuDNN's convolutions prefer.
pub fn channels_last(x: &Tensor) -> Result<Tensor> {
    x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}

/// A matrix and a bias.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// He-initialised times `gain`.
    pub fn new(path: Path, from: i64, to: i64, gain: f64) -> Self {
        let stdev = gain * (1.0 / from as f64).sqrt();
        let init = if gain == 0.0 { Init::Const(0.0) } else { Init::Randn { mean: 0.0, stdev } };
        Self {
            weight: path.var("weight", &[to, from], init),
            bias: path.var("bias", &[to], Init::Const(0.0)),
        }
    }

    /// `x` is [batch, from].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.f_linear(&self.weight.f_to_kind(x.kind())?, Some(&self.bias.f_to_kind(x.kind())?))
    }
}

/// Residual block: normalise, convolve, modulate by the globals (FiLM, Perez et al. 2018), convolve, add.
#[derive(Debug)]
pub struct Block {
    norm_weight: Tensor,
    norm_bias: Tensor,
    first: Conv,
    film: Linear,
    second: Conv,
    groups: i64,
}

impl Block {
    /// Keeps `channels`; `globals` is the length of the modulating vector.
    pub fn new(path: Path, channels: i64, globals: i64) -> Self {
        Self {
            norm_weight: path.var("norm_weight", &[channels], Init::Const(1.0)),
            norm_bias: path.var("norm_bias", &[channels], Init::Const(0.0)),
            first: Conv::new(&path / "first", channels, channels, 3, 1, 1.0),
            film: Linear::new(&path / "film", globals, 2 * channels, 0.1),
            second: Conv::new(&path / "second", channels, channels, 3, 1, 0.1),
            groups: 8,
        }
    }

    /// `x` is [batch, channels, height, width], `globals` [batch, globals].
    pub fn forward(&self, x: &Tensor, globals: &Tensor) -> Result<Tensor> {
        let kind = x.kind();
        let (weight, bias) = (self.norm_weight.f_to_kind(kind)?, self.norm_bias.f_to_kind(kind)?);
        let h = x.f_group_norm(self.groups, Some(&weight), Some(&bias), 1e-5, false)?.f_silu()?;
        let h = self.first.forward(&h)?;
        let film = self.film.forward(globals)?.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
        let film = film.f_chunk(2, 1)?;
        let h = h.f_mul(&film[0].f_add_scalar(1.0)?)?.f_add(&film[1])?.f_silu()?;
        x.f_add(&self.second.forward(&h)?)
    }
}

/// [batch, c, 2h, 2w] to [batch, 4c, h, w], channels innermost.
pub fn space_to_depth(x: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.size4()?;
    x.f_permute([0, 2, 3, 1])?
        .f_reshape([b, h / 2, 2, w / 2, 2, c])?
        .f_permute([0, 1, 3, 2, 4, 5])?
        .f_reshape([b, h / 2, w / 2, 4 * c])?
        .f_permute([0, 3, 1, 2])
}

/// Inverse of [`space_to_depth`].
pub fn depth_to_space(x: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.size4()?;
    x.f_permute([0, 2, 3, 1])?
        .f_reshape([b, h, w, 2, 2, c / 4])?
        .f_permute([0, 1, 3, 2, 4, 5])?
        .f_reshape([b, 2 * h, 2 * w, c / 4])?
        .f_permute([0, 3, 1, 2])
}
