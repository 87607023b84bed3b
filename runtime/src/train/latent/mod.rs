//! Training of model M, stage by stage: [`autoencoder`] first.

pub mod autoencoder;
pub mod recipe;
