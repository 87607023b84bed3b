//! The guard in a game: messages, opt-out, and a world that it never touches.

use std::sync::Arc;

use bevy::diagnostic::{DiagnosticPath, DiagnosticsStore};
use bevy::prelude::*;
use bevy::time::TimeUpdateStrategy;
use bevy::transform::TransformPlugin;
use bevy_rapier3d::prelude::*;
use bevy_reverie::camera::NeuralModel;
use bevy_reverie::diagnostics::{GUARD_CORRECTED, GUARD_REJECTS};
use bevy_reverie::guard::{GuardNotes, Level};
use bevy_reverie::prelude::*;
use reverie_guard::{BodyKind, Evidence, Expected, ShadowSnapshot, Thresholds};
use reverie_runtime::correct::{Eye, Observe};
use reverie_runtime::frame::NeuralFrame;
use reverie_runtime::model::{ModelError, WorldModel};
use reverie_runtime::request::DreamRequest;

use crate::fake::{Fake, Log};

const CLASSES: usize = 17;

/// Pictures in which everything is seen; what was never seen could not vanish.
const SEEN: u32 = 8;

/// After its first pictures it sees everything but bodies that can move.
struct Blind(u32);

impl Observe for Blind {
    fn observe(&mut self, rgb: &[u8], state: &ShadowSnapshot) -> Result<Evidence, ModelError> {
        let (width, height) = (64, 36);
        assert_eq!(rgb.len(), 3 * width * height);
        let mut drawn = state.clone();
        self.0 += 1;
        let blind = self.0 > SEEN;
        drawn.bodies.retain(|body| body.kind == BodyKind::Fixed || !blind);
        let mut there = Expected::default();
        there.draw(drawn.into(), width, height);
        let mut probability = vec![0.1 / (CLASSES - 1) as f32; width * height * CLASSES];
        for (pixel, object) in there.object.iter().enumerate() {
            let body = there.snapshot.bodies.get(usize::from(*object));
            let class = body.map_or(CLASSES - 1, |body| usize::from(body.material));
            probability[pixel * CLASSES + class] = 0.9;
        }
        let depth_sigma = vec![0.08; width * height];
        Ok(Evidence {
            width,
            height,
            classes: CLASSES,
            probability,
            depth_m: there.depth_m,
            depth_sigma,
            rgb: Vec::new(),
        })
    }
}

struct Watched(Fake, Option<Eye>);

impl WorldModel for Watched {
    fn name(&self) -> &str {
        "watched"
    }
    fn size(&self) -> (u32, u32) {
        self.0.size()
    }
    fn append_frame(&mut self, request: &DreamRequest) -> Result<NeuralFrame, ModelError> {
        self.0.append_frame(request)
    }
    fn reset(&mut self) {}
    fn take_eye(&mut self) -> Option<Eye> {
        self.1.take()
    }
}

/// A crate that falls onto a floor before a wall, as a camera with this guard sees it.
fn game(guard: GuardSettings) -> (App, Entity) {
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, TransformPlugin, AssetPlugin::default()))
        .add_plugins(RapierPhysicsPlugin::<()>::default().in_fixed_schedule())
        .insert_resource(TimestepMode::Fixed { dt: 1.0 / 60.0, substeps: 1 })
        .insert_resource(Time::<Fixed>::from_hz(60.0))
        .insert_resource(TimeUpdateStrategy::FixedTimesteps(2))
        .add_plugins(ReveriePlugins);
    let build = || -> Result<Box<dyn WorldModel>, ModelError> {
        let fake =
            Fake { rgba: [90, 90, 90, 255], size: (64, 36), log: Log::default(), can_dream: false };
        let eye = Eye { observer: Box::new(Blind(0)), thresholds: Thresholds::default() };
        Ok(Box::new(Watched(fake, Some(eye))))
    };
    let world = app.world_mut();
    let model = NeuralModel::Custom(Arc::new(build));
    let pace = NeuralPace::Lockstep;
    let place = Transform::from_xyz(0.0, 1.0, 4.0);
    world.spawn((NeuralCamera { model, pace, guard, ..default() }, place));
    let still = |x, y, z, at| (Collider::cuboid(x, y, z), Transform::from_translation(at));
    world.spawn((still(9.0, 0.5, 9.0, Vec3::NEG_Y * 0.5), NeuralMaterial::PAVING));
    world.spawn((still(9.0, 3.0, 0.2, Vec3::Z * -4.0), NeuralMaterial::BRICK));
    let falling = (RigidBody::Dynamic, Velocity::default(), NeuralMaterial::CRATE);
    let crate_entity = world.spawn((falling, still(0.6, 0.6, 0.6, Vec3::Y * 1.5))).id();
    app.finish();
    app.cleanup();
    (app, crate_entity)
}

