//! What is no traceback, but as long: faulthandler's dumps, and warnings.

use super::announce::{announcement, first_call};
use super::names::{exception_shape, name_len};
use super::{LONG, STACK, WARNED};
use crate::record::language::{State, Step};
use crate::record::line::Line;

/// How many lines a warning's text may have.
const WARNING_LINES: usize = 12;

/// Each thread's stack stands behind a blank line; lists of modules and C frames may follow.
pub(super) fn fault(state: &mut State, line: &Line<'_>) -> Step {
    const MORE: &[&[u8]] = &[
        b"Python runtime state: ",
        b"Extension modules: ",
        b"Current thread's C stack trace ",
        b"<no Python frame>",
        b"Garbage-collecting",
        b"Stack (most recent call first):",
    ];
    if line.blank() {
        return Step::Hold;
    }
    let body = line.body();
    if line.indent >= 2 {
        if state.frame.is_none() && body.starts_with(b"File \"") {
            state.frame = Some(line.at);
        }
        state.seen = true;
        return Step::Continue;
    }
    let thread = (body.starts_with(b"Current thread 0x") || body.starts_with(b"Thread 0x"))
        && first_call(body);
    if thread || MORE.iter().any(|word| body.starts_with(word)) {
        state.seen = true;
        return Step::Continue;
    }
    // At start-up the error that made the interpreter give up is told as well.
    if state.frame.is_none() && line.held == 0 && line.errors && exception_shape(body) {
        return Step::Continue;
    }
    Step::Foreign
}

/// `warnings.showwarning` writes the source line, indented by two, where it can read it. A text may have several lines;
/// where it ends in a colon (pandas, scikit-learn) it has many.
pub(super) fn warning(state: &mut State, line: &Line<'_>) -> Step {
    if line.indent == 2 && !line.blank() {
        state.phase = WARNED;
        return Step::Continue;
    }
    if state.lines == 1 && enable_tracemalloc(line.text) {
        return Step::End;
    }
    // So does one with paragraphs (celery's of a worker that runs as root).
    if line.blank() {
        state.mark = LONG;
    }
    let most = if state.mark == LONG { WARNING_LINES } else { 3 };
    if line.held < most && announcement(line.text).is_none() {
        Step::Hold
    } else {
        Step::Foreign
    }
}

/// Behind a `ResourceWarning`, and a coroutine's `RuntimeWarning`.
fn enable_tracemalloc(text: &[u8]) -> bool {
    let behind = &text[name_len(text)..];
    behind.starts_with(b": Enable tracemalloc to get the object allocation traceback")
}

pub(super) fn warned(state: &mut State, line: &Line<'_>) -> Step {
    if line
        .text
        .starts_with(b"Object allocated at (most recent call last):")
    {
        state.phase = STACK;
        return Step::Continue;
    }
    if enable_tracemalloc(line.text) {
        return Step::End;
    }
    Step::Foreign
}
