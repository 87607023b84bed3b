use std::time::Instant;

use glam::{Quat, Vec3};
use proptest::prelude::*;

use super::*;
use crate::raster::raster;
use crate::raster::testing::{any_camera, any_scene, at, camera, cuboid, with_floor};

const WIDTH: usize = 128;
const HEIGHT: usize = 72;

fn drawn(scene: &Scene, camera: &CameraPose) -> ShadowMaps {
    let mut maps = ShadowMaps::default();
    raster(scene, camera, WIDTH, HEIGHT, &mut maps);
    maps
}

fn warped(
    scene: &Scene,
    camera: &CameraPose,
    maps: &ShadowMaps,
    past: &PastFrame,
) -> (Vec<f32>, Vec<f32>) {
    let mut rgb = vec![f32::NAN; 3 * WIDTH * HEIGHT];
    let mut valid = vec![f32::NAN; WIDTH * HEIGHT];
    warp(scene, camera, maps, past, &mut rgb, &mut valid);
    (rgb, valid)
}

/// A picture that varies from pixel to pixel.
fn noise() -> Vec<f32> {
    (0..3 * WIDTH * HEIGHT).map(|i| ((i * 7919) % 1009) as f32 / 1009.0).collect()
}

/// A picture whose colours are smooth in surface coordinates and belong to the body.
fn painted(scene: &Scene, camera: &CameraPose, maps: &ShadowMaps) -> Vec<f32> {
    let mut rgb = Vec::with_capacity(3 * WIDTH * HEIGHT);
    for pixel in 0..WIDTH * HEIGHT {
        let index = maps.primitive[pixel] as usize;
        let colour = match scene.primitives.get(index) {
            None => Vec3::splat(0.5),
            Some(primitive) => {
                let world = crate::raster::unproject(
                    camera,
                    WIDTH,
                    HEIGHT,
                    pixel % WIDTH,
                    pixel / WIDTH,
                    maps.depth_m[pixel],
                );
                let point = primitive.world_from_object.inverse().transform_point(world);
                Vec3::from_array((point * 1.5 + primitive.id as f32).to_array().map(f32::sin)) * 0.5
                    + 0.5
            }
        };
        rgb.extend(colour.to_array());
    }
    rgb
}

/// Over known pixels that are near enough for the paint to be wider than they are.
fn mean_square(a: &[f32], b: &[f32], valid: &[f32], maps: &ShadowMaps) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0);
    for pixel in
        (0..valid.len()).filter(|&pixel| valid[pixel] > 0.99 && maps.footprint[pixel] < 0.15)
    {
        for value in 3 * pixel..3 * pixel + 3 {
            sum += (a[value] - b[value]).powi(2);
            count += 1.0;
        }
    }
    sum / f32::max(count, 1.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_still_picture_stays_as_it_is(scene in any_scene(10), camera in any_camera()) {
        let maps = drawn(&scene, &camera);
        let past = PastFrame::new(&scene, &camera, &maps, noise());
        let (rgb, valid) = warped(&scene, &camera, &maps, &past);
        prop_assert!(valid.iter().all(|&v| v == 1.0), "{} pixels lost", valid.iter().filter(|&&v| v < 1.0).count());
        prop_assert!(rgb == past.rgb);
    }

    /// Colours that are linear over the picture are the same for the cubic and for the bilinear.
    #[test]
    fn fast_and_reference_find_the_same(
        mut scene in any_scene(8), camera in any_camera(), step in -0.4f32..0.4, turn in -0.1f32..0.1, carry in -0.3f32..0.3,
    ) {
        let ramp = (0..WIDTH * HEIGHT).flat_map(|i| {
            let (x, y) = ((i % WIDTH) as f32 / WIDTH as f32, (i / WIDTH) as f32 / HEIGHT as f32);
            [x, y, 0.5 * (x + y)]
        }).collect();
        let past = PastFrame::new(&scene, &camera, &drawn(&scene, &camera), ramp);
        let mut now = camera;
        now.world_from_camera.translation_m += Vec3::new(step, 0.3 * step, -step);
        now.world_from_camera.rotation = Quat::from_rotation_y(turn) * now.world_from_camera.rotation;
        let moved = &mut scene.primitives[1].world_from_object;
        moved.translation_m.x += carry;
        moved.rotation = Quat::from_rotation_y(carry) * moved.rotation;
        let maps = drawn(&scene, &now);
        let (rgb, valid) = warped(&scene, &now, &maps, &past);
        let mut plain_rgb = vec![0.0; rgb.len()];
        let mut plain_valid = vec![0.0; valid.len()];
        reference::warp(&scene, &now, &maps, &past, &mut plain_rgb, &mut plain_valid);
        let differ = (0..valid.len()).filter(|&pixel| {
            (valid[pixel] - plain_valid[pixel]).abs() > 5e-3
                || (3 * pixel..3 * pixel + 3).any(|i| (rgb[i] - plain_rgb[i]).abs() > 2e-3)
        }).count();
        // A depth may lie on the brink of its tolerance.
        prop_assert!(differ < 15, "{} pixels differ", differ);
    }
}

