//! Does a dream's camera go where the player steers it?
//!
//! A dream is made without the shadow, so where its camera stands is nowhere written down: [`register`](mod@register) finds it,
//! frame by frame, from the picture and the true depth. [`track`] follows it through a dream and holds each step to the
//! command that was given.

pub mod register;
pub mod track;

pub use register::{Offset, Registered, Registration, register};
pub use track::{CameraFigures, CameraTally, CameraTrack};
