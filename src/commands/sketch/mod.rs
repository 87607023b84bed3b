//! `reverie sketch`: a picture of a plan becomes a level, with all that other programs and people want of it.
//!
//! [`outputs`] says what is written, [`preview`] draws what was understood.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bevy::math::{Vec2, Vec3, Vec3Swizzles};
use bevy_reverie::level::source::stem;
use bevy_reverie::level::{LevelSource, SourceError, Sourced};
use bevy_reverie::sketch::{Legend, Mode, Plan, SketchError, SketchOptions, Warning};
use clap::ValueEnum;
use reverie_runtime::style::StyleWeights;
use serde_json::{Value, json};

use crate::courtyard::walker::walk;

mod outputs;
mod preview;

/// Legends are larger by far than any that people write.
const MAX_LEGEND_BYTES: u64 = 1 << 20;

/// How a picture is read; for `reverie sketch` and `reverie play`.
#[derive(Debug, Clone, clap::Args)]
pub struct ReadingArgs {
    /// Scale of the picture; found out from a scale bar or the doorways if not given.
    #[arg(long, value_name = "METRES")]
    metres_per_pixel: Option<f32>,
    /// What the colours of the picture mean, a RON file; see docs/SKETCHING.md.
    #[arg(long, value_name = "FILE")]
    legend: Option<PathBuf>,
    /// How the picture is drawn.
    #[arg(long, value_enum, default_value_t = ModeArg::Auto)]
    mode: ModeArg,
}

/// How a picture is drawn, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    /// Found out from the picture.
    Auto,
    /// Exact colours; a pixel, or a block of pixels, is a tile.
    Grid,
    /// Strokes on paper or on a canvas.
    Drawn,
}

impl ReadingArgs {
    /// Reads the legend, and puts all together.
    ///
    /// # Errors
    /// The legend cannot be read or makes no sense, or the scale does.
    pub fn options(&self) -> Result<SketchOptions, Box<dyn Error>> {
        if let Some(metres) = self.metres_per_pixel
            && !(1e-4..=100.0).contains(&metres)
        {
            let allowed = "0.0001 to 100 are allowed";
            return Err(format!("--metres-per-pixel is {metres}; {allowed}").into());
        }
        let legend = match &self.legend {
            None => Legend::default(),
            Some(path) => read_legend(path)?,
        };
        let mode = match self.mode {
            ModeArg::Auto => None,
            ModeArg::Grid => Some(Mode::PixelGrid),
            ModeArg::Drawn => Some(Mode::HandDrawn),
        };
        Ok(SketchOptions { mode, metres_per_pixel: self.metres_per_pixel, legend })
    }
}

