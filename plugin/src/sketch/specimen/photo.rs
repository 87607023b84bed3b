//! Photographs a page: perspective, desk, light, lens and sensor.

use glam::Vec2;
use image::{Rgb, RgbImage};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Axis;

/// Gives the photo and its scale at the page: pixels of the photo for one of the page.
pub(super) fn take(page: &RgbImage, axis: Axis, rng: &mut ChaCha8Rng) -> (RgbImage, f32) {
    let all = axis == Axis::Everything;
    let is_laid = matches!(axis, Axis::Perspective | Axis::Rotation) || all;
    let (mut photo, scale) = if is_laid { lay(page, axis, rng) } else { (page.clone(), 1.0) };
    if axis == Axis::UnevenLight || all {
        let (angle, fall) = (rng.random_range(0.0..6.28_f32), rng.random_range(0.25..0.55));
        let tint = [1.0, rng.random_range(0.93..1.0), rng.random_range(0.8..1.0)];
        light(&mut photo, |at| {
            let far = at.dot(Vec2::from_angle(angle)) * 0.7 + 0.5;
            let dim = 1.0 - fall * far.clamp(0.0, 1.0) - 0.12 * at.length_squared();
            tint.map(|t: f32| t * dim)
        });
    }
    if axis == Axis::Shadow || all {
        let (angle, edge) = (rng.random_range(0.0..6.28_f32), rng.random_range(-0.15..0.25));
        let (depth, soft) = (rng.random_range(0.2..0.4), rng.random_range(0.05..0.2));
        light(&mut photo, |at| {
            let far = (at.dot(Vec2::from_angle(angle)) - edge) / soft;
            [1.0 - depth * (0.5 + 0.5 * far.clamp(-1.0, 1.0)); 3]
        });
    }
    if axis == Axis::Blur || all {
        let sigma = if all { 0.8 } else { rng.random_range(1.0..2.0) };
        photo = image::imageops::fast_blur(&photo, sigma);
    }
    if axis == Axis::Noise || all {
        let sigma = if all { 4.0 } else { rng.random_range(6.0..14.0) };
        for pixel in photo.pixels_mut() {
            pixel.0 = pixel.0.map(|c| {
                let noise: f32 = (0..4).map(|_| rng.random_range(-1.0..1.0_f32)).sum();
                (f32::from(c) + sigma * 0.87 * noise).clamp(0.0, 255.0) as u8
            });
        }
    }
    (photo, scale)
}

/// Lays the page on a desk and looks at it, from above or aslant.
fn lay(page: &RgbImage, axis: Axis, rng: &mut ChaCha8Rng) -> (RgbImage, f32) {
    let size = Vec2::new(page.width() as f32, page.height() as f32);
    let aslant = axis != Axis::Rotation;
    let roll = if axis == Axis::Rotation {
        rng.random_range(-0.2..0.2)
    } else {
        rng.random_range(-0.1..0.1_f32)
    };
    // A pinhole camera: the page is tilted by pitch and yaw at a distance.
    let (pitch, yaw) = if aslant {
        (rng.random_range(-0.45..0.45_f32), rng.random_range(-0.3..0.3_f32))
    } else {
        (0.0, 0.0)
    };
    let focal = 1.3 * size.max_element();
    let corner = |x: f32, y: f32| {
        let p = Vec2::from_angle(roll).rotate((Vec2::new(x, y) - 0.5) * size);
        let (y1, z1) = (p.y * pitch.cos(), p.y * pitch.sin());
        let (x2, z2) = (p.x * yaw.cos() + z1 * yaw.sin(), -p.x * yaw.sin() + z1 * yaw.cos());
        let depth = 1.5 * size.max_element() + z2;
        Vec2::new(x2, y1) * (focal / depth)
    };
    let corners = [corner(0.0, 0.0), corner(1.0, 0.0), corner(1.0, 1.0), corner(0.0, 1.0)];
    let (low, high) =
        corners.iter().fold((corners[0], corners[0]), |(l, h), c| (l.min(*c), h.max(*c)));
    let margin = rng.random_range(0.04..0.12) * size.max_element();
    let photo_size = high - low + 2.0 * margin;
    // The picture's centre is the camera's: as much desk on each side.
    let half = (high.abs().max(low.abs()) + margin).max(0.5 * photo_size);
    let desk: [f32; 3] = if rng.random_bool(0.5) {
        [rng.random_range(70.0..130.0), rng.random_range(50.0..95.0), rng.random_range(30.0..70.0)]
    } else {
        [rng.random_range(40.0..120.0); 3]
    };
    let moved = corners.map(|c| c + half);
    let grain = rng.random_range(5.0..25.0_f32);
    let back = super::super::page::inverse(moved);
    let photo = RgbImage::from_fn((2.0 * half.x) as u32, (2.0 * half.y) as u32, |x, y| {
        let at = back(Vec2::new(x as f32 + 0.5, y as f32 + 0.5));
        if at.cmpge(Vec2::ZERO).all() && at.cmplt(Vec2::ONE).all() {
            return super::super::page::sample(page, at * size - 0.5);
        }
        let streak = grain * ((y as f32 * 0.11 + (x as f32 * 0.013).sin() * 3.0).sin() * 0.5);
        Rgb(desk.map(|c| (c + streak).clamp(0.0, 255.0) as u8))
    });
    let side = |a: usize, b: usize| moved[a].distance(moved[b]);
    let area = 0.25 * (side(0, 1) + side(3, 2)) * (side(0, 3) + side(1, 2));
    (photo, (area / (size.x * size.y)).sqrt())
}

/// Multiplies with light that depends on the place, from -0.5 to 0.5.
fn light(photo: &mut RgbImage, at: impl Fn(Vec2) -> [f32; 3]) {
    let size = Vec2::new(photo.width() as f32, photo.height() as f32);
    for (x, y, pixel) in photo.enumerate_pixels_mut() {
        let light = at(Vec2::new(x as f32, y as f32) / size - 0.5);
        let values = pixel.0;
        pixel.0 =
            std::array::from_fn(|i| (f32::from(values[i]) * light[i]).clamp(0.0, 255.0) as u8);
    }
}
