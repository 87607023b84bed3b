//! Sums over frames, and the figures made of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::clip::Facts;
use super::flip::flip;
use super::metrics::{
    Picture, bootstrap_interval, gradient_energy, mean_squared_error, pair_energy, psnr_db_of,
};
use super::rows::{RowKind, Span, is_plotted_frame};
use super::ssim::ssim;
use super::texture::TextureStats;

/// Equal pictures get 100 dB: an infinite value would spoil every mean.
const LEAST_ERROR: f64 = 1e-10;
const BOOTSTRAP_SEED: u64 = 1;

/// The figures of a row over one span.
///
/// PSNR: squared errors are averaged over an episode's frames before the logarithm, then decibels over episodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// dB.
    pub psnr_db: f64,
    /// Lower end of the 95 % bootstrap interval over episodes, dB.
    pub psnr_db_low: f64,
    /// Upper end, dB.
    pub psnr_db_high: f64,
    /// Mean structural similarity; absent for pictures smaller than its window.
    pub ssim: Option<f64>,
    /// Mean ꟻLIP, 0 (equal) to 1.
    pub flip: f64,
    /// Over pixels that the prompt showed, dB.
    pub seen_psnr_db: Option<f64>,
    /// Over pixels that it did not show, dB.
    pub revealed_psnr_db: Option<f64>,
    /// Gradient energy of all pixels over the truth's.
    pub sharpness: Option<f64>,
    /// The same of the revealed pixels alone; 1 is as sharp as the truth.
    pub revealed_sharpness: Option<f64>,
    /// Gradient energy within smooth surfaces in even light, over the truth's: outlines, edges and cast shadows, which
    /// the shadow gives away, are left out. Flat paint has almost none. Of pictures whose outlines lie elsewhere
    /// than the truth's (copy-last, wrong shadow) it says nothing: those outlines count as texture.
    pub texture_sharpness: Option<f64>,
    /// The same of the revealed pixels alone.
    pub revealed_texture_sharpness: Option<f64>,
    /// Share of pixels that the prompt did not show, 0 to 1.
    pub revealed_share: f64,
    /// Fréchet distance of the patches in revealed areas to those of the truth, in luma.
    pub revealed_texture_distance: Option<f64>,
    /// Episodes that reach this far.
    pub episodes: usize,
    /// Frames compared, of all episodes.
    pub frames: usize,
}

/// A true frame to judge by.
#[derive(Debug, Clone, Copy)]
pub struct Truth<'a> {
    /// The conventional render.
    pub picture: Picture<'a>,
    /// What the shadow says of its pixels.
    pub facts: &'a Facts,
}

#[derive(Debug, Default)]
struct EpisodeSums {
    /// Squared errors and pixels: seen, revealed.
    error: [(f64, f64); 2],
    ssim: f64,
    ssim_frames: usize,
    flip: f64,
    frames: usize,
}

/// Sums of one row over one span.
#[derive(Debug, Default)]
pub struct Tally {
    episodes: BTreeMap<usize, EpisodeSums>,
    /// Model and truth.
    energy: [f64; 2],
    revealed_energy: [f64; 2],
    texture_energy: [f64; 2],
    revealed_texture_energy: [f64; 2],
    model_texture: TextureStats,
    true_texture: TextureStats,
}

impl Tally {
    /// Adds a frame of episode number `episode`.
    pub fn add(&mut self, episode: usize, model: Picture, truth: Truth) {
        let revealed = &truth.facts.revealed[..];
        let revealed_pairs = truth.facts.pairs_in(revealed, model.width());
        let seen: Vec<bool> = revealed.iter().map(|r| !r).collect();
        let sums = self.episodes.entry(episode).or_default();
        for (mask, (sum, pixels)) in [&seen[..], revealed].into_iter().zip(&mut sums.error) {
            if let Some(error) = mean_squared_error(model, truth.picture, Some(mask)) {
                let count = mask.iter().filter(|m| **m).count() as f64;
                *sum += error * count;
                *pixels += count;
            }
        }
        if let Some(value) = ssim(model, truth.picture) {
            sums.ssim += value;
            sums.ssim_frames += 1;
        }
        sums.flip += flip(model, truth.picture);
        sums.frames += 1;
        for (i, picture) in [model, truth.picture].into_iter().enumerate() {
            self.energy[i] += gradient_energy(picture, None);
            self.revealed_energy[i] += gradient_energy(picture, Some(revealed));
            self.texture_energy[i] += pair_energy(picture, &truth.facts.same_surface);
            self.revealed_texture_energy[i] += pair_energy(picture, &revealed_pairs);
        }
        self.model_texture.add(model, Some(revealed));
        self.true_texture.add(truth.picture, Some(revealed));
    }

