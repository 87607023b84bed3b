//! A finished picture, with the state that it was made for.

use std::sync::Arc;
use std::time::Instant;

use glam::Vec3;
use reverie_guard::{ShadowSnapshot, check_request};
use reverie_kernels::present::{Detail, FrameGuide, Light, clean};
use reverie_kernels::rows::both;

use crate::request::{DreamMode, FrameSource};
use crate::style::{PaintLight, StyleWeights};
use crate::tones::FrameTones;
use crate::view::ShadowView;

/// Time spent in the stages of one model frame, milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StageTimes {
    /// Waiting in the channel, from the request's making to its taking.
    pub wait_ms: f32,
    /// Pre-checks of the request; observing and judging the picture.
    pub guard_ms: f32,
    /// Shadow raster, sun visibility, paint.
    pub raster_ms: f32,
    /// Reprojection of past frames, exemplar read, packing of the condition.
    pub condition_ms: f32,
    /// All denoising steps.
    pub denoise_ms: f32,
    /// From the network's values to bytes.
    pub decode_ms: f32,
    /// Exemplar write, choice of keyframes.
    pub commit_ms: f32,
    /// Correcting a picture that the guard rejects.
    pub correct_ms: f32,
}

impl StageTimes {
    /// Name and value of every stage, in order of time.
    pub fn stages(&self) -> [(&'static str, f32); 8] {
        [
            ("wait", self.wait_ms),
            ("guard", self.guard_ms),
            ("raster", self.raster_ms),
            ("condition", self.condition_ms),
            ("denoise", self.denoise_ms),
            ("decode", self.decode_ms),
            ("correct", self.correct_ms),
            ("commit", self.commit_ms),
        ]
    }
}

/// The shadow of a picture at the picture's own time and size: what the late warp carries it by.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameShadow {
    /// Camera, poses of the bodies, depth and object of every pixel.
    pub guide: FrameGuide,
    /// The picture (sRGB, 4 bytes a pixel) with colours of one surface each: no mixtures at edges.
    pub clean: Vec<u8>,
    /// How the model painted the bodies.
    pub tones: FrameTones,
    /// Of shadow paint, in the picture's style.
    pub light: Light,
}

impl FrameShadow {
    /// Of a picture (sRGB, 4 bytes a pixel) that was made over `view`.
    pub fn new(view: &ShadowView, style: &StyleWeights, rgba: &[u8]) -> Self {
        let light = style.light();
        let carried = || {
            let guide = FrameGuide::new(view.scene(), &view.camera, &view.maps);
            (clean(&guide, rgba), guide)
        };
        let ((clean, guide), tones) = both(carried, || FrameTones::new(view, &light, rgba));
        Self { clean, guide, tones, light: present_light(&light, view.scene().sun_direction) }
    }

    /// Draws the shadow for a picture that has none; `None` if its camera cannot be looked through or its size is wrong.
    pub fn draw(frame: &NeuralFrame, style: &StyleWeights) -> Option<Self> {
        let (width, height) = (frame.width as usize, frame.height as usize);
        if width == 0 || height == 0 || frame.rgba.len() != 4 * width * height {
            return None;
        }
        let mut snapshot = (*frame.snapshot).clone();
        check_request(&mut snapshot).ok()?;
        let view = ShadowView::new(&snapshot, style, width, height, true);
        Some(Self::new(&view, style, &frame.rgba))
    }
}

/// The light of a style, with a sun, as the present pass takes it.
pub fn present_light(light: &PaintLight, sun_direction: Vec3) -> Light {
    Light {
        sun_direction,
        sun_rgb: light.sun_rgb,
        ambient_rgb: light.ambient_rgb,
        zenith_rgb: light.zenith_rgb,
        horizon_rgb: light.horizon_rgb,
        fog_per_m: light.fog_per_m,
        snow: light.snow,
    }
}

/// A picture from a world model.
#[derive(Debug, Clone)]
pub struct NeuralFrame {
    /// The request it answers.
    pub request_id: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// sRGB, 4 bytes a pixel, row by row from the top, alpha 255; ready for upload.
    pub rgba: Arc<Vec<u8>>,
    /// The shadow that it shows.
    pub snapshot: Arc<ShadowSnapshot>,
    /// The same as maps. The dream thread draws them for a model that leaves them out.
    pub shadow: Option<Arc<FrameShadow>>,
    /// What the model knows of its materials, finer than its pixels; the same one for several frames.
    pub detail: Option<Arc<Detail>>,
    /// Who painted it.
    pub source: FrameSource,
    /// What bound it. A dreamed picture has its own idea of the scene: it does not show `shadow`, so nothing is warped by it.
    pub mode: DreamMode,
    /// Where the time went.
    pub times: StageTimes,
    /// When the player's input behind it was sampled.
    pub input_at: Instant,
    /// When it was finished.
    pub finished_at: Instant,
}

#[cfg(test)]
mod tests {
    use glam::Quat;
    use reverie_guard::{Body, BodyKind, CameraPose, Pose, Shape};

    use super::*;
    use crate::paint::to_rgba8;

    #[test]
    fn three_cores_make_of_a_picture_what_one_makes() {
        let body = |i: u64| Body {
            id: i,
            shape: Shape::Cuboid { half_extents_m: Vec3::splat(0.4 + 0.1 * i as f32) },
            world_from_body: Pose::new(
                Quat::from_rotation_y(i as f32),
                Vec3::new(i as f32 - 3.0, 0.2 * i as f32, -5.0),
            ),
            linear_velocity_m_s: Vec3::ZERO,
            angular_velocity_rad_s: Vec3::ZERO,
            kind: BodyKind::Fixed,
            material: i as u8,
            tint_srgb: None,
        };
        let snapshot = ShadowSnapshot {
            tick: 0,
            time_s: 0.0,
            camera: CameraPose { world_from_camera: Pose::IDENTITY, vertical_fov_rad: 1.0 },
            bodies: (0..7).map(body).collect(),
            sun_direction: Vec3::new(0.3, 0.7, 0.5).normalize(),
        };
        let view = ShadowView::new(&snapshot, &StyleWeights::NOON, 120, 67, true);
        let noise = |i: usize| 0.5 + 0.5 * (i as f32 * 0.73).sin();
        let rgb: Vec<f32> = (0..3 * 120 * 67).map(noise).collect();
        let shadow = || FrameShadow::new(&view, &StyleWeights::NOON, &to_rgba8(&rgb));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let (alone, shared) = (shadow(), pool.install(shadow));
        assert!(alone == shared);
        assert!(alone.clean.chunks_exact(4).all(|pixel| pixel[3] == 255));
    }
}
