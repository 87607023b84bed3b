//! The whole path on small worlds whose true pictures are shadow paint, with a network that was never trained.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use glam::{Quat, Vec3};
use reverie_guard::{Body, BodyKind, CameraPose, Evidence, Pose, ShadowSnapshot, Shape};
use tch::nn::VarStore;

use super::*;
use crate::commanded::commanded;
use crate::data::{EpisodeHeader, EpisodeWriter};
use crate::eval::camera::CameraFigures;
use crate::eval::display::{DisplayOptions, evaluate_display};
use crate::eval::memory::returns::{ReturnKey, Row};
use crate::eval::memory::script::Way;
use crate::eval::memory::{MemoryOptions, evaluate_memory};
use crate::frame::NeuralFrame;
use crate::model::reverie::unet::{Unet, UnetConfig};
use crate::model::{Eye, Observe, ShadowPaint, WorldModel};
use crate::request::{Action, DreamMode, DreamRequest};
use crate::style::StyleWeights;
use crate::train::Recipe;
use crate::train::optimizer::Optimizer;
use crate::train::publish::publish;
use crate::train::state::Ledger;
use crate::view::ShadowView;

const SIZE: (u32, u32) = (48, 40);

fn body(id: u64, shape: Shape, at_m: Vec3, material: u8, tint_srgb: [f32; 3]) -> Body {
    Body {
        id,
        shape,
        world_from_body: Pose::new(Quat::IDENTITY, at_m),
        linear_velocity_m_s: Vec3::ZERO,
        angular_velocity_rad_s: Vec3::ZERO,
        kind: BodyKind::Fixed,
        material,
        tint_srgb: Some(tint_srgb),
    }
}

/// A floor with a row of boxes, past which the camera turns; each `world` has other boxes.
fn snapshot(world: usize, frame: usize) -> ShadowSnapshot {
    let half_extents_m = Vec3::new(20.0, 0.1, 20.0);
    let mut bodies =
        vec![body(1, Shape::Cuboid { half_extents_m }, Vec3::ZERO, 2, [0.7, 0.6, 0.5])];
    for i in 0..12 {
        let angle = (i + world) as f32 * 0.5;
        let half_extents_m =
            Vec3::new(0.4, 0.3 + 0.9 * ((i * 7 + world * 3) % 4) as f32 * 0.3, 0.4);
        let at_m = Vec3::new(4.0 * angle.sin(), half_extents_m.y, -4.0 * angle.cos());
        let tint = [0.2 + 0.05 * i as f32, 0.9 - 0.06 * i as f32, 0.3 + 0.3 * world as f32];
        bodies.push(body(10 + i as u64, Shape::Cuboid { half_extents_m }, at_m, 8, tint));
    }
    let pose = Pose::new(
        Quat::from_rotation_y(-0.05 * frame as f32),
        Vec3::new(0.02 * frame as f32, 1.5, 0.0),
    );
    ShadowSnapshot {
        tick: 6 * frame as u64,
        time_s: 0.1 * frame as f64,
        camera: CameraPose { world_from_camera: pose, vertical_fov_rad: 1.2 },
        bodies,
        sun_direction: Vec3::new(0.48, 0.72, 0.5).normalize(),
    }
}

fn write_episode(dir: &Path, world: usize, frames: usize, seed: u64) {
    let header = EpisodeHeader {
        width: SIZE.0,
        height: SIZE.1,
        frame_dt_s: 0.1,
        seed,
        layout_seed: seed,
        generator: "test".to_owned(),
    };
    let mut writer = EpisodeWriter::create(dir.join(format!("world_{world}")), header).unwrap();
    let style = StyleWeights::NOON;
    for frame in 0..frames {
        let snapshot = snapshot(world, frame);
        let view = ShadowView::new(&snapshot, &style, SIZE.0 as usize, SIZE.1 as usize, true);
        let bytes = to_image(SIZE.0 as usize, SIZE.1 as usize, &view.paint).into_raw();
        writer.push(&snapshot, &[0.0, 1.0, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0], &style, &bytes).unwrap();
    }
    writer.finish(1).unwrap();
}

