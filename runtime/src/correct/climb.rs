//! One picture through the guard: draft, judge, correct, judge again, finish.

mod later;
mod levels;
mod settle;
mod sight;
mod watch;

use std::sync::Arc;
use std::time::Instant;

use reverie_guard::{
    Evidence, Glance, Guard, Judgement, Ladder, LadderSettings, Level, Levels, ShadowSnapshot,
    Verdict, check_request,
};
use reverie_kernels::warp::PastFrame;

use sight::Sight;

use super::patch::{bad_tiles, proxy};
use super::{Draft, Drafts, Eye, GuardMode, GuardNote, GuardOrders, GuardStats, Keep, Steering};
use crate::condition::Candidates;
use crate::frame::{FrameShadow, NeuralFrame};
use crate::model::{ModelError, Observe, WorldModel, ms};
use crate::observer::shrink::grown;
use crate::paint::to_rgba8;
use crate::request::{DreamMode, DreamRequest, FrameSource};
use crate::style::StyleWeights;
use crate::tones::Tones;
use crate::view::ShadowView;
use crate::{profile_message, profile_scope};

/// First guess of what a pass of a model takes, milliseconds.
const STEP_MS: f32 = 50.0;
/// Alarms that are remembered while it is not calm.
const MOST_ALARMED: usize = 64;
/// Distance of style weights (0 to 2) beyond which everything looks otherwise.
const OTHER_LOOK: f32 = 0.1;

/// Judges and corrects the pictures of one model.
pub struct Corrector {
    guard: Guard,
    ladder: Ladder,
    observer: Box<dyn Observe>,
    /// See [`Observe::shrink`].
    shrink: usize,
    tones: Tones,
    last_good: Option<PastFrame>,
    /// The picture is a dream: it was asked for, and the model can.
    dreams: bool,
    /// Style of the pictures that the guard compares with.
    looked: Option<StyleWeights>,
    /// Check and body of what was corrected since it was calm last.
    alarmed: Vec<(&'static str, Option<u64>)>,
    stats: GuardStats,
    /// A picture that the observer sees after the player.
    due: Option<later::Due>,
    /// Of models that do not show theirs.
    view: Option<ShadowView>,
    // Buffers.
    bad: Vec<bool>,
    tiles: Vec<f32>,
    proxy: Vec<f32>,
    corrected: Vec<f32>,
}

impl std::fmt::Debug for Corrector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Corrector").field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// A picture on its way up the ladder.
struct Outcome {
    rgb: Vec<f32>,
    level: Level,
    /// Of the picture, if it was judged again.
    judgement: Option<Judgement>,
}

/// What a correction may use.
struct Material<'a> {
    snapshot: &'a ShadowSnapshot,
    levels: Levels,
    left_ms: f32,
}

impl Corrector {
    /// For the model that `eye` looks at; goes on counting from `stats`.
    pub fn new(eye: Eye, stats: GuardStats) -> Self {
        Self {
            guard: Guard::new(eye.thresholds, GuardOrders::default().gravity_m_s2),
            ladder: Ladder::new(LadderSettings::default(), STEP_MS),
            shrink: eye.observer.shrink().max(1),
            observer: eye.observer,
            tones: Tones::default(),
            last_good: None,
            dreams: false,
            looked: None,
            alarmed: Vec::new(),
            stats: GuardStats { fault: None, ..stats },
            due: None,
            view: None,
            bad: Vec::new(),
            tiles: Vec::new(),
            proxy: Vec::new(),
            corrected: Vec::new(),
        }
    }

    /// What it did so far.
    pub fn stats(&self) -> &GuardStats {
        &self.stats
    }

    /// What was corrected last: 1 a pixel where it was bad, 0 elsewhere, and between along the border.
    pub fn tiles(&self) -> &[f32] {
        &self.tiles
    }

    /// The guard, to add checks of one's own.
    pub fn guard_mut(&mut self) -> &mut Guard {
        &mut self.guard
    }

