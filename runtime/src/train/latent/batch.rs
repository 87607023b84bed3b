//! From sequences to tensors: latents of true pictures, guesses, maps and numbers.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use reverie_guard::CameraPose;
use reverie_kernels::warp::{OwnDepth, splat};
use tch::{Device, Kind, Tensor};

use super::autoencoder::pictures;
use super::sequence::Sequence;
use crate::condition::{CHANNELS, GLOBALS};
use crate::model::latent::autoencoder::{Autoencoder, depth_m};
use crate::model::latent::latents::{from_tokens, token_mean, tokens};
use crate::model::latent::told::{NUMBERS, Treatment, best_guess, numbers};
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
    /// Its own latents, [b, t, tokens, latent].
    Own(Tensor),
}

/// Some sequences of the same length.
pub struct Batch<'a> {
    coder: &'a Autoencoder,
    kind: Kind,
    device: Device,
    size: (u32, u32),
    rows: Vec<Row>,
}

struct Row {
    mode: Mode,
    /// [t, 3, h, w], −1 to 1.
    truth: Tensor,
    /// [t, latent, h / 8, w / 8].
    latent: Tensor,
    /// Of an anchored one: guesses from the candidates, [t, latent, h / 8, w / 8].
    guess: Option<Tensor>,
    /// Share of a token's pixels that the guess knows, [t, 1, h / 8, w / 8].
    known: Option<Tensor>,
    /// [t, CHANNELS, h, w].
    maps: Option<Tensor>,
    cameras: Vec<(CameraPose, CameraPose)>,
    globals: Vec<[f32; GLOBALS]>,
    past_globals: Vec<[f32; GLOBALS]>,
}

/// What a network is given.
pub struct Inputs {
    /// [b, t, tokens, latent].
    pub past: Tensor,
    /// [b, t, NUMBERS].
    pub past_numbers: Tensor,
    guess: Tensor,
    known: Tensor,
    maps: Option<Tensor>,
    numbers: Vec<f32>,
    shape: [i64; 2],
}

/// Wanted frames without their noisy latents.
pub struct WantedInputs<'a> {
    inputs: &'a Inputs,
    numbers: Tensor,
}

impl<'a> Batch<'a> {
    /// An empty one.
    pub fn new(coder: &'a Autoencoder, kind: Kind, device: Device, size: (u32, u32)) -> Self {
        Self { coder, kind, device, size, rows: Vec::new() }
    }

