//! The guard itself: expects, judges, and remembers what was shown.

mod glance;
mod learn;

pub use glance::Glance;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use glam::{Vec2, Vec3};
use reverie_kernels::raster::{Scene, ShadowMaps};

use crate::check::{self, Check, Judged, Remembered};
use crate::expected::{Expected, ShadowSnapshot};
use crate::habit::Habits;
use crate::observed::ghost::GhostFinder;
use crate::observed::look::Look;
use crate::observed::register::{Registrar, name_shifted};
use crate::observed::{Evidence, Observed};
use crate::recollection::{Recollection, Suspects};
use crate::thresholds::Thresholds;
use crate::track::Tracks;
use crate::verdict::{Finding, Verdict, VoteBox};

/// What the guard says of one picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// Everything that could be judged, right or wrong, with the name of its check.
    pub findings: Vec<(&'static str, Finding)>,
    /// Violations of this picture alone.
    pub suspicions: Vec<Verdict>,
    /// Violations that enough pictures agree on.
    pub verdicts: Vec<Verdict>,
}

impl Judgement {
    /// Nothing stands against the picture.
    pub fn accepts(&self) -> bool {
        self.verdicts.is_empty()
    }

    /// How bad it is: the sum over suspicions of how far each is beyond its threshold. For choosing among pictures.
    pub fn badness(&self) -> f32 {
        self.suspicions.iter().map(|verdict| verdict.finding.margin().min(100.0)).sum()
    }
}

/// Judges pictures of one camera, one after the other.
///
/// For each picture: [`expect`](Self::expect) its state, [`glance`](Self::glance) at it, [`judge`](Self::judge) it if that does not do (or several candidates for it), then say
/// which was shown: [`shown`](Self::shown) for the one that was judged last, [`shown_unjudged`](Self::shown_unjudged) for
/// one that was not judged. Judging changes nothing that later pictures depend on.
pub struct Guard {
    thresholds: Thresholds,
    gravity_m_s2: Vec3,
    checks: Vec<Box<dyn Check>>,
    expected: Expected,
    observed: Observed,
    look: Look,
    registrar: Registrar,
    ghosts: GhostFinder,
    habits: Habits,
    /// What was said on average of each measured body's pixels.
    means: Vec<f32>,
    /// Their colours, as shares of the palette, alike; empty if colours do not count.
    colours: Vec<f32>,
    tracks: Tracks,
    /// With the picture judged last.
    tentative: Tracks,
    votes: VoteBox,
    unguarded: HashSet<u64>,
    dreaming: bool,
    unexplained: Vec<u32>,
    recollection: Recollection,
    /// The picture that was judged last, sRGB.
    picture: Vec<u8>,
    /// It is the one that recollection compared with the present expectation.
    compared: bool,
    attention: glance::Attention,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks: Vec<_> = self.checks.iter().map(|check| check.name()).collect();
        f.debug_struct("Guard").field("checks", &checks).finish_non_exhaustive()
    }
}

impl Guard {
    /// With the ten checks. Thresholds that are not sane are replaced by the defaults.
    pub fn new(thresholds: Thresholds, gravity_m_s2: Vec3) -> Self {
        let thresholds = if thresholds.is_sane() { thresholds } else { Thresholds::default() };
        let gravity_m_s2 = if gravity_m_s2.is_finite() { gravity_m_s2 } else { Vec3::ZERO };
        Self {
            habits: Habits::new(thresholds.observer.confusion.clone()),
            thresholds,
            gravity_m_s2,
            checks: check::all(),
            expected: Expected::default(),
            observed: Observed::default(),
            look: Look::default(),
            registrar: Registrar::default(),
            ghosts: GhostFinder::default(),
            means: Vec::new(),
            colours: Vec::new(),
            tracks: Tracks::default(),
            tentative: Tracks::default(),
            votes: VoteBox::default(),
            unguarded: HashSet::new(),
            dreaming: false,
            unexplained: Vec::new(),
            recollection: Recollection::default(),
            picture: Vec::new(),
            compared: false,
            attention: glance::Attention::default(),
        }
    }

    /// Adds a check of the game's own.
    pub fn add_check(&mut self, check: Box<dyn Check>) {
        self.checks.push(check);
    }

    /// Changes the gravity of the game's world, m/s².
    pub fn set_gravity(&mut self, gravity_m_s2: Vec3) {
        if gravity_m_s2.is_finite() {
            self.gravity_m_s2 = gravity_m_s2;
        }
    }

