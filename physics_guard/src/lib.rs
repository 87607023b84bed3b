//! The expected state of a neural world, and the checks that hold a picture to it.
//!
//! Here lives what the physics says must be seen ([`expected`]) and the tests of a request before
//! it is dreamed ([`check`]). Nothing here knows a renderer, a tensor or Bevy.
//!
//! Frames: world is right-handed, +Y up, metres. A camera looks along its own −Z, +Y up.

pub mod check;
pub mod expected;
pub mod fault;
pub mod observed;

pub use check::{RequestFault, check_request};
pub use expected::{Body, BodyKind, CameraPose, Pose, ShadowSnapshot, Shape, TriangleMesh};
pub use fault::{Fault, FaultClass};
pub use observed::Evidence;