/// Two worlds and a card, in `data` and `model`.
static WORLDS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    write_episode(&data, 0, PROMPT_FRAMES + 18, FIRST_EVAL_SEED);
    write_episode(&data, 1, PROMPT_FRAMES + 17, 7);
    write_model(&dir.path().join("model"), SIZE);
    dir
});

fn write_model(out: &Path, size: (u32, u32)) -> PathBuf {
    let network = UnetConfig { channels: [8, 8, 8], blocks: [1, 1, 1], head_channels: 8 };
    let recipe =
        Recipe { name: "test".to_owned(), out: out.to_owned(), network, ..Recipe::default() };
    let store = VarStore::new(Device::Cpu);
    let _net = Unet::new(&store.root(), &recipe.network);
    let optimizer = Optimizer::new(&store).unwrap();
    std::fs::create_dir_all(out).unwrap();
    publish(&recipe, "test", size, &optimizer, &Ledger::default(), &[], 0).unwrap()
}

fn options() -> EvalOptions {
    EvalOptions { steps: vec![], ..EvalOptions::default() }
}

fn run(options: &EvalOptions) -> Result<Report, EvalError> {
    let dir = WORLDS.path();
    evaluate(&dir.join("data"), &dir.join("model/test.world.ron"), options, &mut |_, _| {})
}

#[test]
fn every_row_is_told_with_its_horizons_and_pictures() {
    let out = tempfile::tempdir().unwrap();
    let options = EvalOptions { steps: vec![2], out: Some(out.path().to_owned()), ..options() };
    let mut heard: Vec<(String, f64)> = Vec::new();
    let dir = WORLDS.path();
    let report = evaluate(
        &dir.join("data"),
        &dir.join("model/test.world.ron"),
        &options,
        &mut |what, share| {
            heard.push((what.to_owned(), share));
        },
    )
    .unwrap();
    let json = serde_json::to_value(&report).unwrap();
    // Model S needs the shadow, and has no codec; this one has no observer either.
    let needs_more =
        |kind: &RowKind| kind.is_dream() || kind.is_guarded() || *kind == RowKind::CodecCeiling;
    for kind in RowKind::ALL.into_iter().filter(needs_more) {
        assert!(json["rows"].get(kind.name()).is_none(), "{kind}");
        assert!(report.notes.iter().any(|note| note.contains(kind.name())), "{kind}");
    }
    assert!(report.dream_camera.is_none() && report.dream_gain_db.is_empty());
    for kind in RowKind::ALL.into_iter().filter(|kind| !needs_more(kind)) {
        let row = &json["rows"][kind.name()];
        let entry = if kind.is_plotted() { &row["16"] } else { row };
        for field in [
            "psnr_db",
            "psnr_db_low",
            "ssim",
            "flip",
            "seen_psnr_db",
            "revealed_sharpness",
            "revealed_share",
        ] {
            assert!(entry[field].is_f64(), "{kind}.{field} in {row}");
        }
        assert!(row.get("64").is_none(), "{row}");
    }
    assert_eq!(report.episodes, 2);
    assert!(report.notes.iter().any(|n| n.contains("horizon 64")), "{:?}", report.notes);
    assert!(
        report.notes.iter().any(|n| n.contains("world_1") && n.contains("seed 7")),
        "{:?}",
        report.notes
    );
    assert!(
        json["steps_compared"]["2"]["16"]["psnr_db"].is_f64()
            && json["model_fps"].as_f64().unwrap() > 0.0
    );
    assert!(json["stages"]["denoise"]["p95_ms"].is_f64() && json["cold_start"]["worlds"] == 2);
    let names: Vec<_> =
        report.pictures.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(
        names,
        ["strip_world_0.png", "strip_world_1.png", "revealed.png", "cold_start.png", "psnr.png"]
    );
    assert!(report.pictures.iter().all(|p| image::open(p).is_ok()));
    assert!(
        heard.is_sorted_by(|a, b| a.1 <= b.1)
            && heard[0].1 >= 0.0
            && heard.last().unwrap().1 == 1.0
    );
    for line in report.table().lines() {
        assert!(!line.contains("NaN"), "{line}");
    }
}

