//! Training of model M, stage by stage: [`autoencoder`] first, then [`dreamer`], the transformer over its latents.
//!
//! [`recipe`] and [`dreamer_recipe`] say what to do, [`sequence`] draws an episode's frames, [`row`] brings them to the device,
//! [`batch`] makes a network's inputs of them, [`critic`] judges what comes out, [`publish`] writes the model.

pub mod autoencoder;
pub mod batch;
pub mod critic;
pub mod dreamer;
pub mod dreamer_recipe;
pub mod publish;
pub mod recipe;
pub mod row;
pub mod sequence;
