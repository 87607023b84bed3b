//! Memories on disk, untrusted until checked.
//!
//! ```text
//! magic      8 bytes  REVERIEM
//! version    u32      1
//! length     u64      of the payload, bytes
//! sha256     32 bytes of the payload
//! payload    style (bool, 5 × f32), number of bodies u32, then for each body:
//!              length u32 and JSON: shape, material, look, home and last pose
//!              number of pages u32, then for each page:
//!                place u128, mask u64 of the texels that are known, 14 bytes for each of those:
//!                rgb 3 × u16, paint 3 × u8, weight u16, distance u16 (cm), facing u8
//! ```
//!
//! All numbers are little-endian.

use std::io;
use std::path::{Path, PathBuf};

use reverie_guard::{Pose, Shape};
use reverie_kernels::texel::{FROZEN, ObjectRecord, PAGE_TEXELS, PageRecord, Texel};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::files::{one_line, read_limited, write_atomically};
use crate::style::{STYLE_NAMES, StyleWeights};

/// Version of the format that this program writes and reads.
pub const MEMORY_VERSION: u32 = 1;
/// No larger file is read.
pub const MAX_FILE_BYTES: u64 = 512 << 20;

const MAGIC: [u8; 8] = *b"REVERIEM";
const HEADER_BYTES: usize = 8 + 4 + 8 + 32;
const TEXEL_BYTES: usize = 14;

/// Why a memory file cannot be used or written. Every message says what to do.
#[derive(Debug, Error)]
pub enum MemoryFileError {
    /// The system refused.
    #[error("cannot {action} {}: {source}; check the path, its permissions and the disk", path.display())]
    Io {
        /// What was tried, an infinitive.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Some other file.
    #[error("{}: this is not a memory of Reverie; name another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Of another program version.
    #[error("{}: memory format {found}, but this program reads {MEMORY_VERSION}; delete the file to start anew", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// In the file.
        found: u32,
    },
    /// Cut off or altered.
    #[error("{}: {reason}; the file is damaged, delete it to start anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What is saved of a body beside its texels.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    shape: Shape,
    material: u8,
    look: u64,
    home: Pose,
    last: Pose,
}

