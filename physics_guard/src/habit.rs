//! What an observer usually says: of each material, and of each body that was looked at for a while.
//!
//! No observer names every material right, and a lamp at dusk is not the lamp it learned. A picture is therefore held
//! to what this observer said of the same body in the pictures that were accepted, not to the truth alone.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::observed::{BINS, Usual};

/// Share of a material that an observer nobody measured is thought to name right.
const UNMEASURED: f32 = 0.6;
/// Each distribution is mixed with so much of "any class": nothing is impossible.
const ANY_CLASS: f32 = 0.02;
/// The material's row counts as this many frames of the body's own.
const ROW_FRAMES: f32 = 6.0;
/// Frames that a body's mean remembers at most: the row keeps at least a third of the weight.
const MOST_FRAMES: f32 = 12.0;
/// The scene's colours count as this many frames of a body's own.
const SCENE_FRAMES: f32 = 1.0;
/// Of a body's colours this share may always be any of the scene's, and this any at all.
const SCENE_COLOURS: f32 = 0.1;
const ANY_COLOUR: f32 = 0.05;
/// The scene's colours are forgotten by this share a frame.
const SCENE_SHARE: f32 = 0.1;
/// Bodies that are remembered.
const MOST_BODIES: usize = 4096;
/// A body that is usually further from its collider's scale or depth than this is no habit but a fault.
const MOST_LN_SCALE: f32 = 0.25;
const MOST_LN_DEPTH: f32 = 0.7;

/// How often an observer names each class, by the class that is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// One row per true class, each over all classes, sum 1.
    pub rows: Vec<Vec<f32>>,
}

impl Default for Confusion {
    /// Of no class: every observer is then thought to be right most of the time.
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
}

impl Confusion {
    /// Of an observer that nobody measured: it is right most of the time.
    pub fn unmeasured(classes: usize) -> Self {
        let rest = (1.0 - UNMEASURED) / classes.saturating_sub(1).max(1) as f32;
        let row =
            |class| (0..classes).map(|c| if c == class { UNMEASURED } else { rest }).collect();
        Self { rows: (0..classes).map(row).collect() }
    }

    /// Usable for this many classes: complete, and made of numbers.
    pub fn fits(&self, classes: usize) -> bool {
        let fits = |row: &Vec<f32>| {
            row.len() == classes
                && row.iter().all(|p| p.is_finite() && *p >= 0.0)
                && row.iter().sum::<f32>() > 0.5
        };
        self.rows.len() == classes && self.rows.iter().all(fits)
    }
}

#[derive(Debug, Clone)]
struct Habit {
    mean: Vec<f32>,
    frames: f32,
    /// Mean shares of the palette; empty while no colours were told.
    colours: Vec<f32>,
    /// Pixels of it that are usually left unexplained.
    unexplained: f32,
    usual: Usual,
    seen_at: u64,
}

/// What was said of a body in one picture.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said<'a> {
    /// Mean class probabilities over its pixels.
    pub(crate) mean: &'a [f32],
    /// Mean shares of the palette; empty if colours do not count.
    pub(crate) colours: &'a [f32],
    /// Pixels of it that nothing explains.
    pub(crate) unexplained: f32,
    /// Share of its pixels that show it, where any could.
    pub(crate) seen_share: Option<f32>,
    /// Its scale and depth, where they were told.
    pub(crate) ln_scale: Option<f32>,
    pub(crate) ln_depth: Option<f32>,
}

/// The sky, among the bodies.
pub(crate) const SKY_ID: u64 = u64::MAX;

/// Distributions over classes, as logarithms.
#[derive(Debug, Default)]
pub(crate) struct Habits {
    pub(crate) classes: usize,
    confusion: Confusion,
    /// Logarithms of the rows, floored.
    pub(crate) ln_rows: Vec<Vec<f32>>,
    bodies: HashMap<u64, Habit>,
    /// Shares of the palette over whole pictures; empty before the first.
    scene: Vec<f32>,
    clock: u64,
}

impl Habits {
    pub(crate) fn new(confusion: Confusion) -> Self {
        Self { confusion, ..Self::default() }
    }

    pub(crate) fn forget(&mut self) {
        self.bodies.clear();
        self.scene.clear();
    }