    /// Takes in a sequence.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn add(&mut self, sequence: &Sequence, mode: Mode) -> Result<(), TrainError> {
        let _guard = tch::no_grad_guard();
        let truth = pictures(sequence.rgb.iter().map(Vec::as_slice), self.size, self.device)?;
        let latent = self.coder.encode(&truth.f_to_kind(self.kind)?)?;
        let (mut guess, mut known, mut maps) = (None, None, None);
        if mode == Mode::Anchored {
            let (mut rgb, mut how_well) = (Vec::new(), Vec::new());
            let (mut all, mut all_known, mut all_maps) = (Vec::new(), Vec::new(), Vec::new());
            for frame in &sequence.frames {
                best_guess(&frame.maps, &mut rgb, &mut how_well);
                all.extend_from_slice(&rgb);
                all_known.extend_from_slice(&how_well);
                all_maps.extend_from_slice(&frame.maps);
            }
            guess = Some(self.coder.encode(&self.tensor(&all, 3)?.f_to_kind(self.kind)?)?);
            known = Some(token_mean(&self.tensor(&all_known, 1)?)?);
            maps = Some(self.tensor(&all_maps, CHANNELS as i64)?.f_to_kind(self.kind)?);
        }
        let globals = match mode {
            Mode::Anchored => sequence.frames.iter().map(|f| f.globals).collect(),
            Mode::Dream => sequence.dreamed.clone(),
        };
        let cameras = sequence.cameras.iter().copied().zip(sequence.commanded.iter().copied());
        self.rows.push(Row {
            mode,
            truth,
            latent,
            guess,
            known,
            maps,
            cameras: cameras.collect(),
            globals,
            past_globals: sequence.dreamed.clone(),
        });
        Ok(())
    }

    /// Interleaved values as [t, channels, h, w].
    fn tensor(&self, values: &[f32], channels: i64) -> Result<Tensor, TrainError> {
        let shape = [-1, i64::from(self.size.1), i64::from(self.size.0), channels];
        let tensor = Tensor::f_from_slice(values)?.f_view(shape)?.f_to_device(self.device)?;
        Ok(tensor.f_permute([0, 3, 1, 2])?)
    }

    /// Latents of the true pictures, [b, t, tokens, latent].
    ///
    /// # Errors
    /// libtorch refused.
    pub fn truth(&self) -> Result<Tensor, TrainError> {
        let rows =
            self.rows.iter().map(|row| tokens(&row.latent)).collect::<Result<Vec<_>, _>>()?;
        Ok(Tensor::f_stack(&rows, 0)?)
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
            Past::Own(own) => own.shallow_clone(),
        };
        let (mut guesses, mut knowns, mut maps) = (Vec::new(), Vec::new(), Vec::new());
        let (mut past_numbers, mut wanted_numbers) = (Vec::new(), Vec::new());
        for (index, row) in self.rows.iter().enumerate() {
            let (guess, known) = match (&row.guess, &row.known) {
                (Some(guess), Some(known)) => (guess.shallow_clone(), known.shallow_clone()),
                _ => self.dream_guess(row, past, &clean.f_select(0, index as i64)?, rng)?,
            };
            guesses.push(tokens(&guess)?);
            knowns.push(tokens(&known)?);
            maps.push(row.maps.as_ref().map(Tensor::shallow_clone));
            let past = Treatment { noise_level: level, step: 0.0, wanted: false, anchored: false };
            let wanted = Treatment { wanted: true, anchored: row.mode == Mode::Anchored, ..past };
            // What is past is told in one way, whatever it was made from.
            past_numbers.extend(row.past_globals.iter().flat_map(|g| numbers(g, past)));
            wanted_numbers.extend(row.globals.iter().flat_map(|g| numbers(g, wanted)));
        }
        let shape = [self.rows.len() as i64, clean.size()[1]];
        let noise = clean.f_randn_like()?;
        let noisy = clean.f_add(&noise.f_sub(&clean)?.f_mul_scalar(f64::from(level))?)?;
        let maps = if maps.iter().all(Option::is_none) {
            None
        } else {
            let blank = |map: Option<Tensor>| match map {
                Some(map) => Ok(map),
                None => {
                    let side = [i64::from(self.size.1), i64::from(self.size.0)];
                    let shape = [shape[1], CHANNELS as i64, side[0], side[1]];
                    Tensor::f_zeros(shape, (self.kind, self.device))
                }
            };
            let maps = maps.into_iter().map(blank).collect::<Result<Vec<_>, _>>()?;
            Some(Tensor::f_cat(&maps, 0)?)
        };
        Ok(Inputs {
            past: noisy,
            past_numbers: self.numbers(&past_numbers, shape)?,
            guess: Tensor::f_stack(&guesses, 0)?,
            known: Tensor::f_stack(&knowns, 0)?,
            maps,
            numbers: wanted_numbers,
            shape,
        })
    }

    fn numbers(&self, values: &[f32], [b, t]: [i64; 2]) -> Result<Tensor, TrainError> {
        let tensor = Tensor::f_from_slice(values)?.f_view([b, t, NUMBERS as i64])?;
        Ok(tensor.f_to_device(self.device)?)
    }

    /// The frame before as the commanded camera sees it, by the depth that the decoder reads from its latents. Where nothing is before, nothing
    /// is known.
    fn dream_guess(
        &self,
        row: &Row,
        past: &Past,
        latents: &Tensor,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Tensor, Tensor), TrainError> {
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let grid = row.latent.size();
        let pictures = from_tokens(latents, grid[2], grid[3])?;
        let decoded = self.coder.decode(&pictures, self.kind)?;
        let own = matches!(past, Past::Own(_)) || rng.random_bool(0.3);
        let shown = if own { decoded.rgb.f_clamp(-1.0, 1.0)? } else { row.truth.shallow_clone() };
        let values = |t: &Tensor| -> Result<Vec<f32>, TrainError> {
            let rows = t.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_to_device(Device::Cpu)?;
            Ok(Vec::try_from(rows.f_view([-1])?)?)
        };
        let (rgb, near) = (values(&shown)?, values(&decoded.nearness)?);
        let depth: Vec<f32> = near.iter().map(|n| depth_m(*n)).collect();
        let pixels = width * height;
        let mut all = vec![0.0; 3 * pixels];
        let mut all_known = vec![0.0; pixels];
        let (mut out, mut known) = (Vec::new(), Vec::new());
        for frame in 1..row.cameras.len() {
            let before = frame - 1;
            let past = OwnDepth {
                width,
                height,
                rgb: &rgb[3 * pixels * before..3 * pixels * frame],
                depth_m: &depth[pixels * before..pixels * frame],
                camera: &row.cameras[before].0,
            };
            splat(&past, &row.cameras[frame].1, &mut out, &mut known);
            all.extend_from_slice(&out);
            all_known.extend_from_slice(&known);
        }
        let guess = self.coder.encode(&self.tensor(&all, 3)?.f_to_kind(self.kind)?)?;
        Ok((guess, token_mean(&self.tensor(&all_known, 1)?)?))
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
                let unknowable = row.mode == Mode::Dream;
                (0..row.cameras.len()).map(move |i| if i == 0 && unknowable { 0.0 } else { 1.0 })
            })
            .collect();
        let total = weights.iter().sum::<f32>().max(1.0);
        let shape = [self.rows.len() as i64, predicted.size()[1]];
        let weights = Tensor::f_from_slice(&weights)?.f_view(shape)?.f_to_device(self.device)?;
        let error = predicted.f_sub(truth)?.f_square()?;
        let error = error.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?;
        Ok(error.f_mul(&weights)?.f_sum(Kind::Float)?.f_div_scalar(f64::from(total))?)
    }

    /// Frame `frame` of each sequence decoded, and its truth, [b, 3, h, w]; never the first one of a dream.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn decoded(
        &self,
        predicted: &Tensor,
        frame: usize,
    ) -> Result<(Tensor, Tensor), TrainError> {
        let (mut shown, mut targets) = (Vec::new(), Vec::new());
        for (index, row) in self.rows.iter().enumerate() {
            let frame = if row.mode == Mode::Dream { frame.max(1) } else { frame } as i64;
            let grid = row.latent.size();
            let latent = predicted.f_select(0, index as i64)?.f_narrow(0, frame, 1)?;
            shown.push(from_tokens(&latent, grid[2], grid[3])?);
            targets.push(row.truth.f_narrow(0, frame, 1)?);
        }
        let decoded = self.coder.decode(&Tensor::f_cat(&shown, 0)?, self.kind)?;
        Ok((decoded.rgb, Tensor::f_cat(&targets, 0)?))
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
            maps: self.inputs.maps.as_ref(),
            globals: &self.numbers,
        }
    }
}
