//! Elixir: `Exception.format`, and what Logger writes of processes that died.

use super::language::{Error, Frame, Head, Language, Opening, Shape, State, Step};
use super::line::{Line, after, number, trim};
use memchr::memmem;

/// Elixir on the BEAM.
pub(super) struct Elixir;

impl Language for Elixir {
    fn name(&self) -> &'static str {
        "elixir"
    }

    fn first(&self) -> &'static [u8] {
        b"*="
    }

    /// Logger adds `Last message:` and `State:`.
    fn message_last(&self) -> bool {
        true
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        if line.indent > 0 {
            return Opening::No;
        }
        if banner(line.text) {
            return Opening::Trace(State {
                seen: true,
                error: Some(0),
                ..State::default()
            });
        }
        let heading = line.text.starts_with(b"== ") && line.text.ends_with(b" ==");
        if heading {
            Opening::Head(Shape::Firm)
        } else {
            Opening::No
        }
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let error = Some(line.at);
        (head.lines < 2 && banner(line.text)).then_some(State {
            seen: true,
            error,
            ..State::default()
        })
    }

    /// Hints and frames are indented, with blank lines between.
    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        if line.blank() {
            return Step::Hold;
        }
        if line.indent == 0 {
            return Step::Foreign;
        }
        if state.frame.is_none() && place(line.body()).is_some() {
            state.frame = Some(line.at);
        }
        Step::Continue
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        let Some(rest) = text.strip_prefix(b"** (") else {
            return (None, None);
        };
        let Some(end) = memmem::find(rest, b")") else {
            return (None, None);
        };
        (
            Some(&rest[..end]),
            Some(trim(&rest[end + 1..])).filter(|m| !m.is_empty()),
        )
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        place(trim(text)).unwrap_or_default()
    }
}

/// `** (ArgumentError) message`
fn banner(text: &[u8]) -> bool {
    text.starts_with(b"** (") && memmem::find(text, b")").is_some()
}

/// `(app 1.0) lib/a.ex:12: M.f/1`
fn place(body: &[u8]) -> Option<Frame<'_>> {
    let body = if body.starts_with(b"(") {
        after(body, b") ")?
    } else {
        body
    };
    let colon =
        memmem::find(body, b".ex").and_then(|i| memmem::find(&body[i..], b":").map(|j| i + j))?;
    let (line, rest) = number(&body[colon + 1..])?;
    Some(Frame {
        file: Some(&body[..colon]),
        line: Some(line),
        function: rest.strip_prefix(b": "),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn exceptions() {
        records(
            "
parse
%%
** (ArgumentError) errors were found at the given arguments:

  * 1st argument: not a number

    :erlang.binary_to_integer(\"zz\")
    b.exs:2: M.f/1
%%
next
%%
10:00:00.000 [error] GenServer #PID<0.1.0> terminating
** (RuntimeError) boom
    lib/a.ex:3: A.f/1
Last message: :x
State: %{}
%%
10:00:00.000 [info] up
%%
== Compilation error in file lib/a.ex ==
** (SyntaxError) lib/a.ex:1:1: bad
    (elixir 1.14.0) lib/kernel.ex:1: x
%%
** a list item
",
        );
    }

    #[test]
    fn what_it_says() {
        let text =
            "10:00:00.000 [error] x\n** (RuntimeError) boom\n    (app 1.0) lib/a.ex:3: A.f/1\n";
        assert_eq!(traces(text), ["elixir RuntimeError|boom|lib/a.ex|3|A.f/1"]);
    }
}
