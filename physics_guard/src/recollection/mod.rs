//! What a picture must look like by the pictures before it.
//!
//! An observer that names materials is often wrong at 72 rows. But the physics says where every point of the last accepted pictures is now, and what was
//! seen there then must be seen there now, whatever it is: carried along by the exact depth and the bodies' own motion, a right picture agrees with itself. Where
//! it does not, something came, went, moved or was repainted that the physics does not know of. The newest accepted picture tells what happens at once, one of
//! more than a second ago what creeps.
//!
//! A pixel differs if its colour lies outside the range of its neighbours in the carried picture (the clamp of temporal antialiasing, Karis 2014), so that
//! half a pixel of error at an edge is none, and if the mean of its surface around it differs as well, so that a wall may show more bricks from nearby.

use std::collections::{HashMap, HashSet, VecDeque};

use reverie_kernels::raster::{Scene, ShadowMaps};
use reverie_kernels::warp::PastFrame;

mod carried;
mod doubt;
mod shift;
mod stray;
mod sun;

use carried::{Carried, View};
pub(crate) use doubt::Suspects;
pub use shift::Shift;

use crate::expected::{Expected, NONE, PixelRect, ShadowSnapshot};
use crate::region::flood;
use crate::track::is_still;

/// Age of the picture that creeping is measured against, and of what is forgotten, seconds.
const LONG_S: f64 = 1.2;
const OLDEST_S: f64 = 3.5;
/// Pictures in between are kept so far apart, seconds.
const APART_S: f64 = 0.3;
/// Share of a body that accepted pictures must know, and of that which must look alike, for it to look as before.
const MOSTLY: f32 = 0.4;
const AS_BEFORE: f32 = 0.85;
/// A body of which more than this share came into another light alone does not.
const LIT_SHARE: f32 = 0.25;
/// Share of a region's rectangle that must look as it did.
const ALIKE_REGION: f32 = 0.8;
/// Smaller regions are noise.
const LEAST_REGION: u32 = 6;
/// Share of new values in a body's usual one.
const LEARN: f32 = 0.1;
/// In [`Recalled::told`]: in the same colour as before, in the same hue, and otherwise.
const SAME: u8 = 1;
const LIT: u8 = 2;
const DIFFERENT: u8 = 3;
/// In a picture that is remembered: not to be compared with.
const HIDDEN_OBJECT: u64 = u64::MAX - 1;
/// Bodies that are remembered.
const MOST_BODIES: usize = 4096;

/// How much of a body looks as it did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alike {
    /// Into the snapshot's bodies.
    pub body: u16,
    /// The body's.
    pub id: u64,
    /// Of it in sight.
    pub pixels: u32,
    /// Around them.
    pub rect: PixelRect,
    /// Of its pixels, how many the last accepted picture knows.
    pub known: u32,
    /// Share of these that look as they did then, of what usually does.
    pub share: f32,
    /// The same of a picture more than a second old.
    pub long_known: u32,
    /// See [`Self::share`].
    pub long_share: f32,
    /// Share of it that came into another light while what is around it did not.
    pub alone: f32,
    /// Where it stands, from where the last accepted picture says that it does; `None` if its brightness does not tell.
    pub shift: Option<Shift>,
    /// Where it has strayed to in the last pictures, by the sum of their shifts.
    pub strayed: Option<Shift>,
}

impl Alike {
    /// It looks as it did in the accepted pictures that know most of it.
    pub fn is_as_before(&self) -> bool {
        let mostly = |known: u32| known as f32 >= MOSTLY * self.pixels as f32;
        let long = !mostly(self.long_known) || self.long_share >= AS_BEFORE;
        mostly(self.known) && self.share >= AS_BEFORE && long && self.alone <= LIT_SHARE
    }
}

/// A connected region that looks otherwise than all accepted pictures that know it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strange {
    /// In the region.
    pub pixels: u32,
    /// Around it.
    pub rect: PixelRect,
}

