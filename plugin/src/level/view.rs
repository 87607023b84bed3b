//! The first view of a level, without any app: what image models and people are shown of it.

use bevy::math::{Quat, Vec3};
use reverie_guard::expected::{Body, CameraPose, Pose, ShadowSnapshot};
use reverie_runtime::view::ShadowView;

use super::Level;
use super::player_size::EYE_M;

/// Shadow paint and depth of one view.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstView {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Shadow paint, sRGB bytes, row by row.
    pub rgb: Vec<u8>,
    /// Along the camera's −Z, metres; infinite where there is sky.
    pub depth_m: Vec<f32>,
}

impl Level {
    /// Everything of the level at its start, seen from `camera`. Bodies are numbered by their order.
    pub fn snapshot(&self, camera: CameraPose) -> ShadowSnapshot {
        let bodies = self.bodies.iter().enumerate();
        let bodies = bodies.map(|(index, body)| Body {
            id: index as u64,
            shape: body.shape.clone(),
            world_from_body: body.world_from_body,
            linear_velocity_m_s: Vec3::ZERO,
            angular_velocity_rad_s: Vec3::ZERO,
            kind: body.kind(),
            material: body.material,
            tint_srgb: body.tint_srgb,
        });
        ShadowSnapshot {
            tick: 0,
            time_s: 0.0,
            camera,
            bodies: bodies.collect(),
            sun_direction: self.sun_direction,
        }
    }

    /// The eyes of a player who has just started.
    pub fn first_camera(&self, vertical_fov_rad: f32) -> CameraPose {
        let turn = Quat::from_rotation_y(self.spawn_yaw_rad);
        let eye = self.spawn_m + Vec3::Y * EYE_M;
        CameraPose { world_from_camera: Pose::new(turn, eye), vertical_fov_rad }
    }

    /// Draws what a player sees first.
    pub fn first_view(&self, width: u32, height: u32, vertical_fov_rad: f32) -> FirstView {
        let snapshot = self.snapshot(self.first_camera(vertical_fov_rad));
        let view = ShadowView::new(&snapshot, &self.style, width as usize, height as usize, true);
        let rgb = view.paint.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8).collect();
        FirstView { width, height, rgb, depth_m: view.maps.depth_m }
    }
}

impl FirstView {
    /// Depth in millimetres, 65,535 from 65.5 m on and where there is sky.
    pub fn depth_mm(&self) -> Vec<u16> {
        self.depth_m.iter().map(|m| (m * 1000.0).min(f32::from(u16::MAX)) as u16).collect()
    }
}
