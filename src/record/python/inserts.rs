//! What libraries put around a traceback, and into the message behind it.

use super::announce::opener;
use super::names::{boxed_frame, connector, exception_shape, file_line};
use super::traceback::tail;
use super::{BOX, CHAIN, FAILED, FENCE, NAME_RULE, RULE, RULED, SQL, TAIL, TEST_RULE};
use crate::record::language::{REPORT_LINES, State, Step};
use crate::record::line::{Line, after, number};
use crate::record::logstart::libpq;

/// How many lines a test's own description may have.
const TITLE_LINES: u32 = 3;
/// How many lines a statement may have.
const SQL_LINES: u32 = 500;

/// How many: `pydantic_core._pydantic_core.ValidationError: 2 validation errors for User`.
pub(super) fn invalid_fields(text: &[u8]) -> Option<i32> {
    let (count, rest) = number(after(text, b"ValidationError: ")?)?;
    let known =
        rest.starts_with(b" validation error for ") || rest.starts_with(b" validation errors for ");
    known.then(|| i32::try_from(count).unwrap_or(i32::MAX))
}

/// A field's place is not indented: it belongs if what is wrong with it follows.
pub(super) fn fields(state: &mut State, line: &Line<'_>) -> Step {
    let place = line.indent == state.indent && !connector(line.body()) && opener(line).is_none();
    if line.indent > state.indent && !line.blank() && !file_line(line.body()) {
        state.depth -= i32::from(line.held > 0);
        return Step::Continue;
    }
    if place && !line.blank() && line.held == 0 && state.depth > 0 {
        return Step::Hold;
    }
    state.phase = TAIL;
    tail(state, line)
}

/// What libpq and `SQLAlchemy` add to a message, on lines of their own.
pub(super) fn database_error(state: &mut State, line: &Line<'_>) -> bool {
    let body = line.body();
    if line.indent != state.indent {
        return false;
    }
    match body[0] {
        b'[' if body.starts_with(b"[SQL: ") => {
            state.phase = behind_statement(body);
            state.lines = 0;
            true
        }
        b'[' => body.starts_with(b"[parameters: "),
        b'(' => body.starts_with(b"(Background on this error at: "),
        b'L' => line.held == 0 && libpq_line(body),
        _ => line.held == 0 && libpq(body),
    }
}

/// Where a statement that begins or goes on with `text` leads.
pub(super) fn behind_statement(text: &[u8]) -> u8 {
    if text.trim_ascii_end().ends_with(b"]") {
        TAIL
    } else {
        SQL
    }
}

/// `LINE 1: SELECT x`, with a caret below.
pub(super) fn libpq_line(body: &[u8]) -> bool {
    let rest = body.strip_prefix(b"LINE ").and_then(number);
    rest.is_some_and(|(_, rest)| rest.starts_with(b": "))
}

/// Inside a statement, up to its bracket.
pub(super) fn sql(state: &mut State, line: &Line<'_>) -> Step {
    if opener(line).is_some() || state.lines > SQL_LINES {
        return Step::Foreign;
    }
    if line.blank() {
        return Step::Hold;
    }
    state.phase = behind_statement(line.text);
    Step::Continue
}

/// Between the rules all is content. The error is named on the first line that is not indented, behind each traceback's frames.
pub(super) fn ruled(state: &mut State, line: &Line<'_>) -> Step {
    if line.text == RULE && state.phase == RULED {
        state.fenced = false;
        return Step::End;
    }
    let named = line.text == NAME_RULE && state.phase == FAILED;
    let untitled = state.phase == FAILED && state.depth == 0 && !named;
    let next = line.text == TEST_RULE || named && state.depth > 0;
    if next || state.lines > REPORT_LINES || untitled && state.lines > TITLE_LINES {
        state.fenced = false;
        return Step::Foreign;
    }
    if untitled {
        return Step::Hold;
    }
    state.depth += i32::from(named);
    let body = line.body();
    if line.indent >= 2 && file_line(body) {
        state.frame = Some(line.at);
        state.indent = 2;
    } else if line.indent == 0 && state.indent == 2 && exception_shape(body) {
        state.error = Some(line.at);
        state.indent = 0;
    }
    Step::Continue
}

pub(super) fn remote(state: &mut State, line: &Line<'_>) -> Step {
    if line.text == b"\"\"\"" {
        state.phase = FENCE;
        state.fenced = true;
        state.lines = 0;
        return Step::Continue;
    }
    state.phase = TAIL;
    tail(state, line)
}

pub(super) fn fence(state: &mut State, line: &Line<'_>) -> Step {
    let closed = match state.phase {
        FENCE => line.text == b"\"\"\"",
        _ => line.body().starts_with("╰".as_bytes()),
    };
    if state.phase == BOX && boxed_frame(line.body()).is_some() {
        state.frame = Some(line.at);
    }
    if closed {
        state.fenced = false;
        state.phase = if state.phase == FENCE { TAIL } else { CHAIN };
        return Step::Continue;
    }
    if state.lines > REPORT_LINES {
        state.fenced = false;
        return Step::Foreign;
    }
    Step::Continue
}
