//! Where rays meet shapes, in object coordinates. The length of a direction is free: distances along a
//! ray are in units of it.

use glam::{Mat3, Vec2, Vec3};

use super::NEAR_M;
use crate::geometry::{CameraPose, Pose, Shape, TriangleMesh};

/// A camera as an object sees it.
#[derive(Debug, Clone, Copy)]
pub struct ObjectView {
    /// The camera's place, object frame, metres.
    pub origin_m: Vec3,
    /// Rotation, camera to object.
    pub object_from_camera: Mat3,
}

impl ObjectView {
    /// The view that an object at `world_from_object` has of `camera`.
    pub fn new(world_from_object: &Pose, camera: &CameraPose) -> Self {
        let pose = world_from_object.inverse().compose(&camera.world_from_camera);
        Self { origin_m: pose.translation_m, object_from_camera: pose.rotation_matrix() }
    }

    /// The part of [`Self::direction`] that a row of pixels shares.
    #[inline(always)]
    pub fn row(&self, ray_y: f32) -> Vec3 {
        self.object_from_camera.y_axis * ray_y - self.object_from_camera.z_axis
    }

    /// Direction of the pixel whose ray in the camera's frame is (`ray_x`, `ray_y`, −1), object frame.
    #[inline(always)]
    pub fn direction(&self, ray_x: f32, ray_y: f32) -> Vec3 {
        self.object_from_camera.x_axis * ray_x + self.row(ray_y)
    }
}

/// Centre and half edges of the box around `shape`, object frame, metres.
pub fn bounding_box(shape: &Shape) -> (Vec3, Vec3) {
    match shape {
        Shape::Cuboid { half_extents_m } => (Vec3::ZERO, *half_extents_m),
        Shape::Ball { radius_m } => (Vec3::ZERO, Vec3::splat(*radius_m)),
        Shape::Cylinder { half_height_m, radius_m } | Shape::Cone { half_height_m, radius_m } => {
            (Vec3::ZERO, Vec3::new(*radius_m, *half_height_m, *radius_m))
        }
        Shape::Capsule { half_height_m, radius_m } => {
            (Vec3::ZERO, Vec3::new(*radius_m, half_height_m + radius_m, *radius_m))
        }
        Shape::Mesh(mesh) => {
            let Some(&first) = mesh.vertices_m.first() else { return (Vec3::ZERO, Vec3::ZERO) };
            let (low, high) = mesh
                .vertices_m
                .iter()
                .fold((first, first), |(low, high), v| (low.min(*v), high.max(*v)));
            (0.5 * (low + high), 0.5 * (high - low))
        }
    }
}

/// Distance at which a ray enters `shape` from outside; infinite if it does not, or nearer than
/// [`NEAR_M`], or from inside. The second value is the triangle of a mesh.
pub fn enter(shape: &Shape, origin: Vec3, direction: Vec3) -> (f32, usize) {
    match shape {
        Shape::Mesh(mesh) => {
            let mut nearest = (f32::INFINITY, 0);
            for index in 0..mesh.triangles.len() {
                let Some(corners) = triangle(mesh, index) else { continue };
                let t = enter_triangle(corners, origin, direction);
                if t < nearest.0 {
                    nearest = (t, index);
                }
            }
            nearest
        }
        solid => match interval(solid, origin, direction) {
            Some((enter, _)) if enter >= NEAR_M => (enter, 0),
            _ => (f32::INFINITY, 0),
        },
    }
}

