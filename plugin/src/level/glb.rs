//! The colliders of a level as binary glTF 2.0, to look at and to build on in other programs.
//!
//! One node per body, named by role and number, with its pose; shapes are shared as unit meshes that the node's scale
//! sizes, so that corners are exact. Format: Khronos, glTF 2.0 specification, section 4 (binary container).

use std::collections::HashMap;

use bevy::math::{Vec2, Vec3};
use reverie_guard::expected::Shape;
use reverie_runtime::material::{MATERIAL_ALBEDO, MATERIAL_NAMES};
use reverie_runtime::paint::srgb_to_linear;
use serde_json::{Value, json};

use super::{Level, LevelBody, Role};

const SIDES: u32 = 32;
const ARRAY_BUFFER: u32 = 34_962;
const ELEMENT_ARRAY_BUFFER: u32 = 34_963;
const FLOAT: u32 = 5_126;
const UNSIGNED_INT: u32 = 5_125;

/// A triangle surface with normals.
#[derive(Default)]
struct Surface {
    positions: Vec<Vec3>,
    normals: Vec<Vec3>,
    indices: Vec<u32>,
}

/// The content of a `.glb` file.
pub fn to_glb(level: &Level) -> Vec<u8> {
    let mut file = Writer::default();
    let mut materials: HashMap<(u8, Option<[u32; 3]>), usize> = HashMap::new();
    let mut shapes: HashMap<String, (usize, usize)> = HashMap::new();
    let mut meshes: HashMap<(String, usize), usize> = HashMap::new();
    let mut nodes = Vec::new();
    for (index, body) in level.bodies.iter().enumerate() {
        let key = (body.material, body.tint_srgb.map(|tint| tint.map(f32::to_bits)));
        let material = *materials.entry(key).or_insert_with(|| file.add_material(body));
        let (name, scale) = unit(&body.shape);
        let (vertices, indices) =
            *shapes.entry(name.clone()).or_insert_with(|| file.add_surface(&surface(&body.shape)));
        let mesh = *meshes.entry((name.clone(), material)).or_insert_with(|| {
            let primitive = json!({
                "attributes": { "POSITION": vertices, "NORMAL": vertices + 1 },
                "indices": indices, "material": material,
            });
            file.meshes.push(json!({ "primitives": [primitive] }));
            file.meshes.len() - 1
        });
        let pose = &body.world_from_body;
        nodes.push(json!({
            "name": format!("{:?} {index}", body.role),
            "mesh": mesh,
            "translation": pose.translation_m.to_array(),
            "rotation": pose.rotation.normalize().to_array(),
            "scale": scale.to_array(),
            "extras": { "role": format!("{:?}", body.role), "movable": body.movable },
        }));
    }
    for (name, place_m) in [("spawn", Some(level.spawn_m)), ("goal", level.goal_m)] {
        if let Some(place_m) = place_m {
            nodes.push(json!({ "name": name, "translation": place_m.to_array() }));
        }
    }
    file.finish(&level.name, nodes)
}

/// What a shape is called among those that scale into each other, and its scale.
fn unit(shape: &Shape) -> (String, Vec3) {
    match *shape {
        Shape::Cuboid { half_extents_m } => ("cuboid".to_owned(), half_extents_m),
        Shape::Ball { radius_m } => ("ball".to_owned(), Vec3::splat(radius_m)),
        Shape::Cylinder { half_height_m, radius_m } => {
            ("cylinder".to_owned(), Vec3::new(radius_m, half_height_m, radius_m))
        }
        Shape::Cone { half_height_m, radius_m } => {
            ("cone".to_owned(), Vec3::new(radius_m, half_height_m, radius_m))
        }
        Shape::Capsule { .. } | Shape::Mesh(_) => (format!("{shape:?}"), Vec3::ONE),
    }
}

