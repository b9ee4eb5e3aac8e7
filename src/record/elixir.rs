//! Elixir: `Exception.format`, and what Logger writes of processes that died.

use super::language::{Error, Frame, Head, Language, Opening, Shape, State, Step};
use super::line::{Line, after, find, number, trim};

/// Elixir on the BEAM.
pub(super) struct Elixir;

/// A compiler's diagnostic with its source, as of Elixir 1.16. Phase 0 is an exception.
const DIAGNOSTIC: u8 = 1;
/// `ExUnit`'s report of a failed test.
const TEST: u8 = 2;

impl Language for Elixir {
    fn name(&self) -> &'static str {
        "elixir"
    }

    fn first(&self) -> &'static [u8] {
        b"*=[0123456789"
    }

    fn indented(&self) -> (&'static [u8], u8) {
        (b"*=we[0123456789", 0)
    }

    /// Logger adds `Last message:` and `State:`.
    fn message_last(&self) -> bool {
        true
    }

    /// The compiler's warnings look like a logger's, and then the program raises.
    fn follows_directly(&self) -> bool {
        true
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let body = line.body();
        if line.indent == 0 && banner(body) {
            return Opening::Trace(State {
                seen: true,
                error: Some(0),
                frame: compiler(body).map(|_| 0),
                ..State::default()
            });
        }
        let heading = line.indent == 0 && body.starts_with(b"== ") && body.ends_with(b" ==");
        let diagnostic =
            line.indent >= 3 && (body.starts_with(b"warning: ") || body.starts_with(b"error: "));
        if heading || diagnostic || terminated(line) || line.indent == 2 && test(body) {
            Opening::Head(Shape::Firm)
        } else {
            Opening::No
        }
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let state = State {
            indent: line.indent,
            ..State::default()
        };
        let body = line.body();
        if head.lines == 1 && line.indent == 0 && banner(body) {
            return Some(State {
                seen: true,
                error: Some(line.at),
                frame: compiler(body).map(|_| line.at),
                ..State::default()
            });
        }
        if head.lines == 1 && line.indent >= 3 && body == GUTTER.as_bytes() {
            return Some(State {
                phase: DIAGNOSTIC,
                ..state
            });
        }
        (head.lines == 1 && line.indent == 5 && place(body).is_some()).then_some(State {
            phase: TEST,
            ..state
        })
    }

    /// Hints and frames are indented, with blank lines between.
    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        match state.phase {
            DIAGNOSTIC if gutter(line.body()) => return Step::Continue,
            DIAGNOSTIC => return Step::Foreign,
            TEST if line.indent == 2 && test(line.body()) => return Step::Foreign,
            _ => {}
        }
        if line.blank() {
            return Step::Hold;
        }
        let another = line.indent == 4 && line.body().starts_with(b"warning: ");
        if line.indent == 0 || another {
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
        let Some(end) = find(rest, b")") else {
            return (None, None);
        };
        (
            Some(&rest[..end]),
            Some(trim(&rest[end + 1..])).filter(|m| !m.is_empty()),
        )
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let body = trim(text);
        compiler(body).or_else(|| place(body)).unwrap_or_default()
    }
}

/// The place that a compiler's error has in its message: `** (SyntaxError) lib/a.ex:3:1: …`.
fn compiler(text: &[u8]) -> Option<Frame<'_>> {
    const ERRORS: &[&[u8]] = &[
        b"** (SyntaxError) ",
        b"** (TokenMissingError) ",
        b"** (MismatchedDelimiterError) ",
        b"** (CompileError) ",
        b"** (EEx.SyntaxError) ",
    ];
    let message = ERRORS.iter().find_map(|error| text.strip_prefix(*error))?;
    let frame = place(
        message
            .strip_prefix(b"invalid syntax found on ")
            .unwrap_or(message),
    )?;
    Some(Frame {
        function: None,
        ..frame
    })
}

/// The bar to the left of a diagnostic's source.
const GUTTER: &str = "│";

/// `  3 │     y = 3`, `    │     ~`, `    └─ lib/a.ex:3:5: A.f/1`
fn gutter(body: &[u8]) -> bool {
    let digits = body.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = body[digits..].trim_ascii_start();
    rest.starts_with(GUTTER.as_bytes()) || rest.starts_with("└─ ".as_bytes())
}

/// Plug's `[error] #PID<0.512.0> running ShopWeb.Endpoint (…) terminated`: server and request stand before the exception.
fn terminated(line: &Line<'_>) -> bool {
    line.text.ends_with(b" terminated") && after(line.text, b"[error] #PID<").is_some()
}

/// `1) test adds (OrderTest)`
fn test(body: &[u8]) -> bool {
    let name = number(body).and_then(|(_, rest)| rest.strip_prefix(b") "));
    name.is_some_and(|name| name.ends_with(b")") && after(name, b" (").is_some())
}

/// `** (ArgumentError) message`
fn banner(text: &[u8]) -> bool {
    text.starts_with(b"** (") && find(text, b")").is_some()
}

/// `(app 1.0) lib/a.ex:12: M.f/1`
fn place(body: &[u8]) -> Option<Frame<'_>> {
    let body = if body.starts_with(b"(") {
        after(body, b") ")?
    } else {
        body
    };
    let colon = find(body, b".ex").and_then(|i| find(&body[i..], b":").map(|j| i + j))?;
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
10:00:01.130 request_id=F8a [error] #PID<0.512.0> running ShopWeb.Endpoint (connection #PID<0.511.0>, stream id 1) terminated
Server: localhost:4000 (http)
Request: GET /orders
** (exit) an exception was raised:
    ** (RuntimeError) boom
        (shop 0.1.0) lib/shop.ex:12: Shop.f/2
%%
10:00:01.130 [error] #PID<0.512.0> running ShopWeb.Endpoint (connection #PID<0.511.0>, stream id 1) terminated
%%
** a list item
%%
warning: function g/0 is unused
  lib/a.ex:6
%%

%%
** (RuntimeError) late
    lib/a.ex:11: (file)
%%
    warning: variable \"y\" is unused
    │
  3 │     y = 3
    │     ~
    │
    └─ lib/a.ex:3:5: A.f/1
%%

%%
compiled
%%
    warning: indented
%%
  1) test adds (OrderTest)
     test/a_test.exs:4
     Assertion with == failed
     left:  2

     stacktrace:
       test/a_test.exs:5: (test)
%%

%%
  2) test other (OrderTest)
     test/a_test.exs:9
     ** (ArgumentError) bad
     stacktrace:
       test/a_test.exs:11: (test)
%%

%%
Finished in 0.07 seconds
%%
  1) an item (in a list)
%%
     its text
",
        );
    }

    #[test]
    fn what_it_says() {
        let text =
            "10:00:00.000 [error] x\n** (RuntimeError) boom\n    (app 1.0) lib/a.ex:3: A.f/1\n";
        assert_eq!(traces(text), ["elixir RuntimeError|boom|lib/a.ex|3|A.f/1"]);
        let text =
            "** (SyntaxError) lib/a.ex:3:1: bad\n    (elixir 1.14.0) lib/code.ex:1245: Code.f/2\n";
        assert_eq!(
            traces(text),
            ["elixir SyntaxError|lib/a.ex:3:1: bad|lib/a.ex|3|"]
        );
    }
}
