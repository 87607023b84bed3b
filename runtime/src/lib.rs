//! Placeholder.
pub mod condition;
pub mod data;
pub mod files;
pub mod frame;
pub mod material;
pub mod model;
pub mod paint;
pub mod request;
pub mod scene;
pub mod style;
