//! The shaders are valid, and lie in memory as Rust writes them.

use glam::Vec3;

use super::*;
use crate::raster::testing::{camera, with_floor};

fn module(source: &str) -> naga::Module {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::empty(),
    )
    .validate(&module)
    .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    module
}

fn span(module: &naga::Module, name: &str) -> u32 {
    let found = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name));
    match found.map(|(_, ty)| &ty.inner) {
        Some(naga::TypeInner::Struct { span, .. }) => *span,
        _ => panic!("no struct {name}"),
    }
}

fn offset(module: &naga::Module, name: &str, member: &str) -> u32 {
    let found = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name));
    match found.map(|(_, ty)| &ty.inner) {
        Some(naga::TypeInner::Struct { members, .. }) => {
            members.iter().find(|m| m.name.as_deref() == Some(member)).expect(member).offset
        }
        _ => panic!("no struct {name}"),
    }
}

fn constant(module: &naga::Module, name: &str) -> u32 {
    let found =
        module.constants.iter().find(|(_, constant)| constant.name.as_deref() == Some(name));
    match found.map(|(_, constant)| &module.global_expressions[constant.init]) {
        Some(naga::Expression::Literal(naga::Literal::U32(value))) => *value,
        _ => panic!("no constant {name}"),
    }
}

/// The numbers of a constant vector.
fn constants(module: &naga::Module, name: &str) -> Vec<f32> {
    let found =
        module.constants.iter().find(|(_, constant)| constant.name.as_deref() == Some(name));
    let expressions = &module.global_expressions;
    let parts = match found.map(|(_, constant)| &expressions[constant.init]) {
        Some(naga::Expression::Compose { components, .. }) => components,
        _ => panic!("no constant vector {name}"),
    };
    let number = |part: &naga::Handle<naga::Expression>| match expressions[*part] {
        naga::Expression::Literal(naga::Literal::F32(value)) => value,
        _ => panic!("{name} is no vector of numbers"),
    };
    parts.iter().map(number).collect()
}

#[test]
fn the_shaders_are_valid() {
    let (gbuffer, present) = (module(GBUFFER_WGSL), module(PRESENT_WGSL));
    let entries = |module: &naga::Module| -> Vec<String> {
        module.entry_points.iter().map(|entry| entry.name.clone()).collect()
    };
    assert_eq!(
        entries(&gbuffer),
        ["box_vertex", "mesh_vertex", "flat_fragment", "round_vertex", "round_fragment"]
    );
    assert_eq!(
        entries(&present),
        [
            "vertex",
            "nearest_fragment",
            "bilinear_fragment",
            "warp_fragment",
            "interior_fragment",
            "edge_fragment",
            "rest_fragment"
        ]
    );
}

/// Every word is told apart by a number of its own, and lies where the shader looks for it.
#[test]
fn words_lie_where_the_shaders_read_them() {
    let module = module(PRESENT_WGSL);
    for (name, words) in [("View", layout::VIEW_WORDS), ("Body", BodyWords::WORDS)] {
        assert_eq!(span(&module, name) as usize, 4 * words, "{name}");
    }
    let scene = with_floor(vec![]);
    let pose = camera(Vec3::new(1.0, 2.0, 3.0), Vec3::ZERO);
    let guide = FrameGuide::new(&scene, &pose, &tests::drawn(&scene, &pose, (64, 36)));
    let light =
        Light { fog_per_m: 31.0, horizon_rgb: Vec3::splat(32.0), snow: 33.0, ..tests::light() };
    let view = ViewWords {
        camera: pose,
        size: [41.0, 42.0],
        origin: [43.0, 44.0],
        encode_srgb: true,
        frames: vec![(&guide, 45), (&guide, 46), (&guide, 47)],
        light,
    }
    .words();
    let word =
        |member: &str, more: u32| view[(offset(&module, "View", member) / 4 + more) as usize];
    let float = |member: &str, more: u32| f32::from_bits(word(member, more));
    assert_eq!([float("eye", 0), float("eye", 1), float("eye", 2)], [1.0, 2.0, 3.0]);
    assert_eq!(float("near_m", 0), crate::raster::NEAR_M);
    assert_eq!([float("size", 0), float("size", 1)], [41.0, 42.0]);
    assert_eq!([float("origin", 0), float("origin", 1)], [43.0, 44.0]);
    assert_eq!([word("source_size", 0), word("source_size", 1)], [64, 36]);
    assert_eq!([word("frames", 0), word("encode_srgb", 0)], [3, 1]);
    assert_eq!([word("slot_0", 0), word("slot_1", 0), word("slot_2", 0)], [45, 46, 47]);
    assert_eq!(float("places", 2), guide.place_from_slope().1.x);
    assert_eq!(float("places", 11), guide.place_from_slope().1.y);
    let light = [float("fog_per_m", 0), float("horizon_rgb", 2), float("sun_rgb", 3)];
    assert_eq!(light, [31.0, 32.0, 33.0]);
    assert_eq!(constants(&module, "SNOW_RGB"), layout::SNOW_RGB.to_array());
    assert!((float("tan_x", 0) / float("tan_y", 0) - 41.0 / 42.0).abs() < 1e-6);

    let body = BodyWords { kind: 7, material: 8, albedo: Vec3::splat(9.0), ..BodyWords::SKY };
    let words = body.words();
    let word = |member: &str| words[(offset(&module, "Body", member) / 4) as usize];
    assert_eq!([word("kind"), word("material"), word("albedo")], [7, 8, 9f32.to_bits()]);
    let carry = Carry { rows: [[0.0; 4]; 3], object: 5 };
    assert_eq!(carry.words()[12], 5);
    assert_eq!(constant(&module, "CARRY_TEXELS") as usize, Carry::WORDS / 4);
    assert_eq!(constant(&module, "CARRY_BODIES") as usize, Carry::BODIES_PER_ROW);
    assert_eq!(constant(&module, "FRAMES") as usize, FRAMES);
}
