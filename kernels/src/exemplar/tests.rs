use super::*;

/// A wall of `n` pixels across one period, seen at the finest level.
fn maps(n: usize, layer: u8, footprint: f32) -> ShadowMaps {
    ShadowMaps {
        width: n,
        height: 1,
        uv: (0..n).map(|i| [(i as f32 + 0.5) / n as f32, 0.5 / SIZE as f32]).collect(),
        layer: vec![layer; n],
        footprint: vec![footprint; n],
        sun_visibility: vec![1.0; n],
        ..Default::default()
    }
}

fn stripes(n: usize) -> Vec<f32> {
    (0..n).flat_map(|i| [if i % 8 < 4 { 0.3 } else { 0.7 }; 3]).collect()
}

#[test]
fn what_was_written_is_read_under_another_light() {
    let maps = maps(SIZE, 6, 0.5 / SIZE as f32);
    let (mut exemplars, paint) = (Exemplars::new(), vec![0.5; 3 * SIZE]);
    for _ in 0..40 {
        exemplars.write(&maps, &stripes(SIZE), &paint, |_| 1.0);
    }
    let dim = vec![0.25; 3 * SIZE];
    let (mut rgb, mut confidence) = (vec![0.0; 3 * SIZE], vec![0.0; SIZE]);
    exemplars.read(&maps, &dim, &mut rgb, &mut confidence);
    for pixel in 0..SIZE {
        let expected = (stripes(SIZE)[3 * pixel] + DARK) / (0.5 + DARK) * (0.25 + DARK) - DARK;
        assert!(
            (rgb[3 * pixel] - expected).abs() < 0.02,
            "pixel {pixel}: {} {expected}",
            rgb[3 * pixel]
        );
        assert!(confidence[pixel] > 0.8);
    }
}

#[test]
fn an_unseen_texel_takes_the_mean_of_its_material() {
    let mut exemplars = Exemplars::new();
    let mut seen = maps(SIZE, 6, 0.5 / SIZE as f32);
    seen.uv.iter_mut().for_each(|uv| uv[0] *= 0.5);
    for _ in 0..40 {
        exemplars.write(&seen, &vec![0.7; 3 * SIZE], &vec![0.5; 3 * SIZE], |_| 1.0);
    }
    let all = maps(SIZE, 6, 0.5 / SIZE as f32);
    let (mut rgb, mut confidence) = (vec![0.0; 3 * SIZE], vec![0.0; SIZE]);
    exemplars.read(&all, &vec![0.5; 3 * SIZE], &mut rgb, &mut confidence);
    let last = SIZE - 6;
    assert!((rgb[3 * last] - 0.7).abs() < 0.03, "{}", rgb[3 * last]);
    assert!(confidence[last] < confidence[4]);
}

#[test]
fn other_materials_and_the_sky_keep_the_paint() {
    let mut exemplars = Exemplars::new();
    let brick = maps(SIZE, 6, 0.01);
    exemplars.write(&brick, &stripes(SIZE), &vec![0.5; 3 * SIZE], |_| 1.0);
    for layer in [8, 255] {
        let other = maps(SIZE, layer, 0.01);
        let (mut rgb, mut confidence) = (vec![0.0; 3 * SIZE], vec![1.0; SIZE]);
        exemplars.read(&other, &vec![0.5; 3 * SIZE], &mut rgb, &mut confidence);
        assert!(rgb.iter().all(|v| (v - 0.5).abs() < 1e-5) && confidence.iter().all(|c| *c == 0.0));
    }
}

#[test]
fn damaged_texels_are_refused() {
    assert!(Exemplars::from_finest(&[[0.0; 4]; 3]).is_none());
    let mut texels = vec![[0.0; 4]; LAYERS * FINEST_TEXELS];
    assert!(Exemplars::from_finest(&texels).is_some());
    texels[5][1] = f32::NAN;
    assert!(Exemplars::from_finest(&texels).is_none());
}

#[test]
fn the_finest_level_alone_brings_all_levels_back() {
    let seen = maps(SIZE, 6, 0.5 / SIZE as f32);
    let mut exemplars = Exemplars::new();
    for _ in 0..40 {
        exemplars.write(&seen, &stripes(SIZE), &[0.5; 3 * SIZE], |_| 1.0);
    }
    let finest: Vec<[f32; 4]> = (0..LAYERS)
        .flat_map(|layer| exemplars.filled(layer, 0).to_vec())
        .map(|[r, g, b, confidence]| [r, g, b, 8.0 * confidence])
        .collect();
    let mut again = Exemplars::from_finest(&finest).unwrap();
    for footprint in [0.5 / SIZE as f32, 4.0 / SIZE as f32, 1.0] {
        let view = maps(SIZE, 6, footprint);
        let read = |from: &mut Exemplars| {
            let (mut rgb, mut confidence) = (vec![0.0; 3 * SIZE], vec![0.0; SIZE]);
            from.read(&view, &[0.5; 3 * SIZE], &mut rgb, &mut confidence);
            rgb
        };
        let (before, after) = (read(&mut exemplars), read(&mut again));
        for (a, b) in before.iter().zip(&after) {
            assert!((a - b).abs() < 0.03, "{a} {b} at footprint {footprint}");
        }
    }
    assert_eq!(again.mean(8), [0.0; 4]);
}

