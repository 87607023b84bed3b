//! Ways on foot through a level as it was built: a height field of where soles can be, and A* over it.
//!
//! It knows bodies only, not the plan that they were built from: what it finds free, the physics should too.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use bevy::math::{IVec2, Vec2, Vec3, Vec3Swizzles};
use reverie_guard::expected::Shape;

use super::player_size::{HEIGHT_M, RADIUS_M, STEP_M};
use super::{Level, LevelBody, Role};

/// Edge of a cell where the level is small enough, metres: of comfortable ways, and of tight ones.
const CELL_M: [f32; 2] = [0.1, 0.03];
/// Cells along the longer side at most.
const MAX_SIDE: [f32; 2] = [800.0, 1600.0];
/// A player's axis stays this far from walls, metres: the capsule and the character controller's offset.
const REACH_M: [f32; 2] = [RADIUS_M + 0.035, RADIUS_M + 0.021];
/// Within this of a wall a way costs more, metres.
const NEAR_M: f32 = RADIUS_M + 0.335;
/// Platforms higher than this are no ground, metres.
const HIGHEST_M: f32 = 1.6;

/// What a cell is like.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    /// Of the ground, metres; `NEG_INFINITY` without any.
    height_m: f32,
    blocked: bool,
    /// A step into it costs this many times its length.
    cost: f32,
}

/// Where soles can be, cell by cell.
#[derive(Debug, Clone)]
pub struct Ground {
    cell_m: f32,
    reach_m: f32,
    low_m: Vec2,
    size: IVec2,
    places: Vec<Place>,
}

impl Ground {
    /// Looks over all bodies of a level, with some room to spare. Movable ones are in the way but can be pushed.
    pub fn new(level: &Level) -> Self {
        Self::of_kind(level, 0)
    }

    /// The same to a hand's breadth: for openings that a player just fits through. Takes some times as long.
    pub fn tight(level: &Level) -> Self {
        Self::of_kind(level, 1)
    }

    fn of_kind(level: &Level, kind: usize) -> Self {
        let (low, high) = level.bounds_m();
        let extent = (high - low).xz();
        let cell_m = CELL_M[kind].max(extent.max_element() / MAX_SIDE[kind]);
        let size = (extent / cell_m).ceil().as_ivec2() + IVec2::ONE;
        let empty = Place { height_m: f32::NEG_INFINITY, blocked: false, cost: 1.0 };
        let places = vec![empty; (size.x * size.y) as usize];
        let mut ground = Self { cell_m, reach_m: REACH_M[kind], low_m: low.xz(), size, places };
        for body in level.bodies.iter().filter(|body| carries(body)) {
            ground.raise(body);
        }
        for body in level.bodies.iter().filter(|b| !matches!(b.role, Role::Ground | Role::Slab)) {
            ground.obstruct(body);
        }
        ground
    }

    /// The ground of a level, and the way over it to a goal: a comfortable one if there is any, else a tight one.
    pub fn with_way(
        level: &Level,
        from_m: Vec2,
        to_m: Vec2,
        within_m: f32,
    ) -> (Self, Option<Vec<Vec3>>) {
        let wide = Self::new(level);
        if let Some(way) = wide.route(from_m, to_m, within_m) {
            return (wide, Some(way));
        }
        let tight = Self::tight(level);
        let way = tight.route(from_m, to_m, within_m);
        (tight, way)
    }

    fn centre_m(&self, cell: IVec2) -> Vec2 {
        self.low_m + (cell.as_vec2() + 0.5) * self.cell_m
    }

    fn cell_at(&self, place_m: Vec2) -> IVec2 {
        ((place_m - self.low_m) / self.cell_m).floor().as_ivec2()
    }

    fn index(&self, cell: IVec2) -> Option<usize> {
        (cell.cmpge(IVec2::ZERO).all() && cell.cmplt(self.size).all())
            .then(|| (cell.y * self.size.x + cell.x) as usize)
    }

    fn place(&self, cell: IVec2) -> Option<Place> {
        let place = *self.places.get(self.index(cell)?)?;
        (!place.blocked && place.height_m.is_finite()).then_some(place)
    }

