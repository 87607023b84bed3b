use std::time::Instant;

use glam::{Quat, Vec3};
use proptest::prelude::*;

use super::shape::{enter, interval, normal};
use super::testing::{any_camera, any_scene, any_shape, at, box_mesh, camera, cuboid, with_floor};
use super::*;

const WIDTH: usize = 128;
const HEIGHT: usize = 72;

fn drawn(scene: &Scene, camera: &CameraPose) -> ShadowMaps {
    let mut maps = ShadowMaps::default();
    raster(scene, camera, WIDTH, HEIGHT, &mut maps);
    maps
}

/// Distance from a surface, found without any ray: metres, below zero inside.
fn signed_distance(shape: &Shape, p: Vec3) -> f32 {
    let radial = (p.x * p.x + p.z * p.z).sqrt();
    match *shape {
        Shape::Cuboid { half_extents_m } => {
            let over = p.abs() - half_extents_m;
            over.max(Vec3::ZERO).length() + over.max_element().min(0.0)
        }
        Shape::Ball { radius_m } => p.length() - radius_m,
        Shape::Cylinder { half_height_m, radius_m } => {
            (radial - radius_m).max(p.y.abs() - half_height_m)
        }
        Shape::Capsule { half_height_m, radius_m } => {
            (p - Vec3::Y * p.y.clamp(-half_height_m, half_height_m)).length() - radius_m
        }
        Shape::Cone { half_height_m, radius_m } => {
            let rise = 2.0 * half_height_m;
            let side = (rise * radial - radius_m * (half_height_m - p.y)) / rise.hypot(radius_m);
            side.max(-half_height_m - p.y)
        }
        Shape::Mesh(_) => unreachable!("the mesh is checked against a box"),
    }
}

