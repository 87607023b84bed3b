//! Latency as a figure: where the time goes between the player's input and the present.
//!
//! Stages are named after the markers of the graphics industry; [`Stage`] says where each begins and ends.
//! Per presented frame there are besides:
//!
//! | figure | from … to the present |
//! |---|---|
//! | `input_to_present` | the sampling of the newest input that can be seen: that of the pose which the picture is warped into, otherwise that of the picture's own request, otherwise (ordinary passes) that of the frame |
//! | `source_age` | the moment whose state the neural picture shows: its poses were final |
//! | `pose_age` | the moment when the camera's pose was final; to the *start of the passes* that draw the picture, where it is read |
//! | `present_interval` | the present before |
//!
//! "Present" is the return of Bevy's `render_system`: everything is submitted, and windows are presented. What
//! driver, compositor and display do afterwards is not seen by a program. A frame is measured at the first neural camera
//! that shows a picture.
//!
//! Figures are Bevy diagnostics (`reverie/latency/…`), [`LatencyLog`] for quantiles, and a graph in the HUD.

mod frame;
mod log;
mod marks;
mod render;
mod stage;

use bevy::app::RunFixedMainLoop;
use bevy::diagnostic::{
    Diagnostic, DiagnosticPath, Diagnostics, DiagnosticsStore, RegisterDiagnostic,
};
use bevy::prelude::*;
use bevy::render::renderer::render_system;
use bevy::render::{ExtractSchedule, Render, RenderApp, RenderSystems};
pub use frame::{FrameFigures, FrameMarks, PoseMarks, PresentedFrame, RequestMarks, SourceMarks};
pub use log::{DeadlineMisses, Deadlines, GRAPH_FRAMES, GraphFrame, LatencyLog, LatencySummary};
pub(crate) use marks::{end_requests, end_simulation};
pub use render::{DrawMark, RenderMarks};
pub use stage::Stage;

/// From the sampling of the newest input that can be seen to the present.
pub const INPUT_TO_PRESENT_MS: DiagnosticPath =
    DiagnosticPath::const_new("reverie/latency/input_to_present_ms");
/// Age of the state that the picture shows, at the present.
pub const SOURCE_AGE_MS: DiagnosticPath =
    DiagnosticPath::const_new("reverie/latency/source_age_ms");
/// Age of the camera's pose at the start of the pass that draws the picture.
pub const POSE_AGE_MS: DiagnosticPath = DiagnosticPath::const_new("reverie/latency/pose_age_ms");
/// From present to present.
pub const PRESENT_INTERVAL_MS: DiagnosticPath =
    DiagnosticPath::const_new("reverie/latency/present_interval_ms");
/// Presents that came too late after the one before, since the start; see [`Deadlines`].
pub const DISPLAY_MISSES: DiagnosticPath =
    DiagnosticPath::const_new("reverie/latency/display_misses");
/// Frames that showed a picture that was too old, since the start; see [`Deadlines`].
pub const SOURCE_MISSES: DiagnosticPath =
    DiagnosticPath::const_new("reverie/latency/source_misses");

/// Marks and measures. Without a renderer nothing is presented, and there are no figures.
pub(crate) struct LatencyPlugin;

impl Plugin for LatencyPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<DiagnosticsStore>()
            .init_resource::<FrameMarks>()
            .init_resource::<LatencyLog>()
            .init_resource::<Deadlines>()
            .add_systems(First, marks::start_frame)
            .add_systems(
                RunFixedMainLoop,
                marks::start_simulation.in_set(RunFixedMainLoopSystems::BeforeFixedMainLoop),
            );
        let in_ms = [INPUT_TO_PRESENT_MS, SOURCE_AGE_MS, POSE_AGE_MS, PRESENT_INTERVAL_MS];
        for path in Stage::ALL.iter().map(|stage| stage.path()).chain(in_ms) {
            app.register_diagnostic(Diagnostic::new(path).with_suffix(" ms"));
        }
        for path in [DISPLAY_MISSES, SOURCE_MISSES] {
            app.register_diagnostic(Diagnostic::new(path));
        }
        let Some(render_app) = app.get_sub_app_mut(RenderApp) else { return };
        let (render_marks, presented) = render::channel();
        render_app
            .insert_resource(render_marks)
            .add_systems(ExtractSchedule, render::extract)
            .add_systems(
                Render,
                render::present.in_set(RenderSystems::Render).after(render_system),
            );
        app.insert_resource(presented).add_systems(First, measure.after(marks::start_frame));
    }
}

/// Takes in what was presented since the last frame.
fn measure(
    presented: Res<render::Presented>,
    deadlines: Res<Deadlines>,
    mut log: ResMut<LatencyLog>,
    mut diagnostics: Diagnostics,
    mut misses: Local<(u64, u64)>,
) {
    for frame in presented.0.try_iter() {
        let (figures, (late, old)) = log.note(&frame, &deadlines);
        for (stage, ms) in &figures.stages {
            diagnostics.add_measurement(&stage.path(), || *ms);
        }
        let whole = [
            (INPUT_TO_PRESENT_MS, Some(figures.input_to_present)),
            (SOURCE_AGE_MS, figures.source_age),
            (POSE_AGE_MS, figures.pose_age),
            (PRESENT_INTERVAL_MS, figures.interval),
        ];
        for (path, ms) in whole {
            if let Some(ms) = ms {
                diagnostics.add_measurement(&path, || ms);
            }
        }
        misses.0 += u64::from(late);
        misses.1 += u64::from(old);
        diagnostics.add_measurement(&DISPLAY_MISSES, || misses.0 as f64);
        diagnostics.add_measurement(&SOURCE_MISSES, || misses.1 as f64);
        #[cfg(feature = "tracy")]
        crate::profile::plot_latency(&figures);
    }
}
