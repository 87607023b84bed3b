//! An episode made ready for evaluation: true pictures, requests, the baselines, and what the prompt showed.

use std::sync::Arc;
use std::time::Instant;

use reverie_guard::{CameraPose, ShadowSnapshot};
use reverie_kernels::raster::{ShadowMaps, raster};
use reverie_kernels::warp::{PastFrame, warp, warp_coverage};

use super::fill::spread_known;
use super::metrics::Picture;
use super::rows::PROMPT_FRAMES;
use super::score::Truth;
use crate::commanded::commanded;
use crate::data::{DataError, Episode};
use crate::request::{Action, DreamMode, DreamRequest};
use crate::scene::ShadowScene;
use crate::style::StyleWeights;
use crate::view::{ShadowView, is_same_surface};

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

/// What the shadow says of a frame's pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// One flag a pixel: no prompt frame showed it.
    pub revealed: Vec<bool>,
    /// For each pixel, whether its right and its lower neighbour lie on the same smooth surface in the same light.
    pub same_surface: Vec<[bool; 2]>,
}

impl Facts {
    /// The pairs of [`same_surface`](Self::same_surface) of which both pixels are in `mask`.
    pub fn pairs_in(&self, mask: &[bool], width: usize) -> Vec<[bool; 2]> {
        let holds = |i: usize| mask.get(i).copied().unwrap_or(false);
        let pair = |(i, [right, below]): (usize, &[bool; 2])| {
            [*right && holds(i) && holds(i + 1), *below && holds(i) && holds(i + width)]
        };
        self.same_surface.iter().enumerate().map(pair).collect()
    }
}

/// The baselines of a frame, and what is known of its pixels.
#[derive(Debug)]
pub struct Baseline {
    /// What is new, and what is texture.
    pub facts: Facts,
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
    /// The bodies of its last frame.
    scene: ShadowScene,
    /// By the commands alone: of frame `i` after the prompt at `i`, of the last prompt frame at 0.
    commanded: Vec<CameraPose>,
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
    pub fn judged<'p>(&'p self, frame: usize, facts: &'p Facts) -> Truth<'p> {
        Truth { picture: self.picture(self.truth(frame)), facts }
    }

    /// Seconds from frame to frame.
    pub fn frame_dt_s(&self) -> f32 {
        self.episode.header().frame_dt_s
    }

    /// The shadow at episode frame `index`.
    pub fn snapshot(&self, index: usize) -> ShadowSnapshot {
        self.episode.snapshot(index)
    }

    /// Light and weather of episode frame `index`.
    pub fn style(&self, index: usize) -> StyleWeights {
        self.episode.style(index)
    }

    /// What a game would ask for episode frame `index`.
    pub fn request(&self, index: usize) -> DreamRequest {
        DreamRequest {
            id: index as u64,
            snapshot: Arc::new(self.episode.snapshot(index)),
            action: self.actions[index],
            style: self.episode.style(index),
            condition_strength: self.condition_strength,
            mode: DreamMode::Anchored,
            reset: false,
            input_at: Instant::now(),
            requested_at: Instant::now(),
        }
    }

    /// What a dream is asked for frame `frame` after the prompt, from 1: the state of the last prompt frame, in which only
    /// time goes on, and an action. Nothing else tells what came.
    pub fn dream_request(&self, frame: usize, action: Action) -> DreamRequest {
        let request = self.request(at(frame));
        let mut snapshot = self.episode.snapshot(PROMPT_FRAMES - 1);
        (snapshot.tick, snapshot.time_s) = (request.snapshot.tick, request.snapshot.time_s);
        DreamRequest { snapshot: Arc::new(snapshot), action, mode: DreamMode::Dream, ..request }
    }

    /// True depth of episode frame `index` along −Z, metres, infinite in the sky; one a pixel.
    pub fn depth_m(&self, index: usize) -> Vec<f32> {
        let snapshot = self.episode.snapshot(index);
        let mut maps = ShadowMaps::default();
        let scene = ShadowScene::new(&snapshot, true).scene;
        raster(&scene, &snapshot.camera, self.width, self.height, &mut maps);
        maps.depth_m
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
        let last = self.episode.snapshot(PROMPT_FRAMES - 1);
        let mut camera = last.camera;
        let steps = self.actions[PROMPT_FRAMES..].iter().map(|action| {
            camera = commanded(&camera, action, self.frame_dt_s());
            camera
        });
        let commanded = [last.camera].into_iter().chain(steps).collect();
        Prompt { pasts, view, scene: ShadowScene::new(&last, true), commanded }
    }

