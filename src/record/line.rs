//! One line as the rules see it: without its newline, a final `\r` and colours.

use memchr::{memchr, memchr_iter};

/// The rules look at no more than this of a line: it bounds the cost of any rule, and a longer line can be decided, and
/// leave in parts, before its newline is known.
pub(super) const CLIP: usize = 16 << 10;

/// The rule around the reports of `ThreadSanitizer`, of which Go's race detector is one.
pub(super) const RACE_RULE: &[u8] = b"==================";

/// How far a first word is looked at.
pub(super) const WORD: usize = 64;

/// A line, as the rules see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// The text without newline, final `\r` and colours; cut at [`CLIP`] bytes.
    pub(super) text: &'a [u8],
    /// How many spaces and tabs it begins with.
    pub(super) indent: usize,
    /// The length of the first word behind them, as far as [`WORD`] bytes.
    pub(super) word: usize,
    /// Whether that word has a dot, a colon or a dollar in it: a type's name, a file's.
    pub(super) odd: bool,
    /// Whether `Error` or `Exception` stands in it.
    pub(super) errors: bool,
    /// Where the line begins, counted from the first byte of the record that it would continue.
    pub(super) at: usize,
    /// How many lines before it are held.
    pub(super) held: usize,
}

impl<'a> Line<'a> {
    /// A line whose `text` has been cleaned.
    #[inline]
    pub(super) fn new(text: &'a [u8], errors: bool) -> Self {
        let indent = text
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
        let (word, odd) = first_word(&text[indent..]);
        Self {
            text,
            indent,
            word,
            odd,
            errors,
            at: 0,
            held: 0,
        }
    }

    /// A line that the rules do not look at.
    pub(super) fn unseen(text: &'a [u8]) -> Self {
        Self {
            text,
            indent: 0,
            word: 0,
            odd: false,
            errors: false,
            at: 0,
            held: 0,
        }
    }

    /// The text behind the indentation.
    pub(super) fn body(&self) -> &'a [u8] {
        &self.text[self.indent..]
    }

    /// Nothing but spaces.
    pub(super) fn blank(&self) -> bool {
        self.indent == self.text.len()
    }
}

#[inline]
fn first_word(body: &[u8]) -> (usize, bool) {
    let (mut len, mut odd) = (0, false);
    for b in body.iter().take(WORD) {
        match b {
            b' ' | b'\t' => break,
            b'.' | b':' | b'$' => odd = true,
            _ => {}
        }
        len += 1;
    }
    (len, odd)
}

/// The text without its newline and a final `\r`.
pub(super) fn trim_end(raw: &[u8]) -> &[u8] {
    let text = raw.strip_suffix(b"\n").unwrap_or(raw);
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// Whether an exception's name may stand in `text`: the two words that nearly every runtime's type names end in.
pub(super) fn names_error(text: &[u8]) -> bool {
    memchr_iter(b'E', text)
        .any(|i| text[i..].starts_with(b"Error") || text[i..].starts_with(b"Exception"))
}

/// Copies `text` without escape sequences (ECMA-48) into `out`.
pub(super) fn strip_colours(text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = text;
    while let Some(i) = memchr(0x1b, rest) {
        out.extend_from_slice(&rest[..i]);
        rest = &rest[i + escape_len(&rest[i..])..];
    }
    out.extend_from_slice(rest);
    if out.last() == Some(&b'\r') {
        out.pop();
    }
}

/// The length of the escape sequence that `text` begins with, at least 1.
fn escape_len(text: &[u8]) -> usize {
    match text.get(1) {
        Some(b'[') => {
            let body = text[2..]
                .iter()
                .take_while(|b| matches!(b, 0x20..=0x3f))
                .count();
            let end = text.get(2 + body).is_some_and(|b| matches!(b, 0x40..=0x7e));
            2 + body + usize::from(end)
        }
        Some(b']') => {
            let end = text.iter().position(|b| *b == 0x07);
            end.map_or(2, |i| i + 1)
        }
        Some(0x20..=0x2f) => 3.min(text.len()),
        Some(0x30..=0x7e) => 2,
        _ => 1,
    }
}

/// The number that `text` begins with, and what follows it; `None` without a digit.
pub(super) fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let n = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if n == 0 || n > 18 {
        return None;
    }
    let value = text[..n]
        .iter()
        .fold(0, |v, b| v * 10 + u64::from(b - b'0'));
    Some((value, &text[n..]))
}

/// Where `word`, which is not empty, first stands in `text`. Lines are short: a search that prepares nothing, and compares the
/// word's ends without a branch, so that the compiler makes it wide, is done before another has begun.
#[allow(clippy::needless_bitwise_bool)]
pub(super) fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    const WIDE: usize = 32;
    let (first, last, span) = (*word.first()?, *word.last()?, word.len() - 1);
    let fronts = text.get(..text.len().checked_sub(span)?)?;
    let backs = &text[span..];
    let (wide_fronts, front_rest) = fronts.as_chunks::<WIDE>();
    let (wide_backs, back_rest) = backs.as_chunks::<WIDE>();
    let ends = |(a, b): (&u8, &u8)| (*a == first) & (*b == last);
    let among = |fronts: &[u8], backs: &[u8], from: usize| {
        let mut pairs = fronts.iter().zip(backs).enumerate();
        let whole = |at: usize| text[at..].starts_with(word).then_some(at);
        pairs.find_map(|(i, pair)| ends(pair).then(|| whole(from + i)).flatten())
    };
    let hit = |fronts: &[u8; WIDE], backs: &[u8; WIDE]| {
        let pairs = fronts.iter().zip(backs);
        pairs.fold(false, |hit, pair| hit | ends(pair))
    };
    for (i, (a, b)) in wide_fronts.iter().zip(wide_backs).enumerate() {
        if let Some(at) = hit(a, b).then(|| among(a, b, i * WIDE)).flatten() {
            return Some(at);
        }
    }
    // What remains is looked at together with what stands before it, where that makes it wide.
    if let (Some(a), Some(b)) = (fronts.last_chunk(), backs.last_chunk())
        && !hit(a, b)
    {
        return None;
    }
    among(front_rest, back_rest, fronts.len() - front_rest.len())
}

