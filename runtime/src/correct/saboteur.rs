//! A model that shows what is not so: faults on purpose, to see the guard catch them.

use std::collections::HashSet;
use std::sync::Arc;

use reverie_guard::{Levels, ShadowSnapshot};

use super::{Draft, Drafts, Eye, Keep, Redraft, Steering};
use crate::condition::Candidates;
use crate::frame::NeuralFrame;
use crate::model::{ModelError, WorldModel};
use crate::request::{DreamRequest, FrameSource};
use crate::view::ShadowView;

/// Under the ground, metres.
const OUT_OF_SIGHT_M: f32 = 1000.0;

/// What is shown in place of a state; `None` leaves it as it is.
pub type Alter = Box<dyn FnMut(&ShadowSnapshot) -> Option<ShadowSnapshot>>;

/// Wraps a model. Its first draft of a picture shows an altered state; all that the guard does about it is the wrapped
/// model's own work, from the true state. Without the guard the altered picture is what is shown and remembered.
pub struct Saboteur<M> {
    model: M,
    alter: Alter,
}

impl<M: WorldModel> std::fmt::Debug for Saboteur<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saboteur").field("model", &self.model.name()).finish_non_exhaustive()
    }
}

impl<M: WorldModel + Drafts> Saboteur<M> {
    /// `alter` is asked about every state.
    pub fn new(model: M, alter: Alter) -> Self {
        Self { model, alter }
    }
}

impl<M: WorldModel + Drafts> WorldModel for Saboteur<M> {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn size(&self) -> (u32, u32) {
        self.model.size()
    }

    fn append_frame(&mut self, request: &DreamRequest) -> Result<NeuralFrame, ModelError> {
        let draft = self.draft(request, Steering::Commands)?;
        self.finish(request, draft, FrameSource::Model, Keep::All)
    }

    fn reset(&mut self) {
        self.model.reset();
    }

    fn can_dream(&self) -> bool {
        self.model.can_dream()
    }

    fn drafts(&mut self) -> Option<&mut dyn Drafts> {
        Some(self)
    }

    fn take_eye(&mut self) -> Option<Eye> {
        self.model.take_eye()
    }
}

/// Puts bodies that the altered state lacks out of sight: a model's memory would forget what is gone for good.
fn hide_missing(truth: &ShadowSnapshot, altered: &mut ShadowSnapshot) {
    let there: HashSet<u64> = altered.bodies.iter().map(|body| body.id).collect();
    for body in truth.bodies.iter().filter(|body| !there.contains(&body.id)) {
        let mut hidden = body.clone();
        hidden.world_from_body.translation_m.y -= OUT_OF_SIGHT_M;
        altered.bodies.push(hidden);
    }
}

impl<M: WorldModel + Drafts> Drafts for Saboteur<M> {
    fn draft(&mut self, request: &DreamRequest, steering: Steering) -> Result<Draft, ModelError> {
        let Some(mut snapshot) = (self.alter)(&request.snapshot) else {
            return self.model.draft(request, steering);
        };
        hide_missing(&request.snapshot, &mut snapshot);
        let altered = DreamRequest { snapshot: Arc::new(snapshot), ..request.clone() };
        let shown = self.model.draft(&altered, steering)?;
        // The past is cleared only once.
        let request = DreamRequest { reset: false, ..request.clone() };
        let draft = self.model.draft(&request, steering)?;
        Ok(Draft { rgb: shown.rgb, times: draft.times })
    }

    fn view(&self) -> Option<&ShadowView> {
        self.model.view()
    }

    fn candidates(&self) -> &Candidates {
        self.model.candidates()
    }

    fn levels(&self) -> Levels {
        self.model.levels()
    }

    fn redraft(
        &mut self,
        draft: &Draft,
        bad: &[f32],
        how: Redraft,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        self.model.redraft(draft, bad, how)
    }

    fn finish(
        &mut self,
        request: &DreamRequest,
        draft: Draft,
        source: FrameSource,
        keep: Keep,
    ) -> Result<NeuralFrame, ModelError> {
        self.model.finish(request, draft, source, keep)
    }
}