#[test]
fn rows_come_out_as_the_worlds_are_made() {
    let report = run(&options()).unwrap();
    let psnr = |kind: RowKind, horizon: usize| report.rows[&kind].horizons[&horizon].psnr_db;
    // The truth is shadow paint, rounded to bytes.
    assert!(report.rows[&RowKind::ShadowPaint].whole.as_ref().unwrap().psnr_db > 50.0);
    // The camera turns, so the frame before is another picture.
    assert!(report.rows[&RowKind::CopyLast].whole.as_ref().unwrap().psnr_db < 35.0);
    assert!(psnr(RowKind::WrongShadow, 16) < psnr(RowKind::Autoregressive, 16) - 3.0);
    assert!(psnr(RowKind::TintWithheld, 16) < psnr(RowKind::Autoregressive, 16));
    let gain = report.gain_over_warp_paint_db[&16];
    assert!(
        (gain - (psnr(RowKind::Autoregressive, 16) - psnr(RowKind::WarpPaint, 16))).abs() < 1e-12
    );
    // It turns by 0.05 rad a frame: after 16 frames half of the picture is new.
    let share = report.rows[&RowKind::Autoregressive].horizons[&16].revealed_share;
    assert!((0.2..0.8).contains(&share), "{share}");
}

#[test]
fn a_row_is_the_same_alone_and_among_others() {
    let alone = run(&EvalOptions { rows: vec![RowKind::Autoregressive], ..options() }).unwrap();
    let rows = vec![RowKind::TeacherForced, RowKind::Autoregressive, RowKind::WarpPaint];
    let among = run(&EvalOptions { rows, ..options() }).unwrap();
    assert_eq!(alone.rows[&RowKind::Autoregressive], among.rows[&RowKind::Autoregressive]);
    assert!(alone.gain_over_warp_paint_db.is_empty() && !among.gain_over_warp_paint_db.is_empty());
}

#[test]
fn what_cannot_be_evaluated_is_told_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let card = WORLDS.path().join("model/test.world.ron");
    let line = |data: &Path, card: &Path, options: &EvalOptions| {
        let line = evaluate(data, card, options, &mut |_, _| {}).unwrap_err().to_string();
        assert_eq!(line.lines().count(), 1, "{line}");
        line
    };
    assert!(line(dir.path(), &card, &options()).contains("no episodes"));
    assert!(line(&dir.path().join("none"), &card, &options()).contains("none"));
    let strange = dir.path().join("strange.world.ron");
    let text = std::fs::read_to_string(&card).unwrap();
    std::fs::write(&strange, text.replace("unet-s", "net-x")).unwrap();
    assert!(line(&WORLDS.path().join("data"), &strange, &options()).contains("`net-x` is unknown"));
    let quiet = &mut |_: &str, _: f64| {};
    let memory = evaluate_memory(dir.path(), &strange, &MemoryOptions::default(), quiet);
    let display = evaluate_display(dir.path(), &strange, &DisplayOptions::default(), quiet);
    for said in [memory.unwrap_err().to_string(), display.unwrap_err().to_string()] {
        assert!(said.contains("kind `net-x`") && said.contains("plain `reverie eval`"), "{said}");
    }
    write_episode(dir.path(), 0, PROMPT_FRAMES, FIRST_EVAL_SEED);
    assert!(line(dir.path(), &card, &options()).contains("has 20 frames"));
    let other = write_model(&dir.path().join("model"), (64, 40));
    assert!(
        line(dir.path(), &other, &options()).contains("48×40 pixels, but the model makes 64×40")
    );
    assert!(
        line(dir.path(), &card, &EvalOptions { rows: vec![], ..options() })
            .contains("list of rows")
    );
    assert!(
        line(dir.path(), &card, &EvalOptions { steps: vec![1, 99], ..options() }).contains("99")
    );
    assert!(line(dir.path(), &card, &EvalOptions { frames: 0, ..options() }).contains("is 0"));
}

