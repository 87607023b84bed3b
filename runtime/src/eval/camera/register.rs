//! From which camera does a picture look at a scene of known depth?
//!
//! Every pixel of the true frame is, with its depth, a point of the world. Sought is the camera from which those points
//! fall on pixels of the dreamed picture that look like them: direct image alignment (Lucas and Kanade 1981; Baker and
//! Matthews 2004) by reweighted Gauss–Newton, coarse to fine, from several starts. Both pictures are compared without
//! their low frequencies and in units of their own contrast, so a dream that is a little too dark or too soft is still
//! found. Roll and height stay those of the true camera: no command changes them.

use glam::{Mat3, Quat, Vec2, Vec3};
use reverie_guard::{CameraPose, Pose};
use reverie_kernels::raster::ray;

use crate::commanded::{pitch_rad, yaw_rad};
use crate::eval::metrics::Picture;

/// Below this correlation of what both pictures show the place was not found.
pub const LEAST_NCC: f32 = 0.45;
/// At least this share of the true frame's points must lie in the dreamed picture.
const LEAST_OVERLAP: f32 = 0.3;
/// Pyramids end at this height, pixels.
const LEAST_ROWS: usize = 9;
/// Steps of Gauss–Newton on a level, at most.
const STEPS: usize = 14;
/// A step smaller than this (rad, m) ends a level.
const SMALL: f32 = 1e-5;
/// Starts tried on the coarsest level around each guess: yaw and pitch, radians, and the way ahead, metres.
const YAWS_RAD: [f32; 9] = [-0.36, -0.24, -0.14, -0.06, 0.0, 0.06, 0.14, 0.24, 0.36];
const PITCHES_RAD: [f32; 5] = [-0.16, -0.07, 0.0, 0.07, 0.16];
const AHEADS_M: [f32; 3] = [-0.5, 0.0, 0.5];
/// Of those, so many are followed to the finer levels.
const FOLLOWED: usize = 3;
/// Another place than the guessed one must look so much better.
const CLEARLY: f32 = 0.04;

/// A camera, as seen from the true one: turned about +Y to the left, raised, and moved level along its heading.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Offset {
    /// Radians.
    pub yaw_rad: f32,
    /// Radians.
    pub pitch_rad: f32,
    /// Metres.
    pub right_m: f32,
    /// Metres.
    pub forward_m: f32,
}

impl Offset {
    /// The camera that is offset so from `truth`.
    pub fn camera(&self, truth: &CameraPose) -> CameraPose {
        let Pose { rotation, translation_m } = truth.world_from_camera;
        let heading = Quat::from_rotation_y(yaw_rad(truth));
        let turned =
            Quat::from_rotation_y(self.yaw_rad) * rotation * Quat::from_rotation_x(self.pitch_rad);
        let moved = translation_m + heading * Vec3::new(self.right_m, 0.0, -self.forward_m);
        CameraPose { world_from_camera: Pose::new(turned.normalize(), moved), ..*truth }
    }

    /// How `camera` is offset from `truth`; differences of roll and height are left out.
    pub fn between(truth: &CameraPose, camera: &CameraPose) -> Self {
        let way = camera.world_from_camera.translation_m - truth.world_from_camera.translation_m;
        let way = Quat::from_rotation_y(-yaw_rad(truth)) * way;
        Self {
            yaw_rad: wrapped(yaw_rad(camera) - yaw_rad(truth)),
            pitch_rad: pitch_rad(camera) - pitch_rad(truth),
            right_m: way.x,
            forward_m: -way.z,
        }
    }

    fn values(&self) -> [f32; 4] {
        [self.yaw_rad, self.pitch_rad, self.right_m, self.forward_m]
    }

    fn plus(&self, step: [f32; 4]) -> Self {
        let [yaw, pitch, right, forward] = self.values();
        Self {
            yaw_rad: yaw + step[0],
            pitch_rad: pitch + step[1],
            right_m: right + step[2],
            forward_m: forward + step[3],
        }
    }
}

/// An angle between −π and π.
pub(super) fn wrapped(angle_rad: f32) -> f32 {
    use std::f32::consts::{PI, TAU};
    (angle_rad + PI).rem_euclid(TAU) - PI
}

