//! Reading in every frame.

use super::fast::{AtHand, Body, Frame, in_page, prefetch, three};
use super::pages::{Key, NONE};
use super::shards::{Pages, Store};
use super::store::TexelMemory;
use super::{LEVEL_TRUST, LEVELS, PAGE, Surfel, Texel, relight};
use crate::geometry::{CameraPose, floor};
use crate::raster::{Scene, ShadowMaps};
use crate::rows::each_parcel;

/// What a reading found.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ReadStats {
    /// Pixels that show a surface.
    pub asked: usize,
    /// Pixels of which anything is remembered.
    pub found: usize,
}

impl TexelMemory {
    /// What is remembered of what `camera` sees of the scene that was announced last. `rgb` gets interleaved sRGB,
    /// 0 where nothing is known; `confidence` 0 to 1 a pixel. `paint` is the shadow paint of now.
    ///
    /// # Panics
    /// If a slice is not of the size of `maps`.
    pub fn read(
        &mut self,
        scene: &Scene,
        camera: &CameraPose,
        maps: &ShadowMaps,
        paint: &[f32],
        rgb: &mut [f32],
        confidence: &mut [f32],
    ) -> ReadStats {
        let pixels = maps.width * maps.height;
        assert_eq!(
            (paint.len(), rgb.len(), confidence.len()),
            (3 * pixels, 3 * pixels, pixels),
            "values for {}×{}",
            maps.width,
            maps.height
        );
        let slots = std::mem::take(&mut self.slots);
        let frame = Frame::new(&slots, scene, camera, maps);
        let (width, pages) = (maps.width.max(1), &self.pages);
        let parcels =
            each_parcel((rgb, 3 * width), (confidence, width), |rows, rgb, confidence| {
                let reader = Reader { pages, frame: &frame, paint };
                let mut at_hand = AtHand::new(pages.generation());
                let mut stats = ReadStats::default();
                let parts = rgb.chunks_exact_mut(3 * width).zip(confidence.chunks_exact_mut(width));
                for (y, (rgb, confidence)) in rows.zip(parts) {
                    reader.row(y, rgb, confidence, &mut at_hand, &mut stats);
                }
                (stats, at_hand.used)
            });
        let mut stats = ReadStats::default();
        for (part, used) in parcels {
            stats.asked += part.asked;
            stats.found += part.found;
            used.into_iter().for_each(|page| self.pages.touch(page, self.frame));
        }
        self.slots = slots;
        stats
    }
}

/// Looks up what is remembered.
struct Reader<'a> {
    pages: &'a Pages,
    frame: &'a Frame<'a>,
    paint: &'a [f32],
}

