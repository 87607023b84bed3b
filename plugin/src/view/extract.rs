//! What the render world needs of a neural camera.

use std::sync::Arc;

use bevy::ecs::query::QueryItem;
use bevy::prelude::*;
use bevy::render::extract_component::ExtractComponent;
use bevy::render::sync_component::SyncComponent;

use crate::camera::{NeuralCamera, NeuralFilter};
use crate::dream::NeuralPicture;

/// The newest picture, and how the view looks into it.
#[derive(Component, Clone)]
pub struct ViewPicture {
    /// sRGB, 4 bytes a pixel, `size.x * size.y` pixels.
    pub rgba: Arc<Vec<u8>>,
    pub size: UVec2,
    /// Another number means another picture.
    pub serial: u64,
    pub filter: NeuralFilter,
    /// Share of the picture that the view covers, from its centre.
    pub uv_scale: Vec2,
}

impl SyncComponent for NeuralPicture {
    type Target = ViewPicture;
}

impl ExtractComponent for NeuralPicture {
    type QueryData = (&'static Self, &'static NeuralCamera, &'static Camera, &'static Projection);
    type QueryFilter = ();
    type Out = ViewPicture;

    fn extract_component(
        (picture, neural, camera, projection): QueryItem<'_, '_, Self::QueryData>,
    ) -> Option<ViewPicture> {
        let frame = picture.frame.as_ref()?;
        let size = UVec2::new(frame.width, frame.height);
        let right_size = frame.rgba.len() == 4 * frame.width as usize * frame.height as usize;
        (right_size && size.min_element() > 0).then(|| ViewPicture {
            rgba: frame.rgba.clone(),
            size,
            serial: picture.serial,
            filter: neural.filter,
            uv_scale: uv_scale(
                camera,
                projection,
                size.as_vec2(),
                (0.5 * frame.snapshot.camera.vertical_fov_rad).tan(),
            ),
        })
    }
}

/// The picture was made for a field of view that covers the view's: show the part that is the view.
fn uv_scale(camera: &Camera, projection: &Projection, size: Vec2, picture_tangent: f32) -> Vec2 {
    let Projection::Perspective(perspective) = projection else { return Vec2::ONE };
    let view =
        camera.logical_viewport_size().filter(|size| size.min_element() >= 1.0).unwrap_or(size);
    let view_tangent = (0.5 * perspective.fov).tan();
    let vertical = view_tangent / picture_tangent;
    let scale = Vec2::new(vertical * (view.x / view.y) / (size.x / size.y), vertical);
    if scale.is_finite() { scale } else { Vec2::ONE }
}
