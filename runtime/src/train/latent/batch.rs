//! From sequences to tensors: latents of true pictures, guesses, maps and numbers.

use std::rc::Rc;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use reverie_guard::CameraPose;
use reverie_kernels::warp::{OwnDepth, splat};
use tch::{Device, Kind, Tensor};

use super::critic::Judged;
use super::row::{Coder, Row, Shadow};
use crate::condition::LAST;
use crate::model::latent::autoencoder::{SKY_NEARNESS, depth_m};
use crate::model::latent::compositor::{Compositor, Layers, agreement};
use crate::model::latent::latents::{from_tokens, token_mean, tokens};
use crate::model::latent::splatted::splat_all;
use crate::model::latent::told::{NUMBERS, SEEN, Treatment, numbers};
use crate::model::latent::transformer::Wanted;
use crate::train::TrainError;

/// Noise on the past's latents at most, as a noise level.
const MOST_PAST_NOISE: f32 = 0.3;

/// What a sequence's frames see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The shadow.
    Anchored,
    /// Past frames and commands alone.
    Dream,
}

/// Which past a network is given.
#[derive(Debug)]
pub enum Past {
    /// True frames.
    True,
    /// Its own.
    Own(Own),
}

/// Pictures that a network made of a batch.
#[derive(Debug)]
pub struct Own {
    /// [b, t, tokens, latent].
    pub latent: Tensor,
    /// [b·t, 3, h, w], −1 to 1.
    pub rgb: Tensor,
    /// As that of [`Decoded`](crate::model::latent::autoencoder::Decoded), [b·t, 1, h, w].
    pub nearness: Tensor,
}

/// Some sequences of the same length, all seen in the same way.
pub struct Batch<'a> {
    coder: &'a Coder,
    rows: Vec<Rc<Row>>,
    mode: Mode,
}

/// What a network is given.
pub struct Inputs {
    /// [b, t, tokens, latent].
    pub past: Tensor,
    /// [b, t, NUMBERS].
    pub past_numbers: Tensor,
    guess: Tensor,
    known: Tensor,
    pixels: Pixels,
    numbers: Vec<f32>,
    shape: [i64; 2],
}

/// What pictures are composed of beside latents; the first axis is b·t.
struct Pixels {
    /// [b·t, 3, h, w].
    guess: Tensor,
    /// [b·t, 1, h, w].
    known: Tensor,
    /// [b·t, CHANNELS, h, w].
    maps: Option<Tensor>,
}

/// What is known of a batch's frames.
struct Guess {
    /// [b, t, tokens, latent].
    latent: Tensor,
    /// [b, t, tokens, 1].
    known: Tensor,
    pixels: Pixels,
}

/// Wanted frames without their noisy latents.
pub struct WantedInputs<'a> {
    inputs: &'a Inputs,
    numbers: Tensor,
}

impl<'a> Batch<'a> {
    /// Of `rows` of the same length; anchored ones have been drawn with their shadow.
    pub fn new(coder: &'a Coder, rows: Vec<Rc<Row>>, mode: Mode) -> Self {
        Self { coder, rows, mode }
    }

    fn stacked(&self, part: impl Fn(&Row) -> Option<&Tensor>) -> Result<Tensor, TrainError> {
        let parts: Vec<&Tensor> = self.rows.iter().filter_map(|row| part(row)).collect();
        Ok(Tensor::f_stack(&parts, 0)?)
    }

    /// Frames of each sequence.
    pub fn frames(&self) -> usize {
        self.rows.first().map_or(0, |row| row.cameras.len())
    }

    /// Latents of the true pictures, [b, t, tokens, latent].
    ///
    /// # Errors
    /// libtorch refused.
    pub fn truth(&self) -> Result<Tensor, TrainError> {
        self.stacked(|row| Some(&row.latent))
    }

