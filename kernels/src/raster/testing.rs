//! Random scenes for tests.

use std::sync::Arc;

use glam::{EulerRot, Quat, Vec3};
use proptest::prelude::*;

use super::{Primitive, Scene};
use crate::geometry::{CameraPose, Pose, Shape, TriangleMesh};

/// A box as a mesh, counter-clockwise from outside.
pub(crate) fn box_mesh(half: Vec3) -> Shape {
    let vertices_m = (0..8)
        .map(|corner| {
            let sign = |bit: usize| if corner >> bit & 1 == 1 { 1.0 } else { -1.0 };
            half * Vec3::new(sign(0), sign(1), sign(2))
        })
        .collect();
    let triangles = [
        [1, 3, 7],
        [1, 7, 5],
        [0, 4, 6],
        [0, 6, 2],
        [2, 6, 7],
        [2, 7, 3],
        [0, 1, 5],
        [0, 5, 4],
        [4, 5, 7],
        [4, 7, 6],
        [0, 2, 3],
        [0, 3, 1],
    ];
    Shape::Mesh(Arc::new(TriangleMesh { vertices_m, triangles: triangles.to_vec() }))
}

/// Looks from `from` towards `to`, 60° high.
pub(crate) fn camera(from: Vec3, to: Vec3) -> CameraPose {
    let rotation = Quat::from_mat3(
        &glam::Mat3::from_mat4(glam::Mat4::look_at_rh(from, to, Vec3::Y)).transpose(),
    );
    CameraPose {
        world_from_camera: Pose::new(rotation, from),
        vertical_fov_rad: 60f32.to_radians(),
    }
}

/// A body without rotation.
pub(crate) fn at(id: u64, shape: Shape, place: Vec3) -> Primitive {
    Primitive {
        id,
        shape,
        world_from_object: Pose::new(Quat::IDENTITY, place),
        material: (id % 20) as u8,
    }
}

/// A box by its half edges.
pub(crate) fn cuboid(x: f32, y: f32, z: f32) -> Shape {
    Shape::Cuboid { half_extents_m: Vec3::new(x, y, z) }
}

/// A floor of 40 m at height 0, the sun half up.
pub(crate) fn with_floor(mut primitives: Vec<Primitive>) -> Scene {
    primitives.insert(0, at(1000, cuboid(20.0, 0.5, 20.0), Vec3::new(0.0, -0.5, 0.0)));
    Scene { primitives, sun_direction: Vec3::new(0.5, 0.8, 0.33).normalize() }
}

pub(crate) fn any_shape() -> impl Strategy<Value = Shape> {
    let size = 0.1f32..1.2;
    prop_oneof![
        (size.clone(), size.clone(), size.clone()).prop_map(|(x, y, z)| cuboid(x, y, z)),
        size.clone().prop_map(|radius_m| Shape::Ball { radius_m }),
        (size.clone(), size.clone())
            .prop_map(|(half_height_m, radius_m)| Shape::Cylinder { half_height_m, radius_m }),
        (size.clone(), size.clone())
            .prop_map(|(half_height_m, radius_m)| Shape::Capsule { half_height_m, radius_m }),
        (size.clone(), size.clone())
            .prop_map(|(half_height_m, radius_m)| Shape::Cone { half_height_m, radius_m }),
        (size.clone(), size.clone(), size).prop_map(|(x, y, z)| box_mesh(Vec3::new(x, y, z))),
    ]
}

pub(crate) fn any_rotation() -> impl Strategy<Value = Quat> {
    (-3.1f32..3.1, -1.5f32..1.5, -3.1f32..3.1)
        .prop_map(|(y, x, z)| Quat::from_euler(EulerRot::YXZ, y, x, z))
}

pub(crate) fn any_pose(spread_m: f32) -> impl Strategy<Value = Pose> {
    let along = -spread_m..spread_m;
    (any_rotation(), along.clone(), 0.2f32..2.5, along)
        .prop_map(|(rotation, x, y, z)| Pose::new(rotation, Vec3::new(x, y, z)))
}

/// A floor and up to `most` bodies of any shape and turn on it.
pub(crate) fn any_scene(most: usize) -> impl Strategy<Value = Scene> {
    proptest::collection::vec((any_shape(), any_pose(6.0)), 1..=most).prop_map(|bodies| {
        with_floor(
            bodies
                .into_iter()
                .enumerate()
                .map(|(id, (shape, world_from_object))| Primitive {
                    id: id as u64,
                    shape,
                    world_from_object,
                    material: id as u8,
                })
                .collect(),
        )
    })
}

/// A camera at a walker's height among the bodies of [`any_scene`].
pub(crate) fn any_camera() -> impl Strategy<Value = CameraPose> {
    (-7f32..7.0, 0.4f32..3.0, -7f32..7.0, -3.1f32..3.1, -0.6f32..0.3).prop_map(
        |(x, y, z, yaw, pitch)| CameraPose {
            world_from_camera: Pose::new(
                Quat::from_euler(EulerRot::YXZ, yaw, pitch, 0.0),
                Vec3::new(x, y, z),
            ),
            vertical_fov_rad: 60f32.to_radians(),
        },
    )
}
