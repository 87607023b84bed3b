//! Frames whose instants are set by hand.

use super::*;

/// Milliseconds after a common beginning.
struct Clock(Instant);

impl Clock {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn at(&self, ms: u64) -> Instant {
        self.0 + Duration::from_millis(ms)
    }

    /// A frame that starts at `ms`, its game takes 4 ms, its rendering is presented at `ms` + 20.
    fn frame(&self, ms: u64, source: Option<SourceMarks>) -> PresentedFrame {
        let shown = source.is_some();
        PresentedFrame {
            marks: FrameMarks {
                start: self.at(ms),
                input: self.at(ms + 1),
                simulation_start: self.at(ms + 2),
                simulation_end: self.at(ms + 6),
                request: self.at(ms + 7),
                source,
            },
            extract: self.at(ms + 9),
            upload: shown.then(|| self.at(ms + 11)),
            warp: shown.then(|| (self.at(ms + 12), self.at(ms + 14))),
            pose: shown.then(|| PoseMarks {
                posed: self.at(ms + 6),
                input: self.at(ms + 1),
                warped: false,
            }),
            present: self.at(ms + 20),
            last_present: ms.checked_sub(13).map(|before| self.at(before)),
        }
    }

    /// Asked for by the frame that started at `ms`, finished 30 ms later.
    fn source(&self, ms: u64) -> SourceMarks {
        let asking = self.frame(ms, None).marks;
        SourceMarks {
            serial: ms,
            asked: RequestMarks {
                input: asking.input,
                simulation_start: asking.simulation_start,
                simulation_end: asking.simulation_end,
                sent: asking.request,
            },
            times: StageTimes {
                guard_ms: 0.5,
                raster_ms: 1.5,
                condition_ms: 4.0,
                denoise_ms: 14.0,
                decode_ms: 0.25,
                correct_ms: 2.0,
                commit_ms: 0.75,
                ..StageTimes::default()
            },
            finished: self.at(ms + 30),
        }
    }
}

fn stage(figures: &FrameFigures, stage: Stage) -> Option<f64> {
    figures.stages.iter().find(|(have, _)| *have == stage).map(|(_, ms)| *ms)
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-3
}

#[test]
fn stages_of_a_new_picture_add_up_to_its_way_from_input_to_present() {
    let clock = Clock::new();
    let figures = clock.frame(33, Some(clock.source(0))).figures(None);
    let stages: Vec<Stage> = figures.stages.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(stages, Stage::ALL, "all of them, in order");
    let sum: f64 = figures.stages.iter().skip(1).map(|(_, ms)| ms).sum();
    // Input at 1, present at 53.
    assert!(near(sum, 52.0), "{figures:?}");
    assert!(near(figures.input_to_present, 52.0));
    assert!(near(figures.source_age.unwrap(), 47.0), "the state is of 6");
    assert!(near(figures.pose_age.unwrap(), 6.0), "posed at 39, drawn from 45");
    assert!(near(figures.interval.unwrap(), 33.0));
    assert!(near(stage(&figures, Stage::Wait).unwrap(), 0.0), "7 to 30 is work");
    assert!(near(stage(&figures, Stage::Publish).unwrap(), 10.0), "30 to 40");
}

#[test]
fn a_picture_that_stays_has_no_dream_stages_but_grows_old() {
    let clock = Clock::new();
    let source = clock.source(0);
    let figures = clock.frame(66, Some(source)).figures(Some(source.serial));
    for gone in [Stage::Request, Stage::Denoise, Stage::Publish] {
        assert_eq!(stage(&figures, gone), None);
    }
    assert!(near(stage(&figures, Stage::SimulationEnd).unwrap(), 4.0));
    assert!(near(stage(&figures, Stage::Extract).unwrap(), 2.0));
    assert!(near(figures.source_age.unwrap(), 80.0));
}

#[test]
fn a_warped_picture_shows_the_input_of_its_pose() {
    let clock = Clock::new();
    let mut frame = clock.frame(66, Some(clock.source(0)));
    frame.pose = Some(PoseMarks { posed: clock.at(77), input: clock.at(74), warped: true });
    let figures = frame.figures(None);
    assert!(near(figures.input_to_present, 12.0));
    assert!(near(figures.pose_age.unwrap(), 1.0));
    assert!(near(figures.source_age.unwrap(), 80.0), "the content is as old as ever");
}

#[test]
fn the_ordinary_picture_shows_its_own_frame() {
    let clock = Clock::new();
    let figures = clock.frame(0, None).figures(None);
    assert!(near(figures.input_to_present, 19.0));
    assert_eq!((figures.source_age, figures.pose_age, figures.interval), (None, None, None));
    assert_eq!(stage(&figures, Stage::Warp), None);
}

#[test]
fn input_that_is_filled_within_the_simulation_or_frames_before_takes_nothing_away() {
    let clock = Clock::new();
    let mut frame = clock.frame(33, None);
    frame.marks.input = clock.at(33 + 3);
    let figures = frame.figures(None);
    assert!(near(stage(&figures, Stage::SimulationStart).unwrap(), 0.0));
    assert!(near(stage(&figures, Stage::SimulationEnd).unwrap(), 3.0));
    assert!(near(figures.input_to_present, 17.0));
    // No tick in this frame: the state shows older input, and none was sampled.
    frame.marks.input = clock.at(10);
    let figures = frame.figures(None);
    assert_eq!(stage(&figures, Stage::InputSample), None);
    assert!(near(figures.input_to_present, 43.0));
}

#[test]
fn names_and_paths_are_unique() {
    let mut names: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Stage::ALL.len());
    assert_eq!(Stage::Denoise.path().as_str(), "reverie/latency/denoise_ms");
}
