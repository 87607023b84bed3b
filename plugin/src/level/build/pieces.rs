//! Cells of a plan as bodies.

use std::collections::VecDeque;
use std::f32::consts::{FRAC_PI_2, PI};

use bevy::math::{IVec2, Quat, Vec2, Vec3};
use reverie_guard::expected::{Pose, Shape};
use reverie_runtime::material::MATERIAL_NAMES;

use super::merge::{Keyed, Rect, around};
use super::{is_wall, warning};
use crate::level::{LevelBody, Role};
use crate::material::NeuralMaterial;
use crate::sketch::{
    BodyShape, CellKind, Compass, EntryKind, Legend, LegendEntry, Plan, PlannedBody, Warning,
    WarningKind,
};

/// Whether cells are drawn round: no corners, but a middle.
fn is_round(cells: &[IVec2], rect: Rect) -> bool {
    let last = rect.low + rect.size - 1;
    let corners = [rect.low, last, IVec2::new(rect.low.x, last.y), IVec2::new(last.x, rect.low.y)];
    let middle = rect.low + rect.size / 2;
    rect.size.min_element() >= 3
        && cells.contains(&middle)
        && !corners.iter().any(|corner| cells.contains(corner))
}

/// The ground reaches this far beyond what is drawn, metres.
const APRON_M: f32 = 1.5;
/// Walls of these sizes that touch no other are pillars, metres.
const PILLAR_M: f32 = 1.3;
/// Nothing is drawn where a hedge of this depth closes the level, metres.
const HEDGE_M: f32 = 0.5;
const HEDGE_HEIGHT_M: f32 = 1.5;
/// Water lies this high on the ground, metres.
const WATER_M: f32 = 0.03;
/// A jamb of a door, metres; narrow openings have none.
const JAMB_M: f32 = 0.06;
const JAMBS_FROM_M: f32 = 1.0;
/// Rise over run of ramps at most.
const SLOPE: f32 = 0.5;
/// Of a step down from a ramp's upper end, metres. A step is longer than a player is wide by half, so that nobody
/// touches two steps above the one he stands on.
const STAIR_RISE_M: f32 = 0.22;
const STAIR_RUN_M: f32 = 0.36;
const BOARD_M: f32 = 0.1;
/// Movable bodies start this high above the ground, metres.
const DROP_M: f32 = 0.03;

/// A plan, on its way to bodies.
pub(super) struct Pieces<'a> {
    pub plan: &'a Plan,
    pub legend: &'a Legend,
    /// Ramps become patches on the ground.
    pub flat_ramps: bool,
    pub warnings: &'a mut Vec<Warning>,
}