/// The surface of a shape at its unit size.
fn surface(shape: &Shape) -> Surface {
    let mut s = Surface::default();
    let arc = |from: f32, to: f32, radius: f32, middle_y: f32| {
        (0..=SIDES / 4).map(move |i| {
            let angle = from + (to - from) * i as f32 / (SIDES / 4) as f32;
            Vec2::new(radius * angle.cos(), middle_y + radius * angle.sin())
        })
    };
    let quarter = std::f32::consts::FRAC_PI_2;
    match shape {
        Shape::Cuboid { .. } => s.cuboid(),
        Shape::Ball { .. } => {
            s.lathe(
                &arc(-quarter, 0.0, 1.0, 0.0)
                    .chain(arc(0.0, quarter, 1.0, 0.0))
                    .collect::<Vec<_>>(),
            );
        }
        Shape::Cylinder { .. } => {
            for pair in
                [[(0.0, -1.0), (1.0, -1.0)], [(1.0, -1.0), (1.0, 1.0)], [(1.0, 1.0), (0.0, 1.0)]]
            {
                s.lathe(&pair.map(Vec2::from));
            }
        }
        Shape::Cone { .. } => {
            for pair in [[(0.0, -1.0), (1.0, -1.0)], [(1.0, -1.0), (0.0, 1.0)]] {
                s.lathe(&pair.map(Vec2::from));
            }
        }
        Shape::Capsule { half_height_m: half, radius_m } => {
            let below = arc(-quarter, 0.0, *radius_m, -half);
            s.lathe(&below.chain(arc(0.0, quarter, *radius_m, *half)).collect::<Vec<_>>());
        }
        Shape::Mesh(mesh) => {
            for triangle in &mesh.triangles {
                let corners = triangle.map(|i| mesh.vertices_m.get(i as usize).copied());
                if let [Some(a), Some(b), Some(c)] = corners {
                    let normal = (b - a).cross(c - a).normalize_or(Vec3::Y);
                    let first = s.positions.len() as u32;
                    s.positions.extend([a, b, c]);
                    s.normals.extend([normal; 3]);
                    s.indices.extend([first, first + 1, first + 2]);
                }
            }
        }
    }
    s
}

impl Surface {
    fn cuboid(&mut self) {
        for (axis, sign) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0), (2, 1.0), (2, -1.0_f32)] {
            let mut normal = Vec3::ZERO;
            normal[axis] = sign;
            let mut across = Vec3::ZERO;
            across[(axis + 1) % 3] = 1.0;
            let up = normal.cross(across);
            let first = self.positions.len() as u32;
            for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)] {
                self.positions.push(normal + across * x + up * y);
                self.normals.push(normal);
            }
            self.indices.extend([0, 1, 2, 0, 2, 3].map(|i| first + i));
        }
    }

    /// Turns a profile of (radius, height), from below to above, round the Y axis.
    fn lathe(&mut self, profile: &[Vec2]) {
        let first = self.positions.len() as u32;
        let rings = profile.len() as u32;
        for i in 0..=SIDES {
            let angle = std::f32::consts::TAU * i as f32 / SIDES as f32;
            let out = Vec3::new(angle.sin(), 0.0, angle.cos());
            for (ring, at) in profile.iter().enumerate() {
                let before = profile[ring.saturating_sub(1)];
                let after = profile[(ring + 1).min(profile.len() - 1)];
                let along = (after - before).normalize_or(Vec2::Y);
                self.positions.push(out * at.x + Vec3::Y * at.y);
                self.normals.push((out * along.y - Vec3::Y * along.x).normalize_or(Vec3::Y));
            }
        }
        for i in 0..SIDES {
            for ring in 0..rings - 1 {
                let a = first + i * rings + ring;
                let b = a + rings;
                self.indices.extend([a, b, b + 1, a, b + 1, a + 1]);
            }
        }
    }
}

/// A file in the making.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    views: Vec<Value>,
    accessors: Vec<Value>,
    materials: Vec<Value>,
    meshes: Vec<Value>,
}

