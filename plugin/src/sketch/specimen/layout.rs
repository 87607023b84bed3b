//! A random level: rooms with doorways, pillars, water, bodies, a ramp.

use glam::Vec2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A straight wall between two points, metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wall {
    /// One end.
    pub a: Vec2,
    /// The other.
    pub b: Vec2,
}

/// An axis-aligned rectangle, metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Its north-west corner.
    pub min: Vec2,
    /// Its south-east corner.
    pub max: Vec2,
}

impl Area {
    /// Its middle.
    pub fn centre(&self) -> Vec2 {
        0.5 * (self.min + self.max)
    }

    /// Its edges.
    pub fn size(&self) -> Vec2 {
        self.max - self.min
    }

    /// Whether a point lies in it.
    pub fn contains(&self, m: Vec2) -> bool {
        m.cmpge(self.min).all() && m.cmple(self.max).all()
    }
}

/// A level, metres from the corner of the drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Outer walls' extent.
    pub size_m: Vec2,
    /// Where the outer walls' north-west corner is.
    pub corner_m: Vec2,
    /// Centre lines.
    pub walls: Vec<Wall>,
    /// Rooms, doorways not counted.
    pub rooms: Vec<Area>,
    /// Openings between rooms: centre, and half extent along the wall.
    pub doorways: Vec<(Vec2, Vec2)>,
    /// Solid blocks.
    pub pillars: Vec<Area>,
    /// Water.
    pub water: Vec<Area>,
    /// Boxes, and whether each is a ball.
    pub bodies: Vec<(Area, bool)>,
    /// A ramp that leads up to the east.
    pub ramp: Option<Area>,
    /// Where the player starts.
    pub spawn_m: Vec2,
    /// Where to go.
    pub goal_m: Vec2,
}

impl Layout {
    /// Draws a level of two to ten rooms.
    pub(super) fn random(rng: &mut ChaCha8Rng) -> Self {
        let step = |value: f32| (2.0 * value).round() / 2.0;
        let size_m =
            Vec2::new(step(rng.random_range(9.0..22.0)), step(rng.random_range(7.0..16.0)));
        let mut rooms = vec![Area { min: Vec2::ZERO, max: size_m }];
        let wanted = rng.random_range(2..=9);
        let mut walls = Vec::new();
        let mut doorways = Vec::new();
        while rooms.len() < wanted {
            let Some(index) = (0..rooms.len())
                .filter(|i| rooms[*i].size().max_element() >= 6.5)
                .max_by(|a, b| {
                    rooms[*a]
                        .size()
                        .element_product()
                        .total_cmp(&rooms[*b].size().element_product())
                })
            else {
                break;
            };
            let room = rooms.swap_remove(index);
            let along_x = room.size().x >= room.size().y;
            let (low, high) =
                if along_x { (room.min.x, room.max.x) } else { (room.min.y, room.max.y) };
            let cut = step(rng.random_range(low + 3.0..=(high - 3.0).max(low + 3.01)));
            let at =
                |across: f32| if along_x { Vec2::new(cut, across) } else { Vec2::new(across, cut) };
            let (from, to) =
                if along_x { (room.min.y, room.max.y) } else { (room.min.x, room.max.x) };
            // A new wall must not end in an older doorway.
            let blocked = doorways.iter().any(|(centre, half): &(Vec2, Vec2)| {
                [from, to].iter().any(|end| (*centre - at(*end)).abs().cmple(*half + 0.7).all())
            });
            if blocked {
                rooms.push(room);
                if rng.random_bool(0.2) {
                    break;
                }
                continue;
            }
            let half = 0.5 * rng.random_range(0.9..1.5);
            let middle = rng.random_range(from + half + 0.6..to - half - 0.6);
            walls.push(Wall { a: at(from), b: at(middle - half) });
            walls.push(Wall { a: at(middle + half), b: at(to) });
            doorways.push((
                at(middle),
                if along_x { Vec2::new(0.3, half) } else { Vec2::new(half, 0.3) },
            ));
            let (mut one, mut other) = (room, room);
            if along_x {
                (one.max.x, other.min.x) = (cut, cut);
            } else {
                (one.max.y, other.min.y) = (cut, cut);
            }
            rooms.extend([one, other]);
        }
        let (w, h) = (size_m.x, size_m.y);
        for (a, b) in
            [((0.0, 0.0), (w, 0.0)), ((w, 0.0), (w, h)), ((w, h), (0.0, h)), ((0.0, h), (0.0, 0.0))]
        {
            walls.push(Wall { a: a.into(), b: b.into() });
        }
        let mut layout = Self {
            size_m,
            corner_m: Vec2::ZERO,
            walls,
            rooms,
            doorways,
            pillars: Vec::new(),
            water: Vec::new(),
            bodies: Vec::new(),
            ramp: None,
            spawn_m: Vec2::ZERO,
            goal_m: Vec2::ZERO,
        };
        layout.furnish(rng);
        layout
    }

