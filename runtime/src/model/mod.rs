//! World models: what turns a request into a picture.
//!
//! [`WorldModel`] is the one interface; [`ShadowPaint`] needs no libtorch, [`reverie`] is the project's own
//! diffusion model. [`load_model`] picks by what the card says.

use std::path::{Path, PathBuf};

use reverie_guard::RequestFault;
use thiserror::Error;

use crate::card::{CardError, ModelCard};
use crate::frame::NeuralFrame;
use crate::memory::SharedMemory;
use crate::request::DreamRequest;
use crate::weights::ModelFileError;

mod drafts;
mod shadow_paint;

#[cfg(feature = "tch")]
pub mod latent;
#[cfg(feature = "tch")]
pub mod measured;
#[cfg(feature = "tch")]
pub mod reverie;

pub use drafts::{Draft, Drafts, Eye, Keep, Observe, Redraft, Steering};
#[cfg(feature = "tch")]
pub use measured::{Measured, load_measured};
pub use shadow_paint::ShadowPaint;
pub(crate) use shadow_paint::ms;

/// A streaming world model: one request in, one picture out, in order.
pub trait WorldModel {
    /// For logs and the HUD.
    fn name(&self) -> &str;

    /// Width and height of its pictures, pixels.
    fn size(&self) -> (u32, u32);

    /// Dreams the next frame.
    ///
    /// # Errors
    /// The request is not sane, or the model failed; its past is then unchanged.
    fn append_frame(&mut self, request: &DreamRequest) -> Result<NeuralFrame, ModelError>;

    /// Forgets all past frames. What is remembered of surfaces stays.
    fn reset(&mut self);

    /// Answers requests in [`DreamMode::Dream`](crate::request::DreamMode) without their shadow. A model that cannot stays
    /// anchored, and its frames say so.
    fn can_dream(&self) -> bool {
        false
    }

    /// The model's drafts, if it lets the guard judge a picture before it goes into the past. Of a model without them
    /// only what is shown can be corrected.
    fn drafts(&mut self) -> Option<&mut dyn Drafts> {
        None
    }

    /// Hands out the observer that was trained for the model's pictures, once; `None` if there is none.
    fn take_eye(&mut self) -> Option<Eye> {
        None
    }
}

/// What can go wrong in a model.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The card cannot be read.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The weights cannot be read.
    #[error(transparent)]
    Weights(#[from] ModelFileError),
    /// The card asks for something that this build does not have.
    #[error("model card {card}: {what}")]
    Unsupported {
        /// Which card.
        card: PathBuf,
        /// What is not supported, and what to do.
        what: String,
    },
    /// The prompt picture cannot be read.
    #[error("prompt picture {path}: {source}; give a PNG or JPEG")]
    Prompt {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// The request is not sane.
    #[error("request {request_id} refused: {source}")]
    Request {
        /// Which.
        request_id: u64,
        /// Why.
        source: RequestFault,
    },
    /// A picture for the past has another size than the model's.
    #[error("a picture of {found} values was given where the model's have {expected}")]
    PictureSize {
        /// Values.
        found: usize,
        /// Values.
        expected: usize,
    },
    /// NaN or Inf in a picture; the model's past was forgotten.
    #[error(
        "the model produced {count} values that are not numbers in frame {request_id}; its past was reset"
    )]
    NotANumber {
        /// Values.
        count: usize,
        /// Which request.
        request_id: u64,
    },
    /// A bug in the model, caught.
    #[error("the model panicked: {what}")]
    Panicked {
        /// The panic's message.
        what: String,
    },
    /// The system gives no threads to draw the shadow with.
    #[cfg(feature = "tch")]
    #[error("no threads to draw the shadow with: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// libtorch refused.
    #[cfg(feature = "tch")]
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// What was recorded cannot be played.
    #[cfg(feature = "tch")]
    #[error("{0}")]
    Graph(#[from] reverie_kernels::graph::GraphError),
}

/// How to load a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadOptions {
    /// Of the sampler's noise and of the look that a world without a prompt gets.
    pub seed: u64,
    /// Denoising steps; the card's own number if `None`.
    pub steps: Option<u32>,
    /// A picture that sets palette and textures.
    pub prompt: Option<PathBuf>,
    /// Threads of the model; 1 if `None`, which leaves the rest to the game.
    pub threads: Option<usize>,
    /// What surfaces look like; a memory of the model's own, and empty, if `None`.
    pub memory: Option<SharedMemory>,
}

/// Loads the model that a card describes.
///
/// # Errors
/// Card or weights are missing or damaged, or this build cannot run them.
pub fn load_model(
    card_path: &Path,
    options: &LoadOptions,
) -> Result<Box<dyn WorldModel>, ModelError> {
    let card = ModelCard::load(card_path)?;
    #[cfg(feature = "tch")]
    {
        Ok(Box::new(reverie::ReverieModel::load(card_path, card, options)?))
    }
    #[cfg(not(feature = "tch"))]
    {
        let _ = (card, options);
        Err(ModelError::Unsupported {
            card: card_path.to_owned(),
            what: "this build has no libtorch; build with the feature `tch`".to_owned(),
        })
    }
}
