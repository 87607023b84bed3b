//! Looks: what materials look like in a world that nobody has seen yet, gathered from episodes.
//!
//! They go with a model's weights, and can be replaced without any training: [`dress`] gives a model the textures of a
//! game's own recordings.

mod texture;

use std::path::{Path, PathBuf};

use reverie_kernels::exemplar::{DARK, Exemplars, FINEST_TEXELS, LAYERS};

use texture::{Candidate, Shown};

use super::latent::publish::CODEC_SCORES;
use super::publish::folders;
use super::trainer::{TrainError, list_all, named};
use crate::card::ModelCard;
use crate::data::{DataError, Episode};
use crate::files::copy_if_other;
use crate::model::reverie::files::{LOOK, look_name, read_looks};
use crate::model::reverie::look::Look;
use crate::style::STYLE_NAMES;
use crate::view::ShadowView;
use crate::weights::{MAX_WEIGHTS_BYTES, WeightTensor, Weights, replace_weights};

/// Looks of each style that go with a model.
pub const LOOKS_PER_STYLE: usize = 2;
/// Episodes that are asked for looks.
const LOOK_EPISODES: usize = 400;
/// A look that explains less of its own pictures is worth no less.
const LEAST_EXPLAINED: f32 = 0.05;
/// Fewer pixels do not tell what a look explains.
const LEAST_PIXELS: f64 = 200.0;
/// Confidence of what was seen closely.
const SEEN: f32 = 0.8;
/// Least weight of a style in an episode that speaks for it.
const LEAST_STYLE: f32 = 0.6;

/// The looks that go with a model: those of another model's card, or what the episodes in `folders` show, or else the
/// ones that are trained on.
///
/// # Errors
/// The card, its weights or an episode is damaged.
pub(crate) fn looks_for(
    card: Option<&Path>,
    folders: &[PathBuf],
    episodes: &[PathBuf],
) -> Result<Vec<Look>, TrainError> {
    match (card, folders) {
        (Some(card), _) => Ok(read_looks(card).map_err(TrainError::Looks)?),
        (None, []) => Ok(gather_looks(episodes, &mut |_| ())?.looks),
        (None, folders) => Ok(gather_looks(&list_all(folders)?, &mut |_| ())?.looks),
    }
}

/// Looks, and what was seen for them.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// For each style [`LOOKS_PER_STYLE`] of them, style by style.
    pub looks: Vec<Look>,
    /// For each style whether its own episodes show a layer; what they do not has another style's colours.
    pub shown: Vec<[bool; LAYERS]>,
    /// Episodes that were of one style.
    pub episodes: usize,
}

/// Gathers looks. `see` hears the share that is done.
///
/// No episode shows all materials well, and weather hides them. So a look is put together material by material: its texture is that of the episode
/// which suits best, whatever its weather, and a style gives it its own colour and contrast, by what is usual in the style's episodes. Hence
/// a world's bricks stay the same when it begins to snow. A style that no episode shows is left open.
///
/// # Errors
/// An episode is damaged.
pub fn gather_looks(episodes: &[PathBuf], see: &mut dyn FnMut(f64)) -> Result<Gathered, DataError> {
    let mut found = vec![Shown::default(); LAYERS];
    let mut of_style = [0; STYLE_NAMES.len()];
    let step = (episodes.len() / LOOK_EPISODES).max(1);
    for (index, path) in episodes.iter().enumerate().step_by(step) {
        see(index as f64 / episodes.len() as f64);
        let episode = Episode::open(path)?;
        let weights = episode.style(0).normalized().0;
        let Some(style) = weights.iter().position(|w| *w >= LEAST_STYLE) else { continue };
        of_style[style] += 1;
        let (mut seen, explained) = exemplars_of(&episode)?;
        for (layer, shown) in found.iter_mut().enumerate() {
            let candidate = Candidate::new(&mut seen, layer, style, explained[layer]);
            candidate.into_iter().for_each(|candidate| shown.take(candidate));
        }
    }
    let mut looks = Vec::new();
    for (style, episodes) in of_style.iter().enumerate() {
        for index in 0..LOOKS_PER_STYLE {
            let texels = found.iter().flat_map(|shown| shown.texels(style, index));
            let look = (*episodes > 0).then(|| Look::new(texels.collect())).flatten();
            looks.push(look.unwrap_or_else(Look::unknown));
        }
    }
    let shown = (0..STYLE_NAMES.len()).map(|style| std::array::from_fn(|l| found[l].is_of(style)));
    Ok(Gathered { looks, shown: shown.collect(), episodes: of_style.iter().sum() })
}

