//! `key=value` pairs separated by spaces, one record a line, quoted as go-logfmt quotes. The keys and their order are JSON's,
//! but `msg` for `message`.

use super::text::{base64, json_string};
use super::{decimal, message_of};
use crate::output::Origin;
use crate::output::time::TimeCache;
use crate::record::{Kind, Record, Trace};
use std::borrow::Cow;

pub(super) fn encode(
    time: &mut TimeCache,
    name: &str,
    origin: &Origin,
    record: &Record<'_>,
    out: &mut Vec<u8>,
) {
    let begin = out.len();
    out.extend_from_slice(b"time=");
    if time.write(record.wall_us, out) {
        out.push(b' ');
    } else {
        out.truncate(begin);
    }
    out.extend_from_slice(b"pid=");
    decimal(origin.pid.unsigned_abs(), out);
    out.extend_from_slice(b" slot=");
    decimal(origin.slot, out);
    out.extend_from_slice(b" stream=");
    out.extend_from_slice(origin.stream.name().as_bytes());
    out.extend_from_slice(b" name=");
    value(name, out);
    if let Kind::Traceback(trace) = &record.kind {
        write_trace(trace, out);
    }
    let (message, ended) = message_of(record);
    out.extend_from_slice(b" msg=");
    let valid = text(message, out);
    if let Some(part) = record.part {
        out.extend_from_slice(b" part=");
        decimal(part.number, out);
        out.extend_from_slice(if part.last {
            b" last=true"
        } else {
            b" last=false"
        });
    }
    if origin.shared {
        out.extend_from_slice(b" shared=true");
    }
    if !ended {
        out.extend_from_slice(b" eol=false");
    }
    if !valid {
        // Its padding is a `=`, which a bare value must not hold.
        out.extend_from_slice(b" raw=\"");
        base64(message, out);
        out.push(b'"');
    }
    out.push(b'\n');
}

fn write_trace(trace: &Trace<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b" kind=traceback lang=");
    value(trace.lang, out);
    let texts = [
        (&b" exception.type="[..], trace.exception_type),
        (b" exception.message=", trace.exception_message),
        (b" code.filepath=", trace.file),
    ];
    for (key, bytes) in texts {
        pair(key, bytes, out);
    }
    if let Some(line) = trace.line {
        out.extend_from_slice(b" code.lineno=");
        decimal(line, out);
    }
    pair(b" code.function=", trace.function, out);
}

fn pair(key: &[u8], bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    if let Some(bytes) = bytes {
        out.extend_from_slice(key);
        text(bytes, out);
    }
}

/// Bytes as a value; what is not UTF-8 becomes U+FFFD, and the answer is false.
fn text(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let text = String::from_utf8_lossy(bytes);
    value(&text, out);
    matches!(text, Cow::Borrowed(_))
}

/// A bare value where that is read back as it is, otherwise a quoted one, with the escapes of JSON. A bare `null` would be read as no value; an empty
/// one is quoted, since not every parser takes `key=`.
fn value(text: &str, out: &mut Vec<u8>) {
    let bare = !text.is_empty()
        && text != "null"
        && !text.bytes().any(|b| b <= b' ' || matches!(b, b'=' | b'"'))
        && !text.contains(char::REPLACEMENT_CHARACTER);
    if bare {
        out.extend_from_slice(text.as_bytes());
    } else {
        json_string(text, out);
    }
}
