//! `cargo xtask`: what a fresh machine, the README and the checks call.
//!
//! Nothing here links libtorch or Bevy, so that it builds in seconds on a bare machine and can fetch
//! what the rest needs. Everything else is the `reverie` program.

mod bench;
mod error;
mod phases;
mod play;
mod setup;
mod shell;
mod test;
mod trace;

use std::process::ExitCode;

use error::XtaskError;

const HELP: &str = "\
usage: cargo xtask COMMAND

  setup          installs system packages (apt) and libtorch; what is there already stays as it is
  play [ARGS]    setup, then `reverie play ARGS`; without a display it runs headless and writes pictures
  test           setup, then format check, build and all tests, with a table of times
  bench          setup, then the times of each stage of a frame
  trace [ARGS]   what a running program built with `--features tracy` sends, as a table; --seconds N, --port N
  ci             test, and clippy and rustdoc with warnings as errors, with logs for machines

After `cargo xtask setup`, plain `cargo run` and `cargo test` work too.";

fn dispatch(arguments: &[String]) -> Result<(), XtaskError> {
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", arguments),
    };
    if !matches!(command, "play" | "trace")
        && let Some(surplus) = rest.first()
    {
        return Err(XtaskError::SurplusArgument {
            command: command.to_owned(),
            argument: surplus.clone(),
        });
    }
    let root = shell::workspace_root()?;
    match command {
        "setup" => setup::run(&root),
        "play" => play::run(&root, rest),
        "test" => test::run(&root, test::Scope::Test),
        "ci" => test::run(&root, test::Scope::Ci),
        "bench" => bench::run(&root),
        "trace" => trace::run(rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        _ => Err(XtaskError::UnknownCommand(command.to_owned())),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
