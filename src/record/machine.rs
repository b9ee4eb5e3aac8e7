//! Which lines belong together: one open record, and a few lines behind it that are not decided yet.
//!
//! The machine counts bytes and never sees where they lie. What it has decided it puts, in order, into
//! [`Machine::out`]; all bytes that it was told of and that are not there yet are undecided.

use super::language::{Behind, Head, Opening, Shape, State, Step};
use super::line::{Line, brackets, qualified_error};
use super::logstart::{Log, Pair, Start};
use super::rules::{OBJECT, Rules, Seen, Set, by_name, language, members};
use std::time::Duration;

/// How many undecided lines may stand behind the open record, and how many bytes.
const HELD_LINES: usize = 32;
const HELD_BYTES: usize = 16 << 10;
/// How many lines without a prefix a message may have behind its traceback.
const MESSAGE_LINES: u32 = 100;
/// How many blank lines may stand inside a log message.
const BLANKS: usize = 2;
/// Silence after which a log line below WARNING is complete: only its own lines could follow, in the same write.
const LOW: Duration = Duration::from_millis(25);
/// The same after a line that a traceback may follow, in a write of its own.
const HIGH: Duration = Duration::from_millis(250);

/// A record, or a part of one, that is decided: the next `len` bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Emit {
    pub(super) len: usize,
    pub(super) trace: Option<Marks>,
    /// How many parts of it have left before.
    pub(super) parts: u32,
}

/// What is known of a traceback, by place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) language: u8,
    pub(super) error: Option<usize>,
    pub(super) frame: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    len: usize,
    parts: u32,
    mode: Mode,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    /// A long line whose end is not known yet; nothing joins it.
    Line,
    /// A logger's line, with the indented lines behind it.
    Log { log: Log, colon: bool, depth: i32 },
    /// A traceback, or the announcement of one.
    Trace {
        language: u8,
        state: State,
        prefixed: bool,
        extra: u32,
    },
    /// By `--record-start`.
    Custom,
}

/// The undecided lines.
#[derive(Debug, Clone, Copy, Default)]
struct Pending {
    lens: [u32; HELD_LINES],
    lines: usize,
    bytes: usize,
    /// The first of them is a head, for these languages. Empty: they belong to the open record, or to none.
    heads: Set,
    /// The form of that head.
    shape: Shape,
    /// It ends in an opening bracket.
    open_end: bool,
    /// The line before announced the next, which is no head of its own whatever it looks like.
    nested: bool,
    /// How many of them stand before the head.
    before: usize,
    role: Role,
}

/// What the undecided lines are to the logger's line before them, if they prove to be what they look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Role {
    /// Its own: blank lines, an open value's, a head whose traceback it announced.
    #[default]
    Own,
    /// Further lines of its message, without a head so far.
    Message,
    /// A head whose traceback is a record of its own.
    Apart,
}

/// The state of one stream.
#[derive(Debug, Default)]
pub(super) struct Machine {
    open: Option<Open>,
    pending: Pending,
    /// Inside a line longer than the rules see; whether its record ends with it.
    long: Option<bool>,
    /// What is decided; the owner takes it after each call.
    pub(super) out: Vec<Emit>,
}

impl Machine {
    /// Nothing is undecided.
    #[inline]
    pub(super) fn idle(&self) -> bool {
        self.open.is_none() && self.pending.lines == 0
    }

    /// Inside a long line.
    #[inline]
    pub(super) fn in_long(&self) -> bool {
        self.long.is_some()
    }

    /// The bytes that certainly belong to the open record.
    #[inline]
    pub(super) fn open_len(&self) -> usize {
        self.open.map_or(0, |open| open.len)
    }

    /// All undecided bytes.
    pub(super) fn undecided(&self) -> usize {
        self.open_len() + self.pending.bytes
    }