    /// The figures, or `None` without a frame.
    pub fn entry(&self) -> Option<Entry> {
        let psnr = |(sum, pixels): (f64, f64)| {
            (pixels > 0.0).then(|| psnr_db_of((sum / pixels).max(LEAST_ERROR)))
        };
        let mean_of = |value: &dyn Fn(&EpisodeSums) -> Option<f64>| -> Option<f64> {
            let values: Vec<f64> = self.episodes.values().filter_map(value).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let whole: Vec<f64> = self
            .episodes
            .values()
            .filter_map(|e| psnr((e.error[0].0 + e.error[1].0, e.error[0].1 + e.error[1].1)))
            .collect();
        let interval = bootstrap_interval(&whole, BOOTSTRAP_SEED)?;
        let pixels = |kind: usize| self.episodes.values().map(|e| e.error[kind].1).sum::<f64>();
        Some(Entry {
            psnr_db: interval.mean,
            psnr_db_low: interval.low,
            psnr_db_high: interval.high,
            ssim: mean_of(&|e| (e.ssim_frames > 0).then(|| e.ssim / e.ssim_frames as f64)),
            flip: mean_of(&|e| Some(e.flip / e.frames as f64))?,
            seen_psnr_db: mean_of(&|e| psnr(e.error[0])),
            revealed_psnr_db: mean_of(&|e| psnr(e.error[1])),
            sharpness: ratio(self.energy),
            revealed_sharpness: ratio(self.revealed_energy),
            texture_sharpness: ratio(self.texture_energy),
            revealed_texture_sharpness: ratio(self.revealed_texture_energy),
            revealed_share: pixels(1) / (pixels(0) + pixels(1)),
            revealed_texture_distance: self.model_texture.distance(&self.true_texture),
            episodes: self.episodes.len(),
            frames: self.episodes.values().map(|e| e.frames).sum(),
        })
    }
}

/// Of model over truth; `None` where the truth is flat.
pub(super) fn ratio([model, truth]: [f64; 2]) -> Option<f64> {
    (truth > 1e-6).then(|| model / truth)
}

/// All sums of one row.
#[derive(Debug)]
pub struct RowTally {
    kind: RowKind,
    spans: BTreeMap<Span, Tally>,
    /// Sum of PSNR in dB, and episodes, by frame after the prompt.
    curve: BTreeMap<usize, (f64, usize)>,
}

impl RowTally {
    /// Nothing yet.
    pub fn new(kind: RowKind) -> Self {
        let spans = kind.spans().into_iter().map(|span| (span, Tally::default())).collect();
        Self { kind, spans, curve: BTreeMap::new() }
    }

    /// Adds frame `frame` after the prompt to all spans that hold it; `last` frames of the episode are compared.
    pub fn add(&mut self, episode: usize, frame: usize, last: usize, model: Picture, truth: Truth) {
        for (span, tally) in &mut self.spans {
            if span.holds(frame, last) {
                tally.add(episode, model, truth);
            }
        }
        if self.kind.is_plotted()
            && is_plotted_frame(frame)
            && let Some(error) = mean_squared_error(model, truth.picture, None)
        {
            let point = self.curve.entry(frame).or_default();
            point.0 += psnr_db_of(error.max(LEAST_ERROR));
            point.1 += 1;
        }
    }

    /// The figures of the row.
    pub fn row(&self) -> Row {
        let mut row = Row::default();
        for (span, tally) in &self.spans {
            match (span, tally.entry()) {
                (Span::Whole, entry) => row.whole = entry,
                (Span::Horizon(h), Some(entry)) => {
                    row.horizons.insert(*h, entry);
                }
                (Span::Horizon(_), None) => {}
            }
        }
        row
    }

    /// Mean PSNR, dB, over frames after the prompt.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        self.curve
            .iter()
            .map(|(frame, (sum, count))| (*frame as f64, sum / *count as f64))
            .collect()
    }
}

/// The figures of a row; in JSON those of the whole lie beside the horizons.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Row {
    /// Over the first frames after the prompt.
    #[serde(flatten)]
    pub whole: Option<Entry>,
    /// By frames after the prompt.
    #[serde(flatten)]
    pub horizons: BTreeMap<usize, Entry>,
}

impl Row {
    /// PSNR above that of `base`, dB, at each horizon that both have.
    pub fn gain_db(&self, base: &Self) -> BTreeMap<usize, f64> {
        let gain =
            |(h, own): (&usize, &Entry)| Some((*h, own.psnr_db - base.horizons.get(h)?.psnr_db));
        self.horizons.iter().filter_map(gain).collect()
    }
}

