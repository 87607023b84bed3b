//! How well the guard tells right pictures from wrong ones.
//!
//! [`calibrate`] puts its thresholds by clean pictures of training seeds; [`bench`] measures it on held-out ones, clean and
//! with faults on purpose ([`reverie_guard::fault`]), on true renders and on the model's pictures. [`source`] plays both
//! kinds, [`cases`] finds faults in clean episodes, [`figures`] sums up, [`report`] and `shots` tell and show it: whether
//! and when the guard speaks. [`play`](mod@play) measures what its corrections bring and cost, in scripted play, anchored and dreamed.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use glam::Vec3;
use reverie_guard::{Expected, Glance, Guard, Judgement, ShadowSnapshot, Thresholds};
use tch::Device;
use thiserror::Error;

use super::FigureError;
use crate::card::{CardError, ModelCard};
use crate::data::{DataError, Episode, list_episodes};
use crate::model::{ModelError, Observe, ms};
use crate::observer::Observer;
use crate::observer::prior::ClassPrior;
use crate::observer::shrink::mean_bytes;

pub mod bench;
pub mod calibrate;
pub mod cases;
pub mod figures;
pub mod play;
pub mod report;
mod shots;
pub mod source;

/// Seeds from here on are for evaluation alone.
pub const FIRST_HELD_OUT_SEED: u64 = 1_000_000;
/// Of all recorded worlds.
const GRAVITY_M_S2: Vec3 = Vec3::new(0.0, -9.81, 0.0);

/// Why the guard cannot be calibrated or measured.
#[derive(Debug, Error)]
pub enum GuardEvalError {
    /// An episode cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The card cannot be read or written.
    #[error(transparent)]
    Card(#[from] CardError),
    /// A figure cannot be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// The card names no observer.
    #[error("{card} names no observer; train one with `reverie train --stage observer RECIPE`")]
    NoObserver {
        /// Which card.
        card: PathBuf,
    },
    /// No episodes at all.
    #[error("there are no episodes in {folder}; record some with `reverie record --out DIR`")]
    NoEpisodes {
        /// Where was looked.
        folder: PathBuf,
    },
    /// A seed on the wrong side.
    #[error(
        "{episode} has the seed {seed}; {what} needs seeds {side} {FIRST_HELD_OUT_SEED}, since those from there on are held out"
    )]
    Seed {
        /// Which episode.
        episode: PathBuf,
        /// Its seed.
        seed: u64,
        /// What was to be done.
        what: &'static str,
        /// Where the seed should be.
        side: &'static str,
    },
    /// The pictures do not have the observer's size.
    #[error(
        "{episode} has {width}×{height} pixels, but the model's pictures {model_width}×{model_height}; record it again at that size"
    )]
    Size {
        /// Which episode.
        episode: PathBuf,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Pixels.
        model_width: u32,
        /// Pixels.
        model_height: u32,
    },
}

/// The episodes in `folder` whose seeds are held out, or those whose are not; one on the wrong side or of another size than `sizes` is an error.
fn episodes_of(
    folder: &Path,
    held_out: bool,
    what: &'static str,
    sizes: &[(u32, u32)],
) -> Result<Vec<PathBuf>, GuardEvalError> {
    let paths = list_episodes(folder)?;
    if paths.is_empty() {
        return Err(GuardEvalError::NoEpisodes { folder: folder.to_owned() });
    }
    for path in &paths {
        let episode = Episode::open(path)?;
        let header = episode.header();
        if (header.seed >= FIRST_HELD_OUT_SEED) != held_out {
            let side = if held_out { "from" } else { "below" };
            return Err(GuardEvalError::Seed {
                episode: path.clone(),
                seed: header.seed,
                what,
                side,
            });
        }
        if !sizes.contains(&(header.width, header.height)) {
            let (model_width, model_height) = sizes.first().copied().unwrap_or_default();
            return Err(GuardEvalError::Size {
                episode: path.clone(),
                width: header.width,
                height: header.height,
                model_width,
                model_height,
            });
        }
    }
    Ok(paths)
}

