//! Faults on purpose: what a picture would show if the physics were denied, with labels.
//!
//! A [`Fault`] is a pure function from the true state to the state that is *drawn* ([`Fault::drawn`]). Whoever draws the
//! latter and tells the guard the former has a picture with a known error. [`begin`](Fault::begin) looks for a body for
//! which a class of fault means something now: only what flies can freeze in the air.
//!
//! [`choose`] finds bodies, [`label`] counts what of a fault can be seen.

use glam::Vec3;
use reverie_kernels::raster::shape::bounding_box;
use serde::{Deserialize, Serialize};

use crate::expected::{Body, Pose, ShadowSnapshot};

pub mod choose;
pub mod label;

pub use choose::Search;
pub use label::Label;

#[cfg(test)]
mod tests;

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// The body is not there. Strength: how far the picture has gone over to the one without it, 0 to 1.
    Erase,
    /// There is one more of it beside it. Strength: distance of the two, diameters.
    Duplicate,
    /// It stands in a wall or in the ground. Strength: depth, metres.
    Intrude,
    /// It rests, but in the air. Strength: height, metres.
    Lift,
    /// It flies, but hangs where it was. Strength: none.
    Freeze,
    /// It is larger or smaller. Strength: ln of the factor of its lengths.
    Scale,
    /// It rests, but trembles. Strength: root mean square along each axis of the picture, pixels.
    Jitter,
    /// It is of another material. Strength: none.
    Material,
    /// A wall in the middle of the view is not there. Strength as with [`Self::Erase`].
    OpenWall,
    /// It goes through a wall. Strength: speed, m/s.
    WalkThrough,
    /// It stands aside of its place. Strength: distance, metres.
    Teleport,
    /// It rests, but slides. Strength: speed, m/s.
    Drift,
}

impl FaultClass {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Erase,
        Self::Duplicate,
        Self::Intrude,
        Self::Lift,
        Self::Freeze,
        Self::Scale,
        Self::Jitter,
        Self::Material,
        Self::OpenWall,
        Self::WalkThrough,
        Self::Teleport,
        Self::Drift,
    ];

    /// As in recipes, reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Erase => "erase",
            Self::Duplicate => "duplicate",
            Self::Intrude => "intrude",
            Self::Lift => "lift",
            Self::Freeze => "freeze",
            Self::Scale => "scale",
            Self::Jitter => "jitter",
            Self::Material => "material",
            Self::OpenWall => "open_wall",
            Self::WalkThrough => "walk_through",
            Self::Teleport => "teleport",
            Self::Drift => "drift",
        }
    }

    /// The class of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Unit of its strength; empty where there is only one.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Erase | Self::OpenWall => "share",
            Self::Duplicate => "diameters",
            Self::Intrude | Self::Lift | Self::Teleport => "m",
            Self::Scale => "ln",
            Self::Jitter => "px",
            Self::WalkThrough | Self::Drift => "m/s",
            Self::Freeze | Self::Material => "",
        }
    }

    /// Strengths from hardly to be seen to plain; the last one is the full fault.
    pub fn strengths(self) -> &'static [f32] {
        match self {
            Self::Erase | Self::OpenWall => &[0.4, 0.7, 1.0],
            Self::Duplicate => &[1.2, 2.0],
            Self::Intrude => &[0.1, 0.2, 0.4],
            Self::Lift => &[0.15, 0.3, 0.6],
            Self::Freeze | Self::Material => &[1.0],
            Self::Scale => &[0.15, -0.3, 0.3, 0.5],
            Self::Jitter => &[0.5, 1.0, 2.0],
            Self::WalkThrough => &[0.7, 1.5],
            Self::Teleport => &[0.3, 0.6, 1.2],
            Self::Drift => &[0.3, 0.6, 1.2],
        }
    }

    /// The strength of the full fault.
    pub fn full_strength(self) -> f32 {
        self.strengths().last().copied().unwrap_or(1.0)
    }
}

/// One fault of one body, from a tick on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its kind.
    pub class: FaultClass,
    /// Id of the body.
    pub body: u64,
    /// In the class's unit.
    pub strength: f32,
    /// First tick that is drawn wrong.
    pub start_tick: u64,
    /// Simulated time of that tick, seconds.
    pub start_time_s: f64,
    /// Displacement in the world, metres; for what moves, metres a second.
    pub offset: Vec3,
    /// Farthest way of what moves, metres.
    pub farthest_m: f32,
    /// Where the body was at the start.
    pub start_pose: Pose,
    /// Class of material that it gets.
    pub material: u8,
    /// Of what is random from picture to picture.
    pub seed: u64,
}

