//! Pictures to be judged: true renders, and those of the model.

use std::path::Path;

use reverie_guard::{Fault, ShadowSnapshot};
use serde::{Deserialize, Serialize};

use super::GuardEvalError;
use crate::card::ModelCard;
use crate::data::Episode;
use crate::model::reverie::ReverieModel;
use crate::model::{LoadOptions, WorldModel};
use crate::observer::dreamed::{request, without_alpha};

/// Who made a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The conventional game.
    Render,
    /// The world model.
    Model,
}

impl Source {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Render, Self::Model];

    /// For tables and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Render => "render",
            Self::Model => "model",
        }
    }
}

/// The model that makes pictures, from a look alone: as a game begins.
pub(super) struct Dreamer {
    model: ReverieModel,
    /// Shows the true state beside one that is half wrong.
    beside: Option<ReverieModel>,
}

impl Dreamer {
    pub(super) fn new(card_path: &Path, with_beside: bool) -> Result<Self, GuardEvalError> {
        let load = || -> Result<ReverieModel, GuardEvalError> {
            let card = ModelCard::load(card_path)?;
            Ok(ReverieModel::load(card_path, card, &LoadOptions::default())?)
        };
        Ok(Self { model: load()?, beside: if with_beside { Some(load()?) } else { None } })
    }

    /// Another world begins.
    pub(super) fn begin(&mut self) {
        self.model.forget_world();
        if let Some(beside) = &mut self.beside {
            beside.forget_world();
        }
    }

    /// The picture of frame `index`, showing the fault from its start on.
    pub(super) fn picture(
        &mut self,
        episode: &Episode,
        index: usize,
        fault: Option<&Fault>,
    ) -> Result<Vec<u8>, GuardEvalError> {
        let truth = episode.snapshot(index);
        let drawn = fault.map_or_else(|| truth.clone(), |fault| fault.drawn(&truth));
        let mut rgb = dream(&mut self.model, episode, index, drawn)?;
        if let (Some(fault), Some(beside)) = (fault, &mut self.beside)
            && fault.opacity() < 1.0
        {
            let right = dream(beside, episode, index, truth)?;
            let share =
                if fault.is_active(episode.snapshot(index).tick) { fault.opacity() } else { 1.0 };
            for (wrong, right) in rgb.iter_mut().zip(right) {
                *wrong =
                    (share * f32::from(*wrong) + (1.0 - share) * f32::from(right)).round() as u8;
            }
        }
        Ok(rgb)
    }
}

fn dream(
    model: &mut ReverieModel,
    episode: &Episode,
    index: usize,
    drawn: ShadowSnapshot,
) -> Result<Vec<u8>, GuardEvalError> {
    let frame = model.append_frame(&request(episode, index, drawn))?;
    Ok(without_alpha(&frame.rgba))
}
