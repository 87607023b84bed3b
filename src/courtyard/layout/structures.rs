//! The things that courtyards are made of: each function drafts one, about its own origin on the ground.

use std::f32::consts::FRAC_PI_2;

use bevy::math::{Quat, Vec2, Vec3};
use bevy_reverie::material::NeuralMaterial;
use rand::{Rng, seq::IndexedRandom};
use reverie_guard::expected::{BodyKind, Pose, Shape};

use super::{Piece, Role};
use crate::courtyard::palette::Palette;

/// What walls are made of.
pub const WALLS: [NeuralMaterial; 5] = [
    NeuralMaterial::STONE,
    NeuralMaterial::BRICK,
    NeuralMaterial::PLASTER,
    NeuralMaterial::TILE,
    NeuralMaterial::BRICK,
];

/// A door's leaf: width, height, thickness in metres. Under 2 m each way, so that its texture fits once.
const LEAF_M: Vec3 = Vec3::new(1.0, 1.96, 0.1);

/// A structure before it has a place: pieces about the origin, and the ground it takes.
pub struct Draft {
    /// In the draft's own frame, ground at y = 0.
    pub pieces: Vec<Piece>,
    /// Half of the ground taken along x and z, metres.
    pub half_m: Vec2,
    /// Free way around, metres.
    pub clearance_m: f32,
}

/// Drafts one structure; gives half of the ground that it takes along x and z, metres.
pub type Maker = fn(&mut Sketch<'_>) -> Vec2;

/// What a layout is rich in: each list is one mood.
pub const MOODS: [&[Maker]; 5] = [
    // A bit of everything.
    &[
        wall, doorway, corner, alcove, colonnade, arch, ramp, hedge, crates, crates, balls, tree,
        fountain, bench, steps, statue, post,
    ],
    // Garden.
    &[hedge, hedge, tree, tree, fountain, bench, statue, arch, balls, crates, colonnade, post],
    // Yard.
    &[crates, crates, crates, wall, doorway, ramp, steps, balls, corner, bench, post],
    // Ruins.
    &[wall, corner, arch, colonnade, colonnade, steps, statue, crates, balls, tree, alcove],
    // Lanes.
    &[wall, wall, doorway, doorway, corner, alcove, hedge, crates, balls, post, ramp],
];

/// What every courtyard has: lanterns, the goal, and something to push.
pub fn always(palette: &Palette, rng: &mut dyn rand::RngCore) -> Vec<Draft> {
    let mut makers: Vec<Maker> = vec![beacon, crates, balls];
    makers.extend((0..rng.random_range(1..=3)).map(|_| lantern as Maker));
    makers.into_iter().map(|make| draft(make, palette, rng)).collect()
}

/// One structure of the mood.
pub fn random(mood: &[Maker], palette: &Palette, rng: &mut dyn rand::RngCore) -> Draft {
    let make = mood.choose(rng).copied().unwrap_or(wall as Maker);
    draft(make, palette, rng)
}

fn draft(make: Maker, palette: &Palette, rng: &mut dyn rand::RngCore) -> Draft {
    let mut sketch = Sketch { palette, rng, pieces: Vec::new() };
    let half_m = make(&mut sketch);
    let movable = sketch.pieces.iter().all(|p| p.kind == BodyKind::Dynamic);
    Draft { pieces: sketch.pieces, half_m, clearance_m: if movable { 0.35 } else { 0.95 } }
}

/// A draft in the making.
pub struct Sketch<'a> {
    palette: &'a Palette,
    rng: &'a mut dyn rand::RngCore,
    pieces: Vec<Piece>,
}

