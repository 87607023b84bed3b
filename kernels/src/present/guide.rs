//! What the shadow says of a neural frame's pixels, packed for the pass.

use std::collections::HashMap;

use glam::{Vec2, Vec3};

use crate::geometry::{CameraPose, Pose};
use crate::raster::{Rays, SKY, Scene, ShadowMaps};
use crate::rows::each_row;

/// In a texel: the sky. Otherwise the number of the body in the frame.
pub const SKY_OBJECT: u32 = SKY as u32;
/// Bit of [`FrameGuide::texels`]: no edge passes through the pixel or its neighbours, so its colour is of one surface.
pub const PURE: u32 = 1 << 30;
/// Bit of [`FrameGuide::texels`]: the 4 × 4 pixels around the lower right corner of this one are one surface.
pub const INTERIOR: u32 = 1 << 31;

/// Depths this close, as a share, are the same plane.
const DEPTH_SHARE: f32 = 0.03;
/// Round surfaces bend away from their plane by so much.
const DEPTH_M: f32 = 0.05;
/// Least cosine between normals of one smooth surface.
const SMOOTH: f32 = 0.9;

/// The shadow that a frame was made over: what the late warp needs of the frame's own time.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameGuide {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Where the frame was taken from.
    pub camera: CameraPose,
    /// Two words a pixel, row by row from the top: one over the depth in metres (bits of an `f32`, 0 for sky); the
    /// body's number in bits 0 to 15, the normal in the camera's frame in bits 16 to 29 (octahedral, two times 7 bits),
    /// [`PURE`], [`INTERIOR`].
    pub texels: Vec<[u32; 2]>,
    /// Number and pose of every body then, by id.
    pub bodies: HashMap<u64, (u16, Pose)>,
}

impl FrameGuide {
    /// Packs the `maps` that `camera` had of `scene`.
    pub fn new(scene: &Scene, camera: &CameraPose, maps: &ShadowMaps) -> Self {
        let (width, height) = (maps.width, maps.height);
        let joins = Joins::new(camera, maps);
        let view_from_world = camera.world_from_camera.rotation_matrix().transpose();
        let mut texels = vec![[0; 2]; width * height];
        let columns = width.max(1);
        each_row((&mut texels, columns), (&mut vec![(); height], 1), |y, texels, _| {
            for (x, texel) in texels.iter_mut().enumerate() {
                let pixel = y * width + x;
                let sky = maps.primitive[pixel] == SKY;
                let inverse_depth = if sky { 0.0 } else { 1.0 / maps.depth_m[pixel] };
                let mut word = u32::from(maps.primitive[pixel]);
                word |= pack_normal(view_from_world * maps.normal[pixel]) << 16;
                let inside = x >= 1 && y >= 1 && x + 2 < width && y + 2 < height;
                if inside {
                    if joins.square(pixel - width - 1, 3) {
                        word |= PURE;
                        // A part of the one that is not pure is not one surface, either.
                        if joins.square(pixel - width - 1, 4) {
                            word |= INTERIOR;
                        }
                    }
                } else if joins.block(x.saturating_sub(1), y.saturating_sub(1), x + 1, y + 1) {
                    word |= PURE;
                }
                *texel = [inverse_depth.to_bits(), word];
            }
        });
        let bodies = scene.primitives.iter().take(SKY as usize).enumerate();
        Self {
            width,
            height,
            camera: *camera,
            texels,
            bodies: bodies.map(|(i, p)| (p.id, (i as u16, p.world_from_object))).collect(),
        }
    }

    /// Pixels per unit of slope, and the place of slope 0 in index coordinates (0 is the first pixel's centre).
    pub fn place_from_slope(&self) -> (Vec2, Vec2) {
        let tan = (0.5 * self.camera.vertical_fov_rad).tan();
        let size = Vec2::new(self.width as f32, self.height as f32);
        (Vec2::new(0.5, -0.5) * size.y / tan, 0.5 * size - 0.5)
    }
}

/// Which neighbours lie on one smooth surface.
struct Joins {
    width: usize,
    height: usize,
    /// Bit 0: with the pixel to the right; bit 1: with the pixel below.
    with: Vec<u8>,
}

