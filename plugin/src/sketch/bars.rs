//! From ink to straight walls: strokes along the page's directions become bars with exact edges, in line with each
//! other; gaps in them are closed and corners met. What is neither level nor upright stays as it was drawn.

use super::raster::{Mask, Raster, mask_components, quantile};

/// Strokes that slope less are meant to be level or upright.
const MOST_SLOPE: f32 = 0.14;

/// A straight wall along one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bar {
    /// From here, pixels along the axis.
    pub from: f32,
    /// To here.
    pub to: f32,
    /// Middle across the axis.
    pub middle: f32,
    /// Thickness across the axis.
    pub thick: f32,
}

impl Bar {
    fn length(&self) -> f32 {
        self.to - self.from
    }
}

/// Bars along both axes and the ink that they do not explain.
pub(super) struct Bars {
    /// Along x.
    pub level: Vec<Bar>,
    /// Along y.
    pub upright: Vec<Bar>,
    /// Ink that is no bar.
    pub rest: Mask,
    /// Middles of gaps that were closed, pixels, and their lengths.
    pub closed: Vec<((f32, f32), f32)>,
    /// Widest turn of a stroke onto its axis, radians, and where.
    pub turned: Option<(f32, (f32, f32))>,
}

/// Finds bars in ink whose strokes are about `stroke_px` wide; gaps up to `gap_px` are closed.
pub(super) fn find(ink: &Mask, stroke_px: f32, gap_px: f32) -> Bars {
    let (level, level_ink) = along_rows(ink, stroke_px, gap_px);
    let upright_ink = ink.transposed();
    let (upright, upright_used) = along_rows(&upright_ink, stroke_px, gap_px);
    let rest = ink.without(&level_ink).without(&upright_used.transposed());
    let mut bars = Bars {
        level: level.iter().map(|found| found.bar).collect(),
        upright: upright.iter().map(|found| found.bar).collect(),
        rest,
        closed: Vec::new(),
        turned: None,
    };
    for (found, is_upright) in
        level.iter().map(|f| (f, false)).chain(upright.iter().map(|f| (f, true)))
    {
        let at = 0.5 * (found.bar.from + found.bar.to);
        let place = |at: f32| {
            if is_upright { (found.bar.middle, at) } else { (at, found.bar.middle) }
        };
        bars.closed.extend(found.gaps.iter().map(|(at, length)| (place(*at), *length)));
        if bars.turned.is_none_or(|(most, _)| found.slope.abs() > most) {
            bars.turned = Some((found.slope.abs(), place(at)));
        }
    }
    let tolerance = stroke_px.max(2.5);
    line_up(&mut bars.level, tolerance);
    line_up(&mut bars.upright, tolerance);
    join(&mut bars.level, gap_px, false, &mut bars.closed);
    join(&mut bars.upright, gap_px, true, &mut bars.closed);
    meet(&mut bars, gap_px, stroke_px);
    bars
}

struct Found {
    bar: Bar,
    slope: f32,
    /// Where the slope crosses the bar's middle.
    centre: f32,
    gaps: Vec<(f32, f32)>,
}

/// Bars along x, and their ink.
fn along_rows(ink: &Mask, stroke_px: f32, gap_px: f32) -> (Vec<Found>, Mask) {
    let reach = (0.6 * stroke_px).round().max(1.0) as usize;
    let least = (3.5 * stroke_px).max(10.0) as usize;
    let wide = dilate_down(ink, reach);
    let mut long = Raster::new(ink.width, ink.height, false);
    for y in 0..ink.height {
        let row = wide.row(y);
        let mut x = 0;
        while x < row.len() {
            if !row[x] {
                x += 1;
                continue;
            }
            // A run with its gaps; it ends where a gap is too wide.
            let start = x;
            let mut last = x;
            while x < row.len() && (row[x] || (x - last) as f32 <= gap_px) {
                if row[x] {
                    last = x;
                }
                x += 1;
            }
            if last + 1 - start >= least {
                long.data[y * ink.width + start..=y * ink.width + last].fill(true);
            }
        }
    }
    let (labels, pieces) = mask_components(&long, true);
    let mut columns: Vec<Vec<Column>> =
        pieces.iter().map(|piece| vec![Column::default(); piece.size().0]).collect();
    for y in 0..ink.height {
        for x in 0..ink.width {
            let i = y * ink.width + x;
            if ink.data[i]
                && let Some(index) = (labels.data[i] as usize).checked_sub(1)
            {
                let column = &mut columns[index][x - pieces[index].min.0];
                column.count += 1.0;
                column.sum += y as f32 + 0.5;
            }
        }
    }
    let mut found: Vec<Found> = Vec::new();
    let mut bar_of = vec![None; pieces.len() + 1];
    for (index, (piece, columns)) in pieces.iter().zip(&columns).enumerate() {
        if let Some(bar) = fit(piece.min.0 as f32, columns, stroke_px) {
            bar_of[index + 1] = Some(found.len());
            found.push(bar);
        }
    }
    // What hangs together with a bar and leaves it is something else.
    let mut explained = Raster::new(ink.width, ink.height, false);
    for y in 0..ink.height {
        for x in 0..ink.width {
            let i = y * ink.width + x;
            if ink.data[i]
                && let Some(one) = bar_of[labels.data[i] as usize].and_then(|k| found.get(k))
            {
                let line = one.bar.middle + one.slope * (x as f32 + 0.5 - one.centre);
                let off = y as f32 + 0.5 - line;
                let half = 0.5 * one.bar.thick;
                let band = half + 0.9 * stroke_px + 1.5;
                // In solid ground ink goes on beyond the band: that is not the bar's.
                let beyond = line + (band + 2.0) * off.signum();
                let is_solid = || ink.get(x as i32, beyond.floor() as i32) == Some(true);
                explained.data[i] = off.abs() <= half || (off.abs() <= band && !is_solid());
            }
        }
    }
    (found, explained)
}

