//! The `reverie` program: play, record, train, evaluate.

use std::process::ExitCode;

use clap::Parser;
use reverie::commands::Command;

/// A neural world for Bevy games.
#[derive(Parser)]
#[command(name = "reverie", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reverie: {error}");
            ExitCode::FAILURE
        }
    }
}
