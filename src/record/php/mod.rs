//! PHP: uncaught errors as `error_log` and `display_errors` write them, exceptions made text, Monolog.

#[cfg(test)]
mod tests;

use super::language::{ERROR_WORD, Error, Frame, Head, Language, Opening, Shape, State, Step};
use super::line::{Line, after, before, find, number, trim};
use memchr::memmem;

/// PHP 5 to 8.
pub(super) struct Php;

/// Between `#n` lines.
const FRAMES: u8 = 0;
/// Behind `Next …`, whose message may have several lines.
const NEXT: u8 = 1;
/// In a message of several lines, whose last names the place.
const MESSAGE: u8 = 2;
/// Behind that.
const PLACED: u8 = 5;
/// In Xdebug's table.
const TABLE: u8 = 3;
/// Symfony's console draws the message and the trace.
const CONSOLE: u8 = 4;

/// How many lines Xdebug puts between an error and its table, at most.
const BEFORE_TABLE: usize = 8;

impl Language for Php {
    fn name(&self) -> &'static str {
        "php"
    }

    fn first(&self) -> &'static [u8] {
        b"[PFeRC#IWNDU"
    }

    fn signs(&self) -> u8 {
        ERROR_WORD
    }

    fn indented(&self) -> (&'static [u8], u8) {
        (b"", ERROR_WORD)
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = &line.text[..line.text.len().min(512)];
        if line.indent == 0
            && (text.starts_with(b"#0 ") && numbered(text) || text == b"PHP Stack trace:")
        {
            return Opening::Trace(State {
                seen: true,
                always_joins: true,
                ..State::default()
            });
        }
        if line.indent == 0 && console(text) {
            return Opening::Trace(State {
                phase: CONSOLE,
                frame: Some(0),
                ..State::default()
            });
        }
        if line.indent > 0 {
            return if line.errors {
                Opening::Head(Shape::Loose)
            } else {
                Opening::No
            };
        }
        if let Some(opening) = message(text) {
            return opening;
        }
        // Monolog's line with an error made text, whose message may have several lines before the frames.
        let logged = text.starts_with(b"[") && line.errors;
        if logged || after(text, b"[object] (").is_some() || text.starts_with(b"exception '") {
            return Opening::Head(Shape::Firm);
        }
        if line.errors {
            Opening::Head(Shape::Loose)
        } else {
            Opening::No
        }
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let text = line.text;
        let state = State {
            seen: true,
            error: Some(head.at),
            frame: Some(head.at),
            ..State::default()
        };
        if matches!(
            text,
            b"Stack trace:" | b"[stacktrace]" | b"PHP Stack trace:"
        ) {
            return Some(state);
        }
        if text.starts_with(b"#0 ") && numbered(text) {
            return Some(state);
        }
        let previous = text.starts_with(b"[previous exception] [object] (");
        if previous || closes_object(text) {
            return Some(State {
                phase: NEXT,
                ..state
            });
        }
        if text == b"Call Stack:" && head.lines <= BEFORE_TABLE {
            return Some(State {
                phase: TABLE,
                ..state
            });
        }
        None
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        match state.phase {
            TABLE => table(line),
            CONSOLE => in_console(state, line),
            MESSAGE | PLACED => in_message(state, line),
            _ => frames(state, line),
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if let Some(rest) = after(text, b"exception '") {
            let kind = before(rest, b"'");
            let message = after(rest, b"with message '").and_then(|m| before(m, b"' in "));
            return (kind, message);
        }
        // Monolog: `{"exception":"[object] (Type(code: 0): message at /srv/a.php:3)`.
        if let Some(rest) = after(text, b"[object] (") {
            let message = after(rest, b"): ").map(|m| before(m, b" at /").unwrap_or(m));
            return (before(rest, b"(code: "), message.map(trim));
        }
        // Symfony's console: `  [RuntimeException (1)]`.
        if let Some(boxed) = trim(text)
            .strip_prefix(b"[")
            .and_then(|t| t.strip_suffix(b"]"))
        {
            return (before(boxed, b" ").or(Some(boxed)), None);
        }
        let text = after(text, b"Uncaught ").unwrap_or(text);
        let text = before(text, b" in /").unwrap_or(text);
        let Some(colon) = find(text, b": ") else {
            return (None, Some(trim(text)));
        };
        let kind = &text[..colon];
        let message = memmem::rfind(text, b" in ")
            .filter(|i| *i > colon + 1)
            .map_or(&text[colon + 2..], |i| &text[colon + 2..i]);
        (
            Some(kind).filter(|k| {
                !k.contains(&b' ') && !matches!(*k, b"Warning" | b"Notice" | b"Deprecated")
            }),
            Some(trim(message)),
        )
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        if let Some((file, line)) = console_place(text).or_else(|| on_line(text)) {
            return Frame {
                file: Some(file),
                line: Some(line),
                function: None,
            };
        }
        let Some(i) = memmem::rfind(text, b" in ") else {
            return Frame::default();
        };
        let place = &text[i + 4..];
        let Some(colon) = place.iter().rposition(|b| *b == b':') else {
            return Frame::default();
        };
        let line = number(&place[colon + 1..]).map(|n| n.0);
        Frame {
            file: line.map(|_| &place[..colon]),
            line,
            function: None,
        }
    }
}

