//! Model M: a latent world model. [`autoencoder`] makes eight by eight pixels one token and back, [`files`] keeps it on disk;
//! [`transformer`] imagines the next frame's tokens from those of the past, in blocks of [`attention`], with the past's keys and values
//! in a [`ring`] and time as [`rotary`] turns; `streaming` does that for one picture in as few calls as it takes, and `painter` all that a device does for one. [`compositor`] lays the picture with what is known of it; [`told`] is what it is told of a frame, [`stream`] plays it, going on from pictures that are `carried` along;
//! [`floor`] says how
//! far its stages are from what the machine could do.

pub mod attention;
pub mod autoencoder;
mod carried;
pub mod compositor;
pub mod files;
pub mod floor;
pub mod latents;
mod painter;
pub mod ring;
pub mod rotary;
pub mod splatted;
pub mod stream;
mod streaming;
pub mod told;
pub mod transformer;
