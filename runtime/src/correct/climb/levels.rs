//! What is done about a picture that is wrong, level by level.

use std::time::Instant;

use reverie_guard::{Evidence, Judgement, Level, ShadowSnapshot, Verdict};

use super::{Corrector, Material, Outcome};
use crate::condition::Candidates;
use crate::correct::patch::{blend, last_good, proxy, toned_paint};
use crate::correct::{Draft, Drafts, Redraft};
use crate::model::{ModelError, ms};
use crate::profile_scope;
use crate::view::ShadowView;

/// Noises of [`Level::BestOf`].
const NOISES: usize = 3;
/// A picture whose correction was judged to be no better by less than this is as bad.
const BETTER: f32 = 0.5;

impl Corrector {
    /// Corrects until nothing stands against the picture any more.
    pub(super) fn climb(
        &mut self,
        draft: &Draft,
        alarms: &[Verdict],
        material: &Material,
        drafts: &mut dyn Drafts,
    ) -> Outcome {
        profile_scope!("correct");
        let begun = Instant::now();
        let left = |begun: Instant| material.left_ms - ms(begun.elapsed());
        let mut level = self.ladder.first(material.levels, left(begun));
        loop {
            let started = Instant::now();
            let how = match level {
                Level::Strengthen => Redraft::Strengthen,
                Level::Redenoise => Redraft::Parts { pictures: 1 },
                Level::BestOf => Redraft::Parts { pictures: NOISES },
                _ => {
                    let Some(view) = drafts.view() else {
                        let (rgb, level) = (draft.rgb.clone(), Level::Accept);
                        return Outcome { rgb, level, judgement: None };
                    };
                    proxy(view, Some(drafts.candidates()), &self.tones, &mut self.proxy);
                    let rgb = self.without_network(level, view, &draft.rgb);
                    self.ladder.note_cost(level, ms(started.elapsed()));
                    return Outcome { rgb, level, judgement: None };
                }
            };
            let best = drafts.redraft(draft, &self.tiles, how).and_then(|pictures| {
                self.best_of(pictures, alarms, material.snapshot, drafts.candidates())
            });
            self.ladder.note_cost(level, ms(started.elapsed()));
            match best {
                Ok(Some((rgb, judgement))) => {
                    return Outcome { rgb, level, judgement: Some(judgement) };
                }
                Ok(None) => {}
                // The next levels need less of the network.
                Err(error) => {
                    self.stats.fault = Some(format!("{} failed: {error}", level.name()));
                }
            }
            level = self.ladder.after(level, material.levels, left(begun));
        }
    }

    /// The best of some pictures, if nothing stands against it.
    fn best_of(
        &mut self,
        pictures: Vec<Vec<f32>>,
        alarms: &[Verdict],
        snapshot: &ShadowSnapshot,
        known: &Candidates,
    ) -> Result<Option<(Vec<f32>, Judgement)>, ModelError> {
        let before: f32 = alarms.iter().map(|alarm| alarm.finding.margin().min(100.0)).sum();
        let mut best: Option<(f32, Vec<f32>, Evidence)> = None;
        for rgb in pictures {
            if !rgb.iter().all(|value| value.is_finite()) {
                continue;
            }
            let (judgement, evidence) = self.look(&rgb, snapshot, Some(known))?;
            let standing = |v: &&Verdict| self.stands(v);
            let badness: f32 = judgement
                .suspicions
                .iter()
                .filter(standing)
                .map(|v| v.finding.margin().min(100.0))
                .sum();
            if best.as_ref().is_none_or(|(least, ..)| badness < *least) {
                best = Some((badness, rgb, evidence));
            }
        }
        let Some((_, rgb, evidence)) = best else { return Ok(None) };
        // The guard must have seen last what is shown.
        let sight = self.sight(&rgb, Some(known));
        let judgement = self.guard.judge(&evidence, sight.remembered());
        let same = |v: &Verdict| {
            alarms
                .iter()
                .any(|alarm| (alarm.check, alarm.finding.object) == (v.check, v.finding.object))
        };
        let standing: Vec<&Verdict> =
            judgement.suspicions.iter().filter(|v| self.stands(v)).collect();
        let after: f32 = standing.iter().map(|v| v.finding.margin().min(100.0)).sum();
        let cured = !standing.iter().any(|v| same(v)) && after < BETTER * before.max(1.0) + 1.0;
        Ok(cured.then_some((rgb, judgement)))
    }

    /// A level that needs the shadow alone; `self.proxy` is filled.
    pub(super) fn without_network(
        &mut self,
        level: Level,
        view: &ShadowView,
        rgb: &[f32],
    ) -> Vec<f32> {
        match (level, &self.last_good) {
            (Level::Proxy, _) => {
                let mut out = rgb.to_vec();
                blend(&mut out, &self.proxy, &self.tiles);
                out
            }
            (Level::LastGood, Some(past)) => {
                last_good(view, past, &self.proxy, &mut self.corrected);
                self.corrected.clone()
            }
            (Level::LastGood, None) => self.proxy.clone(),
            _ => {
                toned_paint(view, &self.tones, &mut self.corrected);
                self.corrected.clone()
            }
        }
    }
}
