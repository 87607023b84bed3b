//! Reverie for Bevy: a camera whose picture is dreamed by a small streaming diffusion world model.
//!
//! The physics decides what is there; the model decides how it looks. A game keeps its Rapier world and its logic;
//! grey boxes go in, a dressed world comes out.
//!
//! ```no_run
//! use bevy::prelude::*;
//! use bevy_rapier3d::prelude::*;
//! use bevy_reverie::prelude::*;
//!
//! App::new()
//!     .add_plugins((DefaultPlugins, RapierPhysicsPlugin::<()>::default(), ReveriePlugins))
//!     .add_systems(Startup, |mut commands: Commands| {
//!         commands.spawn((NeuralCamera::new("models/courtyard.world.ron"), Transform::from_xyz(0.0, 1.6, 6.0)));
//!         commands.spawn((Collider::cuboid(10.0, 0.5, 10.0), NeuralMaterial::PAVING));
//!         commands.spawn((RigidBody::Dynamic, Collider::cuboid(0.5, 0.5, 0.5), Transform::from_xyz(0.0, 2.0, 0.0)));
//!     })
//!     .run();
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`camera`] | [`NeuralCamera`](camera::NeuralCamera), its model, style, pace; camera cuts |
//! | [`material`] | what a body is made of |
//! | [`memory`] | what surfaces look like, kept, saved with the level, and forgotten |
//! | [`shadow`] | from Rapier to plain data: what the model is told |
//! | [`action`] | what the player wants, free of devices; bindings, scripts |
//! | [`dream`] | states out to the dream thread, pictures in |
//! | [`guard`] | pictures that the physics denies: settings, verdicts, outlines |
//! | [`view`], `gbuffer` | the picture in place of the 3D passes: late latch, shadow at display size, warp, upsample |
//! | [`level`] | levels from files and sketches, and the least change between them |
//! | [`toggle`], [`overlay`], [`diagnostics`] | F2, F4, F5; the HUD on F3; all that is measured |
//! | [`latency`] | from input to present, stage by stage; deadlines |
//! | [`pacing`] | pipelining, presents, frame rate, and what the dream thread may take |
//! | [`recorder`] | episodes for training, from any Bevy game |
//! | [`sketch`] | from a drawing to the plan of a level, as plain data |
//!
//! Order within a frame: intent in `FixedFirst`, the game in `FixedUpdate`, its sum per model frame in `FixedLast`;
//! in `PostUpdate`, after transforms are propagated, the newest picture is taken, the state is sent, and the camera's
//! schedule is chosen. Tensors and threads are `reverie_runtime`'s; nothing here knows them.

pub mod action;
mod anticipate;
pub mod camera;
pub mod diagnostics;
pub mod dream;
mod gbuffer;
pub mod guard;
pub mod latency;
pub mod level;
pub mod material;
pub mod memory;
pub mod overlay;
pub mod pacing;
#[cfg(feature = "tracy")]
mod profile;
pub mod recorder;
pub mod shadow;
pub mod sketch;
pub mod toggle;
mod twin;
pub mod view;

use bevy::app::PluginGroupBuilder;
use bevy::camera::CameraUpdateSystems;
use bevy::prelude::*;
pub use {reverie_guard as physics_guard, reverie_runtime as runtime};

/// What most games need.
pub mod prelude {
    pub use reverie_runtime::style::StyleWeights;

    pub use crate::ReveriePlugins;
    pub use crate::action::{ActionScript, ActionSource, PlayerAction};
    pub use crate::camera::{
        CameraCut, NeuralCamera, NeuralFilter, NeuralMode, NeuralModel, NeuralPace,
    };
    pub use crate::dream::{Dream, NeuralPicture};
    pub use crate::guard::{GuardMode, GuardOverlay, GuardSettings, GuardVerdict, Unguarded};
    pub use crate::level::{Level, LevelFile, LevelPlugin, LevelRoot};
    pub use crate::material::NeuralMaterial;
    pub use crate::memory::{
        ForgetSurface, LoadMemory, MemoryFileDone, MemoryOverlay, NeuralMemory, SaveMemory,
    };
    pub use crate::pacing::Pacing;
    pub use crate::shadow::NeuralProxy;
    pub use crate::toggle::{NeuralKeys, SideBySide};
}

/// Everything that plays. Needs `DefaultPlugins` and `RapierPhysicsPlugin`; runs without a renderer, too.
pub struct ReveriePlugins;

impl PluginGroup for ReveriePlugins {
    fn build(self) -> PluginGroupBuilder {
        let group = PluginGroupBuilder::start::<Self>()
            .add(shadow::ShadowPlugin)
            .add(action::ActionPlugin)
            .add(view::ViewPlugin)
            .add(diagnostics::DiagnosticsPlugin)
            .add(latency::LatencyPlugin)
            .add(overlay::OverlayPlugin)
            .add(NeuralCameraPlugin);
        #[cfg(feature = "tracy")]
        let group = group.add(profile::ProfilePlugin);
        group
    }
}

/// Cameras, dreams and toggles: the systems that tie the modules together.
struct NeuralCameraPlugin;

impl Plugin for NeuralCameraPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<toggle::NeuralKeys>()
            .init_resource::<latency::FrameMarks>()
            .init_resource::<toggle::SideBySide>()
            .init_resource::<memory::MemoryJobs>()
            .init_resource::<memory::MemoryOverlay>()
            .init_resource::<guard::GuardOverlay>()
            .add_message::<guard::GuardVerdict>()
            .add_message::<camera::CameraCut>()
            .add_message::<memory::ForgetSurface>()
            .add_message::<memory::SaveMemory>()
            .add_message::<memory::LoadMemory>()
            .add_message::<memory::MemoryFileDone>()
            .add_systems(Update, (toggle::read_keys, memory::switch_overlay, guard::switch_overlay))
            .add_systems(FixedLast, dream::tally_action)
            .add_systems(
                PostUpdate,
                (
                    (toggle::split, twin::sync_twins)
                        .chain()
                        .before(CameraUpdateSystems)
                        .before(TransformSystems::Propagate),
                    (
                        latency::end_simulation,
                        camera::cut,
                        (memory::forget, memory::files),
                        dream::start_dreams,
                        guard::order,
                        dream::exchange,
                        guard::report,
                        memory::paint_overlay,
                        view::choose_pass,
                        latency::end_requests,
                        diagnostics::measure,
                    )
                        .chain()
                        .in_set(shadow::ShadowSystems)
                        .after(CameraUpdateSystems),
                ),
            );
    }
}