/// What a picture says, held against the pictures before it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recalled {
    /// Of the bodies in sight that are known.
    pub bodies: Vec<Alike>,
    /// The largest region on what stands still.
    pub strange: Option<Strange>,
    /// By pixel: 0 not known, 1 alike, 2 lighter or darker, 3 otherwise; the least of all accepted pictures that know it. Empty without any.
    pub told: Vec<u8>,
}

impl Recalled {
    /// A body, into the snapshot's, looks as it did in the accepted pictures that know most of it.
    pub fn vouches_for(&self, body: u16) -> bool {
        self.bodies.iter().find(|alike| alike.body == body).is_some_and(Alike::is_as_before)
    }

    /// A pixel looks otherwise than in all pictures that know it.
    pub(crate) fn is_otherwise(&self, pixel: usize) -> bool {
        self.told.get(pixel) == Some(&DIFFERENT)
    }

    /// Most of a rectangle looks as it did, in a picture `width` pixels wide.
    pub fn knows(&self, rect: &PixelRect, width: usize) -> bool {
        let (mut alike, mut all) = (0, 0);
        for y in usize::from(rect.y0)..usize::from(rect.y1) {
            for x in usize::from(rect.x0)..usize::from(rect.x1) {
                all += 1;
                alike += usize::from(matches!(self.told.get(y * width + x), Some(1 | 2)));
            }
        }
        alike as f32 > ALIKE_REGION * all as f32
    }
}

#[derive(Debug, Clone)]
struct Seen {
    frame: PastFrame,
    sun: sun::Sun,
    time_s: f64,
}

#[derive(Debug, Clone, Copy)]
struct UsualShare {
    share: f32,
    long_share: f32,
}

/// Accepted pictures, and how they look now. What nothing can be said against any more, since all that would know better are too old, is accepted anew.
#[derive(Debug, Default)]
pub(crate) struct Recollection {
    /// The newest last.
    seen: VecDeque<Seen>,
    /// The last one before something came into doubt.
    trusted: Option<Seen>,
    carried: Vec<Carried>,
    /// Of the trusted one.
    filling: Carried,
    /// The expected picture, without colours yet.
    pending: Option<Seen>,
    usual: HashMap<u64, UsualShare>,
    /// The picture that is compared, 0 to 1.
    rgb: Vec<f32>,
    shifts: shift::Shifts,
    strays: stray::Strays,
    doubts: doubt::Doubts,
    /// Pictures are known to be right.
    pub(crate) trusts: bool,
    visited: Vec<bool>,
    stack: Vec<u32>,
}

impl Recollection {
    /// A cut: nothing of before is comparable.
    pub(crate) fn reset(&mut self) {
        self.seen.clear();
        self.trusted = None;
        self.carried.clear();
        self.doubts.clear();
        self.strays.clear();
        self.pending = None;
    }

    /// Forgets how bodies usually look as well.
    pub(crate) fn forget(&mut self) {
        self.reset();
        self.usual.clear();
    }