/// Slope of the least-squares line through points with x from `from`, per unit of x; `None` for fewer than three.
pub fn slope(points: &[(f64, f64)], from: f64) -> Option<f64> {
    let late: Vec<(f64, f64)> = points.iter().copied().filter(|p| p.0 >= from).collect();
    if late.len() < 3 {
        return None;
    }
    let count = late.len() as f64;
    let (x, y) = late.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / count, y + p.1 / count));
    let spread: f64 = late.iter().map(|p| (p.0 - x).powi(2)).sum();
    (spread > 0.0).then(|| late.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metrics::tests::{noisy, pattern};

    const SIZE: (usize, usize) = (32, 24);

    /// One surface fills the picture, without its border.
    fn facts(revealed: Vec<bool>) -> Facts {
        let inside = |i: usize| i % SIZE.0 + 1 < SIZE.0 && i / SIZE.0 + 1 < SIZE.1;
        Facts { same_surface: (0..revealed.len()).map(|i| [inside(i); 2]).collect(), revealed }
    }

    fn picture(rgb: &[f32]) -> Picture<'_> {
        Picture::new(SIZE.0, SIZE.1, rgb)
    }

    #[test]
    fn errors_are_pooled_within_an_episode_and_decibels_averaged_over_episodes() {
        let black = vec![0.0; SIZE.0 * SIZE.1 * 3];
        let [weak, strong] = [0.1f32, 0.3].map(|v| vec![v; black.len()]);
        let facts = facts(vec![false; SIZE.0 * SIZE.1]);
        let truth = Truth { picture: picture(&black), facts: &facts };
        let mut tally = Tally::default();
        assert_eq!(tally.entry(), None);
        tally.add(0, picture(&weak), truth);
        tally.add(0, picture(&strong), truth);
        tally.add(1, picture(&weak), truth);
        let entry = tally.entry().unwrap();
        // (0.01 + 0.09) / 2 is 13.01 dB, 0.01 is 20 dB.
        assert!((entry.psnr_db - 0.5 * (13.0103 + 20.0)).abs() < 1e-3, "{entry:?}");
        assert!(entry.psnr_db_low < entry.psnr_db && entry.psnr_db < entry.psnr_db_high);
        assert_eq!((entry.episodes, entry.frames, entry.revealed_share), (2, 3, 0.0));
        assert_eq!(entry.seen_psnr_db, Some(entry.psnr_db));
        assert_eq!((entry.revealed_psnr_db, entry.revealed_sharpness), (None, None));
    }

    #[test]
    fn seen_and_revealed_pixels_are_told_apart() {
        let truth_rgb = pattern(SIZE.0, SIZE.1);
        let worse = noisy(&truth_rgb, 0.3, 5);
        let half = truth_rgb.len() / 2;
        // Noise in the lower half alone, which is the revealed one.
        let model = [&truth_rgb[..half], &worse[half..]].concat();
        let facts = facts((0..SIZE.0 * SIZE.1).map(|i| i >= half / 3).collect());
        let mut tally = Tally::default();
        tally.add(3, picture(&model), Truth { picture: picture(&truth_rgb), facts: &facts });
        let entry = tally.entry().unwrap();
        assert_eq!(entry.seen_psnr_db, Some(100.0));
        assert!(entry.revealed_psnr_db.unwrap() < 20.0 && entry.revealed_sharpness.unwrap() > 1.5);
        assert!(entry.revealed_texture_distance.unwrap() > 0.1);
        assert_eq!(entry.revealed_share, 0.5);
        assert!(entry.texture_sharpness.unwrap() < entry.revealed_texture_sharpness.unwrap());
    }

    #[test]
    fn a_row_keeps_horizons_apart_and_json_has_them_by_number() {
        let truth_rgb = pattern(SIZE.0, SIZE.1);
        let worse = noisy(&truth_rgb, 0.3, 5);
        let facts = facts(vec![true; SIZE.0 * SIZE.1]);
        let truth = Truth { picture: picture(&truth_rgb), facts: &facts };
        let mut row = RowTally::new(RowKind::Autoregressive);
        for frame in 1..=16 {
            let model = if frame <= 8 { &truth_rgb } else { &worse };
            row.add(0, frame, 16, picture(model), truth);
        }
        let json = serde_json::to_value(row.row()).unwrap();
        assert_eq!(json["8"]["psnr_db"], 100.0);
        assert!(json["16"]["psnr_db"].as_f64().unwrap() < 25.0);
        assert!(json.get("64").is_none() && json.get("psnr_db").is_none());
        assert_eq!(row.curve().iter().map(|p| p.0).collect::<Vec<_>>(), [1.0, 8.0, 16.0]);
        let mut whole = RowTally::new(RowKind::CopyLast);
        whole.add(0, 3, 16, picture(&worse), truth);
        assert!(serde_json::to_value(whole.row()).unwrap()["psnr_db"].is_f64());
    }

    #[test]
    fn the_slope_is_that_of_the_line_and_ignores_what_lies_before() {
        let points: Vec<(f64, f64)> = (0..20)
            .map(|i| (f64::from(i), if i < 10 { 90.0 } else { 30.0 - 0.25 * f64::from(i) }))
            .collect();
        assert!((slope(&points, 10.0).unwrap() + 0.25).abs() < 1e-12);
        assert_eq!(slope(&points, 18.0), None);
    }
}
