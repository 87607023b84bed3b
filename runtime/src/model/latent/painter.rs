//! The device's part of a picture of model M: from what is known and told to the picture, all of it in one go.
//!
//! Everything that differs from picture to picture is brought there first. What follows is the same calls on the same tensors each time, so that on CUDA it is
//! recorded after a few pictures and from then on played back as one [`Graph`]; on other devices, and if nothing can be recorded, it is done call by call.

use std::collections::HashMap;

use reverie_kernels::graph::{Graph, own_stream};
use reverie_kernels::rows::each_row;
use tch::{Device, Kind, Tensor};

use super::compositor::{Layers, agreement};
use super::files::LoadedLatent;
use super::latents::{from_tokens, token_mean, tokens};
use super::ring::{Frames, Ring};
use super::told::NUMBERS;
use super::transformer::Wanted;
use crate::bits::{from_bits, round_into};
use crate::condition::CHANNELS;
use crate::model::ModelError;
use crate::model::reverie::{Workers, on};
use crate::sampler::seeded_noise;

/// Pictures of a form that are made call by call before it is recorded: libraries are loaded, and ways to convolve tried, at the first of them.
const BEFORE_RECORDED: u32 = 3;

/// What a picture is made from.
#[derive(Debug)]
pub(super) struct Told<'a> {
    /// −1 to 1, interleaved: what is known of it.
    pub guess: &'a [f32],
    /// How well, 0 to 1, one value a pixel.
    pub known: &'a [f32],
    /// Condition maps, `height * width * CHANNELS`; `None` in a dream.
    pub maps: Option<&'a [f32]>,
    /// The last picture's latents and numbers, if the ring does not know them yet.
    pub past: Option<(&'a Tensor, &'a [f32; NUMBERS])>,
    /// Of each step of the sampler: numbers, and the noise levels it goes from and to.
    pub steps: &'a [([f32; NUMBERS], f32, f32)],
    /// Of the noise that it begins with.
    pub seed: i64,
}

/// A finished picture.
#[derive(Debug)]
pub(super) struct Painted {
    /// [1, 1, tokens, latent], on the device.
    pub latent: Tensor,
    /// 0 to 1, interleaved.
    pub rgb: Vec<f32>,
    /// As that of [`Decoded`](super::autoencoder::Decoded), one value a pixel.
    pub nearness: Vec<f32>,
}

/// What decides which calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Form {
    steps: usize,
    anchored: bool,
    has_past: bool,
}

/// Everything that differs between pictures of a form, on the device.
#[derive(Debug)]
struct Brought {
    /// Guess, how well it is known, noise, numbers of the past and of the steps, one after the other.
    numbers: Tensor,
    /// [1, h, w, CHANNELS], in the kind of inference.
    maps: Option<Tensor>,
    /// Cursors of the first step and of those after it.
    cursors: Tensor,
    /// [1, 1, tokens, latent].
    past: Option<Tensor>,
    /// Where numbers and maps wait for their way to the device: from pages that stay where they are the device fetches them itself.
    waiting: [Option<Tensor>; 2],
}

/// Tensors that a form ends with.
#[derive(Debug)]
struct Drawn {
    latent: Tensor,
    /// Colours, then nearness, as they go back.
    picture: Tensor,
}

#[derive(Debug)]
struct Recorded {
    // Dropped before what it reads and writes.
    graph: Graph,
    brought: Brought,
    drawn: Drawn,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Painter {
    recorded: HashMap<Form, Recorded>,
    /// Pictures made call by call so far.
    made: HashMap<Form, u32>,
    /// Nothing is recorded.
    call_by_call: bool,
    loaded: LoadedLatent,
    ring: Ring,
    device: Device,
    kind: Kind,
    workers: Option<Workers>,
    numbers: Vec<f32>,
    map_bits: Vec<i16>,
}

impl Painter {
    /// Before the first picture. On CUDA this thread has a stream of its own from here on.
    ///
    /// # Errors
    /// No memory.
    pub fn new(
        loaded: LoadedLatent,
        device: Device,
        kind: Kind,
        workers: Option<Workers>,
    ) -> Result<Self, ModelError> {
        let mut call_by_call = true;
        if let Device::Cuda(index) = device {
            // The weights were brought by the stream that all threads share.
            tch::Cuda::synchronize(index as i64);
            call_by_call = match own_stream() {
                Ok(()) => false,
                Err(error) => {
                    tracing::warn!("{error}; pictures are made call by call");
                    true
                }
            };
        }
        let ring = loaded.net.ring(kind, device)?;
        Ok(Self {
            recorded: HashMap::new(),
            made: HashMap::new(),
            call_by_call,
            loaded,
            ring,
            device,
            kind,
            workers,
            numbers: Vec::new(),
            map_bits: Vec::new(),
        })
    }

