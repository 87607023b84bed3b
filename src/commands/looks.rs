//! `reverie looks`: gives a model the textures of recordings, without any training.

use std::error::Error;
use std::path::PathBuf;

use image::{Rgb, RgbImage};
use indicatif::ProgressBar;
use reverie_kernels::exemplar::{FINEST_TEXELS, LAYERS, SIZE};
use reverie_runtime::files::write_png;
use reverie_runtime::material::MATERIAL_ALBEDO;
use reverie_runtime::model::reverie::look::Look;
use reverie_runtime::paint::linear_to_srgb;
use reverie_runtime::style::STYLE_NAMES;
use reverie_runtime::train::looks::{Dressed, LOOKS_PER_STYLE, dress};
use serde_json::json;

/// Arguments of `reverie looks`.
#[derive(Debug, clap::Args)]
pub struct LooksArgs {
    /// Folders of episodes, of any size: pictures larger than the model's give sharper textures.
    #[arg(long, value_delimiter = ',', default_value = "data/train", value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Card of the model that is dressed; its files stay as they are.
    #[arg(long, default_value = "assets/models/courtyard.world.ron", value_name = "CARD")]
    model: PathBuf,
    /// Folder of the dressed model, and of a picture of its looks.
    #[arg(long, default_value = "runs/looks", value_name = "DIR")]
    out: PathBuf,
    /// Writes what was replaced here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl LooksArgs {
    /// Gathers and writes.
    ///
    /// # Errors
    /// One line for the user.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let bar = ProgressBar::new(100).with_message("reading episodes");
        let dressed = dress(&self.model, &self.data, &self.out, &mut |share| {
            bar.set_position((100.0 * share) as u64);
        })?;
        bar.finish_and_clear();
        let Dressed { card, replaced, looks, has_observer } = &dressed;
        for (style, replaced) in STYLE_NAMES.iter().zip(replaced) {
            match replaced {
                0 => say!("{style}: not seen, as before"),
                _ => say!("{style}: {replaced} of {LAYERS} surfaces from the recordings"),
            }
        }
        let picture = self.out.join("looks.png");
        write_png(&picture, &sheet(looks))
            .map_err(|e| format!("cannot write {}: {e}", picture.display()))?;
        say!("model: {}, its looks: {}", card.display(), picture.display());
        if *has_observer {
            say!(
                "the guard's thresholds are those of before: `reverie guard calibrate` puts them for these pictures"
            );
        }
        if let Some(path) = &self.json {
            super::write_json(path, &json!({ "card": card, "replaced": replaced }))?;
        }
        Ok(())
    }
}

/// The first look of each style, a row each: all materials on their usual colour, sides above what looks up.
fn sheet(looks: &[Look]) -> RgbImage {
    let (columns, rows) = (LAYERS / 2, 2 * STYLE_NAMES.len());
    RgbImage::from_fn((columns * SIZE) as u32, (rows * SIZE) as u32, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let (material, row) = (x / SIZE, y / SIZE);
        let layer = 2 * material + row % 2;
        // Texels lie from the foot of a wall upwards.
        let texel = (SIZE - 1 - y % SIZE) * SIZE + x % SIZE;
        let Some(look) = looks.get(row / 2 * LOOKS_PER_STYLE) else { return Rgb([0; 3]) };
        let detail = look.texels()[layer * FINEST_TEXELS + texel];
        let albedo = MATERIAL_ALBEDO[material];
        Rgb([0, 1, 2].map(|c| {
            let shown =
                if detail[3] > 0.0 { linear_to_srgb(albedo[c]) * detail[c].exp() } else { 0.0 };
            (255.0 * shown.clamp(0.0, 1.0)) as u8
        }))
    })
}
