// The shadow at display size. Target: normal (octahedral, 2 × 16 bits); the body's number in the table in bits 0 to 15
// and its material above; place in the period of the texture (2 × 16 bits); the period's shorter side, bits of metres.
// Depth: near / metres, 0 far away.
//
// Boxes and meshes are triangles. A round shape is the back of its box, and each pixel meets the shape itself by its
// ray, as kernels/src/raster/shape.rs does: no facets, and the same outline as the model was told.

@group(0) @binding(2) var<storage, read> mesh_vertices: array<vec4<f32>>;

struct Flat {
    @builtin(position) clip: vec4<f32>,
    @location(0) @interpolate(flat, either) words: vec3<u32>,
    @location(1) uv: vec2<f32>,
}

struct Round {
    @builtin(position) clip: vec4<f32>,
    @location(0) @interpolate(flat, either) body: u32,
}

struct Seen {
    @location(0) words: vec4<u32>,
    @builtin(frag_depth) depth: f32,
}

const MISS: vec2<f32> = vec2(1e30, -1e30);

fn rotated(body: u32, v: vec3<f32>) -> vec3<f32> {
    return vec3(
        dot(bodies[body].world_from_body[0].xyz, v),
        dot(bodies[body].world_from_body[1].xyz, v),
        dot(bodies[body].world_from_body[2].xyz, v),
    );
}

fn place_of(body: u32) -> vec3<f32> {
    return vec3(
        bodies[body].world_from_body[0].w,
        bodies[body].world_from_body[1].w,
        bodies[body].world_from_body[2].w,
    );
}

fn clip_of(world: vec3<f32>) -> vec4<f32> {
    let from_eye = world - view.eye;
    let depth_m = -dot(from_eye, view.back);
    return vec4(dot(from_eye, view.right) / view.tan_x, dot(from_eye, view.up) / view.tan_y, view.near_m, depth_m);
}

// Normal, body and material, period; `surface` is that of the point.
fn words_of(body: u32, normal: vec3<f32>, surface: Surface) -> vec3<u32> {
    let period_m = min(surface.period_m.x, surface.period_m.y);
    return vec3(pack2x16snorm(octahedral(normal)), body | (bodies[body].material << 16u), bitcast<u32>(period_m));
}

fn target_of(words: vec3<u32>, uv: vec2<f32>) -> vec4<u32> {
    return vec4(words.xy, pack2x16unorm(fract(uv)), words.z);
}

// `at` and `normal` in body coordinates.
fn flat_of(body: u32, at: vec3<f32>, normal: vec3<f32>) -> Flat {
    let surface = surface_at(bodies[body].kind, bodies[body].half_extents_m.xyz, at, normal);
    let clip = clip_of(place_of(body) + rotated(body, at));
    return Flat(clip, words_of(body, rotated(body, normal), surface), surface.uv);
}

// A corner of the box from −1 to 1; faces in pairs along x, y, z, counter-clockwise seen from outside.
fn corner(vertex: u32) -> vec3<f32> {
    let face = vertex / 6u;
    let side = select(1.0, -1.0, (face & 1u) == 1u);
    // Bits of −1 or 1 along both edges, for the six vertices of two triangles.
    let u = select(-1.0, 1.0, ((0x16u >> (vertex % 6u)) & 1u) == 1u) * side;
    let v = select(-1.0, 1.0, ((0x34u >> (vertex % 6u)) & 1u) == 1u);
    switch face / 2u {
        case 0u: { return vec3(side, u, v); }
        case 1u: { return vec3(v, side, u); }
        default: { return vec3(u, v, side); }
    }
}

fn face_normal(vertex: u32) -> vec3<f32> {
    let side = select(1.0, -1.0, ((vertex / 6u) & 1u) == 1u);
    let axis = vertex / 12u;
    return vec3(f32(axis == 0u), f32(axis == 1u), f32(axis == 2u)) * side;
}

@vertex
fn box_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) body: u32) -> Flat {
    return flat_of(body, corner(vertex) * bodies[body].half_extents_m.xyz, face_normal(vertex));
}

@vertex
fn mesh_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) body: u32) -> Flat {
    let first = vertex - vertex % 3u;
    let a = mesh_vertices[first].xyz;
    let normal = normalize(cross(mesh_vertices[first + 1u].xyz - a, mesh_vertices[first + 2u].xyz - a));
    return flat_of(body, mesh_vertices[vertex].xyz, normal);
}

@fragment
fn flat_fragment(in: Flat) -> @location(0) vec4<u32> {
    return target_of(in.words, in.uv);
}

@vertex
fn round_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) body: u32) -> Round {
    // A little larger, so that rounding does not cut the outline off.
    let around = corner(vertex) * (bodies[body].half_extents_m.xyz * 1.001 + 1e-4);
    return Round(clip_of(place_of(body) + rotated(body, around)), body);
}

// Where a line enters and leaves each shape, in units of its direction; MISS if it does not.
fn ball(radius: f32, origin: vec3<f32>, direction: vec3<f32>) -> vec2<f32> {
    let square = dot(direction, direction);
    let middle = -dot(origin, direction) / square;
    let near = origin + direction * middle;
    let room = radius * radius - dot(near, near);
    let half = sqrt(max(room, 0.0) / square);
    return select(MISS, vec2(middle - half, middle + half), room >= 0.0);
}

