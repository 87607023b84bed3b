//! Adds up what the items say.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::TraceError;
use super::wire::{Item, kind, query};

/// Texts of messages that are kept.
const MOST_MESSAGES: usize = 200;
/// What short forms of zone times leave out of a difference.
const OFFSET_16: i64 = 1 << 16;
const OFFSET_32: i64 = (1 << 16) + (1 << 32);

/// A question to the program: kind and address.
pub type Query = (u8, u64);

/// How often, how long in all, and how long at most, in ticks of the program's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    pub count: u64,
    pub total: i64,
    pub max: i64,
}

impl Times {
    fn add(&mut self, ticks: i64) {
        self.count += 1;
        self.total += ticks.max(0);
        self.max = self.max.max(ticks);
    }
}

/// Values of a plot.
#[derive(Debug, Clone, Copy)]
pub struct Plot {
    pub count: u64,
    pub last: f64,
    pub max: f64,
}

/// Where a zone stands in the source: an address to ask about, or its name itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    At(u64),
    Named(String),
}

/// Everything so far.
#[derive(Debug, Default)]
pub struct Record {
    /// By thread and location.
    pub zones: BTreeMap<(u64, Location), Times>,
    /// By name; in nanoseconds.
    pub gpu_zones: BTreeMap<String, Times>,
    /// By address of the name; 0 is the primary frame.
    pub frames: BTreeMap<u64, Times>,
    /// By address of the name.
    pub plots: BTreeMap<u64, Plot>,
    /// Texts and how often.
    pub messages: BTreeMap<String, u64>,
    /// Pictures: how many, and size of the last.
    pub images: (u64, u64, u64),
    pub items: u64,
    /// Nanoseconds per tick.
    pub tick_ns: f64,
    pub ended: bool,
    names: HashMap<Query, String>,
    locations: HashMap<u64, (u64, u64)>,
    asked: VecDeque<u64>,
    wanted: Vec<Query>,
    waiting: usize,
    thread: u64,
    reference: i64,
    open: HashMap<u64, Vec<(Location, i64)>>,
    open_frames: HashMap<u64, i64>,
    last_frame: Option<i64>,
    payload: Option<String>,
    text: Option<String>,
    gpu: Gpu,
}

/// Zones whose times come later.
#[derive(Debug, Default)]
struct Gpu {
    period_ns: f64,
    reference: i64,
    names: HashMap<u64, String>,
    /// By query: the zone's name, and the query of its begin.
    ends: HashMap<u64, u64>,
    open: Vec<u64>,
    begins: HashMap<u64, i64>,
}

impl Record {
    /// Of a program whose clock ticks every so many nanoseconds.
    pub fn new(tick_ns: f64) -> Self {
        Self { tick_ns, ..Self::default() }
    }

    /// Questions that came up.
    pub fn take_queries(&mut self) -> Vec<Query> {
        std::mem::take(&mut self.wanted)
    }

    /// Answers that are still to come.
    pub fn is_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Name of a thread.
    pub fn thread_name(&self, thread: u64) -> String {
        self.name(query::THREAD_NAME, thread).unwrap_or_else(|| format!("thread {thread}"))
    }

    /// Name of a frame or plot.
    pub fn name(&self, kind: u8, address: u64) -> Option<String> {
        self.names.get(&(kind, address)).cloned()
    }

    /// Name of a zone; its function's where it has none.
    pub fn zone_name(&self, location: &Location) -> String {
        match location {
            Location::Named(name) => name.clone(),
            Location::At(address) => {
                let known = self.locations.get(address).and_then(|(name, function)| {
                    let text = if *name == 0 { function } else { name };
                    self.name(query::STRING, *text)
                });
                known.unwrap_or_else(|| format!("{address:#x}"))
            }
        }
    }

    fn ask(&mut self, kind: u8, address: u64) {
        if !self.names.contains_key(&(kind, address)) {
            // Asked once: the empty name stands until the answer comes.
            self.names.insert((kind, address), String::new());
            self.wanted.push((kind, address));
            self.waiting += 1;
        }
    }

