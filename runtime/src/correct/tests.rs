//! The ladder with a model that draws what it is told to, and an observer that knows what it drew.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use glam::{Mat3, Mat4, Quat};
use reverie_guard::{
    Body, BodyKind, CameraPose, Evidence, Expected, Levels, Pose, ShadowSnapshot, Shape, Thresholds,
};

use super::*;
use crate::condition::Candidates;
use crate::frame::{FrameShadow, NeuralFrame, StageTimes};
use crate::material::MATERIAL_NAMES;
use crate::model::{ModelError, WorldModel};
use crate::observer::shrink::mean_bytes;
use crate::paint::to_rgba8;
use crate::request::{DreamMode, DreamRequest, FrameSource};
use crate::style::StyleWeights;
use crate::view::ShadowView;

const SIZE: (usize, usize) = (128, 72);
const CRATE: u64 = 10;

/// What each picture shows, by its bytes.
type Drawn = Arc<Mutex<HashMap<Vec<u8>, ShadowSnapshot>>>;

/// What a model did with its pictures.
#[derive(Debug, Default)]
struct Log {
    redrafts: Vec<Redraft>,
    /// How each picture was kept: everything, a mean trust, or nothing.
    kept: Vec<Option<f32>>,
    /// Where each draft's camera came from.
    steered: Vec<Steering>,
}

/// Paints an altered state until the guard climbs to a level that cures it.
struct Painter {
    drawn: Drawn,
    log: Arc<Mutex<Log>>,
    alter: fn(u64, &mut ShadowSnapshot),
    cured_by: Option<Level>,
    view: Option<ShadowView>,
    candidates: Candidates,
    drafting: bool,
    can_dream: bool,
}

fn paint_of(snapshot: &ShadowSnapshot) -> Vec<f32> {
    ShadowView::new(snapshot, &StyleWeights::NOON, SIZE.0, SIZE.1, true).paint
}

fn bytes(rgb: &[f32]) -> Vec<u8> {
    rgb.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8).collect()
}

impl Painter {
    fn paint(&self, snapshot: &ShadowSnapshot) -> Vec<f32> {
        let rgb = paint_of(snapshot);
        self.drawn.lock().unwrap().insert(bytes(&rgb), snapshot.clone());
        rgb
    }

    fn altered(&self, request: &DreamRequest) -> ShadowSnapshot {
        let mut snapshot = (*request.snapshot).clone();
        (self.alter)(request.id, &mut snapshot);
        snapshot
    }

    fn frame(&self, request: &DreamRequest, rgb: &[f32], source: FrameSource) -> NeuralFrame {
        let rgba = Arc::new(to_rgba8(rgb));
        let shadow =
            self.view.as_ref().map(|v| Arc::new(FrameShadow::new(v, &request.style, &rgba)));
        NeuralFrame {
            request_id: request.id,
            width: SIZE.0 as u32,
            height: SIZE.1 as u32,
            rgba,
            snapshot: request.snapshot.clone(),
            shadow,
            detail: None,
            source,
            mode: DreamMode::Anchored,
            times: StageTimes::default(),
            input_at: request.input_at,
            finished_at: Instant::now(),
        }
    }
}

impl WorldModel for Painter {
    fn name(&self) -> &str {
        "painter"
    }
    fn size(&self) -> (u32, u32) {
        (SIZE.0 as u32, SIZE.1 as u32)
    }
    fn append_frame(&mut self, request: &DreamRequest) -> Result<NeuralFrame, ModelError> {
        let rgb = self.paint(&self.altered(request));
        Ok(self.frame(request, &rgb, FrameSource::Model))
    }
    fn reset(&mut self) {}
    fn can_dream(&self) -> bool {
        self.can_dream
    }
    fn drafts(&mut self) -> Option<&mut dyn Drafts> {
        if self.drafting { Some(self) } else { None }
    }
}

