//! Items of Tracy's stream, protocol 82: a kind, fields of fixed size, and for some a piece of data.

use super::TraceError;

/// Of the protocol that is read here; Tracy 0.14.
pub const PROTOCOL: u32 = 82;

/// Kinds that are looked at; the others are skipped by their size.
pub mod kind {
    pub const MESSAGE: u8 = 2;
    pub const MESSAGE_COLOR: u8 = 3;
    pub const ZONE_BEGIN_ALLOC: u8 = 7;
    pub const FRAME_IMAGE: u8 = 18;
    pub const ZONE_BEGIN: u8 = 19;
    pub const ZONE_BEGIN_32: u8 = 20;
    pub const ZONE_BEGIN_16: u8 = 21;
    pub const ZONE_END: u8 = 25;
    pub const ZONE_END_32: u8 = 26;
    pub const ZONE_END_16: u8 = 27;
    pub const GPU_ZONE_BEGIN: u8 = 45;
    pub const GPU_ZONE_BEGIN_ALLOC: u8 = 47;
    pub const GPU_ZONE_END: u8 = 49;
    pub const PLOT_INT: u8 = 55;
    pub const PLOT_FLOAT: u8 = 56;
    pub const PLOT_DOUBLE: u8 = 57;
    pub const GPU_TIME: u8 = 60;
    pub const TERMINATE: u8 = 73;
    pub const THREAD_CONTEXT: u8 = 75;
    pub const FRAME_MARK: u8 = 83;
    pub const FRAME_START: u8 = 84;
    pub const FRAME_END: u8 = 85;
    pub const SOURCE_LOCATION: u8 = 87;
    pub const GPU_NEW_CONTEXT: u8 = 95;
    pub const SINGLE_STRING: u8 = 112;
    pub const SINGLE_STRING_8: u8 = 114;
    pub const STRING: u8 = 119;
    pub const THREAD_NAME: u8 = 120;
    pub const PLOT_NAME: u8 = 121;
    pub const SOURCE_LOCATION_PAYLOAD: u8 = 122;
    pub const FRAME_NAME: u8 = 125;
}

/// Questions to the program.
pub mod query {
    pub const TERMINATE: u8 = 0;
    pub const STRING: u8 = 1;
    pub const THREAD_NAME: u8 = 2;
    pub const SOURCE_LOCATION: u8 = 3;
    pub const PLOT_NAME: u8 = 4;
    pub const FRAME_NAME: u8 = 5;
}

/// Bytes of the fields by kind, without the kind itself.
#[rustfmt::skip]
const FIELDS: [u8; 133] = [
    // Zone texts, messages; zones with a location of their own; call stacks.
    0, 0, 9, 12, 9, 12, 8, 8, 8, 0, 0, 0, 12, 8, 6, 12, 8, 6,
    // Frame images, zones.
    9, 16, 12, 10, 16, 12, 10, 8, 4, 2,
    // Locks.
    16, 16, 12, 16, 16, 16, 4,
    // Memory.
    26, 26, 20, 20, 26, 26, 20, 20, 20, 20,
    // GPU zones.
    23, 23, 15, 15, 15, 23, 23, 15, 15, 15,
    // Plots, context switches, GPU times, names, symbols.
    24, 20, 24, 22, 15, 11, 1, 9, 9, 12, 0, 0, 0,
    // Fibers, sections.
    24, 12, 14, 12, 2,
    // The end, keep-alive, threads, clocks, crashes, zone values.
    0, 0, 4, 25, 17, 0, 16, 4, 3, 8,
    // Frames, source locations, locks, literal messages.
    16, 16, 16, 12, 31, 21, 12, 16, 16, 19, 16, 19,
    // GPU contexts, call stack frames, system, hardware samples.
    27, 16, 12, 24, 16, 16, 16, 16, 16, 16, 16,
    // Settings, acknowledgements, topology.
    15, 17, 0, 4, 0, 16,
    // Strings without an address; names; annotations.
    0, 0, 0, 0, 8, 8, 23,
    // Strings with an address.
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    // One past the last: never sent.
    0,
];

/// One item.
#[derive(Debug, PartialEq)]
pub struct Item<'a> {
    pub kind: u8,
    pub fields: &'a [u8],
    pub data: &'a [u8],
}

impl<'a> Item<'a> {
    /// Cuts the first item off a block.
    pub fn split(block: &'a [u8]) -> Result<(Self, &'a [u8]), TraceError> {
        let cut = || TraceError::Malformed("an item is cut off".to_owned());
        let (kind, rest) = block.split_first().ok_or_else(cut)?;
        let size = FIELDS[..FIELDS.len() - 1]
            .get(usize::from(*kind))
            .ok_or_else(|| TraceError::Malformed(format!("an item of unknown kind {kind}")))?;
        let (fields, rest) = rest.split_at_checked(usize::from(*size)).ok_or_else(cut)?;
        // Length of the data: how many bytes tell it, and what is added to it.
        let (bytes, added) = match *kind {
            112 | 113 => (2, 256),
            114 | 115 => (1, 0),
            126 | 129 | 130 => (4, 0),
            119..=131 => (2, 0),
            _ => (0, 0),
        };
        let (length, rest) = rest.split_at_checked(bytes).ok_or_else(cut)?;
        let (data, rest) =
            rest.split_at_checked(unsigned(length) as usize + added).ok_or_else(cut)?;
        Ok((Self { kind: *kind, fields, data }, rest))
    }

    /// A little-endian number of `bytes` bytes at `at`; zero where the fields end before.
    pub fn number(&self, at: usize, bytes: usize) -> u64 {
        self.fields.get(at..at + bytes).map_or(0, unsigned)
    }

    /// The same, signed, of eight bytes.
    pub fn time(&self, at: usize) -> i64 {
        self.number(at, 8) as i64
    }

    /// The data as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.data).into_owned()
    }
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
