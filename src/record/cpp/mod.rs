//! C and C++: `std::terminate`, the sanitizers, the stacks of glog, absl, folly, backward-cpp and older glibc.

#[cfg(test)]
mod tests;

use super::language::{
    Error, Frame, Head, Language, ODD_WORD, Opening, REPORT_LINES, Shape, State, Step,
};
use super::line::{Line, RACE_RULE, after, find, number, trim};
use super::logstart::log_start;

/// libstdc++, and LLVM's and GCC's sanitizers.
pub(super) struct Cpp;

/// Behind `terminate called …`.
const TERMINATE: u8 = 0;
/// In a sanitizer's report, before its summary.
const REPORT: u8 = 1;
/// Behind the summary: the shadow memory may follow.
const SUMMARY: u8 = 2;
/// Between the rules of a `ThreadSanitizer` report.
const RACE: u8 = 3;
/// Frames behind a line of the undefined behaviour sanitizer.
const FRAMES: u8 = 4;
/// In a stack of glog, absl or folly: `    @     0x55ad main`.
const AT: u8 = 5;
/// In the backtrace and the memory map that glibc printed up to 2.25.
const MAP: u8 = 6;
/// In backward-cpp's stack.
const BACKWARD: u8 = 7;
/// From uWSGI's word of a signal to the end of its backtrace.
const BACKTRACE: u8 = 8;
/// Between the marks of Redis's and Valkey's bug report.
const BUG_REPORT: u8 = 9;
/// What MySQL and MariaDB say of a signal, up to the next log line.
const SIGNAL: u8 = 10;

impl Language for Cpp {
    fn name(&self) -> &'static str {
        "cpp"
    }

    fn first(&self) -> &'static [u8] {
        b"t=Ap*S!0123456789"
    }

    fn signs(&self) -> u8 {
        ODD_WORD
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if line.indent > 0 {
            return Opening::No;
        }
        let phase = match text {
            _ if text.starts_with(b"terminate called after throwing an instance of '") => {
                Some(TERMINATE)
            }
            _ if sanitizer(text) => Some(REPORT),
            _ => server(text),
        };
        if let Some(phase) = phase {
            return Opening::Trace(State {
                phase,
                seen: true,
                fenced: phase == BUG_REPORT,
                error: Some(0),
                ..State::default()
            });
        }
        if text.starts_with(b"Stack trace (most recent call last)") {
            return Opening::Trace(State {
                phase: BACKWARD,
                seen: true,
                ..State::default()
            });
        }
        let announced = text.ends_with(b"Sanitizer:DEADLYSIGNAL")
            || text == b"pure virtual method called"
            || text.starts_with(b"*** ");
        if announced || find(text, b": runtime error: ").is_some() {
            return Opening::Head(Shape::Firm);
        }
        if text.len() >= 18 && text.iter().all(|b| *b == b'=') {
            // The signal's name may stand before it.
            return Opening::Head(Shape::Loose);
        }
        Opening::No
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let text = line.text;
        let seen = |phase, error| State {
            phase,
            seen: true,
            error: Some(error),
            ..State::default()
        };
        if text == b"*** Check failure stack trace: ***" {
            return Some(State {
                error: (head.lines > 0).then_some(head.at),
                ..seen(AT, head.at)
            });
        }
        match head.lines {
            // A signal's sanitizer is named before the rule of its report.
            1 | 2 if sanitizer(text) => Some(seen(REPORT, line.at)),
            1 if text.starts_with(b"WARNING: ThreadSanitizer: ") => Some(State {
                fenced: true,
                ..seen(RACE, line.at)
            }),
            1 => second(line).map(|phase| State {
                frame: indented_frame(line).then_some(line.at),
                ..seen(phase, head.at)
            }),
            _ => None,
        }
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        state.lines += 1;
        if state.frame.is_none() && indented_frame(line) {
            state.frame = Some(line.at);
        }
        match state.phase {
            TERMINATE if line.text == b"terminate called recursively" => Step::End,
            TERMINATE if line.indent > 0 => Step::Continue,
            AT => at(state, line),
            MAP if mapped(line.text) => Step::Continue,
            BACKWARD => backward(state, line),
            REPORT | SUMMARY => report(state, line),
            RACE => race(state, line),
            BACKTRACE | BUG_REPORT | SIGNAL => crash(state, line),
            FRAMES if line.blank() => Step::Hold,
            FRAMES if line.indent > 0 && line.held == 0 => Step::Continue,
            FRAMES if line.text.starts_with(b"SUMMARY: ") => Step::End,
            _ => Step::Foreign,
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if let Some(rest) = after(text, b"terminate called after throwing an instance of '") {
            return (rest.strip_suffix(b"'"), None);
        }
        let rest = after(text, b"==ERROR: ")
            .or_else(|| after(text, b"WARNING: "))
            .unwrap_or(text);
        match find(rest, b"Sanitizer: ") {
            Some(i) => (Some(&rest[..i + 9]), Some(trim(&rest[i + 11..]))),
            None => (None, after(text, b": runtime error: ").map(trim)),
        }
    }

    /// `#0 0x55 in function file:line`
    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let Some(rest) = after(text, b" in ") else {
            return Frame::default();
        };
        let Some(space) = rest.iter().rposition(|b| *b == b' ') else {
            return Frame::default();
        };
        let (function, place) = (Some(&rest[..space]), &rest[space + 1..]);
        let mut parts = place.split(|b| *b == b':');
        let file = parts.next();
        let line = parts.next().and_then(number).map(|n| n.0);
        Frame {
            file: file.filter(|_| line.is_some()),
            line,
            function,
        }
    }
}

