//! Drawings by hand, photos of them, and what paint programs make: from pixels to a plan.

use glam::Vec2;
use image::RgbImage;

use super::bars::{self, Bar, Bars};
use super::error::{RefusalReason, SketchError, Warning, WarningKind};
use super::grid::{body_size, uphill};
use super::ink::{self, Ink, NONE};
use super::legend::{EntryKind, Legend};
use super::plan::{Cell, CellKind, Compass, Plan, PlannedBody};
use super::raster::{
    Component, Mask, Raster, close, components, distance, mask_components, quantile, shrink,
};
use super::settle::{Draft, MOST_CELLS, entry_of};
use super::{LEAST_CONFIDENCE, Mode, Page, Reading, SketchOptions, light, page, paper, scale};

/// Photos are read at this size, pixels.
const PHOTO_PX: u32 = 1600;
/// Pages are read at this size, pixels.
const PAGE_PX: u32 = 1200;
/// Usual edge of a cell, metres.
pub const CELL_M: f32 = 0.25;
/// Gaps in strokes up to this are closed, pixels of the file.
const GAP_PX: f32 = 6.6;
/// But no gap that a player might be meant to see, metres.
const MOST_GAP_M: f32 = 0.4;
/// Narrower doorways are widened to [`DOORWAY_M`], metres.
const LEAST_DOORWAY_M: f32 = 0.7;
/// Width of a doorway that was widened, metres.
const DOORWAY_M: f32 = 0.9;
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
    let turn = main_turn(&ink.walls);
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

