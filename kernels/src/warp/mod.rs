//! Reprojection of a past picture into the present view, by exact depth and the poses of then and now.
//!
//! Every present pixel asks where its point was in the past picture (backward warping): the camera may
//! have moved, and the body the point lies on too. A past pixel answers only if it saw that very point:
//! the same body, at the depth where the surface was. [`reference`] is the same in plain form. [`splat()`] carries pictures of which only
//! their own depth is known, as points; [`mesh`] as surfaces.

use std::collections::HashMap;

use glam::{Mat3, Vec2, Vec3};

use crate::geometry::{CameraPose, Pose, nearest};
use crate::raster::{Primitive, Rays, SKY, Scene, ShadowMaps};
use crate::rows::each_row;

pub mod mesh;
pub mod reference;
mod sample;
pub mod splat;

use sample::{Expected, sample};
pub use splat::{OwnDepth, splat};

/// In [`PastFrame::object`]: the sky.
pub const SKY_OBJECT: u64 = u64::MAX;

/// A pixel gets a past colour if past pixels of at least this bilinear weight saw it.
pub const LEAST_WEIGHT: f32 = 0.3;

/// A picture and the shadow it was made over.
#[derive(Debug, Clone, PartialEq)]
pub struct PastFrame {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// sRGB, 0 to 1; red, green, blue of the upper left pixel, then of the one right of it.
    pub rgb: Vec<f32>,
    /// Where it was taken from.
    pub camera: CameraPose,
    /// As in [`ShadowMaps::depth_m`].
    pub depth_m: Vec<f32>,
    /// The body that each pixel saw, or [`SKY_OBJECT`].
    pub object: Vec<u64>,
    /// Where every body was then.
    pub world_from_object: HashMap<u64, Pose>,
}

impl PastFrame {
    /// Remembers the picture `rgb` (three values per pixel), made over the `maps` that `camera` had of `scene`.
    ///
    /// # Panics
    /// If `rgb` is not of the size of `maps`.
    pub fn new(scene: &Scene, camera: &CameraPose, maps: &ShadowMaps, rgb: Vec<f32>) -> Self {
        assert_eq!(
            rgb.len(),
            3 * maps.width * maps.height,
            "values in a picture of {}×{}",
            maps.width,
            maps.height
        );
        let id = |index: &u16| {
            scene.primitives.get(*index as usize).map_or(SKY_OBJECT, |primitive| primitive.id)
        };
        Self {
            width: maps.width,
            height: maps.height,
            rgb,
            camera: *camera,
            depth_m: maps.depth_m.clone(),
            object: maps.primitive.iter().map(id).collect(),
            world_from_object: scene
                .primitives
                .iter()
                .map(|p| (p.id, p.world_from_object))
                .collect(),
        }
    }
}

/// Draws the `past` picture as it looks from `camera` now, over the `maps` that `camera` has of `scene`.
///
/// `rgb` gets three values per pixel, 0 where the past does not know. `valid` gets the share of the
/// bilinear footprint that saw the point, 0 or from [`LEAST_WEIGHT`] to 1. Where all 16 pixels around saw
/// the surface they are weighed by Catmull and Rom's cubic, held within the inner four, so that a picture
/// stays sharp when it is warped again and again; elsewhere the accepted ones of the inner four are.
///
/// # Panics
/// If `rgb` or `valid` is not of the size of `maps`.
pub fn warp(
    scene: &Scene,
    camera: &CameraPose,
    maps: &ShadowMaps,
    past: &PastFrame,
    rgb: &mut [f32],
    valid: &mut [f32],
) {
    let pixels = maps.width * maps.height;
    assert_eq!(
        (rgb.len(), valid.len()),
        (3 * pixels, pixels),
        "room for {}×{}",
        maps.width,
        maps.height
    );
    let rays = Rays::new(camera, maps.width, maps.height);
    let carried = Carried::new(scene, camera, maps, &rays, past);
    let width = maps.width.max(1);
    each_row((rgb, 3 * width), (valid, width), |y, rgb, valid| {
        for (x, valid) in valid.iter_mut().enumerate() {
            let found = carried.at(x, y);
            rgb[3 * x..3 * x + 3].copy_from_slice(&found.0);
            *valid = found.1;
        }
    });
}

/// A past picture as a camera sees it now, one pixel at a time: what [`warp`] asks of every pixel.
pub struct Carried<'a> {
    past: &'a PastFrame,
    maps: &'a ShadowMaps,
    rays: &'a Rays,
    carries: Carries,
}

