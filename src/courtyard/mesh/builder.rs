//! Collects triangles with texture coordinates and colours.

use std::f32::consts::TAU;

use bevy::asset::RenderAssetUsages;
use bevy::math::{Quat, Vec2, Vec3};
use bevy::mesh::{Indices, Mesh, PrimitiveTopology};

use super::surface;

/// A growing surface in body coordinates.
#[derive(Default)]
pub struct Builder {
    /// Metres.
    pub positions: Vec<Vec3>,
    /// Unit length.
    pub normals: Vec<Vec3>,
    /// Periods of 2 m; see [`surface`].
    pub uvs: Vec<Vec2>,
    /// Linear RGB that multiplies the texture.
    pub colors: Vec<Vec3>,
    /// Counter-clockwise seen from outside.
    pub indices: Vec<u32>,
}

impl Builder {
    /// One vertex; its index.
    pub fn vertex(&mut self, position: Vec3, normal: Vec3, uv: Vec2, color: Vec3) -> u32 {
        self.positions.push(position);
        self.normals.push(normal);
        self.uvs.push(uv);
        self.colors.push(color);
        self.positions.len() as u32 - 1
    }

    /// A grid of `nu`×`nv` quads over a parallelogram; the normal is edge_u × edge_v.
    pub fn patch(
        &mut self,
        corner: Vec3,
        edge_u: Vec3,
        edge_v: Vec3,
        (nu, nv): (u32, u32),
        uv: impl Fn(Vec3) -> Vec2,
        color: Vec3,
    ) {
        let normal = edge_u.cross(edge_v).normalize_or_zero();
        let first = self.positions.len() as u32;
        for j in 0..=nv {
            for i in 0..=nu {
                let at = corner + edge_u * (i as f32 / nu as f32) + edge_v * (j as f32 / nv as f32);
                self.vertex(at, normal, uv(at), color);
            }
        }
        let row = nu + 1;
        for j in 0..nv {
            for i in 0..nu {
                let a = first + j * row + i;
                self.indices.extend([a, a + 1, a + row + 1, a, a + row + 1, a + row]);
            }
        }
    }

