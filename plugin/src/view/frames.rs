//! The newest neural frames, in textures of the GPU.

use std::sync::Arc;

use bevy::prelude::*;
use bevy::render::render_resource::{
    Extent3d, Origin3d, TexelCopyBufferLayout, TexelCopyTextureInfo, Texture, TextureAspect,
    TextureDescriptor, TextureDimension, TextureFormat, TextureUsages, TextureView,
    TextureViewDescriptor, TextureViewDimension,
};
use bevy::render::renderer::{RenderDevice, RenderQueue};
use reverie_guard::ShadowSnapshot;
use reverie_kernels::present::{FRAMES, drop_index};
use reverie_runtime::frame::FrameShadow;
use reverie_runtime::request::{DreamMode, FrameSource};
use reverie_runtime::tones::Tones;

use super::extract::ViewPicture;

/// A frame in a layer of the textures.
pub(super) struct Kept {
    pub shadow: Arc<FrameShadow>,
    pub snapshot: Arc<ShadowSnapshot>,
    slot: usize,
    source: FrameSource,
    pub mode: DreamMode,
}

/// The newest frame, the one before it, and one from a little earlier.
pub(super) struct Frames {
    /// Newest first.
    pub kept: Vec<Kept>,
    /// What the model makes of paint.
    pub tones: Tones,
    /// sRGB as it is, 4 bytes a pixel; after [`FRAMES`] layers the same without mixtures.
    pub colours: Layers,
    /// `FrameGuide::texels`.
    pub guides: Layers,
    /// The textures were made anew.
    pub changed: bool,
    size: UVec2,
    /// Of the newest picture.
    pub serial: u64,
    epoch: u64,
}

impl Frames {
    pub fn new(device: &RenderDevice) -> Self {
        let (colours, guides) = textures(device, UVec2::ONE);
        Self {
            kept: Vec::new(),
            tones: Tones::default(),
            colours,
            guides,
            changed: true,
            size: UVec2::ONE,
            serial: 0,
            epoch: 0,
        }
    }

    /// Slot and guide of each frame, newest first.
    pub fn slots(&self) -> impl Iterator<Item = (&FrameShadow, u32)> {
        self.kept.iter().map(|kept| (&*kept.shadow, kept.slot as u32))
    }

    /// Frames of the epoch `epoch`: none if a cut came since.
    pub fn of_epoch(&self, epoch: u64) -> &[Kept] {
        if self.epoch == epoch { &self.kept } else { &[] }
    }

    /// Uploads a picture that is new.
    pub fn take(&mut self, device: &RenderDevice, queue: &RenderQueue, picture: &ViewPicture) {
        if self.epoch != picture.epoch {
            self.epoch = picture.epoch;
            self.kept.clear();
        }
        let Some(frame) = &picture.frame else { return };
        let Some(shadow) = frame.shadow.as_ref().filter(|_| self.serial != picture.serial) else {
            return;
        };
        self.serial = picture.serial;
        let size = UVec2::new(frame.width, frame.height);
        if self.size != size {
            self.size = size;
            (self.colours, self.guides) = textures(device, size);
            self.changed = true;
            self.kept.clear();
        }
        // Another painter's frame is another picture, and so is a dream of the same model.
        self.kept.retain(|kept| (kept.source, kept.mode) == (frame.source, frame.mode));
        self.drop_one(frame.snapshot.time_s);
        let free = (0..FRAMES).find(|slot| self.kept.iter().all(|kept| kept.slot != *slot));
        let slot = free.unwrap_or(0);
        self.colours.write(queue, slot, size, &frame.rgba);
        self.colours.write(queue, FRAMES + slot, size, &shadow.clean);
        let texels: Vec<u8> =
            shadow.guide.texels.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        self.guides.write(queue, slot, size, &texels);
        // A dream's colours are not those of the bodies that the shadow has there.
        if frame.mode == DreamMode::Anchored {
            self.tones.learn(&shadow.tones);
        }
        if self.tones.len() > 2 * frame.snapshot.bodies.len() + 64 {
            self.tones.retain(|id| frame.snapshot.bodies.iter().any(|body| body.id == id));
        }
        self.kept.insert(
            0,
            Kept {
                shadow: shadow.clone(),
                snapshot: frame.snapshot.clone(),
                slot,
                source: frame.source,
                mode: frame.mode,
            },
        );
    }

    /// Makes room for a frame of `now_s`.
    fn drop_one(&mut self, now_s: f64) {
        if self.kept.len() < FRAMES {
            return;
        }
        let Some(oldest) = self.kept.last() else { return };
        self.kept.remove(drop_index(self.kept.len(), now_s - oldest.snapshot.time_s));
    }
}

/// A layer for each frame. Textures, since software adapters read them several times faster than buffers.
pub(super) struct Layers {
    pub view: TextureView,
    texture: Texture,
    bytes_per_pixel: u32,
}

impl Layers {
    fn new(
        device: &RenderDevice,
        label: &str,
        size: UVec2,
        layers: usize,
        format: TextureFormat,
    ) -> Self {
        let texture = device.create_texture(&TextureDescriptor {
            label: Some(label),
            size: Extent3d { width: size.x, height: size.y, depth_or_array_layers: layers as u32 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: TextureDimension::D2,
            format,
            usage: TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&TextureViewDescriptor {
            dimension: Some(TextureViewDimension::D2Array),
            ..default()
        });
        let bytes_per_pixel = format.block_copy_size(None).unwrap_or_default();
        Self { view, texture, bytes_per_pixel }
    }

    fn write(&self, queue: &RenderQueue, slot: usize, size: UVec2, bytes: &[u8]) {
        queue.write_texture(
            TexelCopyTextureInfo {
                texture: &self.texture,
                mip_level: 0,
                origin: Origin3d { x: 0, y: 0, z: slot as u32 },
                aspect: TextureAspect::All,
            },
            bytes,
            TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(self.bytes_per_pixel * size.x),
                rows_per_image: Some(size.y),
            },
            Extent3d { width: size.x, height: size.y, depth_or_array_layers: 1 },
        );
    }
}

fn textures(device: &RenderDevice, size: UVec2) -> (Layers, Layers) {
    (
        Layers::new(device, "neural_colours", size, 2 * FRAMES, TextureFormat::Rgba8Unorm),
        Layers::new(device, "neural_guides", size, FRAMES, TextureFormat::Rg32Uint),
    )
}