    /// Takes a line of `len` bytes. With `long` it is the beginning of one longer than the rules see.
    pub(super) fn line(
        &mut self,
        rules: &Rules,
        line: Line<'_>,
        seen: &Seen,
        len: usize,
        long: bool,
    ) {
        self.long = long.then_some(false);
        let line = Line {
            at: self.undecided(),
            held: self.pending.lines,
            ..line
        };
        if self.fenced() {
            self.in_trace(&line, seen, len);
        } else if self.pending.heads != 0 && self.confirmed_by(&line, len) {
            // Even a line that looks like a logger's: `WARNING: DATA RACE` behind its rule.
        } else if let Some(start) = seen.start {
            self.log_start(start, &line, seen, len);
        } else if self.pending.heads == 0 || !self.behind_head(&line, seen, len) {
            match self.open.as_ref().map(|open| &open.mode) {
                Some(Mode::Trace { .. }) => self.in_trace(&line, seen, len),
                Some(&Mode::Log { log, colon, depth }) => {
                    self.behind_log(rules, (log, colon, depth), &line, seen, len);
                }
                Some(Mode::Line | Mode::Custom) | None => {
                    self.close();
                    self.fresh(&line, seen, len);
                }
            }
        }
    }

    /// Takes a logger's line where another is open, alone and whole, and gives that one's length: the commonest of all
    /// turns, without the way through [`Machine::out`].
    #[inline]
    pub(super) fn next_log(&mut self, next: Log, text: &[u8], len: usize) -> Option<usize> {
        let Some(Open {
            len: before,
            parts: 0,
            mode: Mode::Log { log, colon, depth },
        }) = &mut self.open
        else {
            return None;
        };
        if self.pending.lines > 0 || self.long.is_some() || next.pair == Pair::Second {
            return None;
        }
        (*log, *colon, *depth) = (next, ends_colon(text), i32::from(ends_open(text)));
        Some(std::mem::replace(before, len))
    }

    /// Takes a line by `--record-start`.
    pub(super) fn custom(&mut self, starts: bool, len: usize, long: bool) {
        self.long = long.then_some(false);
        if starts || self.open.is_none() {
            self.close();
            self.open = Some(Open {
                len,
                parts: 0,
                mode: Mode::Custom,
            });
        } else {
            self.commit(len);
        }
    }

    /// Takes a line that is a record.
    pub(super) fn single(&mut self, len: usize, long: bool) {
        self.long = long.then_some(false);
        self.alone(len);
    }

    /// Takes further bytes of a long line.
    pub(super) fn grow(&mut self, len: usize) {
        self.commit(len);
    }

    /// The long line's end has come.
    pub(super) fn end_long(&mut self) {
        let ends = self.long.take() == Some(true);
        if ends
            || self
                .open
                .is_some_and(|open| matches!(open.mode, Mode::Line))
        {
            self.close();
        }
    }

    /// Everything leaves.
    pub(super) fn flush(&mut self) {
        self.long = None;
        self.close();
    }

    /// The open record's first `len` bytes have left as a part; their number, and what is known of them.
    pub(super) fn cut(&mut self, len: usize) -> Option<Emit> {
        let open = self.open.as_mut()?;
        let part = Emit {
            len,
            trace: open.marks(),
            parts: open.parts,
        };
        open.len -= len;
        open.parts += 1;
        if let Mode::Trace { state, .. } = &mut open.mode {
            state.error = state.error.and_then(|at| at.checked_sub(len));
            state.frame = state.frame.and_then(|at| at.checked_sub(len));
        }
        Some(part)
    }

    /// How long silence must last for what is undecided to leave.
    pub(super) fn patience(&self, rules: &Rules) -> Option<Duration> {
        let waits = match self.open.as_ref().map(|open| &open.mode) {
            Some(
                Mode::Trace {
                    state: State { seen: true, .. },
                    ..
                }
                | Mode::Custom,
            ) => rules.record_timeout,
            Some(Mode::Log {
                log, depth: ..=0, ..
            }) if !log.high && log.pair != Pair::First && self.pending.heads == 0 => LOW,
            Some(Mode::Line) => return None,
            None if self.pending.lines == 0 => return None,
            _ => HIGH,
        };
        Some(waits.min(rules.record_timeout))
    }

    fn fenced(&self) -> bool {
        matches!(
            self.open,
            Some(Open {
                mode: Mode::Trace {
                    state: State { fenced: true, .. },
                    ..
                },
                ..
            })
        )
    }

