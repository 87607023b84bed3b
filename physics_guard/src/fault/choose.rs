//! Finding a body for which a fault means something.

use glam::{Vec2, Vec3};
use reverie_kernels::raster::shape::bounding_box;

use super::label::Sight;
use super::{Fault, FaultClass, mix, world_half_m};
use crate::expected::{Body, BodyKind, ShadowSnapshot};

/// A body slower than this rests: m/s, and rad/s.
const RESTING: f32 = 0.05;
/// A flying body's acceleration differs from gravity by no more than this share.
const FREE_FALL: f32 = 0.2;
/// What falls more slowly than this may just be let go, m/s.
const SLOWEST_FLIGHT_M_S: f32 = 0.5;
/// A wall is at least so high, metres.
const WALL_HEIGHT_M: f32 = 1.0;
/// Share of the middle of the view that a wall fills before it is taken away.
const WALL_SHARE: f32 = 0.5;
/// Farthest wall that a body is put into, and that one walks through, metres.
const INTRUDE_REACH_M: f32 = 1.5;
const WALK_REACH_M: f32 = 4.0;
/// How far behind the wall's face one walks, metres.
const WALK_BEYOND_M: f32 = 1.5;
/// Materials that a body can be given in place of its own.
const MATERIALS: u64 = 16;

/// Where and what to look for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// Of the pictures, pixels.
    pub width: usize,
    /// Of the pictures, pixels.
    pub height: usize,
    /// A body with fewer pixels in sight is not taken.
    pub least_pixels: usize,
    /// Of the game's world, m/s².
    pub gravity_m_s2: Vec3,
    /// Chooses among several bodies.
    pub seed: u64,
}

impl Fault {
    /// A fault of `class` that begins with the last of the snapshots `past`; `None` if no body in sight is fit for it.
    /// Two snapshots are enough.
    pub fn begin(
        class: FaultClass,
        strength: f32,
        past: &[ShadowSnapshot],
        search: &Search,
    ) -> Option<Self> {
        let (now, before) = past.split_last()?;
        let scene = Surroundings {
            now,
            before: before.last(),
            sight: Sight::draw(now, search.width, search.height),
            search,
        };
        let mut fit: Vec<Fault> = now
            .bodies
            .iter()
            .filter(|body| scene.sight.pixels(body.id) >= search.least_pixels.max(1))
            .filter_map(|body| scene.fault(class, strength, body))
            .collect();
        if fit.is_empty() {
            return None;
        }
        let chosen = (mix(search.seed) % fit.len() as u64) as usize;
        Some(fit.swap_remove(chosen))
    }
}

struct Surroundings<'a> {
    now: &'a ShadowSnapshot,
    before: Option<&'a ShadowSnapshot>,
    sight: Sight,
    search: &'a Search,
}