impl Writer {
    /// Index of the accessor of positions (that of normals follows), and of the indices.
    fn add_surface(&mut self, surface: &Surface) -> (usize, usize) {
        let low = surface.positions.iter().copied().reduce(Vec3::min).unwrap_or_default();
        let high = surface.positions.iter().copied().reduce(Vec3::max).unwrap_or_default();
        let floats = |vectors: &[Vec3]| -> Vec<u8> {
            vectors.iter().flat_map(|v| v.to_array()).flat_map(f32::to_le_bytes).collect()
        };
        let (count, indices) = (surface.positions.len(), &surface.indices);
        let mut position = json!({ "componentType": FLOAT, "count": count, "type": "VEC3" });
        position["min"] = json!(low.to_array());
        position["max"] = json!(high.to_array());
        let vertices = self.add(&floats(&surface.positions), ARRAY_BUFFER, position);
        let normal = json!({ "componentType": FLOAT, "count": count, "type": "VEC3" });
        self.add(&floats(&surface.normals), ARRAY_BUFFER, normal);
        let bytes: Vec<u8> = indices.iter().flat_map(|i| i.to_le_bytes()).collect();
        let index =
            json!({ "componentType": UNSIGNED_INT, "count": indices.len(), "type": "SCALAR" });
        (vertices, self.add(&bytes, ELEMENT_ARRAY_BUFFER, index))
    }

    fn add(&mut self, bytes: &[u8], target: u32, mut accessor: Value) -> usize {
        let view = json!({
            "buffer": 0, "byteOffset": self.bytes.len(), "byteLength": bytes.len(), "target": target,
        });
        accessor["bufferView"] = json!(self.views.len());
        self.views.push(view);
        // All components have four bytes: the next view is aligned by itself.
        self.bytes.extend_from_slice(bytes);
        self.accessors.push(accessor);
        self.accessors.len() - 1
    }

