//! The colours of one courtyard: a hand-picked range per class of material, drawn anew per layout.

use bevy::color::{Color, ColorToComponents, Oklcha, Srgba};
use rand::Rng;
use reverie_runtime::material::MATERIAL_NAMES;
use serde::{Deserialize, Serialize};

/// Lightness, chroma and hue (degrees) from–to in OKLCH.
type Range = [(f32, f32); 3];

/// Per class of [`MATERIAL_NAMES`], the families of colour that suit it.
const FAMILIES: [&[Range]; MATERIAL_NAMES.len()] = [
    &[[(0.60, 0.78), (0.02, 0.08), (0.0, 360.0)]],
    &[[(0.56, 0.66), (0.09, 0.13), (118.0, 138.0)], [(0.56, 0.66), (0.08, 0.11), (103.0, 116.0)]],
    &[
        [(0.66, 0.80), (0.015, 0.045), (55.0, 92.0)],
        [(0.56, 0.68), (0.010, 0.025), (230.0, 280.0)],
        [(0.66, 0.74), (0.04, 0.06), (35.0, 55.0)],
    ],
    &[
        [(0.62, 0.76), (0.015, 0.04), (65.0, 92.0)],
        [(0.54, 0.66), (0.012, 0.03), (235.0, 285.0)],
        [(0.74, 0.84), (0.05, 0.08), (72.0, 88.0)],
    ],
    &[
        [(0.54, 0.62), (0.10, 0.135), (34.0, 46.0)],
        [(0.66, 0.75), (0.06, 0.09), (52.0, 70.0)],
        [(0.46, 0.54), (0.07, 0.10), (24.0, 36.0)],
        [(0.78, 0.86), (0.02, 0.04), (70.0, 95.0)],
    ],
    &[
        [(0.86, 0.94), (0.025, 0.06), (78.0, 95.0)],
        [(0.76, 0.84), (0.07, 0.10), (45.0, 62.0)],
        [(0.78, 0.86), (0.035, 0.06), (215.0, 245.0)],
        [(0.78, 0.86), (0.045, 0.07), (130.0, 150.0)],
        [(0.80, 0.87), (0.09, 0.12), (80.0, 90.0)],
    ],
    &[
        [(0.86, 0.94), (0.006, 0.02), (60.0, 100.0)],
        [(0.64, 0.74), (0.035, 0.06), (150.0, 172.0)],
        [(0.72, 0.82), (0.04, 0.06), (22.0, 42.0)],
        [(0.40, 0.48), (0.01, 0.03), (250.0, 290.0)],
    ],
    &[[(0.50, 0.64), (0.06, 0.10), (56.0, 72.0)], [(0.64, 0.72), (0.015, 0.03), (65.0, 90.0)]],
    &[
        [(0.62, 0.76), (0.08, 0.12), (62.0, 80.0)],
        [(0.58, 0.68), (0.08, 0.11), (195.0, 250.0)],
        [(0.56, 0.66), (0.12, 0.15), (25.0, 45.0)],
        [(0.60, 0.70), (0.08, 0.11), (140.0, 165.0)],
    ],
    &[[(0.44, 0.58), (0.008, 0.025), (230.0, 280.0)], [(0.48, 0.58), (0.05, 0.075), (50.0, 64.0)]],
    &[[(0.62, 0.76), (0.13, 0.18), (0.0, 360.0)]],
    &[
        [(0.84, 0.90), (0.13, 0.16), (78.0, 95.0)],
        [(0.82, 0.88), (0.10, 0.13), (185.0, 215.0)],
        [(0.76, 0.82), (0.13, 0.16), (335.0, 360.0)],
    ],
    &[[(0.84, 0.90), (0.09, 0.13), (65.0, 85.0)]],
    &[
        [(0.58, 0.66), (0.10, 0.135), (32.0, 46.0)],
        [(0.54, 0.66), (0.08, 0.11), (185.0, 250.0)],
        [(0.80, 0.88), (0.02, 0.04), (80.0, 100.0)],
    ],
    &[[(0.46, 0.58), (0.09, 0.125), (126.0, 148.0)]],
    &[
        [(0.46, 0.58), (0.10, 0.14), (20.0, 36.0)],
        [(0.44, 0.56), (0.08, 0.11), (235.0, 262.0)],
        [(0.46, 0.58), (0.07, 0.10), (150.0, 185.0)],
        [(0.74, 0.82), (0.10, 0.13), (78.0, 92.0)],
        [(0.46, 0.56), (0.06, 0.09), (52.0, 66.0)],
    ],
];

/// Lightness, chroma, hue: how far a body may stray from its class's colour.
const SPREAD: [(f32, f32, f32); MATERIAL_NAMES.len()] = [
    (0.08, 0.02, 60.0),
    (0.02, 0.01, 4.0),
    (0.04, 0.01, 6.0),
    (0.04, 0.01, 6.0),
    (0.04, 0.015, 5.0),
    (0.03, 0.015, 8.0),
    (0.03, 0.005, 6.0),
    (0.05, 0.015, 6.0),
    (0.06, 0.02, 8.0),
    (0.04, 0.005, 8.0),
    (0.06, 0.02, 180.0),
    (0.02, 0.01, 6.0),
    (0.02, 0.01, 4.0),
    (0.04, 0.015, 5.0),
    (0.04, 0.015, 6.0),
    (0.05, 0.02, 12.0),
];

/// One colour per class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Palette {
    /// Lightness 0–1, chroma, hue in degrees, in the order of [`MATERIAL_NAMES`].
    pub oklch: [[f32; 3]; MATERIAL_NAMES.len()],
}

impl Palette {
    /// Draws a family per class, and a colour from it.
    pub fn random(rng: &mut impl Rng) -> Self {
        Self {
            oklch: FAMILIES.map(|families| {
                let family = families[rng.random_range(0..families.len())];
                family.map(|(low, high)| rng.random_range(low..=high))
            }),
        }
    }

    /// The tint of one more body of the class: near the class's colour, sRGB 0 to 1.
    pub fn tint_srgb(&self, class: u8, rng: &mut impl Rng) -> [f32; 3] {
        let class = usize::from(class).min(MATERIAL_NAMES.len() - 1);
        let [lightness, chroma, hue] = self.oklch[class];
        let (dl, dc, dh) = SPREAD[class];
        oklch_to_srgb([
            (lightness + rng.random_range(-dl..=dl)).clamp(0.05, 0.96),
            (chroma + rng.random_range(-dc..=dc)).max(0.0),
            hue + rng.random_range(-dh..=dh),
        ])
    }
}

fn oklch_to_srgb([lightness, chroma, hue_deg]: [f32; 3]) -> [f32; 3] {
    let color = Srgba::from(Oklcha::new(lightness, chroma, hue_deg.rem_euclid(360.0), 1.0));
    [color.red, color.green, color.blue].map(|c| c.clamp(0.0, 1.0))
}

/// sRGB 0 to 1 to linear RGB.
pub fn linear(srgb: [f32; 3]) -> [f32; 3] {
    Color::srgb_from_array(srgb).to_linear().to_f32_array_no_alpha()
}
