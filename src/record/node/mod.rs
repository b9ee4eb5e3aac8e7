//! Node.js, Deno, Bun and browsers: V8's stacks, `util.inspect` of errors, uncaught errors with their source line.

#[cfg(test)]
mod tests;

use super::language::{
    ERROR_WORD, Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step,
};
use super::line::{Line, after, before, capital_head, named_error, number, trim};
use memchr::{memchr, memmem};

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

/// How many lines an uncaught error's message may have.
const MESSAGE_LINES: u32 = 30;
/// How many lines V8 writes about its heap; older versions list the stack there.
const HEAP_LINES: u32 = 60;
/// How many source lines Bun shows, and some more.
const LISTING_LINES: u32 = 10;

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
        if text.starts_with(b"(node:") && memmem::find(text, b") ").is_some() {
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
                depth: 1,
                ..seen
            });
        }
        let property = line.indent == 2 && head.open_end && head.lines == 1 && key(body);
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
        let (function, place) = match memmem::find(body, b" (") {
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

/// `text` from the first name of an error that stands in the form of a head: `Error in job RangeError: text`.
fn telling(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let (Some(name), message) = named_error(rest) {
        let behind = after(rest, name).unwrap_or_default();
        if message.is_some() || behind.starts_with(b" [") {
            return rest;
        }
        rest = behind;
    }
    text
}

/// `(node:12) [X] SomeWarning: text`; that of a rejection says the error.
fn warned(text: &[u8]) -> Option<Error<'_>> {
    let text = after(text.strip_prefix(b"(node:")?, b") ")?;
    let text = match text.strip_prefix(b"[") {
        Some(code) => after(code, b"] ")?,
        None => text,
    };
    let (name, message) = capital_head(text)?;
    (name.ends_with(b"Warning") && !firm(message)).then(|| (Some(name), Some(trim(message))))
}

/// Where the code that evaluated a text stands: `eval at f (/srv/a.js:3:6), <anonymous>:1:23`.
fn evaluated(place: &[u8]) -> Option<&[u8]> {
    let rest = place.strip_prefix(b"eval at ")?;
    let open = rest.iter().rposition(|b| *b == b'(')?;
    before(&rest[open + 1..], b")")
}

/// `file:12` in two.
fn split_number(text: &[u8]) -> (&[u8], Option<u64>) {
    let Some(colon) = text.iter().rposition(|b| *b == b':') else {
        return (text, None);
    };
    match number(&text[colon + 1..]) {
        Some((n, [])) => (&text[..colon], Some(n)),
        _ => (text, None),
    }
}

/// `TypeError: x`, `Uncaught Error`, `Error [ERR_X]: y`: the error's name comes first.
fn firm(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"error: ").unwrap_or(text);
    let text = text.strip_prefix(b"Uncaught ").unwrap_or(text);
    let text = text.strip_prefix(b"(in promise) ").unwrap_or(text);
    let end = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$'))
        .count();
    let named = text[..end].ends_with(b"Error") || text[..end].ends_with(b"Exception");
    named
        && (matches!(text.get(end), None | Some(b':'))
            || text[end..].starts_with(b" [")
            || text[end..].starts_with(b" {"))
}

/// `/srv/app.js:3`, `node:internal/process/promises:288`, `events.js:174`: where an uncaught error was thrown.
fn place(text: &[u8]) -> bool {
    const FIRST: &[&[u8]] = &[
        b"/",
        b"file:///",
        b"node:",
        b"[eval]",
        b"[stdin]:",
        b"[worker eval]:",
        b"evalmachine.",
        b"undefined:",
        b"<anonymous_script>:",
    ];
    const LAST: &[&[u8]] = &[
        b".js", b".mjs", b".cjs", b".ts", b".mts", b".cts", b".jsx", b".tsx",
    ];
    let (file, line) = split_number(text);
    line.is_some()
        && text.len() < 4096
        && (FIRST.iter().any(|word| text.starts_with(word))
            || LAST.iter().any(|end| file.ends_with(end)))
}

fn caret(body: &[u8]) -> bool {
    let body = trim(body);
    !body.is_empty() && body.iter().all(|b| matches!(b, b'^' | b'~'))
}

fn opens(body: &[u8]) -> bool {
    body.ends_with(b" {") || body.ends_with(b" [")
}

/// `[cause]: `, `code: `, `'quoted key': `
fn key(body: &[u8]) -> bool {
    let end = body
        .iter()
        .take_while(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'[' | b']' | b'\'' | b'-')
        })
        .count();
    end > 0 && body[end..].starts_with(b": ")
}

