//! Benchmarks: the stages of a frame, in the profile that is played with.

use std::path::Path;

use crate::error::XtaskError;
use crate::{setup, shell};

/// Runs every bench target. A profile of their own would build every dependency again, and measure what
/// nobody runs.
pub fn run(root: &Path) -> Result<(), XtaskError> {
    setup::run(root)?;
    let mut cargo = shell::cargo(root);
    cargo.args(["bench", "--profile", "dev", "--workspace", "--bench", "*"]);
    shell::run(&mut cargo)
}