    /// Bodies that no check speaks of: what looks otherwise than its collider on purpose.
    pub fn set_unguarded(&mut self, ids: impl IntoIterator<Item = u64>) {
        self.unguarded.clear();
        self.unguarded.extend(ids);
    }

    /// Bodies that came into view are looked at in one picture after the other until they are known, not when it is time to: before a dream, in which
    /// nobody can learn any more how things look. It costs looks, and what is known from a moment alone raises false alarms.
    pub fn set_curious(&mut self, curious: bool) {
        self.attention.curious = curious;
    }

    /// The next pictures are dreamed: they teach nothing of how things look, or fog would soon be what is usual.
    pub fn set_dreaming(&mut self, dreaming: bool) {
        self.dreaming = dreaming;
    }

    /// Pictures are known to be right, as for calibration: whatever is said against them, later ones are compared with them.
    pub fn trust_pictures(&mut self) {
        self.recollection.trusts = true;
    }

    /// Another world or a camera cut: what was seen before does not count. What is known of how bodies look stays.
    pub fn reset(&mut self) {
        self.tracks.clear();
        self.tentative.clear();
        self.votes.clear();
        self.recollection.reset();
        self.attention.forget();
        self.checks.iter_mut().for_each(|check| check.reset());
    }

    /// Light or weather changed: the pictures before are no measure for the next ones.
    pub fn look_changed(&mut self) {
        self.recollection.forget();
    }

    /// Forgets how bodies look as well.
    pub fn forget(&mut self) {
        self.reset();
        self.habits.forget();
        self.recollection.forget();
    }

    /// The state that the next picture must show; `maps` are of `scene`, whose primitives are bodies of `snapshot`.
    pub fn expect(&mut self, snapshot: Arc<ShadowSnapshot>, scene: &Scene, maps: &ShadowMaps) {
        self.recollection.expect(&snapshot, scene, maps);
        self.compared = false;
        self.expected.update(snapshot, scene, maps);
    }

    /// The same, drawn here.
    pub fn expect_at(&mut self, snapshot: Arc<ShadowSnapshot>, width: usize, height: usize) {
        let (scene, maps) = Expected::drawn(&snapshot, width, height);
        self.expect(snapshot, &scene, &maps);
    }

    /// What must be seen.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// What the picture judged last shows.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// What is right.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Bodies over time, as shown so far.
    pub fn tracks(&self) -> &Tracks {
        &self.tracks
    }

    /// Mean class probabilities over the pixels of the `index`th measured body of the picture judged last.
    pub(crate) fn mean_classes(&self, index: usize) -> &[f32] {
        let classes = self.look.field.classes;
        self.means.get(index * classes..(index + 1) * classes).unwrap_or(&[])
    }

    /// Weight of the depth of each pixel of the picture judged last: one over the deviation of its logarithm.
    pub(crate) fn depth_weights(&self) -> &[f32] {
        &self.look.field.depth_weight
    }

    /// Judges a picture of the expected state.
    pub fn judge(&mut self, evidence: &Evidence, remembered: Option<Remembered>) -> Judgement {
        self.recall(&evidence.rgb);
        self.expected.find_behind();
        self.observe(evidence);
        self.conclude(remembered)
    }

    /// Holds what was observed to the checks.
    fn conclude(&mut self, remembered: Option<Remembered>) -> Judgement {
        self.tentative.clone_from(&self.tracks);
        let (thresholds, gravity_m_s2) = (&self.thresholds, self.gravity_m_s2);
        let gate_m = |diameter_m: f32, sigma_m: f32| thresholds.jump_m(diameter_m, sigma_m);
        self.tentative.advance(&self.expected, &self.observed, gravity_m_s2, gate_m);
        let judged = Judged {
            expected: &self.expected,
            observed: &self.observed,
            tracks: &self.tentative,
            thresholds,
            gravity_m_s2,
            remembered,
        };
        let mut judgement = Judgement::default();
        let mut found = Vec::new();
        for check in &self.checks {
            check.judge(&judged, &mut found);
            for finding in found.drain(..) {
                if finding.object.is_some_and(|id| self.unguarded.contains(&id)) {
                    continue;
                }
                let name = check.name();
                judgement.findings.push((name, finding));
                if !finding.violated() {
                    continue;
                }
                let verdict = Verdict { check: name, finding, tick: self.expected.snapshot.tick };
                judgement.suspicions.push(verdict);
                let ballot = (name, finding.what, finding.object);
                if self.votes.carried(&ballot, finding.votes(), check.votes()) {
                    judgement.verdicts.push(verdict);
                }
            }
        }
        judgement
    }

