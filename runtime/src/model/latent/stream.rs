//! Model M while it plays: the last picture, the keys and values of those before it, and the next one.

use reverie_guard::CameraPose;
use tch::{Device, Kind, Tensor};

use super::autoencoder::depth_m;
use super::carried::{Carried, Origins, Shown};
use super::files::LoadedLatent;
use super::latents::tokens;
use super::painter::{Painter, Told};
use super::told::{NUMBERS, Treatment, best_guess, dream_globals, numbers};
use crate::commanded::commanded;
use crate::condition::GLOBALS;
use crate::model::ModelError;
use crate::model::reverie::{Workers, on};
use crate::profile_scope;
use crate::request::Action;
use crate::style::StyleWeights;

/// Noise level that past pictures are told to have: own ones are never perfect.
const PAST_LEVEL: f32 = 0.05;
/// Largest difference of values of 0 to 1 at which a picture counts as the one that was drafted.
const SAME: f32 = 1e-6;

/// What leads from the last picture to the next one, without the shadow.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Command {
    /// Weather and time of day.
    pub style: StyleWeights,
    /// The player's.
    pub action: Action,
    /// Since the last picture, seconds.
    pub dt_s: f32,
    /// Where the camera is, whatever the action says.
    pub camera: Option<CameraPose>,
}

impl Command {
    /// Where it takes a camera.
    fn lead(&self, before: &CameraPose) -> CameraPose {
        self.camera.unwrap_or_else(|| commanded(before, &self.action, self.dt_s))
    }

    fn globals(&self, before: &CameraPose) -> [f32; GLOBALS] {
        dream_globals(&self.style, (before, &self.lead(before)), &self.action, self.dt_s)
    }
}

/// What a picture is imagined from.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// Condition maps (`height * width * CHANNELS`) and globals of the shadow.
    Shadow {
        /// Interleaved.
        maps: &'a [f32],
        /// As [`Globals::pack`](crate::condition::Globals::pack).
        globals: &'a [f32; GLOBALS],
    },
    /// Nothing but the past and the command.
    Nothing,
}

/// Where the surfaces of a picture are, by the shadow; one value a pixel.
#[derive(Debug, Clone)]
pub struct ShadowDepth {
    /// Along the view, metres, infinite for the sky.
    pub depth_m: Vec<f32>,
    /// Something that moves: nobody knows where it is once the shadow is not looked at.
    pub moves: Vec<bool>,
}

/// What is known of where a picture's surfaces are.
#[derive(Debug, Clone)]
pub enum Depth {
    /// The picture shows the shadow.
    Shadow(ShadowDepth),
    /// It was dreamed: depth is carried along, and read from the decoder where something new came into view.
    Dreamed,
    /// It was dreamed, and where this is true the shadow was put into it.
    Mended(ShadowDepth, Vec<bool>),
}

/// The picture before the next one.
#[derive(Debug)]
struct Before {
    /// [1, 1, tokens, latent].
    latent: Tensor,
    shown: Shown,
    numbers: [f32; NUMBERS],
    in_ring: bool,
}

/// A picture that is made and not yet past.
#[derive(Debug)]
struct Made {
    latent: Tensor,
    /// 0 to 1, interleaved.
    rgb: Vec<f32>,
    nearness: Vec<f32>,
}

/// The streaming half of model M.
#[derive(Debug)]
pub struct LatentStream {
    painter: Painter,
    before: Option<Before>,
    made: Option<Made>,
    origins: Origins,
    guess: Carried,
    workers: Option<Workers>,
}

