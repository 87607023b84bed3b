//! Reads episodes, trusting nothing in them.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use glam::Vec3;
use image::codecs::qoi::QoiDecoder;
use image::{ColorType, ImageDecoder};
use reverie_guard::{Body, CameraPose, Fault, ShadowSnapshot, check_request};
use serde::Deserialize;

use super::episode::{
    EPISODE_VERSION, EpisodeHeader, FAULT_FILE, FRAMES_FILE, MANIFEST_FILE, Manifest,
    PARTIAL_SUFFIX, TRACKS_FILE,
};
use super::error::DataError;
use super::tracks::{Tracks, row_pose};
use crate::files::read_limited;
use crate::request::Action;
use crate::style::StyleWeights;

const MAX_MANIFEST_BYTES: u64 = 64 << 20;
const MAX_TRACKS_BYTES: u64 = 1 << 30;
const MAX_FRAMES_BYTES: u64 = 4 << 30;

/// An episode in memory; pictures are decoded when asked for.
#[derive(Debug)]
pub struct Episode {
    dir: PathBuf,
    manifest: Manifest,
    tracks: Tracks,
    fault: Option<Fault>,
    qoi: Vec<u8>,
}

impl Episode {
    /// Loads and checks the episode in the folder `dir`.
    ///
    /// # Errors
    /// A file is missing, cut off, of another version or makes no sense; the message names the file.
    /// Pictures are checked when they are decoded.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, DataError> {
        let dir = dir.as_ref().to_owned();
        if is_partial(&dir) {
            return Err(DataError::Incomplete { path: dir });
        }
        let manifest = read_manifest(&dir.join(MANIFEST_FILE))?;

        let path = dir.join(TRACKS_FILE);
        let bytes = read_limited(&path, MAX_TRACKS_BYTES).map_err(DataError::io("read", &path))?;
        let tracks = Tracks::from_bytes(&bytes, manifest.frames, manifest.bodies.len())
            .map_err(|e| DataError::malformed(&path, e))?;

        let frames_path = dir.join(FRAMES_FILE);
        let qoi = read_limited(&frames_path, MAX_FRAMES_BYTES)
            .map_err(DataError::io("read", &frames_path))?;
        check_offsets(&tracks.frame_offset, qoi.len())
            .map_err(|reason| DataError::malformed(&frames_path, reason))?;

        let fault_path = dir.join(FAULT_FILE);
        let fault = read_fault(&fault_path)?;
        let episode = Self { dir, manifest, tracks, fault, qoi };
        if let Some(reason) = episode.fault_of_values() {
            return Err(DataError::malformed(path, reason));
        }
        match episode.fault_of_drawn() {
            Some(reason) => Err(DataError::malformed(fault_path, reason)),
            None => Ok(episode),
        }
    }

    /// Number of frames, at least 1.
    pub fn len(&self) -> usize {
        self.manifest.frames
    }

    /// Never: an episode without frames is refused.
    pub fn is_empty(&self) -> bool {
        self.manifest.frames == 0
    }

    /// The folder it came from.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Size, seeds, time step.
    pub fn header(&self) -> &EpisodeHeader {
        &self.manifest.header
    }

    /// All of `episode.ron`.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The picture of frame `i`: `height × width × 3` bytes sRGB, row by row from the top.
    ///
    /// # Errors
    /// There is no such frame, or its picture is damaged.
    pub fn frame_rgb(&self, i: usize) -> Result<Vec<u8>, DataError> {
        let bad = |reason: String| DataError::Frame {
            path: self.dir.join(FRAMES_FILE),
            frame: i,
            reason,
        };
        let offsets = &self.tracks.frame_offset;
        let (Some(&start), Some(&end)) = (offsets.get(i), offsets.get(i + 1)) else {
            return Err(bad(format!("there are only {}", self.len())));
        };
        let image = QoiDecoder::new(Cursor::new(&self.qoi[start as usize..end as usize]))
            .map_err(|e| bad(e.to_string()))?;
        let EpisodeHeader { width, height, .. } = self.manifest.header;
        let (found, colour) = (image.dimensions(), image.color_type());
        if found != (width, height) || colour != ColorType::Rgb8 {
            return Err(bad(format!(
                "it is {}×{} {colour:?}, expected {width}×{height} Rgb8",
                found.0, found.1
            )));
        }
        let mut rgb = vec![0; self.manifest.header.frame_bytes()];
        image.read_image(&mut rgb).map_err(|e| bad(e.to_string()))?;
        Ok(rgb)
    }

    /// The shadow at frame `i`, bodies in the order of their first appearance.
    ///
    /// # Panics
    /// `i` is not below [`len`](Self::len).
    pub fn snapshot(&self, i: usize) -> ShadowSnapshot {
        let tracks = &self.tracks;
        let first = i * self.manifest.bodies.len();
        let mut bodies = Vec::with_capacity(self.manifest.bodies.len());
        for (j, row) in self.manifest.bodies.iter().enumerate() {
            if tracks.body_alive[first + j] == 0 {
                continue;
            }
            let [x, y, z, ax, ay, az] = tracks.body_velocity[first + j];
            bodies.push(Body {
                id: row.id,
                shape: row.shape.clone(),
                world_from_body: row_pose(&tracks.body_pose[first + j]),
                linear_velocity_m_s: Vec3::new(x, y, z),
                angular_velocity_rad_s: Vec3::new(ax, ay, az),
                kind: row.kind,
                material: row.material,
                tint_srgb: row.tint_srgb,
            });
        }
        ShadowSnapshot {
            tick: tracks.tick[i],
            time_s: tracks.time_s[i],
            camera: CameraPose {
                world_from_camera: row_pose(&tracks.camera[i]),
                vertical_fov_rad: tracks.vfov[i],
            },
            bodies,
            sun_direction: Vec3::from_array(tracks.sun[i]),
        }
    }

    /// The fault that the pictures show on purpose, if any.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The state that the picture of frame `i` shows: the [`snapshot`](Self::snapshot), unless there is a
    /// [`fault`](Self::fault).
    ///
    /// # Panics
    /// `i` is not below [`len`](Self::len).
    pub fn drawn(&self, i: usize) -> ShadowSnapshot {
        let truth = self.snapshot(i);
        match &self.fault {
            Some(fault) => fault.drawn(&truth),
            None => truth,
        }
    }

    /// What the player did from frame `i − 1` to frame `i`.
    ///
    /// # Panics
    /// `i` is not below [`len`](Self::len).
    pub fn action(&self, i: usize) -> Action {
        self.tracks.action[i]
    }

    /// Style at frame `i`.
    ///
    /// # Panics
    /// `i` is not below [`len`](Self::len).
    pub fn style(&self, i: usize) -> StyleWeights {
        StyleWeights(self.tracks.style[i])
    }

    /// The first frame whose fault cannot be drawn, if any.
    fn fault_of_drawn(&self) -> Option<String> {
        self.fault.as_ref()?;
        (0..self.len()).find_map(|i| match check_request(&mut self.drawn(i)) {
            Ok(bodies) if bodies.is_empty() => None,
            _ => Some(format!("what it draws in frame {i} is out of range")),
        })
    }

    /// The first number that no recorder writes, if any.
    fn fault_of_values(&self) -> Option<String> {
        let tracks = &self.tracks;
        for i in 0..self.len() {
            let numbers = tracks.action[i].iter().chain(&tracks.style[i]).chain(&tracks.sun[i]);
            if !numbers.copied().all(f32::is_finite) || !tracks.time_s[i].is_finite() {
                return Some(format!("frame {i}: action, style, sun or time is not finite"));
            }
            match check_request(&mut self.snapshot(i)) {
                Err(fault) => return Some(format!("frame {i}: {fault}")),
                Ok(bodies) if !bodies.is_empty() => {
                    return Some(format!(
                        "frame {i}: bodies {bodies:?} have poses, speeds or shapes out of range"
                    ));
                }
                Ok(_) => {}
            }
        }
        None
    }
}