    /// Answers a request with a picture of `model` that was judged. The note tells what stood against it. Once the picture is handed over,
    /// [`look_back`](Self::look_back).
    ///
    /// # Errors
    /// As the model's own. That a picture cannot be judged is no error: it is shown, and counted as blind.
    pub fn append(
        &mut self,
        model: &mut dyn WorldModel,
        request: &DreamRequest,
        orders: &GuardOrders,
    ) -> Result<(NeuralFrame, Option<GuardNote>), ModelError> {
        let late = if request.reset { None } else { self.look_back(model) };
        self.due = None;
        if request.reset {
            self.guard.reset();
            self.last_good = None;
        }
        // Snow does not look like the noon before it, and a dream owes nothing to the pictures before it.
        let other = |old: StyleWeights| request.style.distance(&old) > OTHER_LOOK;
        self.dreams = request.mode == DreamMode::Dream && model.can_dream();
        if self.dreams || self.looked.is_some_and(other) {
            self.guard.look_changed();
            self.looked = None;
        }
        self.looked.get_or_insert(request.style);
        self.guard.set_curious(model.can_dream());
        self.guard.set_dreaming(self.dreams);
        self.guard.set_gravity(orders.gravity_m_s2);
        self.guard.set_unguarded(orders.unguarded.iter().copied());
        let (frame, note) = match model.drafts() {
            Some(drafts) => self.through_drafts(drafts, request, orders),
            None => self.after_the_fact(model, request, orders),
        }?;
        Ok((frame, note.or(late)))
    }

    fn through_drafts(
        &mut self,
        drafts: &mut dyn Drafts,
        request: &DreamRequest,
        orders: &GuardOrders,
    ) -> Result<(NeuralFrame, Option<GuardNote>), ModelError> {
        let taken = Instant::now();
        // Where the player is belongs to the physics, too: a camera that walks through walls would break it in every pixel.
        let steering = match orders.mode {
            GuardMode::Correct => Steering::Player,
            GuardMode::Off | GuardMode::Observe => Steering::Commands,
        };
        let mut draft = drafts.draft(request, steering)?;
        let begun = Instant::now();
        let Some(view) = drafts.view() else {
            let frame = drafts.finish(request, draft, FrameSource::Model, Keep::All)?;
            return Ok((frame, None));
        };
        let snapshot = sane(request);
        self.expect(&snapshot, view);
        let known = Some(drafts.candidates());
        let judgement = match self.first_look(&draft.rgb, request, &snapshot, known) {
            Ok(judgement) => judgement,
            Err(error) => {
                self.blind(&error);
                let frame = drafts.finish(request, draft, FrameSource::Model, Keep::All)?;
                return Ok((frame, None));
            }
        };
        draft.times.guard_ms += ms(begun.elapsed());
        let alarms = self.alarms(&judgement, orders.mode);
        let size = drafts.view().map_or((0, 0), |v| (v.maps.width as u32, v.maps.height as u32));
        let climbing = Instant::now();
        let outcome = if alarms.is_empty() {
            Outcome { rgb: std::mem::take(&mut draft.rgb), level: Level::Accept, judgement: None }
        } else {
            self.note_alarms(&alarms);
            self.mark_bad(&alarms, size);
            let spent_ms = ms(taken.elapsed());
            let material = Material {
                snapshot: &snapshot,
                levels: drafts.levels(),
                left_ms: orders.deadline_ms - spent_ms,
            };
            let outcome = self.climb(&draft, &alarms, &material, drafts);
            draft.times.correct_ms = ms(climbing.elapsed());
            outcome
        };
        let note = self.settle(request, orders.mode, &judgement, &outcome);
        let source = source_of(outcome.level);
        let trust = self.trust(orders.mode, &judgement, &outcome, size);
        if let (Some(view), GuardMode::Correct) = (drafts.view(), orders.mode) {
            self.remember(view, &outcome, &judgement);
        }
        draft.rgb = outcome.rgb;
        let keep = match outcome.level {
            Level::LastGood | Level::ShadowPaint => Keep::Nothing,
            _ => trust.as_deref().map_or(Keep::All, Keep::Trusting),
        };
        let frame = drafts.finish(request, draft, source, keep)?;
        self.learn_tones(&frame, outcome.level, &judgement);
        Ok((frame, note))
    }

