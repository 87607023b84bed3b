//! Episodes that are being recorded, and frames whose pictures are still on their way.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use bevy::prelude::*;
use reverie_guard::{Fault, ShadowSnapshot};
use reverie_runtime::data::{DataError, EpisodeHeader, EpisodeWriter};
use reverie_runtime::request::Action;
use reverie_runtime::style::StyleWeights;
use thiserror::Error;

use super::RecorderPlugin;

/// An episode that the end of the game cuts shorter is not kept: evaluation prompts with its first 20 frames.
const SHORTEST_FRAMES: u32 = 24;

/// States that are kept for [`Recorder::recent_states`].
pub const RECENT_STATES: usize = 2;

/// Names and seeds of an episode.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EpisodeStart {
    /// Folder name below [`super::RecorderPlugin::out`].
    pub name: String,
    /// Of the behaviour: bot, materials, style.
    pub seed: u64,
    /// Of the level.
    pub layout_seed: u64,
    /// Which program records, with its version.
    pub generator: String,
}

/// Why an episode was not written.
#[derive(Debug, Clone, Error)]
pub enum RecorderError {
    /// The writer refused.
    #[error("{0}")]
    Data(Arc<DataError>),
    /// A picture never came back from the GPU.
    #[error("frame {frame} was not delivered by the renderer within {frames} frames")]
    LostPicture {
        /// Index in the episode.
        frame: u32,
        /// Frames waited.
        frames: u64,
    },
    /// The camera drew nothing into its picture.
    #[error("frame {frame} was never drawn: is the recorded camera active?")]
    NotDrawn {
        /// Index in the episode.
        frame: u32,
    },
    /// Ended before it had a frame.
    #[error("ended without a frame")]
    Empty,
    /// Given up by the game.
    #[error("discarded")]
    Discarded,
}

/// An episode is complete, or lost.
#[derive(Message, Debug, Clone)]
pub struct EpisodeDone {
    /// As given in [`EpisodeStart::name`].
    pub name: String,
    /// Its folder, or what went wrong; then nothing of it is left on disk.
    pub result: Result<PathBuf, RecorderError>,
}

/// State of one frame, waiting for its picture.
pub(super) struct Captured {
    pub snapshot: ShadowSnapshot,
    pub action: Action,
    pub style: StyleWeights,
    /// Arrives later.
    pub rgb: Option<Vec<u8>>,
    /// App frame of the capture, to notice lost pictures.
    pub at_frame: u64,
}

struct Episode {
    name: String,
    writer: EpisodeWriter,
    /// By index in the episode; from the first one that is not written.
    waiting: BTreeMap<u32, Captured>,
    captured: u32,
    written: u32,
    last_hash: u64,
    /// The newest states.
    recent: VecDeque<ShadowSnapshot>,
    /// Set by [`Recorder::end`]: no more frames, and the hash to close with.
    closing: Option<u64>,
}

/// The recorder's controls: [`begin`](Self::begin) and [`end`](Self::end) an episode from any system, or
/// between two `App::update`s.
#[derive(Resource, Default)]
pub struct Recorder {
    /// By serial number; only the newest can be open, older ones wait for pictures.
    episodes: BTreeMap<u64, Episode>,
    next_serial: u64,
    open: Option<u64>,
    config: RecorderPlugin,
    /// Simulated time from one frame to the next, seconds.
    pub(super) frame_dt_s: f32,
    pub(super) ready: bool,
    pub(super) done: VecDeque<EpisodeDone>,
}

impl Recorder {
    pub(super) fn new(config: RecorderPlugin) -> Self {
        Self { config, ..Self::default() }
    }

    /// The renderer delivers finished pictures; before that, an episode would start black.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// An episode is open: frames are being captured.
    pub fn is_recording(&self) -> bool {
        self.open.is_some()
    }

    /// Frames captured in the open episode.
    pub fn frames(&self) -> u32 {
        self.open
            .and_then(|serial| self.episodes.get(&serial))
            .map_or(0, |episode| episode.captured)
    }

    /// The newest states of the open episode, at most [`RECENT_STATES`], the newest last.
    pub fn recent_states(&self) -> Vec<ShadowSnapshot> {
        let episode = self.open.and_then(|serial| self.episodes.get(&serial));
        episode.map_or_else(Vec::new, |episode| episode.recent.iter().cloned().collect())
    }

    /// Writes into the open episode that its pictures show a fault: see [`super::misdraw`].
    pub(super) fn set_fault(&mut self, fault: Fault) {
        if let Some(episode) = self.open.and_then(|serial| self.episodes.get_mut(&serial)) {
            episode.writer.set_fault(fault);
        }
    }

    /// Frames of all episodes whose pictures have not come back.
    pub fn frames_in_flight(&self) -> usize {
        self.episodes.values().map(|episode| episode.waiting.len()).sum()
    }

    /// Opens an episode; an open one is ended first. Its first frame is the next that is captured.
    ///
    /// # Errors
    /// The folder is there already or cannot be written to.
    pub fn begin(&mut self, start: EpisodeStart) -> Result<(), DataError> {
        self.end(None);
        let header = EpisodeHeader {
            width: self.config.size.x,
            height: self.config.size.y,
            frame_dt_s: self.frame_dt_s,
            seed: start.seed,
            layout_seed: start.layout_seed,
            generator: start.generator,
        };
        let name = start.name;
        let writer = EpisodeWriter::create(self.config.out.join(&name), header)?;
        let serial = self.next_serial;
        self.next_serial += 1;
        self.open = Some(serial);
        let waiting = BTreeMap::new();
        self.episodes.insert(
            serial,
            Episode {
                name,
                writer,
                waiting,
                captured: 0,
                written: 0,
                last_hash: 0,
                recent: VecDeque::new(),
                closing: None,
            },
        );
        Ok(())
    }

