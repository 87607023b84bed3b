//! Figures of a played run.

use std::collections::BTreeMap;
use std::time::Instant;

use bevy_reverie::runtime::frame::NeuralFrame;
use bevy_reverie::runtime::quantiles::Quantiles;
use bevy_reverie::runtime::request::{DreamMode, FrameSource};
use serde_json::{Value, json};

/// Everything `summary.json` says.
#[derive(Debug, Default)]
pub struct Stats {
    /// Milliseconds by stage.
    stages: BTreeMap<&'static str, Quantiles>,
    /// Neural pictures taken.
    pub neural_frames: u64,
    /// Of those, pictures that were dreamed without the shadow.
    pub dreamed_frames: u64,
    /// Display frames that showed shadow paint.
    pub fallback_frames: u64,
    /// Display frames.
    pub display_frames: u64,
    /// From the start of the program to the first neural picture on screen, seconds.
    pub first_frame_s: Option<f64>,
    last_serial: u64,
    started: Option<Instant>,
}

impl Stats {
    /// The clock of the frame rates starts.
    pub fn start(&mut self) {
        self.started = Some(Instant::now());
    }

    /// One display frame, with the picture that it shows.
    pub fn note(&mut self, serial: u64, frame: Option<&NeuralFrame>) {
        self.display_frames += 1;
        let Some(frame) = frame else { return };
        if frame.source == FrameSource::ShadowPaint {
            self.fallback_frames += 1;
        }
        let now = Instant::now();
        let mut add = |name, ms| self.stages.entry(name).or_default().add(ms);
        let milliseconds =
            |to: Instant| to.saturating_duration_since(frame.input_at).as_secs_f64() * 1e3;
        add("source_age", milliseconds(now));
        if serial != self.last_serial {
            self.last_serial = serial;
            self.neural_frames += u64::from(frame.source == FrameSource::Model);
            self.dreamed_frames += u64::from(frame.mode == DreamMode::Dream);
            for (name, ms) in frame.times.stages() {
                add(name, f64::from(ms));
            }
            add("input_to_frame", milliseconds(frame.finished_at));
        }
    }

    /// All figures. `extra` is merged in.
    pub fn summary(&self, extra: &[(&str, Value)]) -> Value {
        let seconds = self.started.map_or(0.0, |s| s.elapsed().as_secs_f64()).max(1e-9);
        let stages: BTreeMap<_, _> =
            self.stages.iter().map(|(name, quantiles)| (*name, quantiles.summary())).collect();
        let mut summary = json!({
            "frames": self.display_frames,
            "model_frames": self.neural_frames,
            "dreamed_frames": self.dreamed_frames,
            "fallback_frames": self.fallback_frames,
            "seconds": seconds,
            "model_fps": self.neural_frames as f64 / seconds,
            "display_fps": self.display_frames as f64 / seconds,
            "first_frame_s": self.first_frame_s,
            "peak_memory_mb": peak_memory_mb(),
            "stages_ms": stages,
        });
        if let Some(map) = summary.as_object_mut() {
            for (name, value) in extra {
                map.insert((*name).to_owned(), value.clone());
            }
        }
        summary
    }
}

/// Largest resident size so far, where the system tells it.
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
