//! Python: `traceback`, `logging`, `warnings`, `faulthandler`, `asyncio`, `threading`, `multiprocessing`.

use super::language::{Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step};
use super::line::{Line, after, before, number, trim};

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
/// `--- Logging error ---`'s last section: where the call was, and what it was given.
const CALL: u8 = 13;
/// An announcement that may name the error at once, without frames.
const HEAD_OR_ERROR: u8 = 12;

const OPENER: &[u8] = b"Traceback (most recent call last):";
const GROUP_OPENER: &[u8] = b"+ Exception Group Traceback (most recent call last):";
const STACK_OPENER: &[u8] = b"Stack (most recent call last):";

/// Frames without an opener: only a syntax error is named behind them.
const BARE: i32 = 1;

/// How far a fence may run without its end: a cut one must not swallow the rest of the stream.
const FENCE_LINES: u32 = 2000;
/// How many lines a warning's text may have.
const WARNING_LINES: usize = 12;

impl Language for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn first(&self) -> &'static [u8] {
        b"TSE+PFICUmc/<-\xe2"
    }

    fn signs(&self) -> u8 {
        ODD_WORD
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
        if line.indent > 0 {
            return Opening::No;
        }
        announcement(line.text).map_or(Opening::No, Opening::Trace)
    }

    /// `  File "x", line N` without an opener: a syntax error at top level, or `print_stack()`.
    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let frames = State {
            phase: FRAMES,
            depth: BARE,
            seen: true,
            frame: Some(head.at),
            ..State::default()
        };
        match head.lines {
            0 => (line.indent >= 2 && file_line(line.body())).then_some(State {
                frame: Some(line.at),
                ..frames
            }),
            1 if line.indent >= 4 && !line.blank() => Some(frames),
            1 if syntax_error(line.text) => Some(State {
                phase: TAIL,
                error: Some(line.at),
                ..frames
            }),
            _ => None,
        }
    }

    /// asyncio's `call_exception_handler` writes one line for each key of its context.
    fn context(&self, line: &Line<'_>) -> bool {
        const KEYS: &[&[u8]] = &[
            b"future: ",
            b"task: ",
            b"handle: ",
            b"protocol: ",
            b"transport: ",
            b"socket: ",
            b"asyncgen: ",
            b"server: ",
            b"loop: ",
        ];
        KEYS.iter().any(|key| line.text.starts_with(key))
            || line.text == b"source_traceback: Object created at (most recent call last):"
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        state.lines += 1;
        match state.phase {
            HEAD | HEAD_OR_ERROR => self.head(state, line),
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
            _ => tail(state, line),
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if let Some(what) = text.strip_prefix(b"Fatal Python error: ") {
            return (None, Some(trim(what)));
        }
        let text = text.trim_ascii_start();
        let text = trim(text.strip_prefix(b"| ").unwrap_or(text));
        if !exception_shape(text) {
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
            return Frame::default();
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

impl Python {
    fn head(&self, state: &mut State, line: &Line<'_>) -> Step {
        if reopen(state, line) || self.context(line) {
            return Step::Continue;
        }
        // An exception without a traceback of its own, ignored in a finaliser.
        if state.phase == HEAD_OR_ERROR
            && line.indent == 0
            && line.errors
            && exception_shape(line.text)
        {
            return error_line(state, line);
        }
        Step::Foreign
    }
}

/// A state in `phase`, at the line's indentation.
fn seen(phase: u8, line: &Line<'_>) -> State {
    State {
        phase,
        indent: line.indent,
        seen: true,
        ..State::default()
    }
}

/// Lines that open a traceback beyond doubt.
fn opener(line: &Line<'_>) -> Option<State> {
    let body = line.body().trim_ascii_end();
    match body.first()? {
        b'T' if body == OPENER => Some(seen(FRAMES, line)),
        b'S' if body == STACK_OPENER => Some(State {
            always_joins: true,
            ..seen(STACK, line)
        }),
        b'+' if body == GROUP_OPENER => Some(seen(GROUP, line)),
        // rich draws a box; its upper left corner is `╭`.
        0xe2 if body.starts_with("╭".as_bytes())
            && after(body, b" Traceback (most recent call last) ").is_some() =>
        {
            Some(State {
                fenced: true,
                ..seen(BOX, line)
            })
        }
        _ => None,
    }
}

/// Lines that announce a traceback or a dump, and begin a record.
fn announcement(text: &[u8]) -> Option<State> {
    let head = State {
        phase: HEAD,
        ..State::default()
    };
    let fault = State {
        phase: FAULT,
        seen: true,
        ..State::default()
    };
    match text[0..].first()? {
        b'F' if text.starts_with(b"Fatal Python error: ") => Some(State {
            error: Some(0),
            ..fault
        }),
        b'F' if text == b"Future exception was never retrieved" => Some(head),
        b'C' if text.starts_with(b"Current thread 0x") && first_call(text) => Some(fault),
        b'T' if text.starts_with(b"Thread 0x") && first_call(text) => Some(fault),
        b'T' if text.starts_with(b"Timeout (") && text.ends_with(b")!") => Some(State {
            seen: false,
            ..fault
        }),
        b'T' if matches!(
            text,
            b"Task exception was never retrieved" | b"Task was destroyed but it is pending!"
        ) =>
        {
            Some(head)
        }
        b'S' if text == b"Stack (most recent call first):" => Some(fault),
        b'E' => exception_head(text).or_else(|| {
            text.starts_with(b"Error in ")
                .then(|| error_in(text))
                .flatten()
        }),
        b'P' if text.starts_with(b"Process ")
            && text.ends_with(b":")
            && !text[8..].contains(&b' ') =>
        {
            Some(head)
        }
        b'I' if text.starts_with(b"Internal Server Error: ") => Some(head),
        b'-' if text == b"--- Logging error ---" => Some(head),
        b'U' if text.starts_with(b"Unhandled exception in ") => Some(head),
        b'm' | b'c' if remote_name(text) => Some(State {
            phase: REMOTE,
            seen: true,
            error: Some(0),
            ..head
        }),
        _ => warning_line(text).then(|| State {
            phase: WARNING,
            depth: i32::from(trim(text).ends_with(b":")),
            ..head
        }),
    }
}

/// `Exception in thread X:`, `Exception ignored in: …`. Java puts the name in quotes, and its message may end in a colon.
fn exception_head(text: &[u8]) -> Option<State> {
    let rest = text.strip_prefix(b"Exception ")?;
    let head = State {
        phase: HEAD,
        ..State::default()
    };
    if rest.starts_with(b"ignored ") {
        return Some(State {
            phase: HEAD_OR_ERROR,
            ..head
        });
    }
    let thread = rest.starts_with(b"in thread ")
        && !rest.starts_with(b"in thread \"")
        && text.ends_with(b":");
    let other = rest.starts_with(b"in callback ")
        || rest.starts_with(b"happened during processing of request from ")
        || rest.starts_with(b"in Tkinter callback");
    (thread || other).then_some(head)
}

/// `Error in sys.excepthook:`, `Error in atexit._run_exitfuncs:`.
fn error_in(text: &[u8]) -> Option<State> {
    text.ends_with(b":").then_some(State {
        phase: HEAD_OR_ERROR,
        ..State::default()
    })
}

fn first_call(text: &[u8]) -> bool {
    text.ends_with(b"(most recent call first):") || text.ends_with(b"(most recent call first)")
}

fn remote_name(text: &[u8]) -> bool {
    matches!(
        text.trim_ascii_end(),
        b"multiprocessing.pool.RemoteTraceback:" | b"concurrent.futures.process._RemoteTraceback:"
    )
}

/// `path.py:6: DeprecationWarning: text`
fn warning_line(text: &[u8]) -> bool {
    let Some(rest) = after(&text[..text.len().min(1024)], b":") else {
        return false;
    };
    let Some((_, rest)) = number(rest) else {
        return false;
    };
    let Some(rest) = rest.strip_prefix(b": ") else {
        return false;
    };
    let end = name_len(rest);
    rest[..end].ends_with(b"Warning") && rest.get(end) == Some(&b':')
}

/// `File "path", line 3`, with `, in function` or nothing behind it.
fn file_line(body: &[u8]) -> bool {
    let Some(rest) = body.strip_prefix(b"File \"") else {
        return false;
    };
    let Some((_, rest)) = after(rest, b"\", line ").and_then(number) else {
        return false;
    };
    matches!(rest.first(), None | Some(b'\r'))
        || rest.starts_with(b", in ")
        || rest.starts_with(b" in ")
}

/// The length of a type's name with its module: `app.errors.UpstreamError`, `f.<locals>.MyError`.
fn name_len(text: &[u8]) -> usize {
    let first = text
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_' || *b >= 0x80);
    let inside = |b: &&u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'<' | b'>') || **b >= 0x80
    };
    if first {
        text.iter().take_while(inside).count()
    } else {
        0
    }
}

/// `Type`, `Type: message`, with modules or not. A bare word must look like a type's name.
fn exception_shape(text: &[u8]) -> bool {
    let end = name_len(text);
    let name = &text[..end];
    match trim(&text[end..]) {
        [] => end > 0 && (name[0].is_ascii_uppercase() || name.contains(&b'.') || name[0] >= 0x80),
        [b':', ..] => {
            end > 0 && text[end] == b':' && matches!(text.get(end + 1), None | Some(b' '))
        }
        _ => false,
    }
}

/// The line that names the error.
fn error_line(state: &mut State, line: &Line<'_>) -> Step {
    state.error = Some(line.at);
    state.seen = true;
    state.phase = if remote_name(line.text) { REMOTE } else { TAIL };
    Step::Continue
}

/// Goes on with a further traceback in the same record.
fn reopen(state: &mut State, line: &Line<'_>) -> bool {
    let Some(next) = opener(line) else {
        return false;
    };
    *state = State {
        error: state.error,
        frame: state.frame,
        lines: state.lines,
        ..next
    };
    true
}

/// Lines per frame are never counted: the source may be missing, carets and their notes add some, a recursion is
/// abbreviated. Loguru puts blank lines between, and `>` before a frame.
fn frames(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() {
        return Step::Hold;
    }
    if line.indent > state.indent {
        if line.body().starts_with(b"File \"") {
            state.frame = Some(line.at);
        } else if state.lines == 1
            && number(line.body()).is_some_and(|(_, r)| r.starts_with(b": from "))
        {
            // Ruby 2.5 to 2.7 begin with the same words.
            *state = State {
                seen: true,
                ..State::default()
            };
            return Step::Other("ruby");
        }
        return Step::Continue;
    }
    if line.body().starts_with(b"> File \"") {
        state.frame = Some(line.at);
        return Step::Continue;
    }
    let named = if state.depth == BARE {
        syntax_error(line.text)
    } else {
        exception_shape(line.body())
    };
    if line.indent == state.indent && named {
        return error_line(state, line);
    }
    Step::Foreign
}

fn syntax_error(text: &[u8]) -> bool {
    [&b"SyntaxError: "[..], b"IndentationError: ", b"TabError: "]
        .iter()
        .any(|name| text.starts_with(name))
}

fn tail(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() {
        return Step::Hold;
    }
    let body = line.body();
    if line.indent == state.indent && connector(body) {
        state.phase = CHAIN;
        return Step::Continue;
    }
    if body == STACK_OPENER || body == b"Call stack:" && line.held == 0 {
        state.phase = if body == STACK_OPENER { STACK } else { CALL };
        return Step::Continue;
    }
    // A message's further lines (psycopg2's hints); unindented ones cannot be told from the next print.
    if line.indent > state.indent && line.held == 0 && opener(line).is_none() && !file_line(body) {
        return Step::Continue;
    }
    Step::Foreign
}

fn connector(body: &[u8]) -> bool {
    matches!(
        body.trim_ascii_end(),
        b"During handling of the above exception, another exception occurred:"
            | b"The above exception was the direct cause of the following exception:"
            | b"Original exception was:"
    )
}

fn chain(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() {
        return Step::Hold;
    }
    if reopen(state, line) {
        return Step::Continue;
    }
    if line.indent == state.indent && exception_shape(line.body()) {
        return error_line(state, line);
    }
    Step::Foreign
}

fn remote(state: &mut State, line: &Line<'_>) -> Step {
    if line.text == b"\"\"\"" {
        state.phase = FENCE;
        state.fenced = true;
        state.lines = 0;
        return Step::Continue;
    }
    state.phase = TAIL;
    tail(state, line)
}

fn fence(state: &mut State, line: &Line<'_>) -> Step {
    let closed = match state.phase {
        FENCE => line.text == b"\"\"\"",
        _ => line.body().starts_with("╰".as_bytes()),
    };
    if closed {
        state.fenced = false;
        state.phase = if state.phase == FENCE { TAIL } else { CHAIN };
        return Step::Continue;
    }
    if state.lines > FENCE_LINES {
        state.fenced = false;
        return Step::Foreign;
    }
    Step::Continue
}

fn group(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() {
        return Step::Hold;
    }
    let body = line.body();
    match body.first() {
        Some(b'|' | b'+')
            if line.indent > 0 && line.indent >= state.indent && body != GROUP_OPENER =>
        {
            let inner = body.strip_prefix(b"| ").unwrap_or_default();
            if state.error.is_none() && line.indent == state.indent && exception_shape(inner) {
                state.error = Some(line.at);
            } else if state.error.is_none() && inner.trim_ascii_start().starts_with(b"File \"") {
                state.frame = Some(line.at);
            }
            Step::Continue
        }
        _ if line.indent == 0 && connector(body) => {
            state.phase = CHAIN;
            state.indent = 0;
            state.error = None;
            Step::Continue
        }
        _ => Step::Foreign,
    }
}

/// Each thread's stack stands behind a blank line; lists of modules and C frames may follow.
fn fault(state: &mut State, line: &Line<'_>) -> Step {
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
fn warning(state: &mut State, line: &Line<'_>) -> Step {
    if line.indent == 2 && !line.blank() {
        state.phase = WARNED;
        return Step::Continue;
    }
    if state.lines == 1
        && line
            .text
            .starts_with(b"ResourceWarning: Enable tracemalloc")
    {
        return Step::End;
    }
    let most = if state.depth == 1 { WARNING_LINES } else { 3 };
    if line.held < most && announcement(line.text).is_none() {
        Step::Hold
    } else {
        Step::Foreign
    }
}

fn warned(state: &mut State, line: &Line<'_>) -> Step {
    if line
        .text
        .starts_with(b"Object allocated at (most recent call last):")
    {
        state.phase = STACK;
        return Step::Continue;
    }
    if line
        .text
        .starts_with(b"ResourceWarning: Enable tracemalloc")
    {
        return Step::End;
    }
    Step::Foreign
}

/// Logging tells where the call was that it could not format, the message and the arguments.
fn call(state: &mut State, line: &Line<'_>) -> Step {
    if line.text.starts_with(b"Arguments: ") {
        return Step::End;
    }
    if line.indent > state.indent && !line.blank() || line.text.starts_with(b"Message: ") {
        return Step::Continue;
    }
    Step::Foreign
}

fn stack(state: &mut State, line: &Line<'_>) -> Step {
    if line.indent > state.indent && !line.blank() {
        if state.error.is_none() && line.body().starts_with(b"File \"") {
            state.frame = Some(line.at);
        }
        return Step::Continue;
    }
    Step::Foreign
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{records, traces};

    #[test]
    fn a_traceback_is_one_record() {
        records(
            r#"
loading
%%
Traceback (most recent call last):
  File "a.py", line 5, in <module>
    try: {}["x"]
         ~~^^^^^
  [Previous line repeated 996 more times]
  File "<frozen importlib._bootstrap>", line 1, in _find
KeyError: 'x'
%%
bye: all good
%%
Traceback (most recent call last):
  File "a.py", line 5, in <module>
KeyboardInterrupt
%%
Traceback (most recent call last):
  File "a.py", line 5, in f
psycopg2.OperationalError: connection refused
	Is the server running?
%%
Traceback (most recent call last):
  File "a.py", line 5, in cut
%%
two words"#,
        );
    }

    #[test]
    fn chains_stay_together() {
        records(
            r#"
2026-11-23 10:00:00,000 ERROR db failed
Traceback (most recent call last):
  File "a.py", line 9, in <module>
    connect()
OSError: [Errno 111] refused

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 11, in <module>
NameError: name 'x' is not defined

The above exception was the direct cause of the following exception:

ValueError: without frames
%%
2026-11-23 10:00:01,000 INFO db retry
%%
Traceback (most recent call last):
  File "a.py", line 1, in f
ValueError: x
%%

%%
a line"#,
        );
    }

    #[test]
    fn groups_stay_together() {
        records(
            r#"
running
%%
  + Exception Group Traceback (most recent call last):
  |   File "g.py", line 10, in <module>
  |     raise ExceptionGroup("two", errs)
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "g.py", line 7, in <module>
    | TypeError: bad
    +---------------- 2 ----------------
    | ValueError: worse
    +------------------------------------

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "g.py", line 12, in <module>
RuntimeError: last
%%
  + Exception Group Traceback (most recent call last):
  | ExceptionGroup: one (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: x
    +------------------------------------
%%
done"#,
        );
    }

    #[test]
    fn headers_join() {
        records(
            r#"
INFO:shop:up
%%
ERROR:shop:no price
Traceback (most recent call last):
  File "a.py", line 6, in <module>
KeyError: 'price'
message line two

message line four
%%
INFO:shop:an uncaught one is apart
%%
Traceback (most recent call last):
  File "a.py", line 6, in <module>
KeyError: 'price'
%%
127.0.0.1 - - [23/Nov/2026:14:29:32 +0000] "GET / HTTP/1.1" 500 0 "-" "-"
%%
Traceback (most recent call last):
  File "a.py", line 6, in <module>
KeyError: 'price'
%%
INFO:shop:a stack always joins
Stack (most recent call last):
  File "a.py", line 6, in <module>
    f()
%%
Internal Server Error: /boom
Traceback (most recent call last):
  File "a.py", line 6, in <module>
KeyError: 'price'
%%
Process SpawnProcess-1:
Traceback (most recent call last):
  File "a.py", line 6, in <module>
KeyError: 'price'
%%
Exception in thread Thread-1 (work):
%%
Task exception was never retrieved
future: <Task finished name='Task-2' exception=ValueError('x')>
Traceback (most recent call last):
  File "a.py", line 6, in <module>
ValueError: x
%%
Exception ignored in: <function C.__del__ at 0x7f>
AttributeError: 'NoneType' object has no attribute 'close'
%%
Exception handling is on"#,
        );
    }

    #[test]
    fn back_to_back_tracebacks_are_two() {
        records(
            r#"
[2026-11-23 10:00:00 +0000] [7] [ERROR] bad
Traceback (most recent call last):
  File "a.py", line 6, in f
KeyError: 'a'
%%
Traceback (most recent call last):
  File "a.py", line 7, in f
KeyError: 'b'
%%
Traceback (most recent call last):
  File "a.py", line 8, in cut
%%
Traceback (most recent call last):
  File "a.py", line 8, in g
KeyError: 'c'"#,
        );
    }

    #[test]
    fn other_layouts() {
        records(
            r#"
[E 261123 10:00:00 web:1789] Uncaught exception GET / (127.0.0.1)
    Traceback (most recent call last):
      File "x.py", line 3, in get
    ZeroDivisionError: division by zero
%%
2026-11-23 10:00:00.000 | ERROR    | __main__:<module>:5 - loguru
Traceback (most recent call last):

> File "x.py", line 5, in <module>
    f()
    └ <function f at 0x1>

  File "x.py", line 3, in f

ZeroDivisionError: division by zero
%%
concurrent.futures.process._RemoteTraceback: 
"""
Traceback (most recent call last):
  File "w.py", line 1, in w
2026-11-23 10:00:00 INFO content
ValueError: x
"""

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
ValueError: x
%%
  File "t.py", line 3
    def f(:
          ^
SyntaxError: invalid syntax
%%
╭──── Traceback (most recent call last) ────╮
│ a.py:3 in <module>                        │
╰───────────────────────────────────────────╯
ZeroDivisionError: division by zero
%%
done"#,
        );
    }

    #[test]
    fn warnings_and_dumps() {
        records(
            r#"
/srv/a.py:6: DeprecationWarning: old() is deprecated
  old()
%%
a.py:7: UserWarning: the source is not there
%%
a.py:8: SettingWithCopyWarning: 
A value is trying to be set on a copy

See the caveats
  df['a'] = 1
%%
sys:1: ResourceWarning: unclosed file <x>
ResourceWarning: Enable tracemalloc to get the object allocation traceback
%%
job 7
%%
Fatal Python error: Segmentation fault

Current thread 0x00007fd3 (most recent call first):
  File "a.py", line 3 in poke

Thread 0x00007fd4 (most recent call first):
  File "a.py", line 6 in <module>

Extension modules: numpy (total: 1)
%%
Timeout (0:00:01)!
Thread 0x00007fd4 (most recent call first):
  File "a.py", line 6 in <module>
%%
Thread 0x00007fd4 is fine"#,
        );
    }

    #[test]
    fn sections_behind_the_error() {
        records(
            r#"
--- Logging error ---
Traceback (most recent call last):
  File "logging/__init__.py", line 400, in getMessage
TypeError: %d format: a real number is required, not str
Call stack:
  File "a.py", line 49, in <module>
    log.info('%d', 'x')
Message: '%d'
Arguments: ('x',)
%%
2026-11-23 10:00:00,000 ERROR app both
Traceback (most recent call last):
  File "a.py", line 6, in <module>
ZeroDivisionError: division by zero
Stack (most recent call last):
  File "a.py", line 7, in <module>
%%
2026-11-23 10:00:00,000 INFO next
%%
plain
%%
  File "a.py", line 45, in <module>
    g()
  File "a.py", line 44, in g
    traceback.print_stack()
%%
done: ok
%%
a.py:9: UserWarning: two
lines
  warnings.warn('two\nlines')
%%
a.py:9: UserWarning: no source
%%
a.py:9: UserWarning: nor here
%%
plain"#,
        );
    }

    #[test]
    fn words_alone_are_no_traceback() {
        records(
            r#"
2026-11-23 10:00:00,000 INFO the Traceback (most recent call last): was not seen
%%
Traceback (most recent call last): inline
%%
  File "a.txt" is missing, 3 lines skipped
%%
  File "a.txt", line 3 of 4
%%
Process 7 is up:
%%
Fatal Python errors are rare
%%
note: File "x.py", line 3"#,
        );
    }

    #[test]
    fn what_a_traceback_says() {
        let text = r#"E, [2026-11-23T10:00:00.0 #1] ERROR -- : x
Traceback (most recent call last):
  File "a.py", line 3, in f
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/b.py", line 12, in <module>
app.Bad: first line
second"#;
        assert_eq!(
            traces(text),
            ["python app.Bad|first line|/srv/b.py|12|<module>"]
        );
        let text = "  File \"t.py\", line 3\n    def f(:\nSyntaxError: invalid\nx\n";
        assert_eq!(traces(text), ["python SyntaxError|invalid|t.py|3|"]);
        assert_eq!(
            traces("Exception in thread X:\nno more\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn error_lines_are_taken_apart() {
        let cases: &[(&str, Option<&str>, Option<&str>)] = &[
            ("KeyError: 'x'", Some("KeyError"), Some("'x'")),
            ("app.errors.Bad: a: b", Some("app.errors.Bad"), Some("a: b")),
            ("KeyboardInterrupt", Some("KeyboardInterrupt"), None),
            (
                "  | ExceptionGroup: two (2 sub-exceptions)",
                Some("ExceptionGroup"),
                Some("two (2 sub-exceptions)"),
            ),
            ("Fatal Python error: Aborted", None, Some("Aborted")),
        ];
        for (text, kind, message) in cases {
            let want = (kind.map(str::as_bytes), message.map(str::as_bytes));
            assert_eq!(Python.error(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn frames_are_taken_apart() {
        let frame = Python.frame(b"  File \"/srv/a b.py\", line 12, in <module>", b"");
        assert_eq!(
            frame,
            Frame {
                file: Some(b"/srv/a b.py"),
                line: Some(12),
                function: Some(b"<module>")
            }
        );
        assert_eq!(Python.frame(b"nothing", b""), Frame::default());
    }

    #[test]
    fn what_names_an_error() {
        for text in [
            "ValueError",
            "ValueError: x",
            "a.b.c: x",
            "struct.error",
            "f.<locals>.E: x",
            "error: x",
            "Exit: ",
        ] {
            assert!(exception_shape(text.as_bytes()), "{text}");
        }
        for text in [
            "done",
            "order skipped",
            "two words: x",
            "10: x",
            "",
            ": x",
            "a:b",
        ] {
            assert!(!exception_shape(text.as_bytes()), "{text}");
        }
    }
}
