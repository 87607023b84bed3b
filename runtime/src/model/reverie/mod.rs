//! Model S: a few-step diffusion U-Net in pixel space that starts from what is known.
//!
//! [`unet`] is the network, [`layers`] its parts. This file is the streaming model: it draws the shadow, reads
//! its own past and the exemplars, samples, and takes the result into its past; [`draft`] cuts that in two, between which
//! the guard may look at the picture.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use reverie_guard::check_request;
use reverie_kernels::exemplar::{Exemplars, Grain};
use reverie_kernels::present::{Detail, FrameGuide, clean_sky};
use reverie_kernels::rows::both;
use reverie_kernels::warp::PastFrame;
use tch::{Device, Kind, Tensor};

use super::latent::stream::{Command, LatentStream};
use super::{Drafts, Eye, Keep, LoadOptions, ModelError, Steering, WorldModel, latent};
use crate::card::ModelCard;
use crate::condition::{CHANNEL_NAMES, CHANNELS, Candidates, GLOBALS, Globals, MEMORY, pack_maps};
use crate::device::{best_device, fastest_kind};
use crate::frame::{FrameShadow, NeuralFrame};
use crate::memory::SharedMemory;
use crate::observer::Observer;
use crate::profile_scope;
use crate::references::References;
use crate::request::{DreamRequest, FrameSource};
use crate::sampler::{Held, sample, seeded_noise};
use crate::style::StyleWeights;
use crate::view::ShadowView;

pub mod carry;
mod draft;
mod dreaming;
pub mod files;
mod grain;
pub mod layers;
pub mod look;
mod measured;
pub mod unet;

use draft::Past;
use files::Loaded;
use look::Looks;

/// Trust in own pictures when exemplars are updated.
const OWN_TRUST: f32 = 0.5;
/// Trust in own pictures when surfaces are remembered.
const OWN_MEMORY_TRUST: f32 = 0.5;
/// A surface remembered with this confidence is written again only every so many frames.
const WELL_REMEMBERED: f32 = 0.6;
/// See [`WELL_REMEMBERED`].
const REWRITE_FRAMES: usize = 4;
/// A texel known so well is left as it is: many soft pictures would wash out one sharp look.
const KNOWN: f32 = 0.6;
/// Frames between two looks at the exemplars for the display.
const DETAIL_FRAMES: u64 = 8;
/// A keyframe that saw a place from farther off than this (now over then) gives way to a memory of at least so much
/// confidence.
const FINE_KEY: f32 = 0.8;
const SURE: f32 = 0.65;
/// Threads that draw the shadow beside a GPU, at most: rows of a small picture are soon too few.
const MOST_WORKERS: usize = 8;
/// Distance of style weights (0 to 2) beyond which materials look different.
const OTHER_WEATHER: f32 = 1.0;

/// Threads that draw what is known of a picture.
pub(crate) type Workers = Arc<rayon::ThreadPool>;

/// What turns a condition into a picture.
#[derive(Debug)]
enum Net {
    /// Model S, on pixels.
    Unet(Loaded),
    /// Model M, on latents, with a past of its own.
    Latent(Box<LatentStream>),
}

/// Pictures that the network is to draw.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    /// Of the condition.
    maps: &'a [f32],
    globals: &'a [f32; GLOBALS],
    /// How many.
    pictures: usize,
    /// 0 is the noise that belongs to the frame.
    salt: u64,
    /// What stays of a picture, interleaved sRGB, and the share of each pixel that is drawn anew.
    held: Option<(&'a [f32], &'a [f32])>,
}

/// The streaming model.
#[derive(Debug)]
pub struct ReverieModel {
    card: ModelCard,
    net: Net,
    device: Device,
    kind: Kind,
    steps: u32,
    seed: u64,
    frames: u64,
    keep_tints: bool,
    /// Draw the shadow and what is known of it; `None` leaves that to the thread that calls.
    workers: Option<Workers>,
    view: Option<ShadowView>,
    candidates: Candidates,
    maps: Vec<f32>,
    globals: [f32; GLOBALS],
    references: References,
    /// `None` dreams without one.
    memory: Option<SharedMemory>,
    last_time_s: Option<f64>,
    exemplars: Exemplars,
    /// As the display has them.
    detail: Option<Arc<Detail>>,
    /// What the exemplars begin with.
    looks: Looks,
    /// What materials are textured with that nobody has seen closely.
    grain: Grain,
    /// By how much the texture changes each value of the last picture, a log-ratio; kept for its memory.
    textured: Vec<f32>,
    /// The weather that the exemplars show; `None` before the first frame.
    exemplar_style: Option<StyleWeights>,
    use_past: bool,
    knows_memory: bool,
    /// What the last draft was told beside the maps.
    told: Option<Globals>,
    /// What led to the last draft.
    command: Command,
    /// Of dreams.
    steering: Steering,
    /// What the last draft was, if it was dreamed.
    dreamed: Option<Vec<f32>>,
    /// The last dream was refused altogether: the next picture shows the shadow, and dreaming goes on from there.
    woken: bool,
    /// Redrafts of the last draft so far: each has a noise of its own.
    redrafts: u64,
    /// Handed out to the guard.
    eye: Option<Eye>,
}

