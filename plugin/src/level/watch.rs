//! Watches the file of a level while the game runs.
//!
//! Editors save in steps: they truncate and write, or write beside and rename. So a file is read once it has been
//! still for a moment, and what cannot be read is only complained of once it has been still for longer. The file's
//! time and size are asked for many times a second, which works on every file system, network and container included.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::Level;
use super::source::LevelSource;

const POLL: Duration = Duration::from_millis(30);
/// A file that was still for so long is read.
const STILL: Duration = Duration::from_millis(90);
/// A file that was still for so long is complained of.
const PATIENCE: Duration = Duration::from_millis(450);

/// What became of a save.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// Another level, good to play.
    Changed(Arc<Level>),
    /// The level is again what it was.
    Unchanged,
    /// No level: why, in one line. The one before should stay.
    Bad(String),
}

/// A thread that looks at one file until this is dropped.
#[derive(Debug)]
pub struct FileWatch {
    stop: Arc<AtomicBool>,
    newest: Arc<Mutex<Option<News>>>,
    thread: JoinHandle<()>,
}

impl FileWatch {
    /// Starts watching; `seen` are the bytes that the present level was made of, if there is one.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(source: LevelSource, seen: Option<&[u8]>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let newest = Arc::new(Mutex::new(None));
        let mut watcher = Watcher::new(source, seen.map(digest));
        let (ended, slot) = (stop.clone(), newest.clone());
        let work = move || {
            while !ended.load(Ordering::Relaxed) {
                if let Some(news) = watcher.look(Instant::now()) {
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(news);
                }
                std::thread::sleep(POLL);
            }
        };
        let thread = std::thread::Builder::new().name("level watch".to_owned()).spawn(work)?;
        Ok(Self { stop, newest, thread })
    }

    /// The newest news, once.
    pub fn take(&self) -> Option<News> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the file is still looked at.
    pub fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }
}

impl Drop for FileWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Size and time of a file, `None` while it is not there.
type Stamp = Option<(u64, Option<SystemTime>)>;

/// The watch without its thread.
struct Watcher {
    source: LevelSource,
    /// Of the bytes of the level that is played.
    shown: Option<u64>,
    stamp: Stamp,
    changed_at: Option<Instant>,
    unread: bool,
    complaint: Option<String>,
}

impl Watcher {
    fn new(source: LevelSource, shown: Option<u64>) -> Self {
        Self { source, shown, stamp: None, changed_at: None, unread: true, complaint: None }
    }

    fn look(&mut self, now: Instant) -> Option<News> {
        let stamp = stamp(&self.source.path);
        if stamp != self.stamp || self.changed_at.is_none() {
            self.stamp = stamp;
            self.changed_at = Some(now);
            self.unread = true;
            self.complaint = None;
            return None;
        }
        let still = now.saturating_duration_since(self.changed_at?);
        if self.unread && still >= STILL {
            self.unread = false;
            return self.read();
        }
        if still >= PATIENCE {
            return self.complaint.take().map(News::Bad);
        }
        None
    }

    fn read(&mut self) -> Option<News> {
        let bytes = match self.source.bytes() {
            Ok(bytes) => bytes,
            Err(error) => {
                self.complaint = Some(error.to_string());
                return None;
            }
        };
        let found = digest(&bytes);
        if self.shown == Some(found) {
            return Some(News::Unchanged);
        }
        let sourced = self.source.level_of(&bytes);
        if stamp(&self.source.path) != self.stamp {
            // Saved again meanwhile: the next look reads the rest.
            return None;
        }
        match sourced {
            Ok(sourced) => {
                self.shown = Some(found);
                Some(News::Changed(Arc::new(sourced.level)))
            }
            Err(error) => {
                self.complaint = Some(error.to_string());
                None
            }
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::{LevelBody, Role};
    use crate::material::NeuralMaterial;
    use bevy::math::Vec3;

    fn text(name: &str) -> Vec<u8> {
        let floor = Vec3::new(8.0, 1.0, 8.0);
        let ground =
            LevelBody::fixed_box(Role::Ground, NeuralMaterial::GRASS, Vec3::Y * -0.5, floor);
        let level = Level { name: name.to_owned(), bodies: vec![ground], ..Level::default() };
        level.to_text(Path::new("test")).unwrap().into_bytes()
    }

    /// Looks at the file at times of the test's own, 30 ms apart.
    struct Looking {
        watcher: Watcher,
        now: Instant,
    }

    impl Looking {
        fn for_ms(&mut self, ms: u64) -> Vec<News> {
            let end = self.now + Duration::from_millis(ms);
            let mut news = Vec::new();
            while self.now < end {
                self.now += POLL;
                news.extend(self.watcher.look(self.now));
            }
            news
        }
    }

    fn looking(dir: &Path) -> (Looking, std::path::PathBuf) {
        let path = dir.join("a.level.ron");
        std::fs::write(&path, text("first")).unwrap();
        let watcher = Watcher::new(LevelSource::new(&path), Some(digest(&text("first"))));
        (Looking { watcher, now: Instant::now() }, path)
    }

    fn is_level(news: &[News], name: &str) -> bool {
        matches!(news, [News::Changed(level)] if level.name == name)
    }

    #[test]
    fn a_save_in_steps_is_one_change_and_no_complaint() {
        let dir = tempfile::tempdir().unwrap();
        let (mut looking, path) = looking(dir.path());
        assert_eq!(looking.for_ms(600), [News::Unchanged]);
        let second = text("second");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(looking.for_ms(150), []);
        std::fs::write(&path, &second[..second.len() / 2]).unwrap();
        assert_eq!(looking.for_ms(300), [], "half a file is waited for");
        std::fs::write(&path, &second).unwrap();
        assert!(is_level(&looking.for_ms(1000), "second"));
        assert_eq!(looking.for_ms(1000), [], "told once");
    }

    #[test]
    fn a_rename_and_a_gap_without_file_are_one_change() {
        let dir = tempfile::tempdir().unwrap();
        let (mut looking, path) = looking(dir.path());
        looking.for_ms(300);
        std::fs::rename(&path, dir.path().join("backup~")).unwrap();
        assert_eq!(looking.for_ms(200), []);
        std::fs::write(dir.path().join("new"), text("renamed")).unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert!(is_level(&looking.for_ms(600), "renamed"));
    }

    #[test]
    fn a_bad_save_is_told_in_one_line_and_forgiven() {
        let dir = tempfile::tempdir().unwrap();
        let (mut looking, path) = looking(dir.path());
        looking.for_ms(300);
        std::fs::write(&path, "(version: 1, level: (nome: 3))").unwrap();
        let news = looking.for_ms(1000);
        let [News::Bad(why)] = news.as_slice() else { panic!("{news:?}") };
        assert!(why.contains("a.level.ron") && why.contains("line 1"), "{why}");
        assert_eq!(why.lines().count(), 1);
        std::fs::write(&path, text("first")).unwrap();
        assert_eq!(looking.for_ms(600), [News::Unchanged]);
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(looking.for_ms(1000).as_slice(), [News::Bad(_)]));
    }
}
