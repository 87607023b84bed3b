//! Textures of the classes of material, drawn anew per courtyard: 128×128, tileable, with mip levels.
//!
//! A texture spans a period of 2 m on a body's surface and is a multiplier about a light mean: the tint
//! comes from the body. u runs to the right and v upwards on walls; see `mesh::surface`.

mod noise;
mod pattern;

use bevy::asset::RenderAssetUsages;
use bevy::image::{Image, ImageAddressMode, ImageFilterMode, ImageSampler, ImageSamplerDescriptor};
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use noise::{Noise, smoothstep};
use pattern::Pattern;

/// Edge of a texture, texels.
pub const TEXTURE_SIZE: usize = 128;

/// Mean luminance of every texture, linear: both dark joints and light edges have room about it.
pub const TEXTURE_MEAN: f32 = 0.72;

/// Linear RGB of one texture, row-major, v rising with the row.
pub type Texels = Vec<[f32; 3]>;

/// Draws the class's texture for a courtyard's seed.
pub fn texels(class: u8, seed: u64) -> Texels {
    let mut rng = ChaCha8Rng::seed_from_u64(
        seed ^ (u64::from(class) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
    );
    let pattern = Pattern::random(class, &mut rng);
    let scale = 1.0 / TEXTURE_SIZE as f32;
    let mut texels: Texels = Vec::with_capacity(TEXTURE_SIZE * TEXTURE_SIZE);
    for row in 0..TEXTURE_SIZE {
        for column in 0..TEXTURE_SIZE {
            texels.push(pattern.at((column as f32 + 0.5) * scale, (row as f32 + 0.5) * scale));
        }
    }
    normalize(&mut texels);
    texels
}

/// Scales to the common mean.
fn normalize(texels: &mut Texels) {
    let luminance = |c: &[f32; 3]| 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
    let mean = texels.iter().map(luminance).sum::<f32>() / texels.len() as f32;
    let scale = TEXTURE_MEAN / mean.max(0.05);
    for texel in texels {
        *texel = texel.map(|c| (c * scale).clamp(0.0, 1.0));
    }
}

/// The texture as an image that repeats, with all its mip levels.
pub fn image(mut level: Texels) -> Image {
    let mut size = TEXTURE_SIZE;
    let levels = size.ilog2() + 1;
    let mut data = Vec::with_capacity(size * size * 16 / 3 + 16);
    loop {
        for texel in &level {
            data.extend(texel.map(encode));
            data.push(255);
        }
        if size == 1 {
            break;
        }
        level = halve(&level, size);
        size /= 2;
    }
    let extent = Extent3d {
        width: TEXTURE_SIZE as u32,
        height: TEXTURE_SIZE as u32,
        depth_or_array_layers: 1,
    };
    // `Image::new` would insist on the first level's bytes alone.
    let mut image = Image::new_uninit(
        extent,
        TextureDimension::D2,
        TextureFormat::Rgba8UnormSrgb,
        RenderAssetUsages::RENDER_WORLD,
    );
    image.texture_descriptor.mip_level_count = levels;
    image.data = Some(data);
    image.sampler = ImageSampler::Descriptor(ImageSamplerDescriptor {
        address_mode_u: ImageAddressMode::Repeat,
        address_mode_v: ImageAddressMode::Repeat,
        mag_filter: ImageFilterMode::Linear,
        min_filter: ImageFilterMode::Linear,
        mipmap_filter: ImageFilterMode::Linear,
        ..ImageSamplerDescriptor::default()
    });
    image
}

fn halve(level: &Texels, size: usize) -> Texels {
    let half = size / 2;
    let mut next = Vec::with_capacity(half * half);
    for row in 0..half {
        for column in 0..half {
            let at = 2 * row * size + 2 * column;
            let four = [level[at], level[at + 1], level[at + size], level[at + size + 1]];
            next.push([0, 1, 2].map(|c| 0.25 * four.iter().map(|t| t[c]).sum::<f32>()));
        }
    }
    next
}

/// Linear 0 to 1 to an sRGB byte.
pub fn encode(linear: f32) -> u8 {
    let c = linear.clamp(0.0, 1.0);
    let s = if c <= 0.003_130_8 { 12.92 * c } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 };
    (s * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use reverie_runtime::material::MATERIAL_NAMES;

    #[test]
    fn every_class_has_contrast_and_a_light_mean() {
        for class in 0..MATERIAL_NAMES.len() as u8 {
            for seed in 0..6 {
                let luma: Vec<f32> = texels(class, seed)
                    .iter()
                    .map(|c| 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2])
                    .collect();
                let mean = luma.iter().sum::<f32>() / luma.len() as f32;
                let spread = (luma.iter().map(|l| (l - mean).powi(2)).sum::<f32>()
                    / luma.len() as f32)
                    .sqrt();
                assert!((0.5..0.8).contains(&mean), "class {class}, seed {seed}: mean {mean}");
                assert!(spread > 0.02, "class {class}, seed {seed}: spread {spread}");
            }
        }
    }

    #[test]
    fn mip_levels_are_complete() {
        let image = image(texels(3, 1));
        let bytes: usize = (0..=7).map(|l| (TEXTURE_SIZE >> l).pow(2) * 4).sum();
        assert_eq!(image.data.map(|d| d.len()), Some(bytes));
        assert_eq!(image.texture_descriptor.mip_level_count, 8);
    }

    #[test]
    fn a_seed_fixes_the_texture() {
        assert_eq!(texels(4, 9), texels(4, 9));
        assert_ne!(texels(4, 9), texels(4, 10));
    }
}
