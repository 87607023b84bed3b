//! The bridge between the game and the dream thread: states out, pictures in.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy::prelude::*;
use reverie_guard::{ShadowSnapshot, check_request};
use reverie_runtime::correct::{GuardNote, GuardOrders};
use reverie_runtime::dream::{DreamConfig, DreamHandle, DreamState, DreamStatus};
use reverie_runtime::frame::NeuralFrame;
use reverie_runtime::model::LoadOptions;
use reverie_runtime::request::{DreamMode, DreamRequest};
use reverie_runtime::{profile_scope, profile_wait};

use crate::action::{ActionTally, PlayerAction};
use crate::anticipate::Anticipation;
use crate::camera::{NeuralCamera, NeuralFilter, NeuralPace, PAINT_SIZE};
use crate::latency::{FrameMarks, RequestMarks, SourceMarks};
use crate::memory::NeuralMemory;
use crate::pacing::{DreamShare, Pacing};
use crate::shadow::ShadowReader;
use crate::view::{Latched, LateLatch};

/// How often a failed model is built again.
const RESTARTS: u32 = 3;
/// A picture that takes longer in lockstep is given up.
const LOCKSTEP_LIMIT: Duration = Duration::from_secs(30);
/// Requests whose instants are known. One waits, one is dreamed; the rest were replaced.
const REMEMBERED_REQUESTS: usize = 256;

/// The newest picture of a neural camera, on the camera's entity.
#[derive(Component, Debug, Clone, Default)]
pub struct NeuralPicture {
    /// `None` before the first one, and after a cut until there is one of the new place.
    pub frame: Option<NeuralFrame>,
    /// Rises with each picture.
    pub serial: u64,
    /// Rises with each cut: from then until the first new picture `frame` is `None`.
    pub epoch: u64,
}

/// The dream thread of a neural camera, and what it was started with.
#[derive(Component)]
pub struct Dream {
    handle: DreamHandle,
    started_with: NeuralCamera,
    memory: NeuralMemory,
    next_id: u64,
    /// Answers to earlier requests show the place before a cut.
    first_id: u64,
    anticipation: Anticipation,
    /// Since the last request.
    fresh: ActionTally,
    /// Told by the request that is still waiting to be taken.
    waiting: ActionTally,
    /// Instants of the last requests, by their number.
    asked: VecDeque<(u64, RequestMarks)>,
    /// Instants of the picture that was taken last.
    shown: Option<SourceMarks>,
    /// As last read, once a frame.
    status: DreamStatus,
    /// As the guard was told last.
    orders: GuardOrders,
    reported: Reported,
}

/// What was told in the log already.
#[derive(Default)]
struct Reported {
    fallback: bool,
    dreaming: bool,
    failure: Option<String>,
    cannot_dream: bool,
}

impl Dream {
    fn start(
        camera: &NeuralCamera,
        memory: &NeuralMemory,
        share: DreamShare,
    ) -> std::io::Result<Self> {
        let model = camera.model.clone();
        let options = LoadOptions {
            seed: camera.seed,
            steps: camera.steps,
            prompt: camera.prompt.clone(),
            threads: Some(share.threads),
            memory: Some(memory.0.clone()),
        };
        let config = DreamConfig {
            width: PAINT_SIZE.x,
            height: PAINT_SIZE.y,
            restarts: RESTARTS,
            nice: share.nice,
        };
        let handle = DreamHandle::spawn(config, Box::new(move || model.build(&options)))?;
        Ok(Self {
            handle,
            started_with: camera.clone(),
            memory: memory.clone(),
            next_id: 1,
            first_id: 0,
            anticipation: Anticipation::default(),
            fresh: ActionTally::default(),
            waiting: ActionTally::default(),
            asked: VecDeque::new(),
            shown: None,
            status: DreamStatus::default(),
            orders: GuardOrders::default(),
            reported: Reported::default(),
        })
    }

    /// What the thread is doing: model, state, counts.
    pub fn status(&self) -> &DreamStatus {
        &self.status
    }

    /// What the guard may do.
    pub(crate) fn orders(&self) -> &GuardOrders {
        &self.orders
    }

    /// Changes what the guard may do.
    pub(crate) fn set_orders(&mut self, orders: GuardOrders) {
        self.handle.set_guard(orders.clone());
        self.orders = orders;
    }

    /// What the guard did since the last call.
    pub(crate) fn guard_notes(&self) -> impl Iterator<Item = GuardNote> {
        self.handle.guard_notes()
    }

    /// Instants of the picture that was taken last.
    pub(crate) fn shown(&self) -> Option<SourceMarks> {
        self.shown
    }

