//! Pictures of what the guard caught, and of what it missed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage, imageops};
use reverie_guard::expected::PixelRect;
use reverie_guard::{FaultClass, Verdict};

use super::GuardEvalError;
use super::source::Source;
use crate::data::sheet::tile;
use crate::eval::FigureError;
use crate::files::write_png;

/// Pictures of each kind that are kept.
const EACH: usize = 4;
/// Enlargement.
const TIMES: u32 = 3;
const YELLOW: Rgb<u8> = Rgb([255, 220, 40]);
const RED: Rgb<u8> = Rgb([255, 40, 40]);

/// One fault in pictures.
pub(super) struct Shot {
    pub class: FaultClass,
    pub source: Source,
    /// The last right picture.
    pub before: Vec<u8>,
    /// Where the guard spoke, or the last one with the fault.
    pub with_fault: Vec<u8>,
    /// Around what is wrong.
    pub fault: PixelRect,
    /// Around what the guard spoke of.
    pub verdict: Option<PixelRect>,
}

/// Some of each kind.
pub(super) struct Shots {
    width: usize,
    /// By class; by source and whether it was caught.
    faults: BTreeMap<FaultClass, BTreeMap<(Source, bool), Vec<RgbImage>>>,
    alarms: BTreeMap<Source, Vec<RgbImage>>,
}

impl Shots {
    /// Of pictures `width` pixels wide.
    pub(super) fn new(width: usize) -> Self {
        Self { width, faults: BTreeMap::new(), alarms: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, shot: Shot) {
        let caught = shot.verdict.is_some();
        let kept =
            self.faults.entry(shot.class).or_default().entry((shot.source, caught)).or_default();
        if kept.len() >= EACH {
            return;
        }
        let right = picture(&shot.before, self.width);
        let (Some(mut right), Some(mut wrong)) = (right, picture(&shot.with_fault, self.width))
        else {
            return;
        };
        outline(&mut right, &shot.fault, YELLOW);
        outline(&mut wrong, &shot.fault, YELLOW);
        if let Some(rect) = &shot.verdict {
            outline(&mut wrong, rect, RED);
        }
        kept.push(tile(&[right, wrong], 2));
    }

    pub(super) fn add_alarm(&mut self, source: Source, rgb: &[u8], verdict: &Verdict) {
        let kept = self.alarms.entry(source).or_default();
        if kept.len() < 3 * EACH
            && let Some(mut picture) = picture(rgb, self.width)
        {
            outline(&mut picture, &verdict.finding.rect, RED);
            kept.push(picture);
        }
    }

    /// One sheet a class: caught ones of renders, missed ones, caught ones of the model, missed ones, each beside the last
    /// right picture. And one of the alarms on clean pictures.
    pub(super) fn save(&self, out: &Path) -> Result<Vec<PathBuf>, GuardEvalError> {
        let mut written = Vec::new();
        let mut save = |name: String, sheet: &RgbImage| -> Result<(), GuardEvalError> {
            let path = out.join(name);
            write_png(&path, sheet)
                .map_err(|source| FigureError::Write { path: path.clone(), source })?;
            written.push(path);
            Ok(())
        };
        for (class, kinds) in &self.faults {
            for ((source, caught), shots) in kinds {
                let what = if *caught { "caught" } else { "missed" };
                let name = format!("{}_{}_{what}.png", class.name(), source.name());
                save(name, &tile(shots, 1))?;
            }
        }
        for (source, shots) in &self.alarms {
            save(format!("clean_{}_alarms.png", source.name()), &tile(shots, 3))?;
        }
        Ok(written)
    }
}

/// Enlarged; `None` for no picture.
fn picture(rgb: &[u8], row: usize) -> Option<RgbImage> {
    let width = row as u32;
    let height = (rgb.len() / (3 * row.max(1))) as u32;
    if height == 0 {
        return None;
    }
    let small = RgbImage::from_raw(width, height, rgb.to_vec())?;
    Some(imageops::resize(&small, TIMES * width, TIMES * height, imageops::FilterType::Nearest))
}

/// A frame of one pixel round the rectangle.
fn outline(picture: &mut RgbImage, rect: &PixelRect, colour: Rgb<u8>) {
    let (width, height) = picture.dimensions();
    let [x0, y0, x1, y1] = [rect.x0, rect.y0, rect.x1, rect.y1].map(|v| TIMES * u32::from(v));
    if x1 <= x0 || y1 <= y0 {
        return;
    }
    let mut put = |x: u32, y: u32| {
        if x < width && y < height {
            picture.put_pixel(x, y, colour);
        }
    };
    for x in x0.saturating_sub(1)..=x1 {
        put(x, y0.saturating_sub(1));
        put(x, y1);
    }
    for y in y0.saturating_sub(1)..=y1 {
        put(x0.saturating_sub(1), y);
        put(x1, y);
    }
}
