//! Rigid transforms, the camera and the shapes of colliders: plain data that every crate shares.

use std::sync::Arc;

use glam::{Mat3, Quat, Vec2, Vec3};
use serde::{Deserialize, Serialize};

/// Largest whole number not above `x`; beyond the range of `i32` its end, 0 for what is no number.
///
/// The library's own is a call on processors before SSE 4.1, for which the program is built, too.
#[inline]
pub(crate) fn floor(x: f32) -> i32 {
    let towards_zero = x as i32;
    towards_zero.saturating_sub(i32::from(x < towards_zero as f32))
}

/// The nearest whole numbers, halves upwards.
#[inline]
pub(crate) fn nearest(place: Vec2) -> Vec2 {
    Vec2::new(floor(place.x + 0.5) as f32, floor(place.y + 0.5) as f32)
}

/// A rigid transform `target_from_source`: rotate, then translate. Metres.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// Unit quaternion.
    pub rotation: Quat,
    /// Metres, in the target frame.
    pub translation_m: Vec3,
}

impl Pose {
    /// No rotation, no translation.
    pub const IDENTITY: Self = Self { rotation: Quat::IDENTITY, translation_m: Vec3::ZERO };

    /// A pose from its parts.
    pub fn new(rotation: Quat, translation_m: Vec3) -> Self {
        Self { rotation, translation_m }
    }

    /// Carries a point from the source frame into the target frame.
    pub fn transform_point(&self, point: Vec3) -> Vec3 {
        self.rotation * point + self.translation_m
    }

    /// `source_from_target`.
    pub fn inverse(&self) -> Self {
        let rotation = self.rotation.inverse();
        Self { rotation, translation_m: -(rotation * self.translation_m) }
    }

    /// `a_from_c` of `a_from_b` (self) and `b_from_c`.
    pub fn compose(&self, b_from_c: &Self) -> Self {
        Self {
            rotation: (self.rotation * b_from_c.rotation).normalize(),
            translation_m: self.transform_point(b_from_c.translation_m),
        }
    }

    /// The rotation as a matrix, for loops that apply it often.
    pub fn rotation_matrix(&self) -> Mat3 {
        Mat3::from_quat(self.rotation)
    }

    /// Finite, and the rotation is of unit length within 1e-3.
    pub fn is_sane(&self) -> bool {
        self.translation_m.is_finite()
            && self.rotation.is_finite()
            && (self.rotation.length_squared() - 1.0).abs() < 2e-3
    }
}

/// A pinhole camera: pose and vertical field of view.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CameraPose {
    /// Camera to world; the camera looks along its own −Z.
    pub world_from_camera: Pose,
    /// Full vertical angle, radians.
    pub vertical_fov_rad: f32,
}

/// A closed or open triangle surface in body coordinates.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TriangleMesh {
    /// Metres, body frame.
    pub vertices_m: Vec<Vec3>,
    /// Vertex indices, counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
}

/// A collider's shape in body coordinates. Round shapes stand along +Y, as in Rapier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// A box, by half of its edges.
    Cuboid {
        /// Metres.
        half_extents_m: Vec3,
    },
    /// A sphere.
    Ball {
        /// Metres.
        radius_m: f32,
    },
    /// A cylinder along Y.
    Cylinder {
        /// Metres.
        half_height_m: f32,
        /// Metres.
        radius_m: f32,
    },
    /// A cylinder along Y with hemispheres at both ends.
    Capsule {
        /// Of the straight part, metres.
        half_height_m: f32,
        /// Metres.
        radius_m: f32,
    },
    /// A cone along Y, its tip up.
    Cone {
        /// Metres.
        half_height_m: f32,
        /// Of the base, metres.
        radius_m: f32,
    },
    /// Anything else, as triangles.
    Mesh(Arc<TriangleMesh>),
}

impl Shape {
    /// The same shape `by` times as large; `None` for meshes, which many bodies may share.
    pub fn scaled(&self, by: f32) -> Option<Self> {
        Some(match self {
            Self::Cuboid { half_extents_m } => {
                Self::Cuboid { half_extents_m: *half_extents_m * by }
            }
            Self::Ball { radius_m } => Self::Ball { radius_m: radius_m * by },
            Self::Cylinder { half_height_m: h, radius_m: r } => {
                Self::Cylinder { half_height_m: h * by, radius_m: r * by }
            }
            Self::Capsule { half_height_m: h, radius_m: r } => {
                Self::Capsule { half_height_m: h * by, radius_m: r * by }
            }
            Self::Cone { half_height_m: h, radius_m: r } => {
                Self::Cone { half_height_m: h * by, radius_m: r * by }
            }
            Self::Mesh(_) => return None,
        })
    }
}