#[derive(Clone, Copy, Default)]
struct Column {
    count: f32,
    sum: f32,
}

/// One bar through the ink of a piece, if that is straight, level, and about as thick all along.
fn fit(start: f32, columns: &[Column], stroke_px: f32) -> Option<Found> {
    let counts: Vec<f32> = columns.iter().map(|c| c.count).filter(|c| *c > 0.0).collect();
    let thick = quantile(&counts, 0.5)?;
    // Crossing walls are thicker than the wall itself.
    let plain = |c: &Column| c.count > 0.0 && c.count <= 1.6 * thick + 1.0;
    let points: Vec<(f32, f32)> = columns
        .iter()
        .enumerate()
        .filter(|(_, c)| plain(c))
        .map(|(i, c)| (i as f32 + 0.5, c.sum / c.count))
        .collect();
    let count = points.len() as f32;
    let is_even = count > 0.5 * counts.len() as f32 && thick <= 4.0 * stroke_px + 4.0;
    if !is_even || points.len() < 3 {
        return None;
    }
    let mean_x = points.iter().map(|p| p.0).sum::<f32>() / count;
    let mean_y = points.iter().map(|p| p.1).sum::<f32>() / count;
    let (mut xx, mut xy) = (0.0, 0.0);
    for (x, y) in &points {
        xx += (x - mean_x) * (x - mean_x);
        xy += (x - mean_x) * (y - mean_y);
    }
    let slope = xy / xx.max(1e-6);
    let off = |p: &(f32, f32)| (p.1 - mean_y - slope * (p.0 - mean_x)).abs();
    let offs: Vec<f32> = points.iter().map(off).collect();
    let bent = quantile(&offs, 0.9)?;
    let (first, last) =
        (columns.iter().position(|c| c.count > 0.0)?, columns.iter().rposition(|c| c.count > 0.0)?);
    let length = (last + 1 - first) as f32;
    if slope.abs() > MOST_SLOPE
        || bent > 0.9 * stroke_px + 0.012 * length + 1.5
        || length < 1.8 * thick
    {
        return None;
    }
    let mut gaps = Vec::new();
    let mut since: Option<usize> = None;
    for (i, column) in columns.iter().enumerate().take(last + 1).skip(first) {
        if column.count == 0.0 {
            since = since.or(Some(i));
        } else if let Some(from) = since.take()
            && i - from >= 3
        {
            gaps.push((start + 0.5 * (from + i) as f32, (i - from) as f32));
        }
    }
    let bar = Bar {
        from: start + first as f32,
        to: start + (last + 1) as f32,
        middle: mean_y,
        thick: thick.max(1.0),
    };
    Some(Found { bar, slope, centre: start + mean_x, gaps })
}

/// Each place is set if one within `reach` above or below is.
fn dilate_down(mask: &Mask, reach: usize) -> Mask {
    let mut wide = mask.clone();
    for y in 0..mask.height {
        for other in y.saturating_sub(reach)..(y + reach + 1).min(mask.height) {
            if other == y {
                continue;
            }
            for (x, set) in mask.row(other).iter().enumerate() {
                if *set {
                    wide.data[y * mask.width + x] = true;
                }
            }
        }
    }
    wide
}

/// Moves bars onto common lines where they nearly are on one: both sides of a doorway, say.
fn line_up(bars: &mut [Bar], tolerance: f32) {
    bars.sort_by(|a, b| a.middle.total_cmp(&b.middle));
    let mut start = 0;
    while start < bars.len() {
        let mut end = start + 1;
        while end < bars.len()
            && bars[end].middle - bars[end - 1].middle <= tolerance
            && bars[end].middle - bars[start].middle <= 1.6 * tolerance
        {
            end += 1;
        }
        let group = &mut bars[start..end];
        let length: f32 = group.iter().map(Bar::length).sum();
        let middle =
            group.iter().map(|bar| bar.middle * bar.length()).sum::<f32>() / length.max(1e-6);
        group.iter_mut().for_each(|bar| bar.middle = middle);
        start = end;
    }
}