/// What an episode shows of its materials, and for each layer the share of the variance of its pictures (log-ratios to paint) that this explains, where it was
/// seen closely.
fn exemplars_of(episode: &Episode) -> Result<(Exemplars, [f32; LAYERS]), DataError> {
    let header = episode.header();
    let (width, height) = (header.width as usize, header.height as usize);
    let mut seen = Exemplars::new();
    let mut view: Option<ShadowView> = None;
    let mut draw = |frame: usize, each: &mut dyn FnMut(&ShadowView, &[f32])| {
        let (snapshot, style) = (episode.snapshot(frame), episode.style(frame));
        let view = match &mut view {
            Some(view) => {
                view.draw(&snapshot, &style, width, height, true);
                view
            }
            none => none.insert(ShadowView::new(&snapshot, &style, width, height, true)),
        };
        let rgb: Vec<f32> =
            episode.frame_rgb(frame)?.iter().map(|b| f32::from(*b) / 255.0).collect();
        each(view, &rgb);
        Ok::<(), DataError>(())
    };
    for frame in (0..episode.len()).step_by(2) {
        draw(frame, &mut |view, rgb| seen.write(&view.maps, rgb, &view.paint, |_| 1.0))?;
    }
    let mut sums = [Sums::default(); LAYERS];
    let mut dressed = vec![0.0; 3 * width * height];
    let mut confidence = vec![0.0; width * height];
    for frame in (0..episode.len()).step_by(4) {
        draw(frame, &mut |view, rgb| {
            seen.read(&view.maps, &view.paint, &mut dressed, &mut confidence);
            for pixel in 0..confidence.len() {
                let layer = usize::from(view.maps.layer[pixel]);
                if layer < LAYERS && confidence[pixel] > SEEN {
                    let at = 3 * pixel..3 * pixel + 3;
                    sums[layer].add(&rgb[at.clone()], &view.paint[at.clone()], &dressed[at]);
                }
            }
        })?;
    }
    Ok((seen, sums.map(|sums| sums.explained())))
}

/// Sums over pixels of log-ratios, RGB.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    pixels: f64,
    ratio: [f64; 3],
    ratio_squared: f64,
    error_squared: f64,
}

impl Sums {
    fn add(&mut self, rgb: &[f32], paint: &[f32], dressed: &[f32]) {
        self.pixels += 1.0;
        for c in 0..3 {
            let over = |base: &[f32]| f64::from(((rgb[c] + DARK) / (base[c] + DARK)).ln());
            self.ratio[c] += over(paint);
            self.ratio_squared += over(paint).powi(2);
            self.error_squared += over(dressed).powi(2);
        }
    }

    /// 1 − error / variance; little if there is little to tell it by.
    fn explained(&self) -> f32 {
        if self.pixels < LEAST_PIXELS {
            return LEAST_EXPLAINED;
        }
        let mean = self.ratio.iter().map(|sum| sum.powi(2)).sum::<f64>() / self.pixels;
        let variance = (self.ratio_squared - mean).max(1e-6);
        ((1.0 - self.error_squared / variance) as f32).clamp(LEAST_EXPLAINED, 1.0)
    }
}

/// Puts looks beside a model's weights.
pub(crate) fn put_looks(weights: &mut Weights, looks: &[Look]) {
    for (index, look) in looks.iter().enumerate() {
        let values = look.texels().iter().flatten().copied().collect();
        let shape = vec![LAYERS * FINEST_TEXELS, 4];
        weights.insert(look_name(index), WeightTensor { shape, values });
    }
}

