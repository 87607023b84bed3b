//! The texture of one layer: what each episode shows of it, and what is made of that.

use reverie_kernels::exemplar::{Exemplars, FINEST_TEXELS, SIZE, contrast};

use super::SEEN;

/// Of each layer, the episodes that know it best, among which one is chosen.
const CANDIDATES: usize = 16;
/// At this distance from the colour that is looked for, a log-ratio, a look is worth half.
const USUAL_COLOUR: f32 = 0.2;
/// With this deviation of its hue, a log-ratio, a look is worth half.
const FEW_HUES: f32 = 0.1;
/// Many episodes see a material from afar alone. So it has the contrast that this share of them stays below.
const CLEAR: f32 = 0.85;
/// A style of which no episode saw more than this share closely does not show a layer.
const GLIMPSE: f32 = 0.05;
/// Texels along a block that is filled as one.
const BLOCK: usize = 8;
/// No texture's contrast is raised to more than so many times its own.
const MOST_SCALE: f32 = 1.5;
/// Weight of a look's texels at most: what is really seen of a world soon replaces them.
const LOOK_WEIGHT: f32 = 2.0;

/// How texels look, in log-ratios.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// RGB, of what was seen closely above all.
    mean: [f32; 3],
    contrast: f32,
    /// Deviation of the hue: the differences of red and of blue from green.
    hues: f32,
}

impl Figures {
    fn of(texels: &[[f32; 4]]) -> Self {
        let mut sums = [0.0f64; 4];
        for texel in texels {
            let weight = f64::from(texel[3]).powi(2);
            (0..3).for_each(|c| sums[c] += weight * f64::from(texel[c]));
            sums[3] += weight;
        }
        let mean: [f32; 3] = std::array::from_fn(|c| (sums[c] / sums[3].max(1e-9)) as f32);
        let hue = |t: &[f32]| [t[0] - t[1], t[2] - t[1]];
        let [red, blue] = hue(&mean);
        let spread = |t: &[f32; 4]| {
            let [r, b] = hue(t);
            (r - red).powi(2) + (b - blue).powi(2)
        };
        let hues = texels.iter().map(spread).sum::<f32>() / texels.len().max(1) as f32;
        Self { mean, contrast: contrast(texels), hues: hues.sqrt() }
    }
}

/// How one layer looks in one episode.
#[derive(Debug, Clone, Copy)]
struct Usual {
    style: usize,
    /// Share of it that was seen closely.
    closely: f32,
    figures: Figures,
}

/// What one episode knows of one layer.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    usual: Usual,
    /// How much of it was seen closely, and how likely it is nothing but the material.
    worth: f32,
    /// At the finest level, completed: detail (log-ratio, RGB) and weight.
    texels: Vec<[f32; 4]>,
}

impl Candidate {
    /// `None` if nothing was seen of it. `explained` is the share of the variance of its pictures that one texture explains.
    pub(super) fn new(
        seen: &mut Exemplars,
        layer: usize,
        style: usize,
        explained: f32,
    ) -> Option<Self> {
        let closely = seen.seen_closely(layer);
        // What was seen only from afar is better than nothing.
        let known = closely.powi(2) + 1e-4 * seen.mean(layer)[3].min(1.0);
        if known <= 0.0 {
            return None;
        }
        let mut texels = seen.filled(layer, 0).to_vec();
        let figures = Figures::of(&texels);
        let worth = known * explained / (1.0 + (figures.hues / FEW_HUES).powi(2));
        complete(&mut texels);
        Some(Self { usual: Usual { style, closely, figures }, worth, texels })
    }
}