#[test]
fn views_share_what_both_show() {
    let mut scene = with_floor(vec![
        at(1, cuboid(0.5, 0.5, 0.5), Vec3::new(0.0, 0.5, 0.0)),
        at(2, cuboid(8.0, 3.0, 0.2), Vec3::new(0.0, 3.0, -4.0)),
    ]);
    let past = |scene: &Scene, from: Vec3, to: Vec3| {
        let view = camera(from, to);
        PastFrame::new(scene, &view, &drawn(scene, &view), noise())
    };
    let share = |of: &PastFrame, by: &PastFrame| {
        let shared = shared_view(of, by, 4);
        shared.iter().filter(|s| **s).count() as f32 / shared.len() as f32
    };
    let (eye, ahead) = (Vec3::new(0.0, 1.6, 4.0), Vec3::new(0.0, 1.0, 0.0));
    let first = past(&scene, eye, ahead);
    assert_eq!(share(&first, &first), 1.0);
    assert_eq!(share(&first, &past(&scene, eye, Vec3::new(0.0, 1.0, 12.0))), 0.0);
    let beside = past(&scene, eye + Vec3::X, ahead);
    assert!(share(&first, &beside) > 0.7 && share(&first, &beside) < 1.0);
    // The crate is recognised where it has gone.
    scene.primitives[1].world_from_object.translation_m.x += 0.8;
    let moved = past(&scene, eye, ahead);
    let on_crate = |frame: &PastFrame| -> Vec<bool> {
        let shared = shared_view(frame, &moved, 1);
        (0..shared.len()).filter(|p| frame.object[*p] == 1).map(|p| shared[p]).collect()
    };
    let kept = on_crate(&first);
    assert!(kept.iter().filter(|k| **k).count() * 10 > kept.len() * 7);
}

#[test]
fn a_warped_picture_is_the_picture_of_the_new_view() {
    let crates = (0..6)
        .map(|i| at(i, cuboid(0.4, 0.5, 0.4), Vec3::new(i as f32 - 2.5, 0.5, -0.7 * i as f32)));
    let scene = with_floor(crates.collect());
    let before = camera(Vec3::new(0.0, 1.7, 4.0), Vec3::new(0.0, 0.5, 0.0));
    let now = camera(Vec3::new(0.3, 1.6, 3.8), Vec3::new(0.1, 0.5, 0.0));
    let past_maps = drawn(&scene, &before);
    let past = PastFrame::new(&scene, &before, &past_maps, painted(&scene, &before, &past_maps));
    let maps = drawn(&scene, &now);
    let (rgb, valid) = warped(&scene, &now, &maps, &past);
    let psnr_db = -10.0 * mean_square(&rgb, &painted(&scene, &now, &maps), &valid, &maps).log10();
    assert!(psnr_db > 36.0, "PSNR {psnr_db} dB");
    let known = valid.iter().filter(|&&v| v > 0.0).count();
    assert!(known * 100 > valid.len() * 88, "{known} of {} known", valid.len());
}

