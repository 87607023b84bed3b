//! The last steps, whichever way a sketch was read: what lies outside, where the player starts, whether the goal can
//! be walked to.

use std::collections::VecDeque;

use glam::Vec2;

use super::error::{Refusal, RefusalReason, SketchError, Warning, WarningKind};
use super::plan::{Cell, CellKind, Compass, PLAYER_RADIUS_M, Plan};
use super::raster::{Mask, Raster, distance, mask_components};
use super::rooms;
use super::{EntryKind, Legend, Page};

/// Openings in the outer wall up to this wide do not let the outside in, metres.
const WIDEST_GATE_M: f32 = 2.4;
/// Smaller enclosed floors do not make a level, square metres.
const LEAST_FLOOR_M2: f32 = 1.0;
/// One cell in so many is a wall, or what is drawn is dust.
const FEWEST_WALLS: usize = 400;
/// More cells along one side are not built.
pub const MOST_CELLS: usize = 1024;

/// A plan in the making: cells are floor until something is drawn on them.
pub(super) struct Draft {
    /// Without spawn, goal, and what lies outside.
    pub plan: Plan,
    /// Centres of what is drawn as spawn, the largest first, metres.
    pub spawns_m: Vec<Vec2>,
    /// Centres of what is drawn as goal, the largest first, metres.
    pub goals_m: Vec<Vec2>,
    /// What was noticed so far.
    pub warnings: Vec<Warning>,
}

impl Draft {
    pub(super) fn warn(&mut self, kind: WarningKind, at_m: Option<Vec2>, text: impl Into<String>) {
        self.warnings.push(Warning { kind, text: text.into(), at_m });
    }

    /// Gives up, with what is there so far.
    pub(super) fn refuse(
        self,
        reason: RefusalReason,
        at_m: Option<Vec2>,
        text: impl Into<String>,
        page: &Page,
    ) -> SketchError {
        SketchError::Refused(Box::new(Refusal {
            reason,
            text: text.into(),
            at_m,
            page: Some(page.clone()),
            plan: Some(self.plan),
            warnings: self.warnings,
        }))
    }

    /// Finishes the plan.
    ///
    /// # Errors
    /// No walls, nowhere to stand, or a goal that cannot be walked to.
    pub(super) fn settle(
        mut self,
        legend: &Legend,
        page: &Page,
    ) -> Result<(Plan, Vec<Warning>), SketchError> {
        let walls = self.plan.cells.iter().filter(|cell| cell.kind == CellKind::Wall).count();
        if FEWEST_WALLS * walls < self.plan.cells.len() {
            let text = "no walls found: draw them as dark strokes on light paper";
            return Err(self.refuse(RefusalReason::NoWalls, None, text, page));
        }
        let is_closed = self.leave_outside(legend);
        if !is_closed && self.spawns_m.is_empty() && self.goals_m.is_empty() {
            let text = "no wall encloses a floor, and no spawn is drawn: close the outer wall, or mark the spawn green";
            return Err(self.refuse(RefusalReason::NoFloor, None, text, page));
        }
        self.place_bodies();
        let stand = self.standing_room();
        if !stand.data.iter().any(|free| *free) {
            let text = "there is no floor that a player fits on: draw rooms at least 1 m wide, or give --metres-per-pixel";
            return Err(self.refuse(RefusalReason::NoFloor, None, text, page));
        }
        self.place_goal(&stand);
        self.place_spawn(&stand);
        if self.plan.is_goal_reachable() == Some(false) {
            let at_m = self.plan.goal_m;
            let text = "the goal cannot be walked to from the spawn: draw an opening at least 1 m wide into its room";
            return Err(self.refuse(RefusalReason::GoalWalledIn, at_m, text, page));
        }
        self.plan.rooms = rooms::count(&self.plan);
        Ok((self.plan, self.warnings))
    }

