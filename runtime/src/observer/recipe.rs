//! What a training of an observer is told: a RON file, every field with a default.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::net::ObserverConfig;
use crate::train::RecipeError;

/// A training run of an observer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObserverRecipe {
    /// Card of the world model whose pictures are to be observed.
    pub model: PathBuf,
    /// Folders of episodes.
    pub data: Vec<PathBuf>,
    /// Folders of held-out episodes that the finished observer is scored on; empty leaves the scores out.
    pub eval: Vec<PathBuf>,
    /// Where checkpoints, plot and the finished model go.
    pub out: PathBuf,
    /// Of weights and sampling.
    pub seed: u64,
    /// `cpu`, `cuda` or `mps`.
    pub device: String,
    /// Threads of libtorch on the CPU; 0 takes all cores.
    pub threads: usize,
    /// Threads that draw labels from episodes.
    pub loaders: usize,
    /// Sizes of the network.
    pub network: ObserverConfig,
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
    /// Share of pictures that the model drew.
    pub dreamed_share: f64,
    /// Threads in which the model draws.
    pub dreamed_threads: usize,
    /// Pictures of the model that are kept on the device at most.
    pub dreamed_kept: usize,
    /// How often each of them is used, each time in other colours.
    pub dreamed_uses: usize,
    /// True pictures that are kept on the device at most.
    pub pool: usize,
    /// How often each of them is used, each time in other colours.
    pub uses: usize,
    /// Weight of the depth's negative log-likelihood beside the cross-entropy of the classes.
    pub depth_weight: f64,
    /// Time between checkpoints, seconds.
    pub checkpoint_every_s: f64,
}

impl Default for ObserverRecipe {
    fn default() -> Self {
        Self {
            model: "assets/models/courtyard.world.ron".into(),
            data: vec!["data/train".into()],
            eval: vec!["data/eval".into()],
            out: "runs/observer".into(),
            seed: 1,
            device: "cpu".into(),
            threads: 0,
            loaders: 1,
            network: ObserverConfig::default(),
            batch: 16,
            minutes: 40.0,
            learning_rate: 2e-3,
            warmup_steps: 100,
            weight_decay: 0.01,
            ema_decay: 0.998,
            bf16: true,
            dreamed_share: 0.45,
            dreamed_threads: 1,
            dreamed_kept: 1024,
            dreamed_uses: 12,
            pool: 512,
            uses: 3,
            depth_weight: 0.5,
            checkpoint_every_s: 120.0,
        }
    }
}

impl ObserverRecipe {
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
        let path = path.to_owned();
        if let Some((field, reason)) = self.network.fault() {
            return Err(RecipeError::Network { path, field, reason });
        }
        match self.out_of_range() {
            None => Ok(()),
            Some((field, value, allowed)) => {
                Err(RecipeError::OutOfRange { path, field, value, allowed })
            }
        }
    }

    fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if self.data.is_empty() {
            return Some(("data", "[]".into(), "name at least one folder of episodes"));
        }
        if !["cpu", "cuda", "mps"].contains(&self.device.as_str()) {
            return Some(("device", self.device.clone(), "it must be cpu, cuda or mps"));
        }
        for (field, value, least, most, allowed) in [
            ("batch", self.batch, 1, 4096, "it must lie between 1 and 4096"),
            ("threads", self.threads, 0, 1024, "it must be at most 1024"),
            ("loaders", self.loaders, 0, 256, "it must be at most 256"),
            ("dreamed_threads", self.dreamed_threads, 1, 256, "it must lie between 1 and 256"),
            ("dreamed_kept", self.dreamed_kept, 1, 1 << 20, "it must lie between 1 and 1048576"),
            ("dreamed_uses", self.dreamed_uses, 1, 1000, "it must lie between 1 and 1000"),
            ("pool", self.pool, 1, 1 << 20, "it must lie between 1 and 1048576"),
            ("uses", self.uses, 1, 1000, "it must lie between 1 and 1000"),
        ] {
            if !(least..=most).contains(&value) {
                return Some((field, value.to_string(), allowed));
            }
        }
        let positive = |v: f64| v > 0.0 && v.is_finite();
        let not_negative = |v: f64| v >= 0.0 && v.is_finite();
        for (field, value, is_good, allowed) in [
            ("minutes", self.minutes, positive(self.minutes), "it must be positive"),
            (
                "learning_rate",
                self.learning_rate,
                positive(self.learning_rate) && self.learning_rate < 1.0,
                "it must lie between 0 and 1",
            ),
            (
                "ema_decay",
                self.ema_decay,
                (0.0..1.0).contains(&self.ema_decay),
                "it must lie in [0, 1)",
            ),
            (
                "dreamed_share",
                self.dreamed_share,
                (0.0..=1.0).contains(&self.dreamed_share),
                "it is a share, 0 to 1",
            ),
            (
                "weight_decay",
                self.weight_decay,
                not_negative(self.weight_decay),
                "it must be 0 or positive",
            ),
            (
                "depth_weight",
                self.depth_weight,
                not_negative(self.depth_weight),
                "it must be 0 or positive",
            ),
            (
                "checkpoint_every_s",
                self.checkpoint_every_s,
                not_negative(self.checkpoint_every_s),
                "it must be 0 or positive",
            ),
        ] {
            if !is_good {
                return Some((field, value.to_string(), allowed));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<ObserverRecipe, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.ron");
        std::fs::write(&path, text).unwrap();
        ObserverRecipe::load(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn an_empty_recipe_is_the_default_and_faults_are_named() {
        assert_eq!(load("()").unwrap(), ObserverRecipe::default());
        for (text, words) in [
            ("(batsh: 1)", "batsh"),
            ("(batch: 0)", "batch is 0"),
            ("(data: [])", "data is []"),
            ("(minutes: NaN)", "minutes is NaN"),
            ("(dreamed_share: 1.5)", "dreamed_share is 1.5"),
            ("(dreamed_kept: 0)", "dreamed_kept is 0"),
            ("(device: \"tpu\")", "device is tpu"),
            ("(network: (channels: (8, 8, 9)))", "network.channels"),
            ("(network: (channels: (256, 512, 512)))", "network.channels"),
        ] {
            let line = load(text).unwrap_err();
            assert!(line.contains(words) && line.lines().count() == 1, "{text}: {line}");
        }
    }
}
