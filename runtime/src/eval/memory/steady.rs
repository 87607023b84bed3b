//! Views that stay, and episodes that go to and fro for minutes: does the picture drift?

use serde::Serialize;

use super::MemoryOptions;
use super::returns::{frozen, request};
use crate::eval::clip::Clip;
use crate::eval::metrics::psnr_db;
use crate::eval::options::EvalError;
use crate::eval::play::shown_rgb;
use crate::eval::rows::PROMPT_FRAMES;
use crate::memory::SharedMemory;
use crate::model::WorldModel;
use crate::model::reverie::ReverieModel;
use reverie_guard::colour::mean_delta_e;

/// Passes over an episode: with 260 frames after the prompt, 1,820 frames.
const PASSES: usize = 7;
/// Episodes that are played to and fro, at most.
const EPISODES: usize = 2;
/// Frames between two points of the static curve.
const EVERY: usize = 100;

/// What came out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SteadyFigures {
    /// Frames of the static view.
    pub static_frames: usize,
    /// Mean ΔE2000 of the last frame from the first dreamed one.
    pub static_drift: f64,
    /// Frame, mean ΔE2000 from the first dreamed frame, and from the truth.
    pub static_curve: Vec<(usize, f64, f64)>,
    /// Frames played to and fro, in each episode.
    pub passed_frames: usize,
    /// PSNR of each pass over the same frames, mean over episodes.
    pub pass_db: Vec<f64>,
    /// Of the first pass.
    pub first_pass_db: f64,
    /// Of the last one.
    pub last_pass_db: f64,
}

/// `None` if nothing is wanted.
pub(super) fn measure(
    clips: &[Clip],
    model: &mut ReverieModel,
    options: &MemoryOptions,
) -> Result<Option<SteadyFigures>, EvalError> {
    let (Some(first), true) = (clips.first(), options.steady_frames > 0) else { return Ok(None) };
    let mut figures = SteadyFigures { static_frames: options.steady_frames, ..Default::default() };
    begin(first, model)?;
    let home = frozen(first.snapshot(PROMPT_FRAMES - 1));
    let truth = &first.rgb[PROMPT_FRAMES - 1];
    let mut start = Vec::new();
    for frame in 1..=options.steady_frames {
        let mut snapshot = home.clone();
        snapshot.time_s += f64::from(first.frame_dt_s()) * frame as f64;
        let rgb = shown_rgb(&model.append_frame(&request(first, frame, snapshot))?);
        if frame == 1 {
            start.clone_from(&rgb);
        }
        if frame == 1 || frame % EVERY == 0 || frame == options.steady_frames {
            let point = (frame, mean_delta_e(&rgb, &start), mean_delta_e(&rgb, truth));
            figures.static_drift = point.1;
            figures.static_curve.push(point);
        }
    }
    let long: Vec<&Clip> = clips.iter().filter(|clip| clip.last >= 30).take(EPISODES).collect();
    for clip in &long {
        begin(clip, model)?;
        let mut step = 0;
        for pass in 0..PASSES {
            let mut sum = 0.0;
            for along in 0..clip.last {
                let at = if pass % 2 == 0 { along } else { clip.last - 1 - along };
                let frame = PROMPT_FRAMES + at;
                let mut snapshot = clip.snapshot(frame);
                step += 1;
                snapshot.time_s = home.time_s + f64::from(clip.frame_dt_s()) * step as f64;
                let rgb = shown_rgb(&model.append_frame(&request(clip, step, snapshot))?);
                sum += psnr_db(clip.picture(&rgb), clip.picture(&clip.rgb[frame]), None)
                    .unwrap_or(0.0);
            }
            figures.pass_db.resize(PASSES, 0.0);
            figures.pass_db[pass] += sum / clip.last as f64 / long.len() as f64;
        }
        figures.passed_frames = figures.passed_frames.max(step);
    }
    figures.first_pass_db = figures.pass_db.first().copied().unwrap_or(0.0);
    figures.last_pass_db = figures.pass_db.last().copied().unwrap_or(0.0);
    Ok(Some(figures))
}

fn begin(clip: &Clip, model: &mut ReverieModel) -> Result<(), EvalError> {
    model.set_memory(Some(SharedMemory::default()), true);
    model.set_ablation(true, true);
    model.forget_look();
    for frame in 0..PROMPT_FRAMES {
        model.prompt(&clip.request(frame), clip.rgb[frame].clone(), 1.0)?;
    }
    Ok(())
}
