//! Coloured marks of a drawing: areas become cells, dots become spawn, goal and bodies.

use glam::Vec2;

use super::error::WarningKind;
use super::grid::{body_size, uphill};
use super::ink::{Ink, NONE};
use super::lay::coverage;
use super::legend::{EntryKind, Legend};
use super::plan::{Cell, CellKind, Compass, PlannedBody};
use super::raster::{Mask, Raster, close, components, distance, mask_components, quantile};
use super::settle::Draft;

/// A blot of one colour: what is drawn, with its gaps and outlines filled.
struct Blot {
    entry: u8,
    /// On the page, pixels.
    min: (i32, i32),
    whole: Mask,
}

impl Blot {
    fn area(&self) -> usize {
        self.whole.count()
    }

    fn size(&self) -> (usize, usize) {
        (self.whole.width, self.whole.height)
    }

    fn centre_px(&self) -> Vec2 {
        let corner = Vec2::new(self.min.0 as f32, self.min.1 as f32);
        corner + 0.5 * Vec2::new(self.whole.width as f32, self.whole.height as f32)
    }
}

/// Coloured pixels that hang together, or nearly: scribbled fills, crosses and outlines are one blot.
fn blots(ink: &Ink) -> Vec<Blot> {
    let reach_px = (0.9 * ink.stroke_px).max(2.0);
    let near = (2.0 * reach_px) as i32 + 1;
    let (_, pieces) = components(&ink.marks.map(|mark| mark.wrapping_add(1)), true);
    let mut groups: Vec<(u8, (i32, i32), (i32, i32))> = Vec::new();
    for piece in &pieces {
        let (x, y) = (piece.seed.0 as i32, piece.seed.1 as i32);
        let Some(entry) = ink.marks.get(x, y).filter(|_| piece.area >= 3) else { continue };
        let mut min = (piece.min.0 as i32, piece.min.1 as i32);
        let mut max = (piece.max.0 as i32, piece.max.1 as i32);
        // A group that grows may touch another.
        while let Some(index) = groups.iter().position(|(other, low, high)| {
            *other == entry
                && low.0 <= max.0 + near
                && high.0 >= min.0 - near
                && low.1 <= max.1 + near
                && high.1 >= min.1 - near
        }) {
            let (_, low, high) = groups.swap_remove(index);
            min = (min.0.min(low.0), min.1.min(low.1));
            max = (max.0.max(high.0), max.1.max(high.1));
        }
        groups.push((entry, min, max));
    }
    let mut found = Vec::new();
    for (entry, min, max) in groups {
        let pad = near + 1;
        let (min, max) = ((min.0 - pad, min.1 - pad), (max.0 + pad, max.1 + pad));
        let drawn = ink.marks.crop(min, max, NONE).map(|mark| mark == entry);
        let whole = fill_outlines(&close(&drawn, reach_px));
        let (labels, pieces) = mask_components(&whole, true);
        for (index, piece) in pieces.iter().enumerate() {
            let at = |(x, y): (usize, usize)| (x as i32, y as i32);
            let one = labels.crop(at(piece.min), at(piece.max), 0).map(|l| l == index as u32 + 1);
            let corner = (min.0 + piece.min.0 as i32, min.1 + piece.min.1 as i32);
            found.push(Blot { entry, min: corner, whole: one });
        }
    }
    found
}

