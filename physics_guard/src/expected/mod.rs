//! The shadow: bodies, shapes and the camera at one physics tick, as plain data, and [`view`] what must be seen of it.

use glam::Vec3;
pub use reverie_kernels::geometry::{CameraPose, Pose, Shape, TriangleMesh};
use serde::{Deserialize, Serialize};

pub mod view;

pub use view::{BodyView, Expected, NONE, PixelRect};

/// Who moves a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BodyKind {
    /// Never moves.
    Fixed,
    /// Moved by forces.
    Dynamic,
    /// Moved by the game.
    Kinematic,
}

/// One collider of the shadow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Stable for the body's life, and never used again after it.
    pub id: u64,
    /// In body coordinates.
    pub shape: Shape,
    /// Body to world.
    pub world_from_body: Pose,
    /// World frame, m/s.
    pub linear_velocity_m_s: Vec3,
    /// World frame, rad/s.
    pub angular_velocity_rad_s: Vec3,
    /// Who moves it.
    pub kind: BodyKind,
    /// Class of material, an index into the model card's list.
    pub material: u8,
    /// What the designer fixed: sRGB, 0 to 1. `None` leaves the colour to the model.
    pub tint_srgb: Option<[f32; 3]>,
}

/// All that the physics knows at one tick, and the camera that looks at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShadowSnapshot {
    /// Physics ticks since the start.
    pub tick: u64,
    /// Simulated time, seconds.
    pub time_s: f64,
    /// Where the picture is taken from.
    pub camera: CameraPose,
    /// Every visible collider, in a stable order.
    pub bodies: Vec<Body>,
    /// From the ground towards the sun, world frame, unit length.
    pub sun_direction: Vec3,
}

impl Default for ShadowSnapshot {
    /// An empty world, seen from its origin.
    fn default() -> Self {
        Self {
            tick: 0,
            time_s: 0.0,
            camera: CameraPose { world_from_camera: Pose::IDENTITY, vertical_fov_rad: 1.0 },
            bodies: Vec::new(),
            sun_direction: Vec3::Y,
        }
    }
}
