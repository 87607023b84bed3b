//! The shadow: what Rapier knows, as plain data for the raster and the world model.
//!
//! Here lives the way from colliders, meshes, lights and the camera to one [`ShadowSnapshot`]. What is done
//! with it (drawing, dreaming, recording) lives elsewhere. Poses are taken from `GlobalTransform` after its
//! propagation in `PostUpdate`, so a snapshot shows exactly what the ordinary renderer draws in that frame.

mod clock;
mod convert;
mod guess;
mod read;

use bevy::prelude::*;
pub use clock::ShadowClock;
pub use read::{ShadowError, ShadowReader, ShapeCache};
#[cfg(doc)]
use reverie_guard::ShadowSnapshot;

/// What stands for an entity in the shadow.
///
/// Without this component, an entity with a `Collider` is seen through it.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NeuralProxy {
    /// The collider's shape.
    #[default]
    Collider,
    /// The triangles of its `Mesh3d`; the entity needs no collider.
    Mesh,
    /// Nothing: it is not seen.
    Hidden,
}

/// When snapshots of the frame may be read: after transforms are propagated, in `PostUpdate`.
#[derive(SystemSet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShadowSystems;

/// Keeps the clock and the caches that [`ShadowReader`] needs. Adding it twice is harmless.
pub struct ShadowPlugin;

impl Plugin for ShadowPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<ShadowClock>()
            .init_resource::<ShapeCache>()
            .configure_sets(PostUpdate, ShadowSystems.after(TransformSystems::Propagate))
            .add_systems(FixedLast, clock::count_fixed_tick)
            .add_systems(
                PostUpdate,
                (
                    clock::count_frame.before(ShadowSystems),
                    read::forget_changed.before(ShadowSystems),
                ),
            );
    }

    fn is_unique(&self) -> bool {
        true
    }
}
