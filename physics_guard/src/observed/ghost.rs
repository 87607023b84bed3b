//! What a picture shows and nothing expected explains.

use serde::Serialize;

use super::Observed;
use super::look::Look;
use crate::expected::{Expected, NONE, PixelRect};
use crate::habit::{Habits, SKY_ID};
use crate::region::flood;

/// An unexplained pixel's best class explains it so much better than any expected surface around it, nats.
pub const UNEXPLAINED_NATS: f32 = 2.0;
/// And its colour fits the surfaces around it worse than their own colours do, by so many nats.
const STRANGE_NATS: f32 = 1.0;
/// Something is seen in front of everything expected if it is nearer by this in ln(depth), and by 4 σ.
const NEARER: f32 = 0.35;
/// Pixels that are this close to their own surface's usual score are not looked at further.
const SURPRISED_NATS: f32 = 1.0;
/// Smaller regions are noise.
const LEAST_REGION: u32 = 6;
/// Regions kept.
const MOST_GHOSTS: usize = 16;

/// A connected region that nothing expected explains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ghost {
    /// In the region.
    pub pixels: u32,
    /// Around it.
    pub rect: PixelRect,
    /// What is expected on most of it: into the snapshot's bodies, or [`NONE`] for the sky.
    pub host: u16,
    /// Share of it where `host` is expected.
    pub host_share: f32,
    /// Pixels of `host` that this observer usually leaves unexplained.
    pub usual_px: f32,
    /// Of its pixels, how many are seen in front of everything expected.
    pub nearer: u32,
}

/// Finds ghosts; reused from picture to picture.
#[derive(Debug, Default)]
pub(crate) struct GhostFinder {
    /// 0 explained, 1 unexplained, 2 unexplained and nearer.
    pub(crate) unexplained: Vec<u8>,
    visited: Vec<bool>,
    stack: Vec<u32>,
    hosts: Vec<(u16, u32)>,
}

impl GhostFinder {
    /// Fills [`Observed::ghosts`]; the bodies that were found elsewhere are in `observed.object` already.
    pub(crate) fn find(
        &mut self,
        look: &Look,
        expected: &Expected,
        habits: &Habits,
        observed: &mut Observed,
    ) {
        let (width, height) = (expected.width, expected.height);
        self.unexplained.clear();
        self.unexplained.resize(width * height, 0);
        for y in 0..height {
            for x in 0..width {
                let pixel = y * width + x;
                self.unexplained[pixel] =
                    surprise(look, expected, habits, observed, x, y).unwrap_or(0);
            }
        }
        self.visited.clear();
        self.visited.extend(self.unexplained.iter().map(|unexplained| *unexplained == 0));
        for pixel in 0..width * height {
            if self.visited[pixel] {
                continue;
            }
            let mut ghost = self.flood(pixel, expected);
            if ghost.pixels >= LEAST_REGION {
                let host = expected.snapshot.bodies.get(usize::from(ghost.host));
                ghost.usual_px = habits.unexplained(host.map_or(SKY_ID, |body| body.id));
                observed.ghosts.push(ghost);
            }
        }
        observed.ghosts.sort_unstable_by_key(|ghost| std::cmp::Reverse(ghost.pixels));
        observed.ghosts.truncate(MOST_GHOSTS);
    }

    fn flood(&mut self, from: usize, expected: &Expected) -> Ghost {
        let (width, height) = (expected.width, expected.height);
        let mut ghost = Ghost {
            pixels: 0,
            rect: PixelRect::empty(),
            host: NONE,
            host_share: 0.0,
            usual_px: 0.0,
            nearer: 0,
        };
        self.hosts.clear();
        let (hosts, unexplained) = (&mut self.hosts, &self.unexplained);
        flood(from, (width, height), &mut self.visited, &mut self.stack, |x, y| {
            let pixel = y * width + x;
            ghost.pixels += 1;
            ghost.nearer += u32::from(unexplained[pixel] == 2);
            ghost.rect.include(x, y);
            let host = expected.object[pixel];
            match hosts.iter().position(|(known, _)| *known == host) {
                Some(index) => hosts[index].1 += 1,
                None if hosts.len() < 64 => hosts.push((host, 1)),
                None => {}
            }
        });
        if let Some((host, count)) = self.hosts.iter().max_by_key(|(_, count)| *count) {
            ghost.host = *host;
            ghost.host_share = *count as f32 / ghost.pixels as f32;
        }
        ghost
    }
}

/// Whether nothing expected at or around a pixel explains it: 1 by its class, 2 by its depth.
fn surprise(
    look: &Look,
    expected: &Expected,
    habits: &Habits,
    observed: &Observed,
    x: usize,
    y: usize,
) -> Option<u8> {
    let (width, height) = (expected.width, expected.height);
    let pixel = y * width + x;
    if look.field.blind[pixel] {
        return None;
    }
    let own = look.first_class[pixel].max(look.behind_class[pixel]);
    let object = expected.object[pixel];
    let usual: f32 =
        look.shares(object).iter().zip(look.row(object)).map(|(q, ln_q)| q * ln_q).sum();
    let weight = look.field.depth_weight[pixel];
    let ln_seen = look.field.ln_depth[pixel];
    let margin = NEARER.max(4.0 / weight.max(1e-6));
    let ln_first = super::field::ln_depth(expected.depth_m[pixel]);
    let maybe_nearer = weight > 0.0 && ln_seen < ln_first - margin;
    if own > usual - SURPRISED_NATS && !maybe_nearer {
        return None;
    }
    // A body that was found shifted is explained; its own checks judge the shift.
    let shown = observed.object[pixel];
    if shown != expected.object[pixel] && shown != expected.behind[pixel] {
        return None;
    }
    let mut explained = own;
    let mut nearest = ln_first;
    let coloured = !look.field.colours.is_empty();
    let strangeness = |object: u16| look.usual_colour(object) - look.colour_score(pixel, object);
    let mut strange = strangeness(object).min(strangeness(expected.behind[pixel]));
    for ny in y.saturating_sub(1)..(y + 2).min(height) {
        for nx in x.saturating_sub(1)..(x + 2).min(width) {
            let other = ny * width + nx;
            let object = expected.object[other];
            if object != expected.object[pixel] {
                explained = explained.max(look.field.class_score(pixel, look.row(object)));
                strange = strange.min(strangeness(object));
            }
            nearest = nearest.min(super::field::ln_depth(expected.depth_m[other]));
        }
    }
    if coloured && strange < STRANGE_NATS {
        return None;
    }
    if weight > 0.0 && ln_seen < nearest - margin {
        return Some(2);
    }
    let best = habits
        .ln_rows
        .iter()
        .map(|row| look.field.class_score(pixel, row))
        .fold(f32::NEG_INFINITY, f32::max);
    (best - explained > UNEXPLAINED_NATS).then_some(1)
}
