//! The dream thread: requests in, pictures out, newest wins both ways.
//!
//! The model is built and lives on the thread; tensors never leave it. When the model cannot be loaded, fails or
//! panics, the thread goes on with shadow paint and says so in its [`DreamStatus`]; a failed model is built again, a few
//! times.
//!
//! Where the game wants it, each picture passes the guard ([`crate::correct`]) before it is handed out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

use crate::correct::{Corrector, GuardMode, GuardNote, GuardOrders, GuardStats};
use crate::frame::{FrameShadow, NeuralFrame};
use crate::model::{ModelError, ShadowPaint, WorldModel};
use crate::request::{DreamRequest, FrameSource};
use crate::{
    profile_frame, profile_image, profile_message, profile_plot, profile_scope, profile_thread,
    profile_wait,
};

mod priority;

pub use priority::LOWEST_NICE;

/// Builds the model on the dream thread; called again after a failure.
pub type ModelBuilder = Box<dyn FnMut() -> Result<Box<dyn WorldModel>, ModelError> + Send>;

/// Notes of the guard that wait for the game; of more, the oldest go.
const MOST_NOTES: usize = 64;
/// Said once where a guard is wanted and there is nothing to look with.
const NO_EYE: &str = "the model has no observer, so its pictures are not judged; \
    train one with `reverie train --stage observer`";

/// How the thread behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DreamConfig {
    /// Of shadow paint, while there is no model; pixels.
    pub width: u32,
    /// Of shadow paint, pixels.
    pub height: u32,
    /// How often a failed model is built again.
    pub restarts: u32,
    /// How far the thread stands back behind the game when cores are short: 0, as all others, to [`LOWEST_NICE`]. Linux
    /// takes it as the niceness of the thread and of libtorch's threads, Windows as a lower priority.
    pub nice: u8,
}

impl Default for DreamConfig {
    fn default() -> Self {
        Self { width: 128, height: 72, restarts: 3, nice: 0 }
    }
}

/// What the thread is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DreamState {
    /// The model is being built; pictures are shadow paint.
    #[default]
    Loading,
    /// The model answers.
    Dreaming,
    /// Shadow paint answers, for good.
    Fallback {
        /// One line: what is wrong and what to do.
        why: String,
    },
}

/// A look into the thread.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DreamStatus {
    /// Name of the model that answers.
    pub model: String,
    /// What is going on.
    pub state: DreamState,
    /// The model that answers can dream without the shadow.
    pub can_dream: bool,
    /// Pictures by the model.
    pub frames: u64,
    /// Pictures by shadow paint.
    pub fallback_frames: u64,
    /// How often the model was built again.
    pub restarts: u32,
    /// Requests that a model refused, each answered by shadow paint.
    pub refused: u64,
    /// What the last failure said.
    pub last_failure: Option<String>,
    /// What the guard did.
    pub guard: GuardStats,
}

/// The game's end of the dream thread. Dropping it stops the thread after the frame in hand.
#[derive(Debug)]
pub struct DreamHandle {
    requests: Option<Sender<DreamRequest>>,
    /// The receiver's twin: takes out a request that a newer one replaces.
    stale_requests: Receiver<DreamRequest>,
    frames: Receiver<NeuralFrame>,
    status: Arc<Mutex<DreamStatus>>,
    orders: Arc<Mutex<GuardOrders>>,
    notes: Receiver<GuardNote>,
    thread: Option<JoinHandle<()>>,
}

