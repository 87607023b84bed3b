//! Plain operations on grids of values: components, distances, closing, shrinking.

use image::RgbImage;

/// A grid of values, row by row from the top left.
#[derive(Debug, Clone, PartialEq)]
pub struct Raster<T> {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` values.
    pub data: Vec<T>,
}

/// A grid of yes and no.
pub type Mask = Raster<bool>;

impl<T: Copy> Raster<T> {
    /// A grid of one value.
    pub fn new(width: usize, height: usize, fill: T) -> Self {
        Self { width, height, data: vec![fill; width * height] }
    }

    /// A grid of what `value` says of each column and row.
    pub fn from_fn(width: usize, height: usize, mut value: impl FnMut(usize, usize) -> T) -> Self {
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            data.extend((0..width).map(|x| value(x, y)));
        }
        Self { width, height, data }
    }

    /// A grid of the same size.
    pub fn map<U>(&self, value: impl Fn(T) -> U) -> Raster<U> {
        let data = self.data.iter().map(|v| value(*v)).collect();
        Raster { width: self.width, height: self.height, data }
    }

    /// The value at a place, if it is on the grid.
    pub fn get(&self, x: i32, y: i32) -> Option<T> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        if x < self.width { self.data.get(y * self.width + x).copied() } else { None }
    }

    /// Sets the value at a place, if it is on the grid.
    pub fn set(&mut self, x: i32, y: i32, value: T) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x < self.width
            && let Some(slot) = self.data.get_mut(y * self.width + x)
        {
            *slot = value;
        }
    }

    /// One row.
    pub fn row(&self, y: usize) -> &[T] {
        self.data.get(y * self.width..(y + 1) * self.width).unwrap_or_default()
    }

    /// The part from one place to another, both included; `fill` beyond the grid.
    pub fn crop(&self, min: (i32, i32), max: (i32, i32), fill: T) -> Self {
        let size = |from: i32, to: i32| usize::try_from(to - from + 1).unwrap_or(0);
        Self::from_fn(size(min.0, max.0), size(min.1, max.1), |x, y| {
            self.get(min.0 + x as i32, min.1 + y as i32).unwrap_or(fill)
        })
    }

    /// Columns become rows.
    pub fn transposed(&self) -> Self {
        let mut data = Vec::with_capacity(self.data.len());
        for x in 0..self.width {
            data.extend(self.data.iter().skip(x).step_by(self.width.max(1)));
        }
        Self { width: self.height, height: self.width, data }
    }
}

impl Mask {
    /// How many places are set.
    pub fn count(&self) -> usize {
        self.data.iter().filter(|set| **set).count()
    }

    /// Set where this one is and `other` is not.
    pub fn without(&self, other: &Self) -> Self {
        let data = self.data.iter().zip(&other.data).map(|(a, b)| *a && !*b).collect();
        Self { width: self.width, height: self.height, data }
    }

    /// Set where one of the two is.
    pub fn or(&self, other: &Self) -> Self {
        let data = self.data.iter().zip(&other.data).map(|(a, b)| *a || *b).collect();
        Self { width: self.width, height: self.height, data }
    }
}

/// Distance of each place to the nearest one that is set, in pixels; at most 8 % too far.
///
/// Two passes over a 3×3 neighbourhood (Borgefors, "Distance transformations in digital images", 1986). Nothing set:
/// infinite.
pub fn distance(to: &Mask) -> Raster<f32> {
    const STRAIGHT: f32 = 1.0;
    const DIAGONAL: f32 = std::f32::consts::SQRT_2;
    let (width, height) = (to.width, to.height);
    let mut far = to.map(|set| if set { 0.0 } else { f32::INFINITY });
    let mut pass = |rows: &mut dyn Iterator<Item = usize>, before: isize| {
        let mut last: Option<usize> = None;
        for y in rows {
            if let Some(last) = last {
                let (a, b) = (last.min(y) * width, last.max(y) * width);
                let (low, high) = far.data.split_at_mut(b);
                let (Some(first), Some(second)) =
                    (low.get_mut(a..a + width), high.get_mut(..width))
                else {
                    return;
                };
                let (source, row) = if last < y { (first, second) } else { (second, first) };
                for (x, value) in row.iter_mut().enumerate() {
                    let mut best = (*value).min(source[x] + STRAIGHT);
                    if x > 0 {
                        best = best.min(source[x - 1] + DIAGONAL);
                    }
                    if x + 1 < width {
                        best = best.min(source[x + 1] + DIAGONAL);
                    }
                    *value = best;
                }
            }
            if let Some(row) = far.data.get_mut(y * width..(y + 1) * width) {
                let mut along = f32::INFINITY;
                let step = |value: &mut f32| {
                    along = (along + STRAIGHT).min(*value);
                    *value = along;
                };
                if before < 0 {
                    row.iter_mut().for_each(step)
                } else {
                    row.iter_mut().rev().for_each(step)
                }
            }
            last = Some(y);
        }
    };
    pass(&mut (0..height), -1);
    pass(&mut (0..height).rev(), 1);
    far
}

/// Closes gaps of up to `2 * radius` pixels: grown by the radius, then shrunk by it.
pub fn close(mask: &Mask, radius: f32) -> Mask {
    // Beyond the border nothing is set.
    let pad = radius.max(0.0) as usize + 2;
    let inner = |x: usize, y: usize| (x as i32 - pad as i32, y as i32 - pad as i32);
    let wide = Raster::from_fn(mask.width + 2 * pad, mask.height + 2 * pad, |x, y| {
        let (x, y) = inner(x, y);
        mask.get(x, y).unwrap_or(false)
    });
    let free = distance(&wide).map(|d| d > radius);
    let far = distance(&free);
    Raster::from_fn(mask.width, mask.height, |x, y| {
        let d = far.get((x + pad) as i32, (y + pad) as i32).unwrap_or(0.0);
        d > radius || mask.get(x as i32, y as i32) == Some(true)
    })
}

/// A connected set of places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Component {
    /// Number of places.
    pub area: usize,
    /// First column and row.
    pub min: (usize, usize),
    /// Last column and row.
    pub max: (usize, usize),
    /// Mean column and row.
    pub mean: (f32, f32),
    /// One of the places.
    pub seed: (usize, usize),
}

impl Component {
    /// Columns and rows of the bounding box.
    pub fn size(&self) -> (usize, usize) {
        (self.max.0 - self.min.0 + 1, self.max.1 - self.min.1 + 1)
    }

    /// The bounding box's longer edge.
    pub fn extent(&self) -> usize {
        self.size().0.max(self.size().1)
    }

    /// Centre of the bounding box, in pixels with a pixel's centre at one half.
    pub fn centre(&self) -> (f32, f32) {
        let middle = |a: usize, b: usize| 0.5 * (a + b + 1) as f32;
        (middle(self.min.0, self.max.0), middle(self.min.1, self.max.1))
    }
}

/// Sets of neighbours of equal value, where `value` is not zero; with diagonal neighbours if `diagonal`.
///
/// Gives each place's component, counted from 1, 0 where the value is 0.
pub fn components(value: &Raster<u8>, diagonal: bool) -> (Raster<u32>, Vec<Component>) {
    let (width, height) = (value.width as i32, value.height as i32);
    let mut labels = Raster::new(value.width, value.height, 0_u32);
    let mut found = Vec::new();
    let mut stack = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let index = (y * width + x) as usize;
            let kind = value.data[index];
            if kind == 0 || labels.data[index] != 0 {
                continue;
            }
            let label = found.len() as u32 + 1;
            labels.data[index] = label;
            stack.push((x, y));
            let mut one = Component {
                area: 0,
                min: (x as usize, y as usize),
                max: (x as usize, y as usize),
                mean: (0.0, 0.0),
                seed: (x as usize, y as usize),
            };
            let (mut sum_x, mut sum_y) = (0_u64, 0_u64);
            while let Some((x, y)) = stack.pop() {
                let (ux, uy) = (x as usize, y as usize);
                one.area += 1;
                one.min = (one.min.0.min(ux), one.min.1.min(uy));
                one.max = (one.max.0.max(ux), one.max.1.max(uy));
                sum_x += ux as u64;
                sum_y += uy as u64;
                for (dx, dy) in NEIGHBOURS.iter().take(if diagonal { 8 } else { 4 }) {
                    let (x, y) = (x + dx, y + dy);
                    if x < 0 || y < 0 || x >= width || y >= height {
                        continue;
                    }
                    let index = (y * width + x) as usize;
                    if value.data[index] == kind && labels.data[index] == 0 {
                        labels.data[index] = label;
                        stack.push((x, y));
                    }
                }
            }
            let area = one.area as f64;
            one.mean = ((sum_x as f64 / area) as f32, (sum_y as f64 / area) as f32);
            found.push(one);
        }
    }
    (labels, found)
}

/// The four neighbours over edges, then the four over corners.
pub const NEIGHBOURS: [(i32, i32); 8] =
    [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// Components of a mask, see [`components`].
pub fn mask_components(mask: &Mask, diagonal: bool) -> (Raster<u32>, Vec<Component>) {
    components(&mask.map(u8::from), diagonal)
}

/// Shrinks a picture so that its longer side is at most `most`, each pixel the mean of those it stands for. Gives the
/// factor, too: pixels of the result per pixel of the picture.
pub fn shrink(picture: &RgbImage, most: u32) -> (RgbImage, f32) {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    if longest <= most {
        return (picture.clone(), 1.0);
    }
    let factor = f64::from(most) / f64::from(longest);
    let size = |side: u32| ((f64::from(side) * factor).round() as u32).max(1);
    (image::imageops::thumbnail(picture, size(width), size(height)), factor as f32)
}

/// The value below which a share of the others lies; sorts a copy.
pub fn quantile(values: &[f32], share: f32) -> Option<f32> {
    let mut values: Vec<f32> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let last = values.len().checked_sub(1)?;
    let index = ((last as f32) * share).round() as usize;
    let (_, value, _) = values.select_nth_unstable_by(index.min(last), f32::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        Raster::from_fn(rows[0].len(), rows.len(), |x, y| rows[y].as_bytes()[x] == b'#')
    }

    #[test]
    fn distances_grow_from_what_is_set() {
        let far = distance(&mask(&[".....", ".....", "..#..", "....."]));
        assert_eq!(far.get(2, 2), Some(0.0));
        assert_eq!(far.get(4, 2), Some(2.0));
        assert!((far.get(0, 0).unwrap() - 8_f32.sqrt()).abs() < 1e-5);
        assert!(distance(&mask(&["..", ".."])).data.iter().all(|d| d.is_infinite()));
    }

    #[test]
    fn components_count_what_hangs_together() {
        let (_, corners) = mask_components(&mask(&["#..", ".#.", "..."]), false);
        assert_eq!(corners.len(), 2);
        let (labels, one) = mask_components(&mask(&["#..", ".#.", "..."]), true);
        assert_eq!((one.len(), one[0].area, one[0].size()), (1, 2, (2, 2)));
        assert_eq!(labels.get(1, 1), Some(1));
    }

    #[test]
    fn closing_bridges_a_gap_and_leaves_a_doorway() {
        let row = "########..########............########";
        let (none, some) = (".".repeat(row.len()), row.to_owned());
        let rows = [none.clone(), some.clone(), some.clone(), some.clone(), some, none];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let closed = close(&mask(&rows), 3.0);
        assert_eq!(closed.get(8, 2), Some(true));
        assert_eq!(closed.get(24, 2), Some(false));
        assert_eq!(closed.get(4, 0), Some(false), "no thicker than before");
    }

    #[test]
    fn quantiles_ignore_what_is_no_number() {
        assert_eq!(quantile(&[3.0, 1.0, f32::NAN, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[f32::NAN], 0.5), None);
    }
}
