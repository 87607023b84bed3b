// Late warp: fills the display from the G-buffer and the newest neural frames. The plain twin of every line is in
// reference.rs. Guided filling is three draws, so that a group of pixels pays only for what its own pixels need, also
// where an adapter runs both sides of a branch. The first fills the inside of surfaces that the newest frame knows, from
// 16 source pixels, and sorts all pixels by a depth of their class. The others test for theirs: edges in the newest frame,
// from 4 source pixels that pass by their guides; and what older frames or paint must fill, from 4 of each frame.

// CARRY_TEXELS for each frame of each body, CARRY_BODIES bodies in a row.
@group(0) @binding(2) var carries: texture_2d<u32>;
@group(0) @binding(5) var gbuffer: texture_2d<u32>;
@group(0) @binding(6) var gbuffer_depth: texture_depth_2d;

const CARRY_TEXELS: u32 = 4u;
const CARRY_BODIES: u32 = 64u;
const UNKNOWN_OBJECT: u32 = 0xFFFFFFFFu;
// Albedo of snow as it lies.
const SNOW_RGB: vec3<f32> = vec3(0.84, 0.87, 0.92);

// What the G-buffer has of a pixel.
struct Seen {
    body: u32,
    material: u32,
    // A point (`w` 1), or a direction of the sky (`w` 0).
    point: vec4<f32>,
    normal: vec3<f32>,
    depth_m: f32,
    // Periods of the texture, and the shorter side of one.
    uv: vec2<f32>,
    period_m: f32,
}

const CLASS_INTERIOR: f32 = 0.0;
const CLASS_EDGE: f32 = 0.25;
const CLASS_REST: f32 = 0.5;

struct Sorted {
    @location(0) colour: vec4<f32>,
    @builtin(frag_depth) class_depth: f32,
}

// The whole viewport, at the depth of the class that is drawn.
@vertex
fn vertex(@builtin(vertex_index) index: u32, @builtin(instance_index) class_index: u32) -> @builtin(position) vec4<f32> {
    return vec4(f32(index & 1u) * 4.0 - 1.0, f32(index >> 1u) * 4.0 - 1.0, f32(class_index) * 0.25, 1.0);
}

fn linear_from_srgb(rgb: vec3<f32>) -> vec3<f32> {
    return select(pow((rgb + 0.055) / 1.055, vec3(2.4)), rgb / 12.92, rgb <= vec3(0.04045));
}

fn srgb_from_linear(rgb: vec3<f32>) -> vec3<f32> {
    let clamped = clamp(rgb, vec3(0.0), vec3(1.0));
    return select(1.055 * pow(clamped, vec3(1.0 / 2.4)) - 0.055, clamped * 12.92, clamped <= vec3(0.0031308));
}

fn written(rgb: vec3<f32>) -> vec4<f32> {
    if (view.encode_srgb == 0u) {
        return vec4(linear_from_srgb(rgb), 1.0);
    }
    return vec4(rgb, 1.0);
}

fn seen_at(position: vec2<f32>) -> Seen {
    let pixel = vec2<u32>(position - view.origin);
    let words = textureLoad(gbuffer, pixel, 0);
    let depth_m = view.near_m / textureLoad(gbuffer_depth, pixel, 0);
    let ray = ray_of(slope_at(position));
    let body = words.y & 0xFFFFu;
    let is_sky = body == 0u;
    return Seen(
        body,
        words.y >> 16u,
        select(vec4(view.eye + ray * depth_m, 1.0), vec4(ray, 0.0), is_sky),
        select(from_octahedral(unpack2x16snorm(words.x)), vec3(0.0), is_sky),
        depth_m,
        unpack2x16unorm(words.z),
        bitcast<f32>(words.w),
    );
}

