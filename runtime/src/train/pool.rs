//! Samples at hand, on the device of the trainer, so that each can be learnt from more than once.
//!
//! To draw a sample takes a core longer than a GPU takes to learn from it. A pool holds thousands there, gives each of them out a few
//! times, mixed with the others, and so ties the trainer's speed to what the loaders bring.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::bits::{from_bits, to_bits};
use super::sample::Sample;
use crate::condition::{CHANNELS, GLOBALS};

type Result<T> = std::result::Result<T, tch::TchError>;

/// A [`Sample`] with its maps in half the bytes.
#[derive(Debug)]
pub struct Packed {
    /// Bits of bfloat16.
    maps: Vec<i16>,
    globals: [f32; GLOBALS],
    target: Vec<f32>,
}

impl From<Sample> for Packed {
    fn from(sample: Sample) -> Self {
        Self { maps: to_bits(&sample.maps), globals: sample.globals, target: sample.target }
    }
}

/// Some samples to learn from at once.
#[derive(Debug)]
pub struct Batch {
    /// [batch, CHANNELS, h, w], bf16, channels innermost.
    pub maps: Tensor,
    /// [batch, GLOBALS].
    pub globals: Tensor,
    /// [batch, 3, h, w], −1 to 1, channels innermost.
    pub target: Tensor,
}

impl Batch {
    /// The samples of both.
    ///
    /// # Errors
    /// Sizes differ, or no memory.
    pub fn with(self, other: Self) -> Result<Self> {
        // Along their memory: joined as pictures, they would be laid out anew.
        let join = |a: &Tensor, b: &Tensor| {
            let rows = |t: &Tensor| t.f_permute([0, 2, 3, 1]);
            Tensor::f_cat(&[rows(a)?, rows(b)?], 0)?.f_permute([0, 3, 1, 2])
        };
        Ok(Self {
            maps: join(&self.maps, &other.maps)?,
            globals: Tensor::f_cat(&[&self.globals, &other.globals], 0)?,
            target: join(&self.target, &other.target)?,
        })
    }
}

/// See the module.
#[derive(Debug)]
pub struct Pool {
    /// [capacity, h, w, CHANNELS].
    maps: Tensor,
    globals: Tensor,
    /// [capacity, h, w, 3].
    target: Tensor,
    uses: usize,
    /// Slots with a sample, and how often it may still be given out.
    filled: Vec<(i64, usize)>,
    free: Vec<i64>,
    device: Device,
}

impl Pool {
    /// Room for `capacity` samples of `size` (width, height), each given out `uses` times.
    ///
    /// # Errors
    /// No memory.
    pub fn new(capacity: usize, uses: usize, size: (u32, u32), device: Device) -> Result<Self> {
        let slots = capacity as i64;
        let (w, h) = (i64::from(size.0), i64::from(size.1));
        Ok(Self {
            maps: Tensor::f_zeros([slots, h, w, CHANNELS as i64], (Kind::BFloat16, device))?,
            globals: Tensor::f_zeros([slots, GLOBALS as i64], (Kind::Float, device))?,
            target: Tensor::f_zeros([slots, h, w, 3], (Kind::Float, device))?,
            uses: uses.max(1),
            filled: Vec::with_capacity(capacity),
            free: (0..slots).rev().collect(),
            device,
        })
    }

    /// Samples that can be drawn.
    pub fn len(&self) -> usize {
        self.filled.len()
    }

    /// Samples that there is room for.
    pub fn room(&self) -> usize {
        self.free.len()
    }