    /// A line that begins a record closes what is open.
    fn log_start(&mut self, start: Start, line: &Line<'_>, seen: &Seen, len: usize) {
        if self.second_of_two(start, line.text) {
            return self.commit(len);
        }
        self.close();
        match (start, opened(seen, line, 0)) {
            (Start::Alone, _) => self.alone(len),
            (Start::Log(_), Some((language, state))) => self.open_trace(language, state, true, len),
            (Start::Log(log), None) => {
                let log = Log {
                    head: if log.high && seen.heads != 0 && qualified_error(line.text) {
                        Shape::Firm
                    } else {
                        seen.shape
                    },
                    ..log
                };
                let log = Log {
                    heads: seen.heads,
                    ..log
                };
                let colon = ends_colon(line.text);
                let depth = i32::from(ends_open(line.text));
                self.open = Some(Open {
                    len,
                    parts: 0,
                    mode: Mode::Log { log, colon, depth },
                });
            }
        }
    }

    /// Whether `start` is the second line of the open logger's two; takes its level over.
    fn second_of_two(&mut self, start: Start, text: &[u8]) -> bool {
        let Some(Open {
            mode: Mode::Log { log, colon, depth },
            ..
        }) = &mut self.open
        else {
            return false;
        };
        let Start::Log(second) = start else {
            return false;
        };
        if second.pair != Pair::Second || log.pair != Pair::First || self.pending.lines > 0 {
            return false;
        }
        *log = Log {
            high: second.high,
            ..Log::default()
        };
        (*colon, *depth) = (ends_colon(text), i32::from(ends_open(text)));
        true
    }

    /// Nothing is open.
    fn fresh(&mut self, line: &Line<'_>, seen: &Seen, len: usize) {
        if let Some((language, state)) = opened(seen, line, 0) {
            self.open_trace(language, state, false, len);
        } else if seen.heads != 0 && self.long.is_none() {
            self.hold_head(line, seen, len);
        } else {
            self.alone(len);
        }
    }

    /// Behind a logger's line, and what has joined it.
    fn behind_log(
        &mut self,
        rules: &Rules,
        (log, colon, depth): (Log, bool, i32),
        line: &Line<'_>,
        seen: &Seen,
        len: usize,
    ) {
        if self.pending.role == Role::Message {
            return self.message_line(rules, log, line, seen, len);
        }
        if let Some((language, state)) = announced(rules, log, line, seen) {
            return self.join(language, state, len);
        }
        if seen.opener.is_some() {
            // Another's traceback.
        } else if line.blank() {
            if self.pending.lines < BLANKS && self.hold(len) {
                return;
            }
        } else if joins_log(line, depth) || colon && self.pending.lines == 0 && opens_value(line) {
            return self.join_log(line, len);
        } else if log.high && rules.each().any(|(_, l)| l.context(line)) {
            return self.commit(len);
        } else if depth > 0 && self.hold(len) {
            return self.count_brackets(line);
        } else if log.high
            && seen.heads != 0
            && log.head == Shape::Brief
            && self.long.is_none()
            && self.only_blanks_held()
        {
            // Spring Boot writes a blank line before the exception.
            self.commit(0);
            return self.hold_head(line, seen, len);
        } else if log.high && !line.blank() {
            return self.message_line(rules, log, line, seen, len);
        }
        self.close();
        self.fresh(line, seen, len);
    }

    /// A line that looks like nothing, or is behind one, behind a logger's line of WARNING or worse: of the same message, if
    /// a head that says so follows with its frames, else a record of its own.
    fn message_line(&mut self, rules: &Rules, log: Log, line: &Line<'_>, seen: &Seen, len: usize) {
        // Where the logger's line names the error, its frames may follow.
        let further = self.pending.role == Role::Message;
        let joins = |(name, _): &(u8, State)| {
            !further
                || seen.opener != Some(*name)
                || log.heads & 1 << name != 0
                || language(*name).follows_directly()
        };
        let named = log.head > Shape::Brief;
        let found = named.then(|| announced(rules, log, line, seen)).flatten();
        if let Some((language, state)) = found.filter(joins) {
            self.join(language, state, len);
        } else if seen.opener.is_some() || self.pending.lines == HELD_LINES {
            self.close();
            self.fresh(line, seen, len);
        } else if seen.heads != 0
            && (log.head == Shape::Brief || seen.shape == Shape::Firm)
            && self.long.is_none()
        {
            self.hold_head(line, seen, len);
        } else if self.hold(len) {
            self.pending.role = Role::Message;
        } else {
            self.close();
            self.fresh(line, seen, len);
        }
    }

    fn join_log(&mut self, line: &Line<'_>, len: usize) {
        self.commit(len);
        self.count_brackets(line);
    }

