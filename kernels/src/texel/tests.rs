use std::time::Instant;

use glam::{Quat, Vec3};
use proptest::prelude::*;

use super::*;
use crate::geometry::CameraPose;
use crate::raster::testing::{any_camera, any_scene, at, camera, cuboid, with_floor};
use crate::raster::{Scene, ShadowMaps, raster};

const WIDTH: usize = 128;
const HEIGHT: usize = 72;
const ROOM: usize = 64 << 20;

fn drawn(scene: &Scene, camera: &CameraPose) -> ShadowMaps {
    let mut maps = ShadowMaps::default();
    raster(scene, camera, WIDTH, HEIGHT, &mut maps);
    maps
}

fn grey() -> Vec<f32> {
    vec![0.5; 3 * WIDTH * HEIGHT]
}

/// Waves on the surfaces, each body with its own, half a metre long.
fn painted(scene: &Scene, camera: &CameraPose, maps: &ShadowMaps) -> Vec<f32> {
    let mut rgb = Vec::with_capacity(3 * WIDTH * HEIGHT);
    for pixel in 0..WIDTH * HEIGHT {
        let colour = scene.primitives.get(usize::from(maps.primitive[pixel])).map_or(
            Vec3::splat(0.5),
            |primitive| {
                let (x, y) = (pixel % WIDTH, pixel / WIDTH);
                let depth_m = maps.depth_m[pixel];
                let world = crate::raster::unproject(camera, WIDTH, HEIGHT, x, y, depth_m);
                let point = primitive.world_from_object.inverse().transform_point(world);
                let phase = point * 6.0 + primitive.id as f32;
                0.5 + 0.4 * Vec3::new(phase.x.sin(), phase.y.sin(), phase.z.sin())
            },
        );
        rgb.extend(colour.to_array());
    }
    rgb
}

fn write(memory: &mut TexelMemory, scene: &Scene, camera: &CameraPose) {
    let maps = drawn(scene, camera);
    memory.announce(scene, |_| 0);
    memory.write(scene, camera, &maps, &painted(scene, camera, &maps), &grey(), |_| 1.0);
}

/// Root mean square error against the true picture over pixels of at least this confidence, and their share.
fn read(memory: &mut TexelMemory, scene: &Scene, camera: &CameraPose, least: f32) -> (f32, f32) {
    let maps = drawn(scene, camera);
    let (mut rgb, mut confidence) = (grey(), vec![0.0; WIDTH * HEIGHT]);
    memory.announce(scene, |_| 0);
    memory.read(scene, camera, &maps, &grey(), &mut rgb, &mut confidence);
    assert!(rgb.iter().chain(&confidence).all(|v| (0.0..=1.0).contains(v)));
    let truth = painted(scene, camera, &maps);
    let surface = maps.primitive.iter().filter(|p| **p != crate::raster::SKY).count().max(1);
    let (mut sum, mut count) = (0.0, 0);
    let known: Vec<usize> = (0..WIDTH * HEIGHT).filter(|p| confidence[*p] >= least).collect();
    // Far off, and seen from the side, the waves are finer than the pixels.
    for pixel in known.iter().filter(|p| (0.0..0.1).contains(&maps.footprint[**p])) {
        sum += (3 * pixel..3 * pixel + 3).map(|i| (rgb[i] - truth[i]).powi(2)).sum::<f32>() / 3.0;
        count += 1;
    }
    ((sum / (count as f32).max(1.0)).sqrt(), known.len() as f32 / surface as f32)
}

/// A crate and a ball before a wall, on a floor.
fn yard() -> Scene {
    with_floor(vec![
        at(1, cuboid(0.5, 0.5, 0.5), Vec3::new(-1.0, 0.5, 0.0)),
        at(2, Shape::Ball { radius_m: 0.6 }, Vec3::new(1.0, 0.6, 0.5)),
        at(3, cuboid(6.0, 1.5, 0.2), Vec3::new(0.0, 1.5, -3.0)),
    ])
}

