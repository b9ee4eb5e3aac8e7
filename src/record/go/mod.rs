//! Go: panics, runtime errors, signals, goroutine stacks, zap's stack traces, the race detector.

#[cfg(test)]
mod tests;

use super::language::{
    Error, Frame, Head, Language, ODD_WORD, Opening, REPORT_LINES, Shape, State, Step,
};
use super::line::{Line, RACE_RULE, after, before, find, number, trim};
use memchr::memchr;

/// The runtime's forms.
pub(super) struct Go;

/// In a goroutine's stack.
const STACK: u8 = 0;
/// Between the rules of a race report.
const RACE: u8 = 1;
/// zap's pairs of function and place, without a goroutine.
const PAIRS: u8 = 2;

/// In what gin's Recovery writes, before the stack.
const REQUEST: u8 = 3;
/// In that stack.
const GIN: u8 = 4;

/// How many lines a request and a message have at most in front of it.
const REQUEST_LINES: u32 = 100;

/// How many lines a wrapped error's message may have between two stacks of pkg/errors.
const WRAPPED_LINES: usize = 5;

/// The frames of who recovered are behind.
const PASSED: u8 = 1;

impl Language for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn first(&self) -> &'static [u8] {
        b"pfSgru=[Es2h"
    }

    fn signs(&self) -> u8 {
        ODD_WORD
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if line.indent > 0 {
            return Opening::No;
        }
        if goroutine(text) {
            return Opening::Trace(State {
                seen: true,
                ..State::default()
            });
        }
        if text.ends_with(b" panic recovered:") && after(text, b"[Recovery] ").is_some() {
            return Opening::Trace(State {
                phase: REQUEST,
                seen: true,
                ..State::default()
            });
        }
        // The message may have several lines before the stack.
        let head = head(text) || after(text, b"http: panic serving ").is_some();
        if text == RACE_RULE || head && (!text.starts_with(b"SIG") || find(text, b": ").is_some()) {
            return Opening::Head(Shape::Firm);
        }
        if function(text) {
            Opening::Head(Shape::Loose)
        } else {
            Opening::No
        }
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let text = line.text;
        let seen = State {
            seen: true,
            ..State::default()
        };
        if goroutine(text)
            || head.lines > 0 && (text.starts_with(b"[signal ") || text == b"runtime stack:")
        {
            return Some(seen);
        }
        // A stack that overflowed is told of in three lines.
        if head.lines == 1
            && (text.starts_with(b"runtime: sp=") || text == b"fatal error: stack overflow")
        {
            return Some(State {
                error: Some(line.at),
                ..seen
            });
        }
        if head.lines == 1 && text == b"WARNING: DATA RACE" {
            return Some(State {
                phase: RACE,
                fenced: true,
                error: Some(line.at),
                ..seen
            });
        }
        let message = head.lines == 2;
        (matches!(head.lines, 1 | 2) && text.starts_with(b"\t") && source(line.body())).then_some(
            State {
                phase: PAIRS,
                error: if message { Some(head.at) } else { Some(0) },
                frame: Some(if message { head.second } else { head.at }),
                ..seen
            },
        )
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        match state.phase {
            RACE => race(state, line),
            REQUEST | GIN => gin(state, line),
            _ => stack(state, line),
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        for kind in [&b"panic"[..], b"fatal error"] {
            if let Some(message) = text
                .strip_prefix(kind)
                .and_then(|rest| rest.strip_prefix(b": "))
            {
                // Only the first of several panics says what began it all.
                let message = [&b" [recovered]"[..], b" [recovered, repanicked]"]
                    .iter()
                    .find_map(|mark| message.strip_suffix(*mark))
                    .unwrap_or(message);
                return (Some(&text[..kind.len()]), Some(trim(message)));
            }
        }
        if let Some(rest) = after(text, b"http: panic serving ") {
            return (Some(b"panic"), after(rest, b": ").map(trim));
        }
        match before(text, b": ") {
            Some(name) if name.starts_with(b"SIG") => (Some(name), after(text, b": ").map(trim)),
            _ if text.starts_with(b"runtime error: ") => (Some(b"panic"), Some(trim(text))),
            _ if text == b"WARNING: DATA RACE" => (Some(&text[9..]), None),
            _ => (None, None),
        }
    }

    fn frame<'a>(&self, text: &'a [u8], below: &'a [u8]) -> Frame<'a> {
        if let Some(place) = gin_place(text) {
            let frame = self.frame(b"", place);
            let function = before(trim(below), b": ");
            return Frame { function, ..frame };
        }
        let function = text
            .iter()
            .rposition(|b| *b == b'(')
            .filter(|_| text.ends_with(b")"));
        let function = Some(function.map_or(text, |i| &text[..i]));
        let place = trim(below);
        let Some(colon) = place.iter().rposition(|b| *b == b':') else {
            return Frame {
                function,
                ..Frame::default()
            };
        };
        Frame {
            file: Some(&place[..colon]),
            line: number(&place[colon + 1..]).map(|n| n.0),
            function,
        }
    }
}

