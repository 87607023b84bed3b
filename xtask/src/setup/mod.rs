//! Makes a bare machine able to build and run: system packages, then libtorch.
//!
//! What is there already is left alone, nothing is asked, and the second run takes a moment.

pub mod libtorch;
mod packages;
mod wheels;

use std::path::Path;
use std::time::Instant;

use crate::error::XtaskError;

/// Installs what is missing.
pub fn run(root: &Path) -> Result<(), XtaskError> {
    let started = Instant::now();
    let needs_pip = !libtorch::is_ready(root) && libtorch::must_download(root)?;
    packages::ensure(needs_pip)?;
    libtorch::ensure(root)?;
    println!("setup: done in {:.1} s", started.elapsed().as_secs_f32());
    Ok(())
}