/// Writes bodies and the style they were seen in.
///
/// # Errors
/// The file cannot be written; an older one stays as it was.
pub fn save(
    path: &Path,
    records: &[ObjectRecord],
    style: Option<StyleWeights>,
) -> Result<(), MemoryFileError> {
    let io = |source| MemoryFileError::Io { action: "write", path: path.to_owned(), source };
    let payload = encode(records, style).map_err(|e| io(io::Error::other(e)))?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend(MAGIC);
    bytes.extend(MEMORY_VERSION.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(Sha256::digest(&payload));
    bytes.extend(payload);
    write_atomically(path, &bytes).map_err(io)
}

/// Reads and checks a file.
///
/// # Errors
/// Anything in it differs from what is expected; nothing of it is used then.
pub fn load(path: &Path) -> Result<(Vec<ObjectRecord>, Option<StyleWeights>), MemoryFileError> {
    let bytes = read_limited(path, MAX_FILE_BYTES).map_err(|source| MemoryFileError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let damaged = |reason: String| MemoryFileError::Damaged { path: path.to_owned(), reason };
    if !bytes.starts_with(&MAGIC) {
        return Err(MemoryFileError::Foreign { path: path.to_owned() });
    }
    let mut header = Reader(&bytes[MAGIC.len()..]);
    let cut_off = || damaged(format!("it ends after {} bytes", bytes.len()));
    let found = header.u32().ok_or_else(cut_off)?;
    if found != MEMORY_VERSION {
        return Err(MemoryFileError::Version { path: path.to_owned(), found });
    }
    let length = header.u64().ok_or_else(cut_off)?;
    let sha256 = header.take(32).ok_or_else(cut_off)?.to_vec();
    let payload = header.0;
    if payload.len() as u64 != length {
        return Err(damaged(format!("{} bytes follow its header, not {length}", payload.len())));
    }
    if Sha256::digest(payload).as_slice() != sha256 {
        return Err(damaged("its content does not fit its checksum".to_owned()));
    }
    decode(payload).map_err(damaged)
}

fn encode(
    records: &[ObjectRecord],
    style: Option<StyleWeights>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = vec![u8::from(style.is_some())];
    for weight in style.unwrap_or_default().0 {
        out.extend(weight.to_le_bytes());
    }
    out.extend((records.len() as u32).to_le_bytes());
    for record in records {
        let head = serde_json::to_vec(&Head {
            shape: record.shape.clone(),
            material: record.material,
            look: record.look,
            home: record.home,
            last: record.last,
        })?;
        out.extend((head.len() as u32).to_le_bytes());
        out.extend(head);
        out.extend((record.pages.len() as u32).to_le_bytes());
        for page in &record.pages {
            out.extend(page.place.to_le_bytes());
            let known = |i: &usize| page.texels.get(*i).is_some_and(|t| t.weight > 0.0);
            let mask = (0..PAGE_TEXELS).filter(known).fold(0u64, |mask, i| mask | 1 << i);
            out.extend(mask.to_le_bytes());
            (0..PAGE_TEXELS).filter(known).for_each(|i| put_texel(&mut out, &page.texels[i]));
        }
    }
    Ok(out)
}

fn put_texel(out: &mut Vec<u8>, texel: &Texel) {
    let part = |v: f32, most: f32| (v.clamp(0.0, 1.0) * most + 0.5) as u16;
    for value in texel.rgb {
        out.extend(part(value, 65535.0).to_le_bytes());
    }
    out.extend(texel.paint.map(|v| part(v, 255.0) as u8));
    // A texel that is known at all stays known.
    out.extend(part(texel.weight / FROZEN, 65535.0).max(1).to_le_bytes());
    out.extend(((texel.distance_m * 100.0).clamp(0.0, 65535.0) as u16).to_le_bytes());
    out.push(part(texel.facing, 255.0) as u8);
}

fn decode(payload: &[u8]) -> Result<(Vec<ObjectRecord>, Option<StyleWeights>), String> {
    let mut reader = Reader(payload);
    let short = || "its content is cut off".to_owned();
    let has_style = reader.u8().ok_or_else(short)? != 0;
    let mut style = StyleWeights([0.0; STYLE_NAMES.len()]);
    for weight in &mut style.0 {
        *weight = reader.f32().ok_or_else(short)?;
    }
    if !style.0.iter().all(|w| w.is_finite()) {
        return Err("its style is not finite".to_owned());
    }
    let count = reader.u32().ok_or_else(short)?;
    let mut records = Vec::new();
    for body in 0..count {
        let length = reader.u32().ok_or_else(short)? as usize;
        let head = reader.take(length).ok_or_else(short)?;
        let head: Head = serde_json::from_slice(head)
            .map_err(|e| format!("body {body} cannot be read ({})", one_line(e)))?;
        if !head.home.is_sane() || !head.last.is_sane() {
            return Err(format!("body {body} stands at a pose that is not finite"));
        }
        let mut pages = Vec::new();
        for _ in 0..reader.u32().ok_or_else(short)? {
            let place = reader.u128().ok_or_else(short)?;
            let mask = reader.u64().ok_or_else(short)?;
            let mut texels = vec![Texel::default(); PAGE_TEXELS];
            for (i, texel) in texels.iter_mut().enumerate() {
                if mask >> i & 1 == 1 {
                    *texel = reader.texel().ok_or_else(short)?;
                }
            }
            pages.push(PageRecord { place, texels });
        }
        let Head { shape, material, look, home, last } = head;
        records.push(ObjectRecord { shape, material, look, home, last, pages });
    }
    if !reader.0.is_empty() {
        return Err(format!("{} bytes are left over", reader.0.len()));
    }
    Ok((records, has_style.then_some(style)))
}

/// What is left of the payload.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    fn f32(&mut self) -> Option<f32> {
        self.array().map(f32::from_le_bytes)
    }

    fn texel(&mut self) -> Option<Texel> {
        let mut reader = Reader(self.take(TEXEL_BYTES)?);
        let mut rgb = [0.0; 3];
        for value in &mut rgb {
            *value = f32::from(reader.u16()?) / 65535.0;
        }
        let paint = reader.array::<3>()?.map(|v| f32::from(v) / 255.0);
        let weight = f32::from(reader.u16()?) / 65535.0 * FROZEN;
        let distance_m = f32::from(reader.u16()?) / 100.0;
        let facing = f32::from(reader.u8()?) / 255.0;
        Some(Texel { rgb, paint, weight, frame: 0, distance_m, facing })
    }
}
