//! What of a fault can be seen.

use reverie_kernels::raster::{Primitive, SKY, Scene, ShadowMaps, raster};
use serde::Serialize;

use super::{Fault, FaultClass};
use crate::expected::{PixelRect, ShadowSnapshot};

/// Which body each pixel shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sight {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Ids of bodies, `None` in the sky; row by row from the top.
    pub body: Vec<Option<u64>>,
    /// Along −Z of the camera; infinite in the sky.
    pub depth_m: Vec<f32>,
}

impl Sight {
    /// Draws `snapshot`, whose bodies must be sane.
    pub fn draw(snapshot: &ShadowSnapshot, width: usize, height: usize) -> Self {
        let primitives = snapshot.bodies.iter().take(usize::from(SKY)).map(|body| Primitive {
            id: body.id,
            shape: body.shape.clone(),
            world_from_object: body.world_from_body,
            material: body.material.min(126),
        });
        let scene =
            Scene { primitives: primitives.collect(), sun_direction: snapshot.sun_direction };
        let mut maps = ShadowMaps::default();
        raster(&scene, &snapshot.camera, width, height, &mut maps);
        let id = |primitive: &u16| scene.primitives.get(usize::from(*primitive)).map(|p| p.id);
        let body = maps.primitive.iter().map(id).collect();
        Self { width, height, body, depth_m: maps.depth_m }
    }

    /// Pixels that show the body.
    pub fn pixels(&self, id: u64) -> usize {
        self.body.iter().filter(|body| **body == Some(id)).count()
    }

    /// Mean depth of the body, metres; `None` if it is not seen.
    pub fn mean_depth_m(&self, id: u64) -> Option<f32> {
        let depths = self.body.iter().zip(&self.depth_m).filter(|(body, _)| **body == Some(id));
        let (sum, count) = depths.fold((0.0, 0usize), |(sum, n), (_, depth)| (sum + depth, n + 1));
        (count > 0).then(|| sum / count as f32)
    }
}

/// What is wrong with one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Of the picture.
    pub tick: u64,
    /// Pixels of the body as it should be seen.
    pub expected_px: usize,
    /// Pixels of the body, or of the second one of it, as it is drawn.
    pub drawn_px: usize,
    /// Pixels that show another body than they should, or the body in another material.
    pub changed_px: usize,
    /// Around them.
    pub rect: PixelRect,
}

impl Fault {
    /// What is wrong with the picture of `truth`, `width` × `height` pixels; `None` before the start and where nothing is.
    pub fn label(&self, truth: &ShadowSnapshot, width: usize, height: usize) -> Option<Label> {
        if !self.is_active(truth.tick) {
            return None;
        }
        let expected = Sight::draw(truth, width, height);
        let drawn = Sight::draw(&self.drawn(truth), width, height);
        let twice = self.class == FaultClass::Duplicate;
        let shown = if twice { self.twin_id() } else { self.body };
        let mut label = Label {
            tick: truth.tick,
            expected_px: expected.pixels(self.body),
            drawn_px: drawn.pixels(shown),
            changed_px: 0,
            rect: PixelRect::empty(),
        };
        for (pixel, (right, wrong)) in expected.body.iter().zip(&drawn.body).enumerate() {
            let redressed = self.class == FaultClass::Material && *wrong == Some(self.body);
            if right != wrong || redressed {
                label.changed_px += 1;
                label.rect.include(pixel % width, pixel / width);
            }
        }
        (label.changed_px > 0).then_some(label)
    }
}
