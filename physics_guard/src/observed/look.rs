//! Every pixel of a picture, scored against what is expected there and what is behind it.

use std::collections::HashMap;

use super::field::{Field, MOST_DEPTH_DEVIATION, ln_depth};
use super::palette::BINS;
use super::{Evidence, Observed};
use crate::expected::{Expected, NONE};
use crate::habit::{Habits, SKY_ID};

/// A pixel's colour counts by this share: neighbours are lit alike, and light changes.
pub(crate) const COLOUR_WEIGHT: f32 = 0.6;
/// No pixel says more than this for or against a surface, nats.
pub(crate) const MOST_NATS: f32 = 4.0;

/// Probability from which a pixel is taken for sky.
const SURELY_SKY: f32 = 0.5;

/// Scores of a picture; reused from picture to picture.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) field: Field,
    /// By body: which of the `rows` is its; [`NONE`] if it is nowhere in sight.
    slots: Vec<u16>,
    /// Logarithms of what is usually said, `classes` values each; the first is the sky's.
    rows: Vec<f32>,
    /// The same as plain shares.
    shares: Vec<f32>,
    /// Logarithms of usual colours, [`BINS`] values each, in the same order.
    colours: Vec<f32>,
    /// By pair of rows: how far apart their colours are, nats.
    colours_apart: HashMap<(u16, u16), f32>,
    /// By row: log-likelihood that a surface's own colours usually have, weighed.
    usual_colour: Vec<f32>,
    /// Log-likelihood of the expected surface, and of what is behind it.
    pub(crate) first: Vec<f32>,
    pub(crate) behind: Vec<f32>,
    /// Of the classes alone.
    pub(crate) first_class: Vec<f32>,
    pub(crate) behind_class: Vec<f32>,
}

impl Look {
    /// Scores `evidence` and fills the maps of `observed`.
    pub(crate) fn score(
        &mut self,
        expected: &Expected,
        evidence: &Evidence,
        habits: &mut Habits,
        sigma_scale: f32,
        observed: &mut Observed,
    ) {
        self.field.fill(evidence, expected.width, expected.height, sigma_scale);
        habits.prepare(self.field.classes);
        self.gather_rows(expected, habits);
        let pixels = expected.width * expected.height;
        for map in
            [&mut self.first, &mut self.behind, &mut self.first_class, &mut self.behind_class]
        {
            map.resize(pixels, 0.0);
        }
        observed.clear(expected.width, expected.height);
        for pixel in 0..pixels {
            let (object, behind) = (expected.object[pixel], expected.behind[pixel]);
            let (ln_first, ln_behind) =
                (ln_depth(expected.depth_m[pixel]), ln_depth(expected.behind_m[pixel]));
            let (row, row_behind) = (self.row(object), self.row(behind));
            let (class, class_behind) =
                (self.field.class_score(pixel, row), self.field.class_score(pixel, row_behind));
            let colour = self.colour_score(pixel, object);
            let colour_behind = self.colour_score(pixel, behind);
            let (shares, pair) = (self.shares(object), row.iter().zip(row_behind));
            let apart = shares.iter().zip(pair).map(|(q, (a, b))| q * (a - b)).sum::<f32>();
            let (depth, depth_behind) =
                (self.field.depth_score(pixel, ln_first), self.field.depth_score(pixel, ln_behind));
            let deviation = (ln_first - ln_behind) * self.field.depth_weight[pixel];
            let depth_apart = 0.5 * (deviation * deviation).min(MOST_DEPTH_DEVIATION);
            let blind = self.field.blind[pixel] || object == NONE;
            let support = class + colour + depth - class_behind - colour_behind - depth_behind;
            let support = if blind { 0.0 } else { support.clamp(-MOST_NATS, MOST_NATS) };
            observed.support[pixel] = support;
            let apart = apart + self.colours_apart(object, behind);
            observed.information[pixel] = if blind { 0.0 } else { apart + depth_apart };
            let sky = self.field.classes_of(pixel).last();
            observed.sky[pixel] = !self.field.blind[pixel] && sky.is_some_and(|p| *p > SURELY_SKY);
            let known = self.field.depth_weight[pixel] > 0.0;
            observed.ln_depth_error[pixel] =
                if known { self.field.ln_depth[pixel] - ln_first } else { 0.0 };
            observed.depth_m[pixel] =
                if known { self.field.ln_depth[pixel].exp() } else { f32::INFINITY };
            observed.object[pixel] = if support < 0.0 { behind } else { object };
            observed.confidence[pixel] = 1.0 / (1.0 + (-support.abs()).exp());
            self.first[pixel] = class + colour + depth;
            self.behind[pixel] = class_behind + colour_behind + depth_behind;
            self.first_class[pixel] = class;
            self.behind_class[pixel] = class_behind;
        }
    }

