//! The model card, `*.world.ron`: what a model is, what it was made from and how well it does.
//!
//! A card is read before its weights and trusted as little: it names them by file name and SHA-256, and
//! says the architecture by which [`weights`](crate::weights) are checked.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use reverie_guard::Thresholds;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{one_line, read_limited, write_atomically};
use crate::sizes::CompositorConfig;

/// Version of the card format that this program writes and reads.
pub const CARD_VERSION: u32 = 1;

const MAX_CARD_BYTES: u64 = 1 << 20;
const MAX_SIDE: u32 = 4096;
const MAX_CHANNELS: i64 = 1 << 14;
const MAX_BLOCKS: i64 = 1 << 10;
const MAX_STEPS: u32 = 1000;
const MAX_LOOKS: u32 = 1024;
const MOST_GRAIN: f32 = 4.0;

/// Kind and sizes of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Name of the kind.
    pub kind: String,
    /// Of the picture, pixels.
    pub width: u32,
    /// Of the picture, pixels.
    pub height: u32,
    /// Of each level, from the finest to the coarsest.
    pub channels: Vec<i64>,
    /// Residual blocks of each level.
    pub blocks: Vec<i64>,
    /// Of the head at full resolution.
    pub head_channels: i64,
    /// Of models that work on latents; `None` for those that work on pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<LatentSizes>,
}

/// Sizes that a latent model has beside those of [`Architecture`], whose `channels` and `blocks` are those of its transformer, one level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatentSizes {
    /// Of a latent.
    pub latent_channels: i64,
    /// Pixels along a token.
    #[serde(default = "fine_token_px")]
    pub token_px: i64,
    /// Of the autoencoder's levels, from the finest to the coarsest.
    pub coder_channels: Vec<i64>,
    /// Residual blocks of these levels.
    pub coder_blocks: Vec<i64>,
    /// Of the transformer's attention.
    pub heads: i64,
    /// Past frames that the transformer can look at.
    pub context_frames: i64,
    /// Of the compositor.
    pub compositor: CompositorConfig,
}

/// That of cards which do not say it.
fn fine_token_px() -> i64 {
    8
}

/// How pictures are drawn from the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampler {
    /// Denoising steps of a frame.
    pub steps: u32,
    /// Condition strength where nobody asks for another, 0 to 1.
    pub default_condition_strength: f32,
    /// Noise on the model's own past frames that it was told of in training, standard deviation in
    /// sRGB units of 0 to 1.
    #[serde(default)]
    pub context_noise: f32,
    /// Contrast of the texture that is put on what was never seen closely, as a multiple of what the exemplars and looks say; 0 puts none on.
    #[serde(default = "default_grain")]
    pub grain: f32,
}

/// As the looks say.
fn default_grain() -> f32 {
    1.0
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// What it was trained on, for a human.
    pub data: String,
    /// Of the training.
    pub seed: u64,
    /// The text of the recipe.
    pub recipe: String,
    /// The command that trained it.
    pub command: String,
    /// The device that trained it.
    pub device: String,
    /// Training samples seen, repeats counted.
    pub samples_seen: u64,
    /// Wall clock of the training, seconds.
    pub trained_s: f64,
    /// Commit of the program.
    pub commit: String,
}

/// The network that looks at the model's pictures for the guard, and how well it sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObserverCard {
    /// File name of its weights, in the card's folder.
    pub weights: String,
    /// Of that file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Of each level, from the finest to the coarsest.
    pub channels: Vec<i64>,
    /// Residual blocks of each level.
    pub blocks: Vec<i64>,
    /// It sees the model's pictures so many times smaller along each side: one that was trained for a smaller model serves a larger one.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub shrink: u32,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Figures of its evaluation by name.
    pub scores: BTreeMap<String, f64>,
    /// What the guard decides by, calibrated for this observer; its starting values if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Thresholds>,
}

fn whole() -> u32 {
    1
}

fn is_whole(shrink: &u32) -> bool {
    *shrink == whole()
}

/// The content of a `*.world.ron` file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// [`CARD_VERSION`] of the writer.
    pub version: u32,
    /// For a human.
    pub name: String,
    /// Kind and sizes.
    pub architecture: Architecture,
    /// File name of the weights, in the card's folder.
    pub weights: String,
    /// Of the weights file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Channels of the condition, in order.
    pub condition: Vec<String>,
    /// Axes of the action, in order.
    pub action_axes: Vec<String>,
    /// Classes of material, in order.
    pub materials: Vec<String>,
    /// Styles, in order.
    pub styles: Vec<String>,
    /// Looks (exemplars of all materials) stored with the weights, for worlds without a prompt.
    pub looks: u32,
    /// How pictures are drawn from it.
    pub sampler: Sampler,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Figures of its evaluation by name.
    pub scores: BTreeMap<String, f64>,
    /// The guard's eye, if one was trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observer: Option<ObserverCard>,
}

