//! From the expected state to what the raster draws.

use reverie_guard::{Body, BodyKind, ShadowSnapshot};
use reverie_kernels::raster::{Primitive, Scene};

use crate::material::MATERIAL_ALBEDO;
use crate::paint::srgb_to_linear;

/// A body slower than this counts as resting. m/s, and rad/s.
const RESTING: f32 = 0.05;

/// What condition and paint need of a primitive beyond its shape; parallel to [`Scene::primitives`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surface {
    /// sRGB tint if the designer gave one.
    pub tint_srgb: Option<[f32; 3]>,
    /// Linear RGB that shadow paint uses: the tint, else the class's typical colour.
    pub albedo: [f32; 3],
    /// Moves now.
    pub moving: bool,
}

/// A snapshot, ready to be drawn.
#[derive(Debug, Clone, Default)]
pub struct ShadowScene {
    /// Shapes and poses.
    pub scene: Scene,
    /// One for each primitive.
    pub surfaces: Vec<Surface>,
}

impl ShadowScene {
    /// Takes the bodies over. `keep_tints` false treats every colour as open.
    pub fn new(snapshot: &ShadowSnapshot, keep_tints: bool) -> Self {
        let mut out = Self::default();
        out.scene.sun_direction = snapshot.sun_direction.normalize_or(glam::Vec3::Y);
        for body in snapshot.bodies.iter().take(usize::from(u16::MAX) - 1) {
            let class = usize::from(body.material).min(MATERIAL_ALBEDO.len() - 1);
            let tint_srgb = if keep_tints { body.tint_srgb } else { None };
            let moving = body.kind != BodyKind::Fixed
                && (body.linear_velocity_m_s.length() > RESTING
                    || body.angular_velocity_rad_s.length() > RESTING);
            out.surfaces.push(Surface { tint_srgb, albedo: albedo_of(class, tint_srgb), moving });
            out.scene.primitives.push(Primitive {
                id: body.id,
                shape: body.shape.clone(),
                world_from_object: body.world_from_body,
                material: class as u8,
            });
        }
        out
    }
}

/// Linear RGB that shadow paint gives a body: its tint, else the typical colour of its class.
pub fn albedo(body: &Body) -> [f32; 3] {
    albedo_of(usize::from(body.material).min(MATERIAL_ALBEDO.len() - 1), body.tint_srgb)
}

fn albedo_of(class: usize, tint_srgb: Option<[f32; 3]>) -> [f32; 3] {
    tint_srgb.map_or(MATERIAL_ALBEDO[class], |tint| tint.map(srgb_to_linear))
}
