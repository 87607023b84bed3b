//! Who waits for whom between game, renderer, display and dream.
//!
//! | | [`Pacing::LowLatency`] | [`Pacing::Throughput`] |
//! |---|---|---|
//! | game and renderer | one after the other, on one thread | side by side, the renderer a frame behind |
//! | presents | at once; where that cannot be had, with the display | with the display |
//! | frames that may wait in the driver | 1 | 2 |
//! | frame limiter | between present and the next input | the display |
//! | dream thread | stands back | stands back |
//!
//! ```no_run
//! use bevy::prelude::*;
//! use bevy_reverie::prelude::*;
//!
//! App::new().add_plugins((Pacing::LowLatency.of(DefaultPlugins), ReveriePlugins)).run();
//! ```
//!
//! Without a pacing, Bevy's own settings stay as they are, and the dream thread has the share of the default one.
//! Measured differences are in the project's `docs/BENCHMARKS.md`.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bevy::app::{Main, PluginGroupBuilder};
use bevy::ecs::schedule::ScheduleLabel;
use bevy::prelude::*;
use bevy::render::pipelined_rendering::{PipelinedRenderingPlugin, RenderExtractApp};
use bevy::render::{Render, RenderApp, RenderSystems};
use bevy::window::PresentMode;
use reverie_runtime::profile_wait;

/// How an app is paced. Give it to the app with [`Self::of`]; as a resource it can be changed at any time, except for
/// [`PacingSettings::pipelined`], which is decided when the app is built.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Default)]
pub enum Pacing {
    /// The picture shows the player's hand as soon as possible.
    #[default]
    LowLatency,
    /// As many frames as possible, each a frame later.
    Throughput,
    /// Anything else.
    Custom(PacingSettings),
}

/// All that a pacing decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PacingSettings {
    /// The renderer works on a thread of its own, a frame behind the game.
    pub pipelined: bool,
    /// How windows present.
    pub present_mode: PresentMode,
    /// Presents that may wait in the driver, at least 1.
    pub frames_in_flight: u32,
    /// Frames per second that the app does not exceed; `None` leaves it to the display. A display that does not hold the
    /// app back would otherwise take all cores from the model.
    pub max_display_hz: Option<f32>,
    /// What the dream thread may take.
    pub dream: DreamShare,
}

/// What a dream thread may take of the machine; read when the thread is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DreamShare {
    /// Threads of the model, on the CPU. One leaves the other core of two to physics and renderer.
    pub threads: usize,
    /// 0 to 19: how far these threads stand back when cores are short, as Linux counts it.
    pub nice: u8,
}

impl Default for DreamShare {
    fn default() -> Self {
        // Where the renderer is software, it would take all cores from a model that stands back.
        Self { threads: 1, nice: 0 }
    }
}

impl Pacing {
    /// Its settings.
    pub fn settings(&self) -> PacingSettings {
        match self {
            Self::LowLatency => PacingSettings {
                pipelined: false,
                present_mode: PresentMode::AutoNoVsync,
                frames_in_flight: 1,
                max_display_hz: Some(60.0),
                dream: DreamShare::default(),
            },
            Self::Throughput => PacingSettings {
                pipelined: true,
                present_mode: PresentMode::AutoVsync,
                frames_in_flight: 2,
                max_display_hz: Some(60.0),
                dream: DreamShare::default(),
            },
            Self::Custom(settings) => *settings,
        }
    }

    /// These plugins (`DefaultPlugins`, with your settings of them), paced.
    pub fn of(self, plugins: impl PluginGroup) -> PluginGroupBuilder {
        let plugins = plugins.build();
        let plugins = if !plugins.contains::<PipelinedRenderingPlugin>() {
            plugins
        } else if self.settings().pipelined {
            plugins.enable::<PipelinedRenderingPlugin>()
        } else {
            plugins.disable::<PipelinedRenderingPlugin>()
        };
        plugins.add(PacingPlugin(self))
    }
}

/// Applies a [`Pacing`]; [`Pacing::of`] adds it.
struct PacingPlugin(Pacing);

impl Plugin for PacingPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.0)
            .insert_resource(Built { pipelined: self.0.settings().pipelined })
            .add_systems(Last, apply);
    }

    // Only now it is known whether the renderer has a thread of its own.
    fn finish(&self, app: &mut App) {
        let limit = FrameLimit::default();
        limit.set(&self.0.settings());
        app.insert_resource(limit.clone());
        if let Some(extract_app) = app.get_sub_app_mut(RenderExtractApp) {
            // Runs while the renderer draws, before the next input is read.
            extract_app.update_schedule = Some(Main.intern());
            extract_app.insert_resource(limit).add_systems(Main, wait_for_turn);
        } else if let Some(render_app) = app.get_sub_app_mut(RenderApp) {
            // After the present, before the next input is read.
            render_app
                .insert_resource(limit)
                .add_systems(Render, wait_for_turn.in_set(RenderSystems::PostCleanup));
        } else {
            app.add_systems(Last, wait_for_turn);
        }
    }
}

