//! What to evaluate, and why it may not work.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::FigureError;
use super::rows::{HORIZONS, PROMPT_FRAMES, RowKind};
use crate::card::{CardError, ModelCard};
use crate::data::DataError;
use crate::model::ModelError;
use crate::model::reverie::files::KIND;
use crate::sampler::MOST_STEPS;

/// Layouts and episodes from this seed up are for evaluation alone.
pub const FIRST_EVAL_SEED: u64 = 1_000_000;

/// What to evaluate, and how far.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalOptions {
    /// In any order.
    pub rows: Vec<RowKind>,
    /// At most so many episodes, the first by name; all if `None`.
    pub episodes: Option<usize>,
    /// At most so many frames after the prompt.
    pub frames: usize,
    /// Numbers of denoising steps to compare; empty for none.
    pub steps: Vec<u32>,
    /// Folder of the pictures; none are drawn if `None`.
    pub out: Option<PathBuf>,
    /// Threads of the network on a CPU. One is what a game has to spare, and what a busy machine does best with.
    pub threads: usize,
    /// Of the sampler's noise, and of the looks of worlds without a prompt.
    pub seed: u64,
}

impl Default for EvalOptions {
    fn default() -> Self {
        Self {
            rows: RowKind::ALL.to_vec(),
            episodes: None,
            frames: HORIZONS[HORIZONS.len() - 1],
            steps: vec![1, 2, 4],
            out: None,
            threads: 1,
            seed: 1,
        }
    }
}

/// Why nothing could be evaluated.
#[derive(Debug, Error)]
pub enum EvalError {
    /// An episode cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The card cannot be read.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The model cannot be loaded, or failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A picture cannot be drawn or written.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// The folder has no episodes.
    #[error(
        "there are no episodes in {}; record some with `reverie record --seed {FIRST_EVAL_SEED} --frames 276 --out {}`",
        data.display(), data.display()
    )]
    NoEpisodes {
        /// The folder.
        data: PathBuf,
    },
    /// The folder has no episodes of scripted motion.
    #[error(
        "there are no episodes in {}; record some with `reverie record --display --seed {FIRST_EVAL_SEED} --episodes 3 --frames 40 --size 800x450 --out {}`",
        data.display(), data.display()
    )]
    NoDisplayEpisodes {
        /// The folder.
        data: PathBuf,
    },
    /// No episode goes on after the prompt.
    #[error(
        "the longest episode in {} has {longest} frames; the prompt alone takes {PROMPT_FRAMES}, and 256 after it are best",
        data.display()
    )]
    TooShort {
        /// The folder.
        data: PathBuf,
        /// Frames.
        longest: usize,
    },
    /// Pictures of another size than the model's.
    #[error("{}: {}×{} pixels, but the model makes {}×{}; record at its size", path.display(), found.0, found.1, model.0, model.1)]
    Size {
        /// The episode.
        path: PathBuf,
        /// Width and height, pixels.
        found: (u32, u32),
        /// Width and height, pixels.
        model: (u32, u32),
    },
    /// A measurement that models of another kind do not offer.
    #[error("{what} measures models of kind `{KIND}`; {} is of kind `{found}`: measure it with plain `reverie eval`", card.display())]
    Kind {
        /// Which measurement.
        what: &'static str,
        /// Which card.
        card: PathBuf,
        /// Its kind.
        found: String,
    },
    /// An option that asks for nothing or for too much.
    #[error("{what} is {value}; {hint}")]
    Option {
        /// Which.
        what: &'static str,
        /// As given.
        value: String,
        /// What is allowed.
        hint: String,
    },
}

/// Refuses models that measurement `what` cannot take apart.
pub(super) fn require_kind(
    what: &'static str,
    card_path: &Path,
    card: &ModelCard,
) -> Result<(), EvalError> {
    let found = &card.architecture.kind;
    if found == KIND {
        return Ok(());
    }
    Err(EvalError::Kind { what, card: card_path.to_owned(), found: found.clone() })
}

/// Finds options that ask for nothing or for too much.
pub(super) fn check(options: &EvalOptions) -> Result<(), EvalError> {
    let wrong = |what, value: String, hint: &str| {
        Err(EvalError::Option { what, value, hint: hint.to_owned() })
    };
    if options.rows.is_empty() {
        return wrong("the list of rows", "empty".to_owned(), "name at least one");
    }
    if options.frames == 0 || options.episodes == Some(0) {
        return wrong("the number of frames or episodes", "0".to_owned(), "at least 1 is needed");
    }
    if let Some(steps) = options.steps.iter().find(|s| !(1..=MOST_STEPS).contains(*s)) {
        return wrong(
            "a number of steps",
            steps.to_string(),
            &format!("1 to {MOST_STEPS} are possible"),
        );
    }
    Ok(())
}
