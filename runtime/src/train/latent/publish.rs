//! From a training state to a model M that can be played: card, weights of transformer and autoencoder, looks.

use std::path::PathBuf;

use super::dreamer_recipe::DreamerRecipe;
use crate::card::Provenance;
use crate::model::latent::files::{AutoencoderCard, CODER, architecture, autoencoder_weights};
use crate::model::reverie::look::Look;
use crate::train::TrainError;
use crate::train::looks::put_looks;
use crate::train::optimizer::Optimizer;
use crate::train::publish::{averaged, folders, new_card};
use crate::train::state::Ledger;
use crate::weights::{Precision, write_weights};

/// What the names of an autoencoder's scores begin with in a model's card.
pub(crate) const CODEC_SCORES: &str = "codec.";

/// Writes `<name>.safetensors` and `<name>.world.ron` into the recipe's folder; returns the card's path.
///
/// # Errors
/// A file cannot be read or written, or the weights are not finite.
pub fn publish(
    recipe: &DreamerRecipe,
    command: &str,
    size: (u32, u32),
    optimizer: &Optimizer,
    ledger: &Ledger,
    looks: &[Look],
    episodes: usize,
) -> Result<PathBuf, TrainError> {
    let coder = AutoencoderCard::load(&recipe.autoencoder).map_err(TrainError::Model)?;
    let mut weights = averaged(optimizer)?;
    let coder_weights = autoencoder_weights(&recipe.autoencoder).map_err(TrainError::Model)?;
    weights.extend(coder_weights.into_iter().map(|(name, t)| (format!("{CODER}.{name}"), t)));
    put_looks(&mut weights, looks);
    let file = format!("{}.safetensors", recipe.name);
    let sha256 = write_weights(recipe.out.join(&file), &weights, Precision::Bf16)?;
    let provenance = Provenance {
        data: format!("{episodes} episodes from {}", folders(&recipe.data)),
        seed: recipe.seed,
        recipe: ron::ser::to_string_pretty(recipe, Default::default()).unwrap_or_default(),
        command: command.to_owned(),
        device: recipe.device.clone(),
        samples_seen: ledger.samples,
        trained_s: ledger.trained_s,
        commit: String::new(),
    };
    let architecture = architecture(&coder.network, &recipe.network, &recipe.compositor, size);
    let mut card = new_card(&recipe.name, architecture, (file, sha256), looks.len(), provenance);
    for (name, value) in coder.scores {
        card.scores.insert(format!("{CODEC_SCORES}{name}"), value);
    }
    let path = recipe.out.join(format!("{}.world.ron", recipe.name));
    card.save_atomically(&path)?;
    Ok(path)
}
