//! Sequences of an episode's frames, as model M learns them.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use reverie_guard::CameraPose;

use crate::condition::GLOBALS;
use crate::data::{DataError, Episode};
use crate::model::latent::told::dream_globals;
use crate::train::Sampling;
use crate::train::sample::{Sample, Visit};

/// Successive frames.
pub struct Sequence {
    /// Condition maps, globals and truth of each frame.
    pub frames: Vec<Sample>,
    /// The frame's true bytes, `height * width * 3`.
    pub rgb: Vec<Vec<u8>>,
    /// Where each was taken from.
    pub cameras: Vec<CameraPose>,
    /// Where the player's command alone takes the camera of the frame before; the first one stays.
    pub commanded: Vec<CameraPose>,
    /// As [`Sample::globals`], of a model that does not see the shadow.
    pub dreamed: Vec<[f32; GLOBALS]>,
}

/// Draws `count` sequences of `length` frames from one episode; none if it is shorter.
///
/// # Errors
/// The episode is damaged.
pub fn draw_sequences(
    episode: &Episode,
    sampling: &Sampling,
    length: usize,
    count: usize,
    rng: &mut ChaCha8Rng,
    out: &mut dyn FnMut(Sequence),
) -> Result<(), DataError> {
    let Some(latest) = episode.len().checked_sub(length) else { return Ok(()) };
    let mut starts: Vec<usize> = (0..count).map(|_| rng.random_range(0..=latest)).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut visit = Visit::new(episode, sampling, rng.random_bool(sampling.keep_tints));
    let mut view = None;
    let mut open: Vec<Sequence> = Vec::new();
    for frame in 0..starts.last().map_or(0, |start| start + length) {
        if starts.contains(&frame) {
            open.push(Sequence {
                frames: Vec::with_capacity(length),
                rgb: Vec::with_capacity(length),
                cameras: Vec::with_capacity(length),
                commanded: Vec::with_capacity(length),
                dreamed: Vec::with_capacity(length),
            });
        }
        let samples = visit.next(&mut view, open.len(), rng)?.unwrap_or_default();
        let now = episode.snapshot(frame);
        let (style, action) = (episode.style(frame), episode.action(frame));
        let before = episode.snapshot(frame.saturating_sub(1));
        let dt_s = (now.time_s - before.time_s) as f32;
        let (commanded, dreamed) = dream_globals(&style, &before.camera, &action, dt_s);
        for (sequence, sample) in open.iter_mut().zip(samples) {
            sequence.frames.push(sample);
            sequence.rgb.push(episode.frame_rgb(frame)?);
            sequence.cameras.push(now.camera);
            sequence.commanded.push(if frame == 0 { now.camera } else { commanded });
            sequence.dreamed.push(dreamed);
        }
        let (done, rest) = open.into_iter().partition(|s: &Sequence| s.frames.len() == length);
        open = rest;
        done.into_iter().for_each(&mut *out);
    }
    Ok(())
}