/// The first words of what the runtime, or a program, says in front of a stack.
fn head(text: &[u8]) -> bool {
    let words: &[&[u8]] = match text.first() {
        Some(b'p') => &[b"panic: "],
        Some(b'f') => &[b"fatal error: "],
        Some(b'S') => &[b"SIG"],
        Some(b'r') => &[b"runtime: "],
        Some(b'u') => &[b"unexpected fault address "],
        Some(b'[') => &[b"[signal "],
        // pkg/errors prints message and stack by `%+v`.
        Some(b'E') => &[b"Error: "],
        Some(b's') => &[b"stacktrace from panic: "],
        _ => &[],
    };
    words.iter().any(|word| text.starts_with(word))
}

/// `goroutine 7 [running]:`, with more in the brackets or before the colon.
fn goroutine(text: &[u8]) -> bool {
    let Some((_, rest)) = text.strip_prefix(b"goroutine ").and_then(number) else {
        return false;
    };
    let open = find(rest, b" [")
        .is_some_and(|i| i == 0 || rest.starts_with(b" gp=") || rest.starts_with(b" m="));
    open && rest.ends_with(b":")
}

/// `main.main`, `net/http.(*conn).serve(0xc0000, {…})`, `created by main.main in goroutine 1`.
fn function(text: &[u8]) -> bool {
    let name = &text[..memchr(b' ', text).unwrap_or(text.len())];
    let dotted = memchr(b'.', name).is_some_and(|i| i > 0 && i + 1 < name.len());
    let plain = |b: &u8| b.is_ascii_graphic() || *b >= 0x80;
    let ends = || {
        name.len() == text.len() && !text.ends_with(b":")
            || text.ends_with(b")") && name.contains(&b'(')
    };
    dotted && text[0].is_ascii_alphabetic() && ends() && name.iter().all(plain)
}

/// A stack's call: with arguments, or the runtime's own `panic(…)`.
fn call(text: &[u8]) -> bool {
    function(text)
        || text.starts_with(b"created by ")
        || text.starts_with(b"panic(")
        || text.ends_with(b"(...)")
        || text.ends_with(b"()")
}

/// `/srv/a.go:12 +0x1d`
fn source(body: &[u8]) -> bool {
    let Some(colon) = body.iter().rposition(|b| *b == b':') else {
        return false;
    };
    let file = &body[..colon];
    (file.ends_with(b".go") || file.ends_with(b".s") || file == b"_cgo_gotypes.go")
        && number(&body[colon + 1..]).is_some()
}

