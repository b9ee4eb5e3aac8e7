//! How long to wait between tries. Pure.

use std::time::Duration;

/// Delays that double from failure to failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delays {
    /// The one after the first failure.
    pub(super) first: Duration,
    /// None is longer.
    pub(super) longest: Duration,
}

impl Delays {
    /// The delay after one more failure; `last` is that after the failure before it, if there was one since things worked.
    pub(super) fn after(self, last: Option<Duration>) -> Duration {
        last.map_or(self.first, |last| (last * 2).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_double_up_to_the_longest() {
        let seconds = Duration::from_secs;
        let delays = Delays {
            first: seconds(1),
            longest: seconds(5),
        };
        let mut last = None;
        let mut next = || *last.insert(delays.after(last));
        assert_eq!(
            [next(), next(), next(), next(), next()],
            [1, 2, 4, 5, 5].map(seconds)
        );
    }
}
