//! The HUD: what the model does, how fast, how old. F3 shows and hides it.

mod graph;

use std::fmt::Write;
use std::time::Duration;

use bevy::diagnostic::{DiagnosticPath, DiagnosticsStore};
use bevy::prelude::*;
use bevy::time::common_conditions::on_timer;
use reverie_runtime::dream::DreamState;
use reverie_runtime::style::{STYLE_NAMES, StyleWeights};

use crate::camera::{NeuralCamera, NeuralMode};
use crate::diagnostics::{DISPLAY_FPS, MEMORY_READ_MS, MEMORY_WRITE_MS, MODEL_FPS};
use crate::dream::Dream;
use crate::guard::{self, GuardMode};
use crate::latency::{
    DISPLAY_MISSES, INPUT_TO_PRESENT_MS, POSE_AGE_MS, SOURCE_AGE_MS, SOURCE_MISSES,
};
use crate::memory::NeuralMemory;
use crate::toggle::{NeuralKeys, pressed};

/// Marks the HUD's panel; its `Visibility` is the switch.
#[derive(Component)]
pub struct NeuralHud;

/// The overlay.
pub(crate) struct OverlayPlugin;

impl Plugin for OverlayPlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(Startup, (spawn, guard::spawn)).add_systems(
            Update,
            (
                switch,
                guard::draw,
                (write, graph::write_stages).run_if(on_timer(Duration::from_millis(250))),
                graph::draw.run_if(on_timer(Duration::from_millis(100))),
            )
                .chain(),
        );
    }
}

/// The HUD's words.
#[derive(Component)]
struct Summary;

fn spawn(mut commands: Commands) {
    let mut hud = commands.spawn((
        NeuralHud,
        Node {
            position_type: PositionType::Absolute,
            top: px(8),
            left: px(8),
            max_width: percent(96),
            padding: UiRect::axes(px(10), px(8)),
            flex_direction: FlexDirection::Column,
            row_gap: px(4),
            border_radius: BorderRadius::all(px(6)),
            ..default()
        },
        BackgroundColor(Color::srgba(0.02, 0.03, 0.05, 0.72)),
        GlobalZIndex(i32::MAX - 1),
        Visibility::Hidden,
    ));
    hud.with_children(|panel| {
        panel.spawn((
            Summary,
            Text::default(),
            TextFont { font_size: FontSize::Px(13.0), ..default() },
            TextColor(Color::srgb(0.92, 0.94, 0.97)),
        ));
        graph::spawn(panel);
    });
}

fn switch(
    keys: Option<Res<ButtonInput<KeyCode>>>,
    bindings: Res<NeuralKeys>,
    mut hud: Query<&mut Visibility, With<NeuralHud>>,
) {
    if pressed(&keys, bindings.hud) {
        for mut visibility in &mut hud {
            visibility.toggle_visible_hidden();
        }
    }
}

fn write(
    store: Res<DiagnosticsStore>,
    cameras: Query<(&NeuralCamera, &NeuralMemory, Option<&Dream>)>,
    hud: Query<&Visibility, With<NeuralHud>>,
    mut texts: Query<&mut Text, With<Summary>>,
) {
    if hud.iter().all(|visibility| *visibility == Visibility::Hidden) {
        return;
    }
    let text = match cameras.iter().next() {
        Some((camera, memory, dream)) => describe(camera, memory, dream, &store),
        None => "no neural camera".to_owned(),
    };
    for mut shown in &mut texts {
        if shown.0 != text {
            shown.0.clone_from(&text);
        }
    }
}

fn describe(
    camera: &NeuralCamera,
    memory: &NeuralMemory,
    dream: Option<&Dream>,
    store: &DiagnosticsStore,
) -> String {
    let value = |path: &DiagnosticPath| {
        store
            .get(path)
            .and_then(|d| d.smoothed())
            .map_or_else(|| "-".to_owned(), |v| format!("{v:.1}"))
    };
    let (model, state) = match dream.map(Dream::status) {
        None => ("-", "off".to_owned()),
        Some(status) => match &status.state {
            DreamState::Loading => (status.model.as_str(), "loading".to_owned()),
            DreamState::Dreaming => (status.model.as_str(), "dreaming".to_owned()),
            DreamState::Fallback { why } => (status.model.as_str(), format!("fallback: {why}")),
        },
    };
    let shown = if camera.enabled { "neural" } else { "ordinary" };
    let cannot = camera.mode == NeuralMode::Dream && !dream.is_some_and(|d| d.status().can_dream);
    let mode = if cannot { "anchored, the model cannot dream" } else { camera.mode.name() };
    let mut text =
        format!("{model} | {state}\npicture {shown} (F2), side by side F4, {mode} (F5)\n");
    // Writing into a String cannot fail.
    let _ = writeln!(text, "model {} fps, display {} fps", value(&MODEL_FPS), value(&DISPLAY_FPS));
    let _ = writeln!(
        text,
        "input to present {} ms, source age {} ms, pose age {} ms",
        value(&INPUT_TO_PRESENT_MS),
        value(&SOURCE_AGE_MS),
        value(&POSE_AGE_MS)
    );
    let count = |path: &DiagnosticPath| {
        store.get(path).and_then(|known| known.value()).map_or(0, |count| count as u64)
    };
    let _ = writeln!(
        text,
        "deadlines missed: display {}, source {}",
        count(&DISPLAY_MISSES),
        count(&SOURCE_MISSES)
    );
    let known = memory.stats();
    let _ = writeln!(
        text,
        "memory {:.1} MB, hits {:.0} %, read {} write {} ms (F6)",
        known.bytes as f32 / 1e6,
        100.0 * known.hit_rate,
        value(&MEMORY_READ_MS),
        value(&MEMORY_WRITE_MS)
    );
    if camera.guard.mode != GuardMode::Off {
        let stats = dream.map(|dream| dream.status().guard.clone()).unwrap_or_default();
        let mode = if camera.guard.mode == GuardMode::Observe { "observes" } else { "corrects" };
        let _ = writeln!(text, "guard {mode}: {} of {} rejected (F7)", stats.rejects, stats.judged);
    }
    let fallback = dream.map_or(0, |dream| dream.status().fallback_frames);
    let _ = write!(text, "style {}, fallback frames {fallback}", style_text(&camera.style));
    text
}

/// `noon`, or `dusk 70 % fog 30 %`.
fn style_text(style: &StyleWeights) -> String {
    let named = STYLE_NAMES.iter().zip(style.normalized().0).filter(|(_, weight)| *weight > 0.005);
    let parts: Vec<String> = named
        .map(|(name, weight)| match weight {
            weight if weight > 0.995 => (*name).to_owned(),
            weight => format!("{name} {:.0} %", 100.0 * weight),
        })
        .collect();
    parts.join(" ")
}
