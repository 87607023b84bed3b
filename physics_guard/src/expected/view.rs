//! What must be seen: the snapshot, drawn.

use std::collections::HashMap;
use std::sync::Arc;

use glam::Vec2;
use reverie_kernels::raster::{Behind, Primitive, SKY, Scene, ShadowMaps, SunMap, behind, raster};

use super::{Body, ShadowSnapshot};

/// In [`Expected::object`]: no body, the sky.
pub const NONE: u16 = u16::MAX;

/// At most so many bodies of a view are judged one by one: those with the most pixels.
pub const MOST_VIEWS: usize = 64;

/// A body with fewer pixels in sight is not looked at.
pub const FEWEST_PIXELS: u32 = 6;

/// Something nearer by this share, right beside a body's pixel, hides the rest of the body.
const HIDES: f32 = 0.97;

/// Cells along a [`SunMap`].
const SUN_CELLS: usize = 64;

/// Pixels from (`x0`, `y0`) up to but not (`x1`, `y1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct PixelRect {
    /// Left.
    pub x0: u16,
    /// Top.
    pub y0: u16,
    /// Right, exclusive.
    pub x1: u16,
    /// Bottom, exclusive.
    pub y1: u16,
}

impl PixelRect {
    const EMPTY: Self = Self { x0: u16::MAX, y0: u16::MAX, x1: 0, y1: 0 };

    pub(crate) fn include(&mut self, x: usize, y: usize) {
        let (x, y) = (x as u16, y as u16);
        self.x0 = self.x0.min(x);
        self.y0 = self.y0.min(y);
        self.x1 = self.x1.max(x + 1);
        self.y1 = self.y1.max(y + 1);
    }

    pub(crate) fn empty() -> Self {
        Self::EMPTY
    }

    /// Grown by `by` pixels to each side, within a picture.
    pub fn grown(&self, by: usize, width: usize, height: usize) -> Self {
        let by = by.min(usize::from(u16::MAX)) as u16;
        Self {
            x0: self.x0.saturating_sub(by),
            y0: self.y0.saturating_sub(by),
            x1: self.x1.saturating_add(by).min(width as u16),
            y1: self.y1.saturating_add(by).min(height as u16),
        }
    }

    /// Shifted by whole pixels, within a picture.
    pub fn shifted(&self, dx: i32, dy: i32, width: usize, height: usize) -> Self {
        let along =
            |at: u16, by: i32, most: usize| (i32::from(at) + by).clamp(0, most as i32) as u16;
        Self {
            x0: along(self.x0, dx, width),
            y0: along(self.y0, dy, height),
            x1: along(self.x1, dx, width),
            y1: along(self.y1, dy, height),
        }
    }
}

/// One body as it must be seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BodyView {
    /// Into the snapshot's bodies.
    pub body: u16,
    /// In sight.
    pub pixels: u32,
    /// Around them.
    pub rect: PixelRect,
    /// Of the pixels in sight, index coordinates (0 is the first pixel's centre).
    pub centroid_px: Vec2,
    /// Mean over the pixels in sight, along −Z of the camera.
    pub depth_m: f32,
    /// The picture's border cuts it.
    pub cut: bool,
    /// Share of its outline where something nearer hides the rest.
    pub hidden: f32,
}

/// What must be seen at one moment: which body at which depth, and what is behind it.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The state; insane bodies are left out.
    pub snapshot: Arc<ShadowSnapshot>,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Into the snapshot's bodies, or [`NONE`].
    pub object: Vec<u16>,
    /// Along −Z of the camera; infinite where there is sky.
    pub depth_m: Vec<f32>,
    /// Height component of the surface's normal in the world, −1 to 1.
    pub normal_y: Vec<f32>,
    /// What would be seen without the first body, or [`NONE`]; nothing but sky until an observer's evidence comes in.
    pub behind: Vec<u16>,
    /// Its depth; infinite where there is sky.
    pub behind_m: Vec<f32>,
    /// Bodies in sight, the largest first, at most [`MOST_VIEWS`].
    pub views: Vec<BodyView>,
    /// Metres across one pixel at a depth of 1 m.
    pub pixel_m: f32,
    layer: Behind,
    scene: Scene,
    /// Primitive of each pixel, until what is behind is drawn.
    first: Vec<u16>,
    sums: HashMap<u16, Sums>,
}