fn cylinder(half_height: f32, radius: f32, origin: vec3<f32>, direction: vec3<f32>) -> vec2<f32> {
    let square = dot(direction.xz, direction.xz);
    let middle = -dot(origin.xz, direction.xz) / max(square, 1e-20);
    let near = origin.xz + direction.xz * middle;
    let room = radius * radius - dot(near, near);
    let half = sqrt(max(room, 0.0) / max(square, 1e-20));
    let a = (-half_height - origin.y) / direction.y;
    let b = (half_height - origin.y) / direction.y;
    let found = vec2(max(middle - half, min(a, b)), min(middle + half, max(a, b)));
    return select(MISS, found, room >= 0.0 && found.x <= found.y);
}

fn cone(half_height: f32, radius: f32, origin: vec3<f32>, direction: vec3<f32>) -> vec2<f32> {
    let slope = radius / (2.0 * half_height);
    let y = origin.y - half_height;
    let a = dot(direction.xz, direction.xz) - slope * slope * direction.y * direction.y;
    let b = dot(origin.xz, direction.xz) - slope * slope * y * direction.y;
    let c = dot(origin.xz, origin.xz) - slope * slope * y * y;
    var found = MISS;
    let room = b * b - a * c;
    if (room >= 0.0 && abs(a) > 1e-7 * dot(direction, direction)) {
        for (var i = 0u; i < 2u; i++) {
            let t = (-b + select(-1.0, 1.0, i == 1u) * sqrt(room)) / a;
            if (abs(origin.y + direction.y * t) <= half_height) {
                found = vec2(min(found.x, t), max(found.y, t));
            }
        }
    }
    let t = (-half_height - origin.y) / direction.y;
    let base = origin.xz + direction.xz * t;
    if (dot(base, base) <= radius * radius) {
        found = vec2(min(found.x, t), max(found.y, t));
    }
    return found;
}

fn enter(kind: u32, half: vec3<f32>, origin: vec3<f32>, direction: vec3<f32>) -> f32 {
    // From the point of the line nearest to the centre the squares are small numbers.
    let to_near = -dot(origin, direction) / dot(direction, direction);
    let near = origin + direction * to_near;
    var found = MISS;
    if (kind == KIND_BALL) {
        found = ball(half.x, near, direction);
    } else if (kind == KIND_CYLINDER) {
        found = cylinder(half.y, half.x, near, direction);
    } else if (kind == KIND_CAPSULE) {
        let end = vec3(0.0, half.y - half.x, 0.0);
        let lower = ball(half.x, near + end, direction);
        let upper = ball(half.x, near - end, direction);
        let middle = cylinder(end.y, half.x, near, direction);
        found.x = min(middle.x, min(lower.x, upper.x));
    } else {
        found = cone(half.y, half.x, near, direction);
    }
    return found.x + to_near;
}

fn round_normal(kind: u32, half: vec3<f32>, point: vec3<f32>) -> vec3<f32> {
    let radial = vec3(point.x, 0.0, point.z);
    let out = radial / max(length(radial), 1e-9);
    if (kind == KIND_BALL) {
        return normalize(point);
    } else if (kind == KIND_CYLINDER) {
        let cap = abs(half.y - abs(point.y)) < abs(half.x - length(radial));
        return select(out, vec3(0.0, sign(point.y), 0.0), cap);
    } else if (kind == KIND_CAPSULE) {
        let straight = half.y - half.x;
        return normalize(point - vec3(0.0, clamp(point.y, -straight, straight), 0.0));
    }
    let rise = 2.0 * half.y;
    let slant = sqrt(rise * rise + half.x * half.x);
    let inside = (half.x * (half.y - point.y) - rise * length(radial)) / slant;
    let side = (out * rise + vec3(0.0, half.x, 0.0)) / slant;
    return select(side, vec3(0.0, -1.0, 0.0), abs(point.y + half.y) < abs(inside));
}

@fragment
fn round_fragment(in: Round) -> Seen {
    let body = in.body;
    let ray = ray_of(slope_at(in.clip.xy));
    let from_body = view.eye - place_of(body);
    let x = vec3(bodies[body].world_from_body[0].x, bodies[body].world_from_body[1].x, bodies[body].world_from_body[2].x);
    let y = vec3(bodies[body].world_from_body[0].y, bodies[body].world_from_body[1].y, bodies[body].world_from_body[2].y);
    let z = vec3(bodies[body].world_from_body[0].z, bodies[body].world_from_body[1].z, bodies[body].world_from_body[2].z);
    let origin = vec3(dot(x, from_body), dot(y, from_body), dot(z, from_body));
    let direction = vec3(dot(x, ray), dot(y, ray), dot(z, ray));
    let half = bodies[body].half_extents_m.xyz;
    let kind = bodies[body].kind;
    let depth_m = enter(kind, half, origin, direction);
    if (depth_m < view.near_m || depth_m > 1e20) {
        discard;
    }
    let at = origin + direction * depth_m;
    let normal = round_normal(kind, half, at);
    let surface = surface_at(kind, half, at, normal);
    let words = words_of(body, rotated(body, normal), surface);
    return Seen(target_of(words, surface.uv), view.near_m / depth_m);
}