impl ReverieModel {
    /// Loads the weights that `card` names, beside `card_path`.
    ///
    /// # Errors
    /// The card asks for another layout, or the weights are missing or damaged.
    pub fn load(
        card_path: &Path,
        card: ModelCard,
        options: &LoadOptions,
    ) -> Result<Self, ModelError> {
        let device = best_device();
        if device == Device::Cpu {
            tch::set_num_threads(options.threads.unwrap_or(1).max(1) as i32);
        }
        let kind = fastest_kind(device);
        let workers = workers(device, options)?;
        let (net, looks) = if card.architecture.kind == latent::files::KIND {
            let (loaded, looks) = latent::files::load(card_path, &card, device, kind)?;
            (
                Net::Latent(Box::new(LatentStream::new(loaded, device, kind, workers.clone())?)),
                looks,
            )
        } else {
            let (loaded, looks) = files::load(card_path, &card, device, kind)?;
            (Net::Unet(loaded), looks)
        };
        let eye = Observer::load(card_path, &card, device)?.map(|observer| Eye {
            observer: Box::new(observer),
            thresholds: card
                .observer
                .as_ref()
                .and_then(|o| o.thresholds.clone())
                .unwrap_or_default(),
        });
        let grain = look::grain_of(&looks, options.seed);
        let looks = Looks::new(looks, options.seed, options.prompt.as_deref())?;
        let knows_memory = card.condition.iter().any(|name| name == CHANNEL_NAMES[MEMORY]);
        Ok(Self {
            steps: options.steps.unwrap_or(card.sampler.steps),
            card,
            net,
            device,
            kind,
            seed: options.seed,
            frames: 0,
            keep_tints: true,
            workers,
            view: None,
            candidates: Candidates::default(),
            maps: Vec::new(),
            globals: [0.0; GLOBALS],
            references: References::default(),
            memory: Some(options.memory.clone().unwrap_or_default()),
            last_time_s: None,
            exemplars: Exemplars::new(),
            detail: None,
            looks,
            grain,
            textured: Vec::new(),
            exemplar_style: None,
            use_past: true,
            knows_memory,
            told: None,
            command: Command::default(),
            steering: Steering::default(),
            dreamed: None,
            woken: false,
            redrafts: 0,
            eye,
        })
    }

    /// What evaluation needs to change: leave tints open, or dream each frame without any past.
    pub fn set_ablation(&mut self, keep_tints: bool, use_past: bool) {
        self.keep_tints = keep_tints;
        self.use_past = use_past;
    }

    /// Dreams with another memory of surfaces, or without one; with keyframes, or the last frame alone.
    pub fn set_memory(&mut self, memory: Option<SharedMemory>, keyframes: bool) {
        self.memory = memory;
        self.references.last_only = !keyframes;
    }

    /// The network has seen memories in training. One that has not gets them in place of older frames.
    pub fn knows_memory(&self) -> bool {
        self.knows_memory
    }

    /// Kind and device that the network computes in, for logs.
    pub fn device(&self) -> (Device, Kind) {
        (self.device, self.kind)
    }

    /// Starts from nothing known at all: no past, no look, and the first noise of its seed.
    pub fn forget_look(&mut self) {
        self.looks = Looks::default();
        self.frames = 0;
        self.forget_world();
    }

    /// Forgets past frames and surfaces: the next request is of another world.
    pub fn forget_world(&mut self) {
        if let Some(memory) = &self.memory {
            memory.clear();
        }
        self.reset();
    }

