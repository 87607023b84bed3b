//! Writing in every frame, on as many cores as there are.
//!
//! What is to be done is found by rows, and done by shards of the memory: each texel hears of the pixels in their order, however many cores write.

use glam::Vec2;

use super::fast::{AtHand, Body, Frame, in_page, prefetch, three};
use super::pages::Key;
use super::shards::{Owner, Pages, Store};
use super::store::TexelMemory;
use super::{FROZEN, LEVELS, Look, PAGE, REACH, Surfel, Texel};
use crate::geometry::{CameraPose, floor};
use crate::raster::{Scene, ShadowMaps};
use crate::rows::{each_mut, each_of, parcel_of};

/// A pixel that says something.
struct Said<'a, 'b> {
    x: usize,
    y: usize,
    weight: f32,
    body: &'a Body<'b>,
    surfel: Surfel,
}

/// What is to be done for some rows: pixels, and for each shard which of them it has to do with, in order.
struct Parcel<'a, 'b> {
    said: Vec<Said<'a, 'b>>,
    tasks: Vec<Vec<Task>>,
}

/// The texels of one level that one of a parcel's pixels writes.
struct Task {
    said: u32,
    /// `None` for those as large as the pixel.
    coarse: Option<u8>,
}

impl TexelMemory {
    /// Remembers a picture of the scene that was announced last. `rgb` and `paint` are interleaved sRGB, 3 values a
    /// pixel; `trust` is 0 to 1 a pixel.
    ///
    /// Pixels at outlines are left out, and values that are not numbers.
    ///
    /// # Panics
    /// If `rgb` or `paint` is not of the size of `maps`.
    pub fn write(
        &mut self,
        scene: &Scene,
        camera: &CameraPose,
        maps: &ShadowMaps,
        rgb: &[f32],
        paint: &[f32],
        trust: impl Fn(usize) -> f32 + Sync,
    ) {
        let values = 3 * maps.width * maps.height;
        assert_eq!(
            (rgb.len(), paint.len()),
            (values, values),
            "values for {}×{}",
            maps.width,
            maps.height
        );
        let slots = std::mem::take(&mut self.slots);
        let frame = &Frame::new(&slots, scene, camera, maps);
        let writer = Writer { frame, rgb, paint, now: self.frame };
        let rows = parcel_of(maps.height);
        if rows >= maps.height || self.pages.shards() == 1 {
            writer.write_alone(&mut self.pages, trust);
        } else {
            let firsts: Vec<usize> = (0..maps.height).step_by(rows).collect();
            let pages = &self.pages;
            let parcels = each_of(&firsts, |first| {
                writer.parcel(pages, *first..(first + rows).min(maps.height), &trust)
            });
            each_mut(&mut self.pages.owners(), |owner| writer.write_own(owner, &parcels));
        }
        self.slots = slots;
    }
}

/// A picture to be remembered.
struct Writer<'a, 'b> {
    frame: &'a Frame<'b>,
    rgb: &'a [f32],
    paint: &'a [f32],
    /// The memory's frame.
    now: u32,
}

impl<'a, 'b> Writer<'a, 'b> {
    /// The pixel, if it says anything.
    #[inline]
    fn said(&self, x: usize, y: usize, trust: &impl Fn(usize) -> f32) -> Option<Said<'a, 'b>> {
        let maps = self.frame.maps;
        let trust = trust(y * maps.width + x);
        // Those at the border have no pixels all around.
        if trust <= 0.0 || x == 0 || y == 0 || x + 1 >= maps.width || y + 1 >= maps.height {
            return None;
        }
        let (body, surfel) = self.frame.surfel(x, y)?;
        let weight = surfel.weight(trust);
        self.frame.is_inside(x, y).then_some(Said { x, y, weight, body, surfel })
    }