/// Where the line of a ray enters and leaves a solid, also behind its origin; `None` for a miss and for
/// meshes, which are surfaces.
pub fn interval(shape: &Shape, origin: Vec3, direction: Vec3) -> Option<(f32, f32)> {
    if let Shape::Cuboid { half_extents_m } = shape {
        let (enter, leave) = slabs(*half_extents_m, origin, direction);
        return (enter <= leave).then_some((enter, leave));
    }
    // From the point of the line nearest to the centre the squares below are small numbers.
    let to_near = -origin.dot(direction) / direction.length_squared();
    let near = origin + direction * to_near;
    let found = match *shape {
        Shape::Ball { radius_m } => ball(radius_m, near, direction),
        Shape::Cylinder { half_height_m, radius_m } => {
            cylinder(half_height_m, radius_m, near, direction)
        }
        Shape::Capsule { half_height_m, radius_m } => {
            let end = Vec3::Y * half_height_m;
            [
                cylinder(half_height_m, radius_m, near, direction),
                ball(radius_m, near - end, direction),
                ball(radius_m, near + end, direction),
            ]
            .into_iter()
            .flatten()
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        }
        Shape::Cone { half_height_m, radius_m } => cone(half_height_m, radius_m, near, direction),
        Shape::Cuboid { .. } | Shape::Mesh(_) => None,
    };
    found.map(|(enter, leave)| (enter + to_near, leave + to_near))
}

/// Where a line enters and leaves a box; enters after it leaves for a miss.
#[inline(always)]
pub fn slabs(half: Vec3, origin: Vec3, direction: Vec3) -> (f32, f32) {
    let (x0, x1) = slab(half.x, origin.x, direction.x);
    let (y0, y1) = slab(half.y, origin.y, direction.y);
    let (z0, z1) = slab(half.z, origin.z, direction.z);
    (larger(z0, larger(y0, x0)), smaller(z1, smaller(y1, x1)))
}

#[inline(always)]
fn slab(half: f32, origin: f32, direction: f32) -> (f32, f32) {
    // A ray along the slab divides by zero; the infinities compare as they should.
    let inverse = 1.0 / direction;
    let a = (-half - origin) * inverse;
    let b = (half - origin) * inverse;
    (smaller(a, b), larger(a, b))
}

// One instruction each, unlike f32::min and f32::max, which have to look for NaN.
#[inline(always)]
pub(crate) fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[inline(always)]
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

fn ball(radius: f32, origin: Vec3, direction: Vec3) -> Option<(f32, f32)> {
    let square = direction.length_squared();
    let middle = -origin.dot(direction) / square;
    let room = radius * radius - (origin + direction * middle).length_squared();
    (room >= 0.0).then(|| {
        let half = (room / square).sqrt();
        (middle - half, middle + half)
    })
}

fn cylinder(half_height: f32, radius: f32, origin: Vec3, direction: Vec3) -> Option<(f32, f32)> {
    let flat = Vec2::new(direction.x, direction.z);
    let start = Vec2::new(origin.x, origin.z);
    let square = flat.length_squared();
    let (mut enter, mut leave) = (f32::NEG_INFINITY, f32::INFINITY);
    if square > 1e-12 * direction.length_squared() {
        let middle = -start.dot(flat) / square;
        let room = radius * radius - (start + flat * middle).length_squared();
        if room < 0.0 {
            return None;
        }
        let half = (room / square).sqrt();
        (enter, leave) = (middle - half, middle + half);
    } else if start.length_squared() > radius * radius {
        return None;
    }
    let (low, high) = slab(half_height, origin.y, direction.y);
    (enter, leave) = (larger(low, enter), smaller(high, leave));
    (enter <= leave).then_some((enter, leave))
}

fn cone(half_height: f32, radius: f32, origin: Vec3, direction: Vec3) -> Option<(f32, f32)> {
    // From the tip: x² + z² = (slope · y)².
    let slope = radius / (2.0 * half_height);
    let (from, y) = (Vec2::new(origin.x, origin.z), origin.y - half_height);
    let flat = Vec2::new(direction.x, direction.z);
    let a = flat.length_squared() - (slope * direction.y).powi(2);
    let b = from.dot(flat) - slope * slope * y * direction.y;
    let c = from.length_squared() - (slope * y).powi(2);
    let mut crossings = [None; 3];
    if a.abs() > 1e-7 * direction.length_squared() {
        let room = b * b - a * c;
        if room >= 0.0 {
            let root = room.sqrt();
            crossings[0] = Some((-b - root) / a);
            crossings[1] = Some((-b + root) / a);
        }
    } else if b != 0.0 {
        crossings[0] = Some(-c / (2.0 * b));
    }
    for side in &mut crossings[..2] {
        *side = side.filter(|t| (origin.y + direction.y * t).abs() <= half_height);
    }
    if direction.y != 0.0 {
        let t = (-half_height - origin.y) / direction.y;
        crossings[2] = Some(t).filter(|t| (from + flat * *t).length_squared() <= radius * radius);
    }
    crossings.into_iter().flatten().fold(None, |found: Option<(f32, f32)>, t| match found {
        None => Some((t, t)),
        Some((enter, leave)) => Some((enter.min(t), leave.max(t))),
    })
}