    /// A model that takes its pictures into its past at once: what it shows can be corrected, what it remembers cannot.
    fn after_the_fact(
        &mut self,
        model: &mut dyn WorldModel,
        request: &DreamRequest,
        orders: &GuardOrders,
    ) -> Result<(NeuralFrame, Option<GuardNote>), ModelError> {
        let taken = Instant::now();
        let mut frame = model.append_frame(request)?;
        let (width, height) = (frame.width as usize, frame.height as usize);
        // Shadow paint is the state itself.
        if frame.source == FrameSource::ShadowPaint
            || width * height == 0
            || frame.rgba.len() != 4 * width * height
        {
            return Ok((frame, None));
        }
        let begun = Instant::now();
        let snapshot = sane(request);
        let mut view = self
            .view
            .take()
            .unwrap_or_else(|| ShadowView::new(&snapshot, &request.style, width, height, true));
        view.draw(&snapshot, &request.style, width, height, true);
        self.expect(&snapshot, &view);
        let rgb: Vec<f32> = frame
            .rgba
            .chunks_exact(4)
            .flat_map(|p| [p[0], p[1], p[2]])
            .map(|b| f32::from(b) / 255.0)
            .collect();
        let judgement = match self.first_look(&rgb, request, &snapshot, None) {
            Ok(judgement) => judgement,
            Err(error) => {
                self.blind(&error);
                self.view = Some(view);
                return Ok((frame, None));
            }
        };
        frame.times.guard_ms += ms(begun.elapsed());
        let alarms = self.alarms(&judgement, orders.mode);
        let size = (frame.width, frame.height);
        let climbing = Instant::now();
        let draft = Draft { rgb, times: frame.times };
        let outcome = if alarms.is_empty() {
            Outcome { rgb: draft.rgb, level: Level::Accept, judgement: None }
        } else {
            self.note_alarms(&alarms);
            self.mark_bad(&alarms, size);
            proxy(&view, None, &self.tones, &mut self.proxy);
            let left_ms = orders.deadline_ms - ms(taken.elapsed());
            let levels = Levels::only(|level| level >= Level::Proxy);
            let level = self.ladder.first(levels, left_ms);
            let rgb = self.without_network(level, &view, &draft.rgb);
            Outcome { rgb, level, judgement: None }
        };
        let note = self.settle(request, orders.mode, &judgement, &outcome);
        if orders.mode == GuardMode::Correct {
            self.remember(&view, &outcome, &judgement);
        }
        if outcome.level != Level::Accept {
            frame.rgba = Arc::new(to_rgba8(&outcome.rgb));
            frame.shadow = Some(Arc::new(FrameShadow::new(&view, &request.style, &frame.rgba)));
            frame.source = source_of(outcome.level);
            frame.times.correct_ms = ms(climbing.elapsed());
        }
        self.learn_tones(&frame, outcome.level, &judgement);
        self.view = Some(view);
        Ok((frame, note))
    }

    /// Looks at a picture and judges it.
    fn look(
        &mut self,
        rgb: &[f32],
        snapshot: &ShadowSnapshot,
        known: Option<&Candidates>,
    ) -> Result<(Judgement, Evidence), ModelError> {
        profile_scope!("judge");
        let sight = self.sight(rgb, known);
        let evidence = self.observer.observe(&sight.bytes(), snapshot)?;
        self.stats.looks += 1;
        Ok((self.guard.judge(&evidence, sight.remembered()), evidence))
    }

    /// The state that the next picture must show; `view` is of it.
    fn expect(&mut self, snapshot: &Arc<ShadowSnapshot>, view: &ShadowView) {
        let (scene, maps) = (view.scene(), &view.maps);
        match self.shrink {
            1 => self.guard.expect(snapshot.clone(), scene, maps),
            by => self.guard.expect_at(snapshot.clone(), maps.width / by, maps.height / by),
        }
    }

