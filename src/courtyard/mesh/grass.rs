//! Tufts and flowers on the meadow, all in one mesh.

use bevy::math::{Vec2, Vec3};
use bevy_reverie::material::NeuralMaterial;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reverie_guard::expected::Shape;

use super::builder::Builder;
use super::{Coat, Dressed, is_covered};
use crate::courtyard::layout::{Layout, Role};
use crate::courtyard::palette;
use crate::courtyard::texture::Noise;

/// Tufts tried on each square metre of ground, and at most.
const TUFTS_PER_M2: f32 = 900.0 / 576.0;
const MAX_TUFTS: f32 = 4000.0;

/// The courtyard's grass in world coordinates, or `None` where no meadow is.
pub fn grass(layout: &Layout) -> Option<Dressed> {
    let rng = &mut ChaCha8Rng::seed_from_u64(layout.seed ^ 0x06EA_55E5);
    let noise = Noise(rng.random());
    let mut b = Builder::default();
    let mut cover = Vec::new();
    let flower = palette::linear(layout.palette.tint_srgb(NeuralMaterial::BALL.class, rng));
    let [low, high] = layout.ground_m;
    let tufts = ((high - low).element_product() * TUFTS_PER_M2).clamp(0.0, MAX_TUFTS);
    let (low, high) = (low + 0.4, high - 0.4);
    if layout.pieces.iter().all(|p| p.class != NeuralMaterial::GRASS.class) || low.cmpge(high).any()
    {
        return None;
    }
    for _ in 0..tufts as usize {
        let at = Vec3::new(rng.random_range(low.x..high.x), 0.0, rng.random_range(low.y..high.y));
        let Some((height, tint)) = meadow(layout, at) else { continue };
        // Tufts stand together, and along walls where no one treads.
        let dense = noise.at(Vec2::new(at.x, at.z) * 0.7, 3);
        if is_covered(layout, at, 0.03) || (dense < 0.5 && !is_covered(layout, at, 0.45)) {
            continue;
        }
        let at = at.with_y(height);
        let tall = rng.random_range(0.08..0.22);
        let tone = Vec3::from(tint) * rng.random_range(0.8..1.25);
        let blades = rng.random_range(3..=4);
        for i in 0..blades {
            let angle =
                std::f32::consts::TAU * (i as f32 + rng.random_range(0.0..0.8)) / blades as f32;
            let side = Vec3::new(angle.cos(), 0.0, angle.sin());
            let lean = Vec3::new(-angle.sin(), 0.0, angle.cos()) * rng.random_range(0.02..0.1);
            let root = at + 0.4 * lean;
            let width = side * rng.random_range(0.018..0.032);
            b.triangle(
                [root - width, root + width, root + lean + Vec3::Y * tall],
                Vec3::Y,
                Vec2::ZERO,
                [tone * 0.55, tone * 0.55, tone],
            );
            cover.extend([0.35, 0.35, 0.75]);
        }
        if rng.random_bool(0.10) {
            let head = at + Vec3::Y * (tall + 0.02);
            let petal = Vec3::from(flower) * 0.9;
            for side in [Vec3::X, Vec3::Z] {
                let (w, h) = (side * 0.035, Vec3::Y * 0.035);
                b.triangle([head - w, head + w, head + h], Vec3::Y, Vec2::ZERO, [petal; 3]);
                b.triangle([head + w, head - w, head - h], Vec3::Y, Vec2::ZERO, [petal; 3]);
                cover.extend([0.6; 6]);
            }
        }
    }
    if b.positions.is_empty() {
        return None;
    }
    let bare = b.colors.iter().map(|c| [c.x, c.y, c.z, 1.0]).collect();
    let coat = Coat { bare, cover };
    let colors = coat.colors(0.0);
    Some(Dressed { mesh: b.into_mesh(colors), coat })
}

/// The height and linear tint of the meadow at a point, if what lies on top there is meadow.
fn meadow(layout: &Layout, at: Vec3) -> Option<(f32, [f32; 3])> {
    let mut top: Option<(f32, u8, [f32; 3])> = None;
    for piece in layout.pieces.iter().filter(|p| matches!(p.role, Role::Ground | Role::Slab)) {
        let Shape::Cuboid { half_extents_m: half } = piece.shape else { continue };
        let local = (at - piece.world_from_body.translation_m).abs();
        let height = piece.world_from_body.translation_m.y + half.y;
        if local.x < half.x && local.z < half.z && top.is_none_or(|(h, ..)| height > h) {
            top = Some((height, piece.class, piece.tint_srgb));
        }
    }
    top.filter(|(_, class, _)| *class == NeuralMaterial::GRASS.class)
        .map(|(height, _, tint)| (height, palette::linear(tint)))
}
