//! World models, sampler, dream thread, training and evaluation of Reverie.
//!
//! | module | holds |
//! |---|---|
//! | [`request`], [`frame`], [`style`], [`material`] | the types that cross into and out of the dream thread |
//! | [`dream`] | the thread, its channels, its fallback |
//! | [`correct`] | the guard at work: pictures judged before they count, and corrected |
//! | [`model`] | the [`WorldModel`](model::WorldModel) trait, shadow paint, model S |
//! | [`memory`] | what surfaces look like, kept beyond the last frames, and saved |
//! | [`scene`], [`view`], [`paint`], [`references`], [`condition`] | what a model is told: maps, past frames, numbers |
//! | [`tones`] | the model's own colours, for paint on the display |
//! | [`commanded`] | where the player's commands alone would take the camera |
//! | `sampler` | from noise to a picture |
//! | [`card`], [`weights`], [`files`] | model files, checked before use |
//! | `observer` | the guard's eye: from a picture's colours to material and depth |
//! | [`profile`], [`quantiles`] | Tracy, if it is built in; figures of a stream of durations |
//! | [`data`], `train`, [`eval`] | episodes, the trainer, the measurements |
//!
//! Nothing here knows Bevy. Without the feature `tch` the crate builds without libtorch: then the only model is
//! [`ShadowPaint`](model::ShadowPaint), and there is no trainer.

pub mod card;
pub mod commanded;
pub mod condition;
pub mod correct;
pub mod data;
pub mod dream;
pub mod eval;
pub mod files;
pub mod frame;
pub mod material;
pub mod memory;
pub mod model;
pub mod paint;
pub mod profile;
pub mod quantiles;
pub mod references;
pub mod request;
pub mod scene;
pub mod sizes;
pub mod style;
pub mod tones;
pub mod view;
pub mod weights;

#[cfg(feature = "tch")]
mod bits;
#[cfg(feature = "tch")]
pub mod device;
#[cfg(feature = "tch")]
pub mod observer;
#[cfg(feature = "tch")]
pub mod sampler;
#[cfg(feature = "tch")]
pub mod train;

#[cfg(all(test, feature = "tch"))]
mod cuda_tests;
