//! What crosses the border into the dream thread.

use std::sync::Arc;
use std::time::Instant;

use glam::Vec3;
use reverie_guard::ShadowSnapshot;
use serde::{Deserialize, Serialize};

use crate::style::StyleWeights;

/// Axes of the player's action, in the order of [`Action`].
pub const ACTION_AXES: [&str; 8] =
    ["move_right", "move_forward", "look_right", "look_up", "jump", "push", "grab", "throw"];

/// One value per axis of [`ACTION_AXES`]: −1 to 1 for moves (share of full speed), radians since the
/// last model frame for looks, 0 or 1 for the rest.
pub type Action = [f32; ACTION_AXES.len()];

/// What binds a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DreamMode {
    /// The shadow says what is where; the model says how it looks.
    #[default]
    Anchored,
    /// Past pictures and the player's action say everything. A model that cannot dream stays anchored.
    Dream,
}

impl DreamMode {
    /// As in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Dream => "dream",
        }
    }

    /// The other one.
    pub fn toggled(self) -> Self {
        match self {
            Self::Anchored => Self::Dream,
            Self::Dream => Self::Anchored,
        }
    }
}

/// One picture wanted: the newest state of the game.
#[derive(Debug, Clone)]
pub struct DreamRequest {
    /// Rises by one per request.
    pub id: u64,
    /// The shadow at the moment of asking.
    pub snapshot: Arc<ShadowSnapshot>,
    /// What the player did since the last request that was dreamed.
    pub action: Action,
    /// Weights over the card's styles, sum 1.
    pub style: StyleWeights,
    /// How strictly the condition binds, 0 to 1; the guard raises it.
    pub condition_strength: f32,
    /// Whether the shadow binds the picture at all.
    pub mode: DreamMode,
    /// Forget all past frames first: a camera cut or a teleport.
    pub reset: bool,
    /// When the newest input that the state shows was sampled; start of the latency chain.
    pub input_at: Instant,
    /// When the request was made.
    pub requested_at: Instant,
}

/// From the ground towards the sun when a game has none.
pub const DEFAULT_SUN_DIRECTION: Vec3 = Vec3::new(0.48, 0.72, 0.5);

/// Which painter made a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FrameSource {
    /// The denoiser of a neural world model.
    Model,
    /// The plain renderer of the condition maps.
    ShadowPaint,
}
