//! The sky: a dome round the camera with clouds, sun or moon, and stars, painted on the CPU.

use std::f32::consts::{FRAC_PI_2, TAU};

use bevy::asset::RenderAssetUsages;
use bevy::image::{Image, ImageAddressMode, ImageFilterMode, ImageSampler, ImageSamplerDescriptor};
use bevy::math::{Vec2, Vec3};
use bevy::mesh::{Indices, Mesh, PrimitiveTopology};
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reverie_runtime::style::StyleWeights;

use super::texture::{Noise, encode, smoothstep};

const WIDTH: usize = 640;
const HEIGHT: usize = 128;
/// The picture reaches from this elevation up to the zenith, radians.
const LOWEST_RAD: f32 = -0.12;
/// Of the dome, metres: beyond everything, within the camera's reach.
pub const RADIUS_M: f32 = 120.0;

/// A courtyard's clouds and stars, apart from their colours, which follow the style.
pub struct SkyField {
    /// Row-major from the zenith down: direction, share of cloud, light on the cloud, star.
    texels: Vec<SkyTexel>,
}

struct SkyTexel {
    direction: Vec3,
    cloud: f32,
    overcast: f32,
    star: f32,
}

impl SkyField {
    /// Draws clouds and stars from a courtyard's seed.
    pub fn random(seed: u64) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed ^ 0x0005_EA7E_5CA1_AB1E);
        let noise = Noise(rng.random());
        let (scale, amount): (f32, f32) =
            (rng.random_range(0.9..1.9), rng.random_range(0.38..0.62));
        let stretch: f32 = rng.random_range(0.5..1.0);
        let mut texels = Vec::with_capacity(WIDTH * HEIGHT);
        for row in 0..HEIGHT {
            let elevation = elevation_of((row as f32 + 0.5) / HEIGHT as f32);
            for column in 0..WIDTH {
                let azimuth = (column as f32 + 0.5) / WIDTH as f32 * TAU;
                let (sin, cos) = azimuth.sin_cos();
                let direction =
                    Vec3::new(cos * elevation.cos(), elevation.sin(), sin * elevation.cos());
                // Clouds lie on a plane overhead, so that they gather towards the horizon.
                let height = direction.y.max(0.0) + 0.16;
                let plane = Vec2::new(direction.x, direction.z * stretch) / height * scale;
                let density = 0.55 * noise.at(plane, 1)
                    + 0.30 * noise.at(plane * 2.1, 2)
                    + 0.15 * noise.at(plane * 4.7, 3);
                let low = smoothstep(-0.02, 0.12, direction.y);
                let cloud = smoothstep(1.0 - amount, 1.22 - amount, density) * low;
                let star = if rng.random_bool(0.005) {
                    rng.random_range(0.1..0.8_f32).powi(2)
                } else {
                    0.0
                };
                texels.push(SkyTexel { direction, cloud, overcast: density, star });
            }
        }
        Self { texels }
    }

    /// The picture for a style and sun: sRGB bytes with alpha.
    pub fn paint(&self, weights: &StyleWeights, sun_direction: Vec3) -> Vec<u8> {
        let weights = weights.normalized();
        let light = weights.light();
        let [noon, dusk, night, fog, snow] = weights.0;
        let lut: Vec<u8> = (0..=1023).map(|i| encode(i as f32 / 1023.0)).collect();
        let covered = fog + 0.8 * snow;
        let lit_cloud = light.sun_rgb * 0.75 + light.ambient_rgb * 1.1 + light.horizon_rgb * 0.25;
        let dark_cloud = light.ambient_rgb * 0.9 + light.horizon_rgb * 0.35;
        let disc = Vec3::new(1.0, 0.93, 0.78) * noon
            + Vec3::new(1.0, 0.72, 0.4) * dusk
            + Vec3::new(0.75, 0.8, 0.9) * night
            + Vec3::splat(0.05) * (fog + snow);
        let glow = light.sun_rgb * (0.35 * noon + 0.75 * dusk + 0.8 * night + 0.2);
        let mut bytes = Vec::with_capacity(self.texels.len() * 4);
        for texel in &self.texels {
            let up = texel.direction.y.max(0.0);
            let mut color = light.horizon_rgb.lerp(light.zenith_rgb, 1.0 - (1.0 - up).powi(3));
            let toward = texel.direction.dot(sun_direction).max(0.0);
            color += glow * (0.55 * toward.powi(12) + 0.6 * toward.powi(90));
            // Where the sun goes down the whole side of the sky is warm.
            color += Vec3::new(0.35, 0.12, 0.02) * dusk * toward.powi(3) * (1.0 - up).powi(4);
            color +=
                Vec3::splat(texel.star) * night * (1.0 - texel.cloud) * smoothstep(0.02, 0.2, up);
            let moon = smoothstep(0.9985, 0.9992, toward);
            color = color.lerp(disc, moon * (noon + dusk + night).min(1.0));
            let side = smoothstep(-0.6, 1.0, texel.direction.dot(sun_direction));
            let cloud_rgb =
                dark_cloud.lerp(lit_cloud, 0.35 + 0.65 * side * (1.15 - 0.5 * texel.cloud));
            color = color.lerp(cloud_rgb, 0.85 * texel.cloud * (1.0 - fog));
            let veil =
                light.horizon_rgb.lerp(light.zenith_rgb, 0.35) * (0.85 + 0.3 * texel.overcast);
            color = color.lerp(veil, covered.min(1.0) * 0.85);
            bytes.extend(color.to_array().map(|c| lut[(c.clamp(0.0, 1.0) * 1023.0) as usize]));
            bytes.push(255);
        }
        bytes
    }
}

