//! From bars, other ink and marks in pixels to cells in metres.

use glam::Vec2;

use super::bars::{Bar, Bars};
use super::ink::Ink;
use super::legend::{EntryKind, Legend};
use super::marks;
use super::plan::{Cell, CellKind, Plan};
use super::raster::{Mask, Raster, close, distance, mask_components};
use super::settle::{Draft, MOST_CELLS, entry_of};

/// Usual edge of a cell, metres.
const CELL_M: f32 = 0.25;

/// Lays bars, other ink and marks into cells.
///
/// # Errors
/// The drawing needs too many cells: what to do.
pub(super) fn lay(
    draft: &mut Draft,
    found: &Bars,
    ink: &Ink,
    legend: &Legend,
    ppm: f32,
    gap_px: f32,
) -> Result<(), String> {
    let (width_m, height_m) = (ink.walls.width as f32 / ppm, ink.walls.height as f32 / ppm);
    let mut cell_m = CELL_M;
    // Large drawings are built of larger cells, as long as walls are not much thinner.
    while width_m.max(height_m) / cell_m > 400.0 && cell_m < 0.5 {
        cell_m *= 1.25;
    }
    // A tiny drawing still has cells smaller than its walls are long.
    cell_m = cell_m.min(width_m.min(height_m) / 12.0).max(1e-4);
    let size = |metres: f32| (metres / cell_m).ceil() as usize + 2;
    let (width, height) = (size(width_m), size(height_m));
    if width.max(height) > MOST_CELLS {
        let text = format!(
            "the drawing is {width_m:.0} m × {height_m:.0} m, too large: give a smaller --metres-per-pixel"
        );
        return Err(text);
    }
    let cell_px = cell_m * ppm;
    let phase = |bars: &[Bar], others: &[Bar]| best_phase(bars, others, cell_px);
    let (phase_x, phase_y) =
        (phase(&found.upright, &found.level), phase(&found.level, &found.upright));
    let origin_px = Vec2::new(phase_x - cell_px, phase_y - cell_px);
    let floor = Cell { kind: CellKind::Floor, entry: entry_of(legend, EntryKind::Floor) };
    draft.plan = Plan {
        cell_m,
        origin_m: origin_px / ppm,
        width,
        height,
        cells: vec![floor; width * height],
        ..Plan::default()
    };
    let wall = Cell { kind: CellKind::Wall, entry: entry_of(legend, EntryKind::Wall) };
    // Marks first: walls are drawn over what they border on.
    marks::lay(draft, ink, legend, ppm);
    let mut fill = |x0: i32, x1: i32, y0: i32, y1: i32| {
        for (x, y) in (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y))) {
            if let Some(i) = draft.plan.index(x, y)
                && draft.plan.cells[i].kind != CellKind::Door
            {
                draft.plan.cells[i] = wall;
            }
        }
    };
    let span = |middle: f32, thick: f32, origin: f32| {
        let count = (thick / cell_px).round().max(1.0);
        let start = ((middle - origin) / cell_px - 0.5 * count).round() as i32;
        (start, start + count as i32)
    };
    let ends = |bar: &Bar, origin: f32| {
        let at = |px: f32| ((px - origin) / cell_px).round() as i32;
        (at(bar.from), at(bar.to).max(at(bar.from) + 1))
    };
    for (bars, others, is_upright) in
        [(&found.level, &found.upright, false), (&found.upright, &found.level, true)]
    {
        let (along, across) =
            if is_upright { (origin_px.y, origin_px.x) } else { (origin_px.x, origin_px.y) };
        for bar in bars {
            let (mut from, mut to) = ends(bar, along);
            let (side, other_side) = span(bar.middle, bar.thick, across);
            // Rounding to cells must not part a bar from the one that it ends on.
            for other in others.iter().filter(|o| o.from <= bar.middle && bar.middle <= o.to) {
                let half = 0.5 * other.thick + 1.5;
                let (first, last) = span(other.middle, other.thick, along);
                if (bar.from - other.middle).abs() <= half {
                    from = from.min(first);
                }
                if (bar.to - other.middle).abs() <= half {
                    to = to.max(last);
                }
            }
            if is_upright {
                fill(side, other_side, from, to);
            } else {
                fill(from, to, side, other_side);
            }
        }
    }
    let rest = close(&found.rest, 0.5 * gap_px + 0.5);
    let (labels, pieces) = mask_components(&rest, true);
    let far = distance(&rest.map(|set| !set));
    let mut half_px = vec![0.0_f32; pieces.len() + 1];
    for (label, d) in labels.data.iter().zip(&far.data) {
        if let Some(most) = half_px.get_mut(*label as usize).filter(|_| d.is_finite()) {
            *most = most.max(*d);
        }
    }
    let mut is_block = vec![false; pieces.len() + 1];
    for (index, piece) in pieces.iter().enumerate() {
        let (columns, rows) = piece.size();
        let filling = piece.area as f32 / (columns * rows) as f32;
        // A pillar, or a short piece of wall: its edges are straight.
        if filling > 0.8 && piece.extent() as f32 <= 4.0 * ppm {
            is_block[index + 1] = true;
            let centre = piece.centre();
            let (x0, x1) = span(centre.0, columns as f32, origin_px.x);
            let (y0, y1) = span(centre.1, rows as f32, origin_px.y);
            fill(x0, x1, y0, y1);
        }
    }
    // A thin slanted stroke covers little of each cell that it crosses; a block's edge is where half is covered.
    let is_thin =
        |label: u32| half_px.get(label as usize).is_some_and(|half| *half < 0.6 * cell_px);
    for (thin, least) in [(true, 0.2), (false, 0.5)] {
        let some = labels.map(|label| {
            label != 0 && is_block.get(label as usize) == Some(&false) && is_thin(label) == thin
        });
        let cover = coverage(&some, origin_px, cell_px, width, height);
        for (i, share) in cover.data.iter().enumerate() {
            if *share >= least {
                let (x, y) = ((i % width) as i32, (i / width) as i32);
                fill(x, x + 1, y, y + 1);
            }
        }
    }
    close_seams(&mut draft.plan, &coverage(&ink.walls, origin_px, cell_px, width, height), wall);
    Ok(())
}

