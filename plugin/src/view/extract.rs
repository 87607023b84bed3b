//! What the render world needs of a neural camera.

use bevy::ecs::query::QueryItem;
use bevy::prelude::*;
use bevy::render::extract_component::ExtractComponent;
use bevy::render::sync_component::SyncComponent;
use reverie_runtime::frame::NeuralFrame;

use super::{GpuView, LateLatch};
use crate::camera::{NeuralCamera, NeuralFilter};
use crate::dream::NeuralPicture;

/// The newest picture, and the way to the newest state.
#[derive(Component, Clone)]
pub struct ViewPicture {
    /// With its shadow, and of the right size.
    pub frame: Option<NeuralFrame>,
    /// Another number means another picture.
    pub serial: u64,
    /// Another number means a cut: what came before it is not warped.
    pub epoch: u64,
    pub filter: NeuralFilter,
    pub latch: LateLatch,
}

impl SyncComponent for NeuralPicture {
    type Target = (ViewPicture, GpuView);
}

impl ExtractComponent for NeuralPicture {
    type QueryData = (&'static Self, &'static NeuralCamera, &'static LateLatch);
    type QueryFilter = ();
    type Out = ViewPicture;

    fn extract_component(
        (picture, neural, latch): QueryItem<'_, '_, Self::QueryData>,
    ) -> Option<ViewPicture> {
        let right = |frame: &&NeuralFrame| {
            let guide = frame.shadow.as_ref().map(|shadow| &shadow.guide);
            let pixels = frame.width as usize * frame.height as usize;
            let sizes = (frame.width as usize, frame.height as usize);
            pixels > 0
                && frame.rgba.len() == 4 * pixels
                && guide.is_some_and(|guide| (guide.width, guide.height) == sizes)
        };
        Some(ViewPicture {
            frame: picture.frame.as_ref().filter(right).cloned(),
            serial: picture.serial,
            epoch: picture.epoch,
            filter: neural.filter,
            latch: latch.clone(),
        })
    }
}