    /// Keeps the balance of a value that a log message prints over several lines.
    fn count_brackets(&mut self, line: &Line<'_>) {
        let Some(Open {
            mode: Mode::Log { depth, colon, .. },
            ..
        }) = &mut self.open
        else {
            return;
        };
        if *depth > 0 || *colon {
            *depth = (*depth + brackets(line.text)).max(0);
        } else {
            *depth = i32::from(ends_open(line.text));
        }
        *colon = false;
        if *depth == 0 {
            self.commit(0);
        }
    }

    /// Inside a traceback, or behind it.
    fn in_trace(&mut self, line: &Line<'_>, seen: &Seen, len: usize) {
        match self.step(line) {
            Step::Continue => return self.commit(len),
            Step::End => {
                self.commit(len);
                return self.finish();
            }
            Step::Hold if self.hold(len) => return,
            Step::Hold | Step::Foreign | Step::Other(_) => {}
        }
        if let (Some(start), false) = (seen.start, self.fenced()) {
            return self.log_start(start, line, seen, len);
        }
        let message = self.message_goes_on(line);
        if seen.opener.is_some() || !message {
            self.close();
            return self.fresh(line, seen, len);
        }
        if seen.heads != 0 && line.indent == 0 && self.long.is_none() {
            self.commit(0);
            self.hold_head(line, seen, len);
        } else if !line.blank() || !self.hold(len) {
            self.commit(len);
        }
    }

    /// Asks the open traceback's language.
    fn step(&mut self, line: &Line<'_>) -> Step {
        let Some(Open {
            mode:
                Mode::Trace {
                    language: name,
                    state,
                    ..
                },
            ..
        }) = &mut self.open
        else {
            return Step::Foreign;
        };
        let step = language(*name).next(state, line);
        let Step::Other(other) = step else {
            return step;
        };
        *name = by_name(other);
        language(*name).next(state, line)
    }

    /// Behind a prefixed line's traceback, indented lines belong to its message, and where the message comes last all
    /// without a prefix; to a limit.
    fn message_goes_on(&mut self, line: &Line<'_>) -> bool {
        let Some(Open {
            mode:
                Mode::Trace {
                    extra,
                    prefixed: true,
                    language: name,
                    ..
                },
            ..
        }) = &mut self.open
        else {
            return false;
        };
        *extra += 1;
        let last = language(*name).message_last();
        *extra <= MESSAGE_LINES && (last || line.indent > 0 && !line.blank())
    }

    /// Whether `line` makes the held head a traceback; it is taken then.
    fn confirmed_by(&mut self, line: &Line<'_>, len: usize) -> bool {
        // A head's place is counted from its own record, unless it joins a logger's line.
        let first = if self.behind_logger() {
            0
        } else {
            self.open_len()
        };
        let Pending { before, lens, .. } = self.pending;
        let at = self.open_len() - first + self.pending.bytes_before();
        let head = Head {
            lines: self.pending.lines - before,
            at,
            second: at + lens[before] as usize,
            open_end: self.pending.open_end,
        };
        let line = Line {
            at: line.at - first,
            ..*line
        };
        let Some((language, state)) = confirmed(members(self.pending.heads), head, &line) else {
            return false;
        };
        self.confirm(language, state, head.at, len);
        true
    }

    /// Behind a head that is held. `false`: it is held no more, and the line is still to be judged.
    fn behind_head(&mut self, line: &Line<'_>, seen: &Seen, len: usize) -> bool {
        // An exception's message may hold a pretty-printed object.
        let object = seen.heads == OBJECT && self.pending.heads & !OBJECT != 0;
        let further = seen.heads != 0
            && seen.shape >= self.pending.shape
            && !self.pending.nested
            && !(object && self.pending.shape == Shape::Firm);
        let replaced = self.pending.shape == Shape::Brief || further;
        if replaced && seen.opener.is_none() && self.long.is_none() && self.behind_logger() {
            self.pending.heads = 0;
            self.pending.role = Role::Message;
            return false;
        }
        if seen.opener.is_some() || replaced || self.long.is_some() || !self.hold(len) {
            self.release();
            return false;
        }
        self.pending.nested = line.body() == b"nested exception is:";
        true
    }

    /// Whether the held lines have no more than their newlines.
    fn only_blanks_held(&self) -> bool {
        self.pending.bytes <= self.pending.lines * b"\r\n".len()
    }

