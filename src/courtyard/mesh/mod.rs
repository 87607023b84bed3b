//! What bodies look like: one mesh per body, richer than its collider but never more than 8 cm off it.

mod build;
mod builder;
mod foliage;
mod grass;
pub mod surface;

use bevy::math::{Vec2, Vec3, Vec3Swizzles};
use bevy::mesh::Mesh;
use bevy_reverie::level::body::bounds_m;
use reverie_guard::expected::{BodyKind, Shape};

use super::layout::{Layout, Piece, Role};
use super::palette;
use super::texture::Noise;
use builder::Builder;

pub use grass::grass;

/// A mesh and what is needed to let it snow.
pub struct Dressed {
    /// With the colours of a day without snow.
    pub mesh: Mesh,
    /// How snow would change its colours.
    pub coat: Coat,
}

/// A mesh's colours without snow, and how much of it lies on each vertex when all is white.
pub struct Coat {
    bare: Vec<[f32; 4]>,
    cover: Vec<f32>,
}

/// Nothing darkens the ground farther off, metres.
const SHADE_M: f32 = 1.2;

/// Of a vertex under snow; over 1, since textures are darker than white.
const SNOW_RGB: [f32; 3] = [1.16, 1.21, 1.28];

impl Coat {
    /// The vertex colours with `snow` from 0 to 1.
    pub fn colors(&self, snow: f32) -> Vec<[f32; 4]> {
        self.bare
            .iter()
            .zip(&self.cover)
            .map(|(bare, cover)| {
                let share = cover * snow;
                let mix = |c: usize| bare[c] + (SNOW_RGB[c] - bare[c]) * share;
                [mix(0), mix(1), mix(2), 1.0]
            })
            .collect()
    }
}

/// The mesh of one body.
pub fn dress(layout: &Layout, index: usize) -> Dressed {
    let piece = &layout.pieces[index];
    let mut b = Builder::default();
    build::build(&mut b, layout, index);
    let tint = Vec3::from(palette::linear(piece.tint_srgb));
    let noise = Noise(layout.seed as u32);
    let (mut bare, mut cover) = (Vec::new(), Vec::new());
    let occluders = match piece.role {
        Role::Ground | Role::Slab | Role::Water => occluders_of(layout, piece),
        _ => Vec::new(),
    };
    for ((at, normal), color) in b.positions.iter().zip(&b.normals).zip(&b.colors) {
        let world = piece.world_from_body.transform_point(*at);
        let up = (piece.world_from_body.rotation * *normal).y;
        let mut light = if piece.kind == BodyKind::Dynamic { 1.0 } else { shade(world, up, noise) };
        let near = occluders.iter().filter(|o| o.reaches(world.xz()));
        light *= near.map(|o| contact_shade(o.piece, world)).product::<f32>().max(0.35);
        let color = *color * tint * light;
        bare.push([color.x, color.y, color.z, 1.0]);
        let drift = noise.at(world.xz() * 0.9, 31);
        let lying = ((up - 0.35) / 0.4).clamp(0.0, 1.0);
        let blown = if piece.kind == BodyKind::Dynamic {
            0.0
        } else {
            0.35 * (1.0 - world.y / 0.4).clamp(0.0, 1.0)
        };
        cover.push((lying * (0.72 + 0.36 * drift) + blown * drift).min(1.0));
    }
    let coat = Coat { bare, cover };
    let colors = coat.colors(0.0);
    Dressed { mesh: b.into_mesh(colors), coat }
}

/// Fixed pieces with their foot on the ground.
fn standing(layout: &Layout) -> impl Iterator<Item = &Piece> {
    layout.pieces.iter().filter(|p| {
        p.kind == BodyKind::Fixed
            && !matches!(
                p.role,
                Role::Ground | Role::Slab | Role::Water | Role::Beam | Role::Ramp | Role::Lamp
            )
    })
}

/// A piece that may darken the ground beside it.
struct Occluder<'a> {
    piece: &'a Piece,
    low_m: Vec2,
    high_m: Vec2,
}

impl Occluder<'_> {
    fn reaches(&self, at_m: Vec2) -> bool {
        at_m.cmpge(self.low_m).all() && at_m.cmple(self.high_m).all()
    }
}

