//! `reverie play`: the courtyard, a level or a sketch through a world model, in a window or headless.
//!
//! [`world`] reads what is played, [`live`] follows its file; [`headless`] renders into a picture and writes PNGs and
//! `summary.json`, [`stats`] gathers the figures.

use std::error::Error;
use std::path::{Path, PathBuf};

use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy::window::WindowResolution;
use bevy_reverie::ReveriePlugins;
use bevy_reverie::action::{ActionScript, ActionSource};
use bevy_reverie::camera::{NeuralCamera, NeuralMode, NeuralModel, NeuralPace};
use bevy_reverie::guard::{GuardMode, GuardSettings};
use bevy_reverie::memory::NeuralMemory;
use bevy_reverie::pacing::{Pacing, PacingSettings};
use reverie_runtime::model::{LoadOptions, load_model};
use reverie_runtime::style::{STYLE_NAMES, StyleWeights};

use super::sketch::ReadingArgs;
use crate::courtyard::walker::Walker;
use crate::courtyard::{CourtyardCamera, CourtyardPlugin, CourtyardStyle, NewCourtyard};
use world::PlayedWorld;

mod headless;
mod live;
mod stats;
mod world;

/// The model that comes with the program.
pub const SHIPPED_MODEL: &str = "assets/models/courtyard.world.ron";
/// The one that can dream.
const DREAMING_MODEL: &str = "assets/models/m-tiny.world.ron";

/// Arguments of `reverie play`.
#[derive(Debug, clap::Args)]
pub struct PlayArgs {
    /// What to play: `courtyard`, a `.level.ron` file, or a picture of a plan; a file is played anew when it is saved.
    #[arg(default_value = "courtyard")]
    world: String,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Model card; `paint` plays in plain shadow paint.
    #[arg(long, default_value = SHIPPED_MODEL, default_value_if("dream", "true", DREAMING_MODEL))]
    model: String,
    /// Of the layout, of the model's noise and of its look.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// noon, dusk, night, fog or snow; a level's own if not given.
    #[arg(long)]
    style: Option<String>,
    /// A picture that sets palette and textures.
    #[arg(long, value_name = "IMAGE")]
    prompt: Option<PathBuf>,
    /// Denoising steps; the model card's own number if not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=8))]
    steps: Option<u32>,
    /// The player's actions, a RON file; without one a bot plays headless, and you play in a window.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// No window: writes pictures and figures.
    #[arg(long)]
    headless: bool,
    /// Pictures to write, headless.
    #[arg(long, default_value_t = 120)]
    frames: u32,
    /// Folder of the pictures, headless.
    #[arg(long, default_value = "runs/play")]
    out: PathBuf,
    /// Of the window or the pictures, WIDTHxHEIGHT.
    #[arg(long, default_value = "640x360", value_parser = super::parse_size)]
    size: (u32, u32),
    /// The ordinary renderer instead of the model.
    #[arg(long)]
    conventional: bool,
    /// Headless: every picture waits for its own neural frame, so that a seed always gives the same pictures.
    #[arg(long)]
    lockstep: bool,
    /// What surfaces look like: loaded from here if the file exists, and saved when the game ends.
    #[arg(long, value_name = "FILE")]
    memory: Option<PathBuf>,
    /// Least delay, or most frames.
    #[arg(long, value_enum, default_value_t = PacingPreset::LowLatency)]
    pacing: PacingPreset,
    /// Threads of the model; the pacing's own number if not given.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=64))]
    dream_threads: Option<u8>,
    /// How far the model stands back behind the game when cores are short, 0 to 19; the pacing's own number if not given.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=19))]
    dream_nice: Option<u8>,
    /// Begins with a dream: past pictures and your actions alone bind the next one, not the physics; F5 switches.
    #[arg(long)]
    dream: bool,
    /// What the physics guard does about pictures that the physics denies.
    #[arg(long, value_enum, default_value_t = GuardChoice::Off)]
    guard: GuardChoice,
    /// Writes the summary here as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Modes of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum GuardChoice {
    /// No picture is looked at.
    Off,
    /// Reports, and leaves pictures as they are.
    Observe,
    /// Corrects pictures before they are shown.
    Correct,
}

impl GuardChoice {
    fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Correct => "correct",
        }
    }

    fn mode(self) -> GuardMode {
        match self {
            Self::Off => GuardMode::Off,
            Self::Observe => GuardMode::Observe,
            Self::Correct => GuardMode::Correct,
        }
    }
}

/// Presets of [`Pacing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PacingPreset {
    /// The picture shows the player's hand as soon as possible.
    LowLatency,
    /// As many frames as possible, each a frame later.
    Throughput,
}

impl PacingPreset {
    fn name(self) -> &'static str {
        match self {
            Self::LowLatency => "low-latency",
            Self::Throughput => "throughput",
        }
    }
}

impl PlayArgs {
    /// What binds the pictures at first.
    fn mode(&self) -> NeuralMode {
        if self.dream { NeuralMode::Dream } else { NeuralMode::Anchored }
    }