/// Behind a blank line another goroutine, the registers or nothing follow. A function counts once its place is there.
fn stack(state: &mut State, line: &Line<'_>) -> Step {
    let text = line.text;
    if line.blank() {
        return Step::Hold;
    }
    if section(text) {
        state.phase = STACK;
        return Step::Continue;
    }
    // A log's limit may have cut the place behind the last call.
    let cut = line.held == 1 && !line.body().contains(&b' ');
    // Between the stacks of a wrapped error its message stands.
    let stacked = state.phase != PAIRS || line.held > 0;
    if text.starts_with(b"\t")
        && stacked
        && (cut || source(line.body()) || text.starts_with(b"\tgoroutine running on "))
    {
        return Step::Continue;
    }
    if text == b"fatal error: stack overflow" && state.frame.is_none() {
        state.error = Some(line.at);
        return Step::Continue;
    }
    if text.starts_with(b"exit status ")
        && line.held == 0
        && number(&text[12..]).is_some_and(|n| n.1.is_empty())
    {
        return Step::End;
    }
    if text.starts_with(b"...") && text.ends_with(b"frames elided...")
        || text.starts_with(b"[originating from ")
    {
        return Step::Continue;
    }
    if state.phase == PAIRS && line.indent == 0 && line.held < WRAPPED_LINES && !head(text) {
        return Step::Hold;
    }
    called(state, line)
}

/// A call in a stack, which counts once its place follows.
fn called(state: &mut State, line: &Line<'_>) -> Step {
    let text = line.text;
    // A stack that is printed by who recovered begins with his own frames.
    if text.starts_with(b"panic(") && state.error.is_none() && state.mark != PASSED {
        state.mark = PASSED;
        state.frame = None;
    }
    if line.held == 0 && line.indent == 0 && call(text) {
        if state.frame.is_none() && !machinery(text) {
            state.frame = Some(line.at);
        }
        return Step::Hold;
    }
    Step::Foreign
}

/// What begins another part of a dump.
fn section(text: &[u8]) -> bool {
    goroutine(text)
        || matches!(text, b"runtime stack:" | b"-----")
        || text.starts_with(b"[signal ")
        || register(text)
}

/// What stands above the frame that failed: the runtime's own, and what panics on behalf of its caller.
fn machinery(text: &[u8]) -> bool {
    const PREFIXES: &[&[u8]] = &[
        b"panic(",
        b"runtime.",
        b"runtime/",
        b"internal/",
        b"sync.fatal(",
        b"sync.throw(",
        b"log.Panic",
        b"log.(*Logger).Panic",
        b"net/http.(*conn).serve.func",
    ];
    PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

/// `rax    0x0`: what a fatal signal dumps last.
fn register(text: &[u8]) -> bool {
    let name = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    let rest = text[name..].trim_ascii_start();
    matches!(name, 2..=6)
        && rest.starts_with(b"0x")
        && rest.len() < text.len() - name
        && rest[2..].iter().all(u8::is_ascii_hexdigit)
}

/// `/srv/main.go:98 (0x98a95b)`, without its address.
fn gin_place(text: &[u8]) -> Option<&[u8]> {
    let place = before(text.strip_suffix(b")")?, b" (0x")?;
    source(place).then_some(place)
}

/// A request, a blank line, the message, then pairs of place and function to the next blank line.
fn gin(state: &mut State, line: &Line<'_>) -> Step {
    state.lines += 1;
    if gin_place(line.text).is_some() {
        state.phase = GIN;
        if state.frame.is_none() && find(line.text, b"/src/runtime/").is_none() {
            state.frame = Some(line.at);
        }
        return Step::Continue;
    }
    if state.phase == GIN {
        return match line.blank() {
            true => Step::End,
            false if line.text.starts_with(b"\t") => Step::Continue,
            false => Step::Foreign,
        };
    }
    if !line.blank() {
        state.error = Some(line.at);
    }
    if state.lines <= REQUEST_LINES {
        Step::Continue
    } else {
        Step::Foreign
    }
}

fn race(state: &mut State, line: &Line<'_>) -> Step {
    state.lines += 1;
    if line.text == RACE_RULE {
        state.fenced = false;
        return Step::End;
    }
    if state.lines > REPORT_LINES {
        state.fenced = false;
        return Step::Foreign;
    }
    if state.frame.is_none() && line.indent == 2 {
        state.frame = Some(line.at);
    }
    Step::Continue
}
