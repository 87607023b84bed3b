//! Separable convolution of one channel.

/// Convolves `channel` (`height` rows of `width`) with `kernel_x` along rows, then `kernel_y` along
/// columns; both have odd lengths and their centre in the middle. Beyond the border the border's pixel
/// counts.
pub(super) fn separable(
    channel: &[f32],
    width: usize,
    height: usize,
    kernel_x: &[f32],
    kernel_y: &[f32],
) -> Vec<f32> {
    let mut along_x = vec![0.0; channel.len()];
    let radius = kernel_x.len() / 2;
    let mut padded = vec![0.0; width + 2 * radius];
    for (row, out) in channel.chunks_exact(width).zip(along_x.chunks_exact_mut(width)) {
        padded[..radius].fill(row[0]);
        padded[radius..radius + width].copy_from_slice(row);
        padded[radius + width..].fill(row[width - 1]);
        for (k, weight) in kernel_x.iter().enumerate() {
            for (sum, value) in out.iter_mut().zip(&padded[k..k + width]) {
                *sum += weight * value;
            }
        }
    }
    let mut result = vec![0.0; channel.len()];
    let radius = kernel_y.len() / 2;
    for (y, out) in result.chunks_exact_mut(width).enumerate() {
        for (k, weight) in kernel_y.iter().enumerate() {
            let from = (y + k).saturating_sub(radius).min(height - 1) * width;
            for (sum, value) in out.iter_mut().zip(&along_x[from..from + width]) {
                *sum += weight * value;
            }
        }
    }
    result
}

/// `value(x)` for x from −`radius` to `radius`.
pub(super) fn sampled(radius: usize, value: impl Fn(f32) -> f32) -> Vec<f32> {
    let radius = radius as i32;
    (-radius..=radius).map(|x| value(x as f32)).collect()
}

/// The kernel over its sum.
pub(super) fn normalized(kernel: Vec<f32>) -> Vec<f32> {
    let sum: f32 = kernel.iter().sum();
    kernel.into_iter().map(|k| k / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_moved_not_mirrored_and_the_border_is_held() {
        // A convolution sum of in[x + k] · kernel[k]: weight on the right neighbour only.
        let picture = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(
            separable(&picture, 3, 2, &[0.0, 0.0, 1.0], &[1.0]),
            [2.0, 3.0, 3.0, 5.0, 6.0, 6.0]
        );
        assert_eq!(
            separable(&picture, 3, 2, &[1.0], &[1.0, 0.0, 0.0]),
            [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]
        );
    }

    #[test]
    fn a_normalized_kernel_keeps_a_flat_picture() {
        let kernel = normalized(sampled(7, |x| (-x * x / 9.0).exp()));
        for value in separable(&[0.3; 5 * 4], 5, 4, &kernel, &kernel) {
            assert!((value - 0.3).abs() < 1e-6);
        }
    }
}
