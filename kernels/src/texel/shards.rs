//! All pages, in shards by their keys: several cores write at once, each into its own.
//!
//! Which shard a page belongs to, and how many there are, depends on nothing but the page's key and the memory's size, so that what is remembered
//! does not depend on who wrote it.

use super::Texel;
use super::pages::{Key, PAGE_BYTES, PageRecord, Shard};

/// Shards there are at most.
const MOST_SHARDS: usize = 16;
/// Pages of a shard, at least: a small one would have to throw out what another one has room for.
const LEAST_PAGES: usize = 512;

/// Where texels are found and put: all pages, or one shard.
pub(super) trait Store {
    /// Whether this page lies here.
    fn owns(&self, key: Key) -> bool;
    /// The page of `key`, made if it is not there.
    fn find_or_make(&mut self, key: Key, now: u32) -> u32;
    /// It was used.
    fn touch(&mut self, page: u32, now: u32);
    /// Rises whenever pages are taken away.
    fn generation(&self) -> u32;
    /// The texels of a page.
    fn texels_mut(&mut self, page: u32) -> &mut [Texel];
}

/// The whole store. The number of a page holds its shard in the lowest bits.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    shards: Vec<Shard>,
    /// Bits of a page's number that tell its shard.
    bits: u32,
    /// Rises whenever pages are taken away while others are made.
    generation: u32,
}

impl Pages {
    /// Room for as many pages as fit into `bytes`, at least one.
    pub fn new(bytes: usize) -> Self {
        let most = (bytes / PAGE_BYTES).max(1);
        let bits = (most / LEAST_PAGES).clamp(1, MOST_SHARDS).ilog2();
        let shards = 1 << bits;
        let room = |_| Shard::new(most / shards);
        Self { shards: (0..shards).map(room).collect(), bits, generation: 0 }
    }

    /// The number of the shard that a page belongs to.
    #[inline]
    pub fn shard_of(&self, key: Key) -> usize {
        shard_of(key, self.shards.len())
    }

    #[inline]
    fn split(&self, page: u32) -> (usize, u32) {
        (page as usize & (self.shards.len() - 1), page >> self.bits)
    }

    #[inline]
    fn joined(&self, shard: usize, page: u32) -> u32 {
        page << self.bits | shard as u32
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Each by itself, in order of their numbers.
    pub fn owners(&mut self) -> Vec<Owner<'_>> {
        let all = self.shards.len();
        let owner = |(number, shard)| Owner { shard, number, all };
        self.shards.iter_mut().enumerate().map(owner).collect()
    }

    /// Pages that hold something.
    pub fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    /// Pages that there can be.
    pub fn most(&self) -> usize {
        self.shards.iter().map(Shard::most).sum()
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(Shard::bytes).sum()
    }

    /// Pages that had to go for want of room, since the start.
    pub fn evicted(&self) -> u64 {
        self.shards.iter().map(|shard| shard.evicted).sum()
    }

    #[inline]
    pub fn find(&self, key: Key) -> Option<u32> {
        let shard = self.shard_of(key);
        Some(self.joined(shard, self.shards[shard].find(key)?))
    }

    #[inline]
    pub fn texel(&self, page: u32, u: usize, v: usize) -> &Texel {
        let (shard, page) = self.split(page);
        self.shards[shard].texel(page, u, v)
    }

    #[inline]
    pub fn texels(&self, page: u32) -> &[Texel] {
        let (shard, page) = self.split(page);
        self.shards[shard].texels(page)
    }

    pub fn all_texels_mut(&mut self) -> impl Iterator<Item = &mut Texel> {
        self.shards.iter_mut().flat_map(Shard::all_texels_mut)
    }

    /// Takes away all pages whose object is not wanted.
    pub fn retain(&mut self, wanted: impl Fn(u32) -> bool) {
        self.shards.iter_mut().for_each(|shard| shard.retain(&wanted));
    }

    /// Texels of a level that were seen.
    pub fn known(&self, level: usize) -> usize {
        self.shards.iter().map(|shard| shard.known(level)).sum()
    }

    /// All pages of an object, by their place.
    pub fn of(&self, object: u32) -> Vec<PageRecord> {
        let mut records: Vec<PageRecord> =
            self.shards.iter().flat_map(|shard| shard.of(object)).collect();
        records.sort_by_key(|record| record.place);
        records
    }
}

impl Store for Pages {
    #[inline]
    fn owns(&self, _: Key) -> bool {
        true
    }

    fn find_or_make(&mut self, key: Key, now: u32) -> u32 {
        let shard = self.shard_of(key);
        let before = self.shards[shard].generation;
        let page = self.shards[shard].find_or_make(key, now);
        let gone = self.shards[shard].generation.wrapping_sub(before);
        self.generation = self.generation.wrapping_add(gone);
        self.joined(shard, page)
    }

    #[inline]
    fn touch(&mut self, page: u32, now: u32) {
        let (shard, page) = self.split(page);
        self.shards[shard].touch(page, now);
    }

    fn generation(&self) -> u32 {
        self.generation
    }

    #[inline]
    fn texels_mut(&mut self, page: u32) -> &mut [Texel] {
        let (shard, page) = self.split(page);
        self.shards[shard].texels_mut(page)
    }
}

/// Which of `shards`, a power of two.
#[inline]
fn shard_of(key: Key, shards: usize) -> usize {
    key.spread() & (shards - 1)
}

/// A shard in the hands of one core; pages have its own numbers.
pub(super) struct Owner<'a> {
    shard: &'a mut Shard,
    /// Which of all.
    pub number: usize,
    /// A power of two.
    all: usize,
}

impl Store for Owner<'_> {
    #[inline]
    fn owns(&self, key: Key) -> bool {
        shard_of(key, self.all) == self.number
    }

    fn find_or_make(&mut self, key: Key, now: u32) -> u32 {
        self.shard.find_or_make(key, now)
    }

    #[inline]
    fn touch(&mut self, page: u32, now: u32) {
        self.shard.touch(page, now);
    }

    fn generation(&self) -> u32 {
        self.shard.generation
    }

    #[inline]
    fn texels_mut(&mut self, page: u32) -> &mut [Texel] {
        self.shard.texels_mut(page)
    }
}
