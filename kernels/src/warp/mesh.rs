//! Carrying a picture to another camera as a surface: the pixels are corners of a mesh that hangs together where its depth does.
//!
//! Points that come nearer fly apart, and what lies behind shows through ([`splat`](super::splat())); a mesh stretches instead. Two
//! neighbours belong together if they are about equally far, or if they go on as a plane does: along a plane 1 / depth is linear in
//! the picture. Each triangle is drawn with perspective into a depth buffer; colours are looked up afterwards, so that of many
//! pictures over each other only what is seen costs that.

use glam::{Mat3, Vec2, Vec3};

use super::splat::{NEAR_M, OwnDepth, SKY_M};
use crate::geometry::{CameraPose, floor};
use crate::raster::Rays;

/// Neighbours whose 1 / depth differs by less than this share of the larger one hang together,
const ALIKE: f32 = 0.06;
/// and so do those whose 1 / depth is this near to where the neighbours before them lead.
const STRAIGHT: f32 = 0.03;
/// A triangle that is stretched to more pixels than this shows nothing any more.
const MOST_PX: f32 = 24.0;
/// What is seen from behind is believed less.
const FROM_BEHIND: f32 = 0.5;
/// From this share of [`SKY_M`] on a point is sky.
const SKY_SHARE: f32 = 0.1;

/// Where another camera sees the pixels of a picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// Along the view, metres, infinite for the sky; 0 where nothing is known.
    pub depth_m: Vec<f32>,
    /// Pixels of the past picture for one of these, along the direction that is stretched most; 1 at most.
    pub fineness: Vec<f32>,
    /// In the past picture, pixels from the middle of its first one.
    place: Vec<Vec2>,
    links: Links,
    width: usize,
}

/// A pixel of the past picture as a corner of the mesh.
#[derive(Clone, Copy)]
struct Corner {
    place: Vec2,
    /// 1 / depth in the new picture, 1 / m.
    near: f32,
    /// In the past picture.
    from: Vec2,
}

