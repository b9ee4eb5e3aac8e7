//! The bytes that wait for one destination: whole records, written in one call. Pure.

use memchr::{memchr, memchr_iter, memrchr};
use std::collections::VecDeque;

/// Formatted records in order, and how far they are written.
///
/// Bytes of the record in hand stay until the whole of it is written, so that it can be written anew elsewhere.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Everything before is written. `start <= head <= bytes.len()`.
    head: usize,
    /// Where the record in hand begins; everything before is done with.
    start: usize,
    /// Where each record, or run of records, that is not wholly written ends: ascending, all above `head`; the last is
    /// `bytes.len()`.
    ends: VecDeque<End>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    at: usize,
    /// Each line up to there is a record of its own.
    lines: bool,
}

impl Batch {
    /// Adds one record, which `encode` appends to the buffer; one that appends nothing adds none.
    pub(super) fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        if self.append(encode) > 0 {
            self.ends.push_back(End {
                at: self.bytes.len(),
                lines: false,
            });
        }
    }

    /// Adds at least one record; each that `encode` appends is one line.
    pub(super) fn add_lines(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        self.append(encode);
        debug_assert!(self.bytes.ends_with(b"\n"), "whole lines");
        let at = self.bytes.len();
        match self.ends.back_mut().filter(|end| end.lines) {
            Some(end) => end.at = at,
            None => self.ends.push_back(End { at, lines: true }),
        }
    }

    /// How many bytes `encode` appends. If it panics, none.
    fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        struct Unfinished<'a>(&'a mut Vec<u8>, usize);
        impl Drop for Unfinished<'_> {
            fn drop(&mut self) {
                self.0.truncate(self.1);
            }
        }
        let before = self.bytes.len();
        let mut bytes = Unfinished(&mut self.bytes, before);
        encode(bytes.0);
        debug_assert!(bytes.0.len() >= before, "an encoder appends");
        bytes.1 = bytes.0.len();
        bytes.1 - before
    }

    /// Puts a newline before everything that is not written. Only between records.
    pub(super) fn put_newline_first(&mut self) {
        debug_assert!(!self.mid_record(), "a newline inside a record");
        if self.ends.is_empty() {
            self.add(|bytes| bytes.push(b'\n'));
            return;
        }
        self.bytes.insert(self.head, b'\n');
        for end in &mut self.ends {
            end.at += 1;
        }
    }

    /// What is still to be written.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    /// What is still to be written of the records that go into `room` bytes; the first of them in any case where
    /// `one_at_least` says so, or where it is written in part.
    pub(super) fn up_to(&self, room: u64, one_at_least: bool) -> &[u8] {
        let most = self
            .head
            .saturating_add(usize::try_from(room).unwrap_or(usize::MAX));
        let fit = self.ends.partition_point(|end| end.at <= most);
        let mut to = fit
            .checked_sub(1)
            .map_or(self.head, |last| self.ends[last].at);
        // A run of lines may go on in the next file after each.
        if self.ends.get(fit).is_some_and(|end| end.lines)
            && let Some(newline) = memrchr(b'\n', &self.bytes[to..most])
        {
            to += newline + 1;
        }
        if to == self.head && (one_at_least || self.mid_record()) {
            to = self.first_end();
        }
        &self.bytes[self.head..to]
    }

    /// Where the first record ends that is not wholly written.
    fn first_end(&self) -> usize {
        match self.ends.front() {
            None => self.head,
            Some(end) if !end.lines => end.at,
            Some(end) => memchr(b'\n', &self.bytes[self.head..])
                .map_or(end.at, |newline| self.head + newline + 1),
        }
    }

    /// How many bytes are still to be written.
    pub(super) fn pending(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// Whether a record is written in part.
    pub(super) fn mid_record(&self) -> bool {
        self.head > self.start
    }

    /// `written` bytes are out.
    pub(super) fn advance(&mut self, written: usize) {
        self.head += written;
        debug_assert!(self.head <= self.bytes.len(), "more written than there was");
        while let Some(&end) = self.ends.front()
            && end.at <= self.head
        {
            self.start = end.at;
            self.ends.pop_front();
        }
        if self.ends.front().is_some_and(|end| end.lines)
            && let Some(newline) = memrchr(b'\n', &self.bytes[self.start..self.head])
        {
            self.start += newline + 1;
        }
        if self.head == self.bytes.len() {
            self.clear();
        } else if self.start > self.bytes.len() / 2 {
            self.compact();
        }
    }

    /// The record in hand is to be written from its first byte again.
    pub(super) fn rewind(&mut self) {
        self.head = self.start;
    }

    /// Drops all that is not wholly written; how many bytes were unwritten, and of how many records.
    pub(super) fn discard(&mut self) -> (usize, usize) {
        let (mut records, mut from) = (0, self.start);
        for end in &self.ends {
            records += if end.lines {
                memchr_iter(b'\n', &self.bytes[from..end.at]).count()
            } else {
                1
            };
            from = end.at;
        }
        let dropped = (self.pending(), records);
        self.clear();
        dropped
    }

    /// Memory in use, in bytes.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<End>()
    }

    /// Gives memory back that is not in use.
    pub(super) fn shrink(&mut self) {
        self.compact();
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.head = 0;
        self.start = 0;
    }

    /// Moves what is left to the front. `advance` does so when that is the smaller half: each byte is moved about once.
    fn compact(&mut self) {
        self.bytes.drain(..self.start);
        self.head -= self.start;
        for end in &mut self.ends {
            end.at -= self.start;
        }
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch(records: &[&str]) -> Batch {
        let mut batch = Batch::default();
        for record in records {
            batch.add(|out| out.extend_from_slice(record.as_bytes()));
        }
        batch
    }

    #[test]
    fn knows_when_a_record_is_cut() {
        let mut batch = batch(&["aa\n", "bb\n", "cc\n"]);
        assert!(!batch.mid_record());
        batch.advance(3);
        assert!(!batch.mid_record());
        batch.advance(1);
        assert!(batch.mid_record());
        assert_eq!(batch.unwritten(), b"b\ncc\n");
        batch.rewind();
        assert!(!batch.mid_record());
        assert_eq!(batch.unwritten(), b"bb\ncc\n");
        batch.advance(5);
        batch.rewind();
        assert_eq!(batch.unwritten(), b"cc\n");
        batch.advance(3);
        assert_eq!(batch.pending(), 0);
        assert!(!batch.mid_record());
    }

    #[test]
    fn a_newline_goes_before_what_is_unwritten() {
        let mut empty = Batch::default();
        empty.put_newline_first();
        assert_eq!(empty.unwritten(), b"\n");
        let mut batch = batch(&["aa\n", "bb\n"]);
        batch.advance(3);
        batch.put_newline_first();
        assert_eq!(batch.unwritten(), b"\nbb\n");
        batch.advance(4);
        assert_eq!(batch.pending(), 0);
    }

    #[test]
    fn whole_records_go_into_the_room_there_is() {
        let mut batch = batch(&["aa\n", "bbbb\n", "c\n"]);
        for (room, one, bytes) in [
            (0, false, ""),
            (2, false, ""),
            (2, true, "aa\n"),
            (3, false, "aa\n"),
            (7, true, "aa\n"),
            (8, false, "aa\nbbbb\n"),
            (u64::MAX, false, "aa\nbbbb\nc\n"),
        ] {
            assert_eq!(batch.up_to(room, one), bytes.as_bytes(), "{room} {one}");
        }
        batch.advance(4);
        // What is begun is finished.
        assert_eq!(batch.up_to(0, false), b"bbb\n");
        batch.advance(6);
        assert_eq!(batch.up_to(9, true), b"");
    }

    #[test]
    fn a_run_is_cut_after_any_of_its_lines() {
        let mut batch = batch(&["one\n"]);
        batch.add_lines(|out| out.extend_from_slice(b"aa\nbbb\nc\n"));
        batch.add(|out| out.extend_from_slice(b"x\ny\n"));
        for (room, one, bytes) in [
            (3, false, ""),
            (4, false, "one\n"),
            (6, false, "one\n"),
            (7, false, "one\naa\n"),
            (12, false, "one\naa\nbbb\n"),
            (15, false, "one\naa\nbbb\nc\n"),
            (17, false, "one\naa\nbbb\nc\nx\ny\n"),
        ] {
            assert_eq!(batch.up_to(room, one), bytes.as_bytes(), "{room} {one}");
        }
        batch.advance(5);
        assert_eq!(batch.up_to(0, false), b"a\n");
        batch.advance(2);
        assert_eq!(batch.up_to(2, false), b"");
        assert_eq!(batch.up_to(2, true), b"bbb\n");
        batch.advance(6);
        assert_eq!(batch.up_to(3, false), b"");
        assert_eq!(batch.discard(), (4, 1));
    }

    #[test]
    fn discarding_counts() {
        let mut batch = batch(&["aa\n", "bb\n"]);
        batch.advance(4);
        assert_eq!(batch.discard(), (2, 1));
        assert_eq!(batch.discard(), (0, 0));
        assert_eq!(batch.pending(), 0);
    }

    #[test]
    fn nothing_added_is_no_record() {
        let mut batch = Batch::default();
        batch.add(|_| {});
        assert_eq!(batch.discard(), (0, 0));
    }

    #[test]
    fn what_an_encoder_left_unfinished_is_not_there() {
        let mut batch = batch(&["aa\n"]);
        for lines in [false, true] {
            let fall = |out: &mut Vec<u8>| {
                out.extend_from_slice(b"half a rec");
                std::panic::resume_unwind(Box::new("out"));
            };
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                if lines {
                    batch.add_lines(fall);
                } else {
                    batch.add(fall);
                }
            }));
            assert!(result.is_err());
            assert_eq!(batch.unwritten(), b"aa\n");
        }
        assert_eq!(batch.discard(), (3, 1));
    }

    #[test]
    fn memory_is_given_back_when_asked() {
        let mut batch = batch(&["x".repeat(100_000).as_str()]);
        assert!(batch.held() >= 100_000);
        batch.advance(100_000);
        assert!(
            batch.held() >= 100_000,
            "the buffer is kept for the next batch"
        );
        batch.shrink();
        assert_eq!(batch.held(), 0);
    }

    proptest! {
        /// Whatever the cuts and rewinds, what comes out is what went in, and a rewind goes to a record's start.
        #[test]
        fn any_cuts(records in proptest::collection::vec((1..9usize, 0..4usize), 1..30), cuts in proptest::collection::vec((1..12usize, any::<bool>()), 0..60)) {
            let mut batch = Batch::default();
            let mut all = Vec::new();
            let mut starts = vec![0];
            let mut out = Vec::new();
            let mut cuts = cuts.into_iter();
            for (i, (len, lines)) in records.into_iter().enumerate() {
                // So many lines, each a record; or one record of any bytes.
                let mut record = vec![i as u8 + b'A'; len];
                if lines > 0 {
                    record[len - 1] = b'\n';
                }
                for _ in 0..lines.max(1) {
                    all.extend_from_slice(&record);
                    starts.push(all.len());
                }
                if lines > 0 {
                    batch.add_lines(|bytes| bytes.extend_from_slice(&record.repeat(lines)));
                } else {
                    batch.add(|bytes| bytes.extend_from_slice(&record));
                }
                if let Some((cut, rewind)) = cuts.next() {
                    let n = cut.min(batch.pending());
                    out.extend_from_slice(&batch.unwritten()[..n]);
                    batch.advance(n);
                    prop_assert_eq!(batch.mid_record(), !starts.contains(&out.len()));
                    if rewind {
                        batch.rewind();
                        out.truncate(*starts.iter().rev().find(|s| **s <= out.len()).unwrap());
                    }
                }
            }
            out.extend_from_slice(batch.unwritten());
            let left = starts.iter().filter(|start| **start > all.len() - batch.pending()).count();
            prop_assert_eq!(out, all);
            prop_assert_eq!(batch.discard().1, left);
        }
    }
}
