//! Writes an episode, frame by frame.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use image::codecs::qoi::QoiEncoder;
use image::{ExtendedColorType, ImageEncoder};
use reverie_guard::{Fault, Pose, ShadowSnapshot, check_request};

use super::episode::{
    BodyRow, EpisodeHeader, FAULT_FILE, FRAMES_FILE, MANIFEST_FILE, Manifest, PARTIAL_SUFFIX,
    TRACKS_FILE,
};
use super::error::DataError;
use super::tracks::{PoseRow, Tracks, VelocityRow, pose_row};
use crate::material::MATERIAL_NAMES;
use crate::request::Action;
use crate::style::StyleWeights;

/// Writes one episode into a folder that is renamed only when all of it is there.
///
/// Dropped before [`finish`](Self::finish), it removes what it wrote.
pub struct EpisodeWriter {
    header: EpisodeHeader,
    target: PathBuf,
    partial: PathBuf,
    /// `None` once finished.
    frames: Option<BufWriter<File>>,
    tracks: Tracks,
    bodies: Vec<BodyRow>,
    /// Newest row of each body's id.
    row_of_id: HashMap<u64, usize>,
    fault: Option<Fault>,
    /// Bodies of each frame: row, pose, velocity.
    seen: Vec<Vec<(usize, PoseRow, VelocityRow)>>,
}