    fn behind_logger(&self) -> bool {
        matches!(
            self.open,
            Some(Open {
                mode: Mode::Log { .. },
                ..
            })
        )
    }

    /// The held head is a traceback's, and so are the lines behind it.
    fn confirm(&mut self, language: u8, mut state: State, head_at: usize, len: usize) {
        state.error = state.error.or(Some(head_at));
        if self.behind_logger() && !state.fenced && self.pending.role != Role::Apart {
            return self.join(language, state, len);
        }
        state.error = state.error.and_then(|at| at.checked_sub(head_at));
        state.frame = state.frame.and_then(|at| at.checked_sub(head_at));
        let pending = std::mem::take(&mut self.pending);
        self.close();
        self.leave_singly(&pending.lens[..pending.before]);
        let bytes = pending.bytes - pending.bytes_before();
        self.open_trace(language, state, false, bytes + len);
    }

    /// The open logger's line turns out to announce a traceback.
    fn join(&mut self, language: u8, state: State, len: usize) {
        self.commit(len);
        if let Some(Open { len, parts, .. }) = self.open {
            self.open_trace(language, state, true, len);
            self.open = self.open.map(|open| Open { parts, ..open });
        }
    }

    fn open_trace(&mut self, name: u8, state: State, prefixed: bool, len: usize) {
        let mode = Mode::Trace {
            language: name,
            state,
            prefixed,
            extra: 0,
        };
        self.open = Some(Open {
            len,
            parts: 0,
            mode,
        });
    }

    /// `len` bytes belong to the open record, and with them all that is held.
    fn commit(&mut self, len: usize) {
        let held = self.pending.bytes;
        if self.pending.lines > 0 {
            self.pending = Pending::default();
        }
        if let Some(open) = &mut self.open {
            open.len += held + len;
        }
    }

    /// Holds a line; `false` if no more may be held.
    fn hold(&mut self, len: usize) -> bool {
        let pending = &mut self.pending;
        if pending.lines == HELD_LINES || pending.bytes + len > HELD_BYTES || self.long.is_some() {
            return false;
        }
        pending.lens[pending.lines] = len as u32;
        pending.lines += 1;
        pending.bytes += len;
        true
    }

    fn hold_head(&mut self, line: &Line<'_>, seen: &Seen, len: usize) {
        let before = self.pending.lines;
        if self.hold(len) {
            self.pending.heads = seen.heads;
            self.pending.shape = seen.shape;
            self.pending.open_end = ends_open(line.text);
            self.pending.nested = line.text.ends_with(b":");
            self.pending.before = before;
            self.pending.role = match behind(seen.heads, line) {
                Behind::Message if before == 0 => Role::Own,
                Behind::Lines => Role::Own,
                Behind::Message | Behind::Nothing => Role::Apart,
            };
        } else {
            self.close();
            self.alone(len);
        }
    }

    /// A record of its own, that nothing can continue.
    fn alone(&mut self, len: usize) {
        if self.long.is_some() {
            self.open = Some(Open {
                len,
                parts: 0,
                mode: Mode::Line,
            });
        } else {
            self.out.push(Emit {
                len,
                trace: None,
                parts: 0,
            });
        }
    }

    /// The open record is complete with this line.
    fn finish(&mut self) {
        match &mut self.long {
            Some(ends) => *ends = true,
            None => self.close(),
        }
    }

    /// What is held was no traceback: the rest of a message, where one goes on, else lines of their own.
    fn release(&mut self) {
        if matches!(
            self.open,
            Some(Open {
                mode: Mode::Trace { prefixed: true, .. },
                ..
            })
        ) {
            return self.commit(0);
        }
        let pending = std::mem::take(&mut self.pending);
        self.leave();
        self.leave_singly(&pending.lens[..pending.lines]);
    }

    fn close(&mut self) {
        if self.pending.lines == 0 {
            return self.leave();
        }
        if self.pending.heads != 0 {
            self.release();
        }
        let pending = std::mem::take(&mut self.pending);
        self.leave();
        self.leave_singly(&pending.lens[..pending.lines]);
    }

    fn leave_singly(&mut self, lens: &[u32]) {
        for len in lens {
            self.out.push(Emit {
                len: *len as usize,
                trace: None,
                parts: 0,
            });
        }
    }