    /// Floor that is open to the border lies outside, unless the level is there. Gives whether walls enclose a floor.
    fn leave_outside(&mut self, legend: &Legend) -> bool {
        let plan = &self.plan;
        let (width, height) = (plan.width, plan.height);
        // One more cell all around joins what is open on several sides.
        let gates = rooms::doorways(plan);
        let solid = Raster::from_fn(width + 2, height + 2, |x, y| {
            let (x, y) = (x as i32 - 1, y as i32 - 1);
            let kind = plan.cell(x, y).kind;
            let is_gate = gates.get(x, y) == Some(true);
            kind == CellKind::Wall || kind == CellKind::Door || is_gate
        });
        let outside = open_to_border(&solid, 0.5 * WIDEST_GATE_M / plan.cell_m);
        let is_outside = |x: i32, y: i32| outside.get(x + 1, y + 1).unwrap_or(true);
        let floor_cells = |outside: bool| {
            let cells = plan.cells.iter().enumerate().filter(|(i, cell)| {
                cell.kind != CellKind::Wall
                    && is_outside((i % width) as i32, (i / width) as i32) == outside
            });
            cells.count() as f32
        };
        let cell_m2 = plan.cell_m * plan.cell_m;
        let inside_m2 = floor_cells(false) * cell_m2;
        let spawn_is_outside = self.spawns_m.first().is_some_and(|m| {
            let (x, y) = plan.cell_at(*m);
            is_outside(x, y)
        });
        let is_closed =
            inside_m2 > LEAST_FLOOR_M2 && inside_m2 > 0.04 * floor_cells(true) * cell_m2;
        if !is_closed || spawn_is_outside {
            let text = "no outer wall encloses the level: it ends where the drawing ends";
            self.warn(WarningKind::LeftOut, None, text);
            return is_closed;
        }
        let mut left_out = None;
        for (i, cell) in self.plan.cells.iter_mut().enumerate() {
            let (x, y) = ((i % width) as i32, (i / width) as i32);
            if outside.get(x + 1, y + 1).unwrap_or(true) && cell.kind != CellKind::Wall {
                if !matches!(cell.kind, CellKind::Floor | CellKind::Outside) {
                    left_out = left_out.or(Some((x, y, cell.entry)));
                }
                *cell = Cell::default();
            }
        }
        self.drop_loose_walls();
        if let Some((x, y, entry)) = left_out {
            let name = legend.get(entry).map_or("mark", |entry| &entry.name);
            let text = format!("{name} outside of the outer wall is left out");
            self.warn(WarningKind::LeftOut, Some(self.plan.centre_m(x, y)), text);
        }
        self.trim();
        true
    }

