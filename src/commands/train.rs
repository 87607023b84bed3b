//! `reverie train`: from episodes to a model, to a model's observer or to an autoencoder, resumable.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use reverie_runtime::eval::plot::{LinePlot, Series};
use reverie_runtime::observer::recipe::ObserverRecipe;
use reverie_runtime::observer::train::train_observer;
use reverie_runtime::train::latent::autoencoder::train_autoencoder;
use reverie_runtime::train::latent::dreamer::train_dreamer;
use reverie_runtime::train::latent::dreamer_recipe::DreamerRecipe;
use reverie_runtime::train::latent::recipe::AutoencoderRecipe;
use reverie_runtime::train::{Progress, Recipe, train};
use serde_json::json;

/// Between two lines of a log.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    /// The world model.
    Model,
    /// The guard's eye, for the pictures of a world model that is there already.
    Observer,
    /// Pictures to latents and back: the first stage of model M.
    Autoencoder,
    /// The transformer of model M, over the latents of an autoencoder.
    Dreamer,
}

/// Arguments of `reverie train`.
#[derive(Debug, clap::Args)]
pub struct TrainArgs {
    /// Recipe, a RON file; its fields are listed in docs/TRAINING.md.
    recipe: PathBuf,
    /// What is trained, and what the recipe is for.
    #[arg(long, value_enum, default_value = "model")]
    stage: Stage,
    /// Instead of the recipe's device: cpu, cuda or mps.
    #[arg(long)]
    device: Option<String>,
    /// Instead of the recipe's minutes.
    #[arg(long)]
    minutes: Option<f64>,
    /// Instead of the recipe's folder for results.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Writes steps, samples, loss and speed here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl TrainArgs {
    /// Trains until the recipe's minutes are spent or Ctrl-C; both leave a state to resume from.
    ///
    /// # Errors
    /// One line for the user.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let stop = Arc::new(AtomicBool::new(false));
        let on_signal = stop.clone();
        match self.stage {
            Stage::Model => {
                let mut recipe = Recipe::load(&self.recipe)?;
                self.put_into(&mut recipe.device, &mut recipe.minutes, &mut recipe.out);
                ctrlc::set_handler(move || on_signal.store(true, Ordering::Relaxed))?;
                let command = format!("reverie train {}", self.recipe.display());
                let mut watch =
                    Watch::new(&recipe.name, &recipe.device, recipe.minutes, &recipe.out)?;
                let card = train(&recipe, &command, &stop, |progress| watch.see(progress))?;
                watch.finish(&card, self.json.as_deref())
            }
            Stage::Observer => {
                let mut recipe = ObserverRecipe::load(&self.recipe)?;
                self.put_into(&mut recipe.device, &mut recipe.minutes, &mut recipe.out);
                ctrlc::set_handler(move || on_signal.store(true, Ordering::Relaxed))?;
                let command = format!("reverie train --stage observer {}", self.recipe.display());
                let mut watch =
                    Watch::new("observer", &recipe.device, recipe.minutes, &recipe.out)?;
                let bar = watch.bar.clone();
                let mut scoring = |what: &str, share: f64| {
                    bar.set_message(format!("scoring {what}, {:.0} %", 100.0 * share));
                };
                let report = |progress: &Progress| watch.see(progress);
                let card = train_observer(&recipe, &command, &stop, report, &mut scoring)?;
                watch.finish(&card, self.json.as_deref())
            }
            Stage::Autoencoder => {
                let mut recipe = AutoencoderRecipe::load(&self.recipe)?;
                self.put_into(&mut recipe.device, &mut recipe.minutes, &mut recipe.out);
                ctrlc::set_handler(move || on_signal.store(true, Ordering::Relaxed))?;
                let command =
                    format!("reverie train --stage autoencoder {}", self.recipe.display());
                let mut watch =
                    Watch::new("autoencoder", &recipe.device, recipe.minutes, &recipe.out)?;
                let report = |progress: &Progress| watch.see(progress);
                let card = train_autoencoder(&recipe, &command, &stop, report)?;
                watch.finish(&card, self.json.as_deref())
            }
            Stage::Dreamer => {
                let mut recipe = DreamerRecipe::load(&self.recipe)?;
                self.put_into(&mut recipe.device, &mut recipe.minutes, &mut recipe.out);
                ctrlc::set_handler(move || on_signal.store(true, Ordering::Relaxed))?;
                let command = format!("reverie train --stage dreamer {}", self.recipe.display());
                let mut watch =
                    Watch::new(&recipe.name, &recipe.device, recipe.minutes, &recipe.out)?;
                let report = |progress: &Progress| watch.see(progress);
                let card = train_dreamer(&recipe, &command, &stop, report)?;
                watch.finish(&card, self.json.as_deref())
            }
        }
    }

    /// What the command line says in place of the recipe.
    fn put_into(&self, device: &mut String, minutes: &mut f64, out: &mut PathBuf) {
        if let Some(wanted) = &self.device {
            device.clone_from(wanted);
        }
        *minutes = self.minutes.unwrap_or(*minutes);
        if let Some(wanted) = &self.out {
            out.clone_from(wanted);
        }
    }
}

