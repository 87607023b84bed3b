//! Model files: from card and safetensors to a network on a device, and back.

use std::path::Path;

use reverie_kernels::exemplar::{FINEST_TEXELS, LAYERS};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use super::carry::{NewGate, card_shape, carry};
use super::look::Look;
use super::unet::{Unet, UnetConfig};
use crate::card::{Architecture, ModelCard};
use crate::condition::CHANNEL_NAMES;
use crate::material::MATERIAL_NAMES;
use crate::model::ModelError;
use crate::request::ACTION_AXES;
use crate::style::STYLE_NAMES;
use crate::weights::{Weights, read_some_weights, read_weights};

/// The architecture that this module implements.
pub const KIND: &str = "unet-s";

/// A network with the store that owns its weights.
#[derive(Debug)]
pub struct Loaded {
    /// Ready to run.
    pub unet: Unet,
    /// Owns the weights.
    pub store: VarStore,
}

/// The sizes of the network in a card's words.
pub fn architecture(config: &UnetConfig, width: u32, height: u32) -> Architecture {
    Architecture {
        kind: KIND.to_owned(),
        width,
        height,
        channels: config.channels.to_vec(),
        blocks: config.blocks.to_vec(),
        head_channels: config.head_channels,
        latent: None,
    }
}

/// What the names of all looks' tensors in a weights file begin with.
pub(crate) const LOOK: &str = "look.";

/// The name of a look's tensor in the weights file.
pub fn look_name(index: usize) -> String {
    format!("{LOOK}{index}")
}

/// Loads weights and looks as the card describes them.
pub fn load(
    card_path: &Path,
    card: &ModelCard,
    device: Device,
    kind: Kind,
) -> Result<(Loaded, Vec<Look>), ModelError> {
    let config = check(card_path, card)?;
    let mut store = VarStore::new(device);
    let mut unet = Unet::new(&store.root(), &config);
    let weights = fill(&mut store, card_path, card, NewGate::Closed)?;
    unet.freeze(kind)?;
    let looks = looks_of(card_path, card, &weights)?;
    Ok((Loaded { unet, store }, looks))
}

/// Names and shapes of the looks in a card's weights.
pub(crate) fn look_shapes(card: &ModelCard) -> impl Iterator<Item = (String, Vec<usize>)> {
    (0..card.looks as usize).map(|index| (look_name(index), vec![LAYERS * FINEST_TEXELS, 4]))
}

/// The looks in a card's weights.
pub(crate) fn looks_of(
    card_path: &Path,
    card: &ModelCard,
    weights: &Weights,
) -> Result<Vec<Look>, ModelError> {
    let mut looks = Vec::new();
    for (name, _) in look_shapes(card) {
        let Some(tensor) = weights.get(&name) else { continue };
        let texels = tensor.values.chunks_exact(4).map(|t| [t[0], t[1], t[2], t[3]]).collect();
        looks.push(Look::new(texels).ok_or_else(|| ModelError::Unsupported {
            card: card_path.to_owned(),
            what: format!("its {name} has negative weights; train or download it again"),
        })?);
    }
    Ok(looks)
}

/// The looks of the model that a card describes, whatever its kind.
///
/// # Errors
/// The card or its weights are missing or damaged.
pub fn read_looks(card_path: &Path) -> Result<Vec<Look>, ModelError> {
    let card = ModelCard::load(card_path)?;
    let expected: Vec<_> = look_shapes(&card).collect();
    let weights = read_some_weights(card.weights_path(card_path), &card.sha256, &expected)?;
    looks_of(card_path, &card, &weights)
}

