//! What a dream goes on from: pictures with the depth of their pixels, as they look from where the commands take the camera.
//!
//! The last anchored pictures, its *origins*, have the shadow's own depth and are carried anew to each camera, so that what they showed stays
//! sharp and in its place however long the dream lasts. The picture before the next one fills in what no origin shows; its depth is
//! carried along with its colours, and read from the decoder only where something new came into view.

use std::collections::VecDeque;

use glam::Vec3;
use reverie_guard::CameraPose;
use reverie_kernels::raster::ray;
use reverie_kernels::warp::splat::SKY_M;
use reverie_kernels::warp::{OwnDepth, splat};

/// A depth from which a carried point is sky, as a share of how far the sky is thought.
const SKY_SHARE: f32 = 0.1;

/// A surface lies before another one if it is nearer by this factor.
const NEARER: f32 = 0.8;
/// Of its eight neighbours so many must be known for an unknown pixel to be a crack and not a gap,
const CRACK_NEIGHBOURS: usize = 5;
/// and so many must lie before a known one.
const HIDDEN_NEIGHBOURS: usize = 7;
/// Origins that are kept.
const MOST_ORIGINS: usize = 8;
/// An origin nearer than this to the newest one, in place and view, takes its place.
const NEAR_M: f32 = 0.5;
const NEAR_RAD: f32 = 0.2;

/// A picture that was shown.
#[derive(Debug)]
pub(super) struct Shown {
    /// −1 to 1, interleaved.
    pub rgb: Vec<f32>,
    /// Along the view, infinite for the sky; 0 where a pixel is not to be carried.
    pub depth_m: Vec<f32>,
    pub camera: CameraPose,
}

impl Shown {
    /// The point of each pixel in the world, metres, interleaved.
    fn points_m(&self, width: usize, height: usize) -> Vec<f32> {
        let point = |(pixel, depth_m): (usize, &f32)| {
            let direction: Vec3 = ray(&self.camera, width, height, pixel % width, pixel / width);
            let at = direction * depth_m.min(SKY_M);
            self.camera.world_from_camera.transform_point(at).to_array()
        };
        self.depth_m.iter().enumerate().flat_map(point).collect()
    }
}

/// The pictures that a dream goes on from, the newest last.
#[derive(Debug, Default)]
pub(super) struct Origins(VecDeque<Shown>);

impl Origins {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes in a picture that was not dreamed.
    pub fn put(&mut self, shown: Shown) {
        if let [.., older, newest] = &*self.0.make_contiguous() {
            let (a, b) = (older.camera.world_from_camera, newest.camera.world_from_camera);
            let way_m = a.translation_m.distance(b.translation_m);
            // The newest one stays whatever it is; the one before it only if it shows enough else.
            if way_m < NEAR_M && a.rotation.angle_between(b.rotation) < NEAR_RAD {
                self.0.pop_back();
            }
        }
        self.0.push_back(shown);
        if self.0.len() > MOST_ORIGINS {
            self.0.pop_front();
        }
    }
}

/// Pictures as another camera sees them.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// −1 to 1, interleaved.
    pub rgb: Vec<f32>,
    /// 1 where a pixel of a picture fell, 0 where the picture is filled in.
    pub known: Vec<f32>,
    /// Along the view, infinite for the sky; 0 where nothing is known.
    pub depth_m: Vec<f32>,
}

impl Carried {
    /// Nothing is known.
    pub fn clear(&mut self, width: usize, height: usize) {
        for (map, values) in [(&mut self.rgb, 3), (&mut self.known, 1), (&mut self.depth_m, 1)] {
            map.clear();
            map.resize(values * width * height, 0.0);
        }
    }

    /// Carries `last`, and over it what the `origins` show, to `camera`.
    pub fn carry(
        &mut self,
        (width, height): (usize, usize),
        last: &Shown,
        origins: &Origins,
        camera: &CameraPose,
    ) {
        self.clear(width, height);
        let (mut rgb, mut points_m, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for shown in std::iter::once(last).chain(&origins.0) {
            let is_last = std::ptr::eq(shown, last);
            let mut draw = |values: &[f32], out: &mut Vec<f32>| {
                let (depth_m, from) = (&shown.depth_m, &shown.camera);
                let past = OwnDepth { width, height, rgb: values, depth_m, camera: from };
                splat(&past, camera, out, &mut known);
            };
            draw(&shown.points_m(width, height), &mut points_m);
            draw(&shown.rgb, &mut rgb);
            if is_last {
                // What nothing falls on is filled in from the last picture.
                self.rgb.copy_from_slice(&rgb);
            }
            let mut depth: Vec<f32> = known
                .iter()
                .zip(points_m.chunks_exact(3))
                .map(|(known, point)| if *known > 0.0 { depth_m(camera, point) } else { 0.0 })
                .collect();
            close_cracks((width, height), &mut rgb, &mut depth);
            for (pixel, depth_m) in depth.iter().enumerate().filter(|(_, depth)| **depth > 0.0) {
                let three = 3 * pixel..3 * pixel + 3;
                self.rgb[three.clone()].copy_from_slice(&rgb[three]);
                self.known[pixel] = 1.0;
                self.depth_m[pixel] = *depth_m;
            }
        }
    }
}

/// Closes pixels that nothing fell on, or something that lies behind, while most of those around them show something nearer: what comes nearer is
/// drawn larger than it was seen, and between its pixels cracks open. `depth_m` is 0 where nothing is known.
fn close_cracks((width, height): (usize, usize), rgb: &mut [f32], depth_m: &mut [f32]) {
    let before = depth_m.to_vec();
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let pixel = y * width + x;
            let rows = [pixel - width, pixel, pixel + width];
            let around = rows.into_iter().flat_map(|row| row - 1..=row + 1);
            let own_m = before[pixel];
            let is_before = |other: &usize| {
                before[*other] > 0.0 && (own_m == 0.0 || before[*other] < NEARER * own_m)
            };
            let count = around.clone().filter(is_before).count();
            let enough = if own_m == 0.0 { CRACK_NEIGHBOURS } else { HIDDEN_NEIGHBOURS };
            if count < enough {
                continue;
            }
            for c in 0..3 {
                let sum: f32 =
                    around.clone().filter(is_before).map(|other| rgb[3 * other + c]).sum();
                rgb[3 * pixel + c] = sum / count as f32;
            }
            let sum: f32 = around.filter(is_before).map(|other| before[other]).sum();
            depth_m[pixel] = sum / count as f32;
        }
    }
}

