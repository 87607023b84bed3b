//! What surfaces look like, remembered where they are: texels on colliders, in object coordinates.
//!
//! A [`TexelMemory`] holds square texels of [`LEVELS`] sizes, [`PAGE`] × [`PAGE`] of them to a page, in a bounded hash of
//! pages. A surface is laid out by the axis its normal is closest to: six charts for each body, seen along that axis
//! ([`Chart`]). On a convex body a chart is single-valued; on a mesh it is cut into slabs, so that one floor is not taken
//! for the next. A body that moves carries its texels, since they lie in its own coordinates.
//!
//! *Written* are pixels away from outlines, with a trust per pixel. The size of a texel follows the pixel's footprint:
//! each texel of that level near the pixel takes the picture's colour at its own centre, and all coarser levels take
//! the mean of their pixels. The mean is a running one and freezes once it is well known ([`FROZEN`]), so that what a
//! model reads and writes again does not drift. *Read* are the texels as large as the pixel, with coarser ones where they
//! are missing. Beside the colour lies the shadow paint of then: where the paint of now differs (the sun has moved, a
//! crate was pushed out of the shade), the colour is changed in proportion.
//!
//! When all pages are taken, those that were not used for longest go first, fine ones before coarse ones and uncertain
//! ones before certain ones. [`reference`] is the same in plain form, without bounds.

use glam::Vec3;

use crate::geometry::{Pose, Shape};

mod fast;
mod pages;
mod read;
pub mod reference;
mod shards;
mod store;
mod write;

pub use pages::PageRecord;
pub use read::ReadStats;
pub use store::{ObjectRecord, TexelMemory};

/// Sizes of texels: each twice the one before.
pub const LEVELS: usize = 8;
/// Texels along a page; a power of two.
pub const PAGE: usize = 8;
/// Texels of a page.
pub const PAGE_TEXELS: usize = PAGE * PAGE;
/// Edge of a texel of the finest level, metres.
pub const FINEST_M: f32 = 1.0 / 64.0;
/// A texel of this weight is known well and changes no more.
pub const FROZEN: f32 = 4.0;
/// A texel of this weight is believed by half.
pub const HALF_WEIGHT: f32 = 0.3;
/// Bytes of one texel.
pub const TEXEL_BYTES: usize = size_of::<Texel>();

/// Keeps ratios of dark pixels finite; sRGB units.
const DARK: f32 = 0.04;
/// Slabs of a mesh are so many texels thick.
const SLAB_TEXELS: f32 = 4.0;
/// A surface seen more from the side than this is taken as seen so: cosine.
const LEAST_FACING: f32 = 0.05;
/// A texel's place may lie so far from the pixel that writes it, pixels.
const REACH: f32 = 0.75;
/// Confidence in texels of the right level and of the coarser ones that stand in for them.
const LEVEL_TRUST: [f32; 4] = [1.0, 0.9, 0.6, 0.4];
/// Log-ratios of paint up to the first are the same light; from the second on the colour follows the paint in full.
const RELIGHT: (f32, f32) = (0.08, 0.25);
/// Neighbouring pixels whose normals have at least this cosine are one surface.
const SMOOTH: f32 = 0.9;

/// One texel.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Texel {
    /// Mean colour, sRGB, 0 to 1.
    pub rgb: [f32; 3],
    /// Mean shadow paint under which it was seen, sRGB, 0 to 1.
    pub paint: [f32; 3],
    /// Sum of weights, up to [`FROZEN`]; 0 was never seen.
    pub weight: f32,
    /// When it was last seen, in frames of the memory.
    pub frame: u32,
    /// From where it was seen most closely, metres.
    pub distance_m: f32,
    /// How squarely it was seen then, cosine.
    pub facing: f32,
}

impl Texel {
    /// How well it is known, 0 to 1.
    #[inline]
    pub fn confidence(&self) -> f32 {
        self.weight / (self.weight + HALF_WEIGHT)
    }

