//! Autoencoders on disk, `NAME.autoencoder.ron` beside `NAME.autoencoder.safetensors`, and whole models M.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use super::autoencoder::{Autoencoder, AutoencoderConfig};
use super::compositor::{Compositor, CompositorConfig};
use super::transformer::{Inputs, Transformer, TransformerConfig};
use crate::card::{Architecture, CardError, LatentSizes, ModelCard, Provenance};
use crate::condition::{CHANNEL_NAMES, CHANNELS, GLOBALS};
use crate::files::{one_line, read_limited, write_atomically};
use crate::model::ModelError;
use crate::model::reverie::files::{check_layouts, look_shapes, looks_of};
use crate::model::reverie::look::Look;
use crate::weights::{Weights, read_weights};

/// The architecture that this module implements.
pub const KIND: &str = "latent-m";
/// In names of weights: the autoencoder's.
pub(crate) const CODER: &str = "coder";
/// In names of weights: the transformer's.
pub(crate) const NET: &str = "net";
/// In names of weights: the compositor's.
pub(crate) const COMPOSITOR: &str = "compositor";

/// Version of the format that this program writes and reads.
const VERSION: u32 = 1;
const MOST_BYTES: u64 = 1 << 20;

/// What an autoencoder is, where it comes from and how well it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderCard {
    /// Of the format.
    pub version: u32,
    /// Sizes.
    pub network: AutoencoderConfig,
    /// File name of the weights, in the card's folder.
    pub weights: String,
    /// Of that file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Figures of its evaluation by name.
    pub scores: BTreeMap<String, f64>,
}

impl AutoencoderCard {
    /// Names weights of this version.
    pub fn new(
        network: AutoencoderConfig,
        weights: String,
        sha256: String,
        provenance: Provenance,
    ) -> Self {
        Self { version: VERSION, network, weights, sha256, provenance, scores: BTreeMap::new() }
    }

