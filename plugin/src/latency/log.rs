//! Figures over many frames: quantiles, deadlines, the last frames for a graph.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bevy::prelude::*;
use reverie_runtime::quantiles::{Quantiles, QuantilesMs};
use serde::Serialize;

use super::frame::{FrameFigures, PresentedFrame, ms};
use super::stage::Stage;

/// Frames that the HUD's graph shows.
pub const GRAPH_FRAMES: usize = 96;
/// A frame later than this many periods has missed its turn on the display.
const LATE_PERIODS: f64 = 1.5;
/// One period to dream a picture, one to show it.
const SOURCE_PERIODS: f64 = 2.0;

/// When a frame is too late. Change it to the rates that the game is made for.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Time that the display gives a frame. A present more than 1.5 periods after the one before is a miss: the frame was
    /// not there when its turn came.
    pub display_period: Duration,
    /// Time that the game gives the model for a picture. A picture whose state is older than 2 periods at the present is a
    /// miss: in one it is dreamed, in the next it is shown.
    pub model_period: Duration,
}

impl Default for Deadlines {
    /// 60 display frames and 20 neural frames a second.
    fn default() -> Self {
        Self {
            display_period: Duration::from_nanos(16_666_667),
            model_period: Duration::from_millis(50),
        }
    }
}

/// Deadlines missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct DeadlineMisses {
    /// Presents that came too late after the one before.
    pub display: u64,
    /// Frames that showed a picture that was too old.
    pub source: u64,
    /// What counts as too late, milliseconds.
    pub display_deadline_ms: f64,
    /// What counts as too old, milliseconds.
    pub source_deadline_ms: f64,
}

/// What the graph shows of a frame, milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GraphFrame {
    /// See [`FrameFigures::input_to_present`].
    pub input_to_present: f64,
    /// See [`FrameFigures::source_age`].
    pub source_age: Option<f64>,
    /// A deadline was missed.
    pub missed: bool,
}

/// All presented frames since the start, or since [`Self::clear`], in bounded memory.
#[derive(Resource, Debug, Clone, Default)]
pub struct LatencyLog {
    stages: BTreeMap<Stage, Quantiles>,
    input_to_present: Quantiles,
    source_age: Quantiles,
    pose_age: Quantiles,
    interval: Quantiles,
    misses: (u64, u64),
    shown: Option<u64>,
    graph: VecDeque<GraphFrame>,
    last: Option<PresentedFrame>,
}

/// Figures of many frames: what `summary.json` says.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LatencySummary {
    /// Presented frames.
    pub frames: u64,
    /// Milliseconds by stage, and `input_to_present`, `source_age`, `pose_age`, `present_interval`. What no frame had is
    /// left out.
    pub latency_ms: BTreeMap<&'static str, QuantilesMs>,
    /// Deadlines missed.
    pub deadline_misses: DeadlineMisses,
}

impl LatencyLog {
    /// Takes a frame in; gives its figures, and which of display and source deadline it missed.
    pub fn note(
        &mut self,
        frame: &PresentedFrame,
        deadlines: &Deadlines,
    ) -> (FrameFigures, (bool, bool)) {
        let figures = frame.figures(self.shown);
        self.last = Some(*frame);
        self.shown = frame.marks.source.map(|source| source.serial).or(self.shown);
        for (stage, ms) in &figures.stages {
            self.stages.entry(*stage).or_default().add(*ms);
        }
        self.input_to_present.add(figures.input_to_present);
        let optional = [
            (&mut self.source_age, figures.source_age),
            (&mut self.pose_age, figures.pose_age),
            (&mut self.interval, figures.interval),
        ];
        for (quantiles, ms) in optional {
            if let Some(ms) = ms {
                quantiles.add(ms);
            }
        }
        let late = figures.interval.is_some_and(|ms| ms > display_deadline_ms(deadlines));
        let old = figures.source_age.is_some_and(|ms| ms > source_deadline_ms(deadlines));
        self.misses.0 += u64::from(late);
        self.misses.1 += u64::from(old);
        if self.graph.len() == GRAPH_FRAMES {
            self.graph.pop_front();
        }
        self.graph.push_back(GraphFrame {
            input_to_present: figures.input_to_present,
            source_age: figures.source_age,
            missed: late || old,
        });
        (figures, (late, old))
    }

    /// The newest frame that is known: a frame is known in the next one.
    pub fn last_frame(&self) -> Option<&PresentedFrame> {
        self.last.as_ref()
    }

    /// The last frames, oldest first.
    pub fn graph(&self) -> impl ExactSizeIterator<Item = &GraphFrame> {
        self.graph.iter()
    }

