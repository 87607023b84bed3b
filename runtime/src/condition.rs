//! The condition: every map and number that the denoiser sees, in one layout for training and play.
//!
//! Maps are interleaved (`height * width * CHANNELS`), colours scaled to −1 to 1. [`CHANNEL_NAMES`] is
//! written into the model card, so that a model is never fed another layout than it was trained on.

use glam::{Quat, Vec3};
use reverie_guard::CameraPose;
use reverie_kernels::raster::{Rays, SKY, ShadowMaps};
use reverie_kernels::rows::each_row;

use crate::request::{ACTION_AXES, Action};
use crate::scene::ShadowScene;
use crate::style::{STYLE_NAMES, StyleWeights};

/// Channels of the condition maps.
pub const CHANNEL_NAMES: [&str; 55] = [
    "inverse_depth",
    "normal_x",
    "normal_y",
    "normal_z",
    "n_dot_l",
    "sun_visibility",
    "moving",
    "tint_r",
    "tint_g",
    "tint_b",
    "tint_given",
    "material_0",
    "material_1",
    "material_2",
    "material_3",
    "material_4",
    "material_5",
    "material_6",
    "material_7",
    "material_8",
    "material_9",
    "material_10",
    "material_11",
    "material_12",
    "material_13",
    "material_14",
    "material_15",
    "sin_u",
    "cos_u",
    "sin_v",
    "cos_v",
    "edge_u",
    "edge_v",
    "height",
    "footprint",
    "paint_r",
    "paint_g",
    "paint_b",
    "paint_valid",
    "exemplar_r",
    "exemplar_g",
    "exemplar_b",
    "exemplar_confidence",
    "last_r",
    "last_g",
    "last_b",
    "last_valid",
    "key_r",
    "key_g",
    "key_b",
    "key_valid",
    "memory_r",
    "memory_g",
    "memory_b",
    "memory_confidence",
];
/// How many.
pub const CHANNELS: usize = CHANNEL_NAMES.len();
/// First channel of shadow paint: RGB, and 1.
pub const PAINT: usize = 35;
/// First channel of the exemplar candidate: RGB and confidence.
pub const EXEMPLAR: usize = 39;
/// First channel of the last frame reprojected: RGB and validity.
pub const LAST: usize = 43;
/// First channel of the older frames reprojected: RGB and validity.
pub const KEY: usize = 47;
/// First channel of what is remembered of the surfaces: RGB and confidence.
pub const MEMORY: usize = 51;
/// Candidates: these five, of four channels each, the last channels of all.
pub const CANDIDATE_COUNT: usize = 5;
/// Channels before this one come from the shadow alone; condition dropout blanks them.
pub const CANDIDATES: usize = PAINT;

/// Numbers that hold for the whole picture, besides the noise level of the sampler.
pub const GLOBALS: usize = STYLE_NAMES.len() + 4 + 6 + 1 + 1 + 1 + ACTION_AXES.len() + 2;

/// Candidate pictures, interleaved sRGB 0 to 1, with validity or confidence 0 to 1 a pixel.
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    /// Shadow paint without snow.
    pub paint: Vec<f32>,
    /// Shadow paint dressed in exemplars.
    pub exemplar: Vec<f32>,
    /// How well known, 0 to 1.
    pub exemplar_confidence: Vec<f32>,
    /// The last frame, reprojected.
    pub last: Vec<f32>,
    /// Seen then, 0 to 1.
    pub last_valid: Vec<f32>,
    /// How closely the older frame saw the point, as a share of how closely it is seen now, 0 to 1.
    pub key_fineness: Vec<f32>,
    /// Older frames, reprojected.
    pub key: Vec<f32>,
    /// Seen then, 0 to 1.
    pub key_valid: Vec<f32>,
    /// What is remembered of the surfaces.
    pub memory: Vec<f32>,
    /// How well known, 0 to 1.
    pub memory_confidence: Vec<f32>,
}

impl Candidates {
    /// Makes all maps `pixels` long, blank.
    pub fn clear(&mut self, pixels: usize) {
        self.resize(0);
        self.resize(pixels);
    }

