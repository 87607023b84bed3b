//! Cold start: how good is a world that is invented whole, without a true frame before it?

use image::RgbImage;

use super::clip::Clip;
use super::figures::to_image;
use super::metrics::{gradient_energy, pair_energy};
use super::play::shown_rgb;
use super::report::ColdStart;
use super::run::Loader;
use super::score::ratio;
use super::strip::{Strip, StripRow};
use crate::model::{LoadOptions, ModelError};

/// Worlds that are started.
const MOST_WORLDS: usize = 8;
/// The frame that is compared with the first one: do later frames look alike?
const LATER: usize = 16;

/// Sums and pictures over worlds.
#[derive(Debug, Default)]
pub(super) struct Cold {
    worlds: usize,
    /// Of first and later frame: model and truth.
    energy: [[f64; 2]; 2],
    texture_energy: [[f64; 2]; 2],
    /// Model and truth.
    colourfulness: [f64; 2],
    names: Vec<String>,
    /// Truth, first frame; truth, later frame.
    pictures: [Vec<RgbImage>; 4],
}

impl Cold {
    /// Starts the world of `clip` from nothing but its shadow and a look chosen by `load`'s seed.
    pub(super) fn add(
        &mut self,
        clip: &Clip,
        loader: Loader<'_>,
        load: &LoadOptions,
    ) -> Result<(), ModelError> {
        if self.worlds == MOST_WORLDS {
            return Ok(());
        }
        let load = LoadOptions { seed: load.seed.wrapping_add(self.worlds as u64), ..load.clone() };
        let mut model = loader(&load)?;
        for index in 0..=LATER {
            let rgb = shown_rgb(&model.append_frame(&clip.request(index))?);
            let which = match index {
                0 => 0,
                LATER => 1,
                _ => continue,
            };
            let (width, height) = (clip.width, clip.height);
            let (dreamed, truth) = (&rgb[..], &clip.rgb[index][..]);
            let pairs = clip.same_surface(index);
            for (i, rgb) in [dreamed, truth].into_iter().enumerate() {
                let picture = clip.picture(rgb);
                self.energy[which][i] += gradient_energy(picture, None);
                self.texture_energy[which][i] += pair_energy(picture, &pairs);
                if which == 0 {
                    self.colourfulness[i] += colourfulness(rgb);
                }
            }
            self.pictures[2 * which].push(to_image(width, height, truth));
            self.pictures[2 * which + 1].push(to_image(width, height, dreamed));
        }
        self.worlds += 1;
        self.names.push(clip.name.clone());
        Ok(())
    }

    /// The figures; `None` if no world was started.
    pub(super) fn figures(&self) -> Option<ColdStart> {
        let count = self.worlds as f64;
        (self.worlds > 0).then(|| ColdStart {
            worlds: self.worlds,
            first_sharpness: ratio(self.energy[0]),
            later_sharpness: ratio(self.energy[1]),
            first_texture_sharpness: ratio(self.texture_energy[0]),
            later_texture_sharpness: ratio(self.texture_energy[1]),
            later_frame: LATER,
            colourfulness: self.colourfulness[0] / count,
            true_colourfulness: self.colourfulness[1] / count,
        })
    }

    /// A column for each world; `None` if no world was started.
    pub(super) fn strip(&self) -> Option<Strip> {
        let labels = [
            "truth".to_owned(),
            "first frame".to_owned(),
            "truth".to_owned(),
            format!("frame {LATER}"),
        ];
        let rows = labels
            .into_iter()
            .zip(&self.pictures)
            .map(|(label, pictures)| StripRow { label, pictures: pictures.clone() })
            .collect();
        (self.worlds > 0).then(|| Strip { columns: self.names.clone(), rows, upscale: 2 })
    }
}

/// Hasler and Süsstrunk 2003, on sRGB of 0 to 1: grey is 0, vivid is about 0.4.
fn colourfulness(rgb: &[f32]) -> f64 {
    let count = (rgb.len() / 3).max(1) as f64;
    let (mut sum, mut squares) = ([0.0; 2], [0.0; 2]);
    for pixel in rgb.chunks_exact(3) {
        let [r, g, b] = [0, 1, 2].map(|c| f64::from(pixel[c]));
        for (i, opponent) in [r - g, 0.5 * (r + g) - b].into_iter().enumerate() {
            sum[i] += opponent / count;
            squares[i] += opponent * opponent / count;
        }
    }
    let spread: f64 = (0..2).map(|i| squares[i] - sum[i] * sum[i]).sum();
    let mean: f64 = sum.iter().map(|m| m * m).sum();
    spread.max(0.0).sqrt() + 0.3 * mean.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_has_no_colour_and_mixed_paint_has_more_than_one_hue() {
        let mixed = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]].concat();
        let red = [[1.0, 0.0, 0.0]; 4].concat();
        assert!(colourfulness(&[0.3; 12]) < 1e-6);
        assert!(colourfulness(&mixed) > 2.0 * colourfulness(&red) && colourfulness(&red) > 0.1);
    }
}
