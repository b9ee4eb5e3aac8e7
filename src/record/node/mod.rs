//! Node.js, Deno, Bun and browsers: V8's stacks, `util.inspect` of errors, uncaught errors with their source line.

mod forms;
mod phases;
#[cfg(test)]
mod tests;

use super::language::{
    ERROR_WORD, Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step,
};
use super::line::{Line, after, capital_head, find, named_error, trim};
use forms::{
    bun_version, caret, evaluated, firm, frame, keyed, located, native_assertion, native_opener,
    numbered, opens, place, split_number, telling, warned,
};
use phases::{bun, frames, hashes, heap, listed, listing, native, object, source, warning};

/// V8's forms.
pub(super) struct Node;

/// Between frames.
const FRAMES: u8 = 0;
/// Inside the braces that `util.inspect` puts around further properties.
const OBJECT: u8 = 1;
/// An uncaught error: behind the caret under its source line.
const SOURCE: u8 = 2;
/// `(node:123) Warning: text`
const WARNING: u8 = 3;
/// The last words of V8 about its heap, which come before the error.
const HEAP: u8 = 4;
/// Native frames, and the JavaScript frames that follow them.
const NATIVE: u8 = 5;
/// V8's own failure, in lines that begin with `#`.
const HASHES: u8 = 6;
/// Bun's numbered source lines.
const LISTING: u8 = 7;
/// Behind Bun's caret, before the error.
const LISTED: u8 = 8;
/// Bun's error: its further properties, then its frames.
const BUN: u8 = 9;

/// The error was not caught: Node adds how it came up, and its version.
const UNCAUGHT: u8 = 1;

impl Language for Node {
    fn name(&self) -> &'static str {
        "node"
    }

    fn first(&self) -> &'static [u8] {
        b"(/fn[eU<-#T0123456789"
    }

    fn signs(&self) -> u8 {
        ERROR_WORD | ODD_WORD
    }

    fn indented(&self) -> (&'static [u8], u8) {
        (b"0123456789", ERROR_WORD)
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if let Some(state) = own_form(line) {
            return Opening::Trace(state);
        }
        if line.indent > 0 {
            // Koa indents the error that it logs.
            let inner = line.indent <= 4 && line.errors && firm(line.body());
            return if inner {
                Opening::Head(Shape::Brief)
            } else {
                Opening::No
            };
        }
        if text.starts_with(b"(node:") && find(text, b") ").is_some() {
            return Opening::Trace(State {
                phase: WARNING,
                error: Some(0),
                ..State::default()
            });
        }
        if place(text) || line.errors && firm(text) {
            return Opening::Head(Shape::Firm);
        }
        if line.errors {
            return Opening::Head(Shape::Loose);
        }
        // An error's own class, or console.trace; an object's name is not one.
        let named = capital_head(text).is_some() && !opens(text);
        if named || text == b"Trace" || text == b"#" || native_assertion(text) {
            Opening::Head(Shape::Brief)
        } else {
            Opening::No
        }
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let seen = State {
            seen: true,
            ..State::default()
        };
        let body = line.body();
        if native_opener(line) {
            return Some(State {
                phase: NATIVE,
                ..seen
            });
        }
        if head.lines == 1 && body.starts_with(b"# Fatal error in ") {
            return Some(State {
                phase: HASHES,
                error: Some(head.second),
                ..seen
            });
        }
        if line.indent > 0 && frame(body) {
            let phase = if opens(body) { OBJECT } else { FRAMES };
            return Some(State {
                phase,
                frame: located(body).then_some(line.at),
                ..seen
            });
        }
        if head.lines == 2 && caret(body) {
            return Some(State {
                phase: SOURCE,
                frame: Some(head.at),
                mark: UNCAUGHT,
                ..seen
            });
        }
        let property = line.indent == 2 && head.open_end && head.lines == 1 && keyed(body);
        property.then_some(State {
            phase: OBJECT,
            ..seen
        })
    }

    /// Bun names its version last, below an `error: text` that may have no frames.
    fn context(&self, line: &Line<'_>) -> bool {
        bun_version(line.text)
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        match state.phase {
            OBJECT => object(state, line),
            SOURCE => source(state, line),
            WARNING => warning(state, line),
            HEAP => heap(state, line),
            NATIVE => native(line),
            HASHES => hashes(state, line),
            LISTING => listing(state, line),
            LISTED => listed(state, line),
            BUN => bun(state, line),
            _ => frames(state, line),
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if let Some(message) = text.strip_prefix(b"FATAL ERROR: ") {
            return (Some(&text[..11]), Some(trim(message)));
        }
        // Bun's way to write an `Error`.
        if let (Some(message), None) = (text.strip_prefix(b"error: "), named_error(text).0) {
            return (Some(b"Error"), Some(trim(message)));
        }
        if let Some(warning) = warned(text) {
            return warning;
        }
        let (kind, message) = named_error(telling(text));
        if kind.is_none() {
            let head = capital_head(text);
            return (head.map(|h| h.0), head.map(|h| trim(h.1)));
        }
        // `[AggregateError: text] {`, `AssertionError [ERR_ASSERTION]: text`
        let inner = message
            .map(|m| m.strip_suffix(b" {").unwrap_or(m))
            .map(|m| m.strip_suffix(b"]").unwrap_or(m));
        (kind, inner.or_else(|| after(text, b"]: ").map(trim)))
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let text = trim(text);
        let Some(body) = text.strip_prefix(b"at ") else {
            let (file, line) = split_number(text);
            return Frame {
                file: Some(file),
                line,
                function: None,
            };
        };
        let body = body.strip_suffix(b" {").unwrap_or(body);
        let (function, place) = match find(body, b" (") {
            Some(i) if body.ends_with(b")") => (Some(&body[..i]), &body[i + 2..body.len() - 1]),
            _ => (None, body.strip_prefix(b"async ").unwrap_or(body)),
        };
        let place = evaluated(place).unwrap_or(place);
        let (file, line) = split_number(split_number(place).0);
        Frame {
            file: line.map(|_| file),
            line,
            function: function.filter(|f| !f.is_empty()),
        }
    }
}

/// What no other program writes.
fn own_form(line: &Line<'_>) -> Option<State> {
    if line.text == b"<--- Last few GCs --->" {
        return Some(State {
            phase: HEAP,
            fenced: true,
            ..State::default()
        });
    }
    if native_opener(line) {
        return Some(State {
            phase: NATIVE,
            seen: true,
            ..State::default()
        });
    }
    numbered(line).map(|n| State {
        phase: LISTING,
        depth: n,
        ..State::default()
    })
}