/// Stripes of four texels in layer 6, bright and dark by `contrast`.
fn striped(contrast: f32) -> Exemplars {
    let mut texels = vec![[0.0; 4]; LAYERS * FINEST_TEXELS];
    for (i, texel) in texels[6 * FINEST_TEXELS..7 * FINEST_TEXELS].iter_mut().enumerate() {
        let value = if i % 8 < 4 { contrast } else { -contrast };
        *texel = [value, value, value, 100.0];
    }
    Exemplars::from_finest(&texels).unwrap()
}

#[test]
fn grain_fills_what_was_only_seen_from_afar_about_its_own_colour() {
    let grain = Grain::new(&mut striped(0.3), &[0.5; LAYERS]);
    let mut exemplars = Exemplars::new();
    // Seen from so far that a pixel covers eight texels, which hides the stripes.
    let afar = maps(SIZE, 6, 8.0 / SIZE as f32);
    for _ in 0..200 {
        exemplars.write(&afar, &vec![0.7; 3 * SIZE], &vec![0.5; 3 * SIZE], |_| 1.0);
    }
    let near = |filled: Filled, texel: usize| filled.level(6, 0)[texel][0];
    let expected = ((0.7 + DARK) / (0.5 + DARK)).ln();
    let flat = exemplars.all_filled();
    assert!((near(flat, 2) - expected).abs() < 0.05 && (near(flat, 6) - expected).abs() < 0.05);
    let grained = exemplars.all_grained(&grain);
    let (bright, dark) = (near(grained, 2), near(grained, 6));
    assert!((bright - dark - 0.3).abs() < 0.03, "{bright} {dark}");
    assert!((0.5 * (bright + dark) - expected).abs() < 0.05, "{bright} {dark}");
}

#[test]
fn grain_leaves_what_was_seen_closely() {
    let grain = Grain::new(&mut striped(0.3), &[1.0; LAYERS]);
    let mut seen = striped(-0.2);
    let flat = seen.all_filled().level(6, 0).to_vec();
    let grained = seen.all_grained(&grain).level(6, 0);
    for (a, b) in flat.iter().zip(grained) {
        assert!((a[0] - b[0]).abs() < 0.01, "{} {}", a[0], b[0]);
    }
}

#[test]
fn what_is_written_later_takes_the_place_of_grain() {
    let grain = Grain::new(&mut striped(0.3), &[1.0; LAYERS]);
    let mut exemplars = Exemplars::new();
    assert!(exemplars.all_grained(&grain).level(6, 0)[2][0] > 0.2);
    let close = maps(SIZE, 6, 0.5 / SIZE as f32);
    for _ in 0..100 {
        exemplars.write(&close, &[0.5; 3 * SIZE], &[0.5; 3 * SIZE], |_| 1.0);
    }
    assert!(exemplars.all_grained(&grain).level(6, 0)[2][0].abs() < 0.02);
}

#[test]
fn contrast_is_that_of_neighbours() {
    // Two of eight steps to the right change by 0.4, none upwards.
    let expected = (0.25f32 * 0.4 * 0.4).sqrt();
    let mut stripes = striped(0.2);
    assert!((contrast(stripes.filled(6, 0)) - expected).abs() < 0.01);
    // What was not seen has no contrast to anything.
    let mut halves = stripes.filled(6, 0).to_vec();
    halves.iter_mut().enumerate().filter(|(i, _)| i % 8 < 4).for_each(|(_, t)| t[3] = 0.0);
    assert!(contrast(&halves) < 0.01);
    assert_eq!(contrast(&[]), 0.0);
}

#[test]
fn a_band_is_the_difference_of_two_footprints() {
    let mut exemplars = striped(0.3);
    let value = |exemplars: &Exemplars, footprint: f32, uv: [f32; 2]| {
        value_at(&exemplars.filled[6 * LAYER_TEXELS..7 * LAYER_TEXELS], footprint, uv)
    };
    exemplars.all_filled();
    for i in 0..200 {
        let footprint = 0.004 * 1.05f32.powi(i);
        let uv = [0.37 * i as f32, 0.11 * i as f32];
        for times in [1.0, 1.01, 1.7, 3.0, 8.0, 300.0] {
            let (fine, coarse) =
                (value(&exemplars, footprint, uv), value(&exemplars, footprint * times, uv));
            let band = exemplars.all_filled().band(6, footprint, times, uv);
            assert!((band[0] - (fine[0] - coarse[0])).abs() < 1e-5, "{footprint} {times}");
        }
    }
}
