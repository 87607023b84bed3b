//! Samples at hand, on the device of the trainer, so that each can be learnt from more than once.
//!
//! To draw a sample takes a core longer than a GPU takes to learn from it. A pool holds thousands there, gives each of them out a few
//! times, mixed with the others, and so ties the trainer's speed to what the loaders bring.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

type Result<T> = std::result::Result<T, tch::TchError>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Each [capacity, …].
    columns: Vec<Tensor>,
    uses: usize,
    /// Slots with a sample, and how often it may still be given out.
    filled: Vec<(i64, usize)>,
    free: Vec<i64>,
    device: Device,
}

impl Pool {
    /// Room for `capacity` samples, each given out `uses` times. `columns` are the shapes and kinds of a sample's tensors.
    ///
    /// # Errors
    /// No memory.
    pub fn new(
        capacity: usize,
        uses: usize,
        columns: &[(&[i64], Kind)],
        device: Device,
    ) -> Result<Self> {
        let slots = capacity as i64;
        let column = |(shape, kind): &(&[i64], Kind)| {
            let shape: Vec<i64> = [slots].into_iter().chain(shape.iter().copied()).collect();
            Tensor::f_zeros(shape.as_slice(), (*kind, device))
        };
        Ok(Self {
            columns: columns.iter().map(column).collect::<Result<_>>()?,
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

    /// Takes in samples: of each column all their values, from any device, in any shape. There must be room.
    ///
    /// In one piece rather than one by one, since each transfer waits for the device.
    ///
    /// # Errors
    /// Shapes that do not fit, or no memory.
    pub fn put(&mut self, columns: &[Tensor]) -> Result<()> {
        let Some((column, values)) = self.columns.first().zip(columns.first()) else {
            return Ok(());
        };
        let row = column.numel() / column.size()[0].max(1) as usize;
        let count = values.numel() / row.max(1);
        if count == 0 {
            return Ok(());
        }
        let slots: Vec<i64> = self.free.split_off(self.free.len().saturating_sub(count));
        let index = Tensor::f_from_slice(&slots)?.f_to_device(self.device)?;
        for (column, values) in self.columns.iter_mut().zip(columns) {
            let mut shape = column.size();
            shape[0] = slots.len() as i64;
            let rows = values.f_to_device(self.device)?.f_view(shape.as_slice())?;
            let _ = column.f_index_copy_(0, &index, &rows)?;
        }
        self.filled.extend(slots.into_iter().map(|slot| (slot, self.uses)));
        Ok(())
    }

    /// Draws `count` different samples; fewer if there are fewer.
    ///
    /// # Errors
    /// No memory.
    pub fn draw(&mut self, count: usize, rng: &mut ChaCha8Rng) -> Result<Vec<Tensor>> {
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
        self.columns.iter().map(|column| column.f_index_select(0, &index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;

    use super::*;

    const COLUMNS: [(&[i64], Kind); 2] = [(&[2, 3], Kind::Float), (&[1], Kind::Int64)];

    fn samples(numbers: std::ops::Range<i64>) -> [Tensor; 2] {
        let number = Tensor::from_slice(&numbers.collect::<Vec<i64>>());
        let picture = number.view([-1, 1, 1]).expand([-1, 2, 3], false).contiguous();
        [picture.to_kind(Kind::Float), number]
    }

    #[test]
    fn each_sample_is_given_out_so_often_and_makes_room() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut pool = Pool::new(6, 3, &COLUMNS, Device::Cpu).unwrap();
        pool.put(&samples(0..4)).unwrap();
        assert_eq!((pool.len(), pool.room()), (4, 2));
        let mut seen = BTreeMap::new();
        while pool.len() >= 2 {
            let drawn = pool.draw(2, &mut rng).unwrap();
            let numbers = Vec::<i64>::try_from(drawn[1].view([-1])).unwrap();
            assert_ne!(numbers[0], numbers[1], "one sample twice in a batch");
            for (row, number) in numbers.iter().enumerate() {
                *seen.entry(*number).or_insert(0) += 1;
                assert_eq!(drawn[0].double_value(&[row as i64, 1, 2]), *number as f64);
            }
        }
        assert!(seen.len() == 4 && seen.values().all(|times| *times <= 3), "{seen:?}");
        assert!(pool.room() >= 5);
        pool.put(&samples(10..15)).unwrap();
        assert_eq!(pool.draw(100, &mut rng).unwrap()[1].size()[0], pool.len() as i64);
    }
}
