//! Fills the display as a game would, frame by frame, and compares it with the conventional render.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use glam::{Quat, Vec3};
use reverie_guard::{CameraPose, ShadowSnapshot};
use reverie_kernels::exemplar::Exemplars;
use reverie_kernels::present::reference::{Display, Frame, present};
use reverie_kernels::present::{Detail, FRAMES, Fill, Light, drop_index};
use reverie_kernels::raster::{ShadowMaps, raster};

use super::clip::{DisplayClip, edges};
use super::score::{DisplayReport, Row, Tally};
use super::{DisplayOptions, RECORD_MARGIN, ROWS};
use crate::card::ModelCard;
use crate::data::{Episode, list_episodes};
use crate::eval::figures::to_image;
use crate::eval::metrics::Picture;
use crate::eval::options::EvalError;
use crate::eval::options::require_kind;
use crate::eval::strip::{Strip, StripRow};
use crate::frame::FrameShadow;
use crate::model::reverie::ReverieModel;
use crate::model::{LoadOptions, WorldModel};
use crate::paint::to_rgba8;
use crate::request::{DreamMode, DreamRequest};
use crate::scene::ShadowScene;
use crate::tones::Tones;
use crate::view::ShadowView;

/// A picture is on display this many display frames after its state, besides the wait for the next one.
const LATENCY_FRAMES: usize = 1;
/// True pictures that the model gets before its own count.
const PROMPT_FRAMES: usize = 4;
/// In [`ROWS`]: what the game shows.
const WITH_DETAIL: usize = 5;
/// FLIP is asked for every so many scored frames.
const FLIP_STRIDE: usize = 2;

/// A source picture and its shadow.
struct Source {
    time_s: f64,
    snapshot: ShadowSnapshot,
    shadow: FrameShadow,
    rgba: Vec<u8>,
    /// What was known of materials then.
    detail: Option<Arc<Detail>>,
}

/// What is the same for a whole pass over the episodes.
#[derive(Clone, Copy)]
struct Setting {
    overscan: f32,
    /// Display frames.
    lead: usize,
    model_fps: u32,
}

type Key = (String, u32, u32, usize, String, usize);

/// Compares all rows over the episodes in `data`; sources have the size of the model of `card_path`.
///
/// # Errors
/// See [`EvalError`].
pub fn evaluate_display(
    data: &Path,
    card_path: &Path,
    options: &DisplayOptions,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<DisplayReport, EvalError> {
    check(options)?;
    let card = ModelCard::load(card_path)?;
    require_kind("`reverie eval --display`", card_path, &card)?;
    let size = (card.architecture.width as usize, card.architecture.height as usize);
    let mut paths = list_episodes(data)?;
    paths.truncate(options.episodes.unwrap_or(usize::MAX));
    if paths.is_empty() {
        return Err(EvalError::NoDisplayEpisodes { data: data.to_owned() });
    }
    let load = LoadOptions { threads: Some(1), ..LoadOptions::default() };
    let mut model = ReverieModel::load(card_path, card, &load)?;
    let mut run = Run { size, options, tallies: BTreeMap::new(), pictures: Vec::new() };
    let mut display = [0; 2];
    let mut latency_ms = 0.0;
    for (number, path) in paths.iter().enumerate() {
        let clip = DisplayClip::new(Episode::open(path)?);
        check_shape(&clip, size)?;
        display = [clip.width, clip.height];
        latency_ms = 1e3 * LATENCY_FRAMES as f32 / clip.fps();
        for overscan in &options.overscans {
            for (lead, model_fps) in pairs(&options.leads, &options.model_fps) {
                let share = number as f64 / paths.len() as f64;
                let what = format!(
                    "{}, {model_fps} fps, overscan {overscan:.2}, lead {lead}",
                    clip.name()
                );
                progress(&what, share);
                let setting = Setting { overscan: *overscan, lead, model_fps };
                let sources = run.true_sources(&clip, setting)?;
                run.compare("true", &clip, setting, &sources)?;
                if options.with_model {
                    let sources = run.dreamed(&mut model, &clip, setting)?;
                    run.compare("model", &clip, setting, &sources)?;
                }
            }
        }
    }
    let rows = run.rows();
    Ok(DisplayReport {
        episodes: paths.len(),
        display,
        source: [size.0, size.1],
        latency_ms,
        rows,
        pictures: run.pictures,
    })
}

/// Sources are cut out of the truth: they need its proportions.
fn check_shape(clip: &DisplayClip, size: (usize, usize)) -> Result<(), EvalError> {
    let aspect = |width: usize, height: usize| width as f32 / height.max(1) as f32;
    if (aspect(clip.width, clip.height) / aspect(size.0, size.1) - 1.0).abs() < 0.02 {
        return Ok(());
    }
    Err(EvalError::Option {
        what: "the display's shape",
        value: format!("{}×{} in {}", clip.width, clip.height, clip.name()),
        hint: format!("record in the proportions of the model's {}×{}", size.0, size.1),
    })
}

fn pairs(leads: &[usize], model_fps: &[u32]) -> Vec<(usize, u32)> {
    leads.iter().flat_map(|lead| model_fps.iter().map(|fps| (*lead, *fps))).collect()
}

fn check(options: &DisplayOptions) -> Result<(), EvalError> {
    let wrong = |what, value: String, hint: String| Err(EvalError::Option { what, value, hint });
    if let Some(overscan) =
        options.overscans.iter().find(|o| !(1.0..=RECORD_MARGIN).contains(*o)).copied()
    {
        return wrong(
            "an overscan",
            overscan.to_string(),
            format!("1 to {RECORD_MARGIN} are there"),
        );
    }
    if options.model_fps.contains(&0) || options.stride == 0 || options.episodes == Some(0) {
        return wrong(
            "a rate, stride or number",
            "0".to_owned(),
            "at least 1 is needed".to_owned(),
        );
    }
    Ok(())
}

struct Run<'a> {
    /// Of sources, pixels.
    size: (usize, usize),
    options: &'a DisplayOptions,
    /// By source, fps, overscan in percent, lead, motion, row.
    tallies: BTreeMap<Key, Tally>,
    pictures: Vec<std::path::PathBuf>,
}