impl Sketch<'_> {
    fn within(&mut self, low: f32, high: f32) -> f32 {
        self.rng.random_range(low..=high)
    }

    fn chance(&mut self, share: f64) -> bool {
        self.rng.random_bool(share)
    }

    fn pick(&mut self, materials: &[NeuralMaterial]) -> NeuralMaterial {
        materials.choose(&mut *self.rng).copied().unwrap_or(NeuralMaterial::STONE)
    }

    fn add(&mut self, role: Role, material: NeuralMaterial, shape: Shape, pose: Pose) {
        let kind = if matches!(role, Role::Crate | Role::Ball) {
            BodyKind::Dynamic
        } else {
            BodyKind::Fixed
        };
        let tint_srgb = self.palette.tint_srgb(material.class, &mut self.rng);
        self.pieces.push(Piece {
            role,
            shape,
            world_from_body: pose,
            kind,
            class: material.class,
            tint_srgb,
        });
    }

    fn cuboid(&mut self, role: Role, material: NeuralMaterial, center: [f32; 3], size: [f32; 3]) {
        let shape = Shape::Cuboid { half_extents_m: 0.5 * Vec3::from(size) };
        self.add(role, material, shape, Pose::new(Quat::IDENTITY, center.into()));
    }

    /// Stands at (x, z) with its foot at `foot` metres.
    fn cylinder(
        &mut self,
        role: Role,
        material: NeuralMaterial,
        at: [f32; 3],
        radius: f32,
        height: f32,
    ) {
        let shape = Shape::Cylinder { half_height_m: 0.5 * height, radius_m: radius };
        let center = Vec3::new(at[0], at[1] + 0.5 * height, at[2]);
        self.add(role, material, shape, Pose::new(Quat::IDENTITY, center));
    }

    fn ball(&mut self, role: Role, material: NeuralMaterial, center: [f32; 3], radius: f32) {
        self.add(
            role,
            material,
            Shape::Ball { radius_m: radius },
            Pose::new(Quat::IDENTITY, center.into()),
        );
    }
}

fn wall(s: &mut Sketch<'_>) -> Vec2 {
    let material = s.pick(&WALLS);
    let (length, thickness) = (s.within(2.0, 7.0), s.within(0.25, 0.5));
    let height = if s.chance(0.3) { s.within(0.7, 1.3) } else { s.within(1.8, 3.2) };
    s.cuboid(Role::Wall, material, [0.0, 0.5 * height, 0.0], [length, height, thickness]);
    Vec2::new(0.5 * length, 0.5 * thickness)
}

fn doorway(s: &mut Sketch<'_>) -> Vec2 {
    let material = s.pick(&WALLS);
    let (left, right) = (s.within(0.8, 2.4), s.within(0.8, 2.4));
    let (height, thickness, gap) = (s.within(2.35, 3.1), s.within(0.25, 0.4), LEAF_M.x + 0.06);
    let half = 0.5 * gap;
    s.cuboid(
        Role::Wall,
        material,
        [-half - 0.5 * left, 0.5 * height, 0.0],
        [left, height, thickness],
    );
    s.cuboid(
        Role::Wall,
        material,
        [half + 0.5 * right, 0.5 * height, 0.0],
        [right, height, thickness],
    );
    let above = height - 2.0;
    s.cuboid(Role::Beam, material, [0.0, 2.0 + 0.5 * above, 0.0], [gap, above, thickness]);
    let angle: f32 = if s.chance(0.4) { 0.0 } else { s.within(0.5, 1.9) };
    let side = if s.chance(0.5) { 1.0 } else { -1.0 };
    let rotation = Quat::from_rotation_y(side * angle);
    let hinge = Vec3::new(-0.5 * LEAF_M.x, 0.5 * LEAF_M.y + 0.02, 0.0);
    let center = hinge + rotation * Vec3::new(0.5 * LEAF_M.x, 0.0, 0.0);
    let shape = Shape::Cuboid { half_extents_m: 0.5 * LEAF_M };
    s.add(Role::Door, NeuralMaterial::DOOR, shape, Pose::new(rotation, center));
    Vec2::new(half + left.max(right), 0.5 * thickness + if angle > 0.0 { 0.8 } else { 0.0 })
}

fn corner(s: &mut Sketch<'_>) -> Vec2 {
    let material = s.pick(&WALLS);
    let (a, b) = (s.within(2.0, 5.0), s.within(1.5, 4.0));
    let (height, thickness) = (s.within(1.6, 3.1), s.within(0.25, 0.45));
    s.cuboid(Role::Wall, material, [0.0, 0.5 * height, -0.5 * b], [a, height, thickness]);
    let other = if s.chance(0.7) { height } else { height * 0.6 };
    let x = 0.5 * (thickness - a);
    s.cuboid(Role::Wall, material, [x, 0.5 * other, 0.5 * thickness], [thickness, other, b]);
    Vec2::new(0.5 * a, 0.5 * (b + thickness))
}