impl Drafts for Painter {
    fn draft(&mut self, request: &DreamRequest, steering: Steering) -> Result<Draft, ModelError> {
        self.log.lock().unwrap().steered.push(steering);
        let style = StyleWeights::NOON;
        self.view = Some(ShadowView::new(&request.snapshot, &style, SIZE.0, SIZE.1, true));
        self.candidates.clear(SIZE.0 * SIZE.1);
        let rgb = self.paint(&self.altered(request));
        // The truth is known, too: what a correction makes.
        self.paint(&request.snapshot);
        Ok(Draft { rgb, times: StageTimes::default() })
    }
    fn view(&self) -> Option<&ShadowView> {
        self.view.as_ref()
    }
    fn candidates(&self) -> &Candidates {
        &self.candidates
    }
    fn levels(&self) -> Levels {
        Levels::ALL
    }
    fn redraft(
        &mut self,
        draft: &Draft,
        bad: &[f32],
        how: Redraft,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        assert!(bad.iter().any(|bad| *bad == 1.0), "something must be bad");
        self.log.lock().unwrap().redrafts.push(how);
        let (level, pictures) = match how {
            Redraft::Strengthen => (Level::Strengthen, 1),
            Redraft::Parts { pictures: 1 } => (Level::Redenoise, 1),
            Redraft::Parts { pictures } => (Level::BestOf, pictures),
        };
        let cured = self.cured_by.is_some_and(|cure| level >= cure);
        let truth = self.view.as_ref().map(|view| view.paint.clone()).unwrap_or_default();
        // Of several only the last is good.
        Ok((0..pictures)
            .map(|i| if cured && i + 1 == pictures { truth.clone() } else { draft.rgb.clone() })
            .collect())
    }
    fn finish(
        &mut self,
        request: &DreamRequest,
        draft: Draft,
        source: FrameSource,
        keep: Keep,
    ) -> Result<NeuralFrame, ModelError> {
        self.log.lock().unwrap().kept.push(match keep {
            Keep::All => Some(1.0),
            Keep::Trusting(trust) => Some(trust.iter().sum::<f32>() / trust.len() as f32),
            Keep::Nothing => None,
        });
        let mut frame = self.frame(request, &draft.rgb, source);
        frame.times = draft.times;
        Ok(frame)
    }
}

/// Knows what each of the painter's pictures shows; of others it sees nothing.
struct Knowing(Drawn);

impl Observe for Knowing {
    fn observe(&mut self, rgb: &[u8], _: &ShadowSnapshot) -> Result<Evidence, ModelError> {
        let drawn = self.0.lock().unwrap().get(rgb).cloned();
        let Some(drawn) = drawn else {
            return Err(ModelError::PictureSize { found: rgb.len(), expected: 0 });
        };
        Ok(evidence_of(drawn, SIZE))
    }
}

fn evidence_of(drawn: ShadowSnapshot, (width, height): (usize, usize)) -> Evidence {
    let mut there = Expected::default();
    there.draw(drawn.into(), width, height);
    let classes = MATERIAL_NAMES.len() + 1;
    let mut probability = vec![0.1 / (classes - 1) as f32; width * height * classes];
    for (pixel, object) in there.object.iter().enumerate() {
        let body = there.snapshot.bodies.get(usize::from(*object));
        let class = body.map_or(classes - 1, |body| usize::from(body.material));
        probability[pixel * classes + class] = 0.9;
    }
    let depth_sigma = vec![0.08; width * height];
    let depth_m = there.depth_m;
    Evidence { width, height, classes, probability, depth_m, depth_sigma, rgb: Vec::new() }
}

/// The same, of pictures half as wide and high.
struct HalfKnowing(Drawn);

impl Observe for HalfKnowing {
    fn shrink(&self) -> usize {
        2
    }

    fn observe(&mut self, rgb: &[u8], _: &ShadowSnapshot) -> Result<Evidence, ModelError> {
        let drawn = self.0.lock().unwrap();
        // A mean is taken before it is rounded.
        let is_it = |whole: &[u8]| {
            mean_bytes(whole, SIZE.0, 2).iter().zip(rgb).all(|(a, b)| a.abs_diff(*b) <= 1)
        };
        let found = drawn.iter().find(|(whole, _)| is_it(whole)).map(|(_, drawn)| drawn.clone());
        let found = found.ok_or(ModelError::PictureSize { found: rgb.len(), expected: 0 })?;
        Ok(evidence_of(found, (SIZE.0 / 2, SIZE.1 / 2)))
    }
}