/// By how much the strokes' main direction is off the page's, radians within ±π/8.
fn main_turn(walls: &Mask) -> f32 {
    // Gradients of a softened mask, by their angle modulo a right angle.
    const BINS: usize = 180;
    let step = ((walls.width.max(walls.height) / 700).max(1)) as i32;
    let soft = |x: i32, y: i32| {
        let mut sum = 0.0;
        for (dx, dy) in (-2..=2).flat_map(|dy| (-2..=2).map(move |dx| (dx, dy))) {
            sum += f32::from(u8::from(walls.get(x + dx, y + dy) == Some(true)));
        }
        sum
    };
    let mut histogram = [0.0_f32; BINS];
    for y in (3..walls.height as i32 - 3).step_by(step as usize) {
        for x in (3..walls.width as i32 - 3).step_by(step as usize) {
            let here = walls.get(x, y) == Some(true);
            let is_edge = [(1, 0), (0, 1)]
                .iter()
                .any(|(dx, dy)| (walls.get(x + dx, y + dy) == Some(true)) != here);
            if !is_edge {
                continue;
            }
            let gradient =
                Vec2::new(soft(x + 2, y) - soft(x - 2, y), soft(x, y + 2) - soft(x, y - 2));
            if gradient.length() < 3.0 {
                continue;
            }
            let right = std::f32::consts::FRAC_PI_2;
            let angle = gradient.to_angle().rem_euclid(right) / right;
            histogram[((angle * BINS as f32) as usize).min(BINS - 1)] += gradient.length();
        }
    }
    let total: f32 = histogram.iter().sum();
    let around = |i: usize| (0..9).map(|k| histogram[(i + BINS + k - 4) % BINS]).sum::<f32>();
    let Some(best) = (0..BINS).max_by(|a, b| around(*a).total_cmp(&around(*b))) else { return 0.0 };
    // Without a direction that most strokes share, nothing is straight.
    if total <= 0.0 || around(best) < 0.35 * total {
        return 0.0;
    }
    let offset = |k: usize| k as f32 - 4.0;
    let mean = (0..9).map(|k| offset(k) * histogram[(best + BINS + k - 4) % BINS]).sum::<f32>()
        / around(best);
    let bin = (best as f32 + 0.5 + mean) / BINS as f32;
    let turn = (if bin > 0.5 { bin - 1.0 } else { bin }) * std::f32::consts::FRAC_PI_2;
    if turn.abs() < std::f32::consts::FRAC_PI_8 { turn } else { 0.0 }
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
    let specks = clean(&mut ink, longest);
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
    if let Some((reason, text)) = unreadable(&ink) {
        return Err(draft.refuse(reason, None, text, &page));
    }
    let gap_px = gap_px.min((MOST_GAP_M * ppm).max(3.0));
    // Two lines a wall's thickness apart are one wall.
    let double_px = (0.5 * ppm).min(0.05 * longest);
    fill_double(&mut ink.walls, double_px, ink.stroke_px);
    let stroke_px = ink::stroke_width(&ink.walls).min((MOST_STROKE * longest).max(2.0));
    let found = bars::find(&ink.walls, stroke_px, gap_px);
    lay(&mut draft, &found, &ink, legend, ppm, gap_px, &page)?;
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
    repair_doorways(&mut draft, gap_px / ppm, legend);
    let confidence = confidence(&draft.plan, &ink, ppm);
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

/// Drops dust, small writing, and outlines of coloured marks. Gives how many small marks were dropped.
fn clean(ink: &mut Ink, longest: f32) -> usize {
    let stroke = ink.stroke_px;
    let (labels, pieces) = mask_components(&ink.walls, true);
    let marks = ink.marks.map(|mark| mark != NONE);
    let (_, blots) = mask_components(&marks, true);
    let mut dropped = vec![false; pieces.len() + 1];
    let mut small = 0;
    for (index, piece) in pieces.iter().enumerate() {
        let extent = piece.extent() as f32;
        let (columns, rows) = piece.size();
        let filling = piece.area as f32 / (columns * rows) as f32;
        let is_dust = (piece.area as f32) < 0.8 * stroke * stroke + 4.0
            || extent < 1.6 * stroke + 1.0 && extent < 0.008 * longest + 2.0;
        let is_writing = extent < 0.035 * longest && extent > 2.5 * stroke && filling < 0.55;
        // An outline around a coloured mark belongs to the mark.
        let is_outline = blots.iter().any(|blot| overlap(piece, blot) > 0.45);
        if is_dust || is_writing || is_outline {
            dropped[index + 1] = true;
            small += usize::from(is_writing && !is_outline);
        }
    }
    for (set, label) in ink.walls.data.iter_mut().zip(&labels.data) {
        *set = *set && !dropped[*label as usize];
    }
    small
}

/// Of two bounding boxes: intersection over union.
fn overlap(a: &Component, b: &Component) -> f32 {
    let span = |a0: usize, a1: usize, b0: usize, b1: usize| {
        (a1.min(b1) + 1).saturating_sub(a0.max(b0)) as f32
    };
    let both = span(a.min.0, a.max.0, b.min.0, b.max.0) * span(a.min.1, a.max.1, b.min.1, b.max.1);
    let area = |c: &Component| (c.size().0 * c.size().1) as f32;
    both / (area(a) + area(b) - both)
}

/// Why ink is no drawing, if it is none.
fn unreadable(ink: &Ink) -> Option<(RefusalReason, String)> {
    let total = ink.walls.data.len() as f32;
    let share = ink.walls.count() as f32 / total;
    if share < 1e-4 {
        let text = "no walls found: draw them as dark strokes on light paper";
        return Some((RefusalReason::NoWalls, text.to_owned()));
    }
    let is_plan = ink.clear > 0.8 && (ink.paper > 0.3 || ink.clear > 0.93 && ink.paper > 0.05);
    let (_, pieces) = mask_components(&ink.walls, true);
    if !is_plan || pieces.len() > 600 {
        let text = "this looks like no drawing: draw walls as dark strokes on plain light paper";
        return Some((RefusalReason::NotADrawing, text.to_owned()));
    }
    None
}

/// Fills what lies between two lines a wall's thickness apart: narrow spaces that strokes enclose on their long sides.
fn fill_double(walls: &mut Mask, double_px: f32, stroke_px: f32) {
    // Filled or thick walls have nothing to fill.
    if double_px < 2.0 || stroke_px > 0.8 * double_px {
        return;
    }
    let closed = close(walls, 0.5 * double_px);
    let added = closed.without(walls);
    let (labels, pieces) = mask_components(&added, false);
    // Long and narrow: not the rounding of a corner, and not a gap that is closed later, with a warning.
    let keep: Vec<bool> = pieces
        .iter()
        .map(|piece| {
            let narrow = piece.area as f32 / piece.extent() as f32;
            piece.extent() as f32 > 2.0 * double_px && narrow < double_px
        })
        .collect();
    for (set, label) in walls.data.iter_mut().zip(&labels.data) {
        if let Some(true) = (*label as usize).checked_sub(1).and_then(|i| keep.get(i)) {
            *set = true;
        }
    }
}

/// Lays bars, other ink and marks into cells.
fn lay(
    draft: &mut Draft,
    found: &Bars,
    ink: &Ink,
    legend: &Legend,
    ppm: f32,
    gap_px: f32,
    page: &Page,
) -> Result<(), SketchError> {
    let (width_m, height_m) = (ink.walls.width as f32 / ppm, ink.walls.height as f32 / ppm);
    let mut cell_m = CELL_M;
    // Large drawings are built of larger cells, as long as walls are not much thinner.
    while width_m.max(height_m) / cell_m > 400.0 && cell_m < 0.5 {
        cell_m *= 1.25;
    }
    // A tiny drawing still has cells smaller than its walls are long.
    cell_m = cell_m.min(width_m.min(height_m) / 12.0).max(1e-4);
    let size = |metres: f32| (metres / cell_m).ceil() as usize + 2;
    let (width, height) = (size(width_m), size(height_m));
    if width.max(height) > MOST_CELLS {
        let text = format!(
            "the drawing is {width_m:.0} m × {height_m:.0} m, too large: give a smaller --metres-per-pixel"
        );
        return Err(std::mem::replace(draft, empty()).refuse(
            RefusalReason::TooManyCells,
            None,
            text,
            page,
        ));
    }
    let cell_px = cell_m * ppm;
    let phase = |bars: &[Bar], others: &[Bar]| best_phase(bars, others, cell_px);
    let (phase_x, phase_y) =
        (phase(&found.upright, &found.level), phase(&found.level, &found.upright));
    let origin_px = Vec2::new(phase_x - cell_px, phase_y - cell_px);
    let floor = Cell { kind: CellKind::Floor, entry: entry_of(legend, EntryKind::Floor) };
    draft.plan = Plan {
        cell_m,
        origin_m: origin_px / ppm,
        width,
        height,
        cells: vec![floor; width * height],
        ..Plan::default()
    };
    let wall = Cell { kind: CellKind::Wall, entry: entry_of(legend, EntryKind::Wall) };
    // Marks first: walls are drawn over what they border on.
    lay_marks(draft, ink, legend, ppm);
    let mut fill = |x0: i32, x1: i32, y0: i32, y1: i32| {
        for (x, y) in (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y))) {
            if let Some(i) = draft.plan.index(x, y)
                && draft.plan.cells[i].kind != CellKind::Door
            {
                draft.plan.cells[i] = wall;
            }
        }
    };
    let span = |middle: f32, thick: f32, origin: f32| {
        let count = (thick / cell_px).round().max(1.0);
        let start = ((middle - origin) / cell_px - 0.5 * count).round() as i32;
        (start, start + count as i32)
    };
    let ends = |bar: &Bar, origin: f32| {
        let at = |px: f32| ((px - origin) / cell_px).round() as i32;
        (at(bar.from), at(bar.to).max(at(bar.from) + 1))
    };
    for (bars, others, is_upright) in
        [(&found.level, &found.upright, false), (&found.upright, &found.level, true)]
    {
        let (along, across) =
            if is_upright { (origin_px.y, origin_px.x) } else { (origin_px.x, origin_px.y) };
        for bar in bars {
            let (mut from, mut to) = ends(bar, along);
            let (side, other_side) = span(bar.middle, bar.thick, across);
            // Rounding to cells must not part a bar from the one that it ends on.
            for other in others.iter().filter(|o| o.from <= bar.middle && bar.middle <= o.to) {
                let half = 0.5 * other.thick + 1.5;
                let (first, last) = span(other.middle, other.thick, along);
                if (bar.from - other.middle).abs() <= half {
                    from = from.min(first);
                }
                if (bar.to - other.middle).abs() <= half {
                    to = to.max(last);
                }
            }
            if is_upright {
                fill(side, other_side, from, to);
            } else {
                fill(from, to, side, other_side);
            }
        }
    }
    let rest = close(&found.rest, 0.5 * gap_px + 0.5);
    let (labels, pieces) = mask_components(&rest, true);
    let far = distance(&rest.map(|set| !set));
    let mut half_px = vec![0.0_f32; pieces.len() + 1];
    for (label, d) in labels.data.iter().zip(&far.data) {
        if let Some(most) = half_px.get_mut(*label as usize).filter(|_| d.is_finite()) {
            *most = most.max(*d);
        }
    }
    let mut is_block = vec![false; pieces.len() + 1];
    for (index, piece) in pieces.iter().enumerate() {
        let (columns, rows) = piece.size();
        let filling = piece.area as f32 / (columns * rows) as f32;
        // A pillar, or a short piece of wall: its edges are straight.
        if filling > 0.8 && piece.extent() as f32 <= 4.0 * ppm {
            is_block[index + 1] = true;
            let centre = piece.centre();
            let (x0, x1) = span(centre.0, columns as f32, origin_px.x);
            let (y0, y1) = span(centre.1, rows as f32, origin_px.y);
            fill(x0, x1, y0, y1);
        }
    }
    // A thin slanted stroke covers little of each cell that it crosses; a block's edge is where half is covered.
    let is_thin =
        |label: u32| half_px.get(label as usize).is_some_and(|half| *half < 0.6 * cell_px);
    for (thin, least) in [(true, 0.2), (false, 0.5)] {
        let some = labels.map(|label| {
            label != 0 && is_block.get(label as usize) == Some(&false) && is_thin(label) == thin
        });
        let cover = coverage(&some, origin_px, cell_px, width, height);
        for (i, share) in cover.data.iter().enumerate() {
            if *share >= least {
                let (x, y) = ((i % width) as i32, (i / width) as i32);
                fill(x, x + 1, y, y + 1);
            }
        }
    }
    close_seams(&mut draft.plan, &coverage(&ink.walls, origin_px, cell_px, width, height), wall);
    Ok(())
}