/// Joins bars on one line with no more than a gap between them.
fn join(bars: &mut Vec<Bar>, gap_px: f32, is_upright: bool, closed: &mut Vec<((f32, f32), f32)>) {
    bars.sort_by(|a, b| a.middle.total_cmp(&b.middle).then(a.from.total_cmp(&b.from)));
    let mut joined: Vec<Bar> = Vec::new();
    for bar in bars.drain(..) {
        match joined.last_mut() {
            Some(last) if last.middle == bar.middle && bar.from - last.to <= gap_px => {
                let gap = bar.from - last.to;
                if gap >= 3.0 {
                    let at = 0.5 * (bar.from + last.to);
                    closed
                        .push((if is_upright { (bar.middle, at) } else { (at, bar.middle) }, gap));
                }
                let (a, b) = (last.length(), bar.length());
                last.thick = (last.thick * a + bar.thick * b) / (a + b).max(1e-6);
                last.to = last.to.max(bar.to);
            }
            _ => joined.push(bar),
        }
    }
    *bars = joined;
}

/// Ends that nearly meet a bar of the other axis end on its far face: corners are closed and nothing sticks out.
fn meet(bars: &mut Bars, gap_px: f32, stroke_px: f32) {
    let (level, upright) = (bars.level.clone(), bars.upright.clone());
    let reach = gap_px.max(1.2 * stroke_px);
    for (ends, others, is_upright) in
        [(&mut bars.level, &upright, false), (&mut bars.upright, &level, true)]
    {
        for bar in ends.iter_mut() {
            // The nearest line decides, and which way round it is met.
            for is_end in [false, true] {
                let end = if is_end { bar.to } else { bar.from };
                let near = others
                    .iter()
                    .filter(|other| {
                        let beside = bar.middle - 0.5 * bar.thick - reach;
                        let past = bar.middle + 0.5 * bar.thick + reach;
                        other.to >= beside && other.from <= past
                    })
                    .map(|other| (other, (end - other.middle).abs() - 0.5 * other.thick))
                    .filter(|(_, off)| *off <= reach)
                    .min_by(|(a, _), (b, _)| {
                        (end - a.middle).abs().total_cmp(&(end - b.middle).abs())
                    });
                let Some((other, off)) = near else { continue };
                if off >= 3.0 {
                    let at = if is_end { end + 0.5 * off } else { end - 0.5 * off };
                    let place = if is_upright { (bar.middle, at) } else { (at, bar.middle) };
                    bars.closed.push((place, off));
                }
                if is_end {
                    bar.to = other.middle + 0.5 * other.thick;
                } else {
                    bar.from = other.middle - 0.5 * other.thick;
                }
            }
        }
        ends.retain(|bar| bar.length() > 0.0);
    }
}

/// Widths of openings: between bars on one line, and between a bar's end and the bar of the other axis that it points
/// to.
pub(super) fn openings(bars: &Bars, least: f32, most: f32) -> Vec<f32> {
    let mut widths = Vec::new();
    for (ends, others) in [(&bars.level, &bars.upright), (&bars.upright, &bars.level)] {
        for bar in ends {
            // By hand, the parts of one wall are not quite on one line.
            let in_line =
                |other: &Bar| (other.middle - bar.middle).abs() <= bar.thick.max(other.thick);
            let next = ends
                .iter()
                .filter(|other| in_line(other) && other.from >= bar.to)
                .map(|other| other.from - bar.to);
            let crossing = others
                .iter()
                .filter(|other| other.from <= bar.middle && other.to >= bar.middle)
                .map(|other| other.middle - 0.5 * other.thick - bar.to)
                .filter(|gap| *gap >= 0.0);
            let before = others
                .iter()
                .filter(|other| other.from <= bar.middle && other.to >= bar.middle)
                .map(|other| bar.from - other.middle - 0.5 * other.thick)
                .filter(|gap| *gap >= 0.0);
            // A neighbour on the line would be counted twice, from both its sides.
            let ahead = next.chain(crossing).min_by(f32::total_cmp);
            let behind = before.min_by(f32::total_cmp).filter(|gap| {
                !ends.iter().any(|other| {
                    in_line(other) && other.to <= bar.from && bar.from - other.to < *gap
                })
            });
            widths.extend(
                [ahead, behind].into_iter().flatten().filter(|w| (least..most).contains(w)),
            );
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(from: f32, to: f32, middle: f32) -> Bar {
        Bar { from, to, middle, thick: 6.0 }
    }

    /// Drawn by hand, the two parts of a wall are not on one line: the next wall across is no doorway.
    #[test]
    fn a_doorway_is_seen_between_parts_of_a_wall_that_are_not_quite_in_line() {
        let bars = Bars {
            level: vec![bar(0.0, 400.0, 10.0), bar(0.0, 400.0, 300.0)],
            upright: vec![bar(7.0, 120.0, 200.0), bar(165.0, 303.0, 204.0)],
            rest: Raster::new(1, 1, false),
            closed: Vec::new(),
            turned: None,
        };
        assert_eq!(openings(&bars, 10.0, 200.0), [45.0]);
    }
}