/// Where a picture was found to look from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Registered {
    /// From the true camera.
    pub offset: Offset,
    /// Normalised correlation of both pictures there, −1 to 1, without their low frequencies.
    pub ncc: f32,
    /// Share of the true frame's points that lie in the picture, 0 to 1.
    pub overlap: f32,
}

impl Registered {
    /// The picture shows the scene well enough from there for the place to mean anything.
    pub fn is_valid(&self) -> bool {
        self.ncc >= LEAST_NCC && self.overlap >= LEAST_OVERLAP
    }
}

/// A true frame, made ready to find pictures of the same scene.
#[derive(Debug)]
pub struct Registration {
    camera: CameraPose,
    heading: Mat3,
    /// Finest first.
    levels: Vec<Points>,
}

/// The points of one level of the pyramid.
#[derive(Debug)]
struct Points {
    width: usize,
    height: usize,
    /// In the true camera's frame; directions if `far`.
    at: Vec<Vec3>,
    far: Vec<bool>,
    grey: Vec<f32>,
}

/// One level of the other picture's pyramid.
#[derive(Debug)]
struct Level {
    width: usize,
    height: usize,
    grey: Vec<f32>,
}

impl Registration {
    /// Of the true picture, with its depth along −Z in metres, infinite in the sky, one a pixel.
    ///
    /// # Panics
    /// `depth_m` is of another size than the picture.
    pub fn new(truth: Picture, depth_m: &[f32], camera: &CameraPose) -> Self {
        let (width, height) = (truth.width(), truth.height());
        assert_eq!(depth_m.len(), width * height, "depths of {width}×{height} pixels");
        let levels = pyramid(truth).into_iter().enumerate().map(|(number, level)| {
            let scale = 1 << number;
            let (mut at, mut far) = (Vec::new(), Vec::new());
            for y in 0..level.height {
                for x in 0..level.width {
                    let pixel = (y * scale + scale / 2) * width + x * scale + scale / 2;
                    let depth_m = depth_m[pixel];
                    let along = ray(camera, level.width, level.height, x, y);
                    far.push(!depth_m.is_finite());
                    at.push(if depth_m.is_finite() { along * depth_m } else { along });
                }
            }
            Points { width: level.width, height: level.height, at, far, grey: level.grey }
        });
        Self {
            camera: *camera,
            heading: Mat3::from_rotation_y(yaw_rad(camera)),
            levels: levels.collect(),
        }
    }

    /// Where the points are in a camera that is offset so, and how they move there with each part of the offset.
    fn carry(&self, offset: &Offset) -> Carried {
        let truth = self.camera.world_from_camera.rotation_matrix();
        let there = offset.camera(&self.camera).world_from_camera.rotation_matrix();
        let there_from_world = there.transpose();
        let way = self.heading * Vec3::new(offset.right_m, 0.0, -offset.forward_m);
        Carried {
            rotation: there_from_world * truth,
            translation: -(there_from_world * way),
            up: there_from_world * Vec3::Y,
            right: there_from_world * (self.heading * Vec3::X),
            ahead: there_from_world * (self.heading * Vec3::NEG_Z),
        }
    }
}

struct Carried {
    rotation: Mat3,
    translation: Vec3,
    up: Vec3,
    right: Vec3,
    ahead: Vec3,
}