/// Where ink goes on from one wall to the next, rounding to cells may leave a seam one cell wide: it is filled.
fn close_seams(plan: &mut Plan, inked: &Raster<f32>, wall: Cell) {
    let is_wall = |plan: &Plan, x: i32, y: i32| plan.cell(x, y).kind == CellKind::Wall;
    let seams: Vec<usize> = (0..plan.cells.len())
        .filter(|i| {
            let (x, y) = ((i % plan.width) as i32, (i / plan.width) as i32);
            let is_between = is_wall(plan, x - 1, y) && is_wall(plan, x + 1, y)
                || is_wall(plan, x, y - 1) && is_wall(plan, x, y + 1);
            plan.cells[*i].kind == CellKind::Floor
                && is_between
                && inked.data.get(*i).is_some_and(|share| *share > 0.12)
        })
        .collect();
    for i in seams {
        plan.cells[i] = wall;
    }
}

fn empty() -> Draft {
    Draft { plan: Plan::default(), spawns_m: Vec::new(), goals_m: Vec::new(), warnings: Vec::new() }
}

/// Where cells begin so that most walls lie on them, pixels from 0 to `cell_px`: faces of bars across the axis, and
/// ends of bars along it.
fn best_phase(across: &[Bar], along: &[Bar], cell_px: f32) -> f32 {
    const STEPS: usize = 12;
    let cost = |phase: f32| {
        let off = |at: f32| {
            let at = (at - phase) / cell_px;
            (at - at.round()).abs()
        };
        let faces = across.iter().map(|bar| {
            let count = (bar.thick / cell_px).round().max(1.0);
            (bar.to - bar.from) * off(bar.middle - 0.5 * count * cell_px)
        });
        let ends = along.iter().map(|bar| 0.5 * cell_px * (off(bar.from) + off(bar.to)));
        faces.chain(ends).sum::<f32>()
    };
    let phases = (0..STEPS).map(|i| i as f32 / STEPS as f32 * cell_px);
    phases.min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(0.0)
}

