//! Objects printed over several lines without a logger's prefix: `{` alone, indented lines, `}`.

use super::language::{Error, Frame, Head, Language, Opening, Shape, State, Step};
use super::line::{Line, brackets};

/// Pretty-printed JSON.
pub(super) struct Object;

impl Language for Object {
    fn name(&self) -> &'static str {
        "object"
    }

    fn first(&self) -> &'static [u8] {
        b"{["
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        match line.text {
            b"{" | b"[" => Opening::Head(Shape::Firm),
            _ => Opening::No,
        }
    }

    /// A key, a string or a further bracket on an indented line; program text in a here-document has none of these.
    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let inner =
            line.indent > 0 && matches!(line.body().first(), Some(b'"' | b'\'' | b'{' | b'['));
        (head.lines == 1 && inner).then(|| State {
            depth: 1 + brackets(line.text),
            ..State::default()
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        let closer = matches!(line.text.first(), Some(b'}' | b']'));
        if line.indent == 0 && !closer || line.blank() {
            return Step::Foreign;
        }
        state.depth += brackets(line.text);
        if state.depth <= 0 {
            Step::End
        } else {
            Step::Continue
        }
    }

    fn error<'a>(&self, _: &'a [u8]) -> Error<'a> {
        (None, None)
    }

    fn frame<'a>(&self, _: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        Frame::default()
    }
}