    /// Hands a request over; its instants are kept until its picture comes.
    fn ask(&mut self, request: DreamRequest, asked: RequestMarks) {
        profile_scope!("request");
        if self.asked.len() == REMEMBERED_REQUESTS {
            self.asked.pop_front();
        }
        self.asked.push_back((request.id, asked));
        self.handle.request(request);
    }

    /// Takes the newest picture, if there is one; gives the number of the request that it answers.
    fn take(&mut self, picture: &mut NeuralPicture) -> Option<u64> {
        profile_scope!("publish");
        let frame = self.handle.newest_frame()?;
        let id = frame.request_id;
        // It was asked for before a cut.
        if id < self.first_id {
            return Some(id);
        }
        picture.serial += 1;
        while self.asked.front().is_some_and(|(asked, _)| *asked < id) {
            self.asked.pop_front();
        }
        let asked = self.asked.front().filter(|(asked, _)| *asked == id);
        self.shown = asked.map(|(_, asked)| SourceMarks {
            serial: picture.serial,
            asked: *asked,
            times: frame.times,
            finished: frame.finished_at,
        });
        picture.frame = Some(frame);
        Some(id)
    }

    fn fits(&self, camera: &NeuralCamera, memory: &NeuralMemory) -> bool {
        let old = &self.started_with;
        self.memory == *memory
            && old.model.is_same(&camera.model)
            && (old.seed, old.steps, &old.prompt) == (camera.seed, camera.steps, &camera.prompt)
    }

    /// Says once what a player or developer should know.
    fn report(&mut self, mode: DreamMode) {
        match &self.status.state {
            DreamState::Fallback { why } if !self.reported.fallback => {
                warn!("neural camera shows shadow paint: {why}");
                self.reported.fallback = true;
            }
            DreamState::Dreaming if !self.reported.dreaming => {
                info!("neural camera dreams with {}", self.status.model);
                self.reported.dreaming = true;
            }
            _ => {}
        }
        let dreams = self.status.can_dream || self.status.state != DreamState::Dreaming;
        if mode == DreamMode::Dream && !dreams && !self.reported.cannot_dream {
            warn!(
                "model {} cannot dream without the shadow: its pictures stay anchored; load a model that can",
                self.status.model
            );
            self.reported.cannot_dream = true;
        }
        if self.status.last_failure != self.reported.failure {
            self.reported.failure.clone_from(&self.status.last_failure);
            if let (Some(what), DreamState::Loading | DreamState::Dreaming) =
                (&self.reported.failure, &self.status.state)
            {
                warn!("world model: {what}");
            }
        }
    }
}

/// Starts a thread for each neural camera, and another one when its model changes.
pub(crate) fn start_dreams(
    mut commands: Commands,
    cameras: Query<
        (Entity, &NeuralCamera, &NeuralMemory, Option<&Dream>),
        Or<(Changed<NeuralCamera>, Changed<NeuralMemory>)>,
    >,
    all: Query<(), With<NeuralCamera>>,
    orphans: Query<Entity, (With<Dream>, Without<NeuralCamera>)>,
    pacing: Option<Res<Pacing>>,
) {
    let share = pacing.map(|pacing| *pacing).unwrap_or_default().settings().dream;
    for entity in &orphans {
        commands.entity(entity).remove::<(Dream, NeuralPicture, LateLatch)>();
    }
    if all.iter().len() > 1 {
        warn_once!(
            "more than one neural camera: each runs a model of its own, which few machines can carry"
        );
    }
    for (entity, camera, memory, dream) in &cameras {
        if dream.is_some_and(|dream| dream.fits(camera, memory)) {
            continue;
        }
        match Dream::start(camera, memory, share) {
            Ok(dream) => {
                let parts = (dream, NeuralPicture::default(), LateLatch::default());
                commands.entity(entity).insert(parts);
            }
            Err(error) => error_once!("no neural picture: the system gives no thread: {error}"),
        }
    }
}

/// Notes each tick's intent, after the game's logic has used it.
pub(crate) fn tally_action(action: Res<PlayerAction>, mut dreams: Query<&mut Dream>) {
    for mut dream in &mut dreams {
        dream.fresh.add(&action);
    }
}