    /// Row by row on this thread.
    fn write_alone(&self, pages: &mut Pages, trust: impl Fn(usize) -> f32) {
        let maps = self.frame.maps;
        let mut at_hand = AtHand::new(pages.generation());
        let mut row: Vec<Said> = Vec::with_capacity(maps.width);
        for y in 0..maps.height {
            row.clear();
            for x in 0..maps.width {
                if let Some(said) = self.said(x, y, &trust) {
                    prefetch(pages, said.body, &said.surfel, &mut at_hand);
                    row.push(said);
                }
            }
            for said in &row {
                self.fine(pages, said, &mut at_hand);
                if let Some(look) = self.coarse_look(said) {
                    for level in coarser(said) {
                        self.coarse(pages, said, level, &look, &mut at_hand);
                    }
                }
            }
        }
        at_hand.used.into_iter().for_each(|page| pages.touch(page, self.now));
    }

    /// What there is to do for some rows.
    fn parcel(
        &self,
        pages: &Pages,
        rows: std::ops::Range<usize>,
        trust: &impl Fn(usize) -> f32,
    ) -> Parcel<'a, 'b> {
        let width = self.frame.maps.width;
        let mut parcel = Parcel {
            said: Vec::with_capacity(rows.len() * width),
            tasks: (0..pages.shards()).map(|_| Vec::with_capacity(width)).collect(),
        };
        for (x, y) in rows.flat_map(|y| (0..width).map(move |x| (x, y))) {
            let Some(said) = self.said(x, y, trust) else { continue };
            let number = parcel.said.len() as u32;
            let level = said.surfel.whole_level();
            let [i, j] = said.surfel.at(level).map(|c| floor(c - 0.5));
            let (first, last) = (in_page(i, j).0, in_page(i + 1, j + 1).0);
            let mut shards = [usize::MAX; 4];
            for (known, page) in
                [first, (last.0, first.1), (first.0, last.1), last].iter().enumerate()
            {
                if known > 0 && first == last {
                    break;
                }
                let shard = pages.shard_of(key(&said, level, *page));
                if !shards.contains(&shard) {
                    shards[known] = shard;
                    parcel.tasks[shard].push(Task { said: number, coarse: None });
                }
            }
            if self.coarse_look(&said).is_some() {
                for level in coarser(&said) {
                    let [i, j] = said.surfel.at(level).map(floor);
                    let shard = pages.shard_of(key(&said, level, in_page(i, j).0));
                    parcel.tasks[shard].push(Task { said: number, coarse: Some(level as u8) });
                }
            }
            parcel.said.push(said);
        }
        parcel
    }

    /// What one shard has to do.
    fn write_own(&self, owner: &mut Owner, parcels: &[Parcel]) {
        let mut at_hand = AtHand::new(owner.generation());
        for Parcel { said, tasks } in parcels {
            for task in &tasks[owner.number] {
                let said = &said[task.said as usize];
                match task.coarse {
                    None => self.fine(owner, said, &mut at_hand),
                    Some(level) => {
                        if let Some(look) = self.coarse_look(said) {
                            self.coarse(owner, said, usize::from(level), &look, &mut at_hand);
                        }
                    }
                }
            }
        }
    }

    #[inline]
    fn look(&self, said: &Said, rgb: [f32; 3], paint: [f32; 3]) -> Look {
        Look { rgb, paint, distance_m: said.surfel.distance_m, facing: said.surfel.facing }
    }

    /// What the pixel says to texels that are larger than itself.
    #[inline]
    fn coarse_look(&self, said: &Said) -> Option<Look> {
        let pixel = said.y * self.frame.maps.width + said.x;
        let (rgb, paint) = (three(self.rgb, pixel), three(self.paint, pixel));
        rgb.iter().all(|v| v.is_finite()).then(|| self.look(said, rgb, paint))
    }

    /// The texels of the pixel's own level whose centres surround it.
    #[inline]
    fn fine(&self, pages: &mut impl Store, said: &Said, at_hand: &mut AtHand) {
        let level = said.surfel.whole_level();
        let [i, j] = said.surfel.at(level).map(|c| floor(c - 0.5));
        let corners = [(i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1)];
        let [first, others @ ..] = corners.map(|(i, j)| in_page(i, j).0);
        // Nearly always the four lie in one page.
        if others == [first; 3] {
            let key = key(said, level, first);
            let page = at_hand.find_or_make(pages, key, first.0, first.1, self.now);
            let texels = pages.texels_mut(page);
            for (i, j) in corners {
                let (u, v) = in_page(i, j).1;
                self.put(&mut texels[v * PAGE + u], said, level, (i, j));
            }
            return;
        }
        for (i, j) in corners {
            let (page, (u, v)) = in_page(i, j);
            let key = key(said, level, page);
            if pages.owns(key) {
                let page = at_hand.find_or_make(pages, key, page.0, page.1, self.now);
                self.put(&mut pages.texels_mut(page)[v * PAGE + u], said, level, (i, j));
            }
        }
    }