impl<'a> Carried<'a> {
    /// `maps` and `rays` are those that `camera` has of `scene`.
    pub fn new(
        scene: &Scene,
        camera: &CameraPose,
        maps: &'a ShadowMaps,
        rays: &'a Rays,
        past: &'a PastFrame,
    ) -> Self {
        Self { past, maps, rays, carries: Carries::new(scene, camera, past) }
    }

    /// The picture.
    pub fn past(&self) -> &'a PastFrame {
        self.past
    }

    /// Colour of pixel (`x`, `y`) and the share of its footprint that saw the point, as [`warp`] says.
    pub fn at(&self, x: usize, y: usize) -> ([f32; 3], f32) {
        let pixel = y * self.maps.width + x;
        self.carries
            .look_up(self.maps, pixel, self.rays.at(x, y))
            .map_or(([0.0; 3], 0.0), |(place, expected)| sample(self.past, place, &expected))
    }

    /// Whether the past likely knows pixel (`x`, `y`), as [`warp_coverage`] says.
    pub fn covers(&self, x: usize, y: usize) -> bool {
        let pixel = y * self.maps.width + x;
        let found = self.carries.look_up(self.maps, pixel, self.rays.at(x, y));
        found.is_some_and(|(place, expected)| {
            let nearest = nearest(place);
            expected.accepts(self.past, nearest.x as isize, nearest.y as isize, place)
        })
    }
}

/// Which pixels [`warp`] would likely find in the `past`, asked only at every `stride`th pixel.
///
/// The answers are for pixels (`i` · stride + stride / 2, `j` · stride + stride / 2), row by row.
pub fn warp_coverage(
    scene: &Scene,
    camera: &CameraPose,
    maps: &ShadowMaps,
    past: &PastFrame,
    stride: usize,
) -> Vec<bool> {
    let stride = stride.max(1);
    let rays = Rays::new(camera, maps.width, maps.height);
    let carried = Carried::new(scene, camera, maps, &rays, past);
    let mut known = Vec::with_capacity((maps.width / stride + 1) * (maps.height / stride + 1));
    for y in (stride / 2..maps.height).step_by(stride) {
        known.extend((stride / 2..maps.width).step_by(stride).map(|x| carried.covers(x, y)));
    }
    known
}

/// Which pixels of the picture `of` another one, `by`, shows as well, asked only at every `stride`th pixel.
///
/// Bodies may have moved between the two. The answers are for the same pixels as in [`warp_coverage`]. What `by` shows from
/// more than twice as far does not count.
pub fn shared_view(of: &PastFrame, by: &PastFrame, stride: usize) -> Vec<bool> {
    let stride = stride.max(1);
    let by_camera_from_world = by.camera.world_from_camera.inverse();
    let tan = (0.5 * by.camera.vertical_fov_rad).tan();
    let size = Vec2::new(by.width as f32, by.height as f32);
    let (scale, middle) = (Vec2::new(0.5, -0.5) * size.y / tan, 0.5 * size - 0.5);
    let rays = Rays::new(&of.camera, of.width, of.height);
    let mut bodies: HashMap<u64, Option<Pose>> = HashMap::new();
    // Of the pixel before: mostly the same body's.
    let mut before = None;
    let mut known = Vec::with_capacity((of.width / stride + 1) * (of.height / stride + 1));
    for y in (stride / 2..of.height).step_by(stride) {
        for x in (stride / 2..of.width).step_by(stride) {
            let pixel = y * of.width + x;
            let (object, depth_m) = (of.object[pixel], of.depth_m[pixel]);
            let ray = Vec3::new(rays.columns[x], rays.rows[y], -1.0);
            let carry = || {
                let mut by_camera_from_world = by_camera_from_world;
                if object != SKY_OBJECT {
                    let (then, there) =
                        (of.world_from_object.get(&object)?, by.world_from_object.get(&object)?);
                    by_camera_from_world =
                        by_camera_from_world.compose(&there.compose(&then.inverse()));
                }
                Some(by_camera_from_world.compose(&of.camera.world_from_camera))
            };
            let by_camera_from_camera = match before {
                Some((body, pose)) if body == object => pose,
                _ => *bodies.entry(object).or_insert_with(carry),
            };
            before = Some((object, by_camera_from_camera));
            known.push(by_camera_from_camera.is_some_and(|pose| {
                let point = if object == SKY_OBJECT {
                    pose.rotation * ray
                } else {
                    pose.transform_point(ray * depth_m)
                };
                let place = Vec2::new(point.x, point.y) / -point.z * scale + middle;
                let nearest = nearest(place);
                let inside =
                    point.z < -1e-3 && nearest.cmpge(Vec2::ZERO).all() && nearest.cmplt(size).all();
                if !inside {
                    return false;
                }
                let tap = nearest.y as usize * by.width + nearest.x as usize;
                let near = (by.depth_m[tap] + point.z).abs() < (0.06 * -point.z).max(0.1);
                by.object[tap] == object
                    && (object == SKY_OBJECT || (near && -point.z < 2.0 * depth_m))
            }));
        }
    }
    known
}

