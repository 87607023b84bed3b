//! Faults of episodes, one clear line each.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::files::one_line;

/// Why an episode cannot be written or read.
#[derive(Debug, Error)]
pub enum DataError {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, an infinitive.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An episode is never overwritten.
    #[error("{} is there already; remove it or record under another name", path.display())]
    AlreadyThere {
        /// The folder.
        path: PathBuf,
    },
    /// Recording was cut off.
    #[error("{} is incomplete: its recording was cut off; record it again", path.display())]
    Incomplete {
        /// The folder or its manifest.
        path: PathBuf,
    },
    /// Written by another version of Reverie.
    #[error("{}: episode version {found}, but this program reads {expected}; record it again", path.display())]
    Version {
        /// The manifest.
        path: PathBuf,
        /// In the file.
        found: u32,
        /// Of this program.
        expected: u32,
    },
    /// Content that does not fit.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// One picture cannot be decoded.
    #[error("{}: frame {frame}: {reason}", path.display())]
    Frame {
        /// The file of pictures.
        path: PathBuf,
        /// Counted from 0.
        frame: usize,
        /// What is wrong.
        reason: String,
    },
    /// A frame that cannot be recorded.
    #[error("frame {frame} cannot be recorded: {reason}")]
    BadInput {
        /// Counted from 0.
        frame: usize,
        /// What is wrong.
        reason: String,
    },
}

impl DataError {
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    pub(super) fn malformed(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::Malformed { path: path.into(), reason: one_line(reason) }
    }
}
