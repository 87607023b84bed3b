//! Sequences of an episode's frames, as model M learns them.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use reverie_guard::CameraPose;

use crate::bits::to_bits;
use crate::commanded::commanded;
use crate::condition::{CHANNELS, GLOBALS};
use crate::data::{DataError, Episode};
use crate::model::latent::told::{best_guess, dream_globals};
use crate::train::Sampling;
use crate::train::sample::{Sample, Visit};

/// Successive frames.
#[derive(Default)]
pub struct Sequence {
    /// The frames' true bytes, each `height * width * 3`.
    pub rgb: Vec<Vec<u8>>,
    /// Where each was taken from.
    pub cameras: Vec<CameraPose>,
    /// Where the player's command alone takes the camera of the frame before; the first one stays.
    pub commanded: Vec<CameraPose>,
    /// What a model that does not see the shadow is told, as [`Sample::globals`].
    pub dreamed: Vec<[f32; GLOBALS]>,
    /// What the shadow shows of the frames; empty if it was not looked at.
    pub shadow: Shadow,
}

/// What a model that sees the shadow is given of frames, one after another.
#[derive(Default)]
pub struct Shadow {
    /// As [`Sample::maps`], bits of bfloat16.
    pub maps: Vec<i16>,
    /// As [`Sample::globals`].
    pub globals: Vec<[f32; GLOBALS]>,
    /// As [`best_guess`] makes them: colours, interleaved.
    pub guess: Vec<f32>,
    /// And how well each pixel is known.
    pub known: Vec<f32>,
}

impl Shadow {
    fn push(&mut self, sample: &Sample) {
        let (mut rgb, mut known) = (Vec::new(), Vec::new());
        best_guess(&sample.maps, sample.maps.len() / CHANNELS, &mut rgb, &mut known);
        self.maps.extend(to_bits(&sample.maps));
        self.globals.push(sample.globals);
        self.guess.append(&mut rgb);
        self.known.append(&mut known);
    }
}

impl Sequence {
    /// Takes in frame `frame` of `episode`, the one after the last.
    fn push(&mut self, episode: &Episode, frame: usize) -> Result<(), DataError> {
        let now = episode.snapshot(frame);
        let (style, action) = (episode.style(frame), episode.action(frame));
        let before = episode.snapshot(frame.saturating_sub(1));
        let dt_s = (now.time_s - before.time_s) as f32;
        let commanded = commanded(&before.camera, &action, dt_s);
        let dreamed = dream_globals(&style, (&before.camera, &commanded), &action, dt_s);
        self.rgb.push(episode.frame_rgb(frame)?);
        self.cameras.push(now.camera);
        self.commanded.push(if frame == 0 { now.camera } else { commanded });
        self.dreamed.push(dreamed);
        Ok(())
    }
}

fn starts(episode: &Episode, length: usize, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let Some(latest) = episode.len().checked_sub(length) else { return Vec::new() };
    let mut starts: Vec<usize> = (0..count).map(|_| rng.random_range(0..=latest)).collect();
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// Draws up to `count` sequences of `length` frames from one episode, without its shadow; none if it is shorter.
///
/// # Errors
/// The episode is damaged.
pub fn draw_plain(
    episode: &Episode,
    length: usize,
    count: usize,
    rng: &mut ChaCha8Rng,
    out: &mut dyn FnMut(Sequence),
) -> Result<(), DataError> {
    for start in starts(episode, length, count, rng) {
        let mut sequence = Sequence::default();
        (start..start + length).try_for_each(|frame| sequence.push(episode, frame))?;
        out(sequence);
    }
    Ok(())
}

/// As [`draw_plain`], with what the shadow shows of each frame to one who has seen the frames before it.
///
/// # Errors
/// The episode is damaged.
pub fn draw_shadowed(
    episode: &Episode,
    sampling: &Sampling,
    length: usize,
    count: usize,
    rng: &mut ChaCha8Rng,
    out: &mut dyn FnMut(Sequence),
) -> Result<(), DataError> {
    let starts = starts(episode, length, count, rng);
    let mut visit = Visit::new(episode, sampling, rng.random_bool(sampling.keep_tints));
    let mut view = None;
    let mut open: Vec<Sequence> = Vec::new();
    for frame in 0..starts.last().map_or(0, |start| start + length) {
        if starts.contains(&frame) {
            open.push(Sequence::default());
        }
        let samples = visit.next(&mut view, open.len(), rng)?.unwrap_or_default();
        for (sequence, sample) in open.iter_mut().zip(samples) {
            sequence.push(episode, frame)?;
            sequence.shadow.push(&sample);
        }
        let (done, rest) = open.into_iter().partition(|s: &Sequence| s.rgb.len() == length);
        open = rest;
        done.into_iter().for_each(&mut *out);
    }
    Ok(())
}
