//! Ways to leave a view and to come back to it: a turn about oneself, and a walk that returns by another way.

use std::collections::BinaryHeap;
use std::f32::consts::{PI, TAU};

use glam::{Quat, Vec2, Vec3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reverie_guard::{CameraPose, Pose, ShadowSnapshot};
use reverie_kernels::raster::shape::bounding_box;

/// How one leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Full circle on the spot, lingering on the far side.
    Turn,
    /// Away along free ground, and back by another way.
    Walk,
}

impl std::str::FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "turn" => Ok(Self::Turn),
            "walk" => Ok(Self::Walk),
            other => Err(format!("one leaves by `turn` or `walk`, not by `{other}`")),
        }
    }
}

/// Time to turn half round, seconds.
const HALF_TURN_S: f32 = 2.0;
/// Edge of a cell of the ground plan, metres.
const CELL_M: f32 = 0.4;
/// Half the side of the plan, which lies round the start, is this share of the way that can be walked, but within bounds:
/// a long walk is to reach places that a short one never sees. Metres.
const REACH: f32 = 0.15;
const REACH_M: (f32, f32) = (18.0, 50.0);
/// Of somebody who walks, metres.
const BODY_RADIUS_M: f32 = 0.35;
/// Of the eyes above the ground, metres.
const EYE_HEIGHT_M: f32 = 1.6;
/// m/s.
const WALK_M_S: f32 = 1.4;
/// rad/s.
const TURN_RAD_S: f32 = 2.1;

/// Camera poses, one every `dt_s`, that leave the camera of `home` for `seconds` and end beside it.
pub fn leave(
    way: Way,
    home: &ShadowSnapshot,
    seconds: f32,
    dt_s: f32,
    seed: u64,
) -> Vec<CameraPose> {
    let steps = (seconds / dt_s).round().max(2.0) as usize;
    match way {
        Way::Turn => turn(&home.camera, steps, dt_s),
        Way::Walk => walk(home, steps, dt_s, seed),
    }
}

fn turn(home: &CameraPose, steps: usize, dt_s: f32) -> Vec<CameraPose> {
    let (whole_s, start) = (steps as f32 * dt_s, home.world_from_camera);
    let ramp_s = HALF_TURN_S.min(0.3 * whole_s);
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    (1..=steps)
        .map(|step| {
            let t = step as f32 * dt_s;
            let yaw = if t < ramp_s {
                PI * ease(t / ramp_s)
            } else if t > whole_s - ramp_s {
                PI + PI * ease((t - (whole_s - ramp_s)) / ramp_s)
            } else {
                // Looks about, but never so far that the first view would be seen.
                let inside = ((t - ramp_s) / 4.0).min((whole_s - ramp_s - t) / 4.0).min(1.0);
                PI + 1.1 * inside * (0.7 * (t - ramp_s)).sin()
            };
            let rotation = Quat::from_rotation_y(yaw) * start.rotation;
            CameraPose {
                world_from_camera: Pose::new(rotation.normalize(), start.translation_m),
                ..*home
            }
        })
        .collect()
}

/// Where one can stand around a start.
struct Plan {
    free: Vec<bool>,
    low_m: Vec2,
    /// Cells along a side.
    side: usize,
}

impl Plan {
    fn new(home: &ShadowSnapshot, way_m: f32) -> Self {
        let eye = home.camera.world_from_camera.translation_m;
        let reach_m = (REACH * way_m).clamp(REACH_M.0, REACH_M.1);
        let side = (2.0 * reach_m / CELL_M).round() as usize;
        let low_m = Vec2::new(eye.x, eye.z) - 0.5 * side as f32 * CELL_M;
        let ground_m = eye.y - EYE_HEIGHT_M;
        let mut plan = Self { free: vec![true; side * side], low_m, side };
        for body in &home.bodies {
            let (centre, half) = bounding_box(&body.shape);
            let object_from_world = body.world_from_body.inverse();
            for cell in 0..side * side {
                let at = plan.middle_m(cell);
                let inside = |height_m: f32| {
                    let world = Vec3::new(at.x, ground_m + height_m, at.y);
                    let gap = (object_from_world.transform_point(world) - centre).abs() - half;
                    gap.max_element() < BODY_RADIUS_M
                };
                // From the knee up: the ground itself is no obstacle.
                if plan.free[cell] && [0.6, 1.0, 1.5].into_iter().any(inside) {
                    plan.free[cell] = false;
                }
            }
        }
        let start = plan.cell(Vec2::new(eye.x, eye.z));
        plan.free[start] = true;
        plan
    }

    fn middle_m(&self, cell: usize) -> Vec2 {
        self.low_m
            + (Vec2::new((cell % self.side) as f32, (cell / self.side) as f32) + 0.5) * CELL_M
    }

