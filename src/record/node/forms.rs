//! How the lines of V8's and Bun's reports look.

use crate::record::language::Error;
use crate::record::line::{
    Line, after, before, capital_head, find, key, named_error, number, trim,
};
use memchr::{memchr, memrchr};

/// `text` from the first name of an error that stands in the form of a head: `Error in job RangeError: text`.
pub(super) fn telling(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let (Some(name), message) = named_error(rest) {
        let behind = after(rest, name).unwrap_or_default();
        if message.is_some() || behind.starts_with(b" [") {
            return rest;
        }
        rest = behind;
    }
    text
}

/// `(node:12) [X] SomeWarning: text`; that of a rejection says the error.
pub(super) fn warned(text: &[u8]) -> Option<Error<'_>> {
    let text = after(text.strip_prefix(b"(node:")?, b") ")?;
    let text = match text.strip_prefix(b"[") {
        Some(code) => after(code, b"] ")?,
        None => text,
    };
    let (name, message) = capital_head(text)?;
    (name.ends_with(b"Warning") && !firm(message)).then(|| (Some(name), Some(trim(message))))
}

/// Where the code that evaluated a text stands: `eval at f (/srv/a.js:3:6), <anonymous>:1:23`.
pub(super) fn evaluated(place: &[u8]) -> Option<&[u8]> {
    let rest = place.strip_prefix(b"eval at ")?;
    let open = memrchr(b'(', rest)?;
    before(&rest[open + 1..], b")")
}

/// `file:12` in two.
pub(super) fn split_number(text: &[u8]) -> (&[u8], Option<u64>) {
    let Some(colon) = memrchr(b':', text) else {
        return (text, None);
    };
    match number(&text[colon + 1..]) {
        Some((n, [])) => (&text[..colon], Some(n)),
        _ => (text, None),
    }
}

/// `TypeError: x`, `Uncaught Error`, `Error [ERR_X]: y`: the error's name comes first.
pub(super) fn firm(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"error: ").unwrap_or(text);
    let text = text.strip_prefix(b"Uncaught ").unwrap_or(text);
    let text = text.strip_prefix(b"(in promise) ").unwrap_or(text);
    let end = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$'))
        .count();
    let named = text[..end].ends_with(b"Error") || text[..end].ends_with(b"Exception");
    named
        && (matches!(text.get(end), None | Some(b':'))
            || text[end..].starts_with(b" [")
            || text[end..].starts_with(b" {"))
}

/// `/srv/app.js:3`, `node:internal/process/promises:288`, `events.js:174`: where an uncaught error was thrown.
pub(super) fn place(text: &[u8]) -> bool {
    const FIRST: &[&[u8]] = &[
        b"/",
        b"file:///",
        b"node:",
        b"[eval]",
        b"[stdin]:",
        b"[worker eval]:",
        b"evalmachine.",
        b"undefined:",
        b"<anonymous_script>:",
    ];
    const LAST: &[&[u8]] = &[
        b".js", b".mjs", b".cjs", b".ts", b".mts", b".cts", b".jsx", b".tsx",
    ];
    if !text.last().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let (file, line) = split_number(text);
    line.is_some()
        && text.len() < 4096
        && (FIRST.iter().any(|word| text.starts_with(word))
            || LAST.iter().any(|end| file.ends_with(end)))
}

pub(super) fn caret(body: &[u8]) -> bool {
    let body = trim(body);
    !body.is_empty() && body.iter().all(|b| matches!(b, b'^' | b'~'))
}

pub(super) fn opens(body: &[u8]) -> bool {
    body.ends_with(b" {") || body.ends_with(b" [")
}

/// `[cause]: `, `code: `, `'quoted key': `
pub(super) fn keyed(body: &[u8]) -> bool {
    key(body, b"[]'-")
}

/// `at f (file:1:2)`, `at file:1:2`, `at f (<anonymous>)`; not `at least one`.
pub(super) fn frame(body: &[u8]) -> bool {
    let Some(rest) = body
        .strip_prefix(b"at ")
        .or_else(|| body.strip_prefix(b"eval at "))
    else {
        return elided(body);
    };
    let rest = rest.strip_suffix(b" {").unwrap_or(rest);
    let rest = rest.strip_suffix(b",").unwrap_or(rest);
    if let Some(inner) = rest.strip_suffix(b")") {
        let known = [
            &b"(<anonymous>"[..],
            b"(native",
            b"(unknown location",
            b"(internal",
        ]
        .iter()
        .any(|end| inner.ends_with(end));
        return known || rest.contains(&b'(') && columns(inner.strip_suffix(b")").unwrap_or(inner));
    }
    let rest = rest.strip_prefix(b"async ").unwrap_or(rest);
    !rest.contains(&b' ') && columns(rest)
}

/// `file:1:2`, or `file:1` from older engines.
pub(super) fn columns(place: &[u8]) -> bool {
    let (file, column) = split_number(place);
    column.is_some()
        && (split_number(file).1.is_some() || file.ends_with(b".js") || file.ends_with(b".ts"))
}

/// Whether a frame names a file, which V8's own functions do not have.
pub(super) fn located(body: &[u8]) -> bool {
    !["(<anonymous>)", "(native)", "(index 0)"]
        .iter()
        .any(|end| body.ends_with(end.as_bytes()))
}

/// `... 5 lines matching cause stack trace ...`, `[... lines matching original stack trace ...]`
fn elided(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"[").unwrap_or(body);
    let body = body.strip_suffix(b"]").unwrap_or(body);
    body.starts_with(b"... ")
        && body.ends_with(b" ...")
        && find(body, b" lines matching ").is_some()
}

/// A frame of any form, with whatever `console.error` was given behind the error.
pub(super) fn call(body: &[u8]) -> bool {
    let Some(rest) = body.strip_prefix(b"at ") else {
        return false;
    };
    let end = memchr(b' ', rest).unwrap_or(rest.len());
    end == rest.len() || rest.contains(&b'(') || columns(&rest[..end])
}

/// Until version 11 the braces stand around error and all, and properties follow the frames: `  errno: -2,`,
/// `  code: 'X' }`.
pub(super) fn old_property(body: &[u8]) -> bool {
    keyed(body) && matches!(body, [.., b','] | [.., b' ', b'}'])
}

/// `----- Native stack trace -----`, or, before version 20, its first frame.
pub(super) fn native_opener(line: &Line<'_>) -> bool {
    line.text == b"----- Native stack trace -----" || line.text.starts_with(b" 1: 0x")
}

/// ``node[12]: ../src/a.cc:3:void f(): Assertion `x' failed.``
pub(super) fn native_assertion(text: &[u8]) -> bool {
    text.starts_with(b"node[") && text.ends_with(b"' failed.")
}

/// `3 | const a = b;`
pub(super) fn numbered(line: &Line<'_>) -> Option<i32> {
    let (n, rest) = number(line.body())?;
    let n = i32::try_from(n).ok()?;
    (line.indent < 6 && (rest.starts_with(b" | ") || rest == b" |")).then_some(n)
}

/// `Bun v1.2.3 (Linux x64)`
pub(super) fn bun_version(text: &[u8]) -> bool {
    text.starts_with(b"Bun v") && text.ends_with(b")") && text.len() < 80
}
