//! A second camera that sees what another one sees: for recordings and for side-by-side views.

use bevy::camera::{Exposure, Hdr};
use bevy::core_pipeline::tonemapping::{DebandDither, Tonemapping};
use bevy::light::{AmbientLight, EnvironmentMapLight};
use bevy::pbr::DistanceFog;
use bevy::prelude::*;
use bevy::render::view::{ColorGrading, Msaa};

/// A camera that follows another one's pose (as its child) and field of view.
#[derive(Component, Debug)]
pub(crate) struct Twin {
    pub of: Entity,
}

/// Spawns a twin of `camera`. Only what shapes the picture is copied: a game's own components stay unique.
pub(crate) fn spawn_twin(commands: &mut Commands, camera: Entity, own: impl Bundle) -> Entity {
    let twin =
        commands.spawn((Twin { of: camera }, ChildOf(camera), Camera3d::default(), own)).id();
    commands.entity(camera).clone_with_opt_in(twin, |builder| {
        // What these require stays the twin's own: above all the ordinary render schedule.
        builder.without_required_components(|builder| {
            builder
                .allow::<(Camera3d, Projection, Tonemapping, DebandDither, Exposure, ColorGrading)>(
                );
            builder.allow::<(Hdr, Msaa, DistanceFog, AmbientLight, EnvironmentMapLight)>();
        });
    });
    twin
}

/// Keeps the field of view and the fog of twins those of their originals.
pub(crate) fn sync_twins(
    originals: Query<(&Projection, Option<&DistanceFog>), Without<Twin>>,
    mut twins: Query<(&Twin, &mut Projection, Option<&mut DistanceFog>)>,
) {
    for (twin, mut projection, fog) in &mut twins {
        let Ok((source, source_fog)) = originals.get(twin.of) else { continue };
        if let (Projection::Perspective(from), Projection::Perspective(to)) = (source, &*projection)
            && to.fov != from.fov
        {
            let fov = from.fov;
            if let Projection::Perspective(to) = &mut *projection {
                to.fov = fov;
            }
        }
        if let (Some(source), Some(mut fog)) = (source_fog, fog) {
            *fog = source.clone();
        }
    }
}
