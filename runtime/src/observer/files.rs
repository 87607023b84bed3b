//! Observers on disk: weights beside the model's, named in the model's card.

use std::path::{Path, PathBuf};

use tch::Device;
use tch::nn::VarStore;

use super::Observer;
use super::net::{ObserverConfig, ObserverNet};
use crate::card::{Architecture, ModelCard, ObserverCard, Provenance};
use crate::device::fastest_kind;
use crate::files::{copy_if_other, read_limited, write_atomically};
use crate::model::ModelError;
use crate::model::latent::files::fill;
use crate::train::TrainError;
use crate::train::optimizer::Optimizer;
use crate::train::publish::averaged;
use crate::weights::{MAX_WEIGHTS_BYTES, Precision, write_weights};

/// Nothing is to be seen in smaller pictures than that of a large model.
const MOST_SHRINK: u32 = 16;

impl Observer {
    /// Loads the observer that `card`, the one at `card_path`, names; `None` if it names none.
    ///
    /// # Errors
    /// Its weights are missing or damaged, or it is of another kind than this program's.
    pub fn load(
        card_path: &Path,
        card: &ModelCard,
        device: Device,
    ) -> Result<Option<Self>, ModelError> {
        let Some(observer) = &card.observer else { return Ok(None) };
        let unsupported =
            |what: String| ModelError::Unsupported { card: card_path.to_owned(), what };
        let (Ok(channels), Ok(blocks)) =
            (observer.channels.clone().try_into(), observer.blocks.clone().try_into())
        else {
            let what = "an observer has three levels of channels and blocks";
            return Err(unsupported(what.to_owned()));
        };
        let config = ObserverConfig { channels, blocks };
        if let Some((field, reason)) = config.fault() {
            return Err(unsupported(format!("observer.{field} is {reason}")));
        }
        let (width, height) = (card.architecture.width, card.architecture.height);
        let sides = 8 * observer.shrink.clamp(1, MOST_SHRINK);
        let divides = |side: u32| side != 0 && side.is_multiple_of(sides);
        if !(1..=MOST_SHRINK).contains(&observer.shrink) || !divides(width) || !divides(height) {
            let what = format!(
                "{width}×{height} pixels shrunk by observer.shrink {}: that must be 1 to {MOST_SHRINK}, and both sides then multiples of 8",
                observer.shrink
            );
            return Err(unsupported(what));
        }
        let size = (width / observer.shrink, height / observer.shrink);
        if card.materials.iter().map(String::as_str).ne(crate::material::MATERIAL_NAMES) {
            let what = "its `materials` differ from this program's; train the observer again";
            return Err(unsupported(what.to_owned()));
        }
        let store = VarStore::new(device);
        let mut net = ObserverNet::new(&store.root(), &config);
        fill(&store, &card_path.with_file_name(&observer.weights), &observer.sha256)?;
        let kind = fastest_kind(device);
        net.freeze(kind)?;
        let shrink = observer.shrink as usize;
        Ok(Some(Self { net, _store: store, device, kind, size, shrink }))
    }
}

/// Gives the model of the card `to` the observer of the card `from`, which sees pictures of the same shape, as large or a whole number of times smaller. Its
/// thresholds are to be calibrated for the pictures of this model.
///
/// # Errors
/// A card is damaged, there is no observer, it does not fit, or its weights cannot be copied.
pub fn lend(from: &Path, to: &Path) -> Result<(), ModelError> {
    let (lender, mut card) = (ModelCard::load(from)?, ModelCard::load(to)?);
    let unsupported = |what: String| ModelError::Unsupported { card: to.to_owned(), what };
    let Some(observer) = lender.observer.clone() else {
        return Err(unsupported(format!("{} has no observer to lend", from.display())));
    };
    let sides = |a: &Architecture| (a.width, a.height);
    let (have, (width, height)) = (sides(&lender.architecture), sides(&card.architecture));
    let seen = (have.0 / observer.shrink.max(1), have.1 / observer.shrink.max(1));
    let shrink = width / seen.0.max(1);
    if !(1..=MOST_SHRINK).contains(&shrink)
        || (shrink.checked_mul(seen.0), shrink.checked_mul(seen.1)) != (Some(width), Some(height))
    {
        let (w, h) = seen;
        let what = format!(
            "its {width}×{height} pixels are not 1 to {MOST_SHRINK} times, a whole number, the {w}×{h} of the observer of {}",
            from.display()
        );
        return Err(unsupported(what));
    }
    let (source, target) =
        (from.with_file_name(&observer.weights), to.with_file_name(&observer.weights));
    let failed = |action: &str, path: &Path| {
        let action = format!("{action} {}", path.display());
        move |error| unsupported(format!("cannot {action}: {error}"))
    };
    let bytes = read_limited(&source, MAX_WEIGHTS_BYTES).map_err(failed("read", &source))?;
    match read_limited(&target, MAX_WEIGHTS_BYTES) {
        Ok(there) if there == bytes => {}
        Ok(_) => {
            let name = target.display();
            return Err(unsupported(format!("there is another {name} already; move it away")));
        }
        Err(_) => write_atomically(&target, &bytes).map_err(failed("write", &target))?,
    }
    card.observer = Some(ObserverCard { shrink, thresholds: None, ..observer });
    // What was lent must be of use before the card says so.
    let lent = Observer::load(to, &card, Device::Cpu)?;
    drop(lent);
    card.save_atomically(to)?;
    Ok(())
}

/// Makes `out` a complete model: the weights of the model that `recipe_model` describes, the observer's, and a card with
/// both. Returns the card's path.
///
/// # Errors
/// A file cannot be read or written, or the weights are not finite.
pub fn publish(
    out: &Path,
    model: &Path,
    config: &ObserverConfig,
    optimizer: &Optimizer,
    provenance: Provenance,
) -> Result<PathBuf, TrainError> {
    let mut card = ModelCard::load(model)?;
    let io = |action: &str, path: &Path| {
        let action = format!("{action} {}", path.display());
        move |source| TrainError::Io { action, source }
    };
    let (from, to) = (card.weights_path(model), out.join(&card.weights));
    copy_if_other(&from, &to, MAX_WEIGHTS_BYTES)
        .map_err(io(&format!("copy {} to", from.display()), &to))?;
    let weights = averaged(optimizer)?;
    let file = format!("{}.observer.safetensors", card.weights.trim_end_matches(".safetensors"));
    let sha256 = write_weights(out.join(&file), &weights, Precision::Bf16)?;
    card.observer = Some(ObserverCard {
        weights: file,
        sha256,
        channels: config.channels.to_vec(),
        blocks: config.blocks.to_vec(),
        shrink: 1,
        provenance,
        scores: Default::default(),
        thresholds: None,
    });
    let name = model.file_name().unwrap_or("model.world.ron".as_ref());
    let path = out.join(name);
    card.save_atomically(&path)?;
    Ok(path)
}
