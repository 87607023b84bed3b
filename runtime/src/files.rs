//! Reading and writing files that other programs, or a kill, may have broken.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use image::{ImageFormat, RgbImage};

/// Writes `bytes` beside `path` under a temporary name, then renames: after a kill at any moment
/// `path` holds the old content or the new, never a part.
///
/// Missing parent folders are made.
///
/// # Errors
/// The folder cannot be made or written to, or the disk is full; the temporary file is removed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let written = File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            // Without this a power cut may leave the new name on an empty file.
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to tell; a leftover that cannot be removed is harmless.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Copies a file of at most `max_bytes`, unless the same is there already; see [`write_atomically`].
///
/// # Errors
/// It cannot be read, is larger, or cannot be written.
pub fn copy_if_other(from: &Path, to: &Path, max_bytes: u64) -> io::Result<()> {
    let bytes = read_limited(from, max_bytes)?;
    match read_limited(to, max_bytes) {
        Ok(there) if there == bytes => Ok(()),
        _ => write_atomically(to, &bytes),
    }
}

/// Writes a picture as PNG, see [`write_atomically`].
///
/// # Errors
/// As [`write_atomically`].
pub fn write_png(path: &Path, picture: &RgbImage) -> io::Result<()> {
    let mut bytes = io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(io::Error::other)?;
    write_atomically(path, bytes.get_ref())
}

/// Reads a whole file of at most `max_bytes`.
///
/// # Errors
/// The file cannot be read, or is larger: then the kind is [`io::ErrorKind::FileTooLarge`].
pub fn read_limited(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let too_large = |bytes: u64| {
        io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has {bytes} bytes, more than the {max_bytes} allowed"),
        )
    };
    if length > max_bytes {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    // A pipe or a device says that it is empty and then never ends.
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Words of a parser, which may quote an untrusted file, as one short line for a message.
pub(crate) fn one_line(words: impl ToString) -> String {
    const MOST: usize = 300;
    let words = words.to_string();
    let mut line: String =
        words.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if words.chars().nth(MOST).is_some() {
        line.push('…');
    }
    line
}

fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{} names no file", path.display()))
    })?;
    Ok(path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/file.bin");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("kept"), b"x").unwrap();
        assert!(write_atomically(&path, b"new").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn quoted_words_stay_on_one_short_line() {
        assert_eq!(one_line("a\nb\u{1b}[31m"), "a b [31m");
        assert_eq!(one_line("é".repeat(9000)).chars().count(), 301);
    }

    #[test]
    fn an_oversized_file_is_refused_before_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        std::fs::write(&path, [0; 11]).unwrap();
        assert_eq!(read_limited(&path, 11).unwrap().len(), 11);
        assert_eq!(read_limited(&path, 10).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