    /// Milliseconds of a stage; `None` if no frame had it.
    pub fn stage(&self, stage: Stage) -> Option<QuantilesMs> {
        self.stages.get(&stage).and_then(Quantiles::summary)
    }

    /// All figures.
    pub fn summary(&self, deadlines: &Deadlines) -> LatencySummary {
        let stages = self.stages.iter().map(|(stage, quantiles)| (stage.name(), quantiles));
        let whole = [
            ("input_to_present", &self.input_to_present),
            ("source_age", &self.source_age),
            ("pose_age", &self.pose_age),
            ("present_interval", &self.interval),
        ];
        let known = |(name, quantiles): (_, &Quantiles)| Some((name, quantiles.summary()?));
        LatencySummary {
            frames: self.input_to_present.count(),
            latency_ms: stages.chain(whole).filter_map(known).collect(),
            deadline_misses: DeadlineMisses {
                display: self.misses.0,
                source: self.misses.1,
                display_deadline_ms: display_deadline_ms(deadlines),
                source_deadline_ms: source_deadline_ms(deadlines),
            },
        }
    }

    /// Starts anew. The picture on screen stays known: it is not counted as new.
    pub fn clear(&mut self) {
        *self = Self { shown: self.shown, ..Self::default() };
    }
}

impl LatencySummary {
    /// The stages in order of time, then the whole ways, as lines for a terminal.
    pub fn table(&self) -> String {
        let stages = Stage::ALL.iter().map(|stage| stage.name());
        let whole = ["input_to_present", "source_age", "pose_age", "present_interval"];
        let mut lines =
            format!("{:<18} {:>8} {:>8} {:>8} {:>8}\n", "stage, ms", "p50", "p95", "p99", "max");
        for name in stages.chain(whole) {
            if let Some(QuantilesMs { p50, p95, p99, max }) = self.latency_ms.get(name) {
                lines
                    .push_str(&format!("{name:<18} {p50:>8.2} {p95:>8.2} {p99:>8.2} {max:>8.2}\n"));
            }
        }
        let misses = &self.deadline_misses;
        lines.push_str(&format!(
            "of {} frames, {} came more than {:.1} ms after the one before, {} showed a state older than {:.0} ms",
            self.frames,
            misses.display,
            misses.display_deadline_ms,
            misses.source,
            misses.source_deadline_ms
        ));
        lines
    }
}

fn display_deadline_ms(deadlines: &Deadlines) -> f64 {
    LATE_PERIODS * ms(deadlines.display_period)
}

fn source_deadline_ms(deadlines: &Deadlines) -> f64 {
    SOURCE_PERIODS * ms(deadlines.model_period)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::frame::FrameMarks;
    use super::*;

    /// A conventional frame, `ms` after the beginning, presented `after` ms later.
    fn frame(begun: Instant, ms: u64, after: u64, last: Option<u64>) -> PresentedFrame {
        let at = |ms| begun + Duration::from_millis(ms);
        PresentedFrame {
            marks: FrameMarks {
                start: at(ms),
                input: at(ms),
                simulation_start: at(ms),
                simulation_end: at(ms + 1),
                request: at(ms + 1),
                source: None,
            },
            extract: at(ms + 2),
            upload: None,
            warp: None,
            pose: None,
            present: at(ms + after),
            last_present: last.map(at),
        }
    }

    #[test]
    fn quantiles_and_misses_are_those_of_the_frames() {
        let begun = Instant::now();
        let mut log = LatencyLog::default();
        let deadlines = Deadlines::default();
        let mut last = None;
        for index in 0..100 {
            // Every tenth frame takes 30 ms instead of 10, and so the interval to it is 36 ms instead of 16.
            let after = if index % 10 == 9 { 30 } else { 10 };
            log.note(&frame(begun, index * 16, after, last), &deadlines);
            last = Some(index * 16 + after);
        }
        let summary = log.summary(&deadlines);
        assert_eq!(summary.frames, 100);
        let whole = summary.latency_ms["input_to_present"];
        assert!((whole.p50 - 10.0).abs() < 0.1 && (whole.p95 - 30.0).abs() < 0.1, "{whole:?}");
        assert_eq!(whole.max, 30.0);
        assert_eq!(summary.deadline_misses.display, 10);
        assert_eq!(summary.deadline_misses.source, 0);
        assert!(!summary.latency_ms.contains_key("denoise"), "no frame had it");
        assert!(!summary.latency_ms.contains_key("pose_age"));
        assert_eq!(log.graph().len(), GRAPH_FRAMES);
        assert!(log.graph().last().unwrap().missed);
        let table = summary.table();
        assert!(
            table.contains("input_to_present") && table.contains("of 100 frames, 10 came"),
            "{table}"
        );
        log.clear();
        assert_eq!(log.summary(&deadlines).frames, 0);
    }
}
