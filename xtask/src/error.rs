//! Everything that can stop a command, each in one line that says what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use thiserror::Error;

/// Why a command stopped.
#[derive(Debug, Error)]
pub enum XtaskError {
    /// No such command.
    #[error("there is no command `{0}`; there are setup, play, test, bench and ci")]
    UnknownCommand(String),
    /// An argument where none is taken.
    #[error("`{command}` takes no arguments, but `{argument}` was given")]
    SurplusArgument {
        /// The command.
        command: String,
        /// The first argument too many.
        argument: String,
    },
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried: "create", "read", …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot start `{command}`: {source}")]
    Start {
        /// The command line.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("`{command}` failed ({status})")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// Packages are missing that the build needs, and this user may not install them.
    #[error("the build needs system packages that are missing; please run: {0}")]
    MissingPackages(String),
    /// There is neither `$XDG_CACHE_HOME` nor a home folder.
    #[error("no cache folder: set XDG_CACHE_HOME (or HOME) to a folder that can be written to")]
    NoCacheFolder,
    /// No prebuilt libtorch that we know of.
    #[error(
        "no prebuilt libtorch {version} is known for {os} on {arch}; build or download it and set LIBTORCH to its folder"
    )]
    NoPrebuilt {
        /// The version that is needed.
        version: &'static str,
        /// Operating system.
        os: &'static str,
        /// Processor.
        arch: &'static str,
    },
    /// `LIBTORCH` does not point at libtorch.
    #[error(
        "LIBTORCH is {}, but there is no {missing} in it; unset it to let set-up fetch libtorch",
        folder.display()
    )]
    NotLibtorch {
        /// The folder.
        folder: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// Python's pip is the only way to the wheels.
    #[error("libtorch is fetched with pip, and there is no Python 3 with pip here; {0}")]
    NoPip(&'static str),
    /// pip fails, and has told why.
    #[error(
        "pip could not fetch libtorch {version} (see above); with a copy of your own, set LIBTORCH to it"
    )]
    Download {
        /// The version that is needed.
        version: &'static str,
    },
    /// A wheel cannot be read as a zip file.
    #[error("cannot unpack {}: {source}", wheel.display())]
    Wheel {
        /// The file.
        wheel: PathBuf,
        /// Why not.
        source: zip::result::ZipError,
    },
    /// The wheels do not hold what they should.
    #[error("the downloaded wheels lack {0}")]
    IncompleteWheels(&'static str),
    /// Something that is not ours lies where the link to libtorch should be.
    #[error("{} is in the way of the link to libtorch; please remove it", .0.display())]
    InTheWay(PathBuf),
    /// The workspace's folder cannot be told.
    #[error("xtask must be run through cargo, as `cargo xtask`")]
    NotUnderCargo,
    /// A trace could not be taken.
    #[error(transparent)]
    Trace(#[from] crate::trace::TraceError),
    /// Parts of a test run failed; the table above has told which.
    #[error("failed: {0}")]
    PhasesFailed(String),
}

/// Adds what was tried, and on what, to an [`io::Error`].
pub trait FileContext<T> {
    /// `action` completes the sentence "cannot … PATH".
    fn context(self, action: &'static str, path: &Path) -> Result<T, XtaskError>;
}

impl<T> FileContext<T> for io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, XtaskError> {
        self.map_err(|source| XtaskError::File { action, path: path.to_owned(), source })
    }
}