impl Surroundings<'_> {
    /// The fault for this body, if it means something.
    fn fault(&self, class: FaultClass, strength: f32, body: &Body) -> Option<Fault> {
        let seed = mix(self.search.seed ^ body.id);
        let mut fault = Fault {
            class,
            body: body.id,
            strength,
            start_tick: self.now.tick,
            start_time_s: self.now.time_s,
            offset: Vec3::ZERO,
            farthest_m: f32::MAX,
            start_pose: body.world_from_body,
            material: body.material,
            seed,
        };
        if class == FaultClass::OpenWall {
            return (is_wall(body) && self.fills_the_middle(body.id)).then_some(fault);
        }
        if body.kind == BodyKind::Fixed {
            return None;
        }
        let camera = self.now.camera.world_from_camera.rotation;
        let side = if seed & 1 == 0 { Vec3::X } else { Vec3::NEG_X };
        let aside = (camera * side).with_y(0.0).normalize_or(Vec3::X);
        match class {
            FaultClass::Erase => {}
            FaultClass::Duplicate => {
                fault.offset = aside * strength * diameter_m(body);
                let drawn =
                    Sight::draw(&fault.drawn(self.now), self.sight.width, self.sight.height);
                if drawn.pixels(fault.twin_id()) < self.search.least_pixels {
                    return None;
                }
            }
            FaultClass::Intrude => {
                let (direction, gap_m) = self.nearest(body, INTRUDE_REACH_M, |_| true)?;
                fault.offset = direction * (gap_m.max(0.0) + strength);
            }
            FaultClass::Lift => {
                self.rests(body).then_some(())?;
                fault.offset = Vec3::Y * strength;
            }
            FaultClass::Freeze => self.flies(body).then_some(())?,
            FaultClass::Scale => {
                if matches!(body.shape, crate::expected::Shape::Mesh(_)) {
                    return None;
                }
            }
            FaultClass::Jitter => {
                self.rests(body).then_some(())?;
                let tan = (0.5 * self.now.camera.vertical_fov_rad).tan();
                let depth_m = self.sight.mean_depth_m(body.id)?;
                let metres_per_pixel = 2.0 * depth_m * tan / self.sight.height as f32;
                fault.offset = aside * strength * metres_per_pixel;
            }
            FaultClass::Material => {
                let other = 1 + seed % (MATERIALS - 1);
                fault.material = ((u64::from(body.material) + other) % MATERIALS) as u8;
            }
            FaultClass::WalkThrough => {
                let (direction, gap_m) = self.nearest(body, WALK_REACH_M, is_wall)?;
                let direction = direction.with_y(0.0).try_normalize()?;
                fault.offset = direction * strength;
                fault.farthest_m = gap_m.max(0.0) + WALK_BEYOND_M;
            }
            FaultClass::Teleport => fault.offset = aside * strength,
            FaultClass::Drift => {
                self.rests(body).then_some(())?;
                fault.offset = aside * strength;
            }
            FaultClass::OpenWall => return None,
        }
        Some(fault)
    }

    fn earlier(&self, body: &Body) -> Option<&Body> {
        self.before?.bodies.iter().find(|other| other.id == body.id)
    }

    fn rests(&self, body: &Body) -> bool {
        let slow = |b: &Body| {
            b.linear_velocity_m_s.length() < RESTING && b.angular_velocity_rad_s.length() < RESTING
        };
        slow(body) && self.earlier(body).is_some_and(slow)
    }

    /// Nothing but gravity has changed its speed since the snapshot before.
    fn flies(&self, body: &Body) -> bool {
        let (Some(earlier), Some(before)) = (self.earlier(body), self.before) else { return false };
        let dt_s = (self.now.time_s - before.time_s) as f32;
        if dt_s <= 0.0 || body.linear_velocity_m_s.length() < SLOWEST_FLIGHT_M_S {
            return false;
        }
        let acceleration = (body.linear_velocity_m_s - earlier.linear_velocity_m_s) / dt_s;
        let g = self.search.gravity_m_s2;
        acceleration.distance(g) < FREE_FALL * g.length()
    }

    /// Direction and distance from the surface of `body` to that of one of the fixed bodies within `reach_m`.
    fn nearest(
        &self,
        body: &Body,
        reach_m: f32,
        is_fit: impl Fn(&Body) -> bool,
    ) -> Option<(Vec3, f32)> {
        let centre_m = body.world_from_body.translation_m;
        let half_m = world_half_m(body);
        let mut fit: Vec<(Vec3, f32)> = Vec::new();
        for other in self.now.bodies.iter().filter(|b| b.kind == BodyKind::Fixed && is_fit(b)) {
            let (centre, half) = bounding_box(&other.shape);
            let local = other.world_from_body.inverse().transform_point(centre_m) - centre;
            let on_box = other.world_from_body.transform_point(local.clamp(-half, half) + centre);
            // From inside there is no way in.
            let Some(direction) = (on_box - centre_m).try_normalize() else { continue };
            let gap_m =
                on_box.distance(centre_m) - direction.abs().dot(half_m).min(half_m.max_element());
            if gap_m < reach_m {
                fit.push((direction, gap_m));
            }
        }
        let chosen = mix(self.search.seed ^ body.id ^ 0x1D) % fit.len().max(1) as u64;
        fit.get(chosen as usize).copied()
    }

    /// Fills much of the middle third of the view, each way.
    fn fills_the_middle(&self, id: u64) -> bool {
        let (width, height) = (self.sight.width, self.sight.height);
        let (mut all, mut its) = (0, 0);
        for y in height / 3..height - height / 3 {
            for x in width / 3..width - width / 3 {
                all += 1;
                its += i32::from(self.sight.body[y * width + x] == Some(id));
            }
        }
        its as f32 > WALL_SHARE * all as f32
    }
}

/// A fixed body that stands upright and is broad.
fn is_wall(body: &Body) -> bool {
    let half_m = world_half_m(body);
    let broad = Vec2::new(half_m.x, half_m.z).max_element();
    body.kind == BodyKind::Fixed
        && 2.0 * half_m.y >= WALL_HEIGHT_M
        && 2.0 * broad >= WALL_HEIGHT_M
        && half_m.y > Vec2::new(half_m.x, half_m.z).min_element()
}

fn diameter_m(body: &Body) -> f32 {
    2.0 * world_half_m(body).max_element()
}
