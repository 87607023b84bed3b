// Texture finer than a neural frame's pixels: what the model remembers of each material, laid out in surface
// coordinates. The plain twin of every line is in detail.rs.

// Level by level 64, 32, … 1 texels wide, a layer per material and way of facing: log-ratio of picture over paint as
// (value + 2) / 4, and confidence.
@group(0) @binding(7) var detail: texture_2d_array<f32>;
@group(0) @binding(8) var detail_sampler: sampler;

const DETAIL_TEXELS: f32 = 64.0;
const DETAIL_LAST_LEVEL: f32 = 6.0;
const DETAIL_LAYERS: u32 = 32u;
const DETAIL_DARK: f32 = 0.04;
const DETAIL_MOST: f32 = 0.7;
const COARSE_PIXELS: f32 = 1.5;

// The level whose texels are as large as a pixel that covers `footprint` periods.
fn detail_level(footprint: f32) -> f32 {
    return min(log2(max(footprint * DETAIL_TEXELS, 1.0)), DETAIL_LAST_LEVEL);
}

// `rgb` (sRGB) of a point with the texture put on that lies between the display's pixels and those of the neural frames.
// `open` is the share that was painted, and so has no texture at all.
fn dressed(rgb: vec3<f32>, open: f32, at: Seen) -> vec3<f32> {
    let layer = 2u * at.material + select(0u, 1u, at.normal.y > 0.7);
    if (layer >= DETAIL_LAYERS) {
        return rgb;
    }
    let to_eye = view.eye - at.point.xyz;
    let far_m = length(to_eye);
    let fine_m = 2.0 * view.tan_y / view.size.y * at.depth_m;
    let coarse_m = COARSE_PIXELS * at.depth_m / max(abs(view.places[0].y), 1.0);
    let stretch = 1.0 / (max(dot(to_eye, at.normal) / far_m, 0.05) * at.period_m);
    let fine_level = detail_level(fine_m * stretch);
    let coarse_level = max(mix(detail_level(coarse_m * stretch), DETAIL_LAST_LEVEL, open), fine_level);
    let fine = textureSampleLevel(detail, detail_sampler, at.uv, layer, fine_level);
    let coarse = textureSampleLevel(detail, detail_sampler, at.uv, layer, coarse_level);
    // Fog hides texture as it hides light.
    let clear = exp(-view.fog_per_m * far_m);
    // What was seen once is mostly resampling noise.
    let change = 4.0 * (fine.rgb - coarse.rgb) * fine.a * fine.a * clear;
    let held = clamp(change, vec3(-DETAIL_MOST), vec3(DETAIL_MOST));
    return clamp((rgb + DETAIL_DARK) * exp(held) - DETAIL_DARK, vec3(0.0), vec3(1.0));
}
