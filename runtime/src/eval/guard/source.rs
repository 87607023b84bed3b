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
    /// Has never seen anything but the fault: a model that knows better goes on painting what it knows.
    faulty: Option<ReverieModel>,
}

impl Dreamer {
    pub(super) fn new(card_path: &Path, with_faults: bool) -> Result<Self, GuardEvalError> {
        let load = || -> Result<ReverieModel, GuardEvalError> {
            let card = ModelCard::load(card_path)?;
            Ok(ReverieModel::load(card_path, card, &LoadOptions::default())?)
        };
        Ok(Self { model: load()?, faulty: if with_faults { Some(load()?) } else { None } })
    }

    /// It can go on without the shadow.
    pub(super) fn can_dream(&self) -> bool {
        self.model.can_dream()
    }

    /// Another world begins.
    pub(super) fn begin(&mut self) {
        self.model.forget_world();
        if let Some(faulty) = &mut self.faulty {
            faulty.forget_world();
        }
    }

    /// The picture of frame `index`.
    pub(super) fn picture(
        &mut self,
        episode: &Episode,
        index: usize,
    ) -> Result<Vec<u8>, GuardEvalError> {
        dream(&mut self.model, episode, index, episode.snapshot(index))
    }

    /// The right picture of frame `index`, and the one to show: from the start of the fault on that of a model which never knew better.
    pub(super) fn pictures(
        &mut self,
        episode: &Episode,
        index: usize,
        fault: &Fault,
    ) -> Result<(Vec<u8>, Vec<u8>), GuardEvalError> {
        let right = self.picture(episode, index)?;
        let Some(faulty) = &mut self.faulty else { return Ok((right.clone(), right)) };
        let truth = episode.snapshot(index);
        let always = Fault { start_tick: 0, ..fault.clone() };
        let wrong = dream(faulty, episode, index, always.drawn(&truth))?;
        if !fault.is_active(truth.tick) {
            return Ok((right.clone(), right));
        }
        let share = fault.opacity();
        let mix = |(wrong, right): (&u8, &u8)| {
            (share * f32::from(*wrong) + (1.0 - share) * f32::from(*right)).round() as u8
        };
        let shown = wrong.iter().zip(&right).map(mix).collect();
        Ok((right, shown))
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
