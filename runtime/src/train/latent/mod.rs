//! Training of model M, stage by stage: [`autoencoder`] first, then [`dreamer`], the transformer over its latents.
//!
//! [`recipe`] and [`dreamer_recipe`] say what to do, [`sequence`] draws an episode's frames, [`row`] brings them to the device,
//! [`batch`] makes a network's inputs of them, [`publish`] writes the model.

pub mod autoencoder;
pub mod batch;
pub mod dreamer;
pub mod dreamer_recipe;
pub mod publish;
pub mod recipe;
pub mod row;
pub mod sequence;
