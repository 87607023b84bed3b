//! Latents as pictures and as rows of tokens.

use tch::{Kind, TchError, Tensor};

use super::autoencoder::unit;

type Result<T> = std::result::Result<T, TchError>;

/// [t, c, rows, columns] to [t, tokens, c], f32.
///
/// # Errors
/// Shapes that do not fit.
pub fn tokens(x: &Tensor) -> Result<Tensor> {
    x.f_flatten(2, 3)?.f_transpose(1, 2)?.f_to_kind(Kind::Float)?.f_contiguous()
}

/// Inverse of [`tokens`], of unit strength.
///
/// # Errors
/// Shapes that do not fit.
pub fn from_tokens(x: &Tensor, rows: i64, columns: i64) -> Result<Tensor> {
    let size = x.size();
    unit(&x.f_transpose(1, 2)?.f_reshape([size[0], size[2], rows, columns])?, 1)
}

/// Mean over the pixels of each token, `token_px` along it: [t, 1, h, w] to [t, 1, rows, columns].
///
/// # Errors
/// Shapes that do not fit.
pub fn token_mean(x: &Tensor, token_px: i64) -> Result<Tensor> {
    x.f_avg_pool2d([token_px; 2], [token_px; 2], [0, 0], false, true, None::<i64>)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn tokens_go_row_by_row_and_back() {
        let x = unit(&Tensor::randn([2, 8, 3, 5], (Kind::Float, Device::Cpu)), 1).unwrap();
        let rows = tokens(&x).unwrap();
        assert_eq!(rows.size(), [2, 15, 8]);
        let second_row_first_column = rows.select(0, 1).select(0, 5);
        assert!(second_row_first_column.allclose(
            &x.select(0, 1).select(1, 1).select(1, 0),
            1e-6,
            1e-6,
            false
        ));
        assert!(from_tokens(&rows, 3, 5).unwrap().allclose(&x, 1e-4, 1e-4, false));
    }

    #[test]
    fn a_token_knows_the_share_of_its_pixels() {
        let x = Tensor::zeros([1, 1, 8, 16], (Kind::Float, Device::Cpu));
        let _ = x.narrow(3, 8, 2).fill_(1.0);
        let mean: Vec<f32> = token_mean(&x, 8).unwrap().view([-1]).try_into().unwrap();
        assert_eq!(mean, [0.0, 0.25]);
    }
}
