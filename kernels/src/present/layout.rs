//! What the shaders read, word by word: the other side of `common.wgsl`.

use glam::{Mat3, Vec3};

use super::FRAMES;
use super::guide::{FrameGuide, SKY_OBJECT};
use crate::geometry::{CameraPose, Pose, Shape};
use crate::raster::NEAR_M;

/// In [`Carry::object`]: the frame did not know the body.
pub const UNKNOWN_OBJECT: u32 = 0xFFFF_FFFF;

/// The light of shadow paint, linear RGB; see `reverie_runtime::style::PaintLight`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Light {
    /// From the ground towards the sun, unit length.
    pub sun_direction: Vec3,
    /// Of a white surface that faces the sun.
    pub sun_rgb: Vec3,
    /// Of a white surface in the shade.
    pub ambient_rgb: Vec3,
    /// Sky overhead.
    pub zenith_rgb: Vec3,
    /// Sky at the horizon, and the colour of the fog.
    pub horizon_rgb: Vec3,
    /// Share of light lost per metre is 1 − exp(−this).
    pub fog_per_m: f32,
    /// Share of a level surface that lies under snow.
    pub snow: f32,
}

/// Albedo of snow as it lies, linear RGB.
pub const SNOW_RGB: Vec3 = Vec3::new(0.84, 0.87, 0.92);

/// The share of a surface that lies under snow: nothing where it rises steeper than its normal's `up` of 0.35, all of `snow` from 0.75 on.
pub fn snow_share(up: f32, snow: f32) -> f32 {
    ((up - 0.35) / 0.4).clamp(0.0, 1.0) * snow
}

/// The albedo of a surface whose normal has the vertical part `up`, with the snow that lies on it; linear RGB.
pub fn under_snow(albedo: Vec3, up: f32, snow: f32) -> Vec3 {
    albedo.lerp(SNOW_RGB, snow_share(up, snow))
}

/// Where points of a body, or of the sky, were in a frame: one for each body and frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Carry {
    /// Rows of `frame_camera_from_world_now`: a rotation, then metres.
    pub rows: [[f32; 4]; 3],
    /// The body's number in the frame, [`SKY_OBJECT`], or [`UNKNOWN_OBJECT`].
    pub object: u32,
}

impl Carry {
    /// 32-bit words: four texels of a texture, since software adapters read those several times faster than buffers.
    pub const WORDS: usize = 16;
    /// Bodies, each with a carry for every frame, in one row of the texture.
    pub const BODIES_PER_ROW: usize = 64;

    /// Of the body `id` that is at `world_from_body` now.
    pub fn of_body(id: u64, world_from_body: &Pose, guide: &FrameGuide) -> Self {
        let Some((object, then)) = guide.bodies.get(&id) else {
            return Self { rows: [[0.0; 4]; 3], object: UNKNOWN_OBJECT };
        };
        let mut pose = guide.camera.world_from_camera.inverse();
        if then != world_from_body {
            pose = pose.compose(&then.compose(&world_from_body.inverse()));
        }
        Self { rows: rows(&pose), object: u32::from(*object) }
    }

    /// Of the sky, which only turns: its points have no fourth coordinate.
    pub fn of_sky(guide: &FrameGuide) -> Self {
        let pose = guide.camera.world_from_camera.inverse();
        Self { rows: rows(&Pose::new(pose.rotation, Vec3::ZERO)), object: SKY_OBJECT }
    }

    /// As the shader reads it.
    pub fn words(&self) -> [u32; Self::WORDS] {
        let mut words = [0; Self::WORDS];
        put(&mut words, 0, &self.rows);
        words[12] = self.object;
        words
    }
}

/// A body of the G-buffer. The first of the table is the sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BodyWords {
    /// Where it is now.
    pub world_from_body: Pose,
    /// Half edges of the box around it; a round shape takes its measures from them. Metres.
    pub half_extents_m: Vec3,
    /// One of the `KIND_` constants.
    pub kind: u32,
    /// Class of material.
    pub material: u32,
    /// Albedo of its paint in the model's own colours, linear RGB.
    pub albedo: Vec3,
}

/// [`BodyWords::kind`] of a box.
pub const KIND_BOX: u32 = 0;
/// [`BodyWords::kind`] of a ball.
pub const KIND_BALL: u32 = 1;
/// [`BodyWords::kind`] of a cylinder.
pub const KIND_CYLINDER: u32 = 2;
/// [`BodyWords::kind`] of a capsule.
pub const KIND_CAPSULE: u32 = 3;
/// [`BodyWords::kind`] of a cone.
pub const KIND_CONE: u32 = 4;

/// [`BodyWords::kind`] of a triangle mesh.
pub const KIND_MESH: u32 = 5;

impl BodyWords {
    /// 32-bit words of `struct Body`.
    pub const WORDS: usize = 24;