/// The folders of complete episodes in `dir`, sorted by name.
///
/// # Errors
/// `dir` cannot be read.
pub fn list_episodes(dir: impl AsRef<Path>) -> Result<Vec<PathBuf>, DataError> {
    let dir = dir.as_ref();
    let mut episodes = Vec::new();
    for entry in fs::read_dir(dir).map_err(DataError::io("read", dir))? {
        let path = entry.map_err(DataError::io("read", dir))?.path();
        if !is_partial(&path) && path.join(MANIFEST_FILE).is_file() {
            episodes.push(path);
        }
    }
    episodes.sort();
    Ok(episodes)
}

fn read_fault(path: &Path) -> Result<Option<Fault>, DataError> {
    match read_limited(path, MAX_MANIFEST_BYTES) {
        Ok(bytes) => {
            ron::de::from_bytes(&bytes).map(Some).map_err(|e| DataError::malformed(path, e))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DataError::io("read", path)(error)),
    }
}

fn is_partial(dir: &Path) -> bool {
    dir.file_name().is_some_and(|name| name.to_string_lossy().ends_with(PARTIAL_SUFFIX))
}

fn read_manifest(path: &Path) -> Result<Manifest, DataError> {
    /// All that is sure to be in the manifest of every version.
    #[derive(Deserialize)]
    struct AnyVersion {
        version: u32,
    }
    let bytes = read_limited(path, MAX_MANIFEST_BYTES).map_err(DataError::io("read", path))?;
    let parsed: Result<Manifest, _> = ron::de::from_bytes(&bytes);
    let version = match &parsed {
        Ok(manifest) => manifest.version,
        Err(error) => match ron::de::from_bytes::<AnyVersion>(&bytes) {
            Ok(any) if any.version != EPISODE_VERSION => any.version,
            _ => return Err(DataError::malformed(path, error)),
        },
    };
    if version != EPISODE_VERSION {
        return Err(DataError::Version {
            path: path.to_owned(),
            found: version,
            expected: EPISODE_VERSION,
        });
    }
    let manifest = parsed.map_err(|e| DataError::malformed(path, e))?;
    if !manifest.complete {
        return Err(DataError::Incomplete { path: path.to_owned() });
    }
    match manifest.fault() {
        Some(fault) => Err(DataError::malformed(path, fault)),
        None => Ok(manifest),
    }
}

/// Offsets rise from 0 to the file's length.
fn check_offsets(offsets: &[u64], length: usize) -> Result<(), String> {
    if offsets.first() != Some(&0) || !offsets.is_sorted_by(|a, b| a < b) {
        return Err("the offsets of its pictures do not rise from 0".to_owned());
    }
    match offsets.last() {
        Some(&end) if end == length as u64 => Ok(()),
        end => Err(format!(
            "it has {length} bytes, but its pictures end at byte {}",
            end.unwrap_or(&0)
        )),
    }
}
