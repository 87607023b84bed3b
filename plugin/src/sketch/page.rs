//! A sheet of paper in a photo: found by its four sides, and laid flat.

use glam::{DMat3, DVec3, Vec2, Vec3Swizzles as _};
use image::{Rgb, RgbImage};

use super::raster::{Component, Mask, Raster, distance, mask_components, shrink};

/// Pages are looked for at this size, pixels.
const SEARCH_PX: u32 = 256;
/// A page fills at least this share of the photo.
const LEAST_SHARE: f32 = 0.12;
/// What is found must fill its four sides this well.
const LEAST_FIT: f32 = 0.94;
/// Number of brightnesses at which paper is parted from desk.
const THRESHOLDS: usize = 12;

/// Corners of the page in pixels of `picture`, clockwise from the top left; `None` if the picture shows no more than
/// the drawing.
pub(super) fn find(picture: &RgbImage) -> Option<[Vec2; 4]> {
    let (small, factor) = shrink(picture, SEARCH_PX);
    // Paper is brighter than a desk, or less coloured, or both.
    let luma = channel(&small, |[r, g, b]| 0.3 * r + 0.59 * g + 0.11 * b);
    let pale = channel(&small, |[r, g, b]| r.min(g).min(b));
    let ink = luma.data.iter().copied().fold(f32::INFINITY, f32::min);
    let mut best: Option<(f32, [Vec2; 4])> = None;
    // Under uneven light a desk near the lamp is as bright as paper far from it.
    let even = without_trend(&luma);
    for values in [&luma, &pale, &even] {
        let low = values.data.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.data.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if high - low < 24.0 {
            continue;
        }
        for step in 1..THRESHOLDS {
            let threshold = low + (high - low) * step as f32 / THRESHOLDS as f32;
            if let Some((fit, corners)) = sheet(values, threshold, &luma, ink)
                && best.is_none_or(|(most, _)| fit > most)
            {
                best = Some((fit, corners));
            }
        }
    }
    let (_, corners) = best?;
    Some(sharpen(picture, corners.map(|corner| corner / factor), 2.0 / factor))
}

fn channel(picture: &RgbImage, value: impl Fn([f32; 3]) -> f32) -> Raster<f32> {
    let data = picture.pixels().map(|pixel| value(pixel.0.map(f32::from))).collect();
    Raster { width: picture.width() as usize, height: picture.height() as usize, data }
}

/// Brightness without the plane that fits its logarithm best, on the same scale.
fn without_trend(luma: &Raster<f32>) -> Raster<f32> {
    let centre = 0.5 * Vec2::new(luma.width as f32, luma.height as f32);
    let place = |i: usize| Vec2::new((i % luma.width) as f32, (i / luma.width) as f32) - centre;
    let logs: Vec<f32> = luma.data.iter().map(|value| value.max(4.0).ln()).collect();
    let mean = logs.iter().sum::<f32>() / logs.len().max(1) as f32;
    // On a whole rectangle the two directions are independent.
    let (slope, spread) =
        logs.iter().enumerate().fold((Vec2::ZERO, Vec2::ZERO), |(a, b), (i, log)| {
            (a + place(i) * (log - mean), b + place(i) * place(i))
        });
    let slope = slope / spread.max(Vec2::splat(1e-3));
    let data = logs.iter().enumerate().map(|(i, log)| (log - slope.dot(place(i))).exp()).collect();
    Raster { width: luma.width, height: luma.height, data }
}

