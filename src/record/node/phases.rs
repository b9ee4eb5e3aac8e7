//! What a line is to an open report.

use super::forms::{
    bun_version, call, caret, columns, frame, keyed, located, numbered, old_property, opens,
};
use super::{BUN, FRAMES, LISTED, NATIVE, OBJECT, UNCAUGHT};
use crate::record::language::{State, Step};
use crate::record::line::{Line, number};

/// How many lines an uncaught error's message may have.
const MESSAGE_LINES: u32 = 30;
/// How many lines V8 writes about its heap; older versions list the stack there.
const HEAP_LINES: u32 = 60;
/// How many source lines Bun shows, and some more.
const LISTING_LINES: u32 = 10;

pub(super) fn frames(state: &mut State, line: &Line<'_>) -> Step {
    let body = line.body();
    if line.blank() {
        return Step::Hold;
    }
    if state.mark == UNCAUGHT && body.starts_with(b"Node.js v") || bun_version(body) {
        return Step::End;
    }
    if line.indent > 0 && (call(body) || frame(body)) {
        if state.frame.is_none() && located(body) {
            state.frame = Some(line.at);
        }
        if opens(body) {
            state.phase = OBJECT;
        }
        return Step::Continue;
    }
    if line.indent == 2 && old_property(body) {
        return old_object(state, body);
    }
    // bluebird and verror write the further stacks below the first.
    let further = body == b"From previous event:"
        || (body.starts_with(b"Caused by: ") || body.starts_with(b"caused by: ")) && line.errors;
    // Of an uncaught error only.
    let whence = state.mark == UNCAUGHT
        && (body == b"Thrown at:" || body.starts_with(b"Emitted 'error' event "));
    if line.indent == 0 && (further || whence) {
        Step::Continue
    } else {
        Step::Foreign
    }
}

fn old_object(state: &mut State, body: &[u8]) -> Step {
    if body.ends_with(b" }") && state.mark != UNCAUGHT {
        return Step::End;
    }
    Step::Continue
}

/// Inside braces lines are indented, and the closing one is not. Strings in them may hold any bracket.
pub(super) fn object(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() {
        return Step::Hold;
    }
    if line.indent > 0 {
        return Step::Continue;
    }
    if !matches!(line.text[0], b'}' | b']') {
        return Step::Foreign;
    }
    // The next value that `console.error` was given.
    if opens(line.text) {
        return Step::Continue;
    }
    if state.mark == UNCAUGHT {
        state.phase = FRAMES;
        return Step::Continue;
    }
    Step::End
}

pub(super) fn source(state: &mut State, line: &Line<'_>) -> Step {
    let body = line.body();
    if line.blank() {
        return Step::Hold;
    }
    if body.starts_with(b"Node.js v") {
        return Step::End;
    }
    if line.indent > 0 && frame(body) {
        state.phase = FRAMES;
        // It names the function too.
        state.frame = located(body).then_some(line.at);
    } else {
        if state.lines == 0 {
            state.error = Some(line.at);
        }
        state.lines += 1;
    }
    if line.indent == 0 && opens(body) || line.indent > 0 && frame(body) && opens(body) {
        state.phase = OBJECT;
    }
    if state.lines > MESSAGE_LINES {
        Step::Foreign
    } else {
        Step::Continue
    }
}

pub(super) fn warning(state: &mut State, line: &Line<'_>) -> Step {
    if line.text.starts_with(b"(Use `") || line.text.starts_with(b"(Use '") {
        return Step::End;
    }
    if line.indent > 0 && frame(line.body()) {
        state.seen = true;
        state.frame = state.frame.or(Some(line.at));
        return Step::Continue;
    }
    // The warning's detail, if the hint follows.
    if line.held < 5 && !line.text.starts_with(b"(node:") {
        return Step::Hold;
    }
    Step::Foreign
}

/// The `FATAL ERROR` that ends it looks like a logger's line.
pub(super) fn heap(state: &mut State, line: &Line<'_>) -> Step {
    state.lines += 1;
    if line.text.starts_with(b"FATAL ERROR: ") {
        state.phase = NATIVE;
        state.fenced = false;
        state.seen = true;
        state.error = Some(line.at);
        return Step::Continue;
    }
    if line.blank() {
        return Step::Hold;
    }
    if state.lines > HEAP_LINES {
        state.fenced = false;
        return Step::Foreign;
    }
    Step::Continue
}

pub(super) fn native(line: &Line<'_>) -> Step {
    let numbered = number(line.body()).is_some_and(|(_, rest)| {
        let script = rest
            .strip_prefix(b": ")
            .map(|r| r.strip_suffix(b")").unwrap_or(r));
        rest.starts_with(b": 0x") || line.indent == 0 && script.is_some_and(columns)
    });
    if line.blank() {
        Step::Hold
    } else if numbered || line.text.starts_with(b"----- ") {
        Step::Continue
    } else {
        Step::Foreign
    }
}

pub(super) fn hashes(state: &mut State, line: &Line<'_>) -> Step {
    if line.text.starts_with(b"#") {
        return Step::Continue;
    }
    state.phase = NATIVE;
    native(line)
}

pub(super) fn listing(state: &mut State, line: &Line<'_>) -> Step {
    if caret(line.body()) && line.indent > 0 {
        state.phase = LISTED;
        // Bun's `error: text` looks like a logger's line.
        state.fenced = true;
        return Step::Continue;
    }
    state.lines += 1;
    let next = numbered(line) == Some(state.depth + 1);
    if !next || state.lines > LISTING_LINES {
        return Step::Foreign;
    }
    state.depth += 1;
    Step::Hold
}

pub(super) fn listed(state: &mut State, line: &Line<'_>) -> Step {
    state.fenced = false;
    if line.blank() || line.indent > 0 {
        return Step::Foreign;
    }
    state.phase = BUN;
    state.seen = true;
    state.error = Some(line.at);
    Step::Continue
}

/// Properties are indented, and the frames come last.
pub(super) fn bun(state: &mut State, line: &Line<'_>) -> Step {
    let body = line.body();
    if line.blank() {
        return Step::Hold;
    }
    if bun_version(line.text) {
        return Step::End;
    }
    if line.indent > 0 && call(body) {
        state.frame = state.frame.or(Some(line.at));
        return Step::Continue;
    }
    let property = line.indent > 0 && keyed(body) && line.held == 0;
    match state.frame {
        Some(_) => Step::Foreign,
        None if property => Step::Continue,
        None => Step::Hold,
    }
}
