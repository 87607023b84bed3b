//! Rooms: what walls and doorways divide the floor into.

use super::plan::{CellKind, Plan};
use super::raster::{Mask, Raster, distance, mask_components};

/// Wider openings join two rooms into one, metres.
const WIDEST_DOORWAY_M: f32 = 2.2;
/// A doorway is no longer than this along the way through it; a longer one is a corridor, which is a room.
const LONGEST_DOORWAY_M: f32 = 1.0;
/// Smaller spaces are niches or deep doorways, square metres.
const LEAST_ROOM_M2: f32 = 2.5;
/// Walls that stand alone and are no larger are pillars; the space around one is one space. Metres.
const LARGEST_PILLAR_M: f32 = 2.0;

/// Counts the spaces inside that doorways, or openings like them, separate.
pub(super) fn count(plan: &Plan) -> usize {
    let closed = doorways(plan);
    let free = Raster::from_fn(plan.width, plan.height, |x, y| {
        let (x, y) = (x as i32, y as i32);
        let kind = plan.cell(x, y).kind;
        let is_floor = matches!(kind, CellKind::Floor | CellKind::Ramp { .. } | CellKind::Hazard);
        is_floor && closed.get(x, y) == Some(false)
    });
    let (_, spaces) = mask_components(&free, false);
    let least = (LEAST_ROOM_M2 / (plan.cell_m * plan.cell_m)).max(1.0);
    spaces.iter().filter(|space| space.area as f32 >= least).count()
}

/// Cells of openings: floor with wall close by on two opposite sides, no deeper than a wall is thick.
pub(super) fn doorways(plan: &Plan) -> Mask {
    let solid = Raster::from_fn(plan.width, plan.height, |x, y| {
        matches!(plan.cell(x as i32, y as i32).kind, CellKind::Wall | CellKind::Outside)
    });
    let solid = solid.without(&pillars(&solid, plan.cell_m));
    let far = distance(&solid);
    let across = necks(&solid, &far, plan.cell_m);
    let along = necks(&solid.transposed(), &far.transposed(), plan.cell_m).transposed();
    across.or(&along)
}

/// Small solid pieces that touch nothing else.
fn pillars(solid: &Mask, cell_m: f32) -> Mask {
    let (labels, pieces) = mask_components(solid, true);
    labels.map(|label| {
        let piece = (label as usize).checked_sub(1).and_then(|i| pieces.get(i));
        piece.is_some_and(|piece| piece.extent() as f32 * cell_m <= LARGEST_PILLAR_M)
    })
}

/// Openings that are crossed from north to south: runs of free cells between two solid ones in a row, with more room
/// north and south of it, or the two mouths of a corridor.
fn necks(solid: &Mask, far: &Raster<f32>, cell_m: f32) -> Mask {
    let (width, height) = (solid.width as i32, solid.height as i32);
    let widest = (WIDEST_DOORWAY_M / cell_m).max(1.0) as i32;
    let mut found = Raster::new(solid.width, solid.height, false);
    for y in 0..height {
        let mut x = 0;
        while x < width {
            if solid.get(x, y) != Some(false) {
                x += 1;
                continue;
            }
            let start = x;
            while x < width && solid.get(x, y) == Some(false) {
                x += 1;
            }
            let is_between = start > 0 && x < width && x - start <= widest;
            if is_between && is_neck(solid, far, cell_m, (start, x), y) {
                (start..x).for_each(|x| found.set(x, y, true));
            }
        }
    }
    found
}

/// Whether the walls beside a run end within a wall's thickness to the north and to the south of it; or a corridor
/// opens here into something much wider.
fn is_neck(solid: &Mask, far: &Raster<f32>, cell_m: f32, (start, end): (i32, i32), y: i32) -> bool {
    let deepest = ((LONGEST_DOORWAY_M / cell_m).round() as i32).max(1);
    let is_free = |y: i32| (start..end).any(|x| solid.get(x, y) == Some(false));
    let is_held =
        |y: i32| solid.get(start - 1, y) != Some(false) && solid.get(end, y) != Some(false);
    // How far the walls go on, and whether something free comes after them.
    let ends = [-1, 1].map(|step| {
        let depth = (1..=deepest).find(|i| !is_free(y + step * i) || !is_held(y + step * i));
        depth.map(|i| (i, is_free(y + step * i)))
    });
    if let [Some((a, true)), Some((b, true))] = ends
        && a + b - 1 <= deepest
    {
        return true;
    }
    let half = 0.5 * (end - start) as f32 + 0.5;
    let opens_wide = |step: i32| {
        let reach = (end - start) + 2;
        (1..=reach).any(|i| {
            (start - reach..end + reach).any(|x| {
                let is_seen = (1..=i).all(|j| is_free(y + step * j));
                is_seen && far.get(x, y + step * i).is_some_and(|d| d >= 1.5 * half)
            })
        })
    };
    [(0, -1), (1, 1)].iter().any(|(side, step)| {
        let other = ends.get(1 - side).copied().flatten();
        matches!(ends.get(*side), Some(Some((1, true)))) && other.is_none() && opens_wide(*step)
    })
}

#[cfg(test)]
mod tests {
    use glam::Vec2;

    use super::*;
    use crate::sketch::plan::Cell;

    fn rooms(cell_m: f32, rows: &[&str]) -> usize {
        let kind = |mark: char| match mark {
            '#' => CellKind::Wall,
            ' ' => CellKind::Outside,
            'D' => CellKind::Door,
            _ => CellKind::Floor,
        };
        let cells = rows
            .iter()
            .flat_map(|row| row.chars().map(|mark| Cell { kind: kind(mark), entry: 0 }))
            .collect();
        let (width, height) = (rows[0].len(), rows.len());
        count(&Plan { cell_m, origin_m: Vec2::ZERO, width, height, cells, ..Plan::default() })
    }

    #[test]
    fn doorways_divide_and_wide_openings_join() {
        let plan = ["#########", "#...#...#", "#.......#", "#...#...#", "#########"];
        assert_eq!(rooms(1.0, &plan), 2);
        let wide = ["#########", "#...#...#", "#.......#", "#.......#", "#.......#", "#########"];
        assert_eq!(rooms(1.0, &wide), 1, "an opening of 3 m");
        let door = ["#########", "#...#...#", "#...D...#", "#...#...#", "#########"];
        assert_eq!(rooms(1.0, &door), 2);
    }

    #[test]
    fn a_corridor_is_a_room_and_a_pillar_divides_nothing() {
        let corridor = [
            "##############",
            "#...######...#",
            "#............#",
            "#...######...#",
            "##############",
        ];
        assert_eq!(rooms(1.0, &corridor), 3);
        let pillar = ["#######", "#.....#", "#..#..#", "#.....#", "#######"];
        assert_eq!(rooms(1.0, &pillar), 1);
    }
}
