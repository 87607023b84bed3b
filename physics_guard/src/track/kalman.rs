//! The filter of one body's offset: constant rate, random acceleration, one axis of the camera at a time.

use glam::{Quat, Vec3};

/// How well an unseen body's offset is known to be zero, metres.
const FIRST_SIGMA_M: f32 = 0.1;
/// The same of its rate, m/s.
const FIRST_RATE_SIGMA: f32 = 0.3;
/// Random acceleration of an offset, m/s².
const ACCELERATION: f32 = 1.5;
/// A depth is never known better than this, metres: it is the softest of what an observer says.
const LEAST_DEPTH_SIGMA_M: f32 = 0.02;

/// Mean and variance of an offset and its rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offset {
    /// World frame, metres.
    pub mean_m: Vec3,
    /// World frame, m/s.
    pub rate_m_s: Vec3,
    /// Along the camera's axes: of the offset, of both, of the rate.
    variance: [(f32, f32, f32); 3],
}

impl Default for Offset {
    /// Where the shadow is, to a few centimetres.
    fn default() -> Self {
        let first = (FIRST_SIGMA_M * FIRST_SIGMA_M, 0.0, FIRST_RATE_SIGMA * FIRST_RATE_SIGMA);
        Self { mean_m: Vec3::ZERO, rate_m_s: Vec3::ZERO, variance: [first; 3] }
    }
}

impl Offset {
    /// Variance along the camera's axes, square metres.
    pub fn variance_m2(&self) -> Vec3 {
        Vec3::from_array(self.variance.map(|(offset, ..)| offset))
    }

    /// Lets `dt_s` pass.
    pub fn predict(&mut self, dt_s: f32) {
        self.mean_m += self.rate_m_s * dt_s;
        let noise = ACCELERATION * ACCELERATION;
        for (offset, both, rate) in &mut self.variance {
            let (dt2, dt3, dt4) = (dt_s * dt_s, dt_s.powi(3), dt_s.powi(4));
            *offset += 2.0 * dt_s * *both + dt2 * *rate + 0.25 * dt4 * noise;
            *both += dt_s * *rate + 0.5 * dt3 * noise;
            *rate += dt2 * noise;
        }
    }

    /// Takes in an offset seen along the camera's axes, metres, with its variance. An infinite variance says nothing
    /// along that axis.
    pub fn update(&mut self, world_from_camera: Quat, seen_m: Vec3, variance_m2: Vec3) {
        let camera_from_world = world_from_camera.inverse();
        let mut mean = (camera_from_world * self.mean_m).to_array();
        let mut rate = (camera_from_world * self.rate_m_s).to_array();
        for (axis, (p_offset, p_both, p_rate)) in self.variance.iter_mut().enumerate() {
            let mut noise = variance_m2[axis];
            if axis == 2 {
                noise = noise.max(LEAST_DEPTH_SIGMA_M * LEAST_DEPTH_SIGMA_M);
            }
            if !noise.is_finite() || !seen_m[axis].is_finite() {
                continue;
            }
            let total = *p_offset + noise.max(1e-8);
            let (gain, gain_rate) = (*p_offset / total, *p_both / total);
            let innovation = seen_m[axis] - mean[axis];
            mean[axis] += gain * innovation;
            rate[axis] += gain_rate * innovation;
            *p_rate -= gain_rate * *p_both;
            *p_both *= 1.0 - gain;
            *p_offset *= 1.0 - gain;
        }
        self.mean_m = world_from_camera * Vec3::from_array(mean);
        self.rate_m_s = world_from_camera * Vec3::from_array(rate);
    }
}