    /// The sky: only its material and albedo are read, and those are blank.
    pub const SKY: Self = Self {
        world_from_body: Pose::IDENTITY,
        half_extents_m: Vec3::ZERO,
        kind: KIND_BOX,
        material: 255,
        albedo: Vec3::ONE,
    };

    /// Kind and half extents of a shape, as the shader draws it.
    pub fn measures(shape: &Shape) -> (u32, Vec3) {
        let kind = match shape {
            Shape::Cuboid { .. } => KIND_BOX,
            Shape::Mesh(_) => KIND_MESH,
            Shape::Ball { .. } => KIND_BALL,
            Shape::Cylinder { .. } => KIND_CYLINDER,
            Shape::Capsule { .. } => KIND_CAPSULE,
            Shape::Cone { .. } => KIND_CONE,
        };
        (kind, crate::raster::shape::bounding_box(shape).1)
    }

    /// As the shader reads it.
    pub fn words(&self) -> [u32; Self::WORDS] {
        let mut words = [0; Self::WORDS];
        put(&mut words, 0, &rows(&self.world_from_body));
        put(&mut words, 12, &[self.half_extents_m.extend(0.0).to_array()]);
        words[16] = self.kind;
        words[17] = self.material;
        put(&mut words, 20, &[self.albedo.extend(0.0).to_array()]);
        words
    }
}

/// The display's view, and the frames that it looks into.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewWords<'a> {
    /// The newest pose, with the display's own field of view.
    pub camera: CameraPose,
    /// Pixels of the viewport.
    pub size: [f32; 2],
    /// Upper left corner of the viewport in the target, pixels.
    pub origin: [f32; 2],
    /// Whether the target holds sRGB-encoded values in a linear format.
    pub encode_srgb: bool,
    /// Newest first, each with the layer of the textures that it lies in; at most [`FRAMES`], all of one size.
    pub frames: Vec<(&'a FrameGuide, u32)>,
    /// Of paint.
    pub light: Light,
}

/// 32-bit words of `struct View`.
pub const VIEW_WORDS: usize = 60;

impl ViewWords<'_> {
    /// As the shader reads it.
    pub fn words(&self) -> [u32; VIEW_WORDS] {
        let mut words = [0; VIEW_WORDS];
        let axes = Mat3::from_quat(self.camera.world_from_camera.rotation);
        let tan_y = (0.5 * self.camera.vertical_fov_rad).tan();
        let tan_x = tan_y * self.size[0] / self.size[1];
        let eye = self.camera.world_from_camera.translation_m;
        let border = self.frames.first().map_or(0.0, |(guide, _)| border_px(&self.camera, guide));
        put(
            &mut words,
            0,
            &[
                axes.x_axis.extend(tan_x).to_array(),
                axes.y_axis.extend(tan_y).to_array(),
                axes.z_axis.extend(NEAR_M).to_array(),
                eye.extend(border).to_array(),
                [self.size[0], self.size[1], self.origin[0], self.origin[1]],
            ],
        );
        let frames = &self.frames[..self.frames.len().min(FRAMES)];
        if let Some((guide, _)) = frames.first() {
            words[20] = guide.width as u32;
            words[21] = guide.height as u32;
        }
        words[22] = frames.len() as u32;
        words[23] = u32::from(self.encode_srgb);
        for (index, (guide, slot)) in frames.iter().enumerate() {
            words[24 + index] = *slot;
            let (scale, middle) = guide.place_from_slope();
            put(&mut words, 28 + 4 * index, &[[scale.x, scale.y, middle.x, middle.y]]);
        }
        let light = &self.light;
        put(
            &mut words,
            40,
            &[
                light.sun_direction.extend(light.fog_per_m).to_array(),
                light.sun_rgb.extend(light.snow).to_array(),
                light.ambient_rgb.extend(0.0).to_array(),
                light.zenith_rgb.extend(0.0).to_array(),
                light.horizon_rgb.extend(0.0).to_array(),
            ],
        );
        words
    }
}

/// Over so many source pixels a frame fades out at its border: most of what it sees beyond the display, so that a
/// display that has not turned sees nothing of it.
pub fn border_px(display: &CameraPose, guide: &FrameGuide) -> f32 {
    let tan = |camera: &CameraPose| (0.5 * camera.vertical_fov_rad).tan();
    let beyond = 0.5 * guide.height as f32 * (1.0 - tan(display) / tan(&guide.camera));
    (0.8 * beyond).clamp(0.01, 4.0)
}

fn rows(pose: &Pose) -> [[f32; 4]; 3] {
    let (matrix, t) = (pose.rotation_matrix(), pose.translation_m);
    [
        matrix.row(0).extend(t.x).to_array(),
        matrix.row(1).extend(t.y).to_array(),
        matrix.row(2).extend(t.z).to_array(),
    ]
}

fn put(words: &mut [u32], at: usize, rows: &[[f32; 4]]) {
    for (word, value) in words[at..].iter_mut().zip(rows.iter().flatten()) {
        *word = value.to_bits();
    }
}