    /// Closes the open episode. It is complete when its last picture has come back, some frames later:
    /// see [`EpisodeDone`]. `physics_hash` is the game's own, else one of the last snapshot is taken.
    pub fn end(&mut self, physics_hash: Option<u64>) {
        if let Some(serial) = self.open.take()
            && let Some(episode) = self.episodes.get_mut(&serial)
        {
            episode.closing = Some(physics_hash.unwrap_or(episode.last_hash));
            self.flush(serial);
        }
    }

    /// Drops the open episode and what was written of it.
    pub fn discard(&mut self) {
        if let Some(serial) = self.open {
            self.fail(serial, RecorderError::Discarded);
        }
    }

    /// Adds a frame to the open episode; its ticket is what the picture will be matched by.
    pub(super) fn capture(&mut self, captured: Captured) -> Option<(u64, u32)> {
        let serial = self.open?;
        let episode = self.episodes.get_mut(&serial)?;
        let index = episode.captured;
        episode.captured += 1;
        episode.last_hash = snapshot_hash(&captured.snapshot);
        episode.recent.push_back(captured.snapshot.clone());
        if episode.recent.len() > RECENT_STATES {
            episode.recent.pop_front();
        }
        episode.waiting.insert(index, captured);
        Some((serial, index))
    }

    /// A picture came back: `rgb` is `None` if nothing was drawn into it.
    pub(super) fn receive(&mut self, serial: u64, frame: u32, rgb: Option<Vec<u8>>) {
        let Some(episode) = self.episodes.get_mut(&serial) else { return };
        let Some(captured) = episode.waiting.get_mut(&frame) else { return };
        match rgb {
            Some(rgb) => captured.rgb = Some(rgb),
            None => return self.fail(serial, RecorderError::NotDrawn { frame }),
        }
        self.flush(serial);
    }

    /// Gives up episodes with a picture older than `limit` app frames.
    pub(super) fn drop_lost(&mut self, now: u64, limit: u64) {
        let lost: Vec<(u64, u32)> = self
            .episodes
            .iter()
            .filter_map(|(serial, episode)| {
                let (frame, oldest) = episode.waiting.first_key_value()?;
                (now.saturating_sub(oldest.at_frame) > limit).then_some((*serial, *frame))
            })
            .collect();
        for (serial, frame) in lost {
            self.fail(serial, RecorderError::LostPicture { frame, frames: limit });
        }
    }

    /// Ends all episodes with the frames whose pictures are there: the game is closing. Snippets are dropped.
    pub(super) fn close_all(&mut self) {
        self.end(None);
        for serial in self.episodes.keys().copied().collect::<Vec<_>>() {
            let Some(episode) = self.episodes.get_mut(&serial) else { continue };
            episode.waiting.clear();
            episode.captured = episode.written;
            if episode.written < SHORTEST_FRAMES {
                self.fail(serial, RecorderError::Discarded);
            } else {
                self.flush(serial);
            }
        }
    }

    /// Writes what is complete, in order, and closes the episode if that was all.
    fn flush(&mut self, serial: u64) {
        let Some(episode) = self.episodes.get_mut(&serial) else { return };
        while let Some(entry) = episode.waiting.first_entry() {
            if *entry.key() != episode.written {
                break;
            }
            let Some(rgb) = &entry.get().rgb else { break };
            let state = entry.get();
            if let Err(error) =
                episode.writer.push(&state.snapshot, &state.action, &state.style, rgb)
            {
                return self.fail(serial, RecorderError::Data(Arc::new(error)));
            }
            entry.remove();
            episode.written += 1;
        }
        let Some(hash) = episode.closing else { return };
        if episode.written < episode.captured {
            return;
        }
        if episode.written == 0 {
            return self.fail(serial, RecorderError::Empty);
        }
        if let Some(episode) = self.episodes.remove(&serial) {
            let result =
                episode.writer.finish(hash).map_err(|error| RecorderError::Data(Arc::new(error)));
            if let Err(error) = &result {
                error!("episode {} is lost: {error}", episode.name);
            }
            self.done.push_back(EpisodeDone { name: episode.name, result });
        }
    }

    fn fail(&mut self, serial: u64, error: RecorderError) {
        if self.open == Some(serial) {
            self.open = None;
        }
        if let Some(episode) = self.episodes.remove(&serial) {
            if !matches!(error, RecorderError::Discarded | RecorderError::Empty) {
                error!("episode {} is lost: {error}", episode.name);
            }
            self.done.push_back(EpisodeDone { name: episode.name, result: Err(error) });
        }
    }
}

/// FNV-1a over the bits of all bodies' ids, poses and velocities.
fn snapshot_hash(snapshot: &ShadowSnapshot) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bits: u64| {
        for byte in bits.to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for body in &snapshot.bodies {
        eat(body.id);
        let pose = &body.world_from_body;
        let floats = pose.rotation.to_array().into_iter().chain(pose.translation_m.to_array());
        let velocities = body.linear_velocity_m_s.to_array().into_iter();
        for value in floats.chain(velocities).chain(body.angular_velocity_rad_s.to_array()) {
            eat(u64::from(value.to_bits()));
        }
    }
    hash
}
