//! Light and weather: sun, ambient light, sky, fog, lanterns and snow, all blended by the style's weights.

use bevy::camera::Exposure;
use bevy::prelude::*;
use reverie_runtime::style::StyleWeights;

use super::spawn::{LanternLight, LevelAssets, Snowy, Sun};
use super::texture::TEXTURE_MEAN;
use super::{CourtyardCamera, CourtyardStyle};

/// Snow changes vertex colours; it does so in this many steps.
const SNOW_STEPS: f32 = 24.0;

/// Fixed: styles differ by their light, not by the eye.
pub const EXPOSURE: Exposure = Exposure { ev100: 9.7 };

/// Photometric units that show a textured surface as [`PaintLight`](reverie_runtime::style::PaintLight)
/// means a plain one: textures are darker than white.
fn full_scale() -> f32 {
    1.0 / (EXPOSURE.exposure() * TEXTURE_MEAN)
}

fn color(rgb: Vec3) -> Color {
    Color::linear_rgb(rgb.x, rgb.y, rgb.z)
}

/// How strongly lamps burn, 0 to 1.
pub fn lamp_level(weights: &StyleWeights) -> f32 {
    let [noon, dusk, night, fog, snow] = weights.normalized().0;
    0.02 * noon + 0.65 * dusk + night + 0.4 * fog + 0.2 * snow
}

/// A sun that suits the style: low at dusk. `high` is the courtyard's own.
pub fn suggested_sun(high: Vec3, weights: &StyleWeights) -> Vec3 {
    let dusk = weights.normalized().0[1];
    let flat = high.with_y(0.0).normalize_or(Vec3::X);
    let elevation = high.y.clamp(-1.0, 1.0).asin();
    let elevation = elevation + (0.30 - elevation) * dusk;
    flat * elevation.cos() + Vec3::Y * elevation.sin()
}

/// Lays the style on lights, fog, sky, lamps and snow whenever it or the level changes.
pub(super) fn apply(
    style: Res<CourtyardStyle>,
    assets: Option<Res<LevelAssets>>,
    mut suns: Query<(&mut DirectionalLight, &mut Transform), With<Sun>>,
    mut cameras: Query<(&mut AmbientLight, &mut DistanceFog), With<CourtyardCamera>>,
    mut lanterns: Query<(&LanternLight, &mut PointLight, &mut Visibility)>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut images: ResMut<Assets<Image>>,
) {
    let Some(assets) = assets.filter(|a| a.is_changed() || style.is_changed()) else { return };
    let weights = style.weights.normalized();
    let light = weights.light();
    let sun_direction = style.sun_direction.normalize_or(Vec3::Y);
    for (mut sun, mut transform) in &mut suns {
        let strength = light.sun_rgb.max_element().max(1e-4);
        // A Lambertian surface shows illuminance × albedo / π.
        sun.illuminance = strength * std::f32::consts::PI * full_scale();
        sun.color = color(light.sun_rgb / strength);
        *transform = Transform::default().looking_to(-sun_direction, Vec3::Y);
    }
    for (mut ambient, mut fog) in &mut cameras {
        let strength = light.ambient_rgb.max_element().max(1e-4);
        ambient.brightness = strength * full_scale();
        ambient.color = color(light.ambient_rgb / strength);
        fog.color = color(light.horizon_rgb);
        fog.falloff = FogFalloff::Exponential { density: light.fog_per_m };
        fog.directional_light_color = Color::NONE;
    }
    let level = lamp_level(&weights);
    for (lantern, mut point, mut visibility) in &mut lanterns {
        point.intensity = lantern.full_lm * level;
        *visibility = if level > 0.05 { Visibility::Inherited } else { Visibility::Hidden };
    }
    for (handle, rgb, idle) in &assets.glowing {
        if let Some(mut material) = materials.get_mut(handle) {
            let glow = *rgb * (idle + (1.5 - idle) * level);
            material.emissive = LinearRgba::rgb(glow.x, glow.y, glow.z);
        }
    }
    if let Some(mut image) = images.get_mut(&assets.sky_image) {
        image.data = Some(assets.sky.paint(&weights, sun_direction));
    }
}

/// Whitens what looks up, when the weight of snow has changed enough.
pub(super) fn snow(
    style: Res<CourtyardStyle>,
    mut snowy: Query<(&mut Snowy, &Mesh3d)>,
    mut meshes: ResMut<Assets<Mesh>>,
) {
    let step = (style.weights.normalized().0[4] * SNOW_STEPS).round();
    for (mut snowy, mesh) in &mut snowy {
        if snowy.step == step {
            continue;
        }
        snowy.step = step;
        if let Some(mut mesh) = meshes.get_mut(&mesh.0) {
            mesh.insert_attribute(Mesh::ATTRIBUTE_COLOR, snowy.coat.colors(step / SNOW_STEPS));
        }
    }
}
