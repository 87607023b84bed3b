//! Where every body was in the newest frames, in a texture of the GPU.

use bevy::prelude::*;
use bevy::render::render_resource::{
    Extent3d, Origin3d, TexelCopyBufferLayout, TexelCopyTextureInfo, Texture, TextureAspect,
    TextureDescriptor, TextureDimension, TextureFormat, TextureUsages, TextureView,
    TextureViewDescriptor,
};
use bevy::render::renderer::{RenderDevice, RenderQueue};
use reverie_guard::ShadowSnapshot;
use reverie_kernels::present::layout::UNKNOWN_OBJECT;
use reverie_kernels::present::{Carry, FRAMES};

use super::frames::Kept;

/// Words of one row.
const ROW_WORDS: usize = Carry::BODIES_PER_ROW * FRAMES * Carry::WORDS;
/// Bytes of a texel, four words.
const TEXEL_BYTES: u32 = 16;

/// Rows of [`Carry::BODIES_PER_ROW`] bodies; grows with what is written.
pub(super) struct CarryTexture {
    pub view: TextureView,
    texture: Texture,
}

impl CarryTexture {
    pub fn new(device: &RenderDevice, rows: u32) -> Self {
        let texture = device.create_texture(&TextureDescriptor {
            label: Some("neural_carries"),
            size: Extent3d {
                width: 4 * ROW_WORDS as u32 / TEXEL_BYTES,
                height: rows,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: TextureDimension::D2,
            format: TextureFormat::Rgba32Uint,
            usage: TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST,
            view_formats: &[],
        });
        Self { view: texture.create_view(&TextureViewDescriptor::default()), texture }
    }

    /// Returns whether the texture is another one now.
    pub fn write(
        &mut self,
        device: &RenderDevice,
        queue: &RenderQueue,
        mut words: Vec<u32>,
    ) -> bool {
        let rows = words.len().div_ceil(ROW_WORDS) as u32;
        words.resize(rows as usize * ROW_WORDS, 0);
        let grows = rows > self.texture.height();
        if grows {
            *self = Self::new(device, rows.next_power_of_two());
        }
        let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        let width = self.texture.width();
        queue.write_texture(
            TexelCopyTextureInfo {
                texture: &self.texture,
                mip_level: 0,
                origin: Origin3d::ZERO,
                aspect: TextureAspect::All,
            },
            &bytes,
            TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(TEXEL_BYTES * width),
                rows_per_image: Some(rows),
            },
            Extent3d { width, height: rows, depth_or_array_layers: 1 },
        );
        grows
    }
}

/// Words of [`Carry`], of the sky and then of each body in the table's `order`, [`FRAMES`] each.
pub(super) fn words(snapshot: &ShadowSnapshot, order: &[usize], kept: &[Kept]) -> Vec<u32> {
    let unknown = Carry { rows: [[0.0; 4]; 3], object: UNKNOWN_OBJECT };
    let mut words = Vec::with_capacity((order.len() + 1) * FRAMES * Carry::WORDS);
    for frame in 0..FRAMES {
        let carry = kept.get(frame).map_or(unknown, |kept| Carry::of_sky(&kept.shadow.guide));
        words.extend(carry.words());
    }
    for body in order.iter().map(|index| &snapshot.bodies[*index]) {
        for frame in 0..FRAMES {
            let carry = kept.get(frame).map_or(unknown, |kept| {
                Carry::of_body(body.id, &body.world_from_body, &kept.shadow.guide)
            });
            words.extend(carry.words());
        }
    }
    words
}
