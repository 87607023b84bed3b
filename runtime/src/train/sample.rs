//! Training samples, drawn from an episode in order of time, so that what a sample may know lies before it.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use reverie_kernels::exemplar::Exemplars;
use reverie_kernels::warp::{PastFrame, warp};

use super::recipe::Sampling;
use crate::condition::{CANDIDATES, CHANNELS, Candidates, GLOBALS, Globals, pack_maps};
use crate::data::{DataError, Episode};
use crate::memory::{DEFAULT_BYTES, SurfaceMemory};
use crate::references::layer_keys;
use crate::view::ShadowView;

/// Pixels along a patch of memory that is left out.
const PATCH: usize = 12;

/// One picture to learn.
#[derive(Debug, Clone)]
pub struct Sample {
    /// `height * width * CHANNELS`, interleaved.
    pub maps: Vec<f32>,
    /// As [`Globals::pack`].
    pub globals: [f32; GLOBALS],
    /// Truth: `height * width * 3`, −1 to 1.
    pub target: Vec<f32>,
}

/// A walk through an episode in order of time, which knows at each frame what the frames before it showed.
pub(crate) struct Visit<'a> {
    episode: &'a Episode,
    sampling: &'a Sampling,
    /// Tints are open or given for the whole visit: paint, exemplars and condition must agree on it.
    keep_tints: bool,
    exemplars: Exemplars,
    memory: SurfaceMemory,
    drawn: Vec<PastFrame>,
}

impl<'a> Visit<'a> {
    /// Before the first frame.
    pub fn new(episode: &'a Episode, sampling: &'a Sampling, keep_tints: bool) -> Self {
        let (exemplars, memory) = (Exemplars::new(), SurfaceMemory::new(DEFAULT_BYTES));
        Self { episode, sampling, keep_tints, exemplars, memory, drawn: Vec::new() }
    }

