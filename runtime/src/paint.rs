//! Shadow paint: a plain renderer of the shadow maps (tint, Lambert, sun visibility, sky, fog).
//!
//! It is the fallback picture, the baseline, and one of the model's candidates.

use glam::Vec3;
use reverie_guard::CameraPose;
pub use reverie_guard::colour::srgb_to_linear;
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
                let lit = Vec3::from(surface.albedo) * (ambient + light.sun_rgb * lambert);
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
    use super::*;

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
