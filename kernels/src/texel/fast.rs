//! Reading and writing in every frame: pages are found once and kept at hand for the pixels around.

use glam::{Mat3, Vec2, Vec3};

use super::pages::{Key, NONE, Pages};
use super::store::{TexelMemory, UNKNOWN};
use super::{FROZEN, LEVEL_TRUST, LEVELS, Look, PAGE, REACH, SMOOTH, Surfel, Texel, relight};
use crate::geometry::{CameraPose, floor};
use crate::raster::shape::ObjectView;
use crate::raster::{Rays, Scene, ShadowMaps};
use crate::rows::each_parcel;

/// What a reading found.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ReadStats {
    /// Pixels that show a surface.
    pub asked: usize,
    /// Pixels of which anything is remembered.
    pub found: usize,
}

/// Pages used last, by level and by parity of column and row, so that neighbouring pages do not displace each other.
struct AtHand {
    pages: [(Option<Key>, u32); 4 * LEVELS],
    generation: u32,
    /// Found, and to be told so.
    used: Vec<u32>,
}

impl AtHand {
    fn new(pages: &Pages) -> Self {
        Self { pages: [(None, NONE); 4 * LEVELS], generation: pages.generation, used: Vec::new() }
    }

    #[inline]
    fn place(key: Key, u: i32, v: i32) -> usize {
        4 * key.level() + 2 * (v & 1) as usize + (u & 1) as usize
    }

    #[inline]
    fn find(&mut self, pages: &Pages, key: Key, u: i32, v: i32) -> u32 {
        let at = &mut self.pages[Self::place(key, u, v)];
        if at.0 != Some(key) {
            *at = (Some(key), pages.find(key).unwrap_or(NONE));
            if at.1 != NONE {
                self.used.push(at.1);
            }
        }
        at.1
    }

    #[inline]
    fn find_or_make(&mut self, pages: &mut Pages, key: Key, u: i32, v: i32, now: u32) -> u32 {
        let place = Self::place(key, u, v);
        let (at, page) = self.pages[place];
        if at == Some(key) && page != NONE && self.generation == pages.generation {
            return page;
        }
        let page = pages.find_or_make(key, now);
        pages.touch(page, now);
        if self.generation != pages.generation {
            // A page at hand may be another's now.
            *self = Self::new(pages);
        }
        self.pages[place] = (Some(key), page);
        page
    }
}

/// Where texel (`i`, `j`) lies: column and row of its page, and its column and row in there.
#[inline]
fn in_page(i: i32, j: i32) -> ((i32, i32), (usize, usize)) {
    const SHIFT: u32 = PAGE.trailing_zeros();
    const INSIDE: i32 = PAGE as i32 - 1;
    ((i >> SHIFT, j >> SHIFT), ((i & INSIDE) as usize, (j & INSIDE) as usize))
}

/// A primitive with what its pixels need.
struct Body<'a> {
    view: ObjectView,
    object_from_world: Mat3,
    shape: &'a crate::geometry::Shape,
    object: u32,
}

/// Everything about the view that is the same for all pixels.
struct Frame<'a> {
    bodies: Vec<Body<'a>>,
    rays: Rays,
    maps: &'a ShadowMaps,
    camera_from_world: Mat3,
    /// Pixels per unit of slope, and slope 0 in index coordinates.
    scale: Vec2,
    middle: Vec2,
}

impl<'a> Frame<'a> {
    fn new(slots: &[u32], scene: &'a Scene, camera: &CameraPose, maps: &'a ShadowMaps) -> Self {
        let size = Vec2::new(maps.width as f32, maps.height as f32);
        let tan = (0.5 * camera.vertical_fov_rad).tan();
        Self {
            bodies: scene
                .primitives
                .iter()
                .enumerate()
                .map(|(index, primitive)| Body {
                    view: ObjectView::new(&primitive.world_from_object, camera),
                    object_from_world: primitive.world_from_object.rotation_matrix().transpose(),
                    shape: &primitive.shape,
                    object: slots.get(index).copied().unwrap_or(UNKNOWN),
                })
                .collect(),
            rays: Rays::new(camera, maps.width, maps.height),
            maps,
            camera_from_world: camera.world_from_camera.rotation_matrix().transpose(),
            scale: Vec2::new(0.5, -0.5) * size.y / tan,
            middle: 0.5 * size - 0.5,
        }
    }

    #[inline]
    fn ray(&self, x: usize, y: usize) -> Vec3 {
        Vec3::new(self.rays.columns[x], self.rays.rows[y], -1.0)
    }

