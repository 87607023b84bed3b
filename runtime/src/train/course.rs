//! The bookkeeping of a training loop: what each step adds to the ledger, and what is told of it.

use std::time::Instant;

use super::state::Ledger;
use super::trainer::TrainError;

/// Steps between entries of the loss history.
const HISTORY_STEPS: u64 = 20;
/// Steps with a loss or gradient that is not finite before the run gives up.
const MOST_BAD_STEPS: u32 = 50;

/// A run under way.
pub(crate) struct Course {
    step_at: Instant,
    recent: f64,
    recent_steps: u64,
    bad_steps: u32,
    window_at: Instant,
    window_samples: u64,
}

impl Course {
    /// Goes on from `ledger`.
    pub fn new(ledger: &Ledger) -> Self {
        let now = Instant::now();
        Self {
            step_at: now,
            recent: 0.0,
            recent_steps: 0,
            bad_steps: 0,
            window_at: now,
            window_samples: ledger.samples,
        }
    }

    /// Takes a step over `batch` samples into the ledger, `loss` not finite if it was skipped; `steps` is the optimizer's
    /// count. Every few steps gives the mean loss and the samples per second since the last time.
    ///
    /// # Errors
    /// Too many steps in a row were skipped; `peak_rate` is the recipe's learning rate, for the message.
    pub fn step(
        &mut self,
        ledger: &mut Ledger,
        loss: f64,
        steps: u64,
        batch: usize,
        peak_rate: f64,
    ) -> Result<Option<(f64, f64)>, TrainError> {
        if loss.is_finite() {
            self.bad_steps = 0;
            self.recent += loss;
            self.recent_steps += 1;
        } else {
            self.bad_steps += 1;
            if self.bad_steps >= MOST_BAD_STEPS {
                return Err(TrainError::Diverged {
                    steps: self.bad_steps,
                    learning_rate: peak_rate,
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
        Ok(Some((mean, samples_per_s)))
    }

    /// Mean loss of the steps since the last entry of the history, or that entry.
    pub fn last_loss(&self, ledger: &Ledger) -> f64 {
        if self.recent_steps > 0 {
            return self.recent / self.recent_steps as f64;
        }
        ledger.losses.last().map_or(f64::NAN, |entry| entry.1)
    }

    /// Since the last entry of the history.
    pub fn samples_per_s(&self, ledger: &Ledger) -> f64 {
        (ledger.samples - self.window_samples) as f64 / self.window_at.elapsed().as_secs_f64()
    }
}
