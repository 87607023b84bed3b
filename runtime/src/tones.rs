//! The model's own colours: how it paints what shadow paint paints.
//!
//! Where no frame knows a point the display is filled with shadow paint. For that not to look like another picture,
//! the albedo of each body is multiplied by a tone: the ratio of the model's colour, less the fog before it, to that of
//! the display's paint, which has no cast shadows; in linear light, averaged over the body's pixels and the last frames.

use std::collections::HashMap;

use glam::Vec3;
use reverie_kernels::present::layout::SNOW_RGB;
use reverie_kernels::present::snow_share;
use reverie_kernels::raster::{Rays, SKY};
use reverie_kernels::rows::each_of;

use crate::paint::srgb_to_linear;
use crate::style::PaintLight;
use crate::view::ShadowView;

/// Share of what was known that stays when a frame is learned.
const MEMORY: f32 = 0.9;
/// Rows that are added up by one task.
const BAND_ROWS: usize = 8;
/// Light that is added to both sides of a ratio: the dark has no colour.
const DARK: f32 = 0.004;
/// Under more snow too little of a body's own colour is seen.
const MOST_SNOW: f32 = 0.7;
/// Tones are held between these: shade may leave little of a colour, light cannot add as much.
const LEAST_TONE: f32 = 1.0 / 16.0;
const MOST_TONE: f32 = 4.0;

/// Sums of linear light over pixels: by the model, by paint.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sums {
    model: Vec3,
    paint: Vec3,
    pixels: f32,
}

impl Sums {
    fn add(&mut self, model: Vec3, paint: Vec3) {
        self.model += model;
        self.paint += paint;
        self.pixels += 1.0;
    }

    fn take(&mut self, other: &Self) {
        self.model += other.model;
        self.paint += other.paint;
        self.pixels += other.pixels;
    }

    fn learn(&mut self, new: &Self) {
        self.model = MEMORY * self.model + new.model;
        self.paint = MEMORY * self.paint + new.paint;
        self.pixels = MEMORY * self.pixels + new.pixels;
    }

    fn tone(&self) -> Vec3 {
        let dark = Vec3::splat(DARK * self.pixels.max(1.0));
        let ratio = (self.model + dark) / (self.paint + dark);
        ratio.clamp(Vec3::splat(LEAST_TONE), Vec3::splat(MOST_TONE))
    }
}

/// What one frame says of its bodies' tones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FrameTones {
    /// Id and class of material, for each body in sight.
    bodies: Vec<(u64, u8, Sums)>,
    sky: Sums,
}

impl FrameTones {
    /// Compares a picture (sRGB, 4 bytes a pixel) with what the display would paint in this `light` over the `view` that
    /// the picture was made over.
    pub fn new(view: &ShadowView, light: &PaintLight, rgba: &[u8]) -> Self {
        let primitives = &view.scene().primitives;
        let maps = &view.maps;
        let sun = view.scene().sun_direction;
        let rotation = view.camera.world_from_camera.rotation_matrix();
        let rays = Rays::new(&view.camera, maps.width, maps.height);
        let width = maps.width.max(1);
        let bytes: Vec<f32> = (0..=255).map(|byte| srgb_to_linear(byte as f32 / 255.0)).collect();
        // Always the same rows, so that any number of threads adds up in one order.
        let parts: Vec<(usize, &[u8])> = rgba
            .chunks(4 * BAND_ROWS * width)
            .take(maps.height.div_ceil(BAND_ROWS))
            .enumerate()
            .collect();
        let parts = each_of(&parts, |(band, rgba)| {
            let mut sums = vec![Sums::default(); primitives.len()];
            let mut sky = Sums::default();
            let first = band * BAND_ROWS * width;
            for (pixel, rgba) in (first..maps.primitive.len()).zip(rgba.chunks_exact(4)) {
                let model = Vec3::from_array([0, 1, 2].map(|c| bytes[usize::from(rgba[c])]));
                let ray = rays.at(pixel % width, pixel / width);
                let primitive = maps.primitive[pixel];
                let Some(sums) = sums.get_mut(usize::from(primitive)).filter(|_| primitive != SKY)
                else {
                    let up = (rotation * ray).normalize().y.max(0.0);
                    sky.add(model, light.horizon_rgb.lerp(light.zenith_rgb, up.sqrt().min(1.0)));
                    continue;
                };
                let normal = maps.normal[pixel];
                let ambient = light.ambient_rgb * (0.75 + 0.25 * normal.y);
                let full = ambient + light.sun_rgb * normal.dot(sun).max(0.0);
                // Snow is white on every body, and says nothing of its tone.
                let snow = snow_share(normal.y, light.snow);
                let bare = (1.0 - snow)
                    * Vec3::from(view.shadow.surfaces[usize::from(primitive)].albedo)
                    * full;
                let clear = (-light.fog_per_m * maps.depth_m[pixel] * ray.length()).exp();
                let others = (1.0 - clear) * light.horizon_rgb + clear * snow * SNOW_RGB * full;
                if snow < MOST_SNOW {
                    sums.add((model - others).max(Vec3::ZERO), clear * bare);
                }
            }
            (sums, sky)
        });
        let mut sums = vec![Sums::default(); primitives.len()];
        let mut sky = Sums::default();
        for (part, part_of_sky) in &parts {
            sky.take(part_of_sky);
            sums.iter_mut().zip(part).for_each(|(sums, part)| sums.take(part));
        }
        let seen = primitives.iter().zip(sums).filter(|(_, sums)| sums.pixels > 0.0);
        Self { bodies: seen.map(|(body, sums)| (body.id, body.material, sums)).collect(), sky }
    }
}

