//! What a check found, and what the guard makes of it over several pictures.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::expected::PixelRect;

/// What a value is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Bound {
    /// It must not exceed the threshold.
    AtMost,
    /// It must not fall below the threshold.
    AtLeast,
}

/// What a check says of one thing in one picture, whether it is a violation or not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Finding {
    /// What was looked at, one word: `vanished`, `floating`, …
    pub what: &'static str,
    /// Id of the body; `None` for a region that belongs to none.
    pub object: Option<u64>,
    /// Measured.
    pub value: f32,
    /// What it was held to.
    pub threshold: f32,
    /// Which side is right.
    pub bound: Bound,
    /// Pixels that it was measured on.
    pub pixels: u32,
    /// Around them.
    pub rect: PixelRect,
}

impl Finding {
    /// How many votes it has: none if the rule is kept, two if it can count twice and is broken by more than [`STRONG`] times what it may be.
    pub(crate) fn votes(&self) -> u8 {
        u8::from(self.violated()) + u8::from(self.counts_twice() && self.margin() > STRONG)
    }

    /// It holds the picture to those before it: no observer errs there.
    pub(crate) fn counts_twice(&self) -> bool {
        ["unseen", "crept", "relit", "strange", "slid", "strayed"].contains(&self.what)
    }

    /// The picture breaks the rule.
    pub fn violated(&self) -> bool {
        self.margin() > 1.0
    }

    /// How far the value has gone towards its threshold; above 1 is a violation. 0 if it is no number.
    pub fn margin(&self) -> f32 {
        if self.value.is_nan() || self.threshold.is_nan() {
            return 0.0;
        }
        let margin = match self.bound {
            Bound::AtMost => self.value / self.threshold.max(1e-6),
            Bound::AtLeast => self.threshold / self.value.max(1e-6),
        };
        margin.clamp(0.0, 1e6)
    }
}

/// A violation, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Verdict {
    /// Name of the check.
    pub check: &'static str,
    /// See [`Finding`].
    #[serde(flatten)]
    pub finding: Finding,
    /// Of the picture's state.
    pub tick: u64,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { what, object, value, threshold, bound, pixels, rect } = self.finding;
        write!(f, "{}: {what}, ", self.check)?;
        match object {
            Some(id) => write!(f, "body {id:#x}")?,
            None => write!(f, "no body")?,
        }
        let sign = match bound {
            Bound::AtMost => "allowed",
            Bound::AtLeast => "needed",
        };
        write!(
            f,
            ", {value:.3} where {threshold:.3} is {sign}, {pixels} pixels at ({}, {})",
            rect.x0, rect.y0
        )
    }
}

/// A violation that is so many times beyond its threshold, and can count twice, has two votes: what fills half of the picture need not be seen three times.
pub const STRONG: f32 = 2.0;

/// How many of the last pictures must agree; never one alone if more than one vote is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Votes {
    /// Violations among
    pub needed: u8,
    /// so many pictures; 8 at most.
    pub of: u8,
}

impl Votes {
    /// For checks of one picture.
    pub const THREE_OF_FOUR: Self = Self { needed: 3, of: 4 };
    /// For checks that look at many pictures already.
    pub const ONE: Self = Self { needed: 1, of: 1 };
}

/// Which check, which of its rules, which body.
pub(crate) type Ballot = (&'static str, &'static str, Option<u64>);

/// What was found in the last pictures.
#[derive(Debug, Default)]
pub(crate) struct VoteBox {
    bits: HashMap<Ballot, Cast>,
    frame: u64,
}

/// One bit a picture, the newest lowest.
#[derive(Debug, Default, Clone, Copy)]
struct Cast {
    violated: u8,
    strongly: u8,
    /// When it was used last.
    frame: u64,
}

impl Cast {
    fn with(self, votes: u8) -> Self {
        Self {
            violated: self.violated << 1 | u8::from(votes > 0),
            strongly: self.strongly << 1 | u8::from(votes > 1),
            ..self
        }
    }
}

/// Ballots that nobody used for so many pictures are thrown away.
const STALE_FRAMES: u64 = 64;

impl VoteBox {
    pub(crate) fn clear(&mut self) {
        self.bits.clear();
    }

    /// Whether the votes carry, those of the present picture included.
    pub(crate) fn carried(&self, ballot: &Ballot, votes: u8, wanted: Votes) -> bool {
        let cast = self.bits.get(ballot).copied().unwrap_or_default().with(votes);
        let window = ((1u16 << wanted.of.clamp(1, 8)) - 1) as u8;
        let pictures = (cast.violated & window).count_ones();
        let all = pictures + (cast.strongly & window).count_ones();
        let needed = u32::from(wanted.needed.max(1));
        votes > 0 && all >= needed && pictures >= needed.min(2)
    }

    /// A new picture is shown.
    pub(crate) fn next_frame(&mut self) {
        self.frame += 1;
        let frame = self.frame;
        if frame.is_multiple_of(STALE_FRAMES) {
            self.bits.retain(|_, cast| frame - cast.frame < STALE_FRAMES);
        }
    }

    /// Notes what was found in the picture that is shown. Pictures that say nothing of a body do not count.
    pub(crate) fn note(&mut self, ballot: Ballot, votes: u8) {
        let frame = self.frame;
        let cast = self.bits.entry(ballot).or_default();
        *cast = Cast { frame, ..cast.with(votes) };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Three votes of four pictures carry, whatever the order, but not those of one picture, and never on a picture that is right.
        #[test]
        fn three_of_four_carry(history in proptest::collection::vec(0u8..3, 1..40)) {
            let mut votes = VoteBox::default();
            let ballot = ("check", "what", Some(1));
            for (index, cast) in history.iter().enumerate() {
                let last = &history[index.saturating_sub(3)..=index];
                let pictures = last.iter().filter(|votes| **votes > 0).count();
                let all: u8 = last.iter().sum();
                let expected = *cast > 0 && all >= 3 && pictures >= 2;
                prop_assert_eq!(votes.carried(&ballot, *cast, Votes::THREE_OF_FOUR), expected);
                votes.next_frame();
                votes.note(ballot, *cast);
            }
        }
    }

    #[test]
    fn values_that_are_no_numbers_violate_nothing() {
        for bound in [Bound::AtMost, Bound::AtLeast] {
            let finding = Finding {
                what: "x",
                object: None,
                value: f32::NAN,
                threshold: 1.0,
                bound,
                pixels: 0,
                rect: PixelRect::default(),
            };
            assert!(!finding.violated());
        }
    }
}
