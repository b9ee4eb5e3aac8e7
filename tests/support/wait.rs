//! Waiting for what is observed.

use std::time::{Duration, Instant};

/// How long a test waits before it fails. Nothing is ever expected to take this long.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Looks until there is something to see.
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    match within(LIMIT, look) {
        Some(seen) => seen,
        None => panic!("not seen within {LIMIT:?}: {what}"),
    }
}

/// Looks until something is true.
#[track_caller]
pub fn until_true(what: &str, mut look: impl FnMut() -> bool) {
    until(what, || look().then_some(()));
}

/// Looks until there is something to see or the time is over.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if start.elapsed() > limit {
            return None;
        }
        pause(Duration::from_millis(2));
    }
}

/// Lets others run between two looks. Nothing may depend on its length; a wait for an effect is [`until`].
pub fn pause(time: Duration) {
    std::thread::park_timeout(time);
}
