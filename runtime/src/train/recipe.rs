//! What a training run is told: a RON file, every field with a default.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::reverie::unet::UnetConfig;

/// A training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Name of the model, and of its files.
    pub name: String,
    /// Folders of episodes.
    pub data: Vec<PathBuf>,
    /// Folders of episodes that the looks are gathered from, of any size: larger pictures give sharper looks. Empty:
    /// the same as `data`.
    pub looks: Vec<PathBuf>,
    /// Card of a model whose looks are taken over in place of gathering any.
    pub looks_of: Option<PathBuf>,
    /// Where checkpoints, plot and the finished model go.
    pub out: PathBuf,
    /// Of weights, sampling of data and noise.
    pub seed: u64,
    /// `cpu`, `cuda` or `mps`.
    pub device: String,
    /// Threads of libtorch on the CPU; 0 takes all cores.
    pub threads: usize,
    /// Threads that draw conditions from episodes.
    pub loaders: usize,
    /// Sizes of the network.
    pub network: UnetConfig,
    /// Card of a model of the same sizes whose weights a new run starts from; random ones if `None`. Channels of the
    /// condition are matched by name.
    pub start_from: Option<PathBuf>,
    /// Pictures per step.
    pub batch: usize,
    /// Time spent training, minutes; the learning rate follows a cosine over it.
    pub minutes: f64,
    /// Peak learning rate of AdamW.
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Of the moving average of the weights, per step.
    pub ema_decay: f64,
    /// Compute in bfloat16 with f32 master weights.
    pub bf16: bool,
    /// Weight of the L1 term beside the squared error.
    pub l1_weight: f64,
    /// Weight of the L1 term on finite differences, which keeps edges and texture.
    pub gradient_weight: f64,
    /// Weight of the difference in strength of fine texture, patch by patch.
    pub texture_weight: f64,
    /// Share of samples whose past is the model's own output, as far as they come fast enough.
    pub rollout_share: f64,
    /// Threads that play the model for that.
    pub rollout_threads: usize,
    /// Samples kept on the device for drawing from; each of 128×72 takes 1.2 MB.
    pub pool: usize,
    /// How often a sample is learnt from, with other noise each time.
    pub uses: usize,
    /// Time between checkpoints, seconds.
    pub checkpoint_every_s: f64,
    /// How samples are drawn.
    pub sampling: Sampling,
}

/// How a training sample is drawn from an episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Share of samples that keep the tints.
    pub keep_tints: f64,
    /// Share without any past frame: the first picture of a world.
    pub cold: f64,
    /// Share with keyframes but no last frame: after a cut back to a known place.
    pub no_last: f64,
    /// Share without keyframes.
    pub no_key: f64,
    /// Share without exemplars.
    pub no_exemplar: f64,
    /// Share without memory; in the others patches of it are left out.
    pub no_memory: f64,
    /// Share with noise on the past frames.
    pub context_noise: f64,
    /// Share with blanked condition maps, at condition strength 0.
    pub blank_condition: f64,
    /// Share at pure noise, the level of one-step sampling.
    pub pure_noise: f64,
    /// Farthest last frame, in frames of the episode.
    pub longest_stride: usize,
    /// Samples drawn from an episode per visit.
    pub per_visit: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            name: "courtyard".into(),
            data: vec!["data/train".into()],
            looks: Vec::new(),
            looks_of: None,
            out: "runs/train".into(),
            seed: 1,
            device: "cpu".into(),
            threads: 0,
            loaders: 1,
            network: UnetConfig::default(),
            start_from: None,
            batch: 8,
            minutes: 60.0,
            learning_rate: 1e-3,
            warmup_steps: 100,
            weight_decay: 0.01,
            ema_decay: 0.998,
            bf16: true,
            l1_weight: 0.1,
            gradient_weight: 0.1,
            texture_weight: 0.2,
            rollout_share: 0.35,
            rollout_threads: 1,
            pool: 128,
            uses: 1,
            checkpoint_every_s: 120.0,
            sampling: Sampling::default(),
        }
    }
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            keep_tints: 0.7,
            cold: 0.12,
            no_last: 0.08,
            no_key: 0.15,
            no_exemplar: 0.1,
            no_memory: 0.25,
            context_noise: 0.6,
            blank_condition: 0.03,
            pure_noise: 0.6,
            longest_stride: 3,
            per_visit: 12,
        }
    }
}

