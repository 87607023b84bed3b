//! Benchmarks of the crates with hot loops.

use std::path::Path;

use crate::error::XtaskError;
use crate::{setup, shell};

/// Runs them in the profile that is played with: another one would build every dependency again, and
/// measure what nobody runs.
pub fn run(root: &Path) -> Result<(), XtaskError> {
    setup::run(root)?;
    let mut cargo = shell::cargo(root);
    cargo.args(["bench", "--locked", "--profile", "dev"]);
    cargo.args(["--package", "reverie_kernels", "--package", "reverie_runtime"]);
    shell::run(&mut cargo)
}
