//! Which physics tick the shadow stands at.

use bevy::prelude::*;
use bevy_rapier3d::prelude::TimestepMode;

/// Ticks and simulated time of the physics.
///
/// With a fixed time step, one tick is one run of the fixed schedule; with a variable one it is a frame.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Default)]
pub struct ShadowClock {
    /// Physics ticks since the start.
    pub tick: u64,
    /// Simulated time, seconds.
    pub time_s: f64,
}

fn steps_are_fixed(mode: &Option<Res<TimestepMode>>) -> bool {
    matches!(mode.as_deref(), Some(TimestepMode::Fixed { .. }))
}

pub(super) fn count_fixed_tick(
    mode: Option<Res<TimestepMode>>,
    time: Res<Time<Fixed>>,
    mut clock: ResMut<ShadowClock>,
) {
    if steps_are_fixed(&mode) {
        clock.tick += 1;
        clock.time_s = time.elapsed_secs_f64();
    }
}

pub(super) fn count_frame(
    mode: Option<Res<TimestepMode>>,
    time: Res<Time<Virtual>>,
    mut clock: ResMut<ShadowClock>,
) {
    if !steps_are_fixed(&mode) {
        clock.tick += 1;
        clock.time_s = time.elapsed_secs_f64();
    }
}