fn read_legend(path: &Path) -> Result<Legend, Box<dyn Error>> {
    let bytes = reverie_runtime::files::read_limited(path, MAX_LEGEND_BYTES)
        .map_err(|e| format!("cannot read the legend {}: {e}", path.display()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| format!("legend {}: it is no text", path.display()))?;
    Legend::from_ron(&text).map_err(|e| format!("{}: {e}", path.display()).into())
}

/// Arguments of `reverie sketch`.
#[derive(Debug, clap::Args)]
pub struct SketchArgs {
    /// The picture: a plan from above, north up.
    image: PathBuf,
    /// Folder of what is written; the picture's own if not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Style of the level: noon, dusk, night, fog or snow.
    #[arg(long, default_value = "noon")]
    style: String,
    /// Lets a bot walk from the start to the goal, and says in the figures how it went.
    #[arg(long)]
    walk: bool,
    /// Writes what was understood here: the plan, the places, the warnings.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl SketchArgs {
    /// Reads, builds and writes.
    ///
    /// # Errors
    /// One line for the user; a refused sketch is one, after its figures and its preview were written.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let style = StyleWeights::pure(&self.style).ok_or_else(|| {
            let names = reverie_runtime::style::STYLE_NAMES.join(", ");
            format!("there is no style `{}`; choose one of {names}", self.style)
        })?;
        let source =
            LevelSource { path: self.image.clone(), sketch: self.reading.options()?, style };
        if !source.is_sketch() {
            let name = self.image.display();
            return Err(format!("{name} is no picture; `reverie play {name}` plays a level").into());
        }
        let begun = Instant::now();
        match source.read() {
            Ok(sourced) => self.accept(&sourced, begun),
            Err(error) => self.refuse(error, begun),
        }
    }

    /// Where a file of the given ending is written.
    fn path(&self, ending: &str) -> PathBuf {
        let name = format!("{}{ending}", stem(&self.image));
        match &self.out {
            Some(dir) => dir.join(name),
            None => self.image.with_file_name(name),
        }
    }

    fn accept(&self, sourced: &Sourced, begun: Instant) -> Result<(), Box<dyn Error>> {
        let playable_ms = ms_since(begun);
        let Some(reading) = &sourced.reading else { return Ok(()) };
        let walked = self.walk.then(|| walk(&sourced.level));
        let picture = preview::accepted(sourced, reading)?;
        let files = outputs::all(self, sourced, &picture)?;
        outputs::write(&files)?;
        // A refusal before this one is no longer true.
        let _ = std::fs::remove_file(self.path(outputs::REFUSED));

        let level = &sourced.level;
        let mut figures = json!({
            "accepted": true,
            "reason": null,
            "mode": format!("{:?}", reading.mode),
            "confidence": reading.confidence,
            "warnings": warnings(&sourced.warnings),
            "bodies": level.bodies.len(),
            "movable": level.bodies.iter().filter(|body| body.movable).count(),
            "spawn_yaw_rad": level.spawn_yaw_rad,
            "files": files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(),
            "time_ms": playable_ms,
            "stages_ms": {
                "read": reading.time_ms,
                "build": playable_ms - f64::from(reading.time_ms),
                "whole": ms_since(begun),
            },
            "walk": walked,
        });
        tell_plan(&mut figures, &reading.plan);
        // What was built may differ by a little from what was drawn.
        figures["spawn_m"] = place(Some(level.spawn_m));
        figures["goal_m"] = place(level.goal_m);
        if let Some(path) = &self.json {
            super::write_json(path, &figures)?;
        }
        for warning in &sourced.warnings {
            say!("{}: {warning}", self.image.display());
        }
        say!(
            "{}: {}×{} cells of {:.2} m, {} bodies, {} rooms, in {playable_ms:.0} ms; play it: reverie play {}",
            self.image.display(),
            reading.plan.width,
            reading.plan.height,
            reading.plan.cell_m,
            level.bodies.len(),
            reading.plan.rooms,
            self.path(outputs::LEVEL).display(),
        );
        Ok(())
    }

    /// Writes figures and preview of a refused sketch; its earlier level stays.
    fn refuse(&self, error: SourceError, begun: Instant) -> Result<(), Box<dyn Error>> {
        let mut figures = json!({
            "accepted": false,
            "reason": error.to_string(),
            "reason_at_m": null,
            "warnings": [],
            "plan": null,
            "spawn_m": null,
            "goal_m": null,
            "reachable_cells": 0,
            "rooms": 0,
            "time_ms": ms_since(begun),
        });
        let mut refused = None;
        match &error {
            SourceError::Sketch { error: SketchError::Refused(refusal), .. } => {
                figures["warnings"] = warnings(&refusal.warnings);
                figures["reason_at_m"] = json!(refusal.at_m.map(|m| m.to_array()));
                if let Some(plan) = &refusal.plan {
                    tell_plan(&mut figures, plan);
                }
                if let Some(page) = &refusal.page {
                    let (plan, text) = (refusal.plan.as_ref(), refusal.text.as_str());
                    let warnings = &refusal.warnings;
                    refused = Some(preview::refused(page, plan, text, refusal.at_m, warnings)?);
                }
            }
            SourceError::Build { error, reading, .. } => {
                figures["warnings"] = warnings(&reading.warnings);
                figures["reason_at_m"] = json!(error.at_m().map(|m| m.to_array()));
                tell_plan(&mut figures, &reading.plan);
                let (page, plan) = (&reading.page, Some(&reading.plan));
                let (text, warnings) = (error.to_string(), &reading.warnings);
                refused = Some(preview::refused(page, plan, &text, error.at_m(), warnings)?);
            }
            _ => {}
        }
        if let Some(picture) = refused {
            let path = self.path(outputs::REFUSED);
            outputs::write(&[(path.clone(), outputs::png(&picture)?)])?;
            figures["files"] = json!([path]);
        }
        if let Some(path) = &self.json {
            super::write_json(path, &figures)?;
        }
        Err(error.into())
    }
}

fn ms_since(begun: Instant) -> f64 {
    1e3 * begun.elapsed().as_secs_f64()
}

fn place(point_m: Option<Vec3>) -> Value {
    json!(point_m.map(|point| point.xz().to_array()))
}

fn warnings(warnings: &[Warning]) -> Value {
    let told = warnings.iter().map(|warning| {
        json!({
            "kind": format!("{:?}", warning.kind),
            "text": warning.text,
            "at_m": warning.at_m.map(|m| m.to_array()),
        })
    });
    json!(told.collect::<Vec<_>>())
}

fn tell_plan(figures: &mut Value, plan: &Plan) {
    let flat = |place_m: Option<Vec2>| json!(place_m.map(|m| m.to_array()));
    figures["plan"] = json!({
        "cell_m": plan.cell_m,
        "origin_m": plan.origin_m.to_array(),
        "width": plan.width,
        "height": plan.height,
        "rows": plan.rows(),
    });
    figures["spawn_m"] = flat(plan.spawn_m);
    figures["goal_m"] = flat(plan.goal_m);
    figures["reachable_cells"] = json!(plan.reachable_cells());
    figures["rooms"] = json!(plan.rooms);
}
