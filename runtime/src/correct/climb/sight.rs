//! What the observer and the guard get of a picture: all of it, or its blocks' means for an observer of smaller pictures.

use std::borrow::Cow;

use reverie_guard::Remembered;

use crate::condition::Candidates;
use crate::observer::shrink::means;

/// A picture, and what is remembered of its surfaces.
pub(super) struct Sight<'a> {
    rgb: Cow<'a, [f32]>,
    memory: Option<[Cow<'a, [f32]>; 2]>,
}

impl<'a> Sight<'a> {
    /// `rgb` is interleaved sRGB, 0 to 1, `width` pixels wide; `by` is how many times smaller it is wanted.
    pub(super) fn new(
        rgb: &'a [f32],
        known: Option<&'a Candidates>,
        width: usize,
        by: usize,
    ) -> Self {
        let shrunk = |values: &'a [f32], channels| match by {
            1 => Cow::Borrowed(values),
            by => Cow::Owned(means(values, channels, width, by)),
        };
        let memory =
            known.map(|known| [shrunk(&known.memory, 3), shrunk(&known.memory_confidence, 1)]);
        Self { rgb: shrunk(rgb, 3), memory }
    }

    /// For the observer.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.rgb.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8).collect()
    }

    /// For the guard.
    pub(super) fn remembered(&self) -> Option<Remembered<'_>> {
        self.memory.as_ref().map(|[memory_rgb, memory_confidence]| Remembered {
            rgb: &self.rgb,
            memory_rgb,
            memory_confidence,
        })
    }
}