#[test]
fn the_memory_is_measured_from_end_to_end() {
    let out = tempfile::tempdir().unwrap();
    let options = MemoryOptions {
        seconds: vec![6.0, 7.0],
        tints: vec![true],
        episodes: Some(1),
        events: 10,
        steady_frames: 12,
        out: Some(out.path().to_owned()),
        ..MemoryOptions::default()
    };
    let dir = WORLDS.path();
    let card = dir.join("model/test.world.ron");
    let report = evaluate_memory(&dir.join("data"), &card, &options, &mut |_, _| {}).unwrap();
    let find = |row, way, seconds, tints| {
        let key = ReturnKey { row, way, seconds, tints };
        report.returns.iter().find(|f| f.key == key).unwrap_or_else(|| panic!("no {key:?}"))
    };
    for (way, seconds) in [(Way::Turn, 6.0), (Way::Walk, 7.0)] {
        for row in Row::ALL {
            let figures = find(row, way, seconds, true);
            assert!(figures.psnr_db > 5.0 && figures.psnr_db.is_finite(), "{figures:?}");
            assert!(figures.turned_deg > 90.0, "{figures:?}");
        }
    }
    // The truth is shadow paint: filled with the same it comes back better than anything else.
    let texels = find(Row::TrueTexels, Way::Turn, 6.0, true);
    assert!(texels.psnr_db > 25.0 && texels.share > 0.5 && texels.unseen_s >= 3.0, "{texels:?}");
    let events = report.events.clone().unwrap();
    assert!(events.cases > 0 && events.by_kind.len() > 2, "{events:?}");
    let steady = report.steady.clone().unwrap();
    assert_eq!((steady.static_frames, steady.pass_db.len()), (12, 0));
    assert!(report.cost.mb > 0.0 && report.cost.seen_m2 > 1.0 && report.cost.both_ms[0] > 0.0);
    assert!(report.pictures.iter().all(|p| p.is_file()) && report.pictures.len() >= 2);
    assert!(report.table().contains("tints given") && report.table().contains("events shown"));
    let wrong = MemoryOptions { seconds: vec![0.5], ..options };
    let line = evaluate_memory(&dir.join("data"), &card, &wrong, &mut |_, _| {}).unwrap_err();
    assert!(line.to_string().contains("0.5 s"), "{line}");
}

/// Dreams by painting the world of its prompt from where the commands take the camera; turns `turns` times as far.
struct Puppet {
    paint: ShadowPaint,
    turns: f32,
    prompted: Option<ShadowSnapshot>,
    now: Option<ShadowSnapshot>,
    /// Counts looks.
    eye: Option<Arc<AtomicUsize>>,
}

/// Sees nothing, and counts how often.
struct Dim(Arc<AtomicUsize>);

impl Observe for Dim {
    fn observe(&mut self, rgb: &[u8], _: &ShadowSnapshot) -> Result<Evidence, ModelError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let pixels = rgb.len() / 3;
        Ok(Evidence {
            width: SIZE.0 as usize,
            height: SIZE.1 as usize,
            classes: 2,
            probability: vec![0.0; 2 * pixels],
            depth_m: vec![0.0; pixels],
            depth_sigma: vec![1.0; pixels],
            rgb: Vec::new(),
        })
    }
}

impl WorldModel for Puppet {
    fn take_eye(&mut self) -> Option<Eye> {
        let observer = Box::new(Dim(self.eye.take()?));
        Some(Eye { observer, thresholds: Default::default() })
    }

