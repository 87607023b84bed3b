//! Faults on purpose, and the guard that catches them: the model is told what is not so, the physics knows better.
//!
//! `cargo run --example guard_lab`. T puts the next kind of fault into the pictures of a body in sight (erased, doubled,
//! lifted, frozen in flight, …), Backspace takes it out, G goes from off to observe to correct, F7 shows the outlines. With
//! `--headless` all faults are tried in turn, and what was caught is printed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bevy::app::ScheduleRunnerPlugin;
use bevy::prelude::*;
use bevy_reverie::camera::BuildModel;
use bevy_reverie::physics_guard::ShadowSnapshot;
use bevy_reverie::physics_guard::fault::{Fault, FaultClass, Search};
use bevy_reverie::prelude::*;
use bevy_reverie::recorder::headless;
use bevy_reverie::runtime::card::ModelCard;
use bevy_reverie::runtime::correct::Saboteur;
use bevy_reverie::runtime::model::reverie::ReverieModel;
use bevy_reverie::runtime::model::{LoadOptions, WorldModel};
use reverie::courtyard::{CourtyardCamera, CourtyardPlugin};

const CARD: &str = "assets/models/courtyard.world.ron";
/// Headless: frames without a fault, and then as many with one.
const PHASE: u32 = 40;

/// What is wanted of the saboteur, which works on the dream thread.
static WANTED: Mutex<Option<FaultClass>> = Mutex::new(None);

fn want(class: Option<FaultClass>) {
    *WANTED.lock().unwrap_or_else(PoisonError::into_inner) = class;
}

fn main() -> AppExit {
    let alone =
        std::env::args().any(|word| word == "--headless") || std::env::var_os("CI").is_some();
    let mut app = App::new();
    if alone {
        app.add_plugins((headless(), ScheduleRunnerPlugin::run_loop(Duration::ZERO)))
            .add_systems(Update, try_all);
    } else {
        app.add_plugins(DefaultPlugins).add_systems(Update, keys);
    }
    app.add_plugins((CourtyardPlugin { seed: 7, bot: alone, ..default() }, ReveriePlugins))
        .insert_resource(if alone { ActionSource::Game } else { ActionSource::Devices })
        .insert_resource(GuardOverlay(true))
        .add_systems(Update, open_the_dream)
        .run()
}

/// The courtyard's camera sees through the shipped model, with a saboteur before it.
fn open_the_dream(
    mut commands: Commands,
    cameras: Query<Entity, (With<CourtyardCamera>, Without<NeuralCamera>)>,
) {
    for camera in &cameras {
        let build: Arc<BuildModel> = Arc::new(|| {
            let path = Path::new(CARD);
            let model = ReverieModel::load(path, ModelCard::load(path)?, &LoadOptions::default())?;
            let (mut before, mut fault) = (None, None);
            let alter = move |truth: &ShadowSnapshot| sabotage(truth, &mut before, &mut fault);
            Ok(Box::new(Saboteur::new(model, Box::new(alter))) as Box<dyn WorldModel>)
        });
        let model = NeuralModel::Custom(build);
        commands.entity(camera).insert(NeuralCamera {
            model,
            guard: GuardSettings::CORRECT,
            ..default()
        });
    }
}

/// The state to draw in place of `truth`: a fault begins as soon as there is a body for it.
fn sabotage(
    truth: &ShadowSnapshot,
    before: &mut Option<ShadowSnapshot>,
    fault: &mut Option<Fault>,
) -> Option<ShadowSnapshot> {
    let class = *WANTED.lock().unwrap_or_else(PoisonError::into_inner);
    if fault.as_ref().map(|fault| fault.class) != class {
        let search = Search {
            width: 128,
            height: 72,
            least_pixels: 40,
            gravity_m_s2: Vec3::new(0.0, -9.81, 0.0),
            seed: truth.tick,
        };
        let past = [before.as_ref().unwrap_or(truth).clone(), truth.clone()];
        *fault = class.and_then(|class| Fault::begin(class, class.full_strength(), &past, &search));
    }
    *before = Some(truth.clone());
    fault.as_ref().map(|fault| fault.drawn(truth))
}

fn keys(
    keys: Res<ButtonInput<KeyCode>>,
    mut cameras: Query<&mut NeuralCamera>,
    mut next: Local<usize>,
) {
    if keys.just_pressed(KeyCode::KeyT) {
        let class = FaultClass::ALL[*next % FaultClass::ALL.len()];
        info!("fault: {}", class.name());
        want(Some(class));
        *next += 1;
    }
    if keys.just_pressed(KeyCode::Backspace) {
        want(None);
    }
    for mut camera in cameras.iter_mut().filter(|_| keys.just_pressed(KeyCode::KeyG)) {
        camera.guard = match camera.guard.mode {
            GuardMode::Off => GuardSettings::OBSERVE,
            GuardMode::Observe => GuardSettings::CORRECT,
            GuardMode::Correct => GuardSettings::OFF,
        };
    }
}

/// Goes through all faults, calm and faulty in turn, and says what the guard made of each.
fn try_all(
    mut verdicts: MessageReader<GuardVerdict>,
    dreams: Query<(&Dream, &NeuralPicture)>,
    mut counted: Local<(u64, u32, Vec<String>)>,
    mut exit: MessageWriter<AppExit>,
) {
    let (serial, frames, caught) = &mut *counted;
    for GuardVerdict { verdict, level, .. } in verdicts.read() {
        let line = format!("{} {} > {}", verdict.check, verdict.finding.what, level.name());
        if !caught.contains(&line) {
            caught.push(line);
        }
    }
    let fresh = dreams.iter().find(|(_, picture)| picture.serial != *serial);
    let Some((dream, picture)) = fresh else { return };
    (*serial, *frames) = (picture.serial, *frames + 1);
    let (round, at) = (*frames / (2 * PHASE), *frames % (2 * PHASE));
    let Some(class) = FaultClass::ALL.get(round as usize) else {
        let guard = &dream.status().guard;
        println!("{} pictures judged, {} rejected", guard.judged, guard.rejects);
        exit.write(AppExit::Success);
        return;
    };
    if at == PHASE || at == 0 {
        let name = if at == 0 { "nothing" } else { class.name() };
        println!("before {name}: {}", std::mem::take(caught).join(", "));
        want((at == PHASE).then_some(*class));
    }
}