fn frames(state: &mut State, line: &Line<'_>) -> Step {
    let text = line.text;
    if line.blank() {
        return Step::Hold;
    }
    if text.starts_with(b"  thrown in ")
        || text.starts_with(b"\"}")
        || text.starts_with(b"\",\"")
        || closes_object(text)
    {
        return Step::End;
    }
    // Xdebug: `PHP   1. {main}() /srv/a.php:0`.
    let known = matches!(
        text,
        b"Stack trace:" | b"[stacktrace]" | b"PHP Stack trace:"
    );
    if known || text.starts_with(b"PHP   ") || numbered(text) {
        state.phase = FRAMES;
        return Step::Continue;
    }
    let previous = text.starts_with(b"[previous exception] ");
    if previous || line.held > 0 && text.starts_with(b"Next ") {
        state.phase = NEXT;
        return Step::Continue;
    }
    if state.phase == NEXT {
        Step::Hold
    } else {
        Step::Foreign
    }
}

/// Behind the first line of a message.
fn in_message(state: &mut State, line: &Line<'_>) -> Step {
    if matches!(line.text, b"Stack trace:" | b"PHP Stack trace:") {
        state.seen = true;
        state.phase = FRAMES;
        return Step::Continue;
    }
    if line.text == b"Call Stack:" {
        state.phase = TABLE;
        return Step::Continue;
    }
    if state.phase == MESSAGE {
        let last = line.indent == 0 && on_line(line.text).is_some();
        if message(line.text).is_some() {
            return Step::Foreign;
        }
        if !last {
            // ` in /srv/a.php:3` ends the message of an error that was not caught.
            if Php.frame(line.text, b"").line.is_some() {
                state.frame = Some(line.at);
            }
            return Step::Hold;
        }
        state.phase = PLACED;
        return Step::Continue;
    }
    // Xdebug repeats the error above its table.
    let repeated = state.seen && line.held > 0 && line.held < BEFORE_TABLE;
    if line.blank() || repeated {
        Step::Hold
    } else {
        Step::Foreign
    }
}

/// `    0.0001     396704   1. {main}() /srv/a.php:0`
fn table(line: &Line<'_>) -> Step {
    let body = line.body();
    let timed = number(body).is_some_and(|(_, rest)| rest.starts_with(b"."));
    if line.blank() {
        Step::Hold
    } else if line.held == 0 && line.indent >= 3 && timed {
        Step::Continue
    } else {
        Step::Foreign
    }
}

