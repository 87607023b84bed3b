//! Work on a CUDA device, recorded once and played back in one call.
//!
//! A small network is some hundred kernels of a few microseconds each, and to launch them one by one takes longer than they run. A CUDA graph launches all
//! of them at once. libtorch has such graphs, but no C interface to them; `shim.cpp` finds them by name in the libtorch that is loaded. Where there is
//! none, or it is another release, [`GraphError`] says so and the work is done call by call.

use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;

/// Of libtorch's words.
const ERROR_BYTES: usize = 512;

/// Why nothing is recorded or played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphError {
    what: &'static str,
    reason: String,
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} a CUDA graph: {}", self.what, self.reason)
    }
}

impl std::error::Error for GraphError {}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the shim's interface")]
mod shim {
    use std::ffi::{c_char, c_int, c_void};

    // SAFETY: as `shim.cpp` defines them. `error` points to `room` bytes; `graph` comes from `reverie_graph_begin` and is used by the thread that
    // got it, and not after `reverie_graph_drop`.
    unsafe extern "C" {
        pub fn reverie_stream_own(error: *mut c_char, room: usize) -> c_int;
        pub fn reverie_graph_begin(error: *mut c_char, room: usize) -> *mut c_void;
        pub fn reverie_graph_end(graph: *mut c_void, error: *mut c_char, room: usize) -> c_int;
        pub fn reverie_graph_replay(graph: *mut c_void, error: *mut c_char, room: usize) -> c_int;
        pub fn reverie_graph_drop(graph: *mut c_void);
    }
}

/// Calls the shim with room for an error.
#[cfg(target_os = "linux")]
fn told<T>(
    what: &'static str,
    call: impl FnOnce(*mut std::ffi::c_char, usize) -> Option<T>,
) -> Result<T, GraphError> {
    let mut error = [0u8; ERROR_BYTES];
    call(error.as_mut_ptr().cast(), error.len()).ok_or_else(|| {
        let end = error.iter().position(|byte| *byte == 0).unwrap_or(error.len());
        let words = String::from_utf8_lossy(&error[..end]);
        // The lines after the first say where in libtorch.
        let reason = words.lines().next().unwrap_or_default().to_owned();
        GraphError { what, reason }
    })
}

/// Gives this thread a stream of its own: on the device's default one nothing can be recorded. What was asked of the device before must be done.
///
/// # Errors
/// There is no CUDA device, or no such libtorch.
pub fn own_stream() -> Result<(), GraphError> {
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "calls the shim")]
    // SAFETY: the pointer and its length are of one buffer.
    return told("find a stream for", |error, room| unsafe {
        (shim::reverie_stream_own(error, room) == 0).then_some(())
    });
    #[cfg(not(target_os = "linux"))]
    Err(unsupported())
}

#[cfg(not(target_os = "linux"))]
fn unsupported() -> GraphError {
    GraphError { what: "record", reason: "they are built for Linux alone".to_owned() }
}

/// A recording. It reads and writes the tensors that the work read and wrote, wherever they lay then, so they must live as long. It stays on its thread.
#[derive(Debug)]
pub struct Graph(NonNull<c_void>);

impl Graph {
    /// Records what `work` asks of the device on this thread; nothing of it is computed before [`replay`](Self::replay). The work must have been done once before,
    /// so that libraries are loaded, and must neither wait for the device nor bring anything there or back.
    ///
    /// # Errors
    /// The outer one: nothing can be recorded, or the work cannot be. The inner one: `work` failed.
    pub fn record<T, E>(
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<(Self, T), E>, GraphError> {
        #[cfg(target_os = "linux")]
        #[expect(unsafe_code, reason = "calls the shim")]
        {
            // SAFETY: the pointer and its length are of one buffer.
            let graph = told("record", |error, room| unsafe {
                NonNull::new(shim::reverie_graph_begin(error, room))
            })?;
            // Dropped whatever happens from here on.
            let graph = Self(graph);
            let made = work();
            // SAFETY: the graph is being recorded by this thread; pointer and length are of one buffer.
            let ended = told("record", |error, room| unsafe {
                (shim::reverie_graph_end(graph.0.as_ptr(), error, room) == 0).then_some(())
            });
            match made {
                Ok(made) => ended.map(|()| Ok((graph, made))),
                Err(error) => Ok(Err(error)),
            }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = work;
            Err(unsupported())
        }
    }

    /// Asks the device to do the work again, on this thread's stream; does not wait for it.
    ///
    /// # Errors
    /// The device refused.
    pub fn replay(&self) -> Result<(), GraphError> {
        #[cfg(target_os = "linux")]
        #[expect(unsafe_code, reason = "calls the shim")]
        // SAFETY: the graph was recorded; pointer and length are of one buffer.
        return told("play", |error, room| unsafe {
            (shim::reverie_graph_replay(self.0.as_ptr(), error, room) == 0).then_some(())
        });
        #[cfg(not(target_os = "linux"))]
        Err(unsupported())
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        #[expect(unsafe_code, reason = "calls the shim")]
        // SAFETY: nobody has the pointer but this.
        unsafe {
            shim::reverie_graph_drop(self.0.as_ptr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_gpu_nothing_is_recorded_and_one_line_says_why() {
        // No test of this crate loads libtorch.
        let error = own_stream().unwrap_err().to_string();
        assert!(error.contains("CUDA graph: ") && error.lines().count() == 1, "{error}");
        let mut done = false;
        let recorded = Graph::record(|| {
            done = true;
            Ok::<(), ()>(())
        });
        assert!(recorded.is_err() && !done);
    }
}