#[test]
fn a_moved_box_carries_its_pixels() {
    let mut scene = with_floor(vec![at(1, cuboid(0.5, 0.5, 0.5), Vec3::new(-0.6, 0.5, 0.0))]);
    let view = camera(Vec3::new(0.0, 1.2, 4.0), Vec3::new(0.0, 0.5, 0.0));
    let past_maps = drawn(&scene, &view);
    let past = PastFrame::new(&scene, &view, &past_maps, painted(&scene, &view, &past_maps));
    scene.primitives[1].world_from_object =
        Pose::new(Quat::from_rotation_y(0.2), Vec3::new(0.5, 0.5, 0.3));
    let maps = drawn(&scene, &view);
    let (rgb, valid) = warped(&scene, &view, &maps, &past);
    let truth = painted(&scene, &view, &maps);
    let (mut box_pixels, mut known) = (0, 0);
    for pixel in (0..WIDTH * HEIGHT).filter(|&pixel| maps.primitive[pixel] == 1) {
        box_pixels += 1;
        if valid[pixel] > 0.99 {
            known += 1;
            for i in 3 * pixel..3 * pixel + 3 {
                assert!(
                    (rgb[i] - truth[i]).abs() < 0.06,
                    "pixel {pixel}: {} for {}",
                    rgb[i],
                    truth[i]
                );
            }
        }
    }
    assert!(box_pixels > 300 && known * 10 > box_pixels * 7, "{known} of {box_pixels}");
    // The floor that the box hid before is not known.
    let uncovered =
        (0..WIDTH * HEIGHT).filter(|&i| past_maps.primitive[i] == 1 && maps.primitive[i] == 0);
    let (mut hidden, mut refused) = (0, 0);
    for pixel in uncovered {
        hidden += 1;
        refused += usize::from(valid[pixel] == 0.0);
    }
    assert!(hidden > 100 && refused * 10 > hidden * 9, "{refused} of {hidden}");
}

#[test]
fn the_far_side_of_a_body_is_not_known_from_the_near_one() {
    // Thin enough for both sides to be equally deep, nearly.
    let scene =
        Scene { primitives: vec![at(1, cuboid(1.0, 1.0, 0.01), Vec3::ZERO)], ..Scene::default() };
    let before = camera(Vec3::new(0.0, 0.0, 4.0), Vec3::ZERO);
    let past = PastFrame::new(&scene, &before, &drawn(&scene, &before), noise());
    let now = camera(Vec3::new(0.0, 0.0, -4.0), Vec3::ZERO);
    let maps = drawn(&scene, &now);
    let (_, valid) = warped(&scene, &now, &maps, &past);
    for pixel in (0..WIDTH * HEIGHT).filter(|&pixel| maps.primitive[pixel] == 0) {
        assert_eq!(valid[pixel], 0.0);
    }
}

#[test]
fn a_body_of_unknown_past_is_invalid() {
    let mut scene = with_floor(vec![]);
    let view = camera(Vec3::new(0.0, 1.2, 4.0), Vec3::new(0.0, 0.5, 0.0));
    let past = PastFrame::new(&scene, &view, &drawn(&scene, &view), noise());
    scene.primitives.push(at(9, cuboid(0.5, 0.5, 0.5), Vec3::new(0.0, 0.5, 0.0)));
    let maps = drawn(&scene, &view);
    let (rgb, valid) = warped(&scene, &view, &maps, &past);
    let mut seen = 0;
    for pixel in (0..WIDTH * HEIGHT).filter(|&pixel| maps.primitive[pixel] == 1) {
        assert_eq!((valid[pixel], rgb[3 * pixel]), (0.0, 0.0));
        seen += 1;
    }
    assert!(seen > 200);
}