/// A bright sheet with four straight sides and something darker all around it.
fn sheet(
    values: &Raster<f32>,
    threshold: f32,
    luma: &Raster<f32>,
    ink: f32,
) -> Option<(f32, [Vec2; 4])> {
    let (width, height) = (values.width, values.height);
    let pixels = (width * height) as f32;
    let is_bright = |x: usize, y: usize| values.data[y * width + x] > threshold;
    let rows = (0..height).flat_map(|y| [(0, y), (width - 1, y)]);
    let framed = (0..width).flat_map(|x| [(x, 0), (x, height - 1)]).chain(rows);
    if 5 * framed.filter(|(x, y)| is_bright(*x, *y)).count() > 2 * (width + height) {
        return None;
    }
    let bright = values.map(|value| value > threshold);
    let (labels, pieces) = mask_components(&bright, false);
    // A closed outer wall parts the margin from what lies inside: the margin reaches farther.
    let reach = |piece: &Component| piece.size().0 * piece.size().1;
    let (index, piece) = pieces.iter().enumerate().max_by_key(|(_, piece)| reach(piece))?;
    if (reach(piece) as f32) < LEAST_SHARE * pixels {
        return None;
    }
    // Ink on the sheet leaves holes: what cannot be reached from the border belongs to it.
    let other = labels.map(|label| label != index as u32 + 1);
    let filled = without_border(&other).map(|outside| !outside);
    let border = (0..width).filter(|x| filled.get(*x as i32, 0) == Some(true)).count()
        + (0..width).filter(|x| filled.get(*x as i32, height as i32 - 1) == Some(true)).count()
        + (0..height).filter(|y| filled.get(0, *y as i32) == Some(true)).count()
        + (0..height).filter(|y| filled.get(width as i32 - 1, *y as i32) == Some(true)).count();
    if border as f32 > 0.04 * (2 * (width + height)) as f32 {
        return None;
    }
    let hull = hull(&filled);
    let corners = largest_quad(&hull)?;
    if !is_page_shaped(&corners) {
        return None;
    }
    let area = quad_area(&corners);
    let share = area / pixels;
    if !(LEAST_SHARE..0.98).contains(&share) {
        return None;
    }
    let (mut inside, mut beyond, mut beyond_dark, mut beyond_luma) =
        (0_usize, 0_usize, 0_usize, 0.0);
    for y in 0..height {
        for x in 0..width {
            let is_sheet = filled.get(x as i32, y as i32) == Some(true);
            if contains(&corners, Vec2::new(x as f32 + 0.5, y as f32 + 0.5)) {
                inside += usize::from(is_sheet);
            } else {
                beyond += 1;
                beyond_dark += usize::from(!bright.get(x as i32, y as i32).unwrap_or(true));
                beyond_luma += luma.get(x as i32, y as i32).unwrap_or(0.0);
            }
        }
    }
    let sheet = filled.count() as f32;
    let fit = inside as f32 / (sheet + area - inside as f32).max(1.0);
    if fit < LEAST_FIT || (beyond_dark as f32) < 0.9 * beyond as f32 {
        return None;
    }
    // A room with thick walls all around is no page: it lies straight, and what surrounds it is as black as ink.
    let beyond_luma = beyond_luma / beyond.max(1) as f32;
    if is_straight(&corners) && beyond_luma < ink + 25.0 {
        return None;
    }
    Some((fit, corners))
}

/// What is connected to the border through what is set.
fn without_border(set: &Mask) -> Mask {
    let wide = Raster::from_fn(set.width + 2, set.height + 2, |x, y| {
        set.get(x as i32 - 1, y as i32 - 1).unwrap_or(true)
    });
    let (labels, _) = mask_components(&wide, false);
    let outside = labels.get(0, 0);
    Raster::from_fn(set.width, set.height, |x, y| labels.get(x as i32 + 1, y as i32 + 1) == outside)
}

/// Whether four corners may be a sheet's, seen by a camera that is held as one does.
fn is_page_shaped(corners: &[Vec2; 4]) -> bool {
    const MOST_COSINE: f32 = 0.6;
    const MOST_RATIO: f32 = 2.2;
    (0..4).all(|i| {
        let (here, next, last) = (corners[i], corners[(i + 1) % 4], corners[(i + 3) % 4]);
        let opposite = corners[(i + 2) % 4].distance(last);
        let cosine = (next - here).normalize_or_zero().dot((last - here).normalize_or_zero());
        cosine.abs() < MOST_COSINE && here.distance(next) < MOST_RATIO * opposite
    })
}

fn is_straight(corners: &[Vec2; 4]) -> bool {
    (0..4).all(|i| {
        let side = corners[(i + 1) % 4] - corners[i];
        side.abs().min_element() < 0.012 * side.length() + 0.8
    })
}

