//! C and C++: `std::terminate`, the sanitizers, the stacks of glog, absl, folly, backward-cpp and older glibc.

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

/// How far a report may run without its end.
const REPORT_LINES: u32 = 2000;

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
        if text.starts_with(b"Stack trace (most recent call last)") {
            return Opening::Trace(State {
                phase: BACKWARD,
                seen: true,
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
        let announced = text.ends_with(b"Sanitizer:DEADLYSIGNAL")
            || text == b"pure virtual method called"
            || text.starts_with(b"*** ");
        if announced || memmem::find(text, b": runtime error: ").is_some() {
            return Opening::Head(Shape::Firm);
        }
        if text.len() >= 18 && text.iter().all(|b| *b == b'=') {
            // The signal's name may stand before it.
            return Opening::Head(Shape::Loose);
        }
        Opening::No
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let seen = State {
            seen: true,
            error: Some(line.at),
            ..State::default()
        };
        let text = line.text;
        if text == b"*** Check failure stack trace: ***" {
            return Some(State {
                phase: AT,
                error: (head.lines > 0).then_some(head.at),
                ..seen
            });
        }
        // A signal's sanitizer is named before the rule of its report.
        if head.lines == 2 && sanitizer(text) {
            return Some(State {
                phase: REPORT,
                ..seen
            });
        }
        if head.lines != 1 {
            return None;
        }
        if text.starts_with(b"PC: @ ")
            || text.starts_with(b"*** Signal ") && text.ends_with(b"stack trace: ***")
        {
            return Some(State {
                phase: AT,
                error: Some(head.at),
                ..seen
            });
        }
        if text == b"======= Backtrace: =========" {
            return Some(State {
                phase: MAP,
                error: Some(head.at),
                ..seen
            });
        }
        if text.starts_with(b"terminate called ") {
            return Some(State {
                phase: TERMINATE,
                error: Some(head.at),
                ..seen
            });
        }
        if text.starts_with(b"SUMMARY: UndefinedBehaviorSanitizer: ") {
            return Some(State {
                phase: FRAMES,
                error: Some(head.at),
                ..seen
            });
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
    let signal = text.starts_with(b"*** Signal ") && text.ends_with(b"stack trace: ***");
    if signal || text.starts_with(b"PC: @ ") || line.indent >= 4 {
        Step::Continue
    } else {
        Step::Foreign
    }
}

/// `./shop(main+0x4c)[0x40059b]`, `======= Memory map: ========`, `00400000-00401000 r-xp …`.
fn mapped(text: &[u8]) -> bool {
    let hex = text.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let range = hex >= 8 && text.get(hex) == Some(&b'-');
    let call = text.ends_with(b"]") && memmem::find(text, b"[0x").is_some();
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
    fn stacks() {
        records(
            "
up
%%
F1123 10:00:00.000002 24221 main.cc:9] Check failed: a == b
*** Check failure stack trace: ***
    @     0x7f2d8c0d01c3  google::LogMessage::Fail()
    @              (nil)  (unknown)
%%
*** Aborted at 1700000000 (unix time) try \"date -d @1700000000\" if you are using GNU date ***
PC: @     0x55ad1c2a1b3a main
*** SIGSEGV (@0x0) received by PID 1 (TID 0x7f) from PID 0; stack trace: ***
    @     0x55ad1c2a1b3a main
%%
*** ready ***
%%
*** SIGSEGV received at time=1700000000 on cpu 1 ***
PC: @     0x55ad1c2a1b3a  (unknown)  main
    @     0x7f2d8c0d01c3       1792  absl::AbslFailureSignalHandler()
%%
*** Error in `./shop': double free or corruption (fasttop): 0x000000000131a010 ***
======= Backtrace: =========
./shop[0x40059b]
======= Memory map: ========
00400000-00401000 r-xp 00000000 08:01 1048602      /srv/app/shop
%%
next
%%
Stack trace (most recent call last):
#1    Object \"/srv/app/shop\", at 0x55d0c5a4a0e4, in _start
#0    Source \"/srv/app/p.cc\", line 7, in f [0x55d0c5a4a1b1]
      >   7:   return *p;
Segmentation fault (Address not mapped to object [(nil)])
%%
pure virtual method called
terminate called without an active exception
%%
AddressSanitizer:DEADLYSIGNAL
=================================================================
==1==ERROR: AddressSanitizer: SEGV on unknown address
    #0 0x55ea in main /srv/a.cpp:4
HINT: this may be a false positive
SUMMARY: AddressSanitizer: SEGV
==1==ABORTING
%%
a.cpp:4:73: runtime error: signed integer overflow
SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior a.cpp:4:73 in 
%%
==1==WARNING: MemorySanitizer: use-of-uninitialized-value
    #0 0x55ea in main /srv/a.cpp:4

SUMMARY: MemorySanitizer: use-of-uninitialized-value
Exiting
%%
Exiting
%%
terminate called after throwing an instance of 'std::runtime_error'
  what():  bad config
  line: 3
",
        );
    }

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