/// Takes the newest pictures, shows the newest state to the display, then asks for a picture of it.
pub(crate) fn exchange(
    mut cameras: Query<(
        Entity,
        &mut NeuralCamera,
        &mut Dream,
        &mut NeuralPicture,
        &LateLatch,
        &Camera,
    )>,
    mut shadow: ShadowReader,
    marks: Res<FrameMarks>,
) {
    for (entity, mut camera, mut dream, mut picture, latch, view) in &mut cameras {
        let dream = &mut *dream;
        dream.status = dream.handle.status();
        dream.report(camera.mode);
        dream.take(&mut picture);
        if !camera.enabled || !view.is_active {
            continue;
        }
        let snapshot = {
            profile_scope!("shadow snapshot");
            shadow.snapshot(entity)
        };
        let mut snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => {
                warn_once!("no neural picture: {error}");
                continue;
            }
        };
        if camera.reset {
            picture.frame = None;
            picture.epoch += 1;
            dream.first_id = dream.next_id;
            dream.anticipation.forget();
        }
        put_late(latch, &snapshot, &camera, picture.epoch, marks.input);
        look_ahead(&mut snapshot, &camera, &mut dream.anticipation, &picture);
        cover_view(&mut snapshot, view, &picture, camera.overscan);
        if dream.handle.is_idle() {
            dream.waiting.clear();
        }
        dream.waiting.merge(&std::mem::take(&mut dream.fresh));
        let id = dream.next_id;
        dream.next_id += 1;
        let asked = marks.asked_now();
        let request = DreamRequest {
            id,
            snapshot: Arc::new(snapshot),
            action: dream.waiting.action(),
            style: camera.style.normalized(),
            condition_strength: camera.condition_strength,
            mode: camera.mode,
            reset: camera.reset,
            input_at: asked.input,
            requested_at: asked.sent,
        };
        if camera.reset {
            camera.bypass_change_detection().reset = false;
        }
        dream.ask(request, asked);
        if camera.pace == NeuralPace::Lockstep {
            wait_for(dream, id, &mut picture);
            dream.status = dream.handle.status();
        }
    }
}

/// The tangent of half the vertical field of view that makes a picture of `picture_aspect` cover the view.
pub(crate) fn covering_tangent(view_tangent: f32, view_aspect: f32, picture_aspect: f32) -> f32 {
    view_tangent * (view_aspect / picture_aspect).max(1.0)
}

/// Gives the display the state of this frame; bodies that are not sane are left out.
fn put_late(
    latch: &LateLatch,
    snapshot: &ShadowSnapshot,
    camera: &NeuralCamera,
    epoch: u64,
    input_at: Instant,
) {
    let mut snapshot = snapshot.clone();
    // A camera that cannot be looked through is the model's to report: the display stays as it is.
    if check_request(&mut snapshot).is_ok() {
        latch.put(Latched {
            camera: snapshot.camera,
            snapshot: Arc::new(snapshot),
            style: camera.style,
            epoch,
            input_at,
            at: Instant::now(),
        });
    }
}

/// Turns the camera to where it will look when the picture is on screen.
fn look_ahead(
    snapshot: &mut ShadowSnapshot,
    camera: &NeuralCamera,
    anticipation: &mut Anticipation,
    picture: &NeuralPicture,
) {
    let rotation = &mut snapshot.camera.world_from_camera.rotation;
    anticipation.note_turn(snapshot.time_s, *rotation);
    if let Some(frame) = &picture.frame {
        anticipation.note_age(frame.input_at.elapsed().as_secs_f32());
    }
    let warps = matches!(camera.filter, NeuralFilter::Warp | NeuralFilter::WarpAndUpsample);
    // A dream is shown as it is, so it is not asked for ahead of its time.
    let dreams = picture.frame.as_ref().is_some_and(|frame| frame.mode == DreamMode::Dream);
    if camera.anticipate && warps && !dreams && camera.pace == NeuralPace::Free {
        *rotation = anticipation.rotation().unwrap_or(*rotation);
    }
}

/// A view wider than the model's pictures needs a wider field, and a view that turns some more at each side; what is
/// too much is not shown.
fn cover_view(
    snapshot: &mut ShadowSnapshot,
    view: &Camera,
    picture: &NeuralPicture,
    overscan: f32,
) {
    let size =
        picture.frame.as_ref().map_or(PAINT_SIZE, |frame| UVec2::new(frame.width, frame.height));
    let Some(view_size) = view.logical_viewport_size().filter(|size| size.min_element() >= 1.0)
    else {
        return;
    };
    let tangent = (0.5 * snapshot.camera.vertical_fov_rad).tan();
    let picture_aspect = size.x as f32 / size.y as f32;
    let overscan = if overscan.is_finite() { overscan.clamp(1.0, 2.0) } else { 1.0 };
    let covering = overscan * covering_tangent(tangent, view_size.x / view_size.y, picture_aspect);
    snapshot.camera.vertical_fov_rad = 2.0 * covering.atan();
}

fn wait_for(dream: &mut Dream, id: u64, picture: &mut NeuralPicture) {
    profile_wait!("lockstep picture");
    let give_up = Instant::now() + LOCKSTEP_LIMIT;
    while Instant::now() < give_up {
        if dream.take(picture).is_some_and(|answered| answered >= id) {
            return;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    warn_once!("lockstep: no picture within {} s", LOCKSTEP_LIMIT.as_secs());
}
