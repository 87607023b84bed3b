//! How far the dream thread stands back behind the game.

/// The most that a thread can stand back.
pub const LOWEST_NICE: u8 = 19;

/// Lowers the priority of the thread in hand, and of those that it starts.
#[cfg(any(target_os = "linux", windows))]
pub(super) fn lower(nice: u8) {
    use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

    if nice == 0 {
        return;
    }
    match ThreadPriorityValue::try_from(crossplatform(nice)).map(ThreadPriority::Crossplatform) {
        Ok(priority) => {
            if let Err(error) = set_current_thread_priority(priority) {
                tracing::warn!("the dream thread keeps its priority: {error:?}");
            }
        }
        Err(error) => tracing::warn!("the dream thread keeps its priority: {error}"),
    }
}

/// Elsewhere priorities are those of whole processes, or need rights that a game does not have.
#[cfg(not(any(target_os = "linux", windows)))]
pub(super) fn lower(_nice: u8) {}

/// The value, 0 to 99, that `thread_priority` turns into this niceness: it lays -20 to 19 over its range, downwards.
#[cfg(any(target_os = "linux", windows))]
fn crossplatform(nice: u8) -> u8 {
    let step = f32::from(nice.min(LOWEST_NICE)) + 20.5;
    (100.0 * (1.0 - step / 39.0)).round().clamp(0.0, 99.0) as u8
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    /// Field 19 of `stat` is the niceness.
    fn own_nice() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        after_name.split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[test]
    fn a_thread_stands_back_and_others_do_not() {
        let before = own_nice();
        for nice in [5, 10, 19] {
            let inside = std::thread::spawn(move || {
                super::lower(nice);
                (own_nice(), std::thread::spawn(own_nice).join().unwrap())
            });
            let expected = i32::from(nice);
            assert_eq!(inside.join().unwrap(), (expected, expected), "and its children");
        }
        assert_eq!(own_nice(), before);
    }
}