/// Of the picture's row, 0 at the top; rows are denser near the horizon, where walls leave the sky open.
fn elevation_of(v: f32) -> f32 {
    let t = 1.0 - v;
    LOWEST_RAD + (FRAC_PI_2 - LOWEST_RAD) * t * (0.6 + 0.4 * t)
}

/// The picture as an image that repeats round the horizon.
pub fn image(bytes: Vec<u8>) -> Image {
    let size = Extent3d { width: WIDTH as u32, height: HEIGHT as u32, depth_or_array_layers: 1 };
    let format = TextureFormat::Rgba8UnormSrgb;
    let mut image =
        Image::new(size, TextureDimension::D2, bytes, format, RenderAssetUsages::default());
    image.sampler = ImageSampler::Descriptor(ImageSamplerDescriptor {
        address_mode_u: ImageAddressMode::Repeat,
        address_mode_v: ImageAddressMode::ClampToEdge,
        mag_filter: ImageFilterMode::Linear,
        min_filter: ImageFilterMode::Linear,
        ..ImageSamplerDescriptor::default()
    });
    image
}

/// The dome, seen from inside.
pub fn dome() -> Mesh {
    let (sides, bands) = (48_u32, 14_u32);
    let (mut positions, mut normals, mut uvs, mut indices) = (vec![], vec![], vec![], vec![]);
    for j in 0..=bands {
        let v = j as f32 / bands as f32;
        let elevation = elevation_of(v);
        for i in 0..=sides {
            let u = i as f32 / sides as f32;
            let (sin, cos) = (u * TAU).sin_cos();
            let out = Vec3::new(cos * elevation.cos(), elevation.sin(), sin * elevation.cos());
            positions.push((out * RADIUS_M).to_array());
            normals.push((-out).to_array());
            uvs.push([u, v]);
        }
    }
    let row = sides + 1;
    for j in 0..bands {
        for i in 0..sides {
            let a = j * row + i;
            indices.extend([a, a + 1, a + row + 1, a, a + row + 1, a + row]);
        }
    }
    Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::default())
        .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, positions)
        .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, normals)
        .with_inserted_attribute(Mesh::ATTRIBUTE_UV_0, uvs)
        .with_inserted_indices(Indices::U32(indices))
}