impl Seen {
    /// Draws `past` as `camera` sees it. Pixels whose depth is not a positive number are left out.
    pub fn draw(&mut self, past: &OwnDepth, camera: &CameraPose) {
        let (width, height) = (past.width, past.height);
        let count = (width * height).min(past.depth_m.len());
        for map in [&mut self.depth_m, &mut self.fineness] {
            map.clear();
            map.resize(width * height, 0.0);
        }
        self.place.clear();
        self.place.resize(width * height, Vec2::ZERO);
        self.width = width;
        if count < width * height || count == 0 {
            return;
        }
        let corners = corners(past, camera);
        let links = Links::new(past);
        let size = (width, height);
        let mut lone = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let pixel = y * width + x;
                if !links.all_around(pixel, width, height) {
                    lone.push(pixel);
                }
                if x + 1 == width || y + 1 == height {
                    continue;
                }
                let [a, b, c, d] = [pixel, pixel + 1, pixel + width, pixel + width + 1];
                if links.right[a] && links.down[a] {
                    self.triangle(size, [corners[a], corners[c], corners[b]]);
                }
                if links.down[b] && links.right[c] {
                    self.triangle(size, [corners[b], corners[c], corners[d]]);
                }
            }
        }
        // The mesh ends in the middle of its outermost pixels.
        for corner in lone.into_iter().filter_map(|pixel| corners[pixel]) {
            let (x, y) = (floor(corner.place.x + 0.5), floor(corner.place.y + 0.5));
            if x >= 0 && y >= 0 && x < width as i32 && y < height as i32 {
                let pixel = y as usize * width + x as usize;
                if self.depth_m[pixel] == 0.0 {
                    self.put(pixel, corner.near, 0.5, corner.from);
                }
            }
        }
        self.links = links;
    }

    /// The colour of `pixel` in `rgb`, the past picture's or another one of the same pixels, 3 values each; black where nothing is
    /// known.
    ///
    /// Within a surface cubic, so that what is carried often does not go soft; at its border from its own pixels alone.
    ///
    /// # Panics
    /// `rgb` is smaller than the past picture.
    pub fn colour(&self, rgb: &[f32], pixel: usize) -> [f32; 3] {
        if self.depth_m[pixel] == 0.0 {
            return [0.0; 3];
        }
        let place = self.place[pixel];
        let height = self.links.right.len() / self.width;
        let (x, y) = (floor(place.x).max(0) as usize, floor(place.y).max(0) as usize);
        let (x, y) = (x.min(self.width - 1), y.min(height - 1));
        let part = place - Vec2::new(x as f32, y as f32);
        let first = y * self.width + x;
        if self.links.whole[first] {
            return cubic(rgb, first, part, self.width);
        }
        let shares = self.links.shares(first, part, self.width);
        let all: f32 = shares.iter().map(|(_, share)| share).sum();
        let tap = |(pixel, share): &(usize, f32)| *share * Vec3::from_slice(&rgb[3 * pixel..]);
        (shares.iter().map(tap).sum::<Vec3>() / all.max(1e-6)).to_array()
    }

    fn put(&mut self, pixel: usize, near: f32, fineness: f32, place: Vec2) {
        let depth_m = 1.0 / near;
        self.depth_m[pixel] = if depth_m > SKY_SHARE * SKY_M { f32::INFINITY } else { depth_m };
        self.fineness[pixel] = fineness;
        self.place[pixel] = place;
    }

    fn triangle(&mut self, (width, height): (usize, usize), corners: [Option<Corner>; 3]) {
        let [Some(a), Some(b), Some(c)] = corners else { return };
        let (low, high) = (a.place.min(b.place).min(c.place), a.place.max(b.place).max(c.place));
        let size = high - low;
        let outside = high.x < 0.0
            || high.y < 0.0
            || low.x > (width - 1) as f32
            || low.y > (height - 1) as f32;
        // Written so that what is no number is left out, too.
        if outside || !(size.max_element() <= MOST_PX) {
            return;
        }
        let area = (b.place - a.place).perp_dot(c.place - a.place);
        if area.abs() < 1e-9 {
            return;
        }
        // As the corners are given, a triangle that faces the camera turns the other way.
        let side = if area < 0.0 { 1.0 } else { FROM_BEHIND };
        let fineness = side / size.max_element().max(1.0);
        let (x0, y0) = ((-floor(-low.x)).max(0), (-floor(-low.y)).max(0));
        let x1 = floor(high.x).min(width as i32 - 1);
        let y1 = floor(high.y).min(height as i32 - 1);
        for y in y0..=y1 {
            for x in x0..=x1 {
                let place = Vec2::new(x as f32, y as f32);
                let u = (place - a.place).perp_dot(c.place - a.place) / area;
                let v = (b.place - a.place).perp_dot(place - a.place) / area;
                let share = [1.0 - u - v, u, v];
                // Rounding must not open seams.
                if share.iter().any(|share| *share < -1e-4) {
                    continue;
                }
                let nears = [share[0] * a.near, share[1] * b.near, share[2] * c.near];
                let near: f32 = nears.iter().sum();
                let pixel = y as usize * width + x as usize;
                let known = self.depth_m[pixel];
                if near > 0.0 && (known == 0.0 || near * known > 1.0) {
                    let from = a.from * nears[0] + b.from * nears[1] + c.from * nears[2];
                    self.put(pixel, near, fineness, from / near);
                }
            }
        }
    }
}

/// Where each pixel of the past is in the new picture; `None` behind the camera or without a depth.
fn corners(past: &OwnDepth, camera: &CameraPose) -> Vec<Option<Corner>> {
    let (width, height) = (past.width, past.height);
    let rays = Rays::new(past.camera, width, height);
    let there = camera.world_from_camera.inverse();
    let turn = Mat3::from_quat(there.rotation * past.camera.world_from_camera.rotation);
    let shift = there.transform_point(past.camera.world_from_camera.translation_m);
    let scale = 0.5 * height as f32 / (0.5 * camera.vertical_fov_rad).tan();
    let middle = 0.5 * Vec2::new(width as f32, height as f32) - 0.5;
    let corner = |pixel: usize| {
        let depth_m = past.depth_m[pixel].min(SKY_M);
        if !(depth_m > 0.0) {
            return None;
        }
        let (x, y) = (pixel % width, pixel / width);
        let ray = Vec3::new(rays.columns[x], rays.rows[y], -1.0);
        let point = turn * (ray * depth_m) + shift;
        if !(-point.z >= NEAR_M) {
            return None;
        }
        let near = -1.0 / point.z;
        let place = middle + scale * near * Vec2::new(point.x, -point.y);
        Some(Corner { place, near, from: Vec2::new(x as f32, y as f32) })
    };
    (0..width * height).map(corner).collect()
}