    /// Nothing is recorded from here on, and nothing recorded is played.
    pub fn go_call_by_call(&mut self) {
        self.call_by_call = true;
        self.recorded.clear();
    }

    /// Has the device do the work of a recorded picture once more, and nothing else; `false` if nothing is recorded.
    ///
    /// # Errors
    /// The device refused.
    pub fn play_again(&self) -> Result<bool, ModelError> {
        let Some(recorded) = self.recorded.values().next() else { return Ok(false) };
        recorded.graph.replay()?;
        Ok(true)
    }

    /// Forgets all past frames.
    pub fn forget(&mut self) {
        self.ring.clear();
    }

    /// Bytes of the past's keys and values.
    pub fn bytes(&self) -> usize {
        self.ring.bytes()
    }

    /// Width and height, pixels.
    pub fn size(&self) -> (usize, usize) {
        let [rows, columns] =
            self.loaded.grid.map(|tokens| (tokens * self.loaded.coder.token_px()) as usize);
        (columns, rows)
    }

    /// `rgb` −1 to 1, interleaved, to [1, latent, rows, columns].
    ///
    /// # Errors
    /// libtorch refused.
    pub fn encode(&self, rgb: &[f32]) -> Result<Tensor, ModelError> {
        let (width, height) = self.size();
        let rgb = Tensor::f_from_slice(rgb)?.f_view([1, height as i64, width as i64, 3])?;
        let rgb = rgb.f_to_device(self.device)?.f_permute([0, 3, 1, 2])?;
        Ok(self.loaded.coder.encode(&rgb.f_to_kind(self.kind)?)?)
    }

    /// Colours, −1 to 1, interleaved, and nearness of latents [1, latent, rows, columns].
    ///
    /// # Errors
    /// libtorch refused.
    pub fn decode(&self, latent: &Tensor) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        let decoded = self.loaded.coder.decode(latent, self.kind)?;
        let rows = decoded.rgb.f_permute([0, 2, 3, 1])?.f_reshape([-1])?;
        let back = |t: Tensor| Vec::try_from(t.f_to_device(Device::Cpu)?);
        Ok((back(rows)?, back(decoded.nearness.f_reshape([-1])?)?))
    }

