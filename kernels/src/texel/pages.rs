//! Pages of texels in a bounded hash: one shard of them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::{LEVELS, PAGE, PAGE_TEXELS, Texel};

/// No page.
pub(super) const NONE: u32 = u32::MAX;
/// When no page is free, this share of all is freed at once, so that the search for them is rare.
const FREED_SHARE: usize = 16;
/// Beside its texels a page takes about this much: its head, and its entry in the hash.
const HEAD_BYTES: usize = 80;
/// Bytes of a page with everything.
pub(super) const PAGE_BYTES: usize = PAGE_TEXELS * size_of::<Texel>() + HEAD_BYTES;

/// Where a page lies: object, chart, level, page column, page row, slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(u128);

impl Key {
    /// Pages further out than ±524,288 wrap round: 65 km at the finest level.
    #[inline]
    pub fn new(object: u32, chart: u8, level: usize, u: i32, v: i32, slab: i32) -> Self {
        let part = |i: i32| u128::from(i as u32 & 0xF_FFFF);
        Self(
            u128::from(object) << 72
                | u128::from(chart) << 64
                | (level as u128) << 60
                | part(u) << 40
                | part(v) << 20
                | part(slab),
        )
    }

    #[inline]
    pub fn object(self) -> u32 {
        (self.0 >> 72) as u32
    }

    #[inline]
    pub fn level(self) -> usize {
        (self.0 >> 60) as usize & 0xF
    }

    /// A number whose lowest bits differ for pages side by side, and for those of another level, chart or object there. Not the hash, by whose bits
    /// a shard finds its pages.
    #[inline]
    pub fn spread(self) -> usize {
        let part = |shift: u32| (self.0 >> shift) as usize;
        let place = part(40).wrapping_add(part(20).wrapping_mul(5)).wrapping_add(part(0));
        place ^ part(60).wrapping_mul(3) ^ part(64).wrapping_mul(7) ^ part(72).wrapping_mul(11)
    }

    /// Everything but the object.
    pub fn place(self) -> u128 {
        self.0 & ((1 << 72) - 1)
    }

    /// A key from an object and a [`Self::place`], if that is one.
    pub fn from_place(object: u32, place: u128) -> Option<Self> {
        let key = Self(u128::from(object) << 72 | place);
        let chart = (place >> 64) as usize;
        (place < 1 << 72 && chart < 6 && key.level() < LEVELS).then_some(key)
    }
}

/// Multiplies and folds; keys are already spread over their bits.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(*byte));
        }
    }

    fn write_u128(&mut self, value: u128) {
        let mixed = (value as u64 ^ self.0) as u128 * 0x9E37_79B9_7F4A_7C15
            ^ ((value >> 64) as u64 as u128) * 0xD6E8_FEB8_6659_FD93;
        let folded = (mixed as u64 ^ (mixed >> 64) as u64).wrapping_mul(0xA24B_AED4_963E_E407);
        self.0 = folded ^ folded >> 32;
    }
}

/// What a page knows beside its texels.
#[derive(Debug, Clone, Copy)]
struct Head {
    key: Key,
    /// When it was last written or read.
    used: u32,
    free: bool,
}

/// A page as it is saved: where it lies on its object, and its texels.
#[derive(Debug, Clone, PartialEq)]
pub struct PageRecord {
    /// Chart, level, column, row and slab in one number.
    pub place: u128,
    /// [`PAGE_TEXELS`] of them.
    pub texels: Vec<Texel>,
}

/// A part of the memory's pages, with room of its own: what other parts do makes no difference to it.
#[derive(Debug, Clone)]
pub(super) struct Shard {
    index: HashMap<Key, u32, BuildHasherDefault<KeyHasher>>,
    heads: Vec<Head>,
    texels: Vec<Texel>,
    free: Vec<u32>,
    most: usize,
    /// Rises whenever pages are taken away, so that nobody keeps a number of one.
    pub generation: u32,
    /// Pages that had to go for want of room, since the start.
    pub evicted: u64,
}

impl Shard {
    /// Room for so many pages.
    pub fn new(most: usize) -> Self {
        // Reserved whole, since moving millions of texels would hold a frame up; the system gives memory when it is used.
        Self {
            index: HashMap::with_capacity_and_hasher(most, Default::default()),
            heads: Vec::with_capacity(most),
            texels: Vec::with_capacity(most * PAGE_TEXELS),
            free: Vec::new(),
            most,
            generation: 0,
            evicted: 0,
        }
    }

    /// Pages that hold something.
    pub fn len(&self) -> usize {
        self.heads.len() - self.free.len()
    }