/// From the four by four pixels around `first`, which is the second of them in both directions.
fn cubic(rgb: &[f32], first: usize, part: Vec2, width: usize) -> [f32; 3] {
    let corner = first - width - 1;
    let (columns, rows) = (catmull_rom(part.x), catmull_rom(part.y));
    let (mut sum, mut low, mut high) = (Vec3::ZERO, Vec3::INFINITY, Vec3::NEG_INFINITY);
    for (row, down) in rows.into_iter().enumerate() {
        for (column, along) in columns.into_iter().enumerate() {
            let tap = Vec3::from_slice(&rgb[3 * (corner + row * width + column)..]);
            sum += down * along * tap;
            if (1..3).contains(&row) && (1..3).contains(&column) {
                (low, high) = (low.min(tap), high.max(tap));
            }
        }
    }
    // An edge must not get a rim that grows from picture to picture.
    sum.clamp(low, high).to_array()
}

/// Weights of the four pixels around a place between the middle two, `part` beyond the second one (Catmull & Rom 1974).
fn catmull_rom(part: f32) -> [f32; 4] {
    let (t, t2, t3) = (part, part * part, part * part * part);
    [
        0.5 * (-t3 + 2.0 * t2 - t),
        0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
        0.5 * (-3.0 * t3 + 4.0 * t2 + t),
        0.5 * (t3 - t2),
    ]
}

/// Which neighbours hang together, by the first one's pixel.
#[derive(Debug, Clone, PartialEq, Default)]
struct Links {
    right: Vec<bool>,
    down: Vec<bool>,
    /// The pixel is the second of four by four that all hang together.
    whole: Vec<bool>,
}

impl Links {
    fn new(past: &OwnDepth) -> Self {
        let (width, height) = (past.width, past.height);
        // 0 of the sky and of what is not known; these two are told apart below.
        let near: Vec<f32> =
            past.depth_m.iter().map(|d| if *d > 0.0 { 1.0 / d.min(SKY_M) } else { 0.0 }).collect();
        let sky = 1.0 / (SKY_SHARE * SKY_M);
        let hangs = |before: Option<usize>, a: usize, b: usize, after: Option<usize>| {
            let (n, m) = (near[a], near[b]);
            if n <= 0.0 || m <= 0.0 {
                return false;
            }
            if n < sky || m < sky {
                return n < sky && m < sky;
            }
            let most = n.max(m);
            let leads = |from: usize, at: f32, to: f32| {
                near[from] > sky && (2.0 * at - near[from] - to).abs() < STRAIGHT * most
            };
            (n - m).abs() < ALIKE * most
                || before.is_some_and(|before| leads(before, n, m))
                || after.is_some_and(|after| leads(after, m, n))
        };
        let none = vec![false; near.len()];
        let mut out = Self { right: none.clone(), down: none.clone(), whole: none };
        for y in 0..height {
            for x in 0..width {
                let pixel = y * width + x;
                if x + 1 < width {
                    let before = (x > 0).then(|| pixel - 1);
                    let after = (x + 2 < width).then(|| pixel + 2);
                    out.right[pixel] = hangs(before, pixel, pixel + 1, after);
                }
                if y + 1 < height {
                    let before = (y > 0).then(|| pixel - width);
                    let after = (y + 2 < height).then(|| pixel + 2 * width);
                    out.down[pixel] = hangs(before, pixel, pixel + width, after);
                }
            }
        }
        let square =
            |a: usize| out.right[a] && out.down[a] && out.down[a + 1] && out.right[a + width];
        for y in 1..height.saturating_sub(2) {
            for x in 1..width.saturating_sub(2) {
                let rows = [(y - 1) * width, y * width, (y + 1) * width];
                let mut squares = rows.into_iter().flat_map(|row| row + x - 1..=row + x + 1);
                out.whole[y * width + x] = squares.all(square);
            }
        }
        out
    }

