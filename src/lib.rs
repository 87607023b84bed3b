//! The courtyard, a game to try Reverie on, and the commands of the `reverie` program.

pub mod commands;
pub mod courtyard;
