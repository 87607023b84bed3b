//! What reading and writing share in every frame: pages are found once and kept at hand for the pixels around.

use glam::{Mat3, Vec2, Vec3};

use super::pages::{Key, NONE};
use super::shards::{Pages, Store};
use super::store::{TexelMemory, UNKNOWN};
use super::{LEVELS, PAGE, SMOOTH, Surfel};
use crate::geometry::{CameraPose, floor};
use crate::raster::shape::ObjectView;
use crate::raster::{Rays, Scene, ShadowMaps};

/// Pages used last, by level and by parity of column and row, so that neighbouring pages do not displace each other.
pub(super) struct AtHand {
    pages: [(Option<Key>, u32); 4 * LEVELS],
    generation: u32,
    /// Found, and to be told so.
    pub(super) used: Vec<u32>,
}

impl AtHand {
    /// Nothing yet, of a store of this generation.
    pub(super) fn new(generation: u32) -> Self {
        Self { pages: [(None, NONE); 4 * LEVELS], generation, used: Vec::new() }
    }

    #[inline]
    fn place(key: Key, u: i32, v: i32) -> usize {
        4 * key.level() + 2 * (v & 1) as usize + (u & 1) as usize
    }

    #[inline]
    pub(super) fn find(&mut self, pages: &Pages, key: Key, u: i32, v: i32) -> u32 {
        let at = &mut self.pages[Self::place(key, u, v)];
        if at.0 != Some(key) {
            *at = (Some(key), pages.find(key).unwrap_or(NONE));
            if at.1 != NONE {
                self.used.push(at.1);
            }
        }
        at.1
    }

    #[inline]
    pub(super) fn find_or_make(
        &mut self,
        pages: &mut impl Store,
        key: Key,
        u: i32,
        v: i32,
        now: u32,
    ) -> u32 {
        let place = Self::place(key, u, v);
        let (at, page) = self.pages[place];
        if at == Some(key) && page != NONE && self.generation == pages.generation() {
            return page;
        }
        let page = pages.find_or_make(key, now);
        pages.touch(page, now);
        if self.generation != pages.generation() {
            // A page at hand may be another's now.
            *self = Self::new(pages.generation());
        }
        self.pages[place] = (Some(key), page);
        page
    }
}

/// Where texel (`i`, `j`) lies: column and row of its page, and its column and row in there.
#[inline]
pub(super) fn in_page(i: i32, j: i32) -> ((i32, i32), (usize, usize)) {
    const SHIFT: u32 = PAGE.trailing_zeros();
    const INSIDE: i32 = PAGE as i32 - 1;
    ((i >> SHIFT, j >> SHIFT), ((i & INSIDE) as usize, (j & INSIDE) as usize))
}

/// A primitive with what its pixels need.
pub(super) struct Body<'a> {
    pub(super) view: ObjectView,
    object_from_world: Mat3,
    shape: &'a crate::geometry::Shape,
    pub(super) object: u32,
}

/// Everything about the view that is the same for all pixels.
pub(super) struct Frame<'a> {
    pub(super) bodies: Vec<Body<'a>>,
    rays: Rays,
    pub(super) maps: &'a ShadowMaps,
    camera_from_world: Mat3,
    /// Pixels per unit of slope, and slope 0 in index coordinates.
    scale: Vec2,
    middle: Vec2,
}

impl<'a> Frame<'a> {
    pub(super) fn new(
        slots: &[u32],
        scene: &'a Scene,
        camera: &CameraPose,
        maps: &'a ShadowMaps,
    ) -> Self {
        let size = Vec2::new(maps.width as f32, maps.height as f32);
        let tan = (0.5 * camera.vertical_fov_rad).tan();
        Self {
            bodies: scene
                .primitives
                .iter()
                .enumerate()
                .map(|(index, primitive)| Body {
                    view: ObjectView::new(&primitive.world_from_object, camera),
                    object_from_world: primitive.world_from_object.rotation_matrix().transpose(),
                    shape: &primitive.shape,
                    object: slots.get(index).copied().unwrap_or(UNKNOWN),
                })
                .collect(),
            rays: Rays::new(camera, maps.width, maps.height),
            maps,
            camera_from_world: camera.world_from_camera.rotation_matrix().transpose(),
            scale: Vec2::new(0.5, -0.5) * size.y / tan,
            middle: 0.5 * size - 0.5,
        }
    }

    #[inline]
    fn ray(&self, x: usize, y: usize) -> Vec3 {
        Vec3::new(self.rays.columns[x], self.rays.rows[y], -1.0)
    }