    /// Writes a past picture into the ring: [1, 1, tokens, latent] and its numbers.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn remember(&mut self, latent: &Tensor, told: &[f32; NUMBERS]) -> Result<(), ModelError> {
        let told = Tensor::f_from_slice(told)?.f_view([1, 1, NUMBERS as i64])?;
        let told = told.f_to_device(self.device)?;
        Ok(self.loaded.net.remember(&mut self.ring, latent, &told)?)
    }

    /// Makes a picture.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn paint(&mut self, told: &Told) -> Result<Painted, ModelError> {
        let _guard = tch::no_grad_guard();
        let (steps, has_past) = (told.steps.len(), told.past.is_some());
        let form = Form { steps, anchored: told.maps.is_some(), has_past };
        let numbers = self.gather(told)?;
        let cursors = self.cursors(form);
        let maps = self.maps(told)?;
        let past = told.past.map(|(latent, _)| latent);
        if let Some(recorded) = self.recorded.get_mut(&form).filter(|_| !self.call_by_call) {
            recorded.brought.bring_again(&numbers, maps.as_ref(), &cursors, past)?;
            recorded.graph.replay()?;
            let latent = recorded.drawn.latent.f_detach_copy()?;
            return finish(latent, &recorded.drawn.picture, told.known.len());
        }
        let brought = Brought::new(&numbers, maps.as_ref(), &cursors, past, self.device)?;
        let drawn = self.draw(form, told.steps, &brought)?;
        let painted = finish(drawn.latent, &drawn.picture, told.known.len())?;
        let made = self.made.entry(form).or_default();
        *made += 1;
        if !self.call_by_call && *made >= BEFORE_RECORDED {
            self.record(form, told.steps, brought);
        }
        Ok(painted)
    }

    /// From the next picture of this form on its calls are one.
    fn record(&mut self, form: Form, steps: &[([f32; NUMBERS], f32, f32)], brought: Brought) {
        let recorded = brought
            .fixed(self.device)
            .map_err(ModelError::from)
            .map(|brought| (Graph::record(|| self.draw(form, steps, &brought)), brought));
        let reason = match recorded {
            Ok((Ok(Ok((graph, drawn))), brought)) => {
                self.recorded.insert(form, Recorded { graph, brought, drawn });
                return;
            }
            Ok((Ok(Err(error)), _)) | Err(error) => error.to_string(),
            Ok((Err(error), _)) => error.to_string(),
        };
        let reason = reason.lines().next().unwrap_or_default();
        tracing::warn!("pictures are made call by call: {reason}");
        self.go_call_by_call();
    }

    /// All floats of a picture but its maps, one after the other.
    fn gather(&mut self, told: &Told) -> Result<Tensor, ModelError> {
        let [rows, columns] = self.loaded.grid;
        // Drawn on the CPU, so that a seed means the same on every device.
        let noise = seeded_noise(&[rows * columns * self.loaded.latent], told.seed)?;
        let all = &mut self.numbers;
        all.clear();
        all.extend_from_slice(told.guess);
        all.extend_from_slice(told.known);
        all.extend(Vec::<f32>::try_from(noise)?);
        let of_past = told.past.map_or([0.0; NUMBERS], |(_, numbers)| *numbers);
        all.extend_from_slice(&of_past);
        all.extend(told.steps.iter().flat_map(|(numbers, _, _)| numbers));
        Ok(Tensor::f_from_slice(all)?)
    }

    /// Makes room for a past frame.
    fn cursors(&mut self, form: Form) -> Vec<i64> {
        let frames = Frames { past: form.has_past, wanted: true };
        let mut all = self.loaded.net.cursor(&mut self.ring, frames);
        all.extend(self.loaded.net.cursor(&mut self.ring, Frames { past: false, wanted: true }));
        all
    }

    /// Condition maps in the network's kind, [1, h, w, CHANNELS]: they are made small before they travel.
    fn maps(&mut self, told: &Told) -> Result<Option<Tensor>, ModelError> {
        let Some(maps) = told.maps else { return Ok(None) };
        let (width, height) = self.size();
        let shape = [1, height as i64, width as i64, CHANNELS as i64];
        if self.kind != Kind::BFloat16 {
            return Ok(Some(Tensor::f_from_slice(maps)?.f_to_kind(self.kind)?.f_view(shape)?));
        }
        let (bits, wide) = (&mut self.map_bits, width * CHANNELS);
        bits.resize(maps.len(), 0);
        let nothing = &mut vec![(); height];
        on(&self.workers, || {
            each_row((bits, wide), (nothing, 1), |row, bits, _| {
                round_into(&maps[row * wide..(row + 1) * wide], bits);
            });
        });
        Ok(Some(from_bits(&Tensor::f_from_slice(&self.map_bits)?)?.f_view(shape)?))
    }

    /// What the device does, and nothing else.
    fn draw(
        &mut self,
        form: Form,
        steps: &[([f32; NUMBERS], f32, f32)],
        brought: &Brought,
    ) -> Result<Drawn, ModelError> {
        let [rows, columns] = self.loaded.grid;
        let token_px = self.loaded.coder.token_px();
        let (height, width) = (rows * token_px, columns * token_px);
        let numbers = NUMBERS as i64;
        let mut at = 0;
        let mut next = |shape: &[i64]| -> Result<Tensor, ModelError> {
            let count = shape.iter().product();
            at += count;
            Ok(brought.numbers.f_narrow(0, at - count, count)?.f_view(shape)?)
        };
        let guess_rgb = next(&[1, height, width, 3])?.f_permute([0, 3, 1, 2])?;
        let known_px = next(&[1, height, width, 1])?.f_permute([0, 3, 1, 2])?;
        let mut x = next(&[1, 1, rows * columns, self.loaded.latent])?;
        let of_past = next(&[1, 1, numbers])?;
        let maps = brought.maps.as_ref().map(|maps| maps.f_permute([0, 3, 1, 2])).transpose()?;
        let guess = self.loaded.coder.encode(&guess_rgb.f_to_kind(self.kind)?)?;
        let guess = tokens(&guess)?.f_unsqueeze(0)?;
        let known = tokens(&token_mean(&known_px, token_px)?)?.f_unsqueeze(0)?;
        let mut past = brought.past.as_ref().map(|latent| (latent, &of_past));
        let first = 1 + 2 * Frames { past: form.has_past, wanted: true }.count();
        let mut cursor = brought.cursors.f_narrow(0, 0, first)?;
        for (_, now, then) in steps {
            let wanted = Wanted {
                noisy: &x,
                guess: &guess,
                known: &known,
                maps: maps.as_ref(),
                globals: &next(&[1, 1, numbers])?,
            };
            let clean = self.loaded.net.step_at(&mut self.ring, &cursor, past.take(), &wanted)?;
            let keep = f64::from(then / now);
            x = x.f_mul_scalar(keep)?.f_add(&clean.f_mul_scalar(1.0 - keep)?)?;
            cursor = brought.cursors.f_narrow(0, first, 3)?;
        }
        let grid = |tokens: &Tensor| from_tokens(&tokens.f_squeeze_dim(0)?, rows, columns);
        let (shown, guess) = (grid(&x)?, grid(&guess)?);
        let decoded = self.loaded.coder.decode(&shown, self.kind)?;
        let layers = Layers {
            decoded: &decoded,
            agrees: &agreement(&shown, &guess)?,
            guess: &guess_rgb,
            known: &known_px,
            maps: maps.as_ref(),
        };
        let rgb = self.loaded.compositor.forward(&layers, self.kind)?.f_permute([0, 2, 3, 1])?;
        let rgb = rgb.f_reshape([-1])?.f_mul_scalar(0.5)?.f_add_scalar(0.5)?.f_clamp(0.0, 1.0)?;
        let picture = Tensor::f_cat(&[rgb, decoded.nearness.f_reshape([-1])?], 0)?;
        Ok(Drawn { latent: x, picture })
    }
}