    /// Walls that border on no floor are writing, a frame, a scale: not part of the level.
    fn drop_loose_walls(&mut self) {
        let plan = &self.plan;
        let walls = Raster {
            width: plan.width,
            height: plan.height,
            data: plan.cells.iter().map(|cell| cell.kind == CellKind::Wall).collect(),
        };
        let (labels, pieces) = mask_components(&walls, true);
        let mut holds = vec![false; pieces.len() + 1];
        for (i, label) in labels.data.iter().enumerate() {
            let (x, y) = ((i % plan.width) as i32, (i / plan.width) as i32);
            let beside = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (x + dx, y + dy)));
            let borders = beside
                .into_iter()
                .any(|(x, y)| !matches!(plan.cell(x, y).kind, CellKind::Wall | CellKind::Outside));
            if let Some(flag) = holds.get_mut(*label as usize) {
                *flag |= borders;
            }
        }
        let mut loose = None;
        for (i, label) in labels.data.iter().enumerate() {
            if *label != 0 && holds.get(*label as usize) == Some(&false) {
                loose = loose.or(Some(i));
                self.plan.cells[i] = Cell::default();
            }
        }
        if let Some(i) = loose {
            let (x, y) = ((i % self.plan.width) as i32, (i / self.plan.width) as i32);
            let text = "strokes outside of the outer wall are left out";
            self.warn(WarningKind::LeftOut, Some(self.plan.centre_m(x, y)), text);
        }
    }

    /// Cuts off rows and columns that hold nothing.
    fn trim(&mut self) {
        let plan = &mut self.plan;
        let used = Raster {
            width: plan.width,
            height: plan.height,
            data: plan.cells.iter().map(|cell| cell.kind != CellKind::Outside).collect(),
        };
        let columns: Vec<usize> = (0..plan.width)
            .filter(|x| (0..plan.height).any(|y| used.get(*x as i32, y as i32) == Some(true)))
            .collect();
        let rows: Vec<usize> =
            (0..plan.height).filter(|y| used.row(*y).iter().any(|set| *set)).collect();
        let (Some(x0), Some(x1), Some(y0), Some(y1)) =
            (columns.first(), columns.last(), rows.first(), rows.last())
        else {
            return;
        };
        let mut cells = Vec::with_capacity((x1 - x0 + 1) * (y1 - y0 + 1));
        for y in *y0..=*y1 {
            for x in *x0..=*x1 {
                cells.push(plan.cell(x as i32, y as i32));
            }
        }
        plan.origin_m += Vec2::new(*x0 as f32, *y0 as f32) * plan.cell_m;
        (plan.width, plan.height, plan.cells) = (x1 - x0 + 1, y1 - y0 + 1, cells);
    }

    /// Bodies stand on floor, apart from walls; those that lie outside are left out.
    fn place_bodies(&mut self) {
        let bodies = std::mem::take(&mut self.plan.bodies);
        for mut body in bodies {
            let (x, y) = self.plan.cell_at(body.centre_m);
            let drawn_m = body.centre_m;
            if !self.plan.cell(x, y).kind.is_walkable() {
                let near = nearest(&self.plan, body.centre_m, 1.0, |plan, x, y| {
                    plan.cell(x, y).kind.is_walkable()
                });
                let Some((x, y)) = near else {
                    let text = "a body that is not on the floor is left out";
                    self.warn(WarningKind::Body, Some(drawn_m), text);
                    continue;
                };
                body.centre_m = self.plan.centre_m(x, y);
                self.warn(WarningKind::Body, Some(drawn_m), "a body in a wall is moved beside it");
            }
            self.plan.bodies.push(body);
        }
        self.plan.bodies.sort_by(|a, b| {
            let key = |m: Vec2| (m.y, m.x);
            key(a.centre_m).partial_cmp(&key(b.centre_m)).unwrap_or(std::cmp::Ordering::Equal)
        });
    }

    /// Cells on whose centre a player has room, so far as walls and water go.
    fn standing_room(&self) -> Mask {
        let plan = &self.plan;
        let blocked = Raster::from_fn(plan.width + 2, plan.height + 2, |x, y| {
            !plan.cell(x as i32 - 1, y as i32 - 1).kind.is_walkable()
        });
        let far = distance(&blocked);
        // From a cell's centre to the near edge of a blocked one is half a cell less.
        let least = (PLAYER_RADIUS_M / plan.cell_m + 0.5).max(1.0) - 0.01;
        Raster::from_fn(plan.width, plan.height, |x, y| {
            far.get(x as i32 + 1, y as i32 + 1).is_some_and(|d| d >= least)
        })
    }

    fn place_goal(&mut self, stand: &Mask) {
        let Some(drawn_m) = self.goals_m.first().copied() else {
            self.warn(WarningKind::Goal, None, "no goal is drawn: mark it red");
            return;
        };
        for more_m in self.goals_m.clone().iter().skip(1) {
            let text = "there are several goals: the largest counts, this one is left out";
            self.warn(WarningKind::Goal, Some(*more_m), text);
        }
        self.plan.goal_m = Some(self.on_free_floor(drawn_m, stand, WarningKind::Goal, "goal"));
    }

    fn place_spawn(&mut self, stand: &Mask) {
        for more_m in self.spawns_m.clone().iter().skip(1) {
            let text = "there are several spawns: the largest counts, this one is left out";
            self.warn(WarningKind::Spawn, Some(*more_m), text);
        }
        if let Some(drawn_m) = self.spawns_m.first().copied() {
            self.plan.spawn_m =
                Some(self.on_free_floor(drawn_m, stand, WarningKind::Spawn, "spawn"));
        } else if let Some((x, y)) = self.roomiest(stand) {
            let place_m = self.plan.centre_m(x, y);
            self.plan.spawn_m = Some(place_m);
            let text = "no spawn is drawn: the player starts here; mark a place green to choose";
            self.warn(WarningKind::Spawn, Some(place_m), text);
        }
    }

    /// The drawn place itself if a player has room there, else the nearest one with room.
    fn on_free_floor(
        &mut self,
        drawn_m: Vec2,
        stand: &Mask,
        kind: WarningKind,
        name: &str,
    ) -> Vec2 {
        let (x, y) = self.plan.cell_at(drawn_m);
        if stand.get(x, y) == Some(true) {
            return drawn_m;
        }
        let reach_m = self.plan.cell_m * self.plan.width.max(self.plan.height) as f32;
        let near = nearest(&self.plan, drawn_m, reach_m, |_, x, y| stand.get(x, y) == Some(true));
        let Some((x, y)) = near else { return drawn_m };
        let place_m = self.plan.centre_m(x, y);
        let moved_m = place_m.distance(drawn_m);
        if moved_m > 0.3 {
            let text =
                format!("the {name} has no room where it is drawn and is moved by {moved_m:.1} m");
            self.warn(kind, Some(drawn_m), text);
        }
        place_m
    }

    /// The place with the most room around it in the largest floor, or in that of the goal.
    fn roomiest(&self, stand: &Mask) -> Option<(i32, i32)> {
        let plan = &self.plan;
        let walkable = Raster {
            width: plan.width,
            height: plan.height,
            data: plan.cells.iter().map(|cell| cell.kind.is_walkable()).collect(),
        };
        let (labels, floors) = mask_components(&walkable, false);
        let of_goal = plan.goal_m.and_then(|m| {
            let (x, y) = plan.cell_at(m);
            labels.get(x, y).filter(|label| *label != 0)
        });
        let largest =
            (1..=floors.len() as u32).max_by_key(|label| floors[*label as usize - 1].area);
        let label = of_goal.or(largest)?;
        let far = distance(&walkable.map(|free| !free));
        let mut best: Option<(f32, i32, i32)> = None;
        for y in 0..plan.height as i32 {
            for x in 0..plan.width as i32 {
                if labels.get(x, y) != Some(label) || stand.get(x, y) != Some(true) {
                    continue;
                }
                // Not on top of the goal if there is another place.
                let from_goal_m = plan.goal_m.map_or(f32::MAX, |m| m.distance(plan.centre_m(x, y)));
                let room = far.get(x, y).unwrap_or(0.0).min(8.0)
                    + if from_goal_m < 2.0 { -8.0 } else { 0.0 };
                if best.is_none_or(|(most, ..)| room > most) {
                    best = Some((room, x, y));
                }
            }
        }
        best.map(|(_, x, y)| (x, y))
    }
}