/// A recipe that cannot be used.
#[derive(Debug, Error)]
pub enum RecipeError {
    /// No such file, or not readable.
    #[error("recipe {path}: {source}; give the path of a RON file")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not RON, or a field that does not exist.
    #[error("recipe {path}: {source}; the fields are listed in docs/TRAINING.md")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<ron::error::SpannedError>,
    },
    /// A network that cannot be built.
    #[error("recipe {path}: network.{field} is {reason}")]
    Network {
        /// Which file.
        path: PathBuf,
        /// Which field of the network.
        field: &'static str,
        /// What it says, and what it may say.
        reason: String,
    },
    /// A value out of range.
    #[error("recipe {path}: {field} is {value}; {allowed}")]
    OutOfRange {
        /// Which file.
        path: PathBuf,
        /// Which field.
        field: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        allowed: &'static str,
    },
}

impl Recipe {
    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// One clear line for each way a recipe can be wrong.
    pub fn load(path: &Path) -> Result<Self, RecipeError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| RecipeError::Unreadable { path: path.to_owned(), source })?;
        let recipe: Self = ron::from_str(&text)
            .map_err(|e| RecipeError::Malformed { path: path.to_owned(), source: Box::new(e) })?;
        recipe.check(path)?;
        Ok(recipe)
    }

    fn check(&self, path: &Path) -> Result<(), RecipeError> {
        let wrong = |field, value: String, allowed| {
            Err(RecipeError::OutOfRange { path: path.to_owned(), field, value, allowed })
        };
        if self.data.is_empty() {
            return wrong("data", "[]".into(), "name at least one folder of episodes");
        }
        if !(1..=4096).contains(&self.batch) {
            return wrong("batch", self.batch.to_string(), "it must lie between 1 and 4096");
        }
        if !(self.minutes > 0.0 && self.minutes.is_finite()) {
            return wrong("minutes", self.minutes.to_string(), "it must be positive");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate < 1.0) {
            return wrong(
                "learning_rate",
                self.learning_rate.to_string(),
                "it must lie between 0 and 1",
            );
        }
        if !(0.0..1.0).contains(&self.ema_decay) {
            return wrong("ema_decay", self.ema_decay.to_string(), "it must lie in [0, 1)");
        }
        if !["cpu", "cuda", "mps"].contains(&self.device.as_str()) {
            return wrong("device", self.device.clone(), "it must be cpu, cuda or mps");
        }
        // It becomes the name of a file that a card may name.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return wrong("name", format!("{:?}", self.name), "use letters, digits, `_` and `-`");
        }
        if let Some((field, reason)) = self.network.fault() {
            return Err(RecipeError::Network { path: path.to_owned(), field, reason });
        }
        let s = &self.sampling;
        for (field, value, most) in [
            ("threads", self.threads, 1024),
            ("loaders", self.loaders, 256),
            ("rollout_threads", self.rollout_threads, 256),
            ("pool", self.pool, 1 << 20),
            ("uses", self.uses, 1000),
            ("sampling.per_visit", s.per_visit, 1000),
            ("sampling.longest_stride", s.longest_stride, 1000),
        ] {
            // As threads, 0 means all cores, and as loaders one.
            if value > most || (value == 0 && field.starts_with("sampling")) {
                return wrong(field, value.to_string(), "it is too small or too large");
            }
        }
        for (field, value) in [
            ("weight_decay", self.weight_decay),
            ("l1_weight", self.l1_weight),
            ("gradient_weight", self.gradient_weight),
            ("checkpoint_every_s", self.checkpoint_every_s),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return wrong(field, value.to_string(), "it must be 0 or positive");
            }
        }
        for (field, value) in [
            ("sampling.keep_tints", s.keep_tints),
            ("sampling.cold", s.cold),
            ("sampling.no_last", s.no_last),
            ("sampling.no_key", s.no_key),
            ("sampling.no_exemplar", s.no_exemplar),
            ("sampling.no_memory", s.no_memory),
            ("sampling.context_noise", s.context_noise),
            ("sampling.blank_condition", s.blank_condition),
            ("sampling.pure_noise", s.pure_noise),
            ("rollout_share", self.rollout_share),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return wrong(field, value.to_string(), "it is a share, 0 to 1");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Recipe, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.ron");
        std::fs::write(&path, text).unwrap();
        Recipe::load(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn an_empty_recipe_is_the_default() {
        assert_eq!(load("()").unwrap(), Recipe::default());
    }

    #[test]
    fn a_typo_is_named_with_its_place() {
        let line = load("(\n  lerning_rate: 0.1,\n)").unwrap_err();
        assert!(line.contains("lerning_rate") && line.contains("2:"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        assert!(load("(batch: 0)").unwrap_err().contains("batch is 0"));
        assert!(load("(device: \"tpu\")").unwrap_err().contains("device is tpu"));
        assert!(
            load("(network: (channels: (63, 96, 192)))").unwrap_err().contains("network.channels")
        );
    }
}