#[test]
fn the_sky_turns_but_does_not_shift() {
    let scene = Scene::default();
    let before = camera(Vec3::ZERO, Vec3::NEG_Z);
    let past = PastFrame::new(&scene, &before, &drawn(&scene, &before), noise());
    let shifted = camera(Vec3::X * 50.0, Vec3::new(50.0, 0.0, -1.0));
    let maps = drawn(&scene, &shifted);
    assert_eq!(warped(&scene, &shifted, &maps, &past).0, past.rgb);
    let behind = camera(Vec3::ZERO, Vec3::Z);
    let maps = drawn(&scene, &behind);
    assert!(warped(&scene, &behind, &maps, &past).1.iter().all(|&v| v == 0.0));
}

#[test]
fn coverage_foretells_what_the_warp_finds() {
    let crates = (0..6)
        .map(|i| at(i, cuboid(0.4, 0.5, 0.4), Vec3::new(i as f32 - 2.5, 0.5, -0.7 * i as f32)));
    let scene = with_floor(crates.collect());
    let before = camera(Vec3::new(0.0, 1.7, 4.0), Vec3::new(0.0, 0.5, 0.0));
    let now = camera(Vec3::new(1.8, 1.6, 3.0), Vec3::new(1.8, 0.5, 0.0));
    let past = PastFrame::new(&scene, &before, &drawn(&scene, &before), noise());
    let maps = drawn(&scene, &now);
    let (_, valid) = warped(&scene, &now, &maps, &past);
    let covered = warp_coverage(&scene, &now, &maps, &past, 4);
    assert_eq!(covered.len(), WIDTH / 4 * HEIGHT / 4);
    let (mut agree, mut known) = (0, 0);
    for (index, covered) in covered.iter().enumerate() {
        let pixel = (index / (WIDTH / 4) * 4 + 2) * WIDTH + index % (WIDTH / 4) * 4 + 2;
        agree += usize::from(*covered == (valid[pixel] > 0.0));
        known += usize::from(*covered);
    }
    assert!(agree * 100 > covered.len() * 97, "{agree} of {} agree", covered.len());
    assert!(known > 50 && known < covered.len() - 50, "{known} of {} known", covered.len());
}

/// Printed with `--nocapture`; the bound is loose for a busy machine.
#[test]
fn a_picture_is_warped_within_its_time() {
    let crates = (0..60).map(|i| {
        let angle = i as f32 * 2.4;
        at(
            i,
            cuboid(0.4, 0.5, 0.4),
            Vec3::new(angle.sin(), 0.0, angle.cos()) * (1.0 + i as f32 * 0.15) + Vec3::Y * 0.5,
        )
    });
    let scene = with_floor(crates.collect());
    let before = camera(Vec3::new(0.0, 1.7, 9.0), Vec3::new(0.0, 0.5, 0.0));
    let now = camera(Vec3::new(0.2, 1.7, 8.8), Vec3::new(0.1, 0.5, 0.0));
    let past = PastFrame::new(&scene, &before, &drawn(&scene, &before), noise());
    let maps = drawn(&scene, &now);
    let (mut rgb, mut valid) = (vec![0.0; 3 * WIDTH * HEIGHT], vec![0.0; WIDTH * HEIGHT]);
    let (mut warp_ms, mut coverage_ms) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..20 {
        let start = Instant::now();
        warp(&scene, &now, &maps, &past, &mut rgb, &mut valid);
        warp_ms = warp_ms.min(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        assert!(!warp_coverage(&scene, &now, &maps, &past, 4).is_empty());
        coverage_ms = coverage_ms.min(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("warp {warp_ms:.3} ms, coverage {coverage_ms:.3} ms");
    assert!(warp_ms < 8.0 && coverage_ms < 1.0);
}