/// Convex hull of what is set, clockwise on the picture (Andrew's monotone chain).
fn hull(set: &Mask) -> Vec<Vec2> {
    let mut points = Vec::new();
    for y in 0..set.height {
        let row = set.row(y);
        let (Some(first), Some(last)) = (row.iter().position(|s| *s), row.iter().rposition(|s| *s))
        else {
            continue;
        };
        for x in [first as f32, last as f32 + 1.0] {
            points.push(Vec2::new(x, y as f32));
            points.push(Vec2::new(x, y as f32 + 1.0));
        }
    }
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    points.dedup();
    let chain = |points: &mut dyn Iterator<Item = &Vec2>| {
        let mut chain: Vec<Vec2> = Vec::new();
        for point in points {
            while let [.., a, b] = chain[..] {
                if (b - a).perp_dot(*point - b) > 0.0 {
                    break;
                }
                chain.pop();
            }
            chain.push(*point);
        }
        chain.pop();
        chain
    };
    let mut hull = chain(&mut points.iter());
    hull.extend(chain(&mut points.iter().rev()));
    hull
}

/// The four corners of a hull that span the largest area, clockwise from the top left.
fn largest_quad(hull: &[Vec2]) -> Option<[Vec2; 4]> {
    // The most pronounced vertices are enough.
    let mut points = hull.to_vec();
    while points.len() > 20 {
        let count = points.len();
        let cut = |i: usize| {
            let (a, b, c) = (points[(i + count - 1) % count], points[i], points[(i + 1) % count]);
            (b - a).perp_dot(c - a).abs()
        };
        let least = (0..count).min_by(|a, b| cut(*a).total_cmp(&cut(*b)))?;
        points.remove(least);
    }
    let count = points.len();
    let mut best: Option<(f32, [Vec2; 4])> = None;
    for a in 0..count {
        for b in a + 1..count {
            for c in b + 1..count {
                for d in c + 1..count {
                    let quad = [points[a], points[b], points[c], points[d]];
                    let area = quad_area(&quad);
                    if best.is_none_or(|(most, _)| area > most) {
                        best = Some((area, quad));
                    }
                }
            }
        }
    }
    let (_, quad) = best?;
    let first = (0..4).min_by(|a, b| {
        let key = |i: usize| quad[i].x + quad[i].y;
        key(*a).total_cmp(&key(*b))
    })?;
    let turned: [Vec2; 4] = std::array::from_fn(|i| quad[(first + i) % 4]);
    let is_clockwise = (turned[1] - turned[0]).perp_dot(turned[2] - turned[0]) > 0.0;
    Some(if is_clockwise { turned } else { [turned[0], turned[3], turned[2], turned[1]] })
}

fn quad_area(quad: &[Vec2; 4]) -> f32 {
    0.5 * (quad[2] - quad[0]).perp_dot(quad[3] - quad[1]).abs()
}

fn contains(quad: &[Vec2; 4], point: Vec2) -> bool {
    (0..4).all(|i| (quad[(i + 1) % 4] - quad[i]).perp_dot(point - quad[i]) >= 0.0)
}

/// Fits each side to the strongest edge within `reach` pixels.
fn sharpen(picture: &RgbImage, corners: [Vec2; 4], reach: f32) -> [Vec2; 4] {
    let luma = |p: Vec2| {
        let (x, y) = (p.x.floor() as i64, p.y.floor() as i64);
        let x = x.clamp(0, i64::from(picture.width()) - 1) as u32;
        let y = y.clamp(0, i64::from(picture.height()) - 1) as u32;
        let [r, g, b] = picture.get_pixel(x, y).0.map(f32::from);
        0.3 * r + 0.59 * g + 0.11 * b
    };
    let lines: [(Vec2, Vec2); 4] = std::array::from_fn(|i| {
        let (a, b) = (corners[i], corners[(i + 1) % 4]);
        let along = (b - a).normalize_or_zero();
        let inward = along.perp();
        let mut found: Vec<Vec2> = (0..60)
            .map(|k| {
                let base = a.lerp(b, 0.06 + 0.88 * k as f32 / 59.0);
                let steps = (2.0 * reach).ceil().max(2.0) as i32;
                let rise = |s: i32| {
                    let at = base + inward * (0.5 * s as f32);
                    luma(at + inward * 1.2) - luma(at - inward * 1.2)
                };
                let best = (-steps..=steps).max_by(|s, t| rise(*s).total_cmp(&rise(*t)));
                base + inward * (0.5 * best.unwrap_or(0) as f32)
            })
            .collect();
        let mut line = fit_line(&found, along);
        for _ in 0..3 {
            let off = |p: &Vec2| (*p - line.0).perp_dot(line.1).abs();
            let mut offs: Vec<f32> = found.iter().map(off).collect();
            offs.sort_by(f32::total_cmp);
            let limit = (2.0 * offs.get(offs.len() / 2).copied().unwrap_or(1.0)).max(0.7);
            found.retain(|p| off(p) <= limit);
            if found.len() < 8 {
                break;
            }
            line = fit_line(&found, line.1);
        }
        line
    });
    std::array::from_fn(|i| {
        let ((p, d), (q, e)) = (lines[(i + 3) % 4], lines[i]);
        let cross = d.perp_dot(e);
        let met = p + d * ((q - p).perp_dot(e) / cross);
        let is_near = cross.abs() > 0.2 && met.distance(corners[i]) < 4.0 * reach + 4.0;
        if is_near { met } else { corners[i] }
    })
}

