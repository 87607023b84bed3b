//! Which texture is chosen, and what a style makes of it.

use glam::{Quat, Vec3};
use reverie_guard::{Body, BodyKind, Pose, ShadowSnapshot, Shape};

use super::*;
use crate::style::StyleWeights;
use crate::view::ShadowView;

const NOON: usize = 0;
const SNOW: usize = 4;

/// Stripes about `colour`, `contrast` up and down, of which the lowest `share` was seen closely.
fn stripes(colour: [f32; 3], contrast: f32, share: f32) -> Vec<[f32; 4]> {
    let seen = (share * SIZE as f32) as usize;
    let texel = |at: usize| {
        let up = if at % SIZE / 4 % 2 == 0 { contrast } else { -contrast };
        let [r, g, b] = colour;
        if at / SIZE < seen { [r + up, g + up, b + up, 1.0] } else { [r, g, b, 0.1] }
    };
    (0..FINEST_TEXELS).map(texel).collect()
}

fn candidate(style: usize, colour: [f32; 3], worth: f32) -> Candidate {
    let texels = stripes(colour, 0.2, 1.0);
    Candidate { usual: Usual { style, closely: 1.0, figures: Figures::of(&texels) }, worth, texels }
}

fn mean(texels: &[[f32; 4]]) -> [f32; 3] {
    std::array::from_fn(|c| texels.iter().map(|t| t[c]).sum::<f32>() / texels.len() as f32)
}

fn close(a: [f32; 3], b: [f32; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3)
}

#[test]
fn a_style_gives_the_best_texture_its_own_colour() {
    let (grey, white) = ([0.0; 3], [0.6, 0.7, 0.8]);
    let mut shown = Shown::default();
    for worth in [0.9, 0.8, 0.7] {
        shown.take(candidate(NOON, grey, worth));
    }
    for worth in [0.1, 0.1, 0.1] {
        shown.take(candidate(SNOW, white, worth));
    }
    let (noon, snow) = (shown.texels(NOON, 0), shown.texels(SNOW, 0));
    assert!(close(mean(&noon), grey) && close(mean(&snow), white), "{:?}", mean(&snow));
    let apart = |texels: &[[f32; 4]]| texels[0][0] - texels[4][0];
    assert!((apart(&noon) - apart(&snow)).abs() < 1e-3, "the same stripes");
    assert!(apart(&snow) > 0.3);
}

#[test]
fn a_lantern_on_a_wall_is_no_look_of_the_wall() {
    let mut shown = Shown::default();
    shown.take(candidate(NOON, [1.2, 0.7, 0.1], 1.0));
    for worth in [0.4, 0.4, 0.4] {
        shown.take(candidate(NOON, [0.0; 3], worth));
    }
    let mut lit = stripes([1.2, 0.7, 0.1], 0.0, 1.0);
    lit[0] = [2.0, 1.0, 0.0, 1.0];
    shown.candidates[0].texels = lit;
    let chosen = shown.texels(NOON, 0);
    assert!(close(mean(&chosen), [0.0; 3]) && chosen[0][0] - chosen[4][0] > 0.3);
}

#[test]
fn what_nobody_saw_is_filled_from_the_same_height() {
    // The left half was seen: bright rows above dark ones.
    let row = |at: usize| if at / SIZE < SIZE / 2 { -0.3 } else { 0.3 };
    let mut texels: Vec<[f32; 4]> = (0..FINEST_TEXELS)
        .map(
            |at| if at % SIZE < SIZE / 2 { [row(at), 0.0, 0.0, 1.0] } else { [0.0, 0.0, 0.0, 0.2] },
        )
        .collect();
    complete(&mut texels);
    for (at, texel) in texels.iter().enumerate() {
        assert_eq!(texel[0], row(at), "at {}, {}", at % SIZE, at / SIZE);
    }
    let mut unknown = vec![[0.0; 4]; FINEST_TEXELS];
    complete(&mut unknown);
    assert_eq!(unknown, vec![[0.0; 4]; FINEST_TEXELS], "nothing to fill with");
}

#[test]
fn a_layer_that_no_episode_shows_stays_unknown() {
    assert!(Shown::default().texels(NOON, 0).iter().all(|texel| *texel == [0.0; 4]));
    let mut shown = Shown::default();
    shown.take(candidate(NOON, [0.1; 3], 1.0));
    assert_eq!(shown.texels(NOON, 1), shown.texels(NOON, 0), "there is no second");
    assert!(shown.is_of(NOON) && !shown.is_of(SNOW));
    assert!(
        close(mean(&shown.texels(SNOW, 0)), [0.1; 3]),
        "another style's colour is better than none"
    );
}

/// A wall before the camera, without tint, and its picture in one colour.
fn seen_wall(rgb: [f32; 3], frames: usize, seen: &mut Exemplars) -> usize {
    let bodies = vec![Body {
        id: 1,
        shape: Shape::Cuboid { half_extents_m: Vec3::new(4.0, 4.0, 0.1) },
        world_from_body: Pose::new(Quat::IDENTITY, Vec3::new(0.0, 0.0, -2.0)),
        linear_velocity_m_s: Vec3::ZERO,
        angular_velocity_rad_s: Vec3::ZERO,
        kind: BodyKind::Fixed,
        material: 5,
        tint_srgb: None,
    }];
    let snapshot = ShadowSnapshot { bodies, sun_direction: Vec3::Z, ..ShadowSnapshot::default() };
    let view = ShadowView::new(&snapshot, &StyleWeights::NOON, 64, 64, true);
    let picture: Vec<f32> = (0..64 * 64).flat_map(|_| rgb).collect();
    for _ in 0..frames {
        seen.write(&view.maps, &picture, &view.paint, |_| 1.0);
    }
    usize::from(view.maps.layer[32 * 64 + 32])
}

#[test]
fn a_colour_is_that_of_all_pictures_and_not_of_the_last() {
    let mean = |bright_last: bool| {
        let mut seen = Exemplars::new();
        let (dark, bright) = ([0.2; 3], [0.8; 3]);
        let order = if bright_last { [dark, bright] } else { [bright, dark] };
        let layer = order.map(|rgb| seen_wall(rgb, 8, &mut seen))[0];
        Candidate::new(&mut seen, layer, NOON, 1.0).unwrap().usual.figures.mean[1]
    };
    assert!((mean(true) - mean(false)).abs() < 0.05, "{} and {}", mean(true), mean(false));
}