    /// Bilinear shares of the four pixels from `first` on, without those that do not hang together with the nearest.
    fn shares(&self, first: usize, part: Vec2, width: usize) -> [(usize, f32); 4] {
        let count = self.right.len();
        let pixels = [first, first + 1, first + width, first + width + 1].map(|p| p.min(count - 1));
        let weights = [
            (1.0 - part.x) * (1.0 - part.y),
            part.x * (1.0 - part.y),
            (1.0 - part.x) * part.y,
            part.x * part.y,
        ];
        // Along the upper side, the left one, the lower one and the right one.
        let [up, left] = [self.right[pixels[0]], self.down[pixels[0]]];
        let [low, right] = [self.right[pixels[2]], self.down[pixels[1]]];
        let nearest = usize::from(part.x > 0.5) + 2 * usize::from(part.y > 0.5);
        // By the nearest one: which of the four hang together with it.
        let with = match nearest {
            0 => [true, up, left, up && right || left && low],
            1 => [up, true, up && left || right && low, right],
            2 => [left, left && up || low && right, true, low],
            _ => [right && up || low && left, right, low, true],
        };
        std::array::from_fn(|i| (pixels[i], if with[i] { weights[i] } else { 0.0 }))
    }

    /// The pixel hangs together with all of its neighbours; there are none beyond the border.
    fn all_around(&self, pixel: usize, width: usize, height: usize) -> bool {
        let (x, y) = (pixel % width, pixel / width);
        (x == 0 || self.right[pixel - 1])
            && (x + 1 == width || self.right[pixel])
            && (y == 0 || self.down[pixel - width])
            && (y + 1 == height || self.down[pixel])
    }
}

#[cfg(test)]
mod tests {
    use glam::Quat;
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::Pose;
    use crate::raster::ray;

    const SIZE: (usize, usize) = (48, 27);

    fn camera(yaw_rad: f32, at_m: Vec3) -> CameraPose {
        CameraPose {
            world_from_camera: Pose::new(Quat::from_rotation_y(yaw_rad), at_m),
            vertical_fov_rad: 1.0,
        }
    }

    struct Drawn {
        rgb: Vec<f32>,
        depth_m: Vec<f32>,
    }

    fn drawn(rgb: &[f32], depth_m: &[f32], from: &CameraPose, to: &CameraPose) -> Drawn {
        let past = OwnDepth { width: SIZE.0, height: SIZE.1, rgb, depth_m, camera: from };
        let mut seen = Seen::default();
        seen.draw(&past, to);
        let rgb = (0..SIZE.0 * SIZE.1).flat_map(|pixel| seen.colour(rgb, pixel)).collect();
        Drawn { rgb, depth_m: seen.depth_m }
    }

    /// Depth of a floor 1.6 m below the camera and a wall 12 m off, and a smooth picture of the world's x and z.
    fn room(camera: &CameraPose) -> (Vec<f32>, Vec<f32>) {
        let (mut rgb, mut depths) = (Vec::new(), Vec::new());
        for pixel in 0..SIZE.0 * SIZE.1 {
            let direction = camera.world_from_camera.rotation
                * ray(camera, SIZE.0, SIZE.1, pixel % SIZE.0, pixel / SIZE.0);
            let eye = camera.world_from_camera.translation_m;
            let wall = (-12.0 - eye.z) / direction.z;
            let ground = -eye.y / direction.y;
            let depth_m = if ground > 0.0 && ground < wall { ground } else { wall };
            let point = eye + direction * depth_m;
            rgb.extend([(0.3 * point.x).sin(), (0.3 * point.z).sin(), (0.3 * point.y).cos()]);
            depths.push(depth_m);
        }
        (rgb, depths)
    }

    /// What `to` sees at `pixel`, so far away, `from` saw between its outermost pixels' middles.
    fn was_inside(from: &CameraPose, to: &CameraPose, pixel: usize, depth_m: f32) -> bool {
        let (width, height) = SIZE;
        let point = ray(to, width, height, pixel % width, pixel / width) * depth_m;
        let world = to.world_from_camera.transform_point(point);
        let point = from.world_from_camera.inverse().transform_point(world);
        let scale = 0.5 * height as f32 / (0.5 * from.vertical_fov_rad).tan();
        let middle = 0.5 * Vec2::new(width as f32, height as f32) - 0.5;
        let place = middle + scale * Vec2::new(point.x, -point.y) / -point.z;
        // Depth is interpolated where floor and wall meet, which moves the border a little.
        let rim = 0.05;
        place.cmpge(Vec2::splat(rim)).all() && place.cmple(2.0 * middle - rim).all()
    }