    /// What was predicted, as the past of the same frames. A dream still begins with a true picture: of its first frame, which nothing is known of,
    /// nothing can be predicted that would be worth to go on from.
    ///
    /// # Errors
    /// Shapes differ.
    pub fn past(
        &self,
        net: &Compositor,
        inputs: &Inputs,
        predicted: &Tensor,
    ) -> Result<Past, TrainError> {
        let _guard = tch::no_grad_guard();
        let frames = predicted.size()[1];
        let latent = match self.mode {
            Mode::Anchored => predicted.shallow_clone(),
            Mode::Dream => {
                let first = self.truth()?.f_narrow(1, 0, 1)?;
                Tensor::f_cat(&[first, predicted.f_narrow(1, 1, frames - 1)?], 1)?
            }
        };
        let all: Vec<i64> = (0..frames).collect();
        let (composed, nearness) = self.composed(net, inputs, &latent, &all)?;
        Ok(Past::Own(Own { latent, rgb: composed.rgb.f_clamp(-1.0, 1.0)?, nearness }))
    }

    /// The frames `frames` of predicted latents [b, t, tokens, latent] as pictures, and nearness [b · frames, 1, h, w].
    fn composed(
        &self,
        net: &Compositor,
        inputs: &Inputs,
        predicted: &Tensor,
        frames: &[i64],
    ) -> Result<(Judged, Tensor), TrainError> {
        let [b, t] = inputs.shape;
        let chosen = Tensor::f_from_slice(frames)?.f_to_device(self.coder.device)?;
        let every = frames.iter().copied().eq(0..t);
        // [b·t, …] of these frames.
        let of = |x: &Tensor| -> Result<Tensor, tch::TchError> {
            if every {
                return Ok(x.shallow_clone());
            }
            let mut shape = x.size();
            shape.splice(0..1, [b, t]);
            x.f_reshape(&shape)?.f_index_select(1, &chosen)?.f_flatten(0, 1)
        };
        let [rows, columns] = self.coder.grid();
        let grid = |x: &Tensor| from_tokens(&of(&x.f_flatten(0, 1)?)?, rows, columns);
        let (shown, guess) = (grid(predicted)?, grid(&inputs.guess)?);
        let decoded = self.coder.net.decode(&shown, self.coder.kind)?;
        let maps = inputs.pixels.maps.as_ref().map(of).transpose()?;
        let (agrees, known) = (agreement(&shown, &guess)?, of(&inputs.pixels.known)?);
        let layers = Layers {
            decoded: &decoded,
            agrees: &agrees,
            guess: &of(&inputs.pixels.guess)?,
            known: &known,
            maps: maps.as_ref(),
        };
        let rgb = net.forward(&layers, self.coder.kind)?;
        let unknown = {
            let _guard = tch::no_grad_guard();
            token_mean(&known.f_to_kind(Kind::Float)?, self.coder.net.token_px())?
                .f_mul(&agrees)?
                .f_neg()?
                .f_add_scalar(1.0)?
        };
        Ok((Judged { rgb, maps, unknown }, decoded.nearness))
    }

