//! The pictures of an evaluation: strips, crops of revealed areas, PSNR over frames.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::canvas::FigureError;
use super::clip::{Clip, Facts};
use super::metrics::{Picture, pair_energy};
use super::plot::{LinePlot, Series};
use super::rows::{PROMPT_FRAMES, RowKind};
use super::strip::{Strip, StripRow};

/// Frames after the prompt that strips show.
pub const STRIP_FRAMES: [usize; 7] = [1, 8, 16, 32, 64, 128, 256];
/// Frames after the prompt that strips of dreams show, as far as the episode goes: 1, 4, 10 s and more.
const DREAM_FRAMES: [usize; 4] = [10, 40, 100, 256];
/// Side of a crop, pixels.
const CROP: usize = 32;
/// Crops on the page.
const MOST_CROPS: usize = 8;
/// Least share of a crop that the prompt did not show.
const LEAST_REVEALED: f64 = 0.6;

/// An interleaved sRGB picture, 0 to 1, as bytes.
pub fn to_image(width: usize, height: usize, rgb: &[f32]) -> RgbImage {
    let bytes: Vec<u8> = rgb.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8).collect();
    RgbImage::from_raw(width as u32, height as u32, bytes).unwrap_or_default()
}

/// The pictures of one frame.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The conventional render.
    pub truth: RgbImage,
    /// The autoregressive row, if it was run.
    pub model: Option<RgbImage>,
    /// Warp + paint.
    pub warp: RgbImage,
    /// Shadow paint.
    pub paint: RgbImage,
}

/// Truth above model above the baselines, a column for each frame.
fn columns(shown: &[&Shown], columns: Vec<String>, upscale: u32) -> Strip {
    let row = |label: &str, pick: &dyn Fn(&Shown) -> Option<RgbImage>| StripRow {
        label: label.to_owned(),
        pictures: shown.iter().filter_map(|s| pick(s)).collect(),
    };
    let rows = vec![
        row("truth", &|s| Some(s.truth.clone())),
        row("model", &|s| s.model.clone()),
        row("warp + paint", &|s| Some(s.warp.clone())),
        row("shadow paint", &|s| Some(s.paint.clone())),
    ];
    Strip {
        columns,
        rows: rows.into_iter().filter(|row| !row.pictures.is_empty()).collect(),
        upscale,
    }
}

/// The frames of an episode beside each other: truth above model above the baselines.
pub fn strip(frames: &BTreeMap<usize, Shown>) -> Strip {
    let labels = frames.keys().map(|frame| format!("frame {frame}")).collect();
    columns(&frames.values().collect::<Vec<_>>(), labels, 2)
}

/// The frames of a dream's strip, in an episode with `last` frames after the prompt.
pub fn dream_frames(last: usize) -> Vec<usize> {
    let mut frames = DREAM_FRAMES.map(|frame| frame.min(last)).to_vec();
    frames.dedup();
    frames
}

/// Truth above dream above the last prompt frame, which is all that the dream began with; `dreamed` by frame after the prompt.
pub fn dream_strip(clip: &Clip, dreamed: BTreeMap<usize, RgbImage>) -> Strip {
    let label =
        |frame: &usize| format!("frame {frame}, {:.1} s", *frame as f32 * clip.frame_dt_s());
    let image = |rgb: &[f32]| to_image(clip.width, clip.height, rgb);
    let row = |label: &str, pictures| StripRow { label: label.to_owned(), pictures };
    let held = image(&clip.rgb[PROMPT_FRAMES - 1]);
    Strip {
        columns: dreamed.keys().map(label).collect(),
        rows: vec![
            row("truth", dreamed.keys().map(|frame| image(clip.truth(*frame))).collect()),
            row("held prompt", vec![held; dreamed.len()]),
            row("dream", dreamed.into_values().collect()),
        ],
        upscale: 2,
    }
}

/// A place that the prompt did not show, cut out.
#[derive(Debug, Clone)]
pub struct Crop {
    /// Texture of the truth there; more is shown first.
    pub detail: f64,
    /// Episode and frame.
    pub label: String,
    /// Cut out of each picture.
    pub shown: Shown,
}

/// The place of the frame with most texture that is mostly revealed, if there is one.
pub fn best_crop(label: String, truth: Picture, facts: &Facts, shown: &Shown) -> Option<Crop> {
    let (width, height) = (truth.width(), truth.height());
    let mut best: Option<(f64, usize, usize)> = None;
    for y in (0..(height + 1).saturating_sub(CROP)).step_by(8) {
        for x in (0..(width + 1).saturating_sub(CROP)).step_by(8) {
            let inside = |i: usize| {
                (x..x + CROP).contains(&(i % width)) && (y..y + CROP).contains(&(i / width))
            };
            let mask: Vec<bool> =
                (0..width * height).map(|i| facts.revealed[i] && inside(i)).collect();
            let share = mask.iter().filter(|m| **m).count() as f64 / (CROP * CROP) as f64;
            if share < LEAST_REVEALED {
                continue;
            }
            let detail = pair_energy(truth, &facts.pairs_in(&mask, width));
            if best.is_none_or(|b| detail > b.0) {
                best = Some((detail, x, y));
            }
        }
    }
    let (detail, x, y) = best?;
    let cut = |picture: &RgbImage| {
        image::imageops::crop_imm(picture, x as u32, y as u32, CROP as u32, CROP as u32).to_image()
    };
    let shown = Shown {
        truth: cut(&shown.truth),
        model: shown.model.as_ref().map(cut),
        warp: cut(&shown.warp),
        paint: cut(&shown.paint),
    };
    Some(Crop { detail, label, shown })
}