    #[inline]
    fn surfel(&self, x: usize, y: usize) -> Option<(&Body<'a>, Surfel)> {
        let pixel = y * self.maps.width + x;
        let body = self.bodies.get(usize::from(self.maps.primitive[pixel]))?;
        if body.object == UNKNOWN {
            return None;
        }
        let depth_m = self.maps.depth_m[pixel];
        let direction = body.view.direction(self.rays.columns[x], self.rays.rows[y]);
        let point = body.view.origin_m + direction * depth_m;
        let normal = body.object_from_world * self.maps.normal[pixel];
        let surfel = Surfel::new(body.shape, point, normal, direction, depth_m, self.rays.pixel_m);
        Some((body, surfel))
    }

    /// The pixel and the four beside it show one smooth surface.
    #[inline]
    fn is_inside(&self, x: usize, y: usize) -> bool {
        let (width, height) = (self.maps.width, self.maps.height);
        if x == 0 || y == 0 || x + 1 >= width || y + 1 >= height {
            return false;
        }
        let pixel = y * width + x;
        let index = self.maps.primitive[pixel];
        let normal = self.maps.normal[pixel];
        let depth_m = self.maps.depth_m[pixel];
        let facing = self.camera_from_world * normal;
        let point = self.ray(x, y) * depth_m;
        let same = |other: usize, ray: Vec3| {
            self.maps.primitive[other] == index
                && self.maps.normal[other].dot(normal) > SMOOTH
                && (ray * self.maps.depth_m[other] - point).dot(facing).abs()
                    < 0.03 + 0.03 * depth_m
        };
        same(pixel - 1, self.ray(x - 1, y))
            && same(pixel + 1, self.ray(x + 1, y))
            && same(pixel - width, self.ray(x, y - 1))
            && same(pixel + width, self.ray(x, y + 1))
    }

    /// Where a point near the pixel's lies in the picture, in pixels from the pixel's own centre.
    #[inline]
    fn place(&self, body: &Body<'_>, offset_object: Vec3, x: usize, y: usize) -> Vec2 {
        let pixel = y * self.maps.width + x;
        let offset = body.view.object_from_camera.transpose() * offset_object;
        let point = self.ray(x, y) * self.maps.depth_m[pixel] + offset;
        Vec2::new(point.x, point.y) / (-point.z).max(1e-3) * self.scale + self.middle
            - Vec2::new(x as f32, y as f32)
    }
}

