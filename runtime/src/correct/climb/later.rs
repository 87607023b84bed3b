//! Pictures that nothing is odd about are shown to the observer after the player: nobody waits for it.

use std::sync::Arc;

use reverie_guard::{Level, ShadowSnapshot};

use super::Corrector;
use crate::correct::GuardNote;
use crate::model::WorldModel;
use crate::profile_scope;
use crate::request::DreamRequest;

/// A picture that was shown and is still to be looked at.
pub(super) struct Due {
    rgb: Vec<f32>,
    request_id: u64,
    snapshot: Arc<ShadowSnapshot>,
}

impl Due {
    pub(super) fn new(rgb: &[f32], request: &DreamRequest, snapshot: &Arc<ShadowSnapshot>) -> Self {
        Self { rgb: rgb.to_vec(), request_id: request.id, snapshot: snapshot.clone() }
    }
}

impl Corrector {
    /// Looks at the picture that was handed over last, if it is time to and nothing was odd about it. It cannot be corrected any more, but a verdict takes
    /// several pictures in any case, and what is suspected now is looked at before the next one is shown. To be called as soon as the picture of
    /// [`append`](Self::append) is handed over; the next `append` does what was left undone.
    pub fn look_back(&mut self, model: &mut dyn WorldModel) -> Option<GuardNote> {
        let Due { rgb, request_id, snapshot } = self.due.take()?;
        profile_scope!("look back");
        let known = model.drafts().map(|drafts| drafts.candidates());
        match self.look(&rgb, &snapshot, known) {
            Ok((judgement, _)) => {
                self.guard.shown(&judgement);
                let seen = (request_id, snapshot.tick);
                self.report(seen, judgement.verdicts, Level::Accept)
            }
            Err(error) => {
                self.blind(&error);
                None
            }
        }
    }
}
