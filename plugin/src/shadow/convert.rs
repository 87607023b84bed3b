//! Collider shapes and render meshes, as shapes of the shadow.

use std::sync::Arc;

use bevy::mesh::{Indices, Mesh, PrimitiveTopology, VertexAttributeValues};
use bevy::prelude::*;
use bevy_rapier3d::parry::shape::{Shape as ParryShape, TypedShape};
use reverie_guard::expected::{Pose, Shape, TriangleMesh};

/// Half edge of the box that stands for a half-space, metres: beyond any game's fog.
const HALF_SPACE_EXTENT_M: f32 = 200.0;
/// Half thickness of that box, metres.
const HALF_SPACE_HALF_THICKNESS_M: f32 = 0.5;

/// One shape of a collider, and where it sits on its entity.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub entity_from_shape: Pose,
    pub shape: Shape,
}

/// All that can be seen of `shape`. Lines and shapes of a game's own have no surface that is known here.
pub(super) fn parts_of(shape: &dyn ParryShape) -> Vec<Part> {
    let mut parts = Vec::new();
    collect(shape, Pose::IDENTITY, &mut parts);
    parts
}

fn collect(shape: &dyn ParryShape, at: Pose, parts: &mut Vec<Part>) {
    let mut push = |shape| parts.push(Part { entity_from_shape: at, shape });
    // Round shapes become plain ones of their full size: a border of some centimetres is below a pixel.
    match shape.as_typed_shape() {
        TypedShape::Ball(ball) => push(Shape::Ball { radius_m: ball.radius }),
        TypedShape::Cuboid(cuboid) => push(Shape::Cuboid { half_extents_m: cuboid.half_extents }),
        TypedShape::RoundCuboid(round) => {
            push(Shape::Cuboid {
                half_extents_m: round.inner_shape.half_extents + round.border_radius,
            });
        }
        TypedShape::Cylinder(c) => {
            push(Shape::Cylinder { half_height_m: c.half_height, radius_m: c.radius })
        }
        TypedShape::RoundCylinder(round) => push(Shape::Cylinder {
            half_height_m: round.inner_shape.half_height + round.border_radius,
            radius_m: round.inner_shape.radius + round.border_radius,
        }),
        TypedShape::Cone(c) => {
            push(Shape::Cone { half_height_m: c.half_height, radius_m: c.radius })
        }
        TypedShape::RoundCone(round) => push(Shape::Cone {
            half_height_m: round.inner_shape.half_height + round.border_radius,
            radius_m: round.inner_shape.radius + round.border_radius,
        }),
        TypedShape::Capsule(capsule) => {
            let (a, b) = (capsule.segment.a, capsule.segment.b);
            let along = (b - a).normalize_or(Vec3::Y);
            let capsule_pose = Pose::new(Quat::from_rotation_arc(Vec3::Y, along), 0.5 * (a + b));
            parts.push(Part {
                entity_from_shape: at.compose(&capsule_pose),
                shape: Shape::Capsule {
                    half_height_m: 0.5 * a.distance(b),
                    radius_m: capsule.radius,
                },
            });
        }
        TypedShape::HalfSpace(half_space) => {
            let up = Quat::from_rotation_arc(Vec3::Y, half_space.normal);
            let sunk = Pose::new(up, -HALF_SPACE_HALF_THICKNESS_M * half_space.normal);
            parts.push(Part {
                entity_from_shape: at.compose(&sunk),
                shape: Shape::Cuboid {
                    half_extents_m: Vec3::new(
                        HALF_SPACE_EXTENT_M,
                        HALF_SPACE_HALF_THICKNESS_M,
                        HALF_SPACE_EXTENT_M,
                    ),
                },
            });
        }
        TypedShape::Triangle(t) => push(mesh(vec![t.a, t.b, t.c], vec![[0, 1, 2], [0, 2, 1]])),
        TypedShape::RoundTriangle(round) => {
            let t = &round.inner_shape;
            push(mesh(vec![t.a, t.b, t.c], vec![[0, 1, 2], [0, 2, 1]]));
        }
        TypedShape::TriMesh(t) => push(mesh(t.vertices().to_vec(), t.indices().to_vec())),
        TypedShape::HeightField(field) => {
            let (vertices, triangles) = field.to_trimesh();
            push(mesh(vertices, triangles));
        }
        TypedShape::Voxels(voxels) => {
            let (vertices, triangles) = voxels.to_trimesh();
            push(mesh(vertices, triangles));
        }
        TypedShape::ConvexPolyhedron(convex) => {
            let (vertices, triangles) = convex.to_trimesh();
            push(mesh(vertices, triangles));
        }
        TypedShape::RoundConvexPolyhedron(round) => {
            let (vertices, triangles) = round.inner_shape.to_trimesh();
            push(mesh(vertices, triangles));
        }
        TypedShape::Compound(compound) => {
            for (pose, part) in compound.shapes() {
                collect(
                    part.as_ref(),
                    at.compose(&Pose::new(pose.rotation, pose.translation)),
                    parts,
                );
            }
        }
        TypedShape::Segment(_) | TypedShape::Polyline(_) | TypedShape::Custom(_) => {}
    }
}

fn mesh(vertices_m: Vec<Vec3>, triangles: Vec<[u32; 3]>) -> Shape {
    Shape::Mesh(Arc::new(TriangleMesh { vertices_m, triangles }))
}

/// The triangles of a render mesh, scaled by `scale`, or `None` for meshes without triangles in main memory.
pub(super) fn mesh_shape(mesh: &Mesh, scale: Vec3) -> Option<Shape> {
    if mesh.primitive_topology() != PrimitiveTopology::TriangleList {
        return None;
    }
    let Ok(VertexAttributeValues::Float32x3(positions)) =
        mesh.try_attribute(Mesh::ATTRIBUTE_POSITION)
    else {
        return None;
    };
    let indices: Vec<u32> = match mesh.try_indices() {
        Ok(Indices::U16(indices)) => indices.iter().map(|i| u32::from(*i)).collect(),
        Ok(Indices::U32(indices)) => indices.clone(),
        Err(_) => (0..positions.len() as u32).collect(),
    };
    // A mirrored mesh is seen from its other side.
    let mirrored = scale.x * scale.y * scale.z < 0.0;
    let triangles: Vec<[u32; 3]> = indices
        .chunks_exact(3)
        .map(|t| if mirrored { [t[0], t[2], t[1]] } else { [t[0], t[1], t[2]] })
        .collect();
    let in_range = triangles.iter().flatten().all(|i| (*i as usize) < positions.len());
    let vertices_m: Vec<Vec3> = positions.iter().map(|p| Vec3::from_array(*p) * scale).collect();
    (in_range && !triangles.is_empty())
        .then(|| Shape::Mesh(Arc::new(TriangleMesh { vertices_m, triangles })))
}