    /// The picture judged last is shown; `judgement` is of it.
    pub fn shown(&mut self, judgement: &Judgement) {
        self.votes.next_frame();
        for (check, finding) in &judgement.findings {
            self.votes.note((check, finding.what, finding.object), finding.votes());
        }
        if self.observed.looked && !self.dreaming {
            self.learn(judgement);
        }
        let expected = (&self.expected, &self.thresholds);
        self.attention.shown(expected, &self.observed, judgement);
        let suspects = Suspects {
            bodies: judgement.suspicions.iter().filter_map(|v| v.finding.object).collect(),
            region: judgement.suspicions.iter().any(|v| v.finding.object.is_none()),
            strange_px: self.thresholds.strange_px,
        };
        let recalled = &self.observed.recalled;
        self.recollection.shown(&self.picture, &self.expected, recalled, &suspects);
        let judged = Judged {
            expected: &self.expected,
            observed: &self.observed,
            tracks: &self.tentative,
            thresholds: &self.thresholds,
            gravity_m_s2: self.gravity_m_s2,
            remembered: None,
        };
        self.checks.iter_mut().for_each(|check| check.shown(&judged));
        std::mem::swap(&mut self.tracks, &mut self.tentative);
    }

    /// A picture is shown that was not judged, since it is of the shadow itself.
    pub fn shown_unjudged(&mut self) {
        self.votes.next_frame();
        let blank = Observed::default();
        self.tracks.advance(&self.expected, &blank, self.gravity_m_s2, |_, _| f32::INFINITY);
    }

    /// Which pixels of the picture judged last some verdicts are about: those of the bodies where they are expected and
    /// where they are seen, and a margin.
    pub fn bad_pixels(&self, verdicts: &[Verdict], out: &mut Vec<bool>) {
        let (width, height) = (self.expected.width, self.expected.height);
        out.clear();
        out.resize(width * height, false);
        for verdict in verdicts {
            let body = verdict.finding.object.and_then(|id| {
                self.observed.measurements.iter().find(|measurement| measurement.id == id)
            });
            let rects = match body {
                Some(found) => [found.rect, found.seen_rect(width, height), verdict.finding.rect],
                None => [verdict.finding.rect; 3],
            };
            for rect in rects {
                let size = usize::from(rect.x1.saturating_sub(rect.x0))
                    .max(usize::from(rect.y1.saturating_sub(rect.y0)));
                let rect = rect.grown(BAD_MARGIN_PX + size / 8, width, height);
                for y in usize::from(rect.y0)..usize::from(rect.y1) {
                    for x in usize::from(rect.x0)..usize::from(rect.x1) {
                        let pixel = y * width + x;
                        let large = body.is_some_and(|found| found.pixels > LARGE_PX);
                        // A wall's rectangle is most of the picture; its own pixels are enough.
                        out[pixel] |=
                            !large || body.is_some_and(|f| self.expected.object[pixel] == f.body);
                    }
                }
            }
        }
    }

    fn observe(&mut self, evidence: &Evidence) {
        let sigma_scale = self.thresholds.observer.depth_sigma_scale;
        let observed = &mut self.observed;
        self.look.score(&self.expected, evidence, &mut self.habits, sigma_scale, observed);
        self.registrar.begin();
        self.means.clear();
        self.colours.clear();
        for view in &self.expected.views {
            let mpp = self.expected.metres_per_pixel(view);
            let predicted = match self.expected.body(view) {
                Some(body) => self.tracks.predicted_px(body.id, &self.expected, mpp),
                None => Vec2::ZERO,
            };
            let measured = self.registrar.measure(
                &self.look,
                &self.expected,
                &self.habits,
                observed,
                view,
                predicted,
                self.thresholds.observer.centroid_px,
            );
            if let Some(measurement) = measured {
                observed.measurements.push(measurement);
                self.means.extend_from_slice(self.registrar.mean());
                self.colours.extend_from_slice(self.registrar.colours());
            }
        }
        observed.looked = true;
        name_shifted(&self.look, &self.expected, observed);
        self.ghosts.find(&self.look, &self.expected, &self.habits, observed);
    }
}

/// Pixels around what is bad that are made anew with it.
const BAD_MARGIN_PX: usize = 2;
/// Of a body of more pixels only its own pixels are bad.
const LARGE_PX: u32 = 900;

#[cfg(test)]
mod tests;