    proptest! {
        /// A walk through a room shows what is there, with its depth, and leaves no holes inside what was seen.
        #[test]
        fn a_walk_shows_the_room(yaw in -0.2f32..0.2, x in -0.6f32..0.6, ahead in 0.0f32..6.0) {
            let from = camera(0.0, Vec3::new(0.0, 1.6, 0.0));
            let to = camera(yaw, Vec3::new(x, 1.6, -ahead));
            let (rgb, depth_m) = room(&from);
            let seen = drawn(&rgb, &depth_m, &from, &to);
            let (want_rgb, want_m) = room(&to);
            let (mut known, mut wrong) = (0, 0);
            for pixel in 0..want_m.len() {
                if seen.depth_m[pixel] > 0.0 {
                    known += 1;
                    let far = (seen.depth_m[pixel] / want_m[pixel]).ln().abs() > 0.05;
                    let colour = (0..3).any(|c| (seen.rgb[3 * pixel + c] - want_rgb[3 * pixel + c]).abs() > 0.2);
                    wrong += usize::from(far || colour);
                }
            }
            // Where floor and wall meet a row of pixels is cut off.
            prop_assert!(wrong * 20 <= known, "{wrong} of {known} wrong");
            // Nothing hides anything here, but the floor at one's feet comes too near to be believed.
            let above = SIZE.0 * SIZE.1 / 2;
            let inside: Vec<usize> =
                (0..above).filter(|pixel| was_inside(&from, &to, *pixel, want_m[*pixel])).collect();
            prop_assert!(2 * inside.len() > above, "{} of {above} asked", inside.len());
            let holes: Vec<usize> =
                inside.into_iter().filter(|pixel| seen.depth_m[*pixel] == 0.0).collect();
            prop_assert!(holes.is_empty(), "holes at {holes:?}");
        }

        #[test]
        fn a_camera_that_stays_sees_the_same(yaw in -3f32..3.0, x in -5f32..5.0, seed in 0usize..100) {
            let camera = camera(yaw, Vec3::new(x, 1.6, 2.0));
            let count = SIZE.0 * SIZE.1;
            let rgb: Vec<f32> = (0..3 * count).map(|i| ((i * 7919 + seed) % 101) as f32 / 100.0).collect();
            // Steps between near and far.
            let depth_m: Vec<f32> = (0..count).map(|i| [1.0, 7.0, f32::INFINITY][(i / 5 + seed) % 3]).collect();
            let seen = drawn(&rgb, &depth_m, &camera, &camera);
            for pixel in 0..count {
                let (a, b) = (seen.depth_m[pixel], depth_m[pixel]);
                prop_assert!(a == b || (a / b).ln().abs() < 1e-3, "{a} {b}");
                let off = (0..3).map(|c| (seen.rgb[3 * pixel + c] - rgb[3 * pixel + c]).abs()).fold(0.0, f32::max);
                prop_assert!(off < 2e-2, "{off}");
            }
        }

        #[test]
        fn nothing_makes_it_panic(depth in any::<f32>(), other in any::<f32>(), yaw in any::<f32>(), x in any::<f32>()) {
            let count = SIZE.0 * SIZE.1;
            let depths: Vec<f32> = (0..count).map(|i| if i % 7 < 4 { depth } else { other }).collect();
            let seen = drawn(&vec![0.5; 3 * count], &depths, &camera(0.0, Vec3::ZERO), &camera(yaw, Vec3::splat(x)));
            prop_assert!(seen.rgb.len() == 3 * count);
        }
    }

    #[test]
    fn what_is_near_hides_what_is_far_and_nothing_spans_the_gap() {
        let (width, height) = SIZE;
        let bar = |x: usize| (18..30).contains(&x);
        let depth_m: Vec<f32> =
            (0..width * height).map(|i| if bar(i % width) { 1.0 } else { 10.0 }).collect();
        let rgb: Vec<f32> =
            (0..width * height).flat_map(|i| [f32::from(u8::from(bar(i % width))); 3]).collect();
        let seen = drawn(&rgb, &depth_m, &camera(0.0, Vec3::ZERO), &camera(0.0, Vec3::X * 0.2));
        for x in 0..width {
            let (pixel, value) = (13 * width + x, seen.rgb[3 * (13 * width + x)]);
            assert!(value < 1e-3 || value > 0.999, "{value} at column {x}: neither bar nor wall");
            let wanted = if value > 0.5 { 1.0 } else { 10.0 };
            let depth_m = seen.depth_m[pixel];
            assert!(depth_m == 0.0 || (depth_m - wanted).abs() < 1e-2, "{depth_m} m");
        }
        let gap = (0..width).filter(|x| seen.depth_m[13 * width + x] == 0.0).count();
        assert!((3..=7).contains(&gap), "{gap} columns that nobody has seen");
    }
}
