//! The thread with models that behave, fail, panic and refuse.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use glam::{Quat, Vec3};
use reverie_guard::{CameraPose, Evidence, Pose, ShadowSnapshot, Thresholds};

use super::*;
use crate::material::MATERIAL_NAMES;
use crate::model::{Eye, Observe, ShadowPaint};
use crate::request::{DreamMode, FrameSource};
use crate::style::StyleWeights;

fn request(id: u64) -> DreamRequest {
    let camera =
        CameraPose { world_from_camera: Pose::new(Quat::IDENTITY, Vec3::Y), vertical_fov_rad: 1.0 };
    DreamRequest {
        id,
        snapshot: Arc::new(ShadowSnapshot {
            tick: id,
            time_s: 0.1 * id as f64,
            camera,
            bodies: vec![],
            sun_direction: Vec3::Y,
        }),
        action: Default::default(),
        style: StyleWeights::NOON,
        condition_strength: 1.0,
        mode: DreamMode::Anchored,
        reset: false,
        input_at: Instant::now(),
        requested_at: Instant::now(),
    }
}

/// Waits until the thread hands out a picture.
fn frame(handle: &DreamHandle) -> NeuralFrame {
    let start = Instant::now();
    loop {
        if let Some(frame) = handle.newest_frame() {
            return frame;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no frame: {:?}", handle.status());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Does what `act` says before each picture; some have an eye.
struct Scripted<F>(ShadowPaint, F, Option<Eye>);

impl<F: FnMut(&DreamRequest) -> Result<(), ModelError>> WorldModel for Scripted<F> {
    fn name(&self) -> &str {
        "scripted"
    }
    fn size(&self) -> (u32, u32) {
        self.0.size()
    }
    fn append_frame(&mut self, request: &DreamRequest) -> Result<NeuralFrame, ModelError> {
        (self.1)(request)?;
        let mut frame = self.0.append_frame(request)?;
        frame.source = FrameSource::Model;
        Ok(frame)
    }
    fn reset(&mut self) {}
    fn take_eye(&mut self) -> Option<Eye> {
        self.2.take()
    }
}

fn spawn<F>(act: impl Fn() -> F + Send + 'static) -> DreamHandle
where
    F: FnMut(&DreamRequest) -> Result<(), ModelError> + 'static,
{
    let build: ModelBuilder =
        Box::new(move || Ok(Box::new(Scripted(ShadowPaint::new(16, 16), act(), None))));
    DreamHandle::spawn(DreamConfig { width: 16, height: 16, restarts: 2, nice: 0 }, build).unwrap()
}

#[test]
fn a_request_is_answered_by_the_model() {
    let handle = spawn(|| |_: &DreamRequest| Ok(()));
    handle.request(request(1));
    let frame = frame(&handle);
    assert_eq!((frame.request_id, frame.source), (1, FrameSource::Model));
    assert_eq!(frame.rgba.len(), 16 * 16 * 4);
    assert_eq!(handle.status().state, DreamState::Dreaming);
}

#[test]
fn the_newest_request_wins_and_inherits_a_reset() {
    let (open, gate) = bounded::<()>(1);
    let (seen, order) = bounded(8);
    let handle = spawn(move || {
        let (gate, seen) = (gate.clone(), seen.clone());
        move |r: &DreamRequest| {
            seen.send((r.id, r.reset)).unwrap();
            gate.recv_timeout(Duration::from_secs(20)).unwrap();
            Ok(())
        }
    });
    handle.request(request(1));
    assert_eq!(order.recv_timeout(Duration::from_secs(20)), Ok((1, false)));
    handle.request(DreamRequest { reset: true, ..request(2) });
    for id in 3..=5 {
        handle.request(request(id));
    }
    open.send(()).unwrap();
    assert_eq!(order.recv_timeout(Duration::from_secs(20)), Ok((5, true)));
    open.send(()).unwrap();
}

#[test]
fn a_panic_costs_a_frame_and_the_third_one_the_model() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let handle = spawn(move || {
        let counted = counted.clone();
        move |_: &DreamRequest| -> Result<(), ModelError> {
            counted.fetch_add(1, Ordering::SeqCst);
            panic!("on purpose")
        }
    });
    for id in 0..5 {
        handle.request(request(id));
        assert_eq!(frame(&handle).source, FrameSource::ShadowPaint);
    }
    let status = handle.status();
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert_eq!((status.restarts, status.fallback_frames), (2, 5));
    assert!(matches!(status.state, DreamState::Fallback { why } if why.contains("on purpose")));
}

#[test]
fn a_model_that_cannot_be_loaded_leaves_shadow_paint_and_the_reason() {
    let build: ModelBuilder =
        Box::new(|| crate::model::load_model("nowhere.world.ron".as_ref(), &Default::default()));
    let handle = DreamHandle::spawn(DreamConfig::default(), build).unwrap();
    handle.request(request(1));
    let frame = frame(&handle);
    assert_eq!((frame.width, frame.source), (128, FrameSource::ShadowPaint));
    let DreamState::Fallback { why } = handle.status().state else {
        panic!("{:?}", handle.status())
    };
    assert!(why.contains("nowhere.world.ron") && why.lines().count() == 1, "{why}");
}

#[test]
fn a_refused_request_leaves_the_model_in_place() {
    let handle = spawn(|| |_: &DreamRequest| Ok(()));
    let mut bad = request(1);
    Arc::make_mut(&mut bad.snapshot).camera.vertical_fov_rad = f32::NAN;
    handle.request(bad);
    handle.request(request(2));
    while frame(&handle).request_id != 2 {}
    assert_eq!(handle.status().restarts, 0);
    assert_eq!(handle.status().state, DreamState::Dreaming);
}

/// Sees nothing, and only when it is let.
struct Slow(Receiver<()>);

impl Observe for Slow {
    fn observe(&mut self, rgb: &[u8], _: &ShadowSnapshot) -> Result<Evidence, ModelError> {
        let _ = self.0.recv_timeout(Duration::from_secs(20));
        let (width, height, classes) = (16, 16, MATERIAL_NAMES.len() + 1);
        Ok(Evidence {
            width,
            height,
            classes,
            probability: vec![1.0 / classes as f32; width * height * classes],
            depth_m: vec![5.0; width * height],
            depth_sigma: vec![1.0; width * height],
            rgb: rgb.to_vec(),
        })
    }
}

#[test]
fn a_picture_that_is_due_for_the_observer_is_handed_out_before_it_looks() {
    let (lets, let_go) = bounded(8);
    let build: ModelBuilder = Box::new(move || {
        let observer = Box::new(Slow(let_go.clone()));
        let eye = Eye { observer, thresholds: Thresholds::default() };
        let act = |_: &DreamRequest| Ok(());
        Ok(Box::new(Scripted(ShadowPaint::new(16, 16), act, Some(eye))))
    });
    let config = DreamConfig { width: 16, height: 16, restarts: 0, nice: 0 };
    let handle = DreamHandle::spawn(config, build).unwrap();
    handle.set_guard(GuardOrders { mode: GuardMode::Correct, ..GuardOrders::default() });
    lets.send(()).unwrap();
    // At the seventh picture 0.6 s are over; nobody lets the observer look.
    for id in 0..7 {
        handle.request(request(id));
        assert_eq!(frame(&handle).request_id, id);
    }
    let guard = handle.status().guard;
    assert_eq!((guard.judged, guard.looks, guard.blind), (7, 1, 0), "{guard:?}");
    lets.send(()).unwrap();
    let start = Instant::now();
    while handle.status().guard.looks < 2 {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", handle.status());
        std::thread::sleep(Duration::from_millis(1));
    }
}
