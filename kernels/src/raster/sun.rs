//! How much of the sun each visible point sees.
//!
//! Everything that can hide the sun is sorted into cells of a square that faces it, so that a point asks
//! only the few shapes over its cell. It asks them exactly, by rays to several places on the sun's disc:
//! there is no depth map whose texels would show, and no bias to tune.

use glam::{Mat3, Vec2, Vec3, Vec3Swizzles};

use super::shape::{bounding_box, interval, larger, smaller, triangle};
use super::{Rays, SKY, Scene, ShadowMaps};
use crate::geometry::{CameraPose, Pose, Shape};
use crate::rows::each_row;

/// With the sun's direction no higher than this there is no sunlight, and visibility is 1.
pub const LOWEST_SUN_Y: f32 = 0.02;

/// Rays start this far above a surface, and what they leave before this is not in their way, metres.
pub const LIFT_M: f32 = 0.01;

/// Tangent of the disc's radius. Wider than the real sun, so that a caster 2.5 m away has a penumbra of 0.1 m.
pub const DISC_TANGENT: f32 = 0.02;

/// Points within this distance of the centre find their casters by cell; others ask all, metres.
const RADIUS_M: f32 = 16.0;

/// Casters further away than this get no wider penumbra in the cells, metres.
const REACH_M: f32 = 30.0;

const TAPS: usize = 8;

/// What can hide the sun, sorted by where it stands as seen from the sun.
#[derive(Debug, Clone)]
pub struct SunMap {
    cells: usize,
    light: Light,
    /// Corner of the first cell, light frame, metres.
    low: Vec2,
    casters: Vec<Caster>,
    /// Where each cell's casters start in `members`; one longer than there are cells.
    starts: Vec<u32>,
    members: Vec<u32>,
}

/// The light frame: right, up, towards the sun.
#[derive(Debug, Clone, Copy)]
struct Light {
    light_from_world: Mat3,
    /// Directions to places on the disc, world frame; their part towards the sun is 1.
    taps: [Vec3; TAPS],
}

#[derive(Debug, Clone)]
struct Caster {
    primitive: u16,
    /// Corners of the rectangle it covers and its highest point, light frame, metres.
    low: Vec2,
    high: Vec2,
    top: f32,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Cuboid {
        object_from_world: (Mat3, Vec3),
        half_extents_m: Vec3,
        /// One over the tap's direction, by axis.
        inverse: Box<[[f32; TAPS]; 3]>,
    },
    Round {
        object_from_world: (Mat3, Vec3),
        taps: Box<[Vec3; TAPS]>,
    },
    /// World frame.
    Triangle([Vec3; 3]),
}

impl Default for SunMap {
    fn default() -> Self {
        Self::new(64)
    }
}

impl SunMap {
    /// An empty map of `cells` by `cells` over 32 m; 64 is a good number, and it does not change the result.
    pub fn new(cells: usize) -> Self {
        Self {
            cells: cells.clamp(1, 1024),
            light: Light::new(Vec3::Y),
            low: Vec2::ZERO,
            casters: Vec::new(),
            starts: Vec::new(),
            members: Vec::new(),
        }
    }

    /// Sorts the casters of `scene`; `centre` (world, metres) is where the camera is.
    pub fn build(&mut self, scene: &Scene, centre: Vec3) {
        self.light = Light::new(scene.sun_direction);
        self.low = (self.light.light_from_world * centre).xy() - Vec2::splat(RADIUS_M);
        self.casters.clear();
        for (index, primitive) in scene.primitives.iter().take(SKY as usize).enumerate() {
            self.add(index as u16, &primitive.shape, &primitive.world_from_object);
        }
        // Two passes: count what each cell gets, then hand it out.
        self.starts.clear();
        self.starts.resize(self.cells * self.cells + 1, 0);
        for caster in &self.casters {
            self.for_cells_of(caster).for_each(|cell| self.starts[cell + 1] += 1);
        }
        for cell in 0..self.cells * self.cells {
            self.starts[cell + 1] += self.starts[cell];
        }
        let mut next = self.starts.clone();
        self.members.clear();
        self.members.resize(next[self.cells * self.cells] as usize, 0);
        for (index, caster) in self.casters.iter().enumerate() {
            for cell in self.for_cells_of(caster) {
                self.members[next[cell] as usize] = index as u32;
                next[cell] += 1;
            }
        }
    }

