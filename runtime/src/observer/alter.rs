//! Worlds changed at random before a model draws them: what a model can show, an observer must know.

use glam::{Quat, Vec3};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use reverie_guard::{Body, BodyKind, Pose, ShadowSnapshot, Shape};

use crate::material::MATERIAL_NAMES;

/// Most bodies that one alteration changes, and most that it adds.
const MOST_EDITS: usize = 6;
const MOST_GUESTS: usize = 4;
/// Ids of added bodies: far from any that a game gives.
const FIRST_GUEST: u64 = 1 << 62;

#[derive(Debug, Clone, PartialEq)]
enum Edit {
    Remove,
    ShiftM(Vec3),
    Scale(f32),
    Material(u8),
    /// One more of it, so far away, metres.
    Twin(Vec3),
}

/// The same change for all frames of an episode.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Alteration {
    edits: Vec<(u64, Edit)>,
    guests: Vec<Body>,
}

impl Alteration {
    /// Draws one for the world of `snapshot`. The first body, a game's ground, stays.
    pub fn draw(snapshot: &ShadowSnapshot, rng: &mut ChaCha8Rng) -> Self {
        let mut out = Self::default();
        let bodies = snapshot.bodies.get(1..).unwrap_or_default();
        let eye = &snapshot.camera.world_from_camera;
        // Bodies nearby are seen, and those that move matter most.
        let near: Vec<&Body> = bodies
            .iter()
            .filter(|b| b.world_from_body.translation_m.distance(eye.translation_m) < 12.0)
            .collect();
        let moving: Vec<&Body> =
            near.iter().copied().filter(|b| b.kind != BodyKind::Fixed).collect();
        for _ in 0..rng.random_range(0..=MOST_EDITS) {
            let from = if rng.random_bool(0.6) { &moving } else { &near };
            let Some(body) = from.choose(rng) else { continue };
            let mut offset = || {
                Vec3::new(
                    rng.random_range(-1.5..1.5),
                    rng.random_range(-0.3..1.2),
                    rng.random_range(-1.5..1.5),
                )
            };
            let (shift, twin) = (offset(), offset());
            let edit = match rng.random_range(0..5) {
                0 => Edit::Remove,
                1 => Edit::ShiftM(shift),
                2 => Edit::Scale(rng.random_range(-0.7..0.7f32).exp()),
                3 => Edit::Material(rng.random_range(0..MATERIAL_NAMES.len()) as u8),
                _ => Edit::Twin(twin),
            };
            out.edits.push((body.id, edit));
        }
        for index in 0..rng.random_range(0..=MOST_GUESTS) {
            let reach_m = rng.random_range(1.5..9.0f32);
            let side_m = reach_m * rng.random_range(-0.9..0.9f32);
            let mut at_m = eye.transform_point(Vec3::new(side_m, 0.0, -reach_m));
            at_m.y = rng.random_range(0.2..2.0);
            out.guests.push(guest(FIRST_GUEST + index as u64, at_m, rng));
        }
        out
    }

    /// The world as it will be drawn.
    pub fn apply(&self, snapshot: &ShadowSnapshot) -> ShadowSnapshot {
        let mut out = snapshot.clone();
        for (index, (id, edit)) in self.edits.iter().enumerate() {
            let Some(at) = out.bodies.iter().position(|b| b.id == *id) else { continue };
            match edit {
                Edit::Remove => drop(out.bodies.remove(at)),
                Edit::ShiftM(offset) => out.bodies[at].world_from_body.translation_m += *offset,
                Edit::Scale(factor) => {
                    if let Some(shape) = out.bodies[at].shape.scaled(*factor) {
                        out.bodies[at].shape = shape;
                    }
                }
                Edit::Material(material) => {
                    out.bodies[at].material = *material;
                    out.bodies[at].tint_srgb = None;
                }
                Edit::Twin(offset) => {
                    let mut twin = out.bodies[at].clone();
                    twin.id = FIRST_GUEST + (MOST_GUESTS + index) as u64;
                    twin.world_from_body.translation_m += *offset;
                    out.bodies.push(twin);
                }
            }
        }
        out.bodies.extend(self.guests.iter().cloned());
        out
    }
}

/// A body such as games leave lying about.
fn guest(id: u64, at_m: Vec3, rng: &mut ChaCha8Rng) -> Body {
    let size_m = rng.random_range(0.15..0.55f32);
    let loose = ["crate", "ball", "crate", "ball", "metal", "wood", "door", "lantern", "beacon"];
    let name = loose.choose(rng).copied().unwrap_or("ball");
    let shape = match name {
        "ball" | "beacon" | "lantern" => Shape::Ball { radius_m: size_m },
        "metal" => Shape::Cylinder { half_height_m: 1.3 * size_m, radius_m: size_m },
        "door" => Shape::Cuboid { half_extents_m: Vec3::new(0.5, 1.0, 0.05) },
        "wood" => Shape::Cuboid { half_extents_m: Vec3::new(2.0 * size_m, 0.1, 0.5 * size_m) },
        _ => Shape::Cuboid { half_extents_m: Vec3::splat(size_m) },
    };
    let material = MATERIAL_NAMES.iter().position(|n| *n == name).unwrap_or(0) as u8;
    let turn = Quat::from_rotation_y(rng.random_range(0.0..std::f32::consts::TAU));
    let tint_srgb =
        rng.random_bool(0.7).then(|| std::array::from_fn(|_| rng.random_range(0.15..0.9)));
    Body {
        id,
        shape,
        world_from_body: Pose::new(turn, at_m),
        linear_velocity_m_s: Vec3::ZERO,
        angular_velocity_rad_s: Vec3::ZERO,
        kind: BodyKind::Dynamic,
        material,
        tint_srgb,
    }
}
