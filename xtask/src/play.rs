//! From a fresh checkout to a picture.

use std::env;
use std::fs;
use std::path::Path;

use crate::error::XtaskError;
use crate::{setup, shell};

/// Where pictures go when there is no display and no other folder is asked for.
const DEFAULT_OUT: &str = "runs/play";
const DEFAULT_FRAMES: &str = "120";

/// Sets up, builds and plays.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), XtaskError> {
    setup::run(root)?;
    let arguments = complete(arguments, has_display());
    let mut cargo = shell::cargo(root);
    // Paths that the user typed are relative to where the user is.
    if let Ok(here) = env::current_dir() {
        cargo.current_dir(here);
    }
    cargo.arg("run").arg("--manifest-path").arg(root.join("Cargo.toml"));
    cargo.args(["--bin", "reverie", "--", "play"]).args(&arguments);
    shell::run(&mut cargo)?;
    if let Some(out) = value_of(&arguments, "--out") {
        let out = Path::new(out);
        let shown = out.canonicalize().unwrap_or_else(|_| out.to_owned());
        println!("{} pictures are in {}", count_pictures(out), shown.display());
    }
    Ok(())
}

fn has_display() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// Without a display: headless, a bounded number of frames, and a folder for them.
fn complete(arguments: &[String], has_display: bool) -> Vec<String> {
    let mut arguments = arguments.to_vec();
    let asks_for_help = arguments.iter().any(|a| a == "--help" || a == "-h");
    if asks_for_help {
        return arguments;
    }
    let is_headless = arguments.iter().any(|a| a == "--headless");
    if !is_headless && !has_display {
        println!("no display here: playing headless");
        arguments.push("--headless".to_owned());
    }
    if is_headless || !has_display {
        for (name, value) in [("--frames", DEFAULT_FRAMES), ("--out", DEFAULT_OUT)] {
            if value_of(&arguments, name).is_none() {
                arguments.extend([name.to_owned(), value.to_owned()]);
            }
        }
    }
    arguments
}

/// The value in `--name value` or `--name=value`.
fn value_of<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    arguments.iter().enumerate().find_map(|(index, argument)| {
        if argument == name {
            return arguments.get(index + 1).map(String::as_str);
        }
        argument.strip_prefix(name)?.strip_prefix('=')
    })
}

fn count_pictures(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.flatten().filter(|e| e.path().extension().is_some_and(|x| x == "png")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(words: &str, has_display: bool) -> String {
        let arguments: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        complete(&arguments, has_display).join(" ")
    }

    #[test]
    fn with_a_display_nothing_is_added() {
        assert_eq!(completed("", true), "");
        assert_eq!(completed("a.level.ron --seed 3", true), "a.level.ron --seed 3");
    }

    #[test]
    fn without_a_display_the_run_is_headless_and_bounded() {
        assert_eq!(completed("", false), "--headless --frames 120 --out runs/play");
        assert_eq!(completed("--frames=5", false), "--frames=5 --headless --out runs/play");
    }

    #[test]
    fn what_the_user_asks_for_stays() {
        assert_eq!(
            completed("--headless --out x --frames 7", false),
            "--headless --out x --frames 7"
        );
        assert_eq!(completed("--headless --out x", true), "--headless --out x --frames 120");
        assert_eq!(completed("--help", false), "--help");
    }
}
