//! How Python writes the names of errors, and the places of frames.

use crate::record::language::Frame;
use crate::record::line::{after, before, number, trim};

/// `File "path", line 3`, with `, in function` or nothing behind it.
pub(super) fn file_line(body: &[u8]) -> bool {
    let Some(rest) = body.strip_prefix(b"File \"") else {
        return false;
    };
    let Some((_, rest)) = after(rest, b"\", line ").and_then(number) else {
        return false;
    };
    matches!(rest.first(), None | Some(b'\r'))
        || rest.starts_with(b", in ")
        || rest.starts_with(b" in ")
}

/// The length of a type's name with its module: `app.errors.UpstreamError`, `f.<locals>.MyError`.
pub(super) fn name_len(text: &[u8]) -> usize {
    let first = text
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_' || *b >= 0x80);
    let inside = |b: &&u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'<' | b'>') || **b >= 0x80
    };
    if first {
        text.iter().take_while(inside).count()
    } else {
        0
    }
}

/// `Type`, `Type: message`, with modules or not. A bare word must look like a type's name.
pub(super) fn exception_shape(text: &[u8]) -> bool {
    let end = name_len(text);
    let name = &text[..end];
    match trim(&text[end..]) {
        [] => end > 0 && (name[0].is_ascii_uppercase() || name.contains(&b'.') || name[0] >= 0x80),
        [b':', ..] => {
            end > 0 && text[end] == b':' && matches!(text.get(end + 1), None | Some(b' '))
        }
        _ => false,
    }
}

/// A name and nothing else, such as an exception of the main module whose author writes it small.
pub(super) fn bare_name(text: &[u8]) -> bool {
    !text.is_empty() && name_len(text) == text.len()
}

pub(super) fn syntax_error(text: &[u8]) -> bool {
    [&b"SyntaxError: "[..], b"IndentationError: ", b"TabError: "]
        .iter()
        .any(|name| text.starts_with(name))
}

pub(super) fn connector(body: &[u8]) -> bool {
    matches!(
        body.trim_ascii_end(),
        b"During handling of the above exception, another exception occurred:"
            | b"The above exception was the direct cause of the following exception:"
            | b"Original exception was:"
    )
}

/// rich's `│ /srv/a.py:9 in f      │`.
pub(super) fn boxed_frame(body: &[u8]) -> Option<Frame<'_>> {
    let bar = "│".as_bytes();
    let text = trim(body.strip_prefix(bar)?.strip_suffix(bar)?);
    let (place, function) = (before(text, b" in ")?, after(text, b" in ")?);
    let colon = place.iter().rposition(|b| *b == b':')?;
    let (line, rest) = number(&place[colon + 1..])?;
    (rest.is_empty() && colon > 0).then_some(Frame {
        file: Some(&place[..colon]),
        line: Some(line),
        function: Some(function),
    })
}