    /// Gets ready for evidence of this many classes. Another number than before forgets all bodies.
    pub(crate) fn prepare(&mut self, classes: usize) {
        if self.classes == classes {
            return;
        }
        self.classes = classes;
        self.bodies.clear();
        if !self.confusion.fits(classes) {
            self.confusion = Confusion::unmeasured(classes);
        }
        self.ln_rows = self.confusion.rows.iter().map(|row| logarithms(row)).collect();
    }

    /// The class of a body's material; the last class is the sky's.
    pub(crate) fn class_of(&self, material: u8) -> usize {
        usize::from(material).min(self.classes.saturating_sub(2))
    }

    /// Writes the logarithm of what is usually said of a body into `out`.
    pub(crate) fn write(&self, id: u64, material: u8, out: &mut [f32]) {
        let class = if id == SKY_ID { self.classes - 1 } else { self.class_of(material) };
        match self.bodies.get(&id) {
            Some(habit) => {
                let row = &self.confusion.rows[class];
                let frames = habit.frames;
                let mixed = row
                    .iter()
                    .zip(&habit.mean)
                    .map(|(row, mean)| (ROW_FRAMES * row + frames * mean) / (ROW_FRAMES + frames));
                for (out, p) in out.iter_mut().zip(mixed) {
                    *out = floored_ln(p, self.classes);
                }
            }
            None => out.copy_from_slice(&self.ln_rows[class]),
        }
    }

    /// Writes the logarithm of a body's usual colours into `out`, [`BINS`] long.
    pub(crate) fn write_colours(&self, id: u64, out: &mut [f32]) {
        let any = 1.0 / BINS as f32;
        let body = self.bodies.get(&id).filter(|habit| !habit.colours.is_empty());
        for (bin, out) in out.iter_mut().enumerate() {
            let scene = self.scene.get(bin).copied().unwrap_or(any);
            let own = body.map_or(scene, |habit| {
                (SCENE_FRAMES * scene + habit.frames * habit.colours[bin])
                    / (SCENE_FRAMES + habit.frames)
            });
            let mixed = own + SCENE_COLOURS * (scene - own);
            *out = (mixed + ANY_COLOUR * (any - mixed)).ln();
        }
    }

    /// Takes in the colours of an accepted picture, shares of the palette.
    pub(crate) fn learn_scene(&mut self, colours: &[f32]) {
        if self.scene.len() != colours.len() {
            self.scene = colours.to_vec();
        }
        for (known, new) in self.scene.iter_mut().zip(colours) {
            *known += SCENE_SHARE * (new - *known);
        }
    }

    /// Takes in what was said of a body in an accepted picture.
    pub(crate) fn learn(&mut self, id: u64, said: Said) {
        self.clock += 1;
        let clock = self.clock;
        let fresh = || Habit {
            mean: said.mean.to_vec(),
            frames: 0.0,
            colours: Vec::new(),
            unexplained: 0.0,
            usual: Usual::default(),
            seen_at: clock,
        };
        let habit = self.bodies.entry(id).or_insert_with(fresh);
        habit.frames = (habit.frames + 1.0).min(MOST_FRAMES);
        let share = 1.0 / habit.frames;
        for (known, new) in habit.mean.iter_mut().zip(said.mean) {
            *known += share * (new - *known);
        }
        if habit.colours.len() == said.colours.len() {
            for (known, new) in habit.colours.iter_mut().zip(said.colours) {
                *known += share * (new - *known);
            }
        } else {
            habit.colours = said.colours.to_vec();
        }
        habit.unexplained += share * (said.unexplained - habit.unexplained);
        let usual = &mut habit.usual;
        if let Some(ln_scale) = said.ln_scale {
            let of = (&mut usual.ln_scale, &mut usual.ln_scale_sigma);
            follow(of, ln_scale, share, MOST_LN_SCALE);
        }
        if let Some(ln_depth) = said.ln_depth {
            let of = (&mut usual.ln_depth, &mut usual.ln_depth_sigma);
            follow(of, ln_depth, share, MOST_LN_DEPTH);
        }
        if let Some(seen_share) = said.seen_share {
            usual.seen_share += share * (seen_share - usual.seen_share);
        }
        habit.seen_at = clock;
        if self.bodies.len() > MOST_BODIES {
            let mut ages: Vec<u64> = self.bodies.values().map(|habit| habit.seen_at).collect();
            let (_, middle, _) = ages.select_nth_unstable(MOST_BODIES / 4);
            let oldest = *middle;
            self.bodies.retain(|_, habit| habit.seen_at > oldest);
        }
    }