/// Shows how a training goes.
struct Watch {
    bar: ProgressBar,
    plot: PathBuf,
    last: Option<Progress>,
    /// Damaged states that were told of.
    passed_over: usize,
    /// When a line went to the log.
    told_at: Instant,
}

impl Watch {
    fn new(what: &str, device: &str, minutes: f64, out: &Path) -> Result<Self, Box<dyn Error>> {
        say!(
            "training `{what}` on {device} for {minutes} min; results in {}; Ctrl-C stops and saves",
            out.display()
        );
        let bar = ProgressBar::new(1000);
        bar.set_style(ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}")?);
        Ok(Self {
            bar,
            plot: out.join("loss.png"),
            last: None,
            passed_over: 0,
            told_at: Instant::now(),
        })
    }

    fn see(&mut self, progress: &Progress) {
        self.bar.set_position((1000.0 * progress.done) as u64);
        self.bar.set_message(message(progress));
        // Without a terminal the bar is silent: a line now and then goes to the log.
        let ledger = &progress.ledger;
        for line in ledger.passed_over.iter().skip(self.passed_over) {
            self.bar.suspend(|| say!("{line}"));
        }
        self.passed_over = ledger.passed_over.len();
        if self.bar.is_hidden() && self.told_at.elapsed() > LOG_EVERY {
            self.told_at = Instant::now();
            say!("{:.1} min  {}", ledger.trained_s / 60.0, message(progress));
        }
        if (ledger.steps / 20).is_multiple_of(25)
            && let Err(error) = loss_plot(progress).save(&self.plot)
        {
            self.bar.println(format!("no loss plot: {error}"));
        }
        self.last = Some(progress.clone());
    }

    fn finish(self, card: &Path, json: Option<&Path>) -> Result<(), Box<dyn Error>> {
        self.bar.finish();
        say!("model: {}", card.display());
        if let Some(progress) = &self.last {
            loss_plot(progress).save(&self.plot)?;
            say!("loss plot: {}", self.plot.display());
        }
        if let Some(path) = json {
            let ledger = self.last.map(|p| p.ledger).unwrap_or_default();
            let figures = json!({
                "card": card, "steps": ledger.steps, "samples": ledger.samples, "trained_s": ledger.trained_s,
                "runs": ledger.runs, "loss": ledger.losses.last().map(|l| l.1),
            });
            super::write_json(path, &figures)?;
        }
        Ok(())
    }
}

fn message(p: &Progress) -> String {
    let critic = p.critic.map(|skill| format!("  critic tells {:.0} %", 100.0 * skill));
    format!(
        "step {}  loss {:.5}{}  {:.1} samples/s  {} samples  lr {:.1e}",
        p.ledger.steps,
        p.loss,
        critic.unwrap_or_default(),
        p.samples_per_s,
        p.ledger.samples,
        p.learning_rate
    )
}

fn loss_plot(progress: &Progress) -> LinePlot {
    let points = progress.ledger.losses.iter().map(|(step, loss)| (*step as f64, *loss)).collect();
    LinePlot {
        title: "training loss".to_owned(),
        x_label: "step".to_owned(),
        y_label: "loss".to_owned(),
        log_y: true,
        series: vec![Series { name: "loss".to_owned(), points }],
    }
}