    /// Cells within `margin_m` of the box around a body.
    fn around(&self, body: &LevelBody, margin_m: f32) -> impl Iterator<Item = IVec2> + use<> {
        let (low, high) = body.bounds_m();
        let first = self.cell_at(low.xz() - margin_m).max(IVec2::ZERO);
        let last = self.cell_at(high.xz() + margin_m).min(self.size - 1);
        (first.y..=last.y).flat_map(move |y| (first.x..=last.x).map(move |x| IVec2::new(x, y)))
    }

    fn raise(&mut self, body: &LevelBody) {
        for cell in self.around(body, 0.0) {
            let span = vertical_span(body, self.centre_m(cell));
            if let (Some((_, top)), Some(index)) = (span, self.index(cell)) {
                let place = &mut self.places[index];
                place.height_m = place.height_m.max(top);
            }
        }
    }

    fn obstruct(&mut self, body: &LevelBody) {
        let reach_m = self.reach_m;
        let margin_m = if body.movable { reach_m } else { NEAR_M };
        for cell in self.around(body, margin_m) {
            let (centre, Some(index)) = (self.centre_m(cell), self.index(cell)) else { continue };
            let place = &mut self.places[index];
            let nearest = nearest_m(body, centre, place.height_m);
            let distance = nearest.distance(centre);
            if distance >= margin_m {
                continue;
            }
            let Some((low, top)) = vertical_span(body, nearest) else { continue };
            let wet = body.role == Role::Water;
            let in_the_way =
                wet || (top > place.height_m + STEP_M && low < place.height_m + HEIGHT_M);
            if !in_the_way {
                continue;
            }
            if body.movable {
                place.cost = place.cost.max(8.0);
            } else if distance < if wet { 0.1 } else { reach_m } {
                place.blocked = true;
            } else {
                place.cost = place.cost.max(1.8);
            }
        }
    }

    /// Whether soles can be at a place.
    pub fn is_free(&self, place_m: Vec2) -> bool {
        self.place(self.cell_at(place_m)).is_some()
    }

    /// The shortest comfortable way from `from_m` to within `within_m` of `to_m`, points a cell apart with the
    /// height of the ground; `None` if there is none.
    pub fn route(&self, from_m: Vec2, to_m: Vec2, within_m: f32) -> Option<Vec<Vec3>> {
        let start = self.nearest_open(self.cell_at(from_m))?;
        let mut best = vec![f32::INFINITY; self.places.len()];
        let mut came_from = vec![u32::MAX; self.places.len()];
        let mut queue = BinaryHeap::new();
        let first = self.index(start)?;
        best[first] = 0.0;
        queue.push(Step { estimate_m: 0.0, index: first });
        while let Some(Step { estimate_m, index }) = queue.pop() {
            let cell = IVec2::new(index as i32 % self.size.x, index as i32 / self.size.x);
            let left_m = self.centre_m(cell).distance(to_m);
            if left_m <= within_m {
                return Some(self.trace(index, &came_from));
            }
            if estimate_m > best[index] + left_m + 1e-3 {
                continue;
            }
            let here = self.places[index];
            for (dx, dy) in
                [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1_i32)]
            {
                let next = cell + IVec2::new(dx, dy);
                let (Some(place), Some(next_index)) = (self.place(next), self.index(next)) else {
                    continue;
                };
                // Up only what a step or a slope allows; down as far.
                if (place.height_m - here.height_m).abs() > STEP_M {
                    continue;
                }
                let length_m = self.cell_m * IVec2::new(dx, dy).as_vec2().length();
                let so_far = best[index] + length_m * place.cost;
                if so_far + 1e-4 < best[next_index] {
                    best[next_index] = so_far;
                    came_from[next_index] = index as u32;
                    let estimate_m = so_far + self.centre_m(next).distance(to_m);
                    queue.push(Step { estimate_m, index: next_index });
                }
            }
        }
        None
    }

    /// Which cells can be walked to from a place; one flag each.
    pub fn reached_from(&self, from_m: Vec2) -> Vec<bool> {
        let mut reached = vec![false; self.places.len()];
        let mut queue: Vec<IVec2> = self.nearest_open(self.cell_at(from_m)).into_iter().collect();
        while let Some(cell) = queue.pop() {
            let (Some(here), Some(index)) = (self.place(cell), self.index(cell)) else { continue };
            if std::mem::replace(&mut reached[index], true) {
                continue;
            }
            for by in [IVec2::X, IVec2::NEG_X, IVec2::Y, IVec2::NEG_Y] {
                let next = self.place(cell + by);
                if next.is_some_and(|next| (next.height_m - here.height_m).abs() <= STEP_M) {
                    queue.push(cell + by);
                }
            }
        }
        reached
    }

    /// Whether some cell of `reached` lies within `reach_m` of a place.
    pub fn is_within(&self, reached: &[bool], place_m: Vec2, reach_m: f32) -> bool {
        let (cell, reach) = (self.cell_at(place_m), (reach_m / self.cell_m).ceil() as i32);
        (-reach..=reach).any(|y| {
            (-reach..=reach).any(|x| {
                let index = self.index(cell + IVec2::new(x, y));
                index.and_then(|i| reached.get(i).copied()).unwrap_or(false)
            })
        })
    }

    /// The cell itself, or one within 0.4 m that is open: a player may stand a little nearer to a wall than ways lead.
    fn nearest_open(&self, cell: IVec2) -> Option<IVec2> {
        let reach = (0.4 / self.cell_m).ceil() as i32;
        (-reach..=reach)
            .flat_map(|y| (-reach..=reach).map(move |x| IVec2::new(x, y)))
            .filter(|by| self.place(cell + *by).is_some())
            .min_by_key(|by| by.length_squared())
            .map(|by| cell + by)
    }

    fn trace(&self, last: usize, came_from: &[u32]) -> Vec<Vec3> {
        let mut points = Vec::new();
        let mut index = last;
        loop {
            let cell = IVec2::new(index as i32 % self.size.x, index as i32 / self.size.x);
            let at = self.centre_m(cell);
            points.push(Vec3::new(at.x, self.places[index].height_m, at.y));
            match came_from[index] {
                u32::MAX => break,
                before => index = before as usize,
            }
        }
        points.reverse();
        points
    }
}

