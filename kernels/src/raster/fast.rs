//! The raster that runs in every frame: each primitive meets only the rays of its screen rectangle.

use glam::Vec3;

use super::bounds::{PixelRect, Screen};
use super::shade::Seen;
use super::shape::{bounding_box, enter, enter_triangle, slabs, triangle};
use super::{NEAR_M, Rays, SKY, Scene, ShadowMaps};
use crate::geometry::{CameraPose, Shape, TriangleMesh};

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
    maps.clear(width, height);
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
    for (index, object) in seen.iter().enumerate() {
        let (centre, half) = bounding_box(&object.primitive.shape);
        let Some(rect) = screen.around_box(&object.view, centre, half) else { continue };
        match &object.primitive.shape {
            Shape::Cuboid { half_extents_m } => {
                draw_cuboid(object, *half_extents_m, index as u16, rect, &rays, maps)
            }
            Shape::Mesh(mesh) => draw_mesh(object, mesh, index as u16, &screen, &rays, maps),
            _ => draw_round(object, index as u16, rect, &rays, maps),
        }
    }
    for (y, &ray_y) in rays.rows.iter().enumerate() {
        for (x, &ray_x) in rays.columns.iter().enumerate() {
            let pixel = y * width + x;
            if let Some(object) = seen.get(maps.primitive[pixel] as usize) {
                object.describe(maps, pixel, object.view.direction(ray_x, ray_y), rays.pixel_m);
            }
        }
    }
}

fn draw_cuboid(
    object: &Seen,
    half: Vec3,
    index: u16,
    rect: PixelRect,
    rays: &Rays,
    maps: &mut ShadowMaps,
) {
    let origin = object.view.origin_m;
    let across = object.view.object_from_camera.x_axis;
    for y in rect.y0..rect.y1 {
        let down = object.view.row(rays.rows[y]);
        let row = y * maps.width + rect.x0..y * maps.width + rect.x1;
        let depths = &mut maps.depth_m[row.clone()];
        let primitives = &mut maps.primitive[row];
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

fn draw_round(object: &Seen, index: u16, rect: PixelRect, rays: &Rays, maps: &mut ShadowMaps) {
    for y in rect.y0..rect.y1 {
        for x in rect.x0..rect.x1 {
            let direction = object.view.direction(rays.columns[x], rays.rows[y]);
            let (depth_m, _) = enter(&object.primitive.shape, object.view.origin_m, direction);
            let pixel = y * maps.width + x;
            if depth_m < maps.depth_m[pixel] {
                maps.depth_m[pixel] = depth_m;
                maps.primitive[pixel] = index;
            }
        }
    }
}

fn draw_mesh(
    object: &Seen,
    mesh: &TriangleMesh,
    index: u16,
    screen: &Screen,
    rays: &Rays,
    maps: &mut ShadowMaps,
) {
    for triangle_index in 0..mesh.triangles.len() {
        let Some(corners) = triangle(mesh, triangle_index) else { continue };
        let [a, b, c] = corners;
        if (b - a).cross(c - a).dot(object.view.origin_m - a) <= 0.0 {
            continue;
        }
        let Some(rect) = screen.around_triangle(&object.view, corners) else { continue };
        let normal = object.triangle_normal(triangle_index);
        for y in rect.y0..rect.y1 {
            for x in rect.x0..rect.x1 {
                let direction = object.view.direction(rays.columns[x], rays.rows[y]);
                let depth_m = enter_triangle(corners, object.view.origin_m, direction);
                let pixel = y * maps.width + x;
                if depth_m < maps.depth_m[pixel] {
                    maps.depth_m[pixel] = depth_m;
                    maps.primitive[pixel] = index;
                    maps.normal[pixel] = normal;
                }
            }
        }
    }
}
