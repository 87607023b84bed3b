//! Everything measurable, as Bevy diagnostics.

use std::time::Instant;

use bevy::diagnostic::{
    Diagnostic, DiagnosticPath, Diagnostics, DiagnosticsStore, RegisterDiagnostic,
};
use bevy::prelude::*;
use reverie_runtime::frame::StageTimes;

use crate::dream::{Dream, NeuralPicture};
use crate::memory::NeuralMemory;

/// Pictures of the model per second.
pub const MODEL_FPS: DiagnosticPath = DiagnosticPath::const_new("reverie/model/fps");
/// Frames of the app per second.
pub const DISPLAY_FPS: DiagnosticPath = DiagnosticPath::const_new("reverie/display/fps");
/// From a request's making to its taking.
pub const WAIT_MS: DiagnosticPath = DiagnosticPath::const_new("reverie/model/wait_ms");
/// Pre-checks of the request; observing and judging the picture.
pub const GUARD_MS: DiagnosticPath = DiagnosticPath::const_new("reverie/model/guard_ms");
/// Shadow raster, sun visibility and paint.
pub const RASTER_MS: DiagnosticPath = DiagnosticPath::const_new("reverie/model/raster_ms");
/// Reprojection of past frames and packing of the condition.
pub const CONDITION_MS: DiagnosticPath = DiagnosticPath::const_new("reverie/model/condition_ms");
/// All denoising steps.
pub const DENOISE_MS: DiagnosticPath = DiagnosticPath::const_new("reverie/model/denoise_ms");
/// From the network's values to bytes.
pub const DECODE_MS: DiagnosticPath = DiagnosticPath::const_new("reverie/model/decode_ms");
/// Correcting a picture that the guard rejects.
pub const CORRECT_MS: DiagnosticPath = DiagnosticPath::const_new("reverie/model/correct_ms");
/// What is kept for later frames.
pub const COMMIT_MS: DiagnosticPath = DiagnosticPath::const_new("reverie/model/commit_ms");
/// From the player's input to the finished picture that shows it.
pub const INPUT_TO_FRAME_MS: DiagnosticPath =
    DiagnosticPath::const_new("reverie/latency/input_to_frame_ms");
/// Pictures that shadow paint made since the start.
pub const FALLBACK_FRAMES: DiagnosticPath = DiagnosticPath::const_new("reverie/fallback_frames");
/// Requests that the model refused since the start.
pub const REFUSED_REQUESTS: DiagnosticPath = DiagnosticPath::const_new("reverie/refused_requests");

/// Pictures that the guard judged since the start.
pub const GUARD_JUDGED: DiagnosticPath = DiagnosticPath::const_new("reverie/guard/judged");
/// Times that it asked its observer since the start: other pictures look as those before them.
pub const GUARD_LOOKS: DiagnosticPath = DiagnosticPath::const_new("reverie/guard/looks");
/// Pictures that it rejected since the start.
pub const GUARD_REJECTS: DiagnosticPath = DiagnosticPath::const_new("reverie/guard/rejects");
/// Pictures that it corrected since the start.
pub const GUARD_CORRECTED: DiagnosticPath = DiagnosticPath::const_new("reverie/guard/corrected");
/// Pictures that could not be judged since the start.
pub const GUARD_BLIND: DiagnosticPath = DiagnosticPath::const_new("reverie/guard/blind");

/// Taken by the memory of surfaces, megabytes.
pub const MEMORY_MB: DiagnosticPath = DiagnosticPath::const_new("reverie/memory/mb");
/// Share of the pixels showing a surface of which something was remembered, 0 to 1.
pub const MEMORY_HIT_RATE: DiagnosticPath = DiagnosticPath::const_new("reverie/memory/hit_rate");
/// Reading the memory for a picture.
pub const MEMORY_READ_MS: DiagnosticPath = DiagnosticPath::const_new("reverie/memory/read_ms");
/// Writing a picture into the memory.
pub const MEMORY_WRITE_MS: DiagnosticPath = DiagnosticPath::const_new("reverie/memory/write_ms");

