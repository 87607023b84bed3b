//! The class of a body to which the game gives no `NeuralMaterial`.

use bevy::prelude::*;
use reverie_guard::expected::{BodyKind, Pose, Shape};

use crate::material::NeuralMaterial;

/// A plate is flat if it is thinner than this share of its shorter side.
const FLAT_SHARE: f32 = 0.25;
/// What stands at least this high is a wall, metres.
const TALL_M: f32 = 1.0;

/// Things that move are crates or balls, flat ground is paved, what stands tall is stone.
pub(super) fn guess_material(
    kind: BodyKind,
    shape: &Shape,
    world_from_shape: &Pose,
) -> NeuralMaterial {
    match (kind, shape) {
        (BodyKind::Dynamic, Shape::Ball { .. }) => NeuralMaterial::BALL,
        (BodyKind::Dynamic, _) => NeuralMaterial::CRATE,
        (BodyKind::Kinematic, _) => NeuralMaterial::PLAIN,
        (BodyKind::Fixed, _) => guess_fixed(shape, world_from_shape),
    }
}

fn guess_fixed(shape: &Shape, world_from_shape: &Pose) -> NeuralMaterial {
    let half = half_extents_m(shape);
    let rotation = world_from_shape.rotation_matrix();
    let axes = [rotation.x_axis, rotation.y_axis, rotation.z_axis];
    let up = (0..3).max_by(|a, b| axes[*a].y.abs().total_cmp(&axes[*b].y.abs())).unwrap_or(1);
    let shorter_side =
        (0..3).filter(|axis| *axis != up).map(|axis| half[axis]).fold(f32::INFINITY, f32::min);
    let height_m = 2.0 * (0..3).map(|axis| axes[axis].y.abs() * half[axis]).sum::<f32>();
    if axes[up].y.abs() > 0.7 && half[up] < FLAT_SHARE * shorter_side {
        NeuralMaterial::PAVING
    } else if height_m >= TALL_M {
        NeuralMaterial::STONE
    } else {
        NeuralMaterial::PLAIN
    }
}

fn half_extents_m(shape: &Shape) -> Vec3 {
    match shape {
        Shape::Cuboid { half_extents_m } => *half_extents_m,
        Shape::Ball { radius_m } => Vec3::splat(*radius_m),
        Shape::Cylinder { half_height_m, radius_m } | Shape::Cone { half_height_m, radius_m } => {
            Vec3::new(*radius_m, *half_height_m, *radius_m)
        }
        Shape::Capsule { half_height_m, radius_m } => {
            Vec3::new(*radius_m, half_height_m + radius_m, *radius_m)
        }
        Shape::Mesh(mesh) => {
            let low = mesh.vertices_m.iter().copied().fold(Vec3::INFINITY, Vec3::min);
            let high = mesh.vertices_m.iter().copied().fold(Vec3::NEG_INFINITY, Vec3::max);
            if low.is_finite() && high.is_finite() { 0.5 * (high - low) } else { Vec3::ZERO }
        }
    }
}
