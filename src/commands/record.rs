//! `reverie record`: the conventional courtyard, or levels in its dress, played by bots, written as episodes.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bevy::app::App;
use bevy::ecs::message::Messages;
use bevy::log::LogPlugin;
use bevy::math::UVec2;
use bevy::prelude::{Msaa, Projection, With};
use bevy_reverie::action::PlayerAction;
use bevy_reverie::level::{Level, LevelSource, SourceError};
use bevy_reverie::recorder::{
    EpisodeDone, EpisodeStart, RecordCamera, Recorder, RecorderError, RecorderPlugin,
    RecorderStart, headless, prepare_to_step,
};
use indicatif::{ProgressBar, ProgressStyle};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reverie_guard::FaultClass;
use reverie_runtime::data::{list_episodes, sheet::episodes_sheet};
use reverie_runtime::eval::display::RECORD_MARGIN;
use reverie_runtime::files::write_png;
use reverie_runtime::style::{STYLE_NAMES, StyleWeights};
use serde_json::json;

use super::misdraw::Misdrawer;
use super::motion::Motion;
use crate::courtyard::{
    CourtyardCamera, CourtyardPlugin, CourtyardStyle, PhysicsHash, enter_level, new_courtyard,
};

/// Updates before the first frame of an episode: bodies settle, shaders and shadows are there.
const SETTLE_UPDATES: u32 = 6;
/// Updates to wait for the renderer, and for the last pictures.
const MOST_WAITS: u32 = 600;
/// Episodes on a contact sheet.
const SHEET: usize = 48;

