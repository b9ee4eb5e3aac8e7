//! C# and the other languages of .NET and Mono: `Exception.ToString`.

#[cfg(test)]
mod tests;

use super::language::{
    ERROR_WORD, Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step,
};
use super::line::{Line, after, before, class_head, dotted_len, find, named_error, number, trim};

/// .NET and Mono.
pub(super) struct CSharp;

/// Behind an inner exception's head, whose message may have several lines. Phase 0 is between frames.
const INNER: u8 = 1;
/// Behind `Exception data:`, whose entries are indented further.
const DATA: u8 = 3;
/// Behind the runtime's announcement that it ends the process: a message, then frames.
const FATAL: u8 = 2;

/// What stands before a frame, in the languages into which the .NET Framework was translated.
const AT: &[&str] = &[
    "at ", "bei ", "à ", "en ", "in ", "em ", "w ", "в ", "在 ", "場所 ", "위치: ", "konum: ",
    "vid ",
];

/// The runtime ends the process, and has not told of an exception yet.
const ENDS: u8 = 1;

impl Language for CSharp {
    fn name(&self) -> &'static str {
        "csharp"
    }

    fn first(&self) -> &'static [u8] {
        b"UPSF"
    }

    fn signs(&self) -> u8 {
        ERROR_WORD | ODD_WORD
    }

    fn indented(&self) -> (&'static [u8], u8) {
        (b"", ERROR_WORD)
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if fatal(text) {
            return Opening::Trace(State {
                phase: FATAL,
                mark: ENDS,
                error: Some(0),
                ..State::default()
            });
        }
        if line.indent == 0 && (unhandled(text).is_some() || head(text)) {
            return Opening::Head(Shape::Firm);
        }
        if line.errors {
            Opening::Head(Shape::Loose)
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
        if line.indent > 0 && frame(body) {
            return Some(State {
                frame: Some(line.at),
                ..seen
            });
        }
        (head.lines > 0 && line.indent > 0 && inner(body)).then_some(State {
            phase: INNER,
            ..seen
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        if line.blank() {
            return Step::Hold;
        }
        if let Some(phase) = phase_behind(state, line) {
            state.phase = phase;
            return Step::Continue;
        }
        let body = line.body();
        match state.phase {
            DATA if line.indent > 2 => Step::Continue,
            _ if repeats(body) || body == b"<---" => Step::Continue,
            FATAL | INNER if unhandled(line.text).is_none() => Step::Hold,
            _ => Step::Foreign,
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        let text = unhandled(text)
            .or_else(|| text.strip_prefix(b"Fatal error. "))
            .unwrap_or(text);
        if fatal(text) {
            return (None, Some(text));
        }
        if let Some((kind, message)) = numbered(text) {
            return (Some(kind), Some(message));
        }
        if !class_head(text) {
            let (kind, message) = named_error(text);
            return (
                kind,
                message.map(|m| trim(before(m, b" ---> ").unwrap_or(m))),
            );
        }
        let end = dotted_len(text);
        let message = text[end..]
            .strip_prefix(b": ")
            .map(|m| before(m, b" ---> ").unwrap_or(m));
        (Some(&text[..end]), message.map(trim))
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let Some(body) = behind_at(trim(text)) else {
            return Frame::default();
        };
        let function = before(body, b"(").map(trim);
        let place = after(body, b") in ")
            .or_else(|| after(body, b"] in "))
            .filter(|p| !p.starts_with(b"<"));
        let Some(colon) = place.and_then(|p| p.iter().rposition(|b| *b == b':')) else {
            return Frame {
                function,
                ..Frame::default()
            };
        };
        let place = place.unwrap_or_default();
        let digits = place[colon + 1..]
            .strip_prefix(b"line ")
            .unwrap_or(&place[colon + 1..]);
        Frame {
            file: Some(&place[..colon]),
            line: number(digits).map(|n| n.0),
            function,
        }
    }
}

/// The phase that a line of a certain form begins.
fn phase_behind(state: &mut State, line: &Line<'_>) -> Option<u8> {
    let body = line.body();
    if line.indent > 0 && (frame(body) || located(body)) {
        state.frame = state.frame.or(Some(line.at));
        state.seen = true;
        return Some(0);
    }
    if separator(line) {
        return Some(0);
    }
    // `FailFast` prints the exception that it was given behind the frames.
    let given = state.mark == ENDS && state.phase == 0 && line.indent == 0 && head(body);
    if inner(body) || given {
        state.mark = 0;
        // An inner exception that was never thrown has no frames.
        return Some(if body.ends_with(b"<---") { 0 } else { INNER });
    }
    (line.indent > 0 && body == b"Exception data:").then_some(DATA)
}

/// What follows `Unhandled exception. ` (.NET), `Unhandled Exception: ` (.NET Framework), `Unhandled Exception:` (Mono).
fn unhandled(text: &[u8]) -> Option<&[u8]> {
    let rest = text
        .strip_prefix(b"Unhandled exception. ")
        .or_else(|| text.strip_prefix(b"Unhandled Exception:"))?;
    Some(trim(rest))
}

/// ` ---> System.Exception: inner`, `---> (Inner Exception #0) …`; a docker build writes ` ---> 0a1b2c3d`.
fn inner(body: &[u8]) -> bool {
    let behind = body.strip_prefix(b"---> ");
    behind.is_some_and(|text| head(text) || text.starts_with(b"(Inner Exception #"))
}

/// `at A.B(String c) in file:line 3`, `at A.B () [0x00002] in file:3`, `at A.B()`.
fn frame(body: &[u8]) -> bool {
    let Some(rest) = behind_at(body) else {
        return false;
    };
    let Some(open) = rest.iter().position(|b| *b == b'(') else {
        return false;
    };
    let name = trim(&rest[..open]);
    // A generic's arguments stand in square brackets and may hold anything.
    let plain = name[..name.iter().position(|b| *b == b'[').unwrap_or(name.len())].contains(&b' ');
    let dotted = name.contains(&b'.') && !plain;
    let end = trim(rest.strip_suffix(b"<---").unwrap_or(rest));
    dotted
        && (end.ends_with(b")")
            || find(rest, b") in ").is_some()
            || find(rest, b") [0x").is_some()
            || !body.starts_with(b"at ") && find(rest, b") ").is_some())
}

/// A frame among others may have a name of its own: `at lambda_method1(Closure, Object)`.
fn located(body: &[u8]) -> bool {
    let called = body.ends_with(b")") && body.contains(&b'(');
    body.starts_with(b"at ") && (called || find(body, b") in ").is_some())
}

/// A type alone, or with its message.
fn head(text: &[u8]) -> bool {
    class_head(text) || numbered(text).is_some()
}

/// Type and message of `Npgsql.PostgresException (0x80004005): text`: an error code stands between them.
fn numbered(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let kind = &text[..dotted_len(text)];
    let code = text[kind.len()..].strip_prefix(b" (")?;
    let message = after(code, b"): ")?;
    let digits = &code[..code.len() - message.len() - 3];
    let known = kind.contains(&b'.')
        && digits
            .iter()
            .all(|b| b.is_ascii_hexdigit() || matches!(b, b'x' | b'-'));
    known.then(|| (kind, before(message, b" ---> ").unwrap_or(message)))
}

/// What follows `at `, and Mono's note of a stub that the runtime made itself: `(wrapper managed-to-native) `.
fn behind_at(body: &[u8]) -> Option<&[u8]> {
    let rest = AT.iter().find_map(|at| body.strip_prefix(at.as_bytes()))?;
    match rest.strip_prefix(b"(wrapper ") {
        Some(wrapped) => after(wrapped, b") "),
        None => Some(rest),
    }
}

/// `   --- End of inner exception stack trace ---`, translated or not, and the same of async methods in the first column.
fn separator(line: &Line<'_>) -> bool {
    let body = line.body();
    body.starts_with(b"--- End of ")
        || line.indent > 0 && body.starts_with(b"--- ") && body.ends_with(b" ---")
}

/// `Process terminated. message`, `Stack overflow.`, `Fatal error. System.AccessViolationException: …`, which newer
/// runtimes break behind the full stop.
fn fatal(text: &[u8]) -> bool {
    text.starts_with(b"Process terminated.")
        || text == b"Stack overflow."
        || text == b"Fatal error."
        || text.starts_with(b"Fatal error. ")
}

/// `Repeat 24107 times:` and the rule below it.
fn repeats(body: &[u8]) -> bool {
    let times = body.starts_with(b"Repeat") && body.ends_with(b" times:");
    times || body.len() > 8 && body.iter().all(|b| *b == b'-')
}
