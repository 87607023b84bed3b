//! From a training state to a model that can be shipped: card and weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::looks::put_looks;
use super::optimizer::Optimizer;
use super::recipe::Recipe;
use super::state::Ledger;
use super::trainer::TrainError;
use crate::card::{Architecture, CARD_VERSION, ModelCard, Provenance, Sampler};
use crate::condition::CHANNEL_NAMES;
use crate::material::MATERIAL_NAMES;
use crate::model::reverie::files::architecture;
use crate::model::reverie::look::Look;
use crate::request::ACTION_AXES;
use crate::style::STYLE_NAMES;
use crate::weights::{Precision, WeightTensor, Weights, write_weights};

/// Noise level that the model is told of in play: its own past is never perfect.
const CONTEXT_NOISE: f32 = 0.15;
/// What [`Sampler::grain`] a new model begins with.
const GRAIN: f32 = 1.0;

/// Writes `<name>.safetensors` and `<name>.world.ron` into the recipe's folder; returns the card's path.
///
/// # Errors
/// A file cannot be written, or the weights are not finite.
pub fn publish(
    recipe: &Recipe,
    command: &str,
    size: (u32, u32),
    optimizer: &Optimizer,
    ledger: &Ledger,
    looks: &[Look],
    episodes: usize,
) -> Result<PathBuf, TrainError> {
    let mut weights = averaged(optimizer)?;
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
    let architecture = architecture(&recipe.network, size.0, size.1);
    let card = new_card(&recipe.name, architecture, (file, sha256), looks.len(), provenance);
    let path = recipe.out.join(format!("{}.world.ron", recipe.name));
    card.save_atomically(&path)?;
    Ok(path)
}

/// The averaged weights by name.
pub(crate) fn averaged(optimizer: &Optimizer) -> Result<Weights, TrainError> {
    let mut weights = Weights::new();
    for (name, shape, values) in optimizer.averaged()? {
        let shape = shape.iter().map(|s| *s as usize).collect();
        weights.insert(name, WeightTensor { shape, values });
    }
    Ok(weights)
}

/// A card of this program's layouts, without scores; `weights` are a file name and its SHA-256.
pub(crate) fn new_card(
    name: &str,
    architecture: Architecture,
    (weights, sha256): (String, String),
    looks: usize,
    provenance: Provenance,
) -> ModelCard {
    let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    ModelCard {
        version: CARD_VERSION,
        name: name.to_owned(),
        architecture,
        weights,
        sha256,
        condition: names(&CHANNEL_NAMES),
        action_axes: names(&ACTION_AXES),
        materials: names(&MATERIAL_NAMES),
        styles: names(&STYLE_NAMES),
        looks: looks as u32,
        sampler: Sampler {
            steps: 1,
            default_condition_strength: 1.0,
            context_noise: CONTEXT_NOISE,
            grain: GRAIN,
        },
        provenance,
        scores: BTreeMap::new(),
        observer: None,
    }
}

/// The last part of each folder: a card does not tell where a disk was mounted.
pub(crate) fn folders(paths: &[PathBuf]) -> String {
    let name = |p: &PathBuf| {
        Path::new(p).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
    };
    paths.iter().map(name).collect::<Vec<_>>().join(", ")
}
