//! The plan that a sketch was read as: cells, bodies, spawn and goal, all in metres of the drawing.
//!
//! Metres are counted from the top-left corner of the drawing, or of the page if one was found in a photo: x to the
//! east, which is right, y to the south, which is down.

use std::collections::VecDeque;

use glam::Vec2;
use serde::{Deserialize, Serialize};

/// Radius of the free space a player needs, metres.
pub const PLAYER_RADIUS_M: f32 = 0.3;

/// A direction on the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Compass {
    /// Up on the drawing.
    North,
    /// Right on the drawing.
    East,
    /// Down on the drawing.
    South,
    /// Left on the drawing.
    West,
}

impl Compass {
    /// All four, clockwise.
    pub const ALL: [Self; 4] = [Self::North, Self::East, Self::South, Self::West];

    /// One step in this direction, in columns and rows.
    pub fn step(self) -> (i32, i32) {
        match self {
            Self::North => (0, -1),
            Self::East => (1, 0),
            Self::South => (0, 1),
            Self::West => (-1, 0),
        }
    }
}

/// What a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum CellKind {
    /// Not part of the level.
    #[default]
    Outside,
    /// Free to walk on.
    Floor,
    /// Solid.
    Wall,
    /// Water and the like: nobody walks there.
    Hazard,
    /// Floor that rises.
    Ramp {
        /// Where its upper end is.
        towards: Compass,
    },
    /// An opening with a door in it; free to walk through.
    Door,
}

impl CellKind {
    /// Whether a player may stand there.
    pub fn is_walkable(self) -> bool {
        matches!(self, Self::Floor | Self::Ramp { .. } | Self::Door)
    }
}

/// One cell of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Cell {
    /// What it is.
    pub kind: CellKind,
    /// Index into [`Legend::entries`](super::legend::Legend::entries): its height and material.
    pub entry: u8,
}

/// A movable body on the plan.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlannedBody {
    /// Centre of its footprint, metres.
    pub centre_m: Vec2,
    /// Footprint, metres along x and y; a ball's are equal.
    pub size_m: Vec2,
    /// Index into [`Legend::entries`](super::legend::Legend::entries): its shape and material.
    pub entry: u8,
}

/// A level seen from above.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Edge of a cell, metres.
    pub cell_m: f32,
    /// From the drawing's (or the page's) top-left corner to that of cell (0, 0), metres.
    pub origin_m: Vec2,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row from the north-west; `width * height` of them.
    pub cells: Vec<Cell>,
    /// In the order of their places, from the north-west.
    pub bodies: Vec<PlannedBody>,
    /// Where the player starts, metres.
    pub spawn_m: Option<Vec2>,
    /// Where the beacon stands, metres.
    pub goal_m: Option<Vec2>,
    /// Spaces that walls and doorways divide the floor into.
    pub rooms: usize,
}

impl Plan {
    /// The cell in column `x` and row `y`; outside of the grid, [`CellKind::Outside`].
    pub fn cell(&self, x: i32, y: i32) -> Cell {
        self.index(x, y).and_then(|i| self.cells.get(i)).copied().unwrap_or_default()
    }