/// Why a model card cannot be used or written.
#[derive(Debug, Error)]
pub enum CardError {
    /// The system refused.
    #[error("cannot {action} the model card {}: {source}; check the path of the .world.ron file", path.display())]
    Io {
        /// What was tried, an infinitive.
        action: &'static str,
        /// The card.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not RON, or a field is missing, unknown or of another type.
    #[error("{} is not a model card: {reason}", path.display())]
    Syntax {
        /// The card.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// Of another version of Reverie.
    #[error("{}: model card version {found}, but this program reads {CARD_VERSION}; use the model that comes with it", path.display())]
    Version {
        /// The card.
        path: PathBuf,
        /// In the file.
        found: u32,
    },
    /// A field has a value that it may not have.
    #[error("{}: `{field}` {reason}", path.display())]
    Field {
        /// The card.
        path: PathBuf,
        /// Its path within the card.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl ModelCard {
    /// Reads and checks a card.
    ///
    /// # Errors
    /// It cannot be read, is no card, is of another version, or a field is out of range.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CardError> {
        /// All that is sure to be in the card of every version.
        #[derive(Deserialize)]
        struct AnyVersion {
            version: u32,
        }
        let path = path.as_ref();
        let bytes = read_limited(path, MAX_CARD_BYTES).map_err(|source| CardError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let parsed: Result<Self, _> = ron::de::from_bytes(&bytes);
        let found = match &parsed {
            Ok(card) => Some(card.version),
            Err(_) => ron::de::from_bytes::<AnyVersion>(&bytes).ok().map(|any| any.version),
        };
        if let Some(found) = found.filter(|v| *v != CARD_VERSION) {
            return Err(CardError::Version { path: path.to_owned(), found });
        }
        let card =
            parsed.map_err(|e| CardError::Syntax { path: path.to_owned(), reason: one_line(e) })?;
        card.check(path)?;
        Ok(card)
    }

    /// Checks the card, then writes it under a temporary name and renames.
    ///
    /// # Errors
    /// A field is out of range or the file cannot be written; an older card stays as it was.
    pub fn save_atomically(&self, path: impl AsRef<Path>) -> Result<(), CardError> {
        let path = path.as_ref();
        self.check(path)?;
        let text = ron::ser::to_string_pretty(self, ron::ser::PrettyConfig::new())
            .map_err(|e| CardError::Syntax { path: path.to_owned(), reason: one_line(e) })?;
        write_atomically(path, text.as_bytes()).map_err(|source| CardError::Io {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }

    /// Where the weights lie, for the card at `card_path`.
    pub fn weights_path(&self, card_path: impl AsRef<Path>) -> PathBuf {
        card_path.as_ref().with_file_name(&self.weights)
    }

    fn check(&self, path: &Path) -> Result<(), CardError> {
        match self.fault() {
            None => Ok(()),
            Some((field, reason)) => Err(CardError::Field { path: path.to_owned(), field, reason }),
        }
    }

    /// The first field that is out of range, and why.
    fn fault(&self) -> Option<(&'static str, String)> {
        let Self { architecture: a, sampler: s, .. } = self;
        if self.version != CARD_VERSION {
            return Some(("version", format!("is {}, not {CARD_VERSION}", self.version)));
        }
        let observer = self.observer.as_ref();
        for (field, name) in
            [("weights", Some(&self.weights)), ("observer.weights", observer.map(|o| &o.weights))]
        {
            if let Some(name) = name.filter(|name| !is_plain_file_name(name)) {
                let reason = "is not the plain name of a .safetensors file beside the card";
                return Some((field, format!("= {name:?} {reason}")));
            }
        }
        for (field, sha256) in
            [("sha256", Some(&self.sha256)), ("observer.sha256", observer.map(|o| &o.sha256))]
        {
            if sha256.is_some_and(|sha256| !is_sha256(sha256)) {
                return Some((field, "is not 64 lower-case hexadecimal digits".to_owned()));
            }
        }
        let thresholds = observer.and_then(|observer| observer.thresholds.as_ref());
        if thresholds.is_some_and(|thresholds| !thresholds.is_sane()) {
            let reason = "have a number that is negative, huge, or none at all";
            return Some(("observer.thresholds", reason.to_owned()));
        }
        for (field, side) in [("architecture.width", a.width), ("architecture.height", a.height)] {
            if !(1..=MAX_SIDE).contains(&side) {
                return Some((field, format!("is {side}; 1 to {MAX_SIDE} are allowed")));
            }
        }
        let out_of =
            |values: &[i64], max: i64| values.iter().find(|v| !(1..=max).contains(*v)).copied();
        if a.channels.is_empty() || out_of(&a.channels, MAX_CHANNELS).is_some() {
            let reason =
                format!("are {:?}; each must lie between 1 and {MAX_CHANNELS}", a.channels);
            return Some(("architecture.channels", reason));
        }
        if a.blocks.len() != a.channels.len() || out_of(&a.blocks, MAX_BLOCKS).is_some() {
            let reason = format!(
                "are {:?}; one between 1 and {MAX_BLOCKS} is needed for each of the {} levels",
                a.blocks,
                a.channels.len()
            );
            return Some(("architecture.blocks", reason));
        }
        if out_of(&[a.head_channels], MAX_CHANNELS).is_some() {
            let reason = format!("is {}; 1 to {MAX_CHANNELS} are allowed", a.head_channels);
            return Some(("architecture.head_channels", reason));
        }
        if self.looks > MAX_LOOKS {
            return Some(("looks", format!("is {}; at most {MAX_LOOKS} are allowed", self.looks)));
        }
        if !(1..=MAX_STEPS).contains(&s.steps) {
            return Some((
                "sampler.steps",
                format!("is {}; 1 to {MAX_STEPS} are allowed", s.steps),
            ));
        }
        for (field, value) in [
            ("sampler.default_condition_strength", s.default_condition_strength),
            ("sampler.context_noise", s.context_noise),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Some((field, format!("is {value}; 0 to 1 are allowed")));
            }
        }
        if !(0.0..=MOST_GRAIN).contains(&s.grain) {
            return Some((
                "sampler.grain",
                format!("is {}; 0 to {MOST_GRAIN} are allowed", s.grain),
            ));
        }
        None
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// No folder, no drive, nothing hidden: the card cannot point outside its own folder on any system.
fn is_plain_file_name(name: &str) -> bool {
    name.len() > ".safetensors".len()
        && name.ends_with(".safetensors")
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn card() -> ModelCard {
        let owned = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        ModelCard {
            version: CARD_VERSION,
            name: "test".to_owned(),
            architecture: Architecture {
                kind: "unet".to_owned(),
                width: 128,
                height: 72,
                channels: vec![64, 96, 192],
                blocks: vec![1, 2, 3],
                head_channels: 32,
                latent: None,
            },
            weights: "test.safetensors".to_owned(),
            sha256: "0123456789abcdef".repeat(4),
            condition: owned(&["depth", "normal_x"]),
            action_axes: owned(&["move"]),
            materials: owned(&["stone"]),
            styles: owned(&["noon"]),
            looks: 4,
            sampler: Sampler {
                steps: 2,
                default_condition_strength: 0.5,
                context_noise: 0.0,
                grain: 1.0,
            },
            provenance: Provenance { recipe: "(\n  steps: 1,\n)".to_owned(), ..Default::default() },
            scores: BTreeMap::from([("psnr_db".to_owned(), 28.5)]),
            observer: Some(ObserverCard {
                weights: "test.observer.safetensors".to_owned(),
                sha256: "fedcba9876543210".repeat(4),
                channels: vec![8, 16, 24],
                blocks: vec![1, 1, 1],
                shrink: 2,
                provenance: Provenance::default(),
                scores: BTreeMap::from([("class_accuracy".to_owned(), 0.9)]),
                thresholds: Some(Thresholds::default()),
            }),
        }
    }

    #[test]
    fn a_card_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.world.ron");
        card().save_atomically(&path).unwrap();
        assert_eq!(ModelCard::load(&path).unwrap(), card());
        assert_eq!(card().weights_path(&path), dir.path().join("test.safetensors"));
    }

    #[test]
    fn a_card_cannot_point_outside_its_folder() {
        for weights in
            ["../a.safetensors", "/a.safetensors", "b\\a.safetensors", "C:a.safetensors", "", ".."]
        {
            let evil = ModelCard { weights: weights.to_owned(), ..card() };
            let error = evil.save_atomically("never-written.world.ron").unwrap_err();
            assert!(
                matches!(error, CardError::Field { field: "weights", .. }),
                "{weights}: {error}"
            );
        }
        assert!(!Path::new("never-written.world.ron").exists());
    }

    #[test]
    fn every_cut_and_every_lie_is_told_in_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.world.ron");
        card().save_atomically(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let whole = text.trim_end().len();
        for length in (0..whole).step_by(5) {
            std::fs::write(&path, &text[..length]).unwrap();
            let error = ModelCard::load(&path).unwrap_err().to_string();
            assert!(error.contains("test.world.ron") && !error.contains('\n'), "{length}: {error}");
        }
        for (from, to, word) in [
            ("version: 1", "version: 9, news: \"x\"", "version 9"),
            ("steps: 2", "stops: 2", "stops"),
            ("steps: 2", "steps: 0", "sampler.steps"),
            ("looks: 4", "looks: 4000000000", "looks"),
            ("grain: 1.0", "grain: NaN", "sampler.grain"),
            ("width: 128", "width: 0", "architecture.width"),
            ("height: 72", "height: 72000", "architecture.height"),
            ("head_channels: 32", "head_channels: -1", "head_channels"),
            ("default_condition_strength: 0.5", "default_condition_strength: NaN", "strength"),
            ("0123456789abcdef", "XYZ3456789abcdef", "sha256"),
            ("test.safetensors", "../secret.safetensors", "weights"),
            ("test.observer.safetensors", "../secret.safetensors", "observer.weights"),
            ("fedcba9876543210", "XYZ", "observer.sha256"),
            ("teleport_m: 0.25", "teleport_m: -1.0", "observer.thresholds"),
        ] {
            assert!(text.contains(from), "{from} in {text}");
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            let error = ModelCard::load(&path).unwrap_err().to_string();
            assert!(error.contains(word), "{to}: {error}");
        }
        assert!(matches!(ModelCard::load(dir.path().join("none")), Err(CardError::Io { .. })));
    }
}
