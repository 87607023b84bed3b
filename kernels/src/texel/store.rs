//! The memory itself: which bodies it knows, and their pages.

use std::collections::HashMap;

use super::pages::{Key, PageRecord};
use super::shards::{Pages, Store};
use super::{PAGE_TEXELS, TEXEL_BYTES, same_place, same_shape, texel_m};
use crate::geometry::{Pose, Shape};
use crate::raster::Scene;

/// In [`TexelMemory::slots`]: a body that is not known.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// A bounded memory of surfaces; see the module's text.
#[derive(Debug, Clone)]
pub struct TexelMemory {
    pub(super) pages: Pages,
    /// By the body's id.
    bodies: HashMap<u64, Known>,
    /// The object number of each primitive of the scene that was announced last.
    pub(super) slots: Vec<u32>,
    next_object: u32,
    pub(super) frame: u32,
    /// From a file, not yet found in the world.
    waiting: Vec<ObjectRecord>,
}

/// A body that the memory knows.
#[derive(Debug, Clone)]
struct Known {
    object: u32,
    shape: Shape,
    material: u8,
    look: u64,
    home: Pose,
    last: Pose,
    /// When it was announced last.
    announced: u32,
}

/// All that is remembered of one body, as it is saved.
///
/// A body's id holds for one run only. A saved body is known again by its shape, material and look, and by
/// where it stood when it first appeared, or when it was saved.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectRecord {
    /// In object coordinates.
    pub shape: Shape,
    /// Class of material.
    pub material: u8,
    /// As given to [`TexelMemory::announce`].
    pub look: u64,
    /// Object to world when it first appeared.
    pub home: Pose,
    /// Object to world when it was saved.
    pub last: Pose,
    /// Its texels.
    pub pages: Vec<PageRecord>,
}

