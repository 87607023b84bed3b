//! Placeholder.
pub mod action;
pub mod camera;
pub mod dream;
pub mod material;
pub mod recorder;
pub mod shadow;
pub mod view;