    fn name(&self) -> &str {
        "puppet"
    }
    fn size(&self) -> (u32, u32) {
        SIZE
    }
    fn append_frame(&mut self, request: &DreamRequest) -> Result<NeuralFrame, ModelError> {
        let (DreamMode::Dream, Some(now)) = (request.mode, &mut self.now) else {
            return self.paint.append_frame(request);
        };
        let prompted = self.prompted.as_ref().unwrap();
        // Nothing of what came after the prompt may be told.
        assert_eq!(request.snapshot.camera, prompted.camera);
        assert_eq!(request.snapshot.bodies, prompted.bodies);
        let dt_s = (request.snapshot.time_s - now.time_s) as f32;
        assert!((dt_s - 0.1).abs() < 1e-4, "{dt_s}");
        let mut action = request.action;
        action[2] *= self.turns;
        now.camera = commanded(&now.camera, &action, dt_s);
        now.time_s = request.snapshot.time_s;
        let request = DreamRequest { snapshot: now.clone().into(), ..request.clone() };
        let frame = self.paint.append_frame(&request)?;
        Ok(NeuralFrame { mode: DreamMode::Dream, ..frame })
    }
    fn reset(&mut self) {
        (self.prompted, self.now) = (None, None);
    }
    fn can_dream(&self) -> bool {
        true
    }
}

impl Measured for Puppet {
    fn set_ablation(&mut self, _keep_tints: bool, _use_past: bool) {}
    fn set_memory(&mut self, _remembers: bool) {}
    fn forget_look(&mut self) {
        self.reset();
    }
    fn prompt(
        &mut self,
        request: &DreamRequest,
        _rgb: Vec<f32>,
        _trust: f32,
    ) -> Result<(), ModelError> {
        self.prompted = Some((*request.snapshot).clone());
        self.now.clone_from(&self.prompted);
        Ok(())
    }
    fn append_frame_as(
        &mut self,
        request: &DreamRequest,
        _truth: Vec<f32>,
        _trust: f32,
    ) -> Result<NeuralFrame, ModelError> {
        self.append_frame(request)
    }
    fn codec(&mut self, rgb: &[f32]) -> Result<Option<Vec<f32>>, ModelError> {
        Ok(Some(rgb.iter().map(|value| 0.9 * value).collect()))
    }
    fn device(&self) -> (Device, Kind) {
        (Device::Cpu, Kind::Float)
    }
}

/// A world that stands still, in which the camera goes where it is told: it turns to the right for some frames, then
/// it walks.
fn write_obedient(dir: &Path, frames: usize) {
    let header = EpisodeHeader {
        width: SIZE.0,
        height: SIZE.1,
        frame_dt_s: 0.1,
        seed: FIRST_EVAL_SEED,
        layout_seed: FIRST_EVAL_SEED,
        generator: "test".to_owned(),
    };
    let mut writer = EpisodeWriter::create(dir.join("obedient"), header).unwrap();
    let style = StyleWeights::NOON;
    let mut now = snapshot(0, 0);
    for frame in 0..frames {
        let mut action = Action::default();
        if frame % 5 < 3 {
            action[2] = 0.04;
        } else {
            action[1] = 0.5;
        }
        now.camera = commanded(&now.camera, &action, 0.1);
        (now.tick, now.time_s) = (6 * frame as u64, 0.1 * frame as f64);
        let view = ShadowView::new(&now, &style, SIZE.0 as usize, SIZE.1 as usize, true);
        let bytes = to_image(SIZE.0 as usize, SIZE.1 as usize, &view.paint).into_raw();
        writer.push(&now, &action, &style, &bytes).unwrap();
    }
    writer.finish(1).unwrap();
}