// What frame `frame`, in layer `slot`, has to show of `seen`; its object is UNKNOWN_OBJECT if it cannot show it.
fn expect(frame: u32, slot: u32, seen: Seen) -> Expected {
    let first = vec2((seen.body % CARRY_BODIES * FRAMES + frame) * CARRY_TEXELS, seen.body / CARRY_BODIES);
    let right = bitcast<vec4<f32>>(textureLoad(carries, first, 0));
    let up = bitcast<vec4<f32>>(textureLoad(carries, first + vec2(1u, 0u), 0));
    let back = bitcast<vec4<f32>>(textureLoad(carries, first + vec2(2u, 0u), 0));
    let object = textureLoad(carries, first + vec2(3u, 0u), 0).x;
    let then = vec3(dot(right, seen.point), dot(up, seen.point), dot(back, seen.point));
    let normal = vec3(dot(right.xyz, seen.normal), dot(up.xyz, seen.normal), dot(back.xyz, seen.normal));
    let depth_m = -then.z;
    let plane_m = dot(normal, then);
    let scale = view.places[frame].xy;
    let place = then.xy / depth_m * scale + view.places[frame].zw;
    // Behind the frame's camera, or its other side faced the camera then, or out of its view.
    let unknown = depth_m < 1e-3 || plane_m > 1e-3 * depth_m
        || any(place <= vec2(-1.0)) || any(place >= vec2<f32>(view.source_size));
    return Expected(
        select(object, UNKNOWN_OBJECT, unknown),
        depth_m,
        select(0.0, 1.0 / depth_m, seen.point.w > 0.0),
        select(vec2(0.0), normal.xy / (scale * plane_m), plane_m < -1e-3),
        normal,
        place,
        slot,
    );
}

// How well a frame knows the place; it fades out at its border.
fn known(expected: Expected) -> f32 {
    let inside = min(expected.place + 0.5, vec2<f32>(view.source_size) - 0.5 - expected.place);
    return smoothstep(0.0, FULL_SHARE, inner_share(expected)) * smoothstep(0.0, view.border_px, min(inside.x, inside.y));
}

// Shadow paint without cast shadows, linear RGB: tint × Lambert, sky, fog.
fn paint(seen: Seen) -> vec3<f32> {
    if (seen.point.w <= 0.0) {
        let up = max(normalize(seen.point.xyz).y, 0.0);
        return mix(view.horizon_rgb.rgb, view.zenith_rgb.rgb, sqrt(up));
    }
    let ambient = view.ambient_rgb.rgb * (0.75 + 0.25 * seen.normal.y);
    let lambert = max(dot(seen.normal, view.sun_direction), 0.0);
    let lying = clamp((seen.normal.y - 0.35) / 0.4, 0.0, 1.0) * view.sun_rgb.w;
    let albedo = mix(bodies[seen.body].albedo.rgb, SNOW_RGB, lying);
    let lit = albedo * (ambient + view.sun_rgb.rgb * lambert);
    let clear = exp(-view.fog_per_m * distance(seen.point.xyz, view.eye));
    return mix(view.horizon_rgb.rgb, lit, clear);
}

fn source_place(position: vec2<f32>) -> vec2<f32> {
    return slope_at(position) * view.places[0].xy + view.places[0].zw;
}

@fragment
fn nearest_fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    return written(clamped_colour(floor(source_place(position.xy) + 0.5), view.slot_0));
}

@fragment
fn bilinear_fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    return written(bilinear(source_place(position.xy), view.slot_0));
}

@fragment
fn warp_fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let seen = seen_at(position.xy);
    let expected = expect(0u, view.slot_0, seen);
    if (view.frames == 0u || expected.object == UNKNOWN_OBJECT) {
        return written(srgb_from_linear(paint(seen)));
    }
    return written(bilinear(expected.place, expected.slot));
}

@fragment
fn interior_fragment(@builtin(position) position: vec4<f32>) -> Sorted {
    let seen = seen_at(position.xy);
    let expected = expect(0u, view.slot_0, seen);
    let is_known = view.frames > 0u && expected.object != UNKNOWN_OBJECT && known(expected) >= 0.99;
    let class_depth = select(CLASS_REST, select(CLASS_EDGE, CLASS_INTERIOR, is_interior(expected)), is_known);
    return Sorted(written(dressed(upsample_interior(expected), 0.0, seen)), class_depth);
}

@fragment
fn edge_fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let seen = seen_at(position.xy);
    return written(dressed(upsample_edge(expect(0u, view.slot_0, seen)), 0.0, seen));
}

@fragment
fn rest_fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let seen = seen_at(position.xy);
    // Newest first; each gets what the ones before left open.
    var rgb = vec3(0.0);
    var open = 1.0;
    let slots = vec3(view.slot_0, view.slot_1, view.slot_2);
    for (var frame = 0u; frame < view.frames && open > 0.01; frame++) {
        let expected = expect(frame, slots[frame], seen);
        if (expected.object != UNKNOWN_OBJECT) {
            let share = known(expected);
            rgb += open * share * upsample_edge(expected);
            open *= 1.0 - share;
        }
    }
    if (open > 0.01) {
        rgb += open * srgb_from_linear(paint(seen));
    } else {
        rgb /= 1.0 - open;
    }
    return written(dressed(rgb, open, seen));
}