    /// Takes in samples, as far as there is room.
    ///
    /// # Errors
    /// A sample of another size, or no memory.
    pub fn put(&mut self, samples: &[Packed]) -> Result<()> {
        let samples = &samples[..samples.len().min(self.room())];
        if samples.is_empty() {
            return Ok(());
        }
        let slots: Vec<i64> = self.free.split_off(self.free.len() - samples.len());
        let index = Tensor::f_from_slice(&slots)?.f_to_device(self.device)?;
        // In one piece: each transfer waits for the device.
        let maps: Vec<i16> = samples.iter().flat_map(|s| s.maps.iter().copied()).collect();
        let target: Vec<f32> = samples.iter().flat_map(|s| s.target.iter().copied()).collect();
        let globals: Vec<f32> = samples.iter().flat_map(|s| s.globals).collect();
        let write = |pool: &mut Tensor, values: Tensor| -> Result<()> {
            let mut shape = pool.size();
            shape[0] = -1;
            let rows = values.f_view(shape.as_slice())?.f_to_device(self.device)?;
            pool.f_index_copy_(0, &index, &rows).map(drop)
        };
        write(&mut self.maps, from_bits(&Tensor::f_from_slice(&maps)?)?)?;
        write(&mut self.target, Tensor::f_from_slice(&target)?)?;
        write(&mut self.globals, Tensor::f_from_slice(&globals)?)?;
        self.filled.extend(slots.into_iter().map(|slot| (slot, self.uses)));
        Ok(())
    }

    /// Draws `count` different samples; fewer if there are fewer.
    ///
    /// # Errors
    /// No memory.
    pub fn draw(&mut self, count: usize, rng: &mut ChaCha8Rng) -> Result<Batch> {
        let count = count.min(self.filled.len());
        // The chosen ones gather at the end.
        for chosen in 0..count {
            let last = self.filled.len() - 1 - chosen;
            self.filled.swap(rng.random_range(0..=last), last);
        }
        let mut slots = Vec::with_capacity(count);
        for at in (self.filled.len() - count..self.filled.len()).rev() {
            slots.push(self.filled[at].0);
            self.filled[at].1 -= 1;
            if self.filled[at].1 == 0 {
                self.free.push(self.filled.swap_remove(at).0);
            }
        }
        let index = Tensor::f_from_slice(&slots)?.f_to_device(self.device)?;
        let rows = |pool: &Tensor| pool.f_index_select(0, &index);
        Ok(Batch {
            maps: rows(&self.maps)?.f_permute([0, 3, 1, 2])?,
            globals: rows(&self.globals)?,
            target: rows(&self.target)?.f_permute([0, 3, 1, 2])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;

    use super::*;

    fn sample(number: f32) -> Packed {
        let maps = vec![number; 8 * 8 * CHANNELS];
        Sample { maps, globals: [number; GLOBALS], target: vec![number; 8 * 8 * 3] }.into()
    }

    #[test]
    fn each_sample_is_given_out_so_often_and_makes_room() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut pool = Pool::new(6, 3, (8, 8), Device::Cpu).unwrap();
        pool.put(&(0..4).map(|i| sample(i as f32)).collect::<Vec<_>>()).unwrap();
        let mut seen = BTreeMap::new();
        for _ in 0..6 {
            let batch = pool.draw(2, &mut rng).unwrap();
            let numbers = Vec::<f32>::try_from(batch.globals.select(1, 0)).unwrap();
            assert_ne!(numbers[0], numbers[1], "one sample twice in a batch");
            for (row, number) in numbers.iter().enumerate() {
                *seen.entry(*number as i32).or_insert(0) += 1;
                for t in [&batch.maps, &batch.target] {
                    assert_eq!(t.double_value(&[row as i64, 1, 7, 3]) as f32, *number);
                }
            }
            if pool.len() < 2 {
                break;
            }
        }
        assert!(seen.values().all(|times| *times <= 3), "{seen:?}");
        assert!(pool.room() >= 5);
        pool.put(&(10..20).map(|i| sample(i as f32)).collect::<Vec<_>>()).unwrap();
        assert_eq!(pool.room(), 0, "filled again, and what has no room is left out");
    }

    #[test]
    fn batches_are_joined_in_order() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut pools = [0, 1].map(|_| Pool::new(2, 1, (8, 8), Device::Cpu).unwrap());
        pools[0].put(&[sample(1.0)]).unwrap();
        pools[1].put(&[sample(2.0)]).unwrap();
        let [a, b] = pools.each_mut().map(|pool| pool.draw(1, &mut rng).unwrap());
        let both = a.with(b).unwrap();
        for t in [&both.maps, &both.target] {
            assert_eq!((t.double_value(&[0, 2, 1, 1]), t.double_value(&[1, 2, 1, 1])), (1.0, 2.0));
        }
    }
}