/// Share of each cell that a mask covers.
fn coverage(
    mask: &Mask,
    origin_px: Vec2,
    cell_px: f32,
    width: usize,
    height: usize,
) -> Raster<f32> {
    let mut cover = Raster::new(width, height, 0.0_f32);
    let each = 1.0 / (cell_px * cell_px).max(1.0);
    for y in 0..mask.height {
        let row = ((y as f32 + 0.5 - origin_px.y) / cell_px).floor() as i32;
        for (x, set) in mask.row(y).iter().enumerate() {
            if *set {
                let column = ((x as f32 + 0.5 - origin_px.x) / cell_px).floor() as i32;
                let share = cover.get(column, row).unwrap_or(0.0);
                cover.set(column, row, share + each);
            }
        }
    }
    cover
}

/// A blot of one colour: what is drawn, with its gaps and outlines filled.
struct Blot {
    entry: u8,
    /// On the page, pixels.
    min: (i32, i32),
    whole: Mask,
}

impl Blot {
    fn area(&self) -> usize {
        self.whole.count()
    }

    fn size(&self) -> (usize, usize) {
        (self.whole.width, self.whole.height)
    }

    fn centre_px(&self) -> Vec2 {
        let corner = Vec2::new(self.min.0 as f32, self.min.1 as f32);
        corner + 0.5 * Vec2::new(self.whole.width as f32, self.whole.height as f32)
    }
}