/// Finds from where `picture` looks, beginning at each of `guesses`; the first is believed unless another place looks
/// clearly better.
///
/// # Panics
/// The picture is of another size than the true one.
pub fn register(truth: &Registration, picture: Picture, guesses: &[Offset]) -> Registered {
    let levels = pyramid(picture);
    let tangent = (0.5 * truth.camera.vertical_fov_rad).tan();
    let finest = (levels[0].width, levels[0].height);
    assert_eq!(finest, (truth.levels[0].width, truth.levels[0].height), "pictures differ in size");
    let coarsest = levels.len() - 1;
    let look = |level: usize, offset: &Offset| {
        compare(truth, &truth.levels[level], &levels[level], tangent, offset)
    };
    let mut starts: Vec<Offset> = guesses.to_vec();
    if starts.is_empty() {
        starts.push(Offset::default());
    }
    let mut around: Vec<(f32, Offset)> = Vec::new();
    for guess in &starts {
        for yaw in YAWS_RAD {
            for pitch in PITCHES_RAD {
                for ahead in AHEADS_M {
                    let start = guess.plus([yaw, pitch, 0.0, ahead]);
                    let (ncc, overlap) = look(coarsest, &start);
                    around.push((if overlap < LEAST_OVERLAP { -1.0 } else { ncc }, start));
                }
            }
        }
    }
    around.sort_by(|a, b| b.0.total_cmp(&a.0));
    starts.extend(around.iter().take(FOLLOWED).map(|(_, start)| *start));
    // One above the finest is fine enough to choose by.
    let chosen_by = 1.min(coarsest);
    let mut best: Option<(f32, Offset)> = None;
    for start in starts {
        let mut offset = start;
        for level in (chosen_by..=coarsest).rev() {
            offset = align(truth, &truth.levels[level], &levels[level], tangent, offset);
        }
        let (ncc, overlap) = look(chosen_by, &offset);
        let score = if overlap < LEAST_OVERLAP { -1.0 } else { ncc };
        if best.is_none_or(|(so_far, _)| score > so_far + CLEARLY) {
            best = Some((score, offset));
        }
    }
    let offset = best.map_or(Offset::default(), |(_, offset)| offset);
    let offset = align(truth, &truth.levels[0], &levels[0], tangent, offset);
    let (ncc, overlap) = look(chosen_by, &offset);
    Registered { offset, ncc, overlap }
}

/// Pixels per unit of slope, and the place of slope 0, in index coordinates.
fn projection(level: &Level, tangent: f32) -> (f32, Vec2) {
    let size = Vec2::new(level.width as f32, level.height as f32);
    (0.5 * size.y / tangent, 0.5 * size - 0.5)
}

fn place(at: Vec3, scale: f32, middle: Vec2) -> Option<Vec2> {
    let depth = -at.z;
    (depth > 0.05).then(|| Vec2::new(at.x, -at.y) * (scale / depth) + middle)
}

/// Correlation of both pictures at an offset, and the share of points that are in view.
fn compare(
    truth: &Registration,
    points: &Points,
    picture: &Level,
    tangent: f32,
    offset: &Offset,
) -> (f32, f32) {
    let carried = truth.carry(offset);
    let (scale, middle) = projection(picture, tangent);
    let (mut count, mut a, mut b, mut aa, mut bb, mut ab) = (0.0f64, 0.0, 0.0, 0.0, 0.0, 0.0);
    for (index, at) in points.at.iter().enumerate() {
        let shift = if points.far[index] { Vec3::ZERO } else { carried.translation };
        let place = place(carried.rotation * *at + shift, scale, middle);
        let Some((there, _)) = place.and_then(|place| picture.sample(place)) else { continue };
        let (here, there) = (f64::from(points.grey[index]), f64::from(there));
        count += 1.0;
        a += here;
        b += there;
        aa += here * here;
        bb += there * there;
        ab += here * there;
    }
    if count < 8.0 {
        return (-1.0, 0.0);
    }
    let spread = |square: f64, sum: f64| (square - sum * sum / count).max(1e-12);
    let ncc = (ab - a * b / count) / (spread(aa, a) * spread(bb, b)).sqrt();
    (ncc as f32, (count / points.at.len() as f64) as f32)
}