/// `==7450==ERROR: AddressSanitizer: …`
fn sanitizer(text: &[u8]) -> bool {
    let Some((_, rest)) = text.strip_prefix(b"==").and_then(number) else {
        return false;
    };
    (rest.starts_with(b"==ERROR: ") || rest.starts_with(b"==WARNING: "))
        && find(rest, b"Sanitizer").is_some()
}

/// `#0 0x55ea in main /srv/a.cpp:4`
fn frame(body: &[u8]) -> bool {
    let numbered = body.strip_prefix(b"#").and_then(number);
    numbered.is_some_and(|(_, rest)| rest.starts_with(b" 0x") || rest.starts_with(b" "))
}

fn indented_frame(line: &Line<'_>) -> bool {
    line.indent > 0 && frame(line.body())
}

/// The phase behind a head that names the error, by the line below it.
fn second(line: &Line<'_>) -> Option<u8> {
    let text = line.text;
    let pointer = text.starts_with(b"0x") && text.ends_with(b": note: pointer points here");
    let undefined = text.starts_with(b"SUMMARY: UndefinedBehaviorSanitizer: ");
    if signal(text) || text.starts_with(b"PC: @ ") {
        Some(AT)
    } else if text == b"======= Backtrace: =========" {
        Some(MAP)
    } else if text.starts_with(b"terminate called ") {
        Some(TERMINATE)
    } else if pointer || undefined || indented_frame(line) {
        Some(FRAMES)
    } else {
        None
    }
}

/// `*** Signal 11 (SIGSEGV) (0x0) received by PID 7, stack trace: ***`
fn signal(text: &[u8]) -> bool {
    text.starts_with(b"*** Signal ") && text.ends_with(b"stack trace: ***")
}

/// A server's report of its own crash.
fn server(text: &[u8]) -> Option<u8> {
    let uwsgi = text.starts_with(b"!!! uWSGI process ") && text.ends_with(b" !!!");
    let redis = text.starts_with(b"=== REDIS BUG REPORT START")
        || text.starts_with(b"=== VALKEY BUG REPORT START");
    let mysql =
        text[0].is_ascii_digit() && text.ends_with(b" ;") && find(text, b" got signal ").is_some();
    match (uwsgi, redis, mysql) {
        (true, ..) => Some(BACKTRACE),
        (_, true, _) => Some(BUG_REPORT),
        (.., true) => Some(SIGNAL),
        _ => None,
    }
}