/// What a disc of `radius` cells reaches from the border without touching what is solid, and its rim.
fn open_to_border(solid: &Mask, radius: f32) -> Mask {
    let far = distance(solid);
    let (width, height) = (solid.width as i32, solid.height as i32);
    let mut centres = Raster::new(solid.width, solid.height, false);
    let mut queue = VecDeque::new();
    for y in 0..height {
        for x in 0..width {
            let on_border = x == 0 || y == 0 || x == width - 1 || y == height - 1;
            if on_border {
                centres.set(x, y, true);
                queue.push_back((x, y));
            }
        }
    }
    while let Some((x, y)) = queue.pop_front() {
        for (dx, dy) in Compass::ALL.map(Compass::step) {
            let (x, y) = (x + dx, y + dy);
            if centres.get(x, y) == Some(false) && far.get(x, y).is_some_and(|d| d > radius) {
                centres.set(x, y, true);
                queue.push_back((x, y));
            }
        }
    }
    // The disc's rim: cells that it covers and that it can see without a wall between, one step at a time.
    let mut reached = centres.clone();
    let mut rim: VecDeque<(i32, i32, f32)> = VecDeque::new();
    for y in 0..height {
        for x in 0..width {
            if centres.get(x, y) == Some(true) {
                rim.push_back((x, y, radius));
            }
        }
    }
    while let Some((x, y, left)) = rim.pop_front() {
        for (dx, dy) in Compass::ALL.map(Compass::step) {
            let (x, y) = (x + dx, y + dy);
            if left >= 1.0 && reached.get(x, y) == Some(false) && solid.get(x, y) == Some(false) {
                reached.set(x, y, true);
                rim.push_back((x, y, left - 1.0));
            }
        }
    }
    reached
}

/// The nearest cell to a place within `reach_m` that `fits`.
fn nearest(
    plan: &Plan,
    place_m: Vec2,
    reach_m: f32,
    fits: impl Fn(&Plan, i32, i32) -> bool,
) -> Option<(i32, i32)> {
    let mut best: Option<(f32, i32, i32)> = None;
    for y in 0..plan.height as i32 {
        for x in 0..plan.width as i32 {
            let far_m = plan.centre_m(x, y).distance(place_m);
            if far_m <= reach_m && best.is_none_or(|(least, ..)| far_m < least) && fits(plan, x, y)
            {
                best = Some((far_m, x, y));
            }
        }
    }
    best.map(|(_, x, y)| (x, y))
}

/// Where in a legend the cells of a kind are named; the first entry if it has none of that kind.
pub(super) fn entry_of(legend: &Legend, kind: EntryKind) -> u8 {
    legend.first(kind).unwrap_or(0)
}