/// `text` from its first occurrence of `word` on, behind it.
pub(super) fn after<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    find(text, word).map(|i| &text[i + word.len()..])
}

/// `text` in front of the first occurrence of `word`.
pub(super) fn before<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    find(text, word).map(|i| &text[..i])
}

/// Without spaces at both ends.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// The length of a name with dots at the front of `text`: `com.acme.Outer$Inner`, `app::Error`.
pub(super) fn dotted_len(text: &[u8]) -> usize {
    let inside = |b: &&u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'_' | b'.' | b'$' | b':' | b'/' | b'`')
            || **b >= 0x80
    };
    let first = text
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$'));
    let len = if first {
        text.iter().take_while(inside).count()
    } else {
        0
    };
    len - text[..len].iter().rev().take_while(|b| **b == b':').count()
}

/// `com.acme.Oops`, `com.acme.Oops: message`: packages, then a class.
pub(super) fn class_head(text: &[u8]) -> bool {
    let end = dotted_len(text);
    let Some(dot) = text[..end].iter().rposition(|b| matches!(b, b'.' | b'$')) else {
        return false;
    };
    let class = text[dot + 1..end]
        .first()
        .is_some_and(u8::is_ascii_uppercase);
    class
        && !text[..end].contains(&b'/')
        && matches!(text.get(end), None | Some(b':'))
        && matches!(text.get(end + 1), None | Some(b' '))
}

/// `name: `, where a name may have the bytes of `also` beside letters, digits, `_` and `$`.
pub(super) fn key(text: &[u8], also: &[u8]) -> bool {
    let name = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || also.contains(b);
    let end = text.iter().take_while(name).count();
    end > 0 && text[end..].starts_with(b": ")
}

/// `Name: message`, whose first word is written like a type's name.
pub(super) fn capital_head(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'))
        .count();
    let known = text.first().is_some_and(u8::is_ascii_uppercase) && end > 2;
    text[end..]
        .strip_prefix(b": ")
        .filter(|_| known)
        .map(|message| (&text[..end], message))
}

/// A type's name that ends in `Error` or `Exception`, wherever it stands, and the message behind its colon.
pub(super) fn named_error(text: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    for e in memchr_iter(b'E', text) {
        let Some(len) = [&b"Exception"[..], b"Error"]
            .iter()
            .find(|w| text[e..].starts_with(w))
            .map(|w| w.len())
        else {
            continue;
        };
        let end = e + len;
        if text
            .get(end)
            .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$'))
        {
            continue;
        }
        let name = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$');
        let start = e - text[..e].iter().rev().take_while(name).count();
        let message = text[end..]
            .strip_prefix(b": ")
            .map(trim)
            .filter(|m| !m.is_empty());
        return (Some(&text[start..end]), message);
    }
    (None, None)
}

/// Whether an error's type stands in `text` with its namespace and a message: `failed: System.ArgumentException: bad`.
pub(super) fn qualified_error(text: &[u8]) -> bool {
    let (kind, message) = named_error(text);
    kind.is_some_and(|kind| kind.contains(&b'.')) && message.is_some()
}

/// Opening less closing brackets, outside double-quoted strings.
pub(super) fn brackets(text: &[u8]) -> i32 {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for b in text {
        if quoted {
            quoted = escaped || *b != b'"';
            escaped = !escaped && *b == b'\\';
            continue;
        }
        match b {
            b'"' => quoted = true,
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth -= 1,
            _ => {}
        }
    }
    depth
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_are_removed() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"\x1b[31m\x1b[1mWARNING: x\x1b[0m", b"WARNING: x"),
            (b"plain", b"plain"),
            (b"\x1b]0;title\x07text\r", b"text"),
            (b"cut \x1b[3", b"cut "),
            (b"cut \x1b", b"cut "),
            (b"\x1b(Btext", b"text"),
        ];
        let mut out = Vec::new();
        for (text, want) in cases {
            strip_colours(text, &mut out);
            assert_eq!(out.as_slice(), *want);
        }
    }

    proptest! {
        #[test]
        fn a_word_is_found_where_it_first_stands(text in "[ab :]{0,90}", word in "[ab :]{1,5}") {
            let want = memchr::memmem::find(text.as_bytes(), word.as_bytes());
            prop_assert_eq!(find(text.as_bytes(), word.as_bytes()), want);
        }
    }

    #[test]
    fn brackets_are_counted_outside_strings() {
        assert_eq!(brackets(b"a { [ ("), 3);
        assert_eq!(brackets(br#""{ \" [" }"#), -1);
    }
}
