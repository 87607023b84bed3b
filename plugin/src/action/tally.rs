//! Sums the intent of several physics ticks into the action of one frame.

use reverie_runtime::request::{ACTION_AXES, Action};

use super::PlayerAction;

/// Number of axes that are means over ticks: the two of walking.
const WALK_AXES: usize = 2;
/// End of the axes that are sums over ticks: the two of looking.
const LOOK_END: usize = 4;

/// What the player did over some ticks: walking as the mean, looking as the sum, buttons as held at any time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ActionTally {
    ticks: u32,
    sum: Action,
}

impl ActionTally {
    /// Adds one tick.
    pub fn add(&mut self, action: &PlayerAction) {
        self.ticks += 1;
        for (axis, value) in action.to_axes().into_iter().enumerate() {
            if !value.is_finite() {
                continue;
            }
            self.sum[axis] =
                if axis < LOOK_END { self.sum[axis] + value } else { self.sum[axis].max(value) };
        }
    }

    /// The action of all ticks so far; zero without ticks.
    pub fn action(&self) -> Action {
        let mut action = [0.0; ACTION_AXES.len()];
        for (axis, sum) in self.sum.iter().enumerate() {
            action[axis] = if axis < WALK_AXES { sum / self.ticks.max(1) as f32 } else { *sum };
        }
        action
    }

    /// Ticks since it was last cleared.
    pub fn ticks(&self) -> u32 {
        self.ticks
    }

    /// Starts anew.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use bevy::math::Vec2;

    use super::*;

    #[test]
    fn walking_is_a_mean_looking_a_sum_and_buttons_stick() {
        let mut tally = ActionTally::default();
        tally.add(&PlayerAction {
            walk: Vec2::Y,
            look: Vec2::new(0.1, 0.0),
            jump: true,
            ..Default::default()
        });
        tally.add(&PlayerAction { look: Vec2::new(0.2, -0.1), ..Default::default() });
        let [right, forward, look_right, look_up, jump, push, ..] = tally.action();
        assert_eq!((right, forward), (0.0, 0.5));
        assert!((look_right - 0.3).abs() < 1e-6 && (look_up + 0.1).abs() < 1e-6);
        assert_eq!((jump, push), (1.0, 0.0));
        tally.clear();
        assert_eq!(tally.action(), [0.0; 8]);
    }

    #[test]
    fn a_tick_that_is_not_finite_adds_nothing() {
        let mut tally = ActionTally::default();
        tally.add(&PlayerAction { look: Vec2::new(f32::NAN, 0.5), ..Default::default() });
        assert_eq!(tally.action()[2..4], [0.0, 0.5]);
    }
}
