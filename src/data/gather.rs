//! Whether to let data gather before the next look at the pipes. Pure.
//!
//! A wake-up of the reader costs several microseconds, a line of 120 bytes in a read of many a few hundredths of one. While
//! the streams are busy a short pause after each round lets the pipes fill, so that one wake-up serves hundreds of lines;
//! a stream that writes now and then is read at once.

use std::time::Duration;

/// The pause after a busy round. In that time a writer that does nothing else fills about a whole pipe of 64 KiB.
const PAUSE: Duration = Duration::from_micros(300);

/// A round that read this much was busy, in bytes.
const BUSY: usize = 8 << 10;

/// What the last round read.
#[derive(Debug, Default)]
pub(super) struct Gather {
    read: usize,
}

impl Gather {
    /// So many bytes were read.
    pub(super) fn took(&mut self, len: usize) {
        self.read += len;
    }

    /// The round is over: how long to pause before the next.
    pub(super) fn pause(&mut self) -> Option<Duration> {
        (std::mem::take(&mut self.read) >= BUSY).then_some(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_busy_round_is_followed_by_a_pause() {
        let mut gather = Gather::default();
        assert_eq!(gather.pause(), None);
        gather.took(120);
        assert_eq!(gather.pause(), None);
        for _ in 0..16 {
            gather.took(BUSY / 16);
        }
        assert_eq!(gather.pause(), Some(PAUSE));
        assert_eq!(gather.pause(), None, "a new round");
    }
}