/// Brings a picture of so many pixels back.
fn finish(latent: Tensor, picture: &Tensor, pixels: usize) -> Result<Painted, ModelError> {
    let mut rgb = Vec::<f32>::try_from(picture.f_to_device(Device::Cpu)?)?;
    let nearness = rgb.split_off(3 * pixels);
    Ok(Painted { latent, rgb, nearness })
}

impl Brought {
    fn new(
        numbers: &Tensor,
        maps: Option<&Tensor>,
        cursors: &[i64],
        past: Option<&Tensor>,
        device: Device,
    ) -> Result<Self, tch::TchError> {
        Ok(Self {
            numbers: numbers.f_to_device(device)?,
            maps: maps.map(|maps| maps.f_to_device(device)).transpose()?,
            cursors: Tensor::f_from_slice(cursors)?.f_to_device(device)?,
            past: past.map(Tensor::shallow_clone),
            waiting: [None, None],
        })
    }

    /// The same in a place of its own, which later pictures are brought to.
    fn fixed(self, device: Device) -> Result<Self, tch::TchError> {
        let waiting = |t: &Tensor| {
            Tensor::f_zeros(t.size().as_slice(), (t.kind(), Device::Cpu))?
                .f_internal_pin_memory(device)
        };
        Ok(Self {
            waiting: [Some(waiting(&self.numbers)?), self.maps.as_ref().map(waiting).transpose()?],
            past: self.past.map(|past| past.f_detach_copy()).transpose()?,
            ..self
        })
    }

    fn bring_again(
        &mut self,
        numbers: &Tensor,
        maps: Option<&Tensor>,
        cursors: &[i64],
        past: Option<&Tensor>,
    ) -> Result<(), tch::TchError> {
        let [numbers_wait, maps_wait] = &mut self.waiting;
        let bring = |to: &mut Tensor, wait: &mut Option<Tensor>, from: &Tensor| match wait {
            Some(wait) => {
                wait.f_copy_(from)?;
                to.f_copy_(wait)
            }
            None => to.f_copy_(from),
        };
        bring(&mut self.numbers, numbers_wait, numbers)?;
        if let (Some(to), Some(from)) = (&mut self.maps, maps) {
            bring(to, maps_wait, from)?;
        }
        self.cursors.f_copy_(&Tensor::f_from_slice(cursors)?)?;
        if let (Some(to), Some(from)) = (&mut self.past, past) {
            to.f_copy_(from)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "painter_tests.rs"]
mod tests;
