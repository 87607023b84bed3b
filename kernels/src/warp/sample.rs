//! Reading a past picture between its pixels, only where it shows what is looked for.

use glam::Vec2;

use super::{LEAST_WEIGHT, PastFrame, SKY_OBJECT};
use crate::geometry::floor;

/// Depths this close, as a share, are the same surface.
const DEPTH_SHARE: f32 = 0.03;

/// Depths this close are the same surface, metres.
const DEPTH_M: f32 = 0.05;

/// What a past pixel has to show for its colour to be the one looked for.
pub(super) struct Expected {
    object: u64,
    depth_m: f32,
    inverse_depth: f32,
    /// Change of the inverse depth per pixel, on the plane of the surface.
    slope: Vec2,
    tolerance_m: f32,
}

impl Expected {
    pub(super) fn sky() -> Self {
        Self {
            object: SKY_OBJECT,
            depth_m: f32::INFINITY,
            inverse_depth: 0.0,
            slope: Vec2::ZERO,
            tolerance_m: 0.0,
        }
    }

    /// A surface of `object` that has `depth_m` at the place itself.
    pub(super) fn surface(object: u64, depth_m: f32, slope: Vec2) -> Self {
        Self {
            object,
            depth_m,
            inverse_depth: 1.0 / depth_m,
            slope,
            tolerance_m: DEPTH_M.max(DEPTH_SHARE * depth_m),
        }
    }

    /// Whether pixel (`x`, `y`) of `past` shows it, when it is looked for at `place`.
    #[inline]
    pub(super) fn accepts(&self, past: &PastFrame, x: isize, y: isize, place: Vec2) -> bool {
        if x < 0 || y < 0 || x as usize >= past.width || y as usize >= past.height {
            return false;
        }
        self.accepts_inside(
            past,
            y as usize * past.width + x as usize,
            Vec2::new(x as f32, y as f32) - place,
        )
    }

    #[inline(always)]
    fn accepts_inside(&self, past: &PastFrame, pixel: usize, offset: Vec2) -> bool {
        if past.object[pixel] != self.object {
            return false;
        }
        let depth_m = past.depth_m[pixel];
        // On the plane of the surface, or as deep as the point itself where the surface bends.
        let share = depth_m * (self.inverse_depth + self.slope.dot(offset));
        self.object == SKY_OBJECT
            || (share - 1.0).abs() < DEPTH_SHARE
            || (depth_m - self.depth_m).abs() < self.tolerance_m
    }
}

/// The colour at `place` (index coordinates, less than a pixel beyond the border), and the bilinear weight of the pixels that show it.
#[inline]
pub(super) fn sample(past: &PastFrame, place: Vec2, expected: &Expected) -> ([f32; 3], f32) {
    let (x, y) = (floor(place.x), floor(place.y));
    let part = place - Vec2::new(x as f32, y as f32);
    let (x, y) = (x as isize, y as isize);
    if part == Vec2::ZERO {
        return if expected.accepts(past, x, y, place) {
            (rgb(past, y as usize * past.width + x as usize), 1.0)
        } else {
            ([0.0; 3], 0.0)
        };
    }
    let has_room = x >= 1 && y >= 1 && x + 2 < past.width as isize && y + 2 < past.height as isize;
    if has_room {
        let corner = (y as usize - 1) * past.width + x as usize - 1;
        let all = (0..4).all(|row| {
            (0..4).all(|column| {
                let offset = Vec2::new(column as f32 - 1.0, row as f32 - 1.0) - part;
                expected.accepts_inside(past, corner + row * past.width + column, offset)
            })
        });
        if all {
            return (cubic(past, corner, part), 1.0);
        }
    }
    bilinear(past, x, y, part, place, expected)
}

fn bilinear(
    past: &PastFrame,
    x: isize,
    y: isize,
    part: Vec2,
    place: Vec2,
    expected: &Expected,
) -> ([f32; 3], f32) {
    let mut sum = [0.0; 3];
    let mut weight = 0.0;
    for (row, weight_y) in [1.0 - part.y, part.y].into_iter().enumerate() {
        for (column, weight_x) in [1.0 - part.x, part.x].into_iter().enumerate() {
            let (tap_x, tap_y, share) =
                (x + column as isize, y + row as isize, weight_x * weight_y);
            if share > 0.0 && expected.accepts(past, tap_x, tap_y, place) {
                let colour = rgb(past, tap_y as usize * past.width + tap_x as usize);
                (0..3).for_each(|channel| sum[channel] += share * colour[channel]);
                weight += share;
            }
        }
    }
    if weight < LEAST_WEIGHT {
        ([0.0; 3], 0.0)
    } else {
        (sum.map(|channel| channel / weight), weight.min(1.0))
    }
}

/// Over the 4 × 4 pixels whose upper left one is `corner`.
#[inline]
fn cubic(past: &PastFrame, corner: usize, part: Vec2) -> [f32; 3] {
    let across = cubic_weights(part.x);
    let mut sum = [0.0; 3];
    let mut low = [f32::INFINITY; 3];
    let mut high = [f32::NEG_INFINITY; 3];
    for (row, weight) in cubic_weights(part.y).into_iter().enumerate() {
        let start = 3 * (corner + row * past.width);
        let values = &past.rgb[start..start + 12];
        for channel in 0..3 {
            let tap = |column: usize| values[3 * column + channel];
            let along =
                across[0] * tap(0) + across[1] * tap(1) + across[2] * tap(2) + across[3] * tap(3);
            sum[channel] += weight * along;
            if row == 1 || row == 2 {
                low[channel] = low[channel].min(tap(1)).min(tap(2));
                high[channel] = high[channel].max(tap(1)).max(tap(2));
            }
        }
    }
    // Not clamp(), which panics where a NaN in the picture has spoiled the limits.
    std::array::from_fn(|channel| sum[channel].max(low[channel]).min(high[channel]))
}

/// Catmull and Rom's weights of the pixels at −1, 0, 1 and 2.
#[inline]
fn cubic_weights(t: f32) -> [f32; 4] {
    [
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    ]
}

#[inline(always)]
fn rgb(past: &PastFrame, pixel: usize) -> [f32; 3] {
    [past.rgb[3 * pixel], past.rgb[3 * pixel + 1], past.rgb[3 * pixel + 2]]
}
