//! What the training of model M's transformer is told: a RON file, every field with a default.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::latent::compositor::CompositorConfig;
use crate::model::latent::transformer::TransformerConfig;
use crate::train::{RecipeError, Sampling};

/// A training run of model M's transformer and compositor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DreamerRecipe {
    /// Name of the model, and of its files.
    pub name: String,
    /// Card of the autoencoder that the first stage made.
    pub autoencoder: PathBuf,
    /// Card of a model M of the same sizes whose transformer and compositor the training begins with; its autoencoder must be the one above.
    pub start_from: Option<PathBuf>,
    /// Folders of episodes.
    pub data: Vec<PathBuf>,
    /// Folders of episodes that the looks of worlds without a prompt are gathered from; empty for none.
    pub looks: Vec<PathBuf>,
    /// Card of a model whose looks are taken over instead.
    pub looks_of: Option<PathBuf>,
    /// Where checkpoints, plot and the finished model go.
    pub out: PathBuf,
    /// Of weights and sampling.
    pub seed: u64,
    /// `cpu`, `cuda` or `mps`.
    pub device: String,
    /// Threads of libtorch on the CPU; 0 takes all cores.
    pub threads: usize,
    /// Threads that draw sequences with their shadow from episodes.
    pub loaders: usize,
    /// Threads that draw sequences for dreams, which takes much less time.
    pub plain_loaders: usize,
    /// Sizes of the transformer.
    pub network: TransformerConfig,
    /// Sizes of the compositor.
    pub compositor: CompositorConfig,
    /// Dreamed sequences per step.
    pub batch: usize,
    /// Frames of a sequence that is dreamed.
    pub frames: usize,
    /// Frames of one that sees the shadow; a step has as many sequences more as they are shorter.
    pub anchored_frames: usize,
    /// How often a sequence is used, each time with other noise.
    pub uses: usize,
    /// Sequences of each kind that are kept on the device at most. A frame of 128×72 with its shadow takes 1.1 MB.
    pub stock: usize,
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
    /// Share of steps that do not see the shadow.
    pub dream_share: f64,
    /// Share of batches that, after a step with their true past (the control), are learnt from again with a past that the network itself
    /// made.
    pub own_share: f64,
    /// Such steps at most, each with the predictions of the one before as its past.
    pub own_depth: usize,
    /// Share of steps that learn large strides of the sampler from two of half their size.
    pub shortcut_share: f64,
    /// Share of the other steps at pure noise, the level of one-step sampling.
    pub pure_noise: f64,
    /// Pictures of each sequence that a step composes and compares with the truth.
    pub pictures: usize,
    /// Weight of the error of pictures beside that of latents.
    pub picture_weight: f64,
    /// Weight of the L1 term on finite differences of pictures.
    pub gradient_weight: f64,
    /// Weight of the difference in strength of fine texture of pictures.
    pub texture_weight: f64,
    /// The transformer stays as `start_from` has it: only the compositor learns.
    pub fixed_transformer: bool,
    /// How strongly the compositor is taught to be taken for the truth where a picture is not known, beside the loss of pictures; 0 for no critic.
    pub critic_weight: f64,
    /// Channels of the critic after its first convolution.
    pub critic_channels: usize,
    /// Peak learning rate of the critic.
    pub critic_learning_rate: f64,
    /// Time between checkpoints, seconds.
    pub checkpoint_every_s: f64,
    /// How conditions are drawn from an episode.
    pub sampling: Sampling,
}

impl Default for DreamerRecipe {
    fn default() -> Self {
        Self {
            name: "m-tiny".into(),
            autoencoder: "runs/autoencoder/m-tiny.autoencoder.ron".into(),
            start_from: None,
            data: vec!["data/train".into()],
            looks: Vec::new(),
            looks_of: None,
            out: "runs/m-tiny".into(),
            seed: 1,
            device: "cpu".into(),
            threads: 0,
            loaders: 1,
            plain_loaders: 1,
            network: TransformerConfig::default(),
            compositor: CompositorConfig::default(),
            batch: 1,
            frames: 12,
            anchored_frames: 12,
            uses: 3,
            stock: 24,
            minutes: 90.0,
            learning_rate: 8e-4,
            warmup_steps: 200,
            weight_decay: 0.01,
            ema_decay: 0.998,
            bf16: true,
            dream_share: 0.6,
            own_share: 0.4,
            own_depth: 3,
            shortcut_share: 0.15,
            pure_noise: 0.6,
            pictures: 1,
            picture_weight: 2.0,
            gradient_weight: 0.1,
            texture_weight: 0.1,
            fixed_transformer: false,
            critic_weight: 0.0,
            critic_channels: 48,
            critic_learning_rate: 4e-4,
            checkpoint_every_s: 180.0,
            sampling: Sampling::default(),
        }
    }
}

