// Late warp: fills the display from the G-buffer and the newest neural frames. The plain twin of every line is in
// reference.rs. At most FRAMES × 16 source pixels are read for a display pixel, usually 16.

@group(0) @binding(2) var<storage, read> carries: array<Carry>;
@group(0) @binding(5) var gbuffer: texture_2d<u32>;
@group(0) @binding(6) var gbuffer_depth: texture_depth_2d;

const FILL_BILINEAR: u32 = 1u;
const FILL_WARP: u32 = 2u;
const FILL_GUIDED: u32 = 3u;
const UNKNOWN_OBJECT: u32 = 0xFFFFFFFFu;

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return vec4(f32(index & 1u) * 4.0 - 1.0, f32(index >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

fn linear_from_srgb(rgb: vec3<f32>) -> vec3<f32> {
    return select(pow((rgb + 0.055) / 1.055, vec3(2.4)), rgb / 12.92, rgb <= vec3(0.04045));
}

fn srgb_from_linear(rgb: vec3<f32>) -> vec3<f32> {
    let clamped = clamp(rgb, vec3(0.0), vec3(1.0));
    return select(1.055 * pow(clamped, vec3(1.0 / 2.4)) - 0.055, clamped * 12.92, clamped <= vec3(0.0031308));
}

// What frame `frame` knows of a point (`point.w` 1) or a direction of the sky (`point.w` 0).
fn look(frame: u32, slot: u32, body: u32, point: vec4<f32>, normal: vec3<f32>) -> vec4<f32> {
    let carry = carries[body * FRAMES + frame];
    if (carry.object == UNKNOWN_OBJECT) {
        return vec4(0.0);
    }
    let rows = carry.frame_from_world;
    let then = vec3(dot(rows[0], point), dot(rows[1], point), dot(rows[2], point));
    let normal_then = vec3(dot(rows[0].xyz, normal), dot(rows[1].xyz, normal), dot(rows[2].xyz, normal));
    let depth_m = -then.z;
    let plane_m = dot(normal_then, then);
    // Behind the frame's camera, or its other side faced the camera then.
    if (depth_m < 1e-3 || plane_m > 1e-3 * depth_m) {
        return vec4(0.0);
    }
    let scale = view.places[frame].xy;
    let place = then.xy / depth_m * scale + view.places[frame].zw;
    if (any(place <= vec2(-1.0)) || any(place >= vec2<f32>(view.source_size))) {
        return vec4(0.0);
    }
    let inverse_slope = select(vec2(0.0), normal_then.xy / (scale * plane_m), plane_m < -1e-3);
    let inverse_depth = select(0.0, 1.0 / depth_m, point.w > 0.0);
    let size = vec2<f32>(view.source_size);
    let to_border = min(place + 0.5, size - 0.5 - place);
    let first = slot * view.source_size.x * view.source_size.y;
    let expected = Expected(carry.object, depth_m, inverse_depth, inverse_slope, normal_then, place, first);
    if (view.fill == FILL_WARP) {
        return vec4(bilinear(place, first), 1.0);
    }
    let found = upsample(expected);
    return vec4(found.rgb, found.a * smoothstep(0.0, view.border_px, min(to_border.x, to_border.y)));
}

// Shadow paint without cast shadows, linear RGB: tint × Lambert, sky, fog.
fn paint(body: u32, point: vec4<f32>, normal: vec3<f32>) -> vec3<f32> {
    if (point.w <= 0.0) {
        let up = max(normalize(point.xyz).y, 0.0);
        return mix(view.horizon_rgb.rgb, view.zenith_rgb.rgb, sqrt(up));
    }
    let ambient = view.ambient_rgb.rgb * (0.75 + 0.25 * normal.y);
    let lambert = max(dot(normal, view.sun_direction), 0.0);
    let lit = bodies[body].albedo.rgb * (ambient + view.sun_rgb.rgb * lambert);
    let clear = exp(-view.fog_per_m * distance(point.xyz, view.eye));
    return mix(view.horizon_rgb.rgb, lit, clear);
}

// sRGB of the point that the G-buffer has at `position`.
fn carried(position: vec2<f32>) -> vec3<f32> {
    let pixel = vec2<u32>(position - view.origin);
    let words = textureLoad(gbuffer, pixel, 0).xy;
    let body = words.y & 0xFFFFu;
    let ray = ray_of(slope_at(position));
    var point = vec4(ray, 0.0);
    var normal = vec3(0.0);
    var depth_m = 0.0;
    if (body != 0u) {
        depth_m = view.near_m / textureLoad(gbuffer_depth, pixel, 0);
        point = vec4(view.eye + ray * depth_m, 1.0);
        normal = from_octahedral(unpack2x16snorm(words.x));
    }
    // Newest first; each gets what the ones before left open.
    var rgb = vec3(0.0);
    var open = 1.0;
    let slots = vec3(view.slot_0, view.slot_1, view.slot_2);
    let frames = select(view.frames, min(view.frames, 1u), view.fill == FILL_WARP);
    for (var frame = 0u; frame < frames && open > 0.01; frame++) {
        let found = look(frame, slots[frame], body, point, normal);
        rgb += open * found.a * found.rgb;
        open *= 1.0 - found.a;
    }
    if (open > 0.01) {
        rgb += open * srgb_from_linear(paint(body, point, normal));
    } else {
        rgb /= 1.0 - open;
    }
    if (view.fill != FILL_GUIDED || body == 0u) {
        return rgb;
    }
    return dressed(rgb, open, body, point.xyz, normal, depth_m);
}

@fragment
fn fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    var rgb: vec3<f32>;
    if (view.fill >= FILL_WARP || view.frames == 0u) {
        rgb = carried(position.xy);
    } else {
        let first = view.slot_0 * view.source_size.x * view.source_size.y;
        let place = slope_at(position.xy) * view.places[0].xy + view.places[0].zw;
        if (view.fill == FILL_BILINEAR) {
            rgb = bilinear(place, first);
        } else {
            rgb = clamped_colour(floor(place + 0.5), first);
        }
    }
    if (view.encode_srgb == 0u) {
        rgb = linear_from_srgb(rgb);
    }
    return vec4(rgb, 1.0);
}