    /// Plays until the window is closed, or until the frames are written.
    ///
    /// # Errors
    /// One line for the user.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let style = self.style.as_deref().map(named_style).transpose()?;
        let script = self.script.as_ref().map(ActionScript::load).transpose()?;
        let sketch = self.reading.options()?;
        let world = PlayedWorld::open(&self.world, sketch, style.unwrap_or_default())?;
        let style = style.or(world.level().map(|level| level.style)).unwrap_or_default();
        super::doctor::require_adapter()?;
        self.check_model()?;
        let memory = NeuralMemory::default();
        if let Some(path) = self.memory.as_ref().filter(|path| path.exists()) {
            memory.load(path)?;
        }
        if self.headless {
            headless::play(&self, &world, style, script, &memory)?;
        } else {
            self.play_in_window(&world, style, script, &memory)?;
        }
        if let Some(path) = &self.memory {
            memory.save(path)?;
            say!("memory: {}", path.display());
        }
        Ok(())
    }

    /// A model that was asked for must be there and sound; in a running game the same fault would leave shadow paint.
    fn check_model(&self) -> Result<(), Box<dyn Error>> {
        if self.model == "paint" || self.conventional {
            return Ok(());
        }
        let options = LoadOptions { prompt: self.prompt.clone(), ..LoadOptions::default() };
        load_model(Path::new(&self.model), &options)?;
        Ok(())
    }

    fn pacing(&self) -> Pacing {
        let preset = match self.pacing {
            PacingPreset::LowLatency => Pacing::LowLatency,
            PacingPreset::Throughput => Pacing::Throughput,
        };
        if (self.dream_threads, self.dream_nice) == (None, None) {
            return preset;
        }
        let mut settings: PacingSettings = preset.settings();
        let share = &mut settings.dream;
        share.threads = self.dream_threads.map_or(share.threads, usize::from);
        share.nice = self.dream_nice.unwrap_or(share.nice);
        Pacing::Custom(settings)
    }

    /// The game, and what follows the file that it is played from. A style of the player's own outlives levels.
    fn add_game(&self, app: &mut App, world: &PlayedWorld, bot: bool) -> std::io::Result<()> {
        let style = self.style.as_deref().and_then(StyleWeights::pure);
        let level = world.level().cloned();
        if let (true, Some(level)) = (bot, &level) {
            app.insert_resource(Walker::new(level));
        }
        let style = if level.is_some() { style } else { Some(style.unwrap_or_default()) };
        app.add_plugins(CourtyardPlugin { seed: self.seed, level, style, bot, draw: true })
            .add_plugins(ReveriePlugins);
        live::watch(app, world)
    }

    fn camera(&self, style: StyleWeights) -> NeuralCamera {
        let model = match self.model.as_str() {
            "paint" => NeuralModel::ShadowPaint,
            card => NeuralModel::Card(PathBuf::from(card)),
        };
        NeuralCamera {
            model,
            mode: self.mode(),
            style,
            enabled: !self.conventional,
            prompt: self.prompt.clone(),
            seed: self.seed,
            steps: self.steps,
            guard: GuardSettings { mode: self.guard.mode(), ..GuardSettings::OFF },
            pace: if self.lockstep { NeuralPace::Lockstep } else { NeuralPace::Free },
            ..NeuralCamera::default()
        }
    }

    fn play_in_window(
        &self,
        world: &PlayedWorld,
        style: StyleWeights,
        script: Option<ActionScript>,
        memory: &NeuralMemory,
    ) -> Result<(), Box<dyn Error>> {
        let window = Window {
            title: "Reverie".to_owned(),
            resolution: WindowResolution::new(self.size.0, self.size.1),
            ..Window::default()
        };
        let neural = self.camera(style);
        let mut app = App::new();
        app.add_plugins(
            self.pacing().of(DefaultPlugins
                .set(WindowPlugin { primary_window: Some(window), ..default() })
                .set(quiet_log())),
        );
        self.add_game(&mut app, world, false)?;
        app.insert_resource(script.map_or(ActionSource::Devices, ActionSource::Script))
            .insert_resource(Intended(neural, memory.clone()))
            .add_systems(Update, (mark_camera, keys))
            .run();
        Ok(())
    }
}

/// Logs what a player should know, once.
fn quiet_log() -> LogPlugin {
    LogPlugin {
        level: bevy::log::Level::INFO,
        filter: "warn,bevy_reverie=info,wgpu_hal=error,wgpu_core=error,bevy_render::renderer=error"
            .to_owned(),
        ..LogPlugin::default()
    }
}

fn named_style(name: &str) -> Result<StyleWeights, String> {
    StyleWeights::pure(name).ok_or_else(|| {
        format!("there is no style `{name}`; choose one of {}", STYLE_NAMES.join(", "))
    })
}

/// What the courtyard's camera is to be.
#[derive(Resource, Clone)]
struct Intended(NeuralCamera, NeuralMemory);

fn mark_camera(
    mut commands: Commands,
    intended: Res<Intended>,
    cameras: Query<Entity, (With<CourtyardCamera>, Without<NeuralCamera>)>,
) {
    for camera in &cameras {
        commands.entity(camera).insert((intended.0.clone(), intended.1.clone()));
    }
}

/// Number keys blend to a style, N goes to another courtyard or begins a level anew in another look, Escape leaves.
fn keys(
    keys: Res<ButtonInput<KeyCode>>,
    mut style: ResMut<CourtyardStyle>,
    mut cameras: Query<&mut NeuralCamera>,
    mut courtyards: MessageWriter<NewCourtyard>,
    mut exit: MessageWriter<AppExit>,
    mut seed: Local<u64>,
) {
    let digits =
        [KeyCode::Digit1, KeyCode::Digit2, KeyCode::Digit3, KeyCode::Digit4, KeyCode::Digit5];
    if let Some(index) = digits.iter().position(|key| keys.just_pressed(*key))
        && let Some(weights) = StyleWeights::pure(STYLE_NAMES[index])
    {
        style.weights = weights;
        for mut camera in &mut cameras {
            camera.style = weights;
        }
    }
    if keys.just_pressed(KeyCode::KeyN) {
        *seed += 1;
        courtyards.write(NewCourtyard { seed: *seed });
        for mut camera in &mut cameras {
            camera.reset = true;
        }
    }
    if keys.just_pressed(KeyCode::Escape) {
        exit.write(AppExit::Success);
    }
}