    fn answer(&mut self, kind: u8, item: &Item) {
        if self.names.insert((kind, item.number(0, 8)), item.text()).is_some() {
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    /// Takes a block of items in.
    pub fn block(&mut self, mut block: &[u8]) -> Result<(), TraceError> {
        while !block.is_empty() {
            let (item, rest) = Item::split(block)?;
            block = rest;
            self.items += 1;
            self.item(&item);
        }
        Ok(())
    }

    fn item(&mut self, item: &Item) {
        match item.kind {
            kind::THREAD_CONTEXT => {
                self.thread = item.number(0, 4);
                self.reference = 0;
                self.ask(query::THREAD_NAME, self.thread);
            }
            kind::ZONE_BEGIN => self.begin(long(item.time(0)), item.number(8, 8)),
            kind::ZONE_BEGIN_32 => {
                self.begin(item.number(0, 4) as i64 + OFFSET_16, item.number(4, 8));
            }
            kind::ZONE_BEGIN_16 => self.begin(item.number(0, 2) as i64, item.number(2, 8)),
            kind::ZONE_BEGIN_ALLOC => {
                let name = self.payload.take().unwrap_or_default();
                self.open_zone(item.time(0), Location::Named(name));
            }
            kind::ZONE_END => self.end(long(item.time(0))),
            kind::ZONE_END_32 => self.end(item.number(0, 4) as i64 + OFFSET_16),
            kind::ZONE_END_16 => self.end(item.number(0, 2) as i64),
            kind::PLOT_INT | kind::PLOT_FLOAT | kind::PLOT_DOUBLE => self.plot(item),
            kind::FRAME_MARK | kind::FRAME_START | kind::FRAME_END => self.frame(item),
            kind::FRAME_IMAGE => {
                self.images = (self.images.0 + 1, item.number(4, 2), item.number(6, 2));
            }
            kind::MESSAGE | kind::MESSAGE_COLOR => self.message(),
            kind::SINGLE_STRING | kind::SINGLE_STRING_8 => self.text = Some(item.text()),
            kind::SOURCE_LOCATION_PAYLOAD => self.payload = Some(payload_name(item.data)),
            kind::SOURCE_LOCATION => self.location(item),
            kind::STRING => self.answer(query::STRING, item),
            kind::THREAD_NAME => self.answer(query::THREAD_NAME, item),
            kind::PLOT_NAME => self.answer(query::PLOT_NAME, item),
            kind::FRAME_NAME => self.answer(query::FRAME_NAME, item),
            kind::GPU_NEW_CONTEXT => {
                self.gpu.period_ns = f64::from(f32::from_bits(item.number(20, 4) as u32));
            }
            kind::GPU_ZONE_BEGIN | kind::GPU_ZONE_BEGIN_ALLOC => {
                self.reference += item.time(0);
                let name = self.payload.take().unwrap_or_else(|| "GPU".to_owned());
                self.gpu.begin(item.number(12, 2), name);
            }
            kind::GPU_ZONE_END => {
                self.reference += item.time(0);
                self.gpu.end(item.number(12, 2));
            }
            kind::GPU_TIME => {
                if let Some((name, ns)) = self.gpu.time(item.time(0), item.number(8, 2)) {
                    self.gpu_zones.entry(name).or_default().add(ns);
                }
            }
            kind::TERMINATE => self.ended = true,
            _ => {}
        }
    }

    fn begin(&mut self, since: i64, address: u64) {
        if !self.locations.contains_key(&address) {
            self.locations.insert(address, (0, 0));
            self.asked.push_back(address);
            self.wanted.push((query::SOURCE_LOCATION, address));
            self.waiting += 1;
        }
        self.open_zone(since, Location::At(address));
    }

    fn open_zone(&mut self, since: i64, location: Location) {
        self.reference += since;
        self.open.entry(self.thread).or_default().push((location, self.reference));
    }

    fn end(&mut self, since: i64) {
        self.reference += since;
        // Zones that began before we listened have no begin.
        if let Some((location, begun)) = self.open.entry(self.thread).or_default().pop() {
            let times = self.zones.entry((self.thread, location)).or_default();
            times.add(self.reference - begun);
        }
    }

    /// Answers to questions about places come in their order, without an address.
    fn location(&mut self, item: &Item) {
        let Some(address) = self.asked.pop_front() else { return };
        self.waiting = self.waiting.saturating_sub(1);
        let (name, function) = (item.number(0, 8), item.number(8, 8));
        self.locations.insert(address, (name, function));
        self.ask(query::STRING, if name == 0 { function } else { name });
    }

    fn plot(&mut self, item: &Item) {
        let (address, raw) = (item.number(0, 8), item.number(16, 8));
        self.reference += item.time(8);
        let value = match item.kind {
            kind::PLOT_INT => raw as i64 as f64,
            kind::PLOT_FLOAT => f64::from(f32::from_bits(item.number(16, 4) as u32)),
            _ => f64::from_bits(raw),
        };
        let plot = self.plots.entry(address).or_insert(Plot { count: 0, last: value, max: value });
        plot.count += 1;
        plot.last = value;
        plot.max = plot.max.max(value);
        self.ask(query::PLOT_NAME, address);
    }

    fn frame(&mut self, item: &Item) {
        let (time, address) = (item.time(0), item.number(8, 8));
        if address != 0 {
            self.ask(query::FRAME_NAME, address);
        }
        let ticks = match item.kind {
            kind::FRAME_START => {
                self.open_frames.insert(address, time);
                return;
            }
            kind::FRAME_END => self.open_frames.remove(&address).map(|begun| time - begun),
            _ if address == 0 => self.last_frame.replace(time).map(|last| time - last),
            _ => None,
        };
        if let Some(ticks) = ticks {
            self.frames.entry(address).or_default().add(ticks);
        }
    }

    fn message(&mut self) {
        let Some(text) = self.text.take() else { return };
        if self.messages.len() < MOST_MESSAGES || self.messages.contains_key(&text) {
            *self.messages.entry(text).or_default() += 1;
        }
    }
}

impl Gpu {
    fn begin(&mut self, query: u64, name: String) {
        self.names.insert(query, name);
        self.open.push(query);
    }

    fn end(&mut self, query: u64) {
        if let Some(begin) = self.open.pop() {
            self.ends.insert(query, begin);
        }
    }

    /// A query's time, as the difference to the one before; gives a zone that is complete now.
    fn time(&mut self, since: i64, query: u64) -> Option<(String, i64)> {
        self.reference += since;
        let Some(begin) = self.ends.remove(&query) else {
            self.begins.insert(query, self.reference);
            return None;
        };
        let ticks = self.reference - self.begins.remove(&begin)?;
        Some((self.names.remove(&begin)?, (ticks as f64 * self.period_ns) as i64))
    }
}

/// A difference in its long form.
fn long(difference: i64) -> i64 {
    if difference < 0 { difference } else { difference + OFFSET_32 }
}

/// Colour, line, then function and file, each ended by a zero, then the name.
fn payload_name(data: &[u8]) -> String {
    let texts = data.get(8..).unwrap_or_default();
    let mut parts = texts.splitn(3, |byte| *byte == 0);
    let function = parts.next().unwrap_or_default();
    let name = parts.nth(1).filter(|name| !name.is_empty()).unwrap_or(function);
    String::from_utf8_lossy(name).into_owned()
}
