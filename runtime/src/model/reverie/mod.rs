//! Model S
pub mod layers;
pub mod unet;