    /// Pages that there can be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.heads.len() * PAGE_BYTES
    }

    #[inline]
    pub fn find(&self, key: Key) -> Option<u32> {
        self.index.get(&key).copied()
    }

    /// The page of `key`, made if it is not there.
    pub fn find_or_make(&mut self, key: Key, now: u32) -> u32 {
        if let Some(page) = self.find(key) {
            return page;
        }
        if self.free.is_empty() && self.heads.len() >= self.most {
            self.evict(now);
        }
        let head = Head { key, used: now, free: false };
        let page = match self.free.pop() {
            Some(page) => {
                self.heads[page as usize] = head;
                self.texels_mut(page).fill(Texel::default());
                page
            }
            None => {
                self.heads.push(head);
                self.texels.resize(self.heads.len() * PAGE_TEXELS, Texel::default());
                self.heads.len() as u32 - 1
            }
        };
        self.index.insert(key, page);
        page
    }

    #[inline]
    pub fn texel(&self, page: u32, u: usize, v: usize) -> &Texel {
        &self.texels[page as usize * PAGE_TEXELS + v * PAGE + u]
    }

    #[inline]
    pub fn texels(&self, page: u32) -> &[Texel] {
        &self.texels[page as usize * PAGE_TEXELS..][..PAGE_TEXELS]
    }

    #[inline]
    pub fn texels_mut(&mut self, page: u32) -> &mut [Texel] {
        &mut self.texels[page as usize * PAGE_TEXELS..][..PAGE_TEXELS]
    }

    pub fn all_texels_mut(&mut self) -> &mut [Texel] {
        &mut self.texels
    }

    #[inline]
    pub fn touch(&mut self, page: u32, now: u32) {
        self.heads[page as usize].used = now;
    }

    /// Takes away all pages whose object is not wanted.
    pub fn retain(&mut self, wanted: impl Fn(u32) -> bool) {
        for page in 0..self.heads.len() {
            let head = self.heads[page];
            if !head.free && !wanted(head.key.object()) {
                self.remove(page);
            }
        }
        self.generation = self.generation.wrapping_add(1);
    }

    /// Texels of a level that were seen.
    pub fn known(&self, level: usize) -> usize {
        (0..self.heads.len() as u32)
            .filter(|page| {
                let head = &self.heads[*page as usize];
                !head.free && head.key.level() == level
            })
            .map(|page| self.texels(page).iter().filter(|t| t.weight > 0.0).count())
            .sum()
    }

    /// All pages of an object, in no order.
    pub fn of(&self, object: u32) -> impl Iterator<Item = PageRecord> {
        self.heads
            .iter()
            .enumerate()
            .filter(move |(_, head)| !head.free && head.key.object() == object)
            .map(|(page, head)| PageRecord {
                place: head.key.place(),
                texels: self.texels(page as u32).to_vec(),
            })
    }

    fn remove(&mut self, page: usize) {
        self.index.remove(&self.heads[page].key);
        self.heads[page].free = true;
        self.free.push(page as u32);
    }

    /// Frees a share of all pages: the least useful ones.
    fn evict(&mut self, now: u32) {
        let mut worth: Vec<(f32, u32)> = (0..self.heads.len() as u32)
            .filter(|page| !self.heads[*page as usize].free)
            .map(|page| (self.uselessness(page, now), page))
            .collect();
        let count = (worth.len() / FREED_SHARE).max(1);
        if count < worth.len() {
            worth.select_nth_unstable_by(count, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            worth.truncate(count);
            worth.sort_by_key(|(_, page)| *page);
        }
        self.evicted += worth.len() as u64;
        for (_, page) in worth {
            self.remove(page as usize);
        }
        self.generation = self.generation.wrapping_add(1);
    }

    /// Frames since its last use, more for fine pages and for uncertain ones: a coarse page tells of a larger place, and
    /// what was looked at for long is worth keeping for long.
    fn uselessness(&self, page: u32, now: u32) -> f32 {
        let head = &self.heads[page as usize];
        let texels = self.texels(page);
        let confidence = texels.iter().map(Texel::confidence).sum::<f32>() / PAGE_TEXELS as f32;
        let age = now.wrapping_sub(head.used) as f32;
        age * 0.5f32.powf(0.5 * head.key.level() as f32) * (1.05 - confidence)
    }
}

/// Has a texel and its right neighbour brought into the cache while other work goes on; does nothing where there is
/// no such instruction.
#[inline]
pub(super) fn prefetch(texel: &Texel) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let first = std::ptr::from_ref(texel).cast::<i8>();
        #[expect(unsafe_code, reason = "there is no safe form of this instruction")]
        // SAFETY: SSE is part of every x86-64 processor. A prefetch reads nothing that the program could see and
        // does not fault, wherever it points; the second address is at most one texel past the first.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(first);
            _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(2 * size_of::<Texel>() - 1));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = texel;
}