/// Gauss–Newton on one level, with weights that fall off beyond the median residual (Cauchy).
fn align(
    truth: &Registration,
    points: &Points,
    picture: &Level,
    tangent: f32,
    start: Offset,
) -> Offset {
    let (scale, middle) = projection(picture, tangent);
    let mut offset = start;
    let mut rows: Vec<([f32; 4], f32)> = Vec::with_capacity(points.at.len());
    let mut best = (compare(truth, points, picture, tangent, &start).0, start);
    let mut stray = 0;
    for _ in 0..STEPS {
        let carried = truth.carry(&offset);
        rows.clear();
        for (index, at) in points.at.iter().enumerate() {
            let far = points.far[index];
            let shift = if far { Vec3::ZERO } else { carried.translation };
            let at = carried.rotation * *at + shift;
            let Some((value, slope)) = place(at, scale, middle).and_then(|p| picture.sample(p))
            else {
                continue;
            };
            let depth = -at.z;
            let change = |moved: Vec3| {
                let across = scale * (moved.x / depth + at.x * moved.z / (depth * depth));
                let down = -scale * (moved.y / depth + at.y * moved.z / (depth * depth));
                slope.x * across + slope.y * down
            };
            // A camera that turns sees its points turn the other way.
            let part = |moved: Vec3| if far { 0.0 } else { change(-moved) };
            let row = [
                change(-carried.up.cross(at)),
                change(-Vec3::X.cross(at)),
                part(carried.right),
                part(carried.ahead),
            ];
            rows.push((row, value - points.grey[index]));
        }
        let Some(step) = step(&mut rows) else { break };
        // Far from the place the picture's slope says little: no step beyond a few pixels of a coarse level.
        let limits = [0.08, 0.08, 0.4, 0.4];
        let step = std::array::from_fn(|i| step[i].clamp(-limits[i], limits[i]));
        offset = offset.plus(step);
        let ncc = compare(truth, points, picture, tangent, &offset).0;
        if ncc > best.0 {
            best = (ncc, offset);
            stray = 0;
        } else {
            stray += 1;
        }
        if stray > 3 || step.iter().all(|value: &f32| value.abs() < SMALL) {
            break;
        }
    }
    best.1
}

/// The weighted least-squares step against the residuals of `rows`; `None` if they do not determine one.
fn step(rows: &mut [([f32; 4], f32)]) -> Option<[f32; 4]> {
    if rows.len() < 16 {
        return None;
    }
    let mut sizes: Vec<f32> = rows.iter().map(|(_, residual)| residual.abs()).collect();
    let middle = sizes.len() / 2;
    let (_, median, _) = sizes.select_nth_unstable_by(middle, f32::total_cmp);
    let scale = 2.0 * median.max(1e-4);
    let (mut normal, mut right) = ([[0.0f64; 4]; 4], [0.0f64; 4]);
    for (row, residual) in rows.iter() {
        let weight = f64::from(1.0 / (1.0 + (residual / scale).powi(2)));
        for i in 0..4 {
            right[i] -= weight * f64::from(row[i] * residual);
            for j in 0..4 {
                normal[i][j] += weight * f64::from(row[i] * row[j]);
            }
        }
    }
    // Levenberg's damping, so that what the picture does not tell (a wall without texture) stays where it is.
    for (i, row) in normal.iter_mut().enumerate() {
        row[i] += 1e-3 * row[i] + 1e-3;
    }
    solve(normal, right)
}

