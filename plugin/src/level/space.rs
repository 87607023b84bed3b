//! What is free: distances to bodies, and where a player can stand.

use bevy::math::{Vec2, Vec3, Vec3Swizzles};
use reverie_guard::expected::Shape;

use super::player_size::{HEIGHT_M, RADIUS_M, STEP_M};
use super::{Level, LevelBody, Role};

/// A player keeps this far from walls when put somewhere, metres.
const MARGIN_M: f32 = 0.03;
/// Places are looked for this far from where a player would like to stand, metres.
const SEARCH_M: f32 = 12.0;
const SEARCH_STEP_M: f32 = 0.2;

/// Distance from a point to a body's surface, metres; 0 inside. Of a mesh, to the box around it.
pub fn distance_m(body: &LevelBody, point_m: Vec3) -> f32 {
    let local = body.world_from_body.inverse().transform_point(point_m);
    match body.shape {
        Shape::Cuboid { half_extents_m } => (local.abs() - half_extents_m).max(Vec3::ZERO).length(),
        Shape::Ball { radius_m } => (local.length() - radius_m).max(0.0),
        Shape::Cylinder { half_height_m, radius_m } | Shape::Cone { half_height_m, radius_m } => {
            Vec2::new(local.xz().length() - radius_m, local.y.abs() - half_height_m)
                .max(Vec2::ZERO)
                .length()
        }
        Shape::Capsule { half_height_m, radius_m } => {
            let on_axis = Vec3::Y * local.y.clamp(-half_height_m, half_height_m);
            ((local - on_axis).length() - radius_m).max(0.0)
        }
        Shape::Mesh(_) => {
            let (low, high) = body.bounds_m();
            (point_m - point_m.clamp(low, high)).length()
        }
    }
}

/// Whether a body is in the way of a player whose soles stand at `feet_m`: over a step's height, below the crown.
pub fn blocks(body: &LevelBody, feet_m: Vec3) -> bool {
    let (low, high) = body.bounds_m();
    let reach = RADIUS_M + MARGIN_M;
    let flat = feet_m.xz();
    if high.y <= feet_m.y + STEP_M
        || low.y >= feet_m.y + HEIGHT_M
        || (flat - flat.clamp(low.xz(), high.xz())).length() >= reach
    {
        return false;
    }
    // Along the capsule's axis, densely enough that no box of a hand's height slips between.
    let (knee, crown) = (feet_m.y + STEP_M + 0.02, feet_m.y + HEIGHT_M);
    (0..=10).any(|i| {
        let height = knee + (crown - knee) * i as f32 / 10.0;
        let width = if i == 10 { 0.3 * reach } else { reach };
        distance_m(body, feet_m.with_y(height)) < width
    })
}

impl Level {
    /// Whether a player can stand with the soles at `feet_m`: nothing fixed in the way, ground below, no water.
    pub fn is_free(&self, feet_m: Vec3) -> bool {
        let mut stands = false;
        for body in self.bodies.iter().filter(|body| !body.movable) {
            let (low, high) = body.bounds_m();
            let flat = feet_m.xz();
            let below = flat.cmpge(low.xz()).all() && flat.cmple(high.xz()).all();
            if below && (high.y - feet_m.y).abs() < STEP_M {
                if body.role == Role::Water {
                    return false;
                }
                stands = true;
            }
            if blocks(body, feet_m) {
                return false;
            }
        }
        stands
    }

    /// The free place nearest to `feet_m` on the ground (y = 0.05), or `None` if there is none about.
    pub fn nearest_free(&self, feet_m: Vec3) -> Option<Vec3> {
        let ground = feet_m.with_y(0.05);
        let rings = (SEARCH_M / SEARCH_STEP_M) as i32;
        (0..=rings).find_map(|ring| {
            let radius = ring as f32 * SEARCH_STEP_M;
            let count = (std::f32::consts::TAU * radius / SEARCH_STEP_M).ceil().max(1.0);
            (0..count as i32).find_map(|i| {
                let way = Vec2::from_angle(std::f32::consts::TAU * i as f32 / count) * radius;
                let place = ground + Vec3::new(way.x, 0.0, way.y);
                self.is_free(place).then_some(place)
            })
        })
    }

    /// The body of [`Role::Water`] that soles at `feet_m` stand in, if any.
    pub fn water_at(&self, feet_m: Vec3) -> Option<usize> {
        self.bodies.iter().position(|body| body.role == Role::Water && stands_in(body, feet_m))
    }
}

/// Whether soles at `feet_m` stand in water: well within its rim, no higher than a jump off the ground begins.
pub fn stands_in(water: &LevelBody, feet_m: Vec3) -> bool {
    const RIM_M: f32 = 0.08;
    let (low, high) = water.bounds_m();
    let flat = feet_m.xz();
    flat.cmpgt(low.xz() + RIM_M).all()
        && flat.cmplt(high.xz() - RIM_M).all()
        && feet_m.y < high.y + 0.08
}
