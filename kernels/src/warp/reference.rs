//! The warp, the plain way: through the world, one pixel at a time, bilinear everywhere.

use glam::Vec3;

use super::{LEAST_WEIGHT, PastFrame, SKY_OBJECT};
use crate::geometry::CameraPose;
use crate::raster::{SKY, Scene, ShadowMaps, ray, unproject};

/// What [`super::warp`] draws, without its cubic.
pub fn warp(
    scene: &Scene,
    camera: &CameraPose,
    maps: &ShadowMaps,
    past: &PastFrame,
    rgb: &mut [f32],
    valid: &mut [f32],
) {
    for y in 0..maps.height {
        for x in 0..maps.width {
            let pixel = y * maps.width + x;
            let (colour, weight) = look(scene, camera, maps, past, x, y).unwrap_or(([0.0; 3], 0.0));
            rgb[3 * pixel..3 * pixel + 3].copy_from_slice(&colour);
            valid[pixel] = weight;
        }
    }
}

fn look(
    scene: &Scene,
    camera: &CameraPose,
    maps: &ShadowMaps,
    past: &PastFrame,
    x: usize,
    y: usize,
) -> Option<([f32; 3], f32)> {
    let pixel = y * maps.width + x;
    let past_camera = &past.camera.world_from_camera;
    let (point, normal, object) = if maps.primitive[pixel] == SKY {
        let direction =
            camera.world_from_camera.rotation * ray(camera, maps.width, maps.height, x, y);
        (past_camera.rotation.inverse() * direction, Vec3::ZERO, SKY_OBJECT)
    } else {
        let primitive = &scene.primitives[maps.primitive[pixel] as usize];
        let then = past.world_from_object.get(&primitive.id)?;
        let on_object = primitive.world_from_object.inverse();
        let world_now = unproject(camera, maps.width, maps.height, x, y, maps.depth_m[pixel]);
        let world_then = then.transform_point(on_object.transform_point(world_now));
        let normal_then = then.rotation * (on_object.rotation * maps.normal[pixel]);
        let normal = past_camera.rotation.inverse() * normal_then;
        (past_camera.inverse().transform_point(world_then), normal, primitive.id)
    };
    let depth_m = -point.z;
    if depth_m < 1e-3 || normal.dot(point) > 1e-3 * depth_m {
        return None;
    }
    let tan = (0.5 * past.camera.vertical_fov_rad).tan();
    let (width, height) = (past.width as f32, past.height as f32);
    let at_x = (point.x / depth_m / (tan * width / height) + 1.0) * 0.5 * width - 0.5;
    let at_y = (1.0 - point.y / depth_m / tan) * 0.5 * height - 0.5;
    let (mut sum, mut weight) = ([0.0; 3], 0.0);
    let pair =
        |at: f32| [(at.floor(), 1.0 - (at - at.floor())), (at.floor() + 1.0, at - at.floor())];
    for (tap_x, share_x) in pair(at_x) {
        for (tap_y, share_y) in pair(at_y) {
            if !(0.0..width).contains(&tap_x) || !(0.0..height).contains(&tap_y) {
                continue;
            }
            let (tap_x, tap_y) = (tap_x as usize, tap_y as usize);
            let tap = tap_y * past.width + tap_x;
            let tap_ray = ray(&past.camera, past.width, past.height, tap_x, tap_y);
            let on_plane_m = normal.dot(point) / normal.dot(tap_ray);
            let seen_m = past.depth_m[tap];
            let as_deep = |m: f32| (seen_m / m - 1.0).abs() < 0.03;
            let same_place = object == SKY_OBJECT
                || as_deep(on_plane_m)
                || as_deep(depth_m)
                || (seen_m - depth_m).abs() < 0.05;
            if past.object[tap] == object && same_place {
                weight += share_x * share_y;
                for (sum, value) in sum.iter_mut().zip(&past.rgb[3 * tap..]) {
                    *sum += share_x * share_y * value;
                }
            }
        }
    }
    (weight >= LEAST_WEIGHT).then(|| (sum.map(|channel| channel / weight), weight))
}
