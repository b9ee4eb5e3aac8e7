//! Python: `traceback`, `logging`, `warnings`, `faulthandler`, `asyncio`, `threading`, `multiprocessing`.

#[cfg(test)]
mod tests;

use super::language::{Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step};
use super::line::{Line, after, before, number, trim};
use super::logstart::libpq;

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
const BARE: i32 = 1;
/// The same behind a logger's line, which may have said `Traceback` itself, or where a task was created.
const LOGGED: i32 = 2;

/// Drawn by `socketserver` above and below a traceback.
const RULE: &[u8] = b"----------------------------------------";

/// Drawn by `unittest` above a failed test, and between its name and its traceback.
const TEST_RULE: &[u8] = b"======================================================================";
const NAME_RULE: &[u8] = b"----------------------------------------------------------------------";

/// How far a fence may run without its end: a cut one must not swallow the rest of the stream.
const FENCE_LINES: u32 = 2000;
/// How many lines a test's own description may have.
const TITLE_LINES: u32 = 3;
/// How many lines a statement may have.
const SQL_LINES: u32 = 500;
/// How many lines a warning's text may have.
const WARNING_LINES: usize = 12;

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
            depth: BARE,
            seen: true,
            frame: Some(head.at),
            ..State::default()
        };
        match head.lines {
            0 => (line.indent >= 2 && file_line(line.body())).then_some(State {
                frame: Some(line.at),
                depth: LOGGED,
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
                depth: 0,
                fenced: true,
                error: Some(line.at),
                frame: None,
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
            b"context: ",
        ];
        KEYS.iter().any(|key| line.text.starts_with(key))
            || creation(line.text)
            || libpq(line.text)
            || libpq_line(line.text)
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        state.lines += 1;
        match state.phase {
            HEAD | HEAD_OR_ERROR => self.head(state, line),
            FRAMES => self.frames(state, line),
            CHAIN => chain(state, line),
            REMOTE => remote(state, line),
            FENCE | BOX => fence(state, line),
            GROUP => group(state, line),
            FAULT => fault(state, line),
            WARNING => warning(state, line),
            WARNED => warned(state, line),
            CALL => call(state, line),
            STACK => self.stack(state, line),
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

impl Python {
    fn head(&self, state: &mut State, line: &Line<'_>) -> Step {
        if creation(line.text) {
            state.phase = STACK;
            state.depth = LOGGED;
            return Step::Continue;
        }
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

    /// Lines per frame are never counted: the source may be missing, carets and their notes add some, a recursion is
    /// abbreviated. Loguru puts blank lines between, and `>` before a frame.
    fn frames(&self, state: &mut State, line: &Line<'_>) -> Step {
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
        if state.depth == LOGGED && (self.context(line) || reopen(state, line)) {
            return Step::Continue;
        }
        if line.body().starts_with(b"> File \"") {
            state.frame = Some(line.at);
            return Step::Continue;
        }
        let named = if state.depth == BARE {
            syntax_error(line.text)
        } else {
            exception_shape(line.body()) || state.frame.is_some() && bare_name(line.body())
        };
        if line.indent == state.indent && named {
            return error_line(state, line);
        }
        Step::Foreign
    }

    /// Where a call was or, in asyncio's debug mode, where a task was made; that task's own traceback follows there.
    fn stack(&self, state: &mut State, line: &Line<'_>) -> Step {
        if line.indent > state.indent && !line.blank() {
            if state.error.is_none() && line.body().starts_with(b"File \"") {
                state.frame = Some(line.at);
            }
            return Step::Continue;
        }
        if state.depth == LOGGED && (self.context(line) || reopen(state, line)) {
            return Step::Continue;
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
    match text.first()? {
        b'F' | b'C' | b'T' | b'S' => fault_head(text).or_else(|| asyncio_head(text)),
        b'E' => exception_head(text)
            .or_else(|| error_in(text))
            .or_else(|| unprefixed(text).then_some(head)),
        b'J' if unprefixed(text) => Some(head),
        b'P' if text.starts_with(b"Process ") => {
            (text.ends_with(b":") && !text[8..].contains(&b' ')).then_some(head)
        }
        b'P' if text == b"Python path configuration:" => Some(State {
            phase: STACK,
            ..head
        }),
        b'I' if text.starts_with(b"Internal Server Error: ") => Some(head),
        b'-' if text == b"--- Logging error ---" => Some(head),
        b'[' if text.starts_with(b"[SQL: ") => Some(State {
            phase: behind_statement(text),
            always_joins: true,
            ..head
        }),
        b'U' if text.starts_with(b"Unhandled exception in ") => Some(head),
        b'm' | b'c' if remote_name(text) => Some(State {
            phase: REMOTE,
            seen: true,
            error: Some(0),
            ..head
        }),
        _ => None,
    }
    .or_else(|| warning_head(text))
}

/// `path.py:6: DeprecationWarning: text`, whose text may end in a colon.
fn warning_head(text: &[u8]) -> Option<State> {
    warning_line(text).then(|| State {
        phase: WARNING,
        depth: i32::from(trim(text).ends_with(b":")),
        ..State::default()
    })
}

/// faulthandler's first lines.
fn fault_head(text: &[u8]) -> Option<State> {
    let fault = State {
        phase: FAULT,
        seen: true,
        ..State::default()
    };
    let thread = text.starts_with(b"Current thread 0x") || text.starts_with(b"Thread 0x");
    if text.starts_with(b"Fatal Python error: ") {
        return Some(State {
            error: Some(0),
            ..fault
        });
    }
    if text.starts_with(b"Timeout (") && text.ends_with(b")!") {
        return Some(State {
            seen: false,
            ..fault
        });
    }
    (thread && first_call(text) || text == b"Stack (most recent call first):").then_some(fault)
}

/// asyncio's messages, where `logging` has not been set up.
fn asyncio_head(text: &[u8]) -> Option<State> {
    let retrieved = matches!(
        text,
        b"Task exception was never retrieved" | b"Future exception was never retrieved"
    );
    let known = transport_failed(text) || text == b"Task was destroyed but it is pending!";
    (retrieved || known).then_some(State {
        phase: if retrieved { HEAD_OR_ERROR } else { HEAD },
        ..State::default()
    })
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
        || request_head(text)
        || rest.starts_with(b"while serving /")
        || rest.starts_with(b"in Tkinter callback");
    (thread || other).then_some(head)
}

/// What `logging` prints where nobody has set it up is the message alone: aiohttp's, and `APScheduler`'s.
fn unprefixed(text: &[u8]) -> bool {
    text.starts_with(b"Error handling request from ")
        || text == b"Error handling request"
        || text.starts_with(b"Job \"") && text.ends_with(b"\" raised an exception")
}

/// `socketserver`'s line, in the words of Python 2 and 3.
fn request_head(text: &[u8]) -> bool {
    [&b"Exception occurred"[..], b"Exception happened"]
        .iter()
        .filter_map(|words| text.strip_prefix(*words))
        .any(|rest| rest.starts_with(b" during processing of request from "))
}

/// `Fatal error: protocol.data_received() call failed.`, `Fatal read error on socket transport`: asyncio's, where `logging`
/// has not been set up.
fn transport_failed(text: &[u8]) -> bool {
    text.starts_with(b"Fatal error: protocol.") && text.ends_with(b" call failed.")
        || text.starts_with(b"Fatal ") && text.ends_with(b" transport")
}

/// What the line below a rule makes of it.
fn ruled_phase(head: Head, text: &[u8]) -> Option<u8> {
    if head.second - head.at > TEST_RULE.len() {
        failed_test(text).then_some(FAILED)
    } else {
        request_head(text).then_some(RULED)
    }
}

/// `unittest`'s `FAIL: test_total (shop.Tests.test_total)`, between its two rules.
fn failed_test(text: &[u8]) -> bool {
    let failed = text.starts_with(b"ERROR: ") || text.starts_with(b"FAIL: ");
    failed && after(text, b" (").is_some() && matches!(text.last(), Some(b')' | b']'))
}

/// asyncio's debug mode tells where a task or a handle was made; its frames follow.
fn creation(text: &[u8]) -> bool {
    [&b"source_traceback"[..], b"handle_traceback"]
        .iter()
        .filter_map(|key| text.strip_prefix(*key))
        .any(|rest| rest == b": Object created at (most recent call last):")
}

/// `Error in sys.excepthook:`, `Error in atexit._run_exitfuncs:`.
fn error_in(text: &[u8]) -> Option<State> {
    let known = text.starts_with(b"Error in ") && text.ends_with(b":");
    known.then_some(State {
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

/// A name and nothing else, such as an exception of the main module whose author writes it small.
fn bare_name(text: &[u8]) -> bool {
    !text.is_empty() && name_len(text) == text.len()
}

/// The line that names the error.
fn error_line(state: &mut State, line: &Line<'_>) -> Step {
    state.error = Some(line.at);
    state.seen = true;
    state.phase = if remote_name(line.text) { REMOTE } else { TAIL };
    if let Some(count) = invalid_fields(line.body()) {
        state.phase = FIELDS;
        state.depth = count;
    }
    Step::Continue
}

/// How many: `pydantic_core._pydantic_core.ValidationError: 2 validation errors for User`.
fn invalid_fields(text: &[u8]) -> Option<i32> {
    let (count, rest) = number(after(text, b"ValidationError: ")?)?;
    let known =
        rest.starts_with(b" validation error for ") || rest.starts_with(b" validation errors for ");
    known.then(|| i32::try_from(count).unwrap_or(i32::MAX))
}

/// A field's place is not indented: it belongs if what is wrong with it follows.
fn fields(state: &mut State, line: &Line<'_>) -> Step {
    let place = line.indent == state.indent && !connector(line.body()) && opener(line).is_none();
    if line.indent > state.indent && !line.blank() && !file_line(line.body()) {
        state.depth -= i32::from(line.held > 0);
        return Step::Continue;
    }
    if place && !line.blank() && line.held == 0 && state.depth > 0 {
        return Step::Hold;
    }
    state.phase = TAIL;
    tail(state, line)
}

/// Goes on with a further traceback in the same record.
fn reopen(state: &mut State, line: &Line<'_>) -> bool {
    let Some(next) = opener(line) else {
        return false;
    };
    // A group's own error stands in front of those in it, and is the first that is seen.
    let (error, frame) = match next.phase {
        GROUP => (None, None),
        _ => (state.error, state.frame),
    };
    *state = State {
        error,
        frame,
        lines: state.lines,
        ..next
    };
    true
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
    // What logging said before Python 3.
    if line.held == 0 && body.starts_with(b"Logged from file ") {
        return Step::End;
    }
    if database_error(state, line) {
        return Step::Continue;
    }
    // A message's further lines (psycopg2's hints); unindented ones cannot be told from the next print.
    if line.indent > state.indent && line.held == 0 && opener(line).is_none() && !file_line(body) {
        return Step::Continue;
    }
    Step::Foreign
}

/// What libpq and `SQLAlchemy` add to a message, on lines of their own.
fn database_error(state: &mut State, line: &Line<'_>) -> bool {
    let body = line.body();
    if line.indent != state.indent {
        return false;
    }
    match body[0] {
        b'[' if body.starts_with(b"[SQL: ") => {
            state.phase = behind_statement(body);
            state.lines = 0;
            true
        }
        b'[' => body.starts_with(b"[parameters: "),
        b'(' => body.starts_with(b"(Background on this error at: "),
        b'L' => line.held == 0 && libpq_line(body),
        _ => line.held == 0 && libpq(body),
    }
}

/// Where a statement that begins or goes on with `text` leads.
fn behind_statement(text: &[u8]) -> u8 {
    if text.trim_ascii_end().ends_with(b"]") {
        TAIL
    } else {
        SQL
    }
}

/// `LINE 1: SELECT x`, with a caret below.
fn libpq_line(body: &[u8]) -> bool {
    let rest = body.strip_prefix(b"LINE ").and_then(number);
    rest.is_some_and(|(_, rest)| rest.starts_with(b": "))
}

/// Inside a statement, up to its bracket.
fn sql(state: &mut State, line: &Line<'_>) -> Step {
    if opener(line).is_some() || state.lines > SQL_LINES {
        return Step::Foreign;
    }
    if line.blank() {
        return Step::Hold;
    }
    state.phase = behind_statement(line.text);
    Step::Continue
}

/// Between the rules all is content. The error is named on the first line that is not indented, behind each traceback's frames.
fn ruled(state: &mut State, line: &Line<'_>) -> Step {
    if line.text == RULE && state.phase == RULED {
        state.fenced = false;
        return Step::End;
    }
    let named = line.text == NAME_RULE && state.phase == FAILED;
    let untitled = state.phase == FAILED && state.depth == 0 && !named;
    let next = line.text == TEST_RULE || named && state.depth > 0;
    if next || state.lines > FENCE_LINES || untitled && state.lines > TITLE_LINES {
        state.fenced = false;
        return Step::Foreign;
    }
    if untitled {
        return Step::Hold;
    }
    state.depth += i32::from(named);
    let body = line.body();
    if line.indent >= 2 && file_line(body) {
        state.frame = Some(line.at);
        state.indent = 2;
    } else if line.indent == 0 && state.indent == 2 && exception_shape(body) {
        state.error = Some(line.at);
        state.indent = 0;
    }
    Step::Continue
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
    if state.phase == BOX && boxed_frame(line.body()).is_some() {
        state.frame = Some(line.at);
    }
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

/// rich's `│ /srv/a.py:9 in f      │`.
fn boxed_frame(body: &[u8]) -> Option<Frame<'_>> {
    let bar = "│".as_bytes();
    let text = trim(body.strip_prefix(bar)?.strip_suffix(bar)?);
    let (place, function) = (before(text, b" in ")?, after(text, b" in ")?);
    let colon = place.iter().rposition(|b| *b == b':')?;
    let (line, rest) = number(&place[colon + 1..])?;
    (rest.is_empty() && colon > 0).then_some(Frame {
        file: Some(&place[..colon]),
        line: Some(line),
        function: Some(function),
    })
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
    if state.lines == 1 && enable_tracemalloc(line.text) {
        return Step::End;
    }
    // So does one with paragraphs (celery's of a worker that runs as root).
    state.depth |= i32::from(line.blank());
    let most = if state.depth == 1 { WARNING_LINES } else { 3 };
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

fn warned(state: &mut State, line: &Line<'_>) -> Step {
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
