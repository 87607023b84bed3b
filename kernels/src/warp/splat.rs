//! Carrying a picture to another camera by its own depth, where no shadow says what is there.
//!
//! Forward warping: each pixel is a point that falls between four pixels of the other picture; nearer points hide those behind
//! them. What nothing falls on is filled with the nearest pixel of its row that is known, so that a turn has colours at its border.

use glam::Vec3;

use crate::geometry::{CameraPose, floor};
use crate::raster::ray;

/// A share of a pixel's weight from which it counts as known.
pub const LEAST_WEIGHT: f32 = 0.25;
/// A point hides those that are farther by this factor.
pub const HIDES: f32 = 1.05;
/// As far as the sky is thought, metres.
pub const SKY_M: f32 = 1e5;
/// Nearer than this nothing is seen, metres.
pub const NEAR_M: f32 = 0.05;

/// A picture with its own idea of depth.
#[derive(Debug, Clone, Copy)]
pub struct OwnDepth<'a> {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Three values a pixel.
    pub rgb: &'a [f32],
    /// Along the view, infinite for the sky.
    pub depth_m: &'a [f32],
    /// Where it was taken from.
    pub camera: &'a CameraPose,
}

struct Fall {
    /// Upper left of the four pixels.
    x: i32,
    y: i32,
    weights: [f32; 4],
    depth_m: f32,
}

/// Draws `past` as `camera` sees it: `rgb` is 3 values a pixel, `known` 1 where a past pixel fell and 0 where the picture is filled in.
///
/// Both buffers are resized. Pixels whose depth is not a positive number are left out.
pub fn splat(past: &OwnDepth, camera: &CameraPose, rgb: &mut Vec<f32>, known: &mut Vec<f32>) {
    let (width, height) = (past.width, past.height);
    let count = width * height;
    let falls: Vec<Option<Fall>> =
        (0..count.min(past.depth_m.len())).map(|i| fall(past, camera, i)).collect();
    let mut nearest = vec![f32::INFINITY; count];
    let targets = |fall: &Fall| {
        let (x, y) = (fall.x, fall.y);
        let at = [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)];
        let weights = fall.weights;
        (0..4).filter_map(move |k| {
            let (x, y) = at[k];
            let inside = x >= 0 && y >= 0 && x < width as i32 && y < height as i32;
            (inside && weights[k] > 0.0).then(|| (y as usize * width + x as usize, weights[k]))
        })
    };
    for fall in falls.iter().flatten() {
        for (pixel, weight) in targets(fall) {
            if weight > LEAST_WEIGHT {
                nearest[pixel] = nearest[pixel].min(fall.depth_m);
            }
        }
    }
    rgb.clear();
    rgb.resize(3 * count, 0.0);
    known.clear();
    known.resize(count, 0.0);
    for (i, fall) in falls.iter().enumerate() {
        let Some(fall) = fall else { continue };
        for (pixel, weight) in targets(fall) {
            if fall.depth_m <= nearest[pixel] * HIDES {
                known[pixel] += weight;
                for c in 0..3 {
                    rgb[3 * pixel + c] += weight * past.rgb[3 * i + c];
                }
            }
        }
    }
    for (pixel, known) in known.iter_mut().enumerate() {
        if *known >= LEAST_WEIGHT {
            rgb[3 * pixel..3 * pixel + 3].iter_mut().for_each(|v| *v /= *known);
            *known = 1.0;
        } else {
            *known = 0.0;
        }
    }
    fill_rows(width, rgb, known, past.rgb);
}

/// Where a pixel falls in the other picture; `None` behind the camera or without a depth.
fn fall(past: &OwnDepth, camera: &CameraPose, pixel: usize) -> Option<Fall> {
    let (width, height) = (past.width, past.height);
    let depth_m = past.depth_m[pixel].min(SKY_M);
    if !(depth_m > 0.0) {
        return None;
    }
    let direction = ray(past.camera, width, height, pixel % width, pixel / width);
    let point = past.camera.world_from_camera.transform_point(direction * depth_m);
    let seen: Vec3 = camera.world_from_camera.inverse().transform_point(point);
    if -seen.z < NEAR_M {
        return None;
    }
    let tan = (0.5 * camera.vertical_fov_rad).tan();
    let aspect = width as f32 / height as f32;
    let x = (seen.x / (-seen.z * tan * aspect) + 1.0) * 0.5 * width as f32 - 0.5;
    let y = (1.0 - seen.y / (-seen.z * tan)) * 0.5 * height as f32 - 0.5;
    let beyond = |v: f32, side: usize| !(v > -1.0 && v < side as f32);
    if beyond(x, width) || beyond(y, height) {
        return None;
    }
    let (x0, y0) = (floor(x), floor(y));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
    Some(Fall { x: x0, y: y0, weights, depth_m: -seen.z })
}