impl Joins {
    fn new(camera: &CameraPose, maps: &ShadowMaps) -> Self {
        let (width, height) = (maps.width, maps.height);
        let rays = Rays::new(camera, width, height);
        let world_from_camera = camera.world_from_camera.rotation_matrix();
        let joined = |a: usize, ray_a: Vec3, b: usize, ray_b: Vec3| {
            if maps.primitive[a] != maps.primitive[b] {
                return false;
            }
            if maps.primitive[a] == SKY {
                return true;
            }
            let normal = maps.normal[a];
            let on_plane = normal.dot(world_from_camera * ray_a) * maps.depth_m[a];
            let expected = normal.dot(world_from_camera * ray_b) * maps.depth_m[b];
            normal.dot(maps.normal[b]) > SMOOTH
                && (on_plane - expected).abs() <= DEPTH_SHARE * on_plane.abs()
        };
        let mut with = vec![0; width * height];
        let columns = width.max(1);
        each_row((&mut with, columns), (&mut vec![(); height], 1), |y, with, _| {
            for (x, with) in with.iter_mut().enumerate() {
                let pixel = y * width + x;
                let ray = rays.at(x, y);
                let right = x + 1 < width && joined(pixel, ray, pixel + 1, rays.at(x + 1, y));
                let below = y + 1 < height && joined(pixel, ray, pixel + width, rays.at(x, y + 1));
                *with = u8::from(right) | u8::from(below) << 1;
            }
        });
        Self { width, height, with }
    }

    /// The square of `side` by `side` pixels from `first` on, all of which there are, hangs together.
    #[inline]
    fn square(&self, first: usize, side: usize) -> bool {
        let mut all = 3;
        for row in 0..side {
            let with = &self.with[first + row * self.width..][..side];
            let (last, others) = with.split_last().unwrap_or((&3, &[]));
            // To the right of the last column and below the last row there is nothing to hang together with.
            let others = others.iter().fold(3, |all, with| all & with);
            let last = last | 1;
            all &= (others & last) | if row + 1 == side { 2 } else { 0 };
        }
        all == 3
    }

    /// All pixels from (`x0`, `y0`) to (`x1`, `y1`), as far as there are any, hang together.
    fn block(&self, x0: usize, y0: usize, x1: usize, y1: usize) -> bool {
        let (x1, y1) = (x1.min(self.width - 1), y1.min(self.height - 1));
        (y0..=y1).all(|y| {
            (x0..=x1).all(|x| {
                let with = self.with[y * self.width + x];
                (x == x1 || with & 1 != 0) && (y == y1 || with & 2 != 0)
            })
        })
    }
}

/// Whether a texel of inverse depth `found` shows a surface that has the inverse depth `on_plane` there if it is flat, and
/// `expected` at the point that is looked for. 1/m; 0 in the sky.
pub fn is_same_depth(on_plane: f32, expected: f32, found: f32) -> bool {
    (on_plane - found).abs() <= DEPTH_SHARE * found
        || (found - expected).abs()
            <= DEPTH_M.max(DEPTH_SHARE / expected.max(1e-9)) * found * expected
}

/// Octahedral (Meyer et al. 2010), 7 bits each way.
fn pack_normal(normal: Vec3) -> u32 {
    let folded = octahedral(normal);
    let bits = |v: f32| (((v * 0.5 + 0.5) * 127.0 + 0.5) as u32).min(127);
    bits(folded.x) | bits(folded.y) << 7
}

/// The normal of a texel, camera frame, unit length.
pub fn unpack_normal(word: u32) -> Vec3 {
    let value = |bits: u32| (bits & 127) as f32 / 127.0 * 2.0 - 1.0;
    from_octahedral(Vec2::new(value(word >> 16), value(word >> 23)))
}

/// A direction on the square from −1 to 1.
pub fn octahedral(direction: Vec3) -> Vec2 {
    let sum = direction.abs().element_sum();
    if sum <= 0.0 {
        return Vec2::ZERO;
    }
    let flat = Vec2::new(direction.x, direction.y) / sum;
    if direction.z >= 0.0 { flat } else { fold(flat) }
}

/// Inverse of [`octahedral`].
pub fn from_octahedral(square: Vec2) -> Vec3 {
    let z = 1.0 - square.x.abs() - square.y.abs();
    let flat = if z >= 0.0 { square } else { fold(square) };
    Vec3::new(flat.x, flat.y, z).normalize()
}

fn fold(flat: Vec2) -> Vec2 {
    let sign = |v: f32| if v >= 0.0 { 1.0 } else { -1.0 };
    Vec2::new((1.0 - flat.y.abs()) * sign(flat.x), (1.0 - flat.x.abs()) * sign(flat.y))
}
