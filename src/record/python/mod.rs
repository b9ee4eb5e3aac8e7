//! Python: `traceback`, `logging`, `warnings`, `faulthandler`, `asyncio`, `threading`, `multiprocessing`.

mod announce;
mod inserts;
mod names;
mod reports;
#[cfg(test)]
mod tests;
mod traceback;

use super::language::{Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step};
use super::line::{Line, after, before, number, trim};
use announce::{announcement, context, opener, ruled_phase};
use inserts::{fence, fields, remote, ruled, sql};
use names::{bare_name, boxed_frame, exception_shape, file_line, name_len, syntax_error};
use reports::{fault, warned, warning};
use traceback::{call, chain, frames, group, head, stack, tail};

/// `CPython` and `PyPy`, 2.7 to 3.14.
pub(super) struct Python;

/// An announcement: the traceback follows.
const HEAD: u8 = 0;
/// Between `Traceback` and the line that names the error.
const FRAMES: u8 = 1;
/// Behind the line that names the error.
const TAIL: u8 = 2;
/// Behind `During handling of the above exception…`.
const CHAIN: u8 = 3;
/// `RemoteTraceback:`, whose text is the worker's traceback in `"""`.
const REMOTE: u8 = 4;
/// Between the `"""`.
const FENCE: u8 = 5;
/// An exception group, in its `|` and `+` drawing.
const GROUP: u8 = 6;
/// faulthandler's dump: most recent call first, no error line.
const FAULT: u8 = 7;
/// `file:line: SomeWarning: text`, before its source line.
const WARNING: u8 = 8;
/// Behind that source line.
const WARNED: u8 = 9;
/// `Stack (most recent call last):`: frames only.
const STACK: u8 = 10;
/// rich's box around a traceback.
const BOX: u8 = 11;
/// An announcement that may name the error at once, without frames.
const HEAD_OR_ERROR: u8 = 12;
/// `--- Logging error ---`'s last section: where the call was, and what it was given.
const CALL: u8 = 13;
/// A statement of several lines in `SQLAlchemy`'s `[SQL: …]`.
const SQL: u8 = 14;
/// Behind pydantic's `2 validation errors for User`: a field's place, and indented what is wrong with it.
const FIELDS: u8 = 15;
/// Between the two rules that `socketserver` draws around a traceback.
const RULED: u8 = 16;
/// A failed test, as `unittest` tells of it at the end.
const FAILED: u8 = 17;

const OPENER: &[u8] = b"Traceback (most recent call last):";
const GROUP_OPENER: &[u8] = b"+ Exception Group Traceback (most recent call last):";
const STACK_OPENER: &[u8] = b"Stack (most recent call last):";

/// Frames without an opener: only a syntax error is named behind them.
const BARE: u8 = 1;
/// The same behind a logger's line, which may have said `Traceback` itself, or where a task was created.
const LOGGED: u8 = 2;
/// The text of a warning has paragraphs, or announced more.
const LONG: u8 = 3;

/// Drawn by `socketserver` above and below a traceback.
const RULE: &[u8] = b"----------------------------------------";

/// Drawn by `unittest` above a failed test, and between its name and its traceback.
const TEST_RULE: &[u8] = b"======================================================================";
const NAME_RULE: &[u8] = b"----------------------------------------------------------------------";

impl Language for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn first(&self) -> &'static [u8] {
        b"TSE+PFICJU[=mc/<-\xe2"
    }

    fn signs(&self) -> u8 {
        ODD_WORD
    }

    fn indented(&self) -> (&'static [u8], u8) {
        (b"TSF+\xe2", 0)
    }

    fn message_last(&self) -> bool {
        true
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        if let Some(state) = opener(line) {
            return Opening::Trace(state);
        }
        if line.indent == 2 && file_line(line.body()) {
            return Opening::Head(Shape::Firm);
        }
        if line.text == RULE {
            return Opening::Head(Shape::Brief);
        }
        // unittest's dots stand before it, and may look like a type's name: `F.E`.
        if line.text == TEST_RULE {
            return Opening::Head(Shape::Firm);
        }
        if line.indent > 0 {
            return Opening::No;
        }
        announcement(line.text).map_or(Opening::No, Opening::Trace)
    }

    /// `  File "x", line N` without an opener: a syntax error at top level, or `print_stack()`.
    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let frames = State {
            phase: FRAMES,
            mark: BARE,
            seen: true,
            frame: Some(head.at),
            ..State::default()
        };
        match head.lines {
            0 => (line.indent >= 2 && file_line(line.body())).then_some(State {
                frame: Some(line.at),
                mark: LOGGED,
                ..frames
            }),
            1 if line.indent >= 4 && !line.blank() => Some(frames),
            1 if syntax_error(line.text) => Some(State {
                phase: TAIL,
                error: Some(line.at),
                ..frames
            }),
            1 => ruled_phase(head, line.text).map(|phase| State {
                phase,
                mark: 0,
                fenced: true,
                error: Some(line.at),
                frame: None,
                ..frames
            }),
            _ => None,
        }
    }

    fn context(&self, line: &Line<'_>) -> bool {
        context(line)
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        state.lines += 1;
        match state.phase {
            HEAD | HEAD_OR_ERROR => head(state, line),
            FRAMES => frames(state, line),
            CHAIN => chain(state, line),
            REMOTE => remote(state, line),
            FENCE | BOX => fence(state, line),
            GROUP => group(state, line),
            FAULT => fault(state, line),
            WARNING => warning(state, line),
            WARNED => warned(state, line),
            CALL => call(state, line),
            STACK => stack(state, line),
            SQL => sql(state, line),
            FIELDS => fields(state, line),
            RULED | FAILED => ruled(state, line),
            _ => tail(state, line),
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if let Some(what) = text.strip_prefix(b"Fatal Python error: ") {
            return (None, Some(trim(what)));
        }
        let text = text.trim_ascii_start();
        let text = trim(text.strip_prefix(b"| ").unwrap_or(text));
        if !exception_shape(text) && !bare_name(text) {
            return (None, None);
        }
        let end = name_len(text);
        let message = text[end..]
            .strip_prefix(b":")
            .map(trim)
            .filter(|m| !m.is_empty());
        (Some(&text[..end]).filter(|t| !t.is_empty()), message)
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let Some(rest) = after(text, b"File \"") else {
            return boxed_frame(trim(text)).unwrap_or_default();
        };
        let Some(file) = before(rest, b"\", line ") else {
            return Frame::default();
        };
        let rest = after(rest, b"\", line ").and_then(number);
        let function =
            rest.and_then(|(_, r)| r.strip_prefix(b", in ").or_else(|| r.strip_prefix(b" in ")));
        Frame {
            file: Some(file),
            line: rest.map(|r| r.0),
            function: function.map(trim),
        }
    }
}
