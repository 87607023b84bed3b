//! The look of a world that was never seen: put together by style and seed, or after a prompt picture.
//!
//! Weights come with a few *looks* for each style: the finest texels of all materials, gathered from training worlds.
//! Without a prompt the seed picks one for each material. A prompt picks the look whose colours are nearest to the
//! picture's, and its palette is then pulled towards them.

use std::path::Path;

use reverie_kernels::exemplar::{Exemplars, FINEST_TEXELS, Grain, LAYERS, contrast};

use crate::material::MATERIAL_ALBEDO;
use crate::model::ModelError;
use crate::paint::linear_to_srgb;
use crate::style::{STYLE_NAMES, StyleWeights};

/// A look says how a material is textured if its texels have this weight in the mean.
const WELL_SEEN: f32 = 1.2;
/// Weather hides texture. So a material has the contrast that this share of its looks stays below.
const CLEAR_SHARE: f32 = 0.75;
/// A look of less contrast than this share of a material's is too faint to be raised to it.
const TOO_FAINT: f32 = 0.5;

/// Quantiles of each channel that describe a palette.
const QUANTILES: usize = 9;

/// One look: detail (log-ratio, RGB) and weight of the finest texels, layer by layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Look(Vec<[f32; 4]>);

impl Look {
    /// `LAYERS * FINEST_TEXELS` texels; `None` if the length or a value is wrong.
    pub fn new(texels: Vec<[f32; 4]>) -> Option<Self> {
        Exemplars::from_finest(&texels).map(|_| Self(texels))
    }

    /// Knows no material.
    pub fn unknown() -> Self {
        Self(vec![[0.0; 4]; LAYERS * FINEST_TEXELS])
    }

    /// As given.
    pub fn texels(&self) -> &[[f32; 4]] {
        &self.0
    }

    fn layer(&self, layer: usize) -> &[[f32; 4]] {
        &self.0[layer * FINEST_TEXELS..(layer + 1) * FINEST_TEXELS]
    }

    /// Takes over one layer of `other`.
    pub(crate) fn take(&mut self, layer: usize, other: &Self) {
        let texels = layer * FINEST_TEXELS..(layer + 1) * FINEST_TEXELS;
        self.0[texels].copy_from_slice(other.layer(layer));
    }

    fn contrast(&self, layer: usize) -> f32 {
        contrast(self.layer(layer))
    }

    /// Whether anything of the layer was seen.
    pub(crate) fn knows(&self, layer: usize) -> bool {
        self.layer(layer).iter().any(|t| t[3] > 0.0)
    }
}

/// The looks of a model and what chooses among them.
#[derive(Debug, Clone, Default)]
pub struct Looks {
    /// As many for each style, style by style.
    all: Vec<Look>,
    seed: u64,
    /// Quantiles of the prompt's colours.
    palette: Option<Vec<f32>>,
}

impl Looks {
    /// Takes over a model's looks and reads the prompt.
    ///
    /// # Errors
    /// The prompt is not a readable picture.
    pub fn new(all: Vec<Look>, seed: u64, prompt: Option<&Path>) -> Result<Self, ModelError> {
        let palette = prompt.map(read_palette).transpose()?;
        Ok(Self { all, seed, palette })
    }

    /// The look of a fresh world in this weather; one without any knowledge if there is none to pick.
    pub fn choose(&self, style: &StyleWeights) -> Exemplars {
        let per_style = self.all.len() / STYLE_NAMES.len();
        let weights = style.normalized().0;
        let strongest =
            (0..weights.len()).max_by(|a, b| weights[*a].total_cmp(&weights[*b])).unwrap_or(0);
        let looks = &self.all[strongest * per_style..(strongest + 1) * per_style];
        let texels = match &self.palette {
            None => mix(looks, self.seed),
            Some(wanted) => {
                let distance = |look: &&Look| -> f32 {
                    let have = Exemplars::from_finest(look.texels()).unwrap_or_default();
                    palette(&colours(&have)).iter().zip(wanted).map(|(a, b)| (a - b).powi(2)).sum()
                };
                let nearest = looks.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
                nearest.map(|look| recoloured(look, wanted)).unwrap_or_default()
            }
        };
        Exemplars::from_finest(&texels).unwrap_or_default()
    }
}

/// A texture for each layer that some look shows well, whatever the weather of the look; the seed picks.
pub fn grain_of(looks: &[Look], seed: u64) -> Grain {
    let mut picked = vec![[0.0; 4]; LAYERS * FINEST_TEXELS];
    let mut scale = [0.0; LAYERS];
    for layer in 0..LAYERS {
        let weight = |look: &&Look| look.layer(layer).iter().map(|t| t[3]).sum::<f32>();
        let seen = looks.iter().filter(|look| weight(look) >= WELL_SEEN * FINEST_TEXELS as f32);
        let mut seen: Vec<(f32, &Look)> = seen.map(|look| (look.contrast(layer), look)).collect();
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some((usual, _)) = seen.get((CLEAR_SHARE * seen.len() as f32) as usize) else {
            continue;
        };
        let usual = *usual;
        seen.retain(|(contrast, _)| *contrast > 0.0 && *contrast >= TOO_FAINT * usual);
        if let Some((contrast, look)) = seen.get(pick(seed, layer) % seen.len().max(1)) {
            scale[layer] = usual / contrast;
            picked[layer * FINEST_TEXELS..(layer + 1) * FINEST_TEXELS]
                .copy_from_slice(look.layer(layer));
        }
    }
    let mut picked = Exemplars::from_finest(&picked).unwrap_or_default();
    Grain::new(&mut picked, &scale)
}

