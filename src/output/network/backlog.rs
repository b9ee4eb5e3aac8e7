//! What a receiver has not surely taken. Pure.
//!
//! Bytes are counted from the first that was ever added. Of them `base <= acknowledged <= next <= end`: before `base` all is
//! forgotten; up to `acknowledged` the receiver's kernel has it; up to `next` it was sent on this connection. What comes before
//! `sure` is in doubt no longer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long and how much is kept that the receiver's kernel has, since its program may not have read it, or not have worked on
/// what it read, and nothing tells how much. Tried: syslog-ng loses half a MiB of what it has read when it is asked to stop.
/// The size is what a kernel with its defaults holds for a program (half of `tcp_rmem`'s 6 MiB, tcp(7)), and some more.
/// Where the messages lie on disk too, they are read again from there, however much that is.
const DOUBT: Duration = Duration::from_secs(10);
pub(crate) const MOST_DOUBT: u64 = 4 << 20;

/// What is acknowledged within this time is noted as one.
const TOGETHER: Duration = Duration::from_millis(10);

/// Messages in order, and how far they have come.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: VecDeque<u8>,
    /// Where each message after `base` ends: ascending; the last is the end.
    ends: VecDeque<u64>,
    sure: u64,
    base: u64,
    acknowledged: u64,
    next: u64,
    /// The byte at which this connection began.
    began: u64,
    /// When what was acknowledged.
    history: VecDeque<(Instant, u64)>,
    /// How much is kept in doubt, in bytes.
    most_doubt: u64,
}

impl Backlog {
    /// An empty one that keeps at most so many bytes in doubt.
    pub(super) fn new(most_doubt: u64) -> Self {
        Self {
            most_doubt,
            ..Self::default()
        }
    }

    /// Adds messages; `ends` are counted from the start of `bytes`, the last is its length.
    pub(super) fn add(&mut self, bytes: &[u8], ends: &[usize]) {
        debug_assert_eq!(ends.last().copied().unwrap_or(0), bytes.len());
        let end = self.end();
        self.bytes.extend(bytes);
        self.ends.extend(ends.iter().map(|at| end + *at as u64));
    }

    /// What comes before is never sent again.
    pub(super) fn sure(&self) -> u64 {
        self.sure
    }

    /// Up to where all was sent on this connection.
    pub(super) fn sent_until(&self) -> u64 {
        self.next
    }

    /// Where the last message ends.
    pub(super) fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Bytes that the receiver's kernel does not have for certain.
    pub(super) fn waiting(&self) -> usize {
        (self.end() - self.acknowledged) as usize
    }

    /// Bytes of messages that are kept.
    pub(super) fn kept(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that were not sent on this connection.
    pub(super) fn unsent(&self) -> usize {
        (self.end() - self.next) as usize
    }

    /// Whether anything is kept that may have to be sent again.
    pub(super) fn in_doubt(&self) -> bool {
        self.next > self.sure
    }

    /// Where everything that the receiver's kernel has ends.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Copies what is to be sent next, at most `most` bytes.
    pub(super) fn next_bytes(&self, most: usize, out: &mut Vec<u8>) {
        out.clear();
        let from = (self.next - self.base) as usize;
        let to = (from + most).min(self.bytes.len());
        out.extend(self.bytes.range(from..to));
    }

    /// Copies the next message.
    pub(super) fn next_message(&self, out: &mut Vec<u8>) {
        let at = self.ends.partition_point(|end| *end <= self.next);
        let end = self.ends.get(at).copied().unwrap_or(self.next);
        self.next_bytes((end - self.next) as usize, out);
    }

    /// So many bytes went out.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.next = (self.next + bytes as u64).min(self.end());
    }

    /// Of what was sent on this connection, `missing` bytes at most are not with the receiver's kernel.
    pub(super) fn missing(&mut self, missing: u64, now: Instant) {
        let there = self.next.saturating_sub(missing).max(self.began);
        let more = there > self.acknowledged;
        if more {
            self.acknowledged = there;
            match self.history.back_mut() {
                Some((at, until)) if now.saturating_duration_since(*at) < TOGETHER => {
                    *until = there;
                }
                _ => self.history.push_back((now, there)),
            }
        }
        // A receiver that takes nothing for a long time has not worked on what it has.
        if more || self.unsent() == 0 {
            self.forget(now);
        }
    }