impl LatentStream {
    /// Before the first picture.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn new(
        loaded: LoadedLatent,
        device: Device,
        kind: Kind,
        workers: Option<Workers>,
    ) -> Result<Self, ModelError> {
        let painter = Painter::new(loaded, device, kind, workers.clone())?;
        let (guess, origins) = (Carried::default(), Origins::default());
        Ok(Self { painter, before: None, made: None, origins, guess, workers })
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        self.painter.forget();
        self.before = None;
        self.made = None;
        self.origins.clear();
    }

    /// Bytes of the past's keys and values; they never grow.
    pub fn bytes(&self) -> usize {
        self.painter.bytes()
    }

    /// The camera of the last picture; in a dream, where the commands have taken it.
    pub fn camera(&self) -> Option<CameraPose> {
        self.before.as_ref().map(|before| before.shown.camera)
    }

    /// Where `command` takes the last picture's camera; `None` before the first picture.
    pub fn commanded(&self, command: &Command) -> Option<CameraPose> {
        self.camera().map(|before| command.lead(&before))
    }

    /// Encodes and decodes a picture, interleaved, 0 to 1.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn codec(&self, rgb: &[f32]) -> Result<Vec<f32>, ModelError> {
        let _guard = tch::no_grad_guard();
        let signed: Vec<f32> = rgb.iter().map(|v| 2.0 * v - 1.0).collect();
        let (rgb, _) = self.painter.decode(&self.painter.encode(&signed)?)?;
        Ok(rgb.iter().map(|v| (0.5 * v + 0.5).clamp(0.0, 1.0)).collect())
    }

    /// Imagines the next picture, interleaved, 0 to 1. Called again before [`keep`](Self::keep), it imagines the same moment once more.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn imagine(
        &mut self,
        seen: Seen,
        command: &Command,
        steps: u32,
        noise_seed: i64,
    ) -> Result<Vec<f32>, ModelError> {
        profile_scope!("denoise");
        let _guard = tch::no_grad_guard();
        let (globals, maps) = match seen {
            Seen::Shadow { maps, globals } => {
                let (guess, width) = (&mut self.guess, self.painter.size().0);
                on(&self.workers, || {
                    best_guess(maps, width, &mut guess.rgb, &mut guess.known);
                });
                (*globals, Some(maps))
            }
            Seen::Nothing => (self.guess_from_past(command), None),
        };
        let steps = steps.max(1);
        let level = |step: u32| 1.0 - step as f32 / steps as f32;
        let steps: Vec<_> = (0..steps)
            .map(|step| {
                let (now, next) = (level(step), level(step + 1));
                let (noise_level, step) = (now, now - next);
                let anchored = maps.is_some();
                let treatment = Treatment { noise_level, step, wanted: true, anchored };
                (numbers(&globals, treatment), now, next)
            })
            .collect();
        let past = match &mut self.before {
            Some(before) if !before.in_ring => {
                before.in_ring = true;
                Some((&before.latent, &before.numbers))
            }
            _ => None,
        };
        let (guess, known) = (&self.guess.rgb, &self.guess.known);
        let told = Told { guess, known, maps, past, steps: &steps, seed: noise_seed };
        let painted = self.painter.paint(&told)?;
        let (rgb, nearness) = (painted.rgb.clone(), painted.nearness);
        self.made = Some(Made { latent: painted.latent, rgb: painted.rgb, nearness });
        Ok(rgb)
    }

    /// Makes `rgb`, interleaved, 0 to 1, seen from `camera`, the last picture. Dreams go on from those that show the shadow.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn keep(
        &mut self,
        rgb: &[f32],
        camera: CameraPose,
        depth: Depth,
        command: &Command,
    ) -> Result<(), ModelError> {
        profile_scope!("commit");
        let _guard = tch::no_grad_guard();
        let signed: Vec<f32> = rgb.iter().map(|v| 2.0 * v - 1.0).collect();
        let own = |made: &Made| {
            made.rgb.len() == rgb.len()
                && made.rgb.iter().zip(rgb).all(|(a, b)| (a - b).abs() <= SAME)
        };
        let (latent, near) = match self.made.take().filter(own) {
            Some(made) => (made.latent, made.nearness),
            None => {
                let grid = self.painter.encode(&signed)?;
                let (_, near) = self.painter.decode(&grid)?;
                (tokens(&grid)?.f_unsqueeze(0)?, near)
            }
        };
        let before = self.camera().unwrap_or(camera);
        let globals = command.globals(&before);
        let treatment =
            Treatment { noise_level: PAST_LEVEL, step: 0.0, wanted: false, anchored: false };
        // A prompt after a prompt: nothing was imagined that would have put the older one into the ring.
        if let Some(older) = self.before.as_mut().filter(|older| !older.in_ring) {
            older.in_ring = true;
            self.painter.remember(&older.latent, &older.numbers)?;
        }
        let depth_m = match depth {
            Depth::Shadow(depth) => {
                let still = depth.depth_m.iter().zip(&depth.moves);
                let still = still.map(|(depth, moves)| if *moves { 0.0 } else { *depth }).collect();
                self.origins.put(Shown { rgb: signed.clone(), depth_m: still, camera });
                depth.depth_m
            }
            Depth::Dreamed => self.depth_of_dream(&near),
            Depth::Mended(depth, mended) => {
                let mut depth_m = self.depth_of_dream(&near);
                let there = depth_m.iter_mut().zip(depth.depth_m).zip(mended);
                there.filter(|(_, mended)| *mended).for_each(|((own, there), _)| *own = there);
                depth_m
            }
        };
        self.before = Some(Before {
            latent,
            shown: Shown { rgb: signed, depth_m, camera },
            numbers: numbers(&globals, treatment),
            in_ring: false,
        });
        Ok(())
    }

    /// The depth that was carried to the dreamed picture, and what the decoder reads from its latents where nothing was.
    fn depth_of_dream(&self, near: &[f32]) -> Vec<f32> {
        let carried = self.guess.depth_m.iter().copied().chain(std::iter::repeat(0.0));
        let both = near.iter().zip(carried);
        both.map(|(near, carried)| if carried > 0.0 { carried } else { depth_m(*near) }).collect()
    }

    /// The last picture and the origins, carried to where the command takes the camera.
    fn guess_from_past(&mut self, command: &Command) -> [f32; GLOBALS] {
        let (width, height) = self.painter.size();
        let Some(before) = &self.before else {
            self.guess.clear(width, height);
            return [0.0; GLOBALS];
        };
        let last = &before.shown;
        self.guess.carry((width, height), last, &self.origins, &command.lead(&last.camera));
        command.globals(&last.camera)
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
