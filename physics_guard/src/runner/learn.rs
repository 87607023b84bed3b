//! What accepted pictures teach: how the observer usually speaks of each body, of the sky, and of the whole scene.

use super::{Guard, Judgement};
use crate::expected::NONE;
use crate::habit::{SKY_ID, Said};
use crate::observed::BINS;
use crate::verdict::Verdict;

/// Less sky than this says nothing about it.
const FEWEST_SKY_PIXELS: f32 = 64.0;

impl Guard {
    /// Takes in how the observer speaks of bodies against which nothing stands.
    pub(super) fn learn(&mut self, judgement: &Judgement) {
        let measurements = &self.observed.measurements;
        let bodies = self.expected.snapshot.bodies.len();
        self.unexplained.clear();
        self.unexplained.resize(bodies, 0);
        for (object, unexplained) in self.expected.object.iter().zip(&self.ghosts.unexplained) {
            if *unexplained != 0
                && let Some(count) = self.unexplained.get_mut(usize::from(*object))
            {
                *count += 1;
            }
        }
        for (index, measurement) in measurements.iter().enumerate() {
            let suspect = |verdict: &Verdict| verdict.finding.object == Some(measurement.id);
            let in_place = measurement.shift_px.abs().max_element() < 1.5
                && (measurement.found || measurement.separable == 0);
            if !in_place || judgement.suspicions.iter().any(suspect) {
                continue;
            }
            let classes = self.look.field.classes;
            let said = Said {
                mean: &self.means[index * classes..(index + 1) * classes],
                colours: self.colours.get(index * BINS..(index + 1) * BINS).unwrap_or(&[]),
                unexplained: self.unexplained[usize::from(measurement.body)] as f32,
                seen_share: Some(measurement.seen_share).filter(|_| measurement.separable > 0),
                ln_scale: measurement.ln_scale,
                ln_depth: Some(measurement.ln_depth)
                    .filter(|_| measurement.ln_depth_var.is_finite()),
            };
            self.habits.learn(measurement.id, said);
        }
        if !judgement.suspicions.iter().any(|verdict| verdict.finding.what == "ghost") {
            self.learn_sky();
        }
        let field = &self.look.field;
        if !field.colours.is_empty() {
            let mut scene = vec![0.0; BINS];
            let share = 1.0 / field.colours.len() as f32;
            for (bin, p) in field.colours.iter().flatten() {
                scene[usize::from(*bin)] += share * p;
            }
            self.habits.learn_scene(&scene);
        }
    }

    /// The sky has its habits, too: clouds, stars, fog.
    fn learn_sky(&mut self) {
        let field = &self.look.field;
        let mut mean = vec![0.0; field.classes];
        let mut colours = vec![0.0; if field.colours.is_empty() { 0 } else { BINS }];
        let (mut count, mut unexplained) = (0.0f32, 0.0);
        for (pixel, object) in self.expected.object.iter().enumerate() {
            if *object != NONE || field.blind[pixel] {
                continue;
            }
            count += 1.0;
            unexplained += f32::from(u8::from(self.ghosts.unexplained[pixel] != 0));
            mean.iter_mut().zip(field.classes_of(pixel)).for_each(|(mean, p)| *mean += p);
            for (bin, p) in field.colours.get(pixel).into_iter().flatten() {
                colours[usize::from(*bin)] += p;
            }
        }
        if count >= FEWEST_SKY_PIXELS {
            mean.iter_mut().chain(&mut colours).for_each(|mean| *mean /= count);
            let said = Said { mean: &mean, colours: &colours, unexplained, ..Said::default() };
            self.habits.learn(SKY_ID, said);
        }
    }
}