impl EpisodeWriter {
    /// Starts an episode that will stand in the folder `dir`, whose name is the episode's name.
    ///
    /// What a killed run left under the same name is removed first.
    ///
    /// # Errors
    /// `dir` exists already, cannot be written to, or the header makes no sense.
    pub fn create(dir: impl Into<PathBuf>, header: EpisodeHeader) -> Result<Self, DataError> {
        let target = dir.into();
        let Some(name) = target.file_name() else {
            return Err(DataError::malformed(target, "names no folder"));
        };
        if let Some(fault) = header.fault() {
            return Err(DataError::malformed(target, fault));
        }
        if target.exists() {
            return Err(DataError::AlreadyThere { path: target });
        }
        let partial = target.with_file_name(format!("{}{PARTIAL_SUFFIX}", name.to_string_lossy()));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(DataError::io("remove", &partial))?;
        }
        fs::create_dir_all(&partial).map_err(DataError::io("make", &partial))?;
        let path = partial.join(FRAMES_FILE);
        let file = File::create(&path).map_err(DataError::io("write", &path))?;
        Ok(Self {
            header,
            target,
            partial,
            frames: Some(BufWriter::with_capacity(1 << 18, file)),
            tracks: Tracks { frame_offset: vec![0], ..Tracks::default() },
            bodies: Vec::new(),
            row_of_id: HashMap::new(),
            fault: None,
            seen: Vec::new(),
        })
    }

    /// Number of frames so far.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// No frame yet.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// The pictures show this fault from its start on; the states that are pushed are the true ones.
    pub fn set_fault(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    /// Adds a frame: the state, what the player did since the last frame, and the picture of that
    /// state, `height × width × 3` bytes sRGB, row by row from the top.
    ///
    /// Bodies that no request may hold (see [`check_request`]) are left out, with a warning.
    ///
    /// # Errors
    /// The picture has another size, a number is not finite, or the disk is full. The episode stays as
    /// it was before the call, except after an error of the disk.
    pub fn push(
        &mut self,
        snapshot: &ShadowSnapshot,
        action: &Action,
        style: &StyleWeights,
        rgb: &[u8],
    ) -> Result<(), DataError> {
        let frame = self.seen.len();
        let bad = |reason: String| DataError::BadInput { frame, reason };
        let snapshot = self.checked(snapshot, action, style, rgb).map_err(bad)?;

        let mut qoi = Vec::with_capacity(rgb.len() / 2);
        QoiEncoder::new(&mut qoi)
            .write_image(rgb, self.header.width, self.header.height, ExtendedColorType::Rgb8)
            .map_err(|e| bad(e.to_string()))?;
        let path = self.partial.join(FRAMES_FILE);
        let Some(file) = &mut self.frames else {
            return Err(bad("the episode is finished".to_owned()));
        };
        file.write_all(&qoi).map_err(DataError::io("write", path))?;

        let mut seen = Vec::with_capacity(snapshot.bodies.len());
        for body in &snapshot.bodies {
            let (linear, angular) = (body.linear_velocity_m_s, body.angular_velocity_rad_s);
            let velocity = [linear.x, linear.y, linear.z, angular.x, angular.y, angular.z];
            let row = match self.row_of_id.get(&body.id) {
                Some(&row) if self.bodies[row].describes(body) => row,
                _ => {
                    self.bodies.push(BodyRow::from(body));
                    self.row_of_id.insert(body.id, self.bodies.len() - 1);
                    self.bodies.len() - 1
                }
            };
            seen.push((row, pose_row(&body.world_from_body), velocity));
        }
        self.seen.push(seen);

        let tracks = &mut self.tracks;
        let end = tracks.frame_offset.last().copied().unwrap_or(0) + qoi.len() as u64;
        tracks.frame_offset.push(end);
        tracks.camera.push(pose_row(&snapshot.camera.world_from_camera));
        tracks.vfov.push(snapshot.camera.vertical_fov_rad);
        tracks.time_s.push(snapshot.time_s);
        tracks.tick.push(snapshot.tick);
        tracks.action.push(*action);
        tracks.style.push(style.0);
        tracks.sun.push(snapshot.sun_direction.to_array());
        Ok(())
    }

    /// The snapshot as it will be recorded, or why it cannot be.
    fn checked(
        &self,
        snapshot: &ShadowSnapshot,
        action: &Action,
        style: &StyleWeights,
        rgb: &[u8],
    ) -> Result<ShadowSnapshot, String> {
        if rgb.len() != self.header.frame_bytes() {
            let EpisodeHeader { width, height, .. } = self.header;
            return Err(format!(
                "its picture has {} bytes; {width}×{height} RGB has {}",
                rgb.len(),
                self.header.frame_bytes()
            ));
        }
        if !action.iter().chain(&style.0).all(|v| v.is_finite()) {
            return Err(format!("action {action:?} or style {:?} is not finite", style.0));
        }
        if !snapshot.time_s.is_finite() || !snapshot.sun_direction.is_finite() {
            return Err(format!(
                "time {} or sun direction {} is not finite",
                snapshot.time_s, snapshot.sun_direction
            ));
        }
        let mut snapshot = snapshot.clone();
        let quarantined = check_request(&mut snapshot).map_err(|e| e.to_string())?;
        if !quarantined.is_empty() {
            tracing::warn!(
                "frame {}: bodies {quarantined:?} are not finite and left out",
                self.len()
            );
        }
        let mut ids: Vec<u64> = snapshot.bodies.iter().map(|b| b.id).collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("two bodies have the id {}", pair[0]));
        }
        match snapshot.bodies.iter().find(|b| usize::from(b.material) >= MATERIAL_NAMES.len()) {
            Some(body) => {
                Err(format!("body {} has the unknown material {}", body.id, body.material))
            }
            None => Ok(snapshot),
        }
    }

    /// Completes the episode and gives its folder.
    ///
    /// `physics_hash` is that of the physics world after the last frame.
    ///
    /// # Errors
    /// There is no frame, or the disk is full; then nothing is left on the disk.
    pub fn finish(mut self, physics_hash: u64) -> Result<PathBuf, DataError> {
        if self.is_empty() {
            return Err(DataError::BadInput {
                frame: 0,
                reason: "the episode has no frames".to_owned(),
            });
        }
        if let Some(mut file) = self.frames.take() {
            let written = file.flush();
            if let Err(error) = written {
                self.discard();
                return Err(DataError::io("write", self.partial.join(FRAMES_FILE))(error));
            }
        }
        let done = self.write_rest(physics_hash);
        if done.is_err() {
            self.discard();
        }
        done.map(|()| self.target.clone())
    }

    fn write_rest(&mut self, physics_hash: u64) -> Result<(), DataError> {
        let (n, b) = (self.seen.len(), self.bodies.len());
        self.tracks.body_pose = vec![pose_row(&Pose::IDENTITY); n * b];
        self.tracks.body_velocity = vec![[0.0; 6]; n * b];
        self.tracks.body_alive = vec![0; n * b];
        for (frame, seen) in self.seen.iter().enumerate() {
            for (row, pose, velocity) in seen {
                let at = frame * b + row;
                self.tracks.body_pose[at] = *pose;
                self.tracks.body_velocity[at] = *velocity;
                self.tracks.body_alive[at] = 1;
            }
        }
        let path = self.partial.join(TRACKS_FILE);
        let bytes = self.tracks.to_bytes(b).map_err(|e| DataError::malformed(&path, e))?;
        fs::write(&path, bytes).map_err(DataError::io("write", &path))?;

        let manifest =
            Manifest::new(self.header.clone(), n, std::mem::take(&mut self.bodies), physics_hash);
        let path = self.partial.join(MANIFEST_FILE);
        let pretty = ron::ser::PrettyConfig::new().depth_limit(3);
        let text = ron::ser::to_string_pretty(&manifest, pretty)
            .map_err(|e| DataError::malformed(&path, e))?;
        fs::write(&path, text).map_err(DataError::io("write", &path))?;
        if let Some(fault) = &self.fault {
            let path = self.partial.join(FAULT_FILE);
            let text = ron::ser::to_string_pretty(fault, ron::ser::PrettyConfig::new())
                .map_err(|e| DataError::malformed(&path, e))?;
            fs::write(&path, text).map_err(DataError::io("write", &path))?;
        }
        rename_new(&self.partial, &self.target)
    }

    /// Best effort: what cannot be removed carries the partial name and is removed by the next run.
    fn discard(&self) {
        let _ = fs::remove_dir_all(&self.partial);
    }
}

fn rename_new(from: &Path, to: &Path) -> Result<(), DataError> {
    if to.exists() {
        return Err(DataError::AlreadyThere { path: to.to_owned() });
    }
    fs::rename(from, to).map_err(DataError::io("rename to", to))
}

impl Drop for EpisodeWriter {
    fn drop(&mut self) {
        if self.frames.take().is_some() {
            self.discard();
        }
    }
}
