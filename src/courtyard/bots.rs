//! A bot that plays like a curious person: walks about, looks round, looks away and back, toys with crates.
//!
//! It sees the player's pose, the movable bodies and distances along rays, and answers with a
//! [`PlayerAction`] per tick: with the same seed and the same sights it does the same.

use std::f32::consts::{PI, TAU};

use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use bevy_reverie::action::PlayerAction;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::player::{EYE_FROM_CENTER, Player};
use super::{CourtyardBody, CurrentLayout, TICK_S, walker::Walker};

const MAX_TURN_RAD_S: f32 = PI;
/// How fast turning speeds up or slows down, rad/s².
const TURN_EASE_RAD_S2: f32 = 9.0;
/// How far ahead the bot feels for walls, metres.
const FEEL_M: f32 = 2.2;

/// What the bot sees.
pub struct Sight<'a> {
    /// The player's eyes, world metres.
    pub eye_m: Vec3,
    /// As in [`Player`].
    pub yaw_rad: f32,
    /// As in [`Player`].
    pub pitch_rad: f32,
    /// Lower and upper corner of the ground, x and z in metres.
    pub ground_m: [Vec2; 2],
    /// Middles and radii of what can be moved, in a stable order.
    pub movable: &'a [(Vec3, f32)],
    /// Free way at chest height along a level direction, metres, at most [`FEEL_M`].
    pub free_way: &'a dyn Fn(Vec3) -> f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Plan {
    Stand,
    Walk {
        goal_m: Vec2,
        glance_rad: f32,
    },
    /// Turns by an angle at a pace, standing or strolling.
    LookRound {
        left_rad: f32,
        pace_rad_s: f32,
    },
    /// Turns away, waits, and turns back.
    LookAway {
        home_yaw_rad: f32,
        away_yaw_rad: f32,
        turn_at: u32,
    },
    Approach {
        target: usize,
        then: Toy,
    },
    Carry {
        until: u32,
        throw: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Toy {
    Push,
    Carry,
}

/// A bot; while this resource exists it writes [`PlayerAction`] before every tick.
#[derive(Resource, Debug, Clone)]
pub struct Bot {
    rng: ChaCha8Rng,
    plan: Plan,
    tick: u32,
    ends: u32,
    yaw_rate: f32,
    pitch_rate: f32,
    aim_pitch: f32,
    steady: Vec2,
    seen_at: Vec2,
}

impl Bot {
    /// A bot that draws its whims from the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0xB07),
            plan: Plan::Stand,
            tick: 0,
            ends: 20,
            yaw_rate: 0.0,
            pitch_rate: 0.0,
            aim_pitch: -0.05,
            steady: Vec2::ZERO,
            seen_at: Vec2::splat(1e3),
        }
    }

    /// What to do this tick.
    pub fn act(&mut self, sight: &Sight<'_>) -> PlayerAction {
        self.tick += 1;
        let here = Vec2::new(sight.eye_m.x, sight.eye_m.z);
        if self.tick.is_multiple_of(45) {
            let stuck = here.distance(self.seen_at) < 0.25;
            self.seen_at = here;
            if stuck && matches!(self.plan, Plan::Walk { .. } | Plan::Approach { .. }) {
                let turn = self.rng.random_range(1.5..4.0)
                    * if self.rng.random_bool(0.5) { 1.0 } else { -1.0 };
                self.begin(Plan::LookRound { left_rad: turn, pace_rad_s: 2.4 }, 150);
            }
        }
        if self.tick >= self.ends {
            self.choose(sight, here);
        }
        let mut action = PlayerAction::default();
        let mut wish = Vec2::ZERO;
        let yaw_error;
        match self.plan {
            Plan::Stand => yaw_error = 0.12 * (self.tick as f32 * 0.021).sin(),
            Plan::Walk { goal_m, glance_rad } => {
                let to = goal_m - here;
                if to.length() < 0.6 {
                    self.ends = self.tick;
                }
                wish = steer(to.normalize_or_zero(), sight);
                yaw_error = angle_between(sight.yaw_rad, yaw_of(wish) + glance_rad);
                if yaw_error.abs() > 1.3 {
                    wish *= 0.35;
                }
            }
            Plan::LookRound { left_rad, pace_rad_s } => {
                yaw_error = left_rad.clamp(-0.6, 0.6) * pace_rad_s;
                let left_rad = left_rad - self.yaw_rate * TICK_S;
                self.plan = Plan::LookRound { left_rad, pace_rad_s };
                if left_rad.abs() < 0.03 {
                    self.ends = self.tick;
                }
                wish = self.steady;
            }
            Plan::LookAway { home_yaw_rad, away_yaw_rad, turn_at } => {
                let yaw = if self.tick < turn_at { away_yaw_rad } else { home_yaw_rad };
                yaw_error = angle_between(sight.yaw_rad, yaw);
                wish = self.steady;
            }
            Plan::Approach { target, then } => {
                let Some((at, radius)) = sight.movable.get(target).copied() else {
                    self.ends = self.tick;
                    return self.smooth(action, sight, 0.0, Vec2::ZERO);
                };
                let to = Vec2::new(at.x, at.z) - here;
                let near = radius + 1.15;
                yaw_error = angle_between(sight.yaw_rad, yaw_of(to));
                self.aim_pitch =
                    (at.y - sight.eye_m.y).atan2(to.length().max(0.3)).clamp(-0.75, 0.3);
                if to.length() > near {
                    wish = if to.length() > near + 0.8 {
                        steer(to.normalize_or_zero(), sight)
                    } else {
                        to.normalize_or_zero() * 0.7
                    };
                } else if yaw_error.abs() < 0.15 && (sight.pitch_rad - self.aim_pitch).abs() < 0.12
                {
                    match then {
                        Toy::Push => {
                            action.push = true;
                            wish = to.normalize_or_zero() * 0.5;
                        }
                        Toy::Carry => {
                            action.grab = true;
                            let throw = self.rng.random_bool(0.6);
                            let until = self.tick + self.rng.random_range(60..180);
                            self.aim_pitch = self.rng.random_range(-0.1..0.15);
                            self.begin(Plan::Carry { until, throw }, 240);
                        }
                    }
                }
            }
            Plan::Carry { until, throw } => {
                action.grab = true;
                yaw_error = 0.5 * (self.tick as f32 * 0.013).sin();
                wish = steer(forward(sight.yaw_rad), sight) * 0.6;
                if self.tick >= until {
                    action.throw = throw;
                    self.ends = self.tick + 20;
                    if !throw {
                        action.grab = false;
                    }
                }
            }
        }
        self.smooth(action, sight, yaw_error, wish)
    }

    fn begin(&mut self, plan: Plan, ticks: u32) {
        self.plan = plan;
        self.ends = self.tick + ticks;
    }

    fn choose(&mut self, sight: &Sight<'_>, here: Vec2) {
        self.aim_pitch = self.rng.random_range(-0.22..0.10);
        self.steady = if self.rng.random_bool(0.35) {
            let stroll = Vec2::from_angle(self.rng.random_range(0.0..TAU));
            if (sight.free_way)(Vec3::new(stroll.x, 0.0, stroll.y)) > 1.8 {
                stroll * 0.4
            } else {
                Vec2::ZERO
            }
        } else {
            Vec2::ZERO
        };
        let sign = if self.rng.random_bool(0.5) { 1.0 } else { -1.0 };
        match self.rng.random_range(0..100) {
            0..38 => {
                let [low, high] = sight.ground_m;
                let middle = 0.5 * (low + high);
                let reach = (0.5 * (high - low) - 1.5).max(Vec2::splat(0.1));
                // Of a few points the one with the freest first steps.
                let mut best = (f32::MIN, Vec2::ZERO);
                for _ in 0..5 {
                    let goal = Vec2::new(
                        middle.x + self.rng.random_range(-reach.x..reach.x),
                        middle.y + self.rng.random_range(-reach.y..reach.y),
                    );
                    let way = (goal - here).normalize_or_zero();
                    let score =
                        (sight.free_way)(Vec3::new(way.x, 0.0, way.y)) + 0.1 * goal.distance(here);
                    if score > best.0 {
                        best = (score, goal);
                    }
                }
                let glance_rad = if self.rng.random_bool(0.35) {
                    sign * self.rng.random_range(0.3..1.2)
                } else {
                    0.0
                };
                let ticks = self.rng.random_range(120..360);
                self.begin(Plan::Walk { goal_m: best.1, glance_rad }, ticks);
            }
            38..56 => {
                let left_rad = sign * self.rng.random_range(0.5 * PI..TAU);
                let pace_rad_s = self.rng.random_range(1.2..4.5);
                self.begin(Plan::LookRound { left_rad, pace_rad_s }, 420);
            }
            56..72 => {
                let away = sight.yaw_rad + sign * self.rng.random_range(0.5 * PI..0.95 * PI);
                let turn_at = self.tick + self.rng.random_range(50..120);
                self.begin(
                    Plan::LookAway { home_yaw_rad: sight.yaw_rad, away_yaw_rad: away, turn_at },
                    turn_at - self.tick + 90,
                );
            }
            72..92 => {
                let flat = |p: Vec3| Vec2::new(p.x, p.z).distance(here);
                let near = (0..sight.movable.len())
                    .filter(|i| sight.movable[*i].0.y < 1.3)
                    .min_by(|a, b| flat(sight.movable[*a].0).total_cmp(&flat(sight.movable[*b].0)));
                let then = if self.rng.random_bool(0.5) { Toy::Push } else { Toy::Carry };
                match near {
                    Some(target) => self.begin(Plan::Approach { target, then }, 300),
                    None => self.begin(Plan::Stand, 40),
                }
            }
            _ => {
                let ticks = self.rng.random_range(20..80);
                self.begin(Plan::Stand, ticks);
            }
        }
    }

    /// Eases the look towards its aim and turns the wish to walk into the player's frame.
    fn smooth(
        &mut self,
        mut action: PlayerAction,
        sight: &Sight<'_>,
        yaw_error: f32,
        wish: Vec2,
    ) -> PlayerAction {
        let ease = TURN_EASE_RAD_S2 * TICK_S;
        let want = (yaw_error * 4.0).clamp(-MAX_TURN_RAD_S, MAX_TURN_RAD_S);
        self.yaw_rate += (want - self.yaw_rate).clamp(-ease, ease);
        let pitch_error = self.aim_pitch - sight.pitch_rad;
        let want = (pitch_error * 3.0).clamp(-1.2, 1.2);
        self.pitch_rate += (want - self.pitch_rate).clamp(-0.5 * ease, 0.5 * ease);
        action.look = Vec2::new(-self.yaw_rate, self.pitch_rate) * TICK_S;
        let ahead = forward(sight.yaw_rad);
        let right = Vec2::new(-ahead.y, ahead.x);
        action.walk = Vec2::new(wish.dot(right), wish.dot(ahead)).clamp_length_max(1.0);
        action
    }
}