fn crash(state: &mut State, line: &Line<'_>) -> Step {
    let text = line.text;
    let ends = text == b"*** end of backtrace ***"
        || text.starts_with(b"===") && find(text, b" BUG REPORT END").is_some();
    if ends || state.lines > REPORT_LINES {
        state.fenced = false;
        return if ends { Step::End } else { Step::Foreign };
    }
    // Where the C library has no `backtrace`, uWSGI's first line is all.
    let outside = match state.phase {
        BACKTRACE if state.lines == 1 => !text.starts_with(b"*** backtrace of "),
        BACKTRACE => find(text, b"[0x").is_none(),
        SIGNAL => log_start(line).is_some(),
        _ => false,
    };
    if outside {
        return Step::Foreign;
    }
    if line.blank() {
        Step::Hold
    } else {
        Step::Continue
    }
}

/// A report's sections have headings of many kinds; its end is `ABORTING`, or what does not belong behind the summary.
fn report(state: &mut State, line: &Line<'_>) -> Step {
    const BEHIND: &[&[u8]] = &[
        b"Shadow byte",
        b"=>0x",
        b"  ",
        b"==",
        b"MemorySanitizer",
        b"HINT: ",
    ];
    let text = line.text;
    if line.blank() {
        return Step::Hold;
    }
    if text.starts_with(b"==") && text.ends_with(b"==ABORTING") || text == b"Exiting" {
        return Step::End;
    }
    if text.starts_with(b"SUMMARY: ") {
        state.phase = SUMMARY;
        return Step::Continue;
    }
    let belongs = state.phase == REPORT
        || line.indent > 0
        || BEHIND.iter().any(|word| text.starts_with(word));
    if belongs && state.lines <= REPORT_LINES {
        Step::Continue
    } else {
        Step::Foreign
    }
}

/// `PC: @ …`, `    @     0x55ad main`, and between them the signal's name.
fn at(state: &mut State, line: &Line<'_>) -> Step {
    let text = line.text;
    if text.starts_with(b"*** SIG") && text.ends_with(b"stack trace: ***") {
        state.error = Some(line.at);
        return Step::Continue;
    }
    if signal(text) || text.starts_with(b"PC: @ ") || line.indent >= 4 {
        Step::Continue
    } else {
        Step::Foreign
    }
}

/// `./shop(main+0x4c)[0x40059b]`, `======= Memory map: ========`, `00400000-00401000 r-xp …`.
fn mapped(text: &[u8]) -> bool {
    let hex = text.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let range = hex >= 8 && text.get(hex) == Some(&b'-');
    let call = text.ends_with(b"]") && find(text, b"[0x").is_some();
    range || call || text == b"======= Memory map: ========"
}

/// `#1    Source "/srv/p.cc", line 12, in main`, with the source below it; the frame nearest the error comes last.
fn backward(state: &mut State, line: &Line<'_>) -> Step {
    let text = line.text;
    if text.starts_with(b"#") && number(&text[1..]).is_some() {
        state.frame = Some(line.at);
        return Step::Continue;
    }
    if line.indent > 0 {
        return Step::Continue;
    }
    // The signal's name comes last, as psiginfo(3) writes it.
    if text.ends_with(b"])") || text.ends_with(b")") && text.starts_with(b"Aborted (") {
        state.error = Some(line.at);
        return Step::End;
    }
    Step::Foreign
}

fn race(state: &mut State, line: &Line<'_>) -> Step {
    let closed = line.text == RACE_RULE;
    if closed || state.lines > REPORT_LINES {
        state.fenced = false;
        return if closed { Step::End } else { Step::Foreign };
    }
    Step::Continue
}