#[test]
fn bands_on_three_cores_draw_what_one_core_draws() {
    let camera = camera(Vec3::new(0.0, 1.5, 6.0), Vec3::new(0.0, 0.8, 0.0));
    let mut bodies: Vec<Primitive> = (0..12)
        .map(|i| {
            at(i, cuboid(0.4, 0.5, 0.4), Vec3::new(0.7 * i as f32 - 4.0, 0.5, -0.4 * i as f32))
        })
        .collect();
    bodies.push(at(20, Shape::Ball { radius_m: 0.6 }, Vec3::new(0.2, 0.9, 2.0)));
    bodies.push(at(21, box_mesh(Vec3::new(3.0, 1.0, 0.1)), Vec3::new(0.0, 1.0, -3.0)));
    let scene = with_floor(bodies);
    let drawn = || {
        let (mut maps, mut sun) = (ShadowMaps::default(), SunMap::default());
        // Another picture first: its maps are drawn over.
        for size in [(WIDTH + 8, HEIGHT - 9), (WIDTH, HEIGHT)] {
            raster(&scene, &camera, size.0, size.1, &mut maps);
            sun.build(&scene, Vec3::ZERO);
            sun.fill(&scene, &camera, &mut maps);
        }
        maps
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let (alone, shared) = (drawn(), pool.install(drawn));
    assert!(alone.primitive.contains(&13) && alone.primitive.contains(&SKY));
    assert!(alone == shared);
}

#[test]
fn the_sun_takes_bodies_as_large_and_as_far_as_they_come() {
    let mut sun = SunMap::default();
    for (half, at_m) in [(1e30, Vec3::ZERO), (0.5, Vec3::splat(1e30)), (0.5, Vec3::splat(-1e30))] {
        sun.build(&with_floor(vec![at(1, cuboid(half, half, half), at_m)]), Vec3::ZERO);
    }
}

/// What is behind a pixel is what the raster shows once the pixel's own primitive is taken out.
#[test]
fn behind_a_body_is_what_is_seen_without_it() {
    let camera = camera(Vec3::new(0.0, 1.5, 6.0), Vec3::new(0.0, 0.8, 0.0));
    let bodies = vec![
        at(1, cuboid(0.5, 0.5, 0.5), Vec3::new(0.0, 0.5, 0.0)),
        at(2, Shape::Ball { radius_m: 0.4 }, Vec3::new(0.2, 0.6, 2.0)),
        at(3, box_mesh(Vec3::new(3.0, 1.0, 0.1)), Vec3::new(0.0, 1.0, -3.0)),
    ];
    let scene = with_floor(bodies);
    let maps = drawn(&scene, &camera);
    let mut found = Behind::default();
    behind(&scene, &camera, (maps.width, maps.height), &maps.primitive, &mut found);
    for taken in 0..scene.primitives.len() {
        let mut without = scene.clone();
        without.primitives.remove(taken);
        let rest = drawn(&without, &camera);
        for pixel in (0..WIDTH * HEIGHT).filter(|p| usize::from(maps.primitive[*p]) == taken) {
            assert_eq!(found.depth_m[pixel], rest.depth_m[pixel]);
            let id = |scene: &Scene, index: u16| {
                scene.primitives.get(usize::from(index)).map(|primitive| primitive.id)
            };
            assert_eq!(id(&scene, found.primitive[pixel]), id(&without, rest.primitive[pixel]));
        }
    }
}

fn unit(yaw: f32, y: f32) -> Vec3 {
    let flat = (1.0 - y * y).sqrt();
    Vec3::new(flat * yaw.sin(), y, flat * yaw.cos())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A ray enters where walking along it first finds the inside, and the normal there looks outward.
    #[test]
    fn a_ray_enters_where_the_inside_begins(
        shape in any_shape(), yaw in -3.1f32..3.1, height in -1f32..1.0, turn in -3.1f32..3.1, lean in -0.99f32..0.99,
    ) {
        prop_assume!(!matches!(shape, Shape::Mesh(_)));
        let origin = unit(yaw, height) * 5.0;
        let direction = (unit(turn, lean) - origin).normalize();
        let (t, _) = enter(&shape, origin, direction);
        let walked = (0..9000).map(|step| step as f32 * 1e-3).find(|s| signed_distance(&shape, origin + direction * s) < -2e-3);
        match walked {
            None => if t.is_finite() {
                // A touch too slight for the walk.
                let middle = interval(&shape, origin, direction).map(|(a, b)| 0.5 * (a + b)).unwrap();
                prop_assert!(signed_distance(&shape, origin + direction * middle) > -4e-3);
            },
            Some(walked) => {
                prop_assert!(t <= walked && signed_distance(&shape, origin + direction * t).abs() < 1e-3, "{t} {walked}");
                let outward = normal(&shape, origin + direction * t, 0);
                prop_assert!((outward.length() - 1.0).abs() < 1e-3 && outward.dot(direction) < 1e-2);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn fast_and_reference_draw_the_same(scene in any_scene(12), camera in any_camera()) {
        let fast = drawn(&scene, &camera);
        let mut plain = ShadowMaps::default();
        reference::raster(&scene, &camera, WIDTH, HEIGHT, &mut plain);
        for pixel in 0..WIDTH * HEIGHT {
            prop_assert_eq!(fast.primitive[pixel], plain.primitive[pixel], "pixel {}", pixel);
            prop_assert_eq!(fast.depth_m[pixel].to_bits(), plain.depth_m[pixel].to_bits());
            prop_assert!((fast.normal[pixel] - plain.normal[pixel]).length() < 1e-4);
            prop_assert_eq!(fast.uv[pixel], plain.uv[pixel]);
            prop_assert_eq!(fast.edge_m[pixel], plain.edge_m[pixel]);
            prop_assert_eq!(fast.layer[pixel], plain.layer[pixel]);
            prop_assert!(fast.footprint[pixel].is_finite());
        }
    }

    /// Away from penumbras the soft shadow is the hard one.
    #[test]
    fn the_sun_reaches_what_a_ray_reaches(scene in any_scene(12), camera in any_camera()) {
        let mut soft = drawn(&scene, &camera);
        let mut hard = soft.clone();
        let mut sun = SunMap::default();
        sun.build(&scene, camera.world_from_camera.translation_m);
        sun.fill(&scene, &camera, &mut soft);
        reference::sun_visibility(&scene, &camera, &mut hard);
        let (mut clear, mut wrong) = (0, 0);
        for (soft, hard) in soft.sun_visibility.iter().zip(&hard.sun_visibility) {
            if *soft < 0.01 || *soft > 0.99 {
                clear += 1;
                wrong += usize::from((soft - hard).abs() > 0.5);
            }
        }
        prop_assert!(wrong * 200 <= clear, "{} of {} differ", wrong, clear);
        prop_assert!(clear * 10 > WIDTH * HEIGHT * 7, "only {} are out of penumbra", clear);
    }

    /// The cells only save time.
    #[test]
    fn the_number_of_cells_does_not_matter(scene in any_scene(8), camera in any_camera()) {
        let mut maps = drawn(&scene, &camera);
        let pictures = [1, 64, 300].map(|cells| {
            let mut sun = SunMap::new(cells);
            sun.build(&scene, camera.world_from_camera.translation_m);
            sun.fill(&scene, &camera, &mut maps);
            maps.sun_visibility.clone()
        });
        prop_assert!(pictures[0] == pictures[1] && pictures[1] == pictures[2]);
    }
}

#[test]
fn a_mesh_of_a_box_looks_like_the_box() {
    let view = camera(Vec3::new(1.5, 2.0, 4.0), Vec3::ZERO);
    let solid = drawn(
        &Scene { primitives: vec![at(1, cuboid(0.7, 0.4, 0.9), Vec3::ZERO)], ..Scene::default() },
        &view,
    );
    let mesh = box_mesh(Vec3::new(0.7, 0.4, 0.9));
    let mesh =
        drawn(&Scene { primitives: vec![at(1, mesh, Vec3::ZERO)], ..Scene::default() }, &view);
    let mut seen = 0;
    for pixel in 0..WIDTH * HEIGHT {
        if solid.primitive[pixel] == mesh.primitive[pixel] && solid.primitive[pixel] != SKY {
            seen += 1;
            assert!((solid.depth_m[pixel] - mesh.depth_m[pixel]).abs() < 1e-3);
            assert!((solid.normal[pixel] - mesh.normal[pixel]).length() < 1e-3);
        }
    }
    assert!(seen > 300, "only {seen} pixels in common");
    let differing =
        (0..WIDTH * HEIGHT).filter(|&i| solid.primitive[i] != mesh.primitive[i]).count();
    assert!(differing < 4, "{differing} pixels differ");
}

#[test]
fn depth_lies_along_the_view_axis_and_unprojects_onto_the_surface() {
    let scene = with_floor(vec![at(1, cuboid(1.0, 1.0, 1.0), Vec3::new(0.0, 1.0, 0.0))]);
    let view = camera(Vec3::new(0.0, 1.0, 5.0), Vec3::new(0.0, 1.0, 0.0));
    let maps = drawn(&scene, &view);
    // The whole near face is 4 m deep, not only its middle.
    for x in [50, 64, 78] {
        assert!((maps.depth_m[36 * WIDTH + x] - 4.0).abs() < 1e-4);
    }
    for y in 60..HEIGHT {
        let point = unproject(&view, WIDTH, HEIGHT, 10, y, maps.depth_m[y * WIDTH + 10]);
        assert!(point.y.abs() < 1e-4, "{point} is not on the floor");
    }
}

#[test]
fn layers_tell_what_looks_up() {
    let mut crate_up = at(7, cuboid(0.5, 0.5, 0.5), Vec3::new(0.0, 0.5, 0.0));
    crate_up.material = 7;
    let maps = drawn(
        &with_floor(vec![crate_up]),
        &camera(Vec3::new(0.0, 3.0, 3.0), Vec3::new(0.0, 0.5, 0.0)),
    );
    let (mut top, mut side) = (0, 0);
    for pixel in 0..WIDTH * HEIGHT {
        if maps.primitive[pixel] == 1 {
            assert_eq!(maps.layer[pixel], if maps.normal[pixel].y > 0.7 { 15 } else { 14 });
            top += usize::from(maps.layer[pixel] == 15);
            side += usize::from(maps.layer[pixel] == 14);
        }
        assert_eq!(maps.layer[pixel] == SKY_LAYER, maps.primitive[pixel] == SKY);
    }
    assert!(top > 50 && side > 50, "{top} {side}");
}

#[test]
fn nothing_is_seen_of_a_body_around_the_camera() {
    for shape in [cuboid(1.0, 1.0, 1.0), Shape::Ball { radius_m: 1.0 }, box_mesh(Vec3::ONE)] {
        let maps = drawn(
            &Scene { primitives: vec![at(1, shape, Vec3::ZERO)], ..Scene::default() },
            &camera(Vec3::new(0.2, 0.1, 0.3), Vec3::new(0.2, 0.1, -5.0)),
        );
        assert!(maps.primitive.iter().all(|&p| p == SKY));
    }
}

#[test]
fn a_footprint_is_what_neighbouring_pixels_differ_by() {
    let scene = with_floor(vec![]);
    let maps = drawn(&scene, &camera(Vec3::new(0.0, 1.7, 0.0), Vec3::new(0.0, 1.0, -3.0)));
    for y in 50..70 {
        let pixel = y * WIDTH + WIDTH / 2;
        let step = (maps.uv[pixel][1] - maps.uv[pixel + WIDTH][1]).abs();
        let ratio = maps.footprint[pixel] / step;
        assert!(
            (0.8..1.25).contains(&ratio),
            "footprint {} for a step of {step}",
            maps.footprint[pixel]
        );
    }
}

#[test]
fn an_edge_is_as_far_as_the_border_of_the_face() {
    let scene =
        Scene { primitives: vec![at(1, cuboid(1.0, 1.0, 1.0), Vec3::ZERO)], ..Scene::default() };
    let maps = drawn(&scene, &camera(Vec3::new(0.0, 0.0, 4.0), Vec3::ZERO));
    let centre = 36 * WIDTH + 64;
    let nearest = maps.edge_m[centre];
    assert!(nearest[0] > 0.95 && nearest[1] > 0.95, "{nearest:?} in the middle");
    let border = (0..WIDTH).find(|x| maps.primitive[36 * WIDTH + x] == 0).unwrap() + 36 * WIDTH;
    assert!(
        maps.edge_m[border][0] < 0.05 && maps.edge_m[border][1] > 0.95,
        "{:?}",
        maps.edge_m[border]
    );
}

#[test]
fn a_roof_shades_the_floor_and_lit_surfaces_have_no_acne() {
    let mut scene = with_floor(vec![at(1, cuboid(2.0, 0.1, 2.0), Vec3::new(0.0, 3.0, 0.0))]);
    scene.sun_direction = Vec3::new(0.02, 1.0, 0.0).normalize();
    let view = camera(Vec3::new(0.0, 1.7, 9.0), Vec3::new(0.0, 0.0, 0.0));
    let mut maps = drawn(&scene, &view);
    let mut sun = SunMap::default();
    sun.build(&scene, view.world_from_camera.translation_m);
    sun.fill(&scene, &view, &mut maps);
    let (mut shaded, mut lit) = (0, 0);
    for pixel in (0..WIDTH * HEIGHT).filter(|&pixel| maps.primitive[pixel] == 0) {
        let point =
            unproject(&view, WIDTH, HEIGHT, pixel % WIDTH, pixel / WIDTH, maps.depth_m[pixel]);
        let inside = (point.x + 0.06).abs().max(point.z.abs()) - 2.0;
        if inside < -0.2 {
            assert_eq!(maps.sun_visibility[pixel], 0.0, "under the roof at {point}");
            shaded += 1;
        } else if inside > 0.2 {
            assert_eq!(maps.sun_visibility[pixel], 1.0, "in the open at {point}");
            lit += 1;
        }
    }
    assert!(shaded > 100 && lit > 500, "{shaded} {lit}");
}

#[test]
fn without_a_sun_nothing_is_shaded() {
    let mut scene = with_floor(vec![at(1, cuboid(2.0, 0.1, 2.0), Vec3::new(0.0, 3.0, 0.0))]);
    scene.sun_direction = Vec3::new(1.0, -0.1, 0.0).normalize();
    let view = camera(Vec3::new(0.0, 1.7, 9.0), Vec3::ZERO);
    let mut maps = drawn(&scene, &view);
    let mut sun = SunMap::default();
    sun.build(&scene, Vec3::ZERO);
    sun.fill(&scene, &view, &mut maps);
    assert!(maps.sun_visibility.iter().all(|&v| v == 1.0));
}

/// A courtyard's worth of bodies, printed with `--nocapture`; the bound is loose for a busy machine.
#[test]
fn a_courtyard_is_drawn_within_its_time() {
    let mut bodies = Vec::new();
    for index in 0..80u64 {
        let angle = index as f32 * 2.4;
        let place =
            Vec3::new(angle.sin(), 0.0, angle.cos()) * (1.0 + index as f32 * 0.15) + Vec3::Y * 0.5;
        let mut body = at(
            index,
            match index % 5 {
                0 => Shape::Cylinder { half_height_m: 0.5, radius_m: 0.3 },
                1 => cuboid(0.2, 2.5, 2.0),
                _ => cuboid(0.4, 0.5, 0.4),
            },
            place,
        );
        body.world_from_object.rotation = Quat::from_rotation_y(angle);
        bodies.push(body);
    }
    let scene = with_floor(bodies);
    let view = camera(Vec3::new(0.3, 1.7, 11.0), Vec3::new(0.0, 1.0, 0.0));
    let mut maps = ShadowMaps::default();
    let mut sun = SunMap::default();
    let (mut raster_ms, mut build_ms, mut fill_ms) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    for _ in 0..20 {
        let start = Instant::now();
        raster(&scene, &view, WIDTH, HEIGHT, &mut maps);
        raster_ms = raster_ms.min(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        sun.build(&scene, view.world_from_camera.translation_m);
        build_ms = build_ms.min(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        sun.fill(&scene, &view, &mut maps);
        fill_ms = fill_ms.min(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("raster {raster_ms:.3} ms, sun {build_ms:.3} + {fill_ms:.3} ms");
    assert!(raster_ms + build_ms + fill_ms < 20.0);
}
