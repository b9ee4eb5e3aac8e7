//! The bytes that wait for one destination: whole records, written in one call. Pure.

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
    /// Where each record that is not wholly written ends: ascending, all above `head`; the last is `bytes.len()`.
    ends: VecDeque<usize>,
}

impl Batch {
    /// Adds one record, which `encode` appends to the buffer; one that appends nothing adds none.
    pub(super) fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        encode(&mut self.bytes);
        debug_assert!(self.bytes.len() >= before, "an encoder appends");
        if self.bytes.len() > before {
            self.ends.push_back(self.bytes.len());
        }
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
            *end += 1;
        }
    }

    /// What is still to be written.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    /// What is still to be written of the records that go into `room` bytes; the first of them in any case where
    /// `one_at_least` says so, or where it is written in part.
    pub(super) fn up_to(&self, room: u64, one_at_least: bool) -> &[u8] {
        let fit = self
            .ends
            .partition_point(|&end| (end - self.head) as u64 <= room);
        let forced = one_at_least || self.mid_record();
        let records = fit.max(usize::from(forced && !self.ends.is_empty()));
        let end = records
            .checked_sub(1)
            .map_or(self.head, |last| self.ends[last]);
        &self.bytes[self.head..end]
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
            && end <= self.head
        {
            self.start = end;
            self.ends.pop_front();
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
        let dropped = (self.pending(), self.ends.len());
        self.clear();
        dropped
    }

    /// Memory in use, in bytes.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
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
            *end -= self.start;
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
        fn any_cuts(records in proptest::collection::vec(1..9usize, 1..30), cuts in proptest::collection::vec((1..12usize, any::<bool>()), 0..60)) {
            let mut batch = Batch::default();
            let mut all = Vec::new();
            let mut starts = vec![0];
            let mut out = Vec::new();
            let mut cuts = cuts.into_iter();
            for (i, len) in records.into_iter().enumerate() {
                let record = vec![i as u8; len];
                all.extend_from_slice(&record);
                starts.push(all.len());
                batch.add(|bytes| bytes.extend_from_slice(&record));
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
            prop_assert_eq!(out, all);
        }
    }
}