    /// What the network is given with this past.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn inputs(&self, past: &Past, rng: &mut ChaCha8Rng) -> Result<Inputs, TrainError> {
        let _guard = tch::no_grad_guard();
        let level = if rng.random_bool(0.3) { 0.0 } else { rng.random_range(0.0..MOST_PAST_NOISE) };
        let clean = match past {
            Past::True => self.truth()?,
            Past::Own(own) => own.latent.shallow_clone(),
        };
        let guess = match self.mode {
            Mode::Anchored => self.anchored_guess(past, rng)?,
            Mode::Dream => self.dream_guess(past, &clean, rng)?,
        };
        let anchored = self.mode == Mode::Anchored;
        let behind = Treatment { noise_level: level, step: 0.0, wanted: false, anchored: false };
        let ahead = Treatment { wanted: true, anchored, ..behind };
        let (mut past_numbers, mut wanted_numbers) = (Vec::new(), Vec::new());
        for row in &self.rows {
            let seen = row.shadow.as_ref().filter(|_| anchored).map(|shadow| &shadow.globals);
            // What is past is told in one way, whatever it was made from.
            past_numbers.extend(row.past_globals.iter().flat_map(|g| numbers(g, behind)));
            let globals = seen.unwrap_or(&row.past_globals);
            wanted_numbers.extend(globals.iter().flat_map(|g| numbers(g, ahead)));
        }
        let shape = [self.rows.len() as i64, clean.size()[1]];
        let noise = clean.f_randn_like()?;
        let noisy = clean.f_add(&noise.f_sub(&clean)?.f_mul_scalar(f64::from(level))?)?;
        Ok(Inputs {
            past: noisy,
            past_numbers: self.numbers(&past_numbers, shape)?,
            guess: guess.latent,
            known: guess.known,
            pixels: guess.pixels,
            numbers: wanted_numbers,
            shape,
        })
    }

    fn numbers(&self, values: &[f32], [b, t]: [i64; 2]) -> Result<Tensor, TrainError> {
        let tensor = Tensor::f_from_slice(values)?.f_view([b, t, NUMBERS as i64])?;
        Ok(tensor.f_to_device(self.coder.device)?)
    }

    /// What the shadow's candidates know.
    fn anchored_guess(&self, past: &Past, rng: &mut ChaCha8Rng) -> Result<Guess, TrainError> {
        let all = |part: fn(&Shadow) -> &Tensor| -> Vec<&Tensor> {
            self.rows.iter().filter_map(|row| row.shadow.as_ref().map(part)).collect()
        };
        let stacked = |part| Tensor::f_stack(&all(part), 0);
        let joined = |part| Tensor::f_cat(&all(part), 0);
        let (guess_rgb, maps) = (joined(|s| &s.guess_rgb)?, joined(|s| &s.maps)?);
        let (latent, guess, maps) = match past {
            Past::True => (stacked(|s| &s.guess)?, guess_rgb, maps),
            Past::Own(own) => self.own_guess(own, guess_rgb, maps, rng)?,
        };
        let known = joined(|s| &s.known_px)?;
        let pixels = Pixels { guess, known, maps: Some(maps) };
        Ok(Guess { latent, known: stacked(|s| &s.known)?, pixels })
    }

    /// Guess, [b, t, tokens, latent] and as pictures, and maps with the network's own frame before, where they had the true one: the shadow's depth carries it.
    fn own_guess(
        &self,
        own: &Own,
        guess_rgb: Tensor,
        maps: Tensor,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Tensor, Tensor, Tensor), TrainError> {
        let (b, t, n, channels) = own.latent.size4()?;
        let (h, w) = (maps.size()[2], maps.size()[3]);
        // [b, t, …] of which only the frames before or after are of interest.
        let by_frame = |x: &Tensor, from: i64, c: i64| -> Result<Tensor, tch::TchError> {
            let x = x.f_reshape([b, t, c, h, w])?.f_narrow(1, from, t - 1)?;
            x.f_reshape([b * (t - 1), c, h, w])
        };
        let rgb = by_frame(&own.rgb, 0, 3)?;
        let near = by_frame(&maps.f_narrow(1, 0, 1)?.f_contiguous()?, 0, 1)?;
        let cameras: Vec<_> = self
            .rows
            .iter()
            .flat_map(|row| row.cameras.windows(2).map(|pair| (pair[0].0, pair[1].0)))
            .collect();
        let near = near.f_to_kind(Kind::Float)?;
        let (carried, known) = self.carried(&rgb, &near, &cameras)?;
        let last = LAST as i64;
        let seen = by_frame(&maps.f_narrow(1, last + 3, 1)?.f_contiguous()?, 1, 1)?;
        let replaced = seen.f_gt(f64::from(SEEN))?.f_logical_and(&known.f_gt(0.5)?)?;
        let carried = carried.f_to_kind(self.coder.kind)?;
        let put = |into: &Tensor| -> Result<Tensor, tch::TchError> {
            let later = carried.f_where_self(&replaced, &by_frame(into, 1, 3)?)?;
            let first = into.f_reshape([b, t, 3, h, w])?.f_narrow(1, 0, 1)?;
            Tensor::f_cat(&[first, later.f_view([b, t - 1, 3, h, w])?], 1)?.f_reshape([
                b * t,
                3,
                h,
                w,
            ])
        };
        let guess_rgb = put(&guess_rgb)?;
        let guess = tokens(&self.coder.encode(&guess_rgb)?)?.f_view([b, t, n, channels])?;
        let own_last = put(&maps.f_narrow(1, last, 3)?.f_contiguous()?)?;
        // Older frames and the memory are still true ones: often they are missing.
        let rest = maps.f_narrow(1, last + 3, maps.size()[1] - last - 3)?;
        let rest = if rng.random_bool(0.5) {
            let valid = rest.f_narrow(1, 0, 1)?;
            Tensor::f_cat(&[&valid, &rest.f_narrow(1, 1, rest.size()[1] - 1)?.f_zeros_like()?], 1)?
        } else {
            rest
        };
        let maps = Tensor::f_cat(&[maps.f_narrow(1, 0, last)?, own_last, rest], 1)?;
        Ok((guess, guess_rgb, maps))
    }

    /// The frame before as the commanded camera sees it, by the depth that the decoder reads from its latents. Where nothing is before, nothing is known.
    fn dream_guess(
        &self,
        past: &Past,
        latents: &Tensor,
        rng: &mut ChaCha8Rng,
    ) -> Result<Guess, TrainError> {
        let (b, t, n, channels) = latents.size4()?;
        let (h, w) = (i64::from(self.coder.size.1), i64::from(self.coder.size.0));
        let earlier = |x: &Tensor, c: i64| -> Result<Tensor, tch::TchError> {
            x.f_reshape([b, t, c, h, w])?.f_narrow(1, 0, t - 1)?.f_reshape([b * (t - 1), c, h, w])
        };
        let (rgb, near) = match past {
            Past::Own(own) => (earlier(&own.rgb, 3)?, earlier(&own.nearness, 1)?),
            Past::True => {
                let before =
                    latents.f_narrow(1, 0, t - 1)?.f_reshape([b * (t - 1), n, channels])?;
                let [rows, columns] = self.coder.grid();
                let decoded = self.coder.decode(&from_tokens(&before, rows, columns)?)?;
                let rgb = if rng.random_bool(0.3) {
                    decoded.rgb.f_clamp(-1.0, 1.0)?
                } else {
                    let shown = self.rows.iter().map(|row| row.truth.f_narrow(0, 0, t - 1));
                    Tensor::f_cat(&shown.collect::<Result<Vec<_>, _>>()?, 0)?
                };
                (rgb, decoded.nearness)
            }
        };
        let cameras: Vec<_> = self
            .rows
            .iter()
            .flat_map(|row| row.cameras.windows(2).map(|pair| (pair[0].0, pair[1].1)))
            .collect();
        let (carried, known) = self.carried(&rgb, &near, &cameras)?;
        // Before the first frame there is nothing: grey that nobody knows.
        let after_nothing = |x: &Tensor, c: i64| -> Result<Tensor, tch::TchError> {
            let x = x.f_to_kind(self.coder.kind)?.f_reshape([b, t - 1, c, h, w])?;
            let nothing = Tensor::f_zeros([b, 1, c, h, w], (x.kind(), x.device()))?;
            Tensor::f_cat(&[nothing, x], 1)?.f_flatten(0, 1)
        };
        let pixels = Pixels {
            guess: after_nothing(&carried, 3)?,
            known: after_nothing(&known, 1)?,
            maps: None,
        };
        Ok(Guess {
            latent: tokens(&self.coder.encode(&pixels.guess)?)?.f_view([b, t, n, channels])?,
            known: tokens(&token_mean(&pixels.known, self.coder.net.token_px())?)?
                .f_view([b, t, n, 1])?,
            pixels,
        })
    }

    /// Pictures [n, 3, h, w] with their nearness, carried from camera to camera; and what is known of them, [n, 1, h, w].
    fn carried(
        &self,
        rgb: &Tensor,
        near: &Tensor,
        cameras: &[(CameraPose, CameraPose)],
    ) -> Result<(Tensor, Tensor), TrainError> {
        if self.coder.device != Device::Cpu {
            let metres = near.f_clamp(1e-6, 1.0)?.f_reciprocal()?.f_mul_scalar(4.0)?;
            let sky = near.f_lt(f64::from(SKY_NEARNESS))?;
            let depth = metres.f_sub_scalar(4.0)?.f_masked_fill(&sky, f64::INFINITY)?;
            return Ok(splat_all(rgb, &depth, cameras)?);
        }
        let values = |t: &Tensor| -> Result<Vec<f32>, TrainError> {
            let rows = t.f_to_kind(Kind::Float)?.f_permute([0, 2, 3, 1])?.f_contiguous()?;
            Ok(Vec::try_from(rows.f_view([-1])?)?)
        };
        let (width, height) = (self.coder.size.0 as usize, self.coder.size.1 as usize);
        let pixels = width * height;
        let (rgb, near) = (values(rgb)?, values(near)?);
        let depth: Vec<f32> = near.iter().map(|n| depth_m(*n)).collect();
        let (mut all, mut all_known) = (Vec::new(), Vec::new());
        let (mut out, mut known) = (Vec::new(), Vec::new());
        for (at, (from, to)) in cameras.iter().enumerate() {
            let past = OwnDepth {
                width,
                height,
                rgb: &rgb[3 * pixels * at..3 * pixels * (at + 1)],
                depth_m: &depth[pixels * at..pixels * (at + 1)],
                camera: from,
            };
            splat(&past, to, &mut out, &mut known);
            all.extend_from_slice(&out);
            all_known.extend_from_slice(&known);
        }
        Ok((self.coder.tensor(&all, 3)?, self.coder.tensor(&all_known, 1)?))
    }

    /// Squared error of latents, but for the first frame of a dream, which nothing says anything about.
    ///
    /// # Errors
    /// Shapes differ.
    pub fn error(&self, predicted: &Tensor, truth: &Tensor) -> Result<Tensor, TrainError> {
        let weights: Vec<f32> = self
            .rows
            .iter()
            .flat_map(|row| {
                let unknowable = self.mode == Mode::Dream;
                (0..row.cameras.len()).map(move |i| if i == 0 && unknowable { 0.0 } else { 1.0 })
            })
            .collect();
        let total = weights.iter().sum::<f32>().max(1.0);
        let shape = [self.rows.len() as i64, predicted.size()[1]];
        let weights = Tensor::f_from_slice(&weights)?.f_view(shape)?;
        let weights = weights.f_to_device(self.coder.device)?;
        let error = predicted.f_sub(truth)?.f_square()?;
        let error = error.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?;
        Ok(error.f_mul(&weights)?.f_sum(Kind::Float)?.f_div_scalar(f64::from(total))?)
    }

    /// Frames `frames` of each sequence, composed, and their true pictures, [b · frames, 3, h, w]; never the first one of a dream.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn shown(
        &self,
        net: &Compositor,
        inputs: &Inputs,
        predicted: &Tensor,
        frames: &[usize],
    ) -> Result<(Judged, Tensor), TrainError> {
        let least = if self.mode == Mode::Dream { 1 } else { 0 };
        let frames: Vec<i64> = frames.iter().map(|frame| *frame.max(&least) as i64).collect();
        let chosen = Tensor::f_from_slice(&frames)?.f_to_device(self.coder.device)?;
        let targets = self.rows.iter().map(|row| row.truth.f_index_select(0, &chosen));
        let targets = Tensor::f_cat(&targets.collect::<Result<Vec<_>, _>>()?, 0)?;
        let (composed, _) = self.composed(net, inputs, predicted, &frames)?;
        Ok((composed, targets.f_to_kind(Kind::Float)?))
    }
}

