//! Where the camera will look when the picture is on screen.
//!
//! A picture is on display some time after its state. In a turn the view runs out of it at one side, while the other
//! side is not looked at any more. So the model is asked for the view of then: the turn goes on as it went lately. The
//! late warp makes up for what comes differently, so a wrong guess costs margin, never a wrong picture.

use bevy::prelude::*;

/// The turn is taken over this time: shorter than a flick, longer than a tick. Seconds.
const WINDOW_S: f64 = 0.06;
/// States kept.
const KEPT: usize = 16;
/// A guess turns no further than this, radians.
const MOST_RAD: f32 = 0.35;
/// A picture is not looked ahead further than this, seconds.
const MOST_LEAD_S: f32 = 0.2;
/// Share of the newest age in the mean.
const AGE_GAIN: f32 = 0.1;

/// How the camera turned lately, and how old pictures are on screen.
#[derive(Debug, Default)]
pub(crate) struct Anticipation {
    /// Simulated time and rotation, oldest first.
    turned: Vec<(f64, Quat)>,
    mean_age_s: Option<f32>,
}

impl Anticipation {
    /// A picture of this age is on screen.
    pub fn note_age(&mut self, age_s: f32) {
        let age_s = age_s.min(MOST_LEAD_S);
        let mean = self.mean_age_s.unwrap_or(age_s);
        self.mean_age_s = Some(mean + AGE_GAIN * (age_s - mean));
    }

    /// The camera looks like this now.
    pub fn note_turn(&mut self, time_s: f64, world_from_camera: Quat) {
        // Several frames may lie within one tick; time may jump back.
        self.turned.retain(|(then, _)| *then < time_s);
        self.turned.push((time_s, world_from_camera));
        if self.turned.len() > KEPT {
            self.turned.remove(0);
        }
    }

    /// What came before a cut says nothing of what comes after it.
    pub fn forget(&mut self) {
        self.turned.clear();
    }

    /// The rotation when a picture that is asked for now will be on screen.
    pub fn rotation(&self) -> Option<Quat> {
        let (now_s, now) = *self.turned.last()?;
        let lead_s = self.mean_age_s?;
        let (then_s, then) =
            self.turned.iter().rev().find(|(then, _)| now_s - then >= WINDOW_S).copied()?;
        let turn = (now * then.inverse()).normalize().to_scaled_axis();
        let ahead = (turn * (lead_s / (now_s - then_s) as f32)).clamp_length_max(MOST_RAD);
        ahead.is_finite().then(|| (Quat::from_scaled_axis(ahead) * now).normalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turning(rate_rad_s: f32) -> Anticipation {
        let mut anticipation = Anticipation::default();
        (0..30).for_each(|_| anticipation.note_age(0.1));
        for tick in 0..12 {
            let time_s = f64::from(tick) / 60.0;
            anticipation.note_turn(time_s, Quat::from_rotation_y(rate_rad_s * time_s as f32));
        }
        anticipation
    }

    #[test]
    fn a_steady_turn_goes_on() {
        let anticipation = turning(2.0);
        let now = 2.0 * 11.0 / 60.0;
        let expected = Quat::from_rotation_y(now + 0.2);
        let found = anticipation.rotation().unwrap();
        assert!(found.angle_between(expected) < 1e-3, "{found}");
    }

    #[test]
    fn a_whirl_is_limited_and_a_cut_forgotten() {
        let mut anticipation = turning(30.0);
        let now = anticipation.turned.last().unwrap().1;
        assert!(anticipation.rotation().unwrap().angle_between(now) <= MOST_RAD + 1e-3);
        anticipation.forget();
        assert_eq!(anticipation.rotation(), None);
        anticipation.note_turn(0.0, Quat::IDENTITY);
        assert_eq!(anticipation.rotation(), None);
    }
}
