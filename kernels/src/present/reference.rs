//! `present.wgsl` in plain Rust, over maps of the CPU's raster in place of the G-buffer.

use glam::{Vec2, Vec3, Vec4};

use super::detail::{COARSE_PIXELS, Detail, Place};
use super::guide::{FrameGuide, INTERIOR, SKY_OBJECT, is_same_depth, unpack_normal};
use super::layout::{Carry, Light, UNKNOWN_OBJECT, border_px, under_snow};
use super::{FRAMES, Fill};
use crate::geometry::CameraPose;
use crate::raster::{SKY, Scene, ShadowMaps, ray};

/// From this share of the four pixels' weight on, a colour is fully known.
const FULL_SHARE: f32 = 0.1;

/// A neural frame, as the pass reads it.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Its shadow.
    pub guide: &'a FrameGuide,
    /// sRGB, 4 bytes a pixel.
    pub rgba: &'a [u8],
    /// The same as [`clean`](super::clean) makes it.
    pub clean: &'a [u8],
}

/// What is on display.
#[derive(Debug, Clone, Copy)]
pub struct Display<'a> {
    /// The newest pose.
    pub camera: &'a CameraPose,
    /// What it sees of `scene`, at display size: the G-buffer.
    pub maps: &'a ShadowMaps,
    /// The bodies now.
    pub scene: &'a Scene,
    /// Albedo of each primitive's paint, linear RGB.
    pub albedo: &'a [Vec3],
    /// Of paint.
    pub light: &'a Light,
    /// How to fill it.
    pub fill: Fill,
    /// Texture for [`Fill::Guided`].
    pub detail: Option<&'a Detail>,
}

/// Fills the display: interleaved sRGB, 0 to 1. `frames` are newest first, all of one size; at most [`FRAMES`] count.
///
/// # Panics
/// A frame's picture has another size than its guide, or there are fewer albedos than primitives.
pub fn present(display: &Display<'_>, frames: &[Frame<'_>]) -> Vec<f32> {
    let most = if display.fill == Fill::Warp { 1 } else { FRAMES };
    let pass = Pass {
        display,
        frames: &frames[..frames.len().min(most)],
        carries: frames.iter().map(|frame| carries(display.scene, frame.guide)).collect(),
    };
    let maps = display.maps;
    let mut rgb = Vec::with_capacity(3 * maps.width * maps.height);
    for y in 0..maps.height {
        for x in 0..maps.width {
            rgb.extend(pass.pixel(x, y).to_array());
        }
    }
    rgb
}

/// By index of the primitive; the sky's last.
fn carries(scene: &Scene, guide: &FrameGuide) -> Vec<Carry> {
    let bodies = scene.primitives.iter();
    bodies
        .map(|body| Carry::of_body(body.id, &body.world_from_object, guide))
        .chain([Carry::of_sky(guide)])
        .collect()
}

struct Pass<'a> {
    display: &'a Display<'a>,
    frames: &'a [Frame<'a>],
    /// By frame.
    carries: Vec<Vec<Carry>>,
}

/// What a frame has to show for its colour to be the one looked for.
struct Expected {
    object: u32,
    inverse_depth: f32,
    inverse_slope: Vec2,
    normal: Vec3,
    place: Vec2,
}