    fn add_material(&mut self, body: &LevelBody) -> usize {
        let class = usize::from(body.material).min(MATERIAL_NAMES.len() - 1);
        let [r, g, b] =
            body.tint_srgb.map_or(MATERIAL_ALBEDO[class], |tint| tint.map(srgb_to_linear));
        let mut material = json!({
            "name": MATERIAL_NAMES[class],
            "pbrMetallicRoughness": {
                "baseColorFactor": [r, g, b, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.9,
            },
        });
        if body.role == Role::Beacon || body.role == Role::Lamp {
            material["emissiveFactor"] = json!([r, g, b]);
        }
        self.materials.push(material);
        self.materials.len() - 1
    }

    fn finish(self, name: &str, nodes: Vec<Value>) -> Vec<u8> {
        let all: Vec<usize> = (0..nodes.len()).collect();
        let document = json!({
            "asset": {
                "version": "2.0",
                "generator": concat!("reverie ", env!("CARGO_PKG_VERSION")),
            },
            "scene": 0,
            "scenes": [{ "name": name, "nodes": all }],
            "nodes": nodes,
            "meshes": self.meshes,
            "materials": self.materials,
            "accessors": self.accessors,
            "bufferViews": self.views,
            "buffers": [{ "byteLength": self.bytes.len() }],
        });
        let mut text = document.to_string().into_bytes();
        text.resize(text.len().next_multiple_of(4), b' ');
        let mut bytes = self.bytes;
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let length = 12 + 8 + text.len() + 8 + bytes.len();
        let mut file = Vec::with_capacity(length);
        file.extend_from_slice(b"glTF");
        file.extend_from_slice(&2_u32.to_le_bytes());
        file.extend_from_slice(&(length as u32).to_le_bytes());
        for (kind, chunk) in [(b"JSON", &text), (b"BIN\0", &bytes)] {
            file.extend_from_slice(&(chunk.len() as u32).to_le_bytes());
            file.extend_from_slice(kind);
            file.extend_from_slice(chunk);
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use bevy::math::Quat;
    use reverie_guard::expected::Pose;

    use super::*;
    use crate::material::NeuralMaterial;

    /// What a reader of the format relies on: chunks, lengths, alignment, ranges.
    fn parse(file: &[u8]) -> (Value, &[u8]) {
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(&file[..4], b"glTF");
        assert_eq!((word(4), word(8)), (2, file.len()));
        let text = word(12);
        assert_eq!((&file[16..20], text % 4), (&b"JSON"[..], 0));
        let (at, length) = (28 + text, word(20 + text));
        assert_eq!((&file[24 + text..at], length % 4), (&b"BIN\0"[..], 0));
        assert_eq!(at + length, file.len());
        (serde_json::from_slice(&file[20..20 + text]).unwrap(), &file[at..])
    }

    fn floats(document: &Value, bytes: &[u8], accessor: usize) -> Vec<f32> {
        let accessor = &document["accessors"][accessor];
        let view = &document["bufferViews"][accessor["bufferView"].as_u64().unwrap() as usize];
        let from = view["byteOffset"].as_u64().unwrap() as usize;
        let length = view["byteLength"].as_u64().unwrap() as usize;
        let count = accessor["count"].as_u64().unwrap() as usize;
        assert_eq!((from % 4, length), (0, 12 * count));
        let values = bytes[from..from + length].chunks_exact(4);
        values.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    #[test]
    fn corners_colours_and_names_are_in_the_file() {
        let wall = LevelBody {
            world_from_body: Pose::new(Quat::from_rotation_y(0.7), Vec3::new(3.0, 1.0, -2.0)),
            tint_srgb: Some([1.0, 0.0, 0.0]),
            ..LevelBody::fixed_box(
                Role::Wall,
                NeuralMaterial::BRICK,
                Vec3::ZERO,
                Vec3::new(4.0, 2.0, 0.3),
            )
        };
        let round = |shape| LevelBody { shape, movable: true, ..wall.clone() };
        let level = Level {
            bodies: vec![
                wall.clone(),
                round(Shape::Ball { radius_m: 0.4 }),
                round(Shape::Cylinder { half_height_m: 1.0, radius_m: 0.2 }),
                round(Shape::Cone { half_height_m: 1.0, radius_m: 0.2 }),
                round(Shape::Capsule { half_height_m: 0.5, radius_m: 0.2 }),
            ],
            ..Level::default()
        };
        let file = to_glb(&level);
        let (document, bytes) = parse(&file);
        assert_eq!(document["buffers"][0]["byteLength"], bytes.len());
        assert_eq!(document["nodes"][0]["name"], "Wall 0");
        assert_eq!(document["materials"][0]["name"], "brick");
        let color = &document["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"];
        assert_eq!(color[0].as_f64(), Some(1.0));
        for node in document["nodes"].as_array().unwrap().iter().take(5) {
            let mesh = &document["meshes"][node["mesh"].as_u64().unwrap() as usize];
            let primitive = &mesh["primitives"][0];
            let of = |name: &str| primitive["attributes"][name].as_u64().unwrap() as usize;
            let positions = floats(&document, bytes, of("POSITION"));
            let normals = floats(&document, bytes, of("NORMAL"));
            assert_eq!(positions.len(), normals.len());
            for normal in normals.chunks_exact(3) {
                assert!((Vec3::from_slice(normal).length() - 1.0).abs() < 1e-3, "{node}");
            }
            let index = &document["accessors"][primitive["indices"].as_u64().unwrap() as usize];
            assert_eq!(index["count"].as_u64().unwrap() % 3, 0);
        }
        // The node carries the unit box onto the wall's own corners.
        let node = &document["nodes"][0];
        let vector = |name: &str, i: usize| node[name][i].as_f64().unwrap() as f32;
        let scale = Vec3::from_array(std::array::from_fn(|i| vector("scale", i)));
        let turn = Quat::from_array(std::array::from_fn(|i| vector("rotation", i)));
        let at = Vec3::from_array(std::array::from_fn(|i| vector("translation", i)));
        let corner = turn * (scale * Vec3::new(1.0, 1.0, -1.0)) + at;
        let expected = wall.world_from_body.transform_point(Vec3::new(2.0, 1.0, -0.15));
        assert!(corner.distance(expected) < 1e-5, "{corner} {expected}");
    }

    #[test]
    fn triangles_wind_outwards() {
        for shape in [
            Shape::Cuboid { half_extents_m: Vec3::ONE },
            Shape::Ball { radius_m: 1.0 },
            Shape::Cylinder { half_height_m: 1.0, radius_m: 1.0 },
            Shape::Cone { half_height_m: 1.0, radius_m: 1.0 },
            Shape::Capsule { half_height_m: 1.0, radius_m: 0.5 },
        ] {
            let s = surface(&shape);
            for triangle in s.indices.chunks_exact(3) {
                let [a, b, c] = [0, 1, 2].map(|i| s.positions[triangle[i] as usize]);
                let area = (b - a).cross(c - a);
                assert!(area.length() < 1e-6 || area.dot((a + b + c) / 3.0) > 0.0, "{shape:?}");
            }
        }
    }
}