/// Coloured pixels that hang together, or nearly: scribbled fills, crosses and outlines are one blot.
fn blots(ink: &Ink) -> Vec<Blot> {
    let reach_px = (0.9 * ink.stroke_px).max(2.0);
    let near = (2.0 * reach_px) as i32 + 1;
    let (_, pieces) = components(&ink.marks.map(|mark| mark.wrapping_add(1)), true);
    let mut groups: Vec<(u8, (i32, i32), (i32, i32))> = Vec::new();
    for piece in &pieces {
        let (x, y) = (piece.seed.0 as i32, piece.seed.1 as i32);
        let Some(entry) = ink.marks.get(x, y).filter(|_| piece.area >= 3) else { continue };
        let mut min = (piece.min.0 as i32, piece.min.1 as i32);
        let mut max = (piece.max.0 as i32, piece.max.1 as i32);
        // A group that grows may touch another.
        while let Some(index) = groups.iter().position(|(other, low, high)| {
            *other == entry
                && low.0 <= max.0 + near
                && high.0 >= min.0 - near
                && low.1 <= max.1 + near
                && high.1 >= min.1 - near
        }) {
            let (_, low, high) = groups.swap_remove(index);
            min = (min.0.min(low.0), min.1.min(low.1));
            max = (max.0.max(high.0), max.1.max(high.1));
        }
        groups.push((entry, min, max));
    }
    let mut found = Vec::new();
    for (entry, min, max) in groups {
        let pad = near + 1;
        let (min, max) = ((min.0 - pad, min.1 - pad), (max.0 + pad, max.1 + pad));
        let drawn = ink.marks.crop(min, max, NONE).map(|mark| mark == entry);
        let whole = fill_outlines(&close(&drawn, reach_px));
        let (labels, pieces) = mask_components(&whole, true);
        for (index, piece) in pieces.iter().enumerate() {
            let at = |(x, y): (usize, usize)| (x as i32, y as i32);
            let one = labels.crop(at(piece.min), at(piece.max), 0).map(|l| l == index as u32 + 1);
            let corner = (min.0 + piece.min.0 as i32, min.1 + piece.min.1 as i32);
            found.push(Blot { entry, min: corner, whole: one });
        }
    }
    found
}