impl Pass<'_> {
    fn pixel(&self, x: usize, y: usize) -> Vec3 {
        let maps = self.display.maps;
        let slope = ray(self.display.camera, maps.width, maps.height, x, y);
        match (self.display.fill, self.frames.first()) {
            (Fill::Nearest | Fill::Bilinear, Some(frame)) => {
                let (scale, middle) = frame.guide.place_from_slope();
                let place = Vec2::new(slope.x, slope.y) * scale + middle;
                match self.display.fill {
                    Fill::Bilinear => bilinear(frame, place),
                    _ => clamped_colour(frame, (place + 0.5).floor()),
                }
            }
            _ => self.carried(y * maps.width + x, slope),
        }
    }

    fn carried(&self, pixel: usize, slope: Vec3) -> Vec3 {
        let Display { maps, camera, scene, .. } = self.display;
        let ray = camera.world_from_camera.rotation * slope;
        let primitive = maps.primitive[pixel];
        let (point, normal, body) = if primitive == SKY {
            (ray.extend(0.0), Vec3::ZERO, scene.primitives.len())
        } else {
            let point = camera.world_from_camera.translation_m + ray * maps.depth_m[pixel];
            (point.extend(1.0), maps.normal[pixel], usize::from(primitive))
        };
        let (mut rgb, mut open) = (Vec3::ZERO, 1.0);
        for (index, (frame, carries)) in self.frames.iter().zip(&self.carries).enumerate() {
            if open <= 0.01 {
                break;
            }
            let (colour, known) = self.look(index, frame, &carries[body], point, normal);
            rgb += open * known * colour;
            open *= 1.0 - known;
        }
        let rgb = if open > 0.01 {
            rgb + open * srgb_from_linear(self.paint(body, point, normal))
        } else {
            rgb / (1.0 - open)
        };
        match self.display.detail {
            Some(detail) if self.display.fill == Fill::Guided => {
                detail.dress(rgb, &self.place(pixel, open, ray.length()))
            }
            _ => rgb,
        }
    }

    /// What texture to put on `pixel`, whose ray is `ray_m` long for each metre of depth.
    fn place(&self, pixel: usize, open: f32, ray_m: f32) -> Place {
        let Display { maps, camera, light, .. } = self.display;
        let pixel_slope = 2.0 * (0.5 * camera.vertical_fov_rad).tan() / maps.height as f32;
        let frame = self.frames.first();
        let frame_pixels = frame.map_or(1.0, |f| f.guide.place_from_slope().0.y.abs().max(1.0));
        let footprint = maps.footprint[pixel];
        Place {
            layer: maps.layer[pixel],
            uv: maps.uv[pixel],
            footprint,
            coarse_footprint: footprint * COARSE_PIXELS / (frame_pixels * pixel_slope),
            open,
            clear: (-light.fog_per_m * maps.depth_m[pixel] * ray_m).exp(),
        }
    }

    /// Colour, and how well it is known, 0 to 1.
    fn look(
        &self,
        index: usize,
        frame: &Frame<'_>,
        carry: &Carry,
        point: Vec4,
        normal: Vec3,
    ) -> (Vec3, f32) {
        let unknown = (Vec3::ZERO, 0.0);
        if carry.object == UNKNOWN_OBJECT {
            return unknown;
        }
        let rows = carry.rows.map(Vec4::from_array);
        let then = Vec3::from_array(rows.map(|row| row.dot(point)));
        let normal_then = Vec3::from_array(rows.map(|row| row.truncate().dot(normal)));
        let (depth_m, plane_m) = (-then.z, normal_then.dot(then));
        if depth_m < 1e-3 || plane_m > 1e-3 * depth_m {
            return unknown;
        }
        let (scale, middle) = frame.guide.place_from_slope();
        let place = then.truncate() / depth_m * scale + middle;
        let size = Vec2::new(frame.guide.width as f32, frame.guide.height as f32);
        if place.cmple(Vec2::NEG_ONE).any() || place.cmpge(size).any() {
            return unknown;
        }
        if self.display.fill == Fill::Warp {
            return (bilinear(frame, place), 1.0);
        }
        let to_border = (place + 0.5).min(size - 0.5 - place).min_element();
        let border = smoothstep(to_border / border_px(self.display.camera, frame.guide));
        let slope = normal_then.truncate() / (scale * plane_m);
        let expected = Expected {
            object: carry.object,
            inverse_depth: if point.w > 0.0 { 1.0 / depth_m } else { 0.0 },
            inverse_slope: if plane_m < -1e-3 { slope } else { Vec2::ZERO },
            normal: normal_then,
            place,
        };
        let known = smoothstep(inner_share(frame, &expected) / FULL_SHARE) * border;
        // Older frames fill in here and there only: a mean of four pixels will do.
        if index == 0 && known >= 0.99 && is_interior(frame, &expected) {
            let corner = expected.place.floor();
            let (x, y) = (corner.x as isize, corner.y as isize);
            return (cubic(frame, x - 1, y - 1, expected.place - corner), known);
        }
        (upsample_edge(frame, &expected), known)
    }

    /// Shadow paint without cast shadows, linear RGB.
    fn paint(&self, body: usize, point: Vec4, normal: Vec3) -> Vec3 {
        let light = self.display.light;
        if point.w <= 0.0 {
            let up = point.truncate().normalize().y.max(0.0);
            return light.horizon_rgb.lerp(light.zenith_rgb, up.sqrt());
        }
        let ambient = light.ambient_rgb * (0.75 + 0.25 * normal.y);
        let lambert = normal.dot(light.sun_direction).max(0.0);
        let albedo = under_snow(self.display.albedo[body], normal.y, light.snow);
        let lit = albedo * (ambient + light.sun_rgb * lambert);
        let eye = self.display.camera.world_from_camera.translation_m;
        let clear = (-light.fog_per_m * point.truncate().distance(eye)).exp();
        light.horizon_rgb.lerp(lit, clear)
    }
}

/// Whether the 4 × 4 pixels around the place all show the surface that is looked for.
fn is_interior(frame: &Frame<'_>, expected: &Expected) -> bool {
    let corner = expected.place.floor();
    texel(frame.guide, corner).is_some_and(|texel| {
        texel[1] & INTERIOR != 0 && accepts(texel, corner - expected.place, expected)
    })
}

fn share_of(frame: &Frame<'_>, at: Vec2, weight: f32, expected: &Expected) -> f32 {
    let accepted =
        texel(frame.guide, at).is_some_and(|texel| accepts(texel, at - expected.place, expected));
    if accepted { weight } else { 0.0 }
}

