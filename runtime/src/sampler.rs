//! From noise to a picture in one to four steps.
//!
//! Rectified flow (Liu et al. 2022): `x_t = (1 − t)·x + t·ε`. The network predicts x; a step goes along the
//! straight line from the present point through the prediction.

use tch::{TchError, Tensor};

use crate::model::reverie::unet::Unet;

/// Most steps that are worth their time.
pub const MOST_STEPS: u32 = 8;

/// Draws one picture.
///
/// `noise` is [batch, 3, h, w] of unit normal values; `maps` and `globals` as for [`Unet::forward`]. Returns
/// [batch, 3, h, w] in f32, −1 to 1.
///
/// # Errors
/// As [`Unet::forward`].
pub fn sample(net: &Unet, noise: &Tensor, maps: &Tensor, globals: &Tensor, steps: u32) -> Result<Tensor, TchError> {
    let steps = steps.clamp(1, MOST_STEPS);
    let mut x = noise.shallow_clone();
    for step in 0..steps {
        let level = |s: u32| 1.0 - f64::from(s) / f64::from(steps);
        let (now, next) = (level(step), level(step + 1));
        let noise_level =
            Tensor::f_full([globals.size()[0], 1], now, (globals.kind(), globals.device()))?;
        let clean = net.forward(&x, maps, globals, &noise_level)?;
        let keep = next / now;
        x = x.f_mul_scalar(keep)?.f_add(&clean.f_mul_scalar(1.0 - keep)?)?;
    }
    x.f_clamp(-1.0, 1.0)
}