/// Coloured areas become cells, coloured dots become spawn, goal and bodies.
fn lay_marks(draft: &mut Draft, ink: &Ink, legend: &Legend, ppm: f32) {
    let (width, height) = (draft.plan.width, draft.plan.height);
    let (origin_px, cell_px) = (draft.plan.origin_m * ppm, draft.plan.cell_m * ppm);
    let least = (0.02 * ppm * ppm).max(0.5 * ink.stroke_px * ink.stroke_px).max(5.0);
    let mut spots: Vec<(usize, EntryKind, Vec2)> = Vec::new();
    for blot in blots(ink) {
        let Some(entry) = legend.get(blot.entry).filter(|_| blot.area() as f32 >= least) else {
            continue;
        };
        let centre_m = blot.centre_px() / ppm;
        let kind = match entry.kind {
            EntryKind::Spawn | EntryKind::Goal => {
                spots.push((blot.area(), entry.kind, centre_m));
                continue;
            }
            EntryKind::Body(shape) => {
                let (columns, rows) = blot.size();
                let size_m = body_size(shape, Vec2::new(columns as f32, rows as f32) / ppm);
                draft.plan.bodies.push(PlannedBody { centre_m, size_m, entry: blot.entry });
                continue;
            }
            EntryKind::Hazard => CellKind::Hazard,
            EntryKind::Door => CellKind::Door,
            EntryKind::Wall => CellKind::Wall,
            EntryKind::Ramp => CellKind::Ramp { towards: direction(draft, ink, &blot, ppm) },
            EntryKind::Floor => CellKind::Floor,
        };
        let least = if entry.kind == EntryKind::Door { 0.3 } else { 0.5 };
        let corner = Vec2::new(blot.min.0 as f32, blot.min.1 as f32);
        let cover = coverage(&blot.whole, origin_px - corner, cell_px, width, height);
        for (cell, share) in draft.plan.cells.iter_mut().zip(&cover.data) {
            if *share >= least {
                *cell = Cell { kind, entry: blot.entry };
            }
        }
    }
    spots.sort_by(|a, b| b.0.cmp(&a.0));
    // Crumbs beside a mark are not marks of their own.
    let of = |kind: EntryKind| {
        let largest = spots.iter().filter(|s| s.1 == kind).map(|s| s.0).max().unwrap_or(0);
        let large = spots.iter().filter(|s| s.1 == kind && 5 * s.0 >= largest);
        large.map(|s| s.2).collect::<Vec<_>>()
    };
    draft.spawns_m = of(EntryKind::Spawn);
    draft.goals_m = of(EntryKind::Goal);
}

/// Fills what a thin closed line encloses; a broad ring, such as a moat, stays a ring.
fn fill_outlines(mask: &Mask) -> Mask {
    let free = mask.map(|set| !set);
    let inside: Vec<f32> =
        distance(&free).data.into_iter().filter(|d| *d > 0.0 && d.is_finite()).collect();
    let half_px = quantile(&inside, 0.9).unwrap_or(0.0);
    let (labels, holes) = mask_components(&free, false);
    let fill: Vec<bool> = holes
        .iter()
        .map(|hole| {
            let is_enclosed = hole.min.0 > 0
                && hole.min.1 > 0
                && hole.max.0 + 1 < mask.width
                && hole.max.1 + 1 < mask.height;
            is_enclosed && (hole.area < 60 || 5.0 * half_px < (hole.area as f32).sqrt())
        })
        .collect();
    let data = labels.data.iter().zip(&mask.data).map(|(label, set)| {
        let index = (*label as usize).checked_sub(1);
        *set || index.and_then(|i| fill.get(i)) == Some(&true)
    });
    Raster { width: mask.width, height: mask.height, data: data.collect() }
}

/// Which way a ramp leads up.
fn direction(draft: &mut Draft, ink: &Ink, blot: &Blot, ppm: f32) -> Compass {
    let (columns, rows) = blot.size();
    let (x0, y0) = blot.min;
    let shades = (0..rows as i32).flat_map(|y| {
        (0..columns as i32).filter(move |x| blot.whole.get(*x, y) == Some(true)).map(move |x| {
            let shade = ink.shade.get(x0 + x, y0 + y).unwrap_or(0);
            (Vec2::new(x as f32, y as f32), f32::from(shade))
        })
    });
    let reach = (2.0 * ink.stroke_px) as i32 + 2;
    let is_wall = |x: i32, y: i32| {
        (-reach..=reach)
            .any(|k| ink.walls.get(x + k, y) == Some(true) || ink.walls.get(x, y + k) == Some(true))
    };
    let (compass, is_sure) = uphill(shades, blot.size(), is_wall, blot.min);
    if !is_sure {
        let text =
            format!("which end of the ramp is up is a guess ({compass:?}): draw that end darker");
        draft.warn(WarningKind::Ramp, Some(blot.centre_px() / ppm), text);
    }
    compass
}

