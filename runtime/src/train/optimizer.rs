//! AdamW over one flat vector of all weights, with a moving average beside it.
//!
//! One vector makes a step a dozen large operations instead of a thousand small ones, and makes the whole state four
//! tensors to save.

use tch::nn::VarStore;
use tch::{Kind, TchError, Tensor};

type Result<T> = std::result::Result<T, TchError>;

/// Decoupled weight decay Adam (Loshchilov & Hutter 2019).
#[derive(Debug)]
pub struct Optimizer {
    /// Names, in the order of the flat vector.
    pub names: Vec<String>,
    variables: Vec<Tensor>,
    /// The weights; the variables are views of it.
    pub weights: Tensor,
    /// Exponential moving average of the weights.
    pub ema: Tensor,
    /// First moment.
    pub first: Tensor,
    /// Second moment.
    pub second: Tensor,
    /// Steps taken.
    pub steps: u64,
    /// How much of the moments is kept at a step.
    pub betas: (f64, f64),
}

const BETAS: (f64, f64) = (0.9, 0.98);
const CLIP_NORM: f64 = 1.0;

impl Optimizer {
    /// Takes over all variables of `store`.
    pub fn new(store: &VarStore) -> Result<Self> {
        let mut named: Vec<(String, Tensor)> = store.variables().into_iter().collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let (names, mut variables): (Vec<_>, Vec<_>) = named.into_iter().unzip();
        let _guard = tch::no_grad_guard();
        let flat: Vec<Tensor> = variables.iter().map(|v| v.f_view([-1])).collect::<Result<_>>()?;
        let weights = Tensor::f_cat(&flat, 0)?;
        let mut at = 0;
        for variable in &mut variables {
            let count = variable.numel() as i64;
            let view = weights.f_narrow(0, at, count)?.f_view(variable.size().as_slice())?;
            variable.set_data(&view);
            at += count;
        }
        Ok(Self {
            names,
            variables,
            ema: weights.copy(),
            first: weights.f_zeros_like()?,
            second: weights.f_zeros_like()?,
            weights,
            steps: 0,
            betas: BETAS,
        })
    }

    /// Names and shapes, in the order of the flat vector.
    pub fn layout(&self) -> Vec<(String, Vec<i64>)> {
        self.names.iter().cloned().zip(self.variables.iter().map(Tensor::size)).collect()
    }

    /// One step on the gradients that lie on the variables; clears them. Returns the gradient's norm before clipping.
    /// A step with a norm that is not finite is left out.
    pub fn step(&mut self, learning_rate: f64, weight_decay: f64, ema_decay: f64) -> Result<f64> {
        let _guard = tch::no_grad_guard();
        let mut gradients = Vec::with_capacity(self.variables.len());
        for variable in &self.variables {
            let gradient = variable.f_grad()?;
            gradients.push(if gradient.defined() {
                gradient.f_reshape([-1])?
            } else {
                variable.f_zeros_like()?.f_view([-1])?
            });
        }
        let mut gradient = Tensor::f_cat(&gradients, 0)?;
        drop(gradients);
        for variable in &mut self.variables {
            variable.zero_grad();
        }
        let norm = gradient.f_norm()?.f_double_value(&[])?;
        if !norm.is_finite() {
            return Ok(norm);
        }
        self.steps += 1;
        let _ = gradient.f_mul_scalar_(CLIP_NORM / norm.max(CLIP_NORM))?;
        let _ = self
            .first
            .f_mul_scalar_(self.betas.0)?
            .f_add_(&gradient.f_mul_scalar(1.0 - self.betas.0)?)?;
        let _ = self
            .second
            .f_mul_scalar_(self.betas.1)?
            .f_addcmul_(&gradient.f_mul_scalar(1.0 - self.betas.1)?, &gradient)?;
        let correct = |beta: f64| 1.0 - beta.powf(self.steps as f64);
        let deviation =
            self.second.f_div_scalar(correct(self.betas.1))?.f_sqrt()?.f_add_scalar(1e-8)?;
        let update =
            self.first.f_div(&deviation)?.f_mul_scalar(learning_rate / correct(self.betas.0))?;
        let _ = self.weights.f_mul_scalar_(1.0 - learning_rate * weight_decay)?.f_sub_(&update)?;
        // A young average follows faster, so that it does not remember the random start.
        let decay = ema_decay.min((1.0 + self.steps as f64) / (10.0 + self.steps as f64));
        let _ = self.ema.f_mul_scalar_(decay)?.f_add_(&self.weights.f_mul_scalar(1.0 - decay)?)?;
        Ok(norm)
    }

    /// The averaged weights, tensor by tensor.
    pub fn averaged(&self) -> Result<Vec<(String, Vec<i64>, Vec<f32>)>> {
        let mut at = 0;
        let flat = self.ema.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Float)?;
        self.layout()
            .into_iter()
            .map(|(name, shape)| {
                let count = shape.iter().product::<i64>();
                let values: Vec<f32> = Vec::try_from(flat.f_narrow(0, at, count)?.f_contiguous()?)?;
                at += count;
                Ok((name, shape, values))
            })
            .collect()
    }
}
