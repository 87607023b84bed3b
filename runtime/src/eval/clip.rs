//! An episode made ready for evaluation: true pictures, requests, the baselines, and what the prompt showed.

use std::sync::Arc;
use std::time::Instant;

use reverie_kernels::warp::{PastFrame, warp, warp_coverage};

use super::metrics::Picture;
use super::rows::PROMPT_FRAMES;
use super::score::Truth;
use crate::data::{DataError, Episode};
use crate::request::{Action, DreamRequest};
use crate::view::ShadowView;

/// An episode in memory. Frames are counted as in the episode: those below [`PROMPT_FRAMES`] are the prompt.
#[derive(Debug)]
pub struct Clip {
    /// Name of its folder.
    pub name: String,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Frames compared, after the prompt.
    pub last: usize,
    /// The true pictures: interleaved sRGB, 0 to 1.
    pub rgb: Vec<Vec<f32>>,
    /// The player's action that led to each frame.
    pub actions: Vec<Action>,
    episode: Episode,
    /// Of the request; 0 to 1.
    condition_strength: f32,
}

/// The baselines of a frame, and what is new in it.
#[derive(Debug)]
pub struct Baseline {
    /// One flag a pixel: no prompt frame showed it.
    pub revealed: Vec<bool>,
    /// Shadow paint, interleaved sRGB, 0 to 1.
    pub paint: Vec<f32>,
    /// The last prompt frame, reprojected, holes filled with paint.
    pub warp: Vec<f32>,
}

/// What was seen in the prompt.
#[derive(Debug)]
pub struct Prompt {
    /// Every second true frame, the last one last.
    pasts: Vec<PastFrame>,
    view: ShadowView,
}

impl Clip {
    /// Decodes the prompt and up to `frames` frames after it; `None` if there is no frame after the prompt.
    ///
    /// # Errors
    /// A picture is damaged.
    pub fn new(
        episode: Episode,
        frames: usize,
        condition_strength: f32,
    ) -> Result<Option<Self>, DataError> {
        let last = episode.len().saturating_sub(PROMPT_FRAMES).min(frames);
        if last == 0 {
            return Ok(None);
        }
        let count = PROMPT_FRAMES + last;
        let mut rgb = Vec::with_capacity(count);
        for frame in 0..count {
            rgb.push(episode.frame_rgb(frame)?.iter().map(|b| f32::from(*b) / 255.0).collect());
        }
        Ok(Some(Self {
            name: episode
                .dir()
                .file_name()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default(),
            width: episode.header().width as usize,
            height: episode.header().height as usize,
            last,
            rgb,
            actions: (0..count).map(|i| episode.action(i)).collect(),
            episode,
            condition_strength,
        }))
    }

    /// The true picture of frame `frame` after the prompt, from 1.
    pub fn truth(&self, frame: usize) -> &[f32] {
        &self.rgb[at(frame)]
    }

    /// A picture of the clip's size.
    pub fn picture<'p>(&self, rgb: &'p [f32]) -> Picture<'p> {
        Picture::new(self.width, self.height, rgb)
    }

    /// What frame `frame` after the prompt is judged by.
    pub fn judged<'p>(&'p self, frame: usize, revealed: &'p [bool]) -> Truth<'p> {
        Truth { picture: self.picture(self.truth(frame)), revealed }
    }

    /// Seconds from frame to frame.
    pub fn frame_dt_s(&self) -> f32 {
        self.episode.header().frame_dt_s
    }

    /// What a game would ask for episode frame `index`.
    pub fn request(&self, index: usize) -> DreamRequest {
        DreamRequest {
            id: index as u64,
            snapshot: Arc::new(self.episode.snapshot(index)),
            action: self.actions[index],
            style: self.episode.style(index),
            condition_strength: self.condition_strength,
            reset: false,
            input_at: Instant::now(),
        }
    }

    /// Draws the prompt.
    pub fn prompt(&self) -> Prompt {
        let (first, style) = (self.episode.snapshot(0), self.episode.style(0));
        let mut view = ShadowView::new(&first, &style, self.width, self.height, true);
        let mut pasts = Vec::new();
        // Neighbouring frames show nearly the same; the last one is among those taken.
        for index in (0..PROMPT_FRAMES).filter(|i| (PROMPT_FRAMES - 1 - i).is_multiple_of(2)) {
            self.draw(&mut view, index);
            pasts.push(PastFrame::new(
                view.scene(),
                &view.camera,
                &view.maps,
                self.rgb[index].clone(),
            ));
        }
        Prompt { pasts, view }
    }

    fn draw(&self, view: &mut ShadowView, index: usize) {
        view.draw(
            &self.episode.snapshot(index),
            &self.episode.style(index),
            self.width,
            self.height,
            true,
        );
    }

    /// The baselines of frame `frame` after the prompt.
    pub fn baseline(&self, prompt: &mut Prompt, frame: usize) -> Baseline {
        let view = &mut prompt.view;
        self.draw(view, at(frame));
        let (scene, camera, maps) = (view.scene(), &view.camera, &view.maps);
        let mut revealed = vec![true; self.width * self.height];
        for past in &prompt.pasts {
            for (revealed, seen) in
                revealed.iter_mut().zip(warp_coverage(scene, camera, maps, past, 1))
            {
                *revealed &= !seen;
            }
        }
        let mut warped = vec![0.0; 3 * revealed.len()];
        let mut valid = vec![0.0; revealed.len()];
        if let Some(past) = prompt.pasts.last() {
            warp(scene, camera, maps, past, &mut warped, &mut valid);
        }
        for (pixel, _) in valid.iter().enumerate().filter(|(_, valid)| **valid <= 0.0) {
            warped[3 * pixel..3 * pixel + 3].copy_from_slice(&view.paint[3 * pixel..3 * pixel + 3]);
        }
        Baseline { revealed, paint: view.paint.clone(), warp: warped }
    }
}

/// Index in the episode of frame `frame` after the prompt, from 1.
pub fn at(frame: usize) -> usize {
    PROMPT_FRAMES + frame - 1
}
