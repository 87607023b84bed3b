//! Everything that must hold: format, build, tests; and for `ci` the lints and the documentation.

use std::path::Path;
use std::process::Command;

use crate::error::XtaskError;
use crate::phases::Phases;
use crate::{setup, shell};

/// Seeds the cases of property tests.
const CASES_SEED: &str = "PROPTEST_RNG_SEED";

/// How much is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Format, build, tests.
    Test,
    /// Also clippy and rustdoc, which analyse all dependencies once more; logs for machines.
    Ci,
}

/// Runs all checks of `scope`, and tells all that failed.
pub fn run(root: &Path, scope: Scope) -> Result<(), XtaskError> {
    let cargo = |arguments: &[&str]| {
        let mut command = shell::cargo(root);
        command.args(arguments);
        if scope == Scope::Ci {
            command.env("CARGO_TERM_COLOR", "never").env("CARGO_TERM_PROGRESS_WHEN", "never");
        }
        command
    };
    let mut phases = Phases::default();
    if !phases.run("setup", || setup::run(root)) {
        return phases.finish();
    }
    optional(
        &mut phases,
        "format",
        cargo(&["fmt", "--version"]),
        cargo(&["fmt", "--all", "--check"]),
    );
    let build = ["build", "--workspace", "--all-targets"];
    if phases.run("build", || shell::run(&mut cargo(&build))) {
        let mut test = cargo(&["test", "--workspace", "--no-fail-fast"]);
        // The same cases of every property each time; plain `cargo test` draws new ones.
        if std::env::var_os(CASES_SEED).is_none() {
            test.env(CASES_SEED, "1");
        }
        phases.run("tests", || shell::run(&mut test));
    }
    if scope == Scope::Ci {
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        optional(&mut phases, "clippy", cargo(&["clippy", "--version"]), cargo(&clippy));
        let bare = ["check", "-p", "reverie_runtime", "--no-default-features"];
        phases.run("without libtorch", || shell::run(&mut cargo(&bare)));
        let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
        phases.run("doc", || shell::run(doc.env("RUSTDOCFLAGS", "-D warnings")));
    }
    phases.finish()
}

/// Components of the toolchain that are not everywhere.
fn optional(phases: &mut Phases, name: &'static str, mut probe: Command, mut command: Command) {
    if shell::succeeds(&mut probe) {
        phases.run(name, || shell::run(&mut command));
    } else {
        println!("== {name}: left out, `{}` does not run here", shell::display(&probe));
    }
}
