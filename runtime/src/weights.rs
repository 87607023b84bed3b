//! Weights in safetensors files, which are untrusted input: size, hash, header, names, dtypes, shapes
//! and values are checked before any tensor is made of them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::files::{one_line, read_limited, write_atomically};

/// No larger file is read.
pub const MAX_WEIGHTS_BYTES: u64 = 512 << 20;

/// One tensor of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightTensor {
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Row-major, finite.
    pub values: Vec<f32>,
}

/// Tensors by name.
pub type Weights = BTreeMap<String, WeightTensor>;

/// How values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 4 bytes, exact.
    F32,
    /// 2 bytes, rounded to 8 significant bits.
    Bf16,
}

/// Why a weights file cannot be used or written. Every message says what to do.
#[derive(Debug, Error)]
pub enum ModelFileError {
    /// There is no such file.
    #[error("{} is missing; put the weights back beside their model card", path.display())]
    Missing {
        /// The weights.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {}: {source}; check the path, its permissions and the disk", path.display())]
    Io {
        /// What was tried, an infinitive.
        action: &'static str,
        /// The weights.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Larger than [`MAX_WEIGHTS_BYTES`].
    #[error("{}: {reason}; this is not a model of Reverie", path.display())]
    TooLarge {
        /// The weights.
        path: PathBuf,
        /// How large.
        reason: String,
    },
    /// Not the file that the card was written for.
    #[error("{}: SHA-256 is {found}, but the model card says {expected}; fetch the model again", path.display())]
    WrongHash {
        /// The weights.
        path: PathBuf,
        /// Of the file.
        found: String,
        /// From the card.
        expected: String,
    },
    /// Cut off, or no safetensors file at all.
    #[error("{}: not a whole safetensors file ({reason}); fetch the model again", path.display())]
    Truncated {
        /// The weights.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// Names differ from those that the architecture has.
    #[error("{}: {reason}; the weights belong to another architecture: use the card they came with", path.display())]
    Names {
        /// The weights.
        path: PathBuf,
        /// What is missing and what is unknown.
        reason: String,
    },
    /// A tensor has another type or shape.
    #[error("{}: tensor `{tensor}` is {found}, expected {expected}; use the card that the weights came with", path.display())]
    Shape {
        /// The weights.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// In the file.
        found: String,
        /// By the architecture.
        expected: String,
    },
    /// A value is NaN or infinite.
    #[error("{}: tensor `{tensor}` holds {value} at {index}; the training broke down, use another checkpoint", path.display())]
    NotFinite {
        /// The weights.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// Flat index of the first bad value.
        index: usize,
        /// The value.
        value: f32,
    },
}

/// Reads and checks a weights file.
///
/// `sha256` is that of the model card; `None` for files without a card, such as checkpoints.
/// `expected` are the names and shapes that the architecture has: all of them, and no others, must be
/// in the file. F32, F16 and BF16 are read.
///
/// # Errors
/// Anything in the file differs from what is expected; nothing of it is used then.
pub fn read_weights(
    path: impl AsRef<Path>,
    sha256: Option<&str>,
    expected: &[(String, Vec<usize>)],
) -> Result<Weights, ModelFileError> {
    read(path.as_ref(), sha256, expected, true)
}

/// Reads some tensors of a weights file, and checks them as [`read_weights`] does; others may be in the file.
///
/// # Errors
/// The hash, or one of these tensors, differs from what is expected.
pub fn read_some_weights(
    path: impl AsRef<Path>,
    sha256: &str,
    expected: &[(String, Vec<usize>)],
) -> Result<Weights, ModelFileError> {
    read(path.as_ref(), Some(sha256), expected, false)
}

fn read(
    path: &Path,
    sha256: Option<&str>,
    expected: &[(String, Vec<usize>)],
    all: bool,
) -> Result<Weights, ModelFileError> {
    let bytes = read_checked(path, sha256)?;
    let file = opened(path, &bytes)?;
    check_names(path, &file, expected, all)?;
    let mut weights = Weights::new();
    for (name, shape) in expected {
        // The names were checked just now, so a failure here is one of the file's inner order.
        let view = file.tensor(name).map_err(|e| ModelFileError::Truncated {
            path: path.to_owned(),
            reason: one_line(e),
        })?;
        let wrong_shape = || ModelFileError::Shape {
            path: path.to_owned(),
            tensor: name.clone(),
            found: format!("{:?} {:?}", view.dtype(), view.shape()),
            expected: format!("F32, F16 or BF16 {shape:?}"),
        };
        if view.shape() != shape {
            return Err(wrong_shape());
        }
        let values = to_f32(&view).ok_or_else(wrong_shape)?;
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            let (tensor, value) = (name.clone(), values[index]);
            return Err(ModelFileError::NotFinite { path: path.to_owned(), tensor, index, value });
        }
        weights.insert(name.clone(), WeightTensor { shape: shape.clone(), values });
    }
    Ok(weights)
}

/// Writes a weights file under a temporary name, renames it, and gives its SHA-256 in hexadecimal.
///
/// # Errors
/// A value is not finite, a shape does not fit its values, or the file cannot be written; an older
/// file stays as it was.
pub fn write_weights(
    path: impl AsRef<Path>,
    weights: &Weights,
    precision: Precision,
) -> Result<String, ModelFileError> {
    let path = path.as_ref();
    let bytes = stored(path, weights, precision)?;
    let dtype = match precision {
        Precision::F32 => Dtype::F32,
        Precision::Bf16 => Dtype::BF16,
    };
    write_views(path, views(path, weights, &bytes, dtype)?)
}

/// Writes the weights file `from`, whose SHA-256 is `sha256`, to `to`, with `tensors` (in bf16) in place of all whose name `is_old`. Gives the new
/// file's SHA-256.
///
/// # Errors
/// The file is missing or another one, a value is not finite, or `to` cannot be written.
pub fn replace_weights(
    from: &Path,
    sha256: &str,
    (is_old, tensors): (&dyn Fn(&str) -> bool, &Weights),
    to: &Path,
) -> Result<String, ModelFileError> {
    let bytes = read_checked(from, Some(sha256))?;
    let old = opened(from, &bytes)?;
    let new = stored(to, tensors, Precision::Bf16)?;
    let mut views = views(to, tensors, &new, Dtype::BF16)?;
    views.extend(old.iter().filter(|(name, _)| !is_old(name)));
    write_views(to, views)
}

/// SHA-256, 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a file with this hash.
fn read_checked(path: &Path, sha256: Option<&str>) -> Result<Vec<u8>, ModelFileError> {
    let bytes = read_limited(path, MAX_WEIGHTS_BYTES).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ModelFileError::Missing { path: path.to_owned() },
        io::ErrorKind::FileTooLarge => {
            ModelFileError::TooLarge { path: path.to_owned(), reason: source.to_string() }
        }
        _ => ModelFileError::Io { action: "read", path: path.to_owned(), source },
    })?;
    if let Some(expected) = sha256 {
        let found = sha256_hex(&bytes);
        if found != expected {
            let expected = expected.to_owned();
            return Err(ModelFileError::WrongHash { path: path.to_owned(), found, expected });
        }
    }
    Ok(bytes)
}