    fn cell(&self, at_m: Vec2) -> usize {
        let at =
            ((at_m - self.low_m) / CELL_M).clamp(Vec2::ZERO, Vec2::splat(self.side as f32 - 1.0));
        at.y as usize * self.side + at.x as usize
    }

    /// Dijkstra's way from everywhere to `goal`: for each cell the next one and the cost, metres. Cells in `avoid` cost
    /// six times as much.
    fn ways_to(&self, goal: usize, avoid: &[bool]) -> (Vec<usize>, Vec<f32>) {
        let side = self.side;
        let mut cost = vec![f32::INFINITY; side * side];
        let mut next = vec![usize::MAX; side * side];
        let mut open = BinaryHeap::new();
        cost[goal] = 0.0;
        open.push((std::cmp::Reverse(0u64), goal));
        while let Some((std::cmp::Reverse(reached), cell)) = open.pop() {
            if reached > (cost[cell] * 1e4) as u64 {
                continue;
            }
            let (x, y) = ((cell % side) as isize, (cell / side) as isize);
            for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)] {
                let (nx, ny) = (x + dx, y + dy);
                let inside = |n: isize| (0..side as isize).contains(&n);
                if !inside(nx) || !inside(ny) {
                    continue;
                }
                let other = ny as usize * side + nx as usize;
                let corner = [y as usize * side + nx as usize, ny as usize * side + x as usize];
                if !self.free[other] || corner.iter().any(|c| !self.free[*c]) {
                    continue;
                }
                let step_m =
                    CELL_M * if dx != 0 && dy != 0 { std::f32::consts::SQRT_2 } else { 1.0 };
                let through = cost[cell] + step_m * if avoid[other] { 6.0 } else { 1.0 };
                if through < cost[other] {
                    cost[other] = through;
                    next[other] = cell;
                    open.push((std::cmp::Reverse((through * 1e4) as u64), other));
                }
            }
        }
        (next, cost)
    }

    /// Cells from `from` to where `next` leads.
    fn follow(next: &[usize], from: usize) -> Vec<usize> {
        std::iter::successors(Some(from), |cell| Some(next[*cell]).filter(|n| *n != usize::MAX))
            .collect()
    }
}

fn walk(home: &ShadowSnapshot, steps: usize, dt_s: f32, seed: u64) -> Vec<CameraPose> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x3A1C);
    // The last second turns to the first view.
    let budget_m = WALK_M_S * dt_s * steps as f32 * 0.9;
    let plan = Plan::new(home, budget_m);
    let cells = plan.side * plan.side;
    let start_pose = home.camera.world_from_camera;
    let eye = start_pose.translation_m;
    let start = plan.cell(Vec2::new(eye.x, eye.z));
    let nowhere = vec![false; cells];
    let (home_next, home_m) = plan.ways_to(start, &nowhere);
    let mut route = vec![start];
    let mut avoid = nowhere.clone();
    let mut left_m = budget_m;
    loop {
        let here = route[route.len() - 1];
        let (next, cost) = plan.ways_to(here, &nowhere);
        // Far enough to be worth a walk, near enough to be home in time, even by a longer way.
        let goals: Vec<usize> =
            (0..cells).filter(|c| cost[*c] > 1.5 && cost[*c] + 1.6 * home_m[*c] < left_m).collect();
        if goals.is_empty() {
            break;
        }
        let goal = (0..3)
            .map(|_| goals[rng.random_range(0..goals.len())])
            .max_by(|a, b| home_m[*a].total_cmp(&home_m[*b]))
            .unwrap_or(here);
        left_m -= cost[goal];
        let mut leg = Plan::follow(&next, goal);
        leg.reverse();
        route.extend(leg.into_iter().skip(1));
        if left_m < 1.8 * home_m[goal] + 2.0 {
            break;
        }
    }
    for cell in &route {
        let at = plan.middle_m(*cell);
        let near = |c: &usize| plan.middle_m(*c).distance(at) < 1.0 && home_m[*c] > 1.2;
        (0..cells).filter(near).for_each(|c| avoid[c] = true);
    }
    let last = route[route.len() - 1];
    let (back, _) = plan.ways_to(start, &avoid);
    let back = if back[last] == usize::MAX { home_next } else { back };
    route.extend(Plan::follow(&back, last).into_iter().skip(1));
    let mut points: Vec<Vec2> = route.iter().map(|c| plan.middle_m(*c)).collect();
    let ends = Vec2::new(eye.x, eye.z);
    points[0] = ends;
    points.push(ends);
    pace(&points, &home.camera, steps, dt_s)
}

