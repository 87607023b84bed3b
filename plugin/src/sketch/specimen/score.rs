//! How well a reading agrees with the truth: the gates of the project's evaluation.

use glam::Vec2;

use super::{Layout, Specimen};
use crate::sketch::Reading;
use crate::sketch::plan::{Cell, CellKind, Plan, PlannedBody};
use crate::sketch::raster::{Mask, Raster};

/// Cells in which truth and reading are compared, metres.
const CELL_M: f32 = 0.25;

/// Of one reading; shares from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Intersection over union of walls, one cell off is no fault.
    pub wall_iou: f32,
    /// Of boundaries between wall and free, one cell off is no fault.
    pub boundary_f1: f32,
    /// As many rooms as drawn.
    pub rooms_exact: bool,
    /// Every doorway is open, and nothing else.
    pub openings_exact: bool,
    /// Intersection over union of what can be walked to from the spawn.
    pub reachable_iou: f32,
    /// From the drawn spawn, metres.
    pub spawn_off_m: f32,
    /// Spawn is on free floor.
    pub spawn_free: bool,
    /// A grid search comes from spawn to goal.
    pub goal_reached: bool,
    /// From the drawn goal, metres.
    pub goal_off_m: f32,
    /// Share of drawn bodies that were read as such, less those that were invented.
    pub bodies: f32,
}

impl Score {
    /// Whether the level is another one than was drawn: a way that is closed or opened, or walls elsewhere.
    pub fn is_wrong(&self) -> bool {
        self.reachable_iou < 0.8 || self.wall_iou < 0.7 || !self.goal_reached
    }
}

/// Compares a reading with the truth. In a photo there is no scale but the page: its corners are laid on each other.
pub fn score(specimen: &Specimen, reading: &Reading) -> Score {
    let truth = plan(&specimen.layout, specimen.page_m);
    let page = &reading.page;
    let size_m = Vec2::new(page.picture.width() as f32, page.picture.height() as f32)
        / page.pixels_per_metre;
    let stretch = if specimen.is_photo { size_m / specimen.page_m } else { Vec2::ONE };
    let kind_at = |m: Vec2| {
        let (x, y) = reading.plan.cell_at(m * stretch);
        reading.plan.cell(x, y).kind
    };
    let (width, height) = (truth.width, truth.height);
    let read = Raster::from_fn(width, height, |x, y| kind_at(truth.centre_m(x as i32, y as i32)));
    let true_kind =
        Raster { width, height, data: truth.cells.iter().map(|cell| cell.kind).collect() };
    let (true_walls, read_walls) = (walls(&true_kind), walls(&read));
    let (hit, miss, extra) = compare(&true_walls, &read_walls);
    let wall_iou = hit as f32 / (hit + miss + extra).max(1) as f32;
    let boundary_f1 = f1(&boundary(&true_walls), &boundary(&read_walls));
    let read_truth = Plan {
        cells: read.data.iter().map(|kind| Cell { kind: *kind, entry: 0 }).collect(),
        ..truth.clone()
    };
    let spawn_m = reading.plan.spawn_m.map(|m| m / stretch);
    let reached = reading.plan.spawn_m.map(|m| reading.plan.reachable_from(m)).unwrap_or_default();
    let read_reach = Raster::from_fn(width, height, |x, y| {
        let (x, y) = reading.plan.cell_at(truth.centre_m(x as i32, y as i32) * stretch);
        reading.plan.index(x, y).and_then(|i| reached.get(i)).copied().unwrap_or(false)
    });
    let true_reach = truth.reachable_from(specimen.layout.spawn_m);
    // Along walls one cell more or less is no fault either.
    let tolerant = Raster { width, height, data: true_reach.clone() };
    let (hit, miss, extra) = compare(&tolerant, &read_reach);
    let off = |a: Option<Vec2>, b: Vec2| a.map_or(f32::INFINITY, |a| a.distance(b));
    Score {
        wall_iou,
        boundary_f1,
        rooms_exact: reading.plan.rooms == specimen.layout.rooms.len(),
        openings_exact: openings_agree(&specimen.layout, &truth, &read_truth),
        reachable_iou: hit as f32 / (hit + miss + extra).max(1) as f32,
        spawn_off_m: off(spawn_m, specimen.layout.spawn_m),
        spawn_free: reading.plan.spawn_m.is_some_and(|m| {
            let (x, y) = reading.plan.cell_at(m);
            reading.plan.cell(x, y).kind.is_walkable()
        }),
        goal_reached: reading.plan.is_goal_reachable() == Some(true),
        goal_off_m: off(reading.plan.goal_m.map(|m| m / stretch), specimen.layout.goal_m),
        bodies: bodies(&specimen.layout, &reading.plan, stretch),
    }
}