/// Copies a card's weights into the variables of the same names, and returns what was read. Channels that the card
/// does not know have no effect at first.
fn fill(
    store: &mut VarStore,
    card_path: &Path,
    card: &ModelCard,
    new_gate: NewGate,
) -> Result<Weights, ModelError> {
    let mut expected: Vec<(String, Vec<usize>)> = store
        .variables()
        .into_iter()
        .map(|(name, t)| {
            let shape = t.size().iter().map(|s| *s as usize).collect();
            let shape = card_shape(&name, shape, &card.condition);
            (name, shape)
        })
        .collect();
    expected.extend(look_shapes(card));
    let mut weights = read_weights(card.weights_path(card_path), Some(&card.sha256), &expected)?;
    carry(&mut weights, &card.condition, new_gate);
    let _guard = tch::no_grad_guard();
    for (name, mut variable) in store.variables() {
        if let Some(tensor) = weights.get(&name) {
            let shape: Vec<i64> = tensor.shape.iter().map(|s| *s as i64).collect();
            variable.f_copy_(&Tensor::f_from_slice(&tensor.values)?.f_view(shape.as_slice())?)?;
        }
    }
    Ok(weights)
}

/// Fills a network that is to be trained with the weights of another model. Candidates that it did not know start
/// as twins of its keyframes.
///
/// # Errors
/// The card cannot be read, or is of a network with other sizes than `config`.
pub fn start_from(
    store: &mut VarStore,
    config: &UnetConfig,
    card_path: &Path,
) -> Result<(), ModelError> {
    let card = ModelCard::load(card_path)?;
    let found = check(card_path, &card)?;
    if found != *config {
        return Err(ModelError::Unsupported {
            card: card_path.to_owned(),
            what: format!("its network has {found:?}, but the recipe's {config:?}"),
        });
    }
    fill(store, card_path, &card, NewGate::LikeKey)?;
    Ok(())
}

/// Does this program feed what the card was trained on?
fn check(card_path: &Path, card: &ModelCard) -> Result<UnetConfig, ModelError> {
    let unsupported = |what: String| ModelError::Unsupported { card: card_path.to_owned(), what };
    let a = &card.architecture;
    if a.kind != KIND {
        return Err(unsupported(format!(
            "architecture `{}` is unknown; this program runs `{KIND}`",
            a.kind
        )));
    }
    if a.width % 8 != 0 || a.height % 8 != 0 || a.width == 0 || a.height == 0 {
        return Err(unsupported(format!(
            "{}×{} pixels; both must be multiples of 8",
            a.width, a.height
        )));
    }
    // A channel that the card does not know is one that its network was never shown.
    let unknown = card.condition.iter().find(|name| !CHANNEL_NAMES.contains(&name.as_str()));
    let repeated = (1..card.condition.len())
        .find(|i| card.condition[..*i].contains(&card.condition[*i]))
        .map(|i| &card.condition[i]);
    if let Some(name) = unknown.or(repeated) {
        return Err(unsupported(format!(
            "its `condition` differs from this program's, by `{name}`; train it again"
        )));
    }
    check_layouts(card_path, card)?;
    let (Ok(channels), Ok(blocks)) = (a.channels.clone().try_into(), a.blocks.clone().try_into())
    else {
        return Err(unsupported("a `unet-s` has three levels of channels and blocks".to_owned()));
    };
    let config = UnetConfig { channels, blocks, head_channels: a.head_channels };
    match config.fault() {
        Some((field, reason)) => Err(unsupported(format!("architecture.{field} is {reason}"))),
        None => Ok(config),
    }
}

/// Are the card's actions, materials and styles this program's?
pub(crate) fn check_layouts(card_path: &Path, card: &ModelCard) -> Result<(), ModelError> {
    let unsupported = |what: String| ModelError::Unsupported { card: card_path.to_owned(), what };
    for (what, found, expected) in [
        ("action_axes", &card.action_axes, ACTION_AXES.as_slice()),
        ("materials", &card.materials, MATERIAL_NAMES.as_slice()),
        ("styles", &card.styles, STYLE_NAMES.as_slice()),
    ] {
        if found.iter().map(String::as_str).ne(expected.iter().copied()) {
            return Err(unsupported(format!(
                "its `{what}` differs from this program's; train it again"
            )));
        }
    }
    Ok(())
}
