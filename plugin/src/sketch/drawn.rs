//! Drawings by hand, photos of them, and what paint programs make: from pixels to a plan.

use glam::Vec2;
use image::RgbImage;

use super::error::{RefusalReason, SketchError, Warning, WarningKind};
use super::ink::{self, Ink};
use super::plan::Plan;
use super::raster::shrink;
use super::settle::Draft;
use super::{LEAST_CONFIDENCE, Mode, Page, Reading, SketchOptions};
use super::{bars, clean, lay, light, page, paper, repair, scale, turn};

/// Photos are read at this size, pixels.
const PHOTO_PX: u32 = 1600;
/// Pages are read at this size, pixels.
const PAGE_PX: u32 = 1200;
/// Gaps in strokes up to this are closed, pixels of the file.
const GAP_PX: f32 = 6.6;
/// But no gap that a player might be meant to see, metres.
const MOST_GAP_M: f32 = 0.4;
/// Widest stroke, as a share of the drawing's longer side.
const MOST_STROKE: f32 = 0.015;
/// Drawings turned by less are not turned back, radians.
const LEAST_TURN: f32 = 0.012;

/// Reads a drawing.
///
/// # Errors
/// It is no drawing of a level, or none that can be played.
pub(super) fn read(picture: &RgbImage, options: &SketchOptions) -> Result<Reading, SketchError> {
    let (work, factor) = shrink(picture, PHOTO_PX);
    let corners = page::find(&work);
    let mut sheet = match corners {
        Some(corners) => page::flatten(&work, corners, PAGE_PX),
        None => shrink(&work, PAGE_PX).0,
    };
    // Pixels of the sheet for one of the file.
    let factor = match corners {
        Some(_) => {
            factor * (f64::from(sheet.width().max(sheet.height())) as f32 / longest_side(corners))
        }
        None => {
            sheet.width().max(sheet.height()) as f32 / picture.width().max(picture.height()) as f32
        }
    };
    let shown = sheet.clone();
    if light::is_light_on_dark(&sheet) {
        light::invert(&mut sheet);
    }
    let mut flat = light::normalise(&sheet);
    let mut noise = ink::noise(&flat);
    if noise > 3.0 {
        flat = ink::soften(&flat);
        noise *= 0.5;
    }
    let level = ink::level(&flat, noise);
    paper::erase_lines(&mut flat, level);
    let rim = corners.map(|_| page::rim(flat.width() as usize, flat.height() as usize));
    let mut ink = ink::part(&flat, &options.legend, noise, rim.as_ref());
    let mut shown = shown;
    let mut warnings = Vec::new();
    let turn = turn::main_turn(&ink.walls);
    if turn.abs() > LEAST_TURN {
        flat = page::turn(&flat, -turn);
        shown = page::turn(&shown, -turn);
        ink = ink::part(&flat, &options.legend, noise, rim.as_ref());
        if turn.abs() > 0.03 {
            let text =
                format!("the drawing is turned by {:.0}° to lie straight", -turn.to_degrees());
            warnings.push(Warning { kind: WarningKind::Snapped, text, at_m: None });
        }
    }
    build(shown, ink, factor, options, warnings)
}

fn longest_side(corners: Option<[Vec2; 4]>) -> f32 {
    let corners = corners.unwrap_or_default();
    let side = |a: usize, b: usize| corners[a].distance(corners[b]);
    let (across, down) = (0.5 * (side(0, 1) + side(3, 2)), 0.5 * (side(0, 3) + side(1, 2)));
    across.max(down).max(1.0)
}

/// From ink to a plan.
fn build(
    shown: RgbImage,
    mut ink: Ink,
    factor: f32,
    options: &SketchOptions,
    warnings: Vec<Warning>,
) -> Result<Reading, SketchError> {
    let legend = &options.legend;
    let longest = ink.walls.width.max(ink.walls.height) as f32;
    // What is thicker is no stroke but solid ground.
    ink.stroke_px = ink.stroke_px.min((MOST_STROKE * longest).max(2.0));
    let specks = clean::clean(&mut ink, longest);
    let bar_scale = scale::take_bar(&mut ink.walls, ink.stroke_px);
    let gap_px = (GAP_PX * factor)
        .clamp(3.0, (0.02 * longest).max(3.0))
        .max((1.2 * ink.stroke_px).min(0.012 * longest));
    let first = bars::find(&ink.walls, ink.stroke_px, gap_px);
    let scale = scale::choose(options, factor, bar_scale, &first, &ink, legend);
    let page = Page { picture: shown, pixels_per_metre: scale.pixels_per_metre };
    let ppm = scale.pixels_per_metre;
    let mut draft =
        Draft { plan: Plan::default(), spawns_m: Vec::new(), goals_m: Vec::new(), warnings };
    draft.warnings.extend(scale.warning);
    if let Some((reason, text)) = clean::unreadable(&ink) {
        return Err(draft.refuse(reason, None, text, &page));
    }
    let gap_px = gap_px.min((MOST_GAP_M * ppm).max(3.0));
    // Two lines a wall's thickness apart are one wall.
    let double_px = (0.5 * ppm).min(0.05 * longest);
    clean::fill_double(&mut ink.walls, double_px, ink.stroke_px);
    let stroke_px = ink::stroke_width(&ink.walls).min((MOST_STROKE * longest).max(2.0));
    let found = bars::find(&ink.walls, stroke_px, gap_px);
    if let Err(text) = lay::lay(&mut draft, &found, &ink, legend, ppm, gap_px) {
        return Err(draft.refuse(RefusalReason::TooManyCells, None, text, &page));
    }
    for ((x, y), length) in &found.closed {
        let at_m = Vec2::new(*x, *y) / ppm;
        let text = format!("a gap of {:.2} m in a wall is closed", length / ppm);
        draft.warn(WarningKind::GapClosed, Some(at_m), text);
    }
    if let Some((slope, (x, y))) = found.turned.filter(|(slope, _)| *slope > 0.035) {
        let text = format!("walls are straightened, one by {:.0}°", slope.atan().to_degrees());
        draft.warn(WarningKind::Snapped, Some(Vec2::new(x, y) / ppm), text);
    }
    for ((x, y), [r, g, b], entry) in &ink.unknown {
        let name = legend.get(*entry).map_or("nothing", |entry| &entry.name);
        let text = format!("the legend has no colour like #{r:02x}{g:02x}{b:02x}: read as {name}");
        draft.warn(WarningKind::UnknownColour, Some(Vec2::new(*x as f32, *y as f32) / ppm), text);
    }
    if specks > 0 {
        let text = format!("{specks} small marks are left out");
        draft.warn(WarningKind::LeftOut, None, text);
    }
    repair::doorways(&mut draft, gap_px / ppm, legend);
    let confidence = repair::confidence(&draft.plan, &ink, ppm);
    if confidence < LEAST_CONFIDENCE {
        let text = format!(
            "too unclear to be sure of the walls ({:.0} % sure): draw darker, or take the photo closer and in even light",
            100.0 * confidence
        );
        return Err(draft.refuse(RefusalReason::NotADrawing, None, text, &page));
    }
    if confidence < LEAST_CONFIDENCE + 0.2 {
        draft.warn(WarningKind::Unsure, None, "the picture is hard to read: look the plan over");
    }
    let (plan, warnings) = draft.settle(legend, &page)?;
    Ok(Reading {
        plan,
        legend: legend.clone(),
        warnings,
        mode: Mode::HandDrawn,
        page,
        confidence,
        time_ms: 0.0,
    })
}
