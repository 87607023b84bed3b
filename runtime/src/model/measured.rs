//! Models as the evaluation holds them.

use std::path::Path;

use tch::{Device, Kind};

use super::reverie::ReverieModel;
use super::{LoadOptions, ModelError, WorldModel};
use crate::card::ModelCard;
use crate::frame::NeuralFrame;
use crate::request::DreamRequest;

/// What the evaluation asks of a model beyond playing.
pub trait Measured: WorldModel {
    /// Leaves tints open, or dreams each frame without any past.
    fn set_ablation(&mut self, keep_tints: bool, use_past: bool);

    /// Remembers surfaces, or past frames alone.
    fn set_memory(&mut self, remembers: bool);

    /// Starts from nothing known at all: no past, no look, and the first noise of its seed.
    fn forget_look(&mut self);

    /// Takes `rgb` (interleaved sRGB, 0 to 1) into the past as the picture of `request`, believed by `trust`, 0 to 1.
    ///
    /// # Errors
    /// The request is not sane, or `rgb` has another size than the model.
    fn prompt(
        &mut self,
        request: &DreamRequest,
        rgb: Vec<f32>,
        trust: f32,
    ) -> Result<(), ModelError>;

    /// Dreams the next frame, then takes `truth` into the past in its place, as [`prompt`](Self::prompt) does.
    ///
    /// # Errors
    /// As [`append_frame`](WorldModel::append_frame).
    fn append_frame_as(
        &mut self,
        request: &DreamRequest,
        truth: Vec<f32>,
        trust: f32,
    ) -> Result<NeuralFrame, ModelError>;

    /// Encodes and decodes a picture (interleaved sRGB, 0 to 1, of the model's size) where the model works on latents;
    /// `None` where it works on pixels. Its past stays as it is.
    ///
    /// # Errors
    /// The picture has another size, or the network refused.
    fn codec(&mut self, _rgb: &[f32]) -> Result<Option<Vec<f32>>, ModelError> {
        Ok(None)
    }

    /// Where the network computes, and in which numbers.
    fn device(&self) -> (Device, Kind);
}

/// Loads the model that a card describes, to be measured.
///
/// # Errors
/// Card or weights are damaged, or this build cannot run them.
pub fn load_measured(
    card_path: &Path,
    card: ModelCard,
    options: &LoadOptions,
) -> Result<Box<dyn Measured>, ModelError> {
    Ok(Box::new(ReverieModel::load(card_path, card, options)?))
}