#[derive(Debug, Clone, Copy)]
struct Sums {
    view: BodyView,
    outline: u32,
    hidden: u32,
}

impl Expected {
    /// Takes over a view that was drawn already: `maps` show `scene`, whose primitives are bodies of `snapshot`.
    pub fn update(&mut self, snapshot: Arc<ShadowSnapshot>, scene: &Scene, maps: &ShadowMaps) {
        self.scene.clone_from(scene);
        self.first.clone_from(&maps.primitive);
        self.width = maps.width;
        self.height = maps.height;
        self.pixel_m =
            2.0 * (0.5 * snapshot.camera.vertical_fov_rad).tan() / maps.height.max(1) as f32;
        let bodies = body_of_primitives(scene, &snapshot);
        let body = |primitive: &u16| bodies.get(usize::from(*primitive)).copied().unwrap_or(NONE);
        refill(&mut self.object, maps.primitive.iter().map(body));
        refill(&mut self.depth_m, maps.depth_m.iter().copied());
        refill(&mut self.behind, maps.primitive.iter().map(|_| NONE));
        refill(&mut self.behind_m, maps.primitive.iter().map(|_| f32::INFINITY));
        refill(&mut self.normal_y, maps.normal.iter().map(|n| n.y));
        self.snapshot = snapshot;
        self.find_views();
    }

    /// Draws what is behind the first body, too: only an observer's evidence is held against that.
    pub(crate) fn find_behind(&mut self) {
        if self.first.is_empty() {
            return;
        }
        let size = (self.width, self.height);
        behind(&self.scene, &self.snapshot.camera, size, &self.first, &mut self.layer);
        let bodies = body_of_primitives(&self.scene, &self.snapshot);
        let body = |primitive: &u16| bodies.get(usize::from(*primitive)).copied().unwrap_or(NONE);
        refill(&mut self.behind, self.layer.primitive.iter().map(body));
        refill(&mut self.behind_m, self.layer.depth_m.iter().copied());
        self.first.clear();
    }

    /// Draws `snapshot` at this size first. Bodies that are not sane must be out of it.
    pub fn draw(&mut self, snapshot: Arc<ShadowSnapshot>, width: usize, height: usize) {
        let (scene, maps) = Self::drawn(&snapshot, width, height);
        self.update(snapshot, &scene, &maps);
    }

    /// What [`Self::update`] needs of `snapshot`, sun included.
    pub fn drawn(snapshot: &ShadowSnapshot, width: usize, height: usize) -> (Scene, ShadowMaps) {
        let scene = scene_of(snapshot);
        let mut maps = ShadowMaps::default();
        raster(&scene, &snapshot.camera, width, height, &mut maps);
        let mut sun = SunMap::new(SUN_CELLS);
        sun.build(&scene, snapshot.camera.world_from_camera.translation_m);
        sun.fill(&scene, &snapshot.camera, &mut maps);
        (scene, maps)
    }

    /// The body that a view is of.
    pub fn body(&self, view: &BodyView) -> Option<&Body> {
        self.snapshot.bodies.get(usize::from(view.body))
    }

    /// Metres across one pixel at the view's depth.
    pub fn metres_per_pixel(&self, view: &BodyView) -> f32 {
        self.pixel_m * view.depth_m
    }

    fn find_views(&mut self) {
        self.sums.clear();
        let (width, height) = (self.width, self.height);
        for y in 0..height {
            for x in 0..width {
                let pixel = y * width + x;
                let object = self.object[pixel];
                if object == NONE {
                    continue;
                }
                let sums = self.sums.entry(object).or_insert_with(|| Sums::new(object));
                let depth_m = self.depth_m[pixel];
                sums.view.pixels += 1;
                sums.view.rect.include(x, y);
                sums.view.centroid_px += Vec2::new(x as f32, y as f32);
                sums.view.depth_m += depth_m;
                sums.view.cut |= x == 0 || y == 0 || x + 1 == width || y + 1 == height;
                let mut beside = |other: usize| {
                    if self.object[other] != object {
                        sums.outline += 1;
                        sums.hidden += u32::from(self.depth_m[other] < HIDES * depth_m);
                    }
                };
                if x > 0 {
                    beside(pixel - 1);
                }
                if x + 1 < width {
                    beside(pixel + 1);
                }
                if y > 0 {
                    beside(pixel - width);
                }
                if y + 1 < height {
                    beside(pixel + width);
                }
            }
        }
        self.views.clear();
        let seen = self.sums.values().filter(|sums| sums.view.pixels >= FEWEST_PIXELS);
        self.views.extend(seen.map(Sums::finish));
        self.views.sort_unstable_by_key(|view| (std::cmp::Reverse(view.pixels), view.body));
        self.views.truncate(MOST_VIEWS);
    }
}