/// Fills blocks of texels that nobody saw closely with the nearest that somebody did: from the same height if there is one, since planks and courses of
/// bricks lie level. A bench shows half a metre of two metres' planks.
fn complete(texels: &mut [[f32; 4]]) {
    let blocks = SIZE / BLOCK;
    let inside = |block: usize| {
        let (u, v) = (block % blocks * BLOCK, block / blocks * BLOCK);
        (0..BLOCK * BLOCK).map(move |at| (v + at / BLOCK) * SIZE + u + at % BLOCK)
    };
    let is_seen = |block: usize| {
        inside(block).filter(|at| texels[*at][3] > SEEN).count() * 10 >= 9 * BLOCK * BLOCK
    };
    let seen: Vec<usize> = (0..blocks * blocks).filter(|block| is_seen(*block)).collect();
    let away = |a: usize, b: usize| a.abs_diff(b).min(blocks - a.abs_diff(b));
    for block in (0..blocks * blocks).filter(|block| !seen.contains(block)) {
        let distance = |other: &&usize| {
            let (u, v) =
                (away(block % blocks, *other % blocks), away(block / blocks, *other / blocks));
            (v, u)
        };
        let Some(nearest) = seen.iter().min_by_key(distance) else { return };
        for (to, from) in inside(block).zip(inside(*nearest)) {
            if texels[to][3] <= SEEN {
                texels[to] = texels[from];
            }
        }
    }
}

/// What the episodes show of one layer.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// In each episode.
    usual: Vec<Usual>,
    /// The best episodes.
    candidates: Vec<Candidate>,
}

impl Shown {
    pub(super) fn take(&mut self, candidate: Candidate) {
        self.usual.push(candidate.usual);
        self.candidates.push(candidate);
        self.candidates.sort_by(|a, b| b.worth.total_cmp(&a.worth));
        self.candidates.truncate(CANDIDATES);
    }

    /// An episode of `style` saw more than a glimpse of it.
    pub(super) fn is_of(&self, style: usize) -> bool {
        self.usual.iter().any(|of| of.style == style && of.closely > GLIMPSE)
    }

    /// The texture of this number, or the last one, as it looks in `style`.
    pub(super) fn texels(&self, style: usize, index: usize) -> Vec<[f32; 4]> {
        // What is brighter, darker or of another colour than in most episodes counts less: a lantern's light on a wall is no look of the wall.
        let worth =
            |of: &Candidate| of.worth * like(of.usual.figures.mean, self.colour(of.usual.style));
        let mut candidates: Vec<&Candidate> = self.candidates.iter().collect();
        candidates.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
        let Some(chosen) = candidates.get(index).or(candidates.last()) else {
            return vec![[0.0; 4]; FINEST_TEXELS];
        };
        let own = Figures::of(&chosen.texels);
        let colour = self.colour(style);
        let contrast = self.quantile(style, CLEAR, |of| of.contrast);
        let bright = (contrast / own.contrast.max(1e-3)).min(MOST_SCALE);
        // Under snow all of the ground is white.
        let hues = self.quantile(style, 0.5, |of| of.hues);
        let hued = (hues / own.hues.max(1e-3)).min(1.0) * bright.min(1.0);
        let texel = |t: &[f32; 4]| -> [f32; 4] {
            let apart: [f32; 3] = std::array::from_fn(|c| t[c] - own.mean[c]);
            let brighter = apart.iter().sum::<f32>() / 3.0;
            std::array::from_fn(|c| match c {
                3 => LOOK_WEIGHT * t[3],
                c => colour[c] + bright * brighter + hued * (apart[c] - brighter),
            })
        };
        chosen.texels.iter().map(texel).collect()
    }

    fn colour(&self, style: usize) -> [f32; 3] {
        std::array::from_fn(|c| self.quantile(style, 0.5, |of| of.mean[c]))
    }

    /// Over the episodes of `style`, or over all if none of its shows the layer.
    fn quantile(&self, style: usize, share: f32, value: impl Fn(&Figures) -> f32) -> f32 {
        let any = !self.usual.iter().any(|of| of.style == style);
        let of_style = self.usual.iter().filter(|of| any || of.style == style);
        let mut values: Vec<f32> = of_style.map(|of| value(&of.figures)).collect();
        values.sort_by(f32::total_cmp);
        values.get((share * values.len() as f32) as usize).copied().unwrap_or(0.0)
    }
}

/// 1 for the same colours (log-ratios), less the farther they are apart.
fn like(a: [f32; 3], b: [f32; 3]) -> f32 {
    let apart: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    1.0 / (1.0 + apart / USUAL_COLOUR.powi(2))
}

#[cfg(test)]
mod tests;