/// A page of crops beside the true render; `None` without any.
///
/// `crops` are grouped by episode; every episode has its best one shown before another has its second.
pub fn crop_page(crops: &[Vec<Crop>]) -> Option<Strip> {
    let mut ranked: Vec<(usize, &Crop)> = Vec::new();
    for episode in crops {
        let mut own: Vec<&Crop> = episode.iter().collect();
        own.sort_by(|a, b| b.detail.total_cmp(&a.detail));
        ranked.extend(own.into_iter().enumerate());
    }
    ranked.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.detail.total_cmp(&a.1.detail)));
    let chosen: Vec<&Crop> = ranked.into_iter().take(MOST_CROPS).map(|(_, crop)| crop).collect();
    if chosen.is_empty() {
        return None;
    }
    let labels = chosen.iter().map(|crop| crop.label.clone()).collect();
    Some(columns(&chosen.iter().map(|crop| &crop.shown).collect::<Vec<_>>(), labels, 4))
}

/// PSNR over frames after the prompt, a line for each row.
pub fn psnr_plot(curves: &[(RowKind, Vec<(f64, f64)>)]) -> LinePlot {
    LinePlot {
        title: "PSNR after the prompt, mean over episodes".to_owned(),
        x_label: "frame after the prompt".to_owned(),
        y_label: "PSNR, dB".to_owned(),
        log_y: false,
        series: curves
            .iter()
            .map(|(kind, points)| Series {
                name: kind.name().replace('_', " "),
                points: points.clone(),
            })
            .collect(),
    }
}

/// Writes a strip and gives its path.
///
/// # Errors
/// The file cannot be written.
pub fn save_strip(strip: &Strip, dir: &Path, name: &str) -> Result<PathBuf, FigureError> {
    let path = dir.join(name);
    strip.save(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metrics::tests::pattern;

    fn shown(width: usize, height: usize, rgb: &[f32]) -> Shown {
        let image = to_image(width, height, rgb);
        Shown {
            truth: image.clone(),
            model: Some(image.clone()),
            warp: image.clone(),
            paint: image,
        }
    }

    fn facts(width: usize, revealed: Vec<bool>) -> Facts {
        let inside = |i: usize| i % width + 1 < width && i + width < revealed.len();
        Facts { same_surface: (0..revealed.len()).map(|i| [inside(i); 2]).collect(), revealed }
    }

    #[test]
    fn a_crop_lies_where_the_prompt_did_not_look() {
        let rgb = pattern(128, 72);
        let truth = Picture::new(128, 72, &rgb);
        let right = facts(128, (0..128 * 72).map(|i| i % 128 >= 88).collect());
        let crop = best_crop("a".into(), truth, &right, &shown(128, 72, &rgb)).unwrap();
        assert_eq!(crop.shown.truth.dimensions(), (32, 32));
        // Column 88 is the first revealed one, and crops begin at every eighth.
        let whole = to_image(128, 72, &rgb);
        let at_88_or_96 = [80, 88, 96].iter().any(|x| {
            (0..5).any(|y| {
                image::imageops::crop_imm(&whole, *x, 8 * y, 32, 32).to_image() == crop.shown.truth
            })
        });
        assert!(at_88_or_96);
        assert!(
            best_crop("b".into(), truth, &facts(128, vec![false; 128 * 72]), &shown(128, 72, &rgb))
                .is_none()
        );
    }

    #[test]
    fn a_picture_smaller_than_a_crop_gives_none() {
        let rgb = pattern(24, 16);
        let truth = Picture::new(24, 16, &rgb);
        assert!(
            best_crop("a".into(), truth, &facts(24, vec![true; 24 * 16]), &shown(24, 16, &rgb))
                .is_none()
        );
        assert!(crop_page(&[vec![], vec![]]).is_none());
    }

    #[test]
    fn every_episode_shows_its_best_crop_first() {
        let rgb = pattern(32, 32);
        let crop = |detail: f64, label: &str| Crop {
            detail,
            label: label.into(),
            shown: shown(32, 32, &rgb),
        };
        let many: Vec<Crop> = (0..10).map(|i| crop(100.0 + f64::from(i), "loud")).collect();
        let page = crop_page(&[many, vec![crop(1.0, "quiet")]]).unwrap();
        assert_eq!(page.columns.len(), MOST_CROPS);
        assert_eq!(page.columns.iter().filter(|c| *c == "quiet").count(), 1);
    }
}
