// What both passes read; the words are written by layout.rs. World frame: right-handed, +Y up, metres.

const FRAMES: u32 = 3u;

struct View {
    // Axes of the camera, world frame; its back is +Z, it looks along −Z.
    right: vec3<f32>,
    tan_x: f32,
    up: vec3<f32>,
    tan_y: f32,
    back: vec3<f32>,
    near_m: f32,
    eye: vec3<f32>,
    // Source pixels over which a frame fades out at its border.
    border_px: f32,
    size: vec2<f32>,
    origin: vec2<f32>,
    source_size: vec2<u32>,
    frames: u32,
    encode_srgb: u32,
    slot_0: u32,
    slot_1: u32,
    slot_2: u32,
    padding: u32,
    // Per frame: pixels per unit of slope, and the place of slope 0.
    places: array<vec4<f32>, 3>,
    sun_direction: vec3<f32>,
    fog_per_m: f32,
    // And the share of a level surface that lies under snow.
    sun_rgb: vec4<f32>,
    ambient_rgb: vec4<f32>,
    zenith_rgb: vec4<f32>,
    horizon_rgb: vec4<f32>,
}

const KIND_BOX: u32 = 0u;
const KIND_BALL: u32 = 1u;
const KIND_CYLINDER: u32 = 2u;
const KIND_CAPSULE: u32 = 3u;
const KIND_CONE: u32 = 4u;
const KIND_MESH: u32 = 5u;

// The first body of the table is the sky.
struct Body {
    world_from_body: array<vec4<f32>, 3>,
    half_extents_m: vec4<f32>,
    kind: u32,
    material: u32,
    padding: vec2<u32>,
    albedo: vec4<f32>,
}

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> bodies: array<Body>;

// Slopes of the ray through a place of the target: x right, y up, 1 ahead.
fn slope_at(position: vec2<f32>) -> vec2<f32> {
    let ndc = vec2(2.0, -2.0) * (position - view.origin) / view.size + vec2(-1.0, 1.0);
    return ndc * vec2(view.tan_x, view.tan_y);
}

fn ray_of(slope: vec2<f32>) -> vec3<f32> {
    return view.right * slope.x + view.up * slope.y - view.back;
}

fn fold(flat: vec2<f32>) -> vec2<f32> {
    return (vec2(1.0) - abs(flat.yx)) * select(vec2(-1.0), vec2(1.0), flat >= vec2(0.0));
}

fn octahedral(direction: vec3<f32>) -> vec2<f32> {
    let flat = direction.xy / (abs(direction.x) + abs(direction.y) + abs(direction.z));
    return select(fold(flat), flat, direction.z >= 0.0);
}

fn from_octahedral(square: vec2<f32>) -> vec3<f32> {
    let z = 1.0 - abs(square.x) - abs(square.y);
    return normalize(vec3(select(fold(square), square, z >= 0.0), z));
}
