//! What a picture shows: an observer's evidence, held against what is expected.
//!
//! [`Evidence`] names materials, not bodies. [`register`] finds each expected body in it; [`ghost`] gathers what no
//! expected surface explains.

mod evidence;
pub(crate) mod field;
pub(crate) mod ghost;
pub(crate) mod look;
pub(crate) mod palette;
pub(crate) mod register;

use glam::Vec2;

pub use evidence::{Evidence, EvidenceFault};
pub use ghost::Ghost;
pub use palette::BINS;

use crate::expected::{BodyView, Expected, NONE, PixelRect};
use crate::recollection::Recalled;

/// One expected body as it was found in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// Into the snapshot's bodies.
    pub body: u16,
    /// The body's.
    pub id: u64,
    /// Expected in sight.
    pub pixels: u32,
    /// Of these, pixels where it could be told from what is behind it: the others say nothing.
    pub separable: u32,
    /// Share of the separable pixels that show it where it is expected, 0 to 1.
    pub seen_share: f32,
    /// It was found, at [`Self::shift_px`].
    pub found: bool,
    /// Where it is seen, from where it is expected; x to the right, y down.
    pub shift_px: Vec2,
    /// Variance of the shift, square pixels; infinite along a direction in which nothing can be told.
    pub shift_var_px2: Vec2,
    /// Share of its pixels that show it there, 0 to 1.
    pub fit_share: f32,
    /// ½ · ln(seen area / expected area), if the whole body is in sight.
    pub ln_scale: Option<f32>,
    /// How much better that size explains the picture than the usual one, nats.
    pub scale_gain: f32,
    /// ln(seen depth / expected depth), median over its pixels.
    pub ln_depth: f32,
    /// Variance of [`Self::ln_depth`]; infinite where no depth is known.
    pub ln_depth_var: f32,
    /// Where it is seen, index coordinates.
    pub centroid_px: Vec2,
    /// Seen area, pixels.
    pub area_px: f32,
    /// Mean log-likelihood ratio per pixel, it against what is behind it, at the shift found; nats.
    pub residual: f32,
    /// How much better another class of material explains its pixels than what is usually said of it; nats a pixel.
    pub other_class: f32,
    /// Neither the picture's border nor anything nearer hides much of it: its outline is its own.
    pub clear: bool,
    /// What [`Self::ln_scale`] and [`Self::ln_depth`] usually are: what is drawn of a body is seldom its collider, and no
    /// observer knows every depth.
    pub usual: Usual,
    /// Frames of this body that were accepted so far, up to a bound: how well its look is known.
    pub known_frames: f32,
    /// Metres across one pixel at its depth.
    pub metres_per_pixel: f32,
    /// Expected, along −Z of the camera.
    pub depth_m: f32,
    /// Around the expected pixels.
    pub rect: PixelRect,
}

/// Means and standard deviations over the accepted pictures of a body.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usual {
    /// Of [`Measurement::ln_scale`].
    pub ln_scale: f32,
    /// Its deviation.
    pub ln_scale_sigma: f32,
    /// Of [`Measurement::ln_depth`].
    pub ln_depth: f32,
    /// Its deviation.
    pub ln_depth_sigma: f32,
    /// Of [`Measurement::seen_share`]; a body that is seldom made out where it is cannot be missed.
    pub seen_share: f32,
}

/// A body with fewer pixels has no place, rate or size that could be told from noise.
pub const FEWEST_PIXELS: u32 = 24;
/// Share of a body's pixels, and mean log-likelihood ratio, from which its place is believed.
const SURE_SHARE: f32 = 0.6;
const SURE_NATS: f32 = 0.8;
/// Variance of a place beyond which it is not believed, square pixels.
const SURE_VARIANCE_PX2: f32 = 1.0;

