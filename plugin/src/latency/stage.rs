//! The stages of a frame, from the player's input to the present.

use bevy::diagnostic::DiagnosticPath;

macro_rules! stages {
    ($($(#[$doc:meta])* $stage:ident = $name:literal,)*) => {
        /// A stretch of a frame's way, named after the marker that ends it; its time runs from the marker before it.
        ///
        /// Stages from `SimulationStart` to `Present` follow on each other without a gap: over a frame that shows a
        /// picture for the first time they add up to the time from input to present of what the picture shows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Stage {
            $($(#[$doc])* $stage,)*
        }

        impl Stage {
            /// In order of time.
            pub const ALL: &[Self] = &[$(Self::$stage),*];

            /// As in `summary.json`, in diagnostics and in the HUD.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$stage => $name,)* }
            }

            /// Milliseconds, as a Bevy diagnostic.
            pub const fn path(self) -> DiagnosticPath {
                match self {
                    $(Self::$stage => {
                        DiagnosticPath::const_new(concat!("reverie/latency/", $name, "_ms"))
                    })*
                }
            }
        }
    };
}

stages! {
    /// From the start of the app's frame (`First`) to the filling of the player's intent: where devices are read in
    /// `PreUpdate`, or where a script or the game has filled [`PlayerAction`](crate::action::PlayerAction), in
    /// `FixedFirst`. What the system knew of a key before that is not seen.
    InputSample = "input_sample",
    /// To the start of the game's logic: before the fixed main loop. None where a script fills the intent within it.
    SimulationStart = "simulation_start",
    /// Physics ticks, the game's logic, propagation of transforms: the poses of the frame are final.
    SimulationEnd = "simulation_end",
    /// Reading the shadow and handing the request to the dream thread.
    Request = "request",
    /// Until the dream thread takes the request, and what it does beside the stages below.
    Wait = "wait",
    /// Pre-checks of the request; observing and judging the picture.
    Guard = "guard",
    /// Shadow raster, sun visibility, shadow paint.
    Raster = "raster",
    /// Reprojection of past frames, exemplars, packing.
    Condition = "condition",
    /// All denoising steps.
    Denoise = "denoise",
    /// From the network's values to bytes, and what the display needs to know of the picture's shadow.
    Decode = "decode",
    /// Correcting a picture that the guard rejects.
    Correct = "correct",
    /// What is kept for later frames.
    Commit = "commit",
    /// Until the game has taken the picture: it looks once a frame.
    Publish = "publish",
    /// The rest of the app's frame, waiting for the renderer, and the copy into the render world.
    Extract = "extract",
    /// Preparation in the render world up to the end of the picture's upload.
    Upload = "upload",
    /// From there to the end of the encoding of the passes that draw the picture.
    Warp = "warp",
    /// The other passes, submission, and present: until `render_system` has returned. With an image as target there
    /// is no present, and it ends with the submission. When the display lights up is not seen.
    Present = "present",
}