/// The four pixels around a place, and their weights.
fn inner(place: Vec2, least: f32) -> [(Vec2, f32); 4] {
    let corner = place.floor();
    let far = (place - corner).clamp(Vec2::splat(least), Vec2::splat(1.0 - least));
    let near = 1.0 - far;
    [
        (corner, near.x * near.y),
        (corner + Vec2::X, far.x * near.y),
        (corner + Vec2::Y, near.x * far.y),
        (corner + 1.0, far.x * far.y),
    ]
}

fn inner_share(frame: &Frame<'_>, expected: &Expected) -> f32 {
    inner(expected.place, 0.0)
        .map(|(at, weight)| share_of(frame, at, weight, expected))
        .iter()
        .sum()
}

/// A mean of those of the four source pixels around the place that show the surface.
fn upsample_edge(frame: &Frame<'_>, expected: &Expected) -> Vec3 {
    let (mut rgb, mut sum) = (Vec3::ZERO, 0.0);
    for (at, weight) in inner(expected.place, 0.02) {
        let share = share_of(frame, at, weight, expected);
        let Some(texel) = texel(frame.guide, at).filter(|_| share > 0.0) else { continue };
        let alike = match expected.object {
            SKY_OBJECT => 1.0,
            _ => unpack_normal(texel[1]).dot(expected.normal).max(0.0),
        };
        let trusted = share * (alike.powi(4) + 0.01);
        rgb += trusted * colour(frame.guide, frame.clean, at.x as usize, at.y as usize);
        sum += trusted;
    }
    rgb / sum.max(1e-9)
}

fn smoothstep(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn texel(guide: &FrameGuide, at: Vec2) -> Option<[u32; 2]> {
    let size = Vec2::new(guide.width as f32, guide.height as f32);
    let inside = at.cmpge(Vec2::ZERO).all() && at.cmplt(size).all();
    inside.then(|| guide.texels[at.y as usize * guide.width + at.x as usize])
}

fn accepts(texel: [u32; 2], offset: Vec2, expected: &Expected) -> bool {
    let on_plane = expected.inverse_depth + expected.inverse_slope.dot(offset);
    texel[1] & 0xFFFF == expected.object
        && is_same_depth(on_plane, expected.inverse_depth, f32::from_bits(texel[0]))
}

fn colour(guide: &FrameGuide, rgba: &[u8], x: usize, y: usize) -> Vec3 {
    let at = 4 * (y * guide.width + x);
    Vec3::from_array([0, 1, 2].map(|channel| f32::from(rgba[at + channel]) / 255.0))
}

fn clamped_colour(frame: &Frame<'_>, at: Vec2) -> Vec3 {
    let last = Vec2::new(frame.guide.width as f32, frame.guide.height as f32) - 1.0;
    let inside = at.clamp(Vec2::ZERO, last);
    colour(frame.guide, frame.rgba, inside.x as usize, inside.y as usize)
}

fn bilinear(frame: &Frame<'_>, place: Vec2) -> Vec3 {
    let corner = place.floor();
    let part = place - corner;
    let tap = |x: f32, y: f32| clamped_colour(frame, corner + Vec2::new(x, y));
    let above = tap(0.0, 0.0).lerp(tap(1.0, 0.0), part.x);
    let below = tap(0.0, 1.0).lerp(tap(1.0, 1.0), part.x);
    above.lerp(below, part.y)
}

/// Over the 4 × 4 pixels from (`x`, `y`), held within the inner four.
fn cubic(frame: &Frame<'_>, x: isize, y: isize, part: Vec2) -> Vec3 {
    let (across, down) = (cubic_weights(part.x), cubic_weights(part.y));
    let tap = |column: usize, row: usize| {
        colour(frame.guide, frame.clean, x as usize + column, y as usize + row)
    };
    let mut sum = Vec3::ZERO;
    for (row, weight_y) in down.into_iter().enumerate() {
        for (column, weight_x) in across.into_iter().enumerate() {
            sum += weight_x * weight_y * tap(column, row);
        }
    }
    let inner = [tap(1, 1), tap(2, 1), tap(1, 2), tap(2, 2)];
    let low = inner.into_iter().fold(Vec3::INFINITY, Vec3::min);
    let high = inner.into_iter().fold(Vec3::NEG_INFINITY, Vec3::max);
    sum.max(low).min(high)
}

/// Catmull and Rom's weights of the pixels at −1, 0, 1 and 2.
fn cubic_weights(t: f32) -> [f32; 4] {
    [
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    ]
}

fn srgb_from_linear(rgb: Vec3) -> Vec3 {
    Vec3::from_array(rgb.to_array().map(|v| {
        let v = v.clamp(0.0, 1.0);
        if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
    }))
}
