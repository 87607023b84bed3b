//! The model without the shadow, and what a model with a past of its own is told of each picture.

use std::sync::Arc;
use std::time::Instant;

use super::{Net, ReverieModel};
use crate::condition::GLOBALS;
use crate::frame::{NeuralFrame, StageTimes};
use crate::model::latent::stream::{Command, Depth, LatentStream, Seen, ShadowDepth};
use crate::model::{ModelError, Steering, WorldModel, ms};
use crate::paint::to_rgba8;
use crate::request::{DreamMode, DreamRequest, FrameSource};
use crate::view::ShadowView;

/// A pixel of a dream that was changed by more than this, of 0 to 1, was corrected.
const MENDED: f32 = 2.0 / 255.0;
/// A dream of which so much is wrong is given up: the whole picture shows the shadow, and dreaming goes on from there.
pub(super) const GIVEN_UP: f32 = 0.4;
/// So is a dream whose camera is further than this from the player's, metres and radians: nothing that is drawn for one of
/// the two fits into a picture of the other.
const APART_M: f32 = 0.5;
const APART_RAD: f32 = 0.15;

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

/// Where a picture is not what was dreamed, and the share of such pixels; `None` if it is nowhere.
fn mended(rgb: &[f32], dreamed: &[f32]) -> Option<(f32, Vec<bool>)> {
    let differs = |(a, b): (&[f32], &[f32])| a.iter().zip(b).any(|(a, b)| (a - b).abs() > MENDED);
    let mended: Vec<bool> = rgb.chunks(3).zip(dreamed.chunks(3)).map(differs).collect();
    let count = mended.iter().filter(|mended| **mended).count();
    (count > 0).then(|| (count as f32 / mended.len() as f32, mended))
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
        let camera = (self.steering == Steering::Player).then_some(request.snapshot.camera);
        Command { style: request.style, action: request.action, dt_s, camera }
    }

    /// Tells a model with a past of its own that `rgb` is the answer to `request`, and what time it is. Of a dream that passed the guard,
    /// `dreamed` is what the model made.
    pub(super) fn remember(
        &mut self,
        request: &DreamRequest,
        rgb: &[f32],
        dreamed: Option<&[f32]>,
    ) -> Result<(), ModelError> {
        let command = self.command_of(request);
        if let Net::Latent(stream) = &mut self.net {
            let shadow = self.view.as_ref().map(depth_of);
            let commanded = stream.commanded(&command).filter(|_| dreamed.is_some());
            let told = request.snapshot.camera;
            let (camera, depth) = match (commanded, dreamed, shadow) {
                (Some(camera), Some(dreamed), shadow) => match (mended(rgb, dreamed), shadow) {
                    (Some((share, _)), Some(shadow)) if share > 0.5 => {
                        (told, Depth::Shadow(shadow))
                    }
                    (Some((_, mended)), Some(shadow)) => (camera, Depth::Mended(shadow, mended)),
                    _ => (camera, Depth::Dreamed),
                },
                (_, _, Some(shadow)) => (told, Depth::Shadow(shadow)),
                (_, _, None) => (told, Depth::Dreamed),
            };
            stream.keep(rgb, camera, depth, &command)?;
        }
        self.last_time_s = Some(request.snapshot.time_s);
        Ok(())
    }

    /// Imagines the picture that follows from the past and the command alone; `None` if that is not wanted, this model cannot, or
    /// there is nothing to dream on from.
    pub(super) fn imagine_on(
        &mut self,
        request: &DreamRequest,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        let frame = self.frames.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let seed = (self.seed ^ frame) as i64 & i64::MAX;
        let command = self.command_of(request);
        let Net::Latent(stream) = &mut self.net else { return Ok(None) };
        let wanted = request.mode == DreamMode::Dream && !self.woken;
        if !wanted || stream.camera().is_none() {
            return Ok(None);
        }
        stream.imagine(Seen::Nothing, &command, self.steps, seed).map(Some)
    }

    /// The camera of the last picture, as a model with a past of its own has it.
    #[cfg(test)]
    pub(crate) fn dreamed_from(&self) -> Option<reverie_guard::CameraPose> {
        match &self.net {
            Net::Latent(stream) => stream.camera(),
            Net::Unet(_) => None,
        }
    }

    /// The dream that was drafted last is so wrong that nothing of it is worth keeping: `bad` is 1 where it is bad.
    pub(super) fn is_given_up(&self, bad: &[f32]) -> bool {
        let (Net::Latent(stream), true, Some(view)) =
            (&self.net, self.dreamed.is_some(), &self.view)
        else {
            return false;
        };
        let by_action = Command { camera: None, ..self.command };
        let apart = stream.commanded(&by_action).is_some_and(|dreamed| {
            let (a, b) = (dreamed.world_from_camera, view.camera.world_from_camera);
            a.translation_m.distance(b.translation_m) > APART_M
                || a.rotation.angle_between(b.rotation) > APART_RAD
        });
        apart || bad.iter().sum::<f32>() > GIVEN_UP * bad.len() as f32
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
        let started = Instant::now();
        // There is no guard to wake anybody.
        self.woken = false;
        self.steering = Steering::Commands;
        if request.mode == DreamMode::Anchored {
            return Ok(None);
        }
        if let (Net::Latent(stream), true) = (&mut self.net, request.reset) {
            stream.reset();
        }
        // There is no dreaming on from nothing: the first picture shows the shadow.
        let Some(rgb) = self.imagine_on(request)? else { return Ok(None) };
        let (width, height) = self.size();
        let denoised = Instant::now();
        let count = rgb.iter().filter(|v| !v.is_finite()).count();
        if count > 0 {
            self.reset();
            return Err(ModelError::NotANumber { count, request_id: request.id });
        }
        let rgba = Arc::new(to_rgba8(&rgb));
        let decoded = Instant::now();
        let kept = instead.unwrap_or(&rgb);
        self.remember(request, kept, Some(kept))?;
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
