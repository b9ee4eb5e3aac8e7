//! Rust: panics, with and without a backtrace; the error chains of anyhow and eyre.

use super::language::{Error, Frame, Head, Language, Opening, Shape, State, Step};
use super::line::{Line, after, before, number, trim};
use memchr::memmem;

/// The standard library's forms.
pub(super) struct Rust;

/// Behind `thread 'main' panicked at src/main.rs:2:39:`.
const MESSAGE: u8 = 0;
/// Behind `stack backtrace:`.
const BACKTRACE: u8 = 1;
/// Behind `Caused by:`.
const CAUSES: u8 = 2;

/// What the standard library says last.
const NOTES: &[&[u8]] = &[
    b"fatal runtime error: ",
    b"thread caused non-unwinding panic. aborting.",
    b"thread panicked while processing panic. aborting.",
    b"note: run with `RUST_BACKTRACE",
    b"note: Some details are omitted, run with `RUST_",
];

impl Language for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn first(&self) -> &'static [u8] {
        b"tE"
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        let overflow =
            text.starts_with(b"thread '") && text.ends_with(b" has overflowed its stack");
        if line.indent == 0 && (panicked(text) || overflow) {
            return Opening::Trace(State {
                seen: true,
                error: Some(0),
                frame: Some(0),
                ..State::default()
            });
        }
        if line.indent == 0 && text.starts_with(b"Error: ") {
            Opening::Head(Shape::Firm)
        } else {
            Opening::No
        }
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let causes = matches!(
            line.text,
            b"Caused by:" | b"Location:" | b"Stack backtrace:"
        );
        // A logger's line may hold the chain only behind a blank line, as `{:?}` prints it.
        (causes && (head.lines > 0 || line.held > 0)).then(|| State {
            phase: CAUSES,
            seen: true,
            ..State::default()
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        let text = line.text;
        if line.blank() {
            return Step::Hold;
        }
        if state.phase != CAUSES && NOTES.iter().any(|note| text.starts_with(note)) {
            return Step::End;
        }
        match state.phase {
            MESSAGE => message(state, line),
            CAUSES if matches!(text, b"Caused by:" | b"Location:" | b"Stack backtrace:") => {
                Step::Continue
            }
            _ if line.indent > 0 => Step::Continue,
            _ => Step::Foreign,
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if let Some(chain) = text.strip_prefix(b"Error: ") {
            return (Some(b"Error"), Some(trim(chain)));
        }
        // Up to Rust 1.72 the message stands in the line itself.
        if text.ends_with(b" has overflowed its stack") {
            return (Some(b"panic"), Some(b"stack overflow"));
        }
        let Some(rest) = after(text, b" panicked at ") else {
            return (Some(b"panic"), Some(trim(text)));
        };
        let quoted = rest
            .strip_prefix(b"'")
            .and_then(|q| memmem::rfind(q, b"', ").map(|end| &q[..end]));
        (Some(b"panic"), quoted)
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let Some(rest) = after(text, b" panicked at ") else {
            return Frame::default();
        };
        let place = if rest.starts_with(b"'") {
            memmem::rfind(rest, b"', ").map_or(rest, |i| &rest[i + 3..])
        } else {
            rest
        };
        let Some(file) = before(place, b":") else {
            return Frame::default();
        };
        Frame {
            file: Some(file),
            line: number(&place[file.len() + 1..]).map(|n| n.0),
            function: None,
        }
    }
}

fn opens(text: &[u8]) -> bool {
    panicked(text) || text.starts_with(b"thread '") && text.ends_with(b" has overflowed its stack")
}

/// `thread 'main' panicked at …`; since 1.91 with the thread's number, `thread 'main' (6916) panicked at …`.
fn panicked(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"thread ") else {
        return false;
    };
    let place = after(rest, b" panicked at ");
    place.is_some_and(|p| p.starts_with(b"'") || memmem::find(p, b":").is_some())
        && matches!(rest.first(), Some(b'\'' | b'<'))
}

/// The message's first line follows at once; whether there are more is known when a note or a backtrace follows.
fn message(state: &mut State, line: &Line<'_>) -> Step {
    state.lines += 1;
    if line.text == b"stack backtrace:" {
        state.phase = BACKTRACE;
        return Step::Continue;
    }
    if state.lines == 1 && line.held == 0 && !opens(line.text) {
        state.error = Some(line.at);
        return Step::Continue;
    }
    if line.indent > 0 && line.held == 0 {
        return Step::Continue;
    }
    if opens(line.text) {
        Step::Foreign
    } else {
        Step::Hold
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn panics() {
        records(
            "
[2026-11-23T10:00:00Z INFO  app] mode
%%
thread 'main' (6916) panicked at p.rs:2:39:
index out of bounds
second line
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
%%
thread 'w' panicked at src/a.rs:3:5:
assertion `left == right` failed
  left: 1
 right: 2
stack backtrace:
   0: std::panicking::begin
             at /rustc/x/library/std/src/panicking.rs:689:5
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
%%
thread 'w' panicked at src/a.rs:3:5:
no note the second time
%%
thread 'w' panicked at src/a.rs:3:5:
nor the third
%%
thread 'main' (12) has overflowed its stack
fatal runtime error: stack overflow, aborting
%%
thread 'worker' processing request
%%
note: run `x --help` for usage
",
        );
    }

    #[test]
    fn error_chains() {
        records(
            "
Error: cannot start

Caused by:
    0: reading config
    1: No such file

Location:
    src/main.rs:10:5
%%
Error: E(\"config missing\")
%%

%%
next
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "thread 'main' panicked at p.rs:2:39:\nout of bounds\nnote: run with `RUST_BACKTRACE=1`\n";
        assert_eq!(traces(text), ["rust panic|out of bounds|p.rs|2|"]);
        let text =
            "thread 'main' panicked at 'it's bad', p.rs:2:39\nnote: run with `RUST_BACKTRACE=1`\n";
        assert_eq!(traces(text), ["rust panic|it's bad|p.rs|2|"]);
        assert_eq!(
            traces("Error: a\n\nCaused by:\n    b\n"),
            ["rust Error|a|||"]
        );
    }
}
