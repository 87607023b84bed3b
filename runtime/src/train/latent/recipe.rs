//! What the training of an autoencoder is told: a RON file, every field with a default.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::latent::autoencoder::AutoencoderConfig;
use crate::train::RecipeError;

/// A training run of an autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutoencoderRecipe {
    /// Name of the autoencoder, and of its files.
    pub name: String,
    /// Folders of episodes.
    pub data: Vec<PathBuf>,
    /// Folders of held-out episodes that the finished autoencoder is scored on; empty leaves the scores out.
    pub eval: Vec<PathBuf>,
    /// Where checkpoints, plot, figure and the finished autoencoder go.
    pub out: PathBuf,
    /// Of weights and sampling.
    pub seed: u64,
    /// `cpu`, `cuda` or `mps`.
    pub device: String,
    /// Threads of libtorch on the CPU; 0 takes all cores.
    pub threads: usize,
    /// Threads that read pictures.
    pub loaders: usize,
    /// Sizes of the network.
    pub network: AutoencoderConfig,
    /// Card of an autoencoder of the same sizes whose weights a new run starts from; random ones if `None`.
    pub start_from: Option<PathBuf>,
    /// Only the decoder learns: a transformer that was trained on the latents stays good.
    pub fixed_encoder: bool,
    /// Pictures per step.
    pub batch: usize,
    /// Pictures kept on the device for drawing from; each of 256×144 takes 0.26 MB.
    pub pool: usize,
    /// How often a picture is learnt from.
    pub uses: usize,
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
    /// Weight of the L1 term on finite differences.
    pub gradient_weight: f64,
    /// Weight of the L1 term on nearness, which stands for depth.
    pub depth_weight: f64,
    /// Noise on the latents before they are decoded, standard deviation at most: what a world model makes is never exact.
    pub latent_noise: f64,
    /// Time between checkpoints, seconds.
    pub checkpoint_every_s: f64,
}

impl Default for AutoencoderRecipe {
    fn default() -> Self {
        Self {
            name: "m-tiny".into(),
            data: vec!["data/train".into()],
            eval: vec!["data/eval".into()],
            out: "runs/autoencoder".into(),
            seed: 1,
            device: "cpu".into(),
            threads: 0,
            loaders: 1,
            network: AutoencoderConfig::default(),
            start_from: None,
            fixed_encoder: false,
            batch: 8,
            pool: 128,
            uses: 1,
            minutes: 30.0,
            learning_rate: 1.5e-3,
            warmup_steps: 200,
            weight_decay: 0.01,
            ema_decay: 0.998,
            bf16: true,
            l1_weight: 0.1,
            gradient_weight: 0.1,
            depth_weight: 0.1,
            latent_noise: 0.15,
            checkpoint_every_s: 120.0,
        }
    }
}

impl AutoencoderRecipe {
    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// One clear line for each way a recipe can be wrong.
    pub fn load(path: &Path) -> Result<Self, RecipeError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| RecipeError::Unreadable { path: path.to_owned(), source })?;
        let recipe: Self = ron::from_str(&text)
            .map_err(|e| RecipeError::Malformed { path: path.to_owned(), source: Box::new(e) })?;
        let path = path.to_owned();
        if let Some((field, reason)) = recipe.network.fault() {
            return Err(RecipeError::Network { path, field, reason });
        }
        match recipe.out_of_range() {
            None => Ok(recipe),
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
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            let name = format!("{:?}", self.name);
            return Some(("name", name, "use letters, digits, `_` and `-`"));
        }
        for (field, value, least, most) in [
            ("batch", self.batch, 1, 4096),
            ("threads", self.threads, 0, 1024),
            ("loaders", self.loaders, 0, 256),
            ("pool", self.pool, 0, 1 << 20),
            ("uses", self.uses, 1, 1000),
        ] {
            if !(least..=most).contains(&value) {
                return Some((field, value.to_string(), "it is too small or too large"));
            }
        }
        let not_negative = |v: f64| v >= 0.0 && v.is_finite();
        let rate = self.learning_rate > 0.0 && self.learning_rate < 1.0;
        let minutes = self.minutes > 0.0 && self.minutes.is_finite();
        for (field, value, is_good, allowed) in [
            ("minutes", self.minutes, minutes, "it must be positive"),
            ("learning_rate", self.learning_rate, rate, "it must lie between 0 and 1"),
            (
                "ema_decay",
                self.ema_decay,
                (0.0..1.0).contains(&self.ema_decay),
                "it must lie in [0, 1)",
            ),
        ] {
            if !is_good {
                return Some((field, value.to_string(), allowed));
            }
        }
        [
            ("weight_decay", self.weight_decay),
            ("l1_weight", self.l1_weight),
            ("gradient_weight", self.gradient_weight),
            ("depth_weight", self.depth_weight),
            ("latent_noise", self.latent_noise),
            ("checkpoint_every_s", self.checkpoint_every_s),
        ]
        .into_iter()
        .find(|(_, value)| !not_negative(*value))
        .map(|(field, value)| (field, value.to_string(), "it must be 0 or positive"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<AutoencoderRecipe, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.ron");
        std::fs::write(&path, text).unwrap();
        AutoencoderRecipe::load(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn an_empty_recipe_is_the_default_and_faults_are_named() {
        assert_eq!(load("()").unwrap(), AutoencoderRecipe::default());
        for (text, words) in [
            ("(batsh: 1)", "batsh"),
            ("(batch: 0)", "batch is 0"),
            ("(name: \"../x\")", "name is"),
            ("(latent_noise: -1)", "latent_noise is -1"),
            ("(minutes: NaN)", "minutes is NaN"),
            ("(network: (latent_channels: 7))", "network.latent_channels"),
        ] {
            let line = load(text).unwrap_err();
            assert!(line.contains(words) && line.lines().count() == 1, "{text}: {line}");
        }
    }
}