    /// Writes `maps.sun_visibility`. `scene`, `camera` and `maps` are those of one raster, and `scene` the
    /// one last built.
    pub fn fill(&self, scene: &Scene, camera: &CameraPose, maps: &mut ShadowMaps) {
        if scene.sun_direction.y <= LOWEST_SUN_Y || self.starts.is_empty() {
            maps.sun_visibility.fill(1.0);
            return;
        }
        let rays = Rays::new(camera, maps.width, maps.height);
        let world_from_camera = camera.world_from_camera.rotation_matrix();
        let mut visible = std::mem::take(&mut maps.sun_visibility);
        let width = maps.width.max(1);
        let mut nothing = vec![(); maps.height];
        each_row((&mut visible, width), (&mut nothing, 1), |y, visible, _| {
            for ((x, &ray_x), visible) in rays.columns.iter().enumerate().zip(visible) {
                let pixel = y * maps.width + x;
                let receiver = maps.primitive[pixel];
                let normal = maps.normal[pixel];
                *visible = if receiver == SKY {
                    1.0
                } else if normal.dot(scene.sun_direction) <= 0.0 {
                    0.0
                } else {
                    let direction = world_from_camera * Vec3::new(ray_x, rays.rows[y], -1.0);
                    let point =
                        camera.world_from_camera.translation_m + direction * maps.depth_m[pixel];
                    self.visibility(scene, point + normal * LIFT_M, receiver)
                };
            }
        });
        maps.sun_visibility = visible;
    }

    fn visibility(&self, scene: &Scene, point: Vec3, receiver: u16) -> f32 {
        let in_light = self.light.light_from_world * point;
        let mut hidden = [0.0; TAPS];
        let mut ask = |caster: &Caster| {
            let above = caster.top - in_light.z;
            let reach = above * DISC_TANGENT;
            if above > 0.0
                && in_light.x >= caster.low.x - reach
                && in_light.x <= caster.high.x + reach
                && in_light.y >= caster.low.y - reach
                && in_light.y <= caster.high.y + reach
            {
                caster.hide(scene, &self.light, point, receiver, &mut hidden);
            }
        };
        match self.cell(in_light.xy()) {
            Some(cell) => {
                let members = self.starts[cell] as usize..self.starts[cell + 1] as usize;
                self.members[members].iter().for_each(|&index| ask(&self.casters[index as usize]));
            }
            None => self.casters.iter().for_each(ask),
        }
        1.0 - hidden.iter().sum::<f32>() / TAPS as f32
    }

    fn cell_size_m(&self) -> f32 {
        2.0 * RADIUS_M / self.cells as f32
    }

    fn cell(&self, in_light: Vec2) -> Option<usize> {
        let at = (in_light - self.low) / self.cell_size_m();
        let cells = self.cells as f32;
        (at.min_element() >= 0.0 && at.max_element() < cells).then(|| {
            (at.y as usize).min(self.cells - 1) * self.cells + (at.x as usize).min(self.cells - 1)
        })
    }

    fn for_cells_of(&self, caster: &Caster) -> impl Iterator<Item = usize> + use<> {
        let reach = Vec2::splat(REACH_M * DISC_TANGENT);
        let low = (caster.low - reach - self.low) / self.cell_size_m();
        let high = (caster.high + reach - self.low) / self.cell_size_m();
        let cells = self.cells;
        // Casts from float to integer saturate: at 0, and at the largest number for what is far away.
        let end = |at: f32| if at < 0.0 { 0 } else { (at as usize).saturating_add(1).min(cells) };
        let columns = low.x as usize..end(high.x);
        let rows = low.y as usize..end(high.y);
        rows.flat_map(move |row| columns.clone().map(move |column| row * cells + column))
    }

    fn add(&mut self, primitive: u16, shape: &Shape, world_from_object: &Pose) {
        if let Shape::Mesh(mesh) = shape {
            for corners in (0..mesh.triangles.len()).filter_map(|index| triangle(mesh, index)) {
                let corners = corners.map(|corner| world_from_object.transform_point(corner));
                self.push(primitive, &corners, Body::Triangle(corners));
            }
            return;
        }
        let (centre, half) = bounding_box(shape);
        let corners: [Vec3; 8] = std::array::from_fn(|corner| {
            let sign = |bit: usize| if corner >> bit & 1 == 1 { 1.0 } else { -1.0 };
            world_from_object.transform_point(centre + half * Vec3::new(sign(0), sign(1), sign(2)))
        });
        let inverse = world_from_object.inverse();
        let object_from_world = (inverse.rotation_matrix(), inverse.translation_m);
        let taps = self.light.taps.map(|tap| object_from_world.0 * tap);
        let body = match shape {
            Shape::Cuboid { half_extents_m } => {
                // Never quite along a face, so that nothing below is infinite.
                let safe = |part: f32| 1.0 / part.abs().max(1e-6).copysign(part);
                let inverse = [0, 1, 2].map(|axis| taps.map(|tap: Vec3| safe(tap[axis])));
                Body::Cuboid {
                    object_from_world,
                    half_extents_m: *half_extents_m,
                    inverse: Box::new(inverse),
                }
            }
            _ => Body::Round { object_from_world, taps: Box::new(taps) },
        };
        self.push(primitive, &corners, body);
    }