    /// Logarithm of what is usually said of a body, or of the sky.
    #[inline]
    pub(crate) fn row(&self, object: u16) -> &[f32] {
        &self.rows[self.range(object)]
    }

    /// What is usually said of a body, or of the sky.
    #[inline]
    pub(crate) fn shares(&self, object: u16) -> &[f32] {
        &self.shares[self.range(object)]
    }

    /// Log-likelihood of a pixel's class and colour if a body, or the sky, is seen there.
    #[inline]
    pub(crate) fn surface_score(&self, pixel: usize, object: u16) -> f32 {
        self.field.class_score(pixel, self.row(object)) + self.colour_score(pixel, object)
    }

    /// Of its colour alone, weighed.
    #[inline]
    pub(crate) fn colour_score(&self, pixel: usize, object: u16) -> f32 {
        let at = usize::from(self.slot(object)) * BINS;
        COLOUR_WEIGHT * self.field.colour_score(pixel, &self.colours[at..at + BINS])
    }

    /// What [`Self::colour_score`] usually is on a surface.
    pub(crate) fn usual_colour(&self, object: u16) -> f32 {
        self.usual_colour[usize::from(self.slot(object))]
    }

    /// How far apart the usual colours of two surfaces are, weighed nats; 0 if colours do not count.
    fn colours_apart(&mut self, object: u16, behind: u16) -> f32 {
        if self.field.colours.is_empty() {
            return 0.0;
        }
        let pair = (self.slot(object), self.slot(behind));
        let colours = &self.colours;
        *self.colours_apart.entry(pair).or_insert_with(|| {
            let row = |slot: u16| &colours[usize::from(slot) * BINS..][..BINS];
            let both = row(pair.0).iter().zip(row(pair.1));
            COLOUR_WEIGHT * both.map(|(a, b)| a.exp() * (a - b)).sum::<f32>()
        })
    }

    #[inline]
    fn slot(&self, object: u16) -> u16 {
        let slot = self.slots.get(usize::from(object)).copied().unwrap_or(0);
        if slot == NONE { 0 } else { slot }
    }

    #[inline]
    fn range(&self, object: u16) -> std::ops::Range<usize> {
        let slot = usize::from(self.slot(object));
        slot * self.field.classes..(slot + 1) * self.field.classes
    }

    fn gather_rows(&mut self, expected: &Expected, habits: &Habits) {
        let classes = self.field.classes;
        let bodies = &expected.snapshot.bodies;
        self.slots.clear();
        self.slots.resize(bodies.len().min(usize::from(NONE)), NONE);
        self.rows.clear();
        self.rows.resize(classes, 0.0);
        habits.write(SKY_ID, 0, &mut self.rows);
        self.colours_apart.clear();
        self.colours.clear();
        self.colours.resize(BINS, 0.0);
        habits.write_colours(SKY_ID, &mut self.colours);
        for object in expected.object.iter().chain(&expected.behind) {
            let Some(slot) = self.slots.get_mut(usize::from(*object)) else { continue };
            if *slot != NONE {
                continue;
            }
            let begin = self.rows.len();
            *slot = (begin / classes) as u16;
            self.rows.resize(begin + classes, 0.0);
            let body = &bodies[usize::from(*object)];
            habits.write(body.id, body.material, &mut self.rows[begin..]);
            let begin = self.colours.len();
            self.colours.resize(begin + BINS, 0.0);
            habits.write_colours(body.id, &mut self.colours[begin..]);
        }
        self.usual_colour.clear();
        self.usual_colour.extend(
            self.colours
                .chunks_exact(BINS)
                .map(|row| COLOUR_WEIGHT * row.iter().map(|ln_q| ln_q.exp() * ln_q).sum::<f32>()),
        );
        self.shares.clear();
        self.shares.extend(self.rows.iter().map(|ln_q| ln_q.exp()));
    }
}
