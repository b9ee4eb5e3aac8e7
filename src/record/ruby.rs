//! Ruby: uncaught errors, `Thread#report_on_exception`, Logger, Rails.

use super::language::{ERROR_WORD, Error, Frame, Head, Language, Opening, Shape, State, Step};
use super::line::{Line, after, named_error, number, trim};
use memchr::memmem;

/// Ruby 1.9 to 3.4, which quotes names in another way.
pub(super) struct Ruby;

/// A thread's error is announced. Phase 0 is between frames.
const HEAD: u8 = 1;
/// A syntax error, with its source lines.
const SYNTAX: u8 = 2;

impl Language for Ruby {
    fn name(&self) -> &'static str {
        "ruby"
    }

    fn first(&self) -> &'static [u8] {
        b"/.#-"
    }

    fn signs(&self) -> u8 {
        ERROR_WORD
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if line.indent == 0
            && text.starts_with(b"#<Thread:")
            && after(text, b"> terminated with exception").is_some()
        {
            return Opening::Trace(State {
                phase: HEAD,
                ..State::default()
            });
        }
        if line.indent == 0 && place(text).is_some() {
            return opener(text, 0).map_or(Opening::No, Opening::Trace);
        }
        // Rails: ` NoMethodError (undefined method 'x'):`, frames without an opener of their own.
        let rails =
            line.errors && line.indent <= 2 && (text.ends_with(b"):") || text.ends_with(b")"));
        if rails {
            Opening::Head(Shape::Loose)
        } else {
            Opening::No
        }
    }

    /// Logger's formatter and Rails write the frames alone.
    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let frame = frame(line.body()) && opener(line.body(), 0).is_none();
        (frame && (head.lines <= 3)).then_some(State {
            seen: true,
            frame: Some(line.at),
            depth: BARE,
            ..State::default()
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        match state.phase {
            HEAD => head(state, line),
            SYNTAX => syntax(line),
            _ => frames(state, line),
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        let Some((_, _, rest)) = place(text) else {
            return in_log(text);
        };
        let message = after(rest, b": ").unwrap_or(rest);
        match message.iter().rposition(|b| *b == b'(') {
            Some(open) if message.ends_with(b")") => (
                Some(&message[open + 1..message.len() - 1]),
                Some(trim(&message[..open])),
            ),
            _ => (None, Some(trim(message))),
        }
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let text = trim(text);
        let text = text.strip_prefix(b"from ").unwrap_or(text);
        let Some((file, line, rest)) = place(text) else {
            return Frame::default();
        };
        let quoted = rest.strip_prefix(b":in ").and_then(|r| r.get(1..));
        let function = quoted.and_then(|q| q.iter().position(|b| *b == b'\'').map(|end| &q[..end]));
        Frame {
            file: Some(file),
            line: Some(line),
            function,
        }
    }
}

/// Frames stand alone, without `from`.
const BARE: i32 = 1;
/// The error was raised while another was rescued: Ruby prints that one, the cause, behind it.
const RESCUING: i32 = 2;

/// `message (Class)` or `Class: message` behind a logger's prefix; Rails: `Class (message):`.
fn in_log(text: &[u8]) -> Error<'_> {
    let text = after(text, b" -- ")
        .and_then(|rest| after(rest, b": "))
        .unwrap_or(text);
    let text = trim(text);
    let (kind, message) = named_error(text);
    if kind.is_none() || message.is_some() {
        return (kind, message);
    }
    let open = text.iter().rposition(|b| *b == b'(');
    match open {
        Some(open) if text.ends_with(b")") => (
            Some(&text[open + 1..text.len() - 1]),
            Some(trim(&text[..open])),
        ),
        Some(open) if text.ends_with(b"):") => (kind, Some(&text[open + 1..text.len() - 2])),
        _ => (kind, None),
    }
}

/// `path.rb:12` and what follows it.
fn place(text: &[u8]) -> Option<(&[u8], u64, &[u8])> {
    let mut from = 0;
    while let Some(i) = memmem::find(&text[from..text.len().min(from + 4096)], b":") {
        let colon = from + i;
        if let Some((line, rest)) = number(&text[colon + 1..]) {
            let file = &text[..colon];
            let known = file.ends_with(b".rb")
                || file.ends_with(b".ru")
                || file.ends_with(b".rake")
                || file == b"-e"
                || file.ends_with(b".erb");
            let behind = rest.starts_with(b":in ") || rest.starts_with(b": ");
            return (behind && (known || rest.starts_with(b":in `") || rest.starts_with(b":in '")))
                .then_some((file, line, rest));
        }
        from = colon + 1;
    }
    None
}

/// `a.rb:1:in 'f'` and nothing more but perhaps the gem before it.
fn frame(body: &[u8]) -> bool {
    place(body)
        .is_some_and(|(_, _, rest)| rest.starts_with(b":in ") && matches!(rest.last(), Some(b'\'')))
}

/// `a.rb:1:in 'f': message (Class)`
fn opener(text: &[u8], at: usize) -> Option<State> {
    let (_, _, rest) = place(text)?;
    let state = State {
        seen: true,
        error: Some(at),
        frame: Some(at),
        ..State::default()
    };
    let Some(rest) = rest.strip_prefix(b":in ") else {
        let syntax = rest.starts_with(b": syntax error") || rest.ends_with(b"(SyntaxError)");
        return syntax.then_some(State {
            phase: SYNTAX,
            ..state
        });
    };
    let message = after(rest, b"': ")?;
    if message.starts_with(b"warning: ") {
        return None;
    }
    let rescuing = rest[1..].starts_with(b"rescue in ");
    (message.ends_with(b")") || !message.is_empty()).then_some(State {
        depth: if rescuing { RESCUING } else { 0 },
        ..state
    })
}

