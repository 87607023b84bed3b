//! Keys that compare: F2 ordinary or neural, F4 both side by side, F5 anchored or dreamed.

use bevy::camera::Viewport;
use bevy::prelude::*;

use crate::camera::NeuralCamera;
use crate::twin::{Twin, spawn_twin};

/// Keys of the plugin; `None` frees a key.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeuralKeys {
    /// Ordinary or neural picture.
    pub toggle: Option<KeyCode>,
    /// The HUD.
    pub hud: Option<KeyCode>,
    /// Ordinary and neural picture side by side.
    pub side_by_side: Option<KeyCode>,
    /// Anchored in the shadow, or dreamed without it.
    pub mode: Option<KeyCode>,
    /// What the memory knows, see [`MemoryOverlay`](crate::memory::MemoryOverlay).
    pub memory: Option<KeyCode>,
    /// What the guard finds, see [`GuardOverlay`](crate::guard::GuardOverlay).
    pub guard: Option<KeyCode>,
}

impl Default for NeuralKeys {
    fn default() -> Self {
        Self {
            toggle: Some(KeyCode::F2),
            hud: Some(KeyCode::F3),
            side_by_side: Some(KeyCode::F4),
            mode: Some(KeyCode::F5),
            memory: Some(KeyCode::F6),
            guard: Some(KeyCode::F7),
        }
    }
}

/// On: the left half of the view is the ordinary picture, the right half the neural one.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SideBySide(pub bool);

/// Marks the camera of the ordinary half.
#[derive(Component)]
pub struct OrdinaryHalf;

pub(crate) fn pressed(keys: &Option<Res<ButtonInput<KeyCode>>>, key: Option<KeyCode>) -> bool {
    keys.as_ref().zip(key).is_some_and(|(keys, key)| keys.just_pressed(key))
}

pub(crate) fn read_keys(
    keys: Option<Res<ButtonInput<KeyCode>>>,
    bindings: Res<NeuralKeys>,
    mut side_by_side: ResMut<SideBySide>,
    mut cameras: Query<&mut NeuralCamera>,
) {
    if pressed(&keys, bindings.toggle) {
        for mut camera in &mut cameras {
            camera.enabled = !camera.enabled;
        }
    }
    if pressed(&keys, bindings.mode) {
        for mut camera in &mut cameras {
            camera.mode = camera.mode.toggled();
        }
    }
    if pressed(&keys, bindings.side_by_side) {
        side_by_side.0 = !side_by_side.0;
    }
}

/// Splits the view of neural cameras, or gives it back whole; follows the window's size.
pub(crate) fn split(
    mut commands: Commands,
    side_by_side: Res<SideBySide>,
    mut neural: Query<(Entity, &mut Camera, &bevy::camera::RenderTarget), With<NeuralCamera>>,
    mut halves: Query<(Entity, &Twin, &mut Camera), (With<OrdinaryHalf>, Without<NeuralCamera>)>,
) {
    for (half, twin, _) in &halves {
        if !side_by_side.0 || !neural.contains(twin.of) {
            commands.entity(half).try_despawn();
            if let Ok((_, mut camera, _)) = neural.get_mut(twin.of) {
                camera.viewport = None;
            }
        }
    }
    if !side_by_side.0 {
        return;
    }
    for (entity, mut camera, target) in &mut neural {
        let Some(size) = camera.physical_target_size().filter(|size| size.x >= 2 && size.y >= 1)
        else {
            continue;
        };
        let half = UVec2::new(size.x / 2, size.y);
        place(&mut camera, UVec2::new(size.x - half.x, 0), half);
        match halves.iter_mut().find(|(_, twin, _)| twin.of == entity) {
            Some((_, _, mut ordinary)) => place(&mut ordinary, UVec2::ZERO, half),
            None => {
                let viewport = Viewport { physical_size: half, ..default() };
                let own = Camera { order: camera.order - 1, viewport: Some(viewport), ..default() };
                spawn_twin(&mut commands, entity, (OrdinaryHalf, own, target.clone()));
            }
        }
    }
}

fn place(camera: &mut Mut<Camera>, position: UVec2, size: UVec2) {
    let there = camera.viewport.as_ref().is_some_and(|viewport| {
        viewport.physical_position == position && viewport.physical_size == size
    });
    if !there {
        camera.viewport =
            Some(Viewport { physical_position: position, physical_size: size, ..default() });
    }
}
