//! Lua and `LuaJIT`: `stack traceback:`.

use super::language::{Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step};
use super::line::{Line, after, before, find, number, trim};

/// The stand-alone interpreter and `OpenResty`.
pub(super) struct Lua;

const OPENER: &[u8] = b"stack traceback:";

/// The frame nearest the error is known.
const PLACED: u8 = 1;

impl Language for Lua {
    fn name(&self) -> &'static str {
        "lua"
    }

    fn first(&self) -> &'static [u8] {
        b"ls/[2"
    }

    fn signs(&self) -> u8 {
        ODD_WORD
    }

    /// `debug.traceback` puts the stack behind the message's last line.
    fn follows_directly(&self) -> bool {
        true
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        if line.text == OPENER {
            return Opening::Trace(State {
                seen: true,
                ..State::default()
            });
        }
        let text = line.text;
        let interpreter = text.starts_with(b"lua") && message(text).len() < text.len();
        let chunk = text.starts_with(b"[") && place(text).is_some();
        let nginx = text.starts_with(b"2") && after(text, b" [lua] ").is_some();
        // A handler puts words of its own before the message; with its file's name in front that has a place as well.
        if line.indent == 0 && (interpreter || chunk || nginx || placed(text).is_some()) {
            Opening::Head(Shape::Firm)
        } else {
            Opening::No
        }
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        (line.text == OPENER).then_some(State {
            seen: true,
            error: Some(head.at),
            frame: Some(head.at),
            ..State::default()
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        // OpenResty names each coroutine before its frames.
        let belongs = line.text.starts_with(b"\t") && !line.blank()
            || line.text.starts_with(b"coroutine ") && line.text.ends_with(b":");
        if state.mark != PLACED && level(line.text).is_some() {
            state.mark = PLACED;
            state.frame = Some(line.at);
        }
        if belongs {
            Step::Continue
        } else {
            Step::Foreign
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        let text = message(text);
        let said = match (place(text), placed(text)) {
            (Some((_, _, said)), _) | (None, Some(said)) => trim(said),
            (None, None) => after(text, b"runtime error: ").unwrap_or(text),
        };
        (None, Some(said).filter(|m| *m != OPENER))
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        if let Some(frame) = level(text) {
            return frame;
        }
        let place = place(message(text));
        place.map_or(Frame::default(), |(file, line, _)| Frame {
            file: Some(file),
            line: Some(line),
            function: None,
        })
    }
}

/// A level of the stack in Lua code: tab, `path.lua:12: in function 'f'`.
fn level(text: &[u8]) -> Option<Frame<'_>> {
    let body = text.strip_prefix(b"\t")?;
    let at = find(body, b": in ")?;
    let colon = body[..at].iter().rposition(|b| *b == b':')?;
    let (line, rest) = number(&body[colon + 1..at])?;
    let what = &body[at + 5..];
    // `in function <x.lua:3>` has no name, `in upvalue 'f'` and Lua 5.1's `in function 'f'` do.
    let quoted = what.iter().position(|b| matches!(b, b'\'' | b'`'));
    let function = match quoted {
        Some(quote) => before(&what[quote + 1..], b"'"),
        None => Some(what).filter(|what| what.starts_with(b"main chunk")),
    };
    rest.is_empty().then_some(Frame {
        file: Some(&body[..colon]),
        line: Some(line),
        function,
    })
}

/// What follows the interpreter's name: `lua: `, `lua5.4: `, `luajit: `.
fn message(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        .count();
    match text[end..].strip_prefix(b": ") {
        Some(rest) if text.starts_with(b"lua") => rest,
        _ => text,
    }
}

/// The message behind a place that stands anywhere in `text`.
fn placed(text: &[u8]) -> Option<&[u8]> {
    let (_, rest) = after(text, b".lua:").and_then(number)?;
    rest.strip_prefix(b": ")
}

/// `path.lua:12: message`, `[string "chunk"]:12: message`
fn place(text: &[u8]) -> Option<(&[u8], u64, &[u8])> {
    let chunk = text.starts_with(b"[string \"");
    let end = if chunk {
        find(text, b"\"]:")? + 2
    } else {
        find(text, b".lua:")? + 4
    };
    let (line, rest) = number(&text[end + 1..])?;
    (chunk || !text[..end].contains(&b' ')).then_some(())?;
    Some((&text[..end], line, rest.strip_prefix(b": ")?))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn stacks() {
        records(
            "
lua up
%%
/srv/x.lua:1: attempt to index a nil value (field 'x')
stack traceback:
\t/srv/x.lua:1: in upvalue 'f'
\t[C]: in ?
%%
handled
%%
lua5.4: two lines
of a message
stack traceback:
\t[C]: in ?
%%
2026/11/23 10:00:00 [error] 1#1: *1 lua entry thread aborted: runtime error: a.lua:1: bad
stack traceback:
coroutine 0:
\ta.lua: in function <a.lua:1>
%%
2026/11/23 10:00:00 [error] 1#1: *3 [lua] content_by_lua(n.conf:9):1: caught: boom
line two
stack traceback:
\t[C]: in function 'error'
%%
2026/11/23 10:00:00 [error] 1#1: *3 [lua] content_by_lua(n.conf:9):1: caught: boom
%%
plain
%%
/srv/x.lua:3: a message alone
%%
handled: /srv/x.lua:3: bottom reached
stack traceback:
\t[C]: in function 'error'
\t/srv/x.lua:3: in upvalue 'deep'
\t...\t(skipping 23 levels)
\t[C]: in ?
%%
[string \"return f()\"]:1: attempt to call a nil value (global 'f')
stack traceback:
\t[string \"return f()\"]:1: in main chunk
%%
  indented
%%
handled: /srv/x.lua:3: no stack
%%
next
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "lua5.4: /srv/x.lua:1: bad: x\nstack traceback:\n\t[C]: in ?\n";
        assert_eq!(traces(text), ["lua |bad: x|/srv/x.lua|1|"]);
        let text = "lua: b.lua:9: bad\nstack traceback:\n\t[C]: in function 'error'\n\tb.lua:9: in upvalue 'f'\n\t[C]: in ?\n";
        assert_eq!(traces(text), ["lua |bad|b.lua|9|f"]);
    }
}
