//! `reverie guard`: the guard's thresholds, how well it tells right pictures from wrong ones, and what it does to play.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use reverie_guard::FaultClass;
use reverie_runtime::correct::GuardMode;
use reverie_runtime::eval::guard::bench::{BenchOptions, bench};
use reverie_runtime::eval::guard::calibrate::{CalibrateOptions, calibrate};
use reverie_runtime::eval::guard::play::{PlayOptions, play};
use reverie_runtime::observer::files::lend;
use reverie_runtime::request::DreamMode;

/// Arguments of `reverie guard`.
#[derive(Debug, clap::Args)]
pub struct GuardArgs {
    #[command(subcommand)]
    command: GuardCommand,
}

#[derive(Debug, Subcommand)]
enum GuardCommand {
    /// Puts the thresholds by clean episodes of training seeds and writes them into the model card.
    Calibrate(CalibrateArgs),
    /// Measures detection and false alarms on held-out episodes, clean and with faults on purpose.
    Bench(BenchArgs),
    /// Plays held-out episodes with the guard off, observing and correcting, anchored and dreamed, and measures what is shown.
    Play(PlayArgs),
}

#[derive(Debug, clap::Args)]
struct CalibrateArgs {
    /// Folder of clean episodes with seeds below 1,000,000 that the observer was not trained on: it errs less where it has
    /// learnt.
    #[arg(long, default_value = "data/calibrate", value_name = "DIR")]
    data: PathBuf,
    /// Card of the model; it gets the thresholds.
    #[arg(long, default_value = "assets/models/courtyard.world.ron", value_name = "CARD")]
    model: PathBuf,
    /// The model gets the observer of this card first: one of pictures as large, or a whole number of times smaller.
    #[arg(long, value_name = "CARD")]
    observer_of: Option<PathBuf>,
    /// Most episodes of true renders.
    #[arg(long, default_value_t = 120, value_name = "N")]
    renders: usize,
    /// Most episodes that the model plays.
    #[arg(long, default_value_t = 60, value_name = "N")]
    dreams: usize,
    /// Wanted false alarms in ten minutes of clean play, of all checks together.
    #[arg(long, default_value_t = 1.0, value_name = "N")]
    alarms: f32,
    /// Writes the thresholds here as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct BenchArgs {
    /// Folder of clean episodes with seeds from 1,000,000 up.
    #[arg(long, default_value = "data/eval", value_name = "DIR")]
    data: PathBuf,
    /// Folder of episodes of `reverie record --faults`, with seeds from 1,000,000 up.
    #[arg(long, value_name = "DIR")]
    faults: Option<PathBuf>,
    /// Card of the model.
    #[arg(long, default_value = "assets/models/courtyard.world.ron", value_name = "CARD")]
    model: PathBuf,
    /// Faults that the model is made to show, such as erase,lift; all if not given.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    classes: Vec<String>,
    /// Cases of each fault and strength in pictures of the model.
    #[arg(long, default_value_t = 12, value_name = "N")]
    cases: usize,
    /// Pixels that a body must have in sight when its fault begins.
    #[arg(long, default_value_t = 16, value_name = "N")]
    least_pixels: usize,
    /// Most frames of each clean episode.
    #[arg(long, value_name = "N")]
    frames: Option<usize>,
    /// Of the choice of faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of plots and of pictures of hits and misses.
    #[arg(long, default_value = "runs/guard", value_name = "DIR")]
    out: PathBuf,
    /// Writes all figures here instead of guard.json beside the pictures.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct PlayArgs {
    /// Folder of clean episodes with seeds from 1,000,000 up.
    #[arg(long, default_value = "data/eval", value_name = "DIR")]
    data: PathBuf,
    /// Card of the model.
    #[arg(long, default_value = "assets/models/m-tiny.world.ron", value_name = "CARD")]
    model: PathBuf,
    /// Following the shadow, without it after 20 frames, or both.
    #[arg(long, value_delimiter = ',', default_value = "anchored,dream", value_name = "LIST")]
    modes: Vec<String>,
    /// What the guard may do, one run for each.
    #[arg(long, value_delimiter = ',', default_value = "off,observe,correct", value_name = "LIST")]
    guards: Vec<String>,
    /// At most so many episodes, the first by name.
    #[arg(long, value_name = "N")]
    episodes: Option<usize>,
    /// Most frames of each.
    #[arg(long, value_name = "N")]
    frames: Option<usize>,
    /// Milliseconds from a request until its picture is due: a correction that takes longer gives way to a cheaper one.
    #[arg(long, default_value_t = 100.0, value_name = "MS")]
    deadline: f32,
    /// Folder of the strips.
    #[arg(long, default_value = "runs/guard", value_name = "DIR")]
    out: PathBuf,
    /// Writes all figures here instead of play.json beside the strips.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl GuardArgs {
    /// Calibrates or measures.
    ///
    /// # Errors
    /// One line for the user.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        match self.command {
            GuardCommand::Calibrate(args) => args.run(),
            GuardCommand::Bench(args) => args.run(),
            GuardCommand::Play(args) => args.run(),
        }
    }
}

