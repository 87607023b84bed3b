//! The late latch: the newest state of the game, read just before it is drawn.
//!
//! With pipelined rendering the main world is already in the next frame while this one is rendered. What it finds out
//! there goes into a cell that the render world reads right before its passes, without locks on either side: what is
//! on screen is then up to a whole frame newer than what was extracted.

use std::sync::Arc;
use std::time::Instant;

use bevy::camera::CompositingSpace;
use bevy::prelude::*;
use bevy::render::camera::ExtractedCamera;
use bevy::render::render_resource::{Buffer, BufferDescriptor, BufferUsages, PipelineCache};
use bevy::render::renderer::{RenderDevice, RenderQueue, ViewQuery};
use crossbeam::queue::ArrayQueue;
use reverie_guard::{CameraPose, ShadowSnapshot};
use reverie_kernels::present::{Fill, Light, ViewWords};
use reverie_runtime::frame::present_light;
use reverie_runtime::request::DreamMode;
use reverie_runtime::style::StyleWeights;

use super::carries;
use super::extract::ViewPicture;
use super::prepare::{GpuView, PresentPipeline};
use crate::camera::NeuralFilter;
use crate::gbuffer::GBufferPipelines;
use crate::latency::RenderMarks;

/// A state of the game as it is to be displayed.
#[derive(Debug, Clone, PartialEq)]
pub struct Latched {
    /// The display's pose and field of view.
    pub camera: CameraPose,
    /// Every body, all of them sane.
    pub snapshot: Arc<ShadowSnapshot>,
    /// Of paint.
    pub style: StyleWeights,
    /// As in [`NeuralPicture::epoch`](crate::dream::NeuralPicture::epoch).
    pub epoch: u64,
    /// When the main world put it here.
    pub at: Instant,
    /// When the newest input that it shows was sampled.
    pub input_at: Instant,
}

/// The cell between the worlds, of a neural camera: the newest state replaces one that was not taken.
#[derive(Component, Debug, Clone)]
pub struct LateLatch(Arc<ArrayQueue<Latched>>);

impl Default for LateLatch {
    fn default() -> Self {
        Self(Arc::new(ArrayQueue::new(1)))
    }
}

impl LateLatch {
    /// Puts a state in. Never waits.
    pub fn put(&self, state: Latched) {
        self.0.force_push(state);
    }

    /// Takes the newest state out, if there is one that was not taken. Never waits.
    pub fn take(&self) -> Option<Latched> {
        self.0.pop()
    }
}

/// A buffer that grows with what is written.
#[derive(Debug)]
pub(crate) struct GrowingBuffer {
    label: &'static str,
    usage: BufferUsages,
    pub buffer: Buffer,
}

impl GrowingBuffer {
    pub fn new(device: &RenderDevice, label: &'static str, usage: BufferUsages) -> Self {
        let usage = usage | BufferUsages::COPY_DST;
        Self { label, usage, buffer: Self::create(device, label, usage, 256) }
    }

    fn create(
        device: &RenderDevice,
        label: &'static str,
        usage: BufferUsages,
        size: u64,
    ) -> Buffer {
        let label = Some(label);
        device.create_buffer(&BufferDescriptor { label, size, usage, mapped_at_creation: false })
    }

    /// Returns whether the buffer is another one now.
    pub fn write(
        &mut self,
        device: &RenderDevice,
        queue: &RenderQueue,
        words: impl Iterator<Item = u32>,
    ) -> bool {
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        let grows = bytes.len() as u64 > self.buffer.size();
        if grows {
            let size = (bytes.len() as u64).next_power_of_two();
            self.buffer = Self::create(device, self.label, self.usage, size);
        }
        queue.write_buffer(&self.buffer, 0, &bytes);
        grows
    }
}

