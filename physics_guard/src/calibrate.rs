//! Thresholds from clean pictures: how an observer errs where nothing is wrong.
//!
//! Two passes over clean runs. The first, with default thresholds, gives [`Calibrator::observer_error`]. The second, with
//! that error in place, gives [`Calibrator::thresholds`]: each threshold is put where so small a share of the clean
//! pictures lies beyond it that false alarms stay below a wanted rate.

use std::collections::{BTreeMap, VecDeque};

use crate::expected::NONE;
use crate::habit::Confusion;
use crate::runner::{Guard, Judgement};
use crate::thresholds::{ObserverError, Thresholds};
use crate::track::Motion;
use crate::verdict::STRONG;

/// Values kept per figure; later ones replace earlier ones in turn.
const MOST_VALUES: usize = 200_000;
/// A threshold is put this far beyond the quantile.
const SLACK: f32 = 1.25;
/// No threshold moves further than this from its starting value. Upwards there is much room: a guard that cries wolf is
/// switched off, and what a check then no longer finds is told by the bench.
const FACTORS: (f32, f32) = (0.6, 30.0);
/// The same for rules that compare a picture with those before it.
const MOST_RECALLED: f32 = 1.3;
/// And for places by brightness alone, which cannot tell more than a pixel and a half.
const MOST_SLID: f32 = 2.0;
const MOST_STRAYED: f32 = 2.5;
/// Pictures that must have been seen of a material for its row to count, in pixels.
const FEWEST_PIXELS: f64 = 200.0;
/// Share of a normal distribution within one standard deviation.
const ONE_SIGMA: f32 = 0.683;

#[derive(Debug, Default)]
struct Values {
    values: Vec<f32>,
    next: usize,
}

impl Values {
    fn add(&mut self, value: f32) {
        if !value.is_finite() {
            return;
        }
        if self.values.len() < MOST_VALUES {
            self.values.push(value);
        } else {
            self.values[self.next] = value;
            self.next = (self.next + 1) % MOST_VALUES;
        }
    }

    fn quantile(&self, share: f32) -> Option<f32> {
        let mut sorted = self.values.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        Some(sorted[((share.clamp(0.0, 1.0) * last as f32).ceil() as usize).min(last)])
    }
}

/// Gathers figures of clean pictures.
#[derive(Debug, Default)]
pub struct Calibrator {
    /// Sums of class probabilities, by the class that is there.
    confusion: Vec<Vec<f64>>,
    shifts_px: Values,
    scales: Values,
    depths: Values,
    /// How far each rule went towards its threshold, by check and rule: what three votes of four pictures in a row agree on.
    margins: BTreeMap<(&'static str, &'static str), Values>,
    recent: BTreeMap<(&'static str, &'static str, Option<u64>), VecDeque<f32>>,
    frames: u64,
    alarms: BTreeMap<&'static str, u64>,
}