impl TexelMemory {
    /// Remembers a picture of the scene that was announced last. `rgb` and `paint` are interleaved sRGB, 3 values a
    /// pixel; `trust` is 0 to 1 a pixel.
    ///
    /// Pixels at outlines are left out, and values that are not numbers.
    ///
    /// # Panics
    /// If `rgb` or `paint` is not of the size of `maps`.
    pub fn write(
        &mut self,
        scene: &Scene,
        camera: &CameraPose,
        maps: &ShadowMaps,
        rgb: &[f32],
        paint: &[f32],
        trust: impl Fn(usize) -> f32,
    ) {
        let values = 3 * maps.width * maps.height;
        assert_eq!(
            (rgb.len(), paint.len()),
            (values, values),
            "values for {}×{}",
            maps.width,
            maps.height
        );
        let slots = std::mem::take(&mut self.slots);
        let frame = Frame::new(&slots, scene, camera, maps);
        let mut at_hand = AtHand::new(&self.pages);
        let mut row: Vec<(usize, f32, &Body<'_>, Surfel)> = Vec::with_capacity(maps.width);
        for y in 1..maps.height.max(1) - 1 {
            row.clear();
            for x in 1..maps.width.max(1) - 1 {
                let trust = trust(y * maps.width + x);
                if trust > 0.0
                    && let Some((body, surfel)) = frame.surfel(x, y)
                    && frame.is_inside(x, y)
                {
                    prefetch(&self.pages, body, &surfel, &mut at_hand);
                    row.push((x, trust, body, surfel));
                }
            }
            for (x, trust, body, surfel) in row.drain(..) {
                let pixel = y * maps.width + x;
                let weight = surfel.weight(trust);
                let look = |rgb: [f32; 3], paint: [f32; 3]| Look {
                    rgb,
                    paint,
                    distance_m: surfel.distance_m,
                    facing: surfel.facing,
                };
                self.write_fine(&frame, body, &surfel, (x, y), &mut at_hand, |place| {
                    let rgb = bilinear(rgb, maps, x, y, place)?;
                    Some((look(rgb, bilinear(paint, maps, x, y, place)?), weight))
                });
                let (rgb, paint) = (three(rgb, pixel), three(paint, pixel));
                if rgb.iter().all(|v| v.is_finite()) {
                    let look = look(rgb, paint);
                    self.write_coarse(body, &surfel, (x, y), &look, weight, &mut at_hand);
                }
            }
        }
        at_hand.used.into_iter().for_each(|page| self.pages.touch(page, self.frame));
        self.slots = slots;
    }

    /// The texels of the pixel's own level whose centres surround it, each from the picture at its centre.
    #[inline]
    fn write_fine(
        &mut self,
        frame: &Frame<'_>,
        body: &Body<'_>,
        surfel: &Surfel,
        (x, y): (usize, usize),
        at_hand: &mut AtHand,
        look: impl Fn(Vec2) -> Option<(Look, f32)>,
    ) {
        let now = self.frame;
        let level = surfel.whole_level();
        let [i0, j0] = surfel.at(level).map(|c| floor(c - 0.5));
        let slab = surfel.slab(level);
        let mut last = ((i32::MIN, 0), NONE);
        for (i, j) in [(i0, j0), (i0 + 1, j0), (i0, j0 + 1), (i0 + 1, j0 + 1)] {
            let (at, (iu, iv)) = in_page(i, j);
            // Nearly always the four lie in one page.
            if last.0 != at {
                let key = Key::new(body.object, surfel.chart.index(), level, at.0, at.1, slab);
                last = (at, at_hand.find_or_make(&mut self.pages, key, at.0, at.1, now));
            }
            let page = last.1;
            let texel = self.pages.texel_mut(page, iu, iv);
            if texel.frame == now {
                continue;
            }
            if texel.weight >= FROZEN {
                texel.frame = now;
                continue;
            }
            let place = frame.place(body, surfel.to_centre(level, i, j), x, y);
            if place.abs().max_element() <= REACH
                && let Some((look, weight)) = look(place)
            {
                texel.add(&look, weight);
                texel.frame = now;
            }
        }
    }

    /// The texels of all coarser levels that the pixel lies in, each by the share that the pixel covers.
    #[inline]
    fn write_coarse(
        &mut self,
        body: &Body<'_>,
        surfel: &Surfel,
        (x, y): (usize, usize),
        look: &Look,
        weight: f32,
        at_hand: &mut AtHand,
    ) {
        let now = self.frame;
        let own = surfel.whole_level();
        for level in (own + 1..LEVELS).take_while(|level| Surfel::writes(level - own, x, y)) {
            let [i, j] = surfel.at(level).map(floor);
            let ((u, v), (iu, iv)) = in_page(i, j);
            let slab = surfel.slab(level);
            let key = Key::new(body.object, surfel.chart.index(), level, u, v, slab);
            let page = at_hand.find_or_make(&mut self.pages, key, u, v, now);
            let texel = self.pages.texel_mut(page, iu, iv);
            texel.add(look, weight * surfel.share(level));
            texel.frame = now;
        }
    }

    /// What is remembered of what `camera` sees of the scene that was announced last. `rgb` gets interleaved sRGB,
    /// 0 where nothing is known; `confidence` 0 to 1 a pixel. `paint` is the shadow paint of now.
    ///
    /// # Panics
    /// If a slice is not of the size of `maps`.
    pub fn read(
        &mut self,
        scene: &Scene,
        camera: &CameraPose,
        maps: &ShadowMaps,
        paint: &[f32],
        rgb: &mut [f32],
        confidence: &mut [f32],
    ) -> ReadStats {
        let pixels = maps.width * maps.height;
        assert_eq!(
            (paint.len(), rgb.len(), confidence.len()),
            (3 * pixels, 3 * pixels, pixels),
            "values for {}×{}",
            maps.width,
            maps.height
        );
        let slots = std::mem::take(&mut self.slots);
        let frame = Frame::new(&slots, scene, camera, maps);
        let (width, pages) = (maps.width.max(1), &self.pages);
        let parcels =
            each_parcel((rgb, 3 * width), (confidence, width), |rows, rgb, confidence| {
                let reader = Reader { pages, frame: &frame, paint };
                let mut at_hand = AtHand::new(pages);
                let mut stats = ReadStats::default();
                let parts = rgb.chunks_exact_mut(3 * width).zip(confidence.chunks_exact_mut(width));
                for (y, (rgb, confidence)) in rows.zip(parts) {
                    reader.row(y, rgb, confidence, &mut at_hand, &mut stats);
                }
                (stats, at_hand.used)
            });
        let mut stats = ReadStats::default();
        for (part, used) in parcels {
            stats.asked += part.asked;
            stats.found += part.found;
            used.into_iter().for_each(|page| self.pages.touch(page, self.frame));
        }
        self.slots = slots;
        stats
    }

    /// When each pixel's place was last written, in frames of the memory ([`Self::frame`]); `None` for the sky and for
    /// what was never seen. Looks at texels of two to eight pixels, so that the pixels around count, too.
    pub fn last_seen(
        &self,
        scene: &Scene,
        camera: &CameraPose,
        maps: &ShadowMaps,
    ) -> Vec<Option<u32>> {
        let frame = Frame::new(&self.slots, scene, camera, maps);
        let seen = |pixel: usize| {
            let (body, surfel) = frame.surfel(pixel % maps.width, pixel / maps.width)?;
            let own = surfel.whole_level();
            let at = |level: usize| {
                let [i, j] = surfel.at(level).map(floor);
                let ((u, v), (iu, iv)) = in_page(i, j);
                let (chart, slab) = (surfel.chart.index(), surfel.slab(level));
                let page = self.pages.find(Key::new(body.object, chart, level, u, v, slab))?;
                let texel = self.pages.texel(page, iu, iv);
                (texel.weight > 0.0).then_some(texel.frame)
            };
            (own + 1..(own + 3).min(LEVELS)).filter_map(at).max()
        };
        (0..maps.width * maps.height).map(seen).collect()
    }
}

/// Looks up what is remembered.
struct Reader<'a> {
    pages: &'a Pages,
    frame: &'a Frame<'a>,
    paint: &'a [f32],
}

