//! Dart: `Unhandled exception:`.

use super::language::{Error, Frame, Head, Language, Opening, Shape, State, Step};
use super::line::{Line, find, number, trim};
use memchr::memmem;

/// The stand-alone virtual machine, and Flutter's stacks.
pub(super) struct Dart;

impl Language for Dart {
    fn name(&self) -> &'static str {
        "dart"
    }

    fn first(&self) -> &'static [u8] {
        b"U"
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let head = line.text == b"Unhandled exception:"
            || line.text.starts_with(b"Unhandled exception at ");
        if head {
            Opening::Head(Shape::Firm)
        } else {
            Opening::No
        }
    }

    /// The message has any number of lines, blank ones too; the first frame ends it.
    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let first = head.lines > 0 && line.text.starts_with(b"#0 ") && frame(line.text);
        first.then_some(State {
            seen: true,
            frame: Some(line.at),
            error: Some(head.second),
            ..State::default()
        })
    }

    fn next(&self, _: &mut State, line: &Line<'_>) -> Step {
        if frame(line.text)
            || line.text == b"<asynchronous suspension>"
            || line.text.starts_with(b"...")
        {
            return Step::Continue;
        }
        if line.blank() {
            Step::Hold
        } else {
            Step::Foreign
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        let end = text
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
            .count();
        match text[end..].strip_prefix(b": ") {
            Some(message) if end > 0 && text[0].is_ascii_uppercase() => {
                (Some(&text[..end]), Some(trim(message)))
            }
            _ => (None, Some(trim(text))),
        }
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let Some((_, rest)) = text.strip_prefix(b"#").and_then(number) else {
            return Frame::default();
        };
        let Some(open) = memmem::rfind(rest, b" (") else {
            return Frame::default();
        };
        let place = rest[open + 2..]
            .strip_suffix(b")")
            .unwrap_or(&rest[open + 2..]);
        let file = find(place, b".dart").map(|i| &place[..i + 5]);
        let line = file
            .and_then(|f| number(place.get(f.len() + 1..)?))
            .map(|n| n.0);
        Frame {
            file,
            line,
            function: Some(trim(&rest[..open])),
        }
    }
}

/// `#0      main (file:///srv/a.dart:12:20)`
fn frame(text: &[u8]) -> bool {
    let Some((_, rest)) = text.strip_prefix(b"#").and_then(number) else {
        return false;
    };
    let place = memmem::rfind(rest, b" (").map(|open| &rest[open + 2..]);
    rest.starts_with(b" ")
        && place.is_some_and(|p| p.ends_with(b")") && p.contains(&b':') && !p.contains(&b' '))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn unhandled() {
        records(
            "
up
%%
Unhandled exception:
FormatException: bad (at line 3)
this is not valid
       ^

#0      main.<anonymous closure> (file:///srv/a.dart:24:20)
<asynchronous suspension>
#1      _startIsolate (dart:isolate-patch/isolate_patch.dart:265)
%%
Unhandled exception:
Bad state: oops
#0      main (file:///srv/a.dart:24:20)
%%
#0      is a number (of things)
%%
Unhandled exception:
%%
next
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "Unhandled exception:\nFormatException: bad: x\n#0      main (file:///srv/a.dart:24:20)\n";
        assert_eq!(
            traces(text),
            ["dart FormatException|bad: x|file:///srv/a.dart|24|main"]
        );
    }
}
