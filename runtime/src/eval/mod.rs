//! How good pictures are, and pictures of how good they are.
//!
//! [`metrics`], [`ssim`](mod@ssim), [`flip`](mod@flip) and [`texture`] compare pictures;
//! [`plot`] and [`strip`] draw figures. Nothing here knows a model or an episode.

mod canvas;
mod filter;
pub mod flip;
pub mod metrics;
pub mod plot;
pub mod ssim;
pub mod strip;
pub mod texture;
