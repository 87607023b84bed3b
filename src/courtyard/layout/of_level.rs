//! A level in a courtyard's dress: colours that the level leaves open are drawn from the seed's palette.

use std::hash::{DefaultHasher, Hash, Hasher};

use bevy::math::{Vec2, Vec3Swizzles};
use bevy_reverie::level::{Level, LevelBody, Role};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Layout, Piece};
use crate::courtyard::palette::Palette;

impl Layout {
    /// The level's bodies, in its order. A body's colour depends on the seed and the body alone, so that it outlives
    /// changes elsewhere in the level.
    pub fn of_level(level: &Level, seed: u64) -> Self {
        let palette = Palette::random(&mut ChaCha8Rng::seed_from_u64(seed));
        let pieces = level.bodies.iter().map(|body| piece(body, &palette, seed)).collect();
        let ground = level.bodies.iter().filter(|body| body.role == Role::Ground);
        let (low, high) = ground
            .map(LevelBody::bounds_m)
            .reduce(|(low, high), (l, h)| (low.min(l), high.max(h)))
            .unwrap_or_else(|| level.bounds_m());
        Self {
            seed,
            palette,
            spawn_m: level.spawn_m,
            spawn_yaw_rad: level.spawn_yaw_rad,
            goal_m: level.goal_m,
            sun_direction: level.sun_direction,
            ground_m: [low.xz(), high.xz().max(low.xz() + Vec2::splat(0.1))],
            pieces,
        }
    }
}

fn piece(body: &LevelBody, palette: &Palette, seed: u64) -> Piece {
    let open = || {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        format!("{body:?}").hash(&mut hasher);
        palette.tint_srgb(body.material, &mut ChaCha8Rng::seed_from_u64(hasher.finish()))
    };
    Piece {
        role: body.role,
        shape: body.shape.clone(),
        world_from_body: body.world_from_body,
        kind: body.kind(),
        class: body.material,
        tint_srgb: body.tint_srgb.unwrap_or_else(open),
    }
}
