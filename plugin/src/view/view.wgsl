#import bevy_core_pipeline::fullscreen_vertex_shader::FullscreenVertexOutput

struct Present {
    // Share of the picture that the view covers, from its centre.
    uv_scale: vec2<f32>,
    // 1 where the main texture holds sRGB-encoded values in a linear format.
    encode_srgb: u32,
    padding: u32,
}

@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var picture_sampler: sampler;
@group(0) @binding(2) var<uniform> present: Present;

fn srgb_from_linear(linear: vec3<f32>) -> vec3<f32> {
    let low = linear * 12.92;
    let high = 1.055 * pow(max(linear, vec3(0.0)), vec3(1.0 / 2.4)) - 0.055;
    return select(high, low, linear <= vec3(0.0031308));
}

@fragment
fn fragment(in: FullscreenVertexOutput) -> @location(0) vec4<f32> {
    let uv = vec2(0.5) + (in.uv - vec2(0.5)) * present.uv_scale;
    var rgb = textureSample(picture, picture_sampler, uv).rgb;
    if (present.encode_srgb == 1u) {
        rgb = srgb_from_linear(rgb);
    }
    return vec4(rgb, 1.0);
}
