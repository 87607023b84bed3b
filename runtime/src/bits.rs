//! Numbers in bfloat16 on their way to the device: half the bytes to keep and to move.

use tch::{Kind, TchError, Tensor};

/// The bits of `values` rounded to bfloat16.
pub fn to_bits(values: &[f32]) -> Vec<i16> {
    let mut bits = vec![0; values.len()];
    round_into(values, &mut bits);
    bits
}

/// As [`to_bits`], into `bits` of the same length. Without branches, so that it is done for many numbers at once.
pub fn round_into(values: &[f32], bits: &mut [i16]) {
    for (value, bits) in values.iter().zip(bits) {
        let all = value.to_bits();
        // Half of what is cut off, and to even.
        let rounded = all.wrapping_add(0x7fff + (all >> 16 & 1)) >> 16;
        *bits = if value.is_nan() { 0x7fc0 } else { rounded as i16 };
    }
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
    use half::bf16;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_rounded_as_they_should_be(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            let (own, wanted) = (to_bits(&[value])[0], bf16::from_f32(value));
            if wanted.is_nan() {
                prop_assert!(bf16::from_bits(own as u16).is_nan());
            } else {
                prop_assert_eq!(own as u16, wanted.to_bits());
            }
        }
    }

    #[test]
    fn numbers_come_back() {
        let values = [0.0f32, -1.0, 0.5, 32768.0, -0.007_812_5];
        let tensor = from_bits(&Tensor::from_slice(&to_bits(&values))).unwrap();
        assert_eq!(Vec::<f32>::try_from(tensor.to_kind(Kind::Float)).unwrap(), values);
    }
}