    /// Draws `request`'s shadow and takes `rgb` (interleaved sRGB, 0 to 1) into the past as the picture of it.
    ///
    /// # Errors
    /// The request is not sane, or `rgb` has another size than the model.
    pub fn prompt(
        &mut self,
        request: &DreamRequest,
        rgb: Vec<f32>,
        trust: f32,
    ) -> Result<(), ModelError> {
        let (width, height) = self.size();
        let expected = 3 * width as usize * height as usize;
        if rgb.len() != expected {
            return Err(ModelError::PictureSize { found: rgb.len(), expected });
        }
        self.draw(request)?;
        self.remember(request, &rgb, None)?;
        self.commit(request, rgb, None, |_| trust, |_| trust);
        Ok(())
    }

    /// Dreams the next frame, then takes `truth` into the past in its place, with `trust` 0 to 1, as
    /// [`prompt`](Self::prompt) does.
    ///
    /// # Errors
    /// As [`append_frame`](WorldModel::append_frame).
    ///
    /// # Panics
    /// `truth` (interleaved sRGB, 0 to 1) has another size than the model.
    pub fn append_frame_as(
        &mut self,
        request: &DreamRequest,
        truth: Vec<f32>,
        trust: f32,
    ) -> Result<NeuralFrame, ModelError> {
        self.append(request, Some((truth, trust)))
    }

    /// What the network was told for the last frame: condition maps (`height * width * CHANNELS`, interleaved) and
    /// globals.
    pub fn last_condition(&self) -> (&[f32], &[f32; GLOBALS]) {
        (&self.maps, &self.globals)
    }

    /// Dreams a frame; `instead` of it another picture may go into the past, with a trust.
    fn append(
        &mut self,
        request: &DreamRequest,
        instead: Option<(Vec<f32>, f32)>,
    ) -> Result<NeuralFrame, ModelError> {
        let truth = instead.as_ref().map(|(truth, _)| truth.as_slice());
        if let Some(dreamed) = self.dream(request, truth)? {
            return Ok(dreamed);
        }
        let draft = self.make_draft(request)?;
        let past = match instead {
            Some((truth, trust)) => Past::Instead(truth, trust),
            None => Past::Own(Keep::All),
        };
        self.make_final(request, draft, FrameSource::Model, past)
    }

    /// What the display puts on between the picture's pixels.
    fn newest_detail(&mut self) -> Option<Arc<Detail>> {
        if self.detail.is_none() || self.frames.is_multiple_of(DETAIL_FRAMES) {
            let exemplars = &mut self.exemplars;
            self.detail = Some(Arc::new(on(&self.workers, || Detail::new(exemplars))));
        }
        self.detail.clone()
    }

    /// Checks and draws the shadow; tells when the checks were done.
    fn draw(&mut self, request: &DreamRequest) -> Result<Instant, ModelError> {
        // Noon is not dressed in what was remembered of snow.
        let other = |old: StyleWeights| request.style.distance(&old) > OTHER_WEATHER;
        if self.exemplar_style.is_none_or(other) {
            self.exemplars = self.looks.choose(&request.style);
            self.exemplar_style = Some(request.style);
            self.detail = None;
        }
        let mut snapshot = (*request.snapshot).clone();
        {
            profile_scope!("guard");
            check_request(&mut snapshot)
                .map_err(|source| ModelError::Request { request_id: request.id, source })?;
        }
        let checked = Instant::now();
        profile_scope!("raster");
        let (width, height) =
            (self.card.architecture.width as usize, self.card.architecture.height as usize);
        let (style, keep_tints) = (&request.style, self.keep_tints);
        let view = &mut self.view;
        on(&self.workers, || match view {
            Some(view) => view.draw(&snapshot, style, width, height, keep_tints),
            none => *none = Some(ShadowView::new(&snapshot, style, width, height, keep_tints)),
        });
        if let (Some(memory), Some(view)) = (self.memory_in_use(), &self.view) {
            memory.lock().announce(view, &request.style);
        }
        Ok(checked)
    }

    /// The memory, unless each frame is to be dreamed alone.
    fn memory_in_use(&self) -> Option<&SharedMemory> {
        self.memory.as_ref().filter(|_| self.use_past)
    }