/// Arguments of `reverie record`.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    /// How many.
    #[arg(long, default_value_t = 16)]
    episodes: u64,
    /// Frames of an episode, ten a second; twenty with `--display`.
    #[arg(long, default_value_t = 30)]
    frames: u32,
    /// Pixels, WIDTHxHEIGHT.
    #[arg(long, default_value = "128x72", value_parser = super::parse_size)]
    size: (u32, u32),
    /// Of the first episode; the next ones count up. From 1,000,000 up they are for evaluation alone.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the episodes. Those that are there already are left as they are.
    #[arg(long, default_value = "data/train")]
    out: PathBuf,
    /// Scripted motion for `reverie eval --display` instead of bots: a fast turn, a walk and thrown bodies for each
    /// seed, 20 frames a second, seen 1.25 times as wide as the display will be. Give `--size 800x450`.
    #[arg(long)]
    display: bool,
    /// Pictures that show a fault on purpose, for `reverie guard bench`; the recorded states stay true. Classes in turn, one
    /// an episode: erase, duplicate, intrude, lift, freeze, scale, jitter, material, open_wall, walk_through, teleport,
    /// drift; all if none is named.
    #[arg(long, value_delimiter = ',', num_args = 0.., value_name = "LIST", conflicts_with = "display")]
    faults: Option<Vec<String>>,
    /// One style for all, instead of blends: noon, dusk, night, fog or snow.
    #[arg(long)]
    style: Option<String>,
    /// A `.level.ron` or a picture of a plan in place of courtyards; given several times, the episodes take turns.
    #[arg(long = "level", value_name = "FILE")]
    levels: Vec<PathBuf>,
    /// Record every Nth episode only, beginning with the one given as `--part`: for several processes at once.
    #[arg(long, default_value_t = 1)]
    parts: u64,
    /// Which part this process records.
    #[arg(long, default_value_t = 0)]
    part: u64,
    /// Writes counts and speed here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl RecordArgs {
    /// Records what is missing.
    ///
    /// # Errors
    /// One line for the user.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        super::doctor::require_adapter()?;
        let style = match &self.style {
            None => None,
            Some(name) => Some(StyleWeights::pure(name).ok_or_else(|| {
                format!("there is no style `{name}`; choose one of {}", STYLE_NAMES.join(", "))
            })?),
        };
        let levels = self
            .levels
            .iter()
            .map(|path| Ok(Arc::new(LevelSource::new(path).read()?.level)))
            .collect::<Result<Vec<_>, SourceError>>()?;
        if self.frames == 0 || self.parts == 0 {
            return Err("--frames and --parts must be at least 1".into());
        }
        let Some(end) = self.seed.checked_add(self.episodes) else {
            return Err("--seed and --episodes together are too large".into());
        };
        std::fs::create_dir_all(&self.out).map_err(|e| {
            format!("cannot create {}: {e}; choose another --out", self.out.display())
        })?;
        let classes = self.fault_classes()?;
        let motions: Vec<Option<Motion>> =
            if self.display { Motion::ALL.map(Some).to_vec() } else { vec![None] };
        let fault = |seed: u64| classes.get((seed % classes.len().max(1) as u64) as usize).copied();
        let all: Vec<Take> = (self.seed..end)
            .filter(|seed| seed % self.parts == self.part % self.parts)
            .flat_map(|seed| {
                let fault = fault(seed);
                motions.iter().map(move |motion| Take { seed, motion: *motion, fault })
            })
            .collect();
        let wanted: Vec<Take> =
            all.iter().copied().filter(|take| !self.out.join(take.name()).is_dir()).collect();
        say!(
            "{} of {} episodes to record in {}",
            wanted.len(),
            self.episodes * motions.len() as u64,
            self.out.display()
        );
        let start = Instant::now();
        if !wanted.is_empty() {
            self.record(&wanted, &levels, style)?;
        }
        let seconds = start.elapsed().as_secs_f64();
        let sheet = self.contact_sheet()?;
        say!("contact sheet: {}", sheet.display());
        if let Some(path) = &self.json {
            let frames = wanted.len() as u64 * u64::from(self.frames);
            let figures = json!({
                "episodes": wanted.len(), "frames": frames, "seconds": seconds,
                "frames_per_s": frames as f64 / seconds, "sheet": sheet,
            });
            super::write_json(path, &figures)?;
        }
        Ok(())
    }

    fn record(
        &self,
        takes: &[Take],
        levels: &[Arc<Level>],
        style: Option<StyleWeights>,
    ) -> Result<(), Box<dyn Error>> {
        let mut app = self.app(takes[0].seed);
        prepare_to_step(&mut app);
        let mut waits = 0;
        while !app.world().resource::<Recorder>().is_ready() {
            app.update();
            mark_camera(&mut app, self.display);
            waits += 1;
            if waits > MOST_WAITS {
                return Err(
                    "the renderer delivers no pictures; `reverie doctor` says what is missing"
                        .into(),
                );
            }
        }
        let bar = ProgressBar::new(takes.len() as u64 * u64::from(self.frames));
        bar.set_style(ProgressStyle::with_template(
            "{bar:40} {pos}/{len} frames  {per_sec}  {eta} left  {msg}",
        )?);
        let start = Instant::now();
        for (index, take) in takes.iter().enumerate() {
            let seed = take.seed;
            let plan = Weather::new(seed, style);
            plan.apply(&mut app, 0.0);
            app.insert_resource(PlayerAction::default());
            let level = levels.get(seed as usize % levels.len().max(1));
            match level {
                Some(level) => enter_level(app.world_mut(), level.clone(), seed),
                None => new_courtyard(app.world_mut(), seed),
            }
            for _ in 0..SETTLE_UPDATES {
                self.update(&mut app)?;
            }
            app.world_mut().resource_mut::<Recorder>().begin(EpisodeStart {
                name: take.name(),
                seed,
                layout_seed: seed,
                generator: format!(
                    "reverie {} {}",
                    env!("CARGO_PKG_VERSION"),
                    level.map_or("courtyard", |level| level.name.as_str())
                ),
            })?;
            let mut misdrawer = take.fault.map(|class| Misdrawer::new(class, seed, self.size));
            for frame in 0..self.frames {
                plan.apply(&mut app, frame as f32 / self.frames as f32);
                if let Some(motion) = take.motion {
                    app.insert_resource(motion.action(frame));
                    motion.stage(app.world_mut(), frame);
                }
                if let Some(misdrawer) = &mut misdrawer {
                    misdrawer.stage(app.world_mut(), frame);
                }
                self.update(&mut app)?;
                if let Some(misdrawer) = &mut misdrawer {
                    misdrawer.look(app.world_mut(), frame)?;
                }
                bar.inc(1);
            }
            let hash = app.world().resource::<PhysicsHash>().value;
            let nothing_fit = misdrawer.is_some_and(|m| !m.finish(app.world_mut()));
            let mut recorder = app.world_mut().resource_mut::<Recorder>();
            if nothing_fit {
                recorder.discard();
                bar.suspend(|| say!("{}: no body was fit for the fault, not kept", take.name()));
            } else {
                recorder.end(Some(hash));
            }
            if bar.is_hidden() && (index + 1).is_multiple_of(20) {
                let done = (index + 1) as f64 * f64::from(self.frames);
                let speed = done / start.elapsed().as_secs_f64();
                say!("{} of {} episodes, {speed:.1} frames/s", index + 1, takes.len());
            }
        }
        for _ in 0..MOST_WAITS {
            if app.world().resource::<Recorder>().frames_in_flight() == 0 {
                break;
            }
            self.update(&mut app)?;
        }
        self.update(&mut app)?;
        bar.finish();
        Ok(())
    }

    fn app(&self, seed: u64) -> App {
        let log = LogPlugin {
            level: bevy::log::Level::WARN,
            filter: "wgpu_hal=error,wgpu_core=error".into(),
            ..LogPlugin::default()
        };
        let mut app = App::new();
        app.add_plugins(headless().set(log))
            .add_plugins(RecorderPlugin {
                out: self.out.clone(),
                size: UVec2::new(self.size.0, self.size.1),
                ticks_per_frame: if self.display { 3 } else { 6 },
                start: RecorderStart::ByHand,
                lockstep: true,
                ..RecorderPlugin::default()
            })
            .add_plugins(CourtyardPlugin {
                seed,
                bot: !self.display,
                ..CourtyardPlugin::default()
            });
        app
    }

    /// One recorded frame; an episode that could not be written ends the run.
    fn update(&self, app: &mut App) -> Result<(), Box<dyn Error>> {
        app.update();
        for done in app.world_mut().resource_mut::<Messages<EpisodeDone>>().drain() {
            if !matches!(done.result, Err(RecorderError::Discarded)) {
                done.result.map_err(|e| format!("episode {}: {e}", done.name))?;
            }
        }
        Ok(())
    }

    /// Of `--faults`; none without it, all where none is named.
    fn fault_classes(&self) -> Result<Vec<FaultClass>, String> {
        let Some(names) = &self.faults else { return Ok(Vec::new()) };
        if names.is_empty() {
            return Ok(FaultClass::ALL.to_vec());
        }
        names.iter().map(|name| super::fault_class(name)).collect()
    }

    fn contact_sheet(&self) -> Result<PathBuf, Box<dyn Error>> {
        let episodes = list_episodes(&self.out)?;
        let step = (episodes.len() / SHEET).max(1);
        let chosen: Vec<PathBuf> = episodes.into_iter().step_by(step).take(SHEET).collect();
        let path = self.out.join("sheet.png");
        write_png(&path, &episodes_sheet(&chosen, 6)?)?;
        Ok(path)
    }
}