#[test]
fn dreams_are_held_to_the_commands() {
    let dir = tempfile::tempdir().unwrap();
    write_obedient(dir.path(), PROMPT_FRAMES + 12);
    let card = ModelCard::load(WORLDS.path().join("model/test.world.ron")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let rows = "codec_ceiling,copy_prompt,commanded_warp,dream,dream_shuffled,dream_still";
    let rows = rows.split(',').map(|row| row.parse().unwrap()).collect();
    let options = EvalOptions { rows, out: Some(out.path().to_owned()), ..options() };
    let dreamed = |turns: f32| {
        let loader = |_: &LoadOptions| -> Result<Box<dyn Measured>, ModelError> {
            let paint = ShadowPaint::new(SIZE.0, SIZE.1);
            Ok(Box::new(Puppet { paint, turns, prompted: None, now: None, eye: None }))
        };
        evaluate_with(dir.path(), card.clone(), &loader, &options, &mut |_, _| {}).unwrap()
    };
    let report = dreamed(1.0);
    let psnr = |kind: RowKind| report.rows[&kind].horizons[&8].psnr_db;
    // The truth is what an obedient puppet paints.
    assert!(psnr(RowKind::Dream) > 45.0, "{}", report.table());
    assert!(psnr(RowKind::CommandedWarp) > psnr(RowKind::CopyPrompt) + 1.0, "{}", report.table());
    assert!(psnr(RowKind::CodecCeiling) < psnr(RowKind::Dream));
    assert!(report.control_loss_db[&RowKind::DreamShuffled][&8] > 5.0);
    let gain = report.dream_gain_db[&RowKind::CopyPrompt][&8];
    assert!((gain - (psnr(RowKind::Dream) - psnr(RowKind::CopyPrompt))).abs() < 1e-9);
    // A dream without commands is the held prompt, made anew.
    assert!((psnr(RowKind::DreamStill) - psnr(RowKind::CopyPrompt)).abs() < 0.3);
    let camera = report.dream_camera.clone().unwrap();
    assert!(camera.frames == 12 && camera.valid_share == 1.0, "{camera:?}");
    assert!(camera.rotation_error_deg.unwrap().mean < 0.1, "{camera:?}");
    assert!(camera.translation_error_cm.unwrap().mean < 2.0, "{camera:?}");
    assert!(camera.drift_deg[&8] < 0.2, "{camera:?}");
    let following = |camera: &CameraFigures, key: &str| camera.following[key];
    assert_eq!(following(&camera, "turn_right").share, Some(1.0), "{camera:?}");
    assert_eq!(following(&camera, "walk_forward").share, Some(1.0), "{camera:?}");
    assert!(!camera.following.contains_key("turn_left"), "{camera:?}");
    let strip = report.pictures.iter().find(|path| path.ends_with("dream_obedient.png"));
    assert!(image::open(strip.unwrap()).is_ok());
    assert!(report.table().contains("gain of dream over copy_prompt"), "{}", report.table());

    let contrary = dreamed(-1.0).dream_camera.unwrap();
    let turned = following(&contrary, "turn_right");
    assert!(turned.judged > 2 && turned.share < Some(0.3), "{contrary:?}");
    assert!(contrary.rotation_error_deg.unwrap().p95 > 3.0, "{contrary:?}");
}

#[test]
fn a_guard_that_sees_nothing_costs_nothing_and_has_seen_the_prompt() {
    let dir = tempfile::tempdir().unwrap();
    write_obedient(dir.path(), PROMPT_FRAMES + 12);
    let card = ModelCard::load(WORLDS.path().join("model/test.world.ron")).unwrap();
    let rows = vec![RowKind::Autoregressive, RowKind::Guarded, RowKind::WithoutMemory];
    let options = EvalOptions { rows, ..options() };
    let looks = Arc::new(AtomicUsize::new(0));
    let loader = |_: &LoadOptions| -> Result<Box<dyn Measured>, ModelError> {
        let (paint, eye) = (ShadowPaint::new(SIZE.0, SIZE.1), Some(looks.clone()));
        Ok(Box::new(Puppet { paint, turns: 1.0, prompted: None, now: None, eye }))
    };
    let report = evaluate_with(dir.path(), card, &loader, &options, &mut |_, _| {}).unwrap();
    let psnr = |kind: RowKind| report.rows[&kind].horizons[&8].psnr_db;
    assert_eq!(psnr(RowKind::Guarded), psnr(RowKind::Autoregressive));
    assert_eq!(report.control_loss_db[&RowKind::Guarded][&8], 0.0);
    // Shadow paint is the state itself: what comes after the prompt need not be looked at.
    assert_eq!(looks.load(Ordering::Relaxed), PROMPT_FRAMES);
}
