//! One view of the shadow: scene, maps, sun and paint, drawn together and reused from frame to frame.

use reverie_guard::{CameraPose, ShadowSnapshot};
use reverie_kernels::raster::{SKY, Scene, ShadowMaps, SunMap, raster};

use crate::paint::paint;
use crate::scene::ShadowScene;
use crate::style::StyleWeights;

/// Least cosine between the normals of neighbours on one smooth surface: round pillars count, edges do not.
const SMOOTH: f32 = 0.9;
/// Largest difference of sun visibility between neighbours in the same light.
const SAME_LIGHT: f32 = 0.1;

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
    /// Interleaved sRGB, 0 to 1.
    pub paint: Vec<f32>,
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
        paint(&self.shadow, &self.camera, &self.maps, &style.light(), &mut self.paint);
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
