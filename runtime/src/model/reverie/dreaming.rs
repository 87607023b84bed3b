//! The model without the shadow, and what a model with a past of its own is told of each picture.

use std::sync::Arc;
use std::time::Instant;

use super::{Net, ReverieModel};
use crate::condition::GLOBALS;
use crate::frame::{NeuralFrame, StageTimes};
use crate::model::latent::stream::{Command, LatentStream, Seen, ShadowDepth};
use crate::model::{ModelError, WorldModel, ms};
use crate::paint::to_rgba8;
use crate::request::{DreamMode, DreamRequest, FrameSource};
use crate::view::ShadowView;

/// Draws `count` pictures of what the shadow shows, one after the other; what is `held` of one of them (picture, and the share
/// that is drawn anew) stays as it is.
pub(super) fn pictures(
    stream: &mut LatentStream,
    (maps, globals): (&[f32], &[f32; GLOBALS]),
    command: &Command,
    steps: u32,
    count: usize,
    seed: i64,
    held: Option<(&[f32], &[f32])>,
) -> Result<Vec<f32>, ModelError> {
    let mut all = Vec::new();
    for number in 0..count.max(1) as i64 {
        let seen = Seen::Shadow { maps, globals };
        let mut rgb = stream.imagine(seen, command, steps, seed.wrapping_add(number))?;
        if let Some((picture, anew)) = held {
            for ((rgb, held), anew) in
                rgb.chunks_exact_mut(3).zip(picture.chunks_exact(3)).zip(anew)
            {
                for (value, held) in rgb.iter_mut().zip(held) {
                    *value = held + anew * (*value - held);
                }
            }
        }
        all.extend(rgb);
    }
    Ok(all)
}

fn depth_of(view: &ShadowView) -> ShadowDepth {
    let surfaces = &view.shadow.surfaces;
    let moves = |primitive: &u16| surfaces.get(usize::from(*primitive)).is_some_and(|s| s.moving);
    ShadowDepth {
        depth_m: view.maps.depth_m.clone(),
        moves: view.maps.primitive.iter().map(moves).collect(),
    }
}

impl ReverieModel {
    /// What led from the last picture to the one that is asked for.
    pub(super) fn command_of(&self, request: &DreamRequest) -> Command {
        let dt_s = self.last_time_s.map_or(0.0, |t| (request.snapshot.time_s - t) as f32);
        Command { style: request.style, action: request.action, dt_s }
    }

    /// Tells a model with a past of its own that `rgb` is the answer to `request`, and what time it is.
    pub(super) fn remember(
        &mut self,
        request: &DreamRequest,
        rgb: &[f32],
    ) -> Result<(), ModelError> {
        let command = self.command_of(request);
        if let Net::Latent(stream) = &mut self.net {
            let dreamed = stream.commanded(&command).filter(|_| request.mode == DreamMode::Dream);
            let depth = self.view.as_ref().filter(|_| dreamed.is_none()).map(depth_of);
            let camera = dreamed.unwrap_or(request.snapshot.camera);
            stream.keep(rgb, camera, depth, &command)?;
        }
        self.last_time_s = Some(request.snapshot.time_s);
        Ok(())
    }

    /// Encodes and decodes a picture, interleaved sRGB, 0 to 1; `None` of a model on pixels.
    ///
    /// # Errors
    /// The picture has another size than the model's, or libtorch refused.
    pub fn codec(&self, rgb: &[f32]) -> Result<Option<Vec<f32>>, ModelError> {
        let (width, height) = self.size();
        let expected = 3 * width as usize * height as usize;
        if rgb.len() != expected {
            return Err(ModelError::PictureSize { found: rgb.len(), expected });
        }
        match &self.net {
            Net::Latent(stream) => stream.codec(rgb).map(Some),
            Net::Unet(_) => Ok(None),
        }
    }

    /// Imagines the next picture from the past and the command alone, if this model can, is asked to, and has a past. `instead` goes
    /// into the past in its place.
    pub(super) fn dream(
        &mut self,
        request: &DreamRequest,
        instead: Option<&[f32]>,
    ) -> Result<Option<NeuralFrame>, ModelError> {
        if request.mode == DreamMode::Anchored {
            return Ok(None);
        }
        let started = Instant::now();
        let command = self.command_of(request);
        let frame = self.frames.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let seed = (self.seed ^ frame) as i64 & i64::MAX;
        let (steps, (width, height)) = (self.steps, self.size());
        let Net::Latent(stream) = &mut self.net else { return Ok(None) };
        if request.reset {
            stream.reset();
        }
        // There is no dreaming on from nothing: the first picture shows the shadow.
        if stream.camera().is_none() {
            return Ok(None);
        }
        let rgb = stream.imagine(Seen::Nothing, &command, steps, seed)?;
        let denoised = Instant::now();
        let count = rgb.iter().filter(|v| !v.is_finite()).count();
        if count > 0 {
            self.reset();
            return Err(ModelError::NotANumber { count, request_id: request.id });
        }
        let rgba = Arc::new(to_rgba8(&rgb));
        let decoded = Instant::now();
        self.remember(request, instead.unwrap_or(&rgb))?;
        self.frames += 1;
        let finished_at = Instant::now();
        Ok(Some(NeuralFrame {
            request_id: request.id,
            width,
            height,
            rgba,
            snapshot: request.snapshot.clone(),
            shadow: None,
            detail: None,
            source: FrameSource::Model,
            mode: DreamMode::Dream,
            times: StageTimes {
                wait_ms: ms(started.saturating_duration_since(request.requested_at)),
                denoise_ms: ms(denoised - started),
                decode_ms: ms(decoded - denoised),
                commit_ms: ms(finished_at - decoded),
                ..StageTimes::default()
            },
            input_at: request.input_at,
            finished_at,
        }))
    }
}
