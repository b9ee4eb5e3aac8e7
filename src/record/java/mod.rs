//! Java, Kotlin, Scala: `Throwable.printStackTrace` and what loggers make of it; thread dumps.

mod jvm;
#[cfg(test)]
mod tests;

use super::language::{
    Behind, ERROR_WORD, Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step,
};
use super::line::{
    Line, after, capital_head, class_head, dotted_len, find, named_error, number, trim,
};
use jvm::{clojure_kind, report};

/// The virtual machine's own forms.
pub(super) struct Java;

/// Between frames.
const FRAMES: u8 = 0;
/// Behind `Caused by:`, whose message may have several lines before its frames.
const CAUSE: u8 = 1;
/// A dump of all threads.
const DUMP: u8 = 2;
/// The report of a crash of the machine itself: every line begins with `#`.
const CRASH: u8 = 3;
/// Behind `Caused by:` alone: Jetty's own logger writes the cause on the next line.
const CAUSE_BELOW: u8 = 4;
/// In a further item of a message that lists what it found.
const LISTED: u8 = 5;

/// The line before announced a further head, which is of the same message.
const NESTED: u8 = 1;

impl Language for Java {
    fn name(&self) -> &'static str {
        "java"
    }

    fn first(&self) -> &'static [u8] {
        b"EFSU#"
    }

    fn signs(&self) -> u8 {
        ERROR_WORD | ODD_WORD
    }

    fn indented(&self) -> (&'static [u8], u8) {
        (b"", ERROR_WORD)
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if text.starts_with(b"Full thread dump ") {
            return Opening::Trace(State {
                phase: DUMP,
                seen: true,
                always_joins: true,
                ..State::default()
            });
        }
        if let Some(phase) = report(text).filter(|_| line.indent == 0) {
            return Opening::Trace(State {
                phase,
                seen: phase == CAUSE,
                error: Some(0),
                ..State::default()
            });
        }
        if line.indent == 0 && (class_head(text) || text == b"#" || text.starts_with(THREAD)) {
            return Opening::Head(Shape::Firm);
        }
        if line.errors {
            return Opening::Head(Shape::Loose);
        }
        // A class without a package.
        if line.indent == 0 && capital_head(text).is_some() {
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
            return Some(State {
                frame: Some(line.at),
                ..seen
            });
        }
        if head.lines == 0 {
            return (line.text == b"***************************").then_some(State {
                phase: jvm::BOOT,
                ..State::default()
            });
        }
        if body.starts_with(b"# A fatal error has been detected")
            || body.starts_with(b"# There is insufficient memory")
        {
            return Some(State {
                phase: CRASH,
                error: Some(line.at),
                ..seen
            });
        }
        let linked = body.starts_with(b"Caused by: ") && class_head(&body[11..]);
        (linked || line.indent > 0 && more(body)).then_some(State {
            phase: CAUSE,
            ..seen
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        match state.phase {
            DUMP => dump(line),
            CRASH if line.text.starts_with(b"#") => Step::Continue,
            CRASH => Step::Foreign,
            jvm::COMPILER.. => jvm::next(state, line),
            _ => trace(state, line),
        }
    }

    /// The machine writes `Exception in thread` by itself, whatever a logger said before.
    fn behind(&self, line: &Line<'_>) -> Behind {
        if line.text.starts_with(THREAD) {
            Behind::Nothing
        } else if class_head(line.text) {
            Behind::Lines
        } else {
            Behind::Message
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if let Some(rest) = text.strip_prefix(b"# ") {
            return (None, Some(trim(rest)));
        }
        if let Some(kind) = clojure_kind(text) {
            return (Some(kind), None);
        }
        let mut text = text.strip_prefix(b"Caught: ").unwrap_or(text);
        // Two threads that die at once may both write their heads first.
        while let Some(rest) = text.strip_prefix(THREAD) {
            let end = find(rest, b"\" ").map_or(rest.len(), |i| i + 2);
            text = trim(&rest[end..]);
        }
        if class_head(text) {
            let end = dotted_len(text);
            return (
                Some(&text[..end]),
                text[end..].strip_prefix(b": ").map(trim),
            );
        }
        match (named_error(text), capital_head(text)) {
            ((None, _), Some((kind, message))) => (Some(kind), Some(trim(message))),
            (named, _) => named,
        }
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let body = match clojure_kind(text) {
            Some(_) => after(text, b" at "),
            None => trim(text).strip_prefix(b"at "),
        };
        let Some(body) = body else {
            return Frame::default();
        };
        let Some(open) = body.iter().position(|b| *b == b'(') else {
            return Frame::default();
        };
        let place = &body[open + 1..];
        let place = &place[..place.iter().position(|b| *b == b')').unwrap_or(place.len())];
        let colon = place.iter().position(|b| *b == b':').unwrap_or(place.len());
        let line = place.get(colon + 1..).and_then(number).map(|n| n.0);
        Frame {
            file: line.map(|_| &place[..colon]),
            line,
            function: Some(trim(&body[..open])),
        }
    }
}

const THREAD: &[u8] = b"Exception in thread \"";

/// `at com.acme.Main.run(Main.java:3)`: no space before the parenthesis, and a source in it; or a dotted name alone.
fn frame(body: &[u8]) -> bool {
    let Some(rest) = body.strip_prefix(b"at ") else {
        return false;
    };
    let name = rest
        .iter()
        .take_while(|b| !matches!(b, b' ' | b'('))
        .count();
    let dots = memchr::memchr_iter(b'.', &rest[..name]).count();
    if !rest
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$'))
        || dots == 0
    {
        return false;
    }
    match rest.get(name) {
        Some(b'(') => source(&rest[name + 1..]),
        None => {
            dots >= 2
                && !rest[..name].contains(&b':') | rest.ends_with(b")")
                && rest[0].is_ascii_lowercase()
        }
        _ => false,
    }
}

/// What stands in a frame's parentheses.
fn source(inner: &[u8]) -> bool {
    let end = inner.iter().position(|b| *b == b')').unwrap_or(inner.len());
    let inner = &inner[..end];
    if matches!(inner, b"Native Method" | b"Unknown Source" | b"<generated>") {
        return true;
    }
    let file = inner.iter().position(|b| *b == b':').unwrap_or(inner.len());
    let (name, rest) = inner.split_at(file);
    let line = rest.is_empty() || number(&rest[1..]).is_some_and(|n| n.1.is_empty());
    let ends = [
        &b".java"[..],
        b".kt",
        b".kts",
        b".scala",
        b".groovy",
        b".clj",
    ];
    let plain = !rest.is_empty()
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'$'));
    line && (plain || ends.iter().any(|end| name.ends_with(end)))
}

