//! What a neural camera remembers of the game's surfaces, and how a game saves and forgets it.
//!
//! Every [`NeuralCamera`](crate::camera::NeuralCamera) has a [`NeuralMemory`]. A level's memory is saved and loaded with
//! the level:
//!
//! ```no_run
//! use bevy::prelude::*;
//! use bevy_reverie::prelude::*;
//!
//! fn quick_save(keys: Res<ButtonInput<KeyCode>>, mut saves: MessageWriter<SaveMemory>) {
//!     if keys.just_pressed(KeyCode::F9) {
//!         saves.write(SaveMemory { path: "saves/garden.memory".into() });
//!     }
//! }
//!
//! fn renovate(walls: Query<Entity, Added<NeuralMaterial>>, mut forget: MessageWriter<ForgetSurface>) {
//!     for entity in &walls {
//!         forget.write(ForgetSurface { entity });
//!     }
//! }
//! ```
//!
//! Entities have other numbers after a restart. A body is known again by its collider's shape, its material and tint, and
//! by where it stood when it first appeared or when the memory was saved; a body of a kind of its own may stand anywhere.
//! So load a level's memory together with its bodies as they were when it was saved, or as they first were.

use std::path::PathBuf;
use std::sync::Arc;

use bevy::prelude::*;
use bevy::tasks::{IoTaskPool, Task, block_on, poll_once};
use reverie_runtime::memory::{MemoryFileError, SharedMemory};

use crate::dream::NeuralPicture;
use crate::shadow::ShapeCache;
use crate::toggle::{NeuralKeys, pressed};

/// Files that are being written or read at once; more are refused, with a line in the log.
const MOST_JOBS: usize = 4;

/// What a neural camera remembers. Removing the camera drops it, unless the game keeps a clone.
#[derive(Component, Debug, Clone, Default, PartialEq, Deref)]
pub struct NeuralMemory(
    /// Shared with the dream thread.
    pub SharedMemory,
);

impl NeuralMemory {
    /// An empty memory of at most `bytes`; the default has room for about a million texels.
    pub fn new(bytes: usize) -> Self {
        Self(SharedMemory::new(bytes))
    }
}

/// Forgets what an entity and its children look like: their colliders are seen anew.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForgetSurface {
    /// Has a collider, or children that have.
    pub entity: Entity,
}

/// Saves the memory of the neural camera in the background; [`MemoryFileDone`] tells how it went.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct SaveMemory {
    /// The file; missing folders are made.
    pub path: PathBuf,
}

/// Loads a memory into the neural camera in the background, in place of what it knows; [`MemoryFileDone`] tells how it
/// went.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct LoadMemory {
    /// The file.
    pub path: PathBuf,
}

/// A [`SaveMemory`] or [`LoadMemory`] has ended. Failures are logged, too.
#[derive(Message, Debug)]
pub struct MemoryFileDone {
    /// The file.
    pub path: PathBuf,
    /// One line says what is wrong and what to do; the memory and an older file are then as they were.
    pub result: Result<(), MemoryFileError>,
}

/// Shows how well the memory knows each pixel, over the picture: red hardly, yellow somewhat, green well; what is
/// untouched is not known. A key switches it, see [`NeuralKeys`](crate::toggle::NeuralKeys).
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryOverlay(pub bool);

/// Share of the overlay's colour in the picture.
const OVERLAY_SHARE: f32 = 0.45;

/// Switches the overlay.
pub(crate) fn switch_overlay(
    keys: Option<Res<ButtonInput<KeyCode>>>,
    bindings: Res<NeuralKeys>,
    mut overlay: ResMut<MemoryOverlay>,
) {
    if pressed(&keys, bindings.memory) {
        overlay.0 = !overlay.0;
    }
}

/// Colours pictures that have just come.
pub(crate) fn paint_overlay(
    overlay: Res<MemoryOverlay>,
    mut pictures: Query<(&mut NeuralPicture, &NeuralMemory)>,
    mut painted: Local<u64>,
) {
    if !overlay.0 {
        return;
    }
    for (mut picture, memory) in &mut pictures {
        let serial = picture.serial;
        let map = memory.confidence();
        let Some(frame) = picture.frame.as_mut().filter(|_| serial != *painted) else { continue };
        *painted = serial;
        if (map.width, map.height) != (frame.width as usize, frame.height as usize) {
            continue;
        }
        let mut rgba = frame.rgba.to_vec();
        for (pixel, sure) in rgba.chunks_exact_mut(4).zip(&map.values).filter(|p| *p.1 > 0) {
            let sure = f32::from(*sure) / 255.0;
            let colour = [2.0 - 2.0 * sure, 2.0 * sure, 0.1];
            for (value, colour) in pixel.iter_mut().zip(colour) {
                let mixed = 255.0 * colour.clamp(0.0, 1.0) * OVERLAY_SHARE;
                *value = (f32::from(*value) * (1.0 - OVERLAY_SHARE) + mixed) as u8;
            }
        }
        frame.rgba = Arc::new(rgba);
    }
}

/// Files at work.
#[derive(Resource, Default)]
pub(crate) struct MemoryJobs(Vec<(PathBuf, Task<Result<(), MemoryFileError>>)>);

/// Forgets what was asked for.
pub(crate) fn forget(
    mut wanted: MessageReader<ForgetSurface>,
    memories: Query<&NeuralMemory>,
    children: Query<&Children>,
    shapes: Res<ShapeCache>,
) {
    if wanted.is_empty() {
        return;
    }
    let ids: Vec<u64> = wanted
        .read()
        .flat_map(|wanted| {
            std::iter::once(wanted.entity).chain(children.iter_descendants(wanted.entity))
        })
        .flat_map(|entity| shapes.ids(entity))
        .collect();
    for memory in &memories {
        memory.forget(&ids);
    }
}

/// Starts and ends the work on files, away from the game's thread.
pub(crate) fn files(
    mut saves: MessageReader<SaveMemory>,
    mut loads: MessageReader<LoadMemory>,
    mut done: MessageWriter<MemoryFileDone>,
    memories: Query<&NeuralMemory>,
    mut jobs: ResMut<MemoryJobs>,
) {
    jobs.0.retain_mut(|(path, task)| {
        let Some(result) = block_on(poll_once(task)) else { return true };
        if let Err(error) = &result {
            error!("memory: {error}");
        }
        done.write(MemoryFileDone { path: path.clone(), result });
        false
    });
    let pool = IoTaskPool::get();
    let wanted = saves
        .read()
        .map(|save| (save.path.clone(), true))
        .chain(loads.read().map(|load| (load.path.clone(), false)));
    for (path, is_save) in wanted {
        let Some(memory) = memories.iter().next() else {
            warn!("memory: there is no neural camera whose memory {} could hold", path.display());
            continue;
        };
        if jobs.0.len() >= MOST_JOBS {
            warn!("memory: {} left out, since {MOST_JOBS} files are at work", path.display());
            continue;
        }
        let (memory, file) = (memory.0.clone(), path.clone());
        let work = async move { if is_save { memory.save(&file) } else { memory.load(&file) } };
        jobs.0.push((path, pool.spawn(work)));
    }
}