/// A large number for the material of `layer`. Neighbouring seeds differ in no fixed order.
fn pick(seed: u64, layer: usize) -> usize {
    let hash = (seed ^ (layer as u64 / 2).wrapping_mul(0xA24B_AED4_963E_E407))
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (hash >> 33) as usize
}

/// Takes each material from one of the looks that know it, by `seed`.
fn mix(looks: &[Look], seed: u64) -> Vec<[f32; 4]> {
    if looks.is_empty() {
        return Vec::new();
    }
    (0..LAYERS)
        .flat_map(|layer| {
            let knowing: Vec<&Look> = looks.iter().filter(|look| look.knows(layer)).collect();
            // Both layers of a material come from one look if they can.
            let chosen = knowing.get(pick(seed, layer) % knowing.len().max(1));
            chosen.unwrap_or(&&looks[0]).layer(layer)
        })
        .copied()
        .collect()
}

fn read_palette(path: &Path) -> Result<Vec<f32>, ModelError> {
    let picture = image::open(path)
        .map_err(|source| ModelError::Prompt { path: path.to_owned(), source })?
        .thumbnail(64, 64)
        .to_rgb8();
    let pixels: Vec<[f32; 3]> =
        picture.pixels().map(|p| p.0.map(|b| f32::from(b) / 255.0)).collect();
    Ok(palette(&pixels))
}

/// The mean colour of each layer that is known, as it shows on the class's own albedo in full light.
fn colours(look: &Exemplars) -> Vec<[f32; 3]> {
    (0..LAYERS)
        .filter_map(|layer| {
            let coarsest = look.mean(layer);
            let albedo = MATERIAL_ALBEDO[layer / 2];
            (coarsest[3] > 0.0).then(|| {
                std::array::from_fn(|c| (linear_to_srgb(albedo[c]) * coarsest[c].exp()).min(1.0))
            })
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

/// The detail of all texels shifted so that the look's median colour comes to lie half-way to the prompt's.
fn recoloured(look: &Look, wanted: &[f32]) -> Vec<[f32; 4]> {
    let have = palette(&colours(&Exemplars::from_finest(look.texels()).unwrap_or_default()));
    let shift: [f32; 3] = std::array::from_fn(|c| {
        let at = c * QUANTILES + QUANTILES / 2;
        (0.5 * ((wanted[at] + 0.05) / (have[at] + 0.05)).ln()).clamp(-0.5, 0.5)
    });
    look.texels()
        .iter()
        .map(|t| [t[0] + shift[0], t[1] + shift[1], t[2] + shift[2], t[3].max(0.5)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(detail: [f32; 3]) -> Look {
        let [r, g, b] = detail;
        Look::new(vec![[r, g, b, 10.0]; LAYERS * FINEST_TEXELS]).unwrap()
    }

    /// Two looks a style; red is the style, green the look.
    fn looks() -> Vec<Look> {
        (0..10).map(|i| look([0.1 * (i / 2) as f32, 0.1 * (i % 2) as f32, 0.0])).collect()
    }

    #[test]
    fn a_seed_always_picks_the_same_look_and_seeds_differ() {
        let green = |seed| {
            let looks = Looks::new(looks(), seed, None).unwrap();
            looks.choose(&StyleWeights::NOON).mean(0)[1]
        };
        assert!((0..20).all(|seed| green(seed) == green(seed)));
        assert!((0..20).any(|seed| green(seed) > 0.0) && (0..20).any(|seed| green(seed) == 0.0));
    }

    #[test]
    fn materials_are_picked_apart_and_only_from_looks_that_know_them() {
        let mut looks = looks();
        for texel in &mut looks[0].0[6 * FINEST_TEXELS..8 * FINEST_TEXELS] {
            *texel = [0.0; 4];
        }
        let worlds: Vec<Exemplars> = (0..30)
            .map(|seed| Looks::new(looks.clone(), seed, None).unwrap().choose(&StyleWeights::NOON))
            .collect();
        assert!(worlds.iter().all(|world| world.mean(6)[1] > 0.05), "the look that knows it");
        assert!(
            worlds.iter().any(|w| (w.mean(0)[1] - w.mean(2)[1]).abs() > 0.05),
            "both looks in one"
        );
        assert!(worlds.iter().all(|w| w.mean(0) == w.mean(1)), "a material comes from one look");
    }

    #[test]
    fn snow_has_looks_of_its_own() {
        let looks = Looks::new(looks(), 1, None).unwrap();
        let red = |name| looks.choose(&StyleWeights::pure(name).unwrap()).mean(0)[0];
        assert!(red("noon").abs() < 1e-6 && (red("snow") - 0.4).abs() < 1e-6);
    }

    #[test]
    fn a_red_prompt_makes_the_look_redder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("red.png");
        image::RgbImage::from_pixel(32, 32, image::Rgb([220, 40, 40])).save(&path).unwrap();
        let plain = vec![look([0.0; 3]); 5];
        let chosen = Looks::new(plain, 1, Some(&path)).unwrap().choose(&StyleWeights::NOON);
        assert!(chosen.mean(0)[0] > chosen.mean(0)[1] + 0.1);
    }

    #[test]
    fn a_prompt_that_is_no_picture_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text.png");
        std::fs::write(&path, "not a picture").unwrap();
        let line = Looks::new(vec![], 1, Some(&path)).unwrap_err().to_string();
        assert!(line.contains("text.png") && line.lines().count() == 1, "{line}");
    }

    #[test]
    fn without_looks_nothing_is_known() {
        let looks = Looks::new(vec![], 1, None).unwrap();
        assert_eq!(looks.choose(&StyleWeights::NOON), Exemplars::new());
    }
}
