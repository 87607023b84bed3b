//! Placeholder.
pub mod action;
pub mod material;
