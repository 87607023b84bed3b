//! Bodies that change while nobody looks: what is shown afterwards must be the present state.
//!
//! A body is put before the camera and dreamed for a moment. The camera turns away, the body is moved, taken away, rolled or
//! opened, or another one is put there; the camera comes back. The picture is judged at the body's old and new place
//! (masks from the shadow) against two pictures of the same model: of the present state, dreamed by one that never saw
//! another, and of the abandoned state, as it was left. It shows the present if it is nearer to it, by mean ΔE2000, at each
//! place. The control of the judge is a return where nothing has changed: it must be found to show what was left.

use std::collections::BTreeMap;
use std::f32::consts::TAU;
use std::path::PathBuf;

use glam::{Quat, Vec3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reverie_guard::{Body, BodyKind, CameraPose, Pose, ShadowSnapshot, Shape};
use serde::Serialize;

use super::MemoryOptions;
use super::returns::{frozen, request};
use super::script::{Way, leave};
use crate::eval::clip::Clip;
use crate::eval::figures::{save_strip, to_image};
use crate::eval::options::EvalError;
use crate::eval::play::shown_rgb;
use crate::eval::rows::PROMPT_FRAMES;
use crate::eval::strip::{Strip, StripRow};
use crate::memory::SharedMemory;
use crate::model::WorldModel;
use crate::model::reverie::ReverieModel;
use crate::view::ShadowView;
use reverie_guard::colour::{delta_e_2000, lab};

/// Of the body that is put there.
const BODY_ID: u64 = u64::MAX - 7;
/// Frames in which it is looked at first.
const LOOKED_AT: usize = 6;
/// The camera is away for so long, seconds.
const AWAY_S: f32 = 2.5;
/// Smaller masks say nothing.
const LEAST_PIXELS: usize = 40;
/// The two states must differ so much in paint at each place, ΔE2000.
const LEAST_CONTRAST: f64 = 12.0;
/// And so much in the model's own pictures: at night, a black ball before a black wall is nowhere to be seen.
const LEAST_TOLD: f64 = 4.0;
/// So many cases may turn out to be untold, for each that is wanted.
const UNTOLD: usize = 2;
/// Places that are tried.
const TRIES: usize = 400;
/// Cases in the picture.
const SHOWN: usize = 10;

/// What happens to the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A crate stands elsewhere.
    Moved,
    /// A crate is gone.
    Removed,
    /// A crate has come.
    Added,
    /// A ball has rolled on.
    Rolled,
    /// A door leaf has swung about its hinge.
    Opened,
}

impl EventKind {
    const ALL: [Self; 5] = [Self::Moved, Self::Removed, Self::Added, Self::Rolled, Self::Opened];
}

/// How many showed the present.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EventFigures {
    /// Cases.
    pub cases: usize,
    /// Cases that show the present state at every place.
    pub shown: usize,
    /// The same by kind: shown, cases.
    pub by_kind: BTreeMap<EventKind, (usize, usize)>,
    /// Returns without a change that the judge finds to show the state of then.
    pub control: usize,
    /// Further cases in which the model's own pictures of the two states are too alike to be told apart.
    pub untold: usize,
    /// Mean ΔE2000 to the picture of the present state, and to that of the abandoned one.
    pub delta_e: (f64, f64),
}

struct Case {
    kind: EventKind,
    home: ShadowSnapshot,
    before: ShadowSnapshot,
    after: ShadowSnapshot,
    /// Pixels of the body in one state and not in the other: old place, new place.
    masks: Vec<Vec<usize>>,
    /// Of the present state.
    paint: Vec<f32>,
}

/// What the model showed in a case.
struct Shown {
    /// Before leaving.
    left: Vec<f32>,
    /// Back, after the change.
    back: Vec<f32>,
    /// Back, where nothing has changed.
    unchanged: Vec<f32>,
    /// The present state without a past in which it was another.
    fresh: Vec<f32>,
}

