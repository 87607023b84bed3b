//! Layers of the denoiser. Weights live in f32; a layer computes in the kind of its input.

use tch::nn::{Init, Path};
use tch::{Kind, TchError, Tensor};

type Result<T> = std::result::Result<T, TchError>;

/// A convolution over pictures, zero padding that keeps the size (before the stride).
#[derive(Debug)]
pub struct Conv {
    weight: Tensor,
    bias: Tensor,
    /// Weight and bias in the kind of inference, channels innermost; see [`Conv::freeze`].
    frozen: Option<(Tensor, Tensor)>,
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
            frozen: None,
            stride,
            padding: kernel / 2,
        }
    }

    fn prepared(&self, kind: Kind) -> Result<(Tensor, Tensor)> {
        Ok((channels_last(&self.weight.f_to_kind(kind)?)?, self.bias.f_to_kind(kind)?))
    }

    /// Prepares the weights once, for inference in `kind`; later changes of the weights have no effect.
    pub fn freeze(&mut self, kind: Kind) -> Result<()> {
        let _guard = tch::no_grad_guard();
        self.frozen = Some(self.prepared(kind)?);
        Ok(())
    }

    /// `x` is [batch, from, height, width].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let prepared;
        let (weight, bias) = match &self.frozen {
            Some(frozen) => frozen,
            None => {
                prepared = self.prepared(x.kind())?;
                &prepared
            }
        };
        x.f_conv2d(weight, Some(bias), [self.stride; 2], [self.padding; 2], [1, 1], 1)
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
    /// In the kind of inference; see [`Linear::freeze`].
    frozen: Option<(Tensor, Tensor)>,
}

impl Linear {
    /// Xavier-initialised times `gain`, with a constant `bias`.
    pub fn new(path: Path, from: i64, to: i64, gain: f64, bias: f64) -> Self {
        let stdev = gain * (1.0 / from as f64).sqrt();
        Self {
            weight: path.var("weight", &[to, from], Init::Randn { mean: 0.0, stdev }),
            bias: path.var("bias", &[to], Init::Const(bias)),
            frozen: None,
        }
    }

    /// Prepares the weights once, for inference in `kind`; later changes of the weights have no effect.
    pub fn freeze(&mut self, kind: Kind) -> Result<()> {
        let _guard = tch::no_grad_guard();
        self.frozen = Some((self.weight.f_to_kind(kind)?, self.bias.f_to_kind(kind)?));
        Ok(())
    }

    /// Weight, [to, from], and bias, in f32.
    pub fn values(&self) -> (&Tensor, &Tensor) {
        (&self.weight, &self.bias)
    }

    /// `x` is [..., from].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.frozen {
            Some((weight, bias)) => x.f_linear(weight, Some(bias)),
            None => {
                x.f_linear(&self.weight.f_to_kind(x.kind())?, Some(&self.bias.f_to_kind(x.kind())?))
            }
        }
    }
}

/// Residual block without normalisation (as in EDSR, Lim et al. 2017): rectify, convolve, modulate by the
/// globals (FiLM, Perez et al. 2018), rectify, convolve, add.
///
/// On a CPU the convolutions run at the speed of the matrix units, so that every pass over memory beside them
/// counts: hence no norm, and one fused multiply-add for the modulation.
#[derive(Debug)]
pub struct Block {
    first: Conv,
    scale: Linear,
    shift: Linear,
    second: Conv,
}

impl Block {
    /// Keeps `channels`; `globals` is the length of the modulating vector.
    pub fn new(path: Path, channels: i64, globals: i64) -> Self {
        Self {
            first: Conv::new(&path / "first", channels, channels, 3, 1, 1.0),
            scale: Linear::new(&path / "scale", globals, channels, 0.1, 1.0),
            shift: Linear::new(&path / "shift", globals, channels, 0.1, 0.0),
            second: Conv::new(&path / "second", channels, channels, 3, 1, 0.1),
        }
    }

    /// See [`Conv::freeze`].
    pub fn freeze(&mut self, kind: Kind) -> Result<()> {
        self.first.freeze(kind)?;
        self.second.freeze(kind)
    }

    /// `x` is [batch, channels, height, width], `globals` [batch, globals].
    pub fn forward(&self, x: &Tensor, globals: &Tensor) -> Result<Tensor> {
        let map = |t: Tensor| t.f_unsqueeze(-1)?.f_unsqueeze(-1);
        let (scale, shift) =
            (map(self.scale.forward(globals)?)?, map(self.shift.forward(globals)?)?);
        let h = self.first.forward(&x.f_relu()?)?;
        let h = shift.f_addcmul(&h, &scale)?.f_relu_()?;
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