/// What [`dress`] did.
#[derive(Debug, Clone)]
pub struct Dressed {
    /// The new card.
    pub card: PathBuf,
    /// For each style how many of the [`LAYERS`] were replaced.
    pub replaced: [usize; STYLE_NAMES.len()],
    /// All looks that the model has now, style by style.
    pub looks: Vec<Look>,
    /// Its guard has an observer, with thresholds for other pictures.
    pub has_observer: bool,
}

/// Writes the model of the card `from` into the folder `out`, with looks from the episodes in the folders `data` in place of its own: style by style and material
/// by material, as far as the episodes show them. `see` hears the share that is done.
///
/// # Errors
/// There are no episodes, or none of a single style that shows a material closely; one of them, the card or its weights are damaged; `out` is the model's own folder; or a
/// file cannot be written: then a model of the same name that was in `out` may have to be dressed again.
pub fn dress(
    from: &Path,
    data: &[PathBuf],
    out: &Path,
    see: &mut dyn FnMut(f64),
) -> Result<Dressed, TrainError> {
    let mut card = ModelCard::load(from)?;
    let mut looks = read_looks(from).map_err(TrainError::Looks)?;
    let folder = from.parent().filter(|folder| !folder.as_os_str().is_empty());
    let own = folder.unwrap_or(Path::new(".")).canonicalize().ok();
    if own.is_some() && out.canonicalize().ok() == own {
        return Err(TrainError::OwnFolder { out: out.to_owned() });
    }
    let episodes = list_all(data)?;
    if episodes.is_empty() {
        return Err(TrainError::NoEpisodes { folders: named(data) });
    }
    let gathered = gather_looks(&episodes, see)?;
    looks.resize(gathered.looks.len(), Look::unknown());
    let mut replaced = [0; STYLE_NAMES.len()];
    let new = gathered.looks.chunks(LOOKS_PER_STYLE).zip(&gathered.shown);
    let styles = looks.chunks_mut(LOOKS_PER_STYLE).zip(new).zip(&mut replaced);
    for ((own, (new, shown)), replaced) in styles {
        for (layer, shown) in shown.iter().enumerate() {
            // Another style's colours are better than none.
            let unknown = !own.iter().any(|own| own.knows(layer));
            if *shown || (unknown && new[0].knows(layer)) {
                own.iter_mut().zip(new).for_each(|(own, new)| own.take(layer, new));
                *replaced += 1;
            }
        }
    }
    if replaced.iter().all(|layers| *layers == 0) {
        return Err(TrainError::NothingClose { folders: named(data) });
    }
    let source = card.weights_path(from);
    let target = out.join(&card.weights);
    let mut tensors = Weights::new();
    put_looks(&mut tensors, &looks);
    if let Some(observer) = &card.observer {
        let (from, to) = (from.with_file_name(&observer.weights), out.join(&observer.weights));
        copy_if_other(&from, &to, MAX_WEIGHTS_BYTES).map_err(|source| TrainError::Io {
            action: format!("copy {} to {}", from.display(), to.display()),
            source,
        })?;
    }
    let is_look = |name: &str| name.starts_with(LOOK);
    card.sha256 = replace_weights(&source, &card.sha256, (&is_look, &tensors), &target)?;
    card.looks = looks.len() as u32;
    // Those of pictures are of other looks.
    card.scores.retain(|name, _| name.starts_with(CODEC_SCORES));
    let trained = card.provenance.data.split("; looks of ").next().unwrap_or_default();
    card.provenance.data =
        format!("{trained}; looks of {} episodes from {}", gathered.episodes, folders(data));
    let path = out.join(from.file_name().unwrap_or("model.world.ron".as_ref()));
    card.save_atomically(&path)?;
    Ok(Dressed { card: path, replaced, looks, has_observer: card.observer.is_some() })
}
