//! What needs a renderer: recorded pictures, the neural view, the toggle. Runs on any Vulkan adapter, lavapipe too.

#[path = "view/recording.rs"]
mod recording;
