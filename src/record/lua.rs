//! Lua and `LuaJIT`: `stack traceback:`.

use super::language::{Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step};
use super::line::{Line, number, trim};
use memchr::memmem;

/// The stand-alone interpreter and `OpenResty`.
pub(super) struct Lua;

const OPENER: &[u8] = b"stack traceback:";

impl Language for Lua {
    fn name(&self) -> &'static str {
        "lua"
    }

    fn first(&self) -> &'static [u8] {
        b"ls/"
    }

    fn signs(&self) -> u8 {
        ODD_WORD
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        if line.text == OPENER {
            return Opening::Trace(State {
                seen: true,
                ..State::default()
            });
        }
        let interpreter =
            line.text.starts_with(b"lua") && message(line.text).len() < line.text.len();
        if line.indent == 0 && (interpreter || place(line.text).is_some()) {
            return Opening::Head(Shape::Firm);
        }
        Opening::No
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        (line.text == OPENER).then_some(State {
            seen: true,
            error: Some(head.at),
            frame: Some(head.at),
            ..State::default()
        })
    }

    fn next(&self, _: &mut State, line: &Line<'_>) -> Step {
        // OpenResty names each coroutine before its frames.
        let belongs = line.indent > 0 && !line.blank()
            || line.text.starts_with(b"coroutine ") && line.text.ends_with(b":");
        if belongs {
            Step::Continue
        } else {
            Step::Foreign
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        let text = message(text);
        (
            None,
            Some(place(text).map_or(text, |(_, _, rest)| trim(rest))).filter(|m| *m != OPENER),
        )
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let place = place(message(text));
        place.map_or(Frame::default(), |(file, line, _)| Frame {
            file: Some(file),
            line: Some(line),
            function: None,
        })
    }
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

/// `path.lua:12: message`
fn place(text: &[u8]) -> Option<(&[u8], u64, &[u8])> {
    let end = memmem::find(text, b".lua:")? + 4;
    let (line, rest) = number(&text[end + 1..])?;
    (!text[..end].contains(&b' ')).then_some(())?;
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
/srv/x.lua:3: a message alone
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "lua5.4: /srv/x.lua:1: bad: x\nstack traceback:\n\t[C]: in ?\n";
        assert_eq!(traces(text), ["lua |bad: x|/srv/x.lua|1|"]);
    }
}
