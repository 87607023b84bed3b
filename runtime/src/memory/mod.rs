//! Memory on the surfaces of the shadow: when it is written, read, faded, forgotten and saved.
//!
//! The texels themselves are [`reverie_kernels::texel`]'s. A [`SharedMemory`] is held by the model on the dream thread
//! and by the game, which may forget, save and load at any time; it outlives a model that is built again.
//! [`file`](mod@file) is the form on disk.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use reverie_kernels::texel::TexelMemory;

use crate::style::StyleWeights;
use crate::view::ShadowView;

pub mod file;

pub use file::MemoryFileError;

/// Bytes of a memory if nobody says otherwise: about a million texels.
pub const DEFAULT_BYTES: usize = 42 << 20;
/// A smaller memory would forget a room while it is looked at.
const LEAST_BYTES: usize = 1 << 20;
/// A larger one would not fit the addresses of a page.
const MOST_BYTES: usize = 1 << 30;
/// Changes of style smaller than this leave everything as it is, so that a sunset is not a fade in every frame.
const SAME_STYLE: f32 = 0.04;
/// After a whole change of style so much of the confidence is left: shapes of stains and planks, hardly their light.
const LEAST_KEPT: f32 = 0.05;
/// Less than this is not offered to the model.
const LEAST_CONFIDENCE: f32 = 0.05;

/// What a memory holds and does, for people to see.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MemoryStats {
    /// Taken by texels and what finds them.
    pub bytes: usize,
    /// Texels in use, by whole pages.
    pub texels: usize,
    /// Texels that there is room for.
    pub most_texels: usize,
    /// Bodies that are known.
    pub bodies: usize,
    /// Pages that had to go for want of room, since the start.
    pub evicted_pages: u64,
    /// Share of the pixels showing a surface, in the last reading, of which something was remembered; 0 to 1.
    pub hit_rate: f32,
    /// Of the last reading.
    pub read_ms: f32,
    /// Of the last writing.
    pub write_ms: f32,
}

/// How sure the memory was of each pixel of the last picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfidenceMap {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// 0 unknown to 255 certain, row by row from the top.
    pub values: Vec<u8>,
}

/// What surfaces look like, and under which style.
#[derive(Debug)]
pub struct SurfaceMemory {
    texels: TexelMemory,
    /// The style that is remembered; `None` before anything was seen.
    style: Option<StyleWeights>,
    stats: MemoryStats,
}

impl SurfaceMemory {
    /// An empty memory of at most `bytes`, which are kept between 1 MiB and 1 GiB.
    pub fn new(bytes: usize) -> Self {
        Self {
            texels: TexelMemory::new(bytes.clamp(LEAST_BYTES, MOST_BYTES)),
            style: None,
            stats: MemoryStats::default(),
        }
    }

    /// Says what there is now, before it is read or written. Bodies that are gone or look otherwise are forgotten; another
    /// style than the remembered one makes everything less certain.
    pub fn announce(&mut self, view: &ShadowView, style: &StyleWeights) {
        let surfaces = &view.shadow.surfaces;
        self.texels.announce(view.scene(), |index| {
            surfaces.get(index).and_then(|s| s.tint_srgb).map_or(0, tint_number)
        });
        let changed = self.style.map_or(0.0, |old| style.distance(&old));
        if changed > SAME_STYLE {
            self.texels.fade((1.0 - changed).max(LEAST_KEPT));
        }
        if changed > SAME_STYLE || self.style.is_none() {
            self.style = Some(*style);
        }
    }

    /// What is remembered of the view that was announced last: interleaved sRGB, 0 where nothing is known, and
    /// confidence, 0 to 1 a pixel.
    ///
    /// # Panics
    /// If a slice is not of the view's size.
    pub fn read(&mut self, view: &ShadowView, rgb: &mut [f32], confidence: &mut [f32]) {
        let begun = Instant::now();
        let (scene, camera, maps) = (view.scene(), &view.camera, &view.maps);
        let found = self.texels.read(scene, camera, maps, &view.paint, rgb, confidence);
        for confidence in confidence.iter_mut().filter(|c| **c < LEAST_CONFIDENCE) {
            *confidence = 0.0;
        }
        self.stats.hit_rate = found.found as f32 / found.asked.max(1) as f32;
        self.stats.read_ms = begun.elapsed().as_secs_f32() * 1e3;
    }

