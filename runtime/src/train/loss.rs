//! What the denoiser is taught by.

use tch::{Kind, TchError, Tensor};

type Result<T> = std::result::Result<T, TchError>;

/// Squared error, plus L1, plus L1 on finite differences (Mathieu et al. 2016), which a blurred picture fails.
///
/// `predicted` and `target` are [batch, 3, h, w], −1 to 1.
///
/// # Errors
/// Shapes differ.
pub fn loss(predicted: &Tensor, target: &Tensor, l1_weight: f64, gradient_weight: f64) -> Result<Tensor> {
    let error = predicted.f_sub(target)?;
    let mut sum = error.f_square()?.f_mean(Kind::Float)?;
    if l1_weight > 0.0 {
        sum = sum.f_add(&error.f_abs()?.f_mean(Kind::Float)?.f_mul_scalar(l1_weight)?)?;
    }
    if gradient_weight > 0.0 {
        for axis in [2, 3] {
            let length = error.size()[axis as usize] - 1;
            let step = error.f_narrow(axis, 1, length)?.f_sub(&error.f_narrow(axis, 0, length)?)?;
            sum = sum.f_add(&step.f_abs()?.f_mean(Kind::Float)?.f_mul_scalar(gradient_weight)?)?;
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn the_truth_costs_nothing_and_blur_costs_more_than_its_squared_error() {
        let target = Tensor::rand([1, 3, 16, 16], (Kind::Float, Device::Cpu));
        let value = |p: &Tensor| loss(p, &target, 0.1, 0.1).unwrap().double_value(&[]);
        assert!(value(&target) < 1e-9);
        let blurred = target.avg_pool2d([3, 3], [1, 1], [1, 1], false, true, None::<i64>);
        let offset = (&blurred - &target).square().mean(Kind::Float).sqrt();
        // Same squared error, but the offset keeps every edge.
        assert!(value(&blurred) > value(&(&target + offset)));
    }
}
