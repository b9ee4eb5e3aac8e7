//! What opens a traceback of Python's beyond doubt, and what announces one.

use super::inserts::{behind_statement, libpq_line};
use super::names::name_len;
use super::{
    BOX, FAILED, FAULT, FRAMES, GROUP, GROUP_OPENER, HEAD, HEAD_OR_ERROR, LONG, OPENER, REMOTE,
    RULED, STACK, STACK_OPENER, TEST_RULE, WARNING,
};
use crate::record::language::{Head, State};
use crate::record::line::{Line, after, number, trim};
use crate::record::logstart::libpq;
use memchr::memchr;

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
pub(super) fn opener(line: &Line<'_>) -> Option<State> {
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
pub(super) fn announcement(text: &[u8]) -> Option<State> {
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
        mark: if trim(text).ends_with(b":") { LONG } else { 0 },
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
pub(super) fn ruled_phase(head: Head, text: &[u8]) -> Option<u8> {
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

/// asyncio's `call_exception_handler` writes one line for each key of its context.
pub(super) fn context(line: &Line<'_>) -> bool {
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

/// asyncio's debug mode tells where a task or a handle was made; its frames follow.
pub(super) fn creation(text: &[u8]) -> bool {
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

pub(super) fn first_call(text: &[u8]) -> bool {
    text.ends_with(b"(most recent call first):") || text.ends_with(b"(most recent call first)")
}

pub(super) fn remote_name(text: &[u8]) -> bool {
    matches!(
        text.trim_ascii_end(),
        b"multiprocessing.pool.RemoteTraceback:" | b"concurrent.futures.process._RemoteTraceback:"
    )
}

/// `path.py:6: DeprecationWarning: text`
fn warning_line(text: &[u8]) -> bool {
    let near = &text[..text.len().min(1024)];
    let Some(colon) = memchr(b':', near) else {
        return false;
    };
    let Some((_, rest)) = number(&near[colon + 1..]) else {
        return false;
    };
    let Some(rest) = rest.strip_prefix(b": ") else {
        return false;
    };
    let end = name_len(rest);
    rest[..end].ends_with(b"Warning") && rest.get(end) == Some(&b':')
}
