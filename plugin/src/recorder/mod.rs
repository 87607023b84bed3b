//! Records any Bevy game with Rapier: pictures of the ordinary renderer, with the exact state they show.
//!
//! ```no_run
//! use bevy::prelude::*;
//! use bevy_rapier3d::prelude::*;
//! use bevy_reverie::recorder::{RecordCamera, RecorderPlugin};
//!
//! App::new()
//!     .add_plugins((DefaultPlugins, RapierPhysicsPlugin::<()>::default().in_fixed_schedule()))
//!     .add_plugins(RecorderPlugin { out: "data/mygame".into(), ..default() })
//!     .add_systems(Startup, |mut commands: Commands| {
//!         commands.spawn((Camera3d::default(), RecordCamera::default()));
//!     })
//!     .run();
//! ```
//!
//! A frame is *captured* in `PostUpdate`: the shadow snapshot, the action since the last frame and the style
//! are kept, and a readback of the picture that this very frame will render is ordered. The picture comes back
//! some frames later and is matched by its ticket, so neither pipelined rendering nor a slow GPU can shift
//! pictures against states. Nothing here drives the game or the physics.
//!
//! [`misdraw`] makes the pictures show a fault on purpose while the recorded states stay true, to measure the guard with.

mod camera;
mod capture;
mod episode;
mod headless;
mod misdrawn;

use std::path::PathBuf;

use bevy::prelude::*;
pub use camera::RecordCamera;
pub use episode::{EpisodeDone, EpisodeStart, RECENT_STATES, Recorder, RecorderError};
pub use headless::{headless, prepare_to_step};
pub use misdrawn::{MisdrawError, clear_misdrawn, misdraw};

use crate::action::PlayerAction;
use crate::shadow::{ShadowPlugin, ShadowSystems};
use crate::twin::sync_twins;

/// When episodes begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecorderStart {
    /// As soon as the renderer delivers pictures, one episode after another until the game ends.
    #[default]
    AtOnce,
    /// When the game calls [`Recorder::begin`].
    ByHand,
}

/// Writes episodes of what a [`RecordCamera`] sees.
#[derive(Resource, Debug, Clone)]
pub struct RecorderPlugin {
    /// Folder of the episodes; made if it is not there.
    pub out: PathBuf,
    /// Of the pictures, pixels.
    pub size: UVec2,
    /// Pictures are drawn so many times larger each way and averaged, against jagged edges; 1 to 4.
    pub supersample: u32,
    /// Fixed ticks from one frame to the next: 6 at 60 Hz are 10 frames a second.
    pub ticks_per_frame: u32,
    /// Frames of an episode that the recorder begins by itself.
    pub frames: u32,
    /// Who begins episodes.
    pub start: RecorderStart,
    /// Makes every `App::update` run exactly [`Self::ticks_per_frame`] ticks and so record one frame,
    /// as fast as the machine can, instead of following the clock on the wall.
    pub lockstep: bool,
}

impl Default for RecorderPlugin {
    fn default() -> Self {
        Self {
            out: "data/episodes".into(),
            size: UVec2::new(128, 72),
            supersample: 1,
            ticks_per_frame: 6,
            frames: 300,
            start: RecorderStart::AtOnce,
            lockstep: false,
        }
    }
}

impl Plugin for RecorderPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins(ShadowPlugin);
        if self.lockstep {
            app.insert_resource(bevy::time::TimeUpdateStrategy::FixedTimesteps(
                self.ticks_per_frame.max(1),
            ));
        }
        app.init_resource::<PlayerAction>()
            .insert_resource(self.clone())
            .insert_resource(Recorder::new(self.clone()))
            .init_resource::<capture::CaptureClock>()
            .init_resource::<misdrawn::Misdrawn>()
            .add_message::<EpisodeDone>()
            .add_observer(capture::receive_picture)
            .add_systems(First, capture::stop_readbacks)
            .add_systems(FixedLast, capture::tally_action)
            .add_systems(
                PostUpdate,
                (
                    (camera::attach, capture::decide, camera::wake, sync_twins)
                        .chain()
                        .before(bevy::camera::CameraUpdateSystems)
                        .before(TransformSystems::Propagate),
                    capture::capture.in_set(ShadowSystems),
                    misdrawn::follow
                        .after(capture::capture)
                        .before(bevy::camera::visibility::VisibilitySystems::CheckVisibility),
                ),
            )
            .add_systems(Last, (capture::advance, capture::close_at_exit).chain());
        headless::watch_pipelines(app);
    }
}