impl DreamHandle {
    /// Starts the thread, which builds its model at once.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn(config: DreamConfig, build: ModelBuilder) -> std::io::Result<Self> {
        let (requests, taken) = bounded::<DreamRequest>(1);
        let (made, frames) = bounded::<NeuralFrame>(1);
        let (noted, notes) = bounded::<GuardNote>(MOST_NOTES);
        let status = Arc::new(Mutex::new(DreamStatus::default()));
        let orders = Arc::new(Mutex::new(GuardOrders::default()));
        let worker = Worker {
            config,
            build,
            requests: taken.clone(),
            stale_frames: frames.clone(),
            frames: made,
            status: status.clone(),
            orders: orders.clone(),
            stale_notes: notes.clone(),
            notes: noted,
        };
        let thread =
            std::thread::Builder::new().name("dream".to_owned()).spawn(move || worker.run())?;
        Ok(Self {
            requests: Some(requests),
            stale_requests: taken,
            frames,
            status,
            orders,
            notes,
            thread: Some(thread),
        })
    }

    /// Asks for a picture; replaces a request that was not taken yet. Never blocks.
    ///
    /// A replaced reset is not lost: the newer request inherits it.
    pub fn request(&self, request: DreamRequest) {
        let Some(sender) = &self.requests else { return };
        let mut request = request;
        while let Err(TrySendError::Full(back)) = sender.try_send(request) {
            request = back;
            if let Ok(stale) = self.stale_requests.try_recv() {
                request.reset |= stale.reset;
            }
        }
    }

    /// The newest picture, if one was finished since the last call.
    pub fn newest_frame(&self) -> Option<NeuralFrame> {
        self.frames.try_recv().ok()
    }

    /// Tells the guard what it may do, from the next picture on. It is off until then.
    pub fn set_guard(&self, orders: GuardOrders) {
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = orders;
    }

    /// What the guard did about pictures since the last call, oldest first. Pictures that were replaced by newer ones
    /// before the game took them are among them.
    pub fn guard_notes(&self) -> impl Iterator<Item = GuardNote> {
        self.notes.try_iter().take(MOST_NOTES)
    }

    /// No request waits to be taken.
    pub fn is_idle(&self) -> bool {
        self.stale_requests.is_empty()
    }

    /// A copy of the thread's state.
    pub fn status(&self) -> DreamStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for DreamHandle {
    fn drop(&mut self) {
        self.requests = None;
        // A request still in the channel would be dreamed before the thread sees that nobody listens.
        while self.stale_requests.try_recv().is_ok() {}
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported in the status already.
            drop(thread.join());
        }
    }
}

struct Worker {
    config: DreamConfig,
    build: ModelBuilder,
    requests: Receiver<DreamRequest>,
    frames: Sender<NeuralFrame>,
    stale_frames: Receiver<NeuralFrame>,
    status: Arc<Mutex<DreamStatus>>,
    orders: Arc<Mutex<GuardOrders>>,
    notes: Sender<GuardNote>,
    stale_notes: Receiver<GuardNote>,
}

/// A model, and what judges its pictures if it has an observer.
struct Dreamer {
    model: Box<dyn WorldModel>,
    corrector: Option<Corrector>,
}

impl Worker {
    fn run(mut self) {
        profile_thread!("dream");
        priority::lower(self.config.nice);
        let mut paint = ShadowPaint::new(self.config.width, self.config.height);
        let mut dreamer = self.build();
        while let Some(request) = self.next_request() {
            profile_frame!("neural frame");
            if request.reset {
                profile_message!("reset: request {} forgets the past", request.id);
            }
            let dreamed = dreamer.as_mut().map(|dreamer| {
                profile_scope!("model step");
                catch_unwind(AssertUnwindSafe(|| self.dream(dreamer, &request)))
                    .unwrap_or_else(|panic| Err(ModelError::Panicked { what: panic_text(&*panic) }))
            });
            let frame = match dreamed {
                Some(Ok(frame)) => {
                    self.note(|s| s.frames += 1);
                    frame
                }
                other => {
                    if let Some(Err(error)) = other {
                        self.fail(&error, &mut dreamer);
                    }
                    // Paint fails only on a camera that cannot be looked through: no picture then.
                    let Ok(frame) = paint.append_frame(&request) else { continue };
                    self.note(|s| s.fallback_frames += 1);
                    frame
                }
            };
            self.publish(with_shadow(frame, &request));
            self.look_back(&mut dreamer);
        }
    }

    /// What the guard has still to look at, now that nobody waits for the picture.
    fn look_back(&mut self, dreamer: &mut Option<Dreamer>) {
        let Some(Dreamer { model, corrector: Some(corrector) }) = dreamer else { return };
        let looked = catch_unwind(AssertUnwindSafe(|| {
            let note = corrector.look_back(&mut **model);
            self.tell(corrector, note);
        }));
        if let Err(panic) = looked {
            self.fail(&ModelError::Panicked { what: panic_text(&*panic) }, dreamer);
        }
    }