fn verdicts(app: &App) -> Vec<GuardVerdict> {
    let messages = app.world().resource::<Messages<GuardVerdict>>();
    messages.get_cursor().read(messages).copied().collect()
}

/// Everything that was said over some frames.
fn play(app: &mut App, frames: usize) -> Vec<GuardVerdict> {
    let mut all = Vec::new();
    for _ in 0..frames {
        app.update();
        for verdict in verdicts(app) {
            if !all.contains(&verdict) {
                all.push(verdict);
            }
        }
    }
    all
}

#[test]
fn a_verdict_names_the_entity_and_what_was_done() {
    for (guard, corrected) in [(GuardSettings::OBSERVE, false), (GuardSettings::CORRECT, true)] {
        let (mut app, crate_entity) = game(guard);
        let said = play(&mut app, 24);
        let vanished = said.iter().find(|v| v.verdict.finding.what == "vanished");
        let vanished = vanished.unwrap_or_else(|| panic!("{said:?}"));
        assert_eq!(vanished.body, Some(crate_entity));
        assert_eq!(vanished.level != Level::Accept, corrected, "{vanished:?}");
        let count = |path: DiagnosticPath| {
            let store = app.world().resource::<DiagnosticsStore>();
            store.get(&path).and_then(|d| d.value()).unwrap_or(-1.0)
        };
        assert!(count(GUARD_REJECTS) > 0.0);
        assert_eq!(count(GUARD_CORRECTED) > 0.0, corrected);
        let world = app.world_mut();
        let picture = world.query::<&NeuralPicture>().single(world).unwrap();
        let rgba = picture.frame.as_ref().map(|frame| frame.rgba.clone()).unwrap();
        let grey = rgba.chunks_exact(4).all(|pixel| pixel == [90, 90, 90, 255]);
        assert_eq!(grey, !corrected, "only a correcting guard changes the picture");
        let notes = world.query::<&GuardNotes>().single(world).unwrap();
        assert!(!notes.recent.is_empty());
    }
}

#[test]
fn an_unguarded_body_is_left_alone_and_an_idle_guard_says_nothing() {
    let (mut app, crate_entity) = game(GuardSettings::CORRECT);
    app.world_mut().entity_mut(crate_entity).insert(Unguarded);
    // The first requests go out before the shapes are known.
    play(&mut app, 3);
    let said = play(&mut app, 24);
    assert!(said.iter().all(|v| v.body != Some(crate_entity)), "{said:?}");

    let (mut app, _) = game(GuardSettings::OFF);
    assert!(play(&mut app, 8).is_empty());
}

#[test]
fn the_world_is_the_same_whatever_the_guard_does() {
    let fallen = |guard| {
        let (mut app, crate_entity) = game(guard);
        let said = play(&mut app, 30);
        let at = *app.world().get::<Transform>(crate_entity).unwrap();
        let velocity = *app.world().get::<Velocity>(crate_entity).unwrap();
        (said.len(), format!("{at:?} {velocity:?}"))
    };
    let [(off, left), (observe, seen), (correct, corrected)] =
        [GuardSettings::OFF, GuardSettings::OBSERVE, GuardSettings::CORRECT].map(fallen);
    assert_eq!((&left, &left), (&seen, &corrected));
    assert!(off == 0 && observe > 0 && correct > 0, "{off}, {observe}, {correct}");
}
