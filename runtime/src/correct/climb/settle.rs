//! What a decision leads to: guard, ladder and counters are told, and the good of a picture is remembered.

use std::collections::HashSet;

use reverie_guard::{Judgement, Level, Verdict};
use reverie_kernels::warp::PastFrame;

use super::{Corrector, Outcome};
use crate::correct::{GuardMode, GuardNote};
use crate::frame::NeuralFrame;
use crate::request::DreamRequest;
use crate::view::ShadowView;
use crate::{profile_message, profile_plot};

impl Corrector {
    /// Tells guard and ladder what is shown, and counts.
    pub(super) fn settle(
        &mut self,
        request: &DreamRequest,
        mode: GuardMode,
        judgement: &Judgement,
        outcome: &Outcome,
    ) -> Option<GuardNote> {
        match (&outcome.judgement, outcome.level) {
            (Some(again), _) => self.guard.shown(again),
            // It is not looked at yet.
            (None, Level::Accept) if self.due.is_some() => {}
            (None, Level::Accept) => self.guard.shown(judgement),
            (None, _) => self.guard.shown_unjudged(),
        }
        if mode == GuardMode::Correct {
            self.ladder.settle(outcome.level);
            if !self.ladder.is_alert() {
                self.alarmed.clear();
            }
        }
        self.stats.judged += 1;
        self.stats.levels[outcome.level as usize] += 1;
        profile_plot!("guard level", outcome.level as usize as f64);
        let verdicts: Vec<Verdict> =
            if judgement.verdicts.is_empty() && outcome.level != Level::Accept {
                judgement.suspicions.clone()
            } else {
                judgement.verdicts.clone()
            };
        self.report((request.id, request.snapshot.tick), verdicts, outcome.level)
    }

    /// Counts what stood against a picture, `(request_id, tick)`, and tells it.
    pub(super) fn report(
        &mut self,
        (request_id, tick): (u64, u64),
        verdicts: Vec<Verdict>,
        level: Level,
    ) -> Option<GuardNote> {
        let stats = &mut self.stats;
        for verdict in &verdicts {
            *stats.verdicts.entry(verdict.check).or_default() += 1;
            profile_message!("guard: {verdict}");
        }
        profile_plot!("guard verdicts", verdicts.len() as f64);
        if verdicts.is_empty() {
            return None;
        }
        stats.rejects += 1;
        let size = (self.guard.expected().width as u32, self.guard.expected().height as u32);
        Some(GuardNote { request_id, tick, verdicts, level, size })
    }

    /// How far each pixel is to be trusted: not where something is suspected, nor where it is not the model's own.
    pub(super) fn trust(
        &mut self,
        mode: GuardMode,
        judgement: &Judgement,
        outcome: &Outcome,
        size: (u32, u32),
    ) -> Option<Vec<f32>> {
        if mode != GuardMode::Correct {
            return None;
        }
        match outcome.level {
            Level::Accept if judgement.suspicions.is_empty() => None,
            Level::Accept => {
                self.mark_bad(&judgement.suspicions, size);
                Some(self.tiles.iter().map(|bad| 1.0 - bad).collect())
            }
            Level::Proxy => Some(self.tiles.iter().map(|bad| 1.0 - bad).collect()),
            _ => None,
        }
    }

    /// The last good picture is the last one against which nothing stood.
    pub(super) fn remember(&mut self, view: &ShadowView, outcome: &Outcome, judgement: &Judgement) {
        let good = match outcome.level {
            Level::Accept => judgement.suspicions.is_empty(),
            Level::Strengthen | Level::Redenoise | Level::BestOf => true,
            _ => false,
        };
        if good && outcome.rgb.len() == 3 * view.maps.width * view.maps.height {
            let rgb = outcome.rgb.clone();
            self.last_good = Some(PastFrame::new(view.scene(), &view.camera, &view.maps, rgb));
        }
    }

    /// The model's colours, from pictures against which nothing stands: an erased body would get those of the floor.
    pub(super) fn learn_tones(&mut self, frame: &NeuralFrame, level: Level, judgement: &Judgement) {
        if level == Level::Accept
            && judgement.suspicions.is_empty()
            && let Some(shadow) = &frame.shadow
        {
            self.tones.learn(&shadow.tones);
            let bodies = &frame.snapshot.bodies;
            if self.tones.len() > 4 * bodies.len() + 256 {
                let alive: HashSet<u64> = bodies.iter().map(|b| b.id).collect();
                self.tones.retain(|id| alive.contains(&id));
            }
        }
    }
}
