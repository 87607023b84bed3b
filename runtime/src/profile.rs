//! Zones, frames, plots and messages for Tracy, in one place.
//!
//! | macro | gives |
//! |---|---|
//! | [`profile_thread!`](crate::profile_thread) | a name for the thread that runs it |
//! | [`profile_function!`](crate::profile_function), [`profile_scope!`](crate::profile_scope) | a zone until the end of the block |
//! | [`profile_wait!`](crate::profile_wait) | the same, named `[WAIT] …`: so a trace tells work from waiting |
//! | [`profile_frame!`](crate::profile_frame) | a discontinuous frame until the end of the block |
//! | [`profile_plot!`](crate::profile_plot) | a point of a curve; its name carries the unit |
//! | [`profile_message!`](crate::profile_message) | a line in the message list, formatted as `format!` does |
//! | [`profile_image!`](crate::profile_image) | a small picture of the frame |
//!
//! Without the feature `tracy` all of them expand to nothing: their arguments are not even evaluated, nothing
//! of Tracy is linked, and no socket is opened.

#[cfg(feature = "tracy")]
mod tracy;

#[cfg(feature = "tracy")]
#[doc(hidden)]
pub use tracy::{image, name_thread};
#[cfg(feature = "tracy")]
#[doc(hidden)]
pub use tracy_client;

/// Names the thread that runs it.
#[cfg(feature = "tracy")]
#[macro_export]
macro_rules! profile_thread {
    ($name:expr) => {
        $crate::profile::name_thread($name)
    };
}

/// Names the thread that runs it.
#[cfg(not(feature = "tracy"))]
#[macro_export]
macro_rules! profile_thread {
    ($name:expr) => {};
}

/// A zone with the name of the function, until the end of the block.
#[cfg(feature = "tracy")]
#[macro_export]
macro_rules! profile_function {
    () => {
        let _profile_zone = {
            let location = $crate::profile::tracy_client::span_location!();
            $crate::profile::tracy_client::Client::running().map(|client| client.span(location, 0))
        };
    };
}

/// A zone with the name of the function, until the end of the block.
#[cfg(not(feature = "tracy"))]
#[macro_export]
macro_rules! profile_function {
    () => {};
}

/// A zone with a literal name, until the end of the block.
#[cfg(feature = "tracy")]
#[macro_export]
macro_rules! profile_scope {
    ($name:literal) => {
        let _profile_zone = {
            let location = $crate::profile::tracy_client::span_location!($name);
            $crate::profile::tracy_client::Client::running().map(|client| client.span(location, 0))
        };
    };
}

/// A zone with a literal name, until the end of the block.
#[cfg(not(feature = "tracy"))]
#[macro_export]
macro_rules! profile_scope {
    ($name:literal) => {};
}

/// A zone named `[WAIT] …`, until the end of the block.
#[cfg(feature = "tracy")]
#[macro_export]
macro_rules! profile_wait {
    ($name:literal) => {
        let _profile_zone = {
            let location = $crate::profile::tracy_client::span_location!(concat!("[WAIT] ", $name));
            $crate::profile::tracy_client::Client::running().map(|client| client.span(location, 0))
        };
    };
}

/// A zone named `[WAIT] …`, until the end of the block.
#[cfg(not(feature = "tracy"))]
#[macro_export]
macro_rules! profile_wait {
    ($name:literal) => {};
}

/// A discontinuous frame, until the end of the block.
#[cfg(feature = "tracy")]
#[macro_export]
macro_rules! profile_frame {
    ($name:literal) => {
        let _profile_frame = $crate::profile::tracy_client::Client::running().map(|client| {
            client.non_continuous_frame($crate::profile::tracy_client::frame_name!($name))
        });
    };
}

/// A discontinuous frame, until the end of the block.
#[cfg(not(feature = "tracy"))]
#[macro_export]
macro_rules! profile_frame {
    ($name:literal) => {};
}

/// A point of the curve with a literal name, which carries the unit: `"source age ms"`.
#[cfg(feature = "tracy")]
#[macro_export]
macro_rules! profile_plot {
    ($name:literal, $value:expr) => {
        if let Some(client) = $crate::profile::tracy_client::Client::running() {
            client.plot($crate::profile::tracy_client::plot_name!($name), $value);
        }
    };
}

/// A point of the curve with a literal name, which carries the unit: `"source age ms"`.
#[cfg(not(feature = "tracy"))]
#[macro_export]
macro_rules! profile_plot {
    ($name:literal, $value:expr) => {};
}

/// A line in the message list.
#[cfg(feature = "tracy")]
#[macro_export]
macro_rules! profile_message {
    ($($text:tt)*) => {
        if let Some(client) = $crate::profile::tracy_client::Client::running() {
            client.message(&format!($($text)*), 0);
        }
    };
}

/// A line in the message list.
#[cfg(not(feature = "tracy"))]
#[macro_export]
macro_rules! profile_message {
    ($($text:tt)*) => {};
}

/// A picture of the frame in hand: RGBA, width, height. Larger ones are sent smaller.
#[cfg(feature = "tracy")]
#[macro_export]
macro_rules! profile_image {
    ($rgba:expr, $width:expr, $height:expr) => {
        $crate::profile::image($rgba, $width, $height)
    };
}

/// A picture of the frame in hand: RGBA, width, height. Larger ones are sent smaller.
#[cfg(not(feature = "tracy"))]
#[macro_export]
macro_rules! profile_image {
    ($rgba:expr, $width:expr, $height:expr) => {};
}

#[cfg(all(test, not(feature = "tracy")))]
mod tests {
    #[test]
    fn without_the_feature_nothing_is_evaluated() {
        fn all_of_them() -> bool {
            profile_function!();
            profile_scope!("scope");
            profile_wait!("wait");
            profile_frame!("frame");
            profile_plot!("plot", panic!("evaluated"));
            profile_message!("{}", panic!("evaluated"));
            profile_image!(panic!("evaluated"), 0, 0);
            profile_thread!(panic!("evaluated"));
            true
        }
        assert!(all_of_them());
    }
}
