//! The expected state of a neural world, and the checks that hold a picture to it.
//!
//! The state is known: it is the game's own physics. So nothing is inferred from pixels but one thing: whether a picture
//! shows that state. An observer, which sees the picture and not the state, says which material it sees where and how far
//! away ([`Evidence`]). The guard finds the expected bodies in that evidence, follows each one's offset from the physics,
//! and tests the innovations.
//!
//! | module | holds |
//! |---|---|
//! | [`expected`] | the snapshot, and what must be seen of it |
//! | [`request`] | pre-checks: is a request fit to be dreamed? |
//! | [`observed`] | evidence, expected bodies found in it, ghosts |
//! | [`track`] | bodies over time: offset from the shadow, motion |
//! | [`check`] | the ten checks behind one trait, [`check::Check`] |
//! | [`verdict`] | findings, votes, verdicts |
//! | [`ladder`] | which correction, in which order, in which time |
//! | [`thresholds`], [`calibrate`] | every number, and where it comes from |
//! | [`runner`] | the [`Guard`] |
//! | [`fault`] | faults on purpose, to measure the guard with |
//! | [`colour`] | how different two colours look |
//!
//! Nothing here knows a renderer, a tensor or Bevy, and nothing here writes to the game's world.
//!
//! What is too small to be seen on 72 rows: a body of fewer than 24 pixels can vanish unnoticed (a ball of 0.3 m radius beyond 6 m),
//! and a shift of less than about 0.2 m at 6 m. Along the view a body is known only as well as the observer knows depth.
//!
//! Frames: world is right-handed, +Y up, metres. A camera looks along its own −Z, +Y up.

pub mod calibrate;
pub mod check;
pub mod colour;
pub mod expected;
pub mod fault;
mod habit;
pub mod ladder;
pub mod observed;
pub mod recollection;
mod region;
pub mod request;
pub mod runner;
pub mod thresholds;
pub mod track;
pub mod verdict;

pub use calibrate::Calibrator;
pub use check::{Check, Judged, Remembered};
pub use expected::{
    Body, BodyKind, CameraPose, Expected, Pose, ShadowSnapshot, Shape, TriangleMesh,
};
pub use fault::{Fault, FaultClass};
pub use habit::Confusion;
pub use ladder::{Ladder, LadderSettings, Level, Levels};
pub use observed::{Evidence, Observed};
pub use request::{RequestFault, check_request};
pub use runner::{Glance, Guard, Judgement};
pub use thresholds::{ObserverError, Thresholds};
pub use verdict::{Bound, Finding, Verdict, Votes};

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod testing;
