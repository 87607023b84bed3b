//! The autoregressive row with other numbers of denoising steps.

use std::collections::BTreeMap;

use super::clip::{Clip, Facts};
use super::play::{play, shown_rgb};
use super::report::{StepsFigures, total_ms};
use super::rows::{RowKind, WHOLE_FRAMES};
use super::run::Loader;
use super::score::RowTally;
use crate::model::{LoadOptions, Measured, ModelError};

/// One number of steps.
pub(super) struct Steps {
    /// Denoising steps of a frame.
    pub(super) steps: u32,
    model: Box<dyn Measured>,
    tally: RowTally,
    frames_ms: Vec<f64>,
}

impl Steps {
    /// Loads the model once more.
    pub(super) fn new(
        steps: u32,
        loader: Loader<'_>,
        load: &LoadOptions,
    ) -> Result<Self, ModelError> {
        let load = LoadOptions { steps: Some(steps), ..load.clone() };
        Ok(Self {
            steps,
            model: loader(&load)?,
            tally: RowTally::new(RowKind::Autoregressive),
            frames_ms: Vec::new(),
        })
    }

    /// Dreams the first frames of an episode. `facts` by frame.
    pub(super) fn add(
        &mut self,
        number: usize,
        clip: &Clip,
        facts: &BTreeMap<usize, Facts>,
    ) -> Result<(), ModelError> {
        let kind = RowKind::Autoregressive;
        let last = clip.last.min(WHOLE_FRAMES);
        let (tally, frames_ms) = (&mut self.tally, &mut self.frames_ms);
        play((&mut *self.model, None), clip, kind, None, last, &mut |frame, dreamed| {
            frames_ms.push(total_ms(&dreamed.times));
            if let Some(facts) = facts.get(&frame).filter(|_| kind.needs(frame, last)) {
                let rgb = shown_rgb(dreamed);
                tally.add(number, frame, last, clip.picture(&rgb), clip.judged(frame, facts));
            }
        })
    }

    /// What came out.
    pub(super) fn figures(&self) -> StepsFigures {
        let frames = self.frames_ms.len().max(1) as f64;
        StepsFigures {
            horizons: self.tally.row().horizons,
            ms_per_frame: self.frames_ms.iter().sum::<f64>() / frames,
        }
    }
}
