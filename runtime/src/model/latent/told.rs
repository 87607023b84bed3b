//! What model M is told of a frame: the guess that it starts from, and the numbers beside it.

use glam::Vec3;
use reverie_guard::CameraPose;
use reverie_kernels::rows::each_row;

use super::transformer::OWN_GLOBALS;
use crate::condition::{CHANNELS, EXEMPLAR, GLOBALS, Globals, KEY, LAST, MEMORY, PAINT};
use crate::request::Action;
use crate::style::StyleWeights;

/// Length of all numbers of a frame.
pub const NUMBERS: usize = GLOBALS + OWN_GLOBALS as usize;
/// A reprojected pixel that is seen by this share.
pub const SEEN: f32 = 0.5;
/// Confidence from which a memory is believed.
const REMEMBERED: f32 = 0.4;
/// Confidence from which an exemplar is better than paint.
const LIKELY: f32 = 0.05;
/// How well a guess that is only dressed is known.
const DRESSED: f32 = 0.5;

/// The best candidate of each pixel of condition maps (`height * width * CHANNELS`): rgb −1 to 1, 3 values a pixel, and how
/// well known, 0 to 1.
pub fn best_guess(maps: &[f32], width: usize, rgb: &mut Vec<f32>, known: &mut Vec<f32>) {
    let (pixels, width) = (maps.len() / CHANNELS, width.max(1));
    rgb.resize(3 * pixels, 0.0);
    known.resize(pixels, 0.0);
    each_row((rgb, 3 * width), (known, width), |row, rgb, known| {
        let maps = maps[CHANNELS * width * row..].chunks_exact(CHANNELS);
        for ((pixel, rgb), known) in maps.zip(rgb.chunks_exact_mut(3)).zip(known) {
            let (from, how_well) = if pixel[LAST + 3] > SEEN {
                (LAST, 1.0)
            } else if pixel[KEY + 3] > SEEN {
                (KEY, 1.0)
            } else if pixel[MEMORY + 3] > REMEMBERED {
                (MEMORY, 1.0)
            } else if pixel[EXEMPLAR + 3] > LIKELY {
                (EXEMPLAR, DRESSED * pixel[EXEMPLAR + 3].min(1.0))
            } else {
                (PAINT, 0.0)
            };
            rgb.copy_from_slice(&pixel[from..from + 3]);
            *known = how_well;
        }
    });
}

/// The numbers of a frame whose model sees no shadow: style, the way of the camera from `before` to `camera`, `dt`, action.
pub fn dream_globals(
    style: &StyleWeights,
    (before, camera): (&CameraPose, &CameraPose),
    action: &Action,
    dt_s: f32,
) -> [f32; GLOBALS] {
    let globals = Globals {
        style: *style,
        // Where the sun stands would tell where the camera looks.
        sun_direction: Vec3::ZERO,
        camera: *camera,
        last_camera: Some(*before),
        dt_s,
        context_noise: 0.0,
        condition_strength: 0.0,
        action: *action,
        has_key: false,
    };
    globals.pack()
}

/// How a frame is to be treated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Treatment {
    /// 0 clean to 1 pure noise.
    pub noise_level: f32,
    /// Of the sampler, as a share of the whole way; 0 is infinitely small.
    pub step: f32,
    /// It is to be predicted, not known.
    pub wanted: bool,
    /// The shadow is seen.
    pub anchored: bool,
}

/// All numbers of a frame.
pub fn numbers(globals: &[f32; GLOBALS], treatment: Treatment) -> [f32; NUMBERS] {
    let mut numbers = [0.0; NUMBERS];
    numbers[..GLOBALS].copy_from_slice(globals);
    let flag = |on: bool| if on { 1.0 } else { 0.0 };
    numbers[GLOBALS..].copy_from_slice(&[
        treatment.noise_level,
        treatment.step,
        flag(treatment.wanted),
        flag(treatment.anchored),
    ]);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_truth_comes_first() {
        let mut pixel = vec![0.0f32; CHANNELS];
        for (at, value) in [(PAINT, 0.1), (EXEMPLAR, 0.2), (LAST, 0.3), (KEY, 0.4), (MEMORY, 0.5)] {
            pixel[at..at + 3].fill(value);
        }
        let guess = |pixel: &[f32]| {
            let (mut rgb, mut known) = (Vec::new(), Vec::new());
            best_guess(pixel, 1, &mut rgb, &mut known);
            (rgb[0], known[0])
        };
        assert_eq!(guess(&pixel), (0.1, 0.0));
        pixel[EXEMPLAR + 3] = 0.6;
        assert_eq!(guess(&pixel), (0.2, 0.3));
        pixel[MEMORY + 3] = 0.9;
        assert_eq!(guess(&pixel), (0.5, 1.0));
        pixel[KEY + 3] = 0.9;
        assert_eq!(guess(&pixel).0, 0.4);
        pixel[LAST + 3] = 0.9;
        assert_eq!(guess(&pixel).0, 0.3);
    }
}
