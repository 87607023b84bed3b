//! A picture and what is seen in it, for training and for scores.

use reverie_guard::ShadowSnapshot;
use reverie_kernels::raster::{SKY, ShadowMaps, raster};

use super::prior::{CLASSES, ClassPrior, SKY_CLASS};
use crate::scene::ShadowScene;

/// A body of fewer pixels counts as one of so many.
const LEAST_PIXELS: f32 = 12.0;

/// One picture with its labels; all maps are row by row from the top.
#[derive(Debug, Clone, PartialEq)]
pub struct ObserverSample {
    /// `height * width * 3`, sRGB.
    pub rgb: Vec<u8>,
    /// Class of material seen, or [`SKY_CLASS`].
    pub class: Vec<u8>,
    /// ln of the depth in metres; 0 in the sky.
    pub depth_ln: Vec<f32>,
    /// How much a pixel counts, mean 1: a body counts by the square root of its area, so that small ones are learnt too.
    pub weight: Vec<f32>,
    /// What could be in view.
    pub prior: ClassPrior,
}

/// What a snapshot's pixels show.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// The shadow.
    pub maps: ShadowMaps,
    /// Class of material, or [`SKY_CLASS`].
    pub class: Vec<u8>,
}

impl Labels {
    /// Draws `snapshot` without its sun.
    pub fn draw(snapshot: &ShadowSnapshot, width: usize, height: usize) -> Self {
        let shadow = ShadowScene::new(snapshot, true);
        let mut maps = ShadowMaps::default();
        raster(&shadow.scene, &snapshot.camera, width, height, &mut maps);
        let class = |primitive: &u16| match *primitive {
            SKY => SKY_CLASS,
            index => shadow.scene.primitives[usize::from(index)].material,
        };
        Self { class: maps.primitive.iter().map(class).collect(), maps }
    }

    /// Pixels of each body that is seen, by its index in the snapshot; the last one is the sky.
    pub fn areas(&self, bodies: usize) -> Vec<usize> {
        let mut areas = vec![0; bodies + 1];
        for primitive in &self.maps.primitive {
            areas[usize::from(*primitive).min(bodies)] += 1;
        }
        areas
    }
}

impl ObserverSample {
    /// Labels the picture `rgb` of `snapshot`.
    pub fn new(snapshot: &ShadowSnapshot, rgb: Vec<u8>, width: usize, height: usize) -> Self {
        let labels = Labels::draw(snapshot, width, height);
        let areas = labels.areas(snapshot.bodies.len());
        let last = areas.len() - 1;
        let by_body: Vec<f32> =
            areas.iter().map(|area| (*area as f32).max(LEAST_PIXELS).sqrt().recip()).collect();
        let mut weight: Vec<f32> =
            labels.maps.primitive.iter().map(|p| by_body[usize::from(*p).min(last)]).collect();
        let mean = weight.iter().sum::<f32>() / weight.len().max(1) as f32;
        weight.iter_mut().for_each(|w| *w /= mean);
        let depth_ln = |depth: &f32| if depth.is_finite() { depth.ln() } else { 0.0 };
        Self {
            rgb,
            depth_ln: labels.maps.depth_m.iter().map(depth_ln).collect(),
            class: labels.class,
            weight,
            prior: ClassPrior::of(snapshot, width as f32 / height as f32),
        }
    }

    /// One flag a class: what the prior allows, and what is seen in any case.
    pub fn allowed(&self) -> [f32; CLASSES] {
        // A body's bounding ball holds all of it, but an edge may be rounded into the picture.
        let mut flags = self.prior.flags();
        for class in &self.class {
            flags[usize::from(*class)] = 1.0;
        }
        flags
    }
}
