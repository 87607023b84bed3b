//! Finding faults that can be shown in clean episodes.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reverie_guard::fault::label::Sight;
use reverie_guard::fault::{Label, Search};
use reverie_guard::{Fault, FaultClass};

use super::GRAVITY_M_S2;
use crate::data::Episode;

/// Share of the frames after the start in which the fault must be in view.
const IN_VIEW: f64 = 0.7;
/// A fault is looked for at every so many frames of an episode.
const STRIDE: usize = 3;

/// So many frames before the fault its body is in sight already.
const KNOWN_BEFORE: usize = 6;

/// Frames of one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Right ones before the fault.
    pub before: usize,
    /// With it.
    pub after: usize,
}

/// A fault to be shown in an episode.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Into the episodes.
    pub episode: usize,
    /// First frame played.
    pub first: usize,
    /// First frame with the fault.
    pub start: usize,
    /// One past the last frame played.
    pub end: usize,
    /// What is shown.
    pub fault: Fault,
    /// For the frames from `start` on; `None` where nothing of it can be seen.
    pub labels: Vec<Option<Label>>,
}

/// Which cases are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Of the pictures in which the faults are to be seen, pixels.
    pub size: (usize, usize),
    /// At most so many.
    pub most: usize,
    /// Size of the body in sight at the start, and a little before.
    pub least_pixels: usize,
    /// Frames of each.
    pub span: Span,
    /// Of the choice.
    pub seed: u64,
}

/// Looks for cases of a class and strength, spread over the episodes.
pub fn find(episodes: &[Episode], class: FaultClass, strength: f32, wanted: &Wanted) -> Vec<Case> {
    let Wanted { size: (width, height), most, least_pixels, span, seed } = *wanted;
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (class as u64) << 8);
    let mut starts: Vec<(usize, usize)> = Vec::new();
    for (number, episode) in episodes.iter().enumerate() {
        let last = episode.len().saturating_sub(span.after);
        starts.extend((span.before..last).step_by(STRIDE).map(|start| (number, start)));
    }
    starts.shuffle(&mut rng);
    let mut found: Vec<Case> = Vec::new();
    // Of each body in a span only one case, so that neighbours do not count twice.
    for (number, start) in starts {
        if found.len() >= most {
            break;
        }
        let Some(episode) = episodes.get(number) else { continue };
        let search =
            Search { width, height, least_pixels, gravity_m_s2: GRAVITY_M_S2, seed: rng.random() };
        let past = [episode.snapshot(start - 1), episode.snapshot(start)];
        let Some(fault) = Fault::begin(class, strength, &past, &search) else { continue };
        // What was never seen cannot be missed. A throw is too short to wait for.
        let earlier = episode.snapshot(start.saturating_sub(KNOWN_BEFORE));
        let was_seen = Sight::draw(&earlier, width, height).pixels(fault.body) >= least_pixels;
        if !was_seen && class != FaultClass::Freeze {
            continue;
        }
        let close = |case: &Case| {
            case.episode == number
                && case.fault.body == fault.body
                && case.start.abs_diff(start) < span.before + span.after
        };
        if found.iter().any(close) {
            continue;
        }
        let end = start + span.after;
        let labels: Vec<Option<Label>> =
            (start..end).map(|i| fault.label(&episode.snapshot(i), width, height)).collect();
        // What moves or flies is out of view sooner.
        let seen = labels.iter().flatten().filter(|label| label.expected_px > 0).count();
        if seen as f64 >= IN_VIEW * labels.len() as f64 {
            let first = start - span.before;
            found.push(Case { episode: number, first, start, end, fault, labels });
        }
    }
    found
}
