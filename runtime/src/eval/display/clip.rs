//! An episode of `reverie record --display`, cut to what the display shows and to what a model would have made.

use glam::Vec3;
use reverie_guard::{CameraPose, ShadowSnapshot};
use reverie_kernels::raster::{SKY, ShadowMaps};

use super::RECORD_MARGIN;
use crate::data::{DataError, Episode};
use crate::paint::{linear_to_srgb, srgb_to_linear};
use crate::style::StyleWeights;

/// Pixels this far from an edge of the shadow count as edge pixels.
const EDGE_REACH: usize = 2;
/// Least cosine between the normals of neighbours on one surface.
const SMOOTH: f32 = 0.9;

/// An episode whose pictures are wider than the display.
#[derive(Debug)]
pub struct DisplayClip {
    episode: Episode,
    /// Of the display, pixels.
    pub width: usize,
    /// Of the display, pixels.
    pub height: usize,
}

impl DisplayClip {
    /// Takes the middle of the recorded pictures as the display.
    pub fn new(episode: Episode) -> Self {
        let header = episode.header();
        let shown = |recorded: u32| (recorded as f32 / RECORD_MARGIN).round() as usize;
        Self { width: shown(header.width), height: shown(header.height), episode }
    }

    /// Name of its folder.
    pub fn name(&self) -> String {
        self.episode.dir().file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Display frames.
    pub fn len(&self) -> usize {
        self.episode.len()
    }

    /// Never: an episode without frames is refused.
    pub fn is_empty(&self) -> bool {
        self.episode.is_empty()
    }

    /// Display frames per second.
    pub fn fps(&self) -> f32 {
        1.0 / self.episode.header().frame_dt_s
    }

    /// The player's action that led to the frame.
    pub fn action(&self, frame: usize) -> crate::request::Action {
        self.episode.action(frame)
    }

    /// Weather of the frame.
    pub fn style(&self, frame: usize) -> StyleWeights {
        self.episode.style(frame)
    }

    /// The state of the frame, with a camera that sees `margin` times as far as the display.
    pub fn snapshot(&self, frame: usize, margin: f32) -> ShadowSnapshot {
        let mut snapshot = self.episode.snapshot(frame);
        let camera: &mut CameraPose = &mut snapshot.camera;
        let tangent = (0.5 * camera.vertical_fov_rad).tan() / RECORD_MARGIN;
        camera.vertical_fov_rad = 2.0 * (margin * tangent).atan();
        snapshot
    }

    /// What the display should show: interleaved sRGB, 0 to 1.
    ///
    /// # Errors
    /// The picture is damaged.
    pub fn truth(&self, frame: usize) -> Result<Vec<f32>, DataError> {
        self.cut(frame, 1.0, self.width, self.height)
    }

    /// The truth as a model of `width` × `height` pixels would make it, `margin` times as far as the display.
    ///
    /// # Errors
    /// The picture is damaged.
    pub fn source(
        &self,
        frame: usize,
        margin: f32,
        width: usize,
        height: usize,
    ) -> Result<Vec<f32>, DataError> {
        self.cut(frame, margin, width, height)
    }

    /// Averages the light that falls into each pixel.
    fn cut(
        &self,
        frame: usize,
        margin: f32,
        width: usize,
        height: usize,
    ) -> Result<Vec<f32>, DataError> {
        let header = self.episode.header();
        let (full_w, full_h) = (header.width as usize, header.height as usize);
        let light: Vec<f32> = (0..=255).map(|b| srgb_to_linear(b as f32 / 255.0)).collect();
        let bytes = self.episode.frame_rgb(frame)?;
        let across = spans(full_w, self.width as f32 * margin, width);
        let down = spans(full_h, self.height as f32 * margin, height);
        let mut rgb = Vec::with_capacity(3 * width * height);
        for rows in &down {
            for columns in &across {
                let (mut sum, mut weight) = (Vec3::ZERO, 0.0);
                for (y, share_y) in rows {
                    for (x, share_x) in columns {
                        let at = 3 * (y * full_w + x);
                        let value = [0, 1, 2].map(|c| light[usize::from(bytes[at + c])]);
                        sum += share_x * share_y * Vec3::from_array(value);
                        weight += share_x * share_y;
                    }
                }
                rgb.extend((sum / weight).to_array().map(linear_to_srgb));
            }
        }
        Ok(rgb)
    }
}

/// For each of `count` pixels over the middle `shown` of `full` pixels: which of these it covers, and how much of each.
fn spans(full: usize, shown: f32, count: usize) -> Vec<Vec<(usize, f32)>> {
    let first = 0.5 * (full as f32 - shown);
    let step = shown / count as f32;
    (0..count)
        .map(|i| {
            let (low, high) = (first + step * i as f32, first + step * (i + 1) as f32);
            // Rounding must not give a pixel a sliver of its neighbour.
            let (low, high) = (low + 1e-3, high - 1e-3);
            let from = low.max(0.0) as usize;
            let to = (high.max(0.0) as usize).min(full - 1);
            (from.min(to)..=to)
                .map(|x| (x, (high.min(x as f32 + 1.0) - low.max(x as f32)).max(1e-3)))
                .collect()
        })
        .collect()
}

/// Pixels near an edge of what the display shows: outlines, creases, steps in depth.
pub fn edges(maps: &ShadowMaps) -> Vec<bool> {
    let (width, height) = (maps.width, maps.height);
    let differ = |a: usize, b: usize| {
        maps.primitive[a] != maps.primitive[b]
            || (maps.primitive[a] != SKY && maps.normal[a].dot(maps.normal[b]) < SMOOTH)
    };
    let mut near = vec![false; width * height];
    for y in 0..height {
        for x in 0..width {
            let i = y * width + x;
            let edge =
                (x + 1 < width && differ(i, i + 1)) || (y + 1 < height && differ(i, i + width));
            if !edge {
                continue;
            }
            // The edge lies between this pixel and the next.
            for row in near
                .chunks_exact_mut(width)
                .take((y + EDGE_REACH + 1).min(height))
                .skip((y + 1).saturating_sub(EDGE_REACH))
            {
                let (from, to) =
                    ((x + 1).saturating_sub(EDGE_REACH), (x + EDGE_REACH + 1).min(width));
                row[from..to].fill(true);
            }
        }
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_the_middle_without_gaps() {
        for (full, shown, count) in [(800, 640.0, 640), (800, 736.0, 128), (450, 360.0, 72)] {
            let spans = spans(full, shown, count);
            let total: f32 = spans.iter().flatten().map(|(_, share)| share).sum();
            assert!((total - shown).abs() < 0.01 * shown, "{total} of {shown}");
            assert_eq!(spans.len(), count);
            let first = spans[0][0].0 as f32;
            assert!((first - 0.5 * (full as f32 - shown)).abs() < 1.0, "{first}");
        }
        // The display's own pixels are the recorded ones.
        assert!(super::spans(800, 640.0, 640).iter().all(|span| span.len() == 1));
    }

    #[test]
    fn two_pixels_at_each_side_of_an_edge_count() {
        let mut maps = ShadowMaps::default();
        maps.clear(12, 3);
        for y in 0..3 {
            for x in 6..12 {
                maps.primitive[y * 12 + x] = 1;
                maps.normal[y * 12 + x] = Vec3::Y;
            }
        }
        let near = edges(&maps);
        let columns: Vec<usize> = (0..12).filter(|x| near[12 + x]).collect();
        assert_eq!(columns, [4, 5, 6, 7]);
    }
}
