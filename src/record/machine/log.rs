//! What is behind a logger's line: its own further lines, or a traceback that it announced.

use super::held::{HELD_LINES, Role, confirmed};
use super::{Machine, Mode, Open, opened};
use crate::record::language::{Head, Shape, State};
use crate::record::line::{Line, brackets, qualified_error};
use crate::record::logstart::{Log, Pair, Start};
use crate::record::rules::{Rules, Seen, Set, language};

/// How many blank lines may stand inside a log message.
const BLANKS: usize = 2;

/// The open logger's line, as far as the lines behind it have to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logged {
    log: Log,
    /// How sure it is to be a traceback's head as well, if more than [`Shape::Brief`]; the message may have further lines
    /// before that goes on.
    head: Shape,
    /// Of which languages.
    heads: Set,
    /// It announced a value.
    colon: bool,
    /// How many of that value's brackets are open.
    depth: i32,
}

impl Logged {
    #[inline]
    pub(super) fn new(log: Log, text: &[u8]) -> Self {
        Self {
            log,
            head: Shape::Brief,
            heads: 0,
            colon: ends_colon(text),
            depth: i32::from(ends_open(text)),
        }
    }

    /// The same, where the line itself may name an error.
    pub(super) fn named(self, seen: &Seen, text: &[u8]) -> Self {
        let firm = self.log.high && seen.heads != 0 && qualified_error(text);
        Self {
            head: if firm { Shape::Firm } else { seen.shape },
            heads: seen.heads,
            ..self
        }
    }

    /// Below WARNING, with no value open: nothing can follow but what came in the same write.
    pub(super) fn complete(&self) -> bool {
        !self.log.high && self.log.pair != Pair::First && self.depth <= 0
    }
}

impl Machine {
    /// Whether `start` is the second line of the open logger's two; takes its level over.
    pub(super) fn second_of_two(&mut self, start: Start, text: &[u8]) -> bool {
        let Some(Open {
            mode: Mode::Log(logged),
            ..
        }) = &mut self.open
        else {
            return false;
        };
        let Start::Log(second) = start else {
            return false;
        };
        if second.pair != Pair::Second || logged.log.pair != Pair::First || self.pending.lines > 0 {
            return false;
        }
        let whole = Log {
            high: second.high,
            ..Log::default()
        };
        *logged = Logged::new(whole, text);
        true
    }

    /// Behind a logger's line, and what has joined it.
    pub(super) fn behind_log(
        &mut self,
        rules: &Rules,
        logged: Logged,
        line: &Line<'_>,
        seen: &Seen,
        len: usize,
    ) {
        if self.pending.role == Role::Message {
            return self.message_line(rules, logged, line, seen, len);
        }
        if let Some((language, state)) = announced(rules, logged, line, seen) {
            return self.join(language, state, len);
        }
        if seen.opener.is_some() {
            // Another's traceback.
        } else if line.blank() {
            if self.pending.lines < BLANKS && self.hold(len) {
                return;
            }
        } else if joins_log(line, logged.depth)
            || logged.colon && self.pending.lines == 0 && opens_value(line)
        {
            return self.join_log(line, len);
        } else if logged.log.high && rules.each().any(|(_, l)| l.context(line)) {
            return self.commit(len);
        } else if logged.depth > 0 && self.hold(len) {
            return self.count_brackets(line);
        } else if logged.log.high
            && seen.heads != 0
            && logged.head == Shape::Brief
            && self.long.is_none()
            && self.only_blanks_held()
        {
            // Spring Boot writes a blank line before the exception.
            self.commit(0);
            return self.hold_head(line, seen, len);
        } else if logged.log.high && !line.blank() {
            return self.message_line(rules, logged, line, seen, len);
        }
        self.close();
        self.fresh(line, seen, len);
    }

    /// Behind a logger's line of WARNING or worse, a line that looks like nothing, or one behind such a line. It is of the
    /// same message if a head follows that says so, with its frames; else it is a record of its own.
    fn message_line(
        &mut self,
        rules: &Rules,
        logged: Logged,
        line: &Line<'_>,
        seen: &Seen,
        len: usize,
    ) {
        // Where the logger's line names the error, its frames may follow.
        let further = self.pending.role == Role::Message;
        let joins = |(name, _): &(u8, State)| {
            !further
                || seen.opener != Some(*name)
                || logged.heads & 1 << name != 0
                || language(*name).follows_directly()
        };
        let named = logged.head > Shape::Brief;
        let found = named
            .then(|| announced(rules, logged, line, seen))
            .flatten();
        if let Some((language, state)) = found.filter(joins) {
            self.join(language, state, len);
        } else if seen.opener.is_some() || self.pending.lines == HELD_LINES {
            self.close();
            self.fresh(line, seen, len);
        } else if seen.heads != 0
            && (logged.head == Shape::Brief || seen.shape == Shape::Firm)
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
            mode: Mode::Log(logged),
            ..
        }) = &mut self.open
        else {
            return;
        };
        if logged.depth > 0 || logged.colon {
            logged.depth = (logged.depth + brackets(line.text)).max(0);
        } else {
            logged.depth = i32::from(ends_open(line.text));
        }
        logged.colon = false;
        if logged.depth == 0 {
            self.commit(0);
        }
    }
}

/// The traceback that `line` makes of the logger's line before it. An uncaught one behind a line below WARNING is another
/// record, unless it is indented as that message's own lines are.
fn announced(rules: &Rules, logged: Logged, line: &Line<'_>, seen: &Seen) -> Option<(u8, State)> {
    if !line.blank() && (logged.log.high || line.indent > 0) {
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
    let near = line.held == 0 || logged.head == Shape::Firm || !language(name).follows_directly();
    let joins = state.always_joins || near && state.seen && (logged.log.high || inner);
    joins.then_some((name, state))
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

pub(super) fn ends_open(text: &[u8]) -> bool {
    matches!(text.trim_ascii_end().last(), Some(b'{' | b'[' | b'('))
}