    /// A box whose faces are cut into cells of about `cell_m`. `body_half` is the collider's, whose
    /// texture coordinates the box continues.
    pub fn cuboid(&mut self, center: Vec3, half: Vec3, body_half: Vec3, cell_m: f32, color: Vec3) {
        for (axis, sign) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0), (2, 1.0), (2, -1.0_f32)] {
            self.face(center, half, axis, sign, cell_m, color, |p| {
                surface::cuboid_uv(p, axis, body_half)
            });
        }
    }

    /// One face of a box, `axis` 0 to 2, `sign` its side.
    pub fn face(
        &mut self,
        center: Vec3,
        half: Vec3,
        axis: usize,
        sign: f32,
        cell_m: f32,
        color: Vec3,
        uv: impl Fn(Vec3) -> Vec2,
    ) {
        let unit = [Vec3::X, Vec3::Y, Vec3::Z];
        let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
        let (edge_a, edge_b) = (unit[a] * 2.0 * half[a], unit[b] * 2.0 * half[b]);
        let corner = center + unit[axis] * sign * half[axis] - 0.5 * (edge_a + edge_b);
        let cells = |length: f32| ((length / cell_m).ceil() as u32).clamp(1, 64);
        let (na, nb) = (cells(2.0 * half[a]), cells(2.0 * half[b]));
        if sign > 0.0 {
            self.patch(corner, edge_a, edge_b, (na, nb), uv, color);
        } else {
            self.patch(corner, edge_b, edge_a, (nb, na), uv, color);
        }
    }

    /// A surface of revolution about Y. `profile` goes upwards as (radius, y); a point given twice makes a
    /// sharp edge.
    pub fn lathe(
        &mut self,
        profile: &[Vec2],
        sides: u32,
        uv: impl Fn(f32, Vec3) -> Vec2,
        color: impl Fn(f32) -> Vec3,
    ) {
        for pair in profile.windows(2) {
            let along = pair[1] - pair[0];
            if along.length_squared() < 1e-10 {
                continue;
            }
            let slope = Vec2::new(along.y, -along.x).normalize();
            let first = self.positions.len() as u32;
            for i in 0..=sides {
                let angle = (i as f32 / sides as f32 - 0.5) * TAU;
                let out = Vec3::new(angle.sin(), 0.0, angle.cos());
                let normal = out * slope.x + Vec3::Y * slope.y;
                for point in pair {
                    let at = out * point.x + Vec3::Y * point.y;
                    self.vertex(at, normal, uv(angle, at), color(point.y));
                }
            }
            for i in 0..sides {
                let a = first + 2 * i;
                self.indices.extend([a, a + 2, a + 3, a, a + 3, a + 1]);
            }
        }
    }

    /// A sphere of latitude bands with smooth normals; `bump` scales the radius by direction.
    pub fn sphere(
        &mut self,
        center: Vec3,
        radius: f32,
        sides: u32,
        bands: u32,
        color: Vec3,
        bump: impl Fn(Vec3) -> f32,
    ) {
        let first = self.positions.len() as u32;
        for j in 0..=bands {
            let polar = j as f32 / bands as f32 * 0.5 * TAU;
            for i in 0..=sides {
                let angle = (i as f32 / sides as f32 - 0.5) * TAU;
                let out =
                    Vec3::new(polar.sin() * angle.sin(), polar.cos(), polar.sin() * angle.cos());
                self.vertex(
                    center + out * radius * bump(out),
                    out,
                    surface::ball_uv(angle, out),
                    color,
                );
            }
        }
        let row = sides + 1;
        for j in 0..bands {
            for i in 0..sides {
                let a = first + j * row + i;
                self.indices.extend([a, a + row, a + row + 1, a, a + row + 1, a + 1]);
            }
        }
    }

    /// A triangle lit as if it looked along `normal`.
    pub fn triangle(&mut self, corners: [Vec3; 3], normal: Vec3, uv: Vec2, colors: [Vec3; 3]) {
        for (corner, color) in corners.into_iter().zip(colors) {
            let index = self.vertex(corner, normal, uv, color);
            self.indices.push(index);
        }
    }

    /// Turns and moves all that was added from vertex `first` on; texture coordinates stay.
    pub fn transform_from(&mut self, first: usize, rotation: Quat, translation: Vec3) {
        for position in &mut self.positions[first..] {
            *position = rotation * *position + translation;
        }
        for normal in &mut self.normals[first..] {
            *normal = rotation * *normal;
        }
    }

    /// The mesh for the renderer; colours are added by the caller, since snow changes them.
    pub fn into_mesh(self, colors: Vec<[f32; 4]>) -> Mesh {
        Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::default())
            .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, arrays(&self.positions))
            .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, arrays(&self.normals))
            .with_inserted_attribute(
                Mesh::ATTRIBUTE_UV_0,
                self.uvs.iter().map(|v| v.to_array()).collect::<Vec<[f32; 2]>>(),
            )
            .with_inserted_attribute(Mesh::ATTRIBUTE_COLOR, colors)
            .with_inserted_indices(Indices::U32(self.indices))
    }
}

fn arrays(vectors: &[Vec3]) -> Vec<[f32; 3]> {
    vectors.iter().map(|v| v.to_array()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_wind_outwards() {
        let mut b = Builder::default();
        b.cuboid(Vec3::ZERO, Vec3::new(0.5, 1.0, 2.0), Vec3::ONE, 0.7, Vec3::ONE);
        b.sphere(Vec3::ZERO, 1.0, 8, 6, Vec3::ONE, |_| 1.0);
        b.lathe(&[Vec2::new(0.5, -1.0), Vec2::new(0.4, 1.0)], 8, |_, _| Vec2::ZERO, |_| Vec3::ONE);
        for t in b.indices.chunks(3) {
            let [p, q, r] = [t[0], t[1], t[2]].map(|i| b.positions[i as usize]);
            let area = (q - p).cross(r - p);
            let middle = (p + q + r) / 3.0;
            assert!(area.length() < 1e-6 || area.dot(middle) > 0.0, "{p} {q} {r}");
        }
    }
}