    #[inline]
    pub(super) fn surfel(&self, x: usize, y: usize) -> Option<(&Body<'a>, Surfel)> {
        let pixel = y * self.maps.width + x;
        let body = self.bodies.get(usize::from(self.maps.primitive[pixel]))?;
        if body.object == UNKNOWN {
            return None;
        }
        let depth_m = self.maps.depth_m[pixel];
        let direction = body.view.direction(self.rays.columns[x], self.rays.rows[y]);
        let point = body.view.origin_m + direction * depth_m;
        let normal = body.object_from_world * self.maps.normal[pixel];
        let surfel = Surfel::new(body.shape, point, normal, direction, depth_m, self.rays.pixel_m);
        Some((body, surfel))
    }

    /// The pixel and the four beside it show one smooth surface.
    #[inline]
    pub(super) fn is_inside(&self, x: usize, y: usize) -> bool {
        let (width, height) = (self.maps.width, self.maps.height);
        if x == 0 || y == 0 || x + 1 >= width || y + 1 >= height {
            return false;
        }
        let pixel = y * width + x;
        let index = self.maps.primitive[pixel];
        let normal = self.maps.normal[pixel];
        let depth_m = self.maps.depth_m[pixel];
        let facing = self.camera_from_world * normal;
        let point = self.ray(x, y) * depth_m;
        let same = |other: usize, ray: Vec3| {
            self.maps.primitive[other] == index
                && self.maps.normal[other].dot(normal) > SMOOTH
                && (ray * self.maps.depth_m[other] - point).dot(facing).abs()
                    < 0.03 + 0.03 * depth_m
        };
        same(pixel - 1, self.ray(x - 1, y))
            && same(pixel + 1, self.ray(x + 1, y))
            && same(pixel - width, self.ray(x, y - 1))
            && same(pixel + width, self.ray(x, y + 1))
    }

    /// Where a point near the pixel's lies in the picture, in pixels from the pixel's own centre.
    #[inline]
    pub(super) fn place(&self, body: &Body<'_>, offset_object: Vec3, x: usize, y: usize) -> Vec2 {
        let pixel = y * self.maps.width + x;
        let offset = body.view.object_from_camera.transpose() * offset_object;
        let point = self.ray(x, y) * self.maps.depth_m[pixel] + offset;
        Vec2::new(point.x, point.y) / (-point.z).max(1e-3) * self.scale + self.middle
            - Vec2::new(x as f32, y as f32)
    }
}

impl TexelMemory {
    /// When each pixel's place was last written, in frames of the memory ([`Self::frame`]); `None` for the sky and for
    /// what was never seen. Looks at texels of two to eight pixels, so that the pixels around count, too.
    pub fn last_seen(
        &self,
        scene: &Scene,
        camera: &CameraPose,
        maps: &ShadowMaps,
    ) -> Vec<Option<u32>> {
        let frame = Frame::new(&self.slots, scene, camera, maps);
        let seen = |pixel: usize| {
            let (body, surfel) = frame.surfel(pixel % maps.width, pixel / maps.width)?;
            let own = surfel.whole_level();
            let at = |level: usize| {
                let [i, j] = surfel.at(level).map(floor);
                let ((u, v), (iu, iv)) = in_page(i, j);
                let (chart, slab) = (surfel.chart.index(), surfel.slab(level));
                let page = self.pages.find(Key::new(body.object, chart, level, u, v, slab))?;
                let texel = self.pages.texel(page, iu, iv);
                (texel.weight > 0.0).then_some(texel.frame)
            };
            (own + 1..(own + 3).min(LEVELS)).filter_map(at).max()
        };
        (0..maps.width * maps.height).map(seen).collect()
    }
}

/// Has the texels that are as large as a pixel brought into the cache.
#[inline]
pub(super) fn prefetch(pages: &Pages, body: &Body<'_>, surfel: &Surfel, at_hand: &mut AtHand) {
    let level = surfel.whole_level();
    let [i, j] = surfel.at(level).map(|c| floor(c - 0.5));
    let ((u, v), (iu, iv)) = in_page(i, j);
    let key = Key::new(body.object, surfel.chart.index(), level, u, v, surfel.slab(level));
    let page = at_hand.find(pages, key, u, v);
    if page != NONE {
        let texels = pages.texels(page);
        super::pages::prefetch(&texels[iv * PAGE + iu]);
        super::pages::prefetch(&texels[(iv + 1).min(PAGE - 1) * PAGE + iu]);
    }
}

#[inline]
pub(super) fn three(values: &[f32], pixel: usize) -> [f32; 3] {
    [values[3 * pixel], values[3 * pixel + 1], values[3 * pixel + 2]]
}
