//! Which classes of material could be in view: all that the observer is told of the shadow.

use glam::Vec3;
use reverie_guard::{CameraPose, ShadowSnapshot};
use reverie_kernels::raster::shape::bounding_box;
use tch::{TchError, Tensor};

use crate::material::MATERIAL_NAMES;

/// Classes that the observer tells apart: those of material, and the sky.
pub const CLASSES: usize = MATERIAL_NAMES.len() + 1;
/// The last class.
pub const SKY_CLASS: u8 = MATERIAL_NAMES.len() as u8;

/// A set of classes; the sky is always in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassPrior(u32);

impl ClassPrior {
    /// The sky alone.
    pub const SKY: Self = Self(1 << SKY_CLASS);
    /// Nothing is ruled out.
    pub const ALL: Self = Self((1 << CLASSES) - 1);

    /// The classes of the bodies that reach into the camera's view, hidden ones too, of a picture of any size with
    /// this ratio of width to height.
    pub fn of(snapshot: &ShadowSnapshot, aspect: f32) -> Self {
        let mut prior = Self::SKY;
        for body in &snapshot.bodies {
            let (centre, half) = bounding_box(&body.shape);
            let centre_m = body.world_from_body.transform_point(centre);
            if ball_in_view(&snapshot.camera, aspect, centre_m, half.length()) {
                prior = prior.with(body.material);
            }
        }
        prior
    }

    /// The same and one class more.
    pub fn with(self, class: u8) -> Self {
        Self(self.0 | 1 << class.min(SKY_CLASS))
    }

    /// Whether the class may be seen.
    pub fn allows(self, class: u8) -> bool {
        class <= SKY_CLASS && self.0 >> class & 1 == 1
    }

    /// One flag a class, 0 or 1.
    pub fn flags(self) -> [f32; CLASSES] {
        std::array::from_fn(|class| if self.allows(class as u8) { 1.0 } else { 0.0 })
    }

    pub(super) fn tensor(self) -> Result<Tensor, TchError> {
        Tensor::f_from_slice(&self.flags())
    }
}

/// Does any of a ball lie within the four sides of the view, before the eye?
fn ball_in_view(camera: &CameraPose, aspect: f32, centre_m: Vec3, radius_m: f32) -> bool {
    let at = camera.world_from_camera.inverse().transform_point(centre_m);
    let tan_y = (0.5 * camera.vertical_fov_rad).tan();
    let beyond = |side: f32, tan: f32| {
        // Distance from the plane through the eye with slope `tan`.
        (side.abs() + at.z * tan) / (1.0 + tan * tan).sqrt() > radius_m
    };
    at.z < radius_m && !beyond(at.x, tan_y * aspect) && !beyond(at.y, tan_y)
}

#[cfg(test)]
mod tests {
    use glam::Quat;
    use reverie_guard::{Body, BodyKind, Pose, Shape};

    use super::*;

    fn snapshot(at: [f32; 3], yaw_rad: f32) -> ShadowSnapshot {
        ShadowSnapshot {
            tick: 0,
            time_s: 0.0,
            camera: CameraPose {
                world_from_camera: Pose::new(Quat::from_rotation_y(yaw_rad), Vec3::ZERO),
                vertical_fov_rad: std::f32::consts::FRAC_PI_3,
            },
            bodies: vec![Body {
                id: 1,
                shape: Shape::Ball { radius_m: 0.5 },
                world_from_body: Pose::new(Quat::IDENTITY, Vec3::from_array(at)),
                linear_velocity_m_s: Vec3::ZERO,
                angular_velocity_rad_s: Vec3::ZERO,
                kind: BodyKind::Dynamic,
                material: 10,
                tint_srgb: None,
            }],
            sun_direction: Vec3::Y,
        }
    }

    #[test]
    fn what_is_before_the_camera_may_be_seen_and_what_is_behind_may_not() {
        let allows = |at, yaw| ClassPrior::of(&snapshot(at, yaw), 16.0 / 9.0).allows(10);
        assert!(allows([0.0, 0.0, -4.0], 0.0));
        assert!(allows([0.0, 0.0, 0.2], 0.0), "round the eye");
        assert!(!allows([0.0, 0.0, 4.0], 0.0));
        assert!(allows([0.0, 0.0, 4.0], std::f32::consts::PI));
        // The upper border lies at tan 30° = 2.3 m; the corners of the ball's box reach 1 m further along the vertical.
        assert!(allows([0.0, 2.8, -4.0], 0.0));
        assert!(!allows([0.0, 3.4, -4.0], 0.0));
        assert!(ClassPrior::SKY.allows(SKY_CLASS) && !ClassPrior::SKY.allows(0));
        assert!(ClassPrior::ALL.flags().iter().all(|f| *f == 1.0));
    }
}