/// `past_camera_from_camera` of everything that can be seen, each carried along with its body.
struct Carries {
    /// By index of the primitive; `None` if the past did not know it.
    bodies: Vec<Option<Carry>>,
    /// Only turns: the sky is too far away to shift.
    sky: Mat3,
    /// Pixels per unit of slope, and the slope 0 in index coordinates (0 is the first pixel's centre).
    scale: Vec2,
    middle: Vec2,
    /// Of the past picture, pixels.
    size: Vec2,
}

#[derive(Clone, Copy)]
struct Carry {
    rotation: Mat3,
    translation: Vec3,
    past_camera_from_world_normal: Mat3,
    object: u64,
}

impl Carries {
    fn new(scene: &Scene, camera: &CameraPose, past: &PastFrame) -> Self {
        let past_camera_from_world = past.camera.world_from_camera.inverse();
        let tan = (0.5 * past.camera.vertical_fov_rad).tan();
        let size = Vec2::new(past.width as f32, past.height as f32);
        // Of all that did not move.
        let still = Carry::new(0, &past_camera_from_world, camera);
        let carry = |now: &Primitive| {
            let then = past.world_from_object.get(&now.id)?;
            if *then == now.world_from_object {
                return Some(Carry { object: now.id, ..still });
            }
            let then_from_now = then.compose(&now.world_from_object.inverse());
            Some(Carry::new(now.id, &past_camera_from_world.compose(&then_from_now), camera))
        };
        Self {
            bodies: scene.primitives.iter().map(carry).collect(),
            sky: past_camera_from_world.compose(&camera.world_from_camera).rotation_matrix(),
            scale: Vec2::new(0.5, -0.5) * size.y / tan,
            middle: 0.5 * size - 0.5,
            size,
        }
    }

    /// Where the point of `pixel` was in the past picture (index coordinates), and what must be there; `None` beyond its border, too.
    #[inline]
    fn look_up(&self, maps: &ShadowMaps, pixel: usize, ray: Vec3) -> Option<(Vec2, Expected)> {
        let index = maps.primitive[pixel];
        if index == SKY {
            let direction = self.sky * ray;
            let place = (direction.z < 0.0).then(|| self.place(direction))??;
            return Some((place, Expected::sky()));
        }
        let carry = self.bodies.get(index as usize)?.as_ref()?;
        let point = carry.rotation * (ray * maps.depth_m[pixel]) + carry.translation;
        let depth_m = -point.z;
        if depth_m < 1e-3 {
            return None;
        }
        // First of all: most points of most old pictures are beyond their border.
        let place = self.place(point)?;
        // The plane of the surface, to know its depth in the pixels around.
        let normal = carry.past_camera_from_world_normal * maps.normal[pixel];
        let plane_m = normal.dot(point);
        if plane_m > 1e-3 * depth_m {
            // Its other side faced the camera then.
            return None;
        }
        let slope = if plane_m < -1e-3 {
            Vec2::new(normal.x, normal.y) / (self.scale * plane_m)
        } else {
            Vec2::ZERO
        };
        Some((place, Expected::surface(carry.object, depth_m, slope)))
    }

    /// Where a point is in the past picture; `None` beyond its border.
    #[inline]
    fn place(&self, point: Vec3) -> Option<Vec2> {
        let place = Vec2::new(point.x, point.y) / -point.z * self.scale + self.middle;
        // What rounding moved off a pixel's centre goes back there: a still picture stays as it is.
        let nearest = nearest(place);
        let snap = |at: f32, nearest: f32| if (at - nearest).abs() < 1e-3 { nearest } else { at };
        let place = Vec2::new(snap(place.x, nearest.x), snap(place.y, nearest.y));
        // Written so that NaN is refused too.
        (place.cmpgt(Vec2::NEG_ONE) & place.cmplt(self.size)).all().then_some(place)
    }
}

impl Carry {
    /// `past_camera_from_world_now` takes what was seen then from where it is now.
    fn new(object: u64, past_camera_from_world_now: &Pose, camera: &CameraPose) -> Self {
        let pose = past_camera_from_world_now.compose(&camera.world_from_camera);
        Self {
            rotation: pose.rotation_matrix(),
            translation: pose.translation_m,
            past_camera_from_world_normal: past_camera_from_world_now.rotation_matrix(),
            object,
        }
    }
}

#[cfg(test)]
mod tests;
