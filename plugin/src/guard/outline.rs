//! Outlines on screen: what the guard found, and which check found it.

use bevy::prelude::*;
use reverie_guard::Level;
use reverie_guard::expected::PixelRect;

use super::{GuardNotes, GuardOverlay};
use crate::camera::NeuralCamera;
use crate::dream::NeuralPicture;

/// Outlines at once.
const MOST: usize = 8;
/// Pixels of the screen between what is found and its outline.
const MARGIN: f32 = 3.0;

/// One outline; its child holds the words.
#[derive(Component)]
pub struct GuardOutline;

/// Spawns the outlines, hidden.
pub(crate) fn spawn(mut commands: Commands) {
    for _ in 0..MOST {
        commands.spawn((
            GuardOutline,
            Node {
                position_type: PositionType::Absolute,
                border: UiRect::all(px(2)),
                border_radius: BorderRadius::all(px(3)),
                ..default()
            },
            BorderColor::all(Color::WHITE),
            GlobalZIndex(i32::MAX - 3),
            Visibility::Hidden,
            children![(
                Text::default(),
                TextFont { font_size: FontSize::Px(12.0), ..default() },
                TextColor(Color::WHITE),
                BackgroundColor(Color::srgba(0.0, 0.0, 0.0, 0.6)),
                Node { position_type: PositionType::Absolute, bottom: percent(100), ..default() },
            )],
        ));
    }
}

/// Red where a picture is only reported, yellow where it was corrected.
fn colour(level: Level) -> Color {
    match level {
        Level::Accept => Color::srgb(1.0, 0.25, 0.2),
        _ => Color::srgb(1.0, 0.85, 0.2),
    }
}

/// Where a picture's rectangle lies in the view: left, top, width and height, logical pixels. The picture sees further
/// than the screen, by the ratio of the tangents of the half fields of view.
pub(super) fn on_screen(
    rect: PixelRect,
    picture: UVec2,
    picture_tangent: f32,
    view: Rect,
    view_tangent: f32,
) -> Rect {
    let picture = picture.as_vec2().max(Vec2::ONE);
    let middle = view.center();
    // Logical pixels of the screen per pixel of the picture.
    let scale = picture_tangent / view_tangent.max(1e-6) * view.height() / picture.y;
    let place = |x: u16, y: u16| middle + (Vec2::new(x.into(), y.into()) - 0.5 * picture) * scale;
    let (low, high) = (place(rect.x0, rect.y0), place(rect.x1, rect.y1));
    Rect::from_corners(low - MARGIN, high + MARGIN).intersect(view)
}

/// Moves the outlines to what was found in the last moments.
pub(crate) fn draw(
    overlay: Res<GuardOverlay>,
    cameras: Query<(&Camera, &Projection, &NeuralCamera, &NeuralPicture, &GuardNotes)>,
    mut outlines: Query<
        (&mut Node, &mut BorderColor, &mut Visibility, &Children),
        With<GuardOutline>,
    >,
    mut texts: Query<&mut Text>,
) {
    let mut found: Vec<(Rect, String, Color)> = Vec::new();
    for (camera, projection, neural, picture, notes) in cameras.iter().filter(|_| overlay.0) {
        let (Some(view), Projection::Perspective(lens), Some(frame)) =
            (camera.logical_viewport_rect(), projection, &picture.frame)
        else {
            continue;
        };
        if !neural.enabled {
            continue;
        }
        let tangent = |fov_rad: f32| (0.5 * fov_rad).tan();
        for (_, note) in notes.recent.iter().rev() {
            for verdict in &note.verdicts {
                let finding = verdict.finding;
                let words = format!("{}: {}", verdict.check, finding.what);
                let known = found.iter().any(|(_, other, _)| other.starts_with(&words));
                if known || found.len() == MOST {
                    continue;
                }
                let rect = on_screen(
                    finding.rect,
                    note.size.into(),
                    tangent(frame.snapshot.camera.vertical_fov_rad),
                    view,
                    tangent(lens.fov),
                );
                if rect.is_empty() {
                    continue;
                }
                let done = match note.level {
                    Level::Accept => String::new(),
                    level => format!(" > {}", level.name()),
                };
                let words = format!("{words} {:.2}/{:.2}{done}", finding.value, finding.threshold);
                found.push((rect, words, colour(note.level)));
            }
        }
    }
    let mut found = found.into_iter();
    for (mut node, mut border, mut visibility, children) in &mut outlines {
        let Some((rect, words, colour)) = found.next() else {
            visibility.set_if_neq(Visibility::Hidden);
            continue;
        };
        visibility.set_if_neq(Visibility::Inherited);
        node.left = px(rect.min.x);
        node.top = px(rect.min.y);
        node.width = px(rect.width());
        node.height = px(rect.height());
        border.set_all(colour);
        for child in children {
            if let Ok(mut text) = texts.get_mut(*child)
                && text.0 != words
            {
                text.0.clone_from(&words);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_lies_where_the_display_shows_the_body() {
        let view = Rect::from_corners(Vec2::ZERO, Vec2::new(640.0, 360.0));
        let rect = PixelRect { x0: 60, y0: 32, x1: 68, y1: 40 };
        let plain = on_screen(rect, UVec2::new(128, 72), 0.5, view, 0.5);
        assert_eq!(plain.center(), view.center());
        assert_eq!(plain.size(), Vec2::splat(40.0 + 2.0 * MARGIN));
        // A picture that sees further is larger on screen than the screen.
        let wide = on_screen(rect, UVec2::new(128, 72), 0.575, view, 0.5);
        assert!((wide.width() - 2.0 * MARGIN - 46.0).abs() < 1e-3, "{wide:?}");
        let corner = PixelRect { x0: 0, y0: 0, x1: 4, y1: 4 };
        assert!(on_screen(corner, UVec2::new(128, 72), 0.575, view, 0.5).is_empty(), "off screen");
    }
}
