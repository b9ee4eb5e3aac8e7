//! Node.js, Deno, Bun and browsers: V8's stacks, `util.inspect` of errors, uncaught errors with their source line.

use super::language::{
    ERROR_WORD, Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step,
};
use super::line::{Line, after, capital_head, named_error, number, trim};
use memchr::memmem;

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

/// How many lines an uncaught error's message may have.
const MESSAGE_LINES: u32 = 30;

impl Language for Node {
    fn name(&self) -> &'static str {
        "node"
    }

    fn first(&self) -> &'static [u8] {
        b"(/fn[eU"
    }

    fn signs(&self) -> u8 {
        ERROR_WORD | ODD_WORD
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if line.indent > 0 {
            return Opening::No;
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
        // An error's own class, or console.trace.
        if capital_head(text).is_some() {
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
        if line.indent > 0 && frame(body) {
            let phase = if opens(body) { OBJECT } else { FRAMES };
            return Some(State {
                phase,
                frame: Some(line.at),
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

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        match state.phase {
            OBJECT => object(state, line),
            SOURCE => source(state, line),
            WARNING => warning(state, line),
            _ => frames(state, line),
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        let (kind, message) = named_error(text);
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
        let (function, place) = match body.iter().rposition(|b| *b == b'(') {
            Some(i) if body.ends_with(b")") => {
                (Some(trim(&body[..i])), &body[i + 1..body.len() - 1])
            }
            _ => (None, body.strip_prefix(b"async ").unwrap_or(body)),
        };
        let (file, line) = split_number(split_number(place).0);
        Frame {
            file: line.map(|_| file),
            line,
            function: function.filter(|f| !f.is_empty()),
        }
    }
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
    let text = text.strip_prefix(b"Uncaught ").unwrap_or(text);
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

/// `/srv/app.js:3`, `node:internal/process/promises:288`: where an uncaught error was thrown.
fn place(text: &[u8]) -> bool {
    let known = matches!(text.first(), Some(b'/'))
        || [
            &b"file:///"[..],
            b"node:",
            b"[eval]:",
            b"[stdin]:",
            b"evalmachine.",
        ]
        .iter()
        .any(|word| text.starts_with(word));
    known && text.len() < 4096 && split_number(text).1.is_some()
}

fn caret(body: &[u8]) -> bool {
    let body = trim(body);
    !body.is_empty() && body.iter().all(|b| matches!(b, b'^' | b'~'))
}

fn opens(body: &[u8]) -> bool {
    body.ends_with(b" {")
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

/// `... 5 lines matching cause stack trace ...`
fn elided(body: &[u8]) -> bool {
    body.starts_with(b"... ")
        && body.ends_with(b" ...")
        && memmem::find(body, b" lines matching ").is_some()
}

fn frames(state: &mut State, line: &Line<'_>) -> Step {
    let body = line.body();
    if line.blank() {
        return Step::Hold;
    }
    if state.depth == 1 && body.starts_with(b"Node.js v") {
        return Step::End;
    }
    let call = body.starts_with(b"at ")
        && (frame(body) || body.contains(&b'(') || !body[3..].contains(&b' '));
    if line.indent > 0 && (call || frame(body)) {
        if opens(body) {
            state.phase = OBJECT;
        }
        return Step::Continue;
    }
    // bluebird and verror write the further stacks below the first.
    if line.indent == 0
        && (body == b"From previous event:" || body.starts_with(b"Caused by: ") && line.errors)
    {
        return Step::Continue;
    }
    if state.depth == 1 && line.indent == 0 && body == b"Thrown at:" {
        return Step::Continue;
    }
    Step::Foreign
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
        state.frame = Some(line.at);
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

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn stacks() {
        records(
            "
req 1
%%
Trace: here
    at /srv/a.js:11:21
%%
MyFailure: custom
    at f (/srv/a.js:13:28) {
  status: 500
}
%%
Usage: x
%%
done
%%
TypeError: Cannot read x
    at handler (/srv/a.js:6:12)
    at async Promise.all (index 0)
    at node:internal/main:28:49
%%
2026-11-23T14:31:51.082Z [error] parse failed SyntaxError: Expected '}'
    at JSON.parse (<anonymous>)
    at file:///srv/a.mjs:1:2
%%
[10:00:00.000] ERROR (1234): failed
    err: {
      \"stack\":
          Error: boom
              at f (/srv/a.js:1:2)
    }
%%
2026-11-23T14:31:51.083Z [info] next
%%
Error: with a cause
    at load (/srv/a.js:2:50)
    ... 5 lines matching cause stack trace ...
    at node:internal/main:28:49 {
  code: 'E}',
  [cause]: RangeError: low
      at q (/srv/a.js:1:22)
}
%%
all failed: [AggregateError: no] {
  [errors]: [
    Error: one
        at /srv/a.js:2:44
  ]
}
%%
Error: alone
%%
at 10:00 it ran
",
        );
    }

    #[test]
    fn uncaught() {
        records(
            "
/srv/a.js:3
  throw new TypeError('x');
  ^

TypeError: x
    at f (/srv/a.js:3:9)

Node.js v20.0.0
%%
node:internal/process/promises:288
            triggerUncaughtException(err, true /* fromPromise */);
            ^

[UnhandledPromiseRejection: no error] {
  code: 'ERR_UNHANDLED_REJECTION'
}

Node.js v20.0.0
%%
/srv/list.js:3
%%
plain
%%
(node:5417) [DEP0005] DeprecationWarning: old
(Use `node --trace-deprecation ...` to show where the warning was created)
%%
(node:5417) [X1] Warning: full
some detail
(Use `node --trace-warnings ...` to show where the warning was created)
%%
(node:5417) Warning: full
%%
done
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "failed TypeError: no x\n    at f (/srv/a.js:6:12)\n    at g (/srv/a.js:7:12)\n";
        assert_eq!(traces(text), ["node TypeError|no x|/srv/a.js|6|f"]);
        let text = "/srv/a.js:3\n  x();\n  ^\n\nTypeError: x\n    at f (/srv/a.js:3:9)\n\nNode.js v20.0.0\n";
        assert_eq!(traces(text), ["node TypeError|x|/srv/a.js|3|f"]);
    }
}