    /// Its usual scale and depth.
    pub(crate) fn usual(&self, id: u64) -> Usual {
        self.bodies.get(&id).map_or(Usual::default(), |habit| habit.usual)
    }

    /// Accepted pictures of a body that its distribution remembers.
    pub(crate) fn frames(&self, id: u64) -> f32 {
        self.bodies.get(&id).map_or(0.0, |habit| habit.frames)
    }

    /// Pixels on a body that are usually left unexplained.
    pub(crate) fn unexplained(&self, id: u64) -> f32 {
        self.bodies.get(&id).map_or(0.0, |habit| habit.unexplained)
    }
}

/// Moves a mean and its deviation towards a value by `share`; the mean stays within `most` of 0.
fn follow((mean, sigma): (&mut f32, &mut f32), value: f32, share: f32, most: f32) {
    let off = value - *mean;
    let variance = (1.0 - share) * (*sigma * *sigma + share * off * off);
    *sigma = variance.sqrt();
    *mean = (*mean + share * off).clamp(-most, most);
}

fn floored_ln(p: f32, classes: usize) -> f32 {
    ((1.0 - ANY_CLASS) * p + ANY_CLASS / classes.max(1) as f32).ln()
}

fn logarithms(row: &[f32]) -> Vec<f32> {
    row.iter().map(|p| floored_ln(*p, row.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(habits: &Habits, id: u64) -> Vec<f32> {
        let mut out = vec![0.0; habits.classes];
        habits.write(id, 0, &mut out);
        out.iter().map(|ln| ln.exp()).collect()
    }

    fn said_of(mean: &[f32]) -> Said<'_> {
        Said {
            mean,
            colours: &[],
            unexplained: 0.0,
            seen_share: None,
            ln_scale: None,
            ln_depth: None,
        }
    }

    #[test]
    fn a_habit_moves_towards_what_is_said_but_never_leaves_the_material_behind() {
        let mut habits = Habits::new(Confusion::default());
        habits.prepare(4);
        let before = said(&habits, 1);
        for _ in 0..1000 {
            habits.learn(1, said_of(&[0.0, 1.0, 0.0, 0.0]));
        }
        let after = said(&habits, 1);
        assert!(after[1] > 0.6 && after[0] > 0.15, "{after:?}");
        assert_eq!(said(&habits, 2), before, "another body of the material keeps the row");
    }

    #[test]
    fn a_mean_and_its_deviation_are_followed() {
        let (mut mean, mut sigma) = (0.0, 0.0);
        for i in 0..400 {
            let value = 0.1 + if i % 2 == 0 { 0.04 } else { -0.04 };
            follow((&mut mean, &mut sigma), value, 1.0 / (i + 1).min(50) as f32, 0.25);
        }
        assert!((mean - 0.1).abs() < 0.01 && (sigma - 0.04).abs() < 0.01, "{mean} {sigma}");
        follow((&mut mean, &mut sigma), 9.0, 1.0, 0.25);
        assert_eq!(mean, 0.25);
    }

    #[test]
    fn habits_are_bounded() {
        let mut habits = Habits::new(Confusion::default());
        habits.prepare(3);
        for id in 0..3 * MOST_BODIES as u64 {
            habits.learn(id, said_of(&[1.0, 0.0, 0.0]));
        }
        assert!(habits.bodies.len() <= MOST_BODIES);
        assert!(habits.bodies.contains_key(&(3 * MOST_BODIES as u64 - 1)));
    }

    #[test]
    fn a_damaged_confusion_is_not_used() {
        let mut habits = Habits::new(Confusion { rows: vec![vec![f32::NAN, 1.0], vec![0.0, 1.0]] });
        habits.prepare(2);
        assert!(said(&habits, 1).iter().all(|p| p.is_finite()));
    }
}