/// Display frames from one source picture to the next.
fn step(clip: &DisplayClip, setting: Setting) -> usize {
    ((clip.fps() / setting.model_fps as f32).round() as usize).max(1)
}

impl Run<'_> {
    /// By display frame of their state.
    fn true_sources(
        &self,
        clip: &DisplayClip,
        setting: Setting,
    ) -> Result<BTreeMap<usize, Source>, EvalError> {
        let mut sources = BTreeMap::new();
        // The materials as they were learnt from the true pictures so far.
        let mut exemplars = Exemplars::new();
        for frame in (0..clip.len()).step_by(step(clip, setting)) {
            let ahead = (frame + setting.lead).min(clip.len() - 1);
            let mut source = self.true_source(clip, ahead, setting.overscan)?;
            let (width, height) = self.size;
            let style = clip.style(ahead);
            let view = ShadowView::new(&source.snapshot, &style, width, height, true);
            let rgb: Vec<f32> =
                source.rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).map(byte).collect();
            exemplars.write(&view.maps, &rgb, &view.paint, |_| 1.0);
            source.detail = Some(Arc::new(Detail::new(&mut exemplars)));
            sources.insert(frame, source);
        }
        Ok(sources)
    }

    fn true_source(
        &self,
        clip: &DisplayClip,
        frame: usize,
        overscan: f32,
    ) -> Result<Source, EvalError> {
        let rgb = clip.source(frame, overscan, self.size.0, self.size.1)?;
        let snapshot = clip.snapshot(frame, overscan);
        Ok(source(snapshot, &clip.style(frame), to_rgba8(&rgb), self.size))
    }

    /// The model's own pictures, after some true ones.
    fn dreamed(
        &self,
        model: &mut ReverieModel,
        clip: &DisplayClip,
        setting: Setting,
    ) -> Result<BTreeMap<usize, Source>, EvalError> {
        model.forget_look();
        let mut sources = BTreeMap::new();
        let frames = (0..clip.len()).step_by(step(clip, setting));
        for (index, frame) in frames.enumerate() {
            let request = DreamRequest {
                id: frame as u64,
                snapshot: Arc::new(if index < PROMPT_FRAMES {
                    clip.snapshot(frame, setting.overscan)
                } else {
                    looking_ahead(clip, frame, setting)
                }),
                action: clip.action(frame),
                style: clip.style(frame),
                condition_strength: 1.0,
                mode: DreamMode::Anchored,
                reset: false,
                input_at: Instant::now(),
                requested_at: Instant::now(),
            };
            let (width, height) = self.size;
            if index < PROMPT_FRAMES {
                let rgb = clip.source(frame, setting.overscan, width, height)?;
                model.prompt(&request, rgb, 1.0)?;
            } else {
                let dreamed = model.append_frame(&request)?;
                let snapshot = looking_ahead(clip, frame, setting);
                let rgba = dreamed.rgba.to_vec();
                let source = source(snapshot, &clip.style(frame), rgba, self.size);
                sources.insert(frame, Source { detail: dreamed.detail, ..source });
            }
        }
        Ok(sources)
    }

    /// Scores the display frames that the model's own pictures can fill.
    fn compare(
        &mut self,
        name: &str,
        clip: &DisplayClip,
        setting: Setting,
        sources: &BTreeMap<usize, Source>,
    ) -> Result<(), EvalError> {
        let step = step(clip, setting);
        let first = (PROMPT_FRAMES + 1) * step + LATENCY_FRAMES;
        let motion = clip.name().split('_').next().unwrap_or_default().to_owned();
        let (mut history, mut tones) = (Vec::<usize>::new(), Tones::default());
        let mut shown_strip = false;
        for (number, frame) in (0..clip.len()).enumerate() {
            if let Some(at) = frame.checked_sub(LATENCY_FRAMES)
                && let Some(source) = sources.get(&at)
            {
                if history.len() >= FRAMES {
                    let oldest = history[history.len() - 1];
                    let age_s = source.time_s - sources[&oldest].time_s;
                    history.remove(drop_index(history.len(), age_s));
                }
                history.insert(0, at);
                tones.learn(&source.shadow.tones);
            }
            if frame < first || !frame.is_multiple_of(self.options.stride) || history.is_empty() {
                continue;
            }
            let frames: Vec<&Source> = history.iter().map(|at| &sources[at]).collect();
            let truth = clip.truth(frame)?;
            let truth_picture = Picture::new(clip.width, clip.height, &truth);
            let fresh = if name == "true" {
                Some(self.true_source(clip, frame, setting.overscan)?)
            } else {
                None
            };
            let fills = fill_all(clip, frame, &frames, fresh.as_ref(), &tones);
            let now = clip.snapshot(frame, 1.0);
            let mask = edges(&drawn(&now, clip.width, clip.height).1);
            let with_flip = (number / self.options.stride).is_multiple_of(FLIP_STRIDE);
            for (row, rgb) in &fills {
                let percent = (100.0 * setting.overscan).round() as u32;
                let shown = Picture::new(clip.width, clip.height, rgb);
                for motion in [motion.as_str(), "all"] {
                    let key = (
                        name.to_owned(),
                        setting.model_fps,
                        percent,
                        setting.lead,
                        motion.to_owned(),
                        *row,
                    );
                    self.tallies.entry(key).or_default().add(
                        shown,
                        truth_picture,
                        &mask,
                        with_flip,
                    );
                }
            }
            if !shown_strip && frame >= clip.len() / 2 {
                shown_strip = true;
                self.draw_strip(name, clip, setting, &truth, &fills)?;
            }
        }
        Ok(())
    }

    /// Conventional, bilinear and both, side by side.
    fn draw_strip(
        &mut self,
        name: &str,
        clip: &DisplayClip,
        setting: Setting,
        truth: &[f32],
        fills: &[(usize, Vec<f32>)],
    ) -> Result<(), EvalError> {
        let Some(out) = &self.options.out else { return Ok(()) };
        let image = |rgb: &[f32]| to_image(clip.width, clip.height, rgb);
        let mut pictures = vec![image(truth)];
        pictures.extend(
            fills.iter().filter(|(row, _)| [1, 4, 5].contains(row)).map(|(_, rgb)| image(rgb)),
        );
        let strip = Strip {
            columns: ["conventional", ROWS[1], ROWS[4], ROWS[5]].map(str::to_owned).to_vec(),
            rows: vec![StripRow { label: String::new(), pictures }],
            upscale: 1,
        };
        let file = format!(
            "display_{}_{name}_{}fps_{:.0}_{}.png",
            clip.name(),
            setting.model_fps,
            100.0 * setting.overscan,
            setting.lead
        );
        let path = out.join(file);
        strip.save(&path)?;
        self.pictures.push(path);
        Ok(())
    }

    fn rows(&self) -> Vec<Row> {
        let row = |(key, tally): (&Key, &Tally)| {
            let (source, model_fps, percent, lead, motion, fill) = key.clone();
            Some(Row {
                source,
                model_fps,
                overscan: percent as f32 / 100.0,
                lead_frames: lead,
                motion,
                fill: ROWS[fill].to_owned(),
                figures: tally.figures()?,
            })
        };
        self.tallies.iter().filter_map(row).collect()
    }
}

