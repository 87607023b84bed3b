//! Keeps a played level what its file says, and says on screen why a save cannot be played.

use std::path::PathBuf;
use std::time::SystemTime;

use bevy::prelude::*;
use bevy_reverie::camera::NeuralCamera;
use bevy_reverie::dream::NeuralPicture;
use bevy_reverie::level::watch::{FileWatch, News};
use serde_json::{Value, json};

use super::world::PlayedWorld;
use crate::courtyard::level::Changed;
use crate::courtyard::{CourtyardCamera, CourtyardStyle, change_level};

/// What the line says while nobody looks at the file any more.
const BLIND: &str = "the file is no longer watched; start the program again";

/// The file of the played level.
#[derive(Resource)]
pub struct Live {
    path: PathBuf,
    watch: FileWatch,
    /// Why the newest save is not what stands.
    notice: Option<String>,
    /// Saves that were played, and what they changed.
    pub changes: Vec<Save>,
}

/// A save that became the played level.
#[derive(Debug, Clone, Copy)]
pub struct Save {
    changed: Changed,
    saved_at: Option<SystemTime>,
    /// Of the neural picture at the time.
    serial: u64,
    /// From the save to a picture that was asked for after the change, ms.
    on_screen_ms: Option<f64>,
}

/// The line that says what is wrong with the file.
#[derive(Component)]
pub struct NoticeLine;

/// Watches the file of `world`, if it has one.
pub fn watch(app: &mut App, world: &PlayedWorld) -> std::io::Result<()> {
    let PlayedWorld::File { source, bytes, .. } = world else { return Ok(()) };
    let watch = FileWatch::start(source.clone(), Some(bytes))?;
    let path = source.path.clone();
    app.insert_resource(Live { path, watch, notice: None, changes: Vec::new() })
        .add_systems(Startup, spawn_line)
        .add_systems(PreUpdate, follow)
        .add_systems(Update, (show_notice, follow_style, take_ui));
    Ok(())
}

impl Live {
    /// For `summary.json`.
    pub fn summary(&self) -> Value {
        let saves = self.changes.iter().map(|save| {
            json!({
                "kept": save.changed.kept,
                "spawned": save.changed.spawned,
                "despawned": save.changed.despawned,
                "player_moved": save.changed.player_moved,
                "on_screen_ms": save.on_screen_ms,
            })
        });
        json!({ "saves": saves.collect::<Vec<_>>(), "notice": self.notice })
    }
}

/// Takes what the watch found: the world changes between two frames.
fn follow(world: &mut World) {
    let serial = world.query::<&NeuralPicture>().iter(world).map(|p| p.serial).max().unwrap_or(0);
    let Some(mut live) = world.get_resource_mut::<Live>() else { return };
    if let Some(save) = live.changes.last_mut()
        && save.on_screen_ms.is_none()
        // One picture may have been under way.
        && serial >= save.serial + 2
    {
        let elapsed = save.saved_at.and_then(|at| at.elapsed().ok());
        save.on_screen_ms = elapsed.map(|e| 1e3 * e.as_secs_f64());
    }
    let news = live.watch.take();
    match news {
        None if live.watch.is_alive() || live.notice.is_some() => {}
        None => live.notice = Some(format!("{}: {BLIND}", live.path.display())),
        Some(News::Unchanged) => live.notice = None,
        Some(News::Bad(why)) => {
            warn!("{why}");
            live.notice = Some(why);
        }
        Some(News::Changed(level)) => {
            live.notice = None;
            let saved_at = std::fs::metadata(&live.path).and_then(|m| m.modified()).ok();
            let changed = change_level(world, &level);
            let save = Save { changed, saved_at, serial, on_screen_ms: None };
            world.resource_mut::<Live>().changes.push(save);
        }
    }
}

fn spawn_line(mut commands: Commands) {
    commands.spawn((
        NoticeLine,
        Node {
            position_type: PositionType::Absolute,
            bottom: px(8),
            left: px(8),
            max_width: percent(96),
            padding: UiRect::axes(px(10), px(6)),
            border_radius: BorderRadius::all(px(6)),
            ..default()
        },
        BackgroundColor(Color::srgba(0.35, 0.05, 0.03, 0.85)),
        GlobalZIndex(i32::MAX - 2),
        Visibility::Hidden,
        children![(
            Text::default(),
            TextFont { font_size: FontSize::Px(13.0), ..default() },
            TextColor(Color::srgb(1.0, 0.94, 0.88)),
        )],
    ));
}

fn show_notice(
    live: Res<Live>,
    mut lines: Query<(&mut Visibility, &Children), With<NoticeLine>>,
    mut texts: Query<&mut Text>,
) {
    for (mut visibility, children) in &mut lines {
        let shown = if live.notice.is_some() { Visibility::Inherited } else { Visibility::Hidden };
        visibility.set_if_neq(shown);
        let Some(notice) = &live.notice else { continue };
        let text = format!("{notice} (the level before it stays)");
        for child in children {
            if let Ok(mut shown) = texts.get_mut(*child)
                && shown.0 != text
            {
                shown.0.clone_from(&text);
            }
        }
    }
}

/// A level's style is the camera's, too.
fn follow_style(style: Res<CourtyardStyle>, mut cameras: Query<&mut NeuralCamera>) {
    if style.is_changed() {
        for mut camera in &mut cameras {
            if camera.style != style.weights {
                camera.style = style.weights;
            }
        }
    }
}

/// Without a window, lines are drawn into the player's picture.
fn take_ui(
    mut commands: Commands,
    windows: Query<(), With<Window>>,
    cameras: Query<Entity, (With<CourtyardCamera>, Without<IsDefaultUiCamera>)>,
) {
    if windows.is_empty() {
        for camera in &cameras {
            commands.entity(camera).insert(IsDefaultUiCamera);
        }
    }
}