impl CalibrateArgs {
    fn run(self) -> Result<(), Box<dyn Error>> {
        if !(self.alarms > 0.0 && self.alarms.is_finite()) {
            return Err(format!("--alarms is {}; it must be positive", self.alarms).into());
        }
        let options = CalibrateOptions {
            episodes: [self.renders, self.dreams],
            alarms_per_10_min: self.alarms,
            ..CalibrateOptions::default()
        };
        if let Some(lender) = &self.observer_of {
            lend(lender, &self.model)?;
        }
        let mut watch = Progress::new()?;
        let calibration = calibrate(&self.data, &self.model, &options, &mut |what, share| {
            watch.see(what, share)
        })?;
        watch.bar.finish_and_clear();
        say!("{}", calibration.summary().trim_end());
        say!("thresholds: in {}", self.model.display());
        if let Some(path) = &self.json {
            super::write_json(path, &serde_json::to_value(&calibration)?)?;
        }
        Ok(())
    }
}

impl BenchArgs {
    fn run(self) -> Result<(), Box<dyn Error>> {
        let classes = self
            .classes
            .iter()
            .map(|name| super::fault_class(name))
            .collect::<Result<Vec<_>, String>>()?;
        make_folder(&self.out)?;
        let options = BenchOptions {
            faults: self.faults,
            classes: if classes.is_empty() { FaultClass::ALL.to_vec() } else { classes },
            cases: self.cases,
            least_pixels: self.least_pixels,
            clean_frames: self.frames.unwrap_or(usize::MAX),
            out: Some(self.out.clone()),
            seed: self.seed,
            ..BenchOptions::default()
        };
        let mut watch = Progress::new()?;
        let report =
            bench(&self.data, &self.model, &options, &mut |what, share| watch.see(what, share))?;
        watch.bar.finish_and_clear();
        say!("{}", report.table().trim_end());
        let json = self.json.unwrap_or_else(|| self.out.join("guard.json"));
        tell(&json, &report, report.pictures.len(), &self.out)
    }
}

impl PlayArgs {
    fn run(self) -> Result<(), Box<dyn Error>> {
        if self.deadline.is_nan() || self.deadline < 0.0 {
            return Err(
                format!("--deadline is {} ms; it must not be negative", self.deadline).into()
            );
        }
        let modes = named(&self.modes, "--modes", &MODES)?;
        let guards = named(&self.guards, "--guards", &GUARDS)?;
        make_folder(&self.out)?;
        let options = PlayOptions {
            modes,
            guards,
            episodes: self.episodes.unwrap_or(usize::MAX),
            frames: self.frames.unwrap_or(usize::MAX),
            deadline_ms: self.deadline,
            out: Some(self.out.clone()),
        };
        let mut watch = Progress::new()?;
        let report =
            play(&self.data, &self.model, &options, &mut |what, share| watch.see(what, share))?;
        watch.bar.finish_and_clear();
        say!("{}", report.table().trim_end());
        let json = self.json.unwrap_or_else(|| self.out.join("play.json"));
        tell(&json, &report, report.pictures.len(), &self.out)
    }
}

fn make_folder(out: &Path) -> Result<(), String> {
    std::fs::create_dir_all(out)
        .map_err(|e| format!("cannot create {}: {e}; choose another --out", out.display()))
}

/// Writes the figures, and says where they and the pictures are.
fn tell(
    json: &Path,
    report: &impl serde::Serialize,
    pictures: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    super::write_json(json, &serde_json::to_value(report)?)?;
    say!("figures: {}", json.display());
    say!("pictures: {pictures} in {}", out.display());
    Ok(())
}

const MODES: [(&str, DreamMode); 2] =
    [("anchored", DreamMode::Anchored), ("dream", DreamMode::Dream)];
const GUARDS: [(&str, GuardMode); 3] =
    [("off", GuardMode::Off), ("observe", GuardMode::Observe), ("correct", GuardMode::Correct)];

/// Values by their names.
fn named<T: Copy>(
    names: &[String],
    option: &str,
    known: &[(&str, T)],
) -> Result<Vec<T>, Box<dyn Error>> {
    let all = || known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let find = |name: &String| {
        let found = known.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        found.ok_or_else(|| format!("{option} has `{name}`; choose among {}", all()).into())
    };
    names.iter().map(find).collect()
}

struct Progress {
    bar: ProgressBar,
    told: String,
}

impl Progress {
    fn new() -> Result<Self, Box<dyn Error>> {
        let bar = ProgressBar::new(1000);
        bar.set_style(ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed}  {msg}")?);
        Ok(Self { bar, told: String::new() })
    }

    fn see(&mut self, what: &str, share: f64) {
        self.bar.set_position((1000.0 * share) as u64);
        self.bar.set_message(what.to_owned());
        // Without a terminal the bar is silent: a line for each stage goes to the log.
        if self.bar.is_hidden() && what != self.told {
            say!("{:3.0} %  {what}", 100.0 * share);
            self.told = what.to_owned();
        }
    }
}