/// The state of a frame, seen as the camera will look when the turn of the frame before goes on.
fn looking_ahead(clip: &DisplayClip, frame: usize, setting: Setting) -> ShadowSnapshot {
    let mut snapshot = clip.snapshot(frame, setting.overscan);
    if let Some(before) = frame.checked_sub(1).filter(|_| setting.lead > 0) {
        let before = clip.snapshot(before, 1.0).camera.world_from_camera.rotation;
        let now = snapshot.camera.world_from_camera.rotation;
        let turn = (now * before.inverse()).normalize().to_scaled_axis();
        let ahead = Quat::from_scaled_axis(turn * setting.lead as f32);
        snapshot.camera.world_from_camera.rotation = (ahead * now).normalize();
    }
    snapshot
}

fn source(
    snapshot: ShadowSnapshot,
    style: &crate::style::StyleWeights,
    rgba: Vec<u8>,
    (width, height): (usize, usize),
) -> Source {
    let view = ShadowView::new(&snapshot, style, width, height, true);
    let shadow = FrameShadow::new(&view, style, &rgba);
    Source { time_s: snapshot.time_s, snapshot, shadow, rgba, detail: None }
}

fn byte(value: u8) -> f32 {
    f32::from(value) / 255.0
}

/// The G-buffer: what `snapshot`'s camera sees at display size.
fn drawn(snapshot: &ShadowSnapshot, width: usize, height: usize) -> (ShadowScene, ShadowMaps) {
    let shadow = ShadowScene::new(snapshot, true);
    let mut maps = ShadowMaps::default();
    raster(&shadow.scene, &snapshot.camera, width, height, &mut maps);
    (shadow, maps)
}