    fn leave(&mut self) {
        if let Some(open) = self.open.take() {
            self.out.push(Emit {
                len: open.len,
                trace: open.marks(),
                parts: open.parts,
            });
        }
    }
}

impl Pending {
    /// The bytes that stand before the head.
    fn bytes_before(&self) -> usize {
        self.lens[..self.before].iter().map(|n| *n as usize).sum()
    }
}

impl Open {
    fn marks(&self) -> Option<Marks> {
        match self.mode {
            Mode::Trace {
                language, state, ..
            } if state.seen => Some(Marks {
                language,
                error: state.error,
                frame: state.frame,
            }),
            _ => None,
        }
    }
}

/// The traceback that `line` makes of the logger's line before it. An uncaught one behind a line below WARNING is another
/// record, unless it is indented as that message's own lines are.
fn announced(rules: &Rules, log: Log, line: &Line<'_>, seen: &Seen) -> Option<(u8, State)> {
    if !line.blank() && (log.high || line.indent > 0) {
        let head = Head {
            lines: 0,
            at: 0,
            second: 0,
            open_end: false,
        };
        if let Some((language, state)) = confirmed(rules.each(), head, line) {
            return Some((
                language,
                State {
                    error: state.error.or(Some(0)),
                    ..state
                },
            ));
        }
    }
    let (name, state) = opened(seen, line, line.at)?;
    // Twisted indents by a tab.
    let deep = line.indent >= 2 || line.text.starts_with(b"\t");
    let inner = deep && state.indent == line.indent && !line.body().starts_with(b"+");
    let near = line.held == 0 || log.head == Shape::Firm || !language(name).follows_directly();
    let joins = state.always_joins || near && state.seen && (log.high || inner);
    joins.then_some((name, state))
}

/// The traceback that a certain opener opens, in a record in which the opener stands at `at`.
fn opened(seen: &Seen, line: &Line<'_>, at: usize) -> Option<(u8, State)> {
    let name = seen.opener?;
    let Opening::Trace(state) = language(name).open(line) else {
        return None;
    };
    let (error, frame) = (state.error.map(|e| e + at), state.frame.map(|f| f + at));
    Some((
        name,
        State {
            error,
            frame,
            ..state
        },
    ))
}

/// The first language that takes `line` for the confirmation of `head`.
fn confirmed<'l>(
    languages: impl Iterator<Item = (u8, &'l dyn super::language::Language)>,
    head: Head,
    line: &Line<'_>,
) -> Option<(u8, State)> {
    let mut languages = languages;
    languages.find_map(|(i, l)| l.confirm(head, line).map(|state| (i, state)))
}

/// What the head `line` may stand behind: what the one says that knows best.
fn behind(heads: Set, line: &Line<'_>) -> Behind {
    let known = members(heads).map(|(_, l)| l.behind(line));
    known.max().unwrap_or_default()
}

/// Indented lines, and the closing brackets of a value, belong to a logger's line.
fn joins_log(line: &Line<'_>, depth: i32) -> bool {
    line.indent > 0
        || depth > 0 && matches!(line.text.first(), Some(b'}' | b']' | b')'))
        || clause(line.text)
}

/// `SQLAlchemy` logs a statement with each clause on a line of its own.
fn clause(text: &[u8]) -> bool {
    const CLAUSES: &[&[u8]] = &[b"FROM ", b"WHERE ", b"GROUP BY ", b"HAVING ", b"ORDER BY "];
    matches!(text.first(), Some(b'F' | b'W' | b'G' | b'H' | b'O'))
        && CLAUSES.iter().any(|word| text.starts_with(word))
}

/// A value that a message ending in a colon announced, or the message itself where the prefix stands alone.
fn opens_value(line: &Line<'_>) -> bool {
    matches!(line.text.first(), Some(b'{' | b'[' | b'('))
        || line.text.starts_with(b"CREATE ") && ends_open(line.text)
}

/// Also PHP's `print_r`, which puts the bracket on the next line.
fn ends_colon(text: &[u8]) -> bool {
    let ended = text.trim_ascii_end();
    text.ends_with(b" ")
        || matches!(ended.last(), Some(b':' | b'='))
        || ended.ends_with(b" Array")
        || ended.ends_with(b" Object")
}

fn ends_open(text: &[u8]) -> bool {
    matches!(text.trim_ascii_end().last(), Some(b'{' | b'[' | b'('))
}