    /// Reads and checks a card.
    ///
    /// # Errors
    /// One clear line for each way it can be wrong.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let unsupported = |what: String| ModelError::Unsupported { card: path.to_owned(), what };
        let bytes = read_limited(path, MOST_BYTES).map_err(|source| CardError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let card: Self = ron::de::from_bytes(&bytes)
            .map_err(|e| CardError::Syntax { path: path.to_owned(), reason: one_line(e) })?;
        if card.version != VERSION {
            let what = format!("version {}; this program reads version {VERSION}", card.version);
            return Err(unsupported(what));
        }
        if let Some((field, reason)) = card.network.fault() {
            return Err(unsupported(format!("network.{field} is {reason}")));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if card.weights.is_empty()
            || card.weights.starts_with('.')
            || !card.weights.chars().all(plain)
        {
            return Err(unsupported(format!("its weights are {:?}, no file name", card.weights)));
        }
        Ok(card)
    }

    /// Writes the card under a temporary name and renames it.
    ///
    /// # Errors
    /// The file cannot be written; an older card stays as it was.
    pub fn save_atomically(&self, path: &Path) -> Result<(), CardError> {
        let text = ron::ser::to_string_pretty(self, ron::ser::PrettyConfig::new())
            .map_err(|e| CardError::Syntax { path: path.to_owned(), reason: one_line(e) })?;
        write_atomically(path, text.as_bytes()).map_err(|source| CardError::Io {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }
}

/// An autoencoder with the store that owns its weights.
#[derive(Debug)]
pub struct LoadedAutoencoder {
    /// Ready to run.
    pub net: Autoencoder,
    /// Its sizes.
    pub network: AutoencoderConfig,
    /// Owns the weights.
    pub store: VarStore,
}

/// Loads the autoencoder whose card lies at `path`.
///
/// # Errors
/// Card or weights are missing or damaged.
pub fn load_autoencoder(path: &Path, device: Device) -> Result<LoadedAutoencoder, ModelError> {
    let card = AutoencoderCard::load(path)?;
    let store = VarStore::new(device);
    let net = Autoencoder::new(&store.root(), &card.network);
    fill(&store, &path.with_file_name(&card.weights), &card.sha256)?;
    Ok(LoadedAutoencoder { net, network: card.network, store })
}

/// Copies the weights of a file into the variables of the same names: all of them, and no others, must be there.
pub(crate) fn fill(store: &VarStore, path: &Path, sha256: &str) -> Result<(), ModelError> {
    copy(store, &read_weights(path, Some(sha256), &shapes(store))?)
}

/// Names and shapes of a store's variables.
fn shapes(store: &VarStore) -> Vec<(String, Vec<usize>)> {
    let shape = |t: &Tensor| t.size().iter().map(|s| *s as usize).collect();
    store.variables().iter().map(|(name, t)| (name.clone(), shape(t))).collect()
}

fn copy(store: &VarStore, weights: &Weights) -> Result<(), ModelError> {
    let _guard = tch::no_grad_guard();
    for (name, mut variable) in store.variables() {
        if let Some(tensor) = weights.get(&name) {
            let values = Tensor::f_from_slice(&tensor.values)?;
            variable.f_copy_(&values.f_view(variable.size().as_slice())?)?;
        }
    }
    Ok(())
}

/// The weights of the autoencoder whose card lies at `path`, by name.
pub(crate) fn autoencoder_weights(path: &Path) -> Result<Weights, ModelError> {
    let card = AutoencoderCard::load(path)?;
    let store = VarStore::new(Device::Cpu);
    let _net = Autoencoder::new(&store.root(), &card.network);
    let weights = path.with_file_name(&card.weights);
    Ok(read_weights(weights, Some(&card.sha256), &shapes(&store))?)
}

/// The sizes of a model M in a card's words; `size` are width and height, pixels.
pub fn architecture(
    coder: &AutoencoderConfig,
    net: &TransformerConfig,
    compositor: &CompositorConfig,
    size: (u32, u32),
) -> Architecture {
    Architecture {
        kind: KIND.to_owned(),
        width: size.0,
        height: size.1,
        channels: vec![net.channels],
        blocks: vec![net.depth],
        head_channels: coder.head_channels,
        latent: Some(LatentSizes {
            latent_channels: coder.latent_channels,
            token_px: coder.token_px,
            coder_channels: coder.channels.to_vec(),
            coder_blocks: coder.blocks.to_vec(),
            heads: net.heads,
            context_frames: net.context_frames,
            compositor: compositor.clone(),
        }),
    }
}

/// Autoencoder, transformer and compositor of a model M, ready to run.
#[derive(Debug)]
pub struct LoadedLatent {
    /// Pictures to latents and back.
    pub coder: Autoencoder,
    /// Latents of the past to the next one.
    pub net: Transformer,
    /// Latents and what is known to the picture.
    pub compositor: Compositor,
    /// Tokens down and across.
    pub grid: [i64; 2],
    /// Channels of a latent.
    pub latent: i64,
    /// Sizes of the autoencoder.
    pub coder_config: AutoencoderConfig,
    /// Sizes of the transformer.
    pub net_config: TransformerConfig,
    /// Sizes of the compositor.
    pub compositor_config: CompositorConfig,
    /// Owns the weights.
    pub store: VarStore,
}

/// Loads weights and looks as the card describes them.
///
/// # Errors
/// The card asks for something else than this program runs, or the weights are missing or damaged.
pub fn load(
    card_path: &Path,
    card: &ModelCard,
    device: Device,
    kind: Kind,
) -> Result<(LoadedLatent, Vec<Look>), ModelError> {
    let (coder, config, compositor) = check(card_path, card)?;
    let a = &card.architecture;
    let inputs = Inputs {
        grid: [i64::from(a.height) / coder.token_px, i64::from(a.width) / coder.token_px],
        token_px: coder.token_px,
        latent: coder.latent_channels,
        maps: CHANNELS as i64,
        globals: GLOBALS as i64,
    };
    let store = VarStore::new(device);
    let mut loaded = LoadedLatent {
        coder: Autoencoder::new(&(store.root() / CODER), &coder),
        net: Transformer::new(&(store.root() / NET), &config, inputs)?,
        compositor: Compositor::new(&(store.root() / COMPOSITOR), &compositor),
        grid: inputs.grid,
        latent: inputs.latent,
        coder_config: coder,
        net_config: config,
        compositor_config: compositor,
        store,
    };
    let mut expected = shapes(&loaded.store);
    expected.extend(look_shapes(card));
    let weights = read_weights(card.weights_path(card_path), Some(&card.sha256), &expected)?;
    copy(&loaded.store, &weights)?;
    loaded.coder.freeze(kind)?;
    loaded.net.freeze(kind)?;
    loaded.compositor.freeze(kind)?;
    let looks = looks_of(card_path, card, &weights)?;
    Ok((loaded, looks))
}

/// Fills transformer and compositor that are to be trained with those of the model M whose card lies at `card_path`.
///
/// # Errors
/// The model is missing or damaged, or has other sizes.
pub(crate) fn start_from(
    store: &VarStore,
    card_path: &Path,
    network: &TransformerConfig,
    compositor: &CompositorConfig,
) -> Result<(), ModelError> {
    let card = ModelCard::load(card_path)?;
    let (loaded, _) = load(card_path, &card, Device::Cpu, Kind::Float)?;
    let unsupported = |what| ModelError::Unsupported { card: card_path.to_owned(), what };
    if loaded.net_config != *network {
        let found = loaded.net_config;
        let what = format!("its transformer has {found:?}, but the recipe's {network:?}");
        return Err(unsupported(what));
    }
    if loaded.compositor_config != *compositor {
        let found = loaded.compositor_config;
        let what = format!("its compositor has {found:?}, but the recipe's {compositor:?}");
        return Err(unsupported(what));
    }
    let _guard = tch::no_grad_guard();
    let known = loaded.store.variables();
    for (name, mut variable) in store.variables() {
        if let Some(values) = known.get(&name) {
            variable.f_copy_(values)?;
        }
    }
    Ok(())
}

/// Does this program run what the card describes?
fn check(
    card_path: &Path,
    card: &ModelCard,
) -> Result<(AutoencoderConfig, TransformerConfig, CompositorConfig), ModelError> {
    let unsupported = |what: String| ModelError::Unsupported { card: card_path.to_owned(), what };
    let a = &card.architecture;
    check_layouts(card_path, card)?;
    if card.condition.iter().map(String::as_str).ne(CHANNEL_NAMES) {
        let what = "its `condition` differs from this program's; train it again";
        return Err(unsupported(what.to_owned()));
    }
    let sizes = a.latent.as_ref().ok_or_else(|| {
        unsupported(format!("a `{KIND}` needs the sizes of its autoencoder in architecture.latent"))
    })?;
    let (Ok(channels), Ok(blocks), [width], [depth]) = (
        sizes.coder_channels.clone().try_into(),
        sizes.coder_blocks.clone().try_into(),
        a.channels.as_slice(),
        a.blocks.as_slice(),
    ) else {
        let what = "its autoencoder must have three levels and its transformer one";
        return Err(unsupported(what.to_owned()));
    };
    let coder = AutoencoderConfig {
        latent_channels: sizes.latent_channels,
        channels,
        blocks,
        head_channels: a.head_channels,
        token_px: sizes.token_px,
    };
    let net = TransformerConfig {
        channels: *width,
        heads: sizes.heads,
        depth: *depth,
        context_frames: sizes.context_frames,
    };
    let compositor = sizes.compositor.clone();
    if let Some((field, reason)) = coder.fault().or(net.fault()).or(compositor.fault()) {
        return Err(unsupported(format!("architecture: {field} is {reason}")));
    }
    let side = coder.token_px as u32;
    if !a.width.is_multiple_of(side) || !a.height.is_multiple_of(side) {
        let what = format!("{}×{} pixels; both must be multiples of {side}", a.width, a.height);
        return Err(unsupported(what));
    }
    Ok((coder, net, compositor))
}
