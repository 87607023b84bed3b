//! Keys and values of the past frames, in a ring of constant shape: an hour takes what a second takes.

use tch::{Device, Kind, TchError, Tensor};

type Result<T> = std::result::Result<T, TchError>;

/// Rows of masks begin at multiples of so many values: attention on a GPU reads eight of them at once, and does not check where they lie.
const ALIGNED: i64 = 8;

/// Which frames go through the blocks at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frames {
    /// The newest past one.
    pub past: bool,
    /// The one being made, after it.
    pub wanted: bool,
}

impl Frames {
    /// How many.
    pub(super) fn count(self) -> i64 {
        i64::from(self.past) + i64::from(self.wanted)
    }
}

/// What all layers know of the past. The last slot is scratch, for the frame that is being made.
#[derive(Debug)]
pub struct Ring {
    /// By layer: keys and values, [2, tokens, heads, slots + 1, channels].
    layers: Vec<Tensor>,
    /// By number of frames written, at most `slots`: what a past frame and the wanted one may look at, [slots + 1, 2, slots + 1 and what is there to align].
    masks: Tensor,
    slots: i64,
    /// Frames written so far.
    written: i64,
    kind: Kind,
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
        let shape = [2, tokens, heads[0], slots + 1, heads[1]];
        let zeros = || Tensor::f_zeros(shape, (kind, device));
        let layers = (0..layers).map(|_| zeros()).collect::<Result<_>>()?;
        let may = |written: i64, own: bool, slot: i64| {
            let seen = if slot == slots { own } else { slot < written };
            if seen { 0.0f32 } else { -1e4 }
        };
        let rows = (0..=slots).flat_map(|written| [(written, false), (written, true)]);
        let wide = (slots + 1 + ALIGNED - 1) / ALIGNED * ALIGNED;
        let values: Vec<f32> = rows
            .flat_map(|(written, own)| (0..wide).map(move |slot| may(written, own, slot)))
            .collect();
        let masks = Tensor::f_from_slice(&values)?.f_view([slots + 1, 2, wide])?;
        let masks = masks.f_to_device(device)?.f_to_kind(kind)?;
        Ok(Self { layers, masks, slots, written: 0, kind })
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
        self.layers.iter().map(size).sum()
    }

    /// A past frame is about to be put; it takes the place of the oldest one.
    pub(super) fn advance(&mut self) {
        self.written += 1;
    }

    /// Where `frames` go and what they may look at, as numbers that a device can read: how many frames are written (at most `slots`), then the slot of
    /// each frame, then its position in time within `period`.
    pub(super) fn cursor(&self, frames: Frames, period: i64) -> Vec<i64> {
        let past = frames.past.then_some((self.written - 1).rem_euclid(self.slots));
        let slots = past.into_iter().chain(frames.wanted.then_some(self.slots));
        // Two positions in a row never part: the tables go one beyond the period.
        let first = (self.written - i64::from(frames.past)).rem_euclid(period);
        let positions = first..first + frames.count();
        std::iter::once(self.written.min(self.slots)).chain(slots).chain(positions).collect()
    }

    /// What may be looked at, [frames, slots + 1]: by a past frame all that is written, by the one being made itself as well.
    pub(super) fn mask(&self, frames: Frames, written: &Tensor) -> Result<Tensor> {
        let both = self.masks.f_index_select(0, written)?.f_squeeze_dim(0)?;
        both.f_narrow(0, i64::from(!frames.past), frames.count())?.f_narrow(1, 0, self.slots + 1)
    }

    /// Keys and values of frames, [frames, tokens, 2, heads, channels], into their slots.
    pub(super) fn put(&mut self, layer: usize, slots: &Tensor, fresh: &Tensor) -> Result<()> {
        let _ = self.layers[layer].f_index_copy_(3, slots, &fresh.f_permute([2, 1, 3, 0, 4])?)?;
        Ok(())
    }

    /// Keys and values, [tokens, heads, slots + 1, channels] each.
    pub(super) fn layer(&self, layer: usize) -> Result<(Tensor, Tensor)> {
        let both = &self.layers[layer];
        Ok((both.f_select(0, 0)?, both.f_select(0, 1)?))
    }
}
