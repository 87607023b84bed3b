//! What Tracy is told beside zones: curves of the figures. Only built with the feature `tracy`.
//!
//! The macros are `reverie_runtime`'s ([`reverie_runtime::profile`]); Bevy adds its own spans, frame marks and GPU times
//! to the same client.

use std::time::Duration;

use bevy::prelude::*;
use bevy::time::common_conditions::on_real_timer;
use reverie_runtime::profile_plot;

use crate::dream::{Dream, NeuralPicture};
use crate::latency::FrameFigures;

/// Curves of the dream, of memory and of rejects.
pub(crate) struct ProfilePlugin;

impl Plugin for ProfilePlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(
            Last,
            (plot_dream, plot_memory.run_if(on_real_timer(Duration::from_millis(500)))),
        );
    }
}

/// Curves of a presented frame.
pub(crate) fn plot_latency(figures: &FrameFigures) {
    profile_plot!("input to present ms", figures.input_to_present);
    if let Some(ms) = figures.source_age {
        profile_plot!("source age ms", ms);
    }
    if let Some(ms) = figures.pose_age {
        profile_plot!("pose age ms", ms);
    }
}

/// Model frames per second over the last pictures, and requests that were refused.
fn plot_dream(
    cameras: Query<(&Dream, &NeuralPicture)>,
    mut last: Local<Option<(u64, std::time::Instant)>>,
) {
    let Some((dream, picture)) = cameras.iter().next() else { return };
    let Some(frame) = &picture.frame else { return };
    if last.is_some_and(|(serial, _)| serial == picture.serial) {
        return;
    }
    if let Some((_, before)) = *last {
        let seconds = frame.finished_at.saturating_duration_since(before).as_secs_f64();
        if seconds > 0.0 {
            profile_plot!("model fps", 1.0 / seconds);
        }
    }
    *last = Some((picture.serial, frame.finished_at));
    profile_plot!("refused requests", dream.status().refused as f64);
    profile_plot!("guard rejects", dream.status().guard.rejects as f64);
    profile_plot!("fallback frames", dream.status().fallback_frames as f64);
}

/// Resident memory, where the system tells it.
fn plot_memory() {
    let Ok(statm) = std::fs::read_to_string("/proc/self/statm") else { return };
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok());
    if let Some(pages) = pages {
        // Pages of 4 KiB.
        profile_plot!("memory MB", pages * 4096.0 / 1e6);
    }
}
