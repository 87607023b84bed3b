// Texture finer than a neural frame's pixels: what the model remembers of each material, laid out in surface
// coordinates. The plain twin of every line is in detail.rs, that of the coordinates in surface.rs.

// Level by level 64, 32, … 1 texels wide, a layer per material and way of facing: log-ratio of picture over paint as
// (value + 2) / 4, and confidence.
@group(0) @binding(7) var detail: texture_2d_array<f32>;
@group(0) @binding(8) var detail_sampler: sampler;

const PI: f32 = 3.14159265;
const PERIOD_M: f32 = 2.0;
const DETAIL_TEXELS: f32 = 64.0;
const DETAIL_LAST_LEVEL: f32 = 6.0;
const DETAIL_LAYERS: u32 = 32u;
const DETAIL_DARK: f32 = 0.04;
const DETAIL_MOST: f32 = 0.7;
const COARSE_PIXELS: f32 = 1.5;

struct Surface {
    // Periods of the texture.
    uv: vec2<f32>,
    // Metres that one period takes along u and along v.
    period_m: vec2<f32>,
}

// Coordinates along the two axes of the face that `normal` is closest to.
fn on_face(normal: vec3<f32>, v: vec3<f32>) -> vec2<f32> {
    let size = abs(normal);
    if (size.y >= size.x && size.y >= size.z) {
        return v.xz;
    }
    return select(v.xy, v.zy, size.x >= size.z);
}

fn ball_surface(radius: f32, point: vec3<f32>) -> Surface {
    let polar = acos(clamp(point.y / max(length(point), 1e-6), -1.0, 1.0));
    return Surface(vec2(atan2(point.x, point.z), polar) / PI, vec2(PI * radius));
}

fn side_surface(half_height: f32, radius: f32, point: vec3<f32>) -> Surface {
    let periods = max(round(2.0 * PI * radius / PERIOD_M), 1.0);
    let uv = vec2(atan2(point.x, point.z) / (2.0 * PI) * periods, (point.y + half_height) / PERIOD_M);
    return Surface(uv, vec2(2.0 * PI * radius / periods, PERIOD_M));
}

// `point` and `normal` in body coordinates.
fn surface_at(kind: u32, half: vec3<f32>, point: vec3<f32>, normal: vec3<f32>) -> Surface {
    switch kind {
        case KIND_BOX: {
            let edges = on_face(normal, 2.0 * half);
            let whole = all(edges <= vec2(PERIOD_M * 1.00001));
            let period_m = select(vec2(PERIOD_M), max(edges, vec2(1e-4)), whole);
            return Surface(on_face(normal, point + half) / period_m, period_m);
        }
        case KIND_BALL: { return ball_surface(half.x, point); }
        case KIND_CAPSULE: {
            let straight = half.y - half.x;
            let over = abs(point.y) - straight;
            if (over > 0.0) {
                return ball_surface(half.x, vec3(point.x, over * sign(point.y), point.z));
            }
            return side_surface(straight, half.x, point);
        }
        case KIND_CYLINDER: {
            if (abs(normal.y) < 0.999) { return side_surface(half.y, half.x, point); }
            return Surface(point.xz / PERIOD_M, vec2(PERIOD_M));
        }
        case KIND_CONE: {
            if (normal.y > -0.999) { return side_surface(half.y, half.x, point); }
            return Surface(point.xz / PERIOD_M, vec2(PERIOD_M));
        }
        default: { return Surface(on_face(normal, point) / PERIOD_M, vec2(PERIOD_M)); }
    }
}

// The level whose texels are as large as a pixel that covers `footprint` periods.
fn detail_level(footprint: f32) -> f32 {
    return min(log2(max(footprint * DETAIL_TEXELS, 1.0)), DETAIL_LAST_LEVEL);
}

// `rgb` (sRGB) of a point `depth_m` away with the texture put on that lies between the display's pixels and those of the
// neural frames. `open` is the share that was painted, and so has no texture at all.
fn dressed(rgb: vec3<f32>, open: f32, body: u32, point: vec3<f32>, normal: vec3<f32>, depth_m: f32) -> vec3<f32> {
    let layer = 2u * bodies[body].material + select(0u, 1u, normal.y > 0.7);
    if (layer >= DETAIL_LAYERS) {
        return rgb;
    }
    let rows = bodies[body].world_from_body;
    let from_body = point - vec3(rows[0].w, rows[1].w, rows[2].w);
    let at = rows[0].xyz * from_body.x + rows[1].xyz * from_body.y + rows[2].xyz * from_body.z;
    let facing = rows[0].xyz * normal.x + rows[1].xyz * normal.y + rows[2].xyz * normal.z;
    let surface = surface_at(bodies[body].kind, bodies[body].half_extents_m.xyz, at, facing);
    let ray = normalize(view.eye - point);
    let fine_m = 2.0 * view.tan_y / view.size.y * depth_m;
    let coarse_m = COARSE_PIXELS * depth_m / max(abs(view.places[0].y), 1.0);
    let stretch = 1.0 / (max(dot(ray, normal), 0.05) * min(surface.period_m.x, surface.period_m.y));
    let fine_level = detail_level(fine_m * stretch);
    let coarse_level = max(mix(detail_level(coarse_m * stretch), DETAIL_LAST_LEVEL, open), fine_level);
    let fine = textureSampleLevel(detail, detail_sampler, surface.uv, layer, fine_level);
    let coarse = textureSampleLevel(detail, detail_sampler, surface.uv, layer, coarse_level);
    // Fog hides texture as it hides light.
    let clear = exp(-view.fog_per_m * distance(point, view.eye));
    // What was seen once is mostly resampling noise.
    let change = 4.0 * (fine.rgb - coarse.rgb) * fine.a * fine.a * clear;
    let held = clamp(change, vec3(-DETAIL_MOST), vec3(DETAIL_MOST));
    return clamp((rgb + DETAIL_DARK) * exp(held) - DETAIL_DARK, vec3(0.0), vec3(1.0));
}
