//! Objects printed over several lines without a logger's prefix: `{` alone, indented lines, `}`; Rust's `Name {`.

use super::language::{Error, Frame, Head, Language, OPEN_END, Opening, Shape, State, Step};
use super::line::{Line, after, brackets, key};

/// Pretty-printed JSON.
pub(super) struct Object;

impl Language for Object {
    fn name(&self) -> &'static str {
        "object"
    }

    fn first(&self) -> &'static [u8] {
        b"{[Asao$"
    }

    fn signs(&self) -> u8 {
        OPEN_END
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        match line.text {
            b"{" | b"[" | b"Array" | b"stdClass Object" | b"array (" => Opening::Head(Shape::Firm),
            text if dumped(text) || line.indent == 0 && debugged(text) => {
                Opening::Head(Shape::Firm)
            }
            // `config: {`, `User {`; an error's own is its language's.
            [.., b' ', b'{' | b'['] if line.indent == 0 && !line.errors => {
                Opening::Head(Shape::Brief)
            }
            _ => Opening::No,
        }
    }

    /// A key, a value with its comma or a further bracket on an indented line; program text in a here-document has none
    /// of these. PHP's `print_r` puts the bracket on the second line.
    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let body = line.body();
        // Node's inspect writes keys without quotes, but always indents by two.
        let inspected = line.indent == 2 && (body.ends_with(b",") || key(body, b""));
        let value = inspected || matches!(body.first(), Some(b'"' | b'\'' | b'{' | b'['));
        // A head with a name may be program text.
        let named = head.open_end && head.second - head.at > LONE;
        let value = if named { member(line) } else { value };
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
        // Data::Dumper's stands below the one that it closes.
        let end = line.indent == 0 && (state.depth <= 0 || line.text.len() <= 2)
            || matches!(line.body(), b"};" | b"];") && state.depth <= 0;
        if end { Step::End } else { Step::Continue }
    }

    fn error<'a>(&self, _: &'a [u8]) -> Error<'a> {
        (None, None)
    }

    fn frame<'a>(&self, _: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        Frame::default()
    }
}

/// `key: value,`, `'key' => {`, `"text",`: what has a comma or opens a further value.
fn member(line: &Line<'_>) -> bool {
    let body = line.body();
    let goes_on = matches!(body.last(), Some(b',' | b'{' | b'[' | b'('));
    let quoted = body.starts_with(b"\"");
    let inspected =
        key(body, b"") || matches!(body.first(), Some(b'\'' | b'{' | b'[' | b'0'..=b'9'));
    // Rust's `{:#?}` indents by four.
    goes_on && (quoted || line.indent == 2 && inspected || line.indent == 4) || arrow(body)
}

/// `["key"]=>` (PHP), `'key' => 1` (Perl)
fn arrow(body: &[u8]) -> bool {
    matches!(body.first(), Some(b'[' | b'\'')) && after(body, b"=>").is_some()
}

/// `array(2) {`, `object(Cart)#3 (1) {` (PHP's `var_dump`), `$VAR1 = {` (Perl's `Data::Dumper`)
fn dumped(text: &[u8]) -> bool {
    let php =
        (text.starts_with(b"array(") || text.starts_with(b"object(")) && text.ends_with(b") {");
    php || text.starts_with(b"$VAR") && (text.ends_with(b" = {") || text.ends_with(b" = ["))
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
array(1) {
  [\"a\"]=>
  int(1)
}
%%
$VAR1 = {
          'a' => 1
        };
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

",
        );
    }

    #[test]
    fn objects_with_a_name() {
        records(
            "
config: {
  id: 1,
  'key': [ 1, 2 ]
}
%%
User {
  tags: [
    'a'
  ]
} extra
%%
payload {
    \"a\": 1,
    \"b\": 2
}
%%
body {
%%
  color: red;
%%
}
%%
stages: [
%%
  build
%%
]
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
