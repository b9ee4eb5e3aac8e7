//! Objects printed over several lines without a logger's prefix: `{` alone, indented lines, `}`; Rust's `Name {`.

use super::language::{Error, Frame, Head, Language, OPEN_END, Opening, Shape, State, Step};
use super::line::{Line, brackets};

/// Pretty-printed JSON.
pub(super) struct Object;

impl Language for Object {
    fn name(&self) -> &'static str {
        "object"
    }

    fn first(&self) -> &'static [u8] {
        b"{[As"
    }

    fn signs(&self) -> u8 {
        OPEN_END
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        match line.text {
            b"{" | b"[" | b"Array" | b"stdClass Object" => Opening::Head(Shape::Firm),
            text if line.indent == 0 && debugged(text) => Opening::Head(Shape::Firm),
            _ => Opening::No,
        }
    }

    /// A key, a value with its comma or a further bracket on an indented line; program text in a here-document has none
    /// of these. PHP's `print_r` puts the bracket on the second line.
    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let body = line.body();
        // Node's inspect writes keys without quotes, but always indents by two.
        let inspected = line.indent == 2 && (body.ends_with(b",") || key(body));
        // Rust's `{:#?}` indents by four, and a comma ends each of its lines that is no bracket.
        let named = head.second - head.at > LONE && line.indent == 4;
        let inspected =
            inspected || named && matches!(body.last(), Some(b',' | b'{' | b'(' | b'['));
        let value = inspected || matches!(body.first(), Some(b'"' | b'\'' | b'{' | b'['));
        if head.lines != 1 || line.indent == 0 && body != b"(" {
            return None;
        }
        match (head.open_end, body) {
            (false, b"(") => Some(State {
                depth: 1,
                ..State::default()
            }),
            (true, _) if value => Some(State {
                depth: 1 + brackets(line.text),
                ..State::default()
            }),
            _ => None,
        }
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        if line.blank() {
            return Step::Hold;
        }
        let closer = matches!(line.text.first(), Some(b'}' | b']' | b')'));
        if line.indent == 0 && !closer {
            return Step::Foreign;
        }
        state.depth += brackets(line.text);
        // Strings of other kinds than JSON's may hold brackets; the one that closes all stands in the first column.
        let end = line.indent == 0 && (state.depth <= 0 || line.text.len() <= 2);
        if end { Step::End } else { Step::Continue }
    }

    fn error<'a>(&self, _: &'a [u8]) -> Error<'a> {
        (None, None)
    }

    fn frame<'a>(&self, _: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        Frame::default()
    }
}

/// The longest line that holds a bracket alone.
const LONE: usize = "{\r\n".len();

/// `Order {`, `Some(`, `order = Order {`: the name of a type, and before it at most a name of the program's.
fn debugged(text: &[u8]) -> bool {
    let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let Some(name) = text.strip_suffix(b" {").or_else(|| text.strip_suffix(b"(")) else {
        return false;
    };
    let (label, name) = match memchr::memrchr(b' ', name) {
        Some(i) => (&name[..i], &name[i + 1..]),
        None => (&b":"[..], name),
    };
    let label = label
        .strip_suffix(b" =")
        .or_else(|| label.strip_suffix(b":"));
    label.is_some_and(|label| label.iter().all(word))
        && name.first().is_some_and(u8::is_ascii_uppercase)
        && name.iter().all(word)
}

/// `key: value`
fn key(body: &[u8]) -> bool {
    let end = body
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'))
        .count();
    end > 0 && body[end..].starts_with(b": ")
}

#[cfg(test)]
mod tests {
    use super::super::testing::records;

    #[test]
    fn objects_without_a_prefix() {
        records(
            "
{
  \"a\": 1,

  \"b\": [
    2
  ]
}
%%
after
%%
[
  Error: in a list
      at f (/srv/a.js:1:2),
  2
]
%%
{
  a: 'a } bracket',
  b: 1
}
%%
Array
(
    [0] => 1
    [1] => Array
        (
            [x] => y
        )

)
%%

%%
Order {
    id: 7,
    items: [
        \"tea } cup\",
    ],
}
%%
order = Some(
    Order {
        id: 8,
    },
)
%%
Server {
%%
    listen 80;
%%
}
%%
impl Order {
%%
    id: 7,
%%
}
%%
struct P
%%
{
%%
    parser: F,
%%
}
%%
server {
%%
    listen 80;
%%
}
%%
[
%%
plain
",
        );
    }
}
