//! The bytes that are not decided yet: first those kept from earlier reads, then the rest of this one.

use super::{Record, Sink, lines};
use std::collections::VecDeque;

/// What an idle stream may keep of its buffer.
const IDLE: usize = 8 << 10;
/// How many times of reading are remembered for one record.
const MARKS: usize = 32;

/// Undecided bytes, in a buffer and behind it in the input at hand. They are copied only when they must be kept, or
/// when a record lies in both.
#[derive(Debug, Default)]
pub(super) struct Store {
    buf: Vec<u8>,
    /// Undecided bytes in `buf` begin here.
    head: usize,
    /// Undecided bytes in the input begin here.
    from: usize,
    /// Where in the stream the first undecided byte stands.
    base: u64,
    /// From which place in the stream on bytes were read when.
    marks: VecDeque<(u64, u64)>,
    /// At the front of the input: bytes that are records already, a line each, and how many. They leave together.
    run: (usize, usize),
}

impl Store {
    /// A new input, read at `wall_us`.
    pub(super) fn begin(&mut self, wall_us: u64) {
        self.from = 0;
        let at = self.base + self.kept() as u64;
        if self.kept() == 0 {
            self.marks.clear();
        } else if self.marks.back().is_some_and(|m| m.1 == wall_us) {
            return;
        }
        if self.marks.len() == MARKS {
            // Coarser from now on: a time may be that of the read before.
            let mut i = 0;
            self.marks.retain(|_| {
                i += 1;
                i % 2 == 1
            });
        }
        self.marks.push_back((at, wall_us));
    }

    /// No input is at hand.
    pub(super) fn rewind(&mut self) {
        self.from = 0;
    }

    /// Undecided bytes in the buffer.
    #[inline]
    pub(super) fn kept(&self) -> usize {
        self.buf.len() - self.head
    }

    /// The first `len` undecided bytes in one piece.
    #[inline]
    pub(super) fn front<'a>(&'a mut self, input: &'a [u8], len: usize) -> &'a [u8] {
        let kept = self.kept();
        if kept == 0 {
            return &input[self.from..self.from + len];
        }
        if len > kept {
            let missing = len - kept;
            self.append(&input[self.from..self.from + missing]);
            self.from += missing;
        }
        &self.buf[self.head..self.head + len]
    }

    /// Takes the first `len` bytes, which [`Self::front`] has shown, away, and gives them to `leave` with the time at
    /// which they were read. What is taken away stays taken if `leave` panics.
    #[inline]
    pub(super) fn take(&mut self, input: &[u8], len: usize, leave: impl FnOnce(&[u8], u64)) {
        let wall_us = self.wall_us();
        self.base += len as u64;
        if self.kept() == 0 {
            let at = self.from;
            self.from += len;
            return leave(&input[at..at + len], wall_us);
        }
        self.front(input, len);
        let head = self.head;
        self.head += len;
        leave(&self.buf[head..head + len], wall_us);
        if self.head == self.buf.len() {
            self.buf.clear();
            self.head = 0;
        }
    }

    /// The next `len` bytes are a line and a record. True: it waits, to leave with others by [`Self::take_run`], which must
    /// come before anything else is done with the store; false where bytes are kept, and it has to be taken by itself.
    #[inline]
    pub(super) fn defer(&mut self, len: usize) -> bool {
        if self.kept() > 0 {
            return false;
        }
        self.run.0 += len;
        self.run.1 += 1;
        true
    }

    /// Takes what was deferred away and gives it to `sink`, which may want it line by line. What the sink has not been given
    /// when it panics is not taken.
    #[inline]
    pub(super) fn take_run(&mut self, input: &[u8], sink: &mut dyn Sink) {
        let (len, count) = std::mem::take(&mut self.run);
        if count == 0 {
            return;
        }
        let run = &input[self.from..self.from + len];
        let wall_us = self.wall_us();
        if sink.lines(run, count, wall_us) {
            self.from += len;
            self.base += len as u64;
            return;
        }
        for line in lines(run) {
            self.take(input, line.len(), |bytes, wall_us| {
                sink.record(&Record::line(bytes, wall_us));
            });
        }
    }

    /// The last `len` bytes that are kept, followed by the input up to `end`, in one piece in the buffer.
    pub(super) fn gather(&mut self, input: &[u8], len: usize, end: usize) -> &[u8] {
        self.keep(input, end);
        &self.buf[self.buf.len() - len..]
    }

    /// Keeps the input up to `end`.
    pub(super) fn keep(&mut self, input: &[u8], end: usize) {
        if self.head > 0 && self.head >= self.kept() {
            self.buf.drain(..self.head);
            self.head = 0;
        }
        self.append(&input[self.from..end]);
        self.from = end;
    }

    /// Takes the room of what has left before it grows, and grows by a quarter at most beyond what is needed: of many
    /// streams each may hold a long record.
    fn append(&mut self, bytes: &[u8]) {
        let free = |buf: &Vec<u8>| buf.capacity() - buf.len();
        if bytes.len() > free(&self.buf) {
            self.buf.drain(..std::mem::take(&mut self.head));
        }
        if bytes.len() > free(&self.buf) {
            self.buf
                .reserve_exact(bytes.len().max(self.buf.capacity() / 4));
        }
        self.buf.extend_from_slice(bytes);
    }

    /// Gives memory back that is no longer needed.
    pub(super) fn shrink(&mut self) {
        if self.kept() == 0 {
            self.buf.clear();
            self.head = 0;
        }
        if self.buf.capacity() > IDLE && self.buf.len() < self.buf.capacity() / 4 {
            self.buf.shrink_to(IDLE.max(self.buf.len() * 2));
        }
    }

    /// Memory in use.
    pub(super) fn capacity(&self) -> usize {
        self.buf.capacity() + self.marks.capacity() * size_of::<(u64, u64)>()
    }

    /// How much of the input has left or is kept.
    pub(super) fn taken(&self) -> usize {
        self.from
    }

    /// All that is kept; the store is empty afterwards.
    pub(super) fn drain(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.buf);
        bytes.drain(..self.head.min(bytes.len()));
        self.head = 0;
        self.base += bytes.len() as u64;
        self.marks.clear();
        bytes
    }

    /// When the first undecided byte was read.
    #[inline]
    fn wall_us(&mut self) -> u64 {
        while self.marks.len() > 1 && self.marks[1].0 <= self.base {
            self.marks.pop_front();
        }
        self.marks.front().map_or(0, |m| m.1)
    }
}
