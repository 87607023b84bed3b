//! The trainer: episodes in, a model card with weights out; resumes after a kill at any moment.
//!
//! [`recipe`] says what to do, [`sample`] and [`loader`] draw conditions from episodes on threads of their own, [`rollout`] those that
//! come after the model's own pictures,
//! [`optimizer`] is AdamW over one flat vector, [`state`] what is saved, [`trainer`] the loop, `course` its bookkeeping, [`publish`]
//! writes the finished model, [`looks`] what goes with it. [`latent`] trains the stages of model M.

pub(crate) mod course;
pub mod latent;
pub mod loader;
pub mod looks;
pub mod loss;
pub mod optimizer;
pub mod packed;
pub(crate) mod pool;
pub mod publish;
pub mod recipe;
pub mod rollout;
pub mod sample;
pub mod state;
pub mod trainer;

pub use recipe::{Recipe, RecipeError, Sampling};
pub use trainer::{Progress, TrainError, train};
