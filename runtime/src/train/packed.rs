//! Samples on their way from the loaders to the trainer's device.

use tch::{Device, Kind, TchError, Tensor};

use super::pool::Pool;
use super::sample::Sample;
use crate::bits::{from_bits, to_bits};
use crate::condition::{CHANNELS, GLOBALS};

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

/// What samples add to the columns of [`Batch::pool`].
///
/// # Errors
/// No memory.
pub(crate) fn tensors(samples: &[Packed]) -> Result<[Tensor; 3], TchError> {
    let maps = samples.iter().map(|s| s.maps.as_slice()).collect::<Vec<_>>().concat();
    let target = samples.iter().map(|s| s.target.as_slice()).collect::<Vec<_>>().concat();
    let globals = samples.iter().map(|s| s.globals.as_slice()).collect::<Vec<_>>().concat();
    Ok([
        from_bits(&Tensor::f_from_slice(&maps)?)?,
        Tensor::f_from_slice(&globals)?,
        Tensor::f_from_slice(&target)?,
    ])
}

/// Some samples to learn from at once.
#[derive(Debug)]
pub(crate) struct Batch {
    /// [batch, CHANNELS, h, w], bf16, channels innermost.
    pub maps: Tensor,
    /// [batch, GLOBALS].
    pub globals: Tensor,
    /// [batch, 3, h, w], −1 to 1, channels innermost.
    pub target: Tensor,
}

impl Batch {
    /// An empty pool for samples of `size` (width, height).
    ///
    /// # Errors
    /// No memory.
    pub fn pool(
        capacity: usize,
        uses: usize,
        size: (u32, u32),
        device: Device,
    ) -> Result<Pool, TchError> {
        let (w, h) = (i64::from(size.0), i64::from(size.1));
        let columns: [(&[i64], Kind); 3] = [
            (&[h, w, CHANNELS as i64], Kind::BFloat16),
            (&[GLOBALS as i64], Kind::Float),
            (&[h, w, 3], Kind::Float),
        ];
        Pool::new(capacity, uses, &columns, device)
    }

    /// From the columns of that pool.
    ///
    /// # Errors
    /// Other columns.
    pub fn new(columns: Vec<Tensor>) -> Result<Self, TchError> {
        let [maps, globals, target] = <[Tensor; 3]>::try_from(columns).map_err(|columns| {
            TchError::Shape(format!("{} columns in place of 3", columns.len()))
        })?;
        let picture = |t: Tensor| t.f_permute([0, 3, 1, 2]);
        Ok(Self { maps: picture(maps)?, globals, target: picture(target)? })
    }
}
