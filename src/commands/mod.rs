//! One file a command. Each prints what it does, takes `--json FILE` for its figures, and fails with one line.

use std::error::Error;
use std::path::Path;

use clap::Subcommand;
use reverie_guard::FaultClass;

/// As `println!`, but goes on if nobody listens any more: a training must not end with the `head` that it was piped into.
macro_rules! say {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        // There is nobody left to tell.
        let _ = writeln!(std::io::stdout(), $($said)*);
    }};
}

pub mod doctor;
pub mod eval;
pub mod guard;
pub mod looks;
mod misdraw;
mod motion;
pub mod play;
pub mod record;
pub mod sketch;
pub mod train;

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Plays a world through a world model, in a window or headless.
    Play(play::PlayArgs),
    /// Plays the conventional courtyard with bots and writes episodes.
    Record(record::RecordArgs),
    /// Turns a picture of a plan into a level.
    Sketch(sketch::SketchArgs),
    /// Measures a world model against the truth and its baselines.
    Eval(eval::EvalArgs),
    /// Trains a world model, or resumes, from a RON recipe.
    Train(train::TrainArgs),
    /// Gives a world model the textures of recordings, without training.
    Looks(looks::LooksArgs),
    /// Calibrates and measures what tells right pictures from wrong ones.
    Guard(guard::GuardArgs),
    /// Says what this machine has, what is missing, and how to get it.
    Doctor(doctor::DoctorArgs),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// One line for the user.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Play(args) => args.run(),
            Self::Record(args) => args.run(),
            Self::Sketch(args) => args.run(),
            Self::Eval(args) => args.run(),
            Self::Train(args) => args.run(),
            Self::Looks(args) => args.run(),
            Self::Guard(args) => args.run(),
            Self::Doctor(args) => args.run(),
        }
    }
}

/// Width and height from `WxH`.
fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match parts {
        Some((w, h)) if (16..=4096).contains(&w) && (16..=4096).contains(&h) => Ok((w, h)),
        _ => Err(format!(
            "`{text}` is no size; write it as WIDTHxHEIGHT, each 16 to 4096, such as 128x72"
        )),
    }
}

/// The fault of this name.
fn fault_class(name: &str) -> Result<FaultClass, String> {
    let all = FaultClass::ALL.map(FaultClass::name).join(", ");
    FaultClass::named(name).ok_or_else(|| format!("there is no fault `{name}`; choose among {all}"))
}

/// Writes figures for other programs.
fn write_json(path: &Path, value: &serde_json::Value) -> Result<(), Box<dyn Error>> {
    let text = serde_json::to_string_pretty(value)?;
    reverie_runtime::files::write_atomically(path, text.as_bytes()).map_err(|e| {
        format!(
            "cannot write {}: {e}; name a file in a folder that can be written to",
            path.display()
        )
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_are_read_and_nonsense_is_named() {
        assert_eq!(parse_size("128x72"), Ok((128, 72)));
        for wrong in ["128", "x", "0x72", "128x99999", "axb"] {
            assert!(parse_size(wrong).unwrap_err().contains(wrong));
        }
    }
}