/// The corners of a mesh's triangle; `None` where an index has no vertex.
pub fn triangle(mesh: &TriangleMesh, index: usize) -> Option<[Vec3; 3]> {
    let [a, b, c] = *mesh.triangles.get(index)?;
    let vertex = |i: u32| mesh.vertices_m.get(i as usize).copied();
    Some([vertex(a)?, vertex(b)?, vertex(c)?])
}

/// Distance at which a ray meets the front of a triangle, or infinity.
#[inline]
pub fn enter_triangle([a, b, c]: [Vec3; 3], origin: Vec3, direction: Vec3) -> f32 {
    let (ab, ac) = (b - a, c - a);
    let normal = ab.cross(ac);
    let against = -direction.dot(normal);
    if against <= 0.0 {
        return f32::INFINITY;
    }
    let from_a = origin - a;
    let turned = direction.cross(from_a);
    // The slack closes the seam between two triangles that share an edge.
    let slack = -1e-5 * against;
    let (u, v) = (-ac.dot(turned), ab.dot(turned));
    if u < slack || v < slack || against - u - v < slack {
        return f32::INFINITY;
    }
    let t = from_a.dot(normal) / against;
    if t >= NEAR_M { t } else { f32::INFINITY }
}

/// Outward unit normal of a solid at a point of its surface, object frame; for a mesh that of `triangle`.
pub fn normal(shape: &Shape, point: Vec3, triangle_index: usize) -> Vec3 {
    let radial = Vec3::new(point.x, 0.0, point.z);
    match shape {
        Shape::Cuboid { half_extents_m } => {
            let gap = (*half_extents_m - point.abs()).abs();
            let axis = if gap.y <= gap.x && gap.y <= gap.z {
                Vec3::Y
            } else if gap.x <= gap.z {
                Vec3::X
            } else {
                Vec3::Z
            };
            axis * if axis.dot(point) < 0.0 { -1.0 } else { 1.0 }
        }
        Shape::Ball { .. } => point.normalize_or(Vec3::Y),
        Shape::Capsule { half_height_m, .. } => {
            (point - Vec3::Y * point.y.clamp(-half_height_m, *half_height_m)).normalize_or(Vec3::Y)
        }
        Shape::Cylinder { half_height_m, radius_m } => {
            if (half_height_m - point.y.abs()).abs() < (radius_m - radial.length()).abs() {
                Vec3::Y * point.y.signum()
            } else {
                radial.normalize_or(Vec3::X)
            }
        }
        Shape::Cone { half_height_m, radius_m } => {
            let rise = 2.0 * half_height_m;
            let slant = (rise * rise + radius_m * radius_m).sqrt().max(1e-9);
            let inside = (radius_m * (half_height_m - point.y) - rise * radial.length()) / slant;
            if (point.y + half_height_m).abs() < inside.abs() {
                Vec3::NEG_Y
            } else {
                (radial.normalize_or(Vec3::X) * rise + Vec3::Y * *radius_m) / slant
            }
        }
        Shape::Mesh(mesh) => triangle(mesh, triangle_index)
            .map_or(Vec3::Y, |[a, b, c]| (b - a).cross(c - a).normalize_or(Vec3::Y)),
    }
}
