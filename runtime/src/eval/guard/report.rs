//! The guard's figures as a table and as plots.

use std::path::{Path, PathBuf};

use reverie_guard::FaultClass;

use super::GuardEvalError;
use super::bench::BenchReport;
use super::calibrate::Calibration;
use super::figures::{ClassFigures, WANTED};
use super::source::Source;
use crate::eval::plot::{LinePlot, Series};

/// Faults of what is there, and faults of where it is: twelve lines are too many for one plot.
const GROUPS: [(&str, [FaultClass; 6]); 2] = [
    (
        "what",
        [
            FaultClass::Erase,
            FaultClass::Duplicate,
            FaultClass::Scale,
            FaultClass::Material,
            FaultClass::OpenWall,
            FaultClass::WalkThrough,
        ],
    ),
    (
        "where",
        [
            FaultClass::Intrude,
            FaultClass::Lift,
            FaultClass::Freeze,
            FaultClass::Jitter,
            FaultClass::Teleport,
            FaultClass::Drift,
        ],
    ),
];

impl BenchReport {
    /// For the terminal.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let line = |out: &mut String, text: String| *out += &format!("{text}\n");
        let state = if self.calibrated { "calibrated" } else { "starting values, not calibrated" };
        line(&mut out, format!("guard of `{}`, thresholds: {state}", self.model));
        for (source, clean) in &self.clean {
            line(
                &mut out,
                format!(
                    "clean {source}: {} alarms in {:.0} s of play ({} pictures, {} of them shown to the observer), {:.1} in 10 min",
                    clean.alarms,
                    clean.played_s,
                    clean.frames,
                    percent(clean.looked),
                    clean.alarms_per_10_min
                ),
            );
        }
        line(
            &mut out,
            format!(
                "{:<13} {:<7} {:>6} {:>9} {:>15} {:>15} {:>10} {:>15} {:>7} {:>10}  first check",
                "fault",
                "picture",
                "cases",
                "detected",
                "full strength",
                "that show",
                "95 % from",
                "there",
                "delay",
                "precision"
            ),
        );
        for figures in &self.classes {
            line(&mut out, row(figures, percent));
        }
        for blindness in &self.blindness {
            line(
                &mut out,
                format!(
                    "erased from the {} picture, {} px and more: {} of {} reported absent",
                    blindness.source.name(),
                    blindness.least_px,
                    percent(blindness.reported_absent),
                    blindness.cases
                ),
            );
        }
        line(
            &mut out,
            format!(
                "pictures wait {:.1} ms (p95 {:.1}): observer {:.1} ms (p95 {:.1}) for {} of them, the rest {:.1} ms (p95 {:.1})",
                self.wait_ms[0],
                self.wait_ms[1],
                self.observe_ms[0],
                self.observe_ms[1],
                percent(self.looked),
                self.judge_ms[0],
                self.judge_ms[1]
            ),
        );
        out
    }

    /// Detection by strength and by visible size, for each source.
    pub(super) fn plots(&self, out: &Path) -> Result<Vec<PathBuf>, GuardEvalError> {
        let mut written = Vec::new();
        for source in Source::ALL {
            for (group, classes) in GROUPS {
                let of: Vec<&ClassFigures> = self
                    .classes
                    .iter()
                    .filter(|f| f.source == source && classes.contains(&f.class))
                    .collect();
                if of.is_empty() {
                    continue;
                }
                for (what, x_label, points) in [
                    ("strength", "strength, share of the full one", by_strength as Points),
                    ("size", "pixels of the body in sight", by_size as Points),
                ] {
                    let series = of
                        .iter()
                        .map(|f| Series { name: f.class.name().to_owned(), points: points(f) })
                        .collect();
                    let plot = LinePlot {
                        title: format!("detected by {what}, {} pictures", source.name()),
                        x_label: x_label.to_owned(),
                        y_label: "share".to_owned(),
                        log_y: false,
                        series,
                    };
                    let path = out.join(format!("{what}_{}_{group}.png", source.name()));
                    plot.save(&path)?;
                    written.push(path);
                }
            }
        }
        Ok(written)
    }
}

type Points = fn(&ClassFigures) -> Vec<(f64, f64)>;

fn by_strength(figures: &ClassFigures) -> Vec<(f64, f64)> {
    let full = figures.class.full_strength().abs().max(1e-6);
    let share =
        |(strength, _, detected): &(f32, usize, f64)| (f64::from(strength.abs() / full), *detected);
    let mut points: Vec<(f64, f64)> = figures.by_strength.iter().map(share).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

fn by_size(figures: &ClassFigures) -> Vec<(f64, f64)> {
    figures.by_size.iter().map(|(px, _, detected)| (*px as f64, *detected)).collect()
}

fn row(f: &ClassFigures, percent: impl Fn(f64) -> String) -> String {
    let of = |(cases, share): (usize, f64)| format!("{} of {cases}", percent(share));
    let stated = f.stated_px.map_or("none".to_owned(), |px| format!("{px} px"));
    let checks: Vec<String> = f.checks.iter().map(|(name, n)| format!("{name} {n}")).collect();
    format!(
        "{:<13} {:<7} {:>6} {:>9} {:>15} {:>15} {:>10} {:>15} {:>7} {:>10}  {}",
        f.class.name(),
        f.source.name(),
        f.cases,
        percent(f.detected),
        of(f.full_strength),
        of(f.shown),
        stated,
        f.at_stated.map_or(format!("below {:.0} %", 100.0 * WANTED), of),
        f.delay_frames.map_or("-".to_owned(), |delay| format!("{delay:.0}")),
        percent(f.precision),
        checks.join(", ")
    )
}

impl Calibration {
    /// For the terminal.
    pub fn summary(&self) -> String {
        let before: Vec<String> =
            self.alarms_before.iter().map(|(check, n)| format!("{check} {n}")).collect();
        format!(
            "calibrated on {} clean pictures, {:.0} s of play; verdicts of the starting values there: {}\n",
            self.frames,
            self.played_s,
            if before.is_empty() { "none".to_owned() } else { before.join(", ") }
        )
    }
}
