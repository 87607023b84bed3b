//! A frame's colours without the mixtures that its edges made.
//!
//! A pixel through which an edge passes shows both sides of it, but the guide says which one it stands for. Its colour is taken
//! from neighbours of the same surface instead, those without an edge in them first: a joint bilateral filter (Petschnig et al. 2004)
//! of source pixels, once a frame, so that each display pixel needs to ask four of them only.
//!
//! A picture may show more than the guide has: leaves and capitals stick out of their colliders. Where a pixel's colour has more of
//! the surface beside it than an edge could have mixed in, it is the picture that is right, and it stays.

use glam::{Vec2, Vec3};

use super::guide::{FrameGuide, PURE, SKY_OBJECT, is_same_depth, unpack_normal};
use crate::rows::{each_of, each_row, parcel_of};

/// Neighbours up to so many pixels away.
const REACH: isize = 2;
/// Neighbours side by side, with the pixel itself.
const SIDE: usize = 2 * REACH as usize + 1;
/// How much the colour of a pixel counts through which an edge may pass.
const EDGE_TRUST: f32 = 0.01;
/// A pixel whose centre shows one surface has at most about half of another one in its mixture. From the first share on
/// it begins to be taken for what it shows, from the second on wholly.
const MIXTURE: [f32; 2] = [0.75, 0.95];
/// Surfaces whose colours are closer cannot be told apart.
const CONTRAST: f32 = 0.05;
/// Of the weight by distance, pixels.
const SIGMA: f32 = 0.8;

/// `rgba` (sRGB, 4 bytes a pixel) with colours of one surface each.
///
/// # Panics
/// `rgba` has another size than the guide.
pub fn clean(guide: &FrameGuide, rgba: &[u8]) -> Vec<u8> {
    let mut cleaned = rgba.to_vec();
    let colour = |pixel: usize| {
        Vec3::from_array([0, 1, 2].map(|channel| f32::from(rgba[4 * pixel + channel]) / 255.0))
    };
    for (pixel, rgb) in mixtures(guide, colour, |_| true) {
        for (byte, value) in cleaned[4 * pixel..].iter_mut().zip(rgb.to_array()) {
            *byte = (255.0 * value + 0.5) as u8;
        }
    }
    cleaned
}

/// Cleans the sky of `rgb` (interleaved sRGB, 0 to 1) alone: it stays behind when the camera moves, and a rim of what stood
/// before it would stay with it, a ghost.
///
/// # Panics
/// `rgb` has another size than the guide.
pub fn clean_sky(guide: &FrameGuide, rgb: &mut [f32]) {
    let colour = |pixel: usize| Vec3::from_slice(&rgb[3 * pixel..]);
    for (pixel, clean) in mixtures(guide, colour, |object| object == SKY_OBJECT) {
        rgb[3 * pixel..3 * pixel + 3].copy_from_slice(&clean.to_array());
    }
}

/// Pixels of the `wanted` objects through which edges pass, with the colour that they get.
fn mixtures(
    guide: &FrameGuide,
    colour: impl Fn(usize) -> Vec3 + Sync,
    wanted: impl Fn(u32) -> bool + Sync,
) -> Vec<(usize, Vec3)> {
    let (rays, nearness) = (rays(guide), nearness());
    let is_mixed = |word: u32| word & PURE == 0 && wanted(word & 0xFFFF);
    let mut parted = vec![None; guide.texels.len()];
    let columns = guide.width.max(1);
    each_row((&mut parted, columns), (&mut vec![(); guide.height], 1), |y, parted, _| {
        for (x, parted) in parted.iter_mut().enumerate() {
            if is_mixed(guide.texels[y * guide.width + x][1]) {
                *parted = Some(part(guide, &rays, &nearness, &colour, x, y));
            }
        }
    });
    let bands = parcel_of(guide.height);
    let firsts: Vec<usize> = (0..guide.height).step_by(bands).collect();
    let mixed = each_of(&firsts, |first| {
        let pixels = first * columns..((first + bands) * columns).min(parted.len());
        let mixed = pixels.filter_map(|pixel| parted[pixel].map(|(own, _)| (pixel, own)));
        mixed
            .map(|(pixel, own)| {
                let [from, to] = MIXTURE;
                let stays = (share_along_edge(guide, &parted, pixel) - from) / (to - from);
                (pixel, own.lerp(colour(pixel), stays.clamp(0.0, 1.0)))
            })
            .collect::<Vec<_>>()
    });
    mixed.concat()
}

