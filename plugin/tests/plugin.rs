//! The plugin in whole Bevy apps. What needs a renderer runs on any Vulkan adapter, lavapipe too.
//!
//! One binary, since each links all of Bevy.

#[path = "plugin_tests/bridge.rs"]
mod bridge;
#[path = "plugin_tests/display.rs"]
mod display;
#[path = "plugin_tests/fake.rs"]
mod fake;
#[path = "plugin_tests/guard.rs"]
mod guard;
#[path = "plugin_tests/level.rs"]
mod level;
#[path = "plugin_tests/memory.rs"]
mod memory;
#[path = "plugin_tests/recording.rs"]
mod recording;
#[path = "plugin_tests/shadow.rs"]
mod shadow;
#[path = "plugin_tests/view.rs"]
mod view;
