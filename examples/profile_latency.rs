//! Where the time goes from input to present: a scripted minute in the courtyard, then the table of stages.
//!
//! `cargo run --example profile_latency -- --help`; a window with the HUD, or none with `--headless`. With
//! `--features tracy` besides, the same run on a time line: `docs/PROFILING.md`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bevy::app::ScheduleRunnerPlugin;
use bevy::camera::RenderTarget;
use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;
use bevy::render::view::screenshot::{Screenshot, save_to_disk};
use bevy_reverie::action::ScriptStep;
use bevy_reverie::latency::{Deadlines, LatencyLog};
use bevy_reverie::overlay::NeuralHud;
use bevy_reverie::prelude::*;
use bevy_reverie::recorder::headless;
use bevy_reverie::runtime::dream::DreamState;
use reverie::courtyard::{CourtyardCamera, CourtyardPlugin};

/// From the first neural picture on; what is compiled and allocated late does not count.
const WARM_UP: Duration = Duration::from_secs(2);

#[derive(Resource, Debug, Clone, clap::Parser)]
struct Options {
    /// Length of the measurement.
    #[arg(long, default_value_t = if std::env::var_os("CI").is_some() { 5 } else { 60 })]
    seconds: u64,
    /// `Pacing::Throughput` instead of `Pacing::LowLatency`.
    #[arg(long)]
    throughput: bool,
    /// Into a picture instead of a window; needs no display.
    #[arg(long)]
    headless: bool,
    /// How far the dream thread stands back, 0 to 19.
    #[arg(long)]
    nice: Option<u8>,
    /// Threads of the model.
    #[arg(long)]
    threads: Option<usize>,
    /// Saves the last picture of the window here.
    #[arg(long)]
    picture: Option<PathBuf>,
}

fn main() -> AppExit {
    let options = <Options as clap::Parser>::parse();
    let preset = if options.throughput { Pacing::Throughput } else { Pacing::LowLatency };
    let mut pacing = preset.settings();
    pacing.dream.nice = options.nice.unwrap_or(pacing.dream.nice);
    pacing.dream.threads = options.threads.unwrap_or(pacing.dream.threads);
    let window = Window { title: "Latency".into(), resolution: (640, 360).into(), ..default() };
    let plugins = if options.headless {
        headless()
    } else {
        DefaultPlugins.set(WindowPlugin { primary_window: Some(window), ..default() })
    };
    let log = LogPlugin { filter: "error,bevy_reverie=info".into(), ..default() };
    let mut app = App::new();
    app.add_plugins(Pacing::Custom(pacing).of(plugins.set(log)));
    if options.headless {
        app.add_plugins(ScheduleRunnerPlugin::run_loop(Duration::ZERO));
    }
    app.add_plugins((CourtyardPlugin { seed: 7, ..default() }, ReveriePlugins))
        .insert_resource(ActionSource::Script(script(options.seconds + 60)))
        .insert_resource(options)
        .add_systems(Update, (open_the_dream, show_the_hud, measure))
        .run()
}

/// Walks, turns both ways, stands still and pushes, second by second.
fn script(seconds: u64) -> ActionScript {
    let second = |second: u64| {
        let walk = if second % 3 == 0 { Vec2::ZERO } else { Vec2::Y };
        let turn = if second % 4 < 2 { 0.02 } else { -0.03 };
        let push = second % 5 == 0;
        let action = PlayerAction { walk, look: Vec2::new(turn, 0.0), push, ..default() };
        ScriptStep { from_tick: 60 * second, to_tick: 60 * (second + 1), action }
    };
    ActionScript { steps: (0..seconds).map(second).collect() }
}

fn open_the_dream(
    mut commands: Commands,
    options: Res<Options>,
    mut images: ResMut<Assets<Image>>,
    cameras: Query<Entity, (With<CourtyardCamera>, Without<NeuralCamera>)>,
) {
    for camera in &cameras {
        commands.entity(camera).insert(NeuralCamera::new("models/courtyard.world.ron"));
        if options.headless {
            let image = Image::new_target_texture(640, 360, TextureFormat::Rgba8UnormSrgb, None);
            commands.entity(camera).insert(RenderTarget::Image(images.add(image).into()));
        }
    }
}

fn show_the_hud(mut huds: Query<&mut Visibility, Added<NeuralHud>>) {
    for mut visibility in &mut huds {
        *visibility = Visibility::Visible;
    }
}

/// Counts from the end of the warm-up on, and prints the table in the end.
fn measure(
    mut commands: Commands,
    mut options: ResMut<Options>,
    dreams: Query<&Dream>,
    mut log: ResMut<LatencyLog>,
    deadlines: Res<Deadlines>,
    mut begun: Local<Option<(Instant, u64)>>,
    mut counting: Local<bool>,
    mut exit: MessageWriter<AppExit>,
) {
    let Some(dream) = dreams.iter().next() else { return };
    let status = dream.status();
    if status.state == DreamState::Loading {
        return;
    }
    let (since, frames) = *begun.get_or_insert((Instant::now(), status.frames));
    let elapsed = since.elapsed();
    if !*counting {
        if elapsed > WARM_UP {
            (*counting, *begun) = (true, Some((Instant::now(), status.frames)));
            log.clear();
        }
        return;
    }
    let length = Duration::from_secs(options.seconds);
    // A screenshot takes a few frames.
    if elapsed + Duration::from_secs(1) > length
        && let Some(path) = options.picture.take()
    {
        commands.spawn(Screenshot::primary_window()).observe(save_to_disk(path));
    }
    if elapsed > length {
        let summary = log.summary(&deadlines);
        println!("{}, {}", status.model, if options.headless { "headless" } else { "in a window" });
        println!("{}", summary.table());
        let rate = |frames: u64| frames as f64 / elapsed.as_secs_f64();
        let (display, model) = (rate(summary.frames), rate(status.frames - frames));
        println!("{display:.1} display frames and {model:.1} model frames a second");
        exit.write(AppExit::Success);
    }
}