    /// Takes a picture into the past, with a trust by pixel; `shadow` is the picture's, if it was drawn already.
    fn commit(
        &mut self,
        request: &DreamRequest,
        rgb: Vec<f32>,
        shadow: Option<&FrameShadow>,
        exemplar_trust: impl Fn(usize) -> f32 + Send + Sync,
        memory_trust: impl Fn(usize) -> f32 + Send + Sync,
    ) {
        profile_scope!("commit");
        let memory = self.memory_in_use().cloned();
        let Some(view) = &self.view else { return };
        let (exemplars, references) = (&mut self.exemplars, &mut self.references);
        let confidence = &self.candidates.memory_confidence;
        let surfaces = || {
            let Some(memory) = memory else { return };
            let stats = {
                let mut memory = memory.lock();
                memory.write(view, &rgb, &memory_trust);
                memory.stats()
            };
            memory.publish(stats, view.maps.width, confidence);
        };
        let materials = || exemplars.write(&view.maps, &rgb, &view.paint, exemplar_trust);
        let past = || {
            let mut rgb = rgb.clone();
            match shadow {
                Some(shadow) => clean_sky(&shadow.guide, &mut rgb),
                None => {
                    clean_sky(&FrameGuide::new(view.scene(), &view.camera, &view.maps), &mut rgb)
                }
            }
            let past = PastFrame::new(view.scene(), &view.camera, &view.maps, rgb);
            references.commit(past, request.style);
        };
        on(&self.workers, || both(surfaces, || both(materials, past)));
    }

    /// Fills the condition for the view that was drawn last.
    fn condition(&mut self, request: &DreamRequest) -> Option<Globals> {
        profile_scope!("condition");
        let memory = self.memory_in_use().cloned();
        let view = self.view.as_ref()?;
        let pixels = view.maps.width * view.maps.height;
        self.maps.resize(pixels * CHANNELS, 0.0);
        let (candidates, packed) = (&mut self.candidates, &mut self.maps);
        let (exemplars, references) = (&mut self.exemplars, &self.references);
        let knows_memory = self.knows_memory;
        let has_key = on(&self.workers, || {
            candidates.resize(pixels);
            candidates.paint.copy_from_slice(view.bare_paint());
            // Each reads what the others do not write. What of them is not spread over rows is done at the same time.
            let mut dressed = std::mem::take(&mut candidates.exemplar);
            let mut likeness = std::mem::take(&mut candidates.exemplar_confidence);
            let mut remembered = std::mem::take(&mut candidates.memory);
            let mut confidence = std::mem::take(&mut candidates.memory_confidence);
            let materials = || view.dress(exemplars, &mut dressed, &mut likeness);
            let surfaces = || match &memory {
                Some(memory) => memory.lock().read(view, &mut remembered, &mut confidence),
                None => {
                    remembered.fill(0.0);
                    confidence.fill(0.0);
                }
            };
            let pictures = || references.read(view, candidates);
            let (_, (_, mut has_key)) = both(materials, || both(surfaces, pictures));
            (candidates.exemplar, candidates.exemplar_confidence) = (dressed, likeness);
            (candidates.memory, candidates.memory_confidence) = (remembered, confidence);
            if memory.is_some() && !knows_memory {
                has_key |= lay_memory_under_keys(candidates);
            }
            pack_maps(&view.shadow, &view.camera, &view.maps, candidates, packed);
            has_key
        });
        let last_camera = self.references.last_camera();
        Some(Globals {
            style: request.style,
            sun_direction: view.scene().sun_direction,
            camera: view.camera,
            last_camera,
            dt_s: self.last_time_s.map_or(0.0, |t| (request.snapshot.time_s - t) as f32),
            context_noise: if last_camera.is_some() {
                self.card.sampler.context_noise
            } else {
                0.0
            },
            condition_strength: request.condition_strength,
            action: request.action,
            has_key,
        })
    }

    /// Draws what is asked for, with texture.
    fn denoise(&mut self, asked: Asked) -> Result<Vec<f32>, ModelError> {
        let mut rgb = self.network(asked)?;
        self.put_texture_on(&mut rgb, asked.maps, asked.held.map(|(_, anew)| anew));
        Ok(rgb)
    }

