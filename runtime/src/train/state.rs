//! The trainer's state on disk: one file, replaced as a whole, and the one before it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use thiserror::Error;

use super::optimizer::Optimizer;
use crate::files::{read_limited, write_atomically};

/// Larger state files are not read.
const MOST_BYTES: u64 = 8 << 30;

/// Counters and history beside the weights.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Optimiser steps.
    pub steps: u64,
    /// Samples seen, repeats counted.
    pub samples: u64,
    /// Time spent training, seconds, over all runs.
    pub trained_s: f64,
    /// Runs so far: first start and resumes.
    pub runs: u64,
    /// (steps, mean loss since the last entry).
    pub losses: Vec<(u64, f64)>,
    /// What is to be said of state files that were found damaged and passed over, in this run.
    #[serde(skip)]
    pub passed_over: Vec<String>,
}

/// A state file that cannot be read or written.
#[derive(Debug, Error)]
pub enum StateError {
    /// The system refused.
    #[error("cannot {action} the training state {path}: {source}")]
    Io {
        /// An infinitive.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a state of this network.
    #[error("{path} is not a training state of this recipe: {reason}; move it away to start anew")]
    Unfit {
        /// Which file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// Once a state, but no longer.
    #[error("{path} is damaged: {reason}; move it away to start anew")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

/// Where the state before the one at `path` is kept.
fn before(path: &Path) -> PathBuf {
    path.with_extension("before.safetensors")
}

/// Writes weights, average, moments and ledger; the state before is kept beside it.
///
/// # Errors
/// The file cannot be written; an older one stays as it was.
pub fn save(path: &Path, optimizer: &Optimizer, ledger: &Ledger) -> Result<(), StateError> {
    let io = |source| StateError::Io { action: "write", path: path.to_owned(), source };
    let mut stored = Vec::new();
    for (name, tensor) in parts(optimizer) {
        let values: Vec<f32> =
            Vec::try_from(tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?)?;
        stored.push((
            name,
            values.len(),
            values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>(),
        ));
    }
    let mut views = Vec::new();
    for (name, count, bytes) in &stored {
        let view = TensorView::new(Dtype::F32, vec![*count], bytes)
            .map_err(|e| io(std::io::Error::other(e.to_string())))?;
        views.push((*name, view));
    }
    let ledger = ron::to_string(ledger).map_err(|e| io(std::io::Error::other(e)))?;
    let text =
        HashMap::from([("ledger".to_owned(), ledger), ("layout".to_owned(), layout(optimizer))]);
    let bytes =
        serialize(views, Some(text)).map_err(|e| io(std::io::Error::other(e.to_string())))?;
    let older = before(path);
    if path.exists() {
        drop(std::fs::remove_file(&older));
        // A second name costs nothing; not every file system has them.
        std::fs::hard_link(path, &older)
            .or_else(|_| std::fs::copy(path, &older).map(drop))
            .map_err(io)?;
    }
    write_atomically(path, &bytes).map_err(io)
}

/// Reads a state into `optimizer`, or the one before it if it is damaged, which the ledger then tells. `None` if there is no such file.
///
/// # Errors
/// The file belongs to another network, or is damaged and there is none before it.
pub fn load(path: &Path, optimizer: &mut Optimizer) -> Result<Option<Ledger>, StateError> {
    match load_one(path, optimizer) {
        Err(StateError::Damaged { path, reason }) => match load_one(&before(&path), optimizer) {
            Ok(Some(mut ledger)) => {
                let path = path.display();
                ledger
                    .passed_over
                    .push(format!("{path} is damaged: {reason}; going on from the one before it"));
                Ok(Some(ledger))
            }
            _ => Err(StateError::Damaged { path, reason }),
        },
        other => other,
    }
}

fn load_one(path: &Path, optimizer: &mut Optimizer) -> Result<Option<Ledger>, StateError> {
    let damaged = |reason: String| StateError::Damaged { path: path.to_owned(), reason };
    let bytes = match read_limited(path, MOST_BYTES) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(StateError::Io { action: "read", path: path.to_owned(), source });
        }
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    let text = header.metadata().clone().unwrap_or_default();
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    if text.get("layout") != Some(&layout(optimizer)) {
        let reason = "its network has other sizes".to_owned();
        return Err(StateError::Unfit { path: path.to_owned(), reason });
    }
    let ledger = text.get("ledger").map(String::as_str).unwrap_or_default();
    let ledger: Ledger = ron::from_str(ledger).map_err(|e| damaged(e.to_string()))?;
    let _guard = tch::no_grad_guard();
    for (name, mut tensor) in parts(optimizer) {
        let view = file.tensor(name).map_err(|e| damaged(e.to_string()))?;
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        if values.len() != tensor.numel() || values.iter().any(|v| !v.is_finite()) {
            return Err(damaged(format!("its `{name}` has values that cannot be")));
        }
        tensor.f_copy_(&Tensor::f_from_slice(&values)?)?;
    }
    optimizer.steps = ledger.steps;
    Ok(Some(ledger))
}

fn parts(optimizer: &Optimizer) -> [(&'static str, Tensor); 4] {
    [
        ("weights", optimizer.weights.shallow_clone()),
        ("ema", optimizer.ema.shallow_clone()),
        ("first", optimizer.first.shallow_clone()),
        ("second", optimizer.second.shallow_clone()),
    ]
}

fn layout(optimizer: &Optimizer) -> String {
    optimizer
        .layout()
        .iter()
        .map(|(name, shape)| format!("{name}{shape:?}"))
        .collect::<Vec<_>>()
        .join(";")
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;

    use super::*;

    fn optimizer(channels: i64) -> (VarStore, Optimizer) {
        let store = VarStore::new(Device::Cpu);
        let _weights = store.root().var("w", &[channels], tch::nn::Init::Const(0.5));
        let optimizer = Optimizer::new(&store).unwrap();
        (store, optimizer)
    }

    #[test]
    fn a_damaged_state_is_named_and_the_one_before_it_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.safetensors");
        let (_store, mut optimizer) = optimizer(4);
        assert_eq!(load(&path, &mut optimizer).unwrap(), None);
        for steps in [10, 20] {
            let ledger = Ledger { steps, ..Ledger::default() };
            save(&path, &optimizer, &ledger).unwrap();
        }
        assert_eq!(load(&path, &mut optimizer).unwrap().unwrap().steps, 20);
        let whole = std::fs::read(&path).unwrap();
        for damage in [whole[..whole.len() / 2].to_vec(), vec![0xFF; whole.len()], Vec::new()] {
            std::fs::write(&path, damage).unwrap();
            let ledger = load(&path, &mut optimizer).unwrap().unwrap();
            assert_eq!(ledger.steps, 10);
            let [line] = ledger.passed_over.as_slice() else { panic!("{ledger:?}") };
            assert!(line.contains("state.safetensors is damaged"), "{line}");
        }
        std::fs::remove_file(before(&path)).unwrap();
        let error = load(&path, &mut optimizer).unwrap_err().to_string();
        assert!(error.contains("move it away") && error.lines().count() == 1, "{error}");
    }

    #[test]
    fn the_state_of_another_network_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.safetensors");
        save(&path, &optimizer(4).1, &Ledger::default()).unwrap();
        let (_store, mut other) = optimizer(8);
        let error = load(&path, &mut other).unwrap_err();
        assert!(matches!(error, StateError::Unfit { .. }), "{error}");
    }
}
