//! How far the dream thread stands back behind the game.

/// The most that a thread can stand back.
pub const LOWEST_NICE: u8 = 19;

/// Lowers the priority of the thread in hand, and of those that it starts, by so much.
#[cfg(any(target_os = "linux", windows))]
pub(super) fn lower(by: u8) {
    use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

    if by == 0 {
        return;
    }
    let nice = (own_nice() + i32::from(by)).min(i32::from(LOWEST_NICE));
    match ThreadPriorityValue::try_from(crossplatform(nice)).map(ThreadPriority::Crossplatform) {
        Ok(priority) => {
            if let Err(error) = set_current_thread_priority(priority) {
                tracing::warn!("the dream thread keeps its priority: {error:?}");
            }
        }
        Err(error) => tracing::warn!("the dream thread keeps its priority: {error}"),
    }
}

/// Niceness of the thread in hand: a game may have been started with another one than 0.
#[cfg(any(target_os = "linux", windows))]
fn own_nice() -> i32 {
    // The 19th field; the second one, the name in brackets, may have blanks in it.
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().nth(16).and_then(|nice| nice.parse().ok()).unwrap_or(0)
}

/// Elsewhere priorities are those of whole processes, or need rights that a game does not have.
#[cfg(not(any(target_os = "linux", windows)))]
pub(super) fn lower(_nice: u8) {}

/// The value, 0 to 99, that `thread_priority` turns into this niceness: it lays -20 to 19 over its range, downwards.
#[cfg(any(target_os = "linux", windows))]
fn crossplatform(nice: i32) -> u8 {
    let step = nice as f32 + 20.5;
    (100.0 * (1.0 - step / 39.0)).round().clamp(0.0, 99.0) as u8
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{LOWEST_NICE, lower, own_nice};

    #[test]
    fn a_thread_stands_back_and_others_do_not() {
        let before = own_nice();
        for by in [1, 5, 19] {
            let inside = std::thread::spawn(move || {
                lower(by);
                (own_nice(), std::thread::spawn(own_nice).join().unwrap())
            });
            let expected = (before + i32::from(by)).min(i32::from(LOWEST_NICE));
            assert_eq!(inside.join().unwrap(), (expected, expected), "and its children");
        }
        assert_eq!(own_nice(), before);
    }
}
