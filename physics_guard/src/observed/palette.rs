//! Colours as shares of a coarse palette: of a body's colours a histogram is remembered, whatever its material.
//!
//! Brightness and two differences of channels, the latter finer about grey, where most of the world is. A colour is shared out
//! among the eight corners around it (trilinear), so that a small change of light changes little.

const LIGHT: usize = 8;
const TONES: usize = 7;
/// Entries of the palette.
pub const BINS: usize = LIGHT * TONES * TONES;
/// At this difference of channels the scale of tones is at half of its way.
const HALF_TONE: f32 = 0.15;

/// The eight entries that a colour is shared out among, with their shares; these sum to 1.
pub(crate) type Shares = [(u16, f32); 8];

/// Where a value of 0 to 1 lies on a scale of so many entries: the lower one, and how far towards the next.
fn place(value: f32, entries: usize) -> (usize, f32) {
    let at = value.clamp(0.0, 1.0) * (entries - 1) as f32;
    let low = (at as usize).min(entries - 2);
    (low, at - low as f32)
}

/// Shares out an sRGB colour.
pub(crate) fn shares(rgb: [u8; 3]) -> Shares {
    let [r, g, b] = rgb.map(|v| f32::from(v) / 255.0);
    let tone = |d: f32| 0.5 + 0.5 * d / (HALF_TONE + d.abs());
    let light = place((r + g + b) / 3.0, LIGHT);
    let warm = place(tone(r - b), TONES);
    let green = place(tone(g - 0.5 * (r + b)), TONES);
    std::array::from_fn(|corner| {
        let pick = |(low, on): (usize, f32), bit: usize| {
            if corner >> bit & 1 == 1 { (low + 1, on) } else { (low, 1.0 - on) }
        };
        let (l, w, g) = (pick(light, 0), pick(warm, 1), pick(green, 2));
        (((l.0 * TONES + w.0) * TONES + g.0) as u16, l.1 * w.1 * g.1)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_colour_is_shared_out_completely(rgb in any::<[u8; 3]>()) {
            let shares = shares(rgb);
            prop_assert!(shares.iter().all(|(bin, p)| usize::from(*bin) < BINS && *p >= 0.0));
            prop_assert!((shares.iter().map(|(_, p)| p).sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn like_colours_share_entries_and_unlike_ones_do_not() {
        let common = |a: [u8; 3], b: [u8; 3]| {
            let (a, b) = (shares(a), shares(b));
            let of = |bin: u16| b.iter().filter(|s| s.0 == bin).map(|s| s.1).sum::<f32>();
            a.iter().map(|(bin, p)| p.min(of(*bin))).sum::<f32>()
        };
        assert!(common([120, 90, 60], [126, 95, 64]) > 0.7);
        assert!(common([120, 90, 60], [60, 110, 60]) < 0.1);
    }
}