/// Where ink goes on from one wall to the next, rounding to cells may leave a seam one cell wide: it is filled.
fn close_seams(plan: &mut Plan, inked: &Raster<f32>, wall: Cell) {
    let is_wall = |plan: &Plan, x: i32, y: i32| plan.cell(x, y).kind == CellKind::Wall;
    let seams: Vec<usize> = (0..plan.cells.len())
        .filter(|i| {
            let (x, y) = ((i % plan.width) as i32, (i / plan.width) as i32);
            let is_between = is_wall(plan, x - 1, y) && is_wall(plan, x + 1, y)
                || is_wall(plan, x, y - 1) && is_wall(plan, x, y + 1);
            plan.cells[*i].kind == CellKind::Floor
                && is_between
                && inked.data.get(*i).is_some_and(|share| *share > 0.12)
        })
        .collect();
    for i in seams {
        plan.cells[i] = wall;
    }
}

/// Where cells begin so that most walls lie on them, pixels from 0 to `cell_px`: faces of bars across the axis, and
/// ends of bars along it.
fn best_phase(across: &[Bar], along: &[Bar], cell_px: f32) -> f32 {
    const STEPS: usize = 12;
    let cost = |phase: f32| {
        let off = |at: f32| {
            let at = (at - phase) / cell_px;
            (at - at.round()).abs()
        };
        let faces = across.iter().map(|bar| {
            let count = (bar.thick / cell_px).round().max(1.0);
            (bar.to - bar.from) * off(bar.middle - 0.5 * count * cell_px)
        });
        let ends = along.iter().map(|bar| 0.5 * cell_px * (off(bar.from) + off(bar.to)));
        faces.chain(ends).sum::<f32>()
    };
    let phases = (0..STEPS).map(|i| i as f32 / STEPS as f32 * cell_px);
    phases.min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(0.0)
}

/// Share of each cell that a mask covers.
pub(super) fn coverage(
    mask: &Mask,
    origin_px: Vec2,
    cell_px: f32,
    width: usize,
    height: usize,
) -> Raster<f32> {
    let mut cover = Raster::new(width, height, 0.0_f32);
    let each = 1.0 / (cell_px * cell_px).max(1.0);
    for y in 0..mask.height {
        let row = ((y as f32 + 0.5 - origin_px.y) / cell_px).floor() as i32;
        for (x, set) in mask.row(y).iter().enumerate() {
            if *set {
                let column = ((x as f32 + 0.5 - origin_px.x) / cell_px).floor() as i32;
                let share = cover.get(column, row).unwrap_or(0.0);
                cover.set(column, row, share + each);
            }
        }
    }
    cover
}
