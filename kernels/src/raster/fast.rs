//! The raster that runs in every frame: each primitive meets only the rays of its screen rectangle.
//!
//! Bands of rows are drawn by as many cores as there are ([`rows`](crate::rows)). In each of them primitives come in the order of the scene, so
//! that bands change nothing.

use std::ops::Range;

use glam::Vec3;

use super::bounds::{PixelRect, Screen};
use super::shade::Seen;
use super::shape::{bounding_box, enter, enter_triangle, slabs, triangle};
use super::{NEAR_M, Rays, SKY, SKY_LAYER, Scene, ShadowMaps};
use crate::geometry::{CameraPose, Shape};
use crate::rows::{each_mut, parcel_of};

/// Draws `scene` as `camera` sees it, `width` by `height` pixels, into the memory that `maps` already has.
///
/// The sun is taken to reach everything; [`super::SunMap`] knows better. A primitive that the camera is
/// inside of is not seen. Where two primitives are equally deep the first of the scene is seen.
pub fn raster(
    scene: &Scene,
    camera: &CameraPose,
    width: usize,
    height: usize,
    maps: &mut ShadowMaps,
) {
    maps.resize(width, height);
    if width == 0 || height == 0 {
        return;
    }
    let rays = Rays::new(camera, width, height);
    let screen = Screen::new(camera.vertical_fov_rad, width, height);
    let seen: Vec<Seen> = scene
        .primitives
        .iter()
        .take(SKY as usize)
        .map(|primitive| Seen::new(primitive, camera))
        .collect();
    let on_screen: Vec<OnScreen> = seen
        .iter()
        .enumerate()
        .filter_map(|(index, object)| OnScreen::new(object, index as u16, &screen))
        .collect();
    each_mut(&mut bands(maps, parcel_of(height)), |band| {
        band.clear();
        on_screen.iter().for_each(|object| band.draw(object, &rays));
        band.describe(&seen, &rays);
    });
}

/// A primitive of which something may be seen.
struct OnScreen<'a> {
    object: &'a Seen<'a>,
    index: u16,
    rect: PixelRect,
    /// Of a mesh those that face the camera.
    triangles: Vec<Facing>,
}

/// A triangle that faces the camera.
struct Facing {
    /// Object frame.
    corners: [Vec3; 3],
    rect: PixelRect,
    /// World frame.
    normal: Vec3,
}

impl<'a> OnScreen<'a> {
    fn new(object: &'a Seen<'a>, index: u16, screen: &Screen) -> Option<Self> {
        let shape = &object.primitive.shape;
        let (centre, half) = bounding_box(shape);
        let rect = screen.around_box(&object.view, centre, half)?;
        let mut triangles = Vec::new();
        if let Shape::Mesh(mesh) = shape {
            let facing = |number: usize| {
                let corners = triangle(mesh, number)?;
                let [a, b, c] = corners;
                if (b - a).cross(c - a).dot(object.view.origin_m - a) <= 0.0 {
                    return None;
                }
                let rect = screen.around_triangle(&object.view, corners)?;
                Some(Facing { corners, rect, normal: object.triangle_normal(number) })
            };
            triangles.extend((0..mesh.triangles.len()).filter_map(facing));
        }
        Some(Self { object, index, rect, triangles })
    }
}

/// Some rows of all maps.
struct Band<'a> {
    rows: Range<usize>,
    width: usize,
    depth_m: &'a mut [f32],
    normal: &'a mut [Vec3],
    primitive: &'a mut [u16],
    uv: &'a mut [[f32; 2]],
    edge_m: &'a mut [[f32; 2]],
    layer: &'a mut [u8],
    footprint: &'a mut [f32],
    sun_visibility: &'a mut [f32],
}

/// All of `maps`, so many rows at once.
fn bands(maps: &mut ShadowMaps, rows: usize) -> Vec<Band<'_>> {
    let (width, height) = (maps.width, maps.height);
    let wide = rows * width;
    let mut depth_m = maps.depth_m.chunks_mut(wide);
    let mut normal = maps.normal.chunks_mut(wide);
    let mut primitive = maps.primitive.chunks_mut(wide);
    let mut uv = maps.uv.chunks_mut(wide);
    let mut edge_m = maps.edge_m.chunks_mut(wide);
    let mut layer = maps.layer.chunks_mut(wide);
    let mut footprint = maps.footprint.chunks_mut(wide);
    let mut sun_visibility = maps.sun_visibility.chunks_mut(wide);
    let band = |first: usize| {
        Some(Band {
            rows: first..(first + rows).min(height),
            width,
            depth_m: depth_m.next()?,
            normal: normal.next()?,
            primitive: primitive.next()?,
            uv: uv.next()?,
            edge_m: edge_m.next()?,
            layer: layer.next()?,
            footprint: footprint.next()?,
            sun_visibility: sun_visibility.next()?,
        })
    };
    (0..height).step_by(rows).map_while(band).collect()
}