/// Weights of the neighbours by their distance, row by row.
fn nearness() -> [f32; SIDE * SIDE] {
    std::array::from_fn(|at| {
        let [dx, dy] = [at % SIDE, at / SIDE].map(|at| at as isize - REACH);
        (-0.5 * (dx * dx + dy * dy) as f32 / (SIGMA * SIGMA)).exp()
    })
}

/// The mean share of a pixel and its neighbours of the same object: along one edge the decision should be one, or a moulding
/// of half a pixel comes and goes with the steps of the raster.
fn share_along_edge(guide: &FrameGuide, parted: &[Option<(Vec3, f32)>], pixel: usize) -> f32 {
    let (x, y) = (pixel % guide.width, pixel / guide.width);
    let object = guide.texels[pixel][1] & 0xFFFF;
    let (mut sum, mut count) = (0.0, 0.0);
    for y in y.saturating_sub(1)..(y + 2).min(guide.height) {
        for x in x.saturating_sub(1)..(x + 2).min(guide.width) {
            let at = y * guide.width + x;
            if let Some((_, share)) = parted[at]
                && guide.texels[at][1] & 0xFFFF == object
            {
                sum += share;
                count += 1.0;
            }
        }
    }
    sum / f32::max(count, 1.0)
}

/// Slopes of the first column's and row's rays, and their steps from pixel to pixel.
fn rays(guide: &FrameGuide) -> (Vec2, Vec2) {
    let (scale, middle) = guide.place_from_slope();
    (-middle / scale, Vec2::ONE / scale)
}

/// The colour of a pixel's own surface, and the share of what is beside it in the pixel's colour.
fn part(
    guide: &FrameGuide,
    (first, step): &(Vec2, Vec2),
    nearness: &[f32; SIDE * SIDE],
    colour: &impl Fn(usize) -> Vec3,
    x: usize,
    y: usize,
) -> (Vec3, f32) {
    let [depth_word, word] = guide.texels[y * guide.width + x];
    let (inverse_depth, object) = (f32::from_bits(depth_word), word & 0xFFFF);
    let normal = unpack_normal(word);
    let ray = |x: usize, y: usize| (*first + *step * Vec2::new(x as f32, y as f32)).extend(-1.0);
    // On the plane the inverse depth of a ray is proportional to its part along the normal.
    let per_ray = inverse_depth / normal.dot(ray(x, y)).min(-1e-4);
    let (mut sum, mut weight) = (Vec3::ZERO, 0.0);
    let (mut beside, mut beside_weight) = (Vec3::ZERO, 0.0);
    for dy in -REACH..=REACH {
        for dx in -REACH..=REACH {
            let (Some(x), Some(y)) = (x.checked_add_signed(dx), y.checked_add_signed(dy)) else {
                continue;
            };
            if x >= guide.width || y >= guide.height {
                continue;
            }
            let at = y * guide.width + x;
            let [other_depth, other] = guide.texels[at];
            let other_depth = f32::from_bits(other_depth);
            let on_plane = per_ray * normal.dot(ray(x, y));
            let mut trusted = nearness[((dy + REACH) as usize) * SIDE + (dx + REACH) as usize];
            if other & PURE == 0 {
                trusted *= EDGE_TRUST;
            }
            let rgb = colour(at);
            if other & 0xFFFF != object || !is_same_depth(on_plane, inverse_depth, other_depth) {
                beside += trusted * rgb;
                beside_weight += trusted;
                continue;
            }
            if object != SKY_OBJECT {
                trusted *= unpack_normal(other).dot(normal).max(0.0).powi(4) + 0.01;
            }
            sum += trusted * rgb;
            weight += trusted;
        }
    }
    let own = colour(y * guide.width + x);
    // A rounded pixel may lie off its own plane.
    if weight <= 0.0 {
        return (own, 0.0);
    }
    let mean = sum / weight;
    let towards = beside / beside_weight.max(1e-9) - mean;
    if beside_weight <= 0.0 || towards.length() < CONTRAST {
        return (mean, 0.0);
    }
    (mean, ((own - mean).dot(towards) / towards.length_squared()).clamp(0.0, 1.0))
}