/// A point and a unit direction of the line nearest to the points; `along` where they tell nothing.
fn fit_line(points: &[Vec2], along: Vec2) -> (Vec2, Vec2) {
    let count = points.len().max(1) as f32;
    let mean = points.iter().copied().sum::<Vec2>() / count;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for point in points {
        let d = *point - mean;
        (xx, xy, yy) = (xx + d.x * d.x, xy + d.x * d.y, yy + d.y * d.y);
    }
    let angle = 0.5 * (2.0 * xy).atan2(xx - yy);
    let direction = Vec2::from_angle(angle);
    let direction = if direction.dot(along) < 0.0 { -direction } else { direction };
    if direction.is_finite() && points.len() > 1 { (mean, direction) } else { (mean, along) }
}

/// Lays a page flat. `most` bounds the longer side, pixels.
pub(super) fn flatten(picture: &RgbImage, corners: [Vec2; 4], most: u32) -> RgbImage {
    let side = |a: usize, b: usize| corners[a].distance(corners[b]);
    let (across, down) = (0.5 * (side(0, 1) + side(3, 2)), 0.5 * (side(0, 3) + side(1, 2)));
    let centre = 0.5 * Vec2::new(picture.width() as f32, picture.height() as f32);
    let aspect = familiar(aspect(&corners, centre).unwrap_or(across / down.max(1.0)));
    // As many pixels as the photo has of it.
    let area = across * down;
    let (width, height) = ((area * aspect).sqrt(), (area / aspect).sqrt());
    let factor = (most as f32 / width.max(height)).min(1.0);
    let size = |side: f32| ((side * factor).round() as u32).clamp(8, most);
    warp(picture, corners, size(width), size(height))
}

/// Width over height of a rectangle seen as `corners` by a camera that looks at `centre`, if it looks from a plausible
/// distance (Zhang and He, "Whiteboard scanning and image enhancement", 2007).
fn aspect(corners: &[Vec2; 4], centre: Vec2) -> Option<f32> {
    let [m1, m2, m4, m3] = corners.map(|c| {
        let c = (c - centre).as_dvec2();
        DVec3::new(c.x, c.y, 1.0)
    });
    let k2 = m1.cross(m4).dot(m3) / m2.cross(m4).dot(m3);
    let k3 = m1.cross(m4).dot(m2) / m3.cross(m4).dot(m2);
    let (n2, n3) = (k2 * m2 - m1, k3 * m3 - m1);
    let diagonal = 2.0 * f64::from(centre.length());
    let focal2 = -(n2.x * n3.x + n2.y * n3.y) / (n2.z * n3.z);
    let focal = focal2.sqrt();
    // Nearly parallel sides say nothing of the focal length.
    let is_told = n2.z.abs().min(n3.z.abs()) > 0.02 && (0.5..4.0).contains(&(focal / diagonal));
    let length2 = |n: DVec3| (n.x * n.x + n.y * n.y) / focal2 + n.z * n.z;
    let aspect = (length2(n2) / length2(n3)).sqrt() as f32;
    (is_told && (0.2..5.0).contains(&aspect)).then_some(aspect)
}

/// The aspect of a usual format if it is that within the error of four corners.
fn familiar(aspect: f32) -> f32 {
    const FORMATS: [f32; 6] =
        [1.0, 11.0 / 8.5, 4.0 / 3.0, std::f32::consts::SQRT_2, 3.0 / 2.0, 16.0 / 9.0];
    let long = aspect.max(1.0 / aspect);
    let near = FORMATS.iter().copied().min_by(|a, b| (a - long).abs().total_cmp(&(b - long).abs()));
    let long = near.filter(|near| (near / long - 1.0).abs() < 0.02).unwrap_or(long);
    if aspect < 1.0 { 1.0 / long } else { long }
}