    /// Carries what was seen into the view that is expected next.
    pub(crate) fn expect(&mut self, snapshot: &ShadowSnapshot, scene: &Scene, maps: &ShadowMaps) {
        let now_s = snapshot.time_s;
        let pixels = maps.width * maps.height;
        // A clock that goes backwards is another run.
        if self.seen.back().is_some_and(|seen| seen.time_s > now_s) {
            self.reset();
        }
        let serves = |seen: &Seen| {
            now_s - seen.time_s < OLDEST_S
                && (seen.frame.width, seen.frame.height) == (maps.width, maps.height)
        };
        self.seen.retain(serves);
        self.trusted = self.trusted.take().filter(serves);
        let newest = self.seen.back();
        let long = self.seen.iter().rev().find(|seen| now_s - seen.time_s >= LONG_S);
        let doubted: Vec<bool> =
            scene.primitives.iter().map(|primitive| self.doubts.of(primitive.id)).collect();
        let sun = sun::Sun::on(snapshot, scene, maps);
        // What turns is in another light all the time. From one picture to the next it is judged all the same, but not over a second.
        let still: HashSet<u64> =
            snapshot.bodies.iter().filter(|body| is_still(body)).map(|body| body.id).collect();
        let relit = |seen: &Seen, is_long: bool| -> Vec<bool> {
            let ids = scene.primitives.iter().map(|primitive| primitive.id);
            let asked = |id: &u64| is_long || still.contains(id);
            ids.map(|id| asked(&id) && sun.differs(&seen.sun, id)).collect()
        };
        let mut used = 0;
        for (reference, is_long) in [(newest, false), (long, true)] {
            let Some(seen) = reference.filter(|_| pixels > 0) else { continue };
            if self.carried.len() <= used {
                self.carried.push(Carried::default());
            }
            let carried = &mut self.carried[used];
            carried.is_long = is_long;
            let view = View { scene, camera: &snapshot.camera, maps, doubted: &doubted };
            carried.carry(&seen.frame, &view, &relit(seen, is_long));
            if let Some(trusted) = self.trusted.as_ref().filter(|_| !is_long) {
                self.filling.carry(&trusted.frame, &view, &relit(trusted, false));
                carried.fill_from(&self.filling);
            }
            used += 1;
        }
        self.carried.truncate(used);
        let blank = vec![0.0; 3 * pixels];
        let frame = PastFrame::new(scene, &snapshot.camera, maps, blank);
        self.pending = Some(Seen { frame, sun, time_s: now_s });
    }

    /// There is a picture to compare with.
    pub(crate) fn knows_any(&self) -> bool {
        !self.carried.is_empty()
    }

    /// Something is in doubt since an earlier picture.
    pub(crate) fn doubts(&self) -> bool {
        self.doubts.any()
    }

    /// Compares a picture, sRGB, with what it must look like. A picture of another size says nothing.
    pub(crate) fn compare(&mut self, expected: &Expected, rgb: &[u8]) -> Recalled {
        let mut recalled = Recalled::default();
        if rgb.len() != 3 * expected.width * expected.height || self.carried.is_empty() {
            return recalled;
        }
        self.rgb.clear();
        self.rgb.extend(rgb.iter().map(|byte| f32::from(*byte) / 255.0));
        for carried in &mut self.carried {
            if carried.valid.len() != expected.width * expected.height {
                return recalled;
            }
            carried.tell(expected, &self.rgb);
        }
        let newest = self.carried.iter().find(|carried| !carried.is_long);
        self.shifts.measure(expected, newest, &self.rgb);
        let places = expected.snapshot.bodies.len();
        let mut counts = vec![[[0u32; 2]; 2]; places];
        for carried in &self.carried {
            for (object, told) in expected.object.iter().zip(&carried.told) {
                if let (Some(count), 1..) = (counts.get_mut(usize::from(*object)), told) {
                    let count = &mut count[usize::from(carried.is_long)];
                    count[0] += 1;
                    count[1] += u32::from(*told < DIFFERENT);
                }
            }
        }
        for view in &expected.views {
            let (Some(body), Some([now, long])) =
                (expected.body(view), counts.get(usize::from(view.body)))
            else {
                continue;
            };
            let usual = self.usual.get(&body.id);
            let share = |[known, alike]: [u32; 2], usual: Option<f32>| {
                let share = alike as f32 / known.max(1) as f32;
                (share / usual.unwrap_or(1.0).max(0.5)).min(1.0)
            };
            let shift = self.shifts.of(view.body);
            let now_s = expected.snapshot.time_s;
            recalled.bodies.push(Alike {
                body: view.body,
                id: body.id,
                pixels: view.pixels,
                rect: view.rect,
                known: now[0],
                share: share(*now, usual.map(|u| u.share)),
                long_known: long[0],
                long_share: share(*long, usual.map(|u| u.long_share)),
                alone: self
                    .carried
                    .iter()
                    .map(|carried| carried.lit_alone(expected, view))
                    .fold(0.0, f32::max),
                shift,
                strayed: shift.map(|step| self.strays.after(body.id, step, now_s)),
            });
        }
        recalled.told = (0..expected.object.len())
            .map(|pixel| {
                let told = self.carried.iter().map(|c| c.told[pixel]).filter(|told| *told > 0);
                told.min().unwrap_or(0)
            })
            .collect();
        recalled.strange = self.largest_region(expected, &recalled.told);
        recalled
    }