    /// A picture of the model, judged if the game wants it.
    fn dream(
        &self,
        dreamer: &mut Dreamer,
        request: &DreamRequest,
    ) -> Result<NeuralFrame, ModelError> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Dreamer { model, corrector } = dreamer;
        let guarded = orders.mode != GuardMode::Off;
        let Some(corrector) = corrector.as_mut().filter(|_| guarded) else {
            let frame = model.append_frame(request)?;
            if guarded && frame.source == FrameSource::Model {
                self.note(|s| s.guard.fault = Some(NO_EYE.to_owned()));
            }
            return Ok(frame);
        };
        let (frame, note) = corrector.append(&mut **model, request, &orders)?;
        self.tell(corrector, note);
        Ok(frame)
    }

    /// Hands out what the guard says.
    fn tell(&self, corrector: &Corrector, mut note: Option<GuardNote>) {
        let stats = corrector.stats().clone();
        self.note(|s| s.guard = stats);
        while let Some(TrySendError::Full(back)) =
            note.take().and_then(|note| self.notes.try_send(note).err())
        {
            note = Some(back);
            drop(self.stale_notes.try_recv());
        }
    }

    /// `None` once nobody can ask any more.
    fn next_request(&self) -> Option<DreamRequest> {
        profile_wait!("request");
        self.requests.recv().ok()
    }

    fn build(&mut self) -> Option<Dreamer> {
        profile_scope!("build model");
        let build = &mut self.build;
        let built = catch_unwind(AssertUnwindSafe(build))
            .unwrap_or_else(|panic| Err(ModelError::Panicked { what: panic_text(&*panic) }));
        match built {
            Ok(mut model) => {
                let stats =
                    self.status.lock().unwrap_or_else(PoisonError::into_inner).guard.clone();
                let corrector = model.take_eye().map(|eye| Corrector::new(eye, stats));
                let (name, can_dream) = (model.name().to_owned(), model.can_dream());
                self.note(|s| {
                    s.model = name;
                    s.can_dream = can_dream;
                    s.state = DreamState::Dreaming;
                });
                Some(Dreamer { model, corrector })
            }
            Err(error) => {
                self.fall_back(error.to_string());
                None
            }
        }
    }

    /// A refused request leaves the model as it is; anything else costs it a restart.
    fn fail(&mut self, error: &ModelError, dreamer: &mut Option<Dreamer>) {
        let why = error.to_string();
        self.note(|s| s.last_failure = Some(why.clone()));
        if matches!(error, ModelError::Request { .. }) {
            self.note(|s| s.refused += 1);
            profile_message!("reject: {why}");
            return;
        }
        profile_message!("failure: {why}");
        *dreamer = None;
        let restarts = self.status.lock().unwrap_or_else(PoisonError::into_inner).restarts;
        if restarts < self.config.restarts {
            self.note(|s| s.restarts += 1);
            *dreamer = self.build();
        } else {
            self.fall_back(format!("the model failed {} times, last: {why}", restarts + 1));
        }
    }

    fn fall_back(&self, why: String) {
        profile_message!("fallback: shadow paint, {why}");
        self.note(|s| {
            s.model = "shadow paint".to_owned();
            s.can_dream = false;
            s.last_failure = Some(why.clone());
            s.state = DreamState::Fallback { why };
        });
    }

    fn note(&self, change: impl FnOnce(&mut DreamStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn publish(&self, frame: NeuralFrame) {
        profile_scope!("publish");
        profile_image!(&frame.rgba, frame.width, frame.height);
        profile_plot!("queue depth", self.requests.len() as f64);
        let mut frame = frame;
        while let Err(TrySendError::Full(back)) = self.frames.try_send(frame) {
            frame = back;
            drop(self.stale_frames.try_recv());
        }
    }
}

/// A game's own model need not know what the display wants of a frame.
fn with_shadow(mut frame: NeuralFrame, request: &DreamRequest) -> NeuralFrame {
    if frame.shadow.is_none() {
        frame.shadow = FrameShadow::draw(&frame, &request.style).map(Arc::new);
    }
    frame
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests;