fn opened<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>, ModelFileError> {
    SafeTensors::deserialize(bytes)
        .map_err(|e| ModelFileError::Truncated { path: path.to_owned(), reason: one_line(e) })
}

/// The values of each tensor as they are stored.
fn stored(
    path: &Path,
    weights: &Weights,
    precision: Precision,
) -> Result<Vec<Vec<u8>>, ModelFileError> {
    let mut stored = Vec::with_capacity(weights.len());
    for (name, WeightTensor { values, .. }) in weights {
        // Rounding can carry the largest values over to infinity.
        let bad =
            |v: f32| !v.is_finite() || (precision == Precision::Bf16 && !round_bf16(v).is_finite());
        if let Some(index) = values.iter().position(|v| bad(*v)) {
            let (tensor, value) = (name.clone(), values[index]);
            return Err(ModelFileError::NotFinite { path: path.to_owned(), tensor, index, value });
        }
        stored.push(match precision {
            Precision::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::Bf16 => values.iter().flat_map(|v| bf16_bits(*v).to_le_bytes()).collect(),
        });
    }
    Ok(stored)
}

fn views<'a>(
    path: &Path,
    weights: &'a Weights,
    stored: &'a [Vec<u8>],
    dtype: Dtype,
) -> Result<Vec<(&'a str, TensorView<'a>)>, ModelFileError> {
    let view = |((name, tensor), bytes): ((&'a String, &WeightTensor), &'a Vec<u8>)| {
        let view = TensorView::new(dtype, tensor.shape.clone(), bytes);
        let view = view.map_err(|_| ModelFileError::Shape {
            path: path.to_owned(),
            tensor: name.clone(),
            found: format!("{} values", tensor.values.len()),
            expected: format!("{:?}", tensor.shape),
        })?;
        Ok((name.as_str(), view))
    };
    weights.iter().zip(stored).map(view).collect()
}

/// Writes a weights file and gives its SHA-256.
fn write_views(path: &Path, views: Vec<(&str, TensorView<'_>)>) -> Result<String, ModelFileError> {
    let io_error = |source| ModelFileError::Io { action: "write", path: path.to_owned(), source };
    let bytes = serialize(views, None).map_err(|e| io_error(io::Error::other(e)))?;
    write_atomically(path, &bytes).map_err(io_error)?;
    Ok(sha256_hex(&bytes))
}

fn check_names(
    path: &Path,
    file: &SafeTensors<'_>,
    expected: &[(String, Vec<usize>)],
    all: bool,
) -> Result<(), ModelFileError> {
    let found: std::collections::BTreeSet<&str> = file.names().into_iter().collect();
    let wanted: std::collections::BTreeSet<&str> =
        expected.iter().map(|(name, _)| name.as_str()).collect();
    let missing: Vec<&str> = wanted.difference(&found).copied().collect();
    let unknown: Vec<&str> = found.difference(&wanted).copied().filter(|_| all).collect();
    let list = |what: &str, names: &[&str]| match names {
        [] => None,
        [first] => Some(format!("tensor `{}` is {what}", printable(first))),
        [first, rest @ ..] => {
            Some(format!("tensor `{}` and {} more are {what}", printable(first), rest.len()))
        }
    };
    let faults: Vec<String> =
        [list("missing", &missing), list("unknown", &unknown)].into_iter().flatten().collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(ModelFileError::Names { path: path.to_owned(), reason: faults.join(", ") })
}

/// A name from an untrusted file, on one short line.
fn printable(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

/// The values of a tensor, or `None` for a dtype that no model has.
fn to_f32(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    let halves = || data.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b));
    match view.dtype() {
        Dtype::F32 => {
            Some(data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
        }
        Dtype::BF16 => Some(halves().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect()),
        Dtype::F16 => Some(halves().map(f16_to_f32).collect()),
        _ => None,
    }
}

/// IEEE 754 half precision: 1 sign, 5 exponent, 10 mantissa bits.
fn f16_to_f32(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let mantissa = f32::from(bits & 0x3ff);
    sign * match i32::from(bits >> 10 & 0x1f) {
        0 => mantissa * 2f32.powi(-24),
        31 if mantissa == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (mantissa + 1024.0) * 2f32.powi(exponent - 25),
    }
}

/// The upper half of a finite f32, rounded to nearest, ties to even.
fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

fn round_bf16(value: f32) -> f32 {
    f32::from_bits(u32::from(bf16_bits(value)) << 16)
}

#[cfg(test)]
mod tests;