    fn push(&mut self, primitive: u16, corners: &[Vec3], body: Body) {
        let start = (Vec3::INFINITY, Vec3::NEG_INFINITY);
        let (low, high) = corners
            .iter()
            .map(|corner| self.light.light_from_world * *corner)
            .fold(start, |(low, high), corner| (low.min(corner), high.max(corner)));
        self.casters.push(Caster { primitive, low: low.xy(), high: high.xy(), top: high.z, body });
    }
}

impl Light {
    fn new(sun_direction: Vec3) -> Self {
        let towards = sun_direction.normalize_or(Vec3::Y);
        let (right, up) = towards.any_orthonormal_pair();
        let taps = std::array::from_fn(|tap| {
            // A sunflower's seeds: even over the disc, and the same for every pixel.
            let angle = 2.399_963 * tap as f32;
            let radius = DISC_TANGENT * ((tap as f32 + 0.5) / TAPS as f32).sqrt();
            towards + right * (radius * angle.cos()) + up * (radius * angle.sin())
        });
        Self { light_from_world: Mat3::from_cols(right, up, towards).transpose(), taps }
    }
}

impl Caster {
    /// Sets to 1 each tap of `hidden` that this caster stands before, seen from `point` (world).
    #[inline]
    fn hide(
        &self,
        scene: &Scene,
        light: &Light,
        point: Vec3,
        receiver: u16,
        hidden: &mut [f32; TAPS],
    ) {
        match &self.body {
            Body::Triangle(corners) => {
                for (hidden, &tap) in hidden.iter_mut().zip(&light.taps) {
                    if meets_triangle(*corners, point, tap) {
                        *hidden = 1.0;
                    }
                }
            }
            // A solid without dents does not hide the sun from itself.
            _ if self.primitive == receiver => {}
            Body::Cuboid { object_from_world, half_extents_m, inverse } => {
                let origin = object_from_world.0 * point + object_from_world.1;
                let mut enter = [f32::NEG_INFINITY; TAPS];
                let mut leave = [f32::INFINITY; TAPS];
                for (axis, inverse) in inverse.iter().enumerate() {
                    let (from, half) = (origin[axis], half_extents_m[axis]);
                    for tap in 0..TAPS {
                        let middle = -from * inverse[tap];
                        let reach = half * inverse[tap].abs();
                        enter[tap] = larger(middle - reach, enter[tap]);
                        leave[tap] = smaller(middle + reach, leave[tap]);
                    }
                }
                for tap in 0..TAPS {
                    let met = (enter[tap] <= leave[tap]) & (leave[tap] > LIFT_M);
                    hidden[tap] = if met { 1.0 } else { hidden[tap] };
                }
            }
            Body::Round { object_from_world, taps } => {
                let Some(primitive) = scene.primitives.get(self.primitive as usize) else { return };
                let origin = object_from_world.0 * point + object_from_world.1;
                for (hidden, &tap) in hidden.iter_mut().zip(taps.iter()) {
                    if interval(&primitive.shape, origin, tap)
                        .is_some_and(|(_, leave)| leave > LIFT_M)
                    {
                        *hidden = 1.0;
                    }
                }
            }
        }
    }
}

/// Whether a ray meets a triangle from either side, beyond [`LIFT_M`].
fn meets_triangle([a, b, c]: [Vec3; 3], origin: Vec3, direction: Vec3) -> bool {
    let (ab, ac) = (b - a, c - a);
    let normal = ab.cross(ac);
    let against = -direction.dot(normal);
    if against == 0.0 {
        return false;
    }
    let from_a = origin - a;
    let turned = direction.cross(from_a) / against;
    let (u, v) = (-ac.dot(turned), ab.dot(turned));
    u >= 0.0 && v >= 0.0 && u + v <= 1.0 && from_a.dot(normal) / against > LIFT_M
}
