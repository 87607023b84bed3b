// Upsampling: what a neural frame shows at a place between its pixels, read only where it shows the surface that is
// looked for. The plain twin of every line is in reference.rs.

// sRGB bytes, frame after frame.
@group(0) @binding(3) var<storage, read> colours: array<u32>;
// As in guide.rs, frame after frame.
@group(0) @binding(4) var<storage, read> guides: array<vec2<u32>>;

const SKY_OBJECT: u32 = 0xFFFFu;
const PURE: u32 = 0x40000000u;
const INTERIOR: u32 = 0x80000000u;
const DEPTH_SHARE: f32 = 0.03;
const DEPTH_M: f32 = 0.05;
const LEAST_WEIGHT: f32 = 0.06;
const EDGE_TRUST: f32 = 0.01;
const FULL_SHARE: f32 = 0.1;

// What a frame has to show for its colour to be the one looked for.
struct Expected {
    object: u32,
    depth_m: f32,
    inverse_depth: f32,
    // Change of the inverse depth per source pixel, on the plane of the surface.
    inverse_slope: vec2<f32>,
    normal: vec3<f32>,
    // Index coordinates.
    place: vec2<f32>,
    // Of the frame, in the buffers.
    first: u32,
}

struct Sum {
    rgb: vec3<f32>,
    weight: f32,
    seen: f32,
}

fn colour(index: u32) -> vec3<f32> {
    return unpack4x8unorm(colours[index]).rgb;
}

fn clamped_colour(at: vec2<f32>, first: u32) -> vec3<f32> {
    let size = vec2<f32>(view.source_size);
    let inside = vec2<u32>(clamp(at, vec2(0.0), size - 1.0));
    return colour(first + inside.y * view.source_size.x + inside.x);
}

fn bilinear(place: vec2<f32>, first: u32) -> vec3<f32> {
    let corner = floor(place);
    let part = place - corner;
    let above = mix(clamped_colour(corner, first), clamped_colour(corner + vec2(1.0, 0.0), first), part.x);
    let below = mix(clamped_colour(corner + vec2(0.0, 1.0), first), clamped_colour(corner + 1.0, first), part.x);
    return mix(above, below, part.y);
}

// Catmull and Rom's weights of the pixels at −1, 0, 1 and 2.
fn cubic_weights(t: f32) -> vec4<f32> {
    return vec4(
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    );
}

fn row_of(start: u32, weights: vec4<f32>) -> vec3<f32> {
    return weights.x * colour(start) + weights.y * colour(start + 1u) + weights.z * colour(start + 2u)
        + weights.w * colour(start + 3u);
}

// Over the 4 × 4 pixels whose upper left one is `start`, held within the inner four.
fn cubic(start: u32, part: vec2<f32>) -> vec3<f32> {
    let across = cubic_weights(part.x);
    let down = cubic_weights(part.y);
    let width = view.source_size.x;
    let second = start + width;
    let third = second + width;
    let sum = down.x * row_of(start, across) + down.y * row_of(second, across) + down.z * row_of(third, across)
        + down.w * row_of(third + width, across);
    let a = colour(second + 1u);
    let b = colour(second + 2u);
    let c = colour(third + 1u);
    let d = colour(third + 2u);
    return clamp(sum, min(min(a, b), min(c, d)), max(max(a, b), max(c, d)));
}

fn accepts(texel: vec2<u32>, offset: vec2<f32>, expected: Expected) -> bool {
    let inverse_depth = bitcast<f32>(texel.x);
    let on_plane = expected.inverse_depth + dot(expected.inverse_slope, offset);
    let tolerance = max(DEPTH_M, DEPTH_SHARE * expected.depth_m);
    return (texel.y & 0xFFFFu) == expected.object
        && (abs(on_plane - inverse_depth) <= DEPTH_SHARE * inverse_depth
            || abs(1.0 - expected.depth_m * inverse_depth) <= tolerance * inverse_depth);
}

fn texel_normal(word: u32) -> vec3<f32> {
    let bits = vec2<f32>(f32((word >> 16u) & 127u), f32((word >> 23u) & 127u));
    return from_octahedral(bits / 127.0 * 2.0 - 1.0);
}

fn tap(sum: ptr<function, Sum>, at: vec2<f32>, weights: vec2<f32>, expected: Expected) {
    if (any(at < vec2(0.0)) || any(at >= vec2<f32>(view.source_size))) {
        return;
    }
    let index = expected.first + u32(at.y) * view.source_size.x + u32(at.x);
    let texel = guides[index];
    if (!accepts(texel, at - expected.place, expected)) {
        return;
    }
    (*sum).seen += (weights.x - LEAST_WEIGHT) * (weights.y - LEAST_WEIGHT);
    var trusted = weights.x * weights.y * select(EDGE_TRUST, 1.0, (texel.y & PURE) != 0u);
    if (expected.object != SKY_OBJECT) {
        let alike = max(dot(texel_normal(texel.y), expected.normal), 0.0);
        trusted *= alike * alike * alike * alike + 0.01;
    }
    (*sum).rgb += trusted * colour(index);
    (*sum).weight += trusted;
}

fn tap_row(sum: ptr<function, Sum>, at: vec2<f32>, across: vec4<f32>, weight: f32, expected: Expected) {
    tap(sum, at, vec2(across.x, weight), expected);
    tap(sum, at + vec2(1.0, 0.0), vec2(across.y, weight), expected);
    tap(sum, at + vec2(2.0, 0.0), vec2(across.z, weight), expected);
    tap(sum, at + vec2(3.0, 0.0), vec2(across.w, weight), expected);
}

// Colour and how well it is known, 0 to 1.
fn upsample(expected: Expected) -> vec4<f32> {
    let size = vec2<f32>(view.source_size);
    let corner = floor(expected.place);
    let part = expected.place - corner;
    if (all(corner >= vec2(0.0)) && all(corner < size)) {
        let index = expected.first + u32(corner.y) * view.source_size.x + u32(corner.x);
        let texel = guides[index];
        if ((texel.y & INTERIOR) != 0u && accepts(texel, -part, expected)) {
            return vec4(cubic(index - view.source_size.x - 1u, part), 1.0);
        }
    }
    // Outer pixels outweigh inner ones with an edge in them, but only inner ones say whether the point was seen.
    let across = max(cubic_weights(part.x), vec4(LEAST_WEIGHT));
    let down = max(cubic_weights(part.y), vec4(LEAST_WEIGHT));
    var sum = Sum(vec3(0.0), 0.0, 0.0);
    tap_row(&sum, corner + vec2(-1.0, -1.0), across, down.x, expected);
    tap_row(&sum, corner + vec2(-1.0, 0.0), across, down.y, expected);
    tap_row(&sum, corner + vec2(-1.0, 1.0), across, down.z, expected);
    tap_row(&sum, corner + vec2(-1.0, 2.0), across, down.w, expected);
    if (sum.weight <= 0.0) {
        return vec4(0.0);
    }
    let share = sum.seen / (dot(across - LEAST_WEIGHT, vec4(1.0)) * dot(down - LEAST_WEIGHT, vec4(1.0)));
    return vec4(sum.rgb / sum.weight, smoothstep(0.0, FULL_SHARE, share));
}
