//! Pictures that need no judgement: how things look is learnt from them.

use reverie_guard::{Ladder, LadderSettings};

use super::{Corrector, STEP_MS, sane};
use crate::model::ModelError;
use crate::request::DreamRequest;
use crate::tones::Tones;

impl Corrector {
    /// Another world begins: forgets how things look, but not what it counted.
    pub fn forget(&mut self) {
        self.guard.forget();
        self.ladder = Ladder::new(LadderSettings::default(), STEP_MS);
        self.tones = Tones::default();
        (self.last_good, self.looked, self.due) = (None, None, None);
        self.alarmed.clear();
    }

    /// Sees a picture of `request` that is right, interleaved sRGB, 0 to 1, of the model's `(width, height)`: how things look.
    ///
    /// # Errors
    /// The observer refused it.
    pub fn watch(
        &mut self,
        request: &DreamRequest,
        rgb: &[f32],
        (width, height): (usize, usize),
    ) -> Result<(), ModelError> {
        let snapshot = sane(request);
        self.guard.expect_at(snapshot.clone(), width / self.shrink, height / self.shrink);
        let (judgement, _) = self.look(rgb, &snapshot, None)?;
        self.guard.shown(&judgement);
        Ok(())
    }
}
