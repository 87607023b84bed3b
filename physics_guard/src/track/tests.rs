//! The formulas of tracks against what they promise.

use proptest::prelude::*;

use super::*;

proptest! {
    /// A window's acceleration is exact, and its deviation is that of the formula.
    #[test]
    fn a_parabola_gives_its_acceleration(
        a in -20f32..20.0, v in -5f32..5.0, n in 6usize..24, fps in 8f64..60.0, sigma in 0.001f32..0.2,
    ) {
        let at = |i: usize| i as f64 / fps;
        let samples = (0..n).map(|i| {
            let t = at(i) as f32;
            (3.0 + at(i), 1.0 + v * t + 0.5 * a * t * t)
        });
        let fit = Parabola::through(samples, sigma).unwrap();
        prop_assert!((fit.acceleration - a).abs() < 0.05 + 0.02 * a.abs(), "{fit:?} for {a}");
        let formula = (720.0 / (n as f32).powi(5)).sqrt() * sigma * (fps * fps) as f32;
        let ratio = fit.acceleration_sigma / formula;
        prop_assert!((0.9..1.35).contains(&ratio), "{} for {formula}", fit.acceleration_sigma);
    }

    #[test]
    fn a_line_gives_its_rate(v in -9f32..9.0, n in 3usize..24, fps in 8f64..60.0, sigma in 0.001f32..0.2) {
        let samples = (0..n).map(|i| (i as f64 / fps, 2.0 + v * (i as f64 / fps) as f32));
        let fit = Line::through(samples, sigma).unwrap();
        prop_assert!((fit.rate - v).abs() < 0.01, "{fit:?} for {v}");
        let formula = (12.0 / (n as f32).powi(3)).sqrt() * sigma * fps as f32;
        prop_assert!((0.95..1.3).contains(&(fit.rate_sigma / formula)), "{fit:?} for {formula}");
    }

    /// A constant offset seen often enough is believed, and the filter's variance shrinks.
    #[test]
    fn an_offset_is_found(x in -0.5f32..0.5, y in -0.5f32..0.5, yaw in -3f32..3.0) {
        let world_from_camera = Quat::from_rotation_y(yaw);
        let offset_m = Vec3::new(x, y, 0.0);
        let mut filter = Offset::default();
        for _ in 0..60 {
            filter.predict(0.05);
            filter.update(world_from_camera, offset_m, Vec3::new(1e-3, 1e-3, f32::INFINITY));
        }
        prop_assert!(filter.mean_m.distance(world_from_camera * offset_m) < 0.02);
        prop_assert!(filter.variance_m2().x < 2e-3);
    }
}

#[test]
fn what_cannot_be_fitted_is_none() {
    assert_eq!(Line::through([(0.0, 1.0); 5].into_iter(), 0.1), None);
    assert_eq!(Parabola::through([(0.0, 1.0); 9].into_iter(), 0.1), None);
    assert_eq!(Line::through(std::iter::empty(), 0.1), None);
}