/// Coloured areas become cells, coloured dots become spawn, goal and bodies.
pub(super) fn lay(draft: &mut Draft, ink: &Ink, legend: &Legend, ppm: f32) {
    let (width, height) = (draft.plan.width, draft.plan.height);
    let (origin_px, cell_px) = (draft.plan.origin_m * ppm, draft.plan.cell_m * ppm);
    let least = (0.02 * ppm * ppm).max(0.5 * ink.stroke_px * ink.stroke_px).max(5.0);
    let mut spots: Vec<(usize, EntryKind, Vec2)> = Vec::new();
    for blot in blots(ink) {
        let Some(entry) = legend.get(blot.entry).filter(|_| blot.area() as f32 >= least) else {
            continue;
        };
        let centre_m = blot.centre_px() / ppm;
        let kind = match entry.kind {
            EntryKind::Spawn | EntryKind::Goal => {
                spots.push((blot.area(), entry.kind, centre_m));
                continue;
            }
            EntryKind::Body(shape) => {
                let (columns, rows) = blot.size();
                let size_m = body_size(shape, Vec2::new(columns as f32, rows as f32) / ppm);
                draft.plan.bodies.push(PlannedBody { centre_m, size_m, entry: blot.entry });
                continue;
            }
            EntryKind::Hazard => CellKind::Hazard,
            EntryKind::Door => CellKind::Door,
            EntryKind::Wall => CellKind::Wall,
            EntryKind::Ramp => CellKind::Ramp { towards: direction(draft, ink, &blot, ppm) },
            EntryKind::Floor => CellKind::Floor,
        };
        let least = if entry.kind == EntryKind::Door { 0.3 } else { 0.5 };
        let corner = Vec2::new(blot.min.0 as f32, blot.min.1 as f32);
        let cover = coverage(&blot.whole, origin_px - corner, cell_px, width, height);
        for (cell, share) in draft.plan.cells.iter_mut().zip(&cover.data) {
            if *share >= least {
                *cell = Cell { kind, entry: blot.entry };
            }
        }
    }
    spots.sort_by(|a, b| b.0.cmp(&a.0));
    // Crumbs beside a mark are not marks of their own.
    let of = |kind: EntryKind| {
        let largest = spots.iter().filter(|s| s.1 == kind).map(|s| s.0).max().unwrap_or(0);
        let large = spots.iter().filter(|s| s.1 == kind && 5 * s.0 >= largest);
        large.map(|s| s.2).collect::<Vec<_>>()
    };
    draft.spawns_m = of(EntryKind::Spawn);
    draft.goals_m = of(EntryKind::Goal);
}

/// Fills what a thin closed line encloses; a broad ring, such as a moat, stays a ring.
fn fill_outlines(mask: &Mask) -> Mask {
    let free = mask.map(|set| !set);
    let inside: Vec<f32> =
        distance(&free).data.into_iter().filter(|d| *d > 0.0 && d.is_finite()).collect();
    let half_px = quantile(&inside, 0.9).unwrap_or(0.0);
    let (labels, holes) = mask_components(&free, false);
    let fill: Vec<bool> = holes
        .iter()
        .map(|hole| {
            let is_enclosed = hole.min.0 > 0
                && hole.min.1 > 0
                && hole.max.0 + 1 < mask.width
                && hole.max.1 + 1 < mask.height;
            is_enclosed && (hole.area < 60 || 5.0 * half_px < (hole.area as f32).sqrt())
        })
        .collect();
    let data = labels.data.iter().zip(&mask.data).map(|(label, set)| {
        let index = (*label as usize).checked_sub(1);
        *set || index.and_then(|i| fill.get(i)) == Some(&true)
    });
    Raster { width: mask.width, height: mask.height, data: data.collect() }
}

/// Which way a ramp leads up.
fn direction(draft: &mut Draft, ink: &Ink, blot: &Blot, ppm: f32) -> Compass {
    let (columns, rows) = blot.size();
    let (x0, y0) = blot.min;
    let shades = (0..rows as i32).flat_map(|y| {
        (0..columns as i32).filter(move |x| blot.whole.get(*x, y) == Some(true)).map(move |x| {
            let shade = ink.shade.get(x0 + x, y0 + y).unwrap_or(0);
            (Vec2::new(x as f32, y as f32), f32::from(shade))
        })
    });
    let reach = (2.0 * ink.stroke_px) as i32 + 2;
    let is_wall = |x: i32, y: i32| {
        (-reach..=reach)
            .any(|k| ink.walls.get(x + k, y) == Some(true) || ink.walls.get(x, y + k) == Some(true))
    };
    let (compass, is_sure) = uphill(shades, blot.size(), is_wall, blot.min);
    if !is_sure {
        let text =
            format!("which end of the ramp is up is a guess ({compass:?}): draw that end darker");
        draft.warn(WarningKind::Ramp, Some(blot.centre_px() / ppm), text);
    }
    compass
}
