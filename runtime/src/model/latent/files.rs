//! Autoencoders on disk: `NAME.autoencoder.ron` beside `NAME.autoencoder.safetensors`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::nn::VarStore;
use tch::{Device, Tensor};

use super::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::card::{CardError, Provenance};
use crate::files::{one_line, read_limited, write_atomically};
use crate::model::ModelError;
use crate::weights::{ModelFileError, read_weights};

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
pub(crate) fn fill(store: &VarStore, path: &PathBuf, sha256: &str) -> Result<(), ModelError> {
    let shape = |t: &Tensor| t.size().iter().map(|s| *s as usize).collect::<Vec<_>>();
    let variables = store.variables();
    let expected: Vec<_> = variables.iter().map(|(n, t)| (n.clone(), shape(t))).collect();
    let weights = read_weights(path, Some(sha256), &expected)?;
    let _guard = tch::no_grad_guard();
    for (name, mut variable) in variables {
        let Some(tensor) = weights.get(&name) else {
            let reason = format!("tensor `{name}` is missing");
            return Err(ModelFileError::Names { path: path.clone(), reason }.into());
        };
        let values = Tensor::f_from_slice(&tensor.values)?;
        variable.f_copy_(&values.f_view(variable.size().as_slice())?)?;
    }
    Ok(())
}