    fn sight<'a>(&self, rgb: &'a [f32], known: Option<&'a Candidates>) -> Sight<'a> {
        Sight::new(rgb, known, self.guard.expected().width * self.shrink, self.shrink)
    }

    /// Judges the picture that the model drafted: at a glance if that does.
    fn first_look(
        &mut self,
        rgb: &[f32],
        request: &DreamRequest,
        snapshot: &Arc<ShadowSnapshot>,
        known: Option<&Candidates>,
    ) -> Result<Judgement, ModelError> {
        let glance = {
            profile_scope!("glance");
            let sight = self.sight(rgb, known);
            self.guard.glance(&sight.bytes(), sight.remembered())
        };
        match glance {
            Glance::Fine(judgement) => Ok(judgement),
            Glance::Due(judgement) => {
                self.due = Some(later::Due::new(rgb, request, snapshot));
                Ok(judgement)
            }
            Glance::Odd => self.look(rgb, snapshot, known).map(|(judgement, _)| judgement),
        }
    }

    fn blind(&mut self, error: &ModelError) {
        self.stats.blind += 1;
        let why = error.to_string();
        if self.stats.fault.as_ref() != Some(&why) {
            profile_message!("guard: a picture cannot be judged: {why}");
            self.stats.fault = Some(why);
        }
        self.guard.shown_unjudged();
    }

    /// What must be corrected in this very picture. What was corrected lately is so again at the first suspicion, and so is a dream: it is unlikely to be
    /// right, and loses nothing but itself.
    /// Checks that look at many pictures speak on for a while after a fault is gone: a body that is where it should be
    /// is then left alone.
    fn alarms(&self, judgement: &Judgement, mode: GuardMode) -> Vec<Verdict> {
        if mode != GuardMode::Correct {
            return Vec::new();
        }
        let again = |verdict: &&Verdict| {
            let key = (verdict.check, verdict.finding.object);
            self.dreams || (self.ladder.is_alert() && self.alarmed.contains(&key))
        };
        let more = judgement.suspicions.iter().filter(|v| !judgement.verdicts.contains(v));
        let all = judgement.verdicts.iter().chain(more.filter(again));
        all.copied().filter(|v| self.stands(v)).collect()
    }

    fn stands(&self, verdict: &Verdict) -> bool {
        let over_time = ["gravity", "energy", "momentum", "jitter"].contains(&verdict.check);
        let thresholds = self.guard.thresholds();
        let in_place_px = thresholds.jitter_px.max(3.0 * thresholds.observer.centroid_px);
        let found = |id: u64| self.guard.observed().measurements.iter().find(|m| m.id == id);
        match verdict.finding.object.and_then(found) {
            Some(found) if over_time => {
                !found.found || found.shift_px.abs().max_element() > in_place_px
            }
            _ => true,
        }
    }

    fn note_alarms(&mut self, alarms: &[Verdict]) {
        for alarm in alarms {
            let key = (alarm.check, alarm.finding.object);
            if !self.alarmed.contains(&key) && self.alarmed.len() < MOST_ALARMED {
                self.alarmed.push(key);
            }
        }
    }

    fn mark_bad(&mut self, alarms: &[Verdict], (width, height): (u32, u32)) {
        self.guard.bad_pixels(alarms, &mut self.bad);
        if self.shrink > 1 {
            self.bad = grown(&self.bad, self.guard.expected().width, self.shrink);
        }
        bad_tiles(&self.bad, width as usize, height as usize, &mut self.tiles);
    }
}

fn source_of(level: Level) -> FrameSource {
    if level == Level::ShadowPaint { FrameSource::ShadowPaint } else { FrameSource::Model }
}

/// The request's state without insane bodies, as models draw it.
fn sane(request: &DreamRequest) -> Arc<ShadowSnapshot> {
    let mut snapshot = (*request.snapshot).clone();
    match check_request(&mut snapshot) {
        Ok(quarantined) if !quarantined.is_empty() => Arc::new(snapshot),
        _ => request.snapshot.clone(),
    }
}