/// Gives unknown pixels of `rgb`, 3 values each, the colour of the nearest known one in the row; a row without one gets `otherwise`'s.
///
/// # Panics
/// The three are not of one size.
pub fn fill_rows(width: usize, rgb: &mut [f32], known: &[f32], otherwise: &[f32]) {
    for row in 0..known.len() / width.max(1) {
        let start = row * width;
        let places: Vec<usize> = (0..width).filter(|x| known[start + x] > 0.0).collect();
        for x in (0..width).filter(|x| known[start + x] <= 0.0) {
            let after = places.partition_point(|p| *p < x);
            let near = [after.checked_sub(1).map(|i| places[i]), places.get(after).copied()];
            let from = near.into_iter().flatten().min_by_key(|p| p.abs_diff(x));
            for c in 0..3 {
                let at = 3 * (start + x) + c;
                rgb[at] = from.map_or(otherwise[at], |p| rgb[3 * (start + p) + c]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::Quat;
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::Pose;

    const SIZE: (usize, usize) = (32, 18);

    fn camera(yaw_rad: f32, at_m: Vec3) -> CameraPose {
        CameraPose {
            world_from_camera: Pose::new(Quat::from_rotation_y(yaw_rad), at_m),
            vertical_fov_rad: 1.0,
        }
    }

    fn picture(seed: usize) -> Vec<f32> {
        (0..3 * SIZE.0 * SIZE.1).map(|i| ((i * 7919 + seed * 31) % 101) as f32 / 100.0).collect()
    }

    fn splatted(depth_m: &[f32], from: &CameraPose, to: &CameraPose) -> (Vec<f32>, Vec<f32>) {
        let rgb = picture(1);
        let past = OwnDepth { width: SIZE.0, height: SIZE.1, rgb: &rgb, depth_m, camera: from };
        let (mut out, mut known) = (Vec::new(), Vec::new());
        splat(&past, to, &mut out, &mut known);
        (out, known)
    }

    proptest! {
        #[test]
        fn a_camera_that_stays_sees_the_same(yaw in -3f32..3.0, x in -5f32..5.0, depth in 0.3f32..50.0) {
            let camera = camera(yaw, Vec3::new(x, 1.6, 2.0));
            let (out, known) = splatted(&vec![depth; SIZE.0 * SIZE.1], &camera, &camera);
            prop_assert!(known.iter().all(|k| *k == 1.0));
            let worst = out.iter().zip(picture(1)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            prop_assert!(worst < 2e-2, "{worst}");
        }

        #[test]
        fn nothing_makes_it_panic(depth in any::<f32>(), yaw in any::<f32>(), x in any::<f32>()) {
            let depths = vec![depth; SIZE.0 * SIZE.1];
            let (out, known) = splatted(&depths, &camera(0.0, Vec3::ZERO), &camera(yaw, Vec3::splat(x)));
            prop_assert!(out.len() == 3 * known.len());
        }
    }

    #[test]
    fn a_turn_to_the_right_moves_the_picture_to_the_left_and_opens_the_right_border() {
        // One column is 2·tan(½)·aspect / 32 wide at distance 1, in the middle of the picture.
        let (from, to) = (camera(0.0, Vec3::ZERO), camera(-0.3, Vec3::ZERO));
        let (_, known) = splatted(&vec![f32::INFINITY; SIZE.0 * SIZE.1], &from, &to);
        let open = |x: usize| known[9 * SIZE.0 + x] == 0.0;
        assert!(open(SIZE.0 - 1) && !open(0) && !open(SIZE.0 / 2));
    }

    #[test]
    fn what_is_near_hides_what_is_far() {
        let (width, height) = SIZE;
        let mut depth_m = vec![10.0; width * height];
        let mut rgb = vec![0.0; 3 * width * height];
        for y in 0..height {
            for x in 12..20 {
                depth_m[y * width + x] = 1.0;
                rgb[3 * (y * width + x)] = 1.0;
            }
        }
        let (from, to) = (camera(0.0, Vec3::ZERO), camera(0.0, Vec3::X * 0.2));
        let past = OwnDepth { width, height, rgb: &rgb, depth_m: &depth_m, camera: &from };
        let (mut out, mut known) = (Vec::new(), Vec::new());
        splat(&past, &to, &mut out, &mut known);
        // The near bar has moved left by 0.2 m at 1 m: more than 3 pixels, and is as red as before.
        let red: Vec<usize> = (0..width).filter(|x| out[3 * (9 * width + x)] > 0.9).collect();
        assert!(red.first().is_some_and(|x| (8..=9).contains(x)) && red.len() >= 7, "{red:?}");
    }
}
