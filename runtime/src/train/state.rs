//! The trainer's state on disk: one file, replaced as a whole.

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
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

/// Writes weights, average, moments and ledger.
///
/// # Errors
/// The file cannot be written; an older one stays as it was.
pub fn save(path: &Path, optimizer: &Optimizer, ledger: &Ledger) -> Result<(), StateError> {
    let io = |source| StateError::Io { action: "write", path: path.to_owned(), source };
    let mut stored = Vec::new();
    for (name, tensor) in parts(optimizer) {
        let values: Vec<f32> = Vec::try_from(tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?)?;
        stored.push((name, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()));
    }
    let mut views = Vec::new();
    for (name, count, bytes) in &stored {
        let view = TensorView::new(Dtype::F32, vec![*count], bytes)
            .map_err(|e| io(std::io::Error::other(e.to_string())))?;
        views.push((*name, view));
    }
    let ledger = ron::to_string(ledger).map_err(|e| io(std::io::Error::other(e)))?;
    let text = HashMap::from([("ledger".to_owned(), ledger), ("layout".to_owned(), layout(optimizer))]);
    let bytes = serialize(views, Some(text)).map_err(|e| io(std::io::Error::other(e.to_string())))?;
    write_atomically(path, &bytes).map_err(io)
}

/// Reads a state into `optimizer`. `None` if there is no such file.
///
/// # Errors
/// The file is damaged or belongs to another network.
pub fn load(path: &Path, optimizer: &mut Optimizer) -> Result<Option<Ledger>, StateError> {
    let unfit = |reason: String| StateError::Unfit { path: path.to_owned(), reason };
    let bytes = match read_limited(path, MOST_BYTES) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StateError::Io { action: "read", path: path.to_owned(), source }),
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| unfit(e.to_string()))?;
    let text = header.metadata().clone().unwrap_or_default();
    let file = SafeTensors::deserialize(&bytes).map_err(|e| unfit(e.to_string()))?;
    if text.get("layout") != Some(&layout(optimizer)) {
        return Err(unfit("its network has other sizes".to_owned()));
    }
    let ledger = text.get("ledger").map(String::as_str).unwrap_or_default();
    let ledger: Ledger = ron::from_str(ledger).map_err(|e| unfit(e.to_string()))?;
    let _guard = tch::no_grad_guard();
    for (name, mut tensor) in parts(optimizer) {
        let view = file.tensor(name).map_err(|e| unfit(e.to_string()))?;
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        if values.len() != tensor.numel() || values.iter().any(|v| !v.is_finite()) {
            return Err(unfit(format!("its `{name}` is damaged")));
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
    optimizer.layout().iter().map(|(name, shape)| format!("{name}{shape:?}")).collect::<Vec<_>>().join(";")
}