impl Pieces<'_> {
    /// All bodies; the ground comes first.
    pub fn all(mut self) -> Vec<LevelBody> {
        let mut bodies = vec![self.ground()];
        self.water(&mut bodies);
        self.walls(&mut bodies);
        self.hedges(&mut bodies);
        self.doors(&mut bodies);
        self.ramps(&mut bodies);
        self.beacon(&mut bodies);
        for body in &self.plan.bodies {
            bodies.push(self.movable(body));
        }
        bodies
    }

    fn kind(&self, cell: IVec2) -> CellKind {
        self.plan.cell(cell.x, cell.y).kind
    }

    fn entry(&self, index: u8) -> Option<&LegendEntry> {
        self.legend.get(index)
    }

    fn material(&self, index: u8, otherwise: NeuralMaterial) -> NeuralMaterial {
        let name = self.entry(index).map(|entry| entry.material.as_str());
        let class = MATERIAL_NAMES.iter().position(|known| Some(*known) == name);
        class.map_or(otherwise, |class| NeuralMaterial { class: class as u8, tint: None })
    }

    fn height_m(&self, index: u8, otherwise_m: f32) -> f32 {
        self.entry(index).map(|e| e.height_m).filter(|h| *h > 0.0).unwrap_or(otherwise_m)
    }

    /// Cells of a kind that carries an entry.
    fn entries(&self, kind: CellKind) -> Keyed<u8> {
        Keyed::new(self.plan, 0, |cell| {
            let cell = self.plan.cell(cell.x, cell.y);
            (cell.kind == kind).then_some(cell.entry)
        })
    }

    fn ground(&self) -> LevelBody {
        let used = self.plan.cells.iter().enumerate().filter(|(_, c)| c.kind != CellKind::Outside);
        let cells: Vec<IVec2> = used
            .map(|(i, _)| IVec2::new((i % self.plan.width) as i32, (i / self.plan.width) as i32))
            .collect();
        let (low, high) = around(&cells).corners_m(self.plan);
        let (middle, size) = (0.5 * (low + high), high - low + 2.0 * APRON_M);
        let floor = self.legend.first(EntryKind::Floor);
        let material = floor
            .map_or(NeuralMaterial::PAVING, |index| self.material(index, NeuralMaterial::PAVING));
        let centre = Vec3::new(middle.x, -0.5, middle.y);
        LevelBody::fixed_box(Role::Ground, material, centre, Vec3::new(size.x, 1.0, size.y))
    }

    fn water(&self, bodies: &mut Vec<LevelBody>) {
        for (rect, entry) in self.entries(CellKind::Hazard).rectangles() {
            let (centre, size) = rect.block_m(self.plan, 0.0, WATER_M);
            let material = self.material(entry, NeuralMaterial::TILE);
            let mut water = LevelBody::fixed_box(Role::Water, material, centre, size);
            water.tint_srgb = self.entry(entry).map(|e| e.colour.map(|c| f32::from(c) / 255.0));
            bodies.push(water);
        }
    }

    fn walls(&self, bodies: &mut Vec<LevelBody>) {
        let mut pillars = vec![false; self.plan.cells.len()];
        for (cells, entry) in self.entries(CellKind::Wall).groups() {
            let rect = around(&cells);
            let size = rect.size.as_vec2() * self.plan.cell_m;
            let square = size.max_element() < 1.35 * size.min_element() + 0.01;
            let is_full = cells.len() as i32 == rect.size.element_product();
            let is_round = is_round(&cells, rect);
            let beside_others = cells.iter().any(|cell| self.touches_other_wall(*cell, entry));
            if size.max_element() > PILLAR_M || !square || beside_others || !(is_full || is_round) {
                continue;
            }
            for cell in &cells {
                if let Some(index) = self.plan.index(cell.x, cell.y) {
                    pillars[index] = true;
                }
            }
            let top_m = self.height_m(entry, 2.6);
            let (centre, size) = rect.block_m(self.plan, 0.0, top_m);
            let material = self.material(entry, NeuralMaterial::STONE);
            let mut pillar = LevelBody::fixed_box(Role::Block, material, centre, size);
            if is_round {
                let radius_m = 0.25 * (size.x + size.z);
                pillar.role = Role::Pillar;
                pillar.shape = Shape::Cylinder { half_height_m: 0.5 * top_m, radius_m };
            }
            bodies.push(pillar);
        }
        let rest = Keyed::new(self.plan, 0, |cell| {
            let index = self.plan.index(cell.x, cell.y)?;
            let cell = self.plan.cells.get(index)?;
            (cell.kind == CellKind::Wall && !pillars[index]).then_some(cell.entry)
        });
        for (rect, entry) in rest.rectangles() {
            let (centre, size) = rect.block_m(self.plan, 0.0, self.height_m(entry, 2.6));
            let material = self.material(entry, NeuralMaterial::STONE);
            bodies.push(LevelBody::fixed_box(Role::Wall, material, centre, size));
        }
    }

    fn touches_other_wall(&self, cell: IVec2, entry: u8) -> bool {
        let other = |by: (i32, i32)| {
            let cell = self.plan.cell(cell.x + by.0, cell.y + by.1);
            matches!(cell.kind, CellKind::Wall | CellKind::Door) && cell.entry != entry
        };
        Compass::ALL.map(Compass::step).into_iter().any(other)
    }

    /// Where the floor that the player comes to ends without a wall, a hedge does.
    fn hedges(&self, bodies: &mut Vec<LevelBody>) {
        let Some(spawn_m) = self.plan.spawn_m else { return };
        let plan = self.plan;
        let reach = (HEDGE_M / plan.cell_m).ceil().max(1.0) as i32;
        // Steps from the floor, over cells outside only.
        let size = IVec2::new(plan.width as i32, plan.height as i32) + 2 * reach;
        let slot = |cell: IVec2| {
            let at = cell + reach;
            (at.cmpge(IVec2::ZERO).all() && at.cmplt(size).all())
                .then(|| (at.y * size.x + at.x) as usize)
        };
        let mut steps = vec![i32::MAX; (size.x * size.y) as usize];
        let mut queue = VecDeque::new();
        for (index, reached) in plan.reachable_from(spawn_m).into_iter().enumerate() {
            let cell = IVec2::new((index % plan.width) as i32, (index / plan.width) as i32);
            if let (true, Some(slot)) = (reached, slot(cell)) {
                steps[slot] = 0;
                queue.push_back(cell);
            }
        }
        while let Some(cell) = queue.pop_front() {
            let here = slot(cell).map_or(i32::MAX, |slot| steps[slot]);
            let near = (-1..=1).flat_map(|y| (-1..=1).map(move |x| IVec2::new(x, y)));
            for next in near.map(|by| cell + by) {
                let Some(slot) = slot(next) else { continue };
                let is_outside = self.kind(next) == CellKind::Outside;
                if here < reach && is_outside && steps[slot] == i32::MAX {
                    steps[slot] = here + 1;
                    queue.push_back(next);
                }
            }
        }
        let hedge = Keyed::new(plan, reach, |cell| {
            let steps = slot(cell).map_or(i32::MAX, |slot| steps[slot]);
            (1..=reach).contains(&steps).then_some(())
        });
        for (rect, ()) in hedge.rectangles() {
            let (centre, size) = rect.block_m(plan, 0.0, HEDGE_HEIGHT_M);
            bodies.push(LevelBody::fixed_box(Role::Foliage, NeuralMaterial::HEDGE, centre, size));
        }
    }

    /// A doorway: a lintel between the walls beside it, and jambs where there is room for them.
    fn doors(&mut self, bodies: &mut Vec<LevelBody>) {
        for (cells, entry) in self.entries(CellKind::Door).groups() {
            let rect = around(&cells);
            let beside = |axis: IVec2| {
                let ends = [rect.low - axis, rect.low + axis * rect.size];
                let across = IVec2::ONE - axis;
                let count = (rect.size * across).max_element();
                let walls = ends.map(|end| {
                    (0..count).map(|i| end + across * i).find(|cell| is_wall(self.plan, *cell))
                });
                match walls {
                    [Some(a), Some(_)] => Some(self.plan.cell(a.x, a.y).entry),
                    _ => None,
                }
            };
            // The wall that the door is in runs along the first axis that has walls at both ends.
            let (low, high) = rect.corners_m(self.plan);
            let found =
                [IVec2::X, IVec2::Y].into_iter().find_map(|axis| Some((axis, beside(axis)?)));
            let Some((axis, wall)) = found else {
                let text = "this door has no walls at its sides, so it is only floor";
                self.warnings.push(warning(WarningKind::LeftOut, text, Some(0.5 * (low + high))));
                continue;
            };
            let wall_m = self.height_m(wall, 2.6);
            let door_m = self.height_m(entry, 2.1).max(1.95);
            let top_m = wall_m.max(door_m + 0.15);
            let (centre, size) = rect.block_m(self.plan, door_m, top_m);
            let stuff = self.material(wall, NeuralMaterial::STONE);
            bodies.push(LevelBody::fixed_box(Role::Beam, stuff, centre, size));
            let along = if axis == IVec2::X { Vec3::X } else { Vec3::Z };
            let opening_m = size.dot(along);
            if opening_m < JAMBS_FROM_M {
                continue;
            }
            let wood = self.material(entry, NeuralMaterial::DOOR);
            let jamb =
                along * JAMB_M + (Vec3::ONE - along - Vec3::Y) * (size + 0.04) + Vec3::Y * door_m;
            for side in [-0.5, 0.5] {
                let at = centre.with_y(0.5 * door_m) + along * side * (opening_m - JAMB_M);
                bodies.push(LevelBody::fixed_box(Role::Beam, wood, at, jamb));
            }
        }
    }

    fn ramps(&mut self, bodies: &mut Vec<LevelBody>) {
        for towards in Compass::ALL {
            for (cells, entry) in self.entries(CellKind::Ramp { towards }).groups() {
                let rect = around(&cells);
                if !self.ramp(rect, towards, entry, bodies) {
                    let (low, high) = rect.corners_m(self.plan);
                    let text = "this ramp is too short to rise; it is only floor";
                    let at_m = Some(0.5 * (low + high));
                    self.warnings.push(warning(WarningKind::Ramp, text, at_m));
                }
            }
        }
    }

    /// A board up to the ramp's height; where floor follows, stairs lead down behind it, so that the way is open from
    /// both sides. False if it is too short for either.
    fn ramp(&self, rect: Rect, towards: Compass, entry: u8, bodies: &mut Vec<LevelBody>) -> bool {
        let (low, high) = rect.corners_m(self.plan);
        let wood = self.material(entry, NeuralMaterial::WOOD);
        if self.flat_ramps {
            let (centre, size) = rect.block_m(self.plan, 0.0, 0.02);
            bodies.push(LevelBody::fixed_box(Role::Slab, wood, centre, size));
            return true;
        }
        let (dx, dy) = towards.step();
        let way = Vec2::new(dx as f32, dy as f32);
        let size = high - low;
        let (run_m, width_m) = ((size * way).length(), (size * way.perp()).length());
        let ahead = 0.5 * (low + high) + way * (0.5 * run_m + 0.5 * self.plan.cell_m);
        let (x, y) = self.plan.cell_at(ahead);
        let leads_down = self.plan.cell(x, y).kind.is_walkable();
        let stairs =
            |rise_m: f32| if leads_down { (rise_m / STAIR_RISE_M).ceil() - 1.0 } else { 0.0 };
        let board_m = |rise_m: f32| run_m - STAIR_RUN_M * stairs(rise_m);
        let wanted_m = self.height_m(entry, 1.0).min(1.5);
        let mut rise_m = wanted_m;
        while rise_m > SLOPE * board_m(rise_m) {
            rise_m -= 0.02;
        }
        if rise_m < 0.1 {
            return false;
        }
        let (length_m, count) = (board_m(rise_m), stairs(rise_m));
        let yaw = match towards {
            Compass::North => 0.0,
            Compass::West => FRAC_PI_2,
            Compass::South => PI,
            Compass::East => -FRAC_PI_2,
        };
        let turn = Quat::from_rotation_y(yaw);
        let foot = 0.5 * (low + high) - way * 0.5 * run_m;
        // From the foot along the way, up, metres.
        let at = |along: f32, up: f32| {
            let flat = foot + way * along;
            Vec3::new(flat.x, up, flat.y)
        };
        let slope = (rise_m / length_m).atan();
        let tilt = turn * Quat::from_rotation_x(slope);
        let half = Vec3::new(0.5 * width_m, 0.5 * BOARD_M, 0.5 * length_m / slope.cos());
        let centre = at(0.5 * length_m, 0.5 * rise_m) - tilt * Vec3::Y * (0.5 * BOARD_M);
        bodies.push(LevelBody {
            shape: Shape::Cuboid { half_extents_m: half },
            world_from_body: Pose::new(tilt, centre),
            ..LevelBody::fixed_box(Role::Ramp, wood, Vec3::ZERO, Vec3::ONE)
        });
        let mut block = |from: f32, to: f32, top: f32| {
            let half = Vec3::new(0.5 * width_m, 0.5 * top, 0.5 * (to - from));
            bodies.push(LevelBody {
                shape: Shape::Cuboid { half_extents_m: half },
                world_from_body: Pose::new(turn, at(0.5 * (from + to), 0.5 * top)),
                ..LevelBody::fixed_box(Role::Block, wood, Vec3::ZERO, Vec3::ONE)
            });
        };
        // What carries the board's upper end.
        let post = 0.3_f32.min(0.3 * length_m);
        let below = rise_m * (1.0 - post / length_m) - BOARD_M / slope.cos() - 0.005;
        if below > 0.05 {
            block(length_m - post, length_m - 0.005, below);
        }
        for i in 0..count as i32 {
            let top = rise_m * (1.0 - (i + 1) as f32 / (count + 1.0));
            let from = length_m + STAIR_RUN_M * i as f32;
            block(from, from + STAIR_RUN_M, top);
        }
        true
    }

    fn beacon(&self, bodies: &mut Vec<LevelBody>) {
        let Some(goal_m) = self.plan.goal_m else { return };
        let index = self.legend.first(EntryKind::Goal).unwrap_or(u8::MAX);
        let glow = self.material(index, NeuralMaterial::BEACON);
        let height_m = self.height_m(index, 1.6);
        // Slender where passers-by need the room.
        let near = bodies.iter().filter(|body| !matches!(body.role, Role::Ground | Role::Beam));
        let room_m = near
            .map(|body| crate::level::space::distance_m(body, Vec3::new(goal_m.x, 0.5, goal_m.y)))
            .fold(f32::INFINITY, f32::min);
        let foot_m = if room_m > 1.3 { 0.45 } else { 0.22 };
        for (role, material, radius_m, from_m, to_m) in [
            (Role::Block, NeuralMaterial::STONE, foot_m, 0.0, 0.25),
            (Role::Beacon, glow, 0.36 * foot_m, 0.25, 0.25 + height_m),
        ] {
            let half_height_m = 0.5 * (to_m - from_m);
            let centre = Vec3::new(goal_m.x, 0.5 * (from_m + to_m), goal_m.y);
            bodies.push(LevelBody {
                shape: Shape::Cylinder { half_height_m, radius_m },
                ..LevelBody::fixed_box(role, material, centre, Vec3::ONE)
            });
        }
    }

    fn movable(&self, body: &PlannedBody) -> LevelBody {
        let entry = self.entry(body.entry);
        let ball = entry.is_some_and(|e| e.kind == EntryKind::Body(BodyShape::Ball));
        let size_m = body.size_m.clamp(Vec2::splat(0.2), Vec2::splat(2.0));
        let (role, shape, half_height_m, plain) = if ball {
            let radius_m = (0.25 * (size_m.x + size_m.y)).min(0.75);
            (Role::Ball, Shape::Ball { radius_m }, radius_m, NeuralMaterial::BALL)
        } else {
            // As high as the legend says, unless it would be a tower.
            let height_m = self.height_m(body.entry, 0.8).min(1.25 * size_m.max_element());
            let half = 0.5 * Vec3::new(size_m.x, height_m, size_m.y);
            (Role::Crate, Shape::Cuboid { half_extents_m: half }, half.y, NeuralMaterial::CRATE)
        };
        let centre = Vec3::new(body.centre_m.x, half_height_m + DROP_M, body.centre_m.y);
        let material = self.material(body.entry, plain);
        LevelBody {
            shape,
            movable: true,
            ..LevelBody::fixed_box(role, material, centre, Vec3::ONE)
        }
    }
}
