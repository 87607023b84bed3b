//! Scripts: intent by tick, from a RON file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::PlayerAction;

/// Intent over a span of physics ticks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptStep {
    /// First tick, counted from the start of the script.
    pub from_tick: u64,
    /// First tick after the step.
    pub to_tick: u64,
    /// In each of these ticks.
    pub action: PlayerAction,
}

/// Intent by tick. Where steps overlap, the later in the list counts.
///
/// ```ron
/// (steps: [
///     (from_tick: 0, to_tick: 60, action: (walk: (0.0, 1.0))),
///     (from_tick: 60, to_tick: 90, action: (look: (0.02, 0.0), jump: true)),
/// ])
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionScript {
    /// In any order.
    pub steps: Vec<ScriptStep>,
}

/// Why a script cannot be played.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("cannot read the action script {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a script.
    #[error("action script {}: {reason}; see the docs of `ActionScript` for the form", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where, and what was expected.
        reason: String,
    },
    /// A step makes no sense.
    #[error("action script {}: step {step}: {reason}", path.display())]
    Step {
        /// Which file.
        path: PathBuf,
        /// Counted from 0.
        step: usize,
        /// What to change.
        reason: String,
    },
}

impl ActionScript {
    /// Reads and checks a script.
    ///
    /// # Errors
    /// The file is missing, no RON, or has a step that makes no sense.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ScriptError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScriptError::Io { path: path.to_owned(), source })?;
        let script: Self = ron::from_str(&text).map_err(|error| ScriptError::Malformed {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        for (step, content) in script.steps.iter().enumerate() {
            if let Some(reason) = content.fault() {
                return Err(ScriptError::Step { path: path.to_owned(), step, reason });
            }
        }
        Ok(script)
    }

    /// The intent of a tick, counted from the start of the script; nothing where no step covers it.
    pub fn action_at(&self, tick: u64) -> PlayerAction {
        let covers = |step: &&ScriptStep| (step.from_tick..step.to_tick).contains(&tick);
        self.steps.iter().rev().find(covers).map_or_else(PlayerAction::default, |step| step.action)
    }

    /// First tick after the last step.
    pub fn ticks(&self) -> u64 {
        self.steps.iter().map(|step| step.to_tick).max().unwrap_or(0)
    }
}

impl ScriptStep {
    fn fault(&self) -> Option<String> {
        let (walk, look) = (self.action.walk, self.action.look);
        if self.from_tick >= self.to_tick {
            return Some(format!(
                "to_tick {} must be greater than from_tick {}",
                self.to_tick, self.from_tick
            ));
        }
        if !walk.is_finite() || walk.length() > 1.001 {
            return Some(format!("walk ({}, {}) must have a length of at most 1", walk.x, walk.y));
        }
        if !look.is_finite() || look.abs().max_element() > std::f32::consts::PI {
            return Some(format!(
                "look ({}, {}) must be radians per tick within ±π",
                look.x, look.y
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use bevy::math::Vec2;

    use super::*;

    fn loaded(text: &str) -> Result<ActionScript, ScriptError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("walk.ron");
        std::fs::write(&path, text).unwrap();
        ActionScript::load(&path)
    }

    #[test]
    fn later_steps_count_and_gaps_are_idle() {
        let script = loaded(
            "(steps: [
                (from_tick: 0, to_tick: 10, action: (walk: (0.0, 1.0))),
                (from_tick: 5, to_tick: 6, action: (jump: true)),
            ])",
        )
        .unwrap();
        assert_eq!(script.action_at(4).walk, Vec2::Y);
        assert!(script.action_at(5).jump && script.action_at(5).walk == Vec2::ZERO);
        assert_eq!(script.action_at(10), PlayerAction::default());
        assert_eq!(script.ticks(), 10);
    }

    #[test]
    fn faults_are_one_line_that_names_the_file() {
        let bad = [
            ("(steps: [(from_tick: 5, to_tick: 5, action: ())])", "to_tick 5"),
            ("(steps: [(from_tick: 0, to_tick: 5, action: (walk: (2.0, 0.0)))])", "at most 1"),
            ("(steps: [(from_tick: 0, to_tick: 5, action: (jmp: true))])", "jmp"),
            ("(steps: 3)", "expected"),
            ("", "walk.ron"),
        ];
        for (text, expected) in bad {
            let message = loaded(text).unwrap_err().to_string();
            assert!(message.to_lowercase().contains(expected), "{text}: {message}");
            assert!(message.contains("walk.ron") && !message.contains('\n'), "{message}");
        }
        let missing = ActionScript::load("/nowhere/walk.ron").unwrap_err().to_string();
        assert!(missing.contains("/nowhere/walk.ron"), "{missing}");
    }
}