fn alcove(s: &mut Sketch<'_>) -> Vec2 {
    let material = s.pick(&WALLS);
    let (width, depth) = (s.within(2.6, 4.2), s.within(1.8, 3.2));
    let (height, thickness) = (s.within(2.3, 2.9), s.within(0.25, 0.4));
    s.cuboid(Role::Wall, material, [0.0, 0.5 * height, -0.5 * depth], [width, height, thickness]);
    for side in [-0.5, 0.5_f32] {
        let x = side * (width - thickness);
        s.cuboid(
            Role::Wall,
            material,
            [x, 0.5 * height, 0.5 * thickness],
            [thickness, height, depth],
        );
    }
    if s.chance(0.6) {
        let roof = s.pick(&[NeuralMaterial::WOOD, NeuralMaterial::TILE]);
        let size = [width + 0.3, 0.14, depth + 0.5];
        s.cuboid(Role::Beam, roof, [0.0, height + 0.07, 0.15], size);
    }
    if s.chance(0.5) {
        let edge = s.within(0.5, 0.8);
        s.cuboid(Role::Crate, NeuralMaterial::CRATE, [0.0, 0.5 * edge + 0.06, -0.2], [edge; 3]);
    }
    Vec2::new(0.5 * width + 0.1, 0.5 * depth + 0.3)
}

fn colonnade(s: &mut Sketch<'_>) -> Vec2 {
    let material = s.pick(&[NeuralMaterial::MARBLE, NeuralMaterial::STONE, NeuralMaterial::MARBLE]);
    let (count, gap) = (s.rng.random_range(2..=4), s.within(1.5, 2.4));
    let (radius, height) = (s.within(0.22, 0.4), s.within(2.3, 3.2));
    let half = 0.5 * gap * (count - 1) as f32;
    for i in 0..count {
        let broken = s.chance(0.12);
        let height = if broken { height * s.within(0.3, 0.8) } else { height };
        s.cylinder(Role::Pillar, material, [i as f32 * gap - half, 0.0, 0.0], radius, height);
    }
    if s.chance(0.5) {
        let beam = s.pick(&[NeuralMaterial::WOOD, NeuralMaterial::STONE, NeuralMaterial::MARBLE]);
        let size = [2.0 * half + 2.4 * radius, 0.28, 2.0 * radius];
        s.cuboid(Role::Beam, beam, [0.0, height + 0.14, 0.0], size);
    }
    Vec2::new(half + radius, radius)
}

fn arch(s: &mut Sketch<'_>) -> Vec2 {
    let material = s.pick(&WALLS);
    let (gap, width) = (s.within(1.4, 2.2), s.within(0.4, 0.6));
    let (height, top) = (s.within(2.2, 2.7), s.within(0.35, 0.6));
    for side in [-0.5, 0.5_f32] {
        s.cuboid(
            Role::Wall,
            material,
            [side * (gap + width), 0.5 * height, 0.0],
            [width, height, width],
        );
    }
    let size = [gap + 2.0 * width, top, width];
    s.cuboid(Role::Beam, material, [0.0, height + 0.5 * top, 0.0], size);
    Vec2::new(0.5 * gap + width, 0.5 * width)
}

fn ramp(s: &mut Sketch<'_>) -> Vec2 {
    let material = s.pick(&[NeuralMaterial::STONE, NeuralMaterial::BRICK, NeuralMaterial::WOOD]);
    let (height, deep) = (s.within(0.6, 1.3), s.within(1.4, 2.4));
    let (width, slope) = (s.within(1.2, 2.0), s.within(0.35, 0.5));
    s.cuboid(Role::Block, material, [0.0, 0.5 * height, -0.5 * deep], [width, height, deep]);
    let (thickness, length) = (0.1, height / slope.sin());
    let board = s.pick(&[NeuralMaterial::WOOD, NeuralMaterial::METAL, NeuralMaterial::WOOD]);
    let rotation = Quat::from_rotation_x(slope);
    let run = height / slope.tan();
    // The board's upper face meets the platform's edge.
    let center = Vec3::new(0.0, 0.5 * height, 0.5 * run) - rotation * Vec3::Y * (0.5 * thickness);
    let shape = Shape::Cuboid { half_extents_m: 0.5 * Vec3::new(width * 0.9, thickness, length) };
    s.add(Role::Ramp, board, shape, Pose::new(rotation, center));
    if s.chance(0.4) {
        let edge = s.within(0.45, 0.7);
        let at = [0.0, height + 0.5 * edge + 0.04, -0.6 * deep];
        s.cuboid(Role::Crate, NeuralMaterial::CRATE, at, [edge; 3]);
    }
    Vec2::new(0.5 * width, deep.max(run))
}

