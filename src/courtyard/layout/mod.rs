//! What stands in one courtyard, as plain data drawn from a seed. Nothing here knows how it is drawn.

mod of_level;
mod place;
mod structures;

use bevy::math::{Quat, Vec2, Vec3};
pub use bevy_reverie::level::Role;
use bevy_reverie::material::NeuralMaterial;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use reverie_guard::expected::{BodyKind, Pose, Shape};
use serde::{Deserialize, Serialize};

use super::palette::Palette;
use place::{Footprint, Plan};
use structures::Draft;

/// Half of the ground's edge, metres.
pub const HALF_SIZE_M: f32 = 12.0;
/// No layout has more colliders than this.
pub const MAX_PIECES: usize = 70;

/// One rigid body with one collider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// What it is for.
    pub role: Role,
    /// The collider.
    pub shape: Shape,
    /// Body to world.
    pub world_from_body: Pose,
    /// Who moves it.
    pub kind: BodyKind,
    /// Class of [`NeuralMaterial`].
    pub class: u8,
    /// The true base colour, sRGB 0 to 1.
    pub tint_srgb: [f32; 3],
}

/// One courtyard, or a level in a courtyard's dress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// What it was drawn from; textures and sky are drawn from it too.
    pub seed: u64,
    /// The colours.
    pub palette: Palette,
    /// Where the player's feet stand at first, world metres.
    pub spawn_m: Vec3,
    /// Which way the player looks at first: turn about +Y from −Z, radians.
    pub spawn_yaw_rad: f32,
    /// Where the goal stands on the ground, metres.
    pub goal_m: Option<Vec3>,
    /// From the ground towards the sun, unit length.
    pub sun_direction: Vec3,
    /// Lower and upper corner of the ground, x and z in metres.
    pub ground_m: [Vec2; 2],
    /// The bodies, in a stable order; the ground comes first.
    pub pieces: Vec<Piece>,
}

impl Layout {
    /// Draws a courtyard: the same seed gives the same one.
    pub fn random(seed: u64) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let palette = Palette::random(rng);
        let mut plan = Plan::default();
        let mut pieces = ground(&palette, rng);
        pieces.extend(boundary(&palette, rng));

        let spawn_m = Vec3::new(rng.random_range(-8.0..8.0), 0.05, rng.random_range(-8.0..8.0));
        plan.take(Footprint::square(spawn_m.x, spawn_m.z, 1.3));
        // Facing the middle, where there is most to see.
        let spawn_yaw_rad = spawn_m.x.atan2(spawn_m.z) + rng.random_range(-0.6..0.6);

        let wanted = rng.random_range(42..=MAX_PIECES - 3);
        for draft in structures::always(&palette, rng) {
            plan.put(draft, &mut pieces, rng);
        }
        let moods = structures::MOODS.choose(rng).copied().unwrap_or(structures::MOODS[0]);
        let mut failures = 0;
        while pieces.len() < wanted && failures < 90 {
            let draft: Draft = structures::random(moods, &palette, rng);
            if pieces.len() + draft.pieces.len() > MAX_PIECES || !plan.put(draft, &mut pieces, rng)
            {
                failures += 1;
            }
        }

        let (azimuth, elevation) =
            (rng.random_range(0.0..std::f32::consts::TAU), rng.random_range(0.50..1.05_f32));
        let sun_direction = Vec3::new(
            azimuth.cos() * elevation.cos(),
            elevation.sin(),
            azimuth.sin() * elevation.cos(),
        );
        let beacon = pieces.iter().find(|piece| piece.role == Role::Beacon);
        let goal_m = beacon.map(|piece| piece.world_from_body.translation_m.with_y(0.0));
        let ground_m = [Vec2::splat(-HALF_SIZE_M), Vec2::splat(HALF_SIZE_M)];
        Self { seed, palette, spawn_m, spawn_yaw_rad, goal_m, sun_direction, ground_m, pieces }
    }
}

fn fixed_box(
    role: Role,
    material: NeuralMaterial,
    center_m: Vec3,
    size_m: Vec3,
    palette: &Palette,
    rng: &mut impl Rng,
) -> Piece {
    Piece {
        role,
        shape: Shape::Cuboid { half_extents_m: size_m * 0.5 },
        world_from_body: Pose::new(Quat::IDENTITY, center_m),
        kind: BodyKind::Fixed,
        class: material.class,
        tint_srgb: palette.tint_srgb(material.class, rng),
    }
}

