//! Pictures that need no network: from shadow paint, memory and the last good frame.

use reverie_kernels::present::snow_share;
use reverie_kernels::raster::SKY;
use reverie_kernels::warp::{PastFrame, warp};

use crate::condition::Candidates;
use crate::paint::{linear_to_srgb, srgb_to_linear};
use crate::tones::Tones;
use crate::view::ShadowView;

/// Bad parts are made anew in tiles of so many pixels: smaller holes would be seams and nothing else.
pub const TILE_PX: usize = 8;
/// Pixels over which an anew part blends into the rest.
const FEATHER_PX: usize = 2;
/// Confidence from which a remembered colour is taken in place of paint.
const SURE: f32 = 0.5;

/// From bad pixels to bad tiles: 1 in every tile that has a bad pixel, falling to 0 within a few pixels around.
pub fn bad_tiles(bad: &[bool], width: usize, height: usize, out: &mut Vec<f32>) {
    out.clear();
    out.resize(width * height, 0.0);
    if bad.len() != width * height {
        return;
    }
    for tile_y in (0..height).step_by(TILE_PX) {
        for tile_x in (0..width).step_by(TILE_PX) {
            let (end_x, end_y) = ((tile_x + TILE_PX).min(width), (tile_y + TILE_PX).min(height));
            let any =
                (tile_y..end_y).any(|y| bad[y * width + tile_x..y * width + end_x].contains(&true));
            if !any {
                continue;
            }
            let low = |at: usize| at.saturating_sub(FEATHER_PX);
            for y in low(tile_y)..(end_y + FEATHER_PX).min(height) {
                for x in low(tile_x)..(end_x + FEATHER_PX).min(width) {
                    let beyond = |at: usize, begin: usize, end: usize| {
                        begin.saturating_sub(at).max((at + 1).saturating_sub(end))
                    };
                    let outside = beyond(x, tile_x, end_x).max(beyond(y, tile_y, end_y));
                    let share = 1.0 - outside as f32 / (FEATHER_PX + 1) as f32;
                    let value = &mut out[y * width + x];
                    *value = value.max(share);
                }
            }
        }
    }
}

/// Mixes `other` into `rgb` (both interleaved), by the share `bad` of each pixel.
pub fn blend(rgb: &mut [f32], other: &[f32], bad: &[f32]) {
    let pixels = rgb.chunks_exact_mut(3).zip(other.chunks_exact(3)).zip(bad);
    for ((rgb, other), share) in pixels.filter(|(_, share)| **share > 0.0) {
        for (value, other) in rgb.iter_mut().zip(other) {
            *value += share * (other - *value);
        }
    }
}

/// The whole view from what is known of it without dreaming: remembered surfaces, else exemplars, else shadow paint in
/// the model's own colours. Interleaved sRGB.
pub fn proxy(
    view: &ShadowView,
    candidates: Option<&Candidates>,
    tones: &Tones,
    out: &mut Vec<f32>,
) {
    toned_paint(view, tones, out);
    let Some(known) = candidates else { return };
    for (rgb, confidence) in
        [(&known.exemplar, &known.exemplar_confidence), (&known.memory, &known.memory_confidence)]
    {
        if rgb.len() != out.len() || 3 * confidence.len() != out.len() {
            continue;
        }
        for (pixel, sure) in confidence.iter().enumerate().filter(|(_, sure)| **sure >= SURE) {
            let share = sure.min(1.0);
            for channel in 3 * pixel..3 * pixel + 3 {
                out[channel] += share * (rgb[channel] - out[channel]);
            }
        }
    }
}

/// Shadow paint in the model's own colours.
pub fn toned_paint(view: &ShadowView, tones: &Tones, out: &mut Vec<f32>) {
    out.clear();
    out.extend_from_slice(&view.paint);
    let primitives = &view.scene().primitives;
    let known = !tones.is_empty();
    if !known {
        return;
    }
    let of_bodies: Vec<glam::Vec3> =
        primitives.iter().map(|body| tones.of_body(body.id, body.material)).collect();
    let of_sky = tones.of_sky();
    for (pixel, primitive) in view.maps.primitive.iter().enumerate() {
        let tone = match of_bodies.get(usize::from(*primitive)) {
            // Snow has the same colour on all of them.
            Some(tone) if *primitive != SKY => {
                tone.lerp(glam::Vec3::ONE, snow_share(view.maps.normal[pixel].y, view.snow()))
            }
            _ => of_sky,
        };
        for channel in 0..3 {
            let value = &mut out[3 * pixel + channel];
            *value = linear_to_srgb(srgb_to_linear(*value) * tone[channel]);
        }
    }
}

/// The last good picture as it looks now; what it did not see is the proxy's.
pub fn last_good(view: &ShadowView, past: &PastFrame, proxy: &[f32], out: &mut Vec<f32>) {
    let pixels = view.maps.width * view.maps.height;
    out.clear();
    out.resize(3 * pixels, 0.0);
    let mut valid = vec![0.0; pixels];
    warp(view.scene(), &view.camera, &view.maps, past, out, &mut valid);
    for (pixel, valid) in valid.iter().enumerate() {
        for channel in 3 * pixel..3 * pixel + 3 {
            out[channel] += (1.0 - valid) * (proxy[channel] - out[channel]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_pixel_makes_its_tile_bad_and_fades_out_around_it() {
        let (width, height) = (32, 20);
        let mut bad = vec![false; width * height];
        bad[10 * width + 12] = true;
        let mut tiles = Vec::new();
        bad_tiles(&bad, width, height, &mut tiles);
        assert_eq!(tiles[10 * width + 12], 1.0);
        assert_eq!(tiles[8 * width + 8], 1.0, "the whole tile");
        assert!(tiles[8 * width + 7] > 0.5 && tiles[8 * width + 6] < 0.5, "feather");
        assert_eq!(tiles[8 * width + 4], 0.0);
        assert_eq!(tiles[19 * width + 31], 0.0);
        bad_tiles(&[], width, height, &mut tiles);
        assert!(tiles.iter().all(|share| *share == 0.0), "a mask of another size is none");
    }

    #[test]
    fn a_blend_leaves_what_is_good() {
        let mut rgb = vec![0.0; 9];
        blend(&mut rgb, &[1.0; 9], &[0.0, 0.5, 1.0]);
        assert_eq!(rgb, [0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0]);
    }
}