/// Paths of [`StageTimes::stages`], in its order.
pub const STAGES: [DiagnosticPath; 8] =
    [WAIT_MS, GUARD_MS, RASTER_MS, CONDITION_MS, DENOISE_MS, DECODE_MS, CORRECT_MS, COMMIT_MS];

/// Registers and feeds all paths.
pub(crate) struct DiagnosticsPlugin;

impl Plugin for DiagnosticsPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<DiagnosticsStore>();
        let in_ms = STAGES.into_iter().chain([INPUT_TO_FRAME_MS, MEMORY_READ_MS, MEMORY_WRITE_MS]);
        for path in in_ms {
            app.register_diagnostic(Diagnostic::new(path).with_suffix(" ms"));
        }
        app.register_diagnostic(Diagnostic::new(MEMORY_MB).with_suffix(" MB"));
        for path in [GUARD_JUDGED, GUARD_LOOKS, GUARD_REJECTS, GUARD_CORRECTED, GUARD_BLIND] {
            app.register_diagnostic(Diagnostic::new(path));
        }
        for path in [MODEL_FPS, DISPLAY_FPS, FALLBACK_FRAMES, REFUSED_REQUESTS, MEMORY_HIT_RATE] {
            app.register_diagnostic(Diagnostic::new(path));
        }
    }
}

/// Feeds the diagnostics; runs after pictures were taken.
pub(crate) fn measure(
    cameras: Query<(&Dream, &NeuralPicture, &NeuralMemory)>,
    time: Res<Time<Real>>,
    mut diagnostics: Diagnostics,
    mut last: Local<Option<(u64, Instant)>>,
) {
    let display_s = time.delta_secs_f64();
    if display_s > 0.0 {
        diagnostics.add_measurement(&DISPLAY_FPS, || 1.0 / display_s);
    }
    let Some((dream, picture, memory)) = cameras.iter().next() else { return };
    let Some(frame) = &picture.frame else { return };
    let milliseconds =
        |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1e3;
    diagnostics.add_measurement(&FALLBACK_FRAMES, || dream.status().fallback_frames as f64);
    diagnostics.add_measurement(&REFUSED_REQUESTS, || dream.status().refused as f64);
    let guard = &dream.status().guard;
    for (path, count) in [
        (GUARD_JUDGED, guard.judged),
        (GUARD_LOOKS, guard.looks),
        (GUARD_REJECTS, guard.rejects),
        (GUARD_CORRECTED, guard.levels[1..].iter().sum()),
        (GUARD_BLIND, guard.blind),
    ] {
        diagnostics.add_measurement(&path, || count as f64);
    }
    if last.is_some_and(|(serial, _)| serial == picture.serial) {
        return;
    }
    if let Some((_, finished_at)) = *last {
        let seconds = frame.finished_at.saturating_duration_since(finished_at).as_secs_f64();
        if seconds > 0.0 {
            diagnostics.add_measurement(&MODEL_FPS, || 1.0 / seconds);
        }
    }
    *last = Some((picture.serial, frame.finished_at));
    diagnostics
        .add_measurement(&INPUT_TO_FRAME_MS, || milliseconds(frame.input_at, frame.finished_at));
    measure_stages(&frame.times, &mut diagnostics);
    let memory = memory.stats();
    for (path, value) in [
        (MEMORY_MB, memory.bytes as f64 / 1e6),
        (MEMORY_HIT_RATE, f64::from(memory.hit_rate)),
        (MEMORY_READ_MS, f64::from(memory.read_ms)),
        (MEMORY_WRITE_MS, f64::from(memory.write_ms)),
    ] {
        diagnostics.add_measurement(&path, || value);
    }
}

fn measure_stages(times: &StageTimes, diagnostics: &mut Diagnostics) {
    for (path, (_, milliseconds)) in STAGES.iter().zip(times.stages()) {
        diagnostics.add_measurement(path, || f64::from(milliseconds));
    }
}
