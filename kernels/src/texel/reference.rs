//! The memory, the plain way: every texel by itself in a hash without bounds, points through the world.

use std::collections::HashMap;

use glam::{Vec2, Vec3};

use super::read::Sum;
use super::{FROZEN, LEVEL_TRUST, LEVELS, Look, REACH, SMOOTH, Surfel, Texel, relight};
use crate::geometry::CameraPose;
use crate::raster::{Primitive, SKY, Scene, ShadowMaps, ray, unproject};

/// Body, chart, level, column, row, slab.
type Key = (u64, u8, usize, i32, i32, i32);

/// What [`super::TexelMemory`] knows, without its bounds and without changes of bodies.
#[derive(Debug, Clone, Default)]
pub struct Texels {
    texels: HashMap<Key, Texel>,
    frame: u32,
}

impl Texels {
    /// As [`super::TexelMemory::write`].
    pub fn write(
        &mut self,
        scene: &Scene,
        camera: &CameraPose,
        maps: &ShadowMaps,
        rgb: &[f32],
        paint: &[f32],
        trust: impl Fn(usize) -> f32,
    ) {
        self.frame += 1;
        for pixel in 0..maps.width * maps.height {
            let (x, y) = (pixel % maps.width, pixel / maps.width);
            let trust = trust(pixel);
            if trust <= 0.0 || maps.primitive[pixel] == SKY || !is_inside(camera, maps, x, y) {
                continue;
            }
            let primitive = &scene.primitives[usize::from(maps.primitive[pixel])];
            let surfel = surfel(primitive, camera, maps, x, y);
            let weight = surfel.weight(trust);
            let (level, _) = surfel.level();
            let [i0, j0] = surfel.at(level).map(|c| (c - 0.5).floor() as i32);
            for (i, j) in [(i0, j0), (i0 + 1, j0), (i0, j0 + 1), (i0 + 1, j0 + 1)] {
                let key = (primitive.id, surfel.chart.index(), level, i, j, surfel.slab(level));
                let texel = self.texels.entry(key).or_default();
                if texel.frame == self.frame {
                    continue;
                }
                if texel.weight >= FROZEN {
                    texel.frame = self.frame;
                    continue;
                }
                let centre = surfel.point + surfel.to_centre(level, i, j);
                let place =
                    project(camera, maps, primitive.world_from_object.transform_point(centre));
                if (place - Vec2::new(x as f32, y as f32)).abs().max_element() > REACH {
                    continue;
                }
                let (Some(rgb), Some(paint)) =
                    (at(rgb, maps, place, pixel), at(paint, maps, place, pixel))
                else {
                    continue;
                };
                let (distance_m, facing) = (surfel.distance_m, surfel.facing);
                texel.add(&Look { rgb, paint, distance_m, facing }, weight);
                texel.frame = self.frame;
            }
            let three = |v: &[f32]| [v[3 * pixel], v[3 * pixel + 1], v[3 * pixel + 2]];
            let look = Look {
                rgb: three(rgb),
                paint: three(paint),
                distance_m: surfel.distance_m,
                facing: surfel.facing,
            };
            let own = level;
            for level in (own + 1..LEVELS).filter(|level| Surfel::writes(level - own, x, y)) {
                let [i, j] = surfel.at(level).map(|c| c.floor() as i32);
                let key = (primitive.id, surfel.chart.index(), level, i, j, surfel.slab(level));
                let texel = self.texels.entry(key).or_default();
                texel.add(&look, weight * surfel.share(level));
                texel.frame = self.frame;
            }
        }
    }

    /// As [`super::TexelMemory::read`]; colour and confidence of each pixel.
    pub fn read(
        &self,
        scene: &Scene,
        camera: &CameraPose,
        maps: &ShadowMaps,
        paint: &[f32],
    ) -> Vec<([f32; 3], f32)> {
        let pixel = |pixel: usize| {
            let Some(primitive) = scene.primitives.get(usize::from(maps.primitive[pixel])) else {
                return ([0.0; 3], 0.0);
            };
            let (x, y) = (pixel % maps.width, pixel / maps.width);
            let surfel = surfel(primitive, camera, maps, x, y);
            self.read_at(primitive.id, &surfel, [0, 1, 2].map(|c| paint[3 * pixel + c]))
        };
        (0..maps.width * maps.height).map(pixel).collect()
    }