/// Runs all cases, in turn over the clips; `None` if none are wanted.
pub(super) fn measure(
    clips: &[Clip],
    model: &mut ReverieModel,
    options: &MemoryOptions,
    pictures: &mut Vec<PathBuf>,
) -> Result<Option<EventFigures>, EvalError> {
    if options.events == 0 {
        return Ok(None);
    }
    let mut figures = EventFigures::default();
    let mut shown = [Vec::new(), Vec::new(), Vec::new()];
    let mut columns = Vec::new();
    for number in 0..(1 + UNTOLD) * options.events {
        if figures.cases == options.events {
            break;
        }
        let clip = &clips[number % clips.len()];
        let kind = EventKind::ALL[number / clips.len() % EventKind::ALL.len()];
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed ^ 0xE7E7 ^ (number as u64) << 20);
        let Some(case) = Case::find(clip, kind, &mut rng) else { continue };
        let pictures = case.dream(clip, model)?;
        if case.masks.iter().any(|mask| apart(&pictures.left, &pictures.fresh, mask) < LEAST_TOLD) {
            figures.untold += 1;
            continue;
        }
        let to = |rgb: &[f32], state: &[f32]| -> Vec<f64> {
            case.masks.iter().map(|mask| apart(rgb, state, mask)).collect()
        };
        let shows = |rgb: &[f32], state: &[f32], other: &[f32]| {
            to(rgb, state).iter().zip(to(rgb, other)).all(|(near, far)| *near < far)
        };
        let Shown { left, back, unchanged, fresh } = &pictures;
        let is_shown = shows(back, fresh, left);
        figures.control += usize::from(shows(unchanged, left, fresh));
        figures.cases += 1;
        figures.shown += usize::from(is_shown);
        let entry = figures.by_kind.entry(case.kind).or_default();
        *entry = (entry.0 + usize::from(is_shown), entry.1 + 1);
        let mean = |v: Vec<f64>| v.iter().sum::<f64>() / v.len() as f64;
        figures.delta_e.0 += mean(to(back, fresh));
        figures.delta_e.1 += mean(to(back, left));
        if columns.len() < SHOWN && (number.is_multiple_of(7) || !is_shown) {
            let verdict = if is_shown { "" } else { " (not shown)" };
            columns.push(format!("{:?}{verdict}", case.kind).to_lowercase());
            let image = |rgb: &[f32]| to_image(clip.width, clip.height, rgb);
            for (row, rgb) in shown.iter_mut().zip([left, back, &case.paint]) {
                row.push(image(rgb));
            }
        }
    }
    let count = figures.cases.max(1) as f64;
    figures.delta_e = (figures.delta_e.0 / count, figures.delta_e.1 / count);
    if let Some(out) = options.out.as_deref().filter(|_| !columns.is_empty()) {
        let rows = ["before leaving", "back", "shadow now"]
            .into_iter()
            .zip(shown)
            .map(|(label, pictures)| StripRow { label: label.to_owned(), pictures })
            .collect();
        let strip = Strip { columns, rows, upscale: 2 };
        pictures.push(save_strip(&strip, out, "memory_events.png")?);
    }
    Ok(Some(figures))
}

