//! The model's textures of materials, on the GPU.

use std::sync::Arc;

use bevy::prelude::*;
use bevy::render::render_resource::{
    AddressMode, Extent3d, FilterMode, MipmapFilterMode, Origin3d, Sampler, SamplerDescriptor,
    TexelCopyBufferLayout, TexelCopyTextureInfo, Texture, TextureAspect, TextureDescriptor,
    TextureDimension, TextureFormat, TextureUsages, TextureView, TextureViewDescriptor,
    TextureViewDimension,
};
use bevy::render::renderer::{RenderDevice, RenderQueue};
use reverie_kernels::present::Detail;

/// An array texture with all levels, and what lies in it.
pub(super) struct GpuDetail {
    pub view: TextureView,
    pub sampler: Sampler,
    texture: Texture,
    shown: Option<Arc<Detail>>,
}

impl GpuDetail {
    /// Knows no material.
    pub fn new(device: &RenderDevice, queue: &RenderQueue) -> Self {
        let texture = device.create_texture(&TextureDescriptor {
            label: Some("neural_detail"),
            size: Extent3d {
                width: Detail::SIZE,
                height: Detail::SIZE,
                depth_or_array_layers: Detail::LAYERS,
            },
            mip_level_count: Detail::LEVELS,
            sample_count: 1,
            dimension: TextureDimension::D2,
            format: TextureFormat::Rgba8Unorm,
            usage: TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&TextureViewDescriptor {
            dimension: Some(TextureViewDimension::D2Array),
            ..default()
        });
        let sampler = device.create_sampler(&SamplerDescriptor {
            label: Some("neural_detail"),
            address_mode_u: AddressMode::Repeat,
            address_mode_v: AddressMode::Repeat,
            mag_filter: FilterMode::Linear,
            min_filter: FilterMode::Linear,
            mipmap_filter: MipmapFilterMode::Linear,
            ..default()
        });
        write(queue, &texture, &Detail::unknown());
        Self { view, sampler, texture, shown: None }
    }

    /// Uploads textures that are not there yet.
    pub fn take(&mut self, queue: &RenderQueue, detail: Option<&Arc<Detail>>) {
        let same = match (&self.shown, detail) {
            (Some(shown), Some(new)) => Arc::ptr_eq(shown, new),
            (shown, new) => shown.is_none() && new.is_none(),
        };
        if same {
            return;
        }
        match detail {
            Some(detail) => write(queue, &self.texture, detail),
            None => write(queue, &self.texture, &Detail::unknown()),
        }
        self.shown = detail.cloned();
    }
}

fn write(queue: &RenderQueue, texture: &Texture, detail: &Detail) {
    for level in 0..Detail::LEVELS {
        let side = Detail::SIZE >> level;
        let place = TexelCopyTextureInfo {
            texture,
            mip_level: level,
            origin: Origin3d::ZERO,
            aspect: TextureAspect::All,
        };
        let layout = TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(4 * side),
            rows_per_image: Some(side),
        };
        let extent = Extent3d { width: side, height: side, depth_or_array_layers: Detail::LAYERS };
        queue.write_texture(place, detail.level(level as usize).as_flattened(), layout, extent);
    }
}
