//! Which lines belong together: one open record, and a few lines behind it that are not decided yet.
//!
//! The machine counts bytes and never sees where they lie. What it has decided it puts, in order, into
//! [`Machine::out`]; all bytes that it was told of and that are not there yet are undecided.

mod held;
mod log;
#[cfg(test)]
mod tests;

use super::language::{Opening, State, Step};
use super::line::Line;
use super::logstart::{Log, Pair, Start, log_start};
use super::rules::{Rules, Seen, by_name, language};
use held::Pending;
use log::Logged;
use std::time::Duration;

/// How many lines without a prefix a message may have behind its traceback.
const MESSAGE_LINES: u32 = 100;
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
    Log(Logged),
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

    /// In a traceback, with no head behind it: what the next line is to it comes before all that the line is by itself.
    #[inline]
    pub(super) fn in_traceback(&self) -> bool {
        let open = self.open.as_ref().map(|open| &open.mode);
        matches!(open, Some(Mode::Trace { .. })) && self.pending.heads == 0
    }

    /// Takes a line of `len` bytes, and what stands in it if that is known. With `long` it is the beginning of one longer than
    /// the rules see.
    pub(super) fn line(
        &mut self,
        rules: &Rules,
        line: Line<'_>,
        seen: Option<Seen>,
        len: usize,
        long: bool,
    ) {
        self.long = long.then_some(false);
        let line = Line {
            at: self.undecided(),
            held: self.pending.lines,
            ..line
        };
        if self.fenced() || self.in_traceback() && log_start(&line).is_none() {
            return self.in_trace(rules, &line, len);
        }
        let seen = &seen.unwrap_or_else(|| rules.see(&line));
        if self.pending.heads != 0 && self.confirmed_by(&line, len) {
            // Even a line that looks like a logger's: `WARNING: DATA RACE` behind its rule.
        } else if let Some(start) = seen.start {
            self.log_start(start, &line, seen, len);
        } else if self.pending.heads == 0 || !self.behind_head(&line, seen, len) {
            match self.open.as_ref().map(|open| &open.mode) {
                Some(Mode::Trace { .. }) => self.in_trace(rules, &line, len),
                Some(&Mode::Log(logged)) => self.behind_log(rules, logged, &line, seen, len),
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
            mode: Mode::Log(logged),
        }) = &mut self.open
        else {
            return None;
        };
        if self.pending.lines > 0 || self.long.is_some() || next.pair == Pair::Second {
            return None;
        }
        *logged = Logged::new(next, text);
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
            Some(Mode::Log(logged)) if logged.complete() && self.pending.heads == 0 => LOW,
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
                let logged = Logged::new(log, line.text).named(seen, line.text);
                self.open = Some(Open {
                    len,
                    parts: 0,
                    mode: Mode::Log(logged),
                });
            }
        }
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

    /// Inside a traceback, or behind it.
    fn in_trace(&mut self, rules: &Rules, line: &Line<'_>, len: usize) {
        match self.step(line) {
            Step::Continue => return self.commit(len),
            Step::End => {
                self.commit(len);
                return self.finish();
            }
            Step::Hold if self.hold(len) => return,
            Step::Hold | Step::Foreign | Step::Other(_) => {}
        }
        let seen = &rules.see(line);
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

    fn behind_logger(&self) -> bool {
        matches!(
            self.open,
            Some(Open {
                mode: Mode::Log(_),
                ..
            })
        )
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