impl Calibrator {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Clean pictures so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Verdicts on clean pictures so far, by check: false alarms of the thresholds that the guard has now.
    pub fn alarms(&self) -> &BTreeMap<&'static str, u64> {
        &self.alarms
    }

    /// A new run: pictures before it do not belong to it.
    pub fn new_run(&mut self) {
        self.recent.clear();
    }

    /// Takes in a clean picture that `guard` has just judged, before it is told that it was shown.
    pub fn add(&mut self, guard: &Guard, judgement: &Judgement) {
        self.frames += 1;
        for verdict in &judgement.verdicts {
            *self.alarms.entry(verdict.check).or_default() += 1;
        }
        self.add_classes(guard);
        let observed = guard.observed();
        for found in observed.measurements.iter().filter(|found| found.is_placed()) {
            let resting = guard
                .tracks()
                .get(found.id)
                .and_then(|track| track.samples().last())
                .is_some_and(|sample| sample.motion == Motion::Resting);
            if resting {
                self.shifts_px.add(found.shift_px.x.abs());
                self.shifts_px.add(found.shift_px.y.abs());
            }
            if let Some(ln_scale) = found.ln_scale {
                let radius_px = (found.pixels as f32 / std::f32::consts::PI).sqrt();
                self.scales.add(ln_scale.abs() * radius_px / 10.0);
            }
        }
        let scale = guard.thresholds().observer.depth_sigma_scale;
        let errors = observed.ln_depth_error.iter().zip(guard.depth_weights());
        for (error, weight) in errors.step_by(37).filter(|(_, weight)| **weight > 0.0) {
            self.depths.add((error * weight).abs() * scale);
        }
        self.add_margins(judgement);
    }

    fn add_classes(&mut self, guard: &Guard) {
        for (index, found) in guard.observed().measurements.iter().enumerate() {
            let said = guard.mean_classes(index);
            let Some(body) = guard.expected().snapshot.bodies.get(usize::from(found.body)) else {
                continue;
            };
            if said.len() < 2 || found.body == NONE {
                continue;
            }
            if self.confusion.len() != said.len() {
                self.confusion = vec![vec![0.0; said.len()]; said.len()];
            }
            let class = usize::from(body.material).min(said.len() - 2);
            for (sum, p) in self.confusion[class].iter_mut().zip(said) {
                *sum += f64::from(*p) * f64::from(found.pixels);
            }
        }
    }

    fn add_margins(&mut self, judgement: &Judgement) {
        let mut worst: BTreeMap<(&'static str, &'static str), f32> = BTreeMap::new();
        for (check, finding) in &judgement.findings {
            let recent = self.recent.entry((check, finding.what, finding.object)).or_default();
            recent.push_back(finding.margin());
            if recent.len() > 4 {
                recent.pop_front();
            }
            let mut last: Vec<f32> = recent.iter().copied().collect();
            last.sort_unstable_by(|a, b| b.total_cmp(a));
            // Beyond its threshold if three are, or, for what counts twice, if two are and one of them strongly.
            let nth = |n: usize| last.get(n).copied().unwrap_or(0.0);
            let twice = if finding.counts_twice() { nth(1).min(nth(0) / STRONG) } else { 0.0 };
            let agreed = nth(2).max(twice);
            let margin = worst.entry((check, finding.what)).or_default();
            *margin = margin.max(agreed);
        }
        for (rule, margin) in worst {
            self.margins.entry(rule).or_default().add(margin);
        }
    }

    /// How the observer errs: the deviation within which two thirds of its errors lie. What was not seen often enough
    /// keeps its default.
    pub fn observer_error(&self) -> ObserverError {
        let default = ObserverError::default();
        let classes = self.confusion.len();
        let unmeasured = Confusion::unmeasured(classes);
        let row = |class: usize| {
            let sums = &self.confusion[class];
            let total: f64 = sums.iter().sum();
            if total < FEWEST_PIXELS {
                return unmeasured.rows[class].clone();
            }
            sums.iter().map(|sum| (sum / total) as f32).collect()
        };
        ObserverError {
            centroid_px: self
                .shifts_px
                .quantile(ONE_SIGMA)
                .map_or(default.centroid_px, |sigma| sigma.clamp(0.02, 2.0)),
            ln_scale: self
                .scales
                .quantile(ONE_SIGMA)
                .map_or(default.ln_scale, |sigma| sigma.clamp(0.005, 0.3)),
            depth_sigma_scale: self
                .depths
                .quantile(ONE_SIGMA)
                .map_or(default.depth_sigma_scale, |scale| scale.clamp(0.2, 10.0)),
            confusion: Confusion { rows: (0..classes).map(row).collect() },
        }
    }

    /// The thresholds in `base`, moved so that at most the share `beyond` of the clean pictures violates each rule three
    /// times in four.
    pub fn thresholds(&self, base: &Thresholds, beyond: f32) -> Thresholds {
        let mut out = base.clone();
        let factor = |check: &'static str, what: &'static str| {
            let margin = self.margins.get(&(check, what)).and_then(|m| m.quantile(1.0 - beyond));
            margin.map_or(1.0, |margin| (SLACK * margin).clamp(FACTORS.0, FACTORS.1))
        };
        let inside = factor("interpenetration", "inside");
        out.interpenetration_m *= inside;
        out.interpenetration_px *= inside;
        out.overlap_share = (out.overlap_share * factor("interpenetration", "through")).min(0.9);
        out.gravity_share *= factor("gravity", "acceleration");
        out.hanging_m_s *= factor("gravity", "floating");
        out.lifted_m *= factor("gravity", "lifted");
        out.energy_j_kg *= factor("energy", "won");
        out.bounce_m_s *= factor("energy", "bounce");
        out.momentum_m_s *= factor("momentum", "unpushed");
        let jumped = factor("teleport", "jumped");
        out.teleport_m *= jumped;
        out.teleport_diameters *= jumped;
        out.slid_px *= factor("teleport", "slid").clamp(1.0, MOST_SLID);
        out.strayed_px *= factor("teleport", "strayed").clamp(1.0, MOST_STRAYED);
        out.permanence_share /= factor("permanence", "vanished");
        out.permanence_share = out.permanence_share.min(0.45);
        out.ghost_px = (out.ghost_px as f32 * factor("permanence", "ghost")).ceil() as u32;
        // Their worst pictures are real surprises: a door, a wall that fills the view. They must not silence the rule.
        let recalled = |what| factor("permanence", what).min(MOST_RECALLED);
        out.alike_share = (out.alike_share / recalled("unseen")).min(0.7);
        out.alike_long_share = (out.alike_long_share / recalled("crept")).min(0.7);
        out.relit_share = (out.relit_share * factor("permanence", "relit").max(1.0)).min(0.9);
        out.strange_px = (out.strange_px as f32 * recalled("strange")).ceil() as u32;
        out.appearance_delta_e *= factor("appearance", "colour");
        out.appearance_nats *= factor("appearance", "material");
        out.scale_ln *= factor("scale", "resized");
        out.jitter_px *= factor("jitter", "restless");
        out.wall_recall = (out.wall_recall / factor("through wall", "open")).min(0.9);
        out.wall_ln_depth *= factor("through wall", "misplaced");
        out
    }
}