fn head(state: &mut State, line: &Line<'_>) -> Step {
    match opener(line.text, line.at) {
        Some(next) if line.indent == 0 => {
            *state = next;
            Step::Continue
        }
        _ => Step::Foreign,
    }
}

fn frames(state: &mut State, line: &Line<'_>) -> Step {
    let body = line.body();
    if line.blank() {
        return Step::Hold;
    }
    // Ruby 2.5 to 2.7 on a terminal print the frames in reverse: `	1: from …`, and the error last.
    let from = number(body)
        .and_then(|(_, r)| r.strip_prefix(b": "))
        .unwrap_or(body)
        .starts_with(b"from ");
    if line.indent > 0 && (from || body.starts_with(b"... ")) || frame(body) && state.depth == BARE
    {
        state.lines = state.lines.max(1);
        return Step::Continue;
    }
    if let Some(next) = opener(body, line.at).filter(|_| line.indent == 0) {
        return second(state, next);
    }
    let caret = body.iter().all(|b| matches!(b, b'^' | b'~'));
    // error_highlight's snippet and did_you_mean stand between the message and its frames.
    if state.lines == 0 && (line.indent > 0 || caret || body.starts_with(b"Did you mean?")) {
        return Step::Continue;
    }
    if state.depth == BARE && body.starts_with(b"Caused by:") {
        return Step::Hold;
    }
    if state.lines == 0 && state.depth != BARE {
        Step::Hold
    } else {
        Step::Foreign
    }
}

/// A further error line: the cause of the one before, or the end of a reversed trace.
fn second(state: &mut State, next: State) -> Step {
    if state.error.is_some() && state.depth != RESCUING {
        return Step::Foreign;
    }
    let first = *state;
    *state = State {
        error: first.error.or(next.error),
        frame: first.error.and(first.frame).or(next.frame),
        ..next
    };
    Step::Continue
}

fn syntax(line: &Line<'_>) -> Step {
    let drawn = line.indent > 0 || line.text.starts_with(b"> ") || line.text.starts_with(b"...");
    if line.blank() {
        Step::Hold
    } else if drawn
        || line.text.iter().all(|b| matches!(b, b'^' | b'~'))
        || place(line.text).is_some_and(|p| p.2.starts_with(b": syntax error"))
    {
        Step::Continue
    } else {
        Step::Foreign
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn uncaught() {
        records(
            "
booting
%%
/srv/a.rb:1:in `fetch': key not found: :port (KeyError)
\tfrom /srv/a.rb:3:in `boot'
\tfrom /srv/a.rb:6:in `<main>'
%%
/srv/a.rb:1:in 'Object#f': two (RuntimeError)
lines
\tfrom /srv/a.rb:6:in '<main>'
%%
/srv/a.rb:1:in '<main>': undefined method 'foo' for nil (NoMethodError)

x.foo
 ^^^^
%%
/srv/a.rb:5:in `rescue in mid': bad volume (ArgumentError)
\tfrom /srv/a.rb:2:in `mid'
/srv/a.rb:1:in `low': disk gone (IOError)
\tfrom /srv/a.rb:3:in `mid'
%%
/srv/a.rb:1:in `a': one (IOError)
\tfrom /srv/a.rb:3:in `mid'
%%
/srv/a.rb:1:in `b': another (IOError)
\tfrom /srv/a.rb:3:in `mid'
%%
#<Thread:0x00007f@poller /srv/t.rb:1 run> terminated with exception (report_on_exception is true):
/srv/t.rb:1:in `Integer': invalid (ArgumentError)
\tfrom /srv/t.rb:1:in `block in <main>'
%%
Traceback (most recent call last):
\t1: from /srv/a.rb:3:in `<main>'
/srv/a.rb:1:in `f': reversed (RuntimeError)
%%
/srv/a.rb:3: warning: unused
%%
done
",
        );
    }

    #[test]
    fn loggers() {
        records(
            "
E, [2026-11-23T14:31:52.592411 #5957] ERROR -- shop: declined (RuntimeError)
/srv/a.rb:3:in `pay'
/srv/a.rb:5:in `<main>'
%%
I, [2026-11-23T14:31:52.592447 #5957]  INFO -- shop: next
%%
NoMethodError (undefined method `x' for #<Books>):
  
  app/controllers/books.rb:69:in `x'
  actionpack (5.1.4) lib/action.rb:63:in `call'
%%
from cache: 12 hits
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "/srv/a.rb:1:in `fetch': key: (x) (KeyError)\n\tfrom /srv/a.rb:3:in `boot'\n";
        assert_eq!(traces(text), ["ruby KeyError|key: (x)|/srv/a.rb|1|fetch"]);
        let text = "E, [2026-11-23T14:31:52.5 #5] ERROR -- shop: declined (RuntimeError)\n/srv/a.rb:3:in `pay'\n";
        assert_eq!(traces(text), ["ruby RuntimeError|declined|/srv/a.rb|3|pay"]);
        let text = "Traceback (most recent call last):\n\t1: from a.rb:3:in `<main>'\na.rb:1:in `f': x (E)\n";
        assert_eq!(traces(text), ["ruby E|x|a.rb|1|f"]);
    }
}
