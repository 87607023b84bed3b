//! Placeholder.
pub mod action;
pub mod material;
pub mod recorder;
pub mod shadow;