    /// Makes all maps `pixels` long; what is new is blank, the rest stays as it is.
    pub fn resize(&mut self, pixels: usize) {
        for rgb in
            [&mut self.paint, &mut self.exemplar, &mut self.last, &mut self.key, &mut self.memory]
        {
            rgb.resize(3 * pixels, 0.0);
        }
        for mask in [
            &mut self.exemplar_confidence,
            &mut self.last_valid,
            &mut self.key_fineness,
            &mut self.key_valid,
            &mut self.memory_confidence,
        ] {
            mask.resize(pixels, 0.0);
        }
    }
}

/// The candidates among channels, in order: `x` for each `x_r`, `x_g`, `x_b` with a validity or confidence.
pub fn candidate_names<S: AsRef<str>>(channels: &[S]) -> Vec<&str> {
    channels
        .iter()
        .filter_map(|c| {
            c.as_ref().strip_suffix("_valid").or(c.as_ref().strip_suffix("_confidence"))
        })
        .collect()
}

/// Packs all maps of one picture into `out`, `height * width * CHANNELS` long.
pub fn pack_maps(
    scene: &ShadowScene,
    camera: &CameraPose,
    maps: &ShadowMaps,
    candidates: &Candidates,
    out: &mut [f32],
) {
    let camera_from_world = camera.world_from_camera.rotation.inverse();
    let eye_y = camera.world_from_camera.translation_m.y;
    let view_from_world = glam::Mat3::from_quat(camera_from_world);
    let world_from_view = camera.world_from_camera.rotation_matrix();
    let sun = scene.scene.sun_direction;
    let rays = Rays::new(camera, maps.width, maps.height);
    let pack_pixel = |x: usize, y: usize, out: &mut [f32]| {
        let pixel = y * maps.width + x;
        out[..PAINT].fill(0.0);
        if maps.primitive[pixel] != SKY {
            let surface = &scene.surfaces[usize::from(maps.primitive[pixel])];
            let normal = maps.normal[pixel];
            let depth_m = maps.depth_m[pixel];
            out[0] = 1.0 / (1.0 + 0.25 * depth_m);
            out[1..4].copy_from_slice(&(view_from_world * normal).to_array());
            out[4] = normal.dot(sun).max(0.0);
            out[5] = maps.sun_visibility[pixel];
            out[6] = f32::from(u8::from(surface.moving));
            if let Some(tint) = surface.tint_srgb {
                for c in 0..3 {
                    out[7 + c] = 2.0 * tint[c] - 1.0;
                }
                out[10] = 1.0;
            }
            out[11 + usize::from(maps.layer[pixel] / 2).min(15)] = 1.0;
            // A pixel wider than the wave sees its mean.
            let seen = 1.0 / (1.0 + (2.0 * maps.footprint[pixel]).powi(2));
            let [u, v] = maps.uv[pixel].map(|c| (c - c.floor()) * std::f32::consts::TAU);
            let ((sin_u, cos_u), (sin_v, cos_v)) = (u.sin_cos(), v.sin_cos());
            out[27..31].copy_from_slice(&[sin_u * seen, cos_u * seen, sin_v * seen, cos_v * seen]);
            for (i, edge_m) in maps.edge_m[pixel].into_iter().enumerate() {
                out[31 + i] = (-edge_m / 0.15).exp();
            }
            out[33] =
                ((eye_y + (world_from_view * rays.at(x, y)).y * depth_m) / 3.0).clamp(-2.0, 2.0);
            out[34] = (4.0 * maps.footprint[pixel]).min(1.0);
        } else {
            // The sky's look depends on the direction alone: in place of a normal, the ray.
            out[33] = (world_from_view * rays.at(x, y)).normalize().y;
            out[5] = 1.0;
        }
        let rgb = |out: &mut [f32], from: &[f32]| {
            for c in 0..3 {
                out[c] = 2.0 * from[3 * pixel + c] - 1.0;
            }
        };
        rgb(&mut out[PAINT..], &candidates.paint);
        out[PAINT + 3] = 1.0;
        rgb(&mut out[EXEMPLAR..], &candidates.exemplar);
        out[EXEMPLAR + 3] = candidates.exemplar_confidence[pixel];
        for (at, picture, valid) in [
            (LAST, &candidates.last, candidates.last_valid[pixel]),
            (KEY, &candidates.key, candidates.key_valid[pixel]),
            (MEMORY, &candidates.memory, candidates.memory_confidence[pixel]),
        ] {
            rgb(&mut out[at..], picture);
            out[at + 3] = valid;
            if valid <= 0.0 {
                out[at..at + 3].fill(0.0);
            }
        }
    };
    let width = maps.width.max(1);
    let mut nothing = vec![(); maps.height];
    each_row((out, CHANNELS * width), (&mut nothing, 1), |row, out, _| {
        for (x, out) in out.chunks_exact_mut(CHANNELS).enumerate() {
            pack_pixel(x, row, out);
        }
    });
}

