//! Brings the small, late neural picture to the player's screen, sharp and in the newest pose.
//!
//! A neural camera with a picture runs the schedule [`NeuralPass`] instead of `Core3d`:
//!
//! 1. [`latch`] takes the newest state of the game out of a lock-free cell, also one that the main world has put there
//!    since this frame was extracted, and writes the tables of the shaders;
//! 2. the shadow is drawn at display size ([`crate::gbuffer`]);
//! 3. one full-screen pass carries the newest neural frames to that pose and upsamples them along the shadow's edges;
//!    what none of them knows is shadow paint in the model's own colours;
//! 4. the UI and the upscaling that `Core3d` would have had. They are never warped.
//!
//! Where pictures come from is not known here. Shaders and their plain twin: `reverie_kernels::present`.

mod carries;
mod detail;
mod extract;
mod frames;
mod latch;
mod node;
mod prepare;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bevy::core_pipeline::Core3d;
use bevy::core_pipeline::upscaling::upscaling;
use bevy::ecs::schedule::{ScheduleBuildSettings, ScheduleLabel};
use bevy::prelude::*;
use bevy::render::camera::CameraRenderGraph;
use bevy::render::extract_component::ExtractComponentPlugin;
use bevy::render::{Render, RenderApp, RenderStartup, RenderSystems};
use bevy::ui_render::ui_pass;

pub use self::latch::{Latched, LateLatch};
pub(crate) use self::prepare::GpuView;
use crate::camera::NeuralCamera;
use crate::dream::NeuralPicture;
use crate::gbuffer;

/// The passes of a neural camera. Add post-processing of your own here, before `ui_pass`.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct NeuralPass;

/// Set by the render world once the view's pipelines are compiled.
#[derive(Resource, Clone, Default)]
pub(crate) struct ViewReady(Arc<AtomicBool>);

impl ViewReady {
    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }
}

/// The render feature.
pub(crate) struct ViewPlugin;

impl Plugin for ViewPlugin {
    fn build(&self, app: &mut App) {
        let ready = ViewReady::default();
        app.insert_resource(ready.clone());
        if app.get_sub_app(RenderApp).is_none() {
            return;
        }
        app.add_plugins(ExtractComponentPlugin::<NeuralPicture>::default());
        let Some(render_app) = app.get_sub_app_mut(RenderApp) else { return };
        let mut schedule = Schedule::new(NeuralPass);
        schedule.set_build_settings(ScheduleBuildSettings {
            auto_insert_apply_deferred: false,
            ..default()
        });
        render_app
            .insert_resource(ready)
            .add_schedule(schedule)
            .add_systems(RenderStartup, prepare::init_pipelines)
            .add_systems(
                Render,
                (
                    prepare::queue_pipelines.in_set(RenderSystems::Prepare).ambiguous_with_all(),
                    prepare::prepare_views.in_set(RenderSystems::PrepareResources),
                ),
            )
            .add_systems(
                NeuralPass,
                (latch::latch, gbuffer::draw, node::draw, ui_pass, upscaling).chain(),
            );
    }
}

/// Keeps every neural camera on the schedule that its state asks for; runs after the newest picture was taken.
pub(crate) fn choose_pass(
    ready: Res<ViewReady>,
    mut cameras: Query<(&NeuralCamera, &NeuralPicture, &mut CameraRenderGraph)>,
    mut removed: RemovedComponents<NeuralCamera>,
    mut others: Query<&mut CameraRenderGraph, Without<NeuralCamera>>,
) {
    for (camera, picture, mut graph) in &mut cameras {
        // After a cut there is no frame for a while: the place that was cut to is painted.
        let neural = camera.enabled && picture.serial > 0 && ready.get();
        let wanted = if neural {
            CameraRenderGraph::new(NeuralPass)
        } else {
            CameraRenderGraph::new(Core3d)
        };
        if graph.0 != wanted.0 {
            *graph = wanted;
        }
    }
    for entity in removed.read() {
        if let Ok(mut graph) = others.get_mut(entity) {
            graph.set(Core3d);
        }
    }
}