/// Bodies that a player may walk on.
fn carries(body: &LevelBody) -> bool {
    let walked_on = matches!(body.role, Role::Ground | Role::Slab | Role::Ramp | Role::Block);
    walked_on && !body.movable && body.bounds_m().1.y <= HIGHEST_M
}

/// The point of a body's footprint nearest to `place_m`, at about `height_m`.
fn nearest_m(body: &LevelBody, place_m: Vec2, height_m: f32) -> Vec2 {
    let middle = body.world_from_body.translation_m;
    let reach = |radius: f32| {
        let away = place_m - middle.xz();
        middle.xz() + away.clamp_length_max(radius * 0.999)
    };
    match body.shape {
        Shape::Cuboid { half_extents_m: half } => {
            let height = if height_m.is_finite() { height_m } else { middle.y };
            let local = body
                .world_from_body
                .inverse()
                .transform_point(Vec3::new(place_m.x, height, place_m.y));
            let inside = local.clamp(-0.999 * half, 0.999 * half);
            body.world_from_body.transform_point(inside).xz()
        }
        Shape::Ball { radius_m }
        | Shape::Cylinder { radius_m, .. }
        | Shape::Cone { radius_m, .. }
        | Shape::Capsule { radius_m, .. } => reach(radius_m),
        Shape::Mesh(_) => {
            let (low, high) = body.bounds_m();
            place_m.clamp(low.xz(), high.xz())
        }
    }
}