/// Has the texels that are as large as a pixel brought into the cache.
#[inline]
fn prefetch(pages: &Pages, body: &Body<'_>, surfel: &Surfel, at_hand: &mut AtHand) {
    let level = surfel.whole_level();
    let [i, j] = surfel.at(level).map(|c| floor(c - 0.5));
    let ((u, v), (iu, iv)) = in_page(i, j);
    let key = Key::new(body.object, surfel.chart.index(), level, u, v, surfel.slab(level));
    let page = at_hand.find(pages, key, u, v);
    if page != NONE {
        pages.prefetch(page, iu, iv);
        pages.prefetch(page, iu, (iv + 1).min(PAGE - 1));
    }
}

impl Reader<'_> {
    /// Row `y` of the picture.
    fn row(
        &self,
        y: usize,
        rgb: &mut [f32],
        confidence: &mut [f32],
        at_hand: &mut AtHand,
        stats: &mut ReadStats,
    ) {
        // A row's texels are asked for at once: to wait for each of them was a third of the time.
        let row: Vec<_> = (0..confidence.len()).map(|x| self.frame.surfel(x, y)).collect();
        for (body, surfel) in row.iter().flatten() {
            prefetch(self.pages, body, surfel, at_hand);
        }
        for (x, seen) in row.iter().enumerate() {
            let mut found = ([0.0; 3], 0.0);
            if let Some((body, surfel)) = seen {
                stats.asked += 1;
                let paint = three(self.paint, y * self.frame.maps.width + x);
                found = self.read_at(body, surfel, paint, at_hand);
                stats.found += usize::from(found.1 > 0.0);
            }
            rgb[3 * x..3 * x + 3].copy_from_slice(&found.0);
            confidence[x] = found.1;
        }
    }

    #[inline]
    fn read_at(
        &self,
        body: &Body<'_>,
        surfel: &Surfel,
        paint: [f32; 3],
        at_hand: &mut AtHand,
    ) -> ([f32; 3], f32) {
        let (own, part) = surfel.level();
        // Texels under three quarters of a pixel begin to alias: the next level takes over by degrees.
        let mut open = 1.0;
        let mut sum = Sum::default();
        for (coarser, trust) in LEVEL_TRUST.into_iter().enumerate() {
            let level = own + coarser;
            if level >= LEVELS {
                break;
            }
            let found = self.bilinear(body, surfel, level, at_hand);
            let mut share = open * found.cover;
            if coarser == 0 && level + 1 < LEVELS {
                share *= 1.0 - (2.0 * part - 1.0).max(0.0);
            }
            if share > 0.0 {
                sum.add(&found, share, share * found.confidence * trust);
                open -= share;
            }
            if open < 0.02 {
                break;
            }
        }
        if sum.weight < 0.05 {
            return ([0.0; 3], 0.0);
        }
        let share = 1.0 / sum.weight;
        let mean = |values: [f32; 3]| values.map(|v| v * share);
        let (rgb, changed) = relight(mean(sum.rgb), mean(sum.paint), paint);
        (rgb, sum.confidence * (1.0 - 0.5 * changed))
    }

    /// The four texels around a place, as far as they are known.
    #[inline]
    fn bilinear(
        &self,
        body: &Body<'_>,
        surfel: &Surfel,
        level: usize,
        at_hand: &mut AtHand,
    ) -> Found {
        let [a, b] = surfel.at(level).map(|c| c - 0.5);
        let (i0, j0) = (floor(a), floor(b));
        let (fa, fb) = (a - i0 as f32, b - j0 as f32);
        let slab = surfel.slab(level);
        let mut sum = Sum::default();
        let mut last = ((i32::MIN, 0), NONE);
        for (i, j, share) in [
            (i0, j0, (1.0 - fa) * (1.0 - fb)),
            (i0 + 1, j0, fa * (1.0 - fb)),
            (i0, j0 + 1, (1.0 - fa) * fb),
            (i0 + 1, j0 + 1, fa * fb),
        ] {
            let (at, (iu, iv)) = in_page(i, j);
            if last.0 != at {
                let key = Key::new(body.object, surfel.chart.index(), level, at.0, at.1, slab);
                last = (at, at_hand.find(self.pages, key, at.0, at.1));
            }
            let page = last.1;
            if page != NONE {
                let texel = self.pages.texel(page, iu, iv);
                if texel.weight > 0.0 {
                    sum.add_texel(texel, share);
                }
            }
        }
        sum.found()
    }
}