impl Reader<'_> {
    /// Row `y` of the picture.
    fn row(
        &self,
        y: usize,
        rgb: &mut [f32],
        confidence: &mut [f32],
        at_hand: &mut AtHand,
        stats: &mut ReadStats,
    ) {
        // A row's texels are asked for at once: to wait for each of them was a third of the time.
        let row: Vec<_> = (0..confidence.len()).map(|x| self.frame.surfel(x, y)).collect();
        for (body, surfel) in row.iter().flatten() {
            prefetch(self.pages, body, surfel, at_hand);
        }
        for (x, seen) in row.iter().enumerate() {
            let mut found = ([0.0; 3], 0.0);
            if let Some((body, surfel)) = seen {
                stats.asked += 1;
                let paint = three(self.paint, y * self.frame.maps.width + x);
                found = self.read_at(body, surfel, paint, at_hand);
                stats.found += usize::from(found.1 > 0.0);
            }
            rgb[3 * x..3 * x + 3].copy_from_slice(&found.0);
            confidence[x] = found.1;
        }
    }

    #[inline]
    fn read_at(
        &self,
        body: &Body<'_>,
        surfel: &Surfel,
        paint: [f32; 3],
        at_hand: &mut AtHand,
    ) -> ([f32; 3], f32) {
        let (own, part) = surfel.level();
        // Texels under three quarters of a pixel begin to alias: the next level takes over by degrees.
        let mut open = 1.0;
        let mut sum = Sum::default();
        for (coarser, trust) in LEVEL_TRUST.into_iter().enumerate() {
            let level = own + coarser;
            if level >= LEVELS {
                break;
            }
            let found = self.bilinear(body, surfel, level, at_hand);
            let mut share = open * found.cover;
            if coarser == 0 && level + 1 < LEVELS {
                share *= 1.0 - (2.0 * part - 1.0).max(0.0);
            }
            if share > 0.0 {
                sum.add(&found, share, share * found.confidence * trust);
                open -= share;
            }
            if open < 0.02 {
                break;
            }
        }
        if sum.weight < 0.05 {
            return ([0.0; 3], 0.0);
        }
        let share = 1.0 / sum.weight;
        let mean = |values: [f32; 3]| values.map(|v| v * share);
        let (rgb, changed) = relight(mean(sum.rgb), mean(sum.paint), paint);
        (rgb, sum.confidence * (1.0 - 0.5 * changed))
    }

    /// The four texels around a place, as far as they are known.
    #[inline]
    fn bilinear(
        &self,
        body: &Body<'_>,
        surfel: &Surfel,
        level: usize,
        at_hand: &mut AtHand,
    ) -> Found {
        let [a, b] = surfel.at(level).map(|c| c - 0.5);
        let (i0, j0) = (floor(a), floor(b));
        let (fa, fb) = (a - i0 as f32, b - j0 as f32);
        let slab = surfel.slab(level);
        let mut sum = Sum::default();
        let mut last: ((i32, i32), Option<&[Texel]>) = ((i32::MIN, 0), None);
        for (i, j, share) in [
            (i0, j0, (1.0 - fa) * (1.0 - fb)),
            (i0 + 1, j0, fa * (1.0 - fb)),
            (i0, j0 + 1, (1.0 - fa) * fb),
            (i0 + 1, j0 + 1, fa * fb),
        ] {
            let (at, (iu, iv)) = in_page(i, j);
            if last.0 != at {
                let key = Key::new(body.object, surfel.chart.index(), level, at.0, at.1, slab);
                let page = at_hand.find(self.pages, key, at.0, at.1);
                last = (at, (page != NONE).then(|| self.pages.texels(page)));
            }
            if let Some(texels) = last.1 {
                let texel = &texels[iv * PAGE + iu];
                if texel.weight > 0.0 {
                    sum.add_texel(texel, share);
                }
            }
        }
        sum.found()
    }
}

/// Weighted sums of texels.
#[derive(Default)]
pub(super) struct Sum {
    pub rgb: [f32; 3],
    pub paint: [f32; 3],
    pub confidence: f32,
    pub weight: f32,
}

/// A mean of texels, and the share of the place that they cover.
pub(super) struct Found {
    pub rgb: [f32; 3],
    pub paint: [f32; 3],
    pub confidence: f32,
    pub cover: f32,
}

impl Sum {
    #[inline]
    pub fn add_texel(&mut self, texel: &Texel, share: f32) {
        for c in 0..3 {
            self.rgb[c] += share * texel.rgb[c];
            self.paint[c] += share * texel.paint[c];
        }
        self.confidence += share * texel.confidence();
        self.weight += share;
    }

    #[inline]
    pub fn add(&mut self, found: &Found, share: f32, confidence: f32) {
        for c in 0..3 {
            self.rgb[c] += share * found.rgb[c];
            self.paint[c] += share * found.paint[c];
        }
        self.confidence += confidence;
        self.weight += share;
    }

    #[inline]
    pub fn found(self) -> Found {
        // A sliver of one texel says nothing about the rest of the pixel.
        if self.weight < 0.1 {
            return Found { rgb: [0.0; 3], paint: [0.0; 3], confidence: 0.0, cover: 0.0 };
        }
        let share = 1.0 / self.weight;
        let mean = |values: [f32; 3]| values.map(|v| v * share);
        Found {
            rgb: mean(self.rgb),
            paint: mean(self.paint),
            confidence: self.confidence * share,
            cover: self.weight,
        }
    }
}
