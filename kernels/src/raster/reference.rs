//! The raster and the sun, the plain way: every pixel asks every primitive.

use super::shade::Seen;
use super::shape::{enter, enter_triangle, interval, triangle};
use super::{Rays, SKY, Scene, ShadowMaps, unproject};
use crate::geometry::{CameraPose, Shape};

/// What [`super::fast::raster`] draws.
pub fn raster(
    scene: &Scene,
    camera: &CameraPose,
    width: usize,
    height: usize,
    maps: &mut ShadowMaps,
) {
    maps.clear(width, height);
    let rays = Rays::new(camera, width, height);
    let seen: Vec<Seen> = scene
        .primitives
        .iter()
        .take(SKY as usize)
        .map(|primitive| Seen::new(primitive, camera))
        .collect();
    for y in 0..height {
        for x in 0..width {
            let pixel = y * width + x;
            for (index, object) in seen.iter().enumerate() {
                let direction = object.view.direction(rays.columns[x], rays.rows[y]);
                let (depth_m, triangle) =
                    enter(&object.primitive.shape, object.view.origin_m, direction);
                if depth_m < maps.depth_m[pixel] {
                    maps.depth_m[pixel] = depth_m;
                    maps.primitive[pixel] = index as u16;
                    maps.normal[pixel] = object.triangle_normal(triangle);
                }
            }
            if let Some(object) = seen.get(maps.primitive[pixel] as usize) {
                let direction = object.view.direction(rays.columns[x], rays.rows[y]);
                let (depth_m, normal) = (maps.depth_m[pixel], maps.normal[pixel]);
                let point = object.describe(depth_m, normal, direction, rays.pixel_m);
                maps.normal[pixel] = point.normal;
                maps.uv[pixel] = point.uv;
                maps.edge_m[pixel] = point.edge_m;
                maps.layer[pixel] = point.layer;
                maps.footprint[pixel] = point.footprint;
            }
        }
    }
}

/// What [`super::SunMap`] softens: 1 where a ray from the pixel's point reaches the sun, else 0.
pub fn sun_visibility(scene: &Scene, camera: &CameraPose, maps: &mut ShadowMaps) {
    let sun = scene.sun_direction;
    for pixel in 0..maps.width * maps.height {
        let receiver = maps.primitive[pixel] as usize;
        maps.sun_visibility[pixel] = 1.0;
        if maps.primitive[pixel] == SKY || sun.y <= super::sun::LOWEST_SUN_Y {
            continue;
        }
        let normal = maps.normal[pixel];
        let (x, y) = (pixel % maps.width, pixel / maps.width);
        let point = unproject(camera, maps.width, maps.height, x, y, maps.depth_m[pixel]);
        let start = point + normal * super::sun::LIFT_M;
        let hidden = scene.primitives.iter().enumerate().any(|(index, caster)| {
            let object_from_world = caster.world_from_object.inverse();
            let (origin, direction) =
                (object_from_world.transform_point(start), object_from_world.rotation * sun);
            match &caster.shape {
                Shape::Mesh(mesh) => {
                    (0..mesh.triangles.len()).filter_map(|i| triangle(mesh, i)).any(|[a, b, c]| {
                        // A surface hides the sun from both sides, and also right above the point.
                        let start = origin - direction * super::NEAR_M;
                        let met = |corners| {
                            let t = enter_triangle(corners, start, direction) - super::NEAR_M;
                            t > super::sun::LIFT_M && t.is_finite()
                        };
                        met([a, b, c]) || met([a, c, b])
                    })
                }
                // A solid without dents does not hide the sun from itself.
                _ if index == receiver => false,
                solid => interval(solid, origin, direction)
                    .is_some_and(|(_, leave)| leave > super::sun::LIFT_M),
            }
        });
        if hidden || normal.dot(sun) <= 0.0 {
            maps.sun_visibility[pixel] = 0.0;
        }
    }
}
