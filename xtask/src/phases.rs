//! Steps of a longer run: timed, and shown in a table at the end.

use std::time::{Duration, Instant};

use crate::error::XtaskError;

/// Steps so far.
#[derive(Default)]
pub struct Phases {
    rows: Vec<(&'static str, Duration, bool)>,
}

impl Phases {
    /// Runs one step and notes its time; later steps may go on after one that failed.
    pub fn run(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> Result<(), XtaskError>,
    ) -> bool {
        println!("== {name}");
        let started = Instant::now();
        let result = step();
        let passed = result.is_ok();
        if let Err(error) = result {
            eprintln!("{name}: {error}");
        }
        self.rows.push((name, started.elapsed(), passed));
        passed
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut lines = String::from("\nphase          seconds\n");
        for (name, time, passed) in &self.rows {
            let mark = if *passed { "" } else { "  FAILED" };
            lines.push_str(&format!("{name:<12} {:>9.1}{mark}\n", time.as_secs_f32()));
        }
        let total: Duration = self.rows.iter().map(|(_, time, _)| *time).sum();
        lines.push_str(&format!("{:<12} {:>9.1}", "total", total.as_secs_f32()));
        lines
    }

    /// Prints the table.
    ///
    /// # Errors
    /// Names the steps that failed.
    pub fn finish(self) -> Result<(), XtaskError> {
        println!("{}", self.table());
        let failed: Vec<&str> =
            self.rows.iter().filter(|(_, _, passed)| !passed).map(|(name, _, _)| *name).collect();
        if failed.is_empty() { Ok(()) } else { Err(XtaskError::PhasesFailed(failed.join(", "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_run_and_is_named() {
        let mut phases = Phases::default();
        assert!(phases.run("good", || Ok(())));
        assert!(!phases.run("bad", || Err(XtaskError::NoCacheFolder)));
        assert!(phases.run("later", || Ok(())));
        assert!(phases.table().lines().any(|l| l.starts_with("bad") && l.ends_with("FAILED")));
        assert_eq!(phases.finish().unwrap_err().to_string(), "failed: bad");
    }
}