/// Marks the id of a body that is drawn twice; no game gives such ids.
const TWIN: u64 = 1 << 63;

impl Fault {
    /// The id of the second one of a body that is drawn twice.
    pub fn twin_id(&self) -> u64 {
        self.body ^ TWIN
    }

    /// The pictures from `tick` on are wrong.
    pub fn is_active(&self, tick: u64) -> bool {
        tick >= self.start_tick
    }

    /// How much of the wrong picture is to be mixed into the true one, 0 to 1; below 1 for what is half there.
    pub fn opacity(&self) -> f32 {
        match self.class {
            FaultClass::Erase | FaultClass::OpenWall => self.strength.clamp(0.0, 1.0),
            _ => 1.0,
        }
    }

    /// The state to draw in place of `truth`.
    pub fn drawn(&self, truth: &ShadowSnapshot) -> ShadowSnapshot {
        let mut drawn = truth.clone();
        if !self.is_active(truth.tick) {
            return drawn;
        }
        let Some(at) = drawn.bodies.iter().position(|body| body.id == self.body) else {
            return drawn;
        };
        let since_s = (truth.time_s - self.start_time_s).max(0.0) as f32;
        let body = &mut drawn.bodies[at];
        match self.class {
            FaultClass::Erase | FaultClass::OpenWall => {
                drawn.bodies.remove(at);
            }
            FaultClass::Duplicate => {
                let mut twin = body.clone();
                twin.id = self.twin_id();
                twin.world_from_body.translation_m += self.offset;
                drawn.bodies.push(twin);
            }
            FaultClass::Intrude | FaultClass::Lift | FaultClass::Teleport => {
                body.world_from_body.translation_m += self.offset;
            }
            FaultClass::Freeze => {
                body.world_from_body = self.start_pose;
                body.linear_velocity_m_s = Vec3::ZERO;
                body.angular_velocity_rad_s = Vec3::ZERO;
            }
            FaultClass::Scale => resize(body, self.strength.clamp(-3.0, 3.0).exp()),
            FaultClass::Jitter => {
                let camera = truth.camera.world_from_camera.rotation;
                let [x, y] = self.noise(truth.tick);
                let amount_m = self.offset.length();
                body.world_from_body.translation_m += camera * Vec3::new(x, y, 0.0) * amount_m;
            }
            FaultClass::Material => {
                body.material = self.material;
                body.tint_srgb = None;
            }
            FaultClass::WalkThrough | FaultClass::Drift => {
                let way_m = (self.offset * since_s).clamp_length_max(self.farthest_m);
                body.world_from_body.translation_m = self.start_pose.translation_m + way_m;
                let goes = way_m.length() < self.farthest_m;
                body.linear_velocity_m_s = if goes { self.offset } else { Vec3::ZERO };
            }
        }
        drawn
    }

    /// Two numbers of variance 1, other ones at each tick.
    fn noise(&self, tick: u64) -> [f32; 2] {
        let uniform = |salt: u64| {
            let bits = mix(self.seed ^ mix(tick ^ salt)) >> 40;
            // ±√3 has the variance 1.
            (bits as f32 / (1u64 << 23) as f32 - 1.0) * 3f32.sqrt()
        };
        [uniform(0x51), uniform(0xA7)]
    }
}

/// Half of the edges of the box around a body, turned with it, along the axes of the world.
fn world_half_m(body: &Body) -> Vec3 {
    let (_, half) = bounding_box(&body.shape);
    let turn = body.world_from_body.rotation_matrix();
    turn.x_axis.abs() * half.x + turn.y_axis.abs() * half.y + turn.z_axis.abs() * half.z
}

/// Scales a body about the lowest point of the box around it. A mesh stays, since many bodies may share it.
fn resize(body: &mut Body, by: f32) {
    let height_m = world_half_m(body).y;
    let Some(shape) = body.shape.scaled(by) else { return };
    body.shape = shape;
    body.world_from_body.translation_m.y += (by - 1.0) * height_m;
}

/// SplitMix64 (Steele et al. 2014).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}
