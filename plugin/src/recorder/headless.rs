//! What a recording program without a window needs of Bevy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bevy::app::{PluginGroupBuilder, PluginsState};
use bevy::prelude::*;
use bevy::render::pipelined_rendering::PipelinedRenderingPlugin;
use bevy::render::render_resource::PipelineCache;
use bevy::render::{Render, RenderApp, RenderPlugin, RenderSystems};
use bevy::window::ExitCondition;
use bevy::winit::WinitPlugin;

/// `DefaultPlugins` without a window: shaders are compiled before they are drawn with, and each
/// `App::update` renders its frame before it returns.
pub fn headless() -> PluginGroupBuilder {
    DefaultPlugins
        .set(WindowPlugin {
            primary_window: None,
            exit_condition: ExitCondition::DontExit,
            ..default()
        })
        .set(RenderPlugin { synchronous_pipeline_compilation: true, ..default() })
        .disable::<WinitPlugin>()
        .disable::<PipelinedRenderingPlugin>()
}

/// Finishes building an app that is stepped by hand with `App::update` instead of `App::run`.
pub fn prepare_to_step(app: &mut App) {
    while app.plugins_state() == PluginsState::Adding {
        bevy::tasks::tick_global_task_pools_on_main_thread();
    }
    app.finish();
    app.cleanup();
}

/// Whether shaders are still being compiled, as the render world last saw it.
#[derive(Resource, Clone)]
pub(super) struct PipelinesWaiting(Arc<AtomicBool>);

impl PipelinesWaiting {
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) fn watch_pipelines(app: &mut App) {
    let waiting = PipelinesWaiting(Arc::new(AtomicBool::new(true)));
    app.insert_resource(waiting.clone());
    if let Some(render_app) = app.get_sub_app_mut(RenderApp) {
        render_app
            .insert_resource(waiting)
            .add_systems(Render, note_waiting.in_set(RenderSystems::Cleanup));
    }
}

fn note_waiting(cache: Res<PipelineCache>, waiting: Res<PipelinesWaiting>) {
    waiting.0.store(cache.waiting_pipelines().next().is_some(), Ordering::Relaxed);
}
