//! The result of an evaluation: for a program through serde, for a reader as a table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::camera::CameraFigures;
use super::rows::{RowKind, WHOLE_FRAMES};
use super::score::{Entry, Row};
#[cfg(feature = "tch")]
use crate::frame::StageTimes;

/// All figures of one evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The model's name.
    pub model: String,
    /// SHA-256 of its weights.
    pub weights_sha256: String,
    /// Name of the folder of episodes.
    pub data: String,
    /// Episodes compared.
    pub episodes: usize,
    /// True frames given before the comparison begins.
    pub prompt_frames: usize,
    /// Seconds from frame to frame.
    pub frame_dt_s: f32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Where the network ran.
    pub device: String,
    /// In which numbers.
    pub kind: String,
    /// Threads of the network on a CPU.
    pub threads: usize,
    /// Denoising steps of the rows.
    pub steps: u32,
    /// Time taken, seconds.
    pub evaluated_s: f64,
    /// By row.
    pub rows: BTreeMap<RowKind, Row>,
    /// PSNR of the autoregressive row above that of warp + paint, dB, by horizon.
    pub gain_over_warp_paint_db: BTreeMap<usize, f64>,
    /// The same above shadow paint.
    pub gain_over_shadow_paint_db: BTreeMap<usize, f64>,
    /// What the autoregressive row loses when tints are withheld, bodies are another episode's, or actions are
    /// shuffled, and a dream when actions are shuffled or left out, dB, by horizon.
    pub control_loss_db: BTreeMap<RowKind, BTreeMap<usize, f64>>,
    /// PSNR of the dream above that of the held prompt frame and of the commanded warp, dB, by horizon.
    pub dream_gain_db: BTreeMap<RowKind, BTreeMap<usize, f64>>,
    /// Where the dream's camera goes, and whether it follows the keys.
    pub dream_camera: Option<CameraFigures>,
    /// By rows that have horizons: least squares over PSNR from frame 64 after the prompt, dB per second.
    pub slope_db_per_s: BTreeMap<RowKind, f64>,
    /// Quality and time by number of denoising steps, autoregressive.
    pub steps_compared: BTreeMap<u32, StepsFigures>,
    /// Times of the autoregressive row's frames by stage, and `total`.
    pub stages: BTreeMap<&'static str, Times>,
    /// Frames per second that the model alone makes here.
    pub model_fps: Option<f64>,
    /// Worlds without a prompt.
    pub cold_start: Option<ColdStart>,
    /// What was left out, and why.
    pub notes: Vec<String>,
    /// Pictures that were written.
    pub pictures: Vec<PathBuf>,
}

/// The autoregressive row with another number of steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepsFigures {
    /// By frames after the prompt, up to 64.
    #[serde(flatten)]
    pub horizons: BTreeMap<usize, Entry>,
    /// Whole frame, mean, milliseconds.
    pub ms_per_frame: f64,
}

/// Worlds whose first frame is invented: no prompt, only a look.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColdStart {
    /// Worlds.
    pub worlds: usize,
    /// Gradient energy of the first frame over the truth's.
    pub first_sharpness: Option<f64>,
    /// The same, [`later_frame`](Self::later_frame) frames on.
    pub later_sharpness: Option<f64>,
    /// As [`Entry::texture_sharpness`], of the first frame.
    pub first_texture_sharpness: Option<f64>,
    /// The same, [`later_frame`](Self::later_frame) frames on.
    pub later_texture_sharpness: Option<f64>,
    /// Counted from 0.
    pub later_frame: usize,
    /// Mean colourfulness (Hasler and Süsstrunk 2003, on 0 to 1) of the first frames.
    pub colourfulness: f64,
    /// Of the true frames.
    pub true_colourfulness: f64,
}

/// Milliseconds over many frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Times {
    /// Milliseconds.
    pub mean_ms: f64,
    /// Milliseconds.
    pub p50_ms: f64,
    /// Milliseconds.
    pub p95_ms: f64,
    /// Milliseconds.
    pub p99_ms: f64,
    /// Milliseconds.
    pub max_ms: f64,
}

impl Times {
    /// Quantiles by nearest rank; `None` without a value.
    pub fn of(mut values_ms: Vec<f64>) -> Option<Self> {
        values_ms.sort_by(f64::total_cmp);
        let count = values_ms.len();
        let max_ms = *values_ms.last()?;
        let quantile = |q: f64| values_ms[((q * count as f64).ceil() as usize).clamp(1, count) - 1];
        Some(Self {
            mean_ms: values_ms.iter().sum::<f64>() / count as f64,
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
            max_ms,
        })
    }
}

/// Milliseconds of a model frame without its wait in the channel.
#[cfg(feature = "tch")]
pub(super) fn total_ms(times: &StageTimes) -> f64 {
    times
        .stages()
        .into_iter()
        .filter(|(name, _)| *name != "wait")
        .map(|(_, ms)| f64::from(ms))
        .sum()
}

/// By stage, and all of them as `total`.
#[cfg(feature = "tch")]
pub(super) fn stage_times(frames: &[StageTimes]) -> BTreeMap<&'static str, Times> {
    let mut values: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for frame in frames {
        values.entry("total").or_default().push(total_ms(frame));
        // Nothing waits in an evaluation.
        for (name, ms) in frame.stages().into_iter().filter(|(name, _)| *name != "wait") {
            values.entry(name).or_default().push(f64::from(ms));
        }
    }
    values.into_iter().filter_map(|(name, ms)| Some((name, Times::of(ms)?))).collect()
}

