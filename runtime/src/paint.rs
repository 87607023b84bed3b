//! Shadow paint: a plain renderer of the shadow maps (tint, Lambert, sun visibility, sky, fog).
//!
//! It is the fallback picture, the baseline, and one of the model's candidates.

use reverie_guard::CameraPose;
pub use reverie_guard::colour::srgb_to_linear;
use reverie_kernels::present::under_snow;
use reverie_kernels::raster::{Rays, SKY, ShadowMaps};
use reverie_kernels::rows::{each_mut, each_row};

use crate::scene::ShadowScene;
use crate::style::PaintLight;

/// Inverse of [`srgb_to_linear`]; clamps to 0 to 1.
pub fn linear_to_srgb(v: f32) -> f32 {
    let v = v.clamp(0.0, 1.0);
    if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}

/// [`linear_to_srgb`] from a table; within 1/1024 of it.
struct SrgbTable([f32; 4097]);

impl SrgbTable {
    fn get() -> &'static Self {
        static TABLE: std::sync::OnceLock<SrgbTable> = std::sync::OnceLock::new();
        // The square root spreads the dark end, where the curve is steep.
        TABLE.get_or_init(|| {
            Self(std::array::from_fn(|i| linear_to_srgb((i as f32 / 4096.0).powi(2))))
        })
    }

    fn encode(&self, v: f32) -> f32 {
        self.0[(v.clamp(0.0, 1.0).sqrt() * 4096.0 + 0.5) as usize]
    }
}

/// Paints the maps. `rgb` is resized to interleaved sRGB, 0 to 1, 3 values a pixel.
pub fn paint(
    scene: &ShadowScene,
    camera: &CameraPose,
    maps: &ShadowMaps,
    light: &PaintLight,
    rgb: &mut Vec<f32>,
) {
    let table = SrgbTable::get();
    let rotation = camera.world_from_camera.rotation_matrix();
    let sun = scene.scene.sun_direction;
    rgb.resize(3 * maps.width * maps.height, 0.0);
    let rays = Rays::new(camera, maps.width, maps.height);
    let mut nothing = vec![(); maps.height];
    each_row((rgb, 3 * maps.width.max(1)), (&mut nothing, 1), |y, rgb, _| {
        for x in 0..maps.width {
            let pixel = y * maps.width + x;
            let ray = rays.at(x, y);
            let color = if maps.primitive[pixel] == SKY {
                let up = (rotation * ray).normalize().y.max(0.0);
                light.horizon_rgb.lerp(light.zenith_rgb, up.sqrt().min(1.0))
            } else {
                let surface = &scene.surfaces[usize::from(maps.primitive[pixel])];
                let normal = maps.normal[pixel];
                let ambient = light.ambient_rgb * (0.75 + 0.25 * normal.y);
                let lambert = normal.dot(sun).max(0.0) * maps.sun_visibility[pixel];
                let albedo = under_snow(surface.albedo.into(), normal.y, light.snow);
                let lit = albedo * (ambient + light.sun_rgb * lambert);
                let distance_m = maps.depth_m[pixel] * ray.length();
                lit.lerp(light.horizon_rgb, 1.0 - (-light.fog_per_m * distance_m).exp())
            };
            rgb[3 * x] = table.encode(color.x);
            rgb[3 * x + 1] = table.encode(color.y);
            rgb[3 * x + 2] = table.encode(color.z);
        }
    });
}

/// Pixels that are turned into bytes by one task.
const BYTES_AT_ONCE: usize = 4096;

/// Interleaved sRGB 0 to 1 (3 values a pixel) to RGBA bytes.
pub fn to_rgba8(rgb: &[f32]) -> Vec<u8> {
    let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    let mut rgba = vec![255; rgb.len() / 3 * 4];
    let parts = rgb.chunks(3 * BYTES_AT_ONCE).zip(rgba.chunks_mut(4 * BYTES_AT_ONCE));
    each_mut(&mut parts.collect::<Vec<_>>(), |(rgb, rgba)| {
        for (rgb, rgba) in rgb.chunks_exact(3).zip(rgba.chunks_exact_mut(4)) {
            for (byte_of, value) in rgba.iter_mut().zip(rgb) {
                *byte_of = byte(*value);
            }
        }
    });
    rgba
}

#[cfg(test)]
mod tests {
    use glam::{Quat, Vec3};
    use reverie_guard::{Body, BodyKind, Pose, ShadowSnapshot, Shape};

    use super::*;
    use crate::style::StyleWeights;
    use crate::view::ShadowView;

    #[test]
    fn snow_lies_on_what_is_level_and_on_nothing_else() {
        let box_of = |tint_srgb| ShadowSnapshot {
            bodies: vec![Body {
                id: 1,
                shape: Shape::Cuboid { half_extents_m: Vec3::splat(0.5) },
                world_from_body: Pose::new(Quat::IDENTITY, Vec3::new(0.0, 0.0, -3.0)),
                linear_velocity_m_s: Vec3::ZERO,
                angular_velocity_rad_s: Vec3::ZERO,
                kind: BodyKind::Fixed,
                material: 8,
                tint_srgb: Some(tint_srgb),
            }],
            camera: CameraPose {
                world_from_camera: Pose::new(Quat::from_rotation_x(-0.5), Vec3::new(0.0, 1.6, 0.0)),
                vertical_fov_rad: 1.0,
            },
            sun_direction: Vec3::Y,
            ..ShadowSnapshot::default()
        };
        let snow = StyleWeights::pure("snow").unwrap();
        let draw = |tint, style| ShadowView::new(&box_of(tint), style, 32, 32, true);
        let (red, green) = ([0.8, 0.1, 0.1], [0.1, 0.8, 0.1]);
        let (red, green) = (draw(red, &snow), draw(green, &snow));
        let faces = |up: bool| {
            let is =
                |at: &usize| red.maps.primitive[*at] == 0 && (red.maps.normal[*at].y > 0.9) == up;
            let faces: Vec<usize> = (0..32 * 32).filter(is).collect();
            assert!(faces.len() > 20, "{}", faces.len());
            faces
        };
        let apart = |a: &[f32], b: &[f32], at: usize| (a[3 * at] - b[3 * at]).abs();
        for at in faces(true) {
            assert!(apart(&red.paint, &green.paint, at) < 0.1, "white on both");
            assert!(
                apart(red.bare_paint(), green.bare_paint(), at) > 0.3,
                "networks lay it themselves"
            );
        }
        for at in faces(false) {
            assert!(apart(&red.paint, &green.paint, at) > 0.2);
            assert_eq!(red.paint[3 * at], red.bare_paint()[3 * at]);
        }
        let noon = draw([0.8, 0.1, 0.1], &StyleWeights::NOON);
        assert_eq!(noon.paint, noon.bare_paint());
    }

    #[test]
    fn the_table_follows_the_curve() {
        let table = SrgbTable::get();
        for i in 0..=1000 {
            let v = i as f32 / 1000.0;
            assert!((table.encode(v) - linear_to_srgb(v)).abs() < 1.0 / 1024.0, "at {v}");
            assert!((srgb_to_linear(linear_to_srgb(v)) - v).abs() < 1e-4);
        }
    }
}
