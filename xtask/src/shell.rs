//! Child processes, and the environment that they get.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::XtaskError;
use crate::setup::libtorch;

/// The folder of the workspace's `Cargo.toml`.
pub fn workspace_root() -> Result<PathBuf, XtaskError> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").ok_or(XtaskError::NotUnderCargo)?;
    Path::new(&manifest).parent().map(Path::to_owned).ok_or(XtaskError::NotUnderCargo)
}

/// The command line, for messages.
pub fn display(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Runs to the end with this process's input and output.
pub fn run(command: &mut Command) -> Result<(), XtaskError> {
    let status = command
        .status()
        .map_err(|source| XtaskError::Start { command: display(command), source })?;
    if status.success() {
        Ok(())
    } else {
        Err(XtaskError::Failed { command: display(command), status })
    }
}

/// Runs silently and tells whether it succeeded; a program that is not there has not.
pub fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// What a program prints, or `None` when it is not there or fails.
pub fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Cargo on the workspace, as if called by hand.
///
/// Its children find libtorch even where the rpath cannot: with a moved target folder, with an exported
/// `RUSTFLAGS`, and on Windows. A folder that the user put into the search path comes first: so a CUDA
/// build of libtorch is chosen.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (name, _) in env::vars_os() {
        // `cargo run` set these for xtask's own package; some build scripts watch them, and would be
        // run again whenever cargo is called by hand and by xtask in turn.
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    if !libtorch::is_set_by_user(root) {
        command.env_remove("LIBTORCH");
    }
    let variable = if cfg!(windows) {
        "PATH"
    } else if cfg!(target_os = "macos") {
        "DYLD_FALLBACK_LIBRARY_PATH"
    } else {
        "LD_LIBRARY_PATH"
    };
    if let Some(path) = search_path(env::var_os(variable), &libtorch::library_folder(root)) {
        command.env(variable, path);
    }
    command
}

fn search_path(present: Option<OsString>, folder: &Path) -> Option<OsString> {
    let present = present.unwrap_or_default();
    let mut folders: Vec<PathBuf> =
        env::split_paths(&present).filter(|p| !p.as_os_str().is_empty() && p != folder).collect();
    folders.push(folder.to_owned());
    env::join_paths(folders).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_put_into_the_search_path_comes_first() {
        let path = search_path(env::join_paths(["/a", "/b"]).ok(), Path::new("/torch")).unwrap();
        let folders: Vec<_> = env::split_paths(&path).collect();
        assert_eq!(folders, [Path::new("/a"), Path::new("/b"), Path::new("/torch")]);
    }

    #[test]
    fn an_empty_search_path_does_not_add_the_working_folder() {
        assert_eq!(search_path(None, Path::new("/torch")), Some("/torch".into()));
        assert_eq!(search_path(Some("".into()), Path::new("/torch")), Some("/torch".into()));
    }

    #[test]
    fn a_program_that_is_not_there_does_not_succeed() {
        assert!(!succeeds(&mut Command::new("no-such-program-here")));
        assert_eq!(output_of(&mut Command::new("no-such-program-here")), None);
    }
}
