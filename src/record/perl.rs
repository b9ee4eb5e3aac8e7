//! Perl: `Carp`'s stacks, and what `require` adds to an error.

use super::language::{Error, Frame, Head, Language, NUMBER_STOP, Opening, Shape, State, Step};
use super::line::{Line, number, trim};
use memchr::memmem;

/// Perl 5.
pub(super) struct Perl;

impl Language for Perl {
    fn name(&self) -> &'static str {
        "perl"
    }

    fn first(&self) -> &'static [u8] {
        b""
    }

    fn signs(&self) -> u8 {
        NUMBER_STOP
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let placed = line.indent == 0 && place(line.text).is_some() && !consequence(line.text);
        if placed {
            Opening::Head(Shape::Firm)
        } else {
            Opening::No
        }
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let belongs = head.lines == 1 && (call(line) || consequence(line.text));
        belongs.then_some(State {
            seen: true,
            frame: Some(head.at),
            ..State::default()
        })
    }

    fn next(&self, _: &mut State, line: &Line<'_>) -> Step {
        if call(line) || consequence(line.text) {
            Step::Continue
        } else {
            Step::Foreign
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        (
            None,
            Some(place(text).map_or(text, |(message, _, _)| trim(message))),
        )
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        place(text).map_or(Frame::default(), |(_, file, line)| Frame {
            file: Some(file),
            line: Some(line),
            function: None,
        })
    }
}

/// `message at FILE line N.`, perhaps with the handle last read: `, <STDIN> line 5.`
fn place(text: &[u8]) -> Option<(&[u8], &[u8], u64)> {
    let text = text.strip_suffix(b".").unwrap_or(text);
    let text = match memmem::rfind(text, b", <") {
        Some(handle) if memmem::find(&text[handle..], b"> ").is_some() => &text[..handle],
        _ => text,
    };
    let word = memmem::rfind(text, b" line ")?;
    let (line, rest) = number(&text[word + 6..])?;
    let at = memmem::rfind(&text[..word], b" at ")?;
    rest.is_empty()
        .then_some((&text[..at], &text[at + 4..word], line))
}

/// `main::f(1) called at FILE line N`, `...propagated at FILE line N.`, behind a tab.
fn call(line: &Line<'_>) -> bool {
    let body = line.body();
    let known =
        memmem::find(body, b" called at ").is_some() || body.starts_with(b"...propagated at ");
    line.text.starts_with(b"\t") && known && place(body).is_some()
}

/// What the compiler says when a module could not be loaded.
fn consequence(text: &[u8]) -> bool {
    text == b"BEGIN failed--compilation aborted."
        || (text.starts_with(b"BEGIN failed--compilation aborted at ")
            || text.starts_with(b"Compilation failed in require at "))
            && place(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn stacks() {
        records(
            "
cache is cold at /srv/a.pl line 2.
\tmain::low(3, \"x\") called at /srv/a.pl line 3
\teval {...} called at /srv/a.pl line 5
%%
plain warning at /srv/a.pl line 6.
%%
Can't locate No/Mod.pm in @INC (you may need to install it) at /srv/a.pl line 3.
BEGIN failed--compilation aborted at /srv/a.pl line 3.
Compilation failed in require at /srv/b.pl line 1.
%%
died at /srv/a.pl line 7, <STDIN> line 5.
\t...propagated at /srv/a.pl line 8, <STDIN> line 5.
%%
there were 12.
%%
\tcalled at home
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "cold at /srv/a.pl line 2.\n\tmain::low(3) called at /srv/a.pl line 3\n";
        assert_eq!(traces(text), ["perl |cold|/srv/a.pl|2|"]);
    }
}