    /// Index of a cell, if it is on the grid.
    pub fn index(&self, x: i32, y: i32) -> Option<usize> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        (x < self.width && y < self.height).then(|| y * self.width + x)
    }

    /// Column and row of a place in metres; may lie off the grid.
    pub fn cell_at(&self, place_m: Vec2) -> (i32, i32) {
        let cell = ((place_m - self.origin_m) / self.cell_m).floor();
        (cell.x as i32, cell.y as i32)
    }

    /// Centre of a cell, metres.
    pub fn centre_m(&self, x: i32, y: i32) -> Vec2 {
        self.origin_m + (Vec2::new(x as f32, y as f32) + 0.5) * self.cell_m
    }

    /// From the drawing's corner to the plan's far corner, metres.
    pub fn far_corner_m(&self) -> Vec2 {
        self.origin_m + Vec2::new(self.width as f32, self.height as f32) * self.cell_m
    }

    /// One line of characters for each row of cells: `#` wall, `.` floor, ramp or door, `~` hazard, `o` body,
    /// `S` spawn, `G` goal, a space outside.
    pub fn rows(&self) -> Vec<String> {
        let mut marks: Vec<char> = self
            .cells
            .iter()
            .map(|cell| match cell.kind {
                CellKind::Outside => ' ',
                CellKind::Wall => '#',
                CellKind::Hazard => '~',
                CellKind::Floor | CellKind::Ramp { .. } | CellKind::Door => '.',
            })
            .collect();
        for body in &self.bodies {
            for index in self.cells_under(body) {
                if let Some(mark) = marks.get_mut(index).filter(|mark| **mark == '.') {
                    *mark = 'o';
                }
            }
        }
        for (place_m, mark) in [(self.goal_m, 'G'), (self.spawn_m, 'S')] {
            let index = place_m.map(|m| self.cell_at(m)).and_then(|(x, y)| self.index(x, y));
            if let Some(slot) = index.and_then(|i| marks.get_mut(i)) {
                *slot = mark;
            }
        }
        marks.chunks(self.width.max(1)).map(|row| row.iter().collect()).collect()
    }

    /// Cells whose centres a body covers; at least the one below its own centre.
    pub fn cells_under(&self, body: &PlannedBody) -> Vec<usize> {
        let half_m = 0.5 * body.size_m;
        let (x0, y0) = self.cell_at(body.centre_m - half_m + 0.5 * self.cell_m);
        let (x1, y1) = self.cell_at(body.centre_m + half_m - 0.5 * self.cell_m);
        let (cx, cy) = self.cell_at(body.centre_m);
        let (x0, y0) = (x0.min(cx).max(0), y0.min(cy).max(0));
        let (x1, y1) = (x1.max(cx).min(self.width as i32), y1.max(cy).min(self.height as i32));
        (y0..=y1).flat_map(|y| (x0..=x1).filter_map(move |x| self.index(x, y))).collect()
    }

    /// Cells from which `from_m` can be walked to over edges of walkable cells; bodies are pushed aside.
    ///
    /// Nothing if `from_m` is not walkable itself. As long as the cells: one flag each.
    pub fn reachable_from(&self, from_m: Vec2) -> Vec<bool> {
        let mut reached = vec![false; self.cells.len()];
        let mut queue = VecDeque::new();
        let (x, y) = self.cell_at(from_m);
        if self.cell(x, y).kind.is_walkable() {
            queue.push_back((x, y));
        }
        if let Some(flag) = self.index(x, y).and_then(|i| reached.get_mut(i)) {
            *flag = !queue.is_empty();
        }
        while let Some((x, y)) = queue.pop_front() {
            for (dx, dy) in Compass::ALL.map(Compass::step) {
                let (x, y) = (x + dx, y + dy);
                if !self.cell(x, y).kind.is_walkable() {
                    continue;
                }
                if let Some(flag) = self.index(x, y).and_then(|i| reached.get_mut(i))
                    && !*flag
                {
                    *flag = true;
                    queue.push_back((x, y));
                }
            }
        }
        reached
    }

    /// How many cells the player can come to from the spawn.
    pub fn reachable_cells(&self) -> usize {
        self.spawn_m.map_or(0, |m| self.reachable_from(m).into_iter().filter(|r| *r).count())
    }

    /// Whether the goal can be walked to from the spawn; `None` if one of them is missing.
    pub fn is_goal_reachable(&self) -> Option<bool> {
        let (spawn_m, goal_m) = (self.spawn_m?, self.goal_m?);
        let (x, y) = self.cell_at(goal_m);
        let index = self.index(x, y)?;
        self.reachable_from(spawn_m).get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rows: &[&str]) -> Plan {
        let mut plan = Plan {
            cell_m: 0.5,
            origin_m: Vec2::new(1.0, 2.0),
            width: rows[0].len(),
            height: rows.len(),
            ..Plan::default()
        };
        for (y, row) in rows.iter().enumerate() {
            for (x, mark) in row.chars().enumerate() {
                let kind = match mark {
                    '#' => CellKind::Wall,
                    '~' => CellKind::Hazard,
                    ' ' => CellKind::Outside,
                    _ => CellKind::Floor,
                };
                let centre_m = plan.centre_m(x as i32, y as i32);
                match mark {
                    'S' => plan.spawn_m = Some(centre_m),
                    'G' => plan.goal_m = Some(centre_m),
                    'o' => {
                        plan.bodies.push(PlannedBody {
                            centre_m,
                            size_m: Vec2::splat(0.4),
                            entry: 0,
                        });
                    }
                    _ => {}
                }
                plan.cells.push(Cell { kind, entry: 0 });
            }
        }
        plan
    }

    #[test]
    fn rows_show_what_was_planned() {
        let rows = ["#####  ", "#S.o###", "#.~..G#", "#######"];
        assert_eq!(plan(&rows).rows(), rows);
    }

    #[test]
    fn walls_and_water_divide_what_can_be_reached() {
        let open = plan(&["######", "#S..G#", "#.~~.#", "######"]);
        assert_eq!(open.is_goal_reachable(), Some(true));
        assert_eq!(open.reachable_cells(), 6);
        let cut = plan(&["######", "#S~#G#", "#.#..#", "######"]);
        assert_eq!(cut.is_goal_reachable(), Some(false));
        assert_eq!(cut.reachable_cells(), 2, "no way over corners");
        assert_eq!(plan(&["#.G#"]).is_goal_reachable(), None);
    }

    #[test]
    fn a_wide_body_covers_the_cells_below_it() {
        let mut plan = plan(&[".....", ".....", "....."]);
        let centre_m = plan.centre_m(2, 1);
        plan.bodies.push(PlannedBody { centre_m, size_m: Vec2::new(1.5, 0.4), entry: 0 });
        assert_eq!(plan.rows(), [".....", ".ooo.", "....."]);
    }
}
