//! Texture on a brick wall.

use glam::{Quat, Vec3};
use reverie_guard::{Body, BodyKind, Pose, ShadowSnapshot, Shape};
use reverie_kernels::exemplar::{Exemplars, FINEST_TEXELS};

use super::*;
use crate::style::StyleWeights;

pub(super) const SIZE: (usize, usize) = (48, 32);

/// A wall that fills the picture, seen from so far.
pub(super) fn wall(far_m: f32) -> ShadowView {
    let body = Body {
        id: 1,
        shape: Shape::Cuboid { half_extents_m: Vec3::new(20.0, 20.0, 0.5) },
        world_from_body: Pose::new(Quat::IDENTITY, Vec3::NEG_Z * 0.5),
        linear_velocity_m_s: Vec3::ZERO,
        angular_velocity_rad_s: Vec3::ZERO,
        kind: BodyKind::Fixed,
        material: 4,
        tint_srgb: None,
    };
    let camera = CameraPose {
        world_from_camera: Pose::new(Quat::IDENTITY, Vec3::Z * far_m),
        vertical_fov_rad: 1.0,
    };
    let sun_direction = Vec3::new(0.3, 0.5, 0.8).normalize();
    let snapshot =
        ShadowSnapshot { tick: 0, time_s: 0.0, camera, bodies: vec![body], sun_direction };
    ShadowView::new(&snapshot, &StyleWeights::NOON, SIZE.0, SIZE.1, true)
}

/// Courses of four texels, bright and dark in turn, on every material.
fn courses() -> Exemplars {
    let texel = |i: usize| if i / 64 % 8 < 4 { 0.3 } else { -0.3 };
    let texels = (0..LAYERS * FINEST_TEXELS).map(|i| {
        let value = texel(i % FINEST_TEXELS);
        [value, value, value, 100.0]
    });
    Exemplars::from_finest(&texels.collect::<Vec<_>>()).unwrap()
}

/// Maps in which the last picture shows everything, if it `is_known`.
fn told(is_known: bool) -> Vec<f32> {
    let mut maps = vec![0.0; SIZE.0 * SIZE.1 * CHANNELS];
    maps.chunks_exact_mut(CHANNELS).for_each(|map| map[LAST + 3] = f32::from(u8::from(is_known)));
    maps
}

/// Root mean square of the change of the wall at `far_m`, which the last picture showed from `then_m`, if any did.
fn change(far_m: f32, then_m: Option<f32>, gain: f32, fog_per_m: f32) -> f32 {
    let view = wall(far_m);
    let maps = told(then_m.is_some());
    let fineness = vec![0.0; SIZE.0 * SIZE.1];
    let last = then_m.map(|then_m| wall(then_m).camera);
    let known = Known { view: &view, maps: &maps, fineness: &fineness, last };
    let mut exemplars = courses();
    let mut change = vec![1.0; 3 * SIZE.0 * SIZE.1];
    known.fill_missing(exemplars.all_filled(), gain, fog_per_m, &mut change);
    (change.iter().map(|v| v * v).sum::<f32>() / change.len() as f32).sqrt()
}

#[test]
fn a_wall_that_nobody_knows_gets_its_courses() {
    let whole = change(1.0, None, 1.0, 0.0);
    assert!((0.2..0.3).contains(&whole), "{whole}");
    assert!((change(1.0, None, 0.5, 0.0) - 0.5 * whole).abs() < 1e-4);
}

#[test]
fn a_camera_that_stands_still_puts_nothing_on_again() {
    assert_eq!(change(1.0, Some(1.0), 1.0, 0.0), 0.0);
    assert_eq!(change(2.0, Some(1.0), 1.0, 0.0), 0.0, "it steps back");
}

#[test]
fn an_approach_adds_what_could_not_be_resolved_before() {
    // Amplitudes add up, as all are of the same courses.
    let steps = [16.0, 12.0, 8.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0];
    let more: f32 = steps.windows(2).map(|w| change(w[1], Some(w[0]), 1.0, 0.0)).sum();
    let (first, at_once) = (change(16.0, None, 1.0, 0.0), change(1.0, None, 1.0, 0.0));
    assert!(first < 0.5 * at_once, "{first} {at_once}");
    let ratio = (first + more / SEEN_BEFORE) / at_once;
    assert!((0.7..1.4).contains(&ratio), "{first} + {more}, {at_once}");
}

#[test]
fn fog_hides_texture() {
    let clear = change(2.0, None, 1.0, 0.0);
    let ratio = change(2.0, None, 1.0, 0.3) / clear;
    assert!((ratio - (-0.6f32).exp()).abs() < 0.08, "{ratio}");
}