/// Reads the cell and writes what the shaders of this frame read.
pub(super) fn latch(
    view: ViewQuery<(&mut GpuView, &ViewPicture, &ExtractedCamera)>,
    device: Res<RenderDevice>,
    queue: Res<RenderQueue>,
    cache: Res<PipelineCache>,
    gbuffer: Option<Res<GBufferPipelines>>,
    present: Option<Res<PresentPipeline>>,
    marks: Res<RenderMarks>,
) {
    let (Some(gbuffer), Some(present)) = (gbuffer, present) else { return };
    let (mut gpu, picture, camera) = view.into_inner();
    let gpu = &mut *gpu;
    if let Some(newest) = picture.latch.take() {
        gpu.latched = Some(newest);
    }
    let Some(latched) = &gpu.latched else { return };
    let kept = gpu.frames.of_epoch(latched.epoch);
    // To upsample without a warp is to draw the shadow of then.
    let (pose, snapshot) = match kept.first().filter(|_| picture.filter == NeuralFilter::Upsample) {
        Some(newest) => {
            let vertical_fov_rad = latched.camera.vertical_fov_rad;
            (CameraPose { vertical_fov_rad, ..newest.shadow.guide.camera }, &newest.snapshot)
        }
        None => (latched.camera, &latched.snapshot),
    };
    let fill = fill(picture.filter, kept.first().map(|newest| newest.mode));
    let warps = matches!(picture.filter, NeuralFilter::Warp | NeuralFilter::WarpAndUpsample);
    if warps && !matches!(fill, Fill::Nearest | Fill::Bilinear) {
        marks.warped_into(latched.at, latched.input_at);
    }
    gpu.table.fill(snapshot, &gpu.frames.tones, &mut gpu.meshes);
    let carries = carries::words(snapshot, &gpu.table.order, kept);
    let origin = camera.viewport.as_ref().map_or(UVec2::ZERO, |v| v.physical_position);
    let words = ViewWords {
        camera: pose,
        size: gpu.textures.size.as_vec2().to_array(),
        origin: origin.as_vec2().to_array(),
        encode_srgb: camera.compositing_space == Some(CompositingSpace::Srgb) && !camera.hdr,
        frames: gpu
            .frames
            .slots()
            .map(|(shadow, slot)| (&shadow.guide, slot))
            .take(kept.len())
            .collect(),
        light: light(latched, gpu.frames.tones.of_sky()),
    }
    .words();
    gpu.fill = fill;
    let mut stale = gpu.view.write(&device, &queue, words.into_iter());
    stale |= gpu.bodies.write(&device, &queue, gpu.table.words.iter().copied());
    stale |= gpu.carries.write(&device, &queue, carries);
    if std::mem::take(&mut gpu.meshes.changed) {
        let words = gpu.meshes.vertices.iter().flatten().map(|value| value.to_bits());
        stale |= gpu.vertices.write(&device, &queue, words);
    }
    if stale {
        gpu.gbuffer_group = None;
        gpu.present_group = None;
    }
    gpu.bind(&device, &cache, &gbuffer, &present);
}

/// Without a frame all is paint, which a warp of nothing is. A dreamed frame does not show the shadow, so it is shown as
/// it is.
fn fill(filter: NeuralFilter, newest: Option<DreamMode>) -> Fill {
    match (filter, newest) {
        (NeuralFilter::Nearest | NeuralFilter::Bilinear, None) => Fill::Warp,
        (NeuralFilter::Nearest, Some(_)) => Fill::Nearest,
        (NeuralFilter::Bilinear, _) | (_, Some(DreamMode::Dream)) => Fill::Bilinear,
        (NeuralFilter::Warp, _) => Fill::Warp,
        (NeuralFilter::Upsample | NeuralFilter::WarpAndUpsample, _) => Fill::Guided,
    }
}

/// Paint's light, its sky in the model's own colours.
fn light(latched: &Latched, sky_tone: Vec3) -> Light {
    let sun = latched.snapshot.sun_direction.normalize_or(Vec3::Y);
    let light = present_light(&latched.style.light(), sun);
    Light {
        zenith_rgb: light.zenith_rgb * sky_tone,
        horizon_rgb: light.horizon_rgb * sky_tone,
        ..light
    }
}