    /// All but the last `messages` that were sent were taken out of the receiver's queue.
    pub(super) fn messages_missing(&mut self, messages: usize, now: Instant) {
        let sent = self.ends.partition_point(|end| *end <= self.next);
        let first = sent.saturating_sub(messages);
        let there = first.checked_sub(1).map_or(self.base, |i| self.ends[i]);
        self.missing(self.next.saturating_sub(there), now);
    }

    /// What was acknowledged has been read as well: nothing of it is in doubt.
    pub(super) fn read(&mut self) {
        self.history.clear();
        self.settle(self.acknowledged);
    }

    /// Forgets what is in doubt no longer.
    fn forget(&mut self, now: Instant) {
        let mut sure = self.sure;
        while let Some(&(at, there)) = self.history.front() {
            if now.saturating_duration_since(at) < DOUBT {
                break;
            }
            sure = sure.max(there);
            self.history.pop_front();
        }
        self.settle(sure.min(self.acknowledged));
    }

    fn settle(&mut self, sure: u64) {
        self.sure = sure;
        let most = self.acknowledged.saturating_sub(self.most_doubt);
        self.drop_until(sure.max(most));
    }

    /// The connection is gone; the next one begins with the first message that is missing or in doubt. Returns how many
    /// messages are sent a second time.
    pub(super) fn begin_again(&mut self) -> usize {
        let before = self.next;
        self.go_back_to(self.base);
        self.ends.partition_point(|end| *end <= before)
    }

    /// The same where the messages are kept elsewhere: what was added is forgotten, and what begins at `base` is added anew.
    pub(super) fn empty(&mut self, base: u64) {
        self.bytes.clear();
        self.ends.clear();
        self.base = base;
        self.go_back_to(base);
    }

    fn go_back_to(&mut self, base: u64) {
        self.sure = base;
        self.next = base;
        self.began = base;
        self.acknowledged = base;
        self.history.clear();
    }

