//! From a snapshot to what the G-buffer pass draws.

use std::ops::Range;
use std::sync::Arc;

use bevy::prelude::*;
use reverie_guard::expected::{Body, ShadowSnapshot, Shape, TriangleMesh};
use reverie_kernels::present::BodyWords;
use reverie_kernels::raster::SKY;
use reverie_kernels::raster::shape::triangle;
use reverie_runtime::scene::albedo;
use reverie_runtime::tones::Tones;

/// Bodies in the order in which they are drawn, after the sky; what the shaders call by number.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// `BodyWords::words` of the sky and of every body.
    pub words: Vec<u32>,
    /// For each body after the sky its index in the snapshot.
    pub order: Vec<usize>,
    /// Numbers of boxes.
    pub boxes: Range<u32>,
    /// Numbers of round shapes.
    pub rounds: Range<u32>,
    /// Number and vertices of each mesh.
    pub meshes: Vec<(u32, Range<u32>)>,
}

impl Table {
    /// Sorts the bodies by how they are drawn, near ones first: what they hide is not shaded.
    pub fn fill(&mut self, snapshot: &ShadowSnapshot, tones: &Tones, pool: &mut MeshPool) {
        let eye_m = snapshot.camera.world_from_camera.translation_m;
        let kind = |body: &Body| match body.shape {
            Shape::Cuboid { .. } => 0,
            Shape::Mesh(_) => 2,
            _ => 1,
        };
        let key = |index: &usize| {
            let body = &snapshot.bodies[*index];
            let far = body.world_from_body.translation_m.distance_squared(eye_m);
            (kind(body), far.to_bits())
        };
        self.order.clear();
        self.order.extend(0..snapshot.bodies.len().min(usize::from(SKY) - 1));
        self.order.sort_by_key(key);

        self.words.clear();
        self.words.extend(BodyWords::SKY.words());
        self.meshes.clear();
        let mut counts = [0u32; 3];
        for (place, index) in self.order.iter().enumerate() {
            let body = &snapshot.bodies[*index];
            self.words.extend(words(body, tones));
            counts[kind(body)] += 1;
            if let Shape::Mesh(mesh) = &body.shape {
                self.meshes.push((place as u32 + 1, pool.vertices_of(mesh)));
            }
        }
        self.boxes = 1..1 + counts[0];
        self.rounds = self.boxes.end..self.boxes.end + counts[1];
        pool.sweep(self.meshes.len());
    }
}

fn words(body: &Body, tones: &Tones) -> [u32; BodyWords::WORDS] {
    let (kind, half_extents_m) = BodyWords::measures(&body.shape);
    BodyWords {
        world_from_body: body.world_from_body,
        half_extents_m,
        kind,
        material: u32::from(body.material),
        albedo: Vec3::from_array(albedo(body)) * tones.of_body(body.id, body.material),
    }
    .words()
}

/// Vertices of all meshes in sight, three for each triangle.
#[derive(Debug, Default)]
pub(crate) struct MeshPool {
    /// Metres, body frame, and 0.
    pub vertices: Vec<[f32; 4]>,
    /// The vertices have changed since this was set to false.
    pub changed: bool,
    /// Holding a mesh keeps its address from being used again.
    ranges: Vec<(Arc<TriangleMesh>, Range<u32>)>,
}

impl MeshPool {
    fn vertices_of(&mut self, mesh: &Arc<TriangleMesh>) -> Range<u32> {
        if let Some((_, range)) = self.ranges.iter().find(|(known, _)| Arc::ptr_eq(known, mesh)) {
            return range.clone();
        }
        let first = self.vertices.len() as u32;
        let corners = (0..mesh.triangles.len()).filter_map(|index| triangle(mesh, index));
        self.vertices.extend(corners.flatten().map(|corner| corner.extend(0.0).to_array()));
        let range = first..self.vertices.len() as u32;
        self.ranges.push((mesh.clone(), range.clone()));
        self.changed = true;
        range
    }

    /// Begins anew in the next frame when most meshes of the pool are gone.
    fn sweep(&mut self, in_use: usize) {
        if self.ranges.len() > 16 && self.ranges.len() > 2 * in_use {
            *self = Self { changed: true, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use reverie_guard::expected::{BodyKind, CameraPose, Pose};

    use super::*;

    fn body(id: u64, shape: Shape, z: f32) -> Body {
        Body {
            id,
            shape,
            world_from_body: Pose::new(Quat::IDENTITY, Vec3::new(0.0, 0.0, z)),
            linear_velocity_m_s: Vec3::ZERO,
            angular_velocity_rad_s: Vec3::ZERO,
            kind: BodyKind::Fixed,
            material: 3,
            tint_srgb: None,
        }
    }

    #[test]
    fn bodies_are_grouped_near_first_and_meshes_share_vertices() {
        let mesh = Arc::new(TriangleMesh {
            vertices_m: vec![Vec3::ZERO, Vec3::X, Vec3::Y],
            triangles: vec![[0, 1, 2], [0, 1, 9], [2, 1, 0]],
        });
        let cube = Shape::Cuboid { half_extents_m: Vec3::ONE };
        let snapshot = ShadowSnapshot {
            tick: 0,
            time_s: 0.0,
            camera: CameraPose { world_from_camera: Pose::IDENTITY, vertical_fov_rad: 1.0 },
            bodies: vec![
                body(1, Shape::Mesh(mesh.clone()), -1.0),
                body(2, Shape::Ball { radius_m: 0.5 }, -2.0),
                body(3, cube.clone(), -9.0),
                body(4, cube, -3.0),
                body(5, Shape::Mesh(mesh), -5.0),
            ],
            sun_direction: Vec3::Y,
        };
        let (mut table, mut pool) = (Table::default(), MeshPool::default());
        for _ in 0..2 {
            table.fill(&snapshot, &Tones::default(), &mut pool);
            assert_eq!(table.order, [3, 2, 1, 0, 4]);
            assert_eq!((table.boxes.clone(), table.rounds.clone()), (1..3, 3..4));
            // The triangle whose corner does not exist is left out.
            assert_eq!(table.meshes, [(4, 0..6), (5, 0..6)]);
            assert_eq!(table.words.len(), 6 * BodyWords::WORDS);
        }
        assert!(pool.changed && pool.vertices.len() == 6);
    }
}