/// The truth in cells.
pub(super) fn plan(layout: &Layout, page_m: Vec2) -> Plan {
    let (width, height) =
        ((page_m.x / CELL_M).ceil() as usize, (page_m.y / CELL_M).ceil() as usize);
    let mut plan = Plan { cell_m: CELL_M, width, height, ..Plan::default() };
    let outer = super::layout::Area { min: layout.corner_m, max: layout.corner_m + layout.size_m };
    for y in 0..height {
        for x in 0..width {
            let m = plan.centre_m(x as i32, y as i32);
            let is_wall = layout.walls.iter().any(|wall| {
                let along = wall.b - wall.a;
                let share =
                    ((m - wall.a).dot(along) / along.length_squared().max(1e-9)).clamp(0.0, 1.0);
                (m - wall.a - along * share).abs().max_element() <= 0.5 * CELL_M
            }) || layout.pillars.iter().any(|pillar| pillar.contains(m));
            let kind = if is_wall {
                CellKind::Wall
            } else if layout.water.iter().any(|water| water.contains(m)) {
                CellKind::Hazard
            } else if outer.contains(m) {
                CellKind::Floor
            } else {
                CellKind::Outside
            };
            plan.cells.push(Cell { kind, entry: 0 });
        }
    }
    plan.spawn_m = Some(layout.spawn_m);
    plan.goal_m = Some(layout.goal_m);
    plan.rooms = layout.rooms.len();
    plan.bodies = layout
        .bodies
        .iter()
        .map(|(area, _)| PlannedBody { centre_m: area.centre(), size_m: area.size(), entry: 0 })
        .collect();
    plan
}

fn walls(kinds: &Raster<CellKind>) -> Mask {
    kinds.map(|kind| kind == CellKind::Wall)
}

fn near(mask: &Mask, x: i32, y: i32) -> bool {
    (-1..=1).any(|dy| (-1..=1).any(|dx| mask.get(x + dx, y + dy) == Some(true)))
}

/// Cells that agree, that are missing, and that are too many; one cell off agrees.
fn compare(truth: &Mask, read: &Mask) -> (usize, usize, usize) {
    let (mut hit, mut miss, mut extra) = (0, 0, 0);
    for y in 0..truth.height as i32 {
        for x in 0..truth.width as i32 {
            match (truth.get(x, y) == Some(true), read.get(x, y) == Some(true)) {
                (true, _) if near(read, x, y) => hit += 1,
                (true, _) => miss += 1,
                (false, true) if !near(truth, x, y) => extra += 1,
                _ => {}
            }
        }
    }
    (hit, miss, extra)
}

/// Cells that differ from a neighbour.
fn boundary(mask: &Mask) -> Mask {
    Raster::from_fn(mask.width, mask.height, |x, y| {
        let (x, y) = (x as i32, y as i32);
        mask.get(x, y) == Some(true)
            && [(1, 0), (-1, 0), (0, 1), (0, -1)]
                .iter()
                .any(|(dx, dy)| mask.get(x + dx, y + dy) != Some(true))
    })
}

fn f1(truth: &Mask, read: &Mask) -> f32 {
    let share = |of: &Mask, in_: &Mask| {
        let (mut all, mut found) = (0, 0);
        for y in 0..of.height as i32 {
            for x in 0..of.width as i32 {
                if of.get(x, y) == Some(true) {
                    all += 1;
                    found += usize::from(near(in_, x, y));
                }
            }
        }
        found as f32 / all.max(1) as f32
    };
    let (precision, recall) = (share(read, truth), share(truth, read));
    2.0 * precision * recall / (precision + recall).max(1e-6)
}

/// Whether each doorway is open as drawn, and the walls have no other opening: with all doorways closed, rooms are
/// apart.
fn openings_agree(layout: &Layout, truth: &Plan, read: &Plan) -> bool {
    let is_free = |m: Vec2| {
        let (x, y) = read.cell_at(m);
        read.cell(x, y).kind.is_walkable()
    };
    let all_open = layout.doorways.iter().all(|(centre, _)| is_free(*centre));
    let mut shut = read.clone();
    for (centre, half) in &layout.doorways {
        for (i, cell) in shut.cells.iter_mut().enumerate() {
            let m = truth.centre_m((i % truth.width) as i32, (i / truth.width) as i32);
            if (m - *centre).abs().cmple(*half + 0.3).all() {
                cell.kind = CellKind::Wall;
            }
        }
    }
    let label_at = |m: Vec2| {
        let reached = shut.reachable_from(m);
        layout
            .rooms
            .iter()
            .filter(|room| {
                let (x, y) = shut.cell_at(room.centre());
                shut.index(x, y).and_then(|i| reached.get(i)) == Some(&true)
            })
            .count()
    };
    let apart = layout.rooms.iter().all(|room| {
        let (x, y) = shut.cell_at(room.centre());
        !shut.cell(x, y).kind.is_walkable() || label_at(room.centre()) == 1
    });
    all_open && apart
}

fn bodies(layout: &Layout, plan: &Plan, stretch: Vec2) -> f32 {
    let total = layout.bodies.len().max(plan.bodies.len());
    if total == 0 {
        return 1.0;
    }
    let found = layout.bodies.iter().filter(|(area, _)| {
        plan.bodies.iter().any(|body| (body.centre_m / stretch).distance(area.centre()) < 0.4)
    });
    found.count() as f32 / total as f32
}
