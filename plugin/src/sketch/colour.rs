//! Which entry of the legend a colour belongs to.
//!
//! Ink on paper takes away from white: thin ink, a pale crayon or a blurred edge lie on the way from white to the
//! full colour. So colours are told apart by the direction in which they leave white, and little by how far.

use super::legend::{EntryKind, Legend};

/// Weight of how far from white beside the direction, radians a full step.
const DEPTH_WEIGHT: f32 = 0.25;
/// Colours with less between their channels have no hue.
const GREY_CHROMA: u8 = 36;
/// Between a colour and a grey, radians.
const GREY_OR_NOT: f32 = 0.35;

/// How different two colours are, 0 for the same; about radians.
pub(super) fn difference(a: [u8; 3], b: [u8; 3]) -> f32 {
    let is_grey = [a, b].map(|colour| chroma(colour) < GREY_CHROMA);
    let ((a, deep_a), (b, deep_b)) = (away_from_white(a), away_from_white(b));
    let depth = (deep_a - deep_b).abs();
    if is_grey == [true, true] {
        return depth;
    }
    let cosine = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let hue = if is_grey[0] != is_grey[1] { GREY_OR_NOT } else { 0.0 };
    cosine.clamp(-1.0, 1.0).acos() + hue + DEPTH_WEIGHT * depth
}

/// Unit direction from white, and how far along, 0 white to 1 black.
fn away_from_white(colour: [u8; 3]) -> ([f32; 3], f32) {
    let away = colour.map(|c| 1.0 - f32::from(c) / 255.0);
    let length = (away[0] * away[0] + away[1] * away[1] + away[2] * away[2]).sqrt();
    (away.map(|c| c / length.max(1e-6)), length / 3_f32.sqrt())
}

/// Largest difference among the channels.
pub(super) fn chroma([r, g, b]: [u8; 3]) -> u8 {
    r.max(g).max(b) - r.min(g).min(b)
}

/// The coloured entries of a legend: those that are told from ink and paper by hue.
pub(super) fn is_coloured(legend: &Legend, entry: u8) -> bool {
    legend.get(entry).is_some_and(|e| chroma(e.colour) >= 48 && e.kind != EntryKind::Floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(legend: &Legend, colour: [u8; 3]) -> &str {
        let entries = legend.entries.iter();
        let best = entries
            .min_by(|a, b| difference(colour, a.colour).total_cmp(&difference(colour, b.colour)));
        best.map_or("", |entry| &entry.name)
    }

    #[test]
    fn colours_go_to_what_a_person_would_say() {
        let legend = Legend::default();
        for (colour, expected) in [
            ([0, 0, 0], "wall"),
            ([40, 38, 42], "wall"),
            ([250, 250, 248], "floor"),
            ([0, 0, 255], "water"),
            ([120, 180, 255], "water"),
            ([0, 255, 0], "spawn"),
            ([0, 128, 0], "spawn"),
            ([255, 0, 0], "goal"),
            ([200, 20, 40], "goal"),
            ([139, 69, 19], "crate"),
            ([160, 110, 70], "crate"),
            ([255, 165, 0], "ball"),
            ([255, 128, 0], "ball"),
            ([128, 128, 128], "ramp"),
            ([255, 255, 0], "door"),
            ([255, 215, 0], "door"),
        ] {
            assert_eq!(name(&legend, colour), expected, "{colour:?}");
        }
    }
}
