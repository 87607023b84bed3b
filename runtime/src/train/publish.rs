//! From a training state to a model that can be shipped: card, weights and looks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reverie_kernels::exemplar::{Exemplars, FINEST_TEXELS, LAYERS};

use super::optimizer::Optimizer;
use super::recipe::Recipe;
use super::state::Ledger;
use super::trainer::{TrainError, list_all};
use crate::card::{Architecture, CARD_VERSION, ModelCard, Provenance, Sampler};
use crate::condition::CHANNEL_NAMES;
use crate::data::{DataError, Episode};
use crate::material::MATERIAL_NAMES;
use crate::model::reverie::files::{architecture, look_name, read_looks};
use crate::model::reverie::look::Look;
use crate::request::ACTION_AXES;
use crate::style::STYLE_NAMES;
use crate::view::ShadowView;
use crate::weights::{Precision, WeightTensor, Weights, write_weights};

/// Looks of each style that go with a model.
pub const LOOKS_PER_STYLE: usize = 2;
/// Episodes that are asked for looks.
const LOOK_CANDIDATES: usize = 400;
/// Least weight of a style in an episode that speaks for it.
const LEAST_STYLE: f32 = 0.6;
/// Weight of a look's texels at most: what is really seen of a world soon replaces them.
const LOOK_WEIGHT: f32 = 2.0;
/// Noise level that the model is told of in play: its own past is never perfect.
const CONTEXT_NOISE: f32 = 0.15;
/// What [`Sampler::grain`] a new model begins with.
const GRAIN: f32 = 1.0;

/// The looks that go with a model: those of another model's card, or what the episodes in `folders` show, or else the
/// ones that are trained on.
///
/// # Errors
/// The card, its weights or an episode is damaged.
pub(crate) fn looks_for(
    card: Option<&Path>,
    folders: &[PathBuf],
    episodes: &[PathBuf],
) -> Result<Vec<Look>, TrainError> {
    match (card, folders) {
        (Some(card), _) => Ok(read_looks(card).map_err(TrainError::Looks)?),
        (None, []) => Ok(gather_looks(episodes)?),
        (None, folders) => Ok(gather_looks(&list_all(folders)?)?),
    }
}

/// Gathers looks: for each style [`LOOKS_PER_STYLE`] of them, style by style.
///
/// No episode shows all materials well. So a look is put together material by material: the first look takes for
/// each the episode of its style that knows it best, the second look the second best, and so on. What no
/// episode of the style shows is left open.
///
/// # Errors
/// An episode is damaged.
pub fn gather_looks(episodes: &[PathBuf]) -> Result<Vec<Look>, DataError> {
    // For each style and layer: how well it is known, and its texels.
    type Known = Vec<(f32, Vec<[f32; 4]>)>;
    let mut found: Vec<Vec<Known>> = vec![vec![Known::new(); LAYERS]; STYLE_NAMES.len()];
    let step = (episodes.len() / LOOK_CANDIDATES).max(1);
    for path in episodes.iter().step_by(step) {
        let episode = Episode::open(path)?;
        let weights = episode.style(0).normalized().0;
        let Some(style) = weights.iter().position(|w| *w >= LEAST_STYLE) else { continue };
        let mut seen = exemplars_of(&episode)?;
        for (layer, found) in found[style].iter_mut().enumerate() {
            // What was seen only from afar is better than nothing.
            let known = seen.seen_closely(layer) + 1e-3 * seen.mean(layer)[3];
            if known > 0.0 {
                let texels = seen.filled(layer, 0).iter();
                found.push((
                    known,
                    texels.map(|t| [t[0], t[1], t[2], LOOK_WEIGHT * t[3]]).collect(),
                ));
                found.sort_by(|a, b| b.0.total_cmp(&a.0));
                found.truncate(LOOKS_PER_STYLE);
            }
        }
    }
    let mut looks = Vec::new();
    for style in &found {
        for index in 0..LOOKS_PER_STYLE {
            let texels = style.iter().flat_map(|layer| match layer.get(index) {
                Some((_, texels)) => texels.clone(),
                None => vec![[0.0; 4]; FINEST_TEXELS],
            });
            looks.push(Look::new(texels.collect()).unwrap_or_else(Look::unknown));
        }
    }
    Ok(looks)
}

/// What an episode shows of its materials.
fn exemplars_of(episode: &Episode) -> Result<Exemplars, DataError> {
    let header = episode.header();
    let (width, height) = (header.width as usize, header.height as usize);
    let mut seen = Exemplars::new();
    let mut view: Option<ShadowView> = None;
    for frame in (0..episode.len()).step_by(2) {
        let (snapshot, style) = (episode.snapshot(frame), episode.style(frame));
        let view = match &mut view {
            Some(view) => {
                view.draw(&snapshot, &style, width, height, true);
                view
            }
            none => none.insert(ShadowView::new(&snapshot, &style, width, height, true)),
        };
        let rgb: Vec<f32> =
            episode.frame_rgb(frame)?.iter().map(|b| f32::from(*b) / 255.0).collect();
        seen.write(&view.maps, &rgb, &view.paint, |_| 1.0);
    }
    Ok(seen)
}

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

/// Puts looks beside a model's weights.
pub(crate) fn put_looks(weights: &mut Weights, looks: &[Look]) {
    for (index, look) in looks.iter().enumerate() {
        let values = look.texels().iter().flatten().copied().collect();
        let shape = vec![LAYERS * FINEST_TEXELS, 4];
        weights.insert(look_name(index), WeightTensor { shape, values });
    }
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