fn body(id: u64, half: Vec3, at: Vec3, material: u8) -> Body {
    Body {
        id,
        shape: Shape::Cuboid { half_extents_m: half },
        world_from_body: Pose::new(Quat::IDENTITY, at),
        linear_velocity_m_s: Vec3::ZERO,
        angular_velocity_rad_s: Vec3::ZERO,
        kind: if id == CRATE { BodyKind::Dynamic } else { BodyKind::Fixed },
        material,
        tint_srgb: None,
    }
}

fn request(id: u64) -> DreamRequest {
    let from = Vec3::new(0.0, 1.6, 4.0);
    let view = Mat4::look_at_rh(from, Vec3::new(0.0, 0.6, 0.0), Vec3::Y);
    let rotation = Quat::from_mat3(&Mat3::from_mat4(view).transpose());
    DreamRequest {
        id,
        snapshot: Arc::new(ShadowSnapshot {
            tick: 4 * id,
            time_s: id as f64 / 15.0,
            camera: CameraPose {
                world_from_camera: Pose::new(rotation, from),
                vertical_fov_rad: 1.0,
            },
            bodies: vec![
                body(1, Vec3::new(20.0, 0.5, 20.0), Vec3::new(0.0, -0.5, 0.0), 2),
                body(2, Vec3::new(20.0, 2.0, 0.2), Vec3::new(0.0, 2.0, -5.0), 4),
                body(CRATE, Vec3::splat(0.5), Vec3::new(0.2, 0.5, 0.0), 8),
            ],
            sun_direction: Vec3::new(0.4, 0.8, 0.4).normalize(),
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

/// From picture 4 on the crate is not drawn.
fn erase(id: u64, snapshot: &mut ShadowSnapshot) {
    if id >= 4 {
        snapshot.bodies.retain(|body| body.id != CRATE);
    }
}

struct Play {
    notes: Vec<GuardNote>,
    frames: Vec<NeuralFrame>,
    stats: GuardStats,
    log: Log,
}

/// What is played before the guard.
struct Trial {
    observer: fn(Drawn) -> Box<dyn Observe>,
    mode: DreamMode,
    alter: fn(u64, &mut ShadowSnapshot),
    cured_by: Option<Level>,
    drafting: bool,
}

/// An anchored model before an observer that knows what is drawn.
fn play(
    alter: fn(u64, &mut ShadowSnapshot),
    cured_by: Option<Level>,
    drafting: bool,
    orders: &GuardOrders,
) -> Play {
    play_trial(&Trial { alter, cured_by, drafting, ..KNOWN_ERASED }, orders)
}

/// A body is erased and never comes back.
const KNOWN_ERASED: Trial = Trial {
    observer: |drawn| Box::new(Knowing(drawn)),
    mode: DreamMode::Anchored,
    alter: erase,
    cured_by: None,
    drafting: true,
};

fn play_trial(trial: &Trial, orders: &GuardOrders) -> Play {
    let Trial { observer, mode, alter, cured_by, drafting } = *trial;
    let (drawn, log) = (Drawn::default(), Arc::<Mutex<Log>>::default());
    let mut painter = Painter {
        drawn: drawn.clone(),
        log: log.clone(),
        alter,
        cured_by,
        view: None,
        candidates: Candidates::default(),
        drafting,
        can_dream: mode == DreamMode::Dream,
    };
    let eye = Eye { observer: observer(drawn), thresholds: Thresholds::default() };
    let mut corrector = Corrector::new(eye, GuardStats::default());
    let (mut notes, mut frames) = (Vec::new(), Vec::new());
    for id in 0..9 {
        // Nobody learns how things look from a dream: it begins with what is erased.
        let mode = if id < 4 { DreamMode::Anchored } else { mode };
        let asked = DreamRequest { mode, ..request(id) };
        let (frame, note) = corrector.append(&mut painter, &asked, orders).unwrap();
        frames.push(frame);
        notes.extend(note);
    }
    let stats = corrector.stats().clone();
    drop((corrector, painter));
    Play { notes, frames, stats, log: Arc::into_inner(log).unwrap().into_inner().unwrap() }
}

fn orders(mode: GuardMode, deadline_ms: f32) -> GuardOrders {
    GuardOrders { mode, deadline_ms, ..GuardOrders::default() }
}

/// The crate's pixels differ from those of a picture with it by so much on average, 0 to 255.
fn wrong_by(frame: &NeuralFrame) -> f32 {
    let truth = to_rgba8(&paint_of(&frame.snapshot));
    let mut without = (*frame.snapshot).clone();
    without.bodies.retain(|body| body.id != CRATE);
    let without = to_rgba8(&paint_of(&without));
    let crate_at =
        |pixel: &usize| truth[4 * pixel..4 * pixel + 3] != without[4 * pixel..4 * pixel + 3];
    let pixels: Vec<usize> = (0..SIZE.0 * SIZE.1).filter(crate_at).collect();
    let channels = pixels.iter().flat_map(|pixel| 4 * pixel..4 * pixel + 3);
    channels.map(|c| f32::from(truth[c].abs_diff(frame.rgba[c]))).sum::<f32>()
        / (3 * pixels.len()) as f32
}

#[test]
fn a_picture_that_is_right_goes_through_as_it_is() {
    let play = play(|_, _| {}, None, true, &orders(GuardMode::Correct, f32::INFINITY));
    assert!(play.notes.is_empty(), "{:?}", play.notes);
    assert!(play.log.redrafts.is_empty() && play.log.kept == [Some(1.0); 9], "{:?}", play.log);
    assert_eq!((play.stats.judged, play.stats.levels[0], play.stats.blind), (9, 9, 0));
    // Its observer tells no colours, so that no picture can be compared with those before it: all are looked at.
    assert_eq!(play.stats.looks, 9);
    assert!(
        play.frames.iter().all(|frame| frame.times.guard_ms > 0.0 && frame.times.correct_ms == 0.0)
    );
}

#[test]
fn an_observing_guard_reports_and_changes_nothing() {
    let play =
        play(erase, Some(Level::Redenoise), true, &orders(GuardMode::Observe, f32::INFINITY));
    assert!(play.log.redrafts.is_empty() && play.log.kept == [Some(1.0); 9], "{:?}", play.log);
    let first = &play.notes[0];
    assert_eq!((first.request_id, first.level, first.size), (6, Level::Accept, (128, 72)));
    assert!(
        first.verdicts.iter().any(|v| v.check == "permanence" && v.finding.object == Some(CRATE))
    );
    assert!(play.stats.verdicts["permanence"] >= 3 && play.stats.rejects == 3, "{:?}", play.stats);
    assert!(wrong_by(&play.frames[8]) > 5.0);
}

#[test]
fn the_first_level_that_helps_is_shown_and_tried_first_the_next_time() {
    for (cure, tried) in [
        (Level::Strengthen, vec![Redraft::Strengthen; 3]),
        (
            Level::BestOf,
            vec![
                Redraft::Strengthen,
                Redraft::Parts { pictures: 1 },
                Redraft::Parts { pictures: 3 },
                Redraft::Parts { pictures: 3 },
                Redraft::Parts { pictures: 3 },
            ],
        ),
    ] {
        let play = play(erase, Some(cure), true, &orders(GuardMode::Correct, f32::INFINITY));
        assert_eq!(play.log.redrafts, tried, "{cure:?}");
        assert_eq!(play.stats.levels[cure as usize], 3, "{:?}", play.stats);
        assert!(play.notes.iter().all(|note| note.level == cure), "{:?}", play.notes);
        for frame in &play.frames[6..] {
            assert!(wrong_by(frame) < 0.5, "{} at {cure:?}", wrong_by(frame));
            assert!(frame.times.correct_ms > 0.0);
        }
    }
}

#[test]
fn a_dream_is_corrected_at_the_first_suspicion_and_stays_with_the_player() {
    let orders = orders(GuardMode::Correct, f32::INFINITY);
    for (mode, first) in [(DreamMode::Anchored, 6), (DreamMode::Dream, 4)] {
        let trial = Trial { mode, cured_by: Some(Level::Strengthen), ..KNOWN_ERASED };
        let play = play_trial(&trial, &orders);
        let corrected = play.notes.iter().find(|note| note.level > Level::Accept).unwrap();
        assert_eq!(corrected.request_id, first, "{mode:?}: {:?}", play.notes);
        assert!(play.log.steered.iter().all(|s| *s == Steering::Player));
    }
    let watched = GuardOrders { mode: GuardMode::Observe, ..orders };
    let play = play_trial(&Trial { mode: DreamMode::Dream, ..KNOWN_ERASED }, &watched);
    assert!(play.log.steered.iter().all(|s| *s == Steering::Commands), "it changes nothing");
}

#[test]
fn an_observer_of_smaller_pictures_guards_larger_ones() {
    let orders = orders(GuardMode::Correct, f32::INFINITY);
    for drafting in [true, false] {
        let trial =
            Trial { observer: |drawn| Box::new(HalfKnowing(drawn)), drafting, ..KNOWN_ERASED };
        let play = play_trial(&trial, &orders);
        assert_eq!(play.stats.blind, 0, "{:?}", play.stats);
        let first = &play.notes[0];
        assert_eq!((first.request_id, first.size), (6, (SIZE.0 as u32 / 2, SIZE.1 as u32 / 2)));
        assert!(first.verdicts.iter().any(|verdict| verdict.finding.object == Some(CRATE)));
        // Patched at the size of the picture, and only there.
        for frame in &play.frames[6..] {
            assert!(wrong_by(frame) < 2.0, "{}", wrong_by(frame));
        }
    }
}

#[test]
fn what_no_redraft_cures_is_patched_and_not_trusted_there() {
    let play = play(erase, None, true, &orders(GuardMode::Correct, f32::INFINITY));
    assert_eq!(play.stats.levels[Level::Proxy as usize], 3, "{:?}", play.stats);
    for (frame, kept) in play.frames.iter().zip(&play.log.kept).skip(6) {
        assert!(wrong_by(frame) < 2.0, "{}", wrong_by(frame));
        assert!(kept.is_some_and(|trust| (0.4..0.99).contains(&trust)), "{kept:?}");
    }
    // Suspicions that the votes have not carried yet are shown, but teach nothing.
    assert!(play.log.kept[4].is_some_and(|trust| trust < 0.99), "{:?}", play.log.kept);
}

#[test]
fn without_time_the_picture_is_shadow_paint_and_the_past_stays_clean() {
    let play = play(erase, Some(Level::Strengthen), true, &orders(GuardMode::Correct, 0.0));
    assert!(play.log.redrafts.is_empty(), "{:?}", play.log.redrafts);
    assert_eq!(play.stats.levels[Level::ShadowPaint as usize], 3, "{:?}", play.stats);
    assert_eq!(play.log.kept[6..], [None; 3]);
    assert!(play.frames[6..].iter().all(|frame| frame.source == FrameSource::ShadowPaint));
    assert!(wrong_by(&play.frames[8]) < 2.0);
}

#[test]
fn a_model_without_drafts_is_corrected_on_screen() {
    let play = play(erase, None, false, &orders(GuardMode::Correct, f32::INFINITY));
    assert_eq!(play.stats.levels[Level::Proxy as usize], 3, "{:?}", play.stats);
    for frame in &play.frames[6..] {
        assert!(wrong_by(frame) < 2.0, "{}", wrong_by(frame));
    }
}

#[test]
fn an_observer_that_fails_leaves_the_picture_and_says_so() {
    let mut painter = Painter {
        drawn: Drawn::default(),
        log: Arc::default(),
        alter: erase,
        cured_by: None,
        view: None,
        candidates: Candidates::default(),
        drafting: true,
        can_dream: false,
    };
    let eye =
        Eye { observer: Box::new(Knowing(Drawn::default())), thresholds: Thresholds::default() };
    let mut corrector = Corrector::new(eye, GuardStats::default());
    for id in 0..6 {
        let orders = orders(GuardMode::Correct, f32::INFINITY);
        let (frame, note) = corrector.append(&mut painter, &request(id), &orders).unwrap();
        assert_eq!((frame.request_id, note), (id, None));
    }
    let stats = corrector.stats();
    assert_eq!((stats.blind, stats.judged), (6, 0));
    assert!(stats.fault.is_some(), "{stats:?}");
}

#[test]
fn a_body_that_is_not_guarded_may_vanish() {
    let unguarded =
        GuardOrders { unguarded: Arc::new([CRATE]), ..orders(GuardMode::Correct, f32::INFINITY) };
    let play = play(erase, None, true, &unguarded);
    assert!(play.notes.is_empty(), "{:?}", play.notes);
}

#[test]
fn a_saboteur_shows_what_is_not_so_and_corrections_are_the_models_own() {
    let (drawn, log) = (Drawn::default(), Arc::<Mutex<Log>>::default());
    let painter = Painter {
        drawn: drawn.clone(),
        log,
        alter: |_, _| {},
        cured_by: Some(Level::Strengthen),
        view: None,
        candidates: Candidates::default(),
        drafting: true,
        can_dream: false,
    };
    let alter: Alter = Box::new(|truth| {
        let mut snapshot = truth.clone();
        erase(truth.tick / 4, &mut snapshot);
        (truth.tick >= 16).then_some(snapshot)
    });
    let mut saboteur = Saboteur::new(painter, alter);
    let eye = Eye { observer: Box::new(Knowing(drawn)), thresholds: Thresholds::default() };
    let mut corrector = Corrector::new(eye, GuardStats::default());
    let orders = orders(GuardMode::Correct, f32::INFINITY);
    let mut last = None;
    for id in 0..9 {
        let (frame, _) = corrector.append(&mut saboteur, &request(id), &orders).unwrap();
        last = Some(frame);
    }
    assert_eq!(corrector.stats().levels[Level::Strengthen as usize], 3, "{:?}", corrector.stats());
    assert!(wrong_by(&last.unwrap()) < 0.5);
    let unguarded = saboteur.append_frame(&request(20)).unwrap();
    assert!(wrong_by(&unguarded) > 5.0);
}

/// The same, and tells what colours it looked at.
struct Coloured(Knowing);

impl Observe for Coloured {
    fn observe(&mut self, rgb: &[u8], known: &ShadowSnapshot) -> Result<Evidence, ModelError> {
        Ok(Evidence { rgb: rgb.to_vec(), ..self.0.observe(rgb, known)? })
    }
}

#[test]
fn what_nothing_is_odd_about_is_looked_at_after_it_is_handed_over() {
    let looks = |looks_back: bool| {
        let drawn = Drawn::default();
        let mut painter = Painter {
            drawn: drawn.clone(),
            log: Arc::default(),
            alter: |_, _| {},
            cured_by: None,
            view: None,
            candidates: Candidates::default(),
            drafting: true,
            can_dream: false,
        };
        let observer = Box::new(Coloured(Knowing(drawn)));
        let eye = Eye { observer, thresholds: Thresholds::default() };
        let mut corrector = Corrector::new(eye, GuardStats::default());
        let (mut before, mut after) = (0, 0);
        for id in 0..45 {
            let so_far = corrector.stats().looks;
            let orders = orders(GuardMode::Correct, f32::INFINITY);
            let (_, note) = corrector.append(&mut painter, &request(id), &orders).unwrap();
            assert_eq!(note, None);
            before += corrector.stats().looks - so_far;
            if looks_back {
                assert_eq!(corrector.look_back(&mut painter), None);
            }
            after = corrector.stats().looks - before;
        }
        assert_eq!((corrector.stats().judged, corrector.stats().blind), (45, 0));
        (before, after)
    };
    let (before, after) = looks(true);
    assert_eq!(before, 1, "only the first picture waits");
    assert!((3..=5).contains(&after), "{after} looks in three seconds");
    // Who does not look back has it done with the next picture.
    let (before, after) = looks(false);
    assert_eq!(after, 0);
    assert!((4..=6).contains(&before), "{before} looks in three seconds");
}