fn hedge(s: &mut Sketch<'_>) -> Vec2 {
    let (length, height, depth) = (s.within(1.6, 6.0), s.within(0.6, 1.7), s.within(0.5, 0.8));
    s.cuboid(
        Role::Foliage,
        NeuralMaterial::HEDGE,
        [0.0, 0.5 * height, 0.0],
        [length, height, depth],
    );
    Vec2::new(0.5 * length, 0.5 * depth)
}

fn crates(s: &mut Sketch<'_>) -> Vec2 {
    let (count, edge) = (s.rng.random_range(1..=3), s.within(0.5, 1.0));
    let mut x = 0.0;
    let mut heights = Vec::new();
    for _ in 0..count {
        let edge = edge * s.within(0.75, 1.2);
        let turn = Quat::from_rotation_y(s.within(-0.25, 0.25));
        let center = Vec3::new(x + 0.62 * edge, 0.5 * edge + 0.045, s.within(-0.1, 0.1));
        let shape = Shape::Cuboid { half_extents_m: Vec3::splat(0.5 * edge) };
        s.add(Role::Crate, NeuralMaterial::CRATE, shape, Pose::new(turn, center));
        heights.push((center, edge));
        x += 1.3 * edge;
    }
    if s.chance(0.6) {
        let (below, edge) = heights[s.rng.random_range(0..heights.len())];
        let small = edge * s.within(0.6, 0.95);
        let at = [below.x, below.y + 0.5 * edge + 0.5 * small + 0.01, below.z];
        if s.chance(0.25) {
            s.ball(Role::Ball, NeuralMaterial::BALL, at, 0.4 * small);
        } else {
            s.cuboid(Role::Crate, NeuralMaterial::CRATE, at, [small; 3]);
        }
    }
    for piece in &mut s.pieces {
        piece.world_from_body.translation_m.x -= 0.5 * x;
    }
    Vec2::new(0.5 * x, 0.65 * edge)
}

fn balls(s: &mut Sketch<'_>) -> Vec2 {
    let count = s.rng.random_range(1..=2);
    for i in 0..count {
        let radius = s.within(0.2, 0.5);
        s.ball(Role::Ball, NeuralMaterial::BALL, [1.1 * i as f32, radius + 0.045, 0.0], radius);
    }
    Vec2::new(0.5 + 1.1 * (count - 1) as f32, 0.5)
}

fn tree(s: &mut Sketch<'_>) -> Vec2 {
    let (crown, stem) = (s.within(0.55, 1.0), s.within(0.6, 1.3));
    s.cylinder(Role::Trunk, NeuralMaterial::WOOD, [0.0; 3], s_radius(crown), stem + 0.3);
    let pose = |height| Pose::new(Quat::IDENTITY, Vec3::Y * height);
    if s.chance(0.4) {
        let half = s.within(0.8, 1.3);
        let shape = Shape::Cone { half_height_m: half, radius_m: 0.8 * crown };
        s.add(Role::Foliage, NeuralMaterial::HEDGE, shape, pose(0.5 * stem + half));
    } else {
        let shape = Shape::Ball { radius_m: crown };
        s.add(Role::Foliage, NeuralMaterial::HEDGE, shape, pose(stem + crown));
    }
    Vec2::splat(0.75 * crown)
}

/// Of a stem that carries such a crown.
fn s_radius(crown_m: f32) -> f32 {
    0.08 + 0.08 * crown_m
}

fn fountain(s: &mut Sketch<'_>) -> Vec2 {
    let material = s.pick(&[NeuralMaterial::STONE, NeuralMaterial::MARBLE, NeuralMaterial::TILE]);
    let (radius, rim) = (s.within(0.8, 1.4), s.within(0.35, 0.6));
    s.cylinder(Role::Block, material, [0.0; 3], radius, rim);
    let column = s.within(0.7, 1.2);
    s.cylinder(Role::Pillar, NeuralMaterial::MARBLE, [0.0, rim, 0.0], 0.18, column);
    let top = s.within(0.22, 0.38);
    s.ball(Role::Statue, NeuralMaterial::MARBLE, [0.0, rim + column + 0.95 * top, 0.0], top);
    Vec2::splat(radius)
}