    fn furnish(&mut self, rng: &mut ChaCha8Rng) {
        let mut taken: Vec<Area> = self
            .doorways
            .iter()
            .map(|(centre, half)| Area { min: *centre - *half - 0.7, max: *centre + *half + 0.7 })
            .collect();
        let count = self.rooms.len();
        let rooms = self.rooms.clone();
        let mut place = |rng: &mut ChaCha8Rng, room: usize, size: Vec2| -> Option<Area> {
            let room = rooms.get(room)?;
            for _ in 0..30 {
                let (low, high) = (room.min + 0.7, room.max - 0.7 - size);
                if high.cmple(low).any() {
                    return None;
                }
                let min =
                    Vec2::new(rng.random_range(low.x..high.x), rng.random_range(low.y..high.y));
                let area = Area { min, max: min + size };
                let is_free = taken.iter().all(|other| {
                    (area.min - 0.5).cmpgt(other.max).any()
                        || (area.max + 0.5).cmplt(other.min).any()
                });
                if is_free {
                    taken.push(area);
                    return Some(area);
                }
            }
            None
        };
        let spawn_room = rng.random_range(0..count);
        let goal_room = (spawn_room + rng.random_range(0..count)) % count;
        let dot = Vec2::splat(0.6);
        let centre = |area: Option<Area>, room: usize| {
            area.map_or(rooms[room].centre(), |area| area.centre())
        };
        self.spawn_m = centre(place(rng, spawn_room, dot), spawn_room);
        self.goal_m = centre(place(rng, goal_room, dot), goal_room);
        for _ in 0..rng.random_range(0..3) {
            let size = Vec2::splat(rng.random_range(0.6..1.2));
            let room = rng.random_range(0..count);
            self.pillars.extend(place(rng, room, size));
        }
        for _ in 0..rng.random_range(0..3) {
            let size = Vec2::new(rng.random_range(1.2..3.0), rng.random_range(1.2..2.5));
            let room = rng.random_range(0..count);
            self.water.extend(place(rng, room, size));
        }
        for _ in 0..rng.random_range(0..5) {
            let is_ball = rng.random_bool(0.4);
            let size = Vec2::splat(rng.random_range(0.55..0.95));
            let room = rng.random_range(0..count);
            self.bodies.extend(place(rng, room, size).map(|area| (area, is_ball)));
        }
        if rng.random_bool(0.3) {
            let size = Vec2::new(rng.random_range(1.8..3.0), rng.random_range(1.0..1.5));
            let room = rng.random_range(0..count);
            self.ramp = place(rng, room, size);
        }
    }

    /// Moves everything.
    pub(super) fn move_by(&mut self, by: Vec2) {
        let areas = self.rooms.iter_mut().chain(&mut self.pillars).chain(&mut self.water);
        for area in areas.chain(&mut self.ramp).chain(self.bodies.iter_mut().map(|(area, _)| area))
        {
            area.min += by;
            area.max += by;
        }
        for wall in &mut self.walls {
            wall.a += by;
            wall.b += by;
        }
        self.doorways.iter_mut().for_each(|(centre, _)| *centre += by);
        self.corner_m += by;
        self.spawn_m += by;
        self.goal_m += by;
    }
}