    /// Forgets whole messages before `until`.
    fn drop_until(&mut self, until: u64) {
        let count = self.ends.partition_point(|end| *end <= until);
        let Some(last) = count.checked_sub(1) else {
            return;
        };
        let base = self.ends[last];
        self.ends.drain(..count);
        self.bytes.drain(..(base - self.base) as usize);
        self.base = base;
        if self.bytes.is_empty() {
            // A burst's memory is not kept for the quiet time after it.
            self.bytes.shrink_to(64 << 10);
            self.ends.shrink_to(1 << 10);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn backlog(messages: &[&str]) -> Backlog {
        let mut backlog = Backlog::new(MOST_DOUBT);
        for message in messages {
            backlog.add(message.as_bytes(), &[message.len()]);
        }
        backlog
    }

    fn next(backlog: &Backlog) -> String {
        let mut out = Vec::new();
        backlog.next_bytes(100, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_known_to_be_read_is_not_sent_again() {
        let now = Instant::now();
        let mut b = backlog(&["aaa", "bbb", "ccc"]);
        b.sent(8);
        b.missing(3, now);
        b.read();
        assert_eq!((b.waiting(), b.unsent()), (4, 1));
        assert_eq!(b.begin_again(), 1);
        assert_eq!(next(&b), "bbbccc");
    }

    #[test]
    fn what_is_in_doubt_is_sent_again() {
        let now = Instant::now();
        let mut b = backlog(&["aaa", "bbb", "ccc"]);
        b.sent(6);
        b.missing(0, now);
        assert_eq!(b.waiting(), 3);
        assert_eq!(b.begin_again(), 2);
        assert_eq!(next(&b), "aaabbbccc");
        b.sent(9);
        b.missing(0, now);
        b.missing(0, now + DOUBT);
        assert!(!b.in_doubt());
        assert_eq!(b.begin_again(), 0);
        assert_eq!(next(&b), "");
    }

    /// As for a queue on disk.
    #[test]
    fn what_is_in_doubt_need_not_be_kept_here() {
        let now = Instant::now();
        let mut b = Backlog::new(0);
        b.add(b"aaabbb", &[3, 6]);
        b.sent(6);
        b.missing(3, now);
        assert_eq!((b.kept(), b.sure(), b.acknowledged()), (3, 0, 3));
        b.missing(0, now + DOUBT / 2);
        assert_eq!((b.kept(), b.sure()), (0, 0));
        b.missing(0, now + DOUBT);
        assert_eq!(b.sure(), 3);
        assert!(b.in_doubt());
        b.empty(3);
        b.add(b"bbb", &[3]);
        assert_eq!((next(&b), b.waiting()), ("bbb".to_owned(), 3));
        b.sent(3);
        b.missing(0, now + DOUBT);
        b.missing(0, now + DOUBT * 2);
        assert!(!b.in_doubt());
    }

    #[test]
    fn the_doubt_has_a_limit() {
        let now = Instant::now();
        let mut b = Backlog::new(MOST_DOUBT);
        let message = vec![b'x'; 1000];
        for _ in 0..6000 {
            b.add(&message, &[message.len()]);
        }
        b.sent(6_000_000);
        b.missing(0, now);
        assert!(b.end() - b.base <= MOST_DOUBT + 1000);
    }

    #[test]
    fn datagrams_are_whole_and_a_receivers_queue_bounds_what_is_missing() {
        let now = Instant::now();
        let mut b = backlog(&["aaa", "b", "cc"]);
        let mut out = Vec::new();
        b.next_message(&mut out);
        assert_eq!(out, b"aaa");
        b.sent(3);
        b.next_message(&mut out);
        assert_eq!(out, b"b");
        b.sent(1);
        b.messages_missing(1, now);
        b.read();
        assert_eq!((b.waiting(), b.unsent()), (3, 2));
        assert_eq!(b.begin_again(), 1);
        b.next_message(&mut out);
        assert_eq!(out, b"b");
    }

    proptest! {
        /// Whatever is sent and acknowledged, and however connections end: what the receiver read is a prefix, in order, of what
        /// was added, but for messages that come again, and in the end all is there.
        #[test]
        fn nothing_is_lost(sizes in proptest::collection::vec(1..20usize, 1..40), steps in proptest::collection::vec((0..30usize, 0..30usize, 0..4u8), 0..60)) {
            let now = Instant::now();
            let mut b = Backlog::new(MOST_DOUBT);
            let mut all = Vec::new();
            for (i, size) in sizes.iter().enumerate() {
                let message = vec![i as u8; *size];
                b.add(&message, &[*size]);
                all.push(message);
            }
            // What the receiver made of its connections: whole messages only.
            let mut got: Vec<u8> = Vec::new();
            let mut connection: Vec<u8> = Vec::new();
            let mut out = Vec::new();
            // What the receiver's kernel acknowledged never becomes less.
            let mut there = 0;
            let whole = |bytes: &[u8], got: &mut Vec<u8>| {
                let mut rest = bytes;
                while let Some(&id) = rest.first() {
                    let size = sizes[id as usize];
                    if rest.len() < size {
                        break;
                    }
                    got.push(id);
                    rest = &rest[size..];
                }
            };
            for (send, missing, end) in steps {
                b.next_bytes(send, &mut out);
                b.sent(out.len());
                connection.extend_from_slice(&out);
                let missing = missing.min(connection.len());
                there = there.max(connection.len() - missing);
                b.missing(missing as u64, now);
                match end {
                    // Everything but the missing was read, and that is known.
                    0 => {
                        whole(&connection[..there], &mut got);
                        there = 0;
                        b.read();
                        b.begin_again();
                        connection.clear();
                    }
                    // Nothing was read.
                    1 => {
                        b.begin_again();
                        there = 0;
                        connection.clear();
                    }
                    _ => {}
                }
            }
            b.next_bytes(usize::MAX >> 1, &mut out);
            connection.extend_from_slice(&out);
            whole(&connection, &mut got);
            let first_seen: Vec<u8> = got.iter().enumerate().filter(|(i, id)| !got[..*i].contains(id)).map(|(_, id)| *id).collect();
            prop_assert_eq!(first_seen, (0..sizes.len() as u8).collect::<Vec<_>>());
        }
    }
}
