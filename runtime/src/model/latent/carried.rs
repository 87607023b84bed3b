//! What a dream goes on from: pictures with the depth of their pixels, as they look from where the commands take the camera.
//!
//! The last anchored pictures, its *origins*, have the shadow's own depth and are carried anew to each camera, so that what they showed stays
//! sharp and in its place however long the dream lasts. The picture before the next one fills in what no origin shows; its depth is
//! carried along with its colours, and read from the decoder only where something new came into view.

use std::collections::VecDeque;

use reverie_guard::CameraPose;
use reverie_kernels::warp::mesh::Seen;
use reverie_kernels::warp::{OwnDepth, splat};

/// Surfaces whose depths differ by less than this share are the same one.
const SAME: f32 = 0.1;
/// A surface that another origin shows as well is taken from there if it is at least this fine in comparison: of equals the newer one.
const AS_FINE: f32 = 0.9;
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
    // Buffers.
    fineness: Vec<f32>,
    seen: Vec<Seen>,
}

impl Carried {
    /// Nothing is known.
    pub fn clear(&mut self, width: usize, height: usize) {
        for (map, values) in [(&mut self.rgb, 3), (&mut self.known, 1), (&mut self.depth_m, 1)] {
            map.clear();
            map.resize(values * width * height, 0.0);
        }
    }

    /// Carries to `camera` what the `origins` show, and where none of them shows anything, `last`.
    pub fn carry(
        &mut self,
        (width, height): (usize, usize),
        last: &Shown,
        origins: &Origins,
        camera: &CameraPose,
    ) {
        self.clear(width, height);
        self.fineness.clear();
        self.fineness.resize(width * height, 0.0);
        let mut from: Vec<Option<usize>> = vec![None; width * height];
        let pictures: Vec<&Shown> = origins.0.iter().chain(std::iter::once(last)).collect();
        self.seen.resize_with(pictures.len(), Seen::default);
        for (number, (shown, seen)) in pictures.iter().zip(&mut self.seen).enumerate() {
            let is_last = number + 1 == pictures.len();
            let (rgb, depth_m, taken) = (&shown.rgb, &shown.depth_m, &shown.camera);
            seen.draw(&OwnDepth { width, height, rgb, depth_m, camera: taken }, camera);
            for (pixel, from) in from.iter_mut().enumerate() {
                let (there, here) = (seen.depth_m[pixel], self.depth_m[pixel]);
                let fine = AS_FINE * self.fineness[pixel] <= seen.fineness[pixel];
                // Of true depths the nearest one hides the others; a dream's own is never sure enough for that.
                let nearer = there < (1.0 - SAME) * here;
                let hides = !is_last && (nearer || fine && (1.0 - SAME) * there <= here);
                if there > 0.0 && (here == 0.0 || hides) {
                    *from = Some(number);
                    self.depth_m[pixel] = there;
                    self.fineness[pixel] = seen.fineness[pixel];
                }
            }
        }
        // What a dream saw itself falls into the new picture as it does in training, point by point.
        let (mut rgb, mut known) = (Vec::new(), Vec::new());
        let past = OwnDepth {
            width,
            height,
            rgb: &last.rgb,
            depth_m: &last.depth_m,
            camera: &last.camera,
        };
        splat(&past, camera, &mut rgb, &mut known);
        for (pixel, from) in from.into_iter().enumerate() {
            let three = 3 * pixel..3 * pixel + 3;
            match from {
                Some(number) if number + 1 < pictures.len() => {
                    let colour = self.seen[number].colour(&pictures[number].rgb, pixel);
                    self.rgb[three].copy_from_slice(&colour);
                    self.known[pixel] = 1.0;
                }
                _ => {
                    self.rgb[three.clone()].copy_from_slice(&rgb[three]);
                    if known[pixel] > 0.0 && from.is_some() {
                        self.known[pixel] = 1.0;
                    } else {
                        self.depth_m[pixel] = 0.0;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::{Quat, Vec3};
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
