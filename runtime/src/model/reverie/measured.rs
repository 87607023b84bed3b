//! Both models under evaluation.

use tch::{Device, Kind};

use super::ReverieModel;
use crate::frame::NeuralFrame;
use crate::memory::SharedMemory;
use crate::model::ModelError;
use crate::model::measured::Measured;
use crate::request::DreamRequest;

impl Measured for ReverieModel {
    fn set_ablation(&mut self, keep_tints: bool, use_past: bool) {
        Self::set_ablation(self, keep_tints, use_past);
    }

    fn set_memory(&mut self, remembers: bool) {
        Self::set_memory(self, remembers.then(SharedMemory::default), true);
    }

    fn forget_look(&mut self) {
        Self::forget_look(self);
    }

    fn prompt(
        &mut self,
        request: &DreamRequest,
        rgb: Vec<f32>,
        trust: f32,
    ) -> Result<(), ModelError> {
        Self::prompt(self, request, rgb, trust)
    }

    fn append_frame_as(
        &mut self,
        request: &DreamRequest,
        truth: Vec<f32>,
        trust: f32,
    ) -> Result<NeuralFrame, ModelError> {
        Self::append_frame_as(self, request, truth, trust)
    }

    fn codec(&mut self, rgb: &[f32]) -> Result<Option<Vec<f32>>, ModelError> {
        Self::codec(self, rgb)
    }

    fn device(&self) -> (Device, Kind) {
        Self::device(self)
    }
}