    /// Remembers the picture `rgb` (interleaved sRGB, 0 to 1) of the view that was announced last, with a trust per
    /// pixel, 0 to 1.
    ///
    /// # Panics
    /// If `rgb` is not of the view's size.
    pub fn write(&mut self, view: &ShadowView, rgb: &[f32], trust: impl Fn(usize) -> f32 + Sync) {
        let begun = Instant::now();
        self.texels.write(view.scene(), &view.camera, &view.maps, rgb, &view.paint, trust);
        self.stats.write_ms = begun.elapsed().as_secs_f32() * 1e3;
    }

    /// Forgets what these bodies look like.
    pub fn forget(&mut self, ids: &[u64]) {
        self.texels.forget(ids);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.texels.clear();
        self.style = None;
    }

    /// About how much surface is remembered at all, m².
    pub fn seen_m2(&self) -> f32 {
        self.texels.seen_m2()
    }

    /// Size, hits and times.
    pub fn stats(&self) -> MemoryStats {
        let (texels, most_texels) = self.texels.texels();
        MemoryStats {
            bytes: self.texels.bytes(),
            texels,
            most_texels,
            bodies: self.texels.bodies(),
            evicted_pages: self.texels.evicted(),
            ..self.stats
        }
    }
}

/// A number that differs for tints that differ.
fn tint_number(tint_srgb: [f32; 3]) -> u64 {
    // Rounded, so that a tint that went through a file is the same one; 1 keeps black apart from no tint.
    tint_srgb
        .iter()
        .fold(1, |number, v| number << 16 | u64::from((v.clamp(0.0, 1.0) * 4095.0) as u16))
}

/// A memory that the model and the game hold together.
#[derive(Debug, Clone)]
pub struct SharedMemory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    surfaces: Mutex<SurfaceMemory>,
    /// Beside the memory, so that whoever looks at them does not wait for it.
    seen: Mutex<(MemoryStats, Arc<ConfidenceMap>)>,
}

impl Default for SharedMemory {
    fn default() -> Self {
        Self::new(DEFAULT_BYTES)
    }
}

/// The same memory.
impl PartialEq for SharedMemory {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl SharedMemory {
    /// An empty memory of at most `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Shared {
            surfaces: Mutex::new(SurfaceMemory::new(bytes)),
            seen: Mutex::default(),
        }))
    }

    /// The memory itself; the model waits meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, SurfaceMemory> {
        self.0.surfaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Size, hits and times as of the last picture; never waits for the model.
    pub fn stats(&self) -> MemoryStats {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Confidence in each pixel of the last picture; never waits for the model.
    pub fn confidence(&self) -> Arc<ConfidenceMap> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Tells of a finished picture.
    #[cfg(feature = "tch")]
    pub(crate) fn publish(&self, stats: MemoryStats, width: usize, confidence: &[f32]) {
        let values = confidence.iter().map(|c| (c.clamp(0.0, 1.0) * 255.0) as u8).collect();
        let height = confidence.len() / width.max(1);
        let map = Arc::new(ConfidenceMap { width, height, values });
        *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner) = (stats, map);
    }

    /// Forgets what these bodies look like.
    pub fn forget(&self, ids: &[u64]) {
        self.lock().forget(ids);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Writes everything to a file. The memory is locked only while it is copied.
    ///
    /// # Errors
    /// The file cannot be written; an older one stays as it was.
    pub fn save(&self, path: &Path) -> Result<(), MemoryFileError> {
        let (records, style) = {
            let memory = self.lock();
            (memory.texels.records(), memory.style)
        };
        file::save(path, &records, style)
    }

    /// Takes over what a file holds, in place of everything that is known. Each body gets its texels when it is next
    /// seen in the world: it is known by shape, material and tint, and by where it first stood or stood last.
    ///
    /// # Errors
    /// The file cannot be read, or is not a whole and sound memory; what is known stays then.
    pub fn load(&self, path: &Path) -> Result<(), MemoryFileError> {
        let (records, style) = file::load(path)?;
        let mut memory = self.lock();
        memory.texels.restore(records);
        memory.style = style;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
