//! What tests of several rooms use.

use std::time::{Duration, Instant};

/// A time limit only to fail.
const LIMIT: Duration = Duration::from_secs(30);

/// Looks until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !so() {
        assert!(Instant::now() < end, "not seen within {LIMIT:?}: {what}");
        std::thread::yield_now();
    }
}
