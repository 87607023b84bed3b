//! Pictures that are not final: what a model lets the guard do before a picture goes into its past.

use reverie_guard::{Evidence, Levels, ShadowSnapshot, Thresholds};

use super::ModelError;
use crate::condition::Candidates;
use crate::frame::{NeuralFrame, StageTimes};
use crate::request::{DreamRequest, FrameSource};
use crate::view::ShadowView;

/// A picture that a model has made and not yet taken into its past.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Interleaved sRGB, 0 to 1, 3 values a pixel.
    pub rgb: Vec<f32>,
    /// Up to here.
    pub times: StageTimes,
}

/// Where a dream's camera is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Steering {
    /// The player's commands alone, which know no walls and no inertia.
    #[default]
    Commands,
    /// The camera of the request: the physics knows where the player is, though not what is to be seen from there.
    Player,
}

/// How a draft is made anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Redraft {
    /// All of it, with the condition at its strictest.
    Strengthen,
    /// Only the bad parts, from other noise and without past frames, as often as said; the rest is held.
    Parts {
        /// Pictures wanted, made in one batch; at least 1.
        pictures: usize,
    },
}

/// What of a finished picture a model keeps for later ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Keep<'a> {
    /// All of it.
    All,
    /// With a trust per pixel, 0 to 1: what is not trusted teaches neither exemplars nor the memory.
    Trusting(&'a [f32]),
    /// Nothing: it is not the model's own.
    Nothing,
}

/// A model whose pictures can be judged, and made anew, before they count.
///
/// Each request is [`draft`](Self::draft)ed once and [`finish`](Self::finish)ed once; a draft that is never finished leaves
/// the past as it was.
pub trait Drafts {
    /// Makes a picture and takes it into nothing. `steering` counts for dreams alone.
    ///
    /// # Errors
    /// As [`append_frame`](super::WorldModel::append_frame).
    fn draft(&mut self, request: &DreamRequest, steering: Steering) -> Result<Draft, ModelError>;

    /// The shadow that the last draft is of; `None` before the first one.
    fn view(&self) -> Option<&ShadowView>;

    /// What the last draft was made from: shadow paint, exemplars, memory.
    fn candidates(&self) -> &Candidates;

    /// Which corrections make sense for the last draft.
    fn levels(&self) -> Levels;

    /// Makes the last draft anew, in one or more ways. `bad` is 1 where it is bad and 0 where it must stay, with
    /// values between along the border, one a pixel.
    ///
    /// # Errors
    /// The network refused, or there is no draft.
    fn redraft(
        &mut self,
        draft: &Draft,
        bad: &[f32],
        how: Redraft,
    ) -> Result<Vec<Vec<f32>>, ModelError>;

    /// Makes `draft.rgb` the picture that answers `request`, and keeps of it what may be kept.
    ///
    /// # Errors
    /// The picture has another size than the model's.
    fn finish(
        &mut self,
        request: &DreamRequest,
        draft: Draft,
        source: FrameSource,
        keep: Keep,
    ) -> Result<NeuralFrame, ModelError>;
}

/// Looks at pictures for the guard. It must tell what it sees from the colours alone.
pub trait Observe {
    /// It wants to see pictures so many times smaller along each side than the model makes them; 1 at least.
    fn shrink(&self) -> usize {
        1
    }

    /// Looks at a picture: `height * width * 3` bytes, sRGB, row by row from the top. Of the snapshot it may use only
    /// which classes of material could be in view at all.
    ///
    /// # Errors
    /// The picture has a size that it cannot look at, or the network refused.
    fn observe(&mut self, rgb: &[u8], snapshot: &ShadowSnapshot) -> Result<Evidence, ModelError>;
}

/// An observer with the thresholds that were calibrated for it.
pub struct Eye {
    /// Looks.
    pub observer: Box<dyn Observe>,
    /// Decides.
    pub thresholds: Thresholds,
}

impl std::fmt::Debug for Eye {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Eye").finish_non_exhaustive()
    }
}
