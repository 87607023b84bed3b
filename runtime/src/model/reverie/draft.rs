//! A frame in two halves: the draft, and what becomes of it.

use std::sync::Arc;
use std::time::Instant;

use reverie_guard::{Level, Levels};

use super::{KNOWN, OWN_MEMORY_TRUST, OWN_TRUST, ReverieModel};
use crate::condition::{CHANNELS, Candidates, GLOBALS, KEY, LAST, MEMORY};
use crate::frame::{FrameShadow, NeuralFrame, StageTimes};
use crate::model::{Draft, Drafts, Keep, ModelError, Redraft, WorldModel, ms};
use crate::paint::to_rgba8;
use crate::profile_scope;
use crate::request::{DreamMode, DreamRequest, FrameSource};
use crate::view::ShadowView;

/// What goes into the past.
pub(super) enum Past<'a> {
    /// The picture that is shown.
    Own(Keep<'a>),
    /// Another one, with a trust.
    Instead(Vec<f32>, f32),
}

impl ReverieModel {
    /// Checks and draws the shadow, reads what is known, and samples. Nothing is kept.
    pub(super) fn make_draft(&mut self, request: &DreamRequest) -> Result<Draft, ModelError> {
        let started = Instant::now();
        if request.reset || !self.use_past {
            self.references.clear();
            self.last_time_s = None;
        }
        let checked = self.draw(request)?;
        let drawn = Instant::now();
        self.told = self.condition(request);
        self.globals = self.told.map_or([0.0; GLOBALS], |told| told.pack());
        self.redrafts = 0;
        let conditioned = Instant::now();
        let rgb = self.denoise(&self.maps, &self.globals, 1, 0, None)?;
        let denoised = Instant::now();
        let count = rgb.iter().filter(|v| !v.is_finite()).count();
        if count > 0 {
            self.reset();
            return Err(ModelError::NotANumber { count, request_id: request.id });
        }
        let times = StageTimes {
            wait_ms: ms(started.saturating_duration_since(request.requested_at)),
            guard_ms: ms(checked.saturating_duration_since(started)),
            raster_ms: ms(drawn - checked),
            condition_ms: ms(conditioned - drawn),
            denoise_ms: ms(denoised - conditioned),
            ..StageTimes::default()
        };
        Ok(Draft { rgb, times })
    }

    /// Makes a picture the answer to `request`, and takes what `past` says into the past.
    pub(super) fn make_final(
        &mut self,
        request: &DreamRequest,
        draft: Draft,
        source: FrameSource,
        past: Past,
    ) -> Result<NeuralFrame, ModelError> {
        let started = Instant::now();
        let Draft { rgb, times } = draft;
        let (width, height) = self.size();
        let expected = 3 * width as usize * height as usize;
        if rgb.len() != expected {
            return Err(ModelError::PictureSize { found: rgb.len(), expected });
        }
        let rgba = {
            profile_scope!("decode");
            Arc::new(to_rgba8(&rgb))
        };
        let shadow = |view| Arc::new(FrameShadow::new(view, &request.style, &rgba));
        let shadow = self.view.as_ref().map(shadow);
        let decoded = Instant::now();
        match past {
            Past::Instead(truth, trust) => self.commit(request, truth, |_| trust, |_| trust),
            Past::Own(Keep::All) => self.keep(request, rgb, |_| 1.0),
            Past::Own(Keep::Trusting(trust)) => {
                self.keep(request, rgb, |pixel| trust.get(pixel).copied().unwrap_or(0.0));
            }
            // The past stays what the last own picture made of it.
            Past::Own(Keep::Nothing) => {}
        }
        self.frames += 1;
        let finished_at = Instant::now();
        Ok(NeuralFrame {
            request_id: request.id,
            width,
            height,
            rgba,
            snapshot: request.snapshot.clone(),
            shadow,
            detail: self.newest_detail(),
            source,
            mode: DreamMode::Anchored,
            times: StageTimes {
                decode_ms: ms(decoded - started),
                commit_ms: ms(finished_at - decoded),
                ..times
            },
            input_at: request.input_at,
            finished_at,
        })
    }

    /// Takes an own picture into the past. What is known of a material stays: own pictures only fill in what was not.
    fn keep(&mut self, request: &DreamRequest, rgb: Vec<f32>, trust: impl Fn(usize) -> f32) {
        let known = std::mem::take(&mut self.candidates.exemplar_confidence);
        let fill_in = |pixel: usize| match known[pixel] {
            known if known > KNOWN => 0.0,
            known => OWN_TRUST * (1.0 - known) * trust(pixel),
        };
        self.commit(request, rgb, fill_in, |pixel| OWN_MEMORY_TRUST * trust(pixel));
        self.candidates.exemplar_confidence = known;
    }

    /// The maps of the last draft without any past where it is bad: what is wrong there often comes from a past frame.
    fn maps_without_past(&self, bad: &[f32]) -> Vec<f32> {
        let mut maps = self.maps.clone();
        for (pixel, bad) in maps.chunks_exact_mut(CHANNELS).zip(bad) {
            if *bad > 0.5 {
                for candidate in [LAST, KEY, MEMORY] {
                    pixel[candidate..candidate + 4].fill(0.0);
                }
            }
        }
        maps
    }
}

impl Drafts for ReverieModel {
    fn draft(&mut self, request: &DreamRequest) -> Result<Draft, ModelError> {
        self.make_draft(request)
    }

    fn view(&self) -> Option<&ShadowView> {
        self.view.as_ref()
    }

    fn candidates(&self) -> &Candidates {
        &self.candidates
    }

    /// A condition that is at its strictest already cannot be raised.
    fn levels(&self) -> Levels {
        let raisable = self.told.is_some_and(|told| told.condition_strength < 1.0);
        Levels::only(|level| level != Level::Strengthen || raisable)
    }

    fn redraft(
        &mut self,
        draft: &Draft,
        bad: &[f32],
        how: Redraft,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let values = draft.rgb.len();
        if values != 3 * bad.len() || bad.len() * CHANNELS != self.maps.len() {
            return Err(ModelError::PictureSize { found: values, expected: 3 * bad.len() });
        }
        self.redrafts += 1;
        let rgb = match (how, self.told) {
            (Redraft::Strengthen, Some(mut told)) => {
                told.condition_strength = 1.0;
                self.denoise(&self.maps, &told.pack(), 1, 0, None)?
            }
            (Redraft::Strengthen, None) => draft.rgb.clone(),
            (Redraft::Parts { pictures }, _) => {
                let maps = self.maps_without_past(bad);
                let held = Some((draft.rgb.as_slice(), bad));
                self.denoise(&maps, &self.globals, pictures, self.redrafts, held)?
            }
        };
        Ok(rgb.chunks_exact(values).map(<[f32]>::to_vec).collect())
    }

    fn finish(
        &mut self,
        request: &DreamRequest,
        draft: Draft,
        source: FrameSource,
        keep: Keep,
    ) -> Result<NeuralFrame, ModelError> {
        self.make_final(request, draft, source, Past::Own(keep))
    }
}
