//! Runs the program, and makes the recordings and the model that most tests need, once.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reverie_runtime::data::Episode;
use serde_json::Value;

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// Pixels of all recordings and of the model.
pub const SIZE: &str = "64x40";
/// Of the first of two [`episodes`], six frames each.
pub const FIRST_SEED: u64 = 3;
/// Of the first of two [`eval_episodes`].
pub const EVAL_SEED: u64 = 1_000_000;

/// A run of the program to be.
pub struct Program(Command);

impl Program {
    /// With these words after `reverie`.
    pub fn new(words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reverie"));
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command)
    }

    /// Adds an option and its value.
    pub fn with(mut self, option: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.arg(option).arg(value);
        self
    }

    /// Adds one word, such as a path.
    pub fn word(mut self, word: impl AsRef<OsStr>) -> Self {
        self.0.arg(word);
        self
    }

    /// As on a machine without any graphics driver.
    pub fn without_vulkan(mut self) -> Self {
        for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
            self.0.env(name, "/nonexistent/icd.json");
        }
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let said: Vec<OsString> = self.0.get_args().map(OsStr::to_owned).collect();
        let mut child = self.0.spawn().expect("the program starts");
        let stdout = listen(child.stdout.take().expect("piped"));
        let stderr = listen(child.stderr.take().expect("piped"));
        Running { child, stdout, stderr, said: format!("reverie {said:?}") }
    }

    /// Runs it to its end.
    pub fn run(self) -> Outcome {
        self.start().finish()
    }

    /// Runs it to its end, which must be a success; gives what it printed.
    pub fn succeeds(self) -> String {
        self.run().succeeded()
    }

    /// Runs it to its end, which must be one line of failure with all of `words` in it.
    pub fn fails_with(self, words: &[&str]) {
        self.run().failed_with(words);
    }
}

/// Reads to the end on a thread of its own: a full pipe would stop the program.
fn listen(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("the pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A run under way.
pub struct Running {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    said: String,
}

impl Running {
    /// Waits until `there` holds; the program must still be running then.
    pub fn wait_for(&mut self, what: &str, there: impl Fn() -> bool) {
        let begun = Instant::now();
        while !there() {
            let ended = self.child.try_wait().expect("the program can be asked");
            assert!(ended.is_none(), "{}: ended before {what}", self.said);
            assert!(begun.elapsed() < PATIENCE, "{}: no {what}", self.said);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("the program can be killed");
        self.child.wait().expect("the program ends");
    }

    /// What Ctrl-C sends.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        let done = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(done.expect("kill starts").success());
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Outcome {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the program can be asked") {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                self.child.kill().expect("the program can be killed");
                panic!("{}: still running after {PATIENCE:?}", self.said);
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let text = |thread: JoinHandle<String>| thread.join().expect("the pipe was read");
        Outcome { status, stdout: text(self.stdout), stderr: text(self.stderr), said: self.said }
    }
}

/// A run that ended.
pub struct Outcome {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    said: String,
}

impl Outcome {
    /// What it printed; it must have succeeded, and have nothing to complain of.
    pub fn succeeded(self) -> String {
        assert!(self.status.success(), "{}: {}\n{}", self.said, self.status, self.stderr);
        assert!(self.complaints().is_empty(), "{}: {:?}", self.said, self.complaints());
        self.stdout
    }

    /// It must have failed with one line, which has all of `words`, and no panic.
    pub fn failed_with(&self, words: &[&str]) {
        let Self { status, stderr, said, .. } = self;
        // No code at all means a signal: a crash.
        assert!(status.code().is_some_and(|code| code != 0), "{said}: {status}\n{stderr}");
        let lines = self.complaints();
        assert_eq!(lines.len(), 1, "{said}: not one line but {lines:#?}");
        assert!(lines[0].starts_with("reverie: "), "{said}: {lines:?}");
        assert!(!lines[0].contains("panicked"), "{said}: {lines:?}");
        for word in words {
            assert!(lines[0].contains(word), "{said}: no `{word}` in {:?}", lines[0]);
        }
    }

    /// Lines on stderr, without the log and without what the Vulkan loader says.
    fn complaints(&self) -> Vec<&str> {
        let is_log = |line: &str| line.contains(" WARN") || line.contains(" INFO");
        let lines = self.stderr.lines().filter(|line| !line.trim().is_empty());
        lines.filter(|line| !is_log(line) && !line.contains("XDG_RUNTIME_DIR")).collect()
    }
}

/// A folder in the target folder, empty.
pub fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("program").join(name);
    if path.exists() {
        fs::remove_dir_all(&path).expect("an old folder can be removed");
    }
    fs::create_dir_all(&path).expect("a folder can be made");
    path
}

/// Names of the files and folders in `dir`, sorted; none if it is not there.
pub fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> =
        entries.map(|entry| name(entry.expect("a folder can be read"))).collect();
    names.sort();
    names
}

/// Copies a folder.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a file can be copied");
        }
    }
}

/// A JSON file of the program.
pub fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Where the episode of a seed lies.
pub fn episode(folder: &Path, seed: u64) -> PathBuf {
    folder.join(format!("courtyard_{seed:07}"))
}

/// The hash of the physics world at the end of the episode of a seed.
pub fn physics_hash(folder: &Path, seed: u64) -> u64 {
    Episode::open(episode(folder, seed)).expect("an episode opens").manifest().physics_hash
}

/// `reverie record` with the pictures of all tests.
pub fn record(out: &Path, seed: u64, episodes: u64, frames: u32) -> Program {
    Program::new(&["record", "--size", SIZE])
        .with("--seed", seed.to_string())
        .with("--episodes", episodes.to_string())
        .with("--frames", frames.to_string())
        .with("--out", out)
}

/// Two episodes of six frames; to be read only.
pub fn episodes() -> &'static Path {
    static EPISODES: OnceLock<PathBuf> = OnceLock::new();
    EPISODES.get_or_init(|| {
        let out = folder("episodes");
        record(&out, FIRST_SEED, 2, 6).succeeds();
        out
    })
}

/// Two episodes that reach the horizons 1 and 8; to be read only.
pub fn eval_episodes() -> &'static Path {
    static EPISODES: OnceLock<PathBuf> = OnceLock::new();
    EPISODES.get_or_init(|| {
        let out = folder("eval_episodes");
        record(&out, EVAL_SEED, 2, 29).succeeds();
        out
    })
}

/// Writes a recipe of a tiny network on `data`, with these fields added, and gives its path.
pub fn recipe(dir: &Path, data: &Path, fields: &str) -> PathBuf {
    let path = dir.join("tiny.ron");
    let text = format!(
        "(name: \"tiny\", data: [{data:?}], out: {:?}, threads: 1, batch: 2, bf16: false,
          network: (channels: (8, 8, 8), blocks: (1, 1, 1), head_channels: 8), {fields})",
        dir.join("run"),
    );
    fs::write(&path, text).expect("a recipe can be written");
    path
}

/// The card of a tiny model, trained on [`episodes`] for 3 s; to be read only.
pub fn tiny_model() -> &'static Path {
    static CARD: OnceLock<PathBuf> = OnceLock::new();
    CARD.get_or_init(|| {
        let dir = folder("tiny_model");
        let recipe = recipe(&dir, episodes(), "minutes: 0.05");
        Program::new(&["train"]).word(recipe).with("--json", dir.join("train.json")).succeeds();
        dir.join("run/tiny.world.ron")
    })
}