/// The ground box and, on it, patches of different thickness, so that no two tops are at one height.
fn ground(palette: &Palette, rng: &mut impl Rng) -> Vec<Piece> {
    let meadow = rng.random_bool(0.7);
    let (base, patch) = if meadow {
        (NeuralMaterial::GRASS, NeuralMaterial::PAVING)
    } else {
        (NeuralMaterial::PAVING, NeuralMaterial::GRASS)
    };
    let size = Vec3::new(2.0 * HALF_SIZE_M, 1.0, 2.0 * HALF_SIZE_M);
    let mut pieces =
        vec![fixed_box(Role::Ground, base, Vec3::new(0.0, -0.5, 0.0), size, palette, rng)];
    let patches = rng.random_range(1..=4);
    for i in 0..patches {
        let thickness = 0.015 + 0.008 * i as f32;
        let material = match rng.random_range(0..6) {
            0 => NeuralMaterial::TILE,
            1 => NeuralMaterial::WOOD,
            _ => patch,
        };
        // The first is a path from wall to wall, the others lie about.
        let (center, size) = if i == 0 && rng.random_bool(0.6) {
            let width = rng.random_range(1.6..3.2);
            let at = rng.random_range(-6.0..6.0);
            if rng.random_bool(0.5) {
                (Vec3::new(0.0, 0.0, at), Vec3::new(2.0 * HALF_SIZE_M - 0.4, thickness, width))
            } else {
                (Vec3::new(at, 0.0, 0.0), Vec3::new(width, thickness, 2.0 * HALF_SIZE_M - 0.4))
            }
        } else {
            let size = Vec3::new(rng.random_range(2.0..8.0), thickness, rng.random_range(2.0..8.0));
            let reach = Vec3::splat(HALF_SIZE_M - 0.5) - 0.5 * size;
            let at = Vec3::new(
                rng.random_range(-reach.x..reach.x),
                0.0,
                rng.random_range(-reach.z..reach.z),
            );
            (at, size)
        };
        let center = center.with_y(0.5 * thickness);
        pieces.push(fixed_box(Role::Slab, material, center, size, palette, rng));
    }
    pieces
}

/// Four walls round the ground.
fn boundary(palette: &Palette, rng: &mut impl Rng) -> Vec<Piece> {
    let height = rng.random_range(2.7..3.5);
    let thickness = rng.random_range(0.3..0.5);
    let single = *structures::WALLS.choose(rng).unwrap_or(&NeuralMaterial::STONE);
    let mixed = rng.random_bool(0.4);
    let mut sides = Vec::with_capacity(4);
    for (x, z) in [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0_f32)] {
        let material = if mixed {
            *structures::WALLS.choose(rng).unwrap_or(&NeuralMaterial::STONE)
        } else {
            single
        };
        // Walls along X reach round the corners, walls along Z fit between them.
        let length = 2.0 * HALF_SIZE_M - if x != 0.0 { 2.0 * thickness } else { 0.0 };
        let middle = HALF_SIZE_M - 0.5 * thickness;
        let size = if x != 0.0 {
            Vec3::new(thickness, height, length)
        } else {
            Vec3::new(length, height, thickness)
        };
        let center = Vec3::new(x * middle, 0.5 * height, z * middle);
        sides.push(fixed_box(Role::Wall, material, center, size, palette, rng));
    }
    sides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_layout_and_another_changes_it() {
        assert_eq!(Layout::random(7), Layout::random(7));
        assert_ne!(Layout::random(7), Layout::random(8));
    }

    #[test]
    fn layouts_are_of_the_promised_size_and_sane() {
        for seed in 0..200 {
            let layout = Layout::random(seed);
            assert!(
                (25..=MAX_PIECES).contains(&layout.pieces.len()),
                "{seed}: {}",
                layout.pieces.len()
            );
            assert!(
                layout.pieces.iter().any(|p| p.kind == BodyKind::Dynamic),
                "{seed}: nothing to push"
            );
            for piece in &layout.pieces {
                assert!(piece.world_from_body.is_sane(), "{seed}: {piece:?}");
                let at = piece.world_from_body.translation_m;
                assert!(at.x.abs() < 12.5 && at.z.abs() < 12.5 && at.y < 6.0, "{seed}: {piece:?}");
            }
        }
    }

    #[test]
    fn the_spawn_is_free() {
        for seed in 0..200 {
            let layout = Layout::random(seed);
            for piece in
                layout.pieces.iter().filter(|p| !matches!(p.role, Role::Ground | Role::Slab))
            {
                // The player's axis, sampled from knee to crown, stays out of every piece by 0.4 m.
                for height in [0.4, 0.8, 1.2, 1.6] {
                    let eye = layout.spawn_m + Vec3::Y * height;
                    let local = piece.world_from_body.inverse().transform_point(eye);
                    let distance = match &piece.shape {
                        Shape::Cuboid { half_extents_m } => {
                            (local.abs() - *half_extents_m).max(Vec3::ZERO).length()
                        }
                        Shape::Ball { radius_m } => local.length() - radius_m,
                        Shape::Cylinder { radius_m, .. }
                        | Shape::Capsule { radius_m, .. }
                        | Shape::Cone { radius_m, .. } => local.xz().length() - radius_m,
                        Shape::Mesh(_) => 0.0,
                    };
                    assert!(distance > 0.4, "{seed}: {piece:?}");
                }
            }
        }
    }

    use bevy::math::Vec3Swizzles;
}