/// `... 12 more`, `... 27 common frames omitted`
fn more(body: &[u8]) -> bool {
    body.strip_prefix(b"... ").and_then(number).is_some()
}

fn trace(state: &mut State, line: &Line<'_>) -> Step {
    let body = line.body();
    if line.blank() {
        return Step::Hold;
    }
    if state.phase == CAUSE_BELOW {
        state.phase = CAUSE;
        return Step::Continue;
    }
    if let Some(step) = cause(state, body) {
        return step;
    }
    let call = line.indent > 0
        && body.starts_with(b"at ")
        && (body.contains(&b'(') || !body[3..].contains(&b' '));
    if call || line.indent > 0 && more(body) {
        state.phase = FRAMES;
        if call {
            state.frame.get_or_insert(line.at);
        }
        return Step::Continue;
    }
    if line.indent > 0
        && (body.starts_with(b"[CIRCULAR REFERENCE:") || body.starts_with(b"- locked "))
    {
        return Step::Continue;
    }
    // A cause's message goes on if its frames come; JavaMail's holds a further head.
    let announces = body == b"nested exception is:";
    let nested = std::mem::replace(&mut state.mark, if announces { NESTED } else { 0 }) == NESTED;
    if line.indent == 0 && (class_head(body) && !nested || report(body).is_some()) {
        return Step::Foreign;
    }
    match state.phase {
        CAUSE if error_count(body) => Step::Continue,
        CAUSE | LISTED => Step::Hold,
        // The messages of Spark and Guice hold frames of their own.
        _ if line.text == b"Driver stacktrace:" || error_count(line.text) => Step::Hold,
        _ if numbered(line.text) => {
            state.phase = LISTED;
            Step::Hold
        }
        _ => Step::Foreign,
    }
}

/// `Caused by: com.acme.Oops: message`; with anything but a name it is one if its frames come.
fn cause(state: &mut State, body: &[u8]) -> Option<Step> {
    let rest = [&b"Caused by:"[..], b"Suppressed:", b"Wrapped by:"]
        .iter()
        .find_map(|word| body.strip_prefix(*word))?;
    let what = trim(rest);
    let circular = what.starts_with(b"[CIRCULAR REFERENCE:") && what.ends_with(b"]");
    let name = what.iter().take_while(|b| **b != b' ').count();
    let named = name == what.len() || what[..name].ends_with(b":");
    (state.phase, state.mark) = match (what, circular) {
        (b"", _) => (CAUSE_BELOW, 0),
        (_, true) => (FRAMES, 0),
        _ => (CAUSE, 0),
    };
    let sure = circular || named;
    Some(if sure { Step::Continue } else { Step::Hold })
}

/// `2) No implementation was bound.`
fn numbered(text: &[u8]) -> bool {
    number(text).is_some_and(|(_, rest)| rest.starts_with(b") "))
}

/// `1 error`, `2 errors`
fn error_count(body: &[u8]) -> bool {
    number(body).is_some_and(|(_, rest)| matches!(rest, b" error" | b" errors"))
}

fn dump(line: &Line<'_>) -> Step {
    const MORE: &[&[u8]] = &[
        b"\"",
        b"JNI global ref",
        b"Heap",
        b"Found ",
        b"Threads class SMR info:",
        b"_java_thread_list=",
        b"}",
        b"====",
        b"Java stack information",
        b"0x",
    ];
    if line.blank() {
        return Step::Hold;
    }
    let belongs = line.indent > 0 || MORE.iter().any(|word| line.text.starts_with(word));
    if belongs {
        Step::Continue
    } else {
        Step::Foreign
    }
}
