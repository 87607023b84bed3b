//! Repairs of doorways, and how sure a reading is.

use glam::Vec2;

use super::error::WarningKind;
use super::ink::Ink;
use super::legend::{EntryKind, Legend};
use super::plan::{Cell, CellKind, Plan};
use super::raster::{Raster, components};
use super::settle::{Draft, entry_of};

/// Narrower doorways are widened to [`DOORWAY_M`], metres.
const LEAST_DOORWAY_M: f32 = 0.7;
/// Width of a doorway that was widened, metres.
const DOORWAY_M: f32 = 0.9;

/// Openings that a player does not fit through: slits are closed, doorways widened.
pub(super) fn doorways(draft: &mut Draft, gap_m: f32, legend: &Legend) {
    let wall = Cell { kind: CellKind::Wall, entry: entry_of(legend, EntryKind::Wall) };
    let floor = Cell { kind: CellKind::Floor, entry: entry_of(legend, EntryKind::Floor) };
    let cell_m = draft.plan.cell_m;
    let gates = super::rooms::doorways(&draft.plan);
    let (_, pieces) = components(&gates.map(u8::from), true);
    for piece in pieces {
        let (columns, rows) = piece.size();
        let (x0, y0) = (piece.min.0 as i32, piece.min.1 as i32);
        let (x1, y1) = (piece.max.0 as i32, piece.max.1 as i32);
        let is_wall = |plan: &Plan, x: i32, y: i32| plan.cell(x, y).kind == CellKind::Wall;
        // Walls to the west and east: the opening is as wide as its columns.
        let is_level =
            (y0..=y1).all(|y| is_wall(&draft.plan, x0 - 1, y) && is_wall(&draft.plan, x1 + 1, y));
        let is_upright =
            (x0..=x1).all(|x| is_wall(&draft.plan, x, y0 - 1) && is_wall(&draft.plan, x, y1 + 1));
        // Where a corridor bends, cells count as an opening both ways: that is none.
        if is_level == is_upright || piece.area != columns * rows {
            continue;
        }
        let cells = if is_level { columns } else { rows };
        let width_m = cells as f32 * cell_m;
        let (cx, cy) = piece.centre();
        let at_m = draft.plan.origin_m + Vec2::new(cx, cy) * cell_m;
        if width_m >= LEAST_DOORWAY_M || cell_m > 0.5 * LEAST_DOORWAY_M {
            continue;
        }
        if width_m <= gap_m.min(0.3) {
            for (x, y) in (y0..=y1).flat_map(|y| (x0..=x1).map(move |x| (x, y))) {
                if let Some(i) = draft.plan.index(x, y) {
                    draft.plan.cells[i] = wall;
                }
            }
            draft.warn(
                WarningKind::GapClosed,
                Some(at_m),
                format!("a slit of {width_m:.2} m in a wall is closed"),
            );
            continue;
        }
        let more = ((DOORWAY_M - width_m) / cell_m).ceil() as i32;
        let (before, after) = (more / 2, more - more / 2);
        let (xs, ys) = if is_level {
            (x0 - before..=x1 + after, y0..=y1)
        } else {
            (x0..=x1, y0 - before..=y1 + after)
        };
        for (x, y) in ys.flat_map(|y| xs.clone().map(move |x| (x, y))) {
            if let Some(i) = draft.plan.index(x, y)
                && draft.plan.cells[i].kind == CellKind::Wall
            {
                draft.plan.cells[i] = floor;
            }
        }
        let text = format!(
            "a doorway of {width_m:.2} m is widened to {:.2} m",
            width_m + more as f32 * cell_m
        );
        draft.warn(WarningKind::DoorWidened, Some(at_m), text);
    }
}

/// How well walls and ink agree, and how clear the ink is, 0 to 1.
pub(super) fn confidence(plan: &Plan, ink: &Ink, ppm: f32) -> f32 {
    let cell_of =
        |x: usize, y: usize| plan.cell_at(Vec2::new(x as f32 + 0.5, y as f32 + 0.5) / ppm);
    let near_wall = |x: i32, y: i32| {
        (-1..=1).any(|dy| (-1..=1).any(|dx| plan.cell(x + dx, y + dy).kind == CellKind::Wall))
    };
    let (mut total, mut explained) = (0_usize, 0_usize);
    let mut inked = Raster::new(plan.width, plan.height, false);
    for y in 0..ink.walls.height {
        for (x, _) in ink.walls.row(y).iter().enumerate().filter(|(_, set)| **set) {
            let (cx, cy) = cell_of(x, y);
            total += 1;
            explained += usize::from(near_wall(cx, cy));
            inked.set(cx, cy, true);
        }
    }
    let (mut walls, mut drawn) = (0_usize, 0_usize);
    for y in 0..plan.height as i32 {
        for x in 0..plan.width as i32 {
            if plan.cell(x, y).kind == CellKind::Wall {
                walls += 1;
                let is_drawn =
                    (-1..=1).any(|dy| (-1..=1).any(|dx| inked.get(x + dx, y + dy) == Some(true)));
                drawn += usize::from(is_drawn);
            }
        }
    }
    let recall = explained as f32 / total.max(1) as f32;
    let precision = drawn as f32 / walls.max(1) as f32;
    let contrast = (ink.level / (9.0 * ink.noise + 20.0)).min(1.0);
    let clear = ((ink.clear - 0.6) / 0.3).clamp(0.0, 1.0);
    (recall * precision).powi(2) * contrast.sqrt() * clear
}