/// The quadrilateral `corners` of a picture, drawn out to a rectangle.
pub(super) fn warp(picture: &RgbImage, corners: [Vec2; 4], width: u32, height: u32) -> RgbImage {
    let quad_from_unit = quad_from_unit(corners);
    RgbImage::from_fn(width, height, |x, y| {
        let u = (f64::from(x) + 0.5) / f64::from(width);
        let v = (f64::from(y) + 0.5) / f64::from(height);
        let at = quad_from_unit * DVec3::new(u, v, 1.0);
        sample(picture, (at.xy() / at.z).as_vec2() - 0.5)
    })
}

/// The projection of the unit square onto a quadrilateral (Heckbert, "Fundamentals of texture mapping and image
/// warping", 1989).
fn quad_from_unit(corners: [Vec2; 4]) -> DMat3 {
    let [p0, p1, p2, p3] = corners.map(|c| c.as_dvec2());
    let (d1, d2, s) = (p1 - p2, p3 - p2, p0 - p1 + p2 - p3);
    let cross = d1.perp_dot(d2);
    let (g, h) = if cross.abs() < 1e-9 {
        (0.0, 0.0)
    } else {
        (s.perp_dot(d2) / cross, d1.perp_dot(s) / cross)
    };
    let (a, b) = (p1 - p0 + g * p1, p3 - p0 + h * p3);
    DMat3::from_cols(a.extend(g), b.extend(h), p0.extend(1.0))
}

/// From a quadrilateral to the unit square.
pub(super) fn inverse(corners: [Vec2; 4]) -> impl Fn(Vec2) -> Vec2 {
    let unit_from_quad = quad_from_unit(corners).inverse();
    move |at| {
        let unit = unit_from_quad * at.as_dvec2().extend(1.0);
        (unit.xy() / unit.z).as_vec2()
    }
}

/// Between the four pixels around a place; at the border the nearest.
pub(super) fn sample(picture: &RgbImage, at: Vec2) -> Rgb<u8> {
    let most = Vec2::new(picture.width() as f32 - 1.0, picture.height() as f32 - 1.0);
    let at = if at.is_finite() { at.clamp(Vec2::ZERO, most.max(Vec2::ZERO)) } else { Vec2::ZERO };
    let (x, y) = (at.x as u32, at.y as u32);
    let (x1, y1) = ((x + 1).min(picture.width() - 1), (y + 1).min(picture.height() - 1));
    let (fx, fy) = (at.x - x as f32, at.y - y as f32);
    let (a, b) = (picture.get_pixel(x, y).0, picture.get_pixel(x1, y).0);
    let (c, d) = (picture.get_pixel(x, y1).0, picture.get_pixel(x1, y1).0);
    Rgb(std::array::from_fn(|i| {
        let (a, b, c, d) = (f32::from(a[i]), f32::from(b[i]), f32::from(c[i]), f32::from(d[i]));
        let (top, bottom) = (a + (b - a) * fx, c + (d - c) * fx);
        (top + (bottom - top) * fy + 0.5) as u8
    }))
}

/// Turns a picture about its centre by an angle, clockwise; what comes in from beyond repeats the border.
pub(super) fn turn(picture: &RgbImage, radians: f32) -> RgbImage {
    let size = Vec2::new(picture.width() as f32, picture.height() as f32);
    let centre = 0.5 * size;
    let back = Vec2::from_angle(-radians);
    let corner = |x: f32, y: f32| centre + back.rotate(Vec2::new(x, y) * size - centre);
    let corners = [corner(0.0, 0.0), corner(1.0, 0.0), corner(1.0, 1.0), corner(0.0, 1.0)];
    warp(picture, corners, picture.width(), picture.height())
}

/// How far from the border desk may show after a page was laid flat: pixels there are no ink.
pub(super) fn rim(width: usize, height: usize) -> Mask {
    let rim = (0.012 * width.max(height) as f32).max(2.0);
    let border = Raster::from_fn(width, height, |x, y| {
        x == 0 || y == 0 || x + 1 == width || y + 1 == height
    });
    distance(&border).map(|d| d < rim)
}