    /// See [`Facts::same_surface`], of episode frame `index`.
    pub fn same_surface(&self, index: usize) -> Vec<[bool; 2]> {
        let (snapshot, style) = (self.episode.snapshot(index), self.episode.style(index));
        same_surface(&ShadowView::new(&snapshot, &style, self.width, self.height, true).maps)
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
        let facts = Facts { revealed, same_surface: same_surface(maps) };
        Baseline { facts, paint: view.paint.clone(), warp: warped }
    }
}

impl Prompt {
    /// The last prompt frame as it looks from where the commands alone take the camera until frame `frame` after the prompt:
    /// its bodies stand still, and what it does not know gets the nearest pixel that it knows.
    pub fn commanded_warp(&self, frame: usize) -> Vec<f32> {
        let Some(past) = self.pasts.last() else { return Vec::new() };
        let camera = self.commanded[frame.min(self.commanded.len() - 1)];
        let mut maps = ShadowMaps::default();
        raster(&self.scene.scene, &camera, past.width, past.height, &mut maps);
        let pixels = past.width * past.height;
        let (mut rgb, mut valid) = (vec![0.0; 3 * pixels], vec![0.0; pixels]);
        warp(&self.scene.scene, &camera, &maps, past, &mut rgb, &mut valid);
        let known: Vec<bool> = valid.iter().map(|share| *share > 0.0).collect();
        if known.contains(&true) {
            spread_known(past.width, &known, &mut rgb)
        } else {
            rgb.clone_from(&past.rgb)
        }
        rgb
    }
}

/// See [`Facts::same_surface`].
fn same_surface(maps: &ShadowMaps) -> Vec<[bool; 2]> {
    let (width, height) = (maps.width, maps.height);
    let same = |a: usize, b: usize| is_same_surface(maps, a, b);
    let pair = |i: usize| {
        [i % width + 1 < width && same(i, i + 1), i / width + 1 < height && same(i, i + width)]
    };
    (0..width * height).map(pair).collect()
}

/// Index in the episode of frame `frame` after the prompt, from 1.
pub fn at(frame: usize) -> usize {
    PROMPT_FRAMES + frame - 1
}

#[cfg(test)]
mod tests {
    use glam::{Quat, Vec3};
    use reverie_guard::{Body, BodyKind, CameraPose, Pose, Shape};
    use reverie_kernels::raster::SKY;

    use super::*;

    fn cuboid(id: u64, half_extents_m: Vec3, at_m: Vec3) -> Body {
        Body {
            id,
            shape: Shape::Cuboid { half_extents_m },
            world_from_body: Pose::new(Quat::from_rotation_y(0.6), at_m),
            linear_velocity_m_s: Vec3::ZERO,
            angular_velocity_rad_s: Vec3::ZERO,
            kind: BodyKind::Fixed,
            material: 3,
            tint_srgb: None,
        }
    }

    #[test]
    fn outlines_edges_shadows_and_sky_are_no_texture() {
        let snapshot = ShadowSnapshot {
            tick: 0,
            time_s: 0.0,
            camera: CameraPose {
                world_from_camera: Pose::new(Quat::IDENTITY, Vec3::new(0.0, 1.0, 4.0)),
                vertical_fov_rad: 1.0,
            },
            bodies: vec![
                cuboid(1, Vec3::new(30.0, 0.1, 30.0), Vec3::ZERO),
                cuboid(2, Vec3::splat(0.6), Vec3::new(0.0, 0.7, 0.0)),
            ],
            sun_direction: Vec3::new(0.6, 0.7, 0.4).normalize(),
        };
        let view = ShadowView::new(&snapshot, &StyleWeights::NOON, 64, 48, true);
        let pairs = same_surface(&view.maps);
        let mut counts = [0; 2];
        for (i, [right, _]) in pairs.iter().enumerate().filter(|(i, _)| i % 64 != 63) {
            let (a, b) = (view.maps.primitive[i], view.maps.primitive[i + 1]);
            let flat = view.maps.normal[i].dot(view.maps.normal[i + 1]) > 0.99;
            let lit = (view.maps.sun_visibility[i] - view.maps.sun_visibility[i + 1]).abs();
            if a != b || a == SKY || !flat || lit > 0.5 {
                assert!(!right, "pixel {i}");
                counts[0] += 1;
            } else if lit == 0.0 {
                assert!(right, "pixel {i}");
                counts[1] += 1;
            }
        }
        assert!(counts[0] > 500 && counts[1] > 800, "{counts:?}");
        let facts = Facts { revealed: vec![true; 64 * 48], same_surface: pairs.clone() };
        assert_eq!(facts.pairs_in(&facts.revealed, 64), pairs);
        assert!(facts.pairs_in(&[false; 64 * 48], 64).iter().all(|pair| *pair == [false; 2]));
    }
}
