//! A frame in two halves: the draft, and what becomes of it.

use std::sync::Arc;
use std::time::Instant;

use reverie_guard::{Level, Levels};

use super::{
    Asked, KNOWN, Net, OWN_MEMORY_TRUST, OWN_TRUST, REWRITE_FRAMES, ReverieModel, WELL_REMEMBERED,
    on,
};
use crate::condition::{CHANNELS, Candidates, GLOBALS, Globals, KEY, LAST, MEMORY};
use crate::frame::{FrameShadow, NeuralFrame, StageTimes};
use crate::model::{Draft, Drafts, Keep, ModelError, Redraft, Steering, WorldModel, ms};
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
            if let Net::Latent(stream) = &mut self.net {
                stream.reset();
            }
        }
        self.command = self.command_of(request);
        let checked = self.draw(request)?;
        let drawn = Instant::now();
        self.told = self.condition(request);
        self.globals = self.told.map_or([0.0; GLOBALS], |told| told.pack());
        self.redrafts = 0;
        let conditioned = Instant::now();
        // A dream owes nothing to the shadow; whoever judges and corrects it needs the shadow all the same.
        self.dreamed = self.imagine_on(request)?;
        let rgb = match &self.dreamed {
            Some(rgb) => rgb.clone(),
            None => {
                let maps = std::mem::take(&mut self.maps);
                let globals = self.globals;
                let asked =
                    Asked { maps: &maps, globals: &globals, pictures: 1, salt: 0, held: None };
                let drawn_rgb = self.denoise(asked);
                self.maps = maps;
                drawn_rgb?
            }
        };
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
        let view = self.view.as_ref();
        let (rgba, shadow) = on(&self.workers, || {
            profile_scope!("decode");
            let rgba = Arc::new(to_rgba8(&rgb));
            let shadow = |view| Arc::new(FrameShadow::new(view, &request.style, &rgba));
            (rgba.clone(), view.map(shadow))
        });
        let decoded = Instant::now();
        let dreamed = self.dreamed.take();
        let refused = matches!(past, Past::Own(Keep::Nothing));
        self.woken = refused && (self.woken || dreamed.is_some());
        match (past, &dreamed) {
            // The past stays what the last own picture made of it. A dream would go on from before the command.
            (Past::Own(Keep::Nothing), _) => {}
            // Surfaces and materials look as they did when the shadow was followed, not as they were dreamed.
            (Past::Own(_), Some(dreamed)) => self.remember(request, &rgb, Some(dreamed))?,
            (Past::Instead(truth, trust), _) => {
                self.remember(request, &truth, None)?;
                self.commit(request, truth, shadow.as_deref(), |_| trust, |_| trust);
            }
            (Past::Own(Keep::All), None) => {
                self.remember(request, &rgb, None)?;
                self.keep(request, rgb, shadow.as_deref(), |_| 1.0);
            }
            (Past::Own(Keep::Trusting(trust)), None) => {
                self.remember(request, &rgb, None)?;
                self.keep(request, rgb, shadow.as_deref(), |pixel| {
                    trust.get(pixel).copied().unwrap_or(0.0)
                });
            }
        }
        let mode = if dreamed.is_some() { DreamMode::Dream } else { DreamMode::Anchored };
        self.frames += 1;
        let finished_at = Instant::now();
        Ok(NeuralFrame {
            request_id: request.id,
            width,
            height,
            rgba,
            snapshot: request.snapshot.clone(),
            shadow,
            // Drawn for the shadow's surfaces, where a dream shows others.
            detail: if mode == DreamMode::Dream { None } else { self.newest_detail() },
            source,
            mode,
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
    fn keep(
        &mut self,
        request: &DreamRequest,
        rgb: Vec<f32>,
        shadow: Option<&FrameShadow>,
        trust: impl Fn(usize) -> f32 + Send + Sync,
    ) {
        let known = std::mem::take(&mut self.candidates.exemplar_confidence);
        let fill_in = |pixel: usize| match known[pixel] {
            known if known > KNOWN => 0.0,
            known => OWN_TRUST * (1.0 - known) * trust(pixel),
        };
        // Surfaces that are well known are looked at again row by row, in turn: most of their texels are frozen anyway.
        let sure = self.candidates.memory_confidence.clone();
        let (width, turn) = (self.card.architecture.width as usize, self.frames as usize);
        let remember = |pixel: usize| {
            let known = sure.get(pixel).is_some_and(|sure| *sure > WELL_REMEMBERED);
            let waits = known && !(pixel / width + turn).is_multiple_of(REWRITE_FRAMES);
            if waits { 0.0 } else { OWN_MEMORY_TRUST * trust(pixel) }
        };
        self.commit(request, rgb, shadow, fill_in, remember);
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
    fn draft(&mut self, request: &DreamRequest, steering: Steering) -> Result<Draft, ModelError> {
        self.steering = steering;
        self.make_draft(request)
    }

    fn view(&self) -> Option<&ShadowView> {
        self.view.as_ref()
    }

    fn candidates(&self) -> &Candidates {
        &self.candidates
    }

    /// A condition that is at its strictest already cannot be raised; a dream has none yet.
    fn levels(&self) -> Levels {
        let told = |told: Globals| told.condition_strength < 1.0 || self.dreamed.is_some();
        let raisable = self.told.is_some_and(told);
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
        // Of a dream only what is bad gives way to the shadow, unless hardly anything is good.
        let keeps = self.dreamed.is_some() && !self.is_given_up(bad);
        let held = Some((draft.rgb.as_slice(), bad));
        let rgb = match (how, self.told) {
            (Redraft::Strengthen, Some(mut told)) => {
                told.condition_strength = 1.0;
                let maps = self.maps.clone();
                let (globals, held) = (told.pack(), held.filter(|_| keeps));
                self.denoise(Asked { maps: &maps, globals: &globals, pictures: 1, salt: 0, held })?
            }
            (Redraft::Strengthen, None) => draft.rgb.clone(),
            (Redraft::Parts { pictures }, _) => {
                let maps = self.maps_without_past(bad);
                let held = held.filter(|_| keeps || self.dreamed.is_none());
                let globals = self.globals;
                let salt = self.redrafts;
                self.denoise(Asked { maps: &maps, globals: &globals, pictures, salt, held })?
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