impl Band<'_> {
    fn clear(&mut self) {
        self.depth_m.fill(f32::INFINITY);
        self.normal.fill(Vec3::ZERO);
        self.primitive.fill(SKY);
        self.uv.fill([0.0; 2]);
        self.edge_m.fill([0.0; 2]);
        self.layer.fill(SKY_LAYER);
        self.footprint.fill(0.0);
        self.sun_visibility.fill(1.0);
    }

    /// The rows of the picture that a rectangle and the band share, and the place of each one's first pixel in the band.
    fn rows_of(&self, rect: &PixelRect) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (first, width) = (self.rows.start, self.width);
        let rows = rect.y0.max(first)..rect.y1.min(self.rows.end);
        rows.map(move |y| (y, (y - first) * width))
    }

    fn draw(&mut self, on_screen: &OnScreen, rays: &Rays) {
        let OnScreen { object, index, rect, triangles } = on_screen;
        match &object.primitive.shape {
            Shape::Cuboid { half_extents_m } => {
                self.draw_cuboid(object, *half_extents_m, *index, rect, rays)
            }
            Shape::Mesh(_) => {
                for triangle in triangles {
                    self.draw_triangle(object, triangle, *index, rays);
                }
            }
            _ => self.draw_round(object, *index, rect, rays),
        }
    }

    fn draw_cuboid(
        &mut self,
        object: &Seen,
        half: Vec3,
        index: u16,
        rect: &PixelRect,
        rays: &Rays,
    ) {
        let origin = object.view.origin_m;
        let across = object.view.object_from_camera.x_axis;
        for (y, first) in self.rows_of(rect) {
            let down = object.view.row(rays.rows[y]);
            let row = first + rect.x0..first + rect.x1;
            let depths = &mut self.depth_m[row.clone()];
            let primitives = &mut self.primitive[row];
            // No branch inside: the compiler takes several pixels at once.
            for ((&ray_x, depth), primitive) in
                rays.columns[rect.x0..rect.x1].iter().zip(depths).zip(primitives)
            {
                let (enter, leave) = slabs(half, origin, across * ray_x + down);
                let nearer = (enter >= NEAR_M) & (enter <= leave) & (enter < *depth);
                *depth = if nearer { enter } else { *depth };
                *primitive = if nearer { index } else { *primitive };
            }
        }
    }

    fn draw_round(&mut self, object: &Seen, index: u16, rect: &PixelRect, rays: &Rays) {
        for (y, first) in self.rows_of(rect) {
            for x in rect.x0..rect.x1 {
                let direction = object.view.direction(rays.columns[x], rays.rows[y]);
                let (depth_m, _) = enter(&object.primitive.shape, object.view.origin_m, direction);
                if depth_m < self.depth_m[first + x] {
                    self.depth_m[first + x] = depth_m;
                    self.primitive[first + x] = index;
                }
            }
        }
    }

    fn draw_triangle(&mut self, object: &Seen, triangle: &Facing, index: u16, rays: &Rays) {
        let Facing { corners, rect, normal } = triangle;
        for (y, first) in self.rows_of(rect) {
            for x in rect.x0..rect.x1 {
                let direction = object.view.direction(rays.columns[x], rays.rows[y]);
                let depth_m = enter_triangle(*corners, object.view.origin_m, direction);
                if depth_m < self.depth_m[first + x] {
                    self.depth_m[first + x] = depth_m;
                    self.primitive[first + x] = index;
                    self.normal[first + x] = *normal;
                }
            }
        }
    }

    /// What the maps say of the points that were drawn.
    fn describe(&mut self, seen: &[Seen], rays: &Rays) {
        for (y, &ray_y) in self.rows.clone().zip(&rays.rows[self.rows.start..]) {
            let first = (y - self.rows.start) * self.width;
            for (x, &ray_x) in rays.columns.iter().enumerate() {
                let pixel = first + x;
                let Some(object) = seen.get(self.primitive[pixel] as usize) else { continue };
                let direction = object.view.direction(ray_x, ray_y);
                let (depth_m, normal) = (self.depth_m[pixel], self.normal[pixel]);
                let point = object.describe(depth_m, normal, direction, rays.pixel_m);
                self.normal[pixel] = point.normal;
                self.uv[pixel] = point.uv;
                self.edge_m[pixel] = point.edge_m;
                self.layer[pixel] = point.layer;
                self.footprint[pixel] = point.footprint;
            }
        }
    }
}
