//! Quantiles of a stream of durations in bounded memory.

use serde::Serialize;

/// Smallest duration that is told from zero, milliseconds.
const SMALLEST_MS: f64 = 1e-3;
/// Buckets per doubling: neighbours differ by 0.54 %.
const PER_DOUBLING: f64 = 128.0;
/// From 1 µs to more than 1,000 s.
const BUCKETS: usize = 30 * PER_DOUBLING as usize;

/// Durations in milliseconds, as counts in buckets of equal ratio: an hour of play needs the memory of its first
/// minute. Quantiles are exact to 0.3 %, the largest value is exact.
#[derive(Debug, Clone, Default)]
pub struct Quantiles {
    /// Empty before the first value.
    buckets: Vec<u32>,
    below: u64,
    count: u64,
    max_ms: f64,
}

/// What is told of a stream of durations, milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct QuantilesMs {
    /// Median.
    pub p50: f64,
    /// 95 of 100 are at most this long.
    pub p95: f64,
    /// 99 of 100 are at most this long.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Quantiles {
    /// Adds a duration, milliseconds; one that is not finite is left out, a negative one counts as none.
    pub fn add(&mut self, ms: f64) {
        if !ms.is_finite() {
            return;
        }
        self.count += 1;
        self.max_ms = self.max_ms.max(ms);
        if ms < SMALLEST_MS {
            self.below += 1;
            return;
        }
        if self.buckets.is_empty() {
            self.buckets = vec![0; BUCKETS];
        }
        let index = ((ms / SMALLEST_MS).log2() * PER_DOUBLING) as usize;
        if let Some(bucket) = self.buckets.get_mut(index.min(BUCKETS - 1)) {
            *bucket = bucket.saturating_add(1);
        }
    }

    /// How many were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The value that a share of all values (0 to 1) does not exceed, milliseconds; zero without values.
    pub fn at(&self, share: f64) -> f64 {
        let rank = ((share.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        if rank >= self.count {
            return self.max_ms;
        }
        let mut seen = self.below;
        if rank <= seen {
            return 0.0;
        }
        for (index, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if rank <= seen {
                let middle = (index as f64 + 0.5) / PER_DOUBLING;
                return (SMALLEST_MS * middle.exp2()).min(self.max_ms);
            }
        }
        self.max_ms
    }

    /// The four figures of a table; `None` without values.
    pub fn summary(&self) -> Option<QuantilesMs> {
        (self.count > 0).then(|| QuantilesMs {
            p50: self.at(0.5),
            p95: self.at(0.95),
            p99: self.at(0.99),
            max: self.max_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 0.003 * b.abs()
    }

    #[test]
    fn they_are_those_of_the_sorted_values() {
        let mut quantiles = Quantiles::default();
        for value in (1..=1000).rev() {
            quantiles.add(f64::from(value) / 10.0);
        }
        let q = quantiles.summary().unwrap();
        assert!(near(q.p50, 50.0) && near(q.p95, 95.0) && near(q.p99, 99.0), "{q:?}");
        assert_eq!(q.max, 100.0);
    }

    #[test]
    fn one_value_is_all_quantiles() {
        let mut quantiles = Quantiles::default();
        quantiles.add(16.6);
        let q = quantiles.summary().unwrap();
        assert_eq!((q.p50, q.p99, q.max), (16.6, 16.6, 16.6));
    }

    #[test]
    fn odd_values_do_no_harm() {
        let mut quantiles = Quantiles::default();
        assert_eq!(quantiles.summary(), None);
        for value in [f64::NAN, f64::INFINITY] {
            quantiles.add(value);
        }
        assert_eq!(quantiles.count(), 0);
        for value in [-5.0, 0.0, 1e12] {
            quantiles.add(value);
        }
        let q = quantiles.summary().unwrap();
        assert_eq!((q.p50, q.max), (0.0, 1e12));
    }
}