/// Weighted sums of texels.
#[derive(Default)]
pub(super) struct Sum {
    pub rgb: [f32; 3],
    pub paint: [f32; 3],
    pub confidence: f32,
    pub weight: f32,
}

/// A mean of texels, and the share of the place that they cover.
pub(super) struct Found {
    pub rgb: [f32; 3],
    pub paint: [f32; 3],
    pub confidence: f32,
    pub cover: f32,
}

impl Sum {
    #[inline]
    pub fn add_texel(&mut self, texel: &Texel, share: f32) {
        for c in 0..3 {
            self.rgb[c] += share * texel.rgb[c];
            self.paint[c] += share * texel.paint[c];
        }
        self.confidence += share * texel.confidence();
        self.weight += share;
    }

    #[inline]
    pub fn add(&mut self, found: &Found, share: f32, confidence: f32) {
        for c in 0..3 {
            self.rgb[c] += share * found.rgb[c];
            self.paint[c] += share * found.paint[c];
        }
        self.confidence += confidence;
        self.weight += share;
    }

    #[inline]
    pub fn found(self) -> Found {
        // A sliver of one texel says nothing about the rest of the pixel.
        if self.weight < 0.1 {
            return Found { rgb: [0.0; 3], paint: [0.0; 3], confidence: 0.0, cover: 0.0 };
        }
        let share = 1.0 / self.weight;
        let mean = |values: [f32; 3]| values.map(|v| v * share);
        Found {
            rgb: mean(self.rgb),
            paint: mean(self.paint),
            confidence: self.confidence * share,
            cover: self.weight,
        }
    }
}

#[inline]
fn three(values: &[f32], pixel: usize) -> [f32; 3] {
    [values[3 * pixel], values[3 * pixel + 1], values[3 * pixel + 2]]
}

/// The picture at `place` from the centre of pixel (`x`, `y`), which has pixels all around it; `None` where another
/// body is seen.
#[inline]
fn bilinear(rgb: &[f32], maps: &ShadowMaps, x: usize, y: usize, place: Vec2) -> Option<[f32; 3]> {
    let (left, up) = (usize::from(place.x < 0.0), usize::from(place.y < 0.0));
    let (fx, fy) = (place.x + left as f32, place.y + up as f32);
    let corner = (y - up) * maps.width + x - left;
    let taps = [corner, corner + 1, corner + maps.width, corner + maps.width + 1];
    let index = maps.primitive[y * maps.width + x];
    if taps.iter().any(|tap| maps.primitive[*tap] != index) {
        return None;
    }
    let [a, b, c, d] = taps.map(|tap| three(rgb, tap));
    let out: [f32; 3] = std::array::from_fn(|i| {
        let top = a[i] + (b[i] - a[i]) * fx;
        let bottom = c[i] + (d[i] - c[i]) * fx;
        top + (bottom - top) * fy
    });
    out.iter().all(|v| v.is_finite()).then_some(out)
}