impl Inputs {
    /// True latents at a noise level, with the frames that are wanted from there.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn noisy(
        &self,
        truth: &Tensor,
        level: f32,
        step: f32,
    ) -> Result<(Tensor, WantedInputs<'_>), TrainError> {
        let noise = truth.f_randn_like()?;
        let noisy = truth.f_add(&noise.f_sub(truth)?.f_mul_scalar(f64::from(level))?)?;
        Ok((noisy, self.at(level, step)?))
    }

    /// The wanted frames at a noise level.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn at(&self, level: f32, step: f32) -> Result<WantedInputs<'_>, TrainError> {
        let mut numbers = self.numbers.clone();
        for frame in numbers.chunks_exact_mut(NUMBERS) {
            let own = NUMBERS - crate::model::latent::transformer::OWN_GLOBALS as usize;
            frame[own] = level;
            frame[own + 1] = step;
        }
        let numbers = Tensor::f_from_slice(&numbers)?
            .f_view([self.shape[0], self.shape[1], NUMBERS as i64])?
            .f_to_device(self.past.device())?;
        Ok(WantedInputs { inputs: self, numbers })
    }
}

impl WantedInputs<'_> {
    /// The same frames at another noise level.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn at(&self, level: f32, step: f32) -> Result<Self, TrainError> {
        self.inputs.at(level, step)
    }

    /// With these noisy latents.
    pub fn of<'t>(&'t self, noisy: &'t Tensor) -> Wanted<'t> {
        Wanted {
            noisy,
            guess: &self.inputs.guess,
            known: &self.inputs.known,
            maps: self.inputs.pixels.maps.as_ref(),
            globals: &self.numbers,
        }
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