impl DreamerRecipe {
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
        if self.compositor.fault().is_some() {
            let allowed = "channels must be multiples of 8 up to 1024, blocks 0 to 32";
            return Some(("compositor", format!("{:?}", self.compositor), allowed));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            let name = format!("{:?}", self.name);
            return Some(("name", name, "use letters, digits, `_` and `-`"));
        }
        for (field, value, least, most) in [
            ("batch", self.batch, 1, 1024),
            ("frames", self.frames, 2, 256),
            ("anchored_frames", self.anchored_frames, 2, 256),
            ("stock", self.stock, 1, 1 << 20),
            ("pictures", self.pictures, 1, 256),
            ("uses", self.uses, 1, 1000),
            ("own_depth", self.own_depth, 1, 64),
            ("critic_channels", self.critic_channels, 1, 1024),
            ("threads", self.threads, 0, 1024),
            ("loaders", self.loaders, 0, 256),
            ("plain_loaders", self.plain_loaders, 0, 256),
        ] {
            if !(least..=most).contains(&value) {
                return Some((field, value.to_string(), "it is too small or too large"));
            }
        }
        for (field, value) in [
            ("dream_share", self.dream_share),
            ("own_share", self.own_share),
            ("shortcut_share", self.shortcut_share),
            ("pure_noise", self.pure_noise),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Some((field, value.to_string(), "it is a share, 0 to 1"));
            }
        }
        let rate = self.learning_rate > 0.0 && self.learning_rate < 1.0;
        if self.fixed_transformer && self.start_from.is_none() {
            let allowed = "name a trained model in start_from, or let the transformer learn";
            return Some(("fixed_transformer", "true".into(), allowed));
        }
        let critic_rate = self.critic_learning_rate > 0.0 && self.critic_learning_rate < 1.0;
        let minutes = self.minutes > 0.0 && self.minutes.is_finite();
        let decay = (0.0..1.0).contains(&self.ema_decay);
        for (field, value, is_good, allowed) in [
            ("minutes", self.minutes, minutes, "it must be positive"),
            ("learning_rate", self.learning_rate, rate, "it must lie between 0 and 1"),
            (
                "critic_learning_rate",
                self.critic_learning_rate,
                critic_rate,
                "it must lie between 0 and 1",
            ),
            ("ema_decay", self.ema_decay, decay, "it must lie in [0, 1)"),
        ] {
            if !is_good {
                return Some((field, value.to_string(), allowed));
            }
        }
        [
            ("weight_decay", self.weight_decay),
            ("picture_weight", self.picture_weight),
            ("gradient_weight", self.gradient_weight),
            ("texture_weight", self.texture_weight),
            ("critic_weight", self.critic_weight),
            ("checkpoint_every_s", self.checkpoint_every_s),
        ]
        .into_iter()
        .find(|(_, value)| !(*value >= 0.0 && value.is_finite()))
        .map(|(field, value)| (field, value.to_string(), "it must be 0 or positive"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<DreamerRecipe, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.ron");
        std::fs::write(&path, text).unwrap();
        DreamerRecipe::load(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn an_empty_recipe_is_the_default_and_faults_are_named() {
        assert_eq!(load("()").unwrap(), DreamerRecipe::default());
        for (text, words) in [
            ("(fraems: 1)", "fraems"),
            ("(frames: 1)", "frames is 1"),
            ("(dream_share: 2)", "dream_share is 2"),
            ("(minutes: 0)", "minutes is 0"),
            ("(critic_weight: -1)", "critic_weight is -1"),
            ("(fixed_transformer: true)", "fixed_transformer is true"),
            ("(network: (heads: 5))", "network.heads"),
            ("(compositor: (head_channels: 5))", "compositor is"),
        ] {
            let line = load(text).unwrap_err();
            assert!(line.contains(words) && line.lines().count() == 1, "{text}: {line}");
        }
    }
}