fn eye() -> CameraPose {
    camera(Vec3::new(0.3, 1.6, 4.0), Vec3::new(0.0, 0.8, 0.0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn fast_and_reference_remember_the_same(
        scene in any_scene(8), from in any_camera(), step in -0.8f32..0.8, turn in -0.3f32..0.3,
    ) {
        let mut later = from;
        later.world_from_camera.translation_m += Vec3::new(step, 0.0, 0.5 * step);
        later.world_from_camera.rotation = Quat::from_rotation_y(turn) * later.world_from_camera.rotation;
        let (mut memory, mut plain) = (TexelMemory::new(ROOM), reference::Texels::default());
        for camera in [&from, &later] {
            let maps = drawn(&scene, camera);
            let (rgb, paint) = (painted(&scene, camera, &maps), grey());
            let trust = |pixel: usize| if pixel % 7 == 0 { 0.0 } else { 0.8 };
            memory.announce(&scene, |_| 0);
            memory.write(&scene, camera, &maps, &rgb, &paint, trust);
            plain.write(&scene, camera, &maps, &rgb, &paint, trust);
        }
        let maps = drawn(&scene, &from);
        // The light has changed on half of the picture.
        let paint: Vec<f32> = (0..3 * WIDTH * HEIGHT).map(|i| if i % 2 == 0 { 0.5 } else { 0.3 }).collect();
        let (mut rgb, mut confidence) = (grey(), vec![0.0; WIDTH * HEIGHT]);
        memory.announce(&scene, |_| 0);
        memory.read(&scene, &from, &maps, &paint, &mut rgb, &mut confidence);
        let expected = plain.read(&scene, &from, &maps, &paint);
        let differ = expected.iter().enumerate().filter(|(pixel, (want, sure))| {
            (confidence[*pixel] - sure).abs() > 0.02
                || (0..3).any(|c| (rgb[3 * pixel + c] - want[c]).abs() > 0.02)
        }).count();
        // A point may lie on the brink of a texel, a level or a tolerance.
        prop_assert!(differ < WIDTH * HEIGHT / 50, "{differ} pixels differ");
    }

    #[test]
    fn no_view_and_no_picture_breaks_it(scene in any_scene(6), from in any_camera(), bad in 0usize..3) {
        let mut memory = TexelMemory::new(200_000);
        let maps = drawn(&scene, &from);
        let mut rgb = painted(&scene, &from, &maps);
        for value in rgb.iter_mut().step_by(5) {
            *value = [f32::NAN, f32::INFINITY, 0.5][bad];
        }
        memory.announce(&scene, |_| 0);
        memory.write(&scene, &from, &maps, &rgb, &grey(), |_| 1.0);
        let (mut read, mut confidence) = (grey(), vec![0.0; WIDTH * HEIGHT]);
        memory.read(&scene, &from, &maps, &grey(), &mut read, &mut confidence);
        prop_assert!(read.iter().chain(&confidence).all(|v| v.is_finite()));
        prop_assert!(memory.bytes() <= 200_000);
    }
}

#[test]
fn a_place_comes_back_as_it_was() {
    let (scene, mut memory) = (yard(), TexelMemory::new(ROOM));
    for _ in 0..3 {
        write(&mut memory, &scene, &eye());
    }
    let (error, share) = read(&mut memory, &scene, &eye(), 0.3);
    assert!(error < 0.04 && share > 0.75, "error {error}, known {share}");
}

#[test]
fn another_view_of_a_place_shows_the_same_surfaces() {
    let (scene, mut memory) = (yard(), TexelMemory::new(ROOM));
    for step in 0..8 {
        let x = 0.3 + 0.1 * step as f32;
        write(&mut memory, &scene, &camera(Vec3::new(x, 1.6, 4.0), Vec3::new(0.0, 0.8, 0.0)));
    }
    for from in [Vec3::new(-0.6, 1.4, 4.5), Vec3::new(0.8, 1.8, 6.0)] {
        let (error, share) =
            read(&mut memory, &scene, &camera(from, Vec3::new(0.0, 0.8, 0.0)), 0.3);
        assert!(error < 0.05 && share > 0.45, "from {from}: error {error}, known {share}");
    }
}

#[test]
fn a_moved_body_carries_its_texels_and_leaves_none_behind() {
    let (mut scene, mut memory) = (yard(), TexelMemory::new(ROOM));
    for _ in 0..3 {
        write(&mut memory, &scene, &eye());
    }
    let crate_ = scene.primitives.iter_mut().find(|p| p.id == 1).unwrap();
    crate_.world_from_object.translation_m.x += 0.7;
    let maps = drawn(&scene, &eye());
    let (error, _) = read(&mut memory, &scene, &eye(), 0.3);
    assert!(error < 0.05, "error {error}");
    let on_crate = |p: &u16| scene.primitives.get(usize::from(*p)).is_some_and(|p| p.id == 1);
    let (mut rgb, mut confidence) = (grey(), vec![0.0; WIDTH * HEIGHT]);
    memory.read(&scene, &eye(), &maps, &grey(), &mut rgb, &mut confidence);
    let seen = maps.primitive.iter().zip(&confidence).filter(|(p, _)| on_crate(p));
    let known = seen.clone().filter(|(_, c)| **c > 0.3).count();
    assert!(known * 2 > seen.count(), "{known} pixels of the crate are known");
}

#[test]
fn what_changed_or_is_gone_is_forgotten() {
    let known = |change: fn(&mut Scene), look: u64| {
        let (mut scene, mut memory) = (yard(), TexelMemory::new(ROOM));
        write(&mut memory, &scene, &eye());
        let whole = scene.clone();
        change(&mut scene);
        memory.announce(&scene, |index| if index == 1 { look } else { 0 });
        // Whatever it was, the body is back as it was before.
        memory.announce(&whole, |index| if index == 1 { look } else { 0 });
        let maps = drawn(&whole, &eye());
        let (mut rgb, mut confidence) = (grey(), vec![0.0; WIDTH * HEIGHT]);
        memory.read(&whole, &eye(), &maps, &grey(), &mut rgb, &mut confidence);
        let of = |index: u16| {
            (0..WIDTH * HEIGHT)
                .filter(|p| maps.primitive[*p] == index && confidence[*p] > 0.0)
                .count()
        };
        (of(1), of(3))
    };
    let (crate_, wall) = known(|_| {}, 0);
    assert!(crate_ > 50 && wall > 50);
    let gone: fn(&mut Scene) = |scene| drop(scene.primitives.remove(1));
    let other: fn(&mut Scene) = |scene| scene.primitives[1].material += 1;
    let resized: fn(&mut Scene) = |scene| scene.primitives[1].shape = cuboid(0.5, 0.7, 0.5);
    for change in [gone, other, resized] {
        assert_eq!(known(change, 0), (0, wall));
    }
    assert_eq!(known(|_| {}, 9), (0, wall));
    let (scene, mut memory) = (yard(), TexelMemory::new(ROOM));
    write(&mut memory, &scene, &eye());
    let before = memory.texels().0;
    memory.forget(&[3]);
    assert!(memory.texels().0 < before);
    memory.clear();
    assert_eq!(memory.texels().0, 0);
}

#[test]
fn what_is_well_known_no_longer_changes_until_it_fades() {
    let (scene, mut memory) = (yard(), TexelMemory::new(ROOM));
    let maps = drawn(&scene, &eye());
    for value in [0.2, 0.9] {
        for _ in 0..12 {
            memory.announce(&scene, |_| 0);
            memory.write(&scene, &eye(), &maps, &vec![value; 3 * WIDTH * HEIGHT], &grey(), |_| 1.0);
        }
    }
    let value = |memory: &mut TexelMemory| {
        let (mut rgb, mut confidence) = (grey(), vec![0.0; WIDTH * HEIGHT]);
        memory.read(&scene, &eye(), &maps, &grey(), &mut rgb, &mut confidence);
        let sure = (0..WIDTH * HEIGHT).filter(|p| confidence[*p] > 0.9).collect::<Vec<_>>();
        assert!(sure.len() > 2000, "{} are well known", sure.len());
        sure.iter().map(|p| rgb[3 * p]).sum::<f32>() / sure.len() as f32
    };
    assert!((value(&mut memory) - 0.2).abs() < 0.02);
    memory.fade(0.1);
    for _ in 0..12 {
        memory.announce(&scene, |_| 0);
        memory.write(&scene, &eye(), &maps, &vec![0.9; 3 * WIDTH * HEIGHT], &grey(), |_| 1.0);
    }
    assert!(value(&mut memory) > 0.7);
}

#[test]
fn a_surface_in_another_light_is_lit_by_the_paint() {
    let (scene, mut memory) = (yard(), TexelMemory::new(ROOM));
    let maps = drawn(&scene, &eye());
    memory.announce(&scene, |_| 0);
    memory.write(&scene, &eye(), &maps, &vec![0.4; 3 * WIDTH * HEIGHT], &grey(), |_| 1.0);
    let (mut rgb, mut confidence) = (grey(), vec![0.0; WIDTH * HEIGHT]);
    let dim = vec![0.25; 3 * WIDTH * HEIGHT];
    memory.read(&scene, &eye(), &maps, &dim, &mut rgb, &mut confidence);
    let known: Vec<usize> = (0..WIDTH * HEIGHT).filter(|p| confidence[*p] > 0.0).collect();
    let expected = (0.4 + DARK) * (0.25 + DARK) / (0.5 + DARK) - DARK;
    assert!(known.len() > 3000 && known.iter().all(|p| (rgb[3 * p] - expected).abs() < 0.01));
}

#[test]
fn one_core_and_three_remember_the_same() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let street = (0..20).map(|i| {
        at(i, cuboid(1.4, 2.0, 0.2), Vec3::new(3.0 * i as f32, 2.0, -3.0 - 0.2 * i as f32))
    });
    let scene = with_floor(street.collect());
    // Of one shard, and of several, with room for all and without.
    for bytes in [1 << 20, 3 << 20, ROOM] {
        let (mut alone, mut shared) = (TexelMemory::new(bytes), TexelMemory::new(bytes));
        for i in 0..20 {
            let x = 3.0 * i as f32;
            let view = camera(Vec3::new(x, 1.6, 0.0), Vec3::new(x, 1.6, -3.0));
            write(&mut alone, &scene, &view);
            pool.install(|| write(&mut shared, &scene, &view));
        }
        assert!(alone.bytes() <= bytes && (alone.evicted() > 0 || bytes == ROOM));
        assert_eq!((alone.evicted(), alone.texels()), (shared.evicted(), shared.texels()));
        assert!(alone.records() == shared.records(), "{bytes} bytes");
    }
}

#[test]
fn it_stays_within_its_bytes_and_keeps_what_was_used_last() {
    let mut memory = TexelMemory::new(1 << 20);
    // A street of many walls: far more than there is room for.
    let street: Vec<_> = (0..60)
        .map(|i| at(i, cuboid(1.4, 2.0, 0.2), Vec3::new(3.0 * i as f32, 2.0, -3.0)))
        .collect();
    let scene = with_floor(street);
    let view =
        |i: i32| camera(Vec3::new(3.0 * i as f32, 1.6, 0.0), Vec3::new(3.0 * i as f32, 1.6, -3.0));
    for i in 0..60 {
        for _ in 0..3 {
            write(&mut memory, &scene, &view(i));
        }
        assert!(memory.bytes() <= 1 << 20);
    }
    assert!(memory.evicted() > 0);
    assert!(read(&mut memory, &scene, &view(59), 0.3).1 > 0.5);
    let (_, early) = read(&mut memory, &scene, &view(0), 0.3);
    assert!(early < 0.2, "{early} of the first wall is still there");
}

#[test]
fn a_saved_world_is_known_again_under_other_ids() {
    let (mut scene, mut memory) = (yard(), TexelMemory::new(ROOM));
    for _ in 0..3 {
        write(&mut memory, &scene, &eye());
    }
    let mut restored = TexelMemory::new(ROOM);
    restored.restore(memory.records());
    for primitive in &mut scene.primitives {
        primitive.id += 5000;
    }
    // The ball rolled on before the game was saved: it is the only one of its kind.
    let maps = drawn(&scene, &eye());
    let reading = |memory: &mut TexelMemory| {
        let (mut rgb, mut confidence) = (grey(), vec![0.0; WIDTH * HEIGHT]);
        memory.announce(&scene, |_| 0);
        memory.read(&scene, &eye(), &maps, &grey(), &mut rgb, &mut confidence);
        (rgb, confidence)
    };
    let found = reading(&mut restored);
    assert!(found.1.iter().filter(|c| **c > 0.3).count() > 3000);
    scene.primitives.iter_mut().for_each(|primitive| primitive.id -= 5000);
    let before = {
        let (mut rgb, mut confidence) = (grey(), vec![0.0; WIDTH * HEIGHT]);
        memory.announce(&scene, |_| 0);
        memory.read(&scene, &eye(), &maps, &grey(), &mut rgb, &mut confidence);
        (rgb, confidence)
    };
    assert!(found == before);
}

#[test]
fn it_tells_when_a_place_was_seen_last() {
    let (scene, mut memory) = (yard(), TexelMemory::new(ROOM));
    write(&mut memory, &scene, &eye());
    let (maps, first) = (drawn(&scene, &eye()), memory.frame());
    let away = camera(Vec3::new(0.3, 1.6, 4.0), Vec3::new(0.0, 1.2, 20.0));
    for _ in 0..5 {
        write(&mut memory, &scene, &away);
    }
    let seen = memory.last_seen(&scene, &eye(), &maps);
    let count = |wanted: Option<u32>| seen.iter().filter(|frame| **frame == wanted).count();
    assert!(count(Some(first)) > 5000 && count(Some(memory.frame())) == 0);
    assert!(memory.seen_m2() > 10.0, "{} m²", memory.seen_m2());
}

#[test]
fn ten_thousand_bodies_come_and_go() {
    let mut memory = TexelMemory::new(4 << 20);
    for round in 0..3u64 {
        let bodies = (0..10_000)
            .map(|i| {
                let place = Vec3::new((i % 100) as f32 - 50.0, 0.3, (i / 100) as f32 - 50.0);
                at(100_000 * (round + 1) + i, cuboid(0.3, 0.3, 0.3), place)
            })
            .collect();
        let scene = with_floor(bodies);
        write(&mut memory, &scene, &eye());
        assert_eq!(memory.bodies(), 10_001);
    }
}

/// `cargo test -p reverie_kernels texel::tests::time -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, not a test"]
fn time() {
    let mut memory = TexelMemory::new(40 << 20);
    let bodies: Vec<_> = (0..120)
        .map(|i| {
            let place = Vec3::new((i % 12) as f32 * 1.6 - 9.0, 0.5, (i / 12) as f32 * -1.6);
            at(i, cuboid(0.5, 0.5, 0.5), place)
        })
        .collect();
    let scene = with_floor(bodies);
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    let (mut rgb, mut confidence) = (grey(), vec![0.0; WIDTH * HEIGHT]);
    for step in 0..400 {
        let yaw = step as f32 * 0.03;
        let from = Vec3::new(0.02 * step as f32 - 4.0, 1.6, 4.0);
        let view = camera(from, from + Vec3::new(yaw.sin(), -0.15, -yaw.cos()));
        let maps = drawn(&scene, &view);
        let picture = painted(&scene, &view, &maps);
        let begun = Instant::now();
        memory.announce(&scene, |_| 0);
        memory.read(&scene, &view, &maps, &grey(), &mut rgb, &mut confidence);
        reads.push(begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        memory.write(&scene, &view, &maps, &picture, &grey(), |_| 0.5);
        writes.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    for (what, mut times) in [("read", reads), ("write", writes)] {
        times.sort_by(f64::total_cmp);
        println!("{what}: p50 {:.2} ms, p95 {:.2} ms", times[200], times[380]);
    }
    println!("{:?} texels, {} bytes", memory.texels(), memory.bytes());
}