impl Measurement {
    /// Of a body that is seen where it is expected, to `sigma_px`.
    pub(crate) fn in_place(expected: &Expected, view: &BodyView, id: u64, sigma_px: f32) -> Self {
        Self {
            body: view.body,
            id,
            pixels: view.pixels,
            separable: view.pixels,
            seen_share: 1.0,
            found: true,
            shift_px: Vec2::ZERO,
            shift_var_px2: Vec2::splat(sigma_px * sigma_px),
            fit_share: 1.0,
            ln_scale: None,
            scale_gain: 0.0,
            ln_depth: 0.0,
            ln_depth_var: f32::INFINITY,
            centroid_px: view.centroid_px,
            area_px: view.pixels as f32,
            residual: SURE_NATS,
            other_class: 0.0,
            clear: !view.cut && view.hidden <= register::MOST_HIDDEN,
            usual: Usual::default(),
            known_frames: 0.0,
            metres_per_pixel: expected.metres_per_pixel(view),
            depth_m: view.depth_m,
            rect: view.rect,
        }
    }

    /// The picture says where the body is, well enough to speak of its motion.
    pub fn is_placed(&self) -> bool {
        self.found
            && self.clear
            && self.pixels >= FEWEST_PIXELS
            && self.fit_share >= SURE_SHARE
            && self.residual >= SURE_NATS
            && self.shift_px.is_finite()
            && self.shift_var_px2.max_element() <= SURE_VARIANCE_PX2
    }

    /// Around where it is seen, or expected if it was not found.
    pub fn seen_rect(&self, width: usize, height: usize) -> PixelRect {
        let shift = self.shift_px.round();
        self.rect.shifted(shift.x as i32, shift.y as i32, width, height)
    }
}

/// A picture with its bodies named. Maps are `height * width` long.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// What each pixel shows: into the snapshot's bodies, or [`crate::expected::NONE`] for the sky.
    pub object: Vec<u16>,
    /// Along −Z of the camera; infinite where there is sky.
    pub depth_m: Vec<f32>,
    /// How sure [`Self::object`] is, 0 to 1.
    pub confidence: Vec<f32>,
    /// Log-likelihood ratio of the expected surface against what is behind it, nats; positive where it is seen.
    pub support: Vec<f32>,
    /// What [`Self::support`] would be if the surface were plainly seen; where it is small nothing can be told.
    pub information: Vec<f32>,
    /// Seen over expected depth, as a logarithm; 0 where either is unknown.
    pub ln_depth_error: Vec<f32>,
    /// The observer takes the pixel for sky.
    pub sky: Vec<bool>,
    /// One for each of the expected views, in their order.
    pub measurements: Vec<Measurement>,
    /// Regions that nothing expected explains, the largest first.
    pub ghosts: Vec<Ghost>,
    /// What of it looks as the pictures before it did.
    pub recalled: Recalled,
    /// An observer was asked. If not, only bodies that look as before have measurements, at their places, and the maps are the expected ones.
    pub looked: bool,
}

impl Observed {
    fn clear(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        let pixels = width * height;
        self.object.resize(pixels, NONE);
        self.sky.clear();
        self.sky.resize(pixels, false);
        for map in [
            &mut self.depth_m,
            &mut self.confidence,
            &mut self.support,
            &mut self.information,
            &mut self.ln_depth_error,
        ] {
            map.resize(pixels, 0.0);
        }
        self.measurements.clear();
        self.ghosts.clear();
    }

    /// What a picture shows that looks as the ones before it.
    pub(crate) fn fill_as_expected(&mut self, expected: &Expected) {
        self.clear(expected.width, expected.height);
        self.looked = false;
        self.object.clone_from(&expected.object);
        self.depth_m.clone_from(&expected.depth_m);
        for map in [
            &mut self.confidence,
            &mut self.support,
            &mut self.information,
            &mut self.ln_depth_error,
        ] {
            map.fill(0.0);
        }
    }
}

/// A surface with less information than this cannot be told from what is behind it, nats.
pub const SEPARABLE_NATS: f32 = 0.7;
