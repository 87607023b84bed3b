//! The physics guard in the game: what it may do, what it found.
//!
//! [`NeuralCamera::guard`](crate::camera::NeuralCamera::guard) switches it. Each picture is then looked at by the model's
//! observer and held to the state that it must show; what is wrong with it comes as [`GuardVerdict`] messages, a line in the
//! log, counters, and outlines on screen ([`GuardOverlay`]). The guard never writes to the game's world.
//!
//! ```no_run
//! use bevy::prelude::*;
//! use bevy_reverie::prelude::*;
//!
//! fn spawn(mut commands: Commands) {
//!     let guard = GuardSettings::CORRECT;
//!     commands.spawn(NeuralCamera { guard, ..NeuralCamera::new("models/courtyard.world.ron") });
//! }
//!
//! fn count_ghosts(mut verdicts: MessageReader<GuardVerdict>) {
//!     let ghosts = verdicts.read().filter(|v| v.verdict.finding.what == "ghost").count();
//!     if ghosts > 0 {
//!         info!("{ghosts} ghosts, corrected before anyone saw them");
//!     }
//! }
//! ```

mod outline;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy::prelude::*;
use bevy_rapier3d::prelude::RapierConfiguration;
pub use reverie_guard::{Level, Verdict};
pub use reverie_runtime::correct::{GuardMode, GuardStats};
use reverie_runtime::correct::{GuardNote, GuardOrders};

use crate::camera::{NeuralCamera, NeuralPace};
use crate::dream::Dream;
use crate::latency::Deadlines;
use crate::shadow::ShapeCache;
use crate::toggle::{NeuralKeys, pressed};

pub(crate) use outline::{draw, spawn};

/// At most one line of the log in this time; what was left out is counted in the next one.
const LOG_EVERY: Duration = Duration::from_secs(2);

/// What the guard of a neural camera may do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GuardSettings {
    /// Off, observe only, or correct. Off costs nothing.
    pub mode: GuardMode,
    /// Gravity of the world, m/s²; Rapier's own if `None`.
    pub gravity_m_s2: Option<Vec3>,
}

impl GuardSettings {
    /// No picture is looked at.
    pub const OFF: Self = Self { mode: GuardMode::Off, gravity_m_s2: None };
    /// Pictures are judged and left as they are.
    pub const OBSERVE: Self = Self { mode: GuardMode::Observe, gravity_m_s2: None };
    /// Pictures that the physics denies are corrected before they are shown or remembered.
    pub const CORRECT: Self = Self { mode: GuardMode::Correct, gravity_m_s2: None };
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self::OFF
    }
}

/// On an entity with a collider, or above it: no check speaks of it. For what looks otherwise than its collider on purpose.
#[derive(Component, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unguarded;

/// A picture broke a rule of physics.
#[derive(Message, Debug, Clone, Copy, PartialEq)]
pub struct GuardVerdict {
    /// Whose picture.
    pub camera: Entity,
    /// Whose collider; `None` for what belongs to no body, such as a ghost.
    pub body: Option<Entity>,
    /// Which check, with its numbers.
    pub verdict: Verdict,
    /// How the picture was corrected; [`Level::Accept`] if it was only reported.
    pub level: Level,
}

/// Outlines what the guard finds, with the name of the check. A key switches it, see
/// [`NeuralKeys`](crate::toggle::NeuralKeys).
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GuardOverlay(pub bool);

/// The guard's last notes about a camera, for the overlay.
#[derive(Component, Debug, Clone, Default)]
pub struct GuardNotes {
    /// With the time at which each came; the newest last, of the last moments.
    pub recent: Vec<(Instant, GuardNote)>,
}

/// Notes that the overlay keeps.
const MOST_RECENT: usize = 8;
/// And for how long.
const RECENT: Duration = Duration::from_millis(600);

/// Switches the overlay.
pub(crate) fn switch_overlay(
    keys: Option<Res<ButtonInput<KeyCode>>>,
    bindings: Res<NeuralKeys>,
    mut overlay: ResMut<GuardOverlay>,
) {
    if pressed(&keys, bindings.guard) {
        overlay.0 = !overlay.0;
    }
}

/// Tells each dream thread what its guard may do, when that has changed.
pub(crate) fn order(
    mut cameras: Query<(&NeuralCamera, &mut Dream)>,
    worlds: Query<&RapierConfiguration>,
    unguarded: Query<Entity, With<Unguarded>>,
    children: Query<&Children>,
    shapes: Res<ShapeCache>,
    deadlines: Option<Res<Deadlines>>,
) {
    let mut ids: Vec<u64> = unguarded
        .iter()
        .flat_map(|entity| std::iter::once(entity).chain(children.iter_descendants(entity)))
        .flat_map(|entity| shapes.ids(entity))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let default = GuardOrders::default();
    for (camera, mut dream) in &mut cameras {
        let rapier = worlds.iter().next().map(|world| world.gravity);
        let deadline_ms = match (camera.pace, &deadlines) {
            (NeuralPace::Lockstep, _) => f32::INFINITY,
            // A picture is dreamed in one period and shown in the next.
            (_, Some(deadlines)) => 2e3 * deadlines.model_period.as_secs_f32(),
            _ => default.deadline_ms,
        };
        let gravity_m_s2 = camera.guard.gravity_m_s2.or(rapier).unwrap_or(default.gravity_m_s2);
        let known = dream.orders();
        let same = known.unguarded[..] == ids[..];
        let unguarded = if same { known.unguarded.clone() } else { Arc::from(ids.as_slice()) };
        let orders = GuardOrders { mode: camera.guard.mode, gravity_m_s2, deadline_ms, unguarded };
        if *known != orders {
            dream.set_orders(orders);
        }
    }
}

/// What the log was told, and what it was spared.
#[derive(Default)]
pub(crate) struct Logged {
    at: Option<Instant>,
    left_out: u32,
    fault: Option<String>,
}

/// Hands out what the guards found since the last frame.
pub(crate) fn report(
    mut cameras: Query<(Entity, &Dream, &mut GuardNotes)>,
    shapes: Res<ShapeCache>,
    mut verdicts: MessageWriter<GuardVerdict>,
    mut logged: Local<Logged>,
) {
    let now = Instant::now();
    for (camera, dream, mut notes) in &mut cameras {
        let fault = &dream.status().guard.fault;
        if *fault != logged.fault {
            if let Some(why) = fault {
                warn!("guard: {why}");
            }
            logged.fault.clone_from(fault);
        }
        if !notes.recent.is_empty() {
            notes.recent.retain(|(at, _)| now.duration_since(*at) < RECENT);
        }
        for note in dream.guard_notes() {
            for verdict in &note.verdicts {
                let body = verdict.finding.object.and_then(|id| shapes.entity(id));
                verdicts.write(GuardVerdict { camera, body, verdict: *verdict, level: note.level });
                log(&mut logged, now, verdict, body, note.level);
            }
            if notes.recent.len() == MOST_RECENT {
                notes.recent.remove(0);
            }
            notes.recent.push((now, note));
        }
    }
}

fn log(logged: &mut Logged, now: Instant, verdict: &Verdict, body: Option<Entity>, level: Level) {
    if logged.at.is_some_and(|at| now.duration_since(at) < LOG_EVERY) {
        logged.left_out += 1;
        return;
    }
    let whose = body.map_or_else(String::new, |entity| format!(" (entity {entity})"));
    let more = match std::mem::take(&mut logged.left_out) {
        0 => String::new(),
        left_out => format!("; {left_out} more since the last line"),
    };
    info!("guard: {verdict}{whose}: {}{more}", level.name());
    logged.at = Some(now);
}