fn bench(s: &mut Sketch<'_>) -> Vec2 {
    let (length, foot) = (
        s.within(1.3, 1.95),
        s.pick(&[NeuralMaterial::STONE, NeuralMaterial::BRICK, NeuralMaterial::METAL]),
    );
    for side in [-0.36, 0.36_f32] {
        s.cuboid(Role::Block, foot, [side * length, 0.2, 0.0], [0.16, 0.4, 0.38]);
    }
    s.cuboid(Role::Beam, NeuralMaterial::WOOD, [0.0, 0.44, 0.0], [length, 0.08, 0.45]);
    Vec2::new(0.5 * length, 0.25)
}

fn steps(s: &mut Sketch<'_>) -> Vec2 {
    let material = s.pick(&[NeuralMaterial::STONE, NeuralMaterial::BRICK, NeuralMaterial::MARBLE]);
    let (count, rise, run) =
        (s.rng.random_range(2..=4), s.within(0.16, 0.24), s.within(0.34, 0.45));
    let width = s.within(1.4, 2.6);
    let deep = run * count as f32 + 0.8;
    for i in 0..count {
        // Each step is a block from the ground up, so that none overlaps another.
        let height = rise * (i + 1) as f32;
        let length = if i + 1 == count { run + 0.8 } else { run };
        let front = 0.5 * deep - run * i as f32;
        s.cuboid(
            Role::Block,
            material,
            [0.0, 0.5 * height, front - 0.5 * length],
            [width, height, length],
        );
    }
    Vec2::new(0.5 * width, 0.5 * deep)
}

fn statue(s: &mut Sketch<'_>) -> Vec2 {
    let foot = s.pick(&[NeuralMaterial::STONE, NeuralMaterial::MARBLE, NeuralMaterial::BRICK]);
    let (edge, height) = (s.within(0.6, 0.95), s.within(0.5, 1.1));
    s.cuboid(Role::Block, foot, [0.0, 0.5 * height, 0.0], [edge, height, edge]);
    let stuff = s.pick(&[NeuralMaterial::MARBLE, NeuralMaterial::METAL]);
    let (shape, half) = match s.rng.random_range(0..4) {
        0 => (Shape::Ball { radius_m: 0.42 * edge }, 0.42 * edge),
        1 => {
            let half = s.within(0.35, 0.7);
            (Shape::Cone { half_height_m: half, radius_m: 0.4 * edge }, half)
        }
        2 => {
            let (half, radius) = (s.within(0.25, 0.5), 0.3 * edge);
            (Shape::Capsule { half_height_m: half, radius_m: radius }, half + radius)
        }
        _ => {
            let half = s.within(0.4, 0.8);
            let extents = Vec3::new(0.22 * edge, half, 0.22 * edge);
            (Shape::Cuboid { half_extents_m: extents }, half)
        }
    };
    let turn = Quat::from_rotation_y(s.within(0.0, FRAC_PI_2));
    s.add(Role::Statue, stuff, shape, Pose::new(turn, Vec3::Y * (height + half)));
    Vec2::splat(0.5 * edge)
}

fn post(s: &mut Sketch<'_>) -> Vec2 {
    let material = s.pick(&[NeuralMaterial::PLAIN, NeuralMaterial::METAL, NeuralMaterial::WOOD]);
    let (radius, height) = (s.within(0.12, 0.35), s.within(0.6, 1.4));
    s.cylinder(Role::Block, material, [0.0; 3], radius, height);
    Vec2::splat(radius)
}

fn lantern(s: &mut Sketch<'_>) -> Vec2 {
    let (height, edge) = (s.within(1.7, 2.3), s.within(0.28, 0.36));
    s.cylinder(Role::Post, NeuralMaterial::METAL, [0.0; 3], 0.06, height);
    s.cuboid(
        Role::Lamp,
        NeuralMaterial::LANTERN,
        [0.0, height + 0.65 * edge, 0.0],
        [edge, 1.3 * edge, edge],
    );
    Vec2::splat(0.2)
}

fn beacon(s: &mut Sketch<'_>) -> Vec2 {
    let foot = s.pick(&[NeuralMaterial::STONE, NeuralMaterial::MARBLE]);
    s.cylinder(Role::Block, foot, [0.0; 3], 0.45, 0.25);
    let (radius, height) = (s.within(0.12, 0.2), s.within(1.4, 2.4));
    s.cylinder(Role::Beacon, NeuralMaterial::BEACON, [0.0, 0.25, 0.0], radius, height);
    Vec2::splat(0.45)
}
