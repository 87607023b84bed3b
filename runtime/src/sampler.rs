//! From noise to a picture in one to four steps.
//!
//! Rectified flow (Liu et al. 2022): `x_t = (1 − t)·x + t·ε`. The network predicts x; a step goes along the
//! straight line from the present point through the prediction.

use std::sync::{Mutex, PoisonError};

use tch::{Device, Kind, TchError, Tensor};

use crate::model::reverie::unet::Unet;

/// Most steps that are worth their time.
pub const MOST_STEPS: u32 = 8;

/// What of a picture stays as it is while the rest is drawn anew.
#[derive(Debug)]
pub struct Held<'a> {
    /// [1, 3, h, w], −1 to 1.
    pub picture: &'a Tensor,
    /// [1, 1, h, w]: 1 where it is drawn anew, 0 where it is held, between along the border.
    pub anew: &'a Tensor,
}

/// libtorch has one generator for all threads: between the seed and the draw nobody else may draw.
static GENERATOR: Mutex<()> = Mutex::new(());

/// Unit normal values on the CPU, the same for a seed whatever other models do at the time.
///
/// # Errors
/// No memory.
pub fn seeded_noise(shape: &[i64], seed: i64) -> Result<Tensor, TchError> {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    Tensor::f_randn(shape, (Kind::Float, Device::Cpu))
}

/// Draws one picture.
///
/// `noise` is [batch, 3, h, w] of unit normal values; `maps` and `globals` as for [`Unet::forward`]. Returns
/// [batch, 3, h, w] in f32, −1 to 1. What is `held` is put back after each step at the step's noise level, as RePaint does
/// (Lugmayr et al. 2022), so that the rest is drawn to fit it.
///
/// # Errors
/// As [`Unet::forward`].
pub fn sample(
    net: &Unet,
    noise: &Tensor,
    maps: &Tensor,
    globals: &Tensor,
    steps: u32,
    held: Option<&Held>,
) -> Result<Tensor, TchError> {
    let steps = steps.clamp(1, MOST_STEPS);
    let mut x = noise.shallow_clone();
    for step in 0..steps {
        let level = |s: u32| 1.0 - f64::from(s) / f64::from(steps);
        let (now, next) = (level(step), level(step + 1));
        let noise_level =
            Tensor::f_full([noise.size()[0], 1], now, (globals.kind(), globals.device()))?;
        let clean = net.forward(&x, maps, globals, &noise_level)?;
        let keep = next / now;
        x = x.f_mul_scalar(keep)?.f_add(&clean.f_mul_scalar(1.0 - keep)?)?;
        if let Some(held) = held {
            let there = held.picture.f_mul_scalar(1.0 - next)?.f_add(&noise.f_mul_scalar(next)?)?;
            x = there.f_add(&x.f_sub(&there)?.f_mul(held.anew)?)?;
        }
    }
    x.f_clamp(-1.0, 1.0)
}
