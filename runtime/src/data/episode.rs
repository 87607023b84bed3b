//! The manifest of an episode.

use reverie_guard::{Body, BodyKind, Pose, Shape};
use serde::{Deserialize, Serialize};

use crate::material::MATERIAL_NAMES;
use crate::request::ACTION_AXES;
use crate::style::STYLE_NAMES;

/// Version of the episode format that this program writes and reads.
pub const EPISODE_VERSION: u32 = 1;

/// What the name of a folder ends with while its episode is being written.
pub const PARTIAL_SUFFIX: &str = ".partial";

pub(super) const MANIFEST_FILE: &str = "episode.ron";
pub(super) const TRACKS_FILE: &str = "tracks.safetensors";
pub(super) const FAULT_FILE: &str = "fault.ron";
pub(super) const FRAMES_FILE: &str = "frames.qoi.bin";

/// Largest side of a recorded picture, pixels.
pub(super) const MAX_SIDE: u32 = 4096;

/// Most frames of an episode: a day and a half at 10 Hz.
const MAX_FRAMES: usize = 1 << 20;

/// What the recorder knows of an episode before its first frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpisodeHeader {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Simulated time from one frame to the next, seconds.
    pub frame_dt_s: f32,
    /// Of the behaviour: bot, materials, style.
    pub seed: u64,
    /// Of the level.
    pub layout_seed: u64,
    /// Which program made it, with its version.
    pub generator: String,
}

/// One body of the episode: what does not change from frame to frame.
///
/// A body that changes its shape, kind, material or tint gets a further row under the same id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyRow {
    /// See [`Body::id`].
    pub id: u64,
    /// In body coordinates.
    pub shape: Shape,
    /// Who moves it.
    pub kind: BodyKind,
    /// Index into [`Manifest::material_names`].
    pub material: u8,
    /// The true tint, sRGB, 0 to 1; `None` where the game has none.
    pub tint_srgb: Option<[f32; 3]>,
    /// Body to world, in the first frame that has it.
    pub first_world_from_body: Pose,
}

impl BodyRow {
    pub(super) fn describes(&self, body: &Body) -> bool {
        self.id == body.id
            && self.shape == body.shape
            && self.kind == body.kind
            && self.material == body.material
            && self.tint_srgb == body.tint_srgb
    }
}

impl From<&Body> for BodyRow {
    fn from(body: &Body) -> Self {
        Self {
            id: body.id,
            shape: body.shape.clone(),
            kind: body.kind,
            material: body.material,
            tint_srgb: body.tint_srgb,
            first_world_from_body: body.world_from_body,
        }
    }
}

/// The content of `episode.ron`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`EPISODE_VERSION`] of the writer.
    pub version: u32,
    /// The episode came to its end.
    pub complete: bool,
    /// What was known before the first frame.
    pub header: EpisodeHeader,
    /// Number of frames.
    pub frames: usize,
    /// Meaning of the action's values, in order.
    pub action_axes: Vec<String>,
    /// Meaning of the style's weights, in order.
    pub style_names: Vec<String>,
    /// Meaning of [`BodyRow::material`].
    pub material_names: Vec<String>,
    /// In the order of their first appearance.
    pub bodies: Vec<BodyRow>,
    /// Of the physics world after the last frame.
    pub physics_hash: u64,
}

impl Manifest {
    pub(super) fn new(
        header: EpisodeHeader,
        frames: usize,
        bodies: Vec<BodyRow>,
        physics_hash: u64,
    ) -> Self {
        let owned = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        Self {
            version: EPISODE_VERSION,
            complete: true,
            header,
            frames,
            action_axes: owned(&ACTION_AXES),
            style_names: owned(&STYLE_NAMES),
            material_names: owned(&MATERIAL_NAMES),
            bodies,
            physics_hash,
        }
    }

    /// What contradicts this program or itself, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        let names = [
            ("action_axes", &self.action_axes, &ACTION_AXES[..]),
            ("style_names", &self.style_names, &STYLE_NAMES[..]),
            ("material_names", &self.material_names, &MATERIAL_NAMES[..]),
        ];
        for (field, found, expected) in names {
            if found.as_slice() != expected {
                return Some(format!("{field} are {found:?}, but this program knows {expected:?}"));
            }
        }
        if !(1..=MAX_FRAMES).contains(&self.frames) {
            return Some(format!("it has {} frames; 1 to {MAX_FRAMES} are allowed", self.frames));
        }
        if let Some(body) =
            self.bodies.iter().find(|b| usize::from(b.material) >= MATERIAL_NAMES.len())
        {
            return Some(format!(
                "body {} has material {}, but there are only {}",
                body.id,
                body.material,
                MATERIAL_NAMES.len()
            ));
        }
        self.header.fault()
    }
}

impl EpisodeHeader {
    pub(super) fn fault(&self) -> Option<String> {
        let side_is_sane = |side: u32| (1..=MAX_SIDE).contains(&side);
        if !side_is_sane(self.width) || !side_is_sane(self.height) {
            return Some(format!(
                "pictures of {}×{}; each side must lie between 1 and {MAX_SIDE}",
                self.width, self.height
            ));
        }
        if !(self.frame_dt_s.is_finite() && self.frame_dt_s > 0.0) {
            return Some(format!("frame_dt_s is {}; it must be positive", self.frame_dt_s));
        }
        None
    }

    /// Bytes of one decoded picture.
    pub(super) fn frame_bytes(&self) -> usize {
        self.width as usize * self.height as usize * 3
    }
}
