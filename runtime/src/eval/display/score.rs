//! Sums over display frames.

use serde::Serialize;

use super::super::flip::flip;
use super::super::metrics::{Picture, mean_squared_error, psnr_db_of};
use super::super::ssim::ssim;

/// How one way to fill the display did.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    squared: f64,
    edge_squared: f64,
    edge_frames: u32,
    ssim: f64,
    flip: f64,
    frames: u32,
    flips: u32,
}

impl Tally {
    /// Compares a frame. FLIP takes as long as all the rest: it is asked where `with_flip`.
    pub fn add(&mut self, shown: Picture, truth: Picture, edges: &[bool], with_flip: bool) {
        self.squared += mean_squared_error(shown, truth, None).unwrap_or(0.0);
        if let Some(error) = mean_squared_error(shown, truth, Some(edges)) {
            self.edge_squared += error;
            self.edge_frames += 1;
        }
        self.ssim += ssim(shown, truth).unwrap_or(0.0);
        self.frames += 1;
        if with_flip {
            self.flip += flip(shown, truth);
            self.flips += 1;
        }
    }

    /// Takes over what another tally saw.
    pub fn merge(&mut self, other: &Self) {
        self.squared += other.squared;
        self.edge_squared += other.edge_squared;
        self.edge_frames += other.edge_frames;
        self.ssim += other.ssim;
        self.flip += other.flip;
        self.frames += other.frames;
        self.flips += other.flips;
    }

    /// `None` if nothing was compared.
    pub fn figures(&self) -> Option<Figures> {
        (self.frames > 0).then(|| Figures {
            psnr_db: psnr_db_of(self.squared / f64::from(self.frames)),
            edge_psnr_db: psnr_db_of(self.edge_squared / f64::from(self.edge_frames.max(1))),
            ssim: self.ssim / f64::from(self.frames),
            flip: self.flip / f64::from(self.flips.max(1)),
            frames: self.frames,
        })
    }
}

/// Means over the frames of a row; PSNR is that of the mean squared error.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figures {
    /// Of all pixels.
    pub psnr_db: f64,
    /// Within two pixels of an edge of the shadow.
    pub edge_psnr_db: f64,
    /// Of luma.
    pub ssim: f64,
    /// 0 is equal.
    pub flip: f64,
    /// Compared.
    pub frames: u32,
}

/// A row of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// `true` or `model`.
    pub source: String,
    /// Pictures of the model per second.
    pub model_fps: u32,
    /// Factor of the tangents.
    pub overscan: f32,
    /// Display frames that the source's view looks ahead.
    pub lead_frames: usize,
    /// `turn`, `walk`, `throw`, or `all`.
    pub motion: String,
    /// One of [`ROWS`](super::ROWS).
    pub fill: String,
    /// How it did.
    #[serde(flatten)]
    pub figures: Figures,
}

/// All figures.
#[derive(Debug, Clone, Serialize)]
pub struct DisplayReport {
    /// Episodes.
    pub episodes: usize,
    /// Width and height of the display, pixels.
    pub display: [usize; 2],
    /// Width and height of the source, pixels.
    pub source: [usize; 2],
    /// From input to display, besides the wait for the next picture, milliseconds.
    pub latency_ms: f32,
    /// Every row.
    pub rows: Vec<Row>,
    /// What was drawn.
    pub pictures: Vec<std::path::PathBuf>,
}

impl DisplayReport {
    /// For people.
    pub fn table(&self) -> String {
        let mut table = format!(
            "{} episodes, {}×{} from {}×{}, {:.0} ms and more behind\n\n| source | model fps | overscan | lead | motion | fill | PSNR dB | edges dB | SSIM | FLIP |\n|---|---|---|---|---|---|---|---|---|---|\n",
            self.episodes,
            self.display[0],
            self.display[1],
            self.source[0],
            self.source[1],
            self.latency_ms
        );
        for row in &self.rows {
            let f = &row.figures;
            table += &format!(
                "| {} | {} | {:.2} | {} | {} | {} | {:.2} | {:.2} | {:.3} | {:.3} |\n",
                row.source,
                row.model_fps,
                row.overscan,
                row.lead_frames,
                row.motion,
                row.fill,
                f.psnr_db,
                f.edge_psnr_db,
                f.ssim,
                f.flip
            );
        }
        table
    }
}