    /// Texel (`i`, `j`) of `level` gets what the picture shows at its centre.
    #[inline]
    fn put(&self, texel: &mut Texel, said: &Said, level: usize, (i, j): (i32, i32)) {
        let Said { x, y, weight, body, surfel } = said;
        if texel.frame == self.now {
            return;
        }
        if texel.weight >= FROZEN {
            texel.frame = self.now;
            return;
        }
        let place = self.frame.place(body, surfel.to_centre(level, i, j), *x, *y);
        if place.abs().max_element() <= REACH
            && let Some((taps, part)) = taps(self.frame.maps, *x, *y, place)
            && let Some(rgb) = bilinear(self.rgb, taps, part)
            && let Some(paint) = bilinear(self.paint, taps, part)
        {
            texel.add(&self.look(said, rgb, paint), *weight);
            texel.frame = self.now;
        }
    }

    /// The texel of a coarser level that the pixel lies in, by the share that the pixel covers.
    #[inline]
    fn coarse(
        &self,
        pages: &mut impl Store,
        said: &Said,
        level: usize,
        look: &Look,
        at_hand: &mut AtHand,
    ) {
        let [i, j] = said.surfel.at(level).map(floor);
        let ((u, v), (iu, iv)) = in_page(i, j);
        let key = key(said, level, (u, v));
        let page = at_hand.find_or_make(pages, key, u, v, self.now);
        let texel = &mut pages.texels_mut(page)[iv * PAGE + iu];
        texel.add(look, said.weight * said.surfel.share(level));
        texel.frame = self.now;
    }
}

/// The levels of coarser texels that a pixel writes.
#[inline]
fn coarser(said: &Said) -> impl Iterator<Item = usize> + use<> {
    let (own, x, y) = (said.surfel.whole_level(), said.x, said.y);
    (own + 1..LEVELS).take_while(move |level| Surfel::writes(level - own, x, y))
}

/// Of the page at a column and row of `level` that the pixel's surface lies in.
#[inline]
fn key(said: &Said, level: usize, (u, v): (i32, i32)) -> Key {
    let slab = said.surfel.slab(level);
    Key::new(said.body.object, said.surfel.chart.index(), level, u, v, slab)
}

/// The four pixels around `place` from the centre of pixel (`x`, `y`), which has pixels all around it, and how far it is to the right and lower ones;
/// `None` where another body is seen.
#[inline]
fn taps(maps: &ShadowMaps, x: usize, y: usize, place: Vec2) -> Option<([usize; 4], Vec2)> {
    let (left, up) = (usize::from(place.x < 0.0), usize::from(place.y < 0.0));
    let part = Vec2::new(place.x + left as f32, place.y + up as f32);
    let corner = (y - up) * maps.width + x - left;
    let taps = [corner, corner + 1, corner + maps.width, corner + maps.width + 1];
    let index = maps.primitive[y * maps.width + x];
    taps.iter().all(|tap| maps.primitive[*tap] == index).then_some((taps, part))
}

/// Between four pixels of a picture; `None` if that is no number.
#[inline]
fn bilinear(rgb: &[f32], taps: [usize; 4], part: Vec2) -> Option<[f32; 3]> {
    let [a, b, c, d] = taps.map(|tap| three(rgb, tap));
    let out: [f32; 3] = std::array::from_fn(|i| {
        let top = a[i] + (b[i] - a[i]) * part.x;
        let bottom = c[i] + (d[i] - c[i]) * part.x;
        top + (bottom - top) * part.y
    });
    out.iter().all(|v| v.is_finite()).then_some(out)
}
