//! The shadow, drawn at model size: depth, normal, material, object, surface coordinates, sun.
//!
//! [`fast`] walks each primitive's screen rectangle; [`reference`] asks every primitive at every pixel;
//! [`sun`] adds which of the visible points the sun reaches, [`behind`](mod@behind) what the first surface hides. All of them meet shapes by the rays of
//! [`shape`] and describe what they meet by `shade`.

use glam::Vec3;

use crate::geometry::{CameraPose, Pose, Shape};

pub mod behind;
mod bounds;
pub mod fast;
pub mod reference;
mod shade;
pub mod shape;
pub mod sun;

pub use behind::{Behind, behind};
pub use fast::raster;
pub use sun::SunMap;

/// In [`ShadowMaps::primitive`]: no surface, the sky.
pub const SKY: u16 = u16::MAX;

/// In [`ShadowMaps::layer`]: the sky.
pub const SKY_LAYER: u8 = u8::MAX;

/// Nothing nearer to the camera than this is seen, metres along −Z.
pub const NEAR_M: f32 = 0.05;

/// One collider as the raster sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Primitive {
    /// The body it belongs to; the same in every frame.
    pub id: u64,
    /// In object coordinates.
    pub shape: Shape,
    /// Object to world.
    pub world_from_object: Pose,
    /// Class of material, below 127.
    pub material: u8,
}

/// Everything that can be seen at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scene {
    /// At most 65,534; the raster leaves out any beyond that.
    pub primitives: Vec<Primitive>,
    /// From the ground towards the sun, unit length.
    pub sun_direction: Vec3,
}

/// Maps over a camera's pixels, each `width * height` long, row by row from the top.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShadowMaps {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Along −Z of the camera; infinite where there is sky.
    pub depth_m: Vec<f32>,
    /// Outward, world frame, unit length; zero where there is sky.
    pub normal: Vec<Vec3>,
    /// Index into [`Scene::primitives`], or [`SKY`].
    pub primitive: Vec<u16>,
    /// Surface coordinates in periods of the texture: see [`crate::surface`].
    pub uv: Vec<[f32; 2]>,
    /// Distance to the nearest border of the face along u and along v, metres; 0 where a shape has no faces.
    pub edge_m: Vec<[f32; 2]>,
    /// `2 * material + 1` where the surface looks up (world normal.y > 0.7), else `2 * material`; 255 is sky.
    pub layer: Vec<u8>,
    /// Texture periods that one pixel covers there (the longer side of its footprint).
    pub footprint: Vec<f32>,
    /// Share of the sun's disc that is not hidden, 0 to 1; 1 where there is sky.
    pub sun_visibility: Vec<f32>,
}

impl ShadowMaps {
    /// Makes every map `width * height` of empty sky, in the memory they already have.
    pub fn clear(&mut self, width: usize, height: usize) {
        self.resize(0, 0);
        self.resize(width, height);
    }

    /// Makes every map `width * height` long; what is new is empty sky, the rest stays as it is.
    pub(crate) fn resize(&mut self, width: usize, height: usize) {
        let len = width * height;
        self.width = width;
        self.height = height;
        self.depth_m.resize(len, f32::INFINITY);
        self.normal.resize(len, Vec3::ZERO);
        self.primitive.resize(len, SKY);
        self.uv.resize(len, [0.0; 2]);
        self.edge_m.resize(len, [0.0; 2]);
        self.layer.resize(len, SKY_LAYER);
        self.footprint.resize(len, 0.0);
        self.sun_visibility.resize(len, 1.0);
    }
}

/// The world point seen at the centre of pixel (`x`, `y`) at `depth_m`.
pub fn unproject(
    camera: &CameraPose,
    width: usize,
    height: usize,
    x: usize,
    y: usize,
    depth_m: f32,
) -> Vec3 {
    camera.world_from_camera.transform_point(ray(camera, width, height, x, y) * depth_m)
}

/// Direction through the centre of pixel (`x`, `y`) in the camera's frame, scaled so that −z is 1.
pub fn ray(camera: &CameraPose, width: usize, height: usize, x: usize, y: usize) -> Vec3 {
    let tan = (0.5 * camera.vertical_fov_rad).tan();
    let aspect = width as f32 / height as f32;
    let ndc_x = 2.0 * (x as f32 + 0.5) / width as f32 - 1.0;
    let ndc_y = 1.0 - 2.0 * (y as f32 + 0.5) / height as f32;
    Vec3::new(ndc_x * tan * aspect, ndc_y * tan, -1.0)
}

/// [`ray`] of a whole picture, the same to the bit: x by column, y by row. A picture has far fewer of them than pixels.
#[derive(Debug, Clone)]
pub struct Rays {
    /// x of each column's rays.
    pub columns: Vec<f32>,
    /// y of each row's rays.
    pub rows: Vec<f32>,
    /// Width of one pixel at 1 m, metres.
    pub pixel_m: f32,
}

impl Rays {
    /// Those of a camera's picture, pixels.
    pub fn new(camera: &CameraPose, width: usize, height: usize) -> Self {
        let tan = (0.5 * camera.vertical_fov_rad).tan();
        let aspect = width as f32 / height as f32;
        let ndc_x = |x: usize| 2.0 * (x as f32 + 0.5) / width as f32 - 1.0;
        let ndc_y = |y: usize| 1.0 - 2.0 * (y as f32 + 0.5) / height as f32;
        Self {
            columns: (0..width).map(|x| ndc_x(x) * tan * aspect).collect(),
            rows: (0..height).map(|y| ndc_y(y) * tan).collect(),
            pixel_m: 2.0 * tan / height.max(1) as f32,
        }
    }

    /// As [`ray`] of pixel (`x`, `y`).
    #[inline]
    pub fn at(&self, x: usize, y: usize) -> Vec3 {
        Vec3::new(self.columns[x], self.rows[y], -1.0)
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
