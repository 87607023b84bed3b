//! `reverie eval`: a model against the truth and against its baselines.

use std::error::Error;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use reverie_runtime::eval::display::{DisplayOptions, evaluate_display};
use reverie_runtime::eval::memory::returns::Row;
use reverie_runtime::eval::memory::script::Way;
use reverie_runtime::eval::memory::{MemoryOptions, evaluate_memory};
use reverie_runtime::eval::rows::RowKind;
use reverie_runtime::eval::run::{EvalOptions, evaluate};

/// Arguments of `reverie eval`.
#[derive(Debug, clap::Args)]
pub struct EvalArgs {
    /// Folder of episodes that the model never saw: 20 frames of prompt, and up to 256 after it.
    #[arg(long, default_value = "data/eval", value_name = "DIR")]
    data: PathBuf,
    /// What the player's screen makes of the pictures instead: late warp and guided upsample, on episodes of
    /// `reverie record --display`.
    #[arg(long)]
    display: bool,
    /// With `--display`: how much further than the screen the model's pictures see; several to compare them.
    #[arg(long, value_delimiter = ',', default_values_t = [1.15], value_name = "LIST")]
    overscan: Vec<f32>,
    /// With `--display`: display frames by which the model's view looks ahead; several to compare them.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1], value_name = "LIST")]
    lead: Vec<usize>,
    /// With `--display`: pictures of the model per second.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 20], value_name = "LIST")]
    model_fps: Vec<u32>,
    /// With `--display`: only true pictures as source, not the model's.
    #[arg(long)]
    true_only: bool,
    /// Card of the model.
    #[arg(long, default_value = "assets/models/courtyard.world.ron", value_name = "CARD")]
    model: PathBuf,
    /// At most so many episodes, the first by name.
    #[arg(long, value_name = "N")]
    episodes: Option<usize>,
    /// At most so many frames after the prompt.
    #[arg(long, default_value_t = 256, value_name = "N")]
    frames: usize,
    /// Numbers of denoising steps to compare; nothing after it for none.
    #[arg(long, value_delimiter = ',', num_args = 0.., default_values_t = [1, 2, 4], value_name = "LIST")]
    steps: Vec<u32>,
    /// Rows, such as warp_paint,autoregressive; all if not given.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    rows: Vec<RowKind>,
    /// Folder of the pictures.
    #[arg(long, default_value = "runs/eval", value_name = "DIR")]
    out: PathBuf,
    /// Writes all figures here instead of eval.json or memory.json beside the pictures.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Threads of the network on a CPU. One is what a game has to spare, and best on a busy machine.
    #[arg(long, default_value_t = 1, value_name = "N")]
    threads: usize,
    /// Of the sampler's noise, and of the looks of worlds without a prompt.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Measures the memory instead: returns to places, changes while unseen, views that stay.
    #[arg(long)]
    memory: bool,
    /// With --memory: absences in seconds, one after another.
    #[arg(long, value_delimiter = ',', default_values_t = [10.0, 60.0, 300.0], value_name = "LIST")]
    seconds: Vec<f32>,
    /// With --memory: rows at returns, such as memory,no_memory; all if not given.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    memory_rows: Vec<Row>,
    /// With --memory: how the camera leaves.
    #[arg(long, value_delimiter = ',', default_values = ["turn", "walk"], value_name = "LIST")]
    ways: Vec<Way>,
    /// With --memory: tints given, withheld or both.
    #[arg(long, value_delimiter = ',', default_values = ["given", "withheld"], value_parser = ["given", "withheld"], value_name = "LIST")]
    tints: Vec<String>,
    /// With --memory: cases of bodies that change while unseen; 0 for none.
    #[arg(long, default_value_t = 100, value_name = "N")]
    events: usize,
    /// With --memory: frames of the view that stays; 0 for none, and for no episodes to and fro.
    #[arg(long, default_value_t = 6000, value_name = "N")]
    steady_frames: usize,
}

impl EvalArgs {
    /// Evaluates, prints the table, writes figures and pictures.
    ///
    /// # Errors
    /// One line for the user.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        std::fs::create_dir_all(&self.out).map_err(|e| {
            format!("cannot create {}: {e}; choose another --out", self.out.display())
        })?;
        if self.display {
            return self.run_display();
        }
        let bar = ProgressBar::new(1000);
        bar.set_style(ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed}  {msg}")?);
        let mut told = String::new();
        let mut progress = |what: &str, share: f64| {
            bar.set_position((1000.0 * share) as u64);
            bar.set_message(what.to_owned());
            // Without a terminal the bar is silent: a line for each episode goes to the log.
            let episode =
                if self.memory { what } else { what.split(',').next().unwrap_or_default() };
            if bar.is_hidden() && episode != told {
                say!("{:3.0} %  {episode}", 100.0 * share);
                told = episode.to_owned();
            }
        };
        if self.memory {
            let options = MemoryOptions {
                seconds: self.seconds.clone(),
                rows: if self.memory_rows.is_empty() {
                    Row::ALL.to_vec()
                } else {
                    self.memory_rows.clone()
                },
                ways: self.ways.clone(),
                tints: self.tints.iter().map(|tints| tints == "given").collect(),
                episodes: self.episodes,
                events: self.events,
                steady_frames: self.steady_frames,
                out: Some(self.out.clone()),
                threads: self.threads,
                seed: self.seed,
            };
            let report = evaluate_memory(&self.data, &self.model, &options, &mut progress)?;
            bar.finish_and_clear();
            say!("{}", report.table().trim_end());
            return self.write(
                serde_json::to_value(&report)?,
                "memory.json",
                report.pictures.len(),
            );
        }
        let options = EvalOptions {
            rows: if self.rows.is_empty() { RowKind::ALL.to_vec() } else { self.rows.clone() },
            episodes: self.episodes,
            frames: self.frames,
            steps: self.steps.clone(),
            out: Some(self.out.clone()),
            threads: self.threads,
            seed: self.seed,
        };
        let report = evaluate(&self.data, &self.model, &options, &mut progress)?;
        bar.finish_and_clear();
        say!("{}", report.table().trim_end());
        self.write(serde_json::to_value(&report)?, "eval.json", report.pictures.len())
    }

    fn write(
        &self,
        figures: serde_json::Value,
        name: &str,
        pictures: usize,
    ) -> Result<(), Box<dyn Error>> {
        let json = self.json.clone().unwrap_or_else(|| self.out.join(name));
        super::write_json(&json, &figures)?;
        say!("figures: {}", json.display());
        say!("pictures: {pictures} in {}", self.out.display());
        Ok(())
    }

    fn run_display(self) -> Result<(), Box<dyn Error>> {
        let options = DisplayOptions {
            episodes: self.episodes,
            overscans: self.overscan,
            leads: self.lead,
            model_fps: self.model_fps,
            with_model: !self.true_only,
            out: Some(self.out.clone()),
            ..DisplayOptions::default()
        };
        let report = evaluate_display(&self.data, &self.model, &options, &mut |what, share| {
            say!("{:3.0} %  {what}", 100.0 * share);
        })?;
        say!("{}", report.table().trim_end());
        let json = self.json.unwrap_or_else(|| self.out.join("display.json"));
        super::write_json(&json, &serde_json::to_value(&report)?)?;
        say!("figures: {}", json.display());
        say!("pictures: {} in {}", report.pictures.len(), self.out.display());
        Ok(())
    }
}
