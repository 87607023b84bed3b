//! The `reverie` program: play, record, train, evaluate.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use reverie::commands::Command;

/// A neural world for Bevy games.
#[derive(Parser)]
#[command(name = "reverie", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no faults.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            eprintln!("reverie: {}", usage_fault(&error));
            return ExitCode::from(2);
        }
    };
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Faults of libtorch go on for pages; their first line says what is wrong.
            let text = error.to_string();
            eprintln!("reverie: {}", text.lines().next().unwrap_or("failed"));
            ExitCode::FAILURE
        }
    }
}

/// What is wrong on the command line, in one line.
fn usage_fault(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let names: Vec<String> =
            Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
        return format!("say what to do: {}; `reverie --help` tells more", names.join(", "));
    }
    let text = error.to_string();
    let fault = text.split("\n\nUsage:").next().unwrap_or(&text);
    let fault = fault.split("\n\nFor more information").next().unwrap_or(fault);
    let words: Vec<&str> = fault.trim_start_matches("error: ").split_whitespace().collect();
    words.join(" ")
}
