//! The bookkeeping of a training loop: what each step adds to the ledger, and what is told of it.

use std::time::Instant;

use super::state::Ledger;
use super::trainer::{Progress, TrainError, learning_rate};

/// Steps between entries of the loss history.
const HISTORY_STEPS: u64 = 20;
/// Steps with a loss or gradient that is not finite before the run gives up.
const MOST_BAD_STEPS: u32 = 50;

/// What a recipe says of its course.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Time spent training.
    pub minutes: f64,
    /// At its peak.
    pub learning_rate: f64,
    pub warmup_steps: u64,
}

/// A run under way.
pub(crate) struct Course {
    plan: Plan,
    /// Share of the time, and the learning rate, of the step that is being taken.
    done: f64,
    rate: f64,
    step_at: Instant,
    recent: f64,
    recent_steps: u64,
    bad_steps: u32,
    window_at: Instant,
    window_samples: u64,
}

impl Course {
    /// Goes on from `ledger`.
    pub fn new(ledger: &Ledger, plan: Plan) -> Self {
        let now = Instant::now();
        Self {
            plan,
            done: 0.0,
            rate: 0.0,
            step_at: now,
            recent: 0.0,
            recent_steps: 0,
            bad_steps: 0,
            window_at: now,
            window_samples: ledger.samples,
        }
    }

    /// Learning rate of the step that comes after `steps` others.
    pub fn rate(&mut self, ledger: &Ledger, steps: u64) -> f64 {
        let Plan { minutes, learning_rate: peak, warmup_steps } = self.plan;
        self.done = ledger.trained_s / (60.0 * minutes);
        self.rate = learning_rate(peak, warmup_steps, steps, self.done);
        self.rate
    }

    /// Takes a step over `batch` samples into the ledger, `loss` not finite if it was skipped; `steps` is the optimizer's
    /// count. Every few steps gives what there is to report.
    ///
    /// # Errors
    /// Too many steps in a row were skipped.
    pub fn step(
        &mut self,
        ledger: &mut Ledger,
        loss: f64,
        steps: u64,
        batch: usize,
    ) -> Result<Option<Progress>, TrainError> {
        if loss.is_finite() {
            self.bad_steps = 0;
            self.recent += loss;
            self.recent_steps += 1;
        } else {
            self.bad_steps += 1;
            if self.bad_steps >= MOST_BAD_STEPS {
                return Err(TrainError::Diverged {
                    steps: self.bad_steps,
                    learning_rate: self.plan.learning_rate,
                });
            }
        }
        ledger.steps = steps;
        ledger.samples += batch as u64;
        ledger.trained_s += self.step_at.elapsed().as_secs_f64();
        self.step_at = Instant::now();
        if self.recent_steps < HISTORY_STEPS {
            return Ok(None);
        }
        let mean = self.recent / self.recent_steps as f64;
        ledger.losses.push((ledger.steps, mean));
        (self.recent, self.recent_steps) = (0.0, 0);
        let samples_per_s = self.samples_per_s(ledger);
        (self.window_at, self.window_samples) = (Instant::now(), ledger.samples);
        Ok(Some(self.progress(ledger.clone(), mean, samples_per_s)))
    }

    /// What there is to report at the end.
    pub fn end(&mut self, ledger: Ledger) -> Progress {
        self.rate(&ledger, ledger.steps);
        let (loss, samples_per_s) = (self.last_loss(&ledger), self.samples_per_s(&ledger));
        self.progress(ledger, loss, samples_per_s)
    }

    fn progress(&self, ledger: Ledger, loss: f64, samples_per_s: f64) -> Progress {
        let (learning_rate, done) = (self.rate, self.done.min(1.0));
        Progress { ledger, loss, learning_rate, samples_per_s, done, critic: None }
    }

    /// Mean loss of the steps since the last entry of the history, or that entry.
    fn last_loss(&self, ledger: &Ledger) -> f64 {
        if self.recent_steps > 0 {
            return self.recent / self.recent_steps as f64;
        }
        ledger.losses.last().map_or(f64::NAN, |entry| entry.1)
    }

    /// Since the last entry of the history.
    fn samples_per_s(&self, ledger: &Ledger) -> f64 {
        (ledger.samples - self.window_samples) as f64 / self.window_at.elapsed().as_secs_f64()
    }
}