impl Report {
    /// All rows and what belongs to them, for a terminal at least 130 letters wide.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "{}: {} episode{} of {}, {} true frames before, {}×{}, {} step{}, {} {}, {} thread{}",
            self.model,
            self.episodes,
            plural(self.episodes),
            self.data,
            self.prompt_frames,
            self.width,
            self.height,
            self.steps,
            plural(self.steps as usize),
            self.device,
            self.kind,
            self.threads,
            plural(self.threads),
        )?;
        writeln!(out)?;
        writeln!(
            out,
            "{:<17}{:>6}{:>9}{:>16}{:>7}{:>7}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
            "",
            "",
            "PSNR dB",
            "",
            "",
            "",
            "PSNR dB",
            "PSNR dB",
            "sharp",
            "texture",
            "texture",
            "texture",
            "share"
        )?;
        writeln!(
            out,
            "{:<17}{:>6}{:>9}{:>16}{:>7}{:>7}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
            "row",
            "frame",
            "all",
            "95 %",
            "SSIM",
            "FLIP",
            "seen",
            "revealed",
            "revealed",
            "all",
            "revealed",
            "distance",
            "revealed"
        )?;
        for (kind, row) in &self.rows {
            if let Some(entry) = &row.whole {
                write_entry(out, *kind, &format!("1–{WHOLE_FRAMES}"), entry)?;
            }
            for (horizon, entry) in &row.horizons {
                write_entry(out, *kind, &horizon.to_string(), entry)?;
            }
        }
        writeln!(out)?;
        let gains = [
            ("gain over warp_paint".to_owned(), &self.gain_over_warp_paint_db),
            ("gain over shadow_paint".to_owned(), &self.gain_over_shadow_paint_db),
        ];
        let losses = self.control_loss_db.iter().chain(&self.dream_gain_db).map(|(kind, loss)| {
            let of_dream = kind.is_dream() || self.dream_gain_db.contains_key(kind);
            (format!("gain {}over {kind}", if of_dream { "of dream " } else { "" }), loss)
        });
        for (what, gains) in gains.into_iter().chain(losses).filter(|(_, gains)| !gains.is_empty())
        {
            let parts: Vec<String> =
                gains.iter().map(|(h, gain)| format!("{gain:+.2} dB at {h}")).collect();
            writeln!(out, "{what}: {}", parts.join(", "))?;
        }
        if let Some(camera) = &self.dream_camera {
            camera.write(out)?;
        }
        for (kind, slope) in &self.slope_db_per_s {
            writeln!(out, "slope of {kind} after frame 64: {slope:+.3} dB/s")?;
        }
        for (steps, figures) in &self.steps_compared {
            write!(
                out,
                "{steps} step{}: {:.1} ms a frame",
                plural(*steps as usize),
                figures.ms_per_frame
            )?;
            if let Some((horizon, entry)) = figures.horizons.last_key_value() {
                let sharp = cell(entry.revealed_texture_sharpness, 2, 0);
                write!(
                    out,
                    ", {:.2} dB at {horizon}, texture of revealed pixels {sharp}",
                    entry.psnr_db
                )?;
            }
            writeln!(out)?;
        }
        for (stage, times) in &self.stages {
            writeln!(
                out,
                "{stage:<10} p50 {:>6.2}  p95 {:>6.2}  p99 {:>6.2}  max {:>6.2} ms",
                times.p50_ms, times.p95_ms, times.p99_ms, times.max_ms
            )?;
        }
        if let Some(fps) = self.model_fps {
            writeln!(out, "model frames per second: {fps:.1}")?;
        }
        if let Some(cold) = &self.cold_start {
            writeln!(
                out,
                "cold start of {} world{}: texture {} at once, {} after {} frames; colourfulness {:.3}, truth {:.3}",
                cold.worlds,
                plural(cold.worlds),
                cell(cold.first_texture_sharpness, 2, 0),
                cell(cold.later_texture_sharpness, 2, 0),
                cold.later_frame,
                cold.colourfulness,
                cold.true_colourfulness
            )?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    }
}

fn write_entry(out: &mut String, kind: RowKind, frame: &str, e: &Entry) -> std::fmt::Result {
    let interval = format!("{:.2} to {:.2}", e.psnr_db_low, e.psnr_db_high);
    writeln!(
        out,
        "{kind:<17}{frame:>6}{:>9.2}{interval:>16}{}{:>7.3}{}{}{}{}{}{}{:>7.1} %",
        e.psnr_db,
        cell(e.ssim, 3, 7),
        e.flip,
        cell(e.seen_psnr_db, 2, 9),
        cell(e.revealed_psnr_db, 2, 9),
        cell(e.revealed_sharpness, 2, 9),
        cell(e.texture_sharpness, 2, 9),
        cell(e.revealed_texture_sharpness, 2, 9),
        cell(e.revealed_texture_distance, 3, 9),
        100.0 * e.revealed_share,
    )
}

/// A dash where there is nothing to say.
fn cell(value: Option<f64>, digits: usize, width: usize) -> String {
    let text = value.map_or("–".to_owned(), |v| format!("{v:.digits$}"));
    format!("{text:>width$}")
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let times = Times::of((1..=200).map(f64::from).rev().collect()).unwrap();
        assert_eq!(
            (times.p50_ms, times.p95_ms, times.p99_ms, times.max_ms),
            (100.0, 190.0, 198.0, 200.0)
        );
        assert_eq!(times.mean_ms, 100.5);
        assert_eq!(Times::of(vec![]), None);
    }
}
