//! The flagship: the courtyard, conventional and neural.
//!
//! `cargo run --example courtyard`. Click to catch the mouse. WASD walk, space jumps, E pushes, F carries, Q throws.
//! F2 neural or conventional, F4 side by side, F3 figures. T goes on to the next weather, N to another courtyard.

use bevy::prelude::*;
use bevy_reverie::prelude::*;
use reverie::courtyard::{CourtyardCamera, CourtyardPlugin, CourtyardStyle, NewCourtyard};

const WEATHERS: [&str; 5] = ["noon", "dusk", "night", "fog", "snow"];
/// How fast one weather becomes the next, per second.
const CHANGE_PER_S: f32 = 0.5;

fn main() {
    App::new()
        .add_plugins(DefaultPlugins.set(WindowPlugin {
            primary_window: Some(Window {
                title: "Courtyard".into(),
                resolution: (960, 540).into(),
                ..default()
            }),
            ..default()
        }))
        .add_plugins((CourtyardPlugin { seed: 7, ..default() }, ReveriePlugins))
        .init_resource::<Weather>()
        .insert_resource(SideBySide(true))
        .add_systems(Update, (open_the_dream, choose, change_weather).chain())
        .run();
}

/// Index into [`WEATHERS`] of the weather that is coming.
#[derive(Resource, Default)]
struct Weather(usize);

/// The game's own camera becomes a neural one: this is all that a world model needs.
fn open_the_dream(
    mut commands: Commands,
    cameras: Query<Entity, (With<CourtyardCamera>, Without<NeuralCamera>)>,
) {
    for camera in &cameras {
        commands.entity(camera).insert(NeuralCamera::new("models/courtyard.world.ron"));
    }
}

fn choose(
    keys: Res<ButtonInput<KeyCode>>,
    mut weather: ResMut<Weather>,
    mut seed: Local<u64>,
    mut courtyards: MessageWriter<NewCourtyard>,
    mut cuts: MessageWriter<CameraCut>,
    cameras: Query<Entity, With<NeuralCamera>>,
) {
    if keys.just_pressed(KeyCode::KeyT) {
        weather.0 = (weather.0 + 1) % WEATHERS.len();
    }
    if keys.just_pressed(KeyCode::KeyN) {
        *seed += 1;
        courtyards.write(NewCourtyard { seed: 7 + *seed });
        // What was dreamed of the old courtyard must not show in the new one.
        cuts.write_batch(cameras.iter().map(|camera| CameraCut { camera }));
    }
}

/// Game and dream share one blend of styles.
fn change_weather(
    weather: Res<Weather>,
    time: Res<Time>,
    mut style: ResMut<CourtyardStyle>,
    mut cameras: Query<&mut NeuralCamera>,
) {
    let Some(wanted) = StyleWeights::pure(WEATHERS[weather.0]) else { return };
    if style.weights.distance(&wanted) > 1e-3 {
        let step = (CHANGE_PER_S * time.delta_secs()).min(1.0);
        let blend =
            std::array::from_fn(|i| style.weights.0[i] + step * (wanted.0[i] - style.weights.0[i]));
        style.weights = StyleWeights(blend).normalized();
    }
    for mut camera in &mut cameras {
        if camera.style != style.weights {
            camera.style = style.weights;
        }
    }
}