/// What holds for the whole picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Globals {
    /// Weather and time of day.
    pub style: StyleWeights,
    /// Towards the sun, world frame.
    pub sun_direction: Vec3,
    /// The camera now.
    pub camera: CameraPose,
    /// The camera of the last frame, if there is one.
    pub last_camera: Option<CameraPose>,
    /// Since the last frame, seconds.
    pub dt_s: f32,
    /// Noise on the reference frames, as given in training, 0 to 1.
    pub context_noise: f32,
    /// How strictly the condition binds, 0 to 1.
    pub condition_strength: f32,
    /// The player's, since the last frame.
    pub action: Action,
    /// Whether any older frame is offered.
    pub has_key: bool,
}

impl Globals {
    /// In the network's order, [`GLOBALS`] long, each about −1 to 1.
    pub fn pack(&self) -> [f32; GLOBALS] {
        let mut out = [0.0; GLOBALS];
        let mut at = 0;
        let mut put = |values: &[f32]| {
            out[at..at + values.len()].copy_from_slice(values);
            at += values.len();
        };
        put(&self.style.normalized().0);
        let camera_from_world = self.camera.world_from_camera.inverse();
        put(&(camera_from_world.rotation * self.sun_direction).to_array());
        put(&[self.sun_direction.y]);
        let (translation, rotation) = self.last_camera.map_or((Vec3::ZERO, Vec3::ZERO), |last| {
            let now_from_last = camera_from_world.compose(&last.world_from_camera);
            (now_from_last.translation_m, rotation_vector(now_from_last.rotation))
        });
        put(&translation.clamp(Vec3::splat(-2.0), Vec3::splat(2.0)).to_array());
        put(&rotation.to_array());
        put(&[(self.dt_s * 5.0).clamp(0.0, 2.0), self.context_noise, self.condition_strength]);
        put(&self.action.map(|a| a.clamp(-2.0, 2.0)));
        put(&[
            if self.last_camera.is_some() { 1.0 } else { 0.0 },
            if self.has_key { 1.0 } else { 0.0 },
        ]);
        out
    }
}

/// Axis times angle, radians, of a unit quaternion; the short way round.
fn rotation_vector(rotation: Quat) -> Vec3 {
    rotation.normalize().to_scaled_axis()
}

#[cfg(test)]
mod tests {
    use reverie_guard::Pose;

    use super::*;

    #[test]
    fn the_names_mark_the_candidates() {
        let firsts = [PAINT, EXEMPLAR, LAST, KEY, MEMORY].map(|at| CHANNEL_NAMES[at]);
        assert_eq!(firsts, ["paint_r", "exemplar_r", "last_r", "key_r", "memory_r"]);
        assert_eq!(candidate_names(&CHANNEL_NAMES).len(), CANDIDATE_COUNT);
    }

    #[test]
    fn a_turn_to_the_right_is_seen_as_one() {
        let camera = |yaw: f32| CameraPose {
            world_from_camera: Pose::new(Quat::from_rotation_y(yaw), Vec3::new(3.0, 1.0, -2.0)),
            vertical_fov_rad: 1.0,
        };
        let globals = Globals {
            style: StyleWeights::NOON,
            sun_direction: Vec3::Y,
            camera: camera(0.3),
            last_camera: Some(camera(0.5)),
            dt_s: 0.1,
            context_noise: 0.0,
            condition_strength: 1.0,
            action: Action::default(),
            has_key: false,
        };
        let packed = globals.pack();
        let rotation = &packed[STYLE_NAMES.len() + 7..STYLE_NAMES.len() + 10];
        assert!((rotation[1] - 0.2).abs() < 1e-5 && rotation[0].abs() < 1e-5, "{rotation:?}");
        assert_eq!(packed[GLOBALS - 2], 1.0);
    }
}
