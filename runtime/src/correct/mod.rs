//! The guard at work: judges each picture in the dream thread before it counts, and corrects what the physics denies.
//!
//! [`Corrector`] runs the model's draft past the observer and the checks of [`reverie_guard`], and climbs its ladder while
//! something stands against the picture. [`patch`] makes the pictures of the levels that need no network.
//! Decisions are `reverie_guard`'s; the network's part is behind [`Drafts`]. A rejected picture reaches neither the past
//! nor the exemplars nor the memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use glam::Vec3;
use reverie_guard::{Level, Verdict};
use serde::{Deserialize, Serialize};

mod climb;
pub mod patch;
mod saboteur;

pub use climb::Corrector;
pub use saboteur::{Alter, Saboteur};

pub use crate::model::{Draft, Drafts, Eye, Keep, Observe, Redraft, Steering};

/// What the guard may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardMode {
    /// Nothing: no picture is looked at.
    #[default]
    Off,
    /// Looks and reports; pictures stay as they are.
    Observe,
    /// Corrects what the physics denies.
    Correct,
}

/// What the game tells the guard.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardOrders {
    /// What it may do.
    pub mode: GuardMode,
    /// Of the game's world, m/s².
    pub gravity_m_s2: Vec3,
    /// From the taking of a request until its picture is due, milliseconds; time in the queue does not count, or a slow
    /// model would never be corrected but by shadow paint. A correction that would not be done by then gives way to a
    /// cheaper one. Infinite where nobody waits.
    pub deadline_ms: f32,
    /// Ids of bodies that no check speaks of.
    pub unguarded: Arc<[u64]>,
}

impl Default for GuardOrders {
    /// Off; on Earth; a tenth of a second.
    fn default() -> Self {
        Self {
            mode: GuardMode::Off,
            gravity_m_s2: Vec3::new(0.0, -9.81, 0.0),
            deadline_ms: 100.0,
            unguarded: Arc::default(),
        }
    }
}

/// What the guard did about one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardNote {
    /// Of the request that the picture answers.
    pub request_id: u64,
    /// Of the state that it shows.
    pub tick: u64,
    /// Why.
    pub verdicts: Vec<Verdict>,
    /// How it was corrected; [`Level::Accept`] if it was only reported.
    pub level: Level,
    /// Of the picture as the guard sees it, pixels: verdicts' rectangles are in these.
    pub size: (u32, u32),
}

/// What the guard did so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GuardStats {
    /// Pictures that were judged.
    pub judged: u64,
    /// Times that the observer was asked, for corrections too; other pictures look as those before them.
    pub looks: u64,
    /// Pictures that could not be judged.
    pub blind: u64,
    /// Pictures with at least one verdict.
    pub rejects: u64,
    /// Verdicts by check.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Judged pictures by the level at which they were shown, in the order of [`Level::ALL`].
    pub levels: [u64; Level::ALL.len()],
    /// Why pictures are not judged, if they are to be and are not.
    pub fault: Option<String>,
}

#[cfg(test)]
mod tests;
