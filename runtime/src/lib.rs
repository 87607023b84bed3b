//! Placeholder.
pub mod card;
pub mod data;
pub mod files;
pub mod frame;
pub mod material;
pub mod request;
pub mod style;
pub mod weights;
