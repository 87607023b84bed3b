//! Shows the newest neural picture in place of the camera's 3D passes.
//!
//! A neural camera with a picture runs the schedule [`NeuralPass`] instead of `Core3d`: one full-screen draw,
//! then the UI and the upscaling that `Core3d` would have had. Where the picture comes from is not known here.

mod extract;
mod node;
mod prepare;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bevy::asset::embedded_asset;
use bevy::core_pipeline::Core3d;
use bevy::core_pipeline::upscaling::upscaling;
use bevy::ecs::schedule::{ScheduleBuildSettings, ScheduleLabel};
use bevy::prelude::*;
use bevy::render::camera::CameraRenderGraph;
use bevy::render::extract_component::ExtractComponentPlugin;
use bevy::render::{Render, RenderApp, RenderStartup, RenderSystems};
use bevy::ui_render::ui_pass;

use crate::camera::NeuralCamera;
use crate::dream::NeuralPicture;

/// The passes of a neural camera. Add post-processing of your own here, before `ui_pass`.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct NeuralPass;

/// Set by the render world once the view's pipeline is compiled.
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
        embedded_asset!(app, "view.wgsl");
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
            .add_systems(RenderStartup, prepare::init_pipeline)
            .add_systems(
                Render,
                (
                    prepare::queue_pipelines.in_set(RenderSystems::Prepare).ambiguous_with_all(),
                    prepare::upload.in_set(RenderSystems::PrepareBindGroups),
                ),
            )
            .add_systems(NeuralPass, (node::draw, ui_pass, upscaling).chain());
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
        let neural = camera.enabled && picture.frame.is_some() && ready.get();
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