/// One episode to be.
#[derive(Debug, Clone, Copy)]
struct Take {
    seed: u64,
    /// A bot plays if there is none.
    motion: Option<Motion>,
    /// What the pictures show wrong.
    fault: Option<FaultClass>,
}

impl Take {
    fn name(&self) -> String {
        let what = match (self.motion, self.fault) {
            (Some(motion), _) => motion.name(),
            (None, Some(fault)) => fault.name(),
            (None, None) => "courtyard",
        };
        format!("{what}_{:07}", self.seed)
    }
}

/// Puts the recorder's mark on the courtyard's camera as soon as there is one, and widens its view for `--display`.
fn mark_camera(app: &mut App, widen: bool) {
    let world = app.world_mut();
    let cameras: Vec<_> = world
        .query_filtered::<bevy::ecs::entity::Entity, With<CourtyardCamera>>()
        .iter(world)
        .collect();
    for camera in cameras {
        if world.get::<RecordCamera>(camera).is_none() {
            world.entity_mut(camera).insert((RecordCamera::default(), Msaa::Sample4));
            if let Some(mut projection) = world.get_mut::<Projection>(camera)
                && let Projection::Perspective(perspective) = &mut *projection
                && widen
            {
                perspective.fov = 2.0 * (RECORD_MARGIN * (0.5 * perspective.fov).tan()).atan();
            }
        }
    }
}

/// The weather of an episode: often plain, often a blend, now and then changing.
struct Weather {
    from: StyleWeights,
    to: StyleWeights,
}

impl Weather {
    fn new(seed: u64, fixed: Option<StyleWeights>) -> Self {
        if let Some(style) = fixed {
            return Self { from: style, to: style };
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x57E1);
        let from = Self::blend(&mut rng);
        let to = if rng.random_bool(0.15) { Self::blend(&mut rng) } else { from };
        Self { from, to }
    }

    fn blend(rng: &mut ChaCha8Rng) -> StyleWeights {
        // Clear daylight is what games show most.
        let pure = |rng: &mut ChaCha8Rng| {
            let mut weights = [0.0; STYLE_NAMES.len()];
            let index =
                if rng.random_bool(0.3) { 0 } else { rng.random_range(0..STYLE_NAMES.len()) };
            weights[index] = 1.0;
            weights
        };
        let (a, b) = (pure(rng), pure(rng));
        let share: f32 = if rng.random_bool(0.6) { 0.0 } else { rng.random_range(0.1..0.6) };
        StyleWeights(std::array::from_fn(|i| a[i] * (1.0 - share) + b[i] * share)).normalized()
    }

    /// `at` 0 to 1 through the episode.
    fn apply(&self, app: &mut App, at: f32) {
        let blend = std::array::from_fn(|i| self.from.0[i] * (1.0 - at) + self.to.0[i] * at);
        let weights = StyleWeights(blend).normalized();
        let world = app.world_mut();
        if let Some(mut style) = world.get_resource_mut::<CourtyardStyle>()
            && style.weights != weights
        {
            style.weights = weights;
        }
        for mut camera in world.query::<&mut RecordCamera>().iter_mut(world) {
            camera.style = weights;
        }
    }
}