/// Gauss elimination with pivots.
fn solve(mut normal: [[f64; 4]; 4], mut right: [f64; 4]) -> Option<[f32; 4]> {
    for column in 0..4 {
        let pivot = (column..4)
            .max_by(|a, b| normal[*a][column].abs().total_cmp(&normal[*b][column].abs()))?;
        normal.swap(column, pivot);
        right.swap(column, pivot);
        let lead = normal[column][column];
        if !(lead.abs() > 1e-12) {
            return None;
        }
        for row in column + 1..4 {
            let factor = normal[row][column] / lead;
            let above = normal[column];
            for (value, above) in normal[row].iter_mut().zip(above) {
                *value -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    let mut found = [0.0f64; 4];
    for row in (0..4).rev() {
        let known: f64 = (row + 1..4).map(|i| normal[row][i] * found[i]).sum();
        found[row] = (right[row] - known) / normal[row][row];
    }
    found.iter().all(|value| value.is_finite()).then(|| found.map(|value| value as f32))
}

impl Level {
    /// Value and slope per pixel at a place, between its four pixels; `None` beyond the outermost ones.
    fn sample(&self, place: Vec2) -> Option<(f32, Vec2)> {
        let inside = place.x >= 0.0
            && place.y >= 0.0
            && place.x < (self.width - 1) as f32
            && place.y < (self.height - 1) as f32;
        if !inside {
            return None;
        }
        let (x, y) = (place.x as usize, place.y as usize);
        let (u, v) = (place.x - x as f32, place.y - y as f32);
        let corner = y * self.width + x;
        let [a, b] = [self.grey[corner], self.grey[corner + 1]];
        let [c, d] = [self.grey[corner + self.width], self.grey[corner + self.width + 1]];
        let value = (a * (1.0 - u) + b * u) * (1.0 - v) + (c * (1.0 - u) + d * u) * v;
        let slope = Vec2::new((b - a) * (1.0 - v) + (d - c) * v, (c - a) * (1.0 - u) + (d - b) * u);
        Some((value, slope))
    }

    /// Without what is broader than a fifth of the picture's height, in units of the rest's deviation.
    fn plain(width: usize, height: usize, grey: &[f32]) -> Self {
        let around = (height / 10).max(1);
        let broad = blurred(width, height, &blurred(width, height, grey, around), around);
        let mut grey: Vec<f32> =
            grey.iter().zip(broad).map(|(value, broad)| value - broad).collect();
        let count = grey.len().max(1) as f32;
        let deviation = (grey.iter().map(|v| v * v).sum::<f32>() / count).sqrt().max(1e-4);
        grey.iter_mut().for_each(|value| *value /= deviation);
        Self { width, height, grey }
    }
}

/// Mean over a square of `2 * around + 1` pixels, smaller at the border.
fn blurred(width: usize, height: usize, grey: &[f32], around: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; (width + 1) * (height + 1)];
    for y in 0..height {
        let mut row = 0.0;
        for x in 0..width {
            row += f64::from(grey[y * width + x]);
            sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
        }
    }
    let mut mean = Vec::with_capacity(width * height);
    for y in 0..height {
        let (top, bottom) = (y.saturating_sub(around), (y + around + 1).min(height));
        for x in 0..width {
            let (left, right) = (x.saturating_sub(around), (x + around + 1).min(width));
            let at = |y: usize, x: usize| sums[y * (width + 1) + x];
            let sum = at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left);
            mean.push((sum / ((bottom - top) * (right - left)) as f64) as f32);
        }
    }
    mean
}

/// Halves the picture while both sides are even and it stays large enough; finest first.
fn pyramid(picture: Picture) -> Vec<Level> {
    let (mut width, mut height) = (picture.width(), picture.height());
    let mut grey = picture.luma();
    let mut levels = vec![Level::plain(width, height, &grey)];
    while width.is_multiple_of(2) && height.is_multiple_of(2) && height / 2 >= LEAST_ROWS {
        let half = |i: usize| {
            let corner = i / (width / 2) * 2 * width + i % (width / 2) * 2;
            0.25 * (grey[corner]
                + grey[corner + 1]
                + grey[corner + width]
                + grey[corner + width + 1])
        };
        grey = (0..width * height / 4).map(half).collect();
        (width, height) = (width / 2, height / 2);
        levels.push(Level::plain(width, height, &grey));
    }
    levels
}

#[cfg(test)]
mod tests {
    use reverie_kernels::raster::unproject;

    use super::*;

    const SIZE: (usize, usize) = (128, 72);

    fn camera() -> CameraPose {
        let rotation = Quat::from_rotation_y(0.4) * Quat::from_rotation_x(-0.1);
        CameraPose {
            world_from_camera: Pose::new(rotation, Vec3::new(1.0, 1.6, 2.0)),
            vertical_fov_rad: 1.05,
        }
    }

    /// A room with textured walls, floor and two pillars, by rays: its picture and depth.
    fn room(camera: &CameraPose) -> (Vec<f32>, Vec<f32>) {
        let (width, height) = SIZE;
        let eye = camera.world_from_camera.translation_m;
        let (mut rgb, mut depths) = (Vec::new(), Vec::new());
        for pixel in 0..width * height {
            let (x, y) = (pixel % width, pixel / width);
            let way = unproject(camera, width, height, x, y, 1.0) - eye;
            let mut depth = f32::INFINITY;
            let mut toward = |distance: f32| {
                if distance > 0.01 && distance < depth {
                    depth = distance;
                }
            };
            toward(-eye.y / way.y);
            for (axis, wall) in [(0, -6.0), (0, 6.0), (2, -8.0), (2, 8.0)] {
                let hit = (wall - eye[axis]) / way[axis];
                let height = eye.y + hit * way.y;
                if (0.0..4.0).contains(&height) {
                    toward(hit);
                }
            }
            for pillar in [Vec3::new(-1.5, 0.0, -3.0), Vec3::new(-3.0, 0.0, -1.0)] {
                let (flat, from) = (way.with_y(0.0), (eye - pillar).with_y(0.0));
                let (a, b) = (flat.dot(flat), from.dot(flat));
                let room = b * b - a * (from.dot(from) - 0.16);
                if room > 0.0 {
                    toward((-b - room.sqrt()) / a);
                }
            }
            let point = eye + way * depth.min(1e3);
            let wave = (2.3 * point.x + 0.7 * (1.9 * point.z).sin()).sin()
                * (2.9 * point.z + 1.3 * point.y).cos()
                + 0.6 * (5.1 * point.y + 1.7 * point.x - 3.0 * point.z).sin();
            let value = if depth.is_finite() { 0.5 + 0.2 * wave } else { 0.8 };
            rgb.extend([value, 0.9 * value, 0.8 * value]);
            depths.push(depth);
        }
        (rgb, depths)
    }

    fn picture(rgb: &[f32]) -> Picture<'_> {
        Picture::new(SIZE.0, SIZE.1, rgb)
    }

    fn found(offset: Offset, change: impl Fn(f32) -> f32) -> Registered {
        let (truth, depth_m) = room(&camera());
        let (seen, _) = room(&offset.camera(&camera()));
        let seen: Vec<f32> = seen.into_iter().map(change).collect();
        let truth = Registration::new(picture(&truth), &depth_m, &camera());
        register(&truth, picture(&seen), &[Offset::default()])
    }

    #[test]
    fn a_known_offset_is_found() {
        for (yaw_deg, pitch_deg, right_m, forward_m) in [
            (0.0, 0.0, 0.0, 0.0),
            (4.0, 0.0, 0.0, 0.0),
            (-12.0, 5.0, 0.1, -0.2),
            (2.0, -3.0, -0.3, 0.35),
            (18.0, 0.0, 0.0, 0.4),
            (0.5, 0.3, 0.05, 0.0),
        ] {
            let offset = Offset {
                yaw_rad: f32::to_radians(yaw_deg),
                pitch_rad: f32::to_radians(pitch_deg),
                right_m,
                forward_m,
            };
            // Too dark, too flat: a dream often is.
            for change in [|v: f32| v, |v: f32| 0.15 + 0.6 * v] {
                let found = found(offset, change);
                assert!(found.is_valid(), "{offset:?}: {found:?}");
                let error =
                    Offset::between(&offset.camera(&camera()), &found.offset.camera(&camera()));
                let [yaw, pitch, right, forward] = error.values();
                let turned = yaw.hypot(pitch).to_degrees();
                let moved = right.hypot(forward);
                // After a wide turn a third of the picture is no longer common to both.
                let most_deg = if found.overlap > 0.7 { 0.2 } else { 0.4 };
                assert!(
                    turned < most_deg && moved < 0.05,
                    "{offset:?}: {found:?}, {turned} deg, {moved} m"
                );
            }
        }
    }

    #[test]
    fn another_scene_is_not_found() {
        let (truth, depth_m) = room(&camera());
        let truth = Registration::new(picture(&truth), &depth_m, &camera());
        let noise = |i: usize| ((i / 3 * 7919 + 13) % 101) as f32 / 100.0;
        let other: Vec<f32> = (0..3 * SIZE.0 * SIZE.1).map(noise).collect();
        assert!(!register(&truth, picture(&other), &[Offset::default()]).is_valid());
        let flat = vec![0.5; other.len()];
        assert!(!register(&truth, picture(&flat), &[]).is_valid());
    }

    #[test]
    fn an_offset_and_its_camera_say_the_same() {
        let offset = Offset { yaw_rad: 0.3, pitch_rad: -0.2, right_m: 0.4, forward_m: -0.7 };
        let back = Offset::between(&camera(), &offset.camera(&camera()));
        for (a, b) in offset.values().into_iter().zip(back.values()) {
            assert!((a - b).abs() < 1e-5, "{offset:?} {back:?}");
        }
    }
}
