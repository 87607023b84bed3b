//! Finds room for structures: rectangles on the ground that may not overlap.

use std::f32::consts::{FRAC_PI_2, TAU};

use bevy::math::{Quat, Vec2, Vec3};
use rand::Rng;
use reverie_guard::expected::Pose;

use super::structures::Draft;
use super::{HALF_SIZE_M, Piece};

/// A rectangle on the ground, turned about +Y.
#[derive(Debug, Clone, Copy)]
pub struct Footprint {
    center_m: Vec2,
    half_m: Vec2,
    yaw_rad: f32,
}

impl Footprint {
    /// Axis-aligned about (x, z), with half of the edge.
    pub fn square(x: f32, z: f32, half_m: f32) -> Self {
        Self { center_m: Vec2::new(x, z), half_m: Vec2::splat(half_m), yaw_rad: 0.0 }
    }

    fn axes(&self) -> [Vec2; 2] {
        // Turning about +Y carries (x, z) = (1, 0) to (cos, −sin).
        let (sin, cos) = self.yaw_rad.sin_cos();
        [Vec2::new(cos, -sin), Vec2::new(sin, cos)]
    }

    fn reach_along(&self, direction: Vec2) -> f32 {
        let [x, z] = self.axes();
        self.half_m.x * x.dot(direction).abs() + self.half_m.y * z.dot(direction).abs()
    }

    fn overlaps(&self, other: &Self) -> bool {
        let between = other.center_m - self.center_m;
        self.axes()
            .into_iter()
            .chain(other.axes())
            .all(|axis| between.dot(axis).abs() < self.reach_along(axis) + other.reach_along(axis))
    }

    fn is_inside(&self) -> bool {
        let limit = HALF_SIZE_M - 0.6;
        self.center_m.x.abs() + self.reach_along(Vec2::X) < limit
            && self.center_m.y.abs() + self.reach_along(Vec2::Y) < limit
    }
}

/// The ground taken so far.
#[derive(Debug, Default)]
pub struct Plan {
    taken: Vec<Footprint>,
}

impl Plan {
    /// Keeps a rectangle free of structures.
    pub fn take(&mut self, footprint: Footprint) {
        self.taken.push(footprint);
    }

    /// Tries some places for the draft; adds its pieces and takes its ground where one fits.
    pub fn put(&mut self, draft: Draft, pieces: &mut Vec<Piece>, rng: &mut impl Rng) -> bool {
        for _ in 0..24 {
            let yaw_rad = if rng.random_bool(0.7) {
                rng.random_range(0..4) as f32 * FRAC_PI_2
            } else {
                rng.random_range(0.0..TAU)
            };
            let reach = HALF_SIZE_M - 1.0;
            let at = Vec2::new(rng.random_range(-reach..reach), rng.random_range(-reach..reach));
            let tight = Footprint { center_m: at, half_m: draft.half_m, yaw_rad };
            let wide = Footprint { half_m: draft.half_m + Vec2::splat(draft.clearance_m), ..tight };
            if !tight.is_inside() || self.taken.iter().any(|other| wide.overlaps(other)) {
                continue;
            }
            let world_from_draft =
                Pose::new(Quat::from_rotation_y(yaw_rad), Vec3::new(at.x, 0.0, at.y));
            pieces.extend(draft.pieces.into_iter().map(|mut piece| {
                piece.world_from_body = world_from_draft.compose(&piece.world_from_body);
                piece
            }));
            self.taken.push(tight);
            return true;
        }
        false
    }
}
