//! The look of a world that was never seen: chosen by seed, or after a prompt picture.
//!
//! Weights come with a few *looks*, exemplars of all materials gathered from training worlds. Without a prompt the seed
//! picks one. A prompt picks the look whose colours are nearest to the picture's, and its palette is then pulled
//! towards them.

use std::path::Path;

use reverie_kernels::exemplar::{Exemplars, LAYER_TEXELS, LAYERS};

use crate::material::MATERIAL_ALBEDO;
use crate::model::ModelError;
use crate::paint::linear_to_srgb;

/// Quantiles of each channel that describe a palette.
const QUANTILES: usize = 9;

/// Picks a look; one without any knowledge if there is none to pick.
///
/// # Errors
/// The prompt is not a readable picture.
pub fn choose(looks: &[Exemplars], seed: u64, prompt: Option<&Path>) -> Result<Exemplars, ModelError> {
    let Some(path) = prompt else {
        return Ok(match looks.len() {
            0 => Exemplars::new(),
            // Neighbouring seeds should not get neighbouring looks in a fixed order.
            n => looks[(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) as usize % n].clone(),
        });
    };
    let picture = image::open(path)
        .map_err(|source| ModelError::Prompt { path: path.to_owned(), source })?
        .thumbnail(64, 64)
        .to_rgb8();
    let pixels: Vec<[f32; 3]> = picture.pixels().map(|p| p.0.map(|b| f32::from(b) / 255.0)).collect();
    let wanted = palette(&pixels);
    let distance = |look: &Exemplars| -> f32 {
        palette(&colours(look)).iter().zip(&wanted).map(|(a, b)| (a - b).powi(2)).sum()
    };
    let nearest = looks.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let mut look = nearest.cloned().unwrap_or_default();
    recolour(&mut look, &wanted);
    Ok(look)
}

/// The mean colour of each layer that is known, as it shows on the class's own albedo in full light.
fn colours(look: &Exemplars) -> Vec<[f32; 3]> {
    (0..LAYERS)
        .filter_map(|layer| {
            let coarsest = look.texels()[(layer + 1) * LAYER_TEXELS - 1];
            let albedo = MATERIAL_ALBEDO[layer / 2];
            (coarsest[3] > 0.0)
                .then(|| std::array::from_fn(|c| (linear_to_srgb(albedo[c]) * coarsest[c].exp()).min(1.0)))
        })
        .collect()
}

/// Quantiles of each channel.
fn palette(pixels: &[[f32; 3]]) -> Vec<f32> {
    (0..3)
        .flat_map(|c| {
            let mut values: Vec<f32> = pixels.iter().map(|p| p[c]).collect();
            values.sort_by(f32::total_cmp);
            let last = values.len().saturating_sub(1);
            (0..QUANTILES)
                .map(|q| values.get(q * last / (QUANTILES - 1)).copied().unwrap_or(0.5))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Shifts the detail of all texels so that the look's median colour comes to lie half-way to the prompt's.
fn recolour(look: &mut Exemplars, wanted: &[f32]) {
    let have = palette(&colours(look));
    let shift: [f32; 3] = std::array::from_fn(|c| {
        let at = c * QUANTILES + QUANTILES / 2;
        (0.5 * ((wanted[at] + 0.05) / (have[at] + 0.05)).ln()).clamp(-0.5, 0.5)
    });
    let texels = look
        .texels()
        .iter()
        .map(|t| [t[0] + shift[0], t[1] + shift[1], t[2] + shift[2], t[3].max(0.5)])
        .collect();
    if let Some(shifted) = Exemplars::from_texels(texels) {
        *look = shifted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(detail: [f32; 3]) -> Exemplars {
        let [r, g, b] = detail;
        Exemplars::from_texels(vec![[r, g, b, 10.0]; LAYERS * LAYER_TEXELS]).unwrap()
    }

    #[test]
    fn a_seed_always_picks_the_same_look() {
        let looks = [look([0.1, 0.0, 0.0]), look([0.0, 0.1, 0.0]), look([0.0, 0.0, 0.1])];
        for seed in 0..20 {
            assert_eq!(choose(&looks, seed, None).unwrap(), choose(&looks, seed, None).unwrap());
        }
        let distinct = (0..20).map(|s| choose(&looks, s, None).unwrap().texels()[0][0] > 0.0);
        assert!(distinct.clone().any(|d| d) && distinct.clone().any(|d| !d));
    }

    #[test]
    fn a_red_prompt_makes_the_look_redder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("red.png");
        image::RgbImage::from_pixel(32, 32, image::Rgb([220, 40, 40])).save(&path).unwrap();
        let plain = look([0.0; 3]);
        let chosen = choose(std::slice::from_ref(&plain), 1, Some(&path)).unwrap();
        assert!(chosen.texels()[0][0] > chosen.texels()[0][1] + 0.1);
    }

    #[test]
    fn a_prompt_that_is_no_picture_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text.png");
        std::fs::write(&path, "not a picture").unwrap();
        let line = choose(&[], 1, Some(&path)).unwrap_err().to_string();
        assert!(line.contains("text.png") && line.lines().count() == 1, "{line}");
    }
}
