//! What the maps say about a visible point.

use glam::{Mat3, Vec3};

use super::shape::{ObjectView, normal};
use super::{Primitive, ShadowMaps};
use crate::geometry::{CameraPose, Shape};
use crate::surface::surface_point;

/// A primitive with what every pixel of it needs.
pub(crate) struct Seen<'a> {
    pub(crate) primitive: &'a Primitive,
    pub(crate) view: ObjectView,
    world_from_object: Mat3,
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

    /// Describes the point that pixel `index` sees at its depth. The normal of a mesh has to be in
    /// `maps` already: a point does not tell its triangle.
    #[inline]
    pub(crate) fn describe(
        &self,
        maps: &mut ShadowMaps,
        index: usize,
        direction: Vec3,
        pixel_m: f32,
    ) {
        let depth_m = maps.depth_m[index];
        let point = self.view.origin_m + direction * depth_m;
        let shape = &self.primitive.shape;
        let normal_object = match shape {
            Shape::Mesh(_) => self.world_from_object.transpose() * maps.normal[index],
            solid => normal(solid, point, 0),
        };
        let surface = surface_point(shape, point, normal_object);
        let normal = self.world_from_object * normal_object;
        let facing = (-direction.dot(normal_object) / direction.length()).max(0.05);
        maps.normal[index] = normal;
        maps.uv[index] = surface.uv;
        maps.edge_m[index] = surface.edge_m;
        maps.layer[index] = self.primitive.material.min(126) * 2 + u8::from(normal.y > 0.7);
        maps.footprint[index] =
            depth_m * pixel_m / (facing * surface.period_m[0].min(surface.period_m[1]));
    }
}