    fn read_at(&self, id: u64, surfel: &Surfel, paint: [f32; 3]) -> ([f32; 3], f32) {
        let (own, part) = surfel.level();
        let mut open = 1.0;
        let mut sum = Sum::default();
        for (coarser, trust) in LEVEL_TRUST.into_iter().enumerate() {
            let level = own + coarser;
            if level >= LEVELS || open < 0.02 {
                break;
            }
            let mut taps = Sum::default();
            let [a, b] = surfel.at(level).map(|c| c - 0.5);
            for i in [a.floor(), a.floor() + 1.0] {
                for j in [b.floor(), b.floor() + 1.0] {
                    let share = (1.0 - (a - i).abs()) * (1.0 - (b - j).abs());
                    let slab = surfel.slab(level);
                    let key = (id, surfel.chart.index(), level, i as i32, j as i32, slab);
                    if let Some(texel) = self.texels.get(&key).filter(|t| t.weight > 0.0) {
                        taps.add_texel(texel, share);
                    }
                }
            }
            let found = taps.found();
            let minified = if coarser == 0 && level + 1 < LEVELS { 2.0 * part - 1.0 } else { 0.0 };
            let share = open * found.cover * (1.0 - minified.max(0.0));
            sum.add(&found, share, share * found.confidence * trust);
            open -= share;
        }
        if sum.weight < 0.05 {
            return ([0.0; 3], 0.0);
        }
        let mean = |values: [f32; 3]| values.map(|v| v / sum.weight);
        let (rgb, changed) = relight(mean(sum.rgb), mean(sum.paint), paint);
        (rgb, sum.confidence * (1.0 - 0.5 * changed))
    }
}

fn surfel(
    primitive: &Primitive,
    camera: &CameraPose,
    maps: &ShadowMaps,
    x: usize,
    y: usize,
) -> Surfel {
    let pixel = y * maps.width + x;
    let depth_m = maps.depth_m[pixel];
    let object_from_world = primitive.world_from_object.inverse();
    let world = unproject(camera, maps.width, maps.height, x, y, depth_m);
    let along = camera.world_from_camera.rotation * ray(camera, maps.width, maps.height, x, y);
    let pixel_m = 2.0 * (0.5 * camera.vertical_fov_rad).tan() / maps.height as f32;
    Surfel::new(
        &primitive.shape,
        object_from_world.transform_point(world),
        object_from_world.rotation * maps.normal[pixel],
        object_from_world.rotation * along,
        depth_m,
        pixel_m,
    )
}

fn is_inside(camera: &CameraPose, maps: &ShadowMaps, x: usize, y: usize) -> bool {
    if x == 0 || y == 0 || x + 1 >= maps.width || y + 1 >= maps.height {
        return false;
    }
    let pixel = y * maps.width + x;
    let world = |x: usize, y: usize| {
        unproject(camera, maps.width, maps.height, x, y, maps.depth_m[y * maps.width + x])
    };
    let (point, normal) = (world(x, y), maps.normal[pixel]);
    [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)].into_iter().all(|(x, y)| {
        let other = y * maps.width + x;
        maps.primitive[other] == maps.primitive[pixel]
            && maps.normal[other].dot(normal) > SMOOTH
            && (world(x, y) - point).dot(normal).abs() < 0.03 + 0.03 * maps.depth_m[pixel]
    })
}

/// In index coordinates: 0 is the centre of the first pixel.
fn project(camera: &CameraPose, maps: &ShadowMaps, world: Vec3) -> Vec2 {
    let point = camera.world_from_camera.inverse().transform_point(world);
    let tan = (0.5 * camera.vertical_fov_rad).tan();
    let size = Vec2::new(maps.width as f32, maps.height as f32);
    let slope = Vec2::new(point.x, -point.y) / -point.z;
    (slope / (tan * Vec2::new(size.x / size.y, 1.0)) + 1.0) * 0.5 * size - 0.5
}

/// Bilinear, if the four pixels around show what `pixel` shows.
fn at(values: &[f32], maps: &ShadowMaps, place: Vec2, pixel: usize) -> Option<[f32; 3]> {
    let mut sum = [0.0; 3];
    for x in [place.x.floor(), place.x.floor() + 1.0] {
        for y in [place.y.floor(), place.y.floor() + 1.0] {
            let tap = y as usize * maps.width + x as usize;
            if maps.primitive[tap] != maps.primitive[pixel] {
                return None;
            }
            let share = (1.0 - (place.x - x).abs()) * (1.0 - (place.y - y).abs());
            (0..3).for_each(|c| sum[c] += share * values[3 * tap + c]);
        }
    }
    Some(sum)
}