/// What stands near enough to a flat piece to darken it.
fn occluders_of<'a>(layout: &'a Layout, flat: &Piece) -> Vec<Occluder<'a>> {
    let (low, high) = bounds_m(&flat.shape, &flat.world_from_body);
    standing(layout)
        .map(|piece| {
            let (low, high) = bounds_m(&piece.shape, &piece.world_from_body);
            Occluder { piece, low_m: low.xz() - SHADE_M, high_m: high.xz() + SHADE_M }
        })
        .filter(|o| o.low_m.cmple(high.xz()).all() && o.high_m.cmpge(low.xz()).all())
        .collect()
}

/// Weather on fixed surfaces: darker towards the ground and from below, patches of wear.
fn shade(world: Vec3, up: f32, noise: Noise) -> f32 {
    let wear = 0.86 + 0.28 * noise.at(world.xz() * 0.45 + world.yy() * 0.4, 11);
    let low = if up.abs() < 0.6 { 0.68 + 0.32 * (world.y / 0.55).clamp(0.0, 1.0) } else { 1.0 };
    let below = if up < -0.5 { 0.6 } else { 1.0 };
    wear * low * below
}

/// How a standing piece darkens the ground beside it: 1 far away.
fn contact_shade(piece: &Piece, world: Vec3) -> f32 {
    let local = piece.world_from_body.inverse().transform_point(world);
    let distance = match &piece.shape {
        Shape::Cuboid { half_extents_m } => {
            (local.xz().abs() - half_extents_m.xz()).max(Vec2::ZERO).length()
        }
        Shape::Ball { radius_m }
        | Shape::Cylinder { radius_m, .. }
        | Shape::Capsule { radius_m, .. }
        | Shape::Cone { radius_m, .. } => (local.xz().length() - radius_m).max(0.0),
        Shape::Mesh(_) => return 1.0,
    };
    // Crowns of trees hang above the ground: wide and weak.
    let (reach, depth) = if piece.role == Role::Foliage { (SHADE_M, 0.3) } else { (0.8, 0.5) };
    let t = (distance / reach).min(1.0);
    1.0 - depth * (1.0 - t) * (1.0 - t)
}

/// Whether a point on the ground is covered by something that stands there, with a margin in metres.
fn is_covered(layout: &Layout, at: Vec3, margin_m: f32) -> bool {
    standing(layout).any(|piece| {
        let local = piece.world_from_body.inverse().transform_point(at);
        match &piece.shape {
            Shape::Cuboid { half_extents_m } => {
                let over = local.xz().abs() - half_extents_m.xz();
                over.max_element() < margin_m
            }
            shape => {
                piece.role != Role::Foliage
                    && local.xz().length() < surface::round_size_m(shape).1 + margin_m
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dressing_stays_near_its_collider_and_is_cheap() {
        for seed in 0..12 {
            let layout = Layout::random(seed);
            let mut triangles = 0;
            for (index, piece) in layout.pieces.iter().enumerate() {
                let mut b = Builder::default();
                build::build(&mut b, &layout, index);
                triangles += b.indices.len() / 3;
                for at in &b.positions {
                    let off = distance_m(&piece.shape, *at);
                    assert!(off < 0.085, "{:?} in layout {seed}: {off} m at {at}", piece.role);
                }
            }
            assert!(triangles < 60_000, "{seed}: {triangles} triangles");
        }
    }

    fn distance_m(shape: &Shape, at: Vec3) -> f32 {
        match *shape {
            Shape::Cuboid { half_extents_m } => {
                (at.abs() - half_extents_m).max(Vec3::ZERO).length()
            }
            Shape::Ball { radius_m } => at.length() - radius_m,
            Shape::Cylinder { half_height_m, radius_m } => {
                (at.xz().length() - radius_m).max(at.y.abs() - half_height_m)
            }
            Shape::Capsule { half_height_m, radius_m } => {
                at.distance(Vec3::Y * at.y.clamp(-half_height_m, half_height_m)) - radius_m
            }
            Shape::Cone { half_height_m, radius_m } => {
                at.xz().length() - radius_m * 0.5 * (1.0 - at.y / half_height_m)
            }
            Shape::Mesh(_) => 0.0,
        }
    }
}
