//! The HUD's pictures of latency: one bar of stages, and the last frames side by side.

use bevy::diagnostic::DiagnosticsStore;
use bevy::prelude::*;

use super::NeuralHud;
use crate::latency::{GRAPH_FRAMES, GraphFrame, LatencyLog, Stage};

/// Pixels of a frame in the graph, with its gap.
const COLUMN_PX: f32 = 3.0;
const GRAPH_WIDTH_PX: f32 = COLUMN_PX * GRAPH_FRAMES as f32;
const GRAPH_HEIGHT_PX: f32 = 48.0;
/// The graph's height stands for one of these, the first that fits, milliseconds.
const SCALES_MS: [f64; 6] = [50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0];

const ON_TIME: Color = Color::srgb(0.35, 0.78, 0.72);
const MISSED: Color = Color::srgb(0.95, 0.55, 0.25);
const AGE: Color = Color::srgba(0.6, 0.66, 0.75, 0.35);

/// A piece of the bar.
#[derive(Component)]
pub(super) struct StagePiece(Stage);

/// A piece of the bar's legend.
#[derive(Component)]
pub(super) struct StageName(Stage);

/// Input to present of a frame, inside of the age of its source.
#[derive(Component)]
pub(super) struct Column(usize);

/// What is shown of a frame's source age.
#[derive(Component)]
pub(super) struct AgeColumn(usize);

/// Says what the graph shows.
#[derive(Component)]
pub(super) struct Caption;

/// Neighbours in the bar differ: around the circle of hues in steps of the golden angle.
fn color(stage: Stage) -> Color {
    let index = Stage::ALL.iter().position(|other| *other == stage).unwrap_or(0);
    Color::hsl((index as f32 * 137.5) % 360.0, 0.55, 0.62)
}

/// Adds bar, legend, graph and caption to the HUD's panel.
pub(super) fn spawn(panel: &mut ChildSpawnerCommands) {
    let font = TextFont { font_size: FontSize::Px(12.0), ..default() };
    panel.spawn(Node { width: px(GRAPH_WIDTH_PX), height: px(8), ..default() }).with_children(
        |bar| {
            for stage in Stage::ALL {
                bar.spawn((
                    StagePiece(*stage),
                    Node { width: px(0), height: percent(100), ..default() },
                    BackgroundColor(color(*stage)),
                ));
            }
        },
    );
    panel.spawn((Text::default(), font.clone())).with_children(|legend| {
        for stage in Stage::ALL {
            legend.spawn((
                StageName(*stage),
                TextSpan::default(),
                font.clone(),
                TextColor(color(*stage)),
            ));
        }
    });
    let graph = Node {
        width: px(GRAPH_WIDTH_PX),
        height: px(GRAPH_HEIGHT_PX),
        align_items: AlignItems::FlexEnd,
        column_gap: px(1),
        ..default()
    };
    panel.spawn(graph).with_children(|graph| {
        for index in 0..GRAPH_FRAMES {
            graph
                .spawn((
                    AgeColumn(index),
                    Node {
                        width: px(COLUMN_PX - 1.0),
                        height: px(0),
                        align_items: AlignItems::FlexEnd,
                        ..default()
                    },
                    BackgroundColor(AGE),
                ))
                .with_child((
                    Column(index),
                    Node { width: percent(100), height: px(0), ..default() },
                    BackgroundColor(ON_TIME),
                ));
        }
    });
    panel.spawn((Caption, Text::default(), font, TextColor(Color::srgb(0.72, 0.76, 0.82))));
}

/// Stages as they are now, smoothed.
pub(super) fn write_stages(
    store: Res<DiagnosticsStore>,
    hud: Query<&Visibility, With<NeuralHud>>,
    mut pieces: Query<(&StagePiece, &mut Node)>,
    mut names: Query<(&StageName, &mut TextSpan)>,
) {
    if hud.iter().all(|visibility| *visibility == Visibility::Hidden) {
        return;
    }
    let now = |stage: Stage| store.get(&stage.path()).and_then(|known| known.smoothed());
    let whole: f64 = Stage::ALL.iter().filter_map(|stage| now(*stage)).sum();
    for (piece, mut node) in &mut pieces {
        let share = now(piece.0).unwrap_or(0.0) / whole.max(1e-6);
        node.width = percent((100.0 * share) as f32);
    }
    for (name, mut span) in &mut names {
        let text = now(name.0).map_or_else(String::new, |ms| {
            let line_end =
                if name.0 == Stage::Raster || name.0 == Stage::Publish { "\n" } else { "  " };
            format!("{} {ms:.1}{line_end}", name.0.name())
        });
        if span.0 != text {
            span.0 = text;
        }
    }
}

/// Draws the last frames, the newest on the right.
pub(super) fn draw(
    log: Res<LatencyLog>,
    hud: Query<&Visibility, With<NeuralHud>>,
    mut columns: Query<(&Column, &mut Node, &mut BackgroundColor), Without<AgeColumn>>,
    mut ages: Query<(&AgeColumn, &mut Node), Without<Column>>,
    mut captions: Query<&mut Text, With<Caption>>,
) {
    if hud.iter().all(|visibility| *visibility == Visibility::Hidden) {
        return;
    }
    let frames: Vec<GraphFrame> = log.graph().copied().collect();
    let scale_ms = scale_ms(&frames);
    let height = |ms: f64| px((ms / scale_ms).clamp(0.0, 1.0) as f32 * GRAPH_HEIGHT_PX);
    // Fewer frames than columns: the left ones stay empty.
    let empty = GRAPH_FRAMES - frames.len().min(GRAPH_FRAMES);
    let frame = |index: usize| index.checked_sub(empty).and_then(|i| frames.get(i)).copied();
    for (column, mut node, mut color) in &mut columns {
        let frame = frame(column.0).unwrap_or_default();
        node.height = height(frame.input_to_present);
        color.0 = if frame.missed { MISSED } else { ON_TIME };
    }
    for (column, mut node) in &mut ages {
        let frame = frame(column.0).unwrap_or_default();
        node.height = height(frame.source_age.unwrap_or(0.0).max(frame.input_to_present));
    }
    for mut caption in &mut captions {
        let text = format!(
            "{GRAPH_FRAMES} frames, {scale_ms:.0} ms high: input to present (orange: a deadline missed), grey: age of the source"
        );
        if caption.0 != text {
            caption.0 = text;
        }
    }
}

fn scale_ms(frames: &[GraphFrame]) -> f64 {
    let highest = frames
        .iter()
        .map(|frame| frame.input_to_present.max(frame.source_age.unwrap_or(0.0)))
        .fold(0.0, f64::max);
    SCALES_MS.into_iter().find(|scale| highest <= *scale).unwrap_or(SCALES_MS[5])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_the_first_that_fits() {
        let frame = |ms| GraphFrame { input_to_present: ms, ..default() };
        assert_eq!(scale_ms(&[]), 50.0);
        assert_eq!(scale_ms(&[frame(20.0), frame(51.0)]), 100.0);
        assert_eq!(scale_ms(&[frame(1e6)]), 5000.0);
    }
}
