//! The hot loops of Reverie, each with a plain reference beside it.
//!
//! [`raster`] draws the shadow at model size, [`warp`] reprojects past frames by exact depth and pose,
//! [`exemplar`] remembers what materials look like in surface coordinates, [`surface`] defines those
//! coordinates, [`texel`] remembers every surface where it is, [`present`] brings a small picture to the display.
//! [`rows`] spreads them over several cores, `graph` plays a GPU's work back in one call. Nothing here knows a model, the guard or Bevy.
//!
//! Frames: world is right-handed, +Y up, metres; a camera looks along its own −Z. Pixel (0, 0) is the
//! upper left one and its centre lies at (0.5, 0.5). Depth is the distance along the camera's −Z axis.

pub mod exemplar;
pub mod geometry;
#[cfg(feature = "graphs")]
pub mod graph;
pub mod present;
pub mod raster;
pub mod rows;
pub mod surface;
pub mod texel;
pub mod warp;