/// The guard with its observer, and what they cost.
struct Watch {
    observer: Observer,
    guard: Guard,
    aspect: f32,
    /// Shows every picture to the observer, also those that would do without.
    always: bool,
    /// Of the pictures that the observer saw.
    observe_ms: Vec<f32>,
    /// Everything but the observer, of all pictures.
    judge_ms: Vec<f32>,
    /// How long each picture waits: those that nothing is odd about are shown to the observer after the player.
    wait_ms: Vec<f32>,
}

impl Watch {
    /// With the observer of a card, and its thresholds unless others are given.
    fn new(card_path: &Path, thresholds: Option<Thresholds>) -> Result<Self, GuardEvalError> {
        let card = ModelCard::load(card_path)?;
        let observer = Observer::load(card_path, &card, Device::Cpu)?
            .ok_or_else(|| GuardEvalError::NoObserver { card: card_path.to_owned() })?;
        let of_card = card.observer.and_then(|observer| observer.thresholds);
        let thresholds = thresholds.or(of_card).unwrap_or_default();
        let size = observer.size();
        Ok(Self {
            guard: Guard::new(thresholds, GRAVITY_M_S2),
            aspect: size.0 as f32 / size.1 as f32,
            observer,
            always: false,
            observe_ms: Vec::new(),
            judge_ms: Vec::new(),
            wait_ms: Vec::new(),
        })
    }

    /// Shows the observer every picture.
    fn always(self) -> Self {
        Self { always: true, ..self }
    }

    /// Of the model's pictures, and those at which the guard looks: recorded ones may have either.
    fn sizes(&self) -> [(u32, u32); 2] {
        let ((width, height), by) = (self.observer.size(), self.observer.shrink() as u32);
        [(by * width, by * height), (width, height)]
    }

    /// Another world begins.
    fn begin(&mut self) {
        self.guard.forget();
    }

    /// A picture as small as it is looked at.
    fn shrunk<'a>(&self, rgb: &'a [u8]) -> Cow<'a, [u8]> {
        let ((width, height), by) = (self.observer.size(), self.observer.shrink());
        match rgb.len() == 3 * (width * height) as usize {
            true => Cow::Borrowed(rgb),
            false => Cow::Owned(mean_bytes(rgb, by * width as usize, by)),
        }
    }

    /// Judges the picture of a state.
    fn judge(
        &mut self,
        rgb: &[u8],
        truth: &Arc<ShadowSnapshot>,
    ) -> Result<Judgement, GuardEvalError> {
        let (width, height) = self.observer.size();
        let rgb = &*self.shrunk(rgb);
        // In a game the model has drawn the state already.
        let (scene, maps) = Expected::drawn(truth, width as usize, height as usize);
        let start = Instant::now();
        self.guard.expect(truth.clone(), &scene, &maps);
        let glance = if self.always { Glance::Odd } else { self.guard.glance(rgb, None) };
        let glanced_ms = ms(start.elapsed());
        let (mut observe_ms, waits) = (0.0, glance == Glance::Odd);
        let judgement = match glance {
            Glance::Fine(judgement) => judgement,
            Glance::Due(_) | Glance::Odd => {
                let asked = Instant::now();
                let evidence = self.observer.observe(rgb, ClassPrior::of(truth, self.aspect))?;
                observe_ms = ms(asked.elapsed());
                self.observe_ms.push(observe_ms);
                self.guard.judge(&evidence, None)
            }
        };
        let total_ms = ms(start.elapsed());
        self.judge_ms.push(total_ms - observe_ms);
        self.wait_ms.push(if waits { total_ms } else { glanced_ms });
        Ok(judgement)
    }

    /// The picture judged last is shown, whatever stands against it: nothing is corrected here.
    fn shown(&mut self, judgement: &Judgement) {
        self.guard.shown(judgement);
    }
}
