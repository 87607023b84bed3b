//! `reverie train`: from episodes to a model, resumable.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use reverie_runtime::eval::plot::{LinePlot, Series};
use reverie_runtime::train::{Progress, Recipe, train};
use serde_json::json;

/// Arguments of `reverie train`.
#[derive(Debug, clap::Args)]
pub struct TrainArgs {
    /// Recipe, a RON file; its fields are listed in docs/TRAINING.md.
    recipe: PathBuf,
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
        let mut recipe = Recipe::load(&self.recipe)?;
        recipe.device = self.device.unwrap_or(recipe.device);
        recipe.minutes = self.minutes.unwrap_or(recipe.minutes);
        recipe.out = self.out.unwrap_or(recipe.out);
        let stop = Arc::new(AtomicBool::new(false));
        let on_signal = stop.clone();
        ctrlc::set_handler(move || on_signal.store(true, Ordering::Relaxed))?;
        println!(
            "training `{}` on {} for {} min; results in {}; Ctrl-C stops and saves",
            recipe.name,
            recipe.device,
            recipe.minutes,
            recipe.out.display()
        );
        let bar = ProgressBar::new(1000);
        bar.set_style(ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}")?);
        let command = format!("reverie train {}", self.recipe.display());
        let mut last: Option<Progress> = None;
        let plot = recipe.out.join("loss.png");
        let card = train(&recipe, &command, &stop, |progress| {
            bar.set_position((1000.0 * progress.done) as u64);
            bar.set_message(message(progress));
            // Without a terminal the bar is silent: a line now and then goes to the log.
            let ledger = &progress.ledger;
            if bar.is_hidden() && (ledger.steps / 20).is_multiple_of(10) {
                println!("{:.1} min  {}", ledger.trained_s / 60.0, message(progress));
            }
            if (ledger.steps / 20).is_multiple_of(25)
                && let Err(error) = loss_plot(progress).save(&plot)
            {
                bar.println(format!("no loss plot: {error}"));
            }
            last = Some(progress.clone());
        })?;
        bar.finish();
        println!("model: {}", card.display());
        if let Some(progress) = &last {
            loss_plot(progress).save(&plot)?;
            println!("loss plot: {}", plot.display());
        }
        if let Some(path) = &self.json {
            let ledger = last.map(|p| p.ledger).unwrap_or_default();
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
    format!(
        "step {}  loss {:.5}  {:.1} samples/s  {} samples  lr {:.1e}",
        p.ledger.steps, p.loss, p.samples_per_s, p.ledger.samples, p.learning_rate
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