impl Case {
    /// A place before the camera of the prompt's last frame where the event can be seen.
    fn find(clip: &Clip, kind: EventKind, rng: &mut ChaCha8Rng) -> Option<Self> {
        let home = frozen(clip.snapshot(PROMPT_FRAMES - 1));
        (0..TRIES).find_map(|_| {
            let (before, after) = states(kind, &home, rng);
            let with = |body: &Option<Body>| {
                let mut snapshot = home.clone();
                snapshot.bodies.extend(body.clone());
                snapshot
            };
            let (before, after) = (with(&before), with(&after));
            let draw = |snapshot: &ShadowSnapshot| {
                ShadowView::new(snapshot, &clip.style(0), clip.width, clip.height, true)
            };
            let (then, now) = (draw(&before), draw(&after));
            let of = |view: &ShadowView, pixel: usize| {
                let index = usize::from(view.maps.primitive[pixel]);
                view.scene().primitives.get(index).is_some_and(|p| p.id == BODY_ID)
            };
            let only = |one: &ShadowView, other: &ShadowView| -> Vec<usize> {
                (0..clip.width * clip.height).filter(|p| of(one, *p) && !of(other, *p)).collect()
            };
            let masks: Vec<Vec<usize>> = [only(&then, &now), only(&now, &then)]
                .into_iter()
                .filter(|m| !m.is_empty())
                .collect();
            let wanted = if matches!(kind, EventKind::Removed | EventKind::Added) { 1 } else { 2 };
            let tells = |mask: &Vec<usize>| {
                mask.len() >= LEAST_PIXELS && apart(&then.paint, &now.paint, mask) >= LEAST_CONTRAST
            };
            (masks.len() == wanted && masks.iter().all(tells)).then(|| Self {
                kind,
                home: home.clone(),
                before,
                after,
                masks,
                paint: now.paint.clone(),
            })
        })
    }

    fn dream(&self, clip: &Clip, model: &mut ReverieModel) -> Result<Shown, EvalError> {
        let mut game = Game::start(self, clip, model)?;
        let mut fresh = Vec::new();
        for _ in 0..LOOKED_AT {
            fresh = game.show(&self.after, self.home.camera)?;
        }
        let (_, unchanged) = self.leave_and_return(clip, model, &self.before)?;
        let (left, back) = self.leave_and_return(clip, model, &self.after)?;
        Ok(Shown { left, back, unchanged, fresh })
    }

    /// The pictures before leaving and after coming back, to what has become of the body meanwhile.
    fn leave_and_return(
        &self,
        clip: &Clip,
        model: &mut ReverieModel,
        then: &ShadowSnapshot,
    ) -> Result<(Vec<f32>, Vec<f32>), EvalError> {
        let mut game = Game::start(self, clip, model)?;
        let mut left = Vec::new();
        for _ in 0..LOOKED_AT {
            left = game.show(&self.before, self.home.camera)?;
        }
        let poses = leave(Way::Turn, &self.home, AWAY_S, clip.frame_dt_s(), 0);
        let middle = poses.len() / 2;
        for (step, camera) in poses.into_iter().enumerate() {
            game.show(if step < middle { &self.before } else { then }, camera)?;
        }
        Ok((left, game.show(then, self.home.camera)?))
    }
}

/// A game that goes on from the end of a clip's prompt.
struct Game<'a> {
    case: &'a Case,
    clip: &'a Clip,
    model: &'a mut ReverieModel,
    frames: usize,
}

impl<'a> Game<'a> {
    fn start(
        case: &'a Case,
        clip: &'a Clip,
        model: &'a mut ReverieModel,
    ) -> Result<Self, EvalError> {
        model.set_memory(Some(SharedMemory::default()), true);
        model.set_ablation(true, true);
        model.forget_look();
        for frame in 0..PROMPT_FRAMES {
            model.prompt(&clip.request(frame), clip.rgb[frame].clone(), 1.0)?;
        }
        Ok(Self { case, clip, model, frames: 0 })
    }

    fn show(
        &mut self,
        snapshot: &ShadowSnapshot,
        camera: CameraPose,
    ) -> Result<Vec<f32>, EvalError> {
        self.frames += 1;
        let dt_s = f64::from(self.clip.frame_dt_s());
        let time_s = self.case.home.time_s + dt_s * self.frames as f64;
        let snapshot = ShadowSnapshot { camera, time_s, ..snapshot.clone() };
        let frame = self.model.append_frame(&request(self.clip, self.frames, snapshot))?;
        Ok(shown_rgb(&frame))
    }
}

