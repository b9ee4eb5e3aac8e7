//! C and C++: `std::terminate`, the sanitizers.

use super::go::RULE;
use super::language::{Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step};
use super::line::{Line, after, number, trim};
use super::logstart::log_start;
use memchr::memmem;

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

/// From uWSGI's word of a signal to the end of its backtrace.
const BACKTRACE: u8 = 5;
/// Between the marks of Redis's and Valkey's bug report.
const BUG_REPORT: u8 = 6;
/// What MySQL and MariaDB say of a signal, up to the next log line.
const SIGNAL: u8 = 7;

/// How far a report may run without its end.
const REPORT_LINES: u32 = 2000;

impl Language for Cpp {
    fn name(&self) -> &'static str {
        "cpp"
    }

    fn first(&self) -> &'static [u8] {
        b"t=!*0123456789"
    }

    fn signs(&self) -> u8 {
        ODD_WORD
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if line.indent > 0 {
            return Opening::No;
        }
        if text.starts_with(b"terminate called after throwing an instance of '") {
            return Opening::Trace(State {
                phase: TERMINATE,
                seen: true,
                error: Some(0),
                ..State::default()
            });
        }
        if sanitizer(text) {
            return Opening::Trace(State {
                phase: REPORT,
                seen: true,
                error: Some(0),
                ..State::default()
            });
        }
        if let Some(phase) = server(text) {
            return Opening::Trace(State {
                phase,
                seen: true,
                fenced: phase == BUG_REPORT,
                error: Some(0),
                ..State::default()
            });
        }
        let rule = text.len() >= 18 && text.iter().all(|b| *b == b'=');
        let undefined = memmem::find(text, b": runtime error: ").is_some();
        if rule || undefined {
            Opening::Head(Shape::Firm)
        } else {
            Opening::No
        }
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let seen = State {
            seen: true,
            error: Some(line.at),
            ..State::default()
        };
        if head.lines != 1 {
            return None;
        }
        if line.indent > 0 && frame(line.body()) {
            return Some(State {
                phase: FRAMES,
                error: Some(head.at),
                frame: Some(line.at),
                ..seen
            });
        }
        if line.text.starts_with(b"0x") && line.text.ends_with(b": note: pointer points here") {
            return Some(State {
                phase: FRAMES,
                error: Some(head.at),
                ..seen
            });
        }
        if line.text.starts_with(b"WARNING: ThreadSanitizer: ") {
            return Some(State {
                phase: RACE,
                fenced: true,
                ..seen
            });
        }
        sanitizer(line.text).then_some(State {
            phase: REPORT,
            ..seen
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        state.lines += 1;
        if state.frame.is_none() && line.indent > 0 && frame(line.body()) {
            state.frame = Some(line.at);
        }
        match state.phase {
            TERMINATE if line.text.starts_with(b"  what():  ") => Step::Continue,
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
        match memmem::find(rest, b"Sanitizer: ") {
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
        && memmem::find(rest, b"Sanitizer").is_some()
}

/// `#0 0x55ea in main /srv/a.cpp:4`
fn frame(body: &[u8]) -> bool {
    let numbered = body.strip_prefix(b"#").and_then(number);
    numbered.is_some_and(|(_, rest)| rest.starts_with(b" 0x") || rest.starts_with(b" "))
}

/// A server's report of its own crash.
fn server(text: &[u8]) -> Option<u8> {
    let uwsgi = text.starts_with(b"!!! uWSGI process ") && text.ends_with(b" !!!");
    let redis = text.starts_with(b"=== REDIS BUG REPORT START")
        || text.starts_with(b"=== VALKEY BUG REPORT START");
    let mysql = text[0].is_ascii_digit()
        && text.ends_with(b" ;")
        && memmem::find(text, b" got signal ").is_some();
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
        || text.starts_with(b"===") && memmem::find(text, b" BUG REPORT END").is_some();
    if ends || state.lines > REPORT_LINES {
        state.fenced = false;
        return if ends { Step::End } else { Step::Foreign };
    }
    // Where the C library has no `backtrace`, uWSGI's first line is all.
    let outside = match state.phase {
        BACKTRACE if state.lines == 1 => !text.starts_with(b"*** backtrace of "),
        BACKTRACE => memmem::find(text, b"[0x").is_none(),
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
    const BEHIND: &[&[u8]] = &[b"Shadow byte", b"=>0x", b"  ", b"==", b"MemorySanitizer"];
    let text = line.text;
    if line.blank() {
        return Step::Hold;
    }
    if text.starts_with(b"==") && text.ends_with(b"==ABORTING") {
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

fn race(state: &mut State, line: &Line<'_>) -> Step {
    let closed = line.text == RULE;
    if closed || state.lines > REPORT_LINES {
        state.fenced = false;
        return if closed { Step::End } else { Step::Foreign };
    }
    Step::Continue
}

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn reports() {
        records(
            "
up
%%
terminate called after throwing an instance of 'std::runtime_error'
  what():  queue corrupt
%%
terminate called without an active exception
%%
=================================================================
==7450==ERROR: AddressSanitizer: heap-use-after-free on address 0x6020
WRITE of size 1 at 0x6020 thread T0
    #0 0x55ea in main /srv/a.cpp:4

freed by thread T0 here:
    #0 0x7f4e in free asan_malloc.cpp:52

SUMMARY: AddressSanitizer: heap-use-after-free /srv/a.cpp:4 in main
Shadow bytes around the buggy address:
=>0x0c04: fa fa[fd]fa
==7450==ABORTING
%%
a.cpp:4:73: runtime error: signed integer overflow
%%
x=1
%%
a.cpp:13:42: runtime error: store to address 0x7fff
0x7fff: note: pointer points here
  00 00 00 00
      ^ 
    #0 0x55ea in main /srv/a.cpp:4
%%
==1==ERROR: LeakSanitizer: detected memory leaks

Direct leak of 7 byte(s)
    #0 0x7f in malloc

SUMMARY: AddressSanitizer: 7 byte(s) leaked
%%
next
%%
==================
WARNING: ThreadSanitizer: data race (pid=1)
  Write of size 4
    #0 f /srv/a.cpp:3
SUMMARY: ThreadSanitizer: data race
==================
%%
==================
%%
heading
",
        );
    }

    #[test]
    fn servers_that_crashed() {
        records(
            "
!!! uWSGI process 21140 got Segmentation Fault !!!
*** backtrace of 21140 ***
uwsgi(uwsgi_backtrace+0x2f) [0x55b58e2f04df]
*** end of backtrace ***
%%
DAMN ! worker 1 (pid: 21140) died :( trying respawn ...
%%
!!! uWSGI process 21141 got Segmentation Fault !!!
%%
DAMN ! worker 1 (pid: 21141) died :( trying respawn ...
%%
=== REDIS BUG REPORT START: Cut & paste starting from here ===
20102:M 28 Nov 2026 13:42:51.794 # Redis 7.0.15 crashed by signal: 11, si_code: 2

------ STACK TRACE ------
EIP:

=== REDIS BUG REPORT END. Make sure to include from START to END. ===
%%

%%
2026-11-28T13:48:50Z UTC - mysqld got signal 11 ;
Most likely, you have hit a bug.

/usr/sbin/mysqld(my_print_stacktrace+0x2e)[0x55ec30a1287e]
%%
2026-11-28T13:48:51Z 0 [Note] up
%%
2026-11-28T13:48:51Z 0 [Note] he got signal 11
%%
plain
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "==1==ERROR: AddressSanitizer: heap: x\n    #0 0x55ea in main /srv/a.cpp:4:2\n==1==ABORTING\n";
        assert_eq!(
            traces(text),
            ["cpp AddressSanitizer|heap: x|/srv/a.cpp|4|main"]
        );
        assert_eq!(
            traces("terminate called after throwing an instance of 'E'\n"),
            ["cpp E||||"]
        );
    }
}
