//! How good pictures are, and pictures of how good they are.
//!
//! [`metrics`], [`ssim`](mod@ssim), [`flip`](mod@flip) and [`texture`] compare pictures; [`plot`] and [`strip`] draw
//! figures; none of them knows a model or an episode. [`rows`] says what is compared, [`clip`] prepares an episode
//! with its baselines, [`score`] sums up, [`figures`] and [`report`] tell it; `run` does it all for a model, `memory` asks
//! whether a world stays as it was, [`camera`] whether a dream obeys, `display` for what the player's screen makes of its pictures, `guard` how well wrong
//! pictures are told from right ones.

pub mod camera;
mod canvas;
pub mod clip;
#[cfg(feature = "tch")]
mod cold;
#[cfg(feature = "tch")]
pub mod display;
pub mod figures;
mod fill;
mod filter;
pub mod flip;
#[cfg(feature = "tch")]
pub mod guard;
#[cfg(feature = "tch")]
pub mod memory;
pub mod metrics;
#[cfg(feature = "tch")]
pub mod options;
#[cfg(feature = "tch")]
mod play;
pub mod plot;
pub mod report;
pub mod rows;
#[cfg(feature = "tch")]
pub mod run;
pub mod score;
pub mod ssim;
#[cfg(feature = "tch")]
mod steps;
pub mod strip;
pub mod texture;

pub use canvas::FigureError;
