//! One view of the shadow: scene, maps, sun and paint, drawn together and reused from frame to frame.

use reverie_guard::{CameraPose, ShadowSnapshot};
use reverie_kernels::exemplar::Exemplars;
use reverie_kernels::raster::{SKY, Scene, ShadowMaps, SunMap, raster};

use crate::paint::paint;
use crate::scene::ShadowScene;
use crate::style::{PaintLight, StyleWeights};

/// Least cosine between the normals of neighbours on one smooth surface: round pillars count, edges do not.
const SMOOTH: f32 = 0.9;
/// Largest difference of sun visibility between neighbours in the same light.
const SAME_LIGHT: f32 = 0.1;

/// From this confidence on an exemplar knows at least its material's colour.
const KNOWN: f32 = 0.15;

/// Neighbouring pixels `a` and `b` lie on the same smooth surface in the same light: what differs between them is texture, not outline, edge or cast
/// shadow. Never of the sky.
#[inline]
pub fn is_same_surface(maps: &ShadowMaps, a: usize, b: usize) -> bool {
    maps.primitive[a] != SKY
        && maps.primitive[a] == maps.primitive[b]
        && maps.normal[a].dot(maps.normal[b]) > SMOOTH
        && (maps.sun_visibility[a] - maps.sun_visibility[b]).abs() < SAME_LIGHT
}

/// Everything that is known of a view before a model looks at it.
#[derive(Debug)]
pub struct ShadowView {
    /// What is there.
    pub shadow: ShadowScene,
    /// From where.
    pub camera: CameraPose,
    /// What each pixel sees.
    pub maps: ShadowMaps,
    /// Shadow paint, with the snow that lies: interleaved sRGB, 0 to 1.
    pub paint: Vec<f32>,
    /// The same without snow; empty where none lies.
    bare: Vec<f32>,
    snow: f32,
    sun: SunMap,
}

impl ShadowView {
    /// Draws `snapshot` at `width` × `height`.
    pub fn new(
        snapshot: &ShadowSnapshot,
        style: &StyleWeights,
        width: usize,
        height: usize,
        keep_tints: bool,
    ) -> Self {
        let mut view = Self {
            shadow: ShadowScene::default(),
            camera: snapshot.camera,
            maps: ShadowMaps::default(),
            paint: Vec::new(),
            bare: Vec::new(),
            snow: 0.0,
            sun: SunMap::default(),
        };
        view.draw(snapshot, style, width, height, keep_tints);
        view
    }

    /// Draws another snapshot into the same buffers. `keep_tints` false leaves all colours open.
    pub fn draw(
        &mut self,
        snapshot: &ShadowSnapshot,
        style: &StyleWeights,
        width: usize,
        height: usize,
        keep_tints: bool,
    ) {
        self.shadow = ShadowScene::new(snapshot, keep_tints);
        self.camera = snapshot.camera;
        raster(&self.shadow.scene, &self.camera, width, height, &mut self.maps);
        self.sun.build(&self.shadow.scene, self.camera.world_from_camera.translation_m);
        self.sun.fill(&self.shadow.scene, &self.camera, &mut self.maps);
        let light = style.light();
        paint(&self.shadow, &self.camera, &self.maps, &light, &mut self.paint);
        self.bare.clear();
        self.snow = light.snow;
        if light.snow > 0.0 {
            let light = PaintLight { snow: 0.0, ..light };
            paint(&self.shadow, &self.camera, &self.maps, &light, &mut self.bare);
        }
    }

    /// [`paint`](Self::paint) without snow. This is what networks are told: they were trained to lay the snow on it themselves.
    pub fn bare_paint(&self) -> &[f32] {
        if self.bare.is_empty() { &self.paint } else { &self.bare }
    }

    /// Share of a level surface that lies under snow.
    pub fn snow(&self) -> f32 {
        self.snow
    }

    /// Dresses the paint in what is remembered of its materials, see [`Exemplars::read`]. Where nothing is, no snow lies either, as in
    /// [`bare_paint`](Self::bare_paint).
    pub fn dress(&self, exemplars: &mut Exemplars, rgb: &mut [f32], confidence: &mut [f32]) {
        exemplars.read(&self.maps, &self.paint, rgb, confidence);
        if self.bare.is_empty() {
            return;
        }
        for (pixel, confidence) in confidence.iter().enumerate() {
            let known = (confidence / KNOWN).min(1.0);
            for value in 3 * pixel..3 * pixel + 3 {
                rgb[value] = self.bare[value] + (rgb[value] - self.bare[value]) * known;
            }
        }
    }

    /// The pixel of this number shows something that moves.
    pub fn moves(&self, pixel: usize) -> bool {
        let index = usize::from(self.maps.primitive[pixel]);
        self.shadow.surfaces.get(index).is_some_and(|surface| surface.moving)
    }

    /// The primitives, for reprojection.
    pub fn scene(&self) -> &Scene {
        &self.shadow.scene
    }
}

#[cfg(test)]
mod tests {
    use glam::{Quat, Vec3};
    use reverie_guard::{Body, BodyKind, Pose, Shape};

    use super::*;

    #[test]
    fn what_is_not_known_is_dressed_in_no_snow() {
        let floor = Body {
            id: 1,
            shape: Shape::Cuboid { half_extents_m: Vec3::new(20.0, 0.1, 20.0) },
            world_from_body: Pose::new(Quat::IDENTITY, Vec3::new(0.0, -1.6, 0.0)),
            linear_velocity_m_s: Vec3::ZERO,
            angular_velocity_rad_s: Vec3::ZERO,
            kind: BodyKind::Fixed,
            material: 1,
            tint_srgb: Some([0.1, 0.5, 0.1]),
        };
        let snapshot =
            ShadowSnapshot { bodies: vec![floor], sun_direction: Vec3::Y, ..Default::default() };
        let snow = StyleWeights::pure("snow").unwrap();
        let view = ShadowView::new(&snapshot, &snow, 32, 32, true);
        let mut exemplars = Exemplars::new();
        let (mut rgb, mut confidence) = (vec![0.0; 3 * 32 * 32], vec![0.0; 32 * 32]);
        view.dress(&mut exemplars, &mut rgb, &mut confidence);
        assert_eq!(rgb, view.bare_paint(), "nothing is known");
        assert_ne!(rgb, view.paint);
        for _ in 0..4 {
            exemplars.write(&view.maps, &view.paint, &view.paint, |_| 1.0);
        }
        view.dress(&mut exemplars, &mut rgb, &mut confidence);
        let below = 3 * (28 * 32 + 16);
        assert!((rgb[below] - view.paint[below]).abs() < 0.02, "snow was seen there");
        assert_eq!(rgb[..3], view.paint[..3], "the sky");
    }
}