    /// Takes another look in, with `weight`; what is known well stays.
    #[inline]
    fn add(&mut self, look: &Look, weight: f32) {
        if self.weight < FROZEN {
            self.weight = (self.weight + weight).min(FROZEN);
            let share = weight / self.weight;
            for c in 0..3 {
                self.rgb[c] += (look.rgb[c] - self.rgb[c]) * share;
                self.paint[c] += (look.paint[c] - self.paint[c]) * share;
            }
        }
        if self.distance_m == 0.0 || look.distance_m < self.distance_m {
            self.distance_m = look.distance_m;
            self.facing = look.facing;
        }
    }
}

/// What a picture says of a place.
#[derive(Debug, Clone, Copy)]
struct Look {
    rgb: [f32; 3],
    paint: [f32; 3],
    distance_m: f32,
    facing: f32,
}

/// One of the six layouts of a body's surface, by the axis and sign of the normal's longest part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chart {
    /// 0 is X.
    pub axis: u8,
    /// The normal points along the negative axis.
    pub negative: bool,
}

impl Chart {
    /// The chart of a surface with this normal, object frame.
    #[inline]
    pub fn of(normal: Vec3) -> Self {
        let axis = crate::surface::dominant_axis(normal);
        Self { axis: axis as u8, negative: normal[axis] < 0.0 }
    }

    /// 0 to 5.
    #[inline]
    pub fn index(self) -> u8 {
        2 * self.axis + u8::from(self.negative)
    }

    /// The axes along which its coordinates run.
    #[inline]
    fn axes(self) -> [usize; 2] {
        match self.axis {
            0 => [1, 2],
            1 => [0, 2],
            _ => [0, 1],
        }
    }
}

/// Where a pixel lies on a surface, and how it is seen.
#[derive(Debug, Clone, Copy)]
struct Surfel {
    chart: Chart,
    /// Object frame, metres.
    point: Vec3,
    /// Object frame.
    normal: Vec3,
    /// Whether the chart is cut into slabs.
    mesh: bool,
    distance_m: f32,
    facing: f32,
    /// Edge of a square as large as the pixel on the surface, metres.
    footprint_m: f32,
}

impl Surfel {
    /// `ray` is the pixel's direction in the camera's frame, −z is 1; `direction` the same in the object's frame.
    #[inline]
    fn new(
        shape: &Shape,
        point: Vec3,
        normal: Vec3,
        direction: Vec3,
        depth_m: f32,
        pixel_m: f32,
    ) -> Self {
        let length = direction.length();
        let facing = (-direction.dot(normal) / length).clamp(LEAST_FACING, 1.0);
        Self {
            chart: Chart::of(normal),
            point,
            normal,
            mesh: matches!(shape, Shape::Mesh(_)),
            distance_m: depth_m * length,
            facing,
            footprint_m: depth_m * pixel_m / facing.sqrt(),
        }
    }

    /// The level whose texels are as large as the pixel or a little smaller, and how far it is to the next, 0 to 1.
    #[inline]
    fn level(&self) -> (usize, f32) {
        let bits = (self.footprint_m / FINEST_M).max(1.0).to_bits();
        // The exponent of a float is the whole part of its logarithm. Of the rest a parabola through 1, √2 and 2 is
        // within 0.01.
        let level = (bits >> 23) as usize - 127;
        let mantissa = f32::from_bits(bits & 0x7F_FFFF | 0x3F80_0000);
        let part = (mantissa - 1.0) * (1.707_107 - 0.353_553 * mantissa);
        if level < LEVELS { (level, part) } else { (LEVELS - 1, 0.0) }
    }

    /// [`Self::level`] without its fraction.
    #[inline]
    fn whole_level(&self) -> usize {
        self.level().0
    }

