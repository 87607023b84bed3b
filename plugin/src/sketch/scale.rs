//! How many pixels are a metre.

use super::SketchOptions;
use super::bars::{self, Bars};
use super::error::{Warning, WarningKind};
use super::ink::Ink;
use super::legend::{EntryKind, Legend};
use super::raster::{Mask, mask_components, quantile};

/// Width of a usual doorway, metres.
pub const DOOR_M: f32 = 1.0;
/// Length of a scale bar: a level line with a tick at each end, apart from all walls. Metres.
pub const SCALE_BAR_M: f32 = 5.0;
/// Longer side of a drawing where nothing tells, metres.
pub const DEFAULT_SIDE_M: f32 = 24.0;

/// The scale, and what to tell of it.
pub(super) struct Scale {
    pub pixels_per_metre: f32,
    pub warning: Option<Warning>,
}

/// What is said counts most, then a scale bar, then doors, then openings.
pub(super) fn choose(
    options: &SketchOptions,
    factor: f32,
    bar_px: Option<f32>,
    bars: &Bars,
    ink: &Ink,
    legend: &Legend,
) -> Scale {
    let longest = ink.walls.width.max(ink.walls.height) as f32;
    if let Some(metres) = options.metres_per_pixel {
        return Scale { pixels_per_metre: factor / metres, warning: None };
    }
    let told = |pixels_per_metre: f32, text: String| Scale {
        pixels_per_metre,
        warning: Some(Warning { kind: WarningKind::Scale, text, at_m: None }),
    };
    if let Some(bar_px) = bar_px {
        return Scale { pixels_per_metre: bar_px / SCALE_BAR_M, warning: None };
    }
    let plausible = 0.008 * longest..0.25 * longest;
    let doors = door_lengths(ink, legend);
    if let Some(door_px) = quantile(&doors, 0.5).filter(|px| plausible.contains(px)) {
        let text = format!("the scale is taken from the doors, each about {DOOR_M} m wide");
        return told(door_px / DOOR_M, text);
    }
    let openings = bars::openings(bars, (2.0 * ink.stroke_px).max(5.0), 0.25 * longest);
    // Narrow openings are doorways; wide ones may be anything.
    if let Some(door_px) = quantile(&openings, 0.3).filter(|px| plausible.contains(px)) {
        let text = format!(
            "the scale is taken from the doorways, each about {DOOR_M} m wide; give --metres-per-pixel if they are not"
        );
        return told(door_px / DOOR_M, text);
    }
    let text = format!(
        "nothing says how large the drawing is: its longer side is taken for {DEFAULT_SIDE_M} m; give --metres-per-pixel"
    );
    told(longest / DEFAULT_SIDE_M, text)
}

/// Longer sides of coloured doors, pixels.
fn door_lengths(ink: &Ink, legend: &Legend) -> Vec<f32> {
    let Some(door) = legend.first(EntryKind::Door) else { return Vec::new() };
    let (_, blots) = mask_components(&ink.marks.map(|mark| mark == door), true);
    let least = (ink.stroke_px * ink.stroke_px).max(8.0);
    blots.iter().filter(|blot| blot.area as f32 > least).map(|blot| blot.extent() as f32).collect()
}

/// Finds a scale bar, takes it out of the walls, and gives its length in pixels: a thin level line that stands alone,
/// with a tick at each end and nothing else.
pub(super) fn take_bar(walls: &mut Mask, stroke_px: f32) -> Option<f32> {
    let (labels, pieces) = mask_components(walls, true);
    let largest = pieces.iter().map(|piece| piece.extent()).max()?;
    let is_bar = |index: usize| {
        let piece = &pieces[index];
        let (columns, rows) = piece.size();
        let is_flat = columns as f32 > 5.0 * rows as f32
            && rows as f32 > 2.2 * stroke_px
            && (columns as f32) > 12.0 * stroke_px;
        if !is_flat || columns >= largest {
            return false;
        }
        let label = index as u32 + 1;
        let ink_in = |x: usize| {
            (piece.min.1..=piece.max.1)
                .filter(|y| labels.get(x as i32, *y as i32) == Some(label))
                .count() as f32
        };
        let edge = (1.5 * stroke_px).ceil().max(2.0) as usize;
        let tick =
            |mut columns: std::ops::Range<usize>| columns.any(|x| ink_in(x) > 0.75 * rows as f32);
        let ends =
            tick(piece.min.0..piece.min.0 + edge) && tick(piece.max.0 + 1 - edge..piece.max.0 + 1);
        let middle = (piece.min.0 + edge..piece.max.0 + 1 - edge)
            .filter(|x| ink_in(*x) > 1.8 * stroke_px + 1.0)
            .count();
        ends && 10 * middle < columns
    };
    let index = (0..pieces.len()).find(|index| is_bar(*index))?;
    let label = index as u32 + 1;
    for (set, other) in walls.data.iter_mut().zip(&labels.data) {
        *set = *set && *other != label;
    }
    Some(pieces.get(index)?.size().0 as f32 - stroke_px)
}
