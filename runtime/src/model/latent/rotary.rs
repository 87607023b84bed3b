//! Where a frame lies in time, as turns of its queries and keys (rotary positions, Su et al. 2021).
//!
//! All frequencies are whole numbers of turns in one period, so that a position may be counted modulo the period: frame a
//! million is turned as exactly as frame one, and a key is turned once, when it is written.

use tch::{Device, TchError, Tensor};

/// Cosines and sines of all positions of a period.
#[derive(Debug)]
pub struct Rotary {
    /// [period, channels / 2], f32.
    cos: Tensor,
    /// [period, channels / 2], f32.
    sin: Tensor,
    period: i64,
}

impl Rotary {
    /// For heads of `channels`, an even number; differences of up to a quarter of `period` are told apart by every
    /// channel that turns slowest.
    ///
    /// # Errors
    /// No memory.
    pub fn new(channels: i64, period: i64, device: Device) -> Result<Self, TchError> {
        let half = channels / 2;
        let turns = |i: i64| {
            let top = (period as f64 / 4.0).max(1.0);
            top.powf(i as f64 / (half - 1).max(1) as f64).round()
        };
        let angles: Vec<f32> = (0..period)
            .flat_map(|t| (0..half).map(move |i| (t, i)))
            .map(|(t, i)| (std::f64::consts::TAU * turns(i) * t as f64 / period as f64) as f32)
            .collect();
        let angles = Tensor::f_from_slice(&angles)?.f_view([period, half])?.f_to_device(device)?;
        Ok(Self { cos: angles.f_cos()?, sin: angles.f_sin()?, period })
    }

    /// Positions until everything repeats.
    pub(super) fn period(&self) -> i64 {
        self.period
    }

    /// Cosines and sines, [period, channels / 2].
    pub(super) fn tables(&self) -> [&Tensor; 2] {
        [&self.cos, &self.sin]
    }

    /// Turns `x`, [..., frames, channels], each frame by its position.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn turn(&self, x: &Tensor, positions: &[i64]) -> Result<Tensor, TchError> {
        let positions: Vec<i64> = positions.iter().map(|t| t.rem_euclid(self.period)).collect();
        let index = Tensor::f_from_slice(&positions)?.f_to_device(x.device())?;
        let of = |table: &Tensor| table.f_index_select(0, &index)?.f_to_kind(x.kind());
        let (cos, sin) = (of(&self.cos)?, of(&self.sin)?);
        let halves = x.f_chunk(2, -1)?;
        let (a, b) = (&halves[0], &halves[1]);
        Tensor::f_cat(
            &[a.f_mul(&cos)?.f_sub(&b.f_mul(&sin)?)?, a.f_mul(&sin)?.f_add(&b.f_mul(&cos)?)?],
            -1,
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::Kind;

    use super::*;

    fn product(rotary: &Rotary, a: (&Tensor, i64), b: (&Tensor, i64)) -> f64 {
        let (a, b) = (rotary.turn(a.0, &[a.1]).unwrap(), rotary.turn(b.0, &[b.1]).unwrap());
        f64::try_from((a * b).sum(Kind::Double)).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn only_the_difference_in_time_counts_even_after_an_hour(start in 0i64..100_000_000, age in 0i64..16) {
            tch::manual_seed(start);
            let rotary = Rotary::new(32, 64, Device::Cpu).unwrap();
            let [q, k] = [0, 1].map(|_| Tensor::randn([1, 32], (Kind::Float, Device::Cpu)));
            let now = product(&rotary, (&q, 16), (&k, 16 - age));
            let later = product(&rotary, (&q, start + 16), (&k, start + 16 - age));
            prop_assert!((now - later).abs() < 1e-4, "{now} {later}");
        }
    }

    #[test]
    fn ages_are_told_apart() {
        let rotary = Rotary::new(16, 64, Device::Cpu).unwrap();
        let x = Tensor::ones([1, 16], (Kind::Float, Device::Cpu));
        let at = |age: i64| product(&rotary, (&x, 20), (&x, 20 - age));
        assert!((1..16).all(|age| at(age) < at(0) - 0.05), "no age looks like the present");
    }
}
