//! Other light, other colours, softer pictures: what an observer must not be led astray by.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::prior::CLASSES;
use super::sample::ObserverSample;

/// Share of classes that are not in view but are allowed all the same: what is allowed need not be there.
const SPARE_CLASSES: f64 = 0.3;

/// A sample as the network gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Augmented {
    /// `height * width * 3`, −1 to 1.
    pub rgb: Vec<f32>,
    /// As [`ObserverSample::class`].
    pub class: Vec<i64>,
    /// As [`ObserverSample::depth_ln`].
    pub depth_ln: Vec<f32>,
    /// As [`ObserverSample::weight`].
    pub weight: Vec<f32>,
    /// One flag a class.
    pub allowed: [f32; CLASSES],
}

/// The sample as it is.
pub fn plain(sample: &ObserverSample) -> Augmented {
    Augmented {
        rgb: sample.rgb.iter().map(|b| f32::from(*b) * (2.0 / 255.0) - 1.0).collect(),
        class: sample.class.iter().map(|c| i64::from(*c)).collect(),
        depth_ln: sample.depth_ln.clone(),
        weight: sample.weight.clone(),
        allowed: sample.allowed(),
    }
}

/// Mirrors, softens and recolours.
pub fn augment(sample: &ObserverSample, width: usize, rng: &mut ChaCha8Rng) -> Augmented {
    let mut out = plain(sample);
    if rng.random_bool(0.5) {
        mirror(&mut out.rgb, 3, width);
        mirror(&mut out.class, 1, width);
        mirror(&mut out.depth_ln, 1, width);
        mirror(&mut out.weight, 1, width);
    }
    for flag in &mut out.allowed {
        if rng.random_bool(SPARE_CLASSES) {
            *flag = 1.0;
        }
    }
    out.rgb.iter_mut().for_each(|v| *v = 0.5 * (*v + 1.0));
    if rng.random_bool(0.5) {
        for _ in 0..rng.random_range(1..=2) {
            soften(&mut out.rgb, width, rng.random_range(0.1..0.9));
        }
    }
    recolour(&mut out.rgb, rng);
    out.rgb.iter_mut().for_each(|v| *v = 2.0 * v.clamp(0.0, 1.0) - 1.0);
    out
}

fn mirror<T>(map: &mut [T], channels: usize, width: usize) {
    for row in map.chunks_exact_mut(channels * width) {
        row.reverse();
        // Channels keep their order.
        row.chunks_exact_mut(channels).for_each(<[T]>::reverse);
    }
}

/// Mixes each pixel with the mean of its four neighbours and itself.
fn soften(rgb: &mut [f32], width: usize, strength: f32) {
    let row = 3 * width;
    if rgb.len() < 2 * row {
        return;
    }
    let before = rgb.to_vec();
    for i in row..rgb.len() - row {
        let cross = before[i - 3] + before[i + 3] + before[i - row] + before[i + row];
        rgb[i] += strength * (0.2 * (cross + before[i]) - before[i]);
    }
}

/// About normal: the sum of four uniform values.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    (0..4).map(|_| rng.random_range(-0.87..0.87f32)).sum()
}

/// Gains, gamma, saturation, hue and noise. `rgb` is 0 to 1.
fn recolour(rgb: &mut [f32], rng: &mut ChaCha8Rng) {
    let gamma = (0.2 * normal(rng)).exp();
    let brightness = (0.2 * normal(rng)).exp();
    let gains: [f32; 3] = std::array::from_fn(|_| brightness * (0.1 * normal(rng)).exp());
    let saturation = rng.random_range(0.5..1.4f32);
    let hue_rad =
        if rng.random_bool(0.15) { rng.random_range(0.0..TAU) } else { 0.25 * normal(rng) };
    let noise = if rng.random_bool(0.5) { rng.random_range(0.0..0.04f32) } else { 0.0 };
    // Turns round the grey axis (Rodrigues), then stretches away from it.
    let (sin, cos) = hue_rad.sin_cos();
    let across = sin / 3f32.sqrt();
    for pixel in rgb.chunks_exact_mut(3) {
        let [r, g, b] = std::array::from_fn(|c| gains[c] * pixel[c].powf(gamma));
        let grey = (r + g + b) / 3.0;
        let turned = [
            cos * r + (1.0 - cos) * grey + across * (b - g),
            cos * g + (1.0 - cos) * grey + across * (r - b),
            cos * b + (1.0 - cos) * grey + across * (g - r),
        ];
        for c in 0..3 {
            pixel[c] = grey + saturation * (turned[c] - grey);
            if noise > 0.0 {
                pixel[c] += noise * rng.random_range(-1.7..1.7f32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::observer::prior::ClassPrior;

    fn sample() -> ObserverSample {
        ObserverSample {
            rgb: (0..4 * 3 * 3).map(|i| (i * 7 % 256) as u8).collect(),
            class: (0..12).map(|i| (i % 5) as u8).collect(),
            depth_ln: (0..12).map(|i| i as f32).collect(),
            weight: vec![1.0; 12],
            prior: ClassPrior::SKY,
        }
    }

    #[test]
    fn labels_turn_with_the_picture_and_all_that_is_seen_is_allowed() {
        let sample = sample();
        let (mut turned, mut kept) = (0, 0);
        for seed in 0..20 {
            let out = augment(&sample, 4, &mut ChaCha8Rng::seed_from_u64(seed));
            let mirrored = out.class[0] == 3;
            let at = |x: usize, y: usize| 4 * y + if mirrored { 3 - x } else { x };
            for y in 0..3 {
                for x in 0..4 {
                    assert_eq!(out.class[4 * y + x], i64::from(sample.class[at(x, y)]));
                    assert_eq!(out.depth_ln[4 * y + x], sample.depth_ln[at(x, y)]);
                }
            }
            assert!(out.class.iter().all(|c| out.allowed[*c as usize] == 1.0));
            assert!(out.rgb.iter().all(|v| (-1.0..=1.0).contains(v)));
            if mirrored { turned += 1 } else { kept += 1 }
        }
        assert!(turned > 3 && kept > 3);
    }
}
