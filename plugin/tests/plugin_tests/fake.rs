//! A world model whose pictures are known.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bevy_reverie::camera::NeuralModel;
use reverie_runtime::frame::{NeuralFrame, StageTimes};
use reverie_runtime::model::{ModelError, WorldModel};
use reverie_runtime::request::{DreamMode, DreamRequest, FrameSource};

/// Requests that a fake model has answered.
pub type Log = Arc<Mutex<Vec<DreamRequest>>>;

/// Paints every pixel with one colour and notes what it was asked.
pub struct Fake {
    pub rgba: [u8; 4],
    pub size: (u32, u32),
    pub log: Log,
    /// Obeys the mode that is asked for.
    pub can_dream: bool,
}

impl WorldModel for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn append_frame(&mut self, request: &DreamRequest) -> Result<NeuralFrame, ModelError> {
        self.log.lock().unwrap().push(request.clone());
        let (width, height) = self.size;
        Ok(NeuralFrame {
            request_id: request.id,
            width,
            height,
            rgba: Arc::new(self.rgba.repeat((width * height) as usize)),
            snapshot: request.snapshot.clone(),
            shadow: None,
            detail: None,
            source: FrameSource::Model,
            mode: if self.can_dream { request.mode } else { DreamMode::Anchored },
            times: StageTimes::default(),
            input_at: request.input_at,
            finished_at: Instant::now(),
        })
    }

    fn reset(&mut self) {}

    fn can_dream(&self) -> bool {
        self.can_dream
    }
}

/// A fake of one colour, 16×9, and its log.
pub fn fake(rgba: [u8; 4]) -> (NeuralModel, Log) {
    fake_that(rgba, true)
}

/// The same, one that dreams or one that cannot.
pub fn fake_that(rgba: [u8; 4], can_dream: bool) -> (NeuralModel, Log) {
    let log = Log::default();
    let kept = log.clone();
    let build = move || -> Result<Box<dyn WorldModel>, ModelError> {
        Ok(Box::new(Fake { rgba, size: (16, 9), log: kept.clone(), can_dream }))
    };
    (NeuralModel::Custom(Arc::new(build)), log)
}