impl Sums {
    fn new(body: u16) -> Self {
        let view = BodyView {
            body,
            pixels: 0,
            rect: PixelRect::empty(),
            centroid_px: Vec2::ZERO,
            depth_m: 0.0,
            cut: false,
            hidden: 0.0,
        };
        Self { view, outline: 0, hidden: 0 }
    }

    fn finish(&self) -> BodyView {
        let pixels = self.view.pixels.max(1) as f32;
        BodyView {
            centroid_px: self.view.centroid_px / pixels,
            depth_m: self.view.depth_m / pixels,
            hidden: self.hidden as f32 / self.outline.max(1) as f32,
            ..self.view
        }
    }
}

fn refill<T>(map: &mut Vec<T>, values: impl Iterator<Item = T>) {
    map.clear();
    map.extend(values);
}

/// The bodies as the raster draws them, in the same order.
pub fn scene_of(snapshot: &ShadowSnapshot) -> Scene {
    let primitive = |body: &Body| Primitive {
        id: body.id,
        shape: body.shape.clone(),
        world_from_object: body.world_from_body,
        material: body.material.min(126),
    };
    Scene {
        primitives: snapshot.bodies.iter().take(usize::from(SKY)).map(primitive).collect(),
        sun_direction: snapshot.sun_direction,
    }
}

/// Index of the body of each primitive; [`NONE`] for one that the snapshot does not have.
fn body_of_primitives(scene: &Scene, snapshot: &ShadowSnapshot) -> Vec<u16> {
    let bodies = &snapshot.bodies;
    let mut by_id: Option<HashMap<u64, u16>> = None;
    let primitives = scene.primitives.iter().take(usize::from(SKY)).enumerate();
    primitives
        .map(|(index, primitive)| {
            if bodies.get(index).is_some_and(|body| body.id == primitive.id) {
                return index as u16;
            }
            let by_id = by_id.get_or_insert_with(|| {
                bodies.iter().take(usize::from(NONE)).zip(0..).map(|(b, i)| (b.id, i)).collect()
            });
            by_id.get(&primitive.id).copied().unwrap_or(NONE)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use glam::Vec3;

    use super::*;
    use crate::testing::{ball, body_at, snapshot_of};

    #[test]
    fn a_body_is_expected_where_it_is_and_what_it_hides_behind_it() {
        let snapshot = snapshot_of(vec![body_at(50, ball(0.5), Vec3::new(0.0, 0.5, 0.0))]);
        let mut expected = Expected::default();
        expected.draw(snapshot.into(), 128, 72);
        expected.find_behind();
        let view = expected.views.iter().find(|v| expected.body(v).unwrap().id == 50).unwrap();
        let middle = view.centroid_px.round();
        let pixel = middle.y as usize * 128 + middle.x as usize;
        assert_eq!(expected.object[pixel], view.body);
        assert_ne!(expected.behind[pixel], view.body);
        assert!(expected.behind_m[pixel] > expected.depth_m[pixel]);
        assert!(!view.cut && view.hidden < 0.05, "{view:?}");
        // As wide as its diameter, in pixels of the size that they have there.
        let across = f32::from(view.rect.x1 - view.rect.x0) * expected.metres_per_pixel(view);
        assert!((across - 1.0).abs() < 0.15, "{across} m");
    }

    #[test]
    fn ten_thousand_bodies_are_bounded_and_a_picture_of_no_size_is_empty() {
        let bodies = (0..10_000)
            .map(|i| {
                let place = Vec3::new((i % 100) as f32 - 50.0, 0.2, -((i / 100) as f32));
                body_at(i, ball(0.2), place)
            })
            .collect();
        let snapshot = Arc::new(snapshot_of(bodies));
        let mut expected = Expected::default();
        expected.draw(snapshot.clone(), 128, 72);
        assert_eq!(expected.views.len(), MOST_VIEWS);
        expected.draw(snapshot, 0, 0);
        assert!(expected.views.is_empty());
    }
}
