//! What the maps say about a visible point.

use glam::{Mat3, Vec3};

use super::Primitive;
use super::shape::{ObjectView, normal};
use crate::geometry::{CameraPose, Shape};
use crate::surface::surface_point;

/// A primitive with what every pixel of it needs.
pub(crate) struct Seen<'a> {
    pub(crate) primitive: &'a Primitive,
    pub(crate) view: ObjectView,
    world_from_object: Mat3,
}

/// What the maps say of a point; see [`ShadowMaps`](super::ShadowMaps).
pub(crate) struct Described {
    pub(crate) normal: Vec3,
    pub(crate) uv: [f32; 2],
    pub(crate) edge_m: [f32; 2],
    pub(crate) layer: u8,
    pub(crate) footprint: f32,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(primitive: &'a Primitive, camera: &CameraPose) -> Self {
        Self {
            primitive,
            view: ObjectView::new(&primitive.world_from_object, camera),
            world_from_object: primitive.world_from_object.rotation_matrix(),
        }
    }

    /// Normal of a mesh's triangle, world frame.
    pub(crate) fn triangle_normal(&self, triangle: usize) -> Vec3 {
        self.world_from_object * normal(&self.primitive.shape, Vec3::ZERO, triangle)
    }

    /// Describes the point that is seen at `depth_m` along `direction`. `mesh_normal` is that of a mesh there, world frame: a point
    /// does not tell its triangle.
    #[inline]
    pub(crate) fn describe(
        &self,
        depth_m: f32,
        mesh_normal: Vec3,
        direction: Vec3,
        pixel_m: f32,
    ) -> Described {
        let point = self.view.origin_m + direction * depth_m;
        let shape = &self.primitive.shape;
        let normal_object = match shape {
            Shape::Mesh(_) => self.world_from_object.transpose() * mesh_normal,
            solid => normal(solid, point, 0),
        };
        let surface = surface_point(shape, point, normal_object);
        let normal = self.world_from_object * normal_object;
        let facing = (-direction.dot(normal_object) / direction.length()).max(0.05);
        Described {
            normal,
            uv: surface.uv,
            edge_m: surface.edge_m,
            layer: self.primitive.material.min(126) * 2 + u8::from(normal.y > 0.7),
            footprint: depth_m * pixel_m / (facing * surface.period_m[0].min(surface.period_m[1])),
        }
    }
}
