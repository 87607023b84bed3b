//! The newest neural frames, in buffers of the GPU.

use std::sync::Arc;

use bevy::prelude::*;
use bevy::render::render_resource::{Buffer, BufferDescriptor, BufferUsages};
use bevy::render::renderer::{RenderDevice, RenderQueue};
use reverie_guard::ShadowSnapshot;
use reverie_kernels::present::{FRAMES, drop_index};
use reverie_runtime::frame::FrameShadow;
use reverie_runtime::request::FrameSource;
use reverie_runtime::tones::Tones;

use super::extract::ViewPicture;

/// A frame in a slot of the buffers.
pub(super) struct Kept {
    pub shadow: Arc<FrameShadow>,
    pub snapshot: Arc<ShadowSnapshot>,
    slot: usize,
    source: FrameSource,
}

/// The newest frame, the one before it, and one from a little earlier.
pub(super) struct Frames {
    /// Newest first.
    pub kept: Vec<Kept>,
    /// What the model makes of paint.
    pub tones: Tones,
    /// sRGB, 4 bytes a pixel, slot after slot.
    pub colours: Buffer,
    /// `FrameGuide::texels`, slot after slot.
    pub guides: Buffer,
    /// The buffers were made anew.
    pub changed: bool,
    size: UVec2,
    /// Of the newest picture.
    pub serial: u64,
    epoch: u64,
}

impl Frames {
    pub fn new(device: &RenderDevice) -> Self {
        let (colours, guides) = buffers(device, UVec2::ONE);
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
            (self.colours, self.guides) = buffers(device, size);
            self.changed = true;
            self.kept.clear();
        }
        // Another painter's frame is another picture.
        self.kept.retain(|kept| kept.source == frame.source);
        self.drop_one(frame.snapshot.time_s);
        let free = (0..FRAMES).find(|slot| self.kept.iter().all(|kept| kept.slot != *slot));
        let slot = free.unwrap_or(0);
        let pixels = u64::from(size.x) * u64::from(size.y);
        queue.write_buffer(&self.colours, 4 * pixels * slot as u64, &frame.rgba);
        let texels: Vec<u8> =
            shadow.guide.texels.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        queue.write_buffer(&self.guides, 8 * pixels * slot as u64, &texels);
        self.tones.learn(&shadow.tones);
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

fn buffers(device: &RenderDevice, size: UVec2) -> (Buffer, Buffer) {
    let pixels = u64::from(size.x) * u64::from(size.y);
    let create = |label, bytes| {
        device.create_buffer(&BufferDescriptor {
            label: Some(label),
            size: FRAMES as u64 * bytes * pixels,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    };
    (create("neural_colours", 4), create("neural_guides", 8))
}