/// From where to where a body reaches on the vertical line through `place_m`, metres.
fn vertical_span(body: &LevelBody, place_m: Vec2) -> Option<(f32, f32)> {
    let (low, high) = body.bounds_m();
    if place_m.cmplt(low.xz()).any() || place_m.cmpgt(high.xz()).any() {
        return None;
    }
    let Shape::Cuboid { half_extents_m: half } = body.shape else {
        let round = !matches!(body.shape, Shape::Mesh(_));
        let radius = 0.5 * (high.x - low.x);
        let inside = place_m.distance(0.5 * (low + high).xz()) <= radius;
        return (inside || !round).then_some((low.y, high.y));
    };
    // The line in the box's frame, cut by its three pairs of faces.
    let body_from_world = body.world_from_body.inverse();
    let origin = body_from_world.transform_point(Vec3::new(place_m.x, 0.0, place_m.y));
    let way = body_from_world.rotation * Vec3::Y;
    let (mut enter, mut leave) = (f32::NEG_INFINITY, f32::INFINITY);
    for axis in 0..3 {
        if way[axis].abs() < 1e-6 {
            if origin[axis].abs() > half[axis] {
                return None;
            }
            continue;
        }
        let ends = [-half[axis], half[axis]].map(|end| (end - origin[axis]) / way[axis]);
        enter = enter.max(ends[0].min(ends[1]));
        leave = leave.min(ends[0].max(ends[1]));
    }
    (enter <= leave).then_some((enter, leave))
}

/// A cell to look at, the one with the shortest whole way first.
struct Step {
    estimate_m: f32,
    index: usize,
}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        other.estimate_m.total_cmp(&self.estimate_m).then(other.index.cmp(&self.index))
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Step {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::material::NeuralMaterial;

    /// Two rooms with a wall between them that leaves `gap_m` open at the north wall.
    fn two_rooms(gap_m: f32) -> Level {
        let floor = Vec3::new(8.0, 1.0, 4.0);
        let stone = NeuralMaterial::STONE;
        let wall = Vec3::new(0.3, 2.6, 4.0 - gap_m);
        let at = Vec3::new(4.0, 1.3, 0.5 * (4.0 + gap_m));
        Level {
            spawn_m: Vec3::new(1.0, 0.05, 3.0),
            bodies: vec![
                LevelBody::fixed_box(Role::Ground, stone, Vec3::new(4.0, -0.5, 2.0), floor),
                LevelBody::fixed_box(Role::Wall, stone, at, wall),
                LevelBody::fixed_box(
                    Role::Wall,
                    stone,
                    Vec3::new(4.0, 1.3, -0.15),
                    Vec3::new(8.0, 2.6, 0.3),
                ),
            ],
            ..Level::default()
        }
    }

    #[test]
    fn a_way_leads_round_a_wall_and_stays_off_it() {
        let level = two_rooms(1.0);
        let ground = Ground::new(&level);
        let way = ground.route(Vec2::new(1.0, 3.0), Vec2::new(7.0, 3.0), 0.2).unwrap();
        assert!(way.iter().any(|p| p.z < 1.0), "{way:?}");
        assert!(way.iter().all(|p| level.is_free(*p + 0.05 * Vec3::Y)), "{way:?}");
    }

    #[test]
    fn a_gap_that_is_too_narrow_is_no_way() {
        let found = |ground: Ground| ground.route(Vec2::new(1.0, 3.0), Vec2::new(7.0, 3.0), 0.2);
        assert!(found(Ground::tight(&two_rooms(0.5))).is_none());
        assert!(found(Ground::new(&two_rooms(0.6))).is_none());
        assert!(found(Ground::tight(&two_rooms(0.69))).is_some(), "just wide enough");
    }

    #[test]
    fn boards_are_walked_up_and_not_climbed_from_the_side() {
        let mut level = two_rooms(1.0);
        let board = Shape::Cuboid { half_extents_m: Vec3::new(0.6, 0.05, 1.0) };
        let slope = bevy::math::Quat::from_rotation_x(0.5);
        level.bodies[1].shape = board;
        level.bodies[1].role = Role::Ramp;
        level.bodies[1].world_from_body =
            reverie_guard::expected::Pose::new(slope, Vec3::new(4.0, 0.4, 2.0));
        let ground = Ground::new(&level);
        let way = ground.route(Vec2::new(4.0, 3.7), Vec2::new(4.0, 1.25), 0.1).unwrap();
        assert!(way.last().unwrap().y > 0.7, "{way:?}");
        let side = ground.route(Vec2::new(1.0, 1.25), Vec2::new(4.0, 1.25), 0.1).unwrap();
        assert!(side.iter().any(|p| p.z > 2.2), "the way up begins near the foot: {side:?}");
    }
}
