//! One stream's bytes in, its records out.

use super::familiar::Familiar;
use super::line::{CLIP, Line, trim_end};
use super::logstart::Start;
use super::look::{Marked, look};
use super::machine::{Emit, Machine, Marks};
use super::rules::{Rules, Seen};
use super::store::Store;
use super::trace::trace;
use super::{Kind, Part, Record, Sink, Stamp};
use memchr::{memchr_iter, memrchr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes records of one stream.
///
/// What is held is, in this order: the open record, a few lines behind it that are not decided, half a line.
#[derive(Debug)]
pub struct Assembler {
    rules: Arc<Rules>,
    machine: Machine,
    store: Store,
    /// The last bytes that are held, if no newline ends them. Not counted inside a line longer than the rules see:
    /// those bytes belong to the open record at once.
    half: usize,
    familiar: Familiar,
    /// The length of the last line, if it came in one piece: an open record of that length is one line.
    last: usize,
    /// A line without its colours.
    scratch: Vec<u8>,
    /// When the last complete line came, and the last byte.
    line_at: Option<Instant>,
    byte_at: Option<Instant>,
}

impl Assembler {
    /// An assembler that holds nothing.
    pub fn new(rules: Arc<Rules>) -> Self {
        let (machine, store) = (Machine::default(), Store::default());
        Self {
            rules,
            machine,
            store,
            half: 0,
            familiar: Familiar::default(),
            last: 0,
            scratch: Vec::new(),
            line_at: None,
            byte_at: None,
        }
    }

    /// Takes bytes as they were read, and gives to `sink` every record that they complete.
    pub fn push(&mut self, bytes: &[u8], now: Stamp, sink: &mut dyn Sink) {
        if bytes.is_empty() {
            return;
        }
        self.store.begin(now.wall_us);
        self.byte_at = Some(now.at);
        // One look ahead for many lines: few have a capital E, and fewer an escape.
        let (mut at, mut marks) = (0, Marked::default());
        for newline in memchr_iter(b'\n', bytes) {
            let end = newline + 1;
            self.line(bytes, at, end, &mut marks, sink);
            at = end;
        }
        self.store.take_run(bytes, sink);
        if at > 0 {
            self.line_at = Some(now.at);
        }
        self.rest(bytes, at, sink);
        self.store.keep(bytes, bytes.len());
        self.tidy();
    }

    /// When silence should be looked at; `None`: nothing waits.
    pub fn deadline(&self) -> Option<Instant> {
        let record = self.record_deadline();
        let line = self.line_deadline();
        record.into_iter().chain(line).min()
    }

    /// Nothing more is to be read for now: what waited long enough leaves. Harmless when called early.
    pub fn silent(&mut self, now: Instant, sink: &mut dyn Sink) {
        if self.line_deadline().is_some_and(|at| at <= now) {
            self.end(sink);
        } else if self.record_deadline().is_some_and(|at| at <= now) {
            self.machine.flush();
            self.leave(&[], sink);
            self.tidy();
        }
    }

    /// The end of the stream: everything leaves. The assembler can be used again afterwards.
    pub fn end(&mut self, sink: &mut dyn Sink) {
        let half = std::mem::take(&mut self.half);
        self.store.rewind();
        if half > 0 {
            let bytes = self.store.gather(&[], half, 0);
            let line = look(&self.rules, bytes, &mut self.scratch, true);
            decide(
                &mut self.machine,
                &self.rules,
                (line, None),
                bytes,
                half,
                false,
            );
        }
        self.machine.flush();
        self.leave(&[], sink);
        self.tidy();
    }

    /// The memory ceiling: what is held leaves as a part, but for a rest that keeps the last part from being empty.
    pub fn cut(&mut self, sink: &mut dyn Sink) {
        self.store.rewind();
        let open = self.machine.open_len();
        let bytes = self.store.front(&[], open);
        let len = memrchr(b'\n', &bytes[..open.saturating_sub(1)])
            .map_or_else(|| whole_chars(bytes, open.saturating_sub(4)), |i| i + 1);
        if len > 0 {
            self.part(&[], len, sink);
        }
        self.store.keep(&[], 0);
        self.tidy();
    }

    /// Whether nothing is held: no open record, no half line.
    pub fn is_empty(&self) -> bool {
        self.store.kept() == 0
    }

    /// Bytes of memory in use.
    pub fn held(&self) -> usize {
        self.store.capacity()
            + self.scratch.capacity()
            + self.machine.out.capacity() * size_of::<Emit>()
    }

    /// After a panic: all bytes that are held, and the assembler as new. What [`Assembler::taken`] does not count of the
    /// last push follows them.
    pub fn take_raw(&mut self) -> Vec<u8> {
        let bytes = self.store.drain();
        *self = Self::new(Arc::clone(&self.rules));
        bytes
    }

    /// How many bytes of the last push have left or are held: all, unless it panicked.
    pub fn taken(&self) -> usize {
        self.store.taken()
    }

    /// A line is complete: `input[at..end]`, behind the half line that is held.
    #[inline]
    fn line(
        &mut self,
        input: &[u8],
        at: usize,
        end: usize,
        marks: &mut Marked,
        sink: &mut dyn Sink,
    ) {
        let len = end - at;
        let last = std::mem::replace(&mut self.last, len);
        if self.half > 0 || self.machine.in_long() || len > self.rules.short {
            self.last = 0;
            self.store.take_run(input, sink);
            return self.long_line(input, at, end, sink);
        }
        let bytes = &input[at..end];
        if !marks.escape(input, at, end)
            && let Some(log) = self.familiar.recognise(bytes)
            && let Some(len) = self.machine.next_log(log, trim_end(bytes), len)
        {
            return self.whole(input, len, len == last, sink);
        }
        let marked = marks.any(input, at, end);
        let line = look(&self.rules, bytes, &mut self.scratch, marked);
        if self.machine.in_traceback() {
            self.store.take_run(input, sink);
            let (machine, rules) = (&mut self.machine, &self.rules);
            decide(machine, rules, (line, None), bytes, len, false);
            return self.leave(input, sink);
        }
        let alone = self.machine.idle() && self.rules.record_start.is_none();
        let (start, ask) = self.rules.glance(&line);
        if ask == 0 && alone && !matches!(start, Some(Start::Log(_))) {
            return self.whole(input, len, true, sink);
        }
        let seen = Seen::new(start, ask, &line);
        if alone && seen.single() {
            return self.whole(input, len, true, sink);
        }
        if let Some(log) = seen.plain_log()
            && let Some(before) = self.machine.next_log(log, line.text, len)
        {
            if !marks.escape(input, at, end) {
                self.familiar.learn(bytes, seen.start);
            }
            return self.whole(input, before, before == last, sink);
        }
        self.store.take_run(input, sink);
        let (machine, rules) = (&mut self.machine, &self.rules);
        decide(machine, rules, (line, Some(seen)), bytes, len, false);
        self.leave(input, sink);
    }

    /// The next `len` bytes are a record, within the limit, or parts of it would have left. Several in a row that are one line
    /// each leave together.
    #[inline]
    fn whole(&mut self, input: &[u8], len: usize, one_line: bool, sink: &mut dyn Sink) {
        if !(one_line && self.store.defer(len)) {
            self.store.take_run(input, sink);
            self.store.take(input, len, |bytes, wall_us| {
                sink.record(&Record::line(bytes, wall_us));
            });
        }
    }

    /// The same for a line that came in pieces, or may be too long for the rules or for a record.
    fn long_line(&mut self, input: &[u8], at: usize, end: usize, sink: &mut dyn Sink) {
        if self.machine.in_long() {
            self.machine.grow(end - at);
            self.machine.end_long();
            return self.leave(input, sink);
        }
        let half = std::mem::take(&mut self.half);
        let len = half + end - at;
        let bytes = if half > 0 {
            self.store.gather(input, len, end)
        } else {
            &input[at..end]
        };
        let long = len - 1 > CLIP;
        let text = if long { &bytes[..CLIP] } else { bytes };
        let line = look(&self.rules, text, &mut self.scratch, true);
        decide(
            &mut self.machine,
            &self.rules,
            (line, None),
            text,
            text.len(),
            long,
        );
        if long {
            self.machine.grow(len - CLIP);
            self.machine.end_long();
        }
        self.leave(input, sink);
    }

    /// The input ends with `input[at..]`, which has no newline.
    fn rest(&mut self, input: &[u8], at: usize, sink: &mut dyn Sink) {
        let more = input.len() - at;
        if more == 0 {
            return;
        }
        if self.machine.in_long() {
            self.machine.grow(more);
            return self.leave(input, sink);
        }
        self.half += more;
        if self.half <= CLIP {
            return;
        }
        let half = std::mem::take(&mut self.half);
        let bytes = if half > more {
            self.store.gather(input, half, input.len())
        } else {
            &input[at..]
        };
        let text = &bytes[..CLIP];
        let line = look(&self.rules, text, &mut self.scratch, true);
        decide(
            &mut self.machine,
            &self.rules,
            (line, None),
            text,
            CLIP,
            true,
        );
        self.machine.grow(half - CLIP);
        self.leave(input, sink);
    }

    /// Gives to `sink` what the machine has decided, then what is too much of the open record.
    fn leave(&mut self, input: &[u8], sink: &mut dyn Sink) {
        for i in 0..self.machine.out.len() {
            let emit = self.machine.out[i];
            self.record(input, emit, sink);
        }
        self.machine.out.clear();
        while self.machine.open_len() > self.rules.max_record {
            let len = cut_at(self.store.front(input, self.rules.max_record));
            self.part(input, len, sink);
        }
    }

    /// The open record's first `len` bytes leave.
    fn part(&mut self, input: &[u8], len: usize, sink: &mut dyn Sink) {
        if let Some(emit) = self.machine.cut(len) {
            self.piece(input, emit, Some(false), sink);
        }
    }

    /// A decided record leaves, in parts if it is too long.
    fn record(&mut self, input: &[u8], mut emit: Emit, sink: &mut dyn Sink) {
        while emit.len > self.rules.max_record {
            let len = cut_at(self.store.front(input, self.rules.max_record));
            self.piece(input, Emit { len, ..emit }, Some(false), sink);
            emit = emit.behind(len);
        }
        let last = (emit.parts > 0).then_some(true);
        self.piece(input, emit, last, sink);
    }

    fn piece(&mut self, input: &[u8], emit: Emit, last: Option<bool>, sink: &mut dyn Sink) {
        let part = last.map(|last| Part {
            number: emit.parts + 1,
            last,
        });
        let mut plain = Default::default();
        self.store.take(input, emit.len, |bytes, wall_us| {
            let kind = emit.trace.map_or(Kind::Line, |marks| {
                Kind::Traceback(trace(bytes, marks, &mut plain))
            });
            sink.record(&Record {
                bytes,
                wall_us,
                kind,
                part,
            });
        });
    }

    fn tidy(&mut self) {
        self.store.shrink();
        if self.machine.undecided() == 0 && self.scratch.capacity() > CLIP / 4 {
            self.scratch = Vec::new();
        }
    }

    /// A half line may belong to the open record, so that waits for it; but for no longer than for a whole one.
    fn record_deadline(&self) -> Option<Instant> {
        if self.machine.in_long() {
            return None;
        }
        let patience = self.machine.patience(&self.rules)?;
        let half = self
            .byte_at
            .map(|at| at + patience.max(self.rules.record_timeout));
        if self.half > 0 {
            half
        } else {
            self.line_at.map(|at| at + patience)
        }
    }

    fn line_deadline(&self) -> Option<Instant> {
        let timeout: Duration = self.rules.line_timeout?;
        let waits = self.half > 0 || self.machine.in_long();
        self.byte_at.filter(|_| waits).map(|at| at + timeout)
    }
}

/// Lets the machine judge a line of `len` bytes, and what stands in it if that is known.
fn decide(
    machine: &mut Machine,
    rules: &Rules,
    (line, seen): (Line<'_>, Option<Seen>),
    bytes: &[u8],
    len: usize,
    long: bool,
) {
    if let Some(start) = &rules.record_start {
        machine.custom(
            start.is_match(bytes.strip_suffix(b"\n").unwrap_or(bytes)),
            len,
            long,
        );
    } else if rules.lines {
        machine.single(len, long);
    } else {
        machine.line(rules, line, seen, len, long);
    }
}

/// Where a record longer than `bytes` is cut: behind its last whole line in them, else behind the last whole character.
fn cut_at(bytes: &[u8]) -> usize {
    memrchr(b'\n', bytes).map_or_else(|| whole_chars(bytes, bytes.len()), |i| i + 1)
}

/// `len`, or up to three bytes less where a character of UTF-8 would be cut. Not less than 1, but for `len` 0.
fn whole_chars(bytes: &[u8], len: usize) -> usize {
    let Some(start) = (len.saturating_sub(4)..len)
        .rev()
        .find(|i| bytes[*i] & 0xc0 != 0x80)
    else {
        return len;
    };
    let chars = match bytes[start] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    if start + chars > len && start > 0 {
        start
    } else {
        len
    }
}

impl Emit {
    /// What remains behind a part of `len` bytes.
    fn behind(self, len: usize) -> Self {
        let behind = |at: Option<usize>| at.and_then(|at| at.checked_sub(len));
        let trace = self.trace.map(|m| Marks {
            error: behind(m.error),
            frame: behind(m.frame),
            ..m
        });
        Self {
            len: self.len - len,
            trace,
            parts: self.parts + 1,
        }
    }
}