/// Along the view of `camera` to a point in the world, infinite for the sky.
fn depth_m(camera: &CameraPose, point_m: &[f32]) -> f32 {
    let there = camera.world_from_camera.inverse();
    let z = there.transform_point(Vec3::from_slice(point_m)).z;
    if -z > SKY_SHARE * SKY_M { f32::INFINITY } else { (-z).max(0.0) }
}

#[cfg(test)]
mod tests {
    use glam::Quat;
    use proptest::prelude::*;
    use reverie_guard::Pose;

    use super::*;

    const SIZE: (usize, usize) = (32, 18);

    fn camera(yaw_rad: f32, at_m: Vec3) -> CameraPose {
        CameraPose {
            world_from_camera: Pose::new(Quat::from_rotation_y(yaw_rad), at_m),
            vertical_fov_rad: 1.0,
        }
    }

    /// A wall straight before the first camera, grey but for a white left half.
    fn wall(distance_m: f32, white: f32) -> Shown {
        let count = SIZE.0 * SIZE.1;
        let rgb = (0..count).flat_map(|i| [if i % SIZE.0 < SIZE.0 / 2 { white } else { 0.0 }; 3]);
        Shown {
            rgb: rgb.collect(),
            depth_m: vec![distance_m; count],
            camera: camera(0.0, Vec3::ZERO),
        }
    }

    proptest! {
        #[test]
        fn depth_is_carried_with_the_walk(distance_m in 3.0f32..30.0, step_m in 0.0f32..1.5) {
            let mut carried = Carried::default();
            let to = camera(0.0, Vec3::NEG_Z * step_m);
            carried.carry(SIZE, &wall(distance_m, 1.0), &Origins::default(), &to);
            for (depth, known) in carried.depth_m.iter().zip(&carried.known) {
                let wanted = if *known > 0.0 { distance_m - step_m } else { 0.0 };
                prop_assert!((depth - wanted).abs() < 1e-2 * wanted.max(1.0), "{depth} {wanted}");
            }
        }
    }

    #[test]
    fn the_origin_lies_over_the_last_picture_and_moving_pixels_are_left_out() {
        let mut origin = wall(8.0, 1.0);
        origin.depth_m[5] = 0.0;
        let mut carried = Carried::default();
        let mut origins = Origins::default();
        origins.put(origin);
        carried.carry(SIZE, &wall(8.0, -1.0), &origins, &camera(0.0, Vec3::ZERO));
        assert!((carried.rgb[0] - 1.0).abs() < 1e-3, "{}", carried.rgb[0]);
        assert!((carried.rgb[3 * 5] + 1.0).abs() < 1e-3, "{}", carried.rgb[15]);
    }

    #[test]
    fn origins_that_show_the_same_take_each_others_place_and_there_are_never_many() {
        let mut origins = Origins::default();
        let mut put = |yaw_rad: f32| {
            origins.put(Shown { camera: camera(yaw_rad, Vec3::ZERO), ..wall(8.0, 1.0) });
            origins.0.len()
        };
        assert!((0..20).map(|i| put(0.001 * i as f32)).max() <= Some(2));
        assert_eq!((0..40).map(|i| put(0.3 * i as f32)).last(), Some(MOST_ORIGINS));
    }

    #[test]
    fn the_sky_stays_the_sky() {
        let mut carried = Carried::default();
        let to = camera(0.2, Vec3::new(3.0, 0.0, -4.0));
        carried.carry(SIZE, &wall(f32::INFINITY, 1.0), &Origins::default(), &to);
        assert!(
            carried
                .known
                .iter()
                .zip(&carried.depth_m)
                .all(|(k, d)| *k == 0.0 || *d == f32::INFINITY)
        );
        assert!(carried.known.iter().sum::<f32>() > 0.5 * carried.known.len() as f32);
    }
}
