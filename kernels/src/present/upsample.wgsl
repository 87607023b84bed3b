// Upsampling: what a neural frame shows at a place between its pixels, read only where it shows the surface that is
// looked for. The plain twin of every line is in reference.rs.

// sRGB as it is: a layer per frame, then for each frame its colours without mixtures (clean.rs).
@group(0) @binding(3) var colours: texture_2d_array<f32>;
// As in guide.rs, a layer per frame.
@group(0) @binding(4) var guides: texture_2d_array<u32>;

const SKY_OBJECT: u32 = 0xFFFFu;
const INTERIOR: u32 = 0x80000000u;
const DEPTH_SHARE: f32 = 0.03;
const DEPTH_M: f32 = 0.05;
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
    // Layer of the frame.
    slot: u32,
}

fn colour(at: vec2<i32>, slot: u32) -> vec3<f32> {
    return textureLoad(colours, at, slot, 0).rgb;
}

fn guide(at: vec2<i32>, slot: u32) -> vec2<u32> {
    return textureLoad(guides, at, slot, 0).xy;
}

fn clamped_colour(at: vec2<f32>, slot: u32) -> vec3<f32> {
    return colour(vec2<i32>(clamp(at, vec2(0.0), vec2<f32>(view.source_size) - 1.0)), slot);
}

fn bilinear(place: vec2<f32>, slot: u32) -> vec3<f32> {
    let corner = floor(place);
    let part = place - corner;
    let above = mix(clamped_colour(corner, slot), clamped_colour(corner + vec2(1.0, 0.0), slot), part.x);
    let below = mix(clamped_colour(corner + vec2(0.0, 1.0), slot), clamped_colour(corner + 1.0, slot), part.x);
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

// The weighted sum of a row of four pixels, and their range over the inner two.
struct Row {
    sum: vec3<f32>,
    low: vec3<f32>,
    high: vec3<f32>,
}

fn row_of(start: vec2<i32>, weights: vec4<f32>, slot: u32) -> Row {
    let b = colour(start + vec2(1, 0), slot);
    let c = colour(start + vec2(2, 0), slot);
    let sum = weights.x * colour(start, slot) + weights.y * b + weights.z * c
        + weights.w * colour(start + vec2(3, 0), slot);
    return Row(sum, min(b, c), max(b, c));
}

// Over the 4 × 4 pixels whose upper left one is `start`, held within the inner four.
fn cubic(start: vec2<i32>, part: vec2<f32>, slot: u32) -> vec3<f32> {
    let across = cubic_weights(part.x);
    let down = cubic_weights(part.y);
    let first = row_of(start, across, slot);
    let second = row_of(start + vec2(0, 1), across, slot);
    let third = row_of(start + vec2(0, 2), across, slot);
    let last = row_of(start + vec2(0, 3), across, slot);
    let sum = down.x * first.sum + down.y * second.sum + down.z * third.sum + down.w * last.sum;
    return clamp(sum, min(second.low, third.low), max(second.high, third.high));
}

fn accepts(texel: vec2<u32>, offset: vec2<f32>, expected: Expected) -> bool {
    let found = bitcast<f32>(texel.x);
    let on_plane = expected.inverse_depth + dot(expected.inverse_slope, offset);
    let tolerance = max(DEPTH_M, DEPTH_SHARE * expected.depth_m) * expected.inverse_depth;
    return (texel.y & 0xFFFFu) == expected.object
        && (abs(on_plane - found) <= DEPTH_SHARE * found || abs(found - expected.inverse_depth) <= tolerance * found);
}

fn texel_normal(word: u32) -> vec3<f32> {
    let bits = vec2<f32>(f32((word >> 16u) & 127u), f32((word >> 23u) & 127u));
    return from_octahedral(bits / 127.0 * 2.0 - 1.0);
}

// Share of the weight that a source pixel has, if it shows the surface that is looked for.
fn share_of(at: vec2<f32>, weight: f32, expected: Expected) -> f32 {
    let inside = all(at >= vec2(0.0)) && all(at < vec2<f32>(view.source_size));
    return select(0.0, weight, inside && accepts(guide(vec2<i32>(at), expected.slot), at - expected.place, expected));
}

// How much of the place's four source pixels shows the surface that is looked for, 0 to 1.
fn inner_share(expected: Expected) -> f32 {
    let corner = floor(expected.place);
    let far = expected.place - corner;
    let near = 1.0 - far;
    return share_of(corner, near.x * near.y, expected) + share_of(corner + vec2(1.0, 0.0), far.x * near.y, expected)
        + share_of(corner + vec2(0.0, 1.0), near.x * far.y, expected) + share_of(corner + 1.0, far.x * far.y, expected);
}

// Weighted colour without mixtures, and the weight.
fn tap(at: vec2<f32>, weight: f32, expected: Expected) -> vec4<f32> {
    let pixel = vec2<i32>(at);
    let turned = texel_normal(guide(pixel, expected.slot).y);
    let alike = select(max(dot(turned, expected.normal), 0.0), 1.0, expected.object == SKY_OBJECT);
    let trusted = share_of(at, weight, expected) * (alike * alike * alike * alike + 0.01);
    return vec4(trusted * colour(pixel, expected.slot + FRAMES), trusted);
}

// Whether the 4 × 4 pixels around the place all show the surface that is looked for.
fn is_interior(expected: Expected) -> bool {
    let corner = floor(expected.place);
    if (any(corner < vec2(0.0)) || any(corner >= vec2<f32>(view.source_size))) {
        return false;
    }
    let texel = guide(vec2<i32>(corner), expected.slot);
    return (texel.y & INTERIOR) != 0u && accepts(texel, corner - expected.place, expected);
}

// Inside of a surface: smooth and sharp.
fn upsample_interior(expected: Expected) -> vec3<f32> {
    let corner = floor(expected.place);
    return cubic(vec2<i32>(corner) - 1, expected.place - corner, expected.slot + FRAMES);
}

// At an edge: a mean of those of the four source pixels around the place that show the surface.
fn upsample_edge(expected: Expected) -> vec3<f32> {
    let corner = floor(expected.place);
    // Also a pixel that lies exactly on the place's row leaves something to the others.
    let far = clamp(expected.place - corner, vec2(0.02), vec2(0.98));
    let near = 1.0 - far;
    let sum = tap(corner, near.x * near.y, expected) + tap(corner + vec2(1.0, 0.0), far.x * near.y, expected)
        + tap(corner + vec2(0.0, 1.0), near.x * far.y, expected) + tap(corner + 1.0, far.x * far.y, expected);
    return sum.rgb / max(sum.w, 1e-9);
}