/// Each of [`ROWS`] with its picture; those without age only where a `fresh` source is given.
fn fill_all(
    clip: &DisplayClip,
    frame: usize,
    sources: &[&Source],
    fresh: Option<&Source>,
    tones: &Tones,
) -> Vec<(usize, Vec<f32>)> {
    let now = clip.snapshot(frame, 1.0);
    let newest = sources[0];
    // In the pose of then, with the display's own field of view.
    let mut then = newest.snapshot.clone();
    then.camera =
        CameraPose { vertical_fov_rad: now.camera.vertical_fov_rad, ..newest.shadow.guide.camera };
    let light = |shadow: &FrameShadow| Light {
        zenith_rgb: shadow.light.zenith_rgb * tones.of_sky(),
        horizon_rgb: shadow.light.horizon_rgb * tones.of_sky(),
        ..shadow.light
    };
    let fill = |row: usize, snapshot: &ShadowSnapshot, fill: Fill, frames: &[&Source]| {
        let (shadow, maps) = drawn(snapshot, clip.width, clip.height);
        let tone =
            |(body, surface): (&reverie_kernels::raster::Primitive, &crate::scene::Surface)| {
                Vec3::from_array(surface.albedo) * tones.of_body(body.id, body.material)
            };
        let albedo: Vec<Vec3> =
            shadow.scene.primitives.iter().zip(&shadow.surfaces).map(tone).collect();
        let display = Display {
            camera: &snapshot.camera,
            maps: &maps,
            scene: &shadow.scene,
            albedo: &albedo,
            light: &light(&frames[0].shadow),
            fill,
            detail: frames[0].detail.as_deref().filter(|_| row == WITH_DETAIL),
        };
        let frames: Vec<Frame<'_>> = frames
            .iter()
            .map(|source| Frame {
                guide: &source.shadow.guide,
                rgba: &source.rgba,
                clean: &source.shadow.clean,
            })
            .collect();
        (row, present(&display, &frames))
    };
    let mut jobs: Vec<(usize, &ShadowSnapshot, Fill, Vec<&Source>)> = vec![
        (0, &now, Fill::Nearest, sources.to_vec()),
        (1, &now, Fill::Bilinear, sources.to_vec()),
        (2, &then, Fill::Guided, sources.to_vec()),
        (3, &now, Fill::Warp, sources.to_vec()),
        (4, &now, Fill::Guided, sources.to_vec()),
        (WITH_DETAIL, &now, Fill::Guided, sources.to_vec()),
    ];
    if let Some(fresh) = fresh {
        let mut with_fresh = vec![fresh];
        with_fresh.extend(sources.iter().take(FRAMES - 1));
        jobs.push((6, &now, Fill::Guided, with_fresh));
        jobs.push((7, &now, Fill::Bilinear, vec![fresh]));
    }
    std::thread::scope(|scope| {
        let fill = &fill;
        let middle = jobs.len() / 2;
        let (a, b) = jobs.split_at(middle);
        let work = |jobs: &[(usize, &ShadowSnapshot, Fill, Vec<&Source>)]| -> Vec<_> {
            jobs.iter()
                .map(|(row, snapshot, how, frames)| fill(*row, snapshot, *how, frames))
                .collect()
        };
        let other = scope.spawn(move || work(b));
        let mut done = work(a);
        // A panic of the other half is this one's too.
        done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        done
    })
}
