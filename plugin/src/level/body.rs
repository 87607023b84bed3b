//! One body of a level: what it is for, its shape and place, and how physics treats it.

use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use reverie_guard::expected::{BodyKind, Pose, Shape};
use reverie_runtime::material::MATERIAL_NAMES;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::material::NeuralMaterial;

/// What a body is for; decides its dressing and how a game treats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The ground box, its top at y = 0.
    Ground,
    /// A patch at most 4 cm thick on the ground.
    Slab,
    /// A flat basin of water: who enters it is put back to the start.
    Water,
    /// A wall that stands on the ground.
    Wall,
    /// A lintel, a jamb, a beam or a roof.
    Beam,
    /// Stairs, platforms, pedestals, basins.
    Block,
    /// A round column.
    Pillar,
    /// A sloping board.
    Ramp,
    /// A door's leaf.
    Door,
    /// A movable box.
    Crate,
    /// A movable ball.
    Ball,
    /// Sculpture on a pedestal.
    Statue,
    /// The goal.
    Beacon,
    /// A lamp post.
    Post,
    /// The lamp on top of a post.
    Lamp,
    /// A tree's stem.
    Trunk,
    /// A hedge or a tree's crown.
    Foliage,
}

/// One rigid body with one collider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelBody {
    /// What it is for.
    pub role: Role,
    /// The collider; of a mesh, its convex hull.
    pub shape: Shape,
    /// Body to world at the start.
    pub world_from_body: Pose,
    /// Forces move it; otherwise it never moves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub movable: bool,
    /// Class of [`NeuralMaterial`]; by name in files.
    #[serde(serialize_with = "write_class", deserialize_with = "read_class")]
    pub material: u8,
    /// Base colour, sRGB 0 to 1; `None` leaves it to the look of the game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tint_srgb: Option<[f32; 3]>,
}

impl LevelBody {
    /// A box that never moves, its colour left open. Metres.
    pub fn fixed_box(role: Role, material: NeuralMaterial, centre_m: Vec3, size_m: Vec3) -> Self {
        Self {
            role,
            shape: Shape::Cuboid { half_extents_m: 0.5 * size_m },
            world_from_body: Pose::new(Quat::IDENTITY, centre_m),
            movable: false,
            material: material.class,
            tint_srgb: None,
        }
    }

    /// Material class and, if it is fixed, the tint.
    pub fn neural_material(&self) -> NeuralMaterial {
        let tint = self.tint_srgb.map(Color::srgb_from_array);
        NeuralMaterial { class: self.material, tint }
    }

    /// Who moves it.
    pub fn kind(&self) -> BodyKind {
        if self.movable { BodyKind::Dynamic } else { BodyKind::Fixed }
    }

    /// Lower and upper corner of the box around it, world frame, metres.
    pub fn bounds_m(&self) -> (Vec3, Vec3) {
        bounds_m(&self.shape, &self.world_from_body)
    }
}

/// Lower and upper corner of the box around a shape in its place, world frame, metres.
pub fn bounds_m(shape: &Shape, world_from_shape: &Pose) -> (Vec3, Vec3) {
    let (low, high) = shape_bounds_m(shape);
    let rotation = world_from_shape.rotation_matrix();
    let middle = world_from_shape.transform_point(0.5 * (low + high));
    let half = 0.5 * (high - low);
    let reach = rotation.x_axis.abs() * half.x
        + rotation.y_axis.abs() * half.y
        + rotation.z_axis.abs() * half.z;
    (middle - reach, middle + reach)
}

/// Lower and upper corner of the box around a shape, its own frame, metres.
fn shape_bounds_m(shape: &Shape) -> (Vec3, Vec3) {
    let half = match *shape {
        Shape::Cuboid { half_extents_m } => half_extents_m,
        Shape::Ball { radius_m } => Vec3::splat(radius_m),
        Shape::Cylinder { half_height_m, radius_m } | Shape::Cone { half_height_m, radius_m } => {
            Vec3::new(radius_m, half_height_m, radius_m)
        }
        Shape::Capsule { half_height_m, radius_m } => {
            Vec3::new(radius_m, half_height_m + radius_m, radius_m)
        }
        Shape::Mesh(ref mesh) => {
            let corner =
                |pick: fn(Vec3, Vec3) -> Vec3| mesh.vertices_m.iter().copied().reduce(pick);
            return (corner(Vec3::min).unwrap_or_default(), corner(Vec3::max).unwrap_or_default());
        }
    };
    (-half, half)
}

/// The collider of a shape; a mesh without volume becomes the box around it.
pub fn collider(shape: &Shape) -> Collider {
    match shape {
        Shape::Cuboid { half_extents_m: h } => Collider::cuboid(h.x, h.y, h.z),
        Shape::Ball { radius_m } => Collider::ball(*radius_m),
        Shape::Cylinder { half_height_m, radius_m } => {
            Collider::cylinder(*half_height_m, *radius_m)
        }
        Shape::Capsule { half_height_m, radius_m } => {
            Collider::capsule_y(*half_height_m, *radius_m)
        }
        Shape::Cone { half_height_m, radius_m } => Collider::cone(*half_height_m, *radius_m),
        Shape::Mesh(mesh) => Collider::convex_hull(&mesh.vertices_m).unwrap_or_else(|| {
            let (low, high) = shape_bounds_m(shape);
            let half = (0.5 * (high - low)).max(Vec3::splat(0.005));
            let middle = (0.5 * (low + high), Quat::IDENTITY);
            Collider::compound(vec![(middle.0, middle.1, Collider::cuboid(half.x, half.y, half.z))])
        }),
    }
}

/// Everything that physics and a world model need of a body: boxes are heavy, balls bounce and roll out.
pub fn physics(
    role: Role,
    shape: &Shape,
    world_from_body: &Pose,
    movable: bool,
    material: NeuralMaterial,
) -> impl Bundle {
    let (density, bounce, damping) = match role {
        Role::Crate => (90.0, 0.05, Damping::default()),
        Role::Ball => (70.0, 0.55, Damping { linear_damping: 0.15, angular_damping: 0.6 }),
        _ => (90.0, 0.0, Damping::default()),
    };
    (
        material,
        if movable { RigidBody::Dynamic } else { RigidBody::Fixed },
        collider(shape),
        Velocity::zero(),
        Friction::coefficient(0.7),
        Restitution::coefficient(bounce),
        ColliderMassProperties::Density(density),
        damping,
        Transform::from_translation(world_from_body.translation_m)
            .with_rotation(world_from_body.rotation),
    )
}

fn write_class<S: Serializer>(class: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(NeuralMaterial { class: *class, tint: None }.name())
}

fn read_class<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let name = String::deserialize(deserializer)?;
    match MATERIAL_NAMES.iter().position(|known| *known == name) {
        Some(index) => Ok(index as u8),
        None => Err(serde::de::Error::custom(format!(
            "there is no material `{name}`; choose one of {}",
            MATERIAL_NAMES.join(", ")
        ))),
    }
}
