//! Why a sketch is not read, and what was done to those that are.

use std::fmt;
use std::io;

use glam::Vec2;
use thiserror::Error;

use super::Page;
use super::plan::Plan;

/// Why there is no plan: one line that says what, where, and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SketchError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file is no picture that can be decoded.
    #[error("is no picture that can be read: {reason}; save it as PNG or JPEG")]
    Picture {
        /// What is wrong with it.
        reason: String,
    },
    /// More pixels than are read.
    #[error("has {width}×{height} pixels, more than {most} megapixels; save it smaller")]
    TooLarge {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Megapixels.
        most: u64,
    },
    /// The legend makes no sense.
    #[error("the legend cannot be used: {reason}")]
    Legend {
        /// What to change.
        reason: String,
    },
    /// An option makes no sense.
    #[error("{option}: {reason}")]
    Option {
        /// Which.
        option: &'static str,
        /// What to change.
        reason: String,
    },
    /// The picture was decoded, and no level that can be played was found in it.
    #[error("{0}")]
    Refused(Box<Refusal>),
}

/// Why a picture is no level, with what was seen of it.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The kind of reason.
    pub reason: RefusalReason,
    /// What is wrong and what to do about it, without the place.
    pub text: String,
    /// Where, metres from the top-left corner of [`page`](Self::page).
    pub at_m: Option<Vec2>,
    /// What was read, to mark the place on.
    pub page: Option<Page>,
    /// What would have been the plan, as far as it came.
    pub plan: Option<Plan>,
    /// What was noticed before.
    pub warnings: Vec<Warning>,
}

/// Kinds of reason to refuse a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalReason {
    /// One colour all over.
    Blank,
    /// Too few pixels to draw a level with.
    TooSmall,
    /// Nothing that looks like walls.
    NoWalls,
    /// Not a drawing: a photo of something else, noise, too blurred to tell.
    NotADrawing,
    /// The level needs more cells than are built.
    TooManyCells,
    /// No floor where a player could stand.
    NoFloor,
    /// The goal cannot be walked to from the spawn.
    GoalWalledIn,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.at_m.map_or(Ok(()), |m| write!(f, " (at {:.2} m, {:.2} m)", m.x, m.y))
    }
}

/// Kinds of warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// Nothing says how large the drawing is.
    Scale,
    /// A colour that the legend lacks.
    UnknownColour,
    /// A small gap in a wall was closed.
    GapClosed,
    /// A doorway was too narrow to walk through.
    DoorWidened,
    /// Walls were turned or moved onto the main directions.
    Snapped,
    /// No spawn is drawn, or it had to be moved.
    Spawn,
    /// No goal is drawn, it had to be moved, or there are several.
    Goal,
    /// A body had to be moved, shrunk or left out.
    Body,
    /// It is not clear which end of a ramp is the upper one.
    Ramp,
    /// Something was left out of the level.
    LeftOut,
    /// The picture is hard to read; look the plan over.
    Unsure,
}

/// Something that was repaired or guessed; the level stands all the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// Its kind.
    pub kind: WarningKind,
    /// What was done, and what to draw instead, without the place.
    pub text: String,
    /// Where, metres from the drawing's top-left corner.
    pub at_m: Option<Vec2>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.at_m.map_or(Ok(()), |m| write!(f, " (at {:.2} m, {:.2} m)", m.x, m.y))
    }
}
