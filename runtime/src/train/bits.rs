//! Numbers in bfloat16 on their way to the device: half the bytes to keep and to move.

use half::bf16;
use tch::{Kind, TchError, Tensor};

/// The bits of `values` rounded to bfloat16.
pub fn to_bits(values: &[f32]) -> Vec<i16> {
    values.iter().map(|v| bf16::from_f32(*v).to_bits() as i16).collect()
}

/// The numbers that `bits`, of kind `Int16`, stand for.
///
/// # Errors
/// Another kind.
pub fn from_bits(bits: &Tensor) -> Result<Tensor, TchError> {
    // tch takes a slice of bfloat16 for one of halves.
    bits.f_view_dtype(Kind::BFloat16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let values = [0.0f32, -1.0, 0.5, 32768.0, -0.007_812_5];
        let tensor = from_bits(&Tensor::from_slice(&to_bits(&values))).unwrap();
        assert_eq!(Vec::<f32>::try_from(tensor.to_kind(Kind::Float)).unwrap(), values);
    }
}