    /// As [`denoise`](Self::denoise), before any texture is put on.
    fn network(&mut self, asked: Asked) -> Result<Vec<f32>, ModelError> {
        let Asked { maps, globals, pictures, salt, held } = asked;
        profile_scope!("denoise");
        // Drawn on the CPU, so that a seed means the same on every device.
        let frame = self.frames.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let salt = salt.wrapping_mul(0xD1B5_4A32_D192_ED03);
        let seed = (self.seed ^ frame ^ salt) as i64 & i64::MAX;
        let command = self.command;
        let unet = match &mut self.net {
            Net::Unet(loaded) => &loaded.unet,
            Net::Latent(stream) => {
                return dreaming::pictures(
                    stream,
                    (maps, globals),
                    &command,
                    self.steps,
                    pictures,
                    seed,
                    held,
                );
            }
        };
        let (w, h) =
            (i64::from(self.card.architecture.width), i64::from(self.card.architecture.height));
        let count = pictures.max(1) as i64;
        let _guard = tch::no_grad_guard();
        let maps = Tensor::f_from_slice(maps)?
            .f_view([1, h, w, CHANNELS as i64])?
            .f_to_kind(self.kind)?
            .f_to_device(self.device)?
            .f_permute([0, 3, 1, 2])?
            .f_expand([count, -1, -1, -1], false)?;
        let globals = Tensor::f_from_slice(globals)?
            .f_view([1, GLOBALS as i64])?
            .f_to_device(self.device)?
            .f_expand([count, -1], false)?;
        let noise = seeded_noise(&[count, h, w, 3], seed)?
            .f_to_device(self.device)?
            .f_permute([0, 3, 1, 2])?;
        let tensors = match held {
            Some((picture, anew)) => {
                let tensor = |values: &[f32], channels: i64| -> Result<Tensor, ModelError> {
                    let rows = Tensor::f_from_slice(values)?.f_view([1, h, w, channels])?;
                    Ok(rows.f_to_device(self.device)?.f_permute([0, 3, 1, 2])?)
                };
                let picture = tensor(picture, 3)?.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
                Some((picture, tensor(anew, 1)?))
            }
            None => None,
        };
        let held = tensors.as_ref().map(|(picture, anew)| Held { picture, anew });
        let x = sample(unet, &noise, &maps, &globals, self.steps, held.as_ref())?;
        let rgb =
            x.f_add_scalar(1.0)?.f_mul_scalar(0.5)?.f_permute([0, 2, 3, 1])?.f_contiguous()?;
        Ok(Vec::try_from(rgb.f_to_device(Device::Cpu)?.f_view([-1])?)?)
    }
}

/// Threads for what is drawn on the CPU: on a CPU as many as the network has, beside a GPU half of the cores.
fn workers(device: Device, options: &LoadOptions) -> Result<Option<Workers>, ModelError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = match device {
        Device::Cpu => options.threads.unwrap_or(1),
        _ => (cores / 2).clamp(1, MOST_WORKERS),
    };
    if threads < 2 {
        return Ok(None);
    }
    let named = |number: usize| format!("shadow {number}");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(named).build();
    Ok(Some(Arc::new(pool?)))
}

/// Does `work` on the workers, if there are any.
pub(crate) fn on<R: Send>(workers: &Option<Workers>, work: impl FnOnce() -> R + Send) -> R {
    match workers {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

/// Fills what no keyframe shows, or only from afar, with what is remembered. Returns whether there was anything to fill in.
fn lay_memory_under_keys(candidates: &mut Candidates) -> bool {
    let mut filled = false;
    for (pixel, confidence) in candidates.memory_confidence.iter().enumerate() {
        let unknown = candidates.key_valid[pixel] <= 0.0 && *confidence > 0.0;
        let coarse = candidates.key_fineness[pixel] < FINE_KEY && *confidence > SURE;
        if unknown || coarse {
            let rgb = 3 * pixel..3 * pixel + 3;
            candidates.key[rgb.clone()].copy_from_slice(&candidates.memory[rgb]);
            candidates.key_valid[pixel] = *confidence;
            filled = true;
        }
    }
    filled
}

impl WorldModel for ReverieModel {
    fn name(&self) -> &str {
        &self.card.name
    }

    fn size(&self) -> (u32, u32) {
        (self.card.architecture.width, self.card.architecture.height)
    }

    fn append_frame(&mut self, request: &DreamRequest) -> Result<NeuralFrame, ModelError> {
        self.append(request, None)
    }

    fn reset(&mut self) {
        self.references.clear();
        self.last_time_s = None;
        self.exemplar_style = None;
        if let Net::Latent(stream) = &mut self.net {
            stream.reset();
        }
    }

    fn can_dream(&self) -> bool {
        matches!(self.net, Net::Latent(_))
    }

    fn drafts(&mut self) -> Option<&mut dyn Drafts> {
        Some(self)
    }

    fn take_eye(&mut self) -> Option<Eye> {
        self.eye.take()
    }
}
