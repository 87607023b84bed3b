//! What is played: the courtyard, a level file, or a picture of a plan.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bevy_reverie::level::{Level, LevelSource};
use bevy_reverie::sketch::SketchOptions;
use reverie_runtime::style::StyleWeights;

/// The world of the command line, read.
pub enum PlayedWorld {
    /// Drawn from the seed.
    Courtyard,
    /// Out of a file, which is watched.
    File {
        /// Which file, and how it is read.
        source: LevelSource,
        /// What the level was made of.
        bytes: Vec<u8>,
        /// What is played first.
        level: Arc<Level>,
    },
}

impl PlayedWorld {
    /// Finds out what a word names, and reads it.
    ///
    /// # Errors
    /// There is no such world, or the file is no level.
    pub fn open(
        word: &str,
        sketch: SketchOptions,
        style: StyleWeights,
    ) -> Result<Self, Box<dyn Error>> {
        if word == "courtyard" {
            return Ok(Self::Courtyard);
        }
        let path = Path::new(word);
        if !path.exists() && path.extension().is_none() {
            let worlds = "play `courtyard`, a `.level.ron` file, or a picture of a plan";
            return Err(format!("there is no world `{word}`; {worlds}").into());
        }
        let source = LevelSource { path: PathBuf::from(path), sketch, style };
        let bytes = source.bytes()?;
        let sourced = source.level_of(&bytes)?;
        for warning in &sourced.warnings {
            say!("{}: {warning}", path.display());
        }
        Ok(Self::File { source, bytes, level: Arc::new(sourced.level) })
    }

    /// The level, if it is not the courtyard.
    pub fn level(&self) -> Option<&Arc<Level>> {
        match self {
            Self::Courtyard => None,
            Self::File { level, .. } => Some(level),
        }
    }
}
