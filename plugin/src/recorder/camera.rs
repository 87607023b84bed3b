//! The camera that recorded pictures come from.

use bevy::camera::{Exposure, Hdr, RenderTarget};
use bevy::core_pipeline::tonemapping::{DebandDither, Tonemapping};
use bevy::light::{AmbientLight, EnvironmentMapLight};
use bevy::pbr::DistanceFog;
use bevy::prelude::*;
use bevy::render::render_resource::{TextureFormat, TextureUsages};
use bevy::render::view::{ColorGrading, Msaa};
use bevy::window::PrimaryWindow;
use reverie_runtime::style::StyleWeights;

use super::RecorderPlugin;
use super::capture::CaptureClock;

/// Marks the camera whose view is recorded.
///
/// In a game with a window, a second camera of the recorder's size looks from the same place, so that the
/// player's picture is left alone. Without a window this camera itself draws into the recorder's picture.
#[derive(Component, Debug, Clone, Copy, PartialEq, Default)]
pub struct RecordCamera {
    /// Weather and time of day that the picture shows; the game keeps it true.
    pub style: StyleWeights,
}

/// The recorder's own camera, a child of the marked one, or the marked one itself.
#[derive(Component)]
pub(super) struct Eye {
    /// The entity with [`RecordCamera`].
    pub marked: Entity,
    /// Its picture.
    pub image: Handle<Image>,
}

/// Gives the first marked camera its eye.
pub(super) fn attach(
    mut commands: Commands,
    config: Res<RecorderPlugin>,
    mut images: ResMut<Assets<Image>>,
    marked: Query<Entity, With<RecordCamera>>,
    eyes: Query<(Entity, &Eye)>,
    window: Query<(), With<PrimaryWindow>>,
) {
    for (entity, eye) in &eyes {
        if marked.contains(eye.marked) {
            if marked.iter().len() > 1 {
                warn_once!("more than one RecordCamera: only the first is recorded");
            }
            return;
        }
        commands.entity(entity).try_despawn();
    }
    let Some(camera) = marked.iter().min() else { return };
    let size = config.size.max(UVec2::ONE);
    let mut image = Image::new_target_texture(size.x, size.y, TextureFormat::Rgba8UnormSrgb, None);
    image.texture_descriptor.usage |= TextureUsages::COPY_SRC;
    let image = images.add(image);
    let target = RenderTarget::Image(image.clone().into());
    let eye = Eye { marked: camera, image };
    if window.is_empty() {
        commands.entity(camera).insert((target, eye));
        return;
    }
    let own = commands
        .spawn((Camera { order: -1, is_active: false, ..default() }, target, eye, ChildOf(camera)))
        .id();
    // Only what shapes the picture: a game's own components on its camera stay unique.
    commands.entity(camera).clone_with_opt_in(own, |builder| {
        builder
            .allow::<(Camera3d, Projection, Tonemapping, DebandDither, Exposure, ColorGrading)>();
        builder.allow::<(Hdr, Msaa, DistanceFog, AmbientLight, EnvironmentMapLight)>();
    });
}

/// Lets the eye draw only in frames that are recorded, and keeps its projection that of the marked camera.
pub(super) fn wake(
    clock: Res<CaptureClock>,
    mut eyes: Query<(Entity, &Eye, &mut Camera, &mut Projection)>,
    marked: Query<Ref<Projection>, (With<RecordCamera>, Without<Eye>)>,
) {
    for (entity, eye, mut camera, mut projection) in &mut eyes {
        if entity == eye.marked {
            continue;
        }
        if camera.is_active != clock.due {
            camera.is_active = clock.due;
        }
        if let Ok(source) = marked.get(eye.marked)
            && let (Projection::Perspective(to), Projection::Perspective(from)) =
                (&mut *projection, &*source)
            && to.fov != from.fov
        {
            to.fov = from.fov;
        }
    }
}
