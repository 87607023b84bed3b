//! `cargo xtask trace`: what a running program built with the feature `tracy` sends, as a table.
//!
//! Tracy's own profiler shows more, and needs a display. This reads the same stream (protocol 82) and counts: zones with
//! their times, frames, plots, messages, GPU zones, pictures, by thread.
//!
//! [`wire`] cuts the stream into items, [`session`] speaks to the program, [`record`] adds up, [`report`] prints.

mod record;
mod report;
mod session;
mod wire;

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::error::XtaskError;

/// What Tracy listens on unless `TRACY_PORT` says otherwise.
const DEFAULT_PORT: u16 = 8086;
const DEFAULT_SECONDS: u64 = 10;
/// How long the program may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// What can go wrong with a trace.
#[derive(Debug, Error)]
pub enum TraceError {
    /// Nobody listens.
    #[error(
        "no program with Tracy on port {port} within {} s: {source}; build one with `--features tracy` and run it beside",
        PATIENCE.as_secs()
    )]
    NobodyThere {
        /// Of this machine.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// The program ended, or the network failed.
    #[error("the program with Tracy stopped talking: {0}")]
    Connection(#[from] std::io::Error),
    /// Another Tracy, or another profiler is there already.
    #[error("the program refuses: {0}")]
    Refused(&'static str),
    /// Not what Tracy sends.
    #[error("the stream makes no sense: {0}")]
    Malformed(String),
    /// Unknown words on the command line.
    #[error("`{0}` is no option of trace; there are --seconds N and --port N")]
    Argument(String),
}

/// Connects to a program, listens for a while, prints the table.
pub fn run(arguments: &[String]) -> Result<(), XtaskError> {
    let (port, seconds) = options(arguments)?;
    let session = session::Session::start(connect(port)?)?;
    println!("tracing {} for {seconds} s", session.program());
    let record = session.listen(Duration::from_secs(seconds))?;
    print!("{}", report::text(&record));
    Ok(())
}

fn options(arguments: &[String]) -> Result<(u16, u64), TraceError> {
    let (mut port, mut seconds) = (DEFAULT_PORT, DEFAULT_SECONDS);
    for pair in arguments.chunks(2) {
        let fault = || TraceError::Argument(pair.join(" "));
        let [option, value] = pair else { return Err(fault()) };
        match option.as_str() {
            "--port" => port = value.parse().map_err(|_| fault())?,
            "--seconds" => seconds = value.parse().map_err(|_| fault())?,
            _ => return Err(fault()),
        }
    }
    Ok((port, seconds))
}

/// Waits for a program that is still starting.
fn connect(port: u16) -> Result<TcpStream, TraceError> {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))) {
            Ok(stream) => return Ok(stream),
            Err(source) if begun.elapsed() > PATIENCE => {
                return Err(TraceError::NobodyThere { port, source });
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

#[cfg(test)]
mod tests;