/// The way that a yaw looks, on the ground: (x, z).
fn forward(yaw_rad: f32) -> Vec2 {
    Vec2::new(-yaw_rad.sin(), -yaw_rad.cos())
}

pub(super) fn yaw_of(way: Vec2) -> f32 {
    (-way.x).atan2(-way.y)
}

/// From `from` to `to`, the short way round.
pub(super) fn angle_between(from: f32, to: f32) -> f32 {
    (to - from + PI).rem_euclid(TAU) - PI
}

/// The way nearest to the wanted one that is free.
fn steer(want: Vec2, sight: &Sight<'_>) -> Vec2 {
    let mut best = (f32::MIN, want);
    for turn in [0.0, 0.5, -0.5, 1.0, -1.0, 1.6, -1.6, 2.4, -2.4_f32] {
        let way = Vec2::from_angle(turn).rotate(want);
        let free = (sight.free_way)(Vec3::new(way.x, 0.0, way.y));
        if turn == 0.0 && free >= FEEL_M {
            return way;
        }
        let score = free.min(1.6) - 0.45 * turn.abs();
        if score > best.0 {
            best = (score, way);
        }
    }
    best.1
}

/// Lets the bot, if there is one, write the action of the coming tick.
pub(super) fn drive(
    bot: Option<ResMut<Bot>>,
    walker: Option<Res<Walker>>,
    layout: Option<Res<CurrentLayout>>,
    mut action: ResMut<PlayerAction>,
    rapier: ReadRapierContext,
    players: Query<(Entity, &Player, &Transform)>,
    bodies: Query<(&CourtyardBody, &Transform)>,
) -> Result {
    let (Some(mut bot), Some(layout)) = (bot, layout) else { return Ok(()) };
    if walker.is_some_and(|walker| walker.is_on_its_way()) {
        return Ok(());
    }
    let Ok((own, player, transform)) = players.single() else { return Ok(()) };
    let context = rapier.single()?;
    let mut movable: Vec<(usize, Vec3, f32)> = bodies
        .iter()
        .filter(|(body, _)| body.movable)
        .map(|(body, at)| (body.index, at.translation, body.radius_m))
        .collect();
    movable.sort_by_key(|(index, ..)| *index);
    let movable: Vec<(Vec3, f32)> =
        movable.into_iter().map(|(_, at, radius)| (at, radius)).collect();
    let chest = transform.translation - Vec3::Y * 0.25;
    let free_way = |way: Vec3| {
        // Two rays as far apart as the shoulders are.
        let side = Vec3::new(-way.z, 0.0, way.x) * 0.28;
        [side, -side]
            .map(|offset| {
                let filter = QueryFilter::new().exclude_rigid_body(own);
                context
                    .cast_ray(chest + offset, way, FEEL_M, true, filter)
                    .map_or(FEEL_M, |(_, d)| d)
            })
            .into_iter()
            .fold(FEEL_M, f32::min)
    };
    *action = bot.act(&Sight {
        eye_m: transform.translation + EYE_FROM_CENTER,
        yaw_rad: player.yaw_rad,
        pitch_rad: player.pitch_rad,
        ground_m: layout.0.ground_m,
        movable: &movable,
        free_way: &free_way,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_repeats_itself_and_turns_smoothly() {
        let sight = Sight {
            eye_m: Vec3::Y * 1.6,
            yaw_rad: 0.3,
            pitch_rad: 0.0,
            ground_m: [Vec2::splat(-12.0), Vec2::splat(12.0)],
            movable: &[],
            free_way: &|_| 2.0,
        };
        let (mut a, mut b) = (Bot::new(5), Bot::new(5));
        let mut last = 0.0_f32;
        for _ in 0..2000 {
            let action = a.act(&sight);
            assert_eq!(action, b.act(&sight));
            assert!(action.look.x.abs() <= MAX_TURN_RAD_S * TICK_S * 1.001);
            assert!((action.look.x - last).abs() <= TURN_EASE_RAD_S2 * TICK_S * TICK_S * 1.001);
            assert!(action.walk.length() <= 1.0001);
            last = action.look.x;
        }
    }
}
