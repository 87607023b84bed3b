//! From a file to a level: a `*.level.ron`, or a picture of a plan.

use std::path::{Path, PathBuf};

use reverie_runtime::files::read_limited;
use reverie_runtime::style::StyleWeights;
use thiserror::Error;

use super::build::{BuildError, BuildOptions, Built, build};
use super::{Level, LevelError};
use crate::sketch::{MAX_FILE_BYTES, Reading, SketchError, SketchOptions, Warning, read_sketch};

/// Ends the name of a level file; everything else is read as a picture.
const LEVEL_ENDING: &str = ".ron";

/// A file to make a level of, and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LevelSource {
    /// A `*.level.ron`, or a picture.
    pub path: PathBuf,
    /// How a picture is read.
    pub sketch: SketchOptions,
    /// Weather and time of day of a level that is built from a picture.
    pub style: StyleWeights,
}

/// A level out of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Sourced {
    /// Checked.
    pub level: Level,
    /// Repairs of a picture.
    pub warnings: Vec<Warning>,
    /// What was read of a picture.
    pub reading: Option<Reading>,
}

/// Why a file is no level; one line.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A level file.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// A picture that is no level.
    #[error("sketch {}: {error}", path.display())]
    Sketch {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: SketchError,
    },
    /// A picture whose plan cannot be built.
    #[error("sketch {}: {error}", path.display())]
    Build {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: BuildError,
        /// What was read.
        reading: Box<Reading>,
    },
}

impl LevelSource {
    /// A file, read by default.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Whether the file is read as a picture.
    pub fn is_sketch(&self) -> bool {
        !self.path.to_string_lossy().to_lowercase().ends_with(LEVEL_ENDING)
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// It is missing, a folder, or too large.
    pub fn bytes(&self) -> Result<Vec<u8>, SourceError> {
        if !self.is_sketch() {
            return Ok(Level::bytes(&self.path)?);
        }
        let io = |source| SourceError::Sketch {
            path: self.path.clone(),
            error: SketchError::Io(source),
        };
        if self.path.is_dir() {
            let kind = std::io::ErrorKind::IsADirectory;
            return Err(io(std::io::Error::new(kind, "it is a folder; name a picture")));
        }
        read_limited(&self.path, MAX_FILE_BYTES).map_err(io)
    }

    /// Makes a level of the file's bytes.
    ///
    /// # Errors
    /// They are no level, or a picture that cannot be played.
    pub fn level_of(&self, bytes: &[u8]) -> Result<Sourced, SourceError> {
        if !self.is_sketch() {
            let level = Level::from_bytes(bytes, &self.path)?;
            return Ok(Sourced { level, warnings: Vec::new(), reading: None });
        }
        let path = || self.path.clone();
        let reading = read_sketch(bytes, &self.sketch)
            .map_err(|error| SourceError::Sketch { path: path(), error })?;
        let options = BuildOptions { name: stem(&self.path), style: self.style };
        match build(&reading.plan, &reading.legend, &options) {
            Ok(Built { level, warnings }) => {
                let warnings = reading.warnings.iter().cloned().chain(warnings).collect();
                Ok(Sourced { level, warnings, reading: Some(reading) })
            }
            Err(error) => {
                Err(SourceError::Build { path: path(), error, reading: Box::new(reading) })
            }
        }
    }

    /// Reads the file and makes a level of it.
    ///
    /// # Errors
    /// As [`Self::bytes`] and [`Self::level_of`].
    pub fn read(&self) -> Result<Sourced, SourceError> {
        self.level_of(&self.bytes()?)
    }
}

/// The file's name without its endings.
pub fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let stem = name.strip_suffix(".level.ron").map(str::to_owned);
    let plain = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    stem.or_else(plain).filter(|stem| !stem.is_empty()).unwrap_or_else(|| "level".to_owned())
}