/// Tones of everything that was seen lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tones {
    bodies: HashMap<u64, Sums>,
    materials: HashMap<u8, Sums>,
    all: Sums,
    sky: Sums,
}

impl Tones {
    /// Takes a frame in.
    pub fn learn(&mut self, frame: &FrameTones) {
        let mut all = Sums::default();
        let mut materials: HashMap<u8, Sums> = HashMap::new();
        for (id, material, sums) in &frame.bodies {
            self.bodies.entry(*id).or_default().learn(sums);
            for total in [materials.entry(*material).or_default(), &mut all] {
                total.take(sums);
            }
        }
        for (material, sums) in &materials {
            self.materials.entry(*material).or_default().learn(sums);
        }
        self.all.learn(&all);
        self.sky.learn(&frame.sky);
    }

    /// Forgets bodies of which `alive` does not hold.
    pub fn retain(&mut self, alive: impl Fn(u64) -> bool) {
        self.bodies.retain(|id, _| alive(*id));
    }

    /// How many bodies are known.
    pub fn len(&self) -> usize {
        self.bodies.len()
    }

    /// No body is known.
    pub fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// Factor for the albedo of a body, linear RGB: its own, else that of its material, else that of all bodies.
    pub fn of_body(&self, id: u64, material: u8) -> Vec3 {
        let known = self.bodies.get(&id).or_else(|| self.materials.get(&material));
        known.unwrap_or(&self.all).tone()
    }

    /// Factor for the paint of the sky, linear RGB; 1 before any was seen.
    pub fn of_sky(&self) -> Vec3 {
        self.sky.tone()
    }
}

#[cfg(test)]
mod tests {
    use reverie_guard::{Body, BodyKind, CameraPose, Pose, ShadowSnapshot, Shape};

    use super::*;
    use crate::paint::{linear_to_srgb, to_rgba8};
    use crate::style::StyleWeights;

    fn view(style: &StyleWeights, height_m: f32) -> ShadowView {
        let body = |id: u64, x: f32| Body {
            id,
            shape: Shape::Cuboid { half_extents_m: Vec3::splat(0.8) },
            world_from_body: Pose::new(glam::Quat::IDENTITY, Vec3::new(x, 0.0, -4.0)),
            linear_velocity_m_s: Vec3::ZERO,
            angular_velocity_rad_s: Vec3::ZERO,
            kind: BodyKind::Fixed,
            material: id as u8,
            tint_srgb: None,
        };
        let snapshot = ShadowSnapshot {
            tick: 0,
            time_s: 0.0,
            camera: CameraPose {
                world_from_camera: Pose::new(
                    glam::Quat::from_rotation_x(-0.25 * height_m),
                    Vec3::new(0.0, height_m, 0.0),
                ),
                vertical_fov_rad: 1.0,
            },
            bodies: vec![body(3, -1.2), body(4, 1.2)],
            sun_direction: Vec3::new(0.3, 0.7, 0.5).normalize(),
        };
        ShadowView::new(&snapshot, style, 64, 36, true)
    }

    #[test]
    fn a_model_that_paints_one_body_redder_has_a_red_tone_for_it_alone() {
        let view = view(&StyleWeights::NOON, 0.0);
        let mut tones = Tones::default();
        assert_eq!(tones.of_body(3, 3), Vec3::ONE);
        let wanted = Vec3::new(1.3, 0.7, 0.5);
        let mut picture = view.paint.clone();
        for (rgb, primitive) in picture.chunks_exact_mut(3).zip(&view.maps.primitive) {
            if *primitive == 0 {
                for c in 0..3 {
                    rgb[c] = linear_to_srgb(wanted[c] * srgb_to_linear(rgb[c]));
                }
            }
        }
        let light = StyleWeights::NOON.light();
        tones.learn(&FrameTones::new(&view, &light, &to_rgba8(&picture)));
        assert!(tones.of_body(3, 3).distance(wanted) < 0.05, "{}", tones.of_body(3, 3));
        assert!(tones.of_body(4, 4).distance(Vec3::ONE) < 0.02);
        assert!(tones.of_sky().distance(Vec3::ONE) < 0.02);
        // Another body of the same class looks like it; one of an unknown class like the mean.
        assert_eq!(tones.of_body(99, 3), tones.of_body(3, 3));
        assert!(tones.of_body(99, 9).x > 1.05);
        tones.retain(|id| id != 3);
        assert_eq!((tones.len(), tones.is_empty()), (1, false));
    }

    #[test]
    fn snow_is_no_tone() {
        for snow in [0.3, 1.0] {
            let style = StyleWeights([1.0 - snow, 0.0, 0.0, 0.0, snow]);
            let view = view(&style, 2.0);
            let lit = |at: usize| {
                let maps = &view.maps;
                maps.primitive[at] != SKY
                    && maps.normal[at].y > 0.9
                    && maps.sun_visibility[at] > 0.9
            };
            assert!((0..view.maps.primitive.len()).any(lit), "tops are seen");
            let mut tones = Tones::default();
            tones.learn(&FrameTones::new(&view, &style.light(), &to_rgba8(&view.paint)));
            let tone = tones.of_body(3, 3);
            assert!(tone.distance(Vec3::ONE) < 0.1, "{snow}: {tone}");
        }
    }
}