    /// The picture that was compared last is shown; `suspects` stand against it.
    pub(crate) fn shown(
        &mut self,
        rgb: &[u8],
        expected: &Expected,
        recalled: &Recalled,
        suspects: &Suspects,
    ) {
        let Some(Seen { mut frame, sun, time_s }) = self.pending.take() else { return };
        if frame.rgb.len() != rgb.len() {
            return;
        }
        let hidden = match self.trusts {
            true => &[],
            false => self.doubts.take_in(expected, recalled, suspects),
        };
        frame.object.iter_mut().zip(hidden).for_each(|(object, hidden)| {
            if *hidden {
                *object = HIDDEN_OBJECT;
            }
        });
        self.strays.shown(recalled, |id| self.doubts.of(id), time_s);
        match self.doubts.any() {
            true if self.trusted.is_none() => self.trusted = self.seen.back().cloned(),
            true => {}
            false => self.trusted = None,
        }
        frame.rgb.iter_mut().zip(rgb).for_each(|(value, byte)| *value = f32::from(*byte) / 255.0);
        for alike in recalled.bodies.iter().filter(|alike| !self.doubts.of(alike.id)) {
            if self.usual.len() >= MOST_BODIES && !self.usual.contains_key(&alike.id) {
                self.usual.clear();
            }
            let usual =
                self.usual.entry(alike.id).or_insert(UsualShare { share: 1.0, long_share: 1.0 });
            let learn = |usual: &mut f32, known: u32, share: f32| {
                if known > 0 {
                    *usual += LEARN * ((share * usual.max(0.5)).min(1.0) - *usual);
                }
            };
            learn(&mut usual.share, alike.known, alike.share);
            learn(&mut usual.long_share, alike.long_known, alike.long_share);
        }
        // The one before stays only if it is far enough from those before it.
        let len = self.seen.len();
        if len >= 2 && self.seen[len - 1].time_s - self.seen[len - 2].time_s < APART_S {
            self.seen.pop_back();
        }
        self.seen.push_back(Seen { frame, sun, time_s });
    }

    /// The largest region that looks otherwise than every picture that knows it, on bodies that stand still and in the sky.
    fn largest_region(&mut self, expected: &Expected, told: &[u8]) -> Option<Strange> {
        let (width, height) = (expected.width, expected.height);
        let still = |object: u16| {
            let body = expected.snapshot.bodies.get(usize::from(object));
            object == NONE || body.is_some_and(|b| b.kind == crate::expected::BodyKind::Fixed)
        };
        let differs = |pixel: usize| told[pixel] == DIFFERENT && still(expected.object[pixel]);
        self.visited.clear();
        self.visited.extend((0..width * height).map(|pixel| !differs(pixel)));
        let mut largest: Option<Strange> = None;
        for from in 0..width * height {
            if self.visited[from] {
                continue;
            }
            let mut region = Strange { pixels: 0, rect: PixelRect::empty() };
            let size = (width, height);
            flood(from, size, &mut self.visited, &mut self.stack, |x, y| {
                region.pixels += 1;
                region.rect.include(x, y);
            });
            let is_larger = largest.is_none_or(|known| region.pixels > known.pixels);
            if region.pixels >= LEAST_REGION && is_larger {
                largest = Some(region);
            }
        }
        largest
    }
}

#[cfg(test)]
mod tests;