/// `In Cart.php line 4:`
fn console(text: &[u8]) -> bool {
    console_place(text).is_some()
}

fn console_place(text: &[u8]) -> Option<(&[u8], u64)> {
    let text = text.strip_prefix(b"In ")?.strip_suffix(b":")?;
    let end = memmem::rfind(text, b" line ")?;
    let (line, rest) = number(&text[end + 6..])?;
    let file = &text[..end];
    (rest.is_empty() && !file.contains(&b' ')).then_some((file, line))
}

/// Drawn in a box of spaces; with `-v` the type comes first, and the frames behind it.
fn in_console(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() {
        return Step::Hold;
    }
    if line.indent >= 2 {
        state.error = state.error.or(Some(line.at));
        state.seen = true;
        return Step::Continue;
    }
    let frame = line.indent == 1 && find(line.text, b"() at ").is_some();
    let known = line.text == b"Exception trace:" || console(line.text) && line.held > 0;
    if state.seen && (frame || known) {
        Step::Continue
    } else {
        Step::Foreign
    }
}

/// What PHP itself says: `PHP Warning:  `, behind error_log's time or not, or as displayed without `PHP`. Every message
/// ends in its place, on a line of its own if need be.
fn message(text: &[u8]) -> Option<Opening> {
    const WORDS: &[(&[u8], bool)] = &[
        (b"Fatal error: ", true),
        (b"Parse error: ", true),
        (b"Recoverable fatal error: ", true),
        (b"Catchable fatal error: ", true),
        (b"Warning: ", false),
        (b"Notice: ", false),
        (b"Deprecated: ", false),
    ];
    let unstamped = match text.first() {
        Some(b'[') => after(text, b"] ")?,
        _ => text,
    };
    let named = unstamped.strip_prefix(b"PHP ");
    let (words, fatal) = WORDS
        .iter()
        .find(|(words, _)| named.unwrap_or(unstamped).starts_with(words))?;
    let rest = trim(&named.unwrap_or(unstamped)[words.len()..]);
    if on_line(text).is_some() {
        return Some(Opening::Head(if *fatal {
            Shape::Firm
        } else {
            Shape::Loose
        }));
    }
    let uncaught = rest.starts_with(b"Uncaught ");
    (named.is_some() || uncaught).then_some(Opening::Trace(State {
        phase: MESSAGE,
        seen: uncaught,
        error: Some(0),
        frame: Some(0),
        ..State::default()
    }))
}

/// The place at the end of every message: ` in /srv/a.php on line 3`.
fn on_line(text: &[u8]) -> Option<(&[u8], u64)> {
    let digits = text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (front, line) = text.split_at(text.len() - digits);
    let front = front.strip_suffix(b" on line ")?;
    let file = memmem::rfind(front, b" in ")?;
    Some((&front[file + 4..], number(line)?.0))
}

/// The last line of Monolog's `{"exception":"[object] (Bad(code: 0): text at /srv/a.php:3)"}`.
fn closes_object(text: &[u8]) -> bool {
    find(text, b")\"").is_some_and(|i| i > 0 && text[i - 1].is_ascii_digit())
        && matches!(trim(text).last(), Some(b'}' | b']'))
}

/// `#0 /srv/a.php(3): f()`, `#1 {main}`, `#2 [internal function]: f()`, `#0  f() called at [/srv/a.php:3]`
fn numbered(text: &[u8]) -> bool {
    let Some((_, rest)) = text.strip_prefix(b"#").and_then(number) else {
        return false;
    };
    let Some(rest) = rest.strip_prefix(b" ") else {
        return false;
    };
    let placed = find(rest, b"): ").is_some_and(|i| i > 0 && rest[i - 1].is_ascii_digit());
    rest.starts_with(b"{main}")
        || rest.starts_with(b"[internal function]")
        || placed
        || find(rest, b" called at [").is_some()
}
