//! The prefix of a stream's last plain log line: the next line mostly has the same, with other digits. Pure.

use super::line::trim_end;
use super::logstart::{Log, Start, decisive};

/// Longer prefixes are not remembered, in bytes.
const MOST: usize = 96;

/// What decided that a line is a logger's, and below WARNING: a stamp and a level. Where another line has the same bytes there,
/// digits for digits, [`super::logstart::log_start`] says the same of it; this only says it sooner.
#[derive(Debug)]
pub(super) struct Familiar {
    prefix: [u8; MOST],
    len: usize,
    log: Log,
}

impl Default for Familiar {
    fn default() -> Self {
        Self {
            prefix: [0; MOST],
            len: 0,
            log: Log::default(),
        }
    }
}

impl Familiar {
    /// A line that the rules have judged. `line` has no colours.
    pub(super) fn learn(&mut self, line: &[u8], start: Option<Start>) {
        let Some(Start::Log(log)) = start.filter(|s| *s == Start::Log(Log::default())) else {
            return;
        };
        if let Some(len) = decisive(trim_end(line)).filter(|len| *len <= MOST) {
            self.prefix[..len].copy_from_slice(&line[..len]);
            self.len = len;
            self.log = log;
        }
    }

    /// What `line`, which has no colours, is, if it begins like the one before.
    #[inline]
    pub(super) fn recognise(&self, line: &[u8]) -> Option<Log> {
        let known = &self.prefix[..self.len];
        let (front, rest) = line.split_at_checked(known.len())?;
        let digit = |b: u8| b.wrapping_sub(b'0') < 10;
        // Without a branch in it, so that the compiler makes it wide.
        let same = known.iter().zip(front).fold(true, |same, (a, b)| {
            same & ((a == b) | (digit(*a) & digit(*b)))
        });
        // Erlang's header is a prefix and nothing else; its message is the next line.
        (self.len > 0 && same && !matches!(rest, b"\n" | b"\r\n" | b"")).then_some(self.log)
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Line;
    use super::super::logstart::log_start;
    use super::*;
    use proptest::prelude::*;

    fn slow(line: &[u8]) -> Option<Start> {
        log_start(&Line::new(trim_end(line), false))
    }

    fn after(line: &[u8]) -> Familiar {
        let mut familiar = Familiar::default();
        familiar.learn(line, slow(line));
        familiar
    }

    const LINES: [&str; 8] = [
        "[2026-11-23 10:00:00 +0000] [123] [INFO] up\n",
        "2026-11-23 10:00:00,000 INFO up\n",
        "2026-11-23T10:00:00.123Z [info] up\r\n",
        "2026/11/23 10:00:00 app: DEBUG: up\n",
        "2026-11-23 10:00:00 | info | up\n",
        "2026-11-23 [debug    ] up\n",
        "[2026-11-23T10:00:00Z INFO  app] up\n",
        "2026-11-23 10:00:00 level=info up\n",
    ];

    #[test]
    fn the_same_with_other_digits_is_recognised() {
        let familiar = after(LINES[0].as_bytes());
        let next = b"[2027-01-02 23:59:59 +0100] [456] [INFO] down\n";
        assert!(familiar.recognise(next).is_some());
        for other in [
            "[2027-01-02 23:59:59 +0100] [456] [ERROR] down\n",
            "[2027-01-02 23:59:59 +0100] [4567] [INFO] down\n",
            "[2027-01-02\n",
            "\n",
        ] {
            assert!(familiar.recognise(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn what_is_grave_or_without_a_level_is_not_remembered() {
        for line in [
            "[2026-11-23 10:00:00 +0000] [123] [ERROR] up\n",
            "2026-11-23 10:00:00 up\n",
            "INFO up\n",
            "",
        ] {
            assert!(
                after(line.as_bytes()).recognise(line.as_bytes()).is_none(),
                "{line}"
            );
        }
    }

    proptest! {
        /// Whatever is changed in a line, it is not recognised as what the rules would not call it.
        #[test]
        fn never_other_than_the_rules(
            line in proptest::sample::select(&LINES[..]),
            other in proptest::sample::select(&LINES[..]),
            changes in proptest::collection::vec((0..60usize, proptest::sample::select(&b"0123456789-:. [|]=,TZIiE\t"[..])), 0..4),
            cut in 0..70usize,
            tail in "[ -~]{0,20}",
        ) {
            let mut next = other.as_bytes()[..cut.min(other.len())].to_vec();
            next.extend_from_slice(tail.as_bytes());
            for (at, byte) in changes {
                if let Some(b) = next.get_mut(at) { *b = byte; }
            }
            if let Some(log) = after(line.as_bytes()).recognise(&next) {
                prop_assert_eq!(slow(&next), Some(Start::Log(log)));
            }
        }
    }
}
