//! What is no wall is dropped, and what is meant to be solid is filled.

use super::error::RefusalReason;
use super::ink::{Ink, NONE};
use super::raster::{Component, Mask, close, components, mask_components};

/// Drops dust, small writing, and outlines of coloured marks. Gives how many small marks were dropped.
pub(super) fn clean(ink: &mut Ink, longest: f32) -> usize {
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
pub(super) fn unreadable(ink: &Ink) -> Option<(RefusalReason, String)> {
    let total = ink.walls.data.len() as f32;
    let share = ink.walls.count() as f32 / total;
    if share < 1e-4 {
        let text = "no walls found: draw them as dark strokes on light paper";
        return Some((RefusalReason::NoWalls, text.to_owned()));
    }
    // Between paper, ink and full colours there are only edges; colours are few, and what they mean is known.
    let is_clear = ink.clear > 0.93 && ink.paper > 0.05;
    let coloured = ink.marks.data.iter().filter(|mark| **mark != NONE).count() as f32 / total;
    let (_, blots) = components(&ink.marks.map(|mark| mark.wrapping_add(1)), true);
    let blots = blots.iter().filter(|blot| blot.area > 12).count();
    let is_motley = coloured > 0.5 || coloured > 0.12 && blots > 30 || ink.unknown.len() > 5;
    let is_plan = is_clear && !is_motley;
    let (_, pieces) = mask_components(&ink.walls, true);
    if !is_plan || pieces.len() > 300 {
        let text = "this looks like no drawing: draw walls as dark strokes on plain light paper";
        return Some((RefusalReason::NotADrawing, text.to_owned()));
    }
    None
}

/// Fills what lies between two lines a wall's thickness apart: narrow spaces that strokes enclose on their long sides.
pub(super) fn fill_double(walls: &mut Mask, double_px: f32, stroke_px: f32) {
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
