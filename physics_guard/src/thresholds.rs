//! Every number that a check compares with, in one place; saved in a model's card once it is calibrated.

use serde::{Deserialize, Serialize};

use crate::habit::Confusion;

/// From where on a check says no. The defaults are starting values: [`crate::calibrate`] replaces them by quantiles of
/// what a given observer says of clean pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Bodies may be this much deeper in each other than the shadow has them, metres; and
    pub interpenetration_m: f32,
    /// so many pixels more.
    pub interpenetration_px: f32,
    /// Share of a nearer body's mask over which another body may be seen; at least
    pub overlap_share: f32,
    /// so many pixels.
    pub overlap_px: u32,
    /// Share of g by which a flying body's acceleration may differ.
    pub gravity_share: f32,
    /// Pictures of one flight that are needed.
    pub gravity_frames: usize,
    /// A flying body that is slower than this, m/s, for longer than
    pub floating_m_s: f32,
    /// so many seconds hangs in the air.
    pub floating_s: f32,
    /// and slower than the shadow's by so much, m/s: at the top of a throw everything is slow.
    pub hanging_m_s: f32,
    /// A body that rests may be seen this much above its place, metres.
    pub lifted_m: f32,
    /// Share of its energy that a body may win from nowhere.
    pub energy_share: f32,
    /// And so many joules a kilogram.
    pub energy_j_kg: f32,
    /// A body may leave a bounce faster than its restitution allows by this, m/s.
    pub bounce_m_s: f32,
    /// Change of velocity that no push explains, m/s.
    pub momentum_m_s: f32,
    /// A body's place may jump by this share of its diameter, and by
    pub teleport_diameters: f32,
    /// so many metres.
    pub teleport_m: f32,
    /// It may stand so many pixels from where the pictures before say that it does.
    pub slid_px: f32,
    /// And so many after the last pictures together, each held to the one before it.
    pub strayed_px: f32,
    /// Least share of a body's expected pixels that show it, where at least
    pub permanence_share: f32,
    /// so many are expected.
    pub permanence_px: u32,
    /// Pixels of a region that nothing explains.
    pub ghost_px: u32,
    /// Least share of a body's pixels that look as they did in the last accepted picture, of what usually does,
    pub alike_share: f32,
    /// and in one of more than a second ago.
    pub alike_long_share: f32,
    /// Share of a body that lies still and came into another light, if what is around it did not.
    pub relit_share: f32,
    /// Pixels of a region, on what stands still, that looks otherwise than in all accepted pictures that know it.
    pub strange_px: u32,
    /// Mean ΔE2000 of a body against what is remembered of it.
    pub appearance_delta_e: f32,
    /// Advantage of another material over the body's own, nats a pixel.
    pub appearance_nats: f32,
    /// ½ · |ln(seen area / expected area)|.
    pub scale_ln: f32,
    /// Root mean square of a resting body's place, pixels.
    pub jitter_px: f32,
    /// Pictures that it is taken over.
    pub jitter_frames: usize,
    /// Least share of a wall's pixels, in the middle of the picture, that show it.
    pub wall_recall: f32,
    /// Median |ln(seen depth / expected depth)| of a wall in the middle of the picture.
    pub wall_ln_depth: f32,
    /// Standard deviations that a surprise must exceed, for all checks of motion and scale.
    pub sigmas: f32,
    /// The same for jitter.
    pub jitter_sigmas: f32,
    /// How well the observer sees.
    pub observer: ObserverError,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            interpenetration_m: 0.02,
            interpenetration_px: 2.0,
            overlap_share: 0.25,
            overlap_px: 8,
            gravity_share: 0.25,
            gravity_frames: 12,
            floating_m_s: 0.2,
            floating_s: 0.4,
            hanging_m_s: 0.5,
            lifted_m: 0.2,
            energy_share: 0.05,
            energy_j_kg: 0.5,
            bounce_m_s: 0.5,
            momentum_m_s: 0.5,
            teleport_diameters: 0.5,
            teleport_m: 0.25,
            slid_px: 0.75,
            strayed_px: 1.5,
            permanence_share: 0.3,
            permanence_px: 24,
            ghost_px: 24,
            alike_share: 0.6,
            alike_long_share: 0.6,
            relit_share: 0.4,
            strange_px: 50,
            appearance_delta_e: 12.0,
            appearance_nats: 1.5,
            scale_ln: 0.15,
            jitter_px: 0.35,
            jitter_frames: 15,
            wall_recall: 0.7,
            wall_ln_depth: 0.15,
            sigmas: 4.0,
            jitter_sigmas: 3.0,
            observer: ObserverError::default(),
        }
    }
}

/// How an observer errs on pictures that are right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObserverError {
    /// σ_c: of a body's place, pixels.
    pub centroid_px: f32,
    /// σ_s at a radius of 10 pixels: of ½ · ln(area). It falls as one over the radius.
    pub ln_scale: f32,
    /// What its own standard deviations of ln(depth) must be multiplied by to be true.
    pub depth_sigma_scale: f32,
    /// What it says of each class.
    pub confusion: Confusion,
}

impl Default for ObserverError {
    fn default() -> Self {
        Self {
            centroid_px: 0.12,
            ln_scale: 0.03,
            depth_sigma_scale: 1.0,
            confusion: Confusion::default(),
        }
    }
}

impl Thresholds {
    /// How far a body may jump, metres, by its diameter and the deviation of its place.
    pub fn jump_m(&self, diameter_m: f32, sigma_m: f32) -> f32 {
        let noise_m = self.sigmas * std::f32::consts::SQRT_2 * sigma_m;
        (self.teleport_diameters * diameter_m).max(self.teleport_m).max(noise_m)
    }

    /// Every number is finite and not negative: a file may say anything.
    pub fn is_sane(&self) -> bool {
        let observer = &self.observer;
        let sane = |v: f32| v.is_finite() && (0.0..1e6).contains(&v);
        [
            self.interpenetration_m,
            self.interpenetration_px,
            self.overlap_share,
            self.gravity_share,
            self.floating_m_s,
            self.floating_s,
            self.hanging_m_s,
            self.lifted_m,
            self.energy_j_kg,
            self.bounce_m_s,
            self.energy_share,
            self.momentum_m_s,
            self.teleport_diameters,
            self.teleport_m,
            self.slid_px,
            self.strayed_px,
            self.permanence_share,
            self.alike_share,
            self.alike_long_share,
            self.relit_share,
            self.appearance_delta_e,
            self.appearance_nats,
            self.scale_ln,
            self.jitter_px,
            self.wall_recall,
            self.wall_ln_depth,
            self.sigmas,
            self.jitter_sigmas,
            observer.centroid_px,
            observer.ln_scale,
            observer.depth_sigma_scale,
        ]
        .into_iter()
        .all(sane)
    }
}
