//! World models
#[cfg(feature = "tch")]
pub mod reverie;
