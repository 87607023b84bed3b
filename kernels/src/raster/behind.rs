//! The second layer: what each pixel would see if the first thing it sees were not there.

use super::bounds::Screen;
use super::shade::Seen;
use super::shape::{bounding_box, enter, enter_triangle, triangle};
use super::{Rays, SKY, Scene};
use crate::geometry::{CameraPose, Shape};

/// What lies behind the surfaces of a [`ShadowMaps`]; each map `width * height` long.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Behind {
    /// Along −Z of the camera; infinite where there is sky.
    pub depth_m: Vec<f32>,
    /// Index into [`Scene::primitives`], or [`SKY`].
    pub primitive: Vec<u16>,
}

/// Finds the nearest primitive of each pixel other than `first`, the one that is seen there: [`primitive`](super::ShadowMaps::primitive) of `scene` as `camera` sees it.
///
/// # Panics
/// If `first` is not of the size `width` × `height`.
pub fn behind(
    scene: &Scene,
    camera: &CameraPose,
    (width, height): (usize, usize),
    first: &[u16],
    out: &mut Behind,
) {
    assert_eq!(first.len(), width * height, "pixels of {width}×{height}");
    out.depth_m.clear();
    out.depth_m.resize(width * height, f32::INFINITY);
    out.primitive.clear();
    out.primitive.resize(width * height, SKY);
    if width == 0 || height == 0 {
        return;
    }
    let rays = Rays::new(camera, width, height);
    let screen = Screen::new(camera.vertical_fov_rad, width, height);
    for (index, primitive) in scene.primitives.iter().take(SKY as usize).enumerate() {
        let index = index as u16;
        let object = Seen::new(primitive, camera);
        let (centre, half) = bounding_box(&primitive.shape);
        let Some(rect) = screen.around_box(&object.view, centre, half) else { continue };
        let mut put = |pixel: usize, depth_m: f32| {
            if first[pixel] != index && depth_m < out.depth_m[pixel] {
                out.depth_m[pixel] = depth_m;
                out.primitive[pixel] = index;
            }
        };
        let origin = object.view.origin_m;
        if let Shape::Mesh(mesh) = &primitive.shape {
            for corners in (0..mesh.triangles.len()).filter_map(|i| triangle(mesh, i)) {
                let [a, b, c] = corners;
                if (b - a).cross(c - a).dot(origin - a) <= 0.0 {
                    continue;
                }
                let Some(rect) = screen.around_triangle(&object.view, corners) else { continue };
                for y in rect.y0..rect.y1 {
                    for x in rect.x0..rect.x1 {
                        let direction = object.view.direction(rays.columns[x], rays.rows[y]);
                        put(y * width + x, enter_triangle(corners, origin, direction));
                    }
                }
            }
            continue;
        }
        for y in rect.y0..rect.y1 {
            for x in rect.x0..rect.x1 {
                let direction = object.view.direction(rays.columns[x], rays.rows[y]);
                put(y * width + x, enter(&primitive.shape, origin, direction).0);
            }
        }
    }
}
