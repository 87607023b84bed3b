//! Episodes: what a game showed and did, frame by frame, for training and evaluation.
//!
//! An episode is a folder:
//!
//! | file | holds |
//! |---|---|
//! | `episode.ron` | [`Manifest`]: size, seeds, names, the table of bodies, the physics hash at the end |
//! | `tracks.safetensors` | per frame: camera, time, action, style, sun, poses and velocities of bodies |
//! | `frames.qoi.bin` | the pictures, QOI images one after another, without loss |
//! | `fault.ron` | only where the pictures show a fault on purpose: the [`Fault`](reverie_guard::Fault), from which the state that was drawn follows; the tracks hold the true one |
//!
//! While it is written the folder is called `NAME.partial`; it is renamed when it is complete.
//! [`EpisodeWriter`] writes, [`Episode`] reads, [`sheet`] draws overviews. Nothing here knows how a
//! picture was made or what a model does with it.

mod episode;
mod error;
mod reader;
pub mod sheet;
mod tracks;
mod writer;

#[cfg(test)]
mod tests;

pub use episode::{BodyRow, EPISODE_VERSION, EpisodeHeader, Manifest, PARTIAL_SUFFIX};
pub use error::DataError;
pub use reader::{Episode, list_episodes};
pub use writer::EpisodeWriter;
