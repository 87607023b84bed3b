//! The whole program, run as a player runs it, on any Vulkan adapter, lavapipe too.
//!
//! One binary, since each links libtorch. Pictures are 64×40 and the network has a few thousand weights: the
//! tests are about the path from a recording to a played world, not about its beauty.

#[path = "program/bad_input.rs"]
mod bad_input;
#[path = "program/bad_models.rs"]
mod bad_models;
#[path = "program/eval.rs"]
mod eval;
#[path = "program/golden.rs"]
mod golden;
#[path = "program/guard.rs"]
mod guard;
#[path = "program/looks.rs"]
mod looks;
#[path = "program/play.rs"]
mod play;
#[path = "program/record.rs"]
mod record;
#[path = "program/sketch.rs"]
mod sketch;
#[path = "program/support.rs"]
mod support;
#[path = "program/tracing.rs"]
mod tracing;
#[path = "program/train.rs"]
mod train;
