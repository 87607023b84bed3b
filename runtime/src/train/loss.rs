//! What the denoiser is taught by.

use tch::{Kind, TchError, Tensor};

type Result<T> = std::result::Result<T, TchError>;

/// Side of the patches whose texture is compared, pixels.
const PATCH: i64 = 8;

/// How much each term counts beside the squared error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossWeights {
    /// L1.
    pub l1: f64,
    /// L1 on finite differences (Mathieu et al. 2016), which a blurred picture fails.
    pub gradient: f64,
    /// Difference of the strength of fine texture, patch by patch, whatever its phase: what is revealed must be
    /// as rough as the truth even where its exact pattern cannot be known.
    pub texture: f64,
}

/// Squared error plus the weighed terms. `predicted` and `target` are [batch, 3, h, w], −1 to 1.
///
/// # Errors
/// Shapes differ, or are smaller than a patch.
pub fn loss(predicted: &Tensor, target: &Tensor, weights: LossWeights) -> Result<Tensor> {
    let error = predicted.f_sub(target)?;
    let mut sum = error.f_square()?.f_mean(Kind::Float)?;
    if weights.l1 > 0.0 {
        sum = sum.f_add(&error.f_abs()?.f_mean(Kind::Float)?.f_mul_scalar(weights.l1)?)?;
    }
    if weights.gradient > 0.0 {
        for axis in [2, 3] {
            let length = error.size()[axis as usize] - 1;
            let step = error.f_narrow(axis, 1, length)?.f_sub(&error.f_narrow(axis, 0, length)?)?;
            sum = sum.f_add(&step.f_abs()?.f_mean(Kind::Float)?.f_mul_scalar(weights.gradient)?)?;
        }
    }
    if weights.texture > 0.0 {
        let difference = roughness(predicted)?.f_sub(&roughness(target)?)?;
        sum =
            sum.f_add(&difference.f_abs()?.f_mean(Kind::Float)?.f_mul_scalar(weights.texture)?)?;
    }
    Ok(sum)
}

/// Root mean square of what a 3×3 blur takes away from the brightness, per patch.
fn roughness(x: &Tensor) -> Result<Tensor> {
    let luma = x.f_mean_dim([1i64].as_slice(), true, Kind::Float)?;
    let smooth = luma.f_avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None::<i64>)?;
    let fine = luma.f_sub(&smooth)?.f_square()?;
    fine.f_avg_pool2d([PATCH; 2], [PATCH; 2], [0, 0], false, true, None::<i64>)?
        .f_add_scalar(1e-6)?
        .f_sqrt()
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn only(l1: f64, gradient: f64, texture: f64) -> LossWeights {
        LossWeights { l1, gradient, texture }
    }

    #[test]
    fn the_truth_costs_nothing_and_blur_costs_more_than_its_squared_error() {
        let target = Tensor::rand([1, 3, 16, 16], (Kind::Float, Device::Cpu));
        let blurred = target.avg_pool2d([3, 3], [1, 1], [1, 1], false, true, None::<i64>);
        let offset = (&blurred - &target).square().mean(Kind::Float).sqrt();
        // Same squared error, but the offset keeps every edge.
        let shifted = &target + offset;
        for weights in [only(0.1, 0.1, 0.0), only(0.0, 0.0, 0.1), only(0.1, 0.1, 0.1)] {
            let value = |p: &Tensor| loss(p, &target, weights).unwrap().double_value(&[]);
            assert!(value(&target) < 1e-9);
            assert!(value(&blurred) > value(&shifted), "{weights:?}");
        }
    }

    #[test]
    fn texture_of_another_phase_is_no_loss_of_texture() {
        let target = Tensor::rand([1, 3, 64, 64], (Kind::Float, Device::Cpu));
        let moved = target.roll([8, 8], [2, 3]);
        let flat = target.full_like(0.5);
        let texture = |p: &Tensor| {
            let value = |w| loss(p, &target, only(0.0, 0.0, w)).unwrap().double_value(&[]);
            value(1.0) - value(0.0)
        };
        assert!(texture(&moved) < 0.3 * texture(&flat), "{} {}", texture(&moved), texture(&flat));
    }
}