/// Openings that a player does not fit through: slits are closed, doorways widened.
fn repair_doorways(draft: &mut Draft, gap_m: f32, legend: &Legend) {
    let wall = Cell { kind: CellKind::Wall, entry: entry_of(legend, EntryKind::Wall) };
    let floor = Cell { kind: CellKind::Floor, entry: entry_of(legend, EntryKind::Floor) };
    let cell_m = draft.plan.cell_m;
    let gates = super::rooms::doorways(&draft.plan);
    let (_, pieces) = components(&gates.map(u8::from), true);
    for piece in pieces {
        let (columns, rows) = piece.size();
        let (x0, y0) = (piece.min.0 as i32, piece.min.1 as i32);
        let (x1, y1) = (piece.max.0 as i32, piece.max.1 as i32);
        let is_wall = |plan: &Plan, x: i32, y: i32| plan.cell(x, y).kind == CellKind::Wall;
        // Walls to the west and east: the opening is as wide as its columns.
        let is_level =
            (y0..=y1).all(|y| is_wall(&draft.plan, x0 - 1, y) && is_wall(&draft.plan, x1 + 1, y));
        let is_upright =
            (x0..=x1).all(|x| is_wall(&draft.plan, x, y0 - 1) && is_wall(&draft.plan, x, y1 + 1));
        // Where a corridor bends, cells count as an opening both ways: that is none.
        if is_level == is_upright || piece.area != columns * rows {
            continue;
        }
        let cells = if is_level { columns } else { rows };
        let width_m = cells as f32 * cell_m;
        let (cx, cy) = piece.centre();
        let at_m = draft.plan.origin_m + Vec2::new(cx, cy) * cell_m;
        if width_m >= LEAST_DOORWAY_M || cell_m > 0.5 * LEAST_DOORWAY_M {
            continue;
        }
        if width_m <= gap_m.min(0.3) {
            for (x, y) in (y0..=y1).flat_map(|y| (x0..=x1).map(move |x| (x, y))) {
                if let Some(i) = draft.plan.index(x, y) {
                    draft.plan.cells[i] = wall;
                }
            }
            draft.warn(
                WarningKind::GapClosed,
                Some(at_m),
                format!("a slit of {width_m:.2} m in a wall is closed"),
            );
            continue;
        }
        let more = ((DOORWAY_M - width_m) / cell_m).ceil() as i32;
        let (before, after) = (more / 2, more - more / 2);
        let (xs, ys) = if is_level {
            (x0 - before..=x1 + after, y0..=y1)
        } else {
            (x0..=x1, y0 - before..=y1 + after)
        };
        for (x, y) in ys.flat_map(|y| xs.clone().map(move |x| (x, y))) {
            if let Some(i) = draft.plan.index(x, y)
                && draft.plan.cells[i].kind == CellKind::Wall
            {
                draft.plan.cells[i] = floor;
            }
        }
        let text = format!(
            "a doorway of {width_m:.2} m is widened to {:.2} m",
            width_m + more as f32 * cell_m
        );
        draft.warn(WarningKind::DoorWidened, Some(at_m), text);
    }
}

/// How well walls and ink agree, and how clear the ink is, 0 to 1.
fn confidence(plan: &Plan, ink: &Ink, ppm: f32) -> f32 {
    let cell_of =
        |x: usize, y: usize| plan.cell_at(Vec2::new(x as f32 + 0.5, y as f32 + 0.5) / ppm);
    let near_wall = |x: i32, y: i32| {
        (-1..=1).any(|dy| (-1..=1).any(|dx| plan.cell(x + dx, y + dy).kind == CellKind::Wall))
    };
    let (mut total, mut explained) = (0_usize, 0_usize);
    let mut inked = Raster::new(plan.width, plan.height, false);
    for y in 0..ink.walls.height {
        for (x, _) in ink.walls.row(y).iter().enumerate().filter(|(_, set)| **set) {
            let (cx, cy) = cell_of(x, y);
            total += 1;
            explained += usize::from(near_wall(cx, cy));
            inked.set(cx, cy, true);
        }
    }
    let (mut walls, mut drawn) = (0_usize, 0_usize);
    for y in 0..plan.height as i32 {
        for x in 0..plan.width as i32 {
            if plan.cell(x, y).kind == CellKind::Wall {
                walls += 1;
                let is_drawn =
                    (-1..=1).any(|dy| (-1..=1).any(|dx| inked.get(x + dx, y + dy) == Some(true)));
                drawn += usize::from(is_drawn);
            }
        }
    }
    let recall = explained as f32 / total.max(1) as f32;
    let precision = drawn as f32 / walls.max(1) as f32;
    let contrast = (ink.level / (9.0 * ink.noise + 20.0)).min(1.0);
    let clear = ((ink.clear - 0.6) / 0.3).clamp(0.0, 1.0);
    (recall * precision).powi(2) * contrast.sqrt() * clear
}