/// `at f (file:1:2)`, `at file:1:2`, `at f (<anonymous>)`; not `at least one`.
fn frame(body: &[u8]) -> bool {
    let Some(rest) = body
        .strip_prefix(b"at ")
        .or_else(|| body.strip_prefix(b"eval at "))
    else {
        return elided(body);
    };
    let rest = rest.strip_suffix(b" {").unwrap_or(rest);
    let rest = rest.strip_suffix(b",").unwrap_or(rest);
    if let Some(inner) = rest.strip_suffix(b")") {
        let known = [
            &b"(<anonymous>"[..],
            b"(native",
            b"(unknown location",
            b"(internal",
        ]
        .iter()
        .any(|end| inner.ends_with(end));
        return known || rest.contains(&b'(') && columns(inner.strip_suffix(b")").unwrap_or(inner));
    }
    let rest = rest.strip_prefix(b"async ").unwrap_or(rest);
    !rest.contains(&b' ') && columns(rest)
}

/// `file:1:2`, or `file:1` from older engines.
fn columns(place: &[u8]) -> bool {
    let (file, column) = split_number(place);
    column.is_some()
        && (split_number(file).1.is_some() || file.ends_with(b".js") || file.ends_with(b".ts"))
}

/// Whether a frame names a file, which V8's own functions do not have.
fn located(body: &[u8]) -> bool {
    !["(<anonymous>)", "(native)", "(index 0)"]
        .iter()
        .any(|end| body.ends_with(end.as_bytes()))
}

/// `... 5 lines matching cause stack trace ...`, `[... lines matching original stack trace ...]`
fn elided(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"[").unwrap_or(body);
    let body = body.strip_suffix(b"]").unwrap_or(body);
    body.starts_with(b"... ")
        && body.ends_with(b" ...")
        && memmem::find(body, b" lines matching ").is_some()
}

fn frames(state: &mut State, line: &Line<'_>) -> Step {
    let body = line.body();
    if line.blank() {
        return Step::Hold;
    }
    if state.depth == 1 && body.starts_with(b"Node.js v") || bun_version(body) {
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
    let whence =
        state.depth == 1 && (body == b"Thrown at:" || body.starts_with(b"Emitted 'error' event "));
    if line.indent == 0 && (further || whence) {
        Step::Continue
    } else {
        Step::Foreign
    }
}

/// A frame of any form, with whatever `console.error` was given behind the error.
fn call(body: &[u8]) -> bool {
    let Some(rest) = body.strip_prefix(b"at ") else {
        return false;
    };
    let end = memchr(b' ', rest).unwrap_or(rest.len());
    end == rest.len() || rest.contains(&b'(') || columns(&rest[..end])
}

/// Until version 11 the braces stand around error and all, and properties follow the frames: `  errno: -2,`,
/// `  code: 'X' }`.
fn old_property(body: &[u8]) -> bool {
    key(body) && matches!(body, [.., b','] | [.., b' ', b'}'])
}

fn old_object(state: &mut State, body: &[u8]) -> Step {
    if body.ends_with(b" }") && state.depth != 1 {
        return Step::End;
    }
    Step::Continue
}

/// Inside braces lines are indented, and the closing one is not. Strings in them may hold any bracket.
fn object(state: &mut State, line: &Line<'_>) -> Step {
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
    if state.depth == 1 {
        state.phase = FRAMES;
        return Step::Continue;
    }
    Step::End
}

fn source(state: &mut State, line: &Line<'_>) -> Step {
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

fn warning(state: &mut State, line: &Line<'_>) -> Step {
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

/// `----- Native stack trace -----`, or, before version 20, its first frame.
fn native_opener(line: &Line<'_>) -> bool {
    line.text == b"----- Native stack trace -----" || line.text.starts_with(b" 1: 0x")
}

/// ``node[12]: ../src/a.cc:3:void f(): Assertion `x' failed.``
fn native_assertion(text: &[u8]) -> bool {
    text.starts_with(b"node[") && text.ends_with(b"' failed.")
}

/// The `FATAL ERROR` that ends it looks like a logger's line.
fn heap(state: &mut State, line: &Line<'_>) -> Step {
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

fn native(line: &Line<'_>) -> Step {
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

fn hashes(state: &mut State, line: &Line<'_>) -> Step {
    if line.text.starts_with(b"#") {
        return Step::Continue;
    }
    state.phase = NATIVE;
    native(line)
}

/// `3 | const a = b;`
fn numbered(line: &Line<'_>) -> Option<i32> {
    let (n, rest) = number(line.body())?;
    let n = i32::try_from(n).ok()?;
    (line.indent < 6 && (rest.starts_with(b" | ") || rest == b" |")).then_some(n)
}

fn listing(state: &mut State, line: &Line<'_>) -> Step {
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

fn listed(state: &mut State, line: &Line<'_>) -> Step {
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
fn bun(state: &mut State, line: &Line<'_>) -> Step {
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
    let property = line.indent > 0 && key(body) && line.held == 0;
    match state.frame {
        Some(_) => Step::Foreign,
        None if property => Step::Continue,
        None => Step::Hold,
    }
}

/// `Bun v1.2.3 (Linux x64)`
fn bun_version(text: &[u8]) -> bool {
    text.starts_with(b"Bun v") && text.ends_with(b")") && text.len() < 80
}
