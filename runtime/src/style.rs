//! Weather and time of day, and the light that they mean for shadow paint.

use glam::Vec3;
use serde::{Deserialize, Serialize};

/// Names of the styles, in the order of [`StyleWeights`].
pub const STYLE_NAMES: [&str; 5] = ["noon", "dusk", "night", "fog", "snow"];

/// Weights over [`STYLE_NAMES`]; not negative, sum 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StyleWeights(pub [f32; STYLE_NAMES.len()]);

impl Default for StyleWeights {
    fn default() -> Self {
        Self::NOON
    }
}

impl StyleWeights {
    /// Clear noon.
    pub const NOON: Self = Self([1.0, 0.0, 0.0, 0.0, 0.0]);

    /// One pure style by name, or `None` for a name not in [`STYLE_NAMES`].
    pub fn pure(name: &str) -> Option<Self> {
        let index = STYLE_NAMES.iter().position(|n| *n == name)?;
        let mut weights = [0.0; STYLE_NAMES.len()];
        weights[index] = 1.0;
        Some(Self(weights))
    }

    /// Negative and non-finite weights become 0, the rest sums to 1; noon if nothing is left.
    pub fn normalized(self) -> Self {
        let clean = self.0.map(|w| if w.is_finite() { w.max(0.0) } else { 0.0 });
        let sum: f32 = clean.iter().sum();
        if sum <= 1e-6 { Self::NOON } else { Self(clean.map(|w| w / sum)) }
    }

    /// Sum of the differences of normalised weights, 0 (the same) to 2 (nothing in common).
    pub fn distance(&self, other: &Self) -> f32 {
        let (a, b) = (self.normalized().0, other.normalized().0);
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
    }

    /// The light of the blend: each style's light, weighed.
    pub fn light(&self) -> PaintLight {
        let mut light = PaintLight::BLACK;
        for (weight, style) in self.normalized().0.iter().zip(&STYLE_LIGHTS) {
            light.sun_rgb += *weight * style.sun_rgb;
            light.ambient_rgb += *weight * style.ambient_rgb;
            light.zenith_rgb += *weight * style.zenith_rgb;
            light.horizon_rgb += *weight * style.horizon_rgb;
            light.fog_per_m += *weight * style.fog_per_m;
            light.snow += *weight * style.snow;
        }
        light
    }
}

/// Light as shadow paint knows it. Colours are linear RGB, white surface in full light ≈ 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PaintLight {
    /// Of a white surface that faces the sun.
    pub sun_rgb: Vec3,
    /// Of a white surface in the shade.
    pub ambient_rgb: Vec3,
    /// Sky overhead.
    pub zenith_rgb: Vec3,
    /// Sky at the horizon, and the colour of the fog.
    pub horizon_rgb: Vec3,
    /// Share of light lost per metre is 1 − exp(−this).
    pub fog_per_m: f32,
    /// Share of a level surface that lies under snow; see [`under_snow`](reverie_kernels::present::under_snow).
    pub snow: f32,
}

impl PaintLight {
    const BLACK: Self = Self {
        sun_rgb: Vec3::ZERO,
        ambient_rgb: Vec3::ZERO,
        zenith_rgb: Vec3::ZERO,
        horizon_rgb: Vec3::ZERO,
        fog_per_m: 0.0,
        snow: 0.0,
    };
}

/// In the order of [`STYLE_NAMES`].
const STYLE_LIGHTS: [PaintLight; STYLE_NAMES.len()] = [
    PaintLight {
        sun_rgb: Vec3::new(0.85, 0.78, 0.65),
        ambient_rgb: Vec3::new(0.26, 0.30, 0.36),
        zenith_rgb: Vec3::new(0.15, 0.36, 0.75),
        horizon_rgb: Vec3::new(0.60, 0.75, 0.90),
        fog_per_m: 0.002,
        snow: 0.0,
    },
    PaintLight {
        sun_rgb: Vec3::new(0.80, 0.42, 0.20),
        ambient_rgb: Vec3::new(0.20, 0.19, 0.26),
        zenith_rgb: Vec3::new(0.13, 0.15, 0.36),
        horizon_rgb: Vec3::new(0.85, 0.45, 0.25),
        fog_per_m: 0.006,
        snow: 0.0,
    },
    PaintLight {
        sun_rgb: Vec3::new(0.13, 0.17, 0.28),
        ambient_rgb: Vec3::new(0.08, 0.10, 0.17),
        zenith_rgb: Vec3::new(0.008, 0.012, 0.035),
        horizon_rgb: Vec3::new(0.03, 0.04, 0.08),
        fog_per_m: 0.004,
        snow: 0.0,
    },
    PaintLight {
        sun_rgb: Vec3::new(0.15, 0.15, 0.15),
        ambient_rgb: Vec3::new(0.40, 0.42, 0.44),
        zenith_rgb: Vec3::new(0.45, 0.48, 0.50),
        horizon_rgb: Vec3::new(0.52, 0.54, 0.56),
        fog_per_m: 0.055,
        snow: 0.0,
    },
    PaintLight {
        sun_rgb: Vec3::new(0.50, 0.50, 0.50),
        ambient_rgb: Vec3::new(0.38, 0.42, 0.50),
        zenith_rgb: Vec3::new(0.42, 0.48, 0.58),
        horizon_rgb: Vec3::new(0.65, 0.68, 0.73),
        fog_per_m: 0.015,
        snow: 0.9,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blends_are_weighed_means() {
        let half = StyleWeights([1.0, 0.0, 1.0, 0.0, 0.0]);
        let (noon, night) =
            (StyleWeights::NOON.light(), StyleWeights::pure("night").unwrap().light());
        assert!((half.light().sun_rgb - 0.5 * (noon.sun_rgb + night.sun_rgb)).length() < 1e-6);
    }

    #[test]
    fn nonsense_weights_mean_noon() {
        assert_eq!(StyleWeights([f32::NAN, -1.0, 0.0, 0.0, 0.0]).normalized(), StyleWeights::NOON);
        assert_eq!(StyleWeights::pure("tuesday"), None);
    }
}