/// What cannot be changed any more.
#[derive(Resource)]
struct Built {
    pipelined: bool,
}

/// Shortest time from frame to frame, nanoseconds; 0 is no limit. Shared with the world that waits.
#[derive(Resource, Clone, Default)]
struct FrameLimit(Arc<AtomicU64>);

impl FrameLimit {
    fn set(&self, settings: &PacingSettings) {
        let hz = settings.max_display_hz.filter(|hz| hz.is_finite() && *hz > 0.1);
        let nanos = hz.map_or(0, |hz| (1e9 / f64::from(hz)) as u64);
        self.0.store(nanos, Ordering::Relaxed);
    }

    fn period(&self) -> Option<Duration> {
        let nanos = self.0.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }
}

/// Sleeps until the next frame's turn. A late frame moves all later turns: nothing is caught up.
fn wait_for_turn(limit: Res<FrameLimit>, mut turn: Local<Option<Instant>>) {
    let Some(period) = limit.period() else {
        *turn = None;
        return;
    };
    let now = Instant::now();
    let due = turn.map_or(now, |turn| turn + period);
    if let Some(spare) = due.checked_duration_since(now) {
        profile_wait!("frame limiter");
        std::thread::sleep(spare.min(period));
    }
    *turn = Some(due.max(now));
}

/// Windows that were opened, and all of them when the pacing changes.
fn apply(
    pacing: Res<Pacing>,
    built: Res<Built>,
    limit: Res<FrameLimit>,
    mut windows: Query<&mut Window>,
) {
    let settings = pacing.settings();
    let all = pacing.is_changed();
    if all {
        limit.set(&settings);
        if settings.pipelined != built.pipelined {
            warn!("whether the renderer is pipelined was decided when the app was built; it stays");
        }
    }
    for window in windows.iter_mut().filter(|window| all || window.is_added()) {
        settings.apply_to(window);
    }
}

impl PacingSettings {
    fn apply_to(&self, mut window: Mut<Window>) {
        let frames = NonZero::new(self.frames_in_flight.max(1));
        if (window.present_mode, window.desired_maximum_frame_latency)
            != (self.present_mode, frames)
        {
            window.present_mode = self.present_mode;
            window.desired_maximum_frame_latency = frames;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group of Bevy's with the plugin that a pacing decides on.
    fn group() -> PluginGroupBuilder {
        DefaultPlugins.build()
    }

    #[test]
    fn presets_decide_on_pipelining() {
        assert!(!Pacing::LowLatency.of(group()).enabled::<PipelinedRenderingPlugin>());
        assert!(Pacing::Throughput.of(group()).enabled::<PipelinedRenderingPlugin>());
        assert!(!Pacing::Throughput.of(MinimalPlugins).contains::<PipelinedRenderingPlugin>());
    }

    #[test]
    fn windows_follow_the_pacing() {
        let mut app = App::new();
        app.add_plugins(PacingPlugin(Pacing::LowLatency));
        app.finish();
        let early = app.world_mut().spawn(Window::default()).id();
        app.update();
        let late = app.world_mut().spawn(Window::default()).id();
        app.update();
        let told = |app: &App, entity| {
            let window = app.world().get::<Window>(entity).unwrap();
            (window.present_mode, window.desired_maximum_frame_latency)
        };
        let low = (PresentMode::AutoNoVsync, NonZero::new(1));
        assert_eq!((told(&app, early), told(&app, late)), (low, low));
        app.insert_resource(Pacing::Throughput);
        app.update();
        assert_eq!(told(&app, early), (PresentMode::AutoVsync, NonZero::new(2)));
        // A player's own choice stands until the pacing changes.
        app.world_mut().get_mut::<Window>(late).unwrap().present_mode = PresentMode::Fifo;
        app.update();
        assert_eq!(told(&app, late).0, PresentMode::Fifo);
    }

    #[test]
    fn odd_rates_are_no_limit() {
        let limit = FrameLimit::default();
        for hz in [None, Some(0.0), Some(-60.0), Some(f32::NAN), Some(f32::INFINITY)] {
            limit.set(&PacingSettings { max_display_hz: hz, ..Pacing::LowLatency.settings() });
            assert_eq!(limit.period(), None, "{hz:?}");
        }
        limit.set(&PacingSettings { max_display_hz: Some(50.0), ..Pacing::LowLatency.settings() });
        assert_eq!(limit.period(), Some(Duration::from_millis(20)));
    }
}