    /// Goes on to the next frame and gives `count` samples of it; `None` after the last one.
    ///
    /// # Errors
    /// The episode is damaged.
    pub fn next(
        &mut self,
        view: &mut Option<ShadowView>,
        count: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<Option<Vec<Sample>>, DataError> {
        let (episode, frame) = (self.episode, self.drawn.len());
        if frame >= episode.len() {
            return Ok(None);
        }
        let (width, height) = (episode.header().width as usize, episode.header().height as usize);
        let (snapshot, style) = (episode.snapshot(frame), episode.style(frame));
        let view = match view {
            Some(view) => {
                view.draw(&snapshot, &style, width, height, self.keep_tints);
                view
            }
            none => none.insert(ShadowView::new(&snapshot, &style, width, height, self.keep_tints)),
        };
        let rgb: Vec<f32> =
            episode.frame_rgb(frame)?.iter().map(|b| f32::from(*b) / 255.0).collect();
        self.memory.announce(view, &style);
        let samples = (0..count).map(|_| self.sample(view, &rgb, rng)).collect();
        // Neighbouring frames show the same texels: every other one is enough.
        if frame.is_multiple_of(2) {
            self.exemplars.write(&view.maps, &rgb, &view.paint, |_| 1.0);
        } else {
            self.memory.write(view, &rgb, |_| 1.0);
        }
        self.drawn.push(PastFrame::new(view.scene(), &view.camera, &view.maps, rgb));
        Ok(Some(samples))
    }

    fn sample(&mut self, view: &ShadowView, rgb: &[f32], rng: &mut ChaCha8Rng) -> Sample {
        let frame = self.drawn.len();
        let (exemplars, memory) = (&mut self.exemplars, &mut self.memory);
        one_sample(
            self.episode,
            self.sampling,
            rng,
            frame,
            view,
            rgb,
            &self.drawn,
            exemplars,
            memory,
        )
    }
}

/// Draws `sampling.per_visit` samples from one episode.
///
/// # Errors
/// The episode is damaged.
pub fn draw_samples(
    episode: &Episode,
    sampling: &Sampling,
    rng: &mut ChaCha8Rng,
    mut out: impl FnMut(Sample),
) -> Result<(), DataError> {
    let mut targets: Vec<usize> =
        (0..sampling.per_visit).map(|_| rng.random_range(0..episode.len())).collect();
    targets.sort_unstable();
    let mut visit = Visit::new(episode, sampling, rng.random_bool(sampling.keep_tints));
    let mut view = None;
    for frame in 0..=targets.last().copied().unwrap_or(0) {
        let count = targets.iter().filter(|t| **t == frame).count();
        visit.next(&mut view, count, rng)?.into_iter().flatten().for_each(&mut out);
    }
    Ok(())
}

fn one_sample(
    episode: &Episode,
    sampling: &Sampling,
    rng: &mut ChaCha8Rng,
    frame: usize,
    view: &ShadowView,
    rgb: &[f32],
    drawn: &[PastFrame],
    exemplars: &mut Exemplars,
    memory: &mut SurfaceMemory,
) -> Sample {
    let pixels = view.maps.width * view.maps.height;
    let mut candidates = Candidates::default();
    candidates.clear(pixels);
    candidates.paint.copy_from_slice(view.bare_paint());
    if rng.random_bool(sampling.no_exemplar) {
        candidates.exemplar.copy_from_slice(view.bare_paint());
    } else {
        view.dress(exemplars, &mut candidates.exemplar, &mut candidates.exemplar_confidence);
    }
    let cold = drawn.is_empty() || rng.random_bool(sampling.cold);
    let noisy = rng.random_bool(sampling.context_noise);
    let context_noise = if noisy && !cold { rng.random_range(0.0..1.0f32) } else { 0.0 };
    let mut last_frame = None;
    if !cold && !rng.random_bool(sampling.no_last) {
        let stride =
            if rng.random_bool(0.6) { 1 } else { rng.random_range(1..=sampling.longest_stride) };
        let at = frame.saturating_sub(stride).min(drawn.len() - 1);
        last_frame = Some(at);
        warp(
            view.scene(),
            &view.camera,
            &view.maps,
            &drawn[at],
            &mut candidates.last,
            &mut candidates.last_valid,
        );
    }
    let mut has_key = false;
    if !cold && drawn.len() > 1 && !rng.random_bool(sampling.no_key) {
        let picks: Vec<&PastFrame> = (0..rng.random_range(1..=4))
            .map(|_| &drawn[rng.random_range(0..drawn.len() - 1)])
            .collect();
        has_key = layer_keys(&picks, view, &mut candidates);
    }
    if !cold && !rng.random_bool(sampling.no_memory) {
        memory.read(view, &mut candidates.memory, &mut candidates.memory_confidence);
        leave_out(&mut candidates.memory_confidence, view.maps.width, rng);
    }
    if context_noise > 0.0 {
        disturb(&mut candidates.last, view.maps.width, context_noise, rng);
        disturb(&mut candidates.key, view.maps.width, 0.6 * context_noise, rng);
        disturb(&mut candidates.exemplar, view.maps.width, 0.4 * context_noise, rng);
        disturb(&mut candidates.memory, view.maps.width, 0.6 * context_noise, rng);
    }
    let mut maps = vec![0.0; pixels * CHANNELS];
    pack_maps(&view.shadow, &view.camera, &view.maps, &candidates, &mut maps);
    let blank = rng.random_bool(sampling.blank_condition);
    if blank {
        maps.chunks_exact_mut(CHANNELS).for_each(|pixel| pixel[..CANDIDATES].fill(0.0));
    }
    let globals = Globals {
        style: episode.style(frame),
        sun_direction: view.scene().sun_direction,
        camera: view.camera,
        last_camera: last_frame.map(|f| episode.snapshot(f).camera),
        dt_s: last_frame
            .map_or(0.0, |f| (episode.snapshot(frame).time_s - episode.snapshot(f).time_s) as f32),
        context_noise,
        condition_strength: if blank { 0.0 } else { 1.0 },
        action: episode.action(frame),
        has_key,
    };
    Sample { maps, globals: globals.pack(), target: rgb.iter().map(|v| 2.0 * v - 1.0).collect() }
}

/// Lowers confidence as a whole, and forgets square patches: what a memory of a longer walk does not know.
fn leave_out(confidence: &mut [f32], width: usize, rng: &mut ChaCha8Rng) {
    let gain = rng.random_range(0.4..1.0f32);
    let share = if rng.random_bool(0.5) { rng.random_range(0.0..0.6) } else { 0.0 };
    let columns = width.div_ceil(PATCH);
    let rows = confidence.len().div_ceil(width * PATCH);
    let open: Vec<bool> = (0..columns * rows).map(|_| rng.random_bool(share)).collect();
    for (pixel, confidence) in confidence.iter_mut().enumerate() {
        let patch = pixel / width / PATCH * columns + pixel % width / PATCH;
        *confidence *= if open[patch] { 0.0 } else { gain };
    }
}

/// Makes a reference look like the model's own output after a while: blurred by resampling, off in colour,
/// noisy. `level` 0 to 1.
fn disturb(rgb: &mut [f32], width: usize, level: f32, rng: &mut ChaCha8Rng) {
    let blur = level * rng.random_range(0.0..0.8f32);
    let row = 3 * width;
    if blur > 0.05 && rgb.len() > 2 * row {
        let before = rgb.to_vec();
        for i in row..rgb.len() - row {
            let cross = before[i - 3] + before[i + 3] + before[i - row] + before[i + row];
            rgb[i] += blur * (0.2 * (cross + before[i]) - rgb[i]);
        }
    }
    let gain: [f32; 3] = std::array::from_fn(|_| 1.0 + level * rng.random_range(-0.08..0.08f32));
    let offset: [f32; 3] = std::array::from_fn(|_| level * rng.random_range(-0.04..0.04f32));
    let sigma = level * rng.random_range(0.0..0.10f32);
    for pixel in rgb.chunks_exact_mut(3) {
        for c in 0..3 {
            // The sum of four uniform values is near enough to a normal one.
            let noise: f32 = (0..4).map(|_| rng.random_range(-0.87..0.87f32)).sum();
            pixel[c] = (pixel[c] * gain[c] + offset[c] + sigma * noise).clamp(0.0, 1.0);
        }
    }
}