    /// Coordinates on the chart in texels of `level`: texel (i, j) covers i to i + 1.
    #[inline]
    fn at(&self, level: usize) -> [f32; 2] {
        let per_m = 1.0 / texel_m(level);
        self.chart.axes().map(|axis| self.point[axis] * per_m)
    }

    /// Which slab of a mesh, 0 on anything else.
    #[inline]
    fn slab(&self, level: usize) -> i32 {
        if self.mesh {
            (self.point[usize::from(self.chart.axis)] / (SLAB_TEXELS * texel_m(level))).floor()
                as i32
        } else {
            0
        }
    }

    /// From the pixel's point to the centre of texel (`i`, `j`) on the plane of the surface, object frame, metres.
    #[inline]
    fn to_centre(&self, level: usize, i: i32, j: i32) -> Vec3 {
        let size = texel_m(level);
        let [a, b] = self.chart.axes();
        let da = (i as f32 + 0.5) * size - self.point[a];
        let db = (j as f32 + 0.5) * size - self.point[b];
        let c = usize::from(self.chart.axis);
        let mut offset = Vec3::ZERO;
        offset[a] = da;
        offset[b] = db;
        offset[c] = -(self.normal[a] * da + self.normal[b] * db) / self.normal[c];
        offset
    }

    /// Weight of a full look from here.
    #[inline]
    fn weight(&self, trust: f32) -> f32 {
        trust * self.facing.sqrt()
    }

    /// Whether a pixel writes into a level so much coarser than its own. Texels of four pixels and more are written by
    /// every fourth pixel, which is enough of them and saves most of the time.
    #[inline]
    fn writes(coarser: usize, x: usize, y: usize) -> bool {
        coarser < 2 || (x & 1 == 0 && y & 1 == 0)
    }

    /// Share of a texel of `level` that the pixel speaks for, 1 at most.
    #[inline]
    fn share(&self, level: usize) -> f32 {
        let pixels = if level < self.whole_level() + 2 { 1.0 } else { 4.0 };
        (pixels * (self.footprint_m / texel_m(level)).powi(2)).min(1.0)
    }
}

/// Edge of a texel, metres.
#[inline]
pub fn texel_m(level: usize) -> f32 {
    FINEST_M * (1u32 << level) as f32
}

/// The colour `rgb` that was seen under the paint `then`, under the paint `now`; and how far it had to be changed, 0 to 1.
#[inline]
fn relight(rgb: [f32; 3], then: [f32; 3], now: [f32; 3]) -> ([f32; 3], f32) {
    let ratio: [f32; 3] = std::array::from_fn(|c| (now[c] + DARK) / (then[c] + DARK));
    // |ln r| without the logarithm, near enough: r − 1 for what brightens, 1/r − 1 for what darkens.
    let change = ratio.iter().fold(0.0f32, |most, r| most.max(r.max(1.0 / r) - 1.0));
    let t = ((change - RELIGHT.0) / (RELIGHT.1 - RELIGHT.0)).clamp(0.0, 1.0);
    if t <= 0.0 {
        return (rgb, 0.0);
    }
    let relit: [f32; 3] = std::array::from_fn(|c| {
        let lit = ((rgb[c] + DARK) * ratio[c] - DARK).clamp(0.0, 1.0);
        rgb[c] + (lit - rgb[c]) * t
    });
    (relit, t * change.min(1.0))
}

/// A fresh object's identity: what has to stay the same for its texels to stay true.
fn same_shape(a: &Shape, b: &Shape) -> bool {
    match (a, b) {
        // Most frames share the mesh itself; comparing all its corners would take long.
        (Shape::Mesh(a), Shape::Mesh(b)) => std::sync::Arc::ptr_eq(a, b) || a == b,
        _ => a == b,
    }
}

/// Two poses within a centimetre and a degree.
fn same_place(a: &Pose, b: &Pose) -> bool {
    a.translation_m.distance(b.translation_m) < 0.01 && a.rotation.angle_between(b.rotation) < 0.02
}

#[cfg(test)]
mod tests;