/// Mean ΔE2000 over a mask.
fn apart(one: &[f32], other: &[f32], mask: &[usize]) -> f64 {
    let colour = |rgb: &[f32], p: usize| lab([rgb[3 * p], rgb[3 * p + 1], rgb[3 * p + 2]]);
    let sum: f64 = mask.iter().map(|p| delta_e_2000(colour(one, *p), colour(other, *p))).sum();
    sum / mask.len().max(1) as f64
}

/// The body before and after.
fn states(
    kind: EventKind,
    home: &ShadowSnapshot,
    rng: &mut ChaCha8Rng,
) -> (Option<Body>, Option<Body>) {
    const CRATE: u8 = 8;
    const BALL: u8 = 10;
    const DOOR: u8 = 15;
    let pose = home.camera.world_from_camera;
    let ahead = pose.rotation * Vec3::NEG_Z;
    let yaw = (-ahead.x).atan2(-ahead.z);
    let ground_m = pose.translation_m.y - 1.6;
    let mut place = |height_m: f32| {
        let turn = Quat::from_rotation_y(yaw + rng.random_range(-0.6..0.6f32));
        let way = turn * Vec3::NEG_Z * rng.random_range(1.8..4.5f32);
        Vec3::new(pose.translation_m.x + way.x, ground_m + height_m, pose.translation_m.z + way.z)
    };
    let (size, second) = match kind {
        EventKind::Opened => (Vec3::new(0.45, 0.9, 0.04), place(0.9)),
        _ => (Vec3::splat(0.35), place(0.35)),
    };
    let at_m = place(size.y);
    let shape = match kind {
        EventKind::Rolled => Shape::Ball { radius_m: size.x },
        _ => Shape::Cuboid { half_extents_m: size },
    };
    let vivid = [
        [0.85, 0.15, 0.12],
        [0.12, 0.3, 0.85],
        [0.9, 0.8, 0.1],
        [0.95, 0.95, 0.95],
        [0.08, 0.08, 0.1],
    ];
    let body = |world_from_body: Pose, tint| Body {
        id: BODY_ID,
        shape: shape.clone(),
        world_from_body,
        linear_velocity_m_s: Vec3::ZERO,
        angular_velocity_rad_s: Vec3::ZERO,
        kind: if kind == EventKind::Opened { BodyKind::Kinematic } else { BodyKind::Dynamic },
        material: match kind {
            EventKind::Rolled => BALL,
            EventKind::Opened => DOOR,
            _ => CRATE,
        },
        tint_srgb: Some(tint),
    };
    let tint = vivid[rng.random_range(0..vivid.len())];
    let turn = Quat::from_rotation_y(rng.random_range(0.0..TAU));
    let first = Pose::new(turn, at_m);
    match kind {
        EventKind::Removed => (Some(body(first, tint)), None),
        EventKind::Added => (None, Some(body(first, tint))),
        EventKind::Moved => {
            let other = Quat::from_rotation_y(rng.random_range(0.0..TAU));
            (Some(body(first, tint)), Some(body(Pose::new(other, second), tint)))
        }
        EventKind::Rolled => {
            let way = second - at_m;
            let axis = Vec3::Y.cross(way).normalize_or(Vec3::X);
            let rolled = Quat::from_axis_angle(axis, way.length() / size.x) * turn;
            (Some(body(first, tint)), Some(body(Pose::new(rolled.normalize(), second), tint)))
        }
        EventKind::Opened => {
            let hinge = at_m + turn * Vec3::new(-size.x, 0.0, 0.0);
            let swing = Quat::from_rotation_y(if rng.random_bool(0.5) { 1.4 } else { -1.4 });
            let rotation = (swing * turn).normalize();
            let open = Pose::new(rotation, hinge + rotation * Vec3::new(size.x, 0.0, 0.0));
            (Some(body(first, tint)), Some(body(open, tint)))
        }
    }
}
