//! Keys and values of the past frames, in a ring of constant shape: an hour takes what a second takes.

use tch::{Device, Kind, TchError, Tensor};

type Result<T> = std::result::Result<T, TchError>;

/// Which frames go through the blocks at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frames {
    /// The newest past one.
    pub past: bool,
    /// The one being made, after it.
    pub wanted: bool,
}

/// What all layers know of the past. The last slot is scratch, for the frame that is being made.
#[derive(Debug)]
pub struct Ring {
    /// By layer: keys and values, [tokens, heads, slots + 1, channels].
    layers: Vec<(Tensor, Tensor)>,
    slots: i64,
    /// Frames written so far.
    written: i64,
    kind: Kind,
    device: Device,
}

impl Ring {
    /// An empty one; `heads` are their number and the channels of each.
    ///
    /// # Errors
    /// No memory.
    pub fn new(
        layers: usize,
        tokens: i64,
        heads: [i64; 2],
        slots: i64,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let shape = [tokens, heads[0], slots + 1, heads[1]];
        let zeros = || Tensor::f_zeros(shape, (kind, device));
        let layers = (0..layers).map(|_| Ok((zeros()?, zeros()?))).collect::<Result<_>>()?;
        Ok(Self { layers, slots, written: 0, kind, device })
    }

    /// Forgets all frames.
    pub fn clear(&mut self) {
        self.written = 0;
    }

    /// Of keys and values.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        let size = |t: &Tensor| t.numel() * t.kind().elt_size_in_bytes();
        self.layers.iter().map(|(k, v)| size(k) + size(v)).sum()
    }

    /// A past frame is about to be put; it takes the place of the oldest one.
    pub(super) fn advance(&mut self) {
        self.written += 1;
    }

    /// What may be looked at, [frames, slots + 1]: by a past frame all that is written, by the one being made itself as well.
    pub(super) fn mask(&self, frames: Frames) -> Result<Tensor> {
        let row = |own: bool| {
            (0..=self.slots).map(move |slot| {
                let seen = if slot == self.slots { own } else { slot < self.written };
                if seen { 0.0f32 } else { -1e4 }
            })
        };
        let past = frames.past.then(|| row(false)).into_iter().flatten();
        let values: Vec<f32> =
            past.chain(frames.wanted.then(|| row(true)).into_iter().flatten()).collect();
        Tensor::f_from_slice(&values)?
            .f_view([-1, self.slots + 1])?
            .f_to_device(self.device)?
            .f_to_kind(self.kind)
    }

    /// Positions in time of the frames that are put.
    pub(super) fn positions(&self, frames: Frames) -> Vec<i64> {
        let past = frames.past.then_some(self.written - 1);
        past.into_iter().chain(frames.wanted.then_some(self.written)).collect()
    }

    /// Keys and values of `frames`, [tokens, heads, frames, channels].
    pub(super) fn put(
        &mut self,
        layer: usize,
        frames: Frames,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<()> {
        let slot = (self.written - 1).rem_euclid(self.slots);
        let (own_keys, own_values) = &self.layers[layer];
        for (ring, fresh) in [(own_keys, keys), (own_values, values)] {
            if frames.past {
                ring.f_narrow(2, slot, 1)?.f_copy_(&fresh.f_narrow(2, 0, 1)?)?;
            }
            if frames.wanted {
                let at = fresh.size()[2] - 1;
                ring.f_narrow(2, self.slots, 1)?.f_copy_(&fresh.f_narrow(2, at, 1)?)?;
            }
        }
        Ok(())
    }

    pub(super) fn layer(&self, layer: usize) -> (&Tensor, &Tensor) {
        let (keys, values) = &self.layers[layer];
        (keys, values)
    }
}
