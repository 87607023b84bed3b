//! The model that needs no weights: shadow paint as it is.

use std::sync::Arc;
use std::time::Instant;

use reverie_guard::check_request;

use super::{ModelError, WorldModel};
use crate::frame::{FrameShadow, NeuralFrame, StageTimes};
use crate::paint::to_rgba8;
use crate::profile_scope;
use crate::request::{DreamMode, DreamRequest, FrameSource};
use crate::view::ShadowView;

/// Paints the condition maps; fallback picture, test double and baseline.
#[derive(Debug)]
pub struct ShadowPaint {
    width: u32,
    height: u32,
    view: Option<ShadowView>,
}

impl ShadowPaint {
    /// Of pictures of this size, pixels; at least 8 each way.
    pub fn new(width: u32, height: u32) -> Self {
        Self { width: width.max(8), height: height.max(8), view: None }
    }
}

impl WorldModel for ShadowPaint {
    fn name(&self) -> &str {
        "shadow paint"
    }

    fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn append_frame(&mut self, request: &DreamRequest) -> Result<NeuralFrame, ModelError> {
        let started = Instant::now();
        let mut snapshot = (*request.snapshot).clone();
        {
            profile_scope!("guard");
            check_request(&mut snapshot)
                .map_err(|source| ModelError::Request { request_id: request.id, source })?;
        }
        let checked = Instant::now();
        profile_scope!("raster");
        let (width, height) = (self.width as usize, self.height as usize);
        let view = match &mut self.view {
            Some(view) => {
                view.draw(&snapshot, &request.style, width, height, true);
                view
            }
            none => none.insert(ShadowView::new(&snapshot, &request.style, width, height, true)),
        };
        let drawn = Instant::now();
        let rgba = Arc::new(to_rgba8(&view.paint));
        let shadow = FrameShadow::new(view, &request.style, &rgba);
        let finished_at = Instant::now();
        Ok(NeuralFrame {
            request_id: request.id,
            width: self.width,
            height: self.height,
            rgba,
            snapshot: Arc::new(snapshot),
            shadow: Some(Arc::new(shadow)),
            detail: None,
            source: FrameSource::ShadowPaint,
            mode: DreamMode::Anchored,
            times: StageTimes {
                wait_ms: ms(started.saturating_duration_since(request.requested_at)),
                guard_ms: ms(checked - started),
                raster_ms: ms(drawn - checked),
                decode_ms: ms(finished_at - drawn),
                ..StageTimes::default()
            },
            input_at: request.input_at,
            finished_at,
        })
    }

    fn reset(&mut self) {}
}

/// Milliseconds.
pub(crate) fn ms(duration: std::time::Duration) -> f32 {
    duration.as_secs_f32() * 1e3
}