impl TexelMemory {
    /// An empty memory of at most `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self {
            pages: Pages::new(bytes),
            bodies: HashMap::new(),
            slots: Vec::new(),
            next_object: 0,
            frame: 1,
            waiting: Vec::new(),
        }
    }

    /// Says which bodies there are. Call it for each scene, before it is read or written.
    ///
    /// `look` gives for each primitive a number that changes with its looks beyond shape and material, such as its
    /// tint. Bodies that are gone, and those whose shape, material or look changed, are forgotten.
    pub fn announce(&mut self, scene: &Scene, look: impl Fn(usize) -> u64) {
        self.frame = self.frame.wrapping_add(1).max(1);
        self.slots.clear();
        let mut stale = false;
        for (index, primitive) in scene.primitives.iter().enumerate() {
            let look = look(index);
            let known = self.bodies.get_mut(&primitive.id).filter(|known| {
                known.material == primitive.material
                    && known.look == look
                    && same_shape(&known.shape, &primitive.shape)
            });
            if let Some(known) = known {
                known.announced = self.frame;
                known.last = primitive.world_from_object;
                self.slots.push(known.object);
                continue;
            }
            let object = self.next_object;
            self.next_object = self.next_object.wrapping_add(1) % UNKNOWN;
            let mut fresh = Known {
                object,
                shape: primitive.shape.clone(),
                material: primitive.material,
                look,
                home: primitive.world_from_object,
                last: primitive.world_from_object,
                announced: self.frame,
            };
            if let Some(record) = self.take_waiting(&fresh) {
                fresh.home = record.home;
                self.fill(object, record.pages);
            }
            stale |= self.bodies.insert(primitive.id, fresh).is_some();
            self.slots.push(object);
        }
        if self.bodies.len() > scene.primitives.len() {
            let frame = self.frame;
            self.bodies.retain(|_, known| known.announced == frame);
            stale = true;
        }
        if stale {
            self.sweep();
        }
    }

    /// Forgets what these bodies look like; they may be seen anew at once.
    pub fn forget(&mut self, ids: &[u64]) {
        let before = self.bodies.len();
        for id in ids {
            self.bodies.remove(id);
        }
        if self.bodies.len() < before {
            self.sweep();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bodies.clear();
        self.waiting.clear();
        self.slots.clear();
        self.sweep();
    }

    /// Makes everything that is known less certain: `factor` 0 forgets, 1 changes nothing. What was frozen can
    /// change again.
    pub fn fade(&mut self, factor: f32) {
        let factor = factor.clamp(0.0, 1.0);
        for texel in self.pages.all_texels_mut() {
            texel.weight *= factor;
        }
        for texel in self.waiting.iter_mut().flat_map(|o| &mut o.pages).flat_map(|p| &mut p.texels)
        {
            texel.weight *= factor;
        }
    }

    /// Bytes taken by texels and what finds them.
    pub fn bytes(&self) -> usize {
        self.pages.bytes()
    }

    /// Texels that there is room for now, and at most.
    pub fn texels(&self) -> (usize, usize) {
        (self.pages.len() * PAGE_TEXELS, self.pages.most() * PAGE_TEXELS)
    }

    /// Pages that had to go for want of room, since the start.
    pub fn evicted(&self) -> u64 {
        self.pages.evicted()
    }

    /// About how much surface is remembered at all, m²: the texels of half a metre.
    pub fn seen_m2(&self) -> f32 {
        const LEVEL: usize = 5;
        self.pages.known(LEVEL) as f32 * texel_m(LEVEL).powi(2)
    }

    /// Bodies that are remembered.
    pub fn bodies(&self) -> usize {
        self.bodies.len()
    }

    /// The number of the present frame, as in [`super::Texel::frame`].
    pub fn frame(&self) -> u32 {
        self.frame
    }

    /// Everything, to be saved; bodies without texels are left out. What was restored and not found in the world yet
    /// is saved again as far as the memory has room for it.
    pub fn records(&self) -> Vec<ObjectRecord> {
        let mut known: Vec<&Known> = self.bodies.values().collect();
        known.sort_by_key(|k| k.object);
        let present = known.into_iter().map(|k| ObjectRecord {
            shape: k.shape.clone(),
            material: k.material,
            look: k.look,
            home: k.home,
            last: k.last,
            pages: self.pages.of(k.object),
        });
        let mut pages = 0;
        present
            .filter(|record| !record.pages.is_empty())
            .chain(self.waiting.iter().cloned())
            .take_while(|record| {
                pages += record.pages.len();
                pages <= self.pages.most()
            })
            .collect()
    }

    /// Takes over what was saved. Each body gets its texels when it is next announced.
    pub fn restore(&mut self, records: Vec<ObjectRecord>) {
        self.clear();
        self.waiting = records;
    }

    /// Of the saved bodies the one that this is: at the same place, else the only one of its kind that is left.
    fn take_waiting(&mut self, body: &Known) -> Option<ObjectRecord> {
        if self.waiting.is_empty() {
            return None;
        }
        let alike = |record: &ObjectRecord| {
            record.material == body.material
                && record.look == body.look
                && same_shape(&record.shape, &body.shape)
        };
        let place = |wanted: fn(&ObjectRecord) -> &Pose| {
            self.waiting.iter().position(|r| same_place(wanted(r), &body.home) && alike(r))
        };
        let found = place(|r| &r.last).or_else(|| place(|r| &r.home)).or_else(|| {
            let mut all = (0..self.waiting.len()).filter(|i| alike(&self.waiting[*i]));
            all.next().filter(|_| all.next().is_none())
        })?;
        Some(self.waiting.swap_remove(found))
    }

    fn fill(&mut self, object: u32, records: Vec<PageRecord>) {
        for record in records {
            let Some(key) = Key::from_place(object, record.place) else { continue };
            let page = self.pages.find_or_make(key, self.frame);
            for (texel, saved) in self.pages.texels_mut(page).iter_mut().zip(record.texels) {
                *texel = super::Texel { frame: 0, ..saved };
            }
        }
    }

    fn sweep(&mut self) {
        let alive: std::collections::HashSet<u32> =
            self.bodies.values().map(|known| known.object).collect();
        self.pages.retain(|object| alive.contains(&object));
    }
}

// A million texels take 40 MB.
const _: () = assert!(TEXEL_BYTES <= 48);
