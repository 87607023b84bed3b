//! Model M while it plays: the last picture, the keys and values of those before it, and the next one.

use reverie_guard::CameraPose;
use tch::{Device, Kind, Tensor};

use super::autoencoder::{TOKEN_PX, depth_m};
use super::carried::{Carried, Origins, Shown};
use super::compositor::{Layers, agreement};
use super::files::LoadedLatent;
use super::latents::{from_tokens, token_mean, tokens};
use super::ring::Ring;
use super::told::{NUMBERS, Treatment, best_guess, dream_globals, numbers};
use super::transformer::Wanted;
use crate::condition::{CHANNELS, GLOBALS};
use crate::model::ModelError;
use crate::model::reverie::{Workers, on};
use crate::profile_scope;
use crate::request::Action;
use crate::sampler::seeded_noise;
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
    loaded: LoadedLatent,
    ring: Ring,
    before: Option<Before>,
    made: Option<Made>,
    origins: Origins,
    device: Device,
    kind: Kind,
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
        let ring = loaded.net.ring(kind, device)?;
        let (guess, origins) = (Carried::default(), Origins::default());
        Ok(Self { loaded, ring, before: None, made: None, origins, device, kind, guess, workers })
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        self.ring.clear();
        self.before = None;
        self.made = None;
        self.origins.clear();
    }

    /// Bytes of the past's keys and values; they never grow.
    pub fn bytes(&self) -> usize {
        self.ring.bytes()
    }

    /// The camera of the last picture; in a dream, where the commands have taken it.
    pub fn camera(&self) -> Option<CameraPose> {
        self.before.as_ref().map(|before| before.shown.camera)
    }

    /// Where `command` takes the last picture's camera; `None` before the first picture.
    pub fn commanded(&self, command: &Command) -> Option<CameraPose> {
        let camera = self.camera()?;
        Some(dream_globals(&command.style, &camera, &command.action, command.dt_s).0)
    }

    /// Encodes and decodes a picture, interleaved, 0 to 1.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn codec(&self, rgb: &[f32]) -> Result<Vec<f32>, ModelError> {
        let _guard = tch::no_grad_guard();
        let signed: Vec<f32> = rgb.iter().map(|v| 2.0 * v - 1.0).collect();
        let decoded = self.loaded.coder.decode(&self.encode(&signed)?, self.kind)?;
        Ok(unsigned(&values(&decoded.rgb)?))
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
        let [rows, columns] = self.loaded.grid;
        let (globals, maps) = match seen {
            Seen::Shadow { maps, globals } => {
                let guess = &mut self.guess;
                let width = columns * TOKEN_PX;
                on(&self.workers, || {
                    best_guess(maps, width as usize, &mut guess.rgb, &mut guess.known);
                });
                (*globals, Some(self.maps(maps)?))
            }
            Seen::Nothing => (self.guess_from_past(command), None),
        };
        let anchored = maps.is_some();
        let guess_rgb = self.tensor(&self.guess.rgb, 3)?;
        let known_px = self.tensor(&self.guess.known, 1)?;
        let guess = self.loaded.coder.encode(&guess_rgb.f_to_kind(self.kind)?)?;
        let guess = tokens(&guess)?.f_unsqueeze(0)?;
        let known = tokens(&token_mean(&known_px)?)?.f_unsqueeze(0)?;
        // Drawn on the CPU, so that a seed means the same on every device.
        let shape = [1, 1, rows * columns, self.loaded.latent];
        let noise = seeded_noise(&shape, noise_seed)?.f_to_device(self.device)?;
        let mut x = noise;
        for step in 0..steps.max(1) {
            let level = |s: u32| 1.0 - s as f32 / steps.max(1) as f32;
            let (now, next) = (level(step), level(step + 1));
            let treatment =
                Treatment { noise_level: now, step: now - next, wanted: true, anchored };
            let told = self.numbers(&numbers(&globals, treatment))?;
            let wanted = Wanted {
                noisy: &x,
                guess: &guess,
                known: &known,
                maps: maps.as_ref(),
                globals: &told,
            };
            let fresh = match &mut self.before {
                Some(before) if !before.in_ring => {
                    before.in_ring = true;
                    Some((before.latent.shallow_clone(), before.numbers))
                }
                _ => None,
            };
            let fresh = match fresh {
                Some((latent, told)) => Some((latent, self.numbers(&told)?)),
                None => None,
            };
            let past = fresh.as_ref().map(|(latent, told)| (latent, told));
            let clean = self.loaded.net.step(&mut self.ring, past, &wanted)?;
            let keep = f64::from(next / now);
            x = x.f_mul_scalar(keep)?.f_add(&clean.f_mul_scalar(1.0 - keep)?)?;
        }
        let latent = x;
        let grid = |tokens: &Tensor| from_tokens(&tokens.f_squeeze_dim(0)?, rows, columns);
        let (shown, guess) = (grid(&latent)?, grid(&guess)?);
        let decoded = self.loaded.coder.decode(&shown, self.kind)?;
        let layers = Layers {
            decoded: &decoded,
            agrees: &agreement(&shown, &guess)?,
            guess: &guess_rgb,
            known: &known_px,
            maps: maps.as_ref(),
        };
        let composed = self.loaded.compositor.forward(&layers, self.kind)?;
        let rgb = unsigned(&values(&composed)?);
        let nearness = values(&decoded.nearness)?;
        self.made = Some(Made { latent, rgb: rgb.clone(), nearness });
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
                let grid = self.encode(&signed)?;
                let near = values(&self.loaded.coder.decode(&grid, self.kind)?.nearness)?;
                (tokens(&grid)?.f_unsqueeze(0)?, near)
            }
        };
        let before = self.camera().unwrap_or(camera);
        let (_, globals) = dream_globals(&command.style, &before, &command.action, command.dt_s);
        let treatment =
            Treatment { noise_level: PAST_LEVEL, step: 0.0, wanted: false, anchored: false };
        // A prompt after a prompt: nothing was imagined that would have put the older one into the ring.
        if let Some(older) = self.before.as_mut().filter(|older| !older.in_ring) {
            older.in_ring = true;
            let (latent, told) = (older.latent.shallow_clone(), older.numbers);
            let told = self.numbers(&told)?;
            self.loaded.net.remember(&mut self.ring, &latent, &told)?;
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
        let (width, height) = self.size();
        let Some(before) = &self.before else {
            self.guess.clear(width, height);
            return [0.0; GLOBALS];
        };
        let last = &before.shown;
        let (camera, globals) =
            dream_globals(&command.style, &last.camera, &command.action, command.dt_s);
        self.guess.carry((width, height), last, &self.origins, &camera);
        globals
    }

    /// Width and height, pixels.
    fn size(&self) -> (usize, usize) {
        let [rows, columns] = self.loaded.grid.map(|tokens| (tokens * TOKEN_PX) as usize);
        (columns, rows)
    }

    /// Interleaved values as [1, channels, h, w].
    fn tensor(&self, values: &[f32], channels: i64) -> Result<Tensor, ModelError> {
        let (width, height) = self.size();
        let shape = [1, height as i64, width as i64, channels];
        let tensor = Tensor::f_from_slice(values)?.f_view(shape)?.f_to_device(self.device)?;
        Ok(tensor.f_permute([0, 3, 1, 2])?)
    }

    /// Condition maps in the network's kind. They are made small before they travel.
    fn maps(&self, maps: &[f32]) -> Result<Tensor, ModelError> {
        let (width, height) = self.size();
        let shape = [1, height as i64, width as i64, CHANNELS as i64];
        let maps = Tensor::f_from_slice(maps)?.f_to_kind(self.kind)?.f_to_device(self.device)?;
        Ok(maps.f_view(shape)?.f_permute([0, 3, 1, 2])?)
    }

    /// `rgb` −1 to 1, interleaved, to [1, latent, rows, columns].
    fn encode(&self, rgb: &[f32]) -> Result<Tensor, ModelError> {
        Ok(self.loaded.coder.encode(&self.tensor(rgb, 3)?.f_to_kind(self.kind)?)?)
    }

    fn numbers(&self, numbers: &[f32; NUMBERS]) -> Result<Tensor, ModelError> {
        let shape = [1, 1, NUMBERS as i64];
        Ok(Tensor::f_from_slice(numbers)?.f_view(shape)?.f_to_device(self.device)?)
    }
}

/// [1, channels, h, w] to interleaved values.
fn values(picture: &Tensor) -> Result<Vec<f32>, ModelError> {
    let rows = picture.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_to_device(Device::Cpu)?;
    Ok(Vec::try_from(rows.f_view([-1])?)?)
}

/// −1 to 1 to 0 to 1, clamped.
fn unsigned(values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| (0.5 * v + 0.5).clamp(0.0, 1.0)).collect()
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
