//! Placeholder.
pub mod frame;
pub mod material;
pub mod request;
pub mod style;