/// Walks along points at an even pace, looking ahead; the last second turns to where it began.
fn pace(points: &[Vec2], home: &CameraPose, steps: usize, dt_s: f32) -> Vec<CameraPose> {
    let start = home.world_from_camera;
    let (home_yaw, pitch, _) = start.rotation.to_euler(glam::EulerRot::YXZ);
    let whole_m: f32 = points.windows(2).map(|p| p[0].distance(p[1])).sum();
    let turning = ((1.5 / dt_s) as usize).min(steps / 3);
    let walking = steps - turning;
    let at = |along_m: f32| {
        let mut left_m = along_m;
        for pair in points.windows(2) {
            let length_m = pair[0].distance(pair[1]);
            if left_m <= length_m && length_m > 0.0 {
                return pair[0].lerp(pair[1], left_m / length_m);
            }
            left_m -= length_m;
        }
        points[points.len() - 1]
    };
    let mut yaw = home_yaw;
    (1..=steps)
        .map(|step| {
            let along_m = whole_m * (step as f32 / walking as f32).min(1.0);
            let here = at(along_m);
            let way = at((along_m + 1.2).min(whole_m)) - here;
            let wanted = if step > walking || way.length() < 0.05 {
                home_yaw
            } else {
                (-way.x).atan2(-way.y)
            };
            let error = (wanted - yaw + PI).rem_euclid(TAU) - PI;
            yaw += error.clamp(-TURN_RAD_S * dt_s, TURN_RAD_S * dt_s);
            let rotation = Quat::from_euler(glam::EulerRot::YXZ, yaw, pitch, 0.0);
            let place = Vec3::new(here.x, start.translation_m.y, here.y);
            CameraPose { world_from_camera: Pose::new(rotation, place), ..*home }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use reverie_guard::{Body, BodyKind, Shape};

    use super::*;

    /// A floor with a wall 8 m long before the camera.
    fn court() -> ShadowSnapshot {
        let body = |id, half_extents_m, at_m| Body {
            id,
            shape: Shape::Cuboid { half_extents_m },
            world_from_body: Pose::new(Quat::IDENTITY, at_m),
            linear_velocity_m_s: Vec3::ZERO,
            angular_velocity_rad_s: Vec3::ZERO,
            kind: BodyKind::Fixed,
            material: 2,
            tint_srgb: None,
        };
        ShadowSnapshot {
            tick: 0,
            time_s: 0.0,
            camera: CameraPose {
                world_from_camera: Pose::new(Quat::IDENTITY, Vec3::new(0.0, 1.6, 2.0)),
                vertical_fov_rad: 1.0,
            },
            bodies: vec![
                body(1, Vec3::new(20.0, 0.5, 20.0), Vec3::new(0.0, -0.5, 0.0)),
                body(2, Vec3::new(4.0, 2.0, 0.3), Vec3::new(0.0, 2.0, -1.0)),
            ],
            sun_direction: Vec3::Y,
        }
    }

    #[test]
    fn both_ways_end_where_they_began_and_move_smoothly() {
        let home = court();
        for (way, seconds) in [(Way::Turn, 10.0), (Way::Walk, 10.0), (Way::Walk, 60.0)] {
            let poses = leave(way, &home, seconds, 0.1, 7);
            assert_eq!(poses.len(), (seconds * 10.0) as usize);
            let (first, last) =
                (home.camera.world_from_camera, poses[poses.len() - 1].world_from_camera);
            assert!(first.translation_m.distance(last.translation_m) < 0.05, "{way:?}");
            assert!(first.rotation.angle_between(last.rotation) < 0.1, "{way:?}");
            let mut before = first;
            for pose in &poses {
                let pose = pose.world_from_camera;
                assert!(before.translation_m.distance(pose.translation_m) < 0.4, "{way:?}");
                assert!(before.rotation.angle_between(pose.rotation) < 0.35, "{way:?}");
                before = pose;
            }
            let farthest =
                poses.iter().map(|p| p.world_from_camera.rotation.angle_between(first.rotation));
            assert!(farthest.fold(0.0, f32::max) > 2.0, "{way:?} looks away");
        }
    }

    #[test]
    fn a_walk_goes_round_walls_and_not_back_the_same_way() {
        let poses = leave(Way::Walk, &court(), 40.0, 0.1, 3);
        let places: Vec<Vec3> = poses.iter().map(|p| p.world_from_camera.translation_m).collect();
        assert!(places.iter().all(|p| !(p.x.abs() < 4.2 && (p.z + 1.0).abs() < 0.5)));
        let length: f32 = places.windows(2).map(|p| p[0].distance(p[1])).sum();
        assert!(length > 12.0, "{length} m");
    }
}
