//! The traceback itself: its frames, the line that names the error, what is chained to it, groups.

use super::announce::{context, creation, opener, remote_name};
use super::inserts::{database_error, invalid_fields};
use super::names::{bare_name, connector, exception_shape, file_line, syntax_error};
use super::{
    BARE, CALL, CHAIN, FIELDS, GROUP, GROUP_OPENER, HEAD_OR_ERROR, LOGGED, REMOTE, STACK,
    STACK_OPENER, TAIL,
};
use crate::record::language::{State, Step};
use crate::record::line::{Line, number};

pub(super) fn head(state: &mut State, line: &Line<'_>) -> Step {
    if creation(line.text) {
        state.phase = STACK;
        state.mark = LOGGED;
        return Step::Continue;
    }
    if reopen(state, line) || context(line) {
        return Step::Continue;
    }
    // An exception without a traceback of its own, ignored in a finaliser.
    if state.phase == HEAD_OR_ERROR && line.indent == 0 && line.errors && exception_shape(line.text)
    {
        return error_line(state, line);
    }
    Step::Foreign
}

/// Lines per frame are never counted: the source may be missing, carets and their notes add some, a recursion is
/// abbreviated. Loguru puts blank lines between, and `>` before a frame.
pub(super) fn frames(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() {
        return Step::Hold;
    }
    if line.indent > state.indent {
        if line.body().starts_with(b"File \"") {
            state.frame = Some(line.at);
        } else if state.lines == 1
            && number(line.body()).is_some_and(|(_, r)| r.starts_with(b": from "))
        {
            // Ruby 2.5 to 2.7 begin with the same words.
            *state = State {
                seen: true,
                ..State::default()
            };
            return Step::Other("ruby");
        }
        return Step::Continue;
    }
    if state.mark == LOGGED && (context(line) || reopen(state, line)) {
        return Step::Continue;
    }
    if line.body().starts_with(b"> File \"") {
        state.frame = Some(line.at);
        return Step::Continue;
    }
    let named = if state.mark == BARE {
        syntax_error(line.text)
    } else {
        exception_shape(line.body()) || state.frame.is_some() && bare_name(line.body())
    };
    if line.indent == state.indent && named {
        return error_line(state, line);
    }
    Step::Foreign
}

/// Where a call was or, in asyncio's debug mode, where a task was made; that task's own traceback follows there.
pub(super) fn stack(state: &mut State, line: &Line<'_>) -> Step {
    if line.indent > state.indent && !line.blank() {
        if state.error.is_none() && line.body().starts_with(b"File \"") {
            state.frame = Some(line.at);
        }
        return Step::Continue;
    }
    if state.mark == LOGGED && (context(line) || reopen(state, line)) {
        return Step::Continue;
    }
    Step::Foreign
}

/// The line that names the error.
fn error_line(state: &mut State, line: &Line<'_>) -> Step {
    state.error = Some(line.at);
    state.seen = true;
    state.phase = if remote_name(line.text) { REMOTE } else { TAIL };
    if let Some(count) = invalid_fields(line.body()) {
        state.phase = FIELDS;
        (state.mark, state.depth) = (0, count);
    }
    Step::Continue
}

/// Goes on with a further traceback in the same record.
fn reopen(state: &mut State, line: &Line<'_>) -> bool {
    let Some(next) = opener(line) else {
        return false;
    };
    // A group's own error stands in front of those in it, and is the first that is seen.
    let (error, frame) = match next.phase {
        GROUP => (None, None),
        _ => (state.error, state.frame),
    };
    *state = State {
        error,
        frame,
        lines: state.lines,
        ..next
    };
    true
}

pub(super) fn tail(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() {
        return Step::Hold;
    }
    let body = line.body();
    if line.indent == state.indent && connector(body) {
        state.phase = CHAIN;
        return Step::Continue;
    }
    if body == STACK_OPENER || body == b"Call stack:" && line.held == 0 {
        state.phase = if body == STACK_OPENER { STACK } else { CALL };
        return Step::Continue;
    }
    // What logging said before Python 3.
    if line.held == 0 && body.starts_with(b"Logged from file ") {
        return Step::End;
    }
    if database_error(state, line) {
        return Step::Continue;
    }
    // A message's further lines (psycopg2's hints); unindented ones cannot be told from the next print.
    if line.indent > state.indent && line.held == 0 && opener(line).is_none() && !file_line(body) {
        return Step::Continue;
    }
    Step::Foreign
}

pub(super) fn chain(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() {
        return Step::Hold;
    }
    if reopen(state, line) {
        return Step::Continue;
    }
    if line.indent == state.indent && exception_shape(line.body()) {
        return error_line(state, line);
    }
    Step::Foreign
}

pub(super) fn group(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() {
        return Step::Hold;
    }
    let body = line.body();
    match body.first() {
        Some(b'|' | b'+')
            if line.indent > 0 && line.indent >= state.indent && body != GROUP_OPENER =>
        {
            let inner = body.strip_prefix(b"| ").unwrap_or_default();
            if state.error.is_none() && line.indent == state.indent && exception_shape(inner) {
                state.error = Some(line.at);
            } else if state.error.is_none() && inner.trim_ascii_start().starts_with(b"File \"") {
                state.frame = Some(line.at);
            }
            Step::Continue
        }
        _ if line.indent == 0 && connector(body) => {
            state.phase = CHAIN;
            state.indent = 0;
            state.error = None;
            Step::Continue
        }
        _ => Step::Foreign,
    }
}

/// Logging tells where the call was that it could not format, the message and the arguments.
pub(super) fn call(state: &mut State, line: &Line<'_>) -> Step {
    if line.text.starts_with(b"Arguments: ") {
        return Step::End;
    }
    if line.indent > state.indent && !line.blank() || line.text.starts_with(b"Message: ") {
        return Step::Continue;
    }
    Step::Foreign
}
